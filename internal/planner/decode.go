package planner

import (
	"fmt"
	"maps"
	"reflect"
	"slices"

	jsoncodec "github.com/levada-io/levada/codec/json"
	"github.com/levada-io/levada/codec/prefix"
	"github.com/levada-io/levada/internal/frame"
	"github.com/levada-io/levada/internal/program"
	"github.com/levada-io/levada/plan"
)

// target is the Go type that a parse decodes into; nil: a frame. What reads the result
// first decides: a Go step gets its struct, a Python step a frame.
func (pl *Planned) target(n *node) program.Kit {
	next, _ := pl.reader(n)
	if !pl.frames(n) {
		if next.fn != nil && (n.Type == "" || pl.names(next.fn.In, n.out)) {
			return next.fn.In
		}
		return pl.kitFor(n.out)
	}
	if next.lang == python {
		return nil
	}
	if k, ok := pl.kits[n.Type]; ok {
		return k
	}
	if next.fn != nil && (n.Type == "" || pl.same(plan.Type{Kind: plan.TRef, Name: n.Type}, next.in)) {
		return next.fn.In
	}
	return nil
}

// frames says that the codec of a step can do without a Go type.
func (pl *Planned) frames(n *node) bool {
	_, ok := n.impl.(framing)
	return ok
}

// names says that t is the type of a kit, or what its pointers lead to.
func (pl *Planned) names(k program.Kit, t plan.Type) bool {
	own, _, err := frame.TypeOf(k.Type())
	if err != nil || own.Kind == plan.TRef || own.Kind == plan.TAny {
		// Whatever is any, one Go type does not stand for the other.
		return err == nil && own.Kind == plan.TRef && t.Kind == plan.TRef && pl.behind(own) == pl.behind(t)
	}
	named, err := t.Resolve(pl.types) // the name of any other type is its text
	return err == nil && reflect.DeepEqual(own, named)
}

// behind is the name of a struct, by whichever names of the table it is reached.
func (pl *Planned) behind(t plan.Type) string {
	if named, ok := pl.types[t.Name]; ok && named.Kind == plan.TRef {
		return named.Name
	}
	return t.Name
}

// kitFor is the kit of a Go type that a codec needs which knows Go types only; nil where
// none is known. Pointers come first: generated structs are used by them.
func (pl *Planned) kitFor(t plan.Type) program.Kit {
	all := slices.Clone(pl.cat.Kits)
	for _, name := range slices.Sorted(maps.Keys(pl.cat.Functions)) {
		f := pl.cat.Functions[name]
		all = append(all, f.In, f.Out, f.Elem)
	}
	var found program.Kit
	for _, k := range all {
		if k == nil || !pl.names(k, t) {
			continue
		}
		if k.Type().Kind() == reflect.Pointer {
			return k
		}
		if found == nil {
			found = k
		}
	}
	return found
}

// same says that two types have the same members in the same order, so that one can
// stand for the other without a loss.
func (pl *Planned) same(a, b plan.Type) bool {
	la, err := frame.Compile(a, pl.types)
	if err != nil {
		return false
	}
	lb, err := frame.Compile(b, pl.types)
	return err == nil && la.Equal(lb)
}

func (pl *Planned) decodesInto(n *node) string {
	if k := pl.target(n); k != nil {
		return k.Type().String()
	}
	return "a frame"
}

// decode lowers a parse.
func (l *lowering) decode(n *node) (form, program.Op, error) {
	if n.codec == "raw" {
		return form{kind: raw}, nil, nil
	}
	if k := l.target(n); k != nil {
		b, err := n.impl.Bind(k.Type())
		if err != nil {
			return form{}, nil, n.problem("bad-type", "", "codec %s: %v", n.codec, err)
		}
		return valuesOf(k.Type()), k.DecodeOp(n.Name, b.Decode), nil
	}
	layout, err := frame.Compile(n.out, l.types)
	if err != nil {
		return form{}, nil, n.problem("bad-type", "", "%v", err)
	}
	c, err := l.framing(n)
	if err != nil {
		return form{}, nil, err
	}
	wire, err := c.Wire(layout)
	if err != nil {
		return form{}, nil, n.problem("bad-type", "", "codec %s: %v", n.codec, err)
	}
	return form{kind: frames}, &parseOp{n.Name, wire}, nil
}

// framing is the codec of a step with a frame on its side.
func (l *lowering) framing(n *node) (framing, error) {
	c, ok := n.impl.(framing)
	if !ok {
		return nil, fmt.Errorf("BUG: step %q: codec %s knows Go values only, and the plan was taken without any", n.Name, n.codec)
	}
	return c, nil
}

