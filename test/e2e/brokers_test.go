//go:build e2e

package e2e

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/levada-io/levada/internal/testing/realkafka"
	"github.com/levada-io/levada/internal/testing/verify"
)

func kill(t testing.TB, k *realkafka.Kafka) {
	t.Helper()
	if err := k.Kill(); err != nil {
		t.Fatal(err)
	}
}

func restart(t testing.TB, k *realkafka.Kafka) {
	t.Helper()
	if err := k.Restart(t.Context()); err != nil {
		t.Fatal(err)
	}
}

// flow is a pipeline with the account of what goes through it.
type flow struct {
	*app
	c       *cluster
	in, out string
	next    int
	seen    map[int64]bool // ids that came out
	books   *verify.Verifier
	reader  *reader
	told    int // records of the reader that the books know
}

func newFlow(c *cluster, partitions int32, settings string) *flow {
	c.t.Helper()
	f := &flow{c: c, in: c.topic(partitions), out: c.topic(partitions), books: verify.New(nil), seen: map[int64]bool{}}
	f.app = newApp(c, passOn, map[string]string{"in": f.in, "out": f.out}, "lanes: 2\n"+settings)
	f.reader = c.read(f.out)
	return f
}

// kafka adds a line to the section kafka of the deployment.
func (f *flow) kafka(line string) {
	f.t.Helper()
	text, err := os.ReadFile(filepath.Join(f.dir, "deployment.yaml"))
	if err != nil {
		f.t.Fatal(err)
	}
	f.write("deployment.yaml", strings.Replace(string(text), "kafka:\n", "kafka:\n  "+line+"\n", 1))
}

// feed writes n records to the partitions [from, to) and tells the books of them.
func (f *flow) feed(n, from, to int) {
	f.c.t.Helper()
	ctx, cancel := f.c.context()
	defer cancel()
	cl := f.c.client()
	defer cl.Close()
	recs := numbered(f.in, to-from, f.next, f.next+n)
	for _, r := range recs {
		r.Partition += int32(from)
	}
	f.next += n
	if err := cl.ProduceSync(ctx, recs...).FirstErr(); err != nil {
		f.c.t.Fatal(err)
	}
	slices.SortStableFunc(recs, func(a, b *kgo.Record) int { return int(a.Offset - b.Offset) })
	for _, r := range recs {
		f.books.Add(verify.Input{
			ID: number(f.t, r.Value), Topic: r.Topic, Partition: r.Partition, Offset: r.Offset, Key: string(r.Key),
		})
	}
}

func number(t testing.TB, value []byte) int64 {
	t.Helper()
	digits, _, _ := bytes.Cut(bytes.TrimPrefix(value, []byte(`{"id":`)), []byte("}"))
	id, err := strconv.ParseInt(string(digits), 10, 64)
	if err != nil {
		t.Fatalf("expected {\"id\": number}, got %s", value)
	}
	return id
}

// some waits until n inputs have come out, those that came before among them.
func (f *flow) some(n int) {
	f.c.t.Helper()
	at := 0
	f.reader.until(fmt.Sprintf("%d of %d inputs", n, f.next), func(recs []*kgo.Record) bool {
		for ; at < len(recs); at++ {
			f.seen[number(f.t, recs[at].Value)] = true
		}
		return len(f.seen) >= n
	})
}

// observe tells the books what is committed and what has come out.
func (f *flow) observe() {
	f.c.t.Helper()
	ctx, cancel := f.c.context()
	defer cancel()
	var at kadm.OffsetResponses
	f.c.poll("the positions of the group", func() (ok bool, err error) {
		at, err = f.c.admin.FetchOffsets(ctx, f.group())
		return err == nil && at.Error() == nil, err
	})
	f.reader.toEnd(f.out)
	for _, r := range f.reader.recs[f.told:] {
		f.books.Delivered("", verify.Place{Topic: r.Topic, Partition: r.Partition, Offset: r.Offset}, number(f.t, r.Value))
	}
	f.told = len(f.reader.recs)
	at.Each(func(o kadm.OffsetResponse) { f.books.Committed(o.Topic, o.Partition, o.At) })
}

// finish stops the pipeline, lets another one drain the rest and closes the books.
func (f *flow) finish(p *process) {
	f.c.t.Helper()
	f.observe()
	p.signal(syscall.SIGTERM)
	p.wait(0)
	f.close()
}

// close drains what is left and closes the books.
func (f *flow) close() {
	f.c.t.Helper()
	f.observe()
	f.drain()
	f.observe()
	report := f.books.Report()
	f.t.Log(report)
	if err := report.Err(); err != nil {
		f.t.Error(err)
	}
	if lag := f.c.lag(f.group(), f.in); lag != 0 {
		f.t.Errorf("expected lag 0, got %d", lag)
	}
}

// A broker that is killed in mid-stream and comes back is an interruption.
//
// Fault: broker killed and started again -> goes on: nothing is lost; what was not committed may come twice
func TestBrokerKilled(t *testing.T) {
	c, k := oneBroker(t)
	f := newFlow(c, 4, "")
	f.feed(20_000, 0, 4)
	p := f.run()
	f.some(5000)
	kill(t, k)
	restart(t, k)
	f.feed(10_000, 0, 4)
	f.some(f.next)
	f.finish(p)
}

// A pipeline that is started before its broker waits for it.
//
// Fault: broker absent at start -> goes on: it waits for the broker, within the budget, says: connection refused; trying again for 5m0s
func TestBrokerAbsentAtStart(t *testing.T) {
	c, k := oneBroker(t)
	f := newFlow(c, 2, "")
	f.feed(1000, 0, 2)
	kill(t, k)
	p := f.start()
	p.expect(`connection refused; trying again for 5m0s`)
	restart(t, k)
	p.expect(`reachable again after`)
	f.some(1000)
	f.finish(p)
}

