package runner

import (
	"fmt"
	"io/fs"
	"os"
	"path"

	"github.com/levada-io/levada/codec"
	"github.com/levada-io/levada/internal/planner"
	"github.com/levada-io/levada/internal/schema"
)

// streams are the streams that the schemas of a lock describe.
func streams(file string) (map[string]planner.Stream, error) {
	l, err := schema.ReadLock(file)
	if err != nil {
		return nil, err
	}
	fsys := os.DirFS(l.Source)
	types, err := l.Read(fsys)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", file, err)
	}
	out := make(map[string]planner.Stream, len(types.Topics))
	for topic, t := range types.Topics {
		out[topic] = planner.Stream{Type: t, Table: types.Table, Origin: path.Join(l.Source, l.Topics[topic]), Fits: types.Message(topic)}
	}
	if l.Registry == nil {
		return out, nil
	}
	for topic, versions := range l.Registry.Versions {
		s := out[topic]
		for _, v := range versions {
			known := codec.Version{ID: v.ID}
			if v.File != "" {
				text, err := fs.ReadFile(fsys, v.File)
				if err != nil {
					return nil, fmt.Errorf("%s: schema %d of %q: %w", file, v.ID, topic, err)
				}
				known.Schema = string(text)
			}
			s.Versions = append(s.Versions, known)
		}
		out[topic] = s
	}
	return out, nil
}
