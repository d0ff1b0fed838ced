package engine

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/levada-io/levada/connector"
)

// drain ends the run in order: nothing new, what is in flight, what is held (where
// flush says so), the sinks' buffers, the last commit. A run that has failed does not
// wait for ever: what it does not deliver is read again.
func (e *Engine) drain(ctx context.Context, flush bool) error {
	e.closeIntake()
	limit := &patience{Context: ctx}
	defer limit.end()
	ok := e.landed(limit)
	if ok && flush && e.failure() == nil {
		for _, l := range e.lanes {
			ok = ok && e.settle(limit, l.do(l.flush))
		}
		ok = ok && e.landed(limit)
	}
	for _, s := range e.sinks {
		if !ok || s.broken.Load() {
			continue
		}
		if err := s.Flush(ctx); err != nil && ctx.Err() == nil {
			e.fail(err)
		}
	}
	if ctx.Err() != nil {
		return e.aborted()
	}
	// What was acknowledged counts, whatever ended the run.
	err := e.commitLast(ctx)
	if ctx.Err() != nil {
		return e.aborted()
	}
	if first := e.failure(); first != nil {
		return first
	}
	return err
}

// patience is the context of a drain, which ends some time after a failure.
type patience struct {
	context.Context
	over chan struct{} // closed when it ends; nil before a failure
	stop func() bool
}

// shorten lets patience end, once.
func (p *patience) shorten(c Clock, budget time.Duration) {
	if p.over == nil {
		over := make(chan struct{})
		p.over = over
		p.stop = c.AfterFunc(budget, func() { close(over) })
	}
}

// patience is how long a run that has failed waits for what is in flight.
func (e *Engine) patience() time.Duration {
	if _, stuck := errors.AsType[*StalledError](e.failure()); stuck {
		return stuckBudget
	}
	return failBudget
}

func (p *patience) end() {
	if p.stop != nil {
		p.stop()
	}
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
func (e *Engine) landed(limit *patience) bool {
	for _, l := range e.lanes {
		if !e.settle(limit, l.do(func() {})) {
			return false
		}
	}
	for _, p := range e.all() {
		if !e.settle(limit, p.frontier.landing()) {
			return false
		}
	}
	return true
}

// settle waits for ch and commits meanwhile; false when patience ends before.
func (e *Engine) settle(limit *patience, ch <-chan struct{}) bool {
	failed := e.failed
	for {
		select {
		case <-ch:
			return true
		case <-limit.Done():
			return false
		case <-limit.over:
			return false
		case <-failed:
			failed = nil
			limit.shorten(e.clock, e.patience())
		case <-e.ticks.C:
			e.commit(limit)
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
	if e.assigned.Swap(false) {
		e.ends = nil // one may have begun anew, and its end with it
	}
	if e.ends == nil {
		ends, ok, err := ender.End(ctx)
		if err != nil || !ok {
			return false, err
		}
		e.ends = ends
	}
	ps := e.all()
	if len(ps) != len(e.ends) {
		// One is about to be assigned, or has gone since. The source is asked again at
		// the next look.
		e.ends = nil
		return false, nil
	}
	for _, p := range ps {
		end, ok := e.ends[p.Partition]
		if !ok {
			e.ends = nil
			return false, nil
		}
		if p.frontier.opened() < end {
			return false, nil
		}
	}
	return true, nil
}

// untilEnd is the error of a run that was to drain, and did not finish what there was
// since another member got it first. Nothing is lost, but nor is it done.
func (e *Engine) untilEnd() error {
	e.mu.Lock()
	defer e.mu.Unlock()
	if len(e.unfinished) == 0 {
		return nil
	}
	return &connector.Error{
		Reason: connector.Fenced, Place: e.unfinished[0].String(),
		Err:  errors.New("the group took it away before its last records were delivered; they are read again at the next start"),
		Hint: "start again; a group that does so often finds its members too slow for session_timeout",
	}
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
