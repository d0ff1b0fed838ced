package planner

import (
	"context"
	"reflect"

	"github.com/levada-io/levada/internal/frame"
	"github.com/levada-io/levada/internal/program"
	"github.com/levada-io/levada/plan"
	"github.com/levada-io/levada/record"
)

// A filter and a route pass on what they get. Where their function takes another type than
// that, such as a struct with the one member that it looks at, it gets values of its own
// aside, and the column stays as it was.

// aside says that the function of a step that passes on what it gets can not have it as it
// is, nor anything that could stand for it.
func (pl *Planned) aside(n *node, f form) bool {
	return pl.takes(n) != "" && f != valuesOf(n.fn.In.Type())
}

// ahead are the filters right behind a parse that take some members of the messages only.
// They read these from the bytes, and what they drop is never decoded as a whole.
func (pl *Planned) ahead(n *node) []*node {
	if n.codec != "json" && n.codec != "msgpack" || n.Type == "" || !pl.frames(n) {
		return nil
	}
	full, err := frame.Compile(plan.Type{Kind: plan.TRef, Name: n.Type}, pl.types)
	if err != nil {
		return nil
	}
	var out []*node
	for next := n.next[0]; next.Kind == plan.Filter && next.lang == golang && next.fn != nil; next = next.next[0] {
		some, err := frame.Of(next.fn.In.Type())
		if err != nil || !some.Within(full) {
			break
		}
		out = append(out, next)
	}
	return out
}

// readAhead lowers the filters ahead of a parse, and gives what comes behind them.
func (l *lowering) readAhead(st *program.Stage, n *node) error {
	for _, next := range l.ahead(n) {
		k := next.fn.In
		b, err := n.impl.Bind(k.Type())
		if err != nil {
			return n.problem("bad-type", "", "codec %s: %v", n.codec, err)
		}
		call, _, err := bindGo(next, valuesOf(k.Type()))
		if err != nil {
			return next.problem("bad-function", "", "%v", err)
		}
		st.Ops = append(st.Ops, &asideOp{[]string{n.Name, next.Name}, k.DecodeOp(n.Name, b.Decode), call})
	}
	return nil
}

// reader is the step that reads what a parse makes, and the step before it.
func (pl *Planned) reader(n *node) (next, prev *node) {
	prev = n
	if some := pl.ahead(n); len(some) > 0 {
		prev = some[len(some)-1]
	}
	return prev.next[0], prev
}

// framed makes frames of Python objects, which only Python can look into.
func (l *lowering) framed(st *program.Stage, n *node, f form) (form, error) {
	if f.kind != objects {
		return f, nil
	}
	op, err := l.comeBack(n, program.Form{Kind: program.Dynamic})
	if err == nil {
		st.Ops = append(st.Ops, op)
	}
	return form{kind: frames}, err
}

// beside runs f on other values of the elements of a chunk and gives the chunk its own ones
// back: those of the elements that are left.
func beside(c *record.Chunk, f func() error) error {
	own, trace, failed := c.Col, c.Trace, len(c.Failed)
	local := make([]int32, own.Len())
	for i := range local {
		local[i] = int32(i)
	}
	c.Trace = local
	err := f()
	left := c.Trace
	c.Trace = trace
	if trace != nil {
		for i := failed; i < len(c.Failed); i++ {
			c.Failed[i].Element = int(trace[c.Failed[i].Element])
		}
		c.Trace = make([]int32, len(left))
		for k, i := range left {
			c.Trace[k] = trace[i]
		}
	}
	if c.Col = own; len(left) < len(local) {
		c.Col = own.Select(left)
	}
	return err
}

// asideOp is a filter whose function gets values that first makes.
type asideOp struct {
	steps       []string
	first, call program.Op
}

func (o *asideOp) Steps() []string { return o.steps }

func (o *asideOp) Process(ctx context.Context, c *record.Chunk) error {
	return beside(c, func() error {
		if err := o.first.Process(ctx, c); err != nil {
			return err
		}
		return o.call.Process(ctx, c)
	})
}

// Progress implements program.Watched.
func (o *asideOp) Progress() program.Progress { return o.call.(program.Watched).Progress() }

// asideRouter is a route whose function gets values that first makes.
type asideRouter struct {
	first program.Op
	call  program.Router
}

func (o *asideRouter) Steps() []string { return o.call.Steps() }

func (o *asideRouter) Route(ctx context.Context, c *record.Chunk) (to []int32, err error) {
	err = beside(c, func() error {
		if err := o.first.Process(ctx, c); err != nil {
			return err
		}
		to, err = o.call.Route(ctx, c)
		return err
	})
	return to, err
}

// Progress implements program.Watched.
func (o *asideRouter) Progress() program.Progress {
	if w, ok := o.call.(program.Watched); ok {
		return w.Progress()
	}
	return program.Progress{}
}

// takes is the type of the values of its own that a step gets, "" where it gets none.
func (pl *Planned) takes(n *node) string {
	if n.Kind != plan.Filter && n.Kind != plan.Route || n.lang != golang || n.fn == nil {
		return ""
	}
	t := n.fn.In.Type()
	if t == reflect.TypeFor[[]byte]() || pl.same(n.prev.out, n.in) || pl.names(n.fn.In, n.prev.out) {
		return ""
	}
	if up := n.prev; up.lang == decode && up.Type == "" {
		return "" // what has no type is decoded into that of its reader
	}
	if own, err := n.prev.out.Resolve(pl.types); n.wrapped() && (err != nil || own.Kind != plan.TStruct) {
		return "" // the word in front of it makes its type of what has none
	}
	return t.String()
}
