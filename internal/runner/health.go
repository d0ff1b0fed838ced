package runner

import (
	"bytes"
	"errors"
	"fmt"
	"path/filepath"
	"regexp"
	"runtime/pprof"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/levada-io/levada/internal/deploy"
	"github.com/levada-io/levada/internal/engine"
	"github.com/levada-io/levada/internal/health"
)

// What a stuck run may take to end by itself: what can be delivered is delivered, and
// the group is left.
const stuckBudget = 30 * time.Second

// maxStacks bounds what one report prints of stacks, of each language.
const maxStacks = 32 << 10

// attendant looks after a run for whoever supervises the process: it answers probes,
// writes what the doctor finds, and ends a process that can not end by itself.
type attendant struct {
	o      *Options
	engine atomic.Pointer[engine.Engine] // nil until there is one
	server *health.Server                // nil: none
	file   *health.File                  // nil: none

	reports chan engine.Diagnosis
	done    chan struct{} // closed when all reports are written
	at      atomic.Pointer[string]
	last    atomic.Pointer[time.Timer] // ends the process
}

// attend begins before the first connection is made: a process that waits for its broker
// lives.
func attend(o *Options, d *deploy.Config) (*attendant, error) {
	a := &attendant{o: o, reports: make(chan engine.Diagnosis, 64), done: make(chan struct{})}
	var err error
	if h := d.Health; h.Listen != "" {
		if a.server, err = health.Listen(h.Listen, h.Expose, a.live, a.ready); err != nil {
			return nil, config(fmt.Errorf("health.listen: %w\nhint: another process may have the port", err))
		}
		fmt.Fprintf(o.Stderr, "levada: health: http://%s/livez and /readyz\n", a.server.Addr())
	}
	if h := d.Health; h.File != "" {
		if a.file, err = health.Touch(h.File, a.live); err != nil {
			if a.server != nil {
				err = errors.Join(err, a.server.Close())
			}
			return nil, config(fmt.Errorf("health.file: %w", err))
		}
	}
	go a.write()
	return a, nil
}

func (a *attendant) live() error {
	if e := a.engine.Load(); e != nil {
		return e.Health().Live
	}
	return nil
}

var errConnecting = errors.New("not connected yet")

func (a *attendant) ready() error {
	if e := a.engine.Load(); e != nil {
		return e.Health().Ready
	}
	return errConnecting
}

// close ends the probes, waits for what is still to be written, and gives the error of a
// stuck run the place in the code that was found meanwhile.
func (a *attendant) close(err error) error {
	close(a.reports) // the engine has ended, if there was one: nobody reports any more
	<-a.done
	if e, ok := errors.AsType[*engine.StalledError](err); ok {
		if at := a.at.Load(); at != nil && e.Diagnosis.Cause == engine.InStep {
			e.Diagnosis.At = *at
		}
	}
	if a.server != nil {
		err = first(err, a.server.Close())
	}
	if a.file != nil {
		err = first(err, a.file.Close())
	}
	if t := a.last.Load(); t != nil {
		t.Stop()
	}
	return err
}

func first(a, b error) error {
	if a != nil {
		return a
	}
	return b
}

// stalled is the engine's hook. It returns at once: stacks take their time, and a run
// that stands still must not wait for them.
func (a *attendant) stalled(d engine.Diagnosis) {
	if d.Phase == engine.Fatal {
		a.last.Store(time.AfterFunc(stuckBudget, func() {
			fmt.Fprintf(a.o.Stderr, "levada: %v; it does not end by itself\n", &engine.StalledError{Diagnosis: d})
			a.o.exit(Internal)
		}))
	}
	select {
	case a.reports <- d:
	default: // 64 stalls that nobody could write yet are enough to know
	}
}

func (a *attendant) write() {
	defer close(a.done)
	for d := range a.reports {
		if d.Phase == engine.Ended {
			fmt.Fprintf(a.o.Stderr, "levada: %s: goes on after %v\n", d.Where(), d.Stuck.Round(time.Second))
			continue
		}
		var b strings.Builder
		var python string
		if a.o.Stacks != nil && (d.Python || d.Cause == engine.InGIL || d.Phase == engine.Fatal) {
			python = a.o.Stacks()
		}
		if d.Cause == engine.InStep && d.Python {
			d.At = top(python, d.Thread)
			a.at.Store(&d.At)
		}
		part(&b, "Go stacks", goroutines(d))
		part(&b, "Python stacks", python)
		if d.Phase == engine.Began { // else the error of the run says it
			fmt.Fprintf(&b, "levada: stalled: %v\n", &d)
		}
		fmt.Fprint(a.o.Stderr, b.String())
	}
}

func part(b *strings.Builder, what, text string) {
	if text = strings.TrimSpace(text); text == "" {
		return
	}
	if len(text) > maxStacks {
		text = text[:maxStacks] + "\n..."
	}
	fmt.Fprintf(b, "levada: %s:\n  %s\n", what, strings.ReplaceAll(text, "\n", "\n  "))
}

// goroutines are the stacks that belong to a stall: of the lane that runs the step, of
// all lanes and the source where no step is to blame, of everything at the end.
func goroutines(d engine.Diagnosis) string {
	var all bytes.Buffer
	if err := pprof.Lookup("goroutine").WriteTo(&all, 1); err != nil {
		return ""
	}
	label := `"levada_`
	if d.Lane >= 0 {
		label = `"levada_lane":"` + strconv.Itoa(d.Lane) + `"`
	}
	if d.Phase == engine.Fatal {
		label = ""
	}
	var b strings.Builder
	for g := range strings.SplitSeq(all.String(), "\n\n") {
		if strings.Contains(g, label) {
			b.WriteString(strings.TrimSpace(g) + "\n")
		}
	}
	return b.String()
}

var (
	threadLine = sync.OnceValue(func() *regexp.Regexp { return regexp.MustCompile(`(?m)^(?:Current thread|Thread) 0x([0-9a-f]+) .*\n`) })
	frameLine  = sync.OnceValue(func() *regexp.Regexp { return regexp.MustCompile(`^  File "(.*)", line (\d+) in (.*)`) })
)

// top is the innermost frame of a thread in the words of faulthandler: "p.py:12 in
// enrich". Empty where it is not among them.
func top(stacks string, thread uint64) string {
	for _, m := range threadLine().FindAllStringSubmatchIndex(stacks, -1) {
		id, err := strconv.ParseUint(stacks[m[2]:m[3]], 16, 64)
		if err != nil || id != thread {
			continue
		}
		if f := frameLine().FindStringSubmatch(stacks[m[1]:]); f != nil {
			return fmt.Sprintf("%s:%s in %s", filepath.Base(f[1]), f[2], f[3])
		}
	}
	return ""
}
