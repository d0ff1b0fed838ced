//go:build synctests

package sim

import (
	"errors"
	"flag"
	"fmt"
	"math/rand/v2"
	"os"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/levada-io/levada/internal/deadletter"
	"github.com/levada-io/levada/internal/engine"
	"github.com/levada-io/levada/internal/testing/verify"
	"github.com/levada-io/levada/record"
)

var (
	seeds = flag.Int("seeds", 3, "how many seeds to run, from 1 on")
	seed  = flag.Uint64("seed", 0, "run this seed only")
	kills = flag.Int("kills", 60, "kills per seed")
	story = flag.Bool("story", false, "print the script of every seed, not only of one that fails")
)

const (
	// settleFor is how long a group may take to catch up once all trouble is over: a
	// session that has to time out, a rebalance that waits for its members, and one more
	// of both for what those two have set off.
	settleFor = 5 * time.Minute
	// stopFor is how long a process may take to stop while nothing is wrong.
	stopFor = 30 * time.Second
)

// world is one run.
type world struct {
	t       *testing.T
	rng     *rand.Rand // of the script
	began   time.Time
	cluster *cluster
	books   *verify.Verifier
	members []*member
	gone    []*member // ended in whatever way
	named   int
	loose   bool // nothing is held: no batches
	faults  []*kfake.FaultHandle
	codes   []errorCase // what is left to be answered with
	down    int         // broker that is off the network; -1: none

	counts struct {
		kills, stops, faults, answered, failed int
	}

	mu     sync.Mutex // guards the two below
	spots  []spot     // of the inputs, by id
	script []string

	observe chan struct{} // holds a token while something is to be looked at
	worst   time.Duration // longest time without a commit while there was something to commit
}

// spot is a place in the input.
type spot struct {
	partition int32
	offset    int64
}

// result is what a run came to.
type result struct {
	report verify.Report
	took   time.Duration // fake
	worst  time.Duration
	line   string
	script []string
	err    error
}

func (w *world) say(format string, args ...any) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.script = append(w.script, fmt.Sprintf("%8.2fs ", time.Since(w.began).Seconds())+fmt.Sprintf(format, args...))
}

// write appends inputs, until the run is over.
func (w *world) write(rng *rand.Rand, stop <-chan struct{}, done chan<- struct{}) {
	defer close(done)
	for {
		select {
		case <-stop:
			return
		case <-time.After(time.Duration(20+rng.IntN(300)) * time.Millisecond):
		}
		p := rng.Int32N(inParts)
		w.input(rng, p, 1+rng.IntN(30))
	}
}

// input appends n inputs to a partition.
func (w *world) input(rng *rand.Rand, p int32, n int) {
	recs, ins := make([]record.Record, n), make([]verify.Input, n)
	// The books know an input before a member can see it: the offset is the end.
	at := w.cluster.PartitionInfo(inputs, p).HighWatermark
	w.mu.Lock()
	for i := range recs {
		// A key stays in its partition, as everywhere in Kafka.
		key, id, offset := fmt.Sprintf("%d-%d", p, rng.IntN(5)), int64(len(w.spots)), at+int64(i)
		w.spots = append(w.spots, spot{p, offset})
		recs[i] = record.Record{Key: []byte(key), Value: fmt.Append(nil, id)}
		ins[i] = verify.Input{ID: id, Topic: inputs, Partition: p, Offset: offset, Key: key}
	}
	w.mu.Unlock()
	w.books.Add(ins...)
	for _, in := range ins {
		switch {
		case !kept(in.ID):
			w.books.Filtered("", in.ID)
		case poison(in.ID):
		case unfit(in.ID):
			w.books.Skipped(routed, in.ID)
		}
	}
	if got := w.cluster.append(p, recs); got != at {
		w.t.Errorf("BUG: inputs are at %d, expected %d", got, at)
	}
}

// watch looks at the group after every commit, and every half second.
func (w *world) watch(stop <-chan struct{}, done chan<- struct{}) {
	defer close(done)
	var before [inParts]int64
	moved := time.Now()
	for {
		at := w.look()
		if at != before || w.books.Open() == 0 {
			if stood := time.Since(moved); stood > time.Minute {
				w.say("something moves again after %v", stood.Round(time.Second))
			}
			before, moved = at, time.Now()
		}
		w.worst = max(w.worst, time.Since(moved))
		select {
		case <-stop:
			return
		case <-w.observe:
		case <-time.After(500 * time.Millisecond):
		}
	}
}

