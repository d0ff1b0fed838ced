package kafka

import (
	"context"
	"fmt"
	"hash/crc32"
	"maps"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/levada-io/levada/connector"
	"github.com/levada-io/levada/record"
)

// behaviours are tested on the embedded Kafka and on a real one.
var behaviours = []struct {
	name string
	test func(*testing.T, *cluster)
}{
	{"AbortedTransactions", testAbortedTransactions},
	{"LatestSurvivesCrash", testLatestSurvivesCrash},
	{"LatestSurvivesMove", testLatestSurvivesMove},
	{"LatestOfTwoMembers", testLatestOfTwoMembers},
	{"TopicGrewWhileAway", testTopicGrewWhileAway},
	{"TopicGrewWhileRunning", testTopicGrewWhileRunning},
	{"CooperativeKeepsTheRest", testCooperativeKeepsTheRest},
	{"PauseEndsWithAssignment", testPauseEndsWithAssignment},
	{"RetentionPassed", testRetentionPassed},
	{"PositionBeyondEnd", testPositionBeyondEnd},
	{"OutOfRange", testOutOfRange},
	{"RetentionPassesWhileRunning", testRetentionPassesWhileRunning},
	{"RunGoesOn", testRunGoesOn},
	{"SmallTopicLimit", testSmallTopicLimit},
	{"Partitioners", testPartitioners},
	{"StaticMember", testStaticMember},
	{"TakesOver", testTakesOver},
	{"RevokeHoldsUpNobody", testRevokeHoldsUpNobody},
	{"Admin", testAdmin},
	{"PlacedSink", testPlacedSink},
}

func TestEmbedded(t *testing.T) {
	t.Parallel()
	c := embedded(t)
	for _, b := range behaviours {
		t.Run(b.name, func(t *testing.T) { b.test(t, c) })
	}
}

// groupOf is a group of its own for a test.
func groupOf(topic string) string { return "g-" + topic }

func numbers(prefix string, n int) []string {
	vs := make([]string, n)
	for i := range vs {
		vs[i] = fmt.Sprintf("%s-%d", prefix, i)
	}
	return vs
}

// once wants every value, each exactly once.
func once(t *testing.T, got map[string]int, want ...string) {
	t.Helper()
	for _, v := range want {
		if got[v] != 1 {
			t.Errorf("%q came %d times, want once", v, got[v])
		}
	}
	for v := range got {
		if !slices.Contains(want, v) {
			t.Errorf("%q came, which was not expected", v)
		}
	}
}

func admin(t *testing.T, c *cluster) *Admin {
	t.Helper()
	a, err := NewAdmin(c.options(t))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { a.Close(context.Background()) })
	return a
}

func positions(t *testing.T, c *cluster, topic, group string) []Position {
	t.Helper()
	ps, err := admin(t, c).Positions(t.Context(), topic, group)
	if err != nil {
		t.Fatal(err)
	}
	return ps
}

