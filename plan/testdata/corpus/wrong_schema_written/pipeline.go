// Package wrong_schema_written is one wrong pipeline of the corpus: a schema of Avro that has no field for a member.
package wrong_schema_written

import (
	_ "embed"

	"github.com/levada-io/levada"
	"github.com/levada-io/levada/plan/testdata/corpus/steps"
)

//go:embed hot.avsc
var hot string

// Pipeline describes it.
func Pipeline() *levada.Pipeline {
	p := levada.New("wrong")
	p.Source("in", levada.Topic("in")).
		Parse("parse", levada.JSON[steps.Hot]()).
		Serialize("pack", levada.Avro[steps.Hot](hot)).
		Sink("out", levada.Topic("out"))
	return p
}
