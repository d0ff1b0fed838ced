package protobuf

import (
	"bytes"
	"cmp"
	"encoding/binary"
	"fmt"
	"math"
	"slices"
	"strings"
	"testing"

	"google.golang.org/protobuf/encoding/protowire"
	"google.golang.org/protobuf/reflect/protoreflect"
	"pgregory.net/rapid"

	"github.com/levada-io/levada/internal/frame"
	plans "github.com/levada-io/levada/plan"
)

// both are the two ways of a layout: directly where that goes, and by MessagePack.
type both struct {
	layout      *frame.Layout
	fast, other *wire
}

func bothOf(t interface{ Fatal(...any) }, c *Described, typ plans.Type, types map[string]plans.Type) both {
	l, err := frame.Compile(typ, types)
	if err != nil {
		t.Fatal(err)
	}
	w, err := c.Wire(l)
	if err != nil {
		t.Fatal(err)
	}
	b := both{layout: l, fast: w.(*wire)}
	other := *b.fast
	slow := *b.fast.translator
	slow.direct = direct{}
	other.translator = &slow
	b.other = &other
	return b
}

// read reads a message both ways; nil: it is none.
func (b both) read(t interface{ Fatalf(string, ...any) }, message []byte) []byte {
	got, err := frameOf(b.fast, message)
	want, wrong := frameOf(b.other, message)
	if fmt.Sprint(err) != fmt.Sprint(wrong) || !bytes.Equal(got, want) {
		t.Fatalf("%x as %s:\n got %x, %v\nwant %x, %v", message, b.layout, got, err, want, wrong)
	}
	for untried := range 2 { // in one go, and in two
		s := scratch{reader: reader{untried: untried}}
		if got, ok := s.frame(nil, message, b.fast.translator); b.fast.reads && message != nil && ok && (wrong != nil || !bytes.Equal(got, want)) {
			t.Fatalf("%x as %s, untried %d:\n got %x\nwant %x, %v", message, b.layout, untried, got, want, wrong)
		}
	}
	return got
}

// write writes a frame both ways.
func (b both) write(t interface{ Fatalf(string, ...any) }, value []byte) {
	got, err := b.fast.Append([]byte("before"), value)
	want, wrong := b.other.Append([]byte("before"), value)
	if fmt.Sprint(err) != fmt.Sprint(wrong) || !bytes.Equal(got, want) {
		t.Fatalf("%x of %s:\n got %x, %v\nwant %x, %v", value, b.layout, got, err, want, wrong)
	}
}

// directly says which ways took a message and its frame without MessagePack.
func (b both) directly(message, value []byte) (read, written bool) {
	var s scratch
	if b.fast.reads {
		_, read = s.frame(nil, message, b.fast.translator)
	}
	if b.fast.writes {
		_, written = s.frames.write(nil, value, b.fast.translator, false)
	}
	return read, written
}

// schemas draws a file with messages A to C, which may contain each other.
func schemas(t *rapid.T) string {
	proto3 := rapid.Bool().Draw(t, "proto3")
	var s strings.Builder
	s.WriteString(`syntax = "proto2"; enum E { ZERO = 0; ONE = 1; MANY = -7; }`)
	if proto3 {
		s.Reset()
		s.WriteString(`syntax = "proto3"; enum E { ZERO = 0; ONE = 1; MANY = -7; }`)
	}
	scalars := []string{"bool", "string", "bytes", "int32", "int64", "sint32", "sint64", "uint32", "uint64", "fixed32", "fixed64", "sfixed32", "sfixed64", "float", "double", "E"}
	keys := []string{"string", "bool", "int32", "sint64", "uint32", "fixed64", "sfixed32"}
	for m := range 3 {
		fmt.Fprintf(&s, " message %c {", 'A'+m)
		numbers := []int{1, 2, 3, 15, 16, 300, 5000}
		if rapid.IntRange(0, 2).Draw(t, "in no order") == 0 {
			numbers = rapid.Permutation(numbers).Draw(t, "numbers")
		}
		single := func(label string) string {
			return label + rapid.SampledFrom(append([]string{"A", "B", "C"}, scalars...)).Draw(t, "kind")
		}
		open := false
		for i := range rapid.IntRange(1, 7).Draw(t, "fields") {
			in := rapid.SampledFrom([]string{"single", "optional", "repeated", "packed", "map", "oneof", "group", "required"}).Draw(t, "shape")
			if open && in != "oneof" {
				s.WriteString(" }")
				open = false
			}
			label, rest := "", ""
			switch {
			case in == "oneof":
				if !open {
					fmt.Fprintf(&s, " oneof o%d {", i)
				}
				open = true
				rest = single("")
			case in == "map":
				value := rapid.SampledFrom(append([]string{"A", "B", "C"}, scalars...)).Draw(t, "value")
				rest = fmt.Sprintf("map<%s, %s>", rapid.SampledFrom(keys).Draw(t, "key"), value)
			case in == "repeated":
				rest = single("repeated ")
			case in == "packed":
				packed := rapid.Bool().Draw(t, "packed")
				fmt.Fprintf(&s, " repeated %s f%d = %d [packed = %t];", rapid.SampledFrom(append(scalars[3:], "bool")).Draw(t, "kind"), i, numbers[i], packed)
				continue
			case in == "group" && !proto3:
				fmt.Fprintf(&s, " %s group F%d = %d { optional int32 n = 1; optional A a = 2; }", rapid.SampledFrom([]string{"optional", "repeated"}).Draw(t, "label"), i, numbers[i])
				continue
			case in == "required" && !proto3:
				rest = "required " + rapid.SampledFrom(scalars).Draw(t, "kind")
			case in == "single" && proto3:
				rest = single("")
			default:
				label = "optional "
				rest = single(label)
			}
			fmt.Fprintf(&s, " %s f%d = %d;", rest, i, numbers[i])
		}
		if open {
			s.WriteString(" }")
		}
		s.WriteString(" }")
	}
	return s.String()
}

