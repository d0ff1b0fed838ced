package frame

import (
	"reflect"
	"sync"
	"unsafe"

	"github.com/tinylib/msgp/msgp"
)

// RegisterMap lets maps from strings to V be read and written without reflection, in
// what is compiled from then on. Generated mains register the element types of the
// maps that their functions take and give; the result is the same without.
func RegisterMap[V any]() {
	typedMaps.Store(reflect.TypeFor[V](), typedMap(&mapOf[V]{}))
}

var typedMaps sync.Map // reflect.Type of the element -> typedMap

// isMap says that a map of type t may be used as a map[string]V where it lies. A named type
// of maps may: what can be converted to each other has one representation, says Go. Maps of
// which the keys or elements have types of their own can not be, though these are texts and
// numbers all the same, and nothing says what they look like in memory.
func isMap[V any](t reflect.Type) bool { return t.ConvertibleTo(reflect.TypeFor[map[string]V]()) }

// typedMap reads and writes the maps of one element type. p is where the map is, which may
// have a named type.
type typedMap interface {
	is(t reflect.Type) bool
	// The reader comes and goes by value: it would escape to the heap.
	read(d *decType, r reader, n int, p unsafe.Pointer) (reader, error)
	write(e *memType, buf []byte, p unsafe.Pointer, depth int) ([]byte, error)
	// print is memType.print; false: not by this way.
	print(e *memType, dst []byte, p unsafe.Pointer, depth int) ([]byte, bool, error)
	// pack is memType.pack, likewise.
	pack(e *memType, dst []byte, p unsafe.Pointer, depth int) ([]byte, bool, error)
	// parse reads the entries of a JSON object, unpack the n of a MessagePack map.
	parse(ps *parser, e *memType, p unsafe.Pointer, more bool) error
	unpack(u unpacker, e *memType, p unsafe.Pointer, n int) error
}

// typedMapOf is nil where nothing is registered that is for maps of this type.
func typedMapOf(t reflect.Type) typedMap {
	found, _ := typedMaps.Load(t.Elem())
	m, _ := found.(typedMap)
	if m == nil || !m.is(t) {
		return nil
	}
	return m
}

type mapOf[V any] struct {
	spare sync.Pool // of *mapEntries[V]
}

// mapEntries is room for the entries of one map: the elements of a map have no address.
type mapEntries[V any] struct {
	keys   []Entry[int] // with the index of the value
	values []V
}

func (*mapOf[V]) is(t reflect.Type) bool { return isMap[V](t) }

func (t *mapOf[V]) read(d *decType, r reader, n int, p unsafe.Pointer) (reader, error) {
	m := make(map[string]V, n)
	*(*map[string]V)(p) = m
	r.texts.expect(n)
	v := new(V)
	var zero V
	e := d.elem
	plain := e.op == decStruct && !e.ptr && !e.nullable && r.depth < maxDepth // the most frequent one
	for range n {
		var key string
		if !r.text(&key) {
			return r, errShort()
		}
		var err error
		if plain {
			r.depth++
			err = e.structure(&r, unsafe.Pointer(v))
			r.depth--
		} else {
			err = e.value(&r, unsafe.Pointer(v))
		}
		if err != nil {
			return r, inMember(err, key)
		}
		m[key] = *v
		*v = zero // the map has its copy
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
		buf = appendText(buf, k.Key)
		if plain {
			buf, err = e.elem.structure(buf, unsafe.Pointer(&s.values[k.Value]), depth+1)
		} else {
			buf, err = e.elem.value(buf, unsafe.Pointer(&s.values[k.Value]), depth)
		}
		if err != nil {
			err = inMember(err, k.Key)
			break
		}
	}
	t.done(s)
	return buf, err
}

