package kafka

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/levada-io/levada/connector"
	"github.com/levada-io/levada/record"
)

// allCodes are the errors that a broker may answer with.
func allCodes() []*kerr.Error {
	var all []*kerr.Error
	for code := int16(-1); code < 250; code++ {
		if e := kerr.TypedErrorForCode(code); e != nil && e.Code == code {
			all = append(all, e)
		}
	}
	return all
}

// asks are the requests that a run makes, those of an endless one and those of one that
// stops at the end of what is there: that one must not take the loss of its partitions
// for the end.
var asks = []struct {
	key   kmsg.Key
	drain bool
}{
	{kmsg.Metadata, true}, {kmsg.ListOffsets, true}, {kmsg.InitProducerID, true}, {kmsg.DescribeConfigs, true},
	{kmsg.FindCoordinator, true}, {kmsg.LeaveGroup, true}, {kmsg.OffsetFetch, true},
	{kmsg.Produce, true}, {kmsg.Produce, false},
	{kmsg.Fetch, true}, {kmsg.Fetch, false},
	{kmsg.JoinGroup, true}, {kmsg.SyncGroup, true},
	{kmsg.OffsetCommit, true}, {kmsg.OffsetCommit, false},
	{kmsg.Heartbeat, true}, {kmsg.Heartbeat, false},
	{kmsg.ConsumerGroupHeartbeat, true}, {kmsg.ConsumerGroupHeartbeat, false},
}

// TestEveryCodeOnEveryRequest: whatever a broker answers a few times, the run either goes
// on and delivers everything, or ends with an error that says what is wrong, with a
// reason. It never hangs, and at no moment is more committed than delivered; what a run
// leaves is delivered by the next.
//
// Fault: every error code on every request -> goes on: or ends with a code and the reason; what it leaves is delivered by the next run
func TestEveryCodeOnEveryRequest(t *testing.T) {
	codes := allCodes()
	if len(codes) < 120 {
		t.Fatalf("%d codes, expected all that there are", len(codes))
	}
	for _, ask := range asks {
		name := ask.key.Name()
		if ask.drain {
			name += "/drain"
		}
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			ends := map[string][]string{}
			for _, code := range codes {
				var wrong []string
				synctest.Test(t, func(t *testing.T) { // a failure in there would end it all
					h := &hiccup{t: t, key: ask.key, drain: ask.drain, code: code}
					end := h.run()
					ends[end], wrong = append(ends[end], code.Message), h.wrong
				})
				if ask.key == kmsg.Produce && code == kerr.DuplicateSequenceNumber {
					// It says that the records are there, and the client believes it.
					wrong = nil
				}
				for _, w := range wrong {
					t.Errorf("%s: %s", code.Message, w)
				}
			}
			for end, names := range ends {
				t.Logf("%s: %d: %s", end, len(names), strings.Join(names, " "))
			}
		})
	}
}

var errHangs = errors.New("hangs")

const hiccups = 3 // how often the broker answers so

// hiccup is a run whose broker answers one kind of request with one code, a few times.
type hiccup struct {
	t     *testing.T
	key   kmsg.Key
	drain bool
	code  *kerr.Error
	wrong []string
}

func (h *hiccup) bad(format string, args ...any) {
	h.wrong = append(h.wrong, fmt.Sprintf(format, args...))
}

