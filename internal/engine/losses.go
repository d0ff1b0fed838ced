package engine

import (
	"fmt"
	"slices"
	"sync"

	"github.com/levada-io/levada/record"
)

// DeadLetterLimits end a run that would else drain a topic into its dead letters. Zero
// is no limit.
type DeadLetterLimits struct {
	Consecutive int     // dead letters of one partition in a row
	Ratio       float64 // dead letters to records, over the last 10,000 records
}

const (
	lossWindow = 10_000
	lossSlots  = 10
	lossFirst  = 1000 // records, before which no ratio is judged
)

// losses is the share of dead letters among the records of the last while, over all
// lanes. Its lock is taken once per chunk, and only where there are dead letters at all.
type losses struct {
	limits DeadLetterLimits

	mu    sync.Mutex // guards all below
	slots [lossSlots]struct{ records, dead int }
	at    int
}

// add counts what became of a chunk and says which limit is passed; empty: none.
func (l *losses) add(records, dead int) string {
	if l.limits.Ratio <= 0 {
		return ""
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.slots[l.at].records >= lossWindow/lossSlots {
		l.at = (l.at + 1) % lossSlots
		l.slots[l.at].records, l.slots[l.at].dead = 0, 0
	}
	l.slots[l.at].records += records
	l.slots[l.at].dead += dead
	all, lost := 0, 0
	for _, s := range l.slots {
		all, lost = all+s.records, lost+s.dead
	}
	if dead == 0 || all < lossFirst || float64(lost) <= l.limits.Ratio*float64(all) {
		return ""
	}
	return fmt.Sprintf("%d of the last %d records could not be handled (max_ratio %v)", lost, all, l.limits.Ratio)
}

// portion is what a chunk has of one partition.
type portion struct {
	part *partition
	recs []record.Record
}

// owe notes what the lane has taken.
func (l *lane) owe(w *work) {
	recs := w.Recs // which stand span by span
	for i, s := range w.Spans {
		n := 0
		for n < len(recs) && recs[n].Partition == s.Partition && recs[n].Topic == s.Topic && recs[n].Offset < s.Hi {
			n++
		}
		l.owed = append(l.owed, portion{w.parts[i], recs[:n]})
		recs = recs[n:]
	}
}

// died counts a dead letter.
func (l *lane) died(t *trial) { l.dead = append(l.dead, t) }

// tally holds what is through the program against the limits: all but the partitions with
// a retry.
func (l *lane) tally() {
	if len(l.owed) == 0 && len(l.dead) == 0 {
		return
	}
	owed, dead := l.owed, l.dead
	l.owed, l.dead = l.owed[:0], l.dead[:0]
	if len(l.retries) > 0 {
		owed, dead = slices.Clone(owed), slices.Clone(dead)
		owed = slices.DeleteFunc(owed, func(s portion) bool {
			waits := s.part.waits > 0
			if waits {
				l.owed = append(l.owed, s)
			}
			return waits
		})
		dead = slices.DeleteFunc(dead, func(t *trial) bool {
			waits := t.part != nil && t.part.waits > 0
			if waits {
				l.dead = append(l.dead, t)
			}
			return waits
		})
	}
	records := 0
	for _, s := range owed {
		records += len(s.recs)
	}
	if passed := l.e.losses.add(records, len(dead)); passed != "" {
		l.tooMany(passed, dead[len(dead)-1])
	}
	most := l.e.losses.limits.Consecutive
	if most <= 0 {
		return
	}
	if len(dead) == 0 {
		for _, s := range owed {
			s.part.streak = 0
		}
		return
	}
	lost := make(map[*record.Record]*trial, len(dead))
	for _, t := range dead {
		lost[t.Source] = t
	}
	for _, s := range owed {
		for i := range s.recs {
			t := lost[&s.recs[i]]
			if t == nil {
				s.part.streak = 0
				continue
			}
			if s.part.streak++; s.part.streak == most {
				l.tooMany(fmt.Sprintf("%d records of %s in a row could not be handled (max_consecutive)", most, s.part.Partition), t)
			}
		}
	}
}

func (l *lane) tooMany(passed string, t *trial) {
	l.e.fail(&LimitError{passed, l.e.messageError(t.Source, t.Step, t.calls, t.Err)})
}
