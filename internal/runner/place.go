package runner

import (
	"fmt"
	"io"
	"strings"

	"github.com/levada-io/levada/connector/kafka"
	"github.com/levada-io/levada/internal/deploy"
	"github.com/levada-io/levada/internal/engine"
)

// override puts what the command line says over the deployment.
func (f *flags) override(d *deploy.Config) {
	set := func(to *string, v string) {
		if v != "" {
			*to = v
		}
	}
	if f.brokers != "" {
		d.Kafka.Brokers = strings.Split(f.brokers, ",")
	}
	set(&d.Kafka.Group, f.group)
	set(&d.Kafka.Start, f.start)
	if f.lanes != 0 {
		d.Lanes = f.lanes
	}
}

// What a budget of memory leaves for each thing that waits: the rest is the runtime's,
// the client's, and what steps make of the records.
const (
	inFlightShare  = 16
	queuesShare    = 64
	batchShare     = 8
	fetchShare     = 16  // one answer of a broker
	partitionShare = 256 // of one partition in it, of which several wait at several places
)

// limitsOf are the engine's limits of a deployment.
func limitsOf(d *deploy.Config) engine.Limits {
	l := engine.Limits{
		ChunkRecords:  d.Limits.Chunk,
		QueueBytes:    int64(d.Limits.Queue),
		InFlightBytes: int64(d.Limits.InFlight),
		HeldBytes:     int64(d.Limits.Batch),
	}
	if m := int64(d.Memory); m > 0 {
		l.InFlightBytes = min(l.InFlightBytes, m/inFlightShare)
		l.HeldBytes = min(l.HeldBytes, m/batchShare)
		l.QueuesBytes = m / queuesShare
	}
	return l
}

// KafkaOptions are the connector's options of a deployment.
func KafkaOptions(k *deploy.Kafka, log io.Writer) *kafka.Options {
	o := &kafka.Options{
		Brokers:        k.Brokers,
		Insecure:       k.Insecure,
		Protocol:       k.Protocol,
		SessionTimeout: k.SessionTimeout,
		InstanceID:     k.InstanceID,
		OutOfRange:     k.OutOfRange,
		Partitioner:    k.Partitioner,
		Compression:    k.Compression,
		Unreachable:    k.Unreachable,
		Log:            func(format string, args ...any) { fmt.Fprintf(log, "levada: "+format+"\n", args...) },
	}
	if k.TLS != nil {
		o.TLS = &kafka.TLS{CA: k.TLS.CA, Cert: k.TLS.Cert, Key: k.TLS.Key, ServerName: k.TLS.ServerName}
	}
	if k.SASL != nil {
		o.SASL = &kafka.SASL{
			Mechanism: k.SASL.Mechanism, Username: k.SASL.Username,
			Password: kafka.NewSecret(k.SASL.Password.Reveal()),
		}
	}
	return o
}
