package frame

import (
	"fmt"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"unsafe"

	"google.golang.org/protobuf/reflect/protoreflect"
)

// A oneof of a generated message is an interface in Go, nil or a pointer to the wrapper of
// the member that is there. In plans, and so in Python and in what is written, its members
// are members of the message, as optional ones are.

// oneof is an interface field.
type oneof struct {
	name  string
	typ   reflect.Type // of the interface
	picks []*pick
}

// pick is a member of a oneof.
type pick struct {
	of      *oneof
	name    string
	wrapper reflect.Type // the interface holds pointers to it
	message reflect.Type // nil: the member is no message
}

// oneofFields are the members of the oneof in a field of the struct t.
func oneofFields(t reflect.Type, sf reflect.StructField) ([]goField, error) {
	if _, ok := sf.Tag.Lookup("levada"); ok {
		return nil, fmt.Errorf("a levada tag on a oneof has no effect")
	}
	o := &oneof{name: sf.Tag.Get("protobuf_oneof"), typ: sf.Type}
	wrappers := o.wrappers(t, sf)
	if len(wrappers) == 0 {
		return nil, fmt.Errorf("%s is not supported: a oneof stands in a message that protoc-gen-go generated", sf.Type)
	}
	var fields []goField
	for i, w := range wrappers {
		in := w.Field(0)
		tag, err := parseTag(in)
		switch {
		case err != nil:
			return nil, fmt.Errorf("%s.%s: %w", w, in.Name, err)
		case tag.unit != "" || tag.konst != nil || tag.rules != "":
			return nil, fmt.Errorf("%s.%s: a levada tag on a member of a oneof is not supported", w, in.Name)
		}
		if !tag.named {
			tag.name = protoName(in.Tag, in.Name)
		}
		k := &pick{of: o, name: tag.name, wrapper: w}
		if in.Type.Kind() == reflect.Pointer {
			k.message = in.Type.Elem()
		}
		o.picks = append(o.picks, k)
		// Absent and null both say that it is another one, or none; zero says that it is this one.
		fields = append(fields, goField{name: tag.name, goName: sf.Name + "." + in.Name, typ: in.Type, omit: omitZero, pick: k, sub: i})
	}
	return fields, nil
}

// wrappers are the structs that protoc-gen-go wrote for the members, in the order of the
// .proto; none where t is no such message. Only the message itself knows them.
func (o *oneof) wrappers(t reflect.Type, sf reflect.StructField) []reflect.Type {
	for f := range t.Fields() {
		if f.Anonymous {
			return nil // a message is nothing that is embedded in it
		}
	}
	v := reflect.New(t)
	m, ok := v.Interface().(protoreflect.ProtoMessage)
	if !ok || sf.Type.Kind() != reflect.Interface {
		return nil
	}
	msg := m.ProtoReflect()
	of := msg.Descriptor().Oneofs().ByName(protoreflect.Name(o.name))
	if of == nil {
		return nil
	}
	var out []reflect.Type
	for i := range of.Fields().Len() {
		fd := of.Fields().Get(i)
		msg.Set(fd, msg.NewField(fd))
		w := v.Elem().FieldByIndex(sf.Index).Elem()
		if !w.IsValid() || w.Kind() != reflect.Pointer || w.Type().Elem().Kind() != reflect.Struct || w.Type().Elem().NumField() != 1 {
			return nil
		}
		out = append(out, w.Type().Elem())
	}
	return out
}

// protoName is the name of a field in its .proto; what has none is called as in Go.
func protoName(tag reflect.StructTag, goName string) string {
	for part := range strings.SplitSeq(tag.Get("protobuf"), ",") {
		if name, ok := strings.CutPrefix(part, "name="); ok {
			return name
		}
	}
	return goName
}

