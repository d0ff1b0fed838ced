//go:build synctests

package sim

import (
	"context"
	"encoding/binary"
	"fmt"
	"hash/crc32"
	"net"
	"strings"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kbin"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/levada-io/levada/connector"
	"github.com/levada-io/levada/internal/keeper"
	"github.com/levada-io/levada/record"
)

const (
	group    = "g"
	brokers  = 3
	port     = 9092 // of the first broker
	inputs   = "in"
	inParts  = 6
	outParts = 2 // of the sinks that are written by key
)

// cluster is the Kafka of a simulation. The test writes and reads over a line of its own
// that nothing happens to, with requests that no fault is made for: what is written is
// stored once, and what is stored is seen.
type cluster struct {
	*kfake.Cluster
	t      *testing.T
	net    *network
	client *kgo.Client
	ids    map[string][16]byte           // of topics
	read   map[connector.Partition]int64 // offset to read next
}

func newCluster(t *testing.T) *cluster {
	c := &cluster{t: t, net: &network{keeper: keeper.New()}, ids: map[string][16]byte{}, read: map[connector.Partition]int64{}}
	var ports []int
	for i := range brokers {
		ports = append(ports, port+i)
	}
	var err error
	c.Cluster, err = kfake.NewCluster(
		kfake.NumBrokers(brokers),
		kfake.Ports(ports...),
		// The name tells the connector that this is no real Kafka: see
		// docs/decisions/0006-how-is-a-bad-day-simulated.md.
		kfake.ClusterID("levada-embedded"),
		kfake.ListenFn(c.net.listen),
		kfake.SeedTopics(inParts, inputs),
		kfake.SeedTopics(outParts, left, right, letters),
		// Batches have no key: between two partitions they have no order.
		kfake.SeedTopics(1, batches),
	)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(c.Close)
	if err := c.net.keeper.Start(c.Cluster, c.net.DialContext); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(c.net.keeper.Close)
	c.client, err = kgo.NewClient(
		kgo.SeedBrokers(c.ListenAddrs()...),
		kgo.Dialer(c.net.DialContext),
		kgo.ConnIdleTimeout(15*time.Minute), // the longest there is
		kgo.DisableClientMetrics(),
	)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(c.client.Close)
	if _, err := kmsg.NewPtrMetadataRequest().RequestWith(t.Context(), c.client); err != nil {
		t.Fatal(err)
	}
	for _, topic := range append([]string{inputs}, outputs...) {
		c.ids[topic] = c.TopicInfo(topic).TopicID
		for i := range int32(len(c.PartitionInfos(topic))) {
			c.read[connector.Partition{Topic: topic, ID: i}] = 0
		}
	}
	// Every connection that will be needed is made before the first fault.
	for b := range int32(brokers) {
		produce, fetch := kmsg.NewPtrProduceRequest(), kmsg.NewPtrFetchRequest()
		produce.Acks, fetch.SessionEpoch = -1, -1
		c.ask(b, produce)
		c.ask(b, fetch)
	}
	return c
}

// append writes records to a partition of the input and returns the offset of the first.
func (c *cluster) append(partition int32, recs []record.Record) int64 {
	req := kmsg.NewPtrProduceRequest()
	req.Acks, req.TimeoutMillis = -1, 10_000
	t := kmsg.NewProduceRequestTopic()
	t.Topic, t.TopicID = inputs, c.ids[inputs]
	p := kmsg.NewProduceRequestTopicPartition()
	p.Partition, p.Records = partition, encode(recs)
	t.Partitions = append(t.Partitions, p)
	req.Topics = append(req.Topics, t)
	for {
		resp := c.ask(c.LeaderFor(inputs, partition), req).(*kmsg.ProduceResponse)
		got := resp.Topics[0].Partitions[0]
		switch err := kerr.ErrorForCode(got.ErrorCode); err {
		case nil:
			return got.BaseOffset
		case kerr.NotLeaderForPartition: // it moved in between
		default:
			panicf("append to %s[%d]: %v", inputs, partition, err)
		}
	}
}

// encode makes the batch of the protocol.
func encode(recs []record.Record) []byte {
	b := kmsg.RecordBatch{
		PartitionLeaderEpoch: -1, Magic: 2,
		LastOffsetDelta: int32(len(recs) - 1), NumRecords: int32(len(recs)),
		ProducerID: -1, ProducerEpoch: -1, FirstSequence: -1,
		FirstTimestamp: time.Now().UnixMilli(), MaxTimestamp: time.Now().UnixMilli(),
	}
	for i, r := range recs {
		body := []byte{0} // attributes
		body = kbin.AppendVarlong(body, 0)
		body = kbin.AppendVarint(body, int32(i))
		body = kbin.AppendVarintBytes(body, r.Key)
		body = kbin.AppendVarintBytes(body, r.Value)
		body = kbin.AppendVarint(body, 0) // headers
		b.Records = append(kbin.AppendVarint(b.Records, int32(len(body))), body...)
	}
	raw := b.AppendTo(nil)
	binary.BigEndian.PutUint32(raw[8:], uint32(len(raw)-12))
	binary.BigEndian.PutUint32(raw[17:], crc32.Checksum(raw[21:], crc32.MakeTable(crc32.Castagnoli)))
	return raw
}

