package frame

import (
	"encoding/json/jsontext"
	"encoding/json/v2"
	"reflect"
	"testing"
	"unsafe"
)

var plainOptions = json.JoinOptions(jsontext.AllowInvalidUTF8(true), jsontext.AllowDuplicateNames(true), json.Deterministic(true))

func BenchmarkMetric(b *testing.B) { benchmark(b, aMetric()) }
func BenchmarkSpan(b *testing.B)   { benchmark(b, aSpan()) }

func benchmark[T any](b *testing.B, v T) {
	t := reflect.TypeFor[T]()
	enc, err := NewEncoder(t)
	if err != nil {
		b.Fatal(err)
	}
	l := enc.Layout()
	dec, err := NewDecoder(l, t)
	if err != nil {
		b.Fatal(err)
	}
	dyn, err := NewDecoder(Any(), t)
	if err != nil {
		b.Fatal(err)
	}
	value, err := enc.Append(nil, unsafe.Pointer(&v))
	if err != nil {
		b.Fatal(err)
	}
	text, err := l.AppendJSON(nil, value)
	if err != nil {
		b.Fatal(err)
	}
	free, err := Any().ParseJSON(nil, text)
	if err != nil {
		b.Fatal(err)
	}
	buf := make([]byte, 0, 1<<16)
	run := func(name string, f func() error) {
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				if err := f(); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
	run("encode", func() error { _, err := enc.Append(buf, unsafe.Pointer(&v)); return err })
	run("decode", func() error { var x T; return dec.Value(value, unsafe.Pointer(&x)) })
	run("decode-any", func() error { var x T; return dyn.Value(free, unsafe.Pointer(&x)) })
	run("parse", func() error { _, err := l.ParseJSON(buf, text); return err })
	direct, err := NewTextDecoder(t, false)
	if err != nil {
		b.Fatal(err)
	}
	run("direct", func() error { var x T; return direct.Value(text, unsafe.Pointer(&x)) })
	run("parse-any", func() error { _, err := Any().ParseJSON(buf, text); return err })
	run("print", func() error { _, err := l.AppendJSON(buf, value); return err })
	run("v2-unmarshal", func() error { var x T; return json.Unmarshal(text, &x, plainOptions) })
	run("v2-marshal", func() error { _, err := json.Marshal(&v, plainOptions); return err })
}
