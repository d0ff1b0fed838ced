//go:build e2e

package e2e

import (
	"bytes"
	"encoding/json/v2"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"
)

// passRaw reads no payload.
const passRaw = `
pipeline: raw
flow:
- in: {source: {kafka: in}}
- out: {sink: {kafka: out}}
`

// drainYAML runs a pipeline in YAML over what is there and returns its peak memory.
func (a *app) drainYAML(pipeline string, code int) (p *process, peak int64) {
	a.t.Helper()
	a.write("pipeline.yaml", strings.TrimPrefix(pipeline, "\n"))
	p = start(a.t, a.dir, levada(a.t), "run", "pipeline.yaml", "--config", "deployment.yaml", "--drain", "--summary", "summary.json")
	p.wait(code)
	text, err := os.ReadFile(filepath.Join(a.dir, "summary.json"))
	if err != nil {
		a.t.Fatal(err)
	}
	var summary struct {
		Peak int64 `json:"peak_memory_bytes"`
	}
	if err := json.Unmarshal(text, &summary); err != nil {
		a.t.Fatal(err)
	}
	return p, summary.Peak
}

// Records of every form that Kafka allows go through as they are.
//
// Fault: null key -> goes on: it stays null, and an empty one empty
// Fault: null value -> goes on: it stays a tombstone where no step reads it
// Fault: empty value -> goes on: it stays empty where no step reads it
// Fault: duplicate headers -> goes on: all of them stay, in their order
// Fault: no timestamp -> goes on: the sink's time takes its place
func TestRecordsOfEveryForm(t *testing.T) {
	c := kafka(t)
	in, out := c.topic(1), c.topic(1)
	a := newApp(c, "", map[string]string{"in": in, "out": out}, "")
	at := time.UnixMilli(1_700_000_000_000)
	header := func(key string, value []byte) kgo.RecordHeader { return kgo.RecordHeader{Key: key, Value: value} }
	recs := []*kgo.Record{
		{Value: []byte("null key"), Timestamp: at},
		{Key: []byte{}, Value: []byte("empty key"), Timestamp: at},
		{Key: []byte("null value"), Timestamp: at},
		{Key: []byte("empty value"), Value: []byte{}, Timestamp: at},
		{Key: []byte("NUL \x00 \xff"), Value: []byte("NUL \x00 \xff"), Timestamp: at},
		{Key: []byte("headers"), Value: []byte("v"), Timestamp: at, Headers: []kgo.RecordHeader{
			header("a", []byte("1")), header("b", nil), header("a", []byte("2")), header("", []byte{}), header("a", []byte("1")),
		}},
		{Key: []byte("no timestamp"), Value: []byte("v"), Timestamp: time.UnixMilli(-1)},
		{Key: []byte("1970"), Value: []byte("v"), Timestamp: time.UnixMilli(0)},
	}
	for _, r := range recs {
		r.Topic = in
	}
	c.produce(recs)
	a.drainYAML(passRaw, 0)
	r := c.read(out)
	r.toEnd(out)
	if len(r.recs) != len(recs) {
		t.Fatalf("expected %d records, got %d", len(recs), len(r.recs))
	}
	form := func(b []byte) string {
		if b == nil {
			return "null"
		}
		return fmt.Sprintf("%q", b)
	}
	for i, got := range r.recs {
		want := recs[i]
		if form(got.Key) != form(want.Key) || form(got.Value) != form(want.Value) {
			t.Errorf("record %d: expected %s: %s, got %s: %s", i, form(want.Key), form(want.Value), form(got.Key), form(got.Value))
		}
		if !slices.EqualFunc(got.Headers, want.Headers, func(a, b kgo.RecordHeader) bool { return a.Key == b.Key && bytes.Equal(a.Value, b.Value) }) {
			t.Errorf("record %d: expected the headers %v, got %v", i, want.Headers, got.Headers)
		}
		if string(want.Key) == "no timestamp" {
			if time.Since(got.Timestamp) > time.Hour {
				t.Errorf("record %d: expected the time of writing, got %v", i, got.Timestamp)
			}
		} else if !got.Timestamp.Equal(want.Timestamp) {
			t.Errorf("record %d: expected %v, got %v", i, want.Timestamp, got.Timestamp)
		}
	}
}

// Text that is hard to get right comes through Python as it is.
//
// Fault: NUL in text -> goes on: it stays, through a step in Python too
// Fault: lone surrogates -> goes on: in JSON half a pair is read as U+FFFD
func TestTextOfEveryForm(t *testing.T) {
	c := kafka(t)
	in, out := c.topic(1), c.topic(1)
	a := newApp(c, passOn, map[string]string{"in": in, "out": out}, "")
	c.produce([]*kgo.Record{
		{Topic: in, Value: []byte(`{"id":0,"text":"a\u0000b"}`)},
		{Topic: in, Value: []byte(`{"id":1,"text":"\ud83d\ude00"}`)},
		{Topic: in, Value: []byte(`{"id":2,"text":"\ud83d!"}`)},
	})
	a.drain()
	r := c.read(out)
	r.toEnd(out)
	var got []string
	for _, rec := range r.recs {
		got = append(got, string(rec.Value))
	}
	want := []string{`{"id":0,"text":"a\u0000b"}`, `{"id":1,"text":"😀"}`, "{\"id\":2,\"text\":\"\ufffd!\"}"}
	if !slices.Equal(got, want) {
		t.Errorf("got  %q\nwant %q", got, want)
	}
}

// A record of 100 MB is far above all that a process may hold. It goes through alone,
// where its topic is large enough, and is refused by name where it is not.
//
// Fault: 100 MB record -> goes on: it goes through by itself, with less than four copies of it in memory
// Fault: 100 MB record -> exit 65: where the sink's topic does not take it, says: MESSAGE_TOO_LARGE
func TestRecordOf100MB(t *testing.T) {
	if os.Getenv("LEVADA_REAL_KAFKA") != "" {
		t.Skip("SKIPPED: a real broker takes no such request in its usual settings")
	}
	const size = 100 << 20
	c := kafka(t)
	in, out := c.topic(1), c.topic(1)
	cl := c.client(kgo.BrokerMaxWriteBytes(300<<20), kgo.ProducerBatchMaxBytes(256<<20), kgo.ProducerBatchCompression(kgo.ZstdCompression()))
	ctx, cancel := c.context()
	defer cancel()
	for _, value := range [][]byte{[]byte("before"), bytes.Repeat([]byte("x"), size), []byte("behind")} {
		if err := cl.ProduceSync(ctx, &kgo.Record{Topic: in, Value: value}).FirstErr(); err != nil {
			t.Fatal(err)
		}
	}
	a := newApp(c, "", map[string]string{"in": in, "out": out}, "")
	p, peak := a.drainYAML(passRaw, 65)
	p.expect(`levada: step "out" \(pipeline.yaml:4\): ` + in + `\[0\]@1: topic "` + out + `": MESSAGE_TOO_LARGE`)
	p, more := a.drainYAML(strings.Replace(passRaw, "sink: {kafka: out}", "sink: {devnull: out}", 1), 0)
	p.expect(`drained, 2 records in, 2 out`)
	t.Logf("peak memory %d and %d MB", peak>>20, more>>20)
	if most := max(peak, more); most > 4*size {
		t.Errorf("a record of %d MB took %d MB of memory", size>>20, most>>20)
	}
}
