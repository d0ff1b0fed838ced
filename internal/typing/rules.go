package typing

import (
	"encoding/json/v2"
	"math/big"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"

	"github.com/levada-io/levada/plan"
)

// keeps is what values keep to beside their type.
type keeps struct {
	plan.Rules
	konst string // the JSON text of the only value, which Enum has, too
}

var free = keeps{Rules: plan.Rules{MaxLen: -1}}

// ofField is what the values of a member keep to. Rules that can not be read are told
// where the plan is validated.
func ofField(f plan.Field) keeps {
	if f.Const != "" {
		k := free
		k.konst, k.Enum = f.Const, []string{value(f.Const)}
		return k
	}
	if f.Rules == "" {
		return free
	}
	r, err := plan.ParseRules(f.Rules)
	if err != nil {
		return free
	}
	return keeps{Rules: r}
}

// value is the JSON text of a string, an integer or a bool as an enum has it.
func value(text string) string {
	var s string
	if strings.HasPrefix(text, `"`) && json.Unmarshal([]byte(text), &s) == nil {
		return s
	}
	return text
}

func (k keeps) elems() keeps { return keeps{Rules: k.Elems()} }

// level is k without what is about the elements of a value of this kind.
func (k keeps) level(of plan.TypeKind) keeps {
	if of == plan.TList || of == plan.TMap {
		l := free
		l.MinLen, l.MaxLen = k.MinLen, k.MaxLen
		return l
	}
	return k
}

// of is a type with its rules, as messages show it.
func (k keeps) of(t plan.Type) string {
	switch {
	case k.konst != "":
		return t.String() + " of const=" + k.konst
	case k.Empty():
		return t.String()
	}
	return t.String() + " of " + k.String()
}

// named is the type that a name leads to where the name is one of rules, and these rules.
func named(t plan.Type, k keeps, table Table) (plan.Type, keeps) {
	for t.Kind == plan.TRef {
		r, ok := table.Rules[t.Name]
		if !ok {
			break
		}
		next := table.Types[t.Name]
		next.Nullable = next.Nullable || t.Nullable
		t = next
		if k.Empty() {
			k.Rules = r
		}
	}
	return t, k
}

// rules compares what the values of two types of like kinds keep to. Where types must fit,
// only that no value keeps to both counts: rules are there to refuse messages. Where
// types are compared, every value of the one must be one of the other.
func (c *comparison) rules(from, to, f, t plan.Type, fk, tk keeps, path string) {
	fk, tk = fk.level(f.Kind), tk.level(t.Kind)
	// Names that have only some values are compared by these, unless the other side says
	// its own by a rule.
	if fk.Enum == nil && tk.Enum != nil {
		fk.Enum = values(from, c.from)
	} else if tk.Enum == nil && fk.Enum != nil {
		tk.Enum = values(to, c.to)
	}
	if fk.Empty() && tk.Empty() {
		return // what the kinds themselves leave has been compared
	}
	numbers := isNumber(f) && isNumber(t)
	if !c.text {
		if numbers && apart(rangeOf(f, fk), rangeOf(t, tk)) || !numbers && lengthsApart(fk, tk) ||
			fk.Enum != nil && !slices.ContainsFunc(fk.Enum, tk.allows(t)) ||
			tk.Enum != nil && !slices.ContainsFunc(tk.Enum, fk.allows(f)) {
			c.report(path, NeverMeet, tk.of(to), fk.of(from))
		}
		return
	}
	switch have := fk.all(f, len(tk.Enum)); {
	case fk.Enum != nil:
		if lost := slices.DeleteFunc(slices.Clone(fk.Enum), tk.allows(t)); len(lost) > 0 {
			c.report(path, OtherValues, "", texts(t, lost))
		}
	case tk.Enum != nil:
		if have == nil || slices.ContainsFunc(have, func(v string) bool { return !slices.Contains(tk.Enum, v) }) {
			c.report(path, MaybeTooWide, "one of "+texts(t, tk.Enum), fk.of(from))
		}
		return
	case numbers:
		c.bounds(from, to, f, t, fk, tk, path)
	default:
		if fk.MinLen < tk.MinLen {
			c.report(path, OtherRule, length("minlen", tk.MinLen, tk.MinLen > 0), length("minlen", fk.MinLen, fk.MinLen > 0))
		}
		if tk.MaxLen >= 0 && (fk.MaxLen < 0 || fk.MaxLen > tk.MaxLen) {
			c.report(path, OtherRule, length("maxlen", tk.MaxLen, true), length("maxlen", fk.MaxLen, fk.MaxLen >= 0))
		}
		c.undecided(path, "pattern", tk.Pattern, fk.Pattern)
	}
	c.undecided(path, "format", tk.Format, fk.Format)
}

