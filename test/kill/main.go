// Command kill runs real members of a group, in Go and in Python, against an embedded
// Kafka in a process of its own, does to them and to the network between what happens to
// processes and networks, and accounts for every record.
//
//	kill -kills 100 -records 5000000 -levada build/levada -python .venv/bin/python
//
// What is done, and when, follows from the seed, which is printed; how far the members
// are at that moment does not. The last line is
//
//	kills= records= lost= duplicated= duplicated_on_sigterm= max_stall_s=
//
// and the exit code is 1 where a record is lost, one is duplicated although members were
// only told to stop, a position was committed before what lies below it was delivered, or
// a member ended in a way that nothing explains.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"math/rand/v2"
	"os"
	"os/signal"
	"path/filepath"
	"strings"
	"syscall"
	"time"
)

type options struct {
	kills, records int
	seed           uint64
	levada, python string
	bug            string
	only           string
	verbose        bool
}

func main() {
	if len(os.Args) > 1 && os.Args[1] == "broker" {
		if err := runBroker(os.Args[2:]); err != nil {
			fmt.Fprintln(os.Stderr, "kill:", err)
			os.Exit(1)
		}
		return
	}
	var o options
	flag.IntVar(&o.kills, "kills", 12, "how often a member is taken away; the network is ill beside that")
	flag.IntVar(&o.records, "records", 300_000, "records in all")
	flag.Uint64Var(&o.seed, "seed", uint64(time.Now().UnixNano())%1_000_000, "what is done, and when, follows from it")
	flag.StringVar(&o.levada, "levada", "build/levada", "the command")
	flag.StringVar(&o.python, "python", ".venv/bin/python", "a Python with the package and the steps of examples/metrics; empty: members in Go only")
	flag.StringVar(&o.bug, "planted", "", "build the members with the bug of this build tag, and fail unless records are lost, or committed before they are accounted for")
	flag.StringVar(&o.only, "only", "", "the scenario of this name alone")
	flag.BoolVar(&o.verbose, "v", false, "show what the members say")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	err := run(ctx, &o)
	stop()
	if err != nil {
		fmt.Fprintln(os.Stderr, "kill:", err)
		os.Exit(1)
	}
}

// total is what the last line tells of.
type total struct {
	kills, records, lost       int
	early                      int // commits of what was not accounted for: the next kill would have lost it
	duplicated, duplicatedTerm int
	stall                      time.Duration
}

func (t total) String() string {
	return fmt.Sprintf("kills=%d records=%d lost=%d duplicated=%d duplicated_on_sigterm=%d max_stall_s=%.1f",
		t.kills, t.records, t.lost, t.duplicated, t.duplicatedTerm, t.stall.Seconds())
}

func run(ctx context.Context, o *options) error {
	dir, err := os.MkdirTemp("", "levada-kill-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	w := &world{o: o, dir: dir, began: time.Now()}
	if err := w.build(ctx); err != nil {
		return err
	}
	if err := w.startBroker(); err != nil {
		return err
	}
	defer w.close()
	w.log("seed %d, broker on %s, members reach it through %s", o.seed, w.addr, w.proxy.Addr())

	todo := plan(o)
	var t total
	var errs []error
	for i, s := range todo {
		rng := rand.New(rand.NewPCG(o.seed, uint64(i)))
		got, err := w.play(ctx, s, rng)
		t.kills += got.kills
		t.records += got.records
		t.lost += got.lost
		t.early += got.early
		t.duplicated += got.duplicated
		t.duplicatedTerm += got.duplicatedTerm
		t.stall = max(t.stall, got.stall)
		if err != nil {
			errs = append(errs, fmt.Errorf("scenario %s: %w", s.name, err))
		}
		if ctx.Err() != nil {
			break
		}
	}
	fmt.Printf("done: %s\n", w.done.String())
	if o.bug != "" {
		caught := t.lost > 0 || t.early > 0
		fmt.Printf("planted=%s caught=%t lost=%d early=%d\n", o.bug, caught, t.lost, t.early)
		fmt.Println(t)
		if !caught {
			return errors.Join(append(errs, fmt.Errorf("the bug %s was not caught: expected records to be lost or committed too early, none was", o.bug))...)
		}
		return nil
	}
	if t.duplicatedTerm > 0 {
		errs = append(errs, fmt.Errorf("expected no duplicate of members that were told to stop, got %d", t.duplicatedTerm))
	}
	err = errors.Join(errs...)
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		err = fmt.Errorf("seed %d: what is done again by -seed %d -kills %d -records %d", o.seed, o.seed, o.kills, o.records)
	}
	fmt.Println(t)
	return err
}

// build makes the Go member, and finds the others.
func (w *world) build(ctx context.Context) error {
	var err error
	if w.levada, err = filepath.Abs(w.o.levada); err != nil {
		return err
	}
	if w.o.python != "" {
		// Not EvalSymlinks: the interpreter of an environment is a link, and knows by its name
		// where it belongs.
		if w.python, err = filepath.Abs(w.o.python); err != nil {
			return err
		}
		for _, path := range []string{w.levada, w.python} {
			if _, err := os.Stat(path); err != nil {
				return fmt.Errorf("%w\nhint: make setup", err)
			}
		}
	}
	w.member = filepath.Join(w.dir, "member")
	args := []string{"build", "-o", w.member}
	if w.o.bug != "" {
		args = append(args, "-tags", w.o.bug)
	}
	cmd := command(ctx, "go", append(args, "github.com/levada-io/levada/test/kill/member")...)
	cmd.Env = append(os.Environ(), "CGO_ENABLED=0")
	if out, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("go %s: %w\n%s", strings.Join(args, " "), err, out)
	}
	return os.WriteFile(filepath.Join(w.dir, "pipeline.py"), pipeline, 0o600)
}

func (w *world) log(format string, args ...any) {
	fmt.Fprintf(os.Stderr, "%7.2fs  %s\n", time.Since(w.began).Seconds(), fmt.Sprintf(format, args...))
}
