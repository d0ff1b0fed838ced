package plan

import (
	"encoding/json/jsontext"
	"slices"
	"strings"
	"testing"
)

// linear is a right plan: a source, a parse, a filter, a serialize and a sink.
func linear() *Plan {
	p := &Plan{
		Version: 1, Name: "metrics",
		Steps: []Step{
			{Name: "in", Kind: Source, Stream: "metrics", Connector: "kafka"},
			{Name: "parse", Kind: Map, Input: "in", Function: &Function{Name: "builtin:json.decode"}, Type: "go:example.com/steps.Metric"},
			{Name: "keep", Kind: Filter, Input: "parse", Function: &Function{Name: "go:example.com/steps.Keep"}},
			{Name: "print", Kind: Map, Input: "keep", Function: &Function{Name: "builtin:json.encode"}},
			{Name: "out", Kind: Sink, Input: "print", Stream: "kept", Connector: "kafka"},
		},
		Types: map[string]Type{"go:example.com/steps.Metric": {Kind: TStruct, Fields: []Field{{Name: "value", Type: Type{Kind: TFloat64}}}}},
	}
	for i := range p.Steps {
		p.Steps[i].Origin = Origin{File: "p.py", Line: i + 1}
	}
	p.Requires = Requires(p)
	return p
}

// forked is a right plan with a route and, in one branch, a broadcast.
func forked() *Plan {
	p := &Plan{Version: 1, Name: "fork", Steps: []Step{
		{Name: "in", Kind: Source, Stream: "a", Connector: "kafka"},
		{Name: "by", Kind: Route, Input: "in", Function: &Function{Name: "py:m:kind"}, Branches: []Branch{
			{Name: "c", Key: jsontext.Value(`"c"`)}, {Name: "rest", Otherwise: true},
		}},
		{Name: "out_c", Kind: Sink, Input: "by", Branch: "c", Stream: "c", Connector: "kafka"},
		{Name: "fan", Kind: Broadcast, Input: "by", Branch: "rest", Branches: []Branch{{Name: "x"}, {Name: "y"}}},
		{Name: "out_x", Kind: Sink, Input: "fan", Branch: "x", Stream: "x", Connector: "kafka"},
		{Name: "out_y", Kind: Sink, Input: "fan", Branch: "y", Stream: "y", Connector: "kafka"},
	}}
	for i := range p.Steps {
		p.Steps[i].Origin = Origin{File: "p.py", Line: i + 1}
	}
	p.Requires = Requires(p)
	return p
}

func TestValidateAcceptsRightPlans(t *testing.T) {
	for _, p := range []*Plan{linear(), forked()} {
		if ps := Validate(p); len(ps) > 0 {
			t.Errorf("%s: %v", p.Name, ps)
		}
	}
}

func TestRequires(t *testing.T) {
	p := forked()
	p.Steps[0].OnError = Fail
	p.Steps[1].OnError = Skip
	p.Steps[2].Retry = &Retry{Times: 1}
	p.Steps = append(p.Steps, linear().Steps...)
	p.Steps = append(p.Steps, Step{Kind: Batch}, Step{Kind: FlatMap}, Step{Kind: Reduce}, Step{Kind: KeyBy})
	want := []string{
		"codec:json", "functions:go", "functions:py", "kind:batch", "kind:broadcast", "kind:flat_map",
		"kind:key_by", "kind:reduce", "kind:route", "policy:skip", "retry",
	}
	if got := Requires(p); !slices.Equal(got, want) {
		t.Errorf("got %q, want %q", got, want)
	}
	p = &Plan{OnError: DeadLetter, Retry: &Retry{Times: 1}, Steps: []Step{{Kind: Source}}}
	if got := Requires(p); !slices.Equal(got, []string{"policy:dead_letter", "retry"}) {
		t.Errorf("of the pipeline: got %q", got)
	}
}

// What counts for the whole pipeline is part of what the plan does.
func TestHashCountsPoliciesOfThePipeline(t *testing.T) {
	hash := func(p *Plan) string {
		h, err := p.Hash()
		if err != nil {
			t.Fatal(err)
		}
		return h
	}
	plain, skips, repeats := linear(), linear(), linear()
	skips.OnError, repeats.Retry = Skip, &Retry{Times: 1}
	if h := hash(plain); h == hash(skips) || h == hash(repeats) {
		t.Errorf("%s for several", h)
	}
}

