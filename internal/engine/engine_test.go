package engine_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"go.uber.org/goleak"

	"github.com/levada-io/levada/connector"
	"github.com/levada-io/levada/connector/memory"
	"github.com/levada-io/levada/internal/engine"
	"github.com/levada-io/levada/internal/program"
	"github.com/levada-io/levada/record"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// op is a step of a test.
type op struct {
	name string
	do   func(ctx context.Context, c *record.Chunk) error
}

func (o *op) Steps() []string { return []string{o.name} }

func (o *op) Process(ctx context.Context, c *record.Chunk) error { return o.do(ctx, c) }

// filter keeps the elements whose payload passes.
func filter(name string, pass func(v string) bool) program.Op {
	return &op{name, func(_ context.Context, c *record.Chunk) error {
		var idx []int32
		for i, v := range c.Col.(record.Bytes) {
			if pass(string(v)) {
				idx = append(idx, int32(i))
			}
		}
		c.Keep(idx, c.Col.Select(idx))
		return nil
	}}
}

// check fails the elements for which f returns an error.
func check(name string, f func(v string) error) program.Op {
	return &op{name, func(_ context.Context, c *record.Chunk) error {
		var idx []int32
		for i, v := range c.Col.(record.Bytes) {
			if err := f(string(v)); err != nil {
				c.Fail(i, name, err)
				continue
			}
			idx = append(idx, int32(i))
		}
		c.Keep(idx, c.Col.Select(idx))
		return nil
	}}
}

// split is a flat map over the words of a payload.
func split(name string) program.Op {
	return &op{name, func(_ context.Context, c *record.Chunk) error {
		var idx []int32
		var col record.Bytes
		for i, v := range c.Col.(record.Bytes) {
			for _, w := range strings.Fields(string(v)) {
				idx = append(idx, int32(i))
				col = append(col, []byte(w))
			}
		}
		c.Keep(idx, col)
		return nil
	}}
}

// join serializes what a batch of payloads has collected: "[a b c]".
func join(name string) program.Op {
	return &op{name, func(_ context.Context, c *record.Chunk) error {
		lists := c.Col.(program.Typed).Slice().([][][]byte)
		col := make(record.Bytes, len(lists))
		for i, l := range lists {
			col[i] = fmt.Appendf(nil, "%s", l)
		}
		c.Col = col
		return nil
	}}
}

// router leads a payload to the branch that f returns.
type router func(v string) int32

func (router) Steps() []string { return []string{"route"} }

func (r router) Route(_ context.Context, c *record.Chunk) ([]int32, error) {
	var to, idx []int32
	for i, v := range c.Col.(record.Bytes) {
		b := r(string(v))
		if b < 0 {
			c.Fail(i, "route", errors.New("no case"))
			continue
		}
		to, idx = append(to, b), append(idx, int32(i))
	}
	if len(idx) < c.Len() {
		c.Keep(idx, c.Col.Select(idx))
	}
	return to, nil
}

func toSink(i int, ops ...program.Op) *program.Stage {
	return &program.Stage{Ops: ops, Sink: &program.SinkExit{Step: "out" + strconv.Itoa(i), Index: i}}
}

// pipeline is a program over the streams "in" and "out0", "out1", ...
func pipeline(sinks int, stage func(lane int) *program.Stage) *program.Program {
	p := &program.Program{
		Name:    "test",
		Source:  program.Endpoint{Step: "in", Stream: "in", Connector: "memory"},
		Origins: map[string]string{"check": "app.py:12", "out0": "app.py:20"},
		NewStage: func(lane int) (*program.Stage, error) {
			return stage(lane), nil
		},
	}
	for i := range sinks {
		p.Sinks = append(p.Sinks, program.Endpoint{Step: "out" + strconv.Itoa(i), Stream: "out" + strconv.Itoa(i), Connector: "memory"})
	}
	return p
}

// world is a store with the streams of a pipeline.
type world struct {
	t     *testing.T
	store *memory.Store
	prog  *program.Program
	next  int // number of the next input
}

func newWorld(t *testing.T, partitions int, p *program.Program) *world {
	w := &world{t: t, store: memory.New(), prog: p}
	w.store.Create("in", partitions)
	for _, s := range p.Sinks {
		w.store.Create(s.Stream, 1)
	}
	return w
}

// produce appends n inputs "0", "1", ... in turn to the partitions.
func (w *world) produce(partitions []int32, n int) {
	for range n {
		p := partitions[w.next%len(partitions)]
		w.store.Append("in", p, record.Record{
			Key: []byte("k"), Value: []byte(strconv.Itoa(w.next)),
			Headers:   []record.Header{{Key: "h", Value: []byte("v")}},
			Timestamp: time.UnixMilli(int64(w.next)),
		})
		w.next++
	}
}

// out is what a sink got.
func (w *world) out(i int) []string {
	var vs []string
	for _, r := range w.store.Records("out"+strconv.Itoa(i), 0) {
		vs = append(vs, string(r.Value))
	}
	return vs
}

func (w *world) committed(p int32) int64 {
	c, _ := w.store.Committed("g", connector.Partition{Topic: "in", ID: p})
	return c.Offset
}

