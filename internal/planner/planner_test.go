package planner

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"encoding/json/v2"

	"github.com/levada-io/levada/codec"
	"github.com/levada-io/levada/codec/protobuf"
	"github.com/levada-io/levada/internal/frame"
	"github.com/levada-io/levada/internal/program"
	"github.com/levada-io/levada/plan"
	"github.com/levada-io/levada/record"
)

type metric struct {
	Name  string  `json:"name"`
	Type  string  `json:"type"`
	Value float64 `json:"value"`
}

type transformed struct {
	metric
	Transformed bool `json:"transformed"`
}

// nameOnly reads less than a metric has.
type nameOnly struct {
	Name string `json:"name"`
}

type textValue struct {
	Value string `json:"value"`
}

func of[T, U any](name string, fn func(record.Message[T]) (U, error)) *program.Function {
	return program.Of("go:x."+name, func([]byte) (func(record.Message[T]) (U, error), error) { return fn, nil })
}

// jsonCodec is the standard library's, as the planner needs one of each kind only.
type jsonCodec struct{}

func (jsonCodec) Bind(reflect.Type) (codec.Bound, error) { return jsonCodec{}, nil }
func (jsonCodec) Decode(src []byte, dst any) error       { return json.Unmarshal(src, dst) }
func (jsonCodec) Append(buf []byte, v any) ([]byte, error) {
	b, err := json.Marshal(v)
	return append(buf, b...), err
}

func (jsonCodec) Wire(l *frame.Layout) (frame.Wire, error) { return l.JSON(false), nil }

// fakePython stands for the bridge: it only notes what it was asked for.
type fakePython struct{ asked []string }

func (p *fakePython) Run(calls []program.Call, out program.Form) (program.Op, error) {
	var names []string
	for _, c := range calls {
		names = append(names, c.Step)
	}
	form := []string{"bytes", "values", "dynamic", "objects"}[out.Kind]
	if out.Kit != nil {
		form = out.Kit.Type().String()
	}
	asked := fmt.Sprintf("run %v to %s", names, form)
	if len(calls) > 0 && calls[0].In != nil {
		asked += " in " + calls[0].In.Python
	}
	if out.Out != nil {
		asked += " out " + out.Out.Python
	}
	p.asked = append(p.asked, asked)
	return nil, nil
}

func (p *fakePython) Router(call program.Call, cases [][]byte, otherwise int) (program.Router, error) {
	asked := fmt.Sprintf("route %s %q otherwise %d", call.Step, cases, otherwise)
	if call.In != nil {
		asked += " in " + call.In.Python
	}
	p.asked = append(p.asked, asked)
	return nil, nil
}

// price crosses in its own way, half can only be written so.
type (
	price float64
	half  float64
)

func (p price) AppendFrame(b []byte) ([]byte, error) { return fmt.Appendf(b, "%g", float64(p)), nil }

func (p *price) ReadFrame(b []byte) ([]byte, error) {
	v, err := strconv.ParseFloat(string(b), 64)
	*p = price(v)
	return nil, err
}

func (h half) AppendFrame(b []byte) ([]byte, error) { return b, nil }

func catalog() *Catalog {
	fns := []*program.Function{
		of("IsCounter", func(m record.Message[metric]) (bool, error) { return m.Payload().Type == "c", nil }),
		of("Transform", func(m record.Message[metric]) (transformed, error) { return transformed{m.Payload(), true}, nil }),
		of("Kind", func(m record.Message[metric]) (string, error) { return m.Payload().Type, nil }),
		of("Price", func(m record.Message[metric]) (price, error) { return price(m.Payload().Value), nil }),
		of("Cheaper", func(m record.Message[price]) (price, error) { return m.Payload() / 2, nil }),
		of("Half", func(m record.Message[half]) (half, error) { return m.Payload(), nil }),
		of("Short", func(m record.Message[nameOnly]) (string, error) { return m.Payload().Name, nil }),
		of("Text", func(m record.Message[textValue]) (string, error) { return m.Payload().Value, nil }),
		of("Sum", func(m record.Message[[]metric]) (float64, error) {
			sum := 0.0
			for _, v := range m.Payload() {
				sum += v.Value
			}
			return sum, nil
		}),
		program.OfSlice("go:x.Letters", func([]byte) (func(record.Message[string]) ([]string, error), error) {
			return func(m record.Message[string]) ([]string, error) { return strings.Split(m.Payload(), ""), nil }, nil
		}),
	}
	c := &Catalog{
		Functions:  map[string]*program.Function{},
		Signatures: map[string]plan.FunctionSignature{},
		Codecs:     map[string]codec.Codec{"json": jsonCodec{}, "protobuf": protobuf.New()},
	}
	for _, f := range fns {
		c.Functions[f.Name] = f
	}
	for _, name := range []string{"py:p:enrich", "py:p:check", "py:p:pick"} {
		c.Signatures[name] = plan.FunctionSignature{Name: name, In: anyType, Out: anyType}
	}
	c.Signatures["py:p:bytes"] = plan.FunctionSignature{Name: "py:p:bytes", In: bytesType, Out: bytesType}
	c.Signatures["py:p:text"] = plan.FunctionSignature{Name: "py:p:text", In: plan.Type{Kind: plan.TString}, Out: plan.Type{Kind: plan.TString}}
	return c
}

