//go:build cgo

// Package process holds the rules of a process in which the Go runtime and CPython
// live together: what happens at fork, at exit, at a signal, and with a second
// extension. It knows nothing of pipelines, frames and messages.
//
// C code of the bridge uses process.h; Go code uses Park.
package process

// #cgo CFLAGS: -std=gnu11 -Wall -Wextra
// #include "park.h"
// #include "process.h"
import "C"

import (
	"errors"
	"fmt"
	"os"
	"sync"
	"syscall"
	"time"
)

// Grace is how long an aborted run may take until the process ends without it.
const Grace = 5 * time.Second

// exitAborted is the exit code of a run that was aborted (engine.md).
const exitAborted = 75

// ErrRaised says that a Python signal handler raised: the exception is set in the
// interpreter, and the caller returns NULL to Python.
var ErrRaised = errors.New("a Python signal handler raised")

// bytes on the pipe that wakes the parked thread.
const (
	wakeSignal = 's'
	wakeStacks = 't'
	wakeDone   = 'd'
)

// Park runs run on a goroutine of its own and waits for it on the calling thread,
// which must hold the GIL and gives it away while it waits. Python's signal handlers
// run on that thread meanwhile, milliseconds after the signal.
//
// stop delivers one value per SIGINT or SIGTERM, and one where a handler raises: the
// first asks for a drain, the second for an abort; further ones are dropped. A run that
// does not return within Grace after the second takes the process with it, exit code
// 75: a Python step may never come back.
//
// Away from Python's main thread there are no signals; run is then only waited for.
//
// Where run has failed and a step is still in Python, the calling thread may never get
// the GIL back. It has Grace to; then the process ends with the code of run.
//
// # Errors
//
// ErrRaised, with the exception set; any other error is one of the system's.
func Park(run func(stop <-chan struct{}) int) (int, error) {
	signals, err := pipe(syscall.O_NONBLOCK)
	if err != nil {
		return 0, err
	}
	defer signals.close()
	wake, err := pipe(0)
	if err != nil {
		return 0, err
	}
	defer wake.close()

	var s C.struct_levada_signals
	if C.levada_signals_begin(&s, C.int(signals.w)) < 0 {
		// What begin has done so far is undone; its exception is the one that counts.
		var keep C.struct_levada_signals
		C.PyErr_Fetch(&keep._type, &keep.value, &keep.traceback)
		C.levada_signals_end(&s)
		C.PyErr_Restore(keep._type, keep.value, keep.traceback)
		return 0, ErrRaised
	}

	st := newStacks(&wake)
	stop := stopper{c: make(chan struct{}, 2)}

	// The reader is a goroutine, not the parked thread: that one waits for the GIL
	// whenever a handler is to run, and a step may keep the GIL for long.
	reader := make(chan struct{})
	file := os.NewFile(uintptr(signals.r), "signals")
	go func() {
		defer close(reader)
		var b [16]byte
		for {
			n, err := file.Read(b[:])
			if err != nil {
				return
			}
			for _, sig := range b[:n] {
				if sig == byte(syscall.SIGINT) || sig == byte(syscall.SIGTERM) {
					stop.next()
				}
			}
			wake.write(wakeSignal)
		}
	}()

	code := 0
	var last *time.Timer // ends the process; set before wakeDone is written
	go func() {
		code = run(stop.c)
		if code != 0 && C.levada_gate_count() > 0 {
			C.levada_gate_abandon(C.int(code))
			last = time.AfterFunc(Grace, func() { os.Exit(code) })
		}
		wake.write(wakeDone)
	}()

	// A signal that came before its descriptor was set has written nothing, and would be
	// looked at only when the next one comes.
	wake.write(wakeSignal)
	for done := false; !done; {
		switch b := C.levada_signals_wait(C.int(wake.r)); b {
		case wakeSignal:
			if C.levada_signals_run(&s) != 0 {
				stop.once()
			}
		case wakeStacks:
			if st != nil {
				st.dump()
			}
		default:
			done = true
		}
	}
	if last != nil {
		last.Stop()
	}
	if st != nil {
		st.end() // before an exception is set, which it would clear
	}
	raised := C.levada_signals_end(&s) < 0
	stop.end()
	signals.r = -1 // closed by file
	_ = file.Close()
	<-reader
	if raised {
		return code, ErrRaised
	}
	return code, nil
}

// stopper counts the requests to stop.
type stopper struct {
	c chan struct{} // room for the two that count

	mu    sync.Mutex // guards n and timer; a leaf in the lock order
	n     int
	timer *time.Timer
}

// next is one more request: drain, then abort.
func (s *stopper) next() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.advance()
}

// once asks for a drain where nobody has.
func (s *stopper) once() {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.n == 0 {
		s.advance()
	}
}

func (s *stopper) advance() {
	s.n++
	if s.n <= cap(s.c) {
		s.c <- struct{}{}
	}
	if s.n == cap(s.c) {
		s.timer = time.AfterFunc(Grace, func() {
			fmt.Fprintf(os.Stderr, "levada: aborted, and a step did not return within %s; what it held is not committed\n", Grace)
			os.Exit(exitAborted)
		})
	}
}

func (s *stopper) end() {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.timer != nil {
		s.timer.Stop()
	}
}

type pipeFDs struct{ r, w int }

func pipe(flags int) (pipeFDs, error) {
	var p [2]int
	if err := syscall.Pipe2(p[:], syscall.O_CLOEXEC|flags); err != nil {
		return pipeFDs{}, fmt.Errorf("pipe for signals: %w", err)
	}
	return pipeFDs{p[0], p[1]}, nil
}

func (p *pipeFDs) write(b byte) {
	for {
		_, err := syscall.Write(p.w, []byte{b})
		if err != syscall.EINTR {
			return
		}
	}
}

func (p *pipeFDs) close() {
	for _, fd := range []int{p.r, p.w} {
		if fd >= 0 {
			_ = syscall.Close(fd)
		}
	}
}
