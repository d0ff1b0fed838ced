package avro_test

import (
	"bytes"
	"encoding/hex"
	"encoding/json/v2"
	"fmt"
	"maps"
	"reflect"
	"strings"
	"testing"
	"time"
	"unsafe"

	library "github.com/twmb/avro"

	"github.com/levada-io/levada/codec"
	"github.com/levada-io/levada/codec/avro"
	"github.com/levada-io/levada/codec/prefix"
	"github.com/levada-io/levada/internal/frame"
	"github.com/levada-io/levada/internal/typing"
	"github.com/levada-io/levada/plan"
)

// with is the codec with settings; the schemas of a stream are told to it.
func with(t testing.TB, settings map[string]any, writes bool, versions ...codec.Version) (codec.Codec, error) {
	t.Helper()
	text, err := json.Marshal(settings)
	if err != nil {
		t.Fatal(err)
	}
	c, err := avro.New().With(text)
	if err != nil {
		return nil, err
	}
	return c.(codec.Registered).Registered(versions, writes)
}

func bound[T any](t testing.TB, settings map[string]any, writes bool, versions ...codec.Version) codec.Bound {
	t.Helper()
	c, err := with(t, settings, writes, versions...)
	if err != nil {
		t.Fatal(err)
	}
	b, err := c.Bind(reflect.TypeFor[T]())
	if err != nil {
		t.Fatal(err)
	}
	return b
}

const (
	enumA  = `{"type": "enum", "name": "E", "symbols": ["a", "b"]}`
	enumB  = `{"type": "enum", "name": "E", "symbols": ["b", "c"], "default": "c"}`
	enumC  = `{"type": "enum", "name": "E", "symbols": ["b", "c"]}`
	millis = `{"type": "long", "logicalType": "timestamp-millis"}`
	micros = `{"type": "long", "logicalType": "timestamp-micros"}`
)

func recordOf(fields string) string {
	return `{"type": "record", "name": "R", "fields": [` + fields + `]}`
}

