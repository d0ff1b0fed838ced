package typing

import (
	"fmt"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"github.com/levada-io/levada/plan"
)

func kind(k plan.TypeKind) plan.Type        { return plan.Type{Kind: k} }
func list(t plan.Type) plan.Type            { return plan.Type{Kind: plan.TList, Elem: &t} }
func dict(t plan.Type) plan.Type            { return plan.Type{Kind: plan.TMap, Elem: &t} }
func null(t plan.Type) plan.Type            { t.Nullable = true; return t }
func ref(name string) plan.Type             { return plan.Type{Kind: plan.TRef, Name: name} }
func tuple(ts ...plan.Type) plan.Type       { return plan.Type{Kind: plan.TTuple, Elems: ts} }
func union(ts ...plan.Type) plan.Type       { return plan.Type{Kind: plan.TUnion, Elems: ts} }
func object(fs ...plan.Field) plan.Type     { return plan.Type{Kind: plan.TStruct, Fields: fs} }
func must(n string, t plan.Type) plan.Field { return plan.Field{Name: n, Type: t} }
func may(n string, t plan.Type) plan.Field {
	return plan.Field{Name: n, Type: t, Optional: true}
}

var (
	text  = kind(plan.TString)
	whole = kind(plan.TInt64)
	small = kind(plan.TInt32)
	real  = kind(plan.TFloat64)
	blank = kind(plan.TAny)
)

func constant(n, v string) plan.Field {
	return plan.Field{Name: n, Type: text, Const: v}
}

// Two spellings of one tree, and one that differs at a leaf.
var trees = map[string]plan.Type{
	"go:x.Tree":  object(must("name", text), may("left", null(ref("go:x.Tree"))), may("right", null(ref("go:x.Tree")))),
	"py:x:Tree":  object(must("name", text), may("left", null(ref("py:x:Tree"))), may("right", null(ref("py:x:Tree")))),
	"py:x:Other": object(may("left", null(ref("py:x:Other"))), may("right", null(ref("py:x:Other"))), must("name", whole)),
}

// What two programs know of each other by messages only: each has its own table, and what
// looks the same in a message fits.
func TestFitsBytes(t *testing.T) {
	at := func(unit string) plan.Type { return plan.Type{Kind: plan.TTime, Unit: unit} }
	for _, c := range []struct {
		name     string
		from, to plan.Type
		want     string
	}{
		{"text and a time", text, at(""), ""},
		{"a time and text", at(""), text, ""},
		{"text and bytes", text, kind(plan.TBytes), ""},
		{"a number and a time in a unit", whole, at("unix_ms"), ""},
		{"a time in a unit and a float", at("unix"), real, ""},
		{"a number and a time as text", whole, at(""), "$: expected time, got int64"},
		{"text and a time in a unit", text, at("unix"), "$: expected time, got string"},
		{"a list and a tuple", list(text), tuple(text, text), ""},
		{"a float and an integer", real, whole, "$: expected int64, got float64"},
		{"text and a number", object(must("a", text)), object(must("a", whole)), "$.a: expected int64, got string"},
		{"optional and required", object(may("a", text)), object(must("a", text)), "$.a: expected a required member, got an optional one"},
		{"a nil that is left out", object(plan.Field{Name: "a", Type: null(text), Optional: true, Omit: "omitzero"}), object(may("a", text)), ""},
		{"a nil that is written", object(may("a", null(text))), object(may("a", text)), "$.a: expected string, got string or null"},
		{"one name, two types", ref("x"), ref("x"), "$.a: expected int64, got string"},
	} {
		got := ""
		writer := map[string]plan.Type{"x": object(must("a", text))}
		reader := map[string]plan.Type{"x": object(must("a", whole))}
		if d := FitsBytes(c.from, c.to, Table{Types: writer}, Table{Types: reader}); d != nil {
			got = d.String()
		}
		if got != c.want {
			t.Errorf("%s: got %q, want %q", c.name, got, c.want)
		}
	}
}

