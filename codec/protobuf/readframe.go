package protobuf

import (
	"bytes"
	"encoding/binary"
	"math"
	"slices"

	"google.golang.org/protobuf/encoding/protowire"

	"github.com/levada-io/levada/internal/frame"
)

var le = binary.LittleEndian

// notTried is how many messages are not tried to be gone through once behind one that has its
// fields in another order than the frame: who writes so writes all so, most likely.
const notTried = 15

// frame appends the frame of a message; false: it is odd, and dst comes back as it was.
func (r *reader) frame(dst, src []byte, t *translator) ([]byte, bool) {
	if uint64(len(src)) > math.MaxUint32 {
		return dst, false
	}
	out := dst
	if t.nullable {
		out = append(out, present)
	}
	begin, at, ok := len(out), place64(0, len(src)), false
	tries := t.streams && r.untried == 0
	if tries {
		r.begin(src, t.set.Strict)
		r.once = true
		out, ok = r.stream(out, t.root, at)
	}
	if !ok {
		r.begin(src, t.set.Strict)
		if out, ok = r.structure(out[:begin], t.root, at, 0); ok && tries {
			r.untried = notTried
		} else if r.untried > 0 {
			r.untried--
		}
	}
	r.src = nil
	if !ok || uint64(len(out)-len(dst)) > math.MaxUint32 {
		return dst, false
	}
	return out, true
}

// inner reads a message within another.
func (r *reader) inner(dst []byte, n *node, at uint64, chain uint32) ([]byte, bool) {
	switch {
	case !r.once:
		return r.structure(dst, n, at, chain)
	case chain == 0:
		return r.stream(dst, n, at)
	}
	return dst, false
}

// deeper counts a level of the frame. That is one less than there may be, since a list that did
// not come is a level, too; the other way says what is too deep.
func (r *reader) deeper() bool {
	r.depth++
	return r.depth < maxDepth
}

// structure is message, for frames.
func (r *reader) structure(dst []byte, n *node, at uint64, chain uint32) ([]byte, bool) {
	if !r.deeper() {
		return dst, false
	}
	base, more := len(r.slots), len(r.more)
	if r.scanAll(at, chain, n) != nil {
		return dst, false
	}
	slots := r.slots[base:] // which stay where they are while others grow
	for _, i := range n.must {
		if !slots[i].came {
			return dst, false
		}
	}
	for _, i := range n.members {
		if i < 0 {
			dst = append(dst, absent)
			continue
		}
		p, s := &n.fields[i], &slots[i]
		if !s.came {
			var ok bool
			if dst, ok = r.missing(dst, p); !ok {
				return dst, false
			}
			continue
		}
		mark, ok := len(dst), true
		if p.byte {
			dst = append(dst, present)
		}
		body := len(dst)
		switch {
		case p.dict:
			dst, ok = r.frameDict(dst, p, s)
		case p.list:
			dst, ok = r.frameList(dst, p, s)
		case p.form == formMessage:
			if p.wire == protowire.StartGroupType {
				if r.groups++; r.groups > maxGroups {
					return dst, false
				}
			}
			dst, ok = r.structure(dst, p.node, s.word, s.chain)
			if p.wire == protowire.StartGroupType {
				r.groups--
			}
		default:
			dst, ok = p.frameWord(dst, r.src, s.word)
		}
		if !ok {
			return dst, false
		}
		if p.unwanted && p.emptyFrame(dst[body:]) {
			if !p.optional {
				return dst, false
			}
			dst = append(dst[:mark], absent)
		}
	}
	r.slots, r.more = r.slots[:base], r.more[:more]
	r.depth--
	return dst, true
}

