//go:build synctests && !planted_commit_before_ack && !planted_drop_on_retryable && !planted_overwrite_carried_over

package sim

import (
	"strings"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kmsg"
)

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
		// Members are killed with what is in flight and what the last commit was before:
		// here, with slow sinks and commits that fail, some hundreds. Not everything.
		if each := r.report.Duplicated.Count / *kills; each > 1000 {
			t.Errorf("%d records came again per kill, expected fewer than 1000", each)
		}
	})
}

// TestStops: members come and go, by SIGTERM only, and nothing comes twice.
//
// Fault: rebalances one after the other -> goes on: members that come and are stopped, on a simulated clock; nothing is lost or comes twice
func TestStops(t *testing.T) {
	eachSeed(t, func(t *testing.T, seed uint64) {
		r := run(t, seed, func(t *testing.T) *result {
			w := newWorld(t, seed)
			// A batch that is held when its partition goes is given up, and the other
			// branch delivers its records a second time.
			w.loose = true
			return w.play(3, func() {
				for range 40 {
					w.rest(6 * time.Second)
					w.reap()
					switch {
					case len(w.members) < 2 || len(w.members) < 5 && w.rng.IntN(2) == 0:
						w.join()
					default:
						w.term()
					}
				}
			})
		})
		if r.err != nil {
			t.Error(r.err)
		}
		if n := r.report.Duplicated.Count; n > 0 {
			t.Errorf("%d records came twice, expected none:\n%s", n, strings.Join(r.report.Duplicated.First, "\n"))
		}
	})
}

// TestEveryError: whatever error a broker answers a request with, the member goes on or
// ends and says why; nothing is lost, and the next one works.
//
// Fault: every error code on every request -> goes on: on a simulated clock; a member that ends says why, and the next one works
func TestEveryError(t *testing.T) {
	byKey := map[kmsg.Key][]errorCase{}
	for _, e := range errorCases() {
		byKey[e.key] = append(byKey[e.key], e)
	}
	for _, key := range asked {
		t.Run(key.Name(), func(t *testing.T) {
			r := run(t, uint64(key), func(t *testing.T) *result {
				w := newWorld(t, uint64(key))
				return w.play(1, func() {
					for _, e := range byKey[key] {
						if err := w.answer(e); err != nil {
							t.Errorf("%s answered with %s: %v", e.key.Name(), e.err.Message, err)
							return
						}
					}
				})
			})
			if r.err != nil {
				t.Error(r.err)
			}
		})
	}
}
