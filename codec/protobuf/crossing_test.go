package protobuf

import (
	"encoding/json/jsontext"
	"encoding/json/v2"
	"reflect"
	"strings"
	"testing"
	"unsafe"

	"google.golang.org/protobuf/proto"
	"pgregory.net/rapid"

	"github.com/levada-io/levada/codec/avro"
	"github.com/levada-io/levada/codec/protobuf/testdata/kindspb"
	"github.com/levada-io/levada/internal/frame"
	"github.com/levada-io/levada/plan/testdata/visitpb"
)

// crossing is every way of a message between Go and elsewhere.
type crossing[T any] struct {
	layout *frame.Layout
	enc    *frame.Encoder
	dec    *frame.Decoder
	text   *frame.TextEncoder
	read   *frame.TextDecoder
	pack   *frame.MsgpackEncoder
	unpack *frame.MsgpackDecoder
	free   *frame.Decoder // from a value without a declared type
}

func crossingOf[T any](t testing.TB) *crossing[T] {
	t.Helper()
	typ := reflect.TypeFor[T]()
	c := &crossing[T]{}
	var err [8]error
	c.layout, err[0] = frame.Of(typ)
	c.enc, err[1] = frame.NewEncoder(typ)
	if err[0] != nil || err[1] != nil {
		t.Fatal(err)
	}
	c.dec, err[2] = frame.NewDecoder(c.layout, typ)
	c.text, err[3] = frame.NewTextEncoder(typ)
	c.read, err[4] = frame.NewTextDecoder(typ, true)
	c.pack, err[5] = frame.NewMsgpackEncoder(typ)
	c.unpack, err[6] = frame.NewMsgpackDecoder(typ, true)
	c.free, err[7] = frame.NewDecoder(frame.Any(), typ)
	for _, err := range err {
		if err != nil {
			t.Fatal(err)
		}
	}
	return c
}

// TestMessagesCross holds all ways against each other: what is read is what was written.
func TestMessagesCross(t *testing.T) {
	c, any := crossingOf[kindspb.Rare](t), frame.Any()
	rapid.Check(t, func(t *rapid.T) {
		in := &kindspb.Rare{}
		drawer{t, true}.message(in.ProtoReflect(), 2)
		check := func(way string, read func(p unsafe.Pointer) error) {
			got := &kindspb.Rare{}
			if err := read(unsafe.Pointer(got)); err != nil {
				t.Fatalf("%s: %v\nof %v", way, err, in)
			}
			if !proto.Equal(got, in) {
				t.Fatalf("%s:\n got %v\nwant %v", way, got, in)
			}
		}
		p := unsafe.Pointer(in)
		value, err := c.enc.Append(nil, p)
		if err != nil {
			t.Fatal(err)
		}
		check("frame", func(p unsafe.Pointer) error { return c.dec.Value(value, p) })
		text, err := c.text.Append(nil, p)
		if err != nil {
			t.Fatal(err)
		}
		check("JSON", func(p unsafe.Pointer) error { return c.read.Value(text, p) })
		if again, err := c.layout.AppendJSON(nil, value); err != nil || string(again) != string(text) {
			t.Fatalf("from the frame %s, %v\nfrom memory %s", again, err, text)
		}
		if parsed, err := c.layout.ParseJSON(nil, text); err != nil {
			t.Fatal(err)
		} else {
			check("JSON by its frame", func(p unsafe.Pointer) error { return c.dec.Value(parsed, p) })
		}
		packed, err := c.pack.Append(nil, p)
		if err != nil {
			t.Fatal(err)
		}
		check("MessagePack", func(p unsafe.Pointer) error { return c.unpack.Value(packed, p) })
		if again, err := c.layout.AppendMsgpack(nil, value); err != nil || string(again) != string(packed) {
			t.Fatalf("from the frame %x, %v\nfrom memory %x", again, err, packed)
		}
		if free, err := any.ParseJSON(nil, text); err != nil {
			t.Fatal(err)
		} else {
			check("any", func(p unsafe.Pointer) error { return c.free.Value(free, p) })
		}
	})
}

