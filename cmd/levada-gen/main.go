// Command levada-gen is the generator alone. The Python build backend runs it by
// "go run" in the user's module, where the levada command with all that it links would
// take far longer to build.
package main

import (
	"errors"
	"flag"
	"fmt"
	"os"
	"strings"

	"github.com/levada-io/levada/internal/gen"
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
