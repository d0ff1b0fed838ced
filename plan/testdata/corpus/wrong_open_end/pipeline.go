// Package wrong_open_end is one wrong pipeline of the corpus: a branch that leads nowhere.
package wrong_open_end

import (
	"github.com/levada-io/levada"
	"github.com/levada-io/levada/plan/testdata/corpus/steps"
)

// Pipeline describes it.
func Pipeline() *levada.Pipeline {
	p := levada.New("wrong")
	p.Source("in", levada.Topic("in")).
		Parse("parse", levada.JSON[steps.Reading]()).
		Route("by_kind", steps.Kind).
		Case("a", func(s levada.Stream[steps.Reading]) {
			s.Serialize("print", levada.JSON[steps.Reading]()).Sink("out", levada.Topic("out"))
		}).
		Case("b", func(s levada.Stream[steps.Reading]) { s.Filter("hot", steps.IsHot) }).
		Else(func(levada.Stream[steps.Reading]) {})
	return p
}
