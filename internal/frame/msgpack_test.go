package frame

import (
	"bytes"
	"encoding/hex"
	"encoding/json/jsontext"
	"math"
	"reflect"
	"runtime"
	"slices"
	"strings"
	"testing"
	"time"
	"unsafe"

	"github.com/tinylib/msgp/msgp"
	"pgregory.net/rapid"
)

// TestMsgpackIsJSON: a value that went through MessagePack is the one that it was, and the
// one that it is after it went through JSON.
func TestMsgpackIsJSON(t *testing.T) {
	t.Run("declared", func(t *testing.T) { compareMsgpack(t, false) })
	t.Run("of their own form", func(t *testing.T) { compareMsgpack(t, true) })
}

func compareMsgpack(t *testing.T, own bool) {
	rapid.Check(t, func(t *rapid.T) {
		typ := drawTypeOf(t, 3, own)
		v := reflect.New(typ)
		fill(t, v.Elem(), 4)
		enc, err := NewEncoder(typ)
		if err != nil {
			t.Fatalf("%s: %v", typ, err)
		}
		frame, err := enc.Append(nil, v.UnsafePointer())
		if err != nil {
			t.Fatalf("%s: %v", typ, err)
		}
		sameAsJSON(t, enc.Layout(), frame)
		packed, err := enc.Layout().AppendMsgpack(nil, frame)
		if err != nil {
			t.Fatalf("%s: %v", typ, err)
		}
		direct, err := NewMsgpackEncoder(typ)
		if err != nil {
			t.Fatalf("%s: %v", typ, err)
		}
		if got, err := direct.Append(nil, v.UnsafePointer()); err != nil || !bytes.Equal(got, packed) {
			t.Fatalf("%s: from memory: %v\n got %x\nwant %x", typ, err, got, packed)
		}
		compareUnpacked(t, typ, packed, false)
		if owns(typ, map[reflect.Type]bool{}) {
			return // what is wrong with theirs shows in the Go type only, so that another error may come first
		}
		// And damaged: the same errors.
		packed[rapid.IntRange(0, len(packed)-1).Draw(t, "at")] = rapid.Byte().Draw(t, "byte")
		compareUnpacked(t, typ, packed, rapid.Bool().Draw(t, "strict"))
	})
}

type failer interface {
	Helper()
	Fatalf(format string, args ...any)
}

func sameAsJSON(t failer, l *Layout, frame []byte) {
	t.Helper()
	text, err := l.AppendJSON(nil, frame)
	if err != nil {
		t.Fatalf("%s: %v", l, err)
	}
	packed, err := l.AppendMsgpack(nil, frame)
	if err != nil {
		t.Fatalf("%s: %v", l, err)
	}
	if rest, err := msgp.Skip(packed); err != nil || len(rest) > 0 {
		t.Fatalf("%s: %x: msgp leaves %d bytes, %v", l, packed, len(rest), err)
	}
	for _, strict := range []bool{false, true} {
		back, err := l.ParseMsgpack(nil, packed, strict)
		if err != nil {
			t.Fatalf("%s: %x: %v", l, packed, err)
		}
		got, err := l.AppendJSON(nil, back)
		if err != nil || !bytes.Equal(got, text) {
			t.Fatalf("%s: %v\n got %s\nwant %s", l, err, got, text)
		}
		fromText, err := l.ParseJSON(nil, text)
		if err != nil {
			t.Fatalf("%s: %v", l, err)
		}
		// An any has bytes and times of its own in one of the two only.
		if !holdsAny(l.root, map[*node]bool{}) && !bytes.Equal(back, fromText) {
			t.Fatalf("%s: from %s\n got %q\nJSON %q", l, text, back, fromText)
		}
		again, err := l.AppendMsgpack(nil, back)
		if err != nil || !bytes.Equal(again, packed) {
			t.Fatalf("%s: %v\n got %x\nwant %x", l, err, again, packed)
		}
	}
}

