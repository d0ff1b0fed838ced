package schema_test

import (
	"fmt"
	"math"
	"os"
	"reflect"
	"strings"
	"testing"

	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protodesc"
	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/types/descriptorpb"
	"google.golang.org/protobuf/types/dynamicpb"

	"github.com/levada-io/levada/codec/protobuf"
	"github.com/levada-io/levada/internal/schema"
	"github.com/levada-io/levada/internal/schema/testdata/types"
	"github.com/levada-io/levada/internal/typing"
	"github.com/levada-io/levada/plan"
)

func readProto(t *testing.T, text string) *schema.Types {
	t.Helper()
	s, err := schema.ReadTypes(folder("m.proto", text), "repo", "", nil)
	if err != nil {
		t.Fatalf("%v\n%s", err, text)
	}
	return s
}

// What became of a message, and who minds.
func TestDiffOfMessages(t *testing.T) {
	const two, kinds = `syntax = "proto2"; `, ` enum K { A = 0; B = 1; }`
	msg := func(fields string) string { return three + "message M {" + fields + "}" }
	for _, c := range []struct{ was, is, want string }{
		{msg("string a = 1;"), msg("string a = 1;"), ""},
		{msg("string a = 1;"), "// Words.\n" + msg("\n\n/* more */ string a = 1;"), ""},
		{msg("string a = 1;"), msg("string a = 1 [deprecated = true];"), "beyond"},

		// Fields come and go.
		{msg("string a = 1;"), msg("string a = 1; int32 b = 2;"), "$.b: a new field (full)"},
		{msg("string a = 1; int32 b = 2;"), msg("string a = 1;"), "$.b: was removed, and its number 2 is not reserved (full)"},
		{msg("string a = 1; int32 b = 2;"), msg("string a = 1; reserved 2;"), "$.b: was removed (full)"},
		{msg("reserved 2;"), msg("int32 b = 2;"), "$.b: takes number 2, which was reserved: messages may have something else there (none)"},
		{msg(`reserved "b";`), msg("int32 b = 2;"), "$.b: a new field, by a name that was reserved (full)"},
		{msg("int32 b = 2;"), msg("int32 b = 3;"), "$.b: had number 2, has 3: on the wire it is another field (none)"},
		{msg("int32 a = 1; int32 b = 2;"), msg("int32 b = 1; int32 a = 2;"), "$.b: was called a, which JSON and code mind, and messages do not (full)\n$.a: was called b, which JSON and code mind, and messages do not (full)"},
		{msg("int32 a = 1;"), msg("int32 b = 1;"), "$.b: was called a, which JSON and code mind, and messages do not (full)"},
		{msg("int32 a = 1;"), msg(`int32 a = 1 [json_name = "x"];`), `$.a: is "x" in JSON, was "a" (full)`},
		{two + "message M {}", two + "message M { required int32 a = 1; }", "$.a: a new required field, which old messages do not have (forward)"},
		{two + "message M { required int32 a = 1; }", two + "message M {}", "$.a: a required field was removed, old readers expect it (backward)"},
		{two + "message M { required int32 a = 1; }", two + "message M { optional int32 a = 1; }", "$.a: was required, is optional (backward)"},
		{two + "message M { optional int32 a = 1; }", two + "message M { required int32 a = 1; }", "$.a: was optional, is required (forward)"},
		{two + "message M { optional int32 a = 1; }", two + "message M { optional int32 a = 1 [default = 3]; }", "$.a: stood for 0 where it is absent, stands for 3 (none)"},
		{two + "message M { optional K a = 1; } enum K { A = 1; B = 2; }", two + "message M { optional K a = 1 [default = B]; } enum K { A = 1; B = 2; }", "$.a: stood for 1 where it is absent, stands for 2 (none)"},
		{msg("int32 a = 1;"), msg("optional int32 a = 1;"), "$.a: absent and zero are two things from now on (full)"},
		{msg("optional int32 a = 1;"), msg("int32 a = 1;"), "$.a: absent and zero are one thing from now on (full)"},

		// Types.
		{msg("int32 a = 1;"), msg("int64 a = 1;"), "$.a: was int32, is int64 (backward)"},
		{msg("int64 a = 1;"), msg("int32 a = 1;"), "$.a: was int64, is int32 (forward)"},
		{msg("int32 a = 1;"), msg("sint32 a = 1;"), "$.a: was int32, is sint32 (none)"},
		{msg("int32 a = 1;"), msg("string a = 1;"), "$.a: was int32, is string (none)"},
		{msg("string a = 1;"), msg("bytes a = 1;"), "$.a: was string, is bytes (backward)"},
		{msg("K a = 1;") + kinds, msg("int32 a = 1;"), "$.a: was K, is int32 (backward)"},
		{msg("string a = 1;"), msg("repeated string a = 1;"), "$.a: was string, is repeated string (backward)"},
		{msg("repeated int32 a = 1;"), msg("int64 a = 1;"), "$.a: was repeated int32, is int64 (none)"},
		{msg("repeated int32 a = 1;"), msg("repeated int32 a = 1 [packed = false];"), "beyond"},
		{msg("map<string, int32> a = 1;"), msg("map<string, int64> a = 1;"), "$.a[key]: was int32, is int64 (backward)"},
		{msg("map<int32, int32> a = 1;"), msg("map<string, int32> a = 1;"), "$.a: was map<int32, int32>, is map<string, int32> (none)"},
		{msg("map<string, int32> a = 1;"), msg("repeated E a = 1; message E { string key = 1; int32 value = 2; }"), "$.a: was map<string, int32>, is repeated E (none)"},
		{msg("N a = 1; message N { int32 x = 1; }"), msg("bytes a = 1;"), "$.a: was N, is bytes (none)"},
		{msg("N a = 1; message N { int32 x = 1; }"), msg("N a = 1; message N { string x = 1; }"), "$.a.x: was int32, is string (none)"},
		{msg("repeated N a = 1; map<string, N> b = 2; message N { int32 x = 1; }"), msg("repeated N a = 1; map<string, N> b = 2; message N { int64 x = 1; }"), "$.a[].x: was int32, is int64 (backward)"},
		{msg("N a = 1; message N { int32 x = 1; }"), msg("P a = 1; message P { int32 x = 1; }"), "$.a: the message was called N, is called P (full)"},
		{msg("M a = 1; int32 b = 2;"), msg("M a = 1; int64 b = 2;"), "$.b: was int32, is int64 (backward)"},
		{"edition = '2023'; message M { N a = 1; message N { int32 x = 1; } }", "edition = '2023'; message M { N a = 1 [features.message_encoding = DELIMITED]; message N { int32 x = 1; } }", "$.a: was N, is group N (none)"},
		{three + "package x; message M { N a = 1; message N {} }", three + "package y; message M { N a = 1; message N {} }", "$: the message was called x.M, is called y.M (full)"},
		{three + "message M {}", three + "message P {}", "$: the message was called M, is called P (full)"},

		// Enums.
		{msg("K a = 1;") + kinds, msg("K a = 1;") + " enum K { A = 0; B = 1; C = 2; }", "$.a: has got C, which old readers do not know (backward)"},
		{msg("K a = 1;") + kinds, msg("K a = 1;") + " enum K { A = 0; }", "$.a: has lost B (forward)"},
		{msg("K a = 1;") + kinds, msg("K a = 1;") + " enum K { A = 0; C = 1; }", "$.a: C was called B, which JSON and code mind, and messages do not (full)"},
		{msg("K a = 1;") + kinds, msg("K a = 1;") + " enum K { A = 0; B = 2; }", "$.a: B was 1, is 2 (none)"},
		{msg("K a = 1;") + kinds, msg("K a = 1;") + " enum K { option allow_alias = true; A = 0; C = 1; B = 1; }", "beyond"},
		{msg("K a = 1; repeated K b = 2;") + kinds, msg("K a = 1; repeated K b = 2;") + " enum K { A = 0; }", "$.a: has lost B (forward)"},

		// Oneofs.
		{msg("string a = 1;"), msg("oneof o { string a = 1; string b = 2; }"), "$.a: absent and zero are two things from now on (full)\n$.b: a new field (full)"},
		{msg("optional string a = 1;"), msg("oneof o { string a = 1; }"), "beyond"},
		{msg("optional string a = 1; optional int32 b = 2;"), msg("oneof o { string a = 1; int32 b = 2; }"), "$.(a, b): exclude each other from now on: of an old message that has several, one is left (forward)"},
		{msg("oneof o { string a = 1; int32 b = 2; }"), msg("optional string a = 1; optional int32 b = 2;"), "$.(a, b): do not exclude each other any more: of several, old readers see one (backward)"},
		{msg("oneof o { string a = 1; int32 b = 2; } optional int32 c = 3;"), msg("oneof o { string a = 1; int32 b = 2; int32 c = 3; }"), "$.(a, b, c): exclude each other from now on: of an old message that has several, one is left (forward)"},
		{msg("oneof o { string a = 1; } oneof p { int32 b = 2; }"), msg("oneof o { string a = 1; int32 b = 2; }"), "$.(a, b): exclude each other from now on: of an old message that has several, one is left (forward)"},
		{msg("oneof o { string a = 1; int32 b = 2; }"), msg("oneof p { string a = 1; int32 b = 2; int32 c = 3; }"), "$.c: a new field (full)"},
		{msg("oneof o { string a = 1; int32 b = 2; }"), msg("oneof o { string a = 1; } reserved 2;"), "$.b: was removed (full)"},
	} {
		old, now := readProto(t, c.was), readProto(t, c.is)
		ch := schema.Diff(old, now)[0]
		if got := lines(ch); got != c.want {
			t.Errorf("%s\n%s\nexpected\n%s\ngot\n%s", c.was, c.is, c.want, got)
		}
		back := schema.Diff(now, old)[0]
		if strings.Contains(lines(ch)+lines(back), "which was reserved") {
			continue // a number is reserved from then on, and not before
		}
		if ch.Changes.Backward() != back.Changes.Forward() || ch.Changes.Forward() != back.Changes.Backward() {
			t.Errorf("%s\n%s\nfrom both ends it is not the same:\n%s\nand\n%s", c.was, c.is, lines(ch), lines(back))
		}
	}
}

