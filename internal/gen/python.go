package gen

import (
	"encoding/json/v2"
	"fmt"
	"go/types"
	"maps"
	"slices"
	"strconv"
	"strings"
	"unicode"

	"github.com/levada-io/levada/plan"
)

// python are the files of the Python package, without the manifest.
func (p *Package) python() map[string][]byte {
	return map[string][]byte{
		"__init__.py":  []byte(p.initPy()),
		"__init__.pyi": []byte(p.initPyi()),
		"__main__.py":  []byte(p.mainPy()),
		"types.py":     []byte(p.typesPy()),
		"py.typed":     {},
	}
}

// --- the package ------------------------------------------------------------------

func (p *Package) initPy() string {
	var b strings.Builder
	b.WriteString(header("#", p.Manifest.Package))
	b.WriteString(docstring("", p.title()))
	// Names with an underscore: every other one may be a user's.
	b.WriteString("\nimport os as _os\nimport typing as _typing\n\nimport levada as _levada\n\nfrom . import types as types\n\n")
	p.all(&b)
	for _, f := range p.functions {
		fmt.Fprintf(&b, "\n\nclass %s(_levada.GoFunction[_typing.Any, _typing.Any]):\n", f.name)
		b.WriteString(docstring("    ", f.docOr()))
		fmt.Fprintf(&b, "\n    __levada_function__ = %s\n", pythonString(f.sig.Name))
		fmt.Fprintf(&b, "    __levada_extension__ = %s\n", pythonString(p.Manifest.Module))
		if f.isStruct {
			b.WriteString("    __levada_settings__: _typing.ClassVar[_typing.Mapping[str, _typing.Mapping[str, _typing.Any]]] = {\n")
			for _, s := range f.settings {
				fmt.Fprintf(&b, "        %s: %s,\n", pythonString(s.plan.Name), pythonValue(s.plan.Type))
			}
			b.WriteString("    }\n")
		}
	}
	b.WriteString("\n\ndef run(\n    pipeline: _levada.Pipeline,\n    config: str | _os.PathLike[str] | None = None,\n    **flags: _typing.Any,\n) -> int:\n")
	b.WriteString(docstring("    ", runDoc))
	b.WriteString("    return _levada.run(pipeline, config, **flags)\n")
	return b.String()
}

const runDoc = "Runs a pipeline with a deployment file until it is stopped; returns the exit code."

func (p *Package) initPyi() string {
	var body strings.Builder
	imports := map[string]bool{}
	r := renderer{p: p, prefix: "types.", uses: func(module, name string) string {
		imports[module] = true
		return alias(module) + "." + name
	}}
	for _, f := range p.functions {
		r.reads = true
		in := r.typ(f.in)
		r.reads = false
		out := r.typ(f.out)
		switch f.form {
		case "OfMessage":
			out = "_levada.Message[" + out + "]"
		case "OfSeq":
			out = "list[" + out + "]"
		}
		imports["typing"] = true
		fmt.Fprintf(&body, "\n@_typing.final\nclass %s(_levada.GoFunction[%s, %s]):\n", f.name, in, out)
		body.WriteString(docstring("    ", f.docOr()))
		if len(f.settings) == 0 {
			body.WriteString("\n    def __init__(self) -> None: ...\n")
			continue
		}
		body.WriteString("\n    def __init__(\n        self,\n        *,\n")
		for _, s := range f.settings {
			fmt.Fprintf(&body, "        %s: %s = %s,\n", s.plan.Name, r.typ(s.v.Type()), r.zero(s.plan.Type))
		}
		body.WriteString("    ) -> None: ...\n")
	}
	imports["os"], imports["typing"] = true, true
	var b strings.Builder
	b.WriteString(header("#", p.Manifest.Package))
	b.WriteString(docstring("", p.title()))
	b.WriteString("\n")
	for _, m := range slices.Sorted(maps.Keys(imports)) {
		fmt.Fprintf(&b, "import %s as %s\n", m, alias(m))
	}
	b.WriteString("\nimport levada as _levada\n\nfrom . import types as types\n\n")
	p.all(&b)
	b.WriteString(body.String())
	b.WriteString("\ndef run(\n    pipeline: _levada.Pipeline,\n    config: str | _os.PathLike[str] | None = None,\n    **flags: _typing.Any,\n) -> int:\n")
	b.WriteString(docstring("    ", runDoc))
	return b.String()
}