// What the writer wrote is read as the library resolves it, or refused where it refuses.
func TestResolve(t *testing.T) {
	for _, c := range []struct {
		name, writer, reader string
		value                any
		want                 string // JSON of what is read; empty: as the library
	}{
		{"the same", `"int"`, `"int"`, int32(7), `7`},
		{"int as long", `"int"`, `"long"`, int32(7), `7`},
		{"int as float", `"int"`, `"float"`, int32(7), `7`},
		{"int as double", `"int"`, `"double"`, int32(7), `7`},
		{"long as float", `"long"`, `"float"`, int64(7), `7`},
		{"long as double", `"long"`, `"double"`, int64(7), `7`},
		{"float as double", `"float"`, `"double"`, float32(0.5), `0.5`},
		{"string as bytes", `"string"`, `"bytes"`, "ab", `"YWI="`},
		{"bytes as string", `"bytes"`, `"string"`, []byte("ab"), `"ab"`},
		{"symbol kept", enumA, enumB, "b", `"b"`},
		{"symbol of the default", enumA, enumB, "a", `"c"`},
		{"array", `{"type": "array", "items": "int"}`, `{"type": "array", "items": "double"}`, []int32{1, 2}, `[1,2]`},
		{"map", `{"type": "map", "values": "int"}`, `{"type": "map", "values": "long"}`, map[string]int32{"k": 1}, `{"k":1}`},
		{"fixed", `{"type": "fixed", "name": "F", "size": 2}`, `{"type": "fixed", "name": "F", "size": 2}`, [2]byte{'a', 'b'}, `"YWI="`},
		{"field passed over", recordOf(`{"name": "a", "type": "int"}, {"name": "b", "type": {"type": "array", "items": "string"}}, {"name": "c", "type": "int"}`), recordOf(`{"name": "c", "type": "int"}`), map[string]any{"a": 1, "b": []string{"x"}, "c": 3}, `{"c":3}`},
		{"fields in another order", recordOf(`{"name": "a", "type": "int"}, {"name": "b", "type": "string"}`), recordOf(`{"name": "b", "type": "string"}, {"name": "a", "type": "long"}`), map[string]any{"a": 1, "b": "x"}, `{"a":1,"b":"x"}`},
		{"field by alias", recordOf(`{"name": "old", "type": "int"}`), recordOf(`{"name": "new", "aliases": ["old"], "type": "int"}`), map[string]any{"old": 1}, `{"new":1}`},
		{"defaults of all kinds", recordOf(`{"name": "a", "type": "int"}`), recordOf(`{"name": "a", "type": "int"},
			{"name": "n", "type": ["null", "int"], "default": null}, {"name": "u", "type": ["string", "null"], "default": "x"}, {"name": "t", "type": "boolean", "default": true},
			{"name": "l", "type": "long", "default": -3}, {"name": "f", "type": "float", "default": 0.5}, {"name": "d", "type": "double", "default": 1.5},
			{"name": "b", "type": "bytes", "default": "a\u00ff"}, {"name": "x", "type": {"type": "fixed", "name": "F", "size": 1}, "default": "\u0001"},
			{"name": "e", "type": {"type": "enum", "name": "E", "symbols": ["p", "q"]}, "default": "q"},
			{"name": "list", "type": {"type": "array", "items": "int"}, "default": [1, 2]}, {"name": "map", "type": {"type": "map", "values": "string"}, "default": {"b": "1", "a": "2"}},
			{"name": "r", "type": {"type": "record", "name": "Q", "fields": [{"name": "y", "type": "int"}, {"name": "z", "type": "int", "default": 9}]}, "default": {"y": 1}}`),
			map[string]any{"a": 1}, `{"a":1,"n":null,"u":"x","t":true,"l":-3,"f":0.5,"d":1.5,"b":"Yf8=","x":"AQ==","e":"q","list":[1,2],"map":{"a":"2","b":"1"},"r":{"y":1,"z":9}}`},
		{"one into a union", `"int"`, `["null", "long"]`, int32(7), `7`},
		{"one into a union with its kind", `"int"`, `["double", "int"]`, int32(7), `7`},
		{"a union into one", `["int", "long"]`, `"long"`, int64(7), `7`},
		{"a union into another", `["null", "int"]`, `["string", "null", "double"]`, int32(7), `7`},
		{"a union with what is not read", `["null", "int", "string"]`, `["null", "long"]`, int32(7), `7`},
		{"record of a union", `["null", ` + recordOf(`{"name": "a", "type": "int"}`) + `]`, `["null", ` + recordOf(`{"name": "a", "type": "long"}, {"name": "b", "type": "int", "default": 2}`) + `]`, map[string]any{"a": 1}, `{"a":1,"b":2}`},
		{"recursion", `{"type": "record", "name": "T", "fields": [{"name": "v", "type": "int"}, {"name": "down", "type": ["null", "T"]}]}`,
			`{"type": "record", "name": "T", "fields": [{"name": "down", "type": ["null", "T"]}, {"name": "v", "type": "double"}, {"name": "w", "type": "int", "default": 1}]}`,
			map[string]any{"v": 1, "down": map[string]any{"v": 2, "down": nil}}, `{"v":1,"down":{"v":2,"down":null,"w":1},"w":1}`},
		{"time of the writer's unit", micros, micros, int64(1_500_000), `"1970-01-01T00:00:01.5Z"`},
		{"a number as a time", `"long"`, millis, int64(1_500), `"1970-01-01T00:00:01.5Z"`},
		{"a time as a number", millis, `"long"`, int64(1_500), `1500`},
		{"a small number as a time", `"int"`, millis, int32(1_500), `"1970-01-01T00:00:01.5Z"`},
	} {
		message, err := library.MustParse(c.writer).Encode(c.value)
		if err != nil {
			t.Fatalf("%s: %v", c.name, err)
		}
		// The library refuses a union as soon as one branch can not be read.
		if _, err := library.Resolve(library.MustParse(c.writer), library.MustParse(c.reader)); err != nil && c.name != "a union with what is not read" {
			t.Errorf("%s: the library refuses it: %v", c.name, err)
		}
		var got any
		if err := bound[any](t, map[string]any{"schema": c.reader, "writer": c.writer}, false).Decode(message, &got); err != nil {
			t.Errorf("%s: %v", c.name, err)
			continue
		}
		text, err := frame.NewTextEncoder(reflect.TypeFor[any]())
		if err != nil {
			t.Fatal(err)
		}
		out, err := text.Append(nil, unsafe.Pointer(&got))
		if err != nil || !sameJSON(string(out), c.want) {
			t.Errorf("%s: read %s, %v, want %s", c.name, out, err, c.want)
		}
		for cut := range message {
			var v any
			if err := bound[any](t, map[string]any{"schema": c.reader, "writer": c.writer}, false).Decode(message[:cut], &v); err == nil {
				t.Errorf("%s: %d of %d bytes are read", c.name, cut, len(message))
			}
		}
	}
}

