package engine

import (
	"fmt"
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

// died counts a dead letter of the chunk at hand.
func (l *lane) died(t *trial) { l.dead = append(l.dead, t) }

// tally holds a chunk that was led through the program against the limits.
func (l *lane) tally(recs []record.Record, spans []record.Span, parts []*partition) {
	dead := l.dead
	l.dead = l.dead[:0]
	if passed := l.e.losses.add(len(recs), len(dead)); passed != "" {
		l.tooMany(passed, dead[len(dead)-1])
	}
	most := l.e.losses.limits.Consecutive
	if most <= 0 {
		return
	}
	if len(dead) == 0 {
		for _, p := range parts {
			p.streak = 0
		}
		return
	}
	lost := make(map[*record.Record]*trial, len(dead))
	for _, t := range dead {
		lost[t.Source] = t
	}
	k := 0 // records stand span by span
	for i, s := range spans {
		for ; k < len(recs) && recs[k].Partition == s.Partition && recs[k].Topic == s.Topic && recs[k].Offset < s.Hi; k++ {
			t := lost[&recs[k]]
			if t == nil {
				parts[i].streak = 0
				continue
			}
			if parts[i].streak++; parts[i].streak == most {
				l.tooMany(fmt.Sprintf("%d records of %s in a row could not be handled (max_consecutive)", most, parts[i].Partition), t)
			}
		}
	}
}

func (l *lane) tooMany(passed string, t *trial) {
	l.e.fail(&LimitError{passed, l.e.messageError(t.Source, t.Step, t.calls, t.Err)})
}
