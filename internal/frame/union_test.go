package frame

import (
	"encoding/json/jsontext"
	"fmt"
	"reflect"
	"strings"
	"testing"
	"unsafe"

	"pgregory.net/rapid"

	"github.com/levada-io/levada/plan"
	"github.com/levada-io/levada/record"
)

// Shape is told by constants.
type Shape interface{ isShape() }

type Circle struct {
	Kind   string  `json:"kind" levada:"const=circle"`
	Radius float64 `json:"radius"`
}

type Square struct {
	Kind string  `json:"kind" levada:"const=square"`
	Side float64 `json:"side"`
	Note *string `json:"note,omitempty"`
}

type Group struct {
	Kind  string           `json:"kind" levada:"const=group"`
	Parts []Shape          `json:"parts"`
	Named map[string]Shape `json:"named,omitempty"`
}

// Scalar is told by kind, and by required members.
type Scalar interface{ isScalar() }

type (
	Flag  bool
	Count int32
	Words string
	Many  []Count
	Point struct {
		X int64 `json:"x"`
		Y int64 `json:"y,omitzero"`
	}
	Name struct {
		First string `json:"first"`
	}
)

func (Circle) isShape() {}
func (Square) isShape() {}
func (Group) isShape()  {}

func (Flag) isScalar()  {}
func (Count) isScalar() {}
func (Words) isScalar() {}
func (Many) isScalar()  {}
func (Point) isScalar() {}
func (Name) isScalar()  {}

var (
	_ = record.Union[Shape](Circle{}, Square{}, Group{})
	_ = record.Union[Scalar](Flag(false), Count(0), Words(""), Many(nil), Point{}, Name{})
)

// Unions has a union wherever one may stand.
type Unions struct {
	Shape  Shape              `json:"shape"`
	List   []Scalar           `json:"list"`
	Map    map[string]Scalar  `json:"map"`
	Pair   [2]Scalar          `json:"pair"`
	Ptr    *Shape             `json:"ptr"`
	Opt    Shape              `json:"opt,omitempty"`
	Zero   Scalar             `json:"zero,omitzero"`
	Three  record.Opt[Scalar] `json:"three"`
	Deep   map[string][]Shape `json:"deep"`
	Before Group              `json:"before"`
}

func someUnions() []Unions {
	var in Shape = Square{Side: 2, Note: ptr("n")}
	return []Unions{
		{Shape: Circle{Radius: 1.5}, Pair: [2]Scalar{Flag(true), Count(-1)}, Opt: Square{}, Zero: Count(0), Three: record.Null[Scalar]()},
		{
			Shape: Group{Parts: []Shape{Circle{}, Group{Named: map[string]Shape{"a": Square{}, "b": Circle{}}}}},
			List:  []Scalar{Flag(false), Count(7), Words("w"), Many{1, 2}, Point{X: 1, Y: 2}, Name{First: "f"}, Many(nil)},
			Map:   map[string]Scalar{"x": Point{}, "y": Words("")}, Pair: [2]Scalar{Words("x"), Name{}},
			Ptr: &in, Three: record.Some[Scalar](Words("three")), Deep: map[string][]Shape{"d": {Square{Side: 1}}},
		},
	}
}

// TestUnions: values survive every way, and all ways write the same.
func TestUnions(t *testing.T) {
	typ := reflect.TypeFor[Unions]()
	for i, v := range someUnions() {
		everyWay(t, typ, unsafe.Pointer(&v))
		text, err := must2(NewTextEncoder(typ)).Append(nil, unsafe.Pointer(&v))
		if err != nil {
			t.Fatal(err)
		}
		if want := `{"shape":{"kind":"circle","radius":1.5},"list":[],"map":{},"pair":[true,-1],"ptr":null,"opt":{"kind":"square","side":0},"zero":0,"three":null,"deep":{},"before":{"kind":"group","parts":[]}}`; i == 0 && string(text) != want {
			t.Errorf("expected %s\ngot      %s", want, text)
		}
		back := decodeText[Unions](t, string(text))
		if i == 1 && (back.Shape.(Group).Parts[1].(Group).Named["b"] != Shape(Circle{Kind: "circle"}) || back.Pair[1] != Scalar(Name{}) || *(*back.Ptr).(Square).Note != "n") {
			t.Errorf("got %+v", back)
		}
	}
}

