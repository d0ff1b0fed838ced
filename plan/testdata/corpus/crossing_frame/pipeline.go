// Package crossing_frame is one pipeline of the corpus: the word for what counts without
// one, where nothing crosses.
package crossing_frame

import (
	"github.com/levada-io/levada"
	"github.com/levada-io/levada/plan/testdata/corpus/steps"
)

// Pipeline describes it.
func Pipeline() *levada.Pipeline {
	p := levada.New("crossing_frame")
	p.Source("in", levada.Topic("in")).
		Parse("parse", levada.JSON[steps.Reading]()).
		Filter("hot", steps.IsHot, levada.Crossing("frame")).
		Map("to_hot", steps.ToHot).
		Serialize("print", levada.JSON[steps.Hot]()).
		Sink("out", levada.Topic("out"))
	return p
}
