// Package plan is the first of the two contracts: what a pipeline IS, as its author
// wrote it, in Python, Go or YAML. The three front ends only write plans; the
// planner reads them. It imports only the standard library.
//
// A plan is a tree of steps under one source. Functions and codecs are named, never
// embedded; types that a step names stand in Types; what a function takes and
// returns stands in the Manifest of whoever offers it.
package plan

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json/jsontext"
	"encoding/json/v2"
	"fmt"
	"slices"
	"strings"
)

// Version is the plan version that this package writes. An engine accepts its own
// version and the one before.
const Version = 1

// Kind is the kind of a step. The set is closed; everything else is composed.
type Kind string

// The kinds. A parse or serialize is a Map whose function is a builtin codec; a
// window is a parameter of Reduce.
const (
	Source    Kind = "source"
	Map       Kind = "map"
	Filter    Kind = "filter"
	FlatMap   Kind = "flat_map"
	KeyBy     Kind = "key_by"
	Batch     Kind = "batch"
	Reduce    Kind = "reduce"
	Route     Kind = "route"
	Broadcast Kind = "broadcast"
	Sink      Kind = "sink"
)

// Kinds are all kinds, in the order of the vocabulary.
var Kinds = []Kind{Source, Map, Filter, FlatMap, KeyBy, Batch, Reduce, Route, Broadcast, Sink}

// Policies for a failing message.
const (
	Fail       = "fail"
	Skip       = "skip"
	DeadLetter = "dead_letter"
)

// The words for how payloads cross the border between Go and Python at a step.
const (
	CrossFrame    = "frame"    // by the layout of the type, abi/frame.md
	CrossJSON     = "json"     // as JSON text
	CrossMsgpack  = "msgpack"  // as MessagePack
	CrossProtobuf = "protobuf" // as the serialized message that the Go type is
	CrossRaw      = "raw"      // payloads are bytes, and stay what they are
	CrossCustom   = "custom"   // as what the Go type itself writes and reads
)

// Crossings are all words, in the order of the documentation.
var Crossings = []string{CrossFrame, CrossJSON, CrossMsgpack, CrossProtobuf, CrossRaw, CrossCustom}

// Plan is a pipeline as its author wrote it.
type Plan struct {
	Version  int      `json:"version"`
	Requires []string `json:"requires"` // capabilities an engine must have, sorted
	Name     string   `json:"name"`
	// OnError and Retry are what counts for steps that do not say themselves what is to
	// become of a failing message, and that can fail or be repeated.
	OnError string `json:"on_error,omitempty"`
	Retry   *Retry `json:"retry,omitempty"`
	Steps   []Step `json:"steps"` // an input stands before those that read it; the source first
	// Types are the types that steps name, by canonical name, with those they need.
	Types map[string]Type `json:"types,omitempty"`
}

// Origin is the place in the author's source that a step comes from.
type Origin struct {
	File string `json:"file"` // relative to the folder the pipeline was loaded from
	Line int    `json:"line"` // from 1
}

func (o Origin) String() string {
	if o.File == "" {
		return ""
	}
	return fmt.Sprintf("%s:%d", o.File, o.Line)
}

// Step is one named node of the graph.
type Step struct {
	Name   string `json:"name"`
	Kind   Kind   `json:"kind"`
	Origin Origin `json:"origin"`
	// Input is the step this one reads from; empty for the source only. Branch is the
	// branch of Input, where that is a route or broadcast.
	Input  string `json:"input,omitempty"`
	Branch string `json:"branch,omitempty"`
	// Function is what the step calls: map, filter, flat_map, key_by, reduce, route.
	Function *Function `json:"function,omitempty"`
	// Type is the declared result of a parse: a canonical name of Types. Empty: any.
	Type string `json:"type,omitempty"`
	// Stream is the logical name that a source reads and a sink writes, and Connector
	// what reaches it; the deployment maps both.
	Stream    string `json:"stream,omitempty"`
	Connector string `json:"connector,omitempty"`
	// Limit is when a batch is complete.
	Limit *Limit `json:"limit,omitempty"`
	// Branches are what a route or broadcast leads to, in the author's order.
	Branches []Branch `json:"branches,omitempty"`
	// OnError is the policy for a failing message: map, filter, flat_map, route, sink.
	// Empty: the pipeline's, and without one dead_letter where the deployment has a
	// stream for it, else fail.
	OnError string `json:"on_error,omitempty"`
	// Retry stands at a map, filter, flat_map or route with a function in Go or Python.
	Retry *Retry `json:"retry,omitempty"`
	// Crossing is how payloads cross between Go and Python at the step, one of Crossings:
	// map, filter, flat_map, route with a function in Go or Python. Empty: that of the step on
	// the other side of the border, and without one frame.
	Crossing string `json:"crossing,omitempty"`
}

