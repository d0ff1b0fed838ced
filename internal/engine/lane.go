package engine

import (
	"context"
	"fmt"
	"runtime"
	"runtime/debug"
	"runtime/pprof"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/levada-io/levada/internal/program"
	"github.com/levada-io/levada/record"
)

// lane is a set of partitions and the goroutine that leads their records through the
// program. Order holds within it. It never blocks: what a sink does not take waits in
// the queue of that sink's exit, while timers and other branches are served.
type lane struct {
	e      *Engine
	id     int
	root   *node
	exit   []*sinkExit  // all of the lane, in the order of the program, then graves
	hold   []*batchExit // likewise
	graves *sinkExit    // takes dead letters; nil: nobody does

	same []int32   // 0, 1, 2, ...: the trace of a chunk that an operator gets
	owed []portion // of chunks, whose dead letters are not all known yet
	dead []*trial  // what they lost to the dead letters so far
	most int       // records that the next chunk may have

	retries []*retry // that wait

	later     []*work   // dead letters of what is not through the program yet
	lettered  uint64    // chunks of dead letters, in all
	unsettled []*letter // those that are not stored yet
	back      stops     // from where on what is not through was given back

	started chan error
	done    chan struct{}
	signal  chan struct{}        // holds one token while the lane has a reason to look around
	thirsty atomic.Bool          // waits for the bytes in flight to become fewer
	now     atomic.Pointer[step] // the operator that runs
	turns   atomic.Int64         // of the loop
	calls   atomic.Int64         // of operators: one at each beginning, one at each end

	mu     sync.Mutex // guards parts, tasks, and the queues of the partitions
	parts  []*partition
	tasks  []task
	ended  bool // no task is taken any more
	turn   int  // partition that the next chunk begins with
	queued []segment
}

// task is something that the goroutine of the lane does between two chunks.
type task struct {
	run  func()
	done chan struct{}
}

// step is an operator with its place, for errors and for profiles.
type step struct {
	names  []string
	op     program.Op     // or
	router program.Router // one of the two
	again  bool           // one of them has a retry
	buries bool           // one of them has dead letters
	labels context.Context

	held  map[*partition]bool // with a retry
	queue []queued            // what came of them meanwhile, in order
}

func (l *lane) step(op program.Op, names []string) *step {
	s := &step{names: names, op: op}
	for _, name := range names {
		p := l.e.cfg.Program.Policies[name]
		s.again = s.again || p.Times > 0
		s.buries = s.buries || p.OnError == program.DeadLetter
	}
	return s
}

// node is a stage with the lane's state of it. Exactly one of the exits is set.
type node struct {
	ops       []*step
	sink      *sinkExit
	route     *routeExit
	broadcast []*node
	batch     *batchExit
}

func newLane(e *Engine, id int, stage *program.Stage) *lane {
	l := &lane{
		e: e, id: id, most: e.limits.ChunkRecords,
		started: make(chan error, 1),
		done:    make(chan struct{}),
		signal:  make(chan struct{}, 1),
		back:    stops{},
	}
	l.root = l.build(stage)
	if e.graves != nil {
		l.graves = &sinkExit{lane: l, step: deadLetters, outlet: e.graves}
		l.exit = append(l.exit, l.graves)
	}
	return l
}

func (l *lane) build(s *program.Stage) *node {
	n := &node{}
	for _, op := range s.Ops {
		n.ops = append(n.ops, l.step(op, op.Steps()))
	}
	all := func(ss []*program.Stage) (ns []*node) {
		for _, s := range ss {
			ns = append(ns, l.build(s))
		}
		return ns
	}
	switch {
	case s.Sink != nil:
		n.sink = &sinkExit{lane: l, step: s.Sink.Step, outlet: l.e.sinks[s.Sink.Index]}
		l.exit = append(l.exit, n.sink)
	case s.Route != nil:
		n.route = &routeExit{
			at:       l.step(nil, s.Route.Router.Steps()),
			router:   s.Route.Router,
			branches: all(s.Route.Branches),
		}
		n.route.at.router = s.Route.Router
	case s.Broadcast != nil:
		n.broadcast = all(s.Broadcast.Branches)
	case s.Batch != nil:
		n.batch = &batchExit{
			lane: l, step: s.Batch.Step, limit: s.Batch.Limit,
			open: map[*partition]*batch{},
		}
		if s.Batch.Dump != nil {
			n.batch.dump = l.step(s.Batch.Dump, []string{s.Batch.Step})
		}
		l.hold = append(l.hold, n.batch)
		n.batch.next = l.build(s.Batch.Next)
	}
	return n
}

