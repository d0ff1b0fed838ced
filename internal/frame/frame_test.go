package frame

import (
	"bytes"
	"encoding/hex"
	"encoding/json/jsontext"
	"encoding/json/v2"
	"fmt"
	"math"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
	"time"
	"unsafe"

	"github.com/levada-io/levada/record"
)

func encoder[T any](t testing.TB) *Encoder {
	t.Helper()
	e, err := NewEncoder(reflect.TypeFor[T]())
	if err != nil {
		t.Fatal(err)
	}
	return e
}

func decoder[T any](t testing.TB, from *Layout) *Decoder {
	t.Helper()
	d, err := NewDecoder(from, reflect.TypeFor[T]())
	if err != nil {
		t.Fatal(err)
	}
	return d
}

func encode[T any](t testing.TB, v T) ([]byte, *Layout) {
	t.Helper()
	e := encoder[T](t)
	b, err := e.Append(nil, unsafe.Pointer(&v))
	if err != nil {
		t.Fatal(err)
	}
	return b, e.Layout()
}

// TestAllocations holds what is promised: a metric is written without an allocation and
// read with two, the map.
func TestAllocations(t *testing.T) {
	v := aMetric()
	enc := encoder[Metric](t)
	l := enc.Layout()
	buf, text := make([]byte, 0, 4096), []byte(metricJSON)
	frame, err := enc.Append(nil, unsafe.Pointer(&v))
	if err != nil {
		t.Fatal(err)
	}
	// As a dict has them: in an order of its own.
	python, err := l.ParseJSON(nil, []byte(`{"org_id":1,"project_id":2,"name":"n","tags":{"b":"1","c":"2","a":"3"},"timestamp":3,"retention_days":90,"type":"c","value":1}`))
	if err != nil {
		t.Fatal(err)
	}
	dec := decoder[Metric](t, l)
	var out Metric
	for _, c := range []struct {
		name string
		most float64
		f    func() error
	}{
		{"encode", 0, func() error { _, err := enc.Append(buf, unsafe.Pointer(&v)); return err }},
		{"decode", 2, func() error { out = Metric{}; return dec.Value(frame, unsafe.Pointer(&out)) }},
		{"parse", 0, func() error { _, err := l.ParseJSON(buf, text); return err }},
		{"print", 0, func() error { _, err := l.AppendJSON(buf, frame); return err }},
		{"print a dict", 0, func() error { _, err := l.AppendJSON(buf, python); return err }},
		{"pack a dict", 0, func() error { _, err := l.AppendMsgpack(buf, python); return err }},
	} {
		got := testing.AllocsPerRun(100, func() {
			if err := c.f(); err != nil {
				t.Fatal(err)
			}
		})
		if got > c.most && (poolsKeep || c.name != "parse") {
			t.Errorf("%s: %v allocations, at most %v", c.name, got, c.most)
		}
	}
}

// attributed is a span with its attributes as most have them: a map of structs with an any.
type attributed struct {
	TraceID    string               `json:"trace_id"`
	Parent     *string              `json:"parent"`
	Attributes map[string]attribute `json:"attributes"`
	Links      []attributedLink     `json:"links"`
	Meta       map[string]string    `json:"meta"`
}

type attribute struct {
	Type  string `json:"type"`
	Value any    `json:"value"`
}

type attributedLink struct {
	TraceID string         `json:"trace_id"`
	SpanID  string         `json:"span_id"`
	Rest    map[string]any `json:"rest"`
}

