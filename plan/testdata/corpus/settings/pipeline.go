// Package settings is one pipeline of the corpus: steps that are structs: one of them twice, with other settings, and one with none.
package settings

import (
	"github.com/levada-io/levada"
	"github.com/levada-io/levada/plan/testdata/corpus/steps"
)

// Pipeline describes it.
func Pipeline() *levada.Pipeline {
	p := levada.New("settings")
	high := steps.Above{Limit: 50.5, Kinds: []string{"temperature", "pressure"}}
	some := steps.Above{}
	twice := &steps.Tagged{Tag: "high", Times: 2}
	p.Source("in", levada.Topic("in")).
		Parse("parse", levada.JSON[steps.Reading]()).
		Filter("some", some.Apply, levada.Settings(some)).
		Filter("high", high.Apply, levada.Settings(high)).
		Map("tag", twice.Apply, levada.Settings(twice)).
		Serialize("print", levada.JSON[steps.Reading]()).
		Sink("out", levada.Topic("out"))
	return p
}
