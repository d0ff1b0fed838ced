// Package json is the codec for JSON: UTF-8 text, one value per message.
//
// It reads and writes as encoding/json/v2 does with AllowInvalidUTF8,
// AllowDuplicateNames and Deterministic, and differs where a pipeline needs it: a
// missing member and a null that the type does not allow are errors with the path; of
// two members with one name the last counts; a null or nil list, map or byte slice is an
// empty one; integers inside any stay integers; times are UTC with microseconds.
// abi/frame.md has the rules whole, for they are the same for steps in Python. With the
// setting std it is encoding/json/v2 itself that reads and writes, see Std.
package json

import (
	"encoding/json/v2"
	"fmt"
	"reflect"

	"github.com/levada-io/levada/codec"
	"github.com/levada-io/levada/codec/prefix"
	"github.com/levada-io/levada/internal/frame"
)

// Codec is the codec. The zero value is ready.
type Codec struct {
	// Strict refuses text that is no UTF-8, half a surrogate pair, and a name that comes
	// twice in one object.
	Strict bool
}

var _ codec.Adjustable = (*Codec)(nil)

// Std is the codec that leaves whole values to encoding/json/v2. It knows Go types only.
type Std struct {
	// Strict is what it is in Codec.
	Strict bool
}

// New returns the codec that is not strict.
func New() *Codec { return &Codec{} }

// With implements codec.Adjustable.
func (c *Codec) With(settings []byte) (codec.Codec, error) {
	o := struct {
		prefix.Options
		Std bool `json:"std"`
	}{Options: prefix.Options{Strict: c.Strict}}
	if err := json.Unmarshal(settings, &o, json.RejectUnknownMembers(true)); err != nil {
		return nil, fmt.Errorf("expected the settings strict and std (true or false), prefix and id: %w", err)
	}
	if err := o.Check(prefix.Confluent); err != nil {
		return nil, err
	}
	if o.Std {
		return prefix.Before(&Std{o.Strict}, o.Settings), nil
	}
	return prefix.Before(&Codec{Strict: o.Strict}, o.Settings), nil
}

// GoOnly says what makes it know Go types only, and what to do where there is none.
func (c *Std) GoOnly() (why, instead string) { return "std: encoding/json/v2", "leave std out" }

// Bind implements codec.Codec.
func (c *Std) Bind(t reflect.Type) (codec.Bound, error) {
	b, err := frame.BindStd(t, c.Strict)
	if err != nil {
		return nil, err
	}
	return b, nil
}

// Bind implements codec.Codec.
func (c *Codec) Bind(t reflect.Type) (codec.Bound, error) {
	b, err := frame.BindJSON(t, c.Strict)
	if err != nil {
		return nil, err
	}
	return b, nil
}

// Wire is the codec for steps that have no Go type.
func (c *Codec) Wire(l *frame.Layout) (frame.Wire, error) { return l.JSON(c.Strict), nil }
