package protobuf

import (
	"math"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"unsafe"

	"google.golang.org/protobuf/encoding/protowire"
	"google.golang.org/protobuf/reflect/protoreflect"

	"github.com/levada-io/levada/internal/frame"
)

// plan is how the messages of a Go struct are read and written where they lie in memory:
// with one copy of a message for all its strings, and without asking the library at each
// entry of a map. There is one for the messages of proto3 that have nothing rare in them,
// and it does what is to be expected only. It stops at everything else (text that is no
// UTF-8, another wire type, a message that is torn), and what that means the library says,
// from the beginning.
type plan struct {
	rtype   reflect.Type
	fields  []member   // by number
	byNum   []uint16   // place in fields + 1; 0: none
	oneofs  []*choices // in the order of the .proto
	unknown uintptr    // where fields lie that the type does not know
}

type holding uint8

const (
	single   holding = iota
	optional         // behind a pointer; bytes are nil
	list
	dict   // of texts to texts, messages or numbers
	choice // in the wrapper that the interface of a oneof points to
)

type member struct {
	num    protowire.Number
	wire   protowire.Type // of an element
	tag    string         // of an element, as it stands in a message
	kind   protoreflect.Kind
	shape  holding
	packed bool
	width  uint8 // of a number in memory
	offset uintptr
	rtype  reflect.Type // of the number or string behind a pointer
	elem   *plan        // of a message, or of the values of a map
	value  *member      // of the entries of a map
	pairs  pairs        // of a map
	oneof  *choices     // of a choice
}

// mostNumbers bounds the table of a plan.
const mostNumbers = 1024

// planOf is the plan of a struct; nil: there is none. There are no loops in desc.
func planOf(desc protoreflect.MessageDescriptor, t reflect.Type, done map[reflect.Type]*plan) *plan {
	if p, ok := done[t]; ok {
		return p
	}
	done[t] = nil
	if desc.ParentFile().Syntax() != protoreflect.Proto3 || desc.ExtensionRanges().Len() > 0 {
		return nil
	}
	unknown, ok := t.FieldByName("unknownFields")
	if !ok || unknown.Type != reflect.TypeFor[[]byte]() || len(unknown.Index) > 1 {
		return nil
	}
	fields := map[protoreflect.FieldNumber]reflect.StructField{}
	for f := range t.Fields() {
		if parts := strings.Split(f.Tag.Get("protobuf"), ","); len(parts) > 1 && f.IsExported() {
			if n, err := strconv.Atoi(parts[1]); err == nil {
				fields[protoreflect.FieldNumber(n)] = f
			}
		}
	}
	p := &plan{rtype: t, unknown: unknown.Offset}
	for i := range desc.Fields().Len() {
		fd := desc.Fields().Get(i)
		if o := fd.ContainingOneof(); o != nil && !o.IsSynthetic() {
			continue
		}
		f, ok := fields[fd.Number()]
		if !ok || fd.Number() >= mostNumbers {
			return nil
		}
		m := member{num: fd.Number(), kind: fd.Kind(), packed: fd.IsPacked(), offset: f.Offset}
		at := f.Type
		switch {
		case fd.IsMap():
			m.shape = dict
			if at.Kind() != reflect.Map || at.Key() != reflect.TypeFor[string]() || fd.MapKey().Kind() != protoreflect.StringKind {
				return nil
			}
			m.wire = protowire.BytesType
			m.value = &member{num: 2, kind: fd.MapValue().Kind()}
			if !m.value.lies(at.Elem(), fd.MapValue(), done) {
				return nil
			}
			m.value.tag = tagOf(m.value.num, m.value.wire)
			if m.pairs = pairsFor(at, m.value.elem != nil); m.pairs == nil {
				return nil
			}
		case fd.IsList():
			m.shape = list
			if at.Kind() != reflect.Slice || !m.lies(at.Elem(), fd, done) {
				return nil
			}
		case fd.HasPresence() && fd.Message() == nil:
			m.shape = optional
			if fd.Kind() != protoreflect.BytesKind {
				if at.Kind() != reflect.Pointer {
					return nil
				}
				at = at.Elem()
				m.rtype = at
			}
			fallthrough
		default:
			if !m.lies(at, fd, done) {
				return nil
			}
		}
		p.fields = append(p.fields, m)
	}
	for i := range desc.Oneofs().Len() {
		if o := desc.Oneofs().Get(i); !o.IsSynthetic() && !p.oneof(o, t, done) {
			return nil
		}
	}
	slices.SortFunc(p.fields, func(a, b member) int { return int(a.num - b.num) })
	for i := range p.fields {
		m := &p.fields[i]
		m.tag = tagOf(m.num, m.wire)
		if m.shape == choice {
			m.oneof.of[m.rtype] = m
		}
		p.byNum = append(p.byNum, make([]uint16, int(m.num)+1-len(p.byNum))...)
		p.byNum[m.num] = uint16(i + 1)
	}
	done[t] = p
	return p
}

