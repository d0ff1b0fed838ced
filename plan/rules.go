package plan

import (
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"
)

// Rules are what the values of a member keep to beside their type. They hold where the
// member is neither absent nor null.
type Rules struct {
	// Min and Max are bounds of numbers, "" where there is none. Open says that the bound
	// itself is outside.
	Min, Max         string
	MinOpen, MaxOpen bool
	// MinLen and MaxLen count the characters of a text, the elements of a list and the
	// entries of a map; MaxLen is below zero where there is none.
	MinLen, MaxLen int
	// Each are the lengths of the elements of a list, a map or an array, and behind them
	// those of the elements of these.
	Each []Lengths
	// Format is one of Formats, or "".
	Format string
	// Pattern is an RE2 expression that must match somewhere in a text, "" where there is none.
	Pattern string
	// Enum are the only values, nil where all are.
	Enum []string
}

// Lengths are as MinLen and MaxLen of Rules.
type Lengths struct{ Min, Max int }

// ofEach stands before a length that is one of elements, once for each level of them.
const ofEach = "each."

// maxEach is how many levels lengths may be within; nobody comes near it.
const maxEach = 16

// Formats are the names that a rule of a format may have.
var Formats = []string{"date", "date-time", "ipv4", "ipv6", "uri", "uuid"}

// IsRule says that a rule has this name.
func IsRule(name string) bool {
	switch _, name := eachOf(name); name {
	case "min", "max", "above", "below", "minlen", "maxlen", "format", "pattern", "enum":
		return true
	}
	return false
}

// eachOf takes the levels off a name, those of a length.
func eachOf(name string) (levels int, bare string) {
	for bare = name; strings.HasPrefix(bare, ofEach); {
		levels, bare = levels+1, strings.TrimPrefix(bare, ofEach)
	}
	if levels > maxEach || levels > 0 && bare != "minlen" && bare != "maxlen" {
		return 0, name
	}
	return levels, bare
}

// ParseRules reads rules as a tag spells them: "min=0,below=10", "minlen=1,pattern=^a,?$".
// What stands behind pattern= and enum= belongs to it to the end, so either comes last;
// values of an enum stand between bars, and a backslash in front of a bar or a backslash
// makes it one of the value.
//
// # Errors
//
// A rule that is not known, comes twice, or says nothing.
func ParseRules(text string) (Rules, error) {
	r := Rules{MaxLen: -1}
	seen := map[string]bool{}
	for rest, more := text, true; more; {
		key, value, ok := strings.Cut(rest, "=")
		last := key == "pattern" || key == "enum"
		if more = false; !last {
			value, rest, more = strings.Cut(value, ",")
		}
		if !ok || value == "" {
			return r, fmt.Errorf("rule %q: expected min, max, above, below, minlen, maxlen, format, pattern or enum, = and a value", key)
		}
		if seen[key] {
			return r, fmt.Errorf("rule %s: comes twice", key)
		}
		seen[key] = true
		var err error
		levels, bare := eachOf(key)
		for len(r.Each) < levels {
			r.Each = append(r.Each, Lengths{Max: -1})
		}
		least, most := &r.MinLen, &r.MaxLen
		if levels > 0 {
			least, most = &r.Each[levels-1].Min, &r.Each[levels-1].Max
		}
		switch bare {
		case "min":
			r.Min = value
		case "above":
			r.Min, r.MinOpen = value, true
		case "max":
			r.Max = value
		case "below":
			r.Max, r.MaxOpen = value, true
		case "minlen":
			*least, err = length(value)
		case "maxlen":
			*most, err = length(value)
		case "format":
			if r.Format = value; !slices.Contains(Formats, value) {
				err = fmt.Errorf("expected one of %s, got %q", strings.Join(Formats, ", "), value)
			}
		case "pattern":
			r.Pattern = value
			_, err = regexp.Compile(value)
		case "enum":
			r.Enum, err = enumOf(value)
		default:
			err = errors.New("not known, expected min, max, above, below, minlen, maxlen, format, pattern or enum")
		}
		if err != nil {
			return r, fmt.Errorf("rule %s: %w", key, err)
		}
	}
	switch {
	case seen["min"] && seen["above"] || seen["max"] && seen["below"]:
		return r, fmt.Errorf("rules %q: expected one lower and one upper bound", text)
	case slices.ContainsFunc(append(r.Each, Lengths{r.MinLen, r.MaxLen}), func(l Lengths) bool { return l.Max >= 0 && l.Min > l.Max }):
		return r, fmt.Errorf("rules %q: no length is in between", text)
	}
	return r, nil
}