// ask sends a request to one broker.
func (c *cluster) ask(node int32, req kmsg.Request) kmsg.Response {
	var err error
	for range 10 {
		ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
		var resp kmsg.Response
		resp, err = c.client.Broker(int(node)).Request(ctx, req)
		cancel()
		if err == nil {
			return resp
		}
		// Nothing breaks this line, so the request was not sent: a connection that had
		// nothing to do for long is made anew, and asks a broker for its versions first.
		<-time.After(100 * time.Millisecond)
	}
	panic(fmt.Sprintf("BUG: %s: %v", kmsg.NameForKey(req.Key()), err))
}

// fetch returns what is new in a partition.
func (c *cluster) fetch(p connector.Partition) []*kgo.Record {
	req := kmsg.NewPtrFetchRequest()
	req.MaxWaitMillis, req.MaxBytes, req.SessionEpoch, req.IsolationLevel = 0, 50<<20, -1, 1
	t := kmsg.NewFetchRequestTopic()
	t.Topic, t.TopicID = p.Topic, c.ids[p.Topic]
	tp := kmsg.NewFetchRequestTopicPartition()
	tp.Partition, tp.FetchOffset, tp.PartitionMaxBytes = p.ID, c.read[p], 50<<20
	t.Partitions = append(t.Partitions, tp)
	req.Topics = append(req.Topics, t)
	resp := c.ask(c.LeaderFor(p.Topic, p.ID), req).(*kmsg.FetchResponse)
	if resp.ErrorCode != 0 || len(resp.Topics) != 1 {
		panicf("fetch of %s: %v", p, kerr.ErrorForCode(resp.ErrorCode))
	}
	rp := &resp.Topics[0].Partitions[0]
	switch err := kerr.ErrorForCode(rp.ErrorCode); err {
	case nil:
	case kerr.NotLeaderForPartition:
		return nil // it moved in between; the next turn asks its new leader
	default:
		panicf("fetch of %s: %v", p, err)
	}
	fp, next := kgo.ProcessFetchPartition(kgo.ProcessFetchPartitionOpts{
		Topic: p.Topic, Partition: p.ID, Offset: c.read[p], IsolationLevel: kgo.ReadCommitted(),
	}, rp, kgo.DefaultDecompressor(), nil)
	if fp.Err != nil {
		panicf("fetch of %s: %v", p, fp.Err)
	}
	c.read[p] = next
	return fp.Records
}

// news calls f for everything that the outputs hold and that it was not called for,
// partition by partition.
func (c *cluster) news(f func(r *kgo.Record)) {
	for p := range c.read {
		if p.Topic == inputs {
			continue
		}
		for c.read[p] < c.PartitionInfo(p.Topic, p.ID).HighWatermark {
			for _, r := range c.fetch(p) {
				f(r)
			}
		}
	}
}

// positions are what the group has committed; -1 where it has nothing.
func (c *cluster) positions() [inParts]int64 {
	var at [inParts]int64
	for i := range at {
		at[i] = -1
	}
	if g := c.GroupInfo(group); g != nil {
		for p, commit := range g.Commits[inputs] {
			at[p] = commit.Offset
		}
	}
	return at
}

// ofMembers says that a request is not one of the test's own.
func (c *cluster) ofMembers(req kmsg.Request) bool {
	switch r := req.(type) {
	case *kmsg.FetchRequest:
		return r.SessionEpoch != -1
	case *kmsg.ProduceRequest:
		for _, t := range r.Topics {
			if t.Topic == inputs || t.TopicID == c.ids[inputs] {
				return false
			}
		}
	}
	return true
}

func addresses() []string {
	var as []string
	for i := range brokers {
		as = append(as, net.JoinHostPort("127.0.0.1", fmt.Sprint(port+i)))
	}
	return as
}

// describe shows the group, for a run that does not come to its end.
func (c *cluster) describe() string {
	g := c.GroupInfo(group)
	if g == nil {
		return "no group"
	}
	var b strings.Builder
	fmt.Fprintf(&b, "group %s, generation %d, coordinator %d\n", g.State, g.Epoch, c.CoordinatorFor(group))
	for _, m := range g.Members {
		fmt.Fprintf(&b, "  %s %v\n", m.MemberID, m.Assignment[inputs])
	}
	at := c.positions()
	for _, p := range c.PartitionInfos(inputs) {
		fmt.Fprintf(&b, "  %s[%d] committed %d of %d, leader %d\n", inputs, p.Partition, at[p.Partition], p.HighWatermark, p.Leader)
	}
	return b.String()
}

// panicf ends the test from whatever goroutine.
func panicf(format string, args ...any) { panic(fmt.Sprintf("BUG: "+format, args...)) }
