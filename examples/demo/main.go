// Command demo shows what a step in Go is worth: it loads earthquakes into an embedded
// Kafka, runs the pipeline that is all Python and the one with a step in Go over them,
// each in a process of its own, and compares the outputs byte by byte.
package main

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json/v2"
	"errors"
	"flag"
	"fmt"
	"hash/maphash"
	"io"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"strings"
	"syscall"
	"text/tabwriter"
	"time"

	"github.com/levada-io/levada/connector"
	"github.com/levada-io/levada/connector/kafka"
	"github.com/levada-io/levada/record"
)

func main() {
	n := flag.Int("n", 200_000, "records")
	python := flag.String("python", ".venv/bin/python", "`interpreter` with levada and quake_steps")
	levada := flag.String("levada", "build/levada", "the levada `command`")
	examples := flag.String("examples", "examples/earthquakes", "`folder` of the pipelines")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGINT, syscall.SIGTERM)
	defer stop()
	if err := demo(ctx, *n, *python, *levada, *examples); err != nil {
		fmt.Fprintln(os.Stderr, "demo:", err)
		stop()
		os.Exit(1)
	}
}

const input = "earthquakes"

// levels are the branches of the pipelines; each has a topic of its own.
var levels = []string{"minor", "light", "strong"}

// variant is one of the two pipelines and what came of it.
type variant struct {
	name, file string

	cpu     time.Duration
	summary summary
	outputs map[string]uint64 // hash of the output, by id
	twice   int
}

// summary is what --summary writes, as far as the table shows it.
type summary struct {
	RecordsIn   int64   `json:"records_in"`
	WallSeconds float64 `json:"wall_seconds"`
	PeakMemory  int64   `json:"peak_memory_bytes"`
	Counters    struct {
		Crossings int64 `json:"crossings"`
		GILHold   int64 `json:"gil_hold_ns"`
	} `json:"counters"`
}

