package schema

import (
	"math/big"
	"strconv"
	"strings"

	"github.com/levada-io/levada/plan"
)

// rulesOf are what the schema n says of the values of t beside their type. What has no
// rule, or no bound that the type could pass, is left to who reads the schema.
func (l *lowering) rulesOf(n *node, t *typ) *plan.Rules {
	r := &plan.Rules{MaxLen: -1}
	switch t.kind {
	case intKind, uintKind:
		// Half an integer is none: the next one within counts.
		if t.min != nil && !(t.kind == uintKind && t.min.Sign() == 0) {
			r.Min = ceil(t.min).String()
		}
		if t.max != nil {
			r.Max = floor(t.max).String()
		}
		// What the type has as its own end is no rule.
		if r.Min == "-9223372036854775808" {
			r.Min = ""
		}
		if r.Max == "9223372036854775807" && t.kind == intKind || r.Max == "18446744073709551615" {
			r.Max = ""
		}
	case numberKind:
		r.Min, r.MinOpen = stricter(n.get("minimum"), n.get("exclusiveMinimum"), 1)
		r.Max, r.MaxOpen = stricter(n.get("maximum"), n.get("exclusiveMaximum"), -1)
	case stringKind:
		r.MinLen, r.MaxLen = lengths(n.get("minLength"), n.get("maxLength"))
		if p := n.get("pattern"); p != nil && p.kind == '"' && p.text != "" {
			one := plan.Rules{Pattern: p.text, MaxLen: -1}
			if _, err := plan.ParseRules(one.String()); err != nil {
				l.note(p, "a pattern that RE2 does not have: it is not checked")
			} else {
				r.Pattern = p.text
			}
		}
	case listKind:
		r.MinLen, r.MaxLen = lengths(n.get("minItems"), n.get("maxItems"))
	case mapKind:
		r.MinLen, r.MaxLen = lengths(n.get("minProperties"), n.get("maxProperties"))
	}
	if r.Empty() {
		return nil
	}
	return r
}

func sameRules(a, b *typ) bool {
	x, _ := a.ruled()
	y, _ := b.ruled()
	return x.String() == y.String()
}

func ceil(r *big.Rat) *big.Int {
	return new(big.Int).Neg(floor(new(big.Rat).Neg(r)))
}

func floor(r *big.Rat) *big.Int {
	return new(big.Int).Div(r.Num(), r.Denom()) // Euclidean, and the divisor is above zero
}

// number is the text of a bound, "" where n is none.
func number(n *node) string {
	if bound(n) == nil {
		return ""
	}
	return string(n.raw)
}

// stricter is the bound that leaves less; sign is 1 for lower ones.
func stricter(shut, open *node, sign int) (text string, isOpen bool) {
	s, o := bound(shut), bound(open)
	if o != nil && (s == nil || o.Cmp(s)*sign >= 0) {
		return number(open), true
	}
	return number(shut), false
}

func lengths(least, most *node) (low, high int) {
	high = -1
	if b := bound(least); b != nil && b.IsInt() && b.Sign() > 0 && b.Num().BitLen() < 31 {
		low = int(b.Num().Int64())
	}
	if b := bound(most); b != nil && b.IsInt() && b.Sign() >= 0 && b.Num().BitLen() < 31 {
		high = int(b.Num().Int64())
	}
	return low, high
}

// ruled are the rules of a value of t and of its elements in one, as a tag has them.
// unsaid is what does not go into it.
func (t *typ) ruled() (r plan.Rules, unsaid string) {
	r.MaxLen = -1
	if t.rules != nil {
		r = *t.rules
	}
	if t.kind == unionKind && len(t.elems) == 1 {
		return t.elems[0].ruled()
	}
	switch t.kind {
	case enumKind:
		if t.konst != nil {
			return r, "" // a constant says it
		}
		for _, v := range t.values {
			text := v.text
			if v.kind != '"' {
				text = string(v.raw)
			}
			r.Enum = append(r.Enum, text)
		}
	case listKind, mapKind, tupleKind:
		inner := t.elem
		if t.kind == tupleKind {
			if !t.array {
				return r, ""
			}
			for _, e := range t.elems {
				if !sameRules(t.elems[0], e) {
					return r, "what its positions keep to"
				}
			}
			inner = t.elems[0]
		}
		of, more := inner.ruled()
		unsaid = more
		low, high := r.MinLen, r.MaxLen
		r = of
		r.MinLen, r.MaxLen = low, high
		if of.MinLen > 0 || of.MaxLen >= 0 || len(of.Each) > 0 {
			r.Each = append([]plan.Lengths{{Min: of.MinLen, Max: of.MaxLen}}, of.Each...)
		}
	}
	return r, unsaid
}

// planOf is the type of a field as far as rules look at it.
func (t *typ) planOf() plan.Type {
	switch t.kind {
	case unionKind:
		if len(t.elems) == 1 {
			return t.elems[0].planOf()
		}
	case enumKind:
		if t.base == intKind {
			return plan.Type{Kind: plan.TInt64}
		}
		return plan.Type{Kind: plan.TString}
	case intKind:
		return plan.Type{Kind: plan.TInt64}
	case uintKind:
		return plan.Type{Kind: plan.TUint64}
	case numberKind:
		return plan.Type{Kind: plan.TFloat64}
	case stringKind:
		return plan.Type{Kind: plan.TString}
	case listKind, mapKind:
		elem := t.elem.planOf()
		return plan.Type{Kind: map[kind]plan.TypeKind{listKind: plan.TList, mapKind: plan.TMap}[t.kind], Elem: &elem}
	case tupleKind:
		if t.array {
			return plan.Type{Kind: plan.TTuple, Elems: []plan.Type{t.elems[0].planOf()}}
		}
	}
	return plan.Type{Kind: plan.TAny}
}

// ruleTag are the rules of a field as its tag has them, "" where there are none.
func (w *writer) ruleTag(t *typ) string {
	r, unsaid := t.ruled()
	if unsaid != "" {
		w.notes = append(w.notes, Note{t.place, unsaid + " is not checked"})
	}
	if r.Empty() {
		return ""
	}
	if r.Enum != nil {
		r.Pattern = "" // what is in the list is all that there is
	}
	f, err := plan.Field{Type: t.planOf()}.WithRules(r.String())
	switch {
	case err != nil:
		w.notes = append(w.notes, Note{t.place, "is not checked: " + err.Error()})
		return ""
	case strings.ContainsAny(f.Rules, "`"):
		w.notes = append(w.notes, Note{t.place, "is not checked: a backquote, which no tag can hold"})
		return ""
	}
	return " levada:" + strconv.Quote(f.Rules)
}
