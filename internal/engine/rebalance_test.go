package engine_test

import (
	"context"
	"errors"
	"fmt"
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

// TestRevokeInFlight: partitions that go are drained and committed first, while the
// others go on.
//
// Fault: partition revoked with records in flight -> goes on: drained and committed first, while the others go on
func TestRevokeInFlight(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, 2, plain())
		first := w.start()
		synctest.Wait()
		w.store.Hold("out0")
		w.produce([]int32{0, 1}, 10)
		synctest.Wait()
		second := w.start()
		synctest.Wait() // the second waits for what the first has in flight
		if n := len(second.engine.Status().Partitions); n != 0 {
			t.Fatalf("the second has %d partitions before the first has drained", n)
		}
		held := w.store.Held("out0")
		w.produce([]int32{0, 1}, 10) // [1] is on its way, [0] stays
		synctest.Wait()
		if w.store.Held("out0") == held {
			t.Error("the partition that stays stands still")
		}
		w.store.Free("out0")
		synctest.Wait()
		if n := len(second.engine.Status().Partitions); n != 1 {
			t.Fatalf("the second has %d partitions", n)
		}
		equal(t, "0 lost, 0 duplicated", sorted(w.out(0)), numbers(0, 20))
		for _, r := range []*run{first, second} {
			if err := r.term(); err != nil {
				t.Fatal(err)
			}
		}
	})
}

// TestRevokeTooSlow: what is not drained in time is another's; what waits for the sink
// then is not delivered any more.
//
// Fault: partition revoked with records in flight -> goes on: what is not drained in time is the next owner's
func TestRevokeTooSlow(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, 1, broadcast(2))
		w.store.Hold("out0")
		w.produce([]int32{0}, 100)
		r := w.start(small)
		synctest.Wait()
		began := time.Now()
		written, taken := 10*w.store.Held("out0"), len(w.out(1))
		if written == taken {
			t.Fatal("nothing waits for the sink")
		}
		w.store.Rebalance("g")
		if d := time.Since(began); d != 10*time.Second {
			t.Errorf("the drain took %v, want its limit of 10s", d)
		}
		w.store.Free("out0")
		synctest.Wait()
		if err := r.term(); err != nil {
			t.Fatal(err)
		}
		equal(t, "what was written, and everything", w.out(0), append(numbers(0, written), numbers(0, 100)...))
		equal(t, "the other branch", w.out(1), append(numbers(0, taken), numbers(0, 100)...))
		if got := w.committed(0); got != 100 {
			t.Errorf("committed %d, want 100", got)
		}
	})
}

func broadcast(n int) *program.Program {
	return pipeline(n, func(int) *program.Stage {
		x := &program.BroadcastExit{Step: "all"}
		for i := range n {
			x.Branches = append(x.Branches, toSink(i))
		}
		return &program.Stage{Broadcast: x}
	})
}

// TestRevokeInsideABatch: a chunk that a lane has in hand when its partition is revoked
// completes a batch; that one is still drained.
func TestRevokeInsideABatch(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		before, behind := make(chan struct{}), make(chan struct{})
		gate := func(name string, ch chan struct{}) program.Op {
			return &op{name, func(context.Context, *record.Chunk) error { <-ch; return nil }}
		}
		w := newWorld(t, 1, pipeline(1, func(int) *program.Stage {
			return &program.Stage{
				Ops: []program.Op{gate("before", before)},
				Batch: &program.BatchExit{Step: "batch", Limit: program.Limit{Count: 4},
					Next: toSink(0, join("join"), gate("behind", behind))},
			}
		}))
		w.produce([]int32{0}, 6)
		r := w.start()
		synctest.Wait()
		moved := make(chan struct{})
		go func() {
			w.store.Rebalance("g")
			close(moved)
		}()
		synctest.Wait()
		close(before)
		synctest.Wait()
		select {
		case <-moved:
			t.Error("given up while a batch of it is under way")
		default:
		}
		close(behind)
		<-moved
		if got := w.committed(0); got != 4 {
			t.Errorf("committed %d, want 4", got)
		}
		synctest.Wait()
		if err := r.term(); err != nil {
			t.Fatal(err)
		}
		equal(t, "out", w.out(0), []string{"[0 1 2 3]", "[4 5]"})
	})
}

