package planner

import (
	"slices"
	"strings"
	"testing"

	"github.com/levada-io/levada/plan"
)

// json/v2 knows Go types only: where there is none, or one that says more than it knows,
// the plan is refused, and every plan that is taken can be lowered.
func TestStd(t *testing.T) {
	const std = `{"std":true}`
	for _, c := range []struct {
		name, text string
		settings   map[string]string
		elsewhere  string   // a function that is not linked
		want       []string // no problem at all, or these
	}{
		{"Go steps", typedBeside, map[string]string{"p": std, "s": std}, "", nil},
		{"with a number", typedBeside, map[string]string{"p": `{"std":true,"prefix":"confluent","id":3}`, "s": `{"std":true,"prefix":"confluent","id":3}`}, "", nil},
		{"text of a Go step", "source in\nparse p T\nmap k go:x.Kind\nserialize s\nsink out", map[string]string{"s": std}, "", nil},
		{"elements of a list", "source in\nparse p T\nmap k go:x.Kind\nflat_map l go:x.Letters\nserialize s\nsink out", map[string]string{"s": std}, "", nil},
		{"a batch of values", "source in\nparse p T\nbatch b\nserialize s\nsink out", map[string]string{"p": std, "s": std}, "", nil},
		{"Python with a type of Go", "source in\nparse p T\nfilter f py:p:check\nserialize s\nsink out", map[string]string{"p": std, "s": std}, "", nil},
		{"no type", "source in\nparse p\nmap m py:p:enrich\nserialize s\nsink out", map[string]string{"p": std, "s": std}, "", []string{
			`step "p" (t.py:2): codec json: std: encoding/json/v2 reads and writes Go values only, expected a Go type for any, got none`,
			`step "s" (t.py:4): codec json: std: encoding/json/v2 reads and writes Go values only, expected a Go type for any, got none`,
		}},
		{"behind the number of a schema", "source in\nparse p\nserialize s\nsink out", map[string]string{"p": `{"std":true,"prefix":"confluent"}`}, "", []string{
			`step "p" (t.py:2): codec json: std: encoding/json/v2 reads and writes Go values only, expected a Go type for any, got none`,
		}},
		{"what is not linked may have it", "source in\nparse p\nserialize s\nsink out", map[string]string{"p": std}, "go:x.Elsewhere", nil},
	} {
		t.Run(c.name, func(t *testing.T) {
			pl, err := planned(t, c.text, c.settings, func(_ *plan.Plan, cat *Catalog) {
				cat.Python = &fakePython{}
				if c.elsewhere != "" {
					cat.Signatures[c.elsewhere] = plan.FunctionSignature{Name: c.elsewhere, In: anyType, Out: anyType}
				}
			})
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
			if c.elsewhere != "" {
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
	pl, err := planned(t, typedBeside, map[string]string{"p": `{"std":true}`})
	// A missing member is zero to json/v2, and an error to the other reader.
	c := through(t, stageOf(t, pl, err), `{"type":"c"}`, `{"type":"d"}`)
	if len(c.Failed) > 0 || c.Col.Len() != 1 {
		t.Errorf("failed %v, left %d", c.Failed, c.Col.Len())
	}
}
