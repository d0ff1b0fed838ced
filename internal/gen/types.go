package gen

import (
	"cmp"
	"fmt"
	"go/constant"
	"go/token"
	"go/types"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"

	"github.com/levada-io/levada/plan"
)

// structure is a struct that crosses to Python as a TypedDict.
type structure struct {
	canonical string // "" for an anonymous struct
	class     string // name in types.py
	doc       string
	fields    []field
	extra     bool
	reads     bool // functions take it, and none gives it
}

// field is a member of a struct.
type field struct {
	goName string
	v      *types.Var
	doc    string
	plan   plan.Field
	unit   string  // of a levada tag
	konst  *string // of a levada tag
	rules  string  // of a levada tag
	opt    bool    // of three states, see optOf

	oneof string // whose member it is; v is the field of the wrapper, index that of the oneof
	keyed bool   // a map of protobuf whose keys are no text

	index  []int
	sub    int // place in the oneof
	tagged bool
}

// enum is a named string or integer type with constants.
type enum struct {
	obj    *types.TypeName
	class  string
	doc    string
	values []string // Python literals, in the order of their declaration
}

// place says where a type is used, for messages.
type place struct {
	pos  token.Pos
	what string // func, method or type
	part string // its payload, field X
}

// mapElem notes the element type of a map, if the generated main can name it: a struct
// of the package, or a pointer to one.
func (s *scanner) mapElem(t types.Type) {
	star := ""
	if ptr, ok := types.Unalias(t).(*types.Pointer); ok {
		star, t = "*", ptr.Elem()
	}
	n, ok := types.Unalias(t).(*types.Named)
	if !ok || n.TypeArgs().Len() > 0 || !n.Obj().Exported() || n.Obj().Parent() != s.main.Types.Scope() {
		return
	}
	if _, ok := n.Underlying().(*types.Struct); ok {
		s.elems[star+"steps."+n.Obj().Name()] = true
	}
}

// scan is the plan's type of t; false: a mistake was reported.
func (s *scanner) scan(t types.Type, at place) (plan.Type, bool) {
	return s.scanAs(t, at, "")
}

// scanAs is scan with the class name for an anonymous struct.
func (s *scanner) scanAs(t types.Type, at place, class string) (plan.Type, bool) {
	t = types.Unalias(t)
	if ptr, ok := t.Underlying().(*types.Pointer); ok {
		if _, again := types.Unalias(ptr.Elem()).Underlying().(*types.Pointer); again {
			return s.unsupported(at, t, "a pointer to a pointer is not supported")
		}
		elem, ok := s.scanAs(ptr.Elem(), at, class)
		if !ok {
			return plan.Type{}, false
		}
		if own, _ := ownForm(ptr.Elem()); own {
			return elem, true // null is nil
		}
		if elem.Kind == plan.TAny {
			return s.unsupported(at, t, "a pointer to %s is not supported, it can be null itself", s.show(ptr.Elem()))
		}
		elem.Nullable = true
		return elem, true
	}
	switch named := fullName(t); {
	case named == "time.Time":
		return plan.Type{Kind: plan.TTime}, true
	case named == "encoding/json/jsontext.Value":
		return plan.Type{Kind: plan.TAny}, true
	case named == "time.Duration":
		return plan.Type{Kind: plan.TDuration}, true
	}
	if _, opt := optOf(t); opt {
		return s.unsupported(at, t, "Opt stands in a field of a struct only")
	}
	switch own, problem := ownForm(t); {
	case problem != "":
		return s.unsupported(at, t, "%s", problem)
	case own:
		return plan.Type{Kind: plan.TAny}, true
	}
	switch u := t.Underlying().(type) {
	case *types.Basic:
		kind, ok := basicKinds[u.Kind()]
		if !ok {
			return s.unsupported(at, t, "not supported")
		}
		s.enum(t, u)
		return plan.Type{Kind: kind}, true
	case *types.Slice:
		if isBytes(u) {
			return plan.Type{Kind: plan.TBytes}, true
		}
		return s.container(t, plan.TList, u.Elem(), at, class)
	case *types.Map:
		key := types.Unalias(u.Key())
		if b, ok := key.Underlying().(*types.Basic); !ok || b.Kind() != types.String {
			return s.unsupported(at, t, "keys of a map must be strings")
		}
		if hasOwnForm(key) {
			return s.unsupported(at, t, "its key has a text form of its own")
		}
		s.mapElem(u.Elem())
		return s.container(t, plan.TMap, u.Elem(), at, class)
	case *types.Struct:
		return s.structType(t, u, at, class)
	case *types.Interface:
		if u.NumMethods() == 0 && !u.IsComparable() {
			return plan.Type{Kind: plan.TAny}, true
		}
		return s.union(t, u, at)
	case *types.Array:
		return s.tuple(t, u, at, class)
	}
	return s.unsupported(at, t, "not supported")
}

