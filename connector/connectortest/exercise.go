package connectortest

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/levada-io/levada/connector"
	"github.com/levada-io/levada/record"
)

// Exercise runs every test that f asks for, each on a system of its own.
func Exercise(t *testing.T, f Features, fresh func(t *testing.T) System) {
	e := &exercise{f: f, fresh: fresh}
	for _, tc := range []struct {
		name  string
		needs bool
		run   func(*testing.T)
	}{
		{"WriteCallsDoneOnce", true, e.writeCallsDoneOnce},
		{"WriteOfNothing", true, e.writeOfNothing},
		{"WriteKeepsNoSlice", !f.WriteOnly, e.writeKeepsNoSlice},
		{"SinkMissing", true, e.sinkMissing},
		{"TooLarge", f.MaxRecord > 0, e.tooLarge},
		{"Read", !f.WriteOnly, e.read},
		{"Order", !f.WriteOnly, e.order},
		{"PollEndsWithContext", !f.WriteOnly, e.pollEndsWithContext},
		{"SourceMissing", !f.WriteOnly, e.sourceMissing},
		{"Pause", !f.WriteOnly, e.pause},
		{"CommitAndResume", f.Groups, e.commitAndResume},
		{"CommitOfOthers", f.Groups, e.commitOfOthers},
		{"LatestIsKept", f.Groups && f.Latest, e.latestIsKept},
		{"Rewind", f.Rewind, e.rewind},
		{"End", f.End, e.end},
		{"HandOver", f.Groups && f.Members, e.handOver},
		{"Lost", f.Groups && f.Members, e.lost},
	} {
		if tc.needs {
			t.Run(tc.name, tc.run)
		}
	}
}

type exercise struct {
	f     Features
	fresh func(t *testing.T) System
}

func (e *exercise) system(t *testing.T) System {
	t.Helper()
	sys := e.fresh(t)
	if sys.Partitions == 0 {
		sys.Partitions = 1
	}
	return sys
}

// value is the n-th value: a JSON document, since that is what any connector takes.
func value(n int) []byte { return fmt.Appendf(nil, `{"n":%d}`, n) }

// batch is n records from the from-th on, spread over seven keys.
func (e *exercise) batch(from, n int) []record.Record {
	recs := make([]record.Record, n)
	for i := range recs {
		recs[i].Value = value(from + i)
		if e.f.Keys {
			recs[i].Key = fmt.Appendf(nil, "key-%d", (from+i)%7)
		}
	}
	return recs
}

// writer is an open sink.
type writer struct {
	t    *testing.T
	sink connector.Sink
}

// open opens a session with a sink; the session is closed at the end of the test.
func open(t *testing.T, sys System) writer {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	session := sys.Open(t)
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), patience)
		defer cancel()
		if err := session.Close(ctx); err != nil {
			t.Errorf("close: %v", err)
		}
	})
	sink, err := session.Sink(ctx, connector.SinkConfig{Step: "out", Stream: sys.Stream})
	if err != nil {
		t.Fatalf("sink: %v", err)
	}
	return writer{t, sink}
}

// write hands records over and waits until they are stored.
func (w writer) write(recs []record.Record) {
	w.t.Helper()
	done := make(chan error, 1)
	w.sink.Write(recs, func(err error) { done <- err })
	w.flush()
	select {
	case err := <-done:
		if err != nil {
			w.t.Fatalf("write: %v", err)
		}
	default:
		w.t.Fatal("Flush returned, but done was not called")
	}
}

func (w writer) flush() {
	w.t.Helper()
	ctx, cancel := context.WithTimeout(w.t.Context(), patience)
	defer cancel()
	if err := w.sink.Flush(ctx); err != nil {
		w.t.Fatalf("flush: %v", err)
	}
}

func (e *exercise) writeCallsDoneOnce(t *testing.T) {
	w := open(t, e.system(t))
	const writers, writes = 4, 50
	var calls [writers][writes]atomic.Int32
	var wg sync.WaitGroup
	for lane := range writers {
		wg.Go(func() {
			for i := range writes {
				w.sink.Write(e.batch(i*10, 10), func(err error) {
					if err != nil {
						t.Errorf("lane %d, write %d: %v", lane, i, err)
					}
					calls[lane][i].Add(1)
				})
			}
		})
	}
	wg.Wait()
	w.flush()
	for lane := range calls {
		for i := range calls[lane] {
			if n := calls[lane][i].Load(); n != 1 {
				t.Fatalf("lane %d, write %d: done was called %d times, want 1", lane, i, n)
			}
		}
	}
}

