package schema

import (
	"fmt"
	"slices"
	"strings"
	"unicode"
)

// manyOf is a union whose variants may not be whole when it is found.
type manyOf struct {
	n    *node
	t    *typ
	hint string
}

// many notes a union of several types, and makes it the type of n.
func (l *lowering) many(n *node, t *typ, hint string) *typ {
	l.done[n] = t
	l.unions = append(l.unions, manyOf{n, t, hint})
	return t
}

// seal gives those unions names that become sealed interfaces: those whose variants a
// message tells apart, as codecs do. The others stay JSON.
func (l *lowering) seal() {
	for _, u := range l.unions {
		why := u.t.together()
		if why == "" && u.t.nullable && slices.Contains(l.rootNodes, u.n) {
			why = "a message may be null as a whole"
		}
		if why != "" {
			var names []string
			for _, e := range u.t.elems {
				names = append(names, e.String())
			}
			u.t.note = l.note(u.n, "one of %s: %s", strings.Join(names, ", "), why)
			continue
		}
		place := u.n.place()
		if slices.ContainsFunc(l.named, func(t *typ) bool { return t.place == place }) {
			place += "|union" // an object of a list of types stands there, too
		}
		u.t.place, u.t.name = place, l.nameAt(u.n, place, u.hint)
		for _, e := range u.t.elems {
			own := ""
			if e.kind != objectKind && e.kind != enumKind {
				suffix := e.suffix()
				own = l.claim(place+"|"+strings.ToLower(suffix), u.t.name+suffix)
				if r, _ := e.ruled(); !r.Empty() {
					l.notes = append(l.notes, Note{e.place, "its rules are not checked: they stand in tags of members only"})
				}
			}
			u.t.own = append(u.t.own, own)
		}
		l.named = append(l.named, u.t)
		if u.t.branched {
			l.byBranch(u)
			continue
		}
		if u.t.byMembers() {
			refused := ""
			if u.n.get("oneOf") != nil {
				refused = ", which the schema refuses,"
			}
			l.note(u.n, "variants are told by their required members: a message with those of several%s is read as the first of them", refused)
		}
	}
}

// byBranch notes which variants nothing but the branch tells: where there is none, between
// steps in two languages or in JSON, a value of them is refused.
func (l *lowering) byBranch(u manyOf) {
	for i, a := range u.t.elems {
		for _, b := range u.t.elems[:i] {
			if a.kind == objectKind && b.kind == objectKind && !told(b, a) {
				l.note(u.n, "only the branch tells %s and %s apart: what has none, JSON and what a step in Python returns, is refused where it may be both", b, a)
			}
		}
	}
}

// form is what values of t are in JSON; empty where they may be anything.
func (t *typ) form() string {
	switch t.kind {
	case boolKind:
		return "bool"
	case intKind, uintKind, numberKind, int32Kind, float32Kind:
		return "number"
	case stringKind, bytesKind:
		return "string"
	case enumKind:
		if t.base == intKind {
			return "number"
		}
		return "string"
	case listKind, tupleKind:
		return "array"
	case objectKind, mapKind:
		return "object"
	}
	return ""
}

// suffix is what the name of a variant that is no named type ends with.
func (t *typ) suffix() string {
	switch t.kind {
	case boolKind:
		return "Bool"
	case intKind, uintKind, int32Kind:
		return "Integer"
	case numberKind, float32Kind:
		return "Number"
	case bytesKind:
		return "Bytes"
	case listKind:
		return "List"
	case tupleKind:
		return "Tuple"
	case mapKind:
		return "Map"
	}
	return "String"
}

// together says why the types of a union can not be variants of one interface.
func (t *typ) together() string {
	if t.within(t, map[*typ]bool{}) {
		return "it contains itself without an object between"
	}
	if len(t.elems) > 255 {
		return "more than 255 types"
	}
	first := map[string]*typ{}
	for i, e := range t.elems {
		form := e.form()
		if form == "" || e.nullable {
			return e.String() + " has no kind of its own"
		}
		other := first[form]
		switch {
		case other == nil:
			first[form] = e
		case other.kind != objectKind || e.kind != objectKind:
			return fmt.Sprintf("%s and %s are both JSON %ss", other, e, form)
		}
		if e.kind != objectKind {
			continue
		}
		for _, o := range t.elems[:i] {
			if o.kind == objectKind && !t.branched && !told(o, e) {
				return fmt.Sprintf("no constant and no required members tell %s and %s apart", o, e)
			}
		}
	}
	return ""
}

