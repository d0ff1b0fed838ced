package record

import (
	"encoding/json/jsontext"
	"encoding/json/v2"
)

// Opt is a member of a struct with three states: absent, null, or a value. The zero
// Opt is absent. It stands in a field of a struct, not in a list or map.
//
//	type Patch struct {
//		Name record.Opt[string] `json:"name,omitzero"`
//	}
//
// In Python the member is NotRequired[T | None]. The platform leaves an absent one out
// with and without omitzero; encoding/json/v2 does with it only.
type Opt[T any] struct {
	value T // first, and state behind it: package frame reads both in memory
	state optState
}

type optState uint8

const (
	optAbsent optState = iota
	optNull
	optSome
)

// Some is a member that is there.
func Some[T any](v T) Opt[T] { return Opt[T]{v, optSome} }

// Null is a member that is there and null.
func Null[T any]() Opt[T] { return Opt[T]{state: optNull} }

// Get returns the value; false: the member is absent or null.
func (o Opt[T]) Get() (T, bool) { return o.value, o.state == optSome }

// IsNull says that the member is there and null.
func (o Opt[T]) IsNull() bool { return o.state == optNull }

// IsZero says that the member is absent.
func (o Opt[T]) IsZero() bool { return o.state == optAbsent }

// MarshalJSONTo implements json.MarshalerTo. Without omitzero in its tag, an absent
// member is written as null.
func (o Opt[T]) MarshalJSONTo(enc *jsontext.Encoder) error {
	if o.state != optSome {
		return enc.WriteToken(jsontext.Null)
	}
	return json.MarshalEncode(enc, &o.value)
}

// UnmarshalJSONFrom implements json.UnmarshalerFrom.
func (o *Opt[T]) UnmarshalJSONFrom(dec *jsontext.Decoder) error {
	*o = Null[T]()
	if dec.PeekKind() == 'n' {
		return dec.SkipValue()
	}
	o.state = optSome
	return json.UnmarshalDecode(dec, &o.value)
}
