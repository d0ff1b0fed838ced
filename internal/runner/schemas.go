package runner

import (
	"fmt"
	"os"
	"path"

	"github.com/levada-io/levada/internal/planner"
	"github.com/levada-io/levada/internal/schema"
)

// streams are the streams that the schemas of a lock describe.
func streams(file string) (map[string]planner.Stream, error) {
	data, err := os.ReadFile(file)
	if err != nil {
		return nil, err
	}
	l, err := schema.ParseLock(data)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", file, err)
	}
	types, err := l.Read(os.DirFS(l.Source))
	if err != nil {
		return nil, fmt.Errorf("%s: %w", file, err)
	}
	out := make(map[string]planner.Stream, len(types.Topics))
	for topic, t := range types.Topics {
		out[topic] = planner.Stream{Type: t, Types: types.Table.Types, Origin: path.Join(l.Source, l.Topics[topic])}
	}
	return out, nil
}
