package engine_test

import (
	"context"
	"errors"
	"fmt"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/levada-io/levada/internal/engine"
	"github.com/levada-io/levada/internal/program"
	"github.com/levada-io/levada/record"
)

// handles is a column of things that the garbage collector does not free; live counts
// them. Like the bridge's, it owns what it holds: Select, Batch and Release take that
// away, Clone does not.
type handles struct {
	live *atomic.Int64
	v    [][]byte
	list bool // one element: the list of all
	gone bool
}

func (h *handles) use() {
	if h.gone {
		panic("BUG: a column is used that was given away")
	}
}

func (h *handles) give() [][]byte {
	h.use()
	h.gone = true
	h.live.Add(-int64(len(h.v)))
	return h.v
}

func (h *handles) fresh(v [][]byte) *handles {
	h.live.Add(int64(len(v)))
	return &handles{live: h.live, v: v}
}

func (h *handles) Len() int {
	if h.list {
		return 1
	}
	return len(h.v)
}

func (h *handles) Size() int { return 10 * len(h.v) }

func (h *handles) Select(idx []int32) record.Column {
	if h.list {
		panic("BUG: not needed here")
	}
	v := h.give()
	out := make([][]byte, len(idx))
	for k, i := range idx {
		out[k] = v[i]
	}
	return h.fresh(out)
}

func (h *handles) Batch(pieces []record.Column) record.Column {
	var all [][]byte
	for _, p := range pieces {
		all = append(all, p.(*handles).give()...)
	}
	out := h.fresh(all)
	out.list = true
	return out
}

func (h *handles) Clone() record.Column {
	h.use()
	return h.fresh(h.v)
}

func (h *handles) Release() { h.give() }

// TestHandles: columns that own something are released on every path, and never used
// after they were given away.
func TestHandles(t *testing.T) {
	for _, end := range []string{"stop", "poison", "abort", "rebalance", "operator"} {
		t.Run(end, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				var live atomic.Int64
				take := &op{"take", func(_ context.Context, c *record.Chunk) error {
					c.Col = (&handles{live: &live}).fresh(c.Col.(record.Bytes))
					return nil
				}}
				odd := func(v []byte) bool { return v[len(v)-1]%2 == 1 }
				sift := &op{"sift", func(_ context.Context, c *record.Chunk) error {
					var idx []int32
					for i, v := range c.Col.(*handles).v {
						switch {
						case end == "poison" && string(v) == "700":
							c.Fail(i, "sift", errors.New("is 700"))
						case end == "operator" && string(v) == "700":
							return errors.New("is 700")
						case string(v) != "13":
							idx = append(idx, int32(i))
						}
					}
					c.Keep(idx, c.Col.Select(idx))
					return nil
				}}
				back := func(name string) program.Op {
					return &op{name, func(_ context.Context, c *record.Chunk) error {
						h := c.Col.(*handles)
						list := h.list
						v := h.give()
						if list {
							v = [][]byte{fmt.Appendf(nil, "%s", v)}
						}
						c.Col = record.Bytes(v)
						return nil
					}}
				}
				w := newWorld(t, 3, pipeline(4, func(int) *program.Stage {
					return &program.Stage{
						Ops: []program.Op{take},
						Route: &program.RouteExit{Step: "route", Router: byHandle(odd), Branches: []*program.Stage{
							{Broadcast: &program.BroadcastExit{Step: "both", Branches: []*program.Stage{
								toSink(0, back("back0")),
								toSink(1, sift, back("back1")),
							}}},
							{Broadcast: &program.BroadcastExit{Step: "batches", Branches: []*program.Stage{
								{Batch: &program.BatchExit{Step: "small", Limit: program.Limit{Count: 3}, Next: toSink(2, back("back2"))}},
								{Batch: &program.BatchExit{Step: "large", Limit: program.Limit{Count: 1000}, Next: toSink(3, back("back3"))}},
							}}},
						}},
					}
				}))
				w.produce([]int32{0, 1, 2}, 1000)
				r := w.start(func(c *engine.Config) { c.Limits.ChunkRecords = 100 })
				synctest.Wait()
				switch end {
				case "stop":
					if live.Load() == 0 {
						t.Error("nothing is held")
					}
					if err := r.term(); err != nil {
						t.Error(err)
					}
				case "abort":
					r.crash()
				case "rebalance":
					w.store.Rebalance("g")
					time.Sleep(time.Second)
					if err := r.term(); err != nil {
						t.Error(err)
					}
				default:
					if err := r.wait(); err == nil {
						t.Error("no failure")
					}
				}
				if n := live.Load(); n != 0 {
					t.Errorf("%d handles were never released", n)
				}
			})
		})
	}
}

type byHandle func(v []byte) bool

func (byHandle) Steps() []string { return []string{"route"} }

func (f byHandle) Route(_ context.Context, c *record.Chunk) ([]int32, error) {
	h := c.Col.(*handles)
	h.use()
	to := make([]int32, len(h.v))
	for i, v := range h.v {
		if f(v) {
			to[i] = 1
		}
	}
	return to, nil
}
