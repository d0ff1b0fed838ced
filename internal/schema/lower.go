package schema

import (
	"fmt"
	"io/fs"
	"maps"
	"math"
	"math/big"
	"path"
	"slices"
	"strings"

	"github.com/levada-io/levada/plan"
)

// kind is what a Type is.
type kind int

const (
	anyKind kind = iota
	nullKind
	boolKind
	int32Kind // only Avro has it, and float32Kind, timeKind, durationKind
	intKind
	uintKind
	float32Kind
	numberKind
	timeKind
	durationKind
	stringKind
	bytesKind
	listKind
	mapKind
	objectKind
	tupleKind
	enumKind
	unionKind
)

// typ is what a schema means as a type.
type typ struct {
	kind     kind
	nullable bool
	name     string // of objects and enums, and of unions that are interfaces
	doc      string
	place    string
	elem     *typ     // of lists and maps
	elems    []*typ   // of tuples and unions
	own      []string // names of those variants that are no named types
	array    bool     // of tuples: Go has an array for it
	branched bool     // of unions: a message says by itself which type it has
	closed   bool     // of objects: there are no other members
	dynamic  bool     // what has no type is any, not JSON
	unit     string   // of times and durations
	base     kind     // of enums
	konst    *node    // the only value, of a const
	values   []*node
	fields   []field
	some     bool        // what stays JSON is not null
	min, max *big.Rat    // of integers; nil where there is none
	rules    *plan.Rules // nil: none
	// pattern and format are those of a text, whoever can hold it to them.
	pattern, format string
	note            string // why it is not more precise than it is
}

type field struct {
	name     string
	doc      string
	required bool
	// fallback: old messages without it are read all the same, as in Avro.
	fallback bool
	t        *typ
}

// Note is something that a schema says and the Go types do not.
type Note struct{ Place, Text string }

func (n Note) String() string { return n.Place + ": " + n.Text }

type lowering struct {
	files *files
	avros map[string]*avro // by file
	done  map[*node]*typ   // objects and enums, so that a recursion ends
	open  map[*node]int    // on the way down, and in how many objects
	depth int              // objects on the way down
	level int              // types on the way down
	count int              // types so far
	named []*typ

	halves    map[*node]*typ // unions on the way down
	unions    []manyOf
	rootNodes []*node
	notes     []Note
	noted     map[Note]bool
	names     map[string]string // place to name; what is locked stands in it from the start
	taken     map[string]string // name to place
	next      map[string]int    // the first number that may be free behind a name
}

func newLowering(fsys fs.FS, locked map[string]string, root string) (*lowering, error) {
	l := &lowering{
		files: newFiles(fsys, root),
		avros: map[string]*avro{},
		done:  map[*node]*typ{}, open: map[*node]int{}, halves: map[*node]*typ{}, names: map[string]string{}, taken: map[string]string{},
		noted: map[Note]bool{}, next: map[string]int{},
	}
	for place, name := range locked {
		if name != pascal(name) {
			return nil, fmt.Errorf("names: %s: expected an exported Go name, got %q", place, name)
		}
		if l.taken[name] != "" {
			return nil, fmt.Errorf("names: expected one place with the name %s, got %s and %s", name, min(place, l.taken[name]), max(place, l.taken[name]))
		}
		l.names[place], l.taken[name] = name, place
	}
	return l, nil
}

func (l *lowering) note(n *node, format string, args ...any) string {
	text := fmt.Sprintf(format, args...)
	if note := (Note{n.place(), text}); !l.noted[note] {
		l.noted[note] = true
		l.notes = append(l.notes, note)
	}
	return text
}

// raw is a value that stays JSON, and why.
func (l *lowering) raw(n *node, format string, args ...any) *typ {
	return &typ{place: n.place(), note: l.note(n, format, args...)}
}

// some is raw where null is not valid.
func (l *lowering) some(n *node, format string, args ...any) *typ {
	t := l.raw(n, format, args...)
	t.some = true
	return t
}

