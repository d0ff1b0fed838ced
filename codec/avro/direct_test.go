package avro

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"reflect"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/levada-io/levada/internal/frame"
	"github.com/levada-io/levada/plan"
)

// packedOnly is a codec's value without its short ways: what they are held against.
func (c *compiled) packedOnly() *compiled {
	long := *c
	long.out, long.readers = nil, nil
	for _, r := range c.readers {
		r.in = nil
		long.readers = append(long.readers, r)
	}
	return &long
}

// ways are both ways of one codec with one layout.
type ways struct {
	schema, writer string
	layout         *frame.Layout
	short, long    *wire
}

func waysOf(t testing.TB, settings map[string]any, l *frame.Layout) (*ways, error) {
	c, err := New().With([]byte(textOf(settings)))
	if err != nil {
		return nil, err
	}
	w, err := c.(*Codec).Wire(l)
	if err != nil {
		return nil, err
	}
	short, ok := w.(*wire)
	if !ok {
		t.Fatalf("%T", w)
	}
	long := *short
	long.compiled = short.packedOnly()
	return &ways{layout: l, short: short, long: &long}, nil
}

// read reads messages both ways.
func (w *ways) read(messages ...[]byte) error {
	var texts [2]string
	for i, by := range []*wire{w.short, w.long} {
		var b strings.Builder
		col, err := by.Read(messages, func(i int, err error) { fmt.Fprintf(&b, "%d: %s\n", i, err) })
		if err != nil {
			return err
		}
		texts[i] = b.String() + fmt.Sprintf("%x", col.Append(nil))
	}
	if texts[0] != texts[1] {
		return fmt.Errorf("%x\nshort %s\nlong  %s", messages, texts[0], texts[1])
	}
	return nil
}

// write writes a frame both ways.
func (w *ways) write(value []byte) error {
	got, err := w.short.Append([]byte("before"), value)
	want, err1 := w.long.Append([]byte("before"), value)
	if !bytes.Equal(got, want) || fmt.Sprint(err) != fmt.Sprint(err1) {
		return fmt.Errorf("%x\nshort %x, %v\nlong  %x, %v", value, got, err, want, err1)
	}
	return nil
}

// drawnWays draws a codec, and a layout for it.
func drawnWays(t *rapid.T, odd bool) (*ways, *pairs, plan.Type, *Schema) {
	p := &pairs{T: t, types: map[string]plan.Type{}, odd: odd}
	draw := p.draw
	if !yes(t, 4) {
		draw = p.record
	}
	reader, typ := draw(4)
	l, err := frame.Compile(typ, p.types)
	if err != nil {
		t.Skip(err) // a type that holds itself
	}
	settings := map[string]any{"strict": yes(t, 4)}
	text := ""
	if yes(t, 2) {
		text = textOf(older(t, reader)) // before the reader's, which it gives defaults
		settings["writer"] = text
	}
	settings["schema"] = textOf(reader)
	w, err := waysOf(nil, settings, l)
	if err != nil {
		t.Skip(err) // the writer has no symbol, no branch, no name for it
	}
	w.schema = textOf(reader)
	if w.writer = text; text == "" {
		text = w.schema
	}
	s, err := Parse(text)
	if err != nil {
		t.Fatal(err)
	}
	return w, p, typ, s
}

func sameFrames(t *rapid.T) {
	w, p, typ, s := drawnWays(t, yes(t, 4))
	fail := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatalf("%s\nwriter %s\n%s %v\n%v", w.schema, w.writer, typ.Text(), p.types, err)
		}
	}
	var messages [][]byte
	for range rapid.IntRange(1, 3).Draw(t, "messages") {
		m := message(t, nil, s, s.root, 6)
		messages = append(messages, m, mutated(t, m))
	}
	if yes(t, 10) {
		messages = append(messages, nil)
	}
	fail(w.read(messages...))
	// What was read can be written, where the schema is the same.
	col, err := w.long.Read(messages, func(int, error) {})
	fail(err)
	for i := range col.Len() {
		fail(w.write(col.Value(i)))
	}
	for range 3 {
		value := framed(t, nil, p.types, typ, false, false, 6)
		fail(w.write(value))
		fail(w.write(mutated(t, value)))
	}
}

// Both ways give the same frames, the same messages and the same errors, whatever the schema,
// the writer's schema, the type, the message and the frame are.
func TestDirectIsAsPacked(t *testing.T) { rapid.Check(t, sameFrames) }

func FuzzDirect(f *testing.F) { f.Fuzz(rapid.MakeFuzz(sameFrames)) }

