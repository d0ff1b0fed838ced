package supply

import (
	"bytes"
	"encoding/json/v2"
	"flag"
	"os"
	"os/exec"
	"path/filepath"
	"runtime/debug"
	"slices"
	"strings"
	"testing"
)

var update = flag.Bool("update", false, "write licences.txt anew")

// linked are the programs that we ship, or that users build with us.
var linked = []string{"../..", "../../cmd/levada", "../../cmd/levada-gen", "../../pyext"}

// expressions are the licences as somebody has read them. A module that is not here
// fails the test: a new dependency comes with a look at its licence.
var expressions = map[string]string{
	Std:                                        "BSD-3-Clause",
	"github.com/levada-io/levada":              "Apache-2.0",
	"github.com/alecthomas/kong":               "MIT",
	"github.com/bufbuild/protocompile":         "Apache-2.0",
	"github.com/klauspost/compress":            "Apache-2.0 AND BSD-3-Clause AND MIT",
	"github.com/pierrec/lz4/v4":                "BSD-3-Clause",
	"github.com/santhosh-tekuri/jsonschema/v6": "Apache-2.0",
	"golang.org/x/text":                        "BSD-3-Clause",
	"github.com/twmb/avro":                     "MIT",
	"github.com/twmb/franz-go":                 "BSD-3-Clause",
	"github.com/twmb/franz-go/pkg/kadm":        "BSD-3-Clause",
	"github.com/twmb/franz-go/pkg/kfake":       "BSD-3-Clause",
	"github.com/twmb/franz-go/pkg/kmsg":        "BSD-3-Clause",
	"github.com/twmb/franz-go/pkg/sr":          "BSD-3-Clause",
	"github.com/philhofer/fwd":                 "MIT",
	"github.com/tinylib/msgp":                  "BSD-3-Clause AND MIT",
	"go.yaml.in/yaml/v4":                       "MIT AND Apache-2.0",
	"google.golang.org/protobuf":               "BSD-3-Clause",
	"golang.org/x/mod":                         "BSD-3-Clause",
	"golang.org/x/sync":                        "BSD-3-Clause",
	"golang.org/x/tools":                       "BSD-3-Clause",
}

func output(t *testing.T, name string, args ...string) string {
	t.Helper()
	cmd := exec.Command(name, args...)
	// What is linked does not depend on whether there is a C compiler here; a list needs none.
	cmd.Env = append(os.Environ(), "CGO_ENABLED=1")
	var stderr strings.Builder
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("%s %s: %v\n%s", name, strings.Join(args, " "), err, stderr.String())
	}
	return string(out)
}

// TestLicences holds licences.txt against the files in the modules that are linked today.
func TestLicences(t *testing.T) {
	const form = "{{with .Module}}{{.Path}}\t{{.Dir}}\t{{$.Dir}}{{end}}"
	folders := map[string][]string{}
	for line := range strings.Lines(output(t, "go", append([]string{"list", "-deps", "-f", form}, linked...)...)) {
		part := strings.Split(strings.TrimSpace(line), "\t")
		if len(part) != 3 {
			continue // of the toolchain
		}
		if folders[part[0]] == nil {
			folders[part[0]] = []string{part[1]}
		}
		// Parts that come from elsewhere have licences of their own.
		for dir := part[2]; len(dir) > len(part[1]) && part[0] != "github.com/levada-io/levada"; dir = filepath.Dir(dir) {
			if !slices.Contains(folders[part[0]], dir) {
				folders[part[0]] = append(folders[part[0]], dir)
			}
		}
	}
	folders[Std] = []string{strings.TrimSpace(output(t, "go", "env", "GOROOT"))}
	var all []Licence
	for path, in := range folders {
		slices.Sort(in)
		text, err := ReadFolders(in...)
		if err != nil {
			t.Fatal(err)
		}
		if text == "" {
			t.Errorf("%s: expected a licence file, found none", path)
		}
		if expressions[path] == "" {
			t.Errorf("%s: expected its licence in this test, found none: read it", path)
		}
		all = append(all, Licence{path, expressions[path], text})
	}
	for path := range expressions {
		if folders[path] == nil {
			t.Errorf("%s: is not linked any more", path)
		}
	}
	slices.SortFunc(all, func(a, b Licence) int { return strings.Compare(a.Module, b.Module) })
	want := Format(all)
	if *update {
		if err := os.WriteFile("licences.txt", []byte(want), 0o644); err != nil {
			t.Fatal(err)
		}
		return
	}
	if licences != want {
		t.Error("licences.txt is not what the linked modules say\nhint: make gen")
	}
	for _, l := range all {
		if got := known()[l.Module]; got != l {
			t.Errorf("%s is read as %q, %d bytes", l.Module, got.SPDX, len(got.Text))
		}
	}
}

