// Package connector says what the engine needs of a system that records come from
// or go to. A Session is one client of such a system and hands out its sources and
// sinks; everything a connector may offer beyond that is an optional interface.
package connector

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/levada-io/levada/record"
)

// Earliest and Latest are the values of SourceConfig.Start.
const (
	Earliest = "earliest"
	Latest   = "latest"
)

// Session is one client of one external system.
//
// # Concurrency
//
// All methods may be called from several goroutines.
type Session interface {
	// Source opens the only source of the session. Its records arrive only after
	// the first Poll.
	Source(ctx context.Context, cfg SourceConfig, a Assignee) (Source, error)
	// Sink opens a sink for a stream. A session may have several.
	Sink(ctx context.Context, cfg SinkConfig) (Sink, error)
	// Close ends the session: leaves the group, closes files. Sinks were flushed.
	Close(ctx context.Context) error
}

// SourceConfig says what to read.
type SourceConfig struct {
	Step   string // name of the step, for messages
	Stream string // physical name: topic, path
	Group  string // consumer group
	Start  string // Earliest or Latest, where the group has no commit
}

// SinkConfig says where to write.
type SinkConfig struct {
	Step   string
	Stream string
}

// Partition names one partition of a stream.
type Partition struct {
	Topic string
	ID    int32
}

func (p Partition) String() string { return fmt.Sprintf("%s[%d]", p.Topic, p.ID) }

// Assignment is a partition that this process reads from now on.
type Assignment struct {
	Partition
	// Start is the offset of the first record that Poll returns. It is resolved
	// and already committed: a partition without a commit would otherwise start at
	// the end once more when it moves, and lose what was read but not committed.
	Start int64
}

// Assignee is told which partitions a source has.
//
// # Concurrency
//
// The calls come one at a time, from a goroutine of the connector, never while
// another of them runs. Poll goes on meanwhile; after Revoked or Lost returns, it
// returns no record of those partitions from before the call.
type Assignee interface {
	// Assigned is also called, with nothing, when the group has settled and this process
	// has no share in it: it does not wait for one any more.
	Assigned(as []Assignment)
	// Revoked is called while the partitions are still owned: the engine drains
	// what is in flight of them, calls Commit, and returns. ctx bounds it.
	Revoked(ctx context.Context, ps []Partition)
	// Lost is called when the partitions are another's already: nothing of them may
	// be committed.
	Lost(ps []Partition)
}

// Fetch is a run of records of one partition in offset order. Next is the offset
// after the last record, of those the reader never sees too (control records,
// aborted ones): the frontier may move there once Records are finished. Records
// may be empty with Next moved.
type Fetch struct {
	Partition
	Records []record.Record
	Next    int64
}

// Commit is a position to be stored for the group. Metadata travels beside it.
type Commit struct {
	Partition
	Offset   int64
	Metadata string
}

// Source yields records.
type Source interface {
	// Poll waits for records and returns what is there. It must be called all the
	// time: flow is held back with Pause, never by not polling. An error ends the
	// pipeline; ctx.Err() is returned when ctx ended.
	Poll(ctx context.Context) ([]Fetch, error)
	// Pause stops (on) or resumes (off) fetching of partitions.
	Pause(ps []Partition, on bool)
	// Commit stores positions and returns when they are stored. Partitions that
	// are no longer assigned are left out silently.
	Commit(ctx context.Context, cs []Commit) error
}

// Ender is a Source that can tell the end of what is there now, for a run that
// drains and stops. End returns for every assigned partition the offset to stop
// at; it is resolved at the first call. ok is false until the assignment is known.
type Ender interface {
	End(ctx context.Context) (ends map[Partition]int64, ok bool, err error)
}

// Gauge is a Source that knows how far its partitions reach, as of what it last heard.
// It asks nobody: a line of progress must not cost a request.
type Gauge interface {
	Reach() map[Partition]int64
}

// Pulse is a Source that notices when its system is away. For how long it may be is the
// connector's own budget, with an error at its end.
type Pulse interface {
	// Away is for how long nothing was heard but failures; 0: all is well.
	Away() time.Duration
}

// Skipper is a Source that may go on behind records that are gone, where the deployment
// says so. It returns the number of offsets that it passed over for that.
type Skipper interface {
	Gone() int64
}

// Rewinder is a Source that can go back to an offset of an assigned partition.
type Rewinder interface {
	Rewind(p Partition, offset int64) error
}

// Sink takes records.
type Sink interface {
	// Write hands records over and returns without waiting for them to be stored.
	// done is called exactly once, from any goroutine, when ALL are acknowledged or
	// when one has failed for good. Order is kept per key and partition, over
	// Writes of one lane too. The sink does not keep the slice; of the records, Key,
	// Value, Headers and Timestamp count.
	//
	// # Errors
	//
	// done gets RecordErrors where records are at fault (too large), and nothing else is:
	// all others of the Write are acknowledged.
	Write(recs []record.Record, done func(error))
	// Flush returns when everything handed over is acknowledged or failed.
	Flush(ctx context.Context) error
}

// RecordError is a record of a Write that can not be stored, however often it is tried.
type RecordError struct {
	Index int // in the slice given to Write
	Err   error
}

// RecordErrors are all such records of a Write, by index; there is at least one.
type RecordErrors []RecordError

func (e RecordErrors) Error() string { return e[0].Err.Error() }
func (e RecordErrors) Unwrap() error { return e[0].Err }

// Reason classifies an Error; each leads to one exit code.
type Reason int

// The reasons.
const (
	Unreachable  Reason = iota + 1 // broker absent or not what it should be
	Unauthorized                   // authentication or ACL
	Misconfig                      // topic missing, option wrong
	DataGap                        // offset out of range, log truncated
	Fenced                         // another member or producer took over
	Storage                        // disk
)

// Error is a connector's failure: Place says where, Hint how to mend it.
type Error struct {
	Reason Reason
	Place  string // "kafka 127.0.0.1:9092", `topic "orders"`
	Err    error
	Hint   string // without "hint:"; may be empty
}

func (e *Error) Error() string {
	return e.Place + ": " + e.Err.Error()
}

func (e *Error) Unwrap() error { return e.Err }

// Opener opens a session from the options that the deployment gives the
// connector. It does not wait for the system to be reachable: Source and Sink do.
type Opener func(ctx context.Context, opts any) (Session, error)

// Catalog is the explicit registry of connectors by name ("kafka", "memory").
type Catalog map[string]Opener

// Open opens a session of the named connector.
func (c Catalog) Open(ctx context.Context, name string, opts any) (Session, error) {
	open, ok := c[name]
	if !ok {
		names := make([]string, 0, len(c))
		for n := range c {
			names = append(names, n)
		}
		slices.Sort(names)
		return nil, &Error{
			Reason: Misconfig, Place: fmt.Sprintf("connector %q", name),
			Err: fmt.Errorf("unknown; known are %s", strings.Join(names, ", ")),
		}
	}
	return open(ctx, opts)
}
