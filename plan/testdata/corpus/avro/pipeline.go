// Package avro is one pipeline of the corpus: what a Go step yields goes through Avro, whose fields are in another order.
package avro

import (
	_ "embed"

	"github.com/levada-io/levada"
	"github.com/levada-io/levada/plan/testdata/corpus/steps"
)

//go:embed hot.avsc
var hot string

// Pipeline describes it.
func Pipeline() *levada.Pipeline {
	p := levada.New("avro")
	p.Source("in", levada.Topic("in")).
		Parse("parse", levada.JSON[steps.Reading]()).
		Map("to_hot", steps.ToHot).
		Serialize("pack", levada.Avro[steps.Hot](hot)).
		Parse("unpack", levada.Avro[steps.Hot](hot)).
		Serialize("print", levada.JSON[steps.Hot]()).
		Sink("out", levada.Topic("out"))
	return p
}
