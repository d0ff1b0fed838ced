package protobuf

import (
	"encoding/binary"
	"errors"
	"fmt"
	"math"
	"slices"
	"strconv"

	"github.com/tinylib/msgp/msgp"
	"google.golang.org/protobuf/encoding/protowire"
	"google.golang.org/protobuf/reflect/protoreflect"

	"github.com/levada-io/levada/internal/frame"
)

// maxZeros is how many bytes of members one message may get that it does not have itself:
// two bytes of it can be a message with all the zeros of its fields.
const maxZeros = 64 << 20

// reader turns messages into MessagePack. The fields of a message may come in any order and
// several times, so it is gone through twice: once to see what there is, and once, in the
// order that values have, to write it.
type reader struct {
	src    []byte
	slots  []slot
	more   []span
	names  []named // of the maps that are open, in a frame
	strict bool
	once   bool // messages are gone through once
	depth  int
	groups int
	zeros  int

	untried int // messages that are not tried to be gone through once
}

// slot is what came of one field.
type slot struct {
	word        uint64 // the last number; of what has a length, the place of the first value
	came        bool
	chain, tail uint32 // further values are a chain in more; the place + 1
}

// span is where a value stands in its message.
type span struct {
	at   uint64
	next uint32
}

func place64(from, to int) uint64 { return uint64(from)<<32 | uint64(uint32(to)) }

// cut is the value that stands there.
func cut(src []byte, at uint64) []byte { return src[at>>32 : at&math.MaxUint32 : at&math.MaxUint32] }

// errOdd is a message that is none; what is wrong with it, locate says.
var errOdd = errors.New("a message that is none")

// maxGroups is how many groups may lie in each other: the end of each is looked for.
const maxGroups = 100

// read appends the MessagePack of a message. On an error dst comes back as it was.
func (r *reader) read(dst, src []byte, n *node, strict bool) ([]byte, error) {
	if uint64(len(src)) > math.MaxUint32 {
		return dst, failed("larger than 4 GiB")
	}
	r.begin(src, strict)
	out, err := r.message(dst, n, place64(0, len(src)), 0)
	r.src = nil
	if err == errOdd {
		if err = locate(n.desc, src, 0, nil, maxDepth); err == nil {
			err = errors.New("BUG: protobuf codec: a message is refused, and nothing is wrong with it")
		}
	}
	if err != nil {
		return dst, err
	}
	return out, nil
}

func (r *reader) begin(src []byte, strict bool) {
	r.src, r.strict, r.once = src, strict, false
	r.slots, r.more, r.names, r.depth, r.groups, r.zeros = r.slots[:0], r.more[:0], r.names[:0], 0, 0, 0
}

// message reads what stands at a place, and at those of a chain behind it: a message may come
// in parts, which are as if they stood behind each other.
func (r *reader) message(dst []byte, n *node, at uint64, chain uint32) ([]byte, error) {
	if r.depth++; r.depth > maxDepth {
		return dst, errOdd
	}
	base, more := len(r.slots), len(r.more)
	if err := r.scanAll(at, chain, n); err != nil {
		return dst, err
	}
	for _, i := range n.must {
		if !r.slots[base+i].came {
			return dst, in(failed("expected a required field, got none"), "."+n.fields[i].name)
		}
	}
	head := len(dst)
	if n.kept < 16 {
		dst = append(dst, 0x80)
	} else {
		dst = append(dst, 0xde, 0, 0)
	}
	count := 0
	for i := range n.fields {
		p := &n.fields[i]
		s := r.slots[base+i]
		if p.skip || !s.came && (p.told || p.bare || p.lean && p.maybeEmpty()) {
			continue
		}
		mark := len(dst)
		dst = msgp.AppendString(dst, p.name)
		if !s.came {
			dst = p.appendZero(dst)
			if r.zeros += len(dst) - mark; r.zeros > maxZeros {
				return dst, failed("expected at most %d bytes of members that it does not have, got more: its messages are empty", maxZeros)
			}
			count++
			continue
		}
		body := len(dst)
		var err error
		switch {
		case p.dict:
			dst, err = r.dict(dst, p, s)
		case p.list:
			dst, err = r.list(dst, p, s)
		case p.node != nil:
			if p.wire == protowire.StartGroupType {
				if r.groups++; r.groups > maxGroups {
					return dst, failed("more than %d groups in each other", maxGroups)
				}
			}
			dst, err = r.message(dst, p.node, s.word, s.chain)
			if p.wire == protowire.StartGroupType {
				r.groups--
			}
		default:
			dst = p.appendWord(dst, r.src, s.word)
		}
		if err != nil {
			return dst, in(err, "."+p.name)
		}
		if !p.told && (p.lean || p.bare) && p.left(dst[body:]) {
			dst = dst[:mark]
			continue
		}
		count++
	}
	if n.kept < 16 {
		dst[head] |= byte(count)
	} else {
		binary.BigEndian.PutUint16(dst[head+1:], uint16(count))
	}
	r.slots, r.more = r.slots[:base], r.more[:more]
	r.depth--
	return dst, nil
}

