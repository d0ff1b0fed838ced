package runner

import (
	"context"
	"encoding/json/jsontext"
	"encoding/json/v2"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"runtime/debug"
	"strconv"
	"strings"
	"syscall"
	"time"

	"github.com/levada-io/levada/connector"
	"github.com/levada-io/levada/connector/devnull"
	"github.com/levada-io/levada/connector/file"
	"github.com/levada-io/levada/connector/kafka"
	"github.com/levada-io/levada/internal/deploy"
	"github.com/levada-io/levada/internal/engine"
	"github.com/levada-io/levada/internal/planner"
	"github.com/levada-io/levada/internal/program"
)

// connectors is the explicit registry of what a deployment may name.
var connectors = connector.Catalog{
	"kafka":   kafka.Open,
	"file":    file.Open,
	"devnull": devnull.Open,
}

// closeBudget bounds how long a session may take to leave.
const closeBudget = 10 * time.Second

func run(ctx context.Context, o *Options, f *flags, planned *planner.Planned, d *deploy.Config) (err error) {
	prog, err := planned.Program()
	if err != nil {
		return config(err)
	}
	if d.Memory > 0 {
		// The collector works harder before the process becomes larger; what Python and C
		// hold is not its to see.
		defer debug.SetMemoryLimit(debug.SetMemoryLimit(int64(d.Memory) * 3 / 4))
	}
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	stop := watch(ctx, cancel, o)

	a, err := attend(o, d)
	if err != nil {
		return err
	}
	defer func() { err = a.close(err) }()

	ss := &sessions{d: d, log: o.Stderr, open: map[string]connector.Session{}}
	defer func() {
		// The run's own context may be over; leaving the group has a time of its own.
		cctx, done := context.WithTimeout(context.WithoutCancel(ctx), closeBudget)
		defer done()
		if cerr := ss.close(cctx); err == nil {
			err = cerr
		}
	}()
	sinks := make([]connector.Sink, len(prog.Sinks))
	for i, e := range prog.Sinks {
		s, stream, err := ss.session(ctx, e)
		if err != nil {
			return err
		}
		if sinks[i], err = s.Sink(ctx, connector.SinkConfig{Step: e.Step, Stream: stream}); err != nil {
			return err
		}
	}
	var letters connector.Sink
	var limits engine.DeadLetterLimits
	if dl := d.DeadLetter; dl != nil {
		limits = engine.DeadLetterLimits{Consecutive: dl.MaxConsecutive, Ratio: dl.MaxRatio}
		if letters, err = ss.deadLetters(ctx, dl); err != nil {
			return err
		}
	}
	source, stream, err := ss.session(ctx, prog.Source)
	if err != nil {
		return err
	}
	group := d.Kafka.Group
	if group == "" {
		group = prog.Name
	}
	var again *replaying
	if f.letters != "" {
		if again, err = newReplaying(ctx, o, f.letters, prog.Name, stream, group, d); err != nil {
			return err
		}
		defer func() { err = again.end(ctx, err) }()
		if source, err = ss.of(ctx, "kafka"); err != nil {
			return err
		}
		stream, letters = f.letters, again.sink(letters)
	}
	fmt.Fprintf(o.Stderr, "levada: pipeline %s: running, %s, group %s\n", prog.Name, plural(d.Lanes, "lane"), group)
	began, cpu := time.Now(), cpuTime()
	var status engine.Status
	eng, err := engine.New(engine.Config{
		Program: prog,
		Source: func(a connector.Assignee) (connector.Source, error) {
			s, err := source.Source(ctx, connector.SourceConfig{
				Step: prog.Source.Step, Stream: stream, Group: group, Start: d.Kafka.Start,
			}, a)
			if again != nil && err == nil {
				s, err = again.source(s)
			}
			return s, err
		},
		Sinks:            sinks,
		DeadLetters:      letters,
		DeadLetterLimits: limits,
		Lanes:            d.Lanes,
		Limits:           limitsOf(d),
		Stall:            engine.Stall{ReportAfter: d.Stall.ReportAfter, ExitAfter: d.Stall.ExitAfter},
		Drain:            f.drain,
		Stop:             stop,
		Hooks:            engine.Hooks{Stalled: a.stalled},
		Final:            func(s engine.Status) { status = s },
	})
	if err != nil {
		return err
	}
	a.engine.Store(eng)
	err = eng.Run(ctx)
	if serr := summarize(o, f, status, time.Since(began), cpuTime()-cpu); err == nil {
		err = serr
	}
	if err == nil {
		fmt.Fprintf(o.Stderr, "levada: pipeline %s: drained, %d records in, %d out%s\n", prog.Name, status.RecordsIn, status.RecordsOut, lost(status))
	}
	return err
}

// lost is what the last line says of messages that were not delivered.
func lost(s engine.Status) string {
	text := ""
	if s.DeadLetters > 0 {
		text += ", " + plural(int(s.DeadLetters), "dead letter")
	}
	if s.Skipped > 0 {
		text += fmt.Sprintf(", %d skipped", s.Skipped)
	}
	return text
}

