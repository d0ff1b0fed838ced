package processes

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"
)

// TestMain is also the process that the tests start: what it does is in its arguments.
func TestMain(m *testing.M) {
	if len(os.Args) > 1 && os.Args[1] == "child" {
		os.Exit(child(os.Args[2:]))
	}
	os.Exit(m.Run())
}

// child does what the words say; "N:word" is for process N only.
func child(words []string) int {
	me := os.Getenv(Index)
	signals := make(chan os.Signal, 4)
	signal.Notify(signals, syscall.SIGINT, syscall.SIGTERM)
	for _, w := range words {
		if n, rest, ok := strings.Cut(w, ":"); ok {
			if n != me {
				continue
			}
			w = rest
		}
		switch verb, arg, _ := strings.Cut(w, "="); verb {
		case "say":
			fmt.Println(arg)
		case "complain":
			fmt.Fprint(os.Stderr, arg)
		case "ordinal":
			fmt.Println(os.Getenv(Ordinal))
		case "pid":
			fmt.Println(os.Getpid())
		case "await":
			fmt.Println("ready")
			fmt.Println((<-signals).String())
		case "run":
			if err := Run(Options{Count: 2, Argv: []string{os.Args[0], "child", "pid", "await"}, Stdout: os.Stdout, Stderr: os.Stderr}); err != nil {
				return 1
			}
		case "exit":
			n, _ := strconv.Atoi(arg)
			return n
		}
	}
	return 0
}

// watched runs processes and calls each with every line of output.
func watched(n int, each func(line string), words ...string) (string, error) {
	r, w := io.Pipe()
	var all bytes.Buffer
	read := make(chan struct{})
	go func() {
		defer close(read)
		var open []byte
		buf := make([]byte, 1024)
		for {
			n, err := r.Read(buf)
			open = append(open, buf[:n]...)
			for {
				i := bytes.IndexByte(open, '\n')
				if i < 0 {
					break
				}
				all.Write(open[:i+1])
				each(string(open[:i]))
				open = open[i+1:]
			}
			if err != nil {
				return
			}
		}
	}()
	err := Run(Options{Count: n, Argv: append([]string{os.Args[0], "child"}, words...), Stdout: w, Stderr: w})
	w.Close()
	<-read
	return all.String(), err
}

func lines(s string) []string {
	l := strings.Split(strings.TrimSuffix(s, "\n"), "\n")
	slices.Sort(l)
	return l
}

func none(string) {}

func TestOutput(t *testing.T) {
	out, err := watched(2, none, "0:say=a", "1:say=b", "say=c", "complain=no end")
	if err != nil {
		t.Fatal(err)
	}
	if got, want := lines(out), []string{"[0] a", "[0] c", "[0] no end", "[1] b", "[1] c", "[1] no end"}; !slices.Equal(got, want) {
		t.Errorf("got %q, want %q", got, want)
	}
}

func TestLongLine(t *testing.T) {
	var out bytes.Buffer
	l := (&joined{to: &out}).line(3)
	for range 5 {
		fmt.Fprint(l, strings.Repeat("z", 30<<10))
	}
	fmt.Fprint(l, "\nnext\n")
	got := strings.Split(out.String(), "\n")
	if len(got) != 4 || got[2] != "[3] next" {
		t.Fatalf("%d lines, the third is %.20q", len(got), got[2])
	}
	if n := strings.Count(out.String(), "z"); n != 150<<10 {
		t.Errorf("%d bytes of the line came, want %d", n, 150<<10)
	}
}

func TestCodes(t *testing.T) {
	if _, err := watched(3, none, "exit=0"); err != nil {
		t.Error(err)
	}
	if _, err := watched(3, none, "exit=78"); code(err) != 78 {
		t.Errorf("got %v, want 78", err)
	}
	if err := Run(Options{Count: 2, Argv: []string{"/no/such/program"}, Stdout: io.Discard, Stderr: io.Discard}); err == nil || !strings.Contains(err.Error(), "process 0") {
		t.Errorf("a program that is not there: %v", err)
	}
}

func code(err error) int {
	if e, ok := errors.AsType[*Ended](err); ok {
		return e.Code
	}
	return 0
}

// when returns an observer that sends a signal to one process once all n await theirs.
func when(n int, to string, s syscall.Signal) func(string) {
	ready, pid := 0, 0
	return func(line string) {
		if v, ok := strings.CutPrefix(line, "["+to+"] "); ok && pid == 0 {
			pid, _ = strconv.Atoi(v)
		}
		if strings.HasSuffix(line, "] ready") {
			if ready++; ready == n {
				syscall.Kill(pid, s)
			}
		}
	}
}