// maybeEmpty says that values of a field can be empty: text, bytes, lists and maps.
func (p *place) maybeEmpty() bool {
	return p.list || p.dict || p.kind == protoreflect.StringKind || p.kind == protoreflect.BytesKind
}

// left says that a value, in MessagePack, is left out.
func (p *place) left(b []byte) bool {
	switch {
	case p.list || p.dict:
		return binary.BigEndian.Uint32(b[1:]) == 0
	case p.kind == protoreflect.StringKind:
		return len(b) == 1
	case p.kind == protoreflect.BytesKind:
		return b[1] == 0 && b[0] == 0xc4
	case !p.bare:
		return false
	case p.kind == protoreflect.BoolKind:
		return b[0] == 0xc2
	case p.kind == protoreflect.FloatKind, p.kind == protoreflect.DoubleKind:
		v, _, err := real(b)
		return err == nil && v == 0
	}
	return b[0] == 0
}

// appendZero appends what stands for a field that did not come.
func (p *place) appendZero(dst []byte) []byte {
	switch {
	case p.dict:
		return append(dst, 0x80)
	case p.list:
		return append(dst, 0x90)
	}
	return p.value.appendZero(dst)
}

func (s *value) appendZero(dst []byte) []byte {
	switch s.kind {
	case protoreflect.BoolKind:
		return append(dst, 0xc2)
	case protoreflect.StringKind:
		return append(dst, 0xa0)
	case protoreflect.BytesKind:
		return append(dst, 0xc4, 0)
	case protoreflect.FloatKind:
		return msgp.AppendFloat32(dst, 0)
	case protoreflect.DoubleKind:
		return msgp.AppendFloat64(dst, 0)
	}
	return append(dst, 0)
}

// scanAll makes slots for the fields of a message, and goes through all its parts.
func (r *reader) scanAll(at uint64, chain uint32, n *node) error {
	base := len(r.slots)
	r.slots = slices.Grow(r.slots, len(n.fields))[:base+len(n.fields)]
	clear(r.slots[base:])
	for next := chain; ; at, next = r.more[next-1].at, r.more[next-1].next {
		if err := r.scan(at, n, r.slots[base:]); err != nil {
			return err
		}
		if next == 0 {
			return nil
		}
	}
}

// tag reads the tag of a field; size < 0: there is none. Most have one byte.
func tag(b []byte) (num protowire.Number, wire protowire.Type, size int) {
	if b[0] < 0x80 && b[0] >= 8 {
		return protowire.Number(b[0] >> 3), protowire.Type(b[0] & 7), 1
	}
	num, wire, size = protowire.ConsumeTag(b)
	if num > protowire.MaxValidNumber {
		size = -1
	}
	return num, wire, size
}

// blob finds the bytes of a value that has a length.
func blob(b []byte) (from, to int) {
	if len(b) > 0 && b[0] < 0x80 {
		if to = 1 + int(b[0]); to > len(b) {
			return 0, -1
		}
		return 1, to
	}
	v, size := protowire.ConsumeBytes(b)
	return size - len(v), size
}

// scan goes through the fields of a message and keeps what came of each.
func (r *reader) scan(at uint64, n *node, slots []slot) error {
	src := cut(r.src, at)
	start := int(at >> 32)
	for pos := 0; pos < len(src); {
		num, wire, size := tag(src[pos:])
		if size < 0 {
			return errOdd
		}
		pos += size
		i := n.field(num)
		if i < 0 || wire != n.fields[i].outer && !(wire == protowire.BytesType && n.fields[i].packs) {
			if size = protowire.ConsumeFieldValue(num, wire, src[pos:]); size < 0 {
				return errOdd
			}
			if r.strict {
				return failed("expected fields of %s, got field %d, which it does not have", n.name, num)
			}
			pos += size
			continue
		}
		p := &n.fields[i]
		var word uint64
		switch wire {
		case protowire.BytesType:
			from, to := blob(src[pos:])
			if to < 0 {
				return errOdd
			}
			word = place64(start+pos+from, start+pos+to)
			if p.utf8 && !p.dict && !p.skip && !frame.ValidText(src[pos+from:pos+to]) {
				return errOdd
			}
			pos += to
		case protowire.StartGroupType:
			b, size := protowire.ConsumeGroup(num, src[pos:])
			if size < 0 {
				return errOdd
			}
			word = place64(start+pos, start+pos+len(b))
			pos += size
		default:
			v, size := number(p.kind, wire, src[pos:])
			if size < 0 {
				return errOdd
			}
			if word = v; p.list {
				word = place64(start+pos, start+pos+size)
			}
			pos += size
		}
		if p.oneof >= 0 {
			for _, other := range n.oneofs[p.oneof].fields {
				if other == i || !slots[other].came {
					continue
				}
				if !r.sound(n.fields[other].node, slots[other]) {
					return errOdd
				}
				slots[other] = slot{}
			}
		}
		s := &slots[i]
		if !s.came || !p.list && !p.dict && p.node == nil {
			s.came, s.word = true, word
			continue
		}
		r.link(s, word)
	}
	return nil
}

