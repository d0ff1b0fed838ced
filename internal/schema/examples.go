package schema

import (
	"fmt"
	"io/fs"
	"path"
	"slices"
	"strings"

	"github.com/levada-io/levada/internal/yamldoc"
)

// Example is a message that a repository shows for a schema.
type Example struct{ Schema, File string }

// Examples are the JSON examples of all locked topics: those that topics/*.yaml name,
// files or folders below examples/.
func (l *Lock) Examples(fsys fs.FS) ([]Example, error) {
	var out []Example
	yamls, err := fs.Glob(fsys, "topics/*.yaml")
	if err != nil {
		return nil, err
	}
	for _, name := range yamls {
		schema := l.Topics[strings.TrimSuffix(path.Base(name), ".yaml")]
		if schema == "" {
			continue
		}
		data, err := fs.ReadFile(fsys, name)
		if err != nil {
			return nil, err
		}
		doc, err := yamldoc.Parse(name, data)
		if err != nil {
			return nil, err
		}
		list := doc.Root.Get("schemas")
		if list == nil {
			return nil, fmt.Errorf("%s: expected schemas, a list, got none", name)
		}
		for _, s := range list.Values {
			res, list := s.Get("resource"), s.Get("examples")
			if res == nil || path.Join("schemas", res.Text) != schema || list == nil {
				continue
			}
			for _, v := range list.Values {
				at := path.Join("examples", v.Text)
				if !fs.ValidPath(at) || !strings.HasPrefix(at, "examples/") {
					return nil, fmt.Errorf("%s:%d: expected a file or folder below examples/, got %q", name, v.Line, v.Text)
				}
				if err := fs.WalkDir(fsys, at, func(file string, d fs.DirEntry, err error) error {
					if err == nil && !d.IsDir() && strings.HasSuffix(file, ".json") {
						out = append(out, Example{schema, file})
					}
					return err
				}); err != nil {
					return nil, fmt.Errorf("%s:%d: expected examples at %s, got none: %w", name, v.Line, at, err)
				}
			}
		}
	}
	slices.SortFunc(out, func(a, b Example) int { return strings.Compare(a.Schema+"\x00"+a.File, b.Schema+"\x00"+b.File) })
	return slices.Compact(out), nil
}
