package planner

import (
	"context"
	"encoding/json/v2"
	"fmt"
	"maps"
	"reflect"
	"strings"
	"testing"

	"github.com/levada-io/levada/codec"
	"github.com/levada-io/levada/codec/avro"
	jsoncodec "github.com/levada-io/levada/codec/json"
	"github.com/levada-io/levada/codec/msgpack"
	"github.com/levada-io/levada/codec/protobuf"
	"github.com/levada-io/levada/internal/frame"
	"github.com/levada-io/levada/internal/program"
	"github.com/levada-io/levada/internal/typing"
	"github.com/levada-io/levada/plan"
	"github.com/levada-io/levada/plan/testdata/visitpb"
	"github.com/levada-io/levada/record"
)

// goOnly is a codec that knows Go values only.
type goOnly struct{ codec.Bound }

func (goOnly) Bind(reflect.Type) (codec.Bound, error) { return jsonCodec{}, nil }

// typedBeside is a pipeline with a Go type beside each codec.
const typedBeside = "source in\nparse p T\nfilter f go:x.IsCounter\nserialize s\nsink out"

var protobufs = map[string]string{"p": "builtin:protobuf.decode", "s": "builtin:protobuf.encode"}

// planned plans the short form with all codecs, some of its steps changed: their function,
// "builtin:json.decode", the settings of it, `{"std":true}`, or both, with a space between.
// more changes what the plan and the catalog have beside.
func planned(t *testing.T, text string, change map[string]string, more ...func(*plan.Plan, *Catalog)) (*Planned, error) {
	t.Helper()
	p, cat := steps(t, text), catalog()
	cat.Codecs["json"], cat.Codecs["msgpack"], cat.Codecs["go_only"] = jsoncodec.New(), msgpack.New(), goOnly{}
	cat.Codecs["avro"], cat.Codecs["protobuf"] = avro.New(), protobuf.New()
	for i := range p.Steps {
		f, ok := change[p.Steps[i].Name]
		if !ok {
			continue
		}
		name, settings, _ := strings.Cut(f, " ")
		if strings.HasPrefix(f, "{") {
			name, settings = p.Steps[i].Function.Name, f
		}
		p.Steps[i].Function = &plan.Function{Name: name}
		if settings != "" {
			p.Steps[i].Function.Settings = []byte(settings)
		}
	}
	for _, m := range more {
		m(p, cat)
	}
	p.Requires = plan.Requires(p)
	return Plan(p, cat)
}

// stageOf is the first stage of what was planned.
func stageOf(t *testing.T, pl *Planned, err error) *program.Stage {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
	prog, err := pl.Program()
	if err != nil {
		t.Fatal(err)
	}
	st, err := prog.NewStage(0)
	if err != nil {
		t.Fatal(err)
	}
	return st
}

// through leads messages through the operators of a stage.
func through(t *testing.T, st *program.Stage, messages ...string) *record.Chunk {
	t.Helper()
	col := make(record.Bytes, len(messages))
	for i, m := range messages {
		col[i] = []byte(m)
	}
	c := &record.Chunk{Recs: make([]record.Record, len(messages)), Col: col}
	for i := range c.Recs {
		c.Recs[i].Offset = int64(i)
	}
	for _, op := range st.Ops {
		if err := op.Process(t.Context(), c); err != nil {
			t.Fatal(err)
		}
	}
	return c
}

func TestFromOneCodecIntoAnother(t *testing.T) {
	const text = "source in\nparse p\nserialize s\nparse q\nserialize r\nsink out"
	pl, err := planned(t, text, map[string]string{"s": "builtin:msgpack.encode", "q": "builtin:msgpack.decode"})
	st := stageOf(t, pl, err)
	const text1, text2 = `{"b":[1,2.5,null],"a":"x"}`, `18446744073709551615`
	c := &record.Chunk{Recs: make([]record.Record, 2), Col: record.Bytes{[]byte(text1), []byte(text2)}}
	for i, op := range st.Ops {
		if err := op.Process(context.Background(), c); err != nil {
			t.Fatal(err)
		}
		if packed := "\x82\xa1b\x93"; i == 1 && !strings.HasPrefix(string(c.Col.(record.Bytes)[0]), packed) {
			t.Errorf("between them stands %x", c.Col.(record.Bytes)[0])
		}
	}
	if got := c.Col.(record.Bytes); string(got[0]) != text1 || string(got[1]) != text2 {
		t.Errorf("%s, %s", got[0], got[1])
	}
}

