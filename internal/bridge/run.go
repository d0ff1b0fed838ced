//go:build cgo

package bridge

import (
	"context"
	"errors"
	"fmt"
	"reflect"
	"slices"
	"strconv"
	"sync"
	"unsafe"

	"github.com/levada-io/levada/internal/bridge/cpython"
	"github.com/levada-io/levada/internal/frame"
	"github.com/levada-io/levada/internal/program"
	"github.com/levada-io/levada/record"
)

// run is an operator of neighbouring Python steps, or a conversion if it has none.
type run struct {
	py        *Python
	names     []string
	steps     []cpython.Step
	form      cpython.Form
	out       program.Form
	outLayout *frame.Layout // of form Frame
	native    cpython.Layout
	decoder   *frame.Decoder // of GoValues

	// in and back are how payloads cross that do not as frames. Their functions are wished
	// for, and held while the crossing is open.
	in, back *program.Carriage
	wishes   [][]byte // by step; nil: the function is called as it is
	held     []uintptr

	cx     *cpython.Crossing
	cancel canceller

	// The chunk at hand, for the columns that Python touches.
	chunk   *record.Chunk
	payload func(buf []byte) ([]byte, error)
	columns [2][]byte // buffers, reused: nothing of a chunk's frames outlives it
	bad     map[int]error
	words   []uintptr

	seen       *frame.Layout // the layout of the last chunk
	seenNative cpython.Layout
}

var (
	_ program.Op      = (*run)(nil)
	_ program.Starter = (*run)(nil)
	_ program.Watched = (*run)(nil)
)

// Steps implements program.Op.
func (o *run) Steps() []string { return o.names }

// Start implements program.Starter.
func (o *run) Start(lane int) error {
	if err := o.py.in.NameThread("levada-lane-" + strconv.Itoa(lane)); err != nil {
		return err
	}
	return o.open()
}

func (o *run) open() (err error) {
	if o.cx == nil {
		if err := o.fulfil(); err != nil {
			return err
		}
		o.cx, err = o.py.in.NewCrossing(o, o.steps, o.form, o.native)
		o.cancel.set(o.cx)
	}
	return err
}

// Stop implements program.Starter.
func (o *run) Stop() {
	if o.cx == nil {
		return
	}
	o.cancel.set(nil)
	o.cx.Free()
	o.cx = nil
	o.py.waste.add(o.held...)
	o.held = o.held[:0]
}

// canceller pauses a crossing when the context of the lane ends. The contexts of a
// step's chunks are one and the same as a rule: what watches it is kept.
type canceller struct {
	ctx  context.Context
	stop func() bool

	mu sync.Mutex // guards cx; a leaf in the lock order
	cx *cpython.Crossing
}

func (c *canceller) set(cx *cpython.Crossing) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.cx = cx
	if cx == nil && c.stop != nil {
		c.stop()
		c.ctx, c.stop = nil, nil
	}
}

func (c *canceller) watch(ctx context.Context) {
	if ctx == c.ctx {
		return
	}
	if c.stop != nil {
		c.stop()
	}
	c.ctx = ctx
	c.cancelled(false)
	c.stop = context.AfterFunc(ctx, func() { c.cancelled(true) })
}

func (c *canceller) cancelled(v bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.cx != nil {
		c.cx.Cancelled(v)
	}
}

// Progress implements program.Watched.
func (o *run) Progress() program.Progress {
	o.cancel.mu.Lock()
	defer o.cancel.mu.Unlock()
	if o.cancel.cx == nil {
		return program.Progress{}
	}
	p := o.cancel.cx.Progress()
	return program.Progress{Done: int64(p.Element), Step: p.Step, Python: p.Inside, Waiting: p.Waiting, Thread: p.Thread}
}

