package planner

import (
	"reflect"
	"strings"

	"github.com/levada-io/levada/codec/prefix"
	"github.com/levada-io/levada/internal/program"
	"github.com/levada-io/levada/plan"
)

// valued is a codec that knows Go values only (has no Wire), and says what makes it so and
// what its user can do about it.
type valued interface {
	GoOnly() (why, instead string)
}

// goValues finds steps whose codecs know Go values only, and that have none. Schemas come before
// it: they say what the type is to be.
func goValues(pl *Planned) (ps Problems) {
	if !pl.allLinked() {
		return nil // Program looks again
	}
	for _, n := range pl.nodes {
		if bad := pl.needsGo(n); bad != nil {
			ps = append(ps, *bad)
		}
	}
	return ps
}

// needsGo checks a step whose codec knows Go values only: there must be a Go type for them,
// and one that the codec knows.
func (pl *Planned) needsGo(n *node) *plan.Problem {
	if n.impl == nil || n.lang != decode && n.lang != encode || pl.frames(n) {
		return nil
	}
	var k program.Kit
	if n.lang == encode {
		k = pl.written(n)
	} else {
		k = pl.target(n)
	}
	if k == nil {
		p := pl.noGo(n)
		return &p
	}
	if _, err := n.impl.Bind(k.Type()); err != nil {
		p := n.problem("bad-type", "", "codec %s: %v", n.codec, err)
		return &p
	}
	return nil
}

func (pl *Planned) noGo(n *node) plan.Problem {
	bare := n.impl
	if b, ok := bare.(prefix.Bare); ok {
		bare = b.Bare()
	}
	const only = "reads and writes Go values only, expected"
	v, ok := bare.(valued)
	if !ok {
		return n.problem("codec-needs-go", "the type of the parse, or of what comes to the serialize, must be one that a Go step of this program takes or returns; or take another codec",
			"codec %s "+only+" a step with a Go type beside it, got none", n.codec)
	}
	why, instead := v.GoOnly()
	return n.problem("codec-needs-go", "name a type that a Go step of this program takes or returns, or "+instead,
		"codec %s: %s "+only+" a Go type for %s, got none", n.codec, why, sideOf(n).values)
}

// written is the kit of the Go values that come to a serialize whose codec knows no others,
// or that can be made of what comes; nil: there is none.
func (pl *Planned) written(n *node) program.Kit {
	if t := pl.valuesTo(n); t != nil {
		if k := pl.kitOf(t); k != nil {
			return k
		}
	}
	return pl.kitFor(n.in)
}

// valuesTo is the Go type of the values that come to a step; nil: what comes are none.
func (pl *Planned) valuesTo(n *node) reflect.Type {
	switch from := n.prev; {
	case from.Kind == plan.Batch:
		if t := pl.valuesTo(from); t != nil {
			return reflect.SliceOf(t)
		}
		return nil
	case from.Kind == plan.Filter || from.Kind == plan.Route || from.Kind == plan.Broadcast:
		if from.lang == golang && from.fn != nil && pl.takes(from) == "" {
			return from.fn.In.Type()
		}
		return pl.valuesTo(from)
	case from.lang == golang && from.fn != nil && from.Kind == plan.FlatMap:
		return from.fn.Elem.Type()
	case from.lang == golang && from.fn != nil:
		return from.fn.Out.Type()
	case from.lang == decode:
		if k := pl.target(from); k != nil {
			return k.Type()
		}
	}
	return nil
}

// allLinked says that all Go functions that are offered are here. Where they are not, what
// is missing may have the type that is looked for.
func (pl *Planned) allLinked() bool {
	for name := range pl.cat.Signatures {
		if _, ok := pl.cat.Functions[name]; !ok && strings.HasPrefix(name, "go:") {
			return false
		}
	}
	return true
}
