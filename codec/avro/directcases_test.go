package avro

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"math"
	"reflect"
	"slices"
	"testing"

	"github.com/levada-io/levada/internal/frame"
	"github.com/levada-io/levada/plan"
)

// casesOf are both ways of a struct with one member, f.
func casesOf(t *testing.T, schema string, f plan.Field, taken bool) *ways {
	t.Helper()
	f.Name = "f"
	l, err := frame.Compile(plan.Type{Kind: plan.TStruct, Fields: []plan.Field{f, {Name: "g", Type: plan.Type{Kind: plan.TBool}}}}, nil)
	if err != nil {
		t.Fatal(err)
	}
	w, err := waysOf(t, map[string]any{"schema": record(member("f", schema), member("g", `"boolean"`))}, l)
	if err != nil {
		t.Fatal(err)
	}
	if taken && (w.short.readers[0].in == nil || w.short.out == nil) {
		t.Fatalf("%s has no short way", schema)
	}
	return w
}

// Times and durations are the same in every unit and at every edge.
func TestDirectTimes(t *testing.T) {
	edges := []int64{0, 1, -1, 999, 1000, 1001, 86_399_999, 86_400_000, 86_399_999_999, 86_400_000_000, 86_399_999_500, math.MaxInt64, math.MinInt64, zeroTime, 123_456_789_012_345,
		253_402_300_799_999_999, 253_402_300_800_000_000, -62_167_219_200_000_000, -62_167_219_200_000_001, 253_402_300_799_999, 253_402_300_800_000, -62_167_219_200_000, -62_167_219_200_001,
		math.MaxInt64 / 1000, math.MaxInt64/1000 + 1, math.MinInt64 / 1000, math.MinInt64/1000 - 1, 18_446_744_073_709_552, 253_402_300_799_999_987, 2_932_896, 2_932_897, -719_528, -719_529}
	for _, kind := range []string{"timestamp-millis", "timestamp-micros", "local-timestamp-millis", "local-timestamp-micros", "date", "time-millis", "time-micros"} {
		of, typ, units := "long", plan.TTime, []string{"", "unix", "unix_ms", "unix_us", "unix_ns", "unix_days"}
		if kind == "date" || kind == "time-millis" {
			of = "int"
		}
		if kind == "time-millis" || kind == "time-micros" {
			typ, units = plan.TDuration, []string{"", "s", "us", "ns"}
		}
		for _, unit := range units {
			w := casesOf(t, `{"type": "`+of+`", "logicalType": "`+kind+`"}`, plan.Field{Type: plan.Type{Kind: typ, Unit: unit}}, true)
			for _, v := range edges {
				if err := w.read(append(binary.AppendVarint(nil, v), 1)); err != nil {
					t.Errorf("%s, %q, %d: %v", kind, unit, v, err)
				}
				if err := w.write(append(little.AppendUint64(nil, uint64(v)), 1)); err != nil {
					t.Errorf("%s, %q, %d: %v", kind, unit, v, err)
				}
			}
		}
	}
}

