package protobuf

import (
	"bytes"
	"encoding/json/v2"
	"fmt"
	"reflect"
	"strings"
	"testing"

	"google.golang.org/protobuf/proto"

	"github.com/levada-io/levada/codec"
	"github.com/levada-io/levada/codec/protobuf/testdata/kindspb"
	"github.com/levada-io/levada/internal/frame"
	plans "github.com/levada-io/levada/plan"
)

func withSettings(t *testing.T, set map[string]any) (codec.Codec, error) {
	t.Helper()
	text, err := json.Marshal(set)
	if err != nil {
		t.Fatal(err)
	}
	return New().With(text)
}

const two = `syntax = "proto3"; package acme; message Visit { string user = 1; message Part { string sku = 1; } Part part = 2; } message Item { int32 n = 1; }`

// A schema that is none is told of with its line, and what it has not with what it has.
func TestSchemas(t *testing.T) {
	for _, c := range []struct {
		set  map[string]any
		want string // the message, or what is wrong
	}{
		{map[string]any{"schema": two, "message": "acme.Visit"}, "acme.Visit"},
		{map[string]any{"schema": two, "message": "Item"}, "acme.Item"},
		{map[string]any{"schema": two, "message": "Visit.Part"}, "acme.Visit.Part"},
		{map[string]any{"schema": two}, "the schema: message: expected the name of one of its messages, acme.Visit or acme.Item, got none"},
		{map[string]any{"schema": two, "message": "acme.Other"}, `the schema: message: expected the name of one of its messages, acme.Visit or acme.Item, got "acme.Other"`},
		{map[string]any{"schema": `syntax = "proto3";`}, "the schema: expected a file with a message, got one without any"},
		{map[string]any{"schema": "syntax = \"proto3\";\nmessage A {\n  strin a = ;\n}"}, "the schema: 3:13: syntax error"},
		{map[string]any{"schema": "syntax = \"proto3\";\nmessage A {\n  B b = 1;\n}"}, `the schema: 3:3: field A.b: unknown type B`},
		{map[string]any{"schema": `syntax = "proto3"; import "b.proto"; message A { B b = 1; }`, "imports": map[string]string{"b.proto": `syntax = "proto3"; message B { int32 n = 1; }`}}, "A"},
		{map[string]any{"schema": `syntax = "proto3"; import "b.proto"; message A { B b = 1; }`}, `the schema: 1:27: expected the text of "b.proto" in imports, got none`},
		{map[string]any{"schema": `syntax = "proto3"; import "b.proto"; message A { B b = 1; }`, "imports": map[string]string{"b.proto": "syntax = \"proto3\";\nmessage"}}, "the schema: b.proto:2:8: syntax error"},
		{map[string]any{"schema": `syntax = "proto3"; import "b.proto"; message A { int32 a = 1; }`, "imports": map[string]string{"b.proto": `syntax = "proto3"; import "b.proto"; message B { int32 n = 1; }`}}, "the schema: b.proto:1:27: cycle found in imports"},
		{map[string]any{"schema": `syntax = "proto3"; import "schema.proto"; message A { B b = 1; }`, "imports": map[string]string{"schema.proto": `syntax = "proto3"; message B { int32 n = 1; }`}}, "A"},
		{map[string]any{"schema": `syntax = "proto3"; import "google/protobuf/any.proto"; message A { google.protobuf.Any b = 1; }`}, "A"},
		{map[string]any{"schema": strings.Repeat("message A {", 300)}, "the schema: 1: expected at most 200 levels, got more"},
		{map[string]any{"schema": two, "imports": map[string]string{"a": strings.Repeat(" ", maxSchemas)}}, "the schema: expected at most 8388608 bytes with all imports"},
		{map[string]any{"message": "Visit"}, "message, imports: expected the text of a schema beside them, got none"},
		{map[string]any{"schema": 7}, "expected the settings schema, imports, message, strict (true or false), prefix and id: "},
		{map[string]any{"schema": two, "writer": "x"}, "expected the settings schema, imports, message, strict (true or false), prefix and id: "},
		{map[string]any{"schema": two, "message": "Item", "prefix": "single_object"}, `prefix: expected confluent, got "single_object"`},
	} {
		of, err := withSettings(t, c.set)
		if err != nil {
			if !strings.HasPrefix(err.Error(), c.want) {
				t.Errorf("%.100v: got %v\nwant %s", c.set, err, c.want)
			}
			continue
		}
		if d, ok := of.(*Described); !ok || d.MessageName() != c.want {
			t.Errorf("%.100v: got %v, want %s", c.set, of, c.want)
		}
	}
}

