package typing

import (
	"fmt"
	"slices"

	"github.com/levada-io/levada/plan"
)

// Twofold is where two definitions of one type are not the same.
type Twofold struct {
	Path     string // of the member: $.spans[]
	One, Two string // what it is in the one, and in the other
}

// Same says where two definitions of one type differ: the first place, and nil where there
// is none. Frames are written by the one and read by the other, so everything counts that
// has a part in their layout or in the text of a message; what a name leads to is not
// followed, since every name has its own definitions.
func Same(one, two plan.Type) *Twofold { return differs(one, two, "$") }

func differs(one, two plan.Type, path string) *Twofold {
	if one.Kind != two.Kind || one.Name != two.Name || one.Nullable != two.Nullable || one.Unit != two.Unit || len(one.Elems) != len(two.Elems) {
		a, b := unit(one), unit(two)
		if a == b { // names of two packages that end alike
			a, b = one.Text(), two.Text()
		}
		return &Twofold{path, a, b}
	}
	if one.Elem != nil && two.Elem != nil {
		step := "[]"
		if one.Kind == plan.TMap {
			step = "[key]"
		}
		if d := differs(*one.Elem, *two.Elem, path+step); d != nil {
			return d
		}
	}
	for i := range one.Elems {
		if d := differs(one.Elems[i], two.Elems[i], fmt.Sprintf("%s[%d]", path, i)); d != nil {
			return d
		}
	}
	if d := members(one, two, path); d != nil {
		return d
	}
	if one.Extra != two.Extra {
		return &Twofold{path, extra(one), extra(two)}
	}
	return nil
}

func members(one, two plan.Type, path string) *Twofold {
	place := func(t plan.Type, name string) int {
		return slices.IndexFunc(t.Fields, func(f plan.Field) bool { return f.Name == name })
	}
	for i, f := range one.Fields {
		at := path + "." + f.Name
		k := place(two, f.Name)
		if k < 0 {
			return &Twofold{at, unit(f.Type), "not there"}
		}
		g := two.Fields[k]
		if d := differs(f.Type, g.Type, at); d != nil {
			return d
		}
		for _, pair := range [][2]string{
			{presence(f), presence(g)},
			{fixed(f), fixed(g)},
			{fmt.Sprintf("member %d", i+1), fmt.Sprintf("member %d", k+1)},
		} {
			// A member that only the other has moves those behind it; that one is the difference.
			if pair[0] != pair[1] && (pair[0] != fmt.Sprintf("member %d", i+1) || len(one.Fields) == len(two.Fields)) {
				return &Twofold{at, pair[0], pair[1]}
			}
		}
	}
	for _, g := range two.Fields {
		if place(one, g.Name) < 0 {
			return &Twofold{path + "." + g.Name, "not there", unit(g.Type)}
		}
	}
	return nil
}

func presence(f plan.Field) string {
	switch {
	case f.Omit != "":
		return "left out by " + f.Omit
	case f.Optional:
		return "optional"
	}
	return "required"
}

func fixed(f plan.Field) string {
	switch {
	case f.Rules != "":
		return "a " + f.Type.String() + " of " + f.Rules
	case f.Const == "":
		return "any " + f.Type.String()
	}
	return "always " + f.Const
}

func extra(t plan.Type) string {
	if t.Extra {
		return "open to further members"
	}
	return "closed to further members"
}
