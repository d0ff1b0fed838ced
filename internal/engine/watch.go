package engine

import (
	"fmt"
	"sync"
	"time"
)

// watcher has the doctor look at a run from time to time. Loops that have nothing to do
// are made to turn, since one that waits and one that hangs look alike.
type watcher struct {
	e      *Engine
	doctor *Doctor
	every  time.Duration

	mu     sync.Mutex // guards all below; the outermost lock, held during a look
	ended  bool
	alarm  func() bool // stops the next look
	prod   time.Time   // when the loops are made to turn next
	health Health
	looked time.Time // last

	// seen guards what Health reads, so that a look that hangs does not hang it too.
	seen sync.Mutex
}

// How often the doctor looks: a tenth of ReportAfter, in these bounds. Loops are made to
// turn each third of it, but not more often than it takes to look.
const (
	minLook = 50 * time.Millisecond
	maxLook = time.Second
	maxProd = 10 * time.Second
)

func newWatcher(e *Engine) *watcher {
	return &watcher{
		e: e, doctor: NewDoctor(e.cfg.Stall),
		every:  min(maxLook, max(minLook, e.cfg.Stall.ReportAfter/10)),
		health: Health{Ready: errUnwatched},
		looked: e.clock.Now(),
	}
}

func (w *watcher) start() {
	if w.e.cfg.Stall.ReportAfter <= 0 {
		return
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	w.alarm = w.e.clock.AfterFunc(w.every, w.look)
}

func (w *watcher) look() {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.ended {
		return
	}
	s := w.e.Status()
	tell, health := w.doctor.Look(s)
	w.seen.Lock()
	w.health, w.looked = health, s.At
	w.seen.Unlock()
	for i := range tell {
		if w.e.cfg.Hooks.Stalled != nil {
			w.e.cfg.Hooks.Stalled(tell[i])
		}
		if tell[i].Phase == Fatal {
			w.e.fail(&StalledError{tell[i]})
		}
	}
	if !s.At.Before(w.prod) {
		w.prod = s.At.Add(min(maxProd, w.e.cfg.Stall.ReportAfter/3))
		for _, l := range w.e.lanes {
			l.wake()
		}
		w.e.polls.prod()
	}
	w.alarm = w.e.clock.AfterFunc(w.every, w.look)
}

// stop returns when no look is under way and none will follow.
func (w *watcher) stop() {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.ended = true
	if w.alarm != nil {
		w.alarm()
	}
	w.seen.Lock()
	w.health.Ready = errStopping
	w.seen.Unlock()
}

// Health is as of the last look of the doctor, who looks where Config.Stall says so. It
// waits for nothing.
func (e *Engine) Health() Health {
	w := e.watch
	w.seen.Lock()
	h, looked := w.health, w.looked
	w.seen.Unlock()
	if late := e.clock.Now().Sub(looked); h.Live == nil && late >= liveAfter {
		h.Live = fmt.Errorf("nobody has looked after the run for %v", late.Round(time.Second))
	}
	return h
}
