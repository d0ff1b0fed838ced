// Package protobuf is the codec for protocol buffers, one message per value.
//
// Types are the structs that protoc-gen-go writes, or pointers to them. A type that has
// the methods of vtprotobuf is read and written by them, where that changes nothing: a
// type that can contain itself is read by the library, which bounds the depth, and one
// with maps is not written by them, for they do not sort. Other messages of proto3 with
// nothing rare in them are read and written where they lie in memory; the library does what
// is left, and says what is wrong.
//
// What is written is the same for the same value. Fields that a type does not know are
// kept with the value and written again.
package protobuf

import (
	"errors"
	"fmt"
	"reflect"
	"slices"
	"strings"
	"unicode/utf8"
	"unsafe"

	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"

	"github.com/levada-io/levada/codec"
	"github.com/levada-io/levada/codec/prefix"
)

// maxDepth is how deep messages may lie in each other, as in the other codecs.
const maxDepth = 10_000

var (
	unmarshal = proto.UnmarshalOptions{RecursionLimit: maxDepth}
	marshal   = proto.MarshalOptions{Deterministic: true}
)

// Codec is the codec. The zero value is ready.
type Codec struct {
	set prefix.Options
	ids prefix.IDs // that messages may have
	id  int        // of what is written
}

var (
	_ codec.Adjustable = (*Codec)(nil)
	_ codec.Registered = (*Codec)(nil)
)

// New returns the codec of messages with nothing before them, which is not strict.
func New() *Codec { return &Codec{} }

// With implements codec.Adjustable. A strict codec refuses fields that the type does not
// know, and text that is no UTF-8 in types that have methods of their own to read with. With
// the text of a schema it is a Described.
func (*Codec) With(settings []byte) (codec.Codec, error) { return describes(settings) }

// Registered implements codec.Registered.
func (c *Codec) Registered(versions []codec.Version, writes bool) (codec.Codec, error) {
	out := *c
	var err error
	switch {
	case c.set.Prefix == "":
	case writes:
		out.id, err = c.set.Written(versions)
	default:
		out.ids, err = c.set.Known(versions)
	}
	return &out, err
}

// The methods that vtprotobuf generates.
type (
	quickReader interface{ UnmarshalVT([]byte) error }
	quickWriter interface {
		SizeVT() int
		MarshalToSizedBufferVT([]byte) (int, error)
	}
)

var (
	messageType = reflect.TypeFor[proto.Message]()
	readerType  = reflect.TypeFor[quickReader]()
	writerType  = reflect.TypeFor[quickWriter]()
)

// Bind implements codec.Codec for generated structs and pointers to them.
//
// # Errors
//
// A type that is no message.
func (c *Codec) Bind(t reflect.Type) (codec.Bound, error) {
	b := &bound{elem: t}
	if t.Kind() == reflect.Pointer {
		b.elem, b.pointer = t.Elem(), true
	}
	p := reflect.PointerTo(b.elem)
	if b.elem.Kind() != reflect.Struct || !p.Implements(messageType) {
		return nil, fmt.Errorf("%s is no message of protobuf: expected a struct that protoc-gen-go generated from a .proto, or a pointer to one", t)
	}
	b.desc = descriptor(p)
	if b.desc == nil {
		return nil, fmt.Errorf("%s is no message of protobuf: it has the methods of one, but no descriptor", t)
	}
	loops, maps := shape(b.desc)
	b.read = p.Implements(readerType) && !loops && !c.set.Strict
	b.write = p.Implements(writerType) && !maps
	if !loops {
		b.plan = planOf(b.desc, b.elem, map[reflect.Type]*plan{})
	}
	b.strict = c.set.Strict
	if c.set.Prefix != "" {
		return &prefixed{b, indexes(b.desc), c.ids, c.id}, nil
	}
	return b, nil
}

// descriptor is that of the messages that p points to; nil where it only embeds a nil one.
func descriptor(p reflect.Type) (d protoreflect.MessageDescriptor) {
	defer func() {
		if recover() != nil {
			d = nil
		}
	}()
	m, _ := reflect.New(p.Elem()).Interface().(proto.Message)
	return m.ProtoReflect().Descriptor()
}

