package protobuf

import (
	"reflect"
	"sync"
	"unsafe"

	"google.golang.org/protobuf/encoding/protowire"
	"google.golang.org/protobuf/reflect/protoreflect"

	"github.com/levada-io/levada/internal/frame"
)

// pairs are the maps from texts to values of one type. A map is only touched as what it is:
// nothing promises that one with other values lies in memory alike.
type pairs interface {
	// append writes the entries of the map at at in the order of their keys.
	append(m *member, buf []byte, at unsafe.Pointer) ([]byte, bool)
	// read reads an entry, and those of the same map that stand right behind it, into the
	// map at at. The tag of the first is read; below zero: it is not to be expected.
	read(m *member, src []byte, at unsafe.Pointer) int
}

// pairsFor are those of a type of map; nil: there are none.
func pairsFor(t reflect.Type, messages bool) pairs {
	switch {
	case messages:
		return &messagesByName{typ: t, some: reflect.SliceOf(t.Elem().Elem()), size: t.Elem().Elem().Size()}
	case t == reflect.TypeFor[map[string]string]():
		return valuesByName[string]{}
	case t == reflect.TypeFor[map[string]bool]():
		return valuesByName[bool]{}
	case t == reflect.TypeFor[map[string]int32]():
		return valuesByName[int32]{}
	case t == reflect.TypeFor[map[string]uint32]():
		return valuesByName[uint32]{}
	case t == reflect.TypeFor[map[string]int64]():
		return valuesByName[int64]{}
	case t == reflect.TypeFor[map[string]uint64]():
		return valuesByName[uint64]{}
	case t == reflect.TypeFor[map[string]float32]():
		return valuesByName[float32]{}
	case t == reflect.TypeFor[map[string]float64]():
		return valuesByName[float64]{}
	}
	return nil
}

// valuesByName are maps of numbers or texts.
type valuesByName[V any] struct{}

func (valuesByName[V]) append(m *member, buf []byte, at unsafe.Pointer) ([]byte, bool) {
	all := *(*map[string]V)(at)
	if len(all) <= 8 {
		var few [8]frame.Entry[V]
		return appendPairs(m, buf, frame.Sorted(all, &few))
	}
	return appendMany(m, buf, all)
}

// appendMany keeps its large frame on the stack away from the small maps.
func appendMany[V any](m *member, buf []byte, all map[string]V) ([]byte, bool) {
	var some [40]frame.Entry[V]
	return appendPairs(m, buf, frame.SortedMany(all, some[:0]))
}

// quieten makes a signalling NaN at a float32 a quiet one: those of maps pass the library as
// float64, which does so to them.
func quieten(at unsafe.Pointer) {
	const exponent, fraction, quiet = 0xff << 23, 1<<23 - 1, 1 << 22
	if bits := (*uint32)(at); *bits&exponent == exponent && *bits&fraction != 0 {
		*bits |= quiet
	}
}

func (valuesByName[V]) read(m *member, src []byte, at unsafe.Pointer) int {
	all := *(*map[string]V)(at)
	if all == nil {
		// Mostly they all stand here.
		all = make(map[string]V, m.alike(src))
		*(*map[string]V)(at) = all
	}
	for total := 0; ; {
		key, value, n := m.entry(src)
		if n < 0 {
			return n
		}
		var v V
		if m.value.readOne(value, unsafe.Pointer(&v)) != len(value) {
			return -1
		}
		if m.value.kind == protoreflect.FloatKind {
			quieten(unsafe.Pointer(&v))
		}
		all[key] = v
		total += n
		if src = src[n:]; !m.stands(src) {
			return total
		}
		src = src[len(m.tag):]
		total += len(m.tag)
	}
}

// messagesByName are maps of messages. Who wrote the codec does not know their type.
type messagesByName struct {
	typ   reflect.Type
	some  reflect.Type // a slice of messages
	size  uintptr      // of a message
	spare sync.Pool    // of *passage
}

// passage is what it takes to go through a map: one entry of it, and where that lies.
type passage struct {
	iter  reflect.MapIter
	key   reflect.Value
	value reflect.Value
	name  *string
	at    *unsafe.Pointer
	order []frame.Entry[unsafe.Pointer]
}

// keepPairs is the largest number of entries that room is kept for.
const keepPairs = 1024

