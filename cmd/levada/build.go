package main

import (
	"encoding/json/v2"
	"errors"
	"fmt"
	"go/version"
	"os"
	"os/exec"
	"path/filepath"
	"strings"

	"github.com/levada-io/levada/internal/gen"
	"github.com/levada-io/levada/internal/yamlplan"
)

type genCmd struct {
	Dir        string   `arg:"" default:"." type:"existingdir" help:"Folder of the Go package."`
	Out        string   `type:"path" help:"Folder that gets the generated files." placeholder:"FOLDER"`
	Module     string   `help:"Name of the Python package; default: that of the Go package." placeholder:"NAME"`
	FromPython []string `help:"Write the Go structs of these TypedDicts or dataclasses into the Go package instead." placeholder:"MODULE:TYPE"`
	Python     string   `help:"Interpreter that has the module of --from-python." placeholder:"PATH"`
	Check      bool     `help:"Write nothing; fail where a file would change."`
}

// Run generates.
func (c *genCmd) Run(e *env) error {
	if err := needGo(); err != nil {
		return err
	}
	if len(c.FromPython) > 0 {
		return c.fromPython(e)
	}
	if c.Out == "" {
		return usage("gen: expected --out FOLDER")
	}
	o := gen.Options{Module: c.Module}
	if c.Check {
		return generated(e, gen.Check(folder(c.Dir), c.Out, o))
	}
	p, err := gen.Generate(folder(c.Dir), c.Out, o)
	if err == nil {
		for _, n := range p.Notes {
			fmt.Fprintln(e.stderr, "levada: note: "+n)
		}
	}
	return generated(e, err)
}

// fromPython writes Go structs of Python types.
func (c *genCmd) fromPython(e *env) error {
	if c.Out != "" || c.Module != "" {
		return usage("--from-python: expected neither --out nor --module: it writes %s into the Go package", gen.FromPython)
	}
	pkg, err := gen.PackageName(folder(c.Dir))
	if err != nil {
		return generated(e, err)
	}
	p, err := findPython(c.Python)
	if err != nil {
		return err
	}
	text, err := p.module(e, "levada._describe", c.FromPython)
	if err != nil {
		return err
	}
	t, err := gen.ReadPythonTypes(text)
	if err != nil {
		return err
	}
	if c.Check {
		return generated(e, t.CheckGo(folder(c.Dir), pkg))
	}
	notes, err := t.WriteGo(folder(c.Dir), pkg)
	for _, n := range notes {
		fmt.Fprintln(e.stderr, "levada: note: "+n)
	}
	return generated(e, err)
}

// folder is the folder of a command: its flags library leaves the default out where a
// folder has to exist.
func folder(dir string) string {
	if dir == "" {
		return "."
	}
	return dir
}

// needed is the oldest Go that builds steps, advised one that is named to people.
const needed, advised = "go1.27", "go1.27.3"

// needGo says what to do where Go is missing, or is too old and may not fetch another.
func needGo() error {
	if _, err := exec.LookPath("go"); err != nil {
		return configError{errors.New("expected Go 1.27 or newer, found no go on PATH\n" +
			"hint: install Go; an older one fetches what it needs by itself")}
	}
	cmd := exec.Command("go", "env", "GOVERSION", "GOTOOLCHAIN")
	cmd.Dir = os.TempDir() // in the module an old Go refuses to say anything
	var stderr strings.Builder
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	if err != nil {
		return configError{fmt.Errorf("expected Go 1.27 or newer, go says: %s", strings.TrimSpace(stderr.String()))}
	}
	have, toolchain, _ := strings.Cut(strings.TrimSpace(string(out)), "\n")
	switch {
	case version.Compare(have, needed) >= 0:
		return nil
	case version.Compare(have, "go1.21") < 0: // it fetches nothing
		return configError{fmt.Errorf("expected Go 1.27 or newer, got %s\nhint: install Go 1.27", have)}
	case toolchain == "local":
		return configError{fmt.Errorf("expected Go 1.27 or newer, got %s, and GOTOOLCHAIN=local keeps it from fetching one\n"+
			"hint: export GOTOOLCHAIN=%s", have, advised)}
	}
	return nil
}

// generated gives a failure of the generator its code. What Go says of the user's
// package stays as Go says it.
func generated(e *env, err error) error {
	if err == nil {
		return nil
	}
	if _, ok := errors.AsType[*gen.CompileError](err); ok {
		fmt.Fprintln(e.stderr, err)
		return exit(78)
	}
	return configError{err}
}

type buildCmd struct {
	Dir    string `arg:"" default:"." type:"existingdir" help:"Folder of the Go package, with its pyproject.toml."`
	Native string `help:"Make a static program without Python that runs this YAML pipeline." type:"existingfile" placeholder:"PIPELINE"`
	Output string `short:"o" help:"The program that --native makes; default: the name of the pipeline file." type:"path" placeholder:"FILE"`
	Python string `help:"Interpreter that the package is installed for." placeholder:"PATH"`
}

