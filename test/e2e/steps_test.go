//go:build e2e

package e2e

import (
	"cmp"
	"encoding/json/v2"
	"slices"
	"testing"

	"github.com/twmb/franz-go/pkg/kgo"
)

// decoded are outputs as values.
func decoded[T any](t testing.TB, recs []*kgo.Record) []T {
	t.Helper()
	all := make([]T, len(recs))
	for i, r := range recs {
		if err := json.Unmarshal(r.Value, &all[i]); err != nil {
			t.Fatalf("%v: %s", err, r.Value)
		}
	}
	return all
}

// Both branches are complete, and the fast one does not wait for the slow one's end.
//
// Fault: slow branch -> goes on: the fast one goes ahead of it
func TestSlowBranch(t *testing.T) {
	const n = 1500
	c := kafka(t)
	in, fast, slow := c.topic(1), c.topic(1), c.topic(1)
	a := newApp(c, `
import time

from levada import Map, Message, Parser, Serializer, StreamSink, branch, streaming_source


def wait(msg: Message[dict]) -> dict:
    time.sleep(0.002)
    return {**msg.payload, "at": time.monotonic()}


def stamp(msg: Message[dict]) -> dict:
    return {**msg.payload, "at": time.monotonic()}


pipeline = (
    streaming_source("in", stream_name="in", pipeline="slow_branch")
    .apply(Parser[dict]("parse"))
    .broadcast(
        "both",
        routes=[
            branch("slow")
            .apply(Map("wait", function=wait))
            .apply(Serializer("slow_json"))
            .sink(StreamSink("slow_out", stream_name="slow")),
            branch("fast")
            .apply(Map("stamp", function=stamp))
            .apply(Serializer("fast_json"))
            .sink(StreamSink("fast_out", stream_name="fast")),
        ],
    )
)
`, map[string]string{"in": in, "fast": fast, "slow": slow}, "limits: {chunk: 100}\n")
	c.produce(numbered(in, 1, 0, n))
	a.drain()
	r := c.read(fast, slow)
	r.toEnd(fast, slow)
	var of = map[string][]*kgo.Record{}
	for _, rec := range r.recs {
		of[rec.Topic] = append(of[rec.Topic], rec)
	}
	complete(t, n, ids(t, of[fast]), false)
	complete(t, n, ids(t, of[slow]), false)
	type stamped struct {
		At float64 `json:"at"`
	}
	quick, late := decoded[stamped](t, of[fast]), decoded[stamped](t, of[slow])
	if half, end := quick[n/2].At, late[n-1].At; half >= end {
		t.Errorf("the fast branch came to its half at %v, after the slow one's end at %v", half, end)
	}
}

// A partition whose messages take long holds up nobody but itself: that of the other lane
// is at its end long before.
//
// Fault: slow branch -> goes on: a slow partition, too, holds up only what depends on it
func TestSlowPartition(t *testing.T) {
	const n, partitions = 1200, 2
	c := kafka(t)
	in, out := c.topic(partitions), c.topic(1)
	a := newApp(c, `
import time

from levada import Map, Message, Parser, Serializer, StreamSink, streaming_source


def wait(msg: Message[dict]) -> dict:
    if msg.partition == 0:
        time.sleep(0.005)
    return {**msg.payload, "at": time.monotonic()}


pipeline = (
    streaming_source("in", stream_name="in", pipeline="slow_partition")
    .apply(Parser[dict]("parse"))
    .apply(Map("wait", function=wait))
    .apply(Serializer("serialize"))
    .sink(StreamSink("out", stream_name="out"))
)
`, map[string]string{"in": in, "out": out}, "lanes: 2\nlimits: {chunk: 100}\n")
	c.produce(numbered(in, partitions, 0, n))
	a.drain()
	r := c.read(out)
	r.toEnd(out)
	complete(t, n, ids(t, r.recs), false)
	type stamped struct {
		ID int     `json:"id"`
		At float64 `json:"at"`
	}
	var slow, fast []float64
	for _, s := range decoded[stamped](t, r.recs) {
		if s.ID%partitions == 0 {
			slow = append(slow, s.At)
		} else {
			fast = append(fast, s.At)
		}
	}
	if end, half := fast[len(fast)-1], slow[len(slow)/2]; end >= half {
		t.Errorf("the quick partition came to its end at %v, after the slow one's half at %v", end, half)
	}
}

