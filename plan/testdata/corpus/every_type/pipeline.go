// Package every_type is one pipeline of the corpus: a member of every type that crosses the border.
package every_type

import (
	"github.com/levada-io/levada"
	"github.com/levada-io/levada/plan/testdata/corpus/steps"
)

// Pipeline describes it.
func Pipeline() *levada.Pipeline {
	p := levada.New("every_type")
	p.Source("in", levada.Topic("in")).
		Parse("parse", levada.JSON[steps.Everything]()).
		Map("touch", steps.Touch).
		Serialize("print", levada.JSON[steps.Everything]()).
		Sink("out", levada.Topic("out"))
	return p
}
