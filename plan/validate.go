package plan

import (
	"encoding/json/jsontext"
	"encoding/json/v2"
	"fmt"
	"maps"
	"slices"
	"strings"
)

// Problem is one mistake in a plan, with the place in the author's source.
type Problem struct {
	Code   string // stable, for documentation and tests
	Step   string // empty: the pipeline as a whole
	Origin Origin
	Text   string // expectation, fact, cause
	Hint   string // without "hint:"; may be empty
}

// Error is the problem as a person reads it.
func (p Problem) Error() string {
	var b strings.Builder
	if p.Step != "" {
		fmt.Fprintf(&b, "step %q", p.Step)
		if p.Origin.File != "" {
			fmt.Fprintf(&b, " (%s)", p.Origin)
		}
		b.WriteString(": ")
	} else if p.Origin.File != "" {
		fmt.Fprintf(&b, "%s: ", p.Origin)
	}
	b.WriteString(p.Text)
	if p.Hint != "" {
		b.WriteString("\nhint: " + p.Hint)
	}
	return b.String()
}

// unbuilt are the kinds that a plan has room for and this version does not run.
var unbuilt = []Kind{KeyBy, Reduce}

// Requires computes the capabilities that an engine needs for the plan, sorted.
func Requires(p *Plan) []string {
	out := []string{} // never null in JSON
	policy := func(onError string, retry *Retry) {
		if onError != "" && onError != Fail {
			out = append(out, "policy:"+onError)
		}
		if retry != nil {
			out = append(out, "retry")
		}
	}
	policy(p.OnError, p.Retry)
	for i := range p.Steps {
		s := &p.Steps[i]
		switch s.Kind {
		case FlatMap, KeyBy, Batch, Reduce, Route, Broadcast:
			out = append(out, "kind:"+string(s.Kind))
		}
		policy(s.OnError, s.Retry)
		if s.Crossing != "" && s.Crossing != CrossFrame {
			out = append(out, "crossing:"+s.Crossing)
		}
		if s.Function == nil {
			continue
		}
		switch scheme, rest, _ := strings.Cut(s.Function.Name, ":"); scheme {
		case "builtin":
			c, _, _ := strings.Cut(rest, ".")
			out = append(out, "codec:"+c)
		case "go", "py":
			out = append(out, "functions:"+scheme)
		}
	}
	slices.Sort(out)
	return slices.Compact(out)
}

// Validate finds every mistake that can be seen in the plan alone: those of each step
// in order, then ends that lead nowhere. What functions take and return, and whether they exist, is the
// planner's to see.
func Validate(p *Plan) []Problem {
	v := &validation{plan: p, steps: make(map[string]*Step, len(p.Steps)), twice: map[string]bool{}, readers: map[string][]*Step{}}
	v.pipeline()
	for i := range p.Steps {
		v.step(&p.Steps[i])
	}
	v.ends()
	return v.problems
}

type validation struct {
	plan     *Plan
	steps    map[string]*Step // that stand before the one in hand
	twice    map[string]bool  // names that several steps have
	readers  map[string][]*Step
	problems []Problem
}

func (v *validation) add(s *Step, code, hint, format string, args ...any) {
	p := Problem{Code: code, Text: fmt.Sprintf(format, args...), Hint: hint}
	if s != nil {
		p.Step, p.Origin = s.Name, s.Origin
	}
	v.problems = append(v.problems, p)
}

func (v *validation) pipeline() {
	p := v.plan
	if p.Version != Version && p.Version != Version-1 || p.Version < 1 {
		v.add(nil, "plan-version", "", "expected plan version %d, got %d", Version, p.Version)
	}
	if !validName(p.Name) {
		v.add(nil, "bad-name", "", "expected a pipeline name of %s; got %q", nameForm, p.Name)
	}
	v.words(nil, fmt.Sprintf("pipeline %q: ", p.Name), p.OnError, p.Retry)
	want := Requires(p)
	for _, c := range p.Requires {
		if !slices.Contains(want, c) {
			v.add(nil, "plan-requires", "run it with the levada release it was written by", "needs the capability %q, which is not known here", c)
		}
	}
	for _, c := range want {
		if !slices.Contains(p.Requires, c) {
			// An engine without it would run the plan as if it meant something else.
			v.add(nil, "plan-requires", "", "BUG: expected requires to name %q, which a step needs", c)
		}
	}
	sources := 0
	for i := range p.Steps {
		if p.Steps[i].Kind != Source {
			continue
		}
		if sources++; sources > 1 {
			v.add(&p.Steps[i], "second-source", "write one pipeline per source", "expected one source in a pipeline, got a second one")
		}
	}
	if sources == 0 {
		v.add(nil, "no-source", "", "pipeline %q: expected a source, got none", p.Name)
	}
	for _, name := range slices.Sorted(maps.Keys(p.Types)) {
		v.types(name, p.Types[name])
	}
}

