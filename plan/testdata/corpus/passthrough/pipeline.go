// Package passthrough is one pipeline of the corpus: records go through as they are.
package passthrough

import (
	"github.com/levada-io/levada"
)

// Pipeline describes it.
func Pipeline() *levada.Pipeline {
	p := levada.New("passthrough")
	p.Source("in", levada.Topic("in")).Sink("out", levada.Topic("out"))
	return p
}
