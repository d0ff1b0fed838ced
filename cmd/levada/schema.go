package main

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"

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
	Folder  string `arg:"" type:"path" help:"Folder with topics/*.yaml and schemas/, or with *.json, *.avsc and *.proto; or a pattern in quotes, 'schemas/**/*.json'."`
	Package string `help:"Name of the Go package." default:"schemas"`
	Output  string `short:"o" help:"Go file to write." default:"schemas/schemas.go" placeholder:"FILE"`
	// Whoever keeps its schemas in a registry keeps a copy of them beside the code.
	Registry string   `help:"Schema registry (Confluent's API) to fill the folder from; LEVADA_REGISTRY_USER and LEVADA_REGISTRY_PASSWORD let in." placeholder:"URL"`
	Subjects []string `help:"Subjects of the registry to take, in quotes, 'orders-*'; may be repeated. Default: all." placeholder:"PATTERN"`
	Git      string   `help:"Repository of Git to fill the folder from." placeholder:"URL"`
	Ref      string   `help:"Branch, tag or commit of the repository; a commit stays what it is at sync." default:"HEAD" placeholder:"REF"`
	Path     string   `help:"Folder of the repository to take; default: all of it." placeholder:"FOLDER"`
}

func (c *schemaAddCmd) Run(e *env) error {
	if _, err := os.Stat(c.Lock); err == nil {
		return usage("%s: expected no lock, got one: there is one folder of schemas to a lock\nhint: levada schema sync, or --lock with another name", c.Lock)
	}
	// Kong has made the path absolute; a lock is shared by people with other folders.
	l := &schema.Lock{Version: 1, Source: relative(c.Folder), Package: c.Package, Output: c.Output}
	if info, err := os.Stat(c.Folder); err != nil || !info.IsDir() {
		if l.Source, l.Pattern = split(l.Source); strings.HasSuffix(l.Pattern, ".proto") && c.Git == "" {
			l.Source, l.Pattern = workspace(l.Source, l.Pattern)
		}
	}
	switch {
	case c.Registry != "" && c.Git != "":
		return usage("--git: expected one origin of the folder, got --registry, too")
	case c.Git == "" && (c.Ref != "HEAD" || c.Path != ""):
		return usage("--ref, --path: expected --git beside them, got none")
	case c.Registry != "" && l.Pattern != "":
		return usage("%s: expected a folder for --registry, got a pattern", relative(c.Folder))
	case c.Registry == "" && len(c.Subjects) > 0:
		return usage("--subjects: expected --registry beside it, got none")
	case c.Registry != "":
		l.Registry = &schema.Registry{URL: c.Registry, Match: c.Subjects}
	case c.Git != "":
		if entries, err := os.ReadDir(l.Source); err == nil && len(entries) > 0 {
			return usage("%s: expected a folder that is empty or none, to copy --git to, got one with files", l.Source)
		}
		l.Git = &schema.Git{URL: c.Git, Ref: c.Ref, Path: c.Path}
	}
	if c.Registry != "" || c.Git != "" {
		return syncLock(e, &c.locked, l)
	}
	if info, err := os.Stat(l.Source); err != nil || !info.IsDir() {
		return usage("%s: expected a folder of schemas, got none", l.Source)
	}
	return syncLock(e, &c.locked, l)
}

// split takes a pattern apart: the folder before the first element that is none by itself,
// and the pattern within it.
func split(name string) (folder, pattern string) {
	parts := strings.Split(name, "/")
	for i, p := range parts {
		if !strings.ContainsAny(p, "*?[") {
			continue
		}
		folder = strings.Join(parts[:i], "/")
		if folder == "" {
			folder = "."
		}
		return folder, strings.Join(parts[i:], "/")
	}
	return name, ""
}

// workspace is the folder of a pattern as imports of buf need it: the one above with the
// list of modules, else the nearest one that is a module.
func workspace(folder, pattern string) (string, string) {
	root, rest, found := folder, pattern, false
	for at, below := folder, pattern; ; {
		if _, err := os.Stat(filepath.Join(at, "buf.work.yaml")); err == nil {
			return at, below
		}
		if _, err := os.Stat(filepath.Join(at, "buf.yaml")); err == nil && !found {
			root, rest, found = at, below, true
		}
		if at == "." || at == "/" || strings.HasPrefix(at, "..") {
			return root, rest
		}
		at, below = path.Dir(at), path.Base(at)+"/"+below
	}
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
	if l.Git != nil {
		if err := copyGit(e, l); err != nil {
			return err
		}
	}
	if err := l.Sync(os.DirFS(l.Source)); err != nil {
		return configError{err}
	}
	if l.Pattern == "" {
		notes, err := schema.PassedOver(os.DirFS(l.Source))
		if err != nil {
			return configError{err}
		}
		for _, n := range notes {
			fmt.Fprintf(e.stdout, "note: %s\n", n)
		}
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
	was := l.Written
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
		if err := current(&c.locked, l, g); err != nil {
			return err
		}
		if !bytes.Equal(before, after) {
			return configError{fmt.Errorf("%s: expected the names and files of %s, got others\nhint: levada schema gen", c.Lock, l.Output)}
		}
		return nil
	}
	for _, n := range g.Notes {
		fmt.Fprintf(e.stdout, "note: %s\n", n)
	}
	for name, text := range written(l, g) {
		if err := writeFile(name, text); err != nil {
			return err
		}
	}
	for _, name := range was {
		// A lock comes from elsewhere: it names files of the package, and no others.
		if g.Messages[name] != nil || filepath.Base(name) != name || !strings.HasSuffix(name, ".pb.go") {
			continue
		}
		if err := os.Remove(filepath.Join(filepath.Dir(l.Output), name)); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return err
		}
	}
	fmt.Fprintf(e.stdout, "%s: schemas=%d types=%d notes=%d\n", l.Output, len(l.Files), len(l.Names), len(g.Notes))
	return c.write(l)
}

// written are the files of the package, with their folder.
func written(l *schema.Lock, g *schema.Generated) map[string][]byte {
	files := map[string][]byte{l.Output: g.Source}
	for name, text := range g.Messages {
		files[filepath.Join(filepath.Dir(l.Output), name)] = text
	}
	return files
}

// current says which file of the package is not what was generated.
func current(c *locked, l *schema.Lock, g *schema.Generated) error {
	files := written(l, g)
	names := slices.Sorted(maps.Keys(g.Messages))
	for i := range names {
		names[i] = filepath.Join(filepath.Dir(l.Output), names[i])
	}
	for _, name := range append([]string{l.Output}, names...) {
		if have, err := os.ReadFile(name); err != nil || !bytes.Equal(have, files[name]) {
			return configError{fmt.Errorf("%s: expected the types of %s, got something else\nhint: levada schema gen", name, c.Lock)}
		}
	}
	return nil
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
