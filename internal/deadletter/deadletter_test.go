package deadletter

import (
	"bytes"
	"errors"
	"os"
	"path/filepath"
	"reflect"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"pgregory.net/rapid"

	"github.com/levada-io/levada/record"
)

func example() Letter {
	return Letter{
		Pipeline: "metrics", Step: "parse", Origin: "p.py:4", Cause: "$.id: expected a number, got text",
		Topic: "orders", Partition: 3, Offset: 9120, Attempt: 1, Language: "levada",
		FailedAt: time.Date(2026, 3, 14, 9, 26, 53, 589e6, time.UTC),
		Original: record.Record{
			Key: []byte("k"), Value: []byte(`{"id":"x"}`), Timestamp: time.UnixMilli(1_700_000_000_000),
			Headers: []record.Header{{Key: "a", Value: []byte("1")}, {Key: "a", Value: nil}},
			Topic:   "orders", Partition: 3, Offset: 9120,
		},
	}
}

func headers(r record.Record) string {
	var b strings.Builder
	for _, h := range r.Headers {
		b.WriteString(h.Key + ": " + string(h.Value) + "\n")
	}
	return b.String()
}

// The form itself, in the words of the contract.
func TestRecord(t *testing.T) {
	l := example()
	l.Traceback = "Traceback (most recent call last):\n  ...\n"
	l.Ranges = []Range{{"orders", 3, 9100, 9120}, {"orders", 3, 9125, 9125}}
	r := l.Record()
	want := `a: 1
a: 
levada-dead-letter: 1
levada-pipeline: metrics
levada-step: parse
levada-origin: p.py:4
levada-cause: $.id: expected a number, got text
levada-topic: orders
levada-partition: 3
levada-offset: 9120
levada-attempt: 1
levada-language: levada
levada-failed-at: 2026-03-14T09:26:53.589Z
levada-traceback: Traceback (most recent call last):
  ...

levada-offsets: orders[3]@9100-9120 orders[3]@9125-9125
`
	if got := headers(r); got != want {
		t.Errorf("expected the headers\n%s\ngot\n%s", want, got)
	}
	if !bytes.Equal(r.Key, l.Original.Key) || !bytes.Equal(r.Value, l.Original.Value) || !r.Timestamp.Equal(l.Original.Timestamp) {
		t.Errorf("key, value or timestamp changed: %+v", r)
	}
}

// A letter that was replayed and failed again must not carry what it failed with first.
func TestHeadersOfAnEarlierLetterAreReplaced(t *testing.T) {
	l := example()
	again := l
	again.Original = l.Record()
	again.Original.Headers = append(again.Original.Headers, record.Header{Key: HeaderReplay, Value: []byte("orders/0/1")}, record.Header{Key: "b", Value: []byte("2")})
	again.Cause = "now something else"
	got := headers(again.Record())
	if n := strings.Count(got, HeaderCause+":"); n != 1 || !strings.Contains(got, again.Cause) || strings.Contains(got, HeaderReplay) {
		t.Errorf("got %s", got)
	}
	if !strings.HasPrefix(got, "a: 1\na: \nb: 2\nlevada-") {
		t.Errorf("the original headers come first and in order, got\n%s", got)
	}
}

func TestReplay(t *testing.T) {
	for _, topic := range []string{"orders", "in/a b.jsonl", "", "/"} {
		l := example()
		l.Topic = topic
		r := l.Replay()
		p, ok := Replayed(&r)
		if want := l.At(); !ok || p != want {
			t.Errorf("expected %v, got %v, %v", want, p, ok)
		}
		if got := headers(r); !strings.HasPrefix(got, "a: 1\na: \nlevada-replay: ") || strings.Count(got, Prefix) != 1 {
			t.Errorf("got the headers %s", got)
		}
	}
	for _, value := range []string{"", "orders", "orders/1", "/1", "orders/1/", "orders/x/1", "orders/1/-1", "orders/4294967296/1"} {
		r := record.Record{Headers: []record.Header{{Key: HeaderReplay, Value: []byte(value)}}}
		if p, ok := Replayed(&r); ok {
			t.Errorf("%q: expected nothing, got %v", value, p)
		}
	}
}