// steps reads the short form of a test: a line each step, "kind name function". Words
// "on_error=skip", "retry=3" and "crossing=json" stand anywhere in it; what stands in a line that begins
// with "pipeline" counts for the pipeline.
func steps(t *testing.T, text string) *plan.Plan {
	t.Helper()
	p := &plan.Plan{Version: plan.Version, Name: "test", Types: map[string]plan.Type{}}
	mt, table, err := (&Planned{cat: &Catalog{}, types: map[string]plan.Type{}, origins: map[string]string{}}).typeAndTable(reflect.TypeFor[metric]())
	if err != nil {
		t.Fatal(err)
	}
	for k, v := range table {
		p.Types[k] = v
	}
	input := ""
	for i, line := range strings.Split(strings.TrimSpace(text), "\n") {
		w, onError, retry := policyWords(t, strings.Fields(line))
		crossing := ""
		w = slices.DeleteFunc(w, func(w string) bool {
			word, ok := strings.CutPrefix(w, "crossing=")
			if ok {
				crossing = word
			}
			return ok
		})
		if w[0] == "pipeline" {
			p.OnError, p.Retry = onError, retry
			continue
		}
		s := plan.Step{Name: w[1], Kind: plan.Kind(w[0]), Origin: plan.Origin{File: "t.py", Line: i + 1}, Input: input, OnError: onError, Retry: retry, Crossing: crossing}
		input = s.Name
		switch w[0] {
		case "source", "sink":
			s.Stream, s.Connector = w[1], "kafka"
		case "parse":
			s.Kind, s.Function = plan.Map, &plan.Function{Name: "builtin:json.decode"}
			if len(w) > 2 {
				s.Type = mt.Name
			}
		case "serialize":
			s.Kind, s.Function = plan.Map, &plan.Function{Name: "builtin:json.encode"}
		case "batch":
			s.Limit = &plan.Limit{Count: 2}
		case "route":
			s.Function = &plan.Function{Name: w[2]}
			for k, b := range w[3:] {
				name, key, _ := strings.Cut(b, "=")
				br := plan.Branch{Name: name, Key: []byte(`"` + key + `"`)}
				if key == "" {
					br.Key, br.Otherwise = nil, true
				}
				s.Branches = append(s.Branches, br)
				p.Steps = append(p.Steps, plan.Step{
					Name: "out_" + name, Kind: plan.Sink, Stream: name, Connector: "kafka", Input: s.Name, Branch: name,
					Origin: plan.Origin{File: "t.py", Line: 20 + k},
				})
			}
			branches := p.Steps[len(p.Steps)-len(s.Branches):]
			p.Steps = append(p.Steps[:len(p.Steps)-len(s.Branches)], append([]plan.Step{s}, branches...)...)
			continue
		default:
			s.Function = &plan.Function{Name: w[2]}
		}
		p.Steps = append(p.Steps, s)
	}
	p.Requires = plan.Requires(p)
	return p
}

