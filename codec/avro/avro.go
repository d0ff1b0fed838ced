// Package avro is the codec for Avro: the binary encoding of one value per message, by a
// schema that the pipeline names. Where messages were written by other schemas, they are
// read by those, and what is read is what the pipeline's schema says. Which one it was, a
// prefix says: the number of the schema in a registry, or its fingerprint.
//
// Values have the members that the other codecs give them, so that one type serves all:
// a message is read as MessagePack of the same value, and written from it. Values of plain
// types go into frames and back at once, and by MessagePack only where something is odd.
package avro

import (
	"bytes"
	"encoding/json/v2"
	"errors"
	"fmt"
	"reflect"
	"slices"
	"sync"

	"github.com/levada-io/levada/codec"
	"github.com/levada-io/levada/codec/prefix"
	"github.com/levada-io/levada/internal/frame"
	"github.com/levada-io/levada/plan"
)

// Codec is the codec. The zero value has no schema and binds nothing; Of and With make
// one that has.
type Codec struct {
	*Schema // of the values
	set     settings
	// writers are the schemas of messages; the first one is that of messages without a
	// prefix, and of those that are written.
	writers []writer
}

type settings struct {
	Schema string `json:"schema"`
	// Writer is the schema that messages are written by, where that is another one.
	Writer string `json:"writer"`
	Strict bool   `json:"strict"`
	prefix.Settings
}

// writer is a schema that messages are written by.
type writer struct {
	*Schema
	id int // in the registry; 0: not known
}

var (
	_ codec.Adjustable = (*Codec)(nil)
	_ codec.Registered = (*Codec)(nil)
	_ prefix.Bare      = (*Codec)(nil)
)

// New returns the codec without a schema.
func New() *Codec { return &Codec{} }

// Of returns the codec of a schema, a JSON text.
//
// # Errors
//
// A schema that is none, or that has a logical type whose values would not be what they
// mean: decimal.
func Of(schema string) (*Codec, error) {
	s, err := Parse(schema)
	if err != nil {
		return nil, fmt.Errorf("the schema: %w", err)
	}
	return &Codec{Schema: s, set: settings{Schema: schema}, writers: []writer{{s, 0}}}, nil
}

// With returns the codec that a step's settings ask for: {"schema": "..."}, and what else
// there may be.
func (*Codec) With(text []byte) (codec.Codec, error) {
	var s settings
	if len(text) > 0 {
		if err := json.Unmarshal(text, &s, json.RejectUnknownMembers(true)); err != nil {
			return nil, err
		}
	}
	if s.Schema == "" {
		return nil, errNoSchema
	}
	if err := s.Check(prefix.Confluent, prefix.SingleObject); err != nil {
		return nil, err
	}
	c, err := Of(s.Schema)
	if err != nil {
		return nil, err
	}
	c.set = s
	c.writers[0].id = s.ID
	if s.Writer != "" {
		w, err := Parse(s.Writer)
		if err != nil {
			return nil, fmt.Errorf("the writer's schema: %w", err)
		}
		c.writers[0].Schema = w
		if s.Prefix == prefix.SingleObject {
			c.writers = append(c.writers, writer{c.Schema, 0})
		}
	}
	return c, nil
}

var errNoSchema = errors.New("expected the text of a schema, got none")

// Registered implements codec.Registered.
func (c *Codec) Registered(versions []codec.Version, writes bool) (codec.Codec, error) {
	out := *c
	out.writers = slices.Clone(c.writers)
	if writes && c.set.Prefix != prefix.Confluent {
		return &out, nil
	}
	var all []writer
	if c.set.Prefix != "" {
		if _, err := c.set.Known(versions); err != nil {
			return nil, err
		}
	}
	for _, v := range versions {
		if v.Schema == "" || c.set.Prefix == "" || !writes && c.set.ID != 0 && v.ID != c.set.ID {
			continue
		}
		s, err := Parse(v.Schema)
		if err != nil && writes {
			continue // then it is not the one of this step
		}
		if err != nil {
			return nil, fmt.Errorf("schema %d of the stream: %w", v.ID, err)
		}
		all = append(all, writer{s, v.ID})
	}
	switch {
	case c.set.Prefix == "":
	case writes:
		return &out, out.written(all)
	case c.set.Prefix == prefix.SingleObject:
		out.writers = append(out.writers, all...)
	case c.set.ID == 0 && len(all) == 0:
		return nil, prefix.ErrNoID
	case len(all) > 0:
		out.writers = all // a number's schema is what the registry has for it
	}
	return &out, out.readable()
}

// readable says which writer's schema can not be read as that of the values, whatever
// their type is.
func (c *Codec) readable() error {
	b := builder{reader: c.Schema, done: map[key]*node{}}
	for _, w := range c.writers {
		if w.Schema == c.Schema {
			continue
		}
		if _, err := b.from(w.Schema, plan.Type{Kind: plan.TAny}); err != nil {
			return fmt.Errorf("%s: %w", w.named(), err)
		}
	}
	return nil
}

