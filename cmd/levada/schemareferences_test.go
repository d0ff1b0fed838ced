package main

import (
	"bytes"
	"encoding/json/v2"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/twmb/franz-go/pkg/sr"

	"github.com/levada-io/levada/internal/schema"
)

// answered is one version of a subject as a registry's API spells it.
type answered struct {
	Subject    string               `json:"subject"`
	ID         int                  `json:"id"`
	Version    int                  `json:"version"`
	SchemaType string               `json:"schemaType,omitempty"` // absent: AVRO
	References []sr.SchemaReference `json:"references,omitempty"`
	Schema     string               `json:"schema"`
}

func of(subject, kind, text string, refs ...sr.SchemaReference) answered {
	return answered{Subject: subject, ID: 1, Version: 1, SchemaType: kind, Schema: text, References: refs}
}

func to(name, subject string, version int) sr.SchemaReference {
	return sr.SchemaReference{Name: name, Subject: subject, Version: version}
}

// pulledFrom fills a folder from a registry that has the subjects, whatever they say: one of
// its kind would not take some of them. Those whose name begins with a dot are not listed.
func pulledFrom(t *testing.T, have ...answered) (folder string, l *schema.Lock, err error) {
	answers := map[string]any{}
	var subjects []string
	versions := map[string][]int{}
	for _, a := range have {
		if len(versions[a.Subject]) == 0 && a.Subject[0] != '.' {
			subjects = append(subjects, a.Subject)
		}
		versions[a.Subject] = append(versions[a.Subject], a.Version)
		at := "/subjects/" + a.Subject + "/versions"
		answers[at] = versions[a.Subject]
		answers[fmt.Sprintf("%s/%d", at, a.Version)] = a
		answers[at+"/latest"] = a
	}
	answers["/subjects"] = subjects
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		answer, ok := answers[r.URL.Path]
		if !ok {
			w.WriteHeader(http.StatusNotFound)
			answer = map[string]any{"error_code": 40401, "message": "Subject not found."}
		}
		_ = json.MarshalWrite(w, answer) // whoever has hung up knows it
	}))
	defer s.Close()
	folder = t.TempDir()
	l = &schema.Lock{Version: 1, Source: folder, Package: "p", Output: "p/p.go", Registry: &schema.Registry{URL: s.URL}}
	if err = pull(&env{stdout: &bytes.Buffer{}}, l); err == nil {
		err = l.Sync(os.DirFS(folder))
	}
	return folder, l, err
}

const three = `syntax = "proto3"; `