func TestFits(t *testing.T) {
	extra := object(must("a", text))
	extra.Extra = true
	for _, c := range []struct {
		name     string
		from, to plan.Type
		want     string
	}{
		{"the same", object(must("a", text)), object(must("a", text)), ""},
		{"a member more", object(must("a", text), must("b", text)), object(must("a", text)), ""},
		{"a member less", object(must("a", text)), object(must("a", text), must("b", whole)), "$.b: expected int64, got no such member"},
		{"an optional member less", object(must("a", text)), object(must("a", text), may("b", whole)), ""},
		{"a member that may be among the unnamed", extra, object(must("b", whole)), ""},
		{"optional into required", object(may("a", text)), object(must("a", text)), "$.a: expected a required member, got an optional one"},
		{"required into optional", object(must("a", text)), object(may("a", text)), ""},
		{"nullable into not nullable", null(text), text, "$: expected string, got string or null"},
		{"not nullable into nullable", text, null(text), ""},
		{"three deep", object(must("a", list(object(must("b", dict(text)))))), object(must("a", list(object(must("b", dict(whole)))))), "$.a[].b[key]: expected int64, got string"},
		{"list into one", list(text), text, "$: expected string, got list[string]"},
		{"one into list", text, list(text), "$: expected list[string], got string"},
		{"wide into narrow", whole, small, ""},
		{"integer into float", whole, real, ""},
		{"float into integer", real, whole, "$: expected int64, got float64"},
		{"text into bytes", text, kind(plan.TBytes), "$: expected bytes, got string"},
		{"bool into integer", kind(plan.TBool), whole, "$: expected int64, got bool"},
		{"duration into time", kind(plan.TDuration), kind(plan.TTime), "$: expected time, got duration"},
		{"any", blank, object(must("a", text)), ""},
		{"struct into map", object(must("a", text)), dict(text), ""},
		{"struct into map of another kind", object(must("a", text), must("b", real)), dict(text), "$.b: expected string, got float64"},
		{"map into struct", dict(text), object(must("a", text)), ""},
		{"tuples", tuple(text, whole), tuple(text, text), "$[1]: expected string, got int64"},
		{"tuples of other lengths", tuple(text), tuple(text, text), "$: expected tuple[string, string], got tuple[string]"},
		{"a union into a wider one", union(text, whole), union(whole, text, real), ""},
		{"a variant into its union", text, union(whole, text), ""},
		{"a null variant into its union", null(text), union(whole, text), "$: expected int64 or string, got string or null"},
		{"a null variant into a null union", null(text), null(union(whole, text)), ""},
		{"a variant into another union", real, union(text, kind(plan.TBool)), "$: expected string or bool, got float64"},
		{"a union into what takes all of it", union(text, whole), blank, ""},
		{"structs into a part of them", union(object(constant("k", `"a"`), must("x", whole)), object(constant("k", `"b"`), must("x", whole))), object(must("x", real)), ""},
		{"structs into a dict", union(object(constant("k", `"a"`)), object(constant("k", `"b"`))), dict(blank), ""},
		{"a union into one of its variants", union(text, whole), whole, "$(string): expected int64, got string"},
		{"another member of a variant", union(object(constant("k", `"a"`), must("x", text)), object(constant("k", `"b"`))),
			union(object(constant("k", `"b"`)), object(constant("k", `"a"`), must("x", whole))), "$(struct{k, x}).x: expected int64, got string"},
		{"other elements of a variant", list(union(list(text), whole)), list(union(list(whole), whole)), "$[](list[string])[]: expected int64, got string"},
		{"a wide integer in a union", union(text, whole), union(text, small), ""},
		{"a union into a narrower one", union(text, kind(plan.TBool)), union(text, whole), "$: expected string or int64, got bool"},
		{"constants", object(constant("k", `"a"`)), object(constant("k", `"b"`)), `$.k: expected "b", got "a"`},
		{"units are for text", plan.Type{Kind: plan.TTime, Unit: "unix"}, kind(plan.TTime), ""},
		{"recursive", ref("go:x.Tree"), ref("py:x:Tree"), ""},
		{"recursive, another leaf", ref("go:x.Tree"), ref("py:x:Other"), "$.name: expected int64, got string"},
		{"not in the table", ref("go:x.None"), text, `$: type "go:x.None": not in the table of types`},
	} {
		t.Run(c.name, func(t *testing.T) {
			got := ""
			if d := Fits(c.from, c.to, trees); d != nil {
				got = d.String()
			}
			if got != c.want {
				t.Errorf("expected %q, got %q", c.want, got)
			}
		})
	}
}