// shaped makes a type another one that the schema goes with: members that are missing, in
// another order, of other kinds, that may be null or are left out.
func shaped(t *rapid.T, types map[string]plans.Type) map[string]plans.Type {
	wider := map[plans.TypeKind][]plans.TypeKind{
		plans.TInt32: {plans.TInt64, plans.TInt16, plans.TUint32}, plans.TUint32: {plans.TInt64, plans.TUint64}, plans.TInt64: {plans.TInt32, plans.TUint64}, plans.TUint64: {plans.TInt64},
		plans.TFloat32: {plans.TFloat64, plans.TInt64}, plans.TFloat64: {plans.TFloat32}, plans.TString: {plans.TBytes}, plans.TBytes: {plans.TString}, plans.TBool: {plans.TInt32},
	}
	rarely := func(what string) bool { return rapid.IntRange(0, 7).Draw(t, what) == 0 }
	other := func(typ plans.Type) plans.Type {
		if all := wider[typ.Kind]; all != nil && rarely("kind") {
			typ.Kind = rapid.SampledFrom(all).Draw(t, "other kind")
		}
		if rarely("nullable") {
			typ.Nullable = true
		}
		return typ
	}
	plain := rapid.Bool().Draw(t, "plain")
	out := map[string]plans.Type{}
	for _, name := range slices.Sorted(mapsKeys(types)) {
		st := types[name]
		st.Fields = slices.Clone(st.Fields)
		if !plain {
			if rarely("reorder") {
				st.Fields = rapid.Permutation(st.Fields).Draw(t, "order")
			}
			if len(st.Fields) > 1 && rarely("drop") {
				st.Fields = st.Fields[1:]
			}
			if rarely("more") {
				st.Fields = append(st.Fields, plans.Field{Name: "more", Optional: true, Type: plans.Type{Kind: plans.TInt32, Nullable: rapid.Bool().Draw(t, "null")}})
			}
			for i := range st.Fields {
				f := &st.Fields[i]
				f.Type = other(f.Type)
				if f.Type.Elem != nil {
					elem := other(*f.Type.Elem)
					f.Type.Elem = &elem
				}
				if rarely("omit") {
					f.Omit, f.Optional = rapid.SampledFrom([]string{"omitempty", "omitzero", "omitempty,omitzero"}).Draw(t, "rule"), true
				}
				if rarely("optional") {
					f.Optional = !f.Optional || f.Type.Kind == plans.TRef // or values would have no end
				}
			}
		}
		out[name] = st
	}
	return out
}

func mapsKeys[V any](m map[string]V) func(func(string) bool) {
	return func(yield func(string) bool) {
		for k := range m {
			if !yield(k) {
				return
			}
		}
	}
}

