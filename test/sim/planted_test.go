//go:build synctests && (planted_commit_before_ack || planted_drop_on_retryable || planted_overwrite_carried_over)

package sim

import (
	"fmt"
	"strings"
	"testing"
)

// TestPlanted is run with a bug in the engine or the connector: a simulation that does
// not see it would not see another one either.
func TestPlanted(t *testing.T) {
	const tries = 5
	for s := range uint64(tries) {
		r := run(t, s+1, func(t *testing.T) *result { return storm(t, s+1, *kills) })
		if r.err == nil {
			continue
		}
		if r.report.Err() == nil {
			t.Fatalf("seed %d: expected the books to show the bug, got %v", s+1, r.err)
		}
		t.Logf("caught by seed %d: %s", s+1, strings.SplitN(fmt.Sprint(r.report.Err()), "\n", 2)[0])
		return
	}
	t.Errorf("expected the planted bug to be caught, and %d seeds have not seen it", tries)
}
