package engine

import (
	"context"
	"errors"
	"maps"
	"slices"

	"github.com/levada-io/levada/connector"
	"github.com/levada-io/levada/internal/deadletter"
	"github.com/levada-io/levada/internal/program"
	"github.com/levada-io/levada/record"
)

// bury makes dead letters a fragment that answers for the chunk until they are stored.
// They wait for the end of the chunk: a later step may give records back that they stand
// for, which would then be buried twice.
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
	l.number(grave)
	l.later = append(l.later, grave)
}

// letter is a chunk of dead letters that is not stored yet.
type letter struct {
	number uint64
	of     []*partition
}

// number makes what is written of their partitions from now on wait for the letters. A
// run that ends before they are stored does not know of them; should the next one come to
// another end for their records, these are still in their place.
func (l *lane) number(grave *work) {
	l.lettered++
	l.open(grave, l.lettered)
}

func (l *lane) open(grave *work, number uint64) {
	grave.letter = &letter{number, grave.parts}
	l.unsettled = append(l.unsettled, grave.letter)
}

// settle says that letters are stored, or that nobody waits for them any more.
func (l *lane) settle(t *letter) {
	if i := slices.Index(l.unsettled, t); i >= 0 {
		l.unsettled = slices.Delete(l.unsettled, i, i+1)
		l.wake()
	}
}

// inter hands letters to their sink, but for those of records that are read again. Those
// of a partition with a retry wait for its end, which may give their records back.
func (l *lane) inter() {
	if len(l.later) == 0 && len(l.back) == 0 {
		return
	}
	for p := range l.back {
		l.recall(p)
	}
	waits := func(p *partition) bool { return p.waits > 0 }
	var later []*work
	for _, grave := range l.later {
		if slices.ContainsFunc(grave.parts, waits) {
			held := grave
			if grave = held.carve(waits); grave != nil {
				l.open(grave, held.letter.number)
			}
			held.letter.of = held.parts
			if held.Len() > 0 {
				later = append(later, held)
			} else {
				held.finish()
				l.settle(held.letter)
			}
			if grave == nil {
				continue
			}
		}
		if grave.truncate(l.back); grave.Len() == 0 {
			grave.finish()
			l.settle(grave.letter)
			continue
		}
		l.graves.add(grave)
	}
	l.later = later
	maps.DeleteFunc(l.back, func(p *partition, _ int64) bool { return !waits(p) })
}

// recall takes back what stands behind letters of a partition that are not written, since
// their records are read again: those may come to another end, and find their place.
func (l *lane) recall(p *partition) {
	lost := slices.ContainsFunc(l.later, func(grave *work) bool {
		for i := range grave.Len() {
			if r := grave.Source(i); grave.partition(r) == p && l.back.behind(p, r.Offset) {
				return true
			}
		}
		return false
	})
	if !lost {
		return
	}
	// A batch that reaches behind the place goes as a whole, and takes the place with it.
	for before := int64(-1); before != l.back[p]; {
		before = l.back[p]
		for _, b := range l.hold {
			if o := b.open[p]; o != nil && l.back.behind(p, o.spans[len(o.spans)-1].Hi-1) {
				l.back.at(p, o.first)
				b.giveUp(p)
			}
		}
		for _, x := range l.exit {
			for _, w := range x.queue {
				if x != l.graves && w.batch != nil && slices.Contains(w.parts, p) && l.back.behind(p, w.Spans[len(w.Spans)-1].Hi-1) {
					l.back.at(p, w.Source(0).Offset)
				}
			}
		}
	}
	for _, x := range l.exit {
		if x != l.graves {
			x.truncate(stops{p: l.back[p]})
		}
	}
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
		ts[k] = &trial{Failure: record.Failure{Source: w.Source(r.Index), Step: x.step, Err: r.Err, Element: r.Index}, calls: 1}
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
			x.lane.number(grave)
			x.lane.graves.add(grave)
		})
	default:
		e.failRecord(ts[0].Source, x.step, 1, ts[0].Err)
		w.abandon()
	}
}

// deadLetters names the sink of dead letters where a step is named.
const deadLetters = "dead letters"