// alias is what a module is called in a stub, where every other name may be a user's.
func alias(module string) string { return "_" + module[strings.LastIndexByte(module, '.')+1:] }

func (p *Package) mainPy() string {
	return header("#", p.Manifest.Package) +
		docstring("", fmt.Sprintf("``python -m %s [run|check|explain] [pipeline.py] [flags]``.", p.Manifest.Module)) +
		fmt.Sprintf("\nimport sys\n\nimport levada\n\nif __name__ == \"__main__\":\n    sys.exit(levada.run_package(%s))\n", pythonString(p.Manifest.Module))
}

func (p *Package) all(b *strings.Builder) {
	names := []string{"run", "types"}
	for _, f := range p.functions {
		names = append(names, f.name)
	}
	slices.Sort(names)
	b.WriteString("__all__ = [\n")
	for _, n := range names {
		fmt.Fprintf(b, "    %s,\n", pythonString(n))
	}
	b.WriteString("]\n")
}

func (p *Package) title() string {
	if p.Doc != "" {
		return p.Doc
	}
	return "Steps of the Go package " + p.Manifest.Package + "."
}

func (f *function) docOr() string {
	if f.doc != "" {
		return f.doc
	}
	return fmt.Sprintf("The Go function %s.", f.name)
}

const levadaModule = "levada"

// --- types.py ---------------------------------------------------------------------

