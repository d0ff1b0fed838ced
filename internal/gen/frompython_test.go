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

// The sealed interfaces of a Python Union are what the generator finds again: Python gets
// back what it had.
func TestUnionsFromPythonAndBack(t *testing.T) {
	text, err := os.ReadFile(filepath.Join("testdata", "from_python", "types.json"))
	if err != nil {
		t.Fatal(err)
	}
	described, err := gen.ReadPythonTypes(text)
	if err != nil {
		t.Fatal(err)
	}
	dir, err := os.MkdirTemp("testdata", "tmp-")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.RemoveAll(dir) })
	if _, err := described.WriteGo(dir, "orders"); err != nil {
		t.Fatal(err)
	}
	const step = "package orders\n\nimport \"github.com/levada-io/levada/record\"\n\nfunc Pay(m record.Message[Order]) (Payment, error) { return m.Payload().Payment, nil }\n"
	if err := os.WriteFile(filepath.Join(dir, "steps.go"), []byte(step), 0o644); err != nil {
		t.Fatal(err)
	}
	p, err := gen.Scan(dir, gen.Options{})
	if err != nil {
		t.Fatal(err)
	}
	files, err := p.Files()
	if err != nil {
		t.Fatal(err)
	}
	for file, want := range map[string][]string{
		"orders/types.py": {
			"Payment: TypeAlias = Card | Cash\n", "OrderAnswers: TypeAlias = Cash | bool | int | str | list[int]\n",
			"    payment: _ReadOnly[Payment]\n", "    refund: NotRequired[_ReadOnly[Payment]]\n", "    answers: _ReadOnly[_Mapping[str, OrderAnswers]]\n", `    change: NotRequired["list[Payment]"]`,
		},
		"main.go": {"record.Union[steps.Payment](*new(steps.Card), *new(steps.Cash))", "record.Union[steps.OrderAnswers](*new(steps.Cash), *new(steps.OrderAnswersBool)"},
	} {
		for _, line := range want {
			if !strings.Contains(string(files[file]), line) {
				t.Errorf("%s: expected %q in\n%s", file, line, files[file])
			}
		}
	}
}

// Fault: two types with one name -> refused: of two modules in Python that would be one name in Go, says: types py:a:Order and py:b:Order: expected two names, both would be Order in Go
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
