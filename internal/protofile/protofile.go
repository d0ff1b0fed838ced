// Package protofile reads .proto files: texts to descriptors. Where the texts are from, who
// calls it says. It reads nothing by itself, and no more than is sensible of what it is given.
package protofile

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"slices"
	"sync"

	"github.com/bufbuild/protocompile"
	"github.com/bufbuild/protocompile/ast"
	"github.com/bufbuild/protocompile/linker"
	"github.com/bufbuild/protocompile/parser"
	"github.com/bufbuild/protocompile/reporter"
)

// maxMistakes is how many are looked at to find the first; where one stands is counted from
// the begin of its line, each time.
const maxMistakes = 100

// Files are those that import each other.
type Files struct {
	// Open has the text of a file, by the name that imports have for it; its error wraps
	// fs.ErrNotExist where there is none. It is asked once for each, and never for the
	// library's own.
	Open func(name string) ([]byte, error)
	// Shown is what a file is called in errors; empty: by its lines alone.
	Shown func(name string) string
	// Hint is where a file is to be that was not found.
	Hint string
	// MaxDepth is how many levels of brackets a file may have.
	MaxDepth int

	mu    sync.Mutex
	texts map[string][]byte
	wrong map[string]error // of files that are not fit to be read
}

// Compile reads files and what they import. Whoever writes Go of them wants what stands in
// them kept.
//
// # Errors
//
// The first mistake, in the order of files and lines.
func (f *Files) Compile(kept bool, names ...string) (linker.Files, error) {
	for _, name := range names {
		// One that is asked for has its error by itself, whoever else imports it.
		if _, err := f.open(name); err != nil {
			return nil, err
		}
	}
	var found []reporter.ErrorWithPos
	compiler := protocompile.Compiler{
		Resolver:   resolver{f, protocompile.WithStandardImports(nowhere{})},
		RetainASTs: kept,
		Reporter: reporter.NewReporter(func(err reporter.ErrorWithPos) error {
			if found = append(found, err); len(found) == maxMistakes {
				return err
			}
			return nil
		}, nil),
	}
	linked, err := compiler.Compile(context.Background(), names...)
	if len(found) > 0 {
		return nil, f.first(found)
	}
	if err != nil {
		return nil, f.explain(err)
	}
	return linked, nil
}

// Text is that of a file that was read; nil: it was not.
func (f *Files) Text(name string) []byte {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.texts[name]
}

// nowhere has no file.
type nowhere struct{}

func (nowhere) FindFileByPath(string) (protocompile.SearchResult, error) {
	return protocompile.SearchResult{}, fs.ErrNotExist
}

// resolver hands out files. Whoever compiles asks from several goroutines.
type resolver struct {
	files    *Files
	standard protocompile.Resolver // has google/protobuf/timestamp.proto and its like
}

func (r resolver) FindFileByPath(name string) (protocompile.SearchResult, error) {
	// The library's own come first, whatever the folder has: Go has their types, once.
	if found, err := r.standard.FindFileByPath(name); err == nil {
		return found, nil
	}
	text, err := r.files.open(name)
	if err != nil {
		return protocompile.SearchResult{}, err
	}
	return protocompile.SearchResult{Source: bytes.NewReader(text)}, nil
}

func (f *Files) open(name string) ([]byte, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if text := f.texts[name]; text != nil {
		return text, nil
	}
	if err := f.wrong[name]; err != nil {
		return nil, err
	}
	if f.texts == nil {
		f.texts, f.wrong = map[string][]byte{}, map[string]error{}
	}
	text, err := f.Open(name)
	if line := tooDeep(text, f.MaxDepth); err == nil && line > 0 {
		err = fmt.Errorf("%s%d: expected at most %d levels, got more", f.place(name), line, f.MaxDepth)
	}
	if err != nil {
		f.wrong[name] = err
		return nil, err
	}
	if text == nil {
		text = []byte{}
	}
	f.texts[name] = text
	return text, nil
}

// tooDeep is the line on which brackets are deeper in each other than schemas may be; 0
// where they are not. Who reads a file goes down with its levels, so that has to be known
// before.
func tooDeep(text []byte, most int) int {
	line, depth := 1, 0
	for i := 0; i < len(text); i++ {
		switch c := text[i]; c {
		case '\n':
			line++
		case '{', '[', '(', '<':
			if depth++; depth > most {
				return line
			}
		case '}', ']', ')', '>':
			depth = max(depth-1, 0)
		case '"', '\'':
			// A text ends on its line.
			for i++; i < len(text) && text[i] != c && text[i] != '\n'; i++ {
				if text[i] == '\\' {
					i++
				}
			}
			if i < len(text) && text[i] == '\n' {
				line++
			}
		case '/':
			switch {
			case bytes.HasPrefix(text[i:], []byte("//")):
				end := bytes.IndexByte(text[i:], '\n')
				if end < 0 {
					return 0
				}
				i += end - 1
			case bytes.HasPrefix(text[i:], []byte("/*")):
				end := bytes.Index(text[i+2:], []byte("*/"))
				if end < 0 {
					return 0
				}
				line += bytes.Count(text[i:i+2+end], []byte("\n"))
				i += end + 3
			}
		}
	}
	return 0
}

// first is the mistake that a reader meets first.
func (f *Files) first(found []reporter.ErrorWithPos) error {
	slices.SortStableFunc(found, func(a, b reporter.ErrorWithPos) int {
		p, q := a.GetPosition(), b.GetPosition()
		return cmp.Or(cmp.Compare(p.Filename, q.Filename), cmp.Compare(p.Line, q.Line), cmp.Compare(p.Col, q.Col), cmp.Compare(a.Error(), b.Error()))
	})
	return f.explain(found[0])
}

// place is what stands before the number of a line.
func (f *Files) place(name string) string {
	if shown := f.Shown(name); shown != "" {
		return shown + ":"
	}
	return ""
}

// explain is an error of the compiler with the names that files are shown by.
func (f *Files) explain(err error) error {
	placed, ok := errors.AsType[reporter.ErrorWithPos](err)
	if !ok {
		return err
	}
	at, hint := placed.GetPosition(), ""
	if errors.Is(err, fs.ErrNotExist) && f.Hint != "" {
		hint = "\nhint: " + f.Hint
	}
	return fmt.Errorf("%s%d:%d: %w%s", f.place(at.Filename), at.Line, at.Col, placed.Unwrap(), hint)
}

// Imports are the names of the files that a file imports, but for the library's own. Of a
// file that is none they are those that can be seen.
func Imports(text []byte, maxDepth int) (names []string) {
	if tooDeep(text, maxDepth) > 0 {
		return nil // whoever compiles it says so
	}
	ignore := reporter.NewHandler(reporter.NewReporter(func(reporter.ErrorWithPos) error { return nil }, nil))
	tree, _ := parser.Parse("", bytes.NewReader(text), ignore)
	if tree == nil {
		return nil
	}
	standard := protocompile.WithStandardImports(nowhere{})
	for _, d := range tree.Decls {
		i, ok := d.(*ast.ImportNode)
		if !ok || i.Name == nil {
			continue
		}
		name := i.Name.AsString()
		if _, err := standard.FindFileByPath(name); err != nil && !slices.Contains(names, name) {
			names = append(names, name)
		}
	}
	return names
}
