package main

import (
	"errors"
	"flag"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"testing"

	"github.com/rogpeppe/go-internal/testscript"

	"github.com/levada-io/levada/broker"
)

var update = flag.Bool("update", false, "write the scripts' golden files anew")

func TestMain(m *testing.M) {
	testscript.Main(m, map[string]func(){"levada": main})
}

// TestScripts runs the command as a person does. The scripts in testdata/script need
// the project's own Python: make setup.
func TestScripts(t *testing.T) {
	python, err := filepath.Abs(filepath.Join("..", "..", ".venv", "bin", "python"))
	if err != nil {
		t.Fatal(err)
	}
	testscript.Run(t, testscript.Params{
		Dir:           filepath.Join("testdata", "script"),
		UpdateScripts: *update,
		Setup: func(e *testscript.Env) error {
			e.Setenv("PYTHON", python)
			e.Setenv("GOTOOLCHAIN", os.Getenv("GOTOOLCHAIN"))
			return nil
		},
		Condition: func(cond string) (bool, error) {
			if cond != "python" {
				return false, errors.New("unknown condition " + cond)
			}
			_, err := os.Stat(python)
			return err == nil, nil
		},
		Cmds: map[string]func(ts *testscript.TestScript, neg bool, args []string){
			"exits":  exits,
			"broker": startEmbedded,
		},
	})
}

// exits CODE PROGRAM ARGS... runs a program and checks its exit code.
func exits(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) < 2 {
		ts.Fatalf("usage: exits CODE PROGRAM ARGS...")
	}
	want, err := strconv.Atoi(args[0])
	ts.Check(err)
	err = ts.Exec(args[1], args[2:]...)
	got := 0
	var ended *exec.ExitError
	switch {
	case errors.As(err, &ended):
		got = ended.ExitCode()
	case err != nil:
		ts.Fatalf("%v", err)
	}
	if got != want {
		ts.Fatalf("expected exit code %d, got %d", want, got)
	}
}

// broker TOPIC[:N]... starts an embedded Kafka for the script; $BROKER is its address.
func startEmbedded(ts *testscript.TestScript, _ bool, args []string) {
	topics, err := parseTopics(args)
	ts.Check(err)
	b, err := broker.Start(broker.Options{Topics: topics})
	ts.Check(err)
	ts.Setenv("BROKER", b.Addr())
	ts.Defer(func() { ts.Check(b.Close()) })
}