// testAbortedTransactions: nothing aborted is seen, and the position moves over what
// nobody sees, so that the topic ends with no lag.
func testAbortedTransactions(t *testing.T, c *cluster) {
	topic := c.topic(t, 1)
	cl := c.client(t, kgo.TransactionalID(topic), kgo.DefaultProduceTopic(topic))
	var want []string
	for i, commit := range []kgo.TransactionEndTry{kgo.TryCommit, kgo.TryAbort, kgo.TryCommit, kgo.TryAbort} {
		if err := cl.BeginTransaction(); err != nil {
			t.Fatal(err)
		}
		for _, v := range numbers(fmt.Sprint(i), 5) {
			if err := cl.ProduceSync(t.Context(), kgo.StringRecord(v)).FirstErr(); err != nil {
				t.Fatal(err)
			}
			if commit {
				want = append(want, v)
			}
		}
		if err := cl.EndTransaction(t.Context(), commit); err != nil {
			t.Fatal(err)
		}
	}
	r := read(t, c.open(t), connector.SourceConfig{Step: "in", Stream: topic, Group: groupOf(topic), Start: connector.Earliest})
	end := positions(t, c, topic, "")[0].End
	if end != 24 {
		t.Errorf("the log ends at %d, want 20 records and 4 marks", end)
	}
	r.wait("the end", func() bool { return r.owned[0] == end })
	once(t, r.values(), want...)

	ends, ok, err := r.src.(connector.Ender).End(t.Context())
	if p := (connector.Partition{Topic: topic}); err != nil || !ok || ends[p] != end {
		t.Errorf("End: %v, %v, %v; want %d", ends, ok, err, end)
	}
	p := connector.Partition{Topic: topic}
	if err := r.src.Commit(t.Context(), []connector.Commit{{Partition: p, Offset: end, Metadata: "levada/1"}}); err != nil {
		t.Fatal(err)
	}
	if got := positions(t, c, topic, groupOf(topic))[0]; got.Lag() != 0 {
		t.Errorf("lag %d at the end, want 0: %+v", got.Lag(), got)
	}
}

// testLatestSurvivesCrash: a member starts at latest, reads without committing, and is
// killed. Whoever comes next starts where it started, not at the end.
func testLatestSurvivesCrash(t *testing.T, c *cluster) {
	topic := c.topic(t, 2)
	write(t, c, topic, "", numbers("before", 20)...)
	cfg := connector.SourceConfig{Step: "in", Stream: topic, Group: groupOf(topic), Start: connector.Latest}
	short := func(o *Options) { o.SessionTimeout = 6 * time.Second } // the least that brokers allow
	first := read(t, c.open(t, short), cfg)
	first.wait("both partitions", func() bool { return len(first.owned) == 2 })
	for _, p := range positions(t, c, topic, cfg.Group) {
		if p.Committed != first.starts[p.ID] || p.Committed != p.End || p.Metadata != "levada/1 partitions=2" {
			t.Errorf("before the first record: %+v, want the start %d committed", p, first.starts[p.ID])
		}
	}
	after := numbers("after", 100)
	write(t, c, topic, "", after...)
	first.wait("the records", func() bool { return len(first.recs) == 100 })
	first.crash()

	second := read(t, c.open(t, short), cfg)
	second.wait("the records again", func() bool { return len(second.recs) >= 100 })
	once(t, second.values(), after...)
}

// testLatestSurvivesMove is the same without a crash: half of the partitions move.
func testLatestSurvivesMove(t *testing.T, c *cluster) {
	topic := c.topic(t, 4)
	write(t, c, topic, "", numbers("before", 20)...)
	cfg := connector.SourceConfig{Step: "in", Stream: topic, Group: groupOf(topic), Start: connector.Latest}
	first := read(t, c.open(t), cfg)
	first.wait("all partitions", func() bool { return len(first.owned) == 4 })
	after := numbers("after", 107)
	for _, v := range after {
		write(t, c, topic, v, v)
	}
	first.wait("the records", func() bool { return len(first.recs) == 107 })
	second := read(t, c.open(t), cfg)
	second.wait("its share", func() bool { return len(second.owned) == 2 })
	// It sees again all that the first read of its partitions: nothing was committed.
	want := map[string]int{}
	for _, rec := range first.recs {
		if _, ok := second.starts[rec.Partition]; ok {
			want[string(rec.Value)]++
		}
	}
	second.wait("the records again", func() bool { return len(second.recs) >= len(want) })
	once(t, second.values(), slices.Collect(maps.Keys(want))...)
}

