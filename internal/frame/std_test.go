package frame

import (
	"bytes"
	"encoding/json/v2"
	"fmt"
	"reflect"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/levada-io/levada/record"
)

// noDurations says that json/v2 knows all of a drawn type.
func noDurations(t reflect.Type) bool {
	_, err := BindStd(t, false)
	return err == nil
}

// TestStdIsStd: whatever is forced to json/v2 is what json/v2 reads and writes of it, and
// it is refused where json/v2 refuses it.
func TestStdIsStd(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		typ := rapid.Custom(func(t *rapid.T) reflect.Type { return drawTypeOf(t, 3, true) }).Filter(noDurations).Draw(t, "type")
		strict := rapid.Bool().Draw(t, "strict")
		b, err := BindStd(typ, strict)
		if err != nil {
			t.Fatal(err)
		}
		v := reflect.New(typ)
		fill(t, v.Elem(), 4)
		options := json.JoinOptions(stdOptions(strict))
		want, werr := json.Marshal(v.Interface(), options)
		if werr != nil {
			want = nil // it gives what it has written so far
		}
		got, err := b.Append([]byte("before"), v.Interface())
		if (err == nil) != (werr == nil) || !bytes.HasPrefix(got, []byte("before")) || !bytes.Equal(got[len("before"):], want) {
			t.Fatalf("%s:\n got %s, %v\nwant %s, %v", typ, got, err, want, werr)
		}
		if err != nil {
			return
		}
		text := scramble(t, want, rapid.Bool().Draw(t, "damaged"))
		back, oracle := reflect.New(typ), reflect.New(typ)
		err, werr = b.Decode(text, back.Interface()), json.Unmarshal(text, oracle.Interface(), options)
		if (err == nil) != (werr == nil) {
			t.Fatalf("%s: %q: %v, json/v2: %v", typ, text, err, werr)
		}
		if err == nil && !reflect.DeepEqual(back.Interface(), oracle.Interface()) && !strings.Contains(fmt.Sprintf("%+v", back.Elem()), "NaN") {
			t.Fatalf("%s: %q:\n got %+v\nwant %+v", typ, text, back.Elem(), oracle.Elem())
		}
	})
}

// What a type says beyond json/v2 would be lost in silence, or end in each message.
func TestStdRefuses(t *testing.T) {
	type tree struct {
		Name string          `json:"name"`
		Kids map[string]tree `json:"kids"`
	}
	type deep struct {
		Lines []struct {
			Qty *time.Duration `json:"qty"`
		} `json:"lines"`
	}
	for _, c := range []struct {
		typ  reflect.Type
		want string
	}{
		{reflect.TypeFor[tree](), ""},
		{reflect.TypeFor[[]Owns](), ""},
		{reflect.TypeFor[Ident](), ""},
		{reflect.TypeFor[struct{ At time.Time }](), ""},
		{reflect.TypeFor[struct {
			A record.Opt[int] `json:"a,omitzero"`
		}](), ""},
		{reflect.TypeFor[Open](), ""},
		{reflect.TypeFor[time.Duration](), "std: time.Duration: $: encoding/json/v2 has no form for time.Duration"},
		{reflect.TypeFor[deep](), "std: frame.deep: $.lines[].qty: encoding/json/v2 has no form for time.Duration"},
		{reflect.TypeFor[struct {
			A map[string][2]time.Time `json:"a" levada:"unit=unix"`
		}](), ": $.a[][]: encoding/json/v2 knows no unit of a time"},
		{reflect.TypeFor[struct {
			A string `json:"a" levada:"const=x"`
		}](), ": $.a: encoding/json/v2 knows no constant"},
		{reflect.TypeFor[struct {
			A []int `json:"a" levada:"min=0"`
		}](), ": $.a: encoding/json/v2 checks no rule"},
		{reflect.TypeFor[struct {
			A record.Opt[int] `json:"a"`
		}](), ": $.a: encoding/json/v2 writes an absent Opt as null\nhint: omitzero in its json tag leaves it out"},
		{reflect.TypeFor[struct{ A []Way }](), ": $.A[]: encoding/json/v2 can not read a union, frame.Way"},
		{reflect.TypeFor[chan int](), "chan int is not supported"},
	} {
		_, err := BindStd(c.typ, false)
		if c.want == "" && err != nil || c.want != "" && (err == nil || !strings.HasSuffix(err.Error(), c.want)) {
			t.Errorf("%s:\n got %v\nwant %s", c.typ, err, c.want)
		}
	}
}

// Errors of json/v2 have the path and the order that all others have.
func TestStdErrors(t *testing.T) {
	type line struct {
		ID  Ident `json:"id"`
		Qty int8  `json:"qty"`
	}
	type order struct {
		Lines map[string][]line `json:"lines"`
		Bad   *Broken           `json:"bad,omitempty"`
	}
	b, err := BindStd(reflect.TypeFor[order](), false)
	if err != nil {
		t.Fatal(err)
	}
	for text, want := range map[string]string{
		`{"lines":{"a b":[{"id":"00000001","qty":1},{"qty":300}]}}`: `$.lines["a b"][1].qty: expected int8, got 300: value out of range`,
		`{"lines":{"a":[{"qty":"x"}]}}`:                             `$.lines.a[0].qty: expected int8, got string`,
		`{"lines":{"a":[{"id":"12"}]}}`:                             `$.lines.a[0].id: expected frame.Ident, got string: expected 8 digits, got 2`,
		`{"lines":[]}`:                                              `$.lines: expected map[string][]frame.line, got [`,
		`{"lines":{"a":[}`:                                          `$.lines.a[0]: malformed JSON at byte 15: `,
		`{}{}`:                                                      `$: malformed JSON at byte 2: `,
		``:                                                          `$: expected a JSON value, got an empty message`,
		" ":                                                         `$: malformed JSON at byte 1: `,
	} {
		if err := b.Decode([]byte(text), new(order)); err == nil || !strings.HasPrefix(err.Error(), want) {
			t.Errorf("%s:\n got %v\nwant %s", text, err, want)
		}
	}
	broken := Broken("error")
	if out, err := b.Append([]byte("before"), &order{Bad: &broken}); err == nil || err.Error() != "$.bad: expected JSON of frame.Broken, got no error" || string(out) != "before" {
		t.Errorf("got %q, %v", out, err)
	}
	broken = "panic"
	out, err := b.Append([]byte("before"), &order{Bad: &broken})
	if e, ok := err.(*Error); !ok || e.Error() != "$: panic in a method of frame.order, or of what is in it: no panic" || !strings.Contains(e.Detail(), "MarshalJSON") || string(out) != "before" {
		t.Errorf("got %q, %v", out, err)
	}
	if err := b.Decode([]byte(`{"bad":"panic"}`), new(order)); err == nil || err.Error() != "$: panic in a method of frame.order, or of what is in it: not read" {
		t.Errorf("got %v", err)
	}
	strict, err := BindStd(reflect.TypeFor[order](), true)
	if err != nil {
		t.Fatal(err)
	}
	for text, want := range map[string]string{
		`{"lines":null,"lines":{}}`:  `$.lines: malformed JSON at byte 14: `,
		"{\"lines\":{\"a\xff\":[]}}": `$.lines: malformed JSON at byte `,
	} {
		if err := strict.Decode([]byte(text), new(order)); err == nil || !strings.HasPrefix(err.Error(), want) {
			t.Errorf("strict: %s:\n got %v\nwant %s", text, err, want)
		}
		if err := b.Decode([]byte(text), new(order)); err != nil {
			t.Errorf("%s: %v", text, err)
		}
	}
}