// TestAllocationsOfASpan holds how many allocations a record with maps costs: two for a map
// of up to eight entries, four for a larger one, one for a list, one for all strings of a
// message (a frame has them), and two for the eighteen texts in any; a frame takes one for the
// entry that is read.
func TestAllocationsOfASpan(t *testing.T) {
	RegisterMap[attribute]()
	v := attributed{
		TraceID: "6cf173d587eb48568a9b2e12dcfbea52", Attributes: map[string]attribute{},
		Links: []attributedLink{{"627a2885119dcc8184fae7eef09438cb", "6c71fc6b09b8b716", map[string]any{"type": "parent", "n": int64(4)}}},
		Meta:  map[string]string{"origin": "auto.http", "version": "2.1"},
	}
	for i := range 17 {
		v.Attributes[fmt.Sprintf("attribute.number.%d", i)] = attribute{"string", fmt.Sprintf("the value of number %d", i)}
	}
	typ := reflect.TypeFor[attributed]()
	frame, l := encode(t, v)
	text, err := l.AppendJSON(nil, frame)
	if err != nil {
		t.Fatal(err)
	}
	packed, err := l.AppendMsgpack(nil, frame)
	if err != nil {
		t.Fatal(err)
	}
	dec := decoder[attributed](t, l)
	direct, err := NewTextDecoder(typ, false)
	if err != nil {
		t.Fatal(err)
	}
	unpack, err := NewMsgpackDecoder(typ, false)
	if err != nil {
		t.Fatal(err)
	}
	print, err := NewTextEncoder(typ)
	if err != nil {
		t.Fatal(err)
	}
	pack, err := NewMsgpackEncoder(typ)
	if err != nil {
		t.Fatal(err)
	}
	buf := make([]byte, 0, 8192)
	var out attributed
	for _, c := range []struct {
		name string
		most float64
		f    func() error
	}{
		{"a frame into a struct", 12, func() error { out = attributed{}; return dec.Value(frame, unsafe.Pointer(&out)) }},
		{"JSON into a struct", 11, func() error { out = attributed{}; return direct.Value(text, unsafe.Pointer(&out)) }},
		{"msgpack into a struct", 11, func() error { out = attributed{}; return unpack.Value(packed, unsafe.Pointer(&out)) }},
		{"a struct as JSON", 0, func() error { _, err := print.Append(buf, unsafe.Pointer(&v)); return err }},
		{"a struct as msgpack", 0, func() error { _, err := pack.Append(buf, unsafe.Pointer(&v)); return err }},
		{"a frame as JSON", 0, func() error { _, err := l.AppendJSON(buf, frame); return err }},
	} {
		got := testing.AllocsPerRun(100, func() {
			if err := c.f(); err != nil {
				t.Fatal(err)
			}
		})
		if got > c.most && poolsKeep {
			t.Errorf("%s: %v allocations, at most %v", c.name, got, c.most)
		}
	}
}

// TestAllocationsOfAGlimpse: who looks at one member of a large record does not pay for the
// rest of it.
func TestAllocationsOfAGlimpse(t *testing.T) {
	text := []byte(`{"more":{"a":["` + strings.Repeat("x", 2000) + `",1,{"b":"\u00e4"}]},"value":1.5,"kind":"warm","trace":"0af"}`)
	for _, c := range []struct {
		v    any
		most float64
	}{
		{struct {
			Value float64 `json:"value"`
		}{}, 0},
		{struct {
			Kind string `json:"kind"`
		}{}, 1},
		{struct {
			Kind  string `json:"kind"`
			Trace string `json:"trace"`
		}{}, 2},
	} {
		typ := reflect.TypeOf(c.v)
		dec, err := NewTextDecoder(typ, false)
		if err != nil {
			t.Fatal(err)
		}
		v := reflect.New(typ)
		mine := bytes.Clone(text)
		got := testing.AllocsPerRun(100, func() {
			v.Elem().SetZero()
			if err := dec.Value(mine, v.UnsafePointer()); err != nil {
				t.Fatal(err)
			}
		})
		if got > c.most && poolsKeep {
			t.Errorf("%s: %v allocations, at most %v", typ, got, c.most)
		}
		clear(mine)
		again := reflect.New(typ)
		if err := dec.Value(text, again.UnsafePointer()); err != nil || !reflect.DeepEqual(v.Elem().Interface(), again.Elem().Interface()) {
			t.Errorf("%s: %v changes with the bytes that it came from", typ, v.Elem())
		}
	}
}

