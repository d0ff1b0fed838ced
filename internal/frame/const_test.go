package frame

import (
	"encoding/json/v2"
	"reflect"
	"strings"
	"testing"
	"unsafe"

	"github.com/levada-io/levada/plan"
	"github.com/levada-io/levada/record"
)

// Constants has a constant of every kind, and one in every state that it can have.
type Constants struct {
	Kind   string             `json:"kind" levada:"const=circle"`
	Odd    Color              `json:"odd" levada:"const=a, \"b\" <ü>"`
	Empty  string             `json:"empty" levada:"const="`
	I8     int8               `json:"i8" levada:"const=-128"`
	I16    int16              `json:"i16" levada:"const=-300"`
	I32    int32              `json:"i32" levada:"const=2147483647"`
	I64    int64              `json:"i64" levada:"const=-9223372036854775808"`
	Int    int                `json:"int" levada:"const=0"`
	U8     uint8              `json:"u8" levada:"const=255"`
	U16    uint16             `json:"u16" levada:"const=65535"`
	U32    uint32             `json:"u32" levada:"const=4294967295"`
	U64    uint64             `json:"u64" levada:"const=18446744073709551615"`
	Yes    bool               `json:"yes" levada:"const=true"`
	No     bool               `json:"no" levada:"const=false"`
	Ptr    *string            `json:"ptr" levada:"const=p"`
	OptPtr *int64             `json:"opt_ptr,omitempty" levada:"const=7"`
	Opt    string             `json:"opt,omitempty" levada:"const=o"`
	OptInt int16              `json:"opt_int,omitempty" levada:"const=-5"` // never left out: 0 is not empty
	Zero   bool               `json:"zero,omitzero" levada:"const=true"`
	Three  record.Opt[string] `json:"three" levada:"const=3"`
	Any    any                `json:"any"`
}

const constantsMust = `"kind":"circle","odd":"a, \"b\" <ü>","empty":"","i8":-128,"i16":-300,"i32":2147483647,"i64":-9223372036854775808,"int":0,` +
	`"u8":255,"u16":65535,"u32":4294967295,"u64":18446744073709551615,"yes":true,"no":false,`

// TestConstantsAreWritten: whatever stands in the fields, by every way out.
func TestConstantsAreWritten(t *testing.T) {
	garbage := Constants{
		Kind: "x", Odd: "x", Empty: "x", I8: 1, I16: 1, I32: 1, I64: 1, Int: 1, U8: 1, U16: 1, U32: 1, U64: 1, No: true,
		Ptr: ptr("x"), OptPtr: ptr(int64(1)), Opt: "x", OptInt: 1, Zero: true, Three: record.Some("x"),
	}
	for want, v := range map[string]Constants{
		`{` + constantsMust + `"ptr":null,"opt_int":-5,"any":null}`:                                              {},
		`{` + constantsMust + `"ptr":"p","opt_ptr":7,"opt":"o","opt_int":-5,"zero":true,"three":"3","any":null}`: garbage,
		`{` + constantsMust + `"ptr":null,"opt_int":-5,"three":null,"any":{"kind":"square"}}`:                    {Three: record.Null[string](), Any: map[string]any{"kind": "square"}},
	} {
		enc, err := NewTextEncoder(reflect.TypeFor[Constants]())
		if err != nil {
			t.Fatal(err)
		}
		text, err := enc.Append(nil, unsafe.Pointer(&v))
		if err != nil || string(text) != want {
			t.Errorf("from memory:\nexpected %s\ngot      %s, %v", want, text, err)
		}
		frame, l := encode(t, v)
		if text, err = l.AppendJSON(nil, frame); err != nil || string(text) != want {
			t.Errorf("from the frame:\nexpected %s\ngot      %s, %v", want, text, err)
		}
		sameAsJSON(t, l, frame)

		// What is written is read, into the fields too.
		back := decodeText[Constants](t, want)
		if back.Kind != "circle" || back.U64 != 1<<64-1 || back.I8 != -128 || !back.Yes {
			t.Errorf("%s: read as %+v", want, back)
		}
		var again Constants
		if err := decoder[Constants](t, l).Value(frame, unsafe.Pointer(&again)); err != nil || !reflect.DeepEqual(again, back) {
			t.Errorf("from the frame %+v, %v, from text %+v", again, err, back)
		}
	}
}

func decodeText[T any](t *testing.T, text string) T {
	t.Helper()
	dec, err := NewTextDecoder(reflect.TypeFor[T](), false)
	if err != nil {
		t.Fatal(err)
	}
	var v T
	if err := dec.Value([]byte(text), unsafe.Pointer(&v)); err != nil {
		t.Fatalf("%s: %v", text, err)
	}
	return v
}