func lines(c schema.Change) string {
	var out []string
	for _, one := range c.Changes {
		out = append(out, fmt.Sprintf("%s: %s (%s)", one.Path, one.Text, typing.Changes{one}.Compatibility()))
	}
	if c.Beyond {
		out = append(out, "beyond")
	}
	return strings.Join(out, "\n")
}

func TestDiffOfAnotherKindOfSchema(t *testing.T) {
	message := readProto(t, three+"message M {}")
	other, err := schema.ReadTypes(folder("m.json", `{"type":"object"}`), "repo", "", nil)
	if err != nil {
		t.Fatal(err)
	}
	if got := lines(schema.Diff(message, other)[0]); got != "$: was a message of protocol buffers, has a schema of another kind (none)" {
		t.Error(got)
	}
	if got := lines(schema.Diff(other, message)[0]); got != "$: had a schema of another kind, is a message of protocol buffers (none)" {
		t.Error(got)
	}
}

// Rings of messages are held against each other until it is enough.
func TestDiffOfRings(t *testing.T) {
	ring := func(n int) *schema.Types {
		var b strings.Builder
		b.WriteString(three + "message M { A0 a = 1;\n")
		for i := range n {
			fmt.Fprintf(&b, "message A%d { A%d a = 1; }\n", i, (i+1)%n)
		}
		return readProto(t, b.String()+"}")
	}
	c := schema.Diff(ring(450), ring(449))[0]
	if got := c.Changes[len(c.Changes)-1]; !strings.Contains(lines(c), "more than 200000 pairs of messages, or 1000 within each other, stand against each other: they count as changed (none)") || c.Changes.Compatibility() != "none" {
		t.Errorf("got %v", got)
	}
	if c := schema.Diff(ring(450), ring(450))[0]; c.Changes != nil || c.Beyond {
		t.Errorf("got %v", c)
	}
}

