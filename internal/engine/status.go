package engine

import (
	"cmp"
	"slices"
	"sync/atomic"
	"time"

	"github.com/levada-io/levada/connector"
)

// Hooks are called as things happen, from goroutines of the engine and of connectors;
// they must return at once. nil: nobody listens.
type Hooks struct {
	Assigned     func([]connector.Assignment)
	Revoked      func([]connector.Partition)
	Lost         func([]connector.Partition)
	Committed    func([]connector.Commit)
	CommitFailed func(error) // it is tried again
}

// Status is a snapshot of a run. Counts are since its beginning.
type Status struct {
	At            time.Time
	RecordsIn     int64 // taken by lanes
	RecordsOut    int64 // acknowledged by sinks
	DeadLetters   int64 // acknowledged by their sink
	Skipped       int64 // messages that failed and were left out
	Retried       int64 // calls of functions for messages that had failed
	InFlightBytes int64
	HeldBytes     int64 // in batches
	QueuedBytes   int64 // fetched, not taken
	Partitions    []PartitionStatus
	LastError     error // of what goes on nevertheless: a commit that failed
}

// PartitionStatus is the state of an assigned partition.
type PartitionStatus struct {
	connector.Partition
	Lane      int
	Taken     int64 // first offset that no lane has taken
	Frontier  int64 // everything below is finished
	Committed int64
	Paused    bool // its queue is full
	// Lag is the number of offsets between the frontier and the end; -1 where the
	// source does not tell.
	Lag int64
}

// Rates are the records per second since an earlier snapshot.
func (s Status) Rates(before Status) (in, out float64) {
	d := s.At.Sub(before.At).Seconds()
	if d <= 0 {
		return 0, 0
	}
	return float64(s.RecordsIn-before.RecordsIn) / d, float64(s.RecordsOut-before.RecordsOut) / d
}

type counters struct {
	in, out, held, dead, skipped, retried atomic.Int64
}

// took counts records that a lane has taken.
func (e *Engine) took(n int) {
	e.counters.in.Add(int64(n))
	e.nudge()
}

// Status is cheap: it costs a few locks per partition. It may be called at any time.
func (e *Engine) Status() Status {
	s := Status{
		At:            e.clock.Now(),
		RecordsIn:     e.counters.in.Load(),
		RecordsOut:    e.counters.out.Load(),
		DeadLetters:   e.counters.dead.Load(),
		Skipped:       e.counters.skipped.Load(),
		Retried:       e.counters.retried.Load(),
		InFlightBytes: e.flying.Load(),
		HeldBytes:     e.counters.held.Load(),
	}
	e.mu.Lock()
	s.LastError = e.lastErr
	source := e.source
	e.mu.Unlock()
	var reach map[connector.Partition]int64
	if g, ok := source.(connector.Gauge); ok {
		reach = g.Reach()
	}
	for _, p := range e.all() {
		queued := p.queued.Load()
		s.QueuedBytes += queued
		ps := PartitionStatus{
			Partition: p.Partition, Lane: p.lane.id,
			Taken: p.frontier.opened(), Frontier: p.frontier.position(), Committed: p.committed.Load(),
			Paused: p.paused.Load(), Lag: -1,
		}
		if end, ok := reach[p.Partition]; ok {
			ps.Lag = max(0, end-ps.Frontier)
		}
		s.Partitions = append(s.Partitions, ps)
	}
	slices.SortFunc(s.Partitions, func(a, b PartitionStatus) int {
		return cmp.Or(cmp.Compare(a.Topic, b.Topic), cmp.Compare(a.ID, b.ID))
	})
	return s
}

func (e *Engine) final() {
	if e.cfg.Final != nil {
		e.cfg.Final(e.Status())
	}
}