func TestCodecOfGoValuesOnly(t *testing.T) {
	const want = "reads and writes Go values only, expected a step with a Go type beside it, got none"
	for _, step := range []string{"p", "s"} {
		verb := map[string]string{"p": "decode", "s": "encode"}[step]
		_, err := planned(t, "source in\nparse p\nserialize s\nsink out", map[string]string{step: "builtin:go_only." + verb})
		if err == nil || !strings.Contains(err.Error(), "codec go_only "+want) {
			t.Errorf("%s: %v", step, err)
		}
	}
	only := map[string]string{"p": "builtin:go_only.decode", "s": "builtin:go_only.encode"}
	pl, err := planned(t, typedBeside, only)
	if err == nil {
		_, err = pl.Program()
	}
	if err != nil {
		t.Errorf("beside a Go step: %v", err)
	}

	// What is not linked may have the type: whoever runs the plan without it is told.
	pl, err = planned(t, "source in\nparse p\nserialize s\nsink out", only, func(_ *plan.Plan, cat *Catalog) {
		cat.Signatures["go:x.Elsewhere"] = plan.FunctionSignature{Name: "go:x.Elsewhere", In: anyType, Out: anyType}
	})
	if err != nil {
		t.Fatal(err)
	}
	if _, err = pl.Program(); err == nil || !strings.Contains(err.Error(), `step "p" (t.py:2): codec go_only `+want) {
		t.Errorf("not all is linked: %v", err)
	}
	// A type that the codec does not know is told of where one without any is.
	_, err = planned(t, "source in\nparse p T\nserialize s\nsink out", protobufs)
	if err == nil || strings.Count(err.Error(), "is no message of protobuf") != 2 {
		t.Errorf("no message of protobuf: %v", err)
	}
}

// Whatever stands between two codecs: planning finds a Go type for one that knows Go values
// only where lowering has one.
func TestCodecsOfGoValuesBesideAnything(t *testing.T) {
	between := []string{
		"", "filter %s go:x.IsCounter", "filter %s go:x.Named", "filter %s py:p:check",
		"map %s py:p:enrich", "map %s py:p:same", "map %s go:x.Transform", "map %s go:x.Kind", "batch %s",
	}
	taken := map[string]int{}
	for _, typed := range []string{"", " T"} {
		for _, one := range between {
			for _, two := range between {
				for _, three := range between {
					text := "source in\nparse p" + typed + "\n"
					for i, m := range []string{one, two, three} {
						if m != "" {
							text += fmt.Sprintf(m, string(rune('a'+i))) + "\n"
						}
					}
					for name, change := range map[string]map[string]string{
						"both": {"p": "builtin:go_only.decode", "s": "builtin:go_only.encode"}, "parse": {"p": "builtin:go_only.decode"}, "serialize": {"s": "builtin:go_only.encode"},
					} {
						pl, err := planned(t, text+"serialize s\nsink out", change, anything)
						if err == nil {
							taken[name]++
							_, err = pl.Program()
						}
						if err != nil && strings.Contains(err.Error(), "BUG:") {
							t.Errorf("%s of %s: %v", name, text, err)
						}
					}
				}
			}
		}
	}
	if want := map[string]int{"both": 447, "parse": 865, "serialize": 533}; !maps.Equal(taken, want) {
		t.Errorf("expected as many plans that are taken as lowering found types for, %v, got %v", want, taken)
	}
}

