// Package typing compares types by their structure: whether what one step yields can be
// what the next one takes, and what a changed type means for those who read and write it.
package typing

import (
	"fmt"
	"slices"

	"github.com/levada-io/levada/plan"
)

// Reason says in what way two types differ at a path.
type Reason int

// The reasons.
const (
	OtherKind    Reason = iota // a text for a number, another unit, another constant
	NoMember                   // a required member is not there
	MaybeAbsent                // a required member is optional
	MaybeNull                  // a value that is never null may be null
	Unresolved                 // a name that is not in the table of types
	NeverMeet                  // no value keeps to the rules of both
	MaybeTooWide               // only the value tells: a wide integer into a narrow one
	NotNeeded                  // an optional member is not there, which is fine
	OtherValues                // values that the other one does not have
	OtherRule                  // a rule that values of the other one need not keep to
	Undecided                  // two rules of which nothing says whether the one is within the other
)

// Difference is one place where a type is not what is expected.
type Difference struct {
	Path   string // of the member: $.spans[].name
	Reason Reason
	Want   string // the type that is expected there
	Got    string // the type that is there; empty where there is no member
	err    error
}

// String is the difference as messages show it.
func (d Difference) String() string {
	switch d.Reason {
	case NoMember, NotNeeded:
		return fmt.Sprintf("%s: expected %s, got no such member", d.Path, d.Want)
	case MaybeAbsent:
		return d.Path + ": expected a required member, got an optional one"
	case Unresolved:
		return fmt.Sprintf("%s: %v", d.Path, d.err)
	case NeverMeet:
		return fmt.Sprintf("%s: expected %s, got %s, and no value is both", d.Path, d.Want, d.Got)
	}
	return fmt.Sprintf("%s: expected %s, got %s", d.Path, d.Want, d.Got)
}

// Fits says where a produced type can not be what a consumer takes: the first
// difference, and nil where there is none. What only the value can tell (a wide integer
// into a narrow one, one that keeps to tighter rules, any) fits, and is checked when the
// value comes.
func Fits(from, to plan.Type, types map[string]plan.Type) *Difference {
	c := comparison{from: Table{Types: types}, to: Table{Types: types}, one: true, seen: map[[2]string]bool{}}
	c.walk(from, to, "$")
	if len(c.found) == 0 {
		return nil
	}
	return &c.found[0]
}

// FitsGo is Fits between two steps in Go. In Python a struct and a map are both a dict; in
// Go a map is no struct, and a struct only a map of any.
func FitsGo(from, to plan.Type, types map[string]plan.Type) *Difference {
	c := comparison{from: Table{Types: types}, to: Table{Types: types}, one: true, fixed: true, seen: map[[2]string]bool{}}
	c.walk(from, to, "$")
	if len(c.found) == 0 {
		return nil
	}
	return &c.found[0]
}

// FitsBytes is Fits between two programs, each with a table of types of its own, that know
// of each other's values by messages only: what text and numbers write alike fits.
func FitsBytes(from, to plan.Type, writer, reader Table) *Difference {
	c := comparison{from: writer, to: reader, alike: true, seen: map[[2]string]bool{}}
	c.walk(from, to, "$")
	if len(c.found) == 0 {
		return nil
	}
	return &c.found[0]
}

// Unknown is the first place where the consumer takes something definite, and what is
// produced there is not known before the value comes.
func Unknown(from, to plan.Type, types map[string]plan.Type) *Difference {
	c := comparison{from: Table{Types: types}, to: Table{Types: types}, one: true, unknown: true, seen: map[[2]string]bool{}}
	c.walk(from, to, "$")
	for i, d := range c.found {
		if d.Reason == MaybeTooWide {
			return &c.found[i]
		}
	}
	return nil
}

type comparison struct {
	from, to Table
	// one: both sides have one table, so that a name is the same type on both.
	one bool
	// text: values go by text, for readers of another day: units, widths and members
	// that are not needed count too.
	text bool
	// fixed: structs and maps are two kinds.
	fixed bool
	// alike: what a codec writes in one form is one kind.
	alike bool
	// unknown: any where something definite is expected counts.
	unknown bool
	// looks is how many more times variants are held against others; nil: any number.
	looks *int
	seen  map[[2]string]bool
	found []Difference
}

func (c *comparison) report(path string, r Reason, want, got string) {
	if r < MaybeTooWide || c.text {
		c.found = append(c.found, Difference{Path: path, Reason: r, Want: want, Got: got})
	}
}

func (c *comparison) walk(from, to plan.Type, path string) { c.hold(from, to, free, free, path) }

