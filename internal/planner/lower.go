package planner

import (
	"fmt"
	"reflect"
	"slices"
	"time"

	"github.com/levada-io/levada/internal/program"
	"github.com/levada-io/levada/plan"
)

// Program lowers the plan into what the engine runs.
//
// # Errors
//
// A step that this process can not run, because its function is in a language that
// the process does not have.
func (pl *Planned) Program() (*program.Program, error) {
	out := &program.Program{
		Name:    pl.plan.Name,
		Source:  endpoint(pl.root),
		Origins: map[string]string{},

		Policies: pl.policies(),
	}
	sinks := map[string]int{}
	for _, n := range pl.nodes {
		out.Origins[n.Name] = n.Origin.String()
		switch {
		case n.Kind == plan.Sink:
			sinks[n.Name] = len(out.Sinks)
			out.Sinks = append(out.Sinks, endpoint(n))
		case n.lang == golang && n.fn == nil:
			return nil, n.problem("not-linked", "run it from the wheel or the binary that holds the function",
				"function %q is not linked into this program", short(n.Function.Name))
		case n.lang == python && pl.cat.Python == nil:
			return nil, n.problem("no-python", "run it with a Python that has the levada package",
				"function %q is in Python, and this program has none", short(n.Function.Name))
		}
		// Planning has looked, if all was linked that may have a type.
		if bad := pl.needsGo(n); bad != nil {
			return nil, *bad
		}
		out.Threads = out.Threads || n.lang == python
	}
	out.NewStage = func(lane int) (*program.Stage, error) {
		l := &lowering{Planned: pl, sinks: sinks}
		return l.stage(pl.root.next[0], form{kind: raw})
	}
	// A first stage tells mistakes before any connection.
	if _, err := out.NewStage(0); err != nil {
		return nil, err
	}
	return out, nil
}

func endpoint(n *node) program.Endpoint {
	return program.Endpoint{Step: n.Name, Stream: n.Stream, Connector: n.Connector}
}

// form is the representation that the column has at a place of the program.
type form struct {
	kind formKind
	typ  reflect.Type // of the values
}

type formKind int

const (
	raw     formKind = iota // record.Bytes
	values                  // Go values of typ
	frames                  // frames
	objects                 // Python objects
)

type lowering struct {
	*Planned
	sinks map[string]int
}

// stage lowers the steps from n to the next exit.
func (l *lowering) stage(n *node, f form) (*program.Stage, error) {
	st := &program.Stage{}
	add := func(op program.Op, err error) error {
		if err == nil {
			st.Ops = append(st.Ops, op)
		}
		return err
	}
	for {
		if n.lang == python && n.Kind != plan.Route {
			next, err := l.run(st, &n, f)
			if err != nil {
				return nil, err
			}
			f = next
			continue
		}
		switch n.Kind {
		case plan.Sink:
			st.Sink = &program.SinkExit{Step: n.Name, Index: l.sinks[n.Name]}
			if f.kind != raw {
				if err := add(l.convert(n, f, form{kind: raw})); err != nil {
					return nil, err
				}
			}
			return st, nil
		case plan.Batch:
			next, err := l.stage(n.next[0], f.list())
			if err != nil {
				return nil, err
			}
			dump, err := l.dump(n)
			st.Batch = &program.BatchExit{Step: n.Name, Next: next, Dump: dump, Limit: program.Limit{
				Count: n.Limit.Count, Bytes: n.Limit.Bytes, Age: time.Duration(n.Limit.AgeMS) * time.Millisecond,
			}}
			return st, err
		case plan.Broadcast:
			bs, err := l.branches(n, f)
			st.Broadcast = &program.BroadcastExit{Step: n.Name, Branches: bs}
			return st, err
		case plan.Route:
			return st, l.route(st, n, f)
		}
		switch n.lang {
		case decode:
			if err := l.readAhead(st, n); err != nil {
				return nil, err
			}
			next, op, err := l.decode(n)
			if err != nil {
				return nil, err
			}
			if op != nil {
				st.Ops = append(st.Ops, op)
			}
			f = next
			_, n = l.reader(n)
		case encode:
			op, err := l.encode(n, f)
			if err != nil {
				return nil, err
			}
			if op != nil {
				st.Ops = append(st.Ops, op)
			}
			f = form{kind: raw}
		case golang:
			want := valuesOf(n.fn.In.Type())
			aside := l.aside(n, f)
			if aside {
				var err error
				if f, err = l.framed(st, n, f); err != nil {
					return nil, err
				}
			}
			var first program.Op
			if f != want {
				var err error
				if first, err = l.convert(n, f, want); err != nil {
					return nil, err
				}
			}
			op, out, err := bindGo(n, want)
			if err != nil {
				return nil, n.problem("bad-function", "", "%v", err)
			}
			switch {
			case aside:
				st.Ops = append(st.Ops, &asideOp{[]string{n.Name}, first, op})
			case first != nil:
				st.Ops = append(st.Ops, first, op)
				f = out
			default:
				st.Ops = append(st.Ops, op)
				f = out
			}
		default:
			return nil, fmt.Errorf("BUG: step %q: kind %s has no lowering", n.Name, n.Kind)
		}
		n = n.next[0]
	}
}

// buries says that a step behind n has dead letters.
func buries(n *node) bool {
	return slices.ContainsFunc(n.next, func(n *node) bool { return n.policy.OnError == program.DeadLetter || buries(n) })
}

