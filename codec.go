package levada

import (
	"encoding/json/jsontext"
	stdjson "encoding/json/v2"
	"reflect"

	"github.com/levada-io/levada/codec"
	"github.com/levada-io/levada/codec/avro"
	"github.com/levada-io/levada/codec/json"
	"github.com/levada-io/levada/codec/msgpack"
	"github.com/levada-io/levada/codec/prefix"
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

// adjusted are the settings of a codec, as plans have them.
type adjusted struct {
	Schema string `json:"schema,omitempty"`
	Writer string `json:"writer,omitempty"`
	Strict bool   `json:"strict,omitzero"`
	Std    bool   `json:"std,omitzero"`
	Prefix string `json:"prefix,omitempty"`
	ID     int    `json:"id,omitzero"`
}

// text is nil where nothing is set. A schema that is no UTF-8 is none, which is told of
// when it is read.
func (a adjusted) text() jsontext.Value {
	if a == (adjusted{}) {
		return nil
	}
	text, err := stdjson.Marshal(a)
	if err != nil {
		return jsontext.Value(`{"schema":""}`)
	}
	return text
}

// Codec is one of the codecs that every engine has: [JSON], [Msgpack] or [Protobuf].
type Codec[V any] struct {
	name string
	of   codec.Adjustable
	set  adjusted
}

// JSON is the codec between JSON text and V. Members that V does not name are dropped
// unless V keeps them in a field with the tag `json:",embed"`; those that it names must
// be there, unless they are omitempty or omitzero.
func JSON[V any]() Codec[V] { return Codec[V]{name: "json", of: json.New()} }

// Msgpack is the codec between MessagePack and V. Members have the names that JSON gives
// them, and what is said there of missing and unknown ones holds here. Bytes are bin, a
// time is the timestamp extension.
func Msgpack[V any]() Codec[V] { return Codec[V]{name: "msgpack", of: msgpack.New()} }

// Protobuf is the codec between messages of protocol buffers and V, a struct that
// protoc-gen-go generated or, what such structs are made for, a pointer to one:
// Protobuf[*visitspb.Visit]().
func Protobuf[V any]() Codec[V] { return Codec[V]{name: "protobuf", of: protobuf.New()} }

// Decode implements Decoder, for tests: a pipeline prepares the codec once.
func (c Codec[V]) Decode(message []byte) (V, error) { return decode[V](c.of, c.set, message) }

// Encode implements Encoder, for tests: a pipeline prepares the codec once.
func (c Codec[V]) Encode(v V) ([]byte, error) { return encode(c.of, c.set, v) }

// Strict is the codec that refuses a message with text that is no UTF-8, or with one name
// twice in an object; one of protocol buffers also with a field that V does not know. Only
// a parse has a use for it.
func (c Codec[V]) Strict() Codec[V] {
	c.set.Strict = true
	return c
}

// Std is the codec [JSON] that leaves whole values to encoding/json/v2, with its options
// AllowInvalidUTF8 and AllowDuplicateNames (without [Codec.Strict]), FormatNilSliceAsNull,
// FormatNilMapAsNull and Deterministic. A member that is missing is zero then, and what
// json/v2 does not know is refused at the start: units, durations, constants, rules and
// unions. The other codecs have no such setting.
func (c Codec[V]) Std() Codec[V] {
	c.set.Std = true
	return c
}

// Confluent is the codec of messages behind a zero byte and the number that their schema
// has in a registry, as Confluent's serializers write them. A parse reads those of schema
// id alone, a serialize writes id. 0: the lock that the process is given (--schemas) has
// the numbers; a parse without one reads messages of any.
func (c Codec[V]) Confluent(id int) Codec[V] {
	c.set.Prefix, c.set.ID = prefix.Confluent, id
	return c
}

func (c Codec[V]) settings() jsontext.Value { return c.set.text() }

func (c Codec[V]) codec() string { return c.name }

// AvroCodec is the codec of [Avro].
type AvroCodec[V any] struct{ set adjusted }

// Avro is the codec between Avro, in its binary encoding and with nothing before it, and
// V. The schema is a JSON text, best embedded: Avro[Visit](visitsAvsc). Members have the
// names that JSON gives them.
func Avro[V any](schema string) AvroCodec[V] { return AvroCodec[V]{adjusted{Schema: schema}} }

// Decode implements Decoder, for tests: a pipeline prepares the codec once.
func (c AvroCodec[V]) Decode(message []byte) (V, error) { return decode[V](avro.New(), c.set, message) }

// Encode implements Encoder, for tests: a pipeline prepares the codec once.
func (c AvroCodec[V]) Encode(v V) ([]byte, error) { return encode(avro.New(), c.set, v) }

// Strict is the codec that refuses a message with text that is no UTF-8, or with one key
// twice in a map. Only a parse has a use for it.
func (c AvroCodec[V]) Strict() AvroCodec[V] {
	c.set.Strict = true
	return c
}

// Confluent is the codec of messages behind a zero byte and the number that their schema
// has in a registry, as Confluent's serializers write them. A parse reads those of schema
// id alone, a serialize writes id. 0: the lock that the process is given (--schemas) has
// the numbers and the schemas behind them, so that a parse reads what each of them wrote.
func (c AvroCodec[V]) Confluent(id int) AvroCodec[V] {
	c.set.Prefix, c.set.ID = prefix.Confluent, id
	return c
}

// SingleObject is the codec of messages in Avro's single-object encoding, behind the
// fingerprint of their schema. A parse reads those of its schema, of its writer's and of
// those that the lock has.
func (c AvroCodec[V]) SingleObject() AvroCodec[V] {
	c.set.Prefix, c.set.ID = prefix.SingleObject, 0
	return c
}

// Writer is the codec of messages that another schema wrote. They are read by that one,
// and V is what the codec's own says: what it does not have is passed over, what the
// writer did not have is its default. Only a parse has a use for it.
func (c AvroCodec[V]) Writer(schema string) AvroCodec[V] {
	c.set.Writer = schema
	return c
}

func (c AvroCodec[V]) settings() jsontext.Value { return c.set.text() }

func (AvroCodec[V]) codec() string { return "avro" }

// set is a codec with settings, for who reads or writes without a pipeline.
func set(c codec.Adjustable, a adjusted, writes bool) (codec.Codec, error) {
	out, _ := c.(codec.Codec)
	if text := a.text(); text != nil {
		var err error
		if out, err = c.With(text); err != nil {
			return nil, err
		}
	}
	if r, ok := out.(codec.Registered); ok {
		return r.Registered(nil, writes)
	}
	return out, nil
}

func decode[V any](c codec.Adjustable, a adjusted, message []byte) (V, error) {
	var v V
	with, err := set(c, a, false)
	if err != nil {
		return v, err
	}
	b, err := with.Bind(reflect.TypeFor[V]())
	if err == nil {
		err = b.Decode(message, &v)
	}
	return v, err
}

func encode[V any](c codec.Adjustable, a adjusted, v V) ([]byte, error) {
	with, err := set(c, a, true)
	if err != nil {
		return nil, err
	}
	b, err := with.Bind(reflect.TypeFor[V]())
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
