package planner

import (
	"fmt"
	"reflect"

	"github.com/levada-io/levada/internal/frame"
	"github.com/levada-io/levada/plan"
)

var (
	anyType   = plan.Type{Kind: plan.TAny}
	bytesType = plan.Type{Kind: plan.TBytes}
)

// types finds the payload type of every edge and compares what a step produces with
// what the next one takes.
func types(pl *Planned) (ps Problems) {
	for _, n := range pl.nodes {
		if n.fn == nil {
			continue
		}
		for _, t := range []reflect.Type{n.fn.In.Type(), n.fn.Out.Type()} {
			if n.fn.Seq && t == n.fn.Out.Type() {
				t = n.fn.Elem.Type()
			}
			if _, err := pl.goType(t); err != nil {
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
			} else if miss := pl.fits(n.out, in, "$", 0); miss != "" {
				ps = append(ps, next.problem("type-mismatch", mismatchHint(next),
					"takes %s, but step %q (%s) yields %s: %s", in, n.Name, n.Origin, n.out, miss))
			} else if pl.cat.StrictTypes && n.out.Kind == plan.TAny && in.Kind != plan.TAny {
				ps = append(ps, next.problem("unknown-type", "give the step before it a type, or leave --strict-types out",
					"takes %s, but what step %q (%s) yields is not known", in, n.Name, n.Origin))
			}
			walk(next)
		}
	}
	walk(pl.root)
	return ps
}

func mismatchHint(n *node) string {
	switch {
	case n.Kind == plan.Sink:
		return "a serialize step goes before a sink"
	case n.lang == decode:
		return "a parse step reads raw bytes: it goes right behind the source"
	}
	return ""
}

func (pl *Planned) goType(t reflect.Type) (plan.Type, error) {
	pt, table, err := frame.TypeOf(t)
	if err != nil {
		return plan.Type{}, err
	}
	for k, v := range table {
		pl.types[k] = v
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
		return takes, in, nil
	case plan.Route:
		if n.lang == golang && (seq || !scalar(pl, result)) {
			return problem("a route needs a function that returns a string, an integer or a bool, %s returns %s", short(n.Function.Name), resultName(result, seq))
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

func float(k plan.TypeKind) bool { return k == plan.TFloat32 || k == plan.TFloat64 }

// fits says where and why a produced type can not be what a consumer takes; empty
// where it can. Whatever can only be told by the value (a wide integer into a narrow
// one, any) fits, and is checked when the value comes.
func (pl *Planned) fits(from, to plan.Type, path string, depth int) string {
	// Recursive types compare equal by name long before this.
	if depth > 64 || from.Kind == plan.TAny || to.Kind == plan.TAny {
		return ""
	}
	if from.Kind == plan.TRef && to.Kind == plan.TRef && from.Name == to.Name && (to.Nullable || !from.Nullable) {
		return ""
	}
	f, err := from.Resolve(pl.types)
	if err != nil {
		return fmt.Sprintf("%s: %v", path, err)
	}
	t, err := to.Resolve(pl.types)
	if err != nil {
		return fmt.Sprintf("%s: %v", path, err)
	}
	if f.Nullable && !t.Nullable {
		return fmt.Sprintf("%s: expected %s, got %s", path, to, from)
	}
	switch {
	case t.Kind == plan.TStruct && f.Kind == plan.TStruct:
		have := make(map[string]plan.Field, len(f.Fields))
		for _, m := range f.Fields {
			have[m.Name] = m
		}
		for _, want := range t.Fields {
			m, ok := have[want.Name]
			switch {
			case !ok && (want.Optional || f.Extra):
				continue
			case !ok:
				return fmt.Sprintf("%s.%s: expected %s, got no such member", path, want.Name, want.Type)
			case m.Optional && !want.Optional:
				return fmt.Sprintf("%s.%s: expected a required member, got an optional one", path, want.Name)
			}
			if miss := pl.fits(m.Type, want.Type, path+"."+want.Name, depth+1); miss != "" {
				return miss
			}
		}
		return ""
	case t.Kind == plan.TMap && f.Kind == plan.TStruct:
		for _, m := range f.Fields {
			if miss := pl.fits(m.Type, *t.Elem, path+"."+m.Name, depth+1); miss != "" {
				return miss
			}
		}
		return ""
	case t.Kind == plan.TStruct && f.Kind == plan.TMap:
		return "" // members are seen at run time
	case t.Kind == f.Kind && t.Kind == plan.TList:
		return pl.fits(*f.Elem, *t.Elem, path+"[]", depth+1)
	case t.Kind == f.Kind && t.Kind == plan.TTuple && len(t.Elems) == len(f.Elems):
		for i := range t.Elems {
			if miss := pl.fits(f.Elems[i], t.Elems[i], fmt.Sprintf("%s[%d]", path, i), depth+1); miss != "" {
				return miss
			}
		}
		return ""
	case t.Kind == f.Kind && t.Kind == plan.TMap:
		return pl.fits(*f.Elem, *t.Elem, path+"[key]", depth+1)
	case t.Kind == f.Kind && t.Kind != plan.TTuple, integer(t.Kind) && integer(f.Kind), float(t.Kind) && (float(f.Kind) || integer(f.Kind)):
		return ""
	}
	return fmt.Sprintf("%s: expected %s, got %s", path, to, from)
}
