package frame

import (
	"encoding/base64"
	"encoding/json/jsontext"
	"math"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"
	"unsafe"
)

// TextDecoder reads JSON text straight into values of one Go type: what ParseJSON and a
// Decoder do together, without the frame between. Both ways read the same texts and
// give the same values and errors; the tests hold them against each other.
type TextDecoder struct {
	root    *memType
	strict  bool
	glimpse bool // the values keep next to nothing of a text
	bare    bool // they keep nothing at all of it
	parsers pool
}

// NewTextDecoder compiles the decoder into t. A strict one refuses what is only just
// JSON: text that is no UTF-8, half a surrogate pair, a name that comes twice in one
// object.
func NewTextDecoder(t reflect.Type, strict bool) (*TextDecoder, error) {
	enc, err := NewEncoder(t)
	if err != nil {
		return nil, err
	}
	texts, few := enc.root.texts(map[*memType]bool{})
	return &TextDecoder{root: enc.root, strict: strict, glimpse: few && texts <= 2, bare: few && texts == 0}, nil
}

// texts is how many texts a value of t has at most; false: who knows.
func (t *memType) texts(open map[*memType]bool) (n int, ok bool) {
	switch t.op {
	case memString, memBytes, memTime:
		return 1, true
	case memConst:
		return t.elem.texts(open)
	case memStruct:
		if open[t] || t.extra != nil {
			return 0, false
		}
		open[t] = true
		for i := range t.fields {
			of, ok := t.fields[i].typ.texts(open)
			if !ok {
				return 0, false
			}
			n += of
		}
		delete(open, t)
		return n, true
	}
	return 0, t.op <= memFloat64 || t.op == memDuration
}

// Value reads src, which is one JSON value, into the value at p, which must be the zero
// value. Nothing of it aliases src: its strings share one copy, or have one each where
// there are two at most and the record is large: who looks at one member should not copy
// all of it.
//
// # Errors
//
// An *Error with the path. What the value is then is undefined.
func (d *TextDecoder) Value(src []byte, p unsafe.Pointer) error {
	ps := d.parsers.get()
	ps.strict, ps.lent = d.strict, d.bare || d.glimpse && len(src) > 512
	if ps.lent {
		ps.src = src
	} else {
		own := make([]byte, len(src))
		copy(own, src)
		ps.src = own
	}
	err := ps.begin()
	if err == nil {
		err = ps.goValue(d.root, p)
	}
	if err == nil {
		err = ps.end()
	}
	d.parsers.keep(ps)
	return err
}

// goValue reads a value into the zero value at q.
func (p *parser) goValue(t *memType, q unsafe.Pointer) error {
	if t.ptr {
		if p.peek() == 'n' && p.literal("null") {
			return nil
		}
		r := reflect.New(t.rtype).UnsafePointer()
		*(*unsafe.Pointer)(q) = r
		q = r
	}
	return p.goBare(t, q)
}

// goText reads a string. It aliases p.src, unless something in it is escaped.
func (p *parser) goText() (string, error) {
	i := p.pos + 1
	if end := closing(p.src, i); end >= 0 {
		p.pos = end + 1
		return p.kept(i, end), nil
	}
	return p.goAnyText()
}

// kept is src[from:to] as a string that may be kept.
func (p *parser) kept(from, to int) string {
	if p.lent {
		return string(p.src[from:to])
	}
	return asText(p.src[from:to])
}

// goAnyText reads a string whatever is in it.
func (p *parser) goAnyText() (string, error) {
	src := p.src[p.pos+1:]
	n, wide := plain(src)
	if n < len(src) && src[n] == '"' && (!wide || utf8.Valid(src[:n])) {
		from := p.pos + 1
		p.pos += n + 2
		return p.kept(from, from+n), nil
	}
	b, k, problem := appendUnquoted(nil, src, p.strict)
	p.pos += 1 + k
	if problem != "" {
		return "", errorf("malformed JSON at byte %d: %s", p.pos, problem)
	}
	return asText(b), nil
}

