package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"time"
)

// member is one place in the group: a process, and the next one when that has ended.
type member struct {
	w    *world
	name string
	args []string
	dir  string

	mu    sync.Mutex // guards all below
	proc  *process
	peak  int64 // most memory of any process
	ended []string
}

// process is one life of a member.
type process struct {
	cmd    *exec.Cmd
	log    *tail
	exited chan struct{}
	code   int  // once exited is closed; -1: by a signal
	sure   bool // it is expected to end
	any    bool // with whatever code
}

// tailBytes is enough for all stacks of a member.
const tailBytes = 256 << 10

// tail keeps the end of what a process says.
type tail struct {
	mu  sync.Mutex
	buf []byte
	tee func(string)
}

func (t *tail) Write(p []byte) (int, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.buf = append(t.buf, p...)
	if over := len(t.buf) - tailBytes; over > 0 {
		t.buf = bytes.Clone(t.buf[over:])
	}
	if t.tee != nil {
		t.tee(string(p))
	}
	return len(p), nil
}

func (t *tail) String() string {
	t.mu.Lock()
	defer t.mu.Unlock()
	return string(t.buf)
}

// start begins the next life.
func (m *member) start() error {
	m.mu.Lock()
	defer m.mu.Unlock()
	p := &process{cmd: command(context.Background(), m.args[0], m.args[1:]...), log: &tail{}, exited: make(chan struct{})}
	if m.w.o.verbose {
		p.log.tee = func(s string) { m.w.log("[%s] %s", m.name, strings.TrimSpace(s)) }
	}
	p.cmd.Dir = m.dir
	p.cmd.Env = append(os.Environ(), "PYTHONFAULTHANDLER=1", "PYTHONDONTWRITEBYTECODE=1")
	p.cmd.Stdout, p.cmd.Stderr = p.log, p.log
	if err := begin(p.cmd); err != nil {
		return fmt.Errorf("%s: %w", m.name, err)
	}
	m.proc = p
	go func() {
		err := p.cmd.Wait()
		if ee := (*exec.ExitError)(nil); err != nil && !errors.As(err, &ee) {
			fmt.Fprintln(p.log, err)
		}
		p.code = p.cmd.ProcessState.ExitCode()
		m.mu.Lock()
		if !p.sure || !p.any && p.code != 0 {
			m.ended = append(m.ended, fmt.Sprintf("%s: ended by itself or in another way than it was told: %v\n%s", m.name, p.cmd.ProcessState, p.log))
		}
		m.mu.Unlock()
		close(p.exited)
	}()
	return nil
}

func (m *member) current() *process {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.proc
}

// expect says that the process may end from now on, with 0 or with any code.
func (m *member) expect(anyCode bool) *process {
	m.mu.Lock()
	defer m.mu.Unlock()
	if rss, peak := memory(m.proc.cmd.Process.Pid); max(rss, peak) > m.peak {
		m.peak = max(rss, peak)
	}
	m.proc.sure, m.proc.any = true, anyCode
	return m.proc
}

func (p *process) signal(s syscall.Signal) error {
	err := p.cmd.Process.Signal(s)
	if errors.Is(err, os.ErrProcessDone) {
		return nil
	}
	return err
}

// wait waits for the end of a process; false where it does not come.
func (p *process) wait(d time.Duration) bool {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-p.exited:
		return true
	case <-t.C:
		return false
	}
}

// said is what is to be told of processes that ended as they should not.
func (m *member) said() []string {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.ended
}

// Close kills what is left.
func (m *member) Close() error {
	p := m.expect(true)
	err := p.signal(syscall.SIGKILL)
	<-p.exited
	return err
}

// newMember writes the deployment of a member and the command line that runs it.
func (w *world) newMember(s *scenario, n int) (*member, error) {
	dir := filepath.Join(w.dir, fmt.Sprintf("%s-%d", s.name, n))
	if err := os.Mkdir(dir, 0o700); err != nil {
		return nil, err
	}
	text := fmt.Sprintf(`kafka:
  brokers: [%q]
  group: kill-%s
  session_timeout: %v
  compression: none
streams:
  in: {topic: %s}
  each: {topic: %s}
  batches: {topic: %s}
lanes: 2
limits: {in_flight: 1MiB, queue: 1MiB, chunk: 200}
`, w.proxy.Addr(), s.name, session, s.topic("in"), s.topic("each"), s.topic("batches"))
	config := filepath.Join(dir, "deployment.yaml")
	if err := os.WriteFile(config, []byte(text), 0o600); err != nil {
		return nil, err
	}
	m := &member{w: w, name: fmt.Sprintf("%s/%d", s.name, n), dir: w.dir}
	if s.python {
		m.args = []string{w.levada, "run", "pipeline.py", "--python", w.python, "--config", config}
	} else {
		m.args = []string{w.member, "run", "--config", config}
	}
	return m, m.start()
}