// look compares what is committed with what is delivered, in this order.
func (w *world) look() [inParts]int64 {
	at := w.cluster.positions()
	w.cluster.news(func(r *kgo.Record) {
		w.found(r, verify.Place{Topic: r.Topic, Partition: r.Partition, Offset: r.Offset})
	})
	for p, offset := range at {
		w.books.Committed(inputs, int32(p), offset)
	}
	return at
}

// found tells the books of a record in an output.
func (w *world) found(r *kgo.Record, at verify.Place) {
	switch r.Topic {
	case batches:
		w.books.Delivered(batched, at, numbers(r.Value)...)
	case left, right:
		w.books.Delivered(routed, at, number(r.Value))
	case letters:
		w.letter(r, at)
	}
}

// letter tells the books of a dead letter, and checks that it says where it came from.
func (w *world) letter(r *kgo.Record, at verify.Place) {
	rec := record.Record{Key: r.Key, Value: r.Value, Timestamp: r.Timestamp}
	for _, h := range r.Headers {
		rec.Headers = append(rec.Headers, record.Header(h))
	}
	l, err := deadletter.Parse(rec)
	if err != nil {
		w.t.Errorf("%s: %v", at, err)
		return
	}
	branch := map[string]string{"check": "", "checked": batched, batches: batched, left: routed, right: routed}
	if l.Ranges == nil {
		b, ok := branch[l.Step]
		if id := number(l.Original.Value); !ok || l.Topic != inputs || w.place(id) != (spot{l.Partition, l.Offset}) {
			w.t.Errorf("%s: id %d is dead in step %q as %s[%d]@%d", at, id, l.Step, l.Topic, l.Partition, l.Offset)
		}
		w.books.Dead(b, at, number(l.Original.Value))
		return
	}
	ids := numbers(l.Original.Value)
	for _, id := range ids {
		s := w.place(id)
		if !slices.ContainsFunc(l.Ranges, func(r deadletter.Range) bool {
			return r.Partition == s.partition && r.First <= s.offset && s.offset <= r.Last
		}) {
			w.t.Errorf("%s: id %d at %v is not in the ranges of its letter: %v", at, id, s, l.Ranges)
		}
	}
	w.books.Dead(batched, at, ids...)
}

// place is where an input is.
func (w *world) place(id int64) spot {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.spots[id]
}

// lag is how far the group is behind.
func (w *world) lag() int64 {
	at := w.cluster.positions()
	lag := int64(0)
	for _, p := range w.cluster.PartitionInfos(inputs) {
		lag += p.HighWatermark - max(0, at[p.Partition])
	}
	return lag
}

// join adds a member.
func (w *world) join() {
	w.named++
	name := fmt.Sprintf("m%d", w.named)
	w.say("%s starts", name)
	l := w.cluster.net.link(rand.New(rand.NewPCG(w.rng.Uint64(), 2)))
	w.members = append(w.members, start(name, pipeline(!w.loose), l, w.say))
}

// reap takes out what has ended by itself: a failure for good ends a process, and
// something starts another one.
func (w *world) reap() {
	for _, m := range slices.Clone(w.members) {
		if !m.ended() {
			continue
		}
		w.out(m)
		m.link.kill(false)
		m.abort()
		w.counts.failed++
		w.say("%s has ended: %v", m.name, m.err)
		if m.err == nil {
			w.t.Errorf("%s has ended without a failure and without a stop", m.name)
		}
		if bad, ok := errors.AsType[*engine.MessageError](m.err); ok && bad.Step == "flaky" || strings.Contains(fmt.Sprint(m.err), "BUG") {
			w.t.Errorf("%s: %v", m.name, m.err)
		}
	}
}

func (w *world) out(m *member) {
	w.members = slices.DeleteFunc(w.members, func(x *member) bool { return x == m })
	w.gone = append(w.gone, m)
}

