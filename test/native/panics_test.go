package native

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/levada-io/levada"
	"github.com/levada-io/levada/broker"
	"github.com/levada-io/levada/codec/protobuf"
	"github.com/levada-io/levada/internal/deadletter"
	"github.com/levada-io/levada/plan/testdata/visitpb"
	"github.com/levada-io/levada/record"
)

// mood says itself whether it is zero, and can not always.
type mood string

func (m mood) MarshalText() ([]byte, error)  { return []byte(m), nil }
func (m *mood) UnmarshalText(b []byte) error { *m = mood(b); return nil }

func (m mood) IsZero() bool {
	if m == "bad" {
		panic("no mood")
	}
	return m == ""
}

type moody struct {
	ID   int  `json:"id"`
	Mood mood `json:"mood,omitzero"`
}

// hit has the methods of vtprotobuf, with a mistake in each.
type hit struct{ visitpb.Hit }

func (h *hit) UnmarshalVT(b []byte) error {
	if bytes.Contains(b, []byte("unreadable")) {
		panic("can not read this")
	}
	c, err := protobuf.New().Bind(reflect.TypeFor[visitpb.Hit]())
	if err != nil {
		return err
	}
	return c.Decode(b, &h.Hit)
}

func (h *hit) SizeVT() int {
	b, err := written(&h.Hit)
	if err != nil {
		return -1
	}
	return len(b)
}

func (h *hit) MarshalToSizedBufferVT(b []byte) (int, error) {
	if h.GetUser() == "unwritable" {
		panic("can not write this")
	}
	out, err := written(&h.Hit)
	return copy(b[len(b)-len(out):], out), err
}

func written(h *visitpb.Hit) ([]byte, error) {
	c, err := protobuf.New().Bind(reflect.TypeFor[visitpb.Hit]())
	if err != nil {
		return nil, err
	}
	return c.Append(nil, h)
}

// planted is a pipeline with a panic at some messages of ten, in a method that a codec calls.
type planted struct {
	pipeline func() *levada.Pipeline
	message  func(i int) ([]byte, error)
	bad      []int // messages
	step     string
	cause    string
	method   string // which the stack names
}

func plantedPanics() map[string]planted {
	hits := func(user string) func(i int) ([]byte, error) {
		return func(i int) ([]byte, error) {
			h := &visitpb.Hit{User: "fine", Ms: int64(i)}
			if i == 3 || i == 4 || i == 9 {
				h.User = user
			}
			return written(h)
		}
	}
	overHits := func() *levada.Pipeline {
		p := levada.New("planted")
		p.Source("in", levada.Topic("in")).Parse("parse", levada.Protobuf[*hit]()).
			Filter("all", func(levada.Message[*hit]) (bool, error) { return true, nil }).
			Serialize("serialize", levada.Protobuf[*hit]()).Sink("out", levada.Topic("out"))
		return p
	}
	return map[string]planted{
		"IsZero at a serialize": {
			func() *levada.Pipeline {
				p := levada.New("planted")
				p.Source("in", levada.Topic("in")).Parse("parse", levada.JSON[moody]()).
					Filter("all", func(levada.Message[moody]) (bool, error) { return true, nil }).
					Serialize("serialize", levada.JSON[moody]()).Sink("out", levada.Topic("out"))
				return p
			},
			func(i int) ([]byte, error) {
				mood := "good"
				if i == 3 || i == 4 || i == 9 {
					mood = "bad"
				}
				return fmt.Appendf(nil, `{"id":%d,"mood":%q}`, i, mood), nil
			},
			[]int{3, 4, 9}, "serialize", "panic in the encoder: no mood", "mood.IsZero",
		},
		"vtprotobuf at a parse":     {overHits, hits("unreadable"), []int{3, 4, 9}, "parse", "panic in the decoder: can not read this", "UnmarshalVT"},
		"vtprotobuf at a serialize": {overHits, hits("unwritable"), []int{3, 4, 9}, "serialize", "panic in the encoder: can not write this", "MarshalToSizedBufferVT"},
	}
}

