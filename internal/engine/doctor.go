package engine

import (
	"cmp"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/levada-io/levada/connector"
	"github.com/levada-io/levada/internal/program"
)

// Stall says how long nothing may move where there is something to do.
type Stall struct {
	ReportAfter time.Duration // Hooks.Stalled is called; 0: nobody looks
	ExitAfter   time.Duration // the run fails with a *StalledError; 0: never
}

// liveAfter is how long a loop of the engine may take for one turn.
const liveAfter = time.Minute

// Cause is what a partition waits for.
type Cause int

// The causes.
const (
	Unknown   Cause = iota // nothing runs and nothing waits, so the engine has lost it
	InFetch                // the source brings nothing of what there is
	InPoll                 // the client does not return from a poll
	InStep                 // an operator runs
	InSink                 // a sink acknowledges nothing
	InGIL                  // a step can not get at the interpreter
	InRetry                // a step's call is put off
	InBalance              // the group has given this process no share yet
	InOutage               // the source's system is away, for which the connector has a budget
)

// Phase says why Hooks.Stalled is called.
type Phase int

// The phases.
const (
	Began Phase = iota
	Ended       // there is progress again
	Fatal       // ExitAfter is over: the run fails
)

// Diagnosis is one stall with its cause.
type Diagnosis struct {
	Phase Phase
	// Partitions are those that make no progress, in order, up to which everything is
	// finished. None: the whole process.
	Partitions []Position
	Cause      Cause
	Lane       int    // that an operator runs in; -1: none
	Step       string // the operator or the sink
	Origin     string // place in the author's source; may be empty
	Python     bool   // the step is in the interpreter
	Thread     uint64 // what Python calls its thread; 0: not known
	Holder     string // step that has the GIL meanwhile; empty: not known
	Behind     int64  // records that were not fetched
	At         string // where in its code the step is, for whoever finds out; may be empty

	Stuck time.Duration // no progress since
	For   time.Duration // the cause is seen since
}

// Position is a partition and the offset up to which it is finished.
type Position struct {
	connector.Partition
	Offset int64
}

// Where names the partitions: one, and how many more.
func (d *Diagnosis) Where() string {
	if len(d.Partitions) == 0 {
		return "no partition"
	}
	first := fmt.Sprintf("%v@%d", d.Partitions[0].Partition, d.Partitions[0].Offset)
	switch n := len(d.Partitions) - 1; n {
	case 0:
		return first
	case 1:
		return first + " and another partition"
	default:
		return fmt.Sprintf("%s and %d more partitions", first, n)
	}
}

// Why is the cause in words.
func (d *Diagnosis) Why() string {
	took := d.For.Round(time.Second)
	if d.For < 2*time.Second {
		took = d.For.Round(100 * time.Millisecond)
	}
	at := ""
	if d.At != "" {
		at = ", now at " + d.At
	}
	switch d.Cause {
	case InFetch:
		return fmt.Sprintf("nothing was fetched for %v, %d records are there", took, d.Behind)
	case InPoll:
		return fmt.Sprintf("the client of the source has not returned from a poll for %v", took)
	case InStep:
		in := ""
		if d.Python {
			in = " in Python"
		}
		return fmt.Sprintf("%s has been running%s for %v%s", place(d.Step, d.Origin), in, took, at)
	case InSink:
		return fmt.Sprintf("sink %s has acknowledged nothing for %v", strings.TrimPrefix(place(d.Step, d.Origin), "step "), took)
	case InGIL:
		holder := ""
		if d.Holder != "" {
			holder = ", while " + d.Holder + " has it"
		}
		return fmt.Sprintf("%s has been waiting for the GIL for %v%s", place(d.Step, d.Origin), took, holder)
	case InRetry:
		return fmt.Sprintf("%s has been waiting for its next try for %v", place(d.Step, d.Origin), took)
	case InBalance:
		return fmt.Sprintf("waiting for the group to share its partitions out for %v", took)
	case InOutage:
		return fmt.Sprintf("the source could not be reached for %v", took)
	}
	return fmt.Sprintf("BUG: nothing of it runs and it waits for nothing, for %v", took)
}

func (d *Diagnosis) String() string { return d.Where() + ": " + d.Why() }

// StalledError is a run that made no progress for too long. What is not committed is
// read again by whoever takes over.
type StalledError struct{ Diagnosis Diagnosis }