// sound says that a message, which another member of its oneof takes the place of, is one all
// the same.
func (r *reader) sound(n *node, got slot) bool {
	if n == nil {
		return true
	}
	for at, next := got.word, got.chain; ; at, next = r.more[next-1].at, r.more[next-1].next {
		if locate(n.desc, cut(r.src, at), 0, nil, maxDepth-r.depth) != nil {
			return false
		}
		if next == 0 {
			return true
		}
	}
}

// link puts a further value of a field behind those that came.
func (r *reader) link(s *slot, at uint64) {
	r.more = append(r.more, span{at: at})
	if s.chain == 0 {
		s.chain = uint32(len(r.more))
	} else {
		r.more[s.tail-1].next = uint32(len(r.more))
	}
	s.tail = uint32(len(r.more))
}

// number reads a number as its kind has it; below zero: there is none.
func number(k protoreflect.Kind, wire protowire.Type, b []byte) (uint64, int) {
	switch wire {
	case protowire.Fixed32Type:
		v, n := protowire.ConsumeFixed32(b)
		return uint64(v), n
	case protowire.Fixed64Type:
		return protowire.ConsumeFixed64(b)
	}
	var v uint64
	n := 1
	if len(b) > 0 && b[0] < 0x80 {
		v = uint64(b[0])
	} else {
		v, n = protowire.ConsumeVarint(b)
	}
	switch k {
	case protoreflect.BoolKind:
		v = min(v, 1)
	case protoreflect.Sint32Kind:
		v = uint64(protowire.DecodeZigZag(v & math.MaxUint32))
	case protoreflect.Sint64Kind:
		v = uint64(protowire.DecodeZigZag(v))
	}
	return v, n
}

// appendWord appends a value that is no message: a number, or what stands at a place of src.
func (s *value) appendWord(dst, src []byte, v uint64) []byte {
	switch s.kind {
	case protoreflect.BoolKind:
		return msgp.AppendBool(dst, v != 0)
	case protoreflect.Int32Kind, protoreflect.EnumKind, protoreflect.Sint32Kind, protoreflect.Sfixed32Kind:
		return appendInt(dst, int64(int32(v)))
	case protoreflect.Int64Kind, protoreflect.Sint64Kind, protoreflect.Sfixed64Kind:
		return appendInt(dst, int64(v))
	case protoreflect.Uint32Kind, protoreflect.Fixed32Kind:
		return msgp.AppendUint64(dst, uint64(uint32(v)))
	case protoreflect.Uint64Kind, protoreflect.Fixed64Kind:
		return msgp.AppendUint64(dst, v)
	case protoreflect.FloatKind:
		return msgp.AppendFloat32(dst, math.Float32frombits(uint32(v)))
	case protoreflect.DoubleKind:
		return msgp.AppendFloat64(dst, math.Float64frombits(v))
	case protoreflect.BytesKind:
		return msgp.AppendBytes(dst, cut(src, v))
	}
	return msgp.AppendStringFromBytes(dst, cut(src, v))
}

// appendInt appends an integer in the shortest form.
func appendInt(dst []byte, v int64) []byte {
	if v >= 0 {
		return msgp.AppendUint64(dst, uint64(v))
	}
	return msgp.AppendInt64(dst, v)
}