// The same of Go values.
func TestDirectValues(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		p := &pairs{T: t, types: map[string]plan.Type{}}
		reader, typ := p.record(4)
		g := goTypes{p.types, map[string]bool{}}
		of, ok := g.of(typ)
		if !ok {
			t.Skip("recursion takes a name")
		}
		settings := map[string]any{"strict": yes(t, 4)}
		text := ""
		if yes(t, 3) {
			text = textOf(older(t, reader))
			settings["writer"] = text
		}
		settings["schema"] = textOf(reader)
		c, err := New().With([]byte(textOf(settings)))
		if err != nil {
			t.Skip(err)
		}
		b, err := c.Bind(of)
		if err != nil {
			t.Skip(err)
		}
		short := b.(*bound)
		long := *short
		long.compiled = short.packedOnly()
		if text == "" {
			text = textOf(reader)
		}
		s, err := Parse(text)
		if err != nil {
			t.Fatal(err)
		}
		m := message(t, nil, s, s.root, 6)
		for _, m := range [][]byte{m, mutated(t, m), nil} {
			got, want := reflect.New(of), reflect.New(of)
			err, err1 := short.Decode(m, got.Interface()), long.Decode(m, want.Interface())
			if fmt.Sprint(err) != fmt.Sprint(err1) || err == nil && !identical(got.Elem(), want.Elem()) {
				t.Fatalf("%s\nwriter %s\n%s\n%x\nshort %v %v\nlong  %v %v", textOf(reader), text, of, m, got.Elem(), err, want.Elem(), err1)
			}
		}
		v := reflect.New(of)
		filled(t, v.Elem())
		got, err := short.Append([]byte("before"), v.Interface())
		want, err1 := long.Append([]byte("before"), v.Interface())
		if !bytes.Equal(got, want) || fmt.Sprint(err) != fmt.Sprint(err1) {
			t.Fatalf("%s\n%s\n%v\nshort %x, %v\nlong  %x, %v", textOf(reader), of, v.Elem(), got, err, want, err1)
		}
	})
}

func record(fields ...string) string {
	return `{"type": "record", "name": "R", "fields": [` + strings.Join(fields, ", ") + `]}`
}

func member(name, schema string) string { return `{"name": "` + name + `", "type": ` + schema + `}` }

type plainOne struct {
	Flag  bool               `json:"flag"`
	Count int32              `json:"count"`
	Part  float32            `json:"part"`
	Whole float64            `json:"whole"`
	Raw   []byte             `json:"raw"`
	ID    []byte             `json:"id"`
	Kind  string             `json:"kind"`
	Note  *string            `json:"note"`
	Last  int64              `json:"last,omitempty"`
	MS    time.Time          `json:"ms" levada:"unit=unix_ms"`
	Day   time.Duration      `json:"day"`
	List  []uint16           `json:"list"`
	Map   map[string]float64 `json:"map"`
	Down  *plainOne          `json:"down,omitempty"`
	Among []plainTwo         `json:"among"`
}

type plainTwo struct {
	Tags map[string]string `json:"tags"`
}

var plainFields = []string{
	member("flag", `"boolean"`), member("count", `"int"`), member("part", `"float"`), member("whole", `"double"`), member("raw", `"bytes"`),
	member("id", `{"type": "fixed", "name": "I", "size": 2}`), member("kind", `{"type": "enum", "name": "K", "symbols": ["a", "b"]}`),
	member("note", `["null", "string"]`), member("last", `["long", "null"]`), member("ms", `{"type": "long", "logicalType": "timestamp-millis"}`),
	member("day", `{"type": "int", "logicalType": "time-millis"}`), member("list", `{"type": "array", "items": "int"}`), member("map", `{"type": "map", "values": "double"}`),
	member("down", `["null", "R"]`), member("among", `{"type": "array", "items": {"type": "record", "name": "T", "fields": [`+member("tags", `{"type": "map", "values": "string"}`)+`]}}`),
}

func plainValue() *plainOne {
	note := "note"
	v := plainOne{
		Flag: true, Count: -3, Part: 1.5, Whole: 2.5, Raw: []byte{1}, ID: []byte{2, 3}, Kind: "b", Note: &note, Last: 1 << 40,
		MS: time.UnixMilli(1_700_000_000_123).UTC(), Day: time.Hour, List: []uint16{1, 300}, Map: map[string]float64{"b": 1, "a": 2},
		Among: []plainTwo{{map[string]string{"k": "v", "ü": "w"}}, {map[string]string{}}},
	}
	down := v
	v.Down = &down
	return &v
}

// reversed is the record with its fields in another order than the type's members. A name
// is explained where it first stands.
func reversed(fields []string) string {
	var out []string
	for i := len(fields) - 1; i >= 0; i-- {
		out = append(out, fields[i])
	}
	return record(out...)
}

