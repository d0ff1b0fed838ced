package frame

import (
	"bytes"
	"encoding"
	"encoding/hex"
	"encoding/json/jsontext"
	"encoding/json/v2"
	"errors"
	"fmt"
	"math/big"
	"net/netip"
	"reflect"
	"strconv"
	"strings"
	"testing"
	"time"
	"unsafe"

	"pgregory.net/rapid"

	"github.com/levada-io/levada/record"
)

// Ident has a text form, by value and by pointer, as identifiers have it.
type Ident [4]byte

func (i Ident) MarshalText() ([]byte, error) { return hex.AppendEncode(nil, i[:]), nil }

func (i *Ident) UnmarshalText(b []byte) error {
	if len(b) != 8 {
		return fmt.Errorf("expected 8 digits, got %d", len(b))
	}
	_, err := hex.Decode(i[:], b)
	return err
}

// Ratio has a JSON form, a number, by pointer only.
type Ratio struct{ v float64 }

func (r *Ratio) MarshalJSON() ([]byte, error) { return json.Marshal(r.v) }

func (r *Ratio) UnmarshalJSON(b []byte) (err error) {
	if string(b) == "null" {
		return nil
	}
	r.v, err = strconv.ParseFloat(string(b), 64)
	return err
}

func (r *Ratio) IsZero() bool { return r.v == 0 || r.v == 7 }

// Amount keeps its digits, as decimals do.
type Amount struct{ digits string }

func (a Amount) MarshalJSON() ([]byte, error) {
	if a.digits == "" {
		return []byte("0"), nil
	}
	return []byte(a.digits), nil
}

func (a *Amount) UnmarshalJSON(b []byte) error {
	if b[0] != '-' && (b[0] < '0' || b[0] > '9') {
		return errors.New("no number")
	}
	a.digits = string(b)
	return nil
}

// Range writes tokens, in an object.
type Range struct {
	From float64
	Name string
}

func (r Range) MarshalJSONTo(e *jsontext.Encoder) error {
	for _, t := range []jsontext.Token{jsontext.BeginObject, jsontext.String("from"), jsontext.Float(r.From), jsontext.String("name"), jsontext.String(r.Name), jsontext.EndObject} {
		if err := e.WriteToken(t); err != nil {
			return err
		}
	}
	return nil
}

func (r *Range) UnmarshalJSONFrom(d *jsontext.Decoder) error {
	type plain Range
	in := struct {
		From float64 `json:"from"`
		Name string  `json:"name"`
	}{}
	err := json.UnmarshalDecode(d, &in)
	*r = Range(plain(in))
	return err
}

// Shouted is a string whose form is another text.
type Shouted string

func (s Shouted) AppendText(b []byte) ([]byte, error) {
	return append(b, strings.ToUpper(string(s))...), nil
}

func (s Shouted) MarshalText() ([]byte, error) { return s.AppendText(nil) }

func (s *Shouted) UnmarshalText(b []byte) error {
	*s = Shouted(strings.ToLower(string(b)))
	return nil
}

// Told tells null from absent by itself.
type Told struct{ state string }

func (t Told) MarshalJSON() ([]byte, error) {
	if t.state == "null" {
		return []byte("null"), nil
	}
	return json.Marshal(t.state, looseOptions)
}

func (t *Told) UnmarshalJSON(b []byte) error {
	if string(b) == "null" {
		t.state = "null"
		return nil
	}
	return json.Unmarshal(b, &t.state, looseOptions)
}

// Stamp has the form of the time that it is.
type Stamp struct{ time.Time }

// Broken has methods that fail as the value says.
type Broken string

func (b Broken) MarshalJSON() ([]byte, error) {
	switch b {
	case "panic":
		panic("no " + string(b))
	case "error":
		return nil, errors.New("no " + string(b))
	}
	return []byte(b), nil
}

func (b *Broken) UnmarshalJSON(text []byte) error {
	if string(text) == `"panic"` {
		panic("not read")
	}
	*b = Broken(text)
	return nil
}

// Owns has them in all the places where they may stand.
type Owns struct {
	ID      Ident               `json:"id"`
	Next    *Ident              `json:"next"`
	Last    *Ident              `json:"last,omitempty"`
	Ratio   Ratio               `json:"ratio,omitzero"`
	Ratios  map[string]Ratio    `json:"ratios,omitempty"`
	Ranges  []Range             `json:"ranges"`
	Pair    [2]*Range           `json:"pair"`
	Words   map[string]Shouted  `json:"words"`
	Maybe   map[string]*Shouted `json:"maybe,omitzero"`
	Sum     *big.Int            `json:"sum,omitzero"`
	Addr    netip.Addr          `json:"addr,omitempty"`
	Told    Told                `json:"told"`
	Down    *Owns               `json:"down,omitempty"`
	Free    any                 `json:"free,omitempty"`
	Shouted Shouted             `json:"shouted,omitempty,omitzero"`
}

