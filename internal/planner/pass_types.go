package planner

import (
	"errors"
	"fmt"
	"maps"
	"reflect"
	"slices"

	"github.com/levada-io/levada/internal/frame"
	"github.com/levada-io/levada/internal/typing"
	"github.com/levada-io/levada/plan"
)

var (
	anyType   = plan.Type{Kind: plan.TAny}
	bytesType = plan.Type{Kind: plan.TBytes}
)

// types finds the payload type of every edge and compares what a step produces with
// what the next one takes.
func types(pl *Planned) (ps Problems) {
	told := map[string]bool{}
	for _, n := range pl.nodes {
		if n.fn == nil {
			continue
		}
		for _, t := range []reflect.Type{n.fn.In.Type(), n.fn.Out.Type()} {
			if n.fn.Seq && t == n.fn.Out.Type() {
				t = n.fn.Elem.Type()
			}
			_, err := pl.goType(t)
			if e, ok := errors.AsType[*twofold](err); ok {
				if told[e.name] {
					continue
				}
				told[e.name] = true
				ps = append(ps, n.problem("two-definitions", twofoldHint, "%s: %v", short(n.Function.Name), e))
			} else if err != nil {
				ps = append(ps, n.problem("bad-type", "", "%s: %v", short(n.Function.Name), err))
			}
		}
	}
	if len(ps) > 0 {
		return ps
	}
	pl.root.out = bytesType
	var walk func(*node)
	walk = func(n *node) {
		for _, next := range n.next {
			in, out, bad := pl.signature(next, n.out)
			next.in, next.out = in, out
			if bad != nil {
				ps = append(ps, *bad)
			} else if bad = pl.carried(next, n.out, in); bad != nil {
				ps = append(ps, *bad)
			} else if next.asBytes() {
				// What the types say of the two sides is not what crosses.
			} else if miss := fits(maker(n), next)(n.out, in, pl.types); miss != nil {
				ps = append(ps, next.problem("type-mismatch", pl.mismatchHint(n, next, miss),
					"takes %s, but step %q (%s) yields %s: %s", in, n.Name, n.Origin, n.out, miss))
			} else if pl.cat.StrictTypes {
				if miss := typing.Unknown(n.out, in, pl.types); miss != nil {
					from := maker(n)
					ps = append(ps, next.problem("unknown-type", annotate(from),
						"takes %s, but what step %q (%s) yields is not known: %s", in, from.Name, from.Origin, miss))
				}
			}
			if bad == nil {
				if bad = pl.schemed(sideOf(next)); bad != nil {
					ps = append(ps, *bad)
				}
			}
			walk(next)
		}
	}
	walk(pl.root)
	return ps
}

// fits is how two neighbours are compared. What comes from Python is written by the
// layout of who takes it; between two steps in Go a decoder stands, which is stricter.
func fits(from, n *node) func(from, to plan.Type, types map[string]plan.Type) *typing.Difference {
	if from.lang == golang && n.lang == golang {
		return typing.FitsGo
	}
	return typing.Fits
}

// mismatchHint is what to do about a difference, where there is one thing to do.
func (pl *Planned) mismatchHint(from, n *node, miss *typing.Difference) string {
	switch {
	case n.Kind == plan.Sink:
		return "a serialize step goes before a sink"
	case n.lang == decode:
		return "a parse step reads raw bytes: it goes right behind the source"
	case from.lang == encode:
		return fmt.Sprintf("the serialize step %q goes behind it, right before the sink", from.Name)
	case miss.Reason == typing.MaybeAbsent:
		return fmt.Sprintf("make the member optional in %s, or fill it in a step between", n.in)
	case miss.Reason == typing.MaybeNull:
		return fmt.Sprintf("take %s or null there, or drop the nulls in a step between", miss.Want)
	case miss.Path != "$":
		return ""
	}
	out, err := from.out.Resolve(pl.types)
	if err != nil {
		return ""
	}
	in, err := n.in.Resolve(pl.types)
	switch {
	case err != nil:
		return ""
	case out.Kind == plan.TBytes && in.Kind != plan.TBytes:
		return "a parse step goes before it"
	case from.Kind == plan.Batch:
		return fmt.Sprintf("a batch yields lists: take %s", from.out)
	case out.Kind == plan.TList && typing.Fits(*out.Elem, n.in, pl.types) == nil:
		return fmt.Sprintf("a flat_map at step %q takes the list apart", from.Name)
	case in.Kind == plan.TList && typing.Fits(from.out, *in.Elem, pl.types) == nil:
		return "a batch step before it makes lists"
	}
	return ""
}

// maker is the step whose result comes out of a step: filters, routes, batches and
// broadcasts pass on what they get.
func maker(n *node) *node {
	for n.Kind != plan.Map && n.Kind != plan.FlatMap && n.prev != nil {
		n = n.prev
	}
	return n
}

