package program

import (
	"context"
	"encoding/json/v2"
	"fmt"
	"iter"
	"reflect"
	"runtime/debug"
	"strings"
	"sync/atomic"

	"github.com/levada-io/levada/record"
)

// Function is a step function in Go, ready to be bound to a step. The step decides
// what the result means.
type Function struct {
	Name string // canonical: "go:<import path>.<Func>"
	In   Kit
	Out  Kit
	// Elem is what a flat map over the function yields; nil where the result is no
	// slice and no iterator.
	Elem Kit
	Seq  bool // the result is an iterator: only a flat map can use it
	Meta bool // the result is a message: key and headers may change
	// Bind makes the function with the settings of a step (a JSON object, or nil), for
	// one lane.
	Bind func(settings []byte) (Bound, error)
}

// Bound is a Function with its settings.
type Bound struct {
	Map     func(step string) Op
	Filter  func(step string) (Op, error)
	FlatMap func(step string) (Op, error)
	// Router leads a result equal to cases[i] (JSON scalars) to branch i, any other to
	// otherwise; negative: no such branch, the element fails.
	Router func(step string, cases [][]byte, otherwise int) (Router, error)
}

// Make makes a user's function from the settings of a step.
type Make[T, U any] = func(settings []byte) (func(record.Message[T]) (U, error), error)

// Of is a function that returns a value.
func Of[T, U any](name string, mk Make[T, U]) *Function {
	return newFunction[T, U, U, struct{}](name, mk, same, nil)
}

// OfMessage is a function that returns a message.
func OfMessage[T, U any](name string, mk Make[T, record.Message[U]]) *Function {
	f := newFunction[T, record.Message[U], U, struct{}](name, mk, unwrap, nil)
	f.Meta = true
	return f
}

// OfSlice is a function that returns a slice; a flat map yields its elements.
func OfSlice[T any, S ~[]V, V any](name string, mk Make[T, S]) *Function {
	f := newFunction(name, mk, same,
		func(s S, out *[]V) { *out = append(*out, s...) })
	f.Elem = KitOf[V]()
	return f
}

// OfSeq is a function that returns an iterator, for a flat map.
func OfSeq[T, V any](name string, mk Make[T, iter.Seq[V]]) *Function {
	f := newFunction(name, mk, same,
		func(s iter.Seq[V], out *[]V) {
			if s == nil {
				return
			}
			for v := range s {
				*out = append(*out, v)
			}
		})
	f.Elem, f.Seq = KitOf[V](), true
	return f
}

func same[U any](u U, in *record.Record) (U, *record.Record) { return u, in }

func unwrap[U any](m record.Message[U], _ *record.Record) (U, *record.Record) {
	return m.Payload(), m.Record()
}

// newFunction builds the type-erased form once; R is what the function returns, U the
// payload in it, V what a flat map yields.
func newFunction[T, R, U, V any](name string, mk Make[T, R], open func(R, *record.Record) (U, *record.Record), flat func(U, *[]V)) *Function {
	bind := func(settings []byte) (Bound, error) {
		fn, err := mk(settings)
		if err != nil {
			return Bound{}, err
		}
		return Bound{
			Map: func(step string) Op {
				return &mapOp[T, R, U]{base: newBase(step, name), fn: fn, open: open}
			},
			Filter: func(step string) (Op, error) {
				b, ok := any(open).(func(R, *record.Record) (bool, *record.Record))
				if !ok {
					return nil, fmt.Errorf("filter needs a function that returns bool, %s returns %s", name, reflect.TypeFor[U]())
				}
				return &filterOp[T, R]{newBase(step, name), fn, b}, nil
			},
			FlatMap: func(step string) (Op, error) {
				if flat == nil {
					return nil, fmt.Errorf("flat map needs a function that returns a slice or an iter.Seq, %s returns %s", name, reflect.TypeFor[U]())
				}
				return &flatMapOp[T, R, U, V]{newBase(step, name), fn, open, flat}, nil
			},
			Router: func(step string, cases [][]byte, otherwise int) (Router, error) {
				return newRouter(newBase(step, name), fn, open, cases, otherwise)
			},
		}, nil
	}
	return &Function{Name: name, In: KitOf[T](), Out: KitOf[U](), Bind: bind}
}

