package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/levada-io/levada/internal/deadletter"
	"github.com/levada-io/levada/internal/runner"
)

func TestInterrupted(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	away := errors.New("away")
	if err := interrupted(ctx, context.Canceled); err != context.Canceled { // another's context
		t.Errorf("before the signal: got %v", err)
	}
	cancel()
	if err := interrupted(ctx, away); err != away {
		t.Errorf("another error: got %v", err)
	}
	if err := interrupted(ctx, nil); err != nil {
		t.Errorf("no error: got %v", err)
	}
	var stderr bytes.Buffer
	code := report(&env{stderr: &stderr}, errors.Join(interrupted(ctx, context.Canceled), nil))
	if want := "levada: stopped by a signal before the end; the next call goes on\n"; code != runner.Aborted || stderr.String() != want {
		t.Errorf("got code %d and %q, want %d and %q", code, stderr.String(), runner.Aborted, want)
	}
}

// Causes that name what is in a message are as many as there are messages.
func TestGroupsAreBounded(t *testing.T) {
	groups := map[letterGroup]*counted{}
	start := time.UnixMilli(1e12).UTC()
	const n = maxGroups + 5000
	for i := range n {
		group(groups, &deadletter.Letter{Pipeline: "p", Step: "s", Cause: fmt.Sprint(i), FailedAt: start.Add(time.Duration(i))})
	}
	if len(groups) != maxGroups+1 {
		t.Errorf("expected %d groups, got %d", maxGroups+1, len(groups))
	}
	rest := groups[letterGroup{Pipeline: "p", Step: "s", Cause: "(further causes)"}]
	if rest == nil || rest.Count != 5000 || !rest.First.Equal(start.Add(maxGroups)) || !rest.Last.Equal(start.Add(n-1)) {
		t.Errorf("got %+v", rest)
	}
}

func TestMoment(t *testing.T) {
	now := time.Date(2026, 3, 14, 12, 0, 0, 0, time.UTC)
	for in, want := range map[string]string{
		"2h":                        "2026-03-14T10:00:00Z",
		"90m":                       "2026-03-14T10:30:00Z",
		"3d":                        "2026-03-11T12:00:00Z",
		"0s":                        "2026-03-14T12:00:00Z",
		"2026-03-01T00:00:00+02:00": "2026-02-28T22:00:00Z",
	} {
		if got, err := moment("--since", in, now); err != nil || got.Format(time.RFC3339) != want {
			t.Errorf("%s: got %v, %v, want %s", in, got, err, want)
		}
	}
	for _, in := range []string{"-2h", "2", "d", "-1d", "1.5d", "99999d", "2026-03-14", "now"} {
		if got, err := moment("--since", in, now); err == nil || !strings.HasPrefix(err.Error(), "--since: expected a time as ") {
			t.Errorf("%s: got %v, %v", in, got, err)
		}
	}
}