// What schemas refer to is followed as far as it goes, and what is wrong with it is told
// with the subject and version that refer so.
//
// Fault: reference of a registry that is missing -> refused: nothing is written, says: subject a-value, version 1: refers to b.json (subject b, version 7), which the registry does not have
// Fault: references of a registry in a cycle -> refused: the way round is named, says: expected references that end, got a-value (1) -> b (1) -> a-value (1)
// Fault: references of a registry without end -> refused: a hundred behind each other are enough, says: expected at most 100 references behind each other, got more
// Fault: reference of a registry to another kind of schema -> refused: both kinds are named, says: expected a schema of JSON for b.json, got one of AVRO: subject b, version 1
// Fault: huge schema file -> refused: of a registry, and one that is referred to, says: b.json: expected at most 8388608 bytes, got more
func TestWrongReferences(t *testing.T) {
	chain := []answered{of("a-value", "JSON", `{"$ref":"0.json"}`, to("0.json", ".0", 1))}
	for i := range 200 {
		chain = append(chain, of(fmt.Sprintf(".%d", i), "JSON", fmt.Sprintf(`{"$ref":"%d.json"}`, i+1), to(fmt.Sprintf("%d.json", i+1), fmt.Sprintf(".%d", i+1), 1)))
	}
	object := `{"type":"object","properties":{"b":{"$ref":"b.json"}}}`
	second := of("b", "JSON", `{"type":"string"}`)
	second.Version = 2
	for _, c := range []struct {
		want string
		have []answered
	}{
		{"subject a-value, version 1: refers to b.json (subject b, version 7), which the registry does not have: Subject not found.", []answered{of("a-value", "JSON", object, to("b.json", "b", 7))}},
		{"expected references that end, got a-value (1) -> b (1) -> a-value (1)", []answered{of("a-value", "JSON", object, to("b.json", "b", 1)), of("b", "JSON", `{"$ref":"a.json"}`, to("a.json", "a-value", 1))}},
		{"expected references that end, got a-value (1) -> a-value (1)", []answered{of("a-value", "JSON", object, to("b.json", "a-value", 1))}},
		{"expected at most 100 references behind each other, got more", chain},
		{"expected a schema of JSON for b.json, got one of AVRO: subject b, version 1", []answered{of("a-value", "JSON", object, to("b.json", "b", 1)), of("b", "", `"string"`)}},
		{"b.json: expected at most 8388608 bytes, got more: subject b, version 1", []answered{of("a-value", "JSON", object, to("b.json", "b", 1)), of("b", "JSON", strings.Repeat(" ", schema.MaxBytes+1))}},
		{`expected references with a name, a subject and a version, got "", "b" and 1`, []answered{of("a-value", "JSON", object, to("", "b", 1)), of("b", "JSON", "{}")}},
		{`expected references with a name, a subject and a version, got "b.json", "b" and -3`, []answered{of("a-value", "JSON", object, to("b.json", "b", -3)), of("b", "JSON", "{}")}},
		{`expected references with names that files can have, got ".."`, []answered{of("a-value", "JSON", object, to("..", "b", 1)), of("b", "JSON", "{}")}},
		{"reference b.json: expected one text, got subject b, version 1 (by subject a-value, version 1) and subject b, version 2", []answered{of("a-value", "JSON", object, to("b.json", "b", 1), to("b.json", "b", 2)), of("b", "JSON", "{}"), second}},
		{"expected references that can be files of one folder, got b and b/c.json", []answered{of("a-value", "JSON", object, to("b", "b", 1), to("b/c.json", "b", 1)), of("b", "JSON", "{}")}},
		{"expected references that can be files of one folder, got b and b/c.json", []answered{of("a-value", "JSON", object, to("b/c.json", "b", 1), to("b", "b", 1)), of("b", "JSON", "{}")}},
		{"expected references that can be files of one folder, got b and b/c/d.json", []answered{of("a-value", "JSON", object, to("b", "b", 1), to("b/c/d.json", "b", 1)), of("b", "JSON", "{}")}},
		// What no reference has is refused where the files are read.
		{`a.json#/properties/b/$ref: b.json: expected a schema, got none`, []answered{of("a-value", "JSON", object)}},
		{`a.proto:1:27: b.proto: expected a schema, got none`, []answered{of("a-value", "PROTOBUF", three+`import "b.proto"; message A {}`)}},
		{"a.proto:1:44: c.proto: expected a schema, got none: file does not exist\nhint: imports are the references of a registry; what it knows without one is put into .references/ by hand",
			[]answered{of("a-value", "PROTOBUF", three+`import "b.proto";import "c.proto"; message A {}`, to("b.proto", "b", 1)), of("b", "PROTOBUF", three)}},
		{"a.avsc#: expected a type of Avro, one that is defined before it in this file, or a file B.avsc beside it that defines it", []answered{of("a-value", "", `"x.B"`)}},
		{"a.proto: expected the message of topic a, got a file without messages", []answered{of("a-value", "PROTOBUF", three+`enum E { X = 0; }`)}},
		// Earlier versions of Avro are read by one text each.
		{"subject a-value, version 1: the schema#: expected a reference x.B that defines it, got one that does not", []answered{of("a-value", "", `"x.B"`, to("x.B", ".b", 1)), of(".b", "", `"string"`)}},
		{"subject a-value, version 1: the schema#: expected a type of Avro, one that is defined before it or in a reference with its name, got \"x.B\"", []answered{of("a-value", "", `"x.B"`, to("x.C", ".b", 1)), of(".b", "", `"string"`)}},
	} {
		folder, _, err := pulledFrom(t, c.have...)
		if err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("expected %q, got %v", c.want, err)
		}
		if _, bad := os.Stat(filepath.Join(folder, schema.ReferencesFolder)); bad == nil && !strings.Contains(c.want, "#") && !strings.Contains(c.want, "hint") {
			t.Errorf("%s: expected that nothing is written", c.want)
		}
	}
}

