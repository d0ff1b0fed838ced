package protobuf

import (
	"reflect"
	"unsafe"

	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"
)

// choices is a field of an interface type, nil or a pointer to the wrapper of a member.
type choices struct {
	typ    reflect.Type // of the interface
	offset uintptr
	of     map[reflect.Type]*member // by wrapper
}

// oneof adds the members of a oneof to the plan of t; false: they do not lie as expected.
func (p *plan) oneof(o protoreflect.OneofDescriptor, t reflect.Type, done map[reflect.Type]*plan) bool {
	var at reflect.StructField
	for f := range t.Fields() {
		if f.Tag.Get("protobuf_oneof") == string(o.Name()) {
			at = f
		}
	}
	if at.Type == nil || at.Type.Kind() != reflect.Interface {
		return false
	}
	one := &choices{typ: at.Type, offset: at.Offset, of: map[reflect.Type]*member{}}
	for i := range o.Fields().Len() {
		fd := o.Fields().Get(i)
		v := reflect.New(t)
		msg, ok := v.Interface().(proto.Message)
		if !ok || fd.Number() >= mostNumbers {
			return false
		}
		// The library makes the wrapper: where its types stand is no part of its face.
		msg.ProtoReflect().Set(fd, msg.ProtoReflect().NewField(fd))
		w := v.Elem().FieldByIndex(at.Index).Elem()
		if !w.IsValid() || w.Kind() != reflect.Pointer || w.Type().Elem().Kind() != reflect.Struct || w.Type().Elem().NumField() != 1 {
			return false
		}
		m := member{num: fd.Number(), kind: fd.Kind(), shape: choice, offset: at.Offset, rtype: w.Type().Elem(), oneof: one}
		if !m.lies(m.rtype.Field(0).Type, fd, done) {
			return false
		}
		p.fields = append(p.fields, m)
	}
	p.oneofs = append(p.oneofs, one)
	return true
}

// append writes the member that is there, if any.
func (o *choices) append(buf []byte, at unsafe.Pointer) ([]byte, bool) {
	v := reflect.NewAt(o.typ, at).Elem().Elem()
	if !v.IsValid() || v.IsNil() {
		return buf, true
	}
	m := o.of[v.Type().Elem()]
	if m == nil {
		return buf, false
	}
	return m.appendOne(buf, v.UnsafePointer())
}

// readChoice reads a value into the wrapper, a message into the one that is there already.
func (m *member) readChoice(src []byte, at unsafe.Pointer) int {
	v := reflect.NewAt(m.oneof.typ, at).Elem()
	w := v.Elem()
	if !w.IsValid() || w.IsNil() || w.Type().Elem() != m.rtype {
		w = reflect.New(m.rtype)
	}
	n := m.readOne(src, w.UnsafePointer())
	if n > 0 {
		v.Set(w)
	}
	return n
}
