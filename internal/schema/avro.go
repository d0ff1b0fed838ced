package schema

import (
	"fmt"
	"io/fs"
	"math"
	"math/big"
	"regexp"
	"slices"
	"strings"
	"sync"
)

// root is the file and what it means.
func (l *lowering) root(file string) (*node, *typ, error) {
	if isAvro(file) {
		a, err := l.avroFile(file)
		if err != nil {
			return nil, nil, err
		}
		return a.node, a.typ, nil
	}
	n, err := l.files.load(file)
	if err != nil {
		return nil, nil, err
	}
	t, err := l.lower(n, stem(file))
	return n, t, err
}

// avroFile reads each file once: others may name its types.
func (l *lowering) avroFile(file string) (*avro, error) {
	if a := l.avros[file]; a != nil {
		return a, nil
	}
	n, err := l.files.load(file)
	if err != nil {
		return nil, err
	}
	a := &avro{lowering: l, node: n, defined: map[string]*typ{}, hint: stem(file)}
	l.avros[file] = a // before its types, which may name one of a file that names one of this
	a.typ, err = a.lower(n, "", false)
	return a, err
}

func isAvro(file string) bool { return strings.HasSuffix(file, ".avsc") }

// avro is one file of Avro: a type has to be defined before it is named, in this file or
// in one beside it that has the name of the type.
type avro struct {
	*lowering
	node    *node
	typ     *typ
	defined map[string]*typ // by full name
	hint    string          // a name for what is without one
}

var avroName = sync.OnceValue(func() *regexp.Regexp {
	return regexp.MustCompile(`^[A-Za-z_][A-Za-z0-9_]*(\.[A-Za-z_][A-Za-z0-9_]*)*$`)
})

var primitives = map[string]kind{
	"null": nullKind, "boolean": boolKind, "int": int32Kind, "long": intKind, "float": float32Kind, "double": numberKind,
	"bytes": bytesKind, "string": stringKind,
}

// lower is the type of n, within the namespace space. member says that a field of a
// record holds it, whose tag can say the unit of a time.
func (a *avro) lower(n *node, space string, member bool) (*typ, error) {
	switch n.kind {
	case '"':
		if k, ok := primitives[n.text]; ok {
			return &typ{kind: k, dynamic: k == nullKind, place: n.place()}, nil
		}
		for _, name := range []string{fullName(n.text, space), n.text} {
			if t := a.defined[name]; t != nil {
				return t, nil
			}
		}
		return a.beside(n, space)
	case '[':
		return a.union(n, space, member)
	case '{':
		return a.complex(n, space, member)
	}
	return nil, n.errorf("expected a schema of Avro, got %s", n.shown())
}

// beside is the type that n names, of a file with its name, with or without namespace.
func (a *avro) beside(n *node, space string) (*typ, error) {
	full := fullName(n.text, space)
	if avroName().MatchString(full) {
		for _, name := range a.files.named(n, full) {
			if _, err := fs.Stat(a.files.fsys, name); err != nil || name == n.file {
				continue
			}
			other, err := a.avroFile(name)
			if err != nil {
				return nil, fmt.Errorf("%s: %w", n.place(), err)
			}
			if t := other.defined[full]; t != nil {
				return t, nil
			}
		}
	}
	return nil, n.errorf("expected a type of Avro, one that is defined before it in this file, or a file %s.avsc beside it that defines it, got %s", last(full), n.shown())
}

func fullName(name, space string) string {
	if space == "" || strings.Contains(name, ".") {
		return name
	}
	return space + "." + name
}

func (a *avro) union(n *node, space string, member bool) (*typ, error) {
	var some []*typ
	null, many := false, 0
	for _, v := range n.vals {
		if v.text != "null" {
			many++
		}
	}
	for _, v := range n.vals {
		if v.kind == '[' {
			return nil, v.errorf("expected a branch, got a union within one")
		}
		t, err := a.lower(v, space, member && many == 1) // no tag says the unit of a variant
		if err != nil {
			return nil, err
		}
		if t.kind == nullKind {
			null = true
		} else {
			some = append(some, t)
		}
	}
	switch {
	case len(n.vals) == 0:
		return nil, n.errorf("expected branches, got none")
	case len(some) == 0:
		return &typ{kind: nullKind, dynamic: true, place: n.place()}, nil
	case len(some) == 1 && null:
		return some[0].orNull(), nil
	case len(some) == 1:
		return some[0], nil
	}
	t := &typ{kind: unionKind, nullable: null, elems: some, branched: true, dynamic: true, place: n.place()}
	return a.many(n, t, a.hint), nil
}

// within is lower for what is in a type that has no name of its own.
func (a *avro) within(n *node, space string, member bool, suffix string) (*typ, error) {
	defer func(hint string) { a.hint = hint }(a.hint)
	a.hint += suffix
	return a.lower(n, space, member)
}

func (a *avro) complex(n *node, space string, member bool) (*typ, error) {
	what := n.get("type")
	switch {
	case what == nil:
		return nil, n.errorf("expected type, got none")
	case what.kind != '"':
		return a.lower(what, space, member)
	}
	inner := func(key, suffix string) (*typ, error) {
		v := n.get(key)
		if v == nil {
			return nil, n.errorf("expected %s of the %s, got none", key, what.text)
		}
		return a.within(v, space, member, suffix)
	}
	var err error
	switch what.text {
	case "record", "error":
		return a.record(n, space)
	case "enum":
		return a.enumOf(n, space)
	case "array":
		t := &typ{kind: listKind, place: n.place()}
		t.elem, err = inner("items", "_item")
		return t, err
	case "map":
		t := &typ{kind: mapKind, place: n.place()}
		t.elem, err = inner("values", "_value")
		return t, err
	case "fixed":
		size := bound(n.get("size"))
		if size == nil || !size.IsInt() || size.Sign() < 0 || size.Cmp(new(big.Rat).SetInt64(math.MaxInt32)) > 0 {
			return nil, n.errorf("expected size, a number of bytes")
		}
		t := &typ{kind: bytesKind, place: n.place()}
		if _, err := a.define(n, space, t); err != nil {
			return nil, err
		}
		a.note(n, "always of %s bytes, which types do not hold", size.RatString())
		return t, nil
	}
	t, err := a.lower(what, space, member)
	if err != nil || n.get("logicalType") == nil {
		return t, err
	}
	return a.logical(n, t, n.get("logicalType").text, member), nil
}

