// Command overload measures the memory of a process that gets ten times what it can
// handle, against the same process at what it can: one with a slow step, one whose way to
// the broker is narrow, so that its sink is slow.
package main

import (
	"context"
	"flag"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/levada-io/levada/broker"
	"github.com/levada-io/levada/internal/testing/proxy"
)

func main() {
	rounds := flag.Int("rounds", 3, "rounds")
	root := flag.String("root", "..", "root of the project, with build/ made")
	python := flag.String("python", "", "python of the project's environment, with the bench's steps; empty: in Go only")
	result := flag.String("result", "", "file for the results")
	settings := flag.String("settings", "", "more YAML for the deployment")
	only := flag.String("only", "", "the contestant of this name alone")
	flag.Parse()
	if err := bench(context.Background(), *rounds, *root, *python, *result, *settings, *only); err != nil {
		fmt.Fprintln(os.Stderr, "bench overload:", err)
		os.Exit(1)
	}
}

const (
	partitions = 4
	warm       = 5 * time.Second  // not measured: start-up, and queues that fill
	measured   = 10 * time.Second // each look counts
	every      = 100 * time.Millisecond

	// At full speed what waits is gone after some seconds: only while it works counts.
	fullWaiting  = 1_500_000
	fullWarm     = time.Second
	fullMeasured = 4 * time.Second
)

type contestant struct {
	name   string
	args   []string
	rate   int   // records a second that it can handle, with a little to spare
	narrow int64 // bytes a second to the broker; 0: no limit
}

type world struct {
	dir    string
	proxy  *proxy.Proxy
	client *kgo.Client
	admin  *kadm.Client
	topics int
	text   string
}

func value(i int) []byte {
	return fmt.Appendf(nil, `{"org_id":%d,"project_id":%d,"name":"c:sessions/session@none","tags":{"environment":"production","release":"frontend@%d"},"timestamp":%d,"retention_days":90,"type":"c","value":%d.5}`,
		i*7919%5000, i*104729%90000, i%400, 1_700_000_000+i, i*31%1000)
}

