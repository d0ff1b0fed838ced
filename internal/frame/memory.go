package frame

import (
	"reflect"
	"sync"
	"unsafe"

	"github.com/levada-io/levada/record"
)

type memOp uint8

const (
	memBool memOp = iota
	memInt8
	memInt16
	memInt32
	memInt64
	memUint8
	memUint16
	memUint32
	memUint64
	memFloat32
	memFloat64
	memString
	memBytes
	memTime
	memDuration
	memList
	memMapString
	memMapAny
	memMapInt64
	memMapFloat64
	memMap // of any other element, by reflection
	memStruct
	memTuple // of elem
	memAny
	memRaw
	// Kinds below are no levels of their own, and rare.
	memConst // of elem, which is of the same type
	memUnion // an interface, of variants
	memOwn   // a form of its own, see ownForm; the pointer is one with it
)

// store writes an integer, which fits, where it lies in memory.
func (op memOp) store(v uint64, p unsafe.Pointer) {
	switch op {
	case memInt8, memUint8:
		*(*uint8)(p) = uint8(v)
	case memInt16, memUint16:
		*(*uint16)(p) = uint16(v)
	case memInt32, memUint32:
		*(*uint32)(p) = uint32(v)
	default:
		*(*uint64)(p) = v
	}
}

// memType is a Go type as it lies in memory: what the encoder reads, and what JSON is
// read into.
type memType struct {
	op     memOp
	ptr    bool    // what is at p is a pointer, null where nil
	width  uintptr // of what is at p
	node   *node
	elem   *memType
	fields []memField
	extra  *memExtra
	rtype  reflect.Type // of the value, behind the pointer
	anys   *anyEncoders
	spare  sync.Pool // of *mapSpare, for a map by reflection
	typed  typedMap  // of memMap, where its element is registered

	variants []*memType // of memUnion; behind what records are written with
	marked   bool       // MessagePack says which variant a union has
}

type memField struct {
	offset   uintptr
	op       memOp // of typ
	presence bool
	omit     uint8
	holds    holds                       // nil: no rules
	zero     func(p unsafe.Pointer) bool // with omitZero
	typ      *memType
	name     string
	quoted   string  // "name": as JSON has it
	packed   string  // the same in MessagePack
	opt      bool    // of three states
	state    uintptr // where that is, from the offset
	pick     *pick   // of a oneof, which is at offset
}

type memExtra struct {
	offset uintptr
	raw    bool // jsontext.Value, not a map
}

type memKey struct {
	t reflect.Type
	n *node // it may say more than the type: a unit
}

type memCompiler struct {
	anys *anyEncoders
	done map[memKey]*memType
}

func (c *memCompiler) compile(t reflect.Type, n *node) (*memType, error) {
	key := memKey{t, n}
	if e, ok := c.done[key]; ok {
		return e, nil
	}
	e := &memType{node: n, width: t.Size(), anys: c.anys}
	c.done[key] = e
	if isOwn(t, n) {
		e.op, e.rtype = memOwn, t
		return e, nil
	}
	if t.Kind() == reflect.Pointer {
		e.ptr = true
		t = t.Elem()
	}
	e.rtype = t
	switch n.kind {
	case kBool, kInt8, kInt16, kInt32, kInt64, kUint8, kUint16, kUint32, kUint64, kFloat32, kFloat64:
		e.op = memOp(n.kind) // the same order
	case kString:
		e.op = memString
	case kBytes:
		e.op = memBytes
	case kTime:
		e.op = memTime
	case kDuration:
		e.op = memDuration
	case kUnion:
		e.op = memUnion
		variants, err := record.Variants(t)
		if err != nil {
			return nil, err
		}
		for i, v := range variants {
			m, err := c.compile(v, n.elems[i])
			if err != nil {
				return nil, err
			}
			e.variants = append(e.variants, m)
		}
	case kConst:
		e.op = memConst
		elem, err := c.compile(t, n.konst.base)
		if err != nil {
			return nil, err
		}
		e.elem = elem
	case kTuple:
		e.op = memTuple
		elem, err := c.compile(t.Elem(), n.elems[0])
		if err != nil {
			return nil, err
		}
		e.elem = elem
	case kAny:
		e.op = memAny
		if t == rawType {
			e.op = memRaw
		}
	case kList:
		e.op = memList
		elem, err := c.compile(t.Elem(), n.elem)
		if err != nil {
			return nil, err
		}
		e.elem = elem
	case kMap:
		switch {
		case n.elem.kind == kString && isMap[string](t):
			e.op = memMapString
		case n.elem.kind == kInt64 && isMap[int64](t):
			e.op = memMapInt64
		case n.elem.kind == kFloat64 && isMap[float64](t):
			e.op = memMapFloat64
		case n.elem.kind == kAny && isMap[any](t):
			e.op = memMapAny
		default:
			e.op = memMap
			e.typed = typedMapOf(t)
		}
		elem, err := c.compile(t.Elem(), n.elem)
		if err != nil {
			return nil, err
		}
		e.elem = elem
	case kStruct:
		e.op = memStruct
		gs, err := structOf(t)
		if err != nil {
			return nil, err
		}
		e.fields = make([]memField, len(gs.fields))
		for i := range gs.fields {
			gf := &gs.fields[i]
			nf := &n.fields[i]
			fe, err := c.compile(gf.typ, nf.node)
			if err != nil {
				return nil, err
			}
			e.fields[i] = memField{offset: gf.offset, op: fe.op, presence: nf.presence(), omit: nf.omit, typ: fe, name: nf.name, quoted: nf.quoted, packed: nf.packed, opt: gf.opt, state: gf.state, pick: gf.pick}
			if gf.pick != nil {
				e.fields[i].omit = 0 // the oneof says which one is there
				continue
			}
			if nf.rules != nil {
				e.fields[i].holds = nf.inMemory(gf)
			}
			if nf.omit&omitZero != 0 {
				e.fields[i].zero = zeroOf(gf.typ)
				if own := zeroOwn(gf.typ); own != nil && fe.op == memOwn {
					e.fields[i].zero = own
				}
			}
			if nf.omit != 0 && fe.op == memUnion && !fe.ptr {
				e.fields[i].zero = zeroOf(gf.typ) // nil has no form
			}
			if nf.omit&omitEmpty != 0 && fe.op == memConst && !fe.ptr && fe.elem.op == memString {
				e.fields[i].zero = zeroOf(gf.typ) // what stands there is not what is written
			}
		}
		if gs.extra != nil {
			e.extra = &memExtra{gs.extra.offset, gs.extra.typ == rawType}
		}
	}
	return e, nil
}