func sameJSON(a, b string) bool {
	var x, y any
	return json.Unmarshal([]byte(a), &x) == nil && json.Unmarshal([]byte(b), &y) == nil && reflect.DeepEqual(x, y)
}

func TestWhatCanNotBeResolved(t *testing.T) {
	for _, c := range []struct{ writer, reader, want string }{
		{`"string"`, `"int"`, "the writer's schema: $: string of the writer can not be read as int"},
		{`"long"`, `"int"`, "the writer's schema: $: long of the writer can not be read as int"},
		{`"string"`, millis, "the writer's schema: $: string of the writer can not be read as long"},
		{`["null", "string"]`, `"int"`, "the writer's schema: $: null of the writer can not be read as int"},
		{`"string"`, `["null", "int"]`, "the writer's schema: $: string of the writer can not be read as union"},
		{recordOf(`{"name": "a", "type": {"type": "array", "items": "string"}}`), recordOf(`{"name": "a", "type": {"type": "array", "items": "int"}}`), "the writer's schema: $.a[]: string of the writer can not be read as int"},
		{recordOf(`{"name": "a", "type": "int"}`), recordOf(`{"name": "b", "type": "int"}`), "the writer's schema: $.b: the writer has no such field, and the reader's schema no default"},
		{recordOf(``), strings.Replace(recordOf(``), `"R"`, `"S"`, 1), "the writer's schema: $: record R of the writer can not be read as record S"},
		{`{"type": "fixed", "name": "F", "size": 2}`, `{"type": "fixed", "name": "F", "size": 3}`, "the writer's schema: $: fixed F of the writer can not be read as fixed F"},
		{`{"type": "enum", "name": "D", "symbols": ["a"]}`, enumA, "the writer's schema: $: enum D of the writer can not be read as enum E"},
	} {
		if _, err := library.Resolve(library.MustParse(c.writer), library.MustParse(c.reader)); err == nil {
			t.Errorf("%s as %s: the library takes it", c.writer, c.reader)
		}
		cc, err := with(t, map[string]any{"schema": c.reader, "writer": c.writer}, false)
		if err == nil {
			_, err = cc.Bind(reflect.TypeFor[any]())
		}
		if err == nil || err.Error() != c.want {
			t.Errorf("%s as %s:\n got %v\nwant %s", c.writer, c.reader, err, c.want)
		}
	}
	// What only some messages have fails with those.
	for _, c := range []struct{ writer, reader, message, want string }{
		{enumA, enumC, "\x00", `$: expected a symbol of enum E, got "a", which the reader's schema has not`},
		{`["null", "string"]`, `["null", "int"]`, "\x02\x02x", "$: string of the writer can not be read as union"},
	} {
		var v any
		if err := bound[any](t, map[string]any{"schema": c.reader, "writer": c.writer}, false).Decode([]byte(c.message), &v); err == nil || err.Error() != c.want {
			t.Errorf("%s as %s:\n got %v\nwant %s", c.writer, c.reader, err, c.want)
		}
	}
}

