package engine_test

import (
	"context"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"pgregory.net/rapid"

	"github.com/levada-io/levada/internal/engine"
	"github.com/levada-io/levada/internal/program"
	"github.com/levada-io/levada/record"
)

const modelPartitions = 3

// modelPipeline has every kind of exit. Input n becomes the words "na" and "nb", or
// nothing where 7 divides n; n modulo 3 says which way they go.
//
// Without batches nothing is ever held.
func modelPipeline(batches bool) *program.Program {
	batch := func(step string, l program.Limit, sink int) *program.Stage {
		if !batches {
			return toSink(sink)
		}
		return &program.Stage{Batch: &program.BatchExit{Step: step, Limit: l, Next: toSink(sink, join("join"))}}
	}
	id := func(v string) int { n, _ := strconv.Atoi(v[:len(v)-1]); return n }
	return pipeline(4, func(int) *program.Stage {
		return &program.Stage{
			Ops: []program.Op{
				&op{"words", func(_ context.Context, c *record.Chunk) error {
					for i, v := range c.Col.(record.Bytes) {
						c.Col.(record.Bytes)[i] = fmt.Appendf(nil, "%sa %sb", v, v)
					}
					return nil
				}},
				split("split"),
				filter("sevens", func(v string) bool { return id(v)%7 != 0 }),
			},
			Route: &program.RouteExit{Step: "route", Router: router(func(v string) int32 { return int32(id(v) % 3) }), Branches: []*program.Stage{
				toSink(0),
				batch("batch", program.Limit{Count: 5, Age: 3 * time.Second}, 1),
				{Broadcast: &program.BroadcastExit{Step: "both", Branches: []*program.Stage{
					toSink(2),
					batch("bytes", program.Limit{Bytes: 20, Age: 10 * time.Second}, 3),
				}}},
			}},
		}
	})
}

// expected are the words of input n that each sink must get.
func expected(n int) map[int][]string {
	if n%7 == 0 {
		return nil
	}
	ws := []string{strconv.Itoa(n) + "a", strconv.Itoa(n) + "b"}
	switch n % 3 {
	case 0:
		return map[int][]string{0: ws}
	case 1:
		return map[int][]string{1: ws}
	}
	return map[int][]string{2: ws, 3: ws}
}

// model knows where every input is, and what the sinks have stored.
type model struct {
	*world
	inputs [modelPartitions][]int // offset -> number
	runs   []*run
	broken []string
}

// stored counts the words in each sink, in the order of their first appearance.
func (m *model) stored(sink int) (order []string, count map[string]int) {
	count = map[string]int{}
	for _, v := range m.out(sink) {
		for _, w := range strings.Fields(strings.Trim(v, "[]")) {
			if count[w] == 0 {
				order = append(order, w)
			}
			count[w]++
		}
	}
	return order, count
}

func (m *model) report(format string, args ...any) {
	m.broken = append(m.broken, fmt.Sprintf(format, args...))
}

// verify demands that nothing is committed that is not accounted for.
func (m *model) verify(after string) {
	var counts [4]map[string]int
	for s := range counts {
		var order []string
		order, counts[s] = m.stored(s)
		var last [modelPartitions]string
		for _, w := range order {
			n, _ := strconv.Atoi(w[:len(w)-1])
			p := n % modelPartitions
			if l := last[p]; l != "" {
				if k, _ := strconv.Atoi(l[:len(l)-1]); k > n || k == n && l > w {
					m.report("after %s: sink %d got %s after %s", after, s, w, l)
				}
			}
			last[p] = w
		}
	}
	for p := range m.inputs {
		committed := m.committed(int32(p))
		for at, n := range m.inputs[p] {
			if int64(at) >= committed {
				break
			}
			for s, ws := range expected(n) {
				for _, w := range ws {
					if counts[s][w] == 0 {
						m.report("after %s: in[%d] is committed up to %d, but %s of offset %d is not in sink %d", after, p, committed, w, at, s)
					}
				}
			}
		}
	}
}

func (m *model) produce(p, n int) {
	for range n {
		id := m.next*modelPartitions + p // no two partitions share a number
		m.next++
		m.store.Append("in", int32(p), record.Record{Value: []byte(strconv.Itoa(id))})
		m.inputs[p] = append(m.inputs[p], id)
	}
}

