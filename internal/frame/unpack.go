package frame

import (
	"encoding/binary"
	"math"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"

	"github.com/tinylib/msgp/msgp"
)

// Msgpack is MessagePack as a Wire. A strict one refuses text that is no UTF-8 and a key
// that comes twice in one map.
//
// # Notes
//
// It reads as JSON is read (see ParseJSON), member for member, and differs where the
// format says more: bytes are bin and text is str, neither is read for the other; a time
// is the timestamp extension; NaN and the infinities are numbers. A float of 32 bits is
// read as what it is exactly. A number that is sent as a float is none of the integers.
// Keys are str. Other extensions have no form in a value; where no member names them
// they are passed over.
//
// A length or count that the rest of the message can not hold is refused before
// anything is allocated for it.
func (l *Layout) Msgpack(strict bool) Wire { return msgpackWire{l, strict, false} }

// MarkedMsgpack is Msgpack with the variant of each union in front of it, see AppendVariant.
func (l *Layout) MarkedMsgpack(strict bool) Wire { return msgpackWire{l, strict, true} }

type msgpackWire struct {
	layout         *Layout
	strict, marked bool
}

func (w msgpackWire) Read(messages [][]byte, fail func(i int, err error)) (*Column, error) {
	u := unpacker{w.layout.parsers.get()}
	defer w.layout.parsers.put(u.parser)
	u.strict, u.marked = w.strict, w.marked
	return w.layout.readColumn(messages, "msgpack", func(dst, src []byte) ([]byte, error) {
		u.reset(src, dst)
		err := u.message(w.layout.root)
		return u.dst, err
	}, fail)
}

func (w msgpackWire) Append(dst, value []byte) ([]byte, error) {
	return w.layout.appendMsgpack(dst, value, w.marked)
}

// ParseMsgpack appends the frame of a message. On an error dst comes back as it was.
func (l *Layout) ParseMsgpack(dst, src []byte, strict bool) ([]byte, error) {
	return l.parseMsgpack(dst, src, strict, false)
}

func (l *Layout) parseMsgpack(dst, src []byte, strict, marked bool) ([]byte, error) {
	u := unpacker{l.parsers.get()}
	u.strict, u.marked = strict, marked
	u.reset(src, dst)
	err := u.message(l.root)
	out := u.dst
	l.parsers.put(u.parser)
	if err != nil {
		return dst, err
	}
	return out, nil
}

// unpacker reads one message into one frame. How members that come out of order are
// put in order is the parser's, whatever the format.
type unpacker struct{ *parser }

func (u unpacker) message(root *node) error {
	begin := len(u.dst)
	if len(u.src) == 0 {
		return errEmptyMessage()
	}
	if err := u.value(root); err != nil {
		return err
	}
	if err := u.finished(); err != nil {
		return err
	}
	if len(u.dst)-begin > math.MaxUint32 {
		return errorf("larger than 4 GiB")
	}
	return nil
}

func errEmptyMessage() error { return errorf("expected a msgpack value, got an empty message") }

// finished checks that nothing stands behind the value.
func (u unpacker) finished() error {
	if u.pos < len(u.src) {
		return errorf("malformed msgpack at byte %d: expected the end, got %d more bytes", u.pos, len(u.src)-u.pos)
	}
	return nil
}

const nilByte = 0xc0

// nil reads a nil where one stands.
func (u unpacker) nil() bool {
	if u.pos < len(u.src) && u.src[u.pos] == nilByte {
		u.pos++
		return true
	}
	return false
}

// moved takes what msgp has left of the message.
func (u unpacker) moved(rest []byte, err error) error {
	if err != nil {
		return u.short()
	}
	u.pos = len(u.src) - len(rest)
	return nil
}

// short is what is wrong where a value has the right kind and can not be read all the
// same.
func (u unpacker) short() *Error {
	return errorf("malformed msgpack at byte %d: the message of %d bytes ends inside of a value", u.pos, len(u.src))
}

