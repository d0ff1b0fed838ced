// Package yamlplan reads the YAML spelling of a pipeline and writes its plan. It owns
// the form of that file; which functions and types there are, it is told by manifests.
//
//	pipeline: metrics
//	steps-from: metric_steps              # Go package of the steps, or the wheel with it
//	flow:                                 # each reads from the one before it
//	- ingest:    {source: {kafka: ingest-metrics}}
//	- parse:     {decode: json, type: IngestMetric}
//	- counters:  {filter: metric_steps.IsCounter}
//	- strong:    {filter: metric_steps.Threshold, with: {limit: 3.5}}
//	- transform: {map: team.transforms:transform}         # a Python function
//	- tags:      {flat_map: metric_steps.Tags}
//	- gather:    {batch: {count: 100, bytes: 1MiB, age: 5s}}
//	- by_type:
//	    route: metric_steps.Kind
//	    cases:
//	      c: [{print: {encode: json}}, {out: {sink: {kafka: counters}}}]
//	    otherwise:
//	    - both:
//	        broadcast:
//	          copy: [...]
//	          rest: [...]
//
// The settings of a step stand beside its function, under "with". A step that can fail
// may have on_error, and one that calls a function retry: {times: 3, backoff: 1s} and
// crossing: json; beside flow the first two count for all steps that do not say so themselves. A branch of a route is called like its
// key, that of an empty key "empty", the last one "otherwise".
package yamlplan

import (
	"encoding/json/jsontext"
	"encoding/json/v2"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"github.com/levada-io/levada/internal/diag"
	"github.com/levada-io/levada/internal/protofile"
	"github.com/levada-io/levada/internal/yamldoc"
	"github.com/levada-io/levada/plan"
)

// Load reads the plan of a pipeline file. The manifests say what its functions and
// types are; without one a pipeline can only have codecs between source and sinks.
//
// # Errors
//
// A diag.List with everything that is wrong.
func Load(path string, manifests ...*plan.Manifest) (*plan.Plan, error) {
	r, err := read(path)
	if err != nil {
		return nil, err
	}
	return r.load(manifests)
}

// Functions lists the functions that a pipeline file names, as it spells them, each
// once: "metric_steps.IsCounter" in Go, "team.transforms:transform" in Python.
func Functions(path string) ([]string, error) {
	r, err := read(path)
	if err != nil {
		return nil, err
	}
	r.scan = true
	r.document()
	return r.named, r.Err()
}

// StepsFrom is the package that a pipeline file takes its steps from; empty where it
// names none.
func StepsFrom(path string) (string, error) {
	r, err := read(path)
	if err != nil {
		return "", err
	}
	r.scan = true
	r.document()
	return r.from, r.Err()
}

func read(path string) (*reader, error) {
	data, err := os.ReadFile(path)
	if err != nil {
		return nil, fmt.Errorf("pipeline: %w", err)
	}
	return parse(path, data)
}

func parse(path string, data []byte) (*reader, error) {
	f, err := yamldoc.Parse(path, data)
	if err != nil {
		return nil, err
	}
	return &reader{
		File: f, base: filepath.Base(path), folder: filepath.Dir(path),
		plan: &plan.Plan{Version: plan.Version, Types: map[string]plan.Type{}},
	}, nil
}

type reader struct {
	*yamldoc.File
	base   string // the file as origins name it
	folder string // where it is
	offer  offer
	plan   *plan.Plan
	at     []*yamldoc.Node // the keys of the steps, by index in the plan
	title  *yamldoc.Node   // the name of the pipeline
	from   string
	// scan says that functions and types are listed, not looked up.
	scan  bool
	named []string
}

