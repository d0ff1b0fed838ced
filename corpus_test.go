package levada_test

import (
	"bytes"
	"encoding/json/v2"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"reflect"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/levada-io/levada"
	"github.com/levada-io/levada/codec"
	"github.com/levada-io/levada/codec/avro"
	jsoncodec "github.com/levada-io/levada/codec/json"
	"github.com/levada-io/levada/codec/msgpack"
	"github.com/levada-io/levada/codec/protobuf"
	"github.com/levada-io/levada/internal/frame"
	"github.com/levada-io/levada/internal/gen"
	"github.com/levada-io/levada/internal/planner"
	"github.com/levada-io/levada/internal/program"
	"github.com/levada-io/levada/internal/yamlplan"
	"github.com/levada-io/levada/plan"
	avro_steps "github.com/levada-io/levada/plan/testdata/corpus/avro"
	"github.com/levada-io/levada/plan/testdata/corpus/avro_union"
	"github.com/levada-io/levada/plan/testdata/corpus/batch_go"
	"github.com/levada-io/levada/plan/testdata/corpus/broadcast"
	"github.com/levada-io/levada/plan/testdata/corpus/crossing_frame"
	"github.com/levada-io/levada/plan/testdata/corpus/every_type"
	"github.com/levada-io/levada/plan/testdata/corpus/flat_map_iterator"
	"github.com/levada-io/levada/plan/testdata/corpus/flat_map_slice"
	"github.com/levada-io/levada/plan/testdata/corpus/go_steps"
	"github.com/levada-io/levada/plan/testdata/corpus/list_payload"
	"github.com/levada-io/levada/plan/testdata/corpus/message"
	msgpack_steps "github.com/levada-io/levada/plan/testdata/corpus/msgpack"
	"github.com/levada-io/levada/plan/testdata/corpus/msgpack_types"
	"github.com/levada-io/levada/plan/testdata/corpus/nested"
	"github.com/levada-io/levada/plan/testdata/corpus/oneof"
	"github.com/levada-io/levada/plan/testdata/corpus/passthrough"
	"github.com/levada-io/levada/plan/testdata/corpus/policies"
	"github.com/levada-io/levada/plan/testdata/corpus/policies_default"
	"github.com/levada-io/levada/plan/testdata/corpus/prefix"
	protobuf_steps "github.com/levada-io/levada/plan/testdata/corpus/protobuf"
	"github.com/levada-io/levada/plan/testdata/corpus/raw"
	"github.com/levada-io/levada/plan/testdata/corpus/reencode"
	"github.com/levada-io/levada/plan/testdata/corpus/route_numbers"
	"github.com/levada-io/levada/plan/testdata/corpus/route_text"
	"github.com/levada-io/levada/plan/testdata/corpus/rules"
	"github.com/levada-io/levada/plan/testdata/corpus/settings"
	"github.com/levada-io/levada/plan/testdata/corpus/std"
	"github.com/levada-io/levada/plan/testdata/corpus/steps"
	"github.com/levada-io/levada/plan/testdata/corpus/strict"
	"github.com/levada-io/levada/plan/testdata/corpus/strict_not"
	"github.com/levada-io/levada/plan/testdata/corpus/union"
	"github.com/levada-io/levada/plan/testdata/corpus/union_several"
	"github.com/levada-io/levada/plan/testdata/corpus/untyped"
	"github.com/levada-io/levada/plan/testdata/corpus/wrong_batch"
	"github.com/levada-io/levada/plan/testdata/corpus/wrong_crossing"
	"github.com/levada-io/levada/plan/testdata/corpus/wrong_crossing_word"
	"github.com/levada-io/levada/plan/testdata/corpus/wrong_iterator"
	"github.com/levada-io/levada/plan/testdata/corpus/wrong_name_twice"
	"github.com/levada-io/levada/plan/testdata/corpus/wrong_no_dead_letters"
	"github.com/levada-io/levada/plan/testdata/corpus/wrong_open_end"
	"github.com/levada-io/levada/plan/testdata/corpus/wrong_policy"
	"github.com/levada-io/levada/plan/testdata/corpus/wrong_policy_of_a_batch"
	"github.com/levada-io/levada/plan/testdata/corpus/wrong_prefix_number"
	"github.com/levada-io/levada/plan/testdata/corpus/wrong_retry"
	"github.com/levada-io/levada/plan/testdata/corpus/wrong_retry_bounds"
	"github.com/levada-io/levada/plan/testdata/corpus/wrong_schema_read"
	"github.com/levada-io/levada/plan/testdata/corpus/wrong_schema_resolved"
	"github.com/levada-io/levada/plan/testdata/corpus/wrong_schema_written"
	"github.com/levada-io/levada/plan/testdata/corpus/wrong_std_type"
	"github.com/levada-io/levada/plan/testdata/corpus/wrong_two_policies"
	"github.com/levada-io/levada/plan/testdata/corpus/wrong_two_sources"
)

