// Package native holds pipelines in Go from end to end: the public DSL, the planner,
// the engine and the Kafka connector, against the embedded broker.
package native

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/levada-io/levada"
	"github.com/levada-io/levada/broker"
)

type metric struct {
	ID    int               `json:"id"`
	Type  string            `json:"type"`
	Value float64           `json:"value"`
	Tags  map[string]string `json:"tags"`
}

type transformed struct {
	metric
	Transformed bool `json:"transformed"`
}

func isCounter(m levada.Message[metric]) (bool, error) { return m.Payload().Type == "c", nil }

func transform(m levada.Message[metric]) (transformed, error) {
	return transformed{m.Payload(), true}, nil
}

func refuse(m levada.Message[metric]) (metric, error) {
	if m.Payload().ID == 30 {
		return metric{}, fmt.Errorf("no %d", m.Payload().ID)
	}
	return m.Payload(), nil
}

func pipeline() *levada.Pipeline {
	p := levada.New("native")
	p.Source("in", levada.Topic("in")).
		Parse("parse", levada.JSON[metric]()).
		Filter("counters", isCounter).
		Map("transform", transform).
		Serialize("serialize", levada.JSON[transformed]()).
		Sink("out", levada.Topic("out"))
	return p
}

// cluster starts a broker with the topics in and out.
func cluster(t *testing.T) (addr string, cl *kgo.Client) {
	t.Helper()
	b, err := broker.Start(broker.Options{Topics: map[string]int32{"in": 4, "out": 1}})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { b.Close() })
	cl, err = kgo.NewClient(kgo.SeedBrokers(b.Addr()), kgo.ConsumeTopics("out"),
		kgo.ConsumeResetOffset(kgo.NewOffset().AtStart()))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(cl.Close)
	return b.Addr(), cl
}

func produce(t *testing.T, cl *kgo.Client, from, to int) {
	t.Helper()
	var rs []*kgo.Record
	for i := from; i < to; i++ {
		v := fmt.Sprintf(`{"id":%d,"type":"%c","value":1.5,"tags":{"b":"2","a":"1"}}`, i, "cg"[i%2])
		rs = append(rs, &kgo.Record{
			Topic: "in", Key: []byte(fmt.Sprint(i)), Value: []byte(v),
			Headers: []kgo.RecordHeader{{Key: "n", Value: []byte(fmt.Sprint(i))}},
		})
	}
	if err := cl.ProduceSync(t.Context(), rs...).FirstErr(); err != nil {
		t.Fatal(err)
	}
}

// outputs reads n records of out and returns them by id.
func outputs(t *testing.T, cl *kgo.Client, n int) map[string]*kgo.Record {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	defer cancel()
	got := map[string]*kgo.Record{}
	for seen := 0; seen < n; {
		fs := cl.PollFetches(ctx)
		if err := fs.Err(); err != nil {
			t.Fatalf("after %d of %d records: %v", seen, n, err)
		}
		fs.EachRecord(func(r *kgo.Record) {
			seen++
			if got[string(r.Key)] != nil {
				t.Errorf("record %s came twice", r.Key)
			}
			got[string(r.Key)] = r
		})
	}
	return got
}

func run(t *testing.T, p *levada.Pipeline, addr string, args ...string) int {
	t.Helper()
	cfg := filepath.Join(t.TempDir(), "deployment.yaml")
	text := fmt.Sprintf("kafka: {brokers: [%q], group: native}\nlanes: 2\n", addr)
	if err := os.WriteFile(cfg, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return levada.Run(t.Context(), p, append([]string{"run", "--config", cfg, "--drain"}, args...))
}

func TestKafkaToKafka(t *testing.T) {
	addr, cl := cluster(t)
	produce(t, cl, 0, 1000)
	if code := run(t, pipeline(), addr); code != 0 {
		t.Fatalf("exit code %d", code)
	}
	got := outputs(t, cl, 500)
	r := got["10"]
	if want := `{"id":10,"type":"c","value":1.5,"tags":{"a":"1","b":"2"},"transformed":true}`; r == nil || string(r.Value) != want {
		t.Errorf("got %v, want %s", r, want)
	}
	if len(r.Headers) != 1 || r.Headers[0].Key != "n" || string(r.Headers[0].Value) != "10" {
		t.Errorf("headers %v", r.Headers)
	}
	// A second run goes on where the first one stopped.
	produce(t, cl, 1000, 1100)
	if code := run(t, pipeline(), addr); code != 0 {
		t.Fatalf("exit code %d", code)
	}
	for key := range outputs(t, cl, 50) {
		if len(key) < 4 {
			t.Errorf("record %s was delivered again", key)
		}
	}
}

func TestPoisonStopsWithNothingLost(t *testing.T) {
	addr, cl := cluster(t)
	produce(t, cl, 0, 100)
	p := levada.New("native")
	p.Source("in", levada.Topic("in")).
		Parse("parse", levada.JSON[metric]()).
		Map("refuse", refuse).
		Serialize("serialize", levada.JSON[metric]()).
		Sink("out", levada.Topic("out"))
	if code := run(t, p, addr); code != 65 {
		t.Fatalf("exit code %d, want 65", code)
	}
	if code := run(t, pipeline(), addr); code != 0 {
		t.Fatalf("exit code %d", code)
	}
	// What the first run has delivered is not in question; the poison itself comes out of
	// the second.
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	defer cancel()
	for {
		fs := cl.PollFetches(ctx)
		if err := fs.Err(); err != nil {
			t.Fatalf("the poison was lost: %v", err)
		}
		found := false
		fs.EachRecord(func(r *kgo.Record) {
			found = found || string(r.Key) == "30" && strings.Contains(string(r.Value), "transformed")
		})
		if found {
			return
		}
	}
}

func TestTopicMissing(t *testing.T) {
	addr, _ := cluster(t)
	p := levada.New("native")
	p.Source("in", levada.Topic("nowhere")).Sink("out", levada.Topic("out"))
	if code := run(t, p, addr); code != 78 {
		t.Errorf("exit code %d, want 78", code)
	}
}
