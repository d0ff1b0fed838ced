package file

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json/jsontext"
	"encoding/json/v2"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"sync"
	"time"

	"github.com/levada-io/levada/connector"
	"github.com/levada-io/levada/record"
)

const (
	pollLines = 1000
	pollBytes = 1 << 20
	maxLine   = 128 << 20
	// lookAgain is how often a file that was read to its end is looked at: portable, and
	// no cost worth a watcher.
	lookAgain = 100 * time.Millisecond
)

// source reads lines. Poll is called by one goroutine; mu guards what other calls share
// with it.
type source struct {
	partition connector.Partition
	cfg       connector.SourceConfig
	offsets   string // file with the positions; empty: none
	file      *os.File
	lines     *bufio.Reader
	rest      []byte // beginning of a line whose end is not there yet

	mu      sync.Mutex
	next    int64         // line that the next Poll begins with
	seek    int64         // line to go back to; -1: none
	end     int64         // lines at the first call of End; -1 before
	paused  bool          // by Pause
	changed chan struct{} // closed when one of these was changed
}

func newSource(f *os.File, cfg connector.SourceConfig, keep bool) *source {
	s := &source{
		partition: connector.Partition{Topic: cfg.Stream},
		cfg:       cfg, file: f, lines: bufio.NewReaderSize(f, 256<<10),
		seek: -1, end: -1, changed: make(chan struct{}),
	}
	if keep {
		s.offsets = cfg.Stream + ".offsets"
	}
	return s
}

// start resolves where to begin, stores it, and goes there.
func (s *source) start() (int64, error) {
	at, found, err := s.stored()
	if err != nil {
		return 0, err
	}
	if !found {
		if s.cfg.Start == connector.Latest {
			if at, err = s.count(); err != nil {
				return 0, err
			}
		}
		c := connector.Commit{Partition: s.partition, Offset: at, Metadata: "levada/1"}
		if err := s.Commit(context.Background(), []connector.Commit{c}); err != nil {
			return 0, err
		}
	}
	return at, s.skip(at)
}

// skip goes to a line from the start of the file.
func (s *source) skip(to int64) error {
	if _, err := s.file.Seek(0, io.SeekStart); err != nil {
		return failed(s.cfg.Stream, err, "")
	}
	s.lines.Reset(s.file)
	s.rest, s.next = nil, 0
	for s.next < to {
		_, err := s.line(true)
		if err == io.EOF {
			return &connector.Error{
				Reason: connector.DataGap, Place: fmt.Sprintf("file %q", s.cfg.Stream),
				Err:  fmt.Errorf("expected line %d, where group %q has stopped, the file ends at line %d", to, s.cfg.Group, s.next),
				Hint: fmt.Sprintf("the file was replaced by a shorter one; remove %s to read it from the start", s.offsets),
			}
		}
		if err != nil {
			return err
		}
		s.next++
	}
	return nil
}

// line returns the next line; last allows one that ends with the file. io.EOF says that
// there is none yet.
func (s *source) line(last bool) ([]byte, error) {
	for {
		part, err := s.lines.ReadSlice('\n')
		if err == nil {
			line := bytes.Join([][]byte{s.rest, part[:len(part)-1]}, nil)
			s.rest = nil
			return line, nil
		}
		s.rest = append(s.rest, part...)
		if len(s.rest) > maxLine {
			return nil, &connector.Error{
				Reason: connector.DataGap, Place: fmt.Sprintf("file %q", s.cfg.Stream),
				Err: fmt.Errorf("line %d: expected at most %d bytes", s.next, maxLine),
			}
		}
		switch {
		case err == bufio.ErrBufferFull:
		case err != io.EOF:
			return nil, failed(s.cfg.Stream, err, "")
		case last && len(s.rest) > 0:
			line := s.rest
			s.rest = nil
			return line, nil
		default:
			return nil, io.EOF
		}
	}
}

// count is the number of lines that the file has now.
func (s *source) count() (int64, error) {
	f, err := os.Open(s.cfg.Stream)
	if err != nil {
		return 0, failed(s.cfg.Stream, err, "")
	}
	defer f.Close()
	n, open := int64(0), false
	buf := make([]byte, 256<<10)
	for {
		k, err := f.Read(buf)
		n += int64(bytes.Count(buf[:k], []byte{'\n'}))
		if k > 0 {
			open = buf[k-1] != '\n'
		}
		if err == io.EOF {
			if open {
				n++
			}
			return n, nil
		}
		if err != nil {
			return 0, failed(s.cfg.Stream, err, "")
		}
	}
}

