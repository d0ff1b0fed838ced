//go:build e2e

package e2e

import (
	"fmt"
	"slices"
	"strings"
	"syscall"
	"testing"

	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/levada-io/levada/internal/deadletter"
	"github.com/levada-io/levada/record"
)

// A message fails at every kind of step; each step says so of its own ones.
const failing = `
from collections import Counter
from datetime import timedelta

from levada import (
    Batch, Filter, FlatMap, Map, Message, Parser, Retry, RetryableError, Serializer, StreamSink,
    branch, streaming_source,
)

calls = Counter()


def hurt(msg: Message[dict], step: str) -> None:
    calls[step, msg.payload["id"]] += 1
    if msg.payload.get("fail") == step:
        raise ValueError(f"{step} does not like {msg.payload['id']}")


def keep(msg: Message[dict]) -> bool:
    hurt(msg, "filter")
    return True


def spread(msg: Message[dict]) -> list[dict]:
    hurt(msg, "flat_map")
    return [msg.payload]


def marked(msg: Message[dict]) -> dict:
    calls["marked", msg.payload["id"]] += 1
    if msg.payload.get("fail") == "marked" and calls["marked", msg.payload["id"]] < 3:
        raise RetryableError("not now")
    return msg.payload


def again(msg: Message[dict]) -> dict:
    calls["again", msg.payload["id"]] += 1
    if msg.payload.get("fail") == "again" and calls["again", msg.payload["id"]] < 3:
        raise OSError("not now")
    if msg.payload.get("fail") == "vain":
        raise OSError("never")
    return msg.payload | {"calls": calls["again", msg.payload["id"]], "before": calls["flat_map", msg.payload["id"]]}


def where(msg: Message[dict]) -> str:
    return "elsewhere" if msg.payload.get("fail") == "route" else "here"


def last(msg: Message[dict]) -> dict:
    hurt(msg, "branch")
    if msg.payload.get("fail") == "serialize":
        return msg.payload | {"object": object()}
    if msg.payload.get("fail") == "out":
        return msg.payload | {"pad": "x" * (2 << 20)}
    return msg.payload


def sums(msg: Message[list]) -> dict:
    if any(m.get("fail") == "batch" for m in msg.payload):
        raise ValueError("a batch with it")
    return {"ids": [m["id"] for m in msg.payload]}


pipeline = (
    streaming_source("in", stream_name="in", pipeline="failing", on_error="dead_letter")
    .apply(Parser[dict]("parse"))
    .apply(Filter("filter", function=keep))
    .apply(FlatMap("flat_map", function=spread))
    .apply(Map("marked", function=marked))
    .apply(Map("again", function=again, retry=Retry(2, timedelta(milliseconds=10))))
    .route("route", where, {
        "here": branch("here").broadcast("both", [
            branch("a").apply(Map("branch", function=last)).apply(Serializer("serialize")).sink(StreamSink("out", stream_name="out")),
            branch("b")
            .apply(Batch("batch", 5))
            .apply(Map("sums", function=sums))
            .apply(Serializer("serialize_sums"))
            .sink(StreamSink("sums_out", stream_name="sums")),
        ]),
    })
)
`

func letters(t testing.TB, recs []*kgo.Record) []deadletter.Letter {
	t.Helper()
	var ls []deadletter.Letter
	for _, r := range recs {
		rec := record.Record{Key: r.Key, Value: r.Value, Timestamp: r.Timestamp}
		for _, h := range r.Headers {
			rec.Headers = append(rec.Headers, record.Header(h))
		}
		l, err := deadletter.Parse(rec)
		if err != nil {
			t.Fatal(err)
		}
		ls = append(ls, l)
	}
	slices.SortFunc(ls, func(a, b deadletter.Letter) int { return int(a.Offset - b.Offset) })
	return ls
}

