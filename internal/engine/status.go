package engine

import (
	"cmp"
	"slices"
	"strings"
	"sync/atomic"
	"time"

	"github.com/levada-io/levada/connector"
	"github.com/levada-io/levada/internal/program"
)

// Hooks are called as things happen, from goroutines of the engine and of connectors;
// they must return at once. nil: nobody listens.
type Hooks struct {
	Assigned     func([]connector.Assignment)
	Revoked      func([]connector.Partition)
	Lost         func([]connector.Partition)
	Committed    func([]connector.Commit)
	CommitFailed func(error) // it is tried again
	// Stalled is called when partitions stand still, when they go on again, and when
	// they have stood still for too long.
	Stalled func(Diagnosis)
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
	Lanes         []LaneStatus
	Sinks         []SinkStatus
	// Gone is the number of offsets that the source went on behind since their records
	// were no longer there.
	Gone      int64
	LastError error // of what goes on nevertheless: a commit that failed

	Connected bool          // the source is open
	Shared    bool          // the group has given this process its share, which may be empty
	Stopping  bool          // no partition takes records any more
	Failure   error         // what ends the run
	Polls     int64         // turns of the loop that polls the source
	Away      time.Duration // for how long the source's system could not be reached
}

// LaneStatus is the state of a lane.
type LaneStatus struct {
	ID       int
	Turns    int64  // of its loop
	Calls    int64  // of operators, their beginnings and their ends
	Step     string // the operator that runs; empty: none
	Origin   string
	Progress program.Progress
}

// SinkStatus is the state of a sink.
type SinkStatus struct {
	Step     string
	Origin   string
	InFlight int64 // bytes written and not acknowledged
	Acked    int64 // writes that came to an end
}

// PartitionStatus is the state of an assigned partition.
type PartitionStatus struct {
	connector.Partition
	Lane      int
	Epoch     int64 // of the assignment
	Taken     int64 // first offset that no lane has taken
	Frontier  int64 // everything below is finished
	Committed int64
	Paused    bool // its queue is full
	// QueuedBytes are fetched, and no lane has taken them.
	QueuedBytes int64
	// Retrying is the step at which a message waits for its next call; empty: none does.
	Retrying    string
	RetryOrigin string
	Tries       int64 // that it had
	// InFlight are the parts of chunks on their way to a sink; what a batch holds is
	// none.
	InFlight int64
	// Untaken is the number of offsets between Taken and the end; -1 where the source
	// does not tell.
	Untaken int64
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
	s.LastError, s.Failure, s.Stopping, s.Shared = e.lastErr, e.err, e.stopping, e.shared
	source := e.source
	e.mu.Unlock()
	s.Connected = source != nil
	s.Polls = e.polls.turns.Load()
	var reach map[connector.Partition]int64
	if g, ok := source.(connector.Gauge); ok {
		reach = g.Reach()
	}
	if p, ok := source.(connector.Pulse); ok {
		s.Away = p.Away()
	}
	for _, l := range e.lanes {
		s.Lanes = append(s.Lanes, l.status())
	}
	for _, o := range e.sinks {
		s.Sinks = append(s.Sinks, SinkStatus{
			Step: o.step, Origin: e.cfg.Program.Origins[o.step], InFlight: o.flying.Load(), Acked: o.acked.Load(),
		})
	}
	if k, ok := source.(connector.Skipper); ok {
		s.Gone = k.Gone()
	}
	for _, p := range e.all() {
		queued := p.queued.Load()
		s.QueuedBytes += queued
		ps := PartitionStatus{
			Partition: p.Partition, Lane: p.lane.id, Epoch: p.epoch,
			Committed: p.committed.Load(), Paused: p.paused.Load(),
			QueuedBytes: queued, Untaken: -1, Lag: -1,
		}
		ps.Frontier, ps.Taken, ps.InFlight = p.frontier.books()
		if t := p.retrying.Load(); t != nil {
			ps.Retrying, ps.RetryOrigin, ps.Tries = t.step, e.cfg.Program.Origins[t.step], t.tries
		}
		if end, ok := reach[p.Partition]; ok {
			ps.Lag = max(0, end-ps.Frontier)
			ps.Untaken = max(0, end-ps.Taken)
		}
		s.Partitions = append(s.Partitions, ps)
	}
	slices.SortFunc(s.Partitions, func(a, b PartitionStatus) int {
		return cmp.Or(cmp.Compare(a.Topic, b.Topic), cmp.Compare(a.ID, b.ID))
	})
	return s
}

// status is what the lane does now, as far as it can be told from outside.
func (l *lane) status() LaneStatus {
	s := LaneStatus{ID: l.id, Turns: l.turns.Load(), Calls: l.calls.Load()}
	now := l.now.Load()
	if now == nil {
		return s
	}
	if w, ok := now.watched(); ok {
		s.Progress = w.Progress()
	}
	s.Step = strings.Join(now.names, ", ")
	if k := s.Progress.Step; s.Progress.Python && k < len(now.names) {
		s.Step = now.names[k]
	}
	s.Origin = l.e.cfg.Program.Origins[s.Step]
	if s.Origin == "" && !s.Progress.Python {
		s.Origin = l.e.cfg.Program.Origins[now.names[0]]
	}
	return s
}

// watched is the operator, where it tells how far it is.
func (s *step) watched() (program.Watched, bool) {
	w, ok := s.op.(program.Watched)
	if !ok {
		w, ok = s.router.(program.Watched)
	}
	return w, ok
}

func (e *Engine) final() {
	if e.cfg.Final != nil {
		e.cfg.Final(e.Status())
	}
}
