// Command stuck is a pipeline in Go with a step that never returns from the record 3.
package main

import "github.com/levada-io/levada"

type item struct {
	ID int `json:"id"`
}

func enrich(m levada.Message[item]) (item, error) {
	if m.Payload().ID == 3 {
		select {}
	}
	return m.Payload(), nil
}

func main() {
	p := levada.New("stuck")
	p.Source("in", levada.Topic("in")).
		Parse("parse", levada.JSON[item]()).
		Map("enrich", enrich).
		Serialize("serialize", levada.JSON[item]()).
		Sink("out", levada.Topic("out"))
	levada.Main(p)
}