// within says that t is in from, with no object between.
func (t *typ) within(from *typ, seen map[*typ]bool) bool {
	if seen[from] {
		return false
	}
	seen[from] = true
	inner := slices.Clone(from.elems)
	if from.elem != nil {
		inner = append(inner, from.elem)
	}
	return slices.ContainsFunc(inner, func(e *typ) bool { return e == t || e.kind != objectKind && t.within(e, seen) })
}

// byMembers says that required members are needed to tell the objects of a union.
func (t *typ) byMembers() bool {
	for i, a := range t.elems {
		for _, b := range t.elems[:i] {
			if a.kind == objectKind && b.kind == objectKind && !tagged(a, b) {
				return true
			}
		}
	}
	return false
}

// told says that a message of one of two objects is none of the other.
func told(a, b *typ) bool {
	return tagged(a, b) || a.hasOwn(b) && b.hasOwn(a)
}

// tagged says that a constant tells two objects apart.
func tagged(a, b *typ) bool {
	return slices.ContainsFunc(a.fields, func(f field) bool {
		return slices.ContainsFunc(b.fields, func(g field) bool {
			return f.name == g.name && f.label() != "" && g.label() != "" && f.label() != g.label()
		})
	})
}

// hasOwn says that t requires a member that other does not name.
func (t *typ) hasOwn(other *typ) bool {
	return slices.ContainsFunc(t.fields, func(f field) bool {
		return f.required && taggable(f.name) && !slices.ContainsFunc(other.fields, func(g field) bool { return f.name == g.name })
	})
}

// label is the constant of a member that is always there; empty where it has none.
func (f field) label() string {
	c := f.t.only()
	if c == nil || !f.required || f.t.mayBeNull() || !taggable(f.name) {
		return ""
	}
	if _, ok := constTag(c); !ok {
		return ""
	}
	return c.canonical()
}

// taggable says whether a tag can name the member.
func taggable(name string) bool {
	return !strings.ContainsAny(name, "\\'\"`,") && name != "-" && name != "" && !strings.ContainsFunc(name, unicode.IsControl)
}

// union writes a sealed interface, the types of its own variants, and the registration.
func (w *writer) union(t *typ) {
	w.opt = true
	variants := make([]string, len(t.elems))
	var own strings.Builder
	var methods, zeros []string
	for i, e := range t.elems {
		variants[i] = t.own[i]
		text := ""
		switch {
		case t.own[i] == "":
			variants[i] = e.name
		case e.kind == tupleKind && !e.array:
			text, w.raw = "[]"+value, true
		default:
			text = w.ref(e)
		}
		if text != "" {
			fmt.Fprintf(&own, "// %s is a variant of %s.\ntype %s %s\n\n", variants[i], t.name, variants[i], text)
		}
		methods = append(methods, fmt.Sprintf("func (%s) is%s() {}\n", variants[i], t.name))
		zeros = append(zeros, variants[i]+e.zero())
	}
	comment(&w.buf, join(t.name+" is "+strings.TrimSuffix(t.place, "|union")+": one of "+strings.Join(variants, ", ")+".", t.doc))
	fmt.Fprintf(&w.buf, "type %s interface{ is%s() }\n\n%s%s\nvar _ = levada.Union[%s](%s)\n\n",
		t.name, t.name, own.String(), strings.Join(methods, ""), t.name, strings.Join(zeros, ", "))
}

// zero is how Go writes the zero value, behind the name of its type.
func (t *typ) zero() string {
	switch t.kind {
	case boolKind:
		return "(false)"
	case stringKind:
		return `("")`
	case enumKind:
		if t.base == intKind {
			return "(0)"
		}
		return `("")`
	case intKind, uintKind, numberKind, int32Kind, float32Kind:
		return "(0)"
	case objectKind:
		return "{}"
	case tupleKind:
		if t.array {
			return "{}"
		}
	}
	return "(nil)"
}
