//go:build e2e

package e2e

import (
	"context"
	"errors"
	"fmt"
	"os"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kgo"
)

// cluster is the Kafka of a test.
type cluster struct {
	t     testing.TB
	addr  string // of more than one broker: with commas between
	admin *kadm.Client

	copies int16 // of each topic; 0: one
}

var topicNumber atomic.Int64

// kafka is the cluster that the suite runs on: the embedded one in a process of its
// own, per test, or the real one.
func kafka(t testing.TB) *cluster {
	t.Helper()
	c := &cluster{t: t}
	if os.Getenv("LEVADA_REAL_KAFKA") != "" {
		c.addr = realKafka(t)
	} else {
		b := start(t, t.TempDir(), levada(t), "broker", "--addr", "127.0.0.1:0", "--json")
		c.addr = b.expect(`"address":"([^"]+)"`)[1]
	}
	c.admin = kadm.NewClient(c.client())
	return c
}

func (c *cluster) client(opts ...kgo.Opt) *kgo.Client {
	c.t.Helper()
	cl, err := kgo.NewClient(append([]kgo.Opt{
		kgo.SeedBrokers(strings.Split(c.addr, ",")...),
		kgo.RequestTimeoutOverhead(time.Minute),
		kgo.RecordPartitioner(kgo.ManualPartitioner()),
		kgo.MetadataMinAge(100 * time.Millisecond),
	}, opts...)...)
	if err != nil {
		c.t.Fatal(err)
	}
	c.t.Cleanup(cl.Close)
	return cl
}

func (c *cluster) context() (context.Context, context.CancelFunc) {
	return context.WithTimeout(context.Background(), patience)
}

// topic creates a topic with a name that no other test has.
func (c *cluster) topic(partitions int32) string {
	c.t.Helper()
	ctx, cancel := c.context()
	defer cancel()
	name := fmt.Sprintf("e2e-%d-%d-%d", os.Getpid(), time.Now().UnixNano(), topicNumber.Add(1))
	if _, err := c.admin.CreateTopic(ctx, partitions, max(c.copies, 1), nil, name); err != nil {
		c.t.Fatal(err)
	}
	return name
}

// produce writes records and returns when they are there.
func (c *cluster) produce(recs []*kgo.Record, opts ...kgo.Opt) {
	c.t.Helper()
	ctx, cancel := c.context()
	defer cancel()
	cl := c.client(opts...)
	if err := cl.ProduceSync(ctx, recs...).FirstErr(); err != nil {
		c.t.Fatal(err)
	}
}

// numbered are records {"id": i} for i in [from, to), spread over the partitions.
func numbered(topic string, partitions, from, to int) []*kgo.Record {
	recs := make([]*kgo.Record, 0, to-from)
	for i := from; i < to; i++ {
		recs = append(recs, &kgo.Record{
			Topic: topic, Partition: int32(i % partitions),
			Key:   fmt.Appendf(nil, "k%d", i%17),
			Value: fmt.Appendf(nil, `{"id":%d}`, i),
		})
	}
	return recs
}

// reader reads topics from their beginning, committed records only.
type reader struct {
	c    *cluster
	cl   *kgo.Client
	recs []*kgo.Record
}

func (c *cluster) read(topics ...string) *reader {
	return &reader{c: c, cl: c.client(
		kgo.ConsumeTopics(topics...),
		kgo.ConsumeStartOffset(kgo.NewOffset().AtStart()),
		kgo.FetchIsolationLevel(kgo.ReadCommitted()),
	)}
}

// until reads until n records are there or enough says so.
func (r *reader) until(what string, enough func(recs []*kgo.Record) bool) {
	r.c.t.Helper()
	ctx, cancel := r.c.context()
	defer cancel()
	for !enough(r.recs) {
		fs := r.cl.PollFetches(ctx)
		fs.EachRecord(func(rec *kgo.Record) { r.recs = append(r.recs, rec) })
		if errors.Is(ctx.Err(), context.DeadlineExceeded) {
			r.c.t.Fatalf("expected %s, got %d records", what, len(r.recs))
		}
	}
}

// toEnd reads what is there now, to the last record.
func (r *reader) toEnd(topics ...string) {
	r.c.t.Helper()
	ctx, cancel := r.c.context()
	defer cancel()
	var ends kadm.ListedOffsets
	r.c.poll("the ends of the topics", func() (ok bool, err error) {
		// A new leader does not know for a moment what was acknowledged.
		if ends, err = r.c.admin.ListEndOffsets(ctx, topics...); err == nil {
			err = ends.Error()
		}
		return err == nil, err
	})
	next := map[string]int64{}
	for _, rec := range r.recs {
		next[fmt.Sprint(rec.Topic, rec.Partition)] = rec.Offset + 1
	}
	at := func() (left int64) {
		ends.Each(func(o kadm.ListedOffset) { left += max(0, o.Offset-next[fmt.Sprint(o.Topic, o.Partition)]) })
		return left
	}
	for at() > 0 {
		fs := r.cl.PollFetches(ctx)
		fs.EachRecord(func(rec *kgo.Record) {
			r.recs = append(r.recs, rec)
			next[fmt.Sprint(rec.Topic, rec.Partition)] = rec.Offset + 1
		})
		if ctx.Err() != nil {
			r.c.t.Fatalf("expected %d records more in %v, none came", at(), topics)
		}
	}
}

// lag is what a group has not committed of a topic.
func (c *cluster) lag(group, topic string) int64 {
	c.t.Helper()
	ctx, cancel := c.context()
	defer cancel()
	lags, err := c.admin.Lag(ctx, group)
	if err != nil {
		c.t.Fatal(err)
	}
	described := lags[group]
	if err := described.Error(); err != nil {
		c.t.Fatal(err)
	}
	var sum int64
	for _, p := range described.Lag[topic] {
		sum += p.Lag
	}
	return sum
}

// tally says which of the numbers [0, n) are lost and which came more than once.
func tally(n int, ids []int) (lost, duplicated []int) {
	seen := make([]int, n)
	for _, id := range ids {
		seen[id]++
	}
	for id, k := range seen {
		switch {
		case k == 0:
			lost = append(lost, id)
		case k > 1:
			duplicated = append(duplicated, id)
		}
	}
	return lost, duplicated
}

func complete(t testing.TB, n int, ids []int, duplicatesAllowed bool) {
	t.Helper()
	lost, duplicated := tally(n, ids)
	t.Logf("%d records: %d lost, %d duplicated", n, len(lost), len(duplicated))
	if len(lost) > 0 {
		t.Errorf("expected no record lost, lost %d: %v", len(lost), head(lost))
	}
	if len(duplicated) > 0 && !duplicatesAllowed {
		t.Errorf("expected no record twice, %d were: %v", len(duplicated), head(duplicated))
	}
}

func head[T any](s []T) []T { return s[:min(len(s), 20)] }

func brokers(addr string) string { return strings.Join([]string{"[", addr, "]"}, "") }
