package archtest

import (
	"encoding/json/jsontext"
	"encoding/json/v2"
	"errors"
	"flag"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

const module = "github.com/levada-io/levada"

var update = flag.Bool("update", false, "write testdata anew")

// rules say, per package, which packages of this module its code (not its tests) may
// import. "x/..." is x and everything below it. The first rule that names a package
// counts; a package without a rule fails, so that a new room is a decision.
var rules = []struct {
	pkg string
	may []string
}{
	{"plan", nil},
	{"record", nil},
	{"abi", nil},
	{"codec", nil},
	{"codec/prefix", []string{"codec", "internal/frame"}},
	{"codec/protobuf", []string{"codec", "codec/prefix", "internal/frame", "internal/protofile", "plan"}},
	{"codec/...", []string{"codec", "codec/prefix", "internal/frame", "plan"}},
	{"connector", []string{"record"}},
	{"connector/connectortest", []string{"connector", "record"}},
	{"connector/...", []string{"connector", "record"}},
	{"broker", []string{"internal/keeper"}},
	{"internal/keeper", nil},
	{"internal/deadletter", []string{"record"}},
	{"internal/program", []string{"record", "connector", "codec"}},
	{"internal/frame", []string{"record", "plan", "codec/...", "internal/program"}},
	{"internal/planner", []string{"plan", "record", "connector", "codec/...", "internal/program", "internal/frame", "internal/diag", "internal/typing"}},
	{"internal/typing", []string{"plan"}},
	{"internal/engine", []string{"record", "connector", "internal/program", "internal/deadletter", "internal/operator", "internal/state"}},
	{"internal/bridge/...", []string{"record", "abi", "plan", "internal/program", "internal/frame", "internal/bridge/..."}},
	{"internal/diag", nil},
	{"internal/processes", nil},
	{"internal/yamldoc", []string{"internal/diag"}},
	{"internal/protofile", nil},
	{"internal/yamlplan", []string{"plan", "internal/diag", "internal/yamldoc", "internal/protofile"}},
	{"internal/deploy", []string{"plan", "internal/diag", "internal/yamldoc"}},
	{"internal/gen", []string{"plan", "internal/diag"}},
	{"internal/schema", []string{"plan", "internal/yamldoc", "internal/typing", "internal/protofile"}},
	{"internal/supply", nil},
	{"internal/health", nil},
	{"internal/runner", []string{
		"plan", "record", "codec/...", "connector/...", "broker",
		"internal/program", "internal/planner", "internal/engine", "internal/yamlplan", "internal/yamldoc", "internal/deploy", "internal/diag", "internal/schema", "internal/supply", "internal/processes", "internal/health", "internal/deadletter",
	}},
	{"internal/testing/...", []string{"broker", "connector/...", "record", "plan", "internal/deadletter"}},
	{"internal/archtest", nil},
	{"pyext", []string{
		"plan", "record", "connector", "codec/...",
		"internal/bridge/...", "internal/program", "internal/planner", "internal/engine", "internal/runner", "internal/frame", "internal/yamlplan",
	}},
	{"", []string{
		"plan", "record", "connector", "codec/...",
		"internal/program", "internal/planner", "internal/engine", "internal/runner", "internal/diag", "internal/frame",
	}},
	{"python/ext", []string{"pyext"}},
	{"levadatest", []string{"", "plan", "record", "connector/...", "internal/runner", "internal/engine", "internal/program", "internal/planner"}},
	{"cmd/...", []string{"", "..."}},
	{"examples/...", []string{"", "record", "connector/...", "broker", "codec/..."}},
	{"bench/...", []string{"", "..."}},
	{"test/...", []string{"", "..."}},
}

// alone lists what only some packages may import, in their tests or not, and why. The first
// rule for an import counts.
var alone = []struct {
	what string
	in   []string
	why  string
}{
	{"github.com/twmb/franz-go/pkg/sr/...", []string{"cmd/levada"},
		"a pipeline works from the folder that a lock pins, never from a registry"},
	{"github.com/twmb/franz-go/...", []string{"connector/kafka/...", "broker", "internal/keeper", "internal/testing/...", "test/...", "bench/..."},
		"one client library, behind one connector"},
	{"C", []string{"internal/bridge/...", "pyext/...", "bench/..."},
		"everything else builds without a C compiler"},
	{"github.com/alecthomas/kong", []string{"cmd/..."},
		"the flags of a user's binary come from internal/runner"},
	{"google.golang.org/protobuf/reflect/protoreflect", []string{"codec/protobuf", "internal/schema", "internal/protofile", "internal/frame"},
		"what the interface of a oneof may hold only its message can tell"},
	{"google.golang.org/protobuf/...", []string{"codec/protobuf", "internal/schema", "internal/protofile"},
		"messages are the affair of one codec and of what generates them"},
}

type listed struct {
	ImportPath   string
	ForTest      string
	Imports      []string
	TestImports  []string
	XTestImports []string
	Deps         []string
}

func TestWhoMayImportWhom(t *testing.T) {
	for _, p := range list(t, "./...") {
		name := rel(p.ImportPath)
		may, ok := allowed(name)
		if !ok {
			t.Errorf("package %q: expected a rule in internal/archtest, found none", name)
			continue
		}
		for _, imp := range p.Imports {
			if in, ok := inModule(imp); ok && !matchAny(may, in) {
				t.Errorf("package %q must not import %q; it may import %q", name, in, may)
			}
		}
		all := slices.Concat(p.Imports, p.TestImports, p.XTestImports)
		for _, imp := range all {
			for _, rule := range alone {
				if !match(rule.what, imp) {
					continue
				}
				if !matchAny(rule.in, name) {
					t.Errorf("package %q imports %s; only %q may: %s", name, imp, rule.in, rule.why)
				}
				break
			}
		}
	}
}

// A binary without Python must not even contain the bridge: that is what keeps
// CGO_ENABLED=0 and a small root package honest, also through others.
func TestTheRootDoesNotReachPython(t *testing.T) {
	for _, pkg := range []string{".", "./internal/engine", "./internal/planner", "./internal/runner"} {
		if _, err := os.Stat(filepath.Join(top(t), pkg)); err != nil {
			t.Fatal(err)
		}
		for _, p := range list(t, pkg) {
			for _, dep := range p.Deps {
				if in, ok := inModule(dep); ok && (match("internal/bridge/...", in) || match("pyext/...", in) || match("cmd/...", in)) {
					t.Errorf("%s depends on %s", pkg, in)
				}
			}
		}
	}
}

// A dependency more of what users ship is a decision, seen in a diff.
func TestDependenciesOfTheLibrary(t *testing.T) {
	out := run(t, "go", "list", "-deps", "-f", "{{with .Module}}{{.Path}}{{end}}", ".")
	got := strings.Fields(out)
	slices.Sort(got)
	got = slices.Compact(got)
	compareFile(t, "testdata/modules-of-levada.txt", strings.Join(got, "\n")+"\n")
}

func compareFile(t *testing.T, path, got string) {
	t.Helper()
	if *update {
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(got), 0o644); err != nil {
			t.Fatal(err)
		}
		return
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatalf("%v\nhint: go test ./internal/archtest -update", err)
	}
	if got != string(want) {
		t.Errorf("%s: expected\n%s\ngot\n%s\nhint: if it is meant, go test ./internal/archtest -update", path, want, got)
	}
}

