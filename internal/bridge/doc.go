// Package bridge carries chunks over the border between Go and CPython. It makes the
// operators and routers whose functions are in Python (program.Python), columns of
// Python objects, and Go functions that Python calls. It knows columns, frames and
// steps; what touches a Python object is in its package cpython, the rules of the
// process in process. It knows neither planner nor engine.
//
// # The way of a chunk
//
//	Op.Process            Go: begin, one cgo call
//	  take the GIL        once per chunk and run of steps
//	  per message:        a lazy message, f1, f2, ..., the result, drop
//	    .payload touched  back into Go: the column becomes frames, once per chunk
//	  give the GIL away
//	results               Go: one copy, the column of the next operator
//
// Without cgo the package is empty.
package bridge