// Plain types go the short way, there and back, whatever the order of the fields is.
func TestDirectIsTaken(t *testing.T) {
	older := strings.Replace(record(append([]string{member("gone", `["null", "R"]`)}, plainFields...)...), member("count", `"int"`)+", ", "", 1)
	counted := strings.Replace(record(plainFields...), member("count", `"int"`), `{"name": "count", "type": "int", "default": 5}`, 1)
	for name, settings := range map[string]map[string]any{
		"in order":       {"schema": record(plainFields...)},
		"out of order":   {"schema": reversed(plainFields)},
		"strict":         {"schema": record(plainFields...), "strict": true},
		"another writer": {"schema": counted, "writer": older},
	} {
		t.Run(name, func(t *testing.T) {
			l, err := frame.Of(reflect.TypeFor[plainOne]())
			if err != nil {
				t.Fatal(err)
			}
			w, err := waysOf(t, settings, l)
			if err != nil {
				t.Fatal(err)
			}
			enc, err := frame.NewEncoder(reflect.TypeFor[plainOne]())
			if err != nil {
				t.Fatal(err)
			}
			value, err := enc.Append(nil, reflect.ValueOf(plainValue()).UnsafePointer())
			if err != nil {
				t.Fatal(err)
			}
			m, err := w.long.Append(nil, value)
			if err != nil {
				t.Fatal(err)
			}
			s := borrow()
			if got, ok := s.message(nil, value, w.short.out, false); !ok || !bytes.Equal(got, m) {
				t.Fatalf("written %x, %t, want %x", got, ok, m)
			}
			if by, ok := settings["writer"].(string); ok {
				b, err := must(Of(by)).Bind(reflect.TypeFor[plainOne]())
				if err != nil {
					t.Fatal(err)
				}
				if m, err = b.Append(nil, plainValue()); err != nil {
					t.Fatal(err)
				}
			}
			want, err := w.long.Read([][]byte{m}, func(_ int, err error) { t.Error(err) })
			if err != nil {
				t.Fatal(err)
			}
			got, ok := s.frame(nil, m, w.short.readers[0].in)
			if !ok || !bytes.Equal(got, want.Value(0)) {
				t.Fatalf("read %x, %t, want %x", got, ok, want.Value(0))
			}
			for end := range m {
				if err := w.read(m[:end]); err != nil {
					t.Fatal(err)
				}
			}
			for end := range value {
				if err := w.write(value[:end]); err != nil {
					t.Fatal(err)
				}
			}
		})
	}
}

// What has rules of its own has no short way.
func TestDirectIsNotTaken(t *testing.T) {
	for name, f := range map[string]struct {
		schema string
		field  plan.Field
	}{
		"any":      {`"long"`, plan.Field{Type: plan.Type{Kind: plan.TAny}}},
		"constant": {`"long"`, plan.Field{Type: plan.Type{Kind: plan.TInt64}, Const: "1"}},
		"rules":    {`"long"`, plan.Field{Type: plan.Type{Kind: plan.TInt64}, Rules: "min=0"}},
		"tuple":    {`{"type": "array", "items": "long"}`, plan.Field{Type: plan.Type{Kind: plan.TTuple, Elems: []plan.Type{{Kind: plan.TInt64}}}}},
		"union":    {`["long", "string"]`, plan.Field{Type: plan.Type{Kind: plan.TUnion, Elems: []plan.Type{{Kind: plan.TInt64}, {Kind: plan.TString}}}}},
		"extra":    {`"long"`, plan.Field{Type: plan.Type{Kind: plan.TInt64}}},
		"mismatch": {`"string"`, plan.Field{Type: plan.Type{Kind: plan.TInt64}}},
	} {
		f.field.Name = "f"
		l, err := frame.Compile(plan.Type{Kind: plan.TStruct, Fields: []plan.Field{f.field}, Extra: name == "extra"}, nil)
		if err != nil {
			t.Fatal(err)
		}
		w, err := waysOf(t, map[string]any{"schema": record(member("f", f.schema))}, l)
		if err != nil {
			t.Fatal(err)
		}
		if w.short.out != nil || w.short.readers[0].in != nil {
			t.Errorf("%s has a short way", name)
		}
	}
}

