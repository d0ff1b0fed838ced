package levada_test

import (
	"fmt"
	"os"
	"path/filepath"
	"testing"

	"github.com/levada-io/levada"
)

// What exists in the process alone runs as well: closures of one place in the source,
// each with what it has captured, a method of a service, a codec of the user.
func TestLocalFunctionsRun(t *testing.T) {
	dir := t.TempDir()
	write := func(name, text string) string {
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
		return path
	}
	config := write("deployment.yaml", fmt.Sprintf("streams:\n  in: {connector: file, path: %s}\n  out: {connector: file, path: %s}\n",
		write("in", "a,b\nc\n"), filepath.Join(dir, "out")))

	p := levada.New("local")
	s := p.Source("in", levada.Topic("in")).Parse("split", Lines{","})
	for i := range 3 {
		s = s.Map(fmt.Sprint("add", i), func(m levada.Message[[]string]) ([]string, error) {
			return append(m.Payload(), fmt.Sprint(i)), nil
		})
	}
	calls := counter{}
	s.Map("count", calls.count).Serialize("join", Lines{"-"}).Sink("out", levada.Topic("out"))

	if code := levada.Run(t.Context(), p, []string{"run", "--config", config, "--drain"}); code != 0 {
		t.Fatalf("exit code %d", code)
	}
	got, err := os.ReadFile(filepath.Join(dir, "out"))
	if err != nil || string(got) != "a-b-0-1-2\nc-0-1-2\n" {
		t.Errorf("got %q, %v", got, err)
	}
	if calls.n != 2 {
		t.Errorf("%d calls", calls.n)
	}
}

type counter struct{ n int }

func (c *counter) count(m levada.Message[[]string]) ([]string, error) {
	c.n++
	return m.Payload(), nil
}

func TestRunTellsMistakesByItsExitCode(t *testing.T) {
	right := levada.New("p")
	right.Source("in", levada.Topic("in")).Sink("out", levada.Topic("out"))
	for _, c := range []struct {
		name string
		p    *levada.Pipeline
		args []string
		code int
	}{
		{"right", right, []string{"check"}, 0},
		{"no source", levada.New("p"), []string{"check"}, 78},
		{"unknown flag", right, []string{"run", "--wings"}, 64},
		{"no such deployment", right, []string{"check", "--config", filepath.Join(t.TempDir(), "none.yaml")}, 78},
	} {
		t.Run(c.name, func(t *testing.T) {
			if code := levada.Run(t.Context(), c.p, c.args); code != c.code {
				t.Errorf("exit code %d, expected %d", code, c.code)
			}
		})
	}
}
