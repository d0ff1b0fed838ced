package memory

import (
	"context"
	"fmt"
	"slices"

	"github.com/levada-io/levada/connector"
)

// group is a consumer group.
type group struct {
	// moving holds one token while partitions change hands, callbacks included: one
	// rebalance at a time. It is a channel since a callback may take its time, and the
	// fake clock of testing/synctest does not move on while somebody waits for a mutex.
	moving  chan struct{}
	members []*member // guarded by moving

	commits   map[connector.Partition]connector.Commit // guarded by Store.mu
	commitErr error                                    // likewise
}

// member is a source and its part in a group. The fields below are guarded by Store.mu.
type member struct {
	store    *Store
	group    *group
	stream   *stream
	start    string
	assignee connector.Assignee

	joined bool
	owned  map[connector.Partition]*position
	ends   map[connector.Partition]int64
}

// position is where a member reads in a partition.
type position struct {
	next    int64
	paused  bool
	leaving bool // nothing is read any more; it is about to go
}

func newGroup() *group {
	return &group{
		moving:  make(chan struct{}, 1),
		commits: map[connector.Partition]connector.Commit{},
	}
}

// move begins a change; the function that it returns ends it.
func (g *group) move() (end func()) {
	g.moving <- struct{}{}
	return func() { <-g.moving }
}

func (g *group) join(m *member) {
	defer g.move()()
	g.members = append(g.members, m)
	g.balance()
}

func (g *group) leave(m *member) {
	defer g.move()()
	g.members = slices.DeleteFunc(g.members, func(o *member) bool { return o == m })
	m.give(m.all())
	g.balance()
}

// balance shares the partitions of each stream out evenly; only what must move moves.
// Called with moving held.
func (g *group) balance() {
	streams := map[*stream][]*member{}
	for _, m := range g.members {
		streams[m.stream] = append(streams[m.stream], m)
	}
	for st, ms := range streams {
		free := map[connector.Partition]bool{}
		for i := range st.logs {
			free[connector.Partition{Topic: st.name, ID: int32(i)}] = true
		}
		for i, m := range ms {
			share := len(st.logs) / len(ms)
			if i < len(st.logs)%len(ms) {
				share++
			}
			have := m.all()
			if len(have) > share {
				m.give(have[share:])
				have = have[:share]
			}
			for _, p := range have {
				delete(free, p)
			}
		}
		var left []connector.Partition
		for p := range free {
			left = append(left, p)
		}
		slices.SortFunc(left, byID)
		for i, m := range ms {
			share := len(st.logs) / len(ms)
			if i < len(st.logs)%len(ms) {
				share++
			}
			n := min(len(left), share-len(m.all()))
			m.get(left[:n])
			left = left[n:]
		}
	}
}

func byID(a, b connector.Partition) int { return int(a.ID - b.ID) }

func (m *member) all() []connector.Partition {
	m.store.mu.Lock()
	defer m.store.mu.Unlock()
	var ps []connector.Partition
	for p := range m.owned {
		ps = append(ps, p)
	}
	slices.SortFunc(ps, byID)
	return ps
}

// give takes partitions from a member, which drains them first.
func (m *member) give(ps []connector.Partition) {
	if len(ps) == 0 {
		return
	}
	m.store.mu.Lock()
	for _, p := range ps {
		m.owned[p].leaving = true
	}
	m.store.mu.Unlock()
	ctx, cancel := context.WithTimeout(context.Background(), revokeBudget)
	defer cancel()
	m.assignee.Revoked(ctx, ps)
	m.drop(ps)
}

// lose takes partitions from a member that is told afterwards.
func (m *member) lose(ps []connector.Partition) {
	if len(ps) == 0 {
		return
	}
	m.drop(ps)
	m.assignee.Lost(ps)
}

func (m *member) drop(ps []connector.Partition) {
	m.store.mu.Lock()
	defer m.store.mu.Unlock()
	for _, p := range ps {
		delete(m.owned, p)
		delete(m.ends, p)
	}
}

