package planner

import (
	"reflect"
	"strings"

	jsoncodec "github.com/levada-io/levada/codec/json"
	"github.com/levada-io/levada/codec/prefix"
	"github.com/levada-io/levada/plan"
)

// std checks a step that leaves its values to encoding/json/v2: there must be a Go type for
// them, and json/v2 must know all that the type says. Lowering would say it too, but only
// where all is linked, and step by step.
func (pl *Planned) std(n *node) *plan.Problem {
	impl := n.impl
	if b, ok := impl.(prefix.Bare); ok {
		impl = b.Bare()
	}
	c, ok := impl.(*jsoncodec.Std)
	if !ok {
		return nil
	}
	var t reflect.Type
	if n.lang == encode {
		t = pl.written(n)
	} else if k := pl.target(n); k != nil {
		t = k.Type()
	}
	if t == nil {
		if !pl.allLinked() {
			return nil // the type may be in what is missing
		}
		p := n.problem("codec-needs-go", "name a type that a Go step of this program takes or returns, or leave std out",
			"codec %s: std: encoding/json/v2 reads and writes Go values only, expected a Go type for %s, got none", n.codec, besideOf(n))
		return &p
	}
	if _, err := c.Bind(t); err != nil {
		p := n.problem("bad-type", "", "codec %s: %v", n.codec, err)
		return &p
	}
	return nil
}

func besideOf(n *node) plan.Type {
	if n.lang == encode {
		return n.in
	}
	return n.out
}

// written is the Go type of the values that a serialize gets; nil: there is none.
func (pl *Planned) written(n *node) reflect.Type {
	from := n.prev
	for from.Kind == plan.Filter || from.Kind == plan.Route || from.Kind == plan.Broadcast {
		from = from.prev
	}
	switch {
	case from.lang == golang && from.fn != nil && from.Kind == plan.FlatMap:
		return from.fn.Elem.Type()
	case from.lang == golang && from.fn != nil:
		return from.fn.Out.Type()
	case from.lang == decode:
		if k := pl.target(from); k != nil {
			return k.Type()
		}
	}
	if k := pl.kitFor(n.in); k != nil {
		return k.Type()
	}
	return nil
}

// allLinked says that all Go functions that are offered are here.
func (pl *Planned) allLinked() bool {
	for name := range pl.cat.Signatures {
		if _, ok := pl.cat.Functions[name]; !ok && strings.HasPrefix(name, "go:") {
			return false
		}
	}
	return true
}