// The corpus is a folder per pipeline:
//
//	pipeline.py .go .yaml   the spellings; .go is missing where a step is in Python
//	functions.py            the Python functions, where there are any
//	plan.json               the plan that all of them give, origins left out
//	manifest.json           what Python tells of its functions
//	explain.txt             what runs
//	input.jsonl             what the source reads
//	want.jsonl              what the sink writes; want.<stream>.jsonl where there are several
//	want.dead_letters.jsonl where there is one: the deployment has a stream for dead letters
//
// A folder whose name begins with wrong_ has go.txt, yaml.txt and python.txt instead:
// what is said about each spelling. There is no .go where the compiler refuses it, and no
// .py where Python itself does. Where it has a deployment.yaml, that is what the pipeline is checked with;
// one of wrong_strict_ is checked with --strict-types.
const corpus = "plan/testdata/corpus"

// inGo are the Go spellings.
var inGo = map[string]func() *levada.Pipeline{
	"avro":              avro_steps.Pipeline,
	"avro_union":        avro_union.Pipeline,
	"batch_go":          batch_go.Pipeline,
	"broadcast":         broadcast.Pipeline,
	"crossing_frame":    crossing_frame.Pipeline,
	"every_type":        every_type.Pipeline,
	"flat_map_iterator": flat_map_iterator.Pipeline,
	"flat_map_slice":    flat_map_slice.Pipeline,
	"go_steps":          go_steps.Pipeline,
	"list_payload":      list_payload.Pipeline,
	"message":           message.Pipeline,
	"msgpack":           msgpack_steps.Pipeline,
	"msgpack_types":     msgpack_types.Pipeline,
	"nested":            nested.Pipeline,
	"oneof":             oneof.Pipeline,
	"passthrough":       passthrough.Pipeline,
	"policies":          policies.Pipeline,
	"policies_default":  policies_default.Pipeline,
	"prefix":            prefix.Pipeline,
	"raw":               raw.Pipeline,
	"protobuf":          protobuf_steps.Pipeline,
	"reencode":          reencode.Pipeline,
	"route_numbers":     route_numbers.Pipeline,
	"rules":             rules.Pipeline,
	"route_text":        route_text.Pipeline,
	"settings":          settings.Pipeline,
	"std":               std.Pipeline,
	"strict":            strict.Pipeline,
	"strict_not":        strict_not.Pipeline,
	"union":             union.Pipeline,
	"union_several":     union_several.Pipeline,
	"untyped":           untyped.Pipeline,
}

// wrongInGo are those that compile.
var wrongInGo = map[string]func() *levada.Pipeline{
	"wrong_batch":             wrong_batch.Pipeline,
	"wrong_crossing":          wrong_crossing.Pipeline,
	"wrong_crossing_word":     wrong_crossing_word.Pipeline,
	"wrong_iterator":          wrong_iterator.Pipeline,
	"wrong_name_twice":        wrong_name_twice.Pipeline,
	"wrong_open_end":          wrong_open_end.Pipeline,
	"wrong_policy":            wrong_policy.Pipeline,
	"wrong_prefix_number":     wrong_prefix_number.Pipeline,
	"wrong_schema_read":       wrong_schema_read.Pipeline,
	"wrong_schema_resolved":   wrong_schema_resolved.Pipeline,
	"wrong_schema_written":    wrong_schema_written.Pipeline,
	"wrong_std_type":          wrong_std_type.Pipeline,
	"wrong_two_sources":       wrong_two_sources.Pipeline,
	"wrong_two_policies":      wrong_two_policies.Pipeline,
	"wrong_retry_bounds":      wrong_retry_bounds.Pipeline,
	"wrong_retry":             wrong_retry.Pipeline,
	"wrong_policy_of_a_batch": wrong_policy_of_a_batch.Pipeline,
	"wrong_no_dead_letters":   wrong_no_dead_letters.Pipeline,
}

