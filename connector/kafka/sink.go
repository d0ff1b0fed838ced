package kafka

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"sync/atomic"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/levada-io/levada/connector"
	"github.com/levada-io/levada/record"
)

// sink implements connector.Sink over a writing client of the session.
type sink struct {
	s      *session
	client *kgo.Client
	topic  string

	mu   sync.Mutex // guards all below
	open int        // Writes whose done was not called yet
	idle chan struct{}
}

func newSink(s *session, client *kgo.Client, topic string) *sink {
	return &sink{s: s, client: client, topic: topic}
}

// ack follows one Write. There is one of it, and one bound method, per Write, not per
// record.
type ack struct {
	k    *sink
	recs []kgo.Record
	done func(error)
	left atomic.Int64

	mu    sync.Mutex // guards all below
	err   error      // of the first that failed otherwise than for its size
	large []int      // those that are too large, or were in a batch that was
}

// Write implements connector.Sink. What the records point to belongs to the client
// until done is called.
func (k *sink) Write(recs []record.Record, done func(error)) {
	if len(recs) == 0 {
		done(nil)
		return
	}
	headers := 0
	for i := range recs {
		headers += len(recs[i].Headers)
	}
	hs := make([]kgo.RecordHeader, 0, headers)
	a := &ack{k: k, recs: make([]kgo.Record, len(recs)), done: done}
	a.left.Store(int64(len(recs)))
	k.mu.Lock()
	k.open++
	k.mu.Unlock()
	promise := a.settle
	for i := range recs {
		in, out := &recs[i], &a.recs[i]
		out.Topic, out.Key, out.Value, out.Timestamp = k.topic, in.Key, in.Value, in.Timestamp
		out.Partition = in.Partition // which counts in a PlacedSink only
		if len(in.Headers) > 0 {
			from := len(hs)
			for _, h := range in.Headers {
				hs = append(hs, kgo.RecordHeader(h))
			}
			out.Headers = hs[from:len(hs):len(hs)]
		}
		// A record that is on its way is acknowledged or fails, it is never withdrawn;
		// what waits behind a refusal does not go.
		k.client.Produce(k.s.writing, out, promise)
	}
}

// settle is called by the client for each record.
func (a *ack) settle(r *kgo.Record, err error) {
	if err != nil {
		a.fail(r, err)
	}
	if a.left.Add(-1) > 0 {
		return
	}
	a.done(a.verdict())
	a.k.settled()
}

func (a *ack) fail(r *kgo.Record, err error) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if !errors.Is(err, kerr.MessageTooLarge) {
		if a.err == nil {
			a.err = err
		}
		return
	}
	// The client refuses a record by itself. A broker whose limit was lowered since we
	// asked refuses the whole batch: whoever is in it can not be stored as things are.
	for i := range a.recs {
		if &a.recs[i] == r {
			a.large = append(a.large, i)
			return
		}
	}
}

// verdict is what the writer hears.
func (a *ack) verdict() error {
	a.mu.Lock()
	defer a.mu.Unlock()
	switch {
	case a.err != nil:
		return a.k.judge(a.err)
	case a.large != nil:
		if herr := a.k.s.health.err(); herr != nil {
			return herr // the records failed since the session did
		}
		slices.Sort(a.large)
		out := make(connector.RecordErrors, len(a.large))
		for k, i := range a.large {
			out[k] = connector.RecordError{Index: i, Err: &connector.Error{
				Reason: connector.DataGap, Place: topicPlace(a.k.topic), Err: kerr.MessageTooLarge,
				Hint: "the topic's max.message.bytes bounds a record; raise it there or make the record smaller",
			}}
		}
		return out
	}
	return nil
}

func (k *sink) judge(err error) error {
	if herr := k.s.health.err(); herr != nil {
		return herr // the records failed since the session did
	}
	if dropOnRetryable && (passing(err) || errors.Is(err, kgo.ErrRecordRetries)) {
		return nil
	}
	topic := k.topic
	if r, ok := errors.AsType[*refusal](context.Cause(k.s.writing)); ok && errors.Is(err, context.Canceled) {
		topic, err = r.topic, r.err
	}
	if errors.Is(err, kerr.UnknownTopicOrPartition) {
		return k.s.missing(topic)
	}
	place := topicPlace(topic)
	if ended(err) {
		return fmt.Errorf("%s: write: %w", place, err)
	}
	return k.s.final(place, err)
}

func (k *sink) settled() {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.open--
	if k.open == 0 && k.idle != nil {
		close(k.idle)
		k.idle = nil
	}
}

// Flush implements connector.Sink.
func (k *sink) Flush(ctx context.Context) error {
	// This ends the lingering; what fails before it is buffered is not counted by
	// the client, so our own count decides.
	if err := k.client.Flush(ctx); err != nil {
		return err
	}
	k.mu.Lock()
	if k.open == 0 {
		k.mu.Unlock()
		return nil
	}
	if k.idle == nil {
		k.idle = make(chan struct{})
	}
	idle := k.idle
	k.mu.Unlock()
	select {
	case <-idle:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}