func list(t *testing.T, pattern string) []listed {
	t.Helper()
	out := run(t, "go", "list", "-json=ImportPath,Imports,TestImports,XTestImports,Deps", pattern)
	var all []listed
	for dec := jsontext.NewDecoder(strings.NewReader(out)); ; {
		var p listed
		err := json.UnmarshalDecode(dec, &p)
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			t.Fatalf("go list: %v", err)
		}
		all = append(all, p)
	}
	if len(all) == 0 {
		t.Fatalf("go list %s: no packages", pattern)
	}
	return all
}

func run(t *testing.T, name string, args ...string) string {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), name, args...)
	cmd.Dir = top(t)
	var stderr strings.Builder
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("%s %s: %v\n%s", name, strings.Join(args, " "), err, stderr.String())
	}
	return string(out)
}

func top(t *testing.T) string {
	t.Helper()
	dir, err := filepath.Abs("../..")
	if err != nil {
		t.Fatal(err)
	}
	return dir
}

func allowed(name string) ([]string, bool) {
	for _, r := range rules {
		if match(r.pkg, name) {
			return r.may, true
		}
	}
	return nil, false
}

func rel(path string) string {
	in, _ := inModule(path)
	return in
}

func inModule(path string) (string, bool) {
	if path == module {
		return "", true
	}
	return strings.CutPrefix(path, module+"/")
}

func matchAny(patterns []string, name string) bool {
	return slices.ContainsFunc(patterns, func(p string) bool { return match(p, name) })
}

func match(pattern, name string) bool {
	if pattern == "..." {
		return true
	}
	if base, ok := strings.CutSuffix(pattern, "/..."); ok {
		return name == base || strings.HasPrefix(name, base+"/")
	}
	return pattern == name
}

func TestMatch(t *testing.T) {
	for _, c := range []struct {
		pattern, name string
		want          bool
	}{
		{"plan", "plan", true}, {"plan", "planner", false}, {"codec/...", "codec", true},
		{"codec/...", "codec/json", true}, {"codec/...", "codectest", false}, {"", "", true}, {"", "plan", false},
	} {
		if got := match(c.pattern, c.name); got != c.want {
			t.Errorf("match(%q, %q) = %v", c.pattern, c.name, got)
		}
	}
}
