// Package metric_steps holds the steps of the metrics team.
package metric_steps

import (
	"fmt"
	"iter"
	"time"

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
	Type          Type              `json:"type"`
	// Value is what was measured.
	Value any `json:"value"`
}

// Type is the kind of a metric.
type Type string

// The kinds of metrics.
const (
	Counter      Type = "c"
	Distribution Type = "d"
	Set          Type = "s"
)

// Transformed is a data point that went through Transform.
type Transformed struct {
	IngestMetric
	Transformed bool         `json:"transformed"`
	Seen        *time.Time   `json:"seen,omitzero"`
	Parent      *Transformed `json:"parent"`
}

// Transform marks a metric as transformed.
func Transform(m levada.Message[IngestMetric]) (Transformed, error) {
	return Transformed{IngestMetric: m.Payload(), Transformed: true}, nil
}

// IsCounter keeps counters.
func IsCounter(m levada.Message[IngestMetric]) (bool, error) { return m.Payload().Type == Counter, nil }

// Threshold keeps metrics above a limit.
type Threshold struct {
	Limit float64  `json:"limit"` // exclusive
	Names []string `json:"names"`
	Max   *int8
}

// Apply implements the step.
func (t *Threshold) Apply(m levada.Message[IngestMetric]) (bool, error) {
	v, ok := m.Payload().Value.(float64)
	if !ok {
		return false, fmt.Errorf("expected a number, got %T", m.Payload().Value)
	}
	return v > t.Limit, nil
}

// Split yields one metric per tag.
func Split(m levada.Message[IngestMetric]) ([]IngestMetric, error) { return nil, nil }

func Each(m levada.Message[IngestMetric]) (iter.Seq[string], error) { return nil, nil }

// ByOrg sets the key.
func ByOrg(m levada.Message[IngestMetric]) (levada.Message[IngestMetric], error) {
	return m.WithKey([]byte("x")), nil
}

// raw "quoted" \ text
func Raw(m levada.Message[[]byte]) ([]byte, error) { return m.Payload(), nil }

func helper(m levada.Message[IngestMetric], n int) int { return n }