// TestWithin: a struct with some of the members of another one, read the same.
func TestWithin(t *testing.T) {
	type inner struct {
		A int    `json:"a"`
		B string `json:"b"`
	}
	type full struct {
		N     int               `json:"n"`
		Text  *string           `json:"text"`
		Maybe float64           `json:"maybe,omitzero"`
		In    inner             `json:"in"`
		List  []inner           `json:"list"`
		At    time.Time         `json:"at" levada:"unit=unix"`
		Map   map[string]string `json:"map"`
	}
	for _, c := range []struct {
		v    any
		want bool
	}{
		{struct {
			N int `json:"n"`
		}{}, true},
		{struct {
			N  int `json:"n,omitzero" levada:"min=3"`
			In struct {
				B string `json:"b"`
			} `json:"in"`
		}{}, true},
		{struct {
			Text *string           `json:"text"`
			List []inner           `json:"list"`
			Map  map[string]string `json:"map"`
		}{}, true},
		{struct {
			N float64 `json:"n"`
		}{}, false},
		{struct {
			Text string `json:"text"`
		}{}, false},
		{struct {
			Maybe float64 `json:"maybe"`
		}{}, false},
		{struct {
			At time.Time `json:"at"`
		}{}, false},
		{struct {
			List []struct {
				A int `json:"a"`
			} `json:"list"`
		}{}, false},
		{struct {
			N    int            `json:"n"`
			Rest jsontext.Value `json:",embed"`
		}{}, false},
		{struct {
			Other int `json:"other,omitzero"`
		}{}, false},
		{full{}, false},
		{1, false},
	} {
		l := mustOf(t, reflect.TypeOf(c.v))
		if got := l.Within(mustOf(t, reflect.TypeFor[full]())); got != c.want {
			t.Errorf("%s: %t, expected %t", l, got, c.want)
		}
	}
}

func TestEncodeErrors(t *testing.T) {
	loop := &Tree{Name: "loop"}
	loop.Left = loop
	cyclic := map[string]any{}
	cyclic["self"] = []any{cyclic}
	deepList := any(nil)
	for range maxDepth + 1 {
		deepList = []any{deepList}
	}
	check := func(name string, err error, want string) {
		t.Helper()
		if err == nil || !strings.HasSuffix(err.Error(), want) || !strings.HasPrefix(err.Error(), "$") {
			t.Errorf("%s:\n got %v\nwant ... %s", name, err, want)
		}
	}
	encodes := func(v any) error {
		e, err := NewEncoder(reflect.TypeOf(v))
		if err != nil {
			t.Fatal(err)
		}
		p := reflect.New(reflect.TypeOf(v))
		p.Elem().Set(reflect.ValueOf(v))
		before := []byte("before")
		b, err := e.Append(before, p.UnsafePointer())
		if string(b) != "before" {
			t.Errorf("buffer is %q after an error", b)
		}
		return err
	}
	check("channel in any", encodes(Dynamic{Any: map[string]any{"a": []any{make(chan int)}}}), "$.any.a[0]: a value inside any: chan int is not supported")
	check("a cycle of pointers", encodes(*loop), "nested deeper than 10000")
	check("a cycle in any", encodes(Dynamic{Any: cyclic}), "nested deeper than 10000")
	check("too deep", encodes(Dynamic{Any: deepList}), "nested deeper than 10000")
	check("text that is no JSON", encodes(Dynamic{Raw: jsontext.Value("{")}), "$.raw: malformed JSON at byte 1: expected a member name, got the end")
	check("other members that are none", encodes(Open{Rest: jsontext.Value("[]")}), "$: expected object, got array")
	check("year 10000", encodes([]Presence{{ZeroTime: time.Date(10000, 1, 1, 0, 0, 0, 0, time.UTC)}}), "$[0].zero_time: expected a time in the years 0 to 9999, got year 10000")
	check("in a map", encodes(map[string]*Dynamic{"a b": {Any: func() {}}}), `$["a b"].any: a value inside any: func() is not supported`)
}

func TestNumbersJSONLacks(t *testing.T) {
	for _, f := range []float64{math.NaN(), math.Inf(1), math.Inf(-1)} {
		b, l := encode(t, map[string]any{"a": []any{1, f}})
		if _, err := l.AppendJSON(nil, b); err == nil || !strings.HasPrefix(err.Error(), "$.a[1]: expected a number that JSON has, got ") {
			t.Errorf("%v: %v", f, err)
		}
	}
	b, l := encode(t, []float32{float32(math.Inf(1))})
	if out, err := l.AppendJSON([]byte("x"), b); err == nil || string(out) != "x" {
		t.Errorf("%q, %v", out, err)
	}
}