// Whatever fails in Python, at whatever kind of step, is a dead letter that says why;
// neighbours are delivered and their functions are not called again.
//
// Fault: Python exception -> goes on: the message is a dead letter with its traceback; its neighbours are delivered
// Fault: poison in a filter -> goes on: an exception in Python is a dead letter
// Fault: poison in a flat_map -> goes on: an exception in Python is a dead letter
func TestDeadLettersOfEveryStep(t *testing.T) {
	const n = 60
	fails := map[int]string{
		1: "parse", 5: "filter", 9: "flat_map", 13: "marked", 17: "again", 21: "vain", 25: "route",
		29: "branch", 33: "serialize", 37: "out", 41: "batch",
	}
	lost := map[string]struct{ step, language, cause string }{
		"parse":     {"parse", "levada", ""},
		"filter":    {"filter", "python", "ValueError: filter does not like 5"},
		"flat_map":  {"flat_map", "python", "ValueError: flat_map does not like 9"},
		"vain":      {"again", "python", "OSError: never"},
		"route":     {"route", "levada", `no case for "elsewhere" and no otherwise`},
		"branch":    {"branch", "python", "ValueError: branch does not like 29"},
		"serialize": {"branch", "levada", ""},
		"out":       {"out", "levada", ""},
		"batch":     {"sums", "python", "ValueError: a batch with it"},
	}
	c := kafka(t)
	in, out, sums, dead := c.topic(1), c.topic(1), c.topic(1), c.topic(1)
	a := newApp(c, failing, map[string]string{"in": in, "out": out, "sums": sums}, fmt.Sprintf("dead_letter: {topic: %s}\n", dead))
	recs := numbered(in, 1, 0, n)
	for i, step := range fails {
		recs[i].Value = fmt.Appendf(nil, `{"id":%d,"fail":%q}`, i, step)
		if step == "parse" {
			recs[i].Value = []byte(`{"id":`)
		}
		recs[i].Headers = []kgo.RecordHeader{{Key: "h", Value: []byte("v")}}
	}
	c.produce(recs)
	p := a.drain()
	p.expect(`drained, 60 records in, \d+ out, 9 dead letters`)

	r := c.read(dead)
	r.toEnd(dead)
	ls := letters(t, r.recs)
	for _, l := range ls {
		kind := fails[int(l.Offset)]
		if l.Step == "sums" {
			kind = "batch"
		}
		want, ok := lost[kind]
		if !ok || l.Step != want.step || l.Language != want.language || want.cause != "" && l.Cause != want.cause {
			t.Errorf("letter of %s: %+v", kind, l)
		}
		if l.Pipeline != "failing" || !strings.HasPrefix(l.Origin, "pipeline.py:") || l.Topic != in {
			t.Errorf("letter of %s: %+v", kind, l)
		}
		if l.Language == "python" && (!strings.Contains(l.Traceback, "pipeline.py") || !strings.Contains(l.Traceback, "raise")) {
			t.Errorf("letter of %s: traceback %q", kind, l.Traceback)
		}
		if want := map[string]int{"vain": 3}[kind]; l.Attempt != max(want, 1) {
			t.Errorf("letter of %s: %d calls", kind, l.Attempt)
		}
		if kind == "batch" {
			if len(l.Ranges) == 0 || !strings.Contains(string(l.Original.Value), `"fail":"batch"`) || !strings.HasPrefix(string(l.Original.Value), "[{") {
				t.Errorf("letter of a batch: %+v", l)
			}
			continue
		}
		if string(l.Original.Value) != string(recs[l.Offset].Value) || string(l.Original.Key) != string(recs[l.Offset].Key) ||
			len(l.Original.Headers) != 1 || l.Original.Headers[0].Key != "h" {
			t.Errorf("letter of %s is not the record as it came: %+v", kind, l.Original)
		}
	}
	if len(ls) != len(lost) {
		t.Errorf("%d letters, want %d", len(ls), len(lost))
	}

	r = c.read(out)
	r.toEnd(out)
	type output struct {
		ID     int `json:"id"`
		Calls  int `json:"calls"`
		Before int `json:"before"`
	}
	var got, want []int
	for _, o := range decoded[output](t, r.recs) {
		got = append(got, o.ID)
		calls := 1
		if fails[o.ID] == "again" {
			calls = 3
		}
		before := 1
		if fails[o.ID] == "marked" {
			before = 3 // filter, flat map and marked are one chain, which is what is called again
		}
		if o.Calls != calls || o.Before != before {
			t.Errorf("message %d: %+v, want %d calls of again and %d before it", o.ID, o, calls, before)
		}
	}
	for i := range n {
		switch kind := fails[i]; kind {
		case "", "marked", "again", "batch":
			want = append(want, i)
		}
	}
	if !slices.Equal(got, want) {
		t.Errorf("delivered %v\nwant      %v", got, want)
	}
	if lag := c.lag(a.group(), in); lag != 0 {
		t.Errorf("expected lag 0, got %d", lag)
	}
}

// A stop while a message waits for its next call: nothing lost, nothing twice.
func TestSIGTERMDuringRetry(t *testing.T) {
	const n = 200
	c := kafka(t)
	in, out := c.topic(2), c.topic(1)
	waits := strings.Replace(passOn, "import Map", "import Retry, Map", 1)
	waits = strings.Replace(waits, "function=same", "function=same, retry=Retry(9, timedelta(minutes=1))", 1)
	waits = "from datetime import timedelta\n" + waits
	waits = strings.Replace(waits, "    return msg.payload", `    if msg.payload["id"] == 50:
        print("failing now", flush=True)
        raise OSError("not now")
    return msg.payload`, 1)
	a := newApp(c, waits, map[string]string{"in": in, "out": out}, "")
	c.produce(numbered(in, 2, 0, n))
	p := a.run()
	p.expect("failing now")
	p.signal(syscall.SIGTERM)
	p.wait(0)
	a.write("pipeline.py", strings.TrimPrefix(passOn, "\n"))
	a.drain()
	r := c.read(out)
	r.toEnd(out)
	complete(t, n, ids(t, r.recs), false)
}
