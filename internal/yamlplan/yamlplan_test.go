package yamlplan

import (
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/levada-io/levada/plan"
)

var update = flag.Bool("update", false, "write the messages in testdata anew")

const steps = "go:example.com/acme/steps."

// manifests are those of a wheel with Go steps and of the functions of a Python file.
func manifests() []*plan.Manifest {
	ref := func(name string) plan.Type { return plan.Type{Kind: plan.TRef, Name: name} }
	number := plan.Type{Kind: plan.TFloat64}
	return []*plan.Manifest{
		{
			Module: "metric_steps", Package: "example.com/acme/steps",
			Functions: []plan.FunctionSignature{
				{Name: steps + "IsCounter"}, {Name: steps + "Kind"}, {Name: steps + "Tags"}, {Name: steps + "Transform"},
				{Name: steps + "Threshold", Fields: []plan.Field{
					{Name: "limit", Type: number},
					{Name: "kinds", Type: plan.Type{Kind: plan.TList, Elem: &plan.Type{Kind: plan.TAny}}},
					{Name: "when", Type: plan.Type{Kind: plan.TString}},
					{Name: "of", Type: plan.Type{Kind: plan.TMap, Elem: &plan.Type{Kind: plan.TAny}}},
					{Name: "small", Type: plan.Type{Kind: plan.TInt8}},
					{Name: "large", Type: plan.Type{Kind: plan.TUint64, Nullable: true}},
					{Name: "row", Type: ref(steps + "Row")},
					{Name: "on", Type: plan.Type{Kind: plan.TBool}},
				}},
			},
			Types: map[string]plan.Type{
				steps + "IngestMetric": {Kind: plan.TStruct, Fields: []plan.Field{{Name: "tag", Type: ref(steps + "Tag")}}},
				steps + "Tag":          {Kind: plan.TStruct, Fields: []plan.Field{{Name: "next", Type: plan.Type{Kind: plan.TList, Elem: &plan.Type{Kind: plan.TRef, Name: steps + "Tag"}}}}},
				steps + "Row":          {Kind: plan.TStruct, Fields: []plan.Field{{Name: "a", Type: number}}},
			},
		},
		{
			Functions: []plan.FunctionSignature{{Name: "py:team.transforms:transform"}},
			Types: map[string]plan.Type{
				"py:team.transforms:Row": {Kind: plan.TStruct, Fields: []plan.Field{{Name: "b", Type: number}}},
			},
		},
	}
}

func load(path, text string) (*plan.Plan, error) {
	r, err := parse(path, []byte(text))
	if err != nil {
		return nil, err
	}
	return r.load(manifests())
}

// Every file in testdata/wrong with the whole of what is said about it.
func TestWrongFiles(t *testing.T) {
	files, err := filepath.Glob("testdata/wrong/*.yaml")
	if err != nil || len(files) == 0 {
		t.Fatalf("no files: %v", err)
	}
	for _, file := range files {
		name := strings.TrimSuffix(filepath.Base(file), ".yaml")
		t.Run(name, func(t *testing.T) {
			text, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			_, err = load("pipeline.yaml", string(text))
			if err == nil {
				t.Fatal("accepted")
			}
			got := err.Error() + "\n"
			golden := strings.TrimSuffix(file, ".yaml") + ".txt"
			if *update {
				if err := os.WriteFile(golden, []byte(got), 0o644); err != nil {
					t.Fatal(err)
				}
			}
			want, err := os.ReadFile(golden)
			if err != nil {
				t.Fatal(err)
			}
			if got != string(want) {
				t.Errorf("got\n%s\nwant\n%s", got, want)
			}
		})
	}
}

const everyKind = `
pipeline: every
steps-from: metric_steps
flow:
- in: {source: {kafka: metrics}}
- parse: {decode: json, type: IngestMetric}
- strong:
    filter: metric_steps.Threshold
    with: {small: -128, large: 18446744073709551615, row: {a: 7}, on: true, when: 2026-01-01, limit: 3.0, kinds: ["b", a, 1, true, ~], of: {z: 1e3, a: -12345678901234567890}}
- plain: {filter: metric_steps.Threshold, with: {}}
- tags: {flat_map: steps.Tags}
- gather: {batch: {count: 100, bytes: 1MiB, age: 5s}}
- by:
    route: example.com/acme/steps.Kind
    cases:
      c: [{file: {sink: {file: counters}}}]
      7: [{seven: {sink: {devnull: sevens}}}]
      text: [{text: {sink: {memory: texts}}}]
      false: [{no: {sink: {kafka: nos}}}]
      "": [{nothing: {sink: {kafka: nothings}}}]
    otherwise:
    - python: {map: "team.transforms:transform"}
    - fan:
        broadcast:
          json: [{print: {encode: json}}, {out: {sink: {kafka: outs}}}]
          raw: [{bytes: {encode: raw}}, {out_raw: {sink: {kafka: raws}}}]
`