const stepsPackage = "github.com/levada-io/levada/plan/testdata/corpus/steps"

// registered are the functions of the package steps, as a generated main registers
// them.
func registered() map[string]*program.Function {
	name := func(n string) string { return "go:" + stepsPackage + "." + n }
	out := map[string]*program.Function{}
	for _, f := range []*program.Function{
		program.Of(name("IsHot"), plain(steps.IsHot)),
		program.Of(name("ToHot"), plain(steps.ToHot)),
		program.Of(name("Double"), plain(steps.Double)),
		program.OfSlice(name("Tags"), plain(steps.Tags)),
		program.Of(name("TakeOne"), plain(steps.TakeOne)),
		program.Of(name("IsWarm"), plain(steps.IsWarm)),
		program.Of(name("KindOf"), plain(steps.KindOf)),
		program.OfSeq(name("Letters"), plain(steps.Letters)),
		program.Of(name("Kind"), plain(steps.Kind)),
		program.Of(name("Level"), plain(steps.Level)),
		program.Of(name("Sum"), plain(steps.Sum)),
		program.Of(name("SumAll"), plain(steps.SumAll)),
		program.OfMessage(name("KeyByKind"), plain(steps.KeyByKind)),
		program.Of(name("Describe"), plain(steps.Describe)),
		program.OfSlice(name("Upper"), plain(steps.Upper)),
		program.Of(name("IsBrace"), plain(steps.IsBrace)),
		program.Of(name("Unhex"), plain(steps.Unhex)),
		program.Of(name("Hex"), plain(steps.Hex)),
		program.Of(name("Names"), plain(steps.Names)),
		program.Of(name("Above"), withSettings((*steps.Above).Apply)),
		program.Of(name("Tagged"), withSettings((*steps.Tagged).Apply)),
		program.Of(name("Grow"), plain(steps.Grow)),
		program.Of(name("Prefer"), plain(steps.Prefer)),
		program.Of(name("Touch"), plain(steps.Touch)),
		program.Of(name("Positive"), plain(steps.Positive)),
		program.Of(name("Slow"), plain(steps.Slow)),
		program.Of(name("IsClaim"), plain(steps.IsClaim)),
		program.Of(name("IsReturn"), plain(steps.IsReturn)),
		program.Of(name("PriceOf"), plain(steps.PriceOf)),
		program.Of(name("Rounded"), plain(steps.Rounded)),
		program.Of(name("Anonymous"), plain(steps.Anonymous)),
		program.Of(name("IsPaid"), plain(steps.IsPaid)),
		program.Of(name("InCash"), plain(steps.InCash)),
		program.Of(name("Stubborn"), withSettings((*steps.Stubborn).Apply)),
	} {
		out[f.Name] = f
	}
	return out
}

func plain[T, U any](fn func(levada.Message[T]) (U, error)) program.Make[T, U] {
	return func([]byte) (func(levada.Message[T]) (U, error), error) { return fn, nil }
}

func withSettings[S, T, U any](apply func(*S, levada.Message[T]) (U, error)) program.Make[T, U] {
	return func(text []byte) (func(levada.Message[T]) (U, error), error) {
		s := new(S)
		if text != nil {
			if err := json.Unmarshal(text, s, json.RejectUnknownMembers(true)); err != nil {
				return nil, err
			}
		}
		return func(m levada.Message[T]) (U, error) { return apply(s, m) }, nil
	}
}

// scanned is the package steps as the generator sees it.
func scanned(t *testing.T) *gen.Package {
	t.Helper()
	p, err := gen.Scan(filepath.Join(corpus, "steps"), gen.Options{})
	if err != nil {
		t.Fatal(err)
	}
	return p
}

// manifests are those that a pipeline's process has: the extension's, and that of the
// Python functions of the pipeline, where there are any.
func manifests(t *testing.T, dir string, ext *plan.Manifest) []*plan.Manifest {
	t.Helper()
	out := []*plan.Manifest{ext}
	data, err := os.ReadFile(filepath.Join(dir, "manifest.json"))
	if err != nil {
		return out
	}
	m := &plan.Manifest{}
	if err := json.Unmarshal(data, m); err != nil {
		t.Fatal(err)
	}
	return append(out, m)
}

func catalog(manifests []*plan.Manifest) *planner.Catalog {
	cat := &planner.Catalog{
		Functions: registered(),
		Codecs:    map[string]codec.Codec{"json": jsoncodec.New(), "msgpack": msgpack.New(), "protobuf": protobuf.New(), "avro": avro.New()},
	}
	cat.Offer(manifests...)
	return cat
}

