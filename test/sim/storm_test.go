//go:build synctests && !planted_commit_before_ack && !planted_drop_on_retryable && !planted_overwrite_carried_over

package sim

import (
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kfake"
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
func TestStops(t *testing.T) {
	eachSeed(t, func(t *testing.T, seed uint64) {
		r := run(t, seed, func(t *testing.T) *result {
			w := newWorld(t, seed)
			// A batch that is held when its partition goes is given up, and the other
			// branch delivers its records a second time.
			w.loose = true
			return w.play(3, func() {
				for range 40 {
					time.Sleep(time.Duration(w.rng.IntN(6000)) * time.Millisecond)
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

// answer has brokers answer with an error while a member starts, works and stops, and
// waits until the group has caught up without it.
func (w *world) answer(e errorCase) error {
	w.say("%s is answered with %s", e.key.Name(), e.err.Message)
	fault := kfake.Fault{Keys: []kmsg.Key{e.key}, Err: e.err, Count: 2, When: w.cluster.ofMembers}
	w.faults = append(w.faults, w.cluster.Fault(fault))
	fault.TopLevel = true
	w.faults = append(w.faults, w.cluster.Fault(fault))
	if len(w.members) > 1 {
		w.term()
	}
	w.join()
	if e.key == kmsg.OffsetForLeaderEpoch {
		for p := range int32(inParts) {
			if err := w.cluster.MoveTopicPartition(inputs, p, w.up()); err != nil {
				return err
			}
		}
	}
	time.Sleep(3 * time.Second)
	hits := 0
	for _, f := range w.faults {
		hits += f.Hits()
	}
	w.clear()
	if hits > 0 {
		w.counts.faults++
	}
	before := w.cluster.positions()
	for limit := time.Now().Add(settleFor); ; time.Sleep(200 * time.Millisecond) {
		w.reap()
		if len(w.members) == 0 {
			w.join()
		}
		moved := 0
		for p, at := range w.cluster.positions() {
			if at > before[p] {
				moved++
			}
		}
		if moved == inParts {
			return nil
		}
		if time.Now().After(limit) {
			return errors.New(fmt.Sprint("nothing moves afterwards\n", w.cluster.describe()))
		}
	}
}