func tagOf(num protowire.Number, wire protowire.Type) string {
	return string(protowire.AppendTag(nil, num, wire))
}

// lies says that single values of a field lie in memory as t does for protoc-gen-go.
func (m *member) lies(t reflect.Type, fd protoreflect.FieldDescriptor, done map[reflect.Type]*plan) bool {
	want := reflect.Invalid
	switch fd.Kind() {
	case protoreflect.BoolKind:
		want, m.width = reflect.Bool, 1
	case protoreflect.Int32Kind, protoreflect.Sint32Kind, protoreflect.EnumKind:
		want, m.width = reflect.Int32, 4
		if e := fd.Enum(); e != nil && e.IsClosed() {
			return false
		}
	case protoreflect.Uint32Kind:
		want, m.width = reflect.Uint32, 4
	case protoreflect.Int64Kind, protoreflect.Sint64Kind:
		want, m.width = reflect.Int64, 8
	case protoreflect.Uint64Kind:
		want, m.width = reflect.Uint64, 8
	case protoreflect.Sfixed32Kind:
		want, m.width, m.wire = reflect.Int32, 4, protowire.Fixed32Type
	case protoreflect.Fixed32Kind:
		want, m.width, m.wire = reflect.Uint32, 4, protowire.Fixed32Type
	case protoreflect.FloatKind:
		want, m.width, m.wire = reflect.Float32, 4, protowire.Fixed32Type
	case protoreflect.Sfixed64Kind:
		want, m.width, m.wire = reflect.Int64, 8, protowire.Fixed64Type
	case protoreflect.Fixed64Kind:
		want, m.width, m.wire = reflect.Uint64, 8, protowire.Fixed64Type
	case protoreflect.DoubleKind:
		want, m.width, m.wire = reflect.Float64, 8, protowire.Fixed64Type
	case protoreflect.StringKind:
		want, m.wire = reflect.String, protowire.BytesType
	case protoreflect.BytesKind:
		m.wire = protowire.BytesType
		return t == reflect.TypeFor[[]byte]()
	case protoreflect.MessageKind:
		m.wire = protowire.BytesType
		if t.Kind() != reflect.Pointer || t.Elem().Kind() != reflect.Struct || !t.Implements(messageType) {
			return false
		}
		if d := descriptor(t); d == nil || d.FullName() != fd.Message().FullName() {
			return false
		}
		m.elem = planOf(fd.Message(), t.Elem(), done)
		return m.elem != nil
	}
	return t.Kind() == want
}

// ---- numbers

func load(p unsafe.Pointer, width uint8) uint64 {
	switch width {
	case 1:
		return uint64(*(*uint8)(p))
	case 4:
		return uint64(*(*uint32)(p))
	}
	return *(*uint64)(p)
}

func store(p unsafe.Pointer, width uint8, v uint64) {
	switch width {
	case 1:
		*(*uint8)(p) = uint8(v)
	case 4:
		*(*uint32)(p) = uint32(v)
	default:
		*(*uint64)(p) = v
	}
}

// appendNumber writes a number, which load gave.
func (m *member) appendNumber(b []byte, v uint64) []byte {
	switch m.wire {
	case protowire.Fixed32Type:
		return protowire.AppendFixed32(b, uint32(v))
	case protowire.Fixed64Type:
		return protowire.AppendFixed64(b, v)
	}
	switch m.kind {
	case protoreflect.Int32Kind, protoreflect.EnumKind:
		v = uint64(int64(int32(v)))
	case protoreflect.Sint32Kind:
		v = protowire.EncodeZigZag(int64(int32(v)))
	case protoreflect.Sint64Kind:
		v = protowire.EncodeZigZag(int64(v))
	}
	return protowire.AppendVarint(b, v)
}

// number reads a number as store takes it; n < 0: there is none.
func (m *member) number(b []byte) (v uint64, n int) {
	switch m.wire {
	case protowire.Fixed32Type:
		v, n := protowire.ConsumeFixed32(b)
		return uint64(v), n
	case protowire.Fixed64Type:
		return protowire.ConsumeFixed64(b)
	}
	v, n = protowire.ConsumeVarint(b)
	switch m.kind {
	case protoreflect.BoolKind:
		if v > 0 {
			v = 1
		}
	case protoreflect.Sint32Kind:
		v = uint64(protowire.DecodeZigZag(v & math.MaxUint32))
	case protoreflect.Sint64Kind:
		v = uint64(protowire.DecodeZigZag(v))
	}
	return v, n
}

