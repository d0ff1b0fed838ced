package engine_test

import (
	"context"
	"errors"
	"slices"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/levada-io/levada/connector"
	"github.com/levada-io/levada/internal/engine"
	"github.com/levada-io/levada/internal/program"
	"github.com/levada-io/levada/record"
)

func small(c *engine.Config) {
	c.Limits = engine.Limits{ChunkRecords: 10, InFlightBytes: 4000, QueueBytes: 10_000}
}

func sorted(vs []string) []string {
	slices.SortFunc(vs, func(a, b string) int { x, _ := strconv.Atoi(a); y, _ := strconv.Atoi(b); return x - y })
	return vs
}

func plain() *program.Program { return pipeline(1, func(int) *program.Stage { return toSink(0) }) }

// TestStopWaits: a stop delivers what is in flight, what waits for the sink too, and
// nothing that no lane has taken.
func TestStopWaits(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, 1, plain())
		w.store.Hold("out0")
		w.produce([]int32{0}, 500) // before the start, so that chunks are as long as they may be
		r := w.start(small)
		synctest.Wait()
		if n := w.store.Held("out0"); n == 0 || n > 10 {
			t.Fatalf("%d writes wait for the sink, want some and not all", n)
		}
		close(r.stop)
		synctest.Wait()
		select {
		case <-r.ended:
			t.Fatal("ended although the sink has acknowledged nothing")
		default:
		}
		w.store.Ack("out0", 1)
		time.Sleep(1500 * time.Millisecond)
		if got := w.committed(0); got != 10 {
			t.Errorf("committed %d during the drain, want 10", got)
		}
		if s := r.engine.Status(); s.Partitions[0].Lag != 490 || s.Partitions[0].Taken <= 10 {
			t.Errorf("status during the drain: %+v", s)
		}
		w.store.Free("out0")
		if err := r.wait(); err != nil {
			t.Fatal(err)
		}
		n := len(w.out(0))
		if n == 500 || int64(n) != w.committed(0) {
			t.Errorf("%d delivered, %d committed: want the same, and not all of them", n, w.committed(0))
		}
		if err := w.start(drained).wait(); err != nil {
			t.Fatal(err)
		}
		equal(t, "after the restart", w.out(0), numbers(0, 500))
	})
}

// TestAbort: the end of the context does not wait for a step that hangs.
//
// Fault: endless loop in Go -> exit 75: a second signal does not wait for it, says: step "hang": does not return
func TestAbort(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		hang := make(chan struct{})
		w := newWorld(t, 1, pipeline(1, func(int) *program.Stage {
			return toSink(0, &op{"hang", func(context.Context, *record.Chunk) error { <-hang; return nil }})
		}))
		w.produce([]int32{0}, 10)
		r := w.start()
		synctest.Wait()
		err := r.crash()
		if !errors.Is(err, engine.ErrAborted) || !strings.HasSuffix(err.Error(), "\nstep \"hang\": does not return") {
			t.Errorf("got %v, want %v, and the step that hangs", err, engine.ErrAborted)
		}
		if got := w.committed(0); got != 0 {
			t.Errorf("committed %d, want 0", got)
		}
		close(hang)
	})
}

func TestOrderBehindAFullSink(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, 1, broadcast(2))
		w.store.Hold("out0")
		w.produce([]int32{0}, 300)
		r := w.start(small)
		for range 40 {
			synctest.Wait()
			w.store.Ack("out0", 1)
		}
		w.store.Free("out0")
		synctest.Wait()
		if err := r.term(); err != nil {
			t.Fatal(err)
		}
		equal(t, "slow", w.out(0), numbers(0, 300))
		equal(t, "fast", w.out(1), numbers(0, 300))
	})
}