func (w *world) any() *member { return w.members[w.rng.IntN(len(w.members))] }

func (w *world) kill() {
	m := w.any()
	late := w.rng.IntN(2) == 0
	w.say("%s is killed (what is on its way arrives: %v)", m.name, late)
	m.kill(late)
	w.out(m)
	w.counts.kills++
}

func (w *world) term() {
	m := w.any()
	w.out(m)
	w.say("%s is stopped", m.name)
	w.counts.stops++
	err := m.term(2 * time.Minute)
	w.say("%s has stopped: %v", m.name, err)
}

// errorCase is an answer that a broker may give.
type errorCase struct {
	key kmsg.Key
	err *kerr.Error
}

// asked are the requests that members make.
var asked = []kmsg.Key{
	kmsg.Produce, kmsg.Fetch, kmsg.ListOffsets, kmsg.Metadata, kmsg.OffsetCommit, kmsg.OffsetFetch,
	kmsg.FindCoordinator, kmsg.JoinGroup, kmsg.Heartbeat, kmsg.LeaveGroup, kmsg.SyncGroup,
	kmsg.InitProducerID, kmsg.OffsetForLeaderEpoch, kmsg.DescribeConfigs, kmsg.ApiVersions,
}

// errorCases is every error of Kafka on every request.
func errorCases() []errorCase {
	var cs []errorCase
	for _, key := range asked {
		for code := int16(-1); code < 200; code++ {
			err, ok := errors.AsType[*kerr.Error](kerr.ErrorForCode(code))
			if code == 0 || !ok || err.Code != code {
				continue
			}
			if key == kmsg.Produce && err == kerr.DuplicateSequenceNumber {
				continue // "it is stored already" of what is not would be a lie, not a fault
			}
			cs = append(cs, errorCase{key, err})
		}
	}
	return cs
}

// fault lets brokers answer with an error.
func (w *world) fault() {
	if len(w.codes) == 0 {
		return
	}
	e := w.codes[0]
	w.codes = w.codes[1:]
	f := kfake.Fault{
		Keys: []kmsg.Key{e.key}, Err: e.err, Count: 1 + w.rng.IntN(3),
		TopLevel: w.rng.IntN(2) == 0, When: w.cluster.ofMembers,
	}
	w.say("%s is answered with %s, %d times", e.key.Name(), e.err.Message, f.Count)
	w.faults = append(w.faults, w.cluster.Fault(f))
	w.counts.faults++
}

// clear ends the faults that are open.
func (w *world) clear() {
	for _, f := range w.faults {
		if f.Hits() > 0 {
			w.counts.answered++
		}
		f.Remove()
	}
	w.faults = nil
}

// up is one of the brokers that are there.
func (w *world) up() int32 {
	for {
		if b := w.rng.Int32N(brokers); int(b) != w.down {
			return b
		}
	}
}

// trouble changes something about the network or the cluster.
func (w *world) trouble() {
	m := w.any()
	ms := func(n int) time.Duration { return time.Duration(w.rng.IntN(n)) * time.Millisecond }
	switch w.rng.IntN(9) {
	case 0:
		w.say("%s loses all connections", m.name)
		m.link.hangUp(func(*conn) bool { return true })
	case 1:
		loss := []float64{0.02, 0.1, 0.3}[w.rng.IntN(3)]
		w.say("%s loses connections, at each request with a probability of %v", m.name, loss)
		m.link.trouble(nil, loss)
	case 2:
		d := ms(3000)
		w.say("%s: its sinks are slow: %v", m.name, d)
		m.link.trouble(map[int16]time.Duration{int16(kmsg.Produce): d}, 0)
	case 3:
		d := ms(400)
		w.say("%s: everything is slow: %v", m.name, d)
		m.link.trouble(map[int16]time.Duration{-1: d}, 0)
	case 4:
		w.say("%s: the line is dead, its connections are not", m.name)
		m.link.freeze(true)
	case 5:
		p, b := w.rng.Int32N(inParts), w.up()
		w.say("%s[%d] moves to broker %d", inputs, p, b)
		if err := w.cluster.MoveTopicPartition(inputs, p, b); err != nil {
			w.t.Error(err)
		}
	case 6:
		w.say("all partitions of the sinks move")
		for _, s := range outputs {
			for _, p := range w.cluster.PartitionInfos(s) {
				if err := w.cluster.MoveTopicPartition(s, p.Partition, w.up()); err != nil {
					w.t.Error(err)
				}
			}
		}
	case 7:
		w.say("the coordinator moves")
		for w.cluster.RehashCoordinators(); w.cluster.CoordinatorFor(group) == int32(w.down); {
			w.cluster.RehashCoordinators()
		}
	case 8:
		if w.down < 0 {
			w.outage()
		}
	}
}

