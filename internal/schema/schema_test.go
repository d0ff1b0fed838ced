package schema_test

import (
	"bytes"
	"encoding/json/jsontext"
	"errors"
	"flag"
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	gotypes "go/types"
	"io/fs"
	"maps"
	"math/big"
	"os"
	"path/filepath"
	"reflect"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
	"testing/fstest"

	"github.com/santhosh-tekuri/jsonschema/v6"
	"pgregory.net/rapid"

	"github.com/levada-io/levada/codec"
	"github.com/levada-io/levada/codec/avro"
	"github.com/levada-io/levada/codec/json"
	"github.com/levada-io/levada/internal/schema"
	"github.com/levada-io/levada/internal/schema/testdata/types"
	"github.com/levada-io/levada/plan"
)

var update = flag.Bool("update", false, "write testdata anew")

// roots are the types of the repository's schemas. That this compiles is the proof that
// the generated code does.
var roots = map[string]reflect.Type{
	"gauge-readings": reflect.TypeFor[types.GaugeReading](),
	"gate-commands":  reflect.TypeFor[types.GateCommand](),
	"gate-log":       reflect.TypeFor[types.GateLog](),
	"alarms":         reflect.TypeFor[types.Alarm](),
	"sluices":        reflect.TypeFor[types.Sluice](),
	"passages":       reflect.TypeFor[types.Passage](),
	"levels":         reflect.TypeFor[types.Level](),
	"anything":       reflect.TypeFor[types.AnythingMessage](),
	"soundings":      reflect.TypeFor[types.Sounding](),
	"stamps":         reflect.TypeFor[types.StampsMessage](),
	"beacons":        reflect.TypeFor[types.Beacon](),
	"weirs":          reflect.TypeFor[types.Weir](),
	"berths":         reflect.TypeFor[types.Berth](),
	"tolls":          reflect.TypeFor[types.Toll](),
}

// messages are those of protocol buffers.
var messages = map[string]reflect.Type{
	"tides.proto#river.v1.Tide":                reflect.TypeFor[types.Tide](),
	"tides.proto#river.v1.Instrument":          reflect.TypeFor[types.Instrument](),
	"lamps.proto#river.v1.Lamp":                reflect.TypeFor[types.Lamp](),
	"common/place.proto#river.v1.common.Place": reflect.TypeFor[types.Place](),
}

func TestGoldenTypes(t *testing.T) {
	fsys := os.DirFS("testdata/repo/schemas")
	var files []string
	for _, pattern := range []string{"*.schema.json", "*.avsc", "*.proto"} {
		some, err := fs.Glob(fsys, pattern)
		if err != nil {
			t.Fatal(err)
		}
		files = append(files, some...)
	}
	g, err := schema.Go(fsys, "types", files, nil)
	if err != nil {
		t.Fatal(err)
	}
	var notes strings.Builder
	for _, n := range g.Notes {
		notes.WriteString(n.String() + "\n")
	}
	golden := map[string][]byte{"testdata/types/types.go": g.Source, "testdata/types/notes.txt": []byte(notes.String())}
	for name, text := range g.Messages {
		golden["testdata/types/"+name] = text
	}
	if len(g.Messages) != 3 {
		t.Errorf("expected a file for each of three schemas, got %v", slices.Sorted(maps.Keys(g.Messages)))
	}
	for path, got := range golden {
		if *update {
			if err := os.WriteFile(path, got, 0o644); err != nil {
				t.Fatal(err)
			}
		}
		if want, err := os.ReadFile(path); err != nil || !bytes.Equal(want, got) {
			t.Errorf("%s is not current (%v):\n%s\nhint: go test ./internal/schema -update", path, err, got)
		}
	}
	for root, typ := range messages {
		if g.Roots[root] != typ.Name() {
			t.Errorf("%s: expected %s, got %q", root, typ.Name(), g.Roots[root])
		}
		delete(g.Roots, root)
	}
	for file, name := range g.Roots {
		// The name of an alias is not in reflect.
		if typ := roots[strings.TrimSuffix(strings.TrimSuffix(file, ".schema.json"), ".avsc")]; typ == nil || typ.PkgPath() != "" && typ.Name() != name && typ != reflect.TypeFor[jsontext.Value]() {
			t.Errorf("%s: expected %s in roots, got %v", file, name, typ)
		}
	}
	again, err := schema.Go(fsys, "types", files, g.Names)
	if err != nil || !bytes.Equal(again.Source, g.Source) {
		t.Errorf("with its own names locked: expected the same source, got %v", err)
	}
}

// TestExamplesComeBack decodes and encodes every example of the repository with Levada's
// own codec. The oracle accepts what went in and what came out.
func TestExamplesComeBack(t *testing.T) {
	folder, err := filepath.Abs("testdata/repo/schemas")
	if err != nil {
		t.Fatal(err)
	}
	for name, typ := range roots {
		examples, err := filepath.Glob("testdata/repo/examples/" + name + "/1/*.json")
		if err != nil || len(examples) == 0 {
			t.Fatalf("%s: expected examples, got none: %v", name, err)
		}
		var oracle *jsonschema.Schema // Avro has none
		if _, err := os.Stat("testdata/repo/schemas/" + name + ".avsc"); err != nil {
			if oracle, err = compile(folder, name+".schema.json"); err != nil {
				t.Fatal(err)
			}
		}
		bound, err := json.New().Bind(typ)
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		var binary codec.Bound
		if text, err := os.ReadFile("testdata/repo/schemas/" + name + ".avsc"); err == nil && name != "soundings" { // which has decimals
			c, err := avro.Of(string(text))
			if err != nil {
				t.Fatal(err)
			}
			if binary, err = c.Bind(typ); err != nil {
				t.Fatal(err)
			}
		}
		for _, path := range examples {
			in, err := os.ReadFile(path)
			if err != nil {
				t.Fatal(err)
			}
			v := reflect.New(typ).Interface()
			if err := bound.Decode(in, v); err != nil {
				t.Errorf("%s: %v", path, err)
				continue
			}
			if binary != nil {
				message, err := binary.Append(nil, v)
				again := reflect.New(typ).Interface()
				if err == nil {
					err = binary.Decode(message, again)
				}
				if err != nil {
					t.Errorf("%s: by Avro: %v", path, err)
					continue
				}
				v = again
			}
			out, err := bound.Append(nil, v)
			if err != nil {
				t.Errorf("%s: %v", path, err)
				continue
			}
			for what, text := range map[string][]byte{"example": in, "what came back": out} {
				doc, err := jsonschema.UnmarshalJSON(bytes.NewReader(text))
				if err == nil && oracle != nil {
					err = oracle.Validate(doc)
				}
				if err != nil {
					t.Errorf("%s: the oracle refuses the %s: %v", path, what, err)
				}
			}
			if a, b := parsed(t, in), parsed(t, out); !reflect.DeepEqual(a, b) {
				t.Errorf("%s: came back as\n%s", path, out)
			}
		}
	}
}

