package main

import (
	"bufio"
	"cmp"
	"context"
	"encoding/hex"
	"encoding/json/v2"
	"errors"
	"fmt"
	"io"
	"os/signal"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"text/tabwriter"
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/levada-io/levada/connector/kafka"
	"github.com/levada-io/levada/internal/deadletter"
	"github.com/levada-io/levada/internal/deploy"
	"github.com/levada-io/levada/record"
)

type dlqCmd struct {
	Ls     dlqLsCmd     `cmd:"" help:"Count the dead letters of a topic by step and cause, or list them."`
	Show   dlqShowCmd   `cmd:"" help:"Show everything about one dead letter."`
	Replay dlqReplayCmd `cmd:"" help:"Write dead letters to the topic that they came from, or run a pipeline on them."`
}

// letterTopic are the flags that lead to a topic of dead letters.
type letterTopic struct {
	cluster `embed:""`
	Topic   string `help:"Topic of the dead letters; default: the deployment's." placeholder:"NAME"`
}

// letters is a topic of dead letters that can be read.
type letters struct {
	o     *kafka.Options
	admin *kafka.Admin
	topic string
}

// find gives the deployment and the topic that the flags name.
func (t *letterTopic) find() (*deploy.Config, string, error) {
	d, err := t.deployment()
	if err != nil {
		return nil, "", err
	}
	switch l := d.DeadLetter; {
	case t.Topic != "":
		return d, t.Topic, nil
	case l == nil && t.Config == "":
		return nil, "", usage("expected --topic, or --config with a deployment that has dead_letter, got neither")
	case l == nil:
		return nil, "", configError{fmt.Errorf("%s: dead_letter: expected a topic, got none\nhint: dead_letter: {topic: ...}, or pass --topic", t.Config)}
	case l.Connector != "kafka":
		return nil, "", configError{fmt.Errorf("%s: dead_letter: expected a topic of kafka, got the file %s\nhint: its lines are JSON, jq reads them; for another topic pass --topic", t.Config, l.Path)}
	default:
		return d, l.Topic, nil
	}
}

func (t *letterTopic) open(e *env) (*letters, error) {
	d, topic, err := t.find()
	if err != nil {
		return nil, err
	}
	o := kafkaOptions(d, e)
	a, err := kafka.NewAdmin(o)
	if err != nil {
		return nil, err
	}
	return &letters{o: o, admin: a, topic: topic}, nil
}

func (ls *letters) close(ctx context.Context) error {
	return ls.admin.Close(context.WithoutCancel(ctx))
}

// each reads the topic to its end. fn gets every record, and the letter that it is or why
// it is none.
func (ls *letters) each(ctx context.Context, fn func(r *record.Record, l *deadletter.Letter, err error) error) error {
	return ls.admin.Consume(ctx, kafka.Reading{Topic: ls.topic, ToEnd: true}, func(recs []record.Record) error {
		for i := range recs {
			l, err := deadletter.Parse(recs[i])
			if err := fn(&recs[i], &l, err); err != nil {
				return err
			}
		}
		return nil
	})
}

// letterFilter are the flags that choose letters.
type letterFilter struct {
	Step  string `help:"Only letters of this step." placeholder:"NAME"`
	Cause string `help:"Only letters with this in their cause." placeholder:"TEXT"`
	Since string `help:"Only letters of this time or later: RFC 3339, or how long ago, as 2h or 3d." placeholder:"TIME"`
	Until string `help:"Only letters of before this time." placeholder:"TIME"`

	since, until time.Time
}

// prepare reads the times.
func (f *letterFilter) prepare(now time.Time) (err error) {
	if f.since, err = moment("--since", f.Since, now); err == nil {
		f.until, err = moment("--until", f.Until, now)
	}
	if err == nil && f.Since != "" && f.Until != "" && !f.since.Before(f.until) {
		return usage("--until: expected a time after --since, %s, got %s", f.since.Format(time.RFC3339), f.until.Format(time.RFC3339))
	}
	return err
}

func (f *letterFilter) match(l *deadletter.Letter) bool {
	return (f.Step == "" || l.Step == f.Step) && strings.Contains(l.Cause, f.Cause) &&
		(f.Since == "" || !l.FailedAt.Before(f.since)) && (f.Until == "" || l.FailedAt.Before(f.until))
}

