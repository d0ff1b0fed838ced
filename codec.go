package levada

import (
	"encoding/json/jsontext"
	"reflect"

	"github.com/levada-io/levada/codec"
	"github.com/levada-io/levada/codec/avro"
	"github.com/levada-io/levada/codec/json"
	"github.com/levada-io/levada/codec/msgpack"
	"github.com/levada-io/levada/codec/protobuf"
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
type builtin interface {
	codec() string
	settings() jsontext.Value
}

// JSONCodec is the codec of [JSON].
type JSONCodec[V any] struct{ strict bool }

// JSON is the codec between JSON text and V. Members that V does not name are dropped
// unless V keeps them in a field with the tag `json:",embed"`; those that it names must
// be there, unless they are omitempty or omitzero.
func JSON[V any]() JSONCodec[V] { return JSONCodec[V]{} }

// Decode implements Decoder, for tests: a pipeline prepares the codec once.
func (c JSONCodec[V]) Decode(text []byte) (V, error) {
	return decode[V](&json.Codec{Strict: c.strict}, text)
}

// Encode implements Encoder, for tests: a pipeline prepares the codec once.
func (JSONCodec[V]) Encode(v V) ([]byte, error) { return encode(json.New(), v) }

// Strict is the codec that refuses a message with text that is no UTF-8, or with one name
// twice in an object. Only a parse has a use for it.
func (c JSONCodec[V]) Strict() JSONCodec[V] {
	c.strict = true
	return c
}

func (c JSONCodec[V]) settings() jsontext.Value { return strictness(c.strict) }

func (JSONCodec[V]) codec() string { return "json" }

// MsgpackCodec is the codec of [Msgpack].
type MsgpackCodec[V any] struct{ strict bool }

// Msgpack is the codec between MessagePack and V. Members have the names that JSON gives
// them, and what is said there of missing and unknown ones holds here. Bytes are bin, a
// time is the timestamp extension.
func Msgpack[V any]() MsgpackCodec[V] { return MsgpackCodec[V]{} }

// Decode implements Decoder, for tests: a pipeline prepares the codec once.
func (c MsgpackCodec[V]) Decode(message []byte) (V, error) {
	return decode[V](&msgpack.Codec{Strict: c.strict}, message)
}

// Encode implements Encoder, for tests: a pipeline prepares the codec once.
func (MsgpackCodec[V]) Encode(v V) ([]byte, error) { return encode(msgpack.New(), v) }

// Strict is the codec that refuses a message with text that is no UTF-8, or with one name
// twice in an object. Only a parse has a use for it.
func (c MsgpackCodec[V]) Strict() MsgpackCodec[V] {
	c.strict = true
	return c
}

func (c MsgpackCodec[V]) settings() jsontext.Value { return strictness(c.strict) }

func (MsgpackCodec[V]) codec() string { return "msgpack" }

// ProtobufCodec is the codec of [Protobuf].
type ProtobufCodec[V any] struct{}

// Protobuf is the codec between messages of protocol buffers and V, a struct that
// protoc-gen-go generated or, what such structs are made for, a pointer to one:
// Protobuf[*visitspb.Visit]().
func Protobuf[V any]() ProtobufCodec[V] { return ProtobufCodec[V]{} }

// Decode implements Decoder, for tests: a pipeline prepares the codec once.
func (ProtobufCodec[V]) Decode(message []byte) (V, error) {
	return decode[V](protobuf.New(), message)
}

// Encode implements Encoder, for tests: a pipeline prepares the codec once.
func (ProtobufCodec[V]) Encode(v V) ([]byte, error) { return encode(protobuf.New(), v) }

func (ProtobufCodec[V]) settings() jsontext.Value { return nil }

func (ProtobufCodec[V]) codec() string { return "protobuf" }

// AvroCodec is the codec of [Avro].
type AvroCodec[V any] struct{ schema string }

// Avro is the codec between Avro, in its binary encoding and with nothing before it, and
// V. The schema is a JSON text, best embedded: Avro[Visit](visitsAvsc). Members have the
// names that JSON gives them.
func Avro[V any](schema string) AvroCodec[V] { return AvroCodec[V]{schema} }

// Decode implements Decoder, for tests: a pipeline prepares the codec once.
func (c AvroCodec[V]) Decode(message []byte) (v V, err error) {
	of, err := avro.Of(c.schema)
	if err != nil {
		return v, err
	}
	return decode[V](of, message)
}

// Encode implements Encoder, for tests: a pipeline prepares the codec once.
func (c AvroCodec[V]) Encode(v V) ([]byte, error) {
	of, err := avro.Of(c.schema)
	if err != nil {
		return nil, err
	}
	return encode(of, v)
}

// settings are what the plan has beside the name. What is no UTF-8 is no schema either,
// which is told of when it is read.
func (c AvroCodec[V]) settings() jsontext.Value {
	text, err := jsontext.AppendQuote([]byte(`{"schema":`), c.schema)
	if err != nil {
		return jsontext.Value(`{"schema":""}`)
	}
	return append(text, '}')
}

func (AvroCodec[V]) codec() string { return "avro" }

func decode[V any](c codec.Codec, message []byte) (V, error) {
	var v V
	b, err := c.Bind(reflect.TypeFor[V]())
	if err == nil {
		err = b.Decode(message, &v)
	}
	return v, err
}

func encode[V any](c codec.Codec, v V) ([]byte, error) {
	b, err := c.Bind(reflect.TypeFor[V]())
	if err != nil {
		return nil, err
	}
	return b.Append(nil, &v)
}

// RawCodec is the codec of [Raw].
type RawCodec struct{}

// Raw is the codec that leaves bytes as they are.
func Raw() RawCodec { return RawCodec{} }

// Decode implements Decoder.
func (RawCodec) Decode(b []byte) ([]byte, error) { return b, nil }

// Encode implements Encoder.
func (RawCodec) Encode(b []byte) ([]byte, error) { return b, nil }

func (RawCodec) codec() string { return "raw" }

func (RawCodec) settings() jsontext.Value { return nil }

func strictness(strict bool) jsontext.Value {
	if !strict {
		return nil
	}
	return jsontext.Value(`{"strict":true}`)
}

// Parse turns raw bytes into values: Parse("parse", levada.JSON[Metric]()).
func (s Stream[T]) Parse[U any](name string, d Decoder[T, U], opts ...Option) Stream[U] {
	n := s.add(name, plan.Map, opts)
	switch c := d.(type) {
	case nil:
		s.p.wrong(n, "bad-function", "", "expected a codec, got nil")
	case builtin:
		n.Function = &plan.Function{Name: "builtin:" + c.codec() + ".decode", Settings: c.settings()}
		if c.codec() != "raw" {
			n.typ = reflect.TypeFor[U]()
			if c.codec() == "protobuf" && n.typ.Kind() == reflect.Pointer {
				n.typ = n.typ.Elem() // a message that was read is there
			}
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
		n.Function = &plan.Function{Name: "builtin:" + c.codec() + ".encode", Settings: c.settings()}
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
