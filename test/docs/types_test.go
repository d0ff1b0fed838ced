package docs

import (
	"encoding/json/jsontext"
	"encoding/json/v2"
	"fmt"
	"go/ast"
	"go/parser"
	"go/printer"
	"go/token"
	"os"
	"path/filepath"
	"reflect"
	"strconv"
	"strings"
	"testing"

	"github.com/levada-io/levada/internal/gen"
)

// TestTypeTable holds docs/reference/type-table.md: a row for each member of the struct
// that the corpus leads through JSON, Go and Python, so that a row is what a test has seen.
func TestTypeTable(t *testing.T) {
	const corpus = "../../plan/testdata/corpus"
	fset := token.NewFileSet()
	source := filepath.Join(corpus, "steps", "steps.go")
	file, err := parser.ParseFile(fset, source, nil, 0)
	if err != nil {
		t.Fatal(err)
	}
	out := t.TempDir()
	if _, err := gen.Generate(filepath.Join(corpus, "steps"), out, gen.Options{}); err != nil {
		t.Fatal(err)
	}
	python := classMembers(t, out, "Everything")
	text, err := os.ReadFile(filepath.Join(corpus, "every_type", "want.jsonl"))
	if err != nil {
		t.Fatal(err)
	}
	first, _, _ := strings.Cut(string(text), "\n")
	members := map[string]jsontext.Value{}
	if err := json.Unmarshal([]byte(first), &members); err != nil {
		t.Fatal(err)
	}
	var b strings.Builder
	b.WriteString(`# Types, row by row

Written by ` + "`make gen`" + ` from the struct ` + "`Everything`" + ` of the corpus, which tests lead through JSON,
Go and Python. JSON is what a pipeline wrote, Python what the generator writes for it.

| Go | tag | JSON | Python |
|---|---|---|---|
`)
	rows := 0
	ast.Inspect(file, func(n ast.Node) bool {
		spec, ok := n.(*ast.TypeSpec)
		if !ok || spec.Name.Name != "Everything" && spec.Name.Name != "Base" {
			return true
		}
		for _, f := range spec.Type.(*ast.StructType).Fields.List {
			if f.Tag == nil {
				continue // the embedded struct, whose members are rows of their own
			}
			var typ strings.Builder
			if err := printer.Fprint(&typ, fset, f.Type); err != nil {
				t.Fatal(err)
			}
			tag, err := strconv.Unquote(f.Tag.Value)
			if err != nil {
				t.Fatal(err)
			}
			name, _, _ := strings.Cut(reflect.StructTag(tag).Get("json"), ",")
			value := "absent"
			if strings.Contains(tag, ",embed") {
				// What no field names, and with that no member of the class.
				for known := range python {
					delete(members, known)
				}
				name, python[""] = "", "other keys of the dict"
				rest, err := json.Marshal(members, json.Deterministic(true))
				if err != nil || len(members) == 0 {
					t.Fatalf("expected other members in the first record, got %s, %v", rest, err)
				}
				members[""] = rest
			}
			if python[name] == "" {
				t.Errorf("the Python class has no member %q", name)
			}
			if v, ok := members[name]; ok {
				value = "`" + strings.ReplaceAll(string(v), "|", `\|`) + "`"
			}
			fmt.Fprintf(&b, "| `%s` | `%s` | %s | `%s` |\n", typ.String(), tag, value, strings.ReplaceAll(python[name], "|", `\|`))
			rows++
		}
		return false
	})
	if rows < 34 {
		t.Errorf("expected 34 rows or more, got %d", rows)
	}
	const page = "../../docs/reference/type-table.md"
	if *update {
		if err := os.WriteFile(page, []byte(b.String()), 0o644); err != nil {
			t.Fatal(err)
		}
		return
	}
	got, err := os.ReadFile(page)
	if err != nil || string(got) != b.String() {
		t.Errorf("%s is not current: %v\nhint: make gen", page, err)
	}
}

// classMembers are the members of a generated class.
func classMembers(t *testing.T, folder, class string) map[string]string {
	t.Helper()
	out := map[string]string{}
	err := filepath.WalkDir(folder, func(path string, _ os.DirEntry, err error) error {
		if err != nil || filepath.Base(path) != "types.py" {
			return err
		}
		text, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		inside := false
		for line := range strings.Lines(string(text)) {
			switch {
			case strings.HasPrefix(line, "class "+class+"("), strings.HasPrefix(line, class+" = TypedDict("):
				inside = true
			case !strings.HasPrefix(line, " ") && strings.TrimSpace(line) != "":
				inside = false
			case inside:
				if name, a, ok := strings.Cut(strings.TrimSuffix(strings.TrimSpace(line), ","), ": "); ok {
					out[strings.Trim(name, `"`)] = a
				}
			}
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return out
}
