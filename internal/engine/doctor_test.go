package engine_test

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/levada-io/levada/connector"
	"github.com/levada-io/levada/internal/engine"
	"github.com/levada-io/levada/internal/program"
)

// moment is a snapshot of a run with one lane, one sink and the partition orders[3],
// which has records that no lane has taken.
func moment(change func(*engine.Status)) engine.Status {
	s := engine.Status{
		Connected: true, Shared: true,
		Partitions: []engine.PartitionStatus{{
			Partition: connector.Partition{Topic: "orders", ID: 3}, Epoch: 1,
			Frontier: 9120, Taken: 9120, Untaken: 10, Lag: 10,
		}},
		Lanes: []engine.LaneStatus{{}},
		Sinks: []engine.SinkStatus{{Step: "out", Origin: "p.py:20"}},
	}
	if change != nil {
		change(&s)
	}
	return s
}

// busy has the lane inside of an operator, with a chunk of the partition.
func busy(s *engine.Status) {
	s.Partitions[0].InFlight, s.Partitions[0].Taken = 1, 9130
	s.Partitions[0].Untaken = 0
	s.Lanes[0] = engine.LaneStatus{Calls: 7, Step: "enrich", Origin: "p.py:12"}
}

// waits has a message of the partition wait for its next call.
func waits(s *engine.Status) {
	s.Partitions[0].InFlight, s.Partitions[0].Taken = 1, 9130
	s.Partitions[0].Retrying, s.Partitions[0].RetryOrigin = "enrich", "p.py:12"
}

func both(a, b func(*engine.Status)) func(*engine.Status) {
	return func(s *engine.Status) { a(s); b(s) }
}

func away(i int, s *engine.Status) { s.Away = time.Duration(i) * time.Second }

