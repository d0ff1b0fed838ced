package avro_test

import (
	"bytes"
	"reflect"
	"strings"
	"testing"

	library "github.com/twmb/avro"
	"pgregory.net/rapid"

	"github.com/levada-io/levada/internal/frame"
	"github.com/levada-io/levada/internal/typing"
	"github.com/levada-io/levada/plan"
	"github.com/levada-io/levada/record"
)

// degrees is one of what nothing but the branch tells: Celsius and Kelvin are alike.
type degrees interface{ isDegrees() }

type (
	Celsius struct {
		Value float64 `json:"value"`
	}
	Kelvin struct {
		Value float64 `json:"value"`
	}
	Range struct {
		Label string  `json:"label"`
		Low   degrees `json:"low"`
		High  degrees `json:"high"`
	}
	Text string
	Many []int64
	Flag bool
)

func (Celsius) isDegrees() {}
func (Kelvin) isDegrees()  {}
func (Range) isDegrees()   {}
func (Text) isDegrees()    {}
func (Many) isDegrees()    {}
func (Flag) isDegrees()    {}

var _ = record.Union[degrees](Text(""), Celsius{}, Kelvin{}, Range{}, Many(nil), Flag(false))

type station struct {
	Name string             `json:"name"`
	Best *degrees           `json:"best"`
	All  []degrees          `json:"all"`
	By   map[string]degrees `json:"by"`
	Rest degrees            `json:"rest"`
}

// schemaOfStation names each record where it comes first.
func schemaOfStation() string {
	inner := `["Kelvin", "Range", "Celsius", "string", "boolean", {"type": "array", "items": "long"}]`
	first := `["null", {"type": "record", "name": "Kelvin", "fields": [{"name": "value", "type": "double"}]},
		{"type": "record", "name": "Celsius", "fields": [{"name": "value", "type": "double"}]},
		{"type": "record", "name": "Range", "fields": [
			{"name": "high", "type": ["Kelvin", "Range", "Celsius", "string", "boolean"]}, {"name": "label", "type": "string"}, {"name": "low", "type": ["string", "Celsius", "Kelvin", "boolean", "Range"]}]},
		"string", "boolean"]`
	return `{"type": "record", "name": "Station", "namespace": "test", "fields": [{"name": "best", "type": ` + first + `},
		{"name": "all", "type": {"type": "array", "items": ` + inner + `}},
		{"name": "by", "type": {"type": "map", "values": ` + inner + `}}, {"name": "rest", "type": ` + inner + `}, {"name": "name", "type": "string"}]}`
}

func anyDegrees(t *rapid.T, depth int) degrees {
	kind := rapid.IntRange(0, 4).Draw(t, "variant")
	if depth == 0 {
		kind = min(kind, 3)
	}
	value := rapid.Float64Range(-9, 9).Draw(t, "value")
	switch kind {
	case 0:
		return Celsius{value}
	case 1:
		return Kelvin{value}
	case 2:
		return Text(rapid.StringN(0, 3, -1).Draw(t, "text"))
	case 3:
		return Flag(value > 0)
	}
	return Range{"r", anyDegrees(t, depth-1), anyDegrees(t, depth-1)}
}

// What no kind, no constant and no member tells comes back as it was: in Go, and where the
// values are frames, as beside a step in Python.
func TestVariantsAreTheBranches(t *testing.T) {
	text := schemaOfStation()
	b := bind[station](t, text)
	theirs := library.MustParse(text)
	layout, err := frame.Of(reflect.TypeFor[station]())
	if err != nil {
		t.Fatal(err)
	}
	wire, err := of(t, text).Wire(layout)
	if err != nil {
		t.Fatal(err)
	}
	rapid.Check(t, func(t *rapid.T) {
		best := anyDegrees(t, 2)
		in := &station{
			Name: "s", All: []degrees{anyDegrees(t, 2), Many{1, 2}}, By: map[string]degrees{"a": anyDegrees(t, 2)},
			Rest: anyDegrees(t, 2),
		}
		if rapid.Bool().Draw(t, "best") {
			in.Best = &best
		}
		message, err := b.Append(nil, in)
		if err != nil {
			t.Fatal(err)
		}
		var known any
		if rest, err := theirs.Decode(message, &known); err != nil || len(rest) > 0 {
			t.Fatalf("the library: %v, and %d bytes more", err, len(rest))
		}
		var out station
		if err := b.Decode(message, &out); err != nil || !reflect.DeepEqual(*in, out) {
			t.Fatalf("got  %+v, %v\nwant %+v", out, err, *in)
		}
		column, err := wire.Read([][]byte{message}, func(_ int, err error) { t.Fatal(err) })
		if err != nil {
			t.Fatal(err)
		}
		again, err := wire.Append(nil, column.Value(0))
		if err != nil || !bytes.Equal(again, message) {
			t.Fatalf("by frames: got %x, %v, want %x", again, err, message)
		}
	})
}

