// Package engine runs programs: it takes records from a source, leads them through the
// lanes, hands the results to sinks, and commits what is finished.
//
// It owns chunks, tickets, frontiers, back-pressure, batches and the order of stopping.
// It must not know plans, front ends, languages or Kafka: a program is made of
// operators, a source and sinks of whatever kind.
//
// Lock order: Engine.mu, lane.mu, frontier.mu. Nothing of a connector is called under
// one of them.
package engine

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/levada-io/levada/connector"
	"github.com/levada-io/levada/internal/program"
)

// Config says what to run and how.
type Config struct {
	Program *program.Program
	// Source opens the source and has it report to the assignee.
	Source func(connector.Assignee) (connector.Source, error)
	Sinks  []connector.Sink // in the order of Program.Sinks
	// DeadLetters takes the messages that the policy program.DeadLetter is for; nil where
	// no step has it.
	DeadLetters      connector.Sink
	DeadLetterLimits DeadLetterLimits
	Lanes            int // default 1
	Limits           Limits
	Stall            Stall
	// Drain stops the run at the end of what the source holds when it starts. The
	// source must be a connector.Ender.
	Drain bool
	// Stop ends the run once closed: what is in flight is delivered and committed. The
	// end of the context aborts instead.
	Stop  <-chan struct{}
	Clock Clock // default: the system's
	Hooks Hooks
	// Final gets the last status before Run returns; nil: nobody does.
	Final func(Status)
}

// Limits bound the memory of a run. Zero values stand for the defaults.
type Limits struct {
	ChunkRecords  int   // records in a chunk, fewer where steps are slow; default 1000
	ChunkBytes    int64 // bytes in a chunk of more than one record; default 4 MiB
	QueueBytes    int64 // fetched and not yet taken, per partition, plus one fetch; default 16 MiB
	QueuesBytes   int64 // the same over all partitions, each of which has its share; default 64 MiB
	InFlightBytes int64 // taken and neither acknowledged nor held; default 64 MiB
	HeldBytes     int64 // collected in batches; default 64 MiB
	BranchBytes   int64 // waiting for one sink, per lane; default InFlightBytes / 4
}

func (l Limits) withDefaults() Limits {
	set := func(p *int64, v int64) {
		if *p <= 0 {
			*p = v
		}
	}
	if l.ChunkRecords <= 0 {
		l.ChunkRecords = 1000
	}
	set(&l.ChunkBytes, 4<<20)
	set(&l.QueueBytes, 16<<20)
	set(&l.QueuesBytes, 64<<20)
	set(&l.InFlightBytes, 64<<20)
	set(&l.HeldBytes, 64<<20)
	set(&l.BranchBytes, l.InFlightBytes/4)
	return l
}

const (
	commitInterval = time.Second
	commitBudget   = 5 * time.Second  // for one commit; a client may wait a minute for a join inside it
	revokeBudget   = 10 * time.Second // for the work in flight of partitions that go
	failBudget     = 30 * time.Second // for what is in flight when the run has failed
	stopBudget     = 10 * time.Second // for lanes that have nothing more to do
	stuckBudget    = 5 * time.Second  // for what is in flight beside what is stuck
	abortBudget    = time.Second      // for lanes that are inside a function of the user
)

// Engine is one run of a program.
type Engine struct {
	cfg    Config
	limits Limits
	clock  Clock
	lanes  []*lane
	sinks  []*outlet // and graves
	graves *outlet   // of dead letters; nil: none
	losses losses

	source connector.Source // set under mu, before the poller starts and the first commit
	polls  poller
	ticks  ticker
	watch  *watcher

	flying atomic.Int64 // bytes in flight: written to sinks, or waiting for one
	queue  atomic.Int64 // bytes that the queue of one partition may have

	mu       sync.Mutex // guards all below
	parts    map[connector.Partition]*partition
	epoch    int64
	shared   bool  // the group has given a share, which may be empty
	stopping bool  // no partition takes records any more
	err      error // the first failure
	lastErr  error // the last one that did not end the run
	// unfinished are partitions that went while their last records were in flight.
	unfinished []connector.Partition

	halted   atomic.Bool                   // set with it: lanes take nothing more
	failed   chan struct{}                 // closed when err is set
	assigned atomic.Bool                   // since ends were asked for
	ends     map[connector.Partition]int64 // where a draining run stops; the supervisor's
	progress chan struct{}                 // holds one token after a lane has taken records, with Drain
	commits  committer
	counters counters
}

// Run runs a program until it is stopped, is drained, or fails.
//
// # Errors
//
// nil after a stop that drained everything. A *MessageError for a record that a step
// could not handle, a *StepError for an operator that can not go on, ErrAborted when ctx
// ended, and the errors of connectors unchanged.
func Run(ctx context.Context, cfg Config) error {
	e, err := New(cfg)
	if err != nil {
		return err
	}
	return e.Run(ctx)
}

