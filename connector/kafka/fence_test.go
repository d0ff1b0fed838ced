package kafka

import (
	"context"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/levada-io/levada/connector"
)

// asked tells when it is called, and returns when it may.
type asked struct {
	*reader
	calls chan string
	goOn  chan struct{}
}

func (a *asked) Assigned([]connector.Assignment) { a.calls <- "assigned" }
func (a *asked) Revoked(context.Context, []connector.Partition) {
	a.calls <- "revoked"
	<-a.goOn
}
func (a *asked) Lost([]connector.Partition) { a.calls <- "lost" }

// TestFence plays the race that the fence is for, step by step: a poll has records in
// hand while its partition goes and comes back.
func TestFence(t *testing.T) {
	t.Parallel()
	_, c := fake(t, kfake.SeedTopics(1, "t"))
	s := c.open(t)
	t.Cleanup(func() { s.Close(context.Background()) })
	a := &asked{calls: make(chan string, 1), goOn: make(chan struct{})}
	src, err := s.Source(t.Context(), connector.SourceConfig{Step: "in", Stream: "t", Group: "g"}, a)
	if err != nil {
		t.Fatal(err)
	}
	k := src.(*source)
	polled := make(chan error, 1)
	go func() {
		_, err := src.Poll(t.Context())
		polled <- err
	}()
	next := func(want string) {
		t.Helper()
		if got := <-a.calls; got != want {
			t.Fatalf("%s, want %s", got, want)
		}
	}
	notYet := func() {
		t.Helper()
		select {
		case got := <-a.calls:
			t.Fatalf("%s although a poll is under way", got)
		case <-time.After(50 * time.Millisecond):
		}
	}
	next("assigned")
	if err := <-polled; err != nil { // the assignment has ended that turn
		t.Fatal(err)
	}
	ours := map[string][]int32{"t": {0}}
	stale := func() kgo.Fetches {
		return kgo.Fetches{{Topics: []kgo.FetchTopic{{Topic: "t", Partitions: []kgo.FetchPartition{
			{Records: []*kgo.Record{{Topic: "t", Offset: 7}}},
		}}}}}
	}
	take := func() int {
		t.Helper()
		fs, err := k.take(stale())
		if err != nil {
			t.Fatal(err)
		}
		return len(fs)
	}

	for _, gone := range []string{"revoked", "lost"} {
		<-k.turn // a poll is under way, with the records in hand
		ended := make(chan struct{})
		go func() {
			defer close(ended)
			if gone == "lost" {
				k.onLost(t.Context(), k.client, ours)
			} else {
				k.onRevoked(t.Context(), k.client, ours)
			}
		}()
		notYet()
		if take() != 1 {
			t.Error("what was in hand before was dropped")
		}
		k.turn <- struct{}{}
		next(gone)
		if gone == "revoked" {
			<-k.turn
			if take() != 0 {
				t.Error("records came while the partition is given up")
			}
			k.turn <- struct{}{}
			if ps := k.committable([]connector.Commit{{Partition: connector.Partition{Topic: "t"}}}); len(ps) != 1 {
				t.Error("nothing can be committed in Revoked")
			}
			a.goOn <- struct{}{}
		}
		<-ended
		if ps := k.committable([]connector.Commit{{Partition: connector.Partition{Topic: "t"}}}); len(ps) != 0 {
			t.Errorf("%s, and it can still be committed", gone)
		}

		<-k.turn // a poll is under way again, with records from before
		go k.adjust(t.Context(), map[string]map[int32]kgo.Offset{"t": {0: kgo.NewOffset().At(3)}})
		notYet()
		if take() != 0 {
			t.Error("records from before the assignment came")
		}
		k.turn <- struct{}{}
		next("assigned")
	}
}
