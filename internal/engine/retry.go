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

// retry is a chunk at an operator, some of whose elements are called again. Partitions
// in which none is do not wait: they go on at once. Of those that wait the lane takes
// nothing more, and what comes to the operator meanwhile, of a batch or of the same
// chunk, waits in the queue of its step.
type retry struct {
	l      *lane
	step   *step
	call   opFunc
	next   func(*work) // leads on what is behind the operator
	before taken
	pieces []*work             // the chunk, and what later calls made of its elements
	failed []trial             // still
	waits  map[*partition]bool // in which an element may be called again
	ends   stops               // where the partitions of pieces end

	size  int64 // of the chunk, as in flight
	due   time.Time
	alarm func() bool // stops the timer that wakes the lane then
}

// waiting is what a partition with a retry tells of it.
type waiting struct {
	step  string
	tries int64
}

// queued is a chunk that waits behind a retry, with what the operator is to do.
type queued struct {
	w    *work
	size int64
	f    opFunc
	next func(*work)
}

// begin lets the partitions wait in which an element may be called again, and leads the
// others on.
func (r *retry) begin() {
	r.waits = map[*partition]bool{}
	if r.before.col != nil {
		for _, t := range r.failed {
			if t.part != nil && r.l.mayAgain(t) && !r.waits[t.part] {
				r.waits[t.part] = true
				r.step.hold(t.part)
			}
		}
	}
	if len(r.waits) > 0 {
		r.size = r.pieces[0].size()
		r.l.e.flying.Add(r.size)
		r.l.retries = append(r.l.retries, r)
	}
	r.leave(r.waits)
}

// again serves the retries whose time has come, and those whose partitions go.
func (l *lane) again() {
	if len(l.retries) == 0 {
		return
	}
	now := l.e.clock.Now()
	for _, r := range slices.Clone(l.retries) {
		r.giveBack()
		if len(r.waits) > 0 && !now.Before(r.due) {
			r.once()
		}
	}
}

// once calls the operator for the elements that may be called once more.
func (r *retry) once() {
	l := r.l
	var idx []int32
	for _, t := range r.failed {
		if l.mayAgain(t) {
			idx = append(idx, int32(t.Element))
		}
	}
	slices.Sort(idx)
	l.e.counters.retried.Add(int64(len(idx)))
	sub := r.pieces[0].fork()
	r.before.elements(sub, idx)
	r.pieces = append(r.pieces, sub)
	if err := l.call(r.step, func(ctx context.Context) error { return r.call(ctx, sub) }); err != nil {
		r.abandon()
		l.e.fail(err)
		return
	}
	failed := sub.Failed
	sub.Failed = nil
	stay := map[*partition]bool{}
	left := r.failed[:0:0]
	for _, t := range r.failed {
		if !l.mayAgain(t) {
			left = append(left, t)
			continue
		}
		for _, fail := range failed {
			if fail.Element == t.Element {
				next := trial{fail, t.calls + 1, t.part}
				left = append(left, next)
				stay[t.part] = stay[t.part] || l.mayAgain(next)
			}
		}
	}
	r.failed = left
	r.leave(stay)
}

// giveBack ends the waiting for the partitions that go, or for all where the run ends:
// their next owner, or this process after its next start, reads them again from what
// waits on.
func (r *retry) giveBack() {
	l := r.l
	stay, over := map[*partition]bool{}, l.over(r.step)
	for p := range r.waits {
		if over || p.going.Load() {
			p.close() // or what comes behind them would pass them
		} else {
			stay[p] = true
		}
	}
	if len(stay) == len(r.waits) {
		return
	}
	r.failed = slices.DeleteFunc(r.failed, func(t trial) bool {
		if stay[t.part] || !l.mayAgain(t) {
			return false
		}
		r.ends.at(t.part, t.Source.Offset)
		l.rewind(t.part, t.Source.Offset)
		return true
	})
	r.leave(stay)
}

