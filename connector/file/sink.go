package file

import (
	"bytes"
	"context"
	"errors"
	"io"
	"os"
	"sync"

	"github.com/levada-io/levada/connector"
	"github.com/levada-io/levada/record"
)

// sink appends lines. An acknowledged line survives the end of the process, and the end
// of the machine after a Flush.
type sink struct {
	mu   sync.Mutex // guards all below: lanes share the file
	file *os.File
	buf  []byte
	bad  error // a write has failed: what is in the file is unknown
}

// newSink goes on behind what the file holds. A last line that a crash has cut off gets
// its newline, so that it does not grow together with the next one.
func newSink(f *os.File) (*sink, error) {
	s := &sink{file: f}
	st, err := f.Stat()
	if err != nil {
		return nil, failed(f.Name(), err, "")
	}
	if !st.Mode().IsRegular() || st.Size() == 0 {
		return s, nil
	}
	last := make([]byte, 1)
	if _, err := f.ReadAt(last, st.Size()-1); err != nil && err != io.EOF {
		return nil, failed(f.Name(), err, "")
	}
	if last[0] != '\n' {
		if _, err := f.Write([]byte{'\n'}); err != nil {
			return nil, failed(f.Name(), err, "")
		}
	}
	return s, nil
}

// Write implements connector.Sink.
//
// # Errors
//
// A value with a newline in it is refused: it would come back as two records.
func (s *sink) Write(recs []record.Record, done func(error)) {
	done(s.write(recs))
}

func (s *sink) write(recs []record.Record) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.bad != nil {
		return s.bad
	}
	s.buf = s.buf[:0]
	var refused connector.RecordErrors
	for i := range recs {
		if bytes.IndexByte(recs[i].Value, '\n') >= 0 {
			refused = append(refused, connector.RecordError{Index: i, Err: errors.New("expected a value without a newline, for a file of lines")})
			continue
		}
		s.buf = append(s.buf, recs[i].Value...)
		s.buf = append(s.buf, '\n')
	}
	if len(s.buf) > 0 {
		if _, err := s.file.Write(s.buf); err != nil {
			s.bad = failed(s.file.Name(), err, "")
			return s.bad
		}
	}
	if refused != nil {
		return refused
	}
	return nil
}

// Flush implements connector.Sink.
func (s *sink) Flush(context.Context) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.bad != nil {
		return s.bad
	}
	// A pipe or a terminal can not be synchronised and need not.
	if st, err := s.file.Stat(); err == nil && st.Mode().IsRegular() {
		if err := s.file.Sync(); err != nil {
			s.bad = failed(s.file.Name(), err, "")
		}
	}
	return s.bad
}