func must2[T any](v T, err error) T {
	if err != nil {
		panic(err)
	}
	return v
}

// everyWay writes a value by every way and reads it back by every way.
func everyWay(t rapid.TB, typ reflect.Type, p unsafe.Pointer) {
	t.Helper()
	check := func(way string, got []byte, err error, want []byte) {
		t.Helper()
		if err != nil || string(got) != string(want) {
			t.Fatalf("%s: expected %s\ngot      %s, %v", way, want, got, err)
		}
	}
	enc := must2(NewEncoder(typ))
	l := enc.Layout()
	frame, err := enc.Append(nil, p)
	if err != nil {
		t.Fatalf("%v", err)
	}
	text, err := must2(NewTextEncoder(typ)).Append(nil, p)
	if err != nil {
		t.Fatalf("%v", err)
	}
	packed, err := must2(NewMsgpackEncoder(typ)).Append(nil, p)
	if err != nil {
		t.Fatalf("%v", err)
	}
	got, err := l.AppendJSON(nil, frame)
	check("frame as JSON", got, err, text)
	got, err = l.AppendMsgpack(nil, frame)
	check("frame as msgpack", got, err, packed)
	again, err := l.ParseJSON(nil, text)
	if err != nil {
		t.Fatalf("%s: %v", text, err)
	}
	got, err = l.AppendJSON(nil, again)
	check("JSON by a frame", got, err, text)
	if again, err = l.ParseMsgpack(nil, packed, false); err != nil {
		t.Fatalf("%s: %v", text, err)
	}
	got, err = l.AppendJSON(nil, again)
	check("msgpack by a frame", got, err, text)
	v := reflect.New(typ)
	if err := must2(NewTextDecoder(typ, true)).Value(text, v.UnsafePointer()); err != nil {
		t.Fatalf("%s: %v", text, err)
	}
	got, err = must2(NewTextEncoder(typ)).Append(nil, v.UnsafePointer())
	check("JSON into a value", got, err, text)
	v = reflect.New(typ)
	if err := must2(NewMsgpackDecoder(typ, true)).Value(packed, v.UnsafePointer()); err != nil {
		t.Fatalf("%s: %v", text, err)
	}
	got, err = must2(NewTextEncoder(typ)).Append(nil, v.UnsafePointer())
	check("msgpack into a value", got, err, text)
	v = reflect.New(typ)
	if err := must2(NewDecoder(l, typ)).Value(frame, v.UnsafePointer()); err != nil {
		t.Fatalf("%s: %v", text, err)
	}
	got, err = enc.Append(nil, v.UnsafePointer())
	check("frame into a value", got, err, frame)
	if again, err = Any().ParseJSON(nil, text); err != nil {
		t.Fatalf("%s: %v", text, err)
	}
	v = reflect.New(typ)
	if err := must2(NewDecoder(Any(), typ)).Value(again, v.UnsafePointer()); err != nil {
		t.Fatalf("out of an any: %s: %v", text, err)
	}
	got, err = must2(NewTextEncoder(typ)).Append(nil, v.UnsafePointer())
	check("any into a value", got, err, text)
	// Each frame that is cut off is refused, by the reader of text and the one of values.
	for cut := range frame {
		if _, err := l.AppendJSON(nil, frame[:cut]); err == nil {
			t.Fatalf("%d of %d bytes are taken", cut, len(frame))
		}
	}
}

func drawShape(t *rapid.T, depth int) Shape {
	switch rapid.IntRange(0, 2).Draw(t, "shape") {
	case 0:
		return Circle{Kind: "?", Radius: rapid.Float64Range(-1e9, 1e9).Draw(t, "radius")}
	case 1:
		s := Square{Side: float64(rapid.IntRange(-5, 5).Draw(t, "side"))}
		if rapid.Bool().Draw(t, "noted") {
			s.Note = ptr(rapid.String().Draw(t, "note"))
		}
		return s
	}
	g := Group{}
	for range rapid.IntRange(0, depth).Draw(t, "parts") {
		g.Parts = append(g.Parts, drawShape(t, depth-1))
	}
	for i := range rapid.IntRange(0, depth).Draw(t, "named") {
		if g.Named == nil {
			g.Named = map[string]Shape{}
		}
		g.Named[fmt.Sprint(rapid.String().Draw(t, "name"), i)] = drawShape(t, depth-1)
	}
	return g
}

