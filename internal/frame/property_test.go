package frame

import (
	"bytes"
	"encoding/json/jsontext"
	"encoding/json/v2"
	"fmt"
	"math"
	"reflect"
	"strings"
	"testing"
	"time"
	"unsafe"

	"pgregory.net/rapid"
)

// The properties run over types that nobody has thought of: structs made by reflection,
// with every kind and every tag, and values of them. encoding/json/v2 is the judge.

// drawType draws a type; named ones come from the fixed types of the tests.
func drawType(t *rapid.T, depth int) reflect.Type { return drawTypeOf(t, depth, false) }

// drawTypeOf is drawType; own: with types that have a form of their own.
func drawTypeOf(t *rapid.T, depth int, own bool) reflect.Type {
	leaves := []reflect.Type{
		reflect.TypeFor[bool](), reflect.TypeFor[int8](), reflect.TypeFor[int16](), reflect.TypeFor[int32](), reflect.TypeFor[int64](), reflect.TypeFor[int](),
		reflect.TypeFor[uint8](), reflect.TypeFor[uint16](), reflect.TypeFor[uint32](), reflect.TypeFor[uint64](), reflect.TypeFor[uint](),
		reflect.TypeFor[float32](), reflect.TypeFor[float64](), reflect.TypeFor[string](), reflect.TypeFor[Color](), reflect.TypeFor[[]byte](),
		timeType, durationType, reflect.TypeFor[[2]Inner](), reflect.TypeFor[Tuples](), reflect.TypeFor[Three](), reflect.TypeFor[ThreeMore](), anyType, reflect.TypeFor[map[string]string](), reflect.TypeFor[map[string]int64](), reflect.TypeFor[map[string]float64](),
		anyMapType, reflect.TypeFor[[]any](), reflect.TypeFor[Inner](), reflect.TypeFor[Tree](), reflect.TypeFor[Presence](),
	}
	if own && rapid.Bool().Draw(t, "own") {
		leaves = ownLeaves
	}
	pick := rapid.IntRange(0, 10).Draw(t, "shape")
	if depth <= 0 {
		pick = 0
	}
	switch pick {
	case 10:
		e := drawTypeOf(t, depth-1, own)
		if e.Kind() == reflect.Uint8 {
			return e // an array of bytes is text
		}
		return reflect.ArrayOf(rapid.IntRange(1, 3).Draw(t, "positions"), e)
	case 7:
		return reflect.SliceOf(drawTypeOf(t, depth-1, own))
	case 8:
		return reflect.MapOf(reflect.TypeFor[string](), drawTypeOf(t, depth-1, own))
	case 6:
		e := drawTypeOf(t, depth-1, own)
		if e.Kind() == reflect.Pointer || e == anyType {
			return e
		}
		return reflect.PointerTo(e)
	case 9, 5:
		return drawStruct(t, depth-1, own)
	}
	return rapid.SampledFrom(leaves).Draw(t, "leaf")
}

func drawStruct(t *rapid.T, depth int, own bool) reflect.Type {
	n := rapid.IntRange(1, 6).Draw(t, "fields")
	fields := make([]reflect.StructField, n)
	for i := range fields {
		name := rapid.SampledFrom([]string{"", "a", "session.status", "ä b", "x<y", "from"}).Draw(t, "name")
		tag := rapid.SampledFrom([]string{"", "", "", ",omitempty", ",omitzero", ",omitempty,omitzero"}).Draw(t, "tag")
		if name != "" {
			name += fmt.Sprint(i)
		}
		ft := drawTypeOf(t, depth, own)
		inner := ft
		for inner.Kind() == reflect.Array {
			inner = inner.Elem()
		}
		deep := inner.Kind() == reflect.Struct && inner != timeType && inner != reflect.TypeFor[Inner]() ||
			inner != ft && (inner.Kind() == reflect.Map || inner.Kind() == reflect.Slice)
		if deep {
			// An empty slice or map inside keeps the value from being zero in Go where it is
			// not nil; what was read from a frame never is, and omitempty leaves it out.
			tag = strings.ReplaceAll(tag, ",omitzero", "")
		}
		fields[i] = reflect.StructField{Name: fmt.Sprintf("F%d", i), Type: ft, Tag: reflect.StructTag(`json:"` + name + tag + `"`)}
	}
	return reflect.StructOf(fields)
}