func (t *mapOf[V]) print(e *memType, dst []byte, p unsafe.Pointer, depth int) ([]byte, bool, error) {
	if depth++; depth > maxDepth {
		return dst, true, errDepth()
	}
	s := t.entries(*(*map[string]V)(p))
	if !printable(s.keys) {
		t.done(s)
		return dst, false, nil
	}
	var err error
	dst = append(dst, '{')
	for i, k := range s.keys {
		if dst, err = e.elem.print(entryKey(dst, k.Key, i), unsafe.Pointer(&s.values[k.Value]), depth, true); err != nil {
			err = inMember(err, k.Key)
			break
		}
	}
	t.done(s)
	return append(dst, '}'), true, err
}

func (t *mapOf[V]) pack(e *memType, dst []byte, p unsafe.Pointer, depth int) ([]byte, bool, error) {
	if depth++; depth > maxDepth {
		return dst, true, errDepth()
	}
	s := t.entries(*(*map[string]V)(p))
	if !printable(s.keys) {
		t.done(s)
		return dst, false, nil
	}
	var err error
	dst = msgp.AppendMapHeader(dst, uint32(len(s.keys)))
	for _, k := range s.keys {
		if dst, err = e.elem.pack(packName(dst, k.Key), unsafe.Pointer(&s.values[k.Value]), depth, true); err != nil {
			err = inMember(err, k.Key)
			break
		}
	}
	t.done(s)
	return dst, true, err
}

// parse reads the entries first, so that the map is made in its size.
func (t *mapOf[V]) parse(ps *parser, e *memType, p unsafe.Pointer, more bool) error {
	s := t.room()
	whole, err := s.parse(ps, e, more)
	err = s.into((*map[string]V)(p), whole, err, ps.strict)
	t.done(s)
	return err
}

// parse tells how many entries are whole.
func (s *mapEntries[V]) parse(ps *parser, e *memType, more bool) (whole int, err error) {
	for ; more; whole++ {
		key, err := ps.goName()
		if err != nil {
			return whole, err
		}
		if err = ps.goValue(e.elem, s.next(key)); err != nil {
			return whole, inMember(err, key)
		}
		if more, err = ps.more('}'); err != nil {
			return whole + 1, err
		}
	}
	return whole, nil
}

func (t *mapOf[V]) unpack(u unpacker, e *memType, p unsafe.Pointer, n int) error {
	s := t.room()
	whole, err := s.unpack(u, e, n)
	err = s.into((*map[string]V)(p), whole, err, u.strict)
	t.done(s)
	return err
}

func (s *mapEntries[V]) unpack(u unpacker, e *memType, n int) (whole int, err error) {
	for i := range n {
		key, err := u.goName()
		if err != nil {
			return i, err
		}
		if err = u.goValue(e.elem, s.next(key)); err != nil {
			return i, inMember(err, key)
		}
	}
	return n, nil
}

// next is the room for the value of another entry; until the next call.
func (s *mapEntries[V]) next(key string) unsafe.Pointer {
	i := len(s.values)
	s.keys = append(s.keys, Entry[int]{key, i})
	s.values = append(s.values, *new(V))
	return unsafe.Pointer(&s.values[i])
}

// into makes the map of the entries; of several with one key the last counts, or the first
// of them is what is wrong, unless something before it is: err came behind those that are
// whole.
func (s *mapEntries[V]) into(p *map[string]V, whole int, err error, strict bool) error {
	if err != nil && !strict {
		return err
	}
	m := make(map[string]V, whole)
	*p = m
	for i := range s.keys[:whole] {
		m[s.keys[i].Key] = s.values[i]
		if strict && len(m) <= i {
			return inMember(errorf("member comes twice"), s.keys[i].Key)
		}
	}
	return err
}

func (t *mapOf[V]) room() *mapEntries[V] {
	s, ok := t.spare.Get().(*mapEntries[V])
	if !ok {
		s = new(mapEntries[V])
	}
	return s
}

// entries lists a map by key.
func (t *mapOf[V]) entries(m map[string]V) *mapEntries[V] {
	s := t.room()
	for key, v := range m {
		s.keys = append(s.keys, Entry[int]{key, len(s.values)})
		s.values = append(s.values, v)
	}
	SortEntries(s.keys)
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
