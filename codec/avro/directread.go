package avro

import (
	"encoding/binary"
	"hash/maphash"
	"math"
	"unicode/utf8"
)

// framer reads messages straight into frames.
type framer struct {
	src          []byte
	pos          int
	depth, empty int
	moves        int // bytes that may still be moved

	// Stacks, one stretch per open record or map; and memory for what is put in order.
	ends  []int
	keys  []part
	moved []byte
	table []int32
	seed  maphash.Seed
}

// moves bounds how often the bytes of a message are moved: with records out of order in each
// other each one moves what is in it, and a hostile message may have thousands.
const moves = 64

// part is a stretch of bytes.
type part struct{ from, to int }

// frame appends the frame of a message; false: there is something odd in it. What is
// appended then is of no use.
func (r *framer) frame(dst, src []byte, in *inlet) ([]byte, bool) {
	r.src, r.pos, r.depth, r.empty, r.moves = src, 0, 0, 0, moves*len(src)
	r.ends, r.keys = r.ends[:0], r.keys[:0]
	begin := len(dst)
	dst, ok := r.value(dst, in)
	return dst, ok && r.pos == len(src) && len(dst)-begin <= math.MaxUint32
}

// forget lets go of what one large message has taken.
func (r *framer) forget() {
	r.src = nil
	if cap(r.moved)+cap(r.table)+cap(r.ends)+cap(r.keys) > 1<<20 {
		r.moved, r.table, r.ends, r.keys = nil, nil, nil, nil
	}
}

func (r *framer) long() (int64, bool) {
	if r.pos < len(r.src) {
		if b := r.src[r.pos]; b < 0x80 { // most are short
			r.pos++
			return int64(b>>1) ^ -int64(b&1), true
		}
	}
	v, n := binary.Varint(r.src[r.pos:])
	r.pos += max(n, 0)
	return v, n > 0
}

func (r *framer) take(n int64) ([]byte, bool) {
	if n < 0 || n > int64(len(r.src)-r.pos) {
		return nil, false
	}
	from := r.pos
	r.pos += int(n)
	return r.src[from:r.pos], true
}

func (r *framer) sized() ([]byte, bool) {
	n, ok := r.long()
	if !ok {
		return nil, false
	}
	return r.take(n)
}

// text appends text of UTF-8.
func (r *framer) text(dst []byte) ([]byte, bool) {
	from := len(dst) + 4
	dst, ok := r.blob(dst)
	return dst, ok && utf8.Valid(dst[from:])
}

// blob appends bytes.
func (r *framer) blob(dst []byte) ([]byte, bool) {
	if from := r.pos + 1; from <= len(r.src) {
		// Most are shorter than 64.
		if head := int(r.src[from-1]); head&0x81 == 0 && head>>1 <= len(r.src)-from {
			r.pos = from + head>>1
			return appendBlob(dst, r.src[from:r.pos]), true
		}
	}
	n, ok := r.long()
	if !ok {
		return dst, false
	}
	b, ok := r.take(n)
	return appendBlob(dst, b), ok
}

// ascii says that all of b is, and so text of UTF-8 wherever it is cut.
func ascii(b []byte) bool {
	var high uint64
	for ; len(b) >= 8; b = b[8:] {
		high |= little.Uint64(b)
	}
	for _, c := range b {
		high |= uint64(c)
	}
	return high&0x8080808080808080 == 0
}

// value appends a value with its presence byte.
func (r *framer) value(dst []byte, in *inlet) ([]byte, bool) {
	switch in.op {
	case opUnion:
		i, ok := r.long()
		if !ok || i < 0 || i >= int64(len(in.branches)) || r.depth >= maxDepth {
			return dst, false
		}
		one := in.branches[i]
		if one.op == opNull {
			return append(dst, in.null...), in.null != nil
		}
		if in.presence {
			dst = append(dst, isThere)
		}
		r.depth++
		dst, ok = r.bare(dst, one)
		r.depth--
		return dst, ok
	case opNull:
		return append(dst, in.null...), in.null != nil
	}
	if in.presence {
		dst = append(dst, isThere)
	}
	return r.bare(dst, in)
}

