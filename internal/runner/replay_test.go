package runner

import (
	"context"
	"errors"
	"maps"
	"reflect"
	"slices"
	"testing"
	"time"

	"github.com/levada-io/levada/connector"
	"github.com/levada-io/levada/internal/deadletter"
	"github.com/levada-io/levada/record"
)

// letterTopic is a source of one partition that holds what it is given, and everything
// else that a topic's source is.
type letterTopic struct {
	letterSource
	recs      []record.Record
	committed int64
	err       error
}

func (s *letterTopic) Poll(context.Context) ([]connector.Fetch, error) {
	return []connector.Fetch{{
		Partition: connector.Partition{Topic: "dlq"}, Records: slices.Clone(s.recs), Next: int64(len(s.recs)),
	}}, s.err
}

func (s *letterTopic) Commit(_ context.Context, cs []connector.Commit) error {
	s.committed = cs[0].Offset
	return s.err
}

// written is a sink that keeps what it gets.
type written struct {
	connector.Sink
	recs []record.Record
}

func (s *written) Write(recs []record.Record, done func(error)) {
	s.recs = append(s.recs, recs...)
	done(nil)
}

func letterOf(pipeline, topic string, offset int64, ranges ...deadletter.Range) deadletter.Letter {
	return deadletter.Letter{
		Pipeline: pipeline, Step: "s", Origin: "p.py:1", Cause: "c", Topic: topic, Partition: 2, Offset: offset, Attempt: 3,
		Language: "go", FailedAt: time.UnixMilli(1e12).UTC(), Ranges: ranges,
		Original: record.Record{Value: []byte("v"), Headers: []record.Header{{Key: "h", Value: []byte("1")}}},
	}
}

func TestReplaying(t *testing.T) {
	r := &replaying{
		topic: "dlq", pipeline: "p", stream: "orders",
		places: map[int32]map[int64]deadletter.Position{}, below: map[int32]int64{},
	}
	topic := &letterTopic{}
	for _, l := range []deadletter.Letter{
		letterOf("p", "orders", 70),
		letterOf("q", "orders", 71),
		letterOf("p", "orders", 71),
		letterOf("p", "orders", 75, deadletter.Range{Topic: "orders", Partition: 2, First: 75, Last: 76}),
		letterOf("p", "elsewhere", 72),
		letterOf("p", "orders", 72),
		letterOf("p", "orders", 80),
	} {
		topic.recs = append(topic.recs, l.Record())
	}
	topic.recs = append(topic.recs, record.Record{Value: []byte("foreign")})
	for i := range topic.recs {
		topic.recs[i].Topic, topic.recs[i].Offset = "dlq", int64(i)
	}
	src, err := r.source(topic)
	if err != nil {
		t.Fatal(err)
	}

	// What is fed has the place of the letter and the headers of the record.
	fs, err := src.Poll(t.Context())
	if err != nil || len(fs) != 1 || fs[0].Next != 8 {
		t.Fatalf("got %+v, %v", fs, err)
	}
	var offsets []int64
	for _, rec := range fs[0].Records {
		offsets = append(offsets, rec.Offset)
		if rec.Topic != "dlq" || len(rec.Headers) != 1 || rec.Headers[0].Key != "h" {
			t.Errorf("offset %d: got %+v", rec.Offset, rec)
		}
	}
	if want := []int64{0, 2, 5, 6}; !slices.Equal(offsets, want) {
		t.Errorf("fed the letters %v, want %v", offsets, want)
	}

	// A letter of a letter is one of the record that failed first, in a batch too.
	sink := &written{}
	again := letterOf("p", "dlq", 5)
	again.Partition = 0
	batch := letterOf("p", "dlq", 0, deadletter.Range{Topic: "dlq", Partition: 0, First: 0, Last: 6})
	batch.Partition = 0
	alien := record.Record{Value: []byte("no letter")}
	r.sink(sink).Write([]record.Record{again.Record(), batch.Record(), alien}, func(err error) {
		if err != nil {
			t.Error(err)
		}
	})
	want := letterOf("p", "orders", 72)
	if got := sink.recs[0]; !reflect.DeepEqual(got, want.Record()) {
		t.Errorf("got\n%+v\nwant\n%+v", got, want.Record())
	}
	got, err := deadletter.Parse(sink.recs[1])
	if err != nil {
		t.Fatal(err)
	}
	if want := []deadletter.Range{{Topic: "orders", Partition: 2, First: 70, Last: 72}, {Topic: "orders", Partition: 2, First: 80, Last: 80}}; !slices.Equal(got.Ranges, want) || got.At() != (deadletter.Position{Topic: "orders", Partition: 2, Offset: 70}) {
		t.Errorf("got %v of %v, want %v", got.At(), got.Ranges, want)
	}
	if !reflect.DeepEqual(sink.recs[2], alien) {
		t.Errorf("what is no letter changed: %+v", sink.recs[2])
	}

	// What is committed is forgotten, what could not be committed is not.
	commit := func(offset int64) []int64 {
		t.Helper()
		err := src.Commit(t.Context(), []connector.Commit{{Partition: connector.Partition{Topic: "dlq"}, Offset: offset}})
		if !errors.Is(err, topic.err) {
			t.Fatal(err)
		}
		return slices.Sorted(maps.Keys(r.places[0]))
	}
	topic.err = errors.New("away")
	if left := commit(6); !slices.Equal(left, []int64{0, 2, 5, 6}) {
		t.Errorf("kept %v", left)
	}
	topic.err = nil
	if left := commit(3); !slices.Equal(left, []int64{5, 6}) {
		t.Errorf("kept %v", left)
	}
	if left := commit(6); !slices.Equal(left, []int64{6}) {
		t.Errorf("kept %v", left)
	}
	if left := commit(1_000_000_000_000); len(left) > 0 { // not one step per offset
		t.Errorf("kept %v", left)
	}
}

func TestReplayingWantsAWholeSource(t *testing.T) {
	if _, err := (&replaying{}).source(struct{ connector.Source }{}); err == nil {
		t.Error("expected an error")
	}
	if s := (&replaying{}).sink(nil); s != nil {
		t.Errorf("expected no sink, got %T", s)
	}
}