// mayBeNull says whether null is, or may be, one of the values of t.
func (t *typ) mayBeNull() bool {
	return t.nullable || t.kind == nullKind || t.kind == anyKind && !t.some ||
		t.kind == unionKind && slices.ContainsFunc(t.elems, (*typ).mayBeNull)
}

// name gives the type at n its name: the locked one, else its title, else the name of
// its definition, else its path.
func (l *lowering) name(n *node, hint string) string {
	return l.nameAt(n, n.place(), hint)
}

// nameAt is name for one of several types at n.
func (l *lowering) nameAt(n *node, place, hint string) string {
	base := hint
	if t := n.get("title"); t != nil && pascal(t.text) != "" {
		base = t.text
	} else if dir := path.Base(path.Dir(n.ptr)); dir == "definitions" || dir == "$defs" {
		base = path.Base(n.ptr)
	}
	return l.claim(place, pascal(base))
}

// claim is the locked name of a place, or else base, or one like it that is free.
func (l *lowering) claim(place, base string) string {
	if name := l.names[place]; name != "" {
		return name
	}
	name := base
	for i := max(2, l.next[base]); l.taken[name] != ""; i++ {
		name = fmt.Sprintf("%s_%d", base, i)
		l.next[base] = i + 1
	}
	l.names[place], l.taken[name] = name, place
	return name
}

var shaping = []string{"type", "properties", "patternProperties", "additionalProperties", "items", "prefixItems", "enum", "const", "allOf", "anyOf", "oneOf", "$ref", "$bytes"}

// typed says whether n says something of what a value is, beside a $ref.
func (n *node) typed() bool {
	return slices.ContainsFunc(shaping, func(k string) bool { return k != "$ref" && n.get(k) != nil }) || n.has("required")
}

// lower is the type of the schema n. hint names it where it has no name of its own.
func (l *lowering) lower(n *node, hint string) (*typ, error) {
	switch n.kind {
	case 't':
		return &typ{place: n.place()}, nil
	case 'f':
		return l.some(n, "nothing is valid here"), nil
	case '{':
	default:
		return nil, n.errorf("expected a schema, an object or a boolean, got %s", n.shown())
	}
	if n.draft < 2019 && n.has("$ref") && n.adds() {
		l.note(n, "what stands beside a $ref has no effect before draft 2019-09")
	}
	n, err := l.files.target(n)
	if err != nil {
		return nil, err
	}
	if n.kind != '{' {
		return l.lower(n, hint)
	}
	at, open := l.open[n]
	if t := l.halves[n]; t != nil && l.depth > at {
		return t, nil
	}
	if t := l.done[n]; t != nil {
		return t, nil
	}
	if open {
		return l.raw(n, "contains itself without an object between"), nil
	}
	if l.count++; l.count > MaxTypes {
		return nil, n.errorf("expected at most %d types in all, got more: references multiply them", MaxTypes)
	}
	if l.level++; l.level > MaxNested {
		return nil, n.errorf("expected at most %d types within each other, got more", MaxNested)
	}
	defer func() { l.level-- }()
	l.open[n] = l.depth
	defer delete(l.open, n)
	if err := n.wellFormed(); err != nil {
		return nil, err
	}
	l.unheld(n)

	t, err := l.inner(n, hint)
	if err != nil {
		return nil, err
	}
	if d := n.get("description"); d != nil && t.doc == "" && l.done[n] == t {
		t.doc = d.text
	}
	return t, nil
}