func TestParseRefuses(t *testing.T) {
	for _, c := range []struct{ header, value, want string }{
		{HeaderVersion, "2", `header levada-dead-letter: expected version 1, got "2"`},
		{HeaderPartition, "-1", `header levada-partition: expected a decimal number, got "-1"`},
		{HeaderPartition, "2147483648", `header levada-partition: expected a decimal number of 32 bits, got "2147483648"`},
		{HeaderOffset, "", `header levada-offset: expected a decimal number of 64 bits, got ""`},
		{HeaderOffset, "1e3", `header levada-offset: expected a decimal number, got "1e3"`},
		{HeaderAttempt, "0", `header levada-attempt: expected at least 1, got 0`},
		{HeaderFailedAt, "yesterday", `header levada-failed-at: expected a time in the form of RFC 3339, got "yesterday"`},
		{HeaderCause, "\xff", `header levada-cause: expected UTF-8, got "\xff"`},
		{HeaderOffsets, "", `header levada-offsets: expected ranges as orders[3]@9100-9120, got ""`},
		{HeaderOffsets, "orders[3]@9-8", `header levada-offsets: expected ranges as orders[3]@9100-9120, got "orders[3]@9-8"`},
		{HeaderOffsets, "o[3]@8-9  o[3]@8-9", `header levada-offsets: expected ranges as orders[3]@9100-9120, got ""`},
		{HeaderOffsets, "%4[3]@8-9", `header levada-offsets: expected ranges as orders[3]@9100-9120, got "%4[3]@8-9"`},
	} {
		l := example()
		l.Ranges = []Range{{"orders", 3, 9100, 9120}}
		r := l.Record()
		for i, h := range r.Headers {
			if h.Key == c.header {
				r.Headers[i].Value = []byte(c.value)
			}
		}
		if _, err := Parse(r); err == nil || !strings.HasPrefix(err.Error(), c.want) || errors.Is(err, ErrForeign) {
			t.Errorf("%s: %q: expected %s, got %v", c.header, c.value, c.want, err)
		}
	}
}

// Every header but two must be there, and none twice.
func TestParseWantsEachHeaderOnce(t *testing.T) {
	l := example()
	l.Traceback = "t"
	l.Ranges = []Range{{"orders", 3, 9100, 9120}}
	for i, h := range l.Record().Headers {
		if !strings.HasPrefix(h.Key, Prefix) {
			continue
		}
		r := l.Record()
		r.Headers = slices.Delete(r.Headers, i, i+1)
		_, err := Parse(r)
		switch h.Key {
		case HeaderTraceback, HeaderOffsets:
			if err != nil {
				t.Errorf("without %s: %v", h.Key, err)
			}
		case HeaderVersion:
			if !errors.Is(err, ErrForeign) {
				t.Errorf("without %s: expected ErrForeign, got %v", h.Key, err)
			}
		default:
			if err == nil || !strings.HasPrefix(err.Error(), "header "+h.Key+": ") {
				t.Errorf("without %s: got %v", h.Key, err)
			}
		}
		r = l.Record()
		r.Headers = append(r.Headers, h)
		if _, err := Parse(r); err == nil || err.Error() != "header "+h.Key+": expected once, got it twice" {
			t.Errorf("%s twice: got %v", h.Key, err)
		}
	}
}

func TestLimits(t *testing.T) {
	for _, c := range []struct{ in, want string }{
		{"", ""},
		{"plain", "plain"},
		{"one\ntwo\r\n\n  three\t", "one two three"},
		{"bell\a and \x1b[31mred", "bell and [31mred"},
		{"a\xffb", "a\uFFFDb"},
		{strings.Repeat("x", MaxCause), strings.Repeat("x", MaxCause)},
		{strings.Repeat("x", MaxCause+1), strings.Repeat("x", MaxCause-3) + "…"},
		{strings.Repeat("é", MaxCause), strings.Repeat("é", (MaxCause-3)/2) + "…"},
	} {
		if got := line(c.in); got != c.want {
			t.Errorf("line(%.40q): expected %.40q, got %.40q", c.in, c.want, got)
		}
	}
	long := "first line\n" + strings.Repeat("  a line of a traceback\n", 500) + "ValueError: the end"
	got := end(long)
	if len(got) > MaxTraceback || !strings.HasPrefix(got, "[...]\n  a line") || !strings.HasSuffix(got, "\nValueError: the end") {
		t.Errorf("got %d bytes, %.40q ... %q", len(got), got, got[len(got)-30:])
	}
	if got := end(strings.Repeat("é", MaxTraceback)); len(got) > MaxTraceback || !utf8.ValidString(got) {
		t.Errorf("got %d bytes, valid: %v", len(got), utf8.ValidString(got))
	}
}

func oneLine(most int) *rapid.Generator[string] {
	return rapid.Map(rapid.StringN(-1, -1, most), line)
}

// within draws letters that keep the limits.
func within(t *rapid.T) Letter {
	topics := rapid.OneOf(
		rapid.StringMatching(`[a-zA-Z0-9._-]{1,20}`),
		rapid.StringN(0, 10, -1), // paths
	)
	l := Letter{
		Pipeline:  oneLine(40).Draw(t, "pipeline"),
		Step:      oneLine(40).Draw(t, "step"),
		Origin:    oneLine(40).Draw(t, "origin"),
		Cause:     oneLine(2*MaxCause).Draw(t, "cause"),
		Topic:     topics.Draw(t, "topic"),
		Partition: rapid.Int32Min(0).Draw(t, "partition"),
		Offset:    rapid.Int64Min(0).Draw(t, "offset"),
		Attempt:   int(rapid.Int32Min(1).Draw(t, "attempt")),
		Language:  rapid.SampledFrom([]string{"go", "python", "levada"}).Draw(t, "language"),
		FailedAt:  time.UnixMilli(rapid.Int64Range(0, 4e12).Draw(t, "failed at")).UTC(),
		Traceback: rapid.StringN(0, -1, MaxTraceback).Draw(t, "traceback"),
	}
	for range rapid.IntRange(0, 4).Draw(t, "ranges") {
		first := rapid.Int64Min(0).Draw(t, "first")
		l.Ranges = append(l.Ranges, Range{
			// Not only UTF-8: a path is what it is.
			Topic:     string(rapid.OneOf(rapid.SliceOfN(rapid.Byte(), 0, 8), rapid.Map(topics, func(s string) []byte { return []byte(s) })).Draw(t, "topic of a range")),
			Partition: rapid.Int32Min(0).Draw(t, "partition of a range"),
			First:     first, Last: rapid.Int64Min(first).Draw(t, "last"),
		})
	}
	l.Original = original(t)
	l.Original.Topic, l.Original.Partition, l.Original.Offset = l.Topic, l.Partition, l.Offset
	return l
}

