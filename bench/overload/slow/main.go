// Command slow is a pipeline with a step that takes as long as a call to another service:
// about a millisecond for each message.
package main

import (
	"time"

	"github.com/levada-io/levada"

	bench_steps "github.com/levada-io/levada/bench/crossing/steps"
)

func wait(m levada.Message[bench_steps.Metric]) (bench_steps.Metric, error) {
	time.Sleep(time.Millisecond)
	return m.Payload(), nil
}

func main() {
	p := levada.New("slow")
	p.Source("in", levada.Topic("bench-in")).
		Parse("parse", levada.JSON[bench_steps.Metric]()).
		Map("wait", wait).
		Serialize("serialize", levada.JSON[bench_steps.Metric]()).
		Sink("out", levada.Topic("bench-out"))
	levada.Main(p)
}
