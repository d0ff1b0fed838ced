// Package list_payload is one pipeline of the corpus: a record that is a list.
package list_payload

import (
	"github.com/levada-io/levada"
	"github.com/levada-io/levada/plan/testdata/corpus/steps"
)

// Pipeline describes it.
func Pipeline() *levada.Pipeline {
	p := levada.New("list_payload")
	p.Source("in", levada.Topic("in")).
		Parse("parse", levada.JSON[[]steps.Reading]()).
		Map("sum", steps.SumAll).
		Serialize("print", levada.JSON[steps.Total]()).
		Sink("out", levada.Topic("out"))
	return p
}