// next is the kind of the next value; it is an error if there is none.
func (u unpacker) next() (msgp.Type, error) {
	if u.pos >= len(u.src) {
		return msgp.InvalidType, u.short()
	}
	t := msgp.NextType(u.src[u.pos:])
	switch t {
	case msgp.InvalidType:
		return t, errorf("malformed msgpack at byte %d: no value begins with 0x%02x", u.pos, u.src[u.pos])
	case msgp.TimeType, msgp.Complex64Type, msgp.Complex128Type:
		// msgp has extensions of its own, which nobody else reads so.
		t = msgp.ExtensionType
	}
	return t, nil
}

// mismatch is the error of a value of another kind; it reads what is there, so that a
// torn message is told from a wrong kind.
func (u unpacker) mismatch(expected string) error {
	got, err := u.describe()
	if err != nil {
		return err
	}
	return errorf("expected %s, got %s", expected, got)
}

func (u unpacker) describe() (string, error) {
	t, err := u.next()
	if err != nil {
		return "", err
	}
	switch t {
	case msgp.NilType:
		return "nil", nil
	case msgp.BoolType:
		return "bool", nil
	case msgp.StrType:
		_, err := u.str()
		return "string", err
	case msgp.BinType:
		_, err := u.bin()
		return "bytes", err
	case msgp.ArrayType:
		_, err := u.head(false)
		return "array", err
	case msgp.MapType:
		_, err := u.head(true)
		return "map", err
	case msgp.IntType, msgp.UintType:
		v, negative, err := u.whole()
		if negative {
			return strconv.FormatInt(int64(v), 10), err
		}
		return strconv.FormatUint(v, 10), err
	case msgp.Float32Type, msgp.Float64Type:
		v, err := u.real()
		return "float " + strconv.FormatFloat(v, 'g', -1, 64), err
	}
	kind, body, err := u.extension()
	if kind == timestamp {
		return "time", err
	}
	return "extension " + strconv.Itoa(int(kind)) + " of " + strconv.Itoa(len(body)) + " bytes", err
}

// value reads a value with its presence byte.
func (u unpacker) value(n *node) error {
	if n.nullable {
		if u.nil() {
			u.dst = append(u.dst, null)
			return nil
		}
		u.dst = append(u.dst, present)
	}
	return u.bare(n)
}

func (u unpacker) bare(n *node) error {
	switch k := n.kind; {
	case k == kString:
		return u.text()
	case k.integer():
		v, err := u.integer(k)
		u.dst = le.AppendUint64(u.dst, v)
		return err
	case k.float():
		v, err := u.float(k)
		u.dst = le.AppendUint64(u.dst, math.Float64bits(v))
		return err
	case k == kBool:
		v, err := u.bool()
		u.dst = append(u.dst, 0)
		if v {
			u.dst[len(u.dst)-1] = 1
		}
		return err
	case n.number():
		v, err := u.ticks(n)
		u.dst = le.AppendUint64(u.dst, uint64(v))
		return err
	case k == kTime:
		v, err := u.time()
		u.dst = le.AppendUint64(u.dst, v)
		return err
	case k == kConst:
		return u.constant(n)
	case k == kUnion:
		return u.union(n)
	}
	t, err := u.next()
	if err != nil {
		return err
	}
	switch n.kind {
	case kStruct:
		if t != msgp.MapType {
			return u.mismatch("map")
		}
		return u.object(n)
	case kMap:
		if t != msgp.MapType {
			return u.emptyFor("map")
		}
		return u.dict(n.elem)
	case kList:
		if t != msgp.ArrayType {
			return u.emptyFor("array")
		}
		return u.list(n.elem)
	case kBytes:
		if t != msgp.BinType {
			return u.emptyFor("bytes")
		}
		return u.blob()
	case kTuple:
		if t != msgp.ArrayType {
			return u.mismatch("array")
		}
		return u.tuple(n)
	}
	return u.any(t)
}