func (p *parser) goBare(t *memType, q unsafe.Pointer) error {
	switch t.op {
	case memString:
		if p.peek() != '"' {
			return p.mismatch("string")
		}
		s, err := p.goText()
		*(*string)(q) = s
		return err
	case memInt64, memUint64, memInt8, memInt16, memInt32, memUint8, memUint16, memUint32:
		v, err := p.integerValue(t.node.kind)
		if err == nil {
			t.op.store(v, q)
		}
		return err
	case memFloat64:
		v, err := p.floatValue(kFloat64)
		*(*float64)(q) = v
		return err
	case memFloat32:
		v, err := p.floatValue(kFloat32)
		*(*float32)(q) = float32(v)
		return err
	case memBool:
		switch {
		case p.literal("true"):
			*(*bool)(q) = true
		case p.literal("false"):
			*(*bool)(q) = false
		default:
			return p.mismatch("bool")
		}
		return nil
	case memBytes:
		if p.peek() != '"' {
			if p.peek() == 'n' && p.literal("null") {
				*(*[]byte)(q) = []byte{}
				return nil
			}
			return p.mismatch("base64 string")
		}
		s, err := p.goText()
		if err != nil {
			return err
		}
		b, err := base64.StdEncoding.AppendDecode(make([]byte, 0, base64.StdEncoding.DecodedLen(len(s))), asBytes(s))
		if err != nil || base64.StdEncoding.EncodedLen(len(b)) != len(s) {
			return errorf("expected base64 string, got a string that is none")
		}
		*(*[]byte)(q) = b
		return nil
	case memDuration:
		us, err := p.ticks(t.node)
		if err != nil {
			return err
		}
		*(*time.Duration)(q), err = toDuration(us)
		return err
	case memTuple:
		return p.goTuple(t, q)
	case memTime:
		if t.node.number() {
			us, err := p.ticks(t.node)
			if err != nil {
				return err
			}
			*(*time.Time)(q) = toTime(uint64(us))
			return nil
		}
		if p.peek() != '"' {
			return p.mismatch("RFC 3339 time")
		}
		s, err := p.goText()
		if err != nil {
			return err
		}
		at, ok := parseTime(asBytes(s))
		if !ok {
			return errorf("expected RFC 3339 time, got %s", strconv.Quote(shorten([]byte(s))))
		}
		*(*time.Time)(q) = toTime(uint64(at.UnixMicro()))
		return nil
	case memAny:
		v, err := p.goAny()
		*(*any)(q) = v
		return err
	case memRaw:
		return p.goRaw((*jsontext.Value)(q))
	case memUnion:
		return p.goUnion(t, q)
	case memOwn:
		return p.goOwn(t, q)
	case memConst:
		if err := p.goBare(t.elem, q); err != nil {
			return err
		}
		return t.checkConst(q)
	case memStruct:
		if p.peek() != '{' {
			return p.mismatch("object")
		}
		return p.goObject(t, q)
	case memList:
		if p.peek() != '[' {
			if p.peek() == 'n' && p.literal("null") {
				newList(t.rtype, q, 0)
				return nil
			}
			return p.mismatch("array")
		}
		return p.goList(t, q)
	}
	if p.peek() != '{' {
		if p.peek() == 'n' && p.literal("null") {
			reflect.NewAt(t.rtype, q).Elem().Set(reflect.MakeMap(t.rtype))
			return nil
		}
		return p.mismatch("object")
	}
	return p.goMap(t, q)
}

func (p *parser) goObject(t *memType, q unsafe.Pointer) error {
	if err := p.enter(); err != nil {
		return err
	}
	n := t.node
	var seen marks
	var index keyIndex
	extra, begin := len(p.entries), len(p.dst)
	next, more := 0, true
	p.pos++
	p.space()
	if p.peek() == '}' {
		p.pos++
		more = false
	}
	for more {
		i := -1
		var key []byte
		if next < len(t.fields) && strings.HasPrefix(asText(p.src[p.pos:]), t.fields[next].quoted) {
			i = next
			p.pos += len(t.fields[next].quoted)
			p.space()
		} else {
			var err error
			if key, err = p.name(); err != nil {
				return err
			}
			if at, ok := n.byName[string(key)]; ok {
				i = at
			}
		}
		switch {
		case i >= 0:
			f := &t.fields[i]
			r := unsafe.Add(q, f.offset)
			if seen.has(i) {
				if p.strict {
					return inMember(errorf("member comes twice"), f.name)
				}
				// The last counts, whole: nothing of the first shines through.
				f.clear(r)
			}
			seen.set(i)
			var err error
			switch {
			case f.presence:
				err = p.goMember(f, r)
			case f.op == memString && p.peek() == '"':
				*(*string)(r), err = p.goText()
			case f.op == memInt64 || f.op == memUint64:
				*(*uint64)(r), err = p.integerValue(kind(f.op))
			case f.op == memFloat64:
				*(*float64)(r), err = p.floatValue(kFloat64)
			default:
				err = p.goBare(f.typ, r)
			}
			if err == nil && f.holds != nil {
				err = f.holds(r)
			}
			if err != nil {
				return inMember(err, f.name)
			}
			next = i + 1
		case n.extra:
			p.exact = t.extra.raw
			err := p.entry(key, anyNode, extra, &index)
			if p.exact = false; err != nil {
				return err
			}
		default:
			if err := p.skip(); err != nil {
				return err // the member has no name that the author knows
			}
		}
		if !p.comma() {
			var err error
			if more, err = p.more('}'); err != nil {
				return err
			}
		}
	}
	return p.goWhole(t, q, &seen, begin, extra)
}

