package runner

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/levada-io/levada/connector"
	"github.com/levada-io/levada/internal/engine"
	"github.com/levada-io/levada/internal/planner"
)

// The exit codes are a contract with whoever supervises the process. 0 is only ever
// given to a run that lost nothing and stopped because it was asked to.
const (
	OK          = 0
	Usage       = 64 // the command line is wrong
	Data        = 65 // a message failed, or records are missing that should be there
	Unavailable = 69 // the broker can not be reached
	Internal    = 70 // our fault, or stuck
	Disk        = 74
	Aborted     = 75 // a second signal, or another member took over
	Denied      = 77 // authentication or authorisation
	Config      = 78 // the pipeline or its deployment is wrong
)

// exitError is an error that carries its exit code.
type exitError struct {
	code int
	err  error
}

func (e *exitError) Error() string { return e.err.Error() }
func (e *exitError) Unwrap() error { return e.err }

func usage(format string, args ...any) error {
	return &exitError{Usage, fmt.Errorf(format, args...)}
}

func config(err error) error {
	return &exitError{Config, err}
}

// Code is the exit code of an error.
func Code(err error) int {
	if err == nil {
		return OK
	}
	if e, ok := errors.AsType[*exitError](err); ok {
		return e.code
	}
	if _, ok := errors.AsType[*engine.MessageError](err); ok {
		return Data
	}
	if e, ok := errors.AsType[*connector.Error](err); ok {
		switch e.Reason {
		case connector.Unreachable:
			return Unavailable
		case connector.Unauthorized:
			return Denied
		case connector.Misconfig:
			return Config
		case connector.DataGap:
			return Data
		case connector.Fenced:
			return Aborted
		case connector.Storage:
			return Disk
		}
	}
	if _, ok := errors.AsType[connector.RecordErrors](err); ok {
		return Data
	}
	if _, ok := errors.AsType[planner.Problems](err); ok {
		return Config
	}
	if errors.Is(err, engine.ErrAborted) || errors.Is(err, context.Canceled) {
		return Aborted
	}
	return Internal
}

// Message is an error as the user sees it: with the hint of a connector error.
func Message(err error) string {
	if e, ok := errors.AsType[*connector.Error](err); ok && e.Hint != "" {
		return err.Error() + "\nhint: " + e.Hint
	}
	switch text := err.Error(); {
	case isA[*engine.LimitError](err):
		return text + "\nhint: levada dlq ls shows the letters; max_consecutive and max_ratio of dead_letter set the limits"
	case isA[*engine.MessageError](err) && !strings.Contains(text, "\nhint: "):
		return text + "\nhint: mend the step or the message; on_error: skip or dead_letter goes on without such messages"
	case isA[*engine.StalledError](err):
		return text + "\nhint: the stacks above say where it stands; what is not committed is read again by whoever takes over"
	default:
		return text
	}
}

func isA[E error](err error) bool {
	_, ok := errors.AsType[E](err)
	return ok
}
