package planner

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/levada-io/levada/codec"
	"github.com/levada-io/levada/internal/program"
	"github.com/levada-io/levada/plan"
)

// resolve builds the graph and finds what every name leads to.
func resolve(pl *Planned) (ps Problems) {
	pl.kits = map[string]program.Kit{}
	kit := func(k program.Kit) {
		if k != nil && canonical(k.Type()) != "" {
			pl.kits[canonical(k.Type())] = k
		}
	}
	for _, k := range pl.cat.Kits {
		kit(k)
	}
	for _, f := range pl.cat.Functions {
		kit(f.In)
		kit(f.Out)
		kit(f.Elem)
	}
	ps = append(ps, pl.definitions()...)

	byName := map[string]*node{}
	for i := range pl.plan.Steps {
		n := &node{Step: &pl.plan.Steps[i]}
		byName[n.Name] = n
		pl.nodes = append(pl.nodes, n)
		if n.Kind == plan.Source {
			pl.root = n
			continue
		}
		up := byName[n.Input]
		n.prev = up
		if len(up.Branches) == 0 {
			up.next = []*node{n}
			continue
		}
		if up.next == nil {
			up.next = make([]*node, len(up.Branches))
		}
		for k, b := range up.Branches {
			if b.Name == n.Branch {
				up.next[k] = n
			}
		}
	}
	for _, n := range pl.nodes {
		if n.Function != nil {
			ps = append(ps, pl.resolveFunction(n)...)
		}
	}
	return ps
}

func (pl *Planned) resolveFunction(n *node) Problems {
	name := n.Function.Name
	scheme, rest, _ := strings.Cut(name, ":")
	switch scheme {
	case "builtin":
		c, verb, _ := strings.Cut(rest, ".")
		if _, ok := pl.cat.Codecs[c]; !ok && c != "raw" {
			known := append(slices.Collect(maps.Keys(pl.cat.Codecs)), "raw")
			slices.Sort(known)
			return Problems{n.problem("unknown-codec", "", "expected a codec of %s, got %q", strings.Join(known, ", "), c)}
		}
		n.codec, n.impl = c, pl.cat.Codecs[c]
		switch verb {
		case "decode":
			n.lang = decode
		case "encode":
			n.lang = encode
		default:
			return Problems{n.problem("unknown-function", "", "expected %s.decode or %s.encode, got %q", c, c, name)}
		}
		return n.adjust()
	case "go":
		n.lang = golang
	case "py":
		n.lang = python
	default:
		return Problems{n.problem("unknown-function", "", "expected a name that begins with go:, py: or builtin:, got %q", name)}
	}
	if f, ok := pl.cat.Functions[name]; ok {
		n.fn = f
		if _, err := f.Bind(n.Function.Settings); err != nil {
			return Problems{n.problem("bad-settings", "", "settings of %s: %v", rest, err)}
		}
	}
	if s, ok := pl.cat.Signatures[name]; ok {
		n.sig = &s
	}
	if n.fn == nil && n.sig == nil {
		hint := ""
		if near := nearest(name, pl.offered()); near != "" {
			hint = fmt.Sprintf("did you mean %q?", short(near))
		}
		return Problems{n.problem("unknown-function", hint, "function %q: not offered by this program", rest)}
	}
	return nil
}

// adjust gives the codec of a step its settings.
func (n *node) adjust() Problems {
	if n.Function.Settings == nil {
		return nil
	}
	c, ok := n.impl.(codec.Adjustable)
	if !ok {
		return Problems{n.problem("bad-settings", "", "the codec %s has no settings", n.codec)}
	}
	impl, err := c.With(n.Function.Settings)
	if err != nil {
		return Problems{n.problem("bad-settings", "", "codec %s: %v", n.codec, err)}
	}
	n.impl = impl
	return nil
}

func (pl *Planned) offered() []string {
	names := slices.Collect(maps.Keys(pl.cat.Functions))
	for k := range pl.cat.Signatures {
		if _, ok := pl.cat.Functions[k]; !ok {
			names = append(names, k)
		}
	}
	slices.Sort(names)
	return names
}

// short is a canonical name without its scheme.
func short(name string) string {
	_, rest, _ := strings.Cut(name, ":")
	return rest
}

// nearest is the candidate that differs least from name, if the difference looks like
// a slip: a third of the last part at most.
func nearest(name string, candidates []string) string {
	last := name[strings.LastIndexAny(name, ".:")+1:]
	best, found := len(last)/3+1, ""
	for _, c := range candidates {
		if d := distance(last, c[strings.LastIndexAny(c, ".:")+1:]); d <= best && (found == "" || d < best) {
			best, found = d, c
		}
	}
	return found
}

// distance is the number of single edits between two words.
func distance(a, b string) int {
	row := make([]int, len(b)+1)
	for j := range row {
		row[j] = j
	}
	for i := range len(a) {
		prev := row[0]
		row[0] = i + 1
		for j := range len(b) {
			cost := prev
			if a[i] != b[j] {
				cost = 1 + min(prev, row[j], row[j+1])
			}
			prev, row[j+1] = row[j+1], cost
		}
	}
	return row[len(b)]
}