// hold compares two types whose values keep to rules.
func (c *comparison) hold(from, to plan.Type, fk, tk keeps, path string) {
	from, fk = named(from, fk, c.from)
	to, tk = named(to, tk, c.to)
	if from.Kind == plan.TAny || to.Kind == plan.TAny {
		if (c.text || c.unknown) && to.Kind != plan.TAny {
			c.found = append(c.found, Difference{Path: path, Reason: MaybeTooWide, Want: to.String(), Got: from.String()})
		}
		return
	}
	if c.one && from.Kind == plan.TRef && to.Kind == plan.TRef && from.Name == to.Name && (to.Nullable || !from.Nullable) && fk.Empty() && tk.Empty() {
		return
	}
	f, err := from.Resolve(c.from.Types)
	if err == nil {
		var t plan.Type
		if t, err = to.Resolve(c.to.Types); err == nil {
			c.resolved(from, to, f, t, fk, tk, path)
			return
		}
	}
	c.found = append(c.found, Difference{Path: path, Reason: Unresolved, err: err})
}

func (c *comparison) resolved(from, to, f, t plan.Type, fk, tk keeps, path string) {
	if f.Nullable && !t.Nullable {
		c.report(path, MaybeNull, to.String(), from.String())
		if !c.text {
			return
		}
	}
	// A pair of names is compared once: a recursive type leads back to it, and a type
	// with two members of its own kind would double the work at every level. Rules are
	// of the place, and get less with every level.
	if from.Kind == plan.TRef && to.Kind == plan.TRef {
		pair := [2]string{from.Name + " " + fk.String(), to.Name + " " + tk.String()}
		if c.seen[pair] {
			return
		}
		c.seen[pair] = true
	}
	other := func() { c.report(path, OtherKind, to.String(), from.String()) }
	if f.Kind == t.Kind && fk.Enum == nil && tk.Enum == nil {
		c.values(from, to, path)
	}
	if f.Kind == t.Kind {
		c.rules(from, to, f, t, fk, tk, path)
	}
	switch {
	case c.text && (f.Kind == plan.TUnion || t.Kind == plan.TUnion):
		c.variants(from, to, f, t, fk, tk, path)
	case f.Kind == plan.TUnion || t.Kind == plan.TUnion:
		c.oneOf(from, to, f, t, path)
	case f.Kind == plan.TStruct && t.Kind == plan.TStruct:
		c.members(f, t, path)
	case c.fixed && f.Kind == plan.TStruct && t.Kind == plan.TMap && t.Elem.Kind != plan.TAny,
		c.fixed && f.Kind == plan.TMap && t.Kind == plan.TStruct:
		other()
	case f.Kind == plan.TStruct && t.Kind == plan.TMap:
		for _, m := range f.Fields {
			c.hold(m.Type, *t.Elem, ofField(m), tk.elems(), path+"."+m.Name)
		}
	case f.Kind == plan.TMap && t.Kind == plan.TStruct: // members are seen at run time
		c.report(path, MaybeTooWide, to.String(), from.String())
	case f.Kind != t.Kind:
		switch {
		case c.alike && alike(f, t):
		case integer(f.Kind) && integer(t.Kind):
			if fk.Empty() && tk.Empty() && !holds(t.Kind, f.Kind) {
				c.report(path, MaybeTooWide, to.String(), from.String())
				break
			}
			c.rules(from, to, f, t, fk, tk, path)
		case float(t.Kind) && (float(f.Kind) || integer(f.Kind)):
			if t.Kind == plan.TFloat32 {
				c.report(path, MaybeTooWide, to.String(), from.String())
			}
			c.rules(from, to, f, t, fk, tk, path)
		default:
			other()
		}
	case f.Kind == plan.TList:
		c.hold(*f.Elem, *t.Elem, fk.elems(), tk.elems(), path+"[]")
	case f.Kind == plan.TMap:
		c.hold(*f.Elem, *t.Elem, fk.elems(), tk.elems(), path+"[key]")
	case f.Kind == plan.TTuple && len(f.Elems) != len(t.Elems):
		other()
	case f.Kind == plan.TTuple:
		for i := range t.Elems {
			c.hold(f.Elems[i], t.Elems[i], fk.elems(), tk.elems(), fmt.Sprintf("%s[%d]", path, i))
		}
	case c.text && f.Unit != t.Unit:
		c.report(path, OtherKind, unit(t), unit(f))
	}
}

// oneOf compares where at least one of the two is a union: each variant must be one that
// is taken. A type that is none is a union of itself.
func (c *comparison) oneOf(from, to, f, t plan.Type, path string) {
	into := []plan.Type{to}
	if t.Kind == plan.TUnion {
		into = t.Elems
	}
	have := f.Elems
	if f.Kind != plan.TUnion {
		from.Nullable = false // that has been told
		have = []plan.Type{from}
	}
	for _, v := range have {
		if slices.ContainsFunc(into, func(w plan.Type) bool { return c.quietly(v, w) }) {
			continue
		}
		i := slices.IndexFunc(into, func(w plan.Type) bool { return len(into) == 1 || c.meant(v, w) })
		if i < 0 {
			i = slices.IndexFunc(into, func(w plan.Type) bool { return namesakes(v, w) })
		}
		if i < 0 {
			c.report(path, OtherKind, to.String(), v.String())
			continue
		}
		at := path
		if f.Kind == plan.TUnion {
			at += "(" + v.String() + ")"
		}
		c.walk(v, into[i], at)
	}
}

