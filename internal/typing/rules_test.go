package typing

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"github.com/levada-io/levada/plan"
)

func ruled(n string, t plan.Type, rules string) plan.Field {
	return plan.Field{Name: n, Type: t, Rules: rules}
}

func one(t plan.Type, rules string) plan.Type { return object(ruled("a", t, rules)) }

// A consumer may have tighter rules, which refuse messages; only where no value keeps to
// the rules of both is it wrong before there are any.
func TestFitsRules(t *testing.T) {
	byte8, other := kind(plan.TUint8), kind(plan.TBytes)
	for _, c := range []struct {
		name     string
		from, to plan.Type
		want     string
	}{
		{"looser", one(whole, "min=1,max=3"), one(whole, "min=0"), ""},
		{"tighter", one(whole, "min=0"), one(whole, "min=1,max=3"), ""},
		{"none before", object(must("a", whole)), one(whole, "min=1"), ""},
		{"they touch", one(whole, "max=3"), one(whole, "min=3"), ""},
		{"above and below", one(whole, "max=3"), one(whole, "min=4"), "$.a: expected int64 of min=4, got int64 of max=3, and no value is both"},
		{"below and above", one(real, "min=0.5"), one(real, "max=0.25"), "$.a: expected float64 of max=0.25, got float64 of min=0.5, and no value is both"},
		{"the bound itself", one(real, "max=3"), one(real, "above=3"), "$.a: expected float64 of above=3, got float64 of max=3, and no value is both"},
		{"floats between", one(real, "below=4"), one(real, "above=3"), ""},
		{"no integer between", one(whole, "below=4"), one(whole, "above=3"), "$.a: expected int64 of above=3, got int64 of below=4, and no value is both"},
		{"no integer between floats", one(whole, "below=4"), one(real, "above=3"), "$.a: expected float64 of above=3, got int64 of below=4, and no value is both"},
		{"an end of the type", one(whole, "max=-1"), object(must("a", byte8)), "$.a: expected uint8, got int64 of max=-1, and no value is both"},
		{"the other end", one(whole, "min=256"), object(must("a", byte8)), "$.a: expected uint8, got int64 of min=256, and no value is both"},
		{"widths", one(kind(plan.TUint64), "min=18446744073709551615"), one(kind(plan.TUint64), "min=18446744073709551614"), ""},
		{"lengths meet", one(text, "maxlen=3"), one(text, "minlen=3"), ""},
		{"lengths", one(text, "maxlen=2"), one(text, "minlen=3"), "$.a: expected string of minlen=3, got string of maxlen=2, and no value is both"},
		{"lengths of bytes", one(other, "maxlen=2"), one(other, "minlen=3"), "$.a: expected bytes of minlen=3, got bytes of maxlen=2, and no value is both"},
		{"lengths of lists", one(list(text), "minlen=3"), one(list(text), "maxlen=2"), "$.a: expected list[string] of maxlen=2, got list[string] of minlen=3, and no value is both"},
		{"lengths of elements", one(list(text), "each.minlen=3"), one(list(text), "each.maxlen=2"), "$.a[]: expected string of maxlen=2, got string of minlen=3, and no value is both"},
		{"lengths of elements that meet", one(list(text), "minlen=3,each.minlen=2"), one(list(text), "minlen=1,each.maxlen=2"), ""},
		{"lengths of maps", one(dict(text), "minlen=3"), one(dict(text), "maxlen=2"), "$.a: expected map[string, string] of maxlen=2, got map[string, string] of minlen=3, and no value is both"},
		{"elements", one(list(whole), "min=3"), one(list(whole), "max=2"), "$.a[]: expected int64 of max=2, got int64 of min=3, and no value is both"},
		{"entries", one(dict(list(whole)), "min=3"), one(dict(list(whole)), "max=2"), "$.a[key][]: expected int64 of max=2, got int64 of min=3, and no value is both"},
		{"positions", one(tuple(whole, whole), "min=3"), one(tuple(whole, whole), "max=2"), "$.a[0]: expected int64 of max=2, got int64 of min=3, and no value is both"},
		{"enums that meet", one(text, "enum=a|b"), one(text, "enum=b|c"), ""},
		{"enums", one(text, "enum=a|b"), one(text, "enum=c"), "$.a: expected string of enum=c, got string of enum=a|b, and no value is both"},
		{"enums of integers", one(whole, "enum=1|2"), one(whole, "enum=3"), "$.a: expected int64 of enum=3, got int64 of enum=1|2, and no value is both"},
		{"an enum and a bound", one(whole, "enum=1|2"), one(whole, "min=3"), "$.a: expected int64 of min=3, got int64 of enum=1|2, and no value is both"},
		{"a bound and an enum", one(whole, "min=3"), one(whole, "enum=1|2"), "$.a: expected int64 of enum=1|2, got int64 of min=3, and no value is both"},
		{"an enum and a bound that meet", one(whole, "enum=1|2"), one(whole, "min=2"), ""},
		{"an enum and a length", one(text, "enum=a|bc"), one(text, "minlen=3"), "$.a: expected string of minlen=3, got string of enum=a|bc, and no value is both"},
		{"an enum and a pattern", one(text, "enum=a|b"), one(text, "pattern=^[0-9]"), "$.a: expected string of pattern=^[0-9], got string of enum=a|b, and no value is both"},
		{"an enum and a pattern that meet", one(text, "enum=a|1"), one(text, "pattern=^[0-9]"), ""},
		{"patterns are not decided", one(text, "pattern=^a"), one(text, "pattern=^b"), ""},
		{"formats are not decided", one(text, "format=uuid"), one(text, "format=date"), ""},
		{"a constant of an enum", object(constant("a", `"x"`)), one(text, "enum=x|y"), ""},
		{"a constant and an enum", object(constant("a", `"z"`)), one(text, "enum=x|y"), `$.a: expected string of enum=x|y, got string of const="z", and no value is both`},
		{"an enum and a constant", one(text, "enum=x|y"), object(constant("a", `"z"`)), `$.a: expected string of const="z", got string of enum=x|y, and no value is both`},
		{"a bound and a constant", one(whole, "max=3"), object(plan.Field{Name: "a", Type: whole, Const: "4"}), `$.a: expected int64 of const=4, got int64 of max=3, and no value is both`},
		{"a constant into what has no rules", object(constant("a", `"z"`)), object(must("a", text)), ""},
		{"absent on both sides", object(plan.Field{Name: "a", Type: whole, Rules: "max=3", Optional: true}), object(plan.Field{Name: "a", Type: whole, Rules: "min=4", Optional: true}),
			"$.a: expected int64 of min=4, got int64 of max=3, and no value is both"},
		{"any", object(must("a", blank)), one(whole, "min=1"), ""},
		{"a struct into a map", one(whole, "max=3"), object(ruled("a", whole, "max=3")), ""},
		{"members into entries", object(must("m", one(whole, "max=3"))), object(ruled("m", dict(whole), "min=4")), "$.m.a: expected int64 of min=4, got int64 of max=3, and no value is both"},
		{"another kind is told alone", one(text, "maxlen=2"), one(whole, "min=3"), "$.a: expected int64, got string"},
	} {
		t.Run(c.name, func(t *testing.T) {
			got := ""
			if d := Fits(c.from, c.to, nil); d != nil {
				got = d.String()
			}
			if got != c.want {
				t.Errorf("expected %q, got %q", c.want, got)
			}
		})
	}
}