// spelled draws the bytes of a message: fields in any order and number, in parts, packed or
// not, of wire types that they have not, and such that nobody knows.
func spelled(t *rapid.T, d protoreflect.MessageDescriptor, depth int) []byte {
	var b []byte
	fields := d.Fields()
	order := make([]int, 0, 2*fields.Len())
	for i := range fields.Len() {
		order = append(order, i)
	}
	if rapid.IntRange(0, 3).Draw(t, "as it comes") == 0 {
		order = rapid.SliceOfN(rapid.IntRange(0, fields.Len()-1), 0, 2*fields.Len()).Draw(t, "order")
	}
	for _, i := range order {
		fd := fields.Get(i)
		odd := rapid.IntRange(0, 15).Draw(t, "odd")
		switch {
		case odd == 0:
			b = protowire.AppendVarint(protowire.AppendTag(b, 9, protowire.VarintType), 7)
		case odd == 1:
			b = protowire.AppendFixed32(protowire.AppendTag(b, fd.Number(), protowire.Fixed32Type), 7)
		case odd < 4 && fd.Cardinality() != protoreflect.Required:
		case fd.IsMap():
			for range rapid.IntRange(0, 3).Draw(t, "entries") {
				var e []byte
				for range rapid.IntRange(0, 1).Draw(t, "again") + 1 {
					if rapid.IntRange(0, 7).Draw(t, "no key") > 0 {
						e = spelledValue(t, e, fd.MapKey(), depth)
					}
					if rapid.IntRange(0, 7).Draw(t, "no value") > 0 {
						e = spelledValue(t, e, fd.MapValue(), depth)
					}
				}
				b = protowire.AppendBytes(protowire.AppendTag(b, fd.Number(), protowire.BytesType), e)
			}
		case fd.IsList():
			for range rapid.IntRange(0, 3).Draw(t, "elements") {
				b = spelledValue(t, b, fd, depth)
			}
		default:
			b = spelledValue(t, b, fd, depth)
		}
	}
	return b
}

func spelledValue(t *rapid.T, b []byte, fd protoreflect.FieldDescriptor, depth int) []byte {
	wire := wires[fd.Kind()]
	if fd.Message() != nil {
		var inner []byte
		if depth > 0 {
			inner = spelled(t, fd.Message(), depth-1)
		}
		b = protowire.AppendTag(b, fd.Number(), wire)
		if wire == protowire.StartGroupType {
			return protowire.AppendTag(append(b, inner...), fd.Number(), protowire.EndGroupType)
		}
		return protowire.AppendBytes(b, inner)
	}
	one := func(b []byte) []byte {
		switch wire {
		case protowire.Fixed32Type:
			return protowire.AppendFixed32(b, rapid.OneOf(rapid.Uint32(), rapid.SampledFrom([]uint32{0, 1, 1 << 31, 0x7f800000, 0x7fc00000, 0x7f800001})).Draw(t, "fixed32"))
		case protowire.Fixed64Type:
			return protowire.AppendFixed64(b, rapid.OneOf(rapid.Uint64(), rapid.SampledFrom([]uint64{0, 1, 1 << 63, math.Float64bits(1.5), math.Float64bits(1e300), math.Float64bits(math.Inf(1)), 0x7ff0000000000001})).Draw(t, "fixed64"))
		}
		return protowire.AppendVarint(b, rapid.OneOf(rapid.Uint64(), rapid.SampledFrom([]uint64{0, 1, 2, 3, 127, 128, 1<<31 - 1, 1 << 31, 1<<32 - 1, 1 << 63, 1<<64 - 1})).Draw(t, "varint"))
	}
	if wire == protowire.BytesType {
		text := rapid.SampledFrom([]string{"", "a", "b", "ba", "10", "é", "\xff", strings.Repeat("long", 40)}).Draw(t, "text")
		return protowire.AppendBytes(protowire.AppendTag(b, fd.Number(), wire), []byte(text))
	}
	if fd.IsList() && rapid.Bool().Draw(t, "packed") {
		var all []byte
		for range rapid.IntRange(0, 3).Draw(t, "numbers") {
			all = one(all)
		}
		return protowire.AppendBytes(protowire.AppendTag(b, fd.Number(), protowire.BytesType), all)
	}
	return one(protowire.AppendTag(b, fd.Number(), wire))
}

