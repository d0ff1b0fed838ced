//go:build e2e

package e2e

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"

	"github.com/twmb/franz-go/pkg/kgo"
)

// One command in several processes, stopped in mid-stream and started again with another
// number of them: every record once, and the lines of each under its number.
func TestProcessesSIGTERM(t *testing.T) {
	const n, partitions = 60_000, 6
	c := kafka(t)
	in, out := c.topic(partitions), c.topic(partitions)
	a := newApp(c, passOn, map[string]string{"in": in, "out": out}, "")
	p := a.start("--processes", "3")
	c.members(a.group(), 3, partitions)
	r := c.read(out)
	sent := make(chan struct{})
	go func() { defer close(sent); c.produce(numbered(in, partitions, 0, n)) }()
	r.until("some output", func(recs []*kgo.Record) bool { return len(recs) >= 2000 })
	p.signal(syscall.SIGTERM)
	p.wait(0)
	<-sent
	for i := range 3 {
		for _, line := range []string{"running", "stopping", "drained"} {
			p.expect(fmt.Sprintf(`(?m)^\[%d\] levada: .*%s`, i, line))
		}
	}
	a.drain("--processes", "2")
	r.toEnd(out)
	complete(t, n, ids(t, r.recs), false)
	if lag := c.lag(a.group(), in); lag != 0 {
		t.Errorf("expected lag 0, got %d", lag)
	}
}

// A record that can not be handled ends all processes, with the code that it has in one.
//
// Fault: one of several processes fails -> exit 65: the others drain; the code is that of the first that failed, says: ended with 65
func TestProcessesPoison(t *testing.T) {
	const n, partitions = 2000, 4
	c := kafka(t)
	in, out := c.topic(partitions), c.topic(partitions)
	poison := strings.Replace(passOn, "    return msg.payload", `    if msg.payload["id"] == 1234:
        raise ValueError("no")
    return msg.payload`, 1)
	a := newApp(c, poison, map[string]string{"in": in, "out": out}, "")
	p := a.start("--processes", "2")
	c.members(a.group(), 2, partitions)
	c.produce(numbered(in, partitions, 0, n))
	p.wait(65)
	p.expect(`(?m)^\[\d\] levada: step "same" .* no$`)
	p.expect(`(?m)^levada: process \d: ended with 65$`)
	a.write("pipeline.py", strings.TrimPrefix(passOn, "\n"))
	a.drain("--processes", "2")
	r := c.read(out)
	r.toEnd(out)
	complete(t, n, ids(t, r.recs), false)
}

// One of them is killed: the others drain, and the code says that not all is well.
//
// Fault: one of several processes is killed -> exit 70: the others drain; the next start loses nothing, says: killed: killed
func TestProcessesKill9(t *testing.T) {
	const n, partitions = 60_000, 4
	c := kafka(t)
	in, out := c.topic(partitions), c.topic(partitions)
	a := newApp(c, passOn, map[string]string{"in": in, "out": out}, "")
	p := a.start("--processes", "2")
	c.members(a.group(), 2, partitions)
	r := c.read(out)
	sent := make(chan struct{})
	go func() { defer close(sent); c.produce(numbered(in, partitions, 0, n)) }()
	r.until("some output", func(recs []*kgo.Record) bool { return len(recs) >= 2000 })
	children := childrenOf(t, p.cmd.Process.Pid)
	if len(children) != 2 {
		t.Fatalf("the command has the processes %v, expected two", children)
	}
	if err := syscall.Kill(children[0], syscall.SIGKILL); err != nil {
		t.Fatal(err)
	}
	p.wait(70)
	<-sent
	p.expect(`(?m)^levada: process \d: killed: killed$`)
	p.expect(`(?m)^\[\d\] levada: .*drained`)
	a.drain()
	r.toEnd(out)
	complete(t, n, ids(t, r.recs), true)
}

// The command itself is killed: none of its processes stays, so that the ones that are
// started next do not meet members with their names.
func TestProcessesParentKill9(t *testing.T) {
	const n, partitions = 20_000, 4
	c := kafka(t)
	in, out := c.topic(partitions), c.topic(partitions)
	a := newApp(c, passOn, map[string]string{"in": in, "out": out}, "")
	a.write("deployment.yaml", strings.Replace(a.read("deployment.yaml"), "kafka:\n", "kafka:\n  instance_id: \"copy-{ordinal}\"\n", 1))
	p := a.start("--processes", "2")
	c.members(a.group(), 2, partitions)
	if got, want := c.instances(a.group()), []string{"copy-0", "copy-1"}; !slices.Equal(got, want) {
		t.Errorf("the members are %q, want %q", got, want)
	}
	c.produce(numbered(in, partitions, 0, n))
	r := c.read(out)
	r.until("some output", func(recs []*kgo.Record) bool { return len(recs) >= 1 })
	p.signal(syscall.SIGKILL)
	p.wait(-1) // all who hold its output have ended, too
	a.drain("--processes", "2")
	r.toEnd(out)
	complete(t, n, ids(t, r.recs), true)
}

// An instance id twice: the one that came first is told what happened, and ends with 75.
//
// Fault: instance id used twice -> exit 75: the process that came first ends, says: another member uses the same instance_id
func TestInstanceIDTwice(t *testing.T) {
	c := kafka(t)
	in, out := c.topic(1), c.topic(1)
	a := newApp(c, passOn, map[string]string{"in": in, "out": out}, "")
	a.write("deployment.yaml", strings.Replace(a.read("deployment.yaml"), "kafka:\n", "kafka:\n  instance_id: copy\n", 1))
	first := a.run()
	c.members(a.group(), 1, 1)
	second := a.run()
	first.wait(75)
	first.expect(`(?s)levada: group "` + a.group() + `": FENCED_INSTANCE_ID: .*hint: another member uses the same instance_id`)
	second.signal(syscall.SIGTERM)
	second.wait(0)
}

func (a *app) read(name string) string {
	a.t.Helper()
	b, err := os.ReadFile(filepath.Join(a.dir, name))
	if err != nil {
		a.t.Fatal(err)
	}
	return string(b)
}

// instances are the instance ids of a group's members.
func (c *cluster) instances(group string) []string {
	c.t.Helper()
	ctx, cancel := c.context()
	defer cancel()
	gs, err := c.admin.DescribeGroups(ctx, group)
	if err != nil {
		c.t.Fatal(err)
	}
	var ids []string
	for _, m := range gs[group].Members {
		if m.InstanceID != nil {
			ids = append(ids, *m.InstanceID)
		}
	}
	slices.Sort(ids)
	return ids
}

// childrenOf are the processes that a process has started.
func childrenOf(t testing.TB, pid int) []int {
	t.Helper()
	tasks, err := filepath.Glob(fmt.Sprintf("/proc/%d/task/*/children", pid))
	if err != nil {
		t.Fatal(err)
	}
	var all []int
	for _, task := range tasks {
		b, err := os.ReadFile(task)
		if err != nil {
			t.Fatal(err)
		}
		for _, f := range strings.Fields(string(b)) {
			n, err := strconv.Atoi(f)
			if err != nil {
				t.Fatal(err)
			}
			all = append(all, n)
		}
	}
	return all
}