// What has no form in values is refused where a type has it, and passed over where none has.
func TestRefusedMembers(t *testing.T) {
	c, err := Of(`syntax = "proto3"; import "google/protobuf/struct.proto"; message A { google.protobuf.Struct free = 1; string name = 2; }`, nil, "")
	if err != nil {
		t.Fatal(err)
	}
	const want = "A.free is not supported: google.protobuf.Struct has a JSON form of its own"
	if _, err := c.Wire(frame.Any()); err == nil || err.Error() != want {
		t.Errorf("got %v, want %s", err, want)
	}
	if _, _, err := c.Type(plans.Type{Kind: plans.TAny}, nil); err == nil || err.Error() != want {
		t.Errorf("got %v, want %s", err, want)
	}
	type named struct {
		Name string `json:"name"`
	}
	b, err := c.Bind(reflect.TypeFor[named]())
	if err != nil {
		t.Fatal(err)
	}
	var got named
	if err := b.Decode([]byte("\x0a\x02\xff\xff\x12\x01n"), &got); err != nil || got.Name != "n" {
		t.Errorf("got %v, %v", got, err)
	}
}

// A generated struct of the message is read as it is without a schema; one of another message,
// or of another state of it, is told of.
func TestSchemasAndGeneratedStructs(t *testing.T) {
	kinds := schemaText(t, "kindspb/kinds.proto")
	for _, c := range []struct{ schema, message, want string }{
		{kinds, "Inner", "<nil>"},
		{kinds, "Kinds", "kindspb.Inner is not what the schema says: expected the message levada.test.Kinds, got levada.test.Inner"},
		{strings.Replace(kinds, "sint32 depth = 2", "sint64 depth = 2", 1), "Inner", "kindspb.Inner is not what the schema says: levada.test.Inner: expected field 2 as sint64 depth, got sint32 depth"},
		{strings.Replace(kinds, "sint32 depth = 2", "sint32 deep = 2", 1), "Inner", "kindspb.Inner is not what the schema says: levada.test.Inner: expected field 2 as sint32 deep, got sint32 depth"},
		{strings.Replace(kinds, "sint32 depth = 2;", "sint32 depth = 2; int32 more = 99;", 1), "Inner", "<nil>"},
	} {
		of, err := Of(c.schema, nil, c.message)
		if err != nil {
			t.Fatal(err)
		}
		b, err := of.Bind(reflect.TypeFor[kindspb.Inner]())
		if fmt.Sprint(err) != c.want {
			t.Errorf("got %v, want %s", err, c.want)
		}
		if err != nil {
			continue
		}
		in, out := &kindspb.Inner{Name: "n", Depth: -3}, &kindspb.Inner{}
		message, err := b.Append(nil, in)
		if err == nil {
			err = b.Decode(message, out)
		}
		if err != nil || !proto.Equal(in, out) {
			t.Errorf("%v, %v", out, err)
		}
	}
}

