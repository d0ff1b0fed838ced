// Package wrong_crossing_word is one wrong pipeline of the corpus: a word that there is not.
package wrong_crossing_word

import (
	"github.com/levada-io/levada"
	"github.com/levada-io/levada/plan/testdata/corpus/steps"
)

// Pipeline describes it.
func Pipeline() *levada.Pipeline {
	p := levada.New("wrong")
	p.Source("in", levada.Topic("in")).
		Parse("parse", levada.JSON[steps.Reading]()).
		Filter("hot", steps.IsHot, levada.Crossing("jsn")).
		Serialize("print", levada.JSON[steps.Reading]()).
		Sink("out", levada.Topic("out"))
	return p
}