// owns says that there is a form of its own in values of t, other than in an any.
func owns(t reflect.Type, seen map[reflect.Type]bool) bool {
	if seen[t] {
		return false
	}
	seen[t] = true
	if own, _ := ownForm(t); own {
		return true
	}
	switch t.Kind() {
	case reflect.Pointer, reflect.Slice, reflect.Array, reflect.Map:
		return owns(t.Elem(), seen)
	case reflect.Struct:
		if t == timeType {
			return false
		}
		for f := range t.Fields() {
			if owns(f.Type, seen) {
				return true
			}
		}
	}
	return false
}

// fillOwn gives v a value if its type is one of those above.
func fillOwn(t *rapid.T, v reflect.Value) bool {
	switch p := v.Addr().Interface().(type) {
	case *Ident:
		copy(p[:], rapid.SliceOfN(rapid.Byte(), 0, 4).Draw(t, "ident"))
	case *Ratio:
		p.v = floats.Draw(t, "ratio")
	case *Range:
		*p = Range{floats.Draw(t, "from"), texts.Draw(t, "name")}
	case *Shouted:
		*p = Shouted(strings.ToLower(rapid.StringMatching(`[a-z0-9]{0,5}`).Draw(t, "word")))
	case *netip.Addr:
		*p = netip.AddrFrom4([4]byte(rapid.SliceOfN(rapid.Byte(), 4, 4).Draw(t, "addr")))
	case *big.Int:
		p.SetInt64(rapid.Int64().Draw(t, "sum"))
	case *Told:
		p.state = rapid.SampledFrom([]string{"null", "x", ""}).Draw(t, "state")
	default:
		return false
	}
	return true
}

var ownLeaves = []reflect.Type{
	reflect.TypeFor[Ident](), reflect.TypeFor[*Ident](), reflect.TypeFor[Ratio](), reflect.TypeFor[Range](), reflect.TypeFor[Shouted](), reflect.TypeFor[netip.Addr](), reflect.TypeFor[*big.Int](), reflect.TypeFor[Owns](),
	reflect.TypeFor[map[string]Shouted](), reflect.TypeFor[[]Ident](),
}

// A type with a form of its own is any in plans, wherever it stands.
func TestOwnTypes(t *testing.T) {
	for _, c := range []struct {
		typ  reflect.Type
		want string // the type, or the error
	}{
		{reflect.TypeFor[Ident](), `any`},
		{reflect.TypeFor[*Ident](), `any`},
		{reflect.TypeFor[Stamp](), `any`},
		{reflect.TypeFor[struct{ time.Time }](), `any`},
		{reflect.TypeFor[[]*big.Int](), `list[any]`},
		{reflect.TypeFor[map[string]Shouted](), `map[string, any]`},
		{reflect.TypeFor[[2]Ratio](), `tuple[any, any]`},
		{reflect.TypeFor[**Ident](), "**frame.Ident: a pointer to a pointer is not supported"},
		{reflect.TypeFor[*jsontext.Value](), "*jsontext.Value: a pointer to jsontext.Value is not supported, it can be null itself"},
		{reflect.TypeFor[encoding.TextMarshaler](), "an interface with methods; where it is sealed, levada.Union names its variants"},
		{reflect.TypeFor[struct {
			netip.Addr
			Port int
		}](), "it embeds netip.Addr, which has a JSON or text form of its own, beside other members: embed no such type, give it a field"},
		{reflect.TypeFor[struct {
			*big.Int `json:"n"`
			Unit     string
		}](), "it embeds big.Int, which has a JSON or text form of its own, beside other members: embed no such type, give it a field"},
		{reflect.TypeFor[withText](), "frame.withText is not supported: it writes a JSON or text form of its own and reads none, it has neither UnmarshalJSON nor UnmarshalText"},
		{reflect.TypeFor[*readText](), "frame.readText is not supported: it reads a JSON or text form of its own and writes none, it has neither MarshalJSON nor MarshalText"},
		{reflect.TypeFor[map[Shouted]int](), "map[frame.Shouted]int is not supported: its key has a text form of its own"},
		{reflect.TypeFor[struct{ A record.Opt[Ident] }](), ".A: Opt of frame.Ident is not supported: it can be null itself"},
		{reflect.TypeFor[struct {
			A Ident `levada:"min=1"`
		}](), `.A: rules "min=1": expected a number for a bound, got a member of type any`},
		{reflect.TypeFor[struct {
			A *Shouted `levada:"const=A"`
		}](), ".A: const A: expected a string, an integer or a bool, got a member of type any"},
		{reflect.TypeFor[struct {
			A Stamp `levada:"unit=unix"`
		}](), `.A: unit "unix": expected a time or a duration, got any`},
		{reflect.TypeFor[Formed](), "frame.Formed: variant frame.Own1 is not supported: it has a JSON or text form of its own, by which no message tells it apart"},
	} {
		l, err := Of(c.typ)
		switch {
		case err == nil && l.String() != c.want:
			t.Errorf("%s: got %s, want %s", c.typ, l, c.want)
		case err != nil && !strings.HasSuffix(err.Error(), c.want):
			t.Errorf("%s:\n got %v\nwant %s", c.typ, err, c.want)
		}
	}
}

