package native

import (
	"debug/elf"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
)

// TestStaticBinary builds the metrics pipeline in Go, and the same in YAML, as static
// programs: nothing is loaded at run time, and they run where there is nothing else.
func TestStaticBinary(t *testing.T) {
	steps, err := filepath.Abs("../../examples/metrics/steps")
	if err != nil {
		t.Fatal(err)
	}
	root := t.TempDir()
	build := func(dir string, args ...string) {
		t.Helper()
		cmd := exec.Command("go", args...)
		cmd.Dir = dir
		cmd.Env = append(os.Environ(), "CGO_ENABLED=0")
		if out, err := cmd.CombinedOutput(); err != nil {
			t.Fatalf("go %s: %v\n%s", strings.Join(args, " "), err, out)
		}
	}
	build(steps, "build", "-o", filepath.Join(root, "go"), "./cmd/metrics")
	build(".", "run", "../../cmd/levada", "build", "--native", "../../examples/metrics/pipeline.yaml", "-o", filepath.Join(root, "yaml"), steps)

	plans := map[string]string{}
	for _, name := range []string{"go", "yaml"} {
		f, err := elf.Open(filepath.Join(root, name))
		if err != nil {
			t.Fatal(err)
		}
		for _, p := range f.Progs {
			if p.Type == elf.PT_INTERP {
				t.Errorf("%s wants an interpreter: it is not static", name)
			}
		}
		if err := f.Close(); err != nil {
			t.Fatal(err)
		}
		cmd := exec.Command(filepath.Join(root, name), "explain", "--stage", "plan")
		if os.Geteuid() == 0 {
			// Only root may change the root: the folder holds the two programs and nothing else.
			cmd.Path = "/" + name
			cmd.SysProcAttr = &syscall.SysProcAttr{Chroot: root}
			cmd.Dir = "/"
		}
		out, err := cmd.CombinedOutput()
		if err != nil {
			t.Fatalf("%s: %v\n%s", name, err, out)
		}
		var lines []string
		for l := range strings.Lines(string(out)) {
			if !strings.Contains(l, `"file":`) && !strings.Contains(l, `"line":`) {
				lines = append(lines, l)
			}
		}
		plans[name] = strings.Join(lines, "")
	}
	if plans["go"] != plans["yaml"] {
		t.Errorf("the plans differ\nGo\n%s\nYAML\n%s", plans["go"], plans["yaml"])
	}
}