// TestNoOvertaking: a chunk that arrives when its sink has just become free goes behind
// those that have waited.
func TestNoOvertaking(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		chunks := 0
		w := newWorld(t, 1, broadcast(2))
		free := &op{"free", func(context.Context, *record.Chunk) error {
			if chunks++; chunks == 5 {
				if n := w.store.Held("out0"); n != 3 {
					t.Errorf("%d chunks are written before the fifth, want three and one that waits", n)
				}
				w.store.Ack("out0", 1)
			}
			return nil
		}}
		w.prog.NewStage = func(int) (*program.Stage, error) {
			return &program.Stage{Broadcast: &program.BroadcastExit{Step: "all", Branches: []*program.Stage{toSink(0, free), toSink(1)}}}, nil
		}
		w.store.Hold("out0")
		w.produce([]int32{0}, 100)
		r := w.start(func(c *engine.Config) {
			c.Limits = engine.Limits{ChunkRecords: 10, InFlightBytes: 12_000, BranchBytes: 1 << 20}
		})
		synctest.Wait()
		if chunks < 5 {
			t.Fatalf("%d chunks", chunks)
		}
		w.store.Free("out0")
		synctest.Wait()
		if err := r.term(); err != nil {
			t.Fatal(err)
		}
		equal(t, "out", w.out(0), numbers(0, 100))
	})
}

// TestSinkFails: the error of a sink ends the run unchanged, and nothing of what it did
// not store is committed.
//
// Fault: sink down for good -> exit 74: its own error ends the run; what it did not store is not committed
func TestSinkFails(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, 1, plain())
		r := w.start(small)
		w.produce([]int32{0}, 35)
		synctest.Wait()
		gone := &connector.Error{Reason: connector.Storage, Place: "disk", Err: errors.New("full")}
		w.store.Refuse("out0", gone)
		w.produce([]int32{0}, 100)
		if err := r.wait(); err != error(gone) {
			t.Errorf("got %v, want the sink's own error", err)
		}
		if got := w.committed(0); got != 35 {
			t.Errorf("committed %d, want 35", got)
		}
	})
}

// TestFailureDoesNotWaitForEver: what another sink never acknowledges does not keep a
// failed run from ending.
func TestFailureDoesNotWaitForEver(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, 1, broadcast(2))
		w.store.Hold("out0")
		gone := errors.New("gone")
		w.store.Refuse("out1", gone)
		w.produce([]int32{0}, 100)
		began := time.Now()
		if err := w.start(small).wait(); err != gone {
			t.Errorf("got %v, want %v", err, gone)
		}
		if d := time.Since(began); d != 30*time.Second {
			t.Errorf("it took %v, want 30s", d)
		}
		if got := w.committed(0); got != 0 {
			t.Errorf("committed %d, want 0", got)
		}
	})
}

// Fault: output record too large -> exit 65: what stood before is committed, says: value of 16 bytes, the stream takes 10
func TestRecordTooLarge(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, 1, plain())
		w.store.Limit("out0", 10)
		w.produce([]int32{0}, 20)
		w.store.Append("in", 0, record.Record{Value: []byte("longer than that")})
		err := w.start(small).wait()
		want := `step "out0" (app.py:20): in[0]@20: value of 16 bytes, the stream takes 10`
		if err == nil || err.Error() != want {
			t.Errorf("got  %v\nwant %s", err, want)
		}
		if got := w.committed(0); got != 20 {
			t.Errorf("committed %d, want 20", got)
		}
	})
}

// TestOperatorFails: an operator that can not go on ends the run; so does one that
// panics, and what it had in hand is read again.
func TestOperatorFails(t *testing.T) {
	for _, tc := range []struct {
		name, want string
		do         func()
	}{
		{"error", `step "check" (app.py:12): the interpreter is gone`, nil},
		{"panic", `step "check" (app.py:12): BUG: panic: nobody saw this coming`, func() { panic("nobody saw this coming") }},
	} {
		t.Run(tc.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w := newWorld(t, 1, pipeline(1, func(int) *program.Stage {
					return toSink(0, &op{"check", func(_ context.Context, c *record.Chunk) error {
						if c.Recs[0].Offset < 20 {
							return nil
						}
						if tc.do != nil {
							tc.do()
						}
						return errors.New("the interpreter is gone")
					}})
				}))
				w.produce([]int32{0}, 50)
				err := w.start(small).wait()
				if err == nil || !strings.HasPrefix(err.Error(), tc.want) {
					t.Errorf("got  %v\nwant %s", err, tc.want)
				}
				if _, ok := errors.AsType[*engine.StepError](err); !ok {
					t.Errorf("got a %T, want a *StepError", err)
				}
				if got := w.committed(0); got != 20 {
					t.Errorf("committed %d, want 20", got)
				}
				equal(t, "out", w.out(0), numbers(0, 20))
			})
		})
	}
}

