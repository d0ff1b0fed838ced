// Package avro is the codec for Avro: the binary encoding of one value per message, by a
// schema that the pipeline names. Neither a schema nor its fingerprint is in a message.
//
// Values have the members that the other codecs give them, so that one type serves all:
// a message is read as MessagePack of the same value, and written from it.
package avro

import (
	"encoding/json/v2"
	"errors"
	"fmt"
	"reflect"
	"sync"
	"unsafe"

	"github.com/levada-io/levada/codec"
	"github.com/levada-io/levada/internal/frame"
	"github.com/levada-io/levada/plan"
	library "github.com/twmb/avro"
)

// Codec is the codec. The zero value has no schema and binds nothing; Of and With make
// one that has.
type Codec struct {
	root  *library.SchemaNode
	named map[string]*library.SchemaNode
}

var _ codec.Codec = (*Codec)(nil)

// New returns the codec without a schema.
func New() *Codec { return &Codec{} }

// Of returns the codec of a schema, a JSON text.
//
// # Errors
//
// A schema that is none, or that has a logical type whose values would not be what they
// mean: decimal.
func Of(schema string) (*Codec, error) {
	s, err := library.Parse(schema)
	if err != nil {
		return nil, fmt.Errorf("the schema: %s", words(err))
	}
	c := &Codec{root: s.Root(), named: map[string]*library.SchemaNode{}}
	if err := c.collect(c.root, "", "$"); err != nil {
		return nil, err
	}
	return c, nil
}

// With returns the codec that a step's settings ask for: {"schema": "..."}.
func (*Codec) With(settings []byte) (codec.Codec, error) {
	var s struct {
		Schema string `json:"schema"`
	}
	if len(settings) > 0 {
		if err := json.Unmarshal(settings, &s, json.RejectUnknownMembers(true)); err != nil {
			return nil, err
		}
	}
	if s.Schema == "" {
		return nil, errNoSchema
	}
	return Of(s.Schema)
}

var errNoSchema = errors.New("expected the text of a schema, got none")

// Bind implements codec.Codec.
func (c *Codec) Bind(t reflect.Type) (codec.Bound, error) {
	enc, err := frame.NewMsgpackEncoder(t)
	if err != nil {
		return nil, err
	}
	dec, err := frame.NewMsgpackDecoder(t, false)
	if err != nil {
		return nil, err
	}
	typ, types, err := frame.TypeOf(t)
	if err != nil {
		return nil, err
	}
	n, err := c.compile(typ, types)
	if err != nil {
		return nil, err
	}
	return &bound{n, enc, dec}, nil
}

// Wire is the codec for steps that have no Go type.
func (c *Codec) Wire(l *frame.Layout) (frame.Wire, error) {
	n, err := c.compile(l.Type())
	if err != nil {
		return nil, err
	}
	return &wire{n, l}, nil
}

func (c *Codec) compile(t plan.Type, types map[string]plan.Type) (*node, error) {
	if c.root == nil {
		return nil, errNoSchema
	}
	b := builder{codec: c, types: types, done: map[key]*node{}}
	return b.node(c.root, t)
}

// scratch is what one conversion needs beside its result.
type scratch struct {
	text []byte
	writer
}

var scratches = sync.Pool{New: func() any { return new(scratch) }}

func borrow() *scratch {
	s, _ := scratches.Get().(*scratch)
	return s
}

func (s *scratch) giveBack() {
	if cap(s.text) > 1<<20 {
		s.text = nil // one large message shall not be remembered for ever
	}
	clear(s.slots[:cap(s.slots)])
	s.text, s.slots = s.text[:0], s.slots[:0]
	scratches.Put(s)
}

type bound struct {
	node *node
	enc  *frame.MsgpackEncoder
	dec  *frame.MsgpackDecoder
}

// Decode implements codec.Bound. What is decoded does not alias src.
func (b *bound) Decode(src []byte, dst any) error {
	s := borrow()
	defer s.giveBack()
	var err error
	if s.text, err = read(s.text, src, b.node); err != nil {
		return err
	}
	return b.dec.Value(s.text, pointer(dst))
}

// Append implements codec.Bound.
func (b *bound) Append(buf []byte, v any) ([]byte, error) {
	s := borrow()
	defer s.giveBack()
	var err error
	if s.text, err = b.enc.Append(s.text, pointer(v)); err != nil {
		return buf, err
	}
	return s.write(buf, s.text, b.node)
}

// pointer is where v, a *T, points to.
func pointer(v any) unsafe.Pointer { return reflect.ValueOf(v).UnsafePointer() }

type wire struct {
	node   *node
	layout *frame.Layout
}

// Read implements frame.Wire.
func (w *wire) Read(messages [][]byte, fail func(i int, err error)) (*frame.Column, error) {
	var bad []error // by element; they are told of in order
	whole, at := make([][]byte, 0, len(messages)), make([]int, 0, len(messages))
	size := 0
	for _, m := range messages {
		size += len(m)
	}
	buf := make([]byte, 0, 3*size)
	told := func(i int, err error) {
		if bad == nil {
			bad = make([]error, len(messages))
		}
		bad[i] = err
	}
	for i, m := range messages {
		if m == nil {
			told(i, errors.New("$: expected an Avro value, got null (a tombstone)"))
			continue
		}
		from := len(buf)
		out, err := read(buf, m, w.node)
		if err != nil {
			told(i, err)
			continue
		}
		buf = out
		whole, at = append(whole, buf[from:]), append(at, i)
	}
	col, err := w.layout.Msgpack(false).Read(whole, func(k int, err error) { told(at[k], err) })
	if err != nil {
		return nil, err
	}
	for i, err := range bad {
		if err != nil {
			fail(i, err)
		}
	}
	return col, nil
}

// Append implements frame.Wire.
func (w *wire) Append(dst, value []byte) ([]byte, error) {
	s := borrow()
	defer s.giveBack()
	var err error
	if s.text, err = w.layout.AppendMsgpack(s.text, value); err != nil {
		return dst, err
	}
	return s.write(dst, s.text, w.node)
}
