package typing

import (
	"fmt"
	"slices"
	"strings"

	"github.com/levada-io/levada/plan"
)

// Change is one place where a type has become another.
type Change struct {
	Path string
	Text string // what was changed, and who minds
	// Backward says that readers of the new type read what was written by the old one,
	// Forward that readers of the old type read what the new one writes.
	Backward, Forward bool
}

// Changes are all places where a type differs from its former self.
type Changes []Change

// Backward says whether readers of the new type read everything of the old one.
func (cs Changes) Backward() bool {
	for _, c := range cs {
		if !c.Backward {
			return false
		}
	}
	return true
}

// Forward says whether readers of the old type read everything of the new one.
func (cs Changes) Forward() bool {
	for _, c := range cs {
		if !c.Forward {
			return false
		}
	}
	return true
}

// Compatibility is full, backward, forward or none.
func (cs Changes) Compatibility() string {
	switch back, fore := cs.Backward(), cs.Forward(); {
	case back && fore:
		return "full"
	case back:
		return "backward"
	case fore:
		return "forward"
	}
	return "none"
}

// Table is what names mean, where some of them have only some values.
type Table struct {
	Types map[string]plan.Type
	// Values are the JSON texts of all values that a type of this name has.
	Values map[string][]string
	// Rules are what values of a type of this name keep to. Messages do not show the name,
	// but its type.
	Rules map[string]plan.Rules
}

// Compare says what became of a type. Each of the two has a table of its own: a name
// may mean another type in the newer one.
func Compare(before, after plan.Type, old, now map[string]plan.Type) Changes {
	return CompareTables(before, after, Table{Types: old}, Table{Types: now})
}

// neither is told of patterns and formats: whoever reads them decides.
const neither = ": whether one has all values of the other is not decided"

// maxLooks is far beyond what schemas of people need.
const maxLooks = 10_000

// CompareTables is Compare where names may have only some values.
//
// Unions that are too deep in each other to be held against each other count as changed.
func CompareTables(before, after plan.Type, old, now Table) Changes {
	back, fore := maxLooks, maxLooks
	backward := comparison{
		from: old, to: now, text: true, looks: &back, seen: map[[2]string]bool{},
	}
	backward.walk(before, after, "$")
	forward := comparison{
		from: now, to: old, text: true, looks: &fore, seen: map[[2]string]bool{},
	}
	forward.walk(after, before, "$")

	var out Changes
	at := map[string]int{}
	add := func(d Difference, text string, isBackward bool) {
		fine := d.Reason == NotNeeded
		// A change of kind shows from both sides: one line tells it.
		i, ok := at[d.Path+"\x00"+text]
		if !ok {
			i = len(out)
			at[d.Path+"\x00"+text] = i
			out = append(out, Change{d.Path, text, true, true})
		}
		if isBackward {
			out[i].Backward = out[i].Backward && fine
		} else {
			out[i].Forward = out[i].Forward && fine
		}
	}
	for _, d := range backward.found {
		text := fmt.Sprintf("was %s, is %s", d.Got, d.Want)
		switch d.Reason {
		case NoMember:
			text = "a new required member, which old messages do not have"
		case NotNeeded:
			text = "a new optional member"
		case MaybeAbsent:
			text = "was optional, is required"
		case MaybeNull:
			text = "was nullable, is not"
		case OtherValues:
			text = "has lost " + d.Got
		case Undecided:
			text += neither
		case Unresolved:
			text = d.err.Error()
		}
		add(d, text, true)
	}
	for _, d := range forward.found {
		text := fmt.Sprintf("was %s, is %s", d.Want, d.Got)
		switch d.Reason {
		case NoMember:
			text = "a required member was removed, old readers expect it"
		case NotNeeded:
			text = "an optional member was removed"
		case MaybeAbsent:
			text = "was required, is optional"
		case MaybeNull:
			text = "was not nullable, is now"
		case OtherValues:
			text = "has got " + d.Got + ", which old readers do not know"
		case Undecided:
			text += neither
		case Unresolved:
			text = d.err.Error()
		}
		add(d, text, false)
	}
	return out
}

// values reports what one name has and the other one does not.
func (c *comparison) values(from, to plan.Type, path string) {
	want := c.to.Values[to.Name]
	if to.Kind != plan.TRef || want == nil {
		return
	}
	have := c.from.Values[from.Name]
	if from.Kind != plan.TRef || have == nil {
		c.report(path, MaybeTooWide, "one of "+strings.Join(want, ", "), from.String())
		return
	}
	var more []string
	for _, v := range have {
		if !slices.Contains(want, v) {
			more = append(more, v)
		}
	}
	if more == nil {
		return
	}
	// Two constants tell variants apart, even where only the first difference counts.
	reason := OtherValues
	if !c.text {
		reason = OtherKind
	}
	c.report(path, reason, "one of "+strings.Join(want, ", "), strings.Join(more, ", "))
}

// variants compares where at least one of the two is a union; a type that is none is
// a union of itself. A variant is held against the one of its name, so that its members
// are told and not just that no variant fits.
func (c *comparison) variants(from, to, f, t plan.Type, fk, tk keeps, path string) {
	type variant struct {
		plan.Type
		keeps keeps
	}
	alone := func(one, resolved plan.Type, k keeps, table Table) (out []variant) {
		if resolved.Kind != plan.TUnion {
			one.Nullable = false // that has been told
			return []variant{{one, k}}
		}
		for _, e := range resolved.Elems {
			e, k := named(e, free, table)
			out = append(out, variant{e, k})
		}
		return out
	}
	into := alone(to, t, tk, c.to)
	for _, v := range alone(from, f, fk, c.from) {
		i := -1
		for _, same := range []func(w variant) bool{
			func(w variant) bool { return v.Kind == plan.TRef && w.Kind == plan.TRef && v.Name == w.Name },
			func(w variant) bool { return v.Text() == w.Text() },
			func(w variant) bool { return w.Kind != plan.TAny && c.quietly(v.Type, w.Type) },
			func(w variant) bool { return w.Kind == plan.TAny },
		} {
			if i = slices.IndexFunc(into, same); i >= 0 {
				break
			}
		}
		if i < 0 {
			c.report(path, OtherKind, to.String(), v.String())
			continue
		}
		at := path
		if len(into) > 1 {
			at = path + "(" + v.String() + ")"
		}
		c.hold(v.Type, into[i].Type, v.keeps, into[i].keeps, at)
	}
}