// New prepares a run. It needs no connection yet.
func New(cfg Config) (*Engine, error) {
	if len(cfg.Sinks) != len(cfg.Program.Sinks) {
		return nil, fmt.Errorf("BUG: %d sinks for a program with %d", len(cfg.Sinks), len(cfg.Program.Sinks))
	}
	for step, p := range cfg.Program.Policies {
		if p.OnError == program.DeadLetter && cfg.DeadLetters == nil {
			return nil, fmt.Errorf("BUG: step %q has dead letters, and nothing takes them", step)
		}
	}
	if cfg.Clock == nil {
		cfg.Clock = systemClock{}
	}
	e := &Engine{
		cfg: cfg, limits: cfg.Limits.withDefaults(), clock: cfg.Clock,
		parts:    map[connector.Partition]*partition{},
		failed:   make(chan struct{}),
		progress: make(chan struct{}, 1),
		commits:  newCommitter(),
	}
	e.polls.e, e.polls.done = e, make(chan struct{})
	e.queue.Store(e.limits.QueueBytes)
	for i, s := range cfg.Sinks {
		e.sinks = append(e.sinks, &outlet{
			Sink: s, e: e, step: cfg.Program.Sinks[i].Step,
			limit: max(1, e.limits.InFlightBytes/int64(len(cfg.Sinks))),
		})
	}
	e.losses.limits = cfg.DeadLetterLimits
	if cfg.DeadLetters != nil {
		e.graves = &outlet{Sink: cfg.DeadLetters, e: e, step: deadLetters, limit: max(1, e.limits.InFlightBytes/int64(len(cfg.Sinks)))}
		e.sinks = append(e.sinks, e.graves)
	}
	e.watch = newWatcher(e)
	for i := range max(1, cfg.Lanes) {
		stage, err := cfg.Program.NewStage(i)
		if err != nil {
			return nil, err
		}
		e.lanes = append(e.lanes, newLane(e, i, stage))
	}
	return e, nil
}

// Run does the work of the function Run. It is called once.
func (e *Engine) Run(ctx context.Context) error {
	work, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	defer e.final()
	e.watch.start()
	defer e.watch.stop()
	if err := e.startLanes(work); err != nil {
		cancel(nil)
		e.waitLanes(stopBudget)
		return err
	}
	source, err := e.cfg.Source(e)
	if err != nil {
		cancel(nil)
		e.waitLanes(stopBudget)
		return err
	}
	e.mu.Lock()
	e.source = source
	e.mu.Unlock()
	e.polls.start(work)
	e.ticks.start(e.clock)
	defer func() { e.ticks.stop() }()
	err = e.supervise(ctx)
	cancel(err)
	e.closeAll()
	budget := stopBudget
	_, stuck := errors.AsType[*StalledError](err)
	if stuck || errors.Is(err, ErrAborted) {
		budget = abortBudget
	}
	if steps := e.waitLanes(budget); steps != nil {
		// The process ends around them.
		if stuck {
			return err // which says it already
		}
		return errors.Join(err, fmt.Errorf("%s: does not return", strings.Join(steps, ", ")))
	}
	if !e.polls.wait(budget) && !stuck {
		return errors.Join(err, errors.New("the client of the source does not return from a poll"))
	}
	return err
}

// supervise serves the timers of the run and ends it in order.
func (e *Engine) supervise(ctx context.Context) error {
	for {
		select {
		case <-ctx.Done():
			return e.aborted()
		case <-e.cfg.Stop:
			return e.drain(ctx, true)
		case <-e.failed:
			return e.drain(ctx, false)
		case <-e.ticks.C:
			e.commit(ctx)
			e.ticks.next()
		case <-e.progress:
		}
		if e.cfg.Drain {
			switch ended, err := e.atEnd(ctx); {
			case err != nil:
				e.fail(err)
			case ended:
				return cmp.Or(e.drain(ctx, true), e.untilEnd())
			}
		}
	}
}

// aborted is the error of a run whose context ended. A failure that came first counts.
func (e *Engine) aborted() error {
	if err := e.failure(); err != nil {
		return errors.Join(err, ErrAborted)
	}
	return ErrAborted
}

// fail ends the run with err, unless something else has ended it before: intake stops,
// what is in flight is delivered and committed.
func (e *Engine) fail(err error) {
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.err != nil {
		if earlier(err, e.err) {
			e.err = err
		}
		return
	}
	e.err = err
	e.halted.Store(true)
	close(e.failed)
}

// earlier says that both are failing records of one partition, and a comes first: a
// later branch may fail at a record before the one that failed first in time.
func earlier(a, b error) bool {
	x, ok := errors.AsType[*MessageError](a)
	if !ok {
		return false
	}
	y, ok := errors.AsType[*MessageError](b)
	return ok && x.Topic == y.Topic && x.Partition == y.Partition && x.Offset < y.Offset
}

func (e *Engine) failure() error {
	e.mu.Lock()
	defer e.mu.Unlock()
	return e.err
}

func (e *Engine) startLanes(ctx context.Context) error {
	var err error
	for _, l := range e.lanes {
		l.start(ctx)
	}
	for _, l := range e.lanes {
		err = errors.Join(err, <-l.started)
	}
	return err
}

// waitLanes waits for lanes that were told to end. It returns the steps that do not
// return in time.
func (e *Engine) waitLanes(budget time.Duration) (stuck []string) {
	ctx, cancel := withTimeout(context.Background(), e.clock, budget)
	defer cancel()
	for _, l := range e.lanes {
		if !await(ctx, l.done) {
			at := "a lane"
			if s := l.now.Load(); s != nil {
				at = place(strings.Join(s.names, ", "), e.cfg.Program.Origins[s.names[0]])
			}
			stuck = append(stuck, at)
		}
	}
	return stuck
}

// closeAll ends all assignments: whatever is acknowledged later changes nothing.
func (e *Engine) closeAll() {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.stopping = true
	for _, p := range e.parts {
		p.kill()
	}
}
