package engine_test

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"sync/atomic"
	"testing"
	"time"

	"github.com/levada-io/levada/broker"
	"github.com/levada-io/levada/connector"
	"github.com/levada-io/levada/connector/kafka"
	"github.com/levada-io/levada/internal/engine"
	"github.com/levada-io/levada/internal/program"
	"github.com/levada-io/levada/record"
)

// TestKafkaGroup has members of a real group come, go and abort while records flow:
// nothing is lost, and order is kept per key.
func TestKafkaGroup(t *testing.T) {
	const partitions, patience = 6, time.Minute
	b, err := broker.Start(broker.Options{Topics: map[string]int32{"in": partitions, "out0": 2}})
	if err != nil {
		t.Fatal(err)
	}
	defer b.Close()
	opts := &kafka.Options{Brokers: []string{b.Addr()}}
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	open := func() connector.Session {
		s, err := kafka.Open(ctx, opts)
		if err != nil {
			t.Fatal(err)
		}
		return s
	}
	closeAll := func(s connector.Session) {
		if err := s.Close(context.WithoutCancel(ctx)); err != nil {
			t.Error(err)
		}
	}
	writer := open()
	defer closeAll(writer)
	to, err := writer.Sink(ctx, connector.SinkConfig{Step: "w", Stream: "in"})
	if err != nil {
		t.Fatal(err)
	}
	next := 0
	produce := func(n int) {
		recs := make([]record.Record, n)
		for i := range recs {
			recs[i] = record.Record{Key: []byte(strconv.Itoa(next % 20)), Value: []byte(strconv.Itoa(next))}
			next++
		}
		done := make(chan error, 1)
		to.Write(recs, func(err error) { done <- err })
		if err := <-done; err != nil {
			t.Fatal(err)
		}
	}

	var seen atomic.Int64
	moved := make(chan struct{}, 1)
	prog := pipeline(1, func(int) *program.Stage {
		return toSink(0, &op{"count", func(_ context.Context, c *record.Chunk) error {
			seen.Add(int64(c.Len()))
			select {
			case moved <- struct{}{}:
			default:
			}
			return nil
		}})
	})
	type member struct {
		stop chan struct{}
		kill context.CancelFunc
		end  chan error
	}
	start := func(drain bool) *member {
		m := &member{stop: make(chan struct{}), end: make(chan error, 1)}
		mctx, kill := context.WithCancel(ctx)
		m.kill = kill
		s := open()
		out, err := s.Sink(ctx, connector.SinkConfig{Step: "out0", Stream: "out0"})
		if err != nil {
			t.Fatal(err)
		}
		go func() {
			err := engine.Run(mctx, engine.Config{
				Program: prog, Sinks: []connector.Sink{out}, Lanes: 2, Stop: m.stop, Drain: drain,
				Limits: engine.Limits{ChunkRecords: 50},
				Source: func(a connector.Assignee) (connector.Source, error) {
					return s.Source(mctx, connector.SourceConfig{Step: "in", Stream: "in", Group: "g", Start: connector.Earliest}, a)
				},
			})
			closeAll(s)
			m.end <- err
		}()
		return m
	}
	var members []*member
	leave := func(abort bool) {
		m := members[0]
		members = members[1:]
		if abort {
			m.kill()
			if err := <-m.end; !errors.Is(err, engine.ErrAborted) {
				t.Errorf("abort: %v", err)
			}
			return
		}
		close(m.stop)
		if err := <-m.end; err != nil {
			t.Errorf("stop: %v", err)
		}
		m.kill()
	}
	for _, event := range []string{"join", "join", "stop", "join", "join", "abort", "stop", "join", "abort", "join"} {
		want := seen.Load() + 300
		produce(1000)
		switch event {
		case "join":
			members = append(members, start(false))
		default:
			leave(event == "abort")
		}
		for seen.Load() < want {
			select {
			case <-moved:
			case <-ctx.Done():
				t.Fatalf("after %s: nothing moves", event)
			}
		}
	}
	for len(members) > 0 {
		leave(false)
	}
	m := start(true)
	if err := <-m.end; err != nil {
		t.Fatal(err)
	}
	m.kill()

	admin, err := kafka.NewAdmin(opts)
	if err != nil {
		t.Fatal(err)
	}
	defer admin.Close(context.WithoutCancel(ctx))
	count := make([]int, next)
	last := map[string]int{}
	err = admin.Consume(ctx, kafka.Reading{Topic: "out0", ToEnd: true}, func(recs []record.Record) error {
		for _, r := range recs {
			n, err := strconv.Atoi(string(r.Value))
			if err != nil {
				return err
			}
			if count[n]++; count[n] > 1 {
				continue
			}
			if before, ok := last[string(r.Key)]; ok && before > n {
				return fmt.Errorf("key %s: %d after %d", r.Key, n, before)
			}
			last[string(r.Key)] = n
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	again := 0
	for n, c := range count {
		if c == 0 {
			t.Errorf("%d is lost", n)
		}
		again += max(0, c-1)
	}
	t.Logf("%d records, %d delivered again after two aborts", next, again)
	ps, err := admin.Positions(ctx, "in", "g")
	if err != nil {
		t.Fatal(err)
	}
	for _, p := range ps {
		if p.Lag() != 0 {
			t.Errorf("lag %d at the end: %+v", p.Lag(), p)
		}
	}
}
