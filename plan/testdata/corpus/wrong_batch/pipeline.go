// Package wrong_batch is one wrong pipeline of the corpus: a batch without a limit.
package wrong_batch

import (
	"github.com/levada-io/levada"
	"github.com/levada-io/levada/plan/testdata/corpus/steps"
)

// Pipeline describes it.
func Pipeline() *levada.Pipeline {
	p := levada.New("wrong")
	p.Source("in", levada.Topic("in")).
		Parse("parse", levada.JSON[steps.Reading]()).
		Batch("gather", levada.Limit{}).
		Serialize("print", levada.JSON[[]steps.Reading]()).
		Sink("out", levada.Topic("out"))
	return p
}
