package main

import (
	"encoding/json/v2"
	"fmt"
	"runtime"
	"strings"

	"github.com/alecthomas/kong"

	"github.com/levada-io/levada/internal/gen"
	"github.com/levada-io/levada/internal/runner"
	"github.com/levada-io/levada/plan"
)

type versionCmd struct {
	JSON     bool `name:"json" help:"Print as JSON."`
	SBOM     bool `name:"sbom" xor:"what" help:"Print what this program was linked from, as CycloneDX."`
	Licences bool `xor:"what" help:"Print the licences of all that this program was linked from."`
}

// Run prints versions.
func (c *versionCmd) Run(e *env) error {
	switch {
	case c.SBOM:
		return runner.Supply(e.stdout, "sbom")
	case c.Licences:
		return runner.Supply(e.stdout, "licences")
	}
	v := struct {
		Levada string `json:"levada"`
		Plan   int    `json:"plan"`
		Go     string `json:"go"`
	}{gen.Version, plan.Version, runtime.Version()}
	if !c.JSON {
		fmt.Fprintf(e.stdout, "levada %s, plan version %d, %s\n", v.Levada, v.Plan, v.Go)
		return nil
	}
	b, err := json.Marshal(v)
	if err == nil {
		_, err = fmt.Fprintf(e.stdout, "%s\n", b)
	}
	return err
}

type referenceCmd struct{}

// Run prints the command line as Markdown.
func (*referenceCmd) Run(e *env) error {
	fmt.Fprint(e.stdout, "# The levada command\n\nWritten by `make gen`.\n")
	for _, n := range e.model.Leaves(true) {
		fmt.Fprintf(e.stdout, "\n## levada %s\n%s\n\n    levada %s\n", n.Path(), n.Help, n.Summary())
		if len(n.Positional)+len(n.Flags) > 0 {
			fmt.Fprint(e.stdout, "\n| argument or flag | meaning |\n|---|---|\n")
		}
		for _, a := range n.Positional {
			row(e, a.Summary(), a.Help)
		}
		for _, f := range n.Flags {
			if !f.Hidden {
				row(e, flagName(f), f.Help)
			}
		}
	}
	return nil
}

func row(e *env, name, help string) {
	fmt.Fprintf(e.stdout, "| `%s` | %s |\n", strings.ReplaceAll(name, "|", "\\|"), help)
}

func flagName(f *kong.Flag) string {
	name := "--" + f.Name
	if f.Short != 0 {
		name = "-" + string(f.Short) + ", " + name
	}
	if !f.IsBool() {
		name += "=" + f.FormatPlaceHolder()
	}
	return name
}
