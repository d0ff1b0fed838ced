package main

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"strings"
	"syscall"
	"time"

	"github.com/levada-io/levada/internal/testing/proxy"
)

const (
	// session is for how long the group waits for a silent member.
	session = 1500 * time.Millisecond

	// patience is for how long nothing new may come out while something is due. It is no
	// speed that is asserted: a run that needs it is stuck.
	patience = 60 * time.Second

	// gentle is for how long a member may take to end when it is told to.
	gentle = 30 * time.Second
)

// scenario is a group of members and what is done to it.
type scenario struct {
	name    string
	python  bool
	members int
	share   float64 // of the kills and records of the run
	kills   []string
	ills    []string // of the network, beside the kills
	narrow  bool     // the way to the broker is narrow all the time, so that much is in flight
	ordered bool     // nothing that a member sent can arrive after what its successor sends

	records, faults int
}

func (s *scenario) topic(name string) string { return s.name + "-" + name }
func (s *scenario) group() string            { return "kill-" + s.name }

// plan deals the kills and records of the run out to scenarios.
//
// Fault: killed with SIGKILL -> goes on: one, two and three members, with a batch and branches, in Go and in Python; nothing is lost
// Fault: SIGTERM -> exit 0: members told to stop in mid-stream; nothing is lost or comes twice
// Fault: SIGSTOP beyond the session -> goes on: the others take over, the member comes back; nothing is lost
// Fault: out of memory -> goes on: the system kills the member; nothing is lost
// Fault: latency -> goes on: 10 to 150 ms each way; nothing is lost
// Fault: half-open connection -> goes on: connections stay open and carry nothing for some time; nothing is lost
// Fault: dropped connection -> goes on: connections are cut; nothing is lost
func plan(o *options) []*scenario {
	all := []*scenario{
		{name: "narrow", members: 1, share: 0.2, kills: []string{"kill"}, narrow: true},
		{name: "one", members: 1, share: 0.2, kills: []string{"kill", "memory", "kill"}, ordered: true},
		{name: "three", members: 3, share: 0.2, kills: []string{"kill", "stop", "term", "kill", "all"}, ills: []string{"half-open", "latency", "drop"}},
		{name: "python", python: true, members: 2, share: 0.25, kills: []string{"kill", "stop", "term", "memory", "kill"}, ills: []string{"drop", "latency", "half-open"}},
		{name: "python-term", python: true, members: 1, share: 0.15, kills: []string{"term"}, ordered: true},
	}
	var todo []*scenario
	sum := 0.0
	for _, s := range all {
		if o.only != "" && s.name != o.only || s.python && o.python == "" || o.bug != "" && s.name != "narrow" {
			continue
		}
		todo = append(todo, s)
		sum += s.share
	}
	kills, records := o.kills, o.records
	for i, s := range todo {
		s.faults = min(kills, max(1, int(float64(o.kills)*s.share/sum+0.5)))
		s.records = int(float64(o.records) * s.share / sum)
		if i == len(todo)-1 {
			s.faults, s.records = kills, records
		}
		kills, records = kills-s.faults, records-s.records
	}
	return todo
}

// play runs a scenario to its end and accounts for its records.
func (w *world) play(ctx context.Context, s *scenario, rng *rand.Rand) (total, error) {
	w.log("scenario %s: %d members, %d records, %d kills", s.name, s.members, s.records, s.faults)
	t, err := w.newTraffic(ctx, s)
	if err != nil {
		return total{}, err
	}
	p := &playing{w: w, s: s, t: t, rng: rng}
	err = p.run(ctx)
	w.proxy.Set(proxy.Network{})
	for _, m := range p.members {
		err = errors.Join(err, m.Close())
	}
	t.stop()
	t.work.Wait()
	r := t.books.Report()
	t.mu.Lock()
	err = errors.Join(err, t.failed)
	got := total{kills: p.kills, records: int(t.fed), lost: r.Lost.Count, early: r.Early.Count, stall: t.stall}
	looks := t.looks
	t.mu.Unlock()
	if s.term() {
		got.duplicatedTerm = r.Duplicated.Count
	}
	got.duplicated = r.Duplicated.Count
	w.log("scenario %s: %v, %d looks at commits, longest stall %.1fs", s.name, r, looks, got.stall.Seconds())
	if looks == 0 {
		err = errors.Join(err, errors.New("expected to see what was committed, saw nothing"))
	}
	if s.term() && r.Duplicated.Count > 0 {
		for _, line := range r.Duplicated.First {
			w.log("  duplicated: %s", line)
		}
	}
	if !s.ordered {
		// A record that was under way when its sender was silent for too long may arrive
		// behind what the successor has sent: nothing at the sender can hold it back.
		r.Reordered.Count = 0
	}
	err = errors.Join(err, r.Err())
	for _, m := range p.members {
		for _, what := range m.said() {
			err = errors.Join(err, errors.New(what))
		}
	}
	t.close(context.WithoutCancel(ctx))
	return got, err
}

