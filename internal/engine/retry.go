package engine

import (
	"context"
	"slices"
	"time"

	"github.com/levada-io/levada/record"
)

// What an error that the author marked is worth where the step has no retry.
const (
	markedTimes   = 3
	markedBackoff = 100 * time.Millisecond
)

// longestBackoff is where the waiting of a retry stops to double.
const longestBackoff = time.Minute

// mayAgain says that another call of the element is due.
func (l *lane) mayAgain(t trial) bool { return t.calls <= l.e.times(&t.Failure) }

// times is how often a failing element may be called once more.
func (e *Engine) times(f *record.Failure) int {
	p := e.cfg.Program.Policies[f.Step]
	switch {
	case !f.Call:
		return 0
	case p.Times == 0 && record.Retryable(f.Err):
		return markedTimes
	}
	return p.Times
}

// backoff is the pause before call n+1 of an element.
func (e *Engine) backoff(t *trial) time.Duration {
	p := e.cfg.Program.Policies[t.Step]
	d := p.Backoff
	if p.Times == 0 {
		d = markedBackoff
	}
	for range t.calls - 1 {
		if d *= 2; d >= longestBackoff {
			break
		}
	}
	return min(d, longestBackoff)
}

// again calls the operator for the failing elements until none is left that may be
// called again. It returns the pieces of the chunk, w among them, and what still fails.
//
// Partitions in which nothing is called again do not wait: they go on at once.
func (l *lane) again(s *step, w *work, before taken, f opFunc, ts []trial, ends stops, next func(*work)) ([]*work, []trial, error) {
	waits := map[*partition]bool{}
	for _, t := range ts {
		if p := w.partition(t.Source); p != nil && l.mayAgain(t) {
			waits[p] = true
		}
	}
	var here []trial // the others' failures are judged with them
	if free := w.carve(func(p *partition) bool { return waits[p] }); free != nil {
		var gone []trial
		for _, t := range ts {
			if p := free.partition(t.Source); p != nil {
				gone = append(gone, t)
			} else {
				here = append(here, t)
			}
		}
		theirs := stops{}
		l.judge(free, before, gone, theirs)
		free.truncate(theirs)
		inOrder([]*work{free}, next)
	} else {
		here = ts
	}
	pieces := []*work{w}
	for {
		var idx []int32
		var pause time.Duration
		for i := range here {
			if t := &here[i]; l.mayAgain(*t) {
				idx = append(idx, int32(t.Element))
				pause = max(pause, l.e.backoff(t))
			}
		}
		if idx == nil {
			return pieces, here, nil
		}
		if !l.pause(s, pause, waits) {
			if here = l.giveBack(s, w, before, pieces, here, waits, ends, next); len(waits) == 0 {
				return pieces, here, nil
			}
			continue // those that stay wait on
		}
		slices.Sort(idx)
		l.e.counters.retried.Add(int64(len(idx)))
		sub := w.fork()
		before.elements(sub, idx)
		pieces = append(pieces, sub)
		if err := l.call(s, func(ctx context.Context) error { return f(ctx, sub) }); err != nil {
			return pieces, nil, err
		}
		failed := sub.Failed
		sub.Failed = nil
		left := here[:0:0]
		for _, t := range here {
			if !l.mayAgain(t) {
				left = append(left, t)
				continue
			}
			for _, fail := range failed {
				if fail.Element == t.Element {
					left = append(left, trial{fail, t.calls + 1})
				}
			}
		}
		here = left
	}
}

// giveBack ends the waiting for the partitions that go, or for all where the run ends:
// their next owner, or this process after its next start, reads them again from what
// waits on. It returns what of ts is left to decide, and takes those partitions out of
// waits. Where others stay, the elements before that go on at once.
func (l *lane) giveBack(s *step, w *work, before taken, pieces []*work, ts []trial, waits map[*partition]bool, ends stops, next func(*work)) []trial {
	leave, over := map[*partition]bool{}, l.over(s)
	for p := range waits {
		if over || p.going.Load() {
			leave[p] = true
			delete(waits, p)
			p.close() // or what comes behind them would pass them
		}
	}
	theirs := stops{}
	if len(waits) == 0 {
		theirs = ends
	}
	var gone, stay []trial
	for _, t := range ts {
		switch p := w.partition(t.Source); {
		case p == nil || !leave[p]:
			stay = append(stay, t)
		case l.mayAgain(t):
			theirs.at(p, t.Source.Offset)
			l.back.at(p, t.Source.Offset)
		default:
			gone = append(gone, t)
		}
	}
	if len(waits) == 0 {
		return append(gone, stay...)
	}
	var out []*work
	for _, piece := range pieces {
		if c := piece.carve(func(p *partition) bool { return !leave[p] }); c != nil {
			out = append(out, c)
		}
	}
	if len(out) > 0 {
		l.judge(out[0], before, gone, theirs)
		for _, c := range out {
			c.truncate(theirs)
		}
		inOrder(out, next)
	}
	return stay
}

// pause waits before a retry. It returns false as soon as waiting makes no sense: the
// run ends, or one of the partitions goes.
func (l *lane) pause(s *step, d time.Duration, of map[*partition]bool) bool {
	// What came in meanwhile has taken the lane's token: it looks around once more.
	defer l.wake()
	l.pauses.Store(s)
	defer l.pauses.Store(nil)
	due := l.e.clock.Now().Add(d)
	stop := l.e.clock.AfterFunc(d, l.wake)
	defer stop()
	for {
		l.turns.Add(1)
		going := false
		for p := range of {
			going = going || p.going.Load()
		}
		switch {
		case going || l.over(s):
			return false
		case !l.e.clock.Now().Before(due):
			return true
		}
		l.serve()
		l.unpark()
		select {
		case <-l.signal:
		case <-l.e.cfg.Stop:
			return false
		case <-s.labels.Done():
			return false
		}
	}
}

// over says that the run ends.
func (l *lane) over(s *step) bool {
	select {
	case <-l.e.cfg.Stop:
		return true
	case <-s.labels.Done():
		return true
	default:
		return l.e.halted.Load()
	}
}
