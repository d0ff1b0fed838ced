// Package program is the executable form of a pipeline: operators with their
// functions resolved, arranged as stages. The planner makes it, the engine runs it,
// and neither knows the other. It knows no plan.
package program

import (
	"context"
	"time"

	"github.com/levada-io/levada/record"
)

// Op transforms a chunk in place: a Go function over a typed column, a codec, or a
// run of Python functions in one crossing.
//
// An element that fails is taken out of the chunk and reported with Chunk.Fail. A
// returned error means the operator itself can not go on and ends the pipeline.
//
// # Concurrency
//
// An Op belongs to one lane and is called by its goroutine only.
type Op interface {
	// Steps are the names of the steps that the operator carries out, in order.
	Steps() []string
	Process(ctx context.Context, c *record.Chunk) error
}

// Router decides for every element which branch it takes.
type Router interface {
	Steps() []string
	// Route returns the index of a branch per element. Elements that fail (an unknown
	// key too) were taken out of c before it returns.
	Route(ctx context.Context, c *record.Chunk) ([]int32, error)
}

// Starter is an Op or Router that needs to know when its lane begins and ends. Both are called
// by the lane's goroutine, on its own OS thread where the program needs that.
type Starter interface {
	Start(lane int) error
	Stop()
}

// Stage is a run of operators with one exit; exactly one of the exits is set.
type Stage struct {
	Ops       []Op
	Sink      *SinkExit
	Route     *RouteExit
	Broadcast *BroadcastExit
	Batch     *BatchExit
}

// SinkExit writes raw bytes to Program.Sinks[Index].
type SinkExit struct {
	Step  string
	Index int
}

// RouteExit sends each element into one branch.
type RouteExit struct {
	Step     string
	Router   Router
	Branches []*Stage
}

// BroadcastExit sends each element into every branch.
type BroadcastExit struct {
	Step     string
	Branches []*Stage
}

// BatchExit collects elements of one partition until a limit is reached and sends
// on their list as one element.
type BatchExit struct {
	Step  string
	Limit Limit
	Next  *Stage
	// Dump makes JSON of whatever column stands behind the batch, for the dead letters of
	// what fails there: a batch has no bytes of its own. nil where nothing has dead letters.
	Dump Op
}

// Limit says when a batch is complete: the first that is reached; zero is no limit.
type Limit struct {
	Count int
	Bytes int64
	Age   time.Duration
}

// Endpoint is a stream at the edge of the program.
type Endpoint struct {
	Step      string
	Stream    string // logical name
	Connector string
}

// Program is what the engine runs.
type Program struct {
	Name   string
	Source Endpoint
	Sinks  []Endpoint
	// Threads says that a lane keeps one OS thread: a step of it runs in Python.
	Threads bool
	// Origins are the places in the author's source, by step: "metrics.py:12".
	Origins map[string]string
	// Policies are what becomes of failing messages, by step. A step without one fails.
	Policies map[string]Policy
	// NewStage makes the first stage, with all behind it, for one lane: operators
	// have state and are never shared between lanes.
	NewStage func(lane int) (*Stage, error)
}

// Walk calls f for s and every stage behind it.
func (s *Stage) Walk(f func(*Stage)) {
	f(s)
	switch {
	case s.Route != nil:
		for _, b := range s.Route.Branches {
			b.Walk(f)
		}
	case s.Broadcast != nil:
		for _, b := range s.Broadcast.Branches {
			b.Walk(f)
		}
	case s.Batch != nil:
		s.Batch.Next.Walk(f)
	}
}