func (p *Package) typesPy() string {
	imports := map[string]map[string]bool{"typing": {"Any": true}}
	r := renderer{p: p, defined: map[string]bool{}, uses: func(module, name string) string {
		if imports[module] == nil {
			imports[module] = map[string]bool{}
		}
		if module == "collections.abc" || module == levadaModule {
			name += " as _" + name // a type may well be called Mapping
		}
		imports[module][name] = true
		return name[strings.LastIndexByte(name, ' ')+1:]
	}}
	var body strings.Builder
	for class := range p.borrowed {
		r.defined[class] = true
	}
	for _, e := range p.enums {
		if r.defined[e.class] {
			continue
		}
		fmt.Fprintf(&body, "\n%s: %s = %s[%s]\n", e.class, r.uses("typing", "TypeAlias"), r.uses("typing", "Literal"), strings.Join(e.values, ", "))
		if e.doc != "" {
			body.WriteString(docstring("", e.doc))
		}
		r.defined[e.class] = true
	}
	left := slices.DeleteFunc(slices.Clone(p.unions), func(u *union) bool { return r.defined[u.class] })
	left = r.writeUnions(&body, left)
	for _, g := range p.structs {
		if r.defined[g.class] {
			continue
		}
		r.reads = g.reads
		r.typedDict(&body, g)
		r.reads = false
		r.defined[g.class] = true
		left = r.writeUnions(&body, left)
	}
	var b strings.Builder
	b.WriteString(header("#", p.Manifest.Package))
	b.WriteString(docstring("", "Types of the Go package "+p.Manifest.Package+"."))
	b.WriteString("\n")
	for _, m := range slices.Sorted(maps.Keys(imports)) {
		names := slices.Sorted(maps.Keys(imports[m]))
		switch m {
		case "datetime", "typing":
			fmt.Fprintf(&b, "from %s import %s\n", m, strings.Join(names, ", "))
			continue
		case levadaModule:
			continue // apart from the standard library
		}
		for _, n := range names {
			fmt.Fprintf(&b, "from %s import %s\n", m, n)
		}
	}
	b.WriteString("\n")
	for n := range imports[levadaModule] {
		fmt.Fprintf(&b, "from %s import %s\n\n", levadaModule, n)
	}
	for i, class := range slices.Sorted(maps.Keys(p.borrowed)) {
		if i == 0 {
			b.WriteString("# The team's own classes, which the Go package names.\n")
		}
		from := p.borrowed[class]
		fmt.Fprintf(&b, "from %s import %s as %s\n", from.module, from.class, class)
	}
	if len(p.borrowed) > 0 {
		b.WriteString("\n")
	}
	var classes []string
	for _, e := range p.enums {
		classes = append(classes, e.class)
	}
	for _, g := range p.structs {
		classes = append(classes, g.class)
	}
	for _, u := range p.unions {
		classes = append(classes, u.class)
	}
	slices.Sort(classes)
	b.WriteString("__all__ = [\n")
	for _, c := range classes {
		fmt.Fprintf(&b, "    %s,\n", pythonString(c))
	}
	b.WriteString("]\n")
	b.WriteString(body.String())
	fmt.Fprintf(&b, "\n\n# What the pipeline and the compiled module compare these types by.\n__levada_package__ = %s\n__levada_fingerprint__ = %s\n__levada_types__: dict[str, dict[str, Any]] = {",
		pythonString(p.Manifest.Package), pythonString(p.Manifest.Fingerprint))
	prefix := "go:" + p.Manifest.Package + "."
	for i, name := range slices.Sorted(maps.Keys(p.Manifest.Types)) {
		if i == 0 {
			b.WriteString("\n")
		}
		fmt.Fprintf(&b, "    %s: %s,\n", pythonString(strings.TrimPrefix(name, prefix)), pythonStruct(p.Manifest.Types[name]))
	}
	b.WriteString("}\n")
	others := map[string]string{}
	for _, g := range p.structs {
		if g.canonical != "" && g.canonical != prefix+g.class {
			others[g.class] = g.canonical
		}
	}
	if len(others) > 0 {
		b.WriteString("__levada_names__: dict[str, str] = {\n")
		for _, class := range slices.Sorted(maps.Keys(others)) {
			fmt.Fprintf(&b, "    %s: %s,\n", pythonString(class), pythonString(others[class]))
		}
		b.WriteString("}\n")
	}
	return b.String()
}

// writeUnions writes those unions whose variants all stand above, and returns the others.
func (r *renderer) writeUnions(b *strings.Builder, unions []*union) []*union {
	for {
		i := slices.IndexFunc(unions, func(u *union) bool {
			r.forward = false
			variants := make([]string, len(u.variants))
			for i, v := range u.variants {
				variants[i] = r.typ(v)
			}
			if r.forward {
				return false
			}
			fmt.Fprintf(b, "\n\n%s: %s = %s\n", u.class, r.uses("typing", "TypeAlias"), strings.Join(variants, " | "))
			doc := u.doc
			if doc == "" {
				doc = fmt.Sprintf("The Go type %s.", u.class)
			}
			b.WriteString(docstring("", doc))
			return true
		})
		if i < 0 {
			return unions
		}
		r.defined[unions[i].class] = true
		unions = slices.Delete(slices.Clone(unions), i, i+1)
	}
}

