package frame

import (
	"encoding/binary"
	"encoding/json/jsontext"
	"errors"
	"fmt"
	"math"
	"reflect"
	"slices"
	"sync"
	"time"
	"unicode/utf8"
	"unsafe"
)

// Encoder writes values of one Go type as frames. It is compiled once per type and
// reads the values by their offsets in memory.
type Encoder struct {
	typ    reflect.Type
	layout *Layout
	root   *memType
}

// NewEncoder compiles the encoder of t.
func NewEncoder(t reflect.Type) (*Encoder, error) {
	return newEncoder(t, &anyEncoders{})
}

func newEncoder(t reflect.Type, anys *anyEncoders) (*Encoder, error) {
	layout, err := Of(t)
	if err != nil {
		return nil, err
	}
	c := memCompiler{anys: anys, done: map[memKey]*memType{}}
	root, err := c.compile(t, layout.root)
	if err != nil {
		return nil, err
	}
	return &Encoder{typ: t, layout: layout, root: root}, nil
}

// Layout is the layout of what the encoder writes.
func (e *Encoder) Layout() *Layout { return e.layout }

// Append appends the frame of the value at p. On an error buf comes back as it was.
//
// # Errors
//
// An *Error with the path: a value inside any that has no form, a time outside of the
// years 0 to 9999, text in a jsontext.Value that is no JSON, a cycle.
func (e *Encoder) Append(buf []byte, p unsafe.Pointer) ([]byte, error) {
	out, err := e.root.value(buf, p, 0)
	if err != nil {
		return buf, err
	}
	if len(out)-len(buf) > math.MaxUint32 {
		return buf, errorf("larger than 4 GiB")
	}
	return out, nil
}

// AppendColumn appends the column of the n values that follow each other from base.
// A value that can not be written is reported to fail and is not in the column: the
// column has fewer elements then.
func (e *Encoder) AppendColumn(buf []byte, base unsafe.Pointer, n int, fail func(i int, err error)) ([]byte, error) {
	w := beginColumn(buf, n)
	for i := 0; i < n; {
		i = e.appendSome(&w, base, i, n, fail)
	}
	out, err := w.finish()
	if err != nil {
		return buf, err
	}
	return out, nil
}

// appendSome appends the values from i to n, or up to one at which a method of the user
// panics: one deferred call serves all of them. It returns the first that is left.
func (e *Encoder) appendSome(w *columnWriter, base unsafe.Pointer, i, n int, fail func(i int, err error)) (next int) {
	mark, whole := 0, false
	defer func() {
		if whole {
			return
		}
		w.buf = w.buf[:mark]
		fail(i, panicked(e.typ.String()+", or of what is in it", recover()))
		next = i + 1
	}()
	for ; i < n; i++ {
		mark = len(w.buf)
		out, err := e.root.value(w.buf, unsafe.Add(base, uintptr(i)*e.root.width), 0)
		if err != nil {
			w.buf = w.buf[:mark]
			fail(i, err)
			continue
		}
		w.buf = out
		w.end()
	}
	whole = true
	return n
}

// zeroOf tells the zero values of a type, as omitzero means it.
func zeroOf(t reflect.Type) func(p unsafe.Pointer) bool {
	switch {
	case t == timeType:
		return func(p unsafe.Pointer) bool { return (*time.Time)(p).IsZero() }
	case t == reflect.PointerTo(timeType):
		return func(p unsafe.Pointer) bool { q := *(**time.Time)(p); return q == nil || q.IsZero() }
	}
	switch t.Kind() {
	case reflect.String:
		return func(p unsafe.Pointer) bool { return *(*string)(p) == "" }
	case reflect.Bool, reflect.Int8, reflect.Uint8:
		return func(p unsafe.Pointer) bool { return *(*uint8)(p) == 0 }
	case reflect.Int64, reflect.Uint64, reflect.Int, reflect.Uint:
		return func(p unsafe.Pointer) bool { return *(*uint64)(p) == 0 }
	case reflect.Float64:
		return func(p unsafe.Pointer) bool { return *(*float64)(p) == 0 } // -0, too, as json/v2 has it
	case reflect.Slice, reflect.Map, reflect.Pointer, reflect.Interface:
		return func(p unsafe.Pointer) bool { return *(*unsafe.Pointer)(p) == nil }
	}
	return func(p unsafe.Pointer) bool { return reflect.NewAt(t, p).Elem().IsZero() }
}