// TestOtherValuesAreRefused with the path, by every way in.
func TestOtherValuesAreRefused(t *testing.T) {
	type shape struct {
		Kind string  `json:"kind" levada:"const=circle"`
		V    *int8   `json:"v,omitempty" levada:"const=-2"`
		Yes  bool    `json:"yes,omitzero" levada:"const=true"`
		U    []inner `json:"u,omitempty"`
	}
	type drawing struct {
		Shapes []shape `json:"shapes"`
	}
	for text, want := range map[string]string{
		`{"shapes":[{"kind":"circle"},{"kind":"square"}]}`:        `$.shapes[1].kind: expected "circle", got "square"`,
		`{"shapes":[{"kind":"Circle"}]}`:                          `$.shapes[0].kind: expected "circle", got "Circle"`,
		`{"shapes":[{"v":-2,"kind":"x"}]}`:                        `$.shapes[0].kind: expected "circle", got "x"`,
		`{"shapes":[{"kind":"` + strings.Repeat("y", 50) + `"}]}`: `$.shapes[0].kind: expected "circle", got "` + strings.Repeat("y", 40) + `..."`,
		`{"shapes":[{}]}`:                                              `$.shapes[0].kind: missing member ("circle")`,
		`{"shapes":[{"kind":"circle","v":2}]}`:                         `$.shapes[0].v: expected -2, got 2`,
		`{"shapes":[{"kind":"circle","yes":false}]}`:                   `$.shapes[0].yes: expected true, got false`,
		`{"shapes":[{"kind":"circle","u":[{"n":1}]}]}`:                 `$.shapes[0].u[0].n: expected 9, got 1`,
		`{"shapes":[{"kind":"circle","v":null,"u":[{"n":9}]}]}`:        ``,
		`{"shapes":[{"kind":"square","kind":"circle","yes":true}]}`:    `$.shapes[0].kind: expected "circle", got "square"`,
		`{"shapes":[{"kind":"\u0063ircle","yes":true,"v":-2,"x":[]}]}`: ``,
	} {
		l := mustOf(t, reflect.TypeFor[drawing]())
		frame, err := l.ParseJSON(nil, []byte(text))
		said(t, "into a frame", text, want, err)
		dec, err := NewTextDecoder(reflect.TypeFor[drawing](), false)
		if err != nil {
			t.Fatal(err)
		}
		var v drawing
		err = dec.Value([]byte(text), unsafe.Pointer(&v))
		said(t, "into a struct", text, want, err)

		// The same by MessagePack, and out of an any.
		frame2, err := Any().ParseJSON(nil, []byte(text))
		if err != nil {
			t.Fatal(err)
		}
		packed, err := Any().AppendMsgpack(nil, frame2)
		if err != nil {
			t.Fatal(err)
		}
		if !strings.Contains(text, `"kind":"square","kind"`) { // an any knows the last one only
			compareUnpacked(t, reflect.TypeFor[drawing](), packed, false)
			_, err = l.ParseMsgpack(nil, packed, false)
			said(t, "msgpack", text, want, err)
			v = drawing{}
			said(t, "out of an any", text, want, decoder[drawing](t, Any()).Value(frame2, unsafe.Pointer(&v)))
		}
		if want == "" {
			v = drawing{}
			if err := decoder[drawing](t, l).Value(frame, unsafe.Pointer(&v)); err != nil || v.Shapes[0].Kind != "circle" {
				t.Errorf("%s: %+v, %v", text, v, err)
			}
		}
	}
}

type inner struct {
	N uint16 `json:"n" levada:"const=9"`
}

func said(t *testing.T, way, text, want string, err error) {
	t.Helper()
	got := ""
	if err != nil {
		got = err.Error()
	}
	if got != want {
		t.Errorf("%s: %s:\nexpected %s\ngot      %s", way, text, want, got)
	}
}

