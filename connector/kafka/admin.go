package kafka

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/levada-io/levada/connector"
	"github.com/levada-io/levada/record"
)

// ErrTopicExists is wrapped by what CreateTopic returns for a topic that is there.
var ErrTopicExists = errors.New("exists already")

// Admin looks after topics and looks at groups: what commands need beside pipelines.
// To write records where their keys lead, take a Session and its Sink.
type Admin struct {
	s *session

	mu     sync.Mutex  // guards all below
	placed *kgo.Client // writes where records say; nil before the first PlacedSink
}

// NewAdmin makes an Admin; it does not wait for the cluster, its methods do.
func NewAdmin(o *Options) (*Admin, error) {
	s, err := open(o)
	if err != nil {
		return nil, err
	}
	return &Admin{s: s}, nil
}

// Close ends the connections.
func (a *Admin) Close(ctx context.Context) error {
	a.mu.Lock()
	if a.placed != nil {
		a.placed.Close()
	}
	a.mu.Unlock()
	return a.s.Close(ctx)
}

// PlacedSink opens a sink that writes every record to the partition that it names, not
// to the one of its key: a record that is written again belongs where it was. A partition
// that the topic has not is an error of the Write.
func (a *Admin) PlacedSink(ctx context.Context, topic string) (connector.Sink, error) {
	if _, err := a.s.topic(ctx, topic); err != nil {
		return nil, err
	}
	a.s.learnBatchMax(ctx, topic)
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.placed == nil {
		client, err := a.s.producer(kgo.RecordPartitioner(kgo.ManualPartitioner()))
		if err != nil {
			return nil, err
		}
		a.placed = client
		// Whoever waits for an acknowledgement must hear that none will come.
		context.AfterFunc(a.s.health.ctx, client.Close)
	}
	return newSink(a.s, a.placed, topic), nil
}

// CreateTopic creates a topic with as many replicas as the cluster makes by default.
// partitions may be 0 for the cluster's default too; config holds settings such as
// retention.ms and may be nil.
//
// # Errors
//
// One that wraps ErrTopicExists where the topic is there, whatever its partitions.
func (a *Admin) CreateTopic(ctx context.Context, name string, partitions int32, config map[string]string) error {
	if partitions == 0 {
		partitions = -1
	}
	configs := make(map[string]*string, len(config))
	for k, v := range config {
		configs[k] = &v
	}
	err := a.s.await(ctx, name, func(ctx context.Context) error {
		_, err := a.s.admin.CreateTopic(ctx, partitions, -1, configs, name)
		if errors.Is(err, kerr.TopicAlreadyExists) {
			return &connector.Error{Reason: connector.Misconfig, Place: topicPlace(name), Err: ErrTopicExists}
		}
		return err
	})
	if err != nil {
		return err
	}
	_, err = a.s.topic(ctx, name) // other brokers hear of it a little later
	return err
}

// Position is where one partition of a topic is, and where a group is in it.
type Position struct {
	connector.Partition
	Start, End int64  // of the log; End is the last committed one
	Committed  int64  // of the group; -1: none, or no group was asked about
	Metadata   string // beside Committed
}

// Lag is how many records the group has before it; all of them where it has no
// position.
func (p Position) Lag() int64 { return p.End - max(p.Committed, p.Start) }

