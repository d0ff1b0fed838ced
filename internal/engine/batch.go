package engine

import (
	"fmt"
	"time"

	"github.com/levada-io/levada/internal/program"
	"github.com/levada-io/levada/record"
)

// batchExit collects elements of one partition until a limit is reached. What it holds
// does not fly: its frontier stays, but nobody waits for it.
type batchExit struct {
	lane  *lane
	step  string
	limit program.Limit
	next  *node
	dump  *step                 // makes JSON of what fails behind it; nil: nothing can
	open  map[*partition]*batch // never empty ones
	held  int64                 // bytes

	due   time.Time   // no batch is due before; zero while none is open
	alarm func() bool // stops the timer that wakes the lane then; nil where none runs
}

// batch is what is held of one partition.
type batch struct {
	pieces []record.Column
	count  int
	bytes  int64
	spans  []record.Span // that it answers for, in order
	first  int64         // offset of the first element
	latest time.Time     // latest timestamp
	due    time.Time     // by age
}

// slot is a run of elements of a chunk that goes into one batch.
type slot struct {
	p        *partition
	from, to int
	size     int64
	span     record.Span // what the batch answers for with them
	full     bool        // the batch is complete with them
}

// add takes the elements of a chunk over, each partition's into its batch, and sends on
// what is complete.
func (b *batchExit) add(w *work) {
	err := w.ordered()
	if _, ok := w.Col.(record.Batcher); err == nil && !ok {
		err = fmt.Errorf("BUG: a column of %T can not be collected", w.Col)
	}
	if err != nil {
		w.abandon()
		b.lane.e.fail(&StepError{Step: b.step, Origin: b.lane.e.cfg.Program.Origins[b.step], Cause: err})
		return
	}
	slots, bounds := b.plan(w)
	for i, piece := range pieces(w.Col, bounds) {
		b.put(w, slots[i], piece)
	}
	b.squeeze()
}

// plan deals the elements of a chunk out to batches. Spans without an element are
// finished. bounds are where the pieces of the column begin, and its end.
func (b *batchExit) plan(w *work) (slots []slot, bounds []int) {
	size := sizes(w.Col)
	from := 0
	for i, s := range w.Spans {
		p := w.parts[i]
		to := from
		// The elements of a span stand together: chunks are made span by span.
		for to < w.Len() {
			if r := w.Source(to); r.Partition != s.Partition || r.Topic != s.Topic || r.Offset >= s.Hi {
				break
			}
			to++
		}
		if from == to {
			p.frontier.release(s.Lo, s.Hi)
			continue
		}
		p.frontier.fly(-1)
		var count int
		var held int64
		if o := b.open[p]; o != nil {
			count, held = o.count, o.bytes
		}
		for from < to {
			t := slot{p: p, from: from, to: from, span: s}
			for t.to < to && !t.full {
				t.size += size(t.to)
				t.to++
				t.full = b.limit.Count > 0 && count+t.to-from >= b.limit.Count ||
					b.limit.Bytes > 0 && held+t.size >= b.limit.Bytes
			}
			from, count, held = t.to, 0, 0
			if from < to {
				// The batch is complete before the span is: it answers for what lies before
				// the next element. Where that came of the same record, both answer for it.
				last, next := w.Source(from-1).Offset, w.Source(from).Offset
				t.span.Hi = max(next, last+1)
				if next <= last {
					p.frontier.share(next, t.span.Hi)
				}
				s.Lo = next
			}
			slots, bounds = append(slots, t), append(bounds, t.from)
		}
	}
	return slots, append(bounds, w.Len())
}

// put adds a piece of a chunk to the batch of its partition.
func (b *batchExit) put(w *work, s slot, piece record.Column) {
	if s.p.forgotten || b.lane.back.behind(s.p, w.Source(s.from).Offset) {
		// What was held of it is given back, from this or from before it on: this would
		// come out first.
		discard(piece)
		return
	}
	o := b.open[s.p]
	if o == nil {
		o = &batch{first: w.Source(s.from).Offset}
		if b.limit.Age > 0 {
			now := b.lane.e.clock.Now()
			o.due = now.Add(b.limit.Age)
			b.remind(now, o.due)
		}
		b.open[s.p] = o
	}
	o.pieces = append(o.pieces, piece)
	o.count += s.to - s.from
	o.bytes += s.size
	b.held += s.size
	b.lane.e.counters.held.Add(s.size)
	for i := s.from; i < s.to; i++ {
		if t := w.Meta(i).Timestamp; t.After(o.latest) {
			o.latest = t
		}
	}
	o.answer(s.span)
	if s.full {
		b.flush(s.p)
	}
}

// answer adds a range to what the batch answers for.
func (o *batch) answer(s record.Span) {
	if n := len(o.spans); n > 0 && o.spans[n-1].Hi == s.Lo {
		o.spans[n-1].Hi = s.Hi
		return
	}
	o.spans = append(o.spans, s)
}