// TestDoctor: the doctor looks each second at a run that stays as it is, but for the
// loop that polls.
func TestDoctor(t *testing.T) {
	other := connector.Partition{Topic: "orders", ID: 4}
	for _, tc := range []struct {
		name   string
		always func(*engine.Status)
		each   func(i int, s *engine.Status) // besides, at each look
		want   string                        // after 30 s; empty: no stall
	}{
		{"fetch", nil, nil, "orders[3]@9120: nothing was fetched for 30s, 10 records are there"},
		{"nothing to do", func(s *engine.Status) { s.Partitions[0].Untaken = 0 }, nil, ""},
		{"the end is not known", func(s *engine.Status) { s.Partitions[0].Untaken = -1 }, nil, ""},
		{"held by a batch", func(s *engine.Status) {
			s.Partitions[0].Taken, s.Partitions[0].Untaken = 9130, 0
		}, nil, ""},
		{"something is fetched each 20 s", nil, func(i int, s *engine.Status) {
			s.Partitions[0].Taken += int64(i / 20)
		}, ""},
		{"client", nil, func(_ int, s *engine.Status) { s.Polls = 5 },
			"orders[3]@9120: the client of the source has not returned from a poll for 30s"},
		{"client, nothing to do", func(s *engine.Status) { s.Partitions[0].Untaken = 0 }, func(_ int, s *engine.Status) { s.Polls = 5 },
			"no partition: the client of the source has not returned from a poll for 30s"},
		{"outage", func(s *engine.Status) { s.Partitions[0].Untaken = 0 }, away,
			"no partition: the source could not be reached for 30s"},
		{"outage, with records", nil, away, "orders[3]@9120: the source could not be reached for 30s"},
		{"outage, with something written", func(s *engine.Status) { s.Partitions[0].InFlight, s.Sinks[0].InFlight = 1, 1000 }, away,
			"orders[3]@9120: the source could not be reached for 30s"},
		{"outage, in a step", busy, away, `orders[3]@9120: step "enrich" (p.py:12) has been running for 30s
no partition: the source could not be reached for 30s`},
		{"step", busy, nil, `orders[3]@9120: step "enrich" (p.py:12) has been running for 30s`},
		{"step in Python", both(busy, func(s *engine.Status) { s.Lanes[0].Progress.Python = true }), nil,
			`orders[3]@9120: step "enrich" (p.py:12) has been running in Python for 30s`},
		{"step that takes 20 s for an element", busy, func(i int, s *engine.Status) { s.Lanes[0].Progress.Done = int64(i / 20) }, ""},
		{"retry", waits, nil, `orders[3]@9120: step "enrich" (p.py:12) has been waiting for its next try for 30s`},
		{"retry, while the lane works for others", waits, func(i int, s *engine.Status) { s.Lanes[0].Calls = int64(2 * i) },
			`orders[3]@9120: step "enrich" (p.py:12) has been waiting for its next try for 30s`},
		{"retry each 20 s", waits, func(i int, s *engine.Status) { s.Partitions[0].Tries = int64(i / 20) }, ""},
		{"GIL", both(busy, func(s *engine.Status) {
			s.Lanes[0].Progress = program.Progress{Python: true, Waiting: true}
			s.Lanes = append(s.Lanes, engine.LaneStatus{ID: 1, Step: "hold", Progress: program.Progress{Python: true}})
		}), nil, `orders[3]@9120: step "enrich" (p.py:12) has been waiting for the GIL for 30s, while step "hold" has it`},
		{"sink", func(s *engine.Status) { s.Partitions[0].InFlight, s.Sinks[0].InFlight = 1, 1000 }, nil,
			`orders[3]@9120: sink "out" (p.py:20) has acknowledged nothing for 30s`},
		{"sink that takes something each 20 s", func(s *engine.Status) { s.Partitions[0].InFlight, s.Sinks[0].InFlight = 1, 1000 },
			func(i int, s *engine.Status) {
				s.Sinks[0].Acked = int64(i / 20)
				s.Partitions[0].Frontier += int64(i / 20)
			}, ""},
		{"sink, while the lane works for others", func(s *engine.Status) { s.Partitions[0].InFlight, s.Sinks[0].InFlight = 1, 1000 },
			func(i int, s *engine.Status) { s.Lanes[0].Calls = int64(2 * i) },
			`orders[3]@9120: sink "out" (p.py:20) has acknowledged nothing for 30s`},
		{"queued behind others' work", func(s *engine.Status) { s.Partitions[0].QueuedBytes = 100 },
			func(i int, s *engine.Status) { s.Lanes[0].Calls = int64(2 * i) }, ""},
		{"fetch, while the lane works for others", nil, func(i int, s *engine.Status) { s.Lanes[0].Calls = int64(2 * i) },
			"orders[3]@9120: nothing was fetched for 30s, 10 records are there"},
		{"an idle lane with something queued", func(s *engine.Status) { s.Partitions[0].QueuedBytes = 100 }, nil,
			"orders[3]@9120: BUG: nothing of it runs and it waits for nothing, for 30s"},
		{"several", both(busy, func(s *engine.Status) {
			p := s.Partitions[0]
			p.Partition = other
			s.Partitions = append(s.Partitions, p)
		}), nil, `orders[3]@9120 and another partition: step "enrich" (p.py:12) has been running for 30s`},
		{"group", func(s *engine.Status) { s.Shared, s.Partitions = false, nil }, nil,
			"no partition: waiting for the group to share its partitions out for 30s"},
		{"not connected", func(s *engine.Status) { s.Connected, s.Shared, s.Partitions = false, false, nil }, nil, ""},
		{"no share", func(s *engine.Status) { s.Partitions = nil }, nil, ""},
		{"stopping", func(s *engine.Status) { s.Stopping = true }, nil, ""},
		{"stopping, with something in a step", both(busy, func(s *engine.Status) { s.Stopping = true }), nil,
			`orders[3]@9120: step "enrich" (p.py:12) has been running for 30s`},
		{"assigned anew", nil, func(i int, s *engine.Status) { s.Partitions[0].Epoch = int64(i / 20) }, ""},
	} {
		t.Run(tc.name, func(t *testing.T) {
			d := engine.NewDoctor(engine.Stall{ReportAfter: 30 * time.Second, ExitAfter: time.Minute})
			at := time.Unix(1000, 0)
			look := func(i int) ([]string, engine.Health) {
				s := moment(tc.always)
				s.At, s.Polls = at.Add(time.Duration(i)*time.Second), int64(i)
				if tc.each != nil {
					tc.each(i, &s)
				}
				told, h := d.Look(s)
				var texts []string
				for _, g := range told {
					texts = append(texts, []string{"", "ended: ", "fatal: "}[g.Phase]+g.String())
				}
				return texts, h
			}
			for i := range 30 {
				if told, _ := look(i); told != nil {
					t.Fatalf("after %d s: %q", i, told)
				}
			}
			var want []string
			if tc.want != "" {
				want = strings.Split(tc.want, "\n")
			}
			told, h := look(30)
			if !slices.Equal(told, want) {
				t.Fatalf("got  %q\nwant %q", told, want)
			}
			if tc.want == "" {
				for i := 31; i <= 120; i++ {
					if told, _ := look(i); told != nil {
						t.Fatalf("after %d s: %q", i, told)
					}
				}
				return
			}
			if h.Ready == nil {
				t.Error("ready, and stalled")
			}
			for i := 31; i < 60; i++ {
				if told, _ := look(i); told != nil {
					t.Fatalf("after %d s: %q", i, told)
				}
			}
			fatal := "fatal: " + strings.Replace(want[0], "30s", "1m0s", 1)
			if strings.HasSuffix(want[0], "could not be reached for 30s") {
				for i := 60; i < 3600; i++ {
					if told, _ := look(i); told != nil {
						t.Fatalf("after %d s: %q; the connector has a budget of its own", i, told)
					}
				}
				return
			}
			if told, _ := look(60); !slices.Equal(told, []string{fatal}) {
				t.Errorf("got  %q\nwant %q", told, fatal)
			}
			if told, _ := look(61); told != nil {
				t.Errorf("told again: %q", told)
			}
		})
	}
}