// outage takes a broker away; a little later others do its work.
func (w *world) outage() {
	w.down = w.rng.IntN(brokers)
	w.say("broker %d is away", w.down)
	w.cluster.net.outage(port+w.down, true)
	time.Sleep(time.Duration(w.rng.IntN(15000)) * time.Millisecond)
	w.say("others do its work")
	for topic := range w.cluster.ids {
		for _, p := range w.cluster.PartitionInfos(topic) {
			if p.Leader == int32(w.down) {
				if err := w.cluster.MoveTopicPartition(topic, p.Partition, int32((w.down+1)%brokers)); err != nil {
					w.t.Error(err)
				}
			}
		}
	}
	for w.cluster.CoordinatorFor(group) == int32(w.down) {
		w.cluster.RehashCoordinators()
	}
}

// calm ends all trouble but what became of it.
func (w *world) calm() {
	w.clear()
	for _, m := range w.members {
		m.link.trouble(nil, 0)
		m.link.freeze(false)
	}
	if w.down >= 0 {
		w.say("broker %d is back", w.down)
		w.cluster.net.outage(port+w.down, false)
		w.down = -1
	}
}

func newWorld(t *testing.T, seed uint64) *world {
	w := &world{
		t: t, rng: rand.New(rand.NewPCG(seed, 0)), began: time.Now(), down: -1,
		books:   verify.New(nil, batched, routed),
		observe: make(chan struct{}, 1),
	}
	w.cluster = newCluster(t)
	w.cluster.Fault(kfake.Fault{Keys: []kmsg.Key{kmsg.OffsetCommit}, Observe: true, Count: -1, When: func(kmsg.Request) bool {
		select {
		case w.observe <- struct{}{}:
		default:
		}
		return true
	}})
	return w
}

// play runs a script between its beginning and its end: afterwards everything is calm,
// and every input must come through.
func (w *world) play(members int, script func()) *result {
	wrote, watched := make(chan struct{}), make(chan struct{})
	stopWriting, stopWatching := make(chan struct{}), make(chan struct{})
	go w.write(rand.New(rand.NewPCG(w.rng.Uint64(), 1)), stopWriting, wrote)
	go w.watch(stopWatching, watched)
	for range members {
		w.join()
	}
	script()
	w.say("the trouble is over")
	w.calm()
	close(stopWriting)
	<-wrote
	r := &result{}
	limit := time.Now().Add(settleFor)
	for w.lag() > 0 || w.books.Open() > 0 {
		w.reap()
		for len(w.members) < members {
			w.join()
		}
		if time.Now().After(limit) {
			r.err = fmt.Errorf("stuck: %d inputs open, lag %d, %v after the last trouble\n%s",
				w.books.Open(), w.lag(), settleFor, w.cluster.describe())
			break
		}
		time.Sleep(100 * time.Millisecond)
	}
	for _, m := range slices.Clone(w.members) {
		w.out(m)
		if r.err != nil {
			m.kill(false)
		} else if err := m.term(stopFor); err != nil {
			r.err = fmt.Errorf("%s, stopped while all is well: %w", m.name, err)
		}
	}
	close(stopWatching)
	<-watched
	w.look()
	for _, m := range w.gone {
		<-m.done
	}
	r.report, r.took, r.worst, r.script = w.books.Report(), time.Since(w.began), w.worst, w.script
	r.err = errors.Join(r.err, r.report.Err())
	c := w.counts
	r.line = fmt.Sprintf("%s kills=%d stops=%d faults=%d answered=%d failed=%d fake=%v stall=%v",
		r.report, c.kills, c.stops, c.faults, c.answered, c.failed, r.took.Round(time.Second), r.worst.Round(time.Second))
	return r
}