func (e *exercise) writeOfNothing(t *testing.T) {
	w := open(t, e.system(t))
	w.flush()
	w.write(nil)
}

func (e *exercise) writeKeepsNoSlice(t *testing.T) {
	sys := e.system(t)
	w := open(t, sys)
	recs := e.batch(0, 20)
	done := make(chan error, 1)
	w.sink.Write(recs, func(err error) { done <- err })
	clear(recs) // the slice is the caller's again, what it points to is not
	w.flush()
	if err := <-done; err != nil {
		t.Fatal(err)
	}
	m := join(t, sys, connector.SourceConfig{Step: "in", Group: "g", Start: connector.Earliest})
	checkOnce(t, m.waitRecords(20), 20)
}

func (e *exercise) sinkMissing(t *testing.T) {
	sys := e.system(t)
	if sys.Missing == "" {
		t.Skip("this system creates what is missing")
	}
	session := sys.Open(t)
	defer session.Close(t.Context())
	_, err := session.Sink(t.Context(), connector.SinkConfig{Step: "out", Stream: sys.Missing})
	checkMissing(t, err)
}

func (e *exercise) sourceMissing(t *testing.T) {
	sys := e.system(t)
	if sys.Missing == "" {
		t.Skip("this system creates what is missing")
	}
	session := sys.Open(t)
	defer session.Close(t.Context())
	_, err := session.Source(t.Context(), connector.SourceConfig{
		Step: "in", Stream: sys.Missing, Group: "g", Start: connector.Earliest,
	}, &member{t: t})
	checkMissing(t, err)
}

func checkMissing(t *testing.T, err error) {
	t.Helper()
	cerr, ok := errors.AsType[*connector.Error](err)
	if !ok || cerr.Reason != connector.Misconfig || cerr.Hint == "" {
		t.Errorf("a missing stream gives %#v, want a *connector.Error, Misconfig, with a hint", err)
	}
}

func (e *exercise) tooLarge(t *testing.T) {
	sys := e.system(t)
	w := open(t, sys)
	recs := e.batch(0, 3)
	recs[1].Value = fmt.Appendf(nil, `{"n":1,"pad":"%s"}`, bytes.Repeat([]byte("x"), e.f.MaxRecord))
	done := make(chan error, 2)
	w.sink.Write(recs, func(err error) { done <- err })
	w.flush()
	rerr, ok := errors.AsType[connector.RecordErrors](<-done)
	if !ok || len(rerr) != 1 || rerr[0].Index != 1 {
		t.Errorf("got %#v, want RecordErrors for record 1", rerr)
	}
	if len(done) > 0 {
		t.Error("done was called again")
	}
	w.write(e.batch(3, 1)) // the sink goes on
}