// pipelines are the folders of right pipelines, wrong those of wrong ones.
func pipelines(t *testing.T, wrong bool) []string {
	t.Helper()
	files, err := filepath.Glob(corpus + "/*/pipeline.yaml")
	if err != nil {
		t.Fatal(err)
	}
	var out []string
	for _, f := range files {
		if dir := filepath.Dir(f); wrong == strings.HasPrefix(filepath.Base(dir), "wrong_") {
			out = append(out, dir)
		}
	}
	if len(out) == 0 {
		t.Fatalf("no pipelines in %s", corpus)
	}
	return out
}

// withoutOrigins is a plan as its JSON, with no word about where it was written.
func withoutOrigins(t *testing.T, p *plan.Plan) string {
	t.Helper()
	q := *p
	q.Steps = slices.Clone(p.Steps)
	for i := range q.Steps {
		if q.Steps[i].Origin.Line < 1 || !strings.HasPrefix(q.Steps[i].Origin.File, "pipeline.") {
			t.Errorf("step %s: origin %s", q.Steps[i].Name, q.Steps[i].Origin)
		}
		q.Steps[i].Origin = plan.Origin{}
	}
	data, err := q.Encode()
	if err != nil {
		t.Fatal(err)
	}
	return string(data)
}

// What reflection sees of a function is what the generator sees in its source: else a
// pipeline in Go would not be the same as one in Python.
func TestCorpusStepsAreWhatTheGeneratorSees(t *testing.T) {
	m := scanned(t).Manifest
	functions := registered()
	for _, sig := range m.Functions {
		f, ok := functions[sig.Name]
		if !ok {
			t.Errorf("%s is not in the list of this test", sig.Name)
			continue
		}
		delete(functions, sig.Name)
		out := f.Out.Type()
		if f.Seq {
			out = f.Elem.Type()
		}
		for _, c := range []struct {
			what string
			typ  reflect.Type
			want plan.Type
		}{{"parameter", f.In.Type(), sig.In}, {"result", out, sig.Out}} {
			got, table, err := frame.TypeOf(c.typ)
			if err != nil {
				t.Errorf("%s: %v", sig.Name, err)
				continue
			}
			if !reflect.DeepEqual(got, c.want) {
				t.Errorf("%s: %s: reflection sees %s, the generator %s", sig.Name, c.what, got.Text(), c.want.Text())
			}
			for name, typ := range table {
				if !reflect.DeepEqual(typ, m.Types[name]) {
					t.Errorf("%s: reflection sees %+v, the generator %+v", name, typ, m.Types[name])
				}
			}
		}
		if f.Seq != sig.Seq || f.Meta != sig.Meta {
			t.Errorf("%s: seq %v and %v, meta %v and %v", sig.Name, f.Seq, sig.Seq, f.Meta, sig.Meta)
		}
	}
	for name := range functions {
		t.Errorf("%s: the generator does not see it", name)
	}
}

func TestCorpusHasEverything(t *testing.T) {
	dirs := pipelines(t, false)
	if len(dirs) < 15 {
		t.Errorf("%d pipelines", len(dirs))
	}
	seen := map[string]bool{}
	for _, dir := range dirs {
		data, err := os.ReadFile(filepath.Join(dir, "plan.json"))
		if err != nil {
			t.Fatal(err)
		}
		p, err := plan.Decode(data)
		if err != nil {
			t.Fatal(err)
		}
		for _, s := range p.Steps {
			seen[string(s.Kind)] = true
			if s.Function != nil {
				scheme, _, _ := strings.Cut(s.Function.Name, ":")
				seen[string(s.Kind)+" "+scheme] = true
			}
		}
	}
	for _, want := range []string{
		"source", "sink", "batch", "broadcast", "map builtin", "map go", "map py", "filter go", "filter py",
		"flat_map go", "flat_map py", "route go", "route py",
	} {
		if !seen[want] {
			t.Errorf("no pipeline has a %s", want)
		}
	}
}

func TestCorpusInGo(t *testing.T) {
	for _, dir := range pipelines(t, false) {
		name := filepath.Base(dir)
		build, ok := inGo[name]
		if !ok {
			// Nothing but a Python step may be the reason.
			data, err := os.ReadFile(filepath.Join(dir, "plan.json"))
			if err != nil || !bytes.Contains(data, []byte(`"py:`)) {
				t.Errorf("%s has no Go spelling, and no step in Python: %v", name, err)
			}
			continue
		}
		t.Run(name, func(t *testing.T) {
			golden(t, filepath.Join(dir, "plan.json"), withoutOrigins(t, mustPlan(t, build())))
		})
	}
}