func (p *messagesByName) begin() *passage {
	g, ok := p.spare.Get().(*passage)
	if !ok {
		key, value := reflect.New(p.typ.Key()), reflect.New(p.typ.Elem())
		g = &passage{key: key.Elem(), value: value.Elem(), name: (*string)(key.UnsafePointer()), at: (*unsafe.Pointer)(value.UnsafePointer())}
	}
	return g
}

// end keeps nothing of the map.
func (p *messagesByName) end(g *passage) {
	if len(g.order) > keepPairs {
		return
	}
	g.iter.Reset(reflect.Value{})
	*g.name, *g.at = "", nil
	clear(g.order)
	g.order = g.order[:0]
	p.spare.Put(g)
}

func (p *messagesByName) append(m *member, buf []byte, at unsafe.Pointer) ([]byte, bool) {
	all := reflect.NewAt(p.typ, at).Elem()
	if all.Len() == 0 {
		return buf, true
	}
	g := p.begin()
	g.iter.Reset(all)
	for g.iter.Next() {
		g.key.SetIterKey(&g.iter)
		g.value.SetIterValue(&g.iter)
		g.order = append(g.order, frame.Entry[unsafe.Pointer]{Key: *g.name, Value: *g.at})
	}
	frame.SortEntries(g.order)
	buf, ok := appendPairs(m, buf, g.order)
	p.end(g)
	return buf, ok
}

func (p *messagesByName) read(m *member, src []byte, at unsafe.Pointer) int {
	all, left := reflect.NewAt(p.typ, at).Elem(), m.alike(src)
	if all.IsNil() {
		all.Set(reflect.MakeMapWithSize(p.typ, left))
	}
	g := p.begin()
	defer p.end(g)
	// Messages that stand beside each other lie beside each other: their texts do so anyway.
	var some unsafe.Pointer
	next := 0
	for total := 0; ; {
		key, value, n := m.entry(src)
		if n < 0 {
			return n
		}
		message, k := sized(value)
		if k != len(value) {
			return -1
		}
		if next == 0 {
			next = max(1, min(left, 16))
			some = reflect.MakeSlice(p.some, next, next).UnsafePointer()
			left -= next
		}
		next--
		*g.name, *g.at = key, unsafe.Add(some, uintptr(next)*p.size)
		if !m.value.elem.read(message, *g.at) {
			return -1
		}
		all.SetMapIndex(g.key, g.value)
		total += n
		if src = src[n:]; !m.stands(src) {
			return total
		}
		src = src[len(m.tag):]
		total += len(m.tag)
	}
}

// appendPairs writes entries, which are in the order of their keys.
func appendPairs[V any](m *member, buf []byte, all []frame.Entry[V]) ([]byte, bool) {
	for i := range all {
		e := &all[i]
		if m.value.kind == protoreflect.FloatKind {
			quieten(unsafe.Pointer(&e.Value))
		}
		buf = append(append(buf, m.tag...), 0)
		from := len(buf) - 1
		buf = protowire.AppendString(append(buf, 1<<3|byte(protowire.BytesType)), e.Key)
		out, ok := m.value.appendOne(buf, unsafe.Pointer(&e.Value))
		if !ok || !validText(e.Key) {
			return out, false
		}
		buf = withLength(out, from)
	}
	return buf, true
}

// entry reads an entry of a map, its key and then its value, as everybody writes them; value is
// what stands behind the value's tag.
func (m *member) entry(src []byte) (key string, value []byte, n int) {
	b, n := sized(src)
	if n < 0 || len(b) == 0 || b[0] != 1<<3|byte(protowire.BytesType) {
		return "", nil, -1
	}
	name, k := sized(b[1:])
	if k < 0 || !frame.ValidText(name) || len(b) < k+2 || b[1+k] != 2<<3|byte(m.value.wire) {
		return "", nil, -1
	}
	return unsafe.String(unsafe.SliceData(name), len(name)), b[k+2:], n
}

// stands says that another value of the field comes.
func (m *member) stands(src []byte) bool {
	return len(src) >= len(m.tag) && string(src[:len(m.tag)]) == m.tag
}

// alike is how many values of the field stand behind each other; the tag of the first is
// taken off.
func (m *member) alike(src []byte) int {
	const most = 1024 // a tag alone is smaller than what a map has for it
	for count := 1; ; count++ {
		_, n := sized(src)
		if n < 0 || count == most || !m.stands(src[n:]) {
			return count
		}
		src = src[n+len(m.tag):]
	}
}
