// Package codec says what turns bytes into values and back. Each codec lives in a
// package of its own with its library; plans refer to them by name
// ("builtin:json.decode").
package codec

import "reflect"

// Codec makes converters between bytes and values of one Go type.
type Codec interface {
	// Bind compiles the conversion for a type once.
	//
	// # Errors
	//
	// A type that the codec can not carry: names the type and the field.
	Bind(t reflect.Type) (Bound, error)
}

// Adjustable is a codec that a pipeline may give settings to.
type Adjustable interface {
	// With is the codec with the settings of a step, a JSON object.
	//
	// # Errors
	//
	// A setting that the codec does not have, or a value that can not be one.
	With(settings []byte) (Codec, error)
}

// Bound converts values of one type.
//
// # Concurrency
//
// Both methods may be called from several goroutines.
type Bound interface {
	// Decode reads src into the value that dst points to; dst is a *T, its target
	// zero. What is decoded may alias src.
	//
	// # Errors
	//
	// Malformed or unfitting input, with the path of the member: `$.qty: expected
	// integer, got string`.
	Decode(src []byte, dst any) error
	// Append writes the value that v, a *T, points to, behind buf.
	Append(buf []byte, v any) ([]byte, error)
}
