package engine

import (
	"context"
	"sync/atomic"

	"github.com/levada-io/levada/connector"
)

// partition is one assignment of a partition to this process. The next assignment of
// the same partition is another partition with another epoch, so that acknowledgements
// of this one can not touch it.
type partition struct {
	connector.Partition
	epoch    int64
	lane     *lane
	frontier frontier
	dead     atomic.Bool  // the assignment is over
	going    atomic.Bool  // it is being taken away, or was
	queued   atomic.Int64 // bytes in queue

	queue  []fetch // guarded by lane.mu
	closed bool    // guarded by lane.mu; takes no records any more

	forgotten bool // batches gave up what they held of it, and hold no more; the lane's

	streak int // dead letters in a row up to the last record that is through; the lane's

	waits    int                     // retries that it waits for; the lane's
	retrying atomic.Pointer[waiting] // the last one of them; nil: none

	paused atomic.Bool // written under poller.pausing

	committed atomic.Int64 // what the source has stored
}

// fetch is what one poll brought for one partition, as far as it was not taken yet.
type fetch struct {
	connector.Fetch
	bytes int64
}

// kill ends the assignment without a word to the source.
func (p *partition) kill() {
	p.going.Store(true)
	p.dead.Store(true)
	p.close()
	p.frontier.kill()
}

// close drops what is queued and refuses what comes.
func (p *partition) close() {
	p.lane.mu.Lock()
	defer p.lane.mu.Unlock()
	p.closed = true
	p.queue = nil
	p.queued.Store(0)
}

// Assigned implements connector.Assignee.
func (e *Engine) Assigned(as []connector.Assignment) {
	ctx, cancel := withTimeout(context.Background(), e.clock, revokeBudget)
	defer cancel()
	e.polls.turn(ctx)
	e.mu.Lock()
	e.shared = true
	for _, a := range as {
		e.epoch++
		p := &partition{
			Partition: a.Partition, epoch: e.epoch, lane: e.leastLoaded(),
			closed: e.stopping,
		}
		p.committed.Store(a.Start)
		p.frontier.next = a.Start
		e.parts[a.Partition] = p
		p.lane.adopt(p)
	}
	e.share()
	e.mu.Unlock()
	e.assigned.Store(true)
	e.nudge()
	if e.cfg.Hooks.Assigned != nil {
		e.cfg.Hooks.Assigned(as)
	}
}

// leastQueue is what the queue of a partition may have however many there are: below it
// a lane would run dry between two polls.
const leastQueue = 64 << 10

// share deals the budget of all queues out to the partitions. Called with mu held.
func (e *Engine) share() {
	each := e.limits.QueuesBytes / int64(max(1, len(e.parts)))
	e.queue.Store(min(e.limits.QueueBytes, max(each, leastQueue)))
}

// leastLoaded is the lane with the fewest partitions. Called with mu held.
func (e *Engine) leastLoaded() *lane {
	best := e.lanes[0]
	for _, l := range e.lanes[1:] {
		if l.load() < best.load() {
			best = l
		}
	}
	return best
}

// Revoked implements connector.Assignee: it drains and commits what is in flight of
// those partitions only, while the others go on.
func (e *Engine) Revoked(ctx context.Context, ps []connector.Partition) {
	ctx, cancel := withTimeout(ctx, e.clock, revokeBudget)
	defer cancel()
	gone := e.lookup(ps)
	for _, p := range gone {
		p.going.Store(true)
		p.close()
	}
	// After one turn of its lane no chunk with their records begins any more, and what
	// batches held of them is gone.
	for _, p := range gone {
		if !p.dead.Load() { // else the run is at its end, and the lane may be stuck
			await(ctx, p.lane.do(func() { p.lane.forgetHeld(p) }))
		}
	}
	for _, p := range gone {
		await(ctx, p.frontier.landing())
	}
	e.commitNow(ctx, gone)
	e.forget(gone)
	if e.cfg.Hooks.Revoked != nil {
		e.cfg.Hooks.Revoked(ps)
	}
}

// Lost implements connector.Assignee.
func (e *Engine) Lost(ps []connector.Partition) {
	gone := e.lookup(ps)
	for _, p := range gone {
		p.kill()
	}
	e.forget(gone)
	e.mu.Lock()
	e.shared = len(e.parts) > 0 // who lost everything waits for its share anew
	e.mu.Unlock()
	if e.cfg.Hooks.Lost != nil {
		e.cfg.Hooks.Lost(ps)
	}
}

func (e *Engine) lookup(ps []connector.Partition) []*partition {
	e.mu.Lock()
	defer e.mu.Unlock()
	var found []*partition
	for _, id := range ps {
		if p := e.parts[id]; p != nil {
			found = append(found, p)
		}
	}
	return found
}

// forget ends assignments and gives their partitions back to the client as it got
// them: not paused.
func (e *Engine) forget(gone []*partition) {
	for _, p := range gone {
		p.kill()
		p.lane.forget(p)
		e.polls.resume(p)
	}
	e.mu.Lock()
	for _, p := range gone {
		if e.stopping && p.frontier.position() < p.frontier.opened() {
			e.unfinished = append(e.unfinished, p.Partition)
		}
		if e.parts[p.Partition] == p {
			delete(e.parts, p.Partition)
		}
	}
	e.share()
	e.mu.Unlock()
	e.nudge()
}

// await returns when ch is closed or ctx ends; false for the latter.
func await(ctx context.Context, ch <-chan struct{}) bool {
	select {
	case <-ch:
		return true
	case <-ctx.Done():
		return false
	}
}
