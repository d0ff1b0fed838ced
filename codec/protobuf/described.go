package protobuf

import (
	"encoding/json/jsontext"
	"encoding/json/v2"
	"errors"
	"fmt"
	"io/fs"
	"reflect"
	"slices"
	"strings"
	"sync"
	"unsafe"

	"google.golang.org/protobuf/reflect/protodesc"
	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/types/descriptorpb"

	"github.com/levada-io/levada/codec"
	"github.com/levada-io/levada/codec/prefix"
	"github.com/levada-io/levada/internal/frame"
	"github.com/levada-io/levada/internal/protofile"
)

// Described is the codec of messages that a .proto file describes, for steps that have no
// generated struct: Python's, and those whose types are structs of their own. A message is
// read as the frame of the same value and written from it, directly where the type allows it,
// else by way of MessagePack, so that one type serves all codecs.
type Described struct {
	set  settings
	desc protoreflect.MessageDescriptor
	ids  prefix.IDs // that messages may have
	id   int        // of what is written
}

type settings struct {
	// Schema is the text of a .proto file; Imports are those of the files that it imports,
	// but for the library's own, by the names that they are imported by.
	Schema  string            `json:"schema"`
	Imports map[string]string `json:"imports"`
	// Message is the name of the message, where the file has several.
	Message string `json:"message"`
	prefix.Options
}

var (
	_ codec.Registered = (*Described)(nil)
	_ prefix.Bare      = (*Described)(nil)
)

// Of returns the codec of a message, by the text of its file and those that it imports.
// message is its name, with its package or without; empty: the file has one only.
//
// # Errors
//
// A schema that is none, with the line; a message that it does not have.
func Of(schema string, imports map[string]string, message string) (*Described, error) {
	return described(settings{Schema: schema, Imports: imports, Message: message})
}

// describes is what the settings of a step ask for: the codec of a schema, where they have
// one.
func describes(text []byte) (codec.Codec, error) {
	var own map[string]jsontext.Value
	if err := json.Unmarshal(text, &own); err != nil || own["schema"] == nil && own["imports"] == nil && own["message"] == nil {
		c := &Codec{}
		if err := c.set.Read(text); err != nil {
			return nil, err
		}
		return c, nil
	}
	var s settings
	if err := json.Unmarshal(text, &s, json.RejectUnknownMembers(true)); err != nil {
		return nil, fmt.Errorf("expected the settings schema, imports, message, strict (true or false), prefix and id: %w", err)
	}
	if err := s.Check(prefix.Confluent); err != nil {
		return nil, err
	}
	if s.Schema == "" {
		return nil, errors.New("message, imports: expected the text of a schema beside them, got none")
	}
	return described(s)
}

func described(s settings) (*Described, error) {
	desc, err := find(s)
	if err != nil {
		return nil, fmt.Errorf("the schema: %w", err)
	}
	return &Described{set: s, desc: desc}, nil
}

// Limits of a schema and what it imports.
const (
	maxDepthOfSchema = 200
	maxSchemas       = 8 << 20 // bytes
)

// find reads a schema and finds the message in it.
func find(s settings) (protoreflect.MessageDescriptor, error) {
	size := len(s.Schema)
	for _, text := range s.Imports {
		size += len(text)
	}
	if size > maxSchemas {
		return nil, fmt.Errorf("expected at most %d bytes with all imports, got %d", maxSchemas, size)
	}
	// Its own file has no name: nobody can import it.
	name := "schema.proto"
	for s.Imports[name] != "" {
		name = "_" + name
	}
	files := protofile.Files{
		Open: func(at string) ([]byte, error) {
			if at == name {
				return []byte(s.Schema), nil
			}
			if text, ok := s.Imports[at]; ok {
				return []byte(text), nil
			}
			return nil, fmt.Errorf("expected the text of %q in imports, got none: %w", at, fs.ErrNotExist)
		},
		Shown: func(at string) string {
			if at == name {
				return ""
			}
			return at
		},
		MaxDepth: maxDepthOfSchema,
	}
	linked, err := files.Compile(false, name)
	if err != nil {
		return nil, err
	}
	m, err := message(linked[0], s.Message)
	if err != nil {
		return nil, err
	}
	return owned(linked[0], m.FullName())
}

