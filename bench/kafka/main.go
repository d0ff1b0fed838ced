// Command kafka measures CPU per message from Kafka to Kafka: Levada pipelines against
// the plain loops one would write by hand, on one real broker, over the same records,
// in interleaved rounds. What counts is the CPU time of the whole client process,
// start-up included, divided by the records; the broker's is not in it.
package main

import (
	"context"
	"encoding/json/v2"
	"flag"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"time"

	"github.com/levada-io/levada/internal/testing/realkafka"
	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kgo"
)

type contestant struct {
	name string
	args func(brokers, in, out string, n int) []string
}

func main() {
	n := flag.Int("n", 300_000, "records")
	rounds := flag.Int("rounds", 5, "rounds")
	root := flag.String("root", "..", "root of the project, with build/ made")
	python := flag.String("python", "", "python of the project's environment, with the bench's requirements")
	result := flag.String("result", "", "file for the results")
	only := flag.String("only", "", "run the contestants with this in their name; no ratios then")
	settings := flag.String("settings", "", "more YAML for the deployment of Levada's pipelines")
	against := flag.String("against", "", "root of an earlier checkout, with build/ made: measure this one against it, and nothing else")
	flag.Parse()
	if err := bench(*n, *rounds, *root, *python, *result, *only, *settings, *against); err != nil {
		fmt.Fprintln(os.Stderr, "bench kafka:", err)
		os.Exit(1)
	}
}

const (
	source = "bench-in"
	few    = "bench-few" // what start-up alone costs is measured on
	nFew   = 1000
)

// The same pipeline, all of whose steps are in Go, in two spellings.
const (
	spelledGo     = "levada-go"
	spelledPython = "levada-python-of-go"
)

// What -against compares: the same pipeline, here and in the earlier checkout.
var compared = []struct{ name, here, before string }{
	{"passthrough_ratio", "levada-passthrough", "before-passthrough"},
	{"json_ratio", spelledGo, "before-go"},
}