func (r *renderer) typedDict(b *strings.Builder, g *structure) {
	base := r.uses("typing", "TypedDict")
	doc := g.doc
	if doc == "" {
		doc = fmt.Sprintf("The Go type %s.", g.class)
	}
	if g.extra {
		doc += "\n\nMembers that it does not name are kept."
	}
	for _, names := range g.oneofs() {
		doc += fmt.Sprintf("\n\nOne of these is there at most: %s.", strings.Join(names, ", "))
	}
	functional := slices.ContainsFunc(g.fields, func(f field) bool {
		// A class body would mangle a name with two underscores in front, and a member
		// called int would stand for int in the lines below it.
		n := f.plan.Name
		return !isIdentifier(n) || strings.HasPrefix(n, "__") || reservedInTypes(n) || r.p.isClass(n)
	})
	if functional {
		fmt.Fprintf(b, "\n\n%s = %s(\n    %s,\n    {\n", g.class, base, pythonString(g.class))
		for _, f := range g.fields {
			b.WriteString(comment("        ", f.docWithRules()))
			fmt.Fprintf(b, "        %s: %s,\n", pythonString(f.plan.Name), r.member(f))
		}
		fmt.Fprintf(b, "    },\n)\n%s.__doc__ = %s", g.class, docstring("", doc))
		return
	}
	fmt.Fprintf(b, "\n\nclass %s(%s):\n%s\n", g.class, base, docstring("    ", doc))
	for _, f := range g.fields {
		fmt.Fprintf(b, "    %s: %s\n", f.plan.Name, r.member(f))
		if doc := f.docWithRules(); doc != "" {
			b.WriteString(docstring("    ", doc))
		}
	}
}

// pythonEnum are the only values of a text or an integer as Python literals, "" where its
// rules name none.
func pythonEnum(f plan.Field) string {
	rules, err := plan.ParseRules(f.Rules)
	if err != nil || f.Type.Elem != nil || f.Type.Elems != nil {
		return ""
	}
	values := slices.Clone(rules.Enum)
	if f.Type.Kind == plan.TString {
		for i, v := range values {
			values[i] = pythonString(v)
		}
	}
	return strings.Join(values, ", ")
}

// docWithRules says the rules too, which no annotation does.
func (f *field) docWithRules() string {
	if f.plan.Rules == "" {
		return f.doc
	}
	return strings.TrimSpace(f.doc + "\nRules: " + f.plan.Rules)
}

// member is the annotation of a field. What refers to a class further down is quoted
// as a whole; NotRequired and ReadOnly stay outside, where TypedDict looks for them.
func (r *renderer) member(f field) string {
	r.forward = false
	in, opt := optOf(f.v.Type())
	text := ""
	switch values := pythonEnum(f.plan); {
	case values != "":
		text = r.uses("typing", "Literal") + "[" + values + "]"
		if f.plan.Type.Nullable && !opt {
			text += " | None"
		}
	case f.plan.Const == "":
		text = r.typ(in)
	case f.plan.Type.Nullable && !opt:
		text = r.uses("typing", "Literal") + "[" + pythonConst(f.plan) + "] | None"
	default:
		text = r.uses("typing", "Literal") + "[" + pythonConst(f.plan) + "]"
	}
	if opt {
		text += " | None"
	} else if f.plan.Optional {
		text = strings.TrimSuffix(text, " | None")
	}
	if r.forward {
		text = pythonString(text)
	}
	if r.reads {
		text = r.uses(levadaModule, "ReadOnly") + "[" + text + "]"
	}
	if f.plan.Optional {
		text = r.uses("typing", "NotRequired") + "[" + text + "]"
	}
	return text
}

// --- types as Python writes them --------------------------------------------------

type renderer struct {
	p      *Package
	prefix string // before the name of a class: "types."
	// uses notes a name of a module as used and returns how it is written.
	uses    func(module, name string) string
	reads   bool            // what Go only reads: any sequence and mapping does for it
	defined map[string]bool // classes that stand above; nil: all do
	forward bool            // a class that stands below was named
}

