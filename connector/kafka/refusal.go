package kafka

import (
	"errors"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"
)

// refusal is a write that was given up: all that waits for the same partition fails with
// it.
type refusal struct {
	topic string
	err   error
}

func (r *refusal) Error() string { return topicPlace(r.topic) + ": " + r.err.Error() }

// refusals hears of a refusal before anything else can happen to its partition.
//
// The client fails what waits for the partition at once, but tells its callers later, from
// another goroutine. What they write in between takes the place of what was refused, and
// would be stored before it is written again. There is no hook for that moment; but what
// the client logs then, it logs under the lock that the next write of the partition needs.
type refusals func(*refusal)

// Level implements kgo.Logger.
func (refusals) Level() kgo.LogLevel { return kgo.LogLevelInfo }

// Log implements kgo.Logger.
func (tell refusals) Log(_ kgo.LogLevel, msg string, keyvals ...any) {
	switch msg {
	case "batch in a produce request failed",
		"produce partition load error, bumping error count on first stored batch",
		"new topic metadata wait failed, done retrying, failing all records":
	default:
		return
	}
	r, fails := &refusal{}, true
	for i := 0; i+1 < len(keyvals); i += 2 {
		switch keyvals[i] {
		case "topic":
			r.topic, _ = keyvals[i+1].(string)
		case "err":
			r.err, _ = keyvals[i+1].(error)
		case "will_fail":
			fails, _ = keyvals[i+1].(bool)
		}
	}
	// A record that is too large has a policy of its own, and may be left out.
	if fails && r.err != nil && !dropOnRetryable && !errors.Is(r.err, kerr.MessageTooLarge) {
		tell(r)
	}
}