func drawScalar(t *rapid.T) Scalar {
	return rapid.OneOf(
		rapid.Custom(func(t *rapid.T) Scalar { return Flag(rapid.Bool().Draw(t, "flag")) }),
		rapid.Custom(func(t *rapid.T) Scalar { return Count(rapid.Int32().Draw(t, "count")) }),
		rapid.Custom(func(t *rapid.T) Scalar { return Words(rapid.String().Draw(t, "words")) }),
		rapid.Custom(func(t *rapid.T) Scalar { return Many{Count(rapid.Int32().Draw(t, "of many"))} }),
		rapid.Custom(func(t *rapid.T) Scalar {
			return Point{rapid.Int64().Draw(t, "x"), int64(rapid.IntRange(0, 1).Draw(t, "y"))}
		}),
		rapid.Custom(func(t *rapid.T) Scalar { return Name{rapid.String().Draw(t, "first")} }),
	).Draw(t, "scalar")
}

func TestDrawnUnions(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		v := Unions{Shape: drawShape(t, 3), Pair: [2]Scalar{drawScalar(t), drawScalar(t)}}
		for i := range rapid.IntRange(0, 3).Draw(t, "list") {
			v.List = append(v.List, drawScalar(t))
			v.Deep = map[string][]Shape{fmt.Sprint(i): {drawShape(t, 1)}}
		}
		if rapid.Bool().Draw(t, "optional") {
			v.Opt, v.Zero, v.Three = drawShape(t, 1), drawScalar(t), record.Some(drawScalar(t))
		}
		everyWay(t, reflect.TypeFor[Unions](), unsafe.Pointer(&v))
	})
}

// TestNoVariant: what is none of the variants, or may be several, names them.
func TestNoVariant(t *testing.T) {
	type in struct {
		Shape  Shape    `json:"shape,omitzero"`
		List   []Scalar `json:"list,omitzero"`
		Points Points   `json:"points,omitzero"`
	}
	const shapes = "expected Circle or Square or Group, got "
	for text, want := range map[string]string{
		`{"shape":{"kind":"hexagon"}}`:                           `$.shape: ` + shapes + `an object with the constants and required members of none of them`,
		`{"shape":{"radius":1}}`:                                 `$.shape: ` + shapes + `an object with the constants and required members of none of them`,
		`{"shape":{"kind":"circle"}}`:                            `$.shape.radius: missing member (float64)`,
		`{"shape":{"kind":"circle","radius":"x"}}`:               `$.shape.radius: expected number, got string`,
		`{"shape":{"radius":2,"side":1,"kind":"square"}}`:        ``,
		`{"shape":1}`:                                            `$.shape: ` + shapes + `number`,
		`{"shape":null}`:                                         `$.shape: ` + shapes + `null`,
		`{"shape":{"kind":"group","parts":[{"kind":"circle"}]}}`: `$.shape.parts[0].radius: missing member (float64)`,
		`{"list":[1,"a",[2],true,{"x":1},{"first":""}]}`:         ``,
		`{"list":[1.5]}`:                                         `$.list[0]: expected integer, got 1.5`,
		`{"list":[{"x":1,"first":"a"}]}`:                         `$.list[0]: expected bool or int32 or string or list or Point or Name, got an object that may be Point and Name`,
		`{"list":[{}]}`:                                          `$.list[0]: expected bool or int32 or string or list or Point or Name, got an object with the constants and required members of none of them`,
		`{"points":{"x":1,"y":1,"z":1}}`:                         `$.points: expected Flat or Solid, got an object that may be Flat and Solid`,
		`{"points":{"x":1,"y":1}}`:                               ``,
		`{"points":{"x":1,"y":1,"v":2}}`:                         `$.points.z: missing member (int64)`,
		`{"points":{"x":1,"y":1,"v":-2}}`:                        `$.points: expected Flat or Solid, got an object with the constants and required members of none of them`,
	} {
		typ := reflect.TypeFor[in]()
		l := mustOf(t, typ)
		_, err := l.ParseJSON(nil, []byte(text))
		said(t, "JSON into a frame", text, want, err)
		var v in
		said(t, "JSON into a value", text, want, must2(NewTextDecoder(typ, false)).Value([]byte(text), unsafe.Pointer(&v)))
		frame := must2(Any().ParseJSON(nil, []byte(text)))
		packed := must2(Any().AppendMsgpack(nil, frame))
		compareUnpacked(t, typ, packed, false)
		_, err = l.ParseMsgpack(nil, packed, false)
		if (err == nil) != (want == "") {
			t.Errorf("msgpack: %s: expected %q, got %v", text, want, err)
		}
		v = in{}
		if err := must2(NewDecoder(Any(), typ)).Value(frame, unsafe.Pointer(&v)); (err == nil) != (want == "") {
			t.Errorf("out of an any: %s: expected %q, got %v", text, want, err)
		}
	}
}