// watch closes the channel it returns at the first stop signal and cancels at the
// second.
func watch(ctx context.Context, cancel context.CancelFunc, o *Options) <-chan struct{} {
	stop := make(chan struct{})
	in := o.Signals
	var own chan os.Signal
	if in == nil {
		own = make(chan os.Signal, 2)
		signal.Notify(own, syscall.SIGINT, syscall.SIGTERM)
	}
	next := func() bool {
		select {
		case <-in:
		case <-own:
		case <-ctx.Done():
			return false
		}
		return true
	}
	go func() {
		if own != nil {
			defer signal.Stop(own)
		}
		if !next() {
			return
		}
		fmt.Fprintln(o.Stderr, "levada: stopping: finishing what is in flight; a second signal aborts")
		close(stop)
		if next() {
			cancel()
		}
	}()
	return stop
}

// sessions opens one session per connector and options: what a source and a sink
// share is one client.
type sessions struct {
	d    *deploy.Config
	log  io.Writer
	open map[string]connector.Session
}

func (ss *sessions) session(ctx context.Context, e program.Endpoint) (connector.Session, string, error) {
	st := ss.d.Stream(e.Stream)
	name := st.Connector
	if name == "" {
		name = e.Connector
	}
	stream := st.Topic
	if name == "file" {
		if stream = st.Path; stream == "" {
			return nil, "", config(fmt.Errorf("step %q: stream %q: expected a path for the connector file\nhint: streams: {%s: {connector: file, path: ...}}", e.Step, e.Stream, e.Stream))
		}
	}
	s, err := ss.of(ctx, name)
	return s, stream, err
}

// of is the session of a connector.
func (ss *sessions) of(ctx context.Context, name string) (connector.Session, error) {
	if s, ok := ss.open[name]; ok {
		return s, nil
	}
	var opts any
	if name == "kafka" {
		k := KafkaOptions(&ss.d.Kafka, ss.log)
		if ss.d.Memory > 0 {
			k.FetchMaxBytes = int32(min(int64(ss.d.Memory)/fetchShare, 50<<20))
			k.FetchMaxPartitionBytes = int32(min(int64(ss.d.Memory)/partitionShare, 768<<10))
		}
		opts = k
	}
	s, err := connectors.Open(ctx, name, opts)
	if err == nil {
		ss.open[name] = s
	}
	return s, err
}

// deadLetters is the sink of messages that can not be handled.
func (ss *sessions) deadLetters(ctx context.Context, d *deploy.DeadLetter) (connector.Sink, error) {
	s, err := ss.of(ctx, d.Connector)
	if err != nil {
		return nil, err
	}
	if d.Connector == "file" {
		k, err := s.Sink(ctx, connector.SinkConfig{Step: "dead letters", Stream: d.Path})
		return lines{k}, err
	}
	return s.Sink(ctx, connector.SinkConfig{Step: "dead letters", Stream: d.Topic})
}

func (ss *sessions) close(ctx context.Context) error {
	var errs []error
	for _, s := range ss.open {
		errs = append(errs, s.Close(ctx))
	}
	return errors.Join(errs...)
}

// Summary is what --summary writes.
type Summary struct {
	RecordsIn   int64            `json:"records_in"`
	RecordsOut  int64            `json:"records_out"`
	DeadLetters int64            `json:"dead_letters"`
	Skipped     int64            `json:"skipped"`
	Retried     int64            `json:"retried"`
	WallSeconds float64          `json:"wall_seconds"`
	CPUSeconds  float64          `json:"cpu_seconds"`                // of the whole process, during the run
	PeakMemory  int64            `json:"peak_memory_bytes,omitzero"` // resident, of the whole process; where the system tells
	Counters    map[string]int64 `json:"counters,omitempty"`
}

func summarize(o *Options, f *flags, s engine.Status, wall, cpu time.Duration) error {
	if f.summary == "" {
		return nil
	}
	sum := Summary{RecordsIn: s.RecordsIn, RecordsOut: s.RecordsOut, DeadLetters: s.DeadLetters, Skipped: s.Skipped, Retried: s.Retried, WallSeconds: wall.Seconds(), CPUSeconds: cpu.Seconds(), PeakMemory: peakMemory()}
	if o.Counters != nil {
		sum.Counters = o.Counters()
	}
	b, err := json.Marshal(sum, json.Deterministic(true), jsontext.WithIndent("  "))
	if err != nil {
		return fmt.Errorf("BUG: summary: %w", err)
	}
	return os.WriteFile(f.summary, append(b, '\n'), 0o644)
}

// peakMemory reads what Linux tells of this program alone: the figure of getrusage may be
// that of the process which started it.
func peakMemory() int64 {
	status, err := os.ReadFile("/proc/self/status")
	if err != nil {
		return 0
	}
	_, rest, _ := strings.Cut(string(status), "\nVmHWM:")
	line, _, _ := strings.Cut(rest, " kB\n")
	kb, err := strconv.ParseInt(strings.TrimSpace(line), 10, 64)
	if err != nil {
		return 0
	}
	return kb << 10
}

func cpuTime() time.Duration {
	var u syscall.Rusage
	if syscall.Getrusage(syscall.RUSAGE_SELF, &u) != nil {
		return 0
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

func plural(n int, what string) string {
	if n == 1 {
		return "1 " + what
	}
	return fmt.Sprintf("%d %ss", n, what)
}
