// Package file is a connector to text files with one record per line: JSON lines, or any
// bytes without a newline.
//
// A file is a stream of one partition; the offset of a record is the number of its line,
// from 0. Lines have no key, headers or timestamp: what a pipeline sets of these does not
// reach the file.
package file

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"

	"github.com/levada-io/levada/connector"
)

// Options are what a deployment can choose.
type Options struct {
	// Offsets keeps the positions of groups in a file beside the input, named as it with
	// ".offsets" after it. Without it every run reads from the start.
	Offsets bool
}

// Open is a connector.Opener; opts is an Options or nil.
func Open(_ context.Context, opts any) (connector.Session, error) {
	switch o := opts.(type) {
	case nil:
		return &session{}, nil
	case Options:
		return &session{opts: o}, nil
	}
	return nil, &connector.Error{Reason: connector.Misconfig, Place: "connector file", Err: fmt.Errorf("BUG: expected file.Options, got %T", opts)}
}

type session struct {
	opts  Options
	files []*os.File
}

// Source implements connector.Session.
func (s *session) Source(_ context.Context, cfg connector.SourceConfig, a connector.Assignee) (connector.Source, error) {
	f, err := os.Open(cfg.Stream)
	if err == nil {
		var st fs.FileInfo
		if st, err = f.Stat(); err == nil && st.IsDir() {
			err = errors.New("is a directory")
		}
	}
	if err != nil {
		return nil, failed(cfg.Stream, err, "streams: {<name>: {connector: file, path: <a file that exists>}}")
	}
	s.files = append(s.files, f)
	src := newSource(f, cfg, s.opts.Offsets)
	start, err := src.start()
	if err != nil {
		return nil, err
	}
	a.Assigned([]connector.Assignment{{Partition: src.partition, Start: start}})
	return src, nil
}

// Sink implements connector.Session.
func (s *session) Sink(_ context.Context, cfg connector.SinkConfig) (connector.Sink, error) {
	f, err := os.OpenFile(cfg.Stream, os.O_RDWR|os.O_APPEND|os.O_CREATE, 0o644)
	if err != nil {
		return nil, failed(cfg.Stream, err, "the folder must exist and be writable")
	}
	s.files = append(s.files, f)
	return newSink(f)
}

// Close implements connector.Session.
func (s *session) Close(context.Context) error {
	var errs []error
	for _, f := range s.files {
		errs = append(errs, f.Close())
	}
	s.files = nil
	return errors.Join(errs...)
}

// failed is the error of a file: of the deployment where the path is wrong, of the disk
// otherwise.
func failed(path string, err error, hint string) error {
	reason := connector.Storage
	if pe, ok := errors.AsType[*fs.PathError](err); ok {
		err = pe.Err // the place names the path already
	}
	if hint != "" {
		reason = connector.Misconfig
	}
	return &connector.Error{Reason: reason, Place: fmt.Sprintf("file %q", path), Err: err, Hint: hint}
}
