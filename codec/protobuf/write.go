package protobuf

import (
	"bytes"
	"cmp"
	"errors"
	"fmt"
	"math"
	"slices"
	"strconv"
	"unicode/utf8"

	"github.com/tinylib/msgp/msgp"
	"google.golang.org/protobuf/encoding/protowire"
	"google.golang.org/protobuf/reflect/protoreflect"
)

// writer turns MessagePack into messages. It trusts its bytes, which a layout has written.
type writer struct {
	from    []byte  // the whole of it
	values  []int   // where those of the messages that are open begin, by field, from the end
	entries []keyed // of the maps that are open
	seeks   bool    // members come in any order
}

// keyed is an entry of a map: places as they are in values.
type keyed struct {
	key, size int
	word      uint64 // of a key that is a number; in the order of numbers
	value     int
}

// write appends the message of a value. On an error dst comes back as it was.
func (w *writer) write(dst, src []byte, n *node) ([]byte, error) {
	w.from, w.values, w.entries, w.seeks = src, w.values[:0], w.entries[:0], false
	out, _, err := w.message(dst, src, n)
	if err == errOrder {
		w.values, w.entries, w.seeks = w.values[:0], w.entries[:0], true
		out, _, err = w.message(dst, src, n)
	}
	w.from = nil
	if err != nil {
		return dst, err
	}
	return out, nil
}

// at is what begins at a place.
func (w *writer) at(place int) []byte { return w.from[len(w.from)-place:] }

// errOrder is a message whose members do not come in the order that they are written in.
var errOrder = errors.New("members in another order")

var typeNames = map[msgp.Type]string{
	msgp.StrType: "string", msgp.BinType: "bytes", msgp.MapType: "object", msgp.ArrayType: "list", msgp.Float64Type: "number", msgp.Float32Type: "number",
	msgp.BoolType: "bool", msgp.IntType: "integer", msgp.UintType: "integer", msgp.NilType: "null", msgp.ExtensionType: "time", msgp.TimeType: "time",
}

func mismatch(expected string, src []byte) error {
	return failed("expected %s, got %s", expected, typeNames[msgp.NextType(src)])
}

func isNull(src []byte) bool { return len(src) > 0 && src[0] == 0xc0 }

// message writes the fields in the order that the library has. Most types have that order, and
// their members are written as they come; others are looked for first.
func (w *writer) message(dst, src []byte, n *node) (out, rest []byte, err error) {
	if msgp.NextType(src) != msgp.MapType {
		return dst, src, mismatch(n.name, src)
	}
	count, rest, err := msgp.ReadMapHeaderBytes(src)
	if err != nil {
		return dst, src, err
	}
	base, next := len(w.values), 0
	w.values = slices.Grow(w.values, len(n.fields))[:base+len(n.fields)]
	clear(w.values[base:])
	begin, flows := len(dst), n.sorted && !w.seeks
	for range count {
		var name []byte
		if name, rest, err = msgp.ReadStringZC(rest); err != nil {
			return dst, src, err
		}
		i, known := next, true
		if next >= len(n.fields) || n.fields[next].name != string(name) {
			i, known = n.index[string(name)]
		}
		if known && (!isNull(rest) || !n.fields[i].nullable()) {
			w.values[base+i] = len(rest)
			if flows && i < next {
				return dst[:begin], src, errOrder
			}
			if next = i + 1; flows {
				if dst, rest, err = w.field(dst, rest, &n.fields[i]); err != nil {
					return dst, src, in(err, "."+n.fields[i].name)
				}
				continue
			}
		}
		if rest, err = msgp.Skip(rest); err != nil {
			return dst, src, err
		}
	}
	for i := range n.oneofs {
		if err := w.alone(n, &n.oneofs[i], base); err != nil {
			return dst, src, err
		}
	}
	for _, i := range n.must {
		if w.values[base+i] == 0 {
			return dst, src, in(failed("expected a required field, got none"), "."+n.fields[i].name)
		}
	}
	for _, i := range n.order {
		v := w.values[base+i]
		if v == 0 || flows {
			continue
		}
		if dst, _, err = w.field(dst, w.at(v), &n.fields[i]); err != nil {
			return dst, src, in(err, "."+n.fields[i].name)
		}
	}
	w.values = w.values[:base]
	return dst, rest, nil
}