func (e *exercise) read(t *testing.T) {
	sys := e.system(t)
	stamp := time.UnixMilli(1_700_000_000_123)
	var want []record.Record
	add := func(r record.Record) { want = append(want, r) }
	add(record.Record{Value: []byte(`{"plain":true}`)})
	add(record.Record{Value: []byte(`"ÿ💧"`)})
	if e.f.Keys {
		add(record.Record{Key: []byte("k"), Value: []byte(`1`)})
		add(record.Record{Key: []byte{}, Value: []byte(`2`)})
		add(record.Record{Key: []byte("\x00\xff"), Value: []byte(`3`)})
	}
	if e.f.Headers {
		add(record.Record{Value: []byte(`4`), Headers: []record.Header{
			{Key: "a", Value: []byte("1")}, {Key: "b", Value: []byte("\x00\xff")},
			{Key: "a", Value: []byte("2")}, {Key: "", Value: []byte{}}, {Key: "null"},
		}})
	}
	if e.f.Bytes {
		add(record.Record{Value: []byte("\x00\xff\xfe no JSON")})
		add(record.Record{Value: []byte{}})
		add(record.Record{Value: bytes.Repeat([]byte{'x'}, 300_000)})
	}
	if e.f.Nulls {
		add(record.Record{Value: nil})
		add(record.Record{Key: []byte("gone"), Value: nil})
	}
	if e.f.Timestamps {
		add(record.Record{Value: []byte(`5`), Timestamp: stamp})
	}
	w := open(t, sys)
	for _, r := range want {
		w.write([]record.Record{r})
	}
	m := join(t, sys, connector.SourceConfig{Step: "in", Group: "g", Start: connector.Earliest})
	got := m.waitRecords(len(want))
	if len(got) != len(want) {
		t.Fatalf("%d records, want %d", len(got), len(want))
	}
	// Partitions arrive in any order, so each is looked for.
	for _, r := range want {
		i := slices.IndexFunc(got, func(g record.Record) bool {
			return equalBytes(g.Value, r.Value) &&
				equalBytes(g.Key, r.Key) &&
				slices.EqualFunc(g.Headers, r.Headers, func(a, b record.Header) bool {
					return a.Key == b.Key && equalBytes(a.Value, b.Value)
				}) && (r.Timestamp.IsZero() || g.Timestamp.Equal(r.Timestamp))
		})
		if i < 0 {
			t.Errorf("key %q value %.40q headers %v did not arrive", r.Key, r.Value, r.Headers)
			continue
		}
		got = slices.Delete(got, i, i+1)
	}
	for _, r := range got {
		t.Errorf("arrived instead: key %q (null %v) value %.40q (null %v) headers %v %v",
			r.Key, r.Key == nil, r.Value, r.Value == nil, r.Headers, r.Timestamp)
	}
}

// equalBytes tells null from empty.
func equalBytes(a, b []byte) bool { return bytes.Equal(a, b) && (a == nil) == (b == nil) }

func (e *exercise) order(t *testing.T) {
	sys := e.system(t)
	w := open(t, sys)
	const n = 2000
	for i := 0; i < n; i += 20 {
		w.sink.Write(e.batch(i, 20), func(err error) {
			if err != nil {
				t.Error(err)
			}
		})
	}
	w.flush()
	m := join(t, sys, connector.SourceConfig{Step: "in", Group: "g", Start: connector.Earliest})
	recs := m.waitRecords(n)
	checkOnce(t, recs, n)
	last := map[string]int{}
	for _, r := range recs {
		id := number(t, r)
		if before, ok := last[string(r.Key)]; ok && id < before {
			t.Fatalf("key %q: record %d after %d", r.Key, id, before)
		}
		last[string(r.Key)] = id
	}
}

// number is the n of value(n).
func number(t *testing.T, r record.Record) int {
	t.Helper()
	var n int
	if _, err := fmt.Sscanf(string(r.Value), `{"n":%d}`, &n); err != nil {
		t.Fatalf("%s[%d]@%d: value %.60q: %v", r.Topic, r.Partition, r.Offset, r.Value, err)
	}
	return n
}

// checkOnce wants the records 0 to n-1, each once.
func checkOnce(t *testing.T, recs []record.Record, n int) {
	t.Helper()
	seen := make([]int, n)
	for _, r := range recs {
		if id := number(t, r); id < n {
			seen[id]++
		} else {
			t.Errorf("record %d of %d", id, n)
		}
	}
	for id, times := range seen {
		if times != 1 {
			t.Errorf("record %d came %d times, want once", id, times)
		}
	}
}

func (e *exercise) pollEndsWithContext(t *testing.T) {
	sys := e.system(t)
	m := join(t, sys, connector.SourceConfig{Step: "in", Group: "g", Start: connector.Earliest})
	m.waitAssigned(sys.Partitions)
	m.leave() // checks that the poll that waits ends with context.Canceled
}

func (e *exercise) pause(t *testing.T) {
	sys := e.system(t)
	w := open(t, sys)
	m := join(t, sys, connector.SourceConfig{Step: "in", Group: "g", Start: connector.Earliest})
	m.waitAssigned(sys.Partitions)
	w.write(e.batch(0, 30))
	m.waitRecords(30)

	all := make([]connector.Partition, 0, sys.Partitions)
	for _, c := range m.positions() {
		all = append(all, c.Partition)
	}
	m.src.Pause(all, true)
	m.awaitTurn() // the poll that ran may still bring some
	w.write(e.batch(30, 30))
	m.quiet("paused")
	m.src.Pause(all, false)
	checkOnce(t, m.waitRecords(60), 60)
}

