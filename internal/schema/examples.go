package schema

import (
	"fmt"
	"io/fs"
	"path"
	"slices"
	"strings"

	"github.com/levada-io/levada/internal/yamldoc"
)

// Example is a message that a repository shows for a schema. Message is the full name of
// the message of protocol buffers that it is, if it is one.
type Example struct{ Schema, File, Message string }

// Root is what Generated.Roots has the Go type of the example by.
func (x Example) Root() string {
	if x.Message == "" {
		return x.Schema
	}
	return x.Schema + "#" + x.Message
}

// Examples are the examples of all locked topics: those that topics/*.yaml name, files or
// folders below examples/; without topics/*.yaml those in a folder of ExamplesFolder that
// is called as the topic is. They are JSON; those of protocol buffers may also be as they
// are on the wire, *.bin or *.pb.
func (l *Lock) Examples(fsys fs.FS) ([]Example, error) {
	var out []Example
	take := func(at, schema, message string) error {
		return fs.WalkDir(fsys, at, func(file string, d fs.DirEntry, err error) error {
			ending := path.Ext(file)
			if err == nil && !d.IsDir() && (ending == ".json" || message != "" && (ending == ".bin" || ending == ".pb")) {
				out = append(out, Example{schema, file, message})
			}
			return err
		})
	}
	yamls, err := fs.Glob(fsys, "topics/*.yaml")
	if err != nil {
		return nil, err
	}
	for _, name := range yamls {
		topic := strings.TrimSuffix(path.Base(name), ".yaml")
		schema, message := l.Topics[topic], l.Messages[topic]
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
			if res == nil || path.Join(schemasFolder, res.Text) != schema || list == nil {
				continue
			}
			for _, v := range list.Values {
				at := path.Join("examples", v.Text)
				if !fs.ValidPath(at) || !strings.HasPrefix(at, "examples/") {
					return nil, fmt.Errorf("%s:%d: expected a file or folder below examples/, got %q", name, v.Line, v.Text)
				}
				if err := take(at, schema, message); err != nil {
					return nil, fmt.Errorf("%s:%d: expected examples at %s, got none: %w", name, v.Line, at, err)
				}
			}
		}
	}
	for topic, schema := range l.Topics {
		at := path.Join(ExamplesFolder, topic)
		if _, err := fs.Stat(fsys, at); len(yamls) > 0 || err != nil {
			continue
		}
		if err := take(at, schema, l.Messages[topic]); err != nil {
			return nil, fmt.Errorf("%s: expected examples: %w", at, err)
		}
	}
	slices.SortFunc(out, func(a, b Example) int { return strings.Compare(a.Root()+"\x00"+a.File, b.Root()+"\x00"+b.File) })
	return slices.Compact(out), nil
}
