// Package go_steps is one pipeline of the corpus: a filter and a map in Go.
package go_steps

import (
	"github.com/levada-io/levada"
	"github.com/levada-io/levada/plan/testdata/corpus/steps"
)

// Pipeline describes it.
func Pipeline() *levada.Pipeline {
	p := levada.New("go_steps")
	p.Source("in", levada.Topic("in")).
		Parse("parse", levada.JSON[steps.Reading]()).
		Filter("hot", steps.IsHot).
		Map("to_hot", steps.ToHot).
		Serialize("print", levada.JSON[steps.Hot]()).
		Sink("out", levada.Topic("out"))
	return p
}
