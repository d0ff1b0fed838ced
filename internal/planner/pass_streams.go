package planner

import (
	"fmt"
	"maps"
	"reflect"

	"github.com/levada-io/levada/internal/program"
	"github.com/levada-io/levada/internal/typing"
	"github.com/levada-io/levada/plan"
)

// streams compares what a pipeline reads and writes with the schemas of its streams: a
// parse with the one of the source, a serialize with the one of each sink behind it.
func streams(pl *Planned) (ps Problems) {
	for _, n := range pl.nodes {
		var bad *plan.Problem
		switch {
		case n.lang == decode && maker(n.prev) == pl.root:
			// Whoever resolves has a default for what the stream's schema does not have.
			if c, ok := n.impl.(interface{ Resolves() bool }); !ok || !c.Resolves() {
				bad = pl.described(sideOf(n), pl.root.Stream)
			}
		case n.Kind == plan.Sink && maker(n.prev).lang == encode:
			bad = pl.described(sideOf(maker(n.prev)), n.Stream)
		}
		if bad != nil {
			ps = append(ps, *bad)
		}
	}
	return ps
}

// side is the one that a parse or a serialize has of its messages; what a schema says of them
// is the other.
type side struct {
	step   *node
	verb   string
	values plan.Type
	writes bool
}

func sideOf(n *node) side {
	if n.lang == encode {
		return side{n, "writes", n.in, true}
	}
	return side{n, "reads", n.out, false}
}

// facing puts a step's own and the schema's in the order of who writes and who reads.
func facing[T any](s side, own, schema T) (writer, reader T) {
	if s.writes {
		return own, schema
	}
	return schema, own
}

// mismatch says that a side is not what somebody else says.
func (s side) mismatch(says string, why any) *plan.Problem {
	p := s.step.problem("schema-mismatch", "", "%s %s, which is not what %s says: %v", s.verb, s.values, says, why)
	return &p
}

// described compares a side with the schema of a stream, by the schema's own judge where it
// has one.
func (pl *Planned) described(s side, stream string) *plan.Problem {
	known, ok := pl.cat.Streams[stream]
	if !ok || known.Type.Kind == "" || s.step.codec == "raw" {
		return nil
	}
	says := fmt.Sprintf("the schema of %q (%s)", stream, known.Origin)
	if known.Fits != nil && s.step.codec != "" {
		judged, err := known.Fits(s.step.codec, s.step.impl, pl.linked(s.values), s.writes)
		switch {
		case err != nil:
			return s.mismatch(says, err)
		case judged:
			return nil
		}
	}
	from, to := facing(s, s.values, known.Type)
	writer, reader := facing(s, typing.Table{Types: pl.types}, known.Table)
	miss := typing.FitsBytes(from, to, writer, reader)
	switch {
	case miss == nil:
		return nil
	case s.writes:
		return s.mismatch(says, miss)
	}
	p := s.step.problem("schema-mismatch", "generate the type anew (levada schema gen), or read a part that the schema has",
		"reads %s, which %s does not promise: %s", s.values, says, miss)
	return &p
}

// schemed is a codec whose messages have a schema.
type schemed interface {
	// Type is what is read by it, Writable what may be written, beside the type t.
	Type(t plan.Type, types map[string]plan.Type) (plan.Type, map[string]plan.Type, error)
	Writable(t plan.Type, types map[string]plan.Type) (plan.Type, map[string]plan.Type, error)
}

// schemed compares a side with the schema that its codec has.
func (pl *Planned) schemed(s side) *plan.Problem {
	c, ok := s.step.impl.(schemed)
	if !ok {
		return nil
	}
	of := c.Type
	if s.writes {
		of = c.Writable
	}
	t, types, err := of(s.values, pl.types)
	if err != nil {
		p := s.step.problem("schema-mismatch", "", "codec %s: %v", s.step.codec, err)
		return &p
	}
	all := maps.Clone(pl.types)
	maps.Copy(all, types)
	from, to := facing(s, s.values, t)
	if miss := typing.Fits(from, to, all); miss != nil {
		return s.mismatch("its schema", miss)
	}
	if !s.writes {
		return nil
	}
	if path := typing.Lost(s.values, t, pl.types, types); path != "" {
		p := s.step.problem("schema-mismatch", "", "writes %s, and its schema has no field for %s", s.values, path)
		return &p
	}
	return nil
}

// linked is the Go type that payloads of a type have, or that is behind their pointers; nil
// where it is not linked into the process.
func (pl *Planned) linked(t plan.Type) reflect.Type {
	if t.Kind != plan.TRef {
		return nil
	}
	named := func(k program.Kit) reflect.Type {
		if k == nil {
			return nil
		}
		g := k.Type()
		if g.Kind() == reflect.Pointer {
			g = g.Elem()
		}
		if canonical(g) != t.Name {
			return nil
		}
		return g
	}
	for _, k := range pl.cat.Kits {
		if g := named(k); g != nil {
			return g
		}
	}
	for _, f := range pl.cat.Functions {
		for _, k := range []program.Kit{f.In, f.Out, f.Elem} {
			if g := named(k); g != nil {
				return g
			}
		}
	}
	return nil
}
