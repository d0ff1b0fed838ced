// Package flat_map_iterator is one pipeline of the corpus: a Go function that returns an iterator.
package flat_map_iterator

import (
	"github.com/levada-io/levada"
	"github.com/levada-io/levada/plan/testdata/corpus/steps"
)

// Pipeline describes it.
func Pipeline() *levada.Pipeline {
	p := levada.New("flat_map_iterator")
	p.Source("in", levada.Topic("in")).
		Parse("parse", levada.JSON[steps.Reading]()).
		FlatMapSeq("tags", steps.Letters).
		Serialize("print", levada.JSON[steps.Tag]()).
		Sink("out", levada.Topic("out"))
	return p
}
