//go:build !linux

package processes

import "syscall"

// bind does nothing: only Linux ends a process with the one that has started it.
func bind(*syscall.SysProcAttr) {}
