package protobuf

import (
	"bytes"
	"cmp"
	"encoding/binary"
	"math"
	"slices"

	"google.golang.org/protobuf/encoding/protowire"
	"google.golang.org/protobuf/reflect/protoreflect"

	"github.com/levada-io/levada/internal/frame"
)

// frames turns frames into messages. Their bytes may come from another language, so that every
// access is checked.
type frames struct {
	b     []byte
	off   int
	depth int
	parts []int         // where the members of the messages that are open end, in what is written
	pairs []framedEntry // of the maps that are open
	ours  bool          // Go wrote it: texts are UTF-8, and maps come in the order of their texts
	spare []byte        // for what is put in another order
}

// framedEntry is an entry of a map: its key, and where it stands in what is written.
type framedEntry struct {
	word        uint64 // of a key that is a number, in the order of numbers; how others begin
	key, keyEnd int    // in the frame
	from, to    int
}

func (f *frames) compare(a, b framedEntry) int {
	if a.word != b.word {
		return cmp.Compare(a.word, b.word)
	}
	return bytes.Compare(f.b[a.key:a.keyEnd], f.b[b.key:b.keyEnd])
}

// write appends the message of a frame; false: it is odd, and dst comes back as it was. ours says
// that an Encoder wrote it.
func (f *frames) write(dst, value []byte, t *translator, ours bool) ([]byte, bool) {
	f.ours = ours
	f.b, f.off, f.depth, f.parts, f.pairs = value, 0, 0, f.parts[:0], f.pairs[:0]
	if t.nullable && f.next() != present {
		return dst, false
	}
	out, ok := f.structure(dst, t.root)
	ok = ok && f.off == len(f.b)
	f.b = nil
	if !ok {
		return dst, false
	}
	return out, true
}

// next reads a byte; one that is nothing stands for the end.
func (f *frames) next() byte {
	if f.off >= len(f.b) {
		return math.MaxUint8
	}
	f.off++
	return f.b[f.off-1]
}

func (f *frames) word() (uint64, bool) {
	if len(f.b)-f.off < 8 {
		return 0, false
	}
	f.off += 8
	return le.Uint64(f.b[f.off-8:]), true
}

func (f *frames) count() (int, bool) {
	if len(f.b)-f.off < 4 {
		return 0, false
	}
	f.off += 4
	return int(le.Uint32(f.b[f.off-4:])), true
}

func (f *frames) blob() ([]byte, bool) {
	n, ok := f.count()
	if !ok || n > len(f.b)-f.off {
		return nil, false
	}
	f.off += n
	return f.b[f.off-n : f.off : f.off], true
}

func (f *frames) text() ([]byte, bool) {
	b, ok := f.blob()
	return b, ok && (f.ours || frame.ValidText(b))
}

// structure writes the members as they come, and puts them in the order of the library then,
// where they were not.
func (f *frames) structure(dst []byte, n *node) ([]byte, bool) {
	if f.depth++; f.depth > maxDepth {
		return dst, false
	}
	begin, base := len(dst), len(f.parts)
	var chosen uint64 // oneofs
	musts := 0
	for _, i := range n.members {
		if i < 0 {
			if f.next() != absent {
				return dst, false
			}
			if !n.flows {
				f.parts = append(f.parts, len(dst))
			}
			continue
		}
		p := &n.fields[i]
		there, ok := true, true
		if p.byte {
			switch f.next() {
			case present:
			case null:
				there, ok = false, p.mayNull && p.nulls
			case absent:
				there, ok = false, p.optional && !p.zeroed
			default:
				ok = false
			}
			if !ok {
				return dst, false
			}
		}
		if there {
			switch {
			case p.dict:
				dst, ok = f.dict(dst, p)
			case p.list:
				dst, ok = f.list(dst, p)
			case p.whole:
				v, got := f.word()
				if ok = got; v != 0 {
					dst = protowire.AppendVarint(append(dst, p.tag), v)
				}
			default:
				dst, there, ok = f.member(dst, p)
			}
			if !ok {
				return dst, false
			}
		}
		if !p.rare {
			continue
		}
		if there && p.must {
			musts++
		}
		if there && p.oneof >= 0 {
			bit := uint64(1) << p.oneof
			if chosen&bit != 0 {
				return dst, false
			}
			chosen |= bit
		}
		if !n.flows {
			f.parts = append(f.parts, len(dst))
		}
	}
	if musts < len(n.must) {
		return dst, false
	}
	if !n.flows {
		dst = f.order(dst, n, begin, f.parts[base:])
		f.parts = f.parts[:base]
	}
	f.depth--
	return dst, true
}