func TestEveryKind(t *testing.T) {
	p, err := load("some/where/every.yaml", everyKind)
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, s := range p.Steps {
		line := fmt.Sprintf("%s %s %s<-%s/%s", s.Origin, s.Name, s.Kind, s.Input, s.Branch)
		if s.Function != nil {
			line += " " + s.Function.Name + string(s.Function.Settings)
		}
		if s.Stream != "" {
			line += fmt.Sprintf(" %s:%s", s.Connector, s.Stream)
		}
		for _, b := range s.Branches {
			line += fmt.Sprintf(" %s=%s %v", b.Name, string(b.Key), b.Otherwise)
		}
		got = append(got, line)
	}
	want := []string{
		"every.yaml:5 in source<-/ kafka:metrics",
		"every.yaml:6 parse map<-in/ builtin:json.decode",
		`every.yaml:7 strong filter<-parse/ ` + steps + `Threshold{"kinds":["b","a",1,true,null],"large":18446744073709551615,"limit":3,"of":{"a":-12345678901234567890,"z":1000},"on":true,"row":{"a":7},"small":-128,"when":"2026-01-01"}`,
		"every.yaml:10 plain filter<-strong/ " + steps + "Threshold",
		"every.yaml:11 tags flat_map<-plain/ " + steps + "Tags",
		"every.yaml:12 gather batch<-tags/",
		"every.yaml:13 by route<-gather/ " + steps + `Kind c="c" false 7=7 false text="text" false false=false false empty="" false otherwise= true`,
		"every.yaml:16 file sink<-by/c file:counters",
		"every.yaml:17 seven sink<-by/7 devnull:sevens",
		"every.yaml:18 text sink<-by/text memory:texts",
		"every.yaml:19 no sink<-by/false kafka:nos",
		"every.yaml:20 nothing sink<-by/empty kafka:nothings",
		"every.yaml:22 python map<-by/otherwise py:team.transforms:transform",
		"every.yaml:23 fan broadcast<-python/ json= false raw= false",
		"every.yaml:25 print map<-fan/json builtin:json.encode",
		"every.yaml:25 out sink<-print/ kafka:outs",
		"every.yaml:26 bytes map<-fan/raw builtin:raw.encode",
		"every.yaml:26 out_raw sink<-bytes/ kafka:raws",
	}
	if !slices.Equal(got, want) {
		t.Errorf("got\n%s\nwant\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
	}
	if l := *p.Steps[5].Limit; l != (plan.Limit{Count: 100, Bytes: 1 << 20, AgeMS: 5000}) {
		t.Errorf("limit %+v", l)
	}
	if p.Steps[1].Type != steps+"IngestMetric" || len(p.Types) != 2 {
		t.Errorf("type %q, types %v", p.Steps[1].Type, p.Types)
	}
	want = []string{"codec:json", "codec:raw", "functions:go", "functions:py", "kind:batch", "kind:broadcast", "kind:flat_map", "kind:route"}
	if !slices.Equal(p.Requires, want) {
		t.Errorf("requires %q", p.Requires)
	}
}

func TestPolicies(t *testing.T) {
	p, err := load("p.yaml", `
pipeline: p
on_error: skip
retry: {times: 3, backoff: 100ms}
flow:
- in: {source: {kafka: a}}
- python: {map: "team.transforms:transform", on_error: dead_letter, retry: {times: 1}}
- print: {encode: json, on_error: fail}
- out: {sink: {kafka: b}, on_error: skip}
`)
	if err != nil {
		t.Fatal(err)
	}
	if p.OnError != plan.Skip || p.Retry == nil || *p.Retry != (plan.Retry{Times: 3, BackoffMS: 100}) {
		t.Errorf("of the pipeline: %q, %+v", p.OnError, p.Retry)
	}
	if s := p.Steps[1]; s.OnError != plan.DeadLetter || s.Retry == nil || *s.Retry != (plan.Retry{Times: 1}) {
		t.Errorf("of a step: %q, %+v", s.OnError, s.Retry)
	}
	if p.Steps[2].OnError != plan.Fail || p.Steps[3].OnError != plan.Skip {
		t.Errorf("got %q and %q", p.Steps[2].OnError, p.Steps[3].OnError)
	}
	if want := []string{"codec:json", "functions:py", "policy:dead_letter", "policy:skip", "retry"}; !slices.Equal(p.Requires, want) {
		t.Errorf("requires %q", p.Requires)
	}
}

func TestTypesByName(t *testing.T) {
	for text, want := range map[string]string{
		"IngestMetric":                       steps + "IngestMetric",
		"metric_steps.Row":                   steps + "Row",
		"example.com/acme/steps.Row":         steps + "Row",
		"team.transforms:Row":                "py:team.transforms:Row",
		"any":                                "",
		"float64":                            "float64",
		"list[list[Tag]]":                    "list[list[" + steps + "Tag]]",
		"map[string, steps.Row]":             "map[string, " + steps + "Row]",
		"union[steps.Row, string,list[Tag]]": "union[" + steps + "Row, string, list[" + steps + "Tag]]",
		"list[union[bool, map[string, union[int8, string]], float32]]": "list[union[bool, map[string, union[int8, string]], float32]]",
	} {
		p, err := load("p.yaml", fmt.Sprintf("pipeline: p\nflow: [{in: {source: {kafka: a}}}, {parse: {decode: json, type: %q}}, {print: {encode: json}}, {out: {sink: {kafka: b}}}]", text))
		if err != nil {
			t.Errorf("%s: %v", text, err)
			continue
		}
		if got := p.Steps[1].Type; got != want {
			t.Errorf("%s: got %q, want %q", text, got, want)
		}
		if _, ok := p.Types[want]; !ok && want != "" {
			t.Errorf("%s: not in the table", text)
		}
	}
}

func TestWrongUnionsByName(t *testing.T) {
	for text, want := range map[string]string{
		"union[Tag, string":       `expected a ] at the end, got "union[Tag, string"`,
		"union[Tag]]":             `expected as many [ as ], got "union[Tag]]"`,
		"union[Tag, Nothing]":     `unknown type "Nothing"`,
		"union[]":                 `unknown type ""`,
		"union[int8, float64]":    "expected variants that can be told apart, int8 and float64 are both a JSON number",
		"union[Tag, string, any]": "expected variants that have a kind of their own and are not null, got any",
	} {
		p, err := load("p.yaml", fmt.Sprintf("pipeline: p\nflow: [{in: {source: {kafka: a}}}, {parse: {decode: json, type: %q}}, {print: {encode: json}}, {out: {sink: {kafka: b}}}]", text))
		if err == nil {
			err = fmt.Errorf("%v", plan.Validate(p))
		}
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: got %v", text, err)
		}
	}
}