func TestCorpusInYAML(t *testing.T) {
	ext := &scanned(t).Manifest
	for _, dir := range pipelines(t, false) {
		t.Run(filepath.Base(dir), func(t *testing.T) {
			p, err := yamlplan.Load(filepath.Join(dir, "pipeline.yaml"), manifests(t, dir, ext)...)
			if err != nil {
				t.Fatal(err)
			}
			samePlan(t, dir, p)
		})
	}
}

// samePlan compares with the golden plan without ever writing it: one spelling decides,
// the others agree.
func samePlan(t *testing.T, dir string, p *plan.Plan) {
	t.Helper()
	want, err := os.ReadFile(filepath.Join(dir, "plan.json"))
	if err != nil {
		t.Fatal(err)
	}
	if got := withoutOrigins(t, p); got != string(want) {
		t.Errorf("another plan than plan.json\n%s", differ(got, string(want)))
	}
}

// python runs the package of the tree, with a package steps that was generated from
// the Go source.
type python struct {
	path   string
	env    []string
	folder string // with the packages levada and steps
}

func newPython(t *testing.T) *python {
	t.Helper()
	path, err := exec.LookPath("python3")
	if err != nil {
		t.Skip("no python3: the Python spelling is not compared here")
	}
	out := t.TempDir()
	if _, err := gen.Generate(filepath.Join(corpus, "steps"), out, gen.Options{}); err != nil {
		t.Fatal(err)
	}
	// The package stands beside them by links, so that its extension is the one that is
	// built here and not what lies in the tree.
	src, err := filepath.Abs("python/src/levada")
	if err != nil {
		t.Fatal(err)
	}
	entries, err := os.ReadDir(src)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.Mkdir(filepath.Join(out, "levada"), 0o755); err != nil {
		t.Fatal(err)
	}
	for _, e := range entries {
		if filepath.Ext(e.Name()) == ".so" || e.Name() == "__pycache__" {
			continue
		}
		if err := os.Symlink(filepath.Join(src, e.Name()), filepath.Join(out, "levada", e.Name())); err != nil {
			t.Fatal(err)
		}
	}
	return &python{path, append(os.Environ(), "PYTHONPATH="+out, "PYTHONDONTWRITEBYTECODE=1"), out}
}

func (p *python) run(args ...string) (stdout, stderr string, err error) {
	var out, errs bytes.Buffer
	cmd := exec.Command(p.path, args...)
	cmd.Env, cmd.Stdout, cmd.Stderr = p.env, &out, &errs
	err = cmd.Run()
	return out.String(), errs.String(), err
}

func TestCorpusExplained(t *testing.T) {
	ext := &scanned(t).Manifest
	for _, dir := range pipelines(t, false) {
		t.Run(filepath.Base(dir), func(t *testing.T) {
			data, err := os.ReadFile(filepath.Join(dir, "plan.json"))
			if err != nil {
				t.Fatal(err)
			}
			p, err := plan.Decode(data)
			if err != nil {
				t.Fatal(err)
			}
			cat := catalog(manifests(t, dir, ext))
			if _, err := os.Stat(filepath.Join(dir, deadLetters)); err == nil {
				cat.DeadLetters = planner.WithDeadLetters
			}
			planned, err := planner.Plan(p, cat)
			if err != nil {
				t.Fatal(err)
			}
			var b strings.Builder
			if err := planned.Explain(&b); err != nil {
				t.Fatal(err)
			}
			golden(t, filepath.Join(dir, "explain.txt"), b.String())
		})
	}
}

// deployment writes a deployment that reads the input of a pipeline and writes into a
// folder, and lists the streams that are written there.
func deployment(t *testing.T, dir, out string, p *plan.Plan) (file string, streams []string) {
	t.Helper()
	input, err := filepath.Abs(filepath.Join(dir, "input.jsonl"))
	if err != nil {
		t.Fatal(err)
	}
	config := fmt.Sprintf("streams:\n  in: {connector: file, path: %s}\n", input)
	for _, s := range p.Steps {
		if s.Kind == plan.Sink && s.Connector != "devnull" {
			streams = append(streams, s.Stream)
			config += fmt.Sprintf("  %s: {connector: file, path: %s}\n", s.Stream, filepath.Join(out, s.Stream))
		}
	}
	if _, err := os.Stat(filepath.Join(dir, deadLetters)); err == nil {
		config += fmt.Sprintf("dead_letter: {connector: file, path: %s}\n", filepath.Join(out, deadLetters))
	}
	file = filepath.Join(out, "deployment.yaml")
	if err := os.WriteFile(file, []byte(config), 0o644); err != nil {
		t.Fatal(err)
	}
	return file, streams
}

