package engine_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"pgregory.net/rapid"

	"github.com/levada-io/levada/connector"
	"github.com/levada-io/levada/internal/deadletter"
	"github.com/levada-io/levada/internal/engine"
	"github.com/levada-io/levada/internal/program"
	"github.com/levada-io/levada/record"
)

// calls is a step that calls a function per element, as steps of users do.
type calls struct {
	name string
	f    func(v string) error
	made map[string]int
}

func called(name string, f func(v string) error) *calls {
	return &calls{name, f, map[string]int{}}
}

func (o *calls) Steps() []string { return []string{o.name} }

func (o *calls) Process(_ context.Context, c *record.Chunk) error {
	var idx []int32
	for i, v := range c.Col.(record.Bytes) {
		o.made[string(v)]++
		if err := o.f(string(v)); err != nil {
			c.FailCall(i, o.name, err)
			continue
		}
		idx = append(idx, int32(i))
	}
	c.Keep(idx, c.Col.Select(idx))
	return nil
}

func policy(p *program.Program, step string, pol program.Policy) *program.Program {
	if p.Policies == nil {
		p.Policies = map[string]program.Policy{}
	}
	pol.Language = "go"
	p.Policies[step] = pol
	return p
}

func one(op program.Op) *program.Program {
	return pipeline(1, func(int) *program.Stage { return toSink(0, op) })
}

// buried sends dead letters into the stream "dead".
func (w *world) buried(c *engine.Config) {
	s, err := w.store.Open(w.t.Context(), nil)
	if err != nil {
		w.t.Fatal(err)
	}
	if c.DeadLetters, err = s.Sink(w.t.Context(), connector.SinkConfig{Step: "dead letters", Stream: "dead"}); err != nil {
		w.t.Fatal(err)
	}
}

func (w *world) letters() []deadletter.Letter {
	var ls []deadletter.Letter
	for _, r := range w.store.Records("dead", 0) {
		l, err := deadletter.Parse(r)
		if err != nil {
			w.t.Fatal(err)
		}
		ls = append(ls, l)
	}
	return ls
}

// but are the numbers without some.
func but(vs []string, without ...string) []string {
	return slices.DeleteFunc(vs, func(v string) bool { return slices.Contains(without, v) })
}

func fails(bad ...string) func(string) error {
	return func(v string) error {
		if slices.Contains(bad, v) {
			return errors.New("no such quantity\nas " + v)
		}
		return nil
	}
}

// The neighbours of a message that is skipped are delivered in order, and their
// functions are not called again.
//
// Fault: poison under skip -> goes on: the message is counted and left out; its neighbours come in order and are not called again
func TestSkip(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		step := called("check", fails("3", "4", "99"))
		w := newWorld(t, 1, policy(one(step), "check", program.Policy{OnError: program.Skip}))
		w.produce([]int32{0}, 100)
		var s engine.Status
		if err := w.start(drained, func(c *engine.Config) { c.Final = func(f engine.Status) { s = f } }).wait(); err != nil {
			t.Fatal(err)
		}
		equal(t, "out", w.out(0), but(numbers(0, 100), "3", "4", "99"))
		if w.committed(0) != 100 || s.Skipped != 3 || s.RecordsOut != 97 {
			t.Errorf("committed %d, status %+v", w.committed(0), s)
		}
		for v, n := range step.made {
			if n != 1 {
				t.Errorf("%s was called %d times", v, n)
			}
		}
	})
}

// A dead letter is the record as it came, with all that is known of its failure; it
// counts as finished when it is stored.
//
// Fault: poison under dead_letter -> goes on: the record is kept as it came, with all that is known of its failure
func TestDeadLetter(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, 2, policy(one(called("check", fails("4"))), "check", program.Policy{OnError: program.DeadLetter}))
		w.store.Create("dead", 1)
		w.store.Hold("dead")
		w.produce([]int32{0, 1}, 100)
		var s engine.Status
		r := w.start(drained, w.buried, func(c *engine.Config) { c.Final = func(f engine.Status) { s = f } })
		synctest.Wait()
		time.Sleep(2 * time.Second)
		if got := w.committed(0); got != 0 {
			t.Errorf("committed %d before the letter is stored, want 0", got)
		}
		w.store.Free("dead")
		if err := r.wait(); err != nil {
			t.Fatal(err)
		}
		equal(t, "out", sorted(w.out(0)), but(numbers(0, 100), "4"))
		l := w.letters()[0]
		if l.Pipeline != "test" || l.Step != "check" || l.Origin != "app.py:12" || l.Cause != "no such quantity as 4" || l.At().String() != "in[0]@2" ||
			l.Attempt != 1 || l.Language != "go" || string(l.Original.Value) != "4" || string(l.Original.Key) != "k" ||
			!l.Original.Timestamp.Equal(time.UnixMilli(4)) || len(l.Original.Headers) != 1 || l.Original.Headers[0].Key != "h" {
			t.Errorf("%+v", l)
		}
		if s.DeadLetters != 1 || s.RecordsOut != 99 || w.committed(0) != 50 {
			t.Errorf("committed %d, status %+v", w.committed(0), s)
		}
	})
}