// testLatestOfTwoMembers: that one member has committed its start already does not make
// the partitions of another look as if they had come later.
func testLatestOfTwoMembers(t *testing.T, c *cluster) {
	topic := c.topic(t, 2)
	write(t, c, topic, "", numbers("before", 20)...)
	cfg := connector.SourceConfig{Step: "in", Stream: topic, Group: groupOf(topic), Start: connector.Latest}
	first := read(t, c.open(t), cfg)
	first.wait("both partitions", func() bool { return len(first.owned) == 2 })
	first.close()
	// As if the first had got partition 0 only.
	adm := kadm.NewClient(c.client(t))
	if _, err := adm.DeleteOffsets(t.Context(), cfg.Group, kadm.TopicsSet{topic: {1: struct{}{}}}); err != nil {
		t.Fatal(err)
	}
	second := read(t, c.open(t), cfg)
	second.wait("both partitions", func() bool { return len(second.owned) == 2 })
	for _, p := range positions(t, c, topic, cfg.Group) {
		if second.starts[p.ID] != p.End {
			t.Errorf("%v starts at %d, want the end, %d", p.Partition, second.starts[p.ID], p.End)
		}
	}
}

// produceTo writes to one partition of a topic.
func produceTo(t *testing.T, c *cluster, topic string, partition int32, values ...string) {
	t.Helper()
	cl := c.client(t, kgo.RecordPartitioner(kgo.ManualPartitioner()))
	for _, v := range values {
		r := &kgo.Record{Topic: topic, Partition: partition, Value: []byte(v)}
		if err := cl.ProduceSync(t.Context(), r).FirstErr(); err != nil {
			t.Fatal(err)
		}
	}
}

func grow(t *testing.T, c *cluster, topic string, by int) {
	t.Helper()
	rs, err := kadm.NewClient(c.client(t)).CreatePartitions(t.Context(), by, topic)
	if err == nil {
		err = rs.Error()
	}
	if err != nil {
		t.Fatal(err)
	}
}

// testTopicGrewWhileAway: what was written to a new partition before the group knew it
// is read, although the policy is latest.
//
// Fault: partitions added -> goes on: those that came while nothing ran, too
func testTopicGrewWhileAway(t *testing.T, c *cluster) {
	topic := c.topic(t, 1)
	cfg := connector.SourceConfig{Step: "in", Stream: topic, Group: groupOf(topic), Start: connector.Latest}
	produceTo(t, c, topic, 0, "old")
	first := read(t, c.open(t), cfg)
	first.wait("the partition", func() bool { return len(first.owned) == 1 })
	first.close()

	grow(t, c, topic, 2)
	produceTo(t, c, topic, 1, "b")
	produceTo(t, c, topic, 2, "c")
	second := read(t, c.open(t), cfg)
	second.wait("the records", func() bool { return len(second.recs) >= 2 })
	once(t, second.values(), "b", "c")
	for _, p := range positions(t, c, topic, cfg.Group) {
		if p.Metadata != "levada/1 partitions=1" {
			t.Errorf("%v: metadata %q, want the birth of the group in it", p.Partition, p.Metadata)
		}
	}
}

// Fault: partitions added -> goes on: read from their beginning, even where the start is latest
func testTopicGrewWhileRunning(t *testing.T, c *cluster) {
	topic := c.topic(t, 1)
	cfg := connector.SourceConfig{Step: "in", Stream: topic, Group: groupOf(topic), Start: connector.Latest}
	produceTo(t, c, topic, 0, "old")
	r := read(t, c.open(t), cfg)
	r.wait("the partition", func() bool { return len(r.owned) == 1 })
	grow(t, c, topic, 1)
	produceTo(t, c, topic, 1, "b")
	produceTo(t, c, topic, 0, "a")
	r.wait("the records", func() bool { return len(r.recs) >= 2 })
	once(t, r.values(), "a", "b")
}

