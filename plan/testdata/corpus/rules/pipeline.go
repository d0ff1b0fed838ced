// Package rules is one pipeline of the corpus: what breaks a rule fails where it is read, or where it is written, and goes to the dead letters.
package rules

import (
	"github.com/levada-io/levada"
	"github.com/levada-io/levada/plan/testdata/corpus/steps"
)

// Pipeline describes it.
func Pipeline() *levada.Pipeline {
	p := levada.New("rules")
	p.Source("in", levada.Topic("in")).
		Parse("parse", levada.JSON[steps.Order]()).
		Map("take_one", steps.TakeOne).
		Serialize("print", levada.JSON[steps.Order]()).
		Sink("out", levada.Topic("out"))
	return p
}
