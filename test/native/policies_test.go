package native

import (
	"context"
	"errors"
	"fmt"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/levada-io/levada"
	"github.com/levada-io/levada/broker"
	"github.com/levada-io/levada/internal/deadletter"
	"github.com/levada-io/levada/record"
)

// What goes wrong with message n, at the step of that name.
var mishaps = []string{"parse", "filter", "flat_map", "again", "map", "route", "branch", "serialize", "out"}

type order struct {
	ID   int     `json:"id"`
	Fail string  `json:"fail"`
	Sum  float64 `json:"sum"`
	Pad  string  `json:"pad"`
}

// everywhere is a pipeline that has a failing message at every kind of step. again counts
// the calls for the one that works at the third.
func everywhere(again *atomic.Int32) *levada.Pipeline {
	hurt := func(step string) func(levada.Message[order]) error {
		return func(m levada.Message[order]) error {
			if m.Payload().Fail == step {
				return fmt.Errorf("%s does not like %d", step, m.Payload().ID)
			}
			return nil
		}
	}
	same := func(step string) func(levada.Message[order]) (order, error) {
		return func(m levada.Message[order]) (order, error) { return m.Payload(), hurt(step)(m) }
	}
	p := levada.New("everywhere")
	p.Source("in", levada.Topic("in")).
		Parse("parse", levada.JSON[order]()).
		Filter("filter", func(m levada.Message[order]) (bool, error) { return true, hurt("filter")(m) }).
		FlatMap("flat_map", func(m levada.Message[order]) ([]order, error) {
			return []order{m.Payload()}, hurt("flat_map")(m)
		}).
		Map("again", func(m levada.Message[order]) (order, error) {
			if m.Payload().Fail == "again" && again.Add(1) < 3 {
				return order{}, levada.Retry(errors.New("not now"))
			}
			return m.Payload(), nil
		}).
		Map("map", func(m levada.Message[order]) (order, error) {
			v := m.Payload()
			switch v.Fail {
			case "map":
				panic("no such thing")
			case "serialize":
				v.Sum = math.NaN() // JSON has no such number
			case "out":
				v.Pad = strings.Repeat("x", 2<<20) // more than a topic takes
			}
			return v, nil
		}).
		Route("route", func(m levada.Message[order]) (bool, error) { return m.Payload().Fail != "route", nil }).
		Case(true, func(s levada.Stream[order]) {
			s.Broadcast("both").
				Branch("a", func(s levada.Stream[order]) {
					s.Map("branch", same("branch")).
						Serialize("serialize", levada.JSON[order]()).
						Sink("out", levada.Topic("out"))
				}).
				Branch("b", func(s levada.Stream[order]) {
					s.Filter("none", func(levada.Message[order]) (bool, error) { return false, nil }).
						Serialize("rest", levada.JSON[order]()).
						Sink("other", levada.Topic("rest"))
				})
		})
	return p
}

// A failing message at every kind of step becomes a dead letter or is left out, and every
// other one is delivered.
//
// Fault: poison at encode -> goes on: a number that JSON does not have, under skip and under dead_letter
// Fault: poison in a filter -> goes on: an error of a Go function, under skip and under dead_letter
// Fault: Go panic -> goes on: the message is a dead letter with the stack, or left out
func TestPoliciesAtEveryStep(t *testing.T) {
	for _, policy := range []levada.Policy{levada.DeadLetter, levada.Skip} {
		t.Run(string(policy), func(t *testing.T) {
			b, err := broker.Start(broker.Options{Topics: map[string]int32{"in": 1, "out": 1, "rest": 1, "dead": 1}})
			if err != nil {
				t.Fatal(err)
			}
			t.Cleanup(func() { b.Close() })
			cl, err := kgo.NewClient(kgo.SeedBrokers(b.Addr()), kgo.ConsumeTopics("out", "dead"),
				kgo.ConsumeResetOffset(kgo.NewOffset().AtStart()))
			if err != nil {
				t.Fatal(err)
			}
			t.Cleanup(cl.Close)

			const n = 50
			for i := range n {
				v := fmt.Sprintf(`{"id":%d,"fail":"","sum":1,"pad":""}`, i)
				switch {
				case i == 0:
					v = `{"id":`
				case i < len(mishaps):
					v = fmt.Sprintf(`{"id":%d,"fail":%q,"sum":1,"pad":""}`, i, mishaps[i])
				}
				r := &kgo.Record{Topic: "in", Key: []byte(fmt.Sprint(i)), Value: []byte(v)}
				if err := cl.ProduceSync(t.Context(), r).FirstErr(); err != nil {
					t.Fatal(err)
				}
			}
			var again atomic.Int32
			p := everywhere(&again).OnError(policy)
			cfg := filepath.Join(t.TempDir(), "deployment.yaml")
			text := fmt.Sprintf("kafka: {brokers: [%q], group: everywhere}\ndead_letter: {topic: dead}\n", b.Addr())
			if err := os.WriteFile(cfg, []byte(text), 0o600); err != nil {
				t.Fatal(err)
			}
			if code := levada.Run(t.Context(), p, []string{"run", "--config", cfg, "--drain"}); code != 0 {
				t.Fatalf("exit code %d", code)
			}
			if again.Load() != 3 {
				t.Errorf("the message that works at the third call was called %d times", again.Load())
			}

			wantDead := len(mishaps) - 1 // one works in the end
			wantOut := n - wantDead
			if policy == levada.Skip {
				wantDead = 0
			}
			ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
			defer cancel()
			var out []string
			var letters []deadletter.Letter
			for len(out) < wantOut || len(letters) < wantDead {
				fs := cl.PollFetches(ctx)
				if err := fs.Err(); err != nil {
					t.Fatalf("%d delivered of %d, %d letters of %d: %v", len(out), wantOut, len(letters), wantDead, err)
				}
				fs.EachRecord(func(r *kgo.Record) {
					if r.Topic == "out" {
						out = append(out, string(r.Key))
						return
					}
					rec := record.Record{Key: r.Key, Value: r.Value, Timestamp: r.Timestamp}
					for _, h := range r.Headers {
						rec.Headers = append(rec.Headers, record.Header(h))
					}
					l, err := deadletter.Parse(rec)
					if err != nil {
						t.Fatal(err)
					}
					letters = append(letters, l)
				})
			}
			var want []string
			for i := range n {
				if i >= len(mishaps) || mishaps[i] == "again" {
					want = append(want, fmt.Sprint(i))
				}
			}
			if !slices.Equal(out, want) {
				t.Errorf("delivered %v\nwant      %v", out, want)
			}
			slices.SortFunc(letters, func(a, b deadletter.Letter) int { return int(a.Offset - b.Offset) })
			languages := map[string]string{"parse": "levada", "route": "levada", "serialize": "levada", "out": "levada"}
			for _, l := range letters {
				step := mishaps[l.Offset]
				language := languages[step]
				if language == "" {
					language = "go"
				}
				if l.Step != step || l.Language != language || string(l.Original.Key) != fmt.Sprint(l.Offset) || !strings.HasPrefix(l.Origin, "policies_test.go:") {
					t.Errorf("letter %+v, want one of step %q in %s", l, step, language)
				}
				if step == "map" && (!strings.Contains(l.Cause, "panic") || !strings.Contains(l.Traceback, "policies_test.go")) {
					t.Errorf("a panic: cause %q, traceback %q", l.Cause, l.Traceback)
				}
			}
		})
	}
}
