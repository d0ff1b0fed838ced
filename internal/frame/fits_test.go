package frame

import (
	"reflect"
	"testing"

	"pgregory.net/rapid"

	"github.com/levada-io/levada/internal/typing"
	"github.com/levada-io/levada/plan"
)

// What start-up validation says of two types is what a decoder between them says: were
// it to let something pass that no decoder takes, a run would end at its first message.
func TestDecodersAgreeWithTheComparisonOfTypes(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		from, to := drawType(t, 2), drawType(t, 2)
		if rapid.IntRange(0, 4).Draw(t, "constants") == 0 {
			from, to = drawConstant(t), drawConstant(t)
		}
		if rapid.Bool().Draw(t, "members of one") && from.Kind() == reflect.Struct && from.NumField() > 0 && from.Name() == "" {
			fields := reflect.VisibleFields(from)
			i := rapid.IntRange(0, len(fields)-1).Draw(t, "member")
			fields[i].Type = drawType(t, 1)
			to = reflect.StructOf(fields)
		}
		a, types, err := TypeOf(from)
		if err != nil {
			return
		}
		b, others, err := TypeOf(to)
		if err != nil {
			return
		}
		table := map[string]plan.Type{}
		for _, m := range []map[string]plan.Type{types, others} {
			for k, v := range m {
				table[k] = v
			}
		}
		layout, err := Of(from)
		if err != nil {
			t.Fatalf("%s: %v", from, err)
		}
		_, err = NewDecoder(layout, to)
		miss := typing.FitsGo(a, b, table)
		if miss == nil && err != nil {
			t.Fatalf("%s into %s: fits, but no decoder: %v", from, to, err)
		}
		if miss != nil && err == nil && miss.Reason == typing.OtherKind {
			t.Fatalf("%s into %s: there is a decoder, but %s", from, to, miss)
		}
	})
}

// drawConstant draws a struct of one member that may have a constant.
func drawConstant(t *rapid.T) reflect.Type {
	leaf := rapid.SampledFrom([]struct {
		typ reflect.Type
		tag string
	}{
		{reflect.TypeFor[string](), "const=a"}, {reflect.TypeFor[string](), "const=7"}, {reflect.TypeFor[*string](), "const=a"}, {reflect.TypeFor[string](), ""},
		{reflect.TypeFor[int8](), "const=7"}, {reflect.TypeFor[uint64](), "const=7"}, {reflect.TypeFor[int64](), "const=-7"}, {reflect.TypeFor[float64](), ""},
		{reflect.TypeFor[bool](), "const=true"}, {reflect.TypeFor[bool](), "const=false"}, {reflect.TypeFor[any](), ""},
	}).Draw(t, "leaf")
	tag := `json:"a` + rapid.SampledFrom([]string{"", ",omitempty"}).Draw(t, "omit") + `"`
	if leaf.tag != "" {
		tag += ` levada:"` + leaf.tag + `"`
	}
	return reflect.StructOf([]reflect.StructField{{Name: "A", Type: leaf.typ, Tag: reflect.StructTag(tag)}})
}