// Python has a dict for both.
func TestStructsAndMapsInGo(t *testing.T) {
	one := object(must("a", text))
	for _, pair := range [][2]plan.Type{{one, dict(text)}, {dict(text), one}} {
		if d := Fits(pair[0], pair[1], nil); d != nil {
			t.Errorf("expected a fit, got %s", d)
		}
		if d := FitsGo(pair[0], pair[1], nil); d == nil || d.Reason != OtherKind {
			t.Errorf("%s into %s: expected another kind, got %v", pair[0], pair[1], d)
		}
	}
	if d := FitsGo(one, dict(blank), nil); d != nil {
		t.Errorf("a struct is a map of any: %s", d)
	}
}

func TestUnknown(t *testing.T) {
	for _, c := range []struct {
		name     string
		from, to plan.Type
		want     string
	}{
		{"as a whole", blank, text, "$: expected string, got any"},
		{"a member", object(must("a", list(blank))), object(must("a", list(text))), "$.a[]: expected string, got any"},
		{"nothing is expected", blank, blank, ""},
		{"a width is known", whole, small, ""},
		{"another kind is not unknown", text, whole, ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			got := ""
			if d := Unknown(c.from, c.to, nil); d != nil {
				got = d.String()
			}
			if got != c.want {
				t.Errorf("expected %q, got %q", c.want, got)
			}
		})
	}
}

func TestCompare(t *testing.T) {
	base := object(must("id", text), may("note", text))
	for _, c := range []struct {
		name          string
		before, after plan.Type
		want          string // compatibility, then a line per change
	}{
		{"nothing", base, base, "full"},
		{"a new optional member", base, object(append(base.Fields[:2:2], may("x", text))...), "full\n$.x: a new optional member"},
		{"a new required member", base, object(append(base.Fields[:2:2], must("x", text))...), "forward\n$.x: a new required member, which old messages do not have"},
		{"a required member removed", base, object(may("note", text)), "backward\n$.id: a required member was removed, old readers expect it"},
		{"an optional member removed", base, object(must("id", text)), "full\n$.note: an optional member was removed"},
		{"optional becomes required", base, object(must("id", text), must("note", text)), "forward\n$.note: was optional, is required"},
		{"required becomes optional", base, object(may("id", text), may("note", text)), "backward\n$.id: was required, is optional"},
		{"becomes nullable", text, null(text), "backward\n$: was not nullable, is now"},
		{"is nullable no more", null(text), text, "forward\n$: was nullable, is not"},
		{"wider", small, whole, "backward\n$: was int32, is int64"},
		{"narrower", list(whole), list(small), "forward\n$[]: was int64, is int32"},
		{"another kind", object(must("a", text)), object(must("a", whole)), "none\n$.a: was string, is int64"},
		{"another unit", kind(plan.TTime), plan.Type{Kind: plan.TTime, Unit: "unix"}, "none\n$: was time, is time as unix"},
		{"another constant", object(constant("k", `"a"`)), object(constant("k", `"b"`)), "none\n$.k: was \"a\", is \"b\""},
		{"a variant more", union(text, whole), union(text, whole, kind(plan.TBool)), "backward\n$: was string or int64, is bool"},
		{"two at once", base, object(may("note", whole)), "none\n$.note: was string, is int64\n$.id: a required member was removed, old readers expect it"},
	} {
		t.Run(c.name, func(t *testing.T) {
			cs := Compare(c.before, c.after, nil, nil)
			lines := []string{cs.Compatibility()}
			for _, ch := range cs {
				lines = append(lines, fmt.Sprintf("%s: %s", ch.Path, ch.Text))
			}
			if got := strings.Join(lines, "\n"); got != c.want {
				t.Errorf("expected %q, got %q", c.want, got)
			}
		})
	}
}

