package planner

import (
	"fmt"
	"reflect"

	"github.com/levada-io/levada/codec"
	"github.com/levada-io/levada/internal/program"
	"github.com/levada-io/levada/internal/typing"
	"github.com/levada-io/levada/plan"
)

// cross finds the places where payloads cross between Go and Python, and by which word.
// A value is where the function left it that made it: filters, routes, batches and
// broadcasts pass it on, and only one in the other language makes it cross.
func cross(pl *Planned) (ps Problems) {
	used := map[*node]bool{}
	var walk func(n, from *node, objects bool)
	walk = func(n, from *node, objects bool) {
		for _, next := range n.next {
			from, objects := from, objects
			into := next.lang == python
			if next.lang != native || next.Kind == plan.Sink {
				if into != objects {
					if p := next.agree(from); p != nil {
						ps = append(ps, *p)
					}
					used[next], used[from] = true, true
				}
				if !into || next.Kind == plan.Map || next.Kind == plan.FlatMap {
					from, objects = next, into
				}
			}
			walk(next, from, objects)
		}
	}
	walk(pl.root, pl.root, false)
	for _, n := range pl.nodes {
		if n.Crossing != "" && n.Crossing != plan.CrossFrame && !used[n] {
			stay, other := "Go", "Python"
			if n.lang == python {
				stay, other = other, stay
			}
			ps = append(ps, n.problem("bad-crossing", fmt.Sprintf("leave crossing out, or put the word at a step with one in %s beside it", other),
				"crossing is %q, and its payloads do not cross: what comes and goes stays in %s", n.Crossing, stay))
		}
	}
	return ps
}

// agree gives the border in front of n the word of either side.
func (n *node) agree(from *node) *plan.Problem {
	n.word, n.giver = n.Crossing, from
	switch {
	case n.word == "":
		n.word = from.Crossing
	case from.Crossing != "" && from.Crossing != n.Crossing:
		p := n.problem("bad-crossing", "one word is enough, at either step",
			"crossing is %q, but step %q (%s), whose payloads cross to it, says %q", n.Crossing, from.Name, from.Origin, from.Crossing)
		return &p
	}
	if n.word == "" {
		n.word = plan.CrossFrame
	}
	return nil
}

// asBytes says that Python has bytes at the border, whatever the value is in Go.
func (n *node) asBytes() bool {
	switch n.word {
	case plan.CrossRaw, plan.CrossProtobuf, plan.CrossCustom:
		return true
	}
	return false
}

// carried checks that the word in front of n fits the types on both sides: outs is what
// comes, in what n takes.
func (pl *Planned) carried(n *node, outs, in plan.Type) *plan.Problem {
	problem := func(hint, format string, args ...any) *plan.Problem {
		p := n.problem("bad-crossing", hint, "crossing is %q: "+format, append([]any{n.word}, args...)...)
		return &p
	}
	if n.word == "" || n.word == plan.CrossFrame {
		return nil
	}
	from := n.giver
	inGo, inPython := outs, in
	if n.lang != python {
		inGo, inPython = in, outs
	}
	hint := fmt.Sprintf("crossing %s hands the value itself over", plan.CrossFrame)
	if n.asBytes() {
		if miss := typing.Fits(bytesType, inPython, pl.types); n.lang == python && miss != nil {
			return problem("annotate the payload as bytes, or leave it out", "it gets bytes, expected a function that takes them, got one that takes %s", inPython)
		}
		if miss := typing.Fits(inPython, bytesType, pl.types); n.lang != python && miss != nil {
			return problem("", "expected step %q (%s) to return bytes, got %s", from.Name, from.Origin, inPython)
		}
		if n.lang == encode && n.codec != "raw" && n.codec != n.word {
			return problem("codec raw passes them on", "what comes back are bytes, expected a step in Go or a sink behind it, got a serialize of %s", n.codec)
		}
	}
	switch n.word {
	case plan.CrossRaw:
		if n.lang == encode {
			return nil
		}
		if miss := typing.Fits(inGo, bytesType, pl.types); miss != nil {
			if n.lang == python {
				return problem(hint, "expected payloads that are bytes, step %q (%s) yields %s", from.Name, from.Origin, inGo)
			}
			return problem(hint, "expected payloads that are bytes, takes %s", inGo)
		}
	case plan.CrossProtobuf, plan.CrossCustom:
		if n.lang == encode || n.Kind == plan.Sink {
			return nil
		}
		t := pl.reflected(n)
		if t == nil {
			if n.fn == nil && n.lang == golang || from.fn == nil && from.lang == golang {
				return nil // its code is not here: only its types are known
			}
			return problem(hint, "expected payloads of a type in Go, got %s without one", inGo)
		}
		c, err := pl.carrier(n.word)
		if err == nil {
			_, err = c.Bind(t)
		}
		if err != nil {
			return problem(hint, "%v", err)
		}
	}
	return nil
}

// reflected is the Go type on the Go side of the border in front of n; nil where there is
// none or it is not known.
func (pl *Planned) reflected(n *node) reflect.Type {
	f, in := n.giver, false
	if n.lang != python {
		f, in = n, true
	}
	var k program.Kit
	switch {
	case f.lang == decode && !in:
		k = pl.target(f)
	case f.fn == nil:
	case in || f.Kind == plan.Filter || f.Kind == plan.Route:
		k = f.fn.In
	case f.Kind == plan.FlatMap:
		k = f.fn.Elem
	default:
		k = f.fn.Out
	}
	if k == nil {
		return nil
	}
	// What a batch between the two makes of it.
	t := k.Type()
	for m := n.prev; n.lang == python && m != f; m = m.prev {
		if m.Kind == plan.Batch {
			t = reflect.SliceOf(t)
		}
	}
	return t
}

// carrier is the codec of a word.
func (pl *Planned) carrier(word string) (codec.Codec, error) {
	if word == plan.CrossCustom {
		return custom{}, nil
	}
	c, ok := pl.cat.Codecs[word]
	if !ok {
		return nil, fmt.Errorf("expected the codec %s in this program, got none", word)
	}
	return c, nil
}