var le = binary.LittleEndian

// value writes the value at p, with its presence byte if it can be null.
func (e *memType) value(buf []byte, p unsafe.Pointer, depth int) ([]byte, error) {
	if e.ptr {
		p = *(*unsafe.Pointer)(p)
		if p == nil {
			return append(buf, null), nil
		}
		buf = append(buf, present)
	}
	return e.bare(buf, p, depth)
}

// bare writes the value at p without a presence byte; p is behind the pointer.
func (e *memType) bare(buf []byte, p unsafe.Pointer, depth int) ([]byte, error) {
	switch e.op {
	case memBool:
		return append(buf, *(*byte)(p)), nil
	case memInt8:
		return le.AppendUint64(buf, uint64(*(*int8)(p))), nil
	case memInt16:
		return le.AppendUint64(buf, uint64(*(*int16)(p))), nil
	case memInt32:
		return le.AppendUint64(buf, uint64(*(*int32)(p))), nil
	case memInt64, memUint64:
		return le.AppendUint64(buf, *(*uint64)(p)), nil
	case memUint8:
		return le.AppendUint64(buf, uint64(*(*uint8)(p))), nil
	case memUint16:
		return le.AppendUint64(buf, uint64(*(*uint16)(p))), nil
	case memUint32:
		return le.AppendUint64(buf, uint64(*(*uint32)(p))), nil
	case memFloat32:
		return le.AppendUint64(buf, math.Float64bits(float64(*(*float32)(p)))), nil
	case memFloat64:
		return le.AppendUint64(buf, *(*uint64)(p)), nil
	case memString:
		return appendText(buf, *(*string)(p)), nil
	case memBytes:
		return appendBlob(buf, *(*[]byte)(p)), nil
	case memTime:
		return appendTime(buf, *(*time.Time)(p))
	case memDuration:
		return le.AppendUint64(buf, uint64(*(*time.Duration)(p)/time.Microsecond)), nil
	case memAny:
		return e.anys.append(buf, *(*any)(p), depth)
	case memRaw:
		return e.anys.appendRaw(buf, *(*jsontext.Value)(p), depth)
	}
	if e.op >= memConst {
		return e.rare(buf, p, depth) // no level of its own
	}
	if depth++; depth > maxDepth {
		return buf, errDepth()
	}
	switch e.op {
	case memList:
		return e.list(buf, p, depth)
	case memMapString:
		return appendStrings(buf, *(*map[string]string)(p)), nil
	case memMapInt64:
		m := *(*map[string]int64)(p)
		buf = le.AppendUint32(buf, uint32(len(m)))
		var few [8]Entry[int64]
		for _, kv := range Sorted(m, &few) {
			buf = appendText(buf, kv.Key)
			buf = le.AppendUint64(buf, uint64(kv.Value))
		}
		return buf, nil
	case memMapFloat64:
		m := *(*map[string]float64)(p)
		buf = le.AppendUint32(buf, uint32(len(m)))
		var few [8]Entry[float64]
		for _, kv := range Sorted(m, &few) {
			buf = appendText(buf, kv.Key)
			buf = le.AppendUint64(buf, math.Float64bits(kv.Value))
		}
		return buf, nil
	case memMapAny:
		return e.anys.appendMap(buf, *(*map[string]any)(p), depth)
	case memMap:
		if e.typed != nil {
			return e.typed.write(e, buf, p, depth)
		}
		return e.reflectMap(buf, p, depth)
	case memTuple:
		return e.tuple(buf, p, depth)
	}
	return e.structure(buf, p, depth)
}

