package frame

import (
	"math"
	"net/netip"
	"net/url"
	"reflect"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"
	"unsafe"

	"github.com/levada-io/levada/plan"
)

// rules are those of a member, compiled for the kind of its values; elem those of its
// elements. What has none has no rules: nobody else pays for them.
type rules struct {
	text string // as the plan has it
	elem *rules
	each []*rules // of the elements of a tuple

	minLen, maxLen int

	lo, hi           int64
	ulo, uhi         uint64
	flo, fhi         float64
	minOpen, maxOpen bool
	low, high        string // as messages have them: ">= 0"

	ints  []int64 // the only ones
	uints []uint64
	texts []string

	match    func(s string) bool
	pattern  string
	isFormat func(s string) bool
	format   string
}

// rules compiles the rules of a member, whose type is of.
func (c *compiler) rules(of *node, f plan.Field) (*rules, error) {
	if of.kind == kConst {
		of = of.konst.base
	}
	if err := f.CheckRules(); err != nil {
		return nil, err
	}
	r, err := plan.ParseRules(f.Rules)
	if err != nil {
		return nil, err
	}
	return compileRules(r, of)
}

func compileRules(r plan.Rules, n *node) (*rules, error) {
	out := &rules{text: r.String(), minLen: r.MinLen, maxLen: r.MaxLen}
	if out.maxLen < 0 {
		out.maxLen = math.MaxInt
	}
	var err error
	switch k := n.kind; {
	case k == kList || k == kMap:
		if elems := r.Elems(); !elems.Empty() {
			out.elem, err = compileRules(elems, n.elem)
		}
		return out, err
	case k == kTuple:
		for _, e := range n.elems {
			of, err := compileRules(r.Elems(), e)
			if err != nil {
				return nil, err
			}
			out.each = append(out.each, of)
		}
		return out, nil
	case k.signed():
		out.lo, out.hi = -int64(maxOf[k])-1, int64(maxOf[k])
		if r.Min != "" {
			out.lo, _ = strconv.ParseInt(r.Min, 10, 64)
		}
		if r.Max != "" {
			out.hi, _ = strconv.ParseInt(r.Max, 10, 64)
		}
		for _, v := range r.Enum {
			i, _ := strconv.ParseInt(v, 10, 64)
			out.ints = append(out.ints, i)
		}
	case k.unsigned():
		out.uhi = maxOf[k]
		if r.Min != "" {
			out.ulo, _ = strconv.ParseUint(r.Min, 10, 64)
		}
		if r.Max != "" {
			out.uhi, _ = strconv.ParseUint(r.Max, 10, 64)
		}
		for _, v := range r.Enum {
			u, _ := strconv.ParseUint(v, 10, 64)
			out.uints = append(out.uints, u)
		}
	case k.float():
		out.flo, out.fhi = math.Inf(-1), math.Inf(1)
		if r.Min != "" {
			out.flo, _ = strconv.ParseFloat(r.Min, 64)
		}
		if r.Max != "" {
			out.fhi, _ = strconv.ParseFloat(r.Max, 64)
		}
	case k == kString:
		out.texts = r.Enum
		out.pattern = r.Pattern
		if r.Pattern != "" {
			re, err := regexp.Compile(r.Pattern)
			if err != nil {
				return nil, err
			}
			if out.match = runsOf(r.Pattern); out.match == nil {
				out.match = re.MatchString
			}
		}
		out.format, out.isFormat = r.Format, formats[r.Format]
	}
	out.minOpen, out.maxOpen = r.MinOpen, r.MaxOpen
	if r.Min != "" {
		out.low = map[bool]string{false: ">= ", true: "> "}[r.MinOpen] + r.Min
	}
	if r.Max != "" {
		out.high = map[bool]string{false: "<= ", true: "< "}[r.MaxOpen] + r.Max
	}
	return out, nil
}

func (r *rules) int(v int64) error {
	if v >= r.lo && v <= r.hi && !(r.minOpen && v == r.lo) && !(r.maxOpen && v == r.hi) {
		if r.ints == nil || slices.Contains(r.ints, v) {
			return nil
		}
		return errorf("expected %s, got %d", oneOf(r.ints, func(v int64) string { return strconv.FormatInt(v, 10) }), v)
	}
	if v < r.lo || r.minOpen && v == r.lo {
		return errorf("expected integer %s, got %d", r.low, v)
	}
	return errorf("expected integer %s, got %d", r.high, v)
}

func (r *rules) uint(v uint64) error {
	if v >= r.ulo && v <= r.uhi && !(r.minOpen && v == r.ulo) && !(r.maxOpen && v == r.uhi) {
		if r.uints == nil || slices.Contains(r.uints, v) {
			return nil
		}
		return errorf("expected %s, got %d", oneOf(r.uints, func(v uint64) string { return strconv.FormatUint(v, 10) }), v)
	}
	if v < r.ulo || r.minOpen && v == r.ulo {
		return errorf("expected integer %s, got %d", r.low, v)
	}
	return errorf("expected integer %s, got %d", r.high, v)
}

