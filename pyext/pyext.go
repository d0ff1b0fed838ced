//go:build cgo

// Package pyext makes a Go program a Python extension: generated mains register the
// steps of a team with it, and the interpreter finds PyInit in what it links. Nobody
// imports it by hand.
package pyext

import (
	"context"
	"encoding/json/v2"
	"fmt"
	"iter"
	"os"
	"strings"

	"github.com/levada-io/levada/internal/bridge"
	"github.com/levada-io/levada/internal/frame"
	"github.com/levada-io/levada/internal/planner"
	"github.com/levada-io/levada/internal/program"
	"github.com/levada-io/levada/internal/runner"
	"github.com/levada-io/levada/internal/yamlplan"
	"github.com/levada-io/levada/plan"
	"github.com/levada-io/levada/record"
)

// Function is a step function, made by one of the constructors.
type Function = program.Function

// Make makes a user's function from the settings of a step.
type Make[T, U any] = program.Make[T, U]

// Of is a function that returns a value.
func Of[T, U any](name string, mk Make[T, U]) *Function { return program.Of(name, mk) }

// OfMessage is a function that returns a message.
func OfMessage[T, U any](name string, mk Make[T, record.Message[U]]) *Function {
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

// RegisterMap makes maps from strings to V faster to read and to write. It stands in
// front of Register.
func RegisterMap[V any]() { frame.RegisterMap[V]() }

// Register offers the functions of a manifest to the interpreter that loads the
// extension. A generated main calls it once, while the module loads.
func Register(manifest string, functions ...*Function) {
	var m plan.Manifest
	if err := json.Unmarshal([]byte(manifest), &m); err != nil {
		panic("BUG: manifest: " + err.Error())
	}
	byName := make(map[string]*program.Function, len(functions))
	for _, f := range functions {
		byName[f.Name] = f
	}
	bridge.Serve(bridge.Extension{
		Manifest:    manifest,
		Fingerprint: m.Fingerprint,
		Functions:   byName,
		Main:        func(c bridge.MainCall) int { return run(c, &m, byName) },
		// What Python must import for a pipeline in YAML, before it can be planned.
		YAMLFunctions: yamlplan.Functions,
	})
}

// run carries out a verb for a pipeline that Python wrote, or that stands in a YAML
// file: that is then the argument behind the verb.
func run(c bridge.MainCall, m *plan.Manifest, functions map[string]*program.Function) int {
	manifests := []*plan.Manifest{m}
	if c.Manifest != "" {
		var py plan.Manifest
		if err := json.Unmarshal([]byte(c.Manifest), &py); err != nil {
			return fail(runner.Internal, fmt.Errorf("BUG: manifest of the Python functions: %w", err))
		}
		manifests = append(manifests, &py)
	}
	var p *plan.Plan
	var err error
	argv := c.Argv
	if c.Plan == "" {
		p, err = yamlplan.Load(argv[1], manifests...)
		argv = append([]string{argv[0]}, argv[2:]...)
	} else {
		p, err = plan.Decode([]byte(c.Plan))
	}
	if err != nil {
		return fail(runner.Config, err)
	}
	cat := planner.Catalog{
		Functions: functions,
		Python:    c.Python,
	}
	cat.Offer(manifests...)
	return runner.Main(context.Background(), runner.Options{
		Args: argv, Plan: p, Catalog: cat, Signals: c.Stop, Counters: bridge.Counters, Stacks: c.Stacks,
	})
}

func fail(code int, err error) int {
	fmt.Fprintf(os.Stderr, "levada: %s\n", strings.TrimRight(err.Error(), "\n"))
	return code
}