// compareUnpacked reads a message both ways: at once, and by way of a frame.
func compareUnpacked(t failer, typ reflect.Type, src []byte, strict bool) {
	t.Helper()
	l := must(Of(typ))
	dec, err := NewDecoder(l, typ)
	if err != nil {
		t.Fatalf("%s: %v", typ, err)
	}
	direct, err := NewMsgpackDecoder(typ, strict)
	if err != nil {
		t.Fatalf("%s: %v", typ, err)
	}
	got, want := reflect.New(typ), reflect.New(typ)
	own := bytes.Clone(src)
	frame, wantErr := l.ParseMsgpack(nil, own, strict)
	if wantErr == nil {
		wantErr = dec.Value(frame, want.UnsafePointer())
	}
	err = direct.Value(own, got.UnsafePointer())
	for i := range own {
		own[i] = 0xc1 // the value has nothing of it
	}
	if text, wantText := errText(err), errText(wantErr); text != wantText {
		t.Fatalf("%s: %x:\n got %s\nwant %s", typ, src, text, wantText)
	}
	if err == nil && !reflect.DeepEqual(got.Interface(), want.Interface()) && !holdsNaN(l, frame) {
		t.Fatalf("%s: %x:\n got %+v\nwant %+v", typ, src, got.Elem(), want.Elem())
	}
}

func errText(err error) string {
	if err == nil {
		return ""
	}
	return err.Error()
}

// holdsNaN says that a value is not even equal to itself.
func holdsNaN(l *Layout, frame []byte) bool {
	_, err := l.AppendJSON(nil, frame)
	return err != nil && strings.Contains(err.Error(), "NaN")
}

func holdsAny(n *node, seen map[*node]bool) bool {
	if n == nil || seen[n] {
		return false
	}
	seen[n] = true
	if n.kind == kAny || n.extra || holdsAny(n.elem, seen) {
		return true
	}
	if slices.ContainsFunc(n.elems, func(e *node) bool { return holdsAny(e, seen) }) {
		return true
	}
	for i := range n.fields {
		if holdsAny(n.fields[i].node, seen) {
			return true
		}
	}
	return false
}

// eachGolden calls f for every golden value of a type that has a message.
func eachGolden(t testing.TB, f func(name string, l *Layout, frame []byte)) {
	t.Helper()
	for _, g := range goldens() {
		enc, err := NewEncoder(g.typ)
		if err != nil {
			t.Fatal(err)
		}
		values := reflect.ValueOf(g.values)
		for i := range values.Len() {
			b, err := enc.Append(nil, values.Index(i).Addr().UnsafePointer())
			if err != nil {
				t.Fatal(err)
			}
			f(g.name, enc.Layout(), b)
		}
	}
}

// What can not be written is refused from memory as it is by way of a frame.
func TestMsgpackRefuses(t *testing.T) {
	loop := &Tree{Name: "loop"}
	loop.Left = loop
	cyclic := map[string]any{}
	cyclic["self"] = []any{cyclic}
	for name, v := range map[string]any{
		"channel in any":            Dynamic{Any: map[string]any{"a": []any{make(chan int)}}},
		"a cycle of pointers":       *loop,
		"a cycle in any":            Dynamic{Any: cyclic},
		"text that is no JSON":      Dynamic{Raw: jsontext.Value("{")},
		"year 10000":                []Presence{{ZeroTime: time.Date(10000, 1, 1, 0, 0, 0, 0, time.UTC)}},
		"year 10000 in any":         []any{time.Date(10000, 1, 1, 0, 0, 0, 0, time.UTC)},
		"in a map":                  map[string]*Dynamic{"a b": {Any: func() {}}},
		"others that are no object": Open{Rest: jsontext.Value("[]")},
	} {
		p := reflect.New(reflect.TypeOf(v))
		p.Elem().Set(reflect.ValueOf(v))
		enc, err := NewEncoder(reflect.TypeOf(v))
		if err != nil {
			t.Fatal(err)
		}
		frame, want := enc.Append(nil, p.UnsafePointer())
		if want == nil {
			_, want = enc.Layout().AppendMsgpack(nil, frame)
		}
		out, got := (&MsgpackEncoder{enc}).Append([]byte("before"), p.UnsafePointer())
		if want == nil || errText(got) != errText(want) || string(out) != "before" {
			t.Errorf("%s: %q\n got %v\nwant %v", name, out, got, want)
		}
	}
}

