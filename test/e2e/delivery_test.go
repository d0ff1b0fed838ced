//go:build e2e

package e2e

import (
	"encoding/json/v2"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"
)

const passOn = `
from levada import Map, Message, Parser, Serializer, StreamSink, streaming_source


def same(msg: Message[dict]) -> dict:
    return msg.payload


pipeline = (
    streaming_source("in", stream_name="in", pipeline="pass_on")
    .apply(Parser[dict]("parse"))
    .apply(Map("same", function=same))
    .apply(Serializer("serialize"))
    .sink(StreamSink("out", stream_name="out"))
)
`

const batches = `
from datetime import timedelta

from levada import Batch, Parser, Serializer, StreamSink, streaming_source

pipeline = (
    streaming_source("in", stream_name="in", pipeline="batches")
    .apply(Parser[dict]("parse"))
    .apply(Batch("batch", 1000, timedelta(hours=1)))
    .apply(Serializer("serialize"))
    .sink(StreamSink("out", stream_name="out"))
)
`

// Stopped in mid-stream and started again: every record once.
//
// Fault: SIGTERM -> exit 0: what is in flight is finished and committed; every record comes once
func TestSIGTERMInMidStream(t *testing.T) {
	const n, partitions = 60_000, 4
	c := kafka(t)
	in, out := c.topic(partitions), c.topic(partitions)
	a := newApp(c, passOn, map[string]string{"in": in, "out": out}, "lanes: 2\n")
	c.produce(numbered(in, partitions, 0, n/2))
	p := a.run()
	r := c.read(out)
	// The second half arrives while the pipeline works and is told to stop.
	sent := make(chan struct{})
	go func() { defer close(sent); c.produce(numbered(in, partitions, n/2, n)) }()
	r.until("some output", func(recs []*kgo.Record) bool { return len(recs) >= 2000 })
	p.signal(syscall.SIGTERM)
	p.wait(0)
	<-sent
	if r.toEnd(out); len(r.recs) == n {
		t.Log("the pipeline was done before it was stopped: nothing was left for the second run")
	}
	a.drain()
	r.toEnd(out)
	complete(t, n, ids(t, r.recs), false)
	if lag := c.lag(a.group(), in); lag != 0 {
		t.Errorf("expected lag 0, got %d", lag)
	}
}

// Stopped with half a batch in hand.
//
// Fault: SIGTERM -> exit 0: what a batch holds is read again; every record comes once
func TestSIGTERMInsideABatch(t *testing.T) {
	c := kafka(t)
	in, out := c.topic(1), c.topic(1)
	a := newApp(c, batches, map[string]string{"in": in, "out": out}, "")
	c.produce(numbered(in, 1, 0, 1500))
	p := a.run()
	r := c.read(out)
	r.until("the first batch", func(recs []*kgo.Record) bool { return len(recs) >= 1 })
	p.signal(syscall.SIGTERM)
	p.wait(0)
	c.produce(numbered(in, 1, 1500, 2200))
	a.drain()
	r.toEnd(out)
	complete(t, 2200, ids(t, r.recs), false)
}

// Killed without a word, again and again: nothing is lost.
//
// Fault: killed with SIGKILL -> goes on: the next start loses nothing; what was not committed comes again
func TestKill9(t *testing.T) {
	// Each life has records of its own: the one before it may have come to the end of what
	// was there before the kill hit it.
	const lives, each, partitions = 3, 60_000, 4
	for _, pipeline := range []struct{ name, text string }{{"stream", passOn}, {"batches", batches}} {
		t.Run(pipeline.name, func(t *testing.T) {
			c := kafka(t)
			in, out := c.topic(partitions), c.topic(partitions)
			a := newApp(c, pipeline.text, map[string]string{"in": in, "out": out}, "lanes: 2\n")
			r := c.read(out)
			for life := range lives {
				r.toEnd(out)
				before := len(r.recs)
				c.produce(numbered(in, partitions, life*each, (life+1)*each))
				p := a.run()
				r.until("output before the kill", func(recs []*kgo.Record) bool { return len(recs) > before })
				p.signal(syscall.SIGKILL)
				p.wait(-1)
			}
			a.drain()
			r.toEnd(out)
			complete(t, lives*each, ids(t, r.recs), true)
		})
	}
}