// types checks that a type of the table is whole.
func (v *validation) types(name string, t Type) {
	switch t.Kind {
	case TRef:
		if _, ok := v.plan.Types[t.Name]; !ok {
			v.add(nil, "unknown-type", "", "type %q: refers to %q, which is not in the table of types", name, t.Name)
		}
	case TStruct:
		for _, f := range t.Fields {
			v.types(name+"."+f.Name, f.Type)
			v.constant(name+"."+f.Name, f)
		}
	case TList, TMap:
		if t.Elem == nil {
			v.add(nil, "bad-type", "", "type %q: expected the type of its elements, got none", name)
			return
		}
		v.types(name+"[]", *t.Elem)
	case TTuple:
		if len(t.Elems) == 0 {
			v.add(nil, "bad-type", "", "type %q: expected the types of its elements, got none", name)
		}
		for i, e := range t.Elems {
			v.types(fmt.Sprintf("%s[%d]", name, i), e)
		}
	case TUnion:
		if len(t.Elems) < 2 {
			v.add(nil, "bad-type", "", "type %q: expected the types of two variants or more, got %d", name, len(t.Elems))
		}
		before := len(v.problems)
		for i, e := range t.Elems {
			v.types(fmt.Sprintf("%s[variant %d]", name, i), e)
		}
		if len(t.Elems) >= 2 && len(v.problems) == before {
			if err := t.CheckUnion(v.plan.Types); err != nil {
				v.add(nil, "bad-type", "", "type %q: %v", name, err)
			}
		}
	case TTime, TDuration:
		if !ValidUnit(t.Kind, t.Unit) {
			v.add(nil, "bad-type", "", "type %q: unknown unit %q of a %s", name, t.Unit, t.Kind)
		}
	case TBool, TInt8, TInt16, TInt32, TInt64, TUint8, TUint16, TUint32, TUint64, TFloat32, TFloat64, TString, TBytes, TAny:
	default:
		v.add(nil, "bad-type", "", "type %q: unknown kind %q", name, t.Kind)
	}
}

func (v *validation) constant(name string, f Field) {
	if f.Const == "" && f.Rules == "" {
		return
	}
	t, err := f.Type.Resolve(v.plan.Types)
	if err != nil {
		return // told at the type
	}
	f.Type = t
	if f.Const != "" {
		if _, err := f.Constant(); err != nil {
			v.add(nil, "bad-type", "", "type %q: %v", name, err)
		}
	}
	if f.Rules != "" {
		if err := f.CheckRules(); err != nil {
			v.add(nil, "bad-type", "", "type %q: %v", name, err)
		}
	}
}

func (v *validation) step(s *Step) {
	switch {
	case !validName(s.Name):
		v.add(s, "bad-name", "", "expected a step name of %s; got %q", nameForm, s.Name)
	case v.steps[s.Name] != nil:
		where := ""
		if o := v.steps[s.Name].Origin; o.File != "" {
			where = fmt.Sprintf(" (%s)", o)
		}
		v.twice[s.Name] = true
		v.add(s, "duplicate-step", "", "expected a name of its own, another step%s has it", where)
	}
	switch {
	case !slices.Contains(Kinds, s.Kind):
		v.add(s, "unknown-kind", "", "unknown kind %q", s.Kind)
		return
	case slices.Contains(unbuilt, s.Kind):
		v.add(s, "not-built", "", "kind %q is not built yet", s.Kind)
	}
	v.input(s)
	v.policy(s)
	v.crossing(s)
	v.function(s)
	v.members(s)
	if s.Kind == Route || s.Kind == Broadcast {
		v.branches(s)
	}
	if v.steps[s.Name] == nil {
		v.steps[s.Name] = s
	}
}

