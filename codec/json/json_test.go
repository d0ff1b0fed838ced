package json

import (
	"encoding/json/jsontext"
	v2 "encoding/json/v2"
	"os"
	"reflect"
	"strings"
	"testing"
	"time"
)

type item struct {
	Qty  int8     `json:"qty"`
	Tags []string `json:"tags"`
}

type order struct {
	ID    uint64           `json:"id"`
	Item  item             `json:"item"`
	Items []item           `json:"items,omitempty"`
	Note  *string          `json:"note"`
	At    time.Time        `json:"at,omitzero"`
	Blob  []byte           `json:"blob,omitempty"`
	By    map[string]int64 `json:"by,omitempty"`
	Free  any              `json:"free,omitempty"`
	Ratio float32          `json:"ratio,omitzero"`
}

func TestErrors(t *testing.T) {
	const good = `"item":{"qty":1,"tags":[]},"note":null`
	cases := []struct{ name, text, want string }{
		{"empty value", "", "$: expected a JSON value, got an empty message"},
		{"white space", " \n", "$: expected a JSON value, got only white space"},
		{"null", "null", "$: expected object, got null"},
		{"another kind", `[1]`, "$: expected object, got array"},
		{"trailing text", `{"id":1,` + good + `} {}`, "$: malformed JSON at byte 48: expected the end, got '{'"},
		{"cut short", `{"id":1,"item":{"qty":`, "$.item.qty: malformed JSON at byte 22: expected a value, got the end"},
		{"wrong kind", `{"id":"1",` + good + `}`, "$.id: expected integer, got string"},
		{"fraction", `{"id":1.0,` + good + `}`, "$.id: expected integer, got 1.0"},
		{"exponent", `{"id":1e2,` + good + `}`, "$.id: expected integer, got 1e2"},
		{"negative", `{"id":-1,` + good + `}`, "$.id: expected uint64, got -1"},
		{"2^64", `{"id":18446744073709551616,` + good + `}`, "$.id: expected uint64, got 18446744073709551616"},
		{"out of range", `{"id":1,"item":{"qty":300,"tags":[]},"note":null}`, "$.item.qty: expected int8, got 300"},
		{"in a list", `{"id":1,"item":{"qty":3,"tags":["a","b",3]},"note":null}`, "$.item.tags[2]: expected string, got 3"},
		{"in a list of objects", `{"id":1,` + good + `,"items":[{"qty":1,"tags":[]},{"qty":-129,"tags":[]}]}`, "$.items[1].qty: expected int8, got -129"},
		{"in a map", `{"id":1,` + good + `,"by":{"a":1,"session.status":"x"}}`, `$.by["session.status"]: expected integer, got string`},
		{"missing member", `{"id":1,"item":{"qty":1,"tags":[]}}`, "$.note: missing member (string)"},
		{"missing member within", `{"id":1,"item":{"tags":[]},"note":null}`, "$.item.qty: missing member (int8)"},
		{"missing member, others out of order", `{"note":null,"id":1}`, "$.item: missing member (item)"},
		{"null of a scalar", `{"id":null,` + good + `}`, "$.id: expected integer, got null"},
		{"null of an object", `{"id":1,"item":null,"note":null}`, "$.item: expected object, got null"},
		{"time", `{"id":1,` + good + `,"at":"yesterday"}`, `$.at: expected RFC 3339 time, got "yesterday"`},
		{"base64", `{"id":1,` + good + `,"blob":"?"}`, "$.blob: expected base64 string, got a string that is none"},
		{"float range", `{"id":1,` + good + `,"ratio":1e39}`, "$.ratio: expected float32, got 1e39"},
		{"float range in any", `{"id":1,` + good + `,"free":[1e999]}`, "$.free[0]: expected float64, got 1e999"},
		{"NaN", `{"id":1,` + good + `,"ratio":NaN}`, "$.ratio: malformed JSON at byte 55: expected a value, got 'N'"},
		{"escape", `{"id":1,"item":{"qty":1,"tags":["\x"]},"note":null}`, `$.item.tags[0]: malformed JSON at byte 33: invalid escape in a string`},
		{"control character", "{\"id\":1,\"item\":{\"qty\":1,\"tags\":[\"a\x00\"]},\"note\":null}", `$.item.tags[0]: malformed JSON at byte 34: control character in a string`},
		{"malformed stranger", `{"x":[1,],"id":1,` + good + `}`, "$: malformed JSON at byte 8: expected a value, got ']'"},
		{"deep nesting", `{"id":1,` + good + `,"free":` + strings.Repeat("[", 10001), "nested deeper than 10000"},
	}
	b, err := New().Bind(reflect.TypeFor[order]())
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			var o order
			err := b.Decode([]byte(c.text), &o)
			if err == nil {
				t.Fatalf("no error; read %+v", o)
			}
			if got := err.Error(); got != c.want && !(c.name == "deep nesting" && strings.Contains(got, c.want)) {
				t.Errorf("\n got %s\nwant %s", got, c.want)
			}
		})
	}
}