type readText struct{ N int }

func (*readText) UnmarshalText([]byte) error { return nil }

type Formed interface{ isFormed() }

type (
	Own1 struct{ Ident }
	Own2 string
)

func (Own1) isFormed() {}
func (Own2) isFormed() {}

var _ = record.Union[Formed](Own1{}, Own2(""))

// What the types make of it is what json/v2 writes and reads, digit by digit and in
// their order, and not what a frame would have of it.
func TestOwnText(t *testing.T) {
	type members struct {
		A   Amount            `json:"a"`
		B   *Amount           `json:"b"`
		C   map[string]Amount `json:"c,omitempty"`
		Big *big.Int          `json:"big,omitzero"`
		At  Stamp             `json:"at,omitzero"`
		Obj *Broken           `json:"obj,omitempty"`
		T   Told              `json:"t,omitzero"`
	}
	for text, want := range map[string]string{
		`{"a":1.10,"b":null}`:         "",
		`{"a":1e2,"b":-0.50,"big":7}`: "",
		`{"a":123456789012345678901234567890.10,"b":1e400,"c":{"x":1.00},"big":123456789012345678901234567890}`: "",
		`{"a":0,"b":null,"at":"2024-05-01T12:00:00.123456789+02:00","obj":{"z":1,"a":[2.50,"\u00e9"]}}`:         `{"a":0,"b":null,"at":"2024-05-01T12:00:00.123456789+02:00","obj":{"z":1,"a":[2.50,"é"]}}`,
		`{"b":null,"a":1,"t":null,"obj":{},"big":null,"more":[1,{"a":1}]}`:                                      `{"a":1,"b":null}`,
		` { "a" : 1 , "b" : 2 , "obj" : [ 1 , 2 ] } `:                                                           `{"a":1,"b":2,"obj":[1,2]}`,
		`{"a":1,"a":2.0,"b":3,"b":null,"obj":{"x":1,"x":2}}`:                                                    `{"a":2.0,"b":null,"obj":{"x":1,"x":2}}`,
	} {
		if want == "" {
			want = text
		}
		var v, oracle members
		if err := must2(NewTextDecoder(reflect.TypeFor[members](), false)).Value([]byte(text), unsafe.Pointer(&v)); err != nil {
			t.Errorf("%s: %v", text, err)
			continue
		}
		if err := json.Unmarshal([]byte(text), &oracle, looseOptions); err != nil || !reflect.DeepEqual(v, oracle) {
			t.Errorf("%s: got %+v, json/v2 %+v, %v", text, v, oracle, err)
		}
		out, err := must2(NewTextEncoder(reflect.TypeFor[members]())).Append([]byte("["), unsafe.Pointer(&v))
		if strings.Contains(text, `"t":null`) {
			want = strings.TrimSuffix(want, "}") + "}" // a zero that says so, and a null, are left out
		}
		if err != nil || string(out) != "["+want {
			t.Errorf("%s became %s, %v, want %s", text, out, err, want)
		}
	}
}

