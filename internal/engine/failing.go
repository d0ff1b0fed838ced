package engine

import (
	"context"
	"errors"
	"slices"
	"time"

	"github.com/levada-io/levada/connector"
	"github.com/levada-io/levada/internal/deadletter"
	"github.com/levada-io/levada/internal/program"
	"github.com/levada-io/levada/record"
)

// What an error that the author marked is worth where the step has no retry.
const (
	markedTimes   = 3
	markedBackoff = 100 * time.Millisecond
)

// longestBackoff is where the waiting of a retry stops to double.
const longestBackoff = time.Minute

// opFunc is the work of an operator or router.
type opFunc func(context.Context, *work) error

// taken is a chunk as an operator got it: what calling again needs, and the dead letter
// of a batch, which has no bytes but these.
type taken struct {
	col    record.Column // nil: it was not worth its price
	origin []int32
	over   []*record.Record
}

// keep remembers a chunk for the time of one operator. It costs next to nothing but for
// Python objects, which a second holder has copied; those are kept only where the
// pipeline says that they will be needed.
func (l *lane) keep(s *step, w *work) taken {
	t := taken{origin: w.Origin, over: w.Over}
	if w.Over != nil {
		t.over = slices.Clone(w.Over) // steps set metadata in place
	}
	if _, owned := w.Col.(record.Releaser); !owned {
		t.col = w.Col
	} else if s.again || w.batch != nil && s.buries {
		t.col = share(w.Col)
	}
	for n := w.Len(); len(l.same) < n; {
		l.same = append(l.same, int32(len(l.same)))
	}
	w.Trace = l.same[:w.Len()]
	return t
}

func (t *taken) release() {
	if t.col != nil {
		if _, owned := t.col.(record.Releaser); owned {
			discard(t.col)
		}
	}
}

// source is the index of the record that an element of the chunk came from.
func (t *taken) source(element int) int32 {
	if t.origin == nil {
		return int32(element)
	}
	return t.origin[element]
}

// elements makes w, a fork of the chunk, the chunk of some elements as the operator got
// them.
func (t *taken) elements(w *work, idx []int32) {
	w.Trace, w.to = idx, nil
	w.Origin = make([]int32, len(idx))
	w.Over = nil
	if t.over != nil {
		w.Over = make([]*record.Record, len(idx))
	}
	for k, i := range idx {
		w.Origin[k] = t.source(int(i))
		if t.over != nil {
			w.Over[k] = t.over[i]
		}
	}
	w.Col = pick(t.col, idx)
}

// trial is a failing element with the number of calls that it had.
type trial struct {
	record.Failure
	calls int
}

// failing decides about the elements that failed in an operator: called again, and, if
// that does not help, what the policy of their step says. The others are never called
// again; all go on in the order in which they came.
func (l *lane) failing(s *step, w *work, before taken, f opFunc, next func(*work)) {
	defer before.release()
	ts := make([]trial, len(w.Failed))
	for i, fail := range w.Failed {
		ts[i] = trial{fail, 1}
	}
	w.Failed = nil
	pieces, ends := []*work{w}, stops{}
	if before.col != nil && slices.ContainsFunc(ts, l.mayAgain) {
		var err error
		if pieces, ts, err = l.again(s, w, before, f, ts, ends, next); err != nil {
			for _, p := range pieces {
				p.abandon()
			}
			l.e.fail(err)
			return
		}
	}
	l.judge(w, before, ts, ends)
	for _, p := range pieces {
		p.truncate(ends)
	}
	inOrder(pieces, next)
}

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
			// Their next owner, or this process after its next start, reads them again.
			var gone, stay []trial
			for _, t := range here {
				switch p := w.partition(t.Source); {
				case p == nil || !leave[p]:
					stay = append(stay, t)
				case l.mayAgain(t):
					theirs.at(p, t.Source.Offset)
				default:
					gone = append(gone, t)
				}
			}
			if len(waits) == 0 {
				return pieces, append(gone, stay...), nil
			}
			// The partitions that stay wait on.
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
			here = stay
			continue
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

// judge applies the policies to elements that nothing helps any more, and tells ends
// where their partitions end.
func (l *lane) judge(w *work, before taken, ts []trial, ends stops) {
	for i := range ts {
		t := &ts[i]
		switch l.e.cfg.Program.Policies[t.Step].OnError {
		case program.Skip, program.DeadLetter:
		default:
			l.e.failRecord(t.Source, t.Step, t.calls, t.Err)
			ends.at(w.partition(t.Source), t.Source.Offset)
		}
	}
	var letters []*trial
	for i := range ts {
		t := &ts[i]
		if p := w.partition(t.Source); p == nil || ends.behind(p, t.Source.Offset) {
			continue // read again, and judged then
		}
		switch l.e.cfg.Program.Policies[t.Step].OnError {
		case program.Skip:
			l.e.counters.skipped.Add(1)
		case program.DeadLetter:
			letters = append(letters, t)
			l.died(t)
		}
	}
	if letters != nil {
		l.bury(w, before, letters)
	}
}

// bury hands dead letters to their sink, as a fragment that answers for the chunk until
// they are stored.
func (l *lane) bury(w *work, before taken, ts []*trial) {
	idx := make([]int32, len(ts))
	for k, t := range ts {
		idx[k] = int32(t.Element)
	}
	var payloads record.Bytes
	if w.batch != nil {
		payloads = l.payloads(w, before, idx)
	}
	grave := w.fork()
	l.e.letters(grave, before, ts, payloads)
	l.graves.add(grave)
}

