// Package wrong_std_type is one pipeline of the corpus: encoding/json/v2 is told to read and write a type that says more than it knows.
package wrong_std_type

import (
	"github.com/levada-io/levada"
	"github.com/levada-io/levada/plan/testdata/corpus/steps"
)

// Pipeline describes it.
func Pipeline() *levada.Pipeline {
	p := levada.New("wrong")
	p.Source("in", levada.Topic("in")).
		Parse("parse", levada.JSON[steps.Everything]().Std()).
		Map("touch", steps.Touch).
		Serialize("print", levada.JSON[steps.Everything]().Std()).
		Sink("out", levada.Topic("out"))
	return p
}
