package levada_test

import (
	"errors"
	"fmt"
	"iter"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/levada-io/levada"
	"github.com/levada-io/levada/plan"
	"github.com/levada-io/levada/record"
)

type Reading struct {
	Kind  string   `json:"kind"`
	Value float64  `json:"value"`
	Tags  []string `json:"tags,omitempty"`
}

type Total struct {
	Sum float64 `json:"sum"`
}

type Level int

func IsHot(m levada.Message[Reading]) (bool, error)    { return m.Payload().Value > 30, nil }
func ToTotal(m levada.Message[Reading]) (Total, error) { return Total{m.Payload().Value}, nil }
func Tags(m levada.Message[Reading]) ([]string, error) { return m.Payload().Tags, nil }
func KindOf(m levada.Message[Reading]) (string, error) { return m.Payload().Kind, nil }
func LevelOf(m levada.Message[Reading]) (Level, error) { return Level(m.Payload().Value), nil }
func Hot(m levada.Message[Reading]) (bool, error)      { return m.Payload().Value > 30, nil }
func Sum(m levada.Message[[]Reading]) (Total, error)   { return Total{float64(len(m.Payload()))}, nil }
func Upper(m levada.Message[string]) (string, error)   { return strings.ToUpper(m.Payload()), nil }
func Bytes(m levada.Message[string]) ([]byte, error)   { return []byte(m.Payload()), nil }
func Marked(m levada.Message[Reading]) (levada.Message[Reading], error) {
	return m.WithHeader("mark", []byte("1")), nil
}
func EachTag(m levada.Message[Reading]) (iter.Seq[string], error) {
	return slices.Values(m.Payload().Tags), nil
}

// Above is a step with settings.
type Above struct {
	Limit float64 `json:"limit"`
	Kinds []string
	quiet bool
}

func (a Above) Apply(m levada.Message[Reading]) (bool, error) {
	return m.Payload().Value > a.Limit && !a.quiet, nil
}

// Scale has its method on the pointer.
type Scale struct{ By float64 }

func (s *Scale) Apply(m levada.Message[Reading]) (Reading, error) {
	r := m.Payload()
	r.Value *= s.By
	return r, nil
}

// Service is no step: a method of it is a closure like any other.
type Service struct{ n int }

func (s *Service) Count(m levada.Message[Reading]) (Reading, error) {
	s.n++
	return m.Payload(), nil
}

// Lines is a codec of the user.
type Lines struct{ Sep string }

func (l Lines) Decode(b []byte) ([]string, error) { return strings.Split(string(b), l.Sep), nil }
func (l Lines) Encode(v []string) ([]byte, error) { return []byte(strings.Join(v, l.Sep)), nil }

func readings(p *levada.Pipeline) levada.Stream[Reading] {
	return p.Source("in", levada.Topic("readings")).Parse("parse", levada.JSON[Reading]())
}

func drop[T any](s levada.Stream[T]) {
	s.Serialize("print", levada.JSON[T]()).Sink("out", levada.Topic("out"))
}

func mustPlan(t *testing.T, p *levada.Pipeline) *plan.Plan {
	t.Helper()
	pl, err := p.Plan()
	if err != nil {
		t.Fatal(err)
	}
	return pl
}

// function returns the function of a step of a pipeline with that step alone.
func function(t *testing.T, add func(levada.Stream[Reading])) *plan.Function {
	t.Helper()
	p := levada.New("p")
	add(readings(p))
	s, ok := mustPlan(t, p).Step("step")
	if !ok {
		t.Fatal(`no step "step"`)
	}
	return s.Function
}

