package protobuf_test

import (
	"bytes"
	"reflect"
	"testing"

	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/descriptorpb"

	"github.com/levada-io/levada/codec"
	"github.com/levada-io/levada/codec/prefix"
	"github.com/levada-io/levada/codec/protobuf"
	"github.com/levada-io/levada/plan/testdata/visitpb"
)

func set[T any](t *testing.T, settings string, writes bool, versions ...codec.Version) codec.Bound {
	t.Helper()
	c, err := protobuf.New().With([]byte(settings))
	if err != nil {
		t.Fatal(err)
	}
	if c, err = c.(codec.Registered).Registered(versions, writes); err != nil {
		t.Fatal(err)
	}
	b, err := c.Bind(reflect.TypeFor[T]())
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// Before a message stand the number of its schema and the place of its type in it.
func TestNumberAndPlace(t *testing.T) {
	const confluent = `{"prefix":"confluent","id":7}`
	for _, c := range []struct {
		head     string
		write    codec.Bound
		read     codec.Bound
		in, back proto.Message
	}{
		{"\x00\x00\x00\x00\x07\x00", set[visitpb.Part](t, confluent, true), set[visitpb.Part](t, confluent, false), &visitpb.Part{Sku: "x"}, &visitpb.Part{}},
		{"\x00\x00\x00\x00\x07\x02\x02", set[visitpb.Visit](t, confluent, true), set[visitpb.Visit](t, confluent, false), &visitpb.Visit{User: "x"}, &visitpb.Visit{}},
		// The first type within the third of the file.
		{"\x00\x00\x00\x00\x07\x04\x04\x00", set[descriptorpb.DescriptorProto_ExtensionRange](t, confluent, true), set[descriptorpb.DescriptorProto_ExtensionRange](t, confluent, false), &descriptorpb.DescriptorProto_ExtensionRange{Start: proto.Int32(3)}, &descriptorpb.DescriptorProto_ExtensionRange{}},
	} {
		message, err := c.write.Append([]byte("before"), c.in)
		if err != nil || !bytes.HasPrefix(message, []byte("before"+c.head)) {
			t.Errorf("%x, %v, want %x", message, err, c.head)
			continue
		}
		message = message[len("before"):]
		if err := c.read.Decode(message, c.back); err != nil || !proto.Equal(c.in, c.back) {
			t.Errorf("%v, %v", c.back, err)
		}
		for cut := range len(c.head) {
			if err := c.read.Decode(message[:cut], c.back); err == nil {
				t.Errorf("%d of %d bytes are read", cut, len(c.head))
			}
		}
	}
	read := set[visitpb.Part](t, confluent, false)
	// The first type may be spelled out.
	if err := read.Decode([]byte("\x00\x00\x00\x00\x07\x02\x00\x0a\x01x"), &visitpb.Part{}); err != nil {
		t.Error(err)
	}
	for message, want := range map[string]string{
		"\x00\x00\x00\x00\x07\x02\x02": "$: expected a message of type levada.test.Part, [0] in its schema, got one of type [1]",
		"\x00\x00\x00\x00\x08\x00":     "$: expected a message of schema 7, got one of schema 8, which is not known here",
		"\x00\x00\x00\x00\x07":         "$: expected the place of the type in its schema before the message, got no number",
		"\x00\x00\x00\x00\x07\x01":     "$: expected the place of the type in its schema before the message, got one of -1 levels",
		"\x00\x00\x00\x00\x07\xfe\x01": "$: expected the place of the type in its schema before the message, got one of 127 levels",
		"\x00\x00\x00\x00\x07\x04\x02": "$: expected the place of the type in its schema before the message, got no number",
		"\x0a\x01x":                    "$: expected the number of a schema in 5 bytes before the message, got 3 bytes",
		"\x00\x00\x00\x00\x07\x00\x0a": "$.sku: malformed protobuf at byte 1: the length does not end",
	} {
		if err := read.Decode([]byte(message), &visitpb.Part{}); err == nil || err.Error() != want {
			t.Errorf("%x:\n got %v\nwant %s", message, err, want)
		}
	}
	known := set[visitpb.Part](t, `{"prefix":"confluent"}`, true, codec.Version{ID: 3}, codec.Version{ID: 4})
	if got, err := known.Append(nil, &visitpb.Part{}); err != nil || string(got) != "\x00\x00\x00\x00\x04\x00" {
		t.Errorf("%x, %v", got, err)
	}
	c, err := protobuf.New().With([]byte(`{"prefix":"confluent"}`))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := c.(codec.Registered).Registered(nil, true); err != prefix.ErrNoID {
		t.Errorf("got %v", err)
	}
	for _, settings := range []string{`{"prefix":"single_object"}`, `{"strikt":true}`, `{"id":1}`} {
		if _, err := protobuf.New().With([]byte(settings)); err == nil {
			t.Errorf("%s is taken", settings)
		}
	}
}

// A strict parse refuses what the type does not know, wherever it is.
func TestStrict(t *testing.T) {
	read, loose := set[visitpb.Visit](t, `{"strict":true}`, false), bind[visitpb.Visit](t)
	for message, want := range map[string]string{
		"\x0a\x01x":                    "",
		"\x98\x06\x07":                 "$: expected fields of Visit, got field 99, which it does not have",
		"\x22\x00\x22\x03\x98\x06\x07": "$.parts[1]: expected fields of Part, got field 99, which it does not have",
		"\x42\x03\x98\x06\x07":         "$.at: expected fields of Timestamp, got field 99, which it does not have",
		"\x0a\x01x\x00":                "$: malformed protobuf at byte 3: expected a field",
	} {
		if err := read.Decode([]byte(message), &visitpb.Visit{}); want == "" && err != nil || want != "" && (err == nil || err.Error() != want) {
			t.Errorf("%x:\n got %v\nwant %s", message, err, want)
		}
		if err := loose.Decode([]byte(message), &visitpb.Visit{}); err != nil && message != "\x0a\x01x\x00" {
			t.Errorf("%x: %v", message, err)
		}
	}
	// Methods of vtprotobuf check no text, so that they do not read a strict message.
	if err := set[quick](t, `{"strict":true}`, false).Decode([]byte("\x0a\x01\xff"), &quick{}); err == nil {
		t.Error("text that is no UTF-8 is read")
	}
}
