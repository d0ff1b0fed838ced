package planner

import (
	"reflect"

	"github.com/levada-io/levada/internal/program"
	"github.com/levada-io/levada/internal/typing"
	"github.com/levada-io/levada/plan"
)

// streams compares what a pipeline reads and writes with the schemas of its streams: a
// parse with the one of the source, a serialize with the one of each sink behind it.
func streams(pl *Planned) (ps Problems) {
	for _, n := range pl.nodes {
		switch {
		case n.lang == decode && maker(n.prev) == pl.root:
			s, ok := pl.cat.Streams[pl.root.Stream]
			if !ok || s.Type.Kind == "" || n.codec == "raw" {
				continue
			}
			// Whoever resolves has a default for what the stream's schema does not have.
			if c, ok := n.impl.(interface{ Resolves() bool }); ok && c.Resolves() {
				continue
			}
			if s.Fits != nil && n.codec != "" {
				judged, err := s.Fits(n.codec, pl.linked(n.out), false)
				if err != nil {
					ps = append(ps, n.problem("schema-mismatch", "",
						"reads %s, which is not what the schema of %q (%s) says: %v", n.out, pl.root.Stream, s.Origin, err))
				}
				if judged {
					continue
				}
			}
			if miss := typing.FitsBytes(s.Type, n.out, s.Table, typing.Table{Types: pl.types}); miss != nil {
				ps = append(ps, n.problem("schema-mismatch", "generate the type anew (levada schema gen), or read a part that the schema has",
					"reads %s, which the schema of %q (%s) does not promise: %s", n.out, pl.root.Stream, s.Origin, miss))
			}
		case n.Kind == plan.Sink:
			s, ok := pl.cat.Streams[n.Stream]
			e := maker(n.prev)
			if !ok || s.Type.Kind == "" || e.lang != encode || e.codec == "raw" {
				continue
			}
			if s.Fits != nil && e.codec != "" {
				judged, err := s.Fits(e.codec, pl.linked(e.in), true)
				if err != nil {
					ps = append(ps, e.problem("schema-mismatch", "",
						"writes %s, which is not what the schema of %q (%s) says: %v", e.in, n.Stream, s.Origin, err))
				}
				if judged {
					continue
				}
			}
			if miss := typing.FitsBytes(e.in, s.Type, typing.Table{Types: pl.types}, s.Table); miss != nil {
				ps = append(ps, e.problem("schema-mismatch", "",
					"writes %s, which is not what the schema of %q (%s) says: %s", e.in, n.Stream, s.Origin, miss))
			}
		}
	}
	return ps
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
