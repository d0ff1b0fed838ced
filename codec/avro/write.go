package avro

import (
	"encoding/binary"
	"fmt"
	"math"
	"time"

	"github.com/levada-io/levada/internal/frame"
	"github.com/tinylib/msgp/msgp"
)

// converter turns MessagePack into Avro.
type converter struct {
	slots [][]byte // values of the records that are open, by field
}

// write appends the message of a value. On an error dst comes back as it was.
func (w *converter) write(dst, src []byte, n *node) ([]byte, error) {
	out, _, err := w.value(dst, src, n)
	if err != nil {
		return dst, err
	}
	if out == nil {
		out = []byte{} // a value of no bytes is no null
	}
	return out, nil
}

var typeNames = map[msgp.Type]string{
	msgp.StrType: "string", msgp.BinType: "bytes", msgp.MapType: "object", msgp.ArrayType: "list", msgp.Float64Type: "number", msgp.Float32Type: "number",
	msgp.BoolType: "bool", msgp.IntType: "integer", msgp.UintType: "integer", msgp.NilType: "null", msgp.ExtensionType: "time", msgp.TimeType: "time",
}

func mismatch(n *node, src []byte) error {
	return failed("expected %s, got %s", n.name, typeNames[msgp.NextType(src)])
}

func integer(src []byte) (int64, []byte, error) { return msgp.ReadInt64Bytes(src) }

func isInteger(t msgp.Type) bool { return t == msgp.IntType || t == msgp.UintType }

func isTime(t msgp.Type) bool { return t == msgp.ExtensionType || t == msgp.TimeType }

// wants says which values a place takes.
func (n *node) wants(src []byte) bool {
	switch t := msgp.NextType(src); n.kind {
	case kNull:
		return t == msgp.NilType
	case kBool:
		return t == msgp.BoolType
	case kInt, kLong:
		return isInteger(t)
	case kLongMillis, kLongMicros:
		return isInteger(t) || t == msgp.Float64Type
	case kMillis, kMicros, kDays:
		return isTime(t) || n.unit != "" && (isInteger(t) || t == msgp.Float64Type)
	case kFloat, kDouble:
		return t == msgp.Float32Type || t == msgp.Float64Type || isInteger(t)
	case kBytes, kFixed:
		return t == msgp.BinType
	case kString, kEnum:
		return t == msgp.StrType
	case kArray:
		return t == msgp.ArrayType
	case kRecord, kMap:
		return t == msgp.MapType
	}
	return true
}

func (w *converter) value(dst, src []byte, n *node) (out, rest []byte, err error) {
	variant, src, ok := frame.CutVariant(src)
	if n = n.itself(); !ok {
		variant = -1
	}
	if !n.wants(src) {
		return dst, src, mismatch(n, src)
	}
	switch n.kind {
	case kNull:
		return dst, src[1:], nil
	case kBool:
		v, rest, err := msgp.ReadBoolBytes(src)
		if v {
			return append(dst, 1), rest, err
		}
		return append(dst, 0), rest, err
	case kInt, kLong:
		v, rest, err := integer(src)
		switch {
		case err != nil:
			return dst, src, failed("expected %s, got an integer beyond 63 bits", n.name)
		case n.kind == kInt && (v < math.MinInt32 || v > math.MaxInt32):
			return dst, src, failed("expected an int of 32 bits, got %d", v)
		}
		return binary.AppendVarint(dst, v), rest, nil
	case kMillis, kMicros, kDays, kLongMillis, kLongMicros:
		return w.time(dst, src, n)
	case kFloat, kDouble:
		v, rest, err := real(src)
		if err != nil {
			return dst, src, err
		}
		if n.kind == kFloat {
			return binary.LittleEndian.AppendUint32(dst, math.Float32bits(float32(v))), rest, nil
		}
		return binary.LittleEndian.AppendUint64(dst, math.Float64bits(v)), rest, nil
	case kBytes, kFixed:
		v, rest, err := msgp.ReadBytesZC(src)
		if err != nil {
			return dst, src, err
		}
		if n.kind == kFixed {
			if len(v) != n.size {
				return dst, src, failed("expected %d bytes of %s, got %d", n.size, n.name, len(v))
			}
			return append(dst, v...), rest, nil
		}
		return append(binary.AppendVarint(dst, int64(len(v))), v...), rest, nil
	case kString, kEnum:
		v, rest, err := msgp.ReadStringZC(src)
		if err != nil {
			return dst, src, err
		}
		if n.kind == kEnum {
			i, ok := n.index[string(v)]
			if !ok {
				return dst, src, failed("expected a symbol of %s, got %q", n.name, v)
			}
			return binary.AppendVarint(dst, int64(i)), rest, nil
		}
		return append(binary.AppendVarint(dst, int64(len(v))), v...), rest, nil
	case kArray:
		return w.list(dst, src, n)
	case kMap:
		return w.object(dst, src, n)
	case kUnion:
		i, err := n.choose(src, variant)
		if err != nil {
			return dst, src, err
		}
		return w.value(binary.AppendVarint(dst, int64(i)), src, n.branches[i])
	}
	return w.record(dst, src, n)
}

