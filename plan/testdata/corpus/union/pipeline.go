// Package union is one pipeline of the corpus: a record that is one of several types.
package union

import (
	"github.com/levada-io/levada"
	"github.com/levada-io/levada/plan/testdata/corpus/steps"
)

// Pipeline describes it.
func Pipeline() *levada.Pipeline {
	p := levada.New("union")
	p.Source("in", levada.Topic("in")).
		Parse("parse", levada.JSON[steps.Figure]()).
		Map("grow", steps.Grow).
		Serialize("print", levada.JSON[steps.Figure]()).
		Sink("out", levada.Topic("out"))
	return p
}