// goWhole ends an object all of whose members have been read: those that were seen, and
// the entries from extra on, which stand in dst from begin.
func (p *parser) goWhole(t *memType, q unsafe.Pointer, seen *marks, begin, extra int) error {
	p.depth--
	if n := t.node; !seen.all(&n.required) {
		for i := range n.fields {
			if !n.fields[i].optional && !seen.has(i) {
				return missing(&n.fields[i])
			}
		}
	}
	if len(p.entries) == extra {
		return nil
	}
	err := p.goExtra(t.extra, extra, unsafe.Add(q, t.extra.offset))
	p.entries, p.dst = p.entries[:extra], p.dst[:begin]
	return err
}

// goMember reads a member that may be null or absent.
func (p *parser) goMember(f *memField, q unsafe.Pointer) error {
	if f.opt {
		return p.goOpt(f, q)
	}
	if f.pick != nil {
		return p.goPick(f, q)
	}
	if p.peek() == 'n' {
		switch f.op {
		case memAny, memRaw:
		case memList, memMap, memMapString, memMapAny, memMapInt64, memMapFloat64, memBytes:
			if p.literal("null") {
				return nil
			}
		default:
			if f.typ.ptr && p.literal("null") {
				return nil
			}
		}
	}
	return p.goValue(f.typ, q)
}

// goExtra gives the entries from base on to the field that keeps them.
func (p *parser) goExtra(x *memExtra, base int, q unsafe.Pointer) error {
	value := le.AppendUint32(make([]byte, 0, 4+len(p.dst)), uint32(len(p.entries)-base))
	value = p.appendEntries(value, base)
	r := reader{b: value, depth: p.depth, exact: x.raw}
	if x.raw {
		w := writer{reader: r}
		text, err := w.dict(nil, membersNode, false)
		*(*jsontext.Value)(q) = text
		return err
	}
	m, err := r.anyMap()
	*(*map[string]any)(q) = m
	return err
}

// clear makes what stands at q the zero value again.
func (f *memField) clear(q unsafe.Pointer) {
	if f.pick != nil {
		f.pick.clear(q)
		return
	}
	t := f.typ
	typ := t.rtype
	if t.ptr {
		typ = reflect.PointerTo(typ)
	}
	reflect.NewAt(typ, q).Elem().SetZero()
}

func (p *parser) goRaw(q *jsontext.Value) error {
	if p.peek() == 'n' && p.literal("null") {
		return nil
	}
	begin := len(p.dst)
	depth := p.depth
	p.exact = true
	err := p.any()
	if p.exact = false; err != nil {
		return err
	}
	w := writer{reader: reader{b: p.dst[begin:], depth: depth, exact: true}}
	text, err := w.any(nil)
	*q = text
	p.dst = p.dst[:begin]
	return err
}