// leave leads on the partitions that do not stay: what is left of their failures is
// judged, and what queued up behind them follows.
func (r *retry) leave(stay map[*partition]bool) {
	out, theirs := r.cut(stay)
	for p := range r.waits {
		if !stay[p] {
			delete(r.waits, p)
			r.step.free(p)
		}
	}
	if len(out) > 0 {
		r.l.judge(out[0], r.before, theirs, r.ends)
		for _, piece := range out {
			piece.truncate(r.ends)
		}
	}
	if len(r.waits) == 0 {
		r.end()
	} else {
		r.pause()
	}
	inOrder(out, r.next)
	r.l.follow(r.step, r.ends)
}

// cut takes the partitions that do not stay out of the pieces and the failures.
func (r *retry) cut(stay map[*partition]bool) (out []*work, theirs []trial) {
	if !slices.ContainsFunc(r.pieces[0].parts, func(p *partition) bool { return stay[p] }) {
		return r.pieces, r.failed
	}
	for _, piece := range r.pieces {
		if c := piece.carve(func(p *partition) bool { return stay[p] }); c != nil {
			out = append(out, c)
		}
	}
	ours := r.failed[:0:0]
	for _, t := range r.failed {
		if t.part == nil || stay[t.part] {
			ours = append(ours, t)
		} else {
			theirs = append(theirs, t)
		}
	}
	r.failed = ours
	return out, theirs
}

// pause has the lane woken when the next call is due.
func (r *retry) pause() {
	if r.alarm != nil {
		r.alarm()
	}
	var d time.Duration
	for i := range r.failed {
		t := &r.failed[i]
		if t.part == nil || !r.l.mayAgain(*t) {
			continue
		}
		d = max(d, r.l.e.backoff(t))
		t.part.retrying.Store(&waiting{t.Step, int64(t.calls)})
	}
	r.due = r.l.e.clock.Now().Add(d)
	r.alarm = r.l.e.clock.AfterFunc(d, r.l.wake)
}

// end takes the retry out of the books of the lane.
func (r *retry) end() {
	r.before.release()
	if i := slices.Index(r.l.retries, r); i >= 0 {
		r.l.retries = slices.Delete(r.l.retries, i, i+1)
		r.l.e.land(r.size)
	}
	if r.alarm != nil {
		r.alarm()
	}
}

// abandon gives the chunk up, and with it what queued up behind.
func (r *retry) abandon() {
	for p := range r.waits {
		delete(r.waits, p)
		r.step.free(p)
	}
	for _, piece := range r.pieces {
		piece.abandon()
	}
	r.end()
	for _, q := range r.step.queue {
		r.l.e.land(q.size)
		q.w.abandon()
	}
	r.step.queue = nil
}

// hold lets what comes of a partition wait.
func (s *step) hold(p *partition) {
	if s.held == nil {
		s.held = map[*partition]bool{}
	}
	s.held[p] = true
	p.waits++
}

func (s *step) free(p *partition) {
	delete(s.held, p)
	if p.waits--; p.waits == 0 {
		p.retrying.Store(nil)
	}
}

// admit says that the chunk may go through the operator now. The part of it whose
// partitions wait there is queued.
func (l *lane) admit(s *step, w *work, f opFunc, next func(*work)) bool {
	if len(s.held) == 0 {
		return true
	}
	held := func(p *partition) bool { return s.held[p] }
	free := func(p *partition) bool { return !s.held[p] }
	switch {
	case !slices.ContainsFunc(w.parts, held):
		return true
	case !slices.ContainsFunc(w.parts, free):
		l.queue(s, w, f, next)
		return false
	}
	l.queue(s, w.carve(free), f, next)
	if w.Len() > 0 {
		return true
	}
	discard(w.Col)
	w.finish()
	return false
}

func (l *lane) queue(s *step, w *work, f opFunc, next func(*work)) {
	q := queued{w, w.size(), f, next}
	l.e.flying.Add(q.size)
	s.queue = append(s.queue, q)
}

// follow leads on what queued up at an operator, but for what lies behind the ends of its
// partitions. What is still held queues up again.
func (l *lane) follow(s *step, ends stops) {
	queue := s.queue
	s.queue = nil
	for _, q := range queue {
		l.e.land(q.size)
		q.w.truncate(ends)
		if q.w.Len() == 0 {
			discard(q.w.Col)
			q.w.finish()
			continue
		}
		if l.apply(s, q.w, q.f, q.next) {
			q.next(q.w)
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
