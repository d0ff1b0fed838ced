package main

import (
	"bytes"
	"os"
	"regexp"
	"slices"
	"testing"

	"github.com/alecthomas/kong"

	"github.com/levada-io/levada/internal/runner"
)

// TestFlags: a verb of the command has the flags that internal/runner parses in whatever
// process the pipeline ends up in, and the few that are its own.
func TestFlags(t *testing.T) {
	own := map[string][]string{
		"run":     {"python", "broker"},
		"check":   {"python"},
		"explain": {"python"},
	}
	others := map[string][]string{
		"run": {"dead-letters"}, // levada dlq replay --pipeline sets it
	}
	var c cli
	k, err := kong.New(&c)
	if err != nil {
		t.Fatal(err)
	}
	for _, verb := range runner.Verbs {
		if _, ok := own[verb]; !ok {
			continue // a program of a user has it, the command says version --sbom
		}
		var usage bytes.Buffer
		if code := runner.Main(t.Context(), runner.Options{Args: []string{verb, "-h"}, Stdout: &usage, Stderr: os.Stderr}); code != 0 {
			t.Fatalf("%s -h: exit code %d", verb, code)
		}
		want := slices.Clone(own[verb])
		for _, m := range regexp.MustCompile(`(?m)^  -([a-z-]+)`).FindAllSubmatch(usage.Bytes(), -1) {
			if name := string(m[1]); !slices.Contains(others[verb], name) {
				want = append(want, name)
			}
		}
		var got []string
		for _, cmd := range k.Model.Children {
			if cmd.Name != verb {
				continue
			}
			for _, f := range cmd.Flags {
				got = append(got, f.Name)
			}
		}
		slices.Sort(got)
		slices.Sort(want)
		if !slices.Equal(got, want) {
			t.Errorf("levada %s has the flags %v, internal/runner and the command itself %v", verb, got, want)
		}
	}
}
