//go:build cgo

package process

// #include "park.h"
import "C"

import (
	"bytes"
	"os"
	"sync"
	"sync/atomic"
	"syscall"
	"time"
)

// How long Stacks waits for the GIL, then for a signal handler to begin, and for it to
// go on.
const (
	gilPatience    = 2 * time.Second
	signalPatience = time.Second
	quiet          = 200 * time.Millisecond
)

// maxStacks bounds what is kept of one dump.
const maxStacks = 64 << 10

// stacks reads the stacks of Python's threads with the help of the parked thread.
type stacks struct {
	c    C.struct_levada_stacks
	wake *pipeFDs
	w    int      // Python writes here
	read *os.File // and this is read
	some chan []byte

	asked atomic.Bool   // a dump was asked for and not begun
	done  chan struct{} // a token after each dump with the GIL
}

// parked is the run that can be asked for stacks; asking guards it, and lets one ask at
// a time.
var (
	asking sync.Mutex
	parked *stacks
)

// newStacks prepares on the parked thread, with the GIL. nil: it can not be done.
func newStacks(wake *pipeFDs) *stacks {
	p, err := pipe(0)
	if err != nil {
		return nil
	}
	if err := syscall.SetNonblock(p.r, true); err != nil { // for the poller of Go
		p.close()
		return nil
	}
	s := &stacks{wake: wake, w: p.w, read: os.NewFile(uintptr(p.r), "stacks"), some: make(chan []byte), done: make(chan struct{}, 1)}
	C.levada_stacks_begin(&s.c, C.int(p.w))
	if s.c.ready == 0 {
		C.levada_stacks_end(&s.c)
		_ = syscall.Close(s.w)
		_ = s.read.Close()
		return nil
	}
	go s.drain()
	asking.Lock()
	parked = s
	asking.Unlock()
	return s
}

// drain reads all the time: who writes stacks must never wait.
func (s *stacks) drain() {
	defer close(s.some)
	for {
		buf := make([]byte, 4096)
		n, err := s.read.Read(buf)
		if err != nil {
			return
		}
		s.some <- buf[:n]
	}
}

// end is called on the parked thread, with the GIL.
func (s *stacks) end() {
	asking.Lock()
	if parked == s {
		parked = nil
	}
	asking.Unlock()
	C.levada_stacks_end(&s.c)
	_ = syscall.Close(s.w)
	for range s.some {
	}
	_ = s.read.Close()
}

// dump writes the stacks, on the parked thread, with the GIL.
func (s *stacks) dump() {
	if s.asked.CompareAndSwap(true, false) {
		C.levada_stacks_dump(&s.c)
		s.done <- struct{}{}
	}
}

// Stacks are the Python stacks of all threads, as faulthandler prints them: also while a
// step keeps the GIL. Empty where no thread is parked. It takes up to four seconds.
func Stacks() string {
	asking.Lock()
	defer asking.Unlock()
	s := parked
	if s == nil {
		return ""
	}
	var out bytes.Buffer
	keep := func(b []byte) {
		out.Write(b[:min(len(b), maxStacks-out.Len())])
	}
	s.asked.Store(true)
	s.wake.write(wakeStacks)
	late := time.NewTimer(gilPatience)
	defer late.Stop()
	for {
		select {
		case b := <-s.some:
			keep(b)
			continue
		case <-s.done:
			// All of it is in the pipe.
			for {
				select {
				case b := <-s.some:
					keep(b)
					continue
				case <-time.After(quiet / 4):
				}
				return out.String()
			}
		case <-late.C:
		}
		if s.asked.CompareAndSwap(true, false) {
			break
		}
		late.Reset(gilPatience) // it has begun just now
	}
	C.levada_stacks_force(&s.c)
	for wait := signalPatience; ; wait = quiet {
		select {
		case b := <-s.some:
			keep(b)
			continue
		case <-time.After(wait):
		}
		return out.String()
	}
}
