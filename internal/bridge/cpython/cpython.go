//go:build cgo

// Package cpython is the C side of the bridge and its thin Go face: the stable ABI of
// CPython declared by hand, frames built from and into Python objects, the native
// module, and the crossing, which runs a chunk through Python functions. It owns
// everything that touches a PyObject. It knows neither columns nor steps of the
// pipeline: frames come and go as bytes, objects as handles.
//
// # Concurrency
//
// Functions that touch Python take the GIL themselves, with the thread state that the
// OS thread has kept. None of them may be called with a lock held that a call from
// Python into Go also takes.
package cpython

// #cgo CFLAGS: -std=gnu11 -O3 -fno-plt -Wall -Wextra -I${SRCDIR}/../../../abi -I${SRCDIR}/../process
// #include <stdlib.h>
// #include "native.h"
import "C"

import (
	"errors"
	"fmt"
	"runtime"
	"runtime/cgo"
	"sync"
	"unsafe"

	_ "github.com/levada-io/levada/abi" // levada.h, so that vendoring keeps it
	"github.com/levada-io/levada/internal/bridge/process"
)

// ErrClosing says that Python is going away, or that this process is a forked child:
// nothing of Python may be touched.
var ErrClosing = errors.New("python is shutting down")

// ErrRaised is process.ErrRaised: an exception is set in the interpreter.
var ErrRaised = process.ErrRaised

// Host is what the functions of the native module lead to.
type Host struct {
	Manifest    string // JSON
	Fingerprint string
	// Function makes a Go function for a call from Python. Called with the GIL.
	Function func(name string, settings []byte) (Function, error)
	// Main carries out a verb; called with the GIL, on the thread that called main.
	Main func(MainCall) (int, error)
	// YAMLFunctions names the functions that a YAML pipeline wants.
	YAMLFunctions func(path string) ([]string, error)
}

// MainCall is what Python gives to main.
type MainCall struct {
	Interpreter *Interpreter
	Argv        []string
	Plan        string
	Manifest    string
	Functions   map[string]uintptr // callables, by canonical name; valid until Main returns
}

// Function is a Go function as Python calls it.
type Function interface {
	Signature() Signature
	// Call runs a batch, without the GIL. An error of one message is a *CallError.
	Call(*Call) error
}

// Signature is how a Function is called: layouts in the bytes form of abi/frame.md.
type Signature struct {
	In, Out []byte
	Seq     bool // every message gives a list of Out
	Meta    bool // results have metadata of their own
}

// Batch is what Python calls a Function with: columns of abi/frame.md.
type Batch struct {
	N        int
	Payloads []byte
	Metas    []byte // nil: none of the messages has any
	Room     []byte // empty; memory of C for the payloads of the result, while they fit
}

// Result is what comes back.
type Result struct {
	N        int
	Payloads []byte
	Metas    []byte  // of a function with Meta
	From     []int32 // of one with Seq: message of each result
}

// Call is one call of a Function. Nobody keeps it.
type Call struct {
	Batch
	Result Result
}

// CallError is the failure of one message of a batch.
type CallError struct {
	Index int
	Err   error
	Note  string // the stack of a panic
}

func (e *CallError) Error() string { return e.Err.Error() }
func (e *CallError) Unwrap() error { return e.Err }

// host is set once, before Python can call anything: an extension is one per process,
// and its entry points have no other way to find what they serve.
var host = Host{
	Function: func(name string, _ []byte) (Function, error) { return nil, fmt.Errorf("no function %q", name) },
	Main:     func(MainCall) (int, error) { return 0, errors.New("BUG: an extension without Register") },
}

// Serve says what the native module leads to. It is called while the extension loads.
func Serve(h Host) { host = h }

// Available says whether this process is a Python process at all.
func Available() bool { return C.levada_missing_symbol() == nil }

// interpreters leads from the state of a loaded module to its Go side; one entry as a
// rule. Each module object has a state of its own.
var interpreters sync.Map // *C.levada_state -> *Interpreter

// Interpreter is one loaded native module.
type Interpreter struct {
	st *C.levada_state

	mu      sync.Mutex        // guards layouts; never held while Python is touched
	layouts map[string]Layout // by bytes form
}

func interpreterOf(st *C.levada_state) *Interpreter {
	v, ok := interpreters.Load(st)
	if !ok {
		v, _ = interpreters.LoadOrStore(st, &Interpreter{st: st, layouts: map[string]Layout{}})
	}
	return v.(*Interpreter)
}

