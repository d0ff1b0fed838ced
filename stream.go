package levada

import (
	"iter"
	"time"

	"github.com/levada-io/levada/internal/program"
	"github.com/levada-io/levada/plan"
)

// Stream is the place behind a step, or at the beginning of a branch: messages with
// payload T pass there. One step may read from it; for several there is Broadcast.
type Stream[T any] struct {
	p      *Pipeline
	at     *node  // the step; nil at the beginning
	branch string // of the step, where that is a fork
}

// add puts a step without a function behind s.
func (s Stream[T]) add(name string, kind plan.Kind, opts []Option) *node {
	n, _ := s.addStep(name, kind, opts)
	return n
}

func (s Stream[T]) addStep(name string, kind plan.Kind, opts []Option) (*node, *settings) {
	n, st := s.p.node(name, kind, opts)
	if s.at != nil {
		n.Input, n.Branch = s.at.Name, s.branch
		s.at.next = append(s.at.next, n)
	}
	return n, st
}

// Map replaces the payload by what the function returns; key and headers stay.
func (s Stream[T]) Map[U any](name string, fn func(Message[T]) (U, error), opts ...Option) Stream[U] {
	n, st := s.addStep(name, plan.Map, opts)
	call(s.p, n, st, fn, program.Of)
	return Stream[U]{p: s.p, at: n}
}

// MapMessage replaces payload, key and headers by those of the message that the
// function returns.
func (s Stream[T]) MapMessage[U any](name string, fn func(Message[T]) (Message[U], error), opts ...Option) Stream[U] {
	n, st := s.addStep(name, plan.Map, opts)
	call(s.p, n, st, fn, program.OfMessage)
	return Stream[U]{p: s.p, at: n}
}

// Filter keeps the messages for which the function returns true.
func (s Stream[T]) Filter(name string, fn func(Message[T]) (bool, error), opts ...Option) Stream[T] {
	n, st := s.addStep(name, plan.Filter, opts)
	call(s.p, n, st, fn, program.Of)
	return Stream[T]{p: s.p, at: n}
}

// FlatMap passes on one message for every element of what the function returns. A
// message whose call fails yields none.
func (s Stream[T]) FlatMap[S ~[]V, V any](name string, fn func(Message[T]) (S, error), opts ...Option) Stream[V] {
	n, st := s.addStep(name, plan.FlatMap, opts)
	call(s.p, n, st, fn, program.OfSlice)
	return Stream[V]{p: s.p, at: n}
}

// FlatMapSeq is FlatMap for a function that returns an iterator.
func (s Stream[T]) FlatMapSeq[V any](name string, fn func(Message[T]) (iter.Seq[V], error), opts ...Option) Stream[V] {
	n, st := s.addStep(name, plan.FlatMap, opts)
	call(s.p, n, st, fn, program.OfSeq)
	return Stream[V]{p: s.p, at: n}
}

// Limit says when a batch is complete: the first that is reached; zero is no limit.
type Limit struct {
	Count int           // messages
	Bytes int64         // of the payloads, estimated
	Age   time.Duration // since the first message of the batch; whole milliseconds
}

// Batch gathers messages of one partition into a list: B is []T.
func (s Stream[T]) Batch[B interface{ []T }](name string, until Limit, opts ...Option) Stream[B] {
	n := s.add(name, plan.Batch, opts)
	if until.Age > 0 && until.Age < time.Millisecond {
		s.p.wrong(n, "bad-limit", "", "expected an age of at least 1ms, got %v", until.Age)
	}
	n.Limit = &plan.Limit{Count: until.Count, Bytes: until.Bytes, AgeMS: until.Age.Milliseconds()}
	return Stream[B]{p: s.p, at: n}
}

// Sink ends the stream.
func (s Stream[T]) Sink(name string, to Sink[T], opts ...Option) {
	n := s.add(name, plan.Sink, opts)
	if to == nil {
		s.p.wrong(n, "bad-stream", "", "expected a sink, got nil")
		return
	}
	var none T
	e := to.Writes(none)
	n.Stream, n.Connector = e.Stream, e.Connector
}
