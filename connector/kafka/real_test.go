package kafka

import (
	"os"
	"testing"

	"github.com/levada-io/levada/internal/testing/realkafka"
)

// real starts a real Kafka where the environment asks for one.
func real(t *testing.T) *realkafka.Kafka {
	t.Helper()
	if os.Getenv("LEVADA_REAL_KAFKA") != "1" {
		t.Skip("SKIPPED: LEVADA_REAL_KAFKA=1 runs the tests on a real Kafka")
	}
	k, err := realkafka.Start(t.Context(), realkafka.Options{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := k.Stop(); err != nil {
			t.Error(err)
		}
	})
	return k
}

// TestReal runs on one real Kafka what the embedded one is tested with, and what only
// a real one can show.
func TestReal(t *testing.T) {
	k := real(t)
	c := &cluster{addr: k.Addr()}
	for _, b := range behaviours {
		t.Run(b.name, func(t *testing.T) { b.test(t, c) })
	}
	t.Run("CompactedTopicWantsKey", func(t *testing.T) { testCompactedTopicWantsKey(t, c) })
	for _, protocol := range []string{CooperativeSticky, Range, KIP848} {
		t.Run("Conformance/"+protocol, func(t *testing.T) {
			conformance(t, c, func(o *Options) { o.Protocol = protocol })
		})
	}
}
