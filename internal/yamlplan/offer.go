package yamlplan

import (
	"fmt"
	"maps"
	"path"
	"slices"
	"strings"

	"github.com/levada-io/levada/internal/diag"
	"github.com/levada-io/levada/internal/yamldoc"
	"github.com/levada-io/levada/plan"
)

// offer is what functions and types there are.
type offer []*plan.Manifest

// called says whether a package may be written as name: the Python package, the last
// part of the import path, or all of it.
func called(m *plan.Manifest, name string) bool {
	return name != "" && (name == m.Module || name == m.Package || name == path.Base(m.Package))
}

func (o offer) hasPackage(name string) bool {
	return slices.ContainsFunc(o, func(m *plan.Manifest) bool { return called(m, name) })
}

// packages are the names of the packages with Go steps.
func (o offer) packages() []string {
	var out []string
	for _, m := range o {
		switch {
		case m.Module != "":
			out = append(out, m.Module)
		case m.Package != "":
			out = append(out, path.Base(m.Package))
		}
	}
	return out
}

func (o offer) packagesHint() string {
	if known := o.packages(); len(known) > 0 {
		return "it has steps from " + strings.Join(known, ", ")
	}
	return "run it from the wheel or the binary that holds the steps"
}

// function finds a function by the name that a file has for it: "pkg.Func" in Go,
// "pkg.module:func" in Python. Where there is none, text and hint say so.
func (o offer) function(name string) (sig *plan.FunctionSignature, text, hint string) {
	if strings.Contains(name, ":") {
		var known []string
		for _, m := range o {
			if sig, ok := m.Function("py:" + name); ok {
				return sig, "", ""
			}
			for _, f := range m.Functions {
				if py, ok := strings.CutPrefix(f.Name, "py:"); ok {
					known = append(known, py)
				}
			}
		}
		return nil, fmt.Sprintf("Python function %q is not known", name), diag.DidYouMean(name, known)
	}
	dot := strings.LastIndexByte(name, '.')
	if dot < 1 || dot == len(name)-1 {
		return nil, fmt.Sprintf("expected a function such as package.Function, or package.module:function for Python, got %q", name), ""
	}
	pkg, short := name[:dot], name[dot+1:]
	var known []string
	for _, m := range o {
		if !called(m, pkg) {
			continue
		}
		if sig, ok := m.Function("go:" + m.Package + "." + short); ok {
			return sig, "", ""
		}
		for _, f := range m.Functions {
			known = append(known, f.Name[strings.LastIndexByte(f.Name, '.')+1:])
		}
	}
	if known != nil {
		return nil, fmt.Sprintf("package %q has no step %q", pkg, short), near(short, known, "it has ")
	}
	if o.hasPackage(pkg) {
		return nil, fmt.Sprintf("package %q has no step %q", pkg, short), "it has none"
	}
	hint = near(pkg, o.packages(), "it has steps from ")
	if hint == "" {
		hint = o.packagesHint()
	}
	return nil, fmt.Sprintf("this program has no steps from %q", pkg), hint + fmt.Sprintf("; a function in Python is written %q", pkg+":"+short)
}

// near is a hint that names the nearest of the known, or all of them.
func near(word string, known []string, all string) string {
	if hint := diag.DidYouMean(word, known); hint != "" || len(known) == 0 {
		return hint
	}
	slices.Sort(known)
	return all + strings.Join(slices.Compact(known), ", ")
}

// typeOf reads the type that a parse declares.
func (r *reader) typeOf(s *plan.Step, n *yamldoc.Node, place string) {
	text, ok := r.String(n, place)
	if !ok || r.scan {
		return
	}
	if s.Function != nil && s.Function.Name == "builtin:raw.decode" {
		r.Problem(n, "bad-type", "", "%s: the codec raw yields bytes, got %q", place, text)
		return
	}
	t, wrong, hint := r.offer.typ(text)
	if wrong != "" {
		r.Problem(n, "unknown-type", hint, "%s: %s", place, wrong)
		return
	}
	r.collect(t)
	switch {
	case t.Kind == plan.TAny:
	case t.Kind == plan.TRef:
		s.Type = t.Name
	default:
		// Only structs have names of their own; the name of another type is its text.
		s.Type = t.Text()
		r.plan.Types[s.Type] = t
	}
}