// anything offers Python, and Python's own name for a type of Go.
func anything(p *plan.Plan, cat *Catalog) {
	cat.Python = &fakePython{}
	metric := p.Types["go:"+reflect.TypeFor[metric]().PkgPath()+".metric"]
	p.Types["py:p:Metric"] = metric
	cat.Signatures["py:p:same"] = plan.FunctionSignature{Name: "py:p:same", In: anyType, Out: plan.Type{Kind: plan.TRef, Name: "py:p:Metric"}}
	named := of("Named", func(m record.Message[nameOnly]) (bool, error) { return m.Payload().Name != "", nil })
	cat.Functions[named.Name] = named
}

// What stands for a batch in a dead letter is in the codec that its messages came in, or in
// JSON where that has a schema, which says what one message is.
func TestDeadLetterOfABatchIsInItsCodec(t *testing.T) {
	const text = "source in\nparse p\nbatch b\nmap m go:x.Sum on_error=dead_letter\nserialize s\nsink out"
	for decode, want := range map[string]string{
		"builtin:json.decode": `["x",1]`, "builtin:msgpack.decode": "\x92\xa1x\x01",
		`builtin:avro.decode {"schema":"\"string\"","prefix":"single_object"}`:                                `["x",1]`,
		`builtin:protobuf.decode {"schema":"syntax = \"proto3\"; message A { string a = 1; }","strict":true}`: `["x",1]`,
	} {
		pl, err := planned(t, text, map[string]string{"p": decode})
		st := stageOf(t, pl, err)
		value, err := frame.AppendAny(nil, []any{"x", int64(1)})
		if err != nil {
			t.Fatal(err)
		}
		col := []byte{1, 0, 0, 0, 0, 0, 0, 0, byte(len(value)), 0, 0, 0}
		batch, err := frame.NewColumn(frame.Any(), append(col, value...))
		if err != nil {
			t.Fatal(err)
		}
		c := &record.Chunk{Recs: make([]record.Record, 1), Col: batch}
		if err := st.Batch.Dump.Process(context.Background(), c); err != nil {
			t.Fatal(err)
		}
		if got := string(c.Col.(record.Bytes)[0]); got != want {
			t.Errorf("%s: %q, want %q", decode, got, want)
		}
	}
}

// Behind or in front of Python a codec of Go values has values, where a type is known.
func TestCodecOfGoValuesBesidePython(t *testing.T) {
	const text = "source in\nparse p T\nfilter f py:p:check\nmap m py:p:same\nserialize s\nsink out"
	python := &fakePython{}
	pl, err := planned(t, text, map[string]string{"p": "builtin:go_only.decode", "s": "builtin:go_only.encode"}, func(p *plan.Plan, cat *Catalog) {
		cat.Python = python
		same := plan.Type{Kind: plan.TRef, Name: p.Steps[1].Type}
		cat.Signatures["py:p:same"] = plan.FunctionSignature{Name: "py:p:same", In: same, Out: same}
	})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := pl.Program(); err != nil {
		t.Fatal(err)
	}
	if got, want := strings.Join(python.asked, "; "), "run [f m] to planner.metric"; got != want {
		t.Errorf("got %s, want %s", got, want)
	}
}

// A generated message is used by its pointer: it is read into what the step takes, not
// into a struct that is copied.
func TestMessagesAreReadIntoPointers(t *testing.T) {
	slow := of("Slow", func(m record.Message[*visitpb.Visit]) (bool, error) { return m.Payload().GetMs() > 100, nil })
	_, table, err := frame.TypeOf(reflect.TypeFor[visitpb.Visit]())
	if err != nil {
		t.Fatal(err)
	}
	pl, err := planned(t, "source in\nparse p T\nfilter f go:x.Slow\nserialize s\nsink out", protobufs, func(p *plan.Plan, cat *Catalog) {
		cat.Functions[slow.Name] = slow
		for name, typ := range table {
			p.Types[name] = typ
			if strings.HasSuffix(name, ".Visit") {
				p.Steps[1].Type = name
			}
		}
	})
	st := stageOf(t, pl, err)
	// Field 99 is none of the type's: only a message that was never copied into a frame
	// still has it.
	const fast, late = "\x10\x02", "\x10\xd0\x0f\x98\x06\x07"
	c := through(t, st, fast, late, "\x0a\x05x")
	got := c.Col.(record.Bytes)
	if len(got) != 1 || string(got[0]) != late {
		t.Errorf("%x", got)
	}
}