func (w *world) produce(ctx context.Context, topic string, n int) error {
	var failed error
	for i := range n {
		w.client.Produce(ctx, &kgo.Record{Topic: topic, Value: value(i)}, func(_ *kgo.Record, err error) {
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

// run starts a contestant with so many records waiting and rate more each second, and
// tells what it holds: the median, and the most.
func (w *world) run(ctx context.Context, c *contestant, waiting, rate int, warm, measured time.Duration) (median, most float64, err error) {
	w.topics++
	in, out := fmt.Sprintf("in-%d", w.topics), fmt.Sprintf("out-%d", w.topics)
	if _, err := w.admin.CreateTopics(ctx, partitions, 1, nil, in, out); err != nil {
		return 0, 0, err
	}
	if err := w.produce(ctx, in, waiting); err != nil {
		return 0, 0, err
	}
	w.proxy.Set(proxy.Network{Up: c.narrow})
	defer w.proxy.Set(proxy.Network{})
	config := filepath.Join(w.dir, in+".yaml")
	text := fmt.Sprintf("kafka: {brokers: [%q], group: group-%d, compression: none}\nstreams:\n  bench-in: {topic: %s}\n  bench-out: {topic: %s}\n%s\n", w.proxy.Addr(), w.topics, in, out, w.text)
	if err := os.WriteFile(config, []byte(text), 0o600); err != nil {
		return 0, 0, err
	}
	cmd := exec.Command(c.args[0], append(slices.Clone(c.args[1:]), "--config", config)...)
	var stderr strings.Builder
	cmd.Stderr = &stderr
	if err := cmd.Start(); err != nil {
		return 0, 0, err
	}
	fctx, stop := context.WithCancel(ctx)
	fed := make(chan error, 1)
	go func() { fed <- w.feed(fctx, in, rate) }()
	var seen []float64
	began := time.Now()
	tick := time.NewTicker(every)
	for range tick.C {
		if time.Since(began) < warm {
			continue
		}
		rss, err := resident(cmd.Process.Pid)
		if err != nil {
			tick.Stop()
			stop()
			cmd.Wait()
			return 0, 0, fmt.Errorf("%s: %w\n%s", c.name, err, stderr.String())
		}
		if seen = append(seen, rss); time.Since(began) > warm+measured {
			break
		}
	}
	tick.Stop()
	stop()
	// What waits is of no interest any more.
	if err := cmd.Process.Signal(syscall.SIGKILL); err != nil {
		return 0, 0, err
	}
	cmd.Wait()
	if err := <-fed; err != nil {
		return 0, 0, err
	}
	ends, err := w.admin.ListEndOffsets(ctx, out)
	if err != nil {
		return 0, 0, err
	}
	var wrote int64
	ends.Each(func(o kadm.ListedOffset) { wrote += o.Offset })
	// It must have worked all the time, or it is not this that was measured.
	if wrote < int64(c.rate)*int64(measured/time.Second)/4 {
		return 0, 0, fmt.Errorf("%s: wrote %d records, expected about %d a second\n%s", c.name, wrote, c.rate, stderr.String())
	}
	if _, err := w.admin.DeleteTopics(ctx, in, out); err != nil {
		return 0, 0, err
	}
	fmt.Printf("    %-12s %7d waiting, %6d a second: %6.0f a second out\n", c.name, waiting, rate, float64(wrote)/time.Since(began).Seconds())
	slices.Sort(seen)
	return seen[len(seen)/2], seen[len(seen)-1], nil
}

func (w *world) feed(ctx context.Context, topic string, rate int) error {
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for {
		select {
		case <-tick.C:
			if err := w.produce(context.WithoutCancel(ctx), topic, rate/50); err != nil {
				return err
			}
		case <-ctx.Done():
			return nil
		}
	}
}

// resident is the memory of a process in MiB.
func resident(pid int) (float64, error) {
	status, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
	if err != nil {
		return 0, err
	}
	_, rest, ok := strings.Cut(string(status), "\nVmRSS:")
	if !ok {
		return 0, fmt.Errorf("process %d has ended", pid)
	}
	line, _, _ := strings.Cut(rest, " kB\n")
	kb, err := strconv.ParseFloat(strings.TrimSpace(line), 64)
	return kb / 1024, err
}

func bench(ctx context.Context, rounds int, root, python, result, settings, only string) error {
	px, err := proxy.Listen()
	if err != nil {
		return err
	}
	defer px.Close()
	b, err := broker.Start(broker.Options{Advertise: px.Addr()})
	if err != nil {
		return err
	}
	defer b.Close()
	px.To(b.Addr())
	cl, err := kgo.NewClient(kgo.SeedBrokers(b.Addr()), kgo.ProducerBatchCompression(kgo.NoCompression()),
		kgo.Dialer(func(ctx context.Context, network, _ string) (net.Conn, error) {
			return new(net.Dialer).DialContext(ctx, network, b.Addr())
		}))
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
	w := &world{dir: dir, proxy: px, client: cl, admin: kadm.NewClient(cl), text: settings}

	built := func(name string) string { return filepath.Join(root, "build", "bench", name) }
	// 2 MB a second are about 10,000 records, of one connection.
	all := []*contestant{
		{name: "slow_step", args: []string{built("slow"), "run"}, rate: 200},
		{name: "slow_sink", args: []string{built("native"), "run"}, rate: 8000, narrow: 2 << 20},
	}
	if python != "" {
		all = append(all, &contestant{name: "python_sink", args: []string{filepath.Join(root, "build", "levada"), "run", filepath.Join(root, "bench", "kafka", "of_go.py"), "--python", python}, rate: 8000, narrow: 2 << 20})
	}
	if only != "" {
		all = slices.DeleteFunc(all, func(c *contestant) bool { return c.name != only })
	}
	light := map[string][]float64{}
	steady, over, ratio := map[string][]float64{}, map[string][]float64{}, map[string][]float64{}
	for r := range rounds {
		for _, c := range all {
			s, _, err := w.run(ctx, c, 0, c.rate, warm, measured)
			if err != nil {
				return err
			}
			idle := s
			if c.narrow > 0 {
				// The same with nothing slow: as much as it can handle is on its way.
				free := *c
				free.narrow = 0
				if s, _, err = w.run(ctx, &free, fullWaiting, 0, fullWarm, fullMeasured); err != nil {
					return err
				}
			}
			_, o, err := w.run(ctx, c, 10*c.rate*int((warm+measured)/time.Second)/4, 10*c.rate, warm, measured)
			if err != nil {
				return err
			}
			fmt.Printf("round %d  %-12s steady %6.1f MiB, overloaded %6.1f MiB at most\n", r+1, c.name, s, o)
			steady[c.name], over[c.name], ratio[c.name] = append(steady[c.name], s), append(over[c.name], o), append(ratio[c.name], o/s)
			light[c.name] = append(light[c.name], idle)
		}
	}
	mid := func(v []float64) float64 { return slices.Sorted(slices.Values(v))[len(v)/2] }
	var text, last strings.Builder
	fmt.Fprintf(&text, "Resident memory (MiB) at ten times what is handled, the most of %v, against the median of the same pipeline at its full speed (slow_step: at what it can handle); medians of %d interleaved rounds\n%s, %d CPUs; %d partitions, embedded broker in another process\n\n",
		measured, rounds, runtime.Version(), runtime.NumCPU(), partitions)
	for _, c := range all {
		fmt.Fprintf(&text, "%-12s steady %6.1f, overloaded %6.1f, ratio %.2f; with little to do %.1f\n", c.name, mid(steady[c.name]), mid(over[c.name]), mid(ratio[c.name]), mid(light[c.name]))
		fmt.Fprintf(&last, "%s_ratio=%.2f ", c.name, mid(ratio[c.name]))
	}
	fmt.Fprintf(&text, "\n%s\n", strings.TrimSpace(last.String()))
	fmt.Print("\n", text.String())
	if result != "" {
		return os.WriteFile(result, []byte(text.String()), 0o644)
	}
	return nil
}