// The latest version of a subject may be asked for as such, and a name stays within the
// folder, whatever it is.
func TestReferencesByName(t *testing.T) {
	for _, name := range []string{"../b.json", "/etc/b.json", "https://example.com/b.json?x=1", "urn:b", "b c/ö.json", `..\b.json`, "x/../../b"} {
		text, err := json.Marshal(map[string]any{"type": "object", "properties": map[string]any{"b": map[string]any{"$ref": name}}})
		if err != nil {
			t.Fatal(err)
		}
		folder, l, err := pulledFrom(t, of("a-value", "JSON", string(text), to(name, ".b", 1)), of(".b", "JSON", `{"title":"b","type":"object","properties":{"n":{"type":"integer"}}}`))
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		file := l.Registry.References[name].File
		if _, err := os.Stat(filepath.Join(folder, file)); err != nil || !strings.HasPrefix(file, ".references/") || strings.Contains(file, "/../") {
			t.Errorf("%s: expected a file below .references, got %q: %v", name, file, err)
		}
		if g, err := l.Generate(os.DirFS(folder)); err != nil || !strings.Contains(string(g.Source), "type B struct") {
			t.Errorf("%s: expected the type of the reference, got %v", name, err)
		}
	}
	_, l, err := pulledFrom(t, of("a-value", "JSON", `{"$ref":"b.json"}`, to("b.json", ".b", -1)), of(".b", "JSON", `{"type":"string"}`))
	if err != nil || l.Registry.References["b.json"].Version != 1 {
		t.Errorf("%v: expected version 1, got %v", err, l.Registry.References)
	}
	// As the schema's own $id places it.
	_, l, err = pulledFrom(t, of("a-value", "JSON", `{"$id":"https://example.com/a.json","type":"object","properties":{"b":{"$ref":"b.json#/$defs/c"}}}`, to("https://example.com/b.json", ".b", 1)),
		of(".b", "JSON", `{"$defs":{"c":{"type":"object"}}}`))
	if err != nil {
		t.Fatal(err)
	}
	if _, ok := l.Files[".references/https%3A%2F%2Fexample.com%2Fb.json"]; !ok {
		t.Errorf("expected it to be locked, got %v", l.Files)
	}
}

// Examples of a schema of Avro go through its messages where it refers to others, too.
func TestExamplesOfReferences(t *testing.T) {
	_, l, err := pulledFrom(t, of("a-value", "", `{"type":"record","name":"A","fields":[{"name":"b","type":"x.B"}]}`, to("x.B", ".b", 1)),
		of(".b", "", `{"type":"record","name":"B","namespace":"x","fields":[{"name":"n","type":"long"}]}`))
	if err != nil {
		t.Fatal(err)
	}
	text, err := binary(l, []schema.Example{{Schema: "a.avsc", File: ".examples/a/1.json"}})
	if err != nil || !strings.Contains(text, `"a.avsc": "{\"type\":\"record\",\"name\":\"A\",\"fields\":[{\"name\":\"b\",\"type\":{\"type\":\"record\",\"name\":\"B\"`) {
		t.Errorf("%v: expected the schema with what it refers to, got %s", err, text)
	}
	if text, err := binary(&schema.Lock{Source: l.Source}, []schema.Example{{Schema: "a.avsc"}}); err != nil || text != "" {
		t.Errorf("%v: expected that none can be read, got %s", err, text)
	}
}
