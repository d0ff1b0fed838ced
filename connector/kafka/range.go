package kafka

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/levada-io/levada/connector"
)

// Where the log no longer holds the position of a partition:
//
// Retention may have passed it, so that the log starts behind it, or the log was cut, by
// an election without the last replicas or by a topic made anew, so that it ends before
// it. Options.OutOfRange decides; without a decision the source fails.
//
// Forward, the partition goes on under the same assignment. What the engine still has of
// it lies before the gap and is not touched; the gap itself is told as a fetch without
// records, which the engine finishes in its turn.
//
// Backward, that can not be: the engine's books of an assignment only grow. So the
// assignment ends as in a rebalance, drained and committed, and a new one begins, no
// later than where the engine had come to in the old one.

// Fail is the default of Options.OutOfRange; the other values are connector.Earliest and
// connector.Latest.
const Fail = "fail"

// bounds are the ends of a log: the first offset, and the one after the last record that
// a reader of committed records sees.
type bounds struct{ start, end int64 }

// bounds asks where the log of one of our partitions is. The answer to a fetch does not
// say.
func (k *source) bounds(ctx context.Context, id int32) (b bounds, err error) {
	one := func(list func(context.Context, ...string) (kadm.ListedOffsets, error)) int64 {
		if err != nil {
			return 0
		}
		var os kadm.ListedOffsets
		if os, err = list(ctx, k.cfg.Stream); err != nil {
			return 0
		}
		o, ok := os.Lookup(k.cfg.Stream, id)
		if err = o.Err; !ok {
			err = kerr.UnknownTopicOrPartition
		}
		return o.Offset
	}
	b.start = one(k.s.admin.ListStartOffsets)
	b.end = one(k.s.admin.ListCommittedOffsets)
	return b, err
}

// gap is the error for a position outside of the log. diverged, where the client could
// tell, is where the log that it read and the one that is there part; otherwise -1.
func (k *source) gap(id int32, own *partition, diverged int64, cause error) *connector.Error {
	e := &connector.Error{
		Reason: connector.DataGap, Place: k.at(id, own), Err: cause,
		Hint: "set the group's offset to where it should go on, or kafka.out_of_range to earliest or latest",
	}
	ctx, cancel := context.WithTimeout(k.s.ctx, openTry)
	defer cancel()
	b, err := k.bounds(ctx, id)
	switch {
	case diverged >= 0:
		e.Err = cutAt(diverged)
		e.Hint = "the broker lost records that it had acknowledged: compare the topic's replication with what it should be; " + e.Hint
	case err != nil: // then the cause says what there is to say
	case own.next < b.start:
		e.Err = fmt.Errorf("%d records are gone: the log starts at %d", b.start-own.next, b.start)
		e.Hint = "retention was faster than the pipeline; " + e.Hint
	case own.next > b.end:
		e.Err = endsAt(b.end)
		e.Hint = "the log was cut or the topic made anew; " + e.Hint
	}
	return e
}

func cutAt(at int64) error {
	return fmt.Errorf("the log was cut at %d: what was read from there on is no longer in it", at)
}

func endsAt(end int64) error {
	return fmt.Errorf("the log ends at %d, before the position of the group", end)
}

func (k *source) at(id int32, own *partition) string {
	return fmt.Sprintf("%s@%d", connector.Partition{Topic: k.cfg.Stream, ID: id}, own.next)
}

// astray has a partition go on elsewhere, beside the polling, which the brokers' answers
// and the engine's drain would hold up. The caller holds turn.
func (k *source) astray(id int32, own *partition, diverged int64) {
	k.mu.Lock()
	defer k.mu.Unlock()
	if own.leaving || k.left {
		return // it goes, or is being seen to
	}
	own.leaving = true // Poll returns nothing of it
	k.moves.Go(func() {
		ctx, cancel := context.WithCancel(k.s.health.ctx)
		defer cancel()
		defer context.AfterFunc(k.s.ctx, cancel)()
		// The client asks for the same offset again as soon as it is refused.
		k.client.PauseFetchPartitions(map[string][]int32{k.cfg.Stream: {id}})
		err := k.move(ctx, id, own, diverged)
		if err == nil || ctx.Err() != nil {
			return
		}
		fault := k.s.fault(k.at(id, own), err)
		if fault == nil {
			fault = &connector.Error{Reason: connector.DataGap, Place: k.at(id, own), Err: err}
		}
		k.s.health.fail(fault)
	})
}

