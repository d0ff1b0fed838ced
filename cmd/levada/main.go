// Command levada builds, checks and runs pipelines, and brings a Kafka to try them on.
//
// The package owns what a person types and reads. What a pipeline means, and what the
// flags of run, check and explain do, is internal/runner's.
package main

import (
	"errors"
	"fmt"
	"io"
	"os"
	"strings"

	"github.com/alecthomas/kong"

	"github.com/levada-io/levada/internal/runner"
)

// cli is the command line; the reference in docs/reference/cli.md is written from it.
type cli struct {
	Run     runCmd     `cmd:"" help:"Run a pipeline until it is told to stop."`
	Check   checkCmd   `cmd:"" help:"Find every mistake in a pipeline that needs no broker."`
	Explain explainCmd `cmd:"" help:"Show what becomes of a pipeline: steps, types, chains, crossings."`
	Plan    planCmd    `cmd:"" help:"Print the plan of a pipeline as JSON."`

	Gen    genCmd    `cmd:"" help:"Write what stands between a Go package and Python."`
	Build  buildCmd  `cmd:"" help:"Compile a Go package into a Python extension, or a YAML pipeline into a program."`
	Wheel  wheelCmd  `cmd:"" help:"Build the wheel of a Go package."`
	Schema schemaCmd `cmd:"" help:"Take a repository of schemas into use."`

	Broker  brokerCmd  `cmd:"" help:"Run the embedded Kafka by itself."`
	Produce produceCmd `cmd:"" help:"Write lines to a topic."`
	Consume consumeCmd `cmd:"" help:"Print the records of a topic."`
	Dlq     dlqCmd     `cmd:"" help:"Look at dead letters and replay them."`

	Version   versionCmd   `cmd:"" help:"Print the versions of this program and of its contracts."`
	Reference referenceCmd `cmd:"" hidden:"" help:"Print this reference as Markdown."`
}

// env is what commands read from and write to.
type env struct {
	stdin          io.Reader
	stdout, stderr io.Writer
	model          *kong.Application
}

// exit is an error that is told already; only its code counts.
type exit int

func (e exit) Error() string { return fmt.Sprintf("exit status %d", int(e)) }

// usageError is a command line that can not be carried out.
type usageError struct{ error }

func usage(format string, args ...any) error { return usageError{fmt.Errorf(format, args...)} }

// configError is a mistake in a pipeline or deployment file, or a name of something else
// than what it should be.
type configError struct{ error }

// dataError is about records that can not be used.
type dataError struct{ error }

func main() {
	os.Exit(execute(os.Args[1:], &env{stdin: os.Stdin, stdout: os.Stdout, stderr: os.Stderr}))
}

func execute(args []string, e *env) int {
	var c cli
	code := -1
	k, err := kong.New(&c,
		kong.Name("levada"),
		kong.Description("Stream processing on Kafka with Python and Go steps in one process."),
		kong.Writers(e.stdout, e.stderr),
		kong.Exit(func(n int) { code = n }), // --help
		kong.ConfigureHelp(kong.HelpOptions{Compact: true, WrapUpperBound: 100}),
		kong.Bind(e),
	)
	if err != nil {
		panic("BUG: " + err.Error())
	}
	e.model = k.Model
	if len(args) == 0 {
		args = []string{"--help"}
	}
	ctx, err := k.Parse(args)
	if code >= 0 {
		return code // the help was asked for
	}
	if err != nil {
		return report(e, usageError{fmt.Errorf("%w\nhint: levada %s--help lists what there is", err, commandOf(err))})
	}
	return report(e, ctx.Run(e))
}

// commandOf is the command that a parse error happened in, with a space behind it.
func commandOf(err error) string {
	var perr *kong.ParseError
	if errors.As(err, &perr) && perr.Context != nil {
		if cmd := perr.Context.Selected(); cmd != nil {
			return cmd.Path() + " "
		}
	}
	return ""
}

// report writes an error in the one form that all of levada has, and gives its code.
func report(e *env, err error) int {
	var silent exit
	if errors.As(err, &silent) {
		return int(silent)
	}
	if err == nil {
		return runner.OK
	}
	fmt.Fprintf(e.stderr, "levada: %s\n", strings.TrimRight(runner.Message(err), "\n"))
	if _, ok := errors.AsType[usageError](err); ok {
		return runner.Usage
	}
	if _, ok := errors.AsType[configError](err); ok {
		return runner.Config
	}
	if _, ok := errors.AsType[dataError](err); ok {
		return runner.Data
	}
	return runner.Code(err)
}
