package engine_test

import (
	"bytes"
	"context"
	"strconv"
	"testing"

	"github.com/levada-io/levada/connector"
	"github.com/levada-io/levada/connector/devnull"
	"github.com/levada-io/levada/connector/memory"
	"github.com/levada-io/levada/internal/engine"
	"github.com/levada-io/levada/internal/program"
	"github.com/levada-io/levada/record"
)

// BenchmarkPassThrough is the engine's own cost per record: no broker, no steps. One
// operation is one record.
func BenchmarkPassThrough(b *testing.B) {
	for _, partitions := range []int{1, 64} {
		b.Run(strconv.Itoa(partitions)+"-partitions", func(b *testing.B) { passThrough(b, partitions) })
	}
}

func passThrough(b *testing.B, partitions int) {
	store := memory.New()
	store.Create("in", partitions)
	value := bytes.Repeat([]byte("x"), 222)
	recs := make([]record.Record, b.N/partitions+1)
	for i := range recs {
		recs[i].Value = value
	}
	for p := range partitions {
		store.Append("in", int32(p), recs...)
	}
	ctx := context.Background()
	session, err := store.Open(ctx, nil)
	if err != nil {
		b.Fatal(err)
	}
	null, err := devnull.Open(ctx, nil)
	if err != nil {
		b.Fatal(err)
	}
	sink, err := null.Sink(ctx, connector.SinkConfig{})
	if err != nil {
		b.Fatal(err)
	}
	b.ReportAllocs()
	b.ResetTimer()
	err = engine.Run(ctx, engine.Config{
		Program: pipeline(1, func(int) *program.Stage { return toSink(0) }),
		Sinks:   []connector.Sink{sink},
		Drain:   true,
		Source: func(a connector.Assignee) (connector.Source, error) {
			return session.Source(ctx, connector.SourceConfig{Stream: "in", Group: "g", Start: connector.Earliest}, a)
		},
	})
	if err != nil {
		b.Fatal(err)
	}
	b.StopTimer()
	if err := session.Close(ctx); err != nil {
		b.Fatal(err)
	}
}