func (r *reader) load(manifests []*plan.Manifest) (*plan.Plan, error) {
	r.offer = manifests
	r.document()
	if err := r.Err(); err != nil {
		return nil, err
	}
	p := r.plan
	if len(p.Types) == 0 {
		p.Types = nil
	}
	p.Requires = plan.Requires(p)
	for _, problem := range plan.Validate(p) {
		n, prefix := r.title, ""
		for i, s := range p.Steps {
			if s.Name == problem.Step && s.Origin == problem.Origin {
				n, prefix = r.at[i], fmt.Sprintf("step %q: ", s.Name)
			}
		}
		onError, crossing := p.OnError, ""
		if problem.Step == "" {
			n = r.pipelineNode(problem.Code)
		} else if s, ok := p.Step(problem.Step); ok {
			onError, crossing = s.OnError, s.Crossing
		}
		if problem.Code == "unknown-policy" && problem.Hint == "" {
			problem.Hint = diag.DidYouMean(onError, policies)
		}
		if problem.Code == "unknown-crossing" {
			problem.Hint = diag.DidYouMean(crossing, plan.Crossings)
		}
		r.Problem(n, problem.Code, problem.Hint, "%s%s", prefix, problem.Text)
	}
	return p, r.Err()
}

var policies = []string{plan.Fail, plan.Skip, plan.DeadLetter}

// pipelineNode is where a mistake of the pipeline as a whole stands.
func (r *reader) pipelineNode(code string) *yamldoc.Node {
	key := map[string]string{"unknown-policy": "on_error", "bad-retry": "retry"}[code]
	if n := r.Root.Get(key); n != nil {
		return n
	}
	return r.title
}

func (r *reader) document() {
	root := r.Root
	r.title = root
	flow := root.Get("flow")
	from := root.Get("steps-from")
	if from != nil {
		// Before the flow, which may stand first in the file.
		r.from, _ = r.String(from, "steps-from")
		if r.from != "" && !r.scan && !r.offer.hasPackage(r.from) {
			r.Problem(from, "unknown-package", r.offer.packagesHint(), "steps-from: this program has no steps from %q", r.from)
		}
	}
	r.Fields(root, "", map[string]func(*yamldoc.Node){
		"pipeline": func(n *yamldoc.Node) {
			r.title = n
			r.plan.Name, _ = r.String(n, "pipeline")
		},
		"steps-from": func(*yamldoc.Node) {},
		"on_error":   func(n *yamldoc.Node) { r.plan.OnError, _ = r.String(n, "on_error") },
		"retry":      func(n *yamldoc.Node) { r.plan.Retry = r.retry(n, "retry") },
		"flow":       func(n *yamldoc.Node) { r.flow(n, "flow", "", "") },
	})
	if root.Kind != yamldoc.Map {
		return
	}
	if root.Get("pipeline") == nil {
		r.Problem(root, "missing-key", "pipeline: my-pipeline", "expected the key pipeline with a name, got none")
	}
	if flow == nil {
		r.Problem(root, "missing-key", "flow: [{in: {source: {kafka: my-topic}}}, ...]", "expected the key flow with a list of steps, got none")
	}
}

// flow reads a list of steps, each behind the one before it.
func (r *reader) flow(n *yamldoc.Node, place, input, branch string) {
	if !r.Is(n, place, yamldoc.List) {
		return
	}
	if len(n.Values) == 0 {
		r.Problem(n, "empty-flow", "", "%s: expected steps, got an empty list", place)
	}
	for i, e := range n.Values {
		if e.Kind != yamldoc.Map || len(e.Keys) != 1 {
			got := e.Shown()
			if e.Kind == yamldoc.Map {
				got = fmt.Sprintf("%d keys", len(e.Keys))
			}
			r.Problem(e, "bad-step", "- my-step: {map: package.Function}", "%s: expected one key, the name of the step, got %s", place, got)
			return // what reads from what is not known
		}
		s := r.step(e.Keys[0], e.Values[0], input, branch)
		if s == nil {
			return
		}
		if s.Kind == plan.Source && input != "" {
			r.Problem(e.Keys[0], "second-source", "write one pipeline per source", "step %q: expected one source in a pipeline, got a second one", s.Name)
			return
		}
		input, branch = s.Name, ""
		if (s.Kind == plan.Route || s.Kind == plan.Broadcast) && i+1 < len(n.Values) {
			r.Problem(n.Values[i+1], "bad-step", "put it at the end of each branch that needs it", "%s: a %s leads into its branches, no step can follow step %q", place, s.Kind, s.Name)
			return
		}
	}
}