// run is a process that runs the pipeline.
type run struct {
	w       *world
	engine  *engine.Engine
	session connector.Session
	stop    chan struct{}
	kill    context.CancelFunc
	ended   chan struct{}
	err     error
}

func (w *world) start(change ...func(*engine.Config)) *run {
	w.t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	session, err := w.store.Open(ctx, nil)
	if err != nil {
		w.t.Fatal(err)
	}
	r := &run{w: w, session: session, stop: make(chan struct{}), kill: cancel, ended: make(chan struct{})}
	cfg := engine.Config{
		Program: w.prog, Stop: r.stop,
		Source: func(a connector.Assignee) (connector.Source, error) {
			return session.Source(ctx, connector.SourceConfig{Step: "in", Stream: "in", Group: "g", Start: connector.Earliest}, a)
		},
	}
	for _, s := range w.prog.Sinks {
		k, err := session.Sink(ctx, connector.SinkConfig{Step: s.Step, Stream: s.Stream})
		if err != nil {
			w.t.Fatal(err)
		}
		cfg.Sinks = append(cfg.Sinks, k)
	}
	for _, c := range change {
		c(&cfg)
	}
	if r.engine, err = engine.New(cfg); err != nil {
		w.t.Fatal(err)
	}
	go func() {
		defer close(r.ended)
		r.err = r.engine.Run(ctx)
		session.Close(ctx)
	}()
	return r
}

// wait waits for the end of the process.
func (r *run) wait() error {
	<-r.ended
	r.kill()
	return r.err
}

// term is SIGTERM.
func (r *run) term() error {
	close(r.stop)
	return r.wait()
}

// crash is kill -9, as far as the outside can tell.
func (r *run) crash() error {
	r.kill()
	return r.wait()
}

func numbers(from, to int) (vs []string) {
	for i := from; i < to; i++ {
		vs = append(vs, strconv.Itoa(i))
	}
	return vs
}

func equal(t *testing.T, what string, got, want []string) {
	t.Helper()
	if !slices.Equal(got, want) {
		t.Errorf("%s: got %d %.200q, want %d %.200q", what, len(got), got, len(want), want)
	}
}

func drained(c *engine.Config) { c.Drain = true }

func TestPassThrough(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, 1, pipeline(1, func(int) *program.Stage { return toSink(0) }))
		w.produce([]int32{0}, 5000)
		if err := w.start(drained).wait(); err != nil {
			t.Fatal(err)
		}
		equal(t, "out", w.out(0), numbers(0, 5000))
		if got := w.committed(0); got != 5000 {
			t.Errorf("committed %d, want 5000", got)
		}
		r := w.store.Records("out0", 0)[7]
		if string(r.Key) != "k" || len(r.Headers) != 1 || !r.Timestamp.Equal(time.UnixMilli(7)) {
			t.Errorf("metadata did not survive: %+v", r)
		}
	})
}

func TestStopAndRestart(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, 2, pipeline(1, func(int) *program.Stage {
			return toSink(0, filter("even", func(v string) bool { return v[len(v)-1]%2 == 0 }))
		}))
		for range 5 {
			r := w.start()
			synctest.Wait()
			w.produce([]int32{0}, 777)
			synctest.Wait()
			w.produce([]int32{1}, 3)
			if err := r.term(); err != nil {
				t.Fatal(err)
			}
		}
		if err := w.start(drained).wait(); err != nil {
			t.Fatal(err)
		}
		want := slices.DeleteFunc(numbers(0, w.next), func(v string) bool { return v[len(v)-1]%2 != 0 })
		got := w.out(0)
		slices.SortFunc(got, func(a, b string) int { x, _ := strconv.Atoi(a); y, _ := strconv.Atoi(b); return x - y })
		equal(t, "out", got, want)
	})
}

func TestPoison(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		bad := true
		w := newWorld(t, 2, pipeline(1, func(int) *program.Stage {
			return toSink(0, check("check", func(v string) error {
				if bad && (v == "120" || v == "130") {
					return errors.New("$.qty: expected a number")
				}
				return nil
			}))
		}))
		w.produce([]int32{0, 1}, 200)
		err := w.start().wait()
		m, ok := errors.AsType[*engine.MessageError](err)
		if !ok {
			t.Fatalf("got %v, want a *MessageError", err)
		}
		if got, want := err.Error(), `step "check" (app.py:12): in[0]@60: $.qty: expected a number`; got != want {
			t.Errorf("got  %s\nwant %s", got, want)
		}
		// The other partition may or may not have been taken by then.
		if a, b := w.committed(0), w.committed(1); m.Offset != 60 || a != 60 || int(a+b) != len(w.out(0)) {
			t.Errorf("offset %d, committed %d and %d, %d delivered; want 60, 60, and no more delivered", m.Offset, a, b, len(w.out(0)))
		}
		bad = false
		if err := w.start(drained).wait(); err != nil {
			t.Fatal(err)
		}
		got := w.out(0)
		slices.SortFunc(got, func(a, b string) int { x, _ := strconv.Atoi(a); y, _ := strconv.Atoi(b); return x - y })
		equal(t, "0 lost, 0 duplicated", got, numbers(0, 200))
	})
}