// TestFirstOfSeveral: of several variants whose required members are all there it is the
// first, where that one keeps the members of the others; so it is in every way.
func TestFirstOfSeveral(t *testing.T) {
	type in struct {
		List []Way `json:"list"`
	}
	const ways = "expected ByRoad or ByRail or ByFoot, got an object "
	for text, want := range map[string]string{
		`{"list":[{"road":1,"rail":2,"foot":3}]}`: `frame.ByRoad{Road:1, Extra:{"rail":2,"foot":3}}`,
		`{"list":[{"rail":2,"road":1}]}`:          `frame.ByRoad{Road:1, Extra:{"rail":2}}`,
		`{"list":[{"rail":2}]}`:                   `frame.ByRail{Rail:2}`,
		`{"list":[{"foot":3,"rail":2}]}`:          `$.list[0]: ` + ways + `that may be ByRail and ByFoot`,
		`{"list":[{}]}`:                           `$.list[0]: ` + ways + `with the constants and required members of none of them`,
	} {
		typ := reflect.TypeFor[in]()
		l := mustOf(t, typ)
		check := func(how string, v in, err error) {
			t.Helper()
			got := fmt.Sprint(err)
			if err == nil {
				got = fmt.Sprintf("%#v", v.List[0])
				if w, ok := v.List[0].(ByRoad); ok {
					got = fmt.Sprintf("frame.ByRoad{Road:%d, Extra:%s}", w.Road, w.Extra)
				}
			}
			if got != want {
				t.Errorf("%s: %s: expected %s, got %s", how, text, want, got)
			}
		}
		var v in
		err := must2(NewTextDecoder(typ, true)).Value([]byte(text), unsafe.Pointer(&v))
		check("JSON", v, err)
		frame, err := l.ParseJSON(nil, []byte(text))
		out := in{}
		if err == nil {
			err = must2(NewDecoder(l, typ)).Value(frame, unsafe.Pointer(&out))
		}
		check("JSON into a frame", out, err)
		free := must2(Any().ParseJSON(nil, []byte(text)))
		packed := must2(Any().AppendMsgpack(nil, free))
		out = in{}
		err = must2(NewMsgpackDecoder(typ, true)).Value(packed, unsafe.Pointer(&out))
		check("MessagePack", out, err)
		out = in{}
		err = must2(NewDecoder(Any(), typ)).Value(free, unsafe.Pointer(&out))
		check("an any", out, err)
	}
}

// Way is a union whose variants a message may have at once; the second drops what it does
// not name, and so it is no first one.
type Way interface{ isWay() }

type ByRoad struct {
	Road  int64          `json:"road"`
	Extra jsontext.Value `json:",embed"`
}

type ByRail struct {
	Rail int64 `json:"rail"`
}

type ByFoot struct {
	Foot  int64          `json:"foot"`
	Extra jsontext.Value `json:",embed"`
}

func (ByRoad) isWay() {}
func (ByRail) isWay() {}
func (ByFoot) isWay() {}

var _ = record.Union[Way](ByRoad{}, ByRail{}, ByFoot{})

// Points has a variant with a constant that need not be there.
type Points interface{ isPoints() }

type Flat struct {
	X int64 `json:"x"`
	Y int64 `json:"y"`
	V *int8 `json:"v,omitempty" levada:"const=1"`
}

type Solid struct {
	X int64 `json:"x"`
	Y int64 `json:"y"`
	Z int64 `json:"z"`
	V *int8 `json:"v,omitempty" levada:"const=2"`
}

func (Flat) isPoints()  {}
func (Solid) isPoints() {}

var _ = record.Union[Points](Flat{}, Solid{})