// Some names have only some values; unions pair their variants by name.
func TestCompareTables(t *testing.T) {
	table := func(values ...string) Table {
		return Table{
			Types: map[string]plan.Type{
				"S": text, "K": text, "L": text,
				"A": object(must("kind", ref("K")), may("n", whole)), "B": object(must("kind", ref("L"))), "A2": object(must("kind", ref("K")), must("n", whole)),
			},
			Values: map[string][]string{"S": values, "K": {`"a"`}, "L": {`"b"`}},
		}
	}
	one, two := table(`"x"`), table(`"x"`, `"y"`)
	for _, c := range []struct {
		name          string
		before, after plan.Type
		old, now      Table
		want          string
	}{
		{"the same values", ref("S"), ref("S"), one, one, "full"},
		{"one more", ref("S"), ref("S"), one, two, "backward\n$: has got \"y\", which old readers do not know"},
		{"one less", list(ref("S")), list(ref("S")), two, one, "forward\n$[]: has lost \"y\""},
		{"others", ref("S"), ref("S"), one, table(`"y"`), "none\n$: has lost \"x\"\n$: has got \"y\", which old readers do not know"},
		{"only some", text, ref("S"), one, one, "forward\n$: was string, is one of \"x\""},
		{"any", ref("S"), text, one, one, "backward\n$: was one of \"x\", is string"},
		{"another kind", ref("S"), whole, one, one, "none\n$: was S, is int64"},
		{"more kinds", text, union(text, whole), one, one, "backward\n$: was string, is int64"},
		{"null and more kinds", null(text), union(text, whole), one, one, "none\n$: was nullable, is not\n$: was string or null, is int64"},
		{"variants by constant", union(ref("A"), ref("B")), union(ref("B"), ref("A")), one, one, "full"},
		{"a variant of another name", union(ref("A"), ref("B")), union(ref("A2"), ref("B")), one, one, "forward\n$: was A, is A2 or B"},
	} {
		t.Run(c.name, func(t *testing.T) {
			cs := CompareTables(c.before, c.after, c.old, c.now)
			lines := []string{cs.Compatibility()}
			for _, ch := range cs {
				lines = append(lines, fmt.Sprintf("%s: %s", ch.Path, ch.Text))
			}
			if got := strings.Join(lines, "\n"); got != c.want {
				t.Errorf("expected %q, got %q", c.want, got)
			}
		})
	}
}

// Unions in unions under new names: what would take for ever counts as changed.
func TestCompareDeepUnions(t *testing.T) {
	table := func(prefix string, leaf plan.Type, levels int) Table {
		out := Table{Types: map[string]plan.Type{}}
		name := func(kind string, i int) string { return fmt.Sprint(prefix, kind, i) }
		for i := range levels {
			for _, kind := range []string{"a", "b"} {
				next := union(ref(name("a", i+1)), ref(name("b", i+1)))
				if i == levels-1 {
					next = leaf
				}
				out.Types[name(kind, i)] = object(must("next", next))
			}
		}
		return out
	}
	for levels, want := range map[int]string{4: "full", 40: "none"} {
		old, now := table("old", text, levels), table("new", text, levels)
		cs := CompareTables(union(ref("olda0"), ref("oldb0")), union(ref("newa0"), ref("newb0")), old, now)
		if got := cs.Compatibility(); got != want {
			t.Errorf("%d levels: expected %s, got %s: %v", levels, want, got, cs)
		}
	}
}