// TestRepositoryHasEverything: what a schema may say stands in the repository, at a place,
// and an example has a value there.
func TestRepositoryHasEverything(t *testing.T) {
	for _, c := range []struct{ feature, schema, at, example, value string }{
		{"an unknown member", "gauge-readings", "", "1", "/unknown/kept"},
		{"required and nullable", "gauge-readings", "/definitions/Reading/properties/note", "1", "/note"},
		{"optional", "gauge-readings", "/definitions/Reading/properties/offset", "1", "/offset"},
		{"optional and nullable: null", "gauge-readings", "/definitions/Reading/properties/flow", "1", "/flow"},
		{"optional and nullable: a value", "gauge-readings", "/definitions/Reading/properties/flow", "3", "/flow"},
		{"nullable by oneOf", "gauge-readings", "/definitions/Reading/properties/basin/oneOf/1", "3", "/basin"},
		{"nullable by anyOf", "berths", "/properties/holder/anyOf/0", "1", "/holder"},
		{"nullable list", "sluices", "/properties/sides", "1", "/sides"},
		{"nullable enum", "sluices", "/properties/mood/enum/2", "3", "/mood"},
		{"values of a map nullable", "berths", "/properties/depths/additionalProperties", "2", "/depths/stern"},
		{"a reference to itself at the root", "gauge-readings", "/$ref", "1", ""},
		{"a reference to a file by file://", "alarms", "/allOf/0/$ref", "1", "/v"},
		{"a reference to a file beside it", "gate-log", "/items/2/$ref", "1", "/2"},
		{"a reference to the file itself", "passages", "/$defs/Boat/properties/before/$ref", "2", "/before"},
		{"a reference by the own $id", "berths", "/properties/reach/anyOf/1/$ref", "2", "/reach/phone"},
		{"a reference with an escape", "berths", "/properties/reach/anyOf/0/$ref", "3", "/reach/mail"},
		{"const of text", "gate-commands", "/definitions/Open/properties/kind/const", "1", "/kind"},
		{"const of an integer", "berths", "/properties/version/const", "1", "/version"},
		{"const of a bool", "berths", "/properties/paid/const", "1", "/paid"},
		{"enum without type", "gauge-readings", "/definitions/Reading/properties/state/enum", "1", "/state"},
		{"enum with type", "gauge-readings", "/definitions/Reading/properties/grade/enum", "1", "/grade"},
		{"typed map", "gauge-readings", "/definitions/Reading/properties/tags", "1", "/tags/a"},
		{"map of objects", "berths", "/properties/boats", "2", "/boats/a/parent/name"},
		{"map by pattern", "gauge-readings", "/definitions/Reading/properties/units/patternProperties", "1", "/units/m"},
		{"patterns beside members", "berths", "/properties/mooring/patternProperties", "2", "/mooring/x-note"},
		{"other members beside members", "berths", "/properties/mooring/additionalProperties", "2", "/mooring/3"},
		{"union by tag", "gate-commands", "/oneOf", "2", "/kind"},
		{"union by constants", "passages", "/$defs/Load/oneOf", "1", "/load/kind"},
		{"union by required members", "passages", "/oneOf", "3", "/logs"},
		{"union by required members, of both", "berths", "/properties/reach/anyOf", "1", "/reach/phone"},
		{"union of scalars and arrays", "passages", "/$defs/Boat/properties/marks/items/anyOf/2", "2", "/marks/2/1"},
		{"union at the root", "passages", "/oneOf/2", "4", ""},
		{"union that types can not tell", "passages", "/$defs/Boat/properties/berth", "2", "/berth/quay"},
		{"union that leaves it open", "berths", "/properties/free_form/anyOf/1", "2", "/free_form/a/1"},
		{"several scalar types", "passages", "/$defs/Boat/properties/draught/type", "5", "/draught"},
		{"tuple by items", "gate-log", "/items", "1", "/1"},
		{"constant position", "gate-log", "/items/0/const", "1", "/0"},
		{"tuple by prefixItems", "sluices", "/properties/pair/prefixItems", "2", "/pair/1"},
		{"tuple that Go has an array for", "sluices", "/properties/home/prefixItems", "2", "/home/1"},
		{"prefixItems in a file of draft-07", "gauge-readings", "/definitions/Reading/properties/pair/prefixItems", "1", "/pair/0"},
		{"bound of a uint64", "gauge-readings", "/definitions/Reading/properties/serial/maximum", "1", "/serial"},
		{"bound beyond a uint64", "sluices", "/properties/huge/maximum", "2", "/huge"},
		{"bound below an int64", "sluices", "/properties/debt/minimum", "2", "/debt"},
		{"a name with dots", "gauge-readings", "/definitions/Reading/properties/site.river.name", "1", "/site.river.name"},
		{"allOf over files", "alarms", "/allOf", "1", "/limit"},
		{"allOf of references only", "tolls", "/allOf/1/$ref", "2", "/currency"},
		{"what stands beside a reference", "berths", "/properties/owner/required", "2", "/owner/since"},
		{"oneOf as a constraint", "alarms", "/oneOf", "1", "/who"},
		{"true as a schema", "gauge-readings", "/definitions/Reading/properties/raw", "1", "/raw"},
		{"false as a schema", "sluices", "/properties/never", "1", ""},
		{"a schema that is true", "anything", "", "2", ""},
		{"recursion by a list", "alarms", "/definitions/Rule/properties/children", "1", "/rule/children/0/op"},
		{"recursion by a member that may be null", "sluices", "/properties/next", "4", "/next/next"},
		{"recursion by a union", "passages", "/$defs/Grain/properties/behind", "3", "/logs/x/behind/behind"},
		{"$bytes", "berths", "/properties/photo/$bytes", "2", "/photo"},
		{"$bytes or null", "berths", "/properties/stamp/$bytes", "2", "/stamp"},
		{"list of lists", "berths", "/properties/grid", "2", "/grid/0/1"},
		{"closed object", "gauge-readings", "/definitions/Basin/additionalProperties", "1", "/basin/parent/name"},
		{"date-time whose digits survive", "gauge-readings", "/definitions/Reading/properties/at", "1", "/at"},
		{"a keyword that nothing holds", "berths", "/properties/count/multipleOf", "2", "/count"},
		{"bounds that are open", "weirs", "/properties/offset/exclusiveMaximum", "2", "/offset"},
		{"lengths and patterns", "weirs", "/properties/code/pattern", "2", "/code"},
	} {
		for what, at := range map[string][2]string{"schema": {"schemas/" + c.schema + ".schema.json", c.at}, "example": {"examples/" + c.schema + "/1/" + c.example + ".json", c.value}} {
			text, err := os.ReadFile(filepath.Join("testdata/repo", at[0]))
			if err != nil {
				t.Errorf("%s: %v", c.feature, err)
				continue
			}
			doc, err := jsonschema.UnmarshalJSON(bytes.NewReader(text))
			if err != nil {
				t.Fatal(err)
			}
			for _, part := range strings.Split(at[1], "/")[1:] {
				ok := false
				switch v := doc.(type) {
				case map[string]any:
					doc, ok = v[part]
				case []any:
					if i, err := strconv.Atoi(part); err == nil && i < len(v) {
						doc, ok = v[i], true
					}
				}
				if !ok {
					t.Errorf("%s: the %s %s has nothing at %s", c.feature, what, at[0], at[1])
					break
				}
			}
		}
	}
}

// host resolves file://NAME, where the name stands in the place of a host.
type host string

func (h host) Load(url string) (any, error) {
	f, err := os.Open(filepath.Join(string(h), filepath.Base(strings.TrimSuffix(url, "/"))))
	if err != nil {
		return nil, err
	}
	defer f.Close()
	return jsonschema.UnmarshalJSON(f)
}

func compile(folder, name string) (*jsonschema.Schema, error) {
	c := jsonschema.NewCompiler()
	c.UseLoader(host(folder))
	return c.Compile("file:///" + name)
}

// parsed is a document whose numbers compare by value: 30.0 is 30.
func parsed(t *testing.T, text []byte) any {
	doc, err := jsonschema.UnmarshalJSON(bytes.NewReader(text))
	if err != nil {
		t.Fatal(err)
	}
	return numbers(doc)
}

func numbers(v any) any {
	switch v := v.(type) {
	case []any:
		for i := range v {
			v[i] = numbers(v[i])
		}
	case map[string]any:
		for k := range v {
			v[k] = numbers(v[k])
		}
	case interface{ String() string }:
		r, _ := new(big.Rat).SetString(v.String())
		return r.RatString()
	}
	return v
}

