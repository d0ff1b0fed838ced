// Command metrics is the pipeline of ../../../pipeline.yaml in Go: one static binary,
// no Python.
package main

import (
	"github.com/levada-io/levada"

	metric_steps "example.com/metric_steps"
)

func main() {
	p := levada.New("metrics")
	p.Source("ingest", levada.Topic("ingest-metrics")).
		Parse("parse", levada.JSON[metric_steps.IngestMetric]()).
		Filter("counters", metric_steps.IsCounter).
		Map("transform", metric_steps.Transform).
		Serialize("serialize", levada.JSON[metric_steps.Transformed]()).
		Sink("out", levada.Topic("transformed-metrics"))
	levada.Main(p)
}
