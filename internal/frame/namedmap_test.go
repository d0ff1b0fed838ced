package frame

import (
	"bytes"
	"fmt"
	"reflect"
	"testing"
	"unsafe"
)

type (
	keyOwn   string
	ownFloat float64
	ownInt   int64
	ownAny   any
	mapType  map[string]string
	mapElem  struct {
		N int `json:"n"`
	}
	keyedMap   map[keyOwn]string
	keyedElems map[keyOwn]mapElem
)

// namedMaps has maps with types of keys and elements of their own, bareMaps those that they
// are like.
type namedMaps struct {
	Keys    map[keyOwn]string   `json:"keys"`
	Texts   map[string]keyOwn   `json:"texts"`
	Whole   map[keyOwn]int64    `json:"whole"`
	Tallies map[string]ownInt   `json:"tallies"`
	Floats  map[keyOwn]float64  `json:"floats"`
	Weights map[string]ownFloat `json:"weights"`
	Anys    map[keyOwn]any      `json:"anys"`
	Loose   map[string]ownAny   `json:"loose"`
	Structs map[keyOwn]mapElem  `json:"structs"`
	Labels  mapType             `json:"labels"`
	Keyed   keyedMap            `json:"keyed"`
	Pieces  keyedElems          `json:"pieces"`
	Lists   map[keyOwn][]ownInt `json:"lists"`
	Deep    map[keyOwn]keyedMap `json:"deep"`
	Long    map[keyOwn]string   `json:"long" levada:"minlen=1"`
	Refs    map[keyOwn]*mapElem `json:"refs"`
	Empty   map[keyOwn]string   `json:"empty"`
	None    map[keyOwn]ownInt   `json:"none,omitzero"`
	Rest    map[string]any      `json:",embed"`
}

type bareMaps struct {
	Keys    map[string]string            `json:"keys"`
	Texts   map[string]string            `json:"texts"`
	Whole   map[string]int64             `json:"whole"`
	Tallies map[string]int64             `json:"tallies"`
	Floats  map[string]float64           `json:"floats"`
	Weights map[string]float64           `json:"weights"`
	Anys    map[string]any               `json:"anys"`
	Loose   map[string]any               `json:"loose"`
	Structs map[string]mapElem           `json:"structs"`
	Labels  map[string]string            `json:"labels"`
	Keyed   map[string]string            `json:"keyed"`
	Pieces  map[string]mapElem           `json:"pieces"`
	Lists   map[string][]int64           `json:"lists"`
	Deep    map[string]map[string]string `json:"deep"`
	Long    map[string]string            `json:"long" levada:"minlen=1"`
	Refs    map[string]*mapElem          `json:"refs"`
	Empty   map[string]string            `json:"empty"`
	None    map[string]int64             `json:"none,omitzero"`
	Rest    map[string]any               `json:",embed"`
}

func (namedMaps) like() bareMaps {
	return bareMaps{
		map[string]string{"a": "x", "b": "y"}, map[string]string{"a": "é", "b\n": ""}, map[string]int64{"a": 1, "b": -2}, map[string]int64{"t": 1 << 60},
		map[string]float64{"a": 1.5}, map[string]float64{"w": -0.25, "x": 3}, map[string]any{"a": []any{int64(1), "s"}, "b": nil}, map[string]any{"l": true},
		map[string]mapElem{"a": {1}, "b": {2}}, map[string]string{"l": "m"}, map[string]string{"k": "v"}, map[string]mapElem{"p": {3}},
		map[string][]int64{"a": {1, 2}}, map[string]map[string]string{"d": {"e": "f"}}, map[string]string{"one": "1"}, map[string]*mapElem{"r": {4}, "none": nil},
		map[string]string{}, nil, map[string]any{"more": int64(1)},
	}
}

func TestNamedMaps(t *testing.T) {
	RegisterMap[mapElem]()
	nt, bt := reflect.TypeFor[namedMaps](), reflect.TypeFor[bareMaps]()
	like := namedMaps{}.like()
	for name, bind := range map[string]func(reflect.Type) (*Bound, error){
		"json": func(t reflect.Type) (*Bound, error) { return BindJSON(t, false) }, "strict json": func(t reflect.Type) (*Bound, error) { return BindJSON(t, true) },
		"msgpack": func(t reflect.Type) (*Bound, error) { return BindMsgpack(t, false) }, "strict msgpack": func(t reflect.Type) (*Bound, error) { return BindMsgpack(t, true) },
	} {
		a, err := bind(bt)
		if err != nil {
			t.Fatal(err)
		}
		b, err := bind(nt)
		if err != nil {
			t.Fatal(err)
		}
		want, err := a.Append(nil, &like)
		if err != nil {
			t.Fatal(err)
		}
		var v namedMaps
		if err := b.Decode(want, &v); err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		if got, err := b.Append(nil, &v); err != nil || !bytes.Equal(got, want) {
			t.Errorf("%s: %v\n got %q\nwant %q", name, err, got, want)
		}
		if v.Keys["b"] != "y" || v.Texts["a"] != "é" || v.Tallies["t"] != 1<<60 || v.Weights["w"] != -0.25 || v.Structs["b"].N != 2 || v.Deep["d"]["e"] != "f" || v.Refs["r"].N != 4 {
			t.Errorf("%s: got %+v", name, v)
		}
	}

	a, err := NewEncoder(bt)
	if err != nil {
		t.Fatal(err)
	}
	b, err := NewEncoder(nt)
	if err != nil {
		t.Fatal(err)
	}
	want, err := a.Append(nil, unsafe.Pointer(&like))
	if err != nil {
		t.Fatal(err)
	}
	for _, from := range []*Layout{a.Layout(), b.Layout()} {
		d, err := NewDecoder(from, nt)
		if err != nil {
			t.Fatal(err)
		}
		var v namedMaps
		if err := d.Value(want, unsafe.Pointer(&v)); err != nil {
			t.Fatal(err)
		}
		if got, err := b.Append(nil, unsafe.Pointer(&v)); err != nil || !bytes.Equal(got, want) {
			t.Errorf("frame: %v\n got %q\nwant %q", err, got, want)
		}
	}
}

