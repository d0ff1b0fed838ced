// Package wrong_schema_resolved is one wrong pipeline of the corpus: a schema that the writer's can not be read as.
package wrong_schema_resolved

import (
	_ "embed"

	"github.com/levada-io/levada"
	"github.com/levada-io/levada/plan/testdata/corpus/steps"
)

//go:embed hot.avsc
var hot string

//go:embed older.avsc
var older string

// Pipeline describes it.
func Pipeline() *levada.Pipeline {
	p := levada.New("wrong")
	p.Source("in", levada.Topic("in")).
		Parse("unpack", levada.Avro[steps.Hot](hot).Writer(older)).
		Serialize("print", levada.JSON[steps.Hot]()).
		Sink("out", levada.Topic("out"))
	return p
}
