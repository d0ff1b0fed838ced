package engine_test

import (
	"context"
	"errors"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/levada-io/levada/connector"
	"github.com/levada-io/levada/internal/engine"
	"github.com/levada-io/levada/internal/program"
	"github.com/levada-io/levada/record"
)

// told keeps what the engine says of stalls.
type told struct {
	mu  sync.Mutex
	all []string
}

func (k *told) stalled(d engine.Diagnosis) {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.all = append(k.all, []string{"", "ended: ", "fatal: "}[d.Phase]+d.String())
}

func (k *told) text() string {
	k.mu.Lock()
	defer k.mu.Unlock()
	return looked(strings.Join(k.all, "\n"))
}

func (k *told) forget() {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.all = nil
}

// looked is a text with the times of the look before: the doctor looks once a second, and
// what happens in that very instant is seen by this look or by the next.
func looked(text string) string {
	return strings.NewReplacer("for 31s", "for 30s", "for 10m1s", "for 10m0s").Replace(text)
}

// watched has the doctor look after the run with the usual times.
func watched(k *told) func(*engine.Config) {
	return func(c *engine.Config) {
		c.Stall = engine.Stall{ReportAfter: 30 * time.Second, ExitAfter: 10 * time.Minute}
		c.Hooks.Stalled = k.stalled
	}
}

// fatal runs until the doctor ends the run, and checks what it says and when.
func fatal(t *testing.T, r *run, k *told, want string) {
	t.Helper()
	began := time.Now()
	err := r.wait()
	if e, ok := errors.AsType[*engine.StalledError](err); !ok || looked(err.Error()) != "stuck for 10m0s: "+want {
		t.Errorf("got  %v\nwant %s (as %T)", err, "stuck for 10m0s: "+want, e)
	}
	if took := time.Since(began); took < 10*time.Minute || took > 10*time.Minute+15*time.Second {
		t.Errorf("it ended after %v", took)
	}
	first := strings.ReplaceAll(want, "10m0s", "30s")
	if got := k.text(); got != first+"\nfatal: "+want {
		t.Errorf("got  %s\nwant %s, and that again at the end", got, first)
	}
}

func healthy(t *testing.T, r *run) {
	t.Helper()
	if h := r.engine.Health(); h.Live != nil || h.Ready != nil {
		t.Errorf("health: %v, %v", h.Live, h.Ready)
	}
}

// TestStuckStep: a step that never returns ends the run, and what is beside it is
// delivered and committed.
func TestStuckStep(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		hang := make(chan struct{})
		w := newWorld(t, 2, pipeline(1, func(int) *program.Stage {
			return toSink(0, &op{"check", func(_ context.Context, c *record.Chunk) error {
				if c.Recs[0].Partition == 0 && c.Recs[0].Offset >= 100 {
					<-hang
				}
				return nil
			}})
		}))
		var k told
		r := w.start(watched(&k), func(c *engine.Config) { c.Lanes = 2 })
		w.produce([]int32{0}, 100)
		synctest.Wait()
		time.Sleep(5 * time.Minute) // idle, which is no stall
		healthy(t, r)
		w.produce([]int32{0}, 10)
		go func() {
			for range 30 {
				w.produce([]int32{1}, 10)
				time.Sleep(10 * time.Second)
			}
		}()
		time.Sleep(20 * time.Second)
		healthy(t, r)
		time.Sleep(20 * time.Second)
		if h := r.engine.Health(); h.Live != nil || h.Ready == nil || !strings.HasPrefix(h.Ready.Error(), `stalled: in[0]@100: step "check" (app.py:12) has been running for `) {
			t.Errorf("health: %v, %v", h.Live, h.Ready)
		}
		time.Sleep(30 * time.Second)
		if h := r.engine.Health(); h.Live == nil || !strings.HasPrefix(h.Live.Error(), "lane 0 has not turned for 1m") {
			t.Errorf("health: %v", h.Live)
		}
		began := time.Now().Add(-70 * time.Second)
		err := r.wait()
		if want := `stuck for 10m0s: in[0]@100: step "check" (app.py:12) has been running for 10m0s`; err == nil || looked(err.Error()) != want {
			t.Errorf("got  %v\nwant %s", err, want)
		}
		if took := time.Since(began); took > 10*time.Minute+15*time.Second {
			t.Errorf("it ended after %v", took)
		}
		if a, b := w.committed(0), w.committed(1); a != 100 || b != 300 {
			t.Errorf("committed %d and %d, want 100 and 300", a, b)
		}
		close(hang)
	})
}

