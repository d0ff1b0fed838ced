package kafka

import (
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/levada-io/levada/connector"
	"github.com/levada-io/levada/record"
)

// lines keeps what is logged.
type lines struct {
	mu  sync.Mutex
	all []string
}

func (l *lines) log(format string, args ...any) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.all = append(l.all, fmt.Sprintf(format, args...))
}

// about are the lines that name a partition of the topic.
func (l *lines) about(topic string) []string {
	l.mu.Lock()
	defer l.mu.Unlock()
	var out []string
	for _, line := range l.all {
		if strings.HasPrefix(line, topic+"[") {
			out = append(out, line)
		}
	}
	return out
}

// truncate has retention pass an offset.
func truncate(t *testing.T, c *cluster, topic string, before int64) {
	t.Helper()
	var offs kadm.Offsets
	offs.AddOffset(topic, 0, before, -1)
	rs, err := kadm.NewClient(c.client(t)).DeleteRecords(t.Context(), offs)
	if err == nil {
		err = rs.Error()
	}
	if err != nil {
		t.Fatal(err)
	}
}

// commitAs stores a position as another client does: with nothing beside it.
func commitAs(t *testing.T, c *cluster, group, topic string, at map[int32]int64) {
	t.Helper()
	var offs kadm.Offsets
	for id, o := range at {
		offs.AddOffset(topic, id, o, -1)
	}
	if err := kadm.NewClient(c.client(t)).CommitAllOffsets(t.Context(), group, offs); err != nil {
		t.Fatal(err)
	}
}

// testOutOfRange: with a decision the source goes on, says so with the numbers, and
// leaves the group where it is.
//
// Fault: offset out of range -> goes on: under out_of_range: earliest, or latest, says: 20 records are gone (log starts at 30): going on at 30
// Fault: log cut behind the position -> goes on: under out_of_range: earliest, or latest, says: the log ends at 5, before the position of the group: going on at 0
func testOutOfRange(t *testing.T, c *cluster) {
	for _, tc := range []struct {
		name, policy     string
		records          int
		committed, start int64 // of the group, of the log
		first            int64 // that is read
		gone             int64
		line             string
	}{
		{"retention, earliest", connector.Earliest, 50, 10, 30, 30, 20,
			"[0]@10: 20 records are gone (log starts at 30): going on at 30"},
		{"retention, latest", connector.Latest, 50, 10, 30, 50, 40,
			"[0]@10: 20 records are gone (log starts at 30): going on at 50, the end: 20 more are not read"},
		{"everything gone", connector.Earliest, 50, 10, 50, 50, 40,
			"[0]@10: 40 records are gone (log starts at 50): going on at 50"},
		{"cut, earliest", connector.Earliest, 5, 99, 0, 0, 0,
			"[0]@99: the log ends at 5, before the position of the group: going on at 0"},
		{"cut, latest", connector.Latest, 5, 99, 0, 5, 0,
			"[0]@99: the log ends at 5, before the position of the group: going on at 5"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			topic := c.topic(t, 1)
			cfg := connector.SourceConfig{Step: "in", Stream: topic, Group: groupOf(topic), Start: connector.Earliest}
			write(t, c, topic, "", numbers("v", tc.records)...)
			commitAs(t, c, cfg.Group, topic, map[int32]int64{0: tc.committed})
			if tc.start > 0 {
				truncate(t, c, topic, tc.start)
			}
			var log lines
			r := read(t, c.open(t, func(o *Options) { o.OutOfRange, o.Log = tc.policy, log.log }), cfg)
			r.wait("the jump", func() bool { return r.owned[0] >= tc.first && r.starts[0] <= tc.first && len(log.about(topic)) > 0 })
			write(t, c, topic, "", "new")
			r.wait("what comes behind it", func() bool {
				return slices.ContainsFunc(r.recs, func(rec record.Record) bool { return string(rec.Value) == "new" })
			})
			r.mu.Lock()
			first, n := r.recs[0].Offset, len(r.recs)
			r.mu.Unlock()
			if want := int64(tc.records) + 1 - tc.first; first != tc.first || n != int(want) {
				t.Errorf("read %d records from %d on, want %d from %d on", n, first, want, tc.first)
			}
			if got := log.about(topic); !slices.Equal(got, []string{topic + tc.line}) {
				t.Errorf("said %q\nwant %q", got, topic+tc.line)
			}
			if got := r.src.(connector.Skipper).Gone(); got != tc.gone {
				t.Errorf("%d offsets are counted as gone, want %d", got, tc.gone)
			}
			p := connector.Partition{Topic: topic}
			if err := r.src.Commit(t.Context(), []connector.Commit{{Partition: p, Offset: first + 1, Metadata: "levada/1"}}); err != nil {
				t.Fatal(err)
			}
			if got := positions(t, c, topic, cfg.Group)[0]; got.Committed != first+1 {
				t.Errorf("the group has %d, want %d", got.Committed, first+1)
			}
		})
	}
}