// TestDecodeErrors reads values, given as JSON, of one type into another.
func TestDecodeErrors(t *testing.T) {
	type narrow struct {
		A int8    `json:"a"`
		B uint16  `json:"b,omitempty"`
		C float32 `json:"c,omitempty"`
		D *string `json:"d,omitempty"`
		L []int8  `json:"l,omitempty"`
	}
	type wide struct {
		A int64    `json:"a"`
		B int64    `json:"b,omitempty"`
		C *float64 `json:"c,omitempty"`
		D *string  `json:"d"`
		L []int64  `json:"l"`
		X string   `json:"x,omitempty"`
	}
	for _, c := range []struct{ text, want string }{
		{`{"a":1,"b":65535,"c":0.5,"d":null,"l":[]}`, ""},
		{`{"a":128,"d":null,"l":[]}`, "$.a: expected int8, got 128"},
		{`{"a":-129,"d":null,"l":[]}`, "$.a: expected int8, got -129"},
		{`{"a":1,"b":-1,"d":null,"l":[]}`, "$.b: expected uint16, got -1"},
		{`{"a":1,"b":65536,"d":null,"l":[]}`, "$.b: expected uint16, got 65536"},
		{`{"a":1,"c":1e300,"d":null,"l":[]}`, "$.c: expected float32, got 1e+300"},
		{`{"a":1,"c":null,"d":null,"l":[]}`, "$.c: expected float32, got null"},
		{`{"a":1,"d":"x","l":[1,300]}`, "$.l[1]: expected int8, got 300"},
	} {
		from, err := Of(reflect.TypeFor[wide]())
		if err != nil {
			t.Fatal(err)
		}
		for _, l := range []*Layout{from, Any()} {
			b, err := l.ParseJSON(nil, []byte(c.text))
			if err != nil {
				t.Fatal(err)
			}
			var v narrow
			got := ""
			if err := decoder[narrow](t, l).Value(b, unsafe.Pointer(&v)); err != nil {
				got = err.Error()
			}
			if got != c.want {
				t.Errorf("from %s: %s:\n got %s\nwant %s", l, c.text, got, c.want)
			}
		}
	}

	for _, c := range []struct{ text, want string }{
		{`[]`, "$: expected Metric, got list"},
		{`null`, "$: expected Metric, got null"},
		{`{"org_id":1}`, "$.project_id: missing member (uint64)"},
		{`{"org_id":"1"}`, "$.org_id: expected uint64, got string"},
		{`{"org_id":1.5}`, "$.org_id: expected uint64, got float 1.5"},
		{`{"org_id":true}`, "$.org_id: expected uint64, got bool"},
		{`{"name":1}`, "$.name: expected string, got int"},
		{`{"name":{}}`, "$.name: expected string, got map"},
		{`{"tags":{"a b":1}}`, `$.tags["a b"]: expected string, got int`},
		{`{"value":"1"}`, "$.value: expected float64, got string"},
		{`{"org_id":18446744073709551616}`, "$.org_id: expected uint64, got float 1.8446744073709552e+19"},
	} {
		b, err := Any().ParseJSON(nil, []byte(c.text))
		if err != nil {
			t.Fatal(err)
		}
		var v Metric
		if err := decoder[Metric](t, Any()).Value(b, unsafe.Pointer(&v)); err == nil || err.Error() != c.want {
			t.Errorf("%s:\n got %v\nwant %s", c.text, err, c.want)
		}
	}
}

func TestDecoderMisfits(t *testing.T) {
	from, err := Of(reflect.TypeFor[Nested]())
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		typ  reflect.Type
		want string
	}{
		{reflect.TypeFor[string](), "$: expected string, got Nested"},
		{reflect.TypeFor[struct {
			Other int `json:"other"`
		}](), "$.other: missing member (int64)"},
		{reflect.TypeFor[struct {
			Words []int `json:"words"`
		}](), "$.words[]: expected int64, got string"},
		{reflect.TypeFor[struct {
			Inner struct {
				X string `json:"x"`
			} `json:"inner"`
		}](), "$.inner.x: expected string, got int64"},
		{reflect.TypeFor[struct {
			List map[string]int `json:"list"`
		}](), "$.list: expected map, got list"},
	} {
		if _, err := NewDecoder(from, c.typ); err == nil || err.Error() != c.want {
			t.Errorf("%s:\n got %v\nwant %s", c.typ, err, c.want)
		}
	}
}

