package shapes

import (
	"context"

	"github.com/levada-io/levada/record"
)

type In struct {
	A int `json:"a"`
}

func transform(m record.Message[In]) (In, error) { return m.Payload(), nil }

func Generic[T any](m record.Message[T]) (T, error) { return m.Payload(), nil }

func Variadic(m ...record.Message[In]) (In, error) { return In{}, nil }

func NoError(m record.Message[In]) In { return m.Payload() }

func NoResult(m record.Message[In]) {}

func OnlyError(m record.Message[In]) error { return nil }

func Swapped(m record.Message[In]) (error, In) { return nil, In{} }

func Three(m record.Message[In]) (In, bool, error) { return In{}, false, nil }

func Two(ctx context.Context, m record.Message[In]) (In, error) { return In{}, nil }

func Pointer(m *record.Message[In]) (In, error) { return In{}, nil }

func Batch(m []record.Message[In]) ([]In, error) { return nil, nil }

type hidden struct{}

func (hidden) Apply(m record.Message[In]) (In, error) { return m.Payload(), nil }

type WrongApply struct{}

func (WrongApply) Apply(m record.Message[In]) (In, bool) { return m.Payload(), false }

type Misnamed struct{}

func (Misnamed) Process(m record.Message[In]) (In, error) { return m.Payload(), nil }

type Number int

func (Number) Apply(m record.Message[In]) (In, error) { return m.Payload(), nil }

type Box[T any] struct{ V T }

func (Box[T]) Apply(m record.Message[T]) (T, error) { return m.Payload(), nil }