var basicKinds = map[types.BasicKind]plan.TypeKind{
	types.Bool: plan.TBool, types.String: plan.TString,
	types.Int: plan.TInt64, types.Int8: plan.TInt8, types.Int16: plan.TInt16, types.Int32: plan.TInt32, types.Int64: plan.TInt64,
	types.Uint: plan.TUint64, types.Uint8: plan.TUint8, types.Uint16: plan.TUint16, types.Uint32: plan.TUint32, types.Uint64: plan.TUint64,
	types.Float32: plan.TFloat32, types.Float64: plan.TFloat64,
}

func (s *scanner) container(t types.Type, kind plan.TypeKind, elem types.Type, at place, class string) (plan.Type, bool) {
	if n, ok := t.(*types.Named); ok {
		if slices.ContainsFunc(s.path, func(o *types.Named) bool { return types.Identical(o, n) }) {
			return s.unsupported(at, t, "a type that contains itself must be a struct")
		}
		s.path = append(s.path, n)
		defer func() { s.path = s.path[:len(s.path)-1] }()
	}
	e, ok := s.scanAs(elem, at, class)
	if !ok {
		return plan.Type{}, false
	}
	return plan.Type{Kind: kind, Elem: &e}, true
}

// maxTuple is the longest array that crosses, as in package frame.
const maxTuple = 8

func (s *scanner) tuple(t types.Type, u *types.Array, at place, class string) (plan.Type, bool) {
	switch n := u.Len(); {
	case isByte(u.Elem()):
		return s.unsupported(at, t, "an array of bytes is not supported\nhint: use []byte")
	case n == 0 || n > maxTuple:
		return s.unsupported(at, t, "an array has 1 to %d elements\nhint: use a slice", maxTuple)
	}
	e, ok := s.scanAs(u.Elem(), at, class)
	if !ok {
		return plan.Type{}, false
	}
	return plan.Type{Kind: plan.TTuple, Elems: slices.Repeat([]plan.Type{e}, int(u.Len()))}, true
}

func (s *scanner) structType(t types.Type, st *types.Struct, at place, class string) (plan.Type, bool) {
	named, ok := t.(*types.Named)
	if !ok {
		return s.anonymous(st, at, class)
	}
	obj := named.Obj()
	canonical := canonicalName(named)
	ref := plan.Type{Kind: plan.TRef, Name: canonical}
	if _, ok := s.byName[canonical]; ok {
		return ref, true
	}
	what := "type " + obj.Name()
	g := &structure{canonical: canonical, class: className(named), doc: s.docs[obj.Pos()]}
	s.byName[canonical] = g
	s.class(g.class, canonical, obj.Pos(), what)
	path := s.path
	s.path = nil
	pt := s.members(g, obj.Pos(), what, st)
	s.path = path
	s.types[canonical] = pt
	// A type that failed is only told of once, at its own place.
	return ref, true
}

func (s *scanner) anonymous(st *types.Struct, at place, class string) (plan.Type, bool) {
	if g, ok := s.inline[st]; ok {
		return g.plan(), true
	}
	if class == "" {
		s.wrong(at.pos, at.what, "%s: expected a struct with a name, Python needs one\nhint: declare it as a type", at.part)
		return plan.Type{}, false
	}
	g := &structure{class: class}
	s.inline[st] = g
	s.class(class, "the struct in place at "+at.part, at.pos, at.what)
	return s.members(g, at.pos, at.what, st), true
}

