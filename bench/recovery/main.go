// Command recovery measures how long a pipeline stands still: from the kill of its
// process to the first record that its successor delivers, with dynamic and with static
// membership; from the start of a new process after a clean stop to its first record;
// and how long a stop takes with everything full. One real broker, records coming in all
// the time; the new process is started at once, as a supervisor does.
package main

import (
	"context"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"syscall"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/levada-io/levada/internal/testing/realkafka"
)

func main() {
	rounds := flag.Int("rounds", 5, "rounds")
	root := flag.String("root", "..", "root of the project, with build/ made")
	python := flag.String("python", "", "python of the project's environment, with the bench's steps; empty: in Go only")
	result := flag.String("result", "", "file for the results")
	flag.Parse()
	if err := bench(context.Background(), *rounds, *root, *python, *result); err != nil {
		fmt.Fprintln(os.Stderr, "bench recovery:", err)
		os.Exit(1)
	}
}

const (
	partitions = 4
	rate       = 2000            // records a second while nothing is wrong
	full       = 400_000         // records that wait when a stop is measured
	patience   = 2 * time.Minute // for what must come
)

const value = `{"org_id":1,"project_id":2,"name":"c:sessions/session@none","tags":{"environment":"production","release":"frontend@1.2"},"timestamp":1700000000,"retention_days":90,"type":"c","value":12.5}`

type world struct {
	root, python, dir string
	addr              string
	client            *kgo.Client
	admin             *kadm.Client
	topics            int
}

// job is a pipeline with topics and a group of its own.
type job struct {
	w       *world
	args    []string
	in, out string
	reader  *kgo.Client
	cmd     *exec.Cmd
	stderr  *strings.Builder
	stop    context.CancelFunc
	fed     chan error
}

func (w *world) job(ctx context.Context, python bool, settings string, waiting int) (*job, error) {
	w.topics++
	j := &job{w: w, in: fmt.Sprintf("in-%d", w.topics), out: fmt.Sprintf("out-%d", w.topics), fed: make(chan error, 1)}
	if _, err := w.admin.CreateTopics(ctx, partitions, 1, nil, j.in, j.out); err != nil {
		return nil, err
	}
	config := filepath.Join(w.dir, j.in+".yaml")
	text := fmt.Sprintf("kafka:\n  brokers: [%q]\n  group: group-%d\n%sstreams:\n  bench-in: {topic: %s}\n  bench-out: {topic: %s}\n", w.addr, w.topics, settings, j.in, j.out)
	if err := os.WriteFile(config, []byte(text), 0o600); err != nil {
		return nil, err
	}
	j.args = []string{filepath.Join(w.root, "build", "bench", "native"), "run", "--config", config}
	if python {
		j.args = []string{filepath.Join(w.root, "build", "levada"), "run", filepath.Join(w.root, "bench", "kafka", "of_go.py"), "--python", w.python, "--config", config}
	}
	var err error
	if j.reader, err = kgo.NewClient(kgo.SeedBrokers(w.addr), kgo.ConsumeTopics(j.out),
		kgo.ConsumeResetOffset(kgo.NewOffset().AtStart()), kgo.FetchMaxWait(10*time.Millisecond)); err != nil {
		return nil, err
	}
	if err := w.produce(ctx, j.in, waiting); err != nil {
		return nil, err
	}
	fctx, stop := context.WithCancel(ctx)
	j.stop = stop
	go func() { j.fed <- j.feed(fctx) }()
	return j, nil
}

func (w *world) produce(ctx context.Context, topic string, n int) error {
	var failed error
	for range n {
		w.client.Produce(ctx, &kgo.Record{Topic: topic, Value: []byte(value)}, func(_ *kgo.Record, err error) {
			if err != nil {
				failed = err
			}
		})
	}
	if err := w.client.Flush(ctx); err != nil {
		return err
	}
	return failed
}

// feed writes records until ctx ends.
func (j *job) feed(ctx context.Context) error {
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for {
		select {
		case <-tick.C:
			if err := j.w.produce(context.WithoutCancel(ctx), j.in, rate/50); err != nil {
				return err
			}
		case <-ctx.Done():
			return nil
		}
	}
}

func (j *job) start() error {
	j.cmd, j.stderr = exec.Command(j.args[0], j.args[1:]...), &strings.Builder{}
	j.cmd.Stderr = j.stderr
	return j.cmd.Start()
}

// end signals the process and waits for it.
func (j *job) end(s os.Signal, code int) (time.Duration, error) {
	began := time.Now()
	if err := j.cmd.Process.Signal(s); err != nil {
		return 0, err
	}
	j.cmd.Wait() // the exit code says it
	if got := j.cmd.ProcessState.ExitCode(); got != code {
		return 0, fmt.Errorf("expected exit code %d, got %d\n%s", code, got, j.stderr)
	}
	return time.Since(began), nil
}

// next waits for records that are new to the reader.
func (j *job) next(ctx context.Context, n int) error {
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	for n > 0 {
		fs := j.reader.PollFetches(ctx)
		select {
		case err := <-j.fed:
			j.fed <- err
			return fmt.Errorf("no records are written any more: %w", err)
		default:
		}
		if ctx.Err() != nil {
			return fmt.Errorf("no record in %v\n%s", patience, j.stderr)
		}
		n -= fs.NumRecords()
	}
	return nil
}

