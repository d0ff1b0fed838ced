//go:build cgo

package bridge

import (
	"encoding/json/jsontext"
	"encoding/json/v2"
	"fmt"

	"github.com/levada-io/levada/internal/bridge/cpython"
	"github.com/levada-io/levada/internal/program"
	"github.com/levada-io/levada/record"
)

// Wrapper is the name of a function that Python brings beside those of the pipeline: it
// takes a message whose payload is a wish, and returns a function.
const Wrapper = "levada:crossing"

// wish asks for a function that takes or returns bytes where the one of that name takes
// and returns values.
type wish struct {
	Function string         `json:"function,omitempty"` // canonical; none: the payload comes back
	Kind     string         `json:"kind"`               // map, filter, flat_map
	In       jsontext.Value `json:"in,omitzero"`        // see program.Carriage.Python
	Out      jsontext.Value `json:"out,omitzero"`
}

var kindNames = [...]string{program.CallMap: "map", program.CallFilter: "filter", program.CallFlatMap: "flat_map"}

// wishes are those for the calls of a run, by step; nil where a function is called as it is.
func wishes(calls []program.Call, back *program.Carriage) ([][]byte, error) {
	out := make([][]byte, len(calls))
	for i, c := range calls {
		w := wish{Function: c.Function, Kind: kindNames[c.Kind]}
		if i == 0 && c.In != nil {
			w.In = jsontext.Value(c.In.Python)
		}
		if i == len(calls)-1 && back != nil {
			w.Out = jsontext.Value(back.Python)
		}
		if len(w.In) == 0 && len(w.Out) == 0 {
			continue
		}
		var err error
		if out[i], err = json.Marshal(w); err != nil {
			return nil, fmt.Errorf("BUG: step %q: %w", c.Step, err)
		}
	}
	return out, nil
}

// fulfil gets the functions that the run wishes for. It is called on the thread of the
// lane, as everything that touches Python.
func (o *run) fulfil() error {
	for i, text := range o.wishes {
		if text == nil {
			continue
		}
		f, err := o.py.fulfil(text)
		if err != nil {
			return fmt.Errorf("step %q: %w", o.name(i), err)
		}
		o.steps[i].Function = f
		o.held = append(o.held, f)
	}
	return nil
}

// fulfil asks Wrapper; the caller owns the reference that it returns.
func (p *Python) fulfil(text []byte) (uintptr, error) {
	wrapper, ok := p.functions[Wrapper]
	if !ok {
		return 0, fmt.Errorf("BUG: %s: not among the functions that Python has brought", Wrapper)
	}
	cx, err := p.in.NewCrossing(asked(text), []cpython.Step{{Function: wrapper, Kind: cpython.Map}}, cpython.Handles, cpython.Layout{})
	if err != nil {
		return 0, err
	}
	defer cx.Free()
	cx.Begin(cpython.Input{N: 1, Layout: p.in.Bytes()})
	defer cx.End()
	end := cx.Run()
	for end == cpython.Paused {
		end = cx.Run()
	}
	if end == cpython.Closed {
		return 0, cpython.ErrClosing
	}
	r := cx.Results()
	lost, err := failures(r.Errors, r.NErrors)
	switch {
	case err != nil:
		return 0, err
	case len(lost) > 0:
		return 0, lost[0].err
	case len(r.Handles) != 1:
		return 0, fmt.Errorf("BUG: %s: expected a function, got %d results", Wrapper, len(r.Handles))
	}
	return r.Handles[0], nil
}

// asked is the payload of one message.
type asked []byte

// Column implements cpython.Source.
func (a asked) Column(which int) ([]byte, error) {
	b := beginColumn(nil, 1)
	if which == 0 {
		b = appendNullable(b, a)
	} else {
		b = appendMeta(b, &record.Record{})
	}
	endElement(b, 1, 0)
	return b, nil
}

// Element implements cpython.Source.
func (a asked) Element(int) error { return nil }

// carried is the payload column of a chunk as bytes.
func (o *run) carried(c record.Column) (func(buf []byte) ([]byte, error), error) {
	appendElement, err := o.in.Bytes(c)
	if err != nil {
		return nil, fmt.Errorf("step %q: %w", o.name(0), err)
	}
	n := c.Len()
	return func(buf []byte) ([]byte, error) {
		buf = beginColumn(buf, n)
		program.Each(encoder, n, func(i int) error {
			begin := len(buf)
			next, some, err := appendElement(append(buf, 1, 0, 0, 0, 0), i)
			switch {
			case err != nil:
				return err
			case !some:
				buf = append(buf, 0)
			default:
				buf = next
				le.PutUint32(buf[begin+1:], uint32(len(buf)-begin-5))
			}
			endElement(buf, n, i)
			return nil
		}, func(i int, err error) {
			o.spoil(i, err) // without bytes: it fails when a step asks for it
			endElement(buf, n, i)
		})
		return buf, nil
	}, nil
}
