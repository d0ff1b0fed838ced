// Package processes runs one command as several processes, each a plain member of the
// consumer group: what a pipeline needs whose Python steps are bound by the processor.
// It owns their start, the signals they get, their output, and the one exit code that is
// made of theirs. What the command does it does not know.
package processes

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"os/signal"
	"runtime"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"time"
)

// What a process finds in its environment.
const (
	// Index is the number of the process among those of one command, from 0 on.
	Index = "LEVADA_PROCESS"
	// Ordinal is a number that no other process of the deployment has, on any host, and
	// that is the same after a restart.
	Ordinal = "LEVADA_ORDINAL"
)

// Max is how many processes one command may have.
const Max = 256

// outputFor is for how long output is waited for that a process which has ended left to
// a process of its own.
const outputFor = 2 * time.Second

// Options of Run.
type Options struct {
	Count  int
	Argv   []string // the program and its arguments, the same for all
	Stdout io.Writer
	Stderr io.Writer
}

// Ended is a process that did not end well, the first that did so.
type Ended struct {
	Index int
	Code  int // what it exited with; -1: it did not exit, see How
	How   string
}

func (e *Ended) Error() string { return fmt.Sprintf("process %d: %s", e.Index, e.How) }

// Run starts the processes and returns when all have ended. Signals to stop are passed
// on, each once. A process that ends with a failure ends the others as a signal does.
// None outlives this process, where the system can see to that.
//
// # Errors
//
// *Ended for the first process that failed; it has said why.
func Run(o Options) error {
	// The system ends a process when the thread ends that has started it.
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	signals := make(chan os.Signal, 4)
	signal.Notify(signals, syscall.SIGINT, syscall.SIGTERM)
	defer signal.Stop(signals)

	g := &group{o: o, out: &joined{to: o.Stdout}, err: &joined{to: o.Stderr}, ends: make(chan end)}
	for i := range o.Count {
		if err := g.start(i); err != nil {
			g.failed = fmt.Errorf("process %d: %w", i, err)
			g.signal(syscall.SIGTERM)
			break
		}
	}
	asked := 0 // how often somebody has asked us to stop
	for len(g.running) > 0 {
		select {
		case s := <-signals:
			// Those that stop since another has failed have had their first signal; the
			// second would abort them.
			if asked++; asked > 1 || g.failed == nil {
				g.signal(s)
			}
		case e := <-g.ends:
			delete(g.running, e.index)
			if e.err == nil || g.failed != nil {
				continue
			}
			g.failed = ended(e)
			if len(g.running) > 0 && asked == 0 {
				g.say("%v: stopping the others", g.failed)
				g.signal(syscall.SIGTERM)
			}
		}
	}
	return g.failed
}

type end struct {
	index int
	err   error
}

// group are the processes of one Run. Only Run's goroutine uses it.
type group struct {
	o        Options
	out, err *joined
	running  map[int]*exec.Cmd
	ends     chan end
	failed   error
}

func (g *group) start(i int) error {
	cmd := exec.Command(g.o.Argv[0], g.o.Argv[1:]...)
	cmd.Env = append(os.Environ(), Index+"="+strconv.Itoa(i), Ordinal+"="+strconv.Itoa(ordinalOf(i, g.o.Count)))
	cmd.SysProcAttr = &syscall.SysProcAttr{
		// A terminal sends Ctrl-C to the whole group; they get what is passed on.
		Setpgid: true,
	}
	bind(cmd.SysProcAttr)
	out, err := g.out.line(i), g.err.line(i)
	cmd.Stdout, cmd.Stderr = out, err
	cmd.WaitDelay = outputFor
	if err := cmd.Start(); err != nil {
		return err
	}
	if g.running == nil {
		g.running = map[int]*exec.Cmd{}
	}
	g.running[i] = cmd
	go func() {
		werr := cmd.Wait()
		if errors.Is(werr, exec.ErrWaitDelay) {
			werr = nil // it ended with 0; only its output was left open
		}
		out.rest()
		err.rest()
		g.ends <- end{i, werr}
	}()
	return nil
}

func (g *group) signal(s os.Signal) {
	for _, cmd := range g.running {
		// One that has just ended does not take it any more.
		_ = cmd.Process.Signal(s)
	}
}

func (g *group) say(format string, args ...any) {
	g.err.write([]byte("levada: " + fmt.Sprintf(format, args...) + "\n"))
}

func ended(e end) *Ended {
	var exit *exec.ExitError
	if !errors.As(e.err, &exit) {
		return &Ended{e.index, -1, e.err.Error()}
	}
	if code := exit.ExitCode(); code >= 0 {
		return &Ended{e.index, code, fmt.Sprintf("ended with %d", code)}
	}
	return &Ended{e.index, -1, "killed: " + strings.TrimPrefix(exit.String(), "signal: ")}
}

// OrdinalOf is the number of this process: what LEVADA_ORDINAL says, or what the name of
// the host ends with behind a dash, as that of a pod of a StatefulSet does.
func OrdinalOf(lookup func(string) (string, bool), host string) (int, bool) {
	text, ok := lookup(Ordinal)
	if !ok {
		host, _, _ = strings.Cut(host, ".")
		i := strings.LastIndexByte(host, '-')
		if i < 0 {
			return 0, false
		}
		text = host[i+1:]
	}
	for _, c := range []byte(text) {
		if c < '0' || c > '9' {
			return 0, false
		}
	}
	n, err := strconv.ParseInt(text, 10, 32)
	if err != nil {
		return 0, false
	}
	return int(n), true
}

// ordinalOf is that of process i of n: pods that run several processes each have
// different ones.
func ordinalOf(i, n int) int {
	host, _ := os.Hostname()
	here, _ := OrdinalOf(os.LookupEnv, host)
	return here*n + i
}

// joined is an output that several processes write to, line by line.
type joined struct {
	mu sync.Mutex
	to io.Writer
}

func (j *joined) write(b []byte) {
	j.mu.Lock()
	defer j.mu.Unlock()
	_, _ = j.to.Write(b) // whoever reads us may have gone; the processes need not
}

func (j *joined) line(i int) *line { return &line{to: j, prefix: fmt.Appendf(nil, "[%d] ", i)} }

// maxLine is what is kept of a line that does not end.
const maxLine = 64 << 10

// line collects what one process writes and passes whole lines on.
type line struct {
	to     *joined
	prefix []byte
	open   []byte // an incomplete line, with the prefix
}

// Write implements io.Writer.
func (l *line) Write(b []byte) (int, error) {
	n := len(b)
	var out []byte
	for len(b) > 0 {
		if len(l.open) == 0 {
			l.open = append(l.open, l.prefix...)
		}
		i := bytes.IndexByte(b, '\n')
		whole := i >= 0
		if !whole {
			i = len(b) - 1
		}
		l.open = append(l.open, b[:i+1]...)
		b = b[i+1:]
		if !whole && len(l.open) > maxLine {
			l.open, whole = append(l.open, '\n'), true
		}
		if whole {
			out = append(out, l.open...)
			l.open = l.open[:0]
		}
	}
	if len(out) > 0 {
		l.to.write(out)
	}
	return n, nil
}

// rest passes a last line on that was not ended.
func (l *line) rest() {
	if len(l.open) > 0 {
		l.to.write(append(l.open, '\n'))
		l.open = nil
	}
}
