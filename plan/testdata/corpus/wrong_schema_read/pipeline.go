// Package wrong_schema_read is one wrong pipeline of the corpus: a schema of Avro that says something else than the type.
package wrong_schema_read

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
		Parse("unpack", levada.Avro[steps.Hot](hot)).
		Serialize("print", levada.JSON[steps.Hot]()).
		Sink("out", levada.Topic("out"))
	return p
}
