package frame

import (
	"encoding/base64"
	"math"
	"slices"
	"strconv"
	"strings"
	"time"
)

// AppendJSON appends the JSON text of a frame, without white space, as a Go struct of
// the layout is written. On an error dst comes back as it was.
//
// # Notes
//
// The members of a struct stand in the order of the layout, those that it does not name
// behind them in the order of the frame. The entries of a map are sorted by key. So are
// those of a map inside any wherever the any stands in a struct or map, since a Go value
// there knows no order; if the value has no declared type at all, its maps keep the
// order of the frame.
//
// # Errors
//
// An *Error with the path: NaN and the infinities, a time outside of the years 0 to
// 9999, bytes that are no frame of the layout.
func (l *Layout) AppendJSON(dst, value []byte) ([]byte, error) {
	w := writer{reader: reader{b: value}}
	out, err := w.value(dst, l.root)
	if err == nil {
		err = w.end()
	}
	if err != nil {
		return dst, err
	}
	return out, nil
}

// writer turns one frame into JSON.
type writer struct {
	reader
	sort bool // the maps of an any
}

func (w *writer) value(dst []byte, n *node) ([]byte, error) {
	if n.nullable {
		state, err := w.presence(true, false)
		if err != nil {
			return dst, err
		}
		if state == null {
			return append(dst, "null"...), nil
		}
	}
	return w.bare(dst, n)
}

func (w *writer) bare(dst []byte, n *node) ([]byte, error) {
	switch n.kind {
	case kString:
		s, err := w.blob()
		if err != nil {
			return dst, err
		}
		return appendQuoted(dst, s), nil
	case kInt64, kInt8, kInt16, kInt32:
		v, err := w.u64()
		if err != nil {
			return dst, err
		}
		return strconv.AppendInt(dst, int64(v), 10), nil
	case kUint64, kUint8, kUint16, kUint32:
		v, err := w.u64()
		if err != nil {
			return dst, err
		}
		return strconv.AppendUint(dst, v, 10), nil
	case kFloat64, kFloat32:
		v, err := w.u64()
		if err != nil {
			return dst, err
		}
		bits := 64
		if n.kind == kFloat32 {
			bits = 32
		}
		return appendNumber(dst, math.Float64frombits(v), bits)
	case kBool:
		v, err := w.bool()
		if err != nil {
			return dst, err
		}
		return strconv.AppendBool(dst, v), nil
	case kBytes:
		v, err := w.blob()
		if err != nil {
			return dst, err
		}
		return appendBase64(dst, v), nil
	case kTime:
		v, err := w.u64()
		if err != nil {
			return dst, err
		}
		if n.number() {
			return appendTicks(dst, int64(v), n.unit), nil
		}
		return appendRFC3339(dst, toTime(v))
	case kDuration:
		v, err := w.u64()
		if err != nil {
			return dst, err
		}
		return appendTicks(dst, int64(v), n.unit), nil
	case kAny:
		return w.any(dst)
	case kConst:
		return append(dst, n.konst.text...), w.constant(n)
	case kUnion:
		v, _, err := w.variant(n)
		if err != nil {
			return dst, err
		}
		return w.bare(dst, v)
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

func (w *writer) list(dst []byte, n *node) ([]byte, error) {
	count, err := w.count(n)
	if err != nil {
		return dst, err
	}
	dst = append(dst, '[')
	for i := range count {
		if i > 0 {
			dst = append(dst, ',')
		}
		if dst, err = w.value(dst, n.elem); err != nil {
			return dst, inElement(err, i)
		}
	}
	return append(dst, ']'), nil
}

func (w *writer) structure(dst []byte, n *node) ([]byte, error) {
	sort := w.sort
	w.sort = true
	begin := len(dst)
	dst = append(dst, '{')
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
			continue
		}
		mark := len(dst)
		if mark > begin+1 {
			dst = append(dst, ',')
		}
		dst = append(dst, f.quoted...)
		switch state {
		case null:
			dst = append(dst, "null"...)
			continue
		case absent:
			if f.rules != nil {
				if err := f.rules.zero(f.node); err != nil {
					return dst, inMember(err, f.name)
				}
			}
			dst = append(dst, f.zero...)
			continue
		}
		from, text := w.off, len(dst)
		var err error
		switch f.node.kind {
		case kString:
			var s []byte
			if s, err = w.blob(); err == nil {
				dst = appendQuoted(dst, s)
			}
		default:
			dst, err = w.bare(dst, f.node)
		}
		if err != nil {
			return dst, inMember(err, f.name)
		}
		if f.omit != 0 && (f.omit&omitEmpty != 0 && emptyText(dst[text:]) ||
			f.omit&omitZero != 0 && !f.node.nullable && f.node.zero(w.b[from:w.off])) {
			dst = dst[:mark]
		} else if f.rules != nil {
			if err := f.rules.value(f.node, w.b[from:w.off]); err != nil {
				return dst, inMember(err, f.name)
			}
		}
	}
	if n.extra {
		w.sort = false // as a jsontext.Value writes them
		var err error
		if dst, err = w.entries(dst, membersNode, false, begin+1); err != nil {
			return dst, err
		}
	}
	w.sort = sort
	return append(dst, '}'), nil
}