// Fault: hostile frame -> goes on: a variant that there is not is refused
func TestHostileVariants(t *testing.T) {
	type in struct {
		Shape Shape `json:"shape"`
	}
	frame, l := encode(t, in{Circle{Radius: 1}})
	if frame[0] != 0 {
		t.Fatalf("got %v", frame)
	}
	for at := 1; at < 256; at++ {
		frame[0] = byte(at)
		_, err := l.AppendJSON(nil, frame)
		_, err2 := l.AppendMsgpack(nil, frame)
		var v in
		err3 := decoder[in](t, l).Value(frame, unsafe.Pointer(&v))
		var o OpenNone
		err4 := decoder[OpenNone](t, l).Value(frame, unsafe.Pointer(&o))
		for _, err := range []error{err, err2, err3, err4} {
			switch {
			case err == nil:
				t.Errorf("variant %d is taken", at)
			case at >= 3 && err.Error() != fmt.Sprintf("$.shape: frame: %d as a variant of 3", at):
				t.Errorf("variant %d: %v", at, err)
			}
		}
	}
}

// TestNestedUnions: a tag that stands first tells at once however deep; one that stands
// last is not looked for again and again.
func TestNestedUnions(t *testing.T) {
	typ := reflect.TypeFor[Group]()
	nest := func(open, end string, n int) []byte {
		return []byte(`{"kind":"group","parts":[` + strings.Repeat(open, n) + strings.Repeat(end, n) + `]}`)
	}
	var v Group
	if err := must2(NewTextDecoder(typ, false)).Value(nest(`{"kind":"group","parts":[`, `]}`, 3000), unsafe.Pointer(&v)); err != nil {
		t.Errorf("the tag first: %v", err)
	}
	deep := nest(`{"parts":[`, `],"kind":"group"}`, 3000)
	err := must2(NewTextDecoder(typ, false)).Value(deep, unsafe.Pointer(&v))
	if err == nil || !strings.Contains(err.Error(), "unions nested too deep to be told apart") {
		t.Errorf("the tag last: %v", err)
	}
	frame := must2(Any().ParseJSON(nil, deep))
	if err := must2(NewDecoder(Any(), typ)).Value(frame, unsafe.Pointer(&v)); err == nil || !strings.Contains(err.Error(), "unions nested too deep to be told apart") {
		t.Errorf("the tag last, out of an any: %v", err)
	}
	if err := must2(NewTextDecoder(typ, false)).Value(nest(`{"parts":[`, `],"kind":"group"}`, 20), unsafe.Pointer(&v)); err != nil {
		t.Errorf("a few with the tag last: %v", err)
	}
	if err := must2(NewTextDecoder(typ, false)).Value(nest(`{"kind":"group","parts":[`, `]}`, 6000), unsafe.Pointer(&v)); err == nil || !strings.Contains(err.Error(), "nested deeper than 10000") {
		t.Errorf("too deep: %v", err)
	}
}

// TestUnionsOfAnother: a union is read as another one that has its variants, as any, and
// not as one that lacks them.
func TestUnionsOfAnother(t *testing.T) {
	type small struct {
		V Points `json:"v"`
	}
	type wide struct {
		V Wide `json:"v"`
	}
	frame, l := encode(t, small{Solid{X: 1, Y: 2, Z: 3}})
	var w wide
	if err := decoder[wide](t, l).Value(frame, unsafe.Pointer(&w)); err != nil || w.V != Wide(Solid{X: 1, Y: 2, Z: 3}) {
		t.Errorf("got %+v, %v", w, err)
	}
	var o OpenNone
	if err := decoder[OpenNone](t, l).Value(frame, unsafe.Pointer(&o)); err != nil || o.Rest["v"].(map[string]any)["z"] != int64(3) {
		t.Errorf("got %+v, %v", o, err)
	}
	if _, err := NewDecoder(mustOf(t, reflect.TypeFor[wide]()), reflect.TypeFor[small]()); err == nil || err.Error() != "$.v: expected Flat or Solid, got string" {
		t.Errorf("got %v", err)
	}
	if l.Equal(mustOf(t, reflect.TypeFor[wide]())) || !l.Equal(mustOf(t, reflect.TypeFor[small]())) {
		t.Error("variants do not count in Equal as they should")
	}
	pt, types := l.Type()
	again, err := Compile(pt, types)
	if err != nil || !again.Equal(l) {
		t.Errorf("the layout of its type is another one: %v", err)
	}
}

