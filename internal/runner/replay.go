package runner

import (
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"sync"

	"github.com/levada-io/levada/connector"
	"github.com/levada-io/levada/connector/kafka"
	"github.com/levada-io/levada/internal/deadletter"
	"github.com/levada-io/levada/internal/deploy"
	"github.com/levada-io/levada/record"
)

// replaying is a run of a pipeline on its dead letters instead of its source: once, as a
// group of its own, whose commits are the memory of what is done.
//
// # Notes
//
// A step sees the record as it was but for its place, which is that of the letter: the
// engine accounts for the records of the source that it has. A letter of a letter names
// the record that failed first.
type replaying struct {
	topic    string // of the letters
	pipeline string
	stream   string // that the pipeline reads else
	group    string

	letters  int // of any pipeline
	foreign  int
	other    string // pipeline and topic of a letter that is not ours
	refused  int
	done     int               // before the run
	todo     map[int32][]int64 // offsets of the letters for this run
	admin    *kafka.Admin
	log, out io.Writer

	mu     sync.Mutex                              // guards all below
	places map[int32]map[int64]deadletter.Position // of the records behind letters that are under way
	below  map[int32]int64                         // what places has nothing of any more
}

// maxTold bounds how many letters that can not be replayed are named.
const maxTold = 20

// forReplay changes a deployment into that of a run on dead letters.
func (f *flags) forReplay(d *deploy.Config, pipeline string) {
	if f.group == "" {
		if d.Kafka.Group == "" {
			d.Kafka.Group = pipeline
		}
		d.Kafka.Group += ".replay"
	}
	d.Kafka.Start = connector.Earliest
	// Of the pipeline that may be running beside this on the same machine.
	d.Kafka.InstanceID = ""
	d.Health = deploy.Health{}
	f.drain = true
}

// newReplaying looks at the letters in a topic for a pipeline that reads stream else.
func newReplaying(ctx context.Context, o *Options, topic, pipeline, stream, group string, d *deploy.Config) (*replaying, error) {
	a, err := kafka.NewAdmin(KafkaOptions(&d.Kafka, o.Stderr))
	if err != nil {
		return nil, err
	}
	r := &replaying{
		topic: topic, pipeline: pipeline, stream: stream, group: group,
		todo: map[int32][]int64{}, admin: a, log: o.Stderr, out: o.Stdout,
		places: map[int32]map[int64]deadletter.Position{}, below: map[int32]int64{},
	}
	if err := r.scan(ctx); err != nil {
		return nil, errors.Join(err, a.Close(context.WithoutCancel(ctx)))
	}
	return r, nil
}

// end tells how far a run came that ended with err.
func (r *replaying) end(ctx context.Context, err error) error {
	ctx, done := context.WithTimeout(context.WithoutCancel(ctx), closeBudget)
	defer done()
	told := r.tell(ctx)
	if cerr := r.admin.Close(ctx); told == nil {
		told = cerr
	}
	if err == nil {
		err = told
	}
	return err
}

// scan reads the letters and what is done of them, before anything runs.
//
// # Errors
//
// A topic that has records and no letter, since it is the wrong one.
func (r *replaying) scan(ctx context.Context) error {
	committed, err := r.committed(ctx)
	if err != nil {
		return err
	}
	n := 0
	err = r.admin.Consume(ctx, kafka.Reading{Topic: r.topic, ToEnd: true}, func(recs []record.Record) error {
		for i := range recs {
			n++
			r.sort(&recs[i], committed[recs[i].Partition])
		}
		return nil
	})
	if err != nil {
		return err
	}
	if n > 0 && r.letters == 0 {
		return config(fmt.Errorf("topic %q: expected dead letters, none of its %s has the header %s", r.topic, plural(n, "record"), deadletter.HeaderVersion))
	}
	if r.other != "" && len(r.todo) == 0 && r.done == 0 && r.refused == 0 {
		fmt.Fprintf(r.log, "levada: no letter is of pipeline %q and stream %q; there is one of %s\n", r.pipeline, r.stream, r.other)
	}
	return nil
}

// verdict is what a record of the topic is for this run.
type verdict int

const (
	noLetter   verdict = iota
	ofOthers           // of another pipeline or stream
	unfit              // a letter that can not be replayed
	replayable         // a record of this pipeline's stream
)

// judge says what a record is and, where it is unfit, why.
func (r *replaying) judge(rec *record.Record) (l deadletter.Letter, v verdict, why error) {
	l, err := deadletter.Parse(*rec)
	switch {
	case errors.Is(err, deadletter.ErrForeign):
		return l, noLetter, nil
	case err != nil:
		return l, unfit, err
	case l.Pipeline != r.pipeline || l.Topic != r.stream:
		return l, ofOthers, nil
	case len(l.Ranges) > 0:
		return l, unfit, fmt.Errorf("%s: the letter is a batch of step %q, which is no record of %s", l.At(), l.Step, l.Topic)
	}
	return l, replayable, nil
}