// testCooperativeKeepsTheRest: a member that joins takes its share and no more; what
// stays is not touched.
func testCooperativeKeepsTheRest(t *testing.T, c *cluster) {
	topic := c.topic(t, 4)
	cfg := connector.SourceConfig{Step: "in", Stream: topic, Group: groupOf(topic), Start: connector.Earliest}
	first := read(t, c.open(t), cfg)
	first.wait("all partitions", func() bool { return len(first.owned) == 4 })
	second := read(t, c.open(t), cfg)
	second.wait("its share", func() bool { return len(second.owned) == 2 })
	first.wait("its share", func() bool { return len(first.owned) == 2 })
	if first.revoked != 2 {
		t.Errorf("the first gave up %d partitions, want 2", first.revoked)
	}
	second.close()
	first.wait("all partitions again", func() bool { return len(first.owned) == 4 })
}

// testPauseEndsWithAssignment: a partition that was paused, went and came back is
// fetched; one that stayed is still paused.
func testPauseEndsWithAssignment(t *testing.T, c *cluster) {
	topic := c.topic(t, 2)
	cfg := connector.SourceConfig{Step: "in", Stream: topic, Group: groupOf(topic), Start: connector.Earliest}
	first := read(t, c.open(t), cfg)
	first.wait("both partitions", func() bool { return len(first.owned) == 2 })
	first.src.Pause([]connector.Partition{{Topic: topic, ID: 0}, {Topic: topic, ID: 1}}, true)
	second := read(t, c.open(t), cfg)
	second.wait("its share", func() bool { return len(second.owned) == 1 })
	var moved int32
	for id := range second.owned {
		moved = id
	}
	second.close()
	first.wait("both partitions again", func() bool { return len(first.owned) == 2 })
	produceTo(t, c, topic, 1-moved, "stayed")
	produceTo(t, c, topic, moved, "moved")
	first.wait("the record of the one that moved", func() bool { return len(first.recs) > 0 })
	once(t, first.values(), "moved")
	first.src.Pause([]connector.Partition{{Topic: topic, ID: 1 - moved}}, false)
	first.wait("the other", func() bool { return len(first.recs) > 1 })
	once(t, first.values(), "moved", "stayed")
}

// testRetentionPassed: a position before the start of the log is an error that says how
// much is gone, never a silent jump.
//
// Fault: offset out of range -> exit 65: retention was faster; it says how much is gone, says: records are gone: the log starts at 30
func testRetentionPassed(t *testing.T, c *cluster) {
	topic := c.topic(t, 1)
	cfg := connector.SourceConfig{Step: "in", Stream: topic, Group: groupOf(topic), Start: connector.Earliest}
	write(t, c, topic, "", numbers("v", 50)...)
	first := read(t, c.open(t), cfg)
	first.wait("the records", func() bool { return len(first.recs) == 50 })
	p := connector.Partition{Topic: topic}
	if err := first.src.Commit(t.Context(), []connector.Commit{{Partition: p, Offset: 10, Metadata: "levada/1"}}); err != nil {
		t.Fatal(err)
	}
	first.close()
	var offs kadm.Offsets
	offs.AddOffset(topic, 0, 30, -1)
	if _, err := kadm.NewClient(c.client(t)).DeleteRecords(t.Context(), offs); err != nil {
		t.Fatal(err)
	}
	err := read(t, c.open(t), cfg).fails()
	want := fmt.Sprintf("%s[0]@10: 20 records are gone: the log starts at 30", topic)
	if err.Reason != connector.DataGap || err.Error() != want || err.Hint == "" {
		t.Errorf("%+v\nwant DataGap, %q and a hint", err, want)
	}
}

