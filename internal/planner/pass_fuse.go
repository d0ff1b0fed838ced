package planner

import "github.com/levada-io/levada/plan"

// fuse numbers the runs of neighbouring Python steps: each is one crossing per chunk.
// Neighbouring Go steps need no mark, they run over one column anyway.
func fuse(pl *Planned) Problems {
	runs := 0
	var walk func(n *node, run int)
	walk = func(n *node, run int) {
		switch {
		case n.lang != python:
			run = 0
		case n.Kind == plan.Route:
			// A route gives back branches, not payloads: a crossing of its own.
			runs++
			n.crossing, run = runs, 0
		case n.policy.Times > 0:
			// What is called again are messages as they came to the step, which a run keeps
			// of its first step only; and nothing behind it has been called for them yet.
			runs++
			n.crossing, run = runs, 0
		case n.wrapped():
			// Its message has bytes where those of the others have the value.
			runs++
			n.crossing, run = runs, 0
		default:
			if run == 0 {
				runs++
				run = runs
			}
			n.crossing = run
		}
		for _, next := range n.next {
			walk(next, run)
		}
	}
	walk(pl.root, 0)
	return nil
}

// wrapped says that payloads come to a Python step in another way than by frames.
func (n *node) wrapped() bool {
	return n.word != "" && n.word != plan.CrossFrame && n.word != plan.CrossRaw
}
