// Package avro_union is one pipeline of the corpus: a record that is one of several types through Avro, whose branches stand in another order.
package avro_union

import (
	_ "embed"

	"github.com/levada-io/levada"
	"github.com/levada-io/levada/plan/testdata/corpus/steps"
)

//go:embed figure.avsc
var figure string

// Pipeline describes it.
func Pipeline() *levada.Pipeline {
	p := levada.New("avro_union")
	p.Source("in", levada.Topic("in")).
		Parse("parse", levada.JSON[steps.Figure]()).
		Serialize("pack", levada.Avro[steps.Figure](figure)).
		Parse("unpack", levada.Avro[steps.Figure](figure)).
		Map("grow", steps.Grow).
		Serialize("print", levada.JSON[steps.Figure]()).
		Sink("out", levada.Topic("out"))
	return p
}
