package frame

import (
	"encoding/json/jsontext"
	"reflect"
	"strconv"
	"sync"
	"time"
	"unicode/utf8"
	"unsafe"
)

// TextEncoder writes values of one Go type as JSON, straight from memory. The text is
// the one that Layout.AppendJSON makes of the value's frame, but that numbers in a
// jsontext.Value keep their digits; what this knows no shorter way for goes through a frame.
type TextEncoder struct{ enc *Encoder }

// NewTextEncoder compiles the encoder of t.
func NewTextEncoder(t reflect.Type) (*TextEncoder, error) {
	enc, err := NewEncoder(t)
	if err != nil {
		return nil, err
	}
	return &TextEncoder{enc}, nil
}

// Append appends the JSON of the value at p. On an error dst comes back as it was.
//
// # Errors
//
// Those of Encoder.Append and Layout.AppendJSON.
func (e *TextEncoder) Append(dst []byte, p unsafe.Pointer) ([]byte, error) {
	out, err := e.enc.root.print(dst, p, 0, false)
	if err != nil {
		return dst, err
	}
	return out, nil
}

// print writes the value at p. sort says that it stands in a struct or map, where an any
// knows no order.
func (e *memType) print(dst []byte, p unsafe.Pointer, depth int, sort bool) ([]byte, error) {
	if e.ptr {
		if p = *(*unsafe.Pointer)(p); p == nil {
			return append(dst, "null"...), nil
		}
	}
	return e.printBare(dst, p, depth, sort)
}

func (e *memType) printBare(dst []byte, p unsafe.Pointer, depth int, sort bool) ([]byte, error) {
	switch e.op {
	case memBool:
		return strconv.AppendBool(dst, *(*bool)(p)), nil
	case memInt8:
		return strconv.AppendInt(dst, int64(*(*int8)(p)), 10), nil
	case memInt16:
		return strconv.AppendInt(dst, int64(*(*int16)(p)), 10), nil
	case memInt32:
		return strconv.AppendInt(dst, int64(*(*int32)(p)), 10), nil
	case memInt64:
		return strconv.AppendInt(dst, *(*int64)(p), 10), nil
	case memUint8:
		return strconv.AppendUint(dst, uint64(*(*uint8)(p)), 10), nil
	case memUint16:
		return strconv.AppendUint(dst, uint64(*(*uint16)(p)), 10), nil
	case memUint32:
		return strconv.AppendUint(dst, uint64(*(*uint32)(p)), 10), nil
	case memUint64:
		return strconv.AppendUint(dst, *(*uint64)(p), 10), nil
	case memFloat32:
		return appendNumber(dst, float64(*(*float32)(p)), 32)
	case memFloat64:
		return appendNumber(dst, *(*float64)(p), 64)
	case memString:
		return quote(dst, *(*string)(p)), nil
	case memBytes:
		return appendBase64(dst, *(*[]byte)(p)), nil
	case memAny:
		return e.anys.print(dst, *(*any)(p), depth, sort)
	case memRaw:
		return e.anys.printRaw(dst, *(*jsontext.Value)(p), depth, sort)
	case memList:
		return e.printList(dst, p, depth, sort)
	case memMapString:
		var few [8]Entry[string]
		all := Sorted(*(*map[string]string)(p), &few)
		if !printable(all) {
			break
		}
		dst = append(dst, '{')
		for i, kv := range all {
			dst = entryKey(dst, kv.Key, i)
			dst = quote(dst, kv.Value)
		}
		return append(dst, '}'), nil
	case memMapInt64:
		var few [8]Entry[int64]
		all := Sorted(*(*map[string]int64)(p), &few)
		if !printable(all) {
			break
		}
		dst = append(dst, '{')
		for i, kv := range all {
			dst = strconv.AppendInt(entryKey(dst, kv.Key, i), kv.Value, 10)
		}
		return append(dst, '}'), nil
	case memMapFloat64:
		var few [8]Entry[float64]
		all := Sorted(*(*map[string]float64)(p), &few)
		if !printable(all) {
			break
		}
		var err error
		dst = append(dst, '{')
		for i, kv := range all {
			if dst, err = appendNumber(entryKey(dst, kv.Key, i), kv.Value, 64); err != nil {
				return dst, inMember(err, kv.Key)
			}
		}
		return append(dst, '}'), nil
	case memMapAny:
		var few [8]Entry[any]
		if all := Sorted(*(*map[string]any)(p), &few); printable(all) {
			return e.anys.printMap(dst, all, depth, true)
		}
	case memMap:
		if e.typed != nil {
			if out, ok, err := e.typed.print(e, dst, p, depth); ok {
				return out, err
			}
		} else if out, err := e.printReflectMap(dst, p, depth); err != errKeys {
			return out, err
		}
	case memTuple:
		return e.printTuple(dst, p, depth, sort)
	case memStruct:
		if e.extra == nil || e.extra.raw {
			return e.printStruct(dst, p, depth)
		}
	}
	if e.op >= memConst {
		return e.printRare(dst, p, depth, sort)
	}
	return e.byFrame(dst, p, depth, sort)
}

