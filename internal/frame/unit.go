package frame

import (
	"math"
	"slices"
	"strconv"
	"time"
)

// unit is how JSON and numbers write a time or a duration. In a frame both are
// microseconds.
type unit uint8

const (
	inText unit = iota // RFC 3339; of a duration, this is inMillis
	inSeconds
	inMillis
	inMicros
	inNanos
	inDays // whole ones: what comes behind midnight, in UTC, is cut
)

// units are the names in a plan, by kind.
func units(k kind) []string {
	if k == kDuration {
		return []string{inText: "", inSeconds: "s", inMillis: "ms", inMicros: "us", inNanos: "ns"}
	}
	return []string{inText: "", inSeconds: "unix", inMillis: "unix_ms", inMicros: "unix_us", inNanos: "unix_ns", inDays: "unix_days"}
}

// unitOf is the unit of a plan's name; false: there is none.
func unitOf(k kind, name string) (unit, bool) {
	if k != kTime && k != kDuration {
		return inText, name == ""
	}
	u := unit(max(slices.Index(units(k), name), 0))
	if k == kDuration && u == inText {
		u = inMillis
	}
	return u, slices.Contains(units(k), name)
}

// unitName is the name in a plan.
func (n *node) unitName() string {
	if n.kind == kDuration && n.unit == inMillis || n.unit == inText {
		return ""
	}
	return units(n.kind)[n.unit]
}

// number says that text has the value as a number.
func (n *node) number() bool { return n.unit != inText }

// scales are the microseconds of one unit, and the digits behind the point that they
// take.
var scales = [...]struct {
	per    uint64
	digits int
}{inSeconds: {1e6, 6}, inMillis: {1e3, 3}, inMicros: {1, 0}, inDays: {24 * 3600 * 1e6, 0}}

// appendTicks prints microseconds in a unit: a whole number where it is one, and digits
// behind the point where it is not, so that nothing is lost. Days are whole.
func appendTicks(dst []byte, us int64, u unit) []byte {
	if u == inDays {
		return strconv.AppendInt(dst, days(us), 10)
	}
	v := uint64(us)
	if us < 0 {
		dst = append(dst, '-')
		v = -v
	}
	if u == inNanos {
		if dst = strconv.AppendUint(dst, v, 10); v != 0 {
			dst = append(dst, "000"...)
		}
		return dst
	}
	m := scales[u]
	dst = strconv.AppendUint(dst, v/m.per, 10)
	rest := v % m.per
	if rest == 0 {
		return dst
	}
	at := len(dst)
	dst = strconv.AppendUint(dst, m.per+rest, 10) // with its leading zeros behind a 1
	dst[at] = '.'
	for dst[len(dst)-1] == '0' {
		dst = dst[:len(dst)-1]
	}
	return dst
}

// days are the whole days of microseconds since 1970.
func days(us int64) int64 {
	per := int64(scales[inDays].per)
	d := us / per
	if us%per < 0 {
		d--
	}
	return d
}

// ticks reads a number in a unit as microseconds. Digits beyond them are cut off.
func (p *parser) ticks(n *node) (int64, error) {
	expected := "a number of " + n.unitWords()
	from := p.pos
	if c := p.peek(); c != '-' && c-'0' > 9 {
		return 0, p.mismatch(expected)
	}
	if _, err := p.number(); err != nil {
		return 0, err
	}
	word := p.src[from:p.pos]
	us, ok := ticksOf(word, n.unit)
	if _, long := toDuration(us); !ok || n.kind == kTime && !sensible(us) || n.kind == kDuration && long != nil {
		return 0, errorf("expected %s, got %s", expected, shorten(word))
	}
	return us, nil
}

// unitWords is the unit as messages name it.
func (n *node) unitWords() string {
	words := [...]string{inSeconds: "seconds", inMillis: "milliseconds", inMicros: "microseconds", inNanos: "nanoseconds", inDays: "days"}[n.unit]
	if n.kind == kTime {
		words += " since 1970"
	}
	return words
}

// ticksOf converts the digits of a JSON number: exactly, where a double would not.
func ticksOf(word []byte, u unit) (int64, bool) {
	negative := word[0] == '-'
	if negative {
		word = word[1:]
	}
	whole, fraction := word, []byte(nil)
	if i := slices.Index(word, '.'); i >= 0 {
		whole, fraction = word[:i], word[i+1:]
	}
	if i := slices.IndexFunc(word, func(c byte) bool { return c == 'e' || c == 'E' }); i >= 0 {
		return 0, false
	}
	var b [24]byte
	digits := b[:0]
	if u == inNanos {
		digits = append(digits, whole[:max(len(whole)-3, 0)]...)
	} else {
		if len(whole) > 20 {
			return 0, false
		}
		digits = append(digits, whole...)
		for i := range scales[u].digits {
			c := byte('0')
			if i < len(fraction) {
				c = fraction[i]
			}
			digits = append(digits, c)
		}
	}
	for len(digits) > 1 && digits[0] == '0' {
		digits = digits[1:]
	}
	v, ok := magnitude(digits)
	if u == inDays {
		if ok = ok && v <= math.MaxInt64/scales[inDays].per; ok {
			v *= scales[inDays].per
		}
	}
	switch {
	case !ok || v > math.MaxInt64:
		return 0, false
	case negative:
		return -int64(v), true
	}
	return int64(v), true
}

// sensible says that microseconds are in the years 0 to 9999.
func sensible(us int64) bool {
	s := toTime(uint64(us)).Unix()
	return s >= minSecond && s <= maxSecond
}

// readTicks are the microseconds of a number in an any; false: too many.
func readTicks(t tag, v uint64, u unit) (int64, bool) {
	switch {
	case t == tagInt && u == inNanos:
		return int64(v) / 1000, true
	case t == tagInt:
		per := int64(scales[u].per)
		us := int64(v) * per
		return us, us/per == int64(v)
	case t != tagFloat:
		return 0, false
	}
	f := math.Float64frombits(v)
	if u == inNanos {
		f /= 1000
	} else {
		f *= float64(scales[u].per)
	}
	f = math.Round(f)
	return int64(f), f > -1<<63 && f < 1<<63 // NaN is neither
}

func toDuration(us int64) (time.Duration, error) {
	if us > math.MaxInt64/1000 || us < math.MinInt64/1000 {
		return 0, errorf("expected a duration of at most 292 years, got %d s", us/1e6)
	}
	return time.Duration(us) * time.Microsecond, nil
}