// term says that members are only ever told to stop.
func (s *scenario) term() bool { return len(s.kills) == 1 && s.kills[0] == "term" }

// playing is a scenario under way.
type playing struct {
	w       *world
	s       *scenario
	t       *traffic
	rng     *rand.Rand
	members []*member
	kills   int
}

func (p *playing) run(ctx context.Context) error {
	for n := range p.s.members {
		m, err := p.w.newMember(p.s, n)
		if err != nil {
			return err
		}
		p.members = append(p.members, m)
	}
	// The first share is there before the group is, the others come while it works.
	burst := p.s.records / (p.s.faults + 1)
	first := p.s.records - burst*p.s.faults
	if err := p.t.feed(first, 0); err != nil {
		return err
	}
	if err := p.moving("the first output", 1); err != nil {
		return err
	}
	for i := range p.s.faults {
		if err := p.fault(ctx, i, burst); err != nil {
			return err
		}
	}
	return p.finish(ctx)
}

// moving waits until so many outputs more have come, or all that are due.
func (p *playing) moving(what string, more int) error {
	from, _ := p.t.counts()
	ended := false
	patience := patience
	if p.w.o.bug != "" {
		patience = 5 * time.Second // what the bug has dropped does not come
	}
	ok := p.t.until(patience, func() bool {
		for _, m := range p.members {
			ended = ended || len(m.said()) > 0
		}
		came, due := p.t.counts()
		return came >= from+more || came == due || ended
	})
	if ended {
		return fmt.Errorf("a member ended")
	}
	if !ok {
		if p.t.ctx.Err() != nil {
			return p.t.ctx.Err()
		}
		came, due := p.t.counts()
		return fmt.Errorf("stuck: expected %s, nothing new came in %v: %d of %d outputs are there\n%s", what, patience, came, due, p.autopsy())
	}
	return nil
}

// autopsy is what is known of a group that stands still: how the broker sees it, and what
// its members say, with the stacks of those in Go.
func (p *playing) autopsy() string {
	var text strings.Builder
	groups, err := p.w.admin.DescribeGroups(p.t.ctx, p.s.group())
	fmt.Fprintf(&text, "group %s: %s, error %v\n", p.s.group(), groups[p.s.group()].State, err)
	for _, m := range groups[p.s.group()].Members {
		assigned, _ := m.Assigned.AsConsumer()
		fmt.Fprintf(&text, "  %s of %s: %v\n", m.MemberID, m.ClientHost, assigned.Topics)
	}
	for _, m := range p.members {
		life := m.expect(true)
		if err := life.signal(syscall.SIGQUIT); err != nil || !life.wait(5*time.Second) {
			fmt.Fprintf(&text, "%s does not show its stacks: %v\n", m.name, err)
		}
		fmt.Fprintf(&text, "%s says:\n%s\n", m.name, life.log)
	}
	return text.String()
}

// fault feeds a share of the inputs, and does something to a member while it works on
// them.
func (p *playing) fault(ctx context.Context, i, burst int) error {
	if p.s.narrow {
		// What is due of the burst takes some seconds: a commit falls into them.
		p.w.proxy.Set(proxy.Network{Up: max(64<<10, int64(burst)*2*200/8)})
	}
	// A member that dies while it waits for its first join is missed by a Kafka when its
	// session is over, by the embedded one much later: often enough, but not every time.
	if i%4 != 3 {
		p.settled()
	}
	fed := make(chan error, 1)
	within := time.Duration(p.rng.Int64N(int64(1500 * time.Millisecond)))
	go func() { fed <- p.t.feed(burst, within) }()
	if len(p.s.ills) > 0 && i%2 == 0 {
		p.ill(ctx, p.s.ills[i/2%len(p.s.ills)])
	}
	until := 1 + p.rng.IntN(burst)
	if p.s.narrow {
		until = 1
	}
	if err := p.moving("output before the fault", until); err != nil {
		return err
	}
	if p.s.narrow {
		// Writes are cut off half way, and those that were tried again a little later as well.
		pause(ctx, p.between(200*time.Millisecond, 600*time.Millisecond))
		p.w.done.add("drop")
		p.w.log("  network: %d connections dropped", p.w.proxy.Drop(nil))
		pause(ctx, p.between(1100*time.Millisecond, 2*time.Second))
	}
	err := p.hurt(ctx, p.s.kills[i%len(p.s.kills)])
	p.w.proxy.Set(proxy.Network{})
	if err == nil {
		err = <-fed
	}
	if err == nil {
		err = p.moving("output after the fault", 1)
	}
	return err
}