// kinds are the keys that say what a step is, in the order of the vocabulary, with the
// keys that may stand beside them.
var kinds = []struct {
	key    string
	kind   plan.Kind
	beside []string
}{
	{"source", plan.Source, nil},
	{"decode", plan.Map, []string{"type", "strict", "std", "schema", "message", "writer_schema", "prefix", "schema_id"}},
	{"map", plan.Map, []string{"with", "crossing"}},
	{"filter", plan.Filter, []string{"with", "crossing"}},
	{"flat_map", plan.FlatMap, []string{"with", "crossing"}},
	{"batch", plan.Batch, nil},
	{"route", plan.Route, []string{"with", "cases", "otherwise", "crossing"}},
	{"broadcast", plan.Broadcast, nil},
	{"encode", plan.Map, []string{"std", "schema", "message", "prefix", "schema_id"}},
	{"sink", plan.Sink, nil},
}

func kindKeys() []string {
	out := make([]string, len(kinds))
	for i, k := range kinds {
		out[i] = k.key
	}
	return out
}

// step reads one step with the branches behind it; nil where it is none.
func (r *reader) step(name, body *yamldoc.Node, input, branch string) *plan.Step {
	place := fmt.Sprintf("step %q", name.Text)
	if !r.Is(body, place, yamldoc.Map) {
		return nil
	}
	kind := -1
	for i, k := range kinds {
		if body.Get(k.key) == nil {
			continue
		}
		if kind >= 0 {
			r.Problem(name, "bad-step", "", "%s: expected one of %s, got %s and %s", place, strings.Join(kindKeys(), ", "), kinds[kind].key, k.key)
			return nil
		}
		kind = i
	}
	known := []string{"on_error", "retry"}
	if kind < 0 {
		if len(body.Keys) > 0 && !slices.Contains(known, body.Keys[0].Text) {
			r.Unknown(body.Keys[0], place, kindKeys())
			return nil
		}
		r.Problem(name, "bad-step", "", "%s: expected one of %s, got none", place, strings.Join(kindKeys(), ", "))
		return nil
	}
	k := kinds[kind]
	known = append(append(known, k.key), k.beside...)
	for _, key := range body.Keys {
		if !slices.Contains(known, key.Text) {
			r.Unknown(key, place, slices.Clone(known))
		}
	}
	at := len(r.plan.Steps)
	r.plan.Steps = append(r.plan.Steps, plan.Step{
		Name: name.Text, Kind: k.kind, Input: input, Branch: branch, Origin: plan.Origin{File: r.base, Line: name.Line},
	})
	r.at = append(r.at, name)
	s := &r.plan.Steps[at]
	r.options(s, body, place)
	v, in := body.Get(k.key), place+": "+k.key
	switch k.key {
	case "source", "sink":
		r.endpoint(s, v, in)
	case "decode", "encode":
		r.codec(s, v, in, k.key)
		r.settings(s, v, body, place)
		if t := body.Get("type"); t != nil {
			r.typeOf(s, t, place+": type")
		}
	case "map", "filter", "flat_map":
		r.function(s, v, body.Get("with"), in, place+": with")
	case "batch":
		r.batch(s, v, in)
	case "route":
		r.function(s, v, body.Get("with"), in, place+": with")
		r.route(at, body, place, name)
	case "broadcast":
		r.broadcast(at, v, in)
	}
	// Steps of branches may have moved it.
	return &r.plan.Steps[at]
}

func (r *reader) options(s *plan.Step, body *yamldoc.Node, place string) {
	if v := body.Get("on_error"); v != nil {
		s.OnError, _ = r.String(v, place+": on_error")
	}
	if v := body.Get("retry"); v != nil {
		s.Retry = r.retry(v, place+": retry")
	}
	if v := body.Get("crossing"); v != nil {
		s.Crossing, _ = r.String(v, place+": crossing")
	}
}