// move finds where the partition goes on, and goes there.
func (k *source) move(ctx context.Context, id int32, own *partition, diverged int64) error {
	var b bounds
	err := retry(ctx, func() (err error) {
		b, err = k.bounds(ctx, id)
		return err
	})
	if err != nil {
		return err
	}
	latest := k.s.opts.OutOfRange == connector.Latest
	why, to := error(nil), b.start // of a way back
	switch {
	case diverged >= 0:
		why, to = cutAt(diverged), diverged
	case own.next < b.start:
		more := ""
		if latest && b.end > b.start {
			to = b.end
			more = fmt.Sprintf(", the end: %d more are not read", to-b.start)
		}
		return k.asOwner(ctx, id, own, func() error {
			k.s.opts.Log("%s: %d records are gone (log starts at %d): going on at %d%s", k.at(id, own), b.start-own.next, b.start, to, more)
			k.skip(id, own, to)
			return nil
		})
	case own.next > b.end:
		why = endsAt(b.end)
	default:
		// It is in the log again: a new leader was behind for a moment. A pause, so
		// that a broker which says both is not asked all the time.
		if err := pause(ctx, 100*time.Millisecond); err != nil {
			return err
		}
		return k.asOwner(ctx, id, own, func() error {
			k.skip(id, own, own.next)
			return nil
		})
	}
	if latest {
		to = b.end
	}
	return k.restart(ctx, id, own, to, why)
}

// asOwner calls fn while nothing else is told to the assignee, unless the partition has
// another owner or assignment by then.
func (k *source) asOwner(ctx context.Context, id int32, own *partition, fn func() error) error {
	select {
	case <-k.calls:
		defer func() { k.calls <- struct{}{} }()
	case <-ctx.Done():
		return ctx.Err()
	}
	k.mu.Lock()
	ours := k.owned[id] == own && !k.left
	k.mu.Unlock()
	if !ours {
		return nil
	}
	return fn()
}

// skip goes on at a later offset, under the same assignment. The caller holds calls.
func (k *source) skip(id int32, own *partition, to int64) {
	goOn := k.stopPolling()
	defer goOn()
	k.mu.Lock()
	if to > own.next {
		k.gone += to - own.next
		k.jumps = append(k.jumps, connector.Fetch{
			Partition: connector.Partition{Topic: k.cfg.Stream, ID: id}, Next: to,
		})
	}
	own.next = to
	k.mu.Unlock()
	k.seek(id, own)
}

// restart goes back to an offset, under a new assignment.
func (k *source) restart(ctx context.Context, id int32, own *partition, to int64, why error) error {
	ps := []connector.Partition{{Topic: k.cfg.Stream, ID: id}}
	next := &partition{born: own.born, end: -1, leaving: true}
	err := k.asOwner(ctx, id, own, func() error {
		rctx, cancel := context.WithTimeout(ctx, revokeFor)
		defer cancel()
		k.assignee.Revoked(rctx, ps)
		// A commit that was broken off may still be on its way to the broker.
		select {
		case <-k.commit:
			defer func() { k.commit <- struct{}{} }()
		case <-ctx.Done():
			return ctx.Err()
		}
		k.mu.Lock()
		defer k.mu.Unlock()
		// What was read of the log that is there still, and not finished, comes again.
		next.next = min(to, own.stored)
		next.stored = next.next
		k.owned[id] = next
		return nil
	})
	if err != nil {
		return err
	}
	wait := 50 * time.Millisecond
	for first := true; ; first = false {
		err := k.asOwner(ctx, id, next, func() error {
			if first {
				k.s.opts.Log("%s: %v: going on at %d", k.at(id, own), why, next.next)
			}
			// Nobody else commits here: the engine does not know the partition now.
			at := []kmsg.OffsetCommitRequestTopicPartition{commitPartition(id, next.next, withBorn(startMetadata, next.born))}
			errs, err := k.request(ctx, at)
			if err = errors.Join(err, errs[id]); err != nil {
				return err
			}
			k.assignee.Assigned([]connector.Assignment{{Partition: ps[0], Start: next.next}})
			goOn := k.stopPolling()
			defer goOn()
			k.seek(id, next)
			return nil
		})
		if err == nil || !passing(err) && !moving(err) {
			return err
		}
		// Between two tries a rebalance may take the partition.
		if err := pause(ctx, wait); err != nil {
			return err
		}
		wait = min(2*wait, time.Second)
	}
}

func pause(ctx context.Context, d time.Duration) error {
	select {
	case <-time.After(d):
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// seek has the client fetch from own.next on. The caller holds turn.
func (k *source) seek(id int32, own *partition) {
	k.mu.Lock()
	own.leaving = false
	to, paused := own.next, own.paused
	k.mu.Unlock()
	ids := map[string][]int32{k.cfg.Stream: {id}}
	k.client.SetOffsets(map[string]map[int32]kgo.EpochOffset{k.cfg.Stream: {id: {Epoch: -1, Offset: to}}})
	if !paused {
		k.client.ResumeFetchPartitions(ids)
	}
}

// outOfRange says that err is about a position that the log does not hold, and where
// the log was cut, if the client knows; otherwise -1.
func outOfRange(err error) (diverged int64, is bool) {
	if loss, ok := errors.AsType[*kgo.ErrDataLoss](err); ok {
		return loss.ResetTo, true
	}
	return -1, errors.Is(err, kerr.OffsetOutOfRange)
}

// Gone implements connector.Skipper.
func (k *source) Gone() int64 {
	k.mu.Lock()
	defer k.mu.Unlock()
	return k.gone
}
