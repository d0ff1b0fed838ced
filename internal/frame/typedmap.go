package frame

import (
	"reflect"
	"sync"
	"unsafe"
)

// RegisterMap lets maps from strings to V be read and written without reflection, in
// what is compiled from then on. Generated mains register the element types of the
// maps that their functions take and give; the result is the same without.
func RegisterMap[V any]() {
	typedMaps.Store(reflect.TypeFor[V](), typedMap(&mapOf[V]{}))
}

var typedMaps sync.Map // reflect.Type of the element -> typedMap

// typedMap reads and writes the maps of one element type. p is where the map is; its
// key may be any string type, and the map itself a named one.
type typedMap interface {
	// The reader comes and goes by value: it would escape to the heap.
	read(d *decType, r reader, n int, p unsafe.Pointer) (reader, error)
	write(e *memType, buf []byte, p unsafe.Pointer, depth int) ([]byte, error)
	// print is memType.print; false: not by this way.
	print(e *memType, dst []byte, p unsafe.Pointer, depth int) ([]byte, bool, error)
}

// typedMapOf is nil where nothing is registered.
func typedMapOf(elem reflect.Type) typedMap {
	t, _ := typedMaps.Load(elem)
	m, _ := t.(typedMap)
	return m
}

type mapOf[V any] struct {
	spare sync.Pool // of *mapEntries[V]
}

// mapEntries is room for the entries of one map: the elements of a map have no address.
type mapEntries[V any] struct {
	keys   []entry[int] // with the index of the value
	values []V
}

func (t *mapOf[V]) read(d *decType, r reader, n int, p unsafe.Pointer) (reader, error) {
	m := make(map[string]V, n)
	*(*map[string]V)(p) = m
	v := new(V)
	for i := range n {
		var key string
		if !r.text(&key) {
			return r, errShort()
		}
		if i > 0 {
			var zero V
			*v = zero // the map has its copy of the last one
		}
		if err := d.elem.value(&r, unsafe.Pointer(v)); err != nil {
			return r, inMember(err, key)
		}
		m[key] = *v
	}
	return r, nil
}

func (t *mapOf[V]) write(e *memType, buf []byte, p unsafe.Pointer, depth int) ([]byte, error) {
	m := *(*map[string]V)(p)
	buf = le.AppendUint32(buf, uint32(len(m)))
	if len(m) == 0 {
		return buf, nil
	}
	s := t.entries(m)
	var err error
	plain := e.elem.op == memStruct && !e.elem.ptr && depth < maxDepth // the most frequent one
	for _, k := range s.keys {
		buf = appendText(buf, k.key)
		if plain {
			buf, err = e.elem.structure(buf, unsafe.Pointer(&s.values[k.value]), depth+1)
		} else {
			buf, err = e.elem.value(buf, unsafe.Pointer(&s.values[k.value]), depth)
		}
		if err != nil {
			err = inMember(err, k.key)
			break
		}
	}
	t.done(s)
	return buf, err
}

func (t *mapOf[V]) print(e *memType, dst []byte, p unsafe.Pointer, depth int) ([]byte, bool, error) {
	m := *(*map[string]V)(p)
	if !printable(m) {
		return dst, false, nil
	}
	if depth++; depth > maxDepth {
		return dst, true, errDepth()
	}
	s := t.entries(m)
	var err error
	dst = append(dst, '{')
	for i, k := range s.keys {
		if dst, err = e.elem.print(entryKey(dst, k.key, i), unsafe.Pointer(&s.values[k.value]), depth, true); err != nil {
			err = inMember(err, k.key)
			break
		}
	}
	t.done(s)
	return append(dst, '}'), true, err
}

// entries lists a map by key.
func (t *mapOf[V]) entries(m map[string]V) *mapEntries[V] {
	s, ok := t.spare.Get().(*mapEntries[V])
	if !ok {
		s = new(mapEntries[V])
	}
	for key, v := range m {
		s.keys = append(s.keys, entry[int]{key, len(s.values)})
		s.values = append(s.values, v)
	}
	sortEntries(s.keys)
	return s
}

// done keeps the room for the next map, and nothing of this one.
func (t *mapOf[V]) done(s *mapEntries[V]) {
	if len(s.keys) > keepEntries {
		return
	}
	clear(s.keys)
	clear(s.values)
	s.keys, s.values = s.keys[:0], s.values[:0]
	t.spare.Put(s)
}

// keepEntries is the largest number of entries that room is kept for.
const keepEntries = 1024
