package archtest

import (
	"encoding/json/v2"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// The examples, benches and tools are modules of their own, and are built beside the
// platform: what two of them require is of one version, or the one is tried with what the
// other does not ship.
func TestModulesAgree(t *testing.T) {
	root := top(t)
	type require struct{ Path, Version string }
	versions, files := map[string]string{}, map[string]string{}
	modules := 0
	err := filepath.WalkDir(root, func(name string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if d.IsDir() && (strings.HasPrefix(d.Name(), ".") && name != root || d.Name() == "build" || d.Name() == "testdata") {
			return filepath.SkipDir
		}
		if d.Name() != "go.mod" {
			return nil
		}
		modules++
		text, err := exec.Command("go", "mod", "edit", "-json", name).Output()
		if err != nil {
			return err
		}
		var m struct {
			Go      string
			Require []require
		}
		if err := json.Unmarshal(text, &m); err != nil {
			return err
		}
		file, err := filepath.Rel(root, name)
		if err != nil {
			return err
		}
		for _, r := range append(m.Require, require{"go", m.Go}) {
			if is, ok := versions[r.Path]; ok && is != r.Version {
				t.Errorf("%s: expected %s %s, as in %s, got %s", file, r.Path, is, files[r.Path], r.Version)
			} else if !ok {
				versions[r.Path], files[r.Path] = r.Version, file
			}
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	if modules < 6 {
		t.Errorf("%d modules below %s", modules, root)
	}
	if _, err := os.Stat(filepath.Join(root, "bench", "go.mod")); err != nil {
		t.Error(err)
	}
}
