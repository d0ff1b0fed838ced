//go:build cgo

package bridge

import (
	"encoding/binary"
	"errors"
	"strings"
)

// PythonError is an exception that a step raised, or a result that does not fit.
type PythonError struct {
	Type      string // class of the exception; empty: a result that does not fit
	Message   string
	Traceback string // as Python prints it; empty: none
	Retry     bool   // a RetryableError: worth another call
}

func (e *PythonError) Error() string {
	switch {
	case e.Type == "":
		return "returned value: " + e.Message
	case e.Message == "":
		return e.Type
	}
	return e.Type + ": " + e.Message
}

// Retryable says whether another call may help, for record.Retryable.
func (e *PythonError) Retryable() bool { return e.Retry }

// Detail is the traceback, for whoever shows more than one line.
func (e *PythonError) Detail() string { return strings.TrimRight(e.Traceback, "\n") }

// failure is one error of a crossing.
type failure struct {
	element, step int
	err           *PythonError
}

var errCut = errors.New("BUG: results of a crossing are cut off")

// cut reads what C wrote: little endian numbers, and strings with their length.
type cut struct {
	b   []byte
	bad bool
}

func (r *cut) take(n int) []byte {
	if n > len(r.b) {
		r.b, r.bad = nil, true
		return make([]byte, min(n, 8))
	}
	v := r.b[:n:n]
	r.b = r.b[n:]
	return v
}

func (r *cut) u8() byte      { return r.take(1)[0] }
func (r *cut) u32() int      { return int(binary.LittleEndian.Uint32(r.take(4))) }
func (r *cut) i64() int64    { return int64(binary.LittleEndian.Uint64(r.take(8))) }
func (r *cut) bytes() []byte { return r.take(r.u32()) }
func (r *cut) text() string  { return string(r.bytes()) }

// failures reads the errors of a crossing.
func failures(b []byte, n int) ([]failure, error) {
	if n == 0 {
		return nil, nil
	}
	r := cut{b: b}
	out := make([]failure, 0, n)
	for range n {
		out = append(out, failure{r.u32(), r.u32(), &PythonError{Retry: r.u32() != 0, Type: r.text(), Message: r.text(), Traceback: r.text()}})
		if r.bad {
			return nil, errCut
		}
	}
	return out, nil
}