// Two structs that share a name for a list have rules of their own at it.
func TestFitsRulesAtNames(t *testing.T) {
	types := map[string]plan.Type{"go:x.L": list(ref("go:x.M")), "go:x.M": list(whole)}
	two := func(x, y string) plan.Type {
		return object(ruled("a", ref("go:x.L"), x), ruled("b", ref("go:x.L"), y))
	}
	if d := Fits(two("max=3", "max=3"), two("max=4", "min=1"), types); d != nil {
		t.Errorf("expected a fit, got %s", d)
	}
	d := Fits(two("max=3", "max=3"), two("max=4", "min=4"), types)
	if d == nil || d.String() != "$.b[][]: expected int64 of min=4, got int64 of max=3, and no value is both" {
		t.Errorf("got %v", d)
	}
	loop := map[string]plan.Type{"go:x.L": list(ref("go:x.L"))}
	if d := Fits(one(ref("go:x.L"), "maxlen=3"), one(ref("go:x.L"), "minlen=4"), loop); d == nil || d.Path != "$.a" {
		t.Errorf("a list of itself: got %v", d)
	}
}

// Which variant a message is, rules do not tell.
func TestFitsRulesOfVariants(t *testing.T) {
	variant := func(k, rules string) plan.Type { return object(constant("k", k), ruled("x", whole, rules)) }
	from := union(variant(`"a"`, "max=3"), variant(`"b"`, "max=3"))
	if d := Fits(from, union(variant(`"a"`, "min=1"), variant(`"b"`, "min=2")), nil); d != nil {
		t.Errorf("expected a fit, got %s", d)
	}
	d := Fits(from, union(variant(`"a"`, "min=1"), variant(`"b"`, "min=4")), nil)
	if d == nil || d.String() != "$(struct{k, x}).x: expected int64 of min=4, got int64 of max=3, and no value is both" {
		t.Errorf("got %v", d)
	}
}

