package kafka

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"sync"
	"syscall"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/levada-io/levada/connector"
)

// tellAfter is how long brokers are away before it is worth a line: each restart of a
// broker closes connections.
const tellAfter = 2 * time.Second

// health watches what the clients of a session hear from brokers and ends the session
// when that was nothing but failures for longer than the budget.
//
// Two failures that far apart are needed, with no success between them: a connection
// that a broker closed since nobody used it is no outage.
type health struct {
	budget time.Duration
	place  string
	sasl   bool
	log    func(format string, args ...any)
	now    func() time.Time

	mu    sync.Mutex // guards all up to ctx
	since time.Time  // first failure after the last success; zero: all is well
	told  bool       // of this outage
	last  error      // the latest failure
	up    bool       // a broker has answered a request once
	asked bool       // a broker has answered while a connection was set up

	ctx  context.Context // ends when the session has failed; its cause is why
	fail context.CancelCauseFunc
}

func newHealth(o *Options) *health {
	h := &health{budget: o.Unreachable, place: o.place(), sasl: o.SASL != nil, log: o.Log, now: time.Now}
	h.ctx, h.fail = context.WithCancelCause(context.Background())
	return h
}

// OnBrokerConnect implements kgo.HookBrokerConnect: the connection and all that is
// said to set it up.
func (h *health) OnBrokerConnect(_ kgo.BrokerMetadata, _ time.Duration, _ net.Conn, err error) {
	if err != nil {
		h.failure(err)
	}
}

// OnBrokerRead implements kgo.HookBrokerRead.
func (h *health) OnBrokerRead(_ kgo.BrokerMetadata, key int16, _ int, _, _ time.Duration, err error) {
	if err != nil {
		h.failure(err)
		return
	}
	switch kmsg.Key(key) {
	case kmsg.ApiVersions, kmsg.SASLHandshake, kmsg.SASLAuthenticate:
		// A broker that refuses us answers these, too.
		h.mu.Lock()
		h.asked = true
		h.mu.Unlock()
	default:
		h.success()
	}
}

func (h *health) success() {
	h.mu.Lock()
	since, told := h.since, h.told
	h.since, h.told, h.up = time.Time{}, false, true
	h.mu.Unlock()
	if told {
		h.log("%s: reachable again after %v", h.place, h.now().Sub(since).Round(time.Second))
	}
}

func (h *health) failure(err error) {
	if ended(err) || errors.Is(err, net.ErrClosed) {
		return
	}
	h.mu.Lock()
	now := h.now()
	if h.since.IsZero() {
		h.since = now
	}
	h.last = err
	away := now.Sub(h.since)
	tell := away > tellAfter && !h.told
	h.told = h.told || tell
	h.mu.Unlock()
	if tell {
		h.log("%s: %v; trying again for %v", h.place, err, h.budget)
	}
	if away > h.budget {
		h.fail(h.unreachable(err))
	}
}

// away is for how long there was nothing but failures.
func (h *health) away() time.Duration {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.since.IsZero() {
		return 0
	}
	return h.now().Sub(h.since)
}

// unreachable is the error for a budget that is used up; err is the last failure.
func (h *health) unreachable(err error) error {
	if refused := h.refused(err); refused != nil {
		return refused
	}
	v := judge(err)
	if v.reason == 0 {
		v = verdict{connector.Unreachable, "check the address and that the broker runs"}
	}
	return &connector.Error{
		Reason: v.reason, Place: h.place,
		Err:  fmt.Errorf("no broker reached for %v: %w", h.budget, err),
		Hint: v.hint,
	}
}

// refused is the error for brokers that close every connection before the first
// answer, as they do with one that has other security settings; nil where that is not
// what happens. A broker that starts or stops does the same, for a moment.
func (h *health) refused(err error) error {
	h.mu.Lock()
	up, asked := h.up, h.asked
	h.mu.Unlock()
	op, _ := errors.AsType[*net.OpError](err)
	cut := errors.Is(err, io.EOF) || errors.Is(err, syscall.ECONNRESET) || errors.Is(err, syscall.EPIPE)
	if up || !cut || op != nil && op.Op == "dial" {
		return nil
	}
	e := &connector.Error{
		Reason: connector.Misconfig, Place: h.place,
		Err:  fmt.Errorf("the broker closes the connection without an answer: %w", err),
		Hint: "check tls and sasl: the port may want what is not configured, or not want what is",
	}
	if asked && h.sasl {
		e.Reason = connector.Unauthorized
		e.Err = fmt.Errorf("the broker closes the connection while it authenticates us: %w", err)
		e.Hint = "check sasl.username, sasl.password and sasl.mechanism"
	}
	return e
}

// cause is the failure behind err, where err only says that time ran out.
func (h *health) cause(err error) error {
	h.mu.Lock()
	defer h.mu.Unlock()
	if errors.Is(err, context.DeadlineExceeded) && !h.since.IsZero() {
		return h.last
	}
	return err
}

// err is why the session failed; nil while it lives.
func (h *health) err() error { return context.Cause(h.ctx) }

// fetchWait is how long a broker may wait for records before it answers a fetch.
const fetchWait = 500 * time.Millisecond

// fetchLate is how long its answer may take on top of that, before it counts as late: a
// broker with nothing to say answers a little after its time.
const fetchLate = time.Second

// fetches watches for fetches that brokers do not answer. A connection that nothing comes
// out of any more fails by itself, but only after the time that a request may take.
type fetches struct {
	now func() time.Time

	mu    sync.Mutex
	asked map[int32]time.Time // by broker: when the fetch was written that has no answer
}

func newFetches() *fetches { return &fetches{now: time.Now, asked: map[int32]time.Time{}} }

// OnBrokerWrite implements kgo.HookBrokerWrite.
func (f *fetches) OnBrokerWrite(b kgo.BrokerMetadata, key int16, _ int, _, _ time.Duration, err error) {
	if kmsg.Key(key) == kmsg.Fetch && err == nil {
		f.mu.Lock()
		f.asked[b.NodeID] = f.now()
		f.mu.Unlock()
	}
}

// OnBrokerRead implements kgo.HookBrokerRead.
func (f *fetches) OnBrokerRead(b kgo.BrokerMetadata, key int16, _ int, _, _ time.Duration, _ error) {
	if kmsg.Key(key) == kmsg.Fetch {
		f.forget(b)
	}
}

// OnBrokerDisconnect implements kgo.HookBrokerDisconnect.
func (f *fetches) OnBrokerDisconnect(b kgo.BrokerMetadata, _ net.Conn) { f.forget(b) }

func (f *fetches) forget(b kgo.BrokerMetadata) {
	f.mu.Lock()
	delete(f.asked, b.NodeID)
	f.mu.Unlock()
}

// overdue is for how long the oldest answer is.
func (f *fetches) overdue() time.Duration {
	f.mu.Lock()
	defer f.mu.Unlock()
	var most time.Duration
	for _, at := range f.asked {
		most = max(most, f.now().Sub(at)-fetchWait-fetchLate)
	}
	return most
}