// owned is a message of a file as the library has it, which knows of each field whether its
// text is checked.
func owned(file protoreflect.FileDescriptor, name protoreflect.FullName) (protoreflect.MessageDescriptor, error) {
	set := &descriptorpb.FileDescriptorSet{}
	seen := map[string]bool{}
	var add func(protoreflect.FileDescriptor)
	add = func(f protoreflect.FileDescriptor) {
		if seen[f.Path()] {
			return
		}
		seen[f.Path()] = true
		for i := range f.Imports().Len() {
			add(f.Imports().Get(i).FileDescriptor)
		}
		set.File = append(set.File, protodesc.ToFileDescriptorProto(f))
	}
	add(file)
	files, err := protodesc.NewFiles(set)
	if err != nil {
		return nil, errors.New(words(err))
	}
	d, err := files.FindDescriptorByName(name)
	if err != nil {
		return nil, errors.New(words(err))
	}
	m, ok := d.(protoreflect.MessageDescriptor)
	if !ok {
		return nil, fmt.Errorf("BUG: %s is no message", name)
	}
	return m, nil
}

// message finds a message by its name, with the package or without.
func message(file protoreflect.FileDescriptor, asked string) (protoreflect.MessageDescriptor, error) {
	all := file.Messages()
	var names []string
	for i := range all.Len() {
		names = append(names, string(all.Get(i).FullName()))
	}
	if asked == "" {
		switch len(names) {
		case 0:
			return nil, errors.New("expected a file with a message, got one without any")
		case 1:
			return all.Get(0), nil
		}
		return nil, fmt.Errorf("message: expected the name of one of its messages, %s, got none", listed(names))
	}
	rest := asked
	if p := string(file.Package()); p != "" {
		rest = strings.TrimPrefix(asked, p+".")
	}
	var m protoreflect.MessageDescriptor
	for part := range strings.SplitSeq(rest, ".") {
		if m = all.ByName(protoreflect.Name(part)); m == nil {
			return nil, fmt.Errorf("message: expected the name of one of its messages, %s, got %q", listed(names), asked)
		}
		all = m.Messages()
	}
	return m, nil
}

func listed(names []string) string {
	const most = 8
	if len(names) > most {
		return strings.Join(names[:most], ", ") + fmt.Sprintf(" or %d others", len(names)-most)
	}
	if n := len(names); n > 1 {
		return strings.Join(names[:n-1], ", ") + " or " + names[n-1]
	}
	return strings.Join(names, "")
}

// Message is the message that the schema describes.
func (c *Described) Message() protoreflect.MessageDescriptor { return c.desc }

// MessageName is its full name.
func (c *Described) MessageName() string { return string(c.desc.FullName()) }

