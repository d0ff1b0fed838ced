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
	"reflect"

	"github.com/levada-io/levada/codec"
	"github.com/levada-io/levada/codec/prefix"
	"github.com/levada-io/levada/internal/frame"
)

// Codec is the codec. The zero value is ready.
type Codec struct {
	// Strict refuses text that is no UTF-8 and a key that comes twice in one map.
	// Otherwise a byte that is none reads as U+FFFD, and of two members the last counts.
	Strict bool
}

var _ codec.Adjustable = (*Codec)(nil)

// New returns the codec that is not strict.
func New() *Codec { return &Codec{} }

// With implements codec.Adjustable.
func (c *Codec) With(settings []byte) (codec.Codec, error) {
	o := prefix.Options{Strict: c.Strict}
	if err := o.Read(settings); err != nil {
		return nil, err
	}
	return prefix.Before(&Codec{Strict: o.Strict}, o.Settings), nil
}

// Bind implements codec.Codec.
func (c *Codec) Bind(t reflect.Type) (codec.Bound, error) {
	b, err := frame.BindMsgpack(t, c.Strict)
	if err != nil {
		return nil, err
	}
	return b, nil
}

// Wire is the codec for steps that have no Go type.
func (c *Codec) Wire(l *frame.Layout) (frame.Wire, error) { return l.Msgpack(c.Strict), nil }