// Every rule in every direction: what was tightened breaks old messages, what was loosened
// old readers.
func TestCompareRules(t *testing.T) {
	byte8 := kind(plan.TUint8)
	for _, c := range []struct {
		name          string
		before, after plan.Type
		want          string // compatibility, then a line per change
		back          string // the same for the way back
	}{
		{"nothing", one(whole, "min=1"), one(whole, "min=1"), "full", "full"},
		{"min raised", one(whole, "min=1"), one(whole, "min=2"), "forward\n$.a: was min=1, is min=2", "backward\n$.a: was min=2, is min=1"},
		{"max raised", one(whole, "max=1"), one(whole, "max=2"), "backward\n$.a: was max=1, is max=2", "forward\n$.a: was max=2, is max=1"},
		{"a new min", object(must("a", real)), one(real, "min=1"), "forward\n$.a: was no min, is min=1", "backward\n$.a: was min=1, is no min"},
		{"a new max", object(must("a", whole)), one(whole, "max=1"), "forward\n$.a: was no max, is max=1", "backward\n$.a: was max=1, is no max"},
		{"both at once", one(whole, "min=1,max=5"), one(whole, "min=2,max=6"), "none\n$.a: was min=1, is min=2\n$.a: was max=5, is max=6", "none\n$.a: was max=6, is max=5\n$.a: was min=2, is min=1"},
		{"above", one(real, "min=1"), one(real, "above=1"), "forward\n$.a: was min=1, is above=1", "backward\n$.a: was above=1, is min=1"},
		{"below", one(real, "max=1"), one(real, "below=1"), "forward\n$.a: was max=1, is below=1", "backward\n$.a: was below=1, is max=1"},
		{"the same integers", one(whole, "above=1,below=4"), one(whole, "min=2,max=3"), "full", "full"},
		{"the same number", one(real, "min=1e2"), one(real, "min=100"), "full", "full"},
		{"minlen", one(text, "minlen=1"), one(text, "minlen=2"), "forward\n$.a: was minlen=1, is minlen=2", "backward\n$.a: was minlen=2, is minlen=1"},
		{"minlen of elements", one(list(text), "each.minlen=1"), one(list(text), "each.minlen=2"), "forward\n$.a[]: was minlen=1, is minlen=2", "backward\n$.a[]: was minlen=2, is minlen=1"},
		{"a new minlen", object(must("a", text)), one(text, "minlen=2"), "forward\n$.a: was no minlen, is minlen=2", "backward\n$.a: was minlen=2, is no minlen"},
		{"maxlen", one(text, "maxlen=1"), one(text, "maxlen=2"), "backward\n$.a: was maxlen=1, is maxlen=2", "forward\n$.a: was maxlen=2, is maxlen=1"},
		{"a new maxlen", object(must("a", dict(text))), one(dict(text), "maxlen=2"), "forward\n$.a: was no maxlen, is maxlen=2", "backward\n$.a: was maxlen=2, is no maxlen"},
		{"maxlen of a list", one(list(text), "maxlen=1"), one(list(text), "maxlen=2"), "backward\n$.a: was maxlen=1, is maxlen=2", "forward\n$.a: was maxlen=2, is maxlen=1"},
		{"a pattern of elements", one(list(text), "pattern=a"), one(list(text), "pattern=b"), "none\n$.a[]: was pattern=a, is pattern=b: whether one has all values of the other is not decided", "none\n$.a[]: was pattern=b, is pattern=a: whether one has all values of the other is not decided"},
		{"a new pattern", object(must("a", text)), one(text, "pattern=a"), "forward\n$.a: was no pattern, is pattern=a", "backward\n$.a: was pattern=a, is no pattern"},
		{"a format", one(text, "format=date"), one(text, "format=uuid"), "none\n$.a: was format=date, is format=uuid: whether one has all values of the other is not decided", "none\n$.a: was format=uuid, is format=date: whether one has all values of the other is not decided"},
		{"a new format", object(must("a", text)), one(text, "format=date"), "forward\n$.a: was no format, is format=date", "backward\n$.a: was format=date, is no format"},
		{"a value more", one(text, "enum=x"), one(text, "enum=x|y"), "backward\n$.a: has got \"y\", which old readers do not know", "forward\n$.a: has lost \"y\""},
		{"an enum at all", object(must("a", whole)), one(whole, "enum=1|2"), "forward\n$.a: was int64, is one of 1, 2", "backward\n$.a: was one of 1, 2, is int64"},
		{"an enum within a bound", one(whole, "enum=1|2"), one(whole, "max=9"), "backward\n$.a: was one of 1, 2, is int64 of max=9", "forward\n$.a: was int64 of max=9, is one of 1, 2"},
		{"an enum beyond a bound", one(whole, "enum=1|20"), one(whole, "max=9"), "none\n$.a: has lost 20\n$.a: was one of 1, 20, is int64 of max=9", "none\n$.a: was int64 of max=9, is one of 1, 20\n$.a: has got 20, which old readers do not know"},
		{"a constant becomes an enum", object(constant("a", `"x"`)), one(text, "enum=x|y"), "backward\n$.a: has got \"y\", which old readers do not know", "forward\n$.a: has lost \"y\""},
		{"widths and bounds", one(byte8, "max=9"), object(must("a", whole)), "backward\n$.a: was uint8 of max=9, is int64", "forward\n$.a: was int64, is uint8 of max=9"},
		{"a bound for a width", one(whole, "min=0,max=255"), object(must("a", byte8)), "full", "full"},
		{"a bound beyond a width", one(whole, "min=0,max=256"), object(must("a", byte8)), "forward\n$.a: was int64 of min=0,max=256, is uint8", "backward\n$.a: was uint8, is int64 of min=0,max=256"},
		{"signs", one(kind(plan.TUint64), "max=9"), one(whole, "min=-1,max=9"), "backward\n$.a: was min=0, is min=-1", "forward\n$.a: was min=-1, is min=0"},
		{"integers become numbers", one(whole, "max=9"), one(real, "max=8"), "none\n$.a: was max=9, is max=8\n$.a: was int64, is float64", "none\n$.a: was float64, is int64\n$.a: was max=8, is max=9"},
	} {
		t.Run(c.name, func(t *testing.T) {
			for _, way := range []struct {
				a, b plan.Type
				want string
			}{{c.before, c.after, c.want}, {c.after, c.before, c.back}} {
				cs := Compare(way.a, way.b, nil, nil)
				lines := []string{cs.Compatibility()}
				for _, ch := range cs {
					lines = append(lines, fmt.Sprintf("%s: %s", ch.Path, ch.Text))
				}
				if got := strings.Join(lines, "\n"); got != way.want {
					t.Errorf("expected %q, got %q", way.want, got)
				}
			}
		})
	}
}