func (p *parser) goList(t *memType, q unsafe.Pointer) error {
	if err := p.enter(); err != nil {
		return err
	}
	p.pos++
	p.space()
	if p.peek() == ']' {
		p.pos++
		p.depth--
		newList(t.rtype, q, 0)
		return nil
	}
	n := 0
	grow := func() { growSlice(t, q) }
	switch e := t.elem; {
	case e.ptr:
	case e.op == memString:
		grow = func() { s := (*[]string)(q); *s = slices.Grow(*s, max(4, len(*s))) }
	case e.op == memInt64 || e.op == memUint64 || e.op == memFloat64:
		grow = func() { s := (*[]uint64)(q); *s = slices.Grow(*s, max(4, len(*s))) }
	}
	h := (*sliceHeader)(q)
	for more := true; more; n++ {
		if h.len == h.cap {
			grow()
		}
		r := unsafe.Add(h.data, uintptr(h.len)*t.elem.width)
		h.len++
		err := p.goValue(t.elem, r)
		if err == nil {
			more, err = p.more(']')
		}
		if err != nil {
			return inElement(err, n)
		}
	}
	p.depth--
	return nil
}

// growSlice doubles the room of the slice at q.
func growSlice(t *memType, q unsafe.Pointer) {
	v := reflect.NewAt(t.rtype, q).Elem()
	some := 4
	if t.elem.width > 32 {
		some = 1 // a single one is frequent, and three more would be large
	}
	v.Grow(max(some, v.Len()))
}

func (p *parser) goMap(t *memType, q unsafe.Pointer) error {
	if err := p.enter(); err != nil {
		return err
	}
	p.pos++
	p.space()
	more := true
	if p.peek() == '}' {
		p.pos++
		more = false
	}
	var err error
	switch t.op {
	case memMapString:
		*(*map[string]string)(q), err = p.goStrings(more)
	case memMapInt64:
		m := make(map[string]int64)
		for more && err == nil {
			more, err = goEntry(p, m, func() (int64, error) {
				v, err := p.integerValue(kInt64)
				return int64(v), err
			})
		}
		*(*map[string]int64)(q) = m
	case memMapFloat64:
		m := make(map[string]float64)
		for more && err == nil {
			more, err = goEntry(p, m, func() (float64, error) { return p.floatValue(kFloat64) })
		}
		*(*map[string]float64)(q) = m
	case memMapAny:
		*(*map[string]any)(q), err = p.goAnys(more)
	default:
		err = p.goReflectMap(t, q, more)
	}
	p.depth--
	return err
}

// goStrings reads the entries of a map first, so that the map is made in its size. The
// first ones wait on the stack: a collector at work has to be told of what is written to
// the heap, and most maps are small.
func (p *parser) goStrings(more bool) (map[string]string, error) {
	var few [8]Entry[string]
	n := 0
	for more {
		e := Entry[string]{}
		if at, ok := p.plainPair(); ok {
			e.Key, e.Value = p.kept(at.key, at.keyEnd), p.kept(at.from, at.to)
			p.pos = at.to + 1
		} else if err := p.goString(&e); err != nil {
			return nil, err
		}
		if n < len(few) {
			few[n] = e
			n++
		} else {
			p.strings = append(p.strings, e)
		}
		if !p.comma() {
			var err error
			if more, err = p.more('}'); err != nil {
				return nil, err
			}
		}
	}
	m := make(map[string]string, n+len(p.strings))
	err := intoMap(m, few[:n], p.strict)
	if err == nil && len(p.strings) > 0 {
		err = intoMap(m, p.strings, p.strict)
		clear(p.strings)
		p.strings = p.strings[:0]
	}
	return m, err
}

// plainPair says where the entry of a map of strings stands, if it is as it mostly is:
// without white space, and with nothing in it that stands for something else.
func (p *parser) plainPair() (at span, ok bool) {
	src, i := p.src, p.pos+1
	if i >= len(src) || src[i-1] != '"' {
		return at, false
	}
	end := closing(src, i)
	if end < 0 || len(src)-end < 4 || src[end+1] != ':' || src[end+2] != '"' {
		return at, false
	}
	last := closing(src, end+3)
	return span{i, end, end + 3, last}, last >= 0
}

// goString reads the entry of a map of strings, whatever it looks like.
func (p *parser) goString(e *Entry[string]) (err error) {
	if e.Key, err = p.goName(); err != nil {
		return err
	}
	if p.peek() != '"' {
		return inMember(p.mismatch("string"), e.Key)
	}
	if e.Value, err = p.goText(); err != nil {
		return inMember(err, e.Key)
	}
	return nil
}