func TestMsgpackOfTheGoldens(t *testing.T) {
	eachGolden(t, func(_ string, l *Layout, frame []byte) { sameAsJSON(t, l, frame) })
}

// TestMsgpackTorn cuts messages at every byte: each piece is refused, and nothing panics.
func TestMsgpackTorn(t *testing.T) {
	eachGolden(t, func(name string, l *Layout, frame []byte) {
		packed, err := l.AppendMsgpack(nil, frame)
		if err != nil {
			t.Fatal(err)
		}
		dst := []byte("before")
		for _, l := range []*Layout{l, Any()} {
			for i := range packed {
				out, err := l.ParseMsgpack(dst, packed[:i:i], false)
				if err == nil || string(out) != "before" {
					t.Fatalf("%s: %d of %d bytes are read as %q, %v", name, i, len(packed), out, err)
				}
			}
			if _, err := l.ParseMsgpack(nil, append(packed[:len(packed):len(packed)], 0xc0), false); err == nil || !strings.Contains(err.Error(), "expected the end, got 1 more bytes") {
				t.Errorf("%s: a byte behind the value: %v", name, err)
			}
		}
	})
}

type packed struct {
	A    int8              `json:"a"`
	B    uint16            `json:"b,omitempty"`
	F    float32           `json:"f,omitempty"`
	S    string            `json:"s,omitempty"`
	P    *string           `json:"p,omitempty"`
	Blob []byte            `json:"blob,omitempty"`
	At   time.Time         `json:"at,omitzero"`
	L    []uint64          `json:"l,omitempty"`
	M    map[string]string `json:"m,omitempty"`
	Any  any               `json:"any,omitempty"`
	Yes  bool              `json:"yes,omitempty"`
}

