//go:build cgo

package bridge

import (
	"context"
	"fmt"
	"reflect"
	"strings"
	"sync"
	"sync/atomic"
	"unsafe"

	"github.com/levada-io/levada/internal/bridge/cpython"
	"github.com/levada-io/levada/internal/frame"
	"github.com/levada-io/levada/internal/program"
	"github.com/levada-io/levada/record"
)

// function is a Go function that Python calls, with its settings.
type function struct {
	fn      *program.Function
	out     program.Kit // of a result, or of an element of an iterator
	decoder *frame.Decoder
	in      *frame.Layout
	encoder *frame.Encoder

	// mu guards op, which is made for one caller at a time. It is taken without the GIL
	// and nothing under it waits for the GIL.
	mu sync.Mutex
	op program.Op

	spares sync.Pool // *spare

	// blank are the records of messages that say nothing of theirs: never written to,
	// and so shared by all calls.
	blank atomic.Pointer[[]record.Record]
}

// spare is what a call needs and a later one uses again.
type spare struct {
	chunk record.Chunk
	in    record.Column // the arguments: a function gets copies
}

// keepMessages is the largest batch that room is kept for.
const keepMessages = 1 << 12

func newFunction(fn *program.Function, settings []byte) (*function, error) {
	if len(settings) == 0 {
		settings = nil
	}
	name := strings.TrimPrefix(fn.Name, "go:")
	bound, err := fn.Bind(settings)
	if err != nil {
		return nil, fmt.Errorf("%s: settings: %w", name, err)
	}
	f := &function{fn: fn, out: fn.Out}
	if fn.Seq {
		f.out = fn.Elem
		if f.op, err = bound.FlatMap(name); err != nil {
			return nil, fmt.Errorf("%s: %w", name, err)
		}
	} else {
		f.op = bound.Map(name)
	}
	if f.in, err = frame.Of(fn.In.Type()); err != nil {
		return nil, fmt.Errorf("%s: %w", name, err)
	}
	if f.decoder, err = frame.NewDecoder(f.in, fn.In.Type()); err != nil {
		return nil, fmt.Errorf("%s: %w", name, err)
	}
	if f.encoder, err = frame.NewEncoder(f.out.Type()); err != nil {
		return nil, fmt.Errorf("%s: %w", name, err)
	}
	return f, nil
}

// Signature implements cpython.Function.
func (f *function) Signature() cpython.Signature {
	return cpython.Signature{In: f.in.Append(nil), Out: f.encoder.Layout().Append(nil), Seq: f.fn.Seq, Meta: f.fn.Meta}
}

// Call implements cpython.Function.
func (f *function) Call(call *cpython.Call) error {
	b, r := &call.Batch, &call.Result
	s, ok := f.spares.Get().(*spare)
	if !ok {
		s = new(spare)
	}
	c := &s.chunk
	defer func() {
		*c = record.Chunk{}
		if b.N <= keepMessages {
			f.spares.Put(s)
		}
	}()
	if err := f.fill(s, b); err != nil {
		return err
	}
	f.mu.Lock()
	err := f.op.Process(context.Background(), c)
	f.mu.Unlock()
	if err != nil {
		return err
	}
	if len(c.Failed) > 0 {
		return f.failed(c)
	}
	base, ok := f.out.Base(c.Col)
	if !ok {
		return fmt.Errorf("BUG: %s: column %T", f.fn.Name, c.Col)
	}
	r.N = c.Len()
	var bad error
	r.Payloads, err = f.encoder.AppendColumn(b.Room, base, r.N, func(i int, err error) {
		if bad == nil {
			bad = &cpython.CallError{Index: f.index(c, c.Source(i)), Err: f.named(fmt.Errorf("result: %w", err))}
		}
	})
	if bad != nil {
		return bad
	}
	if err != nil {
		return err
	}
	if again, ok := f.op.(program.Recycler); ok && b.N <= keepMessages {
		f.mu.Lock()
		again.Recycle(c.Col)
		f.mu.Unlock()
	}
	if f.fn.Meta {
		m := beginColumn(nil, r.N)
		for i := range r.N {
			m = appendMeta(m, c.Meta(i))
			endElement(m, r.N, i)
		}
		r.Metas = m
	}
	if f.fn.Seq {
		r.From = c.Origin
		if r.From == nil {
			r.From = []int32{}
		}
	}
	return nil
}

// fill makes a chunk of a batch; what it holds aliases the batch.
func (f *function) fill(s *spare, b *cpython.Batch) error {
	c := &s.chunk
	var frames frame.Column
	if err := frames.Read(f.in, b.Payloads); err != nil {
		return err
	}
	if frames.Len() != b.N {
		return fmt.Errorf("BUG: %s: %d frames for %d messages", f.fn.Name, frames.Len(), b.N)
	}
	if b.Metas == nil {
		c.Recs = f.blanks(b.N)
	} else {
		c.Recs = make([]record.Record, b.N)
	}
	col, base := f.fn.In.Remake(s.in, b.N)
	s.in, c.Col = col, col
	var bad error
	f.decoder.Column(&frames, base, func(i int, err error) {
		if bad == nil {
			bad = &cpython.CallError{Index: i, Err: f.named(err)}
		}
	})
	if bad != nil {
		return bad
	}
	if b.Metas != nil {
		r := cut{b: b.Metas[min(len(b.Metas), 4+4*(b.N+1)):]}
		for i := range c.Recs {
			c.Recs[i] = r.meta()
		}
		if r.bad {
			return errCut
		}
	}
	return nil
}

func (f *function) blanks(n int) []record.Record {
	if p := f.blank.Load(); p != nil && len(*p) >= n {
		return (*p)[:n]
	}
	if n > keepMessages {
		return make([]record.Record, n)
	}
	made := make([]record.Record, max(n, 16))
	f.blank.Store(&made)
	return made[:n]
}

// failed is the error of the first message that failed.
func (f *function) failed(c *record.Chunk) error {
	first, at := &c.Failed[0], len(c.Recs)
	for i := range c.Failed {
		if k := f.index(c, c.Failed[i].Source); k < at {
			first, at = &c.Failed[i], k
		}
	}
	e := &cpython.CallError{Index: at, Err: f.named(first.Err)}
	if p, ok := first.Err.(*program.PanicError); ok {
		e.Err, e.Note = p, string(p.Stack)
	}
	return e
}

func (f *function) named(err error) error {
	return fmt.Errorf("%s: %w", strings.TrimPrefix(f.fn.Name, "go:"), err)
}

// index is the message that a record belongs to.
func (f *function) index(c *record.Chunk, r *record.Record) int {
	return int((uintptr(unsafe.Pointer(r)) - uintptr(unsafe.Pointer(&c.Recs[0]))) / reflect.TypeFor[record.Record]().Size())
}