func (e *exercise) commitAndResume(t *testing.T) {
	sys := e.system(t)
	w := open(t, sys)
	w.write(e.batch(0, 100))
	cfg := connector.SourceConfig{Step: "first", Group: "g", Start: connector.Earliest}
	first := join(t, sys, cfg)
	checkOnce(t, first.waitRecords(100), 100)
	committed := first.positions()
	w.write(e.batch(100, 50))
	first.waitRecords(150)
	first.commit(committed) // of the rest nothing
	first.leave()

	cfg.Step = "second"
	second := join(t, sys, cfg)
	second.waitAssigned(sys.Partitions)
	for _, c := range committed {
		if got := second.starts[c.Partition]; got != c.Offset {
			t.Errorf("%v: starts at %d, committed was %d", c.Partition, got, c.Offset)
		}
	}
	for _, r := range second.waitRecords(50) {
		if id := number(t, r); id < 100 {
			t.Errorf("record %d comes again although it was committed", id)
		}
	}
	second.leave()

	// Another group is not touched by that.
	cfg.Step, cfg.Group = "other", "other"
	checkOnce(t, join(t, sys, cfg).waitRecords(150), 150)
}

func (e *exercise) commitOfOthers(t *testing.T) {
	sys := e.system(t)
	open(t, sys).write(e.batch(0, 10))
	m := join(t, sys, connector.SourceConfig{Step: "in", Group: "g", Start: connector.Earliest})
	m.waitRecords(10)
	m.commit([]connector.Commit{{
		Partition: connector.Partition{Topic: sys.Stream, ID: int32(sys.Partitions) + 7},
		Offset:    3, Metadata: "levada/1",
	}})
	m.commit(nil)
}

// latestIsKept: what is written after a group started at the end is never lost to it,
// although it committed nothing itself.
func (e *exercise) latestIsKept(t *testing.T) {
	sys := e.system(t)
	w := open(t, sys)
	w.write(e.batch(0, 40))
	cfg := connector.SourceConfig{Step: "first", Group: "g", Start: connector.Latest}
	first := join(t, sys, cfg)
	first.waitAssigned(sys.Partitions)
	first.leave()

	w.write(e.batch(40, 40))
	cfg.Step = "second"
	second := join(t, sys, cfg)
	recs := second.waitRecords(40)
	for i := range recs {
		if id := number(t, recs[i]); id < 40 {
			t.Errorf("record %d was there before the group started at latest", id)
		}
	}
	if len(recs) != 40 {
		t.Errorf("%d records, want 40", len(recs))
	}
}

func (e *exercise) rewind(t *testing.T) {
	sys := e.system(t)
	w := open(t, sys)
	w.write(e.batch(0, 60))
	m := join(t, sys, connector.SourceConfig{Step: "in", Group: "g", Start: connector.Earliest})
	checkOnce(t, m.waitRecords(60), 60)
	total := 60
	for p, start := range m.starts {
		to := start + 2
		m.mu.Lock()
		again := m.owned[p].next - to
		if again > 0 {
			m.owned[p].next = to
		}
		m.mu.Unlock()
		if again <= 0 {
			continue
		}
		if err := m.src.(connector.Rewinder).Rewind(p, to); err != nil {
			t.Fatal(err)
		}
		total += int(again)
	}
	if total == 60 {
		t.Fatal("no partition has more than two records: nothing was tested")
	}
	m.waitRecords(total)
	// Never a hole: take checks that each fetch goes on where the one before ended.
	w.write(e.batch(60, 10))
	m.waitRecords(total + 10)
}