// moment reads a time, or how long ago it was.
func moment(flag, s string, now time.Time) (time.Time, error) {
	if s == "" {
		return time.Time{}, nil
	}
	if t, err := time.Parse(time.RFC3339, s); err == nil {
		return t.UTC(), nil
	}
	ago, err := time.ParseDuration(s)
	if days, ok := strings.CutSuffix(s, "d"); ok {
		var n uint64
		if n, err = strconv.ParseUint(days, 10, 16); err == nil {
			ago = time.Duration(n) * 24 * time.Hour
		}
	}
	if err != nil || ago < 0 {
		return time.Time{}, usage("%s: expected a time as 2006-01-02T15:04:05Z or how long ago, as 2h or 3d, got %q", flag, s)
	}
	return now.Add(-ago).UTC(), nil
}

// printedLetter is a letter as --json prints it. What is no UTF-8 has its bytes in the
// member with _base64 in its name.
type printedLetter struct {
	At          string          `json:"at"` // in the topic of the dead letters, as show takes it
	Pipeline    string          `json:"pipeline"`
	Step        string          `json:"step"`
	Origin      string          `json:"origin"`
	Cause       string          `json:"cause"`
	Topic       string          `json:"topic"`
	Partition   int32           `json:"partition"`
	Offset      int64           `json:"offset"`
	Attempt     int             `json:"attempt"`
	Language    string          `json:"language"`
	FailedAt    time.Time       `json:"failed_at"`
	Traceback   string          `json:"traceback,omitempty"`
	Batch       []printedRange  `json:"batch,omitempty"`
	Timestamp   *time.Time      `json:"timestamp,omitempty"`
	Key         *string         `json:"key,omitempty"`
	KeyBase64   []byte          `json:"key_base64,omitempty"`
	Headers     []printedHeader `json:"headers,omitempty"`
	Value       *string         `json:"value"`
	ValueBase64 []byte          `json:"value_base64,omitempty"`
}

type printedRange struct {
	Topic     string `json:"topic"`
	Partition int32  `json:"partition"`
	First     int64  `json:"first"`
	Last      int64  `json:"last"`
}

func ofLetter(at *record.Record, l *deadletter.Letter) printedLetter {
	r := printed(&l.Original)
	p := printedLetter{
		At:       place(at),
		Pipeline: l.Pipeline, Step: l.Step, Origin: l.Origin, Cause: l.Cause,
		Topic: r.Topic, Partition: r.Partition, Offset: r.Offset,
		Attempt: l.Attempt, Language: l.Language, FailedAt: l.FailedAt, Traceback: l.Traceback,
		Timestamp: r.Timestamp, Key: r.Key, KeyBase64: r.KeyBase64, Headers: r.Headers, Value: r.Value, ValueBase64: r.ValueBase64,
	}
	for _, b := range l.Ranges {
		p.Batch = append(p.Batch, printedRange(b))
	}
	return p
}

// place is where a letter lies, as show takes it.
func place(r *record.Record) string { return fmt.Sprintf("%d:%d", r.Partition, r.Offset) }

func printJSON(w io.Writer, v any) error {
	b, err := json.Marshal(v)
	if err == nil {
		_, err = fmt.Fprintf(w, "%s\n", b)
	}
	return err
}

type dlqLsCmd struct {
	letterTopic  `embed:""`
	letterFilter `embed:""`

	Each bool `help:"Print a line per letter, with its place for levada dlq show."`
	JSON bool `name:"json" help:"Print a JSON object per line; totals go to standard error."`
}

// letterGroup are letters with the same reason.
type letterGroup struct {
	Pipeline string `json:"pipeline"`
	Step     string `json:"step"`
	Origin   string `json:"origin"`
	Cause    string `json:"cause"`
}

type counted struct {
	letterGroup
	Count int       `json:"count"`
	First time.Time `json:"first"`
	Last  time.Time `json:"last"`
}

// maxGroups bounds what is held: causes may name what is in a message, and then no two
// letters have the same.
const maxGroups = 10_000

