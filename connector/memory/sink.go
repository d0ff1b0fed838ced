package memory

import (
	"context"
	"fmt"
	"slices"

	"github.com/levada-io/levada/connector"
	"github.com/levada-io/levada/record"
)

type sink struct {
	session *session
	stream  *stream
}

// Write implements connector.Sink.
func (k *sink) Write(recs []record.Record, done func(error)) {
	s := k.session.store
	s.mu.Lock()
	st := k.stream
	err := st.refuse
	good := recs
	var refused connector.RecordErrors
	for i := range recs {
		if st.limit > 0 && len(recs[i].Value) > st.limit {
			if refused == nil {
				good = slices.Clone(recs[:i])
			}
			refused = append(refused, connector.RecordError{Index: i, Err: fmt.Errorf("value of %d bytes, the stream takes %d", len(recs[i].Value), st.limit)})
		} else if refused != nil {
			good = append(good, recs[i])
		}
	}
	recs = good
	if refused != nil {
		all := done
		done = func(err error) {
			if err == nil {
				err = refused
			}
			all(err)
		}
	}
	if err == nil {
		w := &write{owner: k.session, recs: recs, done: done}
		if st.holding {
			w.recs = slices.Clone(recs)
			st.held = append(st.held, w)
			s.signal()
			s.mu.Unlock()
			return
		}
		s.store(st, w)
	}
	s.mu.Unlock()
	done(err)
}

// Flush implements connector.Sink.
func (k *sink) Flush(ctx context.Context) error {
	s := k.session.store
	for {
		s.mu.Lock()
		changed := s.changed
		waits := slices.ContainsFunc(k.stream.held, func(w *write) bool { return w.owner == k.session })
		s.mu.Unlock()
		if !waits {
			return nil
		}
		select {
		case <-changed:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}
