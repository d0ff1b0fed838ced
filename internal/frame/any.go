package frame

import (
	"encoding/json/jsontext"
	"math"
	"reflect"
	"strconv"
	"time"
	"unsafe"
)

// tag is the kind of a value without a declared type; the numbers are those of
// abi/frame.md.
type tag uint8

const (
	tagNull tag = iota
	tagFalse
	tagTrue
	tagInt
	tagUint
	tagFloat
	tagString
	tagBytes
	tagList
	tagMap
	tagTime
	tagDuration

	// tagDigits is a number as its JSON has it, on the way from text to text in one
	// process. No frame has it: a reader that is not exact refuses it.
	tagDigits
)

var tagNames = [...]string{"null", "bool", "bool", "int", "int", "float", "string", "bytes", "list", "map", "time", "duration", "number"}

func (t tag) String() string { return tagNames[t] }

// AppendAny appends the frame of a value with layout any: nil, bool, integers, floats,
// string, []byte, time.Time, time.Duration, []any, map[string]any, jsontext.Value, and what is made of
// types that have a layout.
func AppendAny(buf []byte, v any) ([]byte, error) {
	out, err := new(anyEncoders).append(buf, v, 0)
	if err != nil {
		return buf, err
	}
	return out, nil
}

func (a *anyEncoders) append(buf []byte, v any, depth int) ([]byte, error) {
	switch v := v.(type) {
	case nil:
		return append(buf, byte(tagNull)), nil
	case bool:
		if v {
			return append(buf, byte(tagTrue)), nil
		}
		return append(buf, byte(tagFalse)), nil
	case string:
		return appendText(append(buf, byte(tagString)), v), nil
	case int64:
		return appendInt(buf, v), nil
	case int:
		return appendInt(buf, int64(v)), nil
	case float64:
		return appendFloat(buf, v), nil
	case map[string]any:
		if depth++; depth > maxDepth {
			return buf, errDepth()
		}
		return a.appendMap(append(buf, byte(tagMap)), v, depth)
	case []any:
		if depth++; depth > maxDepth {
			return buf, errDepth()
		}
		buf = le.AppendUint32(append(buf, byte(tagList)), uint32(len(v)))
		var err error
		for i, e := range v {
			if buf, err = a.append(buf, e, depth); err != nil {
				return buf, inElement(err, i)
			}
		}
		return buf, nil
	case uint64:
		return appendUint(buf, v), nil
	case int32:
		return appendInt(buf, int64(v)), nil
	case int16:
		return appendInt(buf, int64(v)), nil
	case int8:
		return appendInt(buf, int64(v)), nil
	case uint:
		return appendUint(buf, uint64(v)), nil
	case uint32:
		return appendUint(buf, uint64(v)), nil
	case uint16:
		return appendUint(buf, uint64(v)), nil
	case uint8:
		return appendUint(buf, uint64(v)), nil
	case float32:
		return appendFloat(buf, widen(v)), nil
	case []byte:
		return appendBlob(append(buf, byte(tagBytes)), v), nil
	case time.Time:
		return appendTime(append(buf, byte(tagTime)), v)
	case time.Duration:
		return le.AppendUint64(append(buf, byte(tagDuration)), uint64(v/time.Microsecond)), nil
	case jsontext.Value:
		return a.appendRaw(buf, v, depth)
	}
	return a.appendOther(buf, v, depth)
}

// appendOther writes a value of a type that is none of the usual ones in an any: by its
// layout, which is then spelled out.
func (a *anyEncoders) appendOther(buf []byte, v any, depth int) ([]byte, error) {
	t := reflect.TypeOf(v)
	enc, err := a.of(t)
	if err != nil {
		return buf, err
	}
	p := reflect.New(t)
	p.Elem().Set(reflect.ValueOf(v))
	value, err := enc.root.value(nil, p.UnsafePointer(), depth)
	if err != nil {
		return buf, err
	}
	r := reader{b: value}
	return r.spell(buf, enc.root.node)
}

func appendInt(buf []byte, v int64) []byte {
	return le.AppendUint64(append(buf, byte(tagInt)), uint64(v))
}

func appendUint(buf []byte, v uint64) []byte {
	t := tagInt
	if v > math.MaxInt64 {
		t = tagUint
	}
	return le.AppendUint64(append(buf, byte(t)), v)
}

func appendFloat(buf []byte, v float64) []byte {
	return le.AppendUint64(append(buf, byte(tagFloat)), math.Float64bits(v))
}

// widen is the double that is printed with the digits of v: an any does not say that a
// number had 32 bits.
func widen(v float32) float64 {
	var b [24]byte
	f, err := strconv.ParseFloat(asText(strconv.AppendFloat(b[:0], float64(v), 'g', -1, 32)), 64)
	if err != nil {
		return float64(v) // an infinity prints as none
	}
	return f
}

