// Package union_steps has unions wherever a type may stand.
package union_steps

import (
	"iter"
	"time"

	"github.com/levada-io/levada/internal/gen/testdata/unions/in/geo"
	"github.com/levada-io/levada/record"
)

// Shape is told by constants.
type Shape interface{ isShape() }

// Square stands in front of Circle.
type Square struct {
	Kind string  `json:"kind" levada:"const=square"`
	Side float64 `json:"side"`
}

// Circle is round.
type Circle struct {
	Kind   string  `json:"kind" levada:"const=circle"`
	Radius float64 `json:"radius"`
}

// Group has shapes in it.
type Group struct {
	Kind  string           `json:"kind" levada:"const=group"`
	Parts []Shape          `json:"parts"`
	Named map[string]Shape `json:"named,omitzero"`
}

func (Circle) isShape() {}
func (Square) isShape() {}
func (Group) isShape()  {}

// Scalar is told by kind and by required members.
type Scalar interface {
	isScalar()
	String() string
}

type (
	// Flag is true or false.
	Flag  bool
	count int32
	// Level is a text with names.
	Level string
	// Many has scalars by number.
	Many []count
	// Pair is told by its members.
	Pair struct {
		First  int64 `json:"first"`
		Second int64 `json:"second"`
	}
	// Named keeps what it does not name.
	Named struct {
		Name  string         `json:"name"`
		Extra map[string]any `json:",embed"`
	}
)

// The levels.
const (
	Low  Level = "low"
	High Level = "high"
)

func (Flag) isScalar()  {}
func (count) isScalar() {}
func (Level) isScalar() {}
func (Many) isScalar()  {}
func (Pair) isScalar()  {}
func (Named) isScalar() {}

func (Flag) String() string  { return "flag" }
func (count) String() string { return "count" }
func (Level) String() string { return "level" }
func (Many) String() string  { return "many" }
func (Pair) String() string  { return "pair" }
func (Named) String() string { return "named" }

var _ = record.Union[Scalar](Flag(false), count(0), Level(""), Many(nil), Pair{}, Named{})

// Times has a time of its own form.
type Times interface{ isTimes() }

type (
	// Text is no time.
	Text string
	// Moment has one.
	Moment struct {
		At time.Time `json:"at" levada:"unit=unix_ms"`
	}
)

func (Text) isTimes()   {}
func (Moment) isTimes() {}

// Result is one of two generic types.
type Result[T any] interface{ isResult(T) }

// Done has a result.
type Done[T any] struct {
	Value T `json:"value"`
}

// Failed has none.
type Failed[T any] struct {
	Error string `json:"error"`
}

func (Done[T]) isResult(T)   {}
func (Failed[T]) isResult(T) {}

var _ = record.Union[Result[Pair]](Done[Pair]{}, Failed[Pair]{})

// Drawing has a union wherever one may stand.
type Drawing struct {
	Shape  Shape              `json:"shape"`
	List   []Scalar           `json:"list"`
	ByName map[string]Shape   `json:"by_name"`
	Two    [2]Scalar          `json:"two"`
	Maybe  *Shape             `json:"maybe"`
	Opt    Shape              `json:"opt,omitempty"`
	Zero   Scalar             `json:"zero,omitzero"`
	Three  record.Opt[Scalar] `json:"three"`
	Where  geo.Where          `json:"where"`
	Times  Times              `json:"times"`
	Result Result[Pair]       `json:"result"`
}

// Draw takes and returns everything.
func Draw(m record.Message[Drawing]) (Drawing, error) { return m.Payload(), nil }

// Scale takes and returns a union itself.
func Scale(m record.Message[Shape]) (Shape, error) { return m.Payload(), nil }

// Each yields one by one.
func Each(m record.Message[*Shape]) (iter.Seq[Scalar], error) { return nil, nil }
