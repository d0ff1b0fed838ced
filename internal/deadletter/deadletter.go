// Package deadletter owns the form of a dead letter: the record that a message becomes
// which a step could not handle. Who writes one builds a Letter and asks for its Record;
// who reads a topic of them calls Parse. Where letters go, and when there are too many of
// them, is not known here.
package deadletter

import (
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/levada-io/levada/record"
)

// Version is the version of the form, the value of HeaderVersion.
const Version = "1"

// Prefix begins the name of every header that is ours. No other header may begin so: a
// letter that was replayed and failed again would take it off.
const Prefix = "levada-"

// The headers of a letter.
const (
	HeaderVersion   = Prefix + "dead-letter"
	HeaderPipeline  = Prefix + "pipeline"
	HeaderStep      = Prefix + "step"
	HeaderOrigin    = Prefix + "origin"
	HeaderCause     = Prefix + "cause"
	HeaderTopic     = Prefix + "topic"
	HeaderPartition = Prefix + "partition"
	HeaderOffset    = Prefix + "offset"
	HeaderAttempt   = Prefix + "attempt"
	HeaderLanguage  = Prefix + "language"
	HeaderFailedAt  = Prefix + "failed-at"
	HeaderTraceback = Prefix + "traceback"
	HeaderOffsets   = Prefix + "offsets"
)

// HeaderReplay is on a record that was written again from a letter; see Replay.
const HeaderReplay = Prefix + "replay"

// Limits of the texts, in bytes.
const (
	MaxCause     = 1 << 10 // and of every other text of one line
	MaxTraceback = 8 << 10
)

// timeLayout is RFC 3339 with milliseconds, always in UTC.
const timeLayout = "2006-01-02T15:04:05.000Z07:00"

// ErrForeign is wrapped by what Parse returns for a record that is no letter.
var ErrForeign = errors.New("not a dead letter: header " + HeaderVersion + " is missing")

// Position is where a record stood when it failed.
type Position struct {
	Topic     string
	Partition int32
	Offset    int64
}

// String is the position as all messages show it.
func (p Position) String() string { return fmt.Sprintf("%s[%d]@%d", p.Topic, p.Partition, p.Offset) }

// Range is a run of offsets of one partition, both ends included.
type Range struct {
	Topic       string
	Partition   int32
	First, Last int64
}

// Letter is a message that a step could not handle, and why.
//
// # Notes
//
// Record keeps the limits of the form: Pipeline, Step, Origin, Cause and Language become
// one line of at most MaxCause bytes, of Traceback the last MaxTraceback bytes stay, all
// texts become valid UTF-8, FailedAt has milliseconds. A letter within the limits comes
// back from Parse as it was.
type Letter struct {
	Pipeline string
	Step     string
	Origin   string // of the step: file:line
	Cause    string

	// Position of the record that failed; after a batch, of the first one in it.
	Topic     string
	Partition int32
	Offset    int64

	Attempt   int       // calls that were made, at least 1
	Language  string    // go, python, or levada (codec, sink, key of a route)
	FailedAt  time.Time // UTC
	Traceback string    // empty: none
	Ranges    []Range   // the records of a batch that failed; nil: a single record

	// Original is the record as it came: key, value, headers, timestamp; after a batch,
	// its payload encoded as value. Parse sets its position to that of the letter.
	Original record.Record
}

// At is the position of the record that failed.
func (l *Letter) At() Position { return Position{l.Topic, l.Partition, l.Offset} }

// Record is the letter as it is written: the original record with our headers after its
// own. Such that it has already, since it is a letter that was replayed, are replaced.
func (l Letter) Record() record.Record {
	hs := make([]record.Header, 0, len(l.Original.Headers)+13)
	hs = appendForeign(hs, l.Original.Headers)
	add := func(key, value string) { hs = append(hs, record.Header{Key: key, Value: []byte(value)}) }
	add(HeaderVersion, Version)
	add(HeaderPipeline, line(l.Pipeline))
	add(HeaderStep, line(l.Step))
	add(HeaderOrigin, line(l.Origin))
	add(HeaderCause, line(l.Cause))
	add(HeaderTopic, strings.ToValidUTF8(l.Topic, replacement))
	add(HeaderPartition, strconv.FormatInt(int64(l.Partition), 10))
	add(HeaderOffset, strconv.FormatInt(l.Offset, 10))
	add(HeaderAttempt, strconv.Itoa(max(l.Attempt, 1)))
	add(HeaderLanguage, line(l.Language))
	add(HeaderFailedAt, l.FailedAt.UTC().Format(timeLayout))
	if l.Traceback != "" {
		add(HeaderTraceback, end(l.Traceback))
	}
	if len(l.Ranges) > 0 {
		hs = append(hs, record.Header{Key: HeaderOffsets, Value: appendRanges(nil, l.Ranges)})
	}
	return record.Record{Key: l.Original.Key, Value: l.Original.Value, Headers: hs, Timestamp: l.Original.Timestamp}
}