func emptyText(b []byte) bool {
	switch string(b) {
	case "null", `""`, "{}", "[]":
		return true
	}
	return false
}

// zero says that Go would read the frame b, all of it, as the zero value. Lists, maps
// and bytes that are there are read as values that are not nil.
func (n *node) zero(b []byte) bool {
	switch n.kind {
	case kBool:
		return b[0] == 0
	case kString:
		return len(b) == 4
	case kAny:
		return tag(b[0]) == tagNull
	case kTime:
		return toTime(le.Uint64(b)).IsZero()
	case kFloat32, kFloat64:
		return math.Float64frombits(le.Uint64(b)) == 0
	case kList, kMap, kBytes, kUnion:
		return false
	case kConst:
		return n.konst.base.zero(b)
	case kTuple:
		return n.zeroTuple(b)
	case kStruct:
		r := reader{b: b}
		for i := range n.fields {
			f := &n.fields[i]
			if f.presence() {
				if state, err := r.presence(f.node.nullable, f.optional); err != nil {
					return false
				} else if state == null && f.optional && f.omit == 0 {
					return false // of three states, absent is the zero one
				} else if state != present {
					continue
				} else if f.node.nullable {
					return false
				}
			}
			from := r.off
			if r.skipBare(f.node) != nil || !f.node.zero(b[from:r.off]) {
				return false
			}
		}
		return true
	}
	return le.Uint64(b) == 0
}

// dict writes a map; sorted, unless the entries keep their order.
func (w *writer) dict(dst []byte, n *node, sort bool) ([]byte, error) {
	dst, err := w.entries(append(dst, '{'), n, sort, len(dst)+1)
	if err != nil {
		return dst, err
	}
	return append(dst, '}'), nil
}

// entries writes the entries of a map with commas between; first is where the first
// member of the object stands in dst.
func (w *writer) entries(dst []byte, n *node, sort bool, first int) ([]byte, error) {
	count, err := w.count(n)
	if err != nil {
		return dst, err
	}
	from, begin := w.off, len(dst)
	if sort && w.depth > hoped && n.elem.holds() && !w.ordered(n, count) {
		return w.sortedEntries(dst, n, count, first)
	}
	last := ""
	for i := range count {
		key, err := w.blob()
		if err != nil {
			return dst, err
		}
		if sort && i > 0 && asText(key) < last {
			// Only now is it worth the memory to sort: Go writes maps sorted.
			w.off = from
			return w.sortedEntries(dst[:begin], n, count, first)
		}
		last = asText(key)
		if dst, err = w.entry(dst, n, key, first); err != nil {
			return dst, err
		}
	}
	return dst, nil
}

// hoped are the levels at which a map is taken to be in order, and written again where it is
// not. The maps in it are written again with it: over all levels that would be twice as often
// for each of them.
const hoped = 4

// holds says that maps may lie in the value.
func (n *node) holds() bool {
	switch n.kind {
	case kAny, kList, kMap, kStruct, kTuple, kUnion:
		return true
	}
	return false
}

