package avro

import (
	"encoding/binary"
	"fmt"
	"math"

	"github.com/levada-io/levada/internal/frame"
	"github.com/tinylib/msgp/msgp"
)

const (
	// maxDepth is how deep values may lie in each other, as in the other codecs.
	maxDepth = 10_000
	// maxEmpty is how many elements of no bytes one message may have: nothing else
	// bounds them.
	maxEmpty = 4096
)

type reader struct {
	src          []byte
	pos          int
	depth, empty int
}

// read appends the MessagePack of a message.
func read(dst, src []byte, n *node) ([]byte, error) {
	r := &reader{src: src}
	out, err := r.value(dst, n)
	if err == nil && r.pos < len(src) {
		err = failed("malformed avro at byte %d: expected the end of the value, got %d bytes more", r.pos, len(src)-r.pos)
	}
	if err != nil {
		return dst, err
	}
	return out, nil
}

func (r *reader) malformed(format string, args ...any) error {
	return failed("malformed avro at byte %d: %s", r.pos, fmt.Sprintf(format, args...))
}

func (r *reader) long() (int64, error) {
	v, n := binary.Varint(r.src[r.pos:])
	if n == 0 {
		return 0, r.malformed("expected a number, got the end")
	}
	if n < 0 {
		return 0, r.malformed("expected a number of 64 bits, got a longer one")
	}
	r.pos += n
	return v, nil
}

func (r *reader) take(n int64) ([]byte, error) {
	if n < 0 {
		return nil, r.malformed("expected a length, got %d", n)
	}
	if n > int64(len(r.src)-r.pos) {
		return nil, r.malformed("expected %d bytes, got %d", n, len(r.src)-r.pos)
	}
	b := r.src[r.pos : r.pos+int(n)]
	r.pos += int(n)
	return b, nil
}

func (r *reader) sized() ([]byte, error) {
	n, err := r.long()
	if err != nil {
		return nil, err
	}
	return r.take(n)
}

func (r *reader) value(dst []byte, n *node) ([]byte, error) {
	from := r.pos
	switch n.kind {
	case kNull:
		return msgp.AppendNil(dst), nil
	case kBool:
		b, err := r.take(1)
		if err != nil {
			return dst, err
		}
		if b[0] > 1 {
			r.pos = from
			return dst, r.malformed("expected a boolean, 0 or 1, got %d", b[0])
		}
		return msgp.AppendBool(dst, b[0] == 1), nil
	case kInt, kLong:
		v, err := r.long()
		if err == nil && n.kind == kInt && (v < math.MinInt32 || v > math.MaxInt32) {
			r.pos = from
			err = r.malformed("expected an int of 32 bits, got %d", v)
		}
		if n.as == kFloat || n.as == kDouble {
			return msgp.AppendFloat64(dst, float64(v)), err
		}
		return msgp.AppendInt64(dst, v), err
	case kMillis, kMicros, kDays:
		return r.time(dst, n)
	case kLongMillis, kLongMicros:
		return r.duration(dst, n)
	case kFloat:
		b, err := r.take(4)
		if err != nil {
			return dst, err
		}
		if n.as == kDouble {
			return msgp.AppendFloat64(dst, float64(math.Float32frombits(binary.LittleEndian.Uint32(b)))), nil
		}
		return msgp.AppendFloat32(dst, math.Float32frombits(binary.LittleEndian.Uint32(b))), nil
	case kDouble:
		b, err := r.take(8)
		if err != nil {
			return dst, err
		}
		return msgp.AppendFloat64(dst, math.Float64frombits(binary.LittleEndian.Uint64(b))), nil
	case kBytes:
		b, err := r.sized()
		if n.as == kString {
			return msgp.AppendStringFromBytes(dst, b), err
		}
		return msgp.AppendBytes(dst, b), err
	case kFixed:
		b, err := r.take(int64(n.size))
		return msgp.AppendBytes(dst, b), err
	case kString:
		b, err := r.sized()
		if n.as == kBytes {
			return msgp.AppendBytes(dst, b), err
		}
		return msgp.AppendStringFromBytes(dst, b), err
	case kEnum:
		i, err := r.long()
		if err != nil {
			return dst, err
		}
		if i < 0 || i >= int64(len(n.symbols)) {
			r.pos = from
			return dst, r.malformed("expected one of %d symbols of %s, got number %d", len(n.symbols), n.name, i)
		}
		if n.wrote != nil && n.symbols[i] == "" {
			return dst, failed("expected a symbol of %s, got %q, which the reader's schema has not", n.name, n.wrote[i])
		}
		return msgp.AppendString(dst, n.symbols[i]), nil
	case kRefused:
		return dst, failed("%s", n.why)
	case kOne:
		return r.value(frame.AppendVariant(dst, n.variant), n.elem)
	}
	if r.depth++; r.depth > maxDepth {
		return dst, failed("more than %d levels of nesting", maxDepth)
	}
	defer func() { r.depth-- }()
	switch n.kind {
	case kUnion:
		i, err := r.long()
		if err != nil {
			return dst, err
		}
		if i < 0 || i >= int64(len(n.branches)) {
			r.pos = from
			return dst, r.malformed("expected one of %d types, got number %d", len(n.branches), i)
		}
		return r.value(dst, n.branches[i])
	case kRecord:
		dst = msgp.AppendMapHeader(dst, uint32(n.kept+n.fills))
		for i := range n.fields {
			f := &n.fields[i]
			var err error
			if f.skip {
				mark := len(dst)
				if dst, err = r.value(dst, f.node); err != nil {
					return dst, in(err, "."+f.name)
				}
				dst = dst[:mark]
				continue
			}
			if dst, err = r.value(msgp.AppendString(dst, f.name), f.node); err != nil {
				return dst, in(err, "."+f.name)
			}
		}
		return append(dst, n.filled...), nil
	}
	return r.blocks(dst, n)
}