// undecided compares rules of which only equal ones are known to be.
func (c *comparison) undecided(path, name, want, got string) {
	switch {
	case want == "" || want == got:
	case got == "":
		c.report(path, OtherRule, name+"="+want, "no "+name)
	default:
		c.report(path, Undecided, name+"="+want, name+"="+got)
	}
}

func length(name string, n int, is bool) string {
	if !is {
		return "no " + name
	}
	return name + "=" + strconv.Itoa(n)
}

// values are those of a name that has only some, nil where it may have any.
func values(t plan.Type, table Table) []string {
	if t.Kind != plan.TRef {
		return nil
	}
	var out []string
	for _, v := range table.Values[t.Name] {
		out = append(out, value(v))
	}
	return out
}

// texts are values as messages show them.
func texts(t plan.Type, list []string) string {
	if t.Kind == plan.TString {
		out := make([]string, len(list))
		for i, v := range list {
			out[i] = strconv.Quote(v)
		}
		list = out
	}
	return strings.Join(list, ", ")
}

// allows says of a value, as an enum has it, whether it keeps to k and is one of t. A
// format is not looked at.
func (k keeps) allows(t plan.Type) func(v string) bool {
	if isNumber(t) {
		r := rangeOf(t, k)
		return func(v string) bool {
			n := rational(v)
			return n != nil && (k.Enum == nil || slices.Contains(k.Enum, v)) && !apart(r, span{low: end{at: n}, high: end{at: n}})
		}
	}
	match := func(string) bool { return true }
	if re, err := regexp.Compile(k.Pattern); k.Pattern != "" && err == nil {
		match = re.MatchString
	}
	return func(v string) bool {
		if k.Enum != nil && !slices.Contains(k.Enum, v) {
			return false
		}
		n := utf8.RuneCountInString(v)
		return t.Kind != plan.TString || n >= k.MinLen && (k.MaxLen < 0 || n <= k.MaxLen) && match(v)
	}
}

// all are the values of a range of integers, nil where they are more than most.
func (k keeps) all(t plan.Type, most int) (out []string) {
	r := rangeOf(t, k)
	if !r.whole || r.low.at == nil || r.high.at == nil {
		return nil
	}
	n := new(big.Rat).Sub(r.high.at, r.low.at)
	if n.Cmp(new(big.Rat).SetInt64(int64(most))) >= 0 {
		return nil
	}
	for v := r.low.at; v.Cmp(r.high.at) <= 0; v = new(big.Rat).Add(v, big.NewRat(1, 1)) {
		out = append(out, v.Num().String())
	}
	return out
}

func lengthsApart(a, b keeps) bool {
	return a.MaxLen >= 0 && b.MinLen > a.MaxLen || b.MaxLen >= 0 && a.MinLen > b.MaxLen
}

// end is one end of a range of numbers.
type end struct {
	at   *big.Rat // nil: there is none
	open bool     // it is outside itself
	text string   // of the rule that says so; empty: the type does
}

// span is a range of numbers. Ends of whole ones are integers that are within.
type span struct {
	low, high end
	whole     bool
}

func isNumber(t plan.Type) bool { return integer(t.Kind) || float(t.Kind) }

