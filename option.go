package levada

import (
	"time"

	"github.com/levada-io/levada/plan"
)

// Option is a property of a step beside its function.
type Option struct{ set func(*plan.Step, *settings) }

// settings are the fields of a step that is a struct.
type settings struct {
	given bool
	step  any
}

// Policy says what becomes of a message that a step fails on.
type Policy string

// The policies.
const (
	Fail       Policy = plan.Fail       // the pipeline stops and loses nothing
	Skip       Policy = plan.Skip       // the message is counted and left out
	DeadLetter Policy = plan.DeadLetter // the message goes to the dead letters
)

// OnError sets the policy of a step; without it the pipeline's default counts.
func OnError(p Policy) Option {
	return Option{func(s *plan.Step, _ *settings) { s.OnError = string(p) }}
}

// WithRetry repeats a failing call so many times, each after the backoff, before the
// policy applies. The backoff counts in whole milliseconds.
func WithRetry(times int, backoff time.Duration) Option {
	return Option{func(s *plan.Step, _ *settings) {
		s.Retry = &plan.Retry{Times: times, BackoffMS: backoff.Milliseconds()}
	}}
}

// Settings names the struct whose method Apply is the step's function, so that its
// exported fields stand in the plan as the settings of the step:
//
//	strong := steps.Threshold{Limit: 3.5}
//	s.Filter("strong", strong.Apply, levada.Settings(strong))
//
// The same step is steps.Threshold(limit=3.5) in Python.
//
// # Notes
//
// Each lane calls a copy of its own, made from the settings: fields that are not
// exported do not reach it.
func Settings(step any) Option {
	return Option{func(_ *plan.Step, st *settings) { st.given, st.step = true, step }}
}