// TestMsgpackReads has messages as others write them. What is not in want as JSON is in
// err.
func TestMsgpackReads(t *testing.T) {

	for _, c := range []struct{ name, hex, want, err string }{
		{"one byte", "81 a161 01", `{"a":1,"b":0,"f":0,"yes":false}`, ""},
		{"wider than it needs", "81 a161 d3 0000000000000001", `{"a":1,"b":0,"f":0,"yes":false}`, ""},
		{"unsigned", "81 a161 cf 0000000000000001", `{"a":1,"b":0,"f":0,"yes":false}`, ""},
		{"map 32", "df 00000001 db 00000001 61 ff", `{"a":-1,"b":0,"f":0,"yes":false}`, ""},
		{"other members between, whatever they are", "84 a178 81 05 d4 07 00 a161 01 a179 c7 03 09 010203 a162 05", `{"a":1,"b":5,"f":0,"yes":false}`, ""},
		{"out of order", "83 a173 a178 a162 02 a161 01", `{"a":1,"b":2,"f":0,"s":"x","yes":false}`, ""},
		{"twice", "83 a161 01 a173 a178 a161 02", `{"a":2,"b":0,"f":0,"s":"x","yes":false}`, ""},
		{"a float for a float", "82 a161 01 a166 ca 3dcccccd", `{"a":1,"b":0,"f":0.1,"yes":false}`, ""},
		{"an integer for a float", "82 a161 01 a166 d0 fe", `{"a":1,"b":0,"f":-2,"yes":false}`, ""},
		{"nil for what is optional", "84 a161 01 a170 c0 a16c c0 a4626c6f62 c0", `{"a":1,"b":0,"f":0,"yes":false}`, ""},
		{"no UTF-8", "82 a161 01 a173 a3 61ff62", `{"a":1,"b":0,"f":0,"s":"a` + "\ufffd" + `b","yes":false}`, ""},
		{"time of 4 bytes", "82 a161 01 a26174 d6 ff 00000001", `{"a":1,"b":0,"f":0,"at":"1970-01-01T00:00:01Z","yes":false}`, ""},
		{"time of 8 bytes", "82 a161 01 a26174 d7 ff 773594 00 00000001", `{"a":1,"b":0,"f":0,"at":"1970-01-01T00:00:01.5Z","yes":false}`, ""},
		{"time of 12 bytes", "82 a161 01 a26174 c7 0c ff 00000000 ffffffffffffffff", `{"a":1,"b":0,"f":0,"at":"1969-12-31T23:59:59Z","yes":false}`, ""},
		{"bytes", "82 a161 01 a4626c6f62 c4 02 0102", `{"a":1,"b":0,"f":0,"blob":"AQI=","yes":false}`, ""},
		{"kinds of an any", "82 a161 01 a3616e79 97 c0 c3 ff cf ffffffffffffffff cb 3fe0000000000000 c4 01 01 d6 ff 00000000", `{"a":1,"b":0,"f":0,"any":[null,true,-1,18446744073709551615,0.5,"AQ==","1970-01-01T00:00:00Z"],"yes":false}`, ""},

		{"nothing", "", "", "$: expected a msgpack value, got an empty message"},
		{"another kind", "93 01 02 03", "", "$: expected map, got array"},
		{"the byte that means nothing", "81 a161 c1", "", "$.a: malformed msgpack at byte 3: no value begins with 0xc1"},
		{"missing", "80", "", "$.a: missing member (int8)"},
		{"too large", "81 a161 cd 012c", "", "$.a: expected int8, got 300"},
		{"too small", "81 a161 d1 ff7f", "", "$.a: expected int8, got -129"},
		{"negative", "82 a161 01 a162 ff", "", "$.b: expected uint16, got -1"},
		{"beyond 64 bits signed", "81 a161 cf ffffffffffffffff", "", "$.a: expected int8, got 18446744073709551615"},
		{"a float for an integer", "81 a161 cb 3ff0000000000000", "", "$.a: expected integer, got float 1"},
		{"text for a number", "81 a161 a131", "", "$.a: expected integer, got string"},
		{"nil for a number", "81 a161 c0", "", "$.a: expected integer, got nil"},
		{"beyond a float32", "82 a161 01 a166 cb 7fefffffffffffff", "", "$.f: expected float32, got 1.7976931348623157e+308"},
		{"bytes for text", "82 a161 01 a173 c4 01 61", "", "$.s: expected string, got bytes"},
		{"text for bytes", "82 a161 01 a4626c6f62 a161", "", "$.blob: expected bytes, got string"},
		{"text for a time", "82 a161 01 a26174 a131", "", "$.at: expected time, got string"},
		{"a number for a time", "82 a161 01 a26174 01", "", "$.at: expected time, got 1"},
		{"an extension for a time", "82 a161 01 a26174 d6 05 00000001", "", "$.at: expected time, got extension 5 of 4 bytes"},
		{"a time of 5 bytes", "82 a161 01 a26174 c7 05 ff 0000000000", "", "$.at: malformed msgpack at byte 7: expected a time of 4, 8 or 12 bytes with less than 1000000000 ns"},
		{"a time with too many ns", "82 a161 01 a26174 c7 0c ff ffffffff 0000000000000000", "", "$.at: malformed msgpack at byte 7: expected a time of 4, 8 or 12 bytes with less than 1000000000 ns"},
		{"a time beyond 9999", "82 a161 01 a26174 c7 0c ff 00000000 0000010000000000", "", "$.at: expected a time in the years 0 to 9999, got 1099511627776 s from 1970"},
		{"an extension in an any", "82 a161 01 a3616e79 d4 07 00", "", "$.any: expected a value, got extension 7 of 1 bytes"},
		{"a number as key", "81 01 01", "", "$: expected a string as key, got 1"},
		{"bytes as key", "81 c40161 01", "", "$: expected a string as key, got bytes"},
		{"a key of a map", "82 a161 01 a16d 81 c0 a178", "", "$.m: expected a string as key, got nil"},
		{"in a list", "82 a161 01 a16c 92 01 ff", "", "$.l[1]: expected uint64, got -1"},
		{"more elements than bytes", "82 a161 01 a16c dd ffffffff 01", "", "$.l: malformed msgpack at byte 6: 4294967295 elements in 1 bytes"},
		{"more members than bytes", "df 7fffffff a161 01", "", "$: malformed msgpack at byte 0: 2147483647 members in 3 bytes"},
		{"a longer string than there are bytes", "82 a161 01 a173 db ffffffff 61", "", "$.s: malformed msgpack at byte 6: the message of 12 bytes ends inside of a value"},
		{"longer bytes than there are", "82 a161 01 a4626c6f62 c6 ffffffff 61", "", "$.blob: malformed msgpack at byte 9: the message of 15 bytes ends inside of a value"},
		{"a longer extension than there are bytes", "82 a161 01 a26174 c9 ffffffff ff 00", "", "$.at: malformed msgpack at byte 7: the message of 14 bytes ends inside of a value"},
		{"torn where nobody reads", "82 a161 01 a178 92 01", "", "$: malformed msgpack at byte 6: 2 elements in 1 bytes"},
	} {
		src, err := hex.DecodeString(strings.ReplaceAll(c.hex, " ", ""))
		if err != nil {
			t.Fatalf("%s: %v", c.name, err)
		}
		l, err := Of(reflect.TypeFor[packed]())
		if err != nil {
			t.Fatal(err)
		}
		compareUnpacked(t, reflect.TypeFor[packed](), src, false)
		frame, err := l.ParseMsgpack(nil, src, false)
		if c.err != "" {
			if err == nil || err.Error() != c.err {
				t.Errorf("%s:\n got %v\nwant %s", c.name, err, c.err)
			}
			continue
		}
		if err != nil {
			t.Errorf("%s: %v", c.name, err)
			continue
		}
		if got, err := l.AppendJSON(nil, frame); err != nil || string(got) != c.want {
			t.Errorf("%s: %v\n got %s\nwant %s", c.name, err, got, c.want)
		}
	}
}