func (l *lowering) inner(n *node, hint string) (*typ, error) {
	if n.has("allOf") || n.has("$ref") && n.draft >= 2019 {
		return l.merge(n, hint)
	}
	if c := n.get("const"); c != nil {
		return l.constant(n, c, hint)
	}
	if e := n.get("enum"); e != nil {
		if e.kind != '[' || len(e.vals) == 0 {
			return nil, e.errorf("expected an array of values, got %s", e.shown())
		}
		return l.enum(n, e.vals, hint)
	}
	for _, key := range []string{"anyOf", "oneOf"} {
		alt := n.get(key)
		if alt == nil {
			continue
		}
		if alt.kind != '[' || len(alt.vals) == 0 {
			return nil, alt.errorf("expected an array of schemas, got %s", alt.shown())
		}
		if n.has("properties") || n.has("type") && !slices.ContainsFunc(alt.vals, (*node).shapes) || !slices.ContainsFunc(alt.vals, (*node).shapes) {
			l.note(alt, "%s beside a type is a constraint: types do not hold it", key)
			continue
		}
		return l.union(n, alt, hint)
	}
	kinds, err := n.types()
	if err != nil {
		return nil, err
	}
	nullable := slices.Contains(kinds, "null") && len(kinds) > 1
	if nullable {
		kinds = slices.DeleteFunc(slices.Clone(kinds), func(k string) bool { return k == "null" })
	}
	if slices.Contains(kinds, "number") {
		kinds = slices.DeleteFunc(slices.Clone(kinds), func(k string) bool { return k == "integer" })
	}
	if len(kinds) > 1 {
		t := &typ{kind: unionKind, nullable: nullable, place: n.place()}
		l.halves[n] = t
		defer delete(l.halves, n)
		for _, k := range kinds {
			e, err := l.single(n, k, hint)
			if err != nil {
				return nil, err
			}
			t.elems = append(t.elems, e)
		}
		return l.many(n, t, hint), nil
	}
	what := ""
	if len(kinds) == 1 {
		what = kinds[0]
	}
	if !nullable {
		return l.single(n, what, hint)
	}
	// What is in it and refers to it means null, too.
	half := &typ{kind: unionKind, nullable: true, place: n.place()}
	l.halves[n] = half
	defer delete(l.halves, n)
	t, err := l.single(n, what, hint)
	if err != nil {
		return nil, err
	}
	half.elems = []*typ{t}
	if l.done[n] == t {
		l.done[n] = half
		return half, nil
	}
	return t.orNull(), nil
}

// orNull is t with null; the type that others may share is left as it is.
func (t *typ) orNull() *typ {
	if t.kind == anyKind && !t.some || t.kind == nullKind || t.nullable {
		return t
	}
	if t.kind == objectKind || t.kind == enumKind {
		// The fields of a recursive one may not be known yet, so it can not be copied.
		return &typ{kind: unionKind, nullable: true, elems: []*typ{t}, place: t.place}
	}
	c := *t
	c.nullable = t.kind != anyKind
	c.some = false
	return &c
}

// shapes says whether the alternative n says what a value is, not only which members are
// required of it.
func (n *node) shapes() bool {
	return n.kind != '{' || slices.ContainsFunc(shaping, func(k string) bool { return n.get(k) != nil })
}

// alternatives says whether an anyOf or oneOf of n decides what a value is.
func (n *node) alternatives() bool {
	return !n.has("properties") && slices.ContainsFunc([]string{"anyOf", "oneOf"}, func(k string) bool {
		alt := n.get(k)
		return alt != nil && slices.ContainsFunc(alt.vals, (*node).shapes)
	})
}

func (n *node) types() ([]string, error) {
	t := n.get("type")
	if t == nil {
		switch {
		case n.has("$bytes"):
			return []string{"string"}, nil
		case n.has("properties", "patternProperties"), n.has("additionalProperties") && n.get("additionalProperties").kind == '{', n.has("required"):
			return []string{"object"}, nil
		case n.has("items"), n.draft >= 2020 && n.has("prefixItems"):
			return []string{"array"}, nil
		}
		return nil, nil
	}
	list := []*node{t}
	if t.kind == '[' {
		list = t.vals
	}
	var out []string
	for _, v := range list {
		if !slices.Contains([]string{"null", "boolean", "integer", "number", "string", "array", "object"}, v.text) {
			return nil, v.errorf("expected a type of JSON Schema, got %s", v.shown())
		}
		if !slices.Contains(out, v.text) {
			out = append(out, v.text)
		}
	}
	return out, nil
}