// What comes behind a dead letter is written when the letter is stored: a run that ends
// before may come to another end for that record, which then stands in its place.
//
// Fault: killed before a dead letter is stored -> goes on: what came behind its record is not written yet, and finds its place again
func TestDeadLetterGoesFirst(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, 1, policy(one(called("check", fails("4"))), "check", program.Policy{OnError: program.DeadLetter}))
		w.store.Create("dead", 1)
		w.store.Hold("dead")
		w.produce([]int32{0}, 3)
		r := w.start(w.buried)
		synctest.Wait()
		equal(t, "before the letter", w.out(0), numbers(0, 3))
		w.produce([]int32{0}, 10)
		synctest.Wait()
		equal(t, "beside the letter", w.out(0), numbers(0, 3))
		w.store.Free("dead")
		synctest.Wait()
		if n := len(w.letters()); n != 1 || len(w.out(0)) != 12 {
			t.Errorf("%d letters, then %q", n, w.out(0))
		}
		r.crash()
	})
}

// A stream of dead letters that takes nothing holds the pipeline back: no letter is
// dropped, and what is in memory stays bounded.
//
// Fault: dead-letter topic down -> goes on: the pipeline is held back; no letter is dropped, memory is bounded
func TestDeadLettersHoldBack(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		all := func(string) error { return errors.New("no") }
		w := newWorld(t, 1, policy(one(called("check", all)), "check", program.Policy{OnError: program.DeadLetter}))
		w.store.Create("dead", 1)
		w.store.Hold("dead")
		w.produce([]int32{0}, 5000)
		r := w.start(drained, small, w.buried)
		synctest.Wait()
		if s := r.engine.Status(); s.InFlightBytes > 6000 || s.RecordsIn > 100 || s.Partitions[0].Frontier != 0 {
			t.Errorf("%+v", s)
		}
		w.store.Free("dead")
		if err := r.wait(); err != nil {
			t.Fatal(err)
		}
		if n := len(w.letters()); n != 5000 {
			t.Errorf("%d letters, want 5000", n)
		}
	})
}

// A letter that its stream refuses ends the run: it is never dropped.
//
// Fault: dead letter too large -> exit 65: it ends where it stands; no letter is dropped, says: value of 4 bytes, the stream takes 3
func TestDeadLetterRefused(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, 1, policy(one(called("check", fails("1000"))), "check", program.Policy{OnError: program.DeadLetter}))
		w.store.Create("dead", 1)
		w.store.Limit("dead", 3)
		w.produce([]int32{0}, 1001)
		err := w.start(drained, w.buried).wait()
		if want := `step "dead letters": in[0]@1000: value of 4 bytes, the stream takes 3`; err == nil || err.Error() != want {
			t.Errorf("got  %v\nwant %s", err, want)
		}
		if got := w.committed(0); got != 1000 {
			t.Errorf("committed %d, want 1000", got)
		}
	})
}

// Policies of several steps in one chunk: fail stops its partition where it stands, and
// what lies behind is neither delivered nor buried.
func TestPoliciesMix(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := pipeline(1, func(int) *program.Stage {
			return toSink(0, called("skips", fails("2", "70")), called("buries", fails("3", "80")), called("check", fails("50")))
		})
		policy(p, "skips", program.Policy{OnError: program.Skip})
		policy(p, "buries", program.Policy{OnError: program.DeadLetter})
		w := newWorld(t, 1, p)
		w.store.Create("dead", 1)
		w.produce([]int32{0}, 100)
		err := w.start(drained, w.buried).wait()
		if m, ok := errors.AsType[*engine.MessageError](err); !ok || m.Offset != 50 {
			t.Fatalf("got %v, want a failure at 50", err)
		}
		equal(t, "out", w.out(0), but(numbers(0, 50), "2", "3"))
		if w.committed(0) != 50 {
			t.Errorf("committed %d, want 50", w.committed(0))
		}
	})
}

// What fails and works at the third call keeps its place in the order; neighbours are
// called once.
//
// Fault: poison under retry -> goes on: only what failed is called again, and keeps its place in the order
func TestRetry(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var step *calls
		step = called("check", func(v string) error {
			if n, _ := strconv.Atoi(v); n%10 == 3 && step.made[v] < 3 {
				return errors.New("not now")
			}
			return nil
		})
		w := newWorld(t, 1, policy(one(step), "check", program.Policy{Times: 3, Backoff: time.Second}))
		w.produce([]int32{0}, 3000)
		began := time.Now()
		if err := w.start(drained).wait(); err != nil {
			t.Fatal(err)
		}
		equal(t, "out", w.out(0), numbers(0, 3000))
		// A second, then two, for each chunk: all of it wait together, and waiting makes no
		// smaller chunks.
		if took := time.Since(began); took < 9*time.Second || took > 10*time.Second {
			t.Errorf("took %v, want 3 s of waiting for each of 3 chunks", took)
		}
		for v, n := range step.made {
			want := 1
			if strings.HasSuffix(v, "3") {
				want = 3
			}
			if n != want {
				t.Errorf("%s was called %d times, want %d", v, n, want)
			}
		}
	})
}