// field writes what a member has.
func (w *writer) field(dst, src []byte, p *place) (out, rest []byte, err error) {
	switch {
	case p.dict:
		return w.dict(dst, src, p)
	case p.list:
		return w.list(dst, src, p)
	case !p.told && zero(src, p.value):
		rest, err = msgp.Skip(src)
		return dst, rest, err
	}
	return w.single(dst, src, p.value)
}

// nullable says that null stands for a field that is not there.
func (p *place) nullable() bool { return p.told || p.list || p.dict }

// alone says that of a oneof one member is there at most.
func (w *writer) alone(n *node, o *oneof, base int) error {
	first := -1
	for _, i := range o.fields {
		switch {
		case w.values[base+i] == 0:
		case first >= 0:
			return failed("expected one member of the oneof %s, got %s and %s", o.name, n.fields[first].name, n.fields[i].name)
		default:
			first = i
		}
	}
	return nil
}

// zero says that a value stands for one that is not there. What is no such value is none.
func zero(src []byte, s *value) bool {
	switch s.kind {
	case protoreflect.BoolKind:
		return src[0] == 0xc2
	case protoreflect.StringKind:
		return src[0] == 0xa0
	case protoreflect.BytesKind:
		return src[0] == 0xc4 && src[1] == 0
	case protoreflect.FloatKind, protoreflect.DoubleKind:
		v, _, err := real(src)
		return err == nil && math.Float64bits(v) == 0
	}
	return src[0] == 0
}

// single writes one value with its tag.
func (w *writer) single(dst, src []byte, s *value) (out, rest []byte, err error) {
	dst = protowire.AppendTag(dst, s.num, s.wire)
	switch s.wire {
	case protowire.StartGroupType:
		if dst, rest, err = w.message(dst, src, s.node); err != nil {
			return dst, src, err
		}
		return protowire.AppendTag(dst, s.num, protowire.EndGroupType), rest, nil
	case protowire.BytesType:
		return w.sized(dst, src, s)
	}
	return appendNumber(dst, src, s)
}

// sized writes a value that has a length.
func (w *writer) sized(dst, src []byte, s *value) (out, rest []byte, err error) {
	switch s.kind {
	case protoreflect.StringKind:
		if msgp.NextType(src) != msgp.StrType {
			return dst, src, mismatch(s.named, src)
		}
		v, rest, err := msgp.ReadStringZC(src)
		if err == nil && s.utf8 && !utf8.Valid(v) {
			err = failed("expected text, got bytes that are no UTF-8")
		}
		return protowire.AppendBytes(dst, v), rest, err
	case protoreflect.BytesKind:
		if msgp.NextType(src) != msgp.BinType {
			return dst, src, mismatch(s.named, src)
		}
		v, rest, err := msgp.ReadBytesZC(src)
		return protowire.AppendBytes(dst, v), rest, err
	}
	from := len(dst)
	if dst, rest, err = w.message(append(dst, 0), src, s.node); err != nil {
		return dst, src, err
	}
	return withLength(dst, from), rest, nil
}

