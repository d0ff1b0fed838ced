package typing

import (
	"fmt"

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

// Compare says what became of a type. Each of the two has a table of its own: a name
// may mean another type in the newer one.
func Compare(before, after plan.Type, old, now map[string]plan.Type) Changes {
	backward := comparison{from: old, to: now, text: true, seen: map[[2]string]bool{}}
	backward.walk(before, after, "$")
	forward := comparison{from: now, to: old, text: true, seen: map[[2]string]bool{}}
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
		case Unresolved:
			text = d.err.Error()
		}
		add(d, text, false)
	}
	return out
}