// Where retries do not help, the policy counts, and the number of calls is told.
//
// Fault: poison under retry -> goes on: where it does not help the policy counts, with the number of calls
func TestRetryInVain(t *testing.T) {
	for _, policyName := range []string{program.Fail, program.Skip, program.DeadLetter} {
		t.Run(policyName, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				step := called("check", fails("5"))
				w := newWorld(t, 1, policy(one(step), "check", program.Policy{OnError: policyName, Times: 2, Backoff: time.Millisecond}))
				w.store.Create("dead", 1)
				w.produce([]int32{0}, 10)
				err := w.start(drained, w.buried).wait()
				if step.made["5"] != 3 {
					t.Errorf("called %d times, want 3", step.made["5"])
				}
				if policyName == program.Fail {
					if want := "step \"check\" (app.py:12): in[0]@5: no such quantity\nas 5 (called 3 times)"; err == nil || err.Error() != want {
						t.Errorf("got  %v\nwant %s", err, want)
					}
					equal(t, "out", w.out(0), numbers(0, 5))
					return
				}
				if err != nil {
					t.Fatal(err)
				}
				equal(t, "out", w.out(0), but(numbers(0, 10), "5"))
				if ls := w.letters(); policyName == program.DeadLetter && (len(ls) != 1 || ls[0].Attempt != 3) {
					t.Errorf("%+v", ls)
				}
			})
		})
	}
}

// An error that its author has marked is worth three more calls without a word in the
// pipeline; one that is about bytes is worth none.
func TestMarked(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		step := called("check", func(v string) error {
			switch v {
			case "1":
				return fmt.Errorf("shop: %w", record.Retry(errors.New("timeout")))
			case "2":
				return errors.New("no")
			}
			return nil
		})
		w := newWorld(t, 1, policy(one(step), "check", program.Policy{OnError: program.Skip}))
		w.produce([]int32{0}, 4)
		if err := w.start(drained).wait(); err != nil {
			t.Fatal(err)
		}
		if step.made["1"] != 4 || step.made["2"] != 1 {
			t.Errorf("called %d and %d times, want 4 and 1", step.made["1"], step.made["2"])
		}

		made := 0
		p := policy(one(check("check", func(string) error { made++; return errors.New("bytes") })), "check", program.Policy{OnError: program.Skip, Times: 5})
		w = newWorld(t, 1, p)
		w.produce([]int32{0}, 1)
		if err := w.start(drained).wait(); err != nil || made != 1 {
			t.Errorf("%v, looked at %d times, want once", err, made)
		}
	})
}

// While a message waits for its next call, other partitions do not wait with it, those
// least whose records come later; its dead letters wait, and what stands behind them.
//
// Fault: poison under retry, other partitions -> goes on: they do not wait with it
func TestRetryHoldsNobodyElse(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var down atomic.Bool
		down.Store(true)
		p := pipeline(2, func(int) *program.Stage {
			first := called("first", fails("2", "7"))
			return &program.Stage{Ops: []program.Op{first}, Broadcast: &program.BroadcastExit{Step: "all", Branches: []*program.Stage{
				toSink(0), toSink(1, called("check", func(v string) error {
					if down.Load() && v == "4" {
						return errors.New("not now")
					}
					return nil
				})),
			}}}
		})
		policy(p, "first", program.Policy{OnError: program.DeadLetter})
		policy(p, "check", program.Policy{Times: 9, Backoff: time.Minute})
		w := newWorld(t, 2, p)
		w.store.Create("dead", 1)
		w.produce([]int32{0, 1}, 12) // 2 and 7 are dead, 4 waits: it may take 2 back
		r := w.start(w.buried)
		synctest.Wait()
		w.produce([]int32{1, 0}, 4) // of each: 12, 14 and 13, 15
		synctest.Wait()
		others := []string{"1", "3", "5", "9", "11", "12", "14"}
		equal(t, "first branch of the others", w.out(0), others)
		equal(t, "second branch of the others", w.out(1), others)
		if ls := w.letters(); len(ls) != 1 || ls[0].Partition != 1 || w.committed(0) != 0 {
			t.Errorf("letters %+v, %d committed of the one that waits", ls, w.committed(0))
		}
		if s := r.engine.Status(); s.Partitions[0].Retrying != "check" || s.Partitions[0].Tries != 1 || s.Partitions[1].Retrying != "" {
			t.Errorf("%+v", s.Partitions)
		}
		down.Store(false)
		time.Sleep(time.Hour)
		synctest.Wait()
		late := []string{"0", "4", "6", "8", "10", "13", "15"}
		equal(t, "first branch", w.out(0), append(others, late...))
		equal(t, "second branch", w.out(1), append(others, late...))
		if s := r.engine.Status(); s.InFlightBytes != 0 || s.Partitions[0].Retrying != "" || w.committed(0) != 8 || w.committed(1) != 8 || len(w.letters()) != 2 {
			t.Errorf("%d and %d committed, %d letters, %+v", w.committed(0), w.committed(1), len(w.letters()), s)
		}
		if err := r.term(); err != nil {
			t.Fatal(err)
		}
	})
}

