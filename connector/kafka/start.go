package kafka

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/levada-io/levada/connector"
)

// Where a partition starts that the group has no position for:
//
// The policy, Earliest or Latest, is resolved to an offset once, and that offset is
// committed before the first record is handed out. Otherwise a partition that moves
// before its first commit would start "at the latest" a second time, and what was read
// but not committed in between would be lost without a crash.
//
// A partition that was added to the topic later starts at its beginning whatever the
// policy: nothing of it can be old news to the group. What "later" means must not
// depend on who happens to look first, so every position that is committed carries,
// behind the engine's metadata, how many partitions the topic had when the group was
// born:
//
//	levada/1 partitions=4
//
// A partition with a number below that is as old as the group, the others are later.
const bornKey = "partitions="

func withBorn(metadata string, born int32) string {
	return fmt.Sprintf("%s %s%d", metadata, bornKey, born)
}

// bornOf reads what withBorn wrote.
func bornOf(metadata string) (int32, bool) {
	for _, word := range strings.Fields(metadata) {
		if v, ok := strings.CutPrefix(word, bornKey); ok {
			var n int32
			if _, err := fmt.Sscan(v, &n); err == nil && n > 0 {
				return n, true
			}
		}
	}
	return 0, false
}

// onFetched keeps what the positions of our partitions say about the group's birth;
// adjust is called next, on the same goroutine.
func (k *source) onFetched(_ context.Context, _ *kgo.Client, resp *kmsg.OffsetFetchResponse) error {
	k.mu.Lock()
	defer k.mu.Unlock()
	clear(k.born)
	for _, g := range resp.Groups {
		for _, t := range g.Topics {
			for _, p := range t.Partitions {
				if p.Metadata == nil || t.Topic != k.cfg.Stream {
					continue
				}
				if n, ok := bornOf(*p.Metadata); ok {
					k.born[p.Partition] = n
				}
			}
		}
	}
	return nil
}

// rejoinAfter is how long a member waits that could not find out where to start.
const rejoinAfter = 200 * time.Millisecond

// adjust resolves where new partitions start and tells the engine. The client begins
// to fetch them when it returns. An error makes the client join again; ctx ends when
// the group takes the partitions back already.
func (k *source) adjust(ctx context.Context, offsets map[string]map[int32]kgo.Offset) (map[string]map[int32]kgo.Offset, error) {
	<-k.ready
	topic := offsets[k.cfg.Stream]
	born := k.count
	var fresh []int32
	for id, o := range topic {
		if o.EpochOffset().Offset < 0 {
			fresh = append(fresh, id)
		}
	}
	if len(fresh) > 0 {
		var starts map[int32]int64
		var err error
		if starts, born, err = k.resolve(ctx, fresh, born); err == nil {
			err = k.store(ctx, starts, born)
		}
		if err != nil {
			if fault := k.s.fault(fmt.Sprintf("group %q", k.cfg.Group), err); fault != nil && ctx.Err() == nil {
				k.s.health.fail(fault)
			}
			// Some errors make the client join again at once, time after time.
			_ = pause(ctx, rejoinAfter)
			return nil, err
		}
		for id, at := range starts {
			topic[id] = kgo.NewOffset().At(at)
		}
	}

	as := make([]connector.Assignment, 0, len(topic))
	<-k.calls
	defer func() { k.calls <- struct{}{} }()
	goOn := k.stopPolling()
	k.mu.Lock()
	for id, o := range topic {
		own := &partition{next: o.EpochOffset().Offset, stored: o.EpochOffset().Offset, born: born, end: -1}
		if n, ok := k.born[id]; ok {
			own.born = n
		}
		own.reach.Store(own.next)
		k.owned[id] = own
		delete(k.pending, id)
		as = append(as, connector.Assignment{
			Partition: connector.Partition{Topic: k.cfg.Stream, ID: id},
			Start:     own.next,
		})
	}
	left := k.left
	k.mu.Unlock()
	goOn()
	slices.SortFunc(as, func(a, b connector.Assignment) int { return int(a.ID) - int(b.ID) })
	if len(as) > 0 && !left {
		k.assignee.Assigned(as)
	}
	return offsets, nil
}

// resolve says where partitions without a position start, and the group's birth.
func (k *source) resolve(ctx context.Context, fresh []int32, born int32) (map[int32]int64, int32, error) {
	latest := k.cfg.Start == connector.Latest
	if latest {
		// Our own partitions may say nothing about the birth, those of others do.
		var rs kadm.OffsetResponses
		err := retry(ctx, func() (err error) {
			if rs, err = k.s.admin.FetchOffsets(ctx, k.cfg.Group); err == nil {
				err = rs.Error()
			}
			return err
		})
		if err != nil {
			return nil, 0, err
		}
		for _, r := range rs[k.cfg.Stream] {
			if n, ok := bornOf(r.Metadata); ok && r.At >= 0 {
				born = min(born, n)
			}
		}
	}
	var first, last kadm.ListedOffsets
	err := retry(ctx, func() (err error) {
		if first, err = k.s.admin.ListStartOffsets(ctx, k.cfg.Stream); err == nil {
			err = first.Error()
		}
		if err == nil && latest {
			// The last committed one, not the last: what a transaction has written
			// but not committed yet is still to come.
			if last, err = k.s.admin.ListCommittedOffsets(ctx, k.cfg.Stream); err == nil {
				err = last.Error()
			}
		}
		return err
	})
	if err != nil {
		return nil, 0, err
	}
	starts := make(map[int32]int64, len(fresh))
	for _, id := range fresh {
		from := first
		if latest && id < born {
			from = last
		}
		o, ok := from.Lookup(k.cfg.Stream, id)
		if !ok {
			return nil, 0, fmt.Errorf("%s: offsets: %w", connector.Partition{Topic: k.cfg.Stream, ID: id}, kerr.UnknownTopicOrPartition)
		}
		starts[id] = o.Offset
	}
	return starts, born, nil
}

// store commits the resolved starts.
func (k *source) store(ctx context.Context, starts map[int32]int64, born int32) error {
	ps := make([]kmsg.OffsetCommitRequestTopicPartition, 0, len(starts))
	for id, at := range starts {
		ps = append(ps, commitPartition(id, at, withBorn(startMetadata, born)))
	}
	return retry(ctx, func() error {
		errs, err := k.request(ctx, ps)
		for _, perr := range errs {
			err = errors.Join(err, perr)
		}
		return err
	})
}

// startMetadata is what stands beside a resolved start: the version of the contract,
// and nothing that the engine knows yet.
const startMetadata = "levada/1"

// retry calls fn until it succeeds, fails for good, or ctx ends.
func retry(ctx context.Context, fn func() error) error {
	pause := 50 * time.Millisecond
	for {
		err := fn()
		if err == nil || !passing(err) || ctx.Err() != nil {
			return err
		}
		select {
		case <-time.After(pause):
			pause = min(2*pause, 2*time.Second)
		case <-ctx.Done():
			return err
		}
	}
}