func TestFunctionsHaveCanonicalNames(t *testing.T) {
	const pkg = "go:github.com/levada-io/levada_test."
	closure := func(m levada.Message[Reading]) (Total, error) { return Total{}, nil }
	for _, c := range []struct {
		name string
		add  func(levada.Stream[Reading])
		want plan.Function
	}{
		{"map", func(s levada.Stream[Reading]) { drop(s.Map("step", ToTotal)) }, plan.Function{Name: pkg + "ToTotal"}},
		{"map of a slice", func(s levada.Stream[Reading]) { drop(s.Map("step", Tags)) }, plan.Function{Name: pkg + "Tags"}},
		{"map message", func(s levada.Stream[Reading]) { drop(s.MapMessage("step", Marked)) }, plan.Function{Name: pkg + "Marked"}},
		{"filter", func(s levada.Stream[Reading]) { drop(s.Filter("step", IsHot)) }, plan.Function{Name: pkg + "IsHot"}},
		{"flat map", func(s levada.Stream[Reading]) { drop(s.FlatMap("step", Tags)) }, plan.Function{Name: pkg + "Tags"}},
		{"flat map of an iterator", func(s levada.Stream[Reading]) { drop(s.FlatMapSeq("step", EachTag)) }, plan.Function{Name: pkg + "EachTag"}},
		{"settings", func(s levada.Stream[Reading]) {
			a := Above{Limit: 2, Kinds: []string{"b", "a"}, quiet: true}
			drop(s.Filter("step", a.Apply, levada.Settings(a)))
		}, plan.Function{Name: pkg + "Above", Settings: []byte(`{"Kinds":["b","a"],"limit":2}`)}},
		{"zero settings", func(s levada.Stream[Reading]) {
			drop(s.Filter("step", Above{}.Apply, levada.Settings(Above{})))
		}, plan.Function{Name: pkg + "Above"}},
		{"settings by pointer", func(s levada.Stream[Reading]) {
			x := &Scale{By: 1.5}
			drop(s.Map("step", x.Apply, levada.Settings(x)))
		}, plan.Function{Name: pkg + "Scale", Settings: []byte(`{"By":1.5}`)}},
		{"closure", func(s levada.Stream[Reading]) { drop(s.Map("step", closure)) },
			plan.Function{Name: pkg + "TestFunctionsHaveCanonicalNames.func1", Local: true}},
		{"method of a service", func(s levada.Stream[Reading]) { drop(s.Map("step", (&Service{}).Count)) },
			plan.Function{Name: pkg + "Service.Count", Local: true}},
		{"codec of the user", func(s levada.Stream[Reading]) {
			s.Map("tags", Tags).Serialize("step", Lines{","}).Sink("out", levada.Topic("out"))
		}, plan.Function{Name: pkg + "Lines", Local: true}},
		{"json", func(s levada.Stream[Reading]) {
			s.Serialize("step", levada.JSON[Reading]()).Sink("out", levada.Topic("out"))
		},
			plan.Function{Name: "builtin:json.encode"}},
		{"raw", func(s levada.Stream[Reading]) {
			s.Map("name", KindOf).Map("bytes", Bytes).Serialize("step", levada.Raw()).Sink("out", levada.Topic("out"))
		}, plan.Function{Name: "builtin:raw.encode"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			got := function(t, c.add)
			if got.Name != c.want.Name || string(got.Settings) != string(c.want.Settings) || got.Local != c.want.Local {
				t.Errorf("got %+v, want %+v", got, c.want)
			}
		})
	}
}

// Two closures from one line of the source are two functions.
func TestClosuresOfOnePlaceHaveNamesOfTheirOwn(t *testing.T) {
	p := levada.New("p")
	s := readings(p)
	for i := range 3 {
		s = s.Map(fmt.Sprint("add", i), func(m levada.Message[Reading]) (Reading, error) {
			r := m.Payload()
			r.Value += float64(i)
			return r, nil
		})
	}
	drop(s)
	pl := mustPlan(t, p)
	names := map[string]bool{}
	for _, step := range pl.Steps {
		if step.Function != nil && step.Function.Local {
			names[step.Function.Name] = true
		}
	}
	if len(names) != 3 {
		t.Errorf("got %d names: %v", len(names), names)
	}
}