// Names may have rules wherever they stand: at the top, in elements, at variants.
func TestCompareRulesOfNames(t *testing.T) {
	table := func(rules string) Table {
		r, err := plan.ParseRules(rules)
		if err != nil {
			t.Fatal(err)
		}
		return Table{Types: map[string]plan.Type{"1.string": text}, Rules: map[string]plan.Rules{"1.string": r}}
	}
	short := ref("1.string")
	for name, c := range map[string]struct {
		t    plan.Type
		want string
	}{
		"the top":  {short, "$: was maxlen=3, is maxlen=4"},
		"elements": {list(null(short)), "$[]: was maxlen=3, is maxlen=4"},
		"variants": {union(short, whole), "$(string): was maxlen=3, is maxlen=4"},
	} {
		cs := CompareTables(c.t, c.t, table("maxlen=3"), table("maxlen=4"))
		if len(cs) != 1 || cs[0].Path+": "+cs[0].Text != c.want || cs.Compatibility() != "backward" {
			t.Errorf("%s: got %+v", name, cs)
		}
	}
	cs := CompareTables(list(short), list(union(short, whole)), table("maxlen=3"), table("maxlen=3"))
	if len(cs) != 1 || cs[0].Text != "was string, is int64" {
		t.Errorf("got %+v", cs)
	}
	if d := FitsBytes(short, short, table("maxlen=3"), table("minlen=4")); d == nil || d.Reason != NeverMeet {
		t.Errorf("got %v", d)
	}
	values := Table{Types: map[string]plan.Type{"S": text}, Values: map[string][]string{"S": {`"x"`, `"y"`}}}
	state := one(text, "enum=x")
	cs = CompareTables(state, object(must("a", ref("S"))), Table{}, values)
	if len(cs) != 1 || cs[0].Text != `has got "y", which old readers do not know` {
		t.Errorf("got %+v", cs)
	}
	if d := FitsBytes(object(must("a", ref("S"))), state, values, Table{}); d != nil {
		t.Errorf("got %s", d)
	}
	if d := FitsBytes(object(must("a", ref("S"))), one(text, "enum=z"), values, Table{}); d == nil || d.Reason != NeverMeet {
		t.Errorf("got %v", d)
	}
}