func (l *lowering) single(n *node, what, hint string) (*typ, error) {
	t := &typ{place: n.place()}
	defer func() { t.rules = l.rulesOf(n, t) }()
	switch what {
	case "null":
		t.kind = nullKind
	case "boolean":
		t.kind = boolKind
	case "integer":
		t.kind = intKind
		t.min, t.max = n.integers()
		// Not narrower than that: a bound changes with a schema, the code that uses it does not.
		least, greatest := big.NewRat(math.MinInt64, 1), big.NewRat(math.MaxInt64, 1)
		if t.min != nil && t.min.Sign() >= 0 {
			t.kind = uintKind
			greatest.SetUint64(math.MaxUint64)
		}
		if t.min != nil && t.min.Cmp(least) < 0 || t.max != nil && t.max.Cmp(greatest) > 0 {
			return l.some(n, "integers of more than 64 bits"), nil
		}
	case "number":
		t.kind = numberKind
	case "string":
		t.kind = stringKind
		t.pattern, t.format = n.textAt("pattern"), n.textAt("format")
		if b := n.get("$bytes"); b != nil && b.kind == 't' {
			t.kind = bytesKind
		}
	case "array":
		return l.array(n, hint)
	case "object":
		return l.object(n, hint)
	}
	return t, nil
}

// integers are the least and the greatest integer that the bounds of n leave.
func (n *node) integers() (least, greatest *big.Rat) {
	one := big.NewRat(1, 1)
	least, greatest = bound(n.get("minimum")), bound(n.get("maximum"))
	// Before draft 06 they were booleans, which bound takes for none.
	if m := bound(n.get("exclusiveMinimum")); m != nil && (least == nil || m.Cmp(least) >= 0) {
		if least = m; m.IsInt() {
			least = new(big.Rat).Add(m, one)
		}
	}
	if m := bound(n.get("exclusiveMaximum")); m != nil && (greatest == nil || m.Cmp(greatest) <= 0) {
		if greatest = m; m.IsInt() {
			greatest = new(big.Rat).Sub(m, one)
		}
	}
	return least, greatest
}

// textAt is the text that n has under key, "" where it has none.
func (n *node) textAt(key string) string {
	if v := n.get(key); v != nil && v.kind == '"' {
		return v.text
	}
	return ""
}

func bound(n *node) *big.Rat {
	if n == nil || n.kind != '0' || len(n.raw) > 40 {
		return nil
	}
	if i := strings.IndexAny(string(n.raw), "eE"); i >= 0 && len(n.raw)-i > 4 {
		return nil // 1e999999999 would cost as many digits
	}
	r, ok := new(big.Rat).SetString(string(n.raw))
	if !ok {
		return nil
	}
	return r
}

func (l *lowering) array(n *node, hint string) (*typ, error) {
	items := n.get("items")
	tuple := items
	if items == nil || items.kind != '[' {
		tuple = nil
		if n.draft >= 2020 {
			tuple = n.get("prefixItems")
		}
	}
	if tuple != nil {
		t := &typ{kind: tupleKind, place: n.place()}
		for i, v := range tuple.vals {
			e, err := l.lower(v, fmt.Sprintf("%s_item%d", hint, i))
			if err != nil {
				return nil, err
			}
			t.elems = append(t.elems, e)
		}
		switch {
		case !n.closed(len(t.elems)):
			t.note = l.note(n, "positions with types of their own, and a length of its own")
		case len(t.elems) > maxArray:
			t.note = l.note(n, "more than %d positions", maxArray)
		case !t.alike():
			t.note = l.note(n, "positions with types of their own")
		default:
			t.array = true
		}
		return t, nil
	}
	if n.has("prefixItems") {
		l.note(n.get("prefixItems"), "has no effect before draft 2020-12")
	}
	t := &typ{kind: listKind, place: n.place(), elem: &typ{}}
	t.rules = l.rulesOf(n, t)
	if items != nil {
		var err error
		if t.elem, err = l.lower(items, hint+"_item"); err != nil {
			return nil, err
		}
	}
	return t, nil
}

