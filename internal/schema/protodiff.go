package schema

import (
	"fmt"
	"maps"
	"reflect"
	"slices"
	"strings"

	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protodesc"
	"google.golang.org/protobuf/reflect/protoreflect"

	"github.com/levada-io/levada/internal/typing"
	"github.com/levada-io/levada/plan"
)

// diffMessages says what became of a message for those who read it from the wire, where a
// field is its number.
func diffMessages(before, after protoreflect.MessageDescriptor) typing.Changes {
	d := protoDiff{seen: map[[2]protoreflect.FullName]bool{}}
	if before.FullName() != after.FullName() {
		d.add("$", true, true, "the message was called %s, is called %s", before.FullName(), after.FullName())
	}
	d.message(before, after, "$")
	return d.found
}

// fitsMessage is the first place where readers that have one message can not read what was
// written by the other.
func fitsMessage(writer, reader protoreflect.MessageDescriptor) error {
	d := protoDiff{seen: map[[2]protoreflect.FullName]bool{}, check: true}
	d.message(writer, reader, "$")
	for _, c := range d.found {
		if !c.Backward {
			return fmt.Errorf("%s: %s", c.Path, c.Text)
		}
	}
	return nil
}

// Message judges codecs and the messages that they read or write, their own or those of Go
// types, by the message of a topic; nil where that has no message of protocol buffers. judged says that
// nothing else is to be compared.
func (s *Types) Message(topic string) func(codec string, impl any, t reflect.Type, writes bool) (judged bool, err error) {
	schema := s.messages[topic]
	if schema == nil {
		return nil
	}
	return func(codec string, impl any, t reflect.Type, writes bool) (bool, error) {
		if codec != "protobuf" {
			return true, fmt.Errorf("expected the codec protobuf for the message %s, got %s", schema.FullName(), codec)
		}
		m := descriptorOf(t)
		if own, ok := impl.(interface {
			Message() protoreflect.MessageDescriptor
		}); ok {
			m = own.Message()
		}
		if m == nil {
			return false, nil
		}
		if m.FullName() != schema.FullName() {
			return true, fmt.Errorf("expected the message %s, got %s", schema.FullName(), m.FullName())
		}
		// The text of a change has what is written first and who reads it second.
		if writes {
			return true, fitsMessage(m, schema)
		}
		return true, fitsMessage(schema, m)
	}
}

// descriptorOf is that of the messages of a Go type; nil where it has none.
func descriptorOf(t reflect.Type) (d protoreflect.MessageDescriptor) {
	if t == nil {
		return nil
	}
	m, ok := reflect.New(t).Interface().(proto.Message)
	if !ok {
		return nil
	}
	// A struct that embeds a message has its methods, and maybe nothing behind them.
	defer func() {
		if recover() != nil {
			d = nil
		}
	}()
	return m.ProtoReflect().Descriptor()
}

type protoDiff struct {
	found typing.Changes
	// seen are the pairs of messages and enums that were held against each other.
	seen map[[2]protoreflect.FullName]bool
	// check: a value of an enum that the reader has no name for is a number to it.
	check bool
	full  bool // there were more pairs than anybody has, or deeper ones
	depth int
}

func (d *protoDiff) add(path string, backward, forward bool, format string, args ...any) {
	d.found = append(d.found, typing.Change{Path: path, Text: fmt.Sprintf(format, args...), Backward: backward, Forward: forward})
}

func (d *protoDiff) again(a, b protoreflect.FullName) bool {
	pair := [2]protoreflect.FullName{a, b}
	was := d.seen[pair]
	// Two rings of messages that lead to each other make as many pairs as their product.
	if !was && (len(d.seen) >= MaxTypes || d.depth >= MaxNested) {
		if !d.full {
			d.full = true
			d.add("$", false, false, "more than %d pairs of messages, or %d within each other, stand against each other: they count as changed", MaxTypes, MaxNested)
		}
		return true
	}
	d.seen[pair] = true
	return was
}

func (d *protoDiff) message(a, b protoreflect.MessageDescriptor, path string) {
	if d.again(a.FullName(), b.FullName()) {
		return
	}
	d.depth++
	defer func() { d.depth-- }()
	for _, n := range numbersOf(a, b) {
		was, is := a.Fields().ByNumber(n), b.Fields().ByNumber(n)
		switch {
		case was == nil:
			d.more(a, is, path)
		case is == nil:
			d.less(b, was, path)
		default:
			d.field(was, is, path)
		}
	}
	d.oneofs(a, b, path, func(at string) {
		d.add(at, false, true, "exclude each other from now on: of an old message that has several, one is left")
	})
	d.oneofs(b, a, path, func(at string) {
		d.add(at, true, false, "do not exclude each other any more: of several, old readers see one")
	})
}