// integer reads an integer of a kind; a negative one comes as two's complement.
func (u unpacker) integer(k kind) (uint64, error) {
	// Most are not negative, and in the shortest form.
	if b := u.src[u.pos:]; len(b) >= 9 || len(b) > 0 && b[0] < 0x80 {
		v, size := uint64(b[0]), 1
		switch {
		case v < 0x80:
		case v == 0xcc:
			v, size = uint64(b[1]), 2
		case v == 0xcd:
			v, size = uint64(binary.BigEndian.Uint16(b[1:])), 3
		case v == 0xce:
			v, size = uint64(binary.BigEndian.Uint32(b[1:])), 5
		case v == 0xcf:
			v, size = binary.BigEndian.Uint64(b[1:]), 9
		default:
			size = 0
		}
		if size > 0 && v <= maxOf[k] {
			u.pos += size
			return v, nil
		}
	}
	t, err := u.next()
	if err != nil {
		return 0, err
	}
	if t != msgp.IntType && t != msgp.UintType {
		return 0, u.mismatch("integer")
	}
	v, negative, err := u.whole()
	switch {
	case err != nil:
		return 0, err
	case negative && (k.unsigned() || -v > maxOf[k]+1):
		return 0, errorf("expected %s, got %d", k, int64(v))
	case !negative && v > maxOf[k]:
		return 0, errorf("expected %s, got %d", k, v)
	}
	return v, nil
}

func (u unpacker) float(k kind) (float64, error) {
	if b := u.src[u.pos:]; k == kFloat64 && len(b) >= 9 && b[0] == 0xcb {
		u.pos += 9
		return math.Float64frombits(binary.BigEndian.Uint64(b[1:])), nil
	}
	t, err := u.next()
	if err != nil {
		return 0, err
	}
	v := 0.0
	switch t {
	case msgp.Float32Type, msgp.Float64Type:
		v, err = u.real()
	case msgp.IntType, msgp.UintType:
		whole, negative := uint64(0), false
		if whole, negative, err = u.whole(); negative {
			v = float64(int64(whole))
		} else {
			v = float64(whole)
		}
	default:
		return 0, u.mismatch("number")
	}
	if err == nil && k == kFloat32 {
		f := float64(float32(v))
		if math.IsInf(f, 0) && !math.IsInf(v, 0) {
			return 0, errorf("expected float32, got %v", v)
		}
		v = f
	}
	return v, err
}

func (u unpacker) bool() (bool, error) {
	t, err := u.next()
	if err != nil {
		return false, err
	}
	if t != msgp.BoolType {
		return false, u.mismatch("bool")
	}
	u.pos++
	return u.src[u.pos-1] == 0xc3, nil
}

// emptyFor reads nil as an empty list, map or bytes.
func (u unpacker) emptyFor(expected string) error {
	if u.nil() {
		u.dst = le.AppendUint32(u.dst, 0)
		return nil
	}
	return u.mismatch(expected)
}

// str reads text as it stands; it aliases the message.
func (u unpacker) str() ([]byte, error) {
	s, rest, err := msgp.ReadStringZC(u.src[u.pos:])
	return s, u.moved(rest, err)
}

// shortText reads a string of less than 32 bytes, as most are; false: something else
// stands here. It aliases the message.
func (u unpacker) shortText() ([]byte, bool) {
	src, from := u.src, u.pos+1
	if from > len(src) || src[from-1]&0xe0 != 0xa0 {
		return nil, false
	}
	to := from + int(src[from-1]&0x1f)
	if to > len(src) {
		return nil, false
	}
	u.pos = to
	return src[from:to:to], true
}

// isNext reads a key where it is that one, in the shortest form.
func (u unpacker) isNext(packed string) bool {
	if strings.HasPrefix(asText(u.src[u.pos:]), packed) {
		u.pos += len(packed)
		return true
	}
	return false
}

// bin reads bytes; they alias the message.
func (u unpacker) bin() ([]byte, error) {
	b, rest, err := msgp.ReadBytesZC(u.src[u.pos:])
	return b, u.moved(rest, err)
}