const (
	first  = `{"type": "record", "name": "R", "fields": [{"name": "a", "type": "int"}]}`
	second = `{"type": "record", "name": "R", "fields": [{"name": "a", "type": "long"}, {"name": "b", "type": "string", "default": "?"}]}`
)

type row struct {
	A int64  `json:"a"`
	B string `json:"b"`
}

// Each message is read by the schema whose number it has.
func TestConfluent(t *testing.T) {
	versions := []codec.Version{{ID: 3, Schema: first}, {ID: 7, Schema: second}}
	read := bound[row](t, map[string]any{"schema": second, "prefix": "confluent"}, false, versions...)
	for message, want := range map[string]row{
		"\x00\x00\x00\x00\x03\x0e":       {7, "?"},
		"\x00\x00\x00\x00\x07\x0e\x04xy": {7, "xy"},
	} {
		var got row
		if err := read.Decode([]byte(message), &got); err != nil || got != want {
			t.Errorf("%x: %+v, %v, want %+v", message, got, err, want)
		}
		for cut := range message {
			if err := read.Decode([]byte(message[:cut]), new(row)); err == nil {
				t.Errorf("%x: %d bytes are read", message, cut)
			}
		}
	}
	for message, want := range map[string]string{
		"\x00\x00\x00\x00\x09\x0e": "$: expected a message of schema 3 or 7, got one of schema 9, which is not known here",
		"\x0e\x04xyz":              "$: expected a zero byte and the number of a schema before the message, got 0x0e: it was written without a registry, or with another prefix",
		"\x00\x00":                 "$: expected the number of a schema in 5 bytes before the message, got 2 bytes",
		"\x00\x00\x00\x00\x03":     "$.a: malformed avro at byte 0: expected a number, got the end",
	} {
		if err := read.Decode([]byte(message), new(row)); err == nil || err.Error() != want {
			t.Errorf("%x:\n got %v\nwant %s", message, err, want)
		}
	}
	if err := read.Decode(nil, new(row)); err == nil || !strings.Contains(err.Error(), "a tombstone") {
		t.Errorf("null: %v", err)
	}
	write := bound[row](t, map[string]any{"schema": second, "prefix": "confluent"}, true, versions...)
	if got, err := write.Append([]byte("before"), &row{7, "xy"}); err != nil || string(got) != "before\x00\x00\x00\x00\x07\x0e\x04xy" {
		t.Errorf("%x, %v", got, err)
	}
	// Frames are the same.
	for _, l := range []*frame.Layout{frame.Any(), must(frame.Of(reflect.TypeFor[row]()))} {
		c, err := with(t, map[string]any{"schema": second, "prefix": "confluent"}, false, versions...)
		if err != nil {
			t.Fatal(err)
		}
		w, err := c.(*avro.Codec).Wire(l)
		if err != nil {
			t.Fatal(err)
		}
		var failed []int
		col, err := w.Read([][]byte{[]byte("\x00\x00\x00\x00\x07\x0e\x04xy"), nil, []byte("\x00\x00\x00\x00\x08\x0e"), []byte("\x00\x00\x00\x00\x03\x0e")}, func(i int, _ error) { failed = append(failed, i) })
		if err != nil || col.Len() != 2 || !reflect.DeepEqual(failed, []int{1, 2}) {
			t.Fatalf("%v, %v", err, failed)
		}
		if got, err := l.AppendJSON(nil, col.Value(1)); err != nil || string(got) != `{"a":7,"b":"?"}` {
			t.Errorf("%s, %v", got, err)
		}
	}
}