var texts = rapid.OneOf(
	rapid.StringMatching(`[a-z0-9 ._-]{0,40}`),
	rapid.SampledFrom([]string{"", "\"", "\\", "\x00", "\n\t", "\u2028", "</b>&", "ü", "世界🐕", "a\xffb", "\xed\xa0\x80", "0123456", "01234567", "012345678", "1234567\"", "\x7f"}),
	rapid.String(),
)

var floats = rapid.OneOf(
	rapid.Float64(),
	rapid.SampledFrom([]float64{0, math.Copysign(0, -1), 1, 0.1, 1e21, 1e20, 1e-6, 1e-7, 1 << 53, 123456.789, 5e-324, math.MaxFloat64}),
	rapid.Map(rapid.Int64Range(-1e6, 1e6), func(v int64) float64 { return float64(v) / 1000 }),
)

// fill gives v a value whose JSON json/v2 and frames agree on: times have microseconds,
// integers inside any are within what a double holds.
func fill(t *rapid.T, v reflect.Value, depth int) {
	switch v.Type() {
	case timeType:
		us := rapid.OneOf(rapid.Just(time.Time{}.UnixMicro()), rapid.Int64Range(minSecond*1e6, maxSecond*1e6)).Draw(t, "time")
		v.Set(reflect.ValueOf(time.UnixMicro(us).UTC()))
		return
	case rawType:
		return
	case durationType:
		v.SetInt(1000 * rapid.OneOf(rapid.Int64Range(-9e15, 9e15), rapid.Int64Range(-5000, 5000)).Draw(t, "duration"))
		return
	}
	if fillOwn(t, v) {
		return
	}
	if isOpt(v.Type()) {
		state := rapid.Uint8Range(optAbsent, optSome).Draw(t, "state")
		p := v.Addr().UnsafePointer()
		setOpt(p, v.Type().Field(1).Offset, state)
		if state == optSome {
			fill(t, reflect.NewAt(v.Type().Field(0).Type, p).Elem(), depth)
		}
		return
	}
	some := func(most int) int {
		if depth <= 0 {
			return 0
		}
		return rapid.IntRange(0, most).Draw(t, "n")
	}
	switch v.Kind() {
	case reflect.Bool:
		v.SetBool(rapid.Bool().Draw(t, "bool"))
	case reflect.Int, reflect.Int8, reflect.Int16, reflect.Int32, reflect.Int64:
		v.SetInt(rapid.Int64().Draw(t, "int") >> rapid.SampledFrom([]int{0, 32, 60, 63}).Draw(t, "shift"))
	case reflect.Uint, reflect.Uint8, reflect.Uint16, reflect.Uint32, reflect.Uint64:
		v.SetUint(rapid.Uint64().Draw(t, "uint") >> rapid.SampledFrom([]int{0, 32, 60, 64}).Draw(t, "shift"))
	case reflect.Float64:
		v.SetFloat(floats.Draw(t, "float"))
	case reflect.Float32:
		v.SetFloat(float64(rapid.Float32().Draw(t, "float")))
	case reflect.String:
		v.SetString(texts.Draw(t, "text"))
	case reflect.Pointer:
		if some(2) > 0 {
			v.Set(reflect.New(v.Type().Elem()))
			fill(t, v.Elem(), depth-1)
		}
	case reflect.Slice:
		n := some(3)
		if n == 0 && rapid.Bool().Draw(t, "nil") {
			return
		}
		v.Set(reflect.MakeSlice(v.Type(), n, n))
		for i := range n {
			fill(t, v.Index(i), depth-1)
		}
	case reflect.Map:
		n := some(12)
		if n == 0 && rapid.Bool().Draw(t, "nil") {
			return
		}
		v.Set(reflect.MakeMap(v.Type()))
		for range n {
			e := reflect.New(v.Type().Elem()).Elem()
			fill(t, e, depth-2)
			v.SetMapIndex(reflect.ValueOf(strings.ToValidUTF8(texts.Draw(t, "key"), "?")), e)
		}
	case reflect.Array:
		for i := range v.Len() {
			fill(t, v.Index(i), depth-1)
		}
	case reflect.Struct:
		for i := range v.NumField() {
			if v.Field(i).CanSet() {
				fill(t, v.Field(i), depth-1)
			}
		}
	case reflect.Interface:
		if a := drawAny(t, depth); a != nil {
			v.Set(reflect.ValueOf(a))
		}
	default:
		panic("BUG: no values of " + v.Type().String())
	}
}