// members fills in the fields of g; g stands behind the types that it needs.
func (s *scanner) members(g *structure, pos token.Pos, what string, st *types.Struct) plan.Type {
	title := strings.TrimPrefix(what, "type ")
	found := s.structOf(pos, what, title, st, false)
	g.extra = found.extra
	for _, f := range found.fields {
		in, opt := optOf(f.v.Type())
		t, ok := s.member(f, in, place{f.v.Pos(), what, "field " + f.goName}, g.class+exportedName(f.v.Name()))
		if !ok {
			continue
		}
		if f.oneof != "" {
			t.Nullable = true // absent and null both say that it is another one
		}
		if opt {
			if t.Nullable || t.Kind == plan.TAny {
				s.wrong(f.v.Pos(), what, "field %s: Opt of %s is not supported, it can be null itself", f.goName, s.show(in))
				continue
			}
			t.Nullable, f.opt = true, true
			f.plan.Optional, f.plan.Omit = true, ""
		}
		if f.unit != "" {
			var err error
			if t, err = t.WithUnit(f.unit); err != nil {
				s.wrong(f.v.Pos(), what, "field %s: %v", f.goName, err)
				continue
			}
		}
		f.plan.Type = t
		if f.rules != "" {
			var err error
			if f.plan, err = f.plan.WithRules(f.rules); err != nil {
				s.wrong(f.v.Pos(), what, "field %s: %v", f.goName, err)
				continue
			}
		}
		if f.konst != nil {
			var err error
			if f.plan, err = f.plan.WithConst(*f.konst); err != nil {
				s.wrong(f.v.Pos(), what, "field %s: %v", f.goName, err)
				continue
			}
		}
		g.fields = append(g.fields, f)
	}
	s.structs = append(s.structs, g)
	return g.plan()
}

// member is the type of a field; in is what is in it.
func (s *scanner) member(f field, in types.Type, at place, class string) (plan.Type, bool) {
	if m, ok := types.Unalias(in).(*types.Map); ok && f.keyed {
		return s.container(m, plan.TMap, m.Elem(), at, class)
	}
	return s.scanAs(in, at, class)
}

func (g *structure) plan() plan.Type {
	t := plan.Type{Kind: plan.TStruct, Extra: g.extra}
	for _, f := range g.fields {
		t.Fields = append(t.Fields, f.plan)
	}
	return t
}

// canonicalName is the name of a struct in the table of types, as package frame derives
// it from the running program: the name of reflect, behind the import path.
func canonicalName(n *types.Named) string {
	name := "go:" + n.Obj().Pkg().Path() + "." + n.Obj().Name()
	if n.TypeArgs().Len() == 0 {
		return name
	}
	var args []string
	for a := range n.TypeArgs().Types() {
		args = append(args, types.TypeString(spelledOut(a), (*types.Package).Path))
	}
	return name + "[" + strings.Join(args, ",") + "]"
}

// spelledOut is t without aliases, byte among them, at every depth that has a name.
func spelledOut(t types.Type) types.Type {
	switch t := types.Unalias(t).(type) {
	case *types.Basic:
		return types.Typ[t.Kind()]
	case *types.Pointer:
		return types.NewPointer(spelledOut(t.Elem()))
	case *types.Slice:
		return types.NewSlice(spelledOut(t.Elem()))
	case *types.Array:
		return types.NewArray(spelledOut(t.Elem()), t.Len())
	case *types.Map:
		return types.NewMap(spelledOut(t.Key()), spelledOut(t.Elem()))
	case *types.Interface:
		if t.Empty() {
			return types.Universe.Lookup("any").Type()
		}
	}
	return types.Unalias(t)
}

// className is the name of the Python class of a struct: of an instance of a generic
// type, with the names of its arguments.
func className(n *types.Named) string {
	name := n.Obj().Name()
	for a := range n.TypeArgs().Types() {
		name += "_" + argumentName(a)
	}
	return name
}

func argumentName(t types.Type) string {
	switch t := types.Unalias(t).(type) {
	case *types.Named:
		return className(t)
	case *types.Basic:
		return t.Name()
	case *types.Pointer:
		return "Optional_" + argumentName(t.Elem())
	case *types.Slice:
		if isBytes(t) {
			return "bytes"
		}
		return "List_" + argumentName(t.Elem())
	case *types.Array:
		return "Tuple_" + argumentName(t.Elem())
	case *types.Map:
		return "Dict_" + argumentName(t.Elem())
	}
	return "Any"
}

// optOf is T of a record.Opt[T], a member of three states.
func optOf(t types.Type) (types.Type, bool) {
	n, ok := types.Unalias(t).(*types.Named)
	if !ok || fullName(n) != recordPath+".Opt" {
		return t, false
	}
	return n.TypeArgs().At(0), true
}

