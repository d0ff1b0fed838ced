// Package wrong_iterator is one wrong pipeline of the corpus: a map by a function that returns an iterator.
package wrong_iterator

import (
	"iter"

	"github.com/levada-io/levada"
	"github.com/levada-io/levada/plan/testdata/corpus/steps"
)

// Pipeline describes it.
func Pipeline() *levada.Pipeline {
	p := levada.New("wrong")
	p.Source("in", levada.Topic("in")).
		Parse("parse", levada.JSON[steps.Reading]()).
		Map("letters", steps.Letters).
		Serialize("print", levada.JSON[iter.Seq[steps.Tag]]()).
		Sink("out", levada.Topic("out"))
	return p
}
