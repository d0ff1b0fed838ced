package main

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json/v2"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"strings"
	"syscall"
	"time"

	"github.com/levada-io/levada/connector"
	"github.com/levada-io/levada/connector/kafka"
	"github.com/levada-io/levada/internal/deploy"
	"github.com/levada-io/levada/internal/runner"
	"github.com/levada-io/levada/record"
)

// cluster are the flags that reach a Kafka.
type cluster struct {
	Brokers string `help:"Addresses; default: the deployment's, or 127.0.0.1:9092." placeholder:"HOST:PORT,..."`
	Config  string `help:"Deployment file." placeholder:"FILE"`
}

// deployment is the one of the flags, or the default one.
func (c *cluster) deployment() (*deploy.Config, error) {
	d := deploy.Default()
	if c.Config != "" {
		var err error
		if d, err = deploy.Load(c.Config, os.LookupEnv); err != nil {
			return nil, configError{err}
		}
	}
	if c.Brokers != "" {
		d.Kafka.Brokers = strings.Split(c.Brokers, ",")
	}
	if err := d.Validate(); err != nil {
		return nil, configError{err}
	}
	return d, nil
}

func (c *cluster) options(e *env) (*kafka.Options, error) {
	d, err := c.deployment()
	if err != nil {
		return nil, err
	}
	return kafkaOptions(d, e), nil
}

func kafkaOptions(d *deploy.Config, e *env) *kafka.Options {
	o := runner.KafkaOptions(&d.Kafka, e.stderr)
	// Somebody waits in front of a terminal.
	o.Unreachable = min(o.Unreachable, 10*time.Second)
	return o
}

type produceCmd struct {
	cluster `embed:""`
	Topic   string   `arg:"" help:"Topic to write to."`
	Files   []string `arg:"" optional:"" type:"existingfile" help:"Files with one value a line; default: standard input."`
	Key     string   `help:"What separates a key in front of the value; by default there is no key." placeholder:"SEPARATOR"`
	Header  []string `help:"Header of every record; may be repeated." placeholder:"NAME=VALUE"`
	Create  int32    `help:"Create the topic with so many partitions, if it is not there." placeholder:"N"`
}

// chunk and chunkBytes are how much is handed over at once.
const (
	chunk      = 1000
	chunkBytes = 8 << 20
)

// writer hands records to a sink in batches. A batch is written, and read ahead of no
// further than the one behind it: the sink's own buffer has no end.
type writer struct {
	sink    connector.Sink
	written int // records that were handed over
	stored  int // of those, the ones that are known to be stored
	// refused is called for records that can not be stored, and the others are written;
	// nil: the first of them ends it.
	refused func(r *record.Record, err error)

	recs   []record.Record
	size   int             // of recs
	flight []record.Record // the batch in front of them
	failed chan error      // how that one ended
}

func newWriter(sink connector.Sink) *writer {
	w := &writer{sink: sink, failed: make(chan error, 1)}
	w.failed <- nil
	return w
}

func (w *writer) add(r record.Record) error {
	w.recs = append(w.recs, r)
	w.size += r.Size()
	if len(w.recs) < chunk && w.size < chunkBytes {
		return nil
	}
	return w.flush()
}

func (w *writer) flush() error {
	if err := w.landed(); err != nil {
		return err
	}
	w.flight, w.recs, w.size = w.recs, nil, 0
	w.written += len(w.flight)
	w.sink.Write(w.flight, func(err error) { w.failed <- err })
	return nil
}

// landed waits for the batch in flight and counts it, or says why it can not be.
func (w *writer) landed() error {
	err := <-w.failed
	rerrs, ok := errors.AsType[connector.RecordErrors](err)
	if ok && w.refused != nil {
		for _, rerr := range rerrs {
			w.refused(&w.flight[rerr.Index], rerr.Err)
		}
		err = nil
	}
	if err == nil {
		w.stored += len(w.flight) - len(rerrs)
		w.flight = nil
	}
	return err
}

// end writes what is left and returns when all is stored.
func (w *writer) end(ctx context.Context) error {
	if len(w.recs) > 0 {
		if err := w.flush(); err != nil {
			return err
		}
	}
	if err := w.sink.Flush(ctx); err != nil {
		return err
	}
	return w.landed()
}

