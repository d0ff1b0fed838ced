package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"strconv"
	"sync"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/levada-io/levada/internal/testing/verify"
)

const (
	partitions = 6 // of the input
	keys       = 7 // in each of them

	observeEvery = 200 * time.Millisecond
)

// branches of the pipeline, which are also the names of their streams.
var branches = []string{"each", "batches"}

// traffic writes the inputs of a scenario, reads what comes of them, and looks at what
// the group commits.
type traffic struct {
	w     *world
	s     *scenario
	books *verify.Verifier
	in    *kgo.Client
	out   *kgo.Client
	work  sync.WaitGroup
	stop  context.CancelFunc
	ctx   context.Context // of what works beside

	mu       sync.Mutex // guards all below
	fed      int64      // inputs written
	seen     [][]bool   // by branch, by id: it came out
	due      int        // outputs that must come in all
	came     int        // of them
	next     map[verify.Place]int64
	last     time.Time // when an output came that was new, or anything was due
	stall    time.Duration
	looks    int // at commits
	failed   error
	progress chan struct{} // closed and replaced when something was read
}

func (w *world) newTraffic(ctx context.Context, s *scenario) (*traffic, error) {
	t := &traffic{w: w, s: s, books: verify.New(nil, branches...), seen: make([][]bool, len(branches)), next: map[verify.Place]int64{}, progress: make(chan struct{})}
	for name, n := range map[string]int32{"in": partitions, "each": 4, "batches": 1} {
		if _, err := w.admin.CreateTopic(ctx, n, 1, nil, s.topic(name)); err != nil {
			return nil, fmt.Errorf("topic %s: %w", s.topic(name), err)
		}
	}
	var err error
	if t.in, err = w.connect(); err != nil {
		return nil, err
	}
	if t.out, err = w.connect(
		kgo.ConsumeTopics(s.topic("each"), s.topic("batches")),
		kgo.ConsumeStartOffset(kgo.NewOffset().AtStart()),
		kgo.FetchIsolationLevel(kgo.ReadCommitted()),
		kgo.FetchMaxWait(100*time.Millisecond),
	); err != nil {
		return nil, err
	}
	t.ctx, t.stop = context.WithCancel(ctx)
	t.work.Go(t.read)
	t.work.Go(t.observe)
	return t, nil
}

func (t *traffic) close(ctx context.Context) {
	t.stop()
	t.work.Wait()
	t.in.Close()
	t.out.Close()
	// Nothing of it is looked at again; the disk is for the next scenario.
	if _, err := t.w.admin.DeleteTopics(ctx, t.s.topic("in"), t.s.topic("each"), t.s.topic("batches")); err != nil {
		t.w.log("topics of %s stay: %v", t.s.name, err)
	}
}

func (t *traffic) fail(err error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.failed == nil && t.ctx.Err() == nil {
		t.failed = err
	}
}

// left says that the filter of the pipeline leaves an input out.
func left(id int64) bool { return id%10 == 3 }

// feed writes n inputs within about that time.
func (t *traffic) feed(n int, within time.Duration) error {
	began := time.Now()
	wrote := make(chan error, 1)
	tell := func(err error) {
		select {
		case wrote <- err:
		default:
		}
	}
	for sent := 0; sent < n; {
		some := min(n-sent, 1000)
		recs := t.inputs(some)
		for i := range recs {
			want := recs[i].Offset
			t.in.Produce(t.ctx, recs[i], func(r *kgo.Record, err error) {
				if err == nil && r.Offset != want {
					err = fmt.Errorf("BUG: %s[%d]: expected offset %d, got %d", r.Topic, r.Partition, want, r.Offset)
				}
				if err != nil {
					tell(err)
				}
			})
		}
		if sent += some; !pause(t.ctx, time.Until(began.Add(within*time.Duration(sent)/time.Duration(n)))) {
			return t.ctx.Err()
		}
	}
	if err := t.in.Flush(t.ctx); err != nil {
		return err
	}
	select {
	case err := <-wrote:
		return err
	default:
		return nil
	}
}

// inputs makes the next n inputs and enters them in the books.
func (t *traffic) inputs(n int) []*kgo.Record {
	t.mu.Lock()
	defer t.mu.Unlock()
	recs, ins := make([]*kgo.Record, n), make([]verify.Input, n)
	var gone []int64
	topic := t.s.topic("in")
	if t.came == t.due {
		t.last = time.Now()
	}
	for i := range recs {
		id := t.fed
		t.fed++
		p, at := int32(id%partitions), id/partitions
		key := fmt.Sprintf("k%d", id%(partitions*keys))
		kind := "c"
		if left(id) {
			kind = "g"
			gone = append(gone, id)
		} else {
			t.due += len(branches)
		}
		recs[i] = &kgo.Record{
			Topic: topic, Partition: p, Offset: at, Key: []byte(key),
			Value: fmt.Appendf(nil, `{"org_id":1,"project_id":%d,"name":"c:sessions/session@none","tags":{"environment":"production","release":"frontend@%d"},"timestamp":%d,"retention_days":90,"type":"%s","value":1.5}`,
				id%977, id%20, id, kind),
		}
		ins[i] = verify.Input{ID: id, Topic: topic, Partition: p, Offset: at, Key: key}
	}
	for b := range t.seen {
		t.seen[b] = append(t.seen[b], make([]bool, n)...)
	}
	t.books.Add(ins...)
	t.books.Filtered("", gone...)
	return recs
}