// testRetentionPassesWhileRunning: the same under a member that was slow, and a second
// time for one partition; the other one flows meanwhile.
func testRetentionPassesWhileRunning(t *testing.T, c *cluster) {
	topic := c.topic(t, 2)
	cfg := connector.SourceConfig{Step: "in", Stream: topic, Group: groupOf(topic), Start: connector.Earliest}
	var log lines
	r := read(t, c.open(t, func(o *Options) { o.OutOfRange, o.Log = connector.Earliest, log.log }), cfg)
	r.wait("both partitions", func() bool { return len(r.owned) == 2 })
	slow := []connector.Partition{{Topic: topic, ID: 0}}
	at := int64(0)
	for range 2 {
		r.src.Pause(slow, true)
		// Two fetches later none that began before the pause is under way.
		for i := range 2 {
			produceTo(t, c, topic, 1, fmt.Sprintf("other-%d-%d", at, i))
			n := len(r.values())
			r.wait("the other partition", func() bool { return len(r.recs) >= n })
		}
		vs := numbers(fmt.Sprint("v", at), 20)
		produceTo(t, c, topic, 0, vs...)
		truncate(t, c, topic, at+15)
		r.src.Pause(slow, false)
		r.wait("the end", func() bool { return r.owned[0] == at+20 })
		got := r.values()
		for i, v := range vs {
			// What a fetch had got before the pause is read, too; behind the gap all is.
			if i >= 15 && got[v] != 1 {
				t.Errorf("%s came %d times", v, got[v])
			}
		}
		at += 20
	}
	if n := len(log.about(topic)); n != 2 {
		t.Errorf("said %q, want two lines", log.about(topic))
	}
}

// TestLogCutWhileRunning: where the client finds out that the log was cut below what it
// read, the partition goes on there under a new assignment, or before it, where the
// group had come to.
//
// Fault: log cut behind the position -> goes on: under a reader; with out_of_range: earliest it goes on where the log was cut, says: the log was cut at 7: what was read from there on is no longer in it
func TestLogCutWhileRunning(t *testing.T) {
	t.Parallel()
	for _, tc := range []struct {
		name, policy string
		stored, cut  int64
		want         int64
	}{
		{"all was finished", connector.Earliest, 10, 7, 7},
		{"not all was finished", connector.Earliest, 4, 7, 4},
		{"latest", connector.Latest, 10, 7, 10},
	} {
		t.Run(tc.name, func(t *testing.T) {
			_, c := fake(t)
			topic := c.topic(t, 1)
			write(t, c, topic, "", numbers("v", 10)...)
			var log lines
			s := c.open(t, func(o *Options) { o.OutOfRange, o.Log = tc.policy, log.log })
			r := read(t, s, connector.SourceConfig{Step: "in", Stream: topic, Group: "g", Start: connector.Earliest})
			r.wait("the records", func() bool { return len(r.recs) == 10 })
			p := connector.Partition{Topic: topic}
			if err := r.src.Commit(t.Context(), []connector.Commit{{Partition: p, Offset: tc.stored, Metadata: "levada/1"}}); err != nil {
				t.Fatal(err)
			}
			lose(t, r.src.(*source), topic, tc.cut)
			r.wait("a new assignment", func() bool { return r.revoked == 1 && len(r.owned) == 1 })
			write(t, c, topic, "", "new")
			r.wait("the records", func() bool { return r.owned[0] == 11 })
			r.mu.Lock()
			start, n := r.starts[0], len(r.recs)
			r.mu.Unlock()
			if start != tc.want || n != 10+int(11-tc.want) {
				t.Errorf("goes on at %d with %d records, want %d with %d", start, n-10, tc.want, 11-tc.want)
			}
			if got, want := log.about(topic), fmt.Sprintf("%s[0]@10: the log was cut at 7: what was read from there on is no longer in it: going on at %d", topic, tc.want); !slices.Equal(got, []string{want}) {
				t.Errorf("said %q\nwant %q", got, want)
			}
			if got := positions(t, c, topic, "g")[0]; got.Committed != tc.want {
				t.Errorf("the group has %d, want %d", got.Committed, tc.want)
			}
		})
	}
	t.Run("fail", func(t *testing.T) {
		_, c := fake(t)
		topic := c.topic(t, 1)
		r := read(t, c.open(t), connector.SourceConfig{Step: "in", Stream: topic, Group: "g", Start: connector.Earliest})
		write(t, c, topic, "", numbers("v", 10)...)
		r.wait("the records", func() bool { return len(r.recs) == 10 })
		k := r.src.(*source)
		goOn := k.stopPolling()
		_, err := k.take(cut(topic, 7))
		goOn()
		expect(t, err, connector.DataGap, topic+"[0]@10: the log was cut at 7", "compare the topic's replication", "kafka.out_of_range")
	})
}