// sort counts a record of the topic.
func (r *replaying) sort(rec *record.Record, committed int64) {
	l, v, why := r.judge(rec)
	if v != noLetter {
		r.letters++
	}
	switch {
	case v == noLetter:
		r.foreign++
	case v == ofOthers:
		r.foreign++
		r.other = fmt.Sprintf("pipeline %q and stream %q", l.Pipeline, l.Topic)
	case v == unfit:
		if r.refused++; r.refused <= maxTold {
			fmt.Fprintf(r.log, "levada: %s[%d]@%d: %v\n", rec.Topic, rec.Partition, rec.Offset, why)
		} else if r.refused == maxTold+1 {
			fmt.Fprintln(r.log, "levada: further ones are only counted")
		}
	case rec.Offset < committed:
		r.done++
	default:
		r.todo[rec.Partition] = append(r.todo[rec.Partition], rec.Offset)
	}
}

func (r *replaying) committed(ctx context.Context) (map[int32]int64, error) {
	ps, err := r.admin.Positions(ctx, r.topic, r.group)
	if err != nil {
		return nil, err
	}
	out := make(map[int32]int64, len(ps))
	for _, p := range ps {
		out[p.ID] = p.Committed
	}
	return out, nil
}

// tell prints what became of the letters, also of a run that failed.
func (r *replaying) tell(ctx context.Context) error {
	committed, err := r.committed(ctx)
	if err != nil {
		return err
	}
	replayed := 0
	for id, offsets := range r.todo {
		n, _ := slices.BinarySearch(offsets, committed[id])
		replayed += n
	}
	fmt.Fprintf(r.out, "replayed=%d skipped_already=%d refused=%d foreign=%d\n", replayed, r.done, r.refused, r.foreign)
	if r.refused > 0 {
		return &exitError{Data, fmt.Errorf("%s: %s can not be replayed, for the reasons above", r.topic, plural(r.refused, "letter"))}
	}
	return nil
}

// open makes the records behind letters of what was fetched. What is none is left out, as
// a mark of a transaction is.
func (r *replaying) open(fs []connector.Fetch) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for i := range fs {
		f := &fs[i]
		kept := f.Records[:0]
		for k := range f.Records {
			rec := f.Records[k]
			l, v, _ := r.judge(&rec)
			if v != replayable {
				continue
			}
			if r.places[f.ID] == nil {
				r.places[f.ID] = map[int64]deadletter.Position{}
			}
			r.places[f.ID][rec.Offset] = l.At()
			rec.Headers = l.Original.Headers
			kept = append(kept, rec)
		}
		f.Records = kept
	}
}

// forget drops the places of what is committed.
func (r *replaying) forget(cs []connector.Commit) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, c := range cs {
		places := r.places[c.ID]
		if int64(len(places)) < c.Offset-r.below[c.ID] {
			for offset := range places {
				if offset < c.Offset {
					delete(places, offset)
				}
			}
		} else {
			for offset := r.below[c.ID]; offset < c.Offset; offset++ {
				delete(places, offset)
			}
		}
		r.below[c.ID] = max(r.below[c.ID], c.Offset)
	}
}

// address makes a letter of a letter one of the record that failed first.
func (r *replaying) address(rec record.Record) record.Record {
	l, err := deadletter.Parse(rec)
	if err != nil || l.Topic != r.topic {
		return rec
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	if at, ok := r.places[l.Partition][l.Offset]; ok {
		l.Topic, l.Partition, l.Offset = at.Topic, at.Partition, at.Offset
	}
	var ranges []deadletter.Range
	for _, from := range l.Ranges {
		for offset := from.First; offset <= from.Last; offset++ {
			at, ok := r.places[from.Partition][offset]
			if !ok {
				continue // no record of the batch
			}
			if n := len(ranges) - 1; n >= 0 && ranges[n].Topic == at.Topic && ranges[n].Partition == at.Partition && ranges[n].Last == at.Offset-1 {
				ranges[n].Last++
			} else {
				ranges = append(ranges, deadletter.Range{Topic: at.Topic, Partition: at.Partition, First: at.Offset, Last: at.Offset})
			}
		}
	}
	l.Ranges = ranges
	return l.Record()
}

// letterSource is everything that the source of a topic can do.
type letterSource interface {
	connector.Source
	connector.Ender
	connector.Gauge
	connector.Pulse
	connector.Skipper
	connector.Rewinder
}

// source has s return the records behind letters.
func (r *replaying) source(s connector.Source) (connector.Source, error) {
	full, ok := s.(letterSource)
	if !ok {
		return nil, fmt.Errorf("BUG: the source %T of dead letters is not all that one of a topic is", s)
	}
	return &openedLetters{full, r}, nil
}

type openedLetters struct {
	letterSource
	r *replaying
}

// Poll implements connector.Source.
func (s *openedLetters) Poll(ctx context.Context) ([]connector.Fetch, error) {
	fs, err := s.letterSource.Poll(ctx)
	s.r.open(fs)
	return fs, err
}

// Commit implements connector.Source.
func (s *openedLetters) Commit(ctx context.Context, cs []connector.Commit) error {
	err := s.letterSource.Commit(ctx, cs)
	if err == nil {
		s.r.forget(cs)
	}
	return err
}

// sink has s write letters of letters as those of the records that failed first.
func (r *replaying) sink(s connector.Sink) connector.Sink {
	if s == nil {
		return nil
	}
	return &addressedLetters{s, r}
}

type addressedLetters struct {
	connector.Sink
	r *replaying
}

// Write implements connector.Sink.
func (s *addressedLetters) Write(recs []record.Record, done func(error)) {
	out := make([]record.Record, len(recs))
	for i := range recs {
		out[i] = s.r.address(recs[i])
	}
	s.Sink.Write(out, done)
}