func numbersOf(a, b protoreflect.MessageDescriptor) []protoreflect.FieldNumber {
	all := map[protoreflect.FieldNumber]bool{}
	for _, m := range []protoreflect.MessageDescriptor{a, b} {
		for i := range m.Fields().Len() {
			all[m.Fields().Get(i).Number()] = true
		}
	}
	return slices.Sorted(maps.Keys(all))
}

// more is a field whose number a did not have.
func (d *protoDiff) more(a protoreflect.MessageDescriptor, f protoreflect.FieldDescriptor, path string) {
	at := path + "." + string(f.Name())
	was := a.Fields().ByName(f.Name())
	switch {
	case was != nil && f.ContainingMessage().Fields().ByNumber(was.Number()) == nil:
		d.add(at, false, false, "had number %d, has %d: on the wire it is another field", was.Number(), f.Number())
	case a.ReservedRanges().Has(f.Number()):
		d.add(at, false, false, "takes number %d, which was reserved: messages may have something else there", f.Number())
	case f.Cardinality() == protoreflect.Required:
		d.add(at, false, true, "a new required field, which old messages do not have")
	case a.ReservedNames().Has(f.Name()):
		d.add(at, true, true, "a new field, by a name that was reserved")
	default:
		d.add(at, true, true, "a new field")
	}
}

// less is a field whose number b does not have.
func (d *protoDiff) less(b protoreflect.MessageDescriptor, f protoreflect.FieldDescriptor, path string) {
	at := path + "." + string(f.Name())
	is := b.Fields().ByName(f.Name())
	switch {
	case is != nil && f.ContainingMessage().Fields().ByNumber(is.Number()) == nil: // told at the new number
	case f.Cardinality() == protoreflect.Required:
		d.add(at, true, false, "a required field was removed, old readers expect it")
	case !b.ReservedRanges().Has(f.Number()):
		d.add(at, true, true, "was removed, and its number %d is not reserved", f.Number())
	default:
		d.add(at, true, true, "was removed")
	}
}

func (d *protoDiff) field(a, b protoreflect.FieldDescriptor, path string) {
	at := path + "." + string(b.Name())
	if a.Name() != b.Name() {
		d.add(at, true, true, "was called %s, which JSON and code mind, and messages do not", a.Name())
	} else if a.JSONName() != b.JSONName() {
		d.add(at, true, true, "is %q in JSON, was %q", b.JSONName(), a.JSONName())
	}
	if a.IsMap() != b.IsMap() {
		d.add(at, false, false, "was %s, is %s", typeOf(a), typeOf(b))
		return
	}
	if a.IsMap() {
		if back, fore := fitsKind(a.MapKey(), b.MapKey()); !back || !fore {
			d.add(at, back, fore, "was %s, is %s", typeOf(a), typeOf(b))
		}
		d.value(a.MapValue(), b.MapValue(), at+"[key]")
		return
	}
	if a.IsList() || b.IsList() {
		d.value(a, b, at+"[]")
		return
	}
	d.value(a, b, at)
	required := func(f protoreflect.FieldDescriptor) bool { return f.Cardinality() == protoreflect.Required }
	switch {
	case required(a) && !required(b):
		d.add(at, true, false, "was required, is optional")
	case !required(a) && required(b):
		d.add(at, false, true, "was optional, is required")
	case a.Message() != nil || b.Message() != nil:
	case !a.HasPresence() && b.HasPresence():
		d.add(at, true, true, "absent and zero are two things from now on")
	case a.HasPresence() && !b.HasPresence():
		d.add(at, true, true, "absent and zero are one thing from now on")
	}
	if a.Kind() == b.Kind() && a.Message() == nil {
		if was, is := absent(a), absent(b); was != is {
			d.add(at, false, false, "stood for %s where it is absent, stands for %s", was, is)
		}
	}
}

// absent is what readers have where there is no such field.
func absent(f protoreflect.FieldDescriptor) string {
	if e := f.DefaultEnumValue(); e != nil {
		return fmt.Sprintf("%d", e.Number())
	}
	if f.Kind() == protoreflect.StringKind || f.Kind() == protoreflect.BytesKind {
		return fmt.Sprintf("%q", f.Default().Interface())
	}
	return fmt.Sprint(f.Default().Interface())
}