// TestFirstFailure: of several records that fail in one chunk, in whichever branch, the
// first of the partition is told, and everything before it is delivered.
func TestFirstFailure(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		fails := func(at string) program.Op {
			return check("check"+at, func(v string) error {
				if v == at {
					return errors.New("is " + at)
				}
				return nil
			})
		}
		w := newWorld(t, 1, pipeline(3, func(int) *program.Stage {
			return &program.Stage{Broadcast: &program.BroadcastExit{Step: "all", Branches: []*program.Stage{
				toSink(0, fails("70")), toSink(1, fails("40")), toSink(2, fails("90")),
			}}}
		}))
		w.produce([]int32{0}, 100)
		err := w.start().wait()
		m, ok := errors.AsType[*engine.MessageError](err)
		if !ok || m.Offset != 40 || m.Step != "check40" {
			t.Errorf("got %v, want the failure at offset 40", err)
		}
		if got := w.committed(0); got != 40 {
			t.Errorf("committed %d, want 40", got)
		}
		equal(t, "out0", w.out(0), numbers(0, 70))
		equal(t, "out1", w.out(1), numbers(0, 40))
		equal(t, "out2", w.out(2), numbers(0, 90))
	})
}

func TestRouteFails(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, 2, pipeline(2, func(int) *program.Stage {
			return &program.Stage{Route: &program.RouteExit{Step: "route", Branches: []*program.Stage{toSink(0), toSink(1)},
				Router: router(func(v string) int32 {
					if v == "50" {
						return -1
					}
					return int32(v[len(v)-1]) % 2
				})}}
		}))
		w.produce([]int32{0, 1}, 100)
		err := w.start().wait()
		if got, want := err.Error(), `step "route": in[0]@25: no case`; got != want {
			t.Errorf("got  %s\nwant %s", got, want)
		}
		// The other partition may or may not have been taken by then.
		if a, b := w.committed(0), w.committed(1); a != 25 || int(b) != len(w.out(1)) || len(w.out(0)) != 25 {
			t.Errorf("committed %d and %d, delivered %d and %d; want 25, and as much delivered", a, b, len(w.out(0)), len(w.out(1)))
		}
	})
}

func TestSlowCommit(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, 1, plain())
		var failures atomic.Int32
		r := w.start(func(c *engine.Config) {
			c.Hooks.CommitFailed = func(error) { failures.Add(1) }
		})
		synctest.Wait()
		w.store.RefuseCommits("g", &connector.Error{Reason: connector.Unreachable, Place: "memory", Err: errors.New("busy")})
		w.produce([]int32{0}, 10)
		time.Sleep(3500 * time.Millisecond)
		if failures.Load() != 3 || w.committed(0) != 0 {
			t.Errorf("%d failures, committed %d; want a try each second", failures.Load(), w.committed(0))
		}
		if s := r.engine.Status(); s.LastError == nil || s.Partitions[0].Frontier != 10 || s.Partitions[0].Committed != 0 || s.Partitions[0].Lag != 0 {
			t.Errorf("status %+v", s)
		}
		w.store.RefuseCommits("g", nil)
		time.Sleep(time.Second)
		if got := w.committed(0); got != 10 {
			t.Errorf("committed %d, want 10", got)
		}
		denied := &connector.Error{Reason: connector.Unauthorized, Place: "group", Err: errors.New("no right to read")}
		w.store.RefuseCommits("g", denied)
		w.produce([]int32{0}, 10)
		if err := r.wait(); err != error(denied) {
			t.Errorf("got %v, want what no try will mend", err)
		}
	})
}

// TestStopWithoutCommit: a stop that could not commit is no success.
func TestStopWithoutCommit(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, 1, plain())
		r := w.start()
		w.produce([]int32{0}, 10)
		synctest.Wait()
		busy := &connector.Error{Reason: connector.Unreachable, Place: "memory", Err: errors.New("busy")}
		w.store.RefuseCommits("g", busy)
		if err := r.term(); err != error(busy) {
			t.Errorf("got %v, want %v", err, busy)
		}
	})
}

