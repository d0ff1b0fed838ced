package yamlplan

import (
	"strconv"
	"strings"

	"github.com/levada-io/levada/internal/yamldoc"
	"github.com/levada-io/levada/plan"
)

// members checks a map against the fields of a struct, so that a wrong setting is told
// with its place in the file. owner is what has the fields.
func (r *reader) members(n *yamldoc.Node, fields []plan.Field, place, owner string) bool {
	right := true
	for i, k := range n.Keys {
		var known []string
		found := false
		for _, f := range fields {
			known = append(known, f.Name)
			if f.Name == k.Text {
				found = true
				right = r.fits(n.Values[i], f.Type, place+"."+k.Text) && right
			}
		}
		if !found {
			right = false
			hint := near(k.Text, known, "it has ")
			if known == nil {
				hint = "it has no settings"
			}
			r.Problem(k, "bad-settings", hint, "%s: %s has no setting %q", place, owner, k.Text)
		}
	}
	return right
}

// fits checks a value against the type of a setting.
func (r *reader) fits(n *yamldoc.Node, t plan.Type, place string) bool {
	if n.Kind == yamldoc.Null && t.Nullable {
		return true
	}
	name := t.String()
	for t.Kind == plan.TRef {
		next, ok := r.offer.named(t.Name)
		if !ok {
			return true // the function itself will tell
		}
		t = next
	}
	want := yamldoc.Text
	switch t.Kind {
	case plan.TAny:
		return true
	case plan.TBool:
		want = yamldoc.Bool
	case plan.TFloat32, plan.TFloat64:
		if n.Kind == yamldoc.Int {
			return true
		}
		want = yamldoc.Float
	case plan.TList, plan.TTuple:
		want = yamldoc.List
	case plan.TMap, plan.TStruct:
		want = yamldoc.Map
	case plan.TInt8, plan.TInt16, plan.TInt32, plan.TInt64, plan.TUint8, plan.TUint16, plan.TUint32, plan.TUint64:
		// The YAML library takes for a float what is beyond 64 bits.
		if n.Kind == yamldoc.Int || n.Kind == yamldoc.Float {
			return r.integer(n, t, place)
		}
		want = yamldoc.Int
	}
	if !r.Is(n, place, want) {
		return false
	}
	right := true
	switch t.Kind {
	case plan.TList:
		for i, e := range n.Values {
			right = r.fits(e, *t.Elem, place+"["+strconv.Itoa(i)+"]") && right
		}
	case plan.TMap:
		for i, k := range n.Keys {
			right = r.fits(n.Values[i], *t.Elem, place+"."+k.Text) && right
		}
	case plan.TStruct:
		return r.members(n, t.Fields, place, name)
	}
	return right
}

func (r *reader) integer(n *yamldoc.Node, t plan.Type, place string) bool {
	kind, unsigned := strings.CutPrefix(string(t.Kind), "u")
	bits, err := strconv.Atoi(strings.TrimPrefix(kind, "int"))
	if err != nil {
		return true
	}
	digits := strings.TrimPrefix(n.Text, "+")
	if unsigned {
		_, err = strconv.ParseUint(digits, 10, bits)
	} else {
		_, err = strconv.ParseInt(digits, 10, bits)
	}
	if err != nil {
		r.Problem(n, "wrong-value", "", "%s: expected %s, got %s", place, t.Kind, n.Text)
	}
	return err == nil
}

// named finds a type of the table by its canonical name.
func (o offer) named(name string) (plan.Type, bool) {
	for _, m := range o {
		if t, ok := m.Types[name]; ok {
			return t, true
		}
	}
	return plan.Type{}, false
}