// What does not fit is told with its path, whatever order it comes in.
func TestWritten(t *testing.T) {
	odd := schemaOf(t, "odd.proto", "")
	any, err := odd.Wire(frame.Any())
	if err != nil {
		t.Fatal(err)
	}
	for text, want := range map[string]string{
		`{"id":1}`:            "0801",
		`{"left":"a","id":1}`: "08016201" + "61",
		`{"id":1,"level":null,"down":null,"x":7}`:           "0801",
		`{"id":1,"by_number":{"7":{"id":0},"-7":{"id":0}}}`: "0801" + "820106080d12020800" + "820106080e12020800",
		`{"id":1,"flags":{"true":true,"false":true}}`:       "0801" + "720408001001" + "720408011001",
		`null`:                             "$: expected Odd, got null",
		`[]`:                               "$: expected Odd, got list",
		`{}`:                               "$.id: expected a required field, got none",
		`{"id":null}`:                      "$.id: expected a required field, got none",
		`{"id":"1"}`:                       "$.id: expected int32, got string",
		`{"id":1.5}`:                       "$.id: expected int32, got number",
		`{"id":2147483648}`:                "$.id: expected int32, got 2147483648",
		`{"id":1,"sizes":[1,-2147483649]}`: "$.sizes[1]: expected int32, got -2147483649",
		`{"id":1,"sizes":{}}`:              "$.sizes: expected list, got object",
		`{"id":1,"sizes":[null]}`:          "$.sizes[0]: expected int32, got null",
		`{"id":1,"down":[{"id":1},{"id":1,"inner":{}}]}`: "$.down[1].inner.id: expected a required field, got none",
		`{"id":1,"by_name":{"a":null}}`:                  "$.by_name.a: expected Odd, got null",
		`{"id":1,"by_number":{"07":{"id":1}}}`:           `$.by_number: expected the keys of a map to be int32, got "07"`,
		`{"id":1,"by_number":{"2147483648":{"id":1}}}`:   `$.by_number: expected the keys of a map to be int32, got "2147483648"`,
		`{"id":1,"by_hash":{"-1":"x"}}`:                  `$.by_hash: expected the keys of a map to be uint64, got "-1"`,
		`{"id":1,"flags":{"yes":true}}`:                  `$.flags: expected the keys of a map to be bool, got "yes"`,
		`{"id":1,"left":"","third":0}`:                   "$: expected one member of the oneof which, got left and third",
		`{"id":1,"inner":{"shade":1,"left":"","id":1}}`:  "$.inner: expected one member of the oneof which, got left and shade",
		`{"id":1,"third":1e300}`:                         "$.third: expected float32, got 1e+300",
	} {
		value, err := frame.Any().ParseJSON(nil, []byte(text))
		if err != nil {
			t.Fatal(err)
		}
		out, err := any.Append([]byte("before"), value)
		got := fmt.Sprintf("%x", bytes.TrimPrefix(out, []byte("before")))
		if err != nil {
			got = err.Error()
			if string(out) != "before" {
				t.Errorf("%s: left %q", text, out)
			}
		}
		if got != want {
			t.Errorf("%s:\n got %s\nwant %s", text, got, want)
		}
	}
}

