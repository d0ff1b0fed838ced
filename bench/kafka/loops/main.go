// Command loops is what a Levada pipeline is measured against: the plainest consume,
// transform, produce loop that one would write by hand with franz-go. It reads a topic
// from its start to -n records, writes each result to another topic, and ends when all
// are acknowledged.
package main

import (
	"context"
	jsonv2 "encoding/json/v2"
	"flag"
	"fmt"
	"os"
	"sync/atomic"

	"github.com/goccy/go-json"
	"github.com/twmb/franz-go/pkg/kgo"
)

// Metric is the record of the bench; see generate in ../main.go.
type Metric struct {
	OrgID         uint64            `json:"org_id"`
	ProjectID     uint64            `json:"project_id"`
	Name          string            `json:"name"`
	Tags          map[string]string `json:"tags"`
	Timestamp     int64             `json:"timestamp"`
	RetentionDays int               `json:"retention_days"`
	Type          string            `json:"type"`
	Value         float64           `json:"value"`
}

// Transformed is what the JSON loops write.
type Transformed struct {
	Metric
	Transformed bool `json:"transformed"`
}

func main() {
	mode := flag.String("mode", "raw", "raw, jsonv2 or goccy")
	brokers := flag.String("brokers", "", "broker address")
	in := flag.String("in", "", "topic to read")
	out := flag.String("out", "", "topic to write")
	n := flag.Int64("n", 0, "records to read")
	flag.Parse()
	if err := loop(*mode, *brokers, *in, *out, *n); err != nil {
		fmt.Fprintln(os.Stderr, "loops:", err)
		os.Exit(1)
	}
}

func loop(mode, brokers, in, out string, n int64) error {
	transform, ok := map[string]func([]byte) ([]byte, error){
		"raw": func(b []byte) ([]byte, error) { return b, nil },
		"jsonv2": func(b []byte) ([]byte, error) {
			var t Transformed
			if err := jsonv2.Unmarshal(b, &t.Metric); err != nil {
				return nil, err
			}
			t.Transformed = true
			return jsonv2.Marshal(&t)
		},
		"goccy": func(b []byte) ([]byte, error) {
			var t Transformed
			if err := json.Unmarshal(b, &t.Metric); err != nil {
				return nil, err
			}
			t.Transformed = true
			return json.Marshal(&t)
		},
	}[mode]
	if !ok {
		return fmt.Errorf("unknown mode %q", mode)
	}
	cl, err := kgo.NewClient(
		kgo.SeedBrokers(brokers),
		kgo.ConsumeTopics(in),
		kgo.ConsumerGroup("loops-"+out),
		kgo.ConsumeResetOffset(kgo.NewOffset().AtStart()),
		kgo.FetchIsolationLevel(kgo.ReadCommitted()),
		kgo.MaxBufferedRecords(100_000),
	)
	if err != nil {
		return err
	}
	defer cl.Close()
	ctx, cancel := context.WithCancelCause(context.Background())
	defer cancel(nil)
	var acked atomic.Int64
	done := make(chan struct{})
	for seen := int64(0); seen < n; {
		fs := cl.PollFetches(ctx)
		if err := fs.Err(); err != nil {
			return err
		}
		fs.EachRecord(func(r *kgo.Record) {
			v, err := transform(r.Value)
			if err != nil {
				cancel(err)
				return
			}
			cl.Produce(ctx, &kgo.Record{Topic: out, Key: r.Key, Value: v, Headers: r.Headers, Timestamp: r.Timestamp}, func(_ *kgo.Record, err error) {
				if err != nil {
					cancel(err)
				}
				if acked.Add(1) == n {
					close(done)
				}
			})
			seen++
		})
	}
	select {
	case <-done:
		return cl.CommitUncommittedOffsets(ctx)
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}
