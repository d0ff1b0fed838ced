package protobuf

import (
	"testing"

	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/dynamicpb"

	"github.com/levada-io/levada/internal/frame"
	plans "github.com/levada-io/levada/plan"
)

// BenchmarkFrames prices messages of a schema that become frames, beside JSON and MessagePack of
// the same record, and the library's messages without a type.
func BenchmarkFrames(b *testing.B) {
	const schema = `syntax = "proto3";
message Metric {
  int64 org_id = 1; int64 project_id = 2; string name = 3; map<string, string> tags = 4;
  int64 timestamp = 5; int64 retention_days = 6; string type = 7; double value = 8;
}`
	c, err := Of(schema, nil, "")
	if err != nil {
		b.Fatal(err)
	}
	typ, types, err := c.Type(plans.Type{Kind: plans.TAny}, nil)
	if err != nil {
		b.Fatal(err)
	}
	l, err := frame.Compile(typ, types)
	if err != nil {
		b.Fatal(err)
	}
	own, err := c.Wire(l)
	if err != nil {
		b.Fatal(err)
	}
	value, err := l.ParseJSON(nil, []byte(`{"org_id":1,"project_id":3,"name":"c:sessions/session@none","tags":{"sdk":"raven-node/2.6.3","environment":"production","release":"sentry-test@1.0.0","session.status":"init"},"timestamp":1677512412,"retention_days":90,"type":"c","value":1}`))
	if err != nil {
		b.Fatal(err)
	}
	for _, w := range []struct {
		name string
		wire frame.Wire
	}{{"json", l.JSON(false)}, {"msgpack", l.Msgpack(false)}, {"protobuf", own}} {
		message, err := w.wire.Append(nil, value)
		if err != nil {
			b.Fatal(err)
		}
		const chunk = 100
		all := make([][]byte, chunk)
		for i := range all {
			all[i] = message
		}
		b.Run("read/"+w.name, func(b *testing.B) {
			b.ReportAllocs()
			for range b.N/chunk + 1 {
				if _, err := w.wire.Read(all, func(_ int, err error) { b.Fatal(err) }); err != nil {
					b.Fatal(err)
				}
			}
		})
		b.Run("write/"+w.name, func(b *testing.B) {
			b.ReportAllocs()
			buf := make([]byte, 0, 1024)
			for b.Loop() {
				if _, err := w.wire.Append(buf, value); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
	message, err := own.Append(nil, value)
	if err != nil {
		b.Fatal(err)
	}
	b.Run("read/dynamicpb", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			if err := proto.Unmarshal(message, dynamicpb.NewMessage(c.desc)); err != nil {
				b.Fatal(err)
			}
		}
	})
}
