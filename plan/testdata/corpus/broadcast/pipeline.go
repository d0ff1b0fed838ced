// Package broadcast is one pipeline of the corpus: each message into both branches, one of which changes it.
package broadcast

import (
	"github.com/levada-io/levada"
	"github.com/levada-io/levada/plan/testdata/corpus/steps"
)

// Pipeline describes it.
func Pipeline() *levada.Pipeline {
	p := levada.New("broadcast")
	p.Source("in", levada.Topic("in")).
		Parse("parse", levada.JSON[steps.Reading]()).
		Broadcast("fan").
		Branch("doubled", func(s levada.Stream[steps.Reading]) {
			s.Map("double", steps.Double).
				Serialize("print_doubled", levada.JSON[steps.Reading]()).
				Sink("doubled", levada.Topic("doubled"))
		}).
		Branch("as_it_was", func(s levada.Stream[steps.Reading]) {
			s.Serialize("print", levada.JSON[steps.Reading]()).
				Sink("copies", levada.Topic("copies"))
		})
	return p
}
