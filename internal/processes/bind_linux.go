package processes

import "syscall"

// bind has a process killed when this one ends in whatever way: nobody would be left who
// passes signals on to it, and it would hold its partitions, and its instance id, against
// the ones that are started next.
func bind(a *syscall.SysProcAttr) { a.Pdeathsig = syscall.SIGKILL }