// testPositionBeyondEnd: nor is a log that was cut below the position a reason to jump.
//
// Fault: log cut behind the position -> exit 65: no silent jump, says: the log ends at 5, before the position of the group
func testPositionBeyondEnd(t *testing.T, c *cluster) {
	topic := c.topic(t, 1)
	cfg := connector.SourceConfig{Step: "in", Stream: topic, Group: groupOf(topic), Start: connector.Earliest}
	write(t, c, topic, "", numbers("v", 5)...)
	var offs kadm.Offsets
	offs.AddOffset(topic, 0, 99, -1)
	if err := kadm.NewClient(c.client(t)).CommitAllOffsets(t.Context(), cfg.Group, offs); err != nil {
		t.Fatal(err)
	}
	err := read(t, c.open(t), cfg).fails()
	want := fmt.Sprintf("%s[0]@99: the log ends at 5, before the position of the group", topic)
	if err.Reason != connector.DataGap || err.Error() != want || err.Hint == "" {
		t.Errorf("%+v\nwant DataGap, %q and a hint", err, want)
	}
}

// testSmallTopicLimit: where a topic takes less than usual, only the record that is too
// large fails, although many fit into a batch.
//
// Fault: output record too large -> exit 65: only that record of the batch fails, says: MESSAGE_TOO_LARGE
func testSmallTopicLimit(t *testing.T, c *cluster) {
	topic := c.topic(t, 1, "max.message.bytes", "2000")
	s := c.open(t)
	defer s.Close(t.Context())
	k, err := s.Sink(t.Context(), connector.SinkConfig{Step: "out", Stream: topic})
	if err != nil {
		t.Fatal(err)
	}
	recs := make([]record.Record, 50)
	for i := range recs {
		recs[i].Value = []byte(strings.Repeat(string(rune('a'+i)), 500))
	}
	recs[7].Value = []byte(strings.Repeat("x", 3000))
	done := make(chan error, 1)
	k.Write(recs, func(err error) { done <- err })
	rerr, ok := (<-done).(connector.RecordErrors)
	if !ok || len(rerr) != 1 || rerr[0].Index != 7 || !strings.Contains(rerr.Error(), "MESSAGE_TOO_LARGE") {
		t.Errorf("got %v, want RecordErrors for record 7", rerr)
	}
	if err := k.Flush(t.Context()); err != nil {
		t.Fatal(err)
	}
	if p := positions(t, c, topic, "")[0]; p.End != 49 {
		t.Errorf("%d records are stored, want the 49 others", p.End)
	}
}

// testPartitioners: keys go where the clients of the same name put them.
func testPartitioners(t *testing.T, c *cluster) {
	const n = 7
	murmur := map[string]int32{} // as the Java client places them
	for _, k := range []string{"", "a", "key-1", "order-4711", "ÿ"} {
		murmur[k] = int32(kgo.StickyKeyPartitioner(nil).ForTopic("t").Partition(&kgo.Record{Key: []byte(k)}, n))
	}
	for _, tc := range []struct {
		partitioner string
		want        func(key string) int32
	}{
		{"", func(k string) int32 { return murmur[k] }},
		{Murmur2, func(k string) int32 { return murmur[k] }},
		{CRC32, func(k string) int32 { return int32(crc32.ChecksumIEEE([]byte(k)) % n) }},
	} {
		t.Run(tc.partitioner, func(t *testing.T) {
			topic := c.topic(t, n)
			s := c.open(t, func(o *Options) { o.Partitioner = tc.partitioner })
			defer s.Close(t.Context())
			k, err := s.Sink(t.Context(), connector.SinkConfig{Step: "out", Stream: topic})
			if err != nil {
				t.Fatal(err)
			}
			for key := range murmur {
				k.Write([]record.Record{{Key: []byte(key), Value: []byte(key)}}, func(err error) {
					if err != nil {
						t.Error(err)
					}
				})
			}
			if err := k.Flush(t.Context()); err != nil {
				t.Fatal(err)
			}
			err = admin(t, c).Consume(t.Context(), Reading{Topic: topic, ToEnd: true}, func(recs []record.Record) error {
				for _, r := range recs {
					if want := tc.want(string(r.Value)); r.Partition != want {
						t.Errorf("key %q went to %d, want %d", r.Value, r.Partition, want)
					}
				}
				return nil
			})
			if err != nil {
				t.Fatal(err)
			}
		})
	}
}