// Nothing is committed yet, a batch is held, and the partition moves: the new owner must
// begin where the first one did, not at the end.
func TestLatestWithAHeldBatchAndARebalance(t *testing.T) {
	const n, partitions = 400, 4
	c := kafka(t)
	in, out := c.topic(partitions), c.topic(1)
	c.produce(numbered(in, partitions, 0, 50)) // before the start: not ours
	a := newApp(c, batches, map[string]string{"in": in, "out": out}, "")
	first := a.run("--start", "latest")
	c.committed(a.group(), in, partitions)
	c.produce(numbered(in, partitions, 0, n))
	second := a.run("--start", "latest")
	c.members(a.group(), 2, partitions)
	first.signal(syscall.SIGTERM)
	first.wait(0)
	second.signal(syscall.SIGTERM)
	second.wait(0)
	r := c.read(out)
	r.toEnd(out)
	complete(t, n, ids(t, r.recs), false)
}

// committed waits until a group has a position in every partition.
func (c *cluster) committed(group, topic string, partitions int) {
	c.t.Helper()
	c.poll("a position in every partition", func() (bool, error) {
		ctx, cancel := c.context()
		defer cancel()
		os, err := c.admin.FetchOffsets(ctx, group)
		return err == nil && len(os[topic]) == partitions, err
	})
}

// members waits until a group is stable with n members that share all partitions.
func (c *cluster) members(group string, n, partitions int) {
	c.t.Helper()
	c.poll(fmt.Sprintf("a group of %d", n), func() (bool, error) {
		ctx, cancel := c.context()
		defer cancel()
		gs, err := c.admin.DescribeGroups(ctx, group)
		if err != nil {
			return false, err
		}
		g := gs[group]
		owned, busy := 0, 0
		for _, m := range g.Members {
			mine := 0
			if a, ok := m.Assigned.AsConsumer(); ok {
				for _, t := range a.Topics {
					mine += len(t.Partitions)
				}
			}
			owned += mine
			if mine > 0 {
				busy++
			}
		}
		return g.State == "Stable" && len(g.Members) == n && busy == n && owned == partitions, nil
	})
}

// poll asks Kafka until something is so: the protocol has no signal for it.
func (c *cluster) poll(what string, so func() (bool, error)) {
	c.t.Helper()
	tick := time.NewTicker(50 * time.Millisecond)
	defer tick.Stop()
	for late := time.After(patience); ; {
		ok, err := so()
		if ok {
			return
		}
		select {
		case <-tick.C:
		case <-late:
			c.t.Fatalf("expected %s, waited in vain: %v", what, err)
		}
	}
}

// A first signal drains, a second one ends it there and then, with a code of its own;
// what was in hand comes again.
//
// Fault: a second signal -> exit 75: it ends there and then; what was in hand comes again, says: aborted before the records in flight were delivered
func TestSecondSignalAborts(t *testing.T) {
	c := kafka(t)
	in, out := c.topic(1), c.topic(1)
	slow := strings.Replace(passOn, "    return msg.payload", `    if msg.payload["id"] == 5:
        import pathlib, time
        pathlib.Path("inside").touch()
        while pathlib.Path("inside").exists():
            time.sleep(0.01)
    return msg.payload`, 1)
	a := newApp(c, slow, map[string]string{"in": in, "out": out}, "")
	c.produce(numbered(in, 1, 0, 100))
	p := a.run()
	inside := filepath.Join(a.dir, "inside")
	c.poll("the step to be entered", func() (bool, error) {
		_, err := os.Stat(inside)
		return err == nil, err
	})
	p.signal(syscall.SIGTERM)
	p.expect("stopping")
	p.signal(syscall.SIGTERM)
	p.expect("aborted before the records in flight were delivered")
	if err := os.Remove(inside); err != nil {
		t.Fatal(err)
	}
	p.wait(75)
	a.write("pipeline.py", strings.TrimPrefix(passOn, "\n"))
	a.drain()
	r := c.read(out)
	r.toEnd(out)
	complete(t, 100, ids(t, r.recs), true)
}