// Replay is the original record for the topic that it came from: as it was, with one
// header more that says which record it is.
func (l Letter) Replay() record.Record {
	hs := appendForeign(make([]record.Header, 0, len(l.Original.Headers)+1), l.Original.Headers)
	at := fmt.Sprintf("%s/%d/%d", strings.ToValidUTF8(l.Topic, replacement), l.Partition, l.Offset)
	hs = append(hs, record.Header{Key: HeaderReplay, Value: []byte(at)})
	return record.Record{Key: l.Original.Key, Value: l.Original.Value, Headers: hs, Timestamp: l.Original.Timestamp}
}

// Replayed tells which record was replayed as r; ok is false where r is none of those.
func Replayed(r *record.Record) (p Position, ok bool) {
	for _, h := range slices.Backward(r.Headers) {
		if h.Key != HeaderReplay {
			continue
		}
		// A topic may be a path: the numbers are the last two parts.
		s := string(h.Value)
		j := strings.LastIndexByte(s, '/')
		i := strings.LastIndexByte(s[:max(j, 0)], '/')
		if i < 0 {
			return Position{}, false
		}
		partition, perr := number(s[i+1:j], 32)
		offset, oerr := number(s[j+1:], 64)
		return Position{s[:i], int32(partition), offset}, perr == nil && oerr == nil
	}
	return Position{}, false
}

// Parse reads a letter. The result shares key, value and the values of headers with r.
//
// # Errors
//
// ErrForeign where r is no letter; otherwise one that names the header which is missing
// or has not the form.
func Parse(r record.Record) (Letter, error) {
	ours := map[string]string{}
	for _, h := range r.Headers {
		if !strings.HasPrefix(h.Key, Prefix) {
			continue
		}
		if _, twice := ours[h.Key]; twice {
			return Letter{}, fmt.Errorf("header %s: expected once, got it twice", h.Key)
		}
		ours[h.Key] = string(h.Value)
	}
	switch version, ok := ours[HeaderVersion]; {
	case !ok:
		return Letter{}, ErrForeign
	case version != Version:
		return Letter{}, fmt.Errorf("header %s: expected version %s, got %.20q\nhint: a newer levada reads it", HeaderVersion, Version, version)
	}
	p := parser{ours: ours}
	l := Letter{
		Pipeline:  p.text(HeaderPipeline),
		Step:      p.text(HeaderStep),
		Origin:    p.text(HeaderOrigin),
		Cause:     p.text(HeaderCause),
		Topic:     p.text(HeaderTopic),
		Partition: int32(p.number(HeaderPartition, 32)),
		Offset:    p.number(HeaderOffset, 64),
		Attempt:   int(p.number(HeaderAttempt, 32)),
		Language:  p.text(HeaderLanguage),
		FailedAt:  p.time(HeaderFailedAt),
	}
	if l.Attempt == 0 {
		p.fail(HeaderAttempt, "expected at least 1, got 0")
	}
	if _, ok := ours[HeaderTraceback]; ok {
		l.Traceback = p.text(HeaderTraceback)
	}
	if s, ok := ours[HeaderOffsets]; ok {
		var err error
		if l.Ranges, err = parseRanges(s); err != nil {
			p.fail(HeaderOffsets, "%w", err)
		}
	}
	if p.err != nil {
		return Letter{}, p.err
	}
	l.Original = record.Record{
		Key: r.Key, Value: r.Value, Headers: appendForeign(nil, r.Headers), Timestamp: r.Timestamp,
		Topic: l.Topic, Partition: l.Partition, Offset: l.Offset,
	}
	return l, nil
}

// appendForeign adds the headers that are not ours.
func appendForeign(to, hs []record.Header) []record.Header {
	for _, h := range hs {
		if !strings.HasPrefix(h.Key, Prefix) {
			to = append(to, h)
		}
	}
	return to
}

// parser reads headers and keeps the first error.
type parser struct {
	ours map[string]string
	err  error
}

func (p *parser) fail(header, format string, args ...any) {
	if p.err == nil {
		p.err = fmt.Errorf("header %s: %w", header, fmt.Errorf(format, args...))
	}
}

func (p *parser) text(header string) string {
	s, ok := p.ours[header]
	if !ok {
		p.fail(header, "missing")
	} else if !utf8.ValidString(s) {
		p.fail(header, "expected UTF-8, got %.40q", s)
	}
	return s
}

func (p *parser) number(header string, bits int) int64 {
	n, err := number(p.text(header), bits)
	if err != nil {
		p.fail(header, "%w", err)
	}
	return n
}