// TestDoctorAfterAnOutage: what was held up by an outage has its time again.
func TestDoctorAfterAnOutage(t *testing.T) {
	d := engine.NewDoctor(engine.Stall{ReportAfter: 10 * time.Second, ExitAfter: time.Minute})
	told := map[int]string{}
	for i := range 400 {
		s := moment(nil)
		s.At, s.Polls = time.Unix(int64(1000+i), 0), int64(i)
		if i < 200 {
			s.Away = time.Duration(i) * time.Second
		}
		if i >= 300 {
			s.Partitions[0].Untaken = 0
		}
		gs, _ := d.Look(s)
		for _, g := range gs {
			told[i] += fmt.Sprintf("%d %v; ", g.Phase, &g)
		}
	}
	want := map[int]string{
		10:  "0 orders[3]@9120: the source could not be reached for 10s; ",
		200: "1 orders[3]@9120: the source could not be reached for 3m19s; ",
		210: "0 orders[3]@9120: nothing was fetched for 10s, 10 records are there; ",
		260: "2 orders[3]@9120: nothing was fetched for 1m0s, 10 records are there; ",
		300: "1 orders[3]@9120: nothing was fetched for 1m39s, 10 records are there; ",
	}
	if fmt.Sprint(told) != fmt.Sprint(want) {
		t.Errorf("got  %v\nwant %v", told, want)
	}
}

// TestDoctorSlowThenBlocked: an hour of slow work is not held against the sink that
// blocks after it.
func TestDoctorSlowThenBlocked(t *testing.T) {
	d := engine.NewDoctor(engine.Stall{ReportAfter: 10 * time.Second, ExitAfter: time.Minute})
	told := map[int]string{}
	for i := range 3800 {
		s := moment(busy)
		s.At, s.Polls = time.Unix(int64(1000+i), 0), int64(i)
		s.Lanes[0].Progress.Done = int64(i)
		if i >= 3600 {
			s.Lanes[0] = engine.LaneStatus{Calls: int64(2 * i)} // works for others
			s.Sinks[0].InFlight = 1000
		}
		gs, _ := d.Look(s)
		for _, g := range gs {
			told[i] += fmt.Sprintf("%d %v %v; ", g.Phase, g.Stuck, &g)
		}
	}
	want := map[int]string{
		3610: `0 10s orders[3]@9120: sink "out" (p.py:20) has acknowledged nothing for 10s; `,
		3660: `2 1m0s orders[3]@9120: sink "out" (p.py:20) has acknowledged nothing for 1m0s; `,
	}
	if fmt.Sprint(told) != fmt.Sprint(want) {
		t.Errorf("got  %v\nwant %v", told, want)
	}
}

