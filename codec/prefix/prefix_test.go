package prefix_test

import (
	"reflect"
	"strings"
	"testing"

	"github.com/levada-io/levada/codec"
	"github.com/levada-io/levada/codec/json"
	"github.com/levada-io/levada/codec/msgpack"
	"github.com/levada-io/levada/codec/prefix"
	"github.com/levada-io/levada/codec/protobuf"
	"github.com/levada-io/levada/internal/frame"
)

func numbered(t *testing.T, c codec.Adjustable, settings string, writes bool, versions ...codec.Version) codec.Codec {
	t.Helper()
	with, err := c.With([]byte(settings))
	if err != nil {
		t.Fatal(err)
	}
	out, err := with.(codec.Registered).Registered(versions, writes)
	if err != nil {
		t.Fatal(err)
	}
	return out
}

// A value is behind its number, in Go and in frames, and nothing else is read.
func TestNumberBeforeTheMessage(t *testing.T) {
	for name, c := range map[string]codec.Adjustable{"json": json.New(), "msgpack": msgpack.New()} {
		versions := []codec.Version{{ID: 3}, {ID: 1 << 20}}
		write := numbered(t, c, `{"prefix":"confluent"}`, true, versions...)
		read := numbered(t, c, `{"prefix":"confluent"}`, false, versions...)
		w, err := write.Bind(reflect.TypeFor[string]())
		if err != nil {
			t.Fatal(err)
		}
		r, err := read.Bind(reflect.TypeFor[string]())
		if err != nil {
			t.Fatal(err)
		}
		in := "x"
		message, err := w.Append([]byte("before"), &in)
		message = message[len("before"):]
		if err != nil || !strings.HasPrefix(string(message), "\x00\x00\x10\x00\x00") {
			t.Fatalf("%s: %x, %v", name, message, err)
		}
		for _, id := range []string{string(message[:5]), "\x00\x00\x00\x00\x03"} {
			var out string
			if err := r.Decode([]byte(id+string(message[5:])), &out); err != nil || out != in {
				t.Errorf("%s: %q, %v", name, out, err)
			}
		}
		for cut := range message {
			if err := r.Decode(message[:cut], new(string)); err == nil {
				t.Errorf("%s: %d bytes are read", name, cut)
			}
		}
		if err := r.Decode(nil, new(string)); err == nil || !strings.Contains(err.Error(), "expected a ") {
			t.Errorf("%s: null: %v", name, err)
		}
		if err := r.Decode([]byte("\x00\x00\x00\x00\x04x"), new(string)); err == nil || err.Error() != "$: expected a message of schema 3 or 1048576, got one of schema 4, which is not known here" {
			t.Errorf("%s: got %v", name, err)
		}

		wire, err := read.(interface {
			Wire(*frame.Layout) (frame.Wire, error)
		}).Wire(frame.Any())
		if err != nil {
			t.Fatal(err)
		}
		var failed []int
		col, err := wire.Read([][]byte{nil, message, {1}, []byte("\x00\x00\x00\x00\x03"), message}, func(i int, _ error) { failed = append(failed, i) })
		if err != nil || col.Len() != 2 || !reflect.DeepEqual(failed, []int{0, 2, 3}) {
			t.Fatalf("%s: %v, %v", name, err, failed)
		}
		wire, err = write.(interface {
			Wire(*frame.Layout) (frame.Wire, error)
		}).Wire(frame.Any())
		if err != nil {
			t.Fatal(err)
		}
		if got, err := wire.Append([]byte("before"), col.Value(1)); err != nil || string(got) != "before"+string(message) {
			t.Errorf("%s: %x, %v", name, got, err)
		}
	}
}

// What stands for several messages in a dead letter has no number.
func TestBare(t *testing.T) {
	c := numbered(t, json.New(), `{"prefix":"confluent","strict":true}`, false)
	b, err := c.(prefix.Bare).Bare().Bind(reflect.TypeFor[string]())
	if err != nil {
		t.Fatal(err)
	}
	in := "x"
	if got, err := b.Append(nil, &in); err != nil || string(got) != `"x"` {
		t.Errorf("%s, %v", got, err)
	}
	// A parse that knows no number reads any; whoever wrote with it would invent one.
	b, err = c.Bind(reflect.TypeFor[string]())
	if err != nil {
		t.Fatal(err)
	}
	if err := b.Decode([]byte("\x00\x00\x00\x00\x09\"x\""), new(string)); err != nil {
		t.Error(err)
	}
	if _, err := b.Append(nil, &in); err != prefix.ErrNoID {
		t.Errorf("got %v", err)
	}
}

func TestManyNumbers(t *testing.T) {
	ids := prefix.IDs{1, 2, 3, 4, 5, 6, 7, 8, 9, 10}
	if got := ids.String(); got != "1, 2, 3, 4, 5, 6, 7, 8 or 2 others" {
		t.Errorf("got %s", got)
	}
	if got := (prefix.IDs{1}).String(); got != "1" {
		t.Errorf("got %s", got)
	}
}

// TestSettings: what a step does not name stays, and what no codec has is refused.
func TestSettings(t *testing.T) {
	for _, c := range []codec.Adjustable{&json.Codec{Strict: true}, &msgpack.Codec{Strict: true}} {
		for settings, want := range map[string]codec.Adjustable{`{}`: c, `{"strict":true}`: c} {
			if got, err := c.With([]byte(settings)); err != nil || !reflect.DeepEqual(got, want) {
				t.Errorf("%T with %s: %+v, %v", c, settings, got, err)
			}
		}
		loose, err := c.With([]byte(`{"strict":false}`))
		if err != nil || reflect.DeepEqual(loose, c) || reflect.TypeOf(loose) != reflect.TypeOf(c) {
			t.Errorf("%T, not strict: %+v, %v", c, loose, err)
		}
		behind, err := c.With([]byte(`{"prefix":"confluent"}`))
		if err != nil {
			t.Fatal(err)
		}
		if got := behind.(prefix.Bare).Bare(); !reflect.DeepEqual(got, c) {
			t.Errorf("%T behind a prefix: %+v", c, got)
		}
	}
	for _, c := range []codec.Adjustable{json.New(), msgpack.New(), protobuf.New()} {
		has := "strict (true or false), prefix and id: "
		if _, ok := c.(*json.Codec); ok {
			has = "strict and std (true or false), prefix and id: "
		}
		for settings, want := range map[string]string{
			`{"strikt":true}`:                         `unknown object member name "strikt"`,
			`{"strict":1}`:                            "expected the settings " + has,
			`{"prefix":"avro"}`:                       `prefix: expected confluent, got "avro"`,
			`{"id":3}`:                                `id: expected prefix confluent beside it, got ""`,
			`{"prefix":"confluent","id":-1}`:          "id: expected the number of a schema, 1 to 2147483647, got -1",
			`{"prefix":"confluent","id":12147483647}`: "got 12147483647",
		} {
			if got, err := c.With([]byte(settings)); err == nil || !strings.Contains(err.Error(), want) {
				t.Errorf("%T with %s: %+v, %v", c, settings, got, err)
			}
		}
	}
}