// sizes tells the size of each element; where a column does not know it, its share.
func sizes(col record.Column) func(i int) int64 {
	if c, ok := col.(record.Bytes); ok {
		return func(i int) int64 { return int64(len(c[i])) }
	}
	each := int64(max(1, col.Size()/max(1, col.Len())))
	return func(int) int64 { return each }
}

// pieces cuts a column at bounds. The pieces are independent of the chunk: what is held
// must not keep a whole fetch in memory.
func pieces(col record.Column, bounds []int) []record.Column {
	n := len(bounds) - 1
	out := make([]record.Column, n)
	switch c := col.(type) {
	case record.Bytes:
		for k := range out {
			out[k] = detached(c[bounds[k]:bounds[k+1]])
		}
		return out
	case record.Releaser:
		halve(col, bounds, out)
		return out
	}
	if n == 1 {
		out[0] = col
		return out
	}
	for k := range out {
		out[k] = col.Select(indices(bounds[k], bounds[k+1]))
	}
	return out
}

// halve cuts a column whose Select takes everything from it: in halves, since to clone
// it for each piece would cost the square of their number.
func halve(col record.Column, bounds []int, out []record.Column) {
	if len(out) == 1 {
		out[0] = col
		return
	}
	k := len(out) / 2
	at, first := bounds[k], bounds[0]
	left := pick(col, indices(0, at-first))
	right := col.Select(indices(at-first, bounds[len(out)]-first))
	halve(left, bounds[:k+1], out[:k])
	halve(right, bounds[k:], out[k:])
}

func indices(from, to int) []int32 {
	idx := make([]int32, to-from)
	for k := range idx {
		idx[k] = int32(from + k)
	}
	return idx
}

// detached copies payloads out of the buffer of their fetch.
func detached(in record.Bytes) record.Bytes {
	out := make(record.Bytes, len(in))
	buf := make([]byte, 0, in.Size())
	for k, v := range in {
		if v != nil {
			buf = append(buf, v...)
			out[k] = buf[len(buf)-len(v) : len(buf) : len(buf)]
		}
	}
	return out
}

// flush sends a batch on as a chunk of one element.
func (b *batchExit) flush(p *partition) {
	o := b.open[p]
	delete(b.open, p)
	b.drop(o)
	w := &work{batch: b, Chunk: &record.Chunk{
		Spans: o.spans,
		Recs:  []record.Record{{Topic: p.Topic, Partition: p.ID, Offset: o.first, Timestamp: o.latest}},
		Col:   o.pieces[0].(record.Batcher).Batch(o.pieces),
	}}
	for range o.spans {
		p.frontier.fly(1)
		w.parts = append(w.parts, p)
	}
	b.lane.process(b.next, w)
}

// drop takes a batch out of the books.
func (b *batchExit) drop(o *batch) {
	b.held -= o.bytes
	b.lane.e.counters.held.Add(-o.bytes)
}

// flushAll sends on everything that is held.
func (b *batchExit) flushAll() {
	for p := range b.open {
		b.flush(p)
	}
}

// squeeze flushes early, the largest batch first, while more is held than allowed.
func (b *batchExit) squeeze() {
	limit := b.lane.e.limits.HeldBytes / int64(len(b.lane.e.lanes)*len(b.lane.hold))
	for b.held > limit {
		var largest *partition
		for p, o := range b.open {
			if largest == nil || o.bytes > b.open[largest].bytes {
				largest = p
			}
		}
		b.flush(largest)
	}
}

// remind has the lane woken at due, unless it will be earlier. One timer serves all
// batches: what began later is due later.
func (b *batchExit) remind(now, due time.Time) {
	if !b.due.IsZero() {
		return
	}
	b.due = due
	b.alarm = b.lane.e.clock.AfterFunc(due.Sub(now), b.lane.wake)
}

// expire flushes what is old enough.
func (b *batchExit) expire() {
	if b.due.IsZero() {
		return
	}
	now := b.lane.e.clock.Now()
	if now.Before(b.due) {
		return
	}
	b.quiet()
	for p, o := range b.open {
		if !now.Before(o.due) {
			b.flush(p)
		}
	}
	var next time.Time
	for _, o := range b.open {
		if next.IsZero() || o.due.Before(next) {
			next = o.due
		}
	}
	if !next.IsZero() {
		b.remind(now, next)
	}
}

// quiet stops the timer.
func (b *batchExit) quiet() {
	if b.alarm != nil {
		b.alarm()
		b.alarm = nil
	}
	b.due = time.Time{}
}

// giveUp forgets what is held of a partition, or of all: it is read again.
func (b *batchExit) giveUp(only *partition) {
	for p, o := range b.open {
		if only == nil || p == only {
			for _, c := range o.pieces {
				discard(c)
			}
			delete(b.open, p)
			b.drop(o)
		}
	}
	if only == nil {
		b.quiet()
	}
}
