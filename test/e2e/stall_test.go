//go:build e2e

package e2e

import (
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kgo"
)

// stuckAt has a step that stands still at the record 3, in one way or another, until
// there is a file "go".
const stuckAt = `
import ctypes
import os
import time

from levada import Map, Message, Parser, Serializer, StreamSink, streaming_source


def spin() -> None:
    while not os.path.exists("go"):
        pass


def nap() -> None:
    while not os.path.exists("go"):
        time.sleep(0.05)


def hold() -> None:
    ctypes.PyDLL(None).sleep(1000)  # and keeps the GIL


def enrich(msg: Message[dict]) -> dict:
    if msg.payload["id"] == 3:
        HOW()
    return {"id": msg.payload["id"]}


pipeline = (
    streaming_source("in", stream_name="in", pipeline="stuck")
    .apply(Parser[dict]("parse"))
    .apply(Map("enrich", function=enrich))
    .apply(Serializer("serialize"))
    .sink(StreamSink("out", stream_name="out"))
)
`

// freePort is a port that nobody listens on.
func freePort(t testing.TB) string {
	t.Helper()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer ln.Close()
	return ln.Addr().String()
}

// probe waits until a probe answers with the code, and returns what it says.
func probe(t testing.TB, p *process, url string, code int) string {
	t.Helper()
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	last := ""
	for late := time.After(patience); ; {
		if res, err := http.Get(url); err == nil {
			body, err := io.ReadAll(res.Body)
			res.Body.Close()
			if err == nil && res.StatusCode == code {
				return string(body)
			}
			last = fmt.Sprintf("%d %s", res.StatusCode, body)
		} else {
			last = err.Error()
		}
		select {
		case <-tick.C:
		case <-p.ended:
			t.Fatalf("%s: expected %d, the process ended\n%s", url, code, p.output())
		case <-late:
			t.Fatalf("%s: expected %d, got %s", url, code, last)
		}
	}
}

// count reads until n records are there.
func (r *reader) count(n int) {
	r.c.t.Helper()
	r.until(fmt.Sprint(n, " records"), func(recs []*kgo.Record) bool { return len(recs) >= n })
}

// positions are what a group has committed, by partition.
func (c *cluster) positions(group, topic string) map[int32]int64 {
	c.t.Helper()
	ctx, cancel := c.context()
	defer cancel()
	rs, err := c.admin.FetchOffsets(ctx, group)
	if err != nil {
		c.t.Fatal(err)
	}
	at := map[int32]int64{}
	for id, r := range rs[topic] {
		at[id] = r.At
	}
	return at
}

// lastLines are the last two lines of what a process has written.
func lastLines(p *process) []string {
	lines := strings.Split(strings.TrimSpace(p.output()), "\n")
	return lines[len(lines)-2:]
}

