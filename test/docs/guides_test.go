//go:build e2e

package docs

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/levada-io/levada/broker"
)

// follow does what a page says in an empty folder, with the levada command and the Python
// of this checkout, and returns what was printed. What a page shows as console stays
// undone: it is for a second terminal.
func follow(t *testing.T, page string, env ...string) string {
	t.Helper()
	top, err := filepath.Abs("../..")
	if err != nil {
		t.Fatal(err)
	}
	for _, need := range []string{"build/levada", ".venv/bin/python"} {
		if _, err := os.Stat(filepath.Join(top, need)); err != nil {
			t.Fatalf("%v\nhint: make setup", err)
		}
	}
	work := t.TempDir()
	env = append(append(os.Environ(),
		"PATH="+strings.Join([]string{filepath.Join(top, "build"), filepath.Join(top, ".venv", "bin"), os.Getenv("PATH")}, ":"),
		"VIRTUAL_ENV="+filepath.Join(top, ".venv"), "PYTHONDONTWRITEBYTECODE=1"), env...)
	var said strings.Builder
	for _, b := range blocks(t, filepath.Join(top, page)) {
		switch {
		case b.kind == "sh":
			cmd := exec.Command("bash", "-euo", "pipefail", "-c", b.text)
			cmd.Dir, cmd.Env = work, env
			out, err := cmd.CombinedOutput()
			if err != nil {
				t.Fatalf("%s\n%v\n%s", b.text, err, out)
			}
			said.Write(out)
		case b.file != "":
			path := filepath.Join(work, b.file)
			if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
				t.Fatal(err)
			}
			if err := os.WriteFile(path, []byte(b.text), 0o644); err != nil {
				t.Fatal(err)
			}
		}
	}
	return said.String()
}

func TestDeadLettersGuide(t *testing.T) {
	b, err := broker.Start(broker.Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer b.Close()
	said := follow(t, "docs/guides/dead-letters.md", "BROKERS="+b.Addr())
	says(t, said, []string{
		"drained, 4 records in, 2 out, 2 dead letters\n",
		"ValueError: could not convert string to float: '1,50'\n",
		"letters=2 foreign=0 unreadable=0\n",
		"letters=1 foreign=0 unreadable=0\n",
		"record      orders[0]@1\n",
		"{\"id\":2,\"price\":\"1,50\"}\n",
		"Traceback (most recent call last):\n",
		"orders[0]@1 -> orders[0]  step \"price\" (orders.py:",
		"would_replay=1 skipped_already=0 refused=0 foreign=0\n",
		"replayed=1 skipped_already=0 refused=0 foreign=0\n",
		"drained, 1 records in, 1 out\n",
		"{\"id\":2,\"cents\":150}\n",
		"replayed=0 skipped_already=1 refused=0 foreign=0\n",
		"drained, 5 records in, 4 out, 1 dead letter\n",
		"group audit.replay\n",
		"replayed=1 skipped_already=0 refused=0 foreign=0\n",
		"replayed=0 skipped_already=1 refused=0 foreign=0\n",
		"{\"id\":3,\"pri\n",
	})
}

func TestGroupsGuide(t *testing.T) {
	b, err := broker.Start(broker.Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer b.Close()
	said := follow(t, "docs/guides/groups-and-processes.md", "BROKERS="+b.Addr())
	says(t, said, []string{
		"group orders\n",
		"{\"id\":", // of three, from two processes
		"group orders-static\n",
		"group orders\n",
		"drained, 0 records in, 0 out\n",
	})
	for _, once := range []string{`{"id":1,"cents":119}`, `{"id":2,"cents":238}`, `{"id":3,"cents":357}`} {
		if n := strings.Count(said, once); n != 1 {
			t.Errorf("%s is there %d times, expected once, in\n%s", once, n, said)
		}
	}
	for _, line := range []string{"[0] levada: pipeline orders: drained", "[1] levada: pipeline orders: drained"} {
		if n := strings.Count(said, line); n != 2 {
			t.Errorf("%q is there %d times, expected it of both commands, in\n%s", line, n, said)
		}
	}
}

// says holds the order of what was printed.
func says(t *testing.T, said string, wants []string) {
	t.Helper()
	at := 0
	for _, want := range wants {
		i := strings.Index(said[at:], want)
		if i < 0 {
			t.Fatalf("expected the guide to say %q behind byte %d, it said\n%s", want, at, said)
		}
		at += i + len(want)
	}
}

func TestTypesGuide(t *testing.T) {
	says(t, follow(t, "docs/guides/types.md"), []string{
		"levada: note: Order.ID: Python does not say how wide an integer is, nor its sign\n",
		"levada:\"const=order\"`\n",
		"step \"label\" (app.py:30): takes Labelled, but step \"pack\" (app.py:29) yields Parcel: $.weight: expected string, got float64\n",
		"exit code 78\n",
	})
}

func TestOwnTypesGuide(t *testing.T) {
	says(t, follow(t, "docs/guides/own-types.md"), []string{
		"drained, 2 records in, 1 out, 1 dead letter\n",
		`{"id":"a","total":"3.30"}`,
		`["levada-step","total"]`,
		"InvalidOperation",
	})
}

func TestFailingMessagesGuide(t *testing.T) {
	top, err := filepath.Abs("../..")
	if err != nil {
		t.Fatal(err)
	}
	const drained = "drained, 4 records in, 2 out, 1 dead letter, 1 skipped\n"
	says(t, follow(t, "docs/guides/failing-messages.md", "LEVADA="+top), []string{
		"levada: step \"score\" (plain.py:8): visits.jsonl[0]@1: ValueError: expected clicks of at least 0, got -1\n",
		"exit code 65\n",
		"drained, 4 records in, 2 out, 2 dead letters\n",
		`["levada-step","parse"]`,
		`["levada-step","score"]`,
		"on error skip\n",
		"on error dead_letter\n",
		"retries 3 times from 100ms\n",
		drained, drained, drained,
		"step \"parse\": the same bytes fail the same way in a codec, expected no retry [bad-policy]\n",
		"step \"gather\": a batch can not fail, expected no on_error, got \"skip\" [bad-policy]\n",
		"exit code 78\n",
		"step \"score\" (app.yaml:6): on_error is dead_letter, expected a stream for dead letters, got none\n",
		"exit code 78\n",
	})
}

func TestCrossingsGuide(t *testing.T) {
	says(t, follow(t, "docs/guides/crossings.md"), []string{
		"takes the GIL once per chunk; payloads come as json\n",
		"drained, 1 records in, 1 out\n",
		`{"user":"ada","day":"Monday"}`,
	})
}