// time reads a time, in the form that the type of the values has.
func (r *reader) time(dst []byte, n *node) ([]byte, error) {
	from := r.pos
	v, err := r.long()
	if err != nil {
		return dst, err
	}
	by := n.kind.micros()
	at, ok := v*by, v >= math.MinInt64/by && v <= math.MaxInt64/by
	if second := floor(at, 1_000_000); !ok || second < -62_167_219_200 || second > 253_402_300_799 {
		r.pos = from
		return dst, r.malformed("expected a time in the years 0 to 9999, got %d", v)
	}
	if n.unit == "" {
		return appendTime(dst, at), nil
	}
	return appendScaled(dst, at, n.unit), nil
}

// duration reads a duration, in the unit that the type of the values has.
func (r *reader) duration(dst []byte, n *node) ([]byte, error) {
	from := r.pos
	v, err := r.long()
	if err != nil {
		return dst, err
	}
	const most = 24 * 3600 * 1_000_000 // it is the time of a day
	by := n.kind.micros()
	if v < 0 || v >= most/by {
		r.pos = from
		return dst, r.malformed("expected a time of the day, 0 to %d, got %d", most/by-1, v)
	}
	return appendScaled(dst, v*by, n.unit), nil
}

// appendScaled appends microseconds as a number of a unit.
func appendScaled(dst []byte, micros int64, unit string) []byte {
	if unit == "unix_ns" || unit == "ns" {
		if micros > math.MaxInt64/1000 || micros < math.MinInt64/1000 {
			return msgp.AppendFloat64(dst, float64(micros)*1000)
		}
		return msgp.AppendInt64(dst, micros*1000)
	}
	scale := scales[unit]
	if micros%scale == 0 {
		return msgp.AppendInt64(dst, micros/scale)
	}
	return msgp.AppendFloat64(dst, float64(micros)/float64(scale))
}

// scales are the microseconds of a unit.
var scales = map[string]int64{"unix_days": 24 * 3600 * 1_000_000, "unix": 1_000_000, "unix_ms": 1000, "unix_us": 1, "s": 1_000_000, "ms": 1000, "us": 1}

func floor(v, by int64) int64 {
	q := v / by
	if v%by < 0 {
		q--
	}
	return q
}

// appendTime appends the timestamp extension of 12 bytes.
func appendTime(dst []byte, micros int64) []byte {
	second := floor(micros, 1_000_000)
	dst = binary.BigEndian.AppendUint32(append(dst, 0xc7, 12, 0xff), uint32(micros-second*1_000_000)*1000)
	return binary.BigEndian.AppendUint64(dst, uint64(second))
}

// blocks reads an array or a map. How many elements there are is known behind them.
func (r *reader) blocks(dst []byte, n *node) ([]byte, error) {
	head := len(dst)
	dst = append(dst, 0xdd, 0, 0, 0, 0)
	least := n.elem.least
	if n.kind == kMap {
		dst[head] = 0xdf
		least++
	}
	total := 0
	for {
		from := r.pos
		count, err := r.long()
		if err != nil {
			return dst, err
		}
		if count == 0 {
			break
		}
		if count < 0 {
			count = -count
			size, err := r.long()
			if err != nil {
				return dst, err
			}
			if size < 0 || size > int64(len(r.src)-r.pos) {
				return dst, r.malformed("a block of %d bytes in %d", size, len(r.src)-r.pos)
			}
		}
		left := len(r.src) - r.pos
		switch {
		case least > 0 && (count < 0 || count > int64(left/least)):
			r.pos = from
			return dst, r.malformed("%d elements in %d bytes", count, left)
		case least == 0 && (count < 0 || count > int64(maxEmpty-r.empty)):
			r.pos = from
			return dst, r.malformed("more than %d elements of no bytes", maxEmpty)
		case least == 0:
			r.empty += int(count)
		}
		for range count {
			step := ""
			if n.kind == kMap {
				name, err := r.sized()
				if err != nil {
					return dst, in(err, fmt.Sprintf("[%d]", total))
				}
				dst = msgp.AppendStringFromBytes(dst, name)
				step = string(name)
			}
			if dst, err = r.value(dst, n.elem); err != nil {
				if n.kind == kMap {
					return dst, in(err, "."+step)
				}
				return dst, in(err, fmt.Sprintf("[%d]", total))
			}
			total++
		}
	}
	binary.BigEndian.PutUint32(dst[head+1:], uint32(total))
	return dst, nil
}
