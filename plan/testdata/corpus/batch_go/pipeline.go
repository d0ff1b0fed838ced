// Package batch_go is one pipeline of the corpus: batches of three, and what is left at the end, summed up in Go.
package batch_go

import (
	"time"

	"github.com/levada-io/levada"
	"github.com/levada-io/levada/plan/testdata/corpus/steps"
)

// Pipeline describes it.
func Pipeline() *levada.Pipeline {
	p := levada.New("batch_go")
	p.Source("in", levada.Topic("in")).
		Parse("parse", levada.JSON[steps.Reading]()).
		Batch("gather", levada.Limit{Count: 3, Bytes: 1 << 20, Age: 90 * time.Second}).
		Map("sum", steps.Sum).
		Serialize("print", levada.JSON[steps.Total]()).
		Sink("out", levada.Topic("out"))
	return p
}