// TestSlowStep: a chunk that takes an hour is no stall while its elements come through.
func TestSlowStep(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		slow := &counted{op: op{name: "slow"}}
		slow.do = func(_ context.Context, c *record.Chunk) error {
			for range c.Len() {
				time.Sleep(20 * time.Second)
				slow.done.Add(1)
			}
			return nil
		}
		w := newWorld(t, 2, plain())
		w.prog.NewStage = func(int) (*program.Stage, error) { return toSink(0, slow), nil }
		w.produce([]int32{0}, 200)
		var k told
		r := w.start(watched(&k))
		time.Sleep(time.Minute)
		w.produce([]int32{1}, 1) // waits for its turn for an hour
		for range 7 {
			time.Sleep(10 * time.Minute)
			healthy(t, r)
		}
		if err := r.term(); err != nil {
			t.Fatal(err)
		}
		if got := len(w.out(0)); got != 201 {
			t.Errorf("%d delivered, want 201", got)
		}
		if k.text() != "" {
			t.Errorf("told: %s", k.text())
		}
	})
}

// counted is a step that tells how far it is.
type counted struct {
	op
	done    atomic.Int64
	waiting atomic.Bool
}

func (c *counted) Progress() program.Progress {
	return program.Progress{Done: c.done.Load(), Python: c.waiting.Load(), Waiting: c.waiting.Load()}
}

// TestStuckForTheGIL: who waits for the interpreter is not to blame.
//
// Fault: interpreter kept by another thread -> exit 70: a StalledError says who waits, says: has been waiting for the GIL for
func TestStuckForTheGIL(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		hang := make(chan struct{})
		step := &counted{op: op{"check", func(context.Context, *record.Chunk) error { <-hang; return nil }}}
		step.waiting.Store(true)
		w := newWorld(t, 1, plain())
		w.prog.NewStage = func(int) (*program.Stage, error) { return toSink(0, step), nil }
		w.produce([]int32{0}, 10)
		var k told
		fatal(t, w.start(watched(&k)), &k, `in[0]@0: step "check" (app.py:12) has been waiting for the GIL for 10m0s`)
		close(hang)
	})
}

// TestBlockedSink: a sink that acknowledges nothing is named, and is forgiven when it
// does again.
func TestBlockedSink(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, 1, plain())
		w.store.Hold("out0")
		w.produce([]int32{0}, 100)
		var k told
		r := w.start(small, watched(&k))
		time.Sleep(time.Minute)
		if h := r.engine.Health(); h.Live != nil || h.Ready == nil {
			t.Errorf("health: %v, %v", h.Live, h.Ready)
		}
		w.store.Free("out0")
		time.Sleep(2 * time.Second)
		healthy(t, r)
		const blocked = `in[0]@0: sink "out0" (app.py:20) has acknowledged nothing for `
		if got := k.text(); !strings.HasPrefix(got, blocked+"30s\nended: "+blocked) {
			t.Errorf("told: %s", got)
		}
		w.store.Hold("out0")
		w.produce([]int32{0}, 100)
		k.forget()
		fatal(t, r, &k, `in[0]@100: sink "out0" (app.py:20) has acknowledged nothing for 10m0s`)
	})
}

// mute is a source that stops bringing records, or stops returning at all.
type mute struct {
	connector.Source
	silent, dead atomic.Bool
	hang         chan struct{}
}

func (m *mute) Poll(ctx context.Context) ([]connector.Fetch, error) {
	if m.dead.Load() {
		<-m.hang
	}
	if m.silent.Load() {
		<-ctx.Done()
		return nil, ctx.Err()
	}
	return m.Source.Poll(ctx)
}

func (m *mute) Reach() map[connector.Partition]int64 { return m.Source.(connector.Gauge).Reach() }

func (m *mute) on(c *engine.Config) {
	open := c.Source
	c.Source = func(a connector.Assignee) (s connector.Source, err error) {
		m.Source, err = open(a)
		return m, err
	}
}

// TestStuckFetch: a source that brings nothing of what there is.
//
// Fault: fetch that brings nothing -> exit 70: the StalledError counts what is there, says: nothing was fetched for
func TestStuckFetch(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, 1, plain())
		m := &mute{}
		var k told
		r := w.start(watched(&k), m.on)
		w.produce([]int32{0}, 7)
		synctest.Wait()
		m.silent.Store(true)
		time.Sleep(11 * time.Second) // until the poll of before has returned
		w.produce([]int32{0}, 5)
		fatal(t, r, &k, "in[0]@7: nothing was fetched for 10m0s, 5 records are there")
		if got := w.committed(0); got != 7 {
			t.Errorf("committed %d, want 7", got)
		}
	})
}

