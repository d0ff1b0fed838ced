package main

import (
	"bytes"
	"os"
	"path/filepath"
	"testing"
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
