package gen

import (
	"encoding/json/v2"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
)

// BuildNative builds the static binary out: one plan, with the steps of p, which was
// read from dir, and no Python. Nothing is written but out.
//
// # Errors
//
// A *CompileError with what the go command says.
func BuildNative(p *Package, dir string, planJSON []byte, out string) error {
	main, err := NativeMain(p, planJSON)
	if err != nil {
		return err
	}
	if dir, err = filepath.Abs(dir); err != nil {
		return err
	}
	if out, err = filepath.Abs(out); err != nil {
		return err
	}
	work, err := os.MkdirTemp("", "levada-native-")
	if err != nil {
		return err
	}
	defer func() { _ = os.RemoveAll(work) }()
	file := filepath.Join(work, "main.go")
	if err := os.WriteFile(file, main, 0o644); err != nil {
		return err
	}
	// The main stands in the user's package for the go command only; there it may
	// import what is internal to the module.
	overlay, err := json.Marshal(map[string]map[string]string{
		"Replace": {filepath.Join(dir, "levada_native", "main.go"): file},
	})
	if err != nil {
		return err
	}
	list := filepath.Join(work, "overlay.json")
	if err := os.WriteFile(list, overlay, 0o644); err != nil {
		return err
	}
	args := []string{"build", "-trimpath", "-buildvcs=false", "-ldflags=-s -w", "-tags=netgo,osusergo", "-overlay=" + list, "-o", out}
	more, err := moduleFlags(dir, work)
	if err != nil {
		return err
	}
	cmd := exec.Command("go", append(append(args, more...), "./levada_native")...)
	cmd.Dir = dir
	cmd.Env = append(os.Environ(), "CGO_ENABLED=0")
	var stderr strings.Builder
	cmd.Stderr = &stderr
	err = cmd.Run()
	if exit := (*exec.ExitError)(nil); errors.As(err, &exit) {
		text := strings.TrimPrefix(strings.TrimSpace(stderr.String()), "# "+p.Manifest.Package+"\n")
		return &CompileError{Package: p.Manifest.Package, Text: text}
	}
	return err
}

// moduleFlags let Go add what the generated main needs, and the user's go.mod does not
// name, to a copy of it in work. A workspace and a vendor folder say themselves where
// everything is.
func moduleFlags(dir, work string) ([]string, error) {
	cmd := exec.Command("go", "env", "GOMOD", "GOWORK")
	cmd.Dir = dir
	said, err := cmd.Output()
	if err != nil {
		return nil, fmt.Errorf("go env: %w", err)
	}
	mod, workspace, _ := strings.Cut(strings.TrimRight(string(said), "\n"), "\n")
	if mod == "" || mod == os.DevNull {
		return nil, fmt.Errorf("%s: expected a Go module, found no go.mod here or above\nhint: go mod init example.com/steps && go get %s", dir, modulePath)
	}
	if workspace != "" && workspace != "off" {
		return nil, nil
	}
	if _, err := os.Stat(filepath.Join(filepath.Dir(mod), "vendor", "modules.txt")); err == nil {
		return nil, nil
	}
	for _, f := range []struct {
		from, to string
		needed   bool
	}{{mod, "go.mod", true}, {strings.TrimSuffix(mod, ".mod") + ".sum", "go.sum", false}} {
		text, err := os.ReadFile(f.from)
		if err != nil && (f.needed || !errors.Is(err, os.ErrNotExist)) {
			return nil, err
		}
		if err := os.WriteFile(filepath.Join(work, f.to), text, 0o644); err != nil {
			return nil, err
		}
	}
	return []string{"-modfile=" + filepath.Join(work, "go.mod"), "-mod=mod"}, nil
}
