package frame

import (
	"encoding/json/jsontext"
	"math"
	"reflect"
	"slices"
	"time"
	"unsafe"

	"github.com/tinylib/msgp/msgp"
)

// MsgpackDecoder reads MessagePack straight into values of one Go type: what
// ParseMsgpack and a Decoder do together, without the frame between. Both ways give the
// same values and errors; the tests hold them against each other.
type MsgpackDecoder struct {
	root    *memType
	strict  bool
	marked  bool // unions say which variant they have
	parsers pool
	// Both are nil where the type can be read at once.
	layout *Layout
	dec    *Decoder
}

// NewMsgpackDecoder compiles the decoder into t; strict is what it is in Msgpack.
func NewMsgpackDecoder(t reflect.Type, strict bool) (*MsgpackDecoder, error) {
	enc, err := NewEncoder(t)
	if err != nil {
		return nil, err
	}
	d := &MsgpackDecoder{root: enc.root, strict: strict}
	if !enc.root.unpacks(map[*memType]bool{}) {
		d.layout = enc.layout
		d.dec, err = NewDecoder(enc.layout, t)
	}
	return d, err
}

// unpacks says that values of t are read without a frame. The kinds that are not here go
// by way of one.
func (t *memType) unpacks(seen map[*memType]bool) bool {
	if t == nil || seen[t] {
		return true
	}
	seen[t] = true
	switch t.op {
	case memBool, memInt8, memInt16, memInt32, memInt64, memUint8, memUint16, memUint32, memUint64, memFloat32, memFloat64,
		memString, memBytes, memTime, memList, memMapString, memMapAny, memMapInt64, memMapFloat64, memMap, memStruct, memAny, memRaw, memDuration, memTuple, memConst, memUnion, memOwn:
	default:
		return false
	}
	for i := range t.fields {
		if !t.fields[i].typ.unpacks(seen) {
			return false
		}
	}
	return t.elem.unpacks(seen)
}

// Value reads src into the value at p, which must be the zero value. Nothing of it
// aliases src: its strings share one copy.
//
// # Errors
//
// An *Error with the path. What the value is then is undefined.
func (d *MsgpackDecoder) Value(src []byte, p unsafe.Pointer) error {
	if d.dec != nil {
		value, err := d.layout.parseMsgpack(nil, src, d.strict, d.marked)
		if err != nil {
			return err
		}
		return d.dec.Value(value, p)
	}
	if len(src) == 0 {
		return errEmptyMessage()
	}
	u := unpacker{d.parsers.get()}
	own := make([]byte, len(src))
	copy(own, src)
	u.src, u.strict, u.marked = own, d.strict, d.marked
	err := u.goValue(d.root, p)
	if err == nil {
		err = u.finished()
	}
	d.parsers.keep(u.parser)
	return err
}

func (u unpacker) goValue(t *memType, q unsafe.Pointer) error {
	if t.ptr {
		if u.nil() {
			return nil
		}
		r := reflect.New(t.rtype).UnsafePointer()
		*(*unsafe.Pointer)(q) = r
		q = r
	}
	return u.goBare(t, q)
}

// goText reads a string; it aliases the message.
func (u unpacker) goText() (string, error) {
	s, ok := u.shortText()
	if !ok {
		t, err := u.next()
		if err != nil {
			return "", err
		}
		if t != msgp.StrType {
			return "", u.mismatch("string")
		}
		if s, err = u.str(); err != nil {
			return "", err
		}
	}
	if !ValidText(s) {
		s, err := u.repaired(s)
		return string(s), err
	}
	return asText(s), nil
}