// appendMap writes the entries of a map, sorted.
func (a *anyEncoders) appendMap(buf []byte, m map[string]any, depth int) ([]byte, error) {
	buf = le.AppendUint32(buf, uint32(len(m)))
	if len(m) == 0 {
		return buf, nil
	}
	var few [8]Entry[any]
	var err error
	for _, kv := range Sorted(m, &few) {
		buf = appendText(buf, kv.Key)
		if buf, err = a.append(buf, kv.Value, depth); err != nil {
			return buf, inMember(err, kv.Key)
		}
	}
	return buf, nil
}

// appendRaw writes JSON text as an any.
func (a *anyEncoders) appendRaw(buf []byte, v jsontext.Value, depth int) ([]byte, error) {
	if len(v) == 0 {
		return append(buf, byte(tagNull)), nil
	}
	return a.appendText(buf, v, anyNode, depth)
}

// appendRawMembers writes a JSON object as the members that no field names.
func (a *anyEncoders) appendRawMembers(buf []byte, v jsontext.Value, depth int) ([]byte, error) {
	if len(v) == 0 {
		return le.AppendUint32(buf, 0), nil
	}
	return a.appendText(buf, v, membersNode, depth-1) // they stand in the struct itself
}

func (a *anyEncoders) appendText(buf []byte, v jsontext.Value, n *node, depth int) ([]byte, error) {
	p := a.parsers.get()
	defer a.parsers.put(p)
	p.reset(v, buf)
	p.depth = depth
	if err := p.document(n); err != nil {
		return buf, err
	}
	return p.dst, nil
}

var membersNode = &node{kind: kMap, elem: anyNode, min: 4}

// spell appends a value with layout n as an any.
func (r *reader) spell(buf []byte, n *node) ([]byte, error) {
	if n.nullable {
		state, err := r.presence(true, false)
		if err != nil {
			return buf, err
		}
		if state == null {
			return append(buf, byte(tagNull)), nil
		}
	}
	return r.spellBare(buf, n)
}

func (r *reader) spellBare(buf []byte, n *node) ([]byte, error) {
	switch k := n.kind; {
	case k == kBool:
		v, err := r.bool()
		t := tagFalse
		if v {
			t = tagTrue
		}
		return append(buf, byte(t)), err
	case k.signed():
		v, err := r.u64()
		return appendInt(buf, int64(v)), err
	case k.unsigned():
		v, err := r.u64()
		return appendUint(buf, v), err
	case k == kFloat32:
		v, err := r.u64()
		return appendFloat(buf, widen(float32(math.Float64frombits(v)))), err
	case k == kFloat64:
		v, err := r.u64()
		return appendFloat(buf, math.Float64frombits(v)), err
	case k == kTime:
		v, err := r.u64()
		return le.AppendUint64(append(buf, byte(tagTime)), v), err
	case k == kDuration:
		v, err := r.u64()
		return le.AppendUint64(append(buf, byte(tagDuration)), v), err
	case k == kString, k == kBytes:
		v, err := r.blob()
		t := tagString
		if k == kBytes {
			t = tagBytes
		}
		return appendBlob(append(buf, byte(t)), v), err
	case k == kAny:
		from := r.off
		if err := r.skipAny(); err != nil {
			return buf, err
		}
		return append(buf, r.b[from:r.off]...), nil
	case k == kUnion:
		v, _, err := r.variant(n)
		if err != nil {
			return buf, err
		}
		return r.spellBare(buf, v)
	case k == kConst:
		from := r.off
		buf, err := r.spellBare(buf, n.konst.base)
		if err != nil {
			return buf, err
		}
		return buf, n.konst.check(r.b[from:r.off])
	}
	if err := r.enter(); err != nil {
		return buf, err
	}
	out, err := r.spellInside(buf, n)
	r.leave()
	return out, err
}

// spellInside writes what a list, map, tuple or struct has.
func (r *reader) spellInside(buf []byte, n *node) ([]byte, error) {
	if n.kind == kStruct {
		return r.spellStruct(buf, n)
	}
	if n.kind == kTuple {
		buf = le.AppendUint32(append(buf, byte(tagList)), uint32(len(n.elems)))
		for i, e := range n.elems {
			var err error
			if buf, err = r.spell(buf, e); err != nil {
				return buf, inElement(err, i)
			}
		}
		return buf, nil
	}
	count, err := r.count(n)
	if err != nil {
		return buf, err
	}
	t := tagList
	if n.kind == kMap {
		t = tagMap
	}
	buf = le.AppendUint32(append(buf, byte(t)), uint32(count))
	for i := range count {
		var key []byte
		if n.kind == kMap {
			if key, err = r.blob(); err != nil {
				return buf, err
			}
			buf = appendBlob(buf, key)
		}
		if buf, err = r.spell(buf, n.elem); err != nil {
			if n.kind == kMap {
				return buf, inMember(err, string(key))
			}
			return buf, inElement(err, i)
		}
	}
	return buf, nil
}