// Function refers to code by its one canonical name: "go:<import path>.<Func>",
// "py:<module>:<qualified name>", or "builtin:<codec>.<decode|encode>".
type Function struct {
	Name string `json:"name"`
	// Settings are the fields of a step that is a struct, or what a parse asks of its
	// codec, as a JSON object with sorted keys; only those that were set.
	Settings jsontext.Value `json:"settings,omitempty"`
	// Local marks a closure: it exists only in the process that wrote the plan.
	Local bool `json:"local,omitzero"`
}

// Limit says when a batch is complete: the first that is reached. Zero: no limit.
type Limit struct {
	Count int   `json:"count,omitzero"`  // messages
	Bytes int64 `json:"bytes,omitzero"`  // estimated payload bytes
	AgeMS int64 `json:"age_ms,omitzero"` // since the first message of the batch
}

// Branch is one way out of a route or broadcast. The first step of a branch has it
// as Branch.
type Branch struct {
	Name string `json:"name"`
	// Key is the routing result that leads here: a JSON string, integer or boolean.
	Key jsontext.Value `json:"key,omitzero"` // omitempty would omit ""
	// Otherwise marks the branch for every key without one of its own.
	Otherwise bool `json:"otherwise,omitzero"`
}

// Retry repeats a failing call before the policy applies: the first time after the
// backoff, each further time after twice as long, at most a minute.
type Retry struct {
	Times     int   `json:"times"`
	BackoffMS int64 `json:"backoff_ms"`
}

// The bounds of a Retry. More repetitions than these are an outage, which is for the
// one who runs the pipeline to see and not for a step to sit out.
const (
	MaxRetries   = 1000
	MaxBackoffMS = 60_000
)

// CanFail says whether messages can fail at the step, so that it has a policy.
func (s *Step) CanFail() bool {
	switch s.Kind {
	case Source, Batch, Broadcast:
		return false
	}
	return true
}

// CanRetry says whether a failing call of the step may have another outcome when it is
// repeated: only a function of the author's can.
func (s *Step) CanRetry() bool {
	switch s.Kind {
	case Map, Filter, FlatMap, Route:
		return s.Function != nil && !strings.HasPrefix(s.Function.Name, "builtin:")
	}
	return false
}

// CanCross says whether payloads may cross the border between Go and Python at the step.
func (s *Step) CanCross() bool { return s.CanRetry() }

// Encode returns the JSON form: two-space indentation, a newline at the end, members
// in the order of the struct, map keys sorted.
func (p *Plan) Encode() ([]byte, error) {
	b, err := json.Marshal(p, json.Deterministic(true), jsontext.WithIndent("  "))
	if err != nil {
		return nil, fmt.Errorf("plan %q: %w", p.Name, err)
	}
	return append(b, '\n'), nil
}

// Decode reads the JSON form. Unknown members are an error: a plan that means more
// than this version knows must not be run as if it meant less.
func Decode(data []byte) (*Plan, error) {
	var head struct {
		Version int `json:"version"`
	}
	if err := json.Unmarshal(data, &head); err != nil {
		return nil, fmt.Errorf("plan: %w", err)
	}
	if head.Version > Version || head.Version < Version-1 || head.Version < 1 {
		return nil, fmt.Errorf("plan: expected version %d or the one before, got %d\nhint: run it with the levada release it was written by", Version, head.Version)
	}
	var p Plan
	if err := json.Unmarshal(data, &p, json.RejectUnknownMembers(true)); err != nil {
		return nil, fmt.Errorf("plan: %w", err)
	}
	return &p, nil
}

// Hash identifies what the plan does: Origins do not count.
func (p *Plan) Hash() (string, error) {
	q := *p
	q.Steps = slices.Clone(p.Steps)
	for i := range q.Steps {
		q.Steps[i].Origin = Origin{}
	}
	b, err := q.Encode()
	if err != nil {
		return "", err
	}
	sum := sha256.Sum256(b)
	return hex.EncodeToString(sum[:]), nil
}

// Step returns the step of that name.
func (p *Plan) Step(name string) (*Step, bool) {
	for i := range p.Steps {
		if p.Steps[i].Name == name {
			return &p.Steps[i], true
		}
	}
	return nil, false
}