// A panic in a method that a codec calls is the error of its message, under each policy.
//
// Fault: Go panic -> goes on: in a method of a type that a parse or a serialize calls: the message is a dead letter with the stack, or left out
func TestPanicsInCodecs(t *testing.T) {
	for name, c := range plantedPanics() {
		for _, policy := range []levada.Policy{levada.DeadLetter, levada.Skip} {
			t.Run(name+"/"+string(policy), func(t *testing.T) {
				b, cl, cfg := plant(t, c)
				if code := levada.Run(t.Context(), c.pipeline().OnError(policy), []string{"run", "--config", cfg, "--drain"}); code != 0 {
					t.Fatalf("exit code %d", code)
				}
				defer b.Close()
				var want, dead []string
				for i := range 10 {
					if slices.Contains(c.bad, i) {
						dead = append(dead, fmt.Sprint(i))
					} else {
						want = append(want, fmt.Sprint(i))
					}
				}
				if policy == levada.Skip {
					dead = nil
				}
				ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
				defer cancel()
				var out, letters []string
				for len(out) < len(want) || len(letters) < len(dead) {
					fs := cl.PollFetches(ctx)
					if err := fs.Err(); err != nil {
						t.Fatalf("delivered %v of %v, letters %v of %v: %v", out, want, letters, dead, err)
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
						letters = append(letters, string(l.Original.Key))
						message, err := c.message(int(l.Offset))
						if err != nil {
							t.Fatal(err)
						}
						if l.Step != c.step || l.Cause != c.cause || !strings.Contains(l.Traceback, c.method) || !bytes.Equal(l.Original.Value, message) {
							t.Errorf("letter %+v, want one of step %q: %s", l, c.step, c.cause)
						}
					})
				}
				if !slices.Equal(out, want) || !slices.Equal(letters, dead) {
					t.Errorf("delivered %v, letters %v\nwant      %v, letters %v", out, letters, want, dead)
				}
			})
		}
	}
}

// The run ends at the message where the policy says so, as it does for a panic in a step.
//
// Fault: Go panic -> exit 65: in a method of a type that a serialize calls: message and stack are told, says: panic in the encoder: no mood
func TestPanicsInCodecsEndTheRun(t *testing.T) {
	for name, c := range plantedPanics() {
		t.Run(name, func(t *testing.T) {
			b, _, cfg := plant(t, c)
			defer b.Close()
			r, w, err := os.Pipe()
			if err != nil {
				t.Fatal(err)
			}
			said := make(chan string)
			go func() {
				text, _ := io.ReadAll(r) // what is missing is told below
				said <- string(text)
			}()
			stderr := os.Stderr
			os.Stderr = w
			code := levada.Run(t.Context(), c.pipeline().OnError(levada.Fail), []string{"run", "--config", cfg, "--drain"})
			os.Stderr = stderr
			if err := w.Close(); err != nil {
				t.Fatal(err)
			}
			text := <-said
			if place := fmt.Sprintf("in[0]@%d", c.bad[0]); code != 65 || !strings.Contains(text, c.cause) || !strings.Contains(text, place) || !strings.Contains(text, c.method) || strings.Contains(text, "BUG") {
				t.Errorf("exit code %d, want 65 at %s with %q and its stack:\n%s", code, place, c.cause, text)
			}
		})
	}
}

// plant starts a broker with ten messages of which some are bad.
func plant(t *testing.T, c planted) (*broker.Broker, *kgo.Client, string) {
	t.Helper()
	b, err := broker.Start(broker.Options{Topics: map[string]int32{"in": 1, "out": 1, "dead": 1}})
	if err != nil {
		t.Fatal(err)
	}
	cl, err := kgo.NewClient(kgo.SeedBrokers(b.Addr()), kgo.ConsumeTopics("out", "dead"), kgo.ConsumeResetOffset(kgo.NewOffset().AtStart()))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(cl.Close)
	for i := range 10 {
		value, err := c.message(i)
		if err != nil {
			t.Fatal(err)
		}
		if err := cl.ProduceSync(t.Context(), &kgo.Record{Topic: "in", Key: []byte(fmt.Sprint(i)), Value: value}).FirstErr(); err != nil {
			t.Fatal(err)
		}
	}
	cfg := filepath.Join(t.TempDir(), "deployment.yaml")
	text := fmt.Sprintf("kafka: {brokers: [%q], group: planted}\ndead_letter: {topic: dead}\n", b.Addr())
	if err := os.WriteFile(cfg, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return b, cl, cfg
}
