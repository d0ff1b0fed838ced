// Package json is the codec for JSON: UTF-8 text, one value per message.
//
// It reads and writes as encoding/json/v2 does with AllowInvalidUTF8,
// AllowDuplicateNames and Deterministic, and differs where a pipeline needs it: a
// missing member and a null that the type does not allow are errors with the path; of
// two members with one name the last counts; a null or nil list, map or byte slice is an
// empty one; integers inside any stay integers; times are UTC with microseconds.
// abi/frame.md has the rules whole, for they are the same for steps in Python.
package json

import (
	"encoding/json/v2"
	"fmt"
	"reflect"
	"unsafe"

	"github.com/levada-io/levada/codec"
	"github.com/levada-io/levada/codec/prefix"
	"github.com/levada-io/levada/internal/frame"
)

// Codec is the codec. The zero value is ready.
type Codec struct {
	// Strict refuses text that is no UTF-8, half a surrogate pair, and a name that comes
	// twice in one object.
	Strict bool `json:"strict"`
}

var _ codec.Adjustable = (*Codec)(nil)

// New returns the codec that is not strict.
func New() *Codec { return &Codec{} }

type options struct {
	Codec
	prefix.Settings
}

// With implements codec.Adjustable.
func (c *Codec) With(settings []byte) (codec.Codec, error) {
	s := options{Codec: *c}
	if err := json.Unmarshal(settings, &s, json.RejectUnknownMembers(true)); err != nil {
		return nil, fmt.Errorf("expected the settings strict (true or false), prefix and id: %w", err)
	}
	if err := s.Check(prefix.Confluent); err != nil {
		return nil, err
	}
	if s.Prefix != "" {
		return prefix.Of(&s.Codec, s.Settings), nil
	}
	return &s.Codec, nil
}

// Bind implements codec.Codec.
func (c *Codec) Bind(t reflect.Type) (codec.Bound, error) {
	enc, err := frame.NewTextEncoder(t)
	if err != nil {
		return nil, err
	}
	dec, err := frame.NewTextDecoder(t, c.Strict)
	if err != nil {
		return nil, err
	}
	return &bound{enc, dec}, nil
}

// Wire is the codec for steps that have no Go type.
func (c *Codec) Wire(l *frame.Layout) (frame.Wire, error) { return l.JSON(c.Strict), nil }

type bound struct {
	enc *frame.TextEncoder
	dec *frame.TextDecoder
}

// Decode implements codec.Bound. What is decoded does not alias src: whoever keeps one
// string of it keeps this message, not all that was fetched with it.
func (b *bound) Decode(src []byte, dst any) error { return b.dec.Value(src, pointer(dst)) }

// Append implements codec.Bound.
func (b *bound) Append(buf []byte, v any) ([]byte, error) { return b.enc.Append(buf, pointer(v)) }

// pointer is where v, a *T, points to.
func pointer(v any) unsafe.Pointer { return reflect.ValueOf(v).UnsafePointer() }