func appendStrings(buf []byte, m map[string]string) []byte {
	buf = le.AppendUint32(buf, uint32(len(m)))
	switch {
	case len(m) == 0:
		return buf
	case len(m) <= 8:
		var few [8]Entry[string]
		return appendEntries(buf, Sorted(m, &few))
	case len(m) <= 40:
		return appendSome(buf, m)
	}
	return appendEntries(buf, SortedMany(m, nil))
}

// appendSome keeps its large frame on the stack away from the small maps.
func appendSome(buf []byte, m map[string]string) []byte {
	var some [40]Entry[string]
	return appendEntries(buf, SortedMany(m, some[:0]))
}

func appendEntries(buf []byte, list []Entry[string]) []byte {
	at := len(buf)
	for i := range list {
		buf = appendString(buf, list[i].Key)
		buf = appendString(buf, list[i].Value)
	}
	if ascii(buf[at:]) { // lengths below 128 are ASCII too
		return buf
	}
	buf = buf[:at]
	for i := range list {
		buf = appendText(buf, list[i].Key)
		buf = appendText(buf, list[i].Value)
	}
	return buf
}

func ascii(b []byte) bool {
	var high uint64
	for len(b) >= 8 {
		high |= le.Uint64(b)
		b = b[8:]
	}
	for _, c := range b {
		high |= uint64(c)
	}
	return high&each80 == 0
}

func (e *memType) structure(buf []byte, p unsafe.Pointer, depth int) ([]byte, error) {
	var err error
	for i := range e.fields {
		f := &e.fields[i]
		q := unsafe.Add(p, f.offset)
		if !f.presence {
			switch f.op {
			case memInt64, memUint64, memFloat64:
				buf = le.AppendUint64(buf, *(*uint64)(q))
				continue
			case memBool:
				buf = append(buf, *(*byte)(q))
				continue
			case memAny:
				if buf, err = e.anys.append(buf, *(*any)(q), depth); err != nil {
					return buf, inMember(err, f.name)
				}
				continue
			case memString:
				buf = appendText(buf, *(*string)(q))
				continue
			case memMapString:
				buf = appendStrings(buf, *(*map[string]string)(q))
				continue
			}
			if buf, err = f.typ.bare(buf, q, depth); err != nil {
				return buf, inMember(err, f.name)
			}
			continue
		}
		if f.pick != nil {
			if q = f.pick.at(q); q == nil {
				buf = append(buf, absent)
				continue
			}
		}
		if f.zero != nil && f.zero(q) {
			buf = append(buf, absent)
			continue
		}
		if f.opt {
			switch *(*uint8)(unsafe.Add(q, f.state)) {
			case optAbsent:
				buf = append(buf, absent)
				continue
			case optNull:
				buf = append(buf, null)
				continue
			}
		}
		if f.typ.ptr {
			if q = *(*unsafe.Pointer)(q); q == nil {
				state := byte(null)
				if f.omit&omitEmpty != 0 {
					state = absent
				}
				buf = append(buf, state)
				continue
			}
		}
		mark := len(buf)
		buf = append(buf, present)
		if f.op == memBool && !f.typ.ptr && f.omit&omitEmpty == 0 {
			buf = append(buf, *(*byte)(q))
			continue
		}
		if buf, err = f.typ.bare(buf, q, depth); err != nil {
			return buf, inMember(err, f.name)
		}
		if f.omit&omitEmpty != 0 && f.typ.node.empty(buf[mark+1:]) || f.zero != nil && f.typ.op == memStruct && !f.typ.ptr && f.typ.node.zero(buf[mark+1:]) {
			buf = append(buf[:mark], absent)
		}
	}
	if e.extra != nil {
		q := unsafe.Add(p, e.extra.offset)
		if !e.extra.raw {
			return e.anys.appendMap(buf, *(*map[string]any)(q), depth)
		}
		return e.anys.appendRawMembers(buf, *(*jsontext.Value)(q), depth)
	}
	return buf, nil
}

