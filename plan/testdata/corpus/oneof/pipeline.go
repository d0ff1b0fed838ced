// Package oneof is one pipeline of the corpus: messages with members that exclude each other, and with maps whose keys are no text, through Go steps.
package oneof

import (
	"github.com/levada-io/levada"
	"github.com/levada-io/levada/plan/testdata/corpus/steps"
	"github.com/levada-io/levada/plan/testdata/visitpb"
)

// Pipeline describes it.
func Pipeline() *levada.Pipeline {
	p := levada.New("oneof")
	p.Source("in", levada.Topic("in")).
		Parse("parse", levada.JSON[visitpb.Bill]()).
		Serialize("pack", levada.Protobuf[visitpb.Bill]()).
		Parse("unpack", levada.Protobuf[*visitpb.Bill]()).
		Filter("paid", steps.IsPaid).
		Map("in_cash", steps.InCash).
		Serialize("print", levada.JSON[*visitpb.Bill]()).
		Sink("out", levada.Topic("out"))
	return p
}