// What comes to a step where one of its partition waits, of the next batch or of another
// piece of the chunk, waits behind it.
func TestRetryKeepsOrder(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var step, check *calls
		step = called("step", func(v string) error {
			if v == "3" && step.made[v] < 2 {
				return errors.New("not now")
			}
			return nil
		})
		check = called("check", func(v string) error {
			if strings.HasPrefix(v, "[2 ") && check.made[v] < 3 {
				return errors.New("not now")
			}
			return nil
		})
		p := pipeline(1, func(int) *program.Stage {
			return &program.Stage{Ops: []program.Op{step}, Batch: &program.BatchExit{
				Step: "collect", Limit: program.Limit{Count: 2, Age: time.Second}, Next: toSink(0, join("join"), check),
			}}
		})
		policy(p, "step", program.Policy{Times: 9, Backoff: time.Minute})
		policy(p, "check", program.Policy{Times: 9, Backoff: time.Minute})
		w := newWorld(t, 1, p)
		w.produce([]int32{0}, 9)
		r := w.start()
		time.Sleep(time.Hour)
		equal(t, "out", w.out(0), []string{"[0 1]", "[2 3]", "[4 5]", "[6 7]", "[8]"})
		if err := r.term(); err != nil || w.committed(0) != 9 {
			t.Errorf("%v, committed %d", err, w.committed(0))
		}
	})
}

// While a message waits for its next call, a stop gives it back: nothing is lost, and
// nothing comes twice.
//
// Fault: SIGTERM -> goes on: a message that waits for its next call is given back; nothing is lost or comes twice
func TestStopDuringRetry(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		down := true
		step := called("check", func(v string) error {
			if down && v == "40" {
				return errors.New("not now")
			}
			return nil
		})
		w := newWorld(t, 2, policy(one(step), "check", program.Policy{Times: 9, Backoff: time.Hour}))
		w.produce([]int32{0, 1}, 100)
		r := w.start()
		synctest.Wait()
		if n := len(w.out(0)); n != 50 {
			t.Errorf("%d delivered while one message waits, want the 50 of the other partition", n)
		}
		if err := r.term(); err != nil {
			t.Fatal(err)
		}
		if got := w.committed(0); got != 20 {
			t.Errorf("committed %d, want 20", got)
		}
		down = false
		if err := w.start(drained).wait(); err != nil {
			t.Fatal(err)
		}
		equal(t, "0 lost, 0 duplicated", sorted(w.out(0)), numbers(0, 100))
	})
}

// A partition that is taken away while one of its messages waits is given back at once.
//
// Fault: partition revoked with records in flight -> goes on: a message that waits for its next call is given back at once
func TestRevokeDuringRetry(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		down := true
		step := called("check", func(v string) error {
			if down && v == "4" {
				return errors.New("not now")
			}
			return nil
		})
		w := newWorld(t, 1, policy(one(step), "check", program.Policy{Times: 9, Backoff: time.Hour}))
		w.produce([]int32{0}, 10)
		r := w.start()
		synctest.Wait()
		began := time.Now()
		down = false
		w.store.Rebalance("g")
		synctest.Wait()
		if took := time.Since(began); took > time.Second {
			t.Errorf("the partition went after %v", took)
		}
		time.Sleep(3 * time.Second)
		if err := r.term(); err != nil {
			t.Fatal(err)
		}
		equal(t, "0 lost, 0 duplicated", w.out(0), numbers(0, 10))
	})
}

// A route's function is called again like any other; a key that leads nowhere is not.
//
// Fault: poison in a route -> goes on: its function is called again; a key that leads nowhere is a dead letter at once
func TestRouteAgain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := &flaky{}
		p := pipeline(2, func(int) *program.Stage {
			return &program.Stage{Route: &program.RouteExit{Step: "route", Router: r, Branches: []*program.Stage{toSink(0), toSink(1)}}}
		})
		policy(p, "route", program.Policy{OnError: program.DeadLetter, Times: 2, Backoff: time.Second})
		w := newWorld(t, 1, p)
		w.store.Create("dead", 1)
		w.produce([]int32{0}, 30)
		if err := w.start(drained, w.buried).wait(); err != nil {
			t.Fatal(err)
		}
		var even, odd []string
		for _, v := range but(numbers(0, 30), "7") {
			if n, _ := strconv.Atoi(v); n%2 == 0 {
				even = append(even, v)
			} else {
				odd = append(odd, v)
			}
		}
		equal(t, "even", w.out(0), even)
		equal(t, "odd", w.out(1), odd)
		if ls := w.letters(); len(ls) != 1 || ls[0].Attempt != 1 || ls[0].Language != "levada" || ls[0].Cause != "no case" {
			t.Errorf("%+v", ls)
		}
	})
}