// written finds the number of the schema that is written by.
func (c *Codec) written(all []writer) error {
	if len(all) == 0 {
		if c.set.ID == 0 {
			return prefix.ErrNoID
		}
		return nil
	}
	var ids prefix.IDs
	for _, w := range slices.Backward(all) {
		if same := bytes.Equal(w.canonical, c.canonical); same && (c.set.ID == 0 || c.set.ID == w.id) {
			c.writers[0].id = w.id
			return nil
		}
		ids = append(ids, w.id)
	}
	slices.Reverse(ids)
	if c.set.ID != 0 {
		return fmt.Errorf("schema %d of the stream: expected the schema of this step, got another one", c.set.ID)
	}
	return fmt.Errorf("the schema: expected one that the stream has (%s), got another one", ids)
}

// Resolves says that messages are read by the schemas that they were written by, which
// have been held against that of the values.
func (c *Codec) Resolves() bool { return c.set.Prefix != "" || c.set.Writer != "" }

// Bare implements prefix.Bare.
func (c *Codec) Bare() codec.Codec {
	return &Codec{Schema: c.Schema, set: settings{Schema: c.set.Schema}, writers: []writer{{c.Schema, 0}}}
}

// Bind implements codec.Codec.
func (c *Codec) Bind(t reflect.Type) (codec.Bound, error) {
	packed, err := frame.BindMarkedMsgpack(t, c.set.Strict)
	if err != nil {
		return nil, err
	}
	l, err := frame.Of(t)
	if err != nil {
		return nil, err
	}
	n, err := c.compile(l)
	if err != nil {
		return nil, err
	}
	b := &bound{compiled: n, packed: packed}
	if b.enc, err = frame.NewEncoder(t); err != nil {
		return nil, err
	}
	if b.dec, err = frame.NewDecoder(l, t); err != nil {
		return nil, err
	}
	return b, nil
}

// Wire is the codec for steps that have no Go type.
func (c *Codec) Wire(l *frame.Layout) (frame.Wire, error) {
	n, err := c.compile(l)
	if err != nil {
		return nil, err
	}
	return &wire{n, l.MarkedMsgpack(c.set.Strict), l, c.set.Strict}, nil
}

// compiled is the codec for values of one type.
type compiled struct {
	node    *node   // by which values are written
	out     *outlet // nil: always by way of MessagePack
	head    []byte
	prefix  string
	readers []reading
	ids     prefix.IDs
}

// reading is how the messages of one writer are read.
type reading struct {
	head []byte // its prefix
	node *node
	in   *inlet // nil: always by way of MessagePack
}

func (c *Codec) compile(l *frame.Layout) (*compiled, error) {
	if c.Schema == nil {
		return nil, errNoSchema
	}
	t, types := l.Type()
	b := builder{reader: c.Schema, types: types, done: map[key]*node{}}
	n, err := b.node(c.root, t)
	if err != nil {
		return nil, err
	}
	d := newDirector(t, types, c.set.Strict)
	out := &compiled{node: n, prefix: c.set.Prefix, out: d.outlet(n, t)}
	switch {
	case c.set.Prefix == prefix.SingleObject:
		out.head = c.single()
	case c.set.Prefix == prefix.Confluent && c.writers[0].id != 0:
		out.head = prefix.Append(nil, c.writers[0].id)
	}
	for _, w := range c.writers {
		r := reading{node: n}
		if w.Schema != c.Schema {
			if r.node, err = b.from(w.Schema, t); err != nil {
				return nil, fmt.Errorf("%s: %w", w.named(), err)
			}
		}
		r.in = d.inlet(r.node, t, false)
		switch c.set.Prefix {
		case prefix.SingleObject:
			r.head = w.single()
		case prefix.Confluent:
			r.head = prefix.Append(nil, w.id)
			out.ids = append(out.ids, w.id)
		}
		out.readers = append(out.readers, r)
	}
	return out, nil
}

func (w writer) named() string {
	if w.id == 0 {
		return "the writer's schema"
	}
	return fmt.Sprintf("schema %d", w.id)
}

// reads finds the schema of a message and takes its prefix off.
func (c *compiled) reads(src []byte) (*reading, []byte, error) {
	if src == nil {
		return nil, nil, errors.New("$: expected an Avro value, got null (a tombstone)")
	}
	if c.prefix == "" {
		return &c.readers[0], src, nil
	}
	for i := range c.readers {
		r := &c.readers[i]
		if rest, ok := bytes.CutPrefix(src, r.head); ok {
			return r, rest, nil
		}
	}
	if c.prefix == prefix.Confluent {
		if _, _, err := c.ids.Take(src); err != nil {
			return nil, nil, err
		}
		return nil, nil, errors.New("BUG: avro codec: a message of a known schema was not found")
	}
	if len(src) < singleSize || src[0] != 0xc3 || src[1] != 1 {
		return nil, nil, failed("expected c3 01 and the fingerprint of the schema before the message, got %x", src[:min(len(src), singleSize)])
	}
	return nil, nil, failed("expected a message of a schema that is known here, got one of the fingerprint %x", src[2:singleSize])
}

