package levada_test

import (
	"bytes"
	"go/ast"
	"go/parser"
	"go/printer"
	"go/token"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// maxNames is how many names the package may offer: more is no longer a language that
// one can keep in mind.
const maxNames = 80

// The exported names with their signatures, so that a change of the face of the package
// is seen as one.
func TestAPI(t *testing.T) {
	fset := token.NewFileSet()
	files, err := filepath.Glob("*.go")
	if err != nil {
		t.Fatal(err)
	}
	var lines []string
	names := 0
	add := func(node any) {
		var b bytes.Buffer
		if err := (&printer.Config{Mode: printer.RawFormat}).Fprint(&b, fset, node); err != nil {
			t.Fatal(err)
		}
		lines = append(lines, b.String())
	}
	for _, name := range files {
		if strings.HasSuffix(name, "_test.go") {
			continue
		}
		file, err := parser.ParseFile(fset, name, nil, 0)
		if err != nil {
			t.Fatal(err)
		}
		ast.FileExports(file)
		for _, d := range file.Decls {
			switch d := d.(type) {
			case *ast.FuncDecl:
				d.Body = nil
				add(d)
				if d.Recv == nil {
					names++
				}
			case *ast.GenDecl:
				for _, s := range d.Specs {
					switch s := s.(type) {
					case *ast.TypeSpec:
						names++
						add(&ast.GenDecl{Tok: token.TYPE, Specs: []ast.Spec{s}})
					case *ast.ValueSpec:
						names += len(s.Names)
						add(&ast.GenDecl{Tok: d.Tok, Specs: []ast.Spec{s}})
					}
				}
			}
		}
	}
	slices.Sort(lines)
	golden(t, "testdata/api.txt", strings.Join(lines, "\n")+"\n")
	if names > maxNames {
		t.Errorf("%d exported names, expected at most %d", names, maxNames)
	}
	t.Logf("%d names", names)
}
