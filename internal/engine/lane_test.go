package engine_test

import (
	"context"
	"errors"
	"slices"
	"sync"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/levada-io/levada/internal/engine"
	"github.com/levada-io/levada/internal/program"
	"github.com/levada-io/levada/record"
)

// TestOneChunk: what is queued of many partitions is one chunk, not one per partition.
func TestOneChunk(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var chunks []int
		go1 := make(chan struct{})
		w := newWorld(t, 64, pipeline(1, func(int) *program.Stage {
			return toSink(0, &op{"count", func(_ context.Context, c *record.Chunk) error {
				if len(chunks) == 0 {
					<-go1
				}
				chunks = append(chunks, c.Len())
				if len(c.Spans) != c.Len() && len(chunks) > 1 {
					t.Errorf("%d spans for %d records of as many partitions", len(c.Spans), c.Len())
				}
				return nil
			}})
		}))
		var all []int32
		for p := range int32(64) {
			all = append(all, p)
		}
		r := w.start()
		synctest.Wait()
		w.produce([]int32{0}, 1) // occupies the lane
		synctest.Wait()
		w.produce(all, 64)
		synctest.Wait()
		close(go1)
		synctest.Wait()
		if want := []int{1, 64}; !slices.Equal(chunks, want) {
			t.Errorf("chunks of %v records, want %v", chunks, want)
		}
		if err := r.term(); err != nil {
			t.Fatal(err)
		}
	})
}

// TestChunkTime: the chunks of a slow step are so small that the lane turns several times
// a second, and grow again once it is fast.
func TestChunkTime(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var chunks []int
		w := newWorld(t, 1, pipeline(1, func(int) *program.Stage {
			return toSink(0, &op{"wait", func(_ context.Context, c *record.Chunk) error {
				chunks = append(chunks, c.Len())
				switch k := len(chunks); {
				case k <= 3:
					time.Sleep(time.Millisecond * time.Duration(c.Len()))
				case k <= 6:
					time.Sleep(time.Second * time.Duration(c.Len()))
				}
				return nil
			}})
		}))
		w.produce([]int32{0}, 5000)
		if err := w.start(drained).wait(); err != nil {
			t.Fatal(err)
		}
		want := []int{1000, 100, 100, 100, 1, 1, 1, 2, 4, 8, 16, 32, 64, 128, 256, 512, 1000, 1000}
		if got := chunks[:min(len(chunks), len(want))]; !slices.Equal(got, want) {
			t.Errorf("chunks of %v records, want %v", got, want)
		}
		equal(t, "out", w.out(0), numbers(0, 5000))
	})
}

// TestChunkCap: a cap holds, every partition has its turn, and a record larger than a
// chunk goes alone.
func TestChunkCap(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, 3, pipeline(1, func(int) *program.Stage {
			return toSink(0, &op{"count", func(_ context.Context, c *record.Chunk) error {
				size := 0
				for i := range c.Recs {
					size += c.Recs[i].Size() + 136 // what a Record costs
				}
				if c.Len() > 50 || size > 8000 && c.Len() > 1 {
					t.Errorf("a chunk of %d records with %d bytes", c.Len(), size)
				}
				return nil
			}})
		}))
		w.produce([]int32{0, 1, 2}, 300)
		w.store.Append("in", 1, record.Record{Value: make([]byte, 5000)}, record.Record{Value: make([]byte, 5000)})
		w.produce([]int32{1}, 20)
		if err := w.start(drained, func(c *engine.Config) {
			c.Limits.ChunkRecords, c.Limits.ChunkBytes = 50, 8000
		}).wait(); err != nil {
			t.Fatal(err)
		}
		if got := len(w.out(0)); got != 322 {
			t.Errorf("%d delivered, want 322", got)
		}
	})
}

// TestLanesOverlap: four lanes are inside of their steps at the same time.
func TestLanesOverlap(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var meet sync.WaitGroup
		meet.Add(4)
		var once [4]sync.Once
		w := newWorld(t, 4, pipeline(1, func(lane int) *program.Stage {
			return toSink(0, &op{"meet", func(context.Context, *record.Chunk) error {
				once[lane].Do(func() {
					meet.Done()
					meet.Wait() // for ever, unless all four come
				})
				return nil
			}})
		}))
		w.produce([]int32{0, 1, 2, 3}, 400)
		if err := w.start(drained, func(c *engine.Config) { c.Lanes = 4 }).wait(); err != nil {
			t.Fatal(err)
		}
		equal(t, "out", sorted(w.out(0)), numbers(0, 400))
	})
}

// starter is an operator with a beginning and an end.
type starter struct {
	op
	t       *testing.T
	fail    error
	thread  int
	started int
	stopped int
}

func (s *starter) Start(int) error {
	s.started++
	s.thread = syscall.Gettid()
	return s.fail
}

func (s *starter) Stop() {
	s.stopped++
	if syscall.Gettid() != s.thread {
		s.t.Error("stopped on another thread than started")
	}
}

// TestThreads: with Threads, a lane starts, runs and stops its operators on one thread.
func TestThreads(t *testing.T) {
	w := newWorld(t, 2, plain())
	var all []*starter
	w.prog.Threads = true
	w.prog.NewStage = func(int) (*program.Stage, error) {
		s := &starter{t: t}
		s.op = op{"step", func(context.Context, *record.Chunk) error {
			if syscall.Gettid() != s.thread {
				t.Error("called on another thread than started")
			}
			return nil
		}}
		all = append(all, s)
		return toSink(0, s), nil
	}
	w.produce([]int32{0, 1}, 20_000)
	if err := w.start(drained, func(c *engine.Config) { c.Lanes = 2 }).wait(); err != nil {
		t.Fatal(err)
	}
	if len(all) != 2 || all[0].thread == all[1].thread {
		t.Errorf("two lanes on one thread")
	}
	for _, s := range all {
		if s.started != 1 || s.stopped != 1 {
			t.Errorf("started %d times, stopped %d times", s.started, s.stopped)
		}
	}
}

// TestStartFails: what was started is stopped when a later operator does not start, and
// nothing was connected.
func TestStartFails(t *testing.T) {
	w := newWorld(t, 1, plain())
	good := &starter{t: t, op: op{name: "good"}}
	bad := &starter{t: t, op: op{name: "check"}, fail: errors.New("no module named numpy")}
	w.prog.Threads = true
	w.prog.NewStage = func(int) (*program.Stage, error) { return toSink(0, good, bad), nil }
	err := w.start(func(c *engine.Config) { c.Source = nil }).wait()
	if want := `step "check" (app.py:12): no module named numpy`; err == nil || err.Error() != want {
		t.Errorf("got  %v\nwant %s", err, want)
	}
	if good.stopped != 1 || bad.stopped != 0 {
		t.Errorf("stopped %d and %d times, want 1 and 0", good.stopped, bad.stopped)
	}
}

// TestStartStop: an engine can be started and stopped for as long as anybody likes.
func TestStartStop(t *testing.T) {
	w := newWorld(t, 2, plain())
	w.prog.Threads = true
	w.produce([]int32{0, 1}, 500)
	for i := range 500 {
		r := w.start(func(c *engine.Config) { c.Lanes = 1 + i%3 })
		if err := r.term(); err != nil {
			t.Fatal(err)
		}
	}
	if err := w.start(drained).wait(); err != nil {
		t.Fatal(err)
	}
	equal(t, "0 lost, 0 duplicated", sorted(w.out(0)), numbers(0, 500))
}
