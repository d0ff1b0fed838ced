package frame

import (
	"reflect"
	"unsafe"
)

// Bound reads and writes the messages of one Go type in one format: what a codec gives
// for a type (codec.Bound).
//
// # Concurrency
//
// Its methods may be called from several goroutines.
type Bound struct {
	enc interface {
		Append(dst []byte, p unsafe.Pointer) ([]byte, error)
	}
	dec interface {
		Value(src []byte, p unsafe.Pointer) error
	}
}

// BindJSON is JSON for values of t; strict is what it is in NewTextDecoder.
//
// # Errors
//
// A type that has no layout: names the type and the field.
func BindJSON(t reflect.Type, strict bool) (*Bound, error) {
	enc, err := NewTextEncoder(t)
	if err != nil {
		return nil, err
	}
	dec, err := NewTextDecoder(t, strict)
	if err != nil {
		return nil, err
	}
	return &Bound{enc, dec}, nil
}

// BindMsgpack is MessagePack for values of t; strict is what it is in Layout.Msgpack.
//
// # Errors
//
// A type that has no layout: names the type and the field.
func BindMsgpack(t reflect.Type, strict bool) (*Bound, error) {
	enc, err := NewMsgpackEncoder(t)
	if err != nil {
		return nil, err
	}
	dec, err := NewMsgpackDecoder(t, strict)
	if err != nil {
		return nil, err
	}
	return &Bound{enc, dec}, nil
}

// BindMarkedMsgpack is BindMsgpack with the variant of each union in front of it, see
// AppendVariant.
func BindMarkedMsgpack(t reflect.Type, strict bool) (*Bound, error) {
	enc, err := NewMsgpackEncoder(t)
	if err != nil {
		return nil, err
	}
	enc.enc.root.mark()
	dec, err := NewMsgpackDecoder(t, strict)
	if err != nil {
		return nil, err
	}
	dec.marked = true
	return &Bound{enc, dec}, nil
}

// Decode reads src into the zero value that dst, a *T, points to. What is decoded does not
// alias src: whoever keeps one string of it keeps this message, not all that was fetched
// with it.
//
// # Errors
//
// An *Error with the path. What the value is then is undefined.
func (b *Bound) Decode(src []byte, dst any) error { return b.dec.Value(src, pointer(dst)) }

// Append appends the message of the value that v, a *T, points to. On an error buf comes
// back as it was.
func (b *Bound) Append(buf []byte, v any) ([]byte, error) { return b.enc.Append(buf, pointer(v)) }

// pointer is where v, a *T, points to.
func pointer(v any) unsafe.Pointer { return reflect.ValueOf(v).UnsafePointer() }
