package levada_test

import (
	"flag"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

var update = flag.Bool("update", false, "write golden files anew")

// golden compares a text with a file, or writes it there.
func golden(t *testing.T, file, got string) {
	t.Helper()
	if *update {
		if err := os.WriteFile(file, []byte(got), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if got != string(want) {
		t.Errorf("%s (go test -update writes it anew)\n%s", file, differ(got, string(want)))
	}
}

// differ shows two texts from the first line that differs to the last.
func differ(got, want string) string {
	a, b := strings.SplitAfter(got, "\n"), strings.SplitAfter(want, "\n")
	line := 1
	for len(a) > 0 && len(b) > 0 && a[0] == b[0] {
		a, b, line = a[1:], b[1:], line+1
	}
	for len(a) > 0 && len(b) > 0 && a[len(a)-1] == b[len(b)-1] {
		a, b = a[:len(a)-1], b[:len(b)-1]
	}
	return fmt.Sprintf("line %d: got\n%s\nwant\n%s", line, strings.Join(a, ""), strings.Join(b, ""))
}

// A step that does not fit its neighbour does not compile, and what the compiler says
// names both types. One build for all: they share what they import.
func TestWrongNeighboursDoNotCompile(t *testing.T) {
	dirs, err := filepath.Glob("testdata/wrong/*")
	if err != nil || len(dirs) == 0 {
		t.Fatalf("expected programs in testdata/wrong: %v", err)
	}
	args := []string{"build", "-gcflags=-e"}
	for _, dir := range dirs {
		args = append(args, "./"+filepath.ToSlash(dir))
	}
	out, err := exec.Command("go", args...).CombinedOutput()
	if err == nil {
		t.Fatal("expected that none compiles, all do")
	}
	said := map[string]string{}
	for part := range strings.SplitSeq("\n"+string(out), "\n# ") {
		pkg, text, _ := strings.Cut(part, "\n")
		said[filepath.Base(pkg)] = strings.TrimSuffix(text, "\n") + "\n"
	}
	for _, dir := range dirs {
		t.Run(filepath.Base(dir), func(t *testing.T) {
			text, ok := said[filepath.Base(dir)]
			if !ok {
				t.Fatal("it compiles")
			}
			golden(t, filepath.Join(dir, "want.txt"), text)
		})
	}
}
