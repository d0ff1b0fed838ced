package kafka

import (
	"context"
	"slices"
	"sync"
	"testing"

	"github.com/levada-io/levada/connector"
	"github.com/levada-io/levada/internal/engine"
	"github.com/levada-io/levada/internal/program"
	"github.com/levada-io/levada/record"
)

// job is a run of the engine that copies a topic.
type job struct {
	in, out string
	group   string
	change  []func(*Options)
	each    func(record.Record) // called for each record, in the lane; may be nil
	lanes   int
	drain   bool

	session connector.Session
	stop    chan struct{}
	end     chan error
	once    sync.Once
	err     error
	final   engine.Status
}

type eachOp struct{ do func(record.Record) }

func (eachOp) Steps() []string { return []string{"each"} }

func (o eachOp) Process(_ context.Context, c *record.Chunk) error {
	for i, v := range c.Col.(record.Bytes) {
		r := *c.Source(i)
		r.Value = v
		o.do(r)
	}
	return nil
}

// start runs it; the test waits for its end.
func (j *job) start(t *testing.T, c *cluster) *job {
	t.Helper()
	j.stop, j.end = make(chan struct{}), make(chan error, 1)
	j.session = c.open(t, j.change...)
	go func() { j.end <- j.run(context.Background()) }()
	t.Cleanup(func() { j.term() })
	return j
}

func (j *job) run(ctx context.Context) (err error) {
	defer func() {
		if cerr := j.session.Close(context.Background()); err == nil {
			err = cerr
		}
	}()
	out, err := j.session.Sink(ctx, connector.SinkConfig{Step: "out", Stream: j.out})
	if err != nil {
		return err
	}
	p := &program.Program{
		Name:   "copy",
		Source: program.Endpoint{Step: "in", Stream: j.in, Connector: "kafka"},
		Sinks:  []program.Endpoint{{Step: "out", Stream: j.out, Connector: "kafka"}},
		NewStage: func(int) (*program.Stage, error) {
			s := &program.Stage{Sink: &program.SinkExit{Step: "out"}}
			if j.each != nil {
				s.Ops = []program.Op{eachOp{j.each}}
			}
			return s, nil
		},
	}
	return engine.Run(ctx, engine.Config{
		Program: p, Sinks: []connector.Sink{out}, Lanes: max(1, j.lanes), Stop: j.stop, Drain: j.drain,
		Source: func(a connector.Assignee) (connector.Source, error) {
			return j.session.Source(ctx, connector.SourceConfig{
				Step: "in", Stream: j.in, Group: j.group, Start: connector.Earliest,
			}, a)
		},
		Final: func(s engine.Status) { j.final = s },
	})
}

// wait waits until it ends by itself.
func (j *job) wait() error {
	j.once.Do(func() { j.err = <-j.end })
	return j.err
}

// term asks it to stop and waits for its end.
func (j *job) term() error {
	j.once.Do(func() {
		close(j.stop)
		j.err = <-j.end
	})
	return j.err
}

// stored are the values in a topic, sorted.
func stored(t *testing.T, c *cluster, topic string) []string {
	t.Helper()
	var got []string
	err := admin(t, c).Consume(t.Context(), Reading{Topic: topic, Start: connector.Earliest, ToEnd: true}, func(recs []record.Record) error {
		for _, r := range recs {
			got = append(got, string(r.Value))
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	slices.Sort(got)
	return got
}