// Positions returns the position of every partition of a topic, by number; group may
// be empty.
func (a *Admin) Positions(ctx context.Context, topic, group string) ([]Position, error) {
	if _, err := a.s.topic(ctx, topic); err != nil {
		return nil, err
	}
	var first, last kadm.ListedOffsets
	var commits kadm.OffsetResponses
	err := a.s.await(ctx, topic, func(ctx context.Context) (err error) {
		if first, err = a.s.admin.ListStartOffsets(ctx, topic); err == nil {
			err = first.Error()
		}
		if err != nil {
			return err
		}
		if last, err = a.s.admin.ListCommittedOffsets(ctx, topic); err == nil {
			err = last.Error()
		}
		if err != nil || group == "" {
			return err
		}
		if commits, err = a.s.admin.FetchOffsets(ctx, group); err == nil {
			err = commits.Error()
		}
		if errors.Is(err, kerr.GroupIDNotFound) {
			return nil // nobody has been in it, so it has no positions
		}
		return err
	})
	if err != nil {
		return nil, err
	}
	ps := make([]Position, 0, len(first[topic]))
	for id, o := range first[topic] {
		end, _ := last.Lookup(topic, id)
		p := Position{
			Partition: connector.Partition{Topic: topic, ID: id},
			Start:     o.Offset, End: end.Offset, Committed: -1,
		}
		if c, ok := commits.Lookup(topic, id); ok {
			p.Committed, p.Metadata = c.At, c.Metadata
		}
		ps = append(ps, p)
	}
	slices.SortFunc(ps, func(a, b Position) int { return int(a.ID) - int(b.ID) })
	return ps, nil
}

// Reading says what Consume reads.
type Reading struct {
	Topic string
	Start string // connector.Earliest, the default, or connector.Latest
	ToEnd bool   // stop at what is the end now; otherwise go on until ctx ends
	// From are the offsets to begin at, or at the first one after it that is there; no
	// other partition is read. Nil: all of them, from Start.
	From map[int32]int64
}

// Consume reads a topic without a group and calls fn with what comes, in order within
// each partition, committed records only. It returns the first error of fn, nil at the
// end, and ctx.Err() when ctx ended.
func (a *Admin) Consume(ctx context.Context, r Reading, fn func([]record.Record) error) error {
	ps, err := a.Positions(ctx, r.Topic, "")
	if err != nil {
		return err
	}
	from := map[int32]kgo.Offset{}
	left := map[int32]int64{} // where the partitions end that are not at their end
	for _, p := range ps {
		at := p.Start
		if r.Start == connector.Latest {
			at = p.End
		}
		if r.From != nil {
			offset, named := r.From[p.ID]
			if !named {
				continue
			}
			at = max(offset, p.Start)
		}
		from[p.ID] = kgo.NewOffset().At(at)
		if !r.ToEnd || at < p.End {
			left[p.ID] = p.End
		}
	}
	if r.ToEnd && len(left) == 0 {
		return nil
	}
	o := a.s.opts
	cl, err := kgo.NewClient(append(append(o.base(), o.reading()...),
		kgo.WithHooks(a.s.health),
		kgo.FetchIsolationLevel(kgo.ReadCommitted()),
		kgo.KeepControlRecords(), // the end of a topic may be one
		kgo.ConsumePartitions(map[string]map[int32]kgo.Offset{r.Topic: from}),
	)...)
	if err != nil {
		return fmt.Errorf("BUG: kafka: %w", err)
	}
	defer cl.Close()
	pctx, cancel := context.WithCancel(ctx)
	defer cancel()
	defer context.AfterFunc(a.s.health.ctx, cancel)()
	for {
		fs := cl.PollFetches(pctx)
		var failed error
		fs.EachPartition(func(tp kgo.FetchTopicPartition) {
			if tp.Err != nil && failed == nil && !ended(tp.Err) && !passing(tp.Err) {
				place := connector.Partition{Topic: tp.Topic, ID: tp.Partition}.String()
				if failed = fmt.Errorf("%s: fetch: %w", place, tp.Err); judge(tp.Err).reason != 0 {
					failed = a.s.fault(place, tp.Err)
				}
			}
			end, open := left[tp.Partition]
			if !open || len(tp.Records) == 0 || failed != nil {
				return
			}
			recs := records(tp.Records)
			if r.ToEnd {
				recs = slices.DeleteFunc(recs, func(r record.Record) bool { return r.Offset >= end })
				if tp.Records[len(tp.Records)-1].Offset >= end-1 {
					delete(left, tp.Partition)
				}
			}
			if len(recs) > 0 {
				failed = fn(recs)
			}
		})
		switch {
		case failed != nil:
			return failed
		case r.ToEnd && len(left) == 0:
			return nil
		case a.s.health.err() != nil:
			return a.s.health.err()
		case ctx.Err() != nil:
			return ctx.Err()
		}
	}
}