// testCompactedTopicWantsKey: what a broker refuses for a reason of its own is a clear
// error. The embedded one takes the record.
func testCompactedTopicWantsKey(t *testing.T, c *cluster) {
	topic := c.topic(t, 1, "cleanup.policy", "compact")
	s := c.open(t)
	defer s.Close(t.Context())
	k, err := s.Sink(t.Context(), connector.SinkConfig{Step: "out", Stream: topic})
	if err != nil {
		t.Fatal(err)
	}
	done := make(chan error, 1)
	k.Write([]record.Record{{Value: []byte("no key")}}, func(err error) { done <- err })
	e, ok := (<-done).(*connector.Error)
	if !ok || e.Reason != connector.Misconfig || !strings.Contains(e.Hint, "compacted topic wants a key") {
		t.Errorf("got %+v, want Misconfig with a hint", e)
	}
}

// testStaticMember: it leaves its partitions with the group when it closes, and gets
// them back with no rebalance.
//
// Fault: a static member starts again -> goes on: it has its partitions back without a rebalance
// Fault: instance id used twice -> exit 75: the member that came first is told and ends, says: FENCED_INSTANCE_ID
func testStaticMember(t *testing.T, c *cluster) {
	topic := c.topic(t, 2)
	cfg := connector.SourceConfig{Step: "in", Stream: topic, Group: groupOf(topic), Start: connector.Earliest}
	static := func(o *Options) { o.InstanceID = "pipeline-0" }
	first := read(t, c.open(t, static), cfg)
	first.wait("both partitions", func() bool { return len(first.owned) == 2 })
	write(t, c, topic, "k", "a")
	first.wait("the record", func() bool { return len(first.recs) == 1 })
	p := connector.Partition{Topic: topic, ID: first.recs[0].Partition}
	if err := first.src.Commit(t.Context(), []connector.Commit{{Partition: p, Offset: 1, Metadata: "levada/1"}}); err != nil {
		t.Fatal(err)
	}
	_, generation := first.src.(*source).client.GroupMetadata()
	first.close()
	gs, err := kadm.NewClient(c.client(t)).DescribeGroups(t.Context(), cfg.Group)
	if err != nil || len(gs[cfg.Group].Members) != 1 {
		t.Errorf("after Close the group has %+v, %v; want the static member in it", gs[cfg.Group].Members, err)
	}
	second := read(t, c.open(t, static), cfg)
	second.wait("both partitions", func() bool { return len(second.owned) == 2 })
	if second.starts[p.ID] != 1 {
		t.Errorf("starts at %d, want the committed 1", second.starts[p.ID])
	}
	if _, now := second.src.(*source).client.GroupMetadata(); now != generation {
		t.Errorf("generation %d after the restart, %d before: a rebalance", now, generation)
	}

	// The same name a second time: the one that came first has to go.
	third := read(t, c.open(t, static), cfg)
	expect(t, second.fails(), connector.Fenced, fmt.Sprintf("group %q: FENCED_INSTANCE_ID", cfg.Group), "hint: another member uses the same instance_id")
	third.wait("both partitions", func() bool { return len(third.owned) == 2 })
}