// A step may keep its messages: what it kept is what it saw.
func TestAStepThatKeepsItsMessages(t *testing.T) {
	const n = 5000
	c := kafka(t)
	in, out := c.topic(1), c.topic(1)
	a := newApp(c, `
from collections import deque

from levada import Map, Message, Parser, Serializer, StreamSink, streaming_source

kept: deque[Message[dict]] = deque()


def keep(msg: Message[dict]) -> dict:
    kept.append(msg)
    old = kept.popleft() if len(kept) > 1234 else msg
    key = old.key
    return {
        "id": msg.payload["id"], "old": old.payload["id"], "offset": old.offset,
        "key": key.decode() if key else "",
    }


pipeline = (
    streaming_source("in", stream_name="in", pipeline="keeps")
    .apply(Parser[dict]("parse"))
    .apply(Map("keep", function=keep))
    .apply(Serializer("serialize"))
    .sink(StreamSink("out", stream_name="out"))
)
`, map[string]string{"in": in, "out": out}, "")
	c.produce(numbered(in, 1, 0, n))
	a.drain()
	r := c.read(out)
	r.toEnd(out)
	complete(t, n, ids(t, r.recs), false)
	type kept struct {
		ID     int    `json:"id"`
		Old    int    `json:"old"`
		Offset int    `json:"offset"`
		Key    string `json:"key"`
	}
	for _, k := range decoded[kept](t, r.recs) {
		want := k.ID
		if k.ID >= 1234 {
			want = k.ID - 1234
		}
		if wantKey := string(numbered("", 1, want, want+1)[0].Key); k.Old != want || k.Offset != want || k.Key != wantKey {
			t.Fatalf("message %d: expected to have kept %d at offset %d with key %s, got %+v", k.ID, want, want, wantKey, k)
		}
	}
}

// A connection that only its own thread may use: a lane is one thread, from its first
// message to its last.
func TestSQLiteInTwoLanes(t *testing.T) {
	const n, partitions = 4000, 4
	c := kafka(t)
	in, out := c.topic(partitions), c.topic(1)
	a := newApp(c, `
import sqlite3
import threading

from levada import Map, Message, Parser, Serializer, StreamSink, streaming_source

local = threading.local()


def store(msg: Message[dict]) -> dict:
    if not hasattr(local, "db"):
        local.db = sqlite3.connect(":memory:")
        local.db.execute("create table seen (id integer)")
    local.db.execute("insert into seen values (?)", (msg.payload["id"],))
    (count,) = local.db.execute("select count(*) from seen").fetchone()
    return {
        "id": msg.payload["id"], "count": count, "partition": msg.partition,
        "thread": threading.get_ident(), "name": threading.current_thread().name,
    }


pipeline = (
    streaming_source("in", stream_name="in", pipeline="sqlite")
    .apply(Parser[dict]("parse"))
    .apply(Map("store", function=store))
    .apply(Serializer("serialize"))
    .sink(StreamSink("out", stream_name="out"))
)
`, map[string]string{"in": in, "out": out}, "lanes: 2\n")
	c.produce(numbered(in, partitions, 0, n))
	a.drain()
	r := c.read(out)
	r.toEnd(out)
	complete(t, n, ids(t, r.recs), false)
	type stored struct {
		Count     int   `json:"count"`
		Partition int   `json:"partition"`
		Thread    int64 `json:"thread"`
	}
	rows, lanes := map[int64]int{}, map[int]int64{}
	for _, s := range decoded[stored](t, r.recs) {
		rows[s.Thread] = max(rows[s.Thread], s.Count)
		if thread, ok := lanes[s.Partition]; ok && thread != s.Thread {
			t.Fatalf("partition %d was handled by threads %d and %d", s.Partition, thread, s.Thread)
		}
		lanes[s.Partition] = s.Thread
	}
	sum := 0
	for _, k := range rows {
		sum += k
	}
	if len(rows) != 2 || sum != n {
		t.Errorf("expected %d rows in the databases of 2 threads, got %v", n, rows)
	}
}

// Steps that wait do so at the same time, one per lane.
func TestFourLanesOfSleepingSteps(t *testing.T) {
	const partitions = 4
	c := kafka(t)
	in, out := c.topic(partitions), c.topic(1)
	a := newApp(c, `
import time

from levada import Map, Message, Parser, Serializer, StreamSink, streaming_source


def nap(msg: Message[dict]) -> dict:
    began = time.monotonic()
    time.sleep(0.05)
    return {"id": msg.payload["id"], "began": began, "ended": time.monotonic()}


pipeline = (
    streaming_source("in", stream_name="in", pipeline="naps")
    .apply(Parser[dict]("parse"))
    .apply(Map("nap", function=nap))
    .apply(Serializer("serialize"))
    .sink(StreamSink("out", stream_name="out"))
)
`, map[string]string{"in": in, "out": out}, "lanes: 4\n")
	c.produce(numbered(in, partitions, 0, 80))
	a.drain()
	r := c.read(out)
	r.toEnd(out)
	complete(t, 80, ids(t, r.recs), false)
	type edge struct {
		at   float64
		step int
	}
	type nap struct {
		Began float64 `json:"began"`
		Ended float64 `json:"ended"`
	}
	var edges []edge
	for _, n := range decoded[nap](t, r.recs) {
		edges = append(edges, edge{n.Began, 1}, edge{n.Ended, -1})
	}
	slices.SortFunc(edges, func(a, b edge) int { return cmp.Or(cmp.Compare(a.at, b.at), cmp.Compare(a.step, b.step)) })
	most, now := 0, 0
	for _, e := range edges {
		now += e.step
		most = max(most, now)
	}
	if most != 4 {
		t.Errorf("expected 4 steps to sleep at once at some moment, got %d", most)
	}
}
