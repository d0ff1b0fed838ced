package msgpack_test

import (
	"testing"

	"github.com/levada-io/levada/codec"
	"github.com/levada-io/levada/codec/json"
	"github.com/levada-io/levada/codec/msgpack"
)

type metric struct {
	OrgID         uint64            `json:"org_id"`
	ProjectID     uint64            `json:"project_id"`
	Name          string            `json:"name"`
	Tags          map[string]string `json:"tags"`
	Timestamp     int64             `json:"timestamp"`
	RetentionDays int               `json:"retention_days"`
	Type          string            `json:"type"`
	Value         float64           `json:"value"`
}

type span struct {
	OrganizationID uint64            `json:"organization_id"`
	ProjectID      uint64            `json:"project_id"`
	TraceID        string            `json:"trace_id"`
	SpanID         string            `json:"span_id"`
	ParentSpanID   *string           `json:"parent_span_id"`
	IsSegment      bool              `json:"is_segment"`
	StartTimestamp float64           `json:"start_timestamp"`
	EndTimestamp   float64           `json:"end_timestamp"`
	DurationMS     uint32            `json:"duration_ms"`
	RetentionDays  uint16            `json:"retention_days"`
	Description    string            `json:"description"`
	Tags           map[string]string `json:"tags"`
	SentryTags     map[string]string `json:"sentry_tags"`
	Measurements   map[string]number `json:"measurements"`
	Data           map[string]any    `json:"data"`
	Links          []link            `json:"links,omitempty"`
}

type number struct {
	Value float64 `json:"value"`
	Unit  string  `json:"unit,omitempty"`
}

type link struct {
	TraceID    string            `json:"trace_id"`
	SpanID     string            `json:"span_id"`
	Sampled    bool              `json:"sampled"`
	Attributes map[string]string `json:"attributes"`
}

func aMetric() metric {
	return metric{
		OrgID: 1, ProjectID: 3, Name: "c:sessions/session@none",
		Tags:      map[string]string{"sdk": "raven-node/2.6.3", "environment": "production", "release": "sentry-test@1.0.0", "session.status": "init"},
		Timestamp: 1677512412, RetentionDays: 90, Type: "c", Value: 1,
	}
}

func aSpan() span {
	parent := "8873a98879faf06d"
	return span{
		OrganizationID: 69, ProjectID: 1, TraceID: "d099bf9ad5a143cf8f83a98081d0ed3b", SpanID: "95acbf6d30a66717", ParentSpanID: &parent,
		StartTimestamp: 1715868485.371, EndTimestamp: 1715868486.370551, DurationMS: 999, RetentionDays: 90,
		Description: "POST https://sentry.example.com/api/0/relays/projectconfigs/?version=3",
		Tags: map[string]string{
			"http.status_code": "200", "relay_endpoint_version": "3", "relay_id": "88888888-4444-4444-8444-cccccccccccc",
			"relay_no_cache": "False", "relay_protocol_version": "3", "relay_use_post_or_schedule": "True",
			"relay_use_post_or_schedule_rejected": "version", "spans_over_limit": "False", "server_name": "blah.example.com",
		},
		SentryTags: map[string]string{
			"category": "http", "normalized_description": "POST https://*.example.com", "domain": "*.example.com",
			"environment": "canary", "group": "c37fb19ce07d8a4b", "http.method": "POST", "op": "http.client",
			"platform": "python", "release": "backend@24.7.0.dev0+c45b49caed1e5fcbf70097ab3f434b487c359b6b",
			"sdk.name": "sentry.python.django", "sdk.version": "2.7.0", "status": "ok", "status_code": "200",
			"system": "python", "transaction": "/api/0/relays/projectconfigs/", "user": "ip:70.113.39.48",
		},
		Measurements: map[string]number{"num_of_spans": {Value: 50}, "client_sample_rate": {Value: 0.1}, "fcp": {Value: 812.5, Unit: "millisecond"}},
		Data:         map[string]any{"thread.id": "8522009600", "thread.name": "uWSGIWorker1Core0", "n": int64(17), "f": 0.5, "list": []any{int64(1), "two", nil, true}},
		Links:        []link{{"d099bf9ad5a143cf8f83a98081d0ed3b", "8873a98879faf06d", true, map[string]string{"sentry.link.type": "parent"}}},
	}
}

func BenchmarkMetric(b *testing.B) { compare(b, aMetric()) }
func BenchmarkSpan(b *testing.B)   { compare(b, aSpan()) }

// compare has both codecs in one run, because only then their figures say something of
// each other.
func compare[T any](b *testing.B, v T) {
	for _, c := range []struct {
		name  string
		codec codec.Codec
	}{{"msgpack", msgpack.New()}, {"json", json.New()}} {
		bound := bind[T](b, c.codec)
		message, err := bound.Append(nil, &v)
		if err != nil {
			b.Fatal(err)
		}
		buf := make([]byte, 0, 1<<14)
		b.Run("decode/"+c.name, func(b *testing.B) {
			b.ReportAllocs()
			b.SetBytes(int64(len(message)))
			for b.Loop() {
				var x T
				if err := bound.Decode(message, &x); err != nil {
					b.Fatal(err)
				}
			}
		})
		b.Run("encode/"+c.name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				if _, err := bound.Append(buf, &v); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