// Null is told to the type, whatever the value comes from; a pointer is nil.
func TestOwnNull(t *testing.T) {
	type told struct {
		T Told   `json:"t"`
		P *Told  `json:"p"`
		L []Told `json:"l"`
	}
	want := told{T: Told{"null"}, L: []Told{{"null"}, {"x"}}}
	text := []byte(`{"t":null,"p":null,"l":[null,"x"]}`)
	typ := reflect.TypeFor[told]()
	check := func(how string, v told, err error) {
		if err != nil || !reflect.DeepEqual(v, want) {
			t.Errorf("%s: got %+v, %v", how, v, err)
		}
	}
	var v told
	err := must2(NewTextDecoder(typ, false)).Value(text, unsafe.Pointer(&v))
	check("text", v, err)

	packed := append([]byte("\x83\xa1t\xc0\xa1p\xc0\xa1l\x92\xc0"), "\xa1x"...)
	v = told{}
	err = must2(NewMsgpackDecoder(typ, false)).Value(packed, unsafe.Pointer(&v))
	check("msgpack", v, err)

	out, err := must2(NewMsgpackEncoder(typ)).Append(nil, unsafe.Pointer(&want))
	if err != nil || !bytes.Equal(out, packed) {
		t.Errorf("msgpack: wrote %q, %v", out, err)
	}
	for name, from := range map[string]reflect.Type{
		"any": anyType, "itself": typ,
		"declared": reflect.TypeFor[struct {
			T *string   `json:"t"`
			P *string   `json:"p"`
			L []*string `json:"l"`
		}](),
		"open": reflect.TypeFor[struct {
			T    *string        `json:"t"`
			Rest map[string]any `json:",embed"`
		}](),
	} {
		l := must2(Of(from))
		frame, err := l.ParseJSON(nil, text)
		if err != nil {
			t.Fatal(err)
		}
		v = told{}
		dec, err := NewDecoder(l, typ)
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		err = dec.Value(frame, unsafe.Pointer(&v))
		check(name, v, err)
	}
}

// What a method of the type says is an error with the path, and so is a panic in it.
func TestOwnErrors(t *testing.T) {
	type in struct {
		IDs []Ident           `json:"ids,omitempty"`
		M   map[string]*Ident `json:"m,omitempty"`
		B   Broken            `json:"b,omitempty"`
		R   Range             `json:"r,omitzero"`
	}
	typ := reflect.TypeFor[in]()
	l := must2(Of(typ))
	for text, want := range map[string]string{
		`{"ids":["00000001","12"]}`:    `$.ids[1]: expected frame.Ident, got "12": expected 8 digits, got 2`,
		`{"ids":[1]}`:                  `$.ids[0]: expected frame.Ident, got 1: `,
		`{"m":{"a b":"zz000000"}}`:     `$.m["a b"]: expected *frame.Ident, got "zz000000": encoding/hex: invalid byte: U+007A 'z'`,
		`{"r":{"from":"1","name":""}}`: `$.r: expected frame.Range, got {"from":"1","name":""}: `,
		`{"b":"panic"}`:                `$.b: panic in a method of frame.Broken: not read`,
	} {
		var v in
		err := must2(NewTextDecoder(typ, false)).Value([]byte(text), unsafe.Pointer(&v))
		if err == nil || !strings.HasPrefix(err.Error(), want) || strings.HasSuffix(want, ": ") && len(err.Error()) == len(want) {
			t.Errorf("%s: got %v, want %s", text, err, want)
		}
		frame, err2 := l.ParseJSON(nil, []byte(text))
		if err2 != nil {
			t.Fatal(err2)
		}
		if err2 = must2(NewDecoder(l, typ)).Value(frame, unsafe.Pointer(&v)); fmt.Sprint(err2) != fmt.Sprint(err) {
			t.Errorf("%s: by frame %v, at once %v", text, err2, err)
		}
		packed, err2 := l.AppendMsgpack(nil, frame)
		if err2 != nil {
			t.Fatal(err2)
		}
		v = in{}
		if err2 = must2(NewMsgpackDecoder(typ, false)).Value(packed, unsafe.Pointer(&v)); fmt.Sprint(err2) != fmt.Sprint(err) {
			t.Errorf("%s: by MessagePack %v, at once %v", text, err2, err)
		}
		if e, ok := errors.AsType[*Error](err); ok && strings.Contains(want, "panic") != strings.Contains(e.Detail(), "UnmarshalJSON") {
			t.Errorf("%s: detail %q", text, e.Detail())
		}
	}
	for v, want := range map[Broken]string{
		"error": "$[0]: expected JSON of frame.Broken, got no error",
		"panic": "$[0]: panic in a method of frame.Broken: no panic",
		"{":     "$[0]: expected JSON of frame.Broken, got ",
		"":      "$[0]: expected JSON of frame.Broken, got ",
	} {
		list := []Broken{v}
		typ, p := reflect.TypeFor[[]Broken](), unsafe.Pointer(&list)
		for how, write := range map[string]func([]byte, unsafe.Pointer) ([]byte, error){
			"text": must2(NewTextEncoder(typ)).Append, "frame": must2(NewEncoder(typ)).Append, "msgpack": must2(NewMsgpackEncoder(typ)).Append,
		} {
			out, err := write([]byte("before"), p)
			if err == nil || !strings.HasPrefix(err.Error(), want) || string(out) != "before" {
				t.Errorf("%q by %s: got %q, %v, want %s", v, how, out, err, want)
			}
		}
	}
	// A frame has no number of more digits: better none than another.
	for _, a := range []Amount{{"123456789012345678901234567890"}, {"1e400"}, {"0.12345678901234567890123"}} {
		for how, write := range map[string]func([]byte, unsafe.Pointer) ([]byte, error){
			"frame": must2(NewEncoder(reflect.TypeFor[Amount]())).Append, "msgpack": must2(NewMsgpackEncoder(reflect.TypeFor[Amount]())).Append,
		} {
			if out, err := write(nil, unsafe.Pointer(&a)); err == nil || err.Error() != "$: expected a number of 64 bits, got "+a.digits+", which has more digits" {
				t.Errorf("%s by %s: got %q, %v", a.digits, how, out, err)
			}
		}
	}
}