// testTakesOver: a group that another client has worked with goes on exactly where that
// one was, with nothing beside its positions; and the other client goes on where we were.
//
// Fault: a group of another client -> goes on: its positions are taken over unchanged, and it can read ours
func testTakesOver(t *testing.T, c *cluster) {
	for _, protocol := range []string{CooperativeSticky, Range, KIP848} {
		t.Run(protocol, func(t *testing.T) {
			topic := c.topic(t, 3)
			for id := range int32(3) {
				produceTo(t, c, topic, id, numbers(fmt.Sprint("p", id), 10)...)
			}
			group := groupOf(topic)
			// Another client reads seven of each partition in a group, commits, and leaves.
			other := func() *kgo.Client {
				return c.client(t, kgo.ConsumerGroup(group), kgo.ConsumeTopics(topic), kgo.DisableAutoCommit(),
					kgo.ConsumeResetOffset(kgo.NewOffset().AtStart()), kgo.Balancers(kgo.RangeBalancer()))
			}
			cl := other()
			seen := map[int32]int{}
			for seen[0] < 7 || seen[1] < 7 || seen[2] < 7 {
				fs := cl.PollRecords(t.Context(), 100)
				if err := fs.Err(); err != nil {
					t.Fatal(err)
				}
				fs.EachRecord(func(r *kgo.Record) { seen[r.Partition]++ })
			}
			at := kgo.EpochOffset{Epoch: -1, Offset: 7}
			commit := map[string]map[int32]kgo.EpochOffset{topic: {0: at, 1: at, 2: at}}
			cl.CommitOffsetsSync(t.Context(), commit, func(_ *kgo.Client, _ *kmsg.OffsetCommitRequest, _ *kmsg.OffsetCommitResponse, err error) {
				if err != nil {
					t.Error(err)
				}
			})
			cl.Close()

			// Latest, since a position that were not seen would show as nothing read.
			r := read(t, c.open(t, func(o *Options) { o.Protocol = protocol }),
				connector.SourceConfig{Step: "in", Stream: topic, Group: group, Start: connector.Latest})
			r.wait("the rest", func() bool { return len(r.recs) >= 9 })
			var want []string
			for id := range 3 {
				want = append(want, numbers(fmt.Sprint("p", id), 10)[7:]...)
			}
			once(t, r.values(), want...)
			for _, p := range positions(t, c, topic, group) {
				if p.Committed != 7 {
					t.Errorf("%v: the position was changed to %d", p.Partition, p.Committed)
				}
			}
			var ours []connector.Commit
			for id := range int32(3) {
				ours = append(ours, connector.Commit{Partition: connector.Partition{Topic: topic, ID: id}, Offset: 9, Metadata: "levada/1"})
			}
			if err := r.src.Commit(t.Context(), ours); err != nil {
				t.Fatal(err)
			}
			r.close()
			for _, p := range positions(t, c, topic, group) {
				if p.Committed != 9 {
					t.Errorf("%v: the group has %d, want 9", p.Partition, p.Committed)
				}
			}
			if protocol == KIP848 {
				return // a broker may not let a member of the classic protocol back in
			}

			back := other()
			got := map[string]int{}
			for len(got) < 3 {
				fs := back.PollRecords(t.Context(), 100)
				if err := fs.Err(); err != nil {
					t.Fatal(err)
				}
				fs.EachRecord(func(r *kgo.Record) { got[string(r.Value)]++ })
			}
			once(t, got, "p0-9", "p1-9", "p2-9")
		})
	}
}