// TestBounded: with a sink that takes nothing, memory stops growing and the source is
// paused; it goes on when the sink does.
//
// Fault: sink that takes nothing -> goes on: memory stops growing, the source is paused until the sink takes again
func TestBounded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, 2, plain())
		w.store.Hold("out0")
		r := w.start(func(c *engine.Config) {
			c.Limits = engine.Limits{ChunkRecords: 10, InFlightBytes: 20_000, QueueBytes: 50_000}
			c.Lanes = 2
		})
		for range 20 {
			w.produce([]int32{0, 1}, 5000)
			synctest.Wait()
		}
		const poll = 2000 * 200 // what one fetch of the memory connector may add
		s := r.engine.Status()
		if s.InFlightBytes > 2*20_000 || s.QueuedBytes > 2*(50_000+poll) {
			t.Errorf("%d bytes in flight, %d queued", s.InFlightBytes, s.QueuedBytes)
		}
		for _, p := range s.Partitions {
			if !p.Paused {
				t.Errorf("%v is not paused", p.Partition)
			}
		}
		w.store.Free("out0")
		synctest.Wait()
		if got := len(w.out(0)); got != w.next {
			t.Errorf("%d delivered, want %d", got, w.next)
		}
		if err := r.term(); err != nil {
			t.Fatal(err)
		}
		s = r.engine.Status()
		if s.InFlightBytes != 0 || s.QueuedBytes != 0 || s.RecordsIn != int64(w.next) || s.RecordsOut != int64(w.next) {
			t.Errorf("at the end: %+v", s)
		}
	})
}

// TestSlowBranch: the fast branch of a broadcast goes ahead of the slow one by as much
// as may be in flight, and both get everything.
//
// Fault: slow branch -> goes on: the fast one goes ahead by as much as may be in flight; both get everything
func TestSlowBranch(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, 1, pipeline(2, func(int) *program.Stage {
			return &program.Stage{Broadcast: &program.BroadcastExit{Step: "both", Branches: []*program.Stage{toSink(0), toSink(1)}}}
		}))
		w.store.Hold("out1")
		r := w.start(func(c *engine.Config) {
			c.Limits = engine.Limits{ChunkRecords: 10, InFlightBytes: 100_000}
		})
		w.produce([]int32{0}, 5000)
		synctest.Wait()
		ahead := len(w.out(0))
		if ahead < 250 || ahead == 5000 || len(w.out(1)) != 0 {
			t.Errorf("the fast branch has %d, the slow one %d", ahead, len(w.out(1)))
		}
		for len(w.out(1)) < 1000 {
			w.store.Ack("out1", 1)
			synctest.Wait()
			if fast, slow := len(w.out(0)), len(w.out(1)); fast < 5000 && fast < slow+ahead-20 {
				t.Fatalf("the fast branch has %d, the slow one %d", fast, slow)
			}
		}
		time.Sleep(2 * time.Second)
		if got := w.committed(0); got != int64(len(w.out(1))) {
			t.Errorf("committed %d, the slow branch has %d", got, len(w.out(1)))
		}
		w.store.Free("out1")
		synctest.Wait()
		if err := r.term(); err != nil {
			t.Fatal(err)
		}
		equal(t, "fast", w.out(0), numbers(0, 5000))
		equal(t, "slow", w.out(1), numbers(0, 5000))
	})
}

// TestQueuesShareABudget: however many partitions there are, together they queue no more
// than the budget of all queues, but for the last fetch of each.
func TestQueuesShareABudget(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, 8, plain())
		w.store.Hold("out0")
		r := w.start(func(c *engine.Config) {
			c.Limits = engine.Limits{ChunkRecords: 10, InFlightBytes: 20_000, QueueBytes: 4 << 20, QueuesBytes: 8 * 70_000}
		})
		var all []int32
		for p := range int32(8) {
			all = append(all, p)
		}
		for range 20 {
			w.produce(all, 20_000)
			synctest.Wait()
		}
		const poll = 2000 * 200 // what one fetch of the memory connector may add
		if s := r.engine.Status(); s.QueuedBytes > 8*(70_000+poll) {
			t.Errorf("%d bytes queued", s.QueuedBytes)
		}
		w.store.Free("out0")
		if err := r.term(); err != nil {
			t.Fatal(err)
		}
	})
}
