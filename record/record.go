// Package record holds what connectors, the engine and generated code exchange:
// the untyped Record, the typed read-only Message, and the Chunk that travels
// through a lane. It imports only the standard library, so that generated code
// can name Message without linking the platform.
package record

import (
	"slices"
	"time"
)

// Header is one record header. Keys may repeat; order is kept.
type Header struct {
	Key   string
	Value []byte
}

// Record is one untyped record of a source, or one on its way to a sink.
//
// # Notes
//
// Key and Value may alias a buffer shared with other records of the same fetch:
// whoever keeps one beyond its chunk copies it. A nil Value is Kafka's null, an
// empty one is not.
type Record struct {
	Key       []byte
	Value     []byte
	Headers   []Header
	Timestamp time.Time // zero: none
	Topic     string
	Partition int32
	Offset    int64
}

// Size is the number of bytes that Key, Value and Headers hold.
func (r *Record) Size() int {
	n := len(r.Key) + len(r.Value)
	for _, h := range r.Headers {
		n += len(h.Key) + len(h.Value)
	}
	return n
}

// Message is the typed, read-only view that a step's function gets.
//
// The With methods copy on write: branches of a pipeline never see each other's
// changes. A Message and what its methods return stay valid after the call; a
// []byte must not be written to.
type Message[T any] struct {
	payload T
	rec     *Record
}

var none Record

// NewMessage makes a message, for tests and for callers outside a pipeline. A nil
// record stands for one without key, headers, timestamp and position.
func NewMessage[T any](payload T, rec *Record) Message[T] {
	if rec == nil {
		rec = &none
	}
	return Message[T]{payload: payload, rec: rec}
}

func (m Message[T]) meta() *Record {
	if m.rec == nil {
		return &none
	}
	return m.rec
}

// Payload is the value that the previous step produced.
func (m Message[T]) Payload() T { return m.payload }

// Key is the record key; nil where there is none.
func (m Message[T]) Key() []byte { return m.meta().Key }

// Headers are the record headers, in order. The slice must not be changed.
func (m Message[T]) Headers() []Header { return m.meta().Headers }

// Header returns the value of the last header of that name, as Kafka clients do.
func (m Message[T]) Header(key string) ([]byte, bool) {
	for _, h := range slices.Backward(m.meta().Headers) {
		if h.Key == key {
			return h.Value, true
		}
	}
	return nil, false
}

// Timestamp is the record timestamp; the zero time where there is none.
func (m Message[T]) Timestamp() time.Time { return m.meta().Timestamp }

// Topic is the topic that the record came from.
func (m Message[T]) Topic() string { return m.meta().Topic }

// Partition is the partition that the record came from.
func (m Message[T]) Partition() int32 { return m.meta().Partition }

// Offset is the offset of the record in its partition.
func (m Message[T]) Offset() int64 { return m.meta().Offset }

// Record is the metadata behind the message; its Value is the source's, not the
// payload. It must not be changed.
func (m Message[T]) Record() *Record { return m.meta() }

// With returns a message with another payload and the same metadata.
func (m Message[T]) With[U any](payload U) Message[U] {
	return Message[U]{payload: payload, rec: m.meta()}
}

// WithKey returns a message with another key; nil removes it.
func (m Message[T]) WithKey(key []byte) Message[T] {
	r := *m.meta()
	r.Key = key
	return Message[T]{payload: m.payload, rec: &r}
}

// WithHeader returns a message with one header more, after the present ones.
func (m Message[T]) WithHeader(key string, value []byte) Message[T] {
	r := *m.meta()
	r.Headers = append(slices.Clip(slices.Clone(r.Headers)), Header{key, value})
	return Message[T]{payload: m.payload, rec: &r}
}

// WithoutHeader returns a message without the headers of that name.
func (m Message[T]) WithoutHeader(key string) Message[T] {
	r := *m.meta()
	r.Headers = slices.DeleteFunc(slices.Clone(r.Headers), func(h Header) bool { return h.Key == key })
	return Message[T]{payload: m.payload, rec: &r}
}
