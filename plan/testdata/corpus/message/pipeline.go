// Package message is one pipeline of the corpus: a Go step sets key and header, another one reads them.
package message

import (
	"github.com/levada-io/levada"
	"github.com/levada-io/levada/plan/testdata/corpus/steps"
)

// Pipeline describes it.
func Pipeline() *levada.Pipeline {
	p := levada.New("message")
	p.Source("in", levada.Topic("in")).
		Parse("parse", levada.JSON[steps.Reading]()).
		MapMessage("key", steps.KeyByKind).
		Map("describe", steps.Describe).
		Serialize("print", levada.JSON[steps.Meta]()).
		Sink("out", levada.Topic("out"))
	return p
}