// appendNumber writes a number without its tag.
func appendNumber(dst, src []byte, s *value) (out, rest []byte, err error) {
	t := msgp.NextType(src)
	switch s.kind {
	case protoreflect.BoolKind:
		if t != msgp.BoolType {
			return dst, src, mismatch(s.named, src)
		}
		v, rest, err := msgp.ReadBoolBytes(src)
		return protowire.AppendVarint(dst, protowire.EncodeBool(v)), rest, err
	case protoreflect.FloatKind, protoreflect.DoubleKind:
		if t != msgp.Float64Type && t != msgp.Float32Type && t != msgp.IntType && t != msgp.UintType {
			return dst, src, mismatch(s.named, src)
		}
		v, rest, err := real(src)
		if s.kind == protoreflect.DoubleKind {
			return protowire.AppendFixed64(dst, math.Float64bits(v)), rest, err
		}
		f := float32(v)
		if math.IsInf(float64(f), 0) && !math.IsInf(v, 0) {
			return dst, src, failed("expected float32, got %v", v)
		}
		return protowire.AppendFixed32(dst, math.Float32bits(f)), rest, err
	}
	if t != msgp.IntType && t != msgp.UintType {
		return dst, src, mismatch(s.named, src)
	}
	word, negative, rest, err := integer(src)
	if err != nil {
		return dst, src, err
	}
	least, most := limits(s.kind)
	if negative && int64(word) < least || !negative && word > most {
		if negative {
			return dst, src, failed("expected %s, got %d", s.named, int64(word))
		}
		return dst, src, failed("expected %s, got %d", s.named, word)
	}
	return appendInteger(dst, word, s), rest, nil
}

// appendInteger writes what is within the limits of its kind.
func appendInteger(dst []byte, word uint64, s *value) []byte {
	switch {
	case s.wire == protowire.Fixed32Type:
		return protowire.AppendFixed32(dst, uint32(word))
	case s.wire == protowire.Fixed64Type:
		return protowire.AppendFixed64(dst, word)
	case s.kind == protoreflect.Sint32Kind || s.kind == protoreflect.Sint64Kind:
		word = protowire.EncodeZigZag(int64(word))
	}
	return protowire.AppendVarint(dst, word)
}

// limits are the least and the most of a kind of integers.
func limits(k protoreflect.Kind) (least int64, most uint64) {
	switch k {
	case protoreflect.Uint32Kind, protoreflect.Fixed32Kind:
		return 0, math.MaxUint32
	case protoreflect.Uint64Kind, protoreflect.Fixed64Kind:
		return 0, math.MaxUint64
	case protoreflect.Int64Kind, protoreflect.Sint64Kind, protoreflect.Sfixed64Kind:
		return math.MinInt64, math.MaxInt64
	}
	return math.MinInt32, math.MaxInt32
}

// integer reads an integer; a negative one comes as two's complement.
func integer(src []byte) (word uint64, negative bool, rest []byte, err error) {
	if src[0] == 0xcf { // the one form that an int64 does not hold
		v, rest, err := msgp.ReadUint64Bytes(src)
		return v, false, rest, err
	}
	v, rest, err := msgp.ReadInt64Bytes(src)
	return uint64(v), v < 0, rest, err
}

func real(src []byte) (float64, []byte, error) {
	switch msgp.NextType(src) {
	case msgp.Float32Type:
		v, rest, err := msgp.ReadFloat32Bytes(src)
		return float64(v), rest, err
	case msgp.UintType, msgp.IntType:
		v, negative, rest, err := integer(src)
		if negative {
			return float64(int64(v)), rest, err
		}
		return float64(v), rest, err
	}
	return msgp.ReadFloat64Bytes(src)
}

// list writes the values of a repeated field.
func (w *writer) list(dst, src []byte, p *place) (out, rest []byte, err error) {
	if msgp.NextType(src) != msgp.ArrayType {
		return dst, src, mismatch("list", src)
	}
	count, rest, err := msgp.ReadArrayHeaderBytes(src)
	if err != nil || count == 0 {
		return dst, rest, err
	}
	from := len(dst)
	if p.pack {
		dst = append(protowire.AppendTag(dst, p.num, protowire.BytesType), 0)
		from = len(dst) - 1
	}
	for i := range count {
		if p.pack {
			dst, rest, err = appendNumber(dst, rest, p.value)
		} else {
			dst, rest, err = w.single(dst, rest, p.value)
		}
		if err != nil {
			return dst, src, in(err, fmt.Sprintf("[%d]", i))
		}
	}
	if p.pack {
		dst = withLength(dst, from)
	}
	return dst, rest, nil
}

