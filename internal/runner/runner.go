// Package runner turns a plan, what the process offers, and a deployment into a check,
// an explanation or a run, and the outcome into an exit code. The Go binary of a team,
// the extension in a Python process and the levada command all end here, so that the
// same flags do the same everywhere. It knows no front end.
package runner

import (
	"context"
	"encoding/json/jsontext"
	jsonv2 "encoding/json/v2"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"slices"
	"strings"

	"github.com/levada-io/levada/codec"
	"github.com/levada-io/levada/codec/avro"
	"github.com/levada-io/levada/codec/json"
	"github.com/levada-io/levada/codec/msgpack"
	"github.com/levada-io/levada/codec/protobuf"
	"github.com/levada-io/levada/internal/deploy"
	"github.com/levada-io/levada/internal/planner"
	"github.com/levada-io/levada/plan"
)

// Options is what a process brings.
type Options struct {
	// Args are the verb and its flags, without the program's name.
	Args    []string
	Plan    *plan.Plan
	Catalog planner.Catalog
	Stdout  io.Writer
	Stderr  io.Writer
	// Signals delivers one value per stop signal: the first drains, the second aborts.
	// Nil: the runner listens to SIGINT and SIGTERM itself.
	Signals <-chan struct{}
	// Program is what to start for more processes of this kind, which take the same verb
	// and flags; empty: nothing can be.
	Program string
	// Counters are the bridge's counters for the summary; may be nil.
	Counters func() map[string]int64
	// Stacks are the stacks of Python's threads, for the report of a stall; nil: there is
	// no Python.
	Stacks func() string

	exit func(code int) // os.Exit, but for tests
}

// Verbs are what Main understands.
var Verbs = []string{"run", "check", "explain", "sbom", "licences"}

// Main carries out one verb and returns the exit code. Everything that a person should
// know was written to Stderr.
func Main(ctx context.Context, o Options) int {
	if o.Stdout == nil {
		o.Stdout = os.Stdout
	}
	if o.Stderr == nil {
		o.Stderr = os.Stderr
	}
	if o.exit == nil {
		o.exit = os.Exit
	}
	err := dispatch(ctx, &o)
	if err != nil {
		// A traceback or stack comes first: the last line is what happened, where.
		if d, ok := errors.AsType[interface {
			error
			Detail() string
		}](err); ok && d.Detail() != "" {
			fmt.Fprintln(o.Stderr, strings.TrimRight(d.Detail(), "\n"))
		}
		fmt.Fprintf(o.Stderr, "levada: %s\n", Message(err))
	}
	return Code(err)
}