// What is wrong is told alike, and of two members with one name the last counts.
func TestWrongNamedMaps(t *testing.T) {
	RegisterMap[mapElem]()
	type one struct {
		M map[string]string  `json:"m,omitzero"`
		N map[string]int64   `json:"n,omitzero"`
		F map[string]float64 `json:"f,omitzero"`
		A map[string]any     `json:"a,omitzero"`
		S map[string]mapElem `json:"s,omitzero"`
	}
	type two struct {
		M map[keyOwn]string  `json:"m,omitzero"`
		N map[keyOwn]ownInt  `json:"n,omitzero"`
		F map[keyOwn]float64 `json:"f,omitzero"`
		A map[keyOwn]ownAny  `json:"a,omitzero"`
		S map[keyOwn]mapElem `json:"s,omitzero"`
	}
	for _, text := range []string{
		`{"m":{"a":"1","a":"2","b":"3"}}`, `{"m":{"a":1}}`, `{"m":{"a":null}}`, `{"m":{"a":"x"`, `{"m":{"a"}}`, `{"m":[]}`, `{"m":null}`, `{"m":{}}`, `{"m":{"\ud800":"a"}}`, `{"m":{"é":"\u00e9"}}`,
		`{"n":{"a":1,"a":2}}`, `{"n":{"a":1.5}}`, `{"n":{"b":"1"}}`, `{"n":{"a":9223372036854775808}}`,
		`{"f":{"a":1,"b":1e400}}`, `{"f":{"a":"1"}}`, `{"f":{"a":1,"a":2.5}}`,
		`{"a":{"a":1,"a":[{"b":null}]}}`, `{"a":{"a":null,"b":tru}}`,
		`{"s":{"a":{"n":1},"a":{"n":2}}}`, `{"s":{"a":{"n":"1"}}}`, `{"s":{"a":{}}}`, `{"s":{"a":{"n":1,"n":2}}}`,
	} {
		for _, strict := range []bool{false, true} {
			a, err := BindJSON(reflect.TypeFor[one](), strict)
			if err != nil {
				t.Fatal(err)
			}
			b, err := BindJSON(reflect.TypeFor[two](), strict)
			if err != nil {
				t.Fatal(err)
			}
			var v one
			var w two
			wrong, got := a.Decode([]byte(text), &v), b.Decode([]byte(text), &w)
			if fmt.Sprint(wrong) != fmt.Sprint(got) {
				t.Errorf("%s, strict %v: got %v, want %v", text, strict, got, wrong)
			}
			if wrong != nil {
				continue
			}
			want, err := a.Append(nil, &v)
			if err != nil {
				t.Fatal(err)
			}
			if got, err := b.Append(nil, &w); err != nil || !bytes.Equal(got, want) {
				t.Errorf("%s, strict %v: got %s, want %s: %v", text, strict, got, want, err)
			}
		}
	}
}

// A map is only touched as another where Go says that the one can be the other.
func TestMapsThatAreOthers(t *testing.T) {
	for _, c := range []struct {
		typ                       reflect.Type
		text, whole, loose, elems bool
	}{
		{reflect.TypeFor[map[string]string](), true, false, false, false},
		{reflect.TypeFor[mapType](), true, false, false, false},
		{reflect.TypeFor[map[keyOwn]string](), false, false, false, false},
		{reflect.TypeFor[keyedMap](), false, false, false, false},
		{reflect.TypeFor[map[string]keyOwn](), false, false, false, false},
		{reflect.TypeFor[map[string]int64](), false, true, false, false},
		{reflect.TypeFor[map[string]int](), false, false, false, false},
		{reflect.TypeFor[map[string]ownInt](), false, false, false, false},
		{reflect.TypeFor[map[string]any](), false, false, true, false},
		{reflect.TypeFor[map[string]ownAny](), false, false, false, false},
		{reflect.TypeFor[map[string]mapElem](), false, false, false, true},
		{reflect.TypeFor[keyedElems](), false, false, false, false},
		{reflect.TypeFor[map[string]struct {
			N int `json:"n"`
		}](), false, false, false, false},
	} {
		text, whole, loose, elems := isMap[string](c.typ), isMap[int64](c.typ), isMap[any](c.typ), isMap[mapElem](c.typ)
		if text != c.text || whole != c.whole || loose != c.loose || elems != c.elems {
			t.Errorf("%s: got %v %v %v %v, want %v", c.typ, text, whole, loose, elems, c)
		}
	}
	RegisterMap[mapElem]()
	if typedMapOf(reflect.TypeFor[map[string]mapElem]()) == nil || typedMapOf(reflect.TypeFor[keyedElems]()) != nil {
		t.Error("expected the registered way for keys that are strings, and for no others")
	}
}