// maxArray is the longest array that crosses as a tuple.
const maxArray = 8

// closed says whether an array of the schema n with so many positions has just these.
func (n *node) closed(positions int) bool {
	more := n.get("items") // behind prefixItems
	if more == nil || more.kind == '[' {
		more = n.get("additionalItems")
	}
	least, most := bound(n.get("minItems")), bound(n.get("maxItems"))
	whole := big.NewRat(int64(positions), 1)
	shut := more != nil && more.kind == 'f' || most != nil && most.Cmp(whole) == 0
	return positions > 0 && shut && least != nil && least.Cmp(whole) == 0 && (most == nil || most.Cmp(whole) >= 0)
}

// alike says whether all positions of a tuple have one type that Go can say.
func (t *typ) alike() bool {
	first := t.elems[0]
	if first.kind <= nullKind || first.kind == unionKind && len(first.elems) > 1 || first.note != "" {
		return false
	}
	return !slices.ContainsFunc(t.elems, func(e *typ) bool { return !same(first, e) })
}

func (l *lowering) object(n *node, hint string) (*typ, error) {
	props, extra, patterns := n.get("properties"), n.get("additionalProperties"), n.get("patternProperties")
	if props == nil || len(props.vals) == 0 {
		t := &typ{kind: mapKind, place: n.place(), elem: &typ{}}
		t.rules = l.rulesOf(n, t)
		var err error
		switch {
		case n.has("required"):
			return l.structOf(n, hint, []*node{n})
		case patterns != nil && len(patterns.vals) == 1:
			t.elem, err = l.lower(patterns.vals[0], hint+"_value")
		case patterns != nil && len(patterns.vals) > 1:
			l.note(patterns, "several patterns: values stay JSON")
		case extra != nil && extra.kind == '{':
			t.elem, err = l.lower(extra, hint+"_value")
		}
		return t, err
	}
	return l.structOf(n, hint, []*node{n})
}

// structOf is the struct with the members of all parts.
func (l *lowering) structOf(n *node, hint string, parts []*node) (*typ, error) {
	t := &typ{kind: objectKind, place: n.place()}
	// Before its fields: one of them may be of this type.
	l.done[n] = t
	t.name = l.name(n, hint)
	l.named = append(l.named, t)
	required := map[string]bool{}
	var order []string
	props := map[string]*node{}
	for _, p := range parts {
		if q := p.get("properties"); q != nil {
			if q.kind != '{' {
				return nil, q.errorf("expected an object, got %s", q.shown())
			}
			for i, k := range q.keys {
				if props[k] == nil {
					order = append(order, k)
				} else if q != props[k] && props[k].kind == '{' && q.vals[i].kind == '{' && props[k].typed() && q.vals[i].typed() {
					l.note(q.vals[i], "stands in several parts of an allOf: the last one counts for the type")
				}
				if props[k] == nil || q.vals[i].kind == '{' && len(q.vals[i].keys) > 0 {
					props[k] = q.vals[i]
				}
			}
		}
		if q := p.get("required"); q != nil {
			if q.kind != '[' {
				return nil, q.errorf("expected an array of names, got %s", q.shown())
			}
			for _, v := range q.vals {
				required[v.text] = true
				if props[v.text] == nil && !slices.Contains(order, v.text) {
					order = append(order, v.text)
				}
			}
		}
		if q := p.get("additionalProperties"); q != nil && q.kind == '{' && len(q.keys) > 0 {
			l.note(q, "other members beside the named ones are kept as JSON")
		}
		if q := p.get("patternProperties"); q != nil {
			l.note(q, "members by pattern beside the named ones are kept as JSON")
		}
	}
	l.depth++
	defer func() { l.depth-- }()
	for _, k := range order {
		f := field{name: k, required: required[k], t: &typ{}}
		if p := props[k]; p != nil {
			var err error
			if f.t, err = l.lower(p, t.name+"_"+k); err != nil {
				return nil, err
			}
			if d := p.get("description"); d != nil {
				f.doc = d.text
			}
		}
		t.fields = append(t.fields, f)
	}
	return t, nil
}

