package protobuf

import (
	"fmt"
	"unicode/utf8"

	"google.golang.org/protobuf/encoding/protowire"
	"google.golang.org/protobuf/reflect/protoreflect"
)

// trail is the way to a value; its text is made where there is something to say.
type trail struct {
	up    *trail
	field protoreflect.FieldDescriptor // nil: the type has none by this number
	num   protowire.Number
	index int // in a list or map, else -1
}

func (w *trail) String() string {
	if w == nil {
		return "$"
	}
	path, levels := "", 0
	for ; w != nil && levels < 20; w, levels = w.up, levels+1 {
		step := fmt.Sprintf(".(field %d)", w.num)
		if w.field != nil {
			step = "." + string(w.field.Name())
		}
		if w.index >= 0 {
			step = fmt.Sprintf("%s[%d]", step, w.index)
		}
		path = step + path
	}
	if w != nil {
		return "$..." + path
	}
	return "$" + path
}

// locate is the first mistake in a message, with its path; nil where its bytes are right.
// at is the offset of src in the whole, depth how many levels may follow.
func locate(d protoreflect.MessageDescriptor, src []byte, at int, up *trail, depth int) error {
	if depth == 0 {
		return fmt.Errorf("%s: more than %d levels of nesting", up, maxDepth)
	}
	begin := len(src)
	var seen map[protowire.Number]int
	for len(src) > 0 {
		place := at + begin - len(src)
		num, typ, n := protowire.ConsumeTag(src)
		if n < 0 || num > protowire.MaxValidNumber {
			return malformed(up, place, "expected a field")
		}
		if typ == protowire.EndGroupType {
			return malformed(up, place, "a group ends that did not begin")
		}
		src = src[n:]
		here := &trail{up, d.Fields().ByNumber(num), num, -1}
		if here.field != nil && (here.field.IsList() || here.field.IsMap()) {
			if seen == nil {
				seen = map[protowire.Number]int{}
			}
			here.index = seen[num]
			seen[num]++
		}
		place = at + begin - len(src)
		size := protowire.ConsumeFieldValue(num, typ, src)
		if size < 0 {
			return malformed(here, place, reason(typ, src))
		}
		if here.field != nil {
			var err error
			switch {
			case typ == protowire.BytesType:
				value, _ := protowire.ConsumeBytes(src)
				err = inside(here, value, place+size-len(value), depth)
			case typ == protowire.StartGroupType && here.field.Kind() == protoreflect.GroupKind:
				value, _ := protowire.ConsumeGroup(num, src)
				err = locate(here.field.Message(), value, place, here, depth-1)
			}
			if err != nil {
				return err
			}
		}
		src = src[size:]
	}
	return nil
}

// inside looks at a value that has a length.
func inside(here *trail, value []byte, at, depth int) error {
	f := here.field
	switch f.Kind() {
	case protoreflect.MessageKind:
		return locate(f.Message(), value, at, here, depth-1)
	case protoreflect.StringKind:
		checked, ok := f.(interface{ EnforceUTF8() bool })
		if !utf8.Valid(value) && (!ok || checked.EnforceUTF8()) {
			return fmt.Errorf("%s: expected text, got bytes that are no UTF-8", here)
		}
		return nil
	case protoreflect.BytesKind, protoreflect.GroupKind:
		return nil
	}
	if !f.IsList() {
		return nil // of another type than the field: kept as unknown
	}
	for rest := value; len(rest) > 0; here.index++ {
		n := 0
		switch f.Kind() {
		case protoreflect.Fixed32Kind, protoreflect.Sfixed32Kind, protoreflect.FloatKind:
			_, n = protowire.ConsumeFixed32(rest)
		case protoreflect.Fixed64Kind, protoreflect.Sfixed64Kind, protoreflect.DoubleKind:
			_, n = protowire.ConsumeFixed64(rest)
		default:
			_, n = protowire.ConsumeVarint(rest)
		}
		if n < 0 {
			return malformed(here, at+len(value)-len(rest), "the number does not end")
		}
		rest = rest[n:]
	}
	return nil
}

// reason says what is wrong with a value of a field.
func reason(typ protowire.Type, src []byte) string {
	switch typ {
	case protowire.BytesType:
		size, n := protowire.ConsumeVarint(src)
		if n > 0 {
			return fmt.Sprintf("expected %d bytes, got %d", size, len(src)-n)
		}
		return "the length does not end"
	case protowire.VarintType:
		return "the number does not end"
	case protowire.Fixed32Type:
		return fmt.Sprintf("expected 4 bytes, got %d", len(src))
	case protowire.Fixed64Type:
		return fmt.Sprintf("expected 8 bytes, got %d", len(src))
	case protowire.StartGroupType:
		return "the group does not end"
	}
	return fmt.Sprintf("there is no wire type %d", typ)
}

func malformed(path *trail, at int, what string) error {
	return fmt.Errorf("%s: malformed protobuf at byte %d: %s", path, at, what)
}