// What is wrong with a schema is told with the place, what is expected there and what it is.
//
// Fault: schema that refers to itself alone -> refused: the place where it comes back is named, says: expected a $ref that ends at a schema, got one that comes back to itself
// Fault: reference to a file that is missing -> refused: before anything is written, says: s.json#/$ref: other.json: expected a schema, got none
// Fault: reference to a definition that is missing -> refused: what is missing is named, says: got nothing: s.json# has no "definitions"
// Fault: reference to the network -> refused: nothing is fetched at build, by no scheme, says: s.json#/$ref: expected a file of this folder, got "https://example.com/x.json": schemas are not fetched
// Fault: reference out of the folder -> refused: also where it is written in percent signs, says: which leaves it
// Fault: reference by anchor -> refused: they are not supported, says: anchors are not supported
// Fault: malformed schema -> refused: the line and the place, says: s.json#/properties/a: expected JSON, at line 2, column ...: unexpected EOF
// Fault: malformed schema -> refused: text that is no UTF-8 or has half a surrogate pair, says: invalid UTF-8
// Fault: empty schema file -> refused: it is no schema of everything, says: s.json: expected a schema, got an empty file
// Fault: keyword of the wrong kind -> refused: it does not count as absent, says: s.json#/properties/a/minimum: expected a number, got "x"
// Fault: unsupported draft -> refused: before draft-06, or a meta schema of one's own, says: s.json#/$schema: expected draft-06, draft-07, 2019-09 or 2020-12
// Fault: huge schema file -> refused: it is read up to 8 MiB, says: s.json: expected at most 8388608 bytes, got more
// Fault: schema nested too deep -> refused: in the file, says: s.json: expected at most 200 levels
// Fault: schema nested too deep -> refused: by references, says: expected at most 1000 types within each other, got more
// Fault: references that multiply -> refused: forty lines that mean 2^40 types, says: types in all, got more: references multiply them
func TestWrongSchemas(t *testing.T) {
	deep := strings.Repeat(`{"items":`, 300) + "{}" + strings.Repeat("}", 300)
	defs := func(n int, def, last string) string {
		var b strings.Builder
		for i := range n {
			fmt.Fprintf(&b, `"a%d":%s,`, i, strings.ReplaceAll(def, "NEXT", fmt.Sprintf("#/$defs/a%d", i+1)))
		}
		return fmt.Sprintf(`{"$ref":"#/$defs/a0","$defs":{%s"a%d":%s}}`, b.String(), n, last)
	}
	for text, want := range map[string]string{
		`{"$ref":"#/a","a":{"$ref":"#/b"},"b":{"$ref":"#/a"}}`:  "s.json#/a: expected a $ref that ends at a schema, got one that comes back to itself",
		`{"$ref":"other.json"}`:                                 "s.json#/$ref: other.json: expected a schema, got none",
		`{"$ref":"https://example.com/x.json"}`:                 "s.json#/$ref: expected a file of this folder, got \"https://example.com/x.json\": schemas are not fetched",
		`{"$ref":"../../x.json"}`:                               "which leaves it",
		`{"$ref":"#/definitions/X"}`:                            "s.json#/$ref: expected a schema at \"#/definitions/X\", got nothing: s.json# has no \"definitions\"",
		`{"properties":{"a":3}}`:                                "s.json#/properties/a: expected a schema, an object or a boolean, got 3",
		`{"properties":{"a":`:                                   "s.json#/properties/a: expected JSON",
		`{"type":"strin"}`:                                      "s.json#/type: expected a type of JSON Schema, got \"strin\"",
		`{"$schema":"http://json-schema.org/draft-03/schema#"}`: "s.json#/$schema: expected draft-06, draft-07, 2019-09 or 2020-12",
		`{} {}`:                                "s.json: expected one JSON value",
		deep:                                   "s.json: expected at most 200 levels",
		strings.Repeat(" ", schema.MaxBytes+1): "s.json: expected at most 8388608 bytes, got more",

		`{"$ref":"urn:a:b"}`:                             `s.json#/$ref: expected a file of this folder, got "urn:a:b": schemas are not fetched`,
		`{"$ref":"http:x.json"}`:                         `got "http:x.json": schemas are not fetched`,
		`{"$ref":"data:application/json,{}"}`:            "schemas are not fetched",
		`{"$ref":"%2e%2e/x.json"}`:                       `got "%2e%2e/x.json", which leaves it`,
		`{"$ref":"%zz.json"}`:                            `s.json#/$ref: expected a file of this folder, got "%zz.json"`,
		`{"$ref":"file:///etc/passwd"}`:                  "s.json#/$ref: etc/passwd: expected a schema, got none",
		`{"$ref":"#here"}`:                               `expected a JSON pointer behind #, got "here": anchors are not supported`,
		`{"$ref":5}`:                                     "s.json#/$ref: expected a string, got 5",
		"{\n\"properties\":{\"a\":":                      "s.json#/properties/a: expected JSON, at line 2, column 19: unexpected EOF",
		"{\"title\":\"\xff\"}":                           "s.json#/title: expected JSON, at line 1, column 11: invalid UTF-8",
		`{"title":"\ud800"}`:                             "s.json#/title: expected JSON, at line 1",
		"":                                               "s.json: expected a schema, got an empty file",
		" \n":                                            "s.json: expected a schema, got an empty file",
		"\ufeff{}":                                       "s.json#: expected JSON, at line 1, column 1: invalid character",
		`{"$schema":7}`:                                  "expected draft-06, draft-07, 2019-09 or 2020-12, got 7",
		`{"$schema":"https://example.com/own"}`:          `expected draft-06, draft-07, 2019-09 or 2020-12, got "https://example.com/own"`,
		`{"required":"a"}`:                               `s.json#/required: expected an array of names, got "a"`,
		`{"required":["a",1]}`:                           "s.json#/required/1: expected a name, got 1",
		`{"properties":[]}`:                              "s.json#/properties: expected an object of schemas, got an empty array",
		`{"type":"object","patternProperties":3}`:        "s.json#/patternProperties: expected an object of schemas, got 3",
		`{"type":"object","additionalProperties":5}`:     "s.json#/additionalProperties: expected a schema, an object or a boolean, got 5",
		`{"items":5}`:                                    "s.json#/items: expected a schema, an object or a boolean, got 5",
		`{"enum":[]}`:                                    "s.json#/enum: expected an array of values, got an empty array",
		`{"anyOf":[]}`:                                   "s.json#/anyOf: expected an array of schemas, got an empty array",
		`{"properties":{"a":{"minimum":"x"}}}`:           `s.json#/properties/a/minimum: expected a number, got "x"`,
		`{"properties":{"a":{"minLength":-1}}}`:          "s.json#/properties/a/minLength: expected an integer >= 0, got -1",
		`{"properties":{"a":{"maxItems":1.5}}}`:          "s.json#/properties/a/maxItems: expected an integer >= 0, got 1.5",
		`{"properties":{"a":{"pattern":5}}}`:             "s.json#/properties/a/pattern: expected a string, got 5",
		`{"allOf":[{"properties":{}},{"required":"a"}]}`: `s.json#/allOf/1/required: expected an array of names, got "a"`,

		defs(1001, `{"items":{"$ref":"NEXT"}}`, `{}`):                                                          "expected at most 1000 types within each other, got more",
		defs(40, `{"prefixItems":[{"$ref":"NEXT"},{"$ref":"NEXT"}],"items":false,"minItems":2}`, `{}`):         "expected at most 200000 types in all, got more: references multiply them",
		defs(40, `{"prefixItems":[{"items":{"$ref":"NEXT"}},{"additionalProperties":{"$ref":"NEXT"}}]}`, `{}`): "expected at most 200000 types in all",
	} {
		_, err := schema.Go(fstest.MapFS{"s.json": {Data: []byte(text)}}, "p", []string{"s.json"}, nil)
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%.60s: expected %q, got %v", text, want, err)
		}
	}
}

// A union of unions is one type here, named or JSON, but as many in a comparison; what is
// told of it stays short.
//
// Fault: references that multiply -> refused: where schemas are compared, and unions count whole, says: references multiply them
func TestUnionsThatMultiply(t *testing.T) {
	for _, def := range []string{
		`{"anyOf":[{"items":{"$ref":"NEXT"}},{"additionalProperties":{"$ref":"NEXT"}}]}`,
		`{"items":{"anyOf":[{"$ref":"NEXT"},{"items":{"$ref":"NEXT"}}]}}`,
	} {
		var b strings.Builder
		for i := range 40 {
			fmt.Fprintf(&b, `"a%d":%s,`, i, strings.ReplaceAll(def, "NEXT", fmt.Sprintf("#/$defs/a%d", i+1)))
		}
		fsys := fstest.MapFS{"s.json": {Data: []byte(fmt.Sprintf(`{"properties":{"m":{"$ref":"#/$defs/a0"}},"$defs":{%s"a40":{"type":"string"}}}`, b.String()))}}
		g, err := schema.Go(fsys, "p", []string{"s.json"}, nil)
		if err != nil {
			t.Fatal(err)
		}
		for _, n := range g.Notes {
			if len(n.Text) > 10_000 {
				t.Errorf("expected a note that can be read, got one of %d bytes", len(n.Text))
			}
		}
		if _, err := schema.ReadTypes(fsys, "repo", "", nil); err == nil || !strings.Contains(err.Error(), "repo: s.json#: expected at most 200000 types in all, got more: references multiply them") {
			t.Errorf("got %v", err)
		}
	}
}