// at is where the member lies if the oneof at p is this one, else nil.
func (k *pick) at(p unsafe.Pointer) unsafe.Pointer {
	v := reflect.NewAt(k.of.typ, p).Elem().Elem()
	if !v.IsValid() || v.Type().Elem() != k.wrapper || v.IsNil() {
		return nil
	}
	q := v.UnsafePointer() // the only field of the wrapper
	if k.message != nil && *(*unsafe.Pointer)(q) == nil {
		// It is there, so it is an empty message.
		q = unsafe.Pointer(&[1]unsafe.Pointer{reflect.New(k.message).UnsafePointer()})
	}
	return q
}

// into makes the oneof at p this member, and is where its value goes.
func (k *pick) into(p unsafe.Pointer) (unsafe.Pointer, error) {
	v := reflect.NewAt(k.of.typ, p).Elem()
	if other := v.Elem(); other.IsValid() && other.Type().Elem() != k.wrapper {
		return nil, k.both(other.Type().Elem())
	}
	w := reflect.New(k.wrapper)
	v.Set(w)
	return w.UnsafePointer(), nil
}

// both is the error of a oneof that would be two of its members.
func (k *pick) both(wrapper reflect.Type) error {
	var got []string
	for _, o := range k.of.picks {
		if o == k || o.wrapper == wrapper {
			got = append(got, o.name)
		}
	}
	err := errorf("expected one member of the oneof %s, got %s", k.of.name, strings.Join(got, " and "))
	err.above = true
	return err
}

// clear makes the oneof at p none, if it is this one.
func (k *pick) clear(p unsafe.Pointer) {
	if k.at(p) != nil {
		reflect.NewAt(k.of.typ, p).Elem().SetZero()
	}
}

// read reads the member behind its presence byte.
func (k *pick) read(d *decType, r *reader, p unsafe.Pointer) error {
	if d.from.kind == kAny && r.off < len(r.b) && tag(r.b[r.off]) == tagNull {
		r.off++
		return nil
	}
	q, err := k.into(p)
	if err != nil {
		return err
	}
	return d.bare(r, q)
}

// goPick reads a member of a oneof; null says that it is not the one.
func (p *parser) goPick(f *memField, q unsafe.Pointer) error {
	if p.peek() == 'n' && p.literal("null") {
		return nil
	}
	r, err := f.pick.into(q)
	if err != nil {
		return err
	}
	return p.goValue(f.typ, r)
}

func (u unpacker) goPick(f *memField, q unsafe.Pointer) error {
	if u.nil() {
		return nil
	}
	r, err := f.pick.into(q)
	if err != nil {
		return err
	}
	return u.goValue(f.typ, r)
}

// Keys of a map of protobuf that are no text are their text in plans, as its JSON has them.

// keyText is a key as text.
func keyText(key reflect.Value) string {
	switch {
	case key.Kind() == reflect.Bool:
		return strconv.FormatBool(key.Bool())
	case key.CanInt():
		return strconv.FormatInt(key.Int(), 10)
	case key.CanUint():
		return strconv.FormatUint(key.Uint(), 10)
	}
	return key.String()
}

// setKey makes key what text says. A number has one text only: two of them would be one
// entry.
func setKey(key reflect.Value, text string) error {
	bits := 0
	if key.Kind() != reflect.String && key.Kind() != reflect.Bool {
		bits = key.Type().Bits()
	}
	switch {
	case key.Kind() == reflect.Bool:
		key.SetBool(text == "true")
	case key.CanInt():
		v, _ := strconv.ParseInt(text, 10, bits)
		key.SetInt(v)
	case key.CanUint():
		v, _ := strconv.ParseUint(text, 10, bits)
		key.SetUint(v)
	default:
		key.SetString(text)
		return nil
	}
	if keyText(key) != text {
		return errorf("expected the keys of a map to be %s, got %s", key.Kind(), strconv.Quote(shorten([]byte(text))))
	}
	return nil
}

// mapKeys says that keys of that type are keys of a map of protobuf.
func mapKeys(t reflect.Type) bool {
	return slices.Contains([]reflect.Kind{reflect.Bool, reflect.Int32, reflect.Int64, reflect.Uint32, reflect.Uint64}, t.Kind())
}