// annotate says what the author writes so that the type of what a step yields is known.
func annotate(n *node) string {
	switch {
	case n.lang == decode:
		return fmt.Sprintf("give the parse step %q the type of its messages, or leave --strict-types out", n.Name)
	case n.lang == python || n.lang == golang:
		return fmt.Sprintf("annotate what %s returns, or leave --strict-types out", short(n.Function.Name))
	}
	return "give the step before it a type, or leave --strict-types out"
}

func (pl *Planned) goType(t reflect.Type) (plan.Type, error) {
	pt, table, err := frame.TypeOf(t)
	if err != nil {
		return plan.Type{}, err
	}
	for _, name := range slices.Sorted(maps.Keys(table)) {
		if e := pl.define(name, table[name], "the Go code of this program"); e != nil {
			return plan.Type{}, e
		}
	}
	return pt, nil
}

// signature is what a step takes and yields, given what comes in.
func (pl *Planned) signature(n *node, in plan.Type) (takes, yields plan.Type, bad *plan.Problem) {
	problem := func(format string, args ...any) (plan.Type, plan.Type, *plan.Problem) {
		p := n.problem("type-mismatch", "", format, args...)
		return anyType, anyType, &p
	}
	switch n.Kind {
	case plan.Sink:
		return bytesType, bytesType, nil
	case plan.Broadcast:
		return in, in, nil
	case plan.Batch:
		return in, plan.Type{Kind: plan.TList, Elem: &in}, nil
	}
	switch n.lang {
	case decode:
		switch {
		case n.codec == "raw":
			return bytesType, bytesType, nil
		case n.Type == "":
			return bytesType, anyType, nil
		}
		if _, ok := pl.types[n.Type]; !ok {
			return problem("type %q: not in the plan's table of types", n.Type)
		}
		return bytesType, plan.Type{Kind: plan.TRef, Name: n.Type}, nil
	case encode:
		if n.codec == "raw" {
			return bytesType, bytesType, nil
		}
		return in, bytesType, nil
	}
	takes, result, list := anyType, anyType, (*plan.Type)(nil)
	switch {
	case n.fn != nil:
		// Types were found right above.
		takes, _ = pl.goType(n.fn.In.Type())
		if n.fn.Elem != nil {
			e, _ := pl.goType(n.fn.Elem.Type())
			list = &e
		}
		if !n.fn.Seq {
			result, _ = pl.goType(n.fn.Out.Type())
		}
	case n.sig != nil:
		takes, result = n.sig.In, n.sig.Out
		if n.sig.Seq {
			list = &result
		} else if r, err := result.Resolve(pl.types); err == nil && r.Kind == plan.TList {
			list = r.Elem
		}
	}
	seq := n.fn != nil && n.fn.Seq || n.sig != nil && n.sig.Seq
	switch n.Kind {
	case plan.Filter:
		if n.lang == golang && (seq || result.Kind != plan.TBool) {
			return problem("a filter needs a function that returns bool, %s returns %s", short(n.Function.Name), resultName(result, seq))
		}
		if n.lang == python && n.sig != nil {
			if bad := pl.keeps(n); bad != nil {
				return anyType, anyType, bad
			}
		}
		return takes, in, nil
	case plan.Route:
		if n.lang == golang && (seq || !scalar(pl, result)) {
			return problem("a route needs a function that returns a string, an integer or a bool, %s returns %s", short(n.Function.Name), resultName(result, seq))
		}
		if n.lang == python && n.sig != nil {
			if bad := pl.leads(n); bad != nil {
				return anyType, anyType, bad
			}
		}
		return takes, in, nil
	case plan.FlatMap:
		if list != nil {
			return takes, *list, nil
		}
		if result.Kind == plan.TAny {
			return takes, anyType, nil
		}
		return problem("a flat map needs a function that returns a list, %s returns %s", short(n.Function.Name), result)
	}
	if seq {
		return problem("%s returns an iterator, which only a flat map can use", short(n.Function.Name))
	}
	return takes, result, nil
}

func resultName(t plan.Type, seq bool) string {
	if seq {
		return "an iterator"
	}
	return t.String()
}

func scalar(pl *Planned, t plan.Type) bool {
	r, err := t.Resolve(pl.types)
	return err == nil && !r.Nullable && (r.Kind == plan.TString || r.Kind == plan.TBool || integer(r.Kind))
}

func integer(k plan.TypeKind) bool {
	switch k {
	case plan.TInt8, plan.TInt16, plan.TInt32, plan.TInt64, plan.TUint8, plan.TUint16, plan.TUint32, plan.TUint64:
		return true
	}
	return false
}