// Every state of a member is the same, for every rule that leaves it out.
func TestDirectStates(t *testing.T) {
	word := func(v uint64) []byte { return little.AppendUint64(nil, v) }
	for schema, typed := range map[string]struct {
		typ    plan.Type
		values [][]byte
	}{
		`"boolean"`: {plan.Type{Kind: plan.TBool}, [][]byte{{0}, {1}, {2}}},
		`"long"`:    {plan.Type{Kind: plan.TInt64}, [][]byte{word(0), word(1)}},
		`"double"`:  {plan.Type{Kind: plan.TFloat64}, [][]byte{word(0), word(1 << 63), word(1)}},
		`"float"`:   {plan.Type{Kind: plan.TUint64}, [][]byte{word(0), word(1 << 63)}},
		`"string"`:  {plan.Type{Kind: plan.TString}, [][]byte{appendBlob(nil, nil), appendBlob(nil, []byte("a"))}},
		`"bytes"`:   {plan.Type{Kind: plan.TBytes}, [][]byte{appendBlob(nil, nil), appendBlob(nil, []byte("a"))}},
		`{"type": "long", "logicalType": "timestamp-micros"}`: {plan.Type{Kind: plan.TTime}, [][]byte{word(0), word(uint64(zeroTime))}},
		`{"type": "long", "logicalType": "time-micros"}`:      {plan.Type{Kind: plan.TDuration}, [][]byte{word(0), word(1)}},
		`{"type": "array", "items": "boolean"}`:               {plan.Type{Kind: plan.TList, Elem: &plan.Type{Kind: plan.TBool}}, [][]byte{{0, 0, 0, 0}, {1, 0, 0, 0, 1}}},
		`{"type": "map", "values": "boolean"}`:                {plan.Type{Kind: plan.TMap, Elem: &plan.Type{Kind: plan.TBool}}, [][]byte{{0, 0, 0, 0}, {1, 0, 0, 0, 0, 0, 0, 0, 1}}},
		`{"type": "record", "name": "S", "fields": [{"name": "h", "type": "string"}]}`: {
			plan.Type{Kind: plan.TStruct, Fields: []plan.Field{{Name: "h", Type: plan.Type{Kind: plan.TString}}}}, [][]byte{appendBlob(nil, nil), appendBlob(nil, []byte("a"))},
		},
		`{"type": "record", "name": "O", "fields": [{"name": "h", "type": ["null", "string"]}]}`: {
			plan.Type{Kind: plan.TStruct, Fields: []plan.Field{{Name: "h", Type: plan.Type{Kind: plan.TString}, Omit: "omitempty"}}}, [][]byte{appendBlob(nil, nil), appendBlob(nil, []byte("a"))},
		},
	} {
		for _, null := range []bool{false, true} {
			for _, omit := range []string{"-", "", "omitempty", "omitzero", "omitempty,omitzero"} {
				f := plan.Field{Type: typed.typ, Optional: omit != "-"}
				if f.Type.Nullable = null; f.Optional {
					f.Omit = omit
				}
				for _, s := range []string{schema, `["null", ` + schema + `]`, `[` + schema + `, "null"]`} {
					w := casesOf(t, s, f, false)
					for _, v := range typed.values {
						frames := [][]byte{v}
						if f.Optional || null {
							frames = nil
							for state := range byte(4) {
								frames = append(frames, append([]byte{state}, v...), []byte{state})
							}
						}
						for _, value := range frames {
							if err := w.write(append(slices.Clip(value), 1)); err != nil {
								t.Errorf("%s, null %t, %s: %v", s, null, omit, err)
							}
							m, err := w.long.Append(nil, append(slices.Clip(value), 1))
							if err != nil {
								continue // a frame that is none
							}
							if err := w.read(m); err != nil {
								t.Errorf("%s, null %t, %s: %v", s, null, omit, err)
							}
						}
					}
					for branch := range byte(5) {
						if err := w.read([]byte{branch, 1}, []byte{branch, 0, 1}, []byte{branch, 2, 'a', 1}); err != nil {
							t.Errorf("%s, null %t, %s: %v", s, null, omit, err)
						}
					}
				}
			}
		}
	}
}

// Elements of no bytes are bounded in all lists of a message together.
func TestDirectEmptyElements(t *testing.T) {
	none := `{"type": "fixed", "name": "N", "size": 0}`
	w := casesOf(t, `{"type": "array", "items": {"type": "array", "items": `+none+`}}`, plan.Field{Type: plan.Type{Kind: plan.TList, Elem: &plan.Type{Kind: plan.TList, Elem: &plan.Type{Kind: plan.TBytes}}}}, true)
	for _, counts := range [][]int64{{maxEmpty}, {maxEmpty + 1}, {maxEmpty - 1, 1}, {maxEmpty, 1}, {1, maxEmpty}, {-maxEmpty}, {-maxEmpty - 1}, {math.MaxInt64}, {math.MinInt64}} {
		all := int64(0)
		one, blocks := binary.AppendVarint(nil, int64(len(counts))), []byte{2}
		for _, n := range counts {
			head := binary.AppendVarint(nil, n)
			if n < 0 {
				head = append(head, 0) // bytes of the block
				n = -n
			}
			all += max(n, 0)
			one = append(append(one, head...), 0) // a list for each
			blocks = append(blocks, head...)      // or a block
		}
		for _, m := range [][]byte{append(one, 0, 1), append(blocks, 0, 0, 1)} {
			if err := w.read(m); err != nil {
				t.Errorf("%d: %v", counts, err)
			}
			if _, ok := borrow().frame(nil, m, w.short.readers[0].in); ok != (all > 0 && all <= maxEmpty) {
				t.Errorf("%d: %t", counts, ok)
			}
		}
	}
}

