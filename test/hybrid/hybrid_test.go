//go:build cgo

// Package hybrid runs pipelines written in Python from Kafka to Kafka: the real
// interpreter, the real extension, the embedded broker.
package hybrid

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/levada-io/levada/broker"
)

const pipeline = `
from typing import Any

from levada import Filter, Map, Message, Parser, Serializer, StreamSink, streaming_source


def is_counter(msg: Message[Any]) -> bool:
    return msg.payload["type"] == "c"


def transform(msg: Message[Any]) -> Any:
    if msg.payload["id"] == POISON:
        raise ValueError("bad luck")
    return {**msg.payload, "transformed": True, "offset": msg.offset}


pipeline = (
    streaming_source("in", stream_name="in", pipeline="hybrid")
    .apply(Parser[Any]("parse"))
    .apply(Filter("counters", function=is_counter))
    .apply(Map("transform", function=transform))
    .apply(Serializer("serialize"))
    .sink(StreamSink("out", stream_name="out"))
)
`

// interpreter is a Python that the extension serves.
func interpreter(t *testing.T) string {
	t.Helper()
	for _, name := range []string{"../../.venv/bin/python", "python3.13", "python3.12", "python3.11", "python3"} {
		path, err := exec.LookPath(name)
		if err != nil {
			continue
		}
		if exec.Command(path, "-c", "import sys; sys.exit(sys.version_info < (3, 11))").Run() == nil {
			abs, err := filepath.Abs(path)
			if err != nil {
				t.Fatal(err)
			}
			return abs
		}
	}
	t.Fatal("no Python >= 3.11 on PATH")
	return ""
}

type world struct {
	addr, python, src string
	cl                *kgo.Client
}

func start(t *testing.T) *world {
	t.Helper()
	src, err := filepath.Abs("../../python/src")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(filepath.Join(src, "levada", "_native.abi3.so")); err != nil {
		t.Fatalf("the extension is not built: %v\nhint: make setup", err)
	}
	b, err := broker.Start(broker.Options{Topics: map[string]int32{"in": 1, "out": 1}})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { b.Close() })
	cl, err := kgo.NewClient(kgo.SeedBrokers(b.Addr()), kgo.ConsumeTopics("out"), kgo.ConsumeResetOffset(kgo.NewOffset().AtStart()))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(cl.Close)
	return &world{b.Addr(), interpreter(t), src, cl}
}

func (w *world) produce(t *testing.T, from, to int) {
	t.Helper()
	var rs []*kgo.Record
	for i := from; i < to; i++ {
		rs = append(rs, &kgo.Record{
			Topic: "in", Key: []byte(fmt.Sprint(i)), Headers: []kgo.RecordHeader{{Key: "n", Value: []byte("v")}},
			Value: fmt.Appendf(nil, `{"id":%d,"type":"%c","value":2.0}`, i, "cg"[i%2]),
		})
	}
	if err := w.cl.ProduceSync(t.Context(), rs...).FirstErr(); err != nil {
		t.Fatal(err)
	}
}

// levada runs a verb over the pipeline text and returns exit code and output.
func (w *world) levada(t *testing.T, text, verb string, args ...string) (int, string) {
	t.Helper()
	file := filepath.Join(t.TempDir(), "app.py")
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 2*time.Minute)
	defer cancel()
	cmd := exec.CommandContext(ctx, w.python, append([]string{"-m", "levada", verb, file}, args...)...)
	cmd.Env = append(os.Environ(), "PYTHONPATH="+w.src)
	out, err := cmd.CombinedOutput()
	if err != nil && cmd.ProcessState == nil {
		t.Fatal(err)
	}
	return cmd.ProcessState.ExitCode(), string(out)
}

func (w *world) outputs(t *testing.T, n int) map[string]*kgo.Record {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	defer cancel()
	got := map[string]*kgo.Record{}
	for seen := 0; seen < n; {
		fs := w.cl.PollFetches(ctx)
		if err := fs.Err(); err != nil {
			t.Fatalf("after %d of %d records: %v", seen, n, err)
		}
		fs.EachRecord(func(r *kgo.Record) {
			seen++
			if got[string(r.Key)] != nil {
				t.Errorf("record %s came twice", r.Key)
			}
			got[string(r.Key)] = r
		})
	}
	return got
}

func TestPythonPipeline(t *testing.T) {
	w := start(t)
	w.produce(t, 0, 1000)
	text := strings.Replace(pipeline, "POISON", "-1", 1)
	if code, out := w.levada(t, text, "run", "--brokers", w.addr, "--drain"); code != 0 {
		t.Fatalf("exit code %d\n%s", code, out)
	}
	r := w.outputs(t, 500)["10"]
	if want := `{"id":10,"type":"c","value":2,"transformed":true,"offset":10}`; r == nil || string(r.Value) != want {
		t.Errorf("got %v, want %s", r, want)
	}
	if len(r.Headers) != 1 || string(r.Headers[0].Value) != "v" {
		t.Errorf("headers %v", r.Headers)
	}
}

func TestPythonExceptionStopsWithItsPlace(t *testing.T) {
	w := start(t)
	w.produce(t, 0, 100)
	code, out := w.levada(t, strings.Replace(pipeline, "POISON", "42", 1), "run", "--brokers", w.addr, "--drain")
	if code != 65 {
		t.Errorf("exit code %d, want 65", code)
	}
	for _, want := range []string{`step "transform" (app.py:`, "in[0]@42", "ValueError: bad luck"} {
		if !strings.Contains(out, want) {
			t.Errorf("missing %q in\n%s", want, out)
		}
	}
}

func TestExplainShowsTheCrossing(t *testing.T) {
	w := start(t)
	code, out := w.levada(t, strings.Replace(pipeline, "POISON", "-1", 1), "explain")
	if code != 0 || !strings.Contains(out, "crossings per chunk: 1") {
		t.Errorf("exit code %d\n%s", code, out)
	}
}
