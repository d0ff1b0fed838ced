package engine

import (
	"context"
	"fmt"

	"github.com/levada-io/levada/connector"
)

// drain ends the run in order: nothing new, what is in flight, what is held (where
// flush says so), the sinks' buffers, the last commit.
func (e *Engine) drain(ctx context.Context, flush bool) error {
	e.closeIntake()
	if !e.landed(ctx) {
		return e.aborted()
	}
	if flush && e.failure() == nil {
		for _, l := range e.lanes {
			if !e.settle(ctx, l.do(l.flush)) {
				return e.aborted()
			}
		}
		if !e.landed(ctx) {
			return e.aborted()
		}
	}
	for _, s := range e.sinks {
		if s.broken.Load() {
			continue
		}
		if err := s.Flush(ctx); err != nil {
			if ctx.Err() != nil {
				return e.aborted()
			}
			e.fail(err)
		}
	}
	// What was acknowledged counts, whatever ended the run.
	err := e.commitNow(ctx, e.all())
	if ctx.Err() != nil {
		return e.aborted()
	}
	if first := e.failure(); first != nil {
		return first
	}
	return err
}

// closeIntake drops what no lane has taken and refuses what comes. The source is still
// polled, as it must be; paused, it has nothing to fetch.
func (e *Engine) closeIntake() {
	e.mu.Lock()
	e.stopping = true
	var ids []connector.Partition
	for id, p := range e.parts {
		p.close()
		ids = append(ids, id)
	}
	e.mu.Unlock()
	if len(ids) > 0 {
		e.source.Pause(ids, true)
	}
}

// landed waits until nothing is in flight. No lane begins a chunk after its next turn,
// so that what flies then is all there is.
func (e *Engine) landed(ctx context.Context) bool {
	for _, l := range e.lanes {
		if !e.settle(ctx, l.do(func() {})) {
			return false
		}
	}
	for _, p := range e.all() {
		if !e.settle(ctx, p.frontier.landing()) {
			return false
		}
	}
	return true
}

// settle waits for ch and commits meanwhile; false when ctx ends before.
func (e *Engine) settle(ctx context.Context, ch <-chan struct{}) bool {
	for {
		select {
		case <-ch:
			return true
		case <-ctx.Done():
			return false
		case <-e.ticks.C:
			e.commit(ctx)
			e.ticks.next()
		}
	}
}

// flush sends on what the batches of the lane hold, from the first to the last step.
func (l *lane) flush() {
	for _, b := range l.hold {
		b.flushAll()
	}
}

func (e *Engine) all() []*partition {
	e.mu.Lock()
	defer e.mu.Unlock()
	ps := make([]*partition, 0, len(e.parts))
	for _, p := range e.parts {
		ps = append(ps, p)
	}
	return ps
}

// atEnd says that the lanes have taken everything up to the end of all partitions.
func (e *Engine) atEnd(ctx context.Context) (bool, error) {
	ender, ok := e.source.(connector.Ender)
	if !ok {
		return false, fmt.Errorf("step %q: connector %q has no end to drain to", e.cfg.Program.Source.Step, e.cfg.Program.Source.Connector)
	}
	if e.ends == nil {
		ends, ok, err := ender.End(ctx)
		if err != nil || !ok {
			return false, err
		}
		e.ends = ends
	}
	for _, p := range e.all() {
		end, ok := e.ends[p.Partition]
		if !ok {
			// Assigned since: its end is asked for at the next look.
			e.ends = nil
			return false, nil
		}
		if p.frontier.opened() < end {
			return false, nil
		}
	}
	return true, nil
}

// nudge has a draining run look whether it is at the end.
func (e *Engine) nudge() {
	if !e.cfg.Drain {
		return
	}
	select {
	case e.progress <- struct{}{}:
	default:
	}
}

// ticker sends a token each commit interval after the last one was taken.
type ticker struct {
	C     chan struct{}
	clock Clock
	stop  func() bool
}

func (t *ticker) start(c Clock) {
	t.clock, t.C = c, make(chan struct{}, 1)
	t.next()
}

func (t *ticker) next() {
	t.stop = t.clock.AfterFunc(commitInterval, func() { t.C <- struct{}{} })
}
