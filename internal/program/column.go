package program

import (
	"reflect"
	"unsafe"

	"github.com/levada-io/levada/record"
)

// Typed is a column of Go values.
type Typed interface {
	record.Column
	// Slice is the []T as any.
	Slice() any
}

// Values is a column of Go values of one type; one slice per chunk, no boxing.
type Values[T any] struct {
	V    []T
	size int // bytes that the values refer to
}

// Len implements record.Column.
func (v *Values[T]) Len() int { return len(v.V) }

// Size implements record.Column: what the values hold directly, plus what the
// column was made from.
func (v *Values[T]) Size() int {
	var zero T
	return len(v.V)*int(unsafe.Sizeof(zero)) + v.size
}

// Select implements record.Column.
func (v *Values[T]) Select(idx []int32) record.Column {
	out := make([]T, len(idx))
	for k, i := range idx {
		out[k] = v.V[i]
	}
	return &Values[T]{V: out, size: share(v.size, len(out), len(v.V))}
}

// share is the part that k of n elements have in a size: what a batch keeps of a chunk
// is not the whole chunk.
func share(size, k, n int) int { return int(int64(size) * int64(k) / int64(max(1, n))) }

// Slice implements Typed.
func (v *Values[T]) Slice() any { return v.V }

// Batch implements record.Batcher.
func (v *Values[T]) Batch(pieces []record.Column) record.Column {
	list, size := []T{}, 0
	for _, p := range pieces {
		list = append(list, p.(*Values[T]).V...)
		size += p.Size()
	}
	return &lists[T]{v: [][]T{list}, size: size}
}

// lists is a column of []T, as the batch step makes it. It is a type of its own
// because Values[T] can not have a method that needs Values[[]T].
type lists[T any] struct {
	v    [][]T
	size int
}

func (l *lists[T]) Len() int   { return len(l.v) }
func (l *lists[T]) Size() int  { return l.size }
func (l *lists[T]) Slice() any { return l.v }
func (l *lists[T]) Select(idx []int32) record.Column {
	out := make([][]T, len(idx))
	for k, i := range idx {
		out[k] = l.v[i]
	}
	return &lists[T]{v: out, size: share(l.size, len(out), len(l.v))}
}

// Kit makes and takes apart columns of one Go type without knowing it: what codecs
// and frames need.
type Kit interface {
	Type() reflect.Type
	// Make returns a column of n zero values and the address of the first.
	Make(n int) (record.Column, unsafe.Pointer)
	// Remake is Make in the room of old, a column that Make gave and that nobody reads any
	// more; nil is fine, too.
	Remake(old record.Column, n int) (record.Column, unsafe.Pointer)
	// Base returns the address of the first value of a column of this type; false
	// where the column is another's.
	Base(c record.Column) (unsafe.Pointer, bool)
	// DecodeOp is the parse step: raw bytes to values.
	DecodeOp(step string, decode func(src []byte, dst any) error) Op
	// EncodeOp is the serialize step: values to raw bytes.
	EncodeOp(step string, encode func(buf []byte, v any) ([]byte, error)) Op
}

type kit[T any] struct{}

// KitOf is the kit of T.
func KitOf[T any]() Kit { return &kit[T]{} }

func (*kit[T]) Type() reflect.Type { return reflect.TypeFor[T]() }

func (k *kit[T]) Make(n int) (record.Column, unsafe.Pointer) {
	v := make([]T, n)
	return newColumn(v), unsafe.Pointer(unsafe.SliceData(v))
}

func (k *kit[T]) Remake(old record.Column, n int) (record.Column, unsafe.Pointer) {
	c, ok := old.(*Values[T])
	if !ok || cap(c.V) < n {
		return k.Make(n)
	}
	c.V = c.V[:n]
	clear(c.V)
	return c, unsafe.Pointer(unsafe.SliceData(c.V))
}

func (*kit[T]) Base(c record.Column) (unsafe.Pointer, bool) {
	v, ok := slice[T](c)
	return unsafe.Pointer(unsafe.SliceData(v)), ok
}

// slice returns the values of a column of T.
func slice[T any](c record.Column) ([]T, bool) {
	switch c := c.(type) {
	case *Values[T]: // nearly always, and without boxing the slice
		return c.V, true
	case record.Bytes:
		v, ok := any([][]byte(c)).([]T)
		return v, ok
	case Typed:
		v, ok := c.Slice().([]T)
		return v, ok
	}
	return nil, false
}

func newColumn[T any](v []T) record.Column {
	if b, ok := any(v).([][]byte); ok {
		return record.Bytes(b)
	}
	return &Values[T]{V: v}
}
