//go:build e2e

package e2e

import (
	"strconv"
	"strings"
	"syscall"
	"testing"
)

// otherClient is a member of a group whose client is librdkafka. It says what it gets,
// and commits what it has said.
const otherClient = `
import signal
import sys

from confluent_kafka import Consumer

stopping = False


def stop(*_):
    global stopping
    stopping = True


signal.signal(signal.SIGTERM, stop)
c = Consumer({
    "bootstrap.servers": sys.argv[1],
    "group.id": sys.argv[2],
    "partition.assignment.strategy": "range",
    "auto.offset.reset": "error",
    "enable.auto.commit": False,
    "session.timeout.ms": 10000,
    "heartbeat.interval.ms": 1000,
})
said = 0


def commit():
    global said
    if said:
        c.commit(asynchronous=False)
        said = 0


c.subscribe([sys.argv[3]], on_assign=lambda _, ps: print("assigned", len(ps), flush=True), on_revoke=lambda *_: commit())
while not stopping:
    m = c.poll(0.05)
    if m is None:
        commit()
        continue
    if m.error():
        sys.exit(str(m.error()))
    print("got", m.value().decode(), flush=True)
    said += 1
    if said == 500:
        commit()
commit()
c.close()
print("closed", flush=True)
`

// A group that librdkafka works with is joined with protocol: range: the partitions are
// shared, each goes on where the other has committed, and nothing is lost or comes twice
// on the way from one to the other and back.
//
// Fault: a group of another client -> goes on: with protocol: range the partitions are shared with librdkafka; nothing is lost or comes twice
func TestGroupOfLibrdkafka(t *testing.T) {
	const partitions = 4
	c := kafka(t)
	in, out := c.topic(partitions), c.topic(partitions)
	a := newApp(c, passOn, map[string]string{"in": in, "out": out}, "")
	a.write("deployment.yaml", strings.Replace(a.read("deployment.yaml"), "kafka:\n", "kafka:\n  protocol: range\n", 1))
	a.write("other.py", otherClient)
	var others []*process
	other := func() *process {
		p := start(t, a.dir, python(t), "other.py", c.addr, a.group(), in)
		others = append(others, p)
		return p
	}
	n := 0
	produce := func(more int) {
		c.produce(numbered(in, partitions, n, n+more))
		n += more
	}
	r := c.read(out)
	seen := func() (all []int) {
		for _, p := range others {
			for line := range strings.Lines(p.output()) {
				if v, ok := strings.CutPrefix(strings.TrimSpace(line), `got {"id":`); ok {
					id, err := strconv.Atoi(strings.TrimSuffix(v, "}"))
					if err != nil {
						t.Fatal(err)
					}
					all = append(all, id)
				}
			}
		}
		return append(all, ids(t, r.recs)...)
	}
	finished := func(what string) {
		t.Helper()
		c.poll(what+": no lag", func() (bool, error) { return c.lag(a.group(), in) == 0, nil })
		r.toEnd(out)
	}

	// Levada alone, so that the other one starts from positions of ours.
	p := a.run()
	c.committed(a.group(), in, partitions)
	produce(4000)
	finished("alone")
	first := other()
	c.members(a.group(), 2, partitions)
	before := len(ids(t, r.recs))
	produce(8000)
	finished("together")
	if ours := len(r.recs) - before; ours == 0 || ours == 8000 {
		t.Errorf("of 8000 records %d were ours: the partitions are not shared", ours)
	}

	// Its partitions come to us, and ours go to the next of its kind.
	first.signal(syscall.SIGTERM)
	first.wait(0)
	produce(4000)
	finished("after it has left")
	second := other()
	c.members(a.group(), 2, partitions)
	p.signal(syscall.SIGTERM)
	p.wait(0)
	produce(4000)
	finished("after we have left")
	second.signal(syscall.SIGTERM)
	second.wait(0)
	a.drain()
	r.toEnd(out)
	complete(t, n, seen(), false)
}
