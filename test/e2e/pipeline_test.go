//go:build e2e

package e2e

import (
	"encoding/json/v2"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/twmb/franz-go/pkg/kgo"
)

// app is a folder with a pipeline in Python and its deployment.
type app struct {
	t   testing.TB
	dir string
}

// newApp writes pipeline.py and deployment.yaml. streams maps the logical names of the
// pipeline to topics; settings is more YAML for the deployment.
func newApp(c *cluster, pipeline string, streams map[string]string, settings string) *app {
	c.t.Helper()
	a := &app{c.t, c.t.TempDir()}
	a.write("pipeline.py", strings.TrimPrefix(pipeline, "\n"))
	var b strings.Builder
	fmt.Fprintf(&b, "kafka:\n  brokers: %s\n  group: %s\n", brokers(c.addr), a.group())
	b.WriteString("streams:\n")
	for name, topic := range streams {
		fmt.Fprintf(&b, "  %s: {topic: %s}\n", name, topic)
	}
	a.write("deployment.yaml", b.String()+strings.TrimPrefix(settings, "\n"))
	return a
}

// group is a consumer group that no other test has.
func (a *app) group() string { return "e2e-" + filepath.Base(filepath.Dir(a.dir)) }

func (a *app) write(name, text string) {
	a.t.Helper()
	if err := os.WriteFile(filepath.Join(a.dir, name), []byte(text), 0o644); err != nil {
		a.t.Fatal(err)
	}
}

// run starts `levada run` and returns when the pipeline says that it runs.
func (a *app) run(flags ...string) *process {
	a.t.Helper()
	p := a.start(flags...)
	p.expect(`pipeline \S+: running`)
	return p
}

func (a *app) start(flags ...string) *process {
	a.t.Helper()
	args := append([]string{"run", "pipeline.py", "--python", python(a.t), "--config", "deployment.yaml"}, flags...)
	return start(a.t, a.dir, levada(a.t), args...)
}

// drain runs to the end of what is there.
func (a *app) drain(flags ...string) *process {
	a.t.Helper()
	p := a.start(append([]string{"--drain"}, flags...)...)
	p.wait(0)
	return p
}

// ids are the ids in outputs of the form {"id": n, ...} and in lists of them.
func ids(t testing.TB, recs []*kgo.Record) []int {
	t.Helper()
	type output struct {
		ID int `json:"id"`
	}
	var all []int
	for _, r := range recs {
		var list []output
		var err error
		if len(r.Value) > 0 && r.Value[0] == '[' {
			err = json.Unmarshal(r.Value, &list)
		} else {
			list = make([]output, 1)
			err = json.Unmarshal(r.Value, &list[0])
		}
		if err != nil {
			t.Fatalf("%s[%d]@%d: %v: %s", r.Topic, r.Partition, r.Offset, err, r.Value)
		}
		for _, o := range list {
			all = append(all, o.ID)
		}
	}
	return all
}
