package kafka

import (
	"context"
	"errors"
	"sync"
	"testing"
	"time"

	"github.com/levada-io/levada/connector"
	"github.com/levada-io/levada/record"
)

const patience = 60 * time.Second

// reader polls one source all the time and keeps what comes.
type reader struct {
	t       *testing.T
	session connector.Session
	src     connector.Source
	stop    context.CancelFunc
	stopped chan struct{}

	mu      sync.Mutex // guards all below
	changed chan struct{}
	owned   map[int32]int64 // positions
	starts  map[int32]int64
	recs    []record.Record
	revoked int
	told    int // calls of Assigned
	err     error
}

func read(t *testing.T, s connector.Session, cfg connector.SourceConfig) *reader {
	t.Helper()
	r := &reader{
		t: t, session: s, stopped: make(chan struct{}), changed: make(chan struct{}),
		owned: map[int32]int64{}, starts: map[int32]int64{},
	}
	var err error
	if r.src, err = s.Source(t.Context(), cfg, r); err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithCancel(context.Background())
	r.stop = stop
	go r.loop(ctx)
	t.Cleanup(r.close)
	return r
}

func (r *reader) loop(ctx context.Context) {
	defer close(r.stopped)
	for {
		fs, err := r.src.Poll(ctx)
		r.mu.Lock()
		for _, f := range fs {
			if _, ok := r.owned[f.ID]; ok {
				r.recs = append(r.recs, f.Records...)
				r.owned[f.ID] = f.Next
			}
		}
		r.err = err
		r.signal()
		r.mu.Unlock()
		if err != nil {
			return
		}
	}
}

func (r *reader) signal() {
	close(r.changed)
	r.changed = make(chan struct{})
}

func (r *reader) Assigned(as []connector.Assignment) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.told++
	for _, a := range as {
		r.owned[a.ID], r.starts[a.ID] = a.Start, a.Start
	}
	r.signal()
}

func (r *reader) Revoked(_ context.Context, ps []connector.Partition) { r.Lost(ps) }

func (r *reader) Lost(ps []connector.Partition) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, p := range ps {
		delete(r.owned, p.ID)
		r.revoked++
	}
	r.signal()
}

// wait waits until ok, called with mu held, is true.
func (r *reader) wait(what string, ok func() bool) {
	r.t.Helper()
	late := time.After(patience)
	for {
		r.mu.Lock()
		done, err, changed := ok(), r.err, r.changed
		r.mu.Unlock()
		if done {
			return
		}
		if err != nil {
			r.t.Fatalf("waiting for %s: %v", what, err)
		}
		select {
		case <-changed:
		case <-late:
			r.mu.Lock()
			defer r.mu.Unlock()
			r.t.Fatalf("waiting for %s: %d records, positions %v", what, len(r.recs), r.owned)
		}
	}
}

// fails waits until Poll returns an error.
func (r *reader) fails() *connector.Error {
	r.t.Helper()
	select {
	case <-r.stopped:
	case <-time.After(patience):
		r.t.Fatal("Poll returns no error")
	}
	e, ok := errors.AsType[*connector.Error](r.err)
	if !ok {
		r.t.Fatalf("Poll returned %v, want a *connector.Error", r.err)
	}
	return e
}

// values are what was read, by value.
func (r *reader) values() map[string]int {
	r.mu.Lock()
	defer r.mu.Unlock()
	m := map[string]int{}
	for _, rec := range r.recs {
		m[string(rec.Value)]++
	}
	return m
}

// crash ends the polling and cuts the session off without leaving the group, as a
// process does that is killed.
func (r *reader) crash() {
	r.stop()
	<-r.stopped
	s := r.session.(*session)
	s.source.mu.Lock()
	s.source.left = true
	s.source.mu.Unlock()
	s.cancel()
}

func (r *reader) close() {
	r.stop()
	<-r.stopped
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	if err := r.session.Close(ctx); err != nil {
		r.t.Error(err)
	}
}

// write writes values to a topic and waits until they are stored. key, if any, is that
// of all.
func write(t *testing.T, c *cluster, topic, key string, values ...string) {
	t.Helper()
	s := c.open(t)
	defer s.Close(t.Context())
	k, err := s.Sink(t.Context(), connector.SinkConfig{Step: "out", Stream: topic})
	if err != nil {
		t.Fatal(err)
	}
	recs := make([]record.Record, len(values))
	for i, v := range values {
		recs[i].Value = []byte(v)
		if key != "" {
			recs[i].Key = []byte(key)
		}
	}
	done := make(chan error, 1)
	k.Write(recs, func(err error) { done <- err })
	if err := <-done; err != nil {
		t.Fatal(err)
	}
}
