// Package bench_steps holds the Go steps of the crossing bench: they do next to
// nothing, so that what is timed is the way there and back.
package bench_steps

import (
	"encoding/json/v2"

	"github.com/levada-io/levada"
	"github.com/levada-io/levada/bench/crossing/steps/pb"
)

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

// OwnMetric and OwnSpan cross as a team would make them by hand: as JSON of the standard
// library.
type (
	OwnMetric Metric
	OwnSpan   Span
)

// AppendFrame is what Python gets.
func (m OwnMetric) AppendFrame(b []byte) ([]byte, error) { return appendText(b, Metric(m)) }

// ReadFrame reads what Python returns.
func (m *OwnMetric) ReadFrame(b []byte) ([]byte, error) { return nil, json.Unmarshal(b, (*Metric)(m)) }

// AppendFrame is what Python gets.
func (s OwnSpan) AppendFrame(b []byte) ([]byte, error) { return appendText(b, Span(s)) }

// ReadFrame reads what Python returns.
func (s *OwnSpan) ReadFrame(b []byte) ([]byte, error) { return nil, json.Unmarshal(b, (*Span)(s)) }

func appendText(b []byte, v any) ([]byte, error) {
	text, err := json.Marshal(v)
	return append(b, text...), err
}

// TransformOwn marks a metric.
func TransformOwn(msg levada.Message[OwnMetric]) (OwnMetric, error) {
	m := msg.Payload()
	m.Transformed = true
	return m, nil
}

// TouchOwn marks a span.
func TouchOwn(msg levada.Message[OwnSpan]) (OwnSpan, error) {
	s := msg.Payload()
	s.IsRemote = true
	return s, nil
}

// TransformMessage marks a metric.
func TransformMessage(msg levada.Message[*pb.MetricMessage]) (*pb.MetricMessage, error) {
	msg.Payload().Transformed = true
	return msg.Payload(), nil
}

// TouchMessage marks a span.
func TouchMessage(msg levada.Message[*pb.SpanMessage]) (*pb.SpanMessage, error) {
	msg.Payload().IsRemote = true
	return msg.Payload(), nil
}

// MessageOfMetric makes a message of a metric.
func MessageOfMetric(msg levada.Message[Metric]) (*pb.MetricMessage, error) {
	m := msg.Payload()
	return &pb.MetricMessage{
		OrgId: m.OrgID, ProjectId: m.ProjectID, Name: m.Name, Tags: m.Tags, Timestamp: m.Timestamp,
		RetentionDays: m.RetentionDays, Type: m.Type, Value: m.Value,
	}, nil
}

// MessageOfSpan makes a message of a span; what an attribute is, its type says.
func MessageOfSpan(msg levada.Message[Span]) (*pb.SpanMessage, error) {
	s := msg.Payload()
	out := &pb.SpanMessage{
		OrganizationId: s.OrganizationID, ProjectId: s.ProjectID, TraceId: s.TraceID, SpanId: s.SpanID, Name: s.Name,
		Status: s.Status, StartTimestamp: s.StartTimestamp, EndTimestamp: s.EndTimestamp, RetentionDays: s.RetentionDays,
		Received: s.Received, Attributes: make(map[string]*pb.AttributeMessage, len(s.Attributes)), Meta: s.Meta,
	}
	for k, a := range s.Attributes {
		to := &pb.AttributeMessage{Type: a.Type}
		switch v := a.Value.(type) {
		case string:
			to.Text = v
		case int64:
			to.Integer = v
		case float64:
			to.Number = v
		case bool:
			to.Truth = v
		}
		out.Attributes[k] = to
	}
	for _, l := range s.Links {
		out.Links = append(out.Links, &pb.LinkMessage{TraceId: l.TraceID, SpanId: l.SpanID, Sampled: l.Sampled})
	}
	return out, nil
}

// Pass gives back what it got.
func Pass(msg levada.Message[[]byte]) ([]byte, error) { return msg.Payload(), nil }
