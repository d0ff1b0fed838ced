package engine

import (
	"context"
	"errors"
	"fmt"
	"sync"

	"github.com/levada-io/levada/connector"
)

// metadata stands beside every committed offset. Later versions put after it what a
// restart must know.
const metadata = "levada/1"

// errBrokenOff is the error of a commit that made room for another one.
var errBrokenOff = errors.New("broken off for a later commit")

// committer sees to it that one commit runs at a time, so that an old position can not
// overtake a new one.
type committer struct {
	slot chan struct{} // holds one token while a commit runs

	mu     sync.Mutex
	cancel context.CancelCauseFunc // breaks off the commit that runs; nil where it must not be
}

func newCommitter() committer { return committer{slot: make(chan struct{}, 1)} }

// commit stores the positions of all partitions. It does nothing where another commit
// still runs.
func (e *Engine) commit(ctx context.Context) error {
	select {
	case e.commits.slot <- struct{}{}:
	default:
		return nil
	}
	return e.store(ctx, e.all(), true)
}

// commitNow stores positions at a moment that does not come again: a running commit,
// which may wait for the very rebalance that asks for this one, is broken off. What is
// stored for partitions that go is not broken off in turn: it is their last.
func (e *Engine) commitNow(ctx context.Context, ps []*partition) error {
	return e.commitInstead(ctx, ps, false)
}

// commitLast stores the positions of all partitions at the end of a run. A rebalance may
// come between: it stores what it takes away, and this one the rest.
func (e *Engine) commitLast(ctx context.Context) error {
	for {
		if err := e.commitInstead(ctx, e.all(), true); !errors.Is(err, errBrokenOff) {
			return err
		}
	}
}

func (e *Engine) commitInstead(ctx context.Context, ps []*partition, breakable bool) error {
	e.commits.mu.Lock()
	if e.commits.cancel != nil {
		e.commits.cancel(errBrokenOff)
	}
	e.commits.mu.Unlock()
	select {
	case e.commits.slot <- struct{}{}:
		return e.store(ctx, ps, breakable)
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}

// store commits the frontier of every partition that has moved, and gives the slot
// back.
func (e *Engine) store(ctx context.Context, ps []*partition, breakable bool) error {
	defer func() { <-e.commits.slot }()
	ctx, end := withTimeout(ctx, e.clock, commitBudget)
	defer end()
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	if breakable {
		e.commits.mu.Lock()
		e.commits.cancel = cancel
		e.commits.mu.Unlock()
	}
	defer func() {
		e.commits.mu.Lock()
		e.commits.cancel = nil
		e.commits.mu.Unlock()
	}()

	var cs []connector.Commit
	var moved []*partition
	for _, p := range ps {
		if at := p.frontier.position(); at > p.committed.Load() && !p.dead.Load() {
			cs = append(cs, connector.Commit{Partition: p.Partition, Offset: at, Metadata: metadata})
			moved = append(moved, p)
		}
	}
	if len(cs) == 0 {
		return nil
	}
	if err := e.source.Commit(ctx, cs); err != nil {
		if ctx.Err() != nil && errors.Is(err, ctx.Err()) {
			if err = context.Cause(ctx); err != context.DeadlineExceeded {
				return err // broken off for a later one, or for the end
			}
			err = fmt.Errorf("commit: no answer within %v", commitBudget)
		}
		e.notCommitted(err)
		return err
	}
	for i, p := range moved {
		p.committed.Store(cs[i].Offset)
	}
	if e.cfg.Hooks.Committed != nil {
		e.cfg.Hooks.Committed(cs)
	}
	return nil
}

// notCommitted decides what a failed commit means. What the next try can mend is only
// told; an unreachable broker has its own budget in the connector, and a member that
// was thrown out hears of it by Lost.
func (e *Engine) notCommitted(err error) {
	e.mu.Lock()
	e.lastErr = err
	e.mu.Unlock()
	if e.cfg.Hooks.CommitFailed != nil {
		e.cfg.Hooks.CommitFailed(err)
	}
	if c, ok := errors.AsType[*connector.Error](err); ok {
		switch c.Reason {
		case connector.Unauthorized, connector.Misconfig, connector.Storage, connector.DataGap:
			e.fail(err)
		}
	}
}
