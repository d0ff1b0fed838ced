// Package wrong_prefix_number is one pipeline of the corpus: a number before what is written, and nobody says which.
package wrong_prefix_number

import "github.com/levada-io/levada"

// Pipeline describes it.
func Pipeline() *levada.Pipeline {
	p := levada.New("wrong")
	p.Source("in", levada.Topic("in")).
		Parse("parse", levada.JSON[any]()).
		Serialize("print", levada.JSON[any]().Confluent(0)).
		Sink("out", levada.Topic("out"))
	return p
}