func (p *parser) goAnys(more bool) (map[string]any, error) {
	base := len(p.anys)
	for more {
		key, err := p.goName()
		if err != nil {
			return nil, err
		}
		v, err := p.goAny()
		if err != nil {
			return nil, inMember(err, key)
		}
		p.anys = append(p.anys, Entry[any]{key, v})
		if more, err = p.more('}'); err != nil {
			return nil, err
		}
	}
	m := make(map[string]any, len(p.anys)-base)
	err := intoMap(m, p.anys[base:], p.strict)
	clear(p.anys[base:])
	p.anys = p.anys[:base]
	return m, err
}

// intoMap writes entries into a map; strict, they have names that are new to it.
func intoMap[V any](m map[string]V, list []Entry[V], strict bool) error {
	had := len(m)
	for i := range list {
		m[list[i].Key] = list[i].Value
		if strict && len(m) <= had+i {
			return inMember(errorf("member comes twice"), list[i].Key)
		}
	}
	return nil
}

// goName reads the name of an entry and the colon.
func (p *parser) goName() (string, error) {
	if p.peek() != '"' {
		return "", p.syntax("a member name")
	}
	s, err := p.goText()
	if err != nil {
		return "", err
	}
	return s, p.colon()
}

func goEntry[V any](p *parser, m map[string]V, value func() (V, error)) (bool, error) {
	key, err := p.goName()
	if err != nil {
		return false, err
	}
	v, err := value()
	if err != nil {
		return false, inMember(err, key)
	}
	if p.strict {
		if _, dup := m[key]; dup {
			return false, inMember(errorf("member comes twice"), key)
		}
	}
	m[key] = v
	return p.more('}')
}

func (p *parser) goReflectMap(t *memType, q unsafe.Pointer, more bool) error {
	if t.typed != nil {
		return t.typed.parse(p, t, q, more)
	}
	m := reflect.MakeMap(t.rtype)
	reflect.NewAt(t.rtype, q).Elem().Set(m)
	name, v := reflect.New(t.rtype.Key()).Elem(), reflect.New(t.rtype.Elem())
	for more {
		key, err := p.goName()
		if err != nil {
			return err
		}
		v.Elem().SetZero() // the map has its copy of the last one
		if err := p.goValue(t.elem, v.UnsafePointer()); err != nil {
			return inMember(err, key)
		}
		if err := setKey(name, key); err != nil {
			return err
		}
		if p.strict && m.MapIndex(name).IsValid() {
			return inMember(errorf("member comes twice"), key)
		}
		m.SetMapIndex(name, v.Elem())
		if more, err = p.more('}'); err != nil {
			return err
		}
	}
	return nil
}

// anyText is goText as an any.
func (p *parser) anyText() (any, error) {
	s, err := p.goText()
	if err != nil {
		return nil, err
	}
	return p.boxed(s), nil
}

func (p *parser) boxed(s string) any {
	to := p.texts.take()
	*to = s
	return boxed(to)
}

// goAny reads a value without a declared type, as reader.any does.
func (p *parser) goAny() (any, error) {
	switch c := p.peek(); {
	case c == '"':
		return p.anyText()
	case c == '{':
		if err := p.enter(); err != nil {
			return nil, err
		}
		p.pos++
		p.space()
		more := true
		if p.peek() == '}' {
			p.pos++
			more = false
		}
		m, err := p.goAnys(more)
		p.depth--
		if err != nil {
			return nil, err
		}
		return m, nil
	case c == '[':
		if err := p.enter(); err != nil {
			return nil, err
		}
		p.pos++
		p.space()
		list := []any{}
		more := true
		if p.peek() == ']' {
			p.pos++
			more = false
		}
		for i := 0; more; i++ {
			v, err := p.goAny()
			if err == nil {
				list = append(list, v)
				more, err = p.more(']')
			}
			if err != nil {
				return nil, inElement(err, i)
			}
		}
		p.depth--
		return list, nil
	case p.literal("null"):
		return nil, nil
	case p.literal("true"):
		return true, nil
	case p.literal("false"):
		return false, nil
	case c != '-' && c-'0' > 9:
		return nil, p.syntax("a value")
	}
	t, v, err := p.anyNumber()
	switch {
	case err != nil:
		return nil, err
	case t == tagInt:
		return int64(v), nil
	case t == tagUint:
		return v, nil
	}
	return math.Float64frombits(v), nil
}