// Process implements program.Op.
func (o *run) Process(ctx context.Context, c *record.Chunk) error {
	if len(o.steps) == 0 {
		if done, err := o.convert(c); done || err != nil {
			return err
		}
	}
	if c.Len() == 0 {
		old := c.Col
		if o.form != cpython.Keep {
			col, err := o.column(cpython.Results{}, nil)
			if err != nil {
				return err
			}
			c.Col = col
			discard(old)
		}
		return nil
	}
	var old record.Column
	err := o.cross(ctx, c, func(r cpython.Results) error {
		old = c.Col
		return o.take(c, r)
	})
	if err == nil && o.form != cpython.Keep {
		discard(old)
	}
	return err
}

func discard(col record.Column) {
	if r, ok := col.(record.Releaser); ok {
		r.Release()
	}
}

// cross runs a chunk through Python and gives the results to take, with the failures
// already reported.
func (o *run) cross(ctx context.Context, c *record.Chunk, take func(cpython.Results) error) error {
	if err := o.open(); err != nil {
		return err
	}
	in, err := o.input(c)
	if err != nil {
		return err
	}
	o.cancel.watch(ctx)
	o.chunk, o.bad = c, nil
	o.cx.Begin(in)
	defer func() {
		o.cx.End()
		o.chunk, o.payload = nil, nil
	}()
	for {
		end := o.cx.Run()
		if end == cpython.Done {
			break
		}
		if end == cpython.Paused && ctx.Err() == nil {
			continue
		}
		r := o.cx.Results()
		o.py.waste.add(r.Handles...)
		switch end {
		case cpython.Paused:
			return context.Cause(ctx)
		case cpython.Closed:
			return cpython.ErrClosing
		}
		return o.stopped(r)
	}
	r := o.cx.Results()
	lost, err := failures(r.Errors, r.NErrors)
	if err != nil {
		return err
	}
	for _, f := range lost {
		if d, ok := errors.AsType[interface {
			error
			Detail() string
		}](o.bad[f.element]); ok && d.Detail() != "" {
			f.err.Traceback = d.Detail() // where it went wrong; that of Python only says who asked
		}
		if f.err.Type == "" { // the result has no place in what comes next
			c.Fail(f.element, o.name(f.step), f.err)
		} else {
			c.FailCall(f.element, o.name(f.step), f.err)
		}
	}
	return take(r)
}

// name is the step with that number; a conversion has none.
func (o *run) name(step int) string {
	if step < len(o.names) {
		return o.names[step]
	}
	return ""
}

// stopped is the error of an exception that ends the pipeline.
func (o *run) stopped(r cpython.Results) error {
	lost, err := failures(r.Errors, r.NErrors)
	if err != nil {
		return err
	}
	if len(lost) == 0 {
		return fmt.Errorf("step %q: out of memory", o.name(0))
	}
	f := lost[len(lost)-1]
	return fmt.Errorf("step %q: %w", o.name(f.step), f.err)
}

// input says where the payloads of a chunk come from. Nothing is encoded yet.
func (o *run) input(c *record.Chunk) (cpython.Input, error) {
	in := cpython.Input{N: c.Len(), Release: o.py.waste.take()}
	var err error
	if o.in != nil {
		in.Layout = o.py.in.Bytes()
		o.payload, err = o.carried(c.Col)
		return in, err
	}
	switch col := c.Col.(type) {
	case record.Bytes:
		in.Layout = o.py.in.Bytes()
		o.payload = func(buf []byte) ([]byte, error) {
			buf = beginColumn(buf, len(col))
			for i, b := range col {
				buf = appendNullable(buf, b)
				endElement(buf, len(col), i)
			}
			return buf, nil
		}
	case *frame.Column:
		in.Layout, err = o.layout(col.Layout())
		o.payload = func(buf []byte) ([]byte, error) { return col.Append(buf[:0]), nil }
	case *Objects:
		o.words = col.words(o.words[:0])
		in.Objects, in.At = o.words, col.at
	case program.Typed:
		v := reflect.ValueOf(col.Slice())
		var e *frame.Encoder
		if e, err = o.py.encoder(v.Type().Elem()); err != nil {
			return in, err
		}
		in.Layout, err = o.layout(e.Layout())
		o.payload = func(buf []byte) ([]byte, error) { return o.encode(buf, e, v), nil }
	default:
		err = fmt.Errorf("BUG: step %q: column %T", o.name(0), c.Col)
	}
	return in, err
}