func TestRoundTrip(t *testing.T) {
	b, err := New().Bind(reflect.TypeFor[order]())
	if err != nil {
		t.Fatal(err)
	}
	cases := []struct{ name, text, want string }{
		{"in order", `{"id":18446744073709551615,"item":{"qty":-128,"tags":["a"]},"note":"n"}`, ""},
		{"out of order, strangers", ` { "note" : null , "x":{"y":[{}]}, "item":{"tags":null,"qty":0},"id":1 } `, `{"id":1,"item":{"qty":0,"tags":[]},"note":null}`},
		{"twice: the last counts", `{"id":1,"id":2,"item":{"qty":1,"tags":["a","b"]},"item":{"qty":2,"tags":[]},"note":null}`, `{"id":2,"item":{"qty":2,"tags":[]},"note":null}`},
		{"left out where empty", `{"id":1,"item":{"qty":0,"tags":[]},"items":[],"note":null,"at":"0001-01-01T00:00:00Z","blob":"","by":{},"free":"","ratio":-0}`, `{"id":1,"item":{"qty":0,"tags":[]},"note":null}`},
		{"no UTF-8", "{\"id\":1,\"item\":{\"qty\":0,\"tags\":[\"a\xff\xfe\",\"\\ud800\"]},\"note\":null}", "{\"id\":1,\"item\":{\"qty\":0,\"tags\":[\"a\ufffd\ufffd\",\"\ufffd\"]},\"note\":null}"},
		{"integers in any stay", `{"id":1,"item":{"qty":0,"tags":[]},"note":null,"free":{"b":9007199254740993,"a":18446744073709551615,"c":-0,"d":1.50}}`, `{"id":1,"item":{"qty":0,"tags":[]},"note":null,"free":{"a":18446744073709551615,"b":9007199254740993,"c":-0,"d":1.5}}`},
		{"maps are sorted", `{"id":1,"item":{"qty":0,"tags":[]},"note":null,"by":{"b":1,"a":2}}`, `{"id":1,"item":{"qty":0,"tags":[]},"note":null,"by":{"a":2,"b":1}}`},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			var o order
			if err := b.Decode([]byte(c.text), &o); err != nil {
				t.Fatal(err)
			}
			got, err := b.Append([]byte("kept "), &o)
			if err != nil {
				t.Fatal(err)
			}
			want := c.want
			if want == "" {
				want = c.text
			}
			if string(got) != "kept "+want {
				t.Errorf("\n got %s\nwant kept %s", got, want)
			}
		})
	}
}

// TestOwnMemory: what was decoded stays when the message's buffer is used again.
func TestOwnMemory(t *testing.T) {
	b, err := New().Bind(reflect.TypeFor[order]())
	if err != nil {
		t.Fatal(err)
	}
	text := []byte(`{"id":1,"item":{"qty":0,"tags":["first"]},"note":"note","blob":"Yg=="}`)
	var one, two order
	if err := b.Decode(text, &one); err != nil {
		t.Fatal(err)
	}
	for i := range text {
		text[i] = 'x'
	}
	if err := b.Decode([]byte(`{"id":2,"item":{"qty":0,"tags":["other"]},"note":"else","blob":"Yw=="}`), &two); err != nil {
		t.Fatal(err)
	}
	if one.Item.Tags[0] != "first" || *one.Note != "note" || string(one.Blob) != "b" {
		t.Errorf("changed after the fact: %+v", one)
	}
}