// TestOtherTypes reads a metric into types that know less of it, or something else.
func TestOtherTypes(t *testing.T) {
	type head struct {
		Name string         `json:"name"`
		Org  float64        `json:"org_id"`
		More *int           `json:"more,omitempty"`
		Rest jsontext.Value `json:",embed"`
	}
	type headMap struct {
		Name string         `json:"name"`
		Rest map[string]any `json:",embed"`
	}
	m := aMetric()
	typed, l := encode(t, m)
	free, err := Any().ParseJSON(nil, []byte(metricJSON))
	if err != nil {
		t.Fatal(err)
	}
	const rest = `"project_id":3,"tags":{"environment":"production","release":"sentry-test@1.0.0","sdk":"raven-node/2.6.3","session.status":"init"},"timestamp":1677512412,"retention_days":90,"type":"c","value":1}`
	for _, c := range []struct {
		l *Layout
		b []byte
	}{{l, typed}, {Any(), free}} {
		var h head
		if err := decoder[head](t, c.l).Value(c.b, unsafe.Pointer(&h)); err != nil {
			t.Fatal(err)
		}
		if h.Name != m.Name || h.Org != 1 || h.More != nil || sortText(h.Rest) != sortText([]byte("{"+rest)) {
			t.Errorf("%s: %+v", c.l, h)
		}
		var hm headMap
		if err := decoder[headMap](t, c.l).Value(c.b, unsafe.Pointer(&hm)); err != nil {
			t.Fatal(err)
		}
		if hm.Name != m.Name || len(hm.Rest) != 7 || hm.Rest["timestamp"] != int64(1677512412) || hm.Rest["tags"].(map[string]any)["sdk"] != "raven-node/2.6.3" {
			t.Errorf("%s: %+v", c.l, hm)
		}
		var a any
		if err := decoder[any](t, c.l).Value(c.b, unsafe.Pointer(&a)); err != nil {
			t.Fatal(err)
		}
		var byName map[string]any
		if err := decoder[map[string]any](t, c.l).Value(c.b, unsafe.Pointer(&byName)); err != nil {
			t.Fatal(err)
		}
		if am := a.(map[string]any); len(am) != 8 || am["name"] != m.Name || !reflect.DeepEqual(am["tags"], byName["tags"]) {
			t.Errorf("%s: %v, %v", c.l, a, byName)
		}
	}

	// Members that the source only keeps may be fields of the target.
	open, ol := encode(t, Open{Known: "k", Rest: jsontext.Value(`{"n":5,"z":[1]}`)})
	var v struct {
		N     int8           `json:"n"`
		Known string         `json:"known"`
		Rest  map[string]any `json:",embed"`
	}
	d, err := NewDecoder(ol, reflect.TypeOf(v))
	if err != nil {
		t.Fatal(err)
	}
	if err := d.Value(open, unsafe.Pointer(&v)); err != nil {
		t.Fatal(err)
	}
	if v.N != 5 || v.Known != "k" || len(v.Rest) != 1 {
		t.Errorf("%+v", v)
	}
	missing, ol := encode(t, Open{Known: "k"})
	if err := d.Value(missing, unsafe.Pointer(&v)); err == nil || err.Error() != "$.n: missing member (int8)" {
		t.Errorf("%v", err)
	}
	_ = ol
}

func sortText(b []byte) string { return string(sortJSON(b)) }

func TestOrderInJSON(t *testing.T) {
	const text = `{"b":1,"a":{"z":1,"y":[{"d":1,"c":2}]}}`
	const sorted = `{"a":{"y":[{"c":2,"d":1}],"z":1},"b":1}`
	for _, c := range []struct {
		name string
		typ  reflect.Type
		in   string
		want string
	}{
		{"a bare any keeps its order", anyType, text, text},
		{"so does a list of it", reflect.TypeFor[[]any](), "[" + text + "]", "[" + text + "]"},
		{"a map is sorted", anyMapType, text, sorted},
		{"an any in a struct is sorted", reflect.TypeFor[struct{ A any }](), `{"A":` + text + `}`, `{"A":` + sorted + `}`},
		{"other members keep their order", reflect.TypeFor[Open](), `{"z":` + text + `,"known":"","b":1}`, `{"known":"","z":` + text + `,"b":1}`},
		{"a key twice keeps the first place", anyType, `{"b":1,"a":2,"b":[3]}`, `{"b":[3],"a":2}`},
		{"many keys, one twice", anyType, `{` + many("") + `,"k7":true}`, `{` + many("true") + `}`},
	} {
		l, err := Of(c.typ)
		if err != nil {
			t.Fatal(err)
		}
		b, err := l.ParseJSON(nil, []byte(c.in))
		if err != nil {
			t.Fatal(err)
		}
		if got, err := l.AppendJSON(nil, b); err != nil || string(got) != c.want {
			t.Errorf("%s:\n got %s %v\nwant %s", c.name, got, err, c.want)
		}
	}
}