// A strict parse is strict in what the type reads, too.
func TestOwnStrict(t *testing.T) {
	typ := reflect.TypeFor[[]Broken]()
	for _, text := range []string{`[{"a":1,"a":2}]`, "[\"\xff\"]", `[["\ud800"]]`} {
		var v []Broken
		if err := must2(NewTextDecoder(typ, false)).Value([]byte(text), unsafe.Pointer(&v)); err != nil {
			t.Errorf("%q: %v", text, err)
		}
		if err := must2(NewTextDecoder(typ, true)).Value([]byte(text), unsafe.Pointer(&v)); err == nil || !strings.HasPrefix(err.Error(), "$[0]") {
			t.Errorf("%q: strict got %v", text, err)
		}
	}
}

// omitzero asks the type, as json/v2 does; omitempty looks at what it wrote.
func TestOwnOmitted(t *testing.T) {
	type members struct {
		R  Ratio    `json:"r,omitzero"`
		P  *Ratio   `json:"p,omitzero"`
		E  Shouted  `json:"e,omitempty"`
		PE *Shouted `json:"pe,omitempty"`
		I  Ident    `json:"i,omitzero"`
	}
	empty := Shouted("")
	for _, v := range []members{
		{}, {R: Ratio{1}, P: &Ratio{1}, E: "x", I: Ident{1}}, {R: Ratio{7}, P: &Ratio{7}, PE: &empty}, {P: &Ratio{}},
	} {
		samePrint(t, reflect.TypeFor[members](), unsafe.Pointer(&v))
		got, err := must2(NewTextEncoder(reflect.TypeFor[members]())).Append(nil, unsafe.Pointer(&v))
		want, werr := json.Marshal(&v, looseOptions)
		if err != nil || werr != nil || !bytes.Equal(got, want) {
			t.Errorf("got %s, %v, json/v2 %s, %v", got, err, want, werr)
		}
		packed, err := must2(NewMsgpackEncoder(reflect.TypeFor[members]())).Append(nil, unsafe.Pointer(&v))
		if err != nil {
			t.Fatal(err)
		}
		back := members{}
		if err := must2(NewMsgpackDecoder(reflect.TypeFor[members](), true)).Value(packed, unsafe.Pointer(&back)); err != nil {
			t.Fatal(err)
		}
		if again, err := json.Marshal(&back, looseOptions); err != nil || !bytes.Equal(again, want) {
			t.Errorf("by MessagePack %s, %v, want %s", again, err, want)
		}
	}
}

// A value in an any has its form, too.
func TestOwnInAny(t *testing.T) {
	sum, _ := new(big.Int).SetString("123456789012345678901234567890", 10)
	v := any(map[string]any{"id": Ident{1}, "list": []any{Range{1, "a"}, &Ident{2}, (*Ident)(nil)}})
	frame, err := must2(NewEncoder(anyType)).Append(nil, unsafe.Pointer(&v))
	if err != nil {
		t.Fatal(err)
	}
	samePrint(t, anyType, unsafe.Pointer(&v))
	out, err := Any().AppendJSON(nil, frame)
	if want := `{"id":"01000000","list":[{"from":1,"name":"a"},"02000000",null]}`; err != nil || string(out) != want {
		t.Errorf("got %s, %v", out, err)
	}
	v = sum
	if out, err = must2(NewTextEncoder(anyType)).Append(nil, unsafe.Pointer(&v)); err != nil || string(out) != sum.String() {
		t.Errorf("got %s, %v", out, err)
	}
}