// A Python step that never returns is named with the line that it is at, what is beside
// it is delivered and committed, and the process ends: also where the step keeps the GIL,
// so that nothing of Python can run any more.
//
// Fault: endless loop in Python -> exit 70: the line that it is at is named, with the stacks; also where the step keeps the GIL, says: has been running in Python for
func TestAStepThatNeverReturns(t *testing.T) {
	for _, tc := range []struct {
		how, at string
		line    int // that the step is at
	}{
		{"spin", "spin", 10}, {"nap", "nap", 15}, {"hold", "hold", 19},
	} {
		t.Run(tc.how, func(t *testing.T) {
			c := kafka(t)
			in, out := c.topic(2), c.topic(1)
			listen := freePort(t)
			a := newApp(c, strings.Replace(stuckAt, "HOW", tc.how, 1), map[string]string{"in": in, "out": out},
				"lanes: 2\nstall: {report_after: 1s, exit_after: 6s}\nhealth: {listen: \""+listen+"\", file: health.txt}\n")
			p := a.run()
			c.produce(numbered(in, 2, 4, 24)) // 4, 6, ... in the first partition
			c.read(out).count(20)
			if got := probe(t, p, "http://"+listen+"/readyz", 200); got != "ok\n" {
				t.Errorf("ready: %q", got)
			}
			c.produce(numbered(in, 2, 3, 4)[:1]) // the record 3, in the second partition
			where := fmt.Sprintf(`%s\[1\]@10: step "enrich" \(pipeline.py:\d+\) has been running in Python for [\d.]+s`, in)
			at := fmt.Sprintf(`, now at pipeline.py:%d in %s`, tc.line, tc.at)
			if tc.how == "spin" {
				at = `, now at (pipeline.py:(9|10) in spin|<frozen genericpath>:\d+ in exists|genericpath.py:\d+ in exists)`
			}
			p.expect(`Go stacks:\n(?s:.*)"levada_lane":"\d", "levada_step":"enrich"`)
			p.expect(fmt.Sprintf(`Python stacks:\n(?s:.*)File ".*pipeline.py", line \d+ in %s\n\s+File ".*pipeline.py", line \d+ in enrich`, tc.at))
			p.expect(`levada: stalled: ` + where + at + `\n`)
			if got := probe(t, p, "http://"+listen+"/readyz", 503); !strings.HasPrefix(got, "stalled: "+in+`[1]@10: step "enrich"`) {
				t.Errorf("ready: %q", got)
			}
			if got := probe(t, p, "http://"+listen+"/livez", 200); got != "ok\n" {
				t.Errorf("live: %q", got)
			}
			if tc.how != "hold" { // then the other lane has no GIL either
				c.produce(numbered(in, 2, 24, 26)[:1])
				c.read(out).count(21)
			}
			p.wait(70)
			words := lastLines(p)
			if !strings.HasPrefix(words[0], "levada: stuck for 6s: "+in+`[1]@10: step "enrich"`) || !strings.HasPrefix(words[1], "hint: ") {
				t.Errorf("last words: %q", words)
			}
			want := int64(11)
			if tc.how == "hold" {
				want = 10
			}
			if got := c.positions(a.group(), in); got[0] != want || got[1] != 10 {
				t.Errorf("committed %v, want %d and 10", got, want)
			}
			if _, err := os.Stat(filepath.Join(a.dir, "health.txt")); tc.how != "hold" && !os.IsNotExist(err) {
				t.Errorf("the health file of a process that ended: %v", err)
			}
		})
	}
}

// A Go step that never returns, in a program without Python.
//
// Fault: endless loop in Go -> exit 70: the step is named, what is beside it is delivered and committed, says: has been running for
func TestAGoStepThatNeverReturns(t *testing.T) {
	c := kafka(t)
	in, out := c.topic(2), c.topic(1)
	a := newApp(c, "", map[string]string{"in": in, "out": out}, "lanes: 2\nstall: {report_after: 1s, exit_after: 3s}\n")
	program := filepath.Join(a.dir, "stuck")
	build := exec.Command("go", "build", "-o", program, "./test/e2e/testdata/stuck")
	build.Dir = top(t)
	build.Env = append(os.Environ(), "CGO_ENABLED=0")
	if text, err := build.CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, text)
	}
	c.produce(numbered(in, 2, 4, 24))
	p := start(t, a.dir, program, "run", "--config", "deployment.yaml")
	c.read(out).count(20)
	c.produce(numbered(in, 2, 3, 4)[:1])
	const step = `step "enrich" \(main.go:\d+\) has been running for `
	p.expect(`Go stacks:\n(?s:.*)main\.enrich\+\S+\s+\S*main.go:\d+`)
	p.expect(`levada: stalled: ` + in + `\[1\]@10: ` + step + `[\d.]+s\n`)
	c.produce(numbered(in, 2, 24, 26)[:1])
	c.read(out).count(21)
	p.expect(`levada: stuck for 3s: ` + in + `\[1\]@10: ` + step + `3s\n`)
	p.wait(70)
	if got := c.positions(a.group(), in); got[0] != 11 || got[1] != 10 {
		t.Errorf("committed %v, want 11 and 10", got)
	}
}

// A stall that ends is told, too, and leaves no trace.
func TestAStepThatReturnsAfterAll(t *testing.T) {
	c := kafka(t)
	in, out := c.topic(1), c.topic(1)
	listen := freePort(t)
	a := newApp(c, strings.Replace(stuckAt, "HOW", "nap", 1), map[string]string{"in": in, "out": out},
		"stall: {report_after: 1s, exit_after: 0s}\nhealth: {listen: \""+listen+"\", file: health.txt}\n")
	p := a.run()
	c.produce(numbered(in, 1, 0, 10))
	p.expect(`levada: stalled: `)
	probe(t, p, "http://"+listen+"/readyz", 503)
	if err := os.Remove(filepath.Join(a.dir, "health.txt")); err != nil {
		t.Error(err)
	}
	a.write("go", "")
	p.expect(`levada: ` + in + `\[0\]@0: goes on after \d+s`)
	probe(t, p, "http://"+listen+"/readyz", 200)
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for late := time.After(patience); ; {
		if _, err := os.Stat(filepath.Join(a.dir, "health.txt")); err == nil {
			break
		}
		select {
		case <-tick.C:
		case <-late:
			t.Fatal("the health file did not come back")
		}
	}
	r := c.read(out)
	r.count(10)
	p.signal(syscall.SIGTERM)
	p.wait(0)
	complete(t, 10, ids(t, r.recs), false)
}