func (r *reader) retry(n *yamldoc.Node, place string) *plan.Retry {
	out := &plan.Retry{}
	r.Fields(n, place, map[string]func(*yamldoc.Node){
		"times": func(n *yamldoc.Node) {
			v, _ := r.Integer(n, place+".times", 1)
			out.Times = int(min(v, math.MaxInt32))
		},
		"backoff": func(n *yamldoc.Node) {
			d, ok := r.Duration(n, place+".backoff")
			if out.BackoffMS = d.Milliseconds(); ok && out.BackoffMS == 0 {
				r.Problem(n, "bad-retry", "", "%s.backoff: expected at least 1ms, got %s", place, n.Text)
			}
		},
	})
	unknown := func(k *yamldoc.Node) bool { return k.Text != "backoff" } // or a slip of times
	if n.Kind == yamldoc.Map && n.Get("times") == nil && !slices.ContainsFunc(n.Keys, unknown) {
		r.Problem(n, "missing-key", "retry: {times: 3, backoff: 1s}", "%s: expected times, got none", place)
	}
	return out
}

var connectors = []string{"kafka", "file", "memory", "devnull"}

func (r *reader) endpoint(s *plan.Step, n *yamldoc.Node, place string) {
	hint := "{kafka: my-topic}"
	if n.Kind != yamldoc.Map || len(n.Keys) != 1 {
		got := n.Shown()
		if n.Kind == yamldoc.Map {
			got = fmt.Sprintf("%d", len(n.Keys))
		}
		r.Problem(n, "wrong-type", hint, "%s: expected one connector with the name of a stream, got %s", place, got)
		return
	}
	if k := n.Keys[0]; !slices.Contains(connectors, k.Text) {
		r.Unknown(k, place, slices.Clone(connectors))
		return
	}
	s.Connector = n.Keys[0].Text
	s.Stream, _ = r.String(n.Values[0], place+"."+s.Connector)
}

var codecs = []string{"avro", "json", "msgpack", "protobuf", "raw"}

func (r *reader) codec(s *plan.Step, n *yamldoc.Node, place, verb string) {
	c, ok := r.String(n, place)
	if !ok {
		return
	}
	if !slices.Contains(codecs, c) {
		r.Problem(n, "unknown-codec", near(c, codecs, "codecs are "), "%s: unknown codec %q", place, c)
		return
	}
	s.Function = &plan.Function{Name: "builtin:" + c + "." + verb}
}

// settings are those of a codec, in the order that plans have them.
type settings struct {
	Schema string `json:"schema,omitempty"`
	// Imports are the texts of the files that a schema of protocol buffers imports.
	Imports map[string]string `json:"imports,omitempty"`
	Message string            `json:"message,omitempty"`
	Writer  string            `json:"writer,omitempty"`
	Strict  bool              `json:"strict,omitzero"`
	Std     bool              `json:"std,omitzero"`
	Prefix  string            `json:"prefix,omitempty"`
	ID      int64             `json:"id,omitzero"`
}

