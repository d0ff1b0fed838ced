// Package raw is the codec of bytes that are nobody's business: a value is the message
// as it came.
package raw

import (
	"fmt"
	"reflect"

	"github.com/levada-io/levada/codec"
)

// Codec is the codec; the zero value is ready.
type Codec struct{}

var _ codec.Codec = (*Codec)(nil)

// New returns the codec.
func New() *Codec { return &Codec{} }

// Bind implements codec.Codec for []byte and string.
func (*Codec) Bind(t reflect.Type) (codec.Bound, error) {
	switch t {
	case reflect.TypeFor[[]byte]():
		return blob{}, nil
	case reflect.TypeFor[string]():
		return text{}, nil
	}
	return nil, fmt.Errorf("%s is not supported: raw messages are []byte or string", t)
}

type blob struct{}

// Decode implements codec.Bound; the result aliases src.
func (blob) Decode(src []byte, dst any) error {
	p, ok := dst.(*[]byte)
	if !ok {
		return fmt.Errorf("BUG: raw codec: expected *[]byte, got %T", dst)
	}
	*p = src
	return nil
}

// Append implements codec.Bound.
func (blob) Append(buf []byte, v any) ([]byte, error) {
	p, ok := v.(*[]byte)
	if !ok {
		return buf, fmt.Errorf("BUG: raw codec: expected *[]byte, got %T", v)
	}
	return append(buf, *p...), nil
}

type text struct{}

// Decode implements codec.Bound.
func (text) Decode(src []byte, dst any) error {
	p, ok := dst.(*string)
	if !ok {
		return fmt.Errorf("BUG: raw codec: expected *string, got %T", dst)
	}
	*p = string(src)
	return nil
}

// Append implements codec.Bound.
func (text) Append(buf []byte, v any) ([]byte, error) {
	p, ok := v.(*string)
	if !ok {
		return buf, fmt.Errorf("BUG: raw codec: expected *string, got %T", v)
	}
	return append(buf, *p...), nil
}