// stream is structure for a message that is gone through once.
func (r *reader) stream(dst []byte, n *node, at uint64) ([]byte, bool) {
	if !r.deeper() {
		return dst, false
	}
	src, start := cut(r.src, at), int(at>>32)
	next, musts := 0, 0 // members
	var chosen uint64   // oneofs
	for pos := 0; pos < len(src); {
		p, wire := n.nextField(next, src[pos]), protowire.Type(0)
		if p != nil {
			wire = p.outer
			pos++
		} else {
			num, w, size := tag(src[pos:])
			if size < 0 {
				return dst, false
			}
			pos += size
			if i := n.field(num); i >= 0 {
				p = &n.fields[i]
			}
			wire = w
			if p == nil || wire != p.outer && !(wire == protowire.BytesType && p.packs) || p.skip {
				if size = protowire.ConsumeFieldValue(num, wire, src[pos:]); size < 0 || r.strict || p != nil && p.oneof >= 0 {
					return dst, false
				}
				pos += size
				continue
			}
		}
		for ; next < p.at; next++ {
			var ok bool
			if dst, ok = r.missingAt(dst, n, next); !ok {
				return dst, false
			}
		}
		if next > p.at {
			return dst, false
		}
		next++
		if p.rare {
			if p.must {
				musts++
			}
			if p.oneof >= 0 {
				bit := uint64(1) << p.oneof
				if chosen&bit != 0 {
					return dst, false
				}
				chosen |= bit
			}
		}
		if p.plain {
			v, size := number(p.kind, wire, src[pos:])
			if size < 0 {
				return dst, false
			}
			pos += size
			dst = le.AppendUint64(dst, v)
			continue
		}
		mark, ok := len(dst), true
		if p.byte {
			dst = append(dst, present)
		}
		body := len(dst)
		switch {
		case p.dict:
			dst, pos, ok = r.streamDict(dst, src, start, pos, p)
		case p.list:
			dst, pos, ok = r.streamList(dst, src, start, pos, wire, p)
		case wire == protowire.BytesType:
			from, to := blob(src[pos:])
			if to < 0 {
				return dst, false
			}
			value := src[pos+from : pos+to]
			switch pos += to; p.form {
			case formMessage:
				dst, ok = r.stream(dst, p.node, place64(start+pos-len(value), start+pos))
			case formText:
				if !frame.ValidText(value) {
					return dst, false
				}
				fallthrough
			default:
				dst = append(le.AppendUint32(dst, uint32(len(value))), value...)
			}
		case wire == protowire.StartGroupType:
			return dst, false
		default:
			v, size := number(p.kind, wire, src[pos:])
			if size < 0 {
				return dst, false
			}
			pos += size
			dst, ok = p.frameWord(dst, nil, v)
		}
		if !ok {
			return dst, false
		}
		if p.unwanted && p.emptyFrame(dst[body:]) {
			if !p.optional {
				return dst, false
			}
			dst = append(dst[:mark], absent)
		}
	}
	if musts < len(n.must) {
		return dst, false
	}
	for ; next < len(n.members); next++ {
		var ok bool
		if dst, ok = r.missingAt(dst, n, next); !ok {
			return dst, false
		}
	}
	r.depth--
	return dst, true
}

// nextField is the field of a member, where it comes next; nil: most likely another one.
func (n *node) nextField(member int, tag byte) *place {
	if member >= len(n.members) || n.members[member] < 0 {
		return nil
	}
	if p := &n.fields[n.members[member]]; p.tag == tag && tag != 0 {
		return p
	}
	return nil
}

// again says that the same field comes once more, and as what; size is that of its tag.
func again(src []byte, p *place) (wire protowire.Type, size int) {
	if len(src) == 0 {
		return 0, 0
	}
	if p.tag != 0 && src[0] == p.tag {
		return p.outer, 1
	}
	num, wire, size := tag(src)
	if size < 0 || num != p.num || wire != p.outer && !(wire == protowire.BytesType && p.packs) {
		return 0, 0
	}
	return wire, size
}

func (r *reader) streamList(dst, src []byte, start, pos int, wire protowire.Type, p *place) ([]byte, int, bool) {
	if !r.deeper() {
		return dst, pos, false
	}
	head, count := len(dst), 0
	dst = append(dst, 0, 0, 0, 0)
	for size := 1; size > 0; pos += size {
		from, to := 0, 0
		switch wire {
		case protowire.BytesType:
			from, to = blob(src[pos:])
		case protowire.StartGroupType:
			return dst, pos, false
		default:
			_, to = number(p.kind, wire, src[pos:])
		}
		if to < 0 || p.form == formText && !frame.ValidText(src[pos+from:pos+to]) {
			return dst, pos, false
		}
		n, ok := 0, false
		if dst, n, ok = r.frameElements(dst, p, place64(start+pos+from, start+pos+to)); !ok {
			return dst, pos, false
		}
		count += n
		pos += to
		wire, size = again(src[pos:], p)
	}
	le.PutUint32(dst[head:], uint32(count))
	r.depth--
	return dst, pos, true
}