// Registered implements codec.Registered.
func (c *Described) Registered(versions []codec.Version, writes bool) (codec.Codec, error) {
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

// Bare implements prefix.Bare.
func (c *Described) Bare() codec.Codec {
	out := *c
	out.set.Settings = prefix.Settings{}
	return &out
}

// Bind implements codec.Codec. Generated structs are read as they are without a schema;
// other types have the members that they have in JSON.
//
// # Errors
//
// A generated struct of another message, or of another state of it.
func (c *Described) Bind(t reflect.Type) (codec.Bound, error) {
	if d := generated(t); d != nil {
		if err := agrees(d, c.desc, map[protoreflect.FullName]bool{}); err != nil {
			return nil, fmt.Errorf("%s is not what the schema says: %w", t, err)
		}
		return (&Codec{set: c.set.Options, ids: c.ids, id: c.id}).Bind(t)
	}
	b := &translated{}
	var err error
	if b.packed, err = frame.BindMsgpack(t, false); err != nil {
		return nil, err
	}
	if b.enc, err = frame.NewEncoder(t); err != nil {
		return nil, err
	}
	if b.dec, err = frame.NewDecoder(b.enc.Layout(), t); err != nil {
		return nil, err
	}
	typ, types, err := frame.TypeOf(t)
	if err != nil {
		return nil, err
	}
	b.translator, err = c.compile(typ, types)
	return b, err
}

// generated is the descriptor of a type that protoc-gen-go wrote, or of what it points to;
// nil: it is none.
func generated(t reflect.Type) protoreflect.MessageDescriptor {
	if t.Kind() == reflect.Pointer {
		t = t.Elem()
	}
	if p := reflect.PointerTo(t); t.Kind() == reflect.Struct && p.Implements(messageType) {
		return descriptor(p)
	}
	return nil
}

// agrees says where a message of Go differs from that of a schema: what both have must be the
// same on the wire.
func agrees(own, schema protoreflect.MessageDescriptor, seen map[protoreflect.FullName]bool) error {
	if own.FullName() != schema.FullName() {
		return fmt.Errorf("expected the message %s, got %s", schema.FullName(), own.FullName())
	}
	if seen[own.FullName()] {
		return nil
	}
	seen[own.FullName()] = true
	for i := range schema.Fields().Len() {
		f := schema.Fields().Get(i)
		o := own.Fields().ByNumber(f.Number())
		if o == nil {
			continue
		}
		if o.Name() != f.Name() || o.Kind() != f.Kind() || o.IsList() != f.IsList() || o.IsMap() != f.IsMap() {
			return fmt.Errorf("%s: expected field %d as %s %s, got %s %s", own.FullName(), f.Number(), f.Kind(), f.Name(), o.Kind(), o.Name())
		}
		if f.Message() != nil {
			if err := agrees(o.Message(), f.Message(), seen); err != nil {
				return err
			}
		}
	}
	return nil
}

// Wire is the codec for steps that have no Go type.
func (c *Described) Wire(l *frame.Layout) (frame.Wire, error) {
	w, err := c.compile(l.Type())
	if err != nil {
		return nil, err
	}
	return &wire{w, l, l.Msgpack(false)}, nil
}

// translator reads and writes messages by way of MessagePack, or directly where it can.
type translator struct {
	*Described
	root    *node
	indexes []int
	direct
	nullable bool // a value may be null in its frame
}

// body takes the prefix off.
func (t *translator) body(src []byte) ([]byte, error) {
	if src == nil {
		return nil, errors.New("$: expected a message, got null (a tombstone)")
	}
	if t.set.Prefix == "" {
		return src, nil
	}
	_, rest, err := t.ids.Take(src)
	if err != nil {
		return nil, err
	}
	got, rest, err := splitIndexes(rest)
	if err == nil && !slices.Equal(got, t.indexes) {
		err = fmt.Errorf("$: expected a message of type %s, %v in its schema, got one of type %v", t.desc.FullName(), t.indexes, got)
	}
	return rest, err
}

// head writes the prefix.
func (t *translator) head(dst []byte) ([]byte, error) {
	if t.set.Prefix == "" {
		return dst, nil
	}
	if t.id == 0 {
		return dst, prefix.ErrNoID
	}
	return appendIndexes(prefix.Append(dst, t.id), t.indexes), nil
}

// appendPacked writes the prefix and the message of the MessagePack that s has.
func (t *translator) appendPacked(dst []byte, s *scratch) ([]byte, error) {
	out, err := t.head(dst)
	if err == nil {
		out, err = s.writer.write(out, s.text, t.root)
	}
	if err != nil {
		return dst, err
	}
	return whole(out), nil
}

// appendFrame writes the prefix and the message of a frame; false: it has to be done by way of
// MessagePack.
func (t *translator) appendFrame(dst, value []byte, s *scratch, ours bool) ([]byte, bool) {
	out, err := t.head(dst)
	if err != nil {
		return dst, false
	}
	out, ok := s.frames.write(out, value, t, ours)
	if !ok {
		return dst, false
	}
	return whole(out), true
}

// whole is a message that may be empty, but is no null.
func whole(message []byte) []byte {
	if message == nil {
		return []byte{}
	}
	return message
}

// scratch is what one conversion needs beside its result.
type scratch struct {
	text []byte
	reader
	writer
	frames
}

var scratches = sync.Pool{New: func() any { return new(scratch) }}

func borrow() *scratch {
	s, _ := scratches.Get().(*scratch)
	return s
}

func (s *scratch) giveBack() {
	if cap(s.text) > 1<<20 || cap(s.slots) > 1<<14 || cap(s.more) > 1<<14 || cap(s.values) > 1<<15 ||
		cap(s.names) > 1<<14 || cap(s.parts) > 1<<15 || cap(s.pairs) > 1<<14 || cap(s.spare) > 1<<20 {
		return // one large message shall not be remembered for ever
	}
	s.text = s.text[:0]
	scratches.Put(s)
}

// translated is the codec of a struct of one's own: by its frame, or by MessagePack.
type translated struct {
	*translator
	packed *frame.Bound
	enc    *frame.Encoder
	dec    *frame.Decoder
}

// Decode implements codec.Bound. What is decoded does not alias src: it shares a frame of its
// own.
func (b *translated) Decode(src []byte, dst any) error {
	src, err := b.body(src)
	if err != nil {
		return err
	}
	s := borrow()
	err = b.decode(src, dst, s)
	s.giveBack()
	return err
}

func (b *translated) decode(src []byte, dst any, s *scratch) (err error) {
	if b.reads {
		if framed, ok := s.frame(s.text, src, b.translator); ok {
			s.text = framed[:0]
			own := make([]byte, len(framed))
			copy(own, framed)
			if b.dec.Value(own, pointer(dst)) == nil {
				return nil
			}
			reflect.ValueOf(dst).Elem().SetZero() // what is wrong, the other way says
		}
	}
	if s.text, err = s.read(s.text, src, b.root, b.set.Strict); err != nil {
		return err
	}
	return b.packed.Decode(s.text, dst)
}

// Append implements codec.Bound.
func (b *translated) Append(buf []byte, v any) ([]byte, error) {
	s := borrow()
	out, err := b.append(buf, v, s)
	s.giveBack()
	return out, err
}

func (b *translated) append(buf []byte, v any, s *scratch) ([]byte, error) {
	var err error
	if b.writes {
		if s.text, err = b.enc.Append(s.text, pointer(v)); err == nil {
			if out, ok := b.appendFrame(buf, s.text, s, true); ok {
				return out, nil
			}
		}
		s.text = s.text[:0]
	}
	if s.text, err = b.packed.Append(s.text, v); err != nil {
		return buf, err
	}
	return b.appendPacked(buf, s)
}

// pointer is where v, a pointer, points to.
func pointer(v any) unsafe.Pointer { return reflect.ValueOf(v).UnsafePointer() }

type wire struct {
	*translator
	layout *frame.Layout
	packed frame.Wire
}

// Read implements frame.Wire.
func (w *wire) Read(messages [][]byte, fail func(i int, err error)) (*frame.Column, error) {
	s := borrow()
	defer s.giveBack()
	if !w.reads {
		return w.readPacked(messages, s, fail)
	}
	return w.layout.ReadColumn(messages, func(dst, src []byte) ([]byte, error) {
		src, err := w.body(src)
		if err != nil {
			return dst, err
		}
		if out, ok := s.frame(dst, src, w.translator); ok {
			return out, nil
		}
		if s.text, err = s.read(s.text[:0], src, w.root, w.set.Strict); err != nil {
			return dst, err
		}
		return w.layout.ParseMsgpack(dst, s.text, false)
	}, fail)
}

// readPacked is Read by way of MessagePack.
func (w *wire) readPacked(messages [][]byte, s *scratch, fail func(i int, err error)) (*frame.Column, error) {
	return prefix.Read(messages, w.packed.Read, func(m []byte) ([]byte, error) {
		m, err := w.body(m)
		if err != nil {
			return nil, err
		}
		from := len(s.text)
		out, err := s.read(s.text, m, w.root, w.set.Strict)
		if err != nil {
			return nil, err
		}
		s.text = out // what moves leaves the earlier ones where they are
		return out[from:], nil
	}, fail)
}

// Append implements frame.Wire.
func (w *wire) Append(dst, value []byte) ([]byte, error) {
	s := borrow()
	out, err := w.append(dst, value, s)
	s.giveBack()
	return out, err
}

func (w *wire) append(dst, value []byte, s *scratch) ([]byte, error) {
	if w.writes {
		if out, ok := w.appendFrame(dst, value, s, false); ok {
			return out, nil
		}
	}
	var err error
	if s.text, err = w.packed.Append(s.text, value); err != nil {
		return dst, err
	}
	return w.appendPacked(dst, s)
}
