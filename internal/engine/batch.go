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

// add takes the elements of a chunk over, each partition's into its batch.
func (b *batchExit) add(w *work) {
	if err := w.ordered(); err != nil {
		b.fail(err)
		w.abandon()
		return
	}
	if _, ok := w.Col.(record.Batcher); !ok {
		b.fail(fmt.Errorf("BUG: a column of %T can not be collected", w.Col))
		w.abandon()
		return
	}
	// The elements of a span stand together: chunks are made span by span.
	from := 0
	for i, s := range w.Spans {
		to := from
		for to < w.Len() && w.Source(to).Partition == s.Partition && w.Source(to).Topic == s.Topic && w.Source(to).Offset < s.Hi {
			to++
		}
		p := w.parts[i]
		if from == to || p.dead.Load() {
			p.frontier.release(s.Lo, s.Hi)
		} else {
			p.frontier.fly(-1)
			b.take(w, p, s, from, to)
		}
		from = to
	}
	if from != w.Len() {
		b.fail(fmt.Errorf("BUG: %d elements belong to no span of their chunk", w.Len()-from))
	}
	discard(w.Col)
	b.squeeze()
}

// take adds the elements [from, to) of a chunk, all of span s, to the batch of their
// partition. Whatever completes a batch sends it on.
func (b *batchExit) take(w *work, p *partition, s record.Span, from, to int) {
	for from < to {
		o := b.open[p]
		if o == nil {
			o = &batch{first: w.Source(from).Offset}
			if b.limit.Age > 0 {
				now := b.lane.e.clock.Now()
				o.due = now.Add(b.limit.Age)
				b.remind(now, o.due)
			}
			b.open[p] = o
		}
		n := b.room(o, w, from, to)
		piece := slicePiece(w.Col, from, from+n)
		size := int64(piece.Size())
		o.pieces = append(o.pieces, piece)
		o.count += n
		o.bytes += size
		b.held += size
		b.lane.e.counters.held.Add(size)
		for i := from; i < from+n; i++ {
			if t := w.Meta(i).Timestamp; t.After(o.latest) {
				o.latest = t
			}
		}
		last := w.Source(from + n - 1).Offset
		from += n
		part := s
		if from < to {
			// The batch is complete before the span is: it answers for what lies before the
			// next element. Where that came of the same record, both answer for it.
			next := w.Source(from).Offset
			part.Hi = max(next, last+1)
			if next <= last {
				p.frontier.share(next, part.Hi)
			}
			s.Lo = next
		}
		o.answer(part)
		if from < to || b.complete(o) {
			b.flush(p)
		}
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

// room is how many of the elements [from, to) the batch takes, at least one.
func (b *batchExit) room(o *batch, w *work, from, to int) int {
	n := to - from
	if b.limit.Count > 0 {
		n = min(n, b.limit.Count-o.count)
	}
	if b.limit.Bytes > 0 {
		left, k := b.limit.Bytes-o.bytes, 0
		for k < n && left > 0 {
			left -= elementSize(w.Col, from+k)
			k++
		}
		n = k
	}
	return max(1, n)
}

// elementSize is the size of one element; where a column does not tell, its share.
func elementSize(col record.Column, i int) int64 {
	if c, ok := col.(record.Bytes); ok {
		return int64(len(c[i]))
	}
	return int64(max(1, col.Size()/max(1, col.Len())))
}

func (b *batchExit) complete(o *batch) bool {
	return b.limit.Count > 0 && o.count >= b.limit.Count || b.limit.Bytes > 0 && o.bytes >= b.limit.Bytes
}

// slicePiece is the part [from, to) of a column, independent of the chunk that it comes
// from: what is held must not keep a whole fetch in memory.
func slicePiece(col record.Column, from, to int) record.Column {
	if c, ok := col.(record.Bytes); ok {
		out := make(record.Bytes, to-from)
		buf := make([]byte, 0, record.Bytes(c[from:to]).Size())
		for k, v := range c[from:to] {
			if v != nil {
				buf = append(buf, v...)
				out[k] = buf[len(buf)-len(v) : len(buf) : len(buf)]
			}
		}
		return out
	}
	if from == 0 && to == col.Len() {
		if _, ok := col.(record.Releaser); !ok {
			return col
		}
	}
	idx := make([]int32, to-from)
	for k := range idx {
		idx[k] = int32(from + k)
	}
	return pick(col, idx)
}

// flush sends a batch on as a chunk of one element.
func (b *batchExit) flush(p *partition) {
	o := b.open[p]
	delete(b.open, p)
	b.drop(o)
	w := &work{Chunk: &record.Chunk{
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

func (b *batchExit) fail(err error) {
	b.lane.e.fail(&StepError{Step: b.step, Origin: b.lane.e.cfg.Program.Origins[b.step], Cause: err})
}
