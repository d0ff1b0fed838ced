package planner

import (
	"bytes"
	"encoding/json/jsontext"
	"fmt"
	"slices"
	"strings"

	"github.com/levada-io/levada/plan"
)

// What a Python function says it returns decides too: for Go the compiler and the binding of
// the function see to it, for Python nobody would before the first message.

// keeps says in what way a Python function can not be that of a filter. One that does not
// say what it returns can be.
func (pl *Planned) keeps(n *node) *plan.Problem {
	r, err := n.sig.Out.Resolve(pl.types)
	if err == nil && !n.sig.Seq && !n.sig.Meta && (r.Kind == plan.TAny || r.Kind == plan.TBool && !r.Nullable) {
		return nil
	}
	hint := "return True for a message to keep and False for one to drop"
	if err == nil && r.Kind == plan.TBool && r.Nullable && !n.sig.Seq && !n.sig.Meta {
		hint = "return False where it returns None"
	}
	p := n.problem("type-mismatch", hint, "a filter needs a function that returns bool, %s returns %s", defined(n), returned(n.sig))
	return &p
}

// leads says in what way a Python function can not be that of a route to the branches of n.
func (pl *Planned) leads(n *node) *plan.Problem {
	problem := func(hint, format string, args ...any) *plan.Problem {
		p := n.problem("type-mismatch", hint, format, args...)
		return &p
	}
	r, err := n.sig.Out.Resolve(pl.types)
	if err == nil && r.Kind == plan.TAny && !n.sig.Seq && !n.sig.Meta {
		return nil
	}
	known := r
	known.Nullable = false
	if err != nil || n.sig.Seq || n.sig.Meta || !scalar(pl, known) {
		return problem("", "a route needs a function that returns a string, an integer or a bool, %s returns %s", defined(n), returned(n.sig))
	}
	var keys []jsontext.Value
	otherwise := false
	for _, b := range n.Branches {
		if b.Otherwise {
			otherwise = true
			continue
		}
		keys = append(keys, b.Key)
		if kindOf(b.Key) != group(r.Kind) {
			return problem("", "branch %q: expected a key that is %s, as %s returns, got %s", b.Name, group(r.Kind), defined(n), b.Key)
		}
		if n.sig.Keys != nil && !has(n.sig.Keys, b.Key) {
			return problem(alike(b.Key, n.sig.Keys), "branch %q: expected a key that %s returns, one of %s, got %s", b.Name, defined(n), listed(n.sig.Keys), b.Key)
		}
	}
	if otherwise {
		return nil
	}
	if r.Nullable {
		return problem("a branch otherwise takes the nulls", "expected a branch for all that %s returns, got none for null", defined(n))
	}
	for _, k := range n.sig.Keys {
		if !has(keys, k) {
			return problem("a branch otherwise takes all that is left", "expected a branch for all that %s returns, got none for %s", defined(n), k)
		}
	}
	return nil
}

// defined is a function with the place where it is defined, as far as that is known.
func defined(n *node) string {
	if at := n.sig.Origin.String(); at != "" {
		return fmt.Sprintf("%s (%s)", short(n.Function.Name), at)
	}
	return short(n.Function.Name)
}

func returned(s *plan.FunctionSignature) string {
	if s.Meta {
		return "a message of " + s.Out.String()
	}
	return resultName(s.Out, s.Seq)
}

// group is the kind of JSON scalar that keys of a route have, as messages show it.
func group(k plan.TypeKind) string {
	switch {
	case k == plan.TString:
		return "a string"
	case k == plan.TBool:
		return "a boolean"
	}
	return "an integer"
}

func kindOf(key jsontext.Value) string {
	switch key.Kind() {
	case '"':
		return "a string"
	case 't', 'f':
		return "a boolean"
	}
	return "an integer"
}

func has(keys []jsontext.Value, key jsontext.Value) bool {
	return slices.ContainsFunc(keys, func(k jsontext.Value) bool { return same(k, key) })
}

// same says that two JSON scalars are one value: a text may be written in several ways.
func same(a, b jsontext.Value) bool {
	raw := jsontext.CanonicalizeRawInts(false) // no float comes near a wide one
	a, b = a.Clone(), b.Clone()
	return a.Canonicalize(raw) == nil && b.Canonicalize(raw) == nil && bytes.Equal(a, b)
}

func listed(keys []jsontext.Value) string {
	s := make([]string, len(keys))
	for i, k := range keys {
		s[i] = string(k)
	}
	return strings.Join(s, ", ")
}

func alike(key jsontext.Value, keys []jsontext.Value) string {
	var all []string
	for _, k := range keys {
		all = append(all, string(k))
	}
	if near := nearest(string(key), all); near != "" {
		return fmt.Sprintf("did you mean %s?", near)
	}
	return ""
}
