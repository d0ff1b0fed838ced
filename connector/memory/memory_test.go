package memory_test

import (
	"testing"

	"go.uber.org/goleak"

	"github.com/levada-io/levada/connector"
	"github.com/levada-io/levada/connector/connectortest"
	"github.com/levada-io/levada/connector/memory"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func TestConformance(t *testing.T) {
	const limit = 1_000_000
	features := connectortest.Features{
		Keys: true, Headers: true, Nulls: true, Bytes: true, Timestamps: true,
		Groups: true, Latest: true, Members: true, Rewind: true, End: true, MaxRecord: limit,
	}
	connectortest.Exercise(t, features, func(t *testing.T) connectortest.System {
		store := memory.New()
		store.Create("stream", 3)
		store.Limit("stream", limit)
		return connectortest.System{
			Stream: "stream", Partitions: 3, Missing: "missing",
			Open: func(t *testing.T) connector.Session {
				s, err := store.Open(t.Context(), nil)
				if err != nil {
					t.Fatal(err)
				}
				return s
			},
			Lose: func(_ *testing.T, group string) { store.Lose(group) },
		}
	})
}