// empty says that JSON of the value, which is all of b, is null, "", {} or [].
func (n *node) empty(b []byte) bool {
	switch n.kind {
	case kString, kBytes, kList, kMap:
		return le.Uint32(b) == 0
	case kConst:
		return n.konst.base.empty(b)
	case kUnion:
		return n.elems[b[0]].empty(b[1:])
	case kAny:
		switch tag(b[0]) {
		case tagNull:
			return true
		case tagString, tagBytes, tagList, tagMap:
			return le.Uint32(b[1:]) == 0
		}
	case kStruct:
		// Each absent member is one byte, each other one more; so the length alone rules
		// out nearly everything.
		members := b
		if n.extra {
			members = b[:len(b)-4]
			if le.Uint32(b[len(b)-4:]) != 0 {
				return false
			}
		}
		if len(members) != len(n.fields) {
			return false
		}
		for i, state := range members {
			if state != absent || !n.fields[i].optional {
				return false
			}
		}
		return true
	}
	return false
}

type sliceHeader struct {
	data unsafe.Pointer
	len  int
	cap  int
}

// newList makes a slice of type t at p, with room for n elements and of no length. It grows
// a nil one in place: reflect.MakeSlice would have its header on the heap, too.
func newList(t reflect.Type, p unsafe.Pointer, n int) *sliceHeader {
	h := (*sliceHeader)(p)
	*h = sliceHeader{}
	if n == 0 {
		h.data = reflect.MakeSlice(t, 0, 0).UnsafePointer() // empty is not nil
		return h
	}
	reflect.NewAt(t, p).Elem().Grow(n)
	h.cap = n
	return h
}

func (e *memType) list(buf []byte, p unsafe.Pointer, depth int) ([]byte, error) {
	h := (*sliceHeader)(p)
	buf = le.AppendUint32(buf, uint32(h.len))
	switch {
	case e.elem.ptr:
	case e.elem.op == memString:
		for _, s := range *(*[]string)(p) {
			buf = appendText(buf, s)
		}
		return buf, nil
	case e.elem.op == memInt64 || e.elem.op == memUint64 || e.elem.op == memFloat64:
		for _, v := range *(*[]uint64)(p) {
			buf = le.AppendUint64(buf, v)
		}
		return buf, nil
	}
	var err error
	for i := range h.len {
		if buf, err = e.elem.value(buf, unsafe.Add(h.data, uintptr(i)*e.elem.width), depth); err != nil {
			return buf, inElement(err, i)
		}
	}
	return buf, nil
}

// mapSpare is room for the entries of one map.
type mapSpare struct {
	keys   []Entry[int]
	values reflect.Value // a slice of the map's elements
	key    reflect.Value
}

func (e *memType) reflectMap(buf []byte, p unsafe.Pointer, depth int) ([]byte, error) {
	buf = le.AppendUint32(buf, uint32(reflect.NewAt(e.rtype, p).Elem().Len()))
	err := e.entries(p, nil, func(_ int, key string, q unsafe.Pointer) (err error) {
		buf, err = e.elem.value(appendText(buf, key), q, depth)
		return err
	})
	return buf, err
}

