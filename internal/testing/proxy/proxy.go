// Package proxy is a TCP proxy that tests put between a client and a server, to make
// the network between them slow, narrow, silent or broken. It owns the connections that
// go through it and knows nothing of what they carry.
package proxy

import (
	"errors"
	"fmt"
	"net"
	"sync"
	"time"
)

const (
	piece = 32 << 10 // bytes that travel together
	queue = 64       // pieces that one direction of a connection holds: about what sockets do
)

// Network is how the network behaves, for every connection by itself. The zero value is
// a good one.
type Network struct {
	Latency  time.Duration // until a byte that was sent arrives, in both directions
	Up, Down int64         // bytes per second to the server and from it; 0: no limit
}

// Proxy forwards connections from its own address to another.
//
// # Concurrency
//
// All methods may be called at any time.
type Proxy struct {
	ln   net.Listener
	work sync.WaitGroup

	mu     sync.Mutex // guards all below
	target string
	net    Network
	links  map[*link]bool
	closed bool
}

// Listen starts a proxy on a free port of the loopback interface. Its connections are
// closed at once until To says where they lead: a server that advertises the address of
// the proxy wants to know that before it has one of its own.
func Listen() (*Proxy, error) {
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, fmt.Errorf("proxy: %w", err)
	}
	p := &Proxy{ln: ln, links: map[*link]bool{}}
	p.work.Go(p.accept)
	return p, nil
}

// Addr is the host:port that clients connect to.
func (p *Proxy) Addr() string { return p.ln.Addr().String() }

// To leads connections that are made from now on to an address.
func (p *Proxy) To(addr string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.target = addr
}

// Set changes the network, for open connections too.
func (p *Proxy) Set(n Network) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.net = n
}

func (p *Proxy) network() Network {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.net
}

func up(n Network) int64   { return n.Up }
func down(n Network) int64 { return n.Down }

// Freeze makes open connections half-open: nothing is forwarded any more and nobody is
// told. pick chooses them, nil is all; new connections are not concerned. thaw lets what
// was held go on. It returns how many were chosen.
func (p *Proxy) Freeze(pick func() bool) (thaw func(), n int) {
	frozen := p.choose(pick)
	ice := make(chan struct{})
	for _, l := range frozen {
		l.freeze(ice)
	}
	return sync.OnceFunc(func() { close(ice) }), len(frozen)
}

// Drop resets open connections; what they held is lost. pick chooses them, nil is all.
// It returns how many were chosen.
func (p *Proxy) Drop(pick func() bool) int {
	gone := p.choose(pick)
	for _, l := range gone {
		l.reset()
	}
	return len(gone)
}

func (p *Proxy) choose(pick func() bool) (chosen []*link) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for l := range p.links {
		if pick == nil || pick() {
			chosen = append(chosen, l)
		}
	}
	return chosen
}

// Close ends the proxy with its connections and waits until nothing of it runs.
func (p *Proxy) Close() error {
	p.mu.Lock()
	p.closed = true
	p.mu.Unlock()
	err := p.ln.Close()
	p.Drop(nil)
	p.work.Wait()
	return err
}

func (p *Proxy) accept() {
	for {
		conn, err := p.ln.Accept()
		if errors.Is(err, net.ErrClosed) {
			return
		}
		if err == nil {
			p.work.Go(func() { p.serve(conn) })
		}
	}
}

func (p *Proxy) serve(client net.Conn) {
	p.mu.Lock()
	target := p.target
	p.mu.Unlock()
	if target == "" {
		client.Close()
		return
	}
	server, err := net.DialTimeout("tcp", target, 10*time.Second)
	if err != nil {
		client.Close()
		return
	}
	l := &link{p: p, client: client, server: server, gone: make(chan struct{})}
	p.mu.Lock()
	p.links[l] = true
	closed := p.closed
	p.mu.Unlock()
	if closed {
		l.reset()
	}
	var both sync.WaitGroup
	both.Go(func() { l.forward(client, server, up) })
	both.Go(func() { l.forward(server, client, down) })
	both.Wait()
	l.end(false)
	p.mu.Lock()
	delete(p.links, l)
	p.mu.Unlock()
}

// link is one connection through the proxy.
type link struct {
	p              *Proxy
	client, server net.Conn
	once           sync.Once
	gone           chan struct{} // closed by end

	mu  sync.Mutex
	ice <-chan struct{} // nothing is forwarded before it is closed; nil: it flows
}

func (l *link) freeze(ice <-chan struct{}) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.ice = ice
}

func (l *link) frozen() <-chan struct{} {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.ice
}

func (l *link) reset() { l.end(true) }

// end closes both sides; abruptly is a reset, else what was written arrives first.
func (l *link) end(abruptly bool) {
	l.once.Do(func() {
		close(l.gone)
		for _, c := range []net.Conn{l.client, l.server} {
			if t, ok := c.(*net.TCPConn); ok && abruptly {
				t.SetLinger(0)
			}
			c.Close()
		}
	})
}

type packet struct {
	data []byte
	due  time.Time
}

// forward moves what comes from one side to the other, as the network lets it. A side
// that has ended ends the other when everything has arrived there: what a killed process
// has sent is under way still.
func (l *link) forward(from, to net.Conn, bandwidth func(Network) int64) {
	packets := make(chan packet, queue)
	l.p.work.Go(func() {
		defer close(packets)
		for {
			buf := make([]byte, piece)
			n, err := from.Read(buf)
			if n > 0 {
				select {
				case packets <- packet{buf[:n], time.Now().Add(l.p.network().Latency)}:
				case <-l.gone:
					return
				}
			}
			if err != nil {
				return
			}
		}
	})
	var free time.Time // when the line has room again
	for p := range packets {
		if !l.until(p.due) || !l.until(free) {
			break
		}
		if ice := l.frozen(); ice != nil {
			select {
			case <-ice:
			case <-l.gone:
			}
		}
		if _, err := to.Write(p.data); err != nil {
			l.reset()
			break
		}
		if b := bandwidth(l.p.network()); b > 0 {
			free = time.Now().Add(time.Duration(len(p.data)) * time.Second / time.Duration(b))
		}
	}
	if t, ok := to.(*net.TCPConn); ok {
		t.CloseWrite()
	}
}

// until waits for a moment; false where the link ended before it.
func (l *link) until(at time.Time) bool {
	d := time.Until(at)
	if d <= 0 {
		return true
	}
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return true
	case <-l.gone:
		return false
	}
}