// TestLost: nothing of a lost partition is committed, however late it is acknowledged.
//
// Fault: partition lost -> goes on: nothing of it is committed, however late it is acknowledged
func TestLost(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, 1, plain())
		var lost int
		r := w.start(func(c *engine.Config) {
			c.Hooks.Lost = func(ps []connector.Partition) { lost += len(ps) }
		})
		synctest.Wait()
		w.store.Hold("out0")
		w.produce([]int32{0}, 10)
		synctest.Wait()
		w.store.Lose("g")
		synctest.Wait()
		w.store.Ack("out0", 1) // of the old assignment; the new one has read the same again
		time.Sleep(2 * time.Second)
		if got := w.committed(0); got != 0 || lost != 1 {
			t.Errorf("committed %d, lost %d; want 0 and 1", got, lost)
		}
		w.store.Free("out0")
		synctest.Wait()
		if err := r.term(); err != nil {
			t.Fatal(err)
		}
		equal(t, "out", w.out(0), append(numbers(0, 10), numbers(0, 10)...))
		if got := w.committed(0); got != 10 {
			t.Errorf("committed %d, want 10", got)
		}
	})
}

// TestDrainLost: a run that was to drain, and whose last records another member gets, has
// not drained.
func TestDrainLost(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, 1, plain())
		w.store.Hold("out0")
		w.produce([]int32{0}, 10)
		r := w.start(drained)
		synctest.Wait()
		w.store.Lose("g")
		synctest.Wait()
		w.store.Free("out0")
		err := r.wait()
		e, ok := errors.AsType[*connector.Error](err)
		if !ok || e.Reason != connector.Fenced || !strings.HasPrefix(e.Error(), "in[0]: the group took it away") {
			t.Errorf("got %v, want that the end was not reached", err)
		}
		if got := w.committed(0); got != 0 {
			t.Errorf("committed %d, want 0", got)
		}
		if err := w.start(drained).wait(); err != nil {
			t.Fatal(err)
		}
		if got := w.committed(0); got != 10 {
			t.Errorf("committed %d, want 10", got)
		}
	})
}

// TestRevokeHeld: what a batch holds is not delivered when its partition goes, and its
// next owner starts there.
func TestRevokeHeld(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, 1, batches(program.Limit{Count: 4}))
		r := w.start()
		w.produce([]int32{0}, 6)
		synctest.Wait()
		w.store.Rebalance("g")
		if got := w.committed(0); got != 4 {
			t.Errorf("committed %d, want 4", got)
		}
		synctest.Wait()
		w.produce([]int32{0}, 2)
		synctest.Wait()
		equal(t, "out", w.out(0), []string{"[0 1 2 3]", "[4 5 6 7]"})
		if err := r.term(); err != nil {
			t.Fatal(err)
		}
	})
}

// scripted is a source that returns what the test sends, whenever the test wants.
type scripted struct {
	fetches chan []connector.Fetch
	commits chan connector.Commit
}

func newScripted() *scripted {
	return &scripted{make(chan []connector.Fetch), make(chan connector.Commit, 100)}
}