// framedOf draws a frame of a type, as writers in other languages may make it.
func framedOf(t *rapid.T, b []byte, typ plans.Type, types map[string]plans.Type, depth int) []byte {
	typ, err := typ.Resolve(types)
	if err != nil {
		t.Fatal(err)
	}
	if typ.Nullable {
		if rapid.IntRange(0, 3).Draw(t, "null") == 0 {
			return append(b, null)
		}
		b = append(b, present)
	}
	word := func(w uint64) []byte { return binary.LittleEndian.AppendUint64(b, w) }
	few := rapid.SampledFrom([]string{"", "a", "b", "ba", "é", "true", "false", "0", "-0", "7", "-7", "10", "07", "4294967295", "2147483648", "-2147483648", "-9223372036854775808", "18446744073709551615", "18446744073709551616"})
	blob := func(b []byte, s string) []byte {
		return append(binary.LittleEndian.AppendUint32(b, uint32(len(s))), s...)
	}
	switch typ.Kind {
	case plans.TBool:
		return append(b, byte(rapid.IntRange(0, 1).Draw(t, "bool")))
	case plans.TString, plans.TBytes:
		return blob(b, rapid.OneOf(few, rapid.SampledFrom([]string{"\xff", strings.Repeat("long", 40)})).Draw(t, "text"))
	case plans.TFloat32, plans.TFloat64:
		return word(math.Float64bits(rapid.OneOf(rapid.Float64(), rapid.SampledFrom([]float64{0, math.Copysign(0, -1), 1.5, 1e300, 1e-300, math.Inf(-1), math.NaN(), math.Float64frombits(0x7ff0000000000001)})).Draw(t, "float")))
	case plans.TList:
		n := rapid.IntRange(0, 3).Draw(t, "count")
		b = binary.LittleEndian.AppendUint32(b, uint32(n))
		for range n {
			b = framedOf(t, b, *typ.Elem, types, depth)
		}
		return b
	case plans.TMap:
		n := rapid.IntRange(0, 3).Draw(t, "count")
		b = binary.LittleEndian.AppendUint32(b, uint32(n))
		for range n {
			b = framedOf(t, blob(b, few.Draw(t, "key")), *typ.Elem, types, depth)
		}
		return b
	case plans.TStruct:
		for _, f := range typ.Fields {
			of, err := f.Type.Resolve(types)
			if err != nil {
				t.Fatal(err)
			}
			if f.Optional && (of.Kind == plans.TStruct && depth <= 0 || rapid.IntRange(0, 2).Draw(t, "absent") == 0) {
				b = append(b, absent)
				continue
			}
			if f.Optional && !of.Nullable {
				b = append(b, present)
			}
			if (of.Kind == plans.TList || of.Kind == plans.TMap) && depth <= 0 {
				if of.Nullable {
					b = append(b, present)
				}
				b = append(b, 0, 0, 0, 0)
				continue
			}
			b = framedOf(t, b, f.Type, types, depth-1)
		}
		return b
	}
	return word(rapid.OneOf(rapid.Uint64(), rapid.SampledFrom([]uint64{0, 1, 127, 128, 1<<31 - 1, 1 << 31, 1<<32 - 1, 1 << 63, 1<<64 - 1, 1<<64 - 7})).Draw(t, "integer"))
}

// TestDirectAsByMessagePack holds the direct way against that by MessagePack, which is the one
// that says what a message means: the same frames and messages, byte for byte, and the same
// errors, of any schema, type and spelling, also of torn bytes.
func TestDirectAsByMessagePack(t *testing.T) {
	read, written, once := 0, 0, 0
	rapid.Check(t, func(t *rapid.T) {
		text := schemas(t)
		c, err := Of(text, nil, "A")
		if err != nil {
			t.Skip(err) // a message that contains itself without end
		}
		c.set.Strict = rapid.IntRange(0, 3).Draw(t, "strict") == 0
		kind := c.Type
		if rapid.Bool().Draw(t, "writable") {
			kind = c.Writable
		}
		typ, types, err := kind(plans.Type{Kind: plans.TAny}, nil)
		if err != nil {
			t.Fatal(err)
		}
		types = shaped(t, types)
		typ.Nullable = rapid.IntRange(0, 7).Draw(t, "root") == 0
		if _, err := frame.Compile(typ, types); err != nil {
			t.Skip(err)
		}
		b := bothOf(t, c, typ, types)
		message := spelled(t, c.desc, 3)
		value := b.read(t, message)
		torn := bytes.Clone(message[:rapid.IntRange(0, len(message)).Draw(t, "cut")])
		b.read(t, torn)
		if len(torn) > 0 {
			torn[rapid.IntRange(0, len(torn)-1).Draw(t, "at")] = rapid.Byte().Draw(t, "byte")
			b.read(t, append(torn, message[len(torn):]...))
		}
		if value != nil {
			b.write(t, value)
			r, w := b.directly(message, value)
			if r {
				read++
			}
			if s := (scratch{}); b.fast.reads && b.fast.streams {
				if _, ok := s.frame(nil, message, b.fast.translator); ok && s.untried == 0 {
					once++
				}
			}
			if w {
				written++
			}
		}
		value = framedOf(t, nil, typ, types, 3)
		b.write(t, value)
		torn = bytes.Clone(value[:rapid.IntRange(0, len(value)).Draw(t, "cut")])
		b.write(t, torn)
		if len(torn) > 0 {
			torn[rapid.IntRange(0, len(torn)-1).Draw(t, "at")] = rapid.Byte().Draw(t, "byte")
			b.write(t, append(torn, value[len(torn):]...))
		}
	})
	if read == 0 || written == 0 || once == 0 {
		t.Errorf("%d messages, %d of them in one go, and %d frames went directly", read, once, written)
	}
	t.Logf("%d messages, %d of them in one go, and %d frames went directly", read, once, written)
}