type flaky struct{ made map[string]int }

func (*flaky) Steps() []string { return []string{"route"} }

func (r *flaky) Route(_ context.Context, c *record.Chunk) ([]int32, error) {
	if r.made == nil {
		r.made = map[string]int{}
	}
	var to, idx []int32
	for i, v := range c.Col.(record.Bytes) {
		n, _ := strconv.Atoi(string(v))
		r.made[string(v)]++
		switch {
		case n == 7:
			c.Fail(i, "route", errors.New("no case"))
			continue
		case n%5 == 0 && r.made[string(v)] == 1:
			c.FailCall(i, "route", errors.New("not now"))
			continue
		}
		to, idx = append(to, int32(n%2)), append(idx, int32(i))
	}
	c.Keep(idx, c.Col.Select(idx))
	return to, nil
}

// What fails behind a batch is a letter with its payload and the offsets that it stands
// for.
//
// Fault: poison behind a batch -> goes on: one letter with the payload of the batch and the offsets that it stands for
func TestDeadBatch(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := 0
		p := pipeline(1, func(int) *program.Stage {
			return &program.Stage{Batch: &program.BatchExit{
				Step: "batch", Limit: program.Limit{Count: 4}, Dump: join("dump"),
				Next: toSink(0, join("join"), check("check", func(string) error {
					if n++; n == 2 {
						return errors.New("no")
					}
					return nil
				})),
			}}
		})
		policy(p, "check", program.Policy{OnError: program.DeadLetter})
		w := newWorld(t, 1, p)
		w.store.Create("dead", 1)
		w.produce([]int32{0}, 12)
		if err := w.start(drained, w.buried).wait(); err != nil {
			t.Fatal(err)
		}
		equal(t, "out", w.out(0), []string{"[0 1 2 3]", "[8 9 10 11]"})
		l := w.letters()[0]
		want := []deadletter.Range{{Topic: "in", Partition: 0, First: 4, Last: 7}}
		if string(l.Original.Value) != "[4 5 6 7]" || !slices.Equal(l.Ranges, want) || l.Original.Key != nil || l.Offset != 4 {
			t.Errorf("%+v", l)
		}
		if w.committed(0) != 12 {
			t.Errorf("committed %d, want 12", w.committed(0))
		}
	})
}

// A sink that can not store some records of a write stores the others, and the policy of
// its step decides about these.
//
// Fault: poison at the sink -> goes on: the others of the write are stored; the policy decides about the one
func TestSinkRefuses(t *testing.T) {
	for _, pol := range []string{program.Skip, program.DeadLetter} {
		t.Run(pol, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w := newWorld(t, 1, policy(plain(), "out0", program.Policy{OnError: pol}))
				w.store.Create("dead", 1)
				w.store.Limit("out0", 2)
				w.produce([]int32{0}, 103)
				var s engine.Status
				if err := w.start(drained, w.buried, func(c *engine.Config) { c.Final = func(f engine.Status) { s = f } }).wait(); err != nil {
					t.Fatal(err)
				}
				equal(t, "out", w.out(0), numbers(0, 100))
				if w.committed(0) != 103 || s.RecordsOut != 100 || s.Skipped+s.DeadLetters != 3 {
					t.Errorf("committed %d, %+v", w.committed(0), s)
				}
				if pol == program.DeadLetter {
					if ls := w.letters(); len(ls) != 3 || ls[2].Offset != 102 || ls[2].Step != "out0" || string(ls[2].Original.Value) != "102" {
						t.Errorf("%+v", ls)
					}
				}
			})
		})
	}
}

// Each branch of a broadcast has its own failures.
//
// Fault: poison in one branch of a broadcast -> goes on: each branch has its own failures
func TestBroadcastFails(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := pipeline(2, func(int) *program.Stage {
			return &program.Stage{Broadcast: &program.BroadcastExit{Step: "all", Branches: []*program.Stage{
				toSink(0, called("a", fails("1"))), toSink(1, called("b", fails("1", "2"))),
			}}}
		})
		policy(p, "a", program.Policy{OnError: program.DeadLetter})
		policy(p, "b", program.Policy{OnError: program.DeadLetter})
		w := newWorld(t, 1, p)
		w.store.Create("dead", 1)
		w.produce([]int32{0}, 5)
		if err := w.start(drained, w.buried).wait(); err != nil {
			t.Fatal(err)
		}
		equal(t, "a", w.out(0), but(numbers(0, 5), "1"))
		equal(t, "b", w.out(1), but(numbers(0, 5), "1", "2"))
		var at []string
		for _, l := range w.letters() {
			at = append(at, fmt.Sprintf("%s@%d", l.Step, l.Offset))
		}
		equal(t, "letters", at, []string{"a@1", "b@1", "b@2"})
	})
}