func real(src []byte) (float64, []byte, error) {
	switch msgp.NextType(src) {
	case msgp.Float32Type:
		v, rest, err := msgp.ReadFloat32Bytes(src)
		return float64(v), rest, err
	case msgp.UintType:
		v, rest, err := msgp.ReadUint64Bytes(src)
		return float64(v), rest, err
	case msgp.IntType:
		v, rest, err := msgp.ReadInt64Bytes(src)
		return float64(v), rest, err
	}
	return msgp.ReadFloat64Bytes(src)
}

func (w *converter) time(dst, src []byte, n *node) ([]byte, []byte, error) {
	var micros int64
	var rest []byte
	if t := msgp.NextType(src); isTime(t) {
		at, after, err := msgp.ReadTimeUTCBytes(src)
		if err != nil {
			return dst, src, mismatch(n, src)
		}
		micros, rest = at.UnixMicro(), after
	} else if isInteger(t) {
		v, after, err := integer(src)
		if err != nil {
			return dst, src, err
		}
		if micros, rest = v/1000, after; !nanos(n.unit) {
			if scale := scales[n.unit]; v > math.MaxInt64/scale || v < math.MinInt64/scale {
				return dst, src, failed("expected a %s of 64 bits in microseconds, got %d", n.name, v)
			}
			micros = v * scales[n.unit]
		}
	} else {
		v, after, err := real(src)
		if err != nil {
			return dst, src, err
		}
		if rest = after; nanos(n.unit) {
			micros = int64(math.Round(v / 1000))
		} else {
			micros = int64(math.Round(v * float64(scales[n.unit])))
		}
	}
	if n.kind.isLong() && (micros < 0 || micros >= 24*3600*1_000_000) {
		return dst, src, failed("expected the time of a day, got %s", time.Duration(micros)*time.Microsecond)
	}
	return binary.AppendVarint(dst, floor(micros, n.kind.micros())), rest, nil
}

func nanos(unit string) bool { return unit == "unix_ns" || unit == "ns" }

func (w *converter) list(dst, src []byte, n *node) ([]byte, []byte, error) {
	count, rest, err := msgp.ReadArrayHeaderBytes(src)
	if err != nil {
		return dst, src, err
	}
	if count > 0 {
		dst = binary.AppendVarint(dst, int64(count))
	}
	for i := range count {
		if dst, rest, err = w.value(dst, rest, n.elem); err != nil {
			return dst, src, in(err, fmt.Sprintf("[%d]", i))
		}
	}
	return append(dst, 0), rest, nil
}

func (w *converter) object(dst, src []byte, n *node) ([]byte, []byte, error) {
	count, rest, err := msgp.ReadMapHeaderBytes(src)
	if err != nil {
		return dst, src, err
	}
	if count > 0 {
		dst = binary.AppendVarint(dst, int64(count))
	}
	for range count {
		var name []byte
		if name, rest, err = msgp.ReadStringZC(rest); err != nil {
			return dst, src, err
		}
		dst = append(binary.AppendVarint(dst, int64(len(name))), name...)
		if dst, rest, err = w.value(dst, rest, n.elem); err != nil {
			return dst, src, in(err, "."+string(name))
		}
	}
	return append(dst, 0), rest, nil
}

