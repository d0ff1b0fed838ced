package protobuf

import (
	"fmt"

	"google.golang.org/protobuf/reflect/protoreflect"

	plans "github.com/levada-io/levada/plan"
)

var planKinds = map[protoreflect.Kind]plans.TypeKind{
	protoreflect.BoolKind: plans.TBool, protoreflect.EnumKind: plans.TInt32,
	protoreflect.Int32Kind: plans.TInt32, protoreflect.Sint32Kind: plans.TInt32, protoreflect.Sfixed32Kind: plans.TInt32,
	protoreflect.Int64Kind: plans.TInt64, protoreflect.Sint64Kind: plans.TInt64, protoreflect.Sfixed64Kind: plans.TInt64,
	protoreflect.Uint32Kind: plans.TUint32, protoreflect.Fixed32Kind: plans.TUint32,
	protoreflect.Uint64Kind: plans.TUint64, protoreflect.Fixed64Kind: plans.TUint64,
	protoreflect.FloatKind: plans.TFloat32, protoreflect.DoubleKind: plans.TFloat64,
	protoreflect.StringKind: plans.TString, protoreflect.BytesKind: plans.TBytes,
}

// Type is what the values of the schema are, with the table of its messages: what is told
// may be absent, all else is there.
//
// # Errors
//
// A member of t that the codec has no form for.
func (c *Described) Type(t plans.Type, table map[string]plans.Type) (plans.Type, map[string]plans.Type, error) {
	return c.typed(t, table, false)
}

// Writable is Type for who writes: what is not there is zero, and null where it is told.
func (c *Described) Writable(t plans.Type, table map[string]plans.Type) (plans.Type, map[string]plans.Type, error) {
	return c.typed(t, table, true)
}

func (c *Described) typed(t plans.Type, table map[string]plans.Type, writes bool) (plans.Type, map[string]plans.Type, error) {
	if _, err := c.compile(t, table); err != nil {
		return plans.Type{}, nil, err
	}
	y := typer{writes, map[string]plans.Type{}}
	return y.message(c.desc), y.types, nil
}

type typer struct {
	writes bool
	types  map[string]plans.Type
}

func nameOfType(d protoreflect.MessageDescriptor) string { return "proto:" + string(d.FullName()) }

func (y *typer) message(d protoreflect.MessageDescriptor) plans.Type {
	ref := plans.Type{Kind: plans.TRef, Name: nameOfType(d)}
	if _, done := y.types[ref.Name]; done {
		return ref
	}
	y.types[ref.Name] = plans.Type{}
	st := plans.Type{Kind: plans.TStruct}
	for i := range d.Fields().Len() {
		fd := d.Fields().Get(i)
		f := plans.Field{Name: string(fd.Name()), Type: y.field(fd)}
		f.Optional = fd.HasPresence() || y.writes
		if fd.Cardinality() == protoreflect.Required {
			f.Optional = false
		}
		if y.writes && f.Optional && fd.HasPresence() {
			f.Type.Nullable = true
		}
		st.Fields = append(st.Fields, f)
	}
	y.types[ref.Name] = st
	return ref
}

func (y *typer) field(fd protoreflect.FieldDescriptor) plans.Type {
	switch {
	case fd.IsMap():
		elem := y.single(fd.MapValue())
		return plans.Type{Kind: plans.TMap, Elem: &elem}
	case fd.IsList():
		elem := y.single(fd)
		return plans.Type{Kind: plans.TList, Elem: &elem}
	}
	return y.single(fd)
}

func (y *typer) single(fd protoreflect.FieldDescriptor) plans.Type {
	if fd.Message() != nil {
		return y.message(fd.Message())
	}
	return plans.Type{Kind: planKinds[fd.Kind()]}
}

// refused says that a field has no form in values.
func refused(fd protoreflect.FieldDescriptor) error {
	m := fd.Message()
	if fd.IsMap() {
		m = fd.MapValue().Message()
	}
	if m == nil {
		return nil
	}
	switch m.FullName() {
	case "google.protobuf.Struct", "google.protobuf.Value", "google.protobuf.ListValue":
		return fmt.Errorf("%s is not supported: %s has a JSON form of its own", fd.FullName(), m.FullName())
	}
	return nil
}
