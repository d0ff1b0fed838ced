package file_test

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/levada-io/levada/connector"
	"github.com/levada-io/levada/connector/connectortest"
	"github.com/levada-io/levada/connector/file"
	"github.com/levada-io/levada/record"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func TestConformance(t *testing.T) {
	connectortest.Exercise(t, connectortest.Features{Groups: true, Latest: true, Rewind: true, End: true}, func(t *testing.T) connectortest.System {
		dir := t.TempDir()
		path := filepath.Join(dir, "in.jsonl")
		if err := os.WriteFile(path, nil, 0o600); err != nil {
			t.Fatal(err)
		}
		return connectortest.System{
			Stream:  path,
			Missing: filepath.Join(dir, "missing", "in.jsonl"),
			Open:    func(t *testing.T) connector.Session { return open(t, file.Options{Offsets: true}) },
		}
	})
}

func open(t *testing.T, opts any) connector.Session {
	t.Helper()
	s, err := file.Open(t.Context(), opts)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

type assignee struct{ start int64 }

func (a *assignee) Assigned(as []connector.Assignment)             { a.start = as[0].Start }
func (a *assignee) Revoked(context.Context, []connector.Partition) {}
func (a *assignee) Lost([]connector.Partition)                     {}

// TestEndOfFile: a line that has no newline yet belongs to a drain, and to nobody else.
func TestEndOfFile(t *testing.T) {
	path := filepath.Join(t.TempDir(), "in")
	if err := os.WriteFile(path, []byte("one\n\nthree"), 0o600); err != nil {
		t.Fatal(err)
	}
	s := open(t, nil)
	defer s.Close(t.Context())
	src, err := s.Source(t.Context(), connector.SourceConfig{Stream: path, Start: connector.Earliest}, &assignee{})
	if err != nil {
		t.Fatal(err)
	}
	read := func() (vs []string) {
		ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
		defer cancel()
		fs, err := src.Poll(ctx)
		if err != nil {
			t.Fatal(err)
		}
		for _, r := range fs[0].Records {
			vs = append(vs, string(r.Value))
		}
		return vs
	}
	if got := strings.Join(read(), "|"); got != "one|" {
		t.Errorf("got %q, want the lines that are complete", got)
	}
	ends, ok, err := src.(connector.Ender).End(t.Context())
	if err != nil || !ok || ends[connector.Partition{Topic: path}] != 3 {
		t.Errorf("End: %v, %v, %v; want 3", ends, ok, err)
	}
	if got := strings.Join(read(), "|"); got != "three" {
		t.Errorf("got %q, want the last line", got)
	}
}

func TestSinkAppends(t *testing.T) {
	path := filepath.Join(t.TempDir(), "out")
	if err := os.WriteFile(path, []byte("torn"), 0o600); err != nil {
		t.Fatal(err)
	}
	s := open(t, nil)
	sink, err := s.Sink(t.Context(), connector.SinkConfig{Stream: path})
	if err != nil {
		t.Fatal(err)
	}
	write := func(vs ...string) (err error) {
		var recs []record.Record
		for _, v := range vs {
			recs = append(recs, record.Record{Value: []byte(v)})
		}
		sink.Write(recs, func(e error) { err = e })
		return err
	}
	if err := write("a", "b"); err != nil {
		t.Fatal(err)
	}
	rerr, ok := errors.AsType[connector.RecordErrors](write("c", "d\ne", "f"))
	if !ok || len(rerr) != 1 || rerr[0].Index != 1 {
		t.Errorf("a newline gives %v, want RecordErrors for record 1", rerr)
	}
	if err := sink.Flush(t.Context()); err != nil {
		t.Fatal(err)
	}
	if err := s.Close(t.Context()); err != nil {
		t.Fatal(err)
	}
	cerr, ok := errors.AsType[*connector.Error](write("late"))
	if !ok || cerr.Reason != connector.Storage {
		t.Errorf("a write that fails gives %v, want a *connector.Error of the disk", cerr)
	}
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if got, want := string(b), "torn\na\nb\nc\nf\n"; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
}

// TestReplacedInput: a position beyond the end of the file is a gap, not the end.
func TestReplacedInput(t *testing.T) {
	path := filepath.Join(t.TempDir(), "in")
	for name, text := range map[string]string{path: "one\n", path + ".offsets": `{"g":{"offset":7,"metadata":"levada/1"}}`} {
		if err := os.WriteFile(name, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	s := open(t, file.Options{Offsets: true})
	defer s.Close(t.Context())
	_, err := s.Source(t.Context(), connector.SourceConfig{Stream: path, Group: "g"}, &assignee{})
	if e, ok := errors.AsType[*connector.Error](err); !ok || e.Reason != connector.DataGap {
		t.Errorf("got %v, want a data gap", err)
	}
}