func original(t *rapid.T) record.Record {
	some := rapid.OneOf(rapid.Just([]byte(nil)), rapid.SliceOfN(rapid.Byte(), 0, 20))
	r := record.Record{Key: some.Draw(t, "key"), Value: some.Draw(t, "value")}
	for range rapid.IntRange(0, 3).Draw(t, "headers") {
		r.Headers = append(r.Headers, record.Header{
			Key:   rapid.StringN(0, 10, -1).Filter(func(s string) bool { return !strings.HasPrefix(s, Prefix) }).Draw(t, "header"),
			Value: some.Draw(t, "value of a header"),
		})
	}
	if rapid.Bool().Draw(t, "has a time") {
		r.Timestamp = time.UnixMilli(rapid.Int64Range(0, 4e12).Draw(t, "timestamp"))
	}
	return r
}

func TestLetterComesBack(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		l := within(t)
		got, err := Parse(l.Record())
		if err != nil {
			t.Fatal(err)
		}
		if !reflect.DeepEqual(got, l) {
			t.Fatalf("expected\n%#v\ngot\n%#v", l, got)
		}
		r := l.Replay()
		if p, ok := Replayed(&r); !ok || p != l.At() {
			t.Fatalf("expected %v, got %v", l.At(), p)
		}
	})
}

// Whatever a step says, the letter keeps the limits and can be read; writing what was
// read changes nothing any more.
func TestAnyTextKeepsTheLimits(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		bytesOf := func(name string) string {
			s := rapid.OneOf(rapid.Map(rapid.SliceOfN(rapid.Byte(), 0, 60), func(b []byte) string { return string(b) }), rapid.String()).Draw(t, name)
			return strings.Repeat(s, rapid.SampledFrom([]int{1, 1, 1, 400}).Draw(t, "times"))
		}
		l := Letter{
			Pipeline: bytesOf("pipeline"), Step: bytesOf("step"), Origin: bytesOf("origin"), Cause: bytesOf("cause"),
			Topic: bytesOf("topic"), Language: bytesOf("language"), Traceback: bytesOf("traceback"),
			FailedAt: time.Unix(0, rapid.Int64Min(0).Draw(t, "failed at")), Original: original(t),
		}
		r := l.Record()
		for _, h := range r.Headers[len(l.Original.Headers):] {
			most := MaxCause
			switch h.Key {
			case HeaderTraceback:
				most = MaxTraceback
			case HeaderTopic:
				most = len(h.Value)
			}
			if len(h.Value) > most || !utf8.Valid(h.Value) {
				t.Fatalf("header %s: %d bytes, valid: %v", h.Key, len(h.Value), utf8.Valid(h.Value))
			}
			if h.Key == HeaderCause && bytes.ContainsAny(h.Value, "\r\n") {
				t.Fatalf("header %s has several lines: %q", h.Key, h.Value)
			}
		}
		once, err := Parse(r)
		if err != nil {
			t.Fatal(err)
		}
		twice, err := Parse(once.Record())
		if err != nil {
			t.Fatal(err)
		}
		if !reflect.DeepEqual(once, twice) {
			t.Fatalf("expected\n%#v\ngot\n%#v", once, twice)
		}
	})
}

// TestReference holds the table of docs/reference/dead-letters.md against the headers
// that a letter has.
func TestReference(t *testing.T) {
	text, err := os.ReadFile(filepath.Join("..", "..", "docs", "reference", "dead-letters.md"))
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, row := range regexp.MustCompile("(?m)^\\| `(levada-[a-z-]+)` \\|").FindAllSubmatch(text, -1) {
		got = append(got, string(row[1]))
	}
	l := example()
	l.Traceback = "t"
	l.Ranges = []Range{{"orders", 3, 9100, 9120}}
	var want []string
	for _, h := range l.Record().Headers {
		if strings.HasPrefix(h.Key, Prefix) {
			want = append(want, h.Key)
		}
	}
	replayed := l.Replay()
	want = append(want, replayed.Headers[len(replayed.Headers)-1].Key)
	if !slices.Equal(got, want) {
		t.Errorf("expected the headers %v, got %v", want, got)
	}
}