// value compares what one field or element is.
func (d *protoDiff) value(a, b protoreflect.FieldDescriptor, at string) {
	back, fore := fitsKind(a, b)
	if a.IsList() && !b.IsList() {
		back = false // the last one is left
	}
	if !a.IsList() && b.IsList() {
		fore = false // and numbers are packed
	}
	if !back || !fore {
		d.add(strings.TrimSuffix(at, "[]"), back, fore, "was %s, is %s", typeOf(a), typeOf(b))
	}
	switch {
	case a.Kind() != b.Kind():
	case a.Message() != nil:
		if a.Message().Name() != b.Message().Name() {
			d.add(at, true, true, "the message was called %s, is called %s", a.Message().Name(), b.Message().Name())
		}
		d.message(a.Message(), b.Message(), at)
	case a.Enum() != nil:
		d.enum(a.Enum(), b.Enum(), at)
	}
}

// typeOf is the type of a field as a schema spells it.
func typeOf(f protoreflect.FieldDescriptor) string {
	s := f.Kind().String()
	switch {
	case f.IsMap():
		return "map<" + typeOf(f.MapKey()) + ", " + typeOf(f.MapValue()) + ">"
	case f.Kind() == protoreflect.GroupKind:
		s = "group " + string(f.Message().Name())
	case f.Message() != nil:
		s = string(f.Message().Name())
	case f.Enum() != nil:
		s = string(f.Enum().Name())
	}
	if f.IsList() {
		s = "repeated " + s
	}
	return s
}

// fitsKind says whether readers of b read every value of a, and those of a every one of b.
func fitsKind(a, b protoreflect.FieldDescriptor) (back, fore bool) {
	return readsKind(a.Kind(), b.Kind()), readsKind(b.Kind(), a.Kind())
}

// wider are the kinds that have every value of another one in the same bytes.
var wider = map[protoreflect.Kind][]protoreflect.Kind{
	protoreflect.BoolKind:   {protoreflect.Int32Kind, protoreflect.Int64Kind, protoreflect.Uint32Kind, protoreflect.Uint64Kind},
	protoreflect.EnumKind:   {protoreflect.Int32Kind, protoreflect.Int64Kind},
	protoreflect.Int32Kind:  {protoreflect.Int64Kind},
	protoreflect.Uint32Kind: {protoreflect.Uint64Kind, protoreflect.Int64Kind},
	protoreflect.Sint32Kind: {protoreflect.Sint64Kind},
	protoreflect.StringKind: {protoreflect.BytesKind},
}

func readsKind(written, read protoreflect.Kind) bool {
	return written == read || slices.Contains(wider[written], read)
}

func (d *protoDiff) enum(a, b protoreflect.EnumDescriptor, at string) {
	if d.again(a.FullName(), b.FullName()) {
		return
	}
	all := map[protoreflect.EnumNumber]bool{}
	for _, e := range []protoreflect.EnumDescriptor{a, b} {
		for i := range e.Values().Len() {
			all[e.Values().Get(i).Number()] = true
		}
	}
	moved := func(v protoreflect.EnumValueDescriptor, other protoreflect.EnumDescriptor) bool {
		w := other.Values().ByName(v.Name())
		return w != nil && w.Number() != v.Number()
	}
	for _, n := range slices.Sorted(maps.Keys(all)) {
		was, is := a.Values().ByNumber(n), b.Values().ByNumber(n)
		switch {
		case was != nil && moved(was, b):
			d.add(at, false, false, "%s was %d, is %d", was.Name(), n, b.Values().ByName(was.Name()).Number())
		case was == nil && moved(is, a): // told at the number that it had
		case was == nil:
			d.add(at, true, false, "has got %s, which old readers do not know", is.Name())
		case is == nil && d.check && !b.IsClosed():
		case is == nil:
			d.add(at, false, true, "has lost %s", was.Name())
		case was.Name() != is.Name() && named(b, n, was.Name()) == nil:
			d.add(at, true, true, "%s was called %s, which JSON and code mind, and messages do not", is.Name(), was.Name())
		}
	}
}

// named is a value of an enum by number and name: a number may have several.
func named(e protoreflect.EnumDescriptor, n protoreflect.EnumNumber, name protoreflect.Name) protoreflect.EnumValueDescriptor {
	if v := e.Values().ByName(name); v != nil && v.Number() == n {
		return v
	}
	return nil
}

