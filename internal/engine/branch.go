package engine

import (
	"context"
	"fmt"
	"slices"

	"github.com/levada-io/levada/internal/program"
	"github.com/levada-io/levada/record"
)

// routeExit leads every element into one branch.
type routeExit struct {
	at       *step
	router   program.Router
	branches []*node
}

// routed decides for every element of a chunk which branch it takes, and sends it there.
func (l *lane) routed(r *routeExit, w *work) {
	f := func(ctx context.Context, w *work) (err error) {
		w.to, err = r.router.Route(ctx, w.Chunk)
		if err == nil && len(w.to) != w.Len() {
			err = fmt.Errorf("BUG: %d answers for %d elements", len(w.to), w.Len())
		}
		return err
	}
	next := func(w *work) { l.dealt(r, w) }
	if l.apply(r.at, w, f, next) {
		next(w)
	}
}

// dealt splits a chunk over the branches that a router has found. Every fragment answers
// for all offsets of the chunk: they are finished when all of them are.
func (l *lane) dealt(r *routeExit, w *work) {
	to := w.to
	w.to = nil
	idx := make([][]int32, len(r.branches))
	for i, b := range to {
		idx[b] = append(idx[b], int32(i))
	}
	last := -1
	for b := range idx {
		if len(idx[b]) > 0 {
			last = b
		}
	}
	if last < 0 {
		discard(w.Col)
		w.finish()
		return
	}
	if len(idx[last]) == w.Len() {
		l.process(r.branches[last], w)
		return
	}
	parts := make([]*work, len(r.branches))
	for b := range last {
		if len(idx[b]) > 0 {
			parts[b] = w.fork()
			parts[b].Keep(idx[b], pick(w.Col, idx[b]))
		}
	}
	w.keep(idx[last])
	parts[last] = w
	for b, p := range parts {
		if p != nil {
			l.process(r.branches[b], p)
		}
	}
}

// copied sends a chunk into every branch of a broadcast. Steps change the column and
// the metadata of a chunk in place, so that each branch has its own.
func (l *lane) copied(branches []*node, w *work) {
	parts := make([]*work, len(branches))
	for b := range len(branches) - 1 {
		p := w.fork()
		p.Over = slices.Clone(w.Over)
		p.Col = share(w.Col)
		parts[b] = p
	}
	parts[len(branches)-1] = w
	for b, p := range parts {
		l.process(branches[b], p)
	}
}

// records builds the records of a sink: payloads with the key, headers and timestamp
// of their elements.
func (w *work) records(buf []record.Record) ([]record.Record, bool) {
	col, ok := w.Col.(record.Bytes)
	if !ok {
		return buf, false
	}
	buf = slices.Grow(buf[:0], len(col))[:len(col)]
	for i := range col {
		m := w.Meta(i)
		buf[i] = record.Record{Key: m.Key, Value: col[i], Headers: m.Headers, Timestamp: m.Timestamp}
	}
	return buf, true
}