// TestOneofsInMemory: whatever Go has in a oneof, what the library takes for unset is
// absent, and what it takes for set is there, if it is zero or empty.
func TestOneofsInMemory(t *testing.T) {
	c := crossingOf[kindspb.Rare](t)
	for want, in := range map[string]*kindspb.Rare{
		`{}`:                    {},
		`{"flags":{"f":true}}`:  {Which: (*kindspb.Rare_Left)(nil), Flags: map[string]bool{"f": true}},
		`{"left":""}`:           {Which: &kindspb.Rare_Left{}},
		`{"right":0}`:           {Which: &kindspb.Rare_Right{}},
		`{"truth":false}`:       {Which: &kindspb.Rare_Truth{}},
		`{"blob":""}`:           {Which: &kindspb.Rare_Blob{}},
		`{"shade":0}`:           {Which: &kindspb.Rare_Shade{}},
		`{"inner":{"depth":0}}`: {Which: &kindspb.Rare_Inner{}},
		`{"other":{"name":"n","depth":0},"again":{}}`:                                  {Which: &kindspb.Rare_Other{Other: &kindspb.Inner{Name: "n"}}, Lonely: &kindspb.Rare_Again{Again: &kindspb.Rare{}}},
		`{"again":{"again":{"u32":7}}}`:                                                {Lonely: &kindspb.Rare_Again{Again: &kindspb.Rare{Lonely: &kindspb.Rare_Again{Again: &kindspb.Rare{Which: &kindspb.Rare_U32{U32: 7}}}}}},
		`{"by_number":{"-1":"a","10":"b","9":""},"by_truth":{"false":"n","true":"y"}}`: {ByNumber: map[int32]string{9: "", -1: "a", 10: "b"}, ByTruth: map[bool]string{true: "y", false: "n"}},
		`{"i64_of":{"18446744073709551615":-1}}`:                                       {I64Of: map[uint64]int64{1<<64 - 1: -1}},
	} {
		p := unsafe.Pointer(in)
		text, err := c.text.Append(nil, p)
		if err != nil || string(text) != want {
			t.Errorf("got %s, %v\nwant %s", text, err, want)
			continue
		}
		value, err := c.enc.Append(nil, p)
		if err != nil {
			t.Fatal(err)
		}
		for _, read := range []func(p unsafe.Pointer) error{
			func(p unsafe.Pointer) error { return c.dec.Value(value, p) },
			func(p unsafe.Pointer) error { return c.read.Value(text, p) },
		} {
			got := &kindspb.Rare{}
			if err := read(unsafe.Pointer(got)); err != nil {
				t.Errorf("%s: %v", want, err)
			}
			// Through the bytes of the library: nil in a wrapper is an empty message there.
			message, err := marshal.Marshal(in)
			if err != nil {
				t.Fatal(err)
			}
			theirs := &kindspb.Rare{}
			if err := unmarshal.Unmarshal(message, theirs); err != nil || !proto.Equal(got, theirs) {
				t.Errorf("%s: got %v, %v, want %v", want, got, err, theirs)
			}
		}
	}
}