// Layout is a layout with its keys as Python objects. It lives as long as the module.
type Layout struct{ l *C.levada_layout }

// Layout returns the layout of a bytes form.
func (in *Interpreter) Layout(form []byte) (Layout, error) {
	in.mu.Lock()
	l, ok := in.layouts[string(form)]
	in.mu.Unlock()
	if ok {
		return l, nil
	}
	l.l = C.levada_layout_new(in.st, (*C.uint8_t)(unsafe.SliceData(form)), C.size_t(len(form)))
	if l.l == nil {
		return l, fmt.Errorf("layout: %w", ErrClosing)
	}
	in.mu.Lock()
	in.layouts[string(form)] = l
	in.mu.Unlock()
	return l, nil
}

// Bytes is the layout of nullable bytes.
func (in *Interpreter) Bytes() Layout { return Layout{in.st.bytes} }

// NameThread names the calling OS thread, for Python and for the system. The caller has
// locked its goroutine to it.
func (in *Interpreter) NameThread(name string) error {
	s := C.CString(name)
	defer C.free(unsafe.Pointer(s))
	if C.levada_thread_name(in.st, s) < 0 {
		return ErrClosing
	}
	return nil
}

// Release gives up references to objects. Where Python is going away they are left to
// it.
func (in *Interpreter) Release(handles []uintptr) {
	if len(handles) > 0 {
		C.levada_release((*C.uintptr_t)(unsafe.Pointer(&handles[0])), C.uint32_t(len(handles)))
	}
}

// Counters are what has crossed so far in this process.
func Counters() map[string]int64 {
	var c C.levada_counters
	C.levada_read_counters(&c)
	return map[string]int64{
		"crossings":        int64(c.crossings),
		"gil_acquisitions": int64(c.gil_acquisitions),
		"conversions":      int64(c.conversions),
		"python_calls":     int64(c.python_calls),
		"call_ins":         int64(c.call_ins),
		"gil_wait_ns":      int64(c.gil_wait_ns),
		"gil_hold_ns":      int64(c.gil_hold_ns),
	}
}

// Source encodes the columns of a chunk when Python first touches one. It is called on
// any thread while Crossing.Run runs, one call at a time.
type Source interface {
	// Column returns the payloads (0) or the metadata (1) as a column of abi/frame.md. A
	// payload that can not be encoded has no bytes; Element then says why.
	Column(which int) ([]byte, error)
	Element(i int) error
}

// Kind says what a function's result means.
type Kind int

// The kinds of calls.
const (
	Map     Kind = C.LEVADA_CALL_MAP
	Filter  Kind = C.LEVADA_CALL_FILTER
	FlatMap Kind = C.LEVADA_CALL_FLAT_MAP
)

// Step is one Python function of a crossing.
type Step struct {
	Function uintptr
	Kind     Kind
}

// Form is how results leave a crossing.
type Form int

// The forms.
const (
	Keep    Form = C.LEVADA_KEEP    // filters only: which elements are kept
	Raw     Form = C.LEVADA_RAW     // presence byte and bytes
	Frame   Form = C.LEVADA_FRAME   // frames of a layout
	Handles Form = C.LEVADA_HANDLES // objects
	Route   Form = C.LEVADA_ROUTE   // frames of any: str, int or bool
)

// End is what a run ended with.
type End int

// The ends.
const (
	Done    End = C.LEVADA_DONE
	Paused  End = C.LEVADA_PAUSED  // the time of one crossing is over
	Stopped End = C.LEVADA_STOPPED // the last error stops the run
	Closed  End = C.LEVADA_CLOSED
)

// Low bits of a word of objects, see native.h.
const (
	WordList   = C.LEVADA_WORD_LIST
	WordShared = C.LEVADA_WORD_SHARED
)

// Crossing runs chunks through Python functions, one after the other.
type Crossing struct {
	cx     *C.levada_cross
	source Source
	handle cgo.Handle
	pin    runtime.Pinner
}

