package typing

import (
	"fmt"
	"testing"

	"github.com/levada-io/levada/plan"
)

func TestLost(t *testing.T) {
	none := map[string]plan.Type{}
	for _, c := range []struct {
		name       string
		t, to      plan.Type
		types, own map[string]plan.Type
		want       string
	}{
		{"the same", object(must("a", text)), object(must("a", text)), none, none, ""},
		{"more in the schema", object(must("a", text)), object(must("a", text), must("b", text)), none, none, ""},
		{"a member", object(must("a", text), must("b", text), must("c", text)), object(must("a", text)), none, none, "$.b"},
		{"deeper", object(must("a", list(dict(object(must("b", text), may("c", text)))))), object(must("a", list(dict(object(must("b", text)))))), none, none, "$.a[][].c"},
		{"any takes all", object(must("a", text)), blank, none, none, ""},
		{"any may be all", blank, object(must("a", text)), none, none, ""},
		{"another kind, which is told elsewhere", object(must("a", text)), text, none, none, ""},
		{"a list for a map", list(object(must("a", text))), dict(object()), none, none, ""},
		{"a name that is in no table", ref("x"), object(), none, none, ""},

		{"each side has its names", ref("S"), ref("S"), map[string]plan.Type{"S": object(must("a", text), must("b", text))}, map[string]plan.Type{"S": object(must("a", text))}, "$.b"},
		{"a tree", ref("go:x.Tree"), ref("py:x:Tree"), trees, trees, ""},
		{"a tree that has lost a name", ref("go:x.Tree"), ref("T"), trees, map[string]plan.Type{"T": object(may("left", null(ref("T"))), may("right", null(ref("T"))))}, "$.name"},
		{"below a tree", ref("T"), ref("U"), map[string]plan.Type{"T": object(may("next", null(ref("T"))), must("a", object(must("b", text))))},
			map[string]plan.Type{"U": object(may("next", null(ref("U"))), must("a", object()))}, "$.a.b"},

		{"a struct in a map", object(must("k", object(must("a", text)))), dict(object()), none, none, "$.k.a"},
		{"a struct in a map that has all of it", object(must("k", object(must("a", text)))), dict(object(must("a", text))), none, none, ""},
		{"a tuple", tuple(text, object(must("a", text))), tuple(text, object()), none, none, "$[1].a"},
		{"a tuple in a list", tuple(object(must("a", text)), object(must("b", text))), list(object(must("a", text))), none, none, "$[1].b"},
		{"a list in a tuple", list(object(must("a", text))), tuple(object(must("a", text)), object()), none, none, "$[1].a"},

		{"a variant", union(object(must("a", text)), object(must("b", text))), union(text, object(must("a", text))), none, none, "$.b"},
		{"a variant that another branch has", union(object(must("a", text)), object(must("b", text))), union(object(must("b", text)), object(must("a", text))), none, none, ""},
		{"one into a union", object(must("a", text)), union(text, object(must("b", text)), object(must("c", text))), none, none, "$.a"},
		{"one into a union that has it", object(must("a", text)), union(object(must("b", text)), object(must("a", text))), none, none, ""},
		{"a union into one", union(text, object(must("a", text)), object(must("b", text))), object(must("a", text)), none, none, "$.b"},
		{"a union into one that has all", union(object(must("a", text)), object(must("b", text))), object(must("a", text), must("b", text)), none, none, ""},
		{"a kind that no branch is, which is told elsewhere", union(object(must("a", text))), union(text, whole), none, none, ""},
		{"lists of a union", union(list(object(must("a", text))), text), union(text, list(object())), none, none, "$[].a"},

		// The pair of V and A has lost something where it is met first; that B had it does not
		// make it whole in the second place.
		{"a pair that a branch made good for once",
			object(must("one", ref("V")), must("two", ref("V"))), object(must("one", union(ref("A"), ref("B"))), must("two", ref("A"))),
			map[string]plan.Type{"V": object(must("b", text))}, map[string]plan.Type{"A": object(must("a", text)), "B": object(must("b", text))}, "$.two.b"},
		// W and C are whole only if T and A are, which they are not.
		{"a pair that was right as long as another was",
			object(must("one", ref("T")), must("two", ref("W"))), object(must("one", union(ref("A"), ref("B"))), must("two", ref("C"))),
			map[string]plan.Type{"T": object(must("w", ref("W")), must("b", text)), "W": object(may("t", null(ref("T"))))},
			map[string]plan.Type{"A": object(must("w", ref("C"))), "B": object(must("w", object(may("t", null(ref("B"))))), must("b", text)), "C": object(may("t", null(ref("A"))))},
			"$.two.t.b"},
	} {
		t.Run(c.name, func(t *testing.T) {
			if got := Lost(c.t, c.to, c.types, c.own); got != c.want {
				t.Errorf("expected %q, got %q", c.want, got)
			}
		})
	}
}

// Unions in unions: what was found of a pair is known where it is met again.
func TestLostDeepUnions(t *testing.T) {
	types, own := map[string]plan.Type{}, map[string]plan.Type{}
	const levels = 200
	for i := range levels {
		leaf := object(must("a", text))
		next := func(prefix string) plan.Type {
			if i == levels-1 {
				return leaf
			}
			return union(ref(name(prefix+"a", i+1)), ref(name(prefix+"b", i+1)))
		}
		for _, k := range []string{"a", "b"} {
			types[name(k, i)] = object(must("next", next("")))
			own[name("s"+k, i)] = object(must("next", next("s")))
		}
	}
	own[name("sa", levels-1)], own[name("sb", levels-1)] = object(must("next", object())), object(must("next", object()))
	want := "$"
	for range levels {
		want += ".next"
	}
	if got := Lost(ref("a0"), ref("sa0"), types, own); got != want+".a" {
		t.Errorf("expected %q, got %q", want+".a", got)
	}
}

func name(kind string, i int) string { return fmt.Sprint(kind, i) }