// settings reads what stands beside the name of a codec.
func (r *reader) settings(s *plan.Step, codec, body *yamldoc.Node, place string) {
	if s.Function == nil {
		return
	}
	name, _, _ := strings.Cut(strings.TrimPrefix(s.Function.Name, "builtin:"), ".")
	var out settings
	for _, of := range []struct {
		key    string
		into   *string
		codecs []string
	}{{"schema", &out.Schema, []string{"avro", "protobuf"}}, {"writer_schema", &out.Writer, []string{"avro"}}} {
		n := body.Get(of.key)
		switch {
		case !slices.Contains(of.codecs, name) && n != nil:
			only := "codec " + of.codecs[0] + " has"
			if len(of.codecs) > 1 {
				only = "codecs " + strings.Join(of.codecs, " and ") + " have"
			}
			r.Problem(n, "bad-settings", "", "%s: %s: only the %s one", place, of.key, only)
		case n != nil:
			*of.into = r.schema(n, place+": "+of.key)
		case name == "avro" && of.key == "schema":
			r.Problem(codec, "bad-settings", "schema: visits.avsc, a path from the folder of this file", "%s: expected the schema of avro, got none", place)
		}
	}
	if n := body.Get("schema"); n != nil && name == "protobuf" {
		out.Imports = r.imports(n, out.Schema, place+": schema")
	}
	if n := body.Get("message"); n != nil {
		if text, ok := r.String(n, place+": message"); ok {
			if name != "protobuf" || body.Get("schema") == nil {
				r.Problem(n, "bad-settings", "", "%s: message: expected the codec protobuf with a schema, got %s without", place, name)
			}
			out.Message = text
		}
	}
	raw := func(n *yamldoc.Node, key string) bool {
		if name == "raw" {
			r.Problem(n, "bad-settings", "", "%s: %s: the codec raw has no settings", place, key)
		}
		return name == "raw"
	}
	if n := body.Get("strict"); n != nil {
		if on, ok := r.Boolean(n, place+": strict"); ok && !raw(n, "strict") {
			out.Strict = on
		}
	}
	if n := body.Get("std"); n != nil {
		switch on, ok := r.Boolean(n, place+": std"); {
		case ok && name != "json":
			r.Problem(n, "bad-settings", "", "%s: std: only the codec json has one", place)
		case ok:
			out.Std = on
		}
	}
	if n := body.Get("prefix"); n != nil {
		if text, ok := r.String(n, place+": prefix"); ok && !raw(n, "prefix") {
			out.Prefix = text
		}
	}
	if n := body.Get("schema_id"); n != nil {
		if id, ok := r.Integer(n, place+": schema_id", 1); ok && !raw(n, "schema_id") {
			out.ID = id
		}
	}
	text, err := json.Marshal(out, json.Deterministic(true))
	if string(text) == "{}" {
		return
	}
	if err != nil {
		r.Problem(codec, "bad-settings", "", "%s: schema: expected UTF-8, got something else", place)
		return
	}
	s.Function.Settings = text
}

// maxSchema is how many bytes of a schema are read: its text goes into the plan.
const maxSchema = 1 << 20

// schema reads the file that a codec's messages are described by.
func (r *reader) schema(n *yamldoc.Node, place string) string {
	name, ok := r.String(n, place)
	if !ok || r.scan {
		return ""
	}
	text, err := readSchema(r.file(name))
	if err != nil {
		r.Problem(n, "bad-settings", "", "%s: %s: %v", place, name, err)
		return ""
	}
	return text
}

// file is where a path from the folder of the YAML file leads.
func (r *reader) file(name string) string {
	if filepath.IsAbs(name) {
		return name
	}
	return filepath.Join(r.folder, name)
}

// What a .proto file may import, so that a plan does not become too large to be one.
const (
	maxImports = 200
	maxLevels  = 200 // of brackets
)

