package main

import (
	"fmt"
	"reflect"
	"unsafe"

	"github.com/levada-io/levada"
	bench_steps "github.com/levada-io/levada/bench/crossing/steps"
	"github.com/levada-io/levada/codec"
	"github.com/levada-io/levada/codec/json"
	"github.com/levada-io/levada/codec/msgpack"
	"github.com/levada-io/levada/codec/protobuf"
	"github.com/levada-io/levada/internal/frame"
)

// formats are the other codecs against that for JSON, with the same records: MessagePack
// with the same types, protocol buffers with those of protoc-gen-go.
func formats() ([]job, error) {
	m, s := metric(), span()
	metricMessage, err := bench_steps.MessageOfMetric(levada.NewMessage(m))
	if err != nil {
		return nil, err
	}
	spanMessage, err := bench_steps.MessageOfSpan(levada.NewMessage(s))
	if err != nil {
		return nil, err
	}
	var out []job
	for _, of := range []func() ([]job, error){
		func() ([]job, error) { return versus("metric msgpack", msgpack.New(), &m, &m) },
		func() ([]job, error) { return versus("span msgpack", msgpack.New(), &s, &s) },
		func() ([]job, error) { return versus("metric protobuf", protobuf.New(), &metricMessage, &m) },
		func() ([]job, error) { return versus("span protobuf", protobuf.New(), &spanMessage, &s) },
	} {
		jobs, err := of()
		if err != nil {
			return nil, err
		}
		out = append(out, jobs...)
	}
	return out, nil
}

// versus compares a codec, at v, with that for JSON, at j.
func versus[T, J any](name string, c codec.Codec, v *T, j *J) ([]job, error) {
	read, write, err := halves("levada", c, v)
	if err != nil {
		return nil, err
	}
	jsonRead, jsonWrite, err := halves("json", json.New(), j)
	if err != nil {
		return nil, err
	}
	return []job{{name + " decode", []contestant{read, jsonRead}}, {name + " encode", []contestant{write, jsonWrite}}}, nil
}

// halves are both directions of a codec.
func halves[T any](name string, c codec.Codec, v *T) (read, write contestant, err error) {
	b, err := c.Bind(reflect.TypeFor[T]())
	if err != nil {
		return read, write, err
	}
	message, err := b.Append(nil, v)
	if err != nil {
		return read, write, err
	}
	read = contestant{name, func(n int) error {
		for range n {
			var x T
			if err := b.Decode(message, &x); err != nil {
				return err
			}
		}
		return nil
	}}
	write = contestant{name, func(n int) error {
		buf := make([]byte, 0, 2*len(message))
		for range n {
			if out, err := b.Append(buf, v); err != nil || len(out) != len(message) {
				return fmt.Errorf("wrote %d bytes: %w", len(out), err)
			}
		}
		return nil
	}}
	return read, write, nil
}

// frames is the span out of a frame, as a Go step behind one in Python gets it, against
// the maps alone: made in their size and filled, with values that are there already. No
// reader of whatever format can do with less.
func frames() ([]job, error) {
	v := span()
	t := reflect.TypeFor[bench_steps.Span]()
	enc, err := frame.NewEncoder(t)
	if err != nil {
		return nil, err
	}
	dec, err := frame.NewDecoder(enc.Layout(), t)
	if err != nil {
		return nil, err
	}
	value, err := enc.Append(nil, unsafe.Pointer(&v))
	if err != nil {
		return nil, err
	}
	attributes, ofLink, meta := listed(v.Attributes), listed(v.Links[0].Attributes), listed(v.Meta)
	var kept bench_steps.Span // so that what is made lies on the heap
	read := func(n int) error {
		for range n {
			kept = bench_steps.Span{}
			if err := dec.Value(value, unsafe.Pointer(&kept)); err != nil {
				return err
			}
		}
		return nil
	}
	maps := func(n int) error {
		for range n {
			kept = v
			kept.Attributes = filled(attributes)
			kept.Links = []bench_steps.Link{v.Links[0]}
			kept.Links[0].Attributes = filled(ofLink)
			kept.Meta = filled(meta)
		}
		return nil
	}
	// A process with next to nothing on its heap collects every 4 MiB, which no process
	// with steps does: an extension has 16 MiB for that, a pipeline what it works on.
	alive := func(f func(n int) error) func(n int) error {
		return func(n int) error {
			if heap == nil {
				heap = make([]byte, 16<<20)
			}
			return f(n)
		}
	}
	return []job{
		{"span frame decode", []contestant{{"levada", read}, {"maps", maps}}},
		{"span frame with a heap", []contestant{{"levada", alive(read)}, {"maps", alive(maps)}}},
	}, nil
}

// heap is alive to the end once the last job has begun.
var heap []byte

type pair[V any] struct {
	key   string
	value V
}

func listed[V any](m map[string]V) []pair[V] {
	var out []pair[V]
	for k, v := range m {
		out = append(out, pair[V]{k, v})
	}
	return out
}

func filled[V any](pairs []pair[V]) map[string]V {
	out := make(map[string]V, len(pairs))
	for i := range pairs {
		out[pairs[i].key] = pairs[i].value
	}
	return out
}