func TestMsgpackStrict(t *testing.T) {
	l, err := Of(reflect.TypeFor[packed]())
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct{ name, hex, want string }{
		{"a member twice in order", "82a16101a16102", "$.a: member comes twice"},
		{"a member twice out of order", "83a173a178a16101a173a178", "$.s: member comes twice"},
		{"a key twice", "82a16101a16d82a161a178a161a179", "$.m.a: member comes twice"},
		{"a string", "82a16101a173a1ff", "$.s: a string is no UTF-8"},
		{"a key", "82a1ff01a16101", "$: a string is no UTF-8"},
		{"where nobody reads", "82a178a1ffa16101", "$: a string is no UTF-8"},
		{"all is well", "83a162c0a16101a173a178", "$.b: expected integer, got nil"},
		{"skipped and come later", "83a16101a16d80a16c9101", ""},
	} {
		src, err := hex.DecodeString(c.hex)
		if err != nil {
			t.Fatalf("%s: %v", c.name, err)
		}
		compareUnpacked(t, reflect.TypeFor[packed](), src, true)
		got := ""
		if _, err := l.ParseMsgpack(nil, src, true); err != nil {
			got = err.Error()
		}
		if got != c.want {
			t.Errorf("%s:\n got %s\nwant %s", c.name, got, c.want)
		}
	}
	// And as strictly from JSON, where frames are made of it.
	for text, want := range map[string]string{
		`{"a":1,"a":2}`:         "$.a: member comes twice",
		`{"s":"x","a":1,"s":1}`: "$.s: member comes twice",
		`{"l":[1],"a":1}`:       "",
	} {
		got := ""
		if _, err := l.JSON(true).Read([][]byte{[]byte(text)}, func(_ int, err error) { got = err.Error() }); err != nil {
			t.Fatal(err)
		}
		if got != want {
			t.Errorf("%s:\n got %s\nwant %s", text, got, want)
		}
	}
}