type base struct {
	step, function string
	done           *atomic.Int64 // elements of the chunk in hand; see Progress
}

func newBase(step, function string) base { return base{step, function, new(atomic.Int64)} }

func (b base) Steps() []string { return []string{b.step} }

// Progress implements Watched.
func (b base) Progress() Progress { return Progress{Done: b.done.Load()} }

// block is the number of elements after which each tells how far it is: often enough for
// calls that take seconds, and nothing that a fast one notices.
const block = 16

// badColumn is the error of an operator that gets a column of another type than the
// planner promised.
func badColumn[T any](step string, c record.Column) error {
	return fmt.Errorf("BUG: step %q: expected a column of %s, got %T", step, reflect.TypeFor[T](), c)
}

// PanicError is a recovered panic of a user's function, or of a codec that calls methods of
// theirs.
type PanicError struct {
	Function string
	Value    any
	Stack    []byte
}

// NewPanic is what was recovered, with the stack of who calls it.
func NewPanic(where string, v any) *PanicError {
	return &PanicError{Function: where, Value: v, Stack: debug.Stack()}
}

func (e *PanicError) Error() string {
	return fmt.Sprintf("panic in %s: %v", strings.TrimPrefix(e.Function, "go:"), e.Value)
}

// Detail is the stack, for whoever shows more than one line.
func (e *PanicError) Detail() string { return string(e.Stack) }

// each is Each that tells how far it is.
func (b base) each(n int, f func(i int) error, failed func(i int, err error)) {
	each(b.function, n, b.done, f, failed)
}

// Each calls f for 0..n-1 and turns a panic into a failure of that element; where says what
// panicked. One deferred call serves the whole chunk, not one per message.
func Each(where string, n int, f func(i int) error, failed func(i int, err error)) {
	each(where, n, nil, f, failed)
}

func each(where string, n int, done *atomic.Int64, f func(i int) error, failed func(i int, err error)) {
	i := 0
	run := func() (whole bool) {
		defer func() {
			if whole {
				return
			}
			failed(i, NewPanic(where, recover()))
			i++
		}()
		for i < n {
			if done != nil {
				done.Store(int64(i))
			}
			for end := min(n, i+block); i < end; i++ {
				if err := f(i); err != nil {
					failed(i, err)
				}
			}
		}
		return true
	}
	for !run() {
	}
}

// loss collects the elements of a chunk that failed.
type loss struct {
	c    *record.Chunk
	step string
	bad  []int32
}

func (l *loss) add(i int, err error) {
	l.c.Fail(i, l.step, err)
	l.bad = append(l.bad, int32(i))
}

// call is add where the function of the user failed.
func (l *loss) call(i int, err error) {
	if _, unknown := err.(keyError); unknown {
		l.add(i, err)
		return
	}
	l.c.FailCall(i, l.step, err)
	l.bad = append(l.bad, int32(i))
}

// keyError is a routing key that leads nowhere. The function did its work: called again,
// it would return the same one.
type keyError struct{ key any }

func (e keyError) Error() string { return fmt.Sprintf("no case for %#v and no otherwise", e.key) }

// drop takes the failed elements out of the chunk; col has one element per element
// of the chunk.
func (l *loss) drop(col record.Column) {
	if l.bad == nil {
		l.c.Col = col
		return
	}
	good := make([]int32, 0, col.Len()-len(l.bad))
	k := 0
	for i := range int32(col.Len()) {
		if k < len(l.bad) && l.bad[k] == i {
			k++
			continue
		}
		good = append(good, i)
	}
	l.c.Keep(good, col.Select(good))
}

