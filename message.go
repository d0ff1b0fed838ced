package levada

import (
	"encoding/json/jsontext"

	"github.com/levada-io/levada/internal/frame"
	"github.com/levada-io/levada/record"
)

// Message is what a step's function gets: a payload with the key, headers, timestamp
// and position of its record. It is read-only; With, WithKey and WithHeader return
// changed copies.
type Message[T any] = record.Message[T]

// Header is one header of a record.
type Header = record.Header

// NewMessage makes a message with a payload and nothing else, to call a step's
// function in a test.
func NewMessage[T any](payload T) Message[T] {
	return record.NewMessage(payload, nil)
}

// Opt is a member of a struct that is absent, null or a value. The zero Opt is absent.
type Opt[T any] = record.Opt[T]

// Some is a member that is there.
func Some[T any](v T) Opt[T] { return record.Some(v) }

// Null is a member that is there and null.
func Null[T any]() Opt[T] { return record.Null[T]() }

// Union says that values of the sealed interface I are one of the variants; see
// record.Union. It stands at package level:
//
//	var _ = levada.Union[Shape](Circle{}, Square{})
func Union[I any](variants ...I) struct{} { return record.Union(variants...) }

// RegisterMap makes maps from strings to V quicker to read and to write; what is read and
// written is the same without. Generated programs do so for the maps that their functions
// take and give. In others it stands at package level, where V is a struct, say:
//
//	var _ = levada.RegisterMap[Attribute]()
func RegisterMap[V any]() struct{} {
	frame.RegisterMap[V]()
	return struct{}{}
}

// Extra keeps the members of an object that a struct does not name, in their order and
// spelling: a field `Rest levada.Extra `json:",embed"“.
type Extra = jsontext.Value
