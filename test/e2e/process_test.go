//go:build e2e

package e2e

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"
)

// patience is for how long a test waits for what must come. It is no speed that is
// asserted: a test that needs it has failed.
const patience = 90 * time.Second

// top is a path in the repository.
func top(t testing.TB, elem ...string) string {
	t.Helper()
	path, err := filepath.Abs(filepath.Join(append([]string{"..", ".."}, elem...)...))
	if err != nil {
		t.Fatal(err)
	}
	return path
}

// built is a path that make setup makes.
func built(t testing.TB, elem ...string) string {
	t.Helper()
	path := top(t, elem...)
	if _, err := os.Stat(path); err != nil {
		t.Fatalf("%v\nhint: make setup", err)
	}
	return path
}

func python(t testing.TB) string { return built(t, ".venv", "bin", "python") }
func levada(t testing.TB) string { return built(t, "build", "levada") }

// process is a running program; its output is kept and can be waited for.
type process struct {
	t      testing.TB
	cmd    *exec.Cmd
	ended  chan struct{}
	err    error // of Wait, once ended is closed
	mu     sync.Mutex
	text   strings.Builder
	more   chan struct{} // closed and replaced when text grows or a pipe ends
	stdout bytes.Buffer  // without what went to stderr
}

// start starts a program in a folder. It is killed at the end of the test.
func start(t testing.TB, dir string, name string, args ...string) *process {
	t.Helper()
	p := &process{t: t, cmd: exec.Command(name, args...), ended: make(chan struct{}), more: make(chan struct{})}
	p.cmd.Dir = dir
	p.cmd.Env = append(os.Environ(), "PYTHONFAULTHANDLER=1", "PYTHONDONTWRITEBYTECODE=1")
	stderr, err := p.cmd.StderrPipe()
	if err != nil {
		t.Fatal(err)
	}
	stdout, err := p.cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := p.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	var pipes sync.WaitGroup
	pipes.Go(func() { p.read(stderr, false) })
	pipes.Go(func() { p.read(stdout, true) })
	go func() {
		pipes.Wait()
		p.err = p.cmd.Wait()
		close(p.ended)
	}()
	t.Cleanup(func() {
		_ = p.cmd.Process.Kill() // it has ended, in a test that passed
		<-p.ended
		if t.Failed() {
			t.Logf("%s\n%s", strings.Join(p.cmd.Args, " "), p.output())
		}
	})
	return p
}

func (p *process) read(r io.Reader, out bool) {
	for buf := bufio.NewReader(r); ; {
		line, err := buf.ReadString('\n')
		p.mu.Lock()
		p.text.WriteString(line)
		if out {
			p.stdout.WriteString(line)
		}
		close(p.more)
		p.more = make(chan struct{})
		p.mu.Unlock()
		if err != nil {
			return
		}
	}
}

func (p *process) output() string {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.text.String()
}

// expect waits for a line and returns its submatches.
func (p *process) expect(pattern string) []string {
	p.t.Helper()
	re := regexp.MustCompile(pattern)
	late := time.After(patience)
	for {
		p.mu.Lock()
		text, more := p.text.String(), p.more
		p.mu.Unlock()
		if m := re.FindStringSubmatch(text); m != nil {
			return m
		}
		select {
		case <-more:
		case <-p.ended:
			if m := re.FindStringSubmatch(p.output()); m != nil {
				return m
			}
			p.t.Fatalf("expected a line like %q, the process ended: %v\n%s", pattern, p.err, p.output())
		case <-late:
			p.t.Fatalf("expected a line like %q, none came\n%s", pattern, p.output())
		}
	}
}

// wait waits for the end and checks the exit code.
func (p *process) wait(code int) {
	p.t.Helper()
	select {
	case <-p.ended:
	case <-time.After(patience):
		_ = p.cmd.Process.Signal(syscall.SIGABRT) // for the stacks, in the log
		p.t.Fatalf("expected exit code %d, still running", code)
	}
	var ee *exec.ExitError
	if p.err != nil && !errors.As(p.err, &ee) {
		p.t.Fatal(p.err)
	}
	if got := p.cmd.ProcessState.ExitCode(); got != code {
		p.t.Fatalf("expected exit code %d, got %d\n%s", code, got, p.output())
	}
}

func (p *process) signal(s os.Signal) {
	p.t.Helper()
	if err := p.cmd.Process.Signal(s); err != nil {
		p.t.Fatal(err)
	}
}

// output runs a program to its end, which must be a good one.
func output(t testing.TB, dir, name string, args ...string) string {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	cmd := exec.CommandContext(ctx, name, args...)
	cmd.Dir = dir
	out, err := cmd.CombinedOutput()
	if err != nil {
		t.Fatalf("%s %s: %v\n%s", name, strings.Join(args, " "), err, out)
	}
	return string(out)
}