const metricSchema = `syntax = "proto3";
message Metric {
  int64 org_id = 1; int64 project_id = 2; string name = 3; map<string, string> tags = 4;
  int64 timestamp = 5; int64 retention_days = 6; string type = 7; double value = 8;
}`

// TestWhatIsDirect says which types go directly, so that none is slow by mistake, and that
// what everybody writes is not odd.
func TestWhatIsDirect(t *testing.T) {
	c, err := Of(metricSchema, nil, "")
	if err != nil {
		t.Fatal(err)
	}
	text, whole, real := plans.Type{Kind: plans.TString}, plans.Type{Kind: plans.TInt64}, plans.Type{Kind: plans.TFloat64}
	tags := plans.Type{Kind: plans.TMap, Elem: &text}
	ways := func(d direct) string {
		return fmt.Sprintf("reads %t, writes %t, streams %t", d.reads, d.writes, d.streams)
	}
	for _, v := range []struct {
		name   string
		fields []plans.Field
		want   direct
	}{
		{"as the schema", []plans.Field{{Name: "org_id", Type: whole}, {Name: "name", Type: text}, {Name: "tags", Type: tags}, {Name: "value", Type: real}}, direct{true, true, true}},
		{"in another order", []plans.Field{{Name: "value", Type: real}, {Name: "tags", Type: tags}, {Name: "org_id", Type: whole}}, direct{true, true, false}},
		{"of three states", []plans.Field{{Name: "org_id", Type: plans.Type{Kind: plans.TInt64, Nullable: true}, Optional: true}}, direct{true, true, true}},
		{"left out", []plans.Field{{Name: "name", Type: text, Optional: true, Omit: "omitempty"}, {Name: "value", Type: real, Optional: true, Omit: "omitzero"}}, direct{true, true, true}},
		{"unknown", []plans.Field{{Name: "name", Type: text}, {Name: "more", Type: text, Optional: true}}, direct{true, true, true}},
		{"unknown and there", []plans.Field{{Name: "name", Type: text}, {Name: "more", Type: text}}, direct{}},
		{"narrower", []plans.Field{{Name: "org_id", Type: plans.Type{Kind: plans.TUint32}}, {Name: "value", Type: plans.Type{Kind: plans.TFloat32}}}, direct{true, true, true}},
		{"another kind", []plans.Field{{Name: "org_id", Type: real}}, direct{}},
		{"any", []plans.Field{{Name: "name", Type: plans.Type{Kind: plans.TAny}}}, direct{}},
		{"rules", []plans.Field{{Name: "name", Type: text, Rules: "minlen=1"}}, direct{}},
		{"a constant", []plans.Field{{Name: "name", Type: text, Const: `"x"`}}, direct{}},
		{"a time", []plans.Field{{Name: "timestamp", Type: plans.Type{Kind: plans.TTime, Unit: "unix"}}}, direct{}},
	} {
		b := bothOf(t, c, plans.Type{Kind: plans.TStruct, Fields: v.fields}, nil)
		if b.fast.direct != v.want {
			t.Errorf("%s: got %s, want %s", v.name, ways(b.fast.direct), ways(v.want))
		}
		if !v.want.reads {
			continue
		}
		const message = "\x08\x01\x10\x03\x1a\x01n\x22\x06\x0a\x01b\x12\x01x\x22\x06\x0a\x01a\x12\x01y\x41\x00\x00\x00\x00\x00\x00\xf8\x3f"
		value := b.read(t, []byte(message))
		b.write(t, value)
		if read, written := b.directly([]byte(message), value); !read || !written {
			t.Errorf("%s: read %t, written %t", v.name, read, written)
		}
	}
	for _, l := range []*frame.Layout{frame.Any()} {
		w, err := c.Wire(l)
		if err != nil {
			t.Fatal(err)
		}
		if w.(*wire).direct != (direct{}) {
			t.Errorf("%s goes directly", l)
		}
	}
	c.set.Strict = true
	all := bothOf(t, c, plans.Type{Kind: plans.TStruct, Fields: []plans.Field{{Name: "org_id", Type: whole}}}, nil)
	if all.fast.direct != (direct{}) {
		t.Error("what is looked into without a place in the frame goes directly")
	}
}