// frozen starts a broker whose process a test may stop.
func frozen(t testing.TB) (*cluster, *process) {
	t.Helper()
	c := &cluster{t: t}
	b := start(t, t.TempDir(), levada(t), "broker", "--addr", "127.0.0.1:0", "--json")
	c.addr = b.expect(`"address":"([^"]+)"`)[1]
	c.admin = kadm.NewClient(c.client())
	return c, b
}

// freeze stops a process and returns when each of its threads stands still: on a busy
// machine that takes a while, in which it still answers.
func (p *process) freeze() {
	p.t.Helper()
	p.signal(syscall.SIGSTOP)
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	for late := time.After(patience); ; {
		threads, err := filepath.Glob(fmt.Sprintf("/proc/%d/task/*/stat", p.cmd.Process.Pid))
		if err != nil || len(threads) == 0 {
			p.t.Fatalf("expected the threads of a process, got %v, %v", threads, err)
		}
		if !slices.ContainsFunc(threads, func(path string) bool {
			text, err := os.ReadFile(path)
			return err == nil && !strings.Contains(string(text), ") T ")
		}) {
			return
		}
		select {
		case <-tick.C:
		case <-late:
			p.t.Fatal("the process does not stop")
		}
	}
}

// A sink that acknowledges nothing any more is named.
//
// Fault: sink that takes nothing -> exit 70: the sink is named, says: has acknowledged nothing for
func TestASinkThatFreezes(t *testing.T) {
	c, b := frozen(t)
	out := c.topic(1)
	a := newApp(c, strings.Replace(stuckAt, "HOW", "nap", 1), map[string]string{"out": out},
		"  in: {connector: file, path: in.jsonl}\nstall: {report_after: 1s, exit_after: 4s}\n")
	a.write("in.jsonl", "{\"id\":1}\n{\"id\":3}\n")
	p := a.run()
	p.expect(`levada: stalled: .* now at pipeline.py:\d+ in nap`)
	b.freeze()
	a.write("go", "")
	p.expect("goes on after")
	p.expect(`levada: stuck for 4s: in.jsonl\[0\]@0: sink "out" \(pipeline.py:\d+\) has acknowledged nothing for 4s`)
	p.wait(70)
}

// A broker that answers no fetch any more is told of, and may be away for as long as the
// connector's budget says.
//
// Fault: broker frozen -> goes on: the process is not ready until the broker answers, says: the source could not be reached for
func TestASourceThatFreezes(t *testing.T) {
	c, b := frozen(t)
	in := c.topic(1)
	listen := freePort(t)
	a := newApp(c, strings.Replace(stuckAt, "HOW", "nap", 1), map[string]string{"in": in},
		"  out: {connector: file, path: out.jsonl}\nstall: {report_after: 2s, exit_after: 3s}\nhealth: {listen: \""+listen+"\"}\n")
	a.write("go", "")
	p := a.run()
	c.produce(numbered(in, 1, 0, 10))
	probe(t, p, "http://"+listen+"/readyz", 200)
	b.freeze()
	p.expect(`levada: stalled: no partition: the source could not be reached for 2s`)
	if got := probe(t, p, "http://"+listen+"/readyz", 503); !strings.HasPrefix(got, "stalled: no partition: the source could not be reached for ") {
		t.Errorf("ready: %q", got)
	}
	for !strings.Contains(probe(t, p, "http://"+listen+"/readyz", 503), " for 5s") {
		probe(t, p, "http://"+listen+"/livez", 200)
	}
	b.signal(syscall.SIGCONT)
	p.expect(`goes on after`)
	probe(t, p, "http://"+listen+"/readyz", 200)
	p.signal(syscall.SIGTERM)
	p.wait(0)
}