// walk calls f for every operator and router of the lane, in order.
func (n *node) walk(f func(*step, any) error) error {
	for _, s := range n.ops {
		if err := f(s, s.op); err != nil {
			return err
		}
	}
	var next []*node
	switch {
	case n.route != nil:
		if err := f(n.route.at, n.route.router); err != nil {
			return err
		}
		next = n.route.branches
	case n.broadcast != nil:
		next = n.broadcast
	case n.batch != nil:
		if d := n.batch.dump; d != nil {
			if err := f(d, d.op); err != nil {
				return err
			}
		}
		next = []*node{n.batch.next}
	}
	for _, b := range next {
		if err := b.walk(f); err != nil {
			return err
		}
	}
	return nil
}

func (l *lane) start(ctx context.Context) { go l.run(ctx) }

func (l *lane) run(ctx context.Context) {
	defer close(l.done)
	defer l.end()
	if l.e.cfg.Program.Threads {
		runtime.LockOSThread()
		// Unlocked before it ends: a goroutine that ends locked takes its thread with it,
		// and what Python keeps for that thread.
		defer runtime.UnlockOSThread()
	}
	stop, err := l.startOps(ctx)
	defer stop()
	l.started <- err
	if err != nil {
		return
	}
	for ctx.Err() == nil {
		l.turns.Add(1)
		l.serve()
		l.unpark()
		l.again()
		l.expire()
		l.tally()
		l.inter() // of retries that ended, and batches that were sent on
		if w := l.take(); w != nil {
			if l.graves != nil {
				l.owe(w)
			}
			n, began := len(w.Recs), l.e.clock.Now()
			l.process(l.root, w)
			l.pace(n, l.e.clock.Now().Sub(began))
			l.tally()
			l.inter()
			continue
		}
		select {
		case <-l.signal:
		case <-ctx.Done():
		}
	}
}

// chunkTime is about how long a chunk may take: all else that the lane does waits for it,
// a revoke and a timer as well as the sinks, and what it holds is in memory.
const chunkTime = 100 * time.Millisecond

// pace fits the size of the next chunk to what the last one took.
func (l *lane) pace(records int, took time.Duration) {
	switch {
	case took > chunkTime:
		l.most = max(1, int(int64(records)*int64(chunkTime)/int64(took)))
	case took < chunkTime/2 && records >= l.most:
		l.most = min(2*l.most, l.e.limits.ChunkRecords)
	}
}

// startOps starts what wants to be started; stop ends what was.
func (l *lane) startOps(ctx context.Context) (stop func(), err error) {
	var running []program.Starter
	stop = func() {
		for _, s := range slices.Backward(running) {
			s.Stop()
		}
	}
	err = l.root.walk(func(s *step, op any) error {
		s.labels = pprof.WithLabels(ctx, pprof.Labels(
			"levada_lane", strconv.Itoa(l.id), "levada_step", strings.Join(s.names, ",")))
		st, ok := op.(program.Starter)
		if !ok {
			return nil
		}
		if err := st.Start(l.id); err != nil {
			return l.e.stepError(s, err)
		}
		running = append(running, st)
		return nil
	})
	return stop, err
}

// wake makes the lane look around. It never blocks.
func (l *lane) wake() {
	select {
	case l.signal <- struct{}{}:
	default:
	}
}

// do has the goroutine of the lane call f between two chunks; the channel is closed
// afterwards, and at once when the lane has ended.
func (l *lane) do(f func()) <-chan struct{} {
	t := task{f, make(chan struct{})}
	l.mu.Lock()
	if l.ended {
		close(t.done)
	} else {
		l.tasks = append(l.tasks, t)
	}
	l.mu.Unlock()
	l.wake()
	return t.done
}

func (l *lane) serve() {
	for {
		l.mu.Lock()
		tasks := l.tasks
		l.tasks = nil
		l.mu.Unlock()
		if len(tasks) == 0 {
			return
		}
		for _, t := range tasks {
			t.run()
			close(t.done)
		}
	}
}