// oneofs tells of fields that both have, and of which only b lets just one be there.
func (d *protoDiff) oneofs(a, b protoreflect.MessageDescriptor, path string, tell func(at string)) {
	for i := range b.Oneofs().Len() {
		o := b.Oneofs().Get(i)
		if o.IsSynthetic() {
			continue
		}
		var names []string
		groups := map[protoreflect.FullName]bool{}
		for k := range o.Fields().Len() {
			f := o.Fields().Get(k)
			was := a.Fields().ByNumber(f.Number())
			if was == nil {
				continue
			}
			group := was.FullName() // by itself
			if in := was.ContainingOneof(); in != nil && !in.IsSynthetic() {
				group = in.FullName()
			}
			groups[group] = true
			names = append(names, string(f.Name()))
		}
		if len(groups) > 1 {
			tell(path + ".(" + strings.Join(names, ", ") + ")")
		}
	}
}

// messageText is all that a schema says of a message and of those in it, but for comments.
func messageText(m protoreflect.MessageDescriptor) string {
	texts := map[protoreflect.FullName]string{}
	var visit func(m protoreflect.MessageDescriptor)
	add := func(name protoreflect.FullName, p proto.Message) {
		text, err := proto.MarshalOptions{Deterministic: true}.Marshal(p)
		if err != nil {
			text = []byte(err.Error()) // of nothing that was read
		}
		texts[name] = string(text)
	}
	visit = func(m protoreflect.MessageDescriptor) {
		if _, ok := texts[m.FullName()]; ok {
			return
		}
		p := protodesc.ToDescriptorProto(m)
		p.NestedType, p.EnumType = nil, nil // those that count are visited
		add(m.FullName(), p)
		for i := range m.Fields().Len() {
			f := m.Fields().Get(i)
			if f.Message() != nil {
				visit(f.Message())
			}
			if e := f.Enum(); e != nil {
				add(e.FullName(), protodesc.ToEnumDescriptorProto(e))
			}
		}
	}
	visit(m)
	var b strings.Builder
	for _, name := range slices.Sorted(maps.Keys(texts)) {
		fmt.Fprintf(&b, "%s:%q,", name, texts[name])
	}
	return b.String()
}

// message is m as steps in pipelines have it: the struct that protoc-gen-go writes.
func (s *Types) message(m protoreflect.MessageDescriptor) plan.Type {
	// Types of other schemas have names without a colon.
	name := "proto:" + string(m.FullName())
	ref := plan.Type{Kind: plan.TRef, Name: name}
	if _, known := s.Table.Types[name]; known {
		return ref
	}
	s.Table.Types[name] = plan.Type{} // a recursion ends here
	st := plan.Type{Kind: plan.TStruct}
	for i := range m.Fields().Len() {
		f := m.Fields().Get(i)
		st.Fields = append(st.Fields, plan.Field{Name: string(f.Name()), Type: s.fieldType(f), Optional: true})
	}
	s.Table.Types[name] = st
	return ref
}

func (s *Types) fieldType(f protoreflect.FieldDescriptor) plan.Type {
	switch {
	case f.IsMap() && f.MapKey().Kind() != protoreflect.StringKind:
		return plan.Type{Kind: plan.TAny}
	case f.IsMap():
		elem := s.single(f.MapValue())
		return plan.Type{Kind: plan.TMap, Elem: &elem}
	case f.IsList():
		elem := s.single(f)
		return plan.Type{Kind: plan.TList, Elem: &elem}
	}
	t := s.single(f)
	t.Nullable = t.Nullable || f.HasPresence() && t.Kind != plan.TBytes
	return t
}

var kindsOfFields = map[protoreflect.Kind]plan.TypeKind{
	protoreflect.BoolKind: plan.TBool, protoreflect.EnumKind: plan.TInt32,
	protoreflect.Int32Kind: plan.TInt32, protoreflect.Sint32Kind: plan.TInt32, protoreflect.Sfixed32Kind: plan.TInt32,
	protoreflect.Int64Kind: plan.TInt64, protoreflect.Sint64Kind: plan.TInt64, protoreflect.Sfixed64Kind: plan.TInt64,
	protoreflect.Uint32Kind: plan.TUint32, protoreflect.Fixed32Kind: plan.TUint32,
	protoreflect.Uint64Kind: plan.TUint64, protoreflect.Fixed64Kind: plan.TUint64,
	protoreflect.FloatKind: plan.TFloat32, protoreflect.DoubleKind: plan.TFloat64,
	protoreflect.StringKind: plan.TString, protoreflect.BytesKind: plan.TBytes,
}

func (s *Types) single(f protoreflect.FieldDescriptor) plan.Type {
	if f.Message() != nil {
		t := s.message(f.Message())
		t.Nullable = true // a pointer
		return t
	}
	return plan.Type{Kind: kindsOfFields[f.Kind()]}
}