// Run writes lines.
func (c *produceCmd) Run(e *env) error {
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGINT, syscall.SIGTERM)
	defer stop()
	o, err := c.options(e)
	if err != nil {
		return err
	}
	headers, err := parseHeaders(c.Header)
	if err != nil {
		return err
	}
	if c.Create > 0 {
		a, err := kafka.NewAdmin(o)
		if err != nil {
			return err
		}
		err = a.CreateTopic(ctx, c.Topic, c.Create, nil)
		if err = errors.Join(err, a.Close(ctx)); err != nil && !errors.Is(err, kafka.ErrTopicExists) {
			return err
		}
	}
	s, err := kafka.Open(ctx, o)
	if err != nil {
		return err
	}
	n, err := c.write(ctx, e, s, headers)
	if err = errors.Join(err, s.Close(context.WithoutCancel(ctx))); err == nil {
		fmt.Fprintf(e.stderr, "levada: %d records written to %s\n", n, c.Topic)
	}
	return err
}

func (c *produceCmd) write(ctx context.Context, e *env, s connector.Session, headers []record.Header) (n int, err error) {
	sink, err := s.Sink(ctx, connector.SinkConfig{Step: "produce", Stream: c.Topic})
	if err != nil {
		return 0, err
	}
	inputs := []io.Reader{e.stdin}
	if len(c.Files) > 0 {
		inputs = nil
		for _, name := range c.Files {
			f, err := os.Open(name)
			if err != nil {
				return 0, err
			}
			defer f.Close()
			inputs = append(inputs, f)
		}
	}
	w := newWriter(sink)
	number := 0
	for _, in := range inputs {
		lines := bufio.NewScanner(in)
		lines.Buffer(nil, 100<<20)
		for lines.Scan() {
			number++
			r := record.Record{Value: bytes.Clone(lines.Bytes()), Headers: headers, Timestamp: time.Now()}
			if c.Key != "" {
				key, value, ok := bytes.Cut(r.Value, []byte(c.Key))
				if !ok {
					return w.written, usage("line %d: expected a key and %q in front of the value, got %.80q", number, c.Key, r.Value)
				}
				r.Key, r.Value = key, value
			}
			if err := w.add(r); err != nil {
				return w.written, err
			}
		}
		if err := lines.Err(); err != nil {
			return w.written, err
		}
	}
	err = w.end(ctx)
	return w.written, err
}

func parseHeaders(specs []string) ([]record.Header, error) {
	var hs []record.Header
	for _, s := range specs {
		k, v, ok := strings.Cut(s, "=")
		if !ok || k == "" {
			return nil, usage("--header %s: expected NAME=VALUE", s)
		}
		hs = append(hs, record.Header{Key: k, Value: []byte(v)})
	}
	return hs, nil
}

type consumeCmd struct {
	cluster `embed:""`
	Topic   string `arg:"" help:"Topic to read."`
	Start   string `enum:"earliest,latest" default:"earliest" help:"earliest or latest."`
	Follow  bool   `short:"f" help:"Go on at the end and wait for more."`
	Count   int    `short:"n" help:"Stop after so many records; 0: no limit." placeholder:"N"`
	JSON    bool   `name:"json" help:"Print records with key, headers and position as JSON; values that are no UTF-8 as base64."`
}

// errEnough ends a reading that has printed what was asked for.
var errEnough = errors.New("enough")

// Run prints records.
func (c *consumeCmd) Run(e *env) error {
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGINT, syscall.SIGTERM)
	defer stop()
	o, err := c.options(e)
	if err != nil {
		return err
	}
	a, err := kafka.NewAdmin(o)
	if err != nil {
		return err
	}
	out := bufio.NewWriter(e.stdout)
	n := 0
	err = a.Consume(ctx, kafka.Reading{Topic: c.Topic, Start: c.Start, ToEnd: !c.Follow}, func(recs []record.Record) error {
		for i := range recs {
			if err := c.print(out, &recs[i]); err != nil {
				return err
			}
			if n++; n == c.Count {
				return errEnough
			}
		}
		return out.Flush()
	})
	if errors.Is(err, errEnough) || ctx.Err() != nil {
		err = nil
	}
	return errors.Join(err, out.Flush(), a.Close(context.WithoutCancel(ctx)))
}

func (c *consumeCmd) print(w io.Writer, r *record.Record) error {
	if !c.JSON {
		_, err := fmt.Fprintf(w, "%s\n", r.Value)
		return err
	}
	b, err := json.Marshal(printed(r))
	if err != nil {
		return err
	}
	_, err = fmt.Fprintf(w, "%s\n", b)
	return err
}