// head reads the count of an array or map, and refuses one that can not be true.
func (u unpacker) head(pairs bool) (int, error) {
	// Up to 15, where the message goes on long enough for whatever they are.
	if b := u.src[u.pos:]; len(b) > 30 && (pairs && b[0]&0xf0 == 0x80 || !pairs && b[0]&0xf0 == 0x90) {
		u.pos++
		return int(b[0] & 0x0f), nil
	}
	read, least, what := msgp.ReadArrayHeaderBytes, 1, "elements"
	if pairs {
		read, least, what = msgp.ReadMapHeaderBytes, 2, "members"
	}
	n, rest, err := read(u.src[u.pos:])
	if err != nil {
		return 0, u.short()
	}
	if uint64(n)*uint64(least) > uint64(len(rest)) {
		return 0, errorf("malformed msgpack at byte %d: %d %s in %d bytes", u.pos, n, what, len(rest))
	}
	u.pos = len(u.src) - len(rest)
	return int(n), nil
}

// whole reads an integer; a negative one comes as two's complement.
func (u unpacker) whole() (v uint64, negative bool, err error) {
	b := u.src[u.pos:]
	if b[0] == 0xcf { // the one form that an int64 does not hold
		v, rest, err := msgp.ReadUint64Bytes(b)
		return v, false, u.moved(rest, err)
	}
	i, rest, err := msgp.ReadInt64Bytes(b)
	return uint64(i), i < 0, u.moved(rest, err)
}

func (u unpacker) real() (float64, error) {
	v, rest, err := msgp.ReadFloat64Bytes(u.src[u.pos:])
	return v, u.moved(rest, err)
}

// timestamp is the extension type of a time.
const timestamp = -1

// extension reads a value of an extension type.
func (u unpacker) extension() (int8, []byte, error) {
	b := u.src[u.pos:]
	head, n := 2, 0
	switch b[0] {
	case 0xc7:
		head = 3
		if len(b) > 1 {
			n = int(b[1])
		}
	case 0xc8:
		head = 4
		if len(b) > 2 {
			n = int(b[1])<<8 | int(b[2])
		}
	case 0xc9:
		head = 6
		if len(b) > 4 {
			n = int(b[1])<<24 | int(b[2])<<16 | int(b[3])<<8 | int(b[4])
		}
	default:
		n = 1 << (b[0] - 0xd4)
	}
	if n < 0 || len(b)-head < n {
		return 0, nil, u.short()
	}
	u.pos += head + n
	return int8(b[head-1]), b[head : head+n], nil
}

// time reads the microseconds of a time.
func (u unpacker) time() (uint64, error) {
	t, err := u.next()
	if err != nil {
		return 0, err
	}
	if t != msgp.ExtensionType {
		return 0, u.mismatch("time")
	}
	from := u.pos
	kind, _, err := u.extension()
	if err != nil {
		return 0, err
	}
	if kind != timestamp {
		u.pos = from
		return 0, u.mismatch("time")
	}
	at, _, err := msgp.ReadTimeUTCBytes(u.src[from:u.pos])
	if err != nil {
		return 0, errorf("malformed msgpack at byte %d: expected a time of 4, 8 or 12 bytes with less than 1000000000 ns", from)
	}
	if s := at.Unix(); s < minSecond || s > maxSecond {
		return 0, errorf("expected a time in the years 0 to 9999, got %d s from 1970", s)
	}
	return uint64(at.UnixMicro()), nil
}

// text reads a string into dst, with its length.
func (u unpacker) text() error {
	s, ok := u.shortText()
	if !ok {
		t, err := u.next()
		if err != nil {
			return err
		}
		if t != msgp.StrType {
			return u.mismatch("string")
		}
		if s, err = u.str(); err != nil {
			return err
		}
	}
	if !ValidText(s) {
		var err error
		if s, err = u.repaired(s); err != nil {
			return err
		}
	}
	u.dst = append(le.AppendUint32(u.dst, uint32(len(s))), s...)
	return nil
}

// repaired has U+FFFD for each byte that is no UTF-8, as in text from JSON.
func (u unpacker) repaired(s []byte) ([]byte, error) {
	if u.strict {
		return nil, errorf("a string is no UTF-8")
	}
	u.parser.key = u.parser.key[:0]
	for _, r := range string(s) {
		u.parser.key = utf8.AppendRune(u.parser.key, r)
	}
	return u.parser.key, nil
}

func (u unpacker) blob() error {
	b, err := u.bin()
	if err != nil {
		return err
	}
	u.dst = append(le.AppendUint32(u.dst, uint32(len(b))), b...)
	return nil
}