// imports reads the files that a schema of protocol buffers imports, by the names that they
// are imported by. They are in the folder of the YAML file, or in one on the way from there
// to the schema.
func (r *reader) imports(n *yamldoc.Node, schema, place string) map[string]string {
	if schema == "" {
		return nil
	}
	roots := []string{r.folder}
	if rel, err := filepath.Rel(r.folder, filepath.Dir(r.file(n.Text))); err == nil && filepath.IsLocal(rel) {
		for dir := r.folder; rel != "."; {
			first, rest, _ := strings.Cut(filepath.ToSlash(rel), "/")
			dir = filepath.Join(dir, first)
			roots = append(roots, dir)
			if rel = rest; rest == "" {
				break
			}
		}
	} else {
		roots = append(roots, filepath.Dir(r.file(n.Text)))
	}
	all := map[string]string{}
	type importer struct{ name, text string }
	for queue := []importer{{n.Text, schema}}; len(queue) > 0; queue = queue[1:] {
		for _, name := range protofile.Imports([]byte(queue[0].text), maxLevels) {
			if _, ok := all[name]; ok {
				continue
			}
			text, err := "", fs.ErrNotExist
			for _, root := range roots {
				if !fs.ValidPath(name) {
					break
				}
				if text, err = readSchema(filepath.Join(root, filepath.FromSlash(name))); err == nil {
					break
				}
			}
			if err == nil && len(all) == maxImports {
				err = fmt.Errorf("expected at most %d imported files, got more", maxImports)
			}
			if err != nil {
				r.Problem(n, "bad-settings", "imports are looked for in the folder of this file, and in those from there down to the one of the schema",
					"%s: %s imports %q: %v", place, queue[0].name, name, err)
				return nil
			}
			all[name] = text
			queue = append(queue, importer{name, text})
		}
	}
	return all
}

func readSchema(file string) (string, error) {
	f, err := os.Open(file)
	if path := (*os.PathError)(nil); errors.As(err, &path) {
		return "", path.Err // the name is said already, as the user wrote it
	}
	if err != nil {
		return "", err
	}
	defer func() { _ = f.Close() }()
	text, err := io.ReadAll(io.LimitReader(f, maxSchema+1))
	if err == nil && len(text) > maxSchema {
		err = fmt.Errorf("expected at most %d bytes, got more", maxSchema)
	}
	return string(text), err
}

func (r *reader) batch(s *plan.Step, n *yamldoc.Node, place string) {
	l := &plan.Limit{}
	s.Limit = l
	r.Fields(n, place, map[string]func(*yamldoc.Node){
		"count": func(n *yamldoc.Node) {
			v, _ := r.Integer(n, place+".count", 1)
			l.Count = int(v)
		},
		"bytes": func(n *yamldoc.Node) { l.Bytes, _ = r.Size(n, place+".bytes") },
		"age": func(n *yamldoc.Node) {
			d, ok := r.Duration(n, place+".age")
			if l.AgeMS = d.Milliseconds(); ok && l.AgeMS == 0 {
				r.Problem(n, "bad-limit", "", "%s.age: expected at least 1ms, got %s", place, n.Text)
			}
		},
	})
}

func (r *reader) route(at int, body *yamldoc.Node, place string, name *yamldoc.Node) {
	cases, otherwise := body.Get("cases"), body.Get("otherwise")
	if cases == nil && otherwise == nil {
		r.Problem(name, "missing-key", "cases: {my-key: [...]}", "%s: expected cases, otherwise or both, got none", place)
	}
	if cases != nil && r.Is(cases, place+": cases", yamldoc.Map) {
		for i, k := range cases.Keys {
			b := plan.Branch{Name: k.Text}
			switch k.Kind {
			case yamldoc.Int:
				v, ok := r.Integer(k, place+": cases", math.MinInt64)
				if !ok {
					continue
				}
				b.Key = strconv.AppendInt(nil, v, 10)
			case yamldoc.Bool:
				v, _ := r.Boolean(k, place+": cases")
				b.Key = strconv.AppendBool(nil, v)
			case yamldoc.Text:
				b.Key = quote(k.Text)
			default:
				r.Problem(k, "bad-branch", fmt.Sprintf("for text write it in quotes: %q", k.Text), "%s: cases: expected a key that is text, an integer or a boolean, got %s", place, k.Shown())
				continue
			}
			if b.Name == "" {
				b.Name = "empty"
			}
			r.branch(at, b, cases.Values[i], fmt.Sprintf("%s: cases.%s", place, k.Text))
		}
	}
	if otherwise != nil {
		r.branch(at, plan.Branch{Name: "otherwise", Otherwise: true}, otherwise, place+": otherwise")
	}
}

func (r *reader) broadcast(at int, n *yamldoc.Node, place string) {
	if !r.Is(n, place, yamldoc.Map) {
		return
	}
	for i, k := range n.Keys {
		r.branch(at, plan.Branch{Name: k.Text}, n.Values[i], place+"."+k.Text)
	}
}

