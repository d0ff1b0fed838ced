// Package protobuf is one pipeline of the corpus: JSON that goes through protobuf, and Go steps over generated messages.
package protobuf

import (
	"github.com/levada-io/levada"
	"github.com/levada-io/levada/plan/testdata/corpus/steps"
	"github.com/levada-io/levada/plan/testdata/visitpb"
)

// Pipeline describes it.
func Pipeline() *levada.Pipeline {
	p := levada.New("protobuf")
	p.Source("in", levada.Topic("in")).
		Parse("parse", levada.JSON[visitpb.Visit]()).
		Serialize("pack", levada.Protobuf[visitpb.Visit]()).
		Parse("unpack", levada.Protobuf[*visitpb.Visit]()).
		Filter("slow", steps.Slow).
		Map("anonymous", steps.Anonymous).
		Serialize("print", levada.JSON[*visitpb.Visit]()).
		Sink("out", levada.Topic("out"))
	return p
}
