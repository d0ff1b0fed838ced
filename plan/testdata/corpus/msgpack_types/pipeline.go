// Package msgpack_types is one pipeline of the corpus: JSON that goes through MessagePack and is what it was, whatever its type.
package msgpack_types

import (
	"github.com/levada-io/levada"
	"github.com/levada-io/levada/plan/testdata/corpus/steps"
)

// Pipeline describes it.
func Pipeline() *levada.Pipeline {
	p := levada.New("msgpack_types")
	p.Source("in", levada.Topic("in")).
		Parse("parse", levada.JSON[steps.Everything]()).
		Serialize("pack", levada.Msgpack[steps.Everything]()).
		Parse("unpack", levada.Msgpack[steps.Everything]()).
		Map("touch", steps.Touch).
		Serialize("print", levada.JSON[steps.Everything]()).
		Sink("out", levada.Topic("out"))
	return p
}