// Recycler is an operator that can use a column that it gave again. Whoever runs it may
// tell it that nobody reads the column any more.
type Recycler interface{ Recycle(record.Column) }

type mapOp[T, R, U any] struct {
	base
	fn   func(record.Message[T]) (R, error)
	open func(R, *record.Record) (U, *record.Record)

	spare []U
}

// Recycle implements Recycler.
func (o *mapOp[T, R, U]) Recycle(c record.Column) {
	if v, ok := c.(*Values[U]); ok {
		clear(v.V)
		o.spare = v.V
	}
}

func (o *mapOp[T, R, U]) Process(_ context.Context, c *record.Chunk) error {
	in, ok := slice[T](c.Col)
	if !ok {
		return badColumn[T](o.step, c.Col)
	}
	out := o.spare
	if o.spare = nil; cap(out) < len(in) {
		out = make([]U, len(in))
	}
	out = out[:len(in)]
	l := loss{c: c, step: o.step}
	call := func(i int) error {
		meta := c.Meta(i)
		r, err := o.fn(record.NewMessage(in[i], meta))
		if err != nil {
			return err
		}
		u, rec := o.open(r, meta)
		out[i] = u
		c.SetMeta(i, rec)
		return nil
	}
	if plain, ok := any(out).([]R); ok { // what the function returns is the payload
		call = func(i int) (err error) {
			plain[i], err = o.fn(record.NewMessage(in[i], c.Meta(i)))
			return err
		}
	}
	o.each(len(in), call, l.call)
	col := newColumn(out)
	if v, ok := col.(*Values[U]); ok {
		v.size = c.Col.Size()
	}
	l.drop(col)
	return nil
}

type filterOp[T, R any] struct {
	base
	fn   func(record.Message[T]) (R, error)
	open func(R, *record.Record) (bool, *record.Record)
}

func (o *filterOp[T, R]) Process(_ context.Context, c *record.Chunk) error {
	in, ok := slice[T](c.Col)
	if !ok {
		return badColumn[T](o.step, c.Col)
	}
	keep := make([]int32, 0, len(in))
	o.each(len(in), func(i int) error {
		meta := c.Meta(i)
		r, err := o.fn(record.NewMessage(in[i], meta))
		if err != nil {
			return err
		}
		if pass, _ := o.open(r, meta); pass {
			keep = append(keep, int32(i))
		}
		return nil
	}, func(i int, err error) { c.FailCall(i, o.step, err) })
	if len(keep) < len(in) {
		c.Keep(keep, c.Col.Select(keep))
	}
	return nil
}

type flatMapOp[T, R, U, V any] struct {
	base
	fn   func(record.Message[T]) (R, error)
	open func(R, *record.Record) (U, *record.Record)
	flat func(U, *[]V)
}

func (o *flatMapOp[T, R, U, V]) Process(_ context.Context, c *record.Chunk) error {
	in, ok := slice[T](c.Col)
	if !ok {
		return badColumn[T](o.step, c.Col)
	}
	out := make([]V, 0, len(in))
	from := make([]int32, 0, len(in))
	o.each(len(in), func(i int) error {
		meta := c.Meta(i)
		r, err := o.fn(record.NewMessage(in[i], meta))
		if err != nil {
			return err
		}
		u, rec := o.open(r, meta)
		c.SetMeta(i, rec)
		o.flat(u, &out)
		for len(from) < len(out) {
			from = append(from, int32(i))
		}
		return nil
	}, func(i int, err error) {
		// A flat map is atomic per message: what an iterator yielded before it panicked
		// is taken back.
		out = out[:len(from)]
		c.FailCall(i, o.step, err)
	})
	col := newColumn(out)
	if v, ok := col.(*Values[V]); ok {
		v.size = c.Col.Size()
	}
	c.Keep(from, col)
	return nil
}

