package connectortest

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/levada-io/levada/connector"
	"github.com/levada-io/levada/record"
)

// patience bounds every wait for something that must happen.
const patience = 60 * time.Second

// member is one session that reads in a group, as the engine would: it polls all the
// time, remembers what it got, and checks each fetch against its assignment.
type member struct {
	t       *testing.T
	name    string
	session connector.Session
	src     connector.Source
	stop    context.CancelFunc
	stopped chan struct{}

	mu      sync.Mutex // guards all below; nothing of the connector is called under it
	changed chan struct{}
	owned   map[connector.Partition]*ownership
	closed  map[connector.Partition]int64 // turn in which Revoked or Lost returned
	turn    int64                         // polls that were started
	ended   int64                         // polls that returned
	breakUp context.CancelFunc            // ends the poll that runs
	recs    []record.Record
	starts  map[connector.Partition]int64 // of the latest assignment
	revoked int
	lost    int
	pollErr error

	// atRevoke runs in Revoked after the turn of the poll loop, with the positions.
	atRevoke func(ctx context.Context, m *member, cs []connector.Commit)
}

type ownership struct{ next int64 }

// join opens a session and reads in it until the test ends or leave is called.
func join(t *testing.T, sys System, cfg connector.SourceConfig, opts ...func(*member)) *member {
	t.Helper()
	m := &member{
		t: t, name: cfg.Step, session: sys.Open(t),
		stopped: make(chan struct{}),
		changed: make(chan struct{}),
		owned:   map[connector.Partition]*ownership{},
		closed:  map[connector.Partition]int64{},
		starts:  map[connector.Partition]int64{},
	}
	for _, o := range opts {
		o(m)
	}
	if cfg.Stream == "" {
		cfg.Stream = sys.Stream
	}
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	src, err := m.session.Source(ctx, cfg, m)
	if err != nil {
		t.Fatalf("%s: source: %v", m.name, err)
	}
	m.src = src
	ctx, m.stop = context.WithCancel(context.Background())
	go m.loop(ctx)
	t.Cleanup(func() { m.leave() })
	return m
}

func (m *member) loop(ctx context.Context) {
	defer close(m.stopped)
	for {
		pollCtx, cancel := context.WithCancel(ctx)
		m.mu.Lock()
		m.turn++
		turn := m.turn
		m.breakUp = cancel
		m.mu.Unlock()
		fs, err := m.src.Poll(pollCtx)
		if err != nil && pollCtx.Err() != nil && ctx.Err() == nil && errors.Is(err, pollCtx.Err()) {
			err = nil // only this turn was to end
		}
		cancel()
		m.mu.Lock()
		m.ended = turn
		for _, f := range fs {
			m.take(turn, f)
		}
		if err != nil {
			m.pollErr = err
		}
		m.signal()
		m.mu.Unlock()
		if err != nil {
			return
		}
	}
}

// take checks one fetch and keeps its records. Called with mu held.
func (m *member) take(turn int64, f connector.Fetch) {
	own := m.owned[f.Partition]
	if own == nil {
		if at, ok := m.closed[f.Partition]; ok && at < turn {
			m.t.Errorf("%s: %v: records up to %d after the partition was given up", m.name, f.Partition, f.Next)
		} else if !ok {
			m.t.Errorf("%s: %v: records up to %d before the partition was assigned", m.name, f.Partition, f.Next)
		}
		return // from a poll that began before
	}
	if len(f.Records) > 0 && f.Records[0].Offset != own.next {
		m.t.Errorf("%s: %v: fetch starts at %d, want %d", m.name, f.Partition, f.Records[0].Offset, own.next)
	}
	for i, r := range f.Records {
		if r.Topic != f.Topic || r.Partition != f.ID {
			m.t.Errorf("%s: %v: record says %s[%d]", m.name, f.Partition, r.Topic, r.Partition)
		}
		if i > 0 && r.Offset <= f.Records[i-1].Offset {
			m.t.Errorf("%s: %v: offset %d after %d", m.name, f.Partition, r.Offset, f.Records[i-1].Offset)
		}
		if r.Offset >= f.Next {
			m.t.Errorf("%s: %v: offset %d, but Next is %d", m.name, f.Partition, r.Offset, f.Next)
		}
	}
	if f.Next < own.next {
		m.t.Errorf("%s: %v: Next goes back from %d to %d", m.name, f.Partition, own.next, f.Next)
	}
	own.next = f.Next
	m.recs = append(m.recs, f.Records...)
}

// signal wakes whoever waits. Called with mu held.
func (m *member) signal() {
	close(m.changed)
	m.changed = make(chan struct{})
}

// Assigned implements connector.Assignee.
func (m *member) Assigned(as []connector.Assignment) {
	m.mu.Lock()
	defer m.mu.Unlock()
	for _, a := range as {
		if m.owned[a.Partition] != nil {
			m.t.Errorf("%s: %v: assigned twice", m.name, a.Partition)
		}
		if a.Start < 0 {
			m.t.Errorf("%s: %v: start %d is not resolved", m.name, a.Partition, a.Start)
		}
		m.owned[a.Partition] = &ownership{next: a.Start}
		m.starts[a.Partition] = a.Start
		delete(m.closed, a.Partition)
	}
	m.signal()
}

