// Package wrong_retry is one wrong pipeline of the corpus: a retry where nothing can
// come out differently.
package wrong_retry

import (
	"time"

	"github.com/levada-io/levada"
	"github.com/levada-io/levada/plan/testdata/corpus/steps"
)

// Pipeline describes it.
func Pipeline() *levada.Pipeline {
	p := levada.New("wrong")
	p.Source("in", levada.Topic("in")).
		Parse("parse", levada.JSON[steps.Reading](), levada.WithRetry(3, time.Second)).
		Filter("hot", steps.IsHot).
		Serialize("print", levada.JSON[steps.Reading]()).
		Sink("out", levada.Topic("out"), levada.WithRetry(3, time.Second))
	return p
}
