package protobuf

import (
	"cmp"
	"encoding/binary"
	"reflect"
	"slices"
	"strings"
	"sync"
	"unicode/utf8"
	"unsafe"

	"google.golang.org/protobuf/encoding/protowire"
	"google.golang.org/protobuf/reflect/protoreflect"
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
		return &messagesByName{typ: t, some: reflect.SliceOf(t.Elem().Elem())}
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

type pair[V any] struct {
	key   string
	word  uint64 // of the key, see arrange
	value V
}

// fewPairs have room where the caller has it.
const fewPairs = 24

// valuesByName are maps of numbers or texts.
type valuesByName[V any] struct{}

func (valuesByName[V]) append(m *member, buf []byte, at unsafe.Pointer) ([]byte, bool) {
	var room [fewPairs]pair[V]
	all := room[:0]
	for k, v := range *(*map[string]V)(at) {
		all = append(all, pair[V]{k, 0, v})
	}
	if m.value.kind == protoreflect.FloatKind {
		for i := range all {
			quieten(unsafe.Pointer(&all[i].value))
		}
	}
	return appendPairs(m, buf, all)
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
	return m.eachEntry(src, func(key string, value []byte) bool {
		var v V
		if m.value.readOne(value, unsafe.Pointer(&v)) != len(value) {
			return false
		}
		if m.value.kind == protoreflect.FloatKind {
			quieten(unsafe.Pointer(&v))
		}
		all[key] = v
		return true
	})
}

// messagesByName are maps of messages. Who wrote the codec does not know their type.
type messagesByName struct {
	typ   reflect.Type
	some  reflect.Type // a slice of messages
	spare sync.Pool    // of *reading
}

// reading is what it takes to go through a map.
type reading struct {
	iter  reflect.MapIter
	key   reflect.Value
	order []pair[unsafe.Pointer]
}

func (p *messagesByName) append(m *member, buf []byte, at unsafe.Pointer) ([]byte, bool) {
	all := reflect.NewAt(p.typ, at).Elem()
	if all.Len() == 0 {
		return buf, true
	}
	r, ok := p.spare.Get().(*reading)
	if !ok {
		r = &reading{key: reflect.New(p.typ.Key()).Elem()}
	}
	r.iter.Reset(all)
	for r.iter.Next() {
		r.key.SetIterKey(&r.iter)
		r.order = append(r.order, pair[unsafe.Pointer]{r.key.String(), 0, r.iter.Value().UnsafePointer()})
	}
	buf, ok = appendPairs(m, buf, r.order)
	// Nothing of the map is kept, nor room for a rare large one.
	if len(r.order) <= 1024 {
		r.iter.Reset(reflect.Value{})
		r.key.SetZero()
		clear(r.order)
		r.order = r.order[:0]
		p.spare.Put(r)
	}
	return buf, ok
}

func (p *messagesByName) read(m *member, src []byte, at unsafe.Pointer) int {
	all, left := reflect.NewAt(p.typ, at).Elem(), m.alike(src)
	if all.IsNil() {
		all.Set(reflect.MakeMapWithSize(p.typ, left))
	}
	name := reflect.New(p.typ.Key()).Elem()
	// Messages that stand beside each other lie beside each other: their texts do so anyway.
	var some reflect.Value
	next := 0
	return m.eachEntry(src, func(key string, value []byte) bool {
		message, n := protowire.ConsumeBytes(value)
		if n != len(value) {
			return false
		}
		if next == 0 {
			next = max(1, min(left, 16))
			some = reflect.MakeSlice(p.some, next, next)
			left -= next
		}
		next--
		v := some.Index(next).Addr()
		if !m.value.elem.read(message, v.UnsafePointer()) {
			return false
		}
		name.SetString(key)
		all.SetMapIndex(name, v)
		return true
	})
}

// appendPairs writes entries in the order of their keys.
func appendPairs[V any](m *member, buf []byte, all []pair[V]) ([]byte, bool) {
	arrange(all)
	for i := range all {
		e := &all[i]
		buf = append(protowire.AppendTag(buf, m.num, protowire.BytesType), 0)
		from := len(buf) - 1
		buf = protowire.AppendString(append(buf, 1<<3|byte(protowire.BytesType)), e.key)
		out, ok := m.value.appendOne(buf, unsafe.Pointer(&e.value))
		if !ok || !utf8.ValidString(e.key) {
			return out, false
		}
		buf = withLength(out, from)
	}
	return buf, true
}

// arrange sorts by key. Keys of one map often begin alike: what comes behind that tells
// most of them apart in one word.
func arrange[V any](all []pair[V]) {
	if len(all) < 2 {
		return
	}
	alike := all[0].key
	for i := range all {
		n := min(len(alike), len(all[i].key))
		for alike[:n] != all[i].key[:n] {
			n--
		}
		alike = alike[:n]
	}
	for i := range all {
		var first [8]byte
		copy(first[:], all[i].key[len(alike):])
		all[i].word = binary.BigEndian.Uint64(first[:])
	}
	if len(all) > fewPairs {
		slices.SortFunc(all, func(a, b pair[V]) int { return cmp.Or(cmp.Compare(a.word, b.word), strings.Compare(a.key, b.key)) })
		return
	}
	for i := range all {
		e, j := all[i], i
		for ; j > 0 && (e.word < all[j-1].word || e.word == all[j-1].word && e.key < all[j-1].key); j-- {
			all[j] = all[j-1]
		}
		all[j] = e
	}
}

// eachEntry goes over the entries of a map that stand behind each other, each its key and
// then its value, as everybody writes them; value gets what stands behind the value's tag.
func (m *member) eachEntry(src []byte, entry func(key string, value []byte) bool) int {
	var room [10]byte
	tag := protowire.AppendTag(room[:0], m.num, m.wire)
	for total := 0; ; {
		b, n := protowire.ConsumeBytes(src)
		if n < 0 || len(b) == 0 || b[0] != 1<<3|byte(protowire.BytesType) {
			return -1
		}
		key, k := protowire.ConsumeBytes(b[1:])
		if k < 0 || !utf8.Valid(key) || len(b) < k+2 || b[1+k] != 2<<3|byte(m.value.wire) {
			return -1
		}
		if !entry(unsafe.String(unsafe.SliceData(key), len(key)), b[k+2:]) {
			return -1
		}
		total += n
		if src = src[n:]; len(src) < len(tag) || string(src[:len(tag)]) != string(tag) {
			return total
		}
		src = src[len(tag):]
		total += len(tag)
	}
}

// alike is how many values of the field stand behind each other; the tag of the first is
// taken off.
func (m *member) alike(src []byte) int {
	var room [10]byte
	tag := protowire.AppendTag(room[:0], m.num, m.wire)
	const most = 1024 // a tag alone is smaller than what a map has for it
	for count := 1; ; count++ {
		_, n := protowire.ConsumeBytes(src)
		if n < 0 || count == most || len(src) < n+len(tag) || string(src[n:n+len(tag)]) != string(tag) {
			return count
		}
		src = src[n+len(tag):]
	}
}