// A pipeline breaks where old readers mind.
func TestBreaksOfMessages(t *testing.T) {
	const was = three + "message M { string a = 1; int32 b = 2; int64 c = 3; }"
	old, now := readProto(t, was), readProto(t, three+"message M { bytes a = 1; int64 b = 2; int32 c = 3; K d = 4; enum K { X = 0; } }")
	var got []string
	for _, c := range schema.Breaks(plan.Type{Kind: plan.TStruct}, nil, "m", old, now) {
		got = append(got, c.Path+": "+c.Text)
	}
	if want := "$.a: was string, is bytes\n$.b: was int32, is int64"; strings.Join(got, "\n") != want {
		t.Errorf("expected\n%s\ngot\n%s", want, strings.Join(got, "\n"))
	}
}

// every is a message of one field, for each kind that a field may have.
func every(t *testing.T) (texts []string, messages []protoreflect.MessageDescriptor) {
	t.Helper()
	for _, label := range []descriptorpb.FieldDescriptorProto_Label{descriptorpb.FieldDescriptorProto_LABEL_OPTIONAL, descriptorpb.FieldDescriptorProto_LABEL_REPEATED} {
		for kind := descriptorpb.FieldDescriptorProto_TYPE_DOUBLE; kind <= descriptorpb.FieldDescriptorProto_TYPE_SINT64; kind++ {
			if kind == descriptorpb.FieldDescriptorProto_TYPE_GROUP || kind == descriptorpb.FieldDescriptorProto_TYPE_MESSAGE {
				continue
			}
			f := &descriptorpb.FieldDescriptorProto{Name: new("a"), Number: new(int32(1)), Type: kind.Enum(), Label: label.Enum()}
			word, prefix := strings.ToLower(strings.TrimPrefix(kind.String(), "TYPE_")), "optional "
			if kind == descriptorpb.FieldDescriptorProto_TYPE_ENUM {
				f.TypeName = new(".K")
				word = "K"
			}
			if label == descriptorpb.FieldDescriptorProto_LABEL_REPEATED {
				prefix = "repeated "
			} else {
				f.Proto3Optional, f.OneofIndex = new(true), new(int32(0))
			}
			m := &descriptorpb.DescriptorProto{Name: new("M"), Field: []*descriptorpb.FieldDescriptorProto{f}}
			if f.OneofIndex != nil {
				m.OneofDecl = []*descriptorpb.OneofDescriptorProto{{Name: new("_a")}}
			}
			file, err := protodesc.NewFile(&descriptorpb.FileDescriptorProto{
				Name: new("m.proto"), Syntax: new("proto3"), MessageType: []*descriptorpb.DescriptorProto{m},
				EnumType: []*descriptorpb.EnumDescriptorProto{{Name: new("K"), Value: []*descriptorpb.EnumValueDescriptorProto{{Name: new("A"), Number: new(int32(0))}, {Name: new("B"), Number: new(int32(-5))}}}},
			}, nil)
			if err != nil {
				t.Fatal(err)
			}
			texts = append(texts, three+"message M { "+prefix+word+" a = 1; } enum K { A = 0; B = -5; }")
			messages = append(messages, file.Messages().Get(0))
		}
	}
	return texts, messages
}

