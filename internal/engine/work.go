package engine

import (
	"fmt"
	"slices"

	"github.com/levada-io/levada/record"
)

// work is a chunk on its way through a lane, or one branch's fragment of it, with the
// partitions that it answers to.
type work struct {
	*record.Chunk
	parts []*partition // parts[i] keeps the books of Spans[i]
	// source is the number of bytes of the source records: they stay in memory as long
	// as the key or a header of one of them is needed.
	source int
}

// size is what the work keeps in memory, for budgets.
func (w *work) size() int64 { return int64(max(w.Col.Size(), w.source)) }

// finish says that every element was delivered or left out.
func (w *work) finish() {
	for i, s := range w.Spans {
		w.parts[i].frontier.release(s.Lo, s.Hi)
	}
}

// abandon gives the work up: its records are read again after a restart.
func (w *work) abandon() {
	discard(w.Col)
	for _, p := range w.parts {
		p.frontier.abandon()
	}
}

// fork returns a second fragment that answers for the same records. It has no column
// yet.
func (w *work) fork() *work {
	for i, s := range w.Spans {
		w.parts[i].frontier.retain(s.Lo, s.Hi)
	}
	return &work{
		Chunk:  &record.Chunk{Spans: w.Spans, Recs: w.Recs, Origin: w.Origin, Over: w.Over},
		parts:  w.parts,
		source: w.source,
	}
}

// ordered checks that operators have kept the order of the records, which the books of
// a batch are built on.
func (w *work) ordered() error {
	for i := 1; i < len(w.Origin); i++ {
		if w.Origin[i] < w.Origin[i-1] {
			return fmt.Errorf("BUG: element %d comes of record %d, the one before of %d", i, w.Origin[i], w.Origin[i-1])
		}
	}
	return nil
}

// keep reduces the work to the elements at idx.
func (w *work) keep(idx []int32) {
	if len(idx) < w.Len() {
		w.Keep(idx, w.Col.Select(idx))
	}
}

// span is the index of the span that a record belongs to; -1 where it is none's.
func (w *work) span(r *record.Record) int {
	return slices.IndexFunc(w.Spans, func(s record.Span) bool {
		return s.Partition == r.Partition && s.Topic == r.Topic && s.Lo <= r.Offset && r.Offset < s.Hi
	})
}

// drop takes out the elements of partitions that are another's by now: what they would
// become, their new owner delivers. It returns false when nothing is left.
func (w *work) drop() bool {
	dead := func(p *partition) bool { return p.dead.Load() }
	if !slices.ContainsFunc(w.parts, dead) {
		return true
	}
	idx := make([]int32, 0, w.Len())
	for i := range w.Len() {
		if s := w.span(w.Source(i)); s >= 0 && !dead(w.parts[s]) {
			idx = append(idx, int32(i))
		}
	}
	w.keep(idx)
	return w.Len() > 0
}

// truncate takes out what lies at or behind stop[i] in the partition of span i, and
// answers for it no more: the frontier will stay there. It returns the elements that
// are left.
func (w *work) truncate(stop []int64) []int32 {
	idx := make([]int32, 0, w.Len())
	for i := range w.Len() {
		r := w.Source(i)
		if s := w.span(r); s >= 0 && r.Offset < stop[s] {
			idx = append(idx, int32(i))
		}
	}
	var spans []record.Span
	var parts []*partition
	for i, s := range w.Spans {
		s.Hi = min(s.Hi, stop[i])
		if s.Lo >= s.Hi {
			w.parts[i].frontier.abandon()
			continue
		}
		spans, parts = append(spans, s), append(parts, w.parts[i])
	}
	w.Spans, w.parts = spans, parts
	w.keep(idx)
	return idx
}

// discard releases a column that is not used any more.
func discard(col record.Column) {
	if r, ok := col.(record.Releaser); ok {
		r.Release()
	}
}

// share returns a column for one more reader of col, which is used after that too.
func share(col record.Column) record.Column {
	if c, ok := col.(record.Cloner); ok {
		return c.Clone()
	}
	return col
}

// pick selects elements from a column that is used after that too. Only a column that
// owns something outside of Go is changed by Select.
func pick(col record.Column, idx []int32) record.Column {
	if _, ok := col.(record.Releaser); ok {
		col = share(col)
	}
	return col.Select(idx)
}
