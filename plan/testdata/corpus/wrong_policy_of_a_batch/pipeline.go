// Package wrong_policy_of_a_batch is one wrong pipeline of the corpus: policies where
// nothing can fail.
package wrong_policy_of_a_batch

import (
	"github.com/levada-io/levada"
	"github.com/levada-io/levada/plan/testdata/corpus/steps"
)

// Pipeline describes it.
func Pipeline() *levada.Pipeline {
	p := levada.New("wrong")
	p.Source("in", levada.Topic("in")).
		Parse("parse", levada.JSON[steps.Reading]()).
		Batch("gather", levada.Limit{Count: 2}, levada.OnError(levada.Skip)).
		Broadcast("both", levada.OnError(levada.Fail), levada.WithRetry(1, 0)).
		Branch("sum", func(s levada.Stream[[]steps.Reading]) {
			s.Map("sum", steps.Sum).
				Serialize("print", levada.JSON[steps.Total]()).
				Sink("out", levada.Topic("out"))
		})
	return p
}