// ---- writing

// append writes the message at q behind buf.
func (p *plan) append(buf []byte, q unsafe.Pointer) ([]byte, bool) {
	ok := true
	for i := range p.fields {
		m := &p.fields[i]
		at := unsafe.Add(q, m.offset)
		switch m.shape {
		case optional:
			if *(*unsafe.Pointer)(at) == nil {
				continue
			}
			if m.kind != protoreflect.BytesKind {
				at = *(*unsafe.Pointer)(at)
			}
		case single:
			if m.empty(at) {
				continue
			}
		case list:
			if buf, ok = m.appendList(buf, at); !ok {
				return buf, false
			}
			continue
		case choice:
			continue // the library writes them last
		case dict:
			if buf, ok = m.pairs.append(m, buf, at); !ok {
				return buf, false
			}
			continue
		}
		if buf, ok = m.appendOne(buf, at); !ok {
			return buf, false
		}
	}
	for _, o := range p.oneofs {
		if buf, ok = o.append(buf, unsafe.Add(q, o.offset)); !ok {
			return buf, false
		}
	}
	return append(buf, *(*[]byte)(unsafe.Add(q, p.unknown))...), true
}

// empty says that a field without presence has its zero value.
func (m *member) empty(at unsafe.Pointer) bool {
	switch {
	case m.width > 0:
		return load(at, m.width) == 0
	case m.elem != nil:
		return *(*unsafe.Pointer)(at) == nil
	case m.kind == protoreflect.StringKind:
		return *(*string)(at) == ""
	}
	return len(*(*[]byte)(at)) == 0
}

// appendOne writes one value with its tag.
func (m *member) appendOne(buf []byte, at unsafe.Pointer) ([]byte, bool) {
	buf = append(buf, m.tag...)
	switch {
	case m.width > 0:
		return m.appendNumber(buf, load(at, m.width)), true
	case m.kind == protoreflect.StringKind:
		s := *(*string)(at)
		return protowire.AppendString(buf, s), validText(s)
	case m.kind == protoreflect.BytesKind:
		return protowire.AppendBytes(buf, *(*[]byte)(at)), true
	}
	q := *(*unsafe.Pointer)(at)
	if q == nil {
		return buf, false
	}
	from := len(buf)
	out, ok := m.elem.append(append(buf, 0), q)
	return withLength(out, from), ok
}

func validText(s string) bool { return frame.ValidText(unsafe.Slice(unsafe.StringData(s), len(s))) }

// withLength writes the length of what stands behind the byte at from, which is for it.
func withLength(b []byte, from int) []byte {
	n := len(b) - from - 1
	if n < 0x80 {
		b[from] = byte(n)
		return b
	}
	size := protowire.SizeVarint(uint64(n))
	b = append(b, make([]byte, size-1)...)
	copy(b[from+size:], b[from+1:from+1+n])
	protowire.AppendVarint(b[:from], uint64(n))
	return b
}

func (m *member) appendList(buf []byte, at unsafe.Pointer) ([]byte, bool) {
	if m.width > 0 {
		base, n := unsafe.Pointer(unsafe.SliceData(*(*[]byte)(at))), len(*(*[]byte)(at))
		if n == 0 {
			return buf, true
		}
		from := 0
		if m.packed {
			buf = append(protowire.AppendTag(buf, m.num, protowire.BytesType), 0)
			from = len(buf) - 1
		}
		for i := range n {
			if !m.packed {
				buf = append(buf, m.tag...)
			}
			buf = m.appendNumber(buf, load(unsafe.Add(base, i*int(m.width)), m.width))
		}
		if m.packed {
			buf = withLength(buf, from)
		}
		return buf, true
	}
	ok := true
	switch m.kind {
	case protoreflect.StringKind:
		l := *(*[]string)(at)
		for i := range l {
			if buf, ok = m.appendOne(buf, unsafe.Pointer(&l[i])); !ok {
				break
			}
		}
	case protoreflect.BytesKind:
		l := *(*[][]byte)(at)
		for i := range l {
			buf, _ = m.appendOne(buf, unsafe.Pointer(&l[i]))
		}
	default:
		l := *(*[]unsafe.Pointer)(at)
		for i := range l {
			if buf, ok = m.appendOne(buf, unsafe.Pointer(&l[i])); !ok {
				break
			}
		}
	}
	return buf, ok
}

