package gen

import (
	"fmt"
	"go/types"
	"reflect"
	"slices"
	"strings"

	"github.com/levada-io/levada/plan"
)

// oneof are the members of a oneof of protobuf in the field v, as package frame has them:
// those of the message, as optional fields are.
func (s *scanner) oneof(v *types.Var, name string) (fields []field, problem string) {
	const stands = "a oneof stands in a message that protoc-gen-go generated"
	n, ok := types.Unalias(v.Type()).(*types.Named)
	if !ok || n.Obj().Pkg() == nil || !types.IsInterface(n) {
		return nil, fmt.Sprintf("%s: %s", s.show(v.Type()), stands)
	}
	for i, w := range s.implementers(n, true) {
		st, ok := w.Underlying().(*types.Struct)
		if !ok || st.NumFields() != 1 {
			return nil, fmt.Sprintf("%s: not supported as a member of a oneof", s.show(w))
		}
		in := st.Field(0)
		tag, problem := parseTag(in, st.Tag(0))
		switch {
		case problem != "":
			return nil, fmt.Sprintf("%s.%s: %s", s.show(w), in.Name(), problem)
		case tag.unit != "" || tag.konst != nil || tag.rules != "":
			return nil, fmt.Sprintf("%s.%s: a levada tag on a member of a oneof is not supported", s.show(w), in.Name())
		}
		if !tag.named {
			tag.name = protoName(reflect.StructTag(st.Tag(0)), in.Name())
		}
		fields = append(fields, field{
			goName: v.Name() + "." + in.Name(), v: in, doc: s.docs[in.Pos()], oneof: name, sub: i,
			plan: plan.Field{Name: tag.name, Optional: true, Omit: "omitzero"},
		})
	}
	if fields == nil {
		return nil, fmt.Sprintf("%s: %s", s.show(v.Type()), stands)
	}
	return fields, ""
}

// protoName is the name of a field in its .proto; what has none is called as in Go.
func protoName(tag reflect.StructTag, goName string) string {
	for part := range strings.SplitSeq(tag.Get("protobuf"), ",") {
		if name, ok := strings.CutPrefix(part, "name="); ok {
			return name
		}
	}
	return goName
}

// mapKeys says that t is a map with keys that protobuf has, and that are no text.
func mapKeys(t types.Type) bool {
	m, ok := types.Unalias(t).(*types.Map)
	if !ok {
		return false
	}
	b, ok := types.Unalias(m.Key()).(*types.Basic)
	if !ok {
		return false
	}
	switch b.Kind() {
	case types.Bool, types.Int32, types.Int64, types.Uint32, types.Uint64:
		return true
	}
	return false
}

// oneofs are the names of members that exclude each other.
func (g *structure) oneofs() [][]string {
	var out [][]string
	for i, f := range g.fields {
		switch {
		case f.oneof == "":
		case i > 0 && g.fields[i-1].oneof == f.oneof && slices.Equal(g.fields[i-1].index, f.index):
			out[len(out)-1] = append(out[len(out)-1], f.plan.Name)
		default:
			out = append(out, []string{f.plan.Name})
		}
	}
	return slices.DeleteFunc(out, func(names []string) bool { return len(names) < 2 })
}