// list reads the values of a repeated field, each by itself or many in one.
func (r *reader) list(dst []byte, p *place, got slot) ([]byte, error) {
	head, count := len(dst), 0
	dst = append(dst, 0xdd, 0, 0, 0, 0)
	for at, next := got.word, got.chain; ; {
		value := cut(r.src, at)
		switch {
		case p.node != nil:
			var err error
			if dst, err = r.message(dst, p.node, at, 0); err != nil {
				return dst, in(err, fmt.Sprintf("[%d]", count))
			}
			count++
		case p.wire == protowire.BytesType:
			dst = p.appendWord(dst, r.src, at)
			count++
		default: // packed, or a single one, which is the same
			for ; len(value) > 0; count++ {
				v, size := number(p.kind, p.wire, value)
				if size < 0 {
					return dst, errOdd
				}
				value = value[size:]
				dst = p.appendWord(dst, nil, v)
			}
		}
		if next == 0 {
			break
		}
		at, next = r.more[next-1].at, r.more[next-1].next
	}
	binary.BigEndian.PutUint32(dst[head+1:], uint32(count))
	return dst, nil
}

// dict reads the entries of a map.
func (r *reader) dict(dst []byte, p *place, got slot) ([]byte, error) {
	head, count := len(dst), 0
	dst = append(dst, 0xdf, 0, 0, 0, 0)
	for at, next := got.word, got.chain; ; {
		var err error
		if dst, err = r.entry(dst, at, p); err != nil {
			return dst, err
		}
		count++
		if next == 0 {
			break
		}
		at, next = r.more[next-1].at, r.more[next-1].next
	}
	binary.BigEndian.PutUint32(dst[head+1:], uint32(count))
	return dst, nil
}

// entry reads one entry of a map.
func (r *reader) entry(dst []byte, at uint64, p *place) ([]byte, error) {
	more := len(r.more)
	name, value, err := r.pair(at, p)
	if err != nil {
		return dst, err
	}
	var room [20]byte
	key := p.key.text(room[:0], r.src, name)
	dst = msgp.AppendStringFromBytes(dst, key)
	switch {
	case p.node != nil:
		out, err := r.message(dst, p.node, value.word, value.chain)
		if err != nil {
			return dst, in(err, "."+string(key))
		}
		r.more = r.more[:more]
		return out, nil
	case !value.came:
		return p.value.appendZero(dst), nil
	}
	return p.appendWord(dst, r.src, value.word), nil
}

// pair finds the key and the value of one entry of a map. Of several keys the last counts, as
// in any message.
func (r *reader) pair(at uint64, p *place) (name, value slot, err error) {
	src, start := cut(r.src, at), int(at>>32)
	for pos := 0; pos < len(src); {
		num, wire, size := tag(src[pos:])
		if size < 0 {
			return name, value, errOdd
		}
		pos += size
		of, into := p.key, &name
		if num == 2 {
			of, into = p.value, &value
		}
		if num > 2 || wire != of.wire {
			if size = protowire.ConsumeFieldValue(num, wire, src[pos:]); size < 0 {
				return name, value, errOdd
			}
			pos += size
			continue
		}
		if wire == protowire.BytesType {
			from, to := blob(src[pos:])
			if to < 0 || of.utf8 && !frame.ValidText(src[pos+from:pos+to]) {
				return name, value, errOdd
			}
			if word := place64(start+pos+from, start+pos+to); into.came && of.node != nil {
				r.link(into, word)
			} else {
				into.word = word
			}
			pos += to
		} else {
			if into.word, size = number(of.kind, wire, src[pos:]); size < 0 {
				return name, value, errOdd
			}
			pos += size
		}
		into.came = true
	}
	return name, value, nil
}

// text is a key of a map, that of a number being its digits.
func (k *value) text(room, src []byte, got slot) []byte {
	switch k.kind {
	case protoreflect.StringKind:
		return cut(src, got.word)
	case protoreflect.BoolKind:
		return strconv.AppendBool(room, got.word != 0)
	case protoreflect.Int32Kind, protoreflect.Sint32Kind, protoreflect.Sfixed32Kind:
		return strconv.AppendInt(room, int64(int32(got.word)), 10)
	case protoreflect.Int64Kind, protoreflect.Sint64Kind, protoreflect.Sfixed64Kind:
		return strconv.AppendInt(room, int64(got.word), 10)
	case protoreflect.Uint32Kind, protoreflect.Fixed32Kind:
		return strconv.AppendUint(room, uint64(uint32(got.word)), 10)
	}
	return strconv.AppendUint(room, got.word, 10)
}

// failure is a mistake in a value; its path grows on the way out.
type failure struct {
	path string
	text string
}

func (f *failure) Error() string { return "$" + f.path + ": " + f.text }

func failed(format string, args ...any) error { return &failure{text: fmt.Sprintf(format, args...)} }

// in puts a step before the path; of a very long one the end is kept.
func in(err error, step string) error {
	if f, ok := err.(*failure); ok && len(f.path) < 300 {
		if f.path = step + f.path; len(f.path) >= 300 {
			f.path = "..." + f.path
		}
	}
	return err
}
