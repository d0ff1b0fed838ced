package levada

import (
	"fmt"
	"path/filepath"
	"reflect"
	"runtime"
	"strings"
	"time"

	"github.com/levada-io/levada/internal/program"
	"github.com/levada-io/levada/plan"
)

// Pipeline is a description of steps under one source. Its methods and those of its
// streams are not for several goroutines at once.
type Pipeline struct {
	name      string
	roots     []*node
	problems  []plan.Problem
	functions map[string]*program.Function
	local     map[string]int // how many local functions have a name
	kits      []program.Kit
	policies  []Policy // all that were given for the pipeline as a whole
	retry     *plan.Retry
}

// node is a step in the tree of its pipeline.
type node struct {
	plan.Step
	file string // of the origin, as the compiler knows it
	next []*node
	typ  reflect.Type // that a parse declares
}

// New begins a pipeline. The name is also the default of the consumer group.
func New(name string) *Pipeline {
	return &Pipeline{name: name, functions: map[string]*program.Function{}, local: map[string]int{}}
}

// OnError sets what becomes of messages that fail at steps without a policy of their
// own. Without it they go to the dead letters where the deployment has a stream for
// them, and else the pipeline stops.
func (p *Pipeline) OnError(policy Policy) *Pipeline {
	p.policies = append(p.policies, policy)
	return p
}

// Retry repeats failing calls of functions, as [WithRetry] does, at the steps that do
// not say how themselves.
func (p *Pipeline) Retry(times int, backoff time.Duration) *Pipeline {
	p.retry = retry(times, backoff)
	return p
}

// contradiction says that two policies were given in one place; empty where they agree.
func contradiction(given []Policy) string {
	for _, p := range given {
		if p != given[0] {
			return fmt.Sprintf("expected one on_error, got %q and %q", given[0], p)
		}
	}
	return ""
}

// Endpoint names a stream and the connector that reaches it; the deployment may lead
// both elsewhere. It is a [Source] and a [Sink] of raw bytes.
type Endpoint struct {
	Connector string // kafka, file, memory, devnull
	Stream    string // logical name
}

// Topic is a stream in Kafka. Without a word in the deployment its name is that of
// the topic.
func Topic(name string) Endpoint { return Endpoint{Connector: "kafka", Stream: name} }

// Source is where records with payload T come from.
type Source[T any] interface {
	// Reads names the stream. The argument only fixes T.
	Reads(T) Endpoint
}

// Sink is where records with payload T go.
type Sink[T any] interface {
	// Writes names the stream. The argument only fixes T.
	Writes(T) Endpoint
}

// Reads implements Source.
func (e Endpoint) Reads([]byte) Endpoint { return e }

// Writes implements Sink.
func (e Endpoint) Writes([]byte) Endpoint { return e }

// Source is the step that every pipeline begins with; it has one.
func (p *Pipeline) Source[T any](name string, from Source[T], opts ...Option) Stream[T] {
	s := Stream[T]{p: p}
	n := s.add(name, plan.Source, opts)
	p.roots = append(p.roots, n)
	if from == nil {
		p.wrong(n, "bad-stream", "", "expected a source, got nil")
	} else {
		var none T
		e := from.Reads(none)
		n.Stream, n.Connector = e.Stream, e.Connector
	}
	return Stream[T]{p: p, at: n}
}

// wrong keeps a mistake for Plan to report.
func (p *Pipeline) wrong(n *node, code, hint, format string, args ...any) {
	p.problems = append(p.problems, plan.Problem{
		Code: code, Step: n.Name, Origin: n.Origin, Text: fmt.Sprintf(format, args...), Hint: hint,
	})
}

// node makes a step with the place of whoever called into this package.
func (p *Pipeline) node(name string, kind plan.Kind, opts []Option) (*node, *settings) {
	n := &node{Step: plan.Step{Name: name, Kind: kind}}
	n.file, n.Origin.Line = caller()
	n.Origin.File = filepath.Base(n.file)
	if len(p.roots) > 0 {
		if rel, err := filepath.Rel(filepath.Dir(p.roots[0].file), n.file); err == nil {
			n.Origin.File = filepath.ToSlash(rel)
		}
	}
	st := &settings{}
	for _, o := range opts {
		if o.set != nil {
			o.set(&n.Step, st)
		}
	}
	if text := contradiction(st.policies); text != "" {
		p.wrong(n, "bad-policy", "", "%s", text)
	}
	if st.given && n.Kind != plan.Map && n.Kind != plan.Filter && n.Kind != plan.FlatMap && n.Kind != plan.Route {
		p.wrong(n, "bad-settings", "", "a %s has no function that could have settings", n.Kind)
	}
	return n, st
}

// caller is the innermost frame that is not this package's own: the line of the step.
func caller() (file string, line int) {
	var pcs [16]uintptr
	frames := runtime.CallersFrames(pcs[:runtime.Callers(2, pcs[:])])
	for {
		f, more := frames.Next()
		if !strings.HasPrefix(f.Function, ownPackage) {
			return f.File, f.Line
		}
		if !more {
			return "", 0
		}
	}
}

// ownPackage begins the name of every function of this package and of no other.
var ownPackage = reflect.TypeFor[Pipeline]().PkgPath() + "."
