package kafka

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/levada-io/levada/connector"
	"github.com/levada-io/levada/record"
)

// revokeFor bounds what the engine may do in Revoked: a sixth of the rebalance timeout
// of the client, after which the group goes on without us.
const revokeFor = 10 * time.Second

var errClosed = errors.New("kafka: the session is closed")

// source implements connector.Source, Ender, Rewinder, Gauge and Pulse.
//
// # Concurrency
//
// The client calls back on its own goroutine: lost partitions first, then, with the
// offsets that the group has for the new ones, adjust; never two at a time. Between
// those callbacks and Poll stands turn: who holds it knows that no poll is under way,
// so what is polled afterwards is from after the change. turn is taken before mu;
// nothing of the engine or the client is called under mu.
type source struct {
	s        *session
	cfg      connector.SourceConfig
	assignee connector.Assignee
	fetches  *fetches
	topicID  [16]byte
	count    int32 // partitions of the topic when the source opened

	start  sync.Once
	ready  chan struct{} // closed when client is set
	client *kgo.Client   // member of the group
	broken error         // why there is none

	turn   chan struct{}  // holds a token while free
	commit chan struct{}  // holds a token while no commit is under way
	calls  chan struct{}  // holds a token while nothing is told to the assignee
	moves  sync.WaitGroup // of partitions that go on elsewhere; see range.go

	mu      sync.Mutex // guards all below
	hurry   int        // callbacks that want turn
	wake    context.CancelFunc
	owned   map[int32]*partition
	pending map[int32]bool    // assigned by the group, start not resolved yet
	joined  bool              // the group has answered once
	born    map[int32]int32   // see start.go
	left    bool              // no call to the assignee any more
	jumps   []connector.Fetch // what Poll returns next; see range.go
	gone    int64             // offsets that were jumped over
}

// partition is one that the member owns.
type partition struct {
	next    int64        // after the last record that Poll returned; written under turn and mu
	born    int32        // see start.go
	end     int64        // where a drain stops; -1: not asked yet
	stored  int64        // what Commit has stored last
	reach   atomic.Int64 // how far its records go, as of the last fetch that brought some
	leaving bool         // Revoked runs: Poll returns nothing of it, Commit still takes it
	paused  bool         // by Pause
}

func newSource(s *session, cfg connector.SourceConfig, a connector.Assignee, d kadm.TopicDetail) *source {
	k := &source{
		s: s, cfg: cfg, assignee: a, fetches: newFetches(), topicID: d.ID, count: int32(len(d.Partitions)),
		ready:   make(chan struct{}),
		turn:    make(chan struct{}, 1),
		commit:  make(chan struct{}, 1),
		calls:   make(chan struct{}, 1),
		owned:   map[int32]*partition{},
		pending: map[int32]bool{},
		born:    map[int32]int32{},
	}
	k.turn <- struct{}{}
	k.commit <- struct{}{}
	k.calls <- struct{}{}
	return k
}

// join makes the member of the group.
func (k *source) join() {
	o := k.s.opts
	opts := append(append(o.base(), o.reading()...),
		kgo.WithContext(k.s.ctx),
		kgo.WithHooks(k.s.health, k.fetches),
		kgo.ConsumerGroup(k.cfg.Group),
		kgo.ConsumeTopics(k.cfg.Stream),
		kgo.SessionTimeout(o.SessionTimeout),
		kgo.HeartbeatInterval(min(3*time.Second, o.SessionTimeout/3)),
		kgo.DisableAutoCommit(),
		kgo.FetchIsolationLevel(kgo.ReadCommitted()),
		// The position moves over them, or a topic that only sees transactions
		// would lag by one for ever.
		kgo.KeepControlRecords(),
		kgo.OnOffsetsFetched(k.onFetched),
		kgo.AdjustFetchOffsetsFn(k.adjust),
		kgo.OnPartitionsAssigned(k.onAssigned),
		kgo.OnPartitionsRevoked(k.onRevoked),
		kgo.OnPartitionsLost(k.onLost),
	)
	switch o.Protocol {
	case CooperativeSticky:
		opts = append(opts, kgo.Balancers(kgo.CooperativeStickyBalancer()))
	case Range:
		opts = append(opts, kgo.Balancers(kgo.RangeBalancer()))
	case KIP848:
		opts = append(opts, kgo.ServerSideBalancer())
	}
	if k.s.embedded.Load() {
		// It restarts the timer of a rebalance at every join. A member that gave up a
		// join and came again as a new one would keep the group from ever settling.
		opts = append(opts, kgo.RequestTimeoutOverhead(3*time.Minute))
	}
	if o.InstanceID != "" {
		opts = append(opts, kgo.InstanceID(o.InstanceID))
	}
	client, err := kgo.NewClient(opts...)
	if err != nil {
		k.broken = &connector.Error{Reason: connector.Misconfig, Place: o.place(), Err: err}
		return
	}
	k.client = client
	close(k.ready) // the client may be calling back already
}