func dispatch(ctx context.Context, o *Options) error {
	verb, args := "run", o.Args
	if len(args) > 0 && !strings.HasPrefix(args[0], "-") {
		verb, args = args[0], args[1:]
	}
	if !slices.Contains(Verbs, verb) {
		return usage("unknown verb %q: expected one of %s", verb, strings.Join(Verbs, ", "))
	}
	if verb == "sbom" || verb == "licences" {
		if len(args) > 0 {
			return usage("%s: unexpected argument %q", verb, args[0])
		}
		return Supply(o.Stdout, verb)
	}
	f := &flags{}
	fs := flag.NewFlagSet("levada "+verb, flag.ContinueOnError)
	fs.SetOutput(io.Discard)
	f.register(fs, verb)
	if err := fs.Parse(args); err != nil {
		if err == flag.ErrHelp {
			fs.SetOutput(o.Stdout)
			fs.Usage()
			return nil
		}
		return usage("%s: %v\nhint: %s -h lists the flags", verb, err, verb)
	}
	if fs.NArg() > 0 {
		return usage("%s: unexpected argument %q", verb, fs.Arg(0))
	}
	if o.Catalog.Codecs == nil {
		o.Catalog.Codecs = map[string]codec.Codec{"json": json.New(), "msgpack": msgpack.New(), "protobuf": protobuf.New(), "avro": avro.New()}
	}
	o.Catalog.StrictTypes = f.strict
	if f.schemas != "" {
		var err error
		if o.Catalog.Streams, err = streams(f.schemas); err != nil {
			return config(fmt.Errorf("--schemas: %w", err))
		}
	}
	d, unread := deploy.Default(), error(nil)
	if f.config != "" {
		d, unread = deploy.Load(f.config, os.LookupEnv)
	}
	switch {
	case unread != nil: // what it has is not known
	case d.DeadLetter != nil:
		o.Catalog.DeadLetters = planner.WithDeadLetters
	case f.config != "" || verb == "run":
		o.Catalog.DeadLetters = planner.NoDeadLetters
	}
	if verb == "explain" && f.stage == "plan" {
		return showPlan(o) // with its mistakes: who looks for one reads it
	}
	// The mistakes of the pipeline come before those of its deployment, as they are mended.
	planned, err := planner.Plan(o.Plan, &o.Catalog)
	if err != nil {
		return config(err)
	}
	if unread != nil {
		return config(unread)
	}
	f.override(d)
	if err := d.Match(o.Plan); err != nil {
		return config(err)
	}
	switch verb {
	case "check":
		// What only lowering sees, a route key of another type for one, is a mistake too.
		if _, err := planned.Program(); err != nil {
			return config(err)
		}
		fmt.Fprintf(o.Stdout, "pipeline %s: %d steps, no mistake found\n", o.Plan.Name, len(o.Plan.Steps))
		return nil
	case "explain":
		return explain(o, f, planned, d)
	}
	if f.processes != 1 {
		return several(o, f, fs)
	}
	if err := number(d); err != nil {
		return err
	}
	if f.letters != "" {
		f.forReplay(d, o.Plan.Name)
	}
	return run(ctx, o, f, planned, d)
}

// flags are the command line of all verbs; a verb registers those that it uses.
type flags struct {
	config  string
	strict  bool
	schemas string
	stage   string
	brokers string
	group   string
	start   string
	lanes   int
	drain   bool
	summary string
	letters string

	processes int
}

func (f *flags) register(fs *flag.FlagSet, verb string) {
	fs.StringVar(&f.config, "config", "", "deployment `file`")
	fs.BoolVar(&f.strict, "strict-types", false, "refuse steps whose neighbour's type is not known")
	fs.StringVar(&f.schemas, "schemas", "", "lock `file` of schemas: what is read and written is held against them")
	switch verb {
	case "explain":
		fs.StringVar(&f.stage, "stage", "program", "plan, placed or program")
	case "run":
		fs.StringVar(&f.brokers, "brokers", "", "comma separated `addresses` instead of the deployment's")
		fs.StringVar(&f.group, "group", "", "consumer `group` instead of the deployment's")
		fs.StringVar(&f.start, "start", "", "earliest or latest, where the group has no commit")
		fs.IntVar(&f.lanes, "lanes", 0, "`number` of lanes instead of the deployment's")
		fs.IntVar(&f.processes, "processes", 1, "`number` of processes, each a member of the group")
		fs.BoolVar(&f.drain, "drain", false, "stop at the end of what is there now")
		fs.StringVar(&f.letters, "dead-letters", "", "run once on the dead letters of this pipeline in a `topic`, instead of its source")
		fs.StringVar(&f.summary, "summary", "", "write counts of the run as JSON to this `file`")
	}
}

func showPlan(o *Options) error {
	if ps := plan.Validate(o.Plan); len(ps) > 0 {
		return config(planner.Problems(ps))
	}
	b, err := o.Plan.Encode()
	if err == nil {
		_, err = o.Stdout.Write(b)
	}
	return err
}

func explain(o *Options, f *flags, planned *planner.Planned, d *deploy.Config) error {
	switch f.stage {
	case "placed":
		b, err := jsonv2.Marshal(d.Placement(o.Plan), jsontext.WithIndent("  "))
		if err == nil {
			_, err = o.Stdout.Write(append(b, '\n'))
		}
		return err
	case "program":
		return planned.Explain(o.Stdout)
	}
	return usage("explain: --stage: expected plan, placed or program, got %q", f.stage)
}