func drawAny(t *rapid.T, depth int) any {
	most := 9
	if depth <= 0 {
		most = 7
	}
	switch rapid.IntRange(0, most).Draw(t, "any") {
	case 0:
		return nil
	case 1:
		return rapid.Bool().Draw(t, "bool")
	case 2:
		return rapid.Int64Range(-1<<53, 1<<53).Draw(t, "int")
	case 3:
		return floats.Draw(t, "float")
	case 4:
		return texts.Draw(t, "text")
	case 5:
		return rapid.SliceOf(rapid.Byte()).Draw(t, "blob")
	case 6:
		return rapid.Float32().Draw(t, "float32")
	case 7:
		// Milliseconds of it, which is what JSON has, are a double that tells microseconds.
		return time.Duration(rapid.Int64Range(-9e12, 9e12).Draw(t, "duration")) * time.Microsecond
	case 8:
		list := make([]any, rapid.IntRange(0, 3).Draw(t, "n"))
		for i := range list {
			list[i] = drawAny(t, depth-1)
		}
		return list
	}
	m := map[string]any{}
	for range rapid.IntRange(0, 12).Draw(t, "n") {
		m[strings.ToValidUTF8(texts.Draw(t, "key"), "?")] = drawAny(t, depth-1)
	}
	return m
}

// TestValues: a Go value becomes the same JSON by way of a frame as by json/v2, and a
// value that went through a frame becomes the same frame again.
func TestValues(t *testing.T) {
	t.Run("declared", func(t *testing.T) { compareValues(t, false) })
	t.Run("of their own form", func(t *testing.T) { compareValues(t, true) })
}

func compareValues(t *testing.T, own bool) {
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
		l := enc.Layout()
		got, err := l.AppendJSON(nil, frame)
		if err != nil {
			t.Fatalf("%s: %v", typ, err)
		}
		want, err := json.Marshal(v.Interface(), v2Options)
		if err != nil {
			t.Fatalf("%s: json/v2: %v", typ, err)
		}
		if !bytes.Equal(got, want) {
			t.Fatalf("%s:\n got %s\nwant %s", typ, got, want)
		}
		samePrint(t, typ, v.UnsafePointer())
		again(t, typ, l, frame, frame)

		// Through an any and back: what Python sees where nothing is declared.
		r := reader{b: frame}
		free, err := r.spell(nil, l.root)
		if err != nil {
			t.Fatalf("%s: spelled: %v", typ, err)
		}
		again(t, typ, Any(), free, frame)
	})
}

// samePrint expects the same text, or an error in the same place, of a value that is
// written at once as of one that goes through a frame.
func samePrint(t rapid.TB, typ reflect.Type, p unsafe.Pointer) {
	enc, err := NewEncoder(typ)
	if err != nil {
		t.Fatal(err)
	}
	frame, fail := enc.Append(nil, p)
	var want []byte
	if fail == nil {
		want, fail = enc.Layout().AppendJSON(nil, frame)
	}
	direct, err := NewTextEncoder(typ)
	if err != nil {
		t.Fatal(err)
	}
	got, err := direct.Append([]byte("before"), p)
	if !bytes.HasPrefix(got, []byte("before")) || err != nil && len(got) != len("before") {
		t.Fatalf("%s: what stood before is %q, error %v", typ, got, err)
	}
	if fmt.Sprint(err) != fmt.Sprint(fail) || !bytes.Equal(got[len("before"):], want) {
		t.Fatalf("%s: at once and by a frame:\n got %s, %v\nwant %s, %v", typ, got[len("before"):], err, want, fail)
	}
}