// Too many dead letters end the run, by their number in a row or by their share.
//
// Fault: poison beyond the limits -> exit 65: in a row or by share; what was buried counts, what was not is read again, says: dead letters: 100 records of in[0] in a row could not be handled
func TestDeadLetterLimits(t *testing.T) {
	from := func(n int, every int) func(string) error {
		return func(v string) error {
			if i, _ := strconv.Atoi(v); i >= n && (i-n)%every == 0 {
				return errors.New("no")
			}
			return nil
		}
	}
	for _, tc := range []struct {
		name   string
		bad    func(string) error
		limits engine.DeadLetterLimits
		want   string
	}{
		{"in a row, with a retry", from(2000, 1), engine.DeadLetterLimits{Consecutive: 100},
			`dead letters: 100 records of in[0] in a row could not be handled (max_consecutive); the last one: step "check" (app.py:12): in[0]@2099: no`},
		{"in a row", from(2000, 1), engine.DeadLetterLimits{Consecutive: 100},
			`dead letters: 100 records of in[0] in a row could not be handled (max_consecutive); the last one: step "check" (app.py:12): in[0]@2099: no`},
		{"not in a row", from(2000, 2), engine.DeadLetterLimits{Consecutive: 100}, ""},
		{"ratio", from(2000, 2), engine.DeadLetterLimits{Ratio: 0.25},
			`dead letters: 1000 of the last 4000 records could not be handled (max_ratio 0.25); the last one: `},
		{"below the ratio", from(0, 5), engine.DeadLetterLimits{Ratio: 0.25}, ""},
		{"no limit", from(0, 1), engine.DeadLetterLimits{}, ""},
	} {
		t.Run(tc.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				p := program.Policy{OnError: program.DeadLetter}
				if strings.HasSuffix(tc.name, "with a retry") {
					p.Times = 1
				}
				w := newWorld(t, 1, policy(one(called("check", tc.bad)), "check", p))
				w.store.Create("dead", 1)
				w.produce([]int32{0}, 6000)
				err := w.start(drained, w.buried, func(c *engine.Config) {
					c.DeadLetterLimits = tc.limits
					c.Limits.ChunkRecords = 500
				}).wait()
				if tc.want == "" {
					if err != nil || w.committed(0) != 6000 {
						t.Errorf("%v, committed %d", err, w.committed(0))
					}
					return
				}
				if _, ok := errors.AsType[*engine.LimitError](err); !ok || !strings.HasPrefix(err.Error(), tc.want) && strings.HasPrefix(tc.name, "in a row") {
					t.Errorf("got  %v\nwant %s", err, tc.want)
				}
				// What was buried counts, what was not is read again.
				if n := int64(len(w.out(0)) + len(w.letters())); n != w.committed(0) || n == 6000 {
					t.Errorf("%d accounted for, %d committed", n, w.committed(0))
				}
			})
		})
	}
}

// Whatever fails however often under whatever policy: every input is delivered, skipped
// or buried once, in order, and all is committed.
func TestFailuresModel(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		n := rapid.IntRange(1, 120).Draw(rt, "records")
		chunk := rapid.IntRange(1, 40).Draw(rt, "chunk")
		times := rapid.IntRange(0, 3).Draw(rt, "times")
		pols := rapid.SliceOfN(rapid.SampledFrom([]string{program.Skip, program.DeadLetter}), 2, 2).Draw(rt, "policies")
		// How often each input fails at each of two steps.
		hurt := rapid.SliceOfN(rapid.SampledFrom([]int{0, 0, 0, 1, 2, 3, 9}), 2*n, 2*n).Draw(rt, "failures")
		synctest.Test(t, func(t *testing.T) {
			var steps [2]*calls
			for k := range steps {
				steps[k] = called("s"+strconv.Itoa(k), func(v string) error {
					if i, _ := strconv.Atoi(v); steps[k].made[v] <= hurt[2*i+k] {
						return errors.New("no")
					}
					return nil
				})
			}
			p := pipeline(1, func(int) *program.Stage { return toSink(0, steps[0], steps[1]) })
			for k := range steps {
				policy(p, steps[k].name, program.Policy{OnError: pols[k], Times: times, Backoff: time.Millisecond})
			}
			w := newWorld(t, 3, p)
			w.store.Create("dead", 1)
			w.produce([]int32{0, 1, 2}, n)
			var s engine.Status
			if err := w.start(drained, w.buried, func(c *engine.Config) {
				c.Limits.ChunkRecords = chunk
				c.Final = func(f engine.Status) { s = f }
			}).wait(); err != nil {
				rt.Fatal(err)
			}
			var want [3][]string
			dead, skipped := 0, 0
			for i := range n {
				lost := -1
				for k := range 2 {
					if hurt[2*i+k] > times {
						lost = k
						break
					}
				}
				switch {
				case lost < 0:
					want[i%3] = append(want[i%3], strconv.Itoa(i))
				case pols[lost] == program.Skip:
					skipped++
				default:
					dead++
				}
			}
			var got [3][]string
			for _, v := range w.out(0) {
				i, _ := strconv.Atoi(v)
				got[i%3] = append(got[i%3], v)
			}
			for p := range got {
				if !slices.Equal(got[p], want[p]) {
					rt.Fatalf("partition %d: got %v, want %v", p, got[p], want[p])
				}
				if c := w.committed(int32(p)); int(c) != (n-p+2)/3 {
					rt.Fatalf("partition %d: committed %d of %d", p, c, (n-p+2)/3)
				}
			}
			if len(w.letters()) != dead || int(s.Skipped) != skipped {
				rt.Fatalf("%d letters, %d skipped; want %d and %d", len(w.letters()), s.Skipped, dead, skipped)
			}
		})
	})
}