// TestUnionsAndOthers: a value that is no union is read as one that has it among its
// variants, and a union as a type that takes all of them.
func TestUnionsAndOthers(t *testing.T) {
	type single struct {
		V Solid  `json:"v"`
		P *Solid `json:"p"`
		O *Solid `json:"o,omitempty"`
		T string `json:"t"`
		C string `json:"c" levada:"const=c"`
	}
	type union struct {
		V Wide             `json:"v"`
		P *Wide            `json:"p"`
		O record.Opt[Wide] `json:"o"`
		T Wide             `json:"t"`
		C Wide             `json:"c"`
	}
	solid := Solid{X: 1, Y: 2, Z: 3}
	for _, p := range []*Solid{nil, &solid} {
		frame, l := encode(t, single{solid, p, p, "t", ""})
		var u union
		if err := decoder[union](t, l).Value(frame, unsafe.Pointer(&u)); err != nil {
			t.Fatal(err)
		}
		o, some := u.O.Get()
		if u.V != Wide(solid) || u.T != Wide(Words("t")) || u.C != Wide(Words("c")) || (p == nil) != (u.P == nil) || (p != nil) != some {
			t.Errorf("got %+v", u)
		}
		if p != nil && (*u.P != Wide(solid) || o != Wide(solid)) {
			t.Errorf("got %+v", u)
		}
	}
	if _, err := NewDecoder(mustOf(t, reflect.TypeFor[int64]()), reflect.TypeFor[Wide]()); err == nil || err.Error() != "$: expected string or Solid or Flat, got int64" {
		t.Errorf("got %v", err)
	}

	type part struct {
		X int64 `json:"x"`
	}
	var v Points = Solid{X: 7, Y: 8, Z: 9}
	for _, p := range []*Points{nil, &v} {
		frame, l := encode(t, p)
		var got *part
		if err := decoder[*part](t, l).Value(frame, unsafe.Pointer(&got)); err != nil || (p == nil) != (got == nil) || p != nil && got.X != 7 {
			t.Errorf("got %+v, %v", got, err)
		}
		var m map[string]any
		if _, err := NewDecoder(l, reflect.TypeFor[map[string]any]()); err != nil {
			t.Errorf("got %v", err)
		} else if err := decoder[map[string]any](t, l).Value(frame, unsafe.Pointer(&m)); p != nil && (err != nil || m["z"] != int64(9)) {
			t.Errorf("got %+v, %v", m, err)
		}
		for cut := range frame {
			if err := decoder[*part](t, l).Value(frame[:cut], unsafe.Pointer(&got)); err == nil {
				t.Errorf("%d of %d bytes are taken", cut, len(frame))
			}
		}
	}
	if _, err := NewDecoder(mustOf(t, reflect.TypeFor[Points]()), reflect.TypeFor[Solid]()); err == nil || err.Error() != "$.v: expected 2, got 1" {
		t.Errorf("got %v", err)
	}
	if _, err := NewDecoder(mustOf(t, reflect.TypeFor[Wide]()), reflect.TypeFor[part]()); err == nil || err.Error() != "$: expected part, got string" {
		t.Errorf("got %v", err)
	}
}

// TestVariantsOfPython: a TypedDict may hold what it does not name, so that by itself it
// could be any variant; it is the one of its name, or the one whose members it names.
func TestVariantsOfPython(t *testing.T) {
	open := func(fields ...plan.Field) plan.Type {
		return plan.Type{Kind: plan.TStruct, Extra: true, Fields: fields}
	}
	types := map[string]plan.Type{
		"py:m:Name":  open(plan.Field{Name: "first", Type: plan.Type{Kind: plan.TString}}),
		"py:m:Dot":   open(plan.Field{Name: "x", Type: plan.Type{Kind: plan.TInt64}}),
		"py:m:Point": open(plan.Field{Name: "y", Type: plan.Type{Kind: plan.TInt64}}),
	}
	ref := func(name string) plan.Type { return plan.Type{Kind: plan.TRef, Name: name} }
	for _, c := range []struct {
		typ  plan.Type
		text string
		want Scalar
	}{
		{plan.Type{Kind: plan.TUnion, Elems: []plan.Type{ref("py:m:Dot"), ref("py:m:Name"), {Kind: plan.TInt64}}}, `{"x":3,"more":1}`, Point{X: 3}},
		{plan.Type{Kind: plan.TUnion, Elems: []plan.Type{ref("py:m:Dot"), ref("py:m:Name"), {Kind: plan.TInt64}}}, `{"first":"f"}`, Name{First: "f"}},
		{plan.Type{Kind: plan.TUnion, Elems: []plan.Type{ref("py:m:Dot"), ref("py:m:Name"), {Kind: plan.TInt64}}}, `7`, Count(7)},
		{ref("py:m:Dot"), `{"x":3}`, Point{X: 3}},
		{ref("py:m:Point"), `{"x":3,"y":4}`, Point{X: 3, Y: 4}},
	} {
		l := must(Compile(c.typ, types))
		frame, err := l.ParseJSON(nil, []byte(c.text))
		if err != nil {
			t.Fatal(err)
		}
		var got Scalar
		if err := decoder[Scalar](t, l).Value(frame, unsafe.Pointer(&got)); err != nil || got != c.want {
			t.Errorf("%s: got %+v, %v", c.text, got, err)
		}
	}
}