// TestPrint: values that json/v2 and frames do not agree on, and those that have no JSON.
func TestPrint(t *testing.T) {
	RegisterMap[Open]()
	deep := any("x")
	for range maxDepth {
		deep = []any{deep}
	}
	negative := math.Copysign(0, -1)
	type zeroes struct {
		F  float64        `json:"f,omitzero"`
		G  float32        `json:"g,omitzero"`
		T  time.Time      `json:"t,omitzero"`
		A  any            `json:"a,omitzero"`
		R  jsontext.Value `json:"r,omitzero"`
		In Inner          `json:"in,omitzero"`
		E  []string       `json:"e,omitempty,omitzero"`
	}
	raw := jsontext.Value(`{"b":1,"a":{"z":2,"y":"\ud800"}}`)
	for _, v := range []any{
		&Open{"k", raw}, &Open{"k", nil}, &OpenMap{"k", map[string]any{"z": raw, "a": 1.5, "\xff": 1}},
		&Open{"k", jsontext.Value(`[1]`)}, &Open{"k", jsontext.Value(`{"a":`)},
		&map[string]Open{"b": {"k", raw}, "a": {}}, &map[string]Open{"a\xff": {}, "a\xfe": {"x", nil}}, &map[string]Open{"a": {"k", jsontext.Value("1")}},
		&map[string]string{"\xff": "1", "\xfe": "2", "\ufffd": "3", "\U0001f415": "\xf0"}, &map[string]int64{"\xff": 1, "b": 2}, &map[string]float64{"\xff": 1, "b": 2},
		&Dynamic{Any: raw, Raw: raw, List: []any{raw, Inner{X: 1}, Color("c"), float32(0.1), uint8(3), []byte("x")}, Map: map[string]any{"\xff": 1, "b": raw}},
		new(any), &[]any{raw, map[string]any{"b": raw}}, &[]jsontext.Value{raw, nil, jsontext.Value("{")},
		&map[string]any{"b": raw, "a": math.NaN()}, &map[string]float64{"a": math.Inf(1)}, &[]float32{float32(math.Inf(-1))}, &[]float64{negative, 1e300},
		&zeroes{F: negative, G: float32(negative), T: time.Time{}.Add(time.Nanosecond), A: jsontext.Value(nil), R: jsontext.Value("null")},
		&zeroes{F: 1, G: 1, T: time.Unix(1, 1), A: "", R: jsontext.Value("0"), In: Inner{Y: ""}, E: []string{}},
		&[]time.Time{time.Unix(1<<40, 0)}, &map[string]any{"t": time.Unix(1<<40, 0)}, &map[string]any{"t": time.Unix(1, 999).In(time.FixedZone("x", 3600))},
		&deep, &map[string]any{"deep": deep}, &[]any{func() {}},
	} {
		samePrint(t, reflect.TypeOf(v).Elem(), reflect.ValueOf(v).UnsafePointer())
	}
}

// again reads a frame of layout l into the type and expects it to become want.
func again(t *rapid.T, typ reflect.Type, l *Layout, frame, want []byte) {
	dec, err := NewDecoder(l, typ)
	if err != nil {
		t.Fatalf("%s: %v", typ, err)
	}
	back := reflect.New(typ)
	if err := dec.Value(frame, back.UnsafePointer()); err != nil {
		t.Fatalf("%s: %v", typ, err)
	}
	enc, err := NewEncoder(typ)
	if err != nil {
		t.Fatal(err)
	}
	got, err := enc.Append(nil, back.UnsafePointer())
	if err != nil {
		t.Fatalf("%s: %v", typ, err)
	}
	if !bytes.Equal(got, want) {
		t.Fatalf("%s: from %s and back:\n got %q\nwant %q", typ, l, got, want)
	}
}

// scramble writes a JSON text in another spelling: white space, members in any order
// and strange ones between, escapes, and here and there a value of another kind.
func scramble(t *rapid.T, text jsontext.Value, damage bool) []byte {
	var out []byte
	space := func() {
		out = append(out, rapid.SampledFrom([]string{"", "", "", " ", "\n\t", "\r"}).Draw(t, "space")...)
	}
	quote := func(s string) {
		if rapid.IntRange(0, 5).Draw(t, "escape") > 0 {
			out, _ = jsontext.AppendQuote(out, s)
			return
		}
		out = append(out, '"')
		for _, c := range s {
			if c < 0x10000 {
				out = fmt.Appendf(out, `\u%04X`, c)
			} else {
				out = fmt.Appendf(out, "%c", c)
			}
		}
		out = append(out, '"')
	}
	var value func(v jsontext.Value)
	value = func(v jsontext.Value) {
		space()
		defer space()
		if damage && rapid.IntRange(0, 30).Draw(t, "damage") == 0 {
			out = append(out, rapid.SampledFrom([]string{"null", "1", "-1", "1.5", "300", "1e2", "-0", "1e400", "99999999999999999999", `"x"`, `""`, "[]", "{}", "true", `[1,"a"]`, `{"a":1}`,
				`"\ud800"`, `"\udc00\ud800"`, "\"\xff\"", `"AA=="`, `"A"`, `"2024-01-01T00:00:00Z"`, `"2024-01-01T00:00:00.5+02:00"`, `"2024-1-1"`, "01", "1.", "tru", `"`, "\"\x01\"", ""}).Draw(t, "other")...)
			return
		}
		switch v.Kind() {
		case '{':
			var members map[string]jsontext.Value
			if err := json.Unmarshal(v, &members, v2Options); err != nil {
				panic("BUG: " + err.Error())
			}
			names := make([]string, 0, len(members))
			dec := jsontext.NewDecoder(bytes.NewReader(v), v2Options)
			dec.ReadToken()
			for dec.PeekKind() != '}' {
				tok, err := dec.ReadToken()
				if err != nil {
					panic("BUG: " + err.Error())
				}
				names = append(names, tok.String())
				dec.SkipValue()
			}
			if rapid.Bool().Draw(t, "shuffle") {
				names = rapid.Permutation(names).Draw(t, "order")
			}
			if rapid.IntRange(0, 3).Draw(t, "strange") == 0 {
				names = append([]string{"strange"}, names...)
			}
			if damage && len(names) > 0 && rapid.IntRange(0, 10).Draw(t, "lose") == 0 {
				names = names[1:]
			}
			out = append(out, '{')
			for i, name := range names {
				if i > 0 {
					out = append(out, ',')
				}
				space()
				quote(name)
				space()
				out = append(out, ':')
				if e, ok := members[name]; ok {
					value(e)
				} else {
					out = append(out, ` {"a" : [1, "b\n", null, {"c": -1.5e3}], "": true} `...)
				}
			}
			out = append(out, '}')
		case '[':
			var list []jsontext.Value
			if err := json.Unmarshal(v, &list, v2Options); err != nil {
				panic("BUG: " + err.Error())
			}
			out = append(out, '[')
			for i, e := range list {
				if i > 0 {
					out = append(out, ',')
				}
				value(e)
			}
			out = append(out, ']')
		case '"':
			b, _ := jsontext.AppendUnquote(nil, v)
			quote(string(b))
		default:
			out = append(out, v...)
		}
	}
	value(text)
	return out
}