// byFrame writes the value at p by way of its frame.
func (e *memType) byFrame(dst []byte, p unsafe.Pointer, depth int, sort bool) ([]byte, error) {
	scratch := scratches.get()
	defer scratches.put(scratch)
	value, err := e.bare((*scratch)[:0], p, depth)
	if err != nil {
		return dst, err
	}
	*scratch = value
	w := writer{reader: reader{b: value, depth: depth}, sort: sort}
	return w.bare(dst, e.node)
}

// printList writes nil as [], as a frame does.
func (e *memType) printList(dst []byte, p unsafe.Pointer, depth int, sort bool) ([]byte, error) {
	if depth++; depth > maxDepth {
		return dst, errDepth()
	}
	h := (*sliceHeader)(p)
	dst = append(dst, '[')
	var err error
	for i := range h.len {
		if i > 0 {
			dst = append(dst, ',')
		}
		if dst, err = e.elem.print(dst, unsafe.Add(h.data, uintptr(i)*e.elem.width), depth, sort); err != nil {
			return dst, inElement(err, i)
		}
	}
	return append(dst, ']'), nil
}

func (e *memType) printTuple(dst []byte, p unsafe.Pointer, depth int, sort bool) ([]byte, error) {
	if depth++; depth > maxDepth {
		return dst, errDepth()
	}
	dst = append(dst, '[')
	var err error
	for i := range e.rtype.Len() {
		if i > 0 {
			dst = append(dst, ',')
		}
		if dst, err = e.elem.print(dst, unsafe.Add(p, uintptr(i)*e.elem.width), depth, sort); err != nil {
			return dst, inElement(err, i)
		}
	}
	return append(dst, ']'), nil
}

func (e *memType) printReflectMap(dst []byte, p unsafe.Pointer, depth int) ([]byte, error) {
	if depth++; depth > maxDepth {
		return dst, errDepth()
	}
	out := append(dst, '{')
	err := e.entries(p, utf8.ValidString, func(i int, key string, q unsafe.Pointer) (err error) {
		out, err = e.elem.print(entryKey(out, key, i), q, depth, true)
		return err
	})
	if err != nil {
		return dst, err
	}
	return append(out, '}'), nil
}