// A message with a oneof goes to a step in Go as it is, and each branch of a broadcast has
// its own.
func TestMessageWithAOneof(t *testing.T) {
	is := of("Is", func(m record.Message[*visitpb.Either]) (bool, error) { return m.Payload().GetNumber() > 0, nil })
	pl, err := planned(t, "source in\nparse p\nfilter f go:x.Is\nserialize s\nsink out", protobufs, func(_ *plan.Plan, cat *Catalog) {
		cat.Functions[is.Name] = is
	})
	st := stageOf(t, pl, err)
	c := through(t, st, "\x0a\x01a", "\x10\x00", "\x10\x07", "\x10\x07\x0a\x01a")
	if got := c.Col.(record.Bytes); len(got) != 1 || string(got[0]) != "\x10\x07" {
		t.Errorf("%x", got)
	}
	in := &program.Values[*visitpb.Either]{V: []*visitpb.Either{{Which: &visitpb.Either_Number{Number: 7}}, {Which: (*visitpb.Either_Text)(nil)}, {}}}
	out := in.Clone().(*program.Values[*visitpb.Either])
	in.V[0].GetWhich().(*visitpb.Either_Number).Number = 8
	if out.V[0].GetNumber() != 7 || out.V[1].GetWhich() != in.V[1].GetWhich() || out.V[2].GetWhich() != nil {
		t.Errorf("%v", out.V)
	}
}

// A schema and a type that differ are told of at the start, with the place and both.
func TestSchemaAndType(t *testing.T) {
	record := func(fields string) string {
		text, err := json.Marshal(map[string]string{"schema": `{"type": "record", "name": "R", "fields": [` + fields + `]}`})
		if err != nil {
			t.Fatal(err)
		}
		return string(text)
	}
	const name, typ, value = `{"name": "name", "type": "string"}, `, `{"name": "type", "type": "string"}, `, `{"name": "value", "type": "double"}`
	for _, c := range []struct{ name, parse, serialize, want string }{
		{"right", record(name + typ + value), record(value + ", " + typ + `{"name": "name", "type": ["null", "string"]}`), ""},
		{"wider float", record(name + typ + `{"name": "value", "type": "float"}`), record(name + typ + value), ""},
		{"other kind", record(name + typ + `{"name": "value", "type": "string"}`), record(name + typ + value), `step "p" (t.py:2): reads metric, which is not what its schema says: $.value: expected float64, got string`},
		{"no field", record(name + typ[:len(typ)-2]), record(name + typ + value), `step "p" (t.py:2): reads metric, which is not what its schema says: $.value: expected float64, got no such member`},
		{"null", record(name + typ + `{"name": "value", "type": ["null", "double"]}`), record(name + typ + value), `step "p" (t.py:2): reads metric, which is not what its schema says: $.value`},
		{"writes another", record(name + typ + value), record(name + typ + `{"name": "value", "type": "long"}`), `step "s" (t.py:4): writes metric, which is not what its schema says: $.value`},
		{"lacks one", record(name + typ + value), record(name + typ + value + `, {"name": "more", "type": "int"}`), `step "s" (t.py:4): writes metric, which is not what its schema says: $.more`},
		{"loses one", record(name + typ + value), record(name + value), `step "s" (t.py:4): writes metric, and its schema has no field for $.type`},
		{"none", "", record(name + typ + value), `step "p" (t.py:2): codec avro: expected the text of a schema, got none`},
		{"wrong", record("7"), record(name), `step "p" (t.py:2): codec avro: the schema: `},
	} {
		pl, err := planned(t, typedBeside, map[string]string{"p": "builtin:avro.decode " + c.parse, "s": "builtin:avro.encode " + c.serialize})
		if err == nil {
			_, err = pl.Program()
		}
		if c.want == "" && err != nil || c.want != "" && (err == nil || !strings.Contains(err.Error(), c.want)) {
			t.Errorf("%s:\n got %v\nwant %s", c.name, err, c.want)
		}
	}
}