func length(s string) (int, error) {
	n, err := strconv.ParseUint(s, 10, 31)
	if err != nil {
		return 0, fmt.Errorf("expected a length, got %q", s)
	}
	return int(n), nil
}

func enumOf(text string) ([]string, error) {
	var out []string
	var value strings.Builder
	for i := 0; i < len(text); i++ {
		switch c := text[i]; {
		case c == '\\' && i+1 < len(text) && (text[i+1] == '|' || text[i+1] == '\\'):
			i++
			value.WriteByte(text[i])
		case c == '\\':
			return nil, errors.New(`expected a bar or a backslash behind a backslash`)
		case c == '|':
			out = append(out, value.String())
			value.Reset()
		default:
			value.WriteByte(c)
		}
	}
	out = append(out, value.String())
	for i, v := range out {
		if slices.Contains(out[:i], v) {
			return nil, fmt.Errorf("%q comes twice", v)
		}
	}
	return out, nil
}

// String spells the rules in one order, so that equal ones have equal texts.
func (r Rules) String() string {
	var parts []string
	add := func(key, value string) { parts = append(parts, key+"="+value) }
	switch {
	case r.MinOpen:
		add("above", r.Min)
	case r.Min != "":
		add("min", r.Min)
	}
	switch {
	case r.MaxOpen:
		add("below", r.Max)
	case r.Max != "":
		add("max", r.Max)
	}
	for i, l := range append([]Lengths{{r.MinLen, r.MaxLen}}, r.Each...) {
		if l.Min > 0 {
			add(strings.Repeat(ofEach, i)+"minlen", strconv.Itoa(l.Min))
		}
		if l.Max >= 0 {
			add(strings.Repeat(ofEach, i)+"maxlen", strconv.Itoa(l.Max))
		}
	}
	if r.Format != "" {
		add("format", r.Format)
	}
	if r.Pattern != "" {
		add("pattern", r.Pattern)
	}
	if r.Enum != nil {
		values := make([]string, len(r.Enum))
		for i, v := range r.Enum {
			values[i] = strings.NewReplacer(`\`, `\\`, `|`, `\|`).Replace(v)
		}
		add("enum", strings.Join(values, "|"))
	}
	return strings.Join(parts, ",")
}

// Elems are what holds of the elements of a list, a map or an array: the rules without
// those about its own length.
func (r Rules) Elems() Rules {
	r.MinLen, r.MaxLen = 0, -1
	if len(r.Each) > 0 {
		r.MinLen, r.MaxLen, r.Each = r.Each[0].Min, r.Each[0].Max, r.Each[1:]
	}
	return r
}

// Empty says that every value keeps to the rules.
func (r Rules) Empty() bool { return r.String() == "" }

// WithRules is the field with the rules that text says, as a tag spells them. The type of
// the field must have no reference where a rule looks into it.
//
// # Errors
//
// Those of ParseRules and CheckRules.
func (f Field) WithRules(text string) (Field, error) {
	r, err := ParseRules(text)
	if err != nil {
		return f, err
	}
	if !utf8.ValidString(text) {
		return f, fmt.Errorf("rules %q: expected valid UTF-8", text)
	}
	if err := r.normal(f.Type); err != nil {
		return f, err
	}
	if f.Rules = r.String(); f.Const != "" {
		return f, fmt.Errorf("rules %q: expected none beside a constant", text)
	}
	return f, f.CheckRules()
}

// normal spells the bounds as the type of the numbers does.
func (r *Rules) normal(t Type) error {
	for (t.Kind == TList || t.Kind == TMap) && t.Elem != nil || t.Kind == TTuple && len(t.Elems) > 0 {
		if t.Kind == TTuple {
			t = t.Elems[0]
		} else {
			t = *t.Elem
		}
	}
	for _, bound := range []*string{&r.Min, &r.Max} {
		if *bound == "" {
			continue
		}
		if t.Kind == TFloat32 || t.Kind == TFloat64 {
			v, err := strconv.ParseFloat(*bound, 64)
			if err != nil || v != v || v-v != 0 {
				return fmt.Errorf("bound %s: expected a number", *bound)
			}
			*bound = strconv.FormatFloat(v, 'g', -1, 64)
		}
	}
	return nil
}

// CheckRules says what is wrong with the rules of a field; the type must not be a ref.
//
// # Errors
//
// A rule about values that the type does not have, a bound outside of the type, bounds
// with nothing between them, a spelling that String would not give.
func (f Field) CheckRules() error {
	r, err := ParseRules(f.Rules)
	if err != nil {
		return err
	}
	if s := r.String(); s != f.Rules {
		return fmt.Errorf("rules %q: expected the spelling %q", f.Rules, s)
	}
	if f.Const != "" {
		return fmt.Errorf("rules %q: expected none beside a constant", f.Rules)
	}
	return r.fit(f.Type)
}

func (r Rules) fit(t Type) error {
	if r.Empty() {
		return nil
	}
	number, text := r.Min != "" || r.Max != "", r.Pattern != "" || r.Format != ""
	long := r.MinLen > 0 || r.MaxLen >= 0
	misfit := func(what string) error {
		return fmt.Errorf("rules %q: expected %s, got a member of type %s", r, what, t)
	}
	k := t.Kind
	switch {
	case (k == TList || k == TMap) && t.Elem == nil:
		return nil // told at the type
	case k == TList || k == TMap:
		return r.Elems().fit(*t.Elem)
	case k == TTuple:
		if long {
			return misfit("a text, a list or a map for a length")
		}
		for _, e := range t.Elems {
			if err := r.Elems().fit(e); err != nil {
				return err
			}
		}
		return nil
	case len(r.Each) > 0:
		return misfit("a list, a map or an array for the length of its elements")
	case number && signedBits[k] == 0 && unsignedBits[k] == 0 && k != TFloat32 && k != TFloat64:
		return misfit("a number for a bound")
	case text && k != TString:
		return misfit("a text for a pattern or format")
	case long && k != TString && k != TBytes:
		return misfit("a text, a list or a map for a length")
	case r.Enum != nil && k != TString && signedBits[k] == 0 && unsignedBits[k] == 0:
		return misfit("a text or an integer for an enum")
	}
	for _, v := range append(slices.DeleteFunc([]string{r.Min, r.Max}, func(s string) bool { return s == "" }), r.Enum...) {
		var err error
		switch {
		case signedBits[k] > 0:
			var i int64
			if i, err = strconv.ParseInt(v, 10, signedBits[k]); err == nil && strconv.FormatInt(i, 10) != v {
				err = errors.New("spelling")
			}
		case unsignedBits[k] > 0:
			var u uint64
			if u, err = strconv.ParseUint(v, 10, unsignedBits[k]); err == nil && strconv.FormatUint(u, 10) != v {
				err = errors.New("spelling")
			}
		case k == TFloat32 || k == TFloat64:
			_, err = strconv.ParseFloat(v, 64)
		}
		if err != nil {
			return fmt.Errorf("rules %q: expected a value of type %s, got %s", r, k, v)
		}
	}
	if r.Min == "" || r.Max == "" {
		return nil
	}
	less, same := order(k, r.Min, r.Max)
	if !less && !(same && !r.MinOpen && !r.MaxOpen) {
		return fmt.Errorf("rules %q: no number is in between", r)
	}
	return nil
}

// order compares two bounds that are numbers of the kind.
func order(k TypeKind, a, b string) (less, same bool) {
	switch {
	case signedBits[k] > 0:
		x, _ := strconv.ParseInt(a, 10, 64)
		y, _ := strconv.ParseInt(b, 10, 64)
		return x < y, x == y
	case unsignedBits[k] > 0:
		x, _ := strconv.ParseUint(a, 10, 64)
		y, _ := strconv.ParseUint(b, 10, 64)
		return x < y, x == y
	}
	x, _ := strconv.ParseFloat(a, 64)
	y, _ := strconv.ParseFloat(b, 64)
	return x < y, x == y
}
