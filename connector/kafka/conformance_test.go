package kafka

import (
	"context"
	"fmt"
	"sync/atomic"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"
	"go.uber.org/goleak"

	"github.com/levada-io/levada/broker"
	"github.com/levada-io/levada/connector"
	"github.com/levada-io/levada/connector/connectortest"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// cluster is what a test talks to: an embedded broker or a real one.
type cluster struct {
	addr string
}

var topics atomic.Int64

func embedded(t *testing.T) *cluster {
	t.Helper()
	b, err := broker.Start(broker.Options{Log: t.Logf})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := b.Close(); err != nil {
			t.Error(err)
		}
	})
	return &cluster{addr: b.Addr()}
}

func (c *cluster) options(t *testing.T) *Options {
	return &Options{Brokers: []string{c.addr}, Log: t.Logf, metadataAge: time.Second}
}

// client is a client of its own for what a connector does not do.
func (c *cluster) client(t *testing.T, opts ...kgo.Opt) *kgo.Client {
	t.Helper()
	cl, err := kgo.NewClient(append(opts, kgo.SeedBrokers(c.addr))...)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(cl.Close)
	return cl
}

// topic creates a topic with a name of its own.
func (c *cluster) topic(t *testing.T, partitions int32, config ...string) string {
	t.Helper()
	name := fmt.Sprintf("t%d-%d", time.Now().UnixNano(), topics.Add(1))
	configs := map[string]*string{}
	for i := 0; i+1 < len(config); i += 2 {
		configs[config[i]] = &config[i+1]
	}
	if _, err := kadm.NewClient(c.client(t)).CreateTopic(t.Context(), partitions, 1, configs, name); err != nil {
		t.Fatal(err)
	}
	return name
}

func (c *cluster) open(t *testing.T, change ...func(*Options)) connector.Session {
	t.Helper()
	o := c.options(t)
	for _, f := range change {
		f(o)
	}
	s, err := Open(t.Context(), o)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// removeMembers throws every member out of a group, as a broker does with one that it
// has not heard of for too long.
func (c *cluster) removeMembers(t *testing.T, group string) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	defer cancel()
	cl := c.client(t)
	gs, err := kadm.NewClient(cl).DescribeGroups(ctx, group)
	if err != nil {
		t.Fatal(err)
	}
	req := kmsg.NewPtrLeaveGroupRequest()
	req.Group = group
	for _, m := range gs[group].Members {
		lm := kmsg.NewLeaveGroupRequestMember()
		lm.MemberID = m.MemberID
		req.Members = append(req.Members, lm)
	}
	if len(req.Members) > 0 {
		if _, err := req.RequestWith(ctx, cl); err != nil {
			t.Fatal(err)
		}
		return
	}
	// The members of a KIP-848 group leave with a heartbeat that says so.
	desc := kmsg.NewPtrConsumerGroupDescribeRequest()
	desc.Groups = []string{group}
	resp, err := desc.RequestWith(ctx, cl)
	if err != nil || len(resp.Groups) != 1 || len(resp.Groups[0].Members) == 0 {
		t.Fatalf("group %q: expected members, got %+v, %v", group, resp, err)
	}
	for _, m := range resp.Groups[0].Members {
		hb := kmsg.NewPtrConsumerGroupHeartbeatRequest()
		hb.Group, hb.MemberID, hb.MemberEpoch = group, m.MemberID, -1
		if _, err := hb.RequestWith(ctx, cl); err != nil {
			t.Fatal(err)
		}
	}
}

func conformance(t *testing.T, c *cluster, change func(*Options)) {
	connectortest.Exercise(t, connectortest.Features{
		Keys: true, Headers: true, Nulls: true, Bytes: true, Timestamps: true,
		Groups: true, Latest: true, Members: true, Rewind: true, End: true,
		MaxRecord: 1_100_000,
	}, func(t *testing.T) connectortest.System {
		return connectortest.System{
			Stream:     c.topic(t, 4),
			Partitions: 4,
			Missing:    "no-such-topic",
			Open:       func(t *testing.T) connector.Session { return c.open(t, change) },
			Lose:       c.removeMembers,
		}
	})
}

// TestEmbeddedIsRecognised: nobody has to say so.
func TestEmbeddedIsRecognised(t *testing.T) {
	t.Parallel()
	for _, tc := range []struct {
		name string
		c    *cluster
		want bool
	}{
		{"embedded", embedded(t), true},
		{"other", func() *cluster { _, c := fake(t); return c }(), false},
	} {
		t.Run(tc.name, func(t *testing.T) {
			s := tc.c.open(t).(*session)
			defer s.Close(t.Context())
			if _, err := s.topic(t.Context(), tc.c.topic(t, 1)); err != nil {
				t.Fatal(err)
			}
			if got := s.embedded.Load(); got != tc.want {
				t.Errorf("taken for the embedded broker: %v, want %v", got, tc.want)
			}
		})
	}
}

func TestConformanceEmbedded(t *testing.T) {
	t.Parallel()
	for _, protocol := range []string{CooperativeSticky, Range, KIP848} {
		t.Run(protocol, func(t *testing.T) {
			t.Parallel()
			conformance(t, embedded(t), func(o *Options) { o.Protocol = protocol })
		})
	}
}