// TestFailure: one that fails ends the others, and its code counts.
func TestFailure(t *testing.T) {
	for _, tc := range []struct {
		signal syscall.Signal
		words  []string
		code   int
		text   string
	}{
		{syscall.SIGTERM, []string{"1:exit=65"}, 65, "process 1: ended with 65"},
		{syscall.SIGTERM, []string{"1:exit=65", "exit=75"}, 65, "process 1: ended with 65"}, // of the stop of the others
		{syscall.SIGKILL, nil, -1, "process 1: killed: killed"},
	} {
		out, err := watched(3, when(3, "1", tc.signal), append([]string{"pid", "await"}, tc.words...)...)
		if code(err) != tc.code || !strings.Contains(fmt.Sprint(err), tc.text) {
			t.Errorf("got %v, want %d and %q", err, tc.code, tc.text)
		}
		for _, want := range []string{"[0] terminated", "[2] terminated", "levada: " + tc.text + ": stopping the others"} {
			if strings.Count(out, want+"\n") != 1 {
				t.Errorf("not one %q in %q", want, out)
			}
		}
	}
}

// TestSignals: each signal to stop reaches every process once, the second as well.
func TestSignals(t *testing.T) {
	ready, first := 0, 0
	out, err := watched(2, func(line string) {
		switch {
		case strings.HasSuffix(line, "ready"):
			if ready++; ready == 2 {
				syscall.Kill(os.Getpid(), syscall.SIGTERM)
			}
		case strings.HasSuffix(line, "first"):
			if first++; first == 2 {
				syscall.Kill(os.Getpid(), syscall.SIGINT)
			}
		}
	}, "await", "say=first", "complain=x\n", "await", "exit=75")
	if code(err) != 75 {
		t.Errorf("got %v, want 75", err)
	}
	for _, want := range []string{"[0] terminated", "[1] terminated", "[0] interrupt", "[1] interrupt"} {
		if strings.Count(out, want+"\n") != 1 {
			t.Errorf("not one %q in %q", want, out)
		}
	}
}

// TestSignalAfterFailure: those that stop since another failed are not aborted by the
// first signal that a person sends.
func TestSignalAfterFailure(t *testing.T) {
	fail := when(2, "1", syscall.SIGTERM)
	out, err := watched(2, func(line string) {
		fail(line)
		if line == "[0] draining" {
			syscall.Kill(os.Getpid(), syscall.SIGTERM) // theirs was ours
			syscall.Kill(os.Getpid(), syscall.SIGINT)
		}
	}, "pid", "await", "1:exit=65", "say=draining", "await")
	if code(err) != 65 {
		t.Errorf("got %v, want 65", err)
	}
	// Two signals that come together may come in any order.
	if strings.Count(out, "[0] terminated\n")+strings.Count(out, "[0] interrupt\n") != 2 {
		t.Errorf("want two signals in %q", out)
	}
}

// TestNoneOutlives: the processes end with the one that has started them, even where
// that is killed.
func TestNoneOutlives(t *testing.T) {
	if !bound() {
		t.Skip("SKIPPED: only Linux ends processes with the one that has started them")
	}
	var pids []int
	ready := 0
	var parent int
	_, err := watched(1, func(line string) {
		word := line[strings.LastIndexByte(line, ' ')+1:]
		n, err := strconv.Atoi(word)
		switch {
		case err == nil && parent == 0:
			parent = n
		case err == nil:
			pids = append(pids, n)
		case word == "ready":
			if ready++; ready == 2 {
				syscall.Kill(parent, syscall.SIGKILL)
			}
		}
	}, "pid", "run")
	if err == nil || len(pids) != 2 {
		t.Fatalf("%v; processes %v", err, pids)
	}
	late := time.After(10 * time.Second)
	tick := time.NewTicker(10 * time.Millisecond)
	defer tick.Stop()
	for _, pid := range pids {
		for alive(pid) {
			select {
			case <-tick.C:
			case <-late:
				t.Fatalf("process %d lives on", pid)
			}
		}
	}
}

func bound() bool {
	var a syscall.SysProcAttr
	bind(&a)
	return !reflect.ValueOf(a).IsZero()
}

// alive tells a process that runs from one that is gone or waits to be collected.
func alive(pid int) bool {
	stat, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		return false
	}
	_, rest, _ := strings.Cut(string(stat), ") ")
	return !strings.HasPrefix(rest, "Z") && !strings.HasPrefix(rest, "X")
}

func TestOrdinal(t *testing.T) {
	for _, tc := range []struct {
		env, host string
		want      int
		ok        bool
	}{
		{"", "metrics-3", 3, true},
		{"", "metrics-0.metrics.prod.svc", 0, true},
		{"", "a-b-12", 12, true},
		{"7", "metrics-3", 7, true},
		{"", "laptop", 0, false},
		{"", "metrics-7d9f-x2x", 0, false},
		{"", "metrics-", 0, false},
		{"", "metrics-99999999999", 0, false},
		{"-1", "metrics-3", 0, false},
		{"x", "metrics-3", 0, false},
	} {
		got, ok := OrdinalOf(func(string) (string, bool) { return tc.env, tc.env != "" }, tc.host)
		if got != tc.want || ok != tc.ok {
			t.Errorf("%q on %q: %d, %v; want %d, %v", tc.env, tc.host, got, ok, tc.want, tc.ok)
		}
	}
	t.Setenv(Ordinal, "2")
	out, err := watched(3, none, "ordinal")
	if got, want := lines(out), []string{"[0] 6", "[1] 7", "[2] 8"}; err != nil || !slices.Equal(got, want) {
		t.Errorf("got %q, %v; want %q", got, err, want)
	}
}
