package typing

import (
	"errors"
	"fmt"
	"slices"

	"github.com/levada-io/levada/plan"
)

// Lost is the first member of a type that the one which is written has no place for, by its
// path; empty: there is none. Each of the two has a table of its own. It takes two types that
// fit: where kinds differ, Fits says so.
func Lost(t, to plan.Type, types, own map[string]plan.Type) string {
	l := loss{types: types, own: own, found: map[[2]string]string{}}
	if below := l.below(t, to); below != "" {
		return "$" + below
	}
	return ""
}

// loss looks for members without a place.
type loss struct {
	types, own map[string]plan.Type
	// found is what was found of a pair, by the texts of both; empty: nothing, or nothing so
	// far, for a recursive type leads back to a pair that is looked at.
	found map[[2]string]string
	// clean are the pairs of which nothing was found, in the order in which they were met.
	clean [][2]string
}

// below is the path from a pair to the first member that has no place; empty: there is none.
func (l *loss) below(t, to plan.Type) string {
	t.Nullable, to.Nullable = false, false // a null has no members to lose
	pair := [2]string{t.Text(), to.Text()}
	if path, ok := l.found[pair]; ok {
		return path
	}
	at := len(l.clean)
	l.found[pair], l.clean = "", append(l.clean, pair)
	path := ""
	t, err1 := t.Resolve(l.types)
	to, err2 := to.Resolve(l.own)
	if errors.Join(err1, err2) == nil {
		path = l.resolved(t, to)
	}
	if path != "" {
		// What was clean as long as this one was, is to be looked at again.
		for _, p := range l.clean[at:] {
			delete(l.found, p)
		}
		l.clean, l.found[pair] = l.clean[:at], path
	}
	return path
}

func (l *loss) resolved(t, to plan.Type) string {
	switch {
	case t.Kind == plan.TUnion || to.Kind == plan.TUnion:
		for _, v := range variantsOf(t) {
			if path := l.variant(v, variantsOf(to)); path != "" {
				return path
			}
		}
	case t.Kind == plan.TStruct && (to.Kind == plan.TStruct || to.Kind == plan.TMap):
		for _, f := range t.Fields {
			place := to.Elem
			if to.Kind == plan.TStruct {
				at := slices.IndexFunc(to.Fields, func(o plan.Field) bool { return o.Name == f.Name })
				if at < 0 {
					return "." + f.Name
				}
				place = &to.Fields[at].Type
			}
			if path := l.below(f.Type, *place); path != "" {
				return "." + f.Name + path
			}
		}
	case t.Kind == to.Kind && t.Elem != nil && to.Elem != nil:
		if path := l.below(*t.Elem, *to.Elem); path != "" {
			return "[]" + path
		}
	case t.Kind == plan.TTuple || to.Kind == plan.TTuple:
		for i := range max(len(t.Elems), len(to.Elems)) {
			one, two := element(t, i), element(to, i)
			if one == nil || two == nil {
				break
			}
			if path := l.below(*one, *two); path != "" {
				return fmt.Sprintf("[%d]", i) + path
			}
		}
	}
	return ""
}

// variant looks at a variant of a union: it is lost where no branch has all of it. The one
// that has most is not known, so that it is the last that says what is not there.
func (l *loss) variant(v plan.Type, branches []plan.Type) (path string) {
	for _, b := range branches {
		if !l.alike(v, b) {
			continue
		}
		if path = l.below(v, b); path == "" {
			return ""
		}
	}
	return path
}

// variantsOf are the variants of a union; what is none is the only one.
func variantsOf(t plan.Type) []plan.Type {
	if t.Kind == plan.TUnion {
		return t.Elems
	}
	return []plan.Type{t}
}

func (l *loss) alike(v, branch plan.Type) bool {
	a, err1 := v.Resolve(l.types)
	b, err2 := branch.Resolve(l.own)
	return errors.Join(err1, err2) == nil && a.Kind == b.Kind
}

// element is what stands at a place of a list or a tuple; nil: nothing.
func element(t plan.Type, i int) *plan.Type {
	switch {
	case t.Kind == plan.TList:
		return t.Elem
	case t.Kind == plan.TTuple && i < len(t.Elems):
		return &t.Elems[i]
	}
	return nil
}
