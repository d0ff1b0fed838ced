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

// frame appends the frame of a message; false: it is odd, and dst comes back as it was.
func (r *reader) frame(dst, src []byte, t *translator) ([]byte, bool) {
	if uint64(len(src)) > math.MaxUint32 {
		return dst, false
	}
	r.begin(src, t.set.Strict)
	out := dst
	if t.nullable {
		out = append(out, present)
	}
	out, ok := r.structure(out, t.root, place64(0, len(src)), 0)
	r.src = nil
	if !ok || uint64(len(out)-len(dst)) > math.MaxUint32 {
		return dst, false
	}
	return out, true
}

// deeper counts a level of the frame. One less than there may be is enough: the lists that did
// not come are levels too, and the other way says what is too deep.
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
			if p.leaves {
				if !p.optional {
					return dst, false
				}
				dst = append(dst, absent)
				continue
			}
			if r.zeros += p.cost; r.zeros > maxZeros {
				return dst, false
			}
			if p.byte {
				dst = append(dst, present)
			}
			dst = p.frameZero(dst)
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

// frameZero appends what stands for a field that did not come.
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
	head, count, ok := len(dst), 0, true
	dst = append(dst, 0, 0, 0, 0)
	for at, next := got.word, got.chain; ; {
		switch {
		case p.wire == protowire.BytesType || p.wire == protowire.StartGroupType:
			if p.elemByte {
				dst = append(dst, present)
			}
			if p.form == formMessage {
				dst, ok = r.structure(dst, p.node, at, 0)
			} else {
				dst, ok = p.frameWord(dst, r.src, at)
			}
			count++
		default: // packed, or a single one, which is the same
			for value := cut(r.src, at); len(value) > 0 && ok; count++ {
				v, size := number(p.kind, p.wire, value)
				if size < 0 {
					return dst, false
				}
				value = value[size:]
				if p.elemByte {
					dst = append(dst, present)
				}
				dst, ok = p.frameWord(dst, nil, v)
			}
		}
		if !ok {
			return dst, false
		}
		if next == 0 {
			break
		}
		at, next = r.more[next-1].at, r.more[next-1].next
	}
	le.PutUint32(dst[head:], uint32(count))
	r.depth--
	return dst, true
}

// named is where a key of a map stands in its frame.
type named struct{ from, to int }

// frameDict is dict, for frames. Keys that come in order differ; others are held against each
// other, since of two that are one the last counts, and not both.
func (r *reader) frameDict(dst []byte, p *place, got *slot) ([]byte, bool) {
	if !r.deeper() {
		return dst, false
	}
	head, base, rising := len(dst), len(r.names), true
	dst = append(dst, 0, 0, 0, 0)
	for at, next := got.word, got.chain; ; {
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
		if rising && len(r.names) > base {
			last := r.names[len(r.names)-1]
			rising = string(dst[last.from:last.to]) < string(dst[from:])
		}
		r.names = append(r.names, named{from, len(dst)})
		if p.elemByte {
			dst = append(dst, present)
		}
		switch {
		case p.form == formMessage:
			dst, ok = r.structure(dst, p.node, value.word, value.chain)
			r.more = r.more[:more]
		case !value.came:
			dst = p.value.frameZero(dst)
		default:
			dst, ok = p.frameWord(dst, r.src, value.word)
		}
		if !ok {
			return dst, false
		}
		if next == 0 {
			break
		}
		at, next = r.more[next-1].at, r.more[next-1].next
	}
	names := r.names[base:]
	if !rising && repeats(dst, names) {
		return dst, false
	}
	le.PutUint32(dst[head:], uint32(len(names)))
	r.names = r.names[:base]
	r.depth--
	return dst, true
}

// usual finds the key and the value of an entry as everybody writes it: a key of text, and behind
// it a value that has a length; both are short.
func (p *place) usual(src []byte, at uint64) (name, value slot, ok bool) {
	b, start := cut(src, at), int(at>>32)
	if len(b) < 4 || b[0] != 0x0a || b[1] >= 0x80 || p.key.form != formText || p.wire != protowire.BytesType {
		return name, value, false
	}
	k := 2 + int(b[1])
	if len(b) < k+2 || b[k] != 0x12 || b[k+1] >= 0x80 || k+2+int(b[k+1]) != len(b) {
		return name, value, false
	}
	if p.key.utf8 && !frame.ValidText(b[2:k]) || p.utf8 && !frame.ValidText(b[k+2:]) {
		return name, value, false
	}
	return slot{word: place64(start+2, start+k), came: true}, slot{word: place64(start+k+2, start+len(b)), came: true}, true
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