func (e *memType) printStruct(dst []byte, p unsafe.Pointer, depth int) ([]byte, error) {
	if depth++; depth > maxDepth {
		return dst, errDepth()
	}
	var err error
	begin := len(dst)
	dst = append(dst, '{')
	for i := range e.fields {
		f := &e.fields[i]
		q := unsafe.Add(p, f.offset)
		mark := len(dst)
		if f.pick != nil {
			if q = f.pick.at(q); q == nil {
				continue
			}
		}
		if f.omit != 0 {
			if f.zero != nil && f.zero(q) {
				continue
			}
			if f.typ.ptr && *(*unsafe.Pointer)(q) == nil {
				continue
			}
		}
		if f.opt && *(*uint8)(unsafe.Add(q, f.state)) == optAbsent {
			continue
		}
		if mark > begin+1 {
			dst = append(dst, ',')
		}
		dst = append(dst, e.node.fields[i].quoted...)
		if f.opt && *(*uint8)(unsafe.Add(q, f.state)) == optNull {
			dst = append(dst, "null"...)
			continue
		}
		text := len(dst)
		switch {
		case f.op == memString && !f.typ.ptr:
			dst = quote(dst, *(*string)(q))
		case f.op == memInt64 && !f.typ.ptr:
			dst = strconv.AppendInt(dst, *(*int64)(q), 10)
		default:
			if dst, err = f.typ.print(dst, q, depth, true); err != nil {
				return dst, inMember(err, f.name)
			}
		}
		if f.omit != 0 {
			out := f.omit&omitEmpty != 0 && emptyText(dst[text:])
			if !out && f.zero != nil && !f.typ.ptr && (f.typ.op == memRaw || f.typ.op == memOwn) {
				out = string(dst[text:]) == "null"
			} else if !out && f.zero != nil && !f.typ.ptr {
				if out, err = f.typ.zeroFrame(q, depth); err != nil {
					return dst, inMember(err, f.name)
				}
			}
			if out {
				dst = dst[:mark]
				continue
			}
		}
		if f.holds != nil {
			if err := f.holds(q); err != nil {
				return dst, inMember(err, f.name)
			}
		}
	}
	if e.extra != nil {
		v := *(*jsontext.Value)(unsafe.Add(p, e.extra.offset))
		if len(v) > 0 {
			// They stand in the struct itself, one level up.
			dst, err = e.anys.printText(dst, v, depth-1, func(w *writer, dst []byte) ([]byte, error) {
				w.depth = depth
				return w.entries(dst, membersNode, false, begin+1)
			}, membersNode)
			if err != nil {
				return dst, err
			}
		}
	}
	return append(dst, '}'), nil
}

func (a *anyEncoders) printRaw(dst []byte, v jsontext.Value, depth int, sort bool) ([]byte, error) {
	if len(v) == 0 {
		return append(dst, "null"...), nil
	}
	return a.printText(dst, v, depth, func(w *writer, dst []byte) ([]byte, error) {
		w.sort = sort
		return w.any(dst)
	}, anyNode)
}

// printText writes JSON text anew, with the digits that its numbers have.
func (a *anyEncoders) printText(dst []byte, v jsontext.Value, depth int, write func(w *writer, dst []byte) ([]byte, error), n *node) ([]byte, error) {
	p := a.parsers.get()
	defer a.parsers.put(p)
	scratch := scratches.get()
	defer scratches.put(scratch)
	p.reset(v, (*scratch)[:0])
	p.depth, p.exact = depth, true
	err := p.document(n)
	p.exact = false
	*scratch = p.dst
	if err != nil {
		return dst, err
	}
	return write(&writer{reader: reader{b: p.dst, depth: depth, exact: true}}, dst)
}

// zeroFrame says that the frame of the value at p reads as the zero value, which is more
// than that it is one: microseconds are all that a frame has of a time.
func (e *memType) zeroFrame(p unsafe.Pointer, depth int) (bool, error) {
	switch e.op {
	case memStruct, memTuple, memAny, memRaw, memTime, memDuration:
	default:
		return false, nil // it would have been told by the value in memory
	}
	scratch := scratches.get()
	defer scratches.put(scratch)
	value, err := e.bare((*scratch)[:0], p, depth)
	if err != nil {
		return false, err
	}
	*scratch = value
	return e.node.zero(value), nil
}