// A parse that resolves has what its own schema says, whatever the stream's latest has; each
// of the stream's schemas is held against it by the rules of Avro instead.
func TestResolvedAgainstAStream(t *testing.T) {
	const (
		mine   = `{"type": "record", "name": "R", "fields": [{"name": "name", "type": "string"}, {"name": "type", "type": "string", "default": "counter"}, {"name": "value", "type": "double"}]}`
		latest = `{"type": "record", "name": "R", "fields": [{"name": "name", "type": "string"}, {"name": "value", "type": "float"}]}`
		other  = `{"type": "record", "name": "R", "fields": [{"name": "name", "type": "string"}]}`
	)
	for _, c := range []struct{ schema, prefix, want string }{
		{latest, "confluent", ""},
		{latest, "", `reads metric, which the schema of "in" (in.avsc) does not promise: $.type: expected string, got no such member`},
		{other, "confluent", `codec avro: schema 3: $.value: the writer has no such field, and the reader's schema no default`},
	} {
		settings, err := json.Marshal(map[string]any{"schema": mine, "prefix": c.prefix})
		if err != nil {
			t.Fatal(err)
		}
		stream, err := avro.Of(c.schema)
		if err != nil {
			t.Fatal(err)
		}
		typ, types, err := stream.Type(plan.Type{Kind: plan.TAny}, nil)
		if err != nil {
			t.Fatal(err)
		}
		_, err = planned(t, typedBeside, map[string]string{"p": "builtin:avro.decode " + string(settings)}, func(p *plan.Plan, cat *Catalog) {
			cat.Streams = map[string]Stream{p.Steps[0].Stream: {Type: typ, Table: typing.Table{Types: types}, Origin: "in.avsc", Versions: []codec.Version{{ID: 3, Schema: c.schema}}}}
		})
		if c.want == "" && err != nil || c.want != "" && (err == nil || !strings.Contains(err.Error(), c.want)) {
			t.Errorf("prefix %q:\n got %v\nwant %s", c.prefix, err, c.want)
		}
	}
}

// What is written to several streams has a number that all of them have.
func TestNumberOfSeveralStreams(t *testing.T) {
	for _, c := range []struct {
		one, two []codec.Version
		want     string
	}{
		{[]codec.Version{{ID: 1}, {ID: 3}}, []codec.Version{{ID: 3}}, ""},
		{[]codec.Version{{ID: 1}}, nil, ""},
		{[]codec.Version{{ID: 1}}, []codec.Version{{ID: 2}}, `expected a schema that all streams behind it have, got none that is the same in "one", "two"`},
		{nil, nil, "expected the number of the schema"},
	} {
		pl := &Planned{cat: &Catalog{Streams: map[string]Stream{"one": {Versions: c.one}, "two": {Versions: c.two}}}}
		s := &node{Step: &plan.Step{Name: "s", Kind: plan.Map}, lang: encode}
		b := &node{Step: &plan.Step{Name: "b", Kind: plan.Broadcast}, prev: s}
		pl.nodes = []*node{s, b}
		for _, name := range []string{"one", "two"} {
			pl.nodes = append(pl.nodes, &node{Step: &plan.Step{Name: name, Kind: plan.Sink, Stream: name}, prev: b})
		}
		with, err := jsoncodec.New().With([]byte(`{"prefix":"confluent"}`))
		if err != nil {
			t.Fatal(err)
		}
		s.impl, s.Function = with, &plan.Function{Name: "builtin:json.encode"}
		ps := versions(pl)
		if got := ps.Error(); c.want == "" && len(ps) > 0 || c.want != "" && !strings.Contains(got, c.want) {
			t.Errorf("%v and %v: got %q, want %q", c.one, c.two, got, c.want)
		}
	}
}
