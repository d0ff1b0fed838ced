package engine

import (
	"context"
	"slices"

	"github.com/levada-io/levada/internal/program"
	"github.com/levada-io/levada/record"
)

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
	part  *partition // that the record is of; nil where it is none's
}

// failing decides about the elements that failed in an operator: called again, and, if
// that does not help, what the policy of their step says. The others are never called
// again; all go on in the order in which they came.
func (l *lane) failing(s *step, w *work, before taken, f opFunc, next func(*work)) {
	ts := make([]trial, len(w.Failed))
	for i, fail := range w.Failed {
		ts[i] = trial{fail, 1, w.partition(fail.Source)}
	}
	w.Failed = nil
	r := &retry{l: l, step: s, call: f, next: next, before: before, pieces: []*work{w}, failed: ts, ends: stops{}}
	r.begin()
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
			ends.at(t.part, t.Source.Offset)
			l.rewind(t.part, t.Source.Offset)
		}
	}
	var letters []*trial
	for i := range ts {
		t := &ts[i]
		if t.part == nil || ends.behind(t.part, t.Source.Offset) {
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

// stops are where partitions end for now: what lies at or behind is read again.
type stops map[*partition]int64

// rewind says that a partition is read again from an offset on. Batches give up what they
// hold from there on: it would come before that.
func (l *lane) rewind(p *partition, offset int64) {
	l.back.at(p, offset)
	for _, b := range l.hold {
		if o := b.open[p]; o != nil && o.first >= offset {
			b.giveUp(p)
		}
	}
}

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