// letters makes grave, a fork of the chunk, the chunk of the letters. payloads are those
// of a batch; nil: each letter is its source record.
func (e *Engine) letters(grave *work, before taken, ts []*trial, payloads record.Bytes) {
	ranges := grave.ranges()
	grave.Origin = make([]int32, len(ts))
	grave.Over = make([]*record.Record, len(ts))
	grave.Trace, grave.to, grave.batch = nil, nil, nil
	values := make(record.Bytes, len(ts))
	now := e.clock.Now()
	for k, t := range ts {
		p := e.cfg.Program.Policies[t.Step]
		letter := deadletter.Letter{
			Pipeline: e.cfg.Program.Name, Step: t.Step, Origin: e.cfg.Program.Origins[t.Step],
			Cause: t.Err.Error(), Topic: t.Source.Topic, Partition: t.Source.Partition, Offset: t.Source.Offset,
			Attempt: t.calls, Language: "levada", FailedAt: now, Original: *t.Source,
		}
		if t.Call {
			letter.Language = p.Language
		}
		if d, ok := errors.AsType[detailed](t.Err); ok {
			letter.Traceback = d.Detail()
		}
		if payloads != nil {
			letter.Ranges, letter.Original.Value = ranges, payloads[k]
		}
		rec := letter.Record()
		grave.Origin[k], grave.Over[k], values[k] = before.source(t.Element), &rec, rec.Value
	}
	grave.Col = values
}

// payloads are the elements of a chunk behind a batch, as JSON. An empty one stands for
// what has no such form.
func (l *lane) payloads(w *work, before taken, idx []int32) record.Bytes {
	out := make(record.Bytes, len(idx))
	if before.col == nil {
		return out
	}
	sub := &work{Chunk: &record.Chunk{Recs: w.Recs}}
	before.elements(sub, idx)
	if _, raw := sub.Col.(record.Bytes); !raw && w.batch.dump != nil {
		if err := l.call(w.batch.dump, func(ctx context.Context) error { return w.batch.dump.op.Process(ctx, sub.Chunk) }); err != nil {
			discard(sub.Col)
			return out
		}
	}
	if col, ok := sub.Col.(record.Bytes); ok {
		for i, at := range sub.Trace {
			out[slices.Index(idx, at)] = col[i]
		}
	}
	return out
}

// detailed is an error with a traceback or stack.
type detailed interface {
	error
	Detail() string
}

// refused applies the policy of a sink to the records of a write that it can not store.
// It is called by the sink.
func (x *sinkExit) refused(w *work, refused connector.RecordErrors) {
	e := x.lane.e
	ts := make([]*trial, len(refused))
	for k, r := range refused {
		ts[k] = &trial{record.Failure{Source: w.Source(r.Index), Step: x.step, Err: r.Err, Element: r.Index}, 1}
	}
	policy := e.cfg.Program.Policies[x.step].OnError
	switch {
	case x == x.lane.graves:
		// A letter that has no place is not dropped: it may be the only trace of its record.
		e.failRecord(ts[0].Source, deadLetters, 1, ts[0].Err)
		w.abandon()
	case policy == program.Skip:
		e.counters.skipped.Add(int64(len(ts)))
		w.finish()
	case policy == program.DeadLetter:
		var payloads record.Bytes
		if w.batch != nil {
			for _, t := range ts {
				payloads = append(payloads, w.Col.(record.Bytes)[t.Element])
			}
		}
		grave := w.fork()
		e.letters(grave, taken{origin: w.Origin}, ts, payloads)
		w.finish()
		x.lane.do(func() {
			for _, t := range ts {
				x.lane.died(t)
			}
			x.lane.graves.add(grave)
		})
	default:
		e.failRecord(ts[0].Source, x.step, 1, ts[0].Err)
		w.abandon()
	}
}

// deadLetters names the sink of dead letters where a step is named.
const deadLetters = "dead letters"

// stops are where partitions end for now: what lies at or behind is read again.
type stops map[*partition]int64

func (s stops) at(p *partition, offset int64) {
	if p == nil {
		return
	}
	if old, ok := s[p]; !ok || offset < old {
		s[p] = offset
	}
}

func (s stops) behind(p *partition, offset int64) bool {
	at, ok := s[p]
	return ok && offset >= at
}

// inOrder sends on the pieces of a chunk as one would have gone: element by element in
// the order of their traces. Pieces without elements are finished.
func inOrder(pieces []*work, next func(*work)) {
	live := pieces[:0:0]
	for _, p := range pieces {
		if p.Len() > 0 {
			live = append(live, p)
			continue
		}
		discard(p.Col)
		p.finish()
	}
	at := make([]int, len(live)) // first element of each that has not gone on
	for len(live) > 0 {
		first := 0
		for i, p := range live {
			if p.Trace[at[i]] < live[first].Trace[at[first]] {
				first = i
			}
		}
		p, from := live[first], at[first]
		to := from + 1
		for ; to < p.Len(); to++ {
			if slices.ContainsFunc(live, func(q *work) bool {
				i := slices.Index(live, q)
				return i != first && q.Trace[at[i]] < p.Trace[to]
			}) {
				break
			}
		}
		if to == p.Len() {
			if from > 0 {
				p.keep(indices(from, to))
			}
			live, at = slices.Delete(live, first, first+1), slices.Delete(at, first, first+1)
			p.Trace = nil
			next(p)
			continue
		}
		part := p.part(indices(from, to))
		at[first] = to
		part.Trace = nil
		next(part)
	}
}