// logical is t, which n says more about.
func (a *avro) logical(n *node, t *typ, what string, member bool) *typ {
	k, unit := anyKind, ""
	switch {
	case t.kind == stringKind && what == "uuid":
		return t
	case t.kind == int32Kind && what == "date":
		k, unit = timeKind, "unix_days"
	case t.kind == intKind && (what == "timestamp-millis" || what == "local-timestamp-millis"):
		k, unit = timeKind, "unix_ms"
	case t.kind == intKind && (what == "timestamp-micros" || what == "local-timestamp-micros"):
		k, unit = timeKind, "unix_us"
	case t.kind == int32Kind && what == "time-millis":
		k, unit = durationKind, "ms"
	case t.kind == intKind && what == "time-micros":
		k, unit = durationKind, "us"
	}
	switch {
	case k == anyKind:
		a.note(n, "the logical type %s: it stays %s", what, t)
		return t
	case !member:
		// Only the tag of a field says in which unit a number is a time, and a variant of a
		// union needs a type of its own.
		a.note(n, "the logical type %s outside of a record: it stays %s", what, t)
		return t
	}
	return &typ{kind: k, unit: unit, place: n.place()}
}

// define registers t under the name that n gives it, and returns the namespace within it.
func (a *avro) define(n *node, space string, t *typ) (string, error) {
	name, in := n.get("name"), n.get("namespace")
	if name == nil || !avroName().MatchString(name.text) {
		return "", n.errorf("expected name, letters, digits and _")
	}
	if in != nil {
		if in.text != "" && !avroName().MatchString(in.text) {
			return "", in.errorf("expected a namespace, names with dots between, got %s", in.shown())
		}
		space = in.text
	}
	full := fullName(name.text, space)
	if a.defined[full] != nil {
		return "", name.errorf("expected a name of its own, got %q, which another type of the file has", full)
	}
	a.defined[full] = t
	if i := strings.LastIndexByte(full, '.'); i >= 0 {
		return full[:i], nil
	}
	return "", nil
}

// last is a name without its namespace.
func last(name string) string { return name[strings.LastIndexByte(name, '.')+1:] }

func (a *avro) record(n *node, space string) (*typ, error) {
	t := &typ{kind: objectKind, closed: true, place: n.place(), doc: docOf(n)}
	space, err := a.define(n, space, t)
	if err != nil {
		return nil, err
	}
	t.name = a.name(n, last(n.get("name").text))
	a.named = append(a.named, t)
	fields := n.get("fields")
	if fields == nil || fields.kind != '[' {
		return nil, n.errorf("expected fields, an array")
	}
	defer func(hint string) { a.hint = hint }(a.hint)
	seen := map[string]bool{}
	for _, v := range fields.vals {
		name, what := v.get("name"), v.get("type")
		if name == nil || what == nil || !avroName().MatchString(name.text) || strings.Contains(name.text, ".") {
			return nil, v.errorf("expected a field, with name and type")
		}
		if seen[name.text] {
			return nil, name.errorf("expected a name of its own, got %q, which another field has", name.text)
		}
		seen[name.text] = true
		a.hint = t.name
		f, err := a.within(what, space, true, "_"+name.text)
		if err == nil && v.get("logicalType") != nil && what.kind == '"' {
			// A slip that Avro allows and ignores.
			a.note(v, "logicalType beside a field and not in its type has no effect")
		}
		if err != nil {
			return nil, err
		}
		t.fields = append(t.fields, field{name: name.text, doc: docOf(v), required: true, fallback: v.get("default") != nil, t: f})
	}
	return t, nil
}

func (a *avro) enumOf(n *node, space string) (*typ, error) {
	t := &typ{kind: enumKind, base: stringKind, place: n.place(), doc: docOf(n)}
	if _, err := a.define(n, space, t); err != nil {
		return nil, err
	}
	symbols := n.get("symbols")
	if symbols == nil || symbols.kind != '[' || len(symbols.vals) == 0 || slices.ContainsFunc(symbols.vals, func(v *node) bool { return v.kind != '"' }) {
		return nil, n.errorf("expected symbols, an array of names")
	}
	t.values = symbols.vals
	t.name = a.name(n, last(n.get("name").text))
	a.named = append(a.named, t)
	return t, nil
}

func docOf(n *node) string {
	if d := n.get("doc"); d != nil {
		return d.text
	}
	return ""
}

// tag is what stands behind the json tag of a field of an Avro record.
func (f field) tag() string {
	tag := fmt.Sprintf("avro:%q", f.name)
	if unit := f.t.unitOf(); unit != "" {
		tag = fmt.Sprintf("levada:%q %s", "unit="+unit, tag)
	}
	return tag
}

func (t *typ) unitOf() string {
	switch {
	case t.kind == listKind || t.kind == mapKind:
		return t.elem.unitOf()
	case t.kind == unionKind && len(t.elems) == 1:
		return t.elems[0].unitOf()
	}
	return t.unit
}