func (u unpacker) goBare(t *memType, q unsafe.Pointer) error {
	switch t.op {
	case memString:
		s, err := u.goText()
		*(*string)(q) = s
		return err
	case memInt64, memUint64, memInt8, memInt16, memInt32, memUint8, memUint16, memUint32:
		v, err := u.integer(t.node.kind)
		if err == nil {
			t.op.store(v, q)
		}
		return err
	case memFloat64:
		v, err := u.float(kFloat64)
		*(*float64)(q) = v
		return err
	case memFloat32:
		v, err := u.float(kFloat32)
		*(*float32)(q) = float32(v)
		return err
	case memBool:
		v, err := u.bool()
		*(*bool)(q) = v
		return err
	case memDuration:
		us, err := u.ticks(t.node)
		if err == nil {
			*(*time.Duration)(q), err = toDuration(us)
		}
		return err
	case memTime:
		if t.node.number() {
			us, err := u.ticks(t.node)
			if err == nil {
				*(*time.Time)(q) = toTime(uint64(us))
			}
			return err
		}
		v, err := u.time()
		if err == nil {
			*(*time.Time)(q) = toTime(v)
		}
		return err
	case memAny:
		v, err := u.goAny()
		*(*any)(q) = v
		return err
	case memRaw:
		return u.goRaw((*jsontext.Value)(q))
	case memUnion:
		return u.goUnion(t, q)
	case memOwn:
		return u.goOwn(t, q)
	case memConst:
		if err := u.goBare(t.elem, q); err != nil {
			return err
		}
		return t.checkConst(q)
	}
	kind, err := u.next()
	if err != nil {
		return err
	}
	switch t.op {
	case memBytes:
		if kind != msgp.BinType {
			if u.nil() {
				*(*[]byte)(q) = []byte{}
				return nil
			}
			return u.mismatch("bytes")
		}
		b, err := u.bin()
		*(*[]byte)(q) = slices.Clip(b)
		return err
	case memStruct:
		if kind != msgp.MapType {
			return u.mismatch("map")
		}
		return u.goObject(t, q)
	case memList:
		if kind != msgp.ArrayType {
			if u.nil() {
				newList(t.rtype, q, 0)
				return nil
			}
			return u.mismatch("array")
		}
		return u.goList(t, q)
	case memTuple:
		if kind != msgp.ArrayType {
			return u.mismatch("array")
		}
		return u.goTuple(t, q)
	}
	if kind != msgp.MapType {
		if u.nil() {
			reflect.NewAt(t.rtype, q).Elem().Set(reflect.MakeMap(t.rtype))
			return nil
		}
		return u.mismatch("map")
	}
	return u.goMap(t, q)
}

func (u unpacker) goObject(t *memType, q unsafe.Pointer) error {
	if err := u.enter(); err != nil {
		return err
	}
	count, err := u.head(true)
	if err != nil {
		return err
	}
	n := t.node
	var seen marks
	var index keyIndex
	extra, begin := len(u.entries), len(u.dst)
	next := 0
	for range count {
		i, known := next, true
		var key []byte
		if next >= len(n.fields) || !u.isNext(t.fields[next].packed) {
			if key, err = u.name(); err != nil {
				return err
			}
			i, known = n.byName[asText(key)]
		}
		switch {
		case known:
			f := &t.fields[i]
			r := unsafe.Add(q, f.offset)
			if seen.has(i) {
				if u.strict {
					return inMember(errorf("member comes twice"), f.name)
				}
				f.clear(r)
			}
			seen.set(i)
			switch {
			case f.presence:
				err = u.goMember(f, r)
			case f.op == memString && !f.typ.ptr:
				*(*string)(r), err = u.goText()
			case (f.op == memInt64 || f.op == memUint64) && !f.typ.ptr:
				*(*uint64)(r), err = u.integer(kind(f.op))
			case f.op == memFloat64 && !f.typ.ptr:
				*(*float64)(r), err = u.float(kFloat64)
			default:
				err = u.goBare(f.typ, r)
			}
			if err == nil && f.holds != nil {
				err = f.holds(r)
			}
			if err != nil {
				return inMember(err, f.name)
			}
			next = i + 1
		case n.extra:
			err = u.entry(key, anyNode, extra, &index)
		default:
			err = u.skip()
		}
		if err != nil {
			return err
		}
	}
	return u.goWhole(t, q, &seen, begin, extra)
}