// Whatever waits where while records come, time passes, partitions go and processes stop:
// in each branch every input comes or is buried, and none before one that stands before
// it. Without a stop or a rebalance each comes once.
func TestRetriesModel(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		const partitions = 3
		var hurt [3]map[string]int
		for k := range hurt {
			hurt[k] = map[string]int{}
			for i := range 60 {
				hurt[k][strconv.Itoa(i)] = rapid.SampledFrom([]int{0, 0, 0, 0, 0, 1, 2, 9}).Draw(rt, "failures")
			}
		}
		chunk := rapid.IntRange(1, 20).Draw(rt, "chunk")
		acts := rapid.SliceOfN(rapid.SampledFrom([]string{"produce", "produce", "produce", "second", "minute", "rebalance", "stop"}), 1, 25).Draw(rt, "acts")
		var some [25]int
		for i := range some {
			some[i] = rapid.IntRange(1, 6).Draw(rt, "records")
		}
		synctest.Test(t, func(t *testing.T) {
			var steps [3]*calls
			for k, name := range []string{"a", "b", "c"} {
				steps[k] = called(name, func(v string) error {
					first, _, batch := strings.Cut(strings.Trim(v, "[]"), " ")
					if n := hurt[k][first]; steps[k].made[v] <= n && (n < 9 || !batch && v[0] != '[') {
						return errors.New("no")
					}
					return nil
				})
			}
			p := pipeline(2, func(int) *program.Stage {
				return &program.Stage{Ops: []program.Op{steps[0]}, Broadcast: &program.BroadcastExit{Step: "all", Branches: []*program.Stage{
					toSink(0, steps[1]),
					{Batch: &program.BatchExit{Step: "collect", Limit: program.Limit{Count: 2, Age: 20 * time.Second}, Next: toSink(1, join("join"), steps[2])}},
				}}}
			})
			for _, s := range steps {
				policy(p, s.name, program.Policy{OnError: program.DeadLetter, Times: 3, Backoff: 10 * time.Second})
			}
			w := newWorld(t, partitions, p)
			w.store.Create("dead", 1)
			start := func() *run {
				r := w.start(w.buried, func(c *engine.Config) { c.Limits.ChunkRecords = chunk })
				synctest.Wait()
				return r
			}
			r, calm := start(), true
			for i, act := range acts {
				switch act {
				case "produce":
					w.produce([]int32{int32(some[i]) % partitions, int32(i) % partitions}, min(some[i], 60-w.next))
				case "second":
					time.Sleep(time.Second)
				case "minute":
					time.Sleep(time.Minute)
				case "rebalance":
					w.store.Rebalance("g")
					calm = false
				case "stop":
					if err := r.term(); err != nil {
						rt.Fatal(err)
					}
					r, calm = start(), false
				}
				synctest.Wait()
			}
			time.Sleep(3 * time.Hour)
			if s := r.engine.Status(); s.InFlightBytes != 0 || s.HeldBytes != 0 {
				rt.Errorf("in flight %d, held %d at the end", s.InFlightBytes, s.HeldBytes)
			}
			if err := r.term(); err != nil {
				rt.Fatal(err)
			}
			dead := map[string]map[string]int{}
			for _, l := range w.letters() {
				if dead[l.Step] == nil {
					dead[l.Step] = map[string]int{}
				}
				dead[l.Step][string(l.Original.Value)]++
			}
			for branch, step := range []string{"b", "c"} {
				var got []string
				for _, v := range w.out(branch) {
					got = append(got, strings.Fields(strings.Trim(v, "[]"))...)
				}
				for p := range int32(partitions) {
					times := map[string]int{}
					for _, rec := range w.store.Records("in", p) {
						v := string(rec.Value)
						times[v] = dead["a"][v] + dead[step][v]
					}
					last := -1
					for _, v := range got {
						if _, ours := times[v]; !ours {
							continue
						}
						if times[v]++; times[v] > 1 {
							continue
						}
						n, _ := strconv.Atoi(v)
						if n < last {
							rt.Errorf("branch %d, partition %d: %d came behind %d: %q", branch, p, n, last, got)
						}
						last = n
					}
					for v, n := range times {
						if n == 0 || n > 1 && calm {
							rt.Errorf("branch %d: %s came %d times", branch, v, n)
						}
					}
					if n := len(w.store.Records("in", p)); w.committed(p) != int64(n) {
						rt.Errorf("partition %d: committed %d of %d", p, w.committed(p), n)
					}
				}
			}
		})
	})
}