// Every rule, with the whole text that its violation shows.
//
// Fault: policy where nothing can fail -> goes on: refused at check, says: a source can not fail, expected no on_error
func TestValidate(t *testing.T) {
	const (
		fallible = "\nhint: on_error stands at a map, filter, flat_map, route or sink, or at the pipeline as a whole"
		callable = "\nhint: retry stands at a map, filter, flat_map or route with a function in Go or Python"
		open     = "expected a sink at the end of every branch, got a step that leads nowhere\nhint: end every branch with a sink"
	)
	for _, c := range []struct {
		name   string
		plan   func() *Plan
		change func(p *Plan)
		want   []string
	}{
		{"version of tomorrow", linear, func(p *Plan) { p.Version = 2 }, []string{"expected plan version 1, got 2"}},
		{"pipeline name", linear, func(p *Plan) { p.Name = "a b" }, []string{`expected a pipeline name of letters, digits, _ . and -, at most 100, not beginning with . or -; got "a b"`}},
		{"step name", linear, func(p *Plan) { p.Steps[4].Name = "out\n" }, []string{`step "out\n" (p.py:5): expected a step name of letters, digits, _ . and -, at most 100, not beginning with . or -; got "out\n"`}},
		{"no source", linear, func(p *Plan) { p.Steps = p.Steps[1:] }, []string{
			`pipeline "metrics": expected a source, got none`,
			`step "parse" (p.py:2): expected an input that stands before it, got "in"`,
		}},
		{"two sources", linear, func(p *Plan) {
			p.Steps = append(p.Steps, Step{Name: "in2", Kind: Source, Stream: "x", Connector: "kafka", Origin: Origin{"p.py", 9}})
		}, []string{
			"step \"in2\" (p.py:9): expected one source in a pipeline, got a second one\nhint: write one pipeline per source",
			`step "in2" (p.py:9): ` + open,
		}},
		{"duplicate step in the middle", linear, func(p *Plan) { p.Steps[3].Name = "parse"; p.Steps[4].Input = "parse" }, []string{
			`step "parse" (p.py:4): expected a name of its own, another step (p.py:2) has it`,
		}},
		{"duplicate step", linear, func(p *Plan) { p.Steps[4].Name = "parse" }, []string{
			`step "parse" (p.py:5): expected a name of its own, another step (p.py:2) has it`,
		}},
		{"unknown kind", linear, func(p *Plan) { p.Steps[4].Kind = "sing" }, []string{
			`step "out" (p.py:5): unknown kind "sing"`,
			`step "print" (p.py:4): ` + open,
		}},
		{"kind of tomorrow", linear, func(p *Plan) { p.Steps[2].Kind = KeyBy }, []string{`step "keep" (p.py:3): kind "key_by" is not built yet`}},
		{"source that reads", linear, func(p *Plan) { p.Steps[0].Input = "out" }, []string{`step "in" (p.py:1): a source reads from no step, got input "out"`}},
		{"no input", linear, func(p *Plan) { p.Steps[1].Input = "" }, []string{
			`step "parse" (p.py:2): expected the step that it reads from, got none`, `step "in" (p.py:1): ` + open,
		}},
		{"cycle", linear, func(p *Plan) { p.Steps[1].Input = "keep" }, []string{
			`step "parse" (p.py:2): expected an input that stands before it, got "keep"`, `step "in" (p.py:1): ` + open,
		}},
		{"behind a sink", linear, func(p *Plan) {
			p.Steps = append(p.Steps, Step{Name: "more", Kind: Sink, Input: "out", Stream: "x", Connector: "kafka"})
		}, []string{`step "more": reads from the sink "out", which passes nothing on`}},
		{"two readers", linear, func(p *Plan) {
			p.Steps = append(p.Steps, Step{Name: "more", Kind: Sink, Input: "print", Stream: "x", Connector: "kafka"})
		}, []string{"step \"more\": reads from step \"print\", as step \"out\" does\nhint: use a broadcast to send each message to several steps"}},
		{"two readers of a branch", forked, func(p *Plan) {
			p.Steps = append(p.Steps, Step{Name: "more", Kind: Sink, Input: "fan", Branch: "x", Stream: "x", Connector: "kafka"})
		}, []string{"step \"more\": reads from branch \"x\" of step \"fan\", as step \"out_x\" does\nhint: use a broadcast to send each message to several steps"}},
		{"no branch", forked, func(p *Plan) { p.Steps[2].Branch = "" }, []string{
			`step "out_c" (p.py:3): expected the branch of route "by" that it reads from, got none`,
			"step \"by\" (p.py:2): branch \"c\": expected steps and a sink, got none\nhint: end every branch with a sink",
		}},
		{"unknown branch", forked, func(p *Plan) { p.Steps[2].Branch = "d" }, []string{
			`step "out_c" (p.py:3): branch "d" of step "by", which has no such branch`,
			"step \"by\" (p.py:2): branch \"c\": expected steps and a sink, got none\nhint: end every branch with a sink",
		}},
		{"branch of no fork", linear, func(p *Plan) { p.Steps[4].Branch = "d" }, []string{
			`step "out" (p.py:5): branch "d" of step "print", which has no branches`, `step "print" (p.py:4): ` + open,
		}},
		{"branch names", forked, func(p *Plan) { p.Steps[3].Branches[1].Name = "x"; p.Steps = p.Steps[:5] }, []string{
			`step "fan" (p.py:4): expected branches with names of their own, got "x" twice`,
		}},
		{"branch name", forked, func(p *Plan) { p.Steps[3].Branches[1].Name = "y\n"; p.Steps[5].Branch = "y\n" }, []string{
			`step "fan" (p.py:4): expected a branch name of 1 to 100 printable characters, got "y\n"`,
		}},
		{"no branches", forked, func(p *Plan) { p.Steps[3].Branches = nil; p.Steps = p.Steps[:4] }, []string{
			`step "fan" (p.py:4): expected at least one branch, got none`,
		}},
		{"key in a broadcast", forked, func(p *Plan) { p.Steps[3].Branches[0].Key = jsontext.Value("1") }, []string{
			`step "fan" (p.py:4): branch "x": a branch of a broadcast has no key`,
		}},
		{"key of a kind", forked, func(p *Plan) { p.Steps[1].Branches[0].Key = jsontext.Value("1.5") }, []string{
			`step "by" (p.py:2): branch "c": expected a key that is a string, an integer or a boolean, got 1.5`,
		}},
		{"key twice", forked, func(p *Plan) {
			p.Steps[1].Branches[1] = Branch{Name: "rest", Key: jsontext.Value(`"c"`)}
		}, []string{`step "by" (p.py:2): expected each key once, got "c" twice`}},
		{"two otherwise", forked, func(p *Plan) { p.Steps[1].Branches[0] = Branch{Name: "c", Otherwise: true} }, []string{
			`step "by" (p.py:2): expected one branch for all other keys, got "rest" too`,
		}},
		{"neither key nor otherwise", forked, func(p *Plan) { p.Steps[1].Branches[0] = Branch{Name: "c"} }, []string{
			`step "by" (p.py:2): branch "c": expected a key or otherwise`,
		}},
		{"branches of a filter", linear, func(p *Plan) { p.Steps[2].Branches = []Branch{{Name: "a"}} }, []string{`step "keep" (p.py:3): a filter has no branches`}},
		{"open end", linear, func(p *Plan) { p.Steps = p.Steps[:4] }, []string{`step "print" (p.py:4): ` + open}},
		{"policies where they may stand", linear, func(p *Plan) {
			p.OnError, p.Retry = DeadLetter, &Retry{Times: 1000, BackoffMS: 60000}
			p.Steps[1].OnError, p.Steps[2].OnError, p.Steps[3].OnError, p.Steps[4].OnError = Skip, Skip, DeadLetter, Fail
			p.Steps[2].Retry = &Retry{Times: 1}
		}, nil},
		{"policies of a route", forked, func(p *Plan) { p.Steps[1].OnError, p.Steps[1].Retry = Skip, &Retry{Times: 1} }, nil},
		{"unknown policy", linear, func(p *Plan) { p.Steps[2].OnError = "stop" }, []string{"step \"keep\" (p.py:3): expected on_error to be fail, skip or dead_letter, got \"stop\"\nhint: it is called fail here"}},
		{"unknown policy of the pipeline", linear, func(p *Plan) { p.OnError = "later" }, []string{`pipeline "metrics": expected on_error to be fail, skip or dead_letter, got "later"`}},
		{"policy of a source", linear, func(p *Plan) { p.Steps[0].OnError = Fail }, []string{`step "in" (p.py:1): a source can not fail, expected no on_error, got "fail"` + fallible}},
		{"policy of a broadcast", forked, func(p *Plan) { p.Steps[3].OnError, p.Steps[3].Retry = Skip, &Retry{Times: 1} }, []string{
			`step "fan" (p.py:4): a broadcast can not fail, expected no on_error, got "skip"` + fallible,
			`step "fan" (p.py:4): a broadcast can not fail, expected no retry` + callable,
		}},
		{"policy of a batch", linear, func(p *Plan) {
			p.Steps[2] = Step{Name: "keep", Kind: Batch, Input: "parse", Limit: &Limit{Count: 1}, OnError: DeadLetter}
		}, []string{`step "keep": a batch can not fail, expected no on_error, got "dead_letter"` + fallible}},
		{"retry of a codec", linear, func(p *Plan) { p.Steps[1].Retry = &Retry{Times: 3} }, []string{
			`step "parse" (p.py:2): the same bytes fail the same way in a codec, expected no retry` + callable,
		}},
		{"retry of a sink", linear, func(p *Plan) { p.Steps[4].Retry = &Retry{Times: 3} }, []string{
			`step "out" (p.py:5): the connector of a sink tries again by itself, expected no retry` + callable,
		}},
		{"retry of nothing", linear, func(p *Plan) { p.Steps[2].Retry = &Retry{BackoffMS: -1} }, []string{
			`step "keep" (p.py:3): retry: expected times from 1 to 1000, got 0`,
			`step "keep" (p.py:3): retry: expected a backoff from 0 to 60000 ms, got -1 ms`,
		}},
		{"retry without end", linear, func(p *Plan) { p.Retry = &Retry{Times: 1001, BackoffMS: 60001} }, []string{
			`pipeline "metrics": retry: expected times from 1 to 1000, got 1001`,
			`pipeline "metrics": retry: expected a backoff from 0 to 60000 ms, got 60001 ms`,
		}},
		{"no function", linear, func(p *Plan) { p.Steps[2].Function = nil }, []string{`step "keep" (p.py:3): expected a function, got none`}},
		{"function of a sink", linear, func(p *Plan) { p.Steps[4].Function = &Function{Name: "go:a.B"} }, []string{`step "out" (p.py:5): a sink has no function, got "go:a.B"`}},
		{"function name", linear, func(p *Plan) { p.Steps[2].Function.Name = "steps.Keep" }, []string{
			`step "keep" (p.py:3): expected a function name such as go:path.Func or py:module:name, got "steps.Keep"`,
		}},
		{"builtin filter", linear, func(p *Plan) { p.Steps[2].Function.Name = "builtin:json.decode" }, []string{
			`step "keep" (p.py:3): expected a codec in a map, got "builtin:json.decode" in a filter`,
		}},
		{"builtin of neither way", linear, func(p *Plan) { p.Steps[3].Function.Name = "builtin:json.print" }, []string{
			`step "print" (p.py:4): expected a builtin that decodes or encodes, got "builtin:json.print"`,
		}},
		{"local builtin", linear, func(p *Plan) { p.Steps[3].Function.Local = true }, []string{`step "print" (p.py:4): a builtin can not be local, got "builtin:json.encode"`}},
		{"settings of a serialize", linear, func(p *Plan) { p.Steps[3].Function.Settings = jsontext.Value(`{"strict":true}`) }, []string{
			`step "print" (p.py:4): a serialize takes no setting "strict"` + "\nhint: settings about reading go to the parse",
		}},
		{"settings of Python", forked, func(p *Plan) { p.Steps[1].Function.Settings = jsontext.Value(`{}`) }, []string{`step "by" (p.py:2): only a Go step takes settings, "py:m:kind" is none`}},
		{"settings that are a list", linear, func(p *Plan) { p.Steps[2].Function.Settings = jsontext.Value(`[1]`) }, []string{`step "keep" (p.py:3): expected settings that are a JSON object, got [1]`}},
		{"type of a filter", linear, func(p *Plan) { p.Steps[2].Type = "x" }, []string{`step "keep" (p.py:3): only a parse declares a type, got "x"`}},
		{"unknown type", linear, func(p *Plan) { p.Types = nil }, []string{`step "parse" (p.py:2): type "go:example.com/steps.Metric" is not in the table of types`}},
		{"type that refers to nothing", linear, func(p *Plan) { p.Types["a"] = Type{Kind: TList, Elem: &Type{Kind: TRef, Name: "b"}} }, []string{
			`type "a[]": refers to "b", which is not in the table of types`,
		}},
		{"list of nothing", linear, func(p *Plan) { p.Types["a"] = Type{Kind: TList} }, []string{`type "a": expected the type of its elements, got none`}},
		{"union of one", linear, func(p *Plan) { p.Types["a"] = Type{Kind: TUnion, Elems: []Type{{Kind: TBool}}} }, []string{`type "a": expected the types of two variants or more, got 1`}},
		{"two numbers", linear, func(p *Plan) {
			p.Types["a"] = Type{Kind: TUnion, Elems: []Type{{Kind: TInt8}, {Kind: TString}, {Kind: TFloat64}}}
		}, []string{`type "a": expected variants that can be told apart, int8 and float64 are both a JSON number`}},
		{"a map beside a struct", linear, func(p *Plan) {
			p.Types["a"] = Type{Kind: TUnion, Elems: []Type{{Kind: TMap, Elem: &Type{Kind: TBool}}, {Kind: TRef, Name: "b"}}}
			p.Types["b"] = Type{Kind: TStruct, Fields: []Field{{Name: "x", Type: Type{Kind: TBool}}}}
		}, []string{`type "a": expected variants that can be told apart, map[string, bool] and b are both a JSON object`}},
		{"variant that may be null", linear, func(p *Plan) {
			p.Types["a"] = Type{Kind: TUnion, Elems: []Type{{Kind: TBool, Nullable: true}, {Kind: TString}}}
		}, []string{`type "a": expected variants that have a kind of their own and are not null, got bool or null`}},
		{"variant of any kind", linear, func(p *Plan) {
			p.Types["a"] = Type{Kind: TUnion, Elems: []Type{{Kind: TBool}, {Kind: TAny}}}
		}, []string{`type "a": expected variants that have a kind of their own and are not null, got any`}},
		{"variant of nothing", linear, func(p *Plan) { p.Types["a"] = Type{Kind: TUnion, Elems: []Type{{Kind: TBool}, {Kind: TList}}} }, []string{`type "a[variant 1]": expected the type of its elements, got none`}},
		{"constant of another type", linear, func(p *Plan) {
			p.Types["a"] = Type{Kind: TStruct, Fields: []Field{{Name: "b", Type: Type{Kind: TInt8}, Const: "128"}}}
		}, []string{`type "a.b": const 128: expected a value of type int8`}},
		{"kind of type", linear, func(p *Plan) { p.Types["a"] = Type{Kind: "int128"} }, []string{`type "a": unknown kind "int128"`}},
		{"no stream", linear, func(p *Plan) { p.Steps[0].Stream = "" }, []string{`step "in" (p.py:1): expected the name of a stream and of a connector, got "" and "kafka"`}},
		{"stream of a filter", linear, func(p *Plan) { p.Steps[2].Stream = "x" }, []string{`step "keep" (p.py:3): a filter has no stream, got "x"`}},
		{"no limit", linear, func(p *Plan) { p.Steps[2] = Step{Name: "keep", Kind: Batch, Input: "parse"} }, []string{`step "keep": expected a limit of messages, bytes or age, got none`}},
		{"limit below zero", linear, func(p *Plan) {
			p.Steps[2] = Step{Name: "keep", Kind: Batch, Input: "parse", Limit: &Limit{Count: -1}}
		}, []string{`step "keep": expected limits above zero, got count -1, bytes 0, age 0 ms`}},
		{"limit of a filter", linear, func(p *Plan) { p.Steps[2].Limit = &Limit{Count: 1} }, []string{`step "keep" (p.py:3): a filter has no limit`}},
		{"capability of tomorrow", linear, func(p *Plan) { p.Requires = append(p.Requires, "window:session") }, []string{
			"needs the capability \"window:session\", which is not known here\nhint: run it with the levada release it was written by",
		}},
		{"capability left out", linear, func(p *Plan) { p.Requires = nil }, []string{
			`BUG: expected requires to name "codec:json", which a step needs`, `BUG: expected requires to name "functions:go", which a step needs`,
		}},
	} {
		t.Run(c.name, func(t *testing.T) {
			p := c.plan()
			c.change(p)
			if !strings.HasPrefix(c.name, "capability") {
				p.Requires = Requires(p)
			}
			var got []string
			for _, problem := range Validate(p) {
				if problem.Code == "" {
					t.Errorf("no code: %v", problem)
				}
				got = append(got, problem.Error())
			}
			if !slices.Equal(got, c.want) {
				t.Errorf("got\n%s\nwant\n%s", strings.Join(got, "\n"), strings.Join(c.want, "\n"))
			}
		})
	}
}
