package runner

import (
	"bytes"
	"errors"
	"io"
	"net/http"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/levada-io/levada/connector"
	"github.com/levada-io/levada/internal/deploy"
	"github.com/levada-io/levada/internal/engine"
)

const dump = `Thread 0x00007f8e008fe6c0 [levada-lane-0] (most recent call first):
  File "/app/client.py", line 88 in recv
  File "/app/metrics.py", line 14 in enrich

Thread 0x00007f8e008fe6c1 (most recent call first):
  <no Python frame>

Current thread 0x00007f8e081ccb80 (most recent call first):
  File "/app/main.py", line 3 in <module>
`

func TestTop(t *testing.T) {
	for thread, want := range map[uint64]string{
		0x7f8e008fe6c0: "client.py:88 in recv", 0x7f8e081ccb80: "main.py:3 in <module>",
		0x7f8e008fe6c1: "", 0x1: "", 0: "",
	} {
		if got := top(dump, thread); got != want {
			t.Errorf("%#x: got %q, want %q", thread, got, want)
		}
	}
	if got := top("", 1); got != "" {
		t.Errorf("of nothing: %q", got)
	}
}

// output is what a test's process writes.
type output struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (o *output) Write(p []byte) (int, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.b.Write(p)
}

func (o *output) String() string {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.b.String()
}

func stuck(phase engine.Phase) engine.Diagnosis {
	return engine.Diagnosis{
		Phase: phase, Cause: engine.InStep, Step: "enrich", Origin: "metrics.py:12", Python: true, Thread: 0x7f8e008fe6c0,
		Partitions: []engine.Position{{Partition: connector.Partition{Topic: "orders", ID: 3}, Offset: 9120}},
		Stuck:      40 * time.Second, For: 40 * time.Second,
	}
}

// TestReports: the line stands behind the stacks, and the error of the run knows where
// the step is.
func TestReports(t *testing.T) {
	var out output
	a, err := attend(&Options{Stderr: &out, Stacks: func() string { return dump }, exit: func(int) {}}, deploy.Default())
	if err != nil {
		t.Fatal(err)
	}
	a.stalled(stuck(engine.Began))
	a.stalled(stuck(engine.Ended))
	a.stalled(stuck(engine.Fatal))
	err = a.close(&engine.StalledError{Diagnosis: stuck(engine.Fatal)})
	const why = `orders[3]@9120: step "enrich" (metrics.py:12) has been running in Python for 40s, now at client.py:88 in recv`
	if want := "stuck for 40s: " + why; err.Error() != want || Code(err) != Internal {
		t.Errorf("got  %v (%d)\nwant %s", err, Code(err), want)
	}
	text := out.String()
	last := 0
	for _, want := range []string{
		"levada: Python stacks:\n  Thread 0x", "levada: stalled: " + why + "\n", "levada: orders[3]@9120: goes on after 40s\n",
		"levada: Go stacks:\n  goroutine profile: ", "levada: Python stacks:\n",
	} {
		at := strings.Index(text[last:], want)
		if at < 0 {
			t.Fatalf("expected %q behind the first %d bytes of\n%s", want, last, text)
		}
		last += at
	}
}

// TestEndsByForce: a run that does not end by itself is ended, with its last words.
func TestEndsByForce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var out output
		codes := make(chan int, 2)
		a, err := attend(&Options{Stderr: &out, exit: func(c int) { codes <- c }}, deploy.Default())
		if err != nil {
			t.Fatal(err)
		}
		a.stalled(stuck(engine.Fatal))
		time.Sleep(stuckBudget - time.Second)
		synctest.Wait()
		if len(codes) != 0 {
			t.Fatal("it was ended before its time")
		}
		time.Sleep(2 * time.Second)
		synctest.Wait()
		if len(codes) != 1 || <-codes != Internal {
			t.Fatal("it was not ended")
		}
		if want := `levada: stuck for 40s: orders[3]@9120: step "enrich" (metrics.py:12) has been running in Python for 40s; it does not end by itself`; !strings.Contains(out.String(), want) {
			t.Errorf("got %s", out.String())
		}
		if err := a.close(nil); err != nil {
			t.Fatal(err)
		}

		// One that ends in time is left alone.
		if a, err = attend(&Options{Stderr: &out, exit: func(c int) { codes <- c }}, deploy.Default()); err != nil {
			t.Fatal(err)
		}
		a.stalled(stuck(engine.Fatal))
		if err := a.close(nil); err != nil {
			t.Fatal(err)
		}
		time.Sleep(2 * stuckBudget)
		if len(codes) != 0 {
			t.Error("a process that has ended was ended")
		}
	})
}

// TestBeforeTheFirstConnection: a process that waits for its broker lives, and is not
// ready.
func TestBeforeTheFirstConnection(t *testing.T) {
	var out output
	d := deploy.Default()
	d.Health.Listen, d.Health.File = "127.0.0.1:0", filepath.Join(t.TempDir(), "health")
	a, err := attend(&Options{Stderr: &out}, d)
	if err != nil {
		t.Fatal(err)
	}
	for path, want := range map[string]string{"/livez": "ok\n", "/readyz": "not connected yet\n"} {
		res, err := http.Get("http://" + a.server.Addr() + path)
		if err != nil {
			t.Fatal(err)
		}
		body, err := io.ReadAll(res.Body)
		res.Body.Close()
		if err != nil || string(body) != want {
			t.Errorf("%s: %q, %v; want %q", path, body, err, want)
		}
	}
	if want := "levada: health: http://" + a.server.Addr() + "/livez and /readyz\n"; out.String() != want {
		t.Errorf("got %q, want %q", out.String(), want)
	}
	again := *d
	again.Health.Listen = a.server.Addr()
	if b, err := attend(&Options{Stderr: &out}, &again); err == nil || Code(err) != Config || !strings.HasPrefix(err.Error(), "health.listen: ") {
		t.Errorf("at the same address: %v, %v", b, err)
	}
	gone := errors.New("gone")
	if err := a.close(gone); err != gone {
		t.Errorf("got %v, want the error of the run", err)
	}
}
