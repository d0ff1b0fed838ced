package frame

import (
	"reflect"
	"slices"
	"time"
	"unsafe"

	"github.com/tinylib/msgp/msgp"
)

// MsgpackEncoder writes values of one Go type as MessagePack, straight from memory. The
// message is the one that Layout.AppendMsgpack makes of the value's frame; what this
// knows no shorter way for goes through a frame.
type MsgpackEncoder struct{ enc *Encoder }

// NewMsgpackEncoder compiles the encoder of t.
func NewMsgpackEncoder(t reflect.Type) (*MsgpackEncoder, error) {
	enc, err := NewEncoder(t)
	if err != nil {
		return nil, err
	}
	return &MsgpackEncoder{enc}, nil
}

// Append appends the message of the value at p. On an error dst comes back as it was.
//
// # Errors
//
// Those of Encoder.Append and Layout.AppendMsgpack.
func (e *MsgpackEncoder) Append(dst []byte, p unsafe.Pointer) ([]byte, error) {
	out, err := e.enc.root.pack(dst, p, 0, false)
	if err != nil {
		return dst, err
	}
	return out, nil
}

// pack writes the value at p; sort is what it is in print.
func (e *memType) pack(dst []byte, p unsafe.Pointer, depth int, sort bool) ([]byte, error) {
	if e.ptr {
		if p = *(*unsafe.Pointer)(p); p == nil {
			return msgp.AppendNil(dst), nil
		}
	}
	switch e.op {
	case memBool:
		return msgp.AppendBool(dst, *(*bool)(p)), nil
	case memInt8:
		return packInt(dst, int64(*(*int8)(p))), nil
	case memInt16:
		return packInt(dst, int64(*(*int16)(p))), nil
	case memInt32:
		return packInt(dst, int64(*(*int32)(p))), nil
	case memInt64:
		return packInt(dst, *(*int64)(p)), nil
	case memUint8:
		return msgp.AppendUint64(dst, uint64(*(*uint8)(p))), nil
	case memUint16:
		return msgp.AppendUint64(dst, uint64(*(*uint16)(p))), nil
	case memUint32:
		return msgp.AppendUint64(dst, uint64(*(*uint32)(p))), nil
	case memUint64:
		return msgp.AppendUint64(dst, *(*uint64)(p)), nil
	case memFloat32:
		return msgp.AppendFloat32(dst, *(*float32)(p)), nil
	case memFloat64:
		return msgp.AppendFloat64(dst, *(*float64)(p)), nil
	case memString:
		return packString(dst, *(*string)(p)), nil
	case memBytes:
		return msgp.AppendBytes(dst, *(*[]byte)(p)), nil
	case memAny:
		return e.anys.pack(dst, *(*any)(p), depth, sort)
	case memUnion:
		return e.packUnion(dst, p, depth, sort)
	case memConst:
		return append(dst, e.node.konst.packed...), nil
	case memList:
		return e.packList(dst, p, depth, sort)
	case memMapString:
		var few [8]Entry[string]
		if all := Sorted(*(*map[string]string)(p), &few); printable(all) {
			dst = msgp.AppendMapHeader(dst, uint32(len(all)))
			for _, kv := range all {
				dst = packString(packName(dst, kv.Key), kv.Value)
			}
			return dst, nil
		}
	case memMapInt64:
		var few [8]Entry[int64]
		if all := Sorted(*(*map[string]int64)(p), &few); printable(all) {
			dst = msgp.AppendMapHeader(dst, uint32(len(all)))
			for _, kv := range all {
				dst = packInt(packName(dst, kv.Key), kv.Value)
			}
			return dst, nil
		}
	case memMapFloat64:
		var few [8]Entry[float64]
		if all := Sorted(*(*map[string]float64)(p), &few); printable(all) {
			dst = msgp.AppendMapHeader(dst, uint32(len(all)))
			for _, kv := range all {
				dst = msgp.AppendFloat64(packName(dst, kv.Key), kv.Value)
			}
			return dst, nil
		}
	case memMapAny:
		var few [8]Entry[any]
		if all := Sorted(*(*map[string]any)(p), &few); printable(all) {
			return e.anys.packMap(dst, all, depth, true)
		}
	case memMap:
		if e.typed != nil {
			if out, ok, err := e.typed.pack(e, dst, p, depth); ok {
				return out, err
			}
		}
	case memStruct:
		if e.extra == nil {
			return e.packStruct(dst, p, depth)
		}
	}
	return e.packByFrame(dst, p, depth, sort)
}

// packByFrame writes the value at p by way of its frame.
func (e *memType) packByFrame(dst []byte, p unsafe.Pointer, depth int, sort bool) ([]byte, error) {
	scratch := scratches.get()
	defer scratches.put(scratch)
	value, err := e.bare((*scratch)[:0], p, depth)
	if err != nil {
		return dst, err
	}
	*scratch = value
	w := packer{reader: reader{b: value, depth: depth}, sort: sort, marked: e.marked}
	return w.bare(dst, e.node)
}

// packName writes text that is known to be UTF-8: names of members are, and the keys of a
// map that is printable.
func packName(dst []byte, s string) []byte {
	if n, at := len(s), len(dst); n < 32 {
		if cap(dst)-at < n+1 {
			dst = slices.Grow(dst, n+1)
		}
		dst = dst[:at+1+n]
		dst[at] = 0xa0 | byte(n)
		copy(dst[at+1:], s)
		return dst
	}
	return msgp.AppendString(dst, s)
}

