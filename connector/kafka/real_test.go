package kafka

import (
	"fmt"
	"os"
	"testing"
	"time"

	"github.com/levada-io/levada/connector"

	"github.com/levada-io/levada/internal/testing/realkafka"
)

// real starts a real Kafka where the environment asks for one. properties, if any,
// are of its configuration.
func real(t *testing.T, properties map[string]string) *realkafka.Kafka {
	t.Helper()
	if os.Getenv("LEVADA_REAL_KAFKA") != "1" {
		t.Skip("SKIPPED: LEVADA_REAL_KAFKA=1 runs the tests on a real Kafka")
	}
	k, err := realkafka.Start(t.Context(), realkafka.Options{Properties: properties})
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
	k := real(t, nil)
	c := &cluster{addr: k.Addr()}
	for _, b := range behaviours {
		t.Run(b.name, func(t *testing.T) { b.test(t, c) })
	}
	t.Run("CreateTopicRefused", func(t *testing.T) {
		err := admin(t, c).CreateTopic(t.Context(), "refused", 1, map[string]string{"retention.ms": "soon"})
		expect(t, err, connector.Misconfig, "INVALID_CONFIG")
	})
	t.Run("CompactedTopicWantsKey", func(t *testing.T) { testCompactedTopicWantsKey(t, c) })
	for _, protocol := range []string{CooperativeSticky, Range, KIP848} {
		t.Run("Conformance/"+protocol, func(t *testing.T) {
			conformance(t, c, func(o *Options) { o.Protocol = protocol })
		})
	}
}

// TestRealOutage kills a real broker and starts it again, while records flow.
//
// Fault: broker killed and started again -> goes on: a real broker, killed while records flow
func TestRealOutage(t *testing.T) {
	k := real(t, nil)
	c := &cluster{addr: k.Addr()}
	comesBack(t, c, c.topic(t, 2), func() {
		if err := k.Kill(); err != nil {
			t.Fatal(err)
		}
	}, func() {
		if err := k.Restart(t.Context()); err != nil {
			t.Fatal(err)
		}
	})
}

// TestRealSASL: a real broker says what is wrong, and it is said at once.
//
// Fault: wrong password -> exit 77: a real broker says so at once, says: SASL_AUTHENTICATION_FAILED
func TestRealSASL(t *testing.T) {
	const jaas = `org.apache.kafka.common.security.%s required username="admin" password="admin"`
	k := real(t, map[string]string{
		"listener.security.protocol.map":       "CONTROLLER:PLAINTEXT,PLAINTEXT:SASL_PLAINTEXT",
		"sasl.enabled.mechanisms":              "PLAIN,SCRAM-SHA-512",
		"sasl.mechanism.inter.broker.protocol": "PLAIN",
		"listener.name.plaintext.plain.sasl.jaas.config": fmt.Sprintf(jaas, "plain.PlainLoginModule") +
			` user_admin="admin" user_alice="right";`,
		"listener.name.plaintext.scram-sha-512.sasl.jaas.config": fmt.Sprintf(jaas, "scram.ScramLoginModule") + ";",
	})
	c := &cluster{addr: k.Addr()}
	login := func(mechanism, user, password string) func(*Options) {
		return func(o *Options) {
			o.Insecure = true
			if mechanism != "" {
				o.SASL = &SASL{mechanism, user, NewSecret(password)}
			}
		}
	}
	o := c.options(t)
	login(Plain, "alice", "right")(o)
	a, err := NewAdmin(o)
	if err != nil {
		t.Fatal(err)
	}
	defer a.Close(t.Context())
	if err := a.CreateTopic(t.Context(), "t", 1, nil); err != nil {
		t.Fatal(err)
	}
	for name, tc := range map[string]struct {
		login  func(*Options)
		reason connector.Reason
		texts  []string
	}{
		"right": {login(Plain, "alice", "right"), 0, nil},
		"wrong password": {login(Plain, "alice", "wrong"), connector.Unauthorized,
			[]string{"SASL_AUTHENTICATION_FAILED", "hint: check sasl.username and sasl.password"}},
		"unknown user": {login(ScramSHA512, "bob", "right"), connector.Unauthorized,
			[]string{"SASL_AUTHENTICATION_FAILED"}},
		"other mechanism": {login(ScramSHA256, "alice", "right"), connector.Misconfig,
			[]string{"UNSUPPORTED_SASL_MECHANISM", "hint: the broker offers other SASL mechanisms"}},
		"nothing": {login("", "", ""), connector.Misconfig, []string{"hint: check tls and sasl"}},
	} {
		t.Run(name, func(t *testing.T) {
			o := c.options(t)
			tc.login(o)
			began := time.Now()
			for end, err := range openBoth(t, o, "t") {
				if tc.reason == 0 {
					if err != nil {
						t.Errorf("%s: %v", end, err)
					}
					continue
				}
				expect(t, err, tc.reason, tc.texts...)
			}
			t.Logf("it took %v", time.Since(began))
			if took := time.Since(began); took > 30*time.Second {
				t.Errorf("it took %v to say so twice", took)
			}
		})
	}
}