// The level that a union is ends at the same depth, around a value of no level, too, and also
// in what is passed over.
func TestDirectDepthOfUnions(t *testing.T) {
	types := map[string]plan.Type{"R": {Kind: plan.TStruct, Fields: []plan.Field{
		{Name: "a", Type: plan.Type{Kind: plan.TRef, Name: "R", Nullable: true}}, {Name: "b", Type: plan.Type{Kind: plan.TInt64, Nullable: true}},
	}}}
	fields := member("a", `["null", "R"]`) + ", " + member("b", `["null", "long"]`)
	plain := []plan.Field{{Name: "c", Type: plan.Type{Kind: plan.TBool}}}
	around := `{"type": "record", "name": "O", "fields": [` + member("c", `"boolean"`) + ", " + member("d", record(fields)) + `]}`
	for name, c := range map[string]struct {
		schema string
		typ    plan.Type
		before string
	}{
		"alone":       {record(fields), plan.Type{Kind: plan.TRef, Name: "R"}, ""},
		"in a record": {around, plan.Type{Kind: plan.TStruct, Fields: append(plain, plan.Field{Name: "d", Type: plan.Type{Kind: plan.TRef, Name: "R"}})}, "\x01"},
		"passed over": {around, plan.Type{Kind: plan.TStruct, Fields: plain}, "\x01"},
	} {
		l, err := frame.Compile(c.typ, types)
		if err != nil {
			t.Fatal(err)
		}
		w, err := waysOf(t, map[string]any{"schema": c.schema}, l)
		if err != nil {
			t.Fatal(err)
		}
		for _, n := range []int{maxDepth/2 - 2, maxDepth/2 - 1, maxDepth / 2, maxDepth/2 + 1} {
			for _, b := range []string{"\x00", "\x02\x08"} {
				m := slices.Concat([]byte(c.before), bytes.Repeat([]byte{2}, n), []byte{0}, bytes.Repeat([]byte(b), n+1))
				if err := w.read(m); err != nil {
					t.Errorf("%s: %d levels", name, n)
				}
				// n records and unions around a record, and a union in it
				depth := 2*n + 2 + len(c.before)
				if _, ok := borrow().frame(nil, m, w.short.readers[0].in); ok != (depth <= maxDepth) {
					t.Errorf("%s: %d levels: %t", name, n, ok)
				}
			}
		}
	}
}

// A type with a union somewhere goes by MessagePack for all writers, also those that have none:
// it is another one, with the variant in front.
func TestDirectBesideUnions(t *testing.T) {
	one := plan.Type{Kind: plan.TStruct, Fields: []plan.Field{{Name: "x", Type: plan.Type{Kind: plan.TInt64}}}}
	types := map[string]plan.Type{"A": one, "B": one, "T": {Kind: plan.TStruct, Fields: []plan.Field{
		{Name: "f", Type: plan.Type{Kind: plan.TInt64}},
		{Name: "u", Optional: true, Type: plan.Type{Kind: plan.TUnion, Nullable: true, Elems: []plan.Type{{Kind: plan.TString}, {Kind: plan.TInt64}}}},
	}}}
	l, err := frame.Compile(plan.Type{Kind: plan.TRef, Name: "T"}, types)
	if err != nil {
		t.Fatal(err)
	}
	older := record(member("f", `"long"`))
	schema := record(member("f", `"long"`), `{"name": "u", "type": ["null", "long", "string"], "default": null}`)
	w, err := waysOf(t, map[string]any{"schema": schema, "writer": older, "prefix": "single_object"}, l)
	if err != nil {
		t.Fatal(err)
	}
	if len(w.short.readers) != 2 || w.short.readers[0].in != nil || w.short.readers[1].in != nil {
		t.Errorf("%d writers, with a short way", len(w.short.readers))
	}
	for _, m := range [][]byte{append(must(Parse(older)).single(), 2), append(must(Parse(schema)).single(), 2, 2, 4), append(must(Parse(schema)).single(), 2, 4, 2, 'a')} {
		if err := w.read(m); err != nil {
			t.Error(err)
		}
	}
}

// A message without the number that it needs is not written, and one of no bytes is no null.
func TestDirectHeads(t *testing.T) {
	l, err := frame.Compile(plan.Type{Kind: plan.TBool, Nullable: true}, nil)
	if err != nil {
		t.Fatal(err)
	}
	w, err := waysOf(t, map[string]any{"schema": `["null", "boolean"]`, "prefix": "confluent"}, l)
	if err != nil {
		t.Fatal(err)
	}
	if err := w.write([]byte{1, 1}); err != nil {
		t.Error(err)
	}
	if w, err = waysOf(t, map[string]any{"schema": `["null", "boolean"]`, "prefix": "confluent", "id": 7}, l); err != nil {
		t.Fatal(err)
	}
	if m, err := w.short.Append(nil, []byte{1, 1}); err != nil || fmt.Sprintf("%x", m) != "00000000070201" {
		t.Errorf("%x, %v", m, err)
	}
	if w, err = waysOf(t, map[string]any{"schema": `"null"`}, l); err != nil {
		t.Fatal(err)
	}
	if m, err := w.short.Append(nil, []byte{0}); err != nil || m == nil || len(m) > 0 {
		t.Errorf("%#v, %v", m, err)
	}
}

