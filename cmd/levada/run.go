package main

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"github.com/levada-io/levada/broker"
	"github.com/levada-io/levada/internal/deploy"
	"github.com/levada-io/levada/internal/runner"
	"github.com/levada-io/levada/internal/yamlplan"
	"github.com/levada-io/levada/plan"
)

// embeddedPartitions is how many partitions a topic of --broker embedded has: enough
// to see lanes at work.
const embeddedPartitions = 4

// pipelineFlags are those that every verb on a pipeline takes. internal/runner parses
// them once more, in whatever process the pipeline ends up in; a test holds both lists
// against each other.
type pipelineFlags struct {
	File        string `arg:"" help:"The pipeline: a .py or .yaml file."`
	Config      string `help:"Deployment file." placeholder:"FILE"`
	StrictTypes bool   `help:"Refuse steps whose neighbour's type is not known."`
	Schemas     string `help:"Lock of schemas: what is read and written is held against them." placeholder:"FILE"`
	Python      string `help:"Interpreter for Python steps; default: the active virtual environment's, .venv here, python3." placeholder:"PATH"`
}

func (f *pipelineFlags) args() []string {
	var args []string
	if f.Config != "" {
		args = append(args, "--config", f.Config)
	}
	if f.StrictTypes {
		args = append(args, "--strict-types")
	}
	if f.Schemas != "" {
		args = append(args, "--schemas", f.Schemas)
	}
	return args
}

type runCmd struct {
	pipelineFlags `embed:""`

	Broker    string `enum:"embedded,configured" default:"configured" help:"embedded: start a Kafka of its own for this run, with the topics of the pipeline." placeholder:"embedded"`
	Brokers   string `help:"Addresses instead of the deployment's." placeholder:"HOST:PORT,..."`
	Group     string `help:"Consumer group instead of the deployment's." placeholder:"NAME"`
	Start     string `help:"earliest or latest, where the group has no commit." placeholder:"WHERE"`
	Lanes     int    `help:"Number of lanes instead of the deployment's." placeholder:"N"`
	Processes int    `default:"1" help:"Number of processes, each a member of the group: for Python steps that keep the processor busy." placeholder:"N"`
	Drain     bool   `help:"Stop at the end of what is there now."`
	Summary   string `help:"Write counts of the run as JSON to this file." placeholder:"FILE"`
}

func (c *runCmd) args() []string {
	args := c.pipelineFlags.args()
	for _, f := range []struct{ name, value string }{
		{"--brokers", c.Brokers}, {"--group", c.Group}, {"--start", c.Start}, {"--summary", c.Summary},
	} {
		if f.value != "" {
			args = append(args, f.name, f.value)
		}
	}
	if c.Lanes != 0 {
		args = append(args, "--lanes", strconv.Itoa(c.Lanes))
	}
	if c.Drain {
		args = append(args, "--drain")
	}
	return args
}

// Run runs a pipeline.
func (c *runCmd) Run(e *env) error {
	if err := runner.CheckSeveral(c.Processes, c.Summary); err != nil {
		return err
	}
	p, err := open(&c.pipelineFlags)
	if err != nil {
		return err
	}
	if c.Broker != "embedded" {
		if c.Processes > 1 {
			return c.several(e, p)
		}
		return p.do(e, "run", c.args())
	}
	if c.Brokers != "" {
		return usage("--broker embedded and --brokers: expected one of them, got both")
	}
	pl, err := p.read(e)
	if err != nil {
		return err
	}
	topics, err := topicsOf(pl, c.Config)
	if err != nil {
		return err
	}
	b, err := startBroker(e, broker.Options{Addr: "127.0.0.1:9092", Topics: topics})
	if err != nil { // somebody has that port: any other does
		if b, err = startBroker(e, broker.Options{Topics: topics}); err != nil {
			return err
		}
	}
	fmt.Fprintf(e.stderr, "levada: embedded Kafka on %s, topics %s\n", b.Addr(), strings.Join(slices.Sorted(maps.Keys(topics)), ", "))
	c.Brokers = b.Addr()
	run := func() error { return p.beside(e, "run", c.args()) }
	if c.Processes > 1 {
		run = func() error { return c.several(e, p) }
	}
	return errors.Join(run(), b.Close())
}

// several runs the pipeline in several processes.
func (c *runCmd) several(e *env, p *pipeline) error {
	if p.python != nil {
		return runner.Several(c.Processes, append([]string{p.python.path, "-m", "levada", "run", p.file}, c.args()...), e.stdout, e.stderr)
	}
	self, err := os.Executable()
	if err != nil {
		return err
	}
	return runner.Several(c.Processes, append([]string{self, "run", p.file}, c.args()...), e.stdout, e.stderr)
}

