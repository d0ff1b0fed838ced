// Package bench_steps holds the Go steps of the crossing bench: they do next to
// nothing, so that what is timed is the way there and back.
package bench_steps

import "github.com/levada-io/levada"

// Metric is a record of about 250 bytes of JSON.
type Metric struct {
	OrgID         uint64            `json:"org_id"`
	ProjectID     uint64            `json:"project_id"`
	Name          string            `json:"name"`
	Tags          map[string]string `json:"tags"`
	Timestamp     int64             `json:"timestamp"`
	RetentionDays int64             `json:"retention_days"`
	Type          string            `json:"type"`
	Value         float64           `json:"value"`
	Transformed   bool              `json:"transformed,omitzero"`
}

// Attribute is a typed value of a span.
type Attribute struct {
	Type  string `json:"type"`
	Value any    `json:"value"`
}

// Link is a span that another one refers to.
type Link struct {
	TraceID    string         `json:"trace_id"`
	SpanID     string         `json:"span_id"`
	Sampled    bool           `json:"sampled"`
	Attributes map[string]any `json:"attributes"`
}

// Span is a nested record of about 1.7 kB of JSON.
type Span struct {
	OrganizationID uint64               `json:"organization_id"`
	ProjectID      uint64               `json:"project_id"`
	TraceID        string               `json:"trace_id"`
	SpanID         string               `json:"span_id"`
	ParentSpanID   *string              `json:"parent_span_id"`
	Name           string               `json:"name"`
	Status         string               `json:"status"`
	IsRemote       bool                 `json:"is_remote"`
	StartTimestamp float64              `json:"start_timestamp"`
	EndTimestamp   float64              `json:"end_timestamp"`
	RetentionDays  int64                `json:"retention_days"`
	Received       float64              `json:"received"`
	Attributes     map[string]Attribute `json:"attributes"`
	Links          []Link               `json:"links"`
	Meta           map[string]string    `json:"meta"`
}

// Transform marks a metric.
func Transform(msg levada.Message[Metric]) (Metric, error) {
	m := msg.Payload()
	m.Transformed = true
	return m, nil
}

// TouchSpan marks a span.
func TouchSpan(msg levada.Message[Span]) (Span, error) {
	s := msg.Payload()
	s.IsRemote = true
	return s, nil
}

// Burn keeps a core busy for some tens of microseconds and gives back what it got.
func Burn(msg levada.Message[[]byte]) ([]byte, error) {
	b := msg.Payload()
	h := uint64(14695981039346656037)
	for range 100 {
		for _, c := range b {
			h = (h ^ uint64(c)) * 1099511628211
		}
	}
	if h == 0 { // never; so that the work is not left out
		return nil, nil
	}
	return b, nil
}
