package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"os/signal"
	"slices"
	"syscall"
	"time"

	"github.com/levada-io/levada/connector"
	"github.com/levada-io/levada/connector/kafka"
	"github.com/levada-io/levada/internal/deadletter"
	"github.com/levada-io/levada/internal/runner"
	"github.com/levada-io/levada/record"
)

type dlqReplayCmd struct {
	letterTopic  `embed:""`
	letterFilter `embed:""`

	To       string `help:"Write to this topic, by key, and not to the place that each letter came from." placeholder:"TOPIC"`
	DryRun   bool   `help:"Write nothing; print what would go."`
	Pipeline string `help:"Run this pipeline, a .py or .yaml file, on its dead letters, once, as the group <group>.replay." placeholder:"FILE"`
	Python   string `help:"Interpreter for Python steps of --pipeline, as in levada run." placeholder:"PATH"`
}

// maxTold bounds how many letters that can not be replayed are named.
const maxTold = 20

// replay writes letters to the topics that they came from, once each.
//
// # Notes
//
// The topic of the letters is read twice, for what there is and for the records
// themselves: what is held between is a position per letter and not the letter. A letter
// is known by the position of its original record, and a record that was replayed carries
// that position, so the targets tell what is done, whoever did it and however it ended.
type replay struct {
	c  *dlqReplayCmd
	e  *env
	ls *letters

	records  int // of the topic
	foreign  int
	refused  int
	skipped  int
	replayed int

	todo    map[deadletter.Position]bool
	targets map[string]map[int32]bool // the partitions that there are, by topic
}

// Run replays letters.
func (c *dlqReplayCmd) Run(e *env) (err error) {
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGINT, syscall.SIGTERM)
	defer stop()
	if err := c.prepare(time.Now()); err != nil {
		return err
	}
	if c.Pipeline != "" {
		return c.run(e)
	}
	ls, err := c.open(e)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(interrupted(ctx, err), ls.close(ctx)) }()
	if c.To == ls.topic {
		return usage("--to: expected another topic than that of the dead letters, got %s", c.To)
	}
	r := &replay{c: c, e: e, ls: ls, todo: map[deadletter.Position]bool{}, targets: map[string]map[int32]bool{}}
	if err := r.collect(ctx); err != nil {
		return err
	}
	if err := r.leaveOutWhatIsThere(ctx); err != nil {
		return err
	}
	if c.DryRun {
		err = r.print(ctx)
	} else {
		err = r.write(ctx)
	}
	r.tell(e.stdout)
	if err == nil && r.refused > 0 {
		err = dataError{fmt.Errorf("%s: %s can not be replayed, for the reasons above", ls.topic, plural(r.refused, "letter"))}
	}
	return err
}

// run has a pipeline work on its letters, in whatever process it runs in.
func (c *dlqReplayCmd) run(e *env) error {
	for _, f := range []struct {
		name string
		set  bool
	}{
		{"--step", c.Step != ""}, {"--cause", c.Cause != ""}, {"--since", c.Since != ""}, {"--until", c.Until != ""},
		{"--to", c.To != ""}, {"--dry-run", c.DryRun},
	} {
		if f.set {
			return usage("--pipeline and %s: expected one of them, got both: a pipeline gets all of its letters", f.name)
		}
	}
	_, topic, err := c.find()
	if err != nil {
		return err
	}
	pf := pipelineFlags{File: c.Pipeline, Config: c.Config, Python: c.Python}
	p, err := open(&pf)
	if err != nil {
		return err
	}
	args := append(pf.args(), "--dead-letters", topic)
	if c.Brokers != "" {
		args = append(args, "--brokers", c.Brokers)
	}
	return p.do(e, "run", args)
}

func plural(n int, what string) string {
	if n == 1 {
		return "1 " + what
	}
	return fmt.Sprintf("%d %ss", n, what)
}

func (r *replay) tell(to io.Writer) {
	done, n := "replayed", r.replayed
	if r.c.DryRun {
		done, n = "would_replay", len(r.todo)
	}
	fmt.Fprintf(to, "%s=%d skipped_already=%d refused=%d foreign=%d\n", done, n, r.skipped, r.refused, r.foreign)
}

// refuse counts a letter that can not be replayed, and says why.
func (r *replay) refuse(at string, reason error) {
	switch r.refused++; {
	case r.refused <= maxTold:
		fmt.Fprintf(r.e.stderr, "levada: %s: %s\n", at, runner.Message(reason))
	case r.refused == maxTold+1:
		fmt.Fprintf(r.e.stderr, "levada: further ones are only counted\n")
	}
}

func position(r *record.Record) string {
	return deadletter.Position{Topic: r.Topic, Partition: r.Partition, Offset: r.Offset}.String()
}

// collect finds what is to be replayed.
func (r *replay) collect(ctx context.Context) error {
	err := r.ls.each(ctx, func(at *record.Record, l *deadletter.Letter, err error) error {
		r.records++
		switch {
		case errors.Is(err, deadletter.ErrForeign):
			r.foreign++
			return nil
		case err != nil:
			r.refuse(position(at), err)
			return nil
		case !r.c.match(l):
			return nil
		}
		why, err := r.impossible(ctx, l)
		switch {
		case err != nil:
			return err
		case why != nil:
			r.refuse(position(at), why)
		case r.todo[l.At()]:
			r.skipped++ // of one record several elements failed, or one was written twice
		default:
			r.todo[l.At()] = true
		}
		return nil
	})
	if err != nil {
		return err
	}
	if r.records > 0 && r.foreign == r.records {
		return foreignTopic(r.ls.topic, r.records)
	}
	return nil
}