// shape says whether a message can contain itself, or anything below it can, and whether
// there is a map in any of it.
func shape(root protoreflect.MessageDescriptor) (loops, maps bool) {
	const walking, done = 1, 2
	state := map[protoreflect.FullName]int{}
	var walk func(protoreflect.MessageDescriptor)
	walk = func(d protoreflect.MessageDescriptor) {
		state[d.FullName()] = walking
		for i := range d.Fields().Len() {
			f := d.Fields().Get(i)
			maps = maps || f.IsMap()
			switch m := f.Message(); {
			case m == nil:
			case state[m.FullName()] == walking:
				loops = true
			case state[m.FullName()] == 0:
				walk(m)
			}
		}
		state[d.FullName()] = done
	}
	walk(root)
	return loops, maps
}

type bound struct {
	elem        reflect.Type // the struct
	pointer     bool         // values are pointers to it
	desc        protoreflect.MessageDescriptor
	read, write bool // by the methods of the type
	strict      bool
	plan        *plan // nil: the library does it all
}

// Decode implements codec.Bound. What is decoded does not alias src.
func (b *bound) Decode(src []byte, dst any) error {
	if src == nil {
		return errors.New("$: expected a message, got null (a tombstone)")
	}
	m, ok := dst.(proto.Message)
	if b.pointer {
		p := reflect.New(b.elem)
		*(*unsafe.Pointer)(reflect.ValueOf(dst).UnsafePointer()) = p.UnsafePointer()
		m, ok = p.Interface().(proto.Message)
	}
	if !ok {
		return fmt.Errorf("BUG: protobuf codec: expected a pointer to %s, got %T", b.elem, dst)
	}
	if b.read {
		if r, ok := m.(quickReader); ok {
			if err := r.UnmarshalVT(src); err != nil {
				return b.explain(src, err)
			}
			return nil
		}
	}
	if b.plan != nil && !b.strict {
		q := reflect.ValueOf(m).UnsafePointer()
		own := make([]byte, len(src))
		copy(own, src)
		if b.plan.read(own, q) {
			return nil
		}
		reflect.NewAt(b.elem, q).Elem().SetZero() // the library shall see it as it was
	}
	if err := unmarshal.Unmarshal(src, m); err != nil {
		return b.explain(src, err)
	}
	if b.strict {
		return unknown(m.ProtoReflect(), "$")
	}
	return nil
}

// Append implements codec.Bound.
func (b *bound) Append(buf []byte, v any) ([]byte, error) {
	m, ok := v.(proto.Message)
	if b.pointer {
		p := *(*unsafe.Pointer)(reflect.ValueOf(v).UnsafePointer())
		if p == nil {
			return buf, errors.New("$: expected a message, got null")
		}
		m, ok = reflect.NewAt(b.elem, p).Interface().(proto.Message)
	}
	if !ok {
		return buf, fmt.Errorf("BUG: protobuf codec: expected a pointer to %s, got %T", b.elem, v)
	}
	if b.write {
		if w, ok := m.(quickWriter); ok {
			return appendQuick(buf, w)
		}
	}
	if b.plan != nil {
		if out, ok := b.plan.append(buf, reflect.ValueOf(m).UnsafePointer()); ok && out != nil {
			return out, nil
		}
	}
	out, err := marshal.MarshalAppend(buf, m)
	if err != nil {
		return buf, errors.New("$: " + words(err))
	}
	if out == nil {
		out = []byte{} // an empty message is no null
	}
	return out, nil
}

func appendQuick(buf []byte, w quickWriter) ([]byte, error) {
	size := w.SizeVT()
	out := slices.Grow(buf, size)[:len(buf)+size]
	n, err := w.MarshalToSizedBufferVT(out[len(buf):])
	switch {
	case err != nil:
		return buf, errors.New("$: " + words(err))
	case n != size:
		return buf, fmt.Errorf("$: its methods said %d bytes and wrote %d", size, n)
	}
	return out, nil
}

// explain finds the place of what could not be read. The libraries do not say it, so the
// message is walked once more, by its descriptor.
func (b *bound) explain(src []byte, err error) error {
	if found := locate(b.desc, src, 0, nil, maxDepth); found != nil {
		return found
	}
	return errors.New("$: " + words(err))
}

// words are what a library says, without its name and the space of either kind behind it.
func words(err error) string {
	text := strings.TrimPrefix(err.Error(), "proto:")
	return strings.TrimLeft(strings.ToValidUTF8(text, string(utf8.RuneError)), " \u00a0")
}