func (o *run) layout(l *frame.Layout) (cpython.Layout, error) {
	if l == o.seen {
		return o.seenNative, nil
	}
	n, err := o.py.layout(l)
	if err == nil {
		o.seen, o.seenNative = l, n
	}
	return n, err
}

// encode writes Go values. One that can not be written has no bytes, and fails when a
// step asks for it.
func (o *run) encode(buf []byte, e *frame.Encoder, v reflect.Value) []byte {
	n, base, size := v.Len(), v.UnsafePointer(), v.Type().Elem().Size()
	buf = beginColumn(buf, n)
	program.Each(encoder, n, func(i int) error {
		next, err := e.Append(buf, unsafe.Add(base, uintptr(i)*size))
		if err == nil {
			buf = next
			endElement(buf, n, i)
		}
		return err
	}, func(i int, err error) {
		o.spoil(i, err)
		endElement(buf, n, i)
	})
	return buf
}

// encoder is what panicked where a method of the user did on the way into Python.
const encoder = "the encoder"

// spoil notes why an element has no bytes.
func (o *run) spoil(i int, err error) {
	if o.bad == nil {
		o.bad = map[int]error{}
	}
	o.bad[i] = err
}

// Column implements cpython.Source.
func (o *run) Column(which int) ([]byte, error) {
	if which == 0 {
		b, err := o.payload(o.columns[0])
		o.columns[0] = b
		return b, err
	}
	n := o.chunk.Len()
	b := beginColumn(o.columns[1], n)
	for i := range n {
		b = appendMeta(b, o.chunk.Meta(i))
		endElement(b, n, i)
	}
	o.columns[1] = b
	return b, nil
}

// Element implements cpython.Source.
func (o *run) Element(i int) error { return o.bad[i] }

// take makes the results the payload of the chunk.
func (o *run) take(c *record.Chunk, r cpython.Results) error {
	n := c.Len()
	from := make([]int32, len(r.From))
	for k, i := range r.From {
		from[k] = int32(i)
	}
	if o.form == cpython.Keep {
		if len(from) < n {
			c.Keep(from, c.Col.Select(from))
		}
		return nil
	}
	var lost []int32 // results that were refused on the way
	col, err := o.column(r, func(i int, err error) {
		c.Fail(int(from[i]), o.name(len(o.names)-1), err)
		lost = append(lost, int32(i))
	})
	if err != nil {
		return err
	}
	metas, err := deltas(r)
	if err != nil {
		return err
	}
	if len(lost) > 0 {
		var good []int32
		for i := range int32(len(from)) {
			if !slices.Contains(lost, i) {
				good = append(good, i)
			}
		}
		if o.back == nil { // a carriage has left them out
			col = col.Select(good)
		}
		kept := make([]int32, len(good))
		left := map[int]record.Record{}
		for k, i := range good {
			kept[k] = from[i]
			if m, ok := metas[int(i)]; ok {
				left[k] = m
			}
		}
		from, metas = kept, left
	}
	if inPlace(from, n) {
		c.Col = col
	} else {
		c.Keep(from, col)
	}
	for i, m := range metas {
		rec := *c.Meta(i)
		rec.Key, rec.Headers = m.Key, m.Headers
		c.SetMeta(i, &rec)
	}
	return nil
}

// inPlace says that every element has one result, in order.
func inPlace(from []int32, n int) bool {
	if len(from) != n {
		return false
	}
	for k, i := range from {
		if int(i) != k {
			return false
		}
	}
	return true
}

// deltas reads the keys and headers that steps have set, by result.
func deltas(r cpython.Results) (map[int]record.Record, error) {
	if r.NDeltas == 0 {
		return nil, nil
	}
	in := cut{b: slices.Clone(r.Deltas)}
	out := make(map[int]record.Record, r.NDeltas)
	for range r.NDeltas {
		i := in.u32()
		out[i] = in.meta()
		if in.bad {
			return nil, errCut
		}
	}
	return out, nil
}

