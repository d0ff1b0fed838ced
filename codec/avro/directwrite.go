package avro

import (
	"bytes"
	"encoding/binary"
	"math"
	"slices"
	"unicode/utf8"
)

// unframer writes messages straight from frames. Every access is checked: frames come from
// another language, too.
type unframer struct {
	b     []byte
	off   int
	depth int
	moves int  // bytes that may still be moved
	own   bool // the frame is one of Go's encoder: text is UTF-8, and maps are sorted, but for keys that were not

	// Stacks, one stretch per open record or map; and memory for what is put in order.
	ends    []int
	entries []entry
	moved   []byte
}

// entry is where one of a map stands: its key in the frame, all of it in the message.
type entry struct{ key, all part }

// message appends the message of a frame; false: there is something odd in it. What is
// appended then is of no use.
func (w *unframer) message(dst, value []byte, out *outlet, own bool) ([]byte, bool) {
	w.b, w.off, w.depth, w.own, w.moves = value, 0, 0, own, moves*len(value)
	w.ends, w.entries = w.ends[:0], w.entries[:0]
	dst, ok := w.value(dst, out)
	ok = ok && w.off == len(w.b)
	return dst, ok
}

// forget lets go of the frame, and of what one large value has taken.
func (w *unframer) forget() {
	w.b = nil
	if cap(w.moved)+cap(w.ends)+cap(w.entries) > 1<<16 {
		w.moved, w.ends, w.entries = nil, nil, nil
	}
}

func (w *unframer) word() (uint64, bool) {
	if len(w.b)-w.off < 8 {
		return 0, false
	}
	v := little.Uint64(w.b[w.off:])
	w.off += 8
	return v, true
}

func (w *unframer) count() (int, bool) {
	if len(w.b)-w.off < 4 {
		return 0, false
	}
	v := little.Uint32(w.b[w.off:])
	w.off += 4
	return int(v), true
}

func (w *unframer) blob() ([]byte, bool) {
	n, ok := w.count()
	if !ok || n > len(w.b)-w.off {
		return nil, false
	}
	from := w.off
	w.off += n
	return w.b[from:w.off], true
}

func (w *unframer) text() ([]byte, bool) {
	b, ok := w.blob()
	return b, ok && (w.own || utf8.Valid(b))
}

func appendLong(dst []byte, v int64) []byte {
	if u := uint64(v)<<1 ^ uint64(v>>63); u < 0x80 {
		return append(dst, byte(u)) // most are short
	}
	return binary.AppendVarint(dst, v)
}

func appendSized(dst, b []byte) []byte { return append(appendLong(dst, int64(len(b))), b...) }

// value writes a value with its presence byte.
func (w *unframer) value(dst []byte, out *outlet) ([]byte, bool) {
	if out.nullable {
		if w.off >= len(w.b) || w.b[w.off] > isThere {
			return dst, false
		}
		w.off++
		if w.b[w.off-1] == isNull {
			return append(dst, out.null...), out.null != nil
		}
	}
	return w.bare(dst, out)
}

