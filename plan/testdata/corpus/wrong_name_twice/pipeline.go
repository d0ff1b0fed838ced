// Package wrong_name_twice is one wrong pipeline of the corpus: two steps of one name.
package wrong_name_twice

import (
	"github.com/levada-io/levada"
	"github.com/levada-io/levada/plan/testdata/corpus/steps"
)

// Pipeline describes it.
func Pipeline() *levada.Pipeline {
	p := levada.New("wrong")
	p.Source("in", levada.Topic("in")).
		Parse("parse", levada.JSON[steps.Reading]()).
		Filter("hot", steps.IsHot).
		Map("hot", steps.Double).
		Serialize("print", levada.JSON[steps.Reading]()).
		Sink("out", levada.Topic("out"))
	return p
}
