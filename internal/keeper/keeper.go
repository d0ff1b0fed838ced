// Package keeper gives the groups of the embedded Kafka the patience that Kafka's have.
//
// Kafka never forgets a member while it waits for the answer to a join or a sync, and
// forgets one that is gone as soon as its session has timed out. The cluster behind the
// embedded broker has one timer for both: it drops a member that waits for longer than
// its session, whose join is then never answered, and keeps one for ever whose
// connection broke while it waited. Either stops a group for minutes once members are
// killed. The keeper sees the requests of the group protocol as they come in, says
// heartbeats for those that wait, and says good-bye for those that are gone.
package keeper

import (
	"cmp"
	"context"
	"encoding/binary"
	"fmt"
	"net"
	"slices"
	"sync"
	"time"

	"github.com/twmb/franz-go/pkg/kbin"
	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"
)

const (
	// turn is how often the keeper looks after members; the shortest session that the
	// cluster allows is six times as long.
	turn = time.Second

	// maxFrame is how large a request may be that the keeper reads along; a join says
	// little more than the names of topics.
	maxFrame = 1 << 20

	// defaultSession stands for the session time-out of a member that has joined over
	// another connection.
	defaultSession = 45 * time.Second
)

// member is a member of a group by its id.
type member struct{ group, id string }

// Keeper looks after the groups of one cluster.
type Keeper struct {
	cluster *kfake.Cluster
	client  *kgo.Client
	stop    context.CancelFunc
	done    chan struct{}

	mu      sync.Mutex // guards all below
	waiting map[member]*Conn
	gone    map[member]time.Time // when to say good-bye
}

// New makes a keeper. Its connections are wrapped before it starts: a cluster listens
// before it can be asked anything.
func New() *Keeper {
	return &Keeper{
		done:    make(chan struct{}),
		waiting: map[member]*Conn{}, gone: map[member]time.Time{},
	}
}

// Start begins to look after the groups. dial is how the cluster is reached; nil is the
// network.
func (k *Keeper) Start(c *kfake.Cluster, dial func(ctx context.Context, network, addr string) (net.Conn, error)) error {
	opts := []kgo.Opt{kgo.SeedBrokers(c.ListenAddrs()...), kgo.ClientID("keeper"), kgo.DisableClientMetrics()}
	if dial != nil {
		opts = append(opts, kgo.Dialer(dial))
	}
	client, err := kgo.NewClient(opts...)
	if err != nil {
		return fmt.Errorf("BUG: keeper: %w", err)
	}
	ctx, stop := context.WithCancel(context.Background())
	k.cluster, k.client, k.stop = c, client, stop
	go k.run(ctx)
	return nil
}

// Close ends the looking after. It comes before the end of the cluster, which would not
// answer any more.
func (k *Keeper) Close() {
	k.stop()
	<-k.done
	k.client.Close()
}

func (k *Keeper) run(ctx context.Context) {
	defer close(k.done)
	tick := time.NewTicker(turn)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
		wait, due := k.look(time.Now())
		for _, m := range wait {
			k.heartbeat(ctx, m)
		}
		for _, m := range due {
			k.leave(ctx, m)
		}
	}
}

// look returns who waits and who has to go.
func (k *Keeper) look(now time.Time) (wait, due []member) {
	k.mu.Lock()
	defer k.mu.Unlock()
	for m := range k.waiting {
		wait = append(wait, m)
	}
	for m, at := range k.gone {
		if !now.Before(at) {
			due = append(due, m)
		}
	}
	return wait, due
}

func (k *Keeper) heartbeat(ctx context.Context, m member) {
	g := k.cluster.GroupInfo(m.group)
	if g == nil {
		return
	}
	req := kmsg.NewPtrHeartbeatRequest()
	req.Group, req.MemberID, req.Generation = m.group, m.id, g.Epoch
	k.ask(ctx, m, req)
}

// leave says good-bye for a member, and again at the next turn until the group has heard
// it.
func (k *Keeper) leave(ctx context.Context, m member) {
	g := k.cluster.GroupInfo(m.group)
	if g == nil || !slices.ContainsFunc(g.Members, func(o kfake.GroupMember) bool { return o.MemberID == m.id }) {
		k.mu.Lock()
		defer k.mu.Unlock()
		delete(k.gone, m)
		return
	}
	req := kmsg.NewPtrLeaveGroupRequest()
	req.Group = m.group
	rm := kmsg.NewLeaveGroupRequestMember()
	rm.MemberID = m.id
	req.Members = append(req.Members, rm)
	k.ask(ctx, m, req)
}

