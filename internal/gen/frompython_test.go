package gen_test

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/levada-io/levada/internal/gen"
	"github.com/levada-io/levada/plan"
)

func TestGoFromPython(t *testing.T) {
	dir := filepath.Join("testdata", "from_python")
	text, err := os.ReadFile(filepath.Join(dir, "types.json"))
	if err != nil {
		t.Fatal(err)
	}
	types, err := gen.ReadPythonTypes(text)
	if err != nil {
		t.Fatal(err)
	}
	source, notes, err := types.Go("orders")
	if err != nil {
		t.Fatal(err)
	}
	for name, got := range map[string]string{
		"from_python.go.want": string(source),
		"notes.txt":           strings.Join(notes, "\n") + "\n",
	} {
		path := filepath.Join(dir, name)
		if *update {
			if err := os.WriteFile(path, []byte(got), 0o644); err != nil {
				t.Fatal(err)
			}
		}
		want, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		if got != string(want) {
			t.Errorf("%s:\n got %s\nwant %s", name, got, want)
		}
	}

	module := t.TempDir()
	files := map[string]string{
		"from_python.go": string(source),
		"go.mod":         "module example.com/orders\n\ngo 1.27\n",
	}
	for name, text := range files {
		if err := os.WriteFile(filepath.Join(module, name), []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	vet := exec.Command("go", "vet", ".")
	vet.Dir = module
	if out, err := vet.CombinedOutput(); err != nil {
		t.Errorf("go vet: %v\n%s", err, out)
	}
}

func TestGoFromPythonWrong(t *testing.T) {
	str := plan.Type{Kind: plan.TString}
	of := func(fields ...plan.Field) plan.Type { return plan.Type{Kind: plan.TStruct, Fields: fields} }
	for _, c := range []struct {
		name  string
		types map[string]plan.Type
		want  string
	}{
		{"two types", map[string]plan.Type{"py:a:Order": of(plan.Field{Name: "x", Type: str}), "py:b:Order": of(plan.Field{Name: "x", Type: str})},
			"types py:a:Order and py:b:Order: expected two names, both would be Order in Go\nhint: rename one of them in Python"},
		{"two members", map[string]plan.Type{"py:a:Order": of(plan.Field{Name: "org_id", Type: str}, plan.Field{Name: "OrgID", Type: str})},
			`type py:a:Order: members "OrgID" and "org_id": expected two names, both would be OrgID in Go` + "\nhint: write this struct by hand"},
		{"no name", map[string]plan.Type{"py:a:Order": of(plan.Field{Name: "--", Type: str})},
			`type py:a:Order: member "--": expected a name that Go can hold` + "\nhint: write this struct by hand"},
		{"no tag", map[string]plan.Type{"py:a:Order": of(plan.Field{Name: "x", Type: str, Const: `"a` + "`" + `"`})},
			`type py:a:Order: member "x": const "a` + "`" + `": expected a text without a backquote, which no tag can hold` + "\nhint: write this struct by hand"},
		{"always left out", map[string]plan.Type{"py:a:Order": of(plan.Field{Name: "x", Type: plan.Type{Kind: plan.TBool}, Optional: true, Const: "false"})},
			`type py:a:Order: member "x": const false: expected a constant that omitzero does not always leave out` + "\nhint: write this struct by hand"},
		{"no struct", map[string]plan.Type{"list[string]": {Kind: plan.TList, Elem: &str}},
			"list[string]: expected a TypedDict or dataclass, these need no struct in Go"},
	} {
		t.Run(c.name, func(t *testing.T) {
			p := gen.PythonTypes{Roots: []string{"list[string]"}, Types: c.types}
			_, _, err := p.Go("orders")
			if err == nil || err.Error() != c.want {
				t.Errorf("got %v, want %s", err, c.want)
			}
		})
	}
	if _, err := gen.ReadPythonTypes([]byte(`{"roots":`)); err == nil {
		t.Error("half a JSON text was read")
	}
}
