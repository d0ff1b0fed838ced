package raw

import (
	"reflect"
	"testing"
)

func TestBytes(t *testing.T) {
	b, err := New().Bind(reflect.TypeFor[[]byte]())
	if err != nil {
		t.Fatal(err)
	}
	for _, in := range [][]byte{nil, {}, []byte("\x00\xff any")} {
		var v []byte
		if err := b.Decode(in, &v); err != nil {
			t.Fatal(err)
		}
		if (v == nil) != (in == nil) {
			t.Errorf("%q became %q: null and empty are two things", in, v)
		}
		out, err := b.Append([]byte("head "), &v)
		if err != nil || string(out) != "head "+string(in) {
			t.Errorf("%q: %q, %v", in, out, err)
		}
	}
}

func TestString(t *testing.T) {
	b, err := New().Bind(reflect.TypeFor[string]())
	if err != nil {
		t.Fatal(err)
	}
	in := []byte("text")
	var v string
	if err := b.Decode(in, &v); err != nil {
		t.Fatal(err)
	}
	in[0] = 'x'
	if out, err := b.Append(nil, &v); err != nil || string(out) != "text" {
		t.Errorf("%q, %v", out, err)
	}
}

func TestOtherTypes(t *testing.T) {
	_, err := New().Bind(reflect.TypeFor[int]())
	if err == nil || err.Error() != "int is not supported: raw messages are []byte or string" {
		t.Errorf("%v", err)
	}
	b, err := New().Bind(reflect.TypeFor[[]byte]())
	if err != nil {
		t.Fatal(err)
	}
	if err := b.Decode(nil, new(string)); err == nil || err.Error() != "BUG: raw codec: expected *[]byte, got *string" {
		t.Errorf("%v", err)
	}
}