// collect puts the types that t refers to into the table.
func (r *reader) collect(t plan.Type) {
	if t.Elem != nil {
		r.collect(*t.Elem)
	}
	for _, e := range t.Elems {
		r.collect(e)
	}
	for _, f := range t.Fields {
		r.collect(f.Type)
	}
	if _, done := r.plan.Types[t.Name]; t.Kind != plan.TRef || done {
		return
	}
	if found, ok := r.offer.named(t.Name); ok {
		r.plan.Types[t.Name] = found
		r.collect(found)
	}
}

var scalars = []plan.TypeKind{
	plan.TBool, plan.TInt8, plan.TInt16, plan.TInt32, plan.TInt64, plan.TUint8, plan.TUint16, plan.TUint32, plan.TUint64,
	plan.TFloat32, plan.TFloat64, plan.TString, plan.TBytes, plan.TTime, plan.TDuration, plan.TAny,
}

// typ finds a type by the name that a file has for it: "Metric", "pkg.Metric",
// "pkg.module:Metric", a scalar of the plan, list[...], map[string, ...] or
// union[..., ...] of these.
func (o offer) typ(text string) (t plan.Type, wrong, hint string) {
	if slices.Contains(scalars, plan.TypeKind(text)) {
		return plan.Type{Kind: plan.TypeKind(text)}, "", ""
	}
	if rest, ok := strings.CutPrefix(text, "union["); ok {
		return o.union(rest, text)
	}
	kind, inner := plan.TList, ""
	if rest, ok := strings.CutPrefix(text, "list["); ok {
		inner = rest
	} else if rest, ok := strings.CutPrefix(text, "map[string,"); ok {
		kind, inner = plan.TMap, strings.TrimLeft(rest, " ")
	}
	if inner != "" {
		if !strings.HasSuffix(inner, "]") {
			return t, fmt.Sprintf("expected a ] at the end, got %q", text), ""
		}
		elem, wrong, hint := o.typ(strings.TrimSuffix(inner, "]"))
		return plan.Type{Kind: kind, Elem: &elem}, wrong, hint
	}
	var found, known []string
	for _, m := range o {
		for _, name := range slices.Sorted(maps.Keys(m.Types)) {
			_, rest, _ := strings.Cut(name, ":")
			short := rest[strings.LastIndexAny(rest, ".:")+1:]
			known = append(known, short)
			python := strings.HasPrefix(name, "py:")
			i := strings.LastIndexByte(text, '.')
			if text == short || python && text == rest || !python && i > 0 && text[i+1:] == short && called(m, text[:i]) {
				if !slices.Contains(found, name) {
					found = append(found, name)
				}
			}
		}
	}
	switch len(found) {
	case 1:
		return plan.Type{Kind: plan.TRef, Name: found[0]}, "", ""
	case 0:
		return t, fmt.Sprintf("unknown type %q", text), near(text, known, "known are ")
	}
	return t, fmt.Sprintf("expected one type of the name %q, got %s", text, strings.Join(found, " and ")), "write the package before it"
}

// union finds the variants of a union; rest is the text behind the bracket.
func (o offer) union(rest, text string) (t plan.Type, wrong, hint string) {
	list, ok := strings.CutSuffix(rest, "]")
	if !ok {
		return t, fmt.Sprintf("expected a ] at the end, got %q", text), ""
	}
	t.Kind = plan.TUnion
	depth, from := 0, 0
	for i, c := range list + "," {
		switch {
		case c == '[':
			depth++
		case c == ']':
			depth--
		case c == ',' && depth == 0:
			v, wrong, hint := o.typ(strings.TrimSpace(list[from:i]))
			if wrong != "" {
				return t, wrong, hint
			}
			t.Elems = append(t.Elems, v)
			from = i + 1
		}
	}
	if depth != 0 {
		return t, fmt.Sprintf("expected as many [ as ], got %q", text), ""
	}
	return t, "", ""
}