// member is the client, or nil before the first Poll.
func (k *source) member() *kgo.Client {
	select {
	case <-k.ready:
		return k.client
	default:
		return nil
	}
}

// Poll implements connector.Source. It also returns, with nothing, when partitions are
// about to change, so that a loop around it turns.
func (k *source) Poll(ctx context.Context) ([]connector.Fetch, error) {
	k.start.Do(k.join)
	if k.broken != nil {
		return nil, k.broken
	}
	select {
	case <-k.turn:
	case <-ctx.Done():
		return nil, ctx.Err()
	}
	defer func() { k.turn <- struct{}{} }()

	pctx, cancel := context.WithCancel(ctx)
	defer cancel()
	defer context.AfterFunc(k.s.health.ctx, cancel)()
	k.mu.Lock()
	k.wake = cancel
	if k.left {
		k.mu.Unlock()
		return nil, errClosed
	}
	if jumps := k.jumps; len(jumps) > 0 {
		k.jumps = nil
		k.mu.Unlock()
		return jumps, nil
	}
	if k.hurry > 0 {
		cancel() // an ended context takes nothing out of the client
	}
	k.mu.Unlock()

	fs, err := k.take(k.client.PollFetches(pctx))
	if len(fs) == 0 && err == nil {
		if err = k.s.health.err(); err == nil {
			err = ctx.Err()
		}
	}
	return fs, err
}

// stopPolling returns when no poll is under way, and lets none begin until the
// function that it returns is called.
func (k *source) stopPolling() (goOn func()) {
	k.mu.Lock()
	k.hurry++
	if k.wake != nil {
		k.wake()
	}
	k.mu.Unlock()
	<-k.turn // waiters are served in order, so a loop that polls again does not pass us
	return func() {
		k.mu.Lock()
		k.hurry--
		k.mu.Unlock()
		k.turn <- struct{}{}
	}
}

// take makes records of what the client fetched. The caller holds turn.
func (k *source) take(in kgo.Fetches) ([]connector.Fetch, error) {
	n := 0
	for i := range in {
		for j := range in[i].Topics {
			n += len(in[i].Topics[j].Partitions)
		}
	}
	out := make([]connector.Fetch, 0, n)
	for i := range in {
		for j := range in[i].Topics {
			t := &in[i].Topics[j]
			for l := range t.Partitions {
				fp := &t.Partitions[l]
				own := k.readable(fp.Partition)
				if fp.Err != nil {
					if err := k.fetchError(t.Topic, fp, own); err != nil {
						return nil, err
					}
				}
				if own == nil || len(fp.Records) == 0 {
					continue
				}
				k.mu.Lock() // End looks at it, without turn
				own.next = fp.Records[len(fp.Records)-1].Offset + 1
				k.mu.Unlock()
				// Behind the last stable offset nothing can be read yet.
				own.reach.Store(max(own.next, cmp.Or(max(0, fp.LastStableOffset), fp.HighWatermark)))
				out = append(out, connector.Fetch{
					Partition: connector.Partition{Topic: t.Topic, ID: fp.Partition},
					Records:   records(fp.Records),
					Next:      own.next,
				})
			}
		}
	}
	return out, nil
}

// readable is the partition that Poll may return records of, or nil. The caller holds
// turn, without which no partition becomes readable or stops to be.
func (k *source) readable(id int32) *partition {
	k.mu.Lock()
	defer k.mu.Unlock()
	if own := k.owned[id]; own != nil && !own.leaving {
		return own
	}
	return nil
}

// records copies what is for a reader: marks of transactions are not.
func records(in []*kgo.Record) []record.Record {
	n, headers := 0, 0
	for _, r := range in {
		if !r.Attrs.IsControl() {
			n++
			headers += len(r.Headers)
		}
	}
	if n == 0 {
		return nil
	}
	out := make([]record.Record, 0, n)
	hs := make([]record.Header, 0, headers)
	for _, r := range in {
		if r.Attrs.IsControl() {
			continue
		}
		rec := record.Record{
			Key: r.Key, Value: r.Value, Timestamp: r.Timestamp,
			Topic: r.Topic, Partition: r.Partition, Offset: r.Offset,
		}
		if r.Timestamp.UnixMilli() == -1 {
			rec.Timestamp = time.Time{} // that is how the protocol says none
		}
		if len(r.Headers) > 0 {
			from := len(hs)
			for _, h := range r.Headers {
				hs = append(hs, record.Header(h))
			}
			rec.Headers = hs[from:len(hs):len(hs)]
		}
		out = append(out, rec)
	}
	return out
}