func (r *framer) bare(dst []byte, in *inlet) ([]byte, bool) {
	switch in.op {
	case opBool:
		b, ok := r.take(1)
		if !ok || b[0] > 1 {
			return dst, false
		}
		return append(dst, b[0]), true
	case opWord:
		v, ok := r.long()
		return little.AppendUint64(dst, uint64(v)), ok && v >= in.lo && v <= in.hi
	case opReal:
		v, ok := r.long()
		f := float64(v)
		if in.narrow {
			f = float64(float32(f))
		}
		return little.AppendUint64(dst, math.Float64bits(f)), ok && v >= in.lo && v <= in.hi
	case opFloat:
		b, ok := r.take(4)
		if !ok {
			return dst, false
		}
		return little.AppendUint64(dst, math.Float64bits(float64(math.Float32frombits(little.Uint32(b))))), true
	case opDouble:
		b, ok := r.take(8)
		if !ok {
			return dst, false
		}
		if !in.narrow {
			return append(dst, b...), true
		}
		v := math.Float64frombits(little.Uint64(b))
		f := float64(float32(v))
		return little.AppendUint64(dst, math.Float64bits(f)), !math.IsInf(f, 0) || math.IsInf(v, 0)
	case opText:
		return r.text(dst)
	case opBytes:
		return r.blob(dst)
	case opFixed:
		b, ok := r.take(int64(in.node.size))
		return appendBlob(dst, b), ok
	case opSymbol:
		i, ok := r.long()
		if !ok || i < 0 || i >= int64(len(in.symbols)) || in.symbols[i] == nil {
			return dst, false
		}
		return append(dst, in.symbols[i]...), true
	case opTime:
		v, ok := r.time(in.node)
		return little.AppendUint64(dst, uint64(v)), ok
	case opOdd:
		return dst, false
	}
	if r.depth >= maxDepth {
		return dst, false
	}
	r.depth++
	var ok bool
	switch in.op {
	case opRecord:
		dst, ok = r.record(dst, in)
	case opList:
		dst, ok = r.list(dst, in)
	default:
		dst, ok = r.dict(dst, in)
	}
	r.depth--
	return dst, ok
}

// time reads microseconds. A unit cuts what a number of it does not hold, as on the way by
// MessagePack.
func (r *framer) time(n *node) (int64, bool) {
	v, ok := r.long()
	by := n.kind.micros()
	if !ok || v < math.MinInt64/by || v > math.MaxInt64/by {
		return 0, false
	}
	v *= by
	if n.kind.isLong() {
		if v < 0 || v >= 24*3600*1_000_000 {
			return 0, false
		}
	} else if !inYears(v) {
		return 0, false
	}
	if n.unit == "" {
		return v, true
	}
	switch scale := scales[n.unit]; {
	case scale != 0 && v%scale == 0:
	case scale == 0: // nanoseconds
		return v, v <= math.MaxInt64/1000 && v >= math.MinInt64/1000
	default:
		v = int64(math.Round(float64(v) / float64(scale) * float64(scale)))
	}
	return v, n.kind.isLong() || inYears(v)
}

// inYears says that microseconds are in the years 0 to 9999.
func inYears(micros int64) bool {
	second := floor(micros, 1_000_000)
	return second >= -62_167_219_200 && second <= 253_402_300_799
}

func (r *framer) record(dst []byte, in *inlet) ([]byte, bool) {
	begin, base := len(dst), len(r.ends)
	for i := range in.steps {
		s := &in.steps[i]
		f := s.into
		if f == nil {
			if s.skip == nil {
				dst = append(dst, s.fill...)
			} else if !r.skip(s.skip) {
				return dst, false
			}
			continue
		}
		var ok bool
		switch f.op {
		case opWord, opText, opDouble:
			if f.presence {
				dst = append(dst, isThere)
			}
			switch {
			case f.op == opText:
				dst, ok = r.text(dst)
			case f.op == opWord:
				var v int64
				v, ok = r.long()
				ok = ok && v >= f.lo && v <= f.hi
				dst = little.AppendUint64(dst, uint64(v))
			default:
				dst, ok = r.bare(dst, f)
			}
		default:
			dst, ok = r.value(dst, f)
		}
		if !ok {
			return dst, false
		}
		if in.order != nil {
			r.ends = append(r.ends, len(dst))
		}
	}
	if in.order != nil {
		if r.moves -= len(dst) - begin; r.moves < 0 {
			return dst, false
		}
		r.moved = arrange(r.moved[:0], dst, begin, r.ends[base:], in.order)
		dst = append(dst[:begin], r.moved...)
		r.ends = r.ends[:base]
	}
	return dst, true
}

// arrange appends what stands in b from begin on, in parts up to each end, in another order.
func arrange(to, b []byte, begin int, ends []int, order []piece) []byte {
	for _, p := range order {
		if p.at < 0 {
			to = append(to, p.fill...)
			continue
		}
		from := begin
		if p.at > 0 {
			from = ends[p.at-1]
		}
		to = append(to, b[from:ends[p.at]]...)
	}
	return to
}

// block reads the head of a block of values that have at least so many bytes.
func (r *framer) block(least int) (int, bool) {
	count, ok := r.long()
	if !ok || count == 0 {
		return 0, ok
	}
	if count < 0 {
		count = -count
		size, ok := r.long()
		if !ok || size < 0 || size > int64(len(r.src)-r.pos) {
			return 0, false
		}
	}
	if least == 0 { // others end with the message
		ok = count <= int64(maxEmpty-r.empty)
		r.empty += int(min(count, maxEmpty))
	}
	return int(count), ok && count > 0
}

func (r *framer) list(dst []byte, in *inlet) ([]byte, bool) {
	at := len(dst)
	dst = append(dst, 0, 0, 0, 0)
	for total := 0; ; {
		count, ok := r.block(in.node.elem.least)
		if !ok || count == 0 {
			little.PutUint32(dst[at:], uint32(total))
			return dst, ok
		}
		for range count {
			if dst, ok = r.value(dst, in.elem); !ok {
				return dst, false
			}
		}
		total += count
	}
}

