//go:build e2e

package e2e

import (
	"context"
	"fmt"
	"os"
	"sync"
	"testing"

	"github.com/levada-io/levada/internal/testing/realkafka"
)

// shared is the real Kafka of the suite: one broker serves all tests, each with topics
// and groups of its own.
var shared struct {
	sync.Mutex
	kafka *realkafka.Kafka
}

func realKafka(t testing.TB) string {
	t.Helper()
	shared.Lock()
	defer shared.Unlock()
	if shared.kafka == nil {
		k, err := realkafka.Start(context.Background(), realkafka.Options{})
		if err != nil {
			t.Fatal(err)
		}
		shared.kafka = k
	}
	return shared.kafka.Addr()
}

func TestMain(m *testing.M) {
	code := m.Run()
	if shared.kafka != nil {
		if err := shared.kafka.Stop(); err != nil {
			fmt.Fprintln(os.Stderr, err)
			code = max(code, 1)
		}
	}
	os.Exit(code)
}
