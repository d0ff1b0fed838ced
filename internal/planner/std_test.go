package planner

import (
	"context"
	"encoding/json/jsontext"
	"slices"
	"strings"
	"testing"

	jsoncodec "github.com/levada-io/levada/codec/json"
	"github.com/levada-io/levada/plan"
	"github.com/levada-io/levada/record"
)

// json/v2 knows Go types only: where there is none, or one that says more than it knows,
// the plan is refused, and every plan that is taken can be lowered.
func TestStd(t *testing.T) {
	const std = `{"std":true}`
	for _, c := range []struct {
		name, text string
		settings   map[string]string
		change     func(p *plan.Plan, cat *Catalog)
		want       []string // no problem at all, or these
	}{
		{"Go steps", "source in\nparse p T\nfilter f go:x.IsCounter\nserialize s\nsink out", map[string]string{"p": std, "s": std}, nil, nil},
		{"with a number", "source in\nparse p T\nfilter f go:x.IsCounter\nserialize s\nsink out", map[string]string{"p": `{"std":true,"prefix":"confluent","id":3}`, "s": `{"std":true,"prefix":"confluent","id":3}`}, nil, nil},
		{"text of a Go step", "source in\nparse p T\nmap k go:x.Kind\nserialize s\nsink out", map[string]string{"s": std}, nil, nil},
		{"elements of a list", "source in\nparse p T\nmap k go:x.Kind\nflat_map l go:x.Letters\nserialize s\nsink out", map[string]string{"s": std}, nil, nil},
		{"a batch of values", "source in\nparse p T\nbatch b\nserialize s\nsink out", map[string]string{"p": std, "s": std}, nil, nil},
		{"Python with a type of Go", "source in\nparse p T\nfilter f py:p:check\nserialize s\nsink out", map[string]string{"p": std, "s": std}, nil, nil},
		{"no type", "source in\nparse p\nmap m py:p:enrich\nserialize s\nsink out", map[string]string{"p": std, "s": std}, nil, []string{
			`step "p" (t.py:2): codec json: std: encoding/json/v2 reads and writes Go values only, expected a Go type for any, got none`,
			`step "s" (t.py:4): codec json: std: encoding/json/v2 reads and writes Go values only, expected a Go type for any, got none`,
		}},
		{"behind the number of a schema", "source in\nparse p\nserialize s\nsink out", map[string]string{"p": `{"std":true,"prefix":"confluent"}`}, nil, []string{
			`step "p" (t.py:2): codec json: std: encoding/json/v2 reads and writes Go values only, expected a Go type for any, got none`,
		}},
		{"what is not linked may have it", "source in\nparse p\nserialize s\nsink out", map[string]string{"p": std}, func(_ *plan.Plan, cat *Catalog) {
			cat.Signatures["go:x.Elsewhere"] = plan.FunctionSignature{Name: "go:x.Elsewhere", In: anyType, Out: anyType}
		}, nil},
	} {
		t.Run(c.name, func(t *testing.T) {
			p, cat := steps(t, c.text), catalog()
			cat.Codecs["json"], cat.Python = jsoncodec.New(), &fakePython{}
			for i := range p.Steps {
				if s, ok := c.settings[p.Steps[i].Name]; ok {
					p.Steps[i].Function.Settings = jsontext.Value(s)
				}
			}
			if c.change != nil {
				c.change(p, cat)
			}
			p.Requires = plan.Requires(p)
			pl, err := Plan(p, cat)
			if c.want != nil {
				var got []string
				if err != nil {
					for line := range strings.Lines(err.Error()) {
						if !strings.HasPrefix(line, "hint: ") {
							got = append(got, strings.TrimSuffix(line, "\n"))
						}
					}
				}
				if !slices.Equal(got, c.want) {
					t.Errorf("got %q\nwant %q", got, c.want)
				}
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			if c.change != nil {
				return // it can not be lowered here
			}
			if _, err := pl.Program(); err != nil {
				t.Errorf("lowered: %v", err)
			}
		})
	}
}

// A filter in Go that looks at a part does not read ahead of json/v2, which reads all.
func TestStdReadsAll(t *testing.T) {
	p, cat := steps(t, "source in\nparse p T\nfilter f go:x.IsCounter\nserialize s\nsink out"), catalog()
	cat.Codecs["json"] = jsoncodec.New()
	p.Steps[1].Function.Settings = jsontext.Value(`{"std":true}`)
	p.Requires = plan.Requires(p)
	pl, err := Plan(p, cat)
	if err != nil {
		t.Fatal(err)
	}
	prog, err := pl.Program()
	if err != nil {
		t.Fatal(err)
	}
	st, err := prog.NewStage(0)
	if err != nil {
		t.Fatal(err)
	}
	// A missing member is zero to json/v2, and an error to the other reader.
	c := &record.Chunk{Recs: make([]record.Record, 2), Col: record.Bytes{[]byte(`{"type":"c"}`), []byte(`{"type":"d"}`)}}
	for _, op := range st.Ops {
		if err := op.Process(context.Background(), c); err != nil {
			t.Fatal(err)
		}
	}
	if len(c.Failed) > 0 || c.Col.Len() != 1 {
		t.Errorf("failed %v, left %d", c.Failed, c.Col.Len())
	}
}
