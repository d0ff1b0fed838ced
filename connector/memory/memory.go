// Package memory is a connector to streams that live in the process: for tests, for the
// test kit, and for trying things out. It keeps the promises of connector to the letter,
// groups and rebalances included, and lets a test stand at every point where a real
// system could be slow, refuse, or die.
package memory

import (
	"context"
	"fmt"
	"hash/fnv"
	"slices"
	"sync"
	"time"

	"github.com/levada-io/levada/connector"
	"github.com/levada-io/levada/record"
)

// Store holds streams and the positions of the groups that read them. Its Open is a
// connector.Opener; every session of a Store sees the same streams.
//
// # Concurrency
//
// All methods may be called from several goroutines. No callback runs under mu.
type Store struct {
	mu      sync.Mutex // guards all below and the state of members
	streams map[string]*stream
	groups  map[string]*group
	changed chan struct{} // closed when a poll may have something to return
}

// New makes an empty store.
func New() *Store {
	return &Store{
		streams: map[string]*stream{},
		groups:  map[string]*group{},
		changed: make(chan struct{}),
	}
}

type stream struct {
	name  string
	logs  [][]record.Record // per partition; never changed, only appended to
	turn  int               // partition of the next record without a key
	limit int               // bytes of a value; 0: none

	holding bool
	held    []*write // not acknowledged, oldest first
	refuse  error
}

// write is a call of Sink.Write that is not acknowledged yet.
type write struct {
	owner  *session
	recs   []record.Record
	done   func(error)
	stored bool
}

// Create makes a stream with so many partitions.
func (s *Store) Create(name string, partitions int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.streams[name] = &stream{name: name, logs: make([][]record.Record, partitions)}
}

// Append puts records at the end of a partition and returns the offset after them.
// Only key, value, headers and timestamp count.
func (s *Store) Append(name string, partition int32, recs ...record.Record) int64 {
	s.mu.Lock()
	defer s.mu.Unlock()
	st := s.streams[name]
	for _, r := range recs {
		st.append(partition, r)
	}
	s.signal()
	return int64(len(st.logs[partition]))
}

// Records returns what a partition holds.
func (s *Store) Records(name string, partition int32) []record.Record {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.streams[name].logs[partition])
}

// Committed returns what a group has committed; false where it has not.
func (s *Store) Committed(group string, p connector.Partition) (connector.Commit, bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	g := s.groups[group]
	if g == nil {
		return connector.Commit{}, false
	}
	c, ok := g.commits[p]
	return c, ok
}

// Open opens a session. It takes no options.
func (s *Store) Open(_ context.Context, opts any) (connector.Session, error) {
	if opts != nil {
		return nil, &connector.Error{Reason: connector.Misconfig, Place: "memory", Err: fmt.Errorf("expected no options, got %T", opts)}
	}
	return &session{store: s}, nil
}

// signal wakes the polls. Called with mu held.
func (s *Store) signal() {
	close(s.changed)
	s.changed = make(chan struct{})
}

// stream finds a stream. Called with mu held.
func (s *Store) stream(name string) (*stream, error) {
	st := s.streams[name]
	if st == nil {
		return nil, &connector.Error{
			Reason: connector.Misconfig, Place: fmt.Sprintf("memory stream %q", name),
			Err: fmt.Errorf("there is no such stream"), Hint: "make it with Store.Create",
		}
	}
	return st, nil
}

// append stores a record. Called with mu held.
func (st *stream) append(partition int32, r record.Record) {
	r.Topic, r.Partition, r.Offset = st.name, partition, int64(len(st.logs[partition]))
	st.logs[partition] = append(st.logs[partition], r)
}

// partition is where a record goes: one key, one partition.
func (st *stream) partition(r *record.Record) int32 {
	if r.Key == nil {
		st.turn = (st.turn + 1) % len(st.logs)
		return int32(st.turn)
	}
	h := fnv.New32a()
	h.Write(r.Key)
	return int32(h.Sum32() % uint32(len(st.logs)))
}

// store puts a write into the stream, once. Called with mu held.
func (s *Store) store(st *stream, w *write) {
	if w.stored {
		return
	}
	w.stored = true
	for i := range w.recs {
		st.append(st.partition(&w.recs[i]), w.recs[i])
	}
	s.signal()
}

// session is one client of a store.
type session struct {
	store   *Store
	mu      sync.Mutex // guards member and closed; taken before Store.mu
	member  *member
	closed  bool
	joining sync.WaitGroup
}

// Source implements connector.Session.
func (s *session) Source(_ context.Context, cfg connector.SourceConfig, a connector.Assignee) (connector.Source, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.member != nil {
		return nil, fmt.Errorf("BUG: a second source of one session")
	}
	s.store.mu.Lock()
	defer s.store.mu.Unlock()
	st, err := s.store.stream(cfg.Stream)
	if err != nil {
		return nil, err
	}
	g := s.store.groups[cfg.Group]
	if g == nil {
		g = newGroup()
		s.store.groups[cfg.Group] = g
	}
	s.member = &member{
		store: s.store, group: g, stream: st, start: cfg.Start, assignee: a,
		owned: map[connector.Partition]*position{}, ends: map[connector.Partition]int64{},
	}
	m := s.member
	s.joining.Go(func() { g.join(m) })
	return m, nil
}

// Sink implements connector.Session.
func (s *session) Sink(_ context.Context, cfg connector.SinkConfig) (connector.Sink, error) {
	s.store.mu.Lock()
	defer s.store.mu.Unlock()
	st, err := s.store.stream(cfg.Stream)
	if err != nil {
		return nil, err
	}
	return &sink{session: s, stream: st}, nil
}

// Close implements connector.Session: the member leaves its group, and what was not
// acknowledged never will be.
func (s *session) Close(context.Context) error {
	s.mu.Lock()
	m := s.member
	was := s.closed
	s.closed = true
	s.mu.Unlock()
	if was {
		return nil
	}
	s.joining.Wait()
	if m != nil {
		m.group.leave(m)
	}
	s.store.mu.Lock()
	var lost []*write
	for _, st := range s.store.streams {
		st.held = slices.DeleteFunc(st.held, func(w *write) bool {
			if w.owner == s {
				lost = append(lost, w)
			}
			return w.owner == s
		})
	}
	s.store.mu.Unlock()
	for _, w := range lost {
		w.done(fmt.Errorf("memory stream: closed before it was acknowledged"))
	}
	return nil
}

// revokeBudget is how long a member may take to give partitions up.
const revokeBudget = 30 * time.Second
