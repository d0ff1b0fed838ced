package main

import (
	"cmp"
	"fmt"
	"reflect"

	"github.com/levada-io/levada/codec/json"
	"github.com/levada-io/levada/codec/protobuf"
	"github.com/levada-io/levada/internal/frame"
	"github.com/levada-io/levada/plan"
)

const metricSchema = `syntax = "proto3";
message Metric {
  uint64 org_id = 1; uint64 project_id = 2; string name = 3; map<string, string> tags = 4; int64 timestamp = 5;
  int64 retention_days = 6; string type = 7; double value = 8; bool transformed = 9;
}`

// The attributes of the span have texts only: what is anything has no form in a schema.
const spanSchema = `syntax = "proto3";
message Span {
  message Attribute { string type = 1; string value = 2; }
  message Link { string trace_id = 1; string span_id = 2; bool sampled = 3; map<string, string> attributes = 4; }
  uint64 organization_id = 1; uint64 project_id = 2; string trace_id = 3; string span_id = 4; optional string parent_span_id = 5;
  string name = 6; string status = 7; bool is_remote = 8; double start_timestamp = 9; double end_timestamp = 10;
  int64 retention_days = 11; double received = 12; map<string, Attribute> attributes = 13; repeated Link links = 14; map<string, string> meta = 15;
}`

// described are messages by the text of a schema: into frames and out of them, as steps in
// Python have them, and into structs of one's own, against JSON of the same values.
func described() ([]job, error) {
	m := metric()
	m.Transformed = true // no member is left out
	of, err := protobuf.Of(metricSchema, nil, "")
	if err != nil {
		return nil, err
	}
	out, err := versus("metric protobuf by schema", of, &m, &m)
	if err != nil {
		return nil, err
	}
	text, err := textOf(m)
	if err != nil {
		return nil, err
	}
	framed, err := byFrames("metric protobuf by schema", of, text)
	if err != nil {
		return nil, err
	}
	out = append(out, framed...)
	s := span()
	s.ParentSpanID = &s.SpanID
	for name, a := range s.Attributes {
		a.Value = fmt.Sprint(a.Value)
		s.Attributes[name] = a
	}
	s.Links[0].Attributes = map[string]any{"link.type": "parent", "dropped": "4"}
	if of, err = protobuf.Of(spanSchema, nil, "Span"); err != nil {
		return nil, err
	}
	if text, err = textOf(s); err != nil {
		return nil, err
	}
	framed, err = byFrames("span protobuf by schema", of, text)
	return append(out, framed...), err
}

// textOf is the JSON of a value.
func textOf[T any](v T) ([]byte, error) {
	b, err := json.New().Bind(reflect.TypeFor[T]())
	if err != nil {
		return nil, err
	}
	return b.Append(nil, &v)
}

// ofSchema is a codec by the text of a schema.
type ofSchema interface {
	Type(t plan.Type, types map[string]plan.Type) (plan.Type, map[string]plan.Type, error)
	Wire(l *frame.Layout) (frame.Wire, error)
}

// byFrames compares a codec with JSON, for values of the type that its schema has. text is one
// of them.
func byFrames(name string, c ofSchema, text []byte) ([]job, error) {
	typ, types, err := c.Type(plan.Type{Kind: plan.TAny}, nil)
	if err != nil {
		return nil, err
	}
	l, err := frame.Compile(typ, types)
	if err != nil {
		return nil, err
	}
	own, err := c.Wire(l)
	if err != nil {
		return nil, err
	}
	value, err := l.ParseJSON(nil, text)
	if err != nil {
		return nil, err
	}
	var read, write job
	read.name, write.name = name+" read", name+" write"
	for _, of := range []struct {
		name string
		wire frame.Wire
	}{{"levada", own}, {"json", l.JSON(false)}} {
		message, err := of.wire.Append(nil, value)
		if err != nil {
			return nil, err
		}
		const chunk = 100
		all := make([][]byte, chunk)
		for i := range all {
			all[i] = message
		}
		read.all = append(read.all, contestant{of.name, func(n int) error {
			var bad error
			for n > 0 {
				some := all[:min(n, chunk)]
				n -= len(some)
				if _, err := of.wire.Read(some, func(_ int, err error) { bad = err }); cmp.Or(err, bad) != nil {
					return cmp.Or(err, bad)
				}
			}
			return nil
		}})
		write.all = append(write.all, contestant{of.name, func(n int) error {
			buf := make([]byte, 0, 2*len(message))
			for range n {
				if out, err := of.wire.Append(buf, value); err != nil || len(out) != len(message) {
					return fmt.Errorf("wrote %d bytes: %w", len(out), err)
				}
			}
			return nil
		}})
	}
	return []job{read, write}, nil
}
