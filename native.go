package levada

import (
	"context"
	"encoding/json/v2"
	"fmt"
	"iter"
	"os"

	"github.com/levada-io/levada/internal/planner"
	"github.com/levada-io/levada/internal/program"
	"github.com/levada-io/levada/internal/runner"
	"github.com/levada-io/levada/plan"
)

// Function is a step function with its canonical name. Like everything in this file it
// is for generated code; pipelines name functions by themselves.
type Function = program.Function

// Make makes a step's function from the settings of a step, a JSON object or nothing.
type Make[T, U any] = program.Make[T, U]

// Of is a function that returns a value.
func Of[T, U any](name string, mk Make[T, U]) *Function { return program.Of(name, mk) }

// OfMessage is a function that returns a message.
func OfMessage[T, U any](name string, mk Make[T, Message[U]]) *Function {
	return program.OfMessage(name, mk)
}

// OfSlice is a function that returns a slice; a flat map yields its elements.
func OfSlice[T any, S ~[]V, V any](name string, mk Make[T, S]) *Function {
	return program.OfSlice(name, mk)
}

// OfSeq is a function that returns an iterator, for a flat map.
func OfSeq[T, V any](name string, mk Make[T, iter.Seq[V]]) *Function {
	return program.OfSeq(name, mk)
}

// RunPlan is [Main] for a plan that is there already, as JSON: the whole of a generated
// program without Python. The manifest, as JSON too, says what the functions are.
func RunPlan(planJSON, manifest string, functions ...*Function) {
	program, err := os.Executable()
	if err != nil {
		program = os.Args[0]
	}
	os.Exit(runPlan(context.Background(), os.Args[1:], program, planJSON, manifest, functions))
}

func runPlan(ctx context.Context, args []string, program, planJSON, manifest string, functions []*Function) int {
	p, err := plan.Decode([]byte(planJSON))
	if err != nil {
		fmt.Fprintf(os.Stderr, "levada: %v\n", err)
		return runner.Config
	}
	var m plan.Manifest
	if err := json.Unmarshal([]byte(manifest), &m); err != nil {
		fmt.Fprintf(os.Stderr, "levada: BUG: manifest: %v\n", err)
		return runner.Internal
	}
	cat := planner.Catalog{
		Functions: make(map[string]*Function, len(functions)),
	}
	cat.Offer(&m)
	for _, f := range functions {
		cat.Functions[f.Name] = f
	}
	return runner.Main(ctx, runner.Options{Args: args, Program: program, Plan: p, Catalog: cat})
}
