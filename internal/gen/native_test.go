package gen_test

import (
	"errors"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/levada-io/levada/internal/gen"
	"github.com/levada-io/levada/plan"
)

const metricSteps = "../../examples/metrics/steps"

// The user's module outside of this one, its plan, and no Python: the binary that
// levada build --native makes.
func TestBuildNative(t *testing.T) {
	p, err := gen.Scan(metricSteps, gen.Options{})
	if err != nil {
		t.Fatal(err)
	}
	prefix := "go:" + p.Manifest.Package + "."
	pl := &plan.Plan{Version: plan.Version, Name: "metrics", Types: p.Manifest.Types, Steps: []plan.Step{
		{Name: "in", Kind: plan.Source, Stream: "in", Connector: "file"},
		{Name: "parse", Kind: plan.Map, Input: "in", Function: &plan.Function{Name: "builtin:json.decode"}, Type: prefix + "IngestMetric"},
		{Name: "above", Kind: plan.Filter, Input: "parse", Function: &plan.Function{Name: prefix + "Threshold", Settings: []byte(`{"limit":1.5}`)}},
		{Name: "transform", Kind: plan.Map, Input: "above", Function: &plan.Function{Name: prefix + "Transform"}},
		{Name: "serialize", Kind: plan.Map, Input: "transform", Function: &plan.Function{Name: "builtin:json.encode"}},
		{Name: "out", Kind: plan.Sink, Input: "serialize", Stream: "out", Connector: "file"},
	}}
	pl.Requires = plan.Requires(pl)
	planJSON, err := pl.Encode()
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	binary := filepath.Join(dir, "metrics")
	if err := gen.BuildNative(p, metricSteps, planJSON, binary); err != nil {
		t.Fatal(err)
	}
	if out, err := exec.Command("ldd", binary).CombinedOutput(); err == nil {
		t.Errorf("expected a static binary, it needs\n%s", out)
	}
	write := func(name, text string) string {
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
		return path
	}
	record := `{"org_id":1,"project_id":2,"name":"n","tags":{},"timestamp":3,"retention_days":90,"type":"c","value":VALUE}`
	in := write("in.jsonl", strings.ReplaceAll(record, "VALUE", "2")+"\n"+strings.ReplaceAll(record, "VALUE", "1")+"\n")
	out := filepath.Join(dir, "out.jsonl")
	config := write("deployment.yaml", "streams:\n  in: {connector: file, path: "+in+"}\n  out: {connector: file, path: "+out+"}\n")
	got, err := exec.Command(binary, "run", "--drain", "--config", config).CombinedOutput()
	if err != nil {
		t.Fatalf("%v\n%s", err, got)
	}
	text, err := os.ReadFile(out)
	if err != nil {
		t.Fatal(err)
	}
	if want := strings.ReplaceAll(strings.TrimSuffix(record, "}"), "VALUE", "2") + `,"transformed":true}` + "\n"; string(text) != want {
		t.Errorf("expected %s, got %s", want, text)
	}
	if status, err := exec.Command("git", "status", "--short", "--", metricSteps).Output(); err == nil && len(status) > 0 {
		t.Errorf("expected nothing to be written into the user's folder, got\n%s", status)
	}
}

// A sealed interface that its package does not register is a union all the same.
func TestBuildNativeOfUnions(t *testing.T) {
	p, err := gen.Scan("testdata/unions/in", gen.Options{})
	if err != nil {
		t.Fatal(err)
	}
	scale, ok := p.Manifest.Function("go:" + p.Manifest.Package + ".Scale")
	if !ok {
		t.Fatal("expected a function Scale")
	}
	pl := &plan.Plan{Version: plan.Version, Name: "unions", Types: maps.Clone(p.Manifest.Types), Steps: []plan.Step{
		{Name: "in", Kind: plan.Source, Stream: "in", Connector: "file"},
		{Name: "parse", Kind: plan.Map, Input: "in", Function: &plan.Function{Name: "builtin:json.decode"}, Type: scale.In.Text()},
		{Name: "scale", Kind: plan.Map, Input: "parse", Function: &plan.Function{Name: scale.Name}},
		{Name: "serialize", Kind: plan.Map, Input: "scale", Function: &plan.Function{Name: "builtin:json.encode"}},
		{Name: "out", Kind: plan.Sink, Input: "serialize", Stream: "out", Connector: "file"},
	}}
	pl.Types[scale.In.Text()] = scale.In
	pl.Requires = plan.Requires(pl)
	planJSON, err := pl.Encode()
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	binary := filepath.Join(dir, "unions")
	if err := gen.BuildNative(p, "testdata/unions/in", planJSON, binary); err != nil {
		t.Fatal(err)
	}
	text := `{"kind":"square","side":2}` + "\n" + `{"kind":"group","parts":[{"kind":"circle","radius":1}],"named":{"a":{"kind":"square","side":1}}}` + "\n"
	in, out, config := filepath.Join(dir, "in"), filepath.Join(dir, "out"), filepath.Join(dir, "deployment.yaml")
	for path, text := range map[string]string{in: text, config: "streams:\n  in: {connector: file, path: " + in + "}\n  out: {connector: file, path: " + out + "}\n"} {
		if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	if got, err := exec.Command(binary, "run", "--drain", "--config", config).CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, got)
	}
	if got, err := os.ReadFile(out); err != nil || string(got) != text {
		t.Errorf("got %s, %v", got, err)
	}
}

func TestBuildNativeSaysWhatGoSays(t *testing.T) {
	p, err := gen.Scan("testdata/metrics/in", gen.Options{})
	if err != nil {
		t.Fatal(err)
	}
	// Between the reading and the build the user has taken a function away.
	p.Manifest.Package = "github.com/levada-io/levada/internal/gen/testdata/fail/nosteps/in"
	err = gen.BuildNative(p, "testdata/fail/nosteps/in", []byte("{}"), filepath.Join(t.TempDir(), "x"))
	var compile *gen.CompileError
	if !errors.As(err, &compile) || !strings.Contains(compile.Text, "undefined: steps.Transform") {
		t.Errorf("expected Go's own text, got %v", err)
	}
}

// Maps of structs are read and written without reflection, as in an extension.
func TestNativeMainRegistersMaps(t *testing.T) {
	p, err := gen.Scan("testdata/types/in", gen.Options{})
	if err != nil {
		t.Fatal(err)
	}
	main, err := gen.NativeMain(p, []byte("{}"))
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{"var _ = levada.RegisterMap[*steps.Node]()", "var _ = levada.RegisterMap[steps.Node]()"} {
		if !strings.Contains(string(main), want) {
			t.Errorf("expected %s in\n%s", want, main)
		}
	}
}
