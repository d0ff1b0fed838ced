// Package policies_default is one pipeline of the corpus: nothing is said about failing
// messages, and the deployment has a stream for dead letters.
package policies_default

import (
	"github.com/levada-io/levada"
	"github.com/levada-io/levada/plan/testdata/corpus/steps"
)

// Pipeline describes it.
func Pipeline() *levada.Pipeline {
	p := levada.New("policies_default")
	p.Source("in", levada.Topic("in")).
		Parse("parse", levada.JSON[steps.Reading]()).
		Map("positive", steps.Positive).
		Filter("hot", steps.IsHot).
		Serialize("print", levada.JSON[steps.Reading]()).
		Sink("out", levada.Topic("out"))
	return p
}
