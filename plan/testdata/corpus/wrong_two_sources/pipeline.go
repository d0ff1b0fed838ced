// Package wrong_two_sources is one wrong pipeline of the corpus: two sources.
package wrong_two_sources

import (
	"github.com/levada-io/levada"
)

// Pipeline describes it.
func Pipeline() *levada.Pipeline {
	p := levada.New("wrong")
	p.Source("in", levada.Topic("in")).Sink("out", levada.Topic("out"))
	p.Source("in_too", levada.Topic("in_too")).Sink("out_too", levada.Topic("out_too"))
	return p
}
