package yamlplan

import (
	"encoding/json/v2"
	"maps"
	"slices"
	"testing"
)

// A schema goes into the plan with all that it imports, but for what every library has.
func TestImportsOfASchema(t *testing.T) {
	p, err := load("pipeline.yaml", `
pipeline: imports
flow:
- in: {source: {kafka: in}}
- parse: {decode: protobuf, schema: testdata/protos/acme/visits.proto, message: acme.Visit, strict: true}
- out: {sink: {kafka: out}}
`)
	if err != nil {
		t.Fatal(err)
	}
	var got struct {
		Schema  string            `json:"schema"`
		Imports map[string]string `json:"imports"`
		Message string            `json:"message"`
		Strict  bool              `json:"strict"`
	}
	if err := json.Unmarshal(p.Steps[1].Function.Settings, &got, json.RejectUnknownMembers(true)); err != nil {
		t.Fatal(err)
	}
	names := slices.Sorted(maps.Keys(got.Imports))
	if got.Schema == "" || got.Message != "acme.Visit" || !got.Strict || !slices.Equal(names, []string{"acme/deep.proto", "acme/item.proto", "common.proto"}) {
		t.Errorf("got %s", p.Steps[1].Function.Settings)
	}
}
