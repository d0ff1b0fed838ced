package devnull_test

import (
	"errors"
	"testing"

	"github.com/levada-io/levada/connector"
	"github.com/levada-io/levada/connector/connectortest"
	"github.com/levada-io/levada/connector/devnull"
)

func TestConformance(t *testing.T) {
	connectortest.Exercise(t, connectortest.Features{WriteOnly: true}, func(t *testing.T) connectortest.System {
		return connectortest.System{
			Stream: "nowhere",
			Open: func(t *testing.T) connector.Session {
				s, err := devnull.Open(t.Context(), nil)
				if err != nil {
					t.Fatal(err)
				}
				return s
			},
		}
	})
}

func TestNothingToRead(t *testing.T) {
	s, err := devnull.Open(t.Context(), nil)
	if err != nil {
		t.Fatal(err)
	}
	_, err = s.Source(t.Context(), connector.SourceConfig{}, nil)
	if e, ok := errors.AsType[*connector.Error](err); !ok || e.Reason != connector.Misconfig {
		t.Errorf("got %v, want a misconfiguration", err)
	}
	if _, err := devnull.Open(t.Context(), "options"); err == nil {
		t.Error("options were accepted")
	}
}
