// Package raw is one pipeline of the corpus: functions over bytes, with no codec and with the one that does nothing.
package raw

import (
	"github.com/levada-io/levada"
	"github.com/levada-io/levada/plan/testdata/corpus/steps"
)

// Pipeline describes it.
func Pipeline() *levada.Pipeline {
	p := levada.New("raw")
	p.Source("in", levada.Topic("in")).
		Filter("braces", steps.IsBrace).
		Parse("as_it_is", levada.Raw()).
		Map("upper", steps.Upper).
		Serialize("as_it_was", levada.Raw(), levada.OnError(levada.Fail)).
		Sink("out", levada.Topic("out"))
	return p
}
