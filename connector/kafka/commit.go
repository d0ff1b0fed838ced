package kafka

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/levada-io/levada/connector"
)

// commitFor bounds a commit; the client itself would wait a minute for a join.
const commitFor = 5 * time.Second

// Commit implements connector.Source. It waits five seconds at most.
//
// # Errors
//
// A *connector.Error is for good. Any other error says that the positions are not
// known to be stored: a later commit makes up for it.
func (k *source) Commit(ctx context.Context, cs []connector.Commit) error {
	ctx, cancel := context.WithTimeout(ctx, commitFor)
	defer cancel()
	// One after the other: were the request before cut off, its connection would be,
	// too, and the broker might see it after ours, over another connection.
	select {
	case <-k.commit:
	case <-ctx.Done():
		return fmt.Errorf("commit: the one before it is not answered yet: %w", ctx.Err())
	}
	done := make(chan error, 1)
	go func() {
		defer func() { k.commit <- struct{}{} }()
		done <- k.commitOwned(ctx, cs)
	}()
	select {
	case err := <-done:
		return err
	case <-ctx.Done():
		return fmt.Errorf("commit: no answer within %v: %w", commitFor, ctx.Err())
	}
}

// commitOwned tries until every position is stored or belongs to a partition that is
// no longer ours. ctx ends the trying, not a request that is under way.
func (k *source) commitOwned(ctx context.Context, cs []connector.Commit) error {
	pause := 20 * time.Millisecond
	for {
		ps := k.committable(cs)
		if len(ps) == 0 {
			return nil
		}
		errs, err := k.request(k.s.ctx, ps)
		var again []connector.Commit
		var last error
		for _, c := range cs {
			perr := errs[c.ID]
			if err != nil {
				perr = err
			}
			if perr == nil {
				k.stored(c)
				continue
			}
			if !passing(perr) && !moving(perr) {
				place := fmt.Sprintf("commit of %s@%d", c.Partition, c.Offset)
				if fault := k.s.fault(place, perr); fault != nil {
					return fault
				}
				return fmt.Errorf("%s: %w", place, perr)
			}
			last, again = perr, append(again, c)
		}
		if len(again) == 0 {
			return nil
		}
		cs = again
		select {
		case <-time.After(pause):
			pause = min(2*pause, time.Second)
		case <-ctx.Done():
			return fmt.Errorf("commit: %w", last)
		}
	}
}

// stored notes what the group has.
func (k *source) stored(c connector.Commit) {
	k.mu.Lock()
	defer k.mu.Unlock()
	if own := k.owned[c.ID]; own != nil {
		own.stored = c.Offset
	}
}

// moving says that the group changes just now. Either the membership is renewed and
// the commit can be repeated, or the partitions are gone and need none.
func moving(err error) bool {
	return errors.Is(err, kerr.RebalanceInProgress) || errors.Is(err, kerr.IllegalGeneration) ||
		errors.Is(err, kerr.UnknownMemberID)
}

// committable leaves out what is no longer ours.
func (k *source) committable(cs []connector.Commit) []kmsg.OffsetCommitRequestTopicPartition {
	k.mu.Lock()
	defer k.mu.Unlock()
	ps := make([]kmsg.OffsetCommitRequestTopicPartition, 0, len(cs))
	for _, c := range cs {
		if own := k.owned[c.ID]; own != nil && c.Topic == k.cfg.Stream {
			ps = append(ps, commitPartition(c.ID, c.Offset, withBorn(c.Metadata, own.born)))
		}
	}
	return ps
}

func commitPartition(id int32, offset int64, metadata string) kmsg.OffsetCommitRequestTopicPartition {
	p := kmsg.NewOffsetCommitRequestTopicPartition()
	p.Partition, p.Offset, p.Metadata = id, offset, &metadata
	return p
}

// request sends one commit as the member that we are now, and returns what the broker
// says to each partition.
//
// The client's own commit waits while it joins, for up to a minute, and knows no
// metadata.
func (k *source) request(ctx context.Context, ps []kmsg.OffsetCommitRequestTopicPartition) (map[int32]error, error) {
	req := kmsg.NewPtrOffsetCommitRequest()
	req.Group = k.cfg.Group
	<-k.ready
	req.MemberID, req.Generation = k.client.GroupMetadata()
	if id := k.s.opts.InstanceID; id != "" {
		req.InstanceID = &id
	}
	t := kmsg.NewOffsetCommitRequestTopic()
	t.Topic, t.TopicID, t.Partitions = k.cfg.Stream, k.topicID, ps
	req.Topics = append(req.Topics, t)
	resp, err := req.RequestWith(ctx, k.client)
	if err != nil {
		return nil, err
	}
	errs := map[int32]error{}
	for _, t := range resp.Topics {
		for _, p := range t.Partitions {
			if err := kerr.ErrorForCode(p.ErrorCode); err != nil {
				errs[p.Partition] = err
			}
		}
	}
	return errs, nil
}
