package engine_test

import (
	"context"
	"fmt"
	"strconv"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"pgregory.net/rapid"

	"github.com/levada-io/levada/connector"
	"github.com/levada-io/levada/internal/engine"
	"github.com/levada-io/levada/record"
)

const fencePartitions = 2

// fenceModel is a source that knows, partition by partition, what may be committed: only
// while the partition is ours, and only what was delivered under this assignment.
//
// A record's value names the assignment that it was read under, so that what an old
// assignment has delivered does not pass for the work of the one after it.
type fenceModel struct {
	*scripted
	delivered func(value string) bool

	mu     sync.Mutex // guards all below
	parts  [fencePartitions]fencePart
	broken []string
}

type fencePart struct {
	ours      bool
	epoch     int
	start     int64 // of this assignment
	next      int64 // to be fetched
	committed int64
}

func (*fenceModel) Pause([]connector.Partition, bool) {}

func value(p, epoch int, offset int64) string { return fmt.Sprintf("%d/%d/%d", p, epoch, offset) }

// Commit implements connector.Source. Unlike a connector it takes what is not ours, and
// holds it against the engine.
func (m *fenceModel) Commit(_ context.Context, cs []connector.Commit) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	for _, c := range cs {
		p := &m.parts[c.ID]
		switch {
		case !p.ours:
			m.broken = append(m.broken, fmt.Sprintf("%s@%d is committed, and is another's", c.Partition, c.Offset))
		case c.Offset < p.committed:
			m.broken = append(m.broken, fmt.Sprintf("%s is committed back from %d to %d", c.Partition, p.committed, c.Offset))
		}
		for o := p.start; o < c.Offset; o++ {
			if v := value(int(c.ID), p.epoch, o); !m.delivered(v) {
				m.broken = append(m.broken, fmt.Sprintf("%s@%d is committed, %s is not delivered", c.Partition, c.Offset, v))
				break
			}
		}
		p.committed = c.Offset
	}
	return nil
}

// TestFenceModel: in whatever order partitions come, are revoked and are lost, and
// acknowledgements are late, a commit never covers what is not acknowledged, and none
// comes for a partition that is another's.
func TestFenceModel(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		script := drawScript(rt, []string{"assign", "assign", "fetch", "fetch", "fetch", "revoke", "lose", "ack", "ack", "free", "hold", "time"})
		lanes := rapid.IntRange(1, 2).Draw(rt, "lanes")
		if broken := playFence(t, script, lanes); len(broken) > 0 {
			rt.Fatalf("%v:\n%s", script, strings.Join(broken, "\n"))
		}
	})
}

func playFence(t *testing.T, script []action, lanes int) (broken []string) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, fencePartitions, plain())
		m := &fenceModel{scripted: newScripted()}
		m.delivered = func(v string) bool {
			for _, got := range w.out(0) {
				if got == v {
					return true
				}
			}
			return false
		}
		var a connector.Assignee
		r := w.start(m.in(w, &a), func(c *engine.Config) {
			open := c.Source
			c.Source = func(to connector.Assignee) (connector.Source, error) {
				_, err := open(to)
				return m, err
			}
			c.Lanes = lanes
			c.Limits = engine.Limits{ChunkRecords: 3}
		})
		synctest.Wait()
		part := func(n int) (connector.Partition, *fencePart) {
			id := n % fencePartitions
			return connector.Partition{Topic: "in", ID: int32(id)}, &m.parts[id]
		}
		set := func(p *fencePart, ours bool) {
			m.mu.Lock()
			p.ours = ours
			m.mu.Unlock()
		}
		for _, s := range script {
			id, p := part(s.n)
			switch s.name {
			case "assign":
				if p.ours {
					continue
				}
				m.mu.Lock()
				p.ours, p.start, p.next = true, p.committed, p.committed
				p.epoch++
				m.mu.Unlock()
				a.Assigned([]connector.Assignment{{Partition: id, Start: p.start}})
			case "fetch":
				if !p.ours {
					continue
				}
				f := connector.Fetch{Partition: id}
				for range 1 + s.n%7 {
					f.Records = append(f.Records, record.Record{
						Topic: "in", Partition: id.ID, Offset: p.next, Value: []byte(value(int(id.ID), p.epoch, p.next)),
					})
					p.next++
				}
				f.Next = p.next
				m.fetches <- []connector.Fetch{f}
			case "revoke": // the acknowledgements may come too late for it
				if !p.ours {
					continue
				}
				a.Revoked(t.Context(), []connector.Partition{id})
				set(p, false)
			case "lose":
				if !p.ours {
					continue
				}
				set(p, false)
				a.Lost([]connector.Partition{id})
			case "hold":
				w.store.Hold("out0")
			case "ack":
				w.store.Ack("out0", 1+s.n%3)
			case "free":
				w.store.Free("out0")
			case "time":
				time.Sleep(time.Duration(1+s.n%3) * 600 * time.Millisecond)
			}
			synctest.Wait()
		}
		w.store.Free("out0")
		if err := r.term(); err != nil {
			m.broken = append(m.broken, "stop: "+err.Error())
		}
		m.mu.Lock()
		defer m.mu.Unlock()
		for i := range m.parts {
			// What was fetched under the last assignment may have been queued when the
			// run was told to stop, and is then the next one's.
			if p := &m.parts[i]; p.ours && p.committed > p.next {
				m.broken = append(m.broken, "in["+strconv.Itoa(i)+"] is committed beyond what was fetched")
			}
		}
		broken = m.broken
	})
	return broken
}
