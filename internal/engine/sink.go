package engine

import (
	"errors"
	"fmt"
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
	open := x.lane.unsettled
	return x != x.lane.graves && len(open) > 0 && open[0] <= w.behind
}

// waits says that the chunk is behind letters that will be stored. The lane is woken when
// they are.
func (x *sinkExit) waits(w *work) bool {
	return x.behind(w) && !x.lane.graves.outlet.broken.Load()
}

func (x *sinkExit) unpark() {
	for len(x.queue) > 0 && !x.waits(x.queue[0]) && !x.blocked() {
		w := x.queue[0]
		x.queue[0] = nil
		x.queue = x.queue[1:]
		x.bytes -= w.size()
		x.write(w)
	}
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
			if w.letter > 0 {
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
