// Package route_text is one pipeline of the corpus: by a text, with a branch for the rest.
package route_text

import (
	"github.com/levada-io/levada"
	"github.com/levada-io/levada/plan/testdata/corpus/steps"
)

// Pipeline describes it.
func Pipeline() *levada.Pipeline {
	p := levada.New("route_text")
	p.Source("in", levada.Topic("in")).
		Parse("parse", levada.JSON[steps.Reading]()).
		Route("by_kind", steps.Kind).
		Case("temperature", func(s levada.Stream[steps.Reading]) {
			s.Map("to_hot", steps.ToHot).
				Serialize("print_hot", levada.JSON[steps.Hot]()).
				Sink("temperatures", levada.Topic("temperatures"))
		}).
		Case("humidity", func(s levada.Stream[steps.Reading]) {
			s.Serialize("print_humidity", levada.JSON[steps.Reading]()).
				Sink("humidities", levada.Topic("humidities"))
		}).
		Else(func(s levada.Stream[steps.Reading]) {
			s.Serialize("print_rest", levada.JSON[steps.Reading]()).
				Sink("rest", levada.Topic("rest"))
		})
	return p
}