// Entries of one key, which a frame of another language may have, stay in their order.
func TestDirectSortsStably(t *testing.T) {
	l, err := frame.Compile(plan.Type{Kind: plan.TMap, Elem: &plan.Type{Kind: plan.TInt64}}, nil)
	if err != nil {
		t.Fatal(err)
	}
	w, err := waysOf(t, map[string]any{"schema": `{"type": "map", "values": "long"}`}, l)
	if err != nil {
		t.Fatal(err)
	}
	const n = 200
	value := little.AppendUint32(nil, n)
	for i := range n {
		value = little.AppendUint64(appendBlob(value, []byte{byte('z' - i%7)}), uint64(i))
	}
	if err := w.write(value); err != nil {
		t.Error(err)
	}
}

// What is passed over has to be right all the same.
func TestDirectPassesOver(t *testing.T) {
	l, err := frame.Compile(plan.Type{Kind: plan.TStruct, Fields: []plan.Field{{Name: "g", Type: plan.Type{Kind: plan.TBool}}}}, nil)
	if err != nil {
		t.Fatal(err)
	}
	enum := func(symbols string) string { return `{"type": "enum", "name": "E", "symbols": [` + symbols + `]}` }
	for _, c := range []struct{ schema, writer string }{
		{`"boolean"`, ""}, {`"int"`, ""}, {`"long"`, ""}, {`"float"`, ""}, {`"double"`, ""}, {`"bytes"`, ""}, {`"string"`, ""}, {`"null"`, ""},
		{`{"type": "fixed", "name": "F", "size": 2}`, ""}, {`["null", "int"]`, ""}, {`["null", "int", "string"]`, ""}, {`{"type": "int", "logicalType": "date"}`, ""},
		{`{"type": "long", "logicalType": "timestamp-millis"}`, ""}, {`{"type": "array", "items": "int"}`, ""}, {`{"type": "map", "values": "int"}`, ""},
		{`{"type": "array", "items": "null"}`, ""}, {`{"type": "record", "name": "S", "fields": [` + member("a", `"int"`) + ", " + member("b", `"string"`) + `]}`, ""},
		{enum(`"a", "b"`), ""}, {enum(`"a", "b"`), enum(`"b", "c"`)}, {`"long"`, `["long", "string"]`}, {`"double"`, `"int"`},
	} {
		settings := map[string]any{"schema": record(member("f", c.schema), member("g", `"boolean"`))}
		if c.writer != "" {
			settings["writer"] = record(member("f", c.writer), member("g", `"boolean"`))
		}
		w, err := waysOf(t, settings, l)
		if err != nil {
			t.Fatal(err)
		}
		if w.short.readers[0].in == nil {
			t.Errorf("%s has no short way", c.schema)
		}
		var messages [][]byte
		for _, f := range []string{"", "\x00", "\x01", "\x02", "\x03", "\x04", "\x02\x04", "\x02\x04\x00", "\x02\x02a\x04\x00", "\x02\x02a", "\x02\x02\xff", "1234", "12345678", "\x80\x80\x80\x80\x20", "\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01", "\x01\x00\x04\x00", "\x01\x7f\x04\x00", "\x02\x80\x80\x80\x80\x20\x00"} {
			messages = append(messages, []byte(f+"\x01"))
		}
		if err := w.read(messages...); err != nil {
			t.Errorf("%s: %v", c.schema, err)
		}
	}
}

// Keys that are no UTF-8 stand in the order of what they become, which is another one.
func TestDirectKeysOfNoText(t *testing.T) {
	type texts struct {
		M map[string]string `json:"m"`
	}
	type flags struct {
		M map[string]bool `json:"m"`
	}
	same := func(schema string, v any) {
		t.Helper()
		b, err := must(Of(record(member("m", `{"type": "map", "values": `+schema+`}`)))).Bind(reflect.TypeOf(v).Elem())
		if err != nil {
			t.Fatal(err)
		}
		long := *b.(*bound)
		long.compiled = long.packedOnly()
		got, err := b.Append(nil, v)
		want, err1 := long.Append(nil, v)
		if !bytes.Equal(got, want) || err != nil || err1 != nil {
			t.Errorf("%q %v\n%q %v", got, err, want, err1)
		}
	}
	same(`"string"`, &texts{map[string]string{"\xc3": "a", "\u00fc": "b\xff", "a": "\u00fc"}})
	same(`"boolean"`, &flags{map[string]bool{"\xc3": true, "\u00fc": false}})
	same(`"boolean"`, &flags{map[string]bool{"a": true, "b": false}})
}