// merge is the type of an allOf, or of a $ref with something beside it: one struct where
// all parts are objects, the one part that says a type otherwise.
func (l *lowering) merge(n *node, hint string) (*typ, error) {
	var parts []*node
	if err := l.parts(n, map[*node]bool{}, &parts); err != nil {
		return nil, err
	}
	objects, others, valued := 0, []*node(nil), []*node(nil)
	for _, p := range parts {
		kinds, err := p.types()
		if err != nil {
			return nil, err
		}
		switch {
		case p.has("enum", "const"):
			others, valued = append(others, p), append(valued, p)
		case p.alternatives():
			others = append(others, p)
		case slices.Equal(kinds, []string{"object"}):
			objects++
		case len(kinds) > 0:
			others = append(others, p)
		}
	}
	switch {
	case len(others) == 0 && objects > 0:
		if !slices.ContainsFunc(parts, func(p *node) bool { return p.has("properties", "required") }) {
			return &typ{kind: mapKind, elem: &typ{}, place: n.place()}, nil
		}
		return l.structOf(n, hint, parts)
	case objects == 0 && len(valued) == 1:
		others = valued // the other ones say its kind once more
		if e := n.get("enum"); e != nil && others[0] == n && e.kind == '[' && len(e.vals) > 0 {
			return l.enum(n, e.vals, hint)
		} else if c := n.get("const"); c != nil && others[0] == n {
			return l.constant(n, c, hint)
		}
		fallthrough
	case objects == 0 && len(others) == 1:
		if others[0] == n {
			return l.raw(n, "an allOf beside a type that is no object"), nil
		}
		return l.lower(others[0], hint)
	case len(others) == 0:
		return &typ{place: n.place()}, nil
	}
	return l.raw(n, "an allOf of what is no object"), nil
}

func (l *lowering) parts(n *node, seen map[*node]bool, out *[]*node) error {
	if seen[n] {
		return nil
	}
	seen[n] = true
	if n.kind != '{' {
		return nil
	}
	if n.has("$ref") {
		next, err := l.files.follow(n, n.get("$ref"))
		if err != nil {
			return err
		}
		if err := l.parts(next, seen, out); err != nil || n.draft < 2019 {
			return err
		}
	}
	if all := n.get("allOf"); all != nil {
		if all.kind != '[' || len(all.vals) == 0 {
			return all.errorf("expected an array of schemas, got %s", all.shown())
		}
		for _, v := range all.vals {
			if err := l.parts(v, seen, out); err != nil {
				return err
			}
		}
	}
	if err := n.wellFormed(); err != nil {
		return err
	}
	l.unheld(n)
	*out = append(*out, n)
	return nil
}

// constant is the type of a const. An enum of one value is none: it is there to grow.
func (l *lowering) constant(n, value *node, hint string) (*typ, error) {
	t, err := l.enum(n, []*node{value}, hint)
	if err == nil && (t.kind == enumKind || t.kind == boolKind) {
		t.konst = value
	}
	return t, err
}

// only is the only value that t has beside null; nil: there are more.
func (t *typ) only() *node {
	if t.kind == unionKind && len(t.elems) == 1 {
		return t.elems[0].only()
	}
	return t.konst
}

