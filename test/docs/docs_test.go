//go:build e2e

// Package docs runs what the documentation tells people to type.
package docs

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// block is a fenced piece of a page: text of a file, or commands.
type block struct{ kind, file, text string }

var fence = regexp.MustCompile("(?ms)^```(\\w+)(?: (\\S+))?\n(.*?)^```$")

func blocks(t *testing.T, page string) []block {
	t.Helper()
	text, err := os.ReadFile(page)
	if err != nil {
		t.Fatal(err)
	}
	var out []block
	for _, m := range fence.FindAllStringSubmatch(string(text), -1) {
		out = append(out, block{m[1], m[2], m[3]})
	}
	if len(out) == 0 {
		t.Fatalf("%s: no code", page)
	}
	return out
}

// TestTutorial follows docs/start/rewrite-one-step.md from an empty folder, in a virtual
// environment of its own that has the package levada of this checkout.
func TestTutorial(t *testing.T) {
	top, err := filepath.Abs("../..")
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	venv := filepath.Join(dir, "venv")
	env := append(os.Environ(),
		"PATH="+strings.Join([]string{filepath.Join(venv, "bin"), filepath.Join(top, "build"), os.Getenv("PATH")}, ":"),
		"VIRTUAL_ENV="+venv, "LEVADA="+top, "PYTHONDONTWRITEBYTECODE=1", "PIP_DISABLE_PIP_VERSION_CHECK=1")
	run := func(dir, script string) string {
		t.Helper()
		cmd := exec.Command("bash", "-euo", "pipefail", "-c", script)
		cmd.Dir, cmd.Env = dir, env
		out, err := cmd.CombinedOutput()
		if err != nil {
			t.Fatalf("%s\n%v\n%s", script, err, out)
		}
		return string(out)
	}
	run(dir, fmt.Sprintf(`%q -m venv %q`, filepath.Join(top, ".venv", "bin", "python"), venv))
	run(dir, fmt.Sprintf(`echo %q > "$(python -c 'import site; print(site.getsitepackages()[0])')/levada.pth"`, filepath.Join(top, "python", "src")))

	work := filepath.Join(dir, "work")
	if err := os.Mkdir(work, 0o755); err != nil {
		t.Fatal(err)
	}
	var said strings.Builder
	for _, b := range blocks(t, filepath.Join(top, "docs", "start", "rewrite-one-step.md")) {
		switch {
		case b.kind == "sh":
			said.WriteString(run(work, b.text))
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
	for _, want := range []string{"{'user': 'u', 'score': 2.5}", "crossings per chunk: 0", "drained, 5 records in, 5 out"} {
		if !strings.Contains(said.String(), want) {
			t.Errorf("expected the tutorial to say %q, it said\n%s", want, said.String())
		}
	}
}
