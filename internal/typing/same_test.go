package typing

import (
	"encoding/json/v2"
	"testing"

	"github.com/levada-io/levada/plan"
)

func TestSame(t *testing.T) {
	read := func(text string) plan.Type {
		t.Helper()
		var out plan.Type
		if err := json.Unmarshal([]byte(text), &out); err != nil {
			t.Fatalf("%s: %v", text, err)
		}
		return out
	}
	field := func(rest string) string { return `{"kind":"struct","fields":[{"name":"a",` + rest + `}]}` }
	for _, c := range []struct{ one, two, path, a, b string }{
		{`{"kind":"string"}`, `{"kind":"int64"}`, "$", "string", "int64"},
		{`{"kind":"string"}`, `{"kind":"string","nullable":true}`, "$", "string", "string or null"},
		{`{"kind":"time"}`, `{"kind":"time","unit":"unix"}`, "$", "time", "time as unix"},
		{`{"kind":"ref","name":"go:a.T"}`, `{"kind":"ref","name":"go:b.T"}`, "$", "go:a.T", "go:b.T"},
		{`{"kind":"list","elem":{"kind":"string"}}`, `{"kind":"list","elem":{"kind":"bytes"}}`, "$[]", "string", "bytes"},
		{`{"kind":"map","elem":{"kind":"string"}}`, `{"kind":"map","elem":{"kind":"bytes"}}`, "$[key]", "string", "bytes"},
		{`{"kind":"tuple","elems":[{"kind":"string"}]}`, `{"kind":"tuple","elems":[{"kind":"int8"}]}`, "$[0]", "string", "int8"},
		{`{"kind":"tuple","elems":[{"kind":"string"}]}`, `{"kind":"tuple","elems":[{"kind":"string"},{"kind":"string"}]}`, "$", "tuple[string]", "tuple[string, string]"},
		{field(`"type":{"kind":"string"}`), field(`"type":{"kind":"int64"}`), "$.a", "string", "int64"},
		{field(`"type":{"kind":"string"}`), field(`"type":{"kind":"string"},"optional":true`), "$.a", "required", "optional"},
		{field(`"type":{"kind":"string"},"optional":true`), field(`"type":{"kind":"string"},"optional":true,"omit":"omitzero"`), "$.a", "optional", "left out by omitzero"},
		{field(`"type":{"kind":"string"}`), field(`"type":{"kind":"string"},"const":"\"x\""`), "$.a", "any string", `always "x"`},
		{field(`"type":{"kind":"string"}`), `{"kind":"struct"}`, "$.a", "string", "not there"},
		{`{"kind":"struct"}`, field(`"type":{"kind":"string"}`), "$.a", "not there", "string"},
		{`{"kind":"struct"}`, `{"kind":"struct","extra":true}`, "$", "closed to further members", "open to further members"},
		{
			`{"kind":"struct","fields":[{"name":"a","type":{"kind":"string"}},{"name":"b","type":{"kind":"string"}}]}`,
			`{"kind":"struct","fields":[{"name":"b","type":{"kind":"string"}},{"name":"a","type":{"kind":"string"}}]}`,
			"$.a", "member 1", "member 2",
		},
		{
			`{"kind":"struct","fields":[{"name":"b","type":{"kind":"string"}}]}`,
			`{"kind":"struct","fields":[{"name":"a","type":{"kind":"string"}},{"name":"b","type":{"kind":"string"}}]}`,
			"$.a", "not there", "string",
		},
	} {
		one, two := read(c.one), read(c.two)
		for _, same := range []plan.Type{one, two} {
			if d := Same(same, same); d != nil {
				t.Errorf("%s and itself: %+v", c.one, *d)
			}
		}
		if d := Same(one, two); d == nil || *d != (Twofold{c.path, c.a, c.b}) {
			t.Errorf("%s and %s: expected %s: %s, %s, got %+v", c.one, c.two, c.path, c.a, c.b, d)
		}
		if d := Same(two, one); d == nil || *d != (Twofold{c.path, c.b, c.a}) && c.a != "member 1" {
			t.Errorf("%s and %s: got %+v", c.two, c.one, d)
		}
	}
}