// namesakes says that two types are called alike, in whatever language.
func namesakes(v, w plan.Type) bool {
	v.Nullable, w.Nullable = false, false
	return v.Kind == plan.TRef && w.Kind == plan.TRef && v.String() == w.String()
}

// meant says that a variant that does not fit is another form of this one, so that its
// members are told: structs with a constant that is the same, or the same container.
func (c *comparison) meant(v, w plan.Type) bool {
	f, err := v.Resolve(c.from.Types)
	if err != nil {
		return false
	}
	t, err := w.Resolve(c.to.Types)
	if err != nil || f.Kind != t.Kind {
		return false
	}
	if f.Kind != plan.TStruct {
		return true
	}
	return slices.ContainsFunc(f.Fields, func(m plan.Field) bool {
		return m.Const != "" && slices.ContainsFunc(t.Fields, func(n plan.Field) bool { return n.Name == m.Name && n.Const == m.Const })
	})
}

// quietly says whether one type fits another, for the choice among variants.
func (c *comparison) quietly(from, to plan.Type) bool {
	if c.looks != nil {
		// Unions within unions ask for all of it again at every level.
		if *c.looks--; *c.looks < 0 {
			return false
		}
	}
	d := comparison{
		from: c.from, to: c.to, one: c.one, fixed: c.fixed,
		looks: c.looks, seen: map[[2]string]bool{},
	}
	// The pairs on the way here hold as they do for what is being compared.
	for pair := range c.seen {
		d.seen[pair] = true
	}
	d.walk(from, to, "$")
	return len(d.found) == 0
}

func (c *comparison) members(f, t plan.Type, path string) {
	have := make(map[string]plan.Field, len(f.Fields))
	for _, m := range f.Fields {
		have[m.Name] = m
	}
	for _, want := range t.Fields {
		at := path + "." + want.Name
		m, ok := have[want.Name]
		switch {
		case !ok && want.Optional:
			c.report(at, NotNeeded, want.Type.String(), "")
			continue
		case !ok && f.Extra && !c.text: // it may be among those that have no name
			continue
		case !ok:
			c.report(at, NoMember, want.Type.String(), "")
			continue
		case m.Optional && !want.Optional:
			c.report(at, MaybeAbsent, want.Type.String(), m.Type.String())
		}
		switch {
		case want.Const != "" && m.Const != "" && want.Const != m.Const:
			c.report(at, OtherKind, want.Const, m.Const)
			continue
		case want.Const != "" && m.Const == "" && m.Rules == "":
			c.report(at, MaybeTooWide, want.Const, m.Type.String())
		}
		fk, tk := ofField(m), ofField(want)
		if c.text && want.Const != "" && m.Rules == "" || want.Const == m.Const && m.Const != "" {
			fk, tk = free, free // that has been told
		}
		if c.alike && m.Omit != "" {
			m.Type.Nullable = false // a nil is left out
		}
		c.hold(m.Type, want.Type, fk, tk, at)
	}
}

func unit(t plan.Type) string {
	if t.Unit == "" {
		return t.String()
	}
	return t.String() + " as " + t.Unit
}

// alike says that values of two kinds look the same in a message, so that only a value
// tells whether it is one of both.
func alike(f, t plan.Type) bool {
	return textual(f) && textual(t) || array(f) && array(t) ||
		number(f) && number(t) && (clock(f) || clock(t))
}

func textual(t plan.Type) bool {
	return t.Kind == plan.TString || t.Kind == plan.TBytes || t.Kind == plan.TTime && t.Unit == ""
}

func array(t plan.Type) bool { return t.Kind == plan.TList || t.Kind == plan.TTuple }

func clock(t plan.Type) bool {
	return t.Kind == plan.TDuration || t.Kind == plan.TTime && t.Unit != ""
}

func number(t plan.Type) bool { return integer(t.Kind) || float(t.Kind) || clock(t) }

var widths = map[plan.TypeKind]int{
	plan.TInt8: -8, plan.TInt16: -16, plan.TInt32: -32, plan.TInt64: -64,
	plan.TUint8: 8, plan.TUint16: 16, plan.TUint32: 32, plan.TUint64: 64,
}

// holds says whether every value of the kind small is one of the kind wide.
func holds(wide, small plan.TypeKind) bool {
	w, s := widths[wide], widths[small]
	switch {
	case w > 0 && s > 0:
		return w >= s
	case w < 0 && s < 0:
		return w <= s
	}
	return w < 0 && -w > s
}

func integer(k plan.TypeKind) bool { return widths[k] != 0 }

func float(k plan.TypeKind) bool { return k == plan.TFloat32 || k == plan.TFloat64 }