// A stop gives a message back while an earlier step has a dead letter behind it: that one
// is read again with it, and buried once.
func TestStopDuringRetryBuriesOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		down := true
		p := pipeline(1, func(int) *program.Stage {
			return toSink(0, called("first", fails("2", "8")), called("check", func(v string) error {
				if down && v == "5" {
					return errors.New("not now")
				}
				return nil
			}))
		})
		policy(p, "first", program.Policy{OnError: program.DeadLetter})
		policy(p, "check", program.Policy{Times: 9, Backoff: time.Hour})
		w := newWorld(t, 1, p)
		w.store.Create("dead", 1)
		w.produce([]int32{0}, 10)
		r := w.start(w.buried)
		synctest.Wait()
		if err := r.term(); err != nil {
			t.Fatal(err)
		}
		if ls := w.letters(); len(ls) != 1 || ls[0].Offset != 2 || w.committed(0) != 5 {
			t.Errorf("%d letters, committed %d; want the one before the message that was given back, 5", len(ls), w.committed(0))
		}
		down = false
		if err := w.start(drained, w.buried).wait(); err != nil {
			t.Fatal(err)
		}
		equal(t, "out", w.out(0), but(numbers(0, 10), "2", "8"))
		if ls := w.letters(); len(ls) != 2 || ls[1].Offset != 8 {
			t.Errorf("letters %+v, want those of 2 and 8", ls)
		}
	})
}

// A branch fails while another waits at a later message: a letter between the two is of a
// record that is read again, and is buried once.
func TestFailDuringRetryBuriesOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var mended atomic.Bool
		down := func(at string) func(string) error {
			return func(v string) error {
				if v == at && !mended.Load() {
					return errors.New("not now")
				}
				return nil
			}
		}
		p := pipeline(2, func(int) *program.Stage {
			return &program.Stage{Ops: []program.Op{called("first", fails("5"))}, Broadcast: &program.BroadcastExit{Step: "all", Branches: []*program.Stage{
				toSink(0, called("b", down("7"))), toSink(1, called("a", down("3"))),
			}}}
		})
		policy(p, "first", program.Policy{OnError: program.DeadLetter})
		policy(p, "a", program.Policy{Times: 1, Backoff: time.Second})
		policy(p, "b", program.Policy{Times: 9, Backoff: time.Minute})
		w := newWorld(t, 1, p)
		w.store.Create("dead", 1)
		w.produce([]int32{0}, 10)
		err := w.start(w.buried).wait()
		if m, ok := errors.AsType[*engine.MessageError](err); !ok || m.Offset != 3 || len(w.letters()) != 0 || w.committed(0) != 3 {
			t.Errorf("%v, %d letters, committed %d; want a failure at 3 and no letter", err, len(w.letters()), w.committed(0))
		}
		mended.Store(true)
		if err := w.start(drained, w.buried).wait(); err != nil {
			t.Fatal(err)
		}
		if n := len(w.letters()); n != 1 {
			t.Errorf("%d letters, want 1", n)
		}
	})
}

// A stop while two steps wait, the later one with the earlier messages: what stands before
// the message of the first step does not come out before those.
func TestStopDuringTwoRetries(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var mended atomic.Bool
		var first *calls
		first = called("first", func(v string) error {
			if v == "2" && first.made[v] == 1 {
				return errors.New("not now")
			}
			return nil
		})
		down := func(at string) func(string) error {
			return func(v string) error {
				if v == at && !mended.Load() {
					return errors.New("not now")
				}
				return nil
			}
		}
		p := pipeline(1, func(int) *program.Stage {
			return &program.Stage{Ops: []program.Op{first, called("second", down("5"))}, Batch: &program.BatchExit{
				Step: "collect", Limit: program.Limit{Count: 2}, Next: toSink(0, join("join"), called("third", down("[0 1]"))),
			}}
		})
		for _, step := range []string{"first", "second", "third"} {
			policy(p, step, program.Policy{Times: 9, Backoff: time.Minute})
		}
		w := newWorld(t, 1, p)
		w.produce([]int32{0}, 6)
		r := w.start()
		time.Sleep(90 * time.Second)
		if s := r.engine.Status(); s.Partitions[0].Retrying != "second" {
			t.Fatalf("%+v", s.Partitions)
		}
		if err := r.term(); err != nil {
			t.Fatal(err)
		}
		equal(t, "before the stop", w.out(0), nil)
		mended.Store(true)
		if err := w.start(drained).wait(); err != nil {
			t.Fatal(err)
		}
		equal(t, "out", w.out(0), []string{"[0 1]", "[2 3]", "[4 5]"})
	})
}
