//go:build cgo

package bridge

import (
	"fmt"
	"os"

	"github.com/levada-io/levada/internal/bridge/cpython"
	"github.com/levada-io/levada/internal/bridge/process"
	"github.com/levada-io/levada/internal/program"
)

// Extension is what a native module offers to the Python process that loads it.
type Extension struct {
	Manifest    string // JSON of plan.Manifest
	Fingerprint string // of the layouts in it
	Functions   map[string]*program.Function
	// Main carries out a verb while Python's main thread waits.
	Main func(MainCall) int
	// YAMLFunctions names the functions that the YAML pipeline at path wants; nil: the
	// extension reads no YAML.
	YAMLFunctions func(path string) ([]string, error)
}

// MainCall is what Python gives to main.
type MainCall struct {
	Stop     <-chan struct{} // one value per stop signal: the first drains, the second aborts
	Argv     []string
	Plan     string
	Manifest string
	Python   *Python
	Stacks   func() string // see process.Stacks
}

// ballast is memory that nothing touches and no page stands for. It counts as alive, so
// that the collector waits for more garbage: a collection costs about a millisecond
// however little is alive, and next to nothing is where Python calls a step by itself. A
// pipeline has a heap of its own and gives the ballast up.
var ballast []byte

const ballastSize = 16 << 20

// Serve offers an extension. It is called while the extension loads, before Python can
// call anything.
func Serve(e Extension) {
	if os.Getenv("GOGC") == "" { // who sets it knows how much memory it costs
		ballast = make([]byte, ballastSize)
	}
	cpython.Serve(cpython.Host{
		Manifest:    e.Manifest,
		Fingerprint: e.Fingerprint,
		Function: func(name string, settings []byte) (cpython.Function, error) {
			fn, ok := e.Functions[name]
			if !ok {
				return nil, fmt.Errorf("no Go function %q in this extension", name)
			}
			return newFunction(fn, settings)
		},
		Main: func(m cpython.MainCall) (int, error) {
			_, ballast = ballast, nil
			py := New(m.Interpreter, m.Functions)
			return process.Park(func(stop <-chan struct{}) int {
				py.Start()
				defer py.Stop()
				return e.Main(MainCall{Stop: stop, Argv: m.Argv, Plan: m.Plan, Manifest: m.Manifest, Python: py, Stacks: process.Stacks})
			})
		},
		YAMLFunctions: e.YAMLFunctions,
	})
}
