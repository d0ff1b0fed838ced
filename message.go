package levada

import "github.com/levada-io/levada/record"

// Message is what a step's function gets: a payload with the key, headers, timestamp
// and position of its record. It is read-only; With, WithKey and WithHeader return
// changed copies.
type Message[T any] = record.Message[T]

// Header is one header of a record.
type Header = record.Header

// NewMessage makes a message with a payload and nothing else, to call a step's
// function in a test.
func NewMessage[T any](payload T) Message[T] {
	return record.NewMessage(payload, nil)
}