// TestHostileMembers reads what Python steps and JSON may say.
//
// Fault: several members of a oneof -> goes on: the message is refused with the path of the message, the oneof and both members
// Fault: key of a map of protobuf that is no such number or bool -> goes on: the message is refused with the path of the map and the key
func TestHostileMembers(t *testing.T) {
	c, free := crossingOf[kindspb.Rare](t), frame.Any()
	lenient, err := frame.NewTextDecoder(reflect.TypeFor[kindspb.Rare](), false)
	if err != nil {
		t.Fatal(err)
	}
	for _, v := range []struct {
		text string
		want any // the message, or what is wrong
	}{
		{`{"left":"a","right":1}`, "$: expected one member of the oneof which, got left and right"},
		{`{"right":1,"left":"a"}`, "$: expected one member of the oneof which, got left and right"},
		{`{"inner":{},"other":{}}`, "$: expected one member of the oneof which, got inner and other"},
		{`{"again":{"left":"","right":0}}`, "$.again: expected one member of the oneof which, got left and right"},
		{`{"rare_of":{"7":{"left":"","u32":0}}}`, `$.rare_of["7"]: expected one member of the oneof which, got left and u32`},
		{`{"left":null,"right":1,"inner":null,"again":null}`, &kindspb.Rare{Which: &kindspb.Rare_Right{Right: 1}}},
		{`{"left":null,"inner":null}`, &kindspb.Rare{}},
		{`{"left":"a","again":{}}`, &kindspb.Rare{Which: &kindspb.Rare_Left{Left: "a"}, Lonely: &kindspb.Rare_Again{Again: &kindspb.Rare{}}}},
		{`{"left":5}`, "$.left: expected string, got "},
		{`{"again":{"u32":-1}}`, "$.again.u32: expected uint32, got "},
		{`{"by_number":{"1":"a","-2147483648":"b"}}`, &kindspb.Rare{ByNumber: map[int32]string{1: "a", -2147483648: "b"}}},
		{`{"by_number":{"2147483648":"a"}}`, `$.by_number: expected the keys of a map to be int32, got "2147483648"`},
		{`{"by_number":{"01":"a"}}`, `$.by_number: expected the keys of a map to be int32, got "01"`},
		{`{"by_number":{"":"a"}}`, `$.by_number: expected the keys of a map to be int32, got ""`},
		{`{"by_number":{"-0":"a"}}`, `$.by_number: expected the keys of a map to be int32, got "-0"`},
		{`{"double_of":{"-1":1}}`, `$.double_of: expected the keys of a map to be uint32, got "-1"`},
		{`{"by_truth":{"1":"a"}}`, `$.by_truth: expected the keys of a map to be bool, got "1"`},
		{`{"rare_of":{"x":{}}}`, `$.rare_of: expected the keys of a map to be uint32, got "x"`},
	} {
		parsed, wrong := c.layout.ParseJSON(nil, []byte(v.text))
		frames := func(p unsafe.Pointer) error {
			if wrong != nil {
				return wrong
			}
			return c.dec.Value(parsed, p)
		}
		loose, err := free.ParseJSON(nil, []byte(v.text))
		if err != nil {
			t.Fatal(err)
		}
		packed, err := free.AppendMsgpack(nil, loose)
		if err != nil {
			t.Fatal(err)
		}
		for way, read := range map[string]func(p unsafe.Pointer) error{
			"frame":        frames,
			"JSON":         func(p unsafe.Pointer) error { return c.read.Value([]byte(v.text), p) },
			"any":          func(p unsafe.Pointer) error { return c.free.Value(loose, p) },
			"MessagePack":  func(p unsafe.Pointer) error { return c.unpack.Value(packed, p) },
			"lenient JSON": func(p unsafe.Pointer) error { return lenient.Value([]byte(v.text), p) },
		} {
			got := &kindspb.Rare{}
			err := read(unsafe.Pointer(got))
			switch want := v.want.(type) {
			case string:
				if err == nil || !strings.HasPrefix(err.Error(), want) {
					t.Errorf("%s, %s:\n got %v\nwant %s", v.text, way, err, want)
				}
			case *kindspb.Rare:
				if err != nil || !proto.Equal(got, want) {
					t.Errorf("%s, %s: got %v, %v, want %v", v.text, way, got, err, want)
				}
			}
		}
	}
	// Two members are two, also where one of them comes again.
	if err := lenient.Value([]byte(`{"left":"a","right":1,"left":null}`), unsafe.Pointer(&kindspb.Rare{})); err == nil || err.Error() != "$: expected one member of the oneof which, got left and right" {
		t.Errorf("got %v", err)
	}
	// Of a member that comes twice the last counts, whole.
	for text, want := range map[string]*kindspb.Rare{
		`{"left":"a","left":"b"}`:                    {Which: &kindspb.Rare_Left{Left: "b"}},
		`{"left":"a","left":null}`:                   {},
		`{"left":"a","left":null,"right":1}`:         {Which: &kindspb.Rare_Right{Right: 1}},
		`{"left":null,"right":1,"left":null}`:        {Which: &kindspb.Rare_Right{Right: 1}},
		`{"inner":{"name":"n"},"inner":{"depth":1}}`: {Which: &kindspb.Rare_Inner{Inner: &kindspb.Inner{Depth: 1}}},
	} {
		got := &kindspb.Rare{}
		if err := lenient.Value([]byte(text), unsafe.Pointer(got)); err != nil || !proto.Equal(got, want) {
			t.Errorf("%s: got %v, %v, want %v", text, got, err, want)
		}
		if err := c.read.Value([]byte(text), unsafe.Pointer(&kindspb.Rare{})); err == nil || !strings.Contains(err.Error(), "member comes twice") {
			t.Errorf("%s, strict: got %v", text, err)
		}
	}
}

