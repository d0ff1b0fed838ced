package avro_test

import (
	"bytes"
	"math"
	"reflect"
	"runtime"
	"strings"
	"testing"
	"time"

	library "github.com/twmb/avro"
	"pgregory.net/rapid"

	"github.com/levada-io/levada/codec"
	"github.com/levada-io/levada/codec/avro"
	"github.com/levada-io/levada/internal/frame"
	"github.com/levada-io/levada/plan"
)

const schema = `{"type": "record", "name": "Visit", "namespace": "test", "fields": [
	{"name": "flag", "type": "boolean"},
	{"name": "i", "type": "int"},
	{"name": "l", "type": "long"},
	{"name": "f", "type": "float"},
	{"name": "d", "type": "double"},
	{"name": "b", "type": "bytes"},
	{"name": "s", "type": "string"},
	{"name": "kind", "type": {"type": "enum", "name": "Kind", "symbols": ["page", "api"]}},
	{"name": "id", "type": {"type": "fixed", "name": "ID", "size": 3}},
	{"name": "note", "type": ["null", "string"]},
	{"name": "last", "type": ["int", "null"]},
	{"name": "ms", "type": {"type": "long", "logicalType": "timestamp-millis"}},
	{"name": "us", "type": {"type": "long", "logicalType": "timestamp-micros"}},
	{"name": "list", "type": {"type": "array", "items": "long"}},
	{"name": "map", "type": {"type": "map", "values": "double"}},
	{"name": "down", "type": ["null", "Visit"]},
	{"name": "free", "type": ["null", "boolean", "long", "double", "string", {"type": "array", "items": "string"}, "test.Kind"]}
]}`

type visit struct {
	Flag bool               `json:"flag" avro:"flag"`
	I    int32              `json:"i" avro:"i"`
	L    int64              `json:"l" avro:"l"`
	F    float32            `json:"f" avro:"f"`
	D    float64            `json:"d" avro:"d"`
	B    []byte             `json:"b" avro:"b"`
	S    string             `json:"s" avro:"s"`
	Kind string             `json:"kind" avro:"kind"`
	ID   []byte             `json:"id" avro:"id"`
	Note *string            `json:"note" avro:"note"`
	Last *int32             `json:"last,omitempty" avro:"last"`
	MS   time.Time          `json:"ms" avro:"ms"`
	US   time.Time          `json:"us" avro:"us" levada:"unit=unix_ms"`
	List []int64            `json:"list" avro:"list"`
	Map  map[string]float64 `json:"map" avro:"map"`
	Down *visit             `json:"down" avro:"down"`
	Free any                `json:"free" avro:"free"`
}

