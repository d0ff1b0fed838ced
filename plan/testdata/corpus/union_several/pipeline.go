// Package union_several is one pipeline of the corpus: a record that is several types at once.
package union_several

import (
	"github.com/levada-io/levada"
	"github.com/levada-io/levada/plan/testdata/corpus/steps"
)

// Pipeline describes it.
func Pipeline() *levada.Pipeline {
	p := levada.New("union_several")
	p.Source("in", levada.Topic("in")).
		Parse("parse", levada.JSON[steps.Contact]()).
		Map("prefer", steps.Prefer).
		Serialize("print", levada.JSON[steps.Contact]()).
		Sink("out", levada.Topic("out"))
	return p
}