// end gives up what waits and what is held, and lets nobody wait for the lane.
func (l *lane) end() {
	for _, x := range l.exit {
		x.giveUp()
	}
	for _, b := range l.hold {
		b.giveUp(nil)
	}
	for len(l.retries) > 0 {
		l.retries[0].abandon()
	}
	for _, grave := range l.later {
		grave.abandon()
	}
	l.later = nil
	l.mu.Lock()
	defer l.mu.Unlock()
	l.ended = true
	for _, t := range l.tasks {
		close(t.done)
	}
	l.tasks = nil
}

func (l *lane) load() int {
	l.mu.Lock()
	defer l.mu.Unlock()
	return len(l.parts)
}

func (l *lane) adopt(p *partition) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.parts = append(l.parts, p)
}

// forget ends the lane's part in an assignment that is over.
func (l *lane) forget(p *partition) {
	l.mu.Lock()
	if i := slices.Index(l.parts, p); i >= 0 {
		l.parts = slices.Delete(l.parts, i, i+1)
	}
	l.mu.Unlock()
	l.do(func() { l.forgetHeld(p) })
}

// forgetHeld gives up what batches hold of a partition: its next owner reads it again.
func (l *lane) forgetHeld(p *partition) {
	p.forgotten = true
	for _, b := range l.hold {
		b.giveUp(p)
	}
}

// segment is what a chunk takes from one fetch.
type segment struct {
	part *partition
	recs []record.Record
	hi   int64
}

// full says that the caps of what is in flight are reached, and sees to it that the
// lane is woken when they are not.
func (l *lane) full() bool {
	over := func() bool {
		if l.e.flying.Load() >= l.e.limits.InFlightBytes {
			return true
		}
		return slices.ContainsFunc(l.exit, func(x *sinkExit) bool { return x.bytes >= l.e.limits.BranchBytes })
	}
	if !over() {
		return false
	}
	l.thirsty.Store(true)
	return over() // what became free before the lane was thirsty woke nobody
}

// take makes one chunk of what is queued, over all partitions of the lane, up to the
// cap; nil when there is nothing or no room.
func (l *lane) take() *work {
	if l.e.halted.Load() || l.full() {
		return nil
	}
	l.mu.Lock()
	segs := l.queued[:0]
	records, bytes := l.most, l.e.limits.ChunkBytes
	size := int64(0)
	for k := 0; k < len(l.parts) && records > 0 && bytes > 0; k++ {
		i := (l.turn + k) % len(l.parts)
		p := l.parts[i]
		if p.waits > 0 {
			continue
		}
		took := int64(0)
		for len(p.queue) > 0 && records > 0 && bytes > 0 {
			f := &p.queue[0]
			n, b := f.cut(records, bytes, len(segs) == 0)
			if n == 0 && len(f.Records) > 0 {
				bytes = 0 // the next record does not fit any more
				break
			}
			s := segment{p, f.Records[:n:n], f.Next}
			records, bytes, took = records-n, bytes-b, took+b
			if n < len(f.Records) {
				s.hi = f.Records[n].Offset
				f.Records, f.bytes = f.Records[n:], f.bytes-b
			} else {
				p.queue[0] = fetch{}
				p.queue = p.queue[1:]
			}
			segs = append(segs, s)
		}
		size += took
		p.queued.Add(-took)
		if records <= 0 || bytes <= 0 {
			l.turn = i + 1 // the others go first next time
		}
	}
	l.queued = segs
	l.mu.Unlock()
	if len(segs) == 0 {
		return nil
	}
	w := l.chunk(segs, size)
	clear(segs)
	return w
}

// cut is how many records of the fetch fit into a chunk, and their bytes. A record
// larger than a chunk goes alone, where it would be the first.
func (f *fetch) cut(records int, bytes int64, first bool) (n int, b int64) {
	if len(f.Records) <= records && f.bytes <= bytes {
		return len(f.Records), f.bytes
	}
	for n < len(f.Records) && n < records {
		s := int64(f.Records[n].Size()) + recordOverhead
		if (n > 0 || !first) && b+s > bytes {
			break
		}
		n, b = n+1, b+s
	}
	return n, b
}

