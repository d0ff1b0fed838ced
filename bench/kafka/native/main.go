// Command native is the Go spelling of the bench's JSON pipeline.
package main

import (
	"github.com/levada-io/levada"
	metric_steps "github.com/levada-io/levada/examples/metrics/steps"
)

func main() {
	p := levada.New("native")
	p.Source("in", levada.Topic("bench-in")).
		Parse("parse", levada.JSON[metric_steps.IngestMetric]()).
		Map("transform", metric_steps.Transform).
		Serialize("serialize", levada.JSON[metric_steps.Transformed]()).
		Sink("out", levada.Topic("bench-out"))
	levada.Main(p)
}
