// Package verify accounts for every record of a run: each input was delivered,
// filtered, skipped or dead-lettered, in the order of its key, and nothing was committed
// before that. One verifier serves the simulation, the processes and the real Kafka.
//
// Every input has an id that no other has, and whatever comes of it carries that id. The
// package knows neither Kafka nor the engine: a test tells it what it wrote, what it
// read and what it saw committed.
//
// # What is no fault
//
// A member that was killed leaves records that the next one delivers again. They are
// counted as duplicated, and whether that may be is the test's to say. They are no
// reorder: the order of a key is the order in which its records appear first, within an
// output partition. Outputs without a key, such as batches, belong into one partition
// where their order is to be seen: between two there is none.
//
// What was a dead letter with its batch may be delivered after a kill, with another batch
// and behind those that went on meanwhile. Letters are read beside the outputs, earlier or
// later, so that such an input is in no order at all.
package verify

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync"
)

// Input is a record that was written to the source.
type Input struct {
	ID        int64
	Topic     string
	Partition int32
	Offset    int64
	Key       string
}

// Place is where a record was found. It is known by that: read again, it counts once.
// The records of a partition are reported in the order of their offsets.
type Place struct {
	Topic     string
	Partition int32
	Offset    int64
}

// Verifier keeps the books. Its methods may be called at the same time.
type Verifier struct {
	branches []string

	mu     sync.Mutex // guards all below
	index  map[int64]int32
	inputs []input
	state  [][]outcome // by branch, by index of the input
	keys   map[string]int32
	parts  map[part]*source
	read   map[part]int64 // first offset of an output partition that was not reported yet
	last   map[lane]int64 // offset of the last first appearance

	topics []*source          // by number
	late   map[finding]string // delivered after a later one of their key, as far as is known
	report Report
}

type input struct {
	source *source
	offset int64
	id     int64
	key    int32
	open   int16 // branches in which nothing has become of it
}

type part struct {
	topic string
	id    int32
}

// lane is where order can be seen: the records of one key from one input partition in
// one output partition.
type lane struct {
	out    part
	branch int
	key    int32
	from   *source
}

// source is a partition of the input.
type source struct {
	part
	inputs    []int32 // in the order of offsets
	done      int     // of them, from the first on, that are accounted for
	committed int64   // the highest position seen
}

type outcome uint8

const (
	open outcome = iota
	delivered
	dead
	filtered
	skipped
)

func (o outcome) String() string {
	return [...]string{"open", "delivered", "dead-lettered", "filtered", "skipped"}[o]
}

// New starts the books of a run. Where a pipeline has several branches that every input
// reaches, as after a broadcast, they are named, and each input is accounted for in each
// of them. Without names there is one branch, whose name is empty.
func New(inputs []Input, branches ...string) *Verifier {
	if len(branches) == 0 {
		branches = []string{""}
	}
	v := &Verifier{
		branches: branches,
		index:    map[int64]int32{}, keys: map[string]int32{},
		parts: map[part]*source{}, read: map[part]int64{}, last: map[lane]int64{},
		late:  map[finding]string{},
		state: make([][]outcome, len(branches)),
	}
	v.Add(inputs...)
	return v
}

// Add tells of more inputs, those of a partition in the order of their offsets. An input
// is told of before what comes of it is, and before a commit that covers it.
func (v *Verifier) Add(inputs ...Input) {
	v.mu.Lock()
	defer v.mu.Unlock()
	v.inputs = slices.Grow(v.inputs, len(inputs))
	for _, in := range inputs {
		if _, ok := v.index[in.ID]; ok {
			panic(fmt.Sprintf("BUG: verify: two inputs have the id %d", in.ID))
		}
		s := v.source(part{in.Topic, in.Partition})
		if n := len(s.inputs); n > 0 && v.inputs[s.inputs[n-1]].offset >= in.Offset {
			panic(fmt.Sprintf("BUG: verify: %s[%d]: expected an offset above %d, got %d",
				in.Topic, in.Partition, v.inputs[s.inputs[n-1]].offset, in.Offset))
		}
		key, ok := v.keys[in.Key]
		if !ok {
			key = int32(len(v.keys))
			v.keys[in.Key] = key
		}
		i := int32(len(v.inputs))
		v.index[in.ID] = i
		s.inputs = append(s.inputs, i)
		v.inputs = append(v.inputs, input{s, in.Offset, in.ID, key, int16(len(v.branches))})
		for b := range v.state {
			v.state[b] = append(v.state[b], open)
		}
	}
}

