// Package connectortest is the conformance suite of connectors: what the engine relies
// on, whichever system is behind.
//
//	func TestConformance(t *testing.T) {
//		connectortest.Exercise(t, connectortest.Features{Keys: true, Groups: true},
//			func(t *testing.T) connectortest.System { ... })
//	}
package connectortest

import (
	"testing"

	"github.com/levada-io/levada/connector"
)

// Features says what a connector can do beyond writing records and reading them back
// in order. The zero value asks for the least; what is false is not tested.
type Features struct {
	// WriteOnly: there is no source (devnull). Nothing that reads is tested.
	WriteOnly bool

	// What survives from the sink to the source.
	Keys       bool // keys, null and empty apart
	Headers    bool // headers, in order and with repeated keys
	Nulls      bool // null values, told from empty ones
	Bytes      bool // values that are any bytes; otherwise every value is a JSON document
	Timestamps bool // timestamps, to the millisecond

	Groups  bool // commits are kept per group and resumed from
	Latest  bool // connector.Latest is kept as the resolved start of a group
	Members bool // sessions of one group share the partitions and hand them over
	Rewind  bool // the source is a connector.Rewinder
	End     bool // the source is a connector.Ender

	// MaxRecord is a value size in bytes that the system refuses for good; 0: none.
	MaxRecord int
}

// System is one system to test against, fresh for every test.
type System struct {
	// Stream is an empty stream that exists.
	Stream string
	// Partitions of Stream; 0 means 1. With more, records of one key share one.
	Partitions int
	// Open opens another session of the system. The suite closes it.
	Open func(t *testing.T) connector.Session
	// Missing is the name of a stream that does not exist and that neither source
	// nor sink would create; empty: not tested.
	Missing string
	// Lose makes the only member of the group lose its partitions without being
	// asked; nil: not tested.
	Lose func(t *testing.T, group string)
}