func (r *renderer) typ(t types.Type) string {
	t = types.Unalias(t)
	if ptr, ok := t.Underlying().(*types.Pointer); ok {
		if own, _ := ownForm(ptr.Elem()); own {
			return r.uses("typing", "Any")
		}
		return r.typ(ptr.Elem()) + " | None"
	}
	if own, _ := ownForm(t); own {
		return r.uses("typing", "Any")
	}
	switch fullName(t) {
	case "time.Time":
		return r.uses("datetime", "datetime")
	case "time.Duration":
		return r.uses("datetime", "timedelta")
	case "encoding/json/jsontext.Value":
		return r.uses("typing", "Any")
	}
	switch u := t.Underlying().(type) {
	case *types.Basic:
		if n, ok := t.(*types.Named); ok && r.p.isEnum(n) {
			return r.class(n.Obj().Name())
		}
		switch {
		case u.Info()&types.IsBoolean != 0:
			return "bool"
		case u.Info()&types.IsInteger != 0:
			return "int"
		case u.Info()&types.IsFloat != 0:
			return "float"
		}
		return "str"
	case *types.Slice:
		if isBytes(u) {
			return "bytes"
		}
		if r.reads {
			return r.uses("collections.abc", "Sequence") + "[" + r.typ(u.Elem()) + "]"
		}
		return "list[" + r.typ(u.Elem()) + "]"
	case *types.Array:
		return "tuple[" + strings.Join(slices.Repeat([]string{r.typ(u.Elem())}, int(u.Len())), ", ") + "]"
	case *types.Map:
		if r.reads {
			return r.uses("collections.abc", "Mapping") + "[str, " + r.typ(u.Elem()) + "]"
		}
		return "dict[str, " + r.typ(u.Elem()) + "]"
	case *types.Struct:
		if n, ok := t.(*types.Named); ok {
			return r.class(className(n))
		}
		return r.class(r.p.inline[u].class)
	case *types.Interface:
		if n, ok := t.(*types.Named); ok && u.NumMethods() > 0 {
			return r.class(className(n))
		}
	}
	return r.uses("typing", "Any")
}

func (r *renderer) class(name string) string {
	if r.defined != nil && !r.defined[name] {
		r.forward = true
	}
	return r.prefix + name
}

// zero is the default of a setting in a stub: Go's zero value, where Python writes it
// in a word.
func (r *renderer) zero(t plan.Type) string {
	if t.Nullable {
		return "None"
	}
	switch t.Kind {
	case plan.TBool:
		return "False"
	case plan.TFloat32, plan.TFloat64:
		return "0.0"
	case plan.TString, plan.TBytes, plan.TTime, plan.TDuration, plan.TList, plan.TTuple, plan.TUnion, plan.TMap, plan.TRef, plan.TStruct, plan.TAny:
		return "..."
	}
	return "0"
}

func (p *Package) isClass(name string) bool {
	return slices.ContainsFunc(p.enums, func(e *enum) bool { return e.class == name }) ||
		slices.ContainsFunc(p.structs, func(g *structure) bool { return g.class == name }) ||
		slices.ContainsFunc(p.unions, func(u *union) bool { return u.class == name })
}

func (p *Package) isEnum(n *types.Named) bool {
	return slices.ContainsFunc(p.enums, func(e *enum) bool { return e.obj == n.Obj() })
}

// --- text -------------------------------------------------------------------------

