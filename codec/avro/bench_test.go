package avro_test

import (
	"reflect"
	"testing"

	"github.com/levada-io/levada/codec"
	"github.com/levada-io/levada/codec/json"
	"github.com/levada-io/levada/codec/msgpack"
	"github.com/levada-io/levada/internal/frame"
	library "github.com/twmb/avro"
)

type metric struct {
	OrgID         int64             `json:"org_id" avro:"org_id"`
	ProjectID     int64             `json:"project_id" avro:"project_id"`
	Name          string            `json:"name" avro:"name"`
	Tags          map[string]string `json:"tags" avro:"tags"`
	Timestamp     int64             `json:"timestamp" avro:"timestamp"`
	RetentionDays int64             `json:"retention_days" avro:"retention_days"`
	Type          string            `json:"type" avro:"type"`
	Value         float64           `json:"value" avro:"value"`
}

const metricSchema = `{"type": "record", "name": "Metric", "fields": [{"name": "org_id", "type": "long"}, {"name": "project_id", "type": "long"}, {"name": "name", "type": "string"},
	{"name": "tags", "type": {"type": "map", "values": "string"}}, {"name": "timestamp", "type": "long"}, {"name": "retention_days", "type": "long"}, {"name": "type", "type": "string"}, {"name": "value", "type": "double"}]}`

// shuffledSchema has the fields of metricSchema, the last ones first.
const shuffledSchema = `{"type": "record", "name": "Metric", "fields": [{"name": "value", "type": "double"}, {"name": "type", "type": "string"}, {"name": "retention_days", "type": "long"}, {"name": "timestamp", "type": "long"},
	{"name": "tags", "type": {"type": "map", "values": "string"}}, {"name": "name", "type": "string"}, {"name": "project_id", "type": "long"}, {"name": "org_id", "type": "long"}]}`

func BenchmarkMetric(b *testing.B) {
	in := metric{
		OrgID: 1, ProjectID: 3, Name: "c:sessions/session@none",
		Tags:      map[string]string{"sdk": "raven-node/2.6.3", "environment": "production", "release": "sentry-test@1.0.0", "session.status": "init"},
		Timestamp: 1677512412, RetentionDays: 90, Type: "c", Value: 1,
	}
	for _, c := range []struct {
		name  string
		codec codec.Codec
	}{{"json", json.New()}, {"msgpack", msgpack.New()}, {"avro", of(b, metricSchema)}} {
		bound, err := c.codec.Bind(reflect.TypeFor[metric]())
		if err != nil {
			b.Fatal(err)
		}
		message, err := bound.Append(nil, &in)
		if err != nil {
			b.Fatal(err)
		}
		b.Run("decode/"+c.name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				var out metric
				if err := bound.Decode(message, &out); err != nil {
					b.Fatal(err)
				}
			}
		})
		b.Run("encode/"+c.name, func(b *testing.B) {
			b.ReportAllocs()
			buf := make([]byte, 0, 1024)
			for b.Loop() {
				if _, err := bound.Append(buf, &in); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
	theirs := library.MustParse(metricSchema)
	message, err := theirs.Encode(&in)
	if err != nil {
		b.Fatal(err)
	}
	b.Run("decode/library", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			var out metric
			if _, err := theirs.Decode(message, &out); err != nil {
				b.Fatal(err)
			}
		}
	})
}

// BenchmarkFrames prices messages that become frames, and frames that become messages, beside
// JSON and MessagePack of the same record. In shuffled the fields of the schema are in
// another order than the members of the type.
func BenchmarkFrames(b *testing.B) {
	l, err := frame.Of(reflect.TypeFor[metric]())
	if err != nil {
		b.Fatal(err)
	}
	value, err := l.ParseJSON(nil, []byte(`{"org_id":1,"project_id":3,"name":"c:sessions/session@none","tags":{"sdk":"raven-node/2.6.3","environment":"production","release":"sentry-test@1.0.0","session.status":"init"},"timestamp":1677512412,"retention_days":90,"type":"c","value":1}`))
	if err != nil {
		b.Fatal(err)
	}
	own, err := of(b, metricSchema).Wire(l)
	if err != nil {
		b.Fatal(err)
	}
	shuffled, err := of(b, shuffledSchema).Wire(l)
	if err != nil {
		b.Fatal(err)
	}
	for _, w := range []struct {
		name string
		wire frame.Wire
	}{{"json", l.JSON(false)}, {"msgpack", l.Msgpack(false)}, {"avro", own}, {"shuffled", shuffled}} {
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
}
