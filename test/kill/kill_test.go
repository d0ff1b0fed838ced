package main

import (
	"slices"
	"testing"
	"time"
)

// Every kill and every record that was asked for is dealt out, to whatever scenarios
// there are.
func TestPlanDealsEverything(t *testing.T) {
	for name, o := range map[string]options{
		"all":          {kills: 100, records: 5_000_000, python: "python"},
		"short":        {kills: 12, records: 300_000, python: "python"},
		"hardly any":   {kills: 2, records: 100, python: "python"},
		"no Python":    {kills: 12, records: 300_000},
		"one":          {kills: 7, records: 1000, python: "python", only: "three"},
		"with a fault": {kills: 3, records: 12_000, bug: "planted_x"},
	} {
		t.Run(name, func(t *testing.T) {
			kills, records := 0, 0
			for _, s := range plan(&o) {
				kills += s.faults
				records += s.records
				if s.python && o.python == "" {
					t.Errorf("%s: there is no Python", s.name)
				}
			}
			if kills != o.kills || records != o.records {
				t.Errorf("%d kills and %d records, want %d and %d", kills, records, o.kills, o.records)
			}
		})
	}
}

// Duplicates of members that were only told to stop can be told from others: they have a
// scenario of their own.
func TestATermIsAloneSomewhere(t *testing.T) {
	if !slices.ContainsFunc(plan(&options{kills: 12, records: 1, python: "python"}), (*scenario).term) {
		t.Error("expected a scenario in which members are only told to stop")
	}
}

func TestIDs(t *testing.T) {
	for text, want := range map[string][]int64{
		`{"timestamp":12,"type":"c"}`:                    {12},
		`{"a":"b","timestamp":0}`:                        {0},
		`[{"timestamp":7,"x":[1]},{"timestamp":700001}]`: {7, 700001},
	} {
		if got, err := idsOf(nil, []byte(text)); err != nil || !slices.Equal(got, want) {
			t.Errorf("%s: %v, %v; want %v", text, got, err, want)
		}
	}
	for _, text := range []string{`{}`, `{"timestamp":"x"}`, ``} {
		if got, err := idsOf(nil, []byte(text)); err == nil {
			t.Errorf("%s: %v, want an error", text, got)
		}
	}
}

func TestLastLine(t *testing.T) {
	got := total{kills: 1, records: 2, lost: 3, duplicated: 4, duplicatedTerm: 5, stall: 6500 * time.Millisecond}.String()
	if want := "kills=1 records=2 lost=3 duplicated=4 duplicated_on_sigterm=5 max_stall_s=6.5"; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
}
