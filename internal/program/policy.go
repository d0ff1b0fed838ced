package program

import "time"

// What may become of a message that a step fails on, in the words of plans.
const (
	Fail       = "fail"        // the run ends, nothing is lost
	Skip       = "skip"        // it is counted and left out
	DeadLetter = "dead_letter" // it goes to the dead letters, and counts as finished when it is stored there
)

// Policy is what becomes of a message that a step fails on, with all defaults applied.
type Policy struct {
	OnError  string        // Fail, Skip or DeadLetter
	Times    int           // calls after the first one, before OnError applies
	Backoff  time.Duration // before the first of them; each further one waits twice as long
	Language string        // of what the step calls: "go", "python", or "levada" for codecs and sinks
}
