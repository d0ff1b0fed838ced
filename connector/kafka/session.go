// Package kafka is the connector for Kafka and whatever speaks its protocol. It is the
// only package that knows the client library; the engine sees sessions, sources and
// sinks, the command line sees Admin and Consume.
//
// # Delivery
//
// Nothing is committed that the engine did not hand to Commit. A partition for which
// the group has no position gets one, resolved to an offset, before its first record
// is handed out. Sources read committed records only.
//
// # Notes
//
// A session has one client for metadata and writing, and its source a second one that
// is the member of the group: a member is configured when its client is made, which is
// before the topic is known to exist, and it leaves before the sinks are closed. What
// they share, connections to the same brokers, costs some kilobytes.
package kafka

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/levada-io/levada/connector"
)

const (
	// openTry bounds one attempt to reach a cluster when a source or sink opens.
	openTry = 10 * time.Second

	// refusedFor is for how long brokers may close connections before the first answer
	// until that counts as a wrong security setting.
	refusedFor = 10 * time.Second

	// missingFor is for how long a topic may be unknown: other brokers hear of a new
	// one a little later than the one that created it.
	missingFor = 2 * time.Second

	// leaveFor bounds Close beside its context.
	leaveFor = 10 * time.Second
)

// embeddedCluster is the name that package broker gives its cluster.
const embeddedCluster = "levada-embedded"

// session implements connector.Session.
type session struct {
	opts   *Options
	health *health
	client *kgo.Client // metadata, offsets, writing
	admin  *kadm.Client
	ctx    context.Context // of the clients: cancel ends what they still wait for
	cancel context.CancelFunc
	once   sync.Once // closes client

	// writing is the context of all that is handed to a client to be written. It ends at
	// the first refusal, which is its cause.
	writing context.Context
	refuse  context.CancelCauseFunc

	embedded atomic.Bool // the broker is the one of package broker

	mu       sync.Mutex // guards all below
	source   *source
	batchMax map[string]int32 // by topic: what it takes in one batch
	closed   bool
}

// Open is the connector.Opener of this package; opts is an *Options.
//
// # Errors
//
// Options of another type or with mistakes, as a *connector.Error, Misconfig.
func Open(_ context.Context, opts any) (connector.Session, error) {
	o, ok := opts.(*Options)
	if !ok {
		return nil, &connector.Error{
			Reason: connector.Misconfig, Place: "kafka",
			Err: fmt.Errorf("BUG: expected options of type *kafka.Options, got %T", opts),
		}
	}
	return open(o)
}

func open(o *Options) (*session, error) {
	if err := o.Validate(); err != nil {
		return nil, &connector.Error{Reason: connector.Misconfig, Place: "deployment", Err: err}
	}
	o = o.withDefaults()
	ctx, cancel := context.WithCancel(context.Background())
	s := &session{opts: o, health: newHealth(o), ctx: ctx, cancel: cancel, batchMax: map[string]int32{}}
	s.writing, s.refuse = context.WithCancelCause(context.Background())
	client, err := s.producer()
	if err != nil {
		cancel()
		return nil, err
	}
	s.client = client
	s.admin = kadm.NewClient(client)
	// Whoever waits for an acknowledgement must hear that none will come.
	context.AfterFunc(s.health.ctx, s.closeClient)
	return s, nil
}

// producer makes a client for metadata, offsets and writing.
func (s *session) producer(more ...kgo.Opt) (*kgo.Client, error) {
	client, err := kgo.NewClient(append(append(append(s.opts.base(), s.opts.writing()...),
		kgo.WithContext(s.ctx),
		kgo.WithHooks(s.health),
		kgo.WithLogger(refusals(func(r *refusal) { s.refuse(r) })),
		kgo.ProducerBatchMaxBytesFn(s.batchMaxBytes),
	), more...)...)
	if err != nil {
		return nil, &connector.Error{Reason: connector.Misconfig, Place: s.opts.place(), Err: err}
	}
	return client, nil
}

func (s *session) closeClient() { s.once.Do(s.client.Close) }

// topic describes a topic and proves on the way that the cluster can be reached and
// lets us in.
func (s *session) topic(ctx context.Context, name string) (kadm.TopicDetail, error) {
	var d kadm.TopicDetail
	err := s.await(ctx, name, func(ctx context.Context) (err error) {
		d, err = s.tryTopic(ctx, name)
		return err
	})
	return d, err
}