// TestStuckPoll: a client that does not return, even though nothing is there to read.
//
// Fault: client that does not return -> exit 70: a StalledError, also where nothing is there to read, says: has not returned from a poll for
func TestStuckPoll(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, 1, plain())
		m := &mute{hang: make(chan struct{})}
		var k told
		r := w.start(watched(&k), m.on)
		w.produce([]int32{0}, 7)
		time.Sleep(15 * time.Minute)
		healthy(t, r)
		m.dead.Store(true)
		began := time.Now()
		time.Sleep(2 * time.Minute)
		if h := r.engine.Health(); h.Live == nil || !strings.HasPrefix(h.Live.Error(), "the source has not been polled for 1m") {
			t.Errorf("health: %v", h.Live)
		}
		err := r.wait()
		if want := "stuck for 10m0s: no partition: the client of the source has not returned from a poll for 10m0s"; err == nil || looked(err.Error()) != want {
			t.Errorf("got  %v\nwant %s", err, want)
		}
		if took := time.Since(began); took > 10*time.Minute+30*time.Second {
			t.Errorf("it ended after %v", took)
		}
		close(m.hang)
	})
}

// TestWaitsForItsShare: a group that never shares out is a stall of the whole process;
// having no share is none.
//
// Fault: group that never shares out -> exit 70: a StalledError, says: waiting for the group to share its partitions out for
func TestWaitsForItsShare(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, 1, plain())
		first := w.start()
		synctest.Wait()
		var none told
		second := w.start(watched(&none))
		time.Sleep(20 * time.Minute)
		healthy(t, second)
		if none.text() != "" {
			t.Errorf("told: %s", none.text())
		}
		var k told
		third := w.start(watched(&k), func(c *engine.Config) {
			c.Source = func(connector.Assignee) (connector.Source, error) { return &mute{Source: unshared{}}, nil }
		})
		fatal(t, third, &k, "no partition: waiting for the group to share its partitions out for 10m0s")
		for _, r := range []*run{first, second} {
			if err := r.term(); err != nil {
				t.Fatal(err)
			}
		}
	})
}

// unshared is a source without a group that ever settles.
type unshared struct{ connector.Source }

func (unshared) Poll(ctx context.Context) ([]connector.Fetch, error) {
	<-ctx.Done()
	return nil, ctx.Err()
}

func (unshared) Reach() map[connector.Partition]int64 { return nil }

// TestHeldIsNoStall: what a batch collects for an hour waits for more, and not for help.
func TestHeldIsNoStall(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, 1, plain())
		w.prog.NewStage = func(int) (*program.Stage, error) {
			return &program.Stage{Batch: &program.BatchExit{
				Step: "collect", Limit: program.Limit{Age: time.Hour}, Next: toSink(0, join("join")),
			}}, nil
		}
		w.produce([]int32{0}, 10)
		var k told
		r := w.start(watched(&k))
		time.Sleep(50 * time.Minute)
		healthy(t, r)
		if len(w.out(0)) != 0 {
			t.Fatal("the batch was sent on")
		}
		if err := r.term(); err != nil {
			t.Fatal(err)
		}
		if k.text() != "" {
			t.Errorf("told: %s", k.text())
		}
	})
}

// TestStuckStop: a stop that waits for a step that never returns ends with the verdict
// of the doctor.
func TestStuckStop(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		hang := make(chan struct{})
		w := newWorld(t, 1, pipeline(1, func(int) *program.Stage {
			return toSink(0, &op{"check", func(context.Context, *record.Chunk) error { <-hang; return nil }})
		}))
		w.produce([]int32{0}, 10)
		var k told
		r := w.start(watched(&k))
		synctest.Wait()
		close(r.stop)
		fatal(t, r, &k, `in[0]@0: step "check" (app.py:12) has been running for 10m0s`)
		if h := r.engine.Health(); h.Ready == nil {
			t.Error("ready, at the end")
		}
		close(hang)
	})
}

// TestNobodyLooks: a doctor that hangs does not say that all is well.
func TestNobodyLooks(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, 1, plain())
		hang := make(chan struct{})
		m := &deaf{hang: hang}
		var k told
		r := w.start(watched(&k), func(c *engine.Config) {
			open := c.Source
			c.Source = func(a connector.Assignee) (s connector.Source, err error) {
				m.Source, err = open(a)
				return m, err
			}
		})
		time.Sleep(5 * time.Minute)
		healthy(t, r)
		m.on.Store(true)
		time.Sleep(2 * time.Minute)
		if h := r.engine.Health(); h.Live == nil || !strings.HasPrefix(h.Live.Error(), "nobody has looked after the run for ") {
			t.Errorf("health: %v", h.Live)
		}
		m.on.Store(false)
		close(hang)
		if err := r.term(); err != nil {
			t.Fatal(err)
		}
	})
}

// deaf is a source that does not answer how far it reaches.
type deaf struct {
	connector.Source
	on   atomic.Bool
	hang chan struct{}
}

func (d *deaf) Reach() map[connector.Partition]int64 {
	if d.on.Load() {
		<-d.hang
	}
	return nil
}