func (p *parser) time(header string) time.Time {
	s := p.text(header)
	t, err := time.Parse(time.RFC3339Nano, s)
	if t = t.UTC(); err != nil || t.Year() < 0 || t.Year() > 9999 { // a zone may lead out of what can be written
		p.fail(header, "expected a time in the form of RFC 3339, got %.40q", s)
	}
	return t
}

// number reads decimal digits only: no sign, so that a text has one number and a number
// below the limit has one text.
func number(s string, bits int) (int64, error) {
	for _, c := range []byte(s) {
		if c < '0' || c > '9' {
			return 0, fmt.Errorf("expected a decimal number, got %.40q", s)
		}
	}
	n, err := strconv.ParseInt(s, 10, bits)
	if err != nil {
		return 0, fmt.Errorf("expected a decimal number of %d bits, got %.40q", bits, s)
	}
	return n, nil
}

const replacement = string(utf8.RuneError)

// line makes text one line of printable characters within MaxCause.
func line(s string) string {
	s = strings.ToValidUTF8(s, replacement)
	if strings.ContainsFunc(s, broken) {
		// What was one line each stays apart by one space.
		parts := strings.FieldsFunc(s, broken)
		for i, part := range parts {
			parts[i] = strings.TrimSpace(part)
		}
		s = strings.Join(slices.DeleteFunc(parts, func(part string) bool { return part == "" }), " ")
	}
	if len(s) <= MaxCause {
		return s
	}
	const more = "…"
	cut := MaxCause - len(more)
	for !utf8.RuneStart(s[cut]) {
		cut--
	}
	return s[:cut] + more
}

// broken holds of what ends a line or is for a terminal only.
func broken(r rune) bool { return unicode.IsControl(r) || r == '\u2028' || r == '\u2029' }

// end keeps the end of a traceback, where what happened stands, from a whole line on
// where a line is not all there is.
func end(s string) string {
	s = strings.ToValidUTF8(s, replacement)
	if len(s) <= MaxTraceback {
		return s
	}
	const more = "[...]\n"
	s = s[len(s)-(MaxTraceback-len(more)):]
	if i := strings.IndexByte(s, '\n'); i >= 0 && i < len(s)/2 {
		return more + s[i+1:]
	}
	for !utf8.RuneStart(s[0]) {
		s = s[1:]
	}
	return more + s
}

// appendRanges writes "orders[3]@9100-9120 ...". Topics of Kafka need no escape; a path
// may hold a space, which would end it.
func appendRanges(b []byte, rs []Range) []byte {
	for i, r := range rs {
		if i > 0 {
			b = append(b, ' ')
		}
		for _, c := range []byte(r.Topic) {
			if c <= ' ' || c >= 0x7f || c == '%' {
				b = fmt.Appendf(b, "%%%02X", c)
			} else {
				b = append(b, c)
			}
		}
		b = fmt.Appendf(b, "[%d]@%d-%d", r.Partition, r.First, r.Last)
	}
	return b
}

func parseRanges(s string) ([]Range, error) {
	var rs []Range
	for part := range strings.SplitSeq(s, " ") {
		r, err := parseRange(part)
		if err != nil {
			return nil, err
		}
		rs = append(rs, r)
	}
	return rs, nil
}

func parseRange(s string) (Range, error) {
	bad := func() (Range, error) {
		return Range{}, fmt.Errorf("expected ranges as orders[3]@9100-9120, got %.60q", s)
	}
	// From the right: the numbers hold no bracket, a topic that is a path may.
	i := strings.LastIndexByte(s, '[')
	if i < 0 {
		return bad()
	}
	partition, offsets, ok := strings.Cut(s[i+1:], "]@")
	first, last, ok2 := strings.Cut(offsets, "-")
	if !ok || !ok2 {
		return bad()
	}
	p, perr := number(partition, 32)
	lo, lerr := number(first, 64)
	hi, herr := number(last, 64)
	topic, ok := unescape(s[:i])
	if perr != nil || lerr != nil || herr != nil || lo > hi || !ok {
		return bad()
	}
	return Range{topic, int32(p), lo, hi}, nil
}

func unescape(s string) (string, bool) {
	if !strings.Contains(s, "%") {
		return s, true
	}
	b := make([]byte, 0, len(s))
	for i := 0; i < len(s); i++ {
		if s[i] != '%' {
			b = append(b, s[i])
			continue
		}
		if i+2 >= len(s) {
			return "", false
		}
		c, err := strconv.ParseUint(s[i+1:i+3], 16, 8)
		if err != nil {
			return "", false
		}
		b = append(b, byte(c))
		i += 2
	}
	return string(b), true
}