// The order of the plan is that of the author, branches one after the other, and every
// step has the line of its own call in a chain.
func TestPlanHasStepsInTheAuthorsOrderWithTheirLines(t *testing.T) {
	p := levada.New("p")
	r := p.Source("in", levada.Topic("readings")).
		Parse("parse", levada.JSON[Reading]()).
		Filter(
			"hot",
			IsHot,
		).
		Route("by", LevelOf)
	r.Case(2, func(s levada.Stream[Reading]) {
		s.Broadcast("fan").
			Branch("a", func(s levada.Stream[Reading]) {
				s.Serialize("print_a", levada.JSON[Reading]()).Sink("out_a", levada.Topic("a"))
			}).
			Branch("b", func(s levada.Stream[Reading]) {
				s.Batch("gather", levada.Limit{Count: 10, Bytes: 1 << 20, Age: 3 * time.Second}).
					Map("sum", Sum).
					Serialize("print_b", levada.JSON[Total]()).
					Sink("out_b", levada.Endpoint{Connector: "file", Stream: "b"})
			})
	})
	r.Else(func(s levada.Stream[Reading]) {
		s.Serialize("print_rest", levada.JSON[Reading](), levada.OnError(levada.Fail)).Sink("rest", levada.Topic("rest"))
	})
	pl := mustPlan(t, p)
	var got []string
	base := pl.Steps[0].Origin.Line
	for _, s := range pl.Steps {
		if s.Origin.File != "pipeline_test.go" {
			t.Errorf("step %s: origin %s", s.Name, s.Origin)
		}
		got = append(got, fmt.Sprintf("%s %s +%d <- %s/%s", s.Name, s.Kind, s.Origin.Line-base, s.Input, s.Branch))
	}
	want := []string{
		"in source +0 <- /", "parse map +1 <- in/", "hot filter +2 <- parse/", "by route +6 <- hot/",
		"fan broadcast +8 <- by/2", "print_a map +10 <- fan/a", "out_a sink +10 <- print_a/",
		"gather batch +13 <- fan/b", "sum map +14 <- gather/", "print_b map +15 <- sum/", "out_b sink +16 <- print_b/",
		"print_rest map +20 <- by/otherwise", "rest sink +20 <- print_rest/",
	}
	if !slices.Equal(got, want) {
		t.Errorf("got\n%s\nwant\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
	}
	gather, _ := pl.Step("gather")
	if *gather.Limit != (plan.Limit{Count: 10, Bytes: 1 << 20, AgeMS: 3000}) {
		t.Errorf("limit %+v", gather.Limit)
	}
	if want := []string{"codec:json", "functions:go", "kind:batch", "kind:broadcast", "kind:route"}; !slices.Equal(pl.Requires, want) {
		t.Errorf("requires %q", pl.Requires)
	}
}

func TestRouteKeysAreScalars(t *testing.T) {
	p := levada.New("p")
	end := func(name string) func(levada.Stream[Reading]) {
		return func(s levada.Stream[Reading]) {
			s.Serialize("print_"+name, levada.JSON[Reading]()).Sink("out_"+name, levada.Topic(name))
		}
	}
	readings(p).Route("by", KindOf).Case("c", end("c")).Case("", end("none")).Case("a \"b\"", end("q"))
	by, _ := mustPlan(t, p).Step("by")
	want := []plan.Branch{
		{Name: "c", Key: []byte(`"c"`)}, {Name: "empty", Key: []byte(`""`)}, {Name: `a "b"`, Key: []byte(`"a \"b\""`)},
	}
	if len(by.Branches) != len(want) {
		t.Fatalf("got %v", by.Branches)
	}
	for i, b := range by.Branches {
		if b.Name != want[i].Name || string(b.Key) != string(want[i].Key) {
			t.Errorf("got %s %s, want %s %s", b.Name, b.Key, want[i].Name, want[i].Key)
		}
	}

	p = levada.New("p")
	readings(p).Route("by", Hot).Case(true, end("hot")).Case(false, end("cold"))
	by, _ = mustPlan(t, p).Step("by")
	if by.Branches[0].Name != "true" || string(by.Branches[1].Key) != "false" {
		t.Errorf("got %v", by.Branches)
	}
}

func TestParseDeclaresTypes(t *testing.T) {
	const reading = "go:github.com/levada-io/levada_test.Reading"
	for _, c := range []struct {
		name  string
		parse func(levada.Stream[[]byte])
		typ   string
		types []string
	}{
		{"struct", func(s levada.Stream[[]byte]) { drop(s.Parse("step", levada.JSON[Reading]())) }, reading, []string{reading}},
		{"list", func(s levada.Stream[[]byte]) { drop(s.Parse("step", levada.JSON[[]Reading]())) }, "list[" + reading + "]", []string{reading, "list[" + reading + "]"}},
		{"map", func(s levada.Stream[[]byte]) { drop(s.Parse("step", levada.JSON[map[string]float32]())) }, "map[string, float32]", []string{"map[string, float32]"}},
		{"pointer", func(s levada.Stream[[]byte]) { drop(s.Parse("step", levada.JSON[*Total]())) },
			"go:github.com/levada-io/levada_test.Total or null",
			[]string{"go:github.com/levada-io/levada_test.Total", "go:github.com/levada-io/levada_test.Total or null"}},
		{"any", func(s levada.Stream[[]byte]) { drop(s.Parse("step", levada.JSON[any]())) }, "", nil},
		{"raw", func(s levada.Stream[[]byte]) { s.Parse("step", levada.Raw()).Sink("out", levada.Topic("out")) }, "", nil},
		{"codec of the user", func(s levada.Stream[[]byte]) {
			s.Parse("step", Lines{"\n"}).Serialize("print", levada.JSON[[]string]()).Sink("out", levada.Topic("out"))
		}, "", nil},
	} {
		t.Run(c.name, func(t *testing.T) {
			p := levada.New("p")
			c.parse(p.Source("in", levada.Topic("in")))
			pl := mustPlan(t, p)
			step, _ := pl.Step("step")
			if step.Type != c.typ {
				t.Errorf("type %q, want %q", step.Type, c.typ)
			}
			var names []string
			for name := range pl.Types {
				names = append(names, name)
			}
			slices.Sort(names)
			if !slices.Equal(names, c.types) {
				t.Errorf("types %q, want %q", names, c.types)
			}
		})
	}
}

// Everything wrong is reported at once, with the author's lines.
//
// Fault: contradictory policies -> goes on: refused at check, says: expected one on_error, got "skip" and "fail"
func TestPlanReportsEveryMistake(t *testing.T) {
	type odd struct{ C chan int }
	for _, c := range []struct {
		name  string
		build func() *levada.Pipeline
		want  []string
	}{
		{"nothing", func() *levada.Pipeline { return levada.New("p") }, []string{`pipeline "p": expected a source, got none`}},
		{"what the pipeline keeps", func() *levada.Pipeline {
			p := levada.New("p")
			s := p.Source("in", levada.Topic("in"))
			s.Parse("parse", levada.JSON[odd]()).
				Batch("gather", levada.Limit{Age: time.Nanosecond}, levada.Settings(Above{})).
				Map("none", (func(levada.Message[[]odd]) (Reading, error))(nil)).
				Filter("forgotten", Above{Limit: 1}.Apply).
				Filter("other", Above{Limit: 1}.Apply, levada.Settings(&Scale{})).
				Filter("number", IsHot, levada.Settings(3)).
				Route("by", KindOf).Case("c", nil)
			return p
		}, []string{
			`step "gather" (pipeline_test.go:L): a batch has no function that could have settings`,
			`step "gather" (pipeline_test.go:L): expected an age of at least 1ms, got 1ns`,
			`step "none" (pipeline_test.go:L): expected a function, got nil`,
			"step \"forgotten\" (pipeline_test.go:L): the settings of github.com/levada-io/levada_test.Above are not known from its method alone\nhint: add levada.Settings with the same value",
			`step "other" (pipeline_test.go:L): expected the method Apply of github.com/levada-io/levada_test.Scale beside its settings, got github.com/levada-io/levada_test.Above.Apply`,
			`step "number" (pipeline_test.go:L): expected settings that are a struct with a name, got int`,
			`step "by" (pipeline_test.go:L): branch "c": expected a function, got nil`,
			`step "parse" (pipeline_test.go:L): levada_test.odd.C: chan int is not supported`,
		}},
		{"what the plan shows", func() *levada.Pipeline {
			p := levada.New("p q")
			s := p.Source("in", levada.Topic(""))
			s.Sink("in", levada.Topic("out"))
			s.Sink("out 2", levada.Topic("out"), levada.OnError(levada.Skip))
			p.Source("in2", levada.Topic("in"), levada.WithRetry(2, time.Second))
			return p
		}, []string{
			`expected a pipeline name of letters, digits, _ . and -, at most 100, not beginning with . or -; got "p q"`,
			"step \"in2\" (pipeline_test.go:L): expected one source in a pipeline, got a second one\nhint: write one pipeline per source",
			`step "in" (pipeline_test.go:L): expected the name of a stream and of a connector, got "" and "kafka"`,
			`step "in" (pipeline_test.go:L): expected a name of its own, another step (pipeline_test.go:L) has it`,
			`step "out 2" (pipeline_test.go:L): expected a step name of letters, digits, _ . and -, at most 100, not beginning with . or -; got "out 2"`,
			"step \"in2\" (pipeline_test.go:L): a source can not fail, expected no retry\nhint: retry stands at a map, filter, flat_map or route with a function in Go or Python",
			"step \"in2\" (pipeline_test.go:L): expected a sink at the end of every branch, got a step that leads nowhere\nhint: end every branch with a sink",
		}},
		{"policies that contradict each other", func() *levada.Pipeline {
			p := levada.New("p").OnError(levada.Fail).OnError(levada.DeadLetter)
			p.Source("in", levada.Topic("in")).Sink("out", levada.Topic("out"), levada.OnError(levada.Skip), levada.OnError(levada.Skip), levada.OnError(levada.Fail))
			return p
		}, []string{
			`step "out" (pipeline_test.go:L): expected one on_error, got "skip" and "fail"`,
			`pipeline "p": expected one on_error, got "fail" and "dead_letter"`,
		}},
		{"policies of the pipeline", func() *levada.Pipeline {
			p := levada.New("p").OnError("ignore").Retry(0, time.Hour)
			p.Source("in", levada.Topic("in")).Sink("out", levada.Topic("out"))
			return p
		}, []string{
			`pipeline "p": expected on_error to be fail, skip or dead_letter, got "ignore"` + "\nhint: it is called skip here",
			`pipeline "p": retry: expected times from 1 to 1000, got 0`,
			`pipeline "p": retry: expected a backoff from 0 to 60000 ms, got 3600000 ms`,
		}},
		{"nil endpoints", func() *levada.Pipeline {
			p := levada.New("p")
			p.Source("in", levada.Source[[]byte](nil)).Sink("out", nil)
			return p
		}, []string{
			`step "in" (pipeline_test.go:L): expected a source, got nil`, `step "out" (pipeline_test.go:L): expected a sink, got nil`,
		}},
	} {
		t.Run(c.name, func(t *testing.T) {
			_, err := c.build().Plan()
			if err == nil {
				t.Fatal("no error")
			}
			got := withoutLines(err.Error())
			if want := strings.Join(c.want, "\n"); got != want {
				t.Errorf("got\n%s\nwant\n%s", got, want)
			}
		})
	}
}

// withoutLines replaces line numbers, which change with this file.
func withoutLines(s string) string {
	parts := strings.Split(s, "pipeline_test.go:")
	for i, p := range parts[1:] {
		parts[i+1] = "L" + strings.TrimLeft(p, "0123456789")
	}
	return strings.Join(parts, "pipeline_test.go:")
}

func TestCodecsWorkAlone(t *testing.T) {
	r, err := levada.JSON[Reading]().Decode([]byte(`{"kind":"a","value":1.5}`))
	if err != nil || r.Kind != "a" || r.Value != 1.5 {
		t.Errorf("got %+v, %v", r, err)
	}
	b, err := levada.JSON[Total]().Encode(Total{2})
	if err != nil || string(b) != `{"sum":2}` {
		t.Errorf("got %s, %v", b, err)
	}
	if _, err := levada.JSON[Total]().Decode([]byte(`{`)); err == nil {
		t.Error("expected an error for malformed JSON")
	}
	if b, err := levada.Raw().Decode([]byte("x")); err != nil || string(b) != "x" {
		t.Errorf("got %s, %v", b, err)
	}
}

func TestNewMessage(t *testing.T) {
	m := levada.NewMessage(Reading{Value: 31})
	if hot, err := IsHot(m); err != nil || !hot {
		t.Errorf("got %v, %v", hot, err)
	}
	if m.Key() != nil || !m.Timestamp().IsZero() {
		t.Error("expected neither key nor timestamp")
	}
}

// What is said for the pipeline stands once in its plan, and not at its steps.
func TestPoliciesOfThePipeline(t *testing.T) {
	p := levada.New("p").OnError(levada.Skip).OnError(levada.Skip).Retry(3, 100*time.Millisecond)
	p.Source("in", levada.Topic("in")).Sink("out", levada.Topic("out"))
	pl := mustPlan(t, p)
	if pl.OnError != plan.Skip || pl.Retry == nil || *pl.Retry != (plan.Retry{Times: 3, BackoffMS: 100}) {
		t.Errorf("got %q and %+v", pl.OnError, pl.Retry)
	}
	if fmt.Sprint(pl.Requires) != "[policy:skip retry]" {
		t.Errorf("requires %q", pl.Requires)
	}
	for _, s := range pl.Steps {
		if s.OnError != "" || s.Retry != nil {
			t.Errorf("step %s: %q and %+v", s.Name, s.OnError, s.Retry)
		}
	}
}

func TestRetryMarksAnError(t *testing.T) {
	cause := errors.New("no answer")
	err := fmt.Errorf("lookup: %w", levada.Retry(cause))
	if !record.Retryable(err) || !errors.Is(err, cause) || err.Error() != "lookup: no answer" {
		t.Errorf("got %v", err)
	}
	if record.Retryable(cause) || levada.Retry(nil) != nil {
		t.Error("marks what it was not given")
	}
}
