// Package wrong_no_dead_letters is one wrong pipeline of the corpus: its dead letters
// have nowhere to go in the deployment beside it.
package wrong_no_dead_letters

import (
	"github.com/levada-io/levada"
	"github.com/levada-io/levada/plan/testdata/corpus/steps"
)

// Pipeline describes it.
func Pipeline() *levada.Pipeline {
	p := levada.New("wrong").OnError(levada.DeadLetter)
	p.Source("in", levada.Topic("in")).
		Parse("parse", levada.JSON[steps.Reading]()).
		Filter("hot", steps.IsHot, levada.OnError(levada.DeadLetter)).
		Serialize("print", levada.JSON[steps.Reading]()).
		Sink("out", levada.Topic("out"))
	return p
}
