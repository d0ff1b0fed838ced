package levada

import (
	"fmt"
	"maps"
	"reflect"
	"slices"

	"github.com/levada-io/levada/internal/frame"
	"github.com/levada-io/levada/internal/planner"
	"github.com/levada-io/levada/plan"
)

// Plan is the plan of the pipeline.
//
// # Errors
//
// Everything that is wrong with the pipeline and can be seen without the other
// functions of the process, each with the line of its step.
func (p *Pipeline) Plan() (*plan.Plan, error) {
	out := &plan.Plan{Version: plan.Version, Name: p.name, Retry: p.retry, Types: map[string]plan.Type{}}
	problems := p.problems
	if len(p.policies) > 0 {
		out.OnError = string(p.policies[0])
	}
	if text := contradiction(p.policies); text != "" {
		problems = append(slices.Clone(problems), plan.Problem{Code: "bad-policy", Text: fmt.Sprintf("pipeline %q: %s", p.name, text)})
	}
	var walk func(*node)
	walk = func(n *node) {
		s := n.Step
		if n.typ != nil {
			name, err := declare(n.typ, out.Types)
			if err != nil {
				problems = append(problems, plan.Problem{Code: "bad-type", Step: s.Name, Origin: s.Origin, Text: err.Error()})
			}
			s.Type = name
		}
		out.Steps = append(out.Steps, s)
		// The branches stand in the order in which the author named them; what he put
		// behind a branch later all the same comes there.
		if len(n.Branches) == 0 {
			for _, next := range n.next {
				walk(next)
			}
			return
		}
		for _, b := range n.Branches {
			for _, next := range n.next {
				if next.Branch == b.Name {
					walk(next)
				}
			}
		}
	}
	for _, r := range p.roots {
		walk(r)
	}
	if len(out.Types) == 0 {
		out.Types = nil
	}
	out.Requires = plan.Requires(out)
	if len(problems) == 0 {
		problems = plan.Validate(out)
	}
	if len(problems) > 0 {
		return nil, planner.Problems(problems)
	}
	return out, nil
}

// declare puts a type, with those it refers to, into the table and returns its name
// there; empty for any. Only structs have names of their own: the name of another type
// is its text, which is the same in every language.
func declare(t reflect.Type, types map[string]plan.Type) (string, error) {
	pt, table, err := frame.TypeOf(t)
	if err != nil {
		return "", err
	}
	maps.Copy(types, table)
	switch {
	case pt.Kind == plan.TAny:
		return "", nil
	case pt.Kind == plan.TRef && !pt.Nullable:
		return pt.Name, nil
	}
	name := pt.Text()
	types[name] = pt
	return name, nil
}