// drained reads what is there: whoever wrote it has ended.
func (j *job) drained(ctx context.Context) {
	for {
		pctx, cancel := context.WithTimeout(ctx, 300*time.Millisecond)
		n := j.reader.PollFetches(pctx).NumRecords()
		cancel()
		if n == 0 {
			return
		}
	}
}

func (j *job) close(ctx context.Context) error {
	j.stop()
	err := <-j.fed
	j.reader.Close()
	if _, derr := j.w.admin.DeleteTopics(ctx, j.in, j.out); err == nil {
		err = derr
	}
	return err
}

const static = "  instance_id: bench-0\n"

// restart is the time from the end of a process to the first record of the next one. The
// 0.3 s in which it is made sure that the first has written its last count for a kill: the
// group waits for the member that long anyway.
func (w *world) restart(ctx context.Context, python bool, settings string, s syscall.Signal) (took time.Duration, err error) {
	j, err := w.job(ctx, python, settings, 0)
	if err != nil {
		return 0, err
	}
	if err := j.start(); err != nil {
		return 0, err
	}
	if err := j.next(ctx, 3*rate); err != nil {
		return 0, err
	}
	code := 0
	if s == syscall.SIGKILL {
		code = -1
	}
	began := time.Now()
	if _, err := j.end(s, code); err != nil {
		return 0, err
	}
	j.drained(ctx)
	if s != syscall.SIGKILL {
		began = time.Now()
	}
	if err := j.start(); err != nil {
		return 0, err
	}
	if err := j.next(ctx, 1); err != nil {
		return 0, err
	}
	took = time.Since(began)
	if _, err := j.end(syscall.SIGTERM, 0); err != nil {
		return 0, err
	}
	return took, j.close(ctx)
}

// drain is how long a stop takes while as much is in flight as may be.
func (w *world) drain(ctx context.Context, python bool) (time.Duration, error) {
	j, err := w.job(ctx, python, "", full)
	if err != nil {
		return 0, err
	}
	if err := j.start(); err != nil {
		return 0, err
	}
	if err := j.next(ctx, full/8); err != nil {
		return 0, err
	}
	took, err := j.end(syscall.SIGTERM, 0)
	if err != nil {
		return 0, err
	}
	return took, j.close(ctx)
}

func bench(ctx context.Context, rounds int, root, python, result string) error {
	k, err := realkafka.Start(ctx, realkafka.Options{})
	if err != nil {
		return err
	}
	defer k.Stop()
	cl, err := kgo.NewClient(kgo.SeedBrokers(k.Addr()), kgo.UnknownTopicRetries(100))
	if err != nil {
		return err
	}
	defer cl.Close()
	dir, err := os.MkdirTemp("", "levada-bench-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	if root, err = filepath.Abs(root); err != nil {
		return err
	}
	w := &world{root: root, python: python, dir: dir, addr: k.Addr(), client: cl, admin: kadm.NewClient(cl)}

	type measure struct {
		name string
		run  func(python bool) (time.Duration, error)
	}
	all := []measure{
		{"kill9_dynamic", func(py bool) (time.Duration, error) { return w.restart(ctx, py, "", syscall.SIGKILL) }},
		{"kill9_static", func(py bool) (time.Duration, error) { return w.restart(ctx, py, static, syscall.SIGKILL) }},
		{"clean_stop", func(py bool) (time.Duration, error) { return w.restart(ctx, py, "", syscall.SIGTERM) }},
		{"drain", func(py bool) (time.Duration, error) { return w.drain(ctx, py) }},
	}
	took := map[string][]float64{}
	for r := range rounds {
		for _, m := range all {
			for _, py := range []bool{false, true} {
				if py && python == "" {
					continue
				}
				name := m.name
				if py {
					name = "python_" + name
				}
				d, err := m.run(py)
				if err != nil {
					return fmt.Errorf("%s: %w", name, err)
				}
				fmt.Printf("round %d  %-22s %6.2f s\n", r+1, name, d.Seconds())
				took[name] = append(took[name], d.Seconds())
			}
		}
	}
	var b, last strings.Builder
	fmt.Fprintf(&b, "Seconds without output, medians of %d interleaved rounds; one real broker, %d records a second, session of 10 s\n%s, %d CPUs\n\n", rounds, rate, runtime.Version(), runtime.NumCPU())
	for _, prefix := range []string{"", "python_"} {
		for _, m := range all {
			s := slices.Sorted(slices.Values(took[prefix+m.name]))
			if len(s) == 0 {
				continue
			}
			fmt.Fprintf(&b, "%-22s %6.2f  (%.2f to %.2f)\n", prefix+m.name, s[len(s)/2], s[0], s[len(s)-1])
			fmt.Fprintf(&last, "%s_s=%.2f ", prefix+m.name, s[len(s)/2])
		}
	}
	fmt.Fprintf(&b, "\n%s\n", strings.TrimSpace(last.String()))
	fmt.Print("\n", b.String())
	if result != "" {
		return os.WriteFile(result, []byte(b.String()), 0o644)
	}
	return nil
}