// fetchError is nil where the client goes on by itself.
func (k *source) fetchError(topic string, fp *kgo.FetchPartition, own *partition) error {
	err := fp.Err
	if ended(err) || errors.Is(err, context.DeadlineExceeded) {
		return nil // Poll knows why
	}
	if group, ok := errors.AsType[*kgo.ErrGroupSession](err); ok {
		if fault := k.s.fault(fmt.Sprintf("group %q", k.cfg.Group), group.Err); fault != nil {
			return fault
		}
		if !passing(group.Err) { // an outage is told of by health
			k.s.opts.Log("group %q: %v; joining again", k.cfg.Group, group.Err)
		}
		return nil
	}
	if topic == "" {
		return &connector.Error{Reason: connector.DataGap, Place: k.s.opts.place(), Err: err}
	}
	place := topicPlace(topic)
	if fp.Partition >= 0 {
		place = connector.Partition{Topic: topic, ID: fp.Partition}.String()
	}
	if own != nil {
		place = fmt.Sprintf("%s@%d", place, own.next)
	}
	if diverged, ok := outOfRange(err); ok {
		switch {
		case own == nil:
			return nil // it goes, or goes on elsewhere already
		case k.s.opts.OutOfRange == Fail:
			return k.gap(fp.Partition, own, diverged, err)
		}
		k.astray(fp.Partition, own, diverged)
		return nil
	}
	if _, ok := errors.AsType[*kgo.ErrDecompressTooLarge](err); ok {
		return &connector.Error{
			Reason: connector.DataGap, Place: place,
			Err:  fmt.Errorf("a batch decompresses to more than %d MiB", maxBatch>>20),
			Hint: "it was made to fill memory, or its producer compresses far too much at once; set the group's offset behind it",
		}
	}
	if damaged(err) {
		return &connector.Error{
			Reason: connector.DataGap, Place: place,
			Err:  fmt.Errorf("a batch is damaged: %w", err),
			Hint: "compare the broker's disk and its log; where the records are lost, set the group's offset behind them",
		}
	}
	if fault := k.s.fault(place, err); fault != nil {
		return fault
	}
	if passing(err) {
		return nil
	}
	return k.s.final(place, err)
}

// Pause implements connector.Source.
func (k *source) Pause(ps []connector.Partition, on bool) {
	client := k.member()
	if client == nil || len(ps) == 0 {
		return
	}
	k.mu.Lock()
	for _, p := range ps {
		if own := k.owned[p.ID]; own != nil {
			own.paused = on
		}
	}
	k.mu.Unlock()
	if m := idsByTopic(ps); on {
		client.PauseFetchPartitions(m)
	} else {
		client.ResumeFetchPartitions(m)
	}
}

func idsByTopic(ps []connector.Partition) map[string][]int32 {
	m := map[string][]int32{}
	for _, p := range ps {
		m[p.Topic] = append(m[p.Topic], p.ID)
	}
	return m
}

// Rewind implements connector.Rewinder.
func (k *source) Rewind(p connector.Partition, offset int64) error {
	goOn := k.stopPolling()
	defer goOn()
	own := k.readable(p.ID)
	if own == nil || p.Topic != k.cfg.Stream {
		return nil // it moved in the meantime, so there is nothing to go back in
	}
	k.mu.Lock()
	own.next = offset
	k.mu.Unlock()
	k.seek(p.ID, own)
	return nil
}