// sources are layouts of the schemas of the tests: as they are, by number, and the other way
// round.
func sources(t interface{ Fatal(...any) }, kinds, odd *Described) []both {
	var out []both
	for _, c := range []*Described{kinds, odd} {
		for _, of := range []func(plans.Type, map[string]plans.Type) (plans.Type, map[string]plans.Type, error){c.Type, c.Writable} {
			for _, order := range []func([]plans.Field, protoreflect.FieldDescriptors){
				func([]plans.Field, protoreflect.FieldDescriptors) {},
				func(fields []plans.Field, known protoreflect.FieldDescriptors) {
					slices.SortFunc(fields, func(a, b plans.Field) int {
						return cmp.Compare(known.ByName(protoreflect.Name(a.Name)).Number(), known.ByName(protoreflect.Name(b.Name)).Number())
					})
				},
				func(fields []plans.Field, _ protoreflect.FieldDescriptors) { slices.Reverse(fields) },
			} {
				typ, types, err := of(plans.Type{Kind: plans.TAny}, nil)
				if err != nil {
					t.Fatal(err)
				}
				for _, d := range within(c.desc, nil) {
					order(types[nameOfType(d)].Fields, d.Fields())
				}
				out = append(out, bothOf(t, c, typ, types))
			}
		}
	}
	if !out[1].fast.streams || !out[7].fast.streams || out[2].fast.streams {
		t.Fatal("a layout by number is one that is gone through once, and the other way round is none")
	}
	return out
}

// within are a message and those that it has, behind those that are known.
func within(d protoreflect.MessageDescriptor, known []protoreflect.MessageDescriptor) []protoreflect.MessageDescriptor {
	if slices.Contains(known, d) {
		return known
	}
	known = append(known, d)
	for i := range d.Fields().Len() {
		fd := d.Fields().Get(i)
		switch {
		case fd.IsMap() && fd.MapValue().Message() != nil:
			known = within(fd.MapValue().Message(), known)
		case !fd.IsMap() && fd.Message() != nil:
			known = within(fd.Message(), known)
		}
	}
	return known
}

// TestDirectTorn tears messages and frames at each byte.
func TestDirectTorn(t *testing.T) {
	kinds, odd := schemaOf(t, "kindspb/kinds.proto", "Kinds"), schemaOf(t, "odd.proto", "")
	const id = "\x08\x01"
	messages := []string{
		id + "\x10\x07\x1a\x03\x01\x02\x03\x22\x02\x08\x01\x2a\x02\x08\x01\x2a\x04\x08\x80\x80\x01\x32\x07\x0a\x01b\x12\x02\x08\x01\x32\x07\x0a\x01a\x12\x02\x08\x01",
		id + "\x3b\x0a\x01x\x3c\x43\x0a\x01x\x44\x43\x44\x62\x01a\x6a\x01\x05\x72\x04\x08\x01\x10\x00\x7a\x02\x08\x01\x82\x01\x06\x08\x03\x12\x02\x08\x01\xc2\xb8\x02\x05\x0a\x01k\x12\x00",
	}
	for _, text := range []string{"a", "\xff"} { // which proto2 does not look at
		messages = append(messages, id+"\x62\x01"+text, id+"\x43\x0a\x01"+text+"\x44", id+"\x32\x07\x0a\x01"+text+"\x12\x02\x08\x01", id+"\x8a\x01\x0c\x09\x01\x00\x00\x00\x00\x00\x00\x00\x12\x01"+text)
	}
	// Two members of a oneof, texts that are none in a list, as a key and as a value.
	messages = append(messages, "\xb2\x04\x01a\xb8\x04\x02", "\x9a\x02\x01\xff", "\x92\x03\x06\x0a\x01\xff\x12\x01v", "\x92\x03\x06\x0a\x01k\x12\x01\xff", "\x92\x03\x06\x0a\x01k\x12\x01v")
	for name := range oddities {
		messages = append(messages, oddities[name])
	}
	for _, b := range sources(t, kinds, odd) {
		for _, message := range messages {
			for end := range len(message) + 1 {
				value := b.read(t, []byte(message[:end]))
				if end < len(message) || value == nil {
					continue
				}
				for end := range len(value) + 1 {
					b.write(t, value[:end])
				}
			}
		}
	}
}