// do carries one action of a script out.
func (m *model) do(a action) {
	live := func() *run { return m.runs[a.n%len(m.runs)] }
	sink := "out" + strconv.Itoa(a.n%4)
	switch a.name {
	case "produce":
		m.produce(a.n%modelPartitions, 1+a.n%41)
	case "time":
		time.Sleep(time.Duration(a.n%4+1) * 700 * time.Millisecond)
	case "hold":
		m.store.Hold(sink)
	case "land":
		m.store.Land(sink, 1+a.n%3)
	case "ack":
		m.store.Ack(sink, 1+a.n%3)
	case "free":
		m.store.Free(sink)
	case "join":
		if len(m.runs) < 3 {
			m.launch(a.n)
		}
	case "leave":
		r := live()
		for s := range 4 {
			m.store.Free("out" + strconv.Itoa(s)) // a stop waits for its sinks
		}
		if err := r.term(); err != nil {
			m.report("stop: %v", err)
		}
		m.gone(r)
	case "crash":
		r := live()
		r.crash()
		m.gone(r)
	case "rebalance":
		m.store.Rebalance("g")
	case "lose":
		m.store.Lose("g")
	}
	synctest.Wait()
}

func (m *model) gone(r *run) {
	m.runs = slices.DeleteFunc(m.runs, func(o *run) bool { return o == r })
	if len(m.runs) == 0 {
		m.launch(m.next)
	}
}

func (m *model) launch(n int) {
	m.runs = append(m.runs, m.start(func(c *engine.Config) {
		c.Lanes = 1 + n%2
		c.Limits = engine.Limits{ChunkRecords: 1 + n%17, InFlightBytes: int64(200 + 1000*(n%3)), QueueBytes: 2000, HeldBytes: 4000}
	}))
	synctest.Wait()
}

type action struct {
	name string
	n    int
}

func (a action) String() string { return fmt.Sprintf("%s(%d)", a.name, a.n) }

// play runs a script, then lets everything finish. It returns what was wrong.
func play(t *testing.T, script []action, p *program.Program, exact bool) []string {
	m := &model{}
	synctest.Test(t, func(t *testing.T) {
		m.world = newWorld(t, modelPartitions, p)
		m.launch(len(script))
		for _, a := range script {
			m.do(a)
			m.verify(a.String())
		}
		for s := range 4 {
			m.store.Free("out" + strconv.Itoa(s))
		}
		for len(m.runs) > 0 {
			r := m.runs[0]
			m.runs = m.runs[1:]
			if err := r.term(); err != nil {
				m.report("last stop: %v", err)
			}
		}
		m.verify("the stop")
		if err := m.start(drained).wait(); err != nil {
			m.report("drain: %v", err)
		}
		m.verify("the drain")
		for p := range m.inputs {
			if got, want := m.committed(int32(p)), int64(len(m.inputs[p])); got != want {
				m.report("in[%d]: committed %d of %d at the end", p, got, want)
			}
		}
		if exact {
			for s := range 4 {
				_, count := m.stored(s)
				for w, n := range count {
					if n != 1 {
						m.report("%s is %d times in sink %d", w, n, s)
					}
				}
			}
		}
	})
	return m.broken
}

func drawScript(t *rapid.T, names []string) []action {
	gen := rapid.Custom(func(t *rapid.T) action {
		return action{rapid.SampledFrom(names).Draw(t, "action"), rapid.IntRange(0, 99).Draw(t, "n")}
	})
	return rapid.SliceOfN(gen, 1, 60).Draw(t, "script")
}

// TestEveryPoint plays scripts of deaths, rebalances and slow sinks: nothing is lost, at
// no moment is more committed than accounted for, and order is kept.
func TestEveryPoint(t *testing.T) {
	property(t, modelPipeline(true), false, "produce", "produce", "produce", "time", "time", "hold", "land",
		"ack", "ack", "free", "join", "leave", "crash", "rebalance", "lose")
}

// TestStops: where the process is only ever asked to stop, everything is delivered
// exactly once, what batches hold included.
func TestStops(t *testing.T) {
	property(t, modelPipeline(true), true, "produce", "produce", "produce", "time", "leave")
}

// TestRebalances: partitions that move are drained first, so that everything is delivered
// exactly once. (A batch is not drained: its next owner collects it anew, and sees what
// other branches have delivered of the same records again.)
//
// Fault: rebalances one after the other -> goes on: nothing is lost, held against a model
func TestRebalances(t *testing.T) {
	property(t, modelPipeline(false), true, "produce", "produce", "produce", "time", "join", "leave", "rebalance")
}

func property(t *testing.T, p *program.Program, exact bool, names ...string) {
	rapid.Check(t, func(rt *rapid.T) {
		script := drawScript(rt, names)
		if broken := play(t, script, p, exact); len(broken) > 0 {
			rt.Fatalf("%v:\n%s", script, strings.Join(broken, "\n"))
		}
	})
}