// TestMembersInAvro: a member of a oneof is a field that may be null.
func TestMembersInAvro(t *testing.T) {
	settings, err := json.Marshal(map[string]string{"schema": `{"type": "record", "name": "Bill", "fields": [
		{"name": "card", "type": ["null", "string"]}, {"name": "cash", "type": ["null", "long"]}, {"name": "free", "type": ["null", "boolean"]},
		{"name": "goods", "type": ["null", {"type": "record", "name": "Part", "fields": [{"name": "sku", "type": "string"}, {"name": "qty", "type": "long"}, {"name": "price", "type": "double"}]}]},
		{"name": "user", "type": "string"}, {"name": "lines", "type": {"type": "map", "values": "string"}}, {"name": "parts", "type": {"type": "map", "values": ["null", "Part"]}}]}`})
	if err != nil {
		t.Fatal(err)
	}
	c, err := avro.New().With(settings)
	if err != nil {
		t.Fatal(err)
	}
	b, err := c.Bind(reflect.TypeFor[*visitpb.Bill]())
	if err != nil {
		t.Fatal(err)
	}
	part := &visitpb.Part{Sku: "s", Qty: 2, Price: 0.5}
	for _, in := range []*visitpb.Bill{
		{Paid: &visitpb.Bill_Cash{}}, {Paid: &visitpb.Bill_Card{Card: "4000"}}, {Paid: &visitpb.Bill_Free{}}, {Paid: &visitpb.Bill_Goods{Goods: part}}, {},
	} {
		in.User, in.Lines, in.Parts = "u", map[int32]string{-7: "x"}, map[bool]*visitpb.Part{true: part}
		message, err := b.Append(nil, &in)
		if err != nil {
			t.Fatal(err)
		}
		var out *visitpb.Bill
		if err := b.Decode(message, &out); err != nil || !proto.Equal(in, out) {
			t.Errorf("got %v, %v\nwant %v", out, err, in)
		}
	}
	// Two of them: the null in front of each is branch 0.
	const both = "\x02\x021" + "\x02\x02" + "\x00" + "\x00" + "\x02u" + "\x00" + "\x00"
	var out *visitpb.Bill
	if err := b.Decode([]byte(both), &out); err == nil || err.Error() != "$: expected one member of the oneof paid, got card and cash" {
		t.Errorf("got %v, %v", out, err)
	}
}

// TestTypesOfMembers: in plans a member of a oneof is what an optional field is, and a map
// has keys of text.
func TestTypesOfMembers(t *testing.T) {
	typ, types, err := frame.TypeOf(reflect.TypeFor[kindspb.Rare]())
	if err != nil {
		t.Fatal(err)
	}
	all := types[typ.Name]
	var got []string
	for _, f := range all.Fields {
		got = append(got, f.Name)
		if want := f.Name == "by_number" || f.Name == "flags" || f.Name == "between" || strings.Contains(f.Name, "_"); want {
			continue
		}
		if !f.Optional || !f.Type.Nullable || f.Omit != "omitzero" {
			t.Errorf("%s: %+v", f.Name, f)
		}
	}
	const want = "by_number flags left right truth blob shade twice single inner other sf32 f64 u32 between again by_truth inner_of double_of i64_of blob_of shade_of rare_of truth_of u32_of single_of"
	if names := strings.Join(got, " "); names != want {
		t.Errorf("got %s\nwant %s", names, want)
	}
}

