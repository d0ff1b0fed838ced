package levada

import (
	"time"

	"github.com/levada-io/levada/plan"
	"github.com/levada-io/levada/record"
)

// Option is a property of a step beside its function.
type Option struct{ set func(*plan.Step, *settings) }

// settings are the fields of a step that is a struct.
type settings struct {
	given    bool
	step     any
	policies []Policy // all that were given: two that differ are a mistake
}

// Policy says what becomes of a message that a step fails on.
type Policy string

// The policies.
const (
	Fail       Policy = plan.Fail       // the pipeline stops and loses nothing
	Skip       Policy = plan.Skip       // the message is counted and left out
	DeadLetter Policy = plan.DeadLetter // the message goes to the dead letters
)

// OnError sets the policy of a step: a map, filter, flat map, route or sink, parse and
// serialize among them. Without it the pipeline's counts, [Pipeline.OnError].
func OnError(p Policy) Option {
	return Option{func(s *plan.Step, st *settings) {
		s.OnError = string(p)
		st.policies = append(st.policies, p)
	}}
}

// WithRetry repeats a failing call of a function so many times before the policy
// applies: first after the backoff, then each time after twice as long, at most a
// minute. The backoff counts in whole milliseconds. Messages beside the failing one are
// not handled again.
func WithRetry(times int, backoff time.Duration) Option {
	return Option{func(s *plan.Step, _ *settings) { s.Retry = retry(times, backoff) }}
}

func retry(times int, backoff time.Duration) *plan.Retry {
	return &plan.Retry{Times: times, BackoffMS: backoff.Milliseconds()}
}

// Crossing says how payloads cross between Go and Python at a step: frame, json, msgpack,
// protobuf, raw or custom. It counts where a step in Python is beside the step; frame is
// what counts without it.
func Crossing(word string) Option {
	return Option{func(s *plan.Step, _ *settings) { s.Crossing = word }}
}

// Retry marks an error of a function: another call may do, as where a service did not
// answer. Its step repeats the call as [WithRetry] says, and three times from 100 ms on
// where it says nothing. Nil stays nil.
func Retry(err error) error { return record.Retry(err) }

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