// Run lists letters.
func (c *dlqLsCmd) Run(e *env) error {
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGINT, syscall.SIGTERM)
	defer stop()
	if err := c.prepare(time.Now()); err != nil {
		return err
	}
	ls, err := c.open(e)
	if err != nil {
		return err
	}
	out := bufio.NewWriter(e.stdout)
	var count struct{ letters, foreign, unreadable int }
	groups := map[letterGroup]*counted{}
	err = ls.each(ctx, func(r *record.Record, l *deadletter.Letter, err error) error {
		switch {
		case errors.Is(err, deadletter.ErrForeign):
			count.foreign++
			return nil
		case err != nil:
			count.unreadable++
			return nil
		case !c.match(l):
			return nil
		}
		count.letters++
		switch {
		case !c.Each:
			group(groups, l)
		case c.JSON:
			return printJSON(out, ofLetter(r, l))
		default:
			fmt.Fprintf(out, "%-10s %s  %-24s %s  %s: %s\n", place(r), stamp(l.FailedAt), l.At(), clean(l.Pipeline), step(l), clean(l.Cause))
		}
		return nil
	})
	if err == nil && !c.Each {
		err = c.table(out, groups)
	}
	totals := io.Writer(out)
	if c.JSON {
		totals = e.stderr
	}
	if err == nil {
		_, err = fmt.Fprintf(totals, "letters=%d foreign=%d unreadable=%d\n", count.letters, count.foreign, count.unreadable)
	}
	return errors.Join(interrupted(ctx, err), out.Flush(), ls.close(ctx))
}

// interrupted is err, or what somebody should know who has pressed Ctrl-C.
func interrupted(ctx context.Context, err error) error {
	if errors.Is(err, context.Canceled) && ctx.Err() != nil {
		return stopped{err}
	}
	return err
}

// stopped is the end of a command by a signal.
type stopped struct{ error }

func (stopped) Error() string   { return "stopped by a signal before the end; the next call goes on" }
func (s stopped) Unwrap() error { return s.error }

func group(groups map[letterGroup]*counted, l *deadletter.Letter) {
	key := letterGroup{l.Pipeline, l.Step, l.Origin, l.Cause}
	g := groups[key]
	if g == nil && len(groups) >= maxGroups {
		key.Cause = "(further causes)"
		g = groups[key]
	}
	if g == nil {
		g = &counted{letterGroup: key, First: l.FailedAt, Last: l.FailedAt}
		groups[key] = g
	}
	g.Count++
	if l.FailedAt.Before(g.First) {
		g.First = l.FailedAt
	}
	if l.FailedAt.After(g.Last) {
		g.Last = l.FailedAt
	}
}

// table prints groups, the largest first.
func (c *dlqLsCmd) table(out io.Writer, groups map[letterGroup]*counted) error {
	all := make([]*counted, 0, len(groups))
	for _, g := range groups {
		all = append(all, g)
	}
	slices.SortFunc(all, func(a, b *counted) int {
		return cmp.Or(cmp.Compare(b.Count, a.Count), cmp.Compare(a.Pipeline, b.Pipeline),
			cmp.Compare(a.Step, b.Step), cmp.Compare(a.Origin, b.Origin), cmp.Compare(a.Cause, b.Cause))
	})
	if c.JSON {
		for _, g := range all {
			if err := printJSON(out, g); err != nil {
				return err
			}
		}
		return nil
	}
	if len(all) == 0 {
		return nil
	}
	tw := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
	fmt.Fprintln(tw, "COUNT\tFIRST\tLAST\tPIPELINE\tSTEP\tCAUSE")
	for _, g := range all {
		fmt.Fprintf(tw, "%d\t%s\t%s\t%s\t%s\t%s\n", g.Count, stamp(g.First), stamp(g.Last), clean(g.Pipeline), clean(stepAt(g.Step, g.Origin)), clean(g.Cause))
	}
	return tw.Flush()
}

func stamp(t time.Time) string { return t.Format("2006-01-02T15:04:05.000Z07:00") }

// step is the step of a letter with its line.
func step(l *deadletter.Letter) string { return "step " + strconv.Quote(l.Step) + origin(l.Origin) }

func stepAt(name, at string) string { return name + origin(at) }

func origin(at string) string {
	if at == "" {
		return ""
	}
	return " (" + clean(at) + ")"
}

// clean is text for a terminal: whoever wrote the record is not to move the cursor.
func clean(s string) string {
	return strings.Map(func(r rune) rune {
		if unicode.IsControl(r) {
			return ' '
		}
		return r
	}, s)
}

type dlqShowCmd struct {
	letterTopic `embed:""`

	Place string `arg:"" help:"Where the letter lies in the topic of the dead letters, as ls --each prints it." placeholder:"PARTITION:OFFSET"`
	JSON  bool   `name:"json" help:"Print as JSON."`
}