// values are those at the ends of a kind.
func values(f protoreflect.FieldDescriptor) (out []protoreflect.Value) {
	add := func(vs ...any) {
		for _, v := range vs {
			out = append(out, protoreflect.ValueOf(v))
		}
	}
	switch f.Kind() {
	case protoreflect.BoolKind:
		add(true, false)
	case protoreflect.EnumKind:
		add(protoreflect.EnumNumber(-5))
	case protoreflect.Int32Kind, protoreflect.Sint32Kind, protoreflect.Sfixed32Kind:
		add(int32(math.MinInt32), int32(-1), int32(1), int32(math.MaxInt32))
	case protoreflect.Int64Kind, protoreflect.Sint64Kind, protoreflect.Sfixed64Kind:
		add(int64(math.MinInt64), int64(-1), int64(1), int64(math.MaxInt64))
	case protoreflect.Uint32Kind, protoreflect.Fixed32Kind:
		add(uint32(1), uint32(math.MaxUint32))
	case protoreflect.Uint64Kind, protoreflect.Fixed64Kind:
		add(uint64(1), uint64(math.MaxUint32), uint64(math.MaxUint64))
	case protoreflect.FloatKind:
		add(float32(1.5), float32(math.MaxFloat32))
	case protoreflect.DoubleKind:
		add(1.5, math.MaxFloat64)
	case protoreflect.StringKind:
		add("x", "\u00e9")
	case protoreflect.BytesKind:
		add([]byte("x"), []byte("\xff"))
	}
	return out
}

