package plan

import (
	"bytes"
	"encoding/json/jsontext"
	"encoding/json/v2"
	"flag"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"

	"github.com/santhosh-tekuri/jsonschema/v6"
)

var update = flag.Bool("update", false, "write plan.schema.json anew")

const schemaFile = "plan.schema.json"

// narrow says, for members whose Go type says less, what the schema demands of them.
var narrow = map[string]map[string]any{
	"Plan.version":      {"minimum": 1, "maximum": Version},
	"Plan.name":         {"pattern": namePattern},
	"Plan.requires":     {"uniqueItems": true},
	"Plan.on_error":     {"enum": []string{Fail, Skip, DeadLetter}},
	"Step.name":         {"pattern": namePattern},
	"Step.kind":         {"enum": Kinds},
	"Step.on_error":     {"enum": []string{Fail, Skip, DeadLetter}},
	"Step.crossing":     {"enum": Crossings},
	"Origin.line":       {"minimum": 0},
	"Function.name":     {"pattern": functionPattern},
	"Function.settings": {"type": "object"},
	"Limit.count":       {"minimum": 1},
	"Limit.bytes":       {"minimum": 1},
	"Limit.age_ms":      {"minimum": 1},
	"Branch.name":       {"pattern": branchPattern},
	"Branch.key":        {"type": []string{"string", "integer", "boolean"}},
	"Retry.times":       {"minimum": 1, "maximum": MaxRetries},
	"Retry.backoff_ms":  {"minimum": 0, "maximum": MaxBackoffMS},
	"Type.kind": {"enum": []TypeKind{
		TBool, TInt8, TInt16, TInt32, TInt64, TUint8, TUint16, TUint32, TUint64, TFloat32, TFloat64,
		TString, TBytes, TTime, TList, TMap, TStruct, TRef, TAny,
		TDuration, TTuple, TUnion,
	}},
	"Field.omit": {"enum": []string{"omitempty", "omitzero", "omitempty,omitzero"}},
}

// schemaOf derives the JSON Schema of a Go type; structs go into defs.
func schemaOf(t *testing.T, typ reflect.Type, defs map[string]any) map[string]any {
	switch typ {
	case reflect.TypeFor[jsontext.Value]():
		return map[string]any{}
	}
	switch typ.Kind() {
	case reflect.Pointer:
		return schemaOf(t, typ.Elem(), defs)
	case reflect.String:
		return map[string]any{"type": "string"}
	case reflect.Bool:
		return map[string]any{"type": "boolean"}
	case reflect.Int, reflect.Int64:
		return map[string]any{"type": "integer"}
	case reflect.Slice:
		return map[string]any{"type": "array", "items": schemaOf(t, typ.Elem(), defs)}
	case reflect.Map:
		return map[string]any{"type": "object", "additionalProperties": schemaOf(t, typ.Elem(), defs)}
	case reflect.Struct:
		ref := map[string]any{"$ref": "#/$defs/" + typ.Name()}
		if _, ok := defs[typ.Name()]; ok {
			return ref
		}
		defs[typ.Name()] = nil // a recursive type meets itself below
		properties, required := map[string]any{}, []string{}
		for f := range typ.Fields() {
			name, options, _ := strings.Cut(f.Tag.Get("json"), ",")
			s := schemaOf(t, f.Type, defs)
			for k, v := range narrow[typ.Name()+"."+name] {
				s[k] = v
			}
			properties[name] = s
			if options == "" {
				required = append(required, name)
			}
		}
		defs[typ.Name()] = map[string]any{"type": "object", "properties": properties, "required": required, "additionalProperties": false}
		return ref
	}
	t.Fatalf("no schema for %s", typ)
	return nil
}

// The schema is generated from the Go structs, so that it can not say anything else;
// the Python side holds its plans against the file.
func TestSchemaFileIsWhatTheStructsSay(t *testing.T) {
	defs := map[string]any{}
	root := schemaOf(t, reflect.TypeFor[Plan](), defs)
	root["$schema"] = "https://json-schema.org/draft/2020-12/schema"
	root["title"] = "Levada plan"
	root["$defs"] = defs
	want, err := json.Marshal(root, json.Deterministic(true), jsontext.WithIndent("  "))
	if err != nil {
		t.Fatal(err)
	}
	want = append(want, '\n')
	if *update {
		if err := os.WriteFile(schemaFile, want, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	got, err := os.ReadFile(schemaFile)
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(got, want) {
		t.Errorf("%s is not what the structs say; write it anew with: go test ./plan -run Schema -update", schemaFile)
	}
	for name := range narrow {
		typ, member, _ := strings.Cut(name, ".")
		def, _ := defs[typ].(map[string]any)
		if properties, _ := def["properties"].(map[string]any); properties[member] == nil {
			t.Errorf("narrow names %s, which there is not", name)
		}
	}
}

func compileSchema(t *testing.T) *jsonschema.Schema {
	s, err := jsonschema.NewCompiler().Compile(schemaFile)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func valid(t *testing.T, s *jsonschema.Schema, data []byte) error {
	v, err := jsonschema.UnmarshalJSON(bytes.NewReader(data))
	if err != nil {
		t.Fatal(err)
	}
	return s.Validate(v)
}

// Whatever Encode writes is valid, and the schema refuses what Decode refuses.
func TestSchemaAgreesWithEncodeAndDecode(t *testing.T) {
	s := compileSchema(t)
	p := linear()
	p.Steps[2].Function.Settings = jsontext.Value(`{"limit":3.5}`)
	p.Steps[2].OnError, p.Steps[2].Retry = Skip, &Retry{Times: 3}
	p.OnError, p.Retry = DeadLetter, &Retry{Times: 2, BackoffMS: 100}
	empty := forked()
	empty.Steps[1].Branches[0].Key = jsontext.Value(`""`)
	for _, p := range []*Plan{p, forked(), empty} {
		data, err := p.Encode()
		if err != nil {
			t.Fatal(err)
		}
		if err := valid(t, s, data); err != nil {
			t.Errorf("%s: %v", p.Name, err)
		}
		back, err := Decode(data)
		if err != nil {
			t.Fatal(err)
		}
		again, err := back.Encode()
		if err != nil || !bytes.Equal(again, data) {
			t.Errorf("%s: expected the same bytes after a round trip, got %s, %v", p.Name, again, err)
		}
		for _, wrong := range []string{
			strings.Replace(string(data), `"version": 1`, `"version": 7`, 1),
			strings.Replace(string(data), `"name"`, `"title"`, 1),
			strings.Replace(string(data), `"steps": [`, `"steps": [{"name": 1},`, 1),
		} {
			if err := valid(t, s, []byte(wrong)); err == nil {
				t.Errorf("the schema accepts %s", wrong)
			}
			if _, err := Decode([]byte(wrong)); err == nil {
				t.Errorf("Decode accepts %s", wrong)
			}
		}
	}
}

func TestSchemaAcceptsTheCorpus(t *testing.T) {
	s := compileSchema(t)
	files, err := filepath.Glob("testdata/corpus/*/plan.json")
	if err != nil || len(files) == 0 {
		t.Fatalf("expected plans in testdata/corpus, got none: %v", err)
	}
	for _, name := range files {
		data, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		if err := valid(t, s, data); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
}