// class claims a name in types.py.
func (s *scanner) class(name, owner string, pos token.Pos, what string) {
	if reservedInTypes(name) {
		s.wrong(pos, what, "%s means something else in Python\nhint: give the type another name", name)
		return
	}
	if other, ok := s.classes[name]; ok && other != owner {
		s.wrong(pos, what, "expected a name of its own in Python, %s is called %s too\nhint: rename one of them", strings.TrimPrefix(other, "go:"), name)
		return
	}
	s.classes[name] = owner
}

// enum remembers a named string or integer type of which the package declares
// constants.
func (s *scanner) enum(t types.Type, b *types.Basic) {
	named, ok := t.(*types.Named)
	if !ok || b.Info()&(types.IsString|types.IsInteger) == 0 {
		return
	}
	obj := named.Obj()
	if _, ok := s.enumOf[obj]; ok || obj.Pkg() == nil {
		return
	}
	type member struct {
		pos token.Pos
		lit string
	}
	var members []member
	for _, name := range obj.Pkg().Scope().Names() {
		c, ok := obj.Pkg().Scope().Lookup(name).(*types.Const)
		if !ok || !c.Exported() || !types.Identical(c.Type(), t) {
			continue
		}
		lit := c.Val().ExactString()
		if c.Val().Kind() == constant.String {
			lit = pythonString(constant.StringVal(c.Val()))
		}
		members = append(members, member{c.Pos(), lit})
	}
	if members == nil {
		s.enumOf[obj] = nil
		return
	}
	slices.SortFunc(members, func(a, b member) int { return cmp.Compare(a.pos, b.pos) })
	e := &enum{obj: obj, class: obj.Name(), doc: s.docs[obj.Pos()]}
	for _, m := range members {
		if !slices.Contains(e.values, m.lit) {
			e.values = append(e.values, m.lit)
		}
	}
	s.class(e.class, "go:"+obj.Pkg().Path()+"."+obj.Name(), obj.Pos(), "type "+obj.Name())
	s.enumOf[obj] = e
	s.enums = append(s.enums, e)
}

func (s *scanner) unsupported(at place, t types.Type, format string, args ...any) (plan.Type, bool) {
	s.wrong(at.pos, at.what, "%s: %s: %s", at.part, s.show(t), fmt.Sprintf(format, args...))
	return plan.Type{}, false
}

func (s *scanner) show(t types.Type) string { return types.TypeString(t, s.qualify) }

func isBytes(t *types.Slice) bool { return isByte(t.Elem()) }

func isByte(t types.Type) bool {
	b, ok := types.Unalias(t).(*types.Basic)
	return ok && b.Kind() == types.Uint8
}

func fullName(t types.Type) string {
	n, ok := t.(*types.Named)
	if !ok || n.Obj().Pkg() == nil {
		return ""
	}
	return n.Obj().Pkg().Path() + "." + n.Obj().Name()
}

// ownWriters and ownReaders are the methods by which a type has a JSON or text form of its
// own, as encoding/json/v2 looks for them.
var (
	ownWriters = map[string]string{
		"MarshalJSON":   "() ([]byte, error)",
		"MarshalJSONTo": "(*encoding/json/jsontext.Encoder) error",
		"MarshalText":   "() ([]byte, error)",
		"AppendText":    "([]byte) ([]byte, error)",
	}
	ownReaders = map[string]string{
		"UnmarshalJSON":     "([]byte) error",
		"UnmarshalJSONFrom": "(*encoding/json/jsontext.Decoder) error",
		"UnmarshalText":     "([]byte) error",
	}
)

// ownForm says that t is any in plans, since json/v2 reads and writes it in a form of its
// own; problem, why it can not, as in package frame.
func ownForm(t types.Type) (own bool, problem string) {
	t = types.Unalias(t)
	switch name := fullName(t); {
	case types.IsInterface(t) || name == "time.Time" || name == "encoding/json/jsontext.Value" || name == recordPath+".Opt":
		return false, "" // these have kinds
	}
	writes, reads := hasOwn(t, ownWriters), hasOwn(t, ownReaders)
	switch {
	case !writes && !reads:
		return false, ""
	case !reads:
		return false, "it writes a JSON or text form of its own and reads none\nhint: UnmarshalJSON or UnmarshalText reads it"
	case !writes:
		return false, "it reads a JSON or text form of its own and writes none\nhint: MarshalJSON or MarshalText writes it"
	}
	if in := embedsForm(t); in != "" {
		return false, fmt.Sprintf("it embeds %s, which has a JSON or text form of its own, beside other members\nhint: embed no such type, give it a field", in)
	}
	return true, ""
}