// input checks where a step hangs in the tree. An input stands before its readers, so
// there are no cycles.
func (v *validation) input(s *Step) {
	if s.Kind == Source {
		if s.Input != "" || s.Branch != "" {
			v.add(s, "bad-input", "", "a source reads from no step, got input %q", s.Input)
		}
		return
	}
	up, ok := v.steps[s.Input]
	switch {
	case s.Input == "":
		v.add(s, "bad-input", "", "expected the step that it reads from, got none")
		return
	case !ok:
		v.add(s, "bad-input", "", "expected an input that stands before it, got %q", s.Input)
		return
	case v.twice[s.Input]:
		return // which of them it reads from is not known
	}
	forks := up.Kind == Route || up.Kind == Broadcast
	switch {
	case up.Kind == Sink:
		v.add(s, "bad-input", "", "reads from the sink %q, which passes nothing on", s.Input)
		return
	case !forks && s.Branch != "":
		v.add(s, "bad-input", "", "branch %q of step %q, which has no branches", s.Branch, s.Input)
		return
	case forks && s.Branch == "":
		v.add(s, "bad-input", "", "expected the branch of %s %q that it reads from, got none", up.Kind, s.Input)
		return
	case forks && !slices.ContainsFunc(up.Branches, func(b Branch) bool { return b.Name == s.Branch }):
		v.add(s, "bad-input", "", "branch %q of step %q, which has no such branch", s.Branch, s.Input)
		return
	}
	for _, other := range v.readers[s.Input] {
		if other.Branch != s.Branch {
			continue
		}
		what := fmt.Sprintf("step %q", s.Input)
		if forks {
			what = fmt.Sprintf("branch %q of step %q", s.Branch, s.Input)
		}
		v.add(s, "two-readers", "use a broadcast to send each message to several steps", "reads from %s, as step %q does", what, other.Name)
		return
	}
	v.readers[s.Input] = append(v.readers[s.Input], s)
}

// policy checks what a step says about failing messages, and whether it may.
func (v *validation) policy(s *Step) {
	v.words(s, "", s.OnError, s.Retry)
	if s.OnError != "" && !s.CanFail() {
		v.add(s, "bad-policy", "on_error stands at a map, filter, flat_map, route or sink, or at the pipeline as a whole",
			"a %s can not fail, expected no on_error, got %q", s.Kind, s.OnError)
	}
	if s.Retry == nil || s.CanRetry() {
		return
	}
	const hint = "retry stands at a map, filter, flat_map or route with a function in Go or Python"
	switch {
	case !s.CanFail():
		v.add(s, "bad-policy", hint, "a %s can not fail, expected no retry", s.Kind)
	case s.Kind == Sink:
		v.add(s, "bad-policy", hint, "the connector of a sink tries again by itself, expected no retry")
	case s.Function != nil:
		v.add(s, "bad-policy", hint, "the same bytes fail the same way in a codec, expected no retry")
	}
}

// otherPolicies are the names that policies have elsewhere. By its letters "stop" would
// be taken for a slip of "skip", which is its contrary.
var otherPolicies = map[string]string{
	"stop": Fail, "abort": Fail, "raise": Fail, "error": Fail,
	"ignore": Skip, "drop": Skip, "continue": Skip,
	"dlq": DeadLetter, "dead-letter": DeadLetter, "deadletter": DeadLetter, "dead_letters": DeadLetter,
}