// TestDirectDepth: as deep as frames may be and no deeper, on whatever way.
func TestDirectDepth(t *testing.T) {
	c, err := Of(`syntax = "proto3"; message M { M m = 1; repeated int32 l = 2; map<string, M> of = 3; int32 n = 4; }`, nil, "")
	if err != nil {
		t.Fatal(err)
	}
	typ, types, err := c.Type(plans.Type{Kind: plans.TAny}, nil)
	if err != nil {
		t.Fatal(err)
	}
	b := bothOf(t, c, typ, types)
	for _, levels := range []int{10, 9996, 9997, 9998, 9999, 10_000, 10_001} {
		message := []byte{}
		for range levels - 1 {
			message = protowire.AppendBytes([]byte{0x0a}, message)
		}
		value := b.read(t, message)
		if (value != nil) != (levels < 10_000) {
			t.Errorf("%d levels: got a frame of %d bytes", levels, len(value))
		}
		read, _ := b.directly(message, nil)
		if read != (levels < 10_000) {
			t.Errorf("%d levels: directly %t", levels, read)
		}
		if value != nil {
			b.write(t, value)
		}
	}
	// One that has nothing but itself, without a level below the last one.
	if c, err = Of(`syntax = "proto3"; message M { M m = 1; }`, nil, ""); err != nil {
		t.Fatal(err)
	}
	if typ, types, err = c.Type(plans.Type{Kind: plans.TAny}, nil); err != nil {
		t.Fatal(err)
	}
	chain := bothOf(t, c, typ, types)
	for _, levels := range []int{9999, 10_000, 10_001} {
		value := append(bytes.Repeat([]byte{present}, levels-1), absent)
		chain.write(t, value)
		if _, written := chain.directly(nil, value); written != (levels <= 10_000) {
			t.Errorf("%d levels: written directly %t", levels, written)
		}
	}
	// Groups are told from each other's ends, which takes long where many are within each other.
	odd := schemaOf(t, "odd.proto", "")
	if typ, types, err = odd.Type(plans.Type{Kind: plans.TAny}, nil); err != nil {
		t.Fatal(err)
	}
	groups := bothOf(t, odd, typ, types)
	for _, levels := range []int{1, 99, 100, 101} {
		message := []byte{0x08, 1}
		for range levels {
			message = append(protowire.AppendBytes([]byte{0x08, 1, 0x3b, 0x0a, 0, 0x12}, message), 0x3c)
		}
		value := groups.read(t, message)
		if (value != nil) != (levels <= 100) {
			t.Errorf("%d groups: got a frame of %d bytes", levels, len(value))
		}
		if read, _ := groups.directly(message, nil); read != (levels <= 100) {
			t.Errorf("%d groups: directly %t", levels, read)
		}
	}
	// A frame of its own depth: what the deepest one has are its two lists.
	for _, levels := range []int{9999, 10_000, 10_001} {
		value := bytes.Repeat([]byte{present}, levels-1)
		value = append(value, absent)
		for range levels {
			value = append(value, 0, 0, 0, 0, 0, 0, 0, 0)
			value = append(value, 7, 0, 0, 0, 0, 0, 0, 0)
		}
		b.write(t, value)
	}
}

// TestDirectOrder: a message in another order than the frame is read all the same, and where they
// come in order again they are gone through once again.
func TestDirectOrder(t *testing.T) {
	c, err := Of(metricSchema, nil, "")
	if err != nil {
		t.Fatal(err)
	}
	typ, types, err := c.Type(plans.Type{Kind: plans.TAny}, nil)
	if err != nil {
		t.Fatal(err)
	}
	b := bothOf(t, c, typ, types)
	inOrder, other := []byte("\x08\x01\x1a\x01n"), []byte("\x1a\x01n\x08\x01")
	want := b.read(t, inOrder)
	var s scratch
	var untried []int
	for _, message := range [][]byte{inOrder, other, inOrder, other} {
		for range notTried {
			if got, ok := s.frame(nil, message, b.fast.translator); !ok || !bytes.Equal(got, want) {
				t.Fatalf("%x: got %x, %t, want %x", message, got, ok, want)
			}
		}
		untried = append(untried, s.untried)
	}
	if want := []int{0, 1, 0, 1}; !slices.Equal(untried, want) {
		t.Errorf("got %d messages that are not tried, want %d", untried, want)
	}
}