// Poll implements connector.Source. A file that was read to its end is followed; a last
// line without a newline counts only where a drain has asked for the end.
func (s *source) Poll(ctx context.Context) ([]connector.Fetch, error) {
	for {
		if err := ctx.Err(); err != nil {
			return nil, err
		}
		s.mu.Lock()
		changed, paused := s.changed, s.paused
		var fs []connector.Fetch
		var err error
		if !paused {
			fs, err = s.fetch()
		}
		s.mu.Unlock()
		if err != nil || len(fs) > 0 {
			return fs, err
		}
		again := time.NewTimer(lookAgain)
		if paused {
			again.Stop()
		}
		select {
		case <-again.C:
		case <-changed:
		case <-ctx.Done():
		}
		again.Stop()
	}
}

// fetch reads what is there. Called with mu held.
func (s *source) fetch() ([]connector.Fetch, error) {
	if s.seek >= 0 {
		to := s.seek
		s.seek = -1
		if err := s.skip(to); err != nil {
			return nil, err
		}
	}
	var recs []record.Record
	for size := 0; len(recs) < pollLines && size < pollBytes; {
		line, err := s.line(s.next < s.end)
		if err == io.EOF {
			break
		}
		if err != nil {
			return nil, err
		}
		recs = append(recs, record.Record{Value: line, Topic: s.partition.Topic, Partition: s.partition.ID, Offset: s.next})
		s.next++
		size += len(line)
	}
	if len(recs) == 0 {
		return nil, nil
	}
	return []connector.Fetch{{Partition: s.partition, Records: recs, Next: s.next}}, nil
}

// Pause implements connector.Source.
func (s *source) Pause(ps []connector.Partition, on bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, p := range ps {
		if p == s.partition && s.paused != on {
			s.paused = on
			s.change()
		}
	}
}

// change wakes the poll. Called with mu held.
func (s *source) change() {
	close(s.changed)
	s.changed = make(chan struct{})
}

// Rewind implements connector.Rewinder.
func (s *source) Rewind(p connector.Partition, offset int64) error {
	if p != s.partition {
		return fmt.Errorf("%v: not assigned", p)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.seek = offset
	s.change()
	return nil
}

// End implements connector.Ender.
func (s *source) End(context.Context) (map[connector.Partition]int64, bool, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.end < 0 {
		n, err := s.count()
		if err != nil {
			return nil, false, err
		}
		s.end = n
		s.change()
	}
	return map[connector.Partition]int64{s.partition: s.end}, true, nil
}

// position is what the offsets file holds for a group.
type position struct {
	Offset   int64  `json:"offset"`
	Metadata string `json:"metadata"`
}

// positions reads the offsets file.
func (s *source) positions() (map[string]position, error) {
	all := map[string]position{}
	b, err := os.ReadFile(s.offsets)
	if errors.Is(err, fs.ErrNotExist) {
		return all, nil
	}
	if err != nil {
		return nil, failed(s.offsets, err, "")
	}
	if err := json.Unmarshal(b, &all); err != nil {
		return nil, &connector.Error{
			Reason: connector.Storage, Place: fmt.Sprintf("file %q", s.offsets), Err: err,
			Hint: "remove it to read the input from the start",
		}
	}
	return all, nil
}

func (s *source) stored() (at int64, found bool, err error) {
	if s.offsets == "" {
		return 0, false, nil
	}
	all, err := s.positions()
	p, found := all[s.cfg.Group]
	return p.Offset, found, err
}

// Commit implements connector.Source. The new file takes the place of the old one as a
// whole, so that a crash leaves one of the two.
func (s *source) Commit(_ context.Context, cs []connector.Commit) error {
	if s.offsets == "" {
		return nil
	}
	all, err := s.positions()
	if err != nil {
		return err
	}
	changed := false
	for _, c := range cs {
		if c.Partition == s.partition {
			all[s.cfg.Group], changed = position{c.Offset, c.Metadata}, true
		}
	}
	if !changed {
		return nil
	}
	b, err := json.Marshal(all, json.Deterministic(true), jsontext.WithIndent("  "))
	if err != nil {
		return fmt.Errorf("BUG: offsets: %w", err)
	}
	if err := replace(s.offsets, append(b, '\n')); err != nil {
		return failed(s.offsets, err, "")
	}
	return nil
}

func replace(path string, b []byte) error {
	f, err := os.CreateTemp(filepath.Dir(path), filepath.Base(path)+".*")
	if err != nil {
		return err
	}
	_, err = f.Write(b)
	err = errors.Join(err, f.Sync(), f.Close())
	if err == nil {
		err = os.Rename(f.Name(), path)
	}
	if err != nil {
		os.Remove(f.Name())
	}
	return err
}