func (w *unframer) bare(dst []byte, out *outlet) ([]byte, bool) {
	if out.branch != nil {
		dst = append(dst, out.branch...)
	}
	switch out.op {
	case opBool:
		if w.off >= len(w.b) || w.b[w.off] > 1 {
			return dst, false
		}
		w.off++
		return append(dst, w.b[w.off-1]), true
	case opWord:
		u, ok := w.word()
		v := int64(u)
		if v < 0 && out.unsigned || out.node.kind == kInt && v != int64(int32(v)) {
			return dst, false
		}
		return appendLong(dst, v), ok
	case opReal:
		u, ok := w.word()
		v := float64(int64(u))
		if out.unsigned {
			v = float64(u)
		}
		return out.appendFloat(dst, v), ok
	case opFloat:
		u, ok := w.word()
		v := math.Float64frombits(u)
		if out.narrow {
			v = float64(float32(v))
		}
		return out.appendFloat(dst, v), ok
	case opText:
		b, ok := w.text()
		return appendSized(dst, b), ok
	case opBytes:
		b, ok := w.blob()
		return appendSized(dst, b), ok
	case opFixed:
		b, ok := w.blob()
		return append(dst, b...), ok && len(b) == out.node.size
	case opSymbol:
		b, ok := w.blob()
		i, known := out.node.index[string(b)]
		return appendLong(dst, int64(i)), ok && known
	case opTime:
		u, ok := w.word()
		v, fits := out.node.time(int64(u))
		return appendLong(dst, v), ok && fits
	case opOdd, opNull:
		return dst, false
	}
	if w.depth >= maxDepth {
		return dst, false
	}
	w.depth++
	var ok bool
	switch out.op {
	case opRecord:
		dst, ok = w.record(dst, out)
	case opList:
		dst, ok = w.list(dst, out)
	default:
		dst, ok = w.dict(dst, out)
	}
	w.depth--
	return dst, ok
}

func (out *outlet) appendFloat(dst []byte, v float64) []byte {
	if out.node.kind == kFloat {
		return little.AppendUint32(dst, math.Float32bits(float32(v)))
	}
	return little.AppendUint64(dst, math.Float64bits(v))
}

// time is the number of a time or duration. A unit cuts what a number of it does not hold,
// as on the way by MessagePack.
func (n *node) time(micros int64) (int64, bool) {
	switch scale := scales[n.unit]; {
	case n.unit == "":
		if !inYears(micros) {
			return 0, false
		}
	case n.unit == "unix_days":
		day := floor(micros, scale)
		if day < math.MinInt64/scale {
			return 0, false
		}
		micros = day * scale
	case nanos(n.unit):
		if micros > math.MaxInt64/1000 || micros < math.MinInt64/1000 {
			return 0, false
		}
	case micros%scale != 0:
		micros = int64(math.Round(float64(micros) / float64(scale) * float64(scale)))
	}
	if n.kind.isLong() && (micros < 0 || micros >= 24*3600*1_000_000) {
		return 0, false
	}
	return floor(micros, n.kind.micros()), true
}

func (w *unframer) list(dst []byte, out *outlet) ([]byte, bool) {
	count, ok := w.count()
	if !ok {
		return dst, false
	}
	if count > 0 {
		dst = appendLong(dst, int64(count))
	}
	for range count {
		if dst, ok = w.value(dst, out.elem); !ok {
			return dst, false
		}
	}
	return append(dst, 0), true
}

// dict writes a map, sorted by key.
func (w *unframer) dict(dst []byte, out *outlet) ([]byte, bool) {
	count, ok := w.count()
	if !ok {
		return dst, false
	}
	if count > 0 {
		dst = appendLong(dst, int64(count))
	}
	texts := out.elem.op == opText && !out.elem.nullable && out.elem.branch == nil
	if !w.own {
		dst, ok = w.unsorted(dst, out.elem, count, texts)
		return append(dst, 0), ok
	}
	var last []byte
	for range count {
		key, ok := w.blob()
		if !ok || bytes.Compare(last, key) > 0 {
			return dst, false
		}
		last = key
		if dst = appendSized(dst, key); texts {
			var v []byte
			v, ok = w.blob()
			dst = appendSized(dst, v)
		} else {
			dst, ok = w.value(dst, out.elem)
		}
		if !ok {
			return dst, false
		}
	}
	return append(dst, 0), true
}

