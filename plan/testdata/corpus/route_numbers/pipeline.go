// Package route_numbers is one pipeline of the corpus: by a number, then by a boolean.
package route_numbers

import (
	"github.com/levada-io/levada"
	"github.com/levada-io/levada/plan/testdata/corpus/steps"
)

// Pipeline describes it.
func Pipeline() *levada.Pipeline {
	p := levada.New("route_numbers")
	end := func(name string) func(levada.Stream[steps.Reading]) {
		return func(s levada.Stream[steps.Reading]) {
			s.Serialize("print_"+name, levada.JSON[steps.Reading]()).Sink(name, levada.Topic(name))
		}
	}
	p.Source("in", levada.Topic("in")).
		Parse("parse", levada.JSON[steps.Reading]()).
		Route("by_level", steps.Level).
		Case(1, end("ones")).
		Case(-2, end("minus_twos")).
		Else(func(s levada.Stream[steps.Reading]) {
			s.Route("by_heat", steps.IsHot).Case(true, end("hot")).Case(false, end("cold"))
		})
	return p
}
