package main

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/levada-io/levada/internal/schema"
)

type schemaCmd struct {
	Add  schemaAddCmd  `cmd:"" help:"Take a folder of schemas into use: write the lock."`
	Sync schemaSyncCmd `cmd:"" help:"Bring the lock to what the schemas are now."`
	Gen  schemaGenCmd  `cmd:"" help:"Write the Go types of the locked schemas."`
	Diff schemaDiffCmd `cmd:"" help:"Say what became of schemas: who can read what, and which pipelines break."`
	Test schemaTestCmd `cmd:"" help:"Decode and encode every example with the generated types, held against the schema."`
}

// locked is the flag that all verbs have.
type locked struct {
	Lock string `help:"Lock file." default:"schema.lock" placeholder:"FILE"`
}

func (c *locked) read() (*schema.Lock, error) {
	l, err := schema.ReadLock(c.Lock)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, usage("%s: expected a lock of schemas, got none\nhint: levada schema add FOLDER", c.Lock)
	}
	if err != nil {
		return nil, configError{err}
	}
	return l, nil
}

func (c *locked) write(l *schema.Lock) error {
	data, err := l.Text()
	if err != nil {
		return err
	}
	return os.WriteFile(c.Lock, data, 0o644)
}

type schemaAddCmd struct {
	locked  `embed:""`
	Folder  string `arg:"" type:"path" help:"Folder with topics/*.yaml and schemas/, or with *.json and *.avsc."`
	Package string `help:"Name of the Go package." default:"schemas"`
	Output  string `short:"o" help:"Go file to write." default:"schemas/schemas.go" placeholder:"FILE"`
	// Whoever keeps its schemas in a registry keeps a copy of them beside the code.
	Registry string `help:"Schema registry (Confluent's API) to fill the folder from; LEVADA_REGISTRY_USER and LEVADA_REGISTRY_PASSWORD let in." placeholder:"URL"`
}

func (c *schemaAddCmd) Run(e *env) error {
	if _, err := os.Stat(c.Lock); err == nil {
		return usage("%s: expected no lock, got one: there is one folder of schemas to a lock\nhint: levada schema sync, or --lock with another name", c.Lock)
	}
	// Kong has made the path absolute; a lock is shared by people with other folders.
	l := &schema.Lock{Version: 1, Source: relative(c.Folder), Package: c.Package, Output: c.Output}
	if c.Registry != "" {
		l.Registry = &schema.Registry{URL: c.Registry}
	} else if info, err := os.Stat(c.Folder); err != nil || !info.IsDir() {
		return usage("%s: expected a folder of schemas, got none", l.Source)
	}
	return syncLock(e, &c.locked, l)
}

type schemaSyncCmd struct {
	locked `embed:""`
}

func (c *schemaSyncCmd) Run(e *env) error {
	l, err := c.read()
	if err != nil {
		return err
	}
	return syncLock(e, &c.locked, l)
}

func syncLock(e *env, c *locked, l *schema.Lock) error {
	if l.Registry != nil {
		if err := pull(e, l); err != nil {
			return err
		}
	}
	if err := l.Sync(os.DirFS(l.Source)); err != nil {
		return configError{err}
	}
	notes, err := schema.PassedOver(os.DirFS(l.Source))
	if err != nil {
		return configError{err}
	}
	for _, n := range notes {
		fmt.Fprintf(e.stdout, "note: %s\n", n)
	}
	fmt.Fprintf(e.stdout, "%s: topics=%d schemas=%d\n", c.Lock, len(l.Topics), len(l.Files))
	return c.write(l)
}

type schemaGenCmd struct {
	locked `embed:""`
	Check  bool `help:"Write nothing; an error if what is there is not current."`
}

func (c *schemaGenCmd) Run(e *env) error {
	l, err := c.read()
	if err != nil {
		return err
	}
	before, err := l.Text()
	if err != nil {
		return err
	}
	g, err := l.Generate(os.DirFS(l.Source))
	if err != nil {
		return configError{err}
	}
	after, err := l.Text()
	if err != nil {
		return err
	}
	if c.Check {
		have, err := os.ReadFile(l.Output)
		if err != nil || !bytes.Equal(have, g.Source) || !bytes.Equal(before, after) {
			return configError{fmt.Errorf("%s: expected the types of %s, got something else\nhint: levada schema gen", l.Output, c.Lock)}
		}
		return nil
	}
	for _, n := range g.Notes {
		fmt.Fprintf(e.stdout, "note: %s\n", n)
	}
	if err := writeFile(l.Output, g.Source); err != nil {
		return err
	}
	fmt.Fprintf(e.stdout, "%s: schemas=%d types=%d notes=%d\n", l.Output, len(l.Files), len(l.Names), len(g.Notes))
	return c.write(l)
}

func writeFile(name string, data []byte) error {
	if err := os.MkdirAll(filepath.Dir(name), 0o755); err != nil {
		return err
	}
	return os.WriteFile(name, data, 0o644)
}

// relative is a path as seen from the working folder, where that is possible.
func relative(name string) string {
	wd, err := os.Getwd()
	if err != nil {
		return name
	}
	if rel, err := filepath.Rel(wd, name); err == nil {
		return filepath.ToSlash(rel)
	}
	return name
}
