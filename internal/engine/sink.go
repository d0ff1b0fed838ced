package engine

import (
	"errors"
	"fmt"
	"slices"
	"sync/atomic"

	"github.com/levada-io/levada/connector"
	"github.com/levada-io/levada/record"
)

// outlet is a sink as the lanes share it.
type outlet struct {
	connector.Sink
	e      *Engine
	step   string
	limit  int64
	flying atomic.Int64 // bytes written and not acknowledged
	acked  atomic.Int64 // writes that came to an end
	broken atomic.Bool  // the sink has failed: nothing can be delivered any more
}

// full says that the sink has as much in flight as it may have. A chunk larger than the
// limit goes alone.
func (o *outlet) full() bool { return o.flying.Load() >= o.limit }

// sinkExit is one lane's way to a sink, with the queue of what the sink did not take
// yet.
type sinkExit struct {
	lane   *lane
	step   string
	outlet *outlet
	queue  []*work
	bytes  int64           // of the queue
	buf    []record.Record // reused: a sink does not keep it
}

// add hands a chunk to the sink, or queues it behind what waits already.
func (x *sinkExit) add(w *work) {
	w.Failed = nil
	w.behind = x.lane.lettered
	if len(x.queue) == 0 && !x.waits(w) && !x.blocked() {
		x.lane.e.flying.Add(w.size())
		x.write(w)
		return
	}
	x.lane.e.flying.Add(w.size())
	if overwriteCarriedOver && len(x.queue) > 0 {
		x.overwrite()
	}
	x.queue = append(x.queue, w)
	x.bytes += w.size()
}

// overwrite is part of a planted bug.
func (x *sinkExit) overwrite() {
	last := len(x.queue) - 1
	w := x.queue[last]
	x.queue, x.bytes = x.queue[:last], x.bytes-w.size()
	discard(w.Col)
	w.finish()
	x.lane.e.land(w.size())
}

// blocked says that the sink takes nothing now, and sees to it that the lane is woken
// when it does.
func (x *sinkExit) blocked() bool {
	if !x.outlet.full() || x.outlet.broken.Load() {
		return false
	}
	x.lane.thirsty.Store(true)
	return x.outlet.full()
}

// behind says that letters which stand before the chunk are not stored yet.
func (x *sinkExit) behind(w *work) bool {
	if x == x.lane.graves {
		return false
	}
	return slices.ContainsFunc(x.lane.unsettled, func(t *letter) bool { return t.number <= w.behind && meet(t.of, w.parts) })
}

// meet says that two chunks have a partition in common.
func meet(a, b []*partition) bool {
	return slices.ContainsFunc(a, func(p *partition) bool { return slices.Contains(b, p) })
}

// waits says that the chunk is behind letters that will be stored. The lane is woken when
// they are.
func (x *sinkExit) waits(w *work) bool {
	return x.behind(w) && !x.lane.graves.outlet.broken.Load()
}

// unpark writes what waits, as far as the sink takes it. What is behind a letter waits on;
// a letter may wait for a retry, so that other partitions pass.
func (x *sinkExit) unpark() {
	for i := 0; i < len(x.queue) && !x.blocked(); {
		w := x.queue[i]
		if x.waits(w) {
			x.split(i)
			i++
			continue
		}
		if slices.ContainsFunc(x.queue[:i], func(v *work) bool { return meet(v.parts, w.parts) }) {
			i++
			continue
		}
		if i == 0 { // nearly always: a long queue is not moved for each
			x.queue[0] = nil
			x.queue = x.queue[1:]
		} else {
			x.queue = slices.Delete(x.queue, i, i+1)
		}
		x.bytes -= w.size()
		x.write(w)
	}
}

// truncate takes what is read again out of the queue.
func (x *sinkExit) truncate(ends stops) {
	x.queue = slices.DeleteFunc(x.queue, func(w *work) bool {
		size := w.size()
		w.truncate(ends)
		gone := w.Len() == 0
		less := size - w.size()
		if gone {
			discard(w.Col)
			w.finish()
			less = size
		}
		x.bytes -= less
		x.lane.e.land(less)
		return gone
	})
}

// split makes two of a chunk in the queue where only some of its partitions have a retry.
func (x *sinkExit) split(i int) {
	w := x.queue[i]
	has := func(p *partition) bool { return p.waits > 0 }
	if !slices.ContainsFunc(w.parts, has) {
		return
	}
	size := w.size()
	free := w.carve(has)
	if free == nil {
		return
	}
	free.behind = w.behind
	x.queue = slices.Insert(x.queue, i+1, free)
	more := w.size() + free.size() - size
	x.bytes += more
	x.lane.e.flying.Add(more)
}

// write hands a chunk to the sink; its size is counted as in flight already.
func (x *sinkExit) write(w *work) {
	o, e, size := x.outlet, x.lane.e, w.size()
	if o.broken.Load() || x.behind(w) {
		w.abandon()
		e.land(size)
		return
	}
	if !w.drop() {
		discard(w.Col)
		w.finish()
		x.lane.settle(w.letter)
		e.land(size)
		return
	}
	recs, ok := w.records(x.buf)
	if !ok {
		w.abandon()
		e.land(size)
		e.fail(&StepError{Step: x.step, Origin: e.cfg.Program.Origins[x.step],
			Cause: fmt.Errorf("BUG: expected a column of bytes, got %T", w.Col)})
		return
	}
	o.flying.Add(size)
	if commitBeforeAck {
		w.finish()
	}
	o.Write(recs, func(err error) {
		if commitBeforeAck {
			w = &work{Chunk: &record.Chunk{Col: w.Col}, letter: w.letter} // nobody answers for its records any more
		}
		if err == nil {
			x.stored(w.Len())
			w.finish()
			if w.letter != nil {
				x.lane.do(func() { x.lane.settle(w.letter) })
			}
		} else if refused, ok := errors.AsType[connector.RecordErrors](err); ok {
			x.stored(w.Len() - len(refused))
			x.refused(w, refused)
		} else {
			o.broken.Store(true)
			e.fail(err)
			w.abandon()
		}
		o.acked.Add(1)
		o.flying.Add(-size)
		e.land(size)
	})
	clear(recs)
	x.buf = recs[:0]
}

// stored counts records that the sink has acknowledged.
func (x *sinkExit) stored(n int) {
	if x == x.lane.graves {
		x.lane.e.counters.dead.Add(int64(n))
	} else {
		x.lane.e.counters.out.Add(int64(n))
	}
}

// land says that bytes are not in flight any more, and wakes the lanes that wait for
// that.
func (e *Engine) land(size int64) {
	e.flying.Add(-size)
	for _, l := range e.lanes {
		if l.thirsty.CompareAndSwap(true, false) {
			l.wake()
		}
	}
}

// giveUp drops what waits, at the end of the lane.
func (x *sinkExit) giveUp() {
	for _, w := range x.queue {
		w.abandon()
		x.lane.e.land(w.size())
	}
	x.queue, x.bytes = nil, 0
}
