package planner

import (
	"testing"

	"github.com/levada-io/levada/plan"
)

// Two manifests of one process, and Python's own, tell of one name: each of the two that
// differ is named.
//
// Fault: two types with one name -> refused: of two packages, or of a package and of Python, before anything connects, says: expected one definition, got two: $.id is string in the manifest of example.com/one, and int64 in
func TestTwoManifestsWithOneName(t *testing.T) {
	const name = "go:example.com/steps.Reading"
	reading := func(id plan.TypeKind) map[string]plan.Type {
		return map[string]plan.Type{name: {Kind: plan.TStruct, Fields: []plan.Field{{Name: "id", Type: plan.Type{Kind: id}}}}}
	}
	says := []plan.FunctionSignature{{
		Name: "py:functions:first", In: anyType,
		Out:    plan.Type{Kind: plan.TList, Elem: &plan.Type{Kind: plan.TRef, Name: name}},
		Origin: plan.Origin{File: "functions.py", Line: 7},
	}}
	for _, c := range []struct {
		about string
		ms    []*plan.Manifest
		want  string
	}{
		{"two packages", []*plan.Manifest{
			{Package: "example.com/one", Types: reading(plan.TString)},
			{Package: "example.com/two", Types: reading(plan.TInt64)},
		}, "type example.com/steps.Reading: expected one definition, got two: $.id is string in the manifest of example.com/one, and int64 in the manifest of example.com/two\nhint: " + twofoldHint},
		{"Python", []*plan.Manifest{
			{Package: "example.com/one", Types: reading(plan.TString)},
			{Functions: says, Types: reading(plan.TInt64)},
		}, "type example.com/steps.Reading: expected one definition, got two: $.id is string in the manifest of example.com/one, and int64 in what functions:first (functions.py:7) says\nhint: " + twofoldHint},
		{"the same twice", []*plan.Manifest{
			{Package: "example.com/one", Types: reading(plan.TString)},
			{Functions: says, Types: reading(plan.TString)},
		}, ""},
	} {
		t.Run(c.about, func(t *testing.T) {
			cat := catalog()
			cat.Offer(c.ms...)
			_, err := Plan(steps(t, "source in\nparse p T\nserialize s\nsink out"), cat)
			got := ""
			if err != nil {
				got = err.Error()
			}
			if got != c.want {
				t.Errorf("got\n%s\nwant\n%s", got, c.want)
			}
		})
	}
}