// many is the inside of an object that is searched by an index.
func many(seven string) string {
	var b strings.Builder
	for i := range 100 {
		v := "0"
		if i == 7 && seven != "" {
			v = seven
		}
		if i > 0 {
			b.WriteByte(',')
		}
		b.WriteString(`"k` + string(rune('0'+i/10)) + string(rune('0'+i%10)) + `":` + v)
	}
	return strings.ReplaceAll(b.String(), `"k07"`, `"k7"`)
}

func TestOmitInPythonsFrames(t *testing.T) {
	// A dict of another step may hold what Go leaves out; JSON lacks it all the same.
	l, err := Of(reflect.TypeFor[Presence]())
	if err != nil {
		t.Fatal(err)
	}
	const text = `{"ptr":null,"opt_ptr":"","opt":"","opt_int":0,"zero_int":0,"opt_list":[],"zero_list":[],"opt_map":{},"opt_any":null,"opt_in":null,"zero_in":{"x":0},"zero_time":"0001-01-01T00:00:00Z","opt_blob":"","ptrs":[],"PtrMap":{},"ptr_list":null}`
	const want = `{"ptr":null,"opt_int":0,"zero_list":[],"ptrs":[],"PtrMap":{},"ptr_list":null}`
	b, err := l.ParseJSON(nil, []byte(text))
	if err != nil {
		t.Fatal(err)
	}
	got, err := l.AppendJSON(nil, b)
	if err != nil || string(got) != want {
		t.Errorf("\n got %s %v\nwant %s", got, err, want)
	}
	var v Presence
	if err := json.Unmarshal([]byte(text), &v, v2Options); err != nil {
		t.Fatal(err)
	}
	if b, err := json.Marshal(v, v2Options); err != nil || string(b) != want {
		t.Errorf("json/v2: %s %v", b, err)
	}
}

func TestColumn(t *testing.T) {
	enc := encoder[[]any](t)
	values := [][]any{{int64(1)}, {make(chan int)}, {"two", int64(2)}, {}}
	var failed []int
	b, err := enc.AppendColumn([]byte("head"), base(values), len(values), func(i int, err error) { failed = append(failed, i) })
	if err != nil {
		t.Fatal(err)
	}
	if !reflect.DeepEqual(failed, []int{1}) {
		t.Errorf("failed: %v", failed)
	}
	c, err := NewColumn(enc.Layout(), b[len("head"):])
	if err != nil {
		t.Fatal(err)
	}
	text := func(c record.Column) string {
		col := c.(*Column)
		var parts []string
		for i := range col.Len() {
			b, err := col.Layout().AppendJSON(nil, col.Value(i))
			if err != nil {
				t.Fatal(err)
			}
			parts = append(parts, string(b))
		}
		return strings.Join(parts, " ")
	}
	if got := text(c); got != `[1] ["two",2] []` {
		t.Errorf("column: %s", got)
	}
	if got := text(c.Select([]int32{2, 1, 1})); got != `[] ["two",2] ["two",2]` {
		t.Errorf("selected: %s", got)
	}
	batch := c.Batch([]record.Column{c, c.Select([]int32{0})})
	if got := text(batch); got != `[[1],["two",2],[],[1]]` {
		t.Errorf("batch: %s", got)
	}
	if got := batch.(*Column).Layout().String(); got != "list[list[any]]" {
		t.Errorf("layout of the batch: %s", got)
	}
	if got, err := NewColumn(enc.Layout(), c.Append(nil)); err != nil || text(got) != text(c) {
		t.Errorf("appended: %v", err)
	}

	failed = nil
	parsed, err := Any().ParseColumn([][]byte{[]byte(`{"a":1}`), nil, []byte("x"), []byte("2")}, func(i int, err error) { failed = append(failed, i) })
	if err != nil || text(parsed) != `{"a":1} 2` || !reflect.DeepEqual(failed, []int{1, 2}) {
		t.Errorf("parsed: %v, failed %v, %v", parsed, failed, err)
	}
}