func testAdmin(t *testing.T, c *cluster) {
	a := admin(t, c)
	topic := c.topic(t, 1) + "-made"
	if err := a.CreateTopic(t.Context(), topic, 3, map[string]string{"retention.ms": "60000"}); err != nil {
		t.Fatal(err)
	}
	err := a.CreateTopic(t.Context(), topic, 3, nil)
	if want := fmt.Sprintf("topic %q: exists already", topic); err == nil || err.Error() != want {
		t.Errorf("created again: %v, want %q", err, want)
	}
	ps := positions(t, c, topic, "")
	if len(ps) != 3 || ps[2] != (Position{Partition: connector.Partition{Topic: topic, ID: 2}, Committed: -1}) {
		t.Errorf("positions of an empty topic: %+v", ps)
	}
	if ps := positions(t, c, topic, groupOf(topic)+"-that-nobody-has"); len(ps) != 3 || ps[0].Committed != -1 {
		t.Errorf("positions of a group that there is not: %+v", ps)
	}

	read := func(r Reading) []string {
		t.Helper()
		var got []string
		r.Topic, r.ToEnd = topic, true
		err := a.Consume(t.Context(), r, func(recs []record.Record) error {
			for _, rec := range recs {
				got = append(got, string(rec.Value))
			}
			return nil
		})
		if err != nil {
			t.Fatal(err)
		}
		slices.Sort(got)
		return got
	}
	if got := read(Reading{}); len(got) != 0 {
		t.Errorf("read %q of an empty topic", got)
	}
	want := numbers("v", 9)
	for _, v := range want {
		write(t, c, topic, v, v)
	}
	if got := read(Reading{Start: connector.Earliest}); !slices.Equal(got, want) {
		t.Errorf("read %q, want %q", got, want)
	}
	if got := read(Reading{Start: connector.Latest}); len(got) != 0 {
		t.Errorf("read %q from the latest to the end, want nothing", got)
	}

	// Without an end it goes on until it is told to stop.
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	n := 0
	err = a.Consume(ctx, Reading{Topic: topic}, func(recs []record.Record) error {
		if n += len(recs); n == len(want) {
			cancel()
		}
		return nil
	})
	if err != context.Canceled || n != len(want) {
		t.Errorf("read %d until %v, want %d until %v", n, err, len(want), context.Canceled)
	}
	if err := a.Consume(t.Context(), Reading{Topic: topic}, func([]record.Record) error { return fmt.Errorf("enough") }); err == nil || err.Error() != "enough" {
		t.Errorf("Consume returned %v, want what fn returned", err)
	}
	if err := a.Consume(t.Context(), Reading{Topic: "none"}, nil); err == nil || !strings.Contains(err.Error(), `topic "none": does not exist`) {
		t.Errorf("Consume of a missing topic: %v", err)
	}
}

// testPlacedSink: a record goes to the partition that it names, whatever its key says;
// what was written is read from the offset that was asked for, of no other partition.
func testPlacedSink(t *testing.T, c *cluster) {
	a := admin(t, c)
	topic := c.topic(t, 3)
	sink, err := a.PlacedSink(t.Context(), topic)
	if err != nil {
		t.Fatal(err)
	}
	put := func(recs ...record.Record) error {
		t.Helper()
		failed := make(chan error, 1)
		sink.Write(recs, func(err error) { failed <- err })
		if err := sink.Flush(t.Context()); err != nil {
			t.Fatal(err)
		}
		return <-failed
	}
	var recs []record.Record
	for i := range 9 {
		recs = append(recs, record.Record{Partition: int32(i % 3), Key: []byte("same"), Value: fmt.Appendf(nil, "%d", i)})
	}
	if err := put(recs...); err != nil {
		t.Fatal(err)
	}
	var got []string
	err = a.Consume(t.Context(), Reading{Topic: topic, ToEnd: true, From: map[int32]int64{1: 1, 2: -1}}, func(recs []record.Record) error {
		for _, r := range recs {
			got = append(got, fmt.Sprintf("%d:%s", r.Partition, r.Value))
		}
		return nil
	})
	slices.Sort(got)
	if want := []string{"1:4", "1:7", "2:2", "2:5", "2:8"}; err != nil || !slices.Equal(got, want) {
		t.Errorf("read %q, %v, want %q", got, err, want)
	}
	if err := a.Consume(t.Context(), Reading{Topic: topic, ToEnd: true, From: map[int32]int64{0: 3}}, nil); err != nil {
		t.Errorf("from the end to the end: %v", err)
	}
	if err := put(record.Record{Partition: 3}); err == nil || !strings.Contains(err.Error(), topic) {
		t.Errorf("a partition that is not there: got %v", err)
	}
	if _, err := a.PlacedSink(t.Context(), "none"); err == nil || !strings.Contains(err.Error(), `topic "none": does not exist`) {
		t.Errorf("a topic that is not there: %v", err)
	}
}