// TestDirectZeros: two bytes can be a message with many members, and so many there may be in all.
func TestDirectZeros(t *testing.T) {
	var s strings.Builder
	s.WriteString(`syntax = "proto3"; message M { repeated Z all = 1; } message Z {`)
	for i := range 100 {
		fmt.Fprintf(&s, " int32 %s%d = %d;", strings.Repeat("long", 50), i, i+1)
	}
	c, err := Of(s.String()+" }", nil, "M")
	if err != nil {
		t.Fatal(err)
	}
	typ, types, err := c.Type(plans.Type{Kind: plans.TAny}, nil)
	if err != nil {
		t.Fatal(err)
	}
	b := bothOf(t, c, typ, types)
	each := 10*(2+200+1+1) + 90*(2+200+2+1)
	for _, count := range []int{maxZeros / each, maxZeros/each + 1} {
		message := bytes.Repeat([]byte{0x0a, 0}, count)
		value := b.read(t, message)
		read, _ := b.directly(message, nil)
		if want := count*each <= maxZeros; (value != nil) != want || read != want {
			t.Errorf("%d messages: got a frame of %d bytes, directly %t", count, len(value), read)
		}
	}
}

// doubled is the frame of two maps in which each entry of the first comes again, as no writer of
// Go makes it.
func doubled(value []byte) []byte {
	count, end := binary.LittleEndian.Uint32(value), 4
	for range count {
		end += 4 + int(binary.LittleEndian.Uint32(value[end:])) + 8
	}
	again := bytes.Clone(value[4:end])
	for at := 0; at < len(again); at += 8 {
		at += 4 + int(binary.LittleEndian.Uint32(again[at:]))
		again[at] ^= 0x55 // another value
	}
	out := binary.LittleEndian.AppendUint32(nil, 2*count)
	return slices.Concat(out, value[4:end], again, value[end:])
}

// TestDirectNames: of keys that are one the last counts, however many there are.
func TestDirectNames(t *testing.T) {
	c, err := Of(`syntax = "proto3"; message M { map<string, int32> of = 1; map<int32, int32> by = 2; }`, nil, "")
	if err != nil {
		t.Fatal(err)
	}
	typ, types, err := c.Type(plans.Type{Kind: plans.TAny}, nil)
	if err != nil {
		t.Fatal(err)
	}
	b := bothOf(t, c, typ, types)
	for _, count := range []int{2, 11, 12, 13, 40, 1000} {
		for _, twice := range []int{-1, 0, count / 2, count - 1} {
			var message []byte
			entry := func(i, value int) {
				e := protowire.AppendString([]byte{0x0a}, fmt.Sprint("key", (i*7919)%count))
				message = protowire.AppendBytes(append(message, 0x0a), append(e, 0x10, byte(value&0x7f)))
				message = protowire.AppendBytes(append(message, 0x12), protowire.AppendVarint([]byte{0x10, byte(value & 0x7f), 0x08}, uint64(int64((i*7919)%count-5))))
			}
			for i := range count {
				entry(i, i)
			}
			if twice >= 0 {
				entry(twice, 77)
			}
			value := b.read(t, message)
			b.write(t, value)
			b.write(t, doubled(value))
			read, written := b.directly(message, value)
			if read != (twice < 0) || !written {
				t.Errorf("%d keys, %d twice: read directly %t, written %t", count, twice, read, written)
			}
		}
	}
}

// FuzzDirect holds the direct way against that by MessagePack, with bytes that are taken for a
// message and for a frame.
func FuzzDirect(f *testing.F) {
	kinds, odd := schemaOf(f, "kindspb/kinds.proto", "Kinds"), schemaOf(f, "odd.proto", "")
	all := sources(f, kinds, odd)
	for _, message := range oddities {
		for _, which := range []int{1, len(all)/2 + 1} {
			text := []byte(message)
			if which > 1 {
				text = append([]byte("\x08\x01"), text...)
			}
			f.Add(byte(which), text)
			if value, err := frameOf(all[which].fast, text); err == nil {
				f.Add(byte(which), value)
			}
		}
	}
	f.Fuzz(func(t *testing.T, which byte, text []byte) {
		b := all[int(which)%len(all)]
		if value := b.read(t, text); value != nil {
			b.write(t, value)
		}
		b.write(t, text)
	})
}
