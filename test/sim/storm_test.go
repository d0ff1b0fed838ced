//go:build synctests && !planted_commit_before_ack && !planted_drop_on_retryable && !planted_overwrite_carried_over

package sim

import "testing"

// TestStorm: whatever happens to members, brokers and the lines between them, nothing is
// lost, nothing is committed early, and when it is over the group catches up.
//
// Fault: killed with SIGKILL -> goes on: members that vanish without leaving, on a simulated clock; nothing is lost or committed early
// Fault: rebalances one after the other -> goes on: on a simulated clock; nothing is lost or committed early
// Fault: dropped connection -> goes on: on a simulated clock; nothing is lost
// Fault: leaders move -> goes on: on a simulated clock; nothing is lost
func TestStorm(t *testing.T) {
	eachSeed(t, func(t *testing.T, seed uint64) {
		r := run(t, seed, func(t *testing.T) *result { return storm(t, seed, *kills) })
		if r.err != nil {
			t.Error(r.err)
		}
	})
}
