// Package strict_not is one pipeline of the corpus: what is only just right passes: a byte that is no UTF-8, and one name twice.
package strict_not

import (
	"github.com/levada-io/levada"
	"github.com/levada-io/levada/plan/testdata/corpus/steps"
)

// Pipeline describes it.
func Pipeline() *levada.Pipeline {
	p := levada.New("strict_not")
	p.Source("in", levada.Topic("in")).
		Parse("parse", levada.JSON[steps.Reading]()).
		Map("double", steps.Double).
		Serialize("print", levada.JSON[steps.Reading]()).
		Sink("out", levada.Topic("out"))
	return p
}
