package program

import "github.com/levada-io/levada/record"

// Carriage is how payloads cross between Go and Python where they do not as frames: as
// bytes of a format that both sides know. It belongs to one operator.
type Carriage struct {
	// Python is what the Python side is told so that it makes values of the bytes, or bytes
	// of the values: a JSON object. Empty: there the payload is the bytes themselves.
	Python string
	// Bytes says how the payloads of a column become bytes: what it returns appends those
	// of element i, or false for a null. Asked once per chunk; on the way into Python.
	Bytes func(c record.Column) (func(buf []byte, i int) ([]byte, bool, error), error)
	// Values makes a column of bytes on the way out of Python, without those that fail was
	// called for. nil: the bytes are the payload.
	Values func(b record.Bytes, fail func(i int, err error)) (record.Column, error)
}
