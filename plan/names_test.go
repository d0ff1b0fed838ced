package plan

import (
	"regexp"
	"strings"
	"testing"
)

// The form of names, as the schema has it.
const (
	namePattern     = `^[A-Za-z0-9_][A-Za-z0-9_.-]{0,99}$`
	functionPattern = `^(go:[^:\s]+\.[^:\s]+|py:[^:\s]+:[^:\s]+|builtin:[a-z0-9_]+\.[a-z]+)$`
	branchPattern   = `^[^\x00-\x1f\x7f]{1,100}$`
)

// TestNames holds what decides about names against the patterns that the schema has.
func TestNames(t *testing.T) {
	forms := []struct {
		pattern string
		valid   func(string) bool
		parts   []string // that such names are made of, and some that they are not
	}{
		{namePattern, validName, []string{"a", "Z", "0", "_", ".", "-", "@", "[", "`", "{", "/", ":", "é", "\n", "\xff", strings.Repeat("n", 99)}},
		{functionPattern, validFunction, []string{"go:", "py:", "builtin:", "a", "z0", "_", ".", ":", "..", "A", " ", "\t", "\v", "\n", "é", "\xff", "json.decode", "m:f", "b.F"}},
		{branchPattern, validBranch, []string{"a", " ", "\x1f", "\x7f", "\u0080", "é", "\xff", "\n", strings.Repeat("é", 99), strings.Repeat("\xff", 50)}},
	}
	for _, f := range forms {
		re := regexp.MustCompile(f.pattern)
		good := 0
		var every func(s string, more int)
		every = func(s string, more int) {
			got, want := f.valid(s), re.MatchString(s)
			if got != want {
				t.Errorf("%q against %s: got %t, want %t", s, f.pattern, got, want)
			}
			if want {
				good++
			}
			for _, part := range f.parts {
				if more > 0 {
					every(s+part, more-1)
				}
			}
		}
		every("", 4)
		if good == 0 {
			t.Errorf("%s: no string matched", f.pattern)
		}
		for _, n := range []int{99, 100, 101} {
			if s := strings.Repeat("x", n); f.valid(s) != re.MatchString(s) {
				t.Errorf("%d times x: %t", n, f.valid(s))
			}
		}
	}
}

func TestTypesByShortNames(t *testing.T) {
	for name, want := range map[string]string{
		"go:example.com/team.Order": "Order", "py:team.types:Order": "Order", "Order": "Order",
		"go:a/b.Page[go:a/b.Metric]":         "Page[Metric]",
		"go:a/b.Pair[go:c.X, go:d/e.Y[int]]": "Pair[X, Y[int]]",
		"go:a/b.":                            "b.", "..": "..", "a.b:c/d": "d",
	} {
		if got := (Type{Kind: TRef, Name: name}).String(); got != want {
			t.Errorf("%s: got %s, want %s", name, got, want)
		}
	}
}
