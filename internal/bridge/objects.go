//go:build cgo

package bridge

import (
	"sync/atomic"

	"github.com/levada-io/levada/internal/bridge/cpython"
	"github.com/levada-io/levada/record"
)

// object is one reference to a Python object, held by one or more columns.
type object struct {
	handle  uintptr
	holders atomic.Int32
}

// item is a part of an element: an object, or a list whose count items follow.
type item struct {
	obj   *object // nil: a list
	count int
}

// Objects is a column of Python objects. It owns what it holds: Select, Batch and
// Release take that away from the receiver, Clone does not.
//
// # Notes
//
// An object that two columns hold is copied when a step touches it: branches of a
// broadcast never see each other's changes.
type Objects struct {
	waste *waste
	n     int
	items []item
	at    []uint32 // first item of each element; nil: one item per element
}

var (
	_ record.Batcher  = (*Objects)(nil)
	_ record.Cloner   = (*Objects)(nil)
	_ record.Releaser = (*Objects)(nil)
)

// newObjects takes over one reference per handle.
func newObjects(w *waste, handles []uintptr) *Objects {
	o := &Objects{waste: w, n: len(handles), items: make([]item, len(handles))}
	objs := make([]object, len(handles))
	for i, h := range handles {
		objs[i].handle = h
		objs[i].holders.Store(1)
		o.items[i].obj = &objs[i]
	}
	return o
}

// Len implements record.Column.
func (o *Objects) Len() int { return o.n }

// objectSize is what a Python object is counted as: what it really holds is not known.
const objectSize = 512

// Size implements record.Column.
func (o *Objects) Size() int { return objectSize * len(o.items) }

// span is the items of element i.
func (o *Objects) span(i int) []item {
	if o.at == nil {
		return o.items[i : i+1]
	}
	if i+1 < o.n {
		return o.items[o.at[i]:o.at[i+1]]
	}
	return o.items[o.at[i]:]
}

// Select implements record.Column. The receiver is empty afterwards.
func (o *Objects) Select(idx []int32) record.Column {
	out := &Objects{waste: o.waste, n: len(idx), items: make([]item, 0, len(idx))}
	if o.at != nil {
		out.at = make([]uint32, len(idx))
	}
	for k, i := range idx {
		if out.at != nil {
			out.at[k] = uint32(len(out.items))
		}
		out.items = append(out.items, o.span(int(i))...)
	}
	out.hold()
	o.Release()
	return out
}

func (o *Objects) hold() {
	for _, it := range o.items {
		if it.obj != nil {
			it.obj.holders.Add(1)
		}
	}
}

// Batch implements record.Batcher. The pieces are empty afterwards.
func (o *Objects) Batch(pieces []record.Column) record.Column {
	out := &Objects{waste: o.waste, n: 1, items: []item{{}}, at: []uint32{0}}
	for _, p := range pieces {
		p := p.(*Objects)
		out.items[0].count += p.n
		out.items = append(out.items, p.items...)
		p.forget()
	}
	return out
}

// Clone implements record.Cloner.
func (o *Objects) Clone() record.Column {
	c := &Objects{waste: o.waste, n: o.n, items: o.items, at: o.at}
	c.hold()
	return c
}

// Release implements record.Releaser.
func (o *Objects) Release() {
	var free []uintptr
	for _, it := range o.items {
		if it.obj != nil && it.obj.holders.Add(-1) == 0 {
			free = append(free, it.obj.handle)
		}
	}
	o.forget()
	o.waste.add(free...)
}

func (o *Objects) forget() { o.items, o.at, o.n = nil, nil, 0 }

// words is the form in which C reads the column.
func (o *Objects) words(buf []uintptr) []uintptr {
	for _, it := range o.items {
		switch {
		case it.obj == nil:
			buf = append(buf, uintptr(it.count)<<3|cpython.WordList)
		case it.obj.holders.Load() > 1:
			buf = append(buf, it.obj.handle|cpython.WordShared)
		default:
			buf = append(buf, it.obj.handle)
		}
	}
	return buf
}
