package engine

import (
	"context"
	"errors"
	"runtime/pprof"
	"sync"
	"sync/atomic"
	"time"
	"unsafe"

	"github.com/levada-io/levada/connector"
	"github.com/levada-io/levada/record"
)

// recordOverhead is what a queued record costs beside its bytes.
const recordOverhead = int64(unsafe.Sizeof(record.Record{}))

// poller polls the source all the time and queues what comes. Flow is held back by
// pausing partitions, never by not polling.
type poller struct {
	e    *Engine
	done chan struct{}

	turns atomic.Int64 // of the loop

	mu     sync.Mutex         // guards the two below; innermost
	ended  chan struct{}      // closed when the turn that runs is over
	cancel context.CancelFunc // ends the poll that runs; nil before the first

	// pausing serialises decisions to pause with the calls that carry them out, so that
	// the last decision is the one the client has. It is held during Source.Pause and
	// under no other lock.
	pausing sync.Mutex
}

func (s *poller) start(ctx context.Context) {
	pctx, cancel := context.WithCancel(ctx)
	s.mu.Lock()
	s.ended = make(chan struct{})
	s.cancel = cancel
	s.mu.Unlock()
	go s.run(ctx, pctx)
}

// wait waits for the end of the loop; false: it does not come.
func (s *poller) wait(budget time.Duration) bool {
	ctx, cancel := withTimeout(context.Background(), s.e.clock, budget)
	defer cancel()
	return await(ctx, s.done)
}

func (s *poller) run(ctx, pctx context.Context) {
	defer close(s.done)
	pprof.SetGoroutineLabels(pprof.WithLabels(ctx, pprof.Labels("levada_source", s.e.cfg.Program.Source.Step)))
	for {
		s.turns.Add(1)
		fs, err := s.e.source.Poll(pctx)
		for i := range fs {
			s.enqueue(&fs[i])
		}
		s.mu.Lock()
		if pctx.Err() != nil {
			// A turn was asked for: everything that was under way is queued or refused.
			s.cancel()
			close(s.ended)
			s.ended = make(chan struct{})
			if errors.Is(err, context.Canceled) {
				err = nil
			}
			pctx, s.cancel = context.WithCancel(ctx)
		}
		s.mu.Unlock()
		if ctx.Err() != nil {
			s.cancel()
			return
		}
		if err != nil {
			s.e.fail(err)
			s.cancel()
			return
		}
	}
}

// turn waits until whatever the running poll returns was queued or refused. Without it
// a fetch from before a rebalance could be queued for the assignment after it, and what
// lies before that fetch would be skipped.
func (s *poller) turn(ctx context.Context) {
	s.mu.Lock()
	if s.cancel == nil {
		s.mu.Unlock()
		return // not started: nothing was polled
	}
	ended := s.ended
	s.cancel()
	s.mu.Unlock()
	select {
	case <-ended:
	case <-s.done:
	case <-ctx.Done():
	}
}

// prod has a poll that waits return, so that one that does not is told from it.
func (s *poller) prod() {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.cancel != nil {
		s.cancel()
	}
}

func (s *poller) enqueue(f *connector.Fetch) {
	e := s.e
	e.mu.Lock()
	p := e.parts[f.Partition]
	e.mu.Unlock()
	if p == nil {
		return
	}
	q := fetch{Fetch: *f}
	for i := range f.Records {
		q.bytes += int64(f.Records[i].Size()) + recordOverhead
	}
	l := p.lane
	l.mu.Lock()
	if p.closed {
		l.mu.Unlock()
		return
	}
	p.queue = append(p.queue, q)
	queued := p.queued.Add(q.bytes)
	l.mu.Unlock()
	l.wake()
	if queued > e.queue.Load() {
		s.regulate(p)
	}
}

// regulate pauses a partition whose queue is full and resumes one whose queue is half
// empty.
func (s *poller) regulate(p *partition) {
	s.pausing.Lock()
	defer s.pausing.Unlock()
	queued := p.queued.Load()
	switch limit := s.e.queue.Load(); {
	case p.dead.Load():
	case !p.paused.Load() && queued > limit:
		p.paused.Store(true)
		s.e.source.Pause([]connector.Partition{p.Partition}, true)
	case p.paused.Load() && queued < limit/2:
		p.paused.Store(false)
		s.e.source.Pause([]connector.Partition{p.Partition}, false)
	}
}

// resume takes back a pause of a partition that goes: a client keeps it beyond the
// assignment.
func (s *poller) resume(p *partition) {
	s.pausing.Lock()
	defer s.pausing.Unlock()
	if p.paused.Load() {
		p.paused.Store(false)
		s.e.source.Pause([]connector.Partition{p.Partition}, false)
	}
}
