// Package strict is one pipeline of the corpus: what is only just right fails at the parse, and goes to the dead letters.
package strict

import (
	"github.com/levada-io/levada"
	"github.com/levada-io/levada/plan/testdata/corpus/steps"
)

// Pipeline describes it.
func Pipeline() *levada.Pipeline {
	p := levada.New("strict")
	p.Source("in", levada.Topic("in")).
		Parse("parse", levada.JSON[steps.Reading]().Strict()).
		Map("double", steps.Double).
		Serialize("print", levada.JSON[steps.Reading]()).
		Sink("out", levada.Topic("out"))
	return p
}
