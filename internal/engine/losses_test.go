package engine

import (
	"errors"
	"fmt"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"github.com/levada-io/levada/connector"
	"github.com/levada-io/levada/internal/program"
	"github.com/levada-io/levada/record"
)

// TestLossesModel: chunks over several partitions with dead letters anywhere in them. The
// run ends exactly when a record at a time would have ended it: at the first partition with
// so many in a row, or when the share of the last while is too large.
func TestLossesModel(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		limits := DeadLetterLimits{
			Consecutive: rapid.SampledFrom([]int{0, 1, 3, 20}).Draw(rt, "consecutive"),
			Ratio:       rapid.SampledFrom([]float64{0, 0.1, 0.5, 0.9}).Draw(rt, "ratio"),
		}
		often := rapid.SampledFrom([]int{0, 5, 40, 60, 95}).Draw(rt, "percent dead")
		e := &Engine{failed: make(chan struct{}), cfg: Config{Program: &program.Program{}}, losses: losses{limits: limits}}
		l := &lane{e: e}
		var parts [2]*partition
		for i := range parts {
			parts[i] = &partition{Partition: connector.Partition{Topic: "t", ID: int32(i)}}
		}

		streaks, offsets := [2]int{}, [2]int64{}
		type part struct{ records, dead int }
		window := []part{{}} // the model's: parts of at least a thousand records, ten at most
		for range rapid.IntRange(1, 40).Draw(rt, "chunks") {
			n := rapid.IntRange(1, 600).Draw(rt, "records")
			first := rapid.IntRange(0, n).Draw(rt, "of the first partition")
			recs := make([]record.Record, n)
			row, dead := "", 0
			var spans []record.Span
			var of []*partition
			for p, count := range []int{first, n - first} {
				if count == 0 {
					continue
				}
				spans = append(spans, record.Span{Topic: "t", Partition: int32(p), Lo: offsets[p], Hi: offsets[p] + int64(count)})
				of = append(of, parts[p])
				for k := range count {
					i := k
					if p == 1 {
						i += first
					}
					recs[i] = record.Record{Topic: "t", Partition: int32(p), Offset: offsets[p]}
					offsets[p]++
					if rapid.IntRange(0, 99).Draw(rt, "fate") >= often {
						streaks[p] = 0
						continue
					}
					dead++
					l.died(&trial{Failure: record.Failure{Source: &recs[i], Err: errors.New("no")}, calls: 1})
					if streaks[p]++; streaks[p] == limits.Consecutive && row == "" {
						row = fmt.Sprintf("%d records of t[%d] in a row", limits.Consecutive, p)
					}
				}
			}
			if window[len(window)-1].records >= 1000 {
				if window = append(window, part{}); len(window) > 10 {
					window = window[1:]
				}
			}
			window[len(window)-1].records += n
			window[len(window)-1].dead += dead
			all, lost := 0, 0
			for _, s := range window {
				all, lost = all+s.records, lost+s.dead
			}
			share := ""
			if limits.Ratio > 0 && dead > 0 && all >= 1000 && float64(lost) > limits.Ratio*float64(all) {
				share = fmt.Sprintf("%d of the last %d records", lost, all)
			}

			l.owe(&work{Chunk: &record.Chunk{Recs: recs, Spans: spans}, parts: of})
			l.tally()
			limit, ended := errors.AsType[*LimitError](e.failure())
			if share == "" && row == "" {
				if ended {
					rt.Fatalf("ended with %v, want it to go on", limit)
				}
				continue
			}
			// Where both are passed in one chunk, either may be told.
			is := func(want string) bool { return want != "" && strings.HasPrefix(limit.Limit, want) }
			if !ended || !is(share) && !is(row) {
				rt.Fatalf("got %v, want %q or %q", e.failure(), share, row)
			}
			return
		}
	})
}
