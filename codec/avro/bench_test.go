package avro_test

import (
	"reflect"
	"testing"

	"github.com/levada-io/levada/codec"
	"github.com/levada-io/levada/codec/json"
	"github.com/levada-io/levada/codec/msgpack"
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
