package frame

import (
	"encoding/binary"
	"math"
	"slices"
	"strings"
	"time"

	"github.com/tinylib/msgp/msgp"
)

// AppendMsgpack appends the message of a frame, with what AppendJSON writes in the same
// order. On an error dst comes back as it was.
//
// # Errors
//
// An *Error with the path: a time outside of the years 0 to 9999, bytes that are no frame
// of the layout.
func (l *Layout) AppendMsgpack(dst, value []byte) ([]byte, error) {
	return l.appendMsgpack(dst, value, false)
}

func (l *Layout) appendMsgpack(dst, value []byte, marked bool) ([]byte, error) {
	w := packer{reader: reader{b: value}, marked: marked}
	out, err := w.value(dst, l.root)
	if err == nil {
		err = w.end()
	}
	if err != nil {
		return dst, err
	}
	return out, nil
}

// packer turns one frame into MessagePack.
type packer struct {
	reader
	sort   bool // the maps of an any
	marked bool // unions say which variant they have
}

func (w *packer) value(dst []byte, n *node) ([]byte, error) {
	if n.nullable {
		state, err := w.presence(true, false)
		if err != nil {
			return dst, err
		}
		if state == null {
			return msgp.AppendNil(dst), nil
		}
	}
	return w.bare(dst, n)
}

func (w *packer) bare(dst []byte, n *node) ([]byte, error) {
	switch n.kind {
	case kString:
		return w.text(dst)
	case kBytes:
		return w.blobOf(dst)
	case kBool:
		v, err := w.bool()
		return msgp.AppendBool(dst, v), err
	case kAny:
		return w.any(dst)
	case kUnion:
		v, at, err := w.variant(n)
		if err != nil {
			return dst, err
		}
		if w.marked {
			dst = AppendVariant(dst, at)
		}
		return w.bare(dst, v)
	case kConst:
		return append(dst, n.konst.packed...), w.constant(n)
	case kList, kMap, kStruct, kTuple:
	default:
		v, err := w.u64()
		if err != nil {
			return dst, err
		}
		if n.number() {
			return packTicks(dst, int64(v), n.unit), nil
		}
		return packWord(dst, n.kind, v)
	}
	if err := w.enter(); err != nil {
		return dst, err
	}
	var err error
	switch n.kind {
	case kStruct:
		dst, err = w.structure(dst, n)
	case kMap:
		sort := w.sort
		w.sort = true
		dst, err = w.dict(dst, n, true)
		w.sort = sort
	case kTuple:
		dst, err = w.tuple(dst, n)
	default:
		dst, err = w.list(dst, n)
	}
	w.leave()
	return dst, err
}

// packWord writes what a frame has as eight bytes.
func packWord(dst []byte, k kind, v uint64) ([]byte, error) {
	switch {
	case k.signed():
		return packInt(dst, int64(v)), nil
	case k.unsigned():
		return msgp.AppendUint64(dst, v), nil
	case k == kFloat64:
		return msgp.AppendFloat64(dst, math.Float64frombits(v)), nil
	case k == kFloat32:
		return msgp.AppendFloat32(dst, float32(math.Float64frombits(v))), nil
	case k == kTime:
		return packTime(dst, v)
	}
	return dst, errorf("BUG: %s has no form in msgpack", k)
}

// packInt writes an integer in the shortest format, which for those above zero is one
// without a sign: what a declared type or the lack of one calls it makes no difference.
func packInt(dst []byte, v int64) []byte {
	if v >= 0 {
		return msgp.AppendUint64(dst, uint64(v))
	}
	return msgp.AppendInt64(dst, v)
}

func packTime(dst []byte, micros uint64) ([]byte, error) {
	at := toTime(micros)
	if s := at.Unix(); s < minSecond || s > maxSecond {
		return dst, errorf("expected a time in the years 0 to 9999, got year %d", at.Year())
	}
	return msgp.AppendTimeExt(dst, at), nil
}

// text writes a string; frames of other languages may hold what is no UTF-8.
func (w *packer) text(dst []byte) ([]byte, error) {
	s, err := w.blob()
	if err != nil {
		return dst, err
	}
	return packText(dst, s), nil
}

func packText(dst, s []byte) []byte {
	if !ValidText(s) {
		return msgp.AppendString(dst, strings.Map(func(r rune) rune { return r }, string(s)))
	}
	return msgp.AppendStringFromBytes(dst, s)
}

func (w *packer) blobOf(dst []byte) ([]byte, error) {
	b, err := w.blob()
	if err != nil {
		return dst, err
	}
	return msgp.AppendBytes(dst, b), nil
}