func hasOwn(t types.Type, want map[string]string) bool {
	methods := types.NewMethodSet(types.NewPointer(t))
	for m := range methods.Methods() {
		if sig, ok := want[m.Obj().Name()]; ok && signatureText(m.Type().(*types.Signature)) == sig {
			return true
		}
	}
	return false
}

func hasOwnForm(t types.Type) bool { return hasOwn(t, ownWriters) || hasOwn(t, ownReaders) }

// embedsForm is the name of the type with a form of its own that a struct embeds beside
// members of its own; empty: there is none.
func embedsForm(t types.Type) string {
	st, ok := t.Underlying().(*types.Struct)
	if !ok {
		return ""
	}
	found, others := "", 0
	for i := range st.NumFields() {
		v := st.Field(i)
		in := types.Unalias(v.Type())
		if ptr, ok := in.Underlying().(*types.Pointer); ok {
			in = types.Unalias(ptr.Elem())
		}
		switch {
		case v.Embedded() && !types.IsInterface(in) && hasOwnForm(in) && found == "":
			found = types.TypeString(in, (*types.Package).Name)
		case v.Exported() && reflect.StructTag(st.Tag(i)).Get("json") != "-":
			others++
		}
	}
	if others == 0 {
		return ""
	}
	return found
}

func hasIsZero(t types.Type) bool {
	if _, ok := t.Underlying().(*types.Pointer); !ok {
		t = types.NewPointer(t)
	}
	sel := types.NewMethodSet(t).Lookup(nil, "IsZero")
	return sel != nil && signatureText(sel.Type().(*types.Signature)) == "() bool"
}

// signatureText is a signature without the names of its parameters.
func signatureText(sig *types.Signature) string {
	list := func(t *types.Tuple) string {
		parts := make([]string, t.Len())
		for i := range parts {
			parts[i] = strings.ReplaceAll(types.TypeString(types.Unalias(t.At(i).Type()), nil), "uint8", "byte")
		}
		return strings.Join(parts, ", ")
	}
	text := "(" + list(sig.Params()) + ")"
	switch sig.Results().Len() {
	case 0:
		return text
	case 1:
		return text + " " + list(sig.Results())
	}
	return text + " (" + list(sig.Results()) + ")"
}

type members struct {
	fields []field
	extra  bool
}