// What a schema allows to contain itself is JSON where Go has no such type.
func TestRecursionWithoutObject(t *testing.T) {
	g, err := schema.Go(fstest.MapFS{"s.json": {Data: []byte(`{"type":"array","items":{"$ref":"#"}}`)}}, "p", []string{"s.json"}, nil)
	if err != nil {
		t.Fatal(err)
	}
	if !strings.Contains(string(g.Source), "= []jsontext.Value") || len(g.Notes) != 1 {
		t.Errorf("got %v\n%s", g.Notes, g.Source)
	}
}

// What becomes of a schema, a line of the source each, and what is noted of it.
func TestWhatBecomesOfIt(t *testing.T) {
	const word, base = `"W":{"type":"string"}`, `"B":{"title":"base","type":"object","properties":{"a":{"type":"string"}},"required":["a"]}`
	member := func(schema string) string { return `{"title":"t","properties":{"m":` + schema + `}}` }
	for _, c := range []struct{ schema, want, note string }{
		// What stands beside a $ref.
		{`{"title":"t","$ref":"#/$defs/B","properties":{"b":{"type":"integer"}},"$defs":{` + base + `}}`, "type T struct { A string `json:\"a\"`; B *int64 `json:\"b,omitzero\"`", ""},
		{`{"title":"t","$ref":"#/$defs/B","required":["c"],"$defs":{` + base + `}}`, "type T struct { A string `json:\"a\"`; C jsontext.Value `json:\"c\"`", ""},
		{`{"title":"t","$ref":"#/$defs/B","type":"object","additionalProperties":false,"$defs":{` + base + `}}`, "type Base struct { A string", ""},
		{`{"$schema":"http://json-schema.org/draft-07/schema#","$ref":"#/$defs/B","properties":{"b":{"type":"integer"}},"$defs":{` + base + `}}`, "type Base struct { A string `json:\"a\"`; // Extra", "s.json#: what stands beside a $ref has no effect before draft 2019-09"},
		{`{"title":"t","properties":{"m":{"$ref":"#/$defs/W","enum":["x","y"]}},"$defs":{` + word + `}}`, "M *TM", ""},
		{`{"title":"t","properties":{"m":{"$ref":"#/$defs/B","type":"string","pattern":"x","items":{}}},"$defs":{` + base + `}}`, "may be absent", "s.json#/properties/m: an allOf of what is no object"},
		{`{"title":"t","$ref":"#/$defs/N","properties":{"m":{"$ref":"#"}},"$defs":{"N":{"$ref":"#","properties":{"n":true},"required":["n"]}}}`, "M *T", ""},

		// Three states.
		{member(`{"type":["string","null"]}`), "M levada.Opt[string] `json:\"m,omitzero\"`", ""},
		{member(`{"type":["array","null"],"items":{"type":["integer","null"]}}`), "M levada.Opt[[]*int64]", ""},
		{member(`{"anyOf":[{"$ref":"#"},{"type":"null"}]}`), "", `the member "m" may be absent and may be null, and contains itself: it stands in Extra`},
		{member(`{"type":"array","items":{"anyOf":[{"$ref":"#"},{"type":"null"}]}}`), "M []*T", ""},
		{`{"title":"t","properties":{"m":{"type":["object","null"],"properties":{"n":{"type":["array","null"],"prefixItems":[{"$ref":"#"}],"items":false,"minItems":1}}}}}`, "", `the member "n" may be absent and may be null, and contains itself`},
		{member(`true`), "", `the member "m" may be absent and may be null: it stands in Extra`},
		{member(`{"type":["string","integer"]}`), "M TM `json:\"m,omitzero\"`", ""},
		{member(`{"type":["string","integer","null"]}`), "M levada.Opt[TM] `json:\"m,omitzero\"`", ""},
		{`{"title":"t","required":["m"],"properties":{"m":{"type":["string","integer","null"]}}}`, "M *TM `json:\"m\"`", ""},

		// Unions.
		{member(`{"type":["boolean","number","array"],"items":{"type":"string"}}`), "type TMList []string; ; func (TMBool) isTM() {}; func (TMNumber) isTM() {}; func (TMList) isTM() {}; ; var _ = levada.Union[TM](TMBool(false), TMNumber(0), TMList(nil))", ""},
		{member(`{"anyOf":[{"type":"string"},{"prefixItems":[{"type":"string"},{"type":"integer"}]}]}`), "type TMTuple []jsontext.Value", "positions with types of their own"},
		{member(`{"anyOf":[{"type":"string"},{"prefixItems":[{"type":"number"},{"type":"number"}],"items":false,"minItems":2}]}`), "type TMTuple [2]float64", ""},
		{member(`{"anyOf":[{"enum":["x","y"]},{"type":"object","additionalProperties":{"type":"integer"}}]}`), "type TMMap map[string]int64; ; func (TM_1) isTM() {}; func (TMMap) isTM() {}", ""},
		{member(`{"anyOf":[{"type":"integer"},{"anyOf":[{"type":"string"},{"type":"null"}]}]}`), "M levada.Opt[TM]", ""},
		{member(`{"items":{"type":["string","integer"]}}`), "M []TMItem", ""},
		{member(`{"additionalProperties":{"type":["string","integer","null"]}}`), "M map[string]*TMValue", ""},
		{member(`{"type":["string","integer"],"minLength":1}`), "M TM", "its rules are not checked: they stand in tags of members only"},
		{`{"title":"t","oneOf":[{"title":"a","required":["k"],"properties":{"k":{"const":"a"}}},{"title":"b","required":["k"],"properties":{"k":{"const":"b"}}}]}`, "// T is s.json#: one of A, B.; type T interface{ isT() }; ; func (A) isT() {}; func (B) isT() {}; ; var _ = levada.Union[T](A{}, B{})", ""},
		{`{"title":"t","oneOf":[{"title":"a","required":["x"],"properties":{"x":{}}},{"title":"b","required":["y"],"properties":{"y":{}}}]}`, "type T interface{ isT() }", "a message with those of several, which the schema refuses, is read as the first of them"},
		{`{"title":"t","anyOf":[{"title":"a","required":["x"],"properties":{"x":{}}},{"title":"b","required":["y"],"properties":{"y":{}}}]}`, "type T interface{ isT() }", "s.json#: variants are told by their required members: a message with those of several is read as the first of them"},
		{`{"title":"t","anyOf":[{"title":"a","required":["x"],"properties":{"x":{},"y":{}}},{"title":"b","required":["y"],"properties":{"y":{}}}]}`, "type T = jsontext.Value", "s.json#: one of A, B: no constant and no required members tell A and B apart"},
		{`{"title":"t","anyOf":[{"title":"a","properties":{"k":{"const":"a"}}},{"title":"b","required":["k"],"properties":{"k":{"const":"b"}}}]}`, "type T = jsontext.Value", "tell A and B apart"},
		{`{"title":"t","anyOf":[{"title":"a","required":["k"],"properties":{"k":{"enum":["a",null]}}},{"title":"b","required":["k"],"properties":{"k":{"const":"b"}}}]}`, "type T = jsontext.Value", "tell A and B apart"},
		{"{\"title\":\"t\",\"anyOf\":[{\"title\":\"a\",\"required\":[\"`\"],\"properties\":{\"`\":{}}},{\"title\":\"b\",\"required\":[\"y\"],\"properties\":{\"y\":{}}}]}", "type T = jsontext.Value", "tell A and B apart"},
		// A union that leaves it open what a message is.
		{`{"title":"t","anyOf":[{"title":"a","required":["x"],"properties":{"x":{}}},{}]}`, "type T = jsontext.Value", "one of A, anything: anything has no kind of its own"},
		{`{"title":"t","anyOf":[{"title":"a","required":["x"],"properties":{"x":{}}},true]}`, "type T = jsontext.Value", "one of A, anything: anything has no kind of its own"},
		{`{"title":"t","anyOf":[{"title":"a","required":["x"],"properties":{"x":{}}},{"type":"object"}]}`, "type T = jsontext.Value", "A and map of anything are both JSON objects"},
		{member(`{"oneOf":[{"type":"string"},{"not":{"type":"string"}}]}`), "", `the member "m" may be absent and may be null: it stands in Extra`},
		{member(`{"anyOf":[{"type":"integer"},{"type":"number"}]}`), "M jsontext.Value", "one of integer, number: integer and number are both JSON numbers"},
		{member(`{"anyOf":[{"type":"string"},{"$bytes":true}]}`), "M jsontext.Value", "string and bytes are both JSON strings"},
		{member(`{"anyOf":[{"title":"a","required":["x"]},{"type":"object","additionalProperties":{"type":"integer"}}]}`), "M jsontext.Value", "A and map of integer are both JSON objects"},
		{member(`{"anyOf":[{"type":"string"},{"items":{"type":["integer","null"]}},{"type":"integer","maximum":1e30}]}`), "M jsontext.Value", "anything has no kind of its own"},
		{`{"title":"t","type":["string","integer","null"]}`, "type T = jsontext.Value", "one of string, integer: a message may be null as a whole"},
		{`{"title":"t","anyOf":[{"type":"string"},{"type":"array","items":{"$ref":"#"}}]}`, "type TList []jsontext.Value", "contains itself without an object between"},
		{`{"title":"t","anyOf":[{"type":"string"},{"title":"n","required":["down"],"properties":{"down":{"$ref":"#"}}}]}`, "Down T `json:\"down\"`", ""},
		{`{"title":"t","anyOf":[{"type":"string"},{"title":"n","properties":{"down":{"anyOf":[{"$ref":"#"},{"type":"boolean"}]}}},{"type":"integer"}]}`, "Down jsontext.Value", "one of string or N or integer, bool: string or N or integer has no kind of its own"},
		{`{"title":"t","type":["object","string"],"required":["down"],"properties":{"down":{"$ref":"#"},"more":{"$ref":"#"}}}`, "Down T_2 `json:\"down\"`; More T_2 `json:\"more,omitzero\"`", ""},
		{`{"title":"t","properties":{"m":{"$ref":"#/$defs/U"},"n":{"$ref":"#/$defs/U"}},"$defs":{"U":{"type":["string","integer"]}}}`, "M U `json:\"m,omitzero\"`; N U `json:\"n,omitzero\"`", ""},
		{member(`{"anyOf":[{"type":"integer","maximum":1e20},{"type":"null"}]}`), "", `the member "m" may be absent and may be null: it stands in Extra`},

		// Arrays of a fixed length.
		{member(`{"prefixItems":[{"type":"number"},{"type":"number"}],"items":false,"minItems":2}`), "M *[2]float64 `json:\"m,omitzero\"`", ""},
		{member(`{"prefixItems":[{"type":"number"},{"type":"number"}],"maxItems":2,"minItems":2}`), "M *[2]float64", ""},
		{member(`{"prefixItems":[{"type":"number"},{"type":"number"}],"items":false}`), "M jsontext.Value", "a length of its own"},
		{member(`{"prefixItems":[{"type":"number"},{"type":"number"}],"minItems":2}`), "M jsontext.Value", "a length of its own"},
		{member(`{"prefixItems":[{"type":"number"},{"type":"number"}],"items":false,"minItems":2,"maxItems":1}`), "M jsontext.Value", "a length of its own"},
		{member(`{"prefixItems":[{"type":"number"},{"type":["number","null"]}],"items":false,"minItems":2}`), "M jsontext.Value", "positions with types of their own"},
		{member(`{"prefixItems":[true],"items":false,"minItems":1}`), "M jsontext.Value", "positions with types of their own"},
		{member(`{"prefixItems":[` + strings.Repeat(`{"type":"number"},`, 8) + `{"type":"number"}],"items":false,"minItems":9}`), "M jsontext.Value", "more than 8 positions"},
		{`{"$schema":"http://json-schema.org/draft-07/schema#","title":"t","required":["m"],"properties":{"m":{"items":[{"type":["string","null"]}],"additionalItems":false,"minItems":1}}}`, "M [1]*string `json:\"m\"`", ""},
		{`{"title":"t","required":["m"],"properties":{"m":{"prefixItems":[{"$ref":"#"}],"items":false,"minItems":1}}}`, "M *[1]T `json:\"m\"`", ""},

		// Constants.
		{member(`{"const":"a \"b\"\n"}`), "M *TM `json:\"m,omitzero\" levada:\"const=a \\\"b\\\"\\n\"`", ""},
		{`{"title":"t","required":["m"],"properties":{"m":{"const":-3}}}`, "M TM `json:\"m\" levada:\"const=-3\"`", ""},
		{member(`{"const":true}`), "M *bool `json:\"m,omitzero\" levada:\"const=true\"`", ""},
		{member(`{"anyOf":[{"const":"x"},{"type":"null"}]}`), "M levada.Opt[TM_1] `json:\"m,omitzero\" levada:\"const=x\"`", ""},
		{member(`{"anyOf":[{"const":true},{"type":"null"}]}`), "M levada.Opt[bool] `json:\"m,omitzero\" levada:\"const=true\"`", ""},
		{member(`{"type":"string","allOf":[{"const":"x"}]}`), "M *TM `json:\"m,omitzero\" levada:\"const=x\"`", ""},
		{member(`{"enum":["x"]}`), "M *TM `json:\"m,omitzero\" levada:\"enum=x\"`", ""},

		// Rules.
		{member(`{"type":"integer","minimum":0.5}`), "M *uint64 `json:\"m,omitzero\" levada:\"min=1\"`", ""},
		{member(`{"type":"integer","minimum":0}`), "M *uint64 `json:\"m,omitzero\"`", ""},
		{member(`{"type":"integer","minimum":3,"maximum":2}`), "M *uint64 `json:\"m,omitzero\"`", "no number is in between"},
		{member(`{"type":"number","minimum":1,"exclusiveMinimum":0}`), "M *float64 `json:\"m,omitzero\" levada:\"min=1\"`", ""},
		{member(`{"type":"string","pattern":"(?=a)"}`), "M *string `json:\"m,omitzero\"`", "a pattern that RE2 does not have: it is not checked"},
		{member("{\"type\":\"string\",\"pattern\":\"`\"}"), "M *string `json:\"m,omitzero\"`", "a backquote, which no tag can hold"},
		{member(`{"type":"array","maxItems":2,"items":{"type":"string","minLength":1}}`), "M []string `json:\"m,omitzero\" levada:\"maxlen=2,each.minlen=1\"`", ""},
		{member(`{"type":"array","items":{"type":"array","maxItems":3,"items":{"type":"string","maxLength":4,"pattern":"a"}}}`), "M [][]string `json:\"m,omitzero\" levada:\"each.maxlen=3,each.each.maxlen=4,pattern=a\"`", ""},
		{member(`{"type":"object","additionalProperties":{"type":["string","null"],"minLength":1}}`), "M map[string]*string `json:\"m,omitzero\" levada:\"each.minlen=1\"`", ""},
		{member(`{"type":"integer","anyOf":[{"maximum":1},{"minimum":9}]}`), "M *int64 `json:\"m,omitzero\"`", "is a constraint"},
		{member(`{"anyOf":[{"type":"string","maxLength":1},{"type":"string","pattern":"^a"}]}`), "M *string `json:\"m,omitzero\"`", "several rules for one type: they are not checked"},
		{`{"title":"t","type":"string","maxLength":1}`, "type T = string", "its rules are not checked: they stand in tags of members only"},
		{member(`{"items":{"const":"x"}}`), "M []TMItem `json:\"m,omitzero\"`", ""},
		{member("{\"const\":\"`\"}"), "M *TM `json:\"m,omitzero\"`", "the constant \"`\" can not stand in a tag"},
		{member(`{"const":-0}`), "M *TM `json:\"m,omitzero\"`", "the constant -0 can not stand in a tag"},
		{member(`{"const":1.5}`), "", "a constant that is no text, integer or bool"},
		{member(`{"enum":["x",1]}`), "", "values of several kinds"},

		// What nothing holds is told.
		{member(`{"type":"integer","multipleOf":5,"not":{"const":0}}`), "M *int64", "s.json#/properties/m: multipleOf, not: not checked"},
		{member(`{"type":"array","items":{"type":"string"},"uniqueItems":true,"contains":{}}`), "M []string", "uniqueItems, contains: not checked"},
		{member(`{"type":"array","items":{"type":"string"},"uniqueItems":false}`), "M []string", ""},
		{`{"title":"t","properties":{"a":{"type":"string"}},"dependentRequired":{"a":["b"]},"if":{},"unevaluatedProperties":false}`, "A *string", "s.json#: if, dependentRequired, unevaluatedProperties: not checked"},
		{`{"title":"t","allOf":[{"properties":{"a":{"type":"string"}},"propertyNames":{"maxLength":3}},{"required":["a"]}]}`, "A string", "s.json#/allOf/0: propertyNames: not checked"},
		{`{"title":"t","required":["m"],"properties":{"m":{"$dynamicRef":"#n"}}}`, "M jsontext.Value", "s.json#/properties/m/$dynamicRef: $dynamicRef is not followed: what it leads to stays JSON"},
		{member(`{"type":"integer","minimum":0,"exclusiveMinimum":true}`), "M *uint64", "exclusiveMinimum is a number since draft-06: it is not checked"},
		{`{"title":"t","properties":{"a":{"type":"string"},"b":{"type":"string"},"a":{"type":"integer"}}}`, "A *int64 `json:\"a,omitzero\"`; B *string", "s.json#/properties/a: comes twice: the last one counts"},
		{`{"title":"t","type":"string","properties":{"a":{"type":"string"}},"type":"object"}`, "A *string", "s.json#/type: comes twice: the last one counts"},

		// Bounds.
		{member(`{"type":"integer","minimum":0,"maximum":18446744073709551615}`), "M *uint64", ""},
		{member(`{"type":"integer","minimum":0,"maximum":18446744073709551616}`), "M jsontext.Value", "integers of more than 64 bits"},
		{member(`{"type":"integer","maximum":9223372036854775808}`), "M jsontext.Value", "integers of more than 64 bits"},
		{member(`{"type":"integer","exclusiveMaximum":9223372036854775808}`), "M *int64", ""},
		{member(`{"type":"integer","minimum":-1e19}`), "M jsontext.Value", "integers of more than 64 bits"},
		{member(`{"type":"integer","maximum":1e99999999}`), "M *int64", ""},
	} {
		g, err := schema.Go(fstest.MapFS{"s.json": {Data: []byte(c.schema)}}, "p", []string{"s.json"}, nil)
		if err != nil {
			t.Errorf("%s: %v", c.schema, err)
			continue
		}
		var lines []string
		for line := range strings.Lines(string(g.Source)) {
			lines = append(lines, strings.Join(strings.Fields(line), " "))
		}
		if got := strings.ReplaceAll(strings.Join(lines, "; "), "{; ", "{ "); !strings.Contains(got, c.want) {
			t.Errorf("%s: expected %q, got\n%s", c.schema, c.want, g.Source)
		}
		var notes strings.Builder
		for _, n := range g.Notes {
			notes.WriteString(n.String() + "\n")
		}
		if !strings.Contains(notes.String(), c.note) || c.note == "" && notes.Len() > 0 {
			t.Errorf("%s: expected the note %q, got %q", c.schema, c.note, notes.String())
		}
	}
}