func (r *reader) branch(at int, b plan.Branch, flow *yamldoc.Node, place string) {
	s := &r.plan.Steps[at]
	s.Branches = append(s.Branches, b)
	r.flow(flow, place, s.Name, b.Name)
}

// function reads the name of a function, and its settings.
func (r *reader) function(s *plan.Step, n, with *yamldoc.Node, place, placeWith string) {
	name, ok := r.String(n, place)
	if !ok {
		return
	}
	if r.scan {
		if !slices.Contains(r.named, name) {
			r.named = append(r.named, name)
		}
		return
	}
	sig, text, hint := r.offer.function(name)
	if sig == nil {
		r.Problem(n, "unknown-function", hint, "%s: %s", place, text)
		return
	}
	s.Function = &plan.Function{Name: sig.Name}
	if with == nil || !r.Is(with, placeWith, yamldoc.Map) {
		return
	}
	if strings.HasPrefix(sig.Name, "py:") {
		r.Problem(with, "bad-settings", "", "%s: only a Go step takes settings, %s is Python's", placeWith, name)
		return
	}
	if !r.members(with, sig.Fields, placeWith, name) {
		return
	}
	v, ok := r.json(with, placeWith)
	if !ok || len(with.Keys) == 0 {
		return
	}
	s.Function.Settings = v
}

// json is a value as JSON, members sorted.
func (r *reader) json(n *yamldoc.Node, place string) (jsontext.Value, bool) {
	var out jsontext.Value
	switch n.Kind {
	case yamldoc.Null:
		return jsontext.Value("null"), true
	case yamldoc.Bool:
		v, _ := r.Boolean(n, place)
		return strconv.AppendBool(nil, v), true
	case yamldoc.Int, yamldoc.Float:
		digits := strings.TrimPrefix(n.Text, "+")
		if strings.Trim(strings.TrimPrefix(digits, "-"), "0123456789") == "" && jsontext.Value(digits).IsValid() {
			return jsontext.Value(digits), true // however large: it stays as it is
		}
		if n.Kind == yamldoc.Int { // 0x1F, 1_000, 010
			r.Problem(n, "wrong-value", "", "%s: expected a decimal number, got %s", place, n.Text)
			return nil, false
		}
		v, err := strconv.ParseFloat(n.Text, 64)
		if err != nil || math.IsInf(v, 0) || math.IsNaN(v) {
			r.Problem(n, "wrong-value", "", "%s: expected a number that JSON has, got %s", place, n.Text)
			return nil, false
		}
		b, err := json.Marshal(v)
		return b, err == nil
	case yamldoc.Text:
		return quote(n.Text), true
	case yamldoc.List:
		out = append(out, '[')
		for i, e := range n.Values {
			v, ok := r.json(e, fmt.Sprintf("%s[%d]", place, i))
			if !ok {
				return nil, false
			}
			if i > 0 {
				out = append(out, ',')
			}
			out = append(out, v...)
		}
		return append(out, ']'), true
	}
	order := make([]int, len(n.Keys))
	for i := range order {
		order[i] = i
	}
	slices.SortFunc(order, func(a, b int) int { return strings.Compare(n.Keys[a].Text, n.Keys[b].Text) })
	out = append(out, '{')
	for i, at := range order {
		v, ok := r.json(n.Values[at], place+"."+n.Keys[at].Text)
		if !ok {
			return nil, false
		}
		if i > 0 {
			out = append(out, ',')
		}
		out = append(append(append(out, quote(n.Keys[at].Text)...), ':'), v...)
	}
	return append(out, '}'), true
}

// quote is text as JSON; a document is valid UTF-8, so it has a form.
func quote(s string) jsontext.Value {
	b, err := jsontext.AppendQuote(nil, s)
	if err != nil {
		return jsontext.Value(`""`)
	}
	return b
}