// ask sends a request whose answer changes nothing: whoever is no member any more needs
// no help.
func (k *Keeper) ask(ctx context.Context, m member, req kmsg.Request) {
	ctx, cancel := context.WithTimeout(ctx, turn)
	defer cancel()
	k.client.Broker(int(k.cluster.CoordinatorFor(m.group))).Request(ctx, req)
}

// Wrap returns the connection that the cluster is to read from.
func (k *Keeper) Wrap(c net.Conn) *Conn { return &Conn{Conn: c, keeper: k} }

// Conn is a connection whose requests the keeper reads along.
//
// # Concurrency
//
// One reader and one writer at a time, as the cluster does it, and each answer in one
// Write.
type Conn struct {
	net.Conn
	keeper *Keeper

	head [6]byte // length and key of the request that is read
	have int     // bytes of head
	left int64   // bytes of the request behind its head
	body []byte  // of a request that the keeper wants to know; nil of others

	// guarded by keeper.mu
	member  member // who waits for an answer
	waiting bool
	number  uint32 // of the request that it waits for
	session time.Duration
}

// Read implements net.Conn.
func (c *Conn) Read(p []byte) (int, error) {
	n, err := c.Conn.Read(p)
	c.follow(p[:n])
	return n, err
}

// Write implements net.Conn.
func (c *Conn) Write(p []byte) (int, error) {
	if len(p) >= 8 {
		c.keeper.answered(c, binary.BigEndian.Uint32(p[4:]))
	}
	return c.Conn.Write(p)
}

// Close implements net.Conn.
func (c *Conn) Close() error {
	c.keeper.closed(c)
	return c.Conn.Close()
}

// follow keeps track of where requests begin.
func (c *Conn) follow(b []byte) {
	for len(b) > 0 {
		if c.have < len(c.head) {
			n := copy(c.head[c.have:], b)
			c.have, b = c.have+n, b[n:]
			if c.have < len(c.head) {
				return
			}
			c.left = int64(binary.BigEndian.Uint32(c.head[:])) - 2
			switch kmsg.Key(binary.BigEndian.Uint16(c.head[4:])) {
			case kmsg.JoinGroup, kmsg.SyncGroup:
				if c.left <= maxFrame {
					c.body = make([]byte, 0, max(0, c.left))
				}
			}
		}
		n := min(int64(len(b)), max(0, c.left))
		if c.body != nil {
			c.body = append(c.body, b[:n]...)
		}
		c.left, b = c.left-n, b[n:]
		if c.left <= 0 {
			if c.body != nil {
				c.keeper.request(c, kmsg.Key(binary.BigEndian.Uint16(c.head[4:])), c.body)
			}
			c.have, c.body = 0, nil
		}
	}
}

// request takes note of who waits from now on.
func (k *Keeper) request(c *Conn, key kmsg.Key, body []byte) {
	r := kbin.Reader{Src: body}
	version := r.Int16()
	number := uint32(r.Int32())
	r.NullableString() // of the client
	req := kmsg.RequestForKey(key.Int16())
	if version < 0 || version > req.MaxVersion() || !r.Ok() {
		return
	}
	req.SetVersion(version)
	if req.IsFlexible() {
		kmsg.SkipTags(&r)
	}
	if err := req.ReadFrom(r.Src); err != nil || !r.Ok() {
		return
	}
	var m member
	var session time.Duration
	switch req := req.(type) {
	case *kmsg.JoinGroupRequest:
		m = member{req.Group, req.MemberID}
		session = time.Duration(req.SessionTimeoutMillis) * time.Millisecond
	case *kmsg.SyncGroupRequest:
		m = member{req.Group, req.MemberID}
	}
	if m.id == "" {
		return // it gets an id first, and no member waits for that
	}
	k.mu.Lock()
	defer k.mu.Unlock()
	if session > 0 {
		c.session = session
	}
	delete(k.gone, m)
	k.waiting[m] = c
	c.member, c.number, c.waiting = m, number, true
}

func (k *Keeper) answered(c *Conn, number uint32) {
	k.mu.Lock()
	defer k.mu.Unlock()
	if c.waiting && c.number == number {
		k.forget(c)
	}
}

func (k *Keeper) closed(c *Conn) {
	k.mu.Lock()
	defer k.mu.Unlock()
	if c.waiting && k.forget(c) {
		k.gone[c.member] = time.Now().Add(cmp.Or(c.session, defaultSession))
	}
}

// forget says that nobody waits on a connection any more; false where the member waits
// on another one by now.
func (k *Keeper) forget(c *Conn) bool {
	c.waiting = false
	if k.waiting[c.member] != c {
		return false
	}
	delete(k.waiting, c.member)
	return true
}
