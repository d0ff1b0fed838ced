//go:build cgo

package bridge

import (
	"context"
	"fmt"

	"github.com/levada-io/levada/internal/bridge/cpython"
	"github.com/levada-io/levada/internal/frame"
	"github.com/levada-io/levada/internal/program"
	"github.com/levada-io/levada/record"
)

// router is a route whose function is in Python.
type router struct {
	run
	any       *frame.Layout
	cases     map[string]int32 // by the frame of the key
	otherwise int32
}

var (
	_ program.Router  = (*router)(nil)
	_ program.Starter = (*router)(nil)
)

// Router implements program.Python.
func (p *Python) Router(call program.Call, cases [][]byte, otherwise int) (program.Router, error) {
	call.Kind = program.CallMap
	o, err := p.newRun([]program.Call{call}, nil)
	if err != nil {
		return nil, err
	}
	r := &router{any: frame.Any(), cases: make(map[string]int32, len(cases)), otherwise: int32(otherwise)}
	r.py, r.names, r.steps, r.form = p, o.names, o.steps, cpython.Route
	r.in, r.wishes = o.in, o.wishes
	for i, c := range cases {
		if c == nil {
			continue
		}
		key, err := r.any.ParseJSON(nil, c)
		if err != nil {
			return nil, fmt.Errorf("case %s: %w", c, err)
		}
		r.cases[string(key)] = int32(i)
	}
	return r, nil
}

// Route implements program.Router.
func (r *router) Route(ctx context.Context, c *record.Chunk) ([]int32, error) {
	if c.Len() == 0 {
		return nil, nil
	}
	to, idx := make([]int32, 0, c.Len()), make([]int32, 0, c.Len())
	err := r.cross(ctx, c, func(res cpython.Results) error {
		from := uint32(0)
		for k, end := range res.Ends {
			key := res.Values[from:end]
			from = end
			branch, ok := r.cases[string(key)]
			if !ok {
				branch = r.otherwise
			}
			if branch < 0 {
				text, err := r.any.AppendJSON(nil, key)
				if err != nil {
					return err
				}
				c.Fail(int(res.From[k]), r.names[0], fmt.Errorf("no case for %s and no otherwise", text))
				continue
			}
			to, idx = append(to, branch), append(idx, int32(res.From[k]))
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	if len(idx) < c.Len() {
		c.Keep(idx, c.Col.Select(idx))
	}
	return to, nil
}