func (e *StalledError) Error() string {
	return fmt.Sprintf("stuck for %v: %v", e.Diagnosis.Stuck.Round(time.Second), &e.Diagnosis)
}

// Health is what may be told to whoever supervises the process: nil, or why not.
type Health struct {
	Live  error // every loop of the engine turns
	Ready error // there is an assignment, it is worked on, and the run is not at its end
}

// trail is a value and since when it has not changed.
type trail[T comparable] struct {
	last  T
	since time.Time
}

// see takes a look at the value; what is seen first has changed just now.
func (t *trail[T]) see(v T, at time.Time) {
	if v != t.last || t.since.IsZero() {
		t.last, t.since = v, at
	}
}

// marks of what shows progress.
type (
	laneMark struct {
		calls    int64
		progress program.Progress
	}
	sinkMark struct {
		acked int64
		busy  bool
	}
	partMark struct {
		epoch                     int64
		frontier, taken, inFlight int64
		pending                   bool
		tries                     int64
	}
)

// Doctor finds out what stands still from one snapshot of a run to the next. It looks at
// nothing else, so that the same snapshots give the same answers.
type Doctor struct {
	cfg   Stall
	lanes map[int]*trail[laneMark]
	turns map[int]*trail[int64]
	sinks map[string]*trail[sinkMark]
	parts map[connector.Partition]*trail[partMark]
	polls trail[int64]
	share trail[bool] // whether the group owes this process its share
	away  trail[bool] // whether the source's system is away
	open  []*stall
}

// stall is one that was told.
type stall struct {
	of    illness
	parts map[connector.Partition]bool
	told  Diagnosis // last
}

// illness is what one stall has in common.
type illness struct {
	cause Cause
	lane  int
	step  string
}

// NewDoctor returns a doctor who has seen nothing yet.
func NewDoctor(cfg Stall) *Doctor {
	return &Doctor{
		cfg:   cfg,
		lanes: map[int]*trail[laneMark]{}, turns: map[int]*trail[int64]{},
		sinks: map[string]*trail[sinkMark]{}, parts: map[connector.Partition]*trail[partMark]{},
	}
}

func seen[K comparable, T comparable](m map[K]*trail[T], k K, v T, at time.Time) *trail[T] {
	t := m[k]
	if t == nil {
		t = &trail[T]{}
		m[k] = t
	}
	t.see(v, at)
	return t
}

// Look takes the next snapshot. It returns what is to be told, each stall when it
// begins, when it is over, and when it has lasted too long; and the health of the run.
func (d *Doctor) Look(s Status) ([]Diagnosis, Health) {
	for i := range s.Lanes {
		l := &s.Lanes[i]
		seen(d.lanes, l.ID, laneMark{l.Calls, l.Progress}, s.At)
		seen(d.turns, l.ID, l.Turns+l.Calls+l.Progress.Done, s.At)
	}
	for _, k := range s.Sinks {
		seen(d.sinks, k.Step, sinkMark{k.Acked, k.InFlight > 0}, s.At)
	}
	d.polls.see(s.Polls, s.At)
	d.share.see(s.Connected && !s.Shared, s.At)
	d.away.see(s.Away >= d.cfg.ReportAfter, s.At)
	stuck := d.stuck(&s)
	return d.tell(stuck), d.health(&s)
}