// TestMsgpackExtra: members that nobody named come out again as they were.
func TestMsgpackExtra(t *testing.T) {
	l, err := Of(reflect.TypeFor[OpenMap]())
	if err != nil {
		t.Fatal(err)
	}
	for in, want := range map[string]string{
		"83a17a01a56b6e6f776ea16ba162c40101":         "83a56b6e6f776ea16ba17a01a162c40101",
		"83a17a01a17a02a56b6e6f776ea16b":             "82a56b6e6f776ea16ba17a02",
		"82a56b6e6f776ea16ba26174d6ff00000001":       "82a56b6e6f776ea16ba26174d6ff00000001",
		"82a56b6e6f776ea16ba17882a162ca3f800000a161": "",
	} {
		src, err := hex.DecodeString(in)
		if err != nil {
			t.Fatal(err)
		}
		frame, err := l.ParseMsgpack(nil, src, false)
		if want == "" {
			if err == nil {
				t.Errorf("%s: expected an error, got none", in)
			}
			continue
		}
		if err != nil {
			t.Errorf("%s: %v", in, err)
			continue
		}
		if got, err := l.AppendMsgpack(nil, frame); err != nil || hex.EncodeToString(got) != want {
			t.Errorf("%s: %v\n got %x\nwant %s", in, err, got, want)
		}
	}
}

// TestMsgpackNumbers: what JSON has no numbers for.
func TestMsgpackNumbers(t *testing.T) {
	for _, v := range []float64{math.NaN(), math.Inf(1), math.Inf(-1), math.Copysign(0, -1)} {
		b, l := encode(t, struct {
			F64 float64
			F32 float32
			Any any
		}{v, float32(v), v})
		packed, err := l.AppendMsgpack(nil, b)
		if err != nil {
			t.Fatal(err)
		}
		back, err := l.ParseMsgpack(nil, packed, true)
		if err != nil || len(back) != len(b) {
			t.Fatalf("%v: %v, %x of %x", v, err, back, b)
		}
		for _, at := range []int{0, 8, 17} {
			if got := math.Float64frombits(le.Uint64(back[at:])); got != v && !(math.IsNaN(got) && math.IsNaN(v)) || math.Signbit(got) != math.Signbit(v) {
				t.Errorf("%v: %v at %d", v, got, at)
			}
		}
	}
}

func TestMsgpackDepth(t *testing.T) {
	for _, c := range []struct {
		name string
		l    *Layout
		open string
	}{
		{"lists", Any(), "\x91"},
		{"maps", Any(), "\x81\xa1k"},
		{"where nobody reads", must(Of(reflect.TypeFor[Tree]())), "\x81\xa1k"},
	} {
		at := func(depth int) error {
			_, err := c.l.ParseMsgpack(nil, []byte(strings.Repeat(c.open, depth)+"\xc0"), false)
			return err
		}
		if err := at(maxDepth); err != nil && !strings.HasSuffix(err.Error(), "missing member (string)") {
			t.Errorf("%s: %d deep: %v", c.name, maxDepth, err)
		}
		if err := at(maxDepth + 1); err == nil || !strings.HasSuffix(err.Error(), "nested deeper than 10000") {
			t.Errorf("%s: %d deep: %v", c.name, maxDepth+1, err)
		}
		if err := at(1 << 20); err == nil || !strings.HasSuffix(err.Error(), "nested deeper than 10000") {
			t.Errorf("%s: %d deep: %v", c.name, 1<<20, err)
		}
	}
}

func must(l *Layout, err error) *Layout {
	if err != nil {
		panic(err)
	}
	return l
}