// order puts the members that stand from begin on in the order that they are written in.
func (f *frames) order(dst []byte, n *node, begin int, ends []int) []byte {
	f.spare = append(f.spare[:0], dst[begin:]...)
	dst = dst[:begin]
	for _, m := range n.moves {
		from := 0
		if m > 0 {
			from = ends[m-1] - begin
		}
		dst = append(dst, f.spare[from:ends[m]-begin]...)
	}
	return dst
}

// member writes a member of one value that is there; there says whether it is left out all the
// same.
func (f *frames) member(dst []byte, p *place) (out []byte, there, ok bool) {
	switch p.form {
	case formText, formBytes:
		b, ok := f.blob()
		if !ok {
			return dst, false, false
		}
		if len(b) == 0 && (!p.told || p.empty || p.zero && p.form == formText) {
			return dst, false, true
		}
		if p.form == formText && !f.ours && !frame.ValidText(b) {
			return dst, false, false
		}
		if len(b) < 0x80 && p.tag != 0 {
			return append(append(dst, p.tag, byte(len(b))), b...), true, true
		}
		return protowire.AppendBytes(appendTag(dst, p.num, p.wire), b), true, true
	case formMessage:
		if p.wire == protowire.StartGroupType {
			dst = appendTag(dst, p.num, p.wire)
			from := len(dst)
			if dst, ok = f.structure(dst, p.node); !ok || p.empty && len(dst) == from {
				return dst, false, false
			}
			return appendTag(dst, p.num, protowire.EndGroupType), true, true
		}
		dst = append(appendTag(dst, p.num, p.wire), 0)
		from := len(dst)
		if dst, ok = f.structure(dst, p.node); !ok || p.empty && len(dst) == from {
			return dst, false, false // an empty message is left out where its JSON is empty
		}
		return withLength(dst, from-1), true, true
	case formBool:
		v := f.next()
		if v > 1 {
			return dst, false, false
		}
		if v == 0 && (!p.told || p.zero) {
			return dst, false, true
		}
		return append(appendTag(dst, p.num, p.wire), v), true, true
	}
	raw, ok := f.word()
	v, fits := p.value.written(raw)
	if !ok || !fits {
		return dst, false, false
	}
	if v == 0 && !p.told || p.zero && (raw == 0 || p.real() && math.Float64frombits(raw) == 0) {
		return dst, false, true
	}
	return p.value.append(appendTag(dst, p.num, p.wire), v), true, true
}

// written is a number of a frame as the field has it, a float as a double of its value; false:
// the field does not hold it.
func (s *value) written(v uint64) (uint64, bool) {
	if s.real() {
		if s.single {
			v = math.Float64bits(float64(float32(math.Float64frombits(v))))
		}
		if s.form == formFloat {
			wide := math.Float64frombits(v)
			return v, !math.IsInf(float64(float32(wide)), 0) || math.IsInf(wide, 0)
		}
		return v, true
	}
	if s.signed && int64(v) < 0 {
		return v, int64(v) >= s.leastOf
	}
	return v, v <= s.mostOf
}

// append appends a number that the field holds.
func (s *value) append(dst []byte, v uint64) []byte {
	switch s.kind {
	case protoreflect.FloatKind:
		return protowire.AppendFixed32(dst, math.Float32bits(float32(math.Float64frombits(v))))
	case protoreflect.DoubleKind:
		return protowire.AppendFixed64(dst, v)
	}
	if s.wire == protowire.VarintType && s.kind != protoreflect.Sint32Kind && s.kind != protoreflect.Sint64Kind {
		return protowire.AppendVarint(dst, v)
	}
	return appendInteger(dst, v, s)
}

// single writes an element of a list or map without its tag.
func (f *frames) single(dst []byte, s *value, elemByte bool) ([]byte, bool) {
	if elemByte && f.next() != present {
		return dst, false
	}
	switch s.form {
	case formText:
		b, ok := f.text()
		return protowire.AppendBytes(dst, b), ok
	case formBytes:
		b, ok := f.blob()
		return protowire.AppendBytes(dst, b), ok
	case formBool:
		v := f.next()
		return append(dst, v), v <= 1
	case formMessage:
		if s.wire == protowire.StartGroupType {
			dst, ok := f.structure(dst, s.node)
			return appendTag(dst, s.num, protowire.EndGroupType), ok
		}
		from := len(dst)
		dst, ok := f.structure(append(dst, 0), s.node)
		if !ok {
			return dst, false
		}
		return withLength(dst, from), true
	}
	raw, ok := f.word()
	v, fits := s.written(raw)
	return s.append(dst, v), ok && fits
}

func (f *frames) list(dst []byte, p *place) ([]byte, bool) {
	if f.depth++; f.depth > maxDepth {
		return dst, false
	}
	count, ok := f.count()
	from := 0
	if p.pack && count > 0 {
		dst = append(appendTag(dst, p.num, protowire.BytesType), 0)
		from = len(dst) - 1
	}
	for i := 0; i < count && ok; i++ {
		if !p.pack {
			dst = appendTag(dst, p.num, p.wire)
		}
		dst, ok = f.single(dst, p.value, p.elemByte)
	}
	if p.pack && count > 0 && ok {
		dst = withLength(dst, from)
	}
	f.depth--
	return dst, ok
}

