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

// retry is a chunk at an operator, some of whose elements are called again.
type retry struct {
	l      *lane
	step   *step
	call   opFunc
	next   func(*work) // leads on what is behind the operator
	w      *work
	before taken
	pieces []*work             // the chunk: w, and what later calls made of its elements
	failed []trial             // still
	waits  map[*partition]bool // in which an element may be called again
	ends   stops               // where the partitions of pieces end
}

// again calls the operator for the failing elements until none is left that may be
// called again.
//
// Partitions in which nothing is called again do not wait: they go on at once.
func (r *retry) again() error {
	l := r.l
	r.waits = map[*partition]bool{}
	for _, t := range r.failed {
		if p := r.w.partition(t.Source); p != nil && l.mayAgain(t) {
			r.waits[p] = true
		}
	}
	if free := r.w.carve(func(p *partition) bool { return r.waits[p] }); free != nil {
		var theirs, ours []trial // the failures of the others are judged with them
		for _, t := range r.failed {
			if p := free.partition(t.Source); p != nil {
				theirs = append(theirs, t)
			} else {
				ours = append(ours, t)
			}
		}
		ends := stops{}
		l.judge(free, r.before, theirs, ends)
		free.truncate(ends)
		inOrder([]*work{free}, r.next)
		r.failed = ours
	}
	for {
		var idx []int32
		var pause time.Duration
		for i := range r.failed {
			if t := &r.failed[i]; l.mayAgain(*t) {
				idx = append(idx, int32(t.Element))
				pause = max(pause, l.e.backoff(t))
			}
		}
		if idx == nil {
			return nil
		}
		if !l.pause(r.step, pause, r.waits) {
			if r.giveBack(); len(r.waits) == 0 {
				return nil
			}
			continue // those that stay wait on
		}
		slices.Sort(idx)
		if err := r.once(idx); err != nil {
			return err
		}
	}
}

// once calls the operator for some elements once more.
func (r *retry) once(idx []int32) error {
	r.l.e.counters.retried.Add(int64(len(idx)))
	sub := r.w.fork()
	r.before.elements(sub, idx)
	r.pieces = append(r.pieces, sub)
	if err := r.l.call(r.step, func(ctx context.Context) error { return r.call(ctx, sub) }); err != nil {
		return err
	}
	failed := sub.Failed
	sub.Failed = nil
	left := r.failed[:0:0]
	for _, t := range r.failed {
		if !r.l.mayAgain(t) {
			left = append(left, t)
			continue
		}
		for _, fail := range failed {
			if fail.Element == t.Element {
				left = append(left, trial{fail, t.calls + 1})
			}
		}
	}
	r.failed = left
	return nil
}

// giveBack ends the waiting for the partitions that go, or for all where the run ends:
// their next owner, or this process after its next start, reads them again from what
// waits on. It takes those partitions out of waits. Where others stay, the elements
// before that go on at once.
func (r *retry) giveBack() {
	l := r.l
	leave, over := map[*partition]bool{}, l.over(r.step)
	for p := range r.waits {
		if over || p.going.Load() {
			leave[p] = true
			delete(r.waits, p)
			p.close() // or what comes behind them would pass them
		}
	}
	ends := stops{}
	if len(r.waits) == 0 {
		ends = r.ends
	}
	var gone, stay []trial
	for _, t := range r.failed {
		switch p := r.w.partition(t.Source); {
		case p == nil || !leave[p]:
			stay = append(stay, t)
		case l.mayAgain(t):
			ends.at(p, t.Source.Offset)
			l.back.at(p, t.Source.Offset)
		default:
			gone = append(gone, t)
		}
	}
	if len(r.waits) == 0 {
		r.failed = append(gone, stay...)
		return
	}
	r.failed = stay
	var out []*work
	for _, piece := range r.pieces {
		if c := piece.carve(func(p *partition) bool { return !leave[p] }); c != nil {
			out = append(out, c)
		}
	}
	if len(out) > 0 {
		l.judge(out[0], r.before, gone, ends)
		for _, c := range out {
			c.truncate(ends)
		}
		inOrder(out, r.next)
	}
}

// pause waits before a retry. It returns false as soon as waiting makes no sense: the
// run ends, or one of the partitions goes.
func (l *lane) pause(s *step, d time.Duration, of map[*partition]bool) bool {
	// What came in meanwhile has taken the lane's token: it looks around once more.
	defer l.wake()
	l.pauses.Store(s)
	defer l.pauses.Store(nil)
	began := l.e.clock.Now()
	defer func() { l.waited += l.e.clock.Now().Sub(began) }()
	due := began.Add(d)
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