// A struct of more members than fit the short head of a map.
func TestMsgpackWide(t *testing.T) {
	fields := make([]reflect.StructField, 40)
	for i := range fields {
		fields[i] = reflect.StructField{Name: "F" + string(rune('A'+i%26)) + string(rune('A'+i/26)), Type: reflect.TypeFor[string](), Tag: `json:",omitempty"`}
	}
	typ := reflect.StructOf(append(fields, reflect.StructField{Name: "Rest", Type: reflect.TypeFor[jsontext.Value](), Tag: `json:",embed"`}))
	enc, err := NewEncoder(typ)
	if err != nil {
		t.Fatal(err)
	}
	for some := range 41 {
		v := reflect.New(typ)
		for i := range some {
			v.Elem().Field(i).SetString("x")
		}
		v.Elem().Field(40).Set(reflect.ValueOf(jsontext.Value(`{"other":[1,"two"]}`)))
		b, err := enc.Append(nil, v.UnsafePointer())
		if err != nil {
			t.Fatal(err)
		}
		sameAsJSON(t, enc.Layout(), b)
	}
	// And one whose other members are what makes it wide.
	var few struct {
		A    string
		Rest map[string]any `json:",embed"`
	}
	few.Rest = map[string]any{}
	for i := range 20 {
		few.Rest[strings.Repeat("k", i+1)] = int64(i)
	}
	b, l := encode(t, few)
	sameAsJSON(t, l, b)
}

// An absent member that Go can not leave out is written as zero, as in JSON.
func TestMsgpackZeros(t *testing.T) {
	type inner struct {
		A int       `json:"a"`
		S string    `json:"s,omitempty"`
		L []int     `json:"l"`
		T time.Time `json:"t"`
	}
	type zeros struct {
		B  bool          `json:"b,omitempty"`
		I  int           `json:"i,omitempty"`
		U  uint8         `json:"u,omitempty"`
		F  float64       `json:"f,omitempty"`
		G  float32       `json:"g,omitempty"`
		T  time.Time     `json:"t,omitempty"`
		In inner         `json:"in,omitempty"`
		S  string        `json:"s,omitempty"`
		P  *int          `json:"p,omitempty"`
		M  map[int8s]int `json:"m,omitempty"`
	}
	l := must(Of(reflect.TypeFor[zeros]()))
	frame, err := l.ParseJSON(nil, []byte("{}"))
	if err != nil {
		t.Fatal(err)
	}
	sameAsJSON(t, l, frame)
}

type int8s string

// TestMsgpackColumn: what can not be read is told, and leaves no trace.
func TestMsgpackColumn(t *testing.T) {
	var said []string
	col, err := must(Of(reflect.TypeFor[[]int8]())).Msgpack(false).Read([][]byte{{0x91, 1}, nil, {0x92, 1}, {0x91, 0xcc, 200}, {0x90}}, func(i int, err error) {
		said = append(said, string(rune('0'+i))+" "+err.Error())
	})
	if err != nil {
		t.Fatal(err)
	}
	want := []string{"1 $: expected a msgpack value, got null (a tombstone)", "2 $: malformed msgpack at byte 0: 2 elements in 1 bytes", "3 $[0]: expected int8, got 200"}
	if !reflect.DeepEqual(said, want) {
		t.Errorf("got %q", said)
	}
	if col.Len() != 2 || !bytes.Equal(col.Value(1), []byte{0, 0, 0, 0}) {
		t.Errorf("%d elements", col.Len())
	}
}

func TestMsgpackAllocations(t *testing.T) {
	v := aMetric()
	enc := encoder[Metric](t)
	l, buf := enc.Layout(), make([]byte, 0, 4096)
	frame, err := enc.Append(nil, unsafe.Pointer(&v))
	if err != nil {
		t.Fatal(err)
	}
	packed, err := l.AppendMsgpack(nil, frame)
	if err != nil {
		t.Fatal(err)
	}
	for name, f := range map[string]func() error{
		"parse": func() error { _, err := l.ParseMsgpack(buf, packed, false); return err },
		"print": func() error { _, err := l.AppendMsgpack(buf, frame); return err },
	} {
		got := testing.AllocsPerRun(100, func() {
			if err := f(); err != nil {
				t.Fatal(err)
			}
		})
		if got > 0 && (poolsKeep || name != "parse") {
			t.Errorf("%s: %v allocations, want none", name, got)
		}
	}
}