// shown is what a message has in its field, whatever the kind is called.
func shown(m *dynamicpb.Message, d protoreflect.MessageDescriptor) string {
	f := d.Fields().Get(0)
	one := func(v protoreflect.Value) string {
		switch v := v.Interface().(type) {
		case bool:
			if v {
				return "1"
			}
			return "0"
		case []byte:
			return string(v)
		default:
			return fmt.Sprint(v)
		}
	}
	if !m.Has(f) {
		return "[]"
	}
	if !f.IsList() {
		return "[" + one(m.Get(f)) + "]"
	}
	var out []string
	for i := range m.Get(f).List().Len() {
		out = append(out, one(m.Get(f).List().Get(i)))
	}
	return "[" + strings.Join(out, " ") + "]"
}

// What is called backward for two kinds of fields is held against what the library reads:
// every value that it is told to read, it reads, and of those that it is not told to, it
// misreads some.
func TestKindsAsTheLibraryReadsThem(t *testing.T) {
	texts, messages := every(t)
	pairs := 0
	for i, was := range messages {
		for k, is := range messages {
			claimed := schema.Diff(readProto(t, texts[i]), readProto(t, texts[k]))[0].Changes.Backward()
			f := was.Fields().Get(0)
			var all [][]protoreflect.Value
			for _, v := range values(f) {
				all = append(all, []protoreflect.Value{v})
				if f.IsList() {
					all = append(all, []protoreflect.Value{v, v})
				}
			}
			misread := ""
			for _, vs := range all {
				in, out := dynamicpb.NewMessage(was), dynamicpb.NewMessage(is)
				if f.IsList() {
					for _, v := range vs {
						in.Mutable(f).List().Append(v)
					}
				} else {
					in.Set(f, vs[0])
				}
				wire, err := proto.Marshal(in)
				if err != nil {
					t.Fatal(err)
				}
				if err := proto.Unmarshal(wire, out); err != nil {
					misread = err.Error()
				} else if before, after := shown(in, was), shown(out, is); before != after {
					misread = before + " became " + after
				}
			}
			pairs++
			if claimed && misread != "" {
				t.Errorf("%s\n%s\nis said to be backward, and %s", texts[i], texts[k], misread)
			}
			// Numbers that an enum has no name for, and integers that its values are not, are
			// read, and mean nothing.
			to := is.Fields().Get(0).Kind()
			if !claimed && misread == "" && to != protoreflect.EnumKind {
				t.Errorf("%s\n%s\nis said not to be backward, and all is read", texts[i], texts[k])
			}
		}
	}
	if pairs != 32*32 {
		t.Errorf("%d pairs", pairs)
	}
}

// Whatever two files say: a message has not changed since itself, and a change looks the
// same from both ends.
func FuzzDiffOfMessages(f *testing.F) {
	f.Add([]byte(three+"message M { oneof o { string a = 1; int32 b = 2; } map<string, M> c = 3; reserved 4; }"), []byte(three+"message M { string a = 1; int64 b = 2; repeated M c = 3; int32 d = 4; }"))
	f.Fuzz(func(t *testing.T, a, b []byte) {
		read := func(text []byte) *schema.Types {
			s, err := schema.ReadTypes(folder("m.proto", string(text)), "x", "", nil)
			if err != nil {
				t.Skip()
			}
			return s
		}
		old, again, now := read(a), read(a), read(b)
		if c := schema.Diff(old, again)[0]; c.Changes != nil || c.Beyond {
			t.Errorf("%s against itself: %s", a, lines(c))
		}
		there, back := schema.Diff(old, now)[0], schema.Diff(now, old)[0]
		if strings.Contains(lines(there)+lines(back), "which was reserved") {
			return // a number is reserved from then on, and not before
		}
		if there.Changes.Backward() != back.Changes.Forward() || there.Changes.Forward() != back.Changes.Backward() || there.Beyond != back.Beyond {
			t.Errorf("from %s to %s: %s, and back: %s", a, b, lines(there), lines(back))
		}
	})
}

