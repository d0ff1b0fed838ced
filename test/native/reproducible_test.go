package native

import (
	"bytes"
	"encoding/json/v2"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// TestReproducible builds the same program in two folders: the bytes are the same, and
// the program says what it was linked from.
func TestReproducible(t *testing.T) {
	top, err := filepath.Abs("../..")
	if err != nil {
		t.Fatal(err)
	}
	command := func(dir, name string, args ...string) []byte {
		t.Helper()
		cmd := exec.Command(name, args...)
		cmd.Dir = dir
		var stderr strings.Builder
		cmd.Stderr = &stderr
		out, err := cmd.Output()
		if err != nil {
			t.Fatalf("%s %s: %v\n%s", name, strings.Join(args, " "), err, stderr.String())
		}
		return out
	}
	levada := filepath.Join(t.TempDir(), "levada")
	command(top, "go", "build", "-o", levada, "./cmd/levada")
	steps := filepath.Join(top, "examples", "metrics", "steps")
	var programs []string
	for _, place := range []string{"one", "another/deeper"} {
		dir := filepath.Join(t.TempDir(), place)
		if err := os.MkdirAll(dir, 0o755); err != nil {
			t.Fatal(err)
		}
		for _, name := range []string{"go.mod", "go.sum", "steps.go", "sort.go"} {
			text, err := os.ReadFile(filepath.Join(steps, name))
			if err != nil {
				t.Fatal(err)
			}
			if err := os.WriteFile(filepath.Join(dir, name), text, 0o644); err != nil {
				t.Fatal(err)
			}
		}
		command(dir, "go", "mod", "edit", "-replace=github.com/levada-io/levada="+top)
		program := filepath.Join(dir, "metrics")
		command(dir, levada, "build", "--native", filepath.Join(top, "examples", "metrics", "pipeline.yaml"), "-o", program, ".")
		programs = append(programs, program)
	}
	one, err := os.ReadFile(programs[0])
	if err != nil {
		t.Fatal(err)
	}
	other, err := os.ReadFile(programs[1])
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(one, other) {
		t.Errorf("two builds differ: %d and %d bytes", len(one), len(other))
	}

	for _, args := range [][]string{{programs[0], "sbom"}, {levada, "version", "--sbom"}} {
		bom := command(top, args[0], args[1:]...)
		var parsed struct {
			Format     string `json:"bomFormat"`
			Components []struct {
				Name string `json:"name"`
			} `json:"components"`
		}
		if err := json.Unmarshal(bom, &parsed); err != nil {
			t.Fatalf("%v: %v", args, err)
		}
		if parsed.Format != "CycloneDX" || len(parsed.Components) < 5 || bytes.Contains(bom, []byte(top)) {
			t.Errorf("%v:\n%s", args, bom)
		}
	}
	for _, args := range [][]string{{programs[0], "licences"}, {levada, "version", "--licences"}} {
		text := string(command(top, args[0], args[1:]...))
		for _, module := range []string{"std", "github.com/levada-io/levada", "github.com/klauspost/compress", "github.com/twmb/franz-go"} {
			if !strings.Contains(text, "=== "+module+" (") {
				t.Errorf("%v: expected the licence of %s", args, module)
			}
		}
		if strings.Contains(text, "no licence file") {
			t.Errorf("%v: a module is without a licence", args)
		}
	}
}