func (r *reader) streamDict(dst, src []byte, start, pos int, p *place) ([]byte, int, bool) {
	if !r.deeper() {
		return dst, pos, false
	}
	head, base, rising := len(dst), len(r.names), true
	var last []byte // the key before
	dst = append(dst, 0, 0, 0, 0)
	for size := 1; size > 0; pos += size {
		from, to := blob(src[pos:])
		if to < 0 {
			return dst, pos, false
		}
		key, value, ok := p.texts(src[pos+from : pos+to])
		if ok {
			dst = append(le.AppendUint32(dst, uint32(len(key))), key...)
			r.names = append(r.names, named{len(dst) - len(key), len(dst)})
			rising = rising && (len(r.names) == base+1 || string(last) < string(key))
			last = key
			if p.elemByte {
				dst = append(dst, present)
			}
			dst = append(le.AppendUint32(dst, uint32(len(value))), value...)
		} else {
			if dst, ok = r.frameEntry(dst, p, place64(start+pos+from, start+pos+to), base, &rising); !ok {
				return dst, pos, false
			}
			at := r.names[len(r.names)-1]
			last = dst[at.from:at.to]
		}
		pos += to
		_, size = again(src[pos:], p)
	}
	return dst, pos, r.endDict(dst, head, base, rising)
}

// missing appends what stands for a field that did not come.
func (r *reader) missing(dst []byte, p *place) ([]byte, bool) {
	if p.leaves {
		return append(dst, absent), p.optional
	}
	if p.byte {
		dst = append(dst, present)
	}
	r.zeros += p.cost
	return p.frameZero(dst), r.zeros <= maxZeros
}

func (r *reader) missingAt(dst []byte, n *node, at int) ([]byte, bool) {
	if i := n.members[at]; i >= 0 {
		return r.missing(dst, &n.fields[i])
	}
	return append(dst, absent), true
}

// frameZero appends the zero of a field.
func (p *place) frameZero(dst []byte) []byte {
	if p.list || p.dict {
		return append(dst, 0, 0, 0, 0)
	}
	return p.value.frameZero(dst)
}

func (s *value) frameZero(dst []byte) []byte {
	switch s.form {
	case formBool:
		return append(dst, 0)
	case formText, formBytes:
		return append(dst, 0, 0, 0, 0)
	}
	return append(dst, 0, 0, 0, 0, 0, 0, 0, 0)
}

// emptyFrame is left, for frames.
func (p *place) emptyFrame(b []byte) bool {
	switch {
	case p.list || p.dict || p.form == formText || p.form == formBytes:
		return le.Uint32(b) == 0
	case !p.bare:
		return false
	case p.form == formBool:
		return b[0] == 0
	case p.real():
		return math.Float64frombits(le.Uint64(b)) == 0
	}
	return le.Uint64(b) == 0
}

// frameWord appends a value that is no message: a number, or what stands at a place of src.
func (s *value) frameWord(dst, src []byte, v uint64) ([]byte, bool) {
	switch s.form {
	case formBool:
		return append(dst, byte(v)), true
	case formText:
		b := cut(src, v)
		if !s.utf8 && !frame.ValidText(b) { // the others are looked at by then
			return dst, false
		}
		return append(le.AppendUint32(dst, uint32(len(b))), b...), true
	case formBytes:
		b := cut(src, v)
		return append(le.AppendUint32(dst, uint32(len(b))), b...), true
	}
	v, ok := s.word(v)
	return le.AppendUint64(dst, v), ok
}

// frameList is list, for frames.
func (r *reader) frameList(dst []byte, p *place, got *slot) ([]byte, bool) {
	if !r.deeper() {
		return dst, false
	}
	head, count := len(dst), 0
	dst = append(dst, 0, 0, 0, 0)
	for at, next := got.word, got.chain; ; at, next = r.more[next-1].at, r.more[next-1].next {
		n, ok := 0, false
		if dst, n, ok = r.frameElements(dst, p, at); !ok {
			return dst, false
		}
		if count += n; next == 0 {
			break
		}
	}
	le.PutUint32(dst[head:], uint32(count))
	r.depth--
	return dst, true
}

// frameElements appends the element that stands at a place, or the numbers: packed, or a single
// one, which is the same.
func (r *reader) frameElements(dst []byte, p *place, at uint64) (out []byte, count int, ok bool) {
	if !p.packs {
		if p.elemByte {
			dst = append(dst, present)
		}
		if p.form == formMessage {
			dst, ok = r.inner(dst, p.node, at, 0)
		} else {
			dst, ok = p.frameWord(dst, r.src, at)
		}
		return dst, 1, ok
	}
	for value := cut(r.src, at); len(value) > 0; count++ {
		v, size := number(p.kind, p.wire, value)
		if size < 0 {
			return dst, 0, false
		}
		value = value[size:]
		if p.elemByte {
			dst = append(dst, present)
		}
		if dst, ok = p.frameWord(dst, nil, v); !ok {
			return dst, 0, false
		}
	}
	return dst, count, true
}

// named is where a key of a map stands in its frame.
type named struct{ from, to int }

