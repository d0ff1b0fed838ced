package engine

import (
	"errors"
	"fmt"
)

// ErrAborted is what Run returns when its context ended before the work was drained.
// Nothing is lost: what was not committed is read again.
var ErrAborted = errors.New("aborted before the records in flight were delivered; they are read again at the next start")

// MessageError is a record that a step could not handle under the policy fail.
type MessageError struct {
	Topic     string
	Partition int32
	Offset    int64
	Step      string
	Origin    string // place in the author's source: "metrics.py:12"; may be empty
	Calls     int    // of the step's function, the first one included
	Cause     error
}

func (e *MessageError) Error() string {
	after := ""
	if e.Calls > 1 {
		after = fmt.Sprintf(" (called %d times)", e.Calls)
	}
	return fmt.Sprintf("%s: %s[%d]@%d: %v%s", place(e.Step, e.Origin), e.Topic, e.Partition, e.Offset, e.Cause, after)
}

func (e *MessageError) Unwrap() error { return e.Cause }

// LimitError is a run that buried too much: whatever is wrong, it is wrong with more than
// single messages.
type LimitError struct {
	Limit string // which one, with its figures
	Last  *MessageError
}

func (e *LimitError) Error() string {
	m := *e.Last
	m.Calls = 1
	return fmt.Sprintf("dead letters: %s; the last one: %v", e.Limit, &m)
}

func (e *LimitError) Unwrap() error { return e.Last }

// StepError is an operator that can not go on, whatever the record.
type StepError struct {
	Step   string
	Origin string
	Cause  error
}

func (e *StepError) Error() string { return fmt.Sprintf("%s: %v", place(e.Step, e.Origin), e.Cause) }
func (e *StepError) Unwrap() error { return e.Cause }

func place(step, origin string) string {
	if origin == "" {
		return fmt.Sprintf("step %q", step)
	}
	return fmt.Sprintf("step %q (%s)", step, origin)
}
