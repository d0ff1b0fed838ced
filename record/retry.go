package record

import "errors"

// Retry marks an error as one that another call of the function may not have: a service
// that did not answer, for one. The engine calls the function again, a few times where
// the step has no retry of its own, before the step's policy for errors applies. Retry
// of nil is nil.
func Retry(err error) error {
	if err == nil {
		return nil
	}
	return &retryable{err}
}

// Retryable says whether Retry has marked the error or one that it wraps.
func Retryable(err error) bool {
	e, ok := errors.AsType[interface {
		error
		Retryable() bool
	}](err)
	return ok && e.Retryable()
}

type retryable struct{ err error }

func (e *retryable) Error() string   { return e.err.Error() }
func (e *retryable) Unwrap() error   { return e.err }
func (e *retryable) Retryable() bool { return true }