// TestTexts: JSON text read into a frame and printed is what json/v2 makes of it by way
// of the Go value; and what only one of the two reads is one of the known differences.
func TestTexts(t *testing.T) {
	t.Run("declared", func(t *testing.T) { compareTexts(t, false) })
	t.Run("of their own form", func(t *testing.T) { compareTexts(t, true) })
}

func compareTexts(t *testing.T, own bool) {
	rapid.Check(t, func(t *rapid.T) {
		typ := drawTypeOf(t, 3, own)
		v := reflect.New(typ)
		fill(t, v.Elem(), 4)
		text, err := json.Marshal(v.Interface(), v2Options)
		if err != nil {
			t.Fatalf("%s: json/v2: %v", typ, err)
		}
		text = scramble(t, text, rapid.Bool().Draw(t, "damaged"))
		if own {
			// An any of a frame has not the spelling of a number, and no more digits than a float:
			// a type that looks at these reads another number; see docs/reference/codecs.md.
			text = bytes.ReplaceAll(text, []byte("99999999999999999999"), []byte("100000000000000000000"))
			text = bytes.ReplaceAll(text, []byte("1e2"), []byte("100"))
		}
		compareText(t, typ, text)
	})
}

func compareText(t interface {
	Fatalf(string, ...any)
	Logf(string, ...any)
}, typ reflect.Type, text []byte) {
	l, err := Of(typ)
	if err != nil {
		t.Fatalf("%s: %v", typ, err)
	}
	frame, err := l.ParseJSON(nil, text)
	compareDirect(t, typ, text, frame, err)
	if err == nil && owns(typ, map[reflect.Type]bool{}) {
		// To a frame they are any; what is wrong with them shows in the Go type.
		err = must2(NewDecoder(l, typ)).Value(frame, reflect.New(typ).UnsafePointer())
	}
	oracle := reflect.New(typ)
	oracleErr := json.Unmarshal(text, oracle.Interface(), v2Options)
	if err != nil {
		if oracleErr == nil && !strings.Contains(err.Error(), "missing member") && !strings.Contains(err.Error(), "got null") {
			t.Fatalf("%s: %q: %v, but json/v2 reads it", typ, text, err)
		}
		return
	}
	if oracleErr != nil {
		t.Fatalf("%s: %q: read, but json/v2 says %v", typ, text, oracleErr)
	}
	micros(oracle.Elem())
	got, err := l.AppendJSON(nil, frame)
	if err != nil {
		t.Fatalf("%s: %q: %v", typ, text, err)
	}
	want, err := json.Marshal(oracle.Interface(), v2Options)
	if err != nil {
		t.Fatalf("%s: json/v2: %v", typ, err)
	}
	root := typ
	if root.Kind() == reflect.Pointer {
		root = root.Elem()
	}
	if root == anyType || root.Kind() == reflect.Slice || root.Kind() == reflect.Array {
		// A bare any keeps the order that json/v2 sorts away.
		got = sortJSON(got)
		want = sortJSON(want)
	}
	if !bytes.Equal(got, want) && !owns(typ, map[reflect.Type]bool{}) { // a type may write null in another way
		t.Fatalf("%s: %s:\n got %s\nwant %s", typ, text, got, want)
	}

	// And the way that the codec goes: the frame read into the Go type.
	dec, err := NewDecoder(l, typ)
	if err != nil {
		t.Fatalf("%s: %v", typ, err)
	}
	back := reflect.New(typ)
	if err := dec.Value(frame, back.UnsafePointer()); err != nil {
		t.Fatalf("%s: %s: %v", typ, text, err)
	}
	via, err := json.Marshal(back.Interface(), v2Options)
	if err != nil {
		t.Fatalf("%s: json/v2: %v", typ, err)
	}
	direct, err := json.Marshal(oracle.Interface(), v2Options)
	if err != nil {
		t.Fatalf("%s: json/v2: %v", typ, err)
	}
	if !bytes.Equal(via, direct) {
		t.Fatalf("%s: %s: decoded:\n got %s\nwant %s", typ, text, via, direct)
	}
}