// cut is how the client tells that a log was cut; the fake broker never cuts one.
func cut(topic string, at int64) kgo.Fetches {
	return kgo.Fetches{{Topics: []kgo.FetchTopic{{Topic: topic, Partitions: []kgo.FetchPartition{
		{Err: &kgo.ErrDataLoss{Topic: topic, ConsumedTo: 10, ResetTo: at}},
	}}}}}
}

func lose(t *testing.T, k *source, topic string, at int64) {
	t.Helper()
	goOn := k.stopPolling()
	defer goOn()
	if _, err := k.take(cut(topic, at)); err != nil {
		t.Fatal(err)
	}
}

// TestGapAndRebalance: a partition that is given up while it looks for where to go on
// stays given up, and no jump is left for the assignment after it.
func TestGapAndRebalance(t *testing.T) {
	t.Parallel()
	for _, when := range []string{"before the jump", "with the jump not told yet"} {
		t.Run(when, func(t *testing.T) {
			_, c := fake(t)
			topic := c.topic(t, 1)
			s := c.open(t)
			defer s.Close(t.Context())
			a := &asked{calls: make(chan string, 1), goOn: make(chan struct{})}
			src, err := s.Source(t.Context(), connector.SourceConfig{Step: "in", Stream: topic, Group: "g"}, a)
			if err != nil {
				t.Fatal(err)
			}
			polled := make(chan error, 1)
			go func() {
				_, err := src.Poll(t.Context())
				polled <- err
			}()
			if got := <-a.calls; got != "assigned" {
				t.Fatal(got)
			}
			if err := <-polled; err != nil {
				t.Fatal(err)
			}
			k := src.(*source)
			k.mu.Lock()
			own := k.owned[0]
			k.mu.Unlock()
			jump := func() {
				k.asOwner(t.Context(), 0, own, func() error {
					k.skip(0, own, 9)
					return nil
				})
			}
			if when != "before the jump" {
				jump()
			}
			ours := map[string][]int32{topic: {0}}
			k.onLost(t.Context(), k.client, ours)
			if got := <-a.calls; got != "lost" {
				t.Fatal(got)
			}
			if when == "before the jump" {
				jump()
			}
			go k.adjust(t.Context(), map[string]map[int32]kgo.Offset{topic: {0: kgo.NewOffset().At(3)}})
			if got := <-a.calls; got != "assigned" {
				t.Fatal(got)
			}
			k.mu.Lock()
			defer k.mu.Unlock()
			if len(k.jumps) != 0 || k.owned[0].next != 3 {
				t.Errorf("the new assignment is at %d with the jumps %v, want 3 and none", k.owned[0].next, k.jumps)
			}
		})
	}
}

// testRunGoesOn: a whole run whose position is outside of the log delivers what is
// there, commits up to the end, and counts what is gone.
func testRunGoesOn(t *testing.T, c *cluster) {
	for _, tc := range []struct {
		name             string
		records          int
		committed, start int64
		from, gone       int
	}{
		{"retention", 50, 10, 30, 30, 20},
		{"cut", 5, 99, 0, 0, 0},
	} {
		t.Run(tc.name, func(t *testing.T) {
			in, out := c.topic(t, 1), c.topic(t, 1)
			vs := numbers("v", tc.records)
			write(t, c, in, "", vs...)
			commitAs(t, c, groupOf(in), in, map[int32]int64{0: tc.committed})
			if tc.start > 0 {
				truncate(t, c, in, tc.start)
			}
			j := &job{in: in, out: out, group: groupOf(in), drain: true, change: []func(*Options){
				func(o *Options) { o.OutOfRange = connector.Earliest },
			}}
			if err := j.start(t, c).wait(); err != nil {
				t.Fatal(err)
			}
			want := slices.Sorted(slices.Values(vs[tc.from:]))
			if got := stored(t, c, out); !slices.Equal(got, want) {
				t.Errorf("delivered %q\nwant %q", got, want)
			}
			if got := positions(t, c, in, groupOf(in))[0]; got.Committed != int64(tc.records) {
				t.Errorf("committed %d, want %d", got.Committed, tc.records)
			}
			if j.final.Gone != int64(tc.gone) {
				t.Errorf("%d offsets are counted as gone, want %d", j.final.Gone, tc.gone)
			}
		})
	}
	t.Run("fail", func(t *testing.T) {
		in, out := c.topic(t, 1), c.topic(t, 1)
		write(t, c, in, "", numbers("v", 5)...)
		commitAs(t, c, groupOf(in), in, map[int32]int64{0: 99})
		j := &job{in: in, out: out, group: groupOf(in), drain: true}
		expect(t, j.start(t, c).wait(), connector.DataGap, in+"[0]@99: the log ends at 5", "kafka.out_of_range")
		if got := positions(t, c, in, groupOf(in))[0]; got.Committed != 99 {
			t.Errorf("committed %d, want the 99 that was there", got.Committed)
		}
	})
}
