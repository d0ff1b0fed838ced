package realkafka

import (
	"context"
	"errors"
	"fmt"
)

// Cluster is several brokers that hold copies of each other's data; each is a
// controller, too. As long as most of them live the cluster does.
//
// # Concurrency
//
// As for Kafka, per broker.
type Cluster struct {
	brokers []*Kafka
}

// StartCluster starts n brokers as Start starts one. Topics are copied to three of them
// and take records while two have them.
//
// # Errors
//
// Those of Start.
func StartCluster(ctx context.Context, n int, opts Options) (*Cluster, error) {
	brokers, err := prepareAll(ctx, n, opts)
	if err != nil {
		return nil, err
	}
	c := &Cluster{brokers}
	if err := each(brokers, func(k *Kafka) error { return k.launch(ctx) }); err != nil {
		return nil, errors.Join(err, c.Stop())
	}
	return c, nil
}

// Broker is the one with a node id, as the protocol tells it; ids count from 1.
func (c *Cluster) Broker(node int32) (*Kafka, error) {
	if node < 1 || int(node) > len(c.brokers) {
		return nil, fmt.Errorf("realkafka: expected a node of 1 to %d, got %d", len(c.brokers), node)
	}
	return c.brokers[node-1], nil
}

// Addrs are the host:port of all brokers, running or not.
func (c *Cluster) Addrs() []string {
	addrs := make([]string, len(c.brokers))
	for i, k := range c.brokers {
		addrs[i] = k.addr
	}
	return addrs
}

// Stop ends the brokers and removes their data; a nil Cluster has none.
func (c *Cluster) Stop() error {
	if c == nil {
		return nil
	}
	return each(c.brokers, func(k *Kafka) error {
		// A clean stop of the last ones waits for a majority that is gone.
		return errors.Join(k.Kill(), k.Stop())
	})
}