func TestWhoSaysTheNumber(t *testing.T) {
	versions := []codec.Version{{ID: 3, Schema: first}, {ID: 7, Schema: second}}
	for _, c := range []struct {
		name     string
		settings map[string]any
		writes   bool
		versions []codec.Version
		want     string
	}{
		{"nobody, at parse", map[string]any{"schema": first, "prefix": "confluent"}, false, nil, prefix.ErrNoID.Error()},
		{"nobody, at serialize", map[string]any{"schema": first, "prefix": "confluent"}, true, nil, prefix.ErrNoID.Error()},
		{"the step", map[string]any{"schema": first, "prefix": "confluent", "id": 5}, false, nil, ""},
		{"the step, at serialize", map[string]any{"schema": first, "prefix": "confluent", "id": 5}, true, nil, ""},
		{"both", map[string]any{"schema": first, "prefix": "confluent", "id": 3}, true, versions, ""},
		{"both, and differ", map[string]any{"schema": first, "prefix": "confluent", "id": 5}, false, versions, "id: expected one of the stream's schemas, 3 or 7, got 5"},
		{"another schema has it", map[string]any{"schema": first, "prefix": "confluent", "id": 7}, true, versions, "schema 7 of the stream: expected the schema of this step, got another one"},
		{"no schema of the stream", map[string]any{"schema": `"int"`, "prefix": "confluent"}, true, versions, "the schema: expected one that the stream has (3 or 7), got another one"},
		{"a schema that is none", map[string]any{"schema": first, "prefix": "confluent"}, false, []codec.Version{{ID: 4, Schema: `"nope"`}}, "schema 4 of the stream: "},
		{"another prefix", map[string]any{"schema": first, "prefix": "confluence"}, false, nil, `prefix: expected confluent or single_object, got "confluence"`},
		{"a number without one", map[string]any{"schema": first, "id": 3}, false, nil, `id: expected prefix confluent beside it, got ""`},
		{"a number for a fingerprint", map[string]any{"schema": first, "prefix": "single_object", "id": 3}, false, nil, `id: expected prefix confluent beside it, got "single_object"`},
		{"a writer's schema that is none", map[string]any{"schema": first, "writer": "{"}, false, nil, "the writer's schema: "},
		{"a default that comes back to itself", map[string]any{"schema": recordOf(`{"name": "r", "type": "R", "default": {}}`)}, false, nil, "the schema: "},
	} {
		_, err := with(t, c.settings, c.writes, c.versions...)
		if c.want == "" && err != nil || c.want != "" && (err == nil || !strings.HasPrefix(err.Error(), c.want)) {
			t.Errorf("%s:\n got %v\nwant %s", c.name, err, c.want)
		}
	}
	_, err := with(t, map[string]any{"schema": second, "prefix": "confluent"}, false, codec.Version{ID: 4, Schema: `"int"`})
	if err == nil || err.Error() != "schema 4: $: int of the writer can not be read as record R" {
		t.Errorf("got %v", err)
	}
}

// A message in single-object encoding is the library's, and is read by the schema that it
// names.
func TestSingleObject(t *testing.T) {
	old, now := library.MustParse(first), library.MustParse(second)
	settings := map[string]any{"schema": second, "prefix": "single_object", "writer": first}
	read := bound[row](t, settings, false)
	older, err := old.AppendSingleObject(nil, map[string]any{"a": 7})
	if err != nil {
		t.Fatal(err)
	}
	newer, err := now.AppendSingleObject(nil, map[string]any{"a": 7, "b": "xy"})
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		message []byte
		want    row
	}{{older, row{7, "?"}}, {newer, row{7, "xy"}}} {
		var got row
		if err := read.Decode(c.message, &got); err != nil || got != c.want {
			t.Errorf("%x: %+v, %v", c.message, got, err)
		}
		for cut := range c.message {
			if err := read.Decode(c.message[:cut], new(row)); err == nil {
				t.Errorf("%x: %d bytes are read", c.message, cut)
			}
		}
	}
	known := bound[row](t, map[string]any{"schema": second, "prefix": "single_object"}, false, codec.Version{ID: 1, Schema: first})
	if err := known.Decode(older, new(row)); err != nil {
		t.Errorf("a schema of the lock: %v", err)
	}
	write := bound[row](t, map[string]any{"schema": second, "prefix": "single_object"}, true)
	if got, err := write.Append(nil, &row{7, "xy"}); err != nil || !bytes.Equal(got, newer) {
		t.Errorf("%x, %v, want %x", got, err, newer)
	}
	alone := bound[row](t, map[string]any{"schema": second, "prefix": "single_object"}, false)
	want := fmt.Sprintf("$: expected a message of a schema that is known here, got one of the fingerprint %s", hex.EncodeToString(older[2:10]))
	if err := alone.Decode(older, new(row)); err == nil || err.Error() != want {
		t.Errorf("got %v\nwant %s", err, want)
	}
	if err := alone.Decode([]byte("\x00\x00\x00\x00\x07\x0e"), new(row)); err == nil || err.Error() != "$: expected c3 01 and the fingerprint of the schema before the message, got 00000000070e" {
		t.Errorf("got %v", err)
	}
}