func TestStrict(t *testing.T) {
	b, err := (&Codec{Strict: true}).Bind(reflect.TypeFor[order]())
	if err != nil {
		t.Fatal(err)
	}
	const head = `{"id":1,"item":{"qty":0,"tags":[]},"note":null`
	for _, c := range []struct{ text, want string }{
		{head + `}`, ""},
		{head + `,"id":1}`, "$.id: member comes twice"},
		{`{"note":null,"id":1,"item":{"qty":0,"tags":[]},"id":1}`, "$.id: member comes twice"},
		{head + `,"ratio":0,"ratio":0}`, "$.ratio: member comes twice"},
		{head + `,"by":{"a":1,"a":1}}`, "$.by.a: member comes twice"},
		{head + `,"free":{"a":{"b":1,"b":1}}}`, "$.free.a.b: member comes twice"},
		{head + ",\"free\":\"\xff\"}", "$.free: malformed JSON at byte 55: a string is no UTF-8"},
		{head + `,"free":"\ud800"}`, "$.free: malformed JSON at byte 55: half a surrogate pair in a string"},
		{head + ",\"x\":\"\xff\"}", "$: malformed JSON at byte 52: a string is no UTF-8"},
	} {
		var o order
		got := ""
		if err := b.Decode([]byte(c.text), &o); err != nil {
			got = err.Error()
		}
		if got != c.want {
			t.Errorf("%s:\n got %s\nwant %s", c.text, got, c.want)
		}
	}
}

// TestEarthquakes reads real records, and writes them as json/v2 does.
func TestEarthquakes(t *testing.T) {
	type feature struct {
		Type       string `json:"type"`
		Properties struct {
			Mag   *float64       `json:"mag"`
			Place *string        `json:"place"`
			Time  int64          `json:"time"`
			Felt  *int           `json:"felt"`
			Alert *string        `json:"alert"`
			Rest  jsontext.Value `json:",embed"`
		} `json:"properties"`
		Geometry struct {
			Type        string    `json:"type"`
			Coordinates []float64 `json:"coordinates"`
		} `json:"geometry"`
		ID string `json:"id"`
	}
	data, err := os.ReadFile("testdata/earthquakes.jsonl")
	if err != nil {
		t.Fatal(err)
	}
	b, err := New().Bind(reflect.TypeFor[feature]())
	if err != nil {
		t.Fatal(err)
	}
	options := v2.JoinOptions(v2.Deterministic(true), jsontext.CanonicalizeRawFloats(true), jsontext.CanonicalizeRawInts(true))
	n := 0
	for line := range strings.Lines(string(data)) {
		var got, want feature
		if err := b.Decode([]byte(line), &got); err != nil {
			t.Fatalf("%s: %v", line, err)
		}
		if err := v2.Unmarshal([]byte(line), &want, options); err != nil {
			t.Fatal(err)
		}
		mine, err := b.Append(nil, &got)
		if err != nil {
			t.Fatal(err)
		}
		theirs, err := v2.Marshal(want, options)
		if err != nil {
			t.Fatal(err)
		}
		if string(mine) != string(theirs) {
			t.Fatalf("\n got %s\nwant %s", mine, theirs)
		}
		n++
	}
	if n < 20 {
		t.Errorf("%d records, expected 20 or more", n)
	}
}

type record struct {
	OrgID         uint64            `json:"org_id"`
	ProjectID     uint64            `json:"project_id"`
	Name          string            `json:"name"`
	Tags          map[string]string `json:"tags"`
	Timestamp     int64             `json:"timestamp"`
	RetentionDays int               `json:"retention_days"`
	Type          string            `json:"type"`
	Value         float64           `json:"value"`
}

const recordText = `{"org_id":1,"project_id":3,"name":"c:sessions/session@none","tags":{"sdk":"raven-node/2.6.3","environment":"production","release":"sentry-test@1.0.0","session.status":"init"},"timestamp":1677512412,"retention_days":90,"type":"c","value":1}`

func BenchmarkMetric(b *testing.B) {
	bound, err := New().Bind(reflect.TypeFor[record]())
	if err != nil {
		b.Fatal(err)
	}
	options := v2.JoinOptions(jsontext.AllowInvalidUTF8(true), jsontext.AllowDuplicateNames(true))
	text := []byte(recordText)
	var r record
	if err := bound.Decode(text, &r); err != nil {
		b.Fatal(err)
	}
	buf := make([]byte, 0, 4096)
	for _, c := range []struct {
		name string
		f    func() error
	}{
		{"decode", func() error { var r record; return bound.Decode(text, &r) }},
		{"decode-v2", func() error { var r record; return v2.Unmarshal(text, &r, options) }},
		{"append", func() error { _, err := bound.Append(buf, &r); return err }},
		{"append-v2", func() error { _, err := v2.Marshal(&r, options); return err }},
	} {
		b.Run(c.name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				if err := c.f(); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