// get gives partitions to a member. A position that the group does not have yet is
// resolved and committed before the first record.
func (m *member) get(ps []connector.Partition) {
	m.store.mu.Lock()
	var as []connector.Assignment
	for _, p := range ps {
		c, ok := m.group.commits[p]
		if !ok {
			c = connector.Commit{Partition: p, Metadata: "levada/1"}
			if m.start == connector.Latest {
				c.Offset = int64(len(m.stream.logs[p.ID]))
			}
			m.group.commits[p] = c
		}
		as = append(as, connector.Assignment{Partition: p, Start: c.Offset})
	}
	first := !m.joined
	m.store.mu.Unlock()
	if len(as) > 0 || first {
		m.assignee.Assigned(as)
	}
	m.store.mu.Lock()
	defer m.store.mu.Unlock()
	m.joined = true
	for _, a := range as {
		m.owned[a.Partition] = &position{next: a.Start}
	}
	m.store.signal()
}

// Poll implements connector.Source.
func (m *member) Poll(ctx context.Context) ([]connector.Fetch, error) {
	for {
		if err := ctx.Err(); err != nil {
			return nil, err
		}
		m.store.mu.Lock()
		changed := m.store.changed
		fs := m.fetch()
		m.store.mu.Unlock()
		if len(fs) > 0 {
			return fs, nil
		}
		select {
		case <-changed:
		case <-ctx.Done():
		}
	}
}

// pollRecords bounds what one poll takes from one partition.
const pollRecords = 2000

// fetch takes what there is. Called with Store.mu held.
func (m *member) fetch() []connector.Fetch {
	var fs []connector.Fetch
	for p, pos := range m.owned {
		log := m.stream.logs[p.ID]
		if pos.paused || pos.leaving || pos.next >= int64(len(log)) {
			continue
		}
		to := min(int64(len(log)), pos.next+pollRecords)
		fs = append(fs, connector.Fetch{Partition: p, Records: log[pos.next:to:to], Next: to})
		pos.next = to
	}
	return fs
}

// Pause implements connector.Source.
func (m *member) Pause(ps []connector.Partition, on bool) {
	m.store.mu.Lock()
	defer m.store.mu.Unlock()
	for _, p := range ps {
		if pos := m.owned[p]; pos != nil {
			pos.paused = on
		}
	}
	m.store.signal()
}

// Commit implements connector.Source.
func (m *member) Commit(ctx context.Context, cs []connector.Commit) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	m.store.mu.Lock()
	defer m.store.mu.Unlock()
	if err := m.group.commitErr; err != nil {
		return err
	}
	for _, c := range cs {
		if m.owned[c.Partition] != nil {
			m.group.commits[c.Partition] = c
		}
	}
	return nil
}

// Rewind implements connector.Rewinder.
func (m *member) Rewind(p connector.Partition, offset int64) error {
	m.store.mu.Lock()
	defer m.store.mu.Unlock()
	pos := m.owned[p]
	if pos == nil {
		return fmt.Errorf("%v: not assigned", p)
	}
	pos.next = offset
	m.store.signal()
	return nil
}

// End implements connector.Ender.
func (m *member) End(context.Context) (map[connector.Partition]int64, bool, error) {
	m.store.mu.Lock()
	defer m.store.mu.Unlock()
	if !m.joined {
		return nil, false, nil
	}
	ends := map[connector.Partition]int64{}
	for p := range m.owned {
		if _, ok := m.ends[p]; !ok {
			m.ends[p] = int64(len(m.stream.logs[p.ID]))
		}
		ends[p] = m.ends[p]
	}
	return ends, true, nil
}

// Reach implements connector.Gauge.
func (m *member) Reach() map[connector.Partition]int64 {
	m.store.mu.Lock()
	defer m.store.mu.Unlock()
	reach := map[connector.Partition]int64{}
	for p := range m.owned {
		reach[p] = int64(len(m.stream.logs[p.ID]))
	}
	return reach
}