// TestConstantsInFrames: a frame with another value is refused by whoever reads it, also
// as a type that has no constant there.
func TestConstantsInFrames(t *testing.T) {
	type constant struct {
		Kind string `json:"kind" levada:"const=circle"`
		N    int64  `json:"n" levada:"const=-1"`
	}
	type plain struct {
		Kind string `json:"kind"`
		N    int8   `json:"n"`
	}
	type other struct {
		Kind string `json:"kind" levada:"const=square"`
	}
	type optional struct {
		Kind *string `json:"kind,omitempty" levada:"const=circle"`
		N    float64 `json:"n"`
	}
	good, l := encode(t, plain{"circle", -1})
	bad, _ := encode(t, plain{"cirkle", -1})
	worse, _ := encode(t, plain{"circle", -2})
	konst := mustOf(t, reflect.TypeFor[constant]())
	const kind, number = `$.kind: expected "circle", got "cirkle"`, `$.n: expected -1, got -2`
	for frame, want := range map[string]string{string(good): "", string(bad): kind, string(worse): number} {
		b := []byte(frame)
		var c constant
		said(t, "the same type", frame, want, decoder[constant](t, konst).Value(b, unsafe.Pointer(&c)))
		said(t, "from plain", frame, want, decoder[constant](t, l).Value(b, unsafe.Pointer(&c)))
		var p plain
		said(t, "into plain", frame, want, decoder[plain](t, konst).Value(b, unsafe.Pointer(&p)))
		var o optional
		said(t, "into optional", frame, want, decoder[optional](t, konst).Value(b, unsafe.Pointer(&o)))
		var open OpenNone
		said(t, "into any", frame, want, decoder[OpenNone](t, konst).Value(b, unsafe.Pointer(&open)))
		_, err := konst.AppendJSON(nil, b)
		said(t, "as JSON", frame, want, err)
		_, err = konst.AppendMsgpack(nil, b)
		said(t, "as msgpack", frame, want, err)
		if want == "" && (c.Kind != "circle" || c.N != -1 || p.N != -1 || *o.Kind != "circle" || o.N != -1 || open.Rest["kind"] != "circle") {
			t.Errorf("read as %+v, %+v, %+v, %+v", c, p, o, open)
		}
	}
	for cut := range good {
		if _, err := konst.AppendJSON(nil, good[:cut]); err == nil {
			t.Errorf("%d of %d bytes are taken", cut, len(good))
		}
	}
	if _, err := NewDecoder(konst, reflect.TypeFor[other]()); err == nil || err.Error() != `$.kind: expected "square", got "circle"` {
		t.Errorf("another constant: %v", err)
	}
	if _, err := NewDecoder(l, reflect.TypeFor[other]()); err != nil {
		t.Errorf("plain into a constant: %v", err)
	}
	if konst.Equal(l) || konst.Equal(mustOf(t, reflect.TypeFor[other]())) || !konst.Equal(mustOf(t, reflect.TypeFor[constant]())) {
		t.Error("constants do not count in Equal as they should")
	}
}

// TestConstantsInThePlan: the type leads back to the layout.
func TestConstantsInThePlan(t *testing.T) {
	l := mustOf(t, reflect.TypeFor[Constants]())
	pt, types := l.Type()
	again, err := Compile(pt, types)
	if err != nil {
		t.Fatal(err)
	}
	if !again.Equal(l) || string(again.Append(nil)) != string(l.Append(nil)) {
		t.Error("the layout of its type is another one")
	}
	text, err := json.Marshal(types["go:github.com/levada-io/levada/internal/frame.Constants"].Fields[1])
	if err != nil || string(text) != `{"name":"odd","type":{"kind":"string"},"const":"\"a, \\\"b\\\" <ü>\""}` {
		t.Errorf("got %s, %v", text, err)
	}
}

// TestConstantTags: a tag says the tag, what is expected and what is there.
func TestConstantTags(t *testing.T) {
	for _, c := range []struct {
		v    any
		want string
	}{
		{struct {
			A int8 `levada:"const=128"`
		}{}, "const 128: expected a value of type int8"},
		{struct {
			A int64 `levada:"const=+1"`
		}{}, "const +1: expected a value of type int64"},
		{struct {
			A uint64 `levada:"const=-1"`
		}{}, "const -1: expected a value of type uint64"},
		{struct {
			A bool `levada:"const=yes"`
		}{}, "const yes: expected a value of type bool"},
		{struct {
			A float64 `levada:"const=1"`
		}{}, "const 1: expected a string, an integer or a bool, got a member of type float64"},
		{struct {
			A []string `levada:"const=x"`
		}{}, "const x: expected a string, an integer or a bool, got a member of type list[string]"},
		{struct {
			A bool `json:",omitzero" levada:"const=false"`
		}{}, "const false: expected a constant that omitzero does not always leave out"},
		{struct {
			A string `json:",omitempty" levada:"const="`
		}{}, `const "": expected a constant that omitempty does not always leave out`},
		{struct {
			Inner `levada:"const=x"`
		}{}, "a levada tag on an embedded field has no effect"},
	} {
		_, err := Of(reflect.TypeOf(c.v))
		if err == nil || !strings.HasSuffix(err.Error(), c.want) || !strings.Contains(err.Error(), ".A: ") && !strings.Contains(err.Error(), ".Inner: ") {
			t.Errorf("expected %s, got %v", c.want, err)
		}
	}
	for _, f := range []plan.Field{
		{Type: plan.Type{Kind: plan.TString}, Const: `circle`},
		{Type: plan.Type{Kind: plan.TString}, Const: `1`},
		{Type: plan.Type{Kind: plan.TInt8}, Const: `1.0`},
		{Type: plan.Type{Kind: plan.TAny}, Const: `1`},
	} {
		f.Name = "a"
		if _, err := Compile(plan.Type{Kind: plan.TStruct, Fields: []plan.Field{f}}, nil); err == nil || !strings.HasPrefix(err.Error(), "struct.a: const ") {
			t.Errorf("%+v: %v", f, err)
		}
	}
}