// ordered says that the entries of a map that begin here come by key, up to one that can not be
// read, which whoever writes it finds.
func (r *reader) ordered(n *node, count int) bool {
	from, depth, ahead := r.off, r.depth, r.ahead
	defer func() { r.off, r.depth, r.ahead = from, depth, ahead }()
	last := ""
	for i := range count {
		key, err := r.blob()
		if err != nil {
			return true
		}
		if i > 0 && asText(key) < last {
			return false
		}
		if last = asText(key); r.skip(n.elem) != nil {
			return true
		}
	}
	return true
}

func (w *writer) entry(dst []byte, n *node, key []byte, first int) ([]byte, error) {
	if len(dst) > first {
		dst = append(dst, ',')
	}
	dst = append(appendQuoted(dst, key), ':')
	if n.elem.kind == kString && !n.elem.nullable {
		s, err := w.blob()
		if err != nil {
			return dst, inMember(err, string(key))
		}
		return appendQuoted(dst, s), nil
	}
	dst, err := w.value(dst, n.elem)
	if err != nil {
		return dst, inMember(err, string(key))
	}
	return dst, nil
}

func (w *writer) sortedEntries(dst []byte, n *node, count, first int) ([]byte, error) {
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
		if dst, err = w.entry(dst, n, asBytes(e.Key), first); err != nil {
			return dst, err
		}
	}
	w.off = end
	return dst, nil
}

func (w *writer) any(dst []byte) ([]byte, error) {
	t, err := w.tag()
	if err != nil {
		return dst, err
	}
	switch t {
	case tagNull:
		return append(dst, "null"...), nil
	case tagFalse:
		return append(dst, "false"...), nil
	case tagTrue:
		return append(dst, "true"...), nil
	case tagString:
		s, err := w.blob()
		if err != nil {
			return dst, err
		}
		return appendQuoted(dst, s), nil
	case tagBytes:
		v, err := w.blob()
		if err != nil {
			return dst, err
		}
		return appendBase64(dst, v), nil
	case tagDigits:
		v, err := w.blob()
		return append(dst, v...), err
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
		return strconv.AppendInt(dst, int64(v), 10), nil
	case tagUint:
		return strconv.AppendUint(dst, v, 10), nil
	case tagDuration:
		return appendTicks(dst, int64(v), inMillis), nil
	case tagTime:
		return appendRFC3339(dst, toTime(v))
	}
	return appendNumber(dst, math.Float64frombits(v), 64)
}

// appendNumber prints a float as encoding/json/v2 does: the shortest digits that read
// back the same, with an exponent below 1e-6 and from 1e21.
func appendNumber(dst []byte, f float64, bits int) ([]byte, error) {
	if bits == 32 {
		f = float64(float32(f))
	}
	abs := math.Abs(f)
	if !(abs <= math.MaxFloat64) {
		return dst, errorf("expected a number that JSON has, got %v", f)
	}
	exact := float64(1 << 53) // below it the digits of an integer are the shortest ones
	if bits == 32 {
		exact = 1 << 24
	}
	if abs < exact && f == math.Trunc(f) && (f != 0 || !math.Signbit(f)) {
		return strconv.AppendInt(dst, int64(f), 10), nil
	}
	format := byte('f')
	small, large := abs < 1e-6, abs >= 1e21
	if bits == 32 {
		small, large = float32(abs) < 1e-6, float32(abs) >= 1e21
	}
	if abs != 0 && (small || large) {
		format = 'e'
	}
	dst = strconv.AppendFloat(dst, f, format, -1, bits)
	if n := len(dst); format == 'e' && n >= 4 && dst[n-4] == 'e' && dst[n-3] == '-' && dst[n-2] == '0' {
		dst[n-2] = dst[n-1] // e-09 is written e-9
		dst = dst[:n-1]
	}
	return dst, nil
}

func appendBase64(dst, v []byte) []byte {
	dst = append(dst, '"')
	dst = base64.StdEncoding.AppendEncode(dst, v)
	return append(dst, '"')
}

func appendRFC3339(dst []byte, t time.Time) ([]byte, error) {
	if s := t.Unix(); s < minSecond || s > maxSecond {
		return dst, errorf("expected a time in the years 0 to 9999, got year %d", t.Year())
	}
	dst = append(dst, '"')
	dst = t.AppendFormat(dst, time.RFC3339Nano)
	return append(dst, '"'), nil
}