func (r *reader) spellStruct(buf []byte, n *node) ([]byte, error) {
	buf = append(buf, byte(tagMap))
	at, count := len(buf), 0
	buf = append(buf, 0, 0, 0, 0)
	for i := range n.fields {
		f := &n.fields[i]
		state := byte(present)
		if f.presence() {
			var err error
			if state, err = r.presence(f.node.nullable, f.optional); err != nil {
				return buf, inMember(err, f.name)
			}
		}
		if state == absent {
			continue
		}
		count++
		buf = appendString(buf, f.name)
		if state == null {
			buf = append(buf, byte(tagNull))
			continue
		}
		var err error
		if buf, err = r.spellBare(buf, f.node); err != nil {
			return buf, inMember(err, f.name)
		}
	}
	if n.extra {
		more, err := r.count(membersNode)
		if err != nil {
			return buf, err
		}
		from := r.off
		for range more {
			if _, err := r.blob(); err != nil {
				return buf, err
			}
			if err := r.skipAny(); err != nil {
				return buf, err
			}
		}
		buf = append(buf, r.b[from:r.off]...)
		count += more
	}
	le.PutUint32(buf[at:], uint32(count))
	return buf, nil
}

// any reads a Go value: nil, bool, int64, uint64 (above the largest int64), float64,
// string, []byte, []any, map[string]any or time.Time. Strings and bytes alias r.b.
func (r *reader) any(to *any) error {
	if r.off < len(r.b) && tag(r.b[r.off]) == tagString {
		r.off++
		return r.anyText(to)
	}
	t, err := r.tag()
	if err != nil {
		return err
	}
	switch t {
	case tagNull:
		*to = nil
		return nil
	case tagFalse:
		*to = false
		return nil
	case tagTrue:
		*to = true
		return nil
	case tagBytes:
		v, err := r.blob()
		*to = v
		return err
	case tagList, tagMap:
		if err := r.enter(); err != nil {
			return err
		}
		if t == tagMap {
			*to, err = r.anyMap()
		} else {
			*to, err = r.anyList()
		}
		r.leave()
		return err
	}
	v, err := r.u64()
	switch t {
	case tagInt:
		*to = int64(v)
	case tagUint:
		*to = v
	case tagFloat:
		*to = math.Float64frombits(v)
	case tagTime:
		*to = toTime(v)
	case tagDuration:
		if err == nil {
			*to, err = toDuration(int64(v))
		}
	}
	return err
}

// anyText reads a string as an any.
func (r *reader) anyText(to *any) error {
	s := r.texts.take()
	if !r.text(s) {
		return errShort()
	}
	*to = boxed(s)
	return nil
}

// boxes are room for the strings in the anys of one value. They lie beside each other, and so
// not each needs memory of its own.
type boxes struct {
	free []string
	next int // how many are allocated next
	used int
}

// mostTexts bounds what one string can keep alive.
const mostTexts = 64

// expect says that n strings may come.
func (t *boxes) expect(n int) { t.next = max(t.next, min(n, mostTexts)) }

func (t *boxes) take() *string {
	if len(t.free) == 0 {
		n := max(t.next, 1)
		t.free = make([]string, n)
		t.next = min(max((t.used+n)/2, 2), mostTexts) // there are more than expected: half as many again
	}
	s := &t.free[0]
	t.free = t.free[1:]
	t.used++
	return s
}

// again begins another value, which shares no memory with the one before and may have as
// many strings.
func (t *boxes) again() {
	if t.used > 0 {
		*t = boxes{next: min(t.used, mostTexts)}
	}
}

// boxed is the string at s as an any.
func boxed(s *string) (v any) {
	*(*emptyInterface)(unsafe.Pointer(&v)) = emptyInterface{stringWord, unsafe.Pointer(s)}
	return v
}

// emptyInterface is how an any lies in memory.
type emptyInterface struct{ typ, value unsafe.Pointer }

// stringWord is the first word of an any that holds a string.
var stringWord = func() unsafe.Pointer {
	var v any = ""
	return (*emptyInterface)(unsafe.Pointer(&v)).typ
}()

func (r *reader) anyList() ([]any, error) {
	n, err := r.count(listNode)
	if err != nil {
		return nil, err
	}
	list := make([]any, n)
	r.texts.expect(n)
	for i := range list {
		if err := r.any(&list[i]); err != nil {
			return nil, inElement(err, i)
		}
	}
	return list, nil
}

var listNode = &node{kind: kList, elem: anyNode, min: 4}

func (r *reader) anyMap() (map[string]any, error) {
	n, err := r.count(membersNode)
	if err != nil {
		return nil, err
	}
	m := make(map[string]any, n)
	r.texts.expect(n)
	for range n {
		var key string
		if !r.text(&key) {
			return nil, errShort()
		}
		var v any
		if err := r.any(&v); err != nil {
			return nil, inMember(err, key)
		}
		m[key] = v
	}
	return m, nil
}

func toTime(micros uint64) time.Time { return time.UnixMicro(int64(micros)).UTC() }

// ReadAny reads a value of layout any as a Go value; strings and bytes alias b. The
// integers are int64, and uint64 above its range.
func ReadAny(b []byte) (any, error) {
	r := reader{b: b}
	var v any
	if err := r.any(&v); err != nil {
		return nil, err
	}
	if err := r.end(); err != nil {
		return nil, err
	}
	return v, nil
}