// Keys that come twice are found among few and among many, sorted or not.
func TestDirectKeysTwice(t *testing.T) {
	l, err := frame.Compile(plan.Type{Kind: plan.TMap, Elem: &plan.Type{Kind: plan.TInt64}}, nil)
	if err != nil {
		t.Fatal(err)
	}
	w, err := waysOf(t, map[string]any{"schema": `{"type": "map", "values": "long"}`}, l)
	if err != nil {
		t.Fatal(err)
	}
	for _, n := range []int{1, 2, few, few + 1, 300} {
		for _, down := range []bool{false, true} {
			for twice := -1; twice < n; twice += max(1, n/7) {
				m := binary.AppendVarint(nil, int64(n))
				for i := range n {
					key := i
					if down {
						key = n - i
					}
					if i == n-1 && twice >= 0 && twice < n-1 {
						if key = twice; down {
							key = n - twice
						}
					}
					m = append(appendSized(m, fmt.Appendf(nil, "%05d", key)), byte(2*(i%60)))
				}
				m = append(m, 0)
				_, ok := borrow().frame(nil, m, w.short.readers[0].in)
				if want := twice < 0 || twice == n-1; ok != want {
					t.Errorf("%d keys, down %t, twice %d: %t", n, down, twice, ok)
				}
				if err := w.read(m); err != nil {
					t.Error(err)
				}
			}
		}
	}
}

// Values end at the same depth both ways.
func TestDirectDepth(t *testing.T) {
	types := map[string]plan.Type{"R": {Kind: plan.TStruct, Fields: []plan.Field{{Name: "b", Type: plan.Type{Kind: plan.TInt64}}, {Name: "a", Type: plan.Type{Kind: plan.TList, Elem: &plan.Type{Kind: plan.TRef, Name: "R"}}}}}}
	for _, fields := range [][]string{
		{member("b", `"long"`), member("a", `{"type": "array", "items": "R"}`)},
		{member("a", `{"type": "array", "items": "R"}`), member("b", `"long"`)},
	} {
		l, err := frame.Compile(plan.Type{Kind: plan.TRef, Name: "R"}, types)
		if err != nil {
			t.Fatal(err)
		}
		w, err := waysOf(t, map[string]any{"schema": record(fields...)}, l)
		if err != nil {
			t.Fatal(err)
		}
		for _, depth := range []int{maxDepth/2 - 1, maxDepth / 2, maxDepth/2 + 1, maxDepth} {
			value := little.AppendUint32(little.AppendUint64(nil, 1), 1)
			value = bytes.Repeat(value, depth)
			value = little.AppendUint32(value[:len(value)-4], 0)
			if err := w.write(value); err != nil {
				t.Fatal(depth)
			}
			m := append(bytes.Repeat([]byte{2, 2}, depth-1), 2, 0)
			m = append(m, make([]byte, depth-1)...)
			if fields[0] != member("b", `"long"`) {
				m = append(bytes.Repeat([]byte{2}, depth-1), 0, 2)
				m = append(m, bytes.Repeat([]byte{0, 2}, depth-1)...)
			}
			if err := w.read(m); err != nil {
				t.Fatal(depth)
			}
			got, ok := borrow().frame(nil, m, w.short.readers[0].in)
			want := depth <= maxDepth/2 && fields[0] == member("b", `"long"`) // otherwise too much is moved
			if ok != want || ok && !bytes.Equal(got, value) {
				t.Errorf("depth %d, %s: %t", depth, fields[0], ok)
			}
			if _, ok := borrow().message(nil, value, w.short.out, false); ok != want {
				t.Errorf("depth %d, %s: written %t", depth, fields[0], ok)
			}
		}
	}
}

// Neither way needs memory of its own for a message.
func TestDirectAllocates(t *testing.T) {
	b, err := must(Of(record(plainFields...))).Bind(reflect.TypeFor[plainOne]())
	if err != nil {
		t.Fatal(err)
	}
	l, err := frame.Of(reflect.TypeFor[plainOne]())
	if err != nil {
		t.Fatal(err)
	}
	w, err := waysOf(t, map[string]any{"schema": reversed(plainFields)}, l)
	if err != nil {
		t.Fatal(err)
	}
	value := must(w.layout.ParseJSON(nil, []byte(`{"flag":true,"count":1,"part":1,"whole":1,"raw":"","id":"AAA=","kind":"a","note":null,"ms":0,"day":0,"list":[1,2],"map":{"b":1,"a":1},"among":[{"tags":{"b":"","a":""}}]}`)))
	s, buf := new(scratch), make([]byte, 0, 4096)
	m, _ := s.message(nil, value, w.short.out, false)
	if n := testing.AllocsPerRun(100, func() { s.message(buf, value, w.short.out, false) }); n != 0 {
		t.Errorf("writing allocates %v times", n)
	}
	if n := testing.AllocsPerRun(100, func() { s.frame(buf, m, w.short.readers[0].in) }); n != 0 {
		t.Errorf("reading allocates %v times", n)
	}
	in := plainValue()
	if _, err := b.Append(buf, in); err != nil {
		t.Fatal(err)
	}
}

func must[T any](v T, err error) T {
	if err != nil {
		panic(err)
	}
	return v
}
