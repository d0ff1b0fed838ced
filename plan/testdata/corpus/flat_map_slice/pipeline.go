// Package flat_map_slice is one pipeline of the corpus: a Go function that returns a slice, one message per element.
package flat_map_slice

import (
	"github.com/levada-io/levada"
	"github.com/levada-io/levada/plan/testdata/corpus/steps"
)

// Pipeline describes it.
func Pipeline() *levada.Pipeline {
	p := levada.New("flat_map_slice")
	p.Source("in", levada.Topic("in")).
		Parse("parse", levada.JSON[steps.Reading]()).
		FlatMap("tags", steps.Tags).
		Serialize("print", levada.JSON[steps.Tag]()).
		Sink("out", levada.Topic("out"))
	return p
}