// run says how it ended.
func (h *hiccup) run() string {
	t := h.t
	var net kfake.VirtualNetwork
	f, err := kfake.NewCluster(kfake.NumBrokers(1), kfake.Ports(9092), kfake.ListenFn(net.Listen),
		kfake.ClusterID(embeddedCluster), kfake.SeedTopics(1, "in", "out"))
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	cl, err := kgo.NewClient(kgo.SeedBrokers(f.ListenAddrs()...), kgo.Dialer(net.DialContext), kgo.DisableClientMetrics())
	if err != nil {
		t.Fatal(err)
	}
	defer cl.Close()
	values := numbers("v", 3)
	for _, v := range values {
		if err := cl.ProduceSync(t.Context(), &kgo.Record{Topic: "in", Value: []byte(v)}).FirstErr(); err != nil {
			t.Fatal(err)
		}
	}
	protocol := CooperativeSticky
	if h.key == kmsg.ConsumerGroupHeartbeat {
		protocol = KIP848
	}
	c := &cluster{addr: f.ListenAddrs()[0]}
	try := func(drain bool) error {
		// A record takes longer than a heartbeat and a commit.
		j := &job{in: "in", out: "out", group: "g", drain: drain, stop: make(chan struct{}),
			each: func(record.Record) { time.Sleep(4 * time.Second) },
			change: []func(*Options){func(o *Options) {
				o.Protocol, o.Dial, o.Log = protocol, net.DialContext, func(string, ...any) {}
			}}}
		ctx, cancel := context.WithTimeout(t.Context(), 20*time.Minute)
		defer cancel()
		j.session = c.open(t, j.change...)
		end := make(chan error, 1)
		go func() { end <- j.run(ctx) }()
		tick := time.NewTicker(5 * time.Second)
		defer tick.Stop()
		for stopped := drain; ; {
			select {
			case err := <-end:
				if ctx.Err() != nil {
					err = errHangs
				}
				return err
			case <-tick.C:
				if !stopped && containsAll(readAll(t, cl, "out"), values) {
					stopped = true
					close(j.stop)
				}
			}
		}
	}
	// Nothing is committed that is not delivered.
	account := func() (delivered []string, committed int64) {
		delivered = readAll(t, cl, "out")
		offs, err := kadm.NewClient(cl).FetchOffsets(t.Context(), "g")
		if err != nil && !errors.Is(err, kerr.GroupIDNotFound) {
			t.Fatal(err)
		}
		if o, ok := offs.Lookup("in", 0); ok {
			committed = o.At
		}
		for i := range committed {
			if !slices.Contains(delivered, values[i]) {
				h.bad("committed %d, but %s is not delivered", committed, values[i])
			}
		}
		return delivered, committed
	}
	// Both, since an answer may have a code of its own and one per entity.
	faults := f.Fault(
		kfake.Fault{Keys: []kmsg.Key{h.key}, Err: h.code, Count: hiccups},
		kfake.Fault{Keys: []kmsg.Key{h.key}, Err: h.code, Count: hiccups, TopLevel: true},
	)
	err = try(h.drain)
	if faults.Hits() == 0 {
		h.bad("the run does not ask")
	}
	faults.Remove()
	end := "goes on"
	if err != nil {
		account()
		e, ok := errors.AsType[*connector.Error](err)
		switch {
		case err == errHangs:
			h.bad("%v", err)
		case !ok || e.Reason == 0:
			h.bad("ends without a reason: %v", err)
		default:
			end = fmt.Sprintf("ends with reason %d", e.Reason)
		}
		if err := try(true); err != nil {
			h.bad("the next run: %v", err)
		}
	}
	if delivered, committed := account(); committed != int64(len(values)) || !containsAll(delivered, values) {
		h.bad("delivered %q, committed %d of %d", delivered, committed, len(values))
	}
	return end
}

func containsAll(all, want []string) bool {
	for _, v := range want {
		if !slices.Contains(all, v) {
			return false
		}
	}
	return true
}

// readAll reads a topic with one partition to its end.
func readAll(t *testing.T, cl *kgo.Client, topic string) []string {
	t.Helper()
	ends, err := kadm.NewClient(cl).ListEndOffsets(t.Context(), topic)
	if err != nil {
		t.Fatal(err)
	}
	end, _ := ends.Lookup(topic, 0)
	cl.AddConsumePartitions(map[string]map[int32]kgo.Offset{topic: {0: kgo.NewOffset().AtStart()}})
	defer cl.RemoveConsumePartitions(map[string][]int32{topic: {0}})
	var got []string
	for int64(len(got)) < end.Offset {
		fs := cl.PollFetches(t.Context())
		if err := fs.Err(); err != nil {
			t.Fatal(err)
		}
		fs.EachRecord(func(r *kgo.Record) { got = append(got, string(r.Value)) })
	}
	return got
}
