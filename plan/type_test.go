package plan

import "testing"

func TestTypeAsMessagesShowItAndWithWholeNames(t *testing.T) {
	ref := func(name string) *Type { return &Type{Kind: TRef, Name: name} }
	for _, c := range []struct {
		typ         Type
		short, text string
	}{
		{Type{Kind: TInt8}, "int8", "int8"},
		{*ref("go:example.com/a.b/steps.Metric"), "Metric", "go:example.com/a.b/steps.Metric"},
		{*ref("py:team.types:Outer.Inner"), "Inner", "py:team.types:Outer.Inner"},
		{Type{Kind: TList, Elem: ref("go:a/b.C"), Nullable: true}, "list[C] or null", "list[go:a/b.C] or null"},
		{Type{Kind: TMap, Elem: &Type{Kind: TList, Elem: &Type{Kind: TAny}}}, "map[string, list[any]]", "map[string, list[any]]"},
		{*ref("map[string, list[go:a/b.C]]"), "map[string, list[C]]", "map[string, list[go:a/b.C]]"},
		{*ref("go:a/b.C or null"), "C or null", "go:a/b.C or null"},
		{Type{Kind: TStruct, Fields: []Field{{Name: "a", Type: Type{Kind: TBool}}, {Name: "b", Type: *ref("go:a/b.C")}}}, "struct{a, b}", "struct{a bool, b go:a/b.C}"},
	} {
		if got := c.typ.String(); got != c.short {
			t.Errorf("String: got %q, want %q", got, c.short)
		}
		if got := c.typ.Text(); got != c.text {
			t.Errorf("Text: got %q, want %q", got, c.text)
		}
	}
}