// print writes a value without a declared type.
func (a *anyEncoders) print(dst []byte, v any, depth int, sort bool) ([]byte, error) {
	switch v := v.(type) {
	case nil:
		return append(dst, "null"...), nil
	case bool:
		return strconv.AppendBool(dst, v), nil
	case string:
		return quote(dst, v), nil
	case int64:
		return strconv.AppendInt(dst, v, 10), nil
	case int:
		return strconv.AppendInt(dst, int64(v), 10), nil
	case uint64:
		return strconv.AppendUint(dst, v, 10), nil
	case float64:
		return appendNumber(dst, v, 64)
	case time.Time:
		if s := v.Unix(); s < minSecond || s > maxSecond {
			return dst, errorf("expected a time in the years 0 to 9999, got year %d", v.Year())
		}
		return appendRFC3339(dst, toTime(uint64(v.UnixMicro())))
	case []any:
		if depth++; depth > maxDepth {
			return dst, errDepth()
		}
		dst = append(dst, '[')
		var err error
		for i, e := range v {
			if i > 0 {
				dst = append(dst, ',')
			}
			if dst, err = a.print(dst, e, depth, sort); err != nil {
				return dst, inElement(err, i)
			}
		}
		return append(dst, ']'), nil
	case map[string]any:
		var few [8]Entry[any]
		if all := Sorted(v, &few); printable(all) {
			return a.printMap(dst, all, depth, sort)
		}
	case jsontext.Value:
		return a.printRaw(dst, v, depth, sort)
	case []byte, time.Duration, int8, int16, int32, uint8, uint16, uint32, uint, float32:
	default:
		if enc, err := a.of(reflect.TypeOf(v)); err == nil && enc.root.op == memOwn {
			p := reflect.New(enc.root.rtype)
			p.Elem().Set(reflect.ValueOf(v))
			return enc.root.printOwn(dst, p.UnsafePointer())
		}
	}
	return a.byFrame(dst, v, depth, sort)
}

func (a *anyEncoders) byFrame(dst []byte, v any, depth int, sort bool) ([]byte, error) {
	scratch := scratches.get()
	defer scratches.put(scratch)
	value, err := a.append((*scratch)[:0], v, depth)
	if err != nil {
		return dst, err
	}
	*scratch = value
	w := writer{reader: reader{b: value, depth: depth}, sort: sort}
	return w.any(dst)
}

func (a *anyEncoders) printMap(dst []byte, all []Entry[any], depth int, sort bool) ([]byte, error) {
	if depth++; depth > maxDepth {
		return dst, errDepth()
	}
	var err error
	dst = append(dst, '{')
	for i, kv := range all {
		if dst, err = a.print(entryKey(dst, kv.Key, i), kv.Value, depth, sort); err != nil {
			return dst, inMember(err, kv.Key)
		}
	}
	return append(dst, '}'), nil
}

// printable says that the keys of a map are written as they are, and so in their order.
func printable[V any](all []Entry[V]) bool {
	for i := range all {
		if !validString(all[i].Key) {
			return false
		}
	}
	return true
}

// entryKey begins the entry number i of an object.
func entryKey(dst []byte, name string, i int) []byte {
	if i > 0 {
		dst = append(dst, ',')
	}
	return append(quote(dst, name), ':')
}

func quote(dst []byte, s string) []byte {
	return appendQuoted(dst, asBytes(s))
}

// pieces are buffers for what is written twice.
type pieces struct{ pool sync.Pool }

var scratches pieces

func (s *pieces) get() *[]byte {
	if p, ok := s.pool.Get().(*[]byte); ok {
		return p
	}
	p := make([]byte, 0, 1024)
	return &p
}

// put keeps a buffer, unless one large value would hold its memory for ever.
func (s *pieces) put(p *[]byte) {
	if cap(*p) < 1<<20 {
		s.pool.Put(p)
	}
}