// What lies in many records out of order, or maps out of order, is moved a few times and not
// once for each.
func TestDirectMovesLittle(t *testing.T) {
	of := plan.Type{Kind: plan.TRef, Name: "R"}
	deep := map[string]plan.Type{"R": {Kind: plan.TStruct, Fields: []plan.Field{{Name: "b", Type: plan.Type{Kind: plan.TString}}, {Name: "a", Type: plan.Type{Kind: plan.TMap, Elem: &of}}}}}
	l, err := frame.Compile(of, deep)
	if err != nil {
		t.Fatal(err)
	}
	for _, fields := range [][]string{
		{member("a", `{"type": "map", "values": "R"}`), member("b", `"string"`)},
		{member("b", `"string"`), member("a", `{"type": "map", "values": "R"}`)},
	} {
		w, err := waysOf(t, map[string]any{"schema": record(fields...)}, l)
		if err != nil {
			t.Fatal(err)
		}
		inOrder := fields[0] == member("b", `"string"`)
		for _, c := range []struct {
			depth  int
			sorted bool
		}{{10, true}, {10, false}, {500, true}, {500, false}} {
			first, second := "b", "a"
			if c.sorted {
				first, second = second, first
			}
			text := bytes.Repeat([]byte("t"), 10_000)
			none := little.AppendUint32(appendBlob(nil, nil), 0)
			value := little.AppendUint32(appendBlob(nil, text), 0)
			for range c.depth {
				value = slices.Concat(little.AppendUint32(appendBlob(nil, nil), 2), appendBlob(nil, []byte(first)), value, appendBlob(nil, []byte(second)), none)
			}
			s := borrow()
			if _, ok := s.message(nil, value, w.short.out, false); ok != (c.depth == 10 || inOrder && c.sorted) {
				t.Errorf("%v: written %t, may move %d", c, ok, s.unframer.moves)
			}
			if err := w.write(value); err != nil {
				t.Errorf("%v: not the same", c)
			}
			m, err := w.long.Append(nil, value)
			if err != nil {
				t.Fatal(err)
			}
			if err := w.read(m); err != nil {
				t.Errorf("%v: not the same", c)
			}
			if _, ok := s.frame(nil, m, w.short.readers[0].in); ok != (inOrder || c.depth == 10) {
				t.Errorf("%v: read %t, may move %d", c, ok, s.framer.moves)
			}
		}
	}
}

// One record at several places has a presence byte at some of them.
func TestDirectPlacesOfOneRecord(t *testing.T) {
	of := plan.Type{Kind: plan.TRef, Name: "S"}
	null := of
	null.Nullable = true
	types := map[string]plan.Type{
		"S": {Kind: plan.TStruct, Fields: []plan.Field{{Name: "x", Type: plan.Type{Kind: plan.TInt64}}}},
		"R": {Kind: plan.TStruct, Fields: []plan.Field{
			{Name: "one", Type: of}, {Name: "maybe", Type: of, Optional: true}, {Name: "none", Type: null}, {Name: "many", Type: plan.Type{Kind: plan.TList, Elem: &of}},
			{Name: "some", Type: plan.Type{Kind: plan.TList, Elem: &null}}, {Name: "both", Type: null, Optional: true},
		}},
	}
	l, err := frame.Compile(plan.Type{Kind: plan.TRef, Name: "R"}, types)
	if err != nil {
		t.Fatal(err)
	}
	w, err := waysOf(t, map[string]any{"schema": record(
		member("one", `{"type": "record", "name": "S", "fields": [{"name": "x", "type": "long"}]}`), member("maybe", `"S"`), member("none", `"S"`),
		member("many", `{"type": "array", "items": "S"}`), member("some", `{"type": "array", "items": "S"}`), member("both", `"S"`),
	)}, l)
	if err != nil {
		t.Fatal(err)
	}
	m := []byte{2, 4, 6, 2, 8, 0, 2, 10, 0, 12}
	if err := w.read(m); err != nil {
		t.Error(err)
	}
	value, ok := borrow().frame(nil, m, w.short.readers[0].in)
	if !ok {
		t.Fatal("not read")
	}
	if err := w.write(value); err != nil {
		t.Error(err)
	}
	if back, ok := borrow().message(nil, value, w.short.out, false); !ok || !bytes.Equal(back, m) {
		t.Errorf("%x, %t", back, ok)
	}
}