// The type of a const refuses what its schema refuses.
func TestConstantsAreHeld(t *testing.T) {
	bound, err := json.New().Bind(reflect.TypeFor[types.Open]())
	if err != nil {
		t.Fatal(err)
	}
	if err := bound.Decode([]byte(`{"kind":"shut","by":1}`), new(types.Open)); err == nil || err.Error() != `$.kind: expected "open", got "shut"` {
		t.Errorf("got %v", err)
	}
	out, err := bound.Append(nil, &types.Open{By: 1})
	if err != nil || string(out) != `{"kind":"open","by":1}` {
		t.Errorf("got %s, %v", out, err)
	}
}

// TestRulesAreTheOracles: values that the types refuse are those that the oracle refuses,
// but for what a note says.
func TestRulesAreTheOracles(t *testing.T) {
	folder, err := filepath.Abs("testdata/repo/schemas")
	if err != nil {
		t.Fatal(err)
	}
	oracle, err := compile(folder, "weirs.schema.json")
	if err != nil {
		t.Fatal(err)
	}
	bound, err := json.New().Bind(reflect.TypeFor[types.Weir]())
	if err != nil {
		t.Fatal(err)
	}
	refused := 0
	for member, values := range map[string]string{
		"code":   `"AB-1, left"; "AB-12345, left"; "ab-1, left"; "AB-1, up"; ""; "AB-1, left\n"`,
		"name":   `"ab"; "abcde"; "a"; "abcdef"; "äöüßé"; "ä"; ""`,
		"gates":  `0; 12; 13; -1`,
		"offset": `-2; 3; -3; 4`,
		"big":    `1; 18446744073709551614; 0; 18446744073709551615`,
		"level":  `-1.5; 1.999; -1.6; 2; 2e0`,
		"share":  `null; 1; 1e-9; 0; -0; 1.5`,
		"state":  `"open"; "sh|ut"; "sh"; "ut"; "a\\b"; "a\\\\b"; ""`,
		"grade":  `null; 1; 2; 3; 0`,
		"series": `[1]; []; [1,2,3]; [1,2,3,4]; [0]`,
		"words":  `[]; ["a"]; ["A"]; ["a","b","c","d"]; [""]; ["a",""]`,
		"flags":  `{"a":"y"}; {}; {"a":"y","b":"n","c":"n"}; {"a":"x"}`,
		"span":   `[0,0]; [0,-1]; [-1,0]`,
	} {
		for _, value := range strings.Split(values, "; ") {
			text := `{"code":"AB-1, left","gates":1,"` + member + `":` + value + `}`
			if member == "code" || member == "gates" {
				text = strings.Replace(strings.Replace(text, `"code":"AB-1, left",`, "", 1), `"gates":1,`, "", 1)
				text = strings.Replace(text, "{", map[string]string{"code": `{"gates":1,`, "gates": `{"code":"AB-1, left",`}[member], 1)
			}
			doc, err := jsonschema.UnmarshalJSON(strings.NewReader(text))
			if err != nil {
				t.Fatalf("%s: %v", text, err)
			}
			want := oracle.Validate(doc)
			got := bound.Decode([]byte(text), new(types.Weir))
			if (want == nil) != (got == nil) {
				t.Errorf("%s: the oracle says %v, the type %v", text, want, got)
			}
			if got != nil {
				refused++
			}
		}
	}
	if refused < 25 {
		t.Errorf("expected about half of the values refused, got %d", refused)
	}
}

