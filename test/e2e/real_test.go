//go:build e2e

package e2e

import (
	"context"
	"fmt"
	"os"
	"strings"
	"sync"
	"testing"

	"github.com/twmb/franz-go/pkg/kadm"

	"github.com/levada-io/levada/internal/testing/realkafka"
)

// shared are the real Kafkas of the suite: each serves all tests that want one like it,
// and each test has topics and groups of its own. The last two may be killed by a test,
// which then starts again what it killed.
var shared struct {
	sync.Mutex
	kafka, one *realkafka.Kafka
	three      *realkafka.Cluster
}

func realKafka(t testing.TB) string {
	t.Helper()
	return sharedBroker(t, &shared.kafka).Addr()
}

func sharedBroker(t testing.TB, at **realkafka.Kafka) *realkafka.Kafka {
	t.Helper()
	shared.Lock()
	defer shared.Unlock()
	if *at == nil {
		k, err := realkafka.Start(context.Background(), realkafka.Options{})
		if err != nil {
			t.Fatal(err)
		}
		*at = k
	}
	return *at
}

// onlyReal skips a test of what the embedded Kafka can not show.
func onlyReal(t testing.TB) {
	t.Helper()
	if os.Getenv("LEVADA_REAL_KAFKA") == "" {
		t.Skip("SKIPPED: LEVADA_REAL_KAFKA=1 runs the tests on a real Kafka")
	}
}

// oneBroker is a real Kafka that the test may kill.
func oneBroker(t testing.TB) (*cluster, *realkafka.Kafka) {
	t.Helper()
	onlyReal(t)
	k := sharedBroker(t, &shared.one)
	c := &cluster{t: t, addr: k.Addr()}
	c.admin = kadm.NewClient(c.client())
	return c, k
}

// threeBrokers is a real Kafka whose brokers the test may kill, one at a time.
func threeBrokers(t testing.TB) (*cluster, *realkafka.Cluster) {
	t.Helper()
	onlyReal(t)
	shared.Lock()
	defer shared.Unlock()
	if shared.three == nil {
		k, err := realkafka.StartCluster(context.Background(), 3, realkafka.Options{})
		if err != nil {
			t.Fatal(err)
		}
		shared.three = k
	}
	c := &cluster{t: t, addr: strings.Join(shared.three.Addrs(), ","), copies: 3}
	c.admin = kadm.NewClient(c.client())
	return c, shared.three
}

func TestMain(m *testing.M) {
	code := m.Run()
	for _, stop := range []func() error{shared.kafka.Stop, shared.one.Stop, shared.three.Stop} {
		if err := stop(); err != nil {
			fmt.Fprintln(os.Stderr, err)
			code = max(code, 1)
		}
	}
	os.Exit(code)
}