// A broker that stays away for longer than the budget ends the pipeline, which says so;
// what was in hand comes again.
//
// Fault: broker away beyond the budget -> exit 69: what was in hand comes again after the next start, says: no broker reached for 3s: ...connection refused
func TestBrokerAwayBeyondTheBudget(t *testing.T) {
	c, k := oneBroker(t)
	f := newFlow(c, 4, "")
	f.kafka("unreachable_budget: 3s")
	f.feed(20_000, 0, 4)
	p := f.run()
	f.some(1000)
	kill(t, k)
	p.wait(69)
	p.expect(`levada: kafka ` + k.Addr() + `: no broker reached for 3s: .*connection refused\nhint: check the address and that the broker runs`)
	restart(t, k)
	f.close()
}

// The leaders of all partitions move to the next broker, again and again, while records
// are read and written.
//
// Fault: leaders move -> goes on: nothing is lost
func TestLeadersMove(t *testing.T) {
	c, _ := threeBrokers(t)
	f := newFlow(c, 4, "")
	f.feed(20_000, 0, 4)
	p := f.run()
	for range 3 {
		f.some(f.next - 15_000)
		c.moveLeaders(f.in, f.out)
		f.observe()
		f.feed(10_000, 0, 4)
	}
	f.some(f.next)
	f.finish(p)
}

// What is in a partition before the pipeline hears of it is read from its beginning.
// That the leaders move is what makes it hear soon.
//
// Fault: partitions added -> goes on: the new ones are read from their beginning
func TestPartitionsAdded(t *testing.T) {
	c, _ := threeBrokers(t)
	f := newFlow(c, 2, "")
	f.kafka("start: latest")
	p := f.run()
	c.committed(f.group(), f.in, 2)
	f.feed(2000, 0, 2)
	ctx, cancel := c.context()
	defer cancel()
	if r, err := c.admin.CreatePartitions(ctx, 3, f.in); err != nil || r.Error() != nil {
		t.Fatal(err, r.Error())
	}
	f.feed(2000, 2, 5)
	c.moveLeaders(f.in)
	f.some(4000)
	f.feed(2000, 0, 5)
	f.some(6000)
	f.finish(p)
}

// The broker that coordinates the group is killed: another one takes over, and the old
// one comes back.
//
// Fault: coordinator moves -> goes on: the coordinator is killed, another takes over, nothing is lost
func TestCoordinatorMoves(t *testing.T) {
	c, k := threeBrokers(t)
	f := newFlow(c, 4, "")
	f.feed(20_000, 0, 4)
	p := f.run()
	for range 2 {
		f.some(f.next - 15_000)
		old := c.coordinator(f.group())
		b, err := k.Broker(old)
		if err != nil {
			t.Fatal(err)
		}
		kill(t, b)
		c.poll("another coordinator", func() (bool, error) {
			now := c.coordinator(f.group())
			return now >= 0 && now != old, nil
		})
		f.feed(10_000, 0, 4)
		f.some(f.next)
		restart(t, b)
		f.observe()
		f.feed(10_000, 0, 4)
	}
	f.finish(p)
}

// A topic that is deleted under the pipeline ends it, named.
//
// Fault: topic deleted -> exit 78: the source's or the sink's; the topic is named
func TestTopicDeleted(t *testing.T) {
	for _, gone := range []string{"in", "out"} {
		t.Run(gone, func(t *testing.T) {
			t.Parallel() // the client looks for a missing topic for some time
			c := kafka(t)
			f := newFlow(c, 2, "")
			f.feed(1000, 0, 2)
			p := f.run()
			f.some(1000)
			topic := map[string]string{"in": f.in, "out": f.out}[gone]
			ctx, cancel := c.context()
			defer cancel()
			if _, err := c.admin.DeleteTopic(ctx, topic); err != nil {
				t.Fatal(err)
			}
			if gone == "out" {
				f.feed(1000, 0, 2)
			}
			p.wait(78)
			p.expect(`levada: .*` + topic + `.*\nhint: `)
		})
	}
}

// moveLeaders makes the next copy of each partition the leader.
func (c *cluster) moveLeaders(topics ...string) {
	c.t.Helper()
	ctx, cancel := c.context()
	defer cancel()
	before, err := c.admin.ListTopics(ctx, topics...)
	if err != nil {
		c.t.Fatal(err)
	}
	var order kadm.AlterPartitionAssignmentsReq
	want := kadm.TopicsSet{}
	for _, topic := range topics {
		for _, p := range before[topic].Partitions.Sorted() {
			order.Assign(topic, p.Partition, append(slices.Clone(p.Replicas[1:]), p.Replicas[0]))
			want.Add(topic, p.Partition)
		}
	}
	if r, err := c.admin.AlterPartitionAssignments(ctx, order); err != nil || r.Error() != nil {
		c.t.Fatal(err, r.Error())
	}
	c.poll("other leaders", func() (bool, error) {
		if _, err := c.admin.ElectLeaders(ctx, kadm.ElectPreferredReplica, want); err != nil {
			return false, err
		}
		now, err := c.admin.ListTopics(ctx, topics...)
		moved := err == nil
		now.EachPartition(func(p kadm.PartitionDetail) {
			moved = moved && p.Leader >= 0 && p.Leader != before[p.Topic].Partitions[p.Partition].Leader
		})
		return moved, err
	})
}

// coordinator is the node that coordinates a group; -1 while there is none.
func (c *cluster) coordinator(group string) int32 {
	c.t.Helper()
	ctx, cancel := c.context()
	defer cancel()
	r := c.admin.FindGroupCoordinators(ctx, group)[group]
	if r.Err != nil {
		return -1
	}
	return r.NodeID
}