// FuzzMsgpack reads hostile messages. Nothing may panic, no length may make the reader
// allocate much more than the bytes that came, msgp agrees about what is a message, and
// what was read is written and read the same.
//
// Fault: malformed msgpack -> goes on: the message is refused with the place and the path, memory stays in proportion to it
func FuzzMsgpack(f *testing.F) {
	eachGolden(f, func(_ string, l *Layout, frame []byte) {
		packed, err := l.AppendMsgpack(nil, frame)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(packed)
	})
	for _, s := range []string{"", "\xc1", "\xdd\xff\xff\xff\xff", "\xdf\xff\xff\xff\xff", "\xdb\xff\xff\xff\xff", "\xc6\xff\xff\xff\xff", "\xc9\xff\xff\xff\xff\xff", "\x81\x01\x01", "\xc7\x0c\xff\xff\xff\xff\xff\x00\x00\x00\x00\x00\x00\x00\x00", "\x83\xa1s\xa1\xff\xa1a\x01\xa1s\xa1x", strings.Repeat("\x91", 20_000) + "\xc0", "\x93\xca\x7f\xc0\x00\x00\xcb\x80\x00\x00\x00\x00\x00\x00\x00\xd6\xff\x00\x00\x00\x00"} {
		f.Add([]byte(s))
	}
	layouts := []*Layout{Any()}
	types := []reflect.Type{reflect.TypeFor[Metric](), reflect.TypeFor[everything](), reflect.TypeFor[Scalars](), reflect.TypeFor[Presence](), reflect.TypeFor[Tree](), reflect.TypeFor[OpenMap](), reflect.TypeFor[packed](), reflect.TypeFor[map[string]any](), reflect.TypeFor[[]float32](), reflect.TypeFor[Ticks](), reflect.TypeFor[Tuples]()}
	for _, typ := range types {
		layouts = append(layouts, must(Of(typ)))
	}
	f.Fuzz(func(t *testing.T, src []byte) {
		var before, after runtime.MemStats
		runtime.ReadMemStats(&before)
		for _, typ := range types {
			compareUnpacked(t, typ, src, len(src)%2 == 0)
		}
		for _, l := range layouts {
			for _, strict := range []bool{false, true} {
				frame, err := l.ParseMsgpack(nil, src, strict)
				if err != nil {
					continue
				}
				if rest, err := msgp.Skip(src); err != nil || len(rest) > 0 {
					t.Errorf("%s: %x was read, msgp leaves %d bytes, %v", l, src, len(rest), err)
				}
				packed, err := l.AppendMsgpack(nil, frame)
				if err != nil {
					t.Errorf("%s: %x: %v", l, src, err)
					continue
				}
				back, err := l.ParseMsgpack(nil, packed, true)
				if err != nil {
					t.Errorf("%s: own message %x: %v", l, packed, err)
					continue
				}
				if again, err := l.AppendMsgpack(nil, back); err != nil || !bytes.Equal(again, packed) {
					t.Errorf("%s: %x became %x, then %x, %v", l, src, packed, again, err)
				}
			}
		}
		runtime.ReadMemStats(&after)
		if used := after.TotalAlloc - before.TotalAlloc; used > 1<<21+uint64(len(src))*4000 {
			t.Errorf("%d bytes made the readers allocate %d", len(src), used)
		}
	})
}

// An integer takes the fewest bytes, whether its type is known or not.
func TestMsgpackIntegers(t *testing.T) {
	for v, want := range map[int64]string{0: "00", 127: "7f", 128: "cc80", 255: "ccff", 256: "cd0100", 1 << 16: "ce00010000", 1 << 32: "cf0000000100000000", -1: "ff", -32: "e0", -33: "d0df", -129: "d1ff7f", math.MinInt64: "d38000000000000000"} {
		typed, l := encode(t, v)
		free, any := encode[any](t, v)
		a, err := l.AppendMsgpack(nil, typed)
		b, err2 := any.AppendMsgpack(nil, free)
		if err != nil || err2 != nil || hex.EncodeToString(a) != want || !bytes.Equal(a, b) {
			t.Errorf("%d: %x and %x, want %s, %v, %v", v, a, b, want, err, err2)
		}
	}
}
