package main

import "github.com/levada-io/levada"

type Metric struct{ Value float64 }
type Total struct{ Sum float64 }

func isBig(m levada.Message[Metric]) (bool, error)    { return true, nil }
func double(m levada.Message[Metric]) (Metric, error) { return m.Payload(), nil }
func ofTotal(m levada.Message[Total]) (Total, error)  { return m.Payload(), nil }
func kind(m levada.Message[Metric]) (string, error)   { return "c", nil }
func value(m levada.Message[Metric]) (float64, error) { return 1, nil }
func noError(m levada.Message[Metric]) Metric         { return m.Payload() }
func drop(s levada.Stream[Total])                     {}

func main() {
	p := levada.New("p")
	in := p.Source("in", levada.Topic("in"))
	metrics := in.Parse("parse", levada.JSON[Metric]())
	metrics.Route("by", kind).Map("double", double)
}

var _, _, _, _, _, _, _ = isBig, double, ofTotal, kind, value, noError, drop