// name reads a key. The bytes last until the next call.
func (u unpacker) name() ([]byte, error) {
	t, err := u.next()
	if err != nil {
		return nil, err
	}
	if t != msgp.StrType {
		return nil, u.mismatch("a string as key")
	}
	key, err := u.str()
	if err == nil && !ValidText(key) {
		key, err = u.repaired(key)
	}
	return key, err
}

func (u unpacker) list(elem *node) error {
	if err := u.enter(); err != nil {
		return err
	}
	n, err := u.head(false)
	if err != nil {
		return err
	}
	u.dst = le.AppendUint32(u.dst, uint32(n))
	for i := range n {
		if err := u.value(elem); err != nil {
			return inElement(err, i)
		}
	}
	u.depth--
	return nil
}

func (u unpacker) tuple(n *node) error {
	if err := u.enter(); err != nil {
		return err
	}
	count, err := u.head(false)
	if err != nil {
		return err
	}
	if count != len(n.elems) {
		return errorf("expected %d elements, got %d", len(n.elems), count)
	}
	for i, e := range n.elems {
		if err := u.value(e); err != nil {
			return inElement(err, i)
		}
	}
	u.depth--
	return nil
}

// ticks reads a number in a unit as microseconds.
func (u unpacker) ticks(n *node) (int64, error) {
	t, err := u.next()
	if err != nil {
		return 0, err
	}
	var word uint64
	of, negative, from := tagInt, false, u.pos
	switch t {
	case msgp.IntType, msgp.UintType:
		if word, negative, err = u.whole(); !negative && word > math.MaxInt64 {
			of = tagUint
		}
	case msgp.Float32Type, msgp.Float64Type:
		var v float64
		v, err = u.real()
		of, word = tagFloat, math.Float64bits(v)
	default:
		return 0, u.mismatch("a number of " + n.unitWords())
	}
	if err != nil {
		return 0, err
	}
	us, ok := readTicks(of, word, n.unit)
	if _, long := toDuration(us); !ok || n.kind == kTime && !sensible(us) || n.kind == kDuration && long != nil {
		u.pos = from
		return 0, u.mismatch("a number of " + n.unitWords())
	}
	return us, nil
}

// object reads the members of a struct, as the parser's does.
func (u unpacker) object(n *node) error {
	if err := u.enter(); err != nil {
		return err
	}
	count, err := u.head(true)
	if err != nil {
		return err
	}
	begin, base, extra := len(u.dst), len(u.slots), len(u.entries)
	u.slots = slices.Grow(u.slots, len(n.fields))[:base+len(n.fields)]
	inOrder, next := true, 0
	var index keyIndex
	for range count {
		i, known := next, true
		var key []byte
		if next >= len(n.fields) || !u.isNext(n.fields[next].packed) {
			if key, err = u.name(); err != nil {
				return err
			}
			i, known = n.byName[asText(key)]
		}
		switch {
		case known:
			f := &n.fields[i]
			if inOrder && i != next {
				inOrder = u.jump(n, base, next, i)
			}
			if u.strict && !inOrder && u.came(base+i, f) {
				return inMember(errorf("member comes twice"), f.name)
			}
			from := len(u.dst)
			err := u.member(f)
			if err == nil && f.rules != nil {
				err = f.check(u.dst[from:])
			}
			if err != nil {
				return inMember(err, f.name)
			}
			u.slots[base+i] = slot{from, len(u.dst)}
			next = i + 1
		case n.extra:
			if inOrder {
				inOrder = false
				u.leaveOrder(base, next)
			}
			if err := u.entry(key, anyNode, extra, &index); err != nil {
				return err
			}
		default:
			if err := u.skip(); err != nil {
				return err
			}
		}
	}
	if !inOrder {
		next = -1
	}
	return u.closeObject(n, begin, base, extra, next)
}

