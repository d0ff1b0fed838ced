package health

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"syscall"
	"time"
)

// touchEvery is how often a file is touched at most.
const touchEvery = time.Second

// File is touched while the process lives. It serves a probe that looks at its time, one
// that looks whether it is there, and one that removes it and expects it again: it goes
// when the process lives no more, and comes back within a second.
type File struct {
	path string
	live Probe
	stop chan struct{}
	done chan struct{}
}

// Touch begins to touch the file at path.
func Touch(path string, live Probe) (*File, error) {
	f := &File{path: path, live: live, stop: make(chan struct{}), done: make(chan struct{})}
	if err := f.touch(); err != nil {
		return nil, err
	}
	go f.run()
	return f, nil
}

func (f *File) run() {
	defer close(f.done)
	t := time.NewTicker(touchEvery)
	defer t.Stop()
	for there := true; ; {
		select {
		case <-f.stop:
			return
		case <-t.C:
		}
		switch alive := f.live() == nil; {
		case alive:
			// What can not be touched now is tried again: the probe tells.
			there = f.touch() == nil
		case there:
			there = false
			_ = os.Remove(f.path) // likewise
		}
	}
}

// touch makes the file, or gives it the time of now. A link is refused: in a folder that
// others write to, it could lead anywhere.
func (f *File) touch() error {
	file, err := os.OpenFile(f.path, os.O_WRONLY|os.O_CREATE|syscall.O_NOFOLLOW|syscall.O_NONBLOCK, 0o644)
	if err != nil {
		return err
	}
	defer file.Close()
	if st, err := file.Stat(); err != nil {
		return err
	} else if !st.Mode().IsRegular() {
		return fmt.Errorf("%s: expected a file, found %s", f.path, st.Mode().Type())
	}
	now := time.Now()
	tv := syscall.NsecToTimeval(now.UnixNano())
	return syscall.Futimes(int(file.Fd()), []syscall.Timeval{tv, tv})
}

// Close stops and removes the file: a process that ended does not live.
func (f *File) Close() error {
	close(f.stop)
	<-f.done
	if err := os.Remove(f.path); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	return nil
}
