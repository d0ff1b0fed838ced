package main

import (
	"bytes"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"testing"

	"github.com/levada-io/levada/internal/runner"
)

// TestReference holds docs/reference/cli.md against the command.
func TestReference(t *testing.T) {
	path := filepath.Join("..", "..", "docs", "reference", "cli.md")
	var out bytes.Buffer
	if code := execute([]string{"reference"}, &env{stdout: &out, stderr: os.Stderr}); code != 0 {
		t.Fatalf("exit code %d", code)
	}
	if *update {
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, out.Bytes(), 0o644); err != nil {
			t.Fatal(err)
		}
		return
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if out.String() != string(want) {
		t.Errorf("%s is not current\nhint: make gen", path)
	}
}

// TestErrorsReference holds the codes of docs/reference/errors.md against those that
// there are; the script errors_reference holds its messages.
func TestErrorsReference(t *testing.T) {
	text, err := os.ReadFile(filepath.Join("..", "..", "docs", "reference", "errors.md"))
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, row := range regexp.MustCompile(`(?m)^\| (\d+) \|`).FindAllSubmatch(text, -1) {
		got = append(got, string(row[1]))
	}
	var want []string
	for _, code := range []int{
		runner.OK, runner.Usage, runner.Data, runner.Unavailable, runner.Internal,
		runner.Disk, runner.Aborted, runner.Denied, runner.Config,
	} {
		want = append(want, strconv.Itoa(code))
	}
	if !slices.Equal(got, want) {
		t.Errorf("docs/reference/errors.md has the codes %v, expected %v", got, want)
	}
}