// Run shows a letter.
func (c *dlqShowCmd) Run(e *env) error {
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGINT, syscall.SIGTERM)
	defer stop()
	p, o, ok := strings.Cut(c.Place, ":")
	partition, perr := strconv.ParseUint(p, 10, 31)
	offset, oerr := strconv.ParseUint(o, 10, 63)
	if !ok || perr != nil || oerr != nil {
		return usage("expected PARTITION:OFFSET, as 0:17, got %q\nhint: levada dlq ls --each prints the places", c.Place)
	}
	ls, err := c.open(e)
	if err != nil {
		return err
	}
	r, err := ls.one(ctx, int32(partition), int64(offset))
	if err == nil {
		var l deadletter.Letter
		if l, err = deadletter.Parse(*r); err != nil {
			err = dataError{fmt.Errorf("%s[%d]@%d: %w", ls.topic, r.Partition, r.Offset, err)}
		} else if c.JSON {
			err = printJSON(e.stdout, ofLetter(r, &l))
		} else {
			err = show(e.stdout, r, &l)
		}
	}
	return errors.Join(interrupted(ctx, err), ls.close(ctx))
}

// one reads one record of the topic.
func (ls *letters) one(ctx context.Context, partition int32, offset int64) (*record.Record, error) {
	ps, err := ls.admin.Positions(ctx, ls.topic, "")
	if err != nil {
		return nil, err
	}
	i := slices.IndexFunc(ps, func(p kafka.Position) bool { return p.ID == partition })
	if i < 0 {
		return nil, usage("%s[%d]: expected a partition from 0 to %d", ls.topic, partition, len(ps)-1)
	}
	if p := ps[i]; offset < p.Start || offset >= p.End {
		if p.Start == p.End {
			return nil, usage("%s[%d]@%d: the partition is empty", ls.topic, partition, offset)
		}
		return nil, usage("%s[%d]@%d: expected an offset from %d to %d", ls.topic, partition, offset, p.Start, p.End-1)
	}
	var found *record.Record
	err = ls.admin.Consume(ctx, kafka.Reading{Topic: ls.topic, ToEnd: true, From: map[int32]int64{partition: offset}}, func(recs []record.Record) error {
		found = &recs[0]
		return errEnough
	})
	if err != nil && !errors.Is(err, errEnough) {
		return nil, err
	}
	if found == nil || found.Offset != offset {
		return nil, usage("%s[%d]@%d: there is no record at this offset", ls.topic, partition, offset)
	}
	return found, nil
}

// show prints a letter for a person.
func show(to io.Writer, r *record.Record, l *deadletter.Letter) error {
	out := bufio.NewWriter(to)
	row := func(name, format string, args ...any) {
		fmt.Fprintf(out, "%-12s%s\n", name, clean(fmt.Sprintf(format, args...)))
	}
	row("letter", "%s of %s", place(r), r.Topic)
	row("pipeline", "%s", l.Pipeline)
	row("step", "%s, %s", stepAt(l.Step, l.Origin), l.Language)
	row("cause", "%s", l.Cause)
	row("record", "%s", l.At())
	for i, b := range l.Ranges {
		name := ""
		if i == 0 {
			name = "batch of"
		}
		row(name, "%s[%d]@%d-%d", b.Topic, b.Partition, b.First, b.Last)
	}
	row("failed at", "%s", stamp(l.FailedAt))
	row("attempt", "%d", l.Attempt)
	if !l.Original.Timestamp.IsZero() {
		row("timestamp", "%s", stamp(l.Original.Timestamp.UTC()))
	}
	row("key", "%s", brief(l.Original.Key))
	for _, h := range l.Original.Headers {
		row("header", "%s: %s", h.Key, brief(h.Value))
	}
	switch v := l.Original.Value; {
	case v == nil:
		row("value", "null")
	case readable(v):
		fmt.Fprintf(out, "%-12s%d bytes\n\n%s\n", "value", len(v), strings.TrimSuffix(string(v), "\n"))
	default:
		fmt.Fprintf(out, "%-12s%d bytes, no text\n\n%s", "value", len(v), hex.Dump(v))
	}
	if l.Traceback != "" {
		fmt.Fprintln(out)
		for text := range strings.Lines(l.Traceback) {
			fmt.Fprintln(out, clean(strings.TrimRight(strings.ReplaceAll(text, "\t", "    "), "\r\n")))
		}
	}
	return out.Flush()
}

// brief is a key or a value of a header on one line.
func brief(b []byte) string {
	switch {
	case b == nil:
		return "null"
	case readable(b):
		return string(b)
	}
	return "hex " + hex.EncodeToString(b)
}

// readable says that bytes are text which a terminal only prints.
func readable(b []byte) bool {
	return utf8.Valid(b) && !strings.ContainsFunc(string(b), func(r rune) bool {
		return unicode.IsControl(r) && r != '\n' && r != '\r' && r != '\t'
	})
}
