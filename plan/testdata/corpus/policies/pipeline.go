// Package policies is one pipeline of the corpus: what becomes of failing messages, for
// the pipeline as a whole and for steps of their own mind.
package policies

import (
	"time"

	"github.com/levada-io/levada"
	"github.com/levada-io/levada/plan/testdata/corpus/steps"
)

// Pipeline describes it.
func Pipeline() *levada.Pipeline {
	patient, busy := &steps.Stubborn{Refuse: 2}, &steps.Stubborn{Refuse: 1, Busy: true}
	p := levada.New("policies").OnError(levada.Skip).Retry(2, time.Millisecond)
	p.Source("in", levada.Topic("in")).
		Parse("parse", levada.JSON[steps.Reading]()).
		Map("positive", steps.Positive, levada.OnError(levada.DeadLetter), levada.WithRetry(1, time.Millisecond)).
		Map("patient", patient.Apply, levada.Settings(patient), levada.OnError(levada.Fail)).
		Map("busy", busy.Apply, levada.Settings(busy)).
		Serialize("print", levada.JSON[steps.Reading](), levada.OnError(levada.Fail)).
		Sink("out", levada.Topic("out"), levada.OnError(levada.DeadLetter))
	return p
}