// Wide has a variant more than Points, and the others in another order.
type Wide interface{ isWide() }

func (Words) isWide() {}
func (Flat) isWide()  {}
func (Solid) isWide() {}

var _ = record.Union[Wide](Words(""), Solid{}, Flat{})

type (
	twins    interface{ isTwins() }
	endless  interface{ isEndless() }
	ints     int
	realNum  float64
	elements []endless
	nothing  interface{ isNothing() }
	half     interface{ isHalf() }
)

func (ints) isTwins()       {}
func (realNum) isTwins()    {}
func (ints) isEndless()     {}
func (elements) isEndless() {}
func (ints) isHalf()        {}
func (Chan) isHalf()        {}

// Chan can not cross.
type Chan chan int

var (
	_ = record.Union[twins](ints(0), realNum(0))
	_ = record.Union[endless](ints(0), elements(nil))
	_ = record.Union[half](ints(0), Chan(nil))
)

func TestUnionTypes(t *testing.T) {
	for typ, want := range map[reflect.Type]string{
		reflect.TypeFor[twins]():   "type union: expected variants that can be told apart, int64 and float64 are both a JSON number",
		reflect.TypeFor[endless](): "frame.endless: variant frame.endless: a type that contains itself must be a struct",
		reflect.TypeFor[half]():    "frame.half: variant frame.Chan is not supported",
		reflect.TypeFor[nothing](): "frame.nothing is not supported: an interface with methods; where it is sealed, levada.Union names its variants",
		reflect.TypeFor[Shape]():   "",
	} {
		_, err := Of(typ)
		if got := errText(err); got != want {
			t.Errorf("%s: expected %s, got %s", typ, want, got)
		}
	}
	nullable := plan.Type{Kind: plan.TString, Nullable: true}
	for _, elems := range [][]plan.Type{nil, {{Kind: plan.TString}}, {{Kind: plan.TString}, {Kind: plan.TAny}}, {{Kind: plan.TBool}, nullable}, {{Kind: plan.TString}, {Kind: plan.TTime}}} {
		if _, err := Compile(plan.Type{Kind: plan.TUnion, Elems: elems}, nil); err == nil {
			t.Errorf("%v is taken", elems)
		}
	}
}

// TestNoVariantInGo: nil and what is not registered have no form, where they stand.
func TestNoVariantInGo(t *testing.T) {
	type in struct {
		Shape []Shape `json:"shape"`
	}
	for want, v := range map[string]in{
		"$.shape[1]: expected Circle or Square or Group, got nil":                                     {[]Shape{Circle{}, nil}},
		"$.shape[0]: expected Circle or Square or Group, got frame.stranger, which is not registered": {[]Shape{stranger{}}},
	} {
		typ := reflect.TypeFor[in]()
		_, err := must2(NewEncoder(typ)).Append(nil, unsafe.Pointer(&v))
		said(t, "frame", "", want, err)
		_, err = must2(NewTextEncoder(typ)).Append(nil, unsafe.Pointer(&v))
		said(t, "JSON", "", want, err)
		_, err = must2(NewMsgpackEncoder(typ)).Append(nil, unsafe.Pointer(&v))
		said(t, "msgpack", "", want, err)
	}
}

type stranger struct{ Raw jsontext.Value }

func (stranger) isShape() {}