type router[T, R, U any] struct {
	base
	fn        func(record.Message[T]) (R, error)
	open      func(R, *record.Record) (U, *record.Record)
	branch    map[any]int32
	otherwise int32
}

func newRouter[T, R, U any](b base, fn func(record.Message[T]) (R, error), open func(R, *record.Record) (U, *record.Record), cases [][]byte, otherwise int) (Router, error) {
	if !reflect.TypeFor[U]().Comparable() {
		return nil, fmt.Errorf("route needs a function that returns a string, an integer or a bool, %s returns %s", b.function, reflect.TypeFor[U]())
	}
	r := &router[T, R, U]{b, fn, open, make(map[any]int32, len(cases)), int32(otherwise)}
	for i, c := range cases {
		if c == nil {
			continue
		}
		var key U
		if err := json.Unmarshal(c, &key); err != nil {
			return nil, fmt.Errorf("case %s: expected %s, as %s returns", c, reflect.TypeFor[U](), b.function)
		}
		r.branch[key] = int32(i)
	}
	return r, nil
}

func (o *router[T, R, U]) Route(_ context.Context, c *record.Chunk) ([]int32, error) {
	in, ok := slice[T](c.Col)
	if !ok {
		return nil, badColumn[T](o.step, c.Col)
	}
	out := make([]int32, 0, len(in))
	l := loss{c: c, step: o.step}
	o.each(len(in), func(i int) error {
		meta := c.Meta(i)
		r, err := o.fn(record.NewMessage(in[i], meta))
		if err != nil {
			return err
		}
		key, _ := o.open(r, meta)
		to, ok := o.branch[key]
		if !ok {
			to = o.otherwise
		}
		if to < 0 {
			return keyError{key}
		}
		out = append(out, to)
		return nil
	}, l.call)
	l.drop(c.Col)
	return out, nil
}

// DecodeOp implements Kit.
func (k *kit[T]) DecodeOp(step string, decode func(src []byte, dst any) error) Op {
	return &decodeOp[T]{newBase(step, "the decoder"), decode}
}

// EncodeOp implements Kit.
func (k *kit[T]) EncodeOp(step string, encode func(buf []byte, v any) ([]byte, error)) Op {
	return &encodeOp[T]{newBase(step, "the encoder"), encode}
}

type decodeOp[T any] struct {
	base
	decode func(src []byte, dst any) error
}

func (o *decodeOp[T]) Process(_ context.Context, c *record.Chunk) error {
	in, ok := c.Col.(record.Bytes)
	if !ok {
		return badColumn[[]byte](o.step, c.Col)
	}
	out := make([]T, len(in))
	l := loss{c: c, step: o.step}
	o.each(len(in), func(i int) error {
		if in[i] == nil {
			return fmt.Errorf("expected a value, got null (a tombstone)")
		}
		return o.decode(in[i], &out[i])
	}, l.add)
	col := newColumn(out)
	if v, ok := col.(*Values[T]); ok {
		v.size = in.Size()
	}
	l.drop(col)
	return nil
}

type encodeOp[T any] struct {
	base
	encode func(buf []byte, v any) ([]byte, error)
}

func (o *encodeOp[T]) Process(_ context.Context, c *record.Chunk) error {
	in, ok := slice[T](c.Col)
	if !ok {
		return badColumn[T](o.step, c.Col)
	}
	// One buffer holds all results; slices are cut when it has its final place.
	buf := make([]byte, 0, c.Col.Size()+64*len(in))
	ends := make([]int, len(in))
	l := loss{c: c, step: o.step}
	o.each(len(in), func(i int) error {
		next, err := o.encode(buf, &in[i])
		if err != nil {
			return err
		}
		buf, ends[i] = next, len(next)
		return nil
	}, func(i int, err error) {
		ends[i] = len(buf)
		l.add(i, err)
	})
	out, from := make(record.Bytes, len(in)), 0
	for i, to := range ends {
		out[i] = buf[from:to:to]
		from = to
	}
	l.drop(out)
	return nil
}
