//go:build synctests

package sim

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"strconv"
	"time"

	"github.com/levada-io/levada/connector"
	"github.com/levada-io/levada/connector/kafka"
	"github.com/levada-io/levada/internal/engine"
	"github.com/levada-io/levada/internal/program"
	"github.com/levada-io/levada/record"
)

// The pipeline: some are filtered, then each record goes two ways. One collects batches,
// the other leads every record to one of two sinks. On the way there is every policy for
// messages that fail.
//
//	in - filter - check - flaky - broadcast - batch - join - checked - batches
//	                                        \ pick - side - left
//	                                                      \ right
const (
	batches, left, right, letters = "batches", "left", "right", "letters"

	batched, routed = "batched", "routed" // the branches, for the verifier
)

var (
	sinks   = []string{batches, left, right}
	outputs = append([]string{letters}, sinks...)

	policies = map[string]program.Policy{
		"check":   {OnError: program.DeadLetter, Language: "go"},
		"flaky":   {OnError: program.Fail, Times: 3, Backoff: 50 * time.Millisecond, Language: "go"},
		"pick":    {OnError: program.Skip, Language: "go"},
		"checked": {OnError: program.DeadLetter, Language: "go"},
		batches:   {OnError: program.DeadLetter, Language: "levada"},
		left:      {OnError: program.DeadLetter, Language: "levada"},
		right:     {OnError: program.DeadLetter, Language: "levada"},
	}
)

func kept(id int64) bool   { return id%7 != 3 }
func toLeft(id int64) bool { return id%3 == 0 }

func poison(id int64) bool  { return id%53 == 1 }  // fails in check
func hiccup(id int64) bool  { return id%401 == 2 } // fails in flaky, the first time
func unfit(id int64) bool   { return id%59 == 4 }  // fails in pick
func spoiled(id int64) bool { return id%97 == 5 }  // its whole batch fails in checked

func number(v []byte) int64 {
	n, err := strconv.ParseInt(string(v), 10, 64)
	if err != nil {
		panic(err)
	}
	return n
}

// numbers are the ids in a payload: one, or those of a batch.
func numbers(v []byte) (ids []int64) {
	for _, w := range bytes.Fields(bytes.Trim(v, "[]")) {
		ids = append(ids, number(w))
	}
	return ids
}

type op struct {
	name string
	do   func(c *record.Chunk)
}

func (o op) Steps() []string { return []string{o.name} }

func (o op) Process(_ context.Context, c *record.Chunk) error {
	o.do(c)
	return nil
}

// failing is an operator that calls f with every payload.
func failing(name string, f func(v []byte) error) op {
	return op{name, func(c *record.Chunk) {
		var idx []int32
		for i, v := range c.Col.(record.Bytes) {
			if err := f(v); err != nil {
				c.FailCall(i, name, err)
				continue
			}
			idx = append(idx, int32(i))
		}
		if len(idx) < c.Len() {
			c.Keep(idx, c.Col.Select(idx))
		}
	}}
}

// refuse is a function that fails for some ids.
func refuse(bad func(int64) bool) func(v []byte) error {
	return func(v []byte) error {
		for _, id := range numbers(v) {
			if bad(id) {
				return fmt.Errorf("%d can not be handled", id)
			}
		}
		return nil
	}
}

type sides struct{}

func (sides) Steps() []string { return []string{"side"} }

func (sides) Route(_ context.Context, c *record.Chunk) ([]int32, error) {
	to := make([]int32, c.Len())
	for i, v := range c.Col.(record.Bytes) {
		if !toLeft(number(v)) {
			to[i] = 1
		}
	}
	return to, nil
}