// chunk opens the tickets of what was taken and makes a chunk of it.
func (l *lane) chunk(segs []segment, size int64) *work {
	n := 0
	for i := range segs {
		n += len(segs[i].recs)
	}
	var recs []record.Record
	if len(segs) == 1 {
		recs = segs[0].recs
	} else {
		recs = make([]record.Record, 0, n)
		for i := range segs {
			recs = append(recs, segs[i].recs...)
		}
	}
	w := &work{Chunk: &record.Chunk{Recs: recs}, source: int(size)}
	for i, k := 0, 0; i < len(segs); i = k {
		p := segs[i].part
		some := false
		for k = i; k < len(segs) && segs[k].part == p; k++ {
			some = some || len(segs[k].recs) > 0
		}
		hi := segs[k-1].hi
		if p.paused.Load() && p.queued.Load() < l.e.queue.Load()/2 {
			l.e.polls.regulate(p)
		}
		if !some {
			p.frontier.skip(hi)
			continue
		}
		lo := p.frontier.open(hi)
		w.Spans = append(w.Spans, record.Span{Topic: p.Topic, Partition: p.ID, Epoch: p.epoch, Lo: lo, Hi: hi})
		w.parts = append(w.parts, p)
	}
	l.e.took(n)
	if n == 0 {
		return nil
	}
	col := make(record.Bytes, n)
	for i := range recs {
		col[i] = recs[i].Value
	}
	w.Col = col
	return w
}

// process leads a chunk through a stage and everything behind it.
func (l *lane) process(n *node, w *work) { l.from(n, 0, w) }

// from is process from operator number at on.
func (l *lane) from(n *node, at int, w *work) {
	for i := at; i < len(n.ops) && w.Len() > 0; i++ {
		s := n.ops[i]
		f := func(ctx context.Context, w *work) error { return s.op.Process(ctx, w.Chunk) }
		if !l.apply(s, w, f, func(w *work) { l.from(n, i+1, w) }) {
			return
		}
	}
	if w.Len() == 0 {
		discard(w.Col)
		w.finish()
		return
	}
	switch {
	case n.sink != nil:
		n.sink.add(w)
	case n.route != nil:
		l.routed(n.route, w)
	case n.broadcast != nil:
		l.copied(n.broadcast, w)
	case n.batch != nil:
		n.batch.add(w)
	}
}

// apply runs an operator or router on a chunk. It returns false where the chunk does not
// go on, or has gone on as next says.
func (l *lane) apply(s *step, w *work, f opFunc, next func(*work)) bool {
	if !l.admit(s, w, f, next) {
		return false
	}
	before := l.keep(s, w)
	if err := l.call(s, func(ctx context.Context) error { return f(ctx, w) }); err != nil {
		before.release()
		w.abandon()
		l.e.fail(err)
		return false
	}
	if len(w.Failed) > 0 {
		l.failing(s, w, before, f, next)
		return false
	}
	before.release()
	w.Trace = nil
	return true
}

// call runs an operator under its labels, which a panic's traceback and a profile show.
func (l *lane) call(s *step, f func(context.Context) error) (err error) {
	l.now.Store(s)
	l.calls.Add(1)
	pprof.SetGoroutineLabels(s.labels)
	defer func() {
		l.now.Store(nil)
		l.calls.Add(1)
		if v := recover(); v != nil {
			err = fmt.Errorf("BUG: panic: %v\n%s", v, debug.Stack())
		}
		if err != nil {
			err = l.e.stepError(s, err)
		}
	}()
	return f(s.labels)
}

func (e *Engine) stepError(s *step, err error) error {
	return &StepError{Step: strings.Join(s.names, ", "), Origin: e.cfg.Program.Origins[s.names[0]], Cause: err}
}

// failRecord ends the run at a record, after so many calls.
func (e *Engine) failRecord(r *record.Record, step string, calls int, err error) {
	e.fail(e.messageError(r, step, calls, err))
}

func (e *Engine) messageError(r *record.Record, step string, calls int, err error) *MessageError {
	return &MessageError{
		Topic: r.Topic, Partition: r.Partition, Offset: r.Offset,
		Step: step, Origin: e.cfg.Program.Origins[step], Calls: calls, Cause: err,
	}
}

// expire flushes the batches whose time has come.
func (l *lane) expire() {
	for _, b := range l.hold {
		b.expire()
	}
}

// unpark hands to the sinks what waits for them.
func (l *lane) unpark() {
	for _, x := range l.exit {
		x.unpark()
	}
}