// The messages of another writer: the branches are those of the reader's schema, which say
// the variant, also where the writer had no union.
func TestVariantsOfAnotherSchema(t *testing.T) {
	record := func(name, typ string) string {
		return `{"type": "record", "name": "` + name + `", "fields": [{"name": "value", "type": "` + typ + `"}]}`
	}
	reader := `[` + record("Celsius", "double") + `, ` + record("Kelvin", "double") + `, "string"]`
	for writer, in := range map[string]struct {
		message string
		want    degrees
	}{
		`[` + record("Kelvin", "int") + `, ` + record("Celsius", "float") + `]`: {"\x00\x0e", Kelvin{7}},
		record("Kelvin", "int"): {"\x0e", Kelvin{7}},
		`"string"`:              {"\x02x", Text("x")},
	} {
		b := bound[degrees](t, map[string]any{"schema": reader, "writer": writer}, false)
		var got degrees
		if err := b.Decode([]byte(in.message), &got); err != nil || got != in.want {
			t.Errorf("%s: got %#v, %v", writer, got, err)
		}
	}
}

// One record of a type that is a union: which variant it is, the schema says.
func TestVariantWithoutUnion(t *testing.T) {
	text := `{"type": "record", "name": "Kelvin", "fields": [{"name": "value", "type": "double"}]}`
	b := bind[degrees](t, text)
	in := degrees(Kelvin{1})
	message, err := b.Append(nil, &in)
	if err != nil {
		t.Fatal(err)
	}
	var out degrees
	if err := b.Decode(message, &out); err != nil || out != in {
		t.Errorf("got %#v, %v", out, err)
	}
	in = Text("x")
	if _, err := b.Append(nil, &in); err == nil || err.Error() != "$: expected Kelvin, got string" {
		t.Errorf("got %v", err)
	}
}

// More branches than variants: what a value is tells them apart, among those of its variant.
func TestSeveralBranchesOfAVariant(t *testing.T) {
	b := bind[degrees](t, `["int", "string", {"type": "enum", "name": "E", "symbols": ["a", "b"]}, "boolean"]`)
	for text, want := range map[Text]string{"a": "\x04\x00", "c": "\x02\x02c"} {
		in := degrees(text)
		got, err := b.Append(nil, &in)
		if err != nil || string(got) != want {
			t.Errorf("%s: got %x, %v", text, got, err)
		}
		var out degrees
		if err := b.Decode(got, &out); err != nil || out != in {
			t.Errorf("%s: got %#v, %v", text, out, err)
		}
	}
	var out degrees
	if err := b.Decode([]byte("\x00\x02"), &out); err == nil {
		t.Errorf("an int is no variant, got %#v", out)
	}
}

// At the start the schema is compared with the variants.
func TestVariantsFit(t *testing.T) {
	typ, types, err := frame.TypeOf(reflect.TypeFor[degrees]())
	if err != nil {
		t.Fatal(err)
	}
	for text, want := range map[string]string{
		`["string", "boolean"]`: "",
		`["string", {"type": "record", "name": "Kelvin", "fields": [{"name": "value", "type": "float"}]}]`: "",
		`["string", "int"]`:             "int32",
		`["null", "string", "boolean"]`: "or null",
		`["string", {"type": "record", "name": "Kelvin", "fields": [{"name": "value", "type": "string"}]}]`: "$(Kelvin).value: expected float64, got string",
	} {
		got, table, err := of(t, text).Type(typ, types)
		if err != nil {
			t.Fatal(err)
		}
		for name, t := range types {
			table[name] = t
		}
		d := ""
		if miss := typing.Fits(got, typ, table); miss != nil {
			d = miss.String()
		}
		if want == "" && d != "" || !strings.Contains(d, want) {
			t.Errorf("%s: expected %q, got %q", text, want, d)
		}
	}
	more := `["string", {"type": "record", "name": "Range", "fields": [{"name": "label", "type": "string"}]}]`
	one := plan.Type{Kind: plan.TUnion, Elems: typ.Elems[3:4]}
	to, own, err := of(t, more).Writable(one, types)
	if path := typing.Lost(one, to, types, own); err != nil || path != "$.low" {
		t.Errorf("expected $.low as lost, got %q, %v", path, err)
	}
}

// A message in MessagePack is not read like that: what looks like a mark is a value
// of an extension type, and refused.
func TestMarksAreNoMessages(t *testing.T) {
	b, err := frame.BindMsgpack(reflect.TypeFor[degrees](), false)
	if err != nil {
		t.Fatal(err)
	}
	var out degrees
	if err := b.Decode(append(frame.AppendVariant(nil, 0), 0xa1, 'x'), &out); err == nil {
		t.Errorf("got %#v", out)
	}
}