// badFrames are columns that every reader refuses, in Go and in C.
var badFrames = []struct {
	Name   string `json:"name"`
	Layout string `json:"layout"` // the golden frame that has it
	Column string `json:"column"` // hexadecimal
	about  string
}{
	{"no count", "int64", "0000", "column of 2 bytes"},
	{"no table", "int64", "01000000", "column of 1 elements in 4 bytes"},
	{"count beyond the bytes", "int64", "ffffffff00000000", "column of 4294967295 elements in 8 bytes"},
	{"first offset", "int64", "0100000001000000080000000000000000000000", "offset 1"},
	{"offsets run back", "int64", "02000000000000000800000004000000" + "0000000000000000", "offset 4"},
	{"values beyond the table", "int64", "0100000000000000080000000000000000000000ff", "values end at 8 of 9"},
	{"value cut short", "int64", "010000000000000004000000" + "00000000", "ends in the middle"},
	{"value with a rest", "bool", "010000000000000002000000" + "0101", "value ends at byte 1 of 2"},
	{"bool of 2", "bool", "010000000000000001000000" + "02", "2 as a bool"},
	{"presence of 2 where not optional", "nullable", "010000000000000001000000" + "02", "2 as a presence byte"},
	{"string longer than the frame", "string", "010000000000000005000000" + "ffffffff61", "ends in the middle"},
	{"list longer than the frame", "list", "010000000000000004000000" + "ffffff7f", "2147483647 elements in 0 bytes"},
	{"map longer than the frame", "map", "010000000000000005000000" + "ffffff7f00", "2147483647 elements in 1 bytes"},
	{"unknown tag", "any", "010000000000000001000000" + "0c", "12 as a tag"},
	{"tuple that ends early", "tuple", "010000000000000008000000" + "0100000000000000", "ends in the middle"},
	{"variant that there is not", "scalar", "010000000000000002000000" + "0601", "6 as a variant of 6"},
	{"variant without a value", "scalar", "010000000000000001000000" + "00", "ends in the middle"},
	{"constant of another variant", "shape", "01000000000000001300000000" + "06000000737175617265" + "0000000000000000", "expected \"circle\""},
	{"any longer than the frame", "any", "010000000000000005000000" + "08ffffff0f", "elements in 0 bytes"},
}

func TestBadFrames(t *testing.T) {
	b, err := json.Marshal(badFrames, jsontext.WithIndent(" "))
	if err != nil {
		t.Fatal(err)
	}
	checkGolden(t, "bad.json", append(b, '\n'))
	types := map[string]reflect.Type{}
	for _, g := range goldens() {
		types[g.name] = g.typ
	}
	for _, c := range badFrames {
		t.Run(c.Name, func(t *testing.T) {
			b, err := hex.DecodeString(c.Column)
			if err != nil {
				t.Fatal(err)
			}
			typ := types[c.Layout]
			l, err := Of(typ)
			if err != nil {
				t.Fatal(err)
			}
			col, err := NewColumn(l, b)
			if err == nil {
				d, err2 := NewDecoder(l, typ)
				if err2 != nil {
					t.Fatal(err2)
				}
				err = d.Value(col.Value(0), reflect.New(typ).UnsafePointer())
			}
			if err == nil || !strings.Contains(err.Error(), c.about) {
				t.Errorf("got %v, want ... %s", err, c.about)
			}
		})
	}
}

func TestGoldenFilesAreAllOurs(t *testing.T) {
	files, err := filepath.Glob(filepath.Join(goldenDir, "*"))
	if err != nil {
		t.Fatal(err)
	}
	want := map[string]bool{"bad.json": true}
	for _, g := range goldens() {
		for _, suffix := range []string{".json", ".layout.bin", ".column.bin"} {
			want[g.name+suffix] = true
		}
	}
	for _, f := range files {
		if !want[filepath.Base(f)] {
			t.Errorf("%s: nothing writes it any more", f)
			if *update {
				os.Remove(f)
			}
		}
	}
}