// What is checked of a pipeline are the messages of today: a constant counts, and a
// default of Avro is no reason for a field not to be there.
func TestReadTypes(t *testing.T) {
	s, err := schema.ReadTypes(fstest.MapFS{
		"a.json": {Data: []byte(`{"properties":{"kind":{"const":"\u0061"},"n":{"type":"integer","minimum":0,"maximum":255}},"required":["n"]}`)},
		"b.avsc": {Data: []byte(`{"type":"record","name":"B","fields":[{"name":"n","type":"int","default":0},{"name":"d","type":["null",{"type":"int","logicalType":"time-millis"}]}]}`)},
	}, "repo", "", nil)
	if err != nil {
		t.Fatal(err)
	}
	n, d := plan.Type{Kind: plan.TInt32}, plan.Type{Kind: plan.TDuration, Nullable: true}
	for topic, want := range map[string]plan.Type{
		"a": {Kind: plan.TStruct, Extra: true, Fields: []plan.Field{
			{Name: "kind", Type: plan.Type{Kind: plan.TRef, Name: "AKind"}, Optional: true, Const: `"a"`}, {Name: "n", Type: plan.Type{Kind: plan.TRef, Name: "0.uint64"}},
		}},
		"b": {Kind: plan.TStruct, Fields: []plan.Field{{Name: "n", Type: n}, {Name: "d", Type: d}}},
	} {
		if got, err := s.Topics[topic].Resolve(s.Table.Types); err != nil || !reflect.DeepEqual(got, want) {
			t.Errorf("%s: expected %+v, got %+v, %v", topic, want, got, err)
		}
	}
	// A byte by its bound: rules have names of their own.
	if want := (plan.Type{Kind: plan.TUint64}); !reflect.DeepEqual(s.Table.Types["0.uint64"], want) {
		t.Errorf("expected %+v, got %+v", want, s.Table.Types["0.uint64"])
	}
	if want := map[string]plan.Rules{"0.uint64": {Max: "255", MaxLen: -1}}; !reflect.DeepEqual(s.Table.Rules, want) {
		t.Errorf("expected %+v, got %+v", want, s.Table.Rules)
	}
}