// What a Go type leaves out is left out of what it is read from, too.
func TestLeftOut(t *testing.T) {
	c, err := Of(`syntax = "proto3"; message A { string a = 1; int32 b = 2; bytes c = 3; repeated int32 d = 4; map<string, int32> e = 5; double f = 6; bool g = 7; }`, nil, "")
	if err != nil {
		t.Fatal(err)
	}
	field := func(name string, k plans.TypeKind, omit string) plans.Field {
		f := plans.Field{Name: name, Type: plans.Type{Kind: k}, Optional: omit != "", Omit: omit}
		if k == plans.TList || k == plans.TMap {
			f.Type.Elem = &plans.Type{Kind: plans.TInt32}
		}
		return f
	}
	for omit, want := range map[string]string{
		"":          `{"a":"","b":0,"c":"","d":[],"e":{},"f":0,"g":false}`,
		"omitempty": `{"b":0,"f":0,"g":false}`,
		"omitzero":  `{}`,
	} {
		typ := plans.Type{Kind: plans.TStruct}
		for name, k := range map[string]plans.TypeKind{"a": plans.TString, "b": plans.TInt32, "c": plans.TBytes, "d": plans.TList, "e": plans.TMap, "f": plans.TFloat64, "g": plans.TBool} {
			typ.Fields = append(typ.Fields, field(name, k, omit))
		}
		l, err := frame.Compile(typ, nil)
		if err != nil {
			t.Fatal(err)
		}
		w, err := c.Wire(l)
		if err != nil {
			t.Fatal(err)
		}
		// Nothing, and a list that is there and has nothing in it.
		for _, message := range []string{"", "\x22\x00", "\x10\x00\x31\x00\x00\x00\x00\x00\x00\x00\x00\x38\x00\x0a\x00\x1a\x00"} {
			v, err := frameOf(w, []byte(message))
			if err != nil {
				t.Fatal(err)
			}
			text, err := l.AppendJSON(nil, v)
			if err != nil {
				t.Fatal(err)
			}
			var got, expected map[string]any
			if err := cmpJSON(text, want, &got, &expected); err != nil || !reflect.DeepEqual(got, expected) {
				t.Errorf("%s, %x: got %s, want %s", omit, message, text, want)
			}
		}
	}
}

func cmpJSON(a []byte, b string, x, y any) error {
	if err := json.Unmarshal(a, x); err != nil {
		return err
	}
	return json.Unmarshal([]byte(b), y)
}

// Before a message stand the number of its schema and the place of its type in it.
func TestDescribedBehindANumber(t *testing.T) {
	of, err := withSettings(t, map[string]any{"schema": two, "message": "Visit.Part", "prefix": "confluent"})
	if err != nil {
		t.Fatal(err)
	}
	known := func(writes bool, versions ...codec.Version) frame.Wire {
		c, err := of.(codec.Registered).Registered(versions, writes)
		if err != nil {
			t.Fatal(err)
		}
		w, err := c.(*Described).Wire(frame.Any())
		if err != nil {
			t.Fatal(err)
		}
		return w
	}
	value, err := frame.Any().ParseJSON(nil, []byte(`{"sku":"a"}`))
	if err != nil {
		t.Fatal(err)
	}
	const head = "\x00\x00\x00\x00\x07\x04\x00\x00"
	message, err := known(true, codec.Version{ID: 3}, codec.Version{ID: 7}).Append(nil, value)
	if err != nil || string(message) != head+"\x0a\x01a" {
		t.Errorf("got %q, %v", message, err)
	}
	read := known(false, codec.Version{ID: 3}, codec.Version{ID: 7})
	if got, err := frameOf(read, message); err != nil || !bytes.Equal(got, value) {
		t.Errorf("got %x, %v", got, err)
	}
	for text, want := range map[string]string{
		"\x00\x00\x00\x00\x09\x04\x00\x00": "$: expected a message of schema 3 or 7, got one of schema 9, which is not known here",
		"\x00\x00\x00\x00\x07\x00":         "$: expected a message of type acme.Visit.Part, [0 0] in its schema, got one of type [0]",
		"\x00\x00\x00\x00\x07":             "$: expected the place of the type in its schema before the message, got no number",
		head + "\x0a\x05a":                 "$.sku: malformed protobuf at byte 1: expected 5 bytes, got 1",
	} {
		if _, err := frameOf(read, []byte(text)); err == nil || err.Error() != want {
			t.Errorf("%q: got %v, want %s", text, err, want)
		}
	}
	bare, err := of.(*Described).Bare().(*Described).Wire(frame.Any())
	if err != nil {
		t.Fatal(err)
	}
	if out, err := bare.Append(nil, value); err != nil || string(out) != "\x0a\x01a" {
		t.Errorf("got %q, %v", out, err)
	}
}