// dump is what makes dead letters of what fails behind a batch; nil where nothing has any.
func (l *lowering) dump(n *node) (program.Op, error) {
	if !buries(n) {
		return nil, nil
	}
	d := &dumpOp{print: printOp{step: n.Name, wires: wires{codec: l.dumped(n)}}}
	if l.cat.Python == nil {
		return d, nil
	}
	var err error
	d.python, err = l.cat.Python.Run([]program.Call{{Step: n.Name}}, program.Form{Kind: program.Dynamic})
	return d, err
}

func valuesOf(t reflect.Type) form {
	if t == reflect.TypeFor[[]byte]() {
		return form{kind: raw}
	}
	return form{values, t}
}

// list is the form after a batch.
func (f form) list() form {
	switch f.kind {
	case raw:
		return form{values, reflect.TypeFor[[][]byte]()}
	case values:
		return form{values, reflect.SliceOf(f.typ)}
	}
	return f
}

func bindGo(n *node, in form) (program.Op, form, error) {
	b, err := n.fn.Bind(n.Function.Settings)
	if err != nil {
		return nil, in, err
	}
	switch n.Kind {
	case plan.Filter:
		op, err := b.Filter(n.Name)
		return op, in, err
	case plan.FlatMap:
		op, err := b.FlatMap(n.Name)
		if err != nil {
			return nil, in, err
		}
		return op, valuesOf(n.fn.Elem.Type()), nil
	}
	return b.Map(n.Name), valuesOf(n.fn.Out.Type()), nil
}

// run lowers a run of Python steps and moves n behind it. Its form is what the step
// behind it needs, so that results are converted once.
func (l *lowering) run(st *program.Stage, n **node, in form) (form, error) {
	var calls []program.Call
	changes := false
	first, run := *n, (*n).crossing
	for ; (*n).crossing == run; *n = (*n).next[0] {
		kind := program.CallMap
		switch (*n).Kind {
		case plan.Filter:
			kind = program.CallFilter
		case plan.FlatMap:
			kind = program.CallFlatMap
		}
		changes = changes || kind != program.CallFilter
		calls = append(calls, program.Call{Step: (*n).Name, Kind: kind, Function: (*n).Function.Name})
	}
	if first.wrapped() {
		in, err := l.into(first, in)
		if err != nil {
			return form{}, err
		}
		calls[0].In = in
	}
	behind := *n
	out, pf := in, program.Form{Kind: program.Objects}
	if changes {
		out = form{kind: objects}
		switch {
		case l.aside(behind, form{kind: objects}):
			// It passes on all that the Python steps made.
			out, pf = form{kind: frames}, program.Form{Kind: program.Dynamic}
		case behind.lang == golang:
			out = valuesOf(behind.fn.In.Type())
			pf = program.Form{Kind: program.GoValues, Kit: behind.fn.In}
			if out.kind == raw {
				pf = program.Form{Kind: program.Raw}
			}
		case behind.lang == encode && behind.codec != "raw":
			out, pf = form{kind: frames}, program.Form{Kind: program.Dynamic}
			if k := l.kitFor(behind.in); k != nil && !l.frames(behind) {
				out, pf = valuesOf(k.Type()), program.Form{Kind: program.GoValues, Kit: k}
			}
		case behind.Kind == plan.Sink, behind.lang == encode, behind.lang == decode:
			out, pf = form{kind: raw}, program.Form{Kind: program.Raw}
		}
	}
	if changes && behind.wrapped() && behind.lang != python {
		if calls[len(calls)-1].Kind == program.CallFilter {
			// It passes on what the function before it left; the conversion comes behind it.
			out, pf = form{kind: objects}, program.Form{Kind: program.Objects}
		} else if err := l.outOf(behind, &pf); err != nil {
			return form{}, err
		}
	}
	op, err := l.cat.Python.Run(calls, pf)
	if err != nil {
		return in, first.problem("bad-function", "", "%v", err)
	}
	st.Ops = append(st.Ops, op)
	return out, nil
}

func (l *lowering) branches(n *node, f form) ([]*program.Stage, error) {
	out := make([]*program.Stage, len(n.next))
	for i, b := range n.next {
		st, err := l.stage(b, f)
		if err != nil {
			return nil, err
		}
		out[i] = st
	}
	return out, nil
}

func (l *lowering) route(st *program.Stage, n *node, f form) error {
	cases, otherwise := make([][]byte, len(n.Branches)), -1
	for i, b := range n.Branches {
		if b.Otherwise {
			otherwise = i
		} else {
			cases[i] = b.Key
		}
	}
	var r program.Router
	var err error
	if n.lang == python {
		call := program.Call{Step: n.Name, Function: n.Function.Name}
		if n.wrapped() {
			if call.In, err = l.into(n, f); err != nil {
				return err
			}
		}
		r, err = l.cat.Python.Router(call, cases, otherwise)
	} else {
		want := valuesOf(n.fn.In.Type())
		aside := l.aside(n, f)
		if aside {
			if f, err = l.framed(st, n, f); err != nil {
				return err
			}
		}
		var first program.Op
		if f != want {
			if first, err = l.convert(n, f, want); err != nil {
				return err
			}
		}
		var b program.Bound
		if b, err = n.fn.Bind(n.Function.Settings); err == nil {
			r, err = b.Router(n.Name, cases, otherwise)
		}
		switch {
		case aside:
			r = &asideRouter{first, r}
		case first != nil:
			st.Ops = append(st.Ops, first)
			f = want
		}
	}
	if err != nil {
		return n.problem("bad-route", "", "%v", err)
	}
	bs, err := l.branches(n, f)
	st.Route = &program.RouteExit{Step: n.Name, Router: r, Branches: bs}
	return err
}