// Codecs and Go types are judged by the message of the topic; what has none of its own is
// left to whoever compares members.
func TestTypesAndMessages(t *testing.T) {
	text, err := os.ReadFile("testdata/repo/schemas/tides.proto")
	if err != nil {
		t.Fatal(err)
	}
	place, err := os.ReadFile("testdata/repo/schemas/common/place.proto")
	if err != nil {
		t.Fatal(err)
	}
	type embeds struct{ proto.Message }
	for _, c := range []struct {
		codec    string
		t        reflect.Type
		old, new string // of the schema
		reads    string // what is said of a parse
		writes   string // and of a serialize
	}{
		{codec: "protobuf", t: reflect.TypeFor[types.Tide]()},
		{codec: "protobuf"},
		{codec: "protobuf", t: reflect.TypeFor[embeds]()},
		{codec: "protobuf", t: reflect.TypeFor[types.Weir]()},
		{codec: "avro", reads: "expected the codec protobuf for the message river.v1.Tide, got avro", writes: "expected the codec protobuf for the message river.v1.Tide, got avro"},
		{codec: "protobuf", t: reflect.TypeFor[types.Place](), reads: "expected the message river.v1.Tide, got river.v1.common.Place", writes: "expected the message river.v1.Tide, got river.v1.common.Place"},
		// Fields and values that only one of them has are no matter.
		{codec: "protobuf", t: reflect.TypeFor[types.Tide](), old: "string keeper = 11;", new: "string keeper = 11; int32 more = 99;"},
		{codec: "protobuf", t: reflect.TypeFor[types.Tide](), old: "PHASE_FLOOD = 2;", new: "PHASE_FLOOD = 2; PHASE_STILL = 3;"},
		{codec: "protobuf", t: reflect.TypeFor[types.Tide](), old: "PHASE_FLOOD = 2;", new: ""},
		{codec: "protobuf", t: reflect.TypeFor[types.Tide](), old: "uint32 mm = 1;", new: "uint64 mm = 1;", reads: "$.waves[].mm: was uint64, is uint32"},
		{codec: "protobuf", t: reflect.TypeFor[types.Tide](), old: "uint32 mm = 1;", new: "bool mm = 1;", writes: "$.waves[].mm: was uint32, is bool"},
	} {
		s, err := schema.ReadTypes(folder("tide.proto", strings.Replace(string(text), c.old, c.new, 1), "common/place.proto", string(place)), "repo", "tide.proto", nil)
		if err != nil {
			t.Fatal(err)
		}
		fits := s.Message("tide")
		said := map[bool]string{false: c.reads, true: c.writes}
		for writes, want := range said {
			judged, err := fits(c.codec, nil, c.t, writes)
			if got := fmt.Sprint(err); got != want && (err != nil || want != "") {
				t.Errorf("%s %v, writes: %v: expected %q, got %v", c.codec, c.t, writes, want, err)
			}
			if own := c.t != nil && c.t.NumField() > 1 && c.t != reflect.TypeFor[types.Weir]() || c.codec != "protobuf"; judged != own {
				t.Errorf("%s %v: judged is %v", c.codec, c.t, judged)
			}
		}
	}
	// A codec may have the message by itself: then the type does not count.
	s := readProto(t, three+"message M { int32 a = 1; }")
	judge := s.Message("m")
	for message, want := range map[string]string{
		"message M { int32 a = 1; }": "<nil>", "message N { int32 a = 1; }": "expected the message M, got N", "message M { int64 a = 1; string b = 2; }": "$.a: was int64, is int32",
	} {
		own, err := protobuf.Of(three+message, nil, "")
		if err != nil {
			t.Fatal(err)
		}
		if judged, err := judge("protobuf", own, reflect.TypeFor[types.Tide](), true); !judged || fmt.Sprint(err) != want {
			t.Errorf("%s: expected %s, got %t, %v", message, want, judged, err)
		}
	}
	if s := readProto(t, three+"message M {}"); s.Message("other") != nil {
		t.Error("a topic that is not there has a message")
	}
}