func (s *scripted) Poll(ctx context.Context) ([]connector.Fetch, error) {
	select {
	case f := <-s.fetches:
		return f, nil
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

func (*scripted) Pause([]connector.Partition, bool) {}

func (s *scripted) Commit(_ context.Context, cs []connector.Commit) error {
	for _, c := range cs {
		s.commits <- c
	}
	return nil
}

func (s *scripted) in(w *world, a *connector.Assignee) func(*engine.Config) {
	return func(c *engine.Config) {
		c.Source = func(to connector.Assignee) (connector.Source, error) {
			*a = to
			return s, nil
		}
	}
}

func run0(from, to int64) connector.Fetch {
	f := connector.Fetch{Partition: connector.Partition{Topic: "in"}, Next: to}
	for o := from; o < to; o++ {
		f.Records = append(f.Records, record.Record{Topic: "in", Offset: o, Value: []byte(strconv.FormatInt(o, 10))})
	}
	return f
}

// TestControlRecords: offsets without records move the frontier, in their turn.
func TestControlRecords(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, 1, plain())
		src := newScripted()
		var a connector.Assignee
		r := w.start(src.in(w, &a))
		synctest.Wait()
		a.Assigned([]connector.Assignment{{Partition: connector.Partition{Topic: "in"}, Start: 5}})
		frontier := func() int64 {
			synctest.Wait()
			return r.engine.Status().Partitions[0].Frontier
		}
		src.fetches <- []connector.Fetch{run0(8, 8)}
		if got := frontier(); got != 8 {
			t.Errorf("frontier %d after an empty fetch, want 8", got)
		}
		w.store.Hold("out0")
		src.fetches <- []connector.Fetch{run0(10, 12)} // a gap before it
		src.fetches <- []connector.Fetch{{Partition: connector.Partition{Topic: "in"}, Next: 13}}
		if got := frontier(); got != 8 {
			t.Errorf("frontier %d while a record before the marker is in flight, want 8", got)
		}
		w.store.Free("out0")
		if got := frontier(); got != 13 {
			t.Errorf("frontier %d, want 13", got)
		}
		if err := r.term(); err != nil {
			t.Fatal(err)
		}
		if c := <-src.commits; c.Offset != 13 || c.Metadata != "levada/1" {
			t.Errorf("committed %+v, want 13 with metadata levada/1", c)
		}
		if len(src.commits) != 0 {
			t.Errorf("committed again although nothing moved: %+v", <-src.commits)
		}
	})
}

// TestPoisonDuringACommit: nothing behind a record that fails is taken, even while a
// broker takes its time over a commit.
func TestPoisonDuringACommit(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, 1, pipeline(1, func(int) *program.Stage {
			return toSink(0, check("check", func(v string) error {
				if v == "4" {
					return errors.New("is 4")
				}
				return nil
			}))
		}))
		src := newScripted()
		src.commits = make(chan connector.Commit)
		var a connector.Assignee
		r := w.start(src.in(w, &a))
		synctest.Wait()
		a.Assigned([]connector.Assignment{{Partition: connector.Partition{Topic: "in"}}})
		src.fetches <- []connector.Fetch{run0(0, 3)}
		time.Sleep(1100 * time.Millisecond) // a commit has begun
		src.fetches <- []connector.Fetch{run0(3, 6)}
		synctest.Wait()
		src.fetches <- []connector.Fetch{run0(6, 9)}
		synctest.Wait()
		for _, want := range []int64{3, 4} {
			if c := <-src.commits; c.Offset != want {
				t.Errorf("committed %d, want %d", c.Offset, want)
			}
		}
		if err := r.wait(); err == nil {
			t.Error("no failure")
		}
		equal(t, "out", w.out(0), numbers(0, 4))
	})
}

// TestRevokedTakesNothing: what is fetched while a partition is drained is its next
// owner's.
func TestRevokedTakesNothing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, 1, plain())
		src := newScripted()
		var a connector.Assignee
		r := w.start(src.in(w, &a))
		synctest.Wait()
		p := connector.Partition{Topic: "in"}
		a.Assigned([]connector.Assignment{{Partition: p}})
		w.store.Hold("out0")
		src.fetches <- []connector.Fetch{run0(0, 3)}
		synctest.Wait()
		revoked := make(chan struct{})
		go func() {
			a.Revoked(t.Context(), []connector.Partition{p})
			close(revoked)
		}()
		synctest.Wait()
		src.fetches <- []connector.Fetch{run0(3, 6)}
		synctest.Wait()
		w.store.Free("out0")
		<-revoked
		if c := <-src.commits; c.Offset != 3 {
			t.Errorf("committed %d, want 3", c.Offset)
		}
		if err := r.term(); err != nil {
			t.Fatal(err)
		}
		equal(t, "out", w.out(0), numbers(0, 3))
	})
}

// stuckCommit is a source whose next commit waits until it is broken off, as a client does
// whose group is about to change.
type stuckCommit struct {
	connector.Source
	armed atomic.Bool
}

