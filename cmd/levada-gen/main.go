// Command levada-gen is the generator alone. The Python build backend runs it by
// "go run" in the user's module, where the levada command with all that it links would
// take far longer to build.
package main

import (
	"debug/buildinfo"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"

	"github.com/levada-io/levada/internal/gen"
	"github.com/levada-io/levada/internal/supply"
)

// Exit codes; as those of levada gen.
const (
	exitUsage  = 64
	exitConfig = 78
)

func main() { os.Exit(run(os.Args[1:])) }

func run(args []string) int {
	fs := flag.NewFlagSet("levada-gen", flag.ContinueOnError)
	dir := fs.String("dir", ".", "`folder` of the Go package")
	out := fs.String("out", "", "`folder` that gets the generated files")
	module := fs.String("module", "", "`name` of the Python package; default: that of the Go package")
	flags := fs.String("build-flags", "", "`flags` of the go build that follows, separated by spaces")
	bare := fs.Bool("default", false, "the extension of the platform itself, without steps")
	linked := fs.String("linked", "", "the built `program` whose bill of materials and licences are written, and nothing else")
	check := fs.Bool("check", false, "write nothing, exit with an error where a file would change")
	if err := fs.Parse(args); err != nil {
		return exitUsage
	}
	if *out == "" || fs.NArg() > 0 {
		fmt.Fprintln(os.Stderr, "levada-gen: expected -out FOLDER and no other argument")
		return exitUsage
	}
	o := gen.Options{Module: *module, BuildFlags: strings.Fields(*flags)}
	var err error
	switch {
	case *linked != "":
		err = supplied(*linked, *dir, *out, o.BuildFlags)
	case *bare:
		err = gen.GenerateDefault(*out)
	case *check:
		err = gen.Check(*dir, *out, o)
	default:
		_, err = gen.Generate(*dir, *out, o)
	}
	if err != nil {
		// What Go says of the user's package stays as Go says it.
		if compile := (*gen.CompileError)(nil); !errors.As(err, &compile) {
			fmt.Fprint(os.Stderr, "levada: ")
		}
		fmt.Fprintln(os.Stderr, err)
		return exitConfig
	}
	return 0
}

// supplied writes what a program was linked from: sbom.cdx.json and linked-modules.txt.
func supplied(program, dir, out string, flags []string) error {
	info, err := buildinfo.ReadFile(program)
	if err != nil {
		return err
	}
	bom, err := supply.SBOM(info)
	if err != nil {
		return err
	}
	more, err := licencesOf(supply.Missing(info), dir, flags)
	if err != nil {
		return err
	}
	text := supply.Format(supply.Licences(info, more...))
	return errors.Join(
		os.MkdirAll(out, 0o755),
		os.WriteFile(filepath.Join(out, "sbom.cdx.json"), bom, 0o644),
		os.WriteFile(filepath.Join(out, "linked-modules.txt"), []byte(text), 0o644),
	)
}

// licencesOf reads the licences of modules that only the user's code needs, from where
// Go has them.
func licencesOf(modules []string, dir string, flags []string) ([]supply.Licence, error) {
	if len(modules) == 0 {
		return nil, nil
	}
	args := append(append([]string{"list"}, flags...), "-m", "-f", "{{.Path}}\t{{.Dir}}")
	cmd := exec.Command("go", append(args, modules...)...)
	cmd.Dir = dir
	var stderr strings.Builder
	cmd.Stderr = &stderr
	listed, err := cmd.Output()
	if err != nil {
		return nil, fmt.Errorf("go list -m: %w: %s", err, strings.TrimSpace(stderr.String()))
	}
	var all []supply.Licence
	for line := range strings.Lines(string(listed)) {
		path, folder, _ := strings.Cut(strings.TrimSpace(line), "\t")
		if folder == "" {
			folder = filepath.Join("vendor", path) // as Go does it, it does not say
		}
		if !filepath.IsAbs(folder) {
			folder = filepath.Join(dir, folder)
		}
		text, err := supply.ReadFolders(folder)
		if err != nil {
			return nil, err
		}
		all = append(all, supply.Licence{Module: path, Text: text})
	}
	return all, nil
}