// topicsOf are the topics that a pipeline reads and writes under a deployment, that of
// its dead letters among them.
func topicsOf(pl *plan.Plan, config string) (map[string]int32, error) {
	d := deploy.Default()
	if config != "" {
		var err error
		if d, err = deploy.Load(config, os.LookupEnv); err != nil {
			return nil, configError{err}
		}
	}
	topics := map[string]int32{}
	if l := d.DeadLetter; l != nil && l.Connector == "kafka" {
		topics[l.Topic] = embeddedPartitions
	}
	for i := range pl.Steps {
		s := &pl.Steps[i]
		if s.Stream == "" {
			continue
		}
		st, connector := d.Stream(s.Stream), s.Connector
		if st.Connector != "" {
			connector = st.Connector
		}
		if connector == "kafka" {
			topics[st.Topic] = embeddedPartitions
		}
	}
	return topics, nil
}

type checkCmd struct {
	pipelineFlags `embed:""`
}

// Run checks a pipeline.
func (c *checkCmd) Run(e *env) error { return on(e, &c.pipelineFlags, "check", c.args()) }

type explainCmd struct {
	pipelineFlags `embed:""`

	Stage string `enum:"plan,placed,program" default:"program" help:"plan: as it was written; placed: with the deployment; program: as it runs."`
}

// Run explains a pipeline.
func (c *explainCmd) Run(e *env) error {
	return on(e, &c.pipelineFlags, "explain", append(c.args(), "--stage", c.Stage))
}

type planCmd struct {
	pipelineFlags `embed:""`
}

// Run prints a plan.
func (c *planCmd) Run(e *env) error {
	return on(e, &c.pipelineFlags, "explain", append(c.args(), "--stage", "plan"))
}

func on(e *env, f *pipelineFlags, verb string, args []string) error {
	p, err := open(f)
	if err != nil {
		return err
	}
	return p.do(e, verb, args)
}

// pipeline is a pipeline file and the process that it runs in.
type pipeline struct {
	file   string
	plan   *plan.Plan // of a YAML file
	python *python    // nil: this process
}

// open reads as much of a pipeline file as tells where it has to run.
func open(f *pipelineFlags) (*pipeline, error) {
	p := &pipeline{file: f.File}
	switch ext := filepath.Ext(f.File); ext {
	case ".py":
		if _, err := os.Stat(f.File); err != nil {
			return nil, usage("%s: expected a pipeline file: %v", f.File, errors.Unwrap(err))
		}
	case ".yaml", ".yml":
		// Steps from a wheel or in Python are in the reach of an interpreter only.
		from, err := yamlplan.StepsFrom(f.File)
		if err != nil {
			return nil, configError{err}
		}
		named, err := yamlplan.Functions(f.File)
		if err != nil {
			return nil, configError{err}
		}
		if from == "" && len(named) == 0 {
			if p.plan, err = yamlplan.Load(f.File); err != nil {
				return nil, configError{err}
			}
			return p, nil
		}
	default:
		return nil, usage("%s: expected a .py or .yaml file, got %q\nhint: a pipeline in Go is a program of its own: go run .", f.File, ext)
	}
	var err error
	p.python, err = findPython(f.Python)
	return p, err
}

// do carries out one verb and does not return where another process takes over.
func (p *pipeline) do(e *env, verb string, args []string) error {
	if p.python != nil {
		return p.python.become(append([]string{verb, p.file}, args...))
	}
	return p.here(e, verb, args)
}

// beside carries out one verb while this process goes on.
func (p *pipeline) beside(e *env, verb string, args []string) error {
	if p.python != nil {
		return p.python.run(e, append([]string{verb, p.file}, args...))
	}
	return p.here(e, verb, args)
}

func (p *pipeline) here(e *env, verb string, args []string) error {
	code := runner.Main(context.Background(), runner.Options{
		Args: append([]string{verb}, args...), Plan: p.plan, Stdout: e.stdout, Stderr: e.stderr,
	})
	if code == runner.OK {
		return nil
	}
	return exit(code)
}

// read gives the plan, whoever has it.
func (p *pipeline) read(e *env) (*plan.Plan, error) {
	if p.plan != nil {
		return p.plan, nil
	}
	out, err := p.python.output(e, []string{"explain", p.file, "--stage", "plan"})
	if err != nil {
		return nil, err
	}
	return plan.Decode(out)
}
