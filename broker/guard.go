package broker

import (
	"encoding/binary"
	"fmt"
	"io"
	"net"
	"sync"
	"time"

	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/levada-io/levada/internal/keeper"
)

// Every request starts like this:
//
//	+--------------------+-------------+-------------+--------------------+----
//	| length     4 bytes | key       2 | version   2 | correlation id   4 | ...
//	+--------------------+-------------+-------------+--------------------+----
//	                     |<------------ length bytes ------------ ...
//
// The broker behind the guard allocates length bytes before it looks at one of them,
// and ends its process at a key that it does not know. The guard lets no such frame
// through.
const (
	minFrame = 8 // key, version and correlation id
	maxFrame = 100 << 20
	headSize = 4 + 2 // the part of a frame that the guard reads ahead
)

// guardListener hands out connections on which only whole, plausible frames arrive.
type guardListener struct {
	net.Listener
	keeper     *keeper.Keeper
	advertised net.Addr
	log        func(format string, args ...any)

	mu   sync.Mutex // guards the two below
	last string     // what was logged, and when
	at   time.Time
}

// quiet is for how long the same mistake is not told again: a client that has the
// wrong settings tries several times a second.
const quiet = 10 * time.Second

// refuse logs why a connection was closed.
func (l *guardListener) refuse(peer net.Addr, why error) {
	l.mu.Lock()
	again := l.last == why.Error() && time.Since(l.at) < quiet
	if !again {
		l.last, l.at = why.Error(), time.Now()
	}
	l.mu.Unlock()
	if !again {
		l.log("broker: %v sent what is not a Kafka request: %v; connection closed", peer, why)
	}
}

// Addr is what the broker behind the guard tells its clients.
func (l *guardListener) Addr() net.Addr { return l.advertised }

func (l *guardListener) Accept() (net.Conn, error) {
	conn, err := l.Listener.Accept()
	if err != nil {
		return nil, err
	}
	return l.keeper.Wrap(&guardConn{Conn: conn, refuse: l.refuse}), nil
}

// guardConn checks the head of every frame before the reader sees a byte of it.
//
// # Concurrency
//
// One reader at a time, as the broker does it; writing is untouched.
type guardConn struct {
	net.Conn
	refuse func(peer net.Addr, why error)

	buf  [headSize]byte
	head []byte // what is left of buf for the reader
	body int64  // bytes of the frame that come after head
	bad  error
}

// Read implements net.Conn. After a bad frame the connection is closed and every Read
// returns the same error.
func (c *guardConn) Read(p []byte) (int, error) {
	if c.bad != nil {
		return 0, c.bad
	}
	if len(p) == 0 {
		return 0, nil
	}
	if len(c.head) == 0 && c.body == 0 {
		if err := c.next(); err != nil {
			return 0, err
		}
	}
	if len(c.head) > 0 {
		n := copy(p, c.head)
		c.head = c.head[n:]
		return n, nil
	}
	if int64(len(p)) > c.body {
		p = p[:c.body]
	}
	n, err := c.Conn.Read(p)
	c.body -= int64(n)
	return n, err
}

// next reads and checks the head of the next frame.
func (c *guardConn) next() error {
	if _, err := io.ReadFull(c.Conn, c.buf[:]); err != nil {
		return err
	}
	length, err := checkHead(c.buf)
	if err != nil {
		c.bad = err
		c.refuse(c.RemoteAddr(), err)
		c.Conn.Close()
		return c.bad
	}
	c.head = c.buf[:]
	c.body = length - (headSize - 4)
	return nil
}

// checkHead returns the length that a frame announces.
func checkHead(head [headSize]byte) (int64, error) {
	length := int64(binary.BigEndian.Uint32(head[:4]))
	key := int16(binary.BigEndian.Uint16(head[4:]))
	switch {
	case length < minFrame || length > maxFrame:
		return 0, fmt.Errorf("frame length: expected %d to %d bytes, got %d (first bytes %q)",
			minFrame, maxFrame, length, head[:])
	case kmsg.RequestForKey(key) == nil:
		return 0, fmt.Errorf("frame: expected a known API key, got %d", key)
	}
	return length, nil
}
