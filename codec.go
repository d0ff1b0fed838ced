package levada

import (
	"reflect"

	"github.com/levada-io/levada/codec/json"
	"github.com/levada-io/levada/internal/program"
	"github.com/levada-io/levada/plan"
)

// Decoder turns an In into an Out: what Parse needs. Beside the codecs of this package
// a pipeline in Go may use any other.
type Decoder[In, Out any] interface {
	Decode(In) (Out, error)
}

// Encoder turns an In into an Out: what Serialize needs.
type Encoder[In, Out any] interface {
	Encode(In) (Out, error)
}

// builtin is a codec that plans name and that every engine has.
type builtin interface{ codec() string }

// JSONCodec is the codec of [JSON].
type JSONCodec[V any] struct{}

// JSON is the codec between JSON text and V. Members that V does not name are dropped
// unless V keeps them in a field with the tag `json:",embed"`; those that it names must
// be there, unless they are omitempty or omitzero.
func JSON[V any]() JSONCodec[V] { return JSONCodec[V]{} }

// Decode implements Decoder, for tests: a pipeline prepares the codec once.
func (JSONCodec[V]) Decode(text []byte) (V, error) {
	var v V
	b, err := json.New().Bind(reflect.TypeFor[V]())
	if err == nil {
		err = b.Decode(text, &v)
	}
	return v, err
}

// Encode implements Encoder, for tests: a pipeline prepares the codec once.
func (JSONCodec[V]) Encode(v V) ([]byte, error) {
	b, err := json.New().Bind(reflect.TypeFor[V]())
	if err != nil {
		return nil, err
	}
	return b.Append(nil, &v)
}

func (JSONCodec[V]) codec() string { return "json" }

// RawCodec is the codec of [Raw].
type RawCodec struct{}

// Raw is the codec that leaves bytes as they are.
func Raw() RawCodec { return RawCodec{} }

// Decode implements Decoder.
func (RawCodec) Decode(b []byte) ([]byte, error) { return b, nil }

// Encode implements Encoder.
func (RawCodec) Encode(b []byte) ([]byte, error) { return b, nil }

func (RawCodec) codec() string { return "raw" }

// Parse turns raw bytes into values: Parse("parse", levada.JSON[Metric]()).
func (s Stream[T]) Parse[U any](name string, d Decoder[T, U], opts ...Option) Stream[U] {
	n := s.add(name, plan.Map, opts)
	switch c := d.(type) {
	case nil:
		s.p.wrong(n, "bad-function", "", "expected a codec, got nil")
	case builtin:
		n.Function = &plan.Function{Name: "builtin:" + c.codec() + ".decode"}
		if c.codec() != "raw" {
			n.typ = reflect.TypeFor[U]()
			s.p.kits = append(s.p.kits, program.KitOf[U]())
		}
	default:
		s.p.localFunction(n, typeName(reflect.TypeOf(d)), func(name string) *program.Function {
			return program.Of(name, just(func(m Message[T]) (U, error) { return d.Decode(m.Payload()) }))
		})
	}
	return Stream[U]{p: s.p, at: n}
}

// Serialize turns values into the bytes that a sink takes.
func (s Stream[T]) Serialize[U any](name string, e Encoder[T, U], opts ...Option) Stream[U] {
	n := s.add(name, plan.Map, opts)
	switch c := e.(type) {
	case nil:
		s.p.wrong(n, "bad-function", "", "expected a codec, got nil")
	case builtin:
		n.Function = &plan.Function{Name: "builtin:" + c.codec() + ".encode"}
		if c.codec() != "raw" {
			s.p.kits = append(s.p.kits, program.KitOf[T]())
		}
	default:
		s.p.localFunction(n, typeName(reflect.TypeOf(e)), func(name string) *program.Function {
			return program.Of(name, just(func(m Message[T]) (U, error) { return e.Encode(m.Payload()) }))
		})
	}
	return Stream[U]{p: s.p, at: n}
}