const deadLetters = "want.dead_letters.jsonl"

// timeless takes out of dead letters when and in which spelling they came to be, and
// where this tree lies.
func timeless(t *testing.T, letters []byte) []byte {
	root, err := filepath.Abs(".")
	if err != nil {
		t.Fatal(err)
	}
	out := strings.ReplaceAll(string(letters), root+string(filepath.Separator), "")
	for _, v := range varying {
		out = v.form.ReplaceAllString(out, v.instead)
	}
	return []byte(out)
}

// Python prints a traceback as its version does; that it is there is enough.
var varying = []struct {
	form    *regexp.Regexp
	instead string
}{
	{regexp.MustCompile(`"pipeline\.(go|py|yaml):\d+"`), `"pipeline"`},
	{regexp.MustCompile(`\["levada-failed-at","[^"]+"\]`), `["levada-failed-at","..."]`},
	{regexp.MustCompile(`\["levada-traceback","(\\.|[^"\\])+"\]`), `["levada-traceback","..."]`},
}

// answers compares what a pipeline wrote with what it should write. One spelling may
// write the golden files, the others agree.
func answers(t *testing.T, dir, out string, streams []string, decides bool) {
	t.Helper()
	names := map[string]string{}
	for _, stream := range streams {
		names[stream] = "want.jsonl"
		if len(streams) > 1 {
			names[stream] = "want." + stream + ".jsonl"
		}
	}
	if _, err := os.Stat(filepath.Join(dir, deadLetters)); err == nil {
		names[deadLetters] = deadLetters
	}
	for stream, name := range names {
		got, err := os.ReadFile(filepath.Join(out, stream))
		if err != nil {
			t.Fatal(err)
		}
		if name == deadLetters {
			got = timeless(t, got)
		}
		if decides {
			golden(t, filepath.Join(dir, name), string(got))
			continue
		}
		want, err := os.ReadFile(filepath.Join(dir, name))
		if err != nil {
			t.Fatal(err)
		}
		if !bytes.Equal(got, want) {
			t.Errorf("%s: %s", name, differ(string(got), string(want)))
		}
	}
}

// The pipelines in Go run, from a file to files.
func TestCorpusAnswersInGo(t *testing.T) {
	for name, build := range inGo {
		t.Run(name, func(t *testing.T) {
			dir, out := filepath.Join(corpus, name), t.TempDir()
			file, streams := deployment(t, dir, out, mustPlan(t, build()))
			if code := levada.Run(t.Context(), build(), []string{"run", "--config", file, "--drain"}); code != 0 {
				t.Fatalf("exit code %d", code)
			}
			answers(t, dir, out, streams, true)
		})
	}
}

// The Python spelling: its plans, its answers, and what is said about the wrong ones;
// beside it the YAML spelling in the same interpreter. Each pipeline has an interpreter of its own; the Go steps are in an extension that is
// built for the test.
func TestCorpusInPython(t *testing.T) {
	py := newPython(t)
	t.Run("plan", func(t *testing.T) {
		for _, dir := range pipelines(t, false) {
			t.Run(filepath.Base(dir), func(t *testing.T) { py.plan(t, dir) })
		}
	})
	t.Run("extension", func(t *testing.T) {
		py.build(t)
		for _, dir := range pipelines(t, false) {
			t.Run("answers/"+filepath.Base(dir), func(t *testing.T) { py.answers(t, dir) })
		}
		for _, dir := range pipelines(t, true) {
			t.Run(filepath.Base(dir), func(t *testing.T) { py.wrong(t, dir) })
		}
	})
}

func (py *python) plan(t *testing.T, dir string) {
	t.Parallel()
	file := filepath.Join(dir, "pipeline.py")
	out, errs, err := py.run("-m", "levada", "plan", file)
	if err != nil {
		t.Fatalf("%v\n%s", err, errs)
	}
	p, err := plan.Decode([]byte(out))
	if err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	if _, ok := inGo[filepath.Base(dir)]; !ok {
		golden(t, filepath.Join(dir, "plan.json"), withoutOrigins(t, p))
	}
	samePlan(t, dir, p)
	py.manifest(t, dir)
}