// words checks what stands in on_error and retry, of a step or of the pipeline.
func (v *validation) words(s *Step, place, onError string, retry *Retry) {
	switch onError {
	case "", Fail, Skip, DeadLetter:
	default:
		hint := ""
		if here, ok := otherPolicies[strings.ToLower(onError)]; ok {
			hint = "it is called " + here + " here"
		}
		v.add(s, "unknown-policy", hint, "%sexpected on_error to be fail, skip or dead_letter, got %q", place, onError)
	}
	if retry == nil {
		return
	}
	if retry.Times < 1 || retry.Times > MaxRetries {
		v.add(s, "bad-retry", "", "%sretry: expected times from 1 to %d, got %d", place, MaxRetries, retry.Times)
	}
	if retry.BackoffMS < 0 || retry.BackoffMS > MaxBackoffMS {
		v.add(s, "bad-retry", "", "%sretry: expected a backoff from 0 to %d ms, got %d ms", place, MaxBackoffMS, retry.BackoffMS)
	}
}

// crossing checks the word for how payloads cross, and whether it may stand here.
func (v *validation) crossing(s *Step) {
	const hint = "crossing stands at a map, filter, flat_map or route with a function in Go or Python"
	switch {
	case s.Crossing == "":
	case !slices.Contains(Crossings, s.Crossing):
		v.add(s, "unknown-crossing", "", "expected crossing to be %s, got %q", oneOf(Crossings), s.Crossing)
	case s.CanCross():
	case s.Kind == Map:
		v.add(s, "bad-crossing", hint, "a codec calls no function, expected no crossing, got %q", s.Crossing)
	default:
		v.add(s, "bad-crossing", hint, "a %s calls no function, expected no crossing, got %q", s.Kind, s.Crossing)
	}
}

// oneOf is a list of words as a sentence has it.
func oneOf(words []string) string {
	last := len(words) - 1
	return strings.Join(words[:last], ", ") + " or " + words[last]
}

func (v *validation) function(s *Step) {
	needs := slices.Contains([]Kind{Map, Filter, FlatMap, KeyBy, Reduce, Route}, s.Kind)
	switch {
	case s.Function == nil && needs:
		v.add(s, "bad-function", "", "expected a function, got none")
		return
	case s.Function == nil:
		return
	case !needs:
		v.add(s, "bad-function", "", "a %s has no function, got %q", s.Kind, s.Function.Name)
		return
	case !validFunction(s.Function.Name):
		v.add(s, "bad-function", "", "expected a function name such as go:path.Func or py:module:name, got %q", s.Function.Name)
		return
	}
	scheme, rest, _ := strings.Cut(s.Function.Name, ":")
	if scheme == "builtin" {
		_, verb, _ := strings.Cut(rest, ".")
		switch {
		case verb != "decode" && verb != "encode":
			v.add(s, "bad-function", "", "expected a builtin that decodes or encodes, got %q", s.Function.Name)
		case s.Kind != Map:
			v.add(s, "bad-function", "", "expected a codec in a map, got %q in a %s", s.Function.Name, s.Kind)
		case s.Function.Local:
			v.add(s, "bad-function", "", "a builtin can not be local, got %q", s.Function.Name)
		}
	}
	if s.Function.Settings == nil {
		return
	}
	switch {
	case scheme != "go" && scheme != "builtin":
		v.add(s, "bad-settings", "", "only a Go step takes settings, %q is none", s.Function.Name)
	case !s.Function.Settings.IsValid() || s.Function.Settings.Kind() != '{':
		v.add(s, "bad-settings", "", "expected settings that are a JSON object, got %s", s.Function.Settings)
	case strings.HasSuffix(rest, ".encode"):
		var members map[string]jsontext.Value
		if err := json.Unmarshal(s.Function.Settings, &members); err != nil {
			v.add(s, "bad-settings", "", "expected settings that are a JSON object, got %v", err)
			return
		}
		for _, name := range slices.Sorted(maps.Keys(members)) {
			if !slices.Contains(written, name) {
				v.add(s, "bad-settings", "settings about reading go to the parse", "a serialize takes no setting %q", name)
			}
		}
	}
}

// written are the settings of codecs that are about what is written.
var written = []string{"schema", "imports", "message", "std", "prefix", "id"}

