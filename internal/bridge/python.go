//go:build cgo

package bridge

import (
	"fmt"
	"reflect"
	"runtime"
	"slices"
	"sync"
	"time"

	"github.com/levada-io/levada/internal/bridge/cpython"
	"github.com/levada-io/levada/internal/bridge/process"
	"github.com/levada-io/levada/internal/frame"
	"github.com/levada-io/levada/internal/program"
)

// Counters are what has crossed so far in this process, by name.
func Counters() map[string]int64 { return cpython.Counters() }

// idleRelease is how long objects that nobody needs any more may wait for the next
// crossing before they are released without one.
const idleRelease = 100 * time.Millisecond

// Python is the interpreter that loaded the extension, with the functions of one
// pipeline. It implements program.Python.
type Python struct {
	in        *cpython.Interpreter
	functions map[string]uintptr
	waste     waste

	mu       sync.Mutex // guards encoders; a leaf in the lock order
	encoders map[reflect.Type]*frame.Encoder

	stop chan struct{}
	done chan struct{}
}

var _ program.Python = (*Python)(nil)

// New serves functions, callables by canonical name, that live at least as long.
func New(in *cpython.Interpreter, functions map[string]uintptr) *Python {
	return &Python{in: in, functions: functions, encoders: map[reflect.Type]*frame.Encoder{}, waste: waste{some: make(chan struct{}, 1)}}
}

// Start starts the service that releases objects while no lane crosses.
func (p *Python) Start() {
	p.stop, p.done = make(chan struct{}), make(chan struct{})
	go p.release()
}

// Stop ends the service; every object that was given up is released, unless a step keeps
// the GIL for good: it takes the process with it.
func (p *Python) Stop() {
	close(p.stop)
	select {
	case <-p.done:
	case <-time.After(process.Grace):
	}
}

// release keeps a thread of its own: Python would make another thread state for every
// thread that it happened to run on.
func (p *Python) release() {
	defer close(p.done)
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	for {
		select {
		case <-p.waste.some:
		case <-p.stop:
			p.in.Release(p.waste.take())
			return
		}
		select {
		case <-time.After(idleRelease):
		case <-p.stop:
		}
		p.in.Release(p.waste.take())
	}
}

// waste are references to Python objects that are to be given up, which needs the GIL:
// the next crossing does it.
type waste struct {
	some chan struct{} // holds a token when handles is not empty

	mu      sync.Mutex // guards handles; never held while Python is touched
	handles []uintptr
}

func (w *waste) add(handles ...uintptr) {
	if len(handles) == 0 {
		return
	}
	w.mu.Lock()
	w.handles = append(w.handles, handles...)
	w.mu.Unlock()
	select {
	case w.some <- struct{}{}:
	default:
	}
}

func (w *waste) take() []uintptr {
	w.mu.Lock()
	defer w.mu.Unlock()
	h := w.handles
	w.handles = nil
	return h
}

// encoder is the encoder of a Go type, compiled once.
func (p *Python) encoder(t reflect.Type) (*frame.Encoder, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if e, ok := p.encoders[t]; ok {
		return e, nil
	}
	e, err := frame.NewEncoder(t)
	if err == nil {
		p.encoders[t] = e
	}
	return e, err
}

func (p *Python) layout(l *frame.Layout) (cpython.Layout, error) { return p.in.Layout(l.Append(nil)) }

// Run implements program.Python.
func (p *Python) Run(calls []program.Call, out program.Form) (program.Op, error) {
	o, err := p.newRun(calls, out.Out)
	if err != nil {
		return nil, err
	}
	o.out = out
	filter := func(c program.Call) bool { return c.Kind == program.CallFilter }
	if len(calls) > 0 && !slices.ContainsFunc(calls, func(c program.Call) bool { return !filter(c) }) {
		o.form = cpython.Keep
		return o, nil
	}
	if out.Out != nil {
		o.form = cpython.Raw
		return o, nil
	}
	switch out.Kind {
	case program.Raw:
		o.form = cpython.Raw
	case program.Objects:
		o.form = cpython.Handles
	case program.Dynamic:
		o.form, o.outLayout = cpython.Frame, frame.Any()
	case program.GoValues:
		e, err := p.encoder(out.Kit.Type())
		if err != nil {
			return nil, err
		}
		o.form, o.outLayout = cpython.Frame, e.Layout()
		if o.decoder, err = frame.NewDecoder(o.outLayout, out.Kit.Type()); err != nil {
			return nil, err
		}
	default:
		return nil, fmt.Errorf("BUG: form %d", out.Kind)
	}
	if o.outLayout != nil {
		if o.native, err = p.layout(o.outLayout); err != nil {
			return nil, err
		}
	}
	return o, nil
}

// newRun makes a run whose results come back by a carriage, where there is one.
func (p *Python) newRun(calls []program.Call, back *program.Carriage) (*run, error) {
	o := &run{py: p, back: back}
	if len(calls) > 0 {
		o.in = calls[0].In
	}
	var err error
	if o.wishes, err = wishes(calls, back); err != nil {
		return nil, err
	}
	for i, c := range calls {
		if c.Function == "" { // a conversion: its function is one that is wished for
			o.names = append(o.names, c.Step)
			if o.wishes[i] != nil {
				o.steps = append(o.steps, cpython.Step{Kind: cpython.Map})
			}
			continue
		}
		fn, ok := p.functions[c.Function]
		if !ok {
			return nil, fmt.Errorf("function %s: not among those that Python has brought", c.Function)
		}
		o.names = append(o.names, c.Step)
		kind := cpython.Map
		switch c.Kind {
		case program.CallFilter:
			kind = cpython.Filter
		case program.CallFlatMap:
			kind = cpython.FlatMap
		}
		o.steps = append(o.steps, cpython.Step{Function: fn, Kind: kind})
	}
	return o, nil
}
