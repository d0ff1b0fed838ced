package health_test

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"go.uber.org/goleak"

	"github.com/levada-io/levada/internal/health"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// state is what the probes of a test answer.
type state struct{ live, ready atomic.Pointer[error] }

func get(p *atomic.Pointer[error]) error {
	if e := p.Load(); e != nil {
		return *e
	}
	return nil
}

func serve(t *testing.T, exposed bool) (*health.Server, *state) {
	t.Helper()
	st := &state{}
	s, err := health.Listen("127.0.0.1:0", exposed, func() error { return get(&st.live) }, func() error { return get(&st.ready) })
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	})
	return s, st
}

// ask sends a request and returns status and body.
func ask(t *testing.T, s *health.Server, method, path, host string) string {
	t.Helper()
	req, err := http.NewRequest(method, "http://"+s.Addr()+path, nil)
	if err != nil {
		t.Fatal(err)
	}
	req.Host = host
	tr := &http.Transport{DisableKeepAlives: true}
	defer tr.CloseIdleConnections()
	res, err := tr.RoundTrip(req)
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	body, err := io.ReadAll(res.Body)
	if err != nil {
		t.Fatal(err)
	}
	return fmt.Sprintf("%d %s", res.StatusCode, body)
}

func TestProbes(t *testing.T) {
	s, st := serve(t, false)
	expect := func(path, want string) {
		t.Helper()
		if got := ask(t, s, "GET", path, ""); got != want {
			t.Errorf("%s: got %q, want %q", path, got, want)
		}
	}
	expect("/livez", "200 ok\n")
	expect("/readyz", "200 ok\n")
	why := errors.New("stalled:\n in a step")
	st.ready.Store(&why)
	expect("/livez", "200 ok\n")
	expect("/readyz", "503 stalled: in a step\n")
	st.live.Store(&why)
	st.ready.Store(nil)
	expect("/livez", "503 stalled: in a step\n")
	expect("/readyz", "200 ok\n")
}

func TestWhoMayAsk(t *testing.T) {
	loopback, _ := serve(t, false)
	exposed, _ := serve(t, true)
	for _, tc := range []struct {
		method, path, host string
		loopback, exposed  int
	}{
		{"GET", "/livez", "127.0.0.1:8080", 200, 200},
		{"HEAD", "/livez", "127.0.0.1", 200, 200},
		{"GET", "/readyz", "localhost:1", 200, 200},
		{"GET", "/readyz", "[::1]:1", 200, 200},
		{"GET", "/readyz", "[::1]", 200, 200},
		{"GET", "/livez", "10.1.2.3:8080", 403, 200},
		{"GET", "/livez", "evil.example", 403, 403},
		{"GET", "/livez", "localhost.evil.example:8080", 403, 403},
		{"GET", "/livez", "127.0.0.1.evil.example", 403, 403},
		{"POST", "/livez", "127.0.0.1", 405, 405},
		{"DELETE", "/readyz", "localhost", 405, 405},
		{"GET", "/", "127.0.0.1", 404, 404},
		{"GET", "/livez/x", "127.0.0.1", 404, 404},
		{"GET", "/debug/pprof/", "127.0.0.1", 404, 404},
	} {
		for s, want := range map[*health.Server]int{loopback: tc.loopback, exposed: tc.exposed} {
			if got := ask(t, s, tc.method, tc.path, tc.host); !strings.HasPrefix(got, fmt.Sprint(want)) {
				t.Errorf("%s %s for %q: got %q, want %d", tc.method, tc.path, tc.host, got, want)
			}
		}
	}
}

// TestManyConnections: clients that say nothing can take all connections, but not for
// long, and never the process's file descriptors.
func TestManyConnections(t *testing.T) {
	s, _ := serve(t, false)
	refused := 0
	for range 100 {
		c, err := net.Dial("tcp", s.Addr())
		if err != nil {
			t.Fatal(err)
		}
		defer c.Close()
		if err := c.SetReadDeadline(time.Now().Add(20 * time.Millisecond)); err != nil {
			t.Fatal(err)
		}
		if _, err := c.Read(make([]byte, 1)); !errors.Is(err, os.ErrDeadlineExceeded) {
			refused++
		}
	}
	if refused != 36 {
		t.Errorf("%d of 100 connections were closed at once, want 36", refused)
	}
}

// TestSlowClient: whoever sends a byte now and then is cut off.
func TestSlowClient(t *testing.T) {
	s, _ := serve(t, false)
	c, err := net.Dial("tcp", s.Addr())
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	if _, err := io.WriteString(c, "GET /livez HTTP/1.1\r\nHost: "); err != nil {
		t.Fatal(err)
	}
	if err := c.SetReadDeadline(time.Now().Add(time.Minute)); err != nil {
		t.Fatal(err)
	}
	began := time.Now()
	line, err := bufio.NewReader(c).ReadString('\n')
	if errors.Is(err, os.ErrDeadlineExceeded) || strings.Contains(line, "200") {
		t.Errorf("after %v: %q, %v; want the end of the connection", time.Since(began), line, err)
	}
}

func TestAddressInUse(t *testing.T) {
	s, _ := serve(t, false)
	if again, err := health.Listen(s.Addr(), false, nil, nil); err == nil {
		again.Close()
		t.Error("two servers at one address")
	}
}

func TestFile(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		path := filepath.Join(t.TempDir(), "health.txt")
		var st state
		var asked atomic.Int64
		f, err := health.Touch(path, func() error { asked.Add(1); return get(&st.live) })
		if err != nil {
			t.Fatal(err)
		}
		age := func() time.Duration {
			st, err := os.Stat(path)
			if err != nil {
				return -1
			}
			return time.Since(st.ModTime()).Round(time.Millisecond)
		}
		half := func() { time.Sleep(500 * time.Millisecond); synctest.Wait() }
		half()
		if got := age(); got != 500*time.Millisecond {
			t.Errorf("age %v after half a second", got)
		}
		for range 10 { // a probe that removes the file finds it again
			time.Sleep(time.Second)
			synctest.Wait()
			if err := os.Remove(path); err != nil {
				t.Fatal(err)
			}
		}
		if asked.Load() != 10 {
			t.Errorf("asked %d times in 10 s", asked.Load())
		}
		why := errors.New("stuck")
		st.live.Store(&why)
		half()
		half()
		if got := age(); got != -1 {
			t.Errorf("age %v, and the process does not live", got)
		}
		st.live.Store(nil)
		half()
		half()
		if got := age(); got < 0 || got > time.Second {
			t.Errorf("age %v", got)
		}
		if err := f.Close(); err != nil {
			t.Fatal(err)
		}
		if got := age(); got != -1 {
			t.Errorf("age %v after the end", got)
		}
	})
}

// TestFileElsewhere: what is no file of ours is neither followed nor written to.
func TestFileElsewhere(t *testing.T) {
	dir := t.TempDir()
	victim, link := filepath.Join(dir, "victim"), filepath.Join(dir, "link")
	if err := os.WriteFile(victim, nil, 0o644); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink(victim, link); err != nil {
		t.Fatal(err)
	}
	for _, path := range []string{link, dir, filepath.Join(dir, "no", "folder")} {
		if f, err := health.Touch(path, func() error { return nil }); err == nil {
			f.Close()
			t.Errorf("%s was touched", path)
		}
	}
}