// encode lowers a serialize.
func (l *lowering) encode(n *node, f form) (program.Op, error) {
	if n.codec == "raw" {
		if f.kind == raw {
			return nil, nil
		}
		return l.convert(n, f, form{kind: raw})
	}
	if k := l.kitOf(f.typ); f.kind == values && k != nil {
		return l.encodeOp(n, k)
	}
	if k := l.kitFor(n.in); k != nil && !l.frames(n) {
		// What Python made of the type is made of it again, by the kit that run chose.
		to, err := l.convert(n, f, form{values, k.Type()})
		if err != nil {
			return nil, err
		}
		op, err := l.encodeOp(n, k)
		return &pair{to, op}, err
	}
	c, err := l.framing(n)
	if err != nil {
		return nil, err
	}
	print := &printOp{step: n.Name, result: l.result(n), wires: wires{codec: c}}
	if f.kind == objects {
		op, err := l.comeBack(n, program.Form{Kind: program.Dynamic})
		return &pair{op, print}, err
	}
	return print, nil
}

func (l *lowering) encodeOp(n *node, k program.Kit) (program.Op, error) {
	b, err := n.impl.Bind(k.Type())
	if err != nil {
		return nil, n.problem("bad-type", "", "codec %s: %v", n.codec, err)
	}
	return k.EncodeOp(n.Name, b.Append), nil
}

// result is what the Python step that made what n serializes has to return; nil where it
// was no Python step, or one that does not say.
func (l *lowering) result(n *node) *result {
	by := map[string]*node{}
	for _, m := range l.nodes {
		by[m.Name] = m
	}
	from := by[n.Input]
	// A Go step in between reads the result, and checks all of it.
	for from != nil && from.lang != golang && (from.Kind == plan.Filter || from.Kind == plan.Route || from.Kind == plan.Broadcast) {
		from = by[from.Input]
	}
	if from == nil || from.lang != python {
		return nil
	}
	t, err := from.out.Resolve(l.types)
	if err != nil {
		return nil
	}
	fits, ok := tags[t.Kind]
	if !ok {
		return nil
	}
	r := &result{step: from.Name, want: fits[0], tags: fits[1], nullable: t.Nullable}
	if layout, err := frame.Compile(from.out, l.types); err == nil { // else the step says more than frames have
		r.rules = layout.AnyRules()
	}
	return r
}

// dumped is the codec of what stands for n's messages in a dead letter where they have no
// bytes of their own: that of the parse they came through, so that who reads the one can
// read the other; JSON where there is none, or where it has a schema.
func (l *lowering) dumped(n *node) framing {
	by := map[string]*node{}
	for _, m := range l.nodes {
		by[m.Name] = m
	}
	for m := by[n.Input]; m != nil; m = by[m.Input] {
		c, ok := m.impl.(framing)
		if !ok || m.lang != decode {
			continue
		}
		// A value that several messages became has no schema in a registry, and is none of
		// those that a schema describes.
		if _, ok := m.impl.(schemed); ok {
			break
		}
		if b, ok := m.impl.(prefix.Bare); ok {
			if bare, ok := b.Bare().(framing); ok {
				return bare
			}
		}
		return c
	}
	return jsoncodec.New()
}

// kitOf finds the kit of a Go type among those that functions and codecs brought.
func (pl *Planned) kitOf(t reflect.Type) program.Kit {
	if t == nil {
		return nil
	}
	if k, ok := pl.kits[canonical(t)]; ok && k.Type() == t {
		return k
	}
	for _, k := range pl.cat.Kits {
		if k.Type() == t {
			return k
		}
	}
	for _, f := range pl.cat.Functions {
		for _, k := range []program.Kit{f.In, f.Out, f.Elem} {
			if k != nil && k.Type() == t {
				return k
			}
		}
	}
	return nil
}

// convert changes the representation of a column where no step does.
func (l *lowering) convert(n *node, from, to form) (program.Op, error) {
	if from.kind == objects {
		pf := program.Form{Kind: program.Raw}
		if to.kind == values {
			pf = program.Form{Kind: program.GoValues, Kit: l.kitOf(to.typ)}
		}
		return l.comeBack(n, pf)
	}
	k := l.kitOf(to.typ)
	if to.kind == raw {
		k = program.KitOf[[]byte]()
	}
	return &valuesOp{step: n.Name, kit: k}, nil
}