func (p *playing) between(from, to time.Duration) time.Duration {
	return from + time.Duration(p.rng.Int64N(int64(to-from)))
}

// ill does something to the network. Latency stays until the next fault is over.
func (p *playing) ill(ctx context.Context, what string) {
	p.w.done.add(what)
	some := func() bool { return p.rng.IntN(2) == 0 }
	switch what {
	case "latency":
		n := proxy.Network{Latency: p.between(10*time.Millisecond, 150*time.Millisecond)}
		p.w.log("  network: latency %v", n.Latency)
		p.w.proxy.Set(n)
	case "half-open":
		// Not for ever: with the embedded broker a client waits for three minutes until an
		// answer is too late.
		thaw, n := p.w.proxy.Freeze(some)
		silent := p.between(session, 3*session)
		p.w.log("  network: %d connections are half-open for %v", n, silent)
		pause(ctx, silent)
		if some() {
			p.w.proxy.Drop(some)
		}
		thaw()
	case "drop":
		p.w.log("  network: %d connections dropped", p.w.proxy.Drop(some))
	}
}

// hurt does something to a member.
func (p *playing) hurt(ctx context.Context, what string) error {
	p.w.done.add(what)
	m := p.members[p.rng.IntN(len(p.members))]
	came, due := p.t.counts()
	p.w.log("  %s %s, %d of %d outputs are there", what, m.name, came, due)
	p.kills++
	later := p.between(0, 300*time.Millisecond)
	switch what {
	case "kill":
		if err := m.Close(); err != nil {
			return err
		}
		pause(ctx, later)
		return m.start()
	case "all":
		for _, m := range p.members {
			if err := m.Close(); err != nil {
				return err
			}
		}
		pause(ctx, later)
		for _, m := range p.members {
			if err := m.start(); err != nil {
				return err
			}
		}
	case "stop":
		life := m.current()
		if err := life.signal(syscall.SIGSTOP); err != nil {
			return err
		}
		pause(ctx, p.between(session+session/2, 3*session))
		return life.signal(syscall.SIGCONT)
	case "term":
		if err := p.running(m); err != nil {
			return err
		}
		life := m.expect(false)
		began := time.Now()
		if err := life.signal(syscall.SIGTERM); err != nil {
			return err
		}
		if !life.wait(gentle) {
			return fmt.Errorf("%s: told to stop, it has not in %v\n%s", m.name, gentle, life.log)
		}
		p.w.log("    stopped in %v", time.Since(began).Round(time.Millisecond))
		return m.start()
	case "memory":
		life := m.expect(true)
		how, release, err := squeeze(life.cmd.Process.Pid)
		if err != nil {
			return err
		}
		defer release()
		by := "by itself"
		if !life.wait(5 * time.Second) {
			by = "killed: it got along with what it had"
			if err := life.signal(syscall.SIGKILL); err != nil {
				return err
			}
			<-life.exited
		}
		p.w.log("    no more memory (%s): ended, %s, %v", how, by, life.cmd.ProcessState)
		return m.start()
	}
	return nil
}

// running waits until a member says that it runs: before that, a signal ends it as it ends
// any process.
func (p *playing) running(m *member) error {
	life := m.current()
	ok := p.t.until(patience, func() bool {
		select {
		case <-life.exited:
			return true
		default:
			return strings.Contains(life.log.String(), ": running")
		}
	})
	if !ok {
		return fmt.Errorf("%s: expected it to run, it does not\n%s", m.name, life.log)
	}
	return p.t.ctx.Err()
}

// settled waits for a group in which all members have their places, but not for long.
func (p *playing) settled() {
	p.t.until(5*time.Second, func() bool {
		groups, err := p.w.admin.DescribeGroups(p.t.ctx, p.s.group())
		g := groups[p.s.group()]
		return err == nil && g.State == "Stable" && len(g.Members) == len(p.members)
	})
}

// finish lets everything come out, stops the members, and looks a last time.
func (p *playing) finish(ctx context.Context) error {
	if err := p.moving("everything", 1<<62); err != nil {
		return err
	}
	for _, m := range p.members {
		if err := p.running(m); err != nil {
			return err
		}
		if err := m.expect(false).signal(syscall.SIGTERM); err != nil {
			return err
		}
	}
	for _, m := range p.members {
		if life := m.current(); !life.wait(gentle) {
			return fmt.Errorf("%s: told to stop, it has not in %v\n%s", m.name, gentle, life.log)
		}
	}
	sum, err := p.t.look(ctx)
	if err != nil {
		return err
	}
	if sum != p.t.fed {
		return fmt.Errorf("expected the group to have committed everything, %d records, got %d", p.t.fed, sum)
	}
	return nil
}