func of(t testing.TB, schema string) *avro.Codec {
	t.Helper()
	c, err := avro.Of(schema)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func bind[T any](t testing.TB, schema string) codec.Bound {
	t.Helper()
	b, err := of(t, schema).Bind(reflect.TypeFor[T]())
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func visits(t *rapid.T, depth int) *visit {
	text := rapid.StringN(0, 10, -1)
	at := func() time.Time {
		return time.UnixMicro(rapid.Int64Range(-62_167_219_200_000, 253_402_300_799_999).Draw(t, "time") * 1000).UTC()
	}
	v := &visit{
		Flag: rapid.Bool().Draw(t, "flag"), I: rapid.Int32().Draw(t, "i"), L: rapid.Int64().Draw(t, "l"),
		F: rapid.Float32Range(-1e30, 1e30).Draw(t, "f"), D: rapid.Float64Range(-1e300, 1e300).Draw(t, "d"),
		B: rapid.SliceOf(rapid.Byte()).Draw(t, "b"), S: text.Draw(t, "s"), Kind: rapid.SampledFrom([]string{"page", "api"}).Draw(t, "kind"),
		ID: []byte("abc"), MS: at(), US: at(), List: rapid.SliceOf(rapid.Int64()).Draw(t, "list"),
		Map:  rapid.MapOfN(text, rapid.Float64Range(-1, 1), 0, 1).Draw(t, "map"),
		Free: rapid.SampledFrom([]any{nil, true, int64(7), 1.5, "text"}).Draw(t, "free"),
	}
	if rapid.Bool().Draw(t, "more") {
		note, last := text.Draw(t, "note"), rapid.Int32().Draw(t, "last")
		v.Note, v.Last = &note, &last
	}
	if depth > 0 && rapid.Bool().Draw(t, "deeper") {
		v.Down = visits(t, depth-1)
	}
	return v
}

// The library reads what the codec writes and writes what the codec reads; for maps of
// one entry the bytes are the same.
func TestSameAsTheLibrary(t *testing.T) {
	theirs, b := library.MustParse(schema), bind[visit](t, schema)
	rapid.Check(t, func(t *rapid.T) {
		in := visits(t, 3)
		want, err := theirs.Encode(in)
		if err != nil {
			t.Fatal(err)
		}
		got, err := b.Append([]byte("before"), in)
		if err != nil || !bytes.Equal(got[len("before"):], want) {
			t.Fatalf("got  %x, %v\nwant %x", got, err, want)
		}
		var out, back visit
		if err := b.Decode(want, &out); err != nil {
			t.Fatal(err)
		}
		if _, err := theirs.Decode(got[len("before"):], &back); err != nil {
			t.Fatal(err)
		}
		if again, err := theirs.Encode(&out); err != nil || !bytes.Equal(again, want) {
			t.Fatalf("%+v\nwas %+v, %v", out, in, err)
		}
		for i := range want {
			want[i] = 0xff // what was decoded keeps nothing of it
		}
		if again, err := b.Append(nil, &out); err != nil || !bytes.Equal(again, got[len("before"):]) {
			t.Fatalf("%x, %v", again, err)
		}
	})
}

// A step without a Go type sees the same values.
func TestWire(t *testing.T) {
	for _, l := range []*frame.Layout{frame.Any(), must(frame.Of(reflect.TypeFor[visit]()))} {
		w, err := of(t, schema).Wire(l)
		if err != nil {
			t.Fatal(err)
		}
		b := bind[visit](t, schema)
		rapid.Check(t, func(t *rapid.T) {
			one, err := b.Append(nil, visits(t, 2))
			if err != nil {
				t.Fatal(err)
			}
			var failed []int
			col, err := w.Read([][]byte{one, nil, {1}, one, append(bytes.Clone(one), 0)}, func(i int, err error) { failed = append(failed, i) })
			if err != nil || !reflect.DeepEqual(failed, []int{1, 2, 4}) || col.Len() != 2 {
				t.Fatalf("%v, %v, %d", err, failed, col.Len())
			}
			back, err := w.Append([]byte("before"), col.Value(1))
			if err != nil || string(back) != "before"+string(one) {
				t.Fatalf("%x\n%x, %v", back, one, err)
			}
		})
	}
}

func must[T any](v T, err error) T {
	if err != nil {
		panic(err)
	}
	return v
}

func TestMembersInAnyOrder(t *testing.T) {
	type turned struct {
		B string  `json:"b"`
		C *int64  `json:"c,omitempty"`
		A []int64 `json:"a"`
	}
	const s = `{"type": "record", "name": "R", "fields": [{"name": "a", "type": {"type": "array", "items": "long"}}, {"name": "b", "type": "string"}, {"name": "c", "type": ["null", "long"]}]}`
	b := bind[turned](t, s)
	got, err := b.Append(nil, &turned{B: "x", A: []int64{1}})
	if want := "\x02\x02\x00\x02x\x00"; err != nil || string(got) != want {
		t.Fatalf("%x, %v, want %x", got, err, want)
	}
	var out turned
	if err := b.Decode(got, &out); err != nil || out.B != "x" || len(out.A) != 1 || out.C != nil {
		t.Errorf("%+v, %v", out, err)
	}
}

func TestUnions(t *testing.T) {
	const s = `["null", "int", "long", "float", "double", "string", "bytes", {"type": "enum", "name": "E", "symbols": ["e"]}, {"type": "fixed", "name": "F", "size": 2},
		{"type": "record", "name": "R", "fields": [{"name": "a", "type": "long"}]}, {"type": "map", "values": "long"}]`
	theirs, b := library.MustParse(s), bind[any](t, s)
	for branch, values := range map[int][]any{
		0: {nil}, 1: {int64(1)}, 2: {int64(1) << 40}, 4: {1.5}, 5: {"x"}, 6: {[]byte("xyz")}, 7: {"e"}, 8: {[]byte("xy")},
		9: {map[string]any{"a": int64(1)}}, 10: {map[string]any{"b": int64(1)}},
	} {
		for _, v := range values {
			got, err := b.Append(nil, &v)
			if err != nil || len(got) == 0 || int(got[0]) != 2*branch {
				t.Errorf("%v: %x, %v", v, got, err)
				continue
			}
			var out, back any
			if err := b.Decode(got, &out); err != nil || !reflect.DeepEqual(out, v) {
				t.Errorf("%v became %v, %v", v, out, err)
			}
			if _, err := theirs.Decode(got, &back); err != nil {
				t.Errorf("%v: %v", v, err)
			}
		}
	}
	v := any(true)
	if _, err := b.Append(nil, &v); err == nil || err.Error() != "$: expected one of null, int, long, float, double, string, bytes, E, F, R, map, got bool that is none" {
		t.Errorf("got %v", err)
	}
}

func TestSchemas(t *testing.T) {
	for _, c := range []struct{ schema, want string }{
		{`{`, "the schema: "},
		{`"nope"`, "the schema: "},
		{`{"type": "record", "name": "R", "fields": [{"name": "d", "type": {"type": "bytes", "logicalType": "decimal", "precision": 4}}]}`, "the schema: $.d: decimal is not supported: no type of a step holds it, take string or long"},
	} {
		if _, err := avro.Of(c.schema); err == nil || !strings.HasPrefix(err.Error(), c.want) {
			t.Errorf("%s: got %v\nwant %s", c.schema, err, c.want)
		}
	}
	for _, settings := range []string{"", "{}", `{"schema":""}`, `{"shema":"int"}`, `{"schema":7}`} {
		if _, err := avro.New().With([]byte(settings)); err == nil {
			t.Errorf("%s is taken", settings)
		}
	}
	if _, err := avro.New().Bind(reflect.TypeFor[int]()); err == nil {
		t.Error("bound without a schema")
	}
	if _, err := of(t, `"int"`).Bind(reflect.TypeFor[chan int]()); err == nil {
		t.Error("a channel is bound")
	}
}

func TestErrors(t *testing.T) {
	const list = `{"type": "record", "name": "R", "fields": [{"name": "l", "type": {"type": "array", "items": {"type": "map", "values": "int"}}}]}`
	const tree = `{"type": "record", "name": "T", "fields": [{"name": "down", "type": ["null", "T"]}]}`
	for _, c := range []struct{ schema, src, want string }{
		{`"int"`, "", "$: malformed avro at byte 0: expected a number, got the end"},
		{`"int"`, "\x02\x02", "$: malformed avro at byte 1: expected the end of the value, got 1 bytes more"},
		{`"int"`, "\xff\xff\xff\xff\x7f", "$: malformed avro at byte 0: expected an int of 32 bits, got -17179869184"},
		{`"long"`, strings.Repeat("\xff", 10) + "\x01", "$: malformed avro at byte 0: expected a number of 64 bits, got a longer one"},
		{`"boolean"`, "\x02", "$: malformed avro at byte 0: expected a boolean, 0 or 1, got 2"},
		{`"string"`, "\x08abc", "$: malformed avro at byte 1: expected 4 bytes, got 3"},
		{`"string"`, "\x01", "$: malformed avro at byte 1: expected a length, got -1"},
		{`["null", "int"]`, "\x04", "$: malformed avro at byte 0: expected one of 2 types, got number 2"},
		{`{"type": "enum", "name": "E", "symbols": ["a"]}`, "\x01", "$: malformed avro at byte 0: expected one of 1 symbols of E, got number -1"},
		{list, "\x04\x00\x02\x02a", "$.l[1].a: malformed avro at byte 5: expected a number, got the end"},
		{list, "\x80\x80\x80\x80\x10", "$.l: malformed avro at byte 0: 2147483648 elements in 0 bytes"},
		{list, "\x01\x7f", "$.l: malformed avro at byte 2: a block of -64 bytes in 0"},
		{`{"type": "array", "items": "null"}`, "\x80\x80\x80\x80\x10\x00", "$: malformed avro at byte 0: more than 4096 elements of no bytes"},
		{`{"type": "long", "logicalType": "timestamp-millis"}`, "\xfe\xff\xff\xff\xff\xff\xff\xff\xff\x01", "$: malformed avro at byte 0: expected a time in the years 0 to 9999, got 9223372036854775807"},
		{tree, strings.Repeat("\x02", 20_000), "$..." + strings.Repeat(".down", 60) + ": more than 10000 levels of nesting"},
	} {
		var v any
		err := bind[any](t, c.schema).Decode([]byte(c.src), &v)
		if err == nil || err.Error() != c.want {
			t.Errorf("%s, %.20x:\n got %v\nwant %s", c.schema, c.src, err, c.want)
		}
	}
	for _, c := range []struct {
		schema string
		v      any
		want   string
	}{
		{`"int"`, int64(math.MaxInt32 + 1), "$: expected an int of 32 bits, got 2147483648"},
		{`"long"`, uint64(math.MaxUint64), "$: expected long, got an integer beyond 63 bits"},
		{`"long"`, 1.5, "$: expected long, got number"},
		{`"string"`, nil, "$: expected string, got null"},
		{list, map[string]any{}, "$.l: missing member (array)"},
		{list, map[string]any{"l": []any{map[string]any{"k": "x"}}}, "$.l[0].k: expected int, got string"},
		{`{"type": "enum", "name": "E", "symbols": ["a"]}`, "b", `$: expected a symbol of E, got "b"`},
		{`{"type": "fixed", "name": "F", "size": 2}`, []byte("x"), "$: expected 2 bytes of F, got 1"},
	} {
		out, err := bind[any](t, c.schema).Append([]byte("before"), &c.v)
		if err == nil || err.Error() != c.want || string(out) != "before" {
			t.Errorf("%s, %v:\n got %v, %q\nwant %s", c.schema, c.v, err, out, c.want)
		}
	}
}

func TestTruncated(t *testing.T) {
	b := bind[visit](t, schema)
	note := "n"
	message, err := b.Append(nil, &visit{B: []byte("b"), S: "s", Kind: "api", ID: []byte("abc"), Note: &note, List: []int64{1, 300}, Map: map[string]float64{"k": 1}, Down: nil, Free: "x"})
	if err != nil {
		t.Fatal(err)
	}
	for i := range message {
		var v visit
		if err := b.Decode(message[:i], &v); err == nil || !strings.Contains(err.Error(), "malformed avro at byte ") {
			t.Errorf("%d bytes: %v", i, err)
		}
	}
}

// FuzzAvro reads hostile messages. Nothing may panic, no count makes it allocate much more
// than the bytes that came, what is read is read by the library, too, and what was read is
// written and read the same.
//
// Fault: malformed avro -> goes on: the message is refused with the place and the path, memory stays in proportion to it
func FuzzAvro(f *testing.F) {
	b := bind[visit](f, schema)
	message, err := b.Append(nil, &visit{S: "s", Kind: "api", ID: []byte("abc"), List: []int64{1, 300}, Map: map[string]float64{"k": 1}, Down: &visit{Kind: "page", ID: []byte("abc")}, Free: "x"})
	if err != nil {
		f.Fatal(err)
	}
	f.Add(message)
	for _, s := range []string{"", "\x00", strings.Repeat("\x02", 300), strings.Repeat("\xff", 40), "\x80\x80\x80\x80\x10", "\x01\x00"} {
		f.Add([]byte(s))
	}
	const loose = `{"type": "record", "name": "T", "fields": [{"name": "down", "type": ["null", "T", "string", "double"]}, {"name": "list", "type": {"type": "array", "items": ["null", "bytes", {"type": "map", "values": "T"}]}}, {"name": "none", "type": {"type": "array", "items": "null"}}]}`
	free := bind[any](f, loose)
	ours, theirs := of(f, loose), library.MustParse(loose)
	if _, _, err := ours.Type(plan.Type{Kind: plan.TAny}, nil); err != nil {
		f.Fatal(err)
	}
	f.Fuzz(func(t *testing.T, src []byte) {
		var before, after runtime.MemStats
		runtime.ReadMemStats(&before)
		var v visit
		again(t, b, &v, new(visit), src)
		var a any
		if again(t, free, &a, new(any), src) {
			var back any
			if rest, err := theirs.Decode(src, &back); err != nil || len(rest) > 0 {
				t.Errorf("%x was read, the library leaves %d bytes, %v", src, len(rest), err)
			}
		}
		runtime.ReadMemStats(&after)
		if used := after.TotalAlloc - before.TotalAlloc; used > 64<<20+uint64(len(src))*8192 {
			t.Errorf("%d bytes made it allocate %d", len(src), used)
		}
	})
}

func again[T any](t *testing.T, b codec.Bound, one, two *T, src []byte) bool {
	err := b.Decode(src, one)
	if err != nil {
		if !strings.HasPrefix(err.Error(), "$") || len(err.Error()) > 2000 {
			t.Errorf("%.2000s", err)
		}
		return false
	}
	message, err := b.Append(nil, one)
	if err != nil {
		return true // what has no one branch in a union, say: text that was read as bytes
	}
	if err := b.Decode(message, two); err != nil {
		t.Fatalf("own message %x: %v", message, err)
	}
	if back, err := b.Append(nil, two); err != nil || !bytes.Equal(back, message) {
		t.Errorf("%x became %x, then %x, %v", src, message, back, err)
	}
	return true
}
