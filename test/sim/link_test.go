//go:build synctests

package sim

import (
	"context"
	"encoding/binary"
	"io"
	"math/rand/v2"
	"net"
	"slices"
	"strconv"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"github.com/twmb/franz-go/pkg/kfake"

	"github.com/levada-io/levada/internal/keeper"
)

// network is what all members are connected by.
type network struct {
	kfake.VirtualNetwork
	keeper *keeper.Keeper

	mu    sync.Mutex // guards all below
	links []*link
	down  map[int]bool // ports of brokers that nobody reaches
}

// link is one member's way to the brokers, with all that can happen to it.
type link struct {
	net *network

	mu    sync.Mutex // guards all below
	rng   *rand.Rand
	conns map[*conn]struct{}
	cut   bool                    // for good: the process is gone
	late  bool                    // what a gone process had handed to its kernel still arrives
	slow  map[int16]time.Duration // how long requests are on their way, by key; -1 stands for the others
	loss  float64                 // probability that a connection breaks around a request
	still chan struct{}           // closed when the line is not dead any more; nil while it is alive
}

// listen is for kfake.ListenFn.
func (n *network) listen(network, addr string) (net.Listener, error) {
	ln, err := n.Listen(network, addr)
	return &listener{ln, n.keeper}, err
}

type listener struct {
	net.Listener
	keeper *keeper.Keeper
}

func (l *listener) Accept() (net.Conn, error) {
	c, err := l.Listener.Accept()
	if err != nil {
		return nil, err
	}
	return l.keeper.Wrap(c), nil
}

func (n *network) link(rng *rand.Rand) *link {
	l := &link{net: n, rng: rng, conns: map[*conn]struct{}{}}
	n.mu.Lock()
	defer n.mu.Unlock()
	n.links = slices.DeleteFunc(n.links, func(l *link) bool { return l.gone() })
	n.links = append(n.links, l)
	return l
}

// outage takes a broker off the network, or brings it back.
func (n *network) outage(port int, on bool) {
	n.mu.Lock()
	if n.down == nil {
		n.down = map[int]bool{}
	}
	n.down[port] = on
	links := slices.Clone(n.links)
	n.mu.Unlock()
	if on {
		for _, l := range links {
			l.hangUp(func(c *conn) bool { return c.port == port })
		}
	}
}

func (l *link) gone() bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.cut
}

// dial is for kafka.Options.
func (l *link) dial(ctx context.Context, _, addr string) (net.Conn, error) {
	_, p, err := net.SplitHostPort(addr)
	if err != nil {
		return nil, err
	}
	port, err := strconv.Atoi(p)
	if err != nil {
		return nil, err
	}
	l.net.mu.Lock()
	down := l.net.down[port]
	l.net.mu.Unlock()
	refused := &net.OpError{Op: "dial", Net: "tcp", Err: syscall.ECONNREFUSED}
	if down || l.gone() {
		return nil, refused
	}
	server, err := l.net.DialContext(ctx, "tcp", addr)
	if err != nil {
		return nil, refused
	}
	ours, theirs := net.Pipe()
	c := &conn{link: l, port: port, inner: ours, server: server, closed: make(chan struct{})}
	l.mu.Lock()
	cut := l.cut
	if !cut {
		l.conns[c] = struct{}{}
	}
	l.mu.Unlock()
	if cut {
		server.Close()
		return nil, refused
	}
	go c.requests()
	go c.answers()
	return &end{theirs}, nil
}

// kill is what the network sees of kill -9: all connections end, nothing follows. late
// says that requests which are on their way still arrive.
func (l *link) kill(late bool) {
	l.mu.Lock()
	l.cut, l.late = true, late
	l.mu.Unlock()
	l.hangUp(func(*conn) bool { return true })
}

func (l *link) hangUp(which func(*conn) bool) {
	l.mu.Lock()
	var cs []*conn
	for c := range l.conns {
		if which(c) {
			cs = append(cs, c)
		}
	}
	l.mu.Unlock()
	for _, c := range cs {
		c.close()
	}
}