// ---- reading

// read reads src into the message at q; what is read aliases src.
func (p *plan) read(src []byte, q unsafe.Pointer) bool {
	for len(src) > 0 {
		num, wire, n := protowire.Number(src[0]>>3), protowire.Type(src[0]&7), 1
		if src[0] >= 0x80 || num == 0 {
			if num, wire, n = protowire.ConsumeTag(src); n < 0 || num > protowire.MaxValidNumber {
				return false
			}
		}
		if int(num) >= len(p.byNum) || p.byNum[num] == 0 {
			v := protowire.ConsumeFieldValue(num, wire, src[n:])
			if v < 0 {
				return false
			}
			kept := (*[]byte)(unsafe.Add(q, p.unknown))
			*kept = protowire.AppendTag(*kept, num, wire) // which may have been longer than it needs to be
			*kept = append(*kept, src[n:n+v]...)
			src = src[n+v:]
			continue
		}
		m := &p.fields[p.byNum[num]-1]
		at := unsafe.Add(q, m.offset)
		if m.shape == list && m.width > 0 && wire == protowire.BytesType {
			all, k := sized(src[n:])
			if k < 0 || !m.readPacked(all, at) {
				return false
			}
			src = src[n+k:]
			continue
		}
		if wire != m.wire {
			return false
		}
		src = src[n:]
		switch m.shape {
		case single:
			n = m.readOne(src, at)
		case optional:
			if m.kind == protoreflect.BytesKind {
				if n = m.readOne(src, at); *(*[]byte)(at) == nil {
					*(*[]byte)(at) = []byte{}
				}
				break
			}
			v := reflect.New(m.rtype).UnsafePointer()
			n = m.readOne(src, v)
			*(*unsafe.Pointer)(at) = v
		case list:
			n = m.readElement(src, at)
		case choice:
			n = m.readChoice(src, at)
		case dict:
			n = m.pairs.read(m, src, at)
		}
		if n < 0 {
			return false
		}
		src = src[n:]
	}
	return true
}

// sized reads what has a length, as protowire.ConsumeBytes does.
func sized(src []byte) ([]byte, int) {
	if len(src) > 0 {
		if n := int(src[0]) + 1; n <= 0x80 && n <= len(src) {
			return src[1:n], n
		}
	}
	return protowire.ConsumeBytes(src)
}

// readOne reads one value behind its tag; below zero: it is not to be expected.
func (m *member) readOne(src []byte, at unsafe.Pointer) int {
	if m.width > 0 {
		v, n := m.number(src)
		if n > 0 {
			store(at, m.width, v)
		}
		return n
	}
	b, n := sized(src)
	switch {
	case n < 0:
	case m.kind == protoreflect.StringKind:
		if !frame.ValidText(b) {
			return -1
		}
		*(*string)(at) = unsafe.String(unsafe.SliceData(b), len(b))
	case m.kind == protoreflect.BytesKind:
		*(*[]byte)(at) = nil
		if len(b) > 0 {
			*(*[]byte)(at) = slices.Clip(b)
		}
	default:
		q := *(*unsafe.Pointer)(at)
		if q == nil {
			q = reflect.New(m.elem.rtype).UnsafePointer()
			*(*unsafe.Pointer)(at) = q
		}
		if !m.elem.read(b, q) {
			return -1
		}
	}
	return n
}

func (m *member) readPacked(all []byte, at unsafe.Pointer) bool {
	for len(all) > 0 {
		n := m.readElement(all, at)
		if n < 0 {
			return false
		}
		all = all[n:]
	}
	return true
}

func (m *member) readElement(src []byte, at unsafe.Pointer) int {
	switch {
	case m.width == 1:
		return readInto[uint8](m, src, at)
	case m.width == 4:
		return readInto[uint32](m, src, at)
	case m.width == 8:
		return readInto[uint64](m, src, at)
	case m.kind == protoreflect.StringKind:
		return readInto[string](m, src, at)
	case m.kind == protoreflect.BytesKind:
		n := readInto[[]byte](m, src, at)
		if l := *(*[][]byte)(at); n > 0 && l[len(l)-1] == nil {
			l[len(l)-1] = []byte{}
		}
		return n
	}
	return readInto[unsafe.Pointer](m, src, at)
}

func readInto[V any](m *member, src []byte, at unsafe.Pointer) int {
	l := append(*(*[]V)(at), *new(V))
	*(*[]V)(at) = l
	return m.readOne(src, unsafe.Pointer(&l[len(l)-1]))
}