func TestDeepNesting(t *testing.T) {
	text := func(n int) []byte {
		return []byte(strings.Repeat("[", n) + strings.Repeat("]", n))
	}
	b, err := Any().ParseJSON(nil, text(maxDepth))
	if err != nil {
		t.Fatal(err)
	}
	if out, err := Any().AppendJSON(nil, b); err != nil || len(out) != 2*maxDepth {
		t.Errorf("%d bytes, %v", len(out), err)
	}
	v, err := ReadAny(b)
	if err != nil {
		t.Fatal(err)
	}
	if again, err := AppendAny(nil, v); err != nil || string(again) != string(b) {
		t.Errorf("written again: %v", err)
	}
	if _, err := Any().ParseJSON(nil, text(maxDepth+1)); err == nil || !strings.Contains(err.Error(), "nested deeper than 10000") {
		t.Errorf("%v", err)
	}
	// The same one level deeper, which only hostile bytes can say.
	hostile := append([]byte{byte(tagList), 1, 0, 0, 0}, b...)
	for name, read := range map[string]func() error{
		"decoder": func() error { _, err := ReadAny(hostile); return err },
		"JSON":    func() error { _, err := Any().AppendJSON(nil, hostile); return err },
		"skip":    func() error { r := reader{b: hostile}; return r.skipAny() },
		"spell":   func() error { r := reader{b: hostile}; _, err := r.spell(nil, anyNode); return err },
	} {
		if err := read(); err == nil || !strings.Contains(err.Error(), "nested deeper than 10000") {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestAnyOfOtherTypes(t *testing.T) {
	type id uint32
	v := map[string]any{
		"slice": []string{"a", "b"}, "struct": Inner{X: 1, Y: "y"}, "pointer": &Inner{X: 2}, "nil": (*Inner)(nil), "named": Color("red"), "int": id(7),
		"map": map[string]int{"z": 1, "a": 2}, "f32": float32(0.1), "raw": jsontext.Value(`{"b":[1.50],"a":null}`), "time": time.Unix(1, 5000).UTC(), "big": uint64(math.MaxUint64),
	}
	b, l := encode(t, v)
	got, err := l.AppendJSON(nil, b)
	if err != nil {
		t.Fatal(err)
	}
	const want = `{"big":18446744073709551615,"f32":0.1,"int":7,"map":{"a":2,"z":1},"named":"red","nil":null,"pointer":{"x":2},"raw":{"a":null,"b":[1.5]},"slice":["a","b"],"struct":{"x":1,"y":"y"},"time":"1970-01-01T00:00:01.000005Z"}`
	if string(got) != want {
		t.Errorf("\n got %s\nwant %s", got, want)
	}
}

// A negative zero is the zero value to omitzero, as it is to json/v2, by every way to JSON.
func TestNegativeZeroIsOmitted(t *testing.T) {
	type pair struct {
		A float64 `json:"a,omitzero"`
		B float32 `json:"b,omitzero"`
		C float64 `json:"c"`
		D struct {
			E float64 `json:"e"`
		} `json:"d,omitzero"`
	}
	minus := math.Copysign(0, -1)
	v := pair{A: minus, B: float32(minus), C: minus}
	v.D.E = minus
	want, err := json.Marshal(v, plainOptions)
	if err != nil {
		t.Fatal(err)
	}
	got, err := must2(NewTextEncoder(reflect.TypeFor[pair]())).Append(nil, unsafe.Pointer(&v))
	if err != nil || string(got) != string(want) {
		t.Errorf("from memory: got %s, %v, want %s", got, err, want)
	}
	framed, layout := encode(t, v)
	if got, err = layout.AppendJSON(nil, framed); err != nil || string(got) != string(want) {
		t.Errorf("by a frame: got %s, %v, want %s", got, err, want)
	}
	v = pair{C: minus}
	if without, _ := encode(t, v); !bytes.Equal(without, framed) {
		t.Errorf("the frame has members that are zero: %x, without them %x", framed, without)
	}
}
