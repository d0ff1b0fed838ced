//go:build !cgo

// Package process holds the rules of a process in which the Go runtime and CPython
// live together. A binary built without cgo has no CPython: nothing is in it.
package process
