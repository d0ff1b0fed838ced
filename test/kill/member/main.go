// Command member is the pipeline of the process harness in Go: one static binary, which
// the planted bugs can be built into.
package main

import (
	"time"

	"github.com/levada-io/levada"
)

// Event is an input; its id is in Timestamp, where examples/metrics has a number that
// every step keeps.
type Event struct {
	OrgID     uint64            `json:"org_id"`
	ProjectID uint64            `json:"project_id"`
	Name      string            `json:"name"`
	Tags      map[string]string `json:"tags"`
	Timestamp int64             `json:"timestamp"`
	Retention uint16            `json:"retention_days"`
	Type      string            `json:"type"`
	Value     any               `json:"value"`
}

// Marked is what comes of an Event.
type Marked struct {
	Event
	Transformed bool `json:"transformed"`
}

func counter(m levada.Message[Event]) (bool, error) { return m.Payload().Type == "c", nil }

func mark(m levada.Message[Event]) (Marked, error) { return Marked{m.Payload(), true}, nil }

func main() {
	p := levada.New("kill")
	p.Source("in", levada.Topic("in")).
		Parse("parse", levada.JSON[Event]()).
		Filter("counters", counter).
		Map("mark", mark).
		Broadcast("both").
		Branch("each", func(s levada.Stream[Marked]) {
			s.Serialize("each_json", levada.JSON[Marked]()).
				Sink("each_out", levada.Topic("each"))
		}).
		Branch("batches", func(s levada.Stream[Marked]) {
			s.Batch("batch", levada.Limit{Count: 50, Age: 300 * time.Millisecond}).
				Serialize("batch_json", levada.JSON[[]Marked]()).
				Sink("batch_out", levada.Topic("batches"))
		})
	levada.Main(p)
}