// Fault: malformed schema of Avro -> refused: the place, and what is expected there, says: s.avsc#: expected a schema of Avro, got 3
// Fault: schema of Avro that names what is not there -> refused: a type has to be defined before it is named, or stand beside it, says: expected a type of Avro, one that is defined before it in this file, or a file strin.avsc beside it that defines it, got "strin"
// Fault: two types with one name -> refused: in Avro they are one type, or none, says: s.avsc#/fields/0/type/name: expected a name of its own, got "R", which another type of the file has
func TestWrongAvro(t *testing.T) {
	record := func(fields string) string { return `{"type":"record","name":"R","fields":[` + fields + `]}` }
	for text, want := range map[string]string{
		`3`:                              "s.avsc#: expected a schema of Avro, got 3",
		`true`:                           "s.avsc#: expected a schema of Avro, got true",
		`"strin"`:                        `s.avsc#: expected a type of Avro, one that is defined before it in this file, or a file strin.avsc beside it that defines it, got "strin"`,
		`{}`:                             "s.avsc#: expected type, got none",
		`{"type":"record"}`:              "s.avsc#: expected name",
		`{"type":"record","name":"R"}`:   "s.avsc#: expected fields, an array",
		`{"type":"record","name":"a b"}`: "s.avsc#: expected name, letters, digits and _",
		`{"type":"enum","name":"E"}`:     "s.avsc#: expected symbols, an array of names",
		`{"type":"enum","name":"E","symbols":[1]}`: "s.avsc#: expected symbols, an array of names",
		`{"type":"array"}`:                         "s.avsc#: expected items of the array, got none",
		`{"type":"map"}`:                           "s.avsc#: expected values of the map, got none",
		`{"type":"fixed","name":"F"}`:              "s.avsc#: expected size, a number of bytes",
		`{"type":"fixed","name":"F","size":-1}`:    "s.avsc#: expected size, a number of bytes",
		`[]`:                                       "s.avsc#: expected branches, got none",
		`["null",["int"]]`:                         "s.avsc#/1: expected a branch, got a union within one",
		record(`{"name":"a"}`):                     "s.avsc#/fields/0: expected a field, with name and type",
		record(`{"name":"a.b","type":"int"}`):      "s.avsc#/fields/0: expected a field, with name and type",
		record(`{"name":"a","type":"int"},{"name":"a","type":"int"}`):                                                                                   `s.avsc#/fields/1/name: expected a name of its own, got "a", which another field has`,
		record(`{"name":"a","type":"Later"},{"name":"b","type":{"type":"fixed","name":"Later","size":1}}`):                                              `s.avsc#/fields/0/type: expected a type of Avro, one that is defined before it in this file, or a file Later.avsc beside it that defines it, got "Later"`,
		record(`{"name":"a","type":{"type":"record","name":"R","fields":[]}}`):                                                                          `s.avsc#/fields/0/type/name: expected a name of its own, got "R", which another type of the file has`,
		`{"type":"record","name":"R","namespace":"a","fields":[{"name":"f","type":{"type":"record","name":"b.S","fields":[{"name":"r","type":"R"}]}}]}`: `s.avsc#/fields/0/type/fields/0/type: expected a type of Avro`,
		`{"type":"record","name":"R","namespace":"a b","fields":[]}`:                                                                                    "s.avsc#/namespace: expected a namespace",
		strings.Repeat(`{"type":`, 300) + `"int"` + strings.Repeat("}", 300):                                                                            "s.avsc: expected at most 200 levels",
	} {
		_, err := schema.Go(fstest.MapFS{"s.avsc": {Data: []byte(text)}}, "p", []string{"s.avsc"}, nil)
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%.60s: expected %q, got %v", text, want, err)
		}
	}
}

// A type may stand in a file of its own, be named by several and name them.
func TestAvroFilesBesideEachOther(t *testing.T) {
	fsys := fstest.MapFS{
		"a/visit.avsc":   {Data: []byte(`{"type":"record","name":"Visit","namespace":"x","fields":[{"name":"line","type":{"type":"array","items":"Line"}},{"name":"at","type":"y.Place"}]}`)},
		"a/Line.avsc":    {Data: []byte(`{"type":"record","name":"x.Line","fields":[{"name":"of","type":["null","y.Place"]},{"name":"first","type":["null","Line"]}]}`)},
		"a/y.Place.avsc": {Data: []byte(`{"type":"record","name":"Place","namespace":"y","fields":[{"name":"lines","type":{"type":"map","values":"x.Line"}}]}`)},
		"a/bad.avsc":     {Data: []byte(`{"type":"record","name":"bad","fields":[{"name":"f","type":"Wrong"}]}`)},
		"a/Wrong.avsc":   {Data: []byte(`{"type":"record","name":"Other","fields":[]}`)},
		"a/worse.avsc":   {Data: []byte(`{"type":"array","items":"Broken"}`)},
		"a/Broken.avsc":  {Data: []byte(`{"type":"record","name":"Broken"}`)},
	}
	g, err := schema.Go(fsys, "p", []string{"a/visit.avsc", "a/Line.avsc"}, nil)
	if err != nil {
		t.Fatal(err)
	}
	if want := []string{"a/Line.avsc", "a/visit.avsc", "a/y.Place.avsc"}; !slices.Equal(g.Files, want) || len(g.Names) != 3 {
		t.Errorf("expected %v, got %v, with %v", want, g.Files, g.Names)
	}
	for _, want := range []string{"Line []Line ", "At +Place ", `Of +\*Place `, `First +\*Line `, `Lines map\[string\]Line `} {
		if !regexp.MustCompile(strings.ReplaceAll(want, "[]", `\[\]`)).Match(g.Source) {
			t.Errorf("expected %s in\n%s", want, g.Source)
		}
	}
	for file, want := range map[string]string{
		"a/bad.avsc":   `a/bad.avsc#/fields/0/type: expected a type of Avro, one that is defined before it in this file, or a file Wrong.avsc beside it that defines it, got "Wrong"`,
		"a/worse.avsc": "a/worse.avsc#/items: a/Broken.avsc#: expected fields, an array",
	} {
		if _, err := schema.Go(fsys, "p", []string{file}, nil); err == nil || err.Error() != want {
			t.Errorf("%s: expected %q, got %v", file, want, err)
		}
	}
}

func FuzzAvro(f *testing.F) {
	f.Add([]byte(`{"type":"record","name":"a.R","fields":[{"name":"x","type":["null","R",{"type":"enum","name":"E","symbols":["A"]}]},{"name":"t","type":{"type":"array","items":{"type":"long","logicalType":"timestamp-millis"}}}]}`))
	f.Fuzz(func(t *testing.T, text []byte) {
		_, err := schema.Go(fstest.MapFS{"s.avsc": {Data: text}}, "p", []string{"s.avsc"}, nil)
		if err != nil && strings.Contains(err.Error(), "BUG") {
			t.Errorf("%v (%s)", err, text)
		}
	})
}

// Whatever a schema says: it has not changed since itself, and a change looks the same
// from both ends.
func FuzzDiff(f *testing.F) {
	f.Add([]byte(`{"type":["object","null"],"properties":{"a":{"enum":["",1]},"c":{"oneOf":[{"type":"string"},{"$ref":"#"},{"const":3}]}}}`),
		[]byte(`{"required":["a"],"properties":{"a":{"enum":["","x"]},"c":{"anyOf":[{"$ref":"#"},{"prefixItems":[{"type":"integer"}],"items":false,"minItems":1}]}}}`))
	f.Fuzz(func(t *testing.T, a, b []byte) {
		read := func(text []byte) *schema.Types {
			s, err := schema.ReadTypes(fstest.MapFS{"s.json": {Data: text}}, "x", "", nil)
			if err != nil {
				t.Skip()
			}
			return s
		}
		old, again, now := read(a), read(a), read(b)
		if c := schema.Diff(old, again)[0]; c.Changes != nil || c.Beyond {
			t.Errorf("%s against itself: %+v", a, c)
		}
		there, back := schema.Diff(old, now)[0], schema.Diff(now, old)[0]
		if there.Changes.Backward() != back.Changes.Forward() || there.Changes.Forward() != back.Changes.Backward() || there.Beyond != back.Beyond {
			t.Errorf("from %s to %s: %+v, and back: %+v", a, b, there, back)
		}
	})
}

