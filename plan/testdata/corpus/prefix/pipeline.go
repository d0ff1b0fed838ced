// Package prefix is one pipeline of the corpus: messages behind the number of their schema, or its fingerprint; Avro is read by a newer schema than it was written by.
package prefix

import (
	_ "embed"

	"github.com/levada-io/levada"
	"github.com/levada-io/levada/plan/testdata/corpus/steps"
)

var (
	//go:embed older.avsc
	older string
	//go:embed newer.avsc
	newer string
)

// Pipeline describes it.
func Pipeline() *levada.Pipeline {
	p := levada.New("prefix")
	p.Source("in", levada.Topic("in")).
		Parse("parse", levada.JSON[steps.Reading]()).
		Map("to_hot", steps.ToHot).
		Serialize("number", levada.JSON[steps.Hot]().Confluent(3)).
		Parse("by_number", levada.JSON[steps.Hot]().Strict().Confluent(3)).
		Serialize("pack", levada.Avro[steps.Hot](older).Confluent(7)).
		Parse("unpack", levada.Avro[any](newer).Writer(older).Confluent(7)).
		Serialize("fingerprint", levada.Avro[any](newer).SingleObject()).
		Parse("by_fingerprint", levada.Avro[any](newer).SingleObject()).
		Serialize("msgpack", levada.Msgpack[any]().Confluent(5)).
		Parse("from_msgpack", levada.Msgpack[any]().Confluent(5)).
		Serialize("print", levada.JSON[any]()).
		Sink("out", levada.Topic("out"))
	return p
}