// freeze makes the line dead without ending a connection, or alive again.
func (l *link) freeze(on bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	switch {
	case on && l.still == nil:
		l.still = make(chan struct{})
	case !on && l.still != nil:
		close(l.still)
		l.still = nil
	}
}

func (l *link) frozen() chan struct{} {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.still
}

// trouble sets how slow and how unreliable the line is.
func (l *link) trouble(slow map[int16]time.Duration, loss float64) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.slow, l.loss = slow, loss
}

// conn is a connection, with a hand on what goes through.
type conn struct {
	link          *link
	port          int
	inner, server net.Conn // towards the member and towards the broker
	once          sync.Once
	closed        chan struct{}
	mute          atomic.Bool // answers are lost
}

// close ends the member's side; the broker's side follows when nothing is on its way.
func (c *conn) close() {
	c.once.Do(func() {
		close(c.closed)
		c.inner.Close()
	})
}

func (c *conn) requests() {
	defer func() {
		c.close()
		c.server.Close()
		c.link.mu.Lock()
		delete(c.link.conns, c)
		c.link.mu.Unlock()
	}()
	for {
		frame, err := readFrame(c.inner)
		if err != nil {
			return
		}
		before, after := c.fate()
		if !c.travel(int16(binary.BigEndian.Uint16(frame[4:]))) || before {
			return
		}
		c.mute.Store(after)
		if _, err := c.server.Write(frame); err != nil {
			return
		}
		if after {
			<-time.After(time.Millisecond) // the broker does what it was asked, and nobody hears of it
			return
		}
	}
}

// fate decides whether the connection breaks before or after the next request.
func (c *conn) fate() (before, after bool) {
	l := c.link
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.loss == 0 || l.rng.Float64() >= l.loss {
		return false, false
	}
	before = l.rng.IntN(2) == 0
	return before, !before
}

// latency is how long a request takes at least. A client that asks again at once, until
// a time limit of its own is over, would hold a clock for ever that does not move while
// somebody is busy.
const latency = 500 * time.Microsecond

// travel returns when a request has come to its broker; false when it never does.
func (c *conn) travel(key int16) bool {
	l := c.link
	l.mu.Lock()
	d, ok := l.slow[key]
	if !ok {
		d = l.slow[-1]
	}
	l.mu.Unlock()
	still := l.frozen()
	select {
	case <-time.After(d + latency):
	case <-c.closed:
	}
	if still != nil {
		select {
		case <-still:
		case <-c.closed:
		}
	}
	select {
	case <-c.closed:
		l.mu.Lock()
		defer l.mu.Unlock()
		return l.late
	default:
		return true
	}
}

func (c *conn) answers() {
	defer c.close()
	buf := make([]byte, 64<<10)
	for {
		n, err := c.server.Read(buf)
		if err != nil {
			return
		}
		if still := c.link.frozen(); still != nil {
			select {
			case <-still:
			case <-c.closed:
				return
			}
		}
		if c.mute.Load() {
			continue
		}
		if _, err := c.inner.Write(buf[:n]); err != nil {
			// The broker must not wait for a reader that is gone.
			io.Copy(io.Discard, c.server)
			return
		}
	}
}

func readFrame(r io.Reader) ([]byte, error) {
	var head [4]byte
	if _, err := io.ReadFull(r, head[:]); err != nil {
		return nil, err
	}
	n := binary.BigEndian.Uint32(head[:])
	frame := make([]byte, 4+n)
	copy(frame, head[:])
	_, err := io.ReadFull(r, frame[4:])
	return frame, err
}

// end is the member's end of a connection: it fails as one of TCP does.
type end struct{ net.Conn }

func (e *end) Write(b []byte) (int, error) {
	n, err := e.Conn.Write(b)
	if err == io.ErrClosedPipe {
		err = &net.OpError{Op: "write", Net: "tcp", Err: syscall.EPIPE}
	}
	return n, err
}