func demo(ctx context.Context, n int, python, levada, examples string) error {
	python, err := exec.LookPath(python)
	if err != nil {
		return err
	}
	if python, err = filepath.Abs(python); err != nil {
		return err
	}
	work, err := os.MkdirTemp("", "levada-demo-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(work)
	variants := []*variant{
		{name: "all Python", file: filepath.Join(examples, "pipeline_python.py")},
		{name: "one step in Go", file: filepath.Join(examples, "pipeline.py")},
	}
	args := []string{"broker", "--addr", "127.0.0.1:0", "--json", "--topic", input + ":2"}
	for i := range variants {
		for _, l := range levels {
			args = append(args, "--topic", topic(i, l))
		}
	}
	addr, end, err := broker(ctx, levada, args)
	if err != nil {
		return err
	}
	defer end()
	opts := &kafka.Options{Brokers: []string{addr}, Unreachable: 10 * time.Second}
	admin, err := kafka.NewAdmin(opts)
	if err != nil {
		return err
	}
	defer admin.Close(context.WithoutCancel(ctx))

	ids, err := load(ctx, opts, filepath.Join(examples, "earthquakes.jsonl"), n)
	if err != nil {
		return err
	}
	for i, v := range variants {
		if err := v.run(ctx, admin, i, python, addr, work, len(ids)); err != nil {
			return fmt.Errorf("%s: %w", v.name, err)
		}
		if err := v.read(ctx, admin, i); err != nil {
			return fmt.Errorf("%s: %w", v.name, err)
		}
	}
	return compare(variants, ids, n)
}

func topic(variant int, level string) string {
	return fmt.Sprintf("quakes-%s-%d", level, variant+1)
}

// broker starts the embedded Kafka in a process of its own; end ends it.
func broker(ctx context.Context, levada string, args []string) (addr string, end func(), err error) {
	cmd := exec.CommandContext(ctx, levada, args...)
	cmd.Stderr = os.Stderr
	out, err := cmd.StdoutPipe()
	if err != nil {
		return "", nil, err
	}
	if err := cmd.Start(); err != nil {
		return "", nil, err
	}
	end = func() {
		_ = cmd.Process.Signal(syscall.SIGTERM) // it may have ended with the terminal's Ctrl-C
		_ = cmd.Wait()
	}
	line, err := bufio.NewReader(out).ReadBytes('\n')
	var said struct {
		Address string `json:"address"`
	}
	if err == nil {
		err = json.Unmarshal(line, &said)
	}
	if err != nil {
		end()
		return "", nil, fmt.Errorf("the embedded Kafka does not start: %w", err)
	}
	return said.Address, end, nil
}

// load writes n events, the file over and over, each with an id of its own. It returns
// the ids of those that the pipelines keep.
func load(ctx context.Context, opts *kafka.Options, file string, n int) (map[string]bool, error) {
	text, err := os.ReadFile(file)
	if err != nil {
		return nil, err
	}
	lines := bytes.Split(bytes.TrimSpace(text), []byte("\n"))
	type event struct {
		ID         string `json:"id"`
		Properties struct {
			Mag *float64 `json:"mag"`
		} `json:"properties"`
	}
	events := make([]event, len(lines))
	for i, l := range lines {
		if err := json.Unmarshal(l, &events[i]); err != nil {
			return nil, fmt.Errorf("%s:%d: %w", file, i+1, err)
		}
	}
	s, err := kafka.Open(ctx, opts)
	if err != nil {
		return nil, err
	}
	defer s.Close(context.WithoutCancel(ctx))
	sink, err := s.Sink(ctx, connector.SinkConfig{Step: "load", Stream: input})
	if err != nil {
		return nil, err
	}
	ids := make(map[string]bool, n)
	// One write is in flight while the next one is made: the sink's own buffer has no end.
	done := make(chan error, 1)
	done <- nil
	const chunk = 2000
	for from := 0; from < n; from += chunk {
		recs := make([]record.Record, 0, chunk)
		for i := from; i < min(n, from+chunk); i++ {
			e, l := events[i%len(events)], lines[i%len(lines)]
			id := fmt.Sprintf("%s-%d", e.ID, i)
			// The id is the last member of a line; others may have the same text.
			at := bytes.LastIndex(l, []byte(`"`+e.ID+`"`))
			if at < 0 {
				return nil, fmt.Errorf("%s: no id in %.80q", file, l)
			}
			v := append(append(append(make([]byte, 0, len(l)+8), l[:at+1]...), id...), l[at+1+len(e.ID):]...)
			recs = append(recs, record.Record{Key: []byte(id), Value: v, Timestamp: time.Now()})
			if e.Properties.Mag != nil {
				ids[id] = true
			}
		}
		if err := <-done; err != nil {
			return nil, err
		}
		sink.Write(recs, func(err error) { done <- err })
		progress("loading", from+len(recs), n)
	}
	if err := errors.Join(<-done, sink.Flush(ctx)); err != nil {
		return nil, err
	}
	return ids, nil
}

// run runs the pipeline to the end of the input, in a process of its own.
func (v *variant) run(ctx context.Context, admin *kafka.Admin, i int, python, addr, work string, expected int) error {
	var b strings.Builder
	fmt.Fprintf(&b, "kafka: {brokers: [%q], group: demo-%d, start: earliest}\nstreams:\n  quakes: {topic: %s}\n", addr, i+1, input)
	for _, l := range levels {
		fmt.Fprintf(&b, "  quakes-%s: {topic: %s}\n", l, topic(i, l))
	}
	cfg, sum := filepath.Join(work, fmt.Sprintf("%d.yaml", i)), filepath.Join(work, fmt.Sprintf("%d.json", i))
	if err := os.WriteFile(cfg, []byte(b.String()), 0o600); err != nil {
		return err
	}
	cmd := exec.CommandContext(ctx, python, "-m", "levada", "run", v.file, "--config", cfg, "--drain", "--summary", sum)
	var log bytes.Buffer
	cmd.Stdout, cmd.Stderr = &log, &log
	if err := cmd.Start(); err != nil {
		return err
	}
	ended := make(chan error, 1)
	go func() { ended <- cmd.Wait() }()
	tick := time.NewTicker(500 * time.Millisecond)
	defer tick.Stop()
	for {
		select {
		case err := <-ended:
			progress(v.name, expected, expected)
			if err != nil {
				return fmt.Errorf("%w\n%s", err, log.Bytes())
			}
			v.cpu = cmd.ProcessState.UserTime() + cmd.ProcessState.SystemTime()
			text, err := os.ReadFile(sum)
			if err != nil {
				return err
			}
			return json.Unmarshal(text, &v.summary)
		case <-tick.C:
			if !terminal {
				continue
			}
			written := 0
			for _, l := range levels {
				ps, err := admin.Positions(ctx, topic(i, l), "")
				if err != nil {
					break // it is only the progress
				}
				for _, p := range ps {
					written += int(p.End - p.Start)
				}
			}
			progress(v.name, written, expected)
		}
	}
}

var seed = maphash.MakeSeed()

// read takes in what the variant wrote.
func (v *variant) read(ctx context.Context, admin *kafka.Admin, i int) error {
	v.outputs = map[string]uint64{}
	for _, l := range levels {
		err := admin.Consume(ctx, kafka.Reading{Topic: topic(i, l), ToEnd: true}, func(recs []record.Record) error {
			for i := range recs {
				var out struct {
					ID string `json:"id"`
				}
				if err := json.Unmarshal(recs[i].Value, &out); err != nil {
					return fmt.Errorf("output %.80q: %w", recs[i].Value, err)
				}
				if _, ok := v.outputs[out.ID]; ok {
					v.twice++
				}
				// The branch that an event took, its key and its bytes.
				v.outputs[out.ID] = maphash.Bytes(seed, fmt.Appendf(nil, "%s\x00%s\x00%s", l, recs[i].Key, recs[i].Value))
			}
			return nil
		})
		if err != nil {
			return err
		}
	}
	return nil
}

// compare prints the table and the verdict.
func compare(variants []*variant, ids map[string]bool, n int) error {
	w := tabwriter.NewWriter(os.Stdout, 0, 8, 2, ' ', tabwriter.AlignRight)
	fmt.Fprintf(w, "%d records\trecords/s\tCPU us/record\tcrossings\tGIL us/record\tMiB\tlost\tduplicated\t\n", n)
	lost, twice, foreign := 0, 0, 0
	for _, v := range variants {
		missing := 0
		for id := range ids {
			if _, ok := v.outputs[id]; !ok {
				missing++
			}
		}
		foreign += len(v.outputs) + missing - len(ids)
		lost, twice = lost+missing, twice+v.twice
		fmt.Fprintf(w, "%s\t%.0f\t%.2f\t%d\t%.2f\t%d\t%d\t%d\t\n", v.name,
			float64(v.summary.RecordsIn)/v.summary.WallSeconds,
			float64(v.cpu.Nanoseconds())/1000/float64(n),
			v.summary.Counters.Crossings,
			float64(v.summary.Counters.GILHold)/1000/float64(n),
			v.summary.PeakMemory>>20, missing, v.twice)
	}
	if err := w.Flush(); err != nil {
		return err
	}
	different := 0
	for id, h := range variants[0].outputs {
		if other, ok := variants[1].outputs[id]; ok && other != h {
			different++
		}
	}
	if different+lost+twice+foreign > 0 {
		return fmt.Errorf("%d different, %d lost, %d duplicated, %d that nobody expected", different, lost, twice, foreign)
	}
	_, err := io.WriteString(os.Stdout, "demo: identical, 0 lost, 0 duplicated\n")
	return err
}

// terminal says whether somebody watches.
var terminal = func() bool {
	st, err := os.Stderr.Stat()
	return err == nil && st.Mode()&os.ModeCharDevice != 0
}()

// progress shows how far a part has come, on a terminal in place, else once at its end.
func progress(what string, done, of int) {
	switch {
	case terminal && done >= of:
		fmt.Fprintf(os.Stderr, "\r\x1b[K%s: %d records\n", what, done)
	case terminal:
		fmt.Fprintf(os.Stderr, "\r\x1b[K%s: %d of %d records", what, done, of)
	case done >= of:
		fmt.Fprintf(os.Stderr, "%s: %d records\n", what, done)
	}
}
