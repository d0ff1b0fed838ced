package engine

import (
	"fmt"
	"slices"

	"github.com/levada-io/levada/internal/deadletter"
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
	// to is the branch of each element, between a router and its branches; else nil.
	to []int32
	// batch is the last batch step that the elements have come through; nil: none, they
	// come of the records as they were read.
	batch *batchExit
	// letter stands for a chunk of dead letters until it is stored. behind is the number
	// of the last one that came before these records: those of their partitions go first.
	letter *letter
	behind uint64
}

// size is what the work keeps in memory, for budgets: the records it came of, what became
// of their payloads, and what a sink's client makes of each.
func (w *work) size() int64 {
	n := int64(w.source) + int64(w.Len())*recordOverhead
	if !w.passes() {
		n += int64(w.Col.Size())
	}
	return n
}

// passes says that the payloads are those of the records as they were read. One tells for
// all: a column has one representation.
func (w *work) passes() bool {
	col, ok := w.Col.(record.Bytes)
	if !ok {
		return false
	}
	for i, v := range col {
		if len(v) > 0 {
			src := w.Source(i).Value
			return len(src) > 0 && &src[0] == &v[0]
		}
	}
	return true
}

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
		batch:  w.batch,
	}
}

// part returns a fork with some of the elements; w keeps them, too.
func (w *work) part(idx []int32) *work {
	p := w.fork()
	p.Trace = w.Trace
	p.Keep(idx, pick(w.Col, idx))
	p.to = some(w.to, idx)
	return p
}

func some(s []int32, idx []int32) []int32 {
	if s == nil {
		return nil
	}
	out := make([]int32, len(idx))
	for k, i := range idx {
		out[k] = s[i]
	}
	return out
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
		w.to = some(w.to, idx)
		w.Keep(idx, w.Col.Select(idx))
	}
}

// span is the index of the span that a record belongs to; -1 where it is none's.
func (w *work) span(r *record.Record) int {
	return slices.IndexFunc(w.Spans, func(s record.Span) bool {
		return s.Partition == r.Partition && s.Topic == r.Topic && s.Lo <= r.Offset && r.Offset < s.Hi
	})
}

// partition is the one that a record of the chunk belongs to; nil where it is none's.
func (w *work) partition(r *record.Record) *partition {
	if i := w.span(r); i >= 0 {
		return w.parts[i]
	}
	return nil
}

// ranges are the spans, for a dead letter that stands for more than one record.
func (w *work) ranges() []deadletter.Range {
	out := make([]deadletter.Range, len(w.Spans))
	for i, s := range w.Spans {
		out[i] = deadletter.Range{Topic: s.Topic, Partition: s.Partition, First: s.Lo, Last: s.Hi - 1}
	}
	return out
}

// carve moves the spans of partitions that do not stay, with their elements, into a work
// of their own; nil where all stay.
func (w *work) carve(stays func(*partition) bool) *work {
	free := &work{
		Chunk:  &record.Chunk{Recs: w.Recs, Origin: w.Origin, Over: w.Over, Trace: w.Trace},
		source: w.source, batch: w.batch,
	}
	var spans []record.Span
	var parts []*partition
	for i, s := range w.Spans {
		if stays(w.parts[i]) {
			spans, parts = append(spans, s), append(parts, w.parts[i])
		} else {
			free.Spans, free.parts = append(free.Spans, s), append(free.parts, w.parts[i])
		}
	}
	if free.Spans == nil {
		return nil
	}
	var stay, goes []int32
	for i := range w.Len() {
		if p := w.partition(w.Source(i)); p == nil || stays(p) {
			stay = append(stay, int32(i))
		} else {
			goes = append(goes, int32(i))
		}
	}
	free.Keep(goes, pick(w.Col, goes))
	free.to = some(w.to, goes)
	w.Spans, w.parts = spans, parts
	w.keep(stay)
	return free
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

// truncate takes out what lies at or behind the ends of its partitions, and answers for
// it no more: their frontiers will stay there.
func (w *work) truncate(ends stops) {
	if len(ends) == 0 {
		return
	}
	idx := make([]int32, 0, w.Len())
	for i := range w.Len() {
		r := w.Source(i)
		if p := w.partition(r); p != nil && !ends.behind(p, r.Offset) {
			idx = append(idx, int32(i))
		}
	}
	var spans []record.Span
	var parts []*partition
	for i, s := range w.Spans {
		if end, ok := ends[w.parts[i]]; ok {
			s.Hi = min(s.Hi, end)
		}
		if s.Lo >= s.Hi {
			w.parts[i].frontier.abandon()
			continue
		}
		spans, parts = append(spans, s), append(parts, w.parts[i])
	}
	w.Spans, w.parts = spans, parts
	w.keep(idx)
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