// goMember reads a member that may be nil or absent.
func (u unpacker) goMember(f *memField, q unsafe.Pointer) error {
	if f.opt {
		if u.nil() {
			setOpt(q, f.state, optNull)
			return nil
		}
		setOpt(q, f.state, optSome)
		return u.goValue(f.typ, q)
	}
	if f.pick != nil {
		return u.goPick(f, q)
	}
	switch f.op {
	case memAny, memRaw:
	case memList, memMap, memMapString, memMapAny, memMapInt64, memMapFloat64, memBytes:
		if u.nil() {
			return nil
		}
	default:
		if f.typ.ptr && u.nil() {
			return nil
		}
	}
	return u.goValue(f.typ, q)
}

func (u unpacker) goRaw(q *jsontext.Value) error {
	if u.nil() {
		return nil
	}
	begin, depth := len(u.dst), u.depth
	t, err := u.next()
	if err == nil {
		err = u.any(t)
	}
	if err != nil {
		return err
	}
	w := writer{reader: reader{b: u.dst[begin:], depth: depth}}
	text, err := w.any(nil)
	*q = text
	u.dst = u.dst[:begin]
	return err
}

// room is how many elements are made at once for a count that a message claims: the count
// is held against its bytes, but an element may be much larger than its byte.
func room(n int, width uintptr) int {
	return min(n, max(16, int(4096/max(width, 1))))
}

func (u unpacker) goList(t *memType, q unsafe.Pointer) error {
	if err := u.enter(); err != nil {
		return err
	}
	n, err := u.head(false)
	if err != nil {
		return err
	}
	some := room(n, t.elem.width)
	switch e := t.elem; {
	case e.op == memString && !e.ptr:
		*(*[]string)(q) = make([]string, 0, some)
	case (e.op == memInt64 || e.op == memUint64 || e.op == memFloat64) && !e.ptr:
		*(*[]uint64)(q) = make([]uint64, 0, some)
	default:
		newList(t.rtype, q, some)
	}
	h := (*sliceHeader)(q)
	for i := range n {
		if h.len == h.cap {
			growSlice(t, q)
		}
		r := unsafe.Add(h.data, uintptr(h.len)*t.elem.width)
		h.len++
		if err := u.goValue(t.elem, r); err != nil {
			return inElement(err, i)
		}
	}
	u.depth--
	return nil
}

func (u unpacker) goTuple(t *memType, q unsafe.Pointer) error {
	if err := u.enter(); err != nil {
		return err
	}
	n, err := u.head(false)
	if err != nil {
		return err
	}
	if n != len(t.node.elems) {
		return errorf("expected %d elements, got %d", len(t.node.elems), n)
	}
	for i := range n {
		if err := u.goValue(t.elem, unsafe.Add(q, uintptr(i)*t.elem.width)); err != nil {
			return inElement(err, i)
		}
	}
	u.depth--
	return nil
}

func (u unpacker) goMap(t *memType, q unsafe.Pointer) error {
	if err := u.enter(); err != nil {
		return err
	}
	n, err := u.head(true)
	if err != nil {
		return err
	}
	switch t.op {
	case memMapString:
		*(*map[string]string)(q), err = u.goStrings(n)
	case memMapInt64:
		*(*map[string]int64)(q), err = unpackMap(u, n, func() (int64, error) {
			v, err := u.integer(kInt64)
			return int64(v), err
		})
	case memMapFloat64:
		*(*map[string]float64)(q), err = unpackMap(u, n, func() (float64, error) { return u.float(kFloat64) })
	case memMapAny:
		*(*map[string]any)(q), err = unpackMap(u, n, u.goAny)
	default:
		err = u.goReflectMap(t, q, n)
	}
	u.depth--
	return err
}

// goName reads the key of an entry.
func (u unpacker) goName() (string, error) {
	if s, ok := u.shortText(); ok && ValidText(s) {
		return asText(s), nil
	} else if ok {
		s, err := u.repaired(s)
		return string(s), err
	}
	key, err := u.name()
	return string(key), err
}