func (w *packer) list(dst []byte, n *node) ([]byte, error) {
	count, err := w.count(n)
	if err != nil {
		return dst, err
	}
	dst = msgp.AppendArrayHeader(dst, uint32(count))
	for i := range count {
		if dst, err = w.value(dst, n.elem); err != nil {
			return dst, inElement(err, i)
		}
	}
	return dst, nil
}

func (w *packer) tuple(dst []byte, n *node) ([]byte, error) {
	dst = msgp.AppendArrayHeader(dst, uint32(len(n.elems)))
	var err error
	for i, e := range n.elems {
		if dst, err = w.value(dst, e); err != nil {
			return dst, inElement(err, i)
		}
	}
	return dst, nil
}

// packTicks writes microseconds in a unit: an integer where the number is whole and fits
// one, otherwise a double.
func packTicks(dst []byte, us int64, u unit) []byte {
	if u == inNanos {
		if v := us * 1000; v/1000 == us {
			return packInt(dst, v)
		}
		return msgp.AppendFloat64(dst, float64(us)*1000)
	}
	if u == inDays {
		return packInt(dst, days(us))
	}
	per := int64(scales[u].per)
	if us%per == 0 {
		return packInt(dst, us/per)
	}
	return msgp.AppendFloat64(dst, float64(us)/float64(per))
}

// structure writes the members behind a head whose size is that of the most members
// there could be, because only writing them tells which are left out.
func (w *packer) structure(dst []byte, n *node) ([]byte, error) {
	sort := w.sort
	w.sort = true
	head := len(dst)
	dst = msgp.AppendMapHeader(dst, uint32(len(n.fields)))
	begin, count := len(dst), len(n.fields)
	for i := range n.fields {
		f := &n.fields[i]
		state := byte(present)
		if f.presence() {
			var err error
			if state, err = w.presence(f.node.nullable, f.optional); err != nil {
				return dst, inMember(err, f.name)
			}
		}
		if state == absent && f.zero == "" || state == null && f.omit != 0 {
			count--
			continue
		}
		mark := len(dst)
		dst = append(dst, f.packed...)
		switch state {
		case null:
			dst = msgp.AppendNil(dst)
			continue
		case absent:
			if f.rules != nil {
				if err := f.rules.zero(f.node); err != nil {
					return dst, inMember(err, f.name)
				}
			}
			dst = f.packWritten(dst)
			continue
		}
		from, body := w.off, len(dst)
		dst1, err := w.bare(dst, f.node)
		if err != nil {
			return dst, inMember(err, f.name)
		}
		dst = dst1
		if f.omit != 0 && (f.omit&omitEmpty != 0 && emptyPacked(dst[body:]) ||
			f.omit&omitZero != 0 && !f.node.nullable && f.node.zero(w.b[from:w.off])) {
			dst = dst[:mark]
			count--
		} else if f.rules != nil {
			if err := f.rules.value(f.node, w.b[from:w.off]); err != nil {
				return dst, inMember(err, f.name)
			}
		}
	}
	others := 0
	if n.extra {
		w.sort = false // as a jsontext.Value keeps them
		var err error
		if others, err = w.count(membersNode); err != nil {
			return dst, err
		}
		if dst, err = w.entries(dst, membersNode, others, false); err != nil {
			return dst, err
		}
	}
	w.sort = sort
	return rehead(dst, head, begin, count+others), nil
}

// rehead puts the true count into the head of a map, which stands from head to begin.
func rehead(dst []byte, head, begin, count int) []byte {
	switch size := begin - head; {
	case size == 1 && count < 16:
		dst[head] = 0x80 | byte(count)
	case size == 3 && count <= math.MaxUint16:
		binary.BigEndian.PutUint16(dst[head+1:], uint16(count))
	case size == 5:
		binary.BigEndian.PutUint32(dst[head+1:], uint32(count))
	default:
		var room [5]byte
		dst = slices.Replace(dst, head, begin, msgp.AppendMapHeader(room[:0], uint32(count))...)
	}
	return dst
}

// emptyPacked says that b is nil, "", an empty map or array, or empty bytes, which
// omitempty leaves out.
func emptyPacked(b []byte) bool {
	switch string(b) {
	case "\xc0", "\xa0", "\x80", "\x90", "\xc4\x00", "\xde\x00\x00":
		return true
	}
	return false
}