func policyWords(t *testing.T, words []string) (rest []string, onError string, retry *plan.Retry) {
	t.Helper()
	for _, w := range words {
		if v, ok := strings.CutPrefix(w, "on_error="); ok {
			onError = v
		} else if v, ok := strings.CutPrefix(w, "retry="); ok {
			times, err := strconv.Atoi(v)
			if err != nil {
				t.Fatal(err)
			}
			retry = &plan.Retry{Times: times, BackoffMS: 100}
		} else {
			rest = append(rest, w)
		}
	}
	return rest, onError, retry
}

func (pl *Planned) typeAndTable(t reflect.Type) (plan.Type, map[string]plan.Type, error) {
	pt, err := pl.goType(t)
	return pt, pl.types, err
}

// TestPlans holds cases of testdata/*.txt: a plan in short form, a line of dashes, and
// what explain prints or which problems are found.
//
// Fault: a crossing by a word that can not be -> goes on: refused at check, also where nothing crosses
func TestPlans(t *testing.T) {
	files, err := filepath.Glob("testdata/*.txt")
	if err != nil || len(files) == 0 {
		t.Fatalf("no cases: %v", err)
	}
	for _, f := range files {
		t.Run(strings.TrimSuffix(filepath.Base(f), ".txt"), func(t *testing.T) {
			text, err := os.ReadFile(f)
			if err != nil {
				t.Fatal(err)
			}
			in, want, _ := strings.Cut(string(text), "----\n")
			cat := catalog()
			py := &fakePython{}
			cat.Python = py
			cat.StrictTypes = strings.HasPrefix(filepath.Base(f), "strict")
			switch {
			case strings.HasPrefix(filepath.Base(f), "with_dead_letters"):
				cat.DeadLetters = WithDeadLetters
			case strings.HasPrefix(filepath.Base(f), "no_dead_letters"):
				cat.DeadLetters = NoDeadLetters
			}
			var out strings.Builder
			pl, err := Plan(steps(t, in), cat)
			if err == nil {
				if err = pl.Explain(&out); err != nil {
					t.Fatal(err)
				}
				_, err = pl.Program()
				for _, a := range py.asked {
					out.WriteString("python: " + a + "\n")
				}
			}
			if err != nil {
				out.WriteString("error: " + err.Error() + "\n")
			}
			if os.Getenv("UPDATE") != "" {
				if err := os.WriteFile(f, []byte(in+"----\n"+out.String()), 0o644); err != nil {
					t.Fatal(err)
				}
				return
			}
			if out.String() != want {
				t.Errorf("got\n%s\nwant\n%s", out.String(), want)
			}
		})
	}
}

// process runs a program's first stage over raw payloads and follows batches.
func process(t *testing.T, text string, payloads ...string) []string {
	t.Helper()
	pl, err := Plan(steps(t, text), catalog())
	st := stageOf(t, pl, err)
	c := &record.Chunk{}
	col := record.Bytes{}
	for i, p := range payloads {
		c.Recs = append(c.Recs, record.Record{Offset: int64(i)})
		col = append(col, []byte(p))
	}
	c.Col = col
	for {
		for _, op := range st.Ops {
			if err := op.Process(context.Background(), c); err != nil {
				t.Fatal(err)
			}
		}
		if st.Batch == nil {
			break
		}
		c = &record.Chunk{Recs: c.Recs[:1], Col: c.Col.(record.Batcher).Batch([]record.Column{c.Col})}
		st = st.Batch.Next
	}
	var out []string
	for _, v := range c.Col.(record.Bytes) {
		out = append(out, string(v))
	}
	for _, f := range c.Failed {
		out = append(out, fmt.Sprintf("failed %d at %s: %v", f.Source.Offset, f.Step, f.Err))
	}
	return out
}