// structOf lists the members of a struct as encoding/json/v2 writes them: those of
// embedded structs included, of several with one name the dominant one. The types of
// the fields are not looked at, but where they decide that. A struct of settings may
// have no member at all.
func (s *scanner) structOf(pos token.Pos, what, title string, st *types.Struct, settings bool) members {
	type level struct {
		st     *types.Struct
		title  string
		index  []int
		goName string
		again  bool // embedded before: what it embeds itself is known
	}
	var all []field
	var extras [][]int
	failed := false
	visited := map[*types.Struct]bool{st: true}
	for queue := []level{{st: st, title: title}}; len(queue) > 0; queue = queue[1:] {
		l := queue[0]
		names, extra := map[string]string{}, ""
		for i := range l.st.NumFields() {
			v := l.st.Field(i)
			goName := l.goName + v.Name()
			wrong := func(format string, args ...any) {
				failed = true
				s.wrong(v.Pos(), what, "field %s: %s", goName, fmt.Sprintf(format, args...))
			}
			tag, problem := parseTag(v, l.st.Tag(i))
			if problem != "" {
				wrong("%s", problem)
				continue
			}
			if tag.skip {
				continue
			}
			f := field{
				goName: goName, v: v, doc: s.docs[v.Pos()],
				plan:  plan.Field{Name: tag.name, Optional: tag.omit != "", Omit: tag.omit},
				unit:  tag.unit,
				konst: tag.konst,
				rules: tag.rules,
				index: append(slices.Clone(l.index), i), tagged: tag.named,
			}
			if tag.oneof != "" {
				inside, problem := s.oneof(v, tag.oneof)
				if problem != "" {
					wrong("%s", problem)
				}
				for _, m := range inside {
					if other, dup := names[m.plan.Name]; dup {
						wrong("expected a JSON name of its own, %s is called %q too", other, m.plan.Name)
						continue
					}
					names[m.plan.Name] = m.goName
					m.goName, m.index = l.goName+m.goName, f.index
					all = append(all, m)
				}
				continue
			}
			f.keyed = tag.keyed
			if !tag.embed && (!v.Embedded() || tag.named) {
				if !v.Exported() {
					wrong("an embedded type with a name in its tag must be exported")
					continue
				}
				if other, dup := names[f.plan.Name]; dup {
					wrong("expected a JSON name of its own, %s is called %q too", other, f.plan.Name)
					continue
				}
				names[f.plan.Name] = v.Name()
				if _, opt := optOf(v.Type()); opt {
					if strings.Contains(tag.omit, "omitempty") {
						wrong("omitempty is not supported on Opt, which says itself whether it is there")
						continue
					}
				} else if tag.omitZero && ownIsZero(v.Type()) {
					wrong("omitzero is not supported on %s, which has an IsZero method of its own", s.show(v.Type()))
					continue
				}
				all = append(all, f)
				continue
			}
			t := types.Unalias(v.Type())
			inner, isStruct := t.Underlying().(*types.Struct)
			_, isPointer := t.Underlying().(*types.Pointer)
			switch {
			case tag.unit != "" || tag.konst != nil || tag.rules != "":
				wrong("a levada tag on an embedded field has no effect")
			case tag.omit != "" || tag.named:
				wrong("no other option may stand beside embed")
			case fullName(t) == "encoding/json/jsontext.Value" || isAnyMap(t):
				switch {
				case !v.Exported():
					wrong("the field that keeps other members must be exported")
				case extra != "":
					wrong("expected one field that keeps other members, %s does too", extra)
				default:
					extra = v.Name()
					extras = append(extras, f.index)
				}
			case isPointer:
				wrong("%s: an embedded pointer is not supported\nhint: embed the struct itself", s.show(t))
			case !isStruct:
				wrong("%s: expected a struct to embed\nhint: to keep other members, use jsontext.Value or map[string]any with embed", s.show(t))
			case hasOwnForm(t):
				wrong("%s: it has a JSON or text form of its own", s.show(t))
			case !l.again:
				queue = append(queue, level{inner, s.show(t), f.index, goName + ".", visited[inner]})
				visited[inner] = true
			}
		}
	}

	// Of the members with one name, keep the dominant one.
	slices.SortStableFunc(all, func(x, y field) int {
		return cmp.Or(strings.Compare(x.plan.Name, y.plan.Name), cmp.Compare(len(x.index), len(y.index)), -compareBool(x.tagged, y.tagged))
	})
	var out members
	for len(all) > 0 {
		n := 1
		for n < len(all) && all[n].plan.Name == all[0].plan.Name {
			n++
		}
		if n == 1 || len(all[0].index) != len(all[1].index) || all[0].tagged != all[1].tagged {
			out.fields = append(out.fields, all[0])
		}
		all = all[n:]
	}
	slices.SortFunc(out.fields, func(x, y field) int {
		return cmp.Or(slices.Compare(x.index, y.index), cmp.Compare(x.sub, y.sub))
	})
	if n := len(extras); n == 1 || n > 1 && len(extras[0]) != len(extras[1]) {
		out.extra = true
	}
	if len(out.fields) == 0 && !out.extra && !failed && !settings {
		s.wrong(pos, what, "expected exported fields, found none")
	}
	return out
}

// ownIsZero says that omitzero asks the type itself, and not for the zero value.
func ownIsZero(t types.Type) bool {
	t = types.Unalias(t)
	elem := t
	if p, ok := t.Underlying().(*types.Pointer); ok {
		elem = types.Unalias(p.Elem())
	}
	if own, _ := ownForm(elem); own {
		return false // json/v2 asks it, and so does package frame
	}
	return fullName(elem) != "time.Time" && hasIsZero(t)
}

func isAnyMap(t types.Type) bool {
	m, ok := t.(*types.Map)
	if !ok {
		return false
	}
	key, ok := types.Unalias(m.Key()).(*types.Basic)
	elem, isInterface := types.Unalias(m.Elem()).(*types.Interface)
	return ok && key.Kind() == types.String && isInterface && elem.Empty() && !elem.IsComparable()
}

func compareBool(x, y bool) int {
	switch {
	case x == y:
		return 0
	case x:
		return 1
	}
	return -1
}