func (r *rules) float(v float64) error {
	// What is no number is outside of every bound, whichever way one asks.
	if v > r.flo && v < r.fhi {
		return nil
	}
	above := v >= r.flo && !(r.minOpen && v == r.flo)
	below := v <= r.fhi && !(r.maxOpen && v == r.fhi)
	switch {
	case r.low != "" && !above:
		return errorf("expected number %s, got %v", r.low, v)
	case r.high != "" && !below:
		return errorf("expected number %s, got %v", r.high, v)
	}
	return nil
}

func (r *rules) str(s string) error {
	// As many bytes as characters are the least, four times as many the most.
	if n := len(s); n < 4*r.minLen || n > r.maxLen {
		n = utf8.RuneCountInString(s)
		if err := r.length(n, "a string of", "character"); err != nil {
			return err
		}
	}
	switch {
	case r.texts != nil && !slices.Contains(r.texts, s):
		return errorf("expected %s, got %s", oneOf(r.texts, strconv.Quote), shown(s))
	case r.match != nil && !r.match(s):
		return errorf("expected a string that matches %s, got %s", r.pattern, shown(s))
	case r.isFormat != nil && !r.isFormat(s):
		return errorf("expected a string of format %s, got %s", r.format, shown(s))
	}
	return nil
}

func shown(s string) string {
	if len(s) > 40 {
		s = s[:40] + "..."
	}
	return strconv.Quote(s)
}

func oneOf[V any](list []V, text func(V) string) string {
	parts := make([]string, len(list))
	for i, v := range list {
		parts[i] = text(v)
	}
	if len(parts) == 1 {
		return parts[0]
	}
	return "one of " + strings.Join(parts, ", ")
}

// length holds a length against the rules; the words say what of what.
func (r *rules) length(n int, what, unit string) error {
	if n >= r.minLen && n <= r.maxLen {
		return nil
	}
	bound, most := "at least", r.minLen
	if n > r.maxLen {
		bound, most = "at most", r.maxLen
	}
	switch {
	case most == 1:
	case unit == "entry":
		unit = "entries"
	default:
		unit += "s"
	}
	return errorf("expected %s %s %d %s, got %d", what, bound, most, unit, n)
}

// value holds the frame of a value against the rules; b is all of it, without its
// presence byte.
func (r *rules) value(n *node, b []byte) error {
	switch k := n.kind; {
	case k.signed():
		return r.int(int64(le.Uint64(b)))
	case k.unsigned():
		return r.uint(le.Uint64(b))
	case k.float():
		return r.float(math.Float64frombits(le.Uint64(b)))
	case k == kString:
		return r.str(asText(b[4:]))
	case k == kBytes:
		return r.length(len(b)-4, "bytes of", "byte")
	}
	rd := reader{b: b}
	if n.kind == kTuple {
		for i, e := range n.elems {
			if err := r.each[i].next(&rd, e); err != nil {
				return inElement(err, i)
			}
		}
		return nil
	}
	count, err := rd.count(n)
	if err != nil {
		return err
	}
	if n.kind == kList {
		err = r.length(count, "a list of", "element")
	} else {
		err = r.length(count, "a map of", "entry")
	}
	if err != nil || r.elem == nil {
		return err
	}
	if n.kind == kList {
		for i := range count {
			if err := r.elem.next(&rd, n.elem); err != nil {
				return inElement(err, i)
			}
		}
		return nil
	}
	var first firstWrong
	for range count {
		key, err := rd.blob()
		if err != nil {
			return err
		}
		first.note(r.elem.next(&rd, n.elem), asText(key))
	}
	return first.err
}

// firstWrong is the wrong entry of a map that is told of: the first by key, since a map in
// Go has no other order.
type firstWrong struct {
	err error
	key string
}

func (f *firstWrong) note(err error, key string) {
	if err != nil && (f.err == nil || key < f.key) {
		f.err, f.key = inMember(err, key), key
	}
}

// next holds the value in front against the rules and passes over it.
func (r *rules) next(rd *reader, n *node) error {
	if n.nullable {
		state, err := rd.presence(true, false)
		if err != nil || state == null {
			return err
		}
	}
	from := rd.off
	if err := rd.skipBare(n); err != nil {
		return err
	}
	return r.value(n, rd.b[from:rd.off])
}

// zero holds the zero value in Go against the rules: what is written where a frame has
// the member absent and Go knows no absence. Its frame is nothing but zeros.
func (r *rules) zero(n *node) error { return r.value(n, make([]byte, n.min)) }

// check holds a member against its rules; b is its frame with its presence byte.
func (f *field) check(b []byte) error {
	if f.presence() {
		if b[0] != present {
			return nil
		}
		b = b[1:]
	}
	return f.rules.value(f.node, b)
}

// holds is a check of a member of a Go struct, which is at p. One that is absent or null
// there keeps to every rule.
type holds func(p unsafe.Pointer) error