// NewCrossing makes a crossing. source is asked while a chunk runs. Free ends it.
func (in *Interpreter) NewCrossing(source Source, steps []Step, form Form, out Layout) (*Crossing, error) {
	if len(steps) > C.LEVADA_MAX_CALLS {
		return nil, fmt.Errorf("expected at most %d neighbouring Python steps, got %d", C.LEVADA_MAX_CALLS, len(steps))
	}
	c := &Crossing{source: source}
	c.handle = cgo.NewHandle(c)
	c.cx = C.levada_cross_new(in.st, C.uintptr_t(c.handle))
	if c.cx == nil {
		c.handle.Delete()
		return nil, errors.New("out of memory")
	}
	c.cx.nsteps = C.uint32_t(len(steps))
	for i, s := range steps {
		c.cx.steps[i] = C.levada_step{function: C.uintptr_t(s.Function), kind: C.int(s.Kind)}
	}
	c.cx.form = C.int(form)
	c.cx.out_layout = out.l
	return c, nil
}

// Free ends the crossing.
func (c *Crossing) Free() {
	c.pin.Unpin()
	C.levada_cross_free(c.cx)
	c.handle.Delete()
}

// Input is the payloads of a chunk: frames of a layout, which the Source encodes, or
// objects.
type Input struct {
	N       int
	Layout  Layout
	Objects []uintptr // words; nil: frames
	At      []uint32  // first word of each element; nil: one word per element
	Release []uintptr // references to give up on the way
}

// Begin prepares for a chunk. The slices must stay as they are until End.
func (c *Crossing) Begin(in Input) {
	cx := c.cx
	C.levada_cross_reset(cx)
	cx.n = C.uint32_t(in.N)
	cx.layout = in.Layout.l
	cx.source = C.LEVADA_FRAMES
	if len(in.Objects) > 0 {
		cx.source = C.LEVADA_OBJECTS
		c.pin.Pin(&in.Objects[0])
		cx.objects = (*C.uintptr_t)(unsafe.Pointer(&in.Objects[0]))
		if in.At != nil {
			c.pin.Pin(&in.At[0])
			cx.at = (*C.uint32_t)(unsafe.Pointer(&in.At[0]))
		}
	}
	if len(in.Release) > 0 {
		c.pin.Pin(&in.Release[0])
		cx.release = (*C.uintptr_t)(unsafe.Pointer(&in.Release[0]))
		cx.nrelease = C.uint32_t(len(in.Release))
	}
}

// Run runs the functions until the end of the chunk, the time of one crossing, or
// Cancel. After Paused it goes on where it was.
func (c *Crossing) Run() End { return End(C.levada_cross_run(c.cx)) }

// Next is the first element that was not processed.
func (c *Crossing) Next() int { return int(c.cx.next) }

// Cancelled makes a running crossing pause after the message it is at. Safe from any
// goroutine until Free.
func (c *Crossing) Cancelled(v bool) {
	C.levada_cross_cancel(c.cx, C.bool(v))
}

// Progress is how far a crossing is, as somebody else sees it.
type Progress struct {
	Inside  bool // in Python, or on the way there
	Waiting bool // for the GIL
	Element int  // first one that was not begun
	Step    int  // called last
	Thread  uint64
}

// Progress may be called from any goroutine until Free.
func (c *Crossing) Progress() Progress {
	var p C.levada_progress
	C.levada_cross_progress(c.cx, &p)
	return Progress{
		Inside:  p.where != C.LEVADA_OUTSIDE,
		Waiting: p.where == C.LEVADA_WAITING,
		Element: int(p.next), Step: int(p.step), Thread: uint64(p.os_thread),
	}
}

// Results of a chunk; slices are memory of C and valid until End.
type Results struct {
	N       int
	Values  []byte
	Ends    []uint32 // of each result in Values
	From    []uint32 // element of each result
	Handles []uintptr
	Deltas  []byte // per changed result: u32 number, then metadata
	NDeltas int
	Errors  []byte // per error: u32 element, u32 step, then type, message, traceback
	NErrors int
}

// Results returns what the chunk came to so far.
func (c *Crossing) Results() Results {
	cx := c.cx
	return Results{
		N:       int(cx.nout),
		Values:  bufOf[byte](&cx.out),
		Ends:    bufOf[uint32](&cx.offsets),
		From:    bufOf[uint32](&cx.from),
		Handles: bufOf[uintptr](&cx.handles),
		Deltas:  bufOf[byte](&cx.deltas),
		NDeltas: int(cx.ndeltas),
		Errors:  bufOf[byte](&cx.errors),
		NErrors: int(cx.nerrors),
	}
}

func bufOf[T any](b *C.levada_buf) []T {
	var zero T
	return unsafe.Slice((*T)(unsafe.Pointer(b.p)), uintptr(b.len)/unsafe.Sizeof(zero))
}

// End lets go of the chunk.
func (c *Crossing) End() { c.pin.Unpin() }
