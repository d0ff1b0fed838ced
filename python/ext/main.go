//go:build cgo

// Command ext is the extension that comes with the Python package levada: the engine
// with no Go steps, for pipelines whose steps are all in Python.
package main

import "github.com/levada-io/levada/pyext"

// init runs while the module loads, before Python can call anything.
func init() {
	pyext.Register(`{"levada":"0.1.0","plan":1,"functions":[]}`)
}

// The interpreter calls; nothing runs by itself.
func main() {}