// Against a look at each value: where rules are said never to meet, none of the values of a
// small world keeps to both, and a change counts backward where all of the old are new ones.
func TestRulesOfSmallIntegers(t *testing.T) {
	draw := func(rt *rapid.T, name string) (string, func(int) bool) {
		var parts []string
		fits := func(int) bool { return true }
		and := func(f func(int) bool) {
			g := fits
			fits = func(v int) bool { return g(v) && f(v) }
		}
		lo, hi := rapid.IntRange(0, 6).Draw(rt, name+"lo"), rapid.IntRange(0, 6).Draw(rt, name+"hi")
		switch rapid.IntRange(0, 3).Draw(rt, name) {
		case 0:
			parts = append(parts, fmt.Sprint("min=", lo))
			and(func(v int) bool { return v >= lo })
		case 1:
			parts = append(parts, fmt.Sprint("above=", lo))
			and(func(v int) bool { return v > lo })
		case 2:
			set := slices.Sorted(slices.Values(rapid.SliceOfNDistinct(rapid.IntRange(0, 7), 1, 4, rapid.ID).Draw(rt, name+"enum")))
			var values []string
			for _, v := range set {
				values = append(values, fmt.Sprint(v))
			}
			return "enum=" + strings.Join(values, "|"), func(v int) bool { return slices.Contains(set, v) }
		}
		if hi >= lo+2 {
			parts = append(parts, fmt.Sprint("max=", hi))
			and(func(v int) bool { return v <= hi })
		}
		return strings.Join(parts, ","), fits
	}
	rapid.Check(t, func(rt *rapid.T) {
		a, isA := draw(rt, "a")
		b, isB := draw(rt, "b")
		meet, within := false, true
		for v := 0; v < 256; v++ {
			meet = meet || isA(v) && isB(v)
			within = within && (!isA(v) || isB(v))
		}
		byte8 := kind(plan.TUint8)
		d := Fits(one(byte8, a), one(byte8, b), nil)
		if (d == nil) != meet {
			rt.Fatalf("%s and %s: %v, and they meet: %v", a, b, d, meet)
		}
		cs := Compare(one(byte8, a), one(byte8, b), nil, nil)
		if cs.Backward() != within {
			rt.Fatalf("%s and %s: %v, and the one is within the other: %v", a, b, cs, within)
		}
	})
}
