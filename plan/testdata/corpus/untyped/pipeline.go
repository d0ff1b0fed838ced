// Package untyped is one pipeline of the corpus: a parse that declares nothing, into a function that takes any object.
package untyped

import (
	"github.com/levada-io/levada"
	"github.com/levada-io/levada/plan/testdata/corpus/steps"
)

// Pipeline describes it.
func Pipeline() *levada.Pipeline {
	p := levada.New("untyped")
	p.Source("in", levada.Topic("in")).
		Parse("parse", levada.JSON[map[string]any]()).
		Map("names", steps.Names).
		Serialize("print", levada.JSON[int]()).
		Sink("out", levada.Topic("out"))
	return p
}