// entries visits those of a map by key; with none where not all of the keys are as wanted.
func (e *memType) entries(p unsafe.Pointer, wanted func(key string) bool, visit func(i int, key string, q unsafe.Pointer) error) error {
	m := reflect.NewAt(e.rtype, p).Elem()
	n := m.Len()
	if n == 0 {
		return nil
	}
	// The values are copied out once, so that they have an address; into room that the
	// next map of the type uses again.
	s, ok := e.spare.Get().(*mapSpare)
	if !ok {
		s = &mapSpare{key: reflect.New(e.rtype.Key()).Elem()}
	}
	if !s.values.IsValid() || s.values.Len() < n {
		s.values = reflect.MakeSlice(reflect.SliceOf(e.rtype.Elem()), n, n)
	}
	used := s.values.Slice(0, n)
	defer func() {
		used.Clear()
		clear(s.keys)
		s.key.SetZero()
		if n <= keepEntries {
			e.spare.Put(s)
		}
	}()
	s.keys = s.keys[:0]
	for it, i := m.MapRange(), 0; it.Next() && i < n; i++ {
		s.key.SetIterKey(it)
		s.keys = append(s.keys, Entry[int]{keyText(s.key), i})
		used.Index(i).SetIterValue(it)
	}
	if wanted != nil && slices.ContainsFunc(s.keys, func(k Entry[int]) bool { return !wanted(k.Key) }) {
		return errKeys
	}
	SortEntries(s.keys)
	base := used.UnsafePointer()
	for i, k := range s.keys {
		if err := visit(i, k.Key, unsafe.Add(base, uintptr(k.Value)*e.elem.width)); err != nil {
			return inMember(err, k.Key)
		}
	}
	return nil
}

// errKeys says that a map has keys which are not written as they are.
var errKeys = errors.New("keys")

// appendText writes a string. A byte that is no UTF-8 becomes U+FFFD, as in JSON.
func appendText(buf []byte, s string) []byte {
	n, at := len(s), len(buf)
	if cap(buf)-at < n+4 {
		buf = slices.Grow(buf, n+4)
	}
	buf = buf[:at+4+n]
	le.PutUint32(buf[at:], uint32(n))
	// Most strings are short and ASCII: copied and looked at in one go, the last word
	// overlapping the one before.
	src, dst := asBytes(s), buf[at+4:]
	var high uint64
	switch {
	case n > 64:
		copy(dst, src)
		if utf8.Valid(src) {
			return buf
		}
		high = each80
	case n >= 8:
		for i := 0; i < n-8; i += 8 {
			x := le.Uint64(src[i:])
			le.PutUint64(dst[i:], x)
			high |= x
		}
		x := le.Uint64(src[n-8:])
		le.PutUint64(dst[n-8:], x)
		high |= x
	case n >= 4:
		x, y := le.Uint32(src), le.Uint32(src[n-4:])
		le.PutUint32(dst, x)
		le.PutUint32(dst[n-4:], y)
		high = uint64(x | y)
	default:
		for i, c := range src {
			dst[i] = c
			high |= uint64(c)
		}
	}
	if high&each80 != 0 && !utf8.Valid(src) {
		return appendString(buf[:at], string([]rune(s)))
	}
	return buf
}

func appendBlob(buf []byte, b []byte) []byte {
	buf = le.AppendUint32(buf, uint32(len(b)))
	return append(buf, b...)
}

// The years that RFC 3339 can say, in seconds since 1970.
const (
	minSecond = -62167219200
	maxSecond = 253402300799
)

func appendTime(buf []byte, t time.Time) ([]byte, error) {
	if s := t.Unix(); s < minSecond || s > maxSecond {
		return buf, errorf("expected a time in the years 0 to 9999, got year %d", t.Year())
	}
	return le.AppendUint64(buf, uint64(t.UnixMicro())), nil
}

// anyEncoders are the encoders of the types that were met inside any.
type anyEncoders struct {
	byType  sync.Map // reflect.Type -> *Encoder, or error
	parsers pool     // of text in a jsontext.Value
}

func (a *anyEncoders) of(t reflect.Type) (*Encoder, error) {
	v, ok := a.byType.Load(t)
	if !ok {
		enc, err := newEncoder(t, a)
		if err != nil {
			v = fmt.Errorf("a value inside any: %w", err)
		} else {
			v = enc
		}
		a.byType.Store(t, v)
	}
	if err, ok := v.(error); ok {
		return nil, &Error{text: err.Error()}
	}
	return v.(*Encoder), nil
}
