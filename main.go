package levada

import (
	"context"
	"fmt"
	"os"

	"github.com/levada-io/levada/internal/planner"
	"github.com/levada-io/levada/internal/runner"
)

// Main is the whole of a program that runs one pipeline: it carries out the verb and
// the flags of the command line (run, the default, check or explain; sbom and licences say
// what it was linked from) and exits the
// process with the code that belongs to the outcome.
func Main(p *Pipeline) {
	program, err := os.Executable()
	if err != nil {
		program = os.Args[0]
	}
	os.Exit(run(context.Background(), p, os.Args[1:], program))
}

// Run does what Main does and returns the exit code. The end of ctx aborts a run.
func Run(ctx context.Context, p *Pipeline, args []string) int { return run(ctx, p, args, "") }

func run(ctx context.Context, p *Pipeline, args []string, program string) int {
	pl, err := p.Plan()
	if err != nil {
		fmt.Fprintf(os.Stderr, "levada: %v\n", err)
		return runner.Config
	}
	return runner.Main(ctx, runner.Options{
		Args:    args,
		Program: program,
		Plan:    pl,
		Catalog: planner.Catalog{Functions: p.functions, Kits: p.kits},
	})
}