// dict writes the entries as they come, and puts them in the order of their keys then, where
// they were not.
func (f *frames) dict(dst []byte, p *place) ([]byte, bool) {
	if f.depth++; f.depth > maxDepth {
		return dst, false
	}
	count, ok := f.count()
	base, begin, rising := len(f.pairs), len(dst), true
	for i := 0; i < count && ok; i++ {
		e := framedEntry{from: len(dst)}
		var key []byte
		if key, ok = f.text(); !ok {
			return dst, false
		}
		e.key, e.keyEnd = f.off-len(key), f.off
		if dst, ok = f.entry(dst, p, key, &e); !ok {
			return dst, false
		}
		e.to = len(dst)
		if rising && i > 0 {
			last := &f.pairs[len(f.pairs)-1]
			rising = last.word < e.word || last.word == e.word && f.compare(*last, e) <= 0
		}
		f.pairs = append(f.pairs, e)
	}
	if !rising {
		pairs := f.pairs[base:]
		f.sort(pairs)
		f.spare = append(f.spare[:0], dst[begin:]...)
		dst = dst[:begin]
		for _, e := range pairs {
			dst = append(dst, f.spare[e.from-begin:e.to-begin]...)
		}
	}
	f.pairs = f.pairs[:base]
	f.depth--
	return dst, ok
}

// entry writes an entry whose key has been read.
func (f *frames) entry(dst []byte, p *place, key []byte, e *framedEntry) (out []byte, ok bool) {
	if p.key.form == formText {
		e.word = beginning(key)
		if p.form == formText && !p.elemByte && p.tag != 0 {
			// Most have two short texts.
			value, ok := f.text()
			if size := 4 + len(key) + len(value); ok && size < 0x80 {
				dst = append(append(dst, p.tag, byte(size), 0x0a, byte(len(key))), key...)
				return append(append(dst, 0x12, byte(len(value))), value...), true
			}
			f.off -= 4 + len(value)
			if !ok {
				return dst, false
			}
		}
	}
	dst = append(appendTag(dst, p.num, protowire.BytesType), 0)
	body := len(dst)
	dst = appendTag(dst, 1, p.key.wire)
	if p.key.form == formText {
		dst = protowire.AppendBytes(dst, key)
	} else {
		if e.word, ok = p.key.digits(key); !ok {
			return dst, false
		}
		dst = p.key.appendWordOfKey(dst, e.word)
	}
	if dst, ok = f.single(appendTag(dst, 2, p.wire), p.second, p.elemByte); !ok {
		return dst, false
	}
	return withLength(dst, body-1), true
}

// beginning is how a text begins, in the order of texts.
func beginning(s []byte) uint64 {
	if len(s) >= 8 {
		return binary.BigEndian.Uint64(s)
	}
	var word uint64
	for i, c := range s {
		word |= uint64(c) << (56 - 8*i)
	}
	return word
}

// sort puts entries in the order of their keys, and those of one key in that they came in.
func (f *frames) sort(all []framedEntry) {
	const few = 12
	if len(all) > few {
		slices.SortFunc(all, func(a, b framedEntry) int { return cmp.Or(f.compare(a, b), cmp.Compare(a.from, b.from)) })
		return
	}
	for i := 1; i < len(all); i++ {
		e, k := all[i], i
		for ; k > 0 && (all[k-1].word > e.word || all[k-1].word == e.word && f.compare(all[k-1], e) > 0); k-- {
			all[k] = all[k-1]
		}
		all[k] = e
	}
}

// digits reads a key that is a number or a bool, as number has it; false: it is not the one text
// that is one.
func (s *value) digits(key []byte) (uint64, bool) {
	if s.form == formBool {
		return protowire.EncodeBool(string(key) == "true"), string(key) == "true" || string(key) == "false"
	}
	digits, minus := key, false
	if s.leastOf < 0 && len(digits) > 0 && digits[0] == '-' {
		digits, minus = digits[1:], true
	}
	if len(digits) == 0 || len(digits) > 20 || digits[0] == '0' && (len(digits) > 1 || minus) {
		return 0, false
	}
	var v uint64
	for _, c := range digits {
		d := uint64(c - '0')
		if d > 9 || v > (math.MaxUint64-d)/10 {
			return 0, false
		}
		v = 10*v + d
	}
	switch {
	case s.leastOf >= 0:
		return v, v <= s.mostOf
	case minus:
		return -v ^ signs, v <= s.mostOf+1
	}
	return v ^ signs, v <= s.mostOf
}
