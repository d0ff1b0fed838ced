// Package nested is one pipeline of the corpus: a route in a broadcast, a batch in the route, a flat map behind it.
package nested

import (
	"github.com/levada-io/levada"
	"github.com/levada-io/levada/plan/testdata/corpus/steps"
)

// Pipeline describes it.
func Pipeline() *levada.Pipeline {
	p := levada.New("nested")
	p.Source("in", levada.Topic("in")).
		Parse("parse", levada.JSON[steps.Reading]()).
		Broadcast("fan").
		Branch("tags", func(s levada.Stream[steps.Reading]) {
			s.FlatMap("each_tag", steps.Tags).
				Serialize("print_tags", levada.JSON[steps.Tag]()).
				Sink("tags_out", levada.Topic("tags"))
		}).
		Branch("by_heat", func(s levada.Stream[steps.Reading]) {
			r := s.Route("heat", steps.IsHot)
			r.Case(true, func(s levada.Stream[steps.Reading]) {
				s.Batch("pairs", levada.Limit{Count: 2}).
					Map("sum", steps.Sum).
					Serialize("print_sums", levada.JSON[steps.Total]()).
					Sink("sums", levada.Topic("sums"))
			})
			r.Case(false, func(s levada.Stream[steps.Reading]) {
				s.Serialize("print_cold", levada.JSON[steps.Reading]()).
					Sink("nothing", levada.Endpoint{Connector: "devnull", Stream: "cold"})
			})
		})
	return p
}
