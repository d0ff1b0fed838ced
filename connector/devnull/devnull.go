// Package devnull is a connector that takes records and forgets them: for measuring what
// a pipeline costs without its sink, and for pipelines whose steps are their own output.
package devnull

import (
	"context"
	"errors"
	"fmt"

	"github.com/levada-io/levada/connector"
	"github.com/levada-io/levada/record"
)

// Open is a connector.Opener. It takes no options.
func Open(_ context.Context, opts any) (connector.Session, error) {
	if opts != nil {
		return nil, misconfig(fmt.Errorf("expected no options, got %T", opts), "")
	}
	return session{}, nil
}

func misconfig(err error, hint string) error {
	return &connector.Error{Reason: connector.Misconfig, Place: "devnull", Err: err, Hint: hint}
}

type session struct{}

// Source implements connector.Session: there is none.
func (session) Source(context.Context, connector.SourceConfig, connector.Assignee) (connector.Source, error) {
	return nil, misconfig(errors.New("there is nothing to read"), "a source reads from kafka or file")
}

// Sink implements connector.Session.
func (session) Sink(context.Context, connector.SinkConfig) (connector.Sink, error) {
	return sink{}, nil
}

// Close implements connector.Session.
func (session) Close(context.Context) error { return nil }

type sink struct{}

// Write implements connector.Sink.
func (sink) Write(_ []record.Record, done func(error)) { done(nil) }

// Flush implements connector.Sink.
func (sink) Flush(context.Context) error { return nil }