// foreignTopic is the error for a topic of something else.
func foreignTopic(topic string, records int) error {
	return configError{fmt.Errorf("topic %q: expected dead letters, none of its %s has the header %s\n"+
		"hint: check --topic", topic, plural(records, "record"), deadletter.HeaderVersion)}
}

// impossible says why a letter can not go where it should; nil where it can.
func (r *replay) impossible(ctx context.Context, l *deadletter.Letter) (why, err error) {
	if len(l.Ranges) > 0 {
		return fmt.Errorf("%s: the letter is a batch of step %q, which is no record of %s", l.At(), l.Step, l.Topic), nil
	}
	target := r.target(l)
	if target == r.ls.topic {
		return fmt.Errorf("%s: the letter came from the topic of the dead letters itself", l.At()), nil
	}
	there, err := r.partitions(ctx, target)
	if err != nil {
		return nil, err
	}
	if r.c.To == "" && !there[l.Partition] {
		return fmt.Errorf("%s: topic %q has no such partition any more\nhint: --to %s writes by key", l.At(), l.Topic, l.Topic), nil
	}
	return nil, nil
}

func (r *replay) target(l *deadletter.Letter) string {
	if r.c.To != "" {
		return r.c.To
	}
	return l.Topic
}

func (r *replay) partitions(ctx context.Context, topic string) (map[int32]bool, error) {
	there, ok := r.targets[topic]
	if !ok {
		ps, err := r.ls.admin.Positions(ctx, topic, "")
		if err != nil {
			return nil, err
		}
		there = map[int32]bool{}
		for _, p := range ps {
			there[p.ID] = true
		}
		r.targets[topic] = there
	}
	return there, nil
}

// leaveOutWhatIsThere takes out of todo what the targets have already.
func (r *replay) leaveOutWhatIsThere(ctx context.Context) error {
	for _, topic := range slices.Sorted(maps.Keys(r.targets)) {
		reading := kafka.Reading{Topic: topic, ToEnd: true}
		if r.c.To == "" {
			from, err := r.since(ctx, topic)
			if err != nil {
				return err
			}
			if len(from) == 0 {
				continue
			}
			reading.From = from
		}
		err := r.ls.admin.Consume(ctx, reading, func(recs []record.Record) error {
			for i := range recs {
				if p, ok := deadletter.Replayed(&recs[i]); ok && r.todo[p] {
					delete(r.todo, p)
					r.skipped++
				}
			}
			return nil
		})
		if err != nil {
			return err
		}
	}
	return nil
}

// since is where records replayed to their own topic can begin: behind the first of them,
// since a record is replayed to the partition that it was in.
func (r *replay) since(ctx context.Context, topic string) (map[int32]int64, error) {
	from := map[int32]int64{}
	for p := range r.todo {
		if p.Topic != topic {
			continue
		}
		if at, ok := from[p.Partition]; !ok || p.Offset < at {
			from[p.Partition] = p.Offset
		}
	}
	if len(from) == 0 {
		return nil, nil
	}
	ps, err := r.ls.admin.Positions(ctx, topic, "")
	if err != nil {
		return nil, err
	}
	for _, p := range ps {
		if at, ok := from[p.ID]; ok && at >= p.End {
			from[p.ID] = p.Start // the topic was made anew: its offsets say nothing
		}
	}
	return from, nil
}

// toReplay calls fn with the letters that are left to do, each once.
func (r *replay) toReplay(ctx context.Context, fn func(at *record.Record, l *deadletter.Letter) error) error {
	left := maps.Clone(r.todo)
	return r.ls.each(ctx, func(at *record.Record, l *deadletter.Letter, err error) error {
		if err != nil || !left[l.At()] || len(l.Ranges) > 0 || !r.c.match(l) {
			return nil
		}
		delete(left, l.At())
		return fn(at, l)
	})
}

func (r *replay) print(ctx context.Context) error {
	return r.toReplay(ctx, func(at *record.Record, l *deadletter.Letter) error {
		where := fmt.Sprintf("%s[%d]", l.Topic, l.Partition)
		if r.c.To != "" {
			where = r.c.To
		}
		_, err := fmt.Fprintf(r.e.stdout, "%-10s %s -> %s  %s: %s\n", place(at), l.At(), where, step(l), clean(l.Cause))
		return err
	})
}

// write replays. What is known to be stored is counted, also where it ends early.
func (r *replay) write(ctx context.Context) (err error) {
	sink := r.ls.admin.PlacedSink
	if r.c.To != "" {
		s, err := kafka.Open(ctx, r.ls.o)
		if err != nil {
			return err
		}
		defer func() { err = errors.Join(err, s.Close(context.WithoutCancel(ctx))) }()
		sink = func(ctx context.Context, topic string) (connector.Sink, error) {
			return s.Sink(ctx, connector.SinkConfig{Step: "replay", Stream: topic})
		}
	}
	writers := map[string]*writer{}
	defer func() {
		for _, w := range writers {
			r.replayed += w.stored
		}
	}()
	err = r.toReplay(ctx, func(_ *record.Record, l *deadletter.Letter) error {
		topic := r.target(l)
		w := writers[topic]
		if w == nil {
			s, err := sink(ctx, topic)
			if err != nil {
				return err
			}
			w = newWriter(s)
			w.refused = r.tooLarge
			writers[topic] = w
		}
		rec := l.Replay()
		rec.Partition = l.Partition
		return w.add(rec)
	})
	if err != nil {
		return err
	}
	for _, topic := range slices.Sorted(maps.Keys(writers)) {
		if err := writers[topic].end(ctx); err != nil {
			return err
		}
	}
	return nil
}

// tooLarge counts a letter that the target does not store.
func (r *replay) tooLarge(rec *record.Record, err error) {
	at, _ := deadletter.Replayed(rec)
	r.refuse(at.String(), err)
}
