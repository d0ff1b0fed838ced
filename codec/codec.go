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

// Registered is a codec whose messages say by which schema they were written.
type Registered interface {
	Codec
	// Registered is the codec that knows the schemas of a stream, oldest first; none:
	// nobody told it of any. writes says that it is asked by who writes the stream.
	//
	// # Errors
	//
	// What the codec needs and nobody said; a number or a schema that the stream has not.
	Registered(versions []Version, writes bool) (Codec, error)
}

// Version is one of the schemas that the messages of a stream are written by.
type Version struct {
	ID     int    // in the registry
	Schema string // its text; empty: not at hand
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