// member reads the value of a member with its presence byte.
func (u unpacker) member(f *field) error {
	if f.presence() {
		state := byte(present)
		if u.pos < len(u.src) && u.src[u.pos] == nilByte && f.node.kind != kAny {
			switch k := f.node.kind; {
			case f.node.nullable:
				state = null
			case k == kList || k == kMap || k == kBytes:
				state = absent
			}
		}
		u.dst = append(u.dst, state)
		if state != present {
			u.pos++
			return nil
		}
	}
	return u.bare(f.node)
}

// dict reads a map.
func (u unpacker) dict(elem *node) error {
	if err := u.enter(); err != nil {
		return err
	}
	count, err := u.head(true)
	if err != nil {
		return err
	}
	at, base := len(u.dst), len(u.entries)
	u.dst = append(u.dst, 0, 0, 0, 0)
	var index keyIndex
	for range count {
		key, err := u.name()
		if err != nil {
			return err
		}
		if err := u.entry(key, elem, base, &index); err != nil {
			return err
		}
	}
	if n := len(u.entries) - base; n < count { // a key came twice
		u.scratch = u.appendEntries(u.scratch[:0], base)
		u.dst = append(u.dst[:at+4], u.scratch...)
		count = n
	}
	le.PutUint32(u.dst[at:], uint32(count))
	u.entries = u.entries[:base]
	u.depth--
	return nil
}

// entry writes one entry of a map, whose entries so far are those from base.
func (u unpacker) entry(key []byte, elem *node, base int, index *keyIndex) error {
	e := span{key: len(u.dst)}
	u.dst = append(le.AppendUint32(u.dst, uint32(len(key))), key...)
	e.keyEnd = len(u.dst)
	e.from = e.keyEnd
	if err := u.value(elem); err != nil {
		return inMember(err, string(u.dst[e.key+4:e.keyEnd]))
	}
	e.to = len(u.dst)
	return u.keepEntry(e, base, index)
}

func (u unpacker) any(t msgp.Type) error {
	switch t {
	case msgp.NilType:
		u.pos++
		u.dst = append(u.dst, byte(tagNull))
		return nil
	case msgp.BoolType:
		u.dst = append(u.dst, byte(tagFalse)+u.src[u.pos]&1)
		u.pos++
		return nil
	case msgp.StrType:
		u.dst = append(u.dst, byte(tagString))
		return u.text()
	case msgp.BinType:
		u.dst = append(u.dst, byte(tagBytes))
		return u.blob()
	case msgp.MapType:
		u.dst = append(u.dst, byte(tagMap))
		return u.dict(anyNode)
	case msgp.ArrayType:
		u.dst = append(u.dst, byte(tagList))
		return u.list(anyNode)
	case msgp.IntType, msgp.UintType:
		v, negative, err := u.whole()
		if err != nil {
			return err
		}
		if negative {
			u.dst = appendInt(u.dst, int64(v))
		} else {
			u.dst = appendUint(u.dst, v)
		}
		return nil
	case msgp.Float32Type, msgp.Float64Type:
		v, err := u.real()
		u.dst = appendFloat(u.dst, v)
		return err
	}
	from := u.pos
	kind, _, err := u.extension()
	if err != nil {
		return err
	}
	u.pos = from
	if kind != timestamp {
		return u.mismatch("a value")
	}
	v, err := u.time()
	u.dst = le.AppendUint64(append(u.dst, byte(tagTime)), v)
	return err
}

// skip reads a value that no member names; it must be well-formed all the same.
func (u unpacker) skip() error {
	if u.marked {
		u.mark()
	}
	t, err := u.next()
	if err != nil {
		return err
	}
	switch t {
	case msgp.ArrayType, msgp.MapType:
		if err := u.enter(); err != nil {
			return err
		}
		n, err := u.head(t == msgp.MapType)
		if err != nil {
			return err
		}
		if t == msgp.MapType {
			n *= 2
		}
		for range n {
			if err := u.skip(); err != nil {
				return err
			}
		}
		u.depth--
		return nil
	case msgp.StrType:
		s, err := u.str()
		if err == nil && u.strict && !ValidText(s) {
			return errorf("a string is no UTF-8")
		}
		return err
	}
	_, err = u.describe()
	if t == msgp.NilType || t == msgp.BoolType {
		u.pos++
	}
	return err
}