// record writes the fields in the order of the schema; members in that order, as those
// of most types are, are written as they come.
func (w *converter) record(dst, src []byte, n *node) ([]byte, []byte, error) {
	count, rest, err := msgp.ReadMapHeaderBytes(src)
	if err != nil {
		return dst, src, err
	}
	base, next := len(w.slots), 0
	for range n.fields {
		w.slots = append(w.slots, nil)
	}
	defer func() { w.slots = w.slots[:base] }()
	for range count {
		var name []byte
		if name, rest, err = msgp.ReadStringZC(rest); err != nil {
			return dst, src, err
		}
		if next < len(n.fields) && n.fields[next].name == string(name) {
			if dst, rest, err = w.value(dst, rest, n.fields[next].node); err != nil {
				return dst, src, in(err, "."+n.fields[next].name)
			}
			next++
			continue
		}
		if i, ok := n.index[string(name)]; ok {
			w.slots[base+i] = rest
		}
		if rest, err = skip(rest); err != nil {
			return dst, src, err
		}
	}
	for i := next; i < len(n.fields); i++ {
		f := &n.fields[i]
		switch v := w.slots[base+i]; {
		case v != nil:
			dst, _, err = w.value(dst, v, f.node)
		case f.node.kind == kUnion && f.node.null >= 0:
			dst = binary.AppendVarint(dst, int64(f.node.null))
		case f.node.kind != kNull:
			err = failed("missing member (%s)", f.node.name)
		}
		if err != nil {
			return dst, src, in(err, "."+f.name)
		}
	}
	return dst, rest, nil
}

// choose finds the branch of a union that a value is of: by its kind, an enum before a
// string where it has the symbol, a record by the fields that it must have.
// What the value says of its variant comes first.
func (n *node) choose(src []byte, variant int) (int, error) {
	t := msgp.NextType(src)
	if t == msgp.NilType {
		if n.null < 0 {
			return 0, mismatch(n, src)
		}
		return n.null, nil
	}
	if n.only >= 0 {
		return n.only, nil
	}
	if i := n.branchOf(variant); variant >= 0 && i >= 0 {
		return i, nil
	}
	loose := -1
	for i, b := range n.branches {
		if b.kind == kOne && variant >= 0 && b.variant != variant {
			continue
		}
		if b = b.itself(); !b.wants(src) {
			continue
		}
		switch b.kind {
		case kInt:
			if v, _, err := integer(src); err != nil || v < math.MinInt32 || v > math.MaxInt32 {
				continue
			}
		case kLong:
			if _, _, err := integer(src); err != nil {
				continue
			}
		case kFloat, kDouble:
			if isInteger(t) || b.kind == kFloat && t == msgp.Float64Type {
				if loose < 0 || b.kind == kDouble {
					loose = i // an integer, or a double, is one where nothing fits better
				}
				continue
			}
		case kEnum:
			if v, _, err := msgp.ReadStringZC(src); err != nil || !n.has(b, v) {
				continue
			}
		case kFixed:
			if v, _, err := msgp.ReadBytesZC(src); err != nil || len(v) != b.size {
				continue
			}
		case kRecord:
			if !b.complete(src) {
				continue
			}
		case kString, kMap, kBytes:
			if loose < 0 {
				loose = i // an enum, a record, a fixed says more
			}
			continue
		}
		return i, nil
	}
	if loose < 0 {
		names := ""
		for _, b := range n.branches {
			names += ", " + b.name
		}
		return 0, failed("expected one of %s, got %s that is none", names[2:], typeNames[t])
	}
	return loose, nil
}

func (*node) has(enum *node, symbol []byte) bool {
	_, ok := enum.index[string(symbol)]
	return ok
}

// complete says that a map has all fields that a record can not do without.
func (n *node) complete(src []byte) bool {
	count, rest, err := msgp.ReadMapHeaderBytes(src)
	if err != nil {
		return false
	}
	need := 0
	for i := range n.fields {
		if f := n.fields[i].node; f.kind != kNull && (f.kind != kUnion || f.null < 0) {
			need++
		}
	}
	for range count {
		var name []byte
		if name, rest, err = msgp.ReadStringZC(rest); err != nil {
			return false
		}
		if i, ok := n.index[string(name)]; ok {
			if f := n.fields[i].node; f.kind != kNull && (f.kind != kUnion || f.null < 0) {
				need--
			}
		}
		if rest, err = skip(rest); err != nil {
			return false
		}
	}
	return need <= 0
}