// manifest holds what Python tells of its functions against the golden file.
func (py *python) manifest(t *testing.T, dir string) {
	if _, err := os.Stat(filepath.Join(dir, "functions.py")); err != nil {
		return
	}
	out, errs, err := py.run("-c", "import sys; from levada._run import _plan_of_file; sys.stdout.write(_plan_of_file(sys.argv[1]).manifest)", filepath.Join(dir, "pipeline.py"))
	if err != nil {
		t.Fatalf("%v\n%s", err, errs)
	}
	golden(t, filepath.Join(dir, "manifest.json"), out)
}

func (py *python) build(t *testing.T) {
	if out, err := exec.Command("go", "env", "CGO_ENABLED").Output(); err != nil || strings.TrimSpace(string(out)) != "1" {
		t.Skip("no cgo: the extension can not be built here")
	}
	for module, source := range map[string]string{"steps": filepath.Join(py.folder, gen.Main), "levada": "./python/ext"} {
		build := exec.Command("go", "build", "-buildmode=c-shared", "-trimpath", "-ldflags=-s -w", "-tags=netgo,osusergo",
			"-o", filepath.Join(py.folder, module, "_native.abi3.so"), source)
		if out, err := build.CombinedOutput(); err != nil {
			t.Fatalf("%v\n%s", err, out)
		}
	}
}

func (py *python) answers(t *testing.T, dir string) {
	t.Parallel()
	data, err := os.ReadFile(filepath.Join(dir, "plan.json"))
	if err != nil {
		t.Fatal(err)
	}
	p, err := plan.Decode(data)
	if err != nil {
		t.Fatal(err)
	}
	_, decided := inGo[filepath.Base(dir)]
	for _, spelling := range []string{"pipeline.py", "pipeline.yaml"} {
		out := t.TempDir()
		file, streams := deployment(t, dir, out, p)
		if _, errs, err := py.run("-m", "levada", "run", filepath.Join(dir, spelling), "--config", file, "--drain"); err != nil {
			t.Fatalf("%s: %v\n%s", spelling, err, errs)
		}
		answers(t, dir, out, streams, !decided)
		decided = true
	}
}

func (py *python) wrong(t *testing.T, dir string) {
	t.Parallel()
	py.manifest(t, dir)
	args := []string{"-m", "levada", "check", filepath.Join(dir, "pipeline.py")}
	if file, ok := deployed(dir); ok {
		args = append(args, "--config", file)
	}
	if strictTypes(dir) {
		args = append(args, "--strict-types")
	}
	if _, err := os.Stat(args[3]); err == nil {
		_, errs, err := py.run(args...)
		if exit, ok := errors.AsType[*exec.ExitError](err); !ok || exit.ExitCode() != 78 {
			t.Errorf("expected exit code 78, got %v", err)
		}
		golden(t, filepath.Join(dir, "python.txt"), withoutFrames(t, errs))
	}

	args[3] = filepath.Join(dir, "pipeline.yaml")
	_, errs, err := py.run(args...)
	if exit, ok := errors.AsType[*exec.ExitError](err); !ok || exit.ExitCode() != 78 {
		t.Errorf("pipeline.yaml: expected exit code 78, got %v", err)
	}
	want, err := os.ReadFile(filepath.Join(dir, "yaml.txt"))
	if err != nil {
		t.Fatal(err)
	}
	if errs != "levada: "+string(want) {
		t.Errorf("pipeline.yaml: %s", differ(errs, "levada: "+string(want)))
	}
	if !strictTypes(dir) {
		return
	}
	// A run refuses it as the check does, before it has looked for a deployment; without
	// the flag it is right.
	args[2] = "run"
	if _, again, err := py.run(args...); err == nil || again != errs {
		t.Errorf("run: %v, %s", err, differ(again, errs))
	}
	if _, errs, err := py.run("-m", "levada", "check", args[3]); err != nil {
		t.Errorf("without --strict-types: %v\n%s", err, errs)
	}
}

// strictTypes says that a wrong pipeline is one under --strict-types only.
func strictTypes(dir string) bool {
	return strings.HasPrefix(filepath.Base(dir), "wrong_strict_")
}

