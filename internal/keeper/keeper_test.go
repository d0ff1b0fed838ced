package keeper_test

import (
	"context"
	"net"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/levada-io/levada/internal/keeper"
)

const session = 10 * time.Second

type listener struct {
	net.Listener
	k *keeper.Keeper
}

func (l listener) Accept() (net.Conn, error) {
	c, err := l.Listener.Accept()
	if err != nil {
		return nil, err
	}
	return l.k.Wrap(c), nil
}

type world struct {
	t       *testing.T
	net     kfake.VirtualNetwork
	cluster *kfake.Cluster
}

func newWorld(t *testing.T) *world {
	w := &world{t: t}
	k := keeper.New()
	var err error
	w.cluster, err = kfake.NewCluster(
		kfake.NumBrokers(1), kfake.Ports(9092),
		kfake.ListenFn(func(network, addr string) (net.Listener, error) {
			ln, err := w.net.Listen(network, addr)
			return listener{ln, k}, err
		}),
	)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(w.cluster.Close)
	if err := k.Start(w.cluster, w.net.DialContext); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(k.Close)
	return w
}

// members are the ids of the group's.
func (w *world) members() (ids []string) {
	for _, m := range w.cluster.GroupInfo("g").Members {
		ids = append(ids, m.MemberID)
	}
	return ids
}

// client is a member that does what the test says, and nothing else.
type client struct {
	w          *world
	cl         *kgo.Client
	id         string
	generation int32

	conns []net.Conn
}

func (w *world) client() *client {
	c := &client{w: w}
	var err error
	c.cl, err = kgo.NewClient(kgo.SeedBrokers("127.0.0.1:9092"), kgo.Dialer(func(ctx context.Context, network, addr string) (net.Conn, error) {
		conn, err := w.net.DialContext(ctx, network, addr)
		c.conns = append(c.conns, conn)
		return conn, err
	}))
	if err != nil {
		w.t.Fatal(err)
	}
	w.t.Cleanup(c.cl.Close)
	if _, err := kmsg.NewPtrMetadataRequest().RequestWith(w.t.Context(), c.cl); err != nil {
		w.t.Fatal(err)
	}
	return c
}

func (c *client) ask(req kmsg.Request) (kmsg.Response, error) {
	return c.cl.Broker(0).Request(c.w.t.Context(), req)
}

// join returns the error of the broker, or that of a request without an answer.
func (c *client) join() error {
	req := kmsg.NewPtrJoinGroupRequest()
	req.Group, req.ProtocolType, req.MemberID = "g", "consumer", c.id
	req.SessionTimeoutMillis, req.RebalanceTimeoutMillis = int32(session.Milliseconds()), 60_000
	p := kmsg.NewJoinGroupRequestProtocol()
	p.Name, p.Metadata = "range", []byte{0, 0, 0, 0, 0, 0, 0, 0}
	req.Protocols = append(req.Protocols, p)
	resp, err := c.ask(req)
	if err != nil {
		return err
	}
	r := resp.(*kmsg.JoinGroupResponse)
	c.id, c.generation = r.MemberID, r.Generation
	if err := kerr.ErrorForCode(r.ErrorCode); err != kerr.MemberIDRequired {
		return err
	}
	return c.join()
}

func (c *client) sync() error {
	req := kmsg.NewPtrSyncGroupRequest()
	req.Group, req.MemberID, req.Generation = "g", c.id, c.generation
	resp, err := c.ask(req)
	if err != nil {
		return err
	}
	return kerr.ErrorForCode(resp.(*kmsg.SyncGroupResponse).ErrorCode)
}

func (c *client) heartbeat() error {
	req := kmsg.NewPtrHeartbeatRequest()
	req.Group, req.MemberID, req.Generation = "g", c.id, c.generation
	resp, err := c.ask(req)
	if err != nil {
		return err
	}
	return kerr.ErrorForCode(resp.(*kmsg.HeartbeatResponse).ErrorCode)
}

// together joins and syncs clients at the same time.
func together(t *testing.T, cs ...*client) {
	t.Helper()
	for _, do := range []func(*client) error{(*client).join, (*client).sync} {
		errs := make(chan error)
		for _, c := range cs {
			go func() { errs <- do(c) }()
		}
		for range cs {
			if err := <-errs; err != nil {
				t.Fatal(err)
			}
		}
	}
}

// TestWaitsForItsJoin: a member that waits for others for longer than its session gets
// its answer.
func TestWaitsForItsJoin(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		a, b := w.client(), w.client()
		together(t, a)
		waits := make(chan error, 1)
		go func() { waits <- b.join() }()
		synctest.Wait()
		together(t, a)
		if err := <-waits; err != nil {
			t.Fatal(err)
		}
		if err := b.sync(); err != nil {
			t.Fatal(err)
		}
		go func() { waits <- a.join() }()
		for range 8 { // b drains for 24 s before it joins again
			time.Sleep(3 * time.Second)
			if err := b.heartbeat(); err != kerr.RebalanceInProgress {
				t.Fatalf("heartbeat: %v, want a rebalance in progress", err)
			}
		}
		select {
		case err := <-waits:
			t.Fatalf("joined before the other: %v", err)
		default:
		}
		if err := b.join(); err != nil {
			t.Fatal(err)
		}
		select {
		case err := <-waits:
			if err != nil {
				t.Error(err)
			}
		case <-time.After(time.Minute):
			t.Error("the join is not answered")
		}
	})
}

// TestGoneWhileItWaited: members whose connections broke while they waited are
// forgotten after their session. Without the keeper it is a matter of chance, for each.
func TestGoneWhileItWaited(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		a := w.client()
		together(t, a)
		for range 6 {
			b := w.client()
			go b.join()
			synctest.Wait()
			for _, c := range b.conns {
				c.Close()
			}
			b.cl.Close()
		}
		together(t, a)
		if n := len(w.members()); n != 7 {
			t.Fatalf("%d members before a session is over, want all 7", n)
		}
		for range 5 {
			time.Sleep(3 * time.Second)
			if err := a.heartbeat(); err == kerr.RebalanceInProgress {
				together(t, a)
			}
		}
		if got := w.members(); !slices.Equal(got, []string{a.id}) {
			t.Errorf("members %q, 15s after the end of all but one; want %q", got, a.id)
		}
	})
}