// End implements connector.Ender: up to where committed records reach.
func (k *source) End(ctx context.Context) (map[connector.Partition]int64, bool, error) {
	k.mu.Lock()
	known := k.joined && len(k.pending) == 0
	ask := false
	for _, own := range k.owned {
		ask = ask || own.end < 0
	}
	k.mu.Unlock()
	if !known {
		return nil, false, nil
	}
	var ends, last kadm.ListedOffsets
	if ask {
		var err error
		if ends, err = k.s.admin.ListCommittedOffsets(ctx, k.cfg.Stream); err == nil {
			err = ends.Error()
		}
		if err == nil {
			if last, err = k.s.admin.ListEndOffsets(ctx, k.cfg.Stream); err == nil {
				err = last.Error()
			}
		}
		if err != nil {
			if fault := k.s.fault(topicPlace(k.cfg.Stream), err); fault != nil {
				return nil, false, fault
			}
			return nil, false, fmt.Errorf("%s: end offsets: %w", topicPlace(k.cfg.Stream), err)
		}
	}
	k.mu.Lock()
	defer k.mu.Unlock()
	out := make(map[connector.Partition]int64, len(k.owned))
	for id, own := range k.owned {
		if own.end < 0 {
			o, ok := ends.Lookup(k.cfg.Stream, id)
			if !ok {
				return nil, false, nil // assigned just now; the next call asks again
			}
			if l, ok := last.Lookup(k.cfg.Stream, id); ok && own.next > l.Offset {
				return nil, false, nil // out of range: Poll has something to say first
			}
			own.end = o.Offset
		}
		out[connector.Partition{Topic: k.cfg.Stream, ID: id}] = own.end
	}
	return out, true, nil
}

// onAssigned learns what the group gave us; the engine hears of it when the starts are
// resolved.
func (k *source) onAssigned(_ context.Context, _ *kgo.Client, added map[string][]int32) {
	k.mu.Lock()
	k.joined = true
	for _, id := range added[k.cfg.Stream] {
		k.pending[id] = true
	}
	none := len(k.pending) == 0 && len(k.owned) == 0 && !k.left
	k.mu.Unlock()
	if none {
		<-k.ready
		<-k.calls
		defer func() { k.calls <- struct{}{} }()
		k.assignee.Assigned(nil) // it need not wait for a share
	}
}

// Reach implements connector.Gauge.
func (k *source) Reach() map[connector.Partition]int64 {
	k.mu.Lock()
	defer k.mu.Unlock()
	out := make(map[connector.Partition]int64, len(k.owned))
	for id, own := range k.owned {
		out[connector.Partition{Topic: k.cfg.Stream, ID: id}] = own.reach.Load()
	}
	return out
}

// Away implements connector.Pulse.
func (k *source) Away() time.Duration { return max(k.s.health.away(), k.fetches.overdue()) }

func (k *source) onRevoked(_ context.Context, _ *kgo.Client, gone map[string][]int32) {
	<-k.ready
	<-k.calls
	defer func() { k.calls <- struct{}{} }()
	ps := k.givingUp(gone)
	if len(ps) == 0 {
		return
	}
	ctx, cancel := context.WithTimeout(k.s.health.ctx, revokeFor)
	defer cancel()
	k.assignee.Revoked(ctx, ps)
	k.forget(ps)
}

func (k *source) onLost(_ context.Context, _ *kgo.Client, gone map[string][]int32) {
	<-k.ready
	<-k.calls
	defer func() { k.calls <- struct{}{} }()
	ps := k.givingUp(gone)
	if len(ps) == 0 {
		return
	}
	k.mu.Lock()
	for _, p := range ps {
		delete(k.owned, p.ID) // nothing may be committed any more
	}
	k.mu.Unlock()
	k.assignee.Lost(ps)
	k.forget(ps)
}

// givingUp lets Poll return nothing more of the partitions, and names those that the
// engine knows.
func (k *source) givingUp(gone map[string][]int32) []connector.Partition {
	goOn := k.stopPolling()
	defer goOn()
	k.mu.Lock()
	defer k.mu.Unlock()
	// The next assignment may give some of it back: what is left now is no share yet.
	k.joined = false
	var ps []connector.Partition
	for _, id := range slices.Sorted(slices.Values(gone[k.cfg.Stream])) {
		delete(k.pending, id)
		k.jumps = slices.DeleteFunc(k.jumps, func(f connector.Fetch) bool { return f.ID == id })
		if own := k.owned[id]; own != nil && !k.left {
			own.leaving = true
			ps = append(ps, connector.Partition{Topic: k.cfg.Stream, ID: id})
		}
	}
	return ps
}

func (k *source) forget(ps []connector.Partition) {
	k.mu.Lock()
	for _, p := range ps {
		delete(k.owned, p.ID)
	}
	k.mu.Unlock()
	// Who gets the partition back does not know that it was paused.
	k.client.ResumeFetchPartitions(idsByTopic(ps))
}

// leave ends the membership. The engine committed what it finished, so it is not
// asked again.
func (k *source) leave() {
	k.mu.Lock()
	k.left = true
	k.mu.Unlock()
	k.start.Do(func() { k.broken = errClosed })
	if client := k.member(); client != nil {
		client.Close()
	}
	k.moves.Wait()
}
