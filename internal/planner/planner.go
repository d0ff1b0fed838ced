// Package planner turns a plan into a program. It owns what a plan means: which
// function a name leads to, whether neighbours fit, what runs together, in which
// representation payloads pass from step to step. It knows neither front ends nor the
// engine, and reaches Python only through program.Python.
package planner

import (
	"fmt"
	"reflect"
	"strings"

	"github.com/levada-io/levada/codec"
	"github.com/levada-io/levada/internal/program"
	"github.com/levada-io/levada/internal/typing"
	"github.com/levada-io/levada/plan"
)

// Catalog is what a process offers to a plan.
type Catalog struct {
	// Functions are the Go functions linked into the process, by canonical name.
	Functions map[string]*program.Function
	// Kits are further Go types that a parse may decode into, beside those that
	// Functions take and return.
	Kits []program.Kit
	// Signatures tells what functions take and return that are not in Functions:
	// Python's, and Go's where the extension is not loaded.
	Signatures map[string]plan.FunctionSignature
	// Types are what Signatures refer to, by canonical name.
	Types map[string]plan.Type
	// Codecs are the codecs by name: "json".
	Codecs map[string]codec.Codec
	// Python runs Python steps; nil in a process without it.
	Python program.Python
	// DeadLetters says whether the deployment has a stream for them.
	DeadLetters DeadLetters
	// StrictTypes refuses edges of which one side is not known.
	StrictTypes bool

	origins map[string]string // where Types are from, as Offer was told
	twofold []*twofold
	// Streams are the streams whose messages a schema describes, by name.
	Streams map[string]Stream
}

// Stream is what a schema says of the messages of a stream.
type Stream struct {
	Type   plan.Type    // its zero value: the versions are all that is known
	Table  typing.Table // that Type refers to
	Origin string       // where the schema stands
	// Fits says why a codec does not read, or write, what the schema says: with the messages
	// that impl says it has, those of the Go type, or with any where that is nil. Where it can
	// judge them it is the one that does; nil: Type tells all.
	Fits func(codec string, impl any, t reflect.Type, writes bool) (judged bool, err error)
	// Versions are the schemas that a registry has for the stream, oldest first.
	Versions []codec.Version
}

// Planned is a plan that was found right, as far as that can be seen without a broker.
type Planned struct {
	plan  *plan.Plan
	cat   *Catalog
	nodes []*node                // in the order of the plan
	root  *node                  // the source
	kits  map[string]program.Kit // Go types by canonical name
	types map[string]plan.Type
	// origins are where types are from that the catalog does not know.
	origins map[string]string
}

// node is a step with what the passes have found out about it.
type node struct {
	*plan.Step
	prev     *node   // nil at the source
	next     []*node // one, or one per branch in the order of Branches
	lang     lang
	fn       *program.Function
	sig      *plan.FunctionSignature
	codec    string      // of a builtin
	impl     codec.Codec // of that name, with the settings of the step; nil: raw
	in, out  plan.Type
	policy   program.Policy
	crossing int // number of the Python run that the step belongs to, from 1
	// Where payloads cross between Go and Python in front of the step: by which word, and
	// the step that they come from, which is in the other language.
	word  string
	giver *node
}

type lang int

const (
	native lang = iota // the engine's own
	golang
	python
	decode
	encode
)

// Problems are all mistakes of a plan.
type Problems []plan.Problem

func (ps Problems) Error() string {
	s := make([]string, len(ps))
	for i, p := range ps {
		s[i] = p.Error()
	}
	return strings.Join(s, "\n")
}

// Plan runs the passes. It stops behind the first pass that found problems, since
// the next one would report their consequences.
//
// # Errors
//
// Problems.
func Plan(p *plan.Plan, cat *Catalog) (*Planned, error) {
	pl := &Planned{plan: p, cat: cat}
	for _, pass := range []func(*Planned) Problems{
		validate,
		resolve,
		versions,
		cross,
		types,
		streams,
		goValues,
		place,
		fuse,
	} {
		if ps := pass(pl); len(ps) > 0 {
			return nil, ps
		}
	}
	return pl, nil
}

func (n *node) problem(code, hint, format string, args ...any) plan.Problem {
	return plan.Problem{Code: code, Step: n.Name, Origin: n.Origin, Text: fmt.Sprintf(format, args...), Hint: hint}
}

// canonical is the name of a Go type in plans.
func canonical(t reflect.Type) string {
	if t.Name() == "" {
		return ""
	}
	return "go:" + t.PkgPath() + "." + t.Name()
}

// validate is what the plan can tell by itself.
func validate(pl *Planned) Problems { return plan.Validate(pl.plan) }