// Run builds.
func (c *buildCmd) Run(e *env) error {
	if c.Native != "" {
		return c.native(e)
	}
	if c.Output != "" {
		return usage("--output: only with --native; a package is built where Python finds it")
	}
	return backend(e, c.Python, "develop", folder(c.Dir))
}

// native compiles the pipeline and the steps of the package into one program. The
// generated main stands in an overlay: the user's folder gets no file.
func (c *buildCmd) native(e *env) error {
	if err := needGo(); err != nil {
		return err
	}
	pkg, err := gen.Scan(folder(c.Dir), gen.Options{})
	if err != nil {
		return generated(e, err)
	}
	p, err := yamlplan.Load(c.Native, &pkg.Manifest)
	if err != nil {
		return configError{err}
	}
	text, err := p.Encode()
	if err != nil {
		return err
	}
	main, err := gen.NativeMain(pkg, text)
	if err != nil {
		return err
	}
	work, err := os.MkdirTemp("", "levada-build-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(work)
	dir, err := filepath.Abs(folder(c.Dir))
	if err != nil {
		return err
	}
	const folder = "levada_native"
	overlay, err := json.Marshal(map[string]map[string]string{
		"Replace": {filepath.Join(dir, folder, "main.go"): filepath.Join(work, "main.go")},
	})
	if err != nil {
		return err
	}
	if err := errors.Join(
		os.WriteFile(filepath.Join(work, "main.go"), main, 0o600),
		os.WriteFile(filepath.Join(work, "overlay.json"), overlay, 0o600),
	); err != nil {
		return err
	}
	out := c.Output
	if out == "" {
		out = strings.TrimSuffix(filepath.Base(c.Native), filepath.Ext(c.Native))
	}
	if out, err = filepath.Abs(out); err != nil {
		return err
	}
	module, err := moduleFlags(dir, work)
	if err != nil {
		return err
	}
	args := append([]string{"build"}, module...)
	args = append(args, "-trimpath", "-ldflags=-s -w", "-overlay", filepath.Join(work, "overlay.json"), "-o", out, "./"+folder)
	cmd := exec.Command("go", args...)
	cmd.Dir = dir
	cmd.Env = append(os.Environ(), "CGO_ENABLED=0")
	cmd.Stdout, cmd.Stderr = e.stdout, e.stderr
	if err := cmd.Run(); err != nil {
		if _, ok := errors.AsType[*exec.ExitError](err); ok {
			return exit(78) // Go has said why
		}
		return usage("expected the Go toolchain on PATH: %v", err)
	}
	return nil
}

// moduleFlags let Go add what the generated main needs, and the user's go.mod does not
// name, to a copy of it.
func moduleFlags(dir, work string) ([]string, error) {
	root := dir
	for {
		if _, err := os.Stat(filepath.Join(root, "go.mod")); err == nil {
			break
		}
		up := filepath.Dir(root)
		if up == root {
			return nil, usage("%s: expected a Go module, found no go.mod here or above\nhint: go mod init example.com/steps", dir)
		}
		root = up
	}
	for _, name := range []string{"go.mod", "go.sum"} {
		text, err := os.ReadFile(filepath.Join(root, name))
		if err != nil && !errors.Is(err, os.ErrNotExist) {
			return nil, err
		}
		// A replacement by a folder is meant from where the go.mod stands, and -modfile
		// keeps that meaning.
		if err := os.WriteFile(filepath.Join(work, name), text, 0o600); err != nil {
			return nil, err
		}
	}
	return []string{"-modfile=" + filepath.Join(work, "go.mod"), "-mod=mod"}, nil
}

type wheelCmd struct {
	Dir    string `arg:"" default:"." type:"existingdir" help:"Folder of the Go package, with its pyproject.toml."`
	Out    string `short:"o" default:"dist" type:"path" help:"Folder that gets the wheel." placeholder:"FOLDER"`
	Python string `help:"Interpreter that has pip and the levada package." placeholder:"PATH"`
}

// Run builds a wheel.
func (c *wheelCmd) Run(e *env) error {
	return backend(e, c.Python, "wheel", folder(c.Dir), "--out", c.Out)
}

// backend runs the build backend of an interpreter that has levada.
func backend(e *env, named string, args ...string) error {
	p, err := findPython(named)
	if err != nil {
		return err
	}
	cmd := exec.Command(p.path, append([]string{"-m", "levada.build"}, args...)...)
	cmd.Stdin, cmd.Stdout, cmd.Stderr = e.stdin, e.stdout, e.stderr
	return ofProcess(cmd.Run())
}
