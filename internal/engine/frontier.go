package engine

import (
	"sort"
	"sync"
)

// ticket is a range of offsets [lo, hi) and the number of chunk fragments that still
// answer for it.
type ticket struct {
	lo, hi int64
	refs   int
}

// frontier keeps the books of one partition for one assignment: which offsets are
// open, who still answers for them, and up to where everything is finished.
//
// Two things are counted. References decide what may be committed. Flying counts the
// fragments that are on their way to a sink; what an operator holds back has
// references but does not fly, so that a drain does not wait for it.
//
// # Concurrency
//
// mu guards all fields. It is the innermost lock: nothing is called under it.
type frontier struct {
	mu      sync.Mutex
	tickets []ticket // by offset, without gaps; the first has refs > 0
	next    int64    // first offset that was never opened
	flying  int
	dead    bool
	landed  chan struct{} // closed when nothing flies; nil while nobody waits
}

// open starts a fragment of the offsets from the last opened one up to hi. Offsets in
// between that hold no record (compacted, control records) are part of it.
func (f *frontier) open(hi int64) (lo int64) {
	f.mu.Lock()
	defer f.mu.Unlock()
	lo = f.next
	if hi <= lo {
		return hi
	}
	f.next = hi
	f.flying++
	if !f.dead {
		f.tickets = append(f.tickets, ticket{lo, hi, 1})
	}
	return lo
}

// skip finishes offsets that hold no record at all, in their turn.
func (f *frontier) skip(hi int64) {
	lo := f.open(hi)
	if lo < hi {
		f.release(lo, hi)
	}
}

// retain adds a fragment that answers for offsets which one answers for already.
func (f *frontier) retain(lo, hi int64) { f.update(lo, hi, 1, 1) }

// release ends a fragment: its part of the work is finished.
func (f *frontier) release(lo, hi int64) { f.update(lo, hi, -1, -1) }

// share lets a second holder answer for offsets, without a fragment that flies.
func (f *frontier) share(lo, hi int64) { f.update(lo, hi, 1, 0) }

// abandon ends a fragment whose work will never be finished: it flies no more, and the
// frontier stays below it.
func (f *frontier) abandon() { f.fly(-1) }

// fly changes the number of fragments on their way to a sink: -1 when an operator
// begins to hold one, 1 when it sends one on.
func (f *frontier) fly(n int) { f.update(0, 0, 0, n) }

func (f *frontier) update(lo, hi int64, refs, flying int) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.flying += flying
	if f.flying == 0 && f.landed != nil {
		close(f.landed)
		f.landed = nil
	}
	if f.dead || lo >= hi {
		return
	}
	first := f.cut(lo)
	last := f.cut(hi)
	for i := first; i < last; i++ {
		f.tickets[i].refs += refs
	}
	if refs < 0 {
		f.tidy(first, last)
	}
}

// cut makes at the border of two tickets and returns the index of the one behind it.
func (f *frontier) cut(at int64) int {
	i := sort.Search(len(f.tickets), func(i int) bool { return f.tickets[i].hi > at })
	if i == len(f.tickets) || f.tickets[i].lo >= at {
		return i
	}
	f.tickets = append(f.tickets, ticket{})
	copy(f.tickets[i+1:], f.tickets[i:])
	f.tickets[i].hi = at
	f.tickets[i+1].lo = at
	return i + 1
}

// tidy drops finished tickets from the front and joins finished neighbours among
// [first, last), so that one ticket held for long does not let the list grow behind it.
func (f *frontier) tidy(first, last int) {
	done := 0
	for done < len(f.tickets) && f.tickets[done].refs == 0 {
		done++
	}
	if done > 0 {
		f.tickets = f.tickets[:copy(f.tickets, f.tickets[done:])]
		first, last = max(0, first-done), max(0, last-done)
	}
	from, to := max(1, first), min(len(f.tickets), last+1)
	if from >= to {
		return
	}
	kept := from
	for i := from; i < to; i++ {
		if prev := &f.tickets[kept-1]; prev.refs == 0 && f.tickets[i].refs == 0 {
			prev.hi = f.tickets[i].hi
			continue
		}
		f.tickets[kept] = f.tickets[i]
		kept++
	}
	if kept < to {
		f.tickets = append(f.tickets[:kept], f.tickets[to:]...)
	}
}

// position is the lowest offset that is not finished: what may be committed.
func (f *frontier) position() int64 {
	f.mu.Lock()
	defer f.mu.Unlock()
	if len(f.tickets) > 0 {
		return f.tickets[0].lo
	}
	return f.next
}

// books is everything at one moment: where the frontier is, what was never opened, and
// how many fragments fly.
func (f *frontier) books() (position, opened, flying int64) {
	f.mu.Lock()
	defer f.mu.Unlock()
	position = f.next
	if len(f.tickets) > 0 {
		position = f.tickets[0].lo
	}
	return position, f.next, int64(f.flying)
}

// opened is the first offset that no lane has taken yet.
func (f *frontier) opened() int64 {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.next
}

// landing returns a channel that is closed once nothing flies, or the frontier is dead.
func (f *frontier) landing() <-chan struct{} {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.landed != nil {
		return f.landed
	}
	ch := make(chan struct{})
	if f.flying == 0 || f.dead {
		close(ch)
		return ch
	}
	f.landed = ch
	return ch
}

// kill ends the assignment: acknowledgements that come later change nothing.
func (f *frontier) kill() {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.dead = true
	if f.landed != nil {
		close(f.landed)
		f.landed = nil
	}
}
