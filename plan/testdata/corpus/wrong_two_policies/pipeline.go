// Package wrong_two_policies is one wrong pipeline of the corpus: policies that
// contradict each other.
package wrong_two_policies

import (
	"github.com/levada-io/levada"
	"github.com/levada-io/levada/plan/testdata/corpus/steps"
)

// Pipeline describes it.
func Pipeline() *levada.Pipeline {
	p := levada.New("wrong").OnError(levada.Fail).OnError(levada.DeadLetter)
	p.Source("in", levada.Topic("in")).
		Parse("parse", levada.JSON[steps.Reading]()).
		Filter("hot", steps.IsHot, levada.OnError(levada.Skip), levada.OnError(levada.Fail)).
		Serialize("print", levada.JSON[steps.Reading]()).
		Sink("out", levada.Topic("out"))
	return p
}