func rational(text string) *big.Rat {
	if len(text) > 400 || strings.Contains(text, "/") {
		return nil
	}
	r, ok := new(big.Rat).SetString(text)
	if !ok {
		return nil
	}
	return r
}

// rangeOf is where the numbers of t that keep to k are.
func rangeOf(t plan.Type, k keeps) span {
	s := span{whole: integer(t.Kind)}
	if s.whole {
		bits := widths[t.Kind]
		one := big.NewInt(1)
		if bits > 0 {
			s.low = end{at: new(big.Rat), text: "min=0"}
			high := new(big.Int).Lsh(one, uint(bits))
			s.high.at = new(big.Rat).SetInt(high.Sub(high, one))
		} else {
			high := new(big.Int).Lsh(one, uint(-bits-1))
			s.low.at = new(big.Rat).SetInt(new(big.Int).Neg(high))
			s.high.at = new(big.Rat).SetInt(high.Sub(high, one))
		}
	}
	if at := rational(k.Min); k.Min != "" && at != nil {
		s.low = end{at, k.MinOpen, "min=" + k.Min}
		if k.MinOpen {
			s.low.text = "above=" + k.Min
		}
	}
	if at := rational(k.Max); k.Max != "" && at != nil {
		s.high = end{at, k.MaxOpen, "max=" + k.Max}
		if k.MaxOpen {
			s.high.text = "below=" + k.Max
		}
	}
	if s.whole {
		s.low, s.high = s.low.inwards(1), s.high.inwards(-1)
	}
	return s
}

// inwards is the integer at an end that is within; by is 1 at the lower one.
func (e end) inwards(by int64) end {
	if e.at == nil {
		return e
	}
	// Euclidean, and the divisor is above zero: the next one below.
	n := new(big.Int).Div(e.at.Num(), e.at.Denom())
	if !e.at.IsInt() && by > 0 {
		n.Add(n, big.NewInt(1))
	}
	if e.at.IsInt() && e.open {
		n.Add(n, big.NewInt(by))
	}
	return end{new(big.Rat).SetInt(n), false, e.text}
}

// apart says that two ranges have no number in common.
func apart(a, b span) bool {
	if a.whole || b.whole {
		for _, s := range []*span{&a, &b} {
			s.low, s.high = s.low.inwards(1), s.high.inwards(-1)
		}
	}
	beyond := func(low, high end) bool {
		if low.at == nil || high.at == nil {
			return false
		}
		c := low.at.Cmp(high.at)
		return c > 0 || c == 0 && (low.open || high.open)
	}
	return beyond(a.low, b.high) || beyond(b.low, a.high)
}

// bounds compares two ranges end by end. Where it is the type that ends, the types are told.
func (c *comparison) bounds(from, to, f, t plan.Type, fk, tk keeps, path string) {
	a, b := rangeOf(f, fk), rangeOf(t, tk)
	widest := func(t plan.Type) bool { return widths[t.Kind] == 64 || widths[t.Kind] == -64 }
	told := false
	for _, side := range []struct {
		have, want end
		sign       int
		name       string
	}{{a.low, b.low, 1, "min"}, {a.high, b.high, -1, "max"}} {
		have, want := side.have, side.want
		// A schema that says no bound means none, whatever Go has for it.
		if want.at == nil || have.text == "" && want.text == "" && widest(f) && widest(t) {
			continue
		}
		if have.at != nil {
			order := have.at.Cmp(want.at) * side.sign
			if order > 0 || order == 0 && (have.open || !want.open) {
				continue
			}
		}
		switch {
		case f.Kind == t.Kind || widest(f) && widest(t) || have.text != "" && want.text != "":
			c.report(path, OtherRule, side.want.or(side.name), side.have.or(side.name))
		case !told:
			told = true
			c.report(path, MaybeTooWide, tk.of(to), fk.of(from))
		}
	}
}

func (e end) or(name string) string {
	if e.text == "" {
		return "no " + name
	}
	return e.text
}