// A name may mean another type in the newer table.
func TestCompareTakesEachSidesTable(t *testing.T) {
	old := map[string]plan.Type{"go:x.T": object(must("a", text))}
	now := map[string]plan.Type{"go:x.T": object(must("a", whole))}
	if got := Compare(ref("go:x.T"), ref("go:x.T"), old, now); got.Compatibility() != "none" || got[0].Path != "$.a" {
		t.Errorf("expected a change at $.a, got %+v", got)
	}
}

func draw(t *rapid.T, depth int) plan.Type {
	kinds := []plan.TypeKind{plan.TBool, plan.TInt8, plan.TInt64, plan.TUint32, plan.TFloat32, plan.TFloat64, plan.TString, plan.TBytes, plan.TTime, plan.TDuration}
	if depth > 0 {
		kinds = append(kinds, plan.TList, plan.TTuple, plan.TStruct)
	}
	out := kind(rapid.SampledFrom(kinds).Draw(t, "kind"))
	out.Nullable = rapid.Bool().Draw(t, "nullable")
	switch out.Kind {
	case plan.TList:
		e := draw(t, depth-1)
		out.Elem = &e
	case plan.TTuple:
		out.Elems = []plan.Type{draw(t, depth-1)}
	case plan.TStruct:
		for _, n := range []string{"a", "b"} {
			if rapid.Bool().Draw(t, n) {
				out.Fields = append(out.Fields, plan.Field{Name: n, Type: draw(t, depth-1), Optional: rapid.Bool().Draw(t, "optional")})
			}
		}
	}
	return out
}

// Where the first fits the second and the second the third, the first fits the third,
// unless a member is left out on the way: the second then says nothing of it, and the
// third may mean another one.
func TestFitsIsReflexiveAndTransitive(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		a := draw(t, 2)
		if d := Fits(a, a, nil); d != nil {
			t.Fatalf("a type does not fit itself: %s", d)
		}
		b, c := widen(t, a), plan.Type{}
		c = widen(t, b)
		for _, pair := range [][2]plan.Type{{a, b}, {b, c}, {a, c}} {
			if d := Fits(pair[0], pair[1], nil); d != nil {
				t.Fatalf("%s does not fit %s: %s", pair[0].Text(), pair[1].Text(), d)
			}
		}
		if cs := Compare(a, c, nil, nil); !cs.Backward() {
			t.Fatalf("readers of a wider type do not read the narrower: %+v", cs)
		}
	})
}

// widen draws a type that takes all that the given one holds.
func widen(t *rapid.T, from plan.Type) plan.Type {
	to := from
	to.Nullable = from.Nullable || rapid.Bool().Draw(t, "null too")
	switch from.Kind {
	case plan.TInt8:
		to.Kind = rapid.SampledFrom([]plan.TypeKind{plan.TInt8, plan.TInt64, plan.TFloat64}).Draw(t, "wider")
	case plan.TFloat32:
		to.Kind = rapid.SampledFrom([]plan.TypeKind{plan.TFloat32, plan.TFloat64}).Draw(t, "wider")
	case plan.TList:
		e := widen(t, *from.Elem)
		to.Elem = &e
	case plan.TTuple:
		to.Elems = []plan.Type{widen(t, from.Elems[0])}
	case plan.TStruct:
		to.Fields = nil
		for _, f := range from.Fields {
			if rapid.IntRange(0, 4).Draw(t, "leave out") > 0 {
				f.Type, f.Optional = widen(t, f.Type), f.Optional || rapid.Bool().Draw(t, "optional too")
				to.Fields = append(to.Fields, f)
			}
		}
	}
	return to
}
