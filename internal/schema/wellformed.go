package schema

import (
	"encoding/json/jsontext"
	"slices"
	"strings"
)

// wellFormed says which keyword of the schema n is none: what has the wrong kind would be
// passed over otherwise, and its author believes that it counts.
func (n *node) wellFormed() error {
	for i, key := range n.keys {
		v := n.vals[i]
		want := ""
		switch key {
		case "properties", "patternProperties", "$defs", "definitions", "dependentSchemas":
			want = kindIs(v, "an object of schemas", '{')
		case "required":
			if want = kindIs(v, "an array of names", '['); want != "" {
				break
			}
			for _, name := range v.vals {
				if name.kind != '"' {
					return name.errorf("expected a name, got %s", name.shown())
				}
			}
		case "enum":
			if want = kindIs(v, "an array of values", '['); want == "" && len(v.vals) == 0 {
				want = "an array of values"
			}
		case "additionalProperties", "additionalItems", "not", "if", "then", "else", "contains", "propertyNames", "unevaluatedProperties", "unevaluatedItems":
			want = kindIs(v, "a schema, an object or a boolean", '{', 't', 'f')
		case "minimum", "maximum", "multipleOf":
			want = kindIs(v, "a number", '0')
		case "exclusiveMinimum", "exclusiveMaximum":
			want = kindIs(v, "a number", '0', 't', 'f') // a boolean is of draft-04, see unheld
		case "minLength", "maxLength", "minItems", "maxItems", "minProperties", "maxProperties", "minContains", "maxContains":
			// 1e400 is one, too; how long its digits are says nothing.
			if want = kindIs(v, "an integer >= 0", '0'); want == "" && v.raw[0] == '-' && string(v.raw) != "-0" {
				want = "an integer >= 0"
			}
			if b := bound(v); b != nil && !b.IsInt() {
				want = "an integer >= 0"
			}
		case "pattern", "$ref", "$dynamicRef", "$recursiveRef":
			want = kindIs(v, "a string", '"')
		case "uniqueItems":
			want = kindIs(v, "a boolean", 't', 'f')
		}
		if want != "" {
			return v.errorf("expected %s, got %s", want, v.shown())
		}
	}
	return nil
}

func kindIs(v *node, want string, kinds ...jsontext.Kind) string {
	if slices.Contains(kinds, v.kind) {
		return ""
	}
	return want
}

// constraints are the keywords that no type holds and no rule checks.
var constraints = []string{
	"multipleOf", "uniqueItems", "contains", "not", "if", "dependentRequired", "dependentSchemas", "dependencies", "propertyNames",
	"unevaluatedProperties", "unevaluatedItems",
}

// unheld notes what n says that nothing holds.
func (l *lowering) unheld(n *node) {
	var keys []string
	for _, key := range constraints {
		v := n.get(key)
		if v == nil || key == "uniqueItems" && v.kind == 'f' || strings.HasPrefix(key, "uneval") && v.kind == 't' {
			continue
		}
		keys = append(keys, key)
	}
	if len(keys) > 0 {
		l.note(n, "%s: not checked", strings.Join(keys, ", "))
	}
	for _, key := range []string{"$dynamicRef", "$recursiveRef"} {
		if v := n.get(key); v != nil {
			l.note(v, "%s is not followed: what it leads to stays JSON", key)
		}
	}
	for _, key := range []string{"exclusiveMinimum", "exclusiveMaximum"} {
		if v := n.get(key); v != nil && v.kind != '0' {
			l.note(v, "%s is a number since draft-06: it is not checked", key)
		}
	}
}