func TestFunctionsAndStepsFrom(t *testing.T) {
	file := filepath.Join(t.TempDir(), "p.yaml")
	if err := os.WriteFile(file, []byte(everyKind), 0o644); err != nil {
		t.Fatal(err)
	}
	got, err := Functions(file)
	want := []string{"metric_steps.Threshold", "steps.Tags", "example.com/acme/steps.Kind", "team.transforms:transform"}
	if err != nil || !slices.Equal(got, want) {
		t.Errorf("got %q, %v", got, err)
	}
	if from, err := StepsFrom(file); err != nil || from != "metric_steps" {
		t.Errorf("got %q, %v", from, err)
	}
	if _, err := Load(file); err == nil || !strings.Contains(err.Error(), "hint: run it from the wheel or the binary that holds the steps") {
		t.Errorf("without manifests: got %v", err)
	}
	if _, err := Load(filepath.Join(t.TempDir(), "none.yaml")); err == nil || !strings.HasPrefix(err.Error(), "pipeline: open ") {
		t.Errorf("no file: got %v", err)
	}
}

func FuzzLoad(f *testing.F) {
	f.Add(everyKind)
	files, err := filepath.Glob("testdata/wrong/*.yaml")
	if err != nil {
		f.Fatal(err)
	}
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(string(text))
	}
	f.Fuzz(func(t *testing.T, text string) {
		p, err := load("p.yaml", text)
		if err != nil {
			return
		}
		// What is accepted is a plan that any engine can read.
		data, err := p.Encode()
		if err != nil {
			t.Fatal(err)
		}
		back, err := plan.Decode(data)
		if err != nil {
			t.Fatalf("%v\n%s", err, data)
		}
		if problems := plan.Validate(back); problems != nil {
			t.Fatal(problems)
		}
	})
}