// compareDirect holds the two ways from text to a Go value against each other.
func compareDirect(t interface{ Fatalf(string, ...any) }, typ reflect.Type, text, frame []byte, err error) {
	d, derr := NewTextDecoder(typ, false)
	if derr != nil {
		t.Fatalf("%s: %v", typ, derr)
	}
	v := reflect.New(typ)
	derr = d.Value(text, v.UnsafePointer())
	if owns(typ, map[reflect.Type]bool{}) {
		if err == nil {
			err = must2(NewDecoder(must2(Of(typ)), typ)).Value(frame, reflect.New(typ).UnsafePointer())
		}
		if (derr == nil) != (err == nil) {
			t.Fatalf("%s: %q:\n  direct: %v\nby frame: %v", typ, text, derr, err)
		}
		derr = err // they may tell the spelling of the text from that of the frame
	}
	if fmt.Sprint(derr) != fmt.Sprint(err) {
		t.Fatalf("%s: %q:\n  direct: %v\nby frame: %v", typ, text, derr, err)
	}
	if err != nil {
		return
	}
	l, err := Of(typ)
	if err != nil {
		t.Fatalf("%s: %v", typ, err)
	}
	dec, err := NewDecoder(l, typ)
	if err != nil {
		t.Fatalf("%s: %v", typ, err)
	}
	w := reflect.New(typ)
	if err := dec.Value(frame, w.UnsafePointer()); err != nil {
		t.Fatalf("%s: %v", typ, err)
	}
	if !reflect.DeepEqual(v.Interface(), w.Interface()) && !strings.Contains(fmt.Sprintf("%+v", v.Elem()), "NaN") {
		t.Fatalf("%s: %s:\n  direct: %+v\nby frame: %+v", typ, text, v.Elem(), w.Elem())
	}
}

// micros makes the times in v what a frame holds of them.
func micros(v reflect.Value) {
	if isOpt(v.Type()) {
		if v.CanAddr() {
			micros(reflect.NewAt(v.Type().Field(0).Type, v.Addr().UnsafePointer()).Elem())
		}
		return
	}
	switch v.Kind() {
	case reflect.Pointer:
		if !v.IsNil() {
			micros(v.Elem())
		}
	case reflect.Slice, reflect.Array:
		for i := range v.Len() {
			micros(v.Index(i))
		}
	case reflect.Map:
		for _, k := range v.MapKeys() {
			e := reflect.New(v.Type().Elem()).Elem()
			e.Set(v.MapIndex(k))
			micros(e)
			v.SetMapIndex(k, e)
		}
	case reflect.Struct:
		if v.Type() == timeType {
			v.Set(reflect.ValueOf(time.UnixMicro(v.Interface().(time.Time).UnixMicro()).UTC()))
			return
		}
		for i := range v.NumField() {
			if v.Field(i).CanSet() {
				micros(v.Field(i))
			}
		}
	}
}

func sortJSON(text []byte) []byte {
	var v any
	if err := json.Unmarshal(text, &v, v2Options); err != nil {
		return text
	}
	b, err := json.Marshal(v, v2Options)
	if err != nil {
		return text
	}
	return b
}