func (s *stuckCommit) Commit(ctx context.Context, cs []connector.Commit) error {
	if s.armed.CompareAndSwap(true, false) {
		<-ctx.Done()
		return ctx.Err()
	}
	return s.Source.Commit(ctx, cs)
}

// TestRevokeDuringTheLastCommit: a rebalance breaks off the last commit of a run that was
// told to stop. Both are carried out, and the run ends as it should.
//
// Fault: partition revoked with records in flight -> goes on: a run that is stopping at that moment ends with 0, and everything is committed
func TestRevokeDuringTheLastCommit(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, 2, plain())
		source := &stuckCommit{}
		r := w.start(func(c *engine.Config) {
			open := c.Source
			c.Source = func(a connector.Assignee) (connector.Source, error) {
				var err error
				source.Source, err = open(a)
				return source, err
			}
		})
		w.produce([]int32{0, 1}, 10)
		synctest.Wait()
		source.armed.Store(true)
		ended := make(chan error, 1)
		go func() { ended <- r.term() }()
		synctest.Wait()
		if source.armed.Load() {
			t.Fatal("the last commit has not begun")
		}
		w.store.Rebalance("g")
		if err := <-ended; err != nil {
			t.Errorf("got %v, want a good end", err)
		}
		if a, b := w.committed(0), w.committed(1); a != 5 || b != 5 {
			t.Errorf("committed %d and %d, want 5 and 5", a, b)
		}
	})
}

// TestFence: a fetch from before a rebalance never reaches the assignment after it: what
// lies before that fetch would be skipped.
func TestFence(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, 1, plain())
		src := newScripted()
		var a connector.Assignee
		stale := &late{scripted: src, release: make(chan struct{})}
		r := w.start(src.in(w, &a), func(c *engine.Config) {
			open := c.Source
			c.Source = func(to connector.Assignee) (connector.Source, error) {
				_, err := open(to)
				return stale, err
			}
		})
		synctest.Wait()
		p := connector.Partition{Topic: "in"}
		a.Assigned([]connector.Assignment{{Partition: p}})
		src.fetches <- []connector.Fetch{run0(0, 3)}
		synctest.Wait()
		stale.arm.Store(true)
		src.fetches <- []connector.Fetch{run0(3, 6)} // returned by a poll that is held up
		synctest.Wait()
		a.Lost([]connector.Partition{p})
		assigned := make(chan struct{})
		go func() {
			a.Assigned([]connector.Assignment{{Partition: p}})
			close(assigned)
		}()
		synctest.Wait()
		select {
		case <-assigned:
			t.Error("assigned anew while a poll from before is under way")
		default:
		}
		close(stale.release)
		<-assigned
		src.fetches <- []connector.Fetch{run0(0, 6)}
		synctest.Wait()
		equal(t, "out", w.out(0), append(numbers(0, 3), numbers(0, 6)...))
		if err := r.term(); err != nil {
			t.Fatal(err)
		}
	})
}

func batches(l program.Limit) *program.Program {
	return pipeline(1, func(int) *program.Stage {
		return &program.Stage{Batch: &program.BatchExit{Step: "batch", Limit: l, Next: toSink(0, join("join"))}}
	})
}