// packZero appends the zero value in Go.
func (n *node) packZero(dst []byte) []byte {
	switch k := n.kind; {
	case n.nullable || k == kAny || k == kUnion:
		return msgp.AppendNil(dst)
	case k == kConst:
		return n.konst.base.packZero(dst)
	case k == kBool:
		return msgp.AppendBool(dst, false)
	case k == kString:
		return msgp.AppendString(dst, "")
	case k == kBytes:
		return msgp.AppendBytes(dst, nil)
	case k == kList:
		return msgp.AppendArrayHeader(dst, 0)
	case k == kMap:
		return msgp.AppendMapHeader(dst, 0)
	case k == kTime && n.number():
		return packTicks(dst, time.Time{}.UnixMicro(), n.unit)
	case k == kTime:
		return msgp.AppendTimeExt(dst, time.Time{})
	case k == kTuple:
		dst = msgp.AppendArrayHeader(dst, uint32(len(n.elems)))
		for _, e := range n.elems {
			dst = e.packZero(dst)
		}
		return dst
	case k == kFloat32:
		return msgp.AppendFloat32(dst, 0)
	case k == kFloat64:
		return msgp.AppendFloat64(dst, 0)
	case k != kStruct:
		return append(dst, 0)
	}
	head := len(dst)
	dst = msgp.AppendMapHeader(dst, uint32(len(n.fields)))
	begin, count := len(dst), len(n.fields)
	for i := range n.fields {
		f := &n.fields[i]
		if f.leavesZero() {
			count--
			continue
		}
		mark := len(dst)
		dst = append(dst, f.packed...)
		body := len(dst)
		dst = f.node.packZero(dst)
		if f.omit&omitEmpty != 0 && emptyPacked(dst[body:]) {
			dst = dst[:mark]
			count--
			continue
		}
		dst = f.packWritten(dst[:body])
	}
	return rehead(dst, head, begin, count)
}

// packWritten appends what Go writes of a member with its zero value.
func (f *field) packWritten(dst []byte) []byte {
	if f.node.kind == kConst && !f.node.nullable {
		return append(dst, f.node.konst.packed...)
	}
	return f.node.packZero(dst)
}

// dict writes a map; sorted, unless the entries keep their order.
func (w *packer) dict(dst []byte, n *node, sort bool) ([]byte, error) {
	count, err := w.count(n)
	if err != nil {
		return dst, err
	}
	return w.entries(msgp.AppendMapHeader(dst, uint32(count)), n, count, sort)
}

func (w *packer) entries(dst []byte, n *node, count int, sort bool) ([]byte, error) {
	from, begin := w.off, len(dst)
	if sort && w.depth > hoped && n.elem.holds() && !w.ordered(n, count) {
		return w.sortedEntries(dst, n, count)
	}
	last := ""
	for i := range count {
		key, err := w.blob()
		if err != nil {
			return dst, err
		}
		if sort && i > 0 && asText(key) < last {
			w.off = from
			return w.sortedEntries(dst[:begin], n, count)
		}
		last = asText(key)
		if dst, err = w.entry(dst, n, key); err != nil {
			return dst, err
		}
	}
	return dst, nil
}

func (w *packer) entry(dst []byte, n *node, key []byte) ([]byte, error) {
	dst, err := w.value(packText(dst, key), n.elem)
	if err != nil {
		return dst, inMember(err, string(key))
	}
	return dst, nil
}

func (w *packer) sortedEntries(dst []byte, n *node, count int) ([]byte, error) {
	var few [16]Entry[int]
	order := few[:0]
	if count > len(few) {
		order = make([]Entry[int], 0, count)
	}
	for range count {
		key, err := w.blob()
		if err != nil {
			return dst, err
		}
		order = append(order, Entry[int]{asText(key), w.off})
		if err := w.skip(n.elem); err != nil {
			return dst, inMember(err, string(key))
		}
	}
	end := w.off
	slices.SortStableFunc(order, func(a, b Entry[int]) int { return strings.Compare(a.Key, b.Key) })
	for _, e := range order {
		w.off = e.Value
		var err error
		if dst, err = w.entry(dst, n, asBytes(e.Key)); err != nil {
			return dst, err
		}
	}
	w.off = end
	return dst, nil
}

func (w *packer) any(dst []byte) ([]byte, error) {
	t, err := w.tag()
	if err != nil {
		return dst, err
	}
	switch t {
	case tagNull:
		return msgp.AppendNil(dst), nil
	case tagFalse, tagTrue:
		return msgp.AppendBool(dst, t == tagTrue), nil
	case tagString:
		return w.text(dst)
	case tagBytes:
		return w.blobOf(dst)
	case tagList, tagMap:
		if err := w.enter(); err != nil {
			return dst, err
		}
		if t == tagList {
			dst, err = w.list(dst, listNode)
		} else {
			dst, err = w.dict(dst, membersNode, w.sort)
		}
		w.leave()
		return dst, err
	}
	v, err := w.u64()
	if err != nil {
		return dst, err
	}
	switch t {
	case tagInt:
		return packInt(dst, int64(v)), nil
	case tagUint:
		return msgp.AppendUint64(dst, v), nil
	case tagTime:
		return packTime(dst, v)
	case tagDuration:
		return packTicks(dst, int64(v), inMillis), nil
	}
	return msgp.AppendFloat64(dst, math.Float64frombits(v)), nil
}
