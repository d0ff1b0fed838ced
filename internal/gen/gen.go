// Package gen makes from a team's Go package everything that stands between it and
// Python: the manifest, the main of the extension or of a static binary, and the
// Python package with types, stubs and documentation. It reads Go source and writes
// text; it knows neither how the text is built nor how it runs.
//
// The rules by which a Go type has a layout are those of internal/frame, applied to
// source code; a test holds the two against each other.
package gen

import (
	"bytes"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/levada-io/levada/plan"
)

// Version is the release of the platform that writes the manifests.
const Version = "0.1.0"

// Main is the name of the generated main of an extension.
const Main = "main.go"

// Options say how a package is read and what it is called.
type Options struct {
	// Module is the name of the Python package; empty: the name of the Go package.
	Module string
	// BuildFlags are those of the build that follows, so that it finds in Go's cache
	// what reading the package had to compile.
	BuildFlags []string
}

// Generate reads the Go package in dir and writes the generated files under out: the
// main of the extension, and a folder with the Python package. A file whose text did
// not change keeps its time.
func Generate(dir, out string, o Options) (*Package, error) {
	p, err := Scan(dir, o)
	if err != nil {
		return nil, err
	}
	files, err := p.Files()
	if err != nil {
		return nil, err
	}
	return p, write(out, files)
}

// GenerateDefault writes the main of the extension without steps, which runs the
// pipelines whose functions are all in Python.
func GenerateDefault(out string) error {
	p := &Package{}
	p.Manifest = plan.Manifest{Levada: Version, Plan: plan.Version, Module: "levada", Functions: []plan.FunctionSignature{}}
	if err := p.Manifest.Seal(); err != nil {
		return err
	}
	main, err := p.extensionMain()
	if err != nil {
		return err
	}
	manifest, err := p.encode()
	if err != nil {
		return err
	}
	return write(out, map[string][]byte{Main: main, "levada/levada.json": append(manifest, '\n')})
}

func write(out string, files map[string][]byte) error {
	for _, name := range slices.Sorted(maps.Keys(files)) {
		path := filepath.Join(out, filepath.FromSlash(name))
		if old, err := os.ReadFile(path); err == nil && bytes.Equal(old, files[name]) {
			continue
		}
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			return err
		}
		if err := os.WriteFile(path, files[name], 0o644); err != nil {
			return err
		}
	}
	return nil
}

// StaleError says which generated files are not what the Go package says now.
type StaleError struct {
	Out   string
	Files []string // missing, or with another text
}

func (e *StaleError) Error() string {
	return fmt.Sprintf("generated files in %s: expected what the Go package says now, other text in %s\nhint: levada gen", e.Out, strings.Join(e.Files, ", "))
}

// Check is Generate without writing: a *StaleError says what it would change.
func Check(dir, out string, o Options) error {
	p, err := Scan(dir, o)
	if err != nil {
		return err
	}
	files, err := p.Files()
	if err != nil {
		return err
	}
	stale := &StaleError{Out: out}
	for _, name := range slices.Sorted(maps.Keys(files)) {
		got, err := os.ReadFile(filepath.Join(out, filepath.FromSlash(name)))
		if err != nil || !bytes.Equal(got, files[name]) {
			stale.Files = append(stale.Files, name)
		}
	}
	if stale.Files != nil {
		return stale
	}
	return nil
}

// Files are the generated files by path: Main, and the Python package.
func (p *Package) Files() (map[string][]byte, error) {
	main, err := p.extensionMain()
	if err != nil {
		return nil, err
	}
	files := map[string][]byte{Main: main}
	for name, text := range p.python() {
		files[p.Manifest.Module+"/"+name] = text
	}
	manifest, err := p.encode()
	if err != nil {
		return nil, err
	}
	files[p.Manifest.Module+"/levada.json"] = append(manifest, '\n')
	return files, nil
}
