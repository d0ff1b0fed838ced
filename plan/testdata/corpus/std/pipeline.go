// Package std is one pipeline of the corpus: encoding/json/v2 reads and writes whole values: a member that is missing is zero.
package std

import (
	"github.com/levada-io/levada"
	"github.com/levada-io/levada/plan/testdata/corpus/steps"
)

// Pipeline describes it.
func Pipeline() *levada.Pipeline {
	p := levada.New("std")
	p.Source("in", levada.Topic("in")).
		Parse("parse", levada.JSON[steps.Reading]().Std()).
		Map("double", steps.Double).
		Serialize("print", levada.JSON[steps.Reading]().Std()).
		Sink("out", levada.Topic("out"))
	return p
}