func (l *lowering) enum(n *node, values []*node, hint string) (*typ, error) {
	t := &typ{kind: enumKind, place: n.place()}
	null := false
	for _, v := range values {
		k := anyKind
		switch v.kind {
		case 'n':
			null = true
			continue
		case '"':
			k = stringKind
		case '0':
			if _, ok := new(big.Int).SetString(string(v.raw), 10); ok && len(v.raw) < 19 {
				k = intKind
			}
		case 't', 'f':
			k = boolKind
		}
		if k == anyKind || len(t.values) > 0 && k != t.base {
			if len(values) == 1 {
				return l.raw(n, "a constant that is no text, integer or bool"), nil
			}
			return l.raw(n, "values of several kinds"), nil
		}
		t.base = k
		t.values = append(t.values, v)
	}
	if len(t.values) == 0 {
		return &typ{kind: nullKind, place: n.place()}, nil
	}
	if t.base == boolKind {
		t = &typ{kind: boolKind, place: n.place()}
	} else {
		t.name = l.name(n, hint)
		l.done[n] = t
		l.named = append(l.named, t)
	}
	if null {
		delete(l.done, n) // what is kept there is the type without null
		t = t.orNull()
		l.done[n] = t
	}
	return t, nil
}

func (l *lowering) union(n, alt *node, hint string) (*typ, error) {
	t := &typ{kind: unionKind, place: n.place()}
	l.halves[n] = t
	defer delete(l.halves, n)
	for i, v := range alt.vals {
		e, err := l.lower(v, fmt.Sprintf("%s_%d", hint, i+1))
		if err != nil {
			return nil, err
		}
		if e.kind == nullKind {
			t.nullable = true
			continue
		}
		whole := e.kind == unionKind && !slices.Contains(slices.Collect(maps.Values(l.halves)), e)
		if whole && e.nullable && len(e.elems) == 1 {
			t.nullable, e = true, e.elems[0]
		}
		if e.nullable && e.kind != unionKind {
			bare := *e
			bare.nullable = false
			t.nullable, e = true, &bare
		}
		each := []*typ{e}
		if whole && e.kind == unionKind {
			t.nullable, each = t.nullable || e.nullable, e.elems
		}
		for _, e := range each {
			at := slices.IndexFunc(t.elems, func(o *typ) bool { return same(o, e) })
			switch {
			case at < 0:
				t.elems = append(t.elems, e)
			case t.elems[at] != e && !sameRules(t.elems[at], e):
				// A value keeps to the one or to the other.
				either := *t.elems[at]
				either.rules = nil
				t.elems[at] = &either
				l.note(v, "several rules for one type: they are not checked")
			}
		}
	}
	switch {
	case len(t.elems) == 0:
		return &typ{kind: nullKind, place: n.place()}, nil
	case len(t.elems) == 1 && t.nullable:
		return t.elems[0].orNull(), nil
	case len(t.elems) == 1:
		return t.elems[0], nil
	}
	return l.many(n, t, hint), nil
}

func same(a, b *typ) bool {
	if a == b {
		return true
	}
	scalar := func(k kind) bool { return k <= bytesKind }
	return a.kind == b.kind && scalar(a.kind) && a.konst == b.konst && a.nullable == b.nullable && a.note == b.note && a.unit == b.unit
}

// String is the type as notes and comments name it.
func (t *typ) String() string { return t.told(0) }

// shownLevels is how deep a type is told: unions of lists of unions would fill pages.
const shownLevels = 5

func (t *typ) told(level int) string {
	if level == shownLevels && (t.elem != nil || t.kind == unionKind && t.name == "") {
		return "more"
	}
	level++
	switch t.kind {
	case listKind:
		return "list of " + t.elem.told(level)
	case mapKind:
		return "map of " + t.elem.told(level)
	case objectKind, enumKind:
		return t.name
	case unionKind:
		if t.name != "" {
			return t.name
		}
		var names []string
		for _, e := range t.elems {
			names = append(names, e.told(level))
		}
		return strings.Join(names, " or ")
	}
	return map[kind]string{
		anyKind: "anything", nullKind: "null", boolKind: "bool", int32Kind: "int32", intKind: "integer", float32Kind: "float32",
		timeKind: "time", durationKind: "duration", uintKind: "integer >= 0", numberKind: "number",
		stringKind: "string", bytesKind: "bytes", tupleKind: "tuple",
	}[t.kind]
}
