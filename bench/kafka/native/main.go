// Command native is the Go spelling of the bench's JSON pipeline.
package main

import (
	"github.com/levada-io/levada"

	bench_steps "github.com/levada-io/levada/bench/crossing/steps"
)

func main() {
	p := levada.New("native")
	p.Source("in", levada.Topic("bench-in")).
		Parse("parse", levada.JSON[bench_steps.Metric]()).
		Map("transform", bench_steps.Transform).
		Serialize("serialize", levada.JSON[bench_steps.Metric]()).
		Sink("out", levada.Topic("bench-out"))
	levada.Main(p)
}