func (v *Verifier) source(p part) *source {
	s := v.parts[p]
	if s == nil {
		s = &source{part: p, committed: -1}
		v.parts[p] = s
		v.topics = append(v.topics, s)
	}
	return s
}

// Delivered tells of a record that a branch has delivered; it was made of these inputs,
// one or, after a batch, several.
func (v *Verifier) Delivered(branch string, at Place, ids ...int64) {
	v.found(delivered, branch, at, ids)
}

// Dead tells of a dead letter for these inputs. The branch is the one that they failed
// in, or "" where they failed before the branches part.
func (v *Verifier) Dead(branch string, at Place, ids ...int64) { v.found(dead, branch, at, ids) }

// Filtered tells that these inputs are left out on purpose; "" stands for all branches.
func (v *Verifier) Filtered(branch string, ids ...int64) { v.told(filtered, branch, ids) }

// Skipped tells that these inputs fail and are left out under the policy skip; "" stands
// for all branches.
func (v *Verifier) Skipped(branch string, ids ...int64) { v.told(skipped, branch, ids) }

func (v *Verifier) found(what outcome, branch string, at Place, ids []int64) {
	v.mu.Lock()
	defer v.mu.Unlock()
	p := part{at.Topic, at.Partition}
	if next, ok := v.read[p]; ok && at.Offset < next {
		return
	}
	v.read[p] = at.Offset + 1
	for _, id := range ids {
		i, ok := v.index[id]
		if !ok {
			v.report.Unexpected.add("%s: id %d is of no input", at, id)
			continue
		}
		v.each(branch, func(b int) { v.settle(b, i, what, at) })
	}
}

func (v *Verifier) told(what outcome, branch string, ids []int64) {
	v.mu.Lock()
	defer v.mu.Unlock()
	for _, id := range ids {
		i, ok := v.index[id]
		if !ok {
			panic(fmt.Sprintf("BUG: verify: id %d is of no input", id))
		}
		v.each(branch, func(b int) {
			switch v.state[b][i] {
			case open:
				v.close(b, i, what)
			case delivered, dead:
				v.report.Unexpected.add("%s was %s, expected %s", v.name(b, i), v.state[b][i], what)
			}
		})
	}
}

// each calls f for the branches that a name stands for.
func (v *Verifier) each(branch string, f func(b int)) {
	if b := slices.Index(v.branches, branch); b >= 0 {
		f(b)
		return
	}
	if branch != "" {
		panic(fmt.Sprintf("BUG: verify: branch %q: expected one of %q", branch, v.branches))
	}
	for b := range v.branches {
		f(b)
	}
}

// finding is an input in a branch.
type finding struct {
	b int
	i int32
}

// settle books a record that was found.
func (v *Verifier) settle(b int, i int32, what outcome, at Place) {
	in := &v.inputs[i]
	switch before := v.state[b][i]; before {
	case delivered, dead:
		if what == dead {
			delete(v.late, finding{b, i})
		}
		v.report.Duplicated.add("%s: %s, as %s before", at, v.name(b, i), before)
		return
	case filtered, skipped:
		v.report.Unexpected.add("%s: %s was %s, expected %s", at, v.name(b, i), what, before)
		return
	}
	v.close(b, i, what)
	if what != delivered {
		return
	}
	l := lane{part{at.Topic, at.Partition}, b, in.key, in.source}
	if last, ok := v.last[l]; ok && in.offset < last {
		v.late[finding{b, i}] = fmt.Sprintf("%s: %s comes after offset %d of its key", at, v.name(b, i), last)
		return
	}
	v.last[l] = in.offset
}

// close says what has become of an input in a branch.
func (v *Verifier) close(b int, i int32, what outcome) {
	v.state[b][i] = what
	v.inputs[i].open--
}

// first is the first offset that is not accounted for; false where all are.
func (v *Verifier) first(s *source) (int64, bool) {
	for s.done < len(s.inputs) && v.inputs[s.inputs[s.done]].open == 0 {
		s.done++
	}
	if s.done == len(s.inputs) {
		return 0, false
	}
	return v.inputs[s.inputs[s.done]].offset, true
}

// Committed tells of a position that the group had. It must not lie above the first
// input that is not accounted for. Ask for positions first and read the outputs
// afterwards, up to their end at that time; then tell of the outputs, then of the
// positions. A position below 0 is none.
func (v *Verifier) Committed(topic string, partition int32, offset int64) {
	v.mu.Lock()
	defer v.mu.Unlock()
	if offset < 0 {
		return
	}
	s := v.source(part{topic, partition})
	if first, some := v.first(s); some && offset > first {
		v.report.Early.add("%s[%d]: committed %d before offset %d was accounted for", topic, partition, offset, first)
	}
	if offset < s.committed {
		v.report.Backward.add("%s[%d]: committed %d after %d", topic, partition, offset, s.committed)
	}
	s.committed = max(s.committed, offset)
}

