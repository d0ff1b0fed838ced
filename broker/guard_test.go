package broker

import (
	"bytes"
	"encoding/binary"
	"errors"
	"io"
	"net"
	"testing"
	"testing/iotest"

	"github.com/twmb/franz-go/pkg/kmsg"
)

// frame is a request frame with that key and n bytes after the head.
func frame(key int16, n int) []byte {
	b := binary.BigEndian.AppendUint32(nil, uint32(minFrame+n))
	b = binary.BigEndian.AppendUint16(b, uint16(key))
	b = append(b, 0, 0, 0, 0, 0, 1)
	return append(b, make([]byte, n)...)
}

func TestCheckHead(t *testing.T) {
	for name, tc := range map[string]struct {
		in []byte
		ok bool
	}{
		"smallest frame":        {frame(18, 0), true},
		"api versions":          {frame(18, 20), true},
		"largest known key":     {frame(kmsg.MaxKey, 0), true},
		"key above the largest": {frame(kmsg.MaxKey+1, 0), false},
		"negative key":          {frame(-1, 0), false},
		"http":                  {[]byte("GET / HTTP/1.1\r\n\r\n"), false},
		"tls client hello":      {[]byte{0x16, 3, 1, 2, 0, 1, 0}, false},
		"length 0":              {[]byte{0, 0, 0, 0, 0, 18}, false},
		"length 7":              {[]byte{0, 0, 0, 7, 0, 18}, false},
		"length 100 MiB":        {[]byte{0x06, 0x40, 0, 0, 0, 18}, true},
		"length 100 MiB + 1":    {[]byte{0x06, 0x40, 0, 1, 0, 18}, false},
		"length 2^32-1":         {[]byte{0xff, 0xff, 0xff, 0xff, 0, 18}, false},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := checkHead([headSize]byte(tc.in[:headSize]))
			if (err == nil) != tc.ok {
				t.Errorf("checkHead(%q) = %v, want ok %v", tc.in[:headSize], err, tc.ok)
			}
		})
	}
}

// scripted is a connection that yields the bytes of a reader.
type scripted struct {
	net.Conn
	r      io.Reader
	closed int
}

func (s *scripted) Read(p []byte) (int, error) { return s.r.Read(p) }
func (s *scripted) Close() error               { s.closed++; return nil }
func (s *scripted) RemoteAddr() net.Addr       { return &net.TCPAddr{IP: net.IPv4(127, 0, 0, 1), Port: 1} }

func TestGuardPassesFramesUnchanged(t *testing.T) {
	in := append(append(frame(18, 0), frame(0, 70000)...), frame(3, 5)...)
	for name, r := range map[string]io.Reader{
		"whole":     bytes.NewReader(in),
		"bytewise":  iotest.OneByteReader(bytes.NewReader(in)),
		"half":      iotest.HalfReader(bytes.NewReader(in)),
		"early eof": iotest.DataErrReader(bytes.NewReader(in)),
	} {
		t.Run(name, func(t *testing.T) {
			c := &guardConn{Conn: &scripted{r: r}, refuse: func(net.Addr, error) {}}
			if err := iotest.TestReader(c, in); err != nil {
				t.Error(err)
			}
		})
	}
}

func TestGuardClosesAtBadFrame(t *testing.T) {
	good := frame(18, 3)
	conn := &scripted{r: bytes.NewReader(append(good, "GET / HTTP/1.1\r\n\r\n"...))}
	lines := 0
	c := &guardConn{Conn: conn, refuse: func(net.Addr, error) { lines++ }}
	got, err := io.ReadAll(c)
	if !bytes.Equal(got, good) {
		t.Errorf("read %q, want only the good frame %q", got, good)
	}
	if err == nil || conn.closed != 1 || lines != 1 {
		t.Errorf("err %v, closed %d times, %d log lines; want an error, 1, 1", err, conn.closed, lines)
	}
	if _, again := c.Read(make([]byte, 1)); !errors.Is(again, err) {
		t.Errorf("second read: %v, want %v", again, err)
	}
}

// FuzzGuard: whatever a peer sends, what gets through is a prefix of it, made of
// frames that the broker survives.
func FuzzGuard(f *testing.F) {
	f.Add([]byte("GET / HTTP/1.1\r\nHost: x\r\n\r\n"), uint8(3))
	f.Add(append(frame(18, 9), frame(0, 40)...), uint8(1))
	f.Add(append(frame(3, 0), 0xff, 0xff, 0xff, 0xff, 0, 3), uint8(4))
	f.Add(frame(kmsg.MaxKey+1, 4), uint8(255))
	f.Fuzz(func(t *testing.T, in []byte, step uint8) {
		c := &guardConn{Conn: &scripted{r: bytes.NewReader(in)}, refuse: func(net.Addr, error) {}}
		var got []byte
		p := make([]byte, int(step)+1)
		for {
			n, err := c.Read(p)
			got = append(got, p[:n]...)
			if err != nil {
				break
			}
		}
		if !bytes.HasPrefix(in, got) {
			t.Fatalf("%x came through as %x", in, got)
		}
		for rest := got; len(rest) > 0; {
			if len(rest) < headSize {
				t.Fatalf("a torn head came through: %x", rest)
			}
			n := int(binary.BigEndian.Uint32(rest))
			key := int16(binary.BigEndian.Uint16(rest[4:]))
			if n < minFrame || n > maxFrame || kmsg.RequestForKey(key) == nil {
				t.Fatalf("a frame of %d bytes with key %d came through", n, key)
			}
			rest = rest[min(len(rest), 4+n):]
		}
	})
}
