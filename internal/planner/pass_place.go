package planner

import (
	"fmt"
	"time"

	"github.com/levada-io/levada/internal/program"
	"github.com/levada-io/levada/plan"
)

// DeadLetters says whether there is a stream for messages that can not be handled.
type DeadLetters int

// What is known of it. A plan that is checked without a deployment may still run with
// one that has such a stream, so that only its absence is a mistake.
const (
	DeadLettersUnknown DeadLetters = iota
	NoDeadLetters
	WithDeadLetters
)

// deadLetterHint are the lines of a deployment that are missing.
const deadLetterHint = "the deployment names the stream: dead_letter: {topic: %s-dead-letters}"

// place gives every step the policy that counts for it, and refuses one that nothing
// could follow.
func place(pl *Planned) (ps Problems) {
	p := pl.plan
	none := pl.cat.DeadLetters == NoDeadLetters
	hint := fmt.Sprintf(deadLetterHint, p.Name)
	if none && p.OnError == plan.DeadLetter {
		ps = append(ps, plan.Problem{Code: "no-dead-letters", Hint: hint,
			Text: fmt.Sprintf("pipeline %q: on_error is dead_letter, expected a stream for dead letters, got none", p.Name)})
	}
	for _, n := range pl.nodes {
		n.policy = pl.policy(n)
		if none && n.OnError == plan.DeadLetter {
			ps = append(ps, n.problem("no-dead-letters", hint, "on_error is dead_letter, expected a stream for dead letters, got none"))
		}
	}
	return ps
}

// policy is that of one step. What can not fail has the policy that loses nothing: the
// engine asks no step whether it has one.
func (pl *Planned) policy(n *node) program.Policy {
	out := program.Policy{OnError: program.Fail, Language: n.lang.policy()}
	if !n.CanFail() {
		return out
	}
	switch {
	case n.OnError != "":
		out.OnError = n.OnError
	case pl.plan.OnError != "":
		out.OnError = pl.plan.OnError
	case pl.cat.DeadLetters == WithDeadLetters:
		out.OnError = program.DeadLetter
	}
	retry := n.Retry
	if retry == nil {
		retry = pl.plan.Retry
	}
	if retry != nil && n.CanRetry() {
		out.Times, out.Backoff = retry.Times, time.Duration(retry.BackoffMS)*time.Millisecond
	}
	return out
}

// policy is the language as policies and dead letters name it.
func (l lang) policy() string {
	switch l {
	case golang:
		return "go"
	case python:
		return "python"
	}
	return "levada"
}

// policies are those of all steps, by name.
func (pl *Planned) policies() map[string]program.Policy {
	out := make(map[string]program.Policy, len(pl.nodes))
	for _, n := range pl.nodes {
		out[n.Name] = n.policy
	}
	return out
}

// policyText is what explain shows of a policy: nothing where a failing message ends
// the run at once.
func policyText(p program.Policy) string {
	text := ""
	if p.Times > 0 {
		text = fmt.Sprintf("retries %d times from %v", p.Times, p.Backoff)
		if p.Times == 1 {
			text = fmt.Sprintf("retries once after %v", p.Backoff)
		}
	}
	if p.OnError != program.Fail {
		if text != "" {
			text += ", then "
		}
		text += "on error " + p.OnError
	}
	return text
}