// docstring is text as a docstring with a newline at its end.
func docstring(indent, text string) string {
	text = strings.NewReplacer(`\`, `\\`, `"""`, `\"\"\"`).Replace(strings.TrimSpace(text))
	if strings.HasSuffix(text, `"`) {
		text = text[:len(text)-1] + `\"`
	}
	lines := strings.Split(text, "\n")
	for i := 1; i < len(lines); i++ {
		lines[i] = strings.TrimRightFunc(indent+lines[i], unicode.IsSpace)
	}
	out := indent + `"""` + strings.Join(lines, "\n")
	if len(lines) > 1 {
		out += "\n" + indent
	}
	return out + "\"\"\"\n"
}

// comment is text as comment lines; empty for an empty text.
func comment(indent, text string) string {
	if text == "" {
		return ""
	}
	return indent + "# " + strings.ReplaceAll(text, "\n", "\n"+indent+"# ") + "\n"
}

// pythonString is s as a Python literal: JSON strings are a subset of them, but for
// escaped pairs of surrogates, which the encoder does not write.
func pythonString(s string) string {
	b, err := json.Marshal(s)
	if err != nil {
		return strconv.QuoteToASCII(s)
	}
	return string(b)
}

// pythonValue is a type as a Python literal of its JSON form.
func pythonValue(t plan.Type) string {
	parts := []string{`"kind": ` + pythonString(string(t.Kind))}
	if t.Name != "" {
		parts = append(parts, `"name": `+pythonString(t.Name))
	}
	if t.Elem != nil {
		parts = append(parts, `"elem": `+pythonValue(*t.Elem))
	}
	if t.Elems != nil {
		elems := make([]string, len(t.Elems))
		for i, e := range t.Elems {
			elems[i] = pythonValue(e)
		}
		parts = append(parts, `"elems": [`+strings.Join(elems, ", ")+"]")
	}
	if t.Unit != "" {
		parts = append(parts, `"unit": `+pythonString(t.Unit))
	}
	if t.Nullable {
		parts = append(parts, `"nullable": True`)
	}
	if t.Fields != nil {
		fields := make([]string, len(t.Fields))
		for i, f := range t.Fields {
			fields[i] = pythonField(f)
		}
		parts = append(parts, `"fields": [`+strings.Join(fields, ", ")+"]")
	}
	if t.Extra {
		parts = append(parts, `"extra": True`)
	}
	return "{" + strings.Join(parts, ", ") + "}"
}

// pythonConst is the constant of a field as a Python literal.
func pythonConst(f plan.Field) string {
	switch v, _ := f.Constant(); v := v.(type) {
	case string:
		return pythonString(v)
	case bool:
		if v {
			return "True"
		}
		return "False"
	}
	return f.Const
}

func pythonField(f plan.Field) string {
	out := fmt.Sprintf(`{"name": %s, "type": %s`, pythonString(f.Name), pythonValue(f.Type))
	if f.Optional {
		out += `, "optional": True`
	}
	if f.Omit != "" {
		out += `, "omit": ` + pythonString(f.Omit)
	}
	if f.Const != "" {
		out += `, "const": ` + pythonString(f.Const)
	}
	if f.Rules != "" {
		out += `, "rules": ` + pythonString(f.Rules)
	}
	return out + "}"
}

// pythonStruct is pythonValue of a struct of the table, a line per field.
func pythonStruct(t plan.Type) string {
	var b strings.Builder
	b.WriteString("{\n        \"kind\": \"struct\",\n        \"fields\": [\n")
	for _, f := range t.Fields {
		b.WriteString("            " + pythonField(f) + ",\n")
	}
	b.WriteString("        ],\n")
	if t.Extra {
		b.WriteString("        \"extra\": True,\n")
	}
	b.WriteString("    }")
	return b.String()
}

var pythonKeywords = map[string]bool{
	"False": true, "None": true, "True": true, "and": true, "as": true, "assert": true, "async": true, "await": true,
	"break": true, "class": true, "continue": true, "def": true, "del": true, "elif": true, "else": true, "except": true,
	"finally": true, "for": true, "from": true, "global": true, "if": true, "import": true, "in": true, "is": true,
	"lambda": true, "nonlocal": true, "not": true, "or": true, "pass": true, "raise": true, "return": true, "try": true,
	"while": true, "with": true, "yield": true,
}

// isIdentifier says whether Python takes s as a name. ASCII only: Python normalizes
// other names, and the key would change.
func isIdentifier(s string) bool {
	for i, c := range s {
		if c != '_' && (c < 'a' || c > 'z') && (c < 'A' || c > 'Z') && (i == 0 || c < '0' || c > '9') {
			return false
		}
	}
	return s != "" && !pythonKeywords[s]
}

// reservedInTypes says whether types.py uses the name itself.
func reservedInTypes(name string) bool {
	switch name {
	case "Any", "Literal", "NotRequired", "TypeAlias", "TypedDict", "datetime", "timedelta",
		"bool", "bytes", "dict", "float", "int", "list", "str", "tuple":
		return true
	}
	return pythonKeywords[name] || strings.HasPrefix(name, "_")
}