// packString writes text; a byte that is no UTF-8 becomes U+FFFD.
func packString(dst []byte, s string) []byte {
	if validString(s) {
		return packName(dst, s)
	}
	return packText(dst, asBytes(s))
}

func (e *memType) packList(dst []byte, p unsafe.Pointer, depth int, sort bool) ([]byte, error) {
	if depth++; depth > maxDepth {
		return dst, errDepth()
	}
	h := (*sliceHeader)(p)
	dst = msgp.AppendArrayHeader(dst, uint32(h.len))
	var err error
	for i := range h.len {
		if dst, err = e.elem.pack(dst, unsafe.Add(h.data, uintptr(i)*e.elem.width), depth, sort); err != nil {
			return dst, inElement(err, i)
		}
	}
	return dst, nil
}

func (e *memType) packStruct(dst []byte, p unsafe.Pointer, depth int) ([]byte, error) {
	if depth++; depth > maxDepth {
		return dst, errDepth()
	}
	head := len(dst)
	dst = msgp.AppendMapHeader(dst, uint32(len(e.fields)))
	begin, count := len(dst), len(e.fields)
	var err error
	for i := range e.fields {
		f := &e.fields[i]
		q := unsafe.Add(p, f.offset)
		mark := len(dst)
		if f.pick != nil {
			if q = f.pick.at(q); q == nil {
				count--
				continue
			}
		}
		if f.omit != 0 && (f.zero != nil && f.zero(q) || f.typ.ptr && *(*unsafe.Pointer)(q) == nil) {
			count--
			continue
		}
		if f.opt && *(*uint8)(unsafe.Add(q, f.state)) == optAbsent {
			count--
			continue
		}
		dst = append(dst, f.packed...)
		if f.opt && *(*uint8)(unsafe.Add(q, f.state)) == optNull {
			dst = msgp.AppendNil(dst)
			continue
		}
		body := len(dst)
		switch {
		case f.typ.ptr:
			dst, err = f.typ.pack(dst, q, depth, true)
		case f.op == memString:
			dst = packString(dst, *(*string)(q))
		case f.op == memInt64:
			dst = packInt(dst, *(*int64)(q))
		case f.op == memUint64:
			dst = msgp.AppendUint64(dst, *(*uint64)(q))
		case f.op == memFloat64:
			dst = msgp.AppendFloat64(dst, *(*float64)(q))
		default:
			dst, err = f.typ.pack(dst, q, depth, true)
		}
		if err != nil {
			return dst, inMember(err, f.name)
		}
		if f.omit != 0 {
			out := f.omit&omitEmpty != 0 && emptyPacked(dst[body:])
			if !out && f.zero != nil && f.typ.op == memOwn {
				out = dst[body] == 0xc0 // nil
			} else if !out && f.zero != nil && !f.typ.ptr {
				if out, err = f.typ.zeroFrame(q, depth); err != nil {
					return dst, inMember(err, f.name)
				}
			}
			if out {
				dst = dst[:mark]
				count--
				continue
			}
		}
		if f.holds != nil {
			if err := f.holds(q); err != nil {
				return dst, inMember(err, f.name)
			}
		}
	}
	return rehead(dst, head, begin, count), nil
}

// pack writes a value without a declared type.
func (a *anyEncoders) pack(dst []byte, v any, depth int, sort bool) ([]byte, error) {
	switch v := v.(type) {
	case nil:
		return msgp.AppendNil(dst), nil
	case bool:
		return msgp.AppendBool(dst, v), nil
	case string:
		return packString(dst, v), nil
	case int64:
		return packInt(dst, v), nil
	case int:
		return packInt(dst, int64(v)), nil
	case float64:
		return msgp.AppendFloat64(dst, v), nil
	case uint64:
		return msgp.AppendUint64(dst, v), nil
	case []byte:
		return msgp.AppendBytes(dst, v), nil
	case time.Time:
		if s := v.Unix(); s >= minSecond && s <= maxSecond {
			return packTime(dst, uint64(v.UnixMicro()))
		}
	case []any:
		if depth++; depth > maxDepth {
			return dst, errDepth()
		}
		dst = msgp.AppendArrayHeader(dst, uint32(len(v)))
		var err error
		for i, e := range v {
			if dst, err = a.pack(dst, e, depth, sort); err != nil {
				return dst, inElement(err, i)
			}
		}
		return dst, nil
	case map[string]any:
		var few [8]Entry[any]
		if all := Sorted(v, &few); printable(all) {
			return a.packMap(dst, all, depth, sort)
		}
	}
	return a.packByFrame(dst, v, depth, sort)
}

func (a *anyEncoders) packByFrame(dst []byte, v any, depth int, sort bool) ([]byte, error) {
	scratch := scratches.get()
	defer scratches.put(scratch)
	value, err := a.append((*scratch)[:0], v, depth)
	if err != nil {
		return dst, err
	}
	*scratch = value
	w := packer{reader: reader{b: value, depth: depth}, sort: sort}
	return w.any(dst)
}

func (a *anyEncoders) packMap(dst []byte, all []Entry[any], depth int, sort bool) ([]byte, error) {
	if depth++; depth > maxDepth {
		return dst, errDepth()
	}
	var err error
	dst = msgp.AppendMapHeader(dst, uint32(len(all)))
	for _, kv := range all {
		if dst, err = a.pack(packName(dst, kv.Key), kv.Value, depth, sort); err != nil {
			return dst, inMember(err, kv.Key)
		}
	}
	return dst, nil
}