func TestSBOM(t *testing.T) {
	info := &debug.BuildInfo{
		GoVersion: "go1.27.3", Path: "example.com/app/cmd/app",
		Main: debug.Module{Path: "example.com/app", Version: "(devel)"},
		Deps: []*debug.Module{
			{Path: "github.com/levada-io/levada", Version: "v0.0.0", Replace: &debug.Module{Path: "../levada", Version: "(devel)"}},
			{Path: "github.com/pierrec/lz4/v4", Version: "v4.1.33", Sum: "h1:abc="},
			{Path: "example.com/old", Version: "v1.0.0", Replace: &debug.Module{Path: "example.com/new", Version: "v1.1.0+meta", Sum: "h1:def="}},
		},
		Settings: []debug.BuildSetting{{Key: "GOARCH", Value: "amd64"}, {Key: "-ldflags", Value: "-X secret=/home/me"}},
	}
	got, err := SBOM(info)
	if err != nil {
		t.Fatal(err)
	}
	again, err := SBOM(info)
	if err != nil || !bytes.Equal(got, again) {
		t.Errorf("two of the same program differ, %v", err)
	}
	for _, want := range []string{
		`"specVersion": "1.6"`, `"purl": "pkg:golang/example.com/app"`, `"purl": "pkg:golang/std@1.27.3"`,
		`"purl": "pkg:golang/github.com/levada-io/levada"`, `"expression": "Apache-2.0"`,
		`"purl": "pkg:golang/github.com/pierrec/lz4/v4@v4.1.33"`, `"value": "h1:abc="`,
		`"purl": "pkg:golang/example.com/new@v1.1.0%2Bmeta"`, `"value": "amd64"`,
	} {
		if !strings.Contains(string(got), want) {
			t.Errorf("expected %s in\n%s", want, got)
		}
	}
	for _, bad := range []string{"/home/me", "../levada", "example.com/old"} {
		if strings.Contains(string(got), bad) {
			t.Errorf("did not expect %s in\n%s", bad, got)
		}
	}
	var parsed struct {
		Components []struct {
			Ref string `json:"bom-ref"`
		} `json:"components"`
		Dependencies []struct {
			DependsOn []string `json:"dependsOn"`
		} `json:"dependencies"`
	}
	if err := json.Unmarshal(got, &parsed); err != nil {
		t.Fatal(err)
	}
	if len(parsed.Components) != 4 || len(parsed.Dependencies) != 1 || len(parsed.Dependencies[0].DependsOn) != 4 {
		t.Errorf("expected the toolchain and three modules, got %+v", parsed)
	}
	if missing := Missing(info); !slices.Equal(missing, []string{"example.com/old"}) {
		t.Errorf("licences that are not known: %v", missing)
	}
	text := Format(Licences(info, Licence{Module: "example.com/old", Text: "Do what you want."}))
	if !strings.Contains(text, "=== example.com/old ()\n\nDo what you want.") || !strings.Contains(text, "=== std (BSD-3-Clause)\n\nCopyright") {
		t.Errorf("licences:\n%.400s", text)
	}
}

func TestReadFolders(t *testing.T) {
	dir := t.TempDir()
	for name, text := range map[string]string{"LICENSE.txt": "one\r\n", "Copying": "one", "NOTICE": "two", "licence.go": "three", "README": "four"} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	if got, err := ReadFolders(dir); err != nil || got != "one\n\ntwo" {
		t.Errorf("got %q, %v", got, err)
	}
	if _, err := ReadFolders(filepath.Join(dir, "none")); err == nil || !strings.HasPrefix(err.Error(), "licences: ") {
		t.Errorf("a folder that is not there: %v", err)
	}
}