func TestStrict(t *testing.T) {
	const s = `{"type": "map", "values": "string"}`
	for message, want := range map[string]string{
		"\x02\x02k\x02\xff\x00":           "no UTF-8",
		"\x04\x02k\x02a\x02k\x02b\x00":    "comes twice",
		"\x02\x02k\x02a\x00\x00":          "got 1 bytes more",
		"\x04\x02k\x02a\x02l\x02\x62\x00": "",
	} {
		strict, loose := bound[map[string]string](t, map[string]any{"schema": s, "strict": true}, false), bound[map[string]string](t, map[string]any{"schema": s}, false)
		err := strict.Decode([]byte(message), new(map[string]string))
		if want == "" && err != nil || want != "" && (err == nil || !strings.Contains(err.Error(), want)) {
			t.Errorf("%x: got %v, want %s", message, err, want)
		}
		if err := loose.Decode([]byte(message), new(map[string]string)); err != nil && !strings.Contains(want, "more") {
			t.Errorf("%x: %v", message, err)
		}
	}
}

// What is resolved reads hostile messages as whatever is not, and the library agrees.
func FuzzResolve(f *testing.F) {
	const writer = `{"type": "record", "name": "T", "fields": [{"name": "gone", "type": {"type": "array", "items": ["null", "string", "T"]}}, {"name": "v", "type": ["int", "string", "null"]}, {"name": "down", "type": ["null", "T"]}, {"name": "e", "type": ` + enumA + `}]}`
	const reader = `{"type": "record", "name": "T", "fields": [{"name": "down", "type": ["null", "T"]}, {"name": "v", "type": ["null", "double", "string"]}, {"name": "w", "type": "int", "default": 1}, {"name": "e", "type": ` + enumB + `}]}`
	theirs, err := library.Resolve(library.MustParse(writer), library.MustParse(reader))
	if err != nil {
		f.Fatal(err)
	}
	b := bound[any](f, map[string]any{"schema": reader, "writer": writer}, false)
	for _, s := range []string{"", "\x00\x00\x02\x00\x00", "\x02\x02\x02x\x00\x00\x0e\x02\x00\x04\x00\x02\x02", strings.Repeat("\x02\x04", 300), strings.Repeat("\xff", 40)} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, src []byte) {
		var got, want any
		if err := b.Decode(src, &got); err != nil {
			if !strings.HasPrefix(err.Error(), "$") || len(err.Error()) > 2000 {
				t.Errorf("%.2000s", err)
			}
			return
		}
		if rest, err := theirs.Decode(src, &want); err != nil || len(rest) > 0 {
			t.Errorf("%x was read, the library leaves %d bytes, %v", src, len(rest), err)
		}
	})
}

