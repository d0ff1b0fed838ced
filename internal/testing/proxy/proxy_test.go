package proxy

import (
	"bytes"
	"errors"
	"io"
	"net"
	"testing"
	"time"

	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// echo starts a server that sends back what it gets, with a proxy before it.
func echo(t *testing.T) *Proxy {
	t.Helper()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	done := make(chan struct{})
	go func() {
		defer close(done)
		for {
			conn, err := ln.Accept()
			if err != nil {
				return
			}
			go func() {
				defer conn.Close()
				io.Copy(conn, conn)
			}()
		}
	}()
	t.Cleanup(func() {
		ln.Close()
		<-done
	})
	p, err := Listen()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := p.Close(); err != nil {
			t.Error(err)
		}
	})
	p.To(ln.Addr().String())
	return p
}

func dial(t *testing.T, p *Proxy) net.Conn {
	t.Helper()
	c, err := net.Dial("tcp", p.Addr())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	c.SetDeadline(time.Now().Add(30 * time.Second))
	return c
}

// answer sends text and reads it back.
func answer(t *testing.T, c net.Conn, text string) {
	t.Helper()
	if _, err := io.WriteString(c, text); err != nil {
		t.Fatal(err)
	}
	got := make([]byte, len(text))
	if _, err := io.ReadFull(c, got); err != nil || string(got) != text {
		t.Fatalf("got %q, %v; want %q", got, err, text)
	}
}

func TestForwardsEverythingAndTheEnd(t *testing.T) {
	c := dial(t, echo(t))
	sent := bytes.Repeat([]byte("0123456789abcdef"), 100_000)
	go func() {
		c.Write(sent)
		c.(*net.TCPConn).CloseWrite()
	}()
	got, err := io.ReadAll(c)
	if err != nil || !bytes.Equal(got, sent) {
		t.Errorf("got %d bytes, %v; want the %d that were sent", len(got), err, len(sent))
	}
}

func TestLatencyCountsBothWays(t *testing.T) {
	p := echo(t)
	c := dial(t, p)
	answer(t, c, "quick")
	p.Set(Network{Latency: 50 * time.Millisecond})
	began := time.Now()
	answer(t, c, "slow")
	if took := time.Since(began); took < 100*time.Millisecond {
		t.Errorf("there and back in %v, want 100ms at least", took)
	}
}

func TestBandwidth(t *testing.T) {
	for name, n := range map[string]Network{"up": {Up: 1 << 20}, "down": {Down: 1 << 20}} {
		t.Run(name, func(t *testing.T) {
			p := echo(t)
			p.Set(n)
			c := dial(t, p)
			began := time.Now()
			go c.Write(make([]byte, 256<<10))
			if _, err := io.ReadFull(c, make([]byte, 256<<10)); err != nil {
				t.Fatal(err)
			}
			if took := time.Since(began); took < 200*time.Millisecond {
				t.Errorf("256 KiB in %v, want about 250ms", took)
			}
		})
	}
}

// A frozen connection is silent, not closed; others and later ones work; thawed, what
// was sent meanwhile arrives.
func TestFreeze(t *testing.T) {
	p := echo(t)
	c := dial(t, p)
	answer(t, c, "before")
	thaw, n := p.Freeze(nil)
	if n != 1 {
		t.Errorf("froze %d connections, want 1", n)
	}
	if _, err := io.WriteString(c, "held"); err != nil {
		t.Fatal(err)
	}
	c.SetReadDeadline(time.Now().Add(50 * time.Millisecond))
	got := make([]byte, 4)
	if n, err := c.Read(got); n != 0 || !isTimeout(err) {
		t.Fatalf("read %d bytes, %v; want silence", n, err)
	}
	answer(t, dial(t, p), "another")
	thaw()
	thaw()
	c.SetReadDeadline(time.Now().Add(30 * time.Second))
	if _, err := io.ReadFull(c, got); err != nil || string(got) != "held" {
		t.Errorf("after the thaw %q, %v; want what was held", got, err)
	}
}

func isTimeout(err error) bool {
	e, ok := errors.AsType[net.Error](err)
	return ok && e.Timeout()
}

func TestDrop(t *testing.T) {
	p := echo(t)
	c := dial(t, p)
	answer(t, c, "before")
	// Frozen as well: a reset must come through that.
	_, _ = p.Freeze(nil)
	if n := p.Drop(func() bool { return true }); n != 1 {
		t.Errorf("dropped %d connections, want 1", n)
	}
	if n, err := c.Read(make([]byte, 1)); n != 0 || err == nil || isTimeout(err) {
		t.Errorf("read %d bytes, %v; want the connection to be over", n, err)
	}
	answer(t, dial(t, p), "after")
}

func TestNowhereToGo(t *testing.T) {
	p := echo(t)
	p.To("")
	c := dial(t, p)
	if n, err := c.Read(make([]byte, 1)); n != 0 || err == nil || isTimeout(err) {
		t.Errorf("read %d bytes, %v; want the connection to be over", n, err)
	}
}
