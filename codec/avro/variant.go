package avro

import (
	"strings"

	"github.com/levada-io/levada/internal/frame"
	"github.com/levada-io/levada/plan"
	"github.com/tinylib/msgp/msgp"
	library "github.com/twmb/avro"
)

// A message says by number which branch of a union it has. Where the values are of a union,
// too, each branch is one of its variants, which is found when the schema is compiled: so
// that variants need not be told apart by what is in them.

// one makes n the variant at of a union.
func (n *node) one(at int) *node {
	return &node{kind: kOne, as: n.as, name: n.name, elem: n, variant: at, null: -1, only: -1, least: n.least}
}

// itself is the node of a value that may be a variant.
func (n *node) itself() *node {
	if n.kind == kOne {
		return n.elem
	}
	return n
}

// variantOf is the variant of the union t that values of s are: the one of its name, or else
// the one of its kind; of structs, the one that takes most of the fields. -1: there is none,
// or nothing tells which.
func variantOf(s *library.SchemaNode, t plan.Type, types map[string]plan.Type) int {
	name := s.Name[strings.LastIndexByte(s.Name, '.')+1:]
	best, most, twice := -1, -1, false
	for i, e := range t.Elems {
		v, err := e.Resolve(types)
		if err != nil {
			continue
		}
		fit := fits(s, v)
		if fit >= 0 && name != "" && e.Kind == plan.TRef && e.String() == name {
			return i
		}
		if fit >= 0 && fit >= most {
			twice = fit == most
			best, most = i, fit
		}
	}
	if twice {
		return -1
	}
	return best
}

// fits says how well values of a type are what s says; -1: not at all.
func fits(s *library.SchemaNode, v plan.Type) int {
	is := func(ok bool) int {
		if ok {
			return 0
		}
		return -1
	}
	switch kinds[s.Type] {
	case kBool:
		return is(v.Kind == plan.TBool)
	case kInt, kLong:
		if _, timed := timeKinds[s.Type+" "+s.LogicalType]; timed && (v.Kind == plan.TTime || v.Kind == plan.TDuration) {
			return 1
		}
		return is(numeric[v.Kind])
	case kFloat, kDouble:
		return is(v.Kind == plan.TFloat32 || v.Kind == plan.TFloat64)
	case kString, kEnum:
		return is(v.Kind == plan.TString)
	case kBytes, kFixed:
		return is(v.Kind == plan.TBytes)
	case kArray:
		return is(v.Kind == plan.TList || v.Kind == plan.TTuple)
	case kMap:
		return is(v.Kind == plan.TMap)
	case kRecord:
		if v.Kind != plan.TStruct {
			return is(v.Kind == plan.TMap)
		}
		has := map[string]bool{}
		for i := range s.Fields {
			has[s.Fields[i].Name] = true
		}
		count := 1 // more than a map
		for _, f := range v.Fields {
			switch {
			case has[f.Name]:
				count++
			case !f.Optional:
				return -1
			}
		}
		return count
	}
	return -1
}

var numeric = map[plan.TypeKind]bool{
	plan.TFloat32: true, plan.TFloat64: true,
	plan.TInt8: true, plan.TInt16: true, plan.TInt32: true, plan.TInt64: true,
	plan.TUint8: true, plan.TUint16: true, plan.TUint32: true, plan.TUint64: true,
}

// branchOf finds the branch for a value that says which variant it is; -1: several are, or
// none.
func (n *node) branchOf(variant int) int {
	found := -1
	for i, b := range n.branches {
		if b.kind == kOne && b.variant == variant {
			if found >= 0 {
				return -1
			}
			found = i
		}
	}
	return found
}

// skip passes over a value, also where unions in it say which variant they have.
func skip(b []byte) ([]byte, error) {
	_, b, _ = frame.CutVariant(b)
	count, times := uint32(0), 1
	rest, err := b, error(nil)
	switch msgp.NextType(b) {
	case msgp.MapType:
		count, rest, err = msgp.ReadMapHeaderBytes(b)
		times = 2
	case msgp.ArrayType:
		count, rest, err = msgp.ReadArrayHeaderBytes(b)
	default:
		return msgp.Skip(b)
	}
	for i := 0; err == nil && i < int(count)*times; i++ {
		rest, err = skip(rest)
	}
	return rest, err
}