// Records of an aborted transaction are never seen, and the position moves over them and
// over the markers behind the last record.
//
// Fault: aborted transactions -> goes on: their records are never seen, and the position moves over them
func TestAbortedTransactions(t *testing.T) {
	c := kafka(t)
	in, out := c.topic(1), c.topic(1)
	cl := c.client(kgo.TransactionalID("e2e-" + in))
	ctx, cancel := c.context()
	defer cancel()
	produce := func(from, to int, end kgo.TransactionEndTry) {
		t.Helper()
		if err := cl.BeginTransaction(); err != nil {
			t.Fatal(err)
		}
		if err := cl.ProduceSync(ctx, numbered(in, 1, from, to)...).FirstErr(); err != nil {
			t.Fatal(err)
		}
		if err := cl.EndTransaction(ctx, end); err != nil {
			t.Fatal(err)
		}
	}
	produce(0, 100, kgo.TryCommit)
	produce(1000, 1100, kgo.TryAbort)
	produce(100, 200, kgo.TryCommit)
	produce(1100, 1200, kgo.TryAbort)
	a := newApp(c, passOn, map[string]string{"in": in, "out": out}, "")
	a.drain()
	r := c.read(out)
	r.toEnd(out)
	for _, id := range ids(t, r.recs) {
		if id >= 1000 {
			t.Fatalf("record %d of an aborted transaction was delivered", id)
		}
	}
	complete(t, 200, ids(t, r.recs), false)
	if lag := c.lag(a.group(), in); lag != 0 {
		t.Errorf("expected lag 0, got %d", lag)
	}
}

// A message that a step can not handle ends the pipeline and is told where it is; what
// stood before it is delivered, what stands behind it comes after the mend.
//
// Fault: Python exception -> exit 65: what stood before is delivered, what stands behind comes after the mend, says: ...ValueError...no such quake
// Fault: poison in a map -> exit 65: the record, the step and its line are named, says: step "same"
func TestPoison(t *testing.T) {
	const n, bad = 500, 321
	c := kafka(t)
	in, out := c.topic(1), c.topic(1)
	text := strings.Replace(passOn, "    return msg.payload", `    if msg.payload["id"] == 321:
        raise ValueError("no such quake")
    return msg.payload`, 1)
	a := newApp(c, text, map[string]string{"in": in, "out": out}, "")
	c.produce(numbered(in, 1, 0, n))
	p := a.start()
	p.wait(65)
	for _, want := range []string{fmt.Sprintf("%s[0]@%d", in, bad), `step "same"`, "pipeline.py:13", "ValueError", "no such quake"} {
		if !strings.Contains(p.output(), want) {
			t.Errorf("expected the message to say %q, got\n%s", want, p.output())
		}
	}
	r := c.read(out)
	r.toEnd(out)
	got := ids(t, r.recs)
	if slices.Contains(got, bad) || len(got) > bad+n {
		t.Errorf("the poison was delivered")
	}
	a.write("pipeline.py", strings.TrimPrefix(passOn, "\n"))
	a.drain()
	r.toEnd(out)
	// Neighbours of the poison in its chunk were delivered and may be again.
	complete(t, n, ids(t, r.recs), true)
}

// Key and headers come through, and a step may set them.
func TestKeyAndHeaders(t *testing.T) {
	c := kafka(t)
	in, out := c.topic(1), c.topic(1)
	text := strings.Replace(passOn, "-> dict:\n    return msg.payload",
		"-> Message[dict]:\n    return msg.with_key(b'new').with_header('h2', b'v2')", 1)
	a := newApp(c, text, map[string]string{"in": in, "out": out}, "")
	c.produce([]*kgo.Record{{
		Topic: in, Key: []byte("old"), Value: []byte(`{"id":0}`),
		Headers: []kgo.RecordHeader{{Key: "h1", Value: []byte("v1")}},
	}})
	a.drain()
	r := c.read(out)
	r.toEnd(out)
	if len(r.recs) != 1 {
		t.Fatalf("expected one record, got %d", len(r.recs))
	}
	got := r.recs[0]
	if string(got.Key) != "new" || string(got.Value) != `{"id":0}` {
		t.Errorf("expected key new and the same value, got %q %q", got.Key, got.Value)
	}
	headers, err := json.Marshal(got.Headers)
	if err != nil {
		t.Fatal(err)
	}
	if len(got.Headers) != 2 || got.Headers[0].Key != "h1" || got.Headers[1].Key != "h2" || string(got.Headers[1].Value) != "v2" {
		t.Errorf("expected h1 and h2, got %s", headers)
	}
}