// TestNoOneof: what only looks like one is told of.
func TestNoOneof(t *testing.T) {
	type which interface{ which() }
	type alike struct {
		Which which `protobuf_oneof:"which"`
	}
	type tagged struct {
		Which which `protobuf_oneof:"which" levada:"min=1"`
	}
	type keys struct {
		Of map[int32]string `json:"of"`
	}
	type names struct {
		kindspb.Rare
		Left string `json:"left"`
	}
	for _, c := range []struct {
		typ  reflect.Type
		want string
	}{
		{reflect.TypeFor[alike](), "protobuf.alike.Which: protobuf.which is not supported: a oneof stands in a message that protoc-gen-go generated"},
		{reflect.TypeFor[tagged](), "protobuf.tagged.Which: a levada tag on a oneof has no effect"},
		{reflect.TypeFor[keys](), "protobuf.keys.Of: map[int32]string is not supported: keys of a map must be strings"},
	} {
		if _, _, err := frame.TypeOf(c.typ); err == nil || err.Error() != c.want {
			t.Errorf("got %v\nwant %s", err, c.want)
		}
	}
	// A field of its own hides the member of what is embedded, as another field would be.
	typ, types, err := frame.TypeOf(reflect.TypeFor[names]())
	if err != nil {
		t.Fatal(err)
	}
	if fields := types[typ.Name].Fields; len(fields) != 26 || fields[25].Name != "left" || fields[25].Optional {
		t.Errorf("%+v", fields)
	}
}

// FuzzMembers reads any text as a message, at once and by way of a frame: both take the
// same texts and make the same messages of them, and what they made is written and read the
// same.
func FuzzMembers(f *testing.F) {
	for _, text := range []string{
		`{}`, `{"left":"a","right":1}`, `{"left":"a","left":null,"right":1}`, `{"inner":{},"other":null}`, `{"again":{"again":{"truth":false}}}`,
		`{"by_number":{"1":"a","-1":"b"},"by_truth":{"true":"","false":""}}`, `{"by_number":{"01":"a"}}`, `{"rare_of":{"7":{"blob":"AAH/","u32":0}}}`, `{"double_of":{"4294967296":1}}`,
	} {
		f.Add([]byte(text))
	}
	c := crossingOf[kindspb.Rare](f)
	lenient, err := frame.NewTextDecoder(reflect.TypeFor[kindspb.Rare](), false)
	if err != nil {
		f.Fatal(err)
	}
	f.Fuzz(func(t *testing.T, text []byte) {
		at, by := &kindspb.Rare{}, &kindspb.Rare{}
		once := lenient.Value(text, unsafe.Pointer(at))
		value, twice := c.layout.ParseJSON(nil, text)
		if twice == nil {
			twice = c.dec.Value(value, unsafe.Pointer(by))
		}
		if (once == nil) != (twice == nil) {
			if once != nil && strings.Contains(once.Error(), "expected one member of the oneof") && !jsontext.Value(text).IsValid() {
				return // one of them comes again, as null: by then it is refused
			}
			t.Fatalf("%q: at once %v, by its frame %v", text, once, twice)
		}
		if once != nil {
			return
		}
		again, err := c.enc.Append(nil, unsafe.Pointer(at))
		if err != nil {
			t.Fatal(err)
		}
		third := &kindspb.Rare{}
		if err := c.dec.Value(again, unsafe.Pointer(third)); err != nil || !proto.Equal(at, by) || !proto.Equal(at, third) {
			t.Fatalf("%q: at once %v, by its frame %v, again %v, %v", text, at, by, third, err)
		}
		message, err := marshal.Marshal(at)
		if err != nil {
			t.Fatal(err)
		}
		if err := unmarshal.Unmarshal(message, &kindspb.Rare{}); err != nil {
			t.Fatalf("%q: %v", text, err)
		}
	})
}
