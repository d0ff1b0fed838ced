package archtest

import (
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
)

// source walks every Go file that people wrote, in every module of the repository.
func source(t *testing.T, visit func(path string, fset *token.FileSet, f *ast.File)) {
	t.Helper()
	root, seen := top(t), 0
	err := filepath.WalkDir(root, func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if d.IsDir() {
			switch name := d.Name(); {
			case path == root:
				return nil
			case name == "testdata", name == "build", name == "node_modules", strings.HasPrefix(name, "."):
				return filepath.SkipDir
			}
			return nil
		}
		if !strings.HasSuffix(path, ".go") {
			return nil
		}
		fset := token.NewFileSet()
		f, err := parser.ParseFile(fset, path, nil, parser.ParseComments)
		if err != nil {
			return err
		}
		if ast.IsGenerated(f) {
			return nil
		}
		short, err := filepath.Rel(root, path)
		if err != nil {
			return err
		}
		seen++
		visit(short, fset, f)
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	if seen == 0 {
		t.Fatal("no Go file found")
	}
}

// Registration at import makes what a program contains depend on what it imports:
// here everything is registered where somebody can read it. The main of an extension
// has no other moment: Python calls into it right after it was loaded.
func TestNoInit(t *testing.T) {
	source(t, func(path string, fset *token.FileSet, f *ast.File) {
		if path == "python/ext/main.go" || path == "internal/bridge/testext/main.go" {
			return
		}
		for _, d := range f.Decls {
			if fn, ok := d.(*ast.FuncDecl); ok && fn.Recv == nil && fn.Name.Name == "init" {
				t.Errorf("%s:%d: func init", path, fset.Position(fn.Pos()).Line)
			}
		}
	})
}

// A panic says that WE are wrong. What a user can cause is an error.
func TestPanicSaysBug(t *testing.T) {
	source(t, func(path string, fset *token.FileSet, f *ast.File) {
		if strings.HasSuffix(path, "_test.go") {
			return // tests make steps panic to see what comes of it
		}
		ast.Inspect(f, func(n ast.Node) bool {
			call, ok := n.(*ast.CallExpr)
			if !ok {
				return true
			}
			if id, ok := call.Fun.(*ast.Ident); !ok || id.Name != "panic" {
				return true
			}
			if len(call.Args) != 1 || !strings.HasPrefix(firstString(call.Args[0]), "BUG:") {
				t.Errorf(`%s:%d: expected panic("BUG: ..."), got another panic`, path, fset.Position(call.Pos()).Line)
			}
			return true
		})
	})
}

// firstString is the first string literal in an expression: of "BUG: x" + y, and of
// fmt.Sprintf("BUG: ...", y).
func firstString(e ast.Expr) string {
	found := ""
	ast.Inspect(e, func(n ast.Node) bool {
		lit, ok := n.(*ast.BasicLit)
		if found == "" && ok && lit.Kind == token.STRING {
			found, _ = strconv.Unquote(lit.Value)
		}
		return found == ""
	})
	return found
}

// A test that sleeps is slow on a fast machine and wrong on a slow one; in a bubble of
// testing/synctest time is not real.
func TestTestsDoNotSleep(t *testing.T) {
	source(t, func(path string, fset *token.FileSet, f *ast.File) {
		if !strings.HasSuffix(path, "_test.go") && !strings.HasPrefix(path, "test/") && !strings.HasPrefix(path, "internal/testing/") {
			return
		}
		for _, imp := range f.Imports {
			if imp.Path.Value == `"testing/synctest"` {
				return
			}
		}
		ast.Inspect(f, func(n ast.Node) bool {
			sel, ok := n.(*ast.SelectorExpr)
			if !ok || sel.Sel.Name != "Sleep" {
				return true
			}
			if x, ok := sel.X.(*ast.Ident); ok && x.Name == "time" {
				t.Errorf("%s:%d: time.Sleep in a test; wait for a signal", path, fset.Position(sel.Pos()).Line)
			}
			return true
		})
	})
}