func bench(n, rounds int, root, python, result, only, settings, against string) error {
	if n <= nFew {
		return fmt.Errorf("-n: expected more than %d records, got %d", nFew, n)
	}
	ctx := context.Background()
	k, err := realkafka.Start(ctx, realkafka.Options{})
	if err != nil {
		return err
	}
	defer k.Stop()
	brokers := k.Addr()
	cl, err := kgo.NewClient(kgo.SeedBrokers(brokers))
	if err != nil {
		return err
	}
	defer cl.Close()
	adm := kadm.NewClient(cl)
	if _, err := adm.CreateTopics(ctx, 1, 1, nil, source, few); err != nil {
		return err
	}
	if against != "" { // all that may cost is on
		if _, err := adm.CreateTopics(ctx, 1, 1, nil, "bench-dead"); err != nil {
			return err
		}
		settings += "\ndead_letter: {topic: bench-dead}"
	}
	size, err := load(ctx, cl, source, n)
	if err != nil {
		return err
	}
	if _, err := load(ctx, cl, few, nFew); err != nil {
		return err
	}
	tmp, err := os.MkdirTemp("", "levada-bench-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(tmp)

	loops := filepath.Join(root, "build", "bench", "loops")
	loop := func(mode string) contestant {
		return contestant{mode, func(b, in, out string, n int) []string {
			return []string{loops, "-mode", mode, "-brokers", b, "-in", in, "-out", out, "-n", fmt.Sprint(n)}
		}}
	}
	pyloop := func(mode string) contestant {
		return contestant{"python-" + mode, func(b, in, out string, n int) []string {
			return []string{python, filepath.Join(root, "bench", "kafka", "loop.py"), "--mode", mode, "--brokers", b, "--in", in, "--out", out, "-n", fmt.Sprint(n)}
		}}
	}
	pipeline := func(name string, command ...string) contestant {
		settings := settings
		if strings.HasPrefix(name, "before-") {
			settings = "" // what it may not know
		}
		return contestant{name, func(b, in, out string, _ int) []string {
			cfg := filepath.Join(tmp, out+".yaml")
			text := fmt.Sprintf("kafka: {brokers: [%q], group: %q}\nstreams:\n  bench-in: {topic: %s}\n  bench-out: {topic: %s}\n%s\n", b, "group-"+out, in, out, settings)
			if err := os.WriteFile(cfg, []byte(text), 0o600); err != nil {
				panic("BUG: " + err.Error())
			}
			return append(slices.Clone(command), "--config", cfg, "--drain")
		}}
	}
	dir := filepath.Join(root, "bench", "kafka")
	all := []contestant{
		loop("raw"), loop("jsonv2"), loop("goccy"), pyloop("json"), pyloop("orjson"), pyloop("bytes"),
		pipeline("levada-passthrough", filepath.Join(root, "build", "levada"), "run", filepath.Join(dir, "passthrough.yaml")),
		pipeline(spelledGo, filepath.Join(root, "build", "bench", "native"), "run"),
		pipeline(spelledPython, python, "-m", "levada", "run", filepath.Join(dir, "of_go.py")),
		pipeline("levada-python-bytes", python, "-m", "levada", "run", filepath.Join(dir, "on_bytes.py")),
	}
	if against != "" {
		before := filepath.Join(against, "build")
		all = slices.DeleteFunc(all, func(c contestant) bool { return c.name != "levada-passthrough" && c.name != spelledGo })
		all = append(all,
			pipeline("before-passthrough", filepath.Join(before, "levada"), "run", filepath.Join(dir, "passthrough.yaml")),
			pipeline("before-go", filepath.Join(before, "bench", "native"), "run"))
	}
	all = slices.DeleteFunc(all, func(c contestant) bool { return !strings.Contains(c.name, only) })
	// run carries out a contestant on a topic of n records: the CPU time of the process.
	run := func(c contestant, topic, out string, n int) (time.Duration, error) {
		if _, err := adm.CreateTopic(ctx, 1, 1, nil, out); err != nil {
			return 0, err
		}
		args := c.args(brokers, topic, out, n)
		cmd := exec.Command(args[0], args[1:]...)
		var stderr strings.Builder
		cmd.Stderr = &stderr
		if err := cmd.Run(); err != nil {
			return 0, fmt.Errorf("%s: %w\n%s", c.name, err, stderr.String())
		}
		ends, err := adm.ListEndOffsets(ctx, out)
		if err != nil {
			return 0, err
		}
		if e, _ := ends.Lookup(out, 0); e.Offset < int64(n) {
			return 0, fmt.Errorf("%s: wrote %d of %d records", c.name, e.Offset, n)
		}
		_, err = adm.DeleteTopics(ctx, out)
		return cmd.ProcessState.UserTime() + cmd.ProcessState.SystemTime(), err
	}
	cpu, apart := map[string][]float64{}, map[string][]float64{}
	turns := slices.Clone(all)
	for r := range rounds {
		for _, c := range turns {
			out := fmt.Sprintf("out-%s-%d", c.name, r)
			began := time.Now()
			took, err := run(c, source, out, n)
			if err != nil {
				return err
			}
			us := float64(took.Microseconds()) / float64(n)
			cpu[c.name] = append(cpu[c.name], us)
			fmt.Printf("round %d  %-22s %6.2f us CPU per message  %7.0f messages/s\n", r+1, c.name, us, float64(n)/time.Since(began).Seconds())
			if against != "" || c.name != spelledGo && c.name != spelledPython {
				continue
			}
			start, err := run(c, few, out+"-few", nFew)
			if err != nil {
				return err
			}
			apart[c.name] = append(apart[c.name], float64((took-start).Microseconds())/float64(n-nFew))
		}
		slices.Reverse(turns) // what the broker still does for the one before burdens each
	}
	med := map[string]float64{}
	var b strings.Builder
	fmt.Fprintf(&b, "Kafka to Kafka, one partition, %d records of %d B, medians of %d interleaved rounds\n%s, %d CPUs; a real Kafka, its CPU not counted\n\n", n, size, rounds, runtime.Version(), runtime.NumCPU())
	for _, c := range all {
		s := slices.Sorted(slices.Values(cpu[c.name]))
		med[c.name] = median(s)
		fmt.Fprintf(&b, "%-22s %6.2f us  (%.2f to %.2f)\n", c.name, med[c.name], s[0], s[len(s)-1])
	}
	if only != "" {
		fmt.Print("\n", b.String())
		return nil
	}
	if against != "" {
		b.WriteByte('\n')
		for _, c := range compared {
			ratios := make([]float64, rounds)
			for r := range ratios {
				ratios[r] = cpu[c.here][r] / cpu[c.before][r]
			}
			fmt.Fprintf(&b, "%s=%.3f ", c.name, median(ratios))
		}
		return write(&b, result)
	}
	same := make([]float64, rounds) // how much the spelling costs, once it runs
	for r := range same {
		same[r] = apart[spelledPython][r] / apart[spelledGo][r]
	}
	fmt.Fprintf(&b, "\nstart-up apart: %s %.2f us, %s %.2f us\n", spelledGo, median(apart[spelledGo]), spelledPython, median(apart[spelledPython]))
	fmt.Fprintf(&b, "\npython_bytes_extra_us=%.2f same_ratio=%.2f\n", med["levada-python-bytes"]-med["python-bytes"], median(same))
	fmt.Fprintf(&b, "passthrough_ratio=%.2f json_ratio=%.2f goccy_ratio=%.2f orjson_ratio=%.2f python_of_go_ratio=%.2f\n",
		med["levada-passthrough"]/med["raw"], med[spelledGo]/med["jsonv2"], med[spelledGo]/med["goccy"],
		med[spelledPython]/med["python-orjson"], med[spelledPython]/med["python-json"])
	return write(&b, result)
}

func write(b *strings.Builder, result string) error {
	text := strings.TrimRight(b.String(), " \n") + "\n"
	fmt.Print("\n", text)
	if result != "" {
		return os.WriteFile(result, []byte(text), 0o644)
	}
	return nil
}

func median(v []float64) float64 {
	s := slices.Sorted(slices.Values(v))
	return s[len(s)/2]
}

// load writes n metric records to a topic and returns their average size.
func load(ctx context.Context, cl *kgo.Client, topic string, n int) (int, error) {
	rng := rand.New(rand.NewPCG(1, 2))
	total := 0
	var failed error
	for i := range n {
		b, err := json.Marshal(map[string]any{
			"org_id": 1 + rng.IntN(5000), "project_id": 1 + rng.IntN(90000),
			"name": "c:sessions/session@none",
			"tags": map[string]string{
				"environment": []string{"production", "staging"}[rng.IntN(2)],
				"release":     fmt.Sprintf("frontend@%d.%d", rng.IntN(20), rng.IntN(20)), "session.status": "init",
			},
			"timestamp": 1_700_000_000 + i, "retention_days": 90, "type": "c", "value": rng.Float64() * 100,
		}, json.Deterministic(true))
		if err != nil {
			return 0, err
		}
		total += len(b)
		cl.Produce(ctx, &kgo.Record{Topic: topic, Value: b}, func(_ *kgo.Record, err error) {
			if err != nil {
				failed = err
			}
		})
	}
	if err := cl.Flush(ctx); err != nil {
		return 0, err
	}
	return total / n, failed
}