func (w *writer) key(e keyed) []byte { return w.at(e.key)[:e.size] }

// dict writes the entries of a map in the order of their keys.
func (w *writer) dict(dst, src []byte, p *place) (out, rest []byte, err error) {
	if msgp.NextType(src) != msgp.MapType {
		return dst, src, mismatch("object", src)
	}
	count, rest, err := msgp.ReadMapHeaderBytes(src)
	if err != nil {
		return dst, rest, err
	}
	base := len(w.entries)
	for range count {
		var key []byte
		if key, rest, err = msgp.ReadStringZC(rest); err != nil {
			return dst, rest, err
		}
		e := keyed{key: len(rest) + len(key), size: len(key), value: len(rest)}
		if e.word, err = p.key.number(key); err != nil {
			return dst, src, err
		}
		if rest, err = msgp.Skip(rest); err != nil {
			return dst, rest, err
		}
		w.entries = append(w.entries, e)
	}
	slices.SortStableFunc(w.entries[base:], func(a, b keyed) int {
		return cmp.Or(cmp.Compare(a.word, b.word), bytes.Compare(w.key(a), w.key(b)))
	})
	for i := base; i < base+int(count); i++ {
		e := w.entries[i]
		dst = append(protowire.AppendTag(dst, p.num, protowire.BytesType), 0)
		from := len(dst) - 1
		dst = p.key.appendKey(dst, w.key(e), e.word)
		if dst, _, err = w.single(dst, w.at(e.value), p.second); err != nil {
			return dst, src, in(err, "."+string(w.key(e)))
		}
		dst = withLength(dst, from)
	}
	w.entries = w.entries[:base]
	return dst, rest, nil
}

// signs turns numbers with a sign into such without, in the same order.
const signs = 1 << 63

// number is a key that is a number as it is sorted; of text it is 0.
func (k *value) number(key []byte) (uint64, error) {
	if k.kind == protoreflect.StringKind {
		if k.utf8 && !utf8.Valid(key) {
			return 0, failed("expected a key of text, got bytes that are no UTF-8")
		}
		return 0, nil
	}
	wrong := func() error { return failed("expected the keys of a map to be %s, got %q", k.named, key) }
	text := string(key)
	switch least, most := limits(k.kind); {
	case k.kind == protoreflect.BoolKind:
		if text != "true" && text != "false" {
			return 0, wrong()
		}
		return protowire.EncodeBool(text == "true"), nil
	case least == 0:
		v, err := strconv.ParseUint(text, 10, 64)
		if err != nil || v > most || strconv.FormatUint(v, 10) != text {
			return 0, wrong()
		}
		return v, nil
	default:
		v, err := strconv.ParseInt(text, 10, 64)
		if err != nil || v < least || v > 0 && uint64(v) > most || strconv.FormatInt(v, 10) != text {
			return 0, wrong()
		}
		return uint64(v) ^ signs, nil
	}
}

// appendKey writes the key of an entry with its tag.
func (k *value) appendKey(dst, key []byte, word uint64) []byte {
	dst = protowire.AppendTag(dst, 1, k.wire)
	if k.kind == protoreflect.StringKind {
		return protowire.AppendBytes(dst, key)
	}
	return k.appendWordOfKey(dst, word)
}

// appendWordOfKey writes a key that is a number or a bool.
func (k *value) appendWordOfKey(dst []byte, word uint64) []byte {
	if least, _ := limits(k.kind); k.kind != protoreflect.BoolKind && least < 0 {
		word ^= signs
	}
	return appendInteger(dst, word, k)
}