// TestDoctorEnd: a stall is over when the last of its partitions moves, and what else
// comes to stand still for the same cause belongs to it.
func TestDoctorEnd(t *testing.T) {
	d := engine.NewDoctor(engine.Stall{ReportAfter: 10 * time.Second})
	told := map[int]string{}
	for i := range 60 {
		s := moment(busy)
		s.At, s.Polls = time.Unix(int64(1000+i), 0), int64(i)
		p := s.Partitions[0]
		p.ID = 4
		p.Frontier += int64(min(i, 15))
		s.Partitions = append(s.Partitions, p)
		if i >= 40 {
			s.Partitions[0].InFlight = 0
		}
		if i >= 50 {
			s.Partitions[1].InFlight = 0
		}
		gs, h := d.Look(s)
		for _, g := range gs {
			told[i] += fmt.Sprint(g.Phase, " ", &g)
		}
		if stalled := i >= 10 && i < 50; (h.Ready != nil) != stalled {
			t.Errorf("after %d s: ready: %v", i, h.Ready)
		}
	}
	want := map[int]string{
		10: `0 orders[3]@9120: step "enrich" (p.py:12) has been running for 10s`,
		50: `1 orders[4]@9135: step "enrich" (p.py:12) has been running for 49s`,
	}
	if fmt.Sprint(told) != fmt.Sprint(want) {
		t.Errorf("got  %v\nwant %v", told, want)
	}
}

// TestHealth: each loop that does not turn is told from one that has nothing to do.
func TestHealth(t *testing.T) {
	for _, tc := range []struct {
		name        string
		change      func(i int, s *engine.Status)
		live, ready string // after two minutes
	}{
		{"all is well", func(i int, s *engine.Status) {}, "", ""},
		{"lane", func(i int, s *engine.Status) { s.Lanes[0].Turns = 1 }, "lane 0 has not turned for 2m0s", ""},
		{"lane in a step", func(i int, s *engine.Status) {
			s.Lanes[0] = engine.LaneStatus{Turns: 1, Calls: 1, Step: "enrich", Origin: "p.py:12"}
		}, `lane 0 has not turned for 2m0s, it is in step "enrich" (p.py:12)`, ""},
		{"lane in a slow step", func(i int, s *engine.Status) {
			s.Lanes[0] = engine.LaneStatus{Turns: 1, Calls: 1, Step: "enrich", Progress: program.Progress{Done: int64(i / 50)}}
		}, "", ""},
		{"poll", func(i int, s *engine.Status) { s.Polls = 1 }, "the source has not been polled for 2m0s",
			"stalled: no partition: the client of the source has not returned from a poll for 2m0s"},
		{"not connected", func(i int, s *engine.Status) { s.Connected, s.Polls = false, 0 }, "", "not connected yet"},
		{"stopping", func(i int, s *engine.Status) { s.Stopping = true }, "", "stopping"},
		{"failed", func(i int, s *engine.Status) { s.Failure = errors.New("gone") }, "", "the run has failed and ends"},
		{"no share yet", func(i int, s *engine.Status) { s.Shared = false }, "", "the group has not shared its partitions out yet"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			d := engine.NewDoctor(engine.Stall{ReportAfter: 30 * time.Second})
			var h engine.Health
			for i := range 121 {
				s := moment(func(s *engine.Status) { s.Partitions = nil })
				s.At, s.Polls, s.Lanes[0].Turns = time.Unix(int64(1000+i), 0), int64(i), int64(i)
				tc.change(i, &s)
				_, h = d.Look(s)
			}
			text := func(err error) string {
				if err == nil {
					return ""
				}
				return err.Error()
			}
			if text(h.Live) != tc.live || text(h.Ready) != tc.ready {
				t.Errorf("got  live %q, ready %q\nwant live %q, ready %q", text(h.Live), text(h.Ready), tc.live, tc.ready)
			}
		})
	}
}