// deployed is the deployment of a wrong pipeline, where it has one.
func deployed(dir string) (file string, ok bool) {
	file = filepath.Join(dir, "deployment.yaml")
	_, err := os.Stat(file)
	return file, err == nil
}

// wrongCatalog is the catalog that a wrong pipeline is planned with.
func wrongCatalog(dir string, ms []*plan.Manifest) *planner.Catalog {
	cat := catalog(ms)
	if _, ok := deployed(dir); ok {
		cat.DeadLetters = planner.NoDeadLetters
	}
	cat.StrictTypes = strictTypes(dir)
	return cat
}

// withoutFrames takes out of a traceback what is not the author's own, and where this
// tree lies.
func withoutFrames(t *testing.T, s string) string {
	root, err := filepath.Abs(".")
	if err != nil {
		t.Fatal(err)
	}
	var out strings.Builder
	own := true
	for line := range strings.Lines(strings.ReplaceAll(s, root+string(filepath.Separator), "")) {
		if strings.HasPrefix(line, `  File "`) {
			own = strings.HasPrefix(line, `  File "plan/`)
		} else if !strings.HasPrefix(line, " ") {
			own = true
		}
		if own {
			out.WriteString(line)
		}
	}
	return out.String()
}

func TestCorpusWrongInGo(t *testing.T) {
	ext := &scanned(t).Manifest
	for name, build := range wrongInGo {
		t.Run(name, func(t *testing.T) {
			dir := filepath.Join(corpus, name)
			p, err := build().Plan()
			if err == nil {
				_, err = planner.Plan(p, wrongCatalog(dir, manifests(t, dir, ext)))
			}
			if err == nil {
				t.Fatal("accepted")
			}
			golden(t, filepath.Join(dir, "go.txt"), err.Error()+"\n")
		})
	}
}

func TestCorpusWrongInYAML(t *testing.T) {
	ext := &scanned(t).Manifest
	for _, dir := range pipelines(t, true) {
		t.Run(filepath.Base(dir), func(t *testing.T) {
			ms := manifests(t, dir, ext)
			p, err := yamlplan.Load(filepath.Join(dir, "pipeline.yaml"), ms...)
			if err == nil {
				_, err = planner.Plan(p, wrongCatalog(dir, ms))
			}
			if err == nil {
				t.Fatal("accepted")
			}
			golden(t, filepath.Join(dir, "yaml.txt"), err.Error()+"\n")
		})
	}
}

// What the planner says about a wrong pipeline is the same in every spelling, but for the
// place in it.
func TestCorpusWrongSaysTheSame(t *testing.T) {
	place := regexp.MustCompile(`\(pipeline\.(py|go|yaml):[0-9]+\)`)
	said := func(dir, file string) (string, bool) {
		text, err := os.ReadFile(filepath.Join(dir, file))
		if errors.Is(err, os.ErrNotExist) {
			return "", false
		}
		if err != nil {
			t.Fatal(err)
		}
		return place.ReplaceAllString(strings.TrimPrefix(string(text), "levada: "), "(...)"), true
	}
	several := 0
	for _, dir := range pipelines(t, true) {
		want, _ := said(dir, "yaml.txt")
		if !strings.HasPrefix(want, `step "`) {
			continue // the YAML reader's own words, which show the line
		}
		compared := false
		for _, file := range []string{"python.txt", "go.txt"} {
			if got, ok := said(dir, file); ok {
				compared = true
				if got != want {
					t.Errorf("%s: %s says something else than yaml.txt: %s", dir, file, differ(got, want))
				}
			}
		}
		if compared {
			several++
		}
	}
	if several < 40 {
		t.Errorf("expected 40 wrong pipelines or more that the planner refuses in several spellings, got %d", several)
	}
}

// What the text says that crosses is what the frame says: the pipelines with a word write
// the same as the one without.
func TestCorpusCrossesTheSame(t *testing.T) {
	for name, without := range map[string]string{
		"crossing_types": "every_type_python", "crossing_msgpack": "every_type_python", "crossing_union": "union_python",
	} {
		want, err := os.ReadFile(filepath.Join(corpus, without, "want.jsonl"))
		if err != nil {
			t.Fatal(err)
		}
		got, err := os.ReadFile(filepath.Join(corpus, name, "want.jsonl"))
		if err != nil {
			t.Fatal(err)
		}
		if !bytes.Equal(got, want) {
			t.Errorf("%s: %s", name, differ(string(got), string(want)))
		}
	}
}