func (r *framer) dict(dst []byte, in *inlet) ([]byte, bool) {
	at, base := len(dst), len(r.keys)
	dst = append(dst, 0, 0, 0, 0)
	texts := in.elem.op == opText && !in.elem.presence
	for {
		count, ok := r.block(in.node.elem.least + 1)
		if !ok {
			return dst, false
		}
		if count == 0 {
			keys := r.keys[base:]
			little.PutUint32(dst[at:], uint32(len(keys)))
			ok = !r.twice(dst, keys)
			r.keys = r.keys[:base]
			return dst, ok
		}
		if texts {
			if dst, ok = r.texts(dst, count); !ok {
				return dst, false
			}
			continue
		}
		for range count {
			from := len(dst) + 4
			if dst, ok = r.text(dst); !ok {
				return dst, false
			}
			r.keys = append(r.keys, part{from, len(dst)})
			if dst, ok = r.value(dst, in.elem); !ok {
				return dst, false
			}
		}
	}
}

// texts appends entries that are text; they are looked at as a whole.
func (r *framer) texts(dst []byte, count int) ([]byte, bool) {
	begin, from := len(dst), r.pos
	for range count {
		at := len(dst) + 4
		var ok bool
		if dst, ok = r.blob(dst); !ok {
			return dst, false
		}
		r.keys = append(r.keys, part{at, len(dst)})
		if dst, ok = r.blob(dst); !ok {
			return dst, false
		}
	}
	return dst, ascii(r.src[from:r.pos]) || isTexts(dst[begin:])
}

// few are keys that are compared one with another.
const few = 16

// twice says that a key comes twice.
func (r *framer) twice(b []byte, keys []part) bool {
	key := func(i int) string { return string(b[keys[i].from:keys[i].to]) }
	if len(keys) <= few {
		for i := range keys {
			for j := range i {
				if keys[i].to-keys[i].from == keys[j].to-keys[j].from && string(b[keys[i].from:keys[i].to]) == string(b[keys[j].from:keys[j].to]) {
					return true
				}
			}
		}
		return false
	}
	sorted := true
	for i := 1; i < len(keys) && sorted; i++ {
		sorted = key(i-1) < key(i)
	}
	if sorted {
		return false
	}
	if r.seed == (maphash.Seed{}) {
		r.seed = maphash.MakeSeed()
	}
	if size := 2 * len(keys); cap(r.table) < size {
		r.table = make([]int32, 2*size)
	} else {
		r.table = r.table[:size]
		clear(r.table)
	}
	for i := range keys {
		text := b[keys[i].from:keys[i].to]
		h := maphash.Bytes(r.seed, text) % uint64(len(r.table))
		for r.table[h] != 0 {
			if key(int(r.table[h]-1)) == string(text) {
				return true
			}
			if h++; h == uint64(len(r.table)) {
				h = 0
			}
		}
		r.table[h] = int32(i) + 1
	}
	return false
}

// skip passes over a value that the frame does not have. What is wrong with it is wrong with
// the message.
func (r *framer) skip(n *node) bool {
	ok, v := true, int64(0)
	switch n.kind {
	case kNull:
		return true
	case kBool:
		b, ok := r.take(1)
		return ok && b[0] <= 1
	case kInt:
		v, ok = r.long()
		return ok && v >= math.MinInt32 && v <= math.MaxInt32
	case kLong:
		_, ok = r.long()
		return ok
	case kFloat:
		_, ok = r.take(4)
		return ok
	case kDouble:
		_, ok = r.take(8)
		return ok
	case kBytes, kString:
		_, ok = r.sized()
		return ok
	case kFixed:
		_, ok = r.take(int64(n.size))
		return ok
	case kEnum:
		v, ok = r.long()
		return ok && v >= 0 && v < int64(len(n.symbols)) && (n.wrote == nil || n.symbols[v] != "")
	case kMillis, kMicros, kDays, kLongMillis, kLongMicros:
		_, ok = r.time(n)
		return ok
	case kRefused:
		return false
	case kOne:
		return r.skip(n.elem)
	}
	if r.depth >= maxDepth {
		return false
	}
	r.depth++
	defer func() { r.depth-- }()
	switch n.kind {
	case kUnion:
		v, ok = r.long()
		return ok && v >= 0 && v < int64(len(n.branches)) && r.skip(n.branches[v])
	case kRecord:
		for i := range n.fields {
			if !r.skip(n.fields[i].node) {
				return false
			}
		}
		return true
	}
	least := n.elem.least
	if n.kind == kMap {
		least++
	}
	for {
		count, ok := r.block(least)
		if !ok || count == 0 {
			return ok
		}
		for range count {
			if n.kind == kMap {
				if _, ok := r.sized(); !ok {
					return false
				}
			}
			if !r.skip(n.elem) {
				return false
			}
		}
	}
}