// stuck are the stalls of this moment: per partition, and those of the whole process.
func (d *Doctor) stuck(s *Status) []Diagnosis {
	var out []Diagnosis
	blocked := d.blocked(s)
	known := map[connector.Partition]bool{}
	for i := range s.Partitions {
		p := &s.Partitions[i]
		known[p.Partition] = true
		behind := max(0, p.Untaken)
		pending := p.InFlight > 0 || !s.Stopping && (p.QueuedBytes > 0 || behind > 0)
		own := seen(d.parts, p.Partition, partMark{p.Epoch, p.Frontier, p.Taken, p.InFlight, pending, p.Tries}, s.At)
		if !pending {
			continue
		}
		since := own.since
		// What a lane works on moves with the lane, and what is queued waits for its turn.
		// Once a sink is blocked, the lane may be working for others.
		// A partition with a retry waits for that, whatever the lane does.
		if lane := d.lanes[p.Lane]; lane != nil && p.Retrying == "" && (p.InFlight > 0 || p.QueuedBytes > 0) {
			moved := lane.since
			if blocked != nil {
				moved = earliest(moved, s.At.Add(-blocked.For))
			}
			since = latest(since, moved)
		}
		// After an outage everything has its time again.
		if !d.away.last {
			since = latest(since, d.away.since)
		}
		if lasted := s.At.Sub(since); lasted >= d.cfg.ReportAfter {
			g := d.cause(s, p, blocked)
			if d.away.last && (g.Cause == InFetch || g.Cause == InSink) {
				g = Diagnosis{Cause: InOutage, Lane: -1, For: s.Away}
			}
			g.Stuck, g.Partitions = lasted, []Position{{p.Partition, p.Frontier}}
			if g.For == 0 {
				g.For = lasted
			}
			out = append(out, g)
		}
	}
	for p := range d.parts {
		if !known[p] {
			delete(d.parts, p)
		}
	}
	if s.Stopping {
		return out
	}
	whole := func(c Cause, lasted time.Duration) {
		told := slices.ContainsFunc(out, func(g Diagnosis) bool { return g.Cause == c })
		if lasted >= d.cfg.ReportAfter && !told {
			out = append(out, Diagnosis{Cause: c, Lane: -1, Stuck: lasted, For: lasted})
		}
	}
	if s.Connected {
		whole(InPoll, s.At.Sub(d.polls.since))
	}
	if d.share.last && !d.away.last {
		whole(InBalance, s.At.Sub(latest(d.share.since, d.away.since)))
	}
	whole(InOutage, s.Away)
	return out
}

func latest(a, b time.Time) time.Time {
	if a.After(b) {
		return a
	}
	return b
}

func earliest(a, b time.Time) time.Time {
	if a.Before(b) {
		return a
	}
	return b
}

// blocked is the sink that has acknowledged nothing for longest, where that is too long.
func (d *Doctor) blocked(s *Status) *Diagnosis {
	var worst *Diagnosis
	for _, k := range s.Sinks {
		t := d.sinks[k.Step]
		if lasted := s.At.Sub(t.since); t.last.busy && lasted >= d.cfg.ReportAfter && (worst == nil || lasted > worst.For) {
			worst = &Diagnosis{Cause: InSink, Lane: -1, Step: k.Step, Origin: k.Origin, For: lasted}
		}
	}
	return worst
}

// cause says what a partition waits for.
func (d *Doctor) cause(s *Status, p *PartitionStatus, blocked *Diagnosis) Diagnosis {
	if p.InFlight == 0 && p.QueuedBytes == 0 {
		if lasted := s.At.Sub(d.polls.since); lasted >= d.cfg.ReportAfter {
			return Diagnosis{Cause: InPoll, Lane: -1, For: lasted}
		}
		return Diagnosis{Cause: InFetch, Lane: -1, Behind: p.Untaken}
	}
	if p.Retrying != "" {
		return Diagnosis{Cause: InRetry, Lane: p.Lane, Step: p.Retrying, Origin: p.RetryOrigin}
	}
	i := slices.IndexFunc(s.Lanes, func(l LaneStatus) bool { return l.ID == p.Lane })
	if i < 0 {
		return Diagnosis{Lane: -1}
	}
	l := &s.Lanes[i]
	lasted := s.At.Sub(d.lanes[l.ID].since)
	if l.Step != "" && (blocked == nil || lasted >= d.cfg.ReportAfter) {
		g := Diagnosis{
			Cause: InStep, Lane: l.ID, Step: l.Step, Origin: l.Origin,
			Python: l.Progress.Python, Thread: l.Progress.Thread, For: lasted,
		}
		if l.Progress.Waiting {
			g.Cause, g.Holder = InGIL, d.holder(s, l.ID)
		}
		return g
	}
	if blocked != nil {
		return *blocked
	}
	return Diagnosis{Lane: -1}
}

// holder is the step of another lane that is in the interpreter and does not move.
func (d *Doctor) holder(s *Status, waits int) string {
	name, longest := "", time.Duration(-1)
	for i := range s.Lanes {
		l := &s.Lanes[i]
		if l.ID == waits || l.Step == "" || !l.Progress.Python || l.Progress.Waiting {
			continue
		}
		if lasted := s.At.Sub(d.lanes[l.ID].since); lasted > longest {
			name, longest = place(l.Step, l.Origin), lasted
		}
	}
	return name
}

