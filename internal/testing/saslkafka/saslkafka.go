// Package saslkafka starts a Kafka that wants to know who is there, for tests of what
// people read when it refuses them. The broker of levada broker asks nobody.
package saslkafka

import "github.com/twmb/franz-go/pkg/kfake"

// Start starts a cluster of one broker with the topics, which lets in one user by PLAIN.
// It is gone with stop.
func Start(user, password string, topics ...string) (addr string, stop func(), err error) {
	c, err := kfake.NewCluster(
		kfake.NumBrokers(1), kfake.EnableSASL(), kfake.Superuser("PLAIN", user, password),
		kfake.SeedTopics(1, topics...),
	)
	if err != nil {
		return "", nil, err
	}
	return c.ListenAddrs()[0], c.Close, nil
}