// Open is the number of inputs that are not accounted for yet.
func (v *Verifier) Open() int {
	v.mu.Lock()
	defer v.mu.Unlock()
	n := 0
	for i := range v.inputs {
		if v.inputs[i].open > 0 {
			n++
		}
	}
	return n
}

// name says which input is meant.
func (v *Verifier) name(b int, i int32) string {
	in := &v.inputs[i]
	at := fmt.Sprintf("id %d (%s[%d]@%d)", in.id, in.source.topic, in.source.id, in.offset)
	if v.branches[b] != "" {
		at += fmt.Sprintf(" in branch %q", v.branches[b])
	}
	return at
}

func (p Place) String() string { return fmt.Sprintf("%s[%d]@%d", p.Topic, p.Partition, p.Offset) }

// Report is what has become of the inputs so far. With several branches each input
// counts once in each of them, so that
//
//	Expected = Delivered + Filtered + Dead + Skipped + Lost
type Report struct {
	Inputs    int // that the verifier was told of
	Expected  int // Inputs times branches
	Delivered int
	Filtered  int
	Dead      int
	Skipped   int

	Lost       Findings // nothing has become of them
	Duplicated Findings // delivered or dead-lettered once more
	Reordered  Findings // after a later one of the same key
	Unexpected Findings // of no input, or of one that was to be left out
	Early      Findings // commits above an input that was not accounted for
	Backward   Findings // commits below one that was seen before
}

// Findings counts what was found and keeps the first of them.
type Findings struct {
	Count int
	First []string // at most 10
}

func (f *Findings) add(format string, args ...any) {
	f.Count++
	if len(f.First) < 10 {
		f.First = append(f.First, fmt.Sprintf(format, args...))
	}
}

// Report says how the books stand. Before the run is over, what is under way counts as
// lost.
func (v *Verifier) Report() Report {
	v.mu.Lock()
	defer v.mu.Unlock()
	r := v.report
	for _, text := range slices.Sorted(maps.Values(v.late)) {
		r.Reordered.add("%s", text)
	}
	for _, f := range []*Findings{&r.Duplicated, &r.Reordered, &r.Unexpected, &r.Early, &r.Backward} {
		f.First = slices.Clone(f.First)
	}
	r.Inputs, r.Expected = len(v.inputs), len(v.inputs)*len(v.branches)
	slices.SortFunc(v.topics, func(a, b *source) int {
		return cmp.Or(cmp.Compare(a.topic, b.topic), cmp.Compare(a.id, b.id))
	})
	for _, s := range v.topics {
		for _, i := range s.inputs {
			for b := range v.branches {
				switch v.state[b][i] {
				case delivered:
					r.Delivered++
				case filtered:
					r.Filtered++
				case dead:
					r.Dead++
				case skipped:
					r.Skipped++
				default:
					r.Lost.add("%s", v.name(b, i))
				}
			}
		}
	}
	return r
}

// String is one line of counts.
func (r Report) String() string {
	return fmt.Sprintf("inputs=%d delivered=%d filtered=%d dead=%d skipped=%d lost=%d duplicated=%d reordered=%d unexpected=%d early=%d backward=%d",
		r.Inputs, r.Delivered, r.Filtered, r.Dead, r.Skipped,
		r.Lost.Count, r.Duplicated.Count, r.Reordered.Count, r.Unexpected.Count, r.Early.Count, r.Backward.Count)
}

// Err is nil where every input is accounted for, in order, and nothing was committed
// before that. Duplicates are the caller's to judge: they depend on what was done to the
// members.
func (r Report) Err() error {
	var lines []string
	for _, k := range []struct {
		what string
		f    Findings
	}{
		{"lost", r.Lost}, {"reordered", r.Reordered}, {"unexpected", r.Unexpected},
		{"committed too early", r.Early}, {"committed backward", r.Backward},
	} {
		if k.f.Count == 0 {
			continue
		}
		lines = append(lines, fmt.Sprintf("%d %s:", k.f.Count, k.what))
		for _, line := range k.f.First {
			lines = append(lines, "  "+line)
		}
		if more := k.f.Count - len(k.f.First); more > 0 {
			lines = append(lines, fmt.Sprintf("  and %d more", more))
		}
	}
	if lines == nil {
		return nil
	}
	return fmt.Errorf("%s\n%s", r, strings.Join(lines, "\n"))
}