func (u unpacker) goStrings(n int) (map[string]string, error) {
	m := make(map[string]string, room(n, 64))
	for i := range n {
		key, err := u.goName()
		if err != nil {
			return nil, err
		}
		v, err := u.goText()
		if err != nil {
			return nil, inMember(err, key)
		}
		m[key] = v
		if u.strict && len(m) <= i {
			return nil, inMember(errorf("member comes twice"), key)
		}
	}
	return m, nil
}

func unpackMap[V any](u unpacker, n int, value func() (V, error)) (map[string]V, error) {
	m := make(map[string]V, room(n, 64))
	for i := range n {
		key, err := u.goName()
		if err != nil {
			return nil, err
		}
		v, err := value()
		if err != nil {
			return nil, inMember(err, key)
		}
		m[key] = v
		if u.strict && len(m) <= i {
			return nil, inMember(errorf("member comes twice"), key)
		}
	}
	return m, nil
}

func (u unpacker) goReflectMap(t *memType, q unsafe.Pointer, n int) error {
	if t.typed != nil {
		return t.typed.unpack(u, t, q, n)
	}
	m := reflect.MakeMapWithSize(t.rtype, room(n, 64))
	reflect.NewAt(t.rtype, q).Elem().Set(m)
	name, v := reflect.New(t.rtype.Key()).Elem(), reflect.New(t.rtype.Elem())
	for i := range n {
		key, err := u.goName()
		if err != nil {
			return err
		}
		v.Elem().SetZero()
		if err := u.goValue(t.elem, v.UnsafePointer()); err != nil {
			return inMember(err, key)
		}
		if err := setKey(name, key); err != nil {
			return err
		}
		m.SetMapIndex(name, v.Elem())
		if u.strict && m.Len() <= i {
			return inMember(errorf("member comes twice"), key)
		}
	}
	return nil
}

// goAny reads a value without a declared type, as reader.any does.
func (u unpacker) goAny() (any, error) {
	if s, ok := u.shortText(); ok && ValidText(s) {
		return u.boxed(asText(s)), nil
	} else if ok {
		u.pos -= len(s) + 1
	}
	t, err := u.next()
	if err != nil {
		return nil, err
	}
	switch t {
	case msgp.NilType:
		u.pos++
		return nil, nil
	case msgp.BoolType:
		return u.bool()
	case msgp.StrType:
		s, err := u.goText()
		if err != nil {
			return nil, err
		}
		return u.boxed(s), nil
	case msgp.BinType:
		b, err := u.bin()
		return slices.Clip(b), err
	case msgp.MapType:
		if err := u.enter(); err != nil {
			return nil, err
		}
		n, err := u.head(true)
		if err != nil {
			return nil, err
		}
		m, err := unpackMap(u, n, u.goAny)
		u.depth--
		if err != nil {
			return nil, err
		}
		return m, nil
	case msgp.ArrayType:
		if err := u.enter(); err != nil {
			return nil, err
		}
		n, err := u.head(false)
		if err != nil {
			return nil, err
		}
		list := make([]any, 0, room(n, 16))
		for i := range n {
			v, err := u.goAny()
			if err != nil {
				return nil, inElement(err, i)
			}
			list = append(list, v)
		}
		u.depth--
		return list, nil
	case msgp.IntType, msgp.UintType:
		v, negative, err := u.whole()
		if !negative && v > math.MaxInt64 {
			return v, err
		}
		return int64(v), err
	case msgp.Float32Type, msgp.Float64Type:
		return u.real()
	}
	from := u.pos
	kind, _, err := u.extension()
	if err != nil {
		return nil, err
	}
	u.pos = from
	if kind != timestamp {
		return nil, u.mismatch("a value")
	}
	v, err := u.time()
	if err != nil {
		return nil, err
	}
	return toTime(v), nil
}