// await tries until it works, fails for good, or the budget of the session is used up.
// topic is what try is about.
func (s *session) await(ctx context.Context, topic string, try func(context.Context) error) error {
	began := time.Now()
	pause := 50 * time.Millisecond
	// The client tries again by itself what could pass, so a short first try shows
	// sooner what does not.
	patience := min(openTry, max(s.opts.Unreachable, time.Second))
	for limit := min(openTry/3, patience); ; limit = patience {
		tctx, cancel := context.WithTimeout(ctx, limit)
		err := try(tctx)
		cancel()
		if err == nil {
			return nil
		}
		if ctx.Err() != nil {
			return ctx.Err()
		}
		if herr := s.health.err(); herr != nil {
			return herr
		}
		err = s.health.cause(err)
		away := time.Since(began)
		if refused := s.health.refused(err); refused != nil && away > min(refusedFor, s.opts.Unreachable) {
			return refused
		}
		switch {
		case errors.Is(err, kerr.UnknownTopicOrPartition):
			if away > missingFor {
				return s.missing(topic)
			}
		default:
			place := s.opts.place()
			if errors.Is(err, kerr.TopicAuthorizationFailed) || errors.Is(err, kerr.InvalidTopicException) {
				place = topicPlace(topic)
			}
			if fault := s.fault(place, err); fault != nil {
				return fault
			}
			if _, ok := errors.AsType[*kerr.Error](err); ok && !passing(err) {
				return &connector.Error{Reason: connector.Misconfig, Place: place, Err: err}
			}
			if away > s.opts.Unreachable {
				return s.health.unreachable(err)
			}
		}
		select {
		case <-time.After(pause):
			pause = min(2*pause, time.Second)
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

func (s *session) tryTopic(ctx context.Context, name string) (kadm.TopicDetail, error) {
	m, err := s.admin.Metadata(ctx, name)
	if err != nil {
		return kadm.TopicDetail{}, err
	}
	if m.Cluster == embeddedCluster {
		s.embedded.Store(true)
	}
	d := m.Topics[name]
	if d.Err == nil && len(d.Partitions) == 0 {
		d.Err = kerr.UnknownTopicOrPartition
	}
	return d, d.Err
}

// Sink implements connector.Session.
func (s *session) Sink(ctx context.Context, cfg connector.SinkConfig) (connector.Sink, error) {
	if _, err := s.topic(ctx, cfg.Stream); err != nil {
		return nil, err
	}
	s.learnBatchMax(ctx, cfg.Stream)
	return newSink(s, s.client, cfg.Stream), nil
}

// learnBatchMax asks what the topic takes, so that no batch is made that the broker
// refuses for one record in it. Who may not ask gets the usual limit.
func (s *session) learnBatchMax(ctx context.Context, topic string) {
	ctx, cancel := context.WithTimeout(ctx, openTry)
	defer cancel()
	rcs, err := s.admin.DescribeTopicConfigs(ctx, topic)
	if err != nil {
		return
	}
	for _, rc := range rcs {
		for _, c := range rc.Configs {
			var n int32
			if c.Key == "max.message.bytes" && c.Value != nil {
				if _, err := fmt.Sscan(*c.Value, &n); err == nil {
					s.mu.Lock()
					s.batchMax[topic] = min(max(n, 512), 1<<30)
					s.mu.Unlock()
				}
			}
		}
	}
}

func (s *session) batchMaxBytes(topic string) int32 {
	s.mu.Lock()
	defer s.mu.Unlock()
	if n, ok := s.batchMax[topic]; ok {
		return n
	}
	return 1_000_012 // the client's own default
}

// Source implements connector.Session. The member joins its group at the first Poll.
func (s *session) Source(ctx context.Context, cfg connector.SourceConfig, a connector.Assignee) (connector.Source, error) {
	place := fmt.Sprintf("step %q", cfg.Step)
	if cfg.Group == "" {
		return nil, &connector.Error{Reason: connector.Misconfig, Place: place, Err: errors.New("expected a consumer group, got none")}
	}
	switch cfg.Start {
	case "", connector.Earliest, connector.Latest:
	default:
		return nil, &connector.Error{
			Reason: connector.Misconfig, Place: place,
			Err: fmt.Errorf("start: expected %s or %s, got %q", connector.Earliest, connector.Latest, cfg.Start),
		}
	}
	d, err := s.topic(ctx, cfg.Stream)
	if err != nil {
		return nil, err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.source != nil {
		return nil, fmt.Errorf("BUG: kafka: a second source in one session")
	}
	s.source = newSource(s, cfg, a, d)
	return s.source, nil
}

// Close implements connector.Session. It takes no longer than ctx or ten seconds: what
// the brokers do not answer by then they are not asked again.
func (s *session) Close(ctx context.Context) error {
	s.mu.Lock()
	source, closed := s.source, s.closed
	s.closed = true
	s.mu.Unlock()
	if closed {
		return nil
	}
	done := make(chan struct{})
	go func() {
		defer close(done)
		if source != nil {
			source.leave()
		}
		s.closeClient()
	}()
	late := time.NewTimer(leaveFor)
	defer late.Stop()
	select {
	case <-done:
	case <-ctx.Done():
	case <-late.C:
	}
	s.health.fail(errClosed)
	s.cancel() // whatever a client still waits for fails now
	select {
	case <-done:
		return nil
	case <-time.After(2 * time.Second):
		return fmt.Errorf("%s: the session did not close in time; the group forgets the member after %v", s.opts.place(), s.opts.SessionTimeout)
	}
}
