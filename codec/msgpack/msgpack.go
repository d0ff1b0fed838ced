// Package msgpack is the codec for MessagePack, one value per message.
//
// Values have the members that the codec for JSON gives them, by the same tags: a struct
// is a map with text as keys. Beyond JSON, bytes are bin and times are the timestamp
// extension, so that neither is text; NaN and the infinities are numbers like others.
// Kinds are strict: a number is not read from text, text not from bin, an integer not
// from a float. An integer is read for a float, as in JSON.
//
// Members that a type does not name are kept where it has a field for them: with
// map[string]any in the kinds that they came in, with jsontext.Value as JSON, where bytes
// and times are text.
package msgpack

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
	// Strict refuses text that is no UTF-8 and a key that comes twice in one map.
	// Otherwise a byte that is none reads as U+FFFD, and of two members the last counts.
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
	enc, err := frame.NewMsgpackEncoder(t)
	if err != nil {
		return nil, err
	}
	dec, err := frame.NewMsgpackDecoder(t, c.Strict)
	if err != nil {
		return nil, err
	}
	return &bound{enc, dec}, nil
}

// Wire is the codec for steps that have no Go type.
func (c *Codec) Wire(l *frame.Layout) (frame.Wire, error) { return l.Msgpack(c.Strict), nil }

type bound struct {
	enc *frame.MsgpackEncoder
	dec *frame.MsgpackDecoder
}

// Decode implements codec.Bound. What is decoded does not alias src: whoever keeps one
// string of it keeps this message, not all that was fetched with it.
func (b *bound) Decode(src []byte, dst any) error { return b.dec.Value(src, pointer(dst)) }

// Append implements codec.Bound.
func (b *bound) Append(buf []byte, v any) ([]byte, error) { return b.enc.Append(buf, pointer(v)) }

// pointer is where v, a *T, points to.
func pointer(v any) unsafe.Pointer { return reflect.ValueOf(v).UnsafePointer() }