// tell compares with what was told before.
func (d *Doctor) tell(now []Diagnosis) []Diagnosis {
	var out []Diagnosis
	of := func(g *Diagnosis) illness { return illness{g.Cause, g.Lane, g.Step} }
	// A stall that was told lasts while one of its partitions stands still, whatever the
	// cause is by now.
	rest := now[:0:0]
	found := make([][]Diagnosis, len(d.open))
	for _, g := range now {
		k := slices.IndexFunc(d.open, func(o *stall) bool {
			if len(g.Partitions) == 0 {
				return len(o.parts) == 0 && o.of == of(&g)
			}
			return o.parts[g.Partitions[0].Partition]
		})
		if k < 0 {
			k = slices.IndexFunc(d.open, func(o *stall) bool { return len(g.Partitions) > 0 && len(o.parts) > 0 && o.of == of(&g) })
		}
		if k < 0 {
			rest = append(rest, g)
			continue
		}
		found[k] = append(found[k], g)
	}
	var open []*stall
	for k, o := range d.open {
		if len(found[k]) == 0 {
			o.told.Phase = Ended
			out = append(out, o.told)
			continue
		}
		d.update(o, found[k])
		open = append(open, o)
	}
	d.open = open
	for len(rest) > 0 {
		o := &stall{of: of(&rest[0])}
		same := func(g Diagnosis) bool {
			return of(&g) == o.of && (len(g.Partitions) > 0) == (len(rest[0].Partitions) > 0)
		}
		var group, left []Diagnosis
		for _, g := range rest {
			if same(g) {
				group = append(group, g)
			} else {
				left = append(left, g)
			}
		}
		d.update(o, group)
		d.open = append(d.open, o)
		out = append(out, o.told)
		rest = left
	}
	for _, o := range d.open {
		if d.cfg.ExitAfter > 0 && o.told.Cause != InOutage && o.told.Stuck >= d.cfg.ExitAfter && o.told.Phase != Fatal {
			o.told.Phase = Fatal
			out = append(out, o.told)
		}
	}
	return out
}

// update makes one diagnosis of those of its partitions: the one that stands still for
// longest says why.
func (d *Doctor) update(o *stall, of []Diagnosis) {
	phase := o.told.Phase
	worst := slices.MaxFunc(of, func(a, b Diagnosis) int { return cmp.Compare(a.Stuck, b.Stuck) })
	var all []Position
	o.parts = map[connector.Partition]bool{}
	for i := range of {
		all = append(all, of[i].Partitions...)
	}
	slices.SortFunc(all, func(a, b Position) int {
		return cmp.Or(cmp.Compare(a.Topic, b.Topic), cmp.Compare(a.ID, b.ID))
	})
	for _, p := range all {
		o.parts[p.Partition] = true
	}
	worst.Partitions, worst.Phase = all, phase
	o.told = worst
}

var (
	errFailed    = errors.New("the run has failed and ends")
	errStopping  = errors.New("stopping")
	errConnect   = errors.New("not connected yet")
	errUnshared  = errors.New("the group has not shared its partitions out yet")
	errUnwatched = errors.New("starting")
)

func (d *Doctor) health(s *Status) Health {
	var h Health
	for i := range s.Lanes {
		l := &s.Lanes[i]
		if lasted := s.At.Sub(d.turns[l.ID].since); lasted >= liveAfter {
			at := ""
			if l.Step != "" {
				at = ", it is in " + place(l.Step, l.Origin)
			}
			h.Live = fmt.Errorf("lane %d has not turned for %v%s", l.ID, lasted.Round(time.Second), at)
			break
		}
	}
	if lasted := s.At.Sub(d.polls.since); s.Connected && h.Live == nil && lasted >= liveAfter {
		h.Live = fmt.Errorf("the source has not been polled for %v", lasted.Round(time.Second))
	}
	switch {
	case s.Failure != nil:
		h.Ready = errFailed // why may hold what is in a message
	case s.Stopping:
		h.Ready = errStopping
	case !s.Connected:
		h.Ready = errConnect
	case !s.Shared:
		h.Ready = errUnshared
	case len(d.open) > 0:
		h.Ready = fmt.Errorf("stalled: %v", &d.open[0].told)
	}
	return h
}