// inMemory makes the check of the member that gf is in a Go struct; nil: it has no rules.
func (f *field) inMemory(gf *goField) holds {
	if f.rules == nil {
		return nil
	}
	check := f.rules.inMemory(gf.typ, f.node)
	if gf.opt {
		state := gf.state
		return func(p unsafe.Pointer) error {
			if *(*uint8)(unsafe.Add(p, state)) != optSome {
				return nil
			}
			return check(p)
		}
	}
	if k := f.node.kind; f.optional && gf.typ.Kind() != reflect.Pointer && (k == kList || k == kMap || k == kBytes) {
		return func(p unsafe.Pointer) error {
			if *(*unsafe.Pointer)(p) == nil {
				return nil // absent: an empty one has memory
			}
			return check(p)
		}
	}
	return check
}

// inMemory makes the check of values that lie in memory as t; what is at p of a pointer
// type is the pointer, and nil keeps to every rule.
func (r *rules) inMemory(t reflect.Type, n *node) holds {
	if t.Kind() == reflect.Pointer {
		check := r.inMemory(t.Elem(), n)
		return func(p unsafe.Pointer) error {
			if p = *(*unsafe.Pointer)(p); p == nil {
				return nil
			}
			return check(p)
		}
	}
	switch n.kind {
	case kInt8:
		return func(p unsafe.Pointer) error { return r.int(int64(*(*int8)(p))) }
	case kInt16:
		return func(p unsafe.Pointer) error { return r.int(int64(*(*int16)(p))) }
	case kInt32:
		return func(p unsafe.Pointer) error { return r.int(int64(*(*int32)(p))) }
	case kInt64:
		return func(p unsafe.Pointer) error { return r.int(*(*int64)(p)) }
	case kUint8:
		return func(p unsafe.Pointer) error { return r.uint(uint64(*(*uint8)(p))) }
	case kUint16:
		return func(p unsafe.Pointer) error { return r.uint(uint64(*(*uint16)(p))) }
	case kUint32:
		return func(p unsafe.Pointer) error { return r.uint(uint64(*(*uint32)(p))) }
	case kUint64:
		return func(p unsafe.Pointer) error { return r.uint(*(*uint64)(p)) }
	case kFloat32:
		return func(p unsafe.Pointer) error { return r.float(float64(*(*float32)(p))) }
	case kFloat64:
		return func(p unsafe.Pointer) error { return r.float(*(*float64)(p)) }
	case kString:
		return func(p unsafe.Pointer) error { return r.str(*(*string)(p)) }
	case kBytes:
		return func(p unsafe.Pointer) error { return r.length(len(*(*[]byte)(p)), "bytes of", "byte") }
	case kTuple:
		checks := make([]holds, t.Len())
		for i := range checks {
			checks[i] = r.each[i].inMemory(t.Elem(), n.elems[i])
		}
		return func(p unsafe.Pointer) error {
			for i, check := range checks {
				if err := check(unsafe.Add(p, uintptr(i)*t.Elem().Size())); err != nil {
					return inElement(err, i)
				}
			}
			return nil
		}
	case kList:
		var check holds
		if r.elem != nil {
			check = r.elem.inMemory(t.Elem(), n.elem)
		}
		width := t.Elem().Size()
		return func(p unsafe.Pointer) error {
			h := (*sliceHeader)(p)
			if err := r.length(h.len, "a list of", "element"); err != nil || check == nil {
				return err
			}
			for i := range h.len {
				if err := check(unsafe.Add(h.data, uintptr(i)*width)); err != nil {
					return inElement(err, i)
				}
			}
			return nil
		}
	}
	var check holds
	if r.elem != nil {
		check = r.elem.inMemory(t.Elem(), n.elem)
	}
	if check == nil && isMap[string](t) {
		return func(p unsafe.Pointer) error { return r.length(len(*(*map[string]string)(p)), "a map of", "entry") }
	}
	return func(p unsafe.Pointer) error {
		m := reflect.NewAt(t, p).Elem()
		if err := r.length(m.Len(), "a map of", "entry"); err != nil || check == nil {
			return err
		}
		v := reflect.New(t.Elem())
		var first firstWrong
		for i := m.MapRange(); i.Next(); {
			v.Elem().Set(i.Value())
			first.note(check(v.UnsafePointer()), keyText(i.Key()))
		}
		return first.err
	}
}

var formats = map[string]func(s string) bool{
	"date":      func(s string) bool { _, err := time.Parse(time.DateOnly, s); return err == nil },
	"date-time": func(s string) bool { _, ok := parseTime([]byte(s)); return ok },
	"ipv4":      func(s string) bool { a, err := netip.ParseAddr(s); return err == nil && a.Is4() },
	"ipv6":      func(s string) bool { a, err := netip.ParseAddr(s); return err == nil && a.Is6() && a.Zone() == "" },
	"uri":       func(s string) bool { u, err := url.Parse(s); return err == nil && u.IsAbs() },
	"uuid":      isUUID,
}

func isUUID(s string) bool {
	if len(s) != 36 {
		return false
	}
	for i := range len(s) {
		c := s[i]
		hex := c-'0' <= 9 || (c|0x20)-'a' <= 5
		if dash := i == 8 || i == 13 || i == 18 || i == 23; dash != (c == '-') || !dash && !hex {
			return false
		}
	}
	return true
}
