package gen_test

import (
	"errors"
	"flag"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/levada-io/levada/internal/gen"
)

var update = flag.Bool("update", false, "write the golden files anew")

func TestGenerate(t *testing.T) {
	for _, name := range []string{"messages", "metrics", "types", "unions"} {
		t.Run(name, func(t *testing.T) {
			p, err := gen.Scan(filepath.Join("testdata", name, "in"), gen.Options{})
			if err != nil {
				t.Fatal(err)
			}
			files, err := p.Files()
			if err != nil {
				t.Fatal(err)
			}
			want := filepath.Join("testdata", name, "want")
			if *update {
				if err := os.RemoveAll(want); err != nil {
					t.Fatal(err)
				}
			}
			golden(t, filepath.Join("testdata", name, "notes.txt"), []byte(strings.Join(append(p.Notes, ""), "\n")))
			for _, file := range slices.Sorted(maps.Keys(files)) {
				golden(t, filepath.Join(want, filepath.FromSlash(file)), files[file])
			}
			err = filepath.WalkDir(want, func(path string, d os.DirEntry, err error) error {
				rel, _ := filepath.Rel(want, path)
				if _, ok := files[filepath.ToSlash(rel)]; err == nil && !d.IsDir() && !ok {
					t.Errorf("%s: nothing generates it any more", path)
				}
				return err
			})
			if err != nil {
				t.Fatal(err)
			}
		})
	}
}

// What is wrong with a package is said all at once, each mistake with its place.
func TestMistakes(t *testing.T) {
	dirs, err := filepath.Glob("testdata/fail/*")
	if err != nil || len(dirs) == 0 {
		t.Fatalf("expected cases, got %v %v", dirs, err)
	}
	for _, dir := range dirs {
		t.Run(filepath.Base(dir), func(t *testing.T) {
			_, err := gen.Scan(filepath.Join(dir, "in"), gen.Options{})
			if err == nil {
				t.Fatal("expected a mistake, found none")
			}
			golden(t, filepath.Join(dir, "stderr"), []byte(err.Error()+"\n"))
		})
	}
}

func TestCompileErrorsAreGos(t *testing.T) {
	_, err := gen.Scan("testdata/fail/compile/in", gen.Options{})
	var compile *gen.CompileError
	if !errors.As(err, &compile) {
		t.Fatalf("expected a CompileError, got %v", err)
	}
	for _, want := range []string{"./steps.go:7:23: undefined: undefined", "./steps.go:6:2: declared and not used: count"} {
		if !strings.Contains(compile.Text, want) {
			t.Errorf("expected %q in\n%s", want, compile.Text)
		}
	}
}

func TestModuleName(t *testing.T) {
	p, err := gen.Scan("testdata/metrics/in", gen.Options{Module: "other_name"})
	if err != nil {
		t.Fatal(err)
	}
	if got := p.Manifest.Module; got != "other_name" {
		t.Errorf("expected the module other_name, got %s", got)
	}
	if _, err := gen.Scan("testdata/metrics/in", gen.Options{Module: "metric-steps"}); err == nil {
		t.Error("expected metric-steps to be refused as a name that Python can not import")
	}
}

func TestCheck(t *testing.T) {
	in, out := "testdata/metrics/in", t.TempDir()
	if _, err := gen.Generate(in, out, gen.Options{}); err != nil {
		t.Fatal(err)
	}
	if err := gen.Check(in, out, gen.Options{}); err != nil {
		t.Fatalf("expected fresh files to pass, got %v", err)
	}
	types := filepath.Join(out, "metric_steps", "types.py")
	before, err := os.Stat(types)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := gen.Generate(in, out, gen.Options{}); err != nil {
		t.Fatal(err)
	}
	if after, err := os.Stat(types); err != nil || !after.ModTime().Equal(before.ModTime()) {
		t.Errorf("expected an unchanged file to keep its time, got %v %v", after, err)
	}
	if err := os.WriteFile(types, []byte("# edited\n"), 0o644); err != nil {
		t.Fatal(err)
	}
	if err := os.Remove(filepath.Join(out, "main.go")); err != nil {
		t.Fatal(err)
	}
	var stale *gen.StaleError
	if err := gen.Check(in, out, gen.Options{}); !errors.As(err, &stale) {
		t.Fatalf("expected a StaleError, got %v", err)
	}
	if want := []string{"main.go", "metric_steps/types.py"}; !slices.Equal(stale.Files, want) {
		t.Errorf("expected %v, got %v", want, stale.Files)
	}
}

// The fingerprint says whether values still mean the same: what people read does not
// count, what is written does.
func TestFingerprint(t *testing.T) {
	src, err := os.ReadFile("testdata/metrics/in/steps.go")
	if err != nil {
		t.Fatal(err)
	}
	// One folder for all variants: the import path is part of the names.
	dir, err := os.MkdirTemp("testdata", "tmp-")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.RemoveAll(dir) })
	fingerprint := func(old, repl string) string {
		t.Helper()
		if !strings.Contains(string(src), old) {
			t.Fatalf("%q is not in the source", old)
		}
		text := strings.Replace(string(src), old, repl, 1)
		if err := os.WriteFile(filepath.Join(dir, "steps.go"), []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
		p, err := gen.Scan(dir, gen.Options{})
		if err != nil {
			t.Fatal(err)
		}
		return p.Manifest.Fingerprint
	}
	base := fingerprint("", "")
	if got := fingerprint("// IsCounter keeps counters.", "// IsCounter keeps\n// what counts."); got != base {
		t.Error("expected a comment not to count")
	}
	if got := fingerprint(`json:"org_id"`, `json:"org"`); got == base {
		t.Error("expected the name of a member to count")
	}
	if got := fingerprint("RetentionDays uint16", "RetentionDays uint32"); got == base {
		t.Error("expected the width of an integer to count")
	}
}

func golden(t *testing.T, path string, got []byte) {
	t.Helper()
	if *update {
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, got, 0o644); err != nil {
			t.Fatal(err)
		}
		return
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if string(want) != string(got) {
		t.Errorf("%s: expected\n%s\ngot\n%s\nhint: go test -update writes it", path, want, got)
	}
}
