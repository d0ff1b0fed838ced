// Package metric_steps holds the steps of the metrics pipelines.
package metric_steps

import (
	"fmt"

	"github.com/levada-io/levada"
)

// IngestMetric is one data point of the topic ingest-metrics.
type IngestMetric struct {
	OrgID         uint64            `json:"org_id"`
	ProjectID     uint64            `json:"project_id"`
	Name          string            `json:"name"`
	Tags          map[string]string `json:"tags"`
	Timestamp     int64             `json:"timestamp"` // seconds since the epoch
	RetentionDays uint16            `json:"retention_days"`
	Type          string            `json:"type"` // c: counter, d: distribution, s: set, g: gauge
	Value         any               `json:"value"`
}

// Transformed is a data point that went through Transform.
type Transformed struct {
	IngestMetric
	Transformed bool `json:"transformed"`
}

// Sample is one tag of a data point.
type Sample struct {
	Name  string `json:"name"`
	Tag   string `json:"tag"`
	Value string `json:"value"`
}

// IsCounter keeps the counters.
func IsCounter(m levada.Message[IngestMetric]) (bool, error) {
	return m.Payload().Type == "c", nil
}

// Transform marks a data point as transformed.
func Transform(m levada.Message[IngestMetric]) (Transformed, error) {
	return Transformed{IngestMetric: m.Payload(), Transformed: true}, nil
}

// Kind is the type of a data point, to route by.
func Kind(m levada.Message[IngestMetric]) (string, error) {
	return m.Payload().Type, nil
}

// SplitTags yields a sample per tag, in the order of the tags' names.
func SplitTags(m levada.Message[IngestMetric]) ([]Sample, error) {
	p := m.Payload()
	out := make([]Sample, 0, len(p.Tags))
	for _, tag := range sortedKeys(p.Tags) {
		out = append(out, Sample{Name: p.Name, Tag: tag, Value: p.Tags[tag]})
	}
	return out, nil
}

// KeyByOrg makes the organisation the key of the record.
func KeyByOrg(m levada.Message[IngestMetric]) (levada.Message[IngestMetric], error) {
	return m.WithKey(fmt.Appendf(nil, "%d", m.Payload().OrgID)), nil
}

// Threshold keeps the data points whose value is above a limit.
type Threshold struct {
	Limit float64 `json:"limit"` // itself not included
}

// Apply implements the step.
func (t Threshold) Apply(m levada.Message[IngestMetric]) (bool, error) {
	switch v := m.Payload().Value.(type) {
	case float64:
		return v > t.Limit, nil
	case int64:
		return float64(v) > t.Limit, nil
	default:
		return false, fmt.Errorf("expected a number as the value of %s, got %T", m.Payload().Name, v)
	}
}
