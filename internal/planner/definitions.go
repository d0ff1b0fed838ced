package planner

import (
	"fmt"
	"maps"
	"slices"

	"github.com/levada-io/levada/internal/typing"
	"github.com/levada-io/levada/plan"
)

// twofold is one name with two definitions. Whoever took the one for the other would read a
// frame by a layout that it was not written by.
type twofold struct {
	name     string
	diff     typing.Twofold
	one, two string // where the definitions are from
}

func (e *twofold) Error() string {
	return fmt.Sprintf("type %s: expected one definition, got two: %s is %s in %s, and %s in %s",
		short(e.name), e.diff.Path, e.diff.One, e.one, e.diff.Two, e.two)
}

const twofoldHint = "build again what is older, so that both come from one source"

// Offer adds what a manifest offers. A type that is known already, and is another one
// there, is a problem of every plan.
func (c *Catalog) Offer(ms ...*plan.Manifest) {
	if c.Signatures == nil {
		c.Signatures = map[string]plan.FunctionSignature{}
	}
	if c.Types == nil {
		c.Types = map[string]plan.Type{}
	}
	if c.origins == nil {
		c.origins = map[string]string{}
	}
	for _, m := range ms {
		for _, f := range m.Functions {
			c.Signatures[f.Name] = f
		}
		for _, name := range slices.Sorted(maps.Keys(m.Types)) {
			from := origin(m, name)
			known, ok := c.Types[name]
			if !ok {
				c.Types[name], c.origins[name] = m.Types[name], from
			} else if d := typing.Same(known, m.Types[name]); d != nil {
				c.twofold = append(c.twofold, &twofold{name, *d, c.origin(name), from})
			}
		}
	}
}

// origin is where a type of the catalog is from.
func (c *Catalog) origin(name string) string {
	if o, ok := c.origins[name]; ok {
		return o
	}
	return "the manifest"
}

// origin is where a type of a manifest is from, as messages show it: its package, or the
// first of Python's functions that leads to it.
func origin(m *plan.Manifest, name string) string {
	if m.Package != "" {
		return "the manifest of " + m.Package
	}
	for _, f := range m.Functions {
		for _, t := range []plan.Type{f.In, f.Out} {
			if leadsTo(t, name, m.Types, map[string]bool{}) {
				return fmt.Sprintf("what %s (%s) says", short(f.Name), f.Origin)
			}
		}
	}
	return "what the Python functions say"
}

// leadsTo says that a type is the one of that name, or has it somewhere inside.
func leadsTo(t plan.Type, name string, types map[string]plan.Type, seen map[string]bool) bool {
	if t.Kind == plan.TRef {
		if t.Name == name {
			return true
		}
		if seen[t.Name] {
			return false
		}
		seen[t.Name] = true
		return leadsTo(types[t.Name], name, types, seen)
	}
	if t.Elem != nil && leadsTo(*t.Elem, name, types, seen) {
		return true
	}
	return slices.ContainsFunc(t.Elems, func(e plan.Type) bool { return leadsTo(e, name, types, seen) }) ||
		slices.ContainsFunc(t.Fields, func(f plan.Field) bool { return leadsTo(f.Type, name, types, seen) })
}

// define adds a definition to the table of the plan.
func (pl *Planned) define(name string, t plan.Type, from string) *twofold {
	known, ok := pl.types[name]
	if !ok {
		pl.types[name], pl.origins[name] = t, from
		return nil
	}
	d := typing.Same(known, t)
	if d == nil {
		return nil
	}
	one, ok := pl.origins[name]
	if !ok {
		one = pl.cat.origin(name)
	}
	return &twofold{name, *d, one, from}
}

// definitions is the table of types: what manifests tell, and what the plan brings with it.
func (pl *Planned) definitions() (ps Problems) {
	pl.types, pl.origins = maps.Clone(pl.cat.Types), map[string]string{}
	if pl.types == nil {
		pl.types = map[string]plan.Type{}
	}
	for _, e := range pl.cat.twofold {
		ps = append(ps, plan.Problem{Code: "two-definitions", Text: e.Error(), Hint: twofoldHint})
	}
	for _, name := range slices.Sorted(maps.Keys(pl.plan.Types)) {
		if e := pl.define(name, pl.plan.Types[name], "the plan"); e != nil {
			p := plan.Problem{Code: "two-definitions", Text: e.Error(), Hint: twofoldHint}
			for _, s := range pl.plan.Steps {
				// The step that brought it into the plan is where the author can look.
				if s.Type != "" && (s.Type == name || leadsTo(pl.plan.Types[s.Type], name, pl.plan.Types, map[string]bool{})) {
					p.Step, p.Origin = s.Name, s.Origin
					break
				}
			}
			ps = append(ps, p)
		}
	}
	return ps
}