// column makes a column of the results; they are copied once.
func (o *run) column(r cpython.Results, fail func(i int, err error)) (record.Column, error) {
	switch o.form {
	case cpython.Handles:
		return newObjects(&o.py.waste, r.Handles), nil
	case cpython.Raw:
		values := slices.Clone(r.Values)
		out, from := make(record.Bytes, r.N), uint32(0)
		for i, to := range r.Ends {
			if values[from] != 0 {
				out[i] = values[from+1 : to : to]
			}
			from = to
		}
		if o.back != nil && o.back.Values != nil {
			return o.back.Values(out, fail)
		}
		return out, nil
	}
	b := make([]byte, 4+4*(r.N+1)+len(r.Values))
	le.PutUint32(b, uint32(r.N))
	for i, end := range r.Ends {
		le.PutUint32(b[4+4*(i+1):], end)
	}
	copy(b[4+4*(r.N+1):], r.Values)
	frames, err := frame.NewColumn(o.outLayout, b)
	if err != nil || o.out.Kind == program.Dynamic {
		return frames, err
	}
	col, base := o.out.Kit.Make(r.N)
	if r.N > 0 {
		o.decoder.Column(frames, base, fail)
	}
	return col, nil
}

// convert is a conversion that needs no Python; false: it does.
func (o *run) convert(c *record.Chunk) (bool, error) {
	switch o.out.Kind {
	case program.Raw:
		_, ok := c.Col.(record.Bytes)
		return ok, nil
	case program.Dynamic:
		if _, ok := c.Col.(*frame.Column); ok {
			return true, nil
		}
		return o.toFrames(c)
	case program.GoValues:
		if _, ok := o.out.Kit.Base(c.Col); ok {
			return true, nil
		}
		// Values of another Go type become frames and then values of this one.
		if _, err := o.toFrames(c); err != nil {
			return false, err
		}
		if frames, ok := c.Col.(*frame.Column); ok {
			return true, o.toValues(c, frames)
		}
	}
	return false, nil
}

// toFrames encodes Go values.
func (o *run) toFrames(c *record.Chunk) (bool, error) {
	col, ok := c.Col.(program.Typed)
	if !ok {
		return false, nil
	}
	v := reflect.ValueOf(col.Slice())
	e, err := o.py.encoder(v.Type().Elem())
	if err != nil {
		return false, err
	}
	var lost []int32
	b, err := e.AppendColumn(nil, v.UnsafePointer(), v.Len(), func(i int, err error) {
		c.Fail(i, "", err)
		lost = append(lost, int32(i))
	})
	if err != nil {
		return false, err
	}
	frames, err := frame.NewColumn(e.Layout(), b)
	if err != nil {
		return false, err
	}
	keep(c, frames, lost)
	return true, nil
}

// toValues decodes frames.
func (o *run) toValues(c *record.Chunk, frames *frame.Column) error {
	d, err := frame.NewDecoder(frames.Layout(), o.out.Kit.Type())
	if err != nil {
		return err
	}
	var lost []int32
	col, base := o.out.Kit.Make(frames.Len())
	d.Column(frames, base, func(i int, err error) {
		c.Fail(i, "", err)
		lost = append(lost, int32(i))
	})
	if lost == nil {
		c.Col = col
		return nil
	}
	good := without(c.Len(), lost)
	c.Keep(good, col.Select(good))
	return nil
}

// keep makes col, which lacks the lost elements, the payload of the chunk.
func keep(c *record.Chunk, col record.Column, lost []int32) {
	if lost == nil {
		c.Col = col
		return
	}
	c.Keep(without(c.Len(), lost), col)
}

// without are the numbers below n that are not in lost, which is sorted.
func without(n int, lost []int32) []int32 {
	good := make([]int32, 0, n-len(lost))
	for i := range int32(n) {
		if _, bad := slices.BinarySearch(lost, i); !bad {
			good = append(good, i)
		}
	}
	return good
}