// TestBatchLimits: a batch is complete at the first limit that is reached, holds one
// partition's records only, and its metadata is the members'.
func TestBatchLimits(t *testing.T) {
	for _, tc := range []struct {
		limit program.Limit
		want  []string
	}{
		{program.Limit{Count: 4}, []string{"[0 2 4 6]", "[8 10 12 14]", "[16 18]", "[1 3 5 7]", "[9 11 13 15]", "[17 19]"}},
		{program.Limit{Bytes: 3}, []string{"[0 2 4]", "[6 8 10]", "[12 14]", "[16 18]", "[1 3 5]", "[7 9 11]", "[13 15]", "[17 19]"}},
		{program.Limit{Count: 100, Age: 5 * time.Second}, []string{"[0 2 4 6 8 10 12 14 16 18]", "[1 3 5 7 9 11 13 15 17 19]"}},
	} {
		t.Run(fmt.Sprint(tc.limit), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w := newWorld(t, 2, batches(tc.limit))
				w.produce([]int32{0, 1}, 20)
				r := w.start()
				synctest.Wait()
				if tc.limit.Age > 0 {
					if n := len(w.out(0)); n != 0 {
						t.Errorf("%d batches before their time", n)
					}
					time.Sleep(tc.limit.Age)
					synctest.Wait()
					if n := len(w.out(0)); n != 2 {
						t.Errorf("%d batches when their time has come, want 2", n)
					}
				}
				if err := r.term(); err != nil {
					t.Fatal(err)
				}
				got := w.out(0)
				if len(got) != len(tc.want) {
					t.Errorf("%d batches, want %d", len(got), len(tc.want))
				}
				for _, want := range tc.want {
					if !slices.Contains(got, want) {
						t.Errorf("no batch %s in %q", want, got)
					}
				}
				first := w.store.Records("out0", 0)[0]
				if first.Key != nil || first.Headers != nil {
					t.Errorf("a batch has the key %q and the headers %v", first.Key, first.Headers)
				}
				if tc.limit.Count == 4 && first.Timestamp.UnixMilli() != 6 && first.Timestamp.UnixMilli() != 7 {
					t.Errorf("timestamp %v, want the latest of the members", first.Timestamp)
				}
				if a, b := w.committed(0), w.committed(1); a != 10 || b != 10 {
					t.Errorf("committed %d and %d, want 10 and 10", a, b)
				}
			})
		})
	}
}

// TestBatchHeldLimit: batches that would hold more than allowed are complete early.
func TestBatchHeldLimit(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, 4, batches(program.Limit{Count: 1_000_000}))
		r := w.start(func(c *engine.Config) { c.Limits.HeldBytes = 1000 })
		w.produce([]int32{0, 1, 2, 3}, 2000)
		synctest.Wait()
		if s := r.engine.Status(); s.HeldBytes > 1000 {
			t.Errorf("%d bytes held, want at most 1000", s.HeldBytes)
		}
		if len(w.out(0)) == 0 {
			t.Error("no batch was complete early")
		}
		if err := r.term(); err != nil {
			t.Fatal(err)
		}
		if s := r.engine.Status(); s.HeldBytes != 0 {
			t.Errorf("%d bytes held at the end", s.HeldBytes)
		}
	})
}

// TestBatchFails: a batch that a later step can not handle names its first record, and
// all of its records are read again.
func TestBatchFails(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, 1, pipeline(1, func(int) *program.Stage {
			return &program.Stage{Batch: &program.BatchExit{Step: "batch", Limit: program.Limit{Count: 3},
				Next: toSink(0, join("join"), check("check", func(v string) error {
					if v == "[6 7 8]" {
						return errors.New("too odd")
					}
					return nil
				}))}}
		}))
		w.produce([]int32{0}, 30)
		err := w.start().wait()
		if got, want := fmt.Sprint(err), `step "check" (app.py:12): in[0]@6: too odd`; got != want {
			t.Errorf("got  %s\nwant %s", got, want)
		}
		if got := w.committed(0); got != 6 {
			t.Errorf("committed %d, want 6", got)
		}
	})
}

// TestDrainFlushes: a run that drains delivers its last, incomplete batch.
func TestDrainFlushes(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, 3, batches(program.Limit{Count: 1000}))
		if err := w.start(drained).wait(); err != nil {
			t.Fatal(err)
		}
		w.produce([]int32{0}, 3)
		if err := w.start(drained).wait(); err != nil {
			t.Fatal(err)
		}
		equal(t, "out", w.out(0), []string{"[0 1 2]"})
	})
}

// late holds back what a poll has taken until the test releases it.
type late struct {
	*scripted
	arm     atomic.Bool
	release chan struct{}
}

func (l *late) Poll(ctx context.Context) ([]connector.Fetch, error) {
	fs, err := l.scripted.Poll(ctx)
	if l.arm.CompareAndSwap(true, false) {
		<-l.release
	}
	return fs, err
}
