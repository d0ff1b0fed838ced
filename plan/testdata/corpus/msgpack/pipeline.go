// Package msgpack is one pipeline of the corpus: MessagePack in and out; the files have its bytes as hexadecimal digits.
package msgpack

import (
	"github.com/levada-io/levada"
	"github.com/levada-io/levada/plan/testdata/corpus/steps"
)

// Pipeline describes it.
func Pipeline() *levada.Pipeline {
	p := levada.New("msgpack")
	p.Source("in", levada.Topic("in")).
		Map("unhex", steps.Unhex).
		Parse("parse", levada.Msgpack[steps.Reading]()).
		Filter("hot", steps.IsHot).
		Map("double", steps.Double).
		Serialize("pack", levada.Msgpack[steps.Reading]()).
		Map("hex", steps.Hex).
		Sink("out", levada.Topic("out"))
	return p
}