func TestProgramsRun(t *testing.T) {
	const counter = `{"name":"a","type":"c","value":1.5}`
	const gauge = `{"name":"b","type":"g","value":2}`
	for _, tc := range []struct {
		name, plan string
		want       []string
	}{
		{"raw", "source in\nsink out", []string{counter, gauge}},
		{"untyped, no function", "source in\nparse p\nserialize s\nsink out", []string{counter, gauge}},
		{"typed, no function", "source in\nparse p T\nserialize s\nsink out", []string{counter, gauge}},
		{"go steps", "source in\nparse p T\nfilter f go:x.IsCounter\nmap m go:x.Transform\nserialize s\nsink out",
			[]string{`{"name":"a","type":"c","value":1.5,"transformed":true}`}},
		{"untyped into go", "source in\nparse p\nmap m go:x.Transform\nserialize s\nsink out",
			[]string{`{"name":"a","type":"c","value":1.5,"transformed":true}`, `{"name":"b","type":"g","value":2,"transformed":true}`}},
		{"a subset of the members", "source in\nparse p T\nmap m go:x.Short\nserialize s\nsink out", []string{`"a"`, `"b"`}},
		{"flat map", "source in\nparse p T\nmap m go:x.Short\nflat_map l go:x.Letters\nserialize s\nsink out", []string{`"a"`, `"b"`}},
		{"batch of values", "source in\nparse p T\nbatch b\nserialize s\nsink out", []string{"[" + counter + "," + gauge + "]"}},
		{"batch of frames", "source in\nparse p\nbatch b\nserialize s\nsink out", []string{"[" + counter + "," + gauge + "]"}},
		{"batch into go", "source in\nparse p T\nbatch b\nmap m go:x.Sum\nserialize s\nsink out", []string{"3.5"}},
	} {
		t.Run(tc.name, func(t *testing.T) {
			if got := process(t, tc.plan, counter, gauge); !reflect.DeepEqual(got, tc.want) {
				t.Errorf("got  %q\nwant %q", got, tc.want)
			}
		})
	}
}

// The policy of a step is its own, else the pipeline's, else that of the deployment;
// what may not stand at a kind of step does not reach it from the pipeline either.
func TestPolicies(t *testing.T) {
	const text = `
source in
parse p
batch b
map m py:p:enrich
map own py:p:enrich on_error=fail retry=1
serialize s
sink out`
	for _, c := range []struct {
		name, pipeline string
		dead           DeadLetters
		want           map[string]program.Policy
	}{
		{"nothing is said", "", DeadLettersUnknown, map[string]program.Policy{
			"p": {OnError: "fail", Language: "levada"}, "m": {OnError: "fail", Language: "python"},
			"out": {OnError: "fail", Language: "levada"},
		}},
		{"a stream for dead letters", "", WithDeadLetters, map[string]program.Policy{
			"in": {OnError: "fail", Language: "levada"}, "p": {OnError: "dead_letter", Language: "levada"},
			"b": {OnError: "fail", Language: "levada"}, "m": {OnError: "dead_letter", Language: "python"},
			"own": {OnError: "fail", Times: 1, Backoff: 100 * time.Millisecond, Language: "python"},
			"s":   {OnError: "dead_letter", Language: "levada"}, "out": {OnError: "dead_letter", Language: "levada"},
		}},
		{"the pipeline", "pipeline on_error=skip retry=3", WithDeadLetters, map[string]program.Policy{
			"in": {OnError: "fail", Language: "levada"}, "p": {OnError: "skip", Language: "levada"},
			"b":   {OnError: "fail", Language: "levada"},
			"m":   {OnError: "skip", Times: 3, Backoff: 100 * time.Millisecond, Language: "python"},
			"own": {OnError: "fail", Times: 1, Backoff: 100 * time.Millisecond, Language: "python"},
			"s":   {OnError: "skip", Language: "levada"}, "out": {OnError: "skip", Language: "levada"},
		}},
		{"fail all the same", "pipeline on_error=fail", WithDeadLetters, map[string]program.Policy{
			"m": {OnError: "fail", Language: "python"},
		}},
	} {
		cat := catalog()
		cat.DeadLetters = c.dead
		pl, err := Plan(steps(t, c.pipeline+text), cat)
		if err != nil {
			t.Fatal(err)
		}
		got := pl.policies()
		if len(got) != 7 {
			t.Errorf("%s: policies of %d steps", c.name, len(got))
		}
		for step, want := range c.want {
			if got[step] != want {
				t.Errorf("%s: %s: got %+v, want %+v", c.name, step, got[step], want)
			}
		}
	}
	cat := catalog()
	pl, err := Plan(steps(t, "source in\nparse p T\nmap m go:x.Transform\nserialize s\nsink out"), cat)
	if err != nil {
		t.Fatal(err)
	}
	if got := pl.policies()["m"].Language; got != "go" {
		t.Errorf("language of a step in Go: %s", got)
	}
}