// Numbers with a meaning are what the type beside them says: a time, a duration, or the
// number.
func TestTimes(t *testing.T) {
	const s = `{"type": "record", "name": "R", "fields": [
		{"name": "day", "type": {"type": "int", "logicalType": "date"}},
		{"name": "ms", "type": {"type": "int", "logicalType": "time-millis"}},
		{"name": "us", "type": {"type": "long", "logicalType": "time-micros"}},
		{"name": "local_ms", "type": {"type": "long", "logicalType": "local-timestamp-millis"}},
		{"name": "local_us", "type": ["null", {"type": "long", "logicalType": "local-timestamp-micros"}]}
	]}`
	type numbers struct {
		Day     int32  `json:"day"`
		MS      int32  `json:"ms"`
		US      int64  `json:"us"`
		LocalMS int64  `json:"local_ms"`
		LocalUS *int64 `json:"local_us"`
	}
	type times struct {
		Day     time.Time     `json:"day"`
		MS      time.Duration `json:"ms"`
		US      time.Duration `json:"us" levada:"unit=ns"`
		LocalMS time.Time     `json:"local_ms" levada:"unit=unix"`
		LocalUS *time.Time    `json:"local_us"`
	}
	us := int64(1_500_001)
	in := numbers{-1, 86_399_999, 86_399_999_999, -1500, &us}
	message, err := bind[numbers](t, s).Append(nil, &in)
	if err != nil {
		t.Fatal(err)
	}
	if want, err := library.MustParse(s).Encode(map[string]any{"day": -1, "ms": 86_399_999, "us": int64(86_399_999_999), "local_ms": -1500, "local_us": us}); err != nil || !bytes.Equal(message, want) {
		t.Fatalf("%x, the library writes %x, %v", message, want, err)
	}
	local := time.UnixMicro(us).UTC()
	want := times{time.Date(1969, 12, 31, 0, 0, 0, 0, time.UTC), 24*time.Hour - time.Millisecond, 24*time.Hour - time.Microsecond, time.UnixMilli(-1500).UTC(), &local}
	var got times
	b := bind[times](t, s)
	if err := b.Decode(message, &got); err != nil || !reflect.DeepEqual(got, want) {
		t.Errorf("read %+v, %v\nwant %+v", got, err, want)
	}
	if back, err := b.Append(nil, &want); err != nil || !bytes.Equal(back, message) {
		t.Errorf("%x, %v, want %x", back, err, message)
	}
	var back numbers
	if err := bind[numbers](t, s).Decode(message, &back); err != nil || !reflect.DeepEqual(back, in) {
		t.Errorf("read %+v, %v", back, err)
	}
	// What is cut, and what can not be.
	want.Day, want.MS = want.Day.Add(time.Hour), want.MS+time.Microsecond
	if back, err := b.Append(nil, &want); err != nil || !bytes.Equal(back, message) {
		t.Errorf("%x, %v, want %x", back, err, message)
	}
	want.MS = 24 * time.Hour
	if _, err := b.Append(nil, &want); err == nil || err.Error() != "$.ms: expected the time of a day, got 24h0m0s" {
		t.Errorf("got %v", err)
	}
	const late = "\x00\x80\xb0\xb4\xa4\x05"
	if err := b.Decode([]byte(late), &got); err == nil || !strings.HasPrefix(err.Error(), "$.ms: malformed avro at byte 1: expected a time of the day, 0 to 86399999, got ") {
		t.Errorf("got %v", err)
	}
	// A type with numbers and one with times fit the schema, each as it is.
	for _, typ := range []reflect.Type{reflect.TypeFor[numbers](), reflect.TypeFor[times]()} {
		of, table, err := frame.TypeOf(typ)
		if err != nil {
			t.Fatal(err)
		}
		is, own, err := must(avro.Of(s)).Type(of, table)
		if err != nil {
			t.Fatal(err)
		}
		maps.Copy(own, table)
		if miss := typing.Fits(is, of, own); miss != nil {
			t.Errorf("%s: %s", typ, miss)
		}
	}
	if miss := fits(t, `{"type": "int", "logicalType": "date"}`, plan.Type{Kind: plan.TDuration}); miss == nil {
		t.Error("a date is a duration")
	}
	if miss := fits(t, `"long"`, plan.Type{Kind: plan.TTime}); miss == nil {
		t.Error("a number is a time")
	}
}

func fits(t *testing.T, schema string, typ plan.Type) *typing.Difference {
	t.Helper()
	is, own, err := of(t, schema).Type(typ, nil)
	if err != nil {
		t.Fatal(err)
	}
	return typing.Fits(is, typ, own)
}