type fieldTag struct {
	name     string
	named    bool
	skip     bool
	embed    bool
	omit     string
	omitZero bool
	unit     string  // of the levada tag
	konst    *string // of the levada tag
	rules    string  // of the levada tag
	oneof    string  // of a message of protobuf
	keyed    bool    // as field.keyed
}

// parseTag reads the json tag of a field; problem says why it can not.
func parseTag(v *types.Var, text string) (tag fieldTag, problem string) {
	raw, ok := reflect.StructTag(text).Lookup("json")
	if raw == "-" {
		return fieldTag{skip: true}, ""
	}
	if !v.Exported() && !v.Embedded() {
		if ok {
			return tag, "a json tag on an unexported field has no effect"
		}
		return fieldTag{skip: true}, ""
	}
	tag = fieldTag{name: v.Name()}
	if text, ok := reflect.StructTag(text).Lookup("levada"); ok {
		if problem := tag.own(text, v.Type()); problem != "" {
			return tag, problem
		}
	}
	if oneof, ok := reflect.StructTag(text).Lookup("protobuf_oneof"); ok {
		if _, ok := reflect.StructTag(text).Lookup("levada"); ok {
			return tag, "a levada tag on a oneof has no effect"
		}
		tag.oneof = oneof
		return tag, ""
	}
	if _, ok := reflect.StructTag(text).Lookup("protobuf_key"); ok {
		tag.keyed = mapKeys(v.Type())
	}
	name, options, more := strings.Cut(raw, ",")
	if name != "" {
		if strings.ContainsAny(name, "\\'\"`") || !utf8.ValidString(name) {
			return tag, fmt.Sprintf("json name %s is not supported: no quotes, no backslash, valid UTF-8", strconv.Quote(name))
		}
		tag.name, tag.named = name, true
	}
	empty := false
	for more {
		var option string
		option, options, more = strings.Cut(options, ",")
		switch option {
		case "omitempty":
			empty = true
		case "omitzero":
			tag.omitZero = true
		case "embed":
			tag.embed = true
		case "inline", "unknown":
			return tag, fmt.Sprintf("tag option %q has no effect in encoding/json/v2 and would lose data\nhint: use embed", option)
		default:
			return tag, fmt.Sprintf("tag option %q is not supported\nhint: omitempty, omitzero and embed are", option)
		}
	}
	if _, ok := reflect.StructTag(text).Lookup("protobuf"); ok && empty && tellsPresence(v.Type()) {
		empty, tag.omitZero = false, true
	}
	tag.omit = omitName(empty, tag.omitZero)
	return tag, ""
}

// tellsPresence says that a field of a generated message knows an empty value from none, as
// internal/frame has it.
func tellsPresence(t types.Type) bool {
	switch t := types.Unalias(t).Underlying().(type) {
	case *types.Pointer:
		return true
	case *types.Slice:
		return isBytes(t)
	}
	return false
}

// own reads a tag of the platform's own.
func (tag *fieldTag) own(text string, t types.Type) (problem string) {
	// A constant may have any character in it, so nothing stands behind it.
	if value, ok := strings.CutPrefix(text, "const="); ok {
		tag.konst = &value
		return ""
	}
	t = types.Unalias(t)
	iface, isInterface := t.Underlying().(*types.Interface)
	free := fullName(t) == "encoding/json/jsontext.Value" || isInterface && iface.Empty()
	rest, option, more := text, "", true
	for more {
		option, rest, more = strings.Cut(rest, ",")
		key, value, _ := strings.Cut(option, "=")
		switch {
		case key == "unit" && value != "":
			tag.unit = value
		case plan.IsRule(key):
			// All that follow are rules too: the last may have a comma in it.
			tag.rules = option
			if more {
				tag.rules += "," + rest
			}
			return ""
		case option == "any" && free:
		case option == "any":
			return fmt.Sprintf("levada tag any stands on a field of type any or jsontext.Value, got %s", t)
		default:
			return fmt.Sprintf("levada tag %q is not known\nhint: unit=..., const=..., any and rules such as min=0 are", option)
		}
	}
	return ""
}

func omitName(empty, zero bool) string {
	switch {
	case empty && zero:
		return "omitempty,omitzero"
	case empty:
		return "omitempty"
	case zero:
		return "omitzero"
	}
	return ""
}