// pipeline makes the program; hold says whether a branch collects batches.
func pipeline(hold bool) *program.Program {
	sink := func(i int, ops ...program.Op) *program.Stage {
		return &program.Stage{Ops: ops, Sink: &program.SinkExit{Step: sinks[i], Index: i}}
	}
	p := &program.Program{
		Name: "simulated", Policies: policies,
		Source: program.Endpoint{Step: inputs, Stream: inputs, Connector: "kafka"},
	}
	for _, s := range sinks {
		p.Sinks = append(p.Sinks, program.Endpoint{Step: s, Stream: s, Connector: "kafka"})
	}
	p.NewStage = func(int) (*program.Stage, error) {
		filter := op{"filter", func(c *record.Chunk) {
			var idx []int32
			for i, v := range c.Col.(record.Bytes) {
				if kept(number(v)) {
					idx = append(idx, int32(i))
				}
			}
			c.Keep(idx, c.Col.Select(idx))
		}}
		join := op{"join", func(c *record.Chunk) {
			lists := c.Col.(program.Typed).Slice().([][][]byte)
			col := make(record.Bytes, len(lists))
			for i, l := range lists {
				col[i] = fmt.Appendf(nil, "%s", l)
			}
			c.Col = col
		}}
		called := map[int64]bool{}
		flaky := failing("flaky", func(v []byte) error {
			id := number(v)
			if !hiccup(id) || called[id] {
				delete(called, id)
				return nil
			}
			called[id] = true
			return errors.New("not now")
		})
		collect := &program.Stage{Batch: &program.BatchExit{
			Step: "batch", Limit: program.Limit{Count: 8, Age: 2 * time.Second},
			Next: sink(0, join, failing("checked", refuse(spoiled))),
		}}
		if !hold {
			collect = sink(0, failing("checked", refuse(spoiled)))
		}
		route := &program.Stage{
			Ops:   []program.Op{failing("pick", refuse(unfit))},
			Route: &program.RouteExit{Step: "side", Router: sides{}, Branches: []*program.Stage{sink(1), sink(2)}},
		}
		return &program.Stage{
			Ops:       []program.Op{filter, failing("check", refuse(poison)), flaky},
			Broadcast: &program.BroadcastExit{Step: "both", Branches: []*program.Stage{collect, route}},
		}, nil
	}
	return p
}

// limits are so small that a slow broker is felt at once: what waits for a sink, what a
// partition has queued, and what is held.
var limits = engine.Limits{
	ChunkRecords: 20, QueueBytes: 64 << 10, InFlightBytes: 12 << 10, HeldBytes: 32 << 10, BranchBytes: 4 << 10,
}

// member is a process that runs the pipeline.
type member struct {
	name  string
	link  *link
	stop  chan struct{}
	abort context.CancelFunc
	done  chan struct{} // closed when nothing of it runs any more
	err   error         // why it ended; read after done
}

// start starts a process.
func start(name string, prog *program.Program, l *link, log func(format string, args ...any)) *member {
	ctx, abort := context.WithCancel(context.Background())
	m := &member{name: name, link: l, stop: make(chan struct{}), abort: abort, done: make(chan struct{})}
	go func() {
		defer close(m.done)
		m.err = m.run(ctx, prog, log)
	}()
	return m
}

func (m *member) run(ctx context.Context, prog *program.Program, log func(format string, args ...any)) error {
	session, err := kafka.Open(ctx, &kafka.Options{
		Brokers: addresses(), Dial: m.link.dial,
		Log: func(format string, args ...any) { log("  "+m.name+": "+format, args...) },
	})
	if err != nil {
		return err
	}
	// A process that is gone says good-bye to nobody: its line is dead.
	defer session.Close(context.Background())
	cfg := engine.Config{
		Program: prog, Lanes: 2, Limits: limits, Stop: m.stop,
		Source: func(a connector.Assignee) (connector.Source, error) {
			return session.Source(ctx, connector.SourceConfig{Step: inputs, Stream: inputs, Group: group, Start: connector.Earliest}, a)
		},
	}
	for _, s := range sinks {
		k, err := session.Sink(ctx, connector.SinkConfig{Step: s, Stream: s})
		if err != nil {
			return err
		}
		cfg.Sinks = append(cfg.Sinks, k)
	}
	if cfg.DeadLetters, err = session.Sink(ctx, connector.SinkConfig{Step: letters, Stream: letters}); err != nil {
		return err
	}
	return engine.Run(ctx, cfg)
}

// kill is kill -9, as far as the outside can tell.
func (m *member) kill(late bool) {
	m.link.kill(late)
	m.abort()
}

// term is SIGTERM; it waits for the end.
func (m *member) term(patience time.Duration) error {
	close(m.stop)
	select {
	case <-m.done:
		m.abort()
		m.link.kill(false)
		return m.err
	case <-time.After(patience):
		m.kill(false)
		return errors.New("does not stop")
	}
}

// ended says that the process has ended by itself.
func (m *member) ended() bool {
	select {
	case <-m.done:
		return true
	default:
		return false
	}
}