// storm is a bad day: kills with everything else between them.
func storm(t *testing.T, seed uint64, kills int) *result {
	w := newWorld(t, seed)
	// Over the seeds of a run, every error comes to every request.
	all := errorCases()
	rand.New(rand.NewPCG(7, 7)).Shuffle(len(all), func(i, j int) { all[i], all[j] = all[j], all[i] })
	for i := range 2 * kills {
		w.codes = append(w.codes, all[(int(seed)*2*kills+i)%len(all)])
	}
	return w.play(2+w.rng.IntN(3), func() {
		most := 2 + w.rng.IntN(3)
		for w.counts.kills < kills {
			// In bursts, with time to get up between some of them.
			pause := 3000
			if w.rng.IntN(4) == 0 {
				pause = 40_000
			}
			time.Sleep(time.Duration(w.rng.IntN(pause)) * time.Millisecond)
			w.reap()
			switch n := w.rng.IntN(20); {
			case len(w.members) == 0 || n < 5 && len(w.members) < most:
				w.join()
			case n < 9:
				w.kill()
			case n < 10:
				w.term()
			case n < 14:
				w.fault()
			case n < 17:
				w.trouble()
			default:
				w.calm()
			}
		}
	})
}

// answer has brokers answer with an error while a member starts, works and stops, and
// waits until the group has caught up without it.
func (w *world) answer(e errorCase) error {
	w.say("%s is answered with %s", e.key.Name(), e.err.Message)
	fault := kfake.Fault{Keys: []kmsg.Key{e.key}, Err: e.err, Count: 2, When: w.cluster.ofMembers}
	w.faults = append(w.faults, w.cluster.Fault(fault))
	fault.TopLevel = true
	w.faults = append(w.faults, w.cluster.Fault(fault))
	if len(w.members) > 1 {
		w.term()
	}
	w.join()
	if e.key == kmsg.OffsetForLeaderEpoch {
		for p := range int32(inParts) {
			if err := w.cluster.MoveTopicPartition(inputs, p, w.up()); err != nil {
				return err
			}
		}
	}
	time.Sleep(3 * time.Second)
	hits := 0
	for _, f := range w.faults {
		hits += f.Hits()
	}
	w.clear()
	if hits > 0 {
		w.counts.faults++
	}
	before := w.cluster.positions()
	for limit := time.Now().Add(settleFor); ; time.Sleep(200 * time.Millisecond) {
		w.reap()
		if len(w.members) == 0 {
			w.join()
		}
		moved := 0
		for p, at := range w.cluster.positions() {
			if at > before[p] {
				moved++
			}
		}
		if moved == inParts {
			return nil
		}
		if time.Now().After(limit) {
			return errors.New(fmt.Sprint("nothing moves afterwards\n", w.cluster.describe()))
		}
	}
}

// rest lets up to d pass.
func (w *world) rest(d time.Duration) { time.Sleep(time.Duration(w.rng.Int64N(int64(d)))) }

// run runs one seed in a bubble.
func run(t *testing.T, seed uint64, play func(t *testing.T) *result) (r *result) {
	t.Helper()
	began := time.Now()
	synctest.Test(t, func(t *testing.T) { r = play(t) })
	if r == nil {
		return &result{err: errors.New("the run did not come to its end")}
	}
	t.Logf("seed %d: %s real=%v", seed, r.line, time.Since(began).Round(100*time.Millisecond))
	if *story || r.err != nil || t.Failed() {
		fmt.Fprintln(os.Stderr, strings.Join(r.script, "\n"))
	}
	return r
}

func eachSeed(t *testing.T, f func(t *testing.T, seed uint64)) {
	from, to := uint64(1), uint64(*seeds)
	if *seed > 0 {
		from, to = *seed, *seed
	}
	for s := from; s <= to; s++ {
		t.Run(fmt.Sprint(s), func(t *testing.T) {
			defer func() {
				if t.Failed() {
					t.Logf("once more: go test -tags synctests ./test/sim -run '^%s$' -seed %d", strings.Split(t.Name(), "/")[0], s)
				}
			}()
			f(t, s)
		})
	}
}