// scratch is what one conversion needs beside its result.
type scratch struct {
	text []byte
	converter
	framer
	unframer
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
	s.framer.forget()
	s.unframer.forget()
	clear(s.slots[:cap(s.slots)])
	s.text, s.slots = s.text[:0], s.slots[:0]
	scratches.Put(s)
}

type bound struct {
	*compiled
	packed *frame.Bound
	enc    *frame.Encoder
	dec    *frame.Decoder
}

// Decode implements codec.Bound. What is decoded does not alias src.
func (b *bound) Decode(src []byte, dst any) error {
	r, src, err := b.reads(src)
	if err != nil {
		return err
	}
	s := borrow()
	defer s.giveBack()
	if r.in != nil {
		var ok bool
		if s.text, ok = s.frame(s.text, src, r.in); ok {
			p := reflect.ValueOf(dst)
			own := make([]byte, len(s.text))
			copy(own, s.text)
			if b.dec.Value(own, p.UnsafePointer()) == nil {
				return nil
			}
			p.Elem().SetZero()
		}
		s.text = s.text[:0]
	}
	if s.text, err = read(s.text, src, r.node); err != nil {
		return err
	}
	return b.packed.Decode(s.text, dst)
}

// Append implements codec.Bound.
func (b *bound) Append(buf []byte, v any) ([]byte, error) {
	s := borrow()
	defer s.giveBack()
	var err error
	if b.out != nil {
		if s.text, err = b.enc.Append(s.text, reflect.ValueOf(v).UnsafePointer()); err == nil {
			if out, ok := b.direct(buf, s, s.text, true); ok {
				return out, nil
			}
		}
		s.text = s.text[:0]
	}
	if s.text, err = b.packed.Append(s.text, v); err != nil {
		return buf, err
	}
	return b.write(buf, s)
}

// direct appends the prefix and the message of a frame; own: it is one of Go's encoder. false:
// it has to be written by way of MessagePack.
func (c *compiled) direct(buf []byte, s *scratch, value []byte, own bool) ([]byte, bool) {
	if c.out == nil || c.prefix != "" && c.head == nil {
		return nil, false
	}
	out, ok := s.message(append(buf, c.head...), value, c.out, own)
	if out == nil {
		out = []byte{} // a value of no bytes is no null
	}
	return out, ok
}

// write appends the prefix and the message of a value.
func (c *compiled) write(buf []byte, s *scratch) ([]byte, error) {
	if c.prefix != "" && c.head == nil {
		return buf, prefix.ErrNoID
	}
	out, err := s.write(append(buf, c.head...), s.text, c.node)
	if err != nil {
		return buf, err
	}
	return out, nil
}

type wire struct {
	*compiled
	packed frame.Wire
	layout *frame.Layout
	strict bool
}

// Read implements frame.Wire.
func (w *wire) Read(messages [][]byte, fail func(i int, err error)) (*frame.Column, error) {
	if !slices.ContainsFunc(w.readers, func(r reading) bool { return r.in != nil }) {
		return w.readPacked(messages, fail)
	}
	s := borrow()
	defer s.giveBack()
	return w.layout.ReadColumn(messages, func(dst, src []byte) ([]byte, error) {
		r, src, err := w.reads(src)
		if err != nil {
			return dst, err
		}
		if r.in != nil {
			if out, ok := s.frame(dst, src, r.in); ok {
				return out, nil
			}
		}
		if s.text, err = read(s.text[:0], src, r.node); err != nil {
			return dst, err
		}
		return w.layout.ParseMsgpack(dst, s.text, w.strict)
	}, fail)
}

func (w *wire) readPacked(messages [][]byte, fail func(i int, err error)) (*frame.Column, error) {
	size := 0
	for _, m := range messages {
		size += len(m)
	}
	buf := make([]byte, 0, 3*size)
	return prefix.Read(messages, w.packed.Read, func(m []byte) ([]byte, error) {
		r, m, err := w.reads(m)
		if err != nil {
			return nil, err
		}
		from := len(buf)
		out, err := read(buf, m, r.node)
		if err != nil {
			return nil, err
		}
		buf = out
		return buf[from:], nil
	}, fail)
}

// Append implements frame.Wire.
func (w *wire) Append(dst, value []byte) ([]byte, error) {
	s := borrow()
	defer s.giveBack()
	if out, ok := w.direct(dst, s, value, false); ok {
		return out, nil
	}
	var err error
	if s.text, err = w.packed.Append(s.text, value); err != nil {
		return dst, err
	}
	return w.write(dst, s)
}
