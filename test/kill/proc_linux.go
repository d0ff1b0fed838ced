package main

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"unsafe"
)

// command is a process that dies with this one.
func command(ctx context.Context, name string, args ...string) *exec.Cmd {
	cmd := exec.CommandContext(ctx, name, args...)
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	return cmd
}

// starter is one thread that never ends: the kernel takes the end of the thread that has
// started a process for the death of its parent.
var starter = sync.OnceValue(func() chan<- func() {
	work := make(chan func())
	go func() {
		runtime.LockOSThread()
		for f := range work {
			f()
		}
	}()
	return work
})

func begin(cmd *exec.Cmd) error {
	err := make(chan error)
	starter() <- func() { err <- cmd.Start() }
	return <-err
}

// squeeze takes from a running process what memory it does not have yet, and says how:
// a cgroup, where one may be made, or a limit of its addresses.
func squeeze(pid int) (how string, release func(), err error) {
	if how, release, err = squeezeGroup(pid); err == nil {
		return how, release, nil
	}
	return squeezeAddresses(pid)
}

func squeezeGroup(pid int) (string, func(), error) {
	for _, v := range []struct{ root, usage, limit string }{
		{"/sys/fs/cgroup/memory", "memory.usage_in_bytes", "memory.limit_in_bytes"},
		{"/sys/fs/cgroup", "memory.current", "memory.max"},
	} {
		dir := filepath.Join(v.root, fmt.Sprintf("levada-kill-%d", pid))
		if os.Mkdir(dir, 0o755) != nil {
			continue
		}
		release := func() { os.Remove(dir) }
		set := func(name, value string) error { return os.WriteFile(filepath.Join(dir, name), []byte(value), 0) }
		// What it has already stays booked elsewhere.
		if set(v.limit, strconv.Itoa(1<<20)) == nil && set("cgroup.procs", strconv.Itoa(pid)) == nil {
			return "cgroup", release, nil
		}
		release()
	}
	return "", nil, fmt.Errorf("no cgroup of memory may be made")
}

func squeezeAddresses(pid int) (string, func(), error) {
	status, err := os.ReadFile(fmt.Sprintf("/proc/%d/statm", pid))
	if err != nil {
		return "", nil, err
	}
	pages, err := strconv.ParseUint(string(bytes.Fields(status)[0]), 10, 64)
	if err != nil {
		return "", nil, err
	}
	now := pages * uint64(os.Getpagesize())
	limit := syscall.Rlimit{Cur: now, Max: now}
	_, _, errno := syscall.RawSyscall6(syscall.SYS_PRLIMIT64, uintptr(pid), syscall.RLIMIT_AS, uintptr(unsafe.Pointer(&limit)), 0, 0, 0)
	if errno != 0 {
		return "", nil, errno
	}
	return "RLIMIT_AS", func() {}, nil
}

// memory is what a process holds, in bytes: now, and at most.
func memory(pid int) (rss, peak int64) {
	status, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
	if err != nil {
		return 0, 0
	}
	field := func(name string) int64 {
		_, rest, _ := strings.Cut(string(status), "\n"+name+":")
		line, _, _ := strings.Cut(rest, " kB\n")
		kb, _ := strconv.ParseInt(strings.TrimSpace(line), 10, 64) // 0 where it is not told
		return kb << 10
	}
	return field("VmRSS"), field("VmHWM")
}