// members checks that a step has what its kind needs and nothing that it has no use
// for.
func (v *validation) members(s *Step) {
	decodes := s.Kind == Map && s.Function != nil && strings.HasPrefix(s.Function.Name, "builtin:") && strings.HasSuffix(s.Function.Name, ".decode")
	if s.Type != "" {
		if !decodes {
			v.add(s, "bad-type", "", "only a parse declares a type, got %q", s.Type)
		} else if _, ok := v.plan.Types[s.Type]; !ok {
			v.add(s, "unknown-type", "", "type %q is not in the table of types", s.Type)
		}
	}
	if edge := s.Kind == Source || s.Kind == Sink; edge {
		if s.Stream == "" || s.Connector == "" {
			v.add(s, "bad-stream", "", "expected the name of a stream and of a connector, got %q and %q", s.Stream, s.Connector)
		}
	} else if s.Stream != "" || s.Connector != "" {
		v.add(s, "bad-stream", "", "a %s has no stream, got %q", s.Kind, s.Stream)
	}
	switch l := s.Limit; {
	case s.Kind != Batch && l != nil:
		v.add(s, "bad-limit", "", "a %s has no limit", s.Kind)
	case s.Kind == Batch && (l == nil || *l == Limit{}):
		v.add(s, "bad-limit", "", "expected a limit of messages, bytes or age, got none")
	case l != nil && (l.Count < 0 || l.Bytes < 0 || l.AgeMS < 0):
		v.add(s, "bad-limit", "", "expected limits above zero, got count %d, bytes %d, age %d ms", l.Count, l.Bytes, l.AgeMS)
	}
	if s.Kind != Route && s.Kind != Broadcast && s.Branches != nil {
		v.add(s, "bad-branch", "", "a %s has no branches", s.Kind)
	}
}

func (v *validation) branches(s *Step) {
	if len(s.Branches) == 0 {
		v.add(s, "bad-branch", "", "expected at least one branch, got none")
	}
	names, keys, otherwise := map[string]bool{}, map[string]bool{}, 0
	for _, b := range s.Branches {
		switch {
		case !validBranch(b.Name):
			v.add(s, "bad-name", "", "expected a branch name of 1 to 100 printable characters, got %q", b.Name)
		case names[b.Name]:
			v.add(s, "bad-branch", "", "expected branches with names of their own, got %q twice", b.Name)
		}
		names[b.Name] = true
		if s.Kind == Broadcast {
			if b.Key != nil || b.Otherwise {
				v.add(s, "bad-branch", "", "branch %q: a branch of a broadcast has no key", b.Name)
			}
			continue
		}
		if b.Otherwise {
			if otherwise++; otherwise > 1 {
				v.add(s, "bad-branch", "", "expected one branch for all other keys, got %q too", b.Name)
			}
		}
		switch {
		case b.Otherwise == (b.Key != nil):
			v.add(s, "bad-branch", "", "branch %q: expected a key or otherwise", b.Name)
		case b.Key != nil && !validKey(b.Key):
			v.add(s, "bad-branch", "", "branch %q: expected a key that is a string, an integer or a boolean, got %s", b.Name, b.Key)
		case b.Key != nil && keys[string(b.Key)]:
			v.add(s, "bad-branch", "", "expected each key once, got %s twice", b.Key)
		}
		keys[string(b.Key)] = true
	}
}

func validKey(k jsontext.Value) bool {
	if !k.IsValid() {
		return false
	}
	switch k.Kind() {
	case '"', 't', 'f':
		return true
	case '0':
		return !strings.ContainsAny(string(k), ".eE")
	}
	return false
}

// ends checks that every message that enters the pipeline leaves it somewhere.
func (v *validation) ends() {
	const hint = "end every branch with a sink"
	for i := range v.plan.Steps {
		s := &v.plan.Steps[i]
		if v.twice[s.Name] || v.steps[s.Name] != s { // of an unknown kind
			continue
		}
		readers := v.readers[s.Name]
		switch s.Kind {
		case Sink:
		case Route, Broadcast:
			for _, b := range s.Branches {
				if !slices.ContainsFunc(readers, func(r *Step) bool { return r.Branch == b.Name }) {
					v.add(s, "open-end", hint, "branch %q: expected steps and a sink, got none", b.Name)
				}
			}
		default:
			if len(readers) == 0 {
				v.add(s, "open-end", hint, "expected a sink at the end of every branch, got a step that leads nowhere")
			}
		}
	}
}
