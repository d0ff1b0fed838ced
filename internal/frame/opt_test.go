package frame

import (
	"reflect"
	"testing"
	"unsafe"

	"github.com/levada-io/levada/record"
)

// TestThreeStatesSurvive: absent, null and a value stay what they are from every source:
// text, a frame of the same type, one of another that has more members or names none of
// them, and an any.
func TestThreeStatesSurvive(t *testing.T) {
	type open struct {
		A    record.Opt[int64] `json:"a"`
		B    record.Opt[Inner] `json:"b"`
		Rest map[string]any    `json:",embed"`
	}
	type holder struct {
		Zero struct {
			A record.Opt[int64] `json:"a"`
		} `json:"zero,omitzero"`
	}
	type pointers struct {
		A *int64 `json:"a,omitzero"`
		B *Inner `json:"b"`
	}
	for _, text := range []string{`{}`, `{"a":null}`, `{"a":0,"b":null}`, `{"a":1,"b":{"x":0}}`, `{"b":{"x":1,"y":"y"},"more":null}`} {
		for _, from := range []*Layout{mustOf(t, reflect.TypeFor[open]()), Any(), mustOf(t, reflect.TypeFor[OpenNone]())} {
			frame, err := from.ParseJSON(nil, []byte(text))
			if err != nil {
				t.Fatal(err)
			}
			var v open
			dec, err := NewDecoder(from, reflect.TypeFor[open]())
			if err != nil {
				t.Fatal(err)
			}
			if err := dec.Value(frame, unsafe.Pointer(&v)); err != nil {
				t.Fatal(err)
			}
			enc, err := NewTextEncoder(reflect.TypeFor[open]())
			if err != nil {
				t.Fatal(err)
			}
			if got, err := enc.Append(nil, unsafe.Pointer(&v)); err != nil || string(got) != text {
				t.Errorf("from %s: %s became %s, %v", from, text, got, err)
			}
		}
	}

	// null is not the zero value: a struct with one in it is not left out.
	enc, err := NewTextEncoder(reflect.TypeFor[holder]())
	if err != nil {
		t.Fatal(err)
	}
	var h holder
	if got, err := enc.Append(nil, unsafe.Pointer(&h)); err != nil || string(got) != `{}` {
		t.Errorf("got %s, %v", got, err)
	}
	h.Zero.A = record.Null[int64]()
	if got, err := enc.Append(nil, unsafe.Pointer(&h)); err != nil || string(got) != `{"zero":{"a":null}}` {
		t.Errorf("got %s, %v", got, err)
	}

	// What can be null in another Go type is null here.
	var v open
	dec, err := NewDecoder(mustOf(t, reflect.TypeFor[pointers]()), reflect.TypeFor[open]())
	if err != nil {
		t.Fatal(err)
	}
	if err := dec.Value([]byte{absent, null}, unsafe.Pointer(&v)); err != nil || !v.A.IsZero() || !v.B.IsNull() {
		t.Errorf("got %+v, %v", v, err)
	}

	// A member that comes twice counts the last time, whole.
	d, err := NewTextDecoder(reflect.TypeFor[open](), false)
	if err != nil {
		t.Fatal(err)
	}
	if err := d.Value([]byte(`{"a":5,"a":null,"b":null,"b":{"x":1}}`), unsafe.Pointer(&v)); err != nil || !v.A.IsNull() {
		t.Errorf("got %+v, %v", v, err)
	}
	if n, ok := v.B.Get(); !ok || n.X != 1 {
		t.Errorf("got %+v", v.B)
	}
}

// OpenNone keeps every member.
type OpenNone struct {
	Rest map[string]any `json:",embed"`
}