func TestLockedNamesStay(t *testing.T) {
	fsys := fstest.MapFS{"s.json": {Data: []byte(`{"title":"new","type":"object","properties":{"a":{"type":"object","properties":{"b":true}}}}`)}}
	g, err := schema.Go(fsys, "p", []string{"s.json"}, map[string]string{"s.json#": "Old"})
	if err != nil {
		t.Fatal(err)
	}
	if want := map[string]string{"s.json#": "Old", "s.json#/properties/a": "OldA"}; !maps.Equal(g.Names, want) {
		t.Errorf("expected %v, got %v", want, g.Names)
	}
	if !slices.Equal(g.Files, []string{"s.json"}) || g.Roots["s.json"] != "Old" {
		t.Errorf("got %v, %v", g.Files, g.Roots)
	}
}

// nothing imports nothing.
type nothing struct{}

func (nothing) Import(path string) (*gotypes.Package, error) { return nil, errors.New(path) }

// Fault: any text as a schema -> goes on: it is refused with a place or becomes Go that compiles, the same again when its names are locked
func FuzzGo(f *testing.F) {
	f.Add([]byte(`{"type":["object","null"],"properties":{"a b":{"enum":["",1]},"c":{"oneOf":[{"type":"string"},{"$ref":"#"}]}}}`))
	f.Add([]byte(`{"title":"t","type":["object","string"],"properties":{"a":{"anyOf":[{"$ref":"#"},{"type":"boolean"}]},"b":{"title":"t string","enum":["x","String"]},"c":{"title":"t","type":["string","number","array"]}}}`))
	f.Fuzz(func(t *testing.T, text []byte) { becomesGo(t, text) })
}

// becomesGo holds that whatever became of a schema compiles, and stays as it is where its
// names are locked.
func becomesGo(t interface {
	Helper()
	Errorf(string, ...any)
	Fatalf(string, ...any)
}, text []byte) {
	t.Helper()
	g, err := schema.Go(fstest.MapFS{"s.json": {Data: text}}, "p", []string{"s.json"}, nil)
	if err != nil && strings.Contains(err.Error(), "BUG") {
		t.Errorf("%v (%s)", err, text)
	}
	if err != nil {
		return
	}
	fset := token.NewFileSet()
	file, err := parser.ParseFile(fset, "p.go", g.Source, 0)
	if err != nil {
		t.Fatalf("%v", err)
	}
	check := gotypes.Config{Importer: nothing{}, Error: func(err error) {
		if !strings.Contains(err.Error(), "could not import") {
			t.Errorf("%v (%s)\n%s", err, text, g.Source)
		}
	}}
	_, _ = check.Check("p", fset, []*ast.File{file}, nil)
	again, err := schema.Go(fstest.MapFS{"s.json": {Data: text}}, "p", []string{"s.json"}, g.Names)
	if err != nil || !bytes.Equal(again.Source, g.Source) {
		t.Errorf("with its own names locked: %v (%s)\n%s\nbefore\n%s", err, text, again.Source, g.Source)
	}
}

// TestDrawnSchemas holds becomesGo for schemas that nobody has thought of: unions in
// objects in unions, references to what is on the way down, titles that clash.
func TestDrawnSchemas(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		var draw func(depth int) string
		list := func(depth, least int) string {
			var out []string
			for range rapid.IntRange(least, 3).Draw(t, "n") {
				out = append(out, draw(depth))
			}
			return strings.Join(out, ",")
		}
		object := func(depth int) string {
			var members, required []string
			for _, k := range []string{"a", "b", "k"} {
				if rapid.Bool().Draw(t, "has") {
					members = append(members, fmt.Sprintf("%q:%s", k, draw(depth)))
				}
				if rapid.Bool().Draw(t, "required") {
					required = append(required, strconv.Quote(k))
				}
			}
			return fmt.Sprintf(`"properties":{%s},"required":[%s]`, strings.Join(members, ","), strings.Join(required, ","))
		}
		draw = func(depth int) string {
			title := rapid.SampledFrom([]string{"", "", `"title":"t",`, `"title":"t string",`, `"title":"t map",`}).Draw(t, "title")
			pick := rapid.IntRange(0, 11).Draw(t, "kind")
			if depth <= 0 {
				pick %= 5
			}
			switch pick {
			case 0:
				return rapid.SampledFrom([]string{`{"type":"string"}`, `{"type":"integer"}`, `{"type":"number"}`, `{"type":"boolean"}`, `{"type":"null"}`, `true`, `{"type":["string","null"]}`}).Draw(t, "scalar")
			case 1:
				return `{"$ref":"` + rapid.SampledFrom([]string{"#", "#/$defs/A", "#/$defs/B"}).Draw(t, "ref") + `"}`
			case 2:
				return fmt.Sprintf(`{%s"const":%s}`, title, rapid.SampledFrom([]string{`"x"`, `"y"`, "1", "true", "null"}).Draw(t, "const"))
			case 3:
				return fmt.Sprintf(`{%s"enum":%s}`, title, rapid.SampledFrom([]string{`["x","y"]`, `["String",null]`, `[1,2]`, `[true]`, `["x",1]`}).Draw(t, "enum"))
			case 4:
				return fmt.Sprintf(`{%s"type":%s}`, title, rapid.SampledFrom([]string{`["string","integer"]`, `["boolean","null","number"]`, `["array","string"]`, `["object","string"]`}).Draw(t, "types"))
			case 5:
				return fmt.Sprintf(`{%s"type":"object",%s}`, title, object(depth-1))
			case 6:
				return fmt.Sprintf(`{%s"type":%s,%s}`, title, rapid.SampledFrom([]string{`["object","null"]`, `["string","object"]`, `["null","object","array","integer"]`}).Draw(t, "types"), object(depth-1))
			case 7:
				return fmt.Sprintf(`{%s"type":"array","items":%s}`, title, draw(depth-1))
			case 8:
				return fmt.Sprintf(`{%s"additionalProperties":%s}`, title, draw(depth-1))
			case 9:
				return fmt.Sprintf(`{%s"prefixItems":[%s],"items":false,"minItems":1}`, title, draw(depth-1))
			}
			return fmt.Sprintf(`{%s%q:[%s]}`, title, rapid.SampledFrom([]string{"anyOf", "oneOf", "allOf"}).Draw(t, "of"), list(depth-1, 1))
		}
		root := draw(4)
		if !strings.HasPrefix(root, "{") {
			return
		}
		becomesGo(t, []byte(fmt.Sprintf(`%s,"$defs":{"A":%s,"B":%s}}`, strings.TrimSuffix(root, "}"), draw(3), draw(3))))
	})
}

// Topics that a person has half written are told of, whenever that happens.
//
// Fault: wrong topic file -> refused: with its line, says: topics/a.yaml:1: expected version, type and resource
func TestWrongTopics(t *testing.T) {
	for text, want := range map[string]string{
		"":                                    "topics/a.yaml: expected a document",
		"schemas: 3":                          "expected schemas, a list",
		"schemas: [3]":                        "topics/a.yaml",
		"schemas: [{version: 1, type: json}]": "topics/a.yaml:1: expected version, type and resource",
		"schemas: [{version: 1, type: json, resource: ../x.json}]": "expected a file below schemas/",
		"schemas: [{version: 1, type: json, resource: x.json}]":    "schemas/x.json: expected a schema, got none",
	} {
		fsys := fstest.MapFS{"topics/a.yaml": {Data: []byte(text)}}
		l := &schema.Lock{Version: 1, Source: "repo", Package: "p", Topics: map[string]string{"a": "schemas/x.json"}}
		if _, err := l.Examples(fsys); err == nil && text == "" {
			t.Errorf("%q: expected an error of its examples", text)
		}
		if err := l.Sync(fsys); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: expected %q, got %v", text, want, err)
		}
	}
}