func (e *exercise) end(t *testing.T) {
	sys := e.system(t)
	w := open(t, sys)
	w.write(e.batch(0, 50))
	m := join(t, sys, connector.SourceConfig{Step: "in", Group: "g", Start: connector.Earliest})
	m.waitAssigned(sys.Partitions)
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	ends, ok, err := m.src.(connector.Ender).End(ctx)
	if err != nil || !ok {
		t.Fatalf("End: ok %v, %v; want the ends of what is assigned", ok, err)
	}
	w.write(e.batch(50, 50)) // comes too late for this drain
	m.waitRecords(100)
	again, _, err := m.src.(connector.Ender).End(ctx)
	if err != nil {
		t.Fatal(err)
	}
	before := 0
	for _, r := range m.records() {
		p := connector.Partition{Topic: r.Topic, ID: r.Partition}
		if r.Offset < ends[p] {
			before++
		}
		if ends[p] != again[p] {
			t.Errorf("%v: the end moved from %d to %d", p, ends[p], again[p])
		}
	}
	if before != 50 || len(ends) != sys.Partitions {
		t.Errorf("%d records before the ends %v, want 50 in %d partitions", before, ends, sys.Partitions)
	}
}

// handOver: a second member takes over some partitions while records flow; what the
// first committed in Revoked is where the second starts, so every record comes once.
func (e *exercise) handOver(t *testing.T) {
	sys := e.system(t)
	if sys.Partitions < 2 {
		t.Fatal("Features.Members needs a System with two partitions or more")
	}
	w := open(t, sys)
	commits := func(ctx context.Context, m *member, cs []connector.Commit) {
		if err := m.src.Commit(ctx, cs); err != nil {
			t.Errorf("%s: commit in Revoked: %v", m.name, err)
		}
	}
	with := func(m *member) { m.atRevoke = commits }
	cfg := connector.SourceConfig{Step: "first", Group: "g", Start: connector.Earliest}
	first := join(t, sys, cfg, with)
	first.waitAssigned(sys.Partitions)

	stop := make(chan struct{})
	var wrote atomic.Int64
	var wg sync.WaitGroup
	wg.Go(func() {
		for i := 0; ; i += 5 {
			select {
			case <-stop:
				return
			default:
			}
			done := make(chan error, 1)
			w.sink.Write(e.batch(i, 5), func(err error) { done <- err })
			if err := <-done; err != nil {
				t.Error(err)
				return
			}
			wrote.Store(int64(i + 5))
		}
	})
	first.waitRecords(50)
	cfg.Step = "second"
	second := join(t, sys, cfg, with)
	second.wait("its share", func() bool { return len(second.owned) > 0 && len(second.recs) > 50 })
	close(stop)
	wg.Wait()
	n := int(wrote.Load())
	all := func() []record.Record { return slices.Concat(first.records(), second.records()) }
	waitBoth(t, first, second, n)
	checkOnce(t, all(), n)
	first.mu.Lock()
	revoked := first.revoked
	first.mu.Unlock()
	if revoked == 0 {
		t.Error("the first member was never asked to give up a partition")
	}

	// And back: the member that stays gets everything again.
	second.commit(second.positions())
	second.leave()
	first.waitAssigned(sys.Partitions)
	w.write(e.batch(n, 20))
	first.wait("the rest", func() bool { return len(first.recs) >= n-len(second.recs)+20 })
	checkOnce(t, all(), n+20)
}

// waitBoth waits until two members have n records between them.
func waitBoth(t *testing.T, a, b *member, n int) {
	t.Helper()
	late := time.After(patience)
	for {
		na, aChanged := a.count()
		nb, bChanged := b.count()
		if na+nb >= n {
			return
		}
		select {
		case <-aChanged:
		case <-bChanged:
		case <-late:
			t.Fatalf("%s has %d records and %s %d, want %d", a.name, na, b.name, nb, n)
		}
	}
}

// lost: after Lost nothing is committed, and the group comes back to its position.
func (e *exercise) lost(t *testing.T) {
	sys := e.system(t)
	if sys.Lose == nil {
		t.Skip("this system takes no partitions away")
	}
	w := open(t, sys)
	w.write(e.batch(0, 30))
	m := join(t, sys, connector.SourceConfig{Step: "in", Group: "g", Start: connector.Earliest})
	m.waitRecords(30)
	m.commit(m.positions())
	w.write(e.batch(30, 10))
	m.waitRecords(40) // read, but not committed
	sys.Lose(t, "g")
	m.wait("Lost", func() bool { return m.lost >= sys.Partitions })
	m.waitAssigned(sys.Partitions)
	recs := m.waitRecords(50) // the ten come again
	checkOnce(t, slices.Concat(recs[:30], recs[40:]), 40)
}