// Revoked implements connector.Assignee.
func (m *member) Revoked(ctx context.Context, ps []connector.Partition) {
	if _, ok := ctx.Deadline(); !ok {
		m.t.Errorf("%s: Revoked without a time limit", m.name)
	}
	m.awaitTurn()
	if m.atRevoke != nil {
		m.mu.Lock()
		cs := make([]connector.Commit, 0, len(ps))
		for _, p := range ps {
			if own := m.owned[p]; own != nil {
				cs = append(cs, connector.Commit{Partition: p, Offset: own.next, Metadata: "levada/1"})
			}
		}
		m.mu.Unlock()
		m.atRevoke(ctx, m, cs)
	}
	m.giveUp(ps)
	m.mu.Lock()
	m.revoked += len(ps)
	m.mu.Unlock()
}

// Lost implements connector.Assignee.
func (m *member) Lost(ps []connector.Partition) {
	m.awaitTurn()
	m.giveUp(ps)
	m.mu.Lock()
	m.lost += len(ps)
	m.mu.Unlock()
}

// awaitTurn waits until what a poll had in hand has arrived, as the engine does: of
// what comes later nothing may belong to the partitions that go.
func (m *member) awaitTurn() {
	m.mu.Lock()
	turn := m.turn
	if m.breakUp != nil {
		m.breakUp()
	}
	m.mu.Unlock()
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	if err := m.await(ctx, func() bool { return m.ended >= turn || m.pollErr != nil }); err != nil {
		m.t.Errorf("%s: poll does not return although its context ended", m.name)
	}
}

func (m *member) giveUp(ps []connector.Partition) {
	m.mu.Lock()
	defer m.mu.Unlock()
	for _, p := range ps {
		if m.owned[p] == nil {
			m.t.Errorf("%s: %v: given up, but was not assigned", m.name, p)
		}
		delete(m.owned, p)
		m.closed[p] = m.turn
	}
	m.signal()
}

// await returns when ok does, which is called with mu held, or when ctx ends.
func (m *member) await(ctx context.Context, ok func() bool) error {
	for {
		m.mu.Lock()
		if ok() {
			m.mu.Unlock()
			return nil
		}
		changed := m.changed
		m.mu.Unlock()
		select {
		case <-changed:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

// wait is await with patience; it ends the test where what never comes.
func (m *member) wait(what string, ok func() bool) {
	m.t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	err := m.await(ctx, func() bool { return ok() || m.pollErr != nil })
	m.mu.Lock()
	defer m.mu.Unlock()
	if err == nil && !ok() {
		err = m.pollErr
	}
	if err != nil {
		m.t.Fatalf("%s: waiting for %s: %v; it has %d records of %v", m.name, what, err, len(m.recs), slices.Collect(maps.Keys(m.owned)))
	}
}

// quiet fails when more records come within a short while.
func (m *member) quiet(what string) {
	m.t.Helper()
	m.mu.Lock()
	n := len(m.recs)
	m.mu.Unlock()
	ctx, cancel := context.WithTimeout(context.Background(), 700*time.Millisecond)
	defer cancel()
	if m.await(ctx, func() bool { return len(m.recs) > n }) == nil {
		m.t.Errorf("%s: %s: a record came", m.name, what)
	}
}

func (m *member) waitRecords(n int) []record.Record {
	m.t.Helper()
	m.wait(fmt.Sprintf("%d records", n), func() bool { return len(m.recs) >= n })
	return m.records()
}

func (m *member) waitAssigned(n int) {
	m.t.Helper()
	m.wait(fmt.Sprintf("%d partitions", n), func() bool { return len(m.owned) == n })
}

// count is the number of records, and a channel that is closed when it may differ.
func (m *member) count() (int, <-chan struct{}) {
	m.mu.Lock()
	defer m.mu.Unlock()
	return len(m.recs), m.changed
}

func (m *member) records() []record.Record {
	m.mu.Lock()
	defer m.mu.Unlock()
	return slices.Clone(m.recs)
}

// positions are the commits for everything that was read.
func (m *member) positions() []connector.Commit {
	m.mu.Lock()
	defer m.mu.Unlock()
	var cs []connector.Commit
	for p, own := range m.owned {
		cs = append(cs, connector.Commit{Partition: p, Offset: own.next, Metadata: "levada/1"})
	}
	return cs
}

func (m *member) commit(cs []connector.Commit) {
	m.t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	if err := m.src.Commit(ctx, cs); err != nil {
		m.t.Fatalf("%s: commit: %v", m.name, err)
	}
}

// leave stops polling and closes the session; calls after the first do nothing.
func (m *member) leave() {
	m.t.Helper()
	if m.session == nil {
		return
	}
	m.stop()
	<-m.stopped
	m.mu.Lock()
	err := m.pollErr
	m.mu.Unlock()
	if !errors.Is(err, context.Canceled) {
		m.t.Errorf("%s: poll ended with %v, want %v", m.name, err, context.Canceled)
	}
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	if err := m.session.Close(ctx); err != nil {
		m.t.Errorf("%s: close: %v", m.name, err)
	}
	m.session = nil
}