// read enters what comes out in the books.
func (t *traffic) read() {
	var ids []int64
	for {
		fs := t.out.PollFetches(t.ctx)
		if t.ctx.Err() != nil {
			return
		}
		fs.EachRecord(func(r *kgo.Record) {
			branch := 0
			if r.Topic == t.s.topic("batches") {
				branch = 1
			}
			var err error
			if ids, err = idsOf(ids[:0], r.Value); err != nil {
				t.fail(fmt.Errorf("%s[%d]@%d: %w", r.Topic, r.Partition, r.Offset, err))
				return
			}
			t.books.Delivered(branches[branch], verify.Place{Topic: r.Topic, Partition: r.Partition, Offset: r.Offset}, ids...)
			t.count(branch, r, ids)
		})
		t.mu.Lock()
		close(t.progress)
		t.progress = make(chan struct{})
		t.mu.Unlock()
	}
}

func (t *traffic) count(branch int, r *kgo.Record, ids []int64) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.next[verify.Place{Topic: r.Topic, Partition: r.Partition}] = r.Offset + 1
	for _, id := range ids {
		if id < int64(len(t.seen[branch])) && !t.seen[branch][id] {
			t.seen[branch][id] = true
			t.came++
			now := time.Now()
			t.stall = max(t.stall, now.Sub(t.last))
			t.last = now
		}
	}
}

var idField = []byte(`"timestamp":`)

// idsOf are the ids in an output: one, or those of a batch.
func idsOf(ids []int64, value []byte) ([]int64, error) {
	n := len(ids)
	for {
		_, rest, ok := bytes.Cut(value, idField)
		if !ok {
			break
		}
		end := 0
		for end < len(rest) && rest[end] >= '0' && rest[end] <= '9' {
			end++
		}
		id, err := strconv.ParseInt(string(rest[:end]), 10, 64)
		if err != nil {
			return ids, err
		}
		ids, value = append(ids, id), rest[end:]
	}
	if len(ids) == n {
		return ids, fmt.Errorf("expected an id, got %q", value[:min(len(value), 200)])
	}
	return ids, nil
}

// counts is how many outputs came and how many must.
func (t *traffic) counts() (came, due int) {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.came, t.due
}

// until reads on until something is so; false where nothing new came for that long.
func (t *traffic) until(patience time.Duration, so func() bool) bool {
	before, at := -1, time.Now()
	for !so() {
		t.mu.Lock()
		came, more := t.came, t.progress
		t.mu.Unlock()
		if came != before {
			before, at = came, time.Now()
		}
		left := time.NewTimer(min(time.Until(at.Add(patience)), 100*time.Millisecond))
		select {
		case <-more:
		case <-left.C:
			if time.Since(at) >= patience {
				left.Stop()
				return so()
			}
		case <-t.ctx.Done():
			left.Stop()
			return false
		}
		left.Stop()
	}
	return true
}

// observe holds what the group commits against the books, again and again.
func (t *traffic) observe() {
	for pause(t.ctx, observeEvery) {
		if _, err := t.look(t.ctx); err != nil {
			t.fail(err)
		}
	}
}

// look asks for the positions of the group, then reads what was there by then, and only
// then judges. It returns the sum of the positions.
func (t *traffic) look(ctx context.Context) (sum int64, err error) {
	group, topic := t.s.group(), t.s.topic("in")
	positions, err := t.w.admin.FetchOffsets(ctx, group)
	if errors.Is(err, kerr.GroupIDNotFound) {
		return 0, nil // no member was there yet
	}
	if err != nil {
		return 0, fmt.Errorf("positions of group %s: %w", group, err)
	}
	ends, err := t.w.admin.ListEndOffsets(ctx, t.s.topic("each"), t.s.topic("batches"))
	if err != nil {
		return 0, fmt.Errorf("ends of the outputs: %w", err)
	}
	reached := t.until(time.Minute, func() bool {
		t.mu.Lock()
		defer t.mu.Unlock()
		ok := true
		ends.Each(func(o kadm.ListedOffset) {
			ok = ok && t.next[verify.Place{Topic: o.Topic, Partition: o.Partition}] >= o.Offset
		})
		return ok
	})
	if !reached {
		if ctx.Err() != nil {
			return 0, nil
		}
		return 0, fmt.Errorf("the outputs could not be read to their end within a minute")
	}
	for id, o := range positions[topic] {
		if o.Err == nil {
			t.books.Committed(topic, id, o.At)
			sum += o.At
		}
	}
	t.mu.Lock()
	t.looks++
	t.mu.Unlock()
	return sum, nil
}

// pause waits; false where ctx ended.
func pause(ctx context.Context, d time.Duration) bool {
	if d <= 0 {
		return ctx.Err() == nil
	}
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return true
	case <-ctx.Done():
		return false
	}
}