// frameDict is dict, for frames.
func (r *reader) frameDict(dst []byte, p *place, got *slot) ([]byte, bool) {
	if !r.deeper() {
		return dst, false
	}
	head, base, rising := len(dst), len(r.names), true
	dst = append(dst, 0, 0, 0, 0)
	for at, next := got.word, got.chain; ; at, next = r.more[next-1].at, r.more[next-1].next {
		var ok bool
		if dst, ok = r.frameEntry(dst, p, at, base, &rising); !ok {
			return dst, false
		}
		if next == 0 {
			break
		}
	}
	return dst, r.endDict(dst, head, base, rising)
}

// endDict writes how many entries there are. Keys that come in order differ; others are held
// against each other, since of two that are one the last counts, and not both.
func (r *reader) endDict(dst []byte, head, base int, rising bool) bool {
	names := r.names[base:]
	le.PutUint32(dst[head:], uint32(len(names)))
	r.names = r.names[:base]
	r.depth--
	return rising || !repeats(dst, names)
}

// frameEntry appends an entry of a map, whose keys so far are those from base on.
func (r *reader) frameEntry(dst []byte, p *place, at uint64, base int, rising *bool) ([]byte, bool) {
	more := len(r.more)
	name, value, ok := p.usual(r.src, at)
	if !ok {
		var err error
		if name, value, err = r.pair(at, p); err != nil {
			return dst, false
		}
	}
	from := len(dst) + 4
	if p.key.form == formText {
		if dst, ok = p.key.frameWord(dst, r.src, name.word); !ok {
			return dst, false
		}
	} else {
		dst = p.key.text(append(dst, 0, 0, 0, 0), nil, name)
		le.PutUint32(dst[from-4:], uint32(len(dst)-from))
	}
	if *rising && len(r.names) > base {
		last := r.names[len(r.names)-1]
		*rising = string(dst[last.from:last.to]) < string(dst[from:])
	}
	r.names = append(r.names, named{from, len(dst)})
	if p.elemByte {
		dst = append(dst, present)
	}
	switch {
	case p.form == formMessage:
		dst, ok = r.inner(dst, p.node, value.word, value.chain)
		r.more = r.more[:more]
		return dst, ok
	case !value.came:
		return p.value.frameZero(dst), true
	}
	return p.frameWord(dst, r.src, value.word)
}

// halves finds the key and the value of an entry as everybody writes it: a key of text, and
// behind it a value that has a length; both are short. value is 0 where it is another one.
func halves(b []byte) (key, value int) {
	if len(b) < 4 || b[0] != 0x0a || b[1] >= 0x80 {
		return 0, 0
	}
	k := 2 + int(b[1])
	if len(b) < k+2 || b[k] != 0x12 || b[k+1] >= 0x80 || k+2+int(b[k+1]) != len(b) {
		return 0, 0
	}
	return k, k + 2
}

// texts are the key and the value of an entry, where both are texts, or the value bytes.
func (p *place) texts(b []byte) (key, value []byte, ok bool) {
	if p.key.form != formText || p.form != formText && p.form != formBytes {
		return nil, nil, false
	}
	k, v := halves(b)
	if v == 0 {
		return nil, nil, false
	}
	key, value = b[2:k], b[v:]
	texts := b[2:] // both are UTF-8 where all of it is: what stands between them is ASCII
	if p.form == formBytes {
		texts = key
	}
	return key, value, frame.ValidText(texts)
}

// usual is pair for entries as everybody writes them.
func (p *place) usual(src []byte, at uint64) (name, value slot, ok bool) {
	if p.key.form != formText || p.wire != protowire.BytesType {
		return name, value, false
	}
	b, start := cut(src, at), int(at>>32)
	k, v := halves(b)
	if v == 0 || p.key.utf8 && !frame.ValidText(b[2:k]) || p.utf8 && !frame.ValidText(b[v:]) {
		return name, value, false
	}
	return slot{word: place64(start+2, start+k), came: true}, slot{word: place64(start+v, start+len(b)), came: true}, true
}

// repeats says that two of some names are one.
func repeats(frame []byte, names []named) bool {
	const few = 12
	if len(names) <= few {
		for i, a := range names {
			for _, b := range names[:i] {
				if b.to-b.from == a.to-a.from && string(frame[b.from:b.to]) == string(frame[a.from:a.to]) {
					return true
				}
			}
		}
		return false
	}
	compare := func(a, b named) int { return bytes.Compare(frame[a.from:a.to], frame[b.from:b.to]) }
	slices.SortFunc(names, compare)
	for i := range names[1:] {
		if compare(names[i], names[i+1]) == 0 {
			return true
		}
	}
	return false
}