// unsorted writes entries of any order.
func (w *unframer) unsorted(dst []byte, elem *outlet, count int, texts bool) ([]byte, bool) {
	begin, base, first, sorted := len(dst), len(w.entries), w.off, true
	var last []byte
	for range count {
		from, at := len(dst), w.off+4
		key, ok := w.blob()
		if !ok || !texts && !utf8.Valid(key) {
			return dst, false
		}
		sorted = sorted && bytes.Compare(last, key) <= 0
		last = key
		dst = appendSized(dst, key)
		if texts {
			var v []byte
			v, ok = w.blob()
			dst = appendSized(dst, v)
		} else {
			dst, ok = w.value(dst, elem)
		}
		if !ok {
			return dst, false
		}
		w.entries = append(w.entries, entry{part{at, at + len(key)}, part{from, len(dst)}})
	}
	if texts && !isTexts(w.b[first:w.off]) {
		return dst, false
	}
	if all := w.entries[base:]; !sorted {
		if w.moves -= len(dst) - begin; w.moves < 0 {
			return dst, false
		}
		slices.SortStableFunc(all, func(a, b entry) int {
			return bytes.Compare(w.b[a.key.from:a.key.to], w.b[b.key.from:b.key.to])
		})
		w.moved = w.moved[:0]
		for _, e := range all {
			w.moved = append(w.moved, dst[e.all.from:e.all.to]...)
		}
		dst = append(dst[:begin], w.moved...)
	}
	w.entries = w.entries[:base]
	return dst, true
}

// isTexts says that texts of a frame, which follow each other, are all of UTF-8.
func isTexts(b []byte) bool {
	if ascii(b) { // short lengths are, too
		return true
	}
	for len(b) > 0 {
		n := 4 + int(little.Uint32(b))
		if !utf8.Valid(b[4:n]) {
			return false
		}
		b = b[n:]
	}
	return true
}

func (w *unframer) record(dst []byte, out *outlet) ([]byte, bool) {
	begin, base := len(dst), len(w.ends)
	for i := range out.steps {
		s := &out.steps[i]
		if s.before != nil {
			dst = append(dst, s.before...)
		}
		to := s.to
		there := true
		if s.presence {
			if w.off >= len(w.b) {
				return dst, false
			}
			state := w.b[w.off]
			w.off++
			switch {
			case state == isThere:
			case state == isNull && s.nullable, state == isGone && s.optional && !s.zero:
				there = false
			default:
				return dst, false
			}
		}
		if there && s.omit {
			there = !w.omitted(s)
		}
		ok := true
		switch {
		case !there:
			dst, ok = append(dst, to.null...), to.null != nil
		case to.simple && to.op == opText:
			var b []byte
			b, ok = w.text()
			dst = appendSized(dst, b)
		case to.simple && to.node.kind == kLong && !to.unsigned:
			var v uint64
			v, ok = w.word()
			dst = appendLong(dst, int64(v))
		default:
			dst, ok = w.bare(dst, to)
		}
		if !ok {
			return dst, false
		}
		if out.order != nil {
			w.ends = append(w.ends, len(dst))
		}
	}
	dst = append(dst, out.after...)
	if out.order != nil {
		if w.moves -= len(dst) - begin; w.moves < 0 {
			return dst, false
		}
		w.moved = arrange(w.moved[:0], dst, begin, w.ends[base:], out.order)
		dst = append(dst[:begin], w.moved...)
		w.ends = w.ends[:base]
	}
	return dst, true
}

// omitted passes over a value that the rule of the member leaves out.
func (w *unframer) omitted(s *outStep) bool {
	size := 8
	rest := w.b[w.off:]
	switch {
	case s.text:
		if size = 4; !s.omitEmpty && !s.omitZero || len(rest) < size || little.Uint32(rest) != 0 {
			return false
		}
	case !s.omitZero:
		return false
	case s.flag:
		if size = 1; len(rest) < size || rest[0] != 0 {
			return false
		}
	case len(rest) < size:
		return false
	case s.real:
		if math.Float64frombits(little.Uint64(rest)) != 0 {
			return false
		}
	default:
		zero := int64(0)
		if s.at {
			zero = zeroTime
		}
		if int64(little.Uint64(rest)) != zero {
			return false
		}
	}
	w.off += size
	return true
}
