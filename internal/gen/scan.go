package gen

import (
	"encoding/json/jsontext"
	"encoding/json/v2"
	"fmt"
	"go/ast"
	"go/token"
	"go/types"
	"maps"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"

	"golang.org/x/tools/go/packages"

	"github.com/levada-io/levada/internal/diag"
	"github.com/levada-io/levada/plan"
)

const (
	modulePath  = "github.com/levada-io/levada"
	recordPath  = modulePath + "/record"
	messageName = "Message"
)

// Package is what a Go package offers as steps.
type Package struct {
	Manifest plan.Manifest
	Name     string // of the Go package
	Doc      string
	Notes    []string // what its author may want to know, by function

	functions []*function // sorted by name, as in the manifest
	structs   []*structure
	named     map[string]*structure // those of structs that have one, by canonical name
	enums     []*enum
	unions    []*union
	inline    map[*types.Struct]*structure
	borrowed  map[string]borrowed // by class in types.py
	elems     []string            // what the main registers as elements of maps, as Go types, sorted
}

// function is one step function.
type function struct {
	sig  plan.FunctionSignature
	name string // Go name
	doc  string
	in   types.Type
	out  types.Type
	// form is the constructor that registers it: Of, OfMessage, OfSlice, OfSeq.
	form     string
	settings []field // of a struct; nil for a plain function
	isStruct bool
}

// CompileError is what Go itself says of the package.
type CompileError struct {
	Package string
	Text    string
}

func (e *CompileError) Error() string { return fmt.Sprintf("# %s\n%s", e.Package, e.Text) }

// Scan reads the Go package in dir.
//
// # Errors
//
// A *CompileError where Go does not compile it; a diag.List with every function and
// type that is no step and can not cross to Python.
func Scan(dir string, o Options) (*Package, error) {
	pkgs, err := load(dir, o, ".")
	if err != nil {
		return nil, err
	}
	main := pkgs[0]
	// Types of other packages have their comments and exact places only in source: a
	// second reading includes these packages, where there are any.
	if more := foreign(main.Types); len(more) > 0 {
		if pkgs, err = load(dir, o, append([]string{"."}, more...)...); err != nil {
			return nil, err
		}
		i := slices.IndexFunc(pkgs, func(p *packages.Package) bool { return p.PkgPath == main.PkgPath })
		if i < 0 {
			return nil, fmt.Errorf("BUG: package %s vanished at the second reading", main.PkgPath)
		}
		main = pkgs[i]
	}
	if main.Name == "main" {
		return nil, fmt.Errorf("%s: expected a package of steps, got package main, which nothing can import\nhint: name it after the team or the subject, as in package metric_steps", main.PkgPath)
	}
	module := o.Module
	if module == "" {
		module = main.Name
	}
	if !isIdentifier(module) {
		return nil, fmt.Errorf("%s: expected a package name that Python can import, got %q", main.PkgPath, module)
	}
	abs, err := filepath.Abs(dir)
	if err != nil {
		return nil, err
	}
	if abs, err = filepath.EvalSymlinks(abs); err != nil {
		return nil, err
	}
	s := &scanner{
		main: main, dir: abs,
		types:   map[string]plan.Type{},
		byName:  map[string]*structure{},
		inline:  map[*types.Struct]*structure{},
		enumOf:  map[*types.TypeName]*enum{},
		docs:    docs(pkgs),
		classes: map[string]string{},
		elems:   map[string]bool{},

		registered: registrations(pkgs),
	}
	p := &Package{Name: main.Name, Doc: s.packageDoc()}
	s.scanPackage(p)
	s.checkUnions()
	p.borrowed = s.borrow()
	if len(s.mistakes) > 0 {
		return nil, s.sortedMistakes()
	}
	p.structs, p.named, p.enums, p.unions, p.inline = s.structs, s.byName, s.enums, s.unions, s.inline
	p.markReads()
	p.noteLosses()
	p.elems = slices.Sorted(maps.Keys(s.elems))
	p.Manifest = plan.Manifest{
		Levada: Version, Plan: plan.Version, Module: module, Package: main.PkgPath,
		Functions: []plan.FunctionSignature{}, Types: s.types,
	}
	for _, f := range p.functions {
		p.Manifest.Functions = append(p.Manifest.Functions, f.sig)
	}
	if err := p.Manifest.Seal(); err != nil {
		return nil, err
	}
	return p, nil
}

// markReads finds the structs that functions take and none gives. Whoever makes one for
// them, a parse or a step in Python, may have more members or narrower ones in it: Go only
// reads it.
func (p *Package) markReads() {
	given := map[*structure]bool{}
	for _, f := range p.functions {
		p.reach(f.out, given)
		for _, s := range f.settings {
			p.reach(s.v.Type(), given)
		}
	}
	for _, g := range p.structs {
		g.reads = !given[g]
	}
}

// noteLosses names the functions that give what they take, a message with some members
// changed as it seems, where those that no field names are lost on the way.
func (p *Package) noteLosses() {
	for _, f := range p.functions {
		out := f.out
		if f.form == "OfSlice" {
			out = types.Unalias(out).Underlying().(*types.Slice).Elem()
		}
		if !types.Identical(pointed(f.in), pointed(out)) {
			continue
		}
		found := map[*structure]bool{}
		p.reach(f.in, found)
		var closed []string
		for g := range found {
			if !g.extra {
				closed = append(closed, g.class)
			}
		}
		if closed == nil {
			continue
		}
		slices.Sort(closed)
		p.Notes = append(p.Notes, fmt.Sprintf("%s:%d: func %s: gives what it takes, without the members that no field of %s names\nhint: embed levada.Extra to keep them",
			f.sig.Origin.File, f.sig.Origin.Line, f.name, strings.Join(closed, ", ")))
	}
}

func pointed(t types.Type) types.Type {
	if p, ok := types.Unalias(t).Underlying().(*types.Pointer); ok {
		return p.Elem()
	}
	return t
}

// reach adds the structs in t to found.
func (p *Package) reach(t types.Type, found map[*structure]bool) {
	t = types.Unalias(t)
	if in, opt := optOf(t); opt {
		t = types.Unalias(in)
	}
	switch u := t.Underlying().(type) {
	case *types.Pointer:
		p.reach(u.Elem(), found)
	case *types.Slice:
		p.reach(u.Elem(), found)
	case *types.Array:
		p.reach(u.Elem(), found)
	case *types.Map:
		p.reach(u.Elem(), found)
	case *types.Interface:
		for _, un := range p.unions {
			if types.Identical(un.t, t) {
				for _, v := range un.variants {
					p.reach(v, found)
				}
			}
		}
	case *types.Struct:
		g := p.inline[u]
		if n, ok := t.(*types.Named); ok {
			if named, ok := p.named[canonicalName(n)]; ok {
				g = named
			}
		}
		if g == nil || found[g] {
			return
		}
		found[g] = true
		for _, f := range g.fields {
			p.reach(f.v.Type(), found)
		}
	}
}

func load(dir string, o Options, patterns ...string) ([]*packages.Package, error) {
	cfg := &packages.Config{
		// Without NeedDeps: what the package imports comes from export data, which the
		// build needs compiled anyway. Reading all of it as source takes seconds.
		Mode: packages.NeedName | packages.NeedFiles | packages.NeedCompiledGoFiles | packages.NeedImports |
			packages.NeedTypes | packages.NeedSyntax | packages.NeedTypesInfo,
		Dir:        dir,
		BuildFlags: o.BuildFlags,
	}
	pkgs, err := packages.Load(cfg, patterns...)
	if err != nil {
		return nil, err
	}
	abs, err := filepath.Abs(dir)
	if err != nil {
		return nil, err
	}
	if len(pkgs) == 0 {
		return nil, fmt.Errorf("%s: expected a Go package, found none%s", abs, whyNone(abs, o, patterns))
	}
	for _, p := range pkgs {
		if len(p.Errors) == 0 {
			continue
		}
		return nil, &CompileError{Package: p.PkgPath, Text: goText(abs, p)}
	}
	return pkgs, nil
}

// whyNone is what the go command says where it lists nothing, a go.mod that lacks a
// requirement for one: packages.Load drops that text.
func whyNone(dir string, o Options, patterns []string) string {
	cmd := exec.Command("go", slices.Concat([]string{"list"}, o.BuildFlags, patterns)...)
	cmd.Dir = dir
	var stderr strings.Builder
	cmd.Stderr = &stderr
	if err := cmd.Run(); err == nil || stderr.Len() == 0 {
		return ""
	}
	return "\n" + strings.TrimSpace(stderr.String())
}

// goText is what the go command prints in dir about the errors of p.
func goText(dir string, p *packages.Package) string {
	var lines []string
	for _, e := range p.Errors {
		// The go command has compiled the package for its export data; then its own
		// text is here whole, and everything else repeats it.
		if text, ok := strings.CutPrefix(e.Msg, "# "+p.PkgPath+"\n"); ok {
			return strings.TrimSpace(text)
		}
		pos := e.Pos
		if pos == "" || pos == "-" {
			lines = append(lines, strings.TrimSpace(e.Msg))
			continue
		}
		if rel, err := filepath.Rel(dir, pos); err == nil && !strings.HasPrefix(rel, "..") {
			pos = "./" + filepath.ToSlash(rel)
		}
		lines = append(lines, pos+": "+e.Msg)
	}
	slices.Sort(lines)
	return strings.Join(slices.Compact(lines), "\n")
}

// foreign lists the packages, other than p and the standard library, whose types p's
// step functions use.
func foreign(p *types.Package) []string {
	found := map[string]bool{}
	seen := map[types.Type]bool{}
	var walk func(t types.Type)
	walk = func(t types.Type) {
		t = types.Unalias(t)
		if seen[t] {
			return
		}
		seen[t] = true
		switch t := t.(type) {
		case *types.Named:
			for a := range t.TypeArgs().Types() {
				walk(a)
			}
			q := t.Obj().Pkg()
			if q == nil || q.Path() == recordPath || isStandard(q.Path()) {
				return
			}
			if q != p {
				found[q.Path()] = true
			}
			walk(t.Underlying())
			if i, ok := t.Underlying().(*types.Interface); ok && isSealed(i) {
				for _, name := range q.Scope().Names() {
					if v, ok := q.Scope().Lookup(name).(*types.TypeName); ok && (types.Implements(v.Type(), i) || types.Implements(types.NewPointer(v.Type()), i)) {
						walk(v.Type())
					}
				}
			}
		case *types.Pointer:
			walk(t.Elem())
		case *types.Slice:
			walk(t.Elem())
		case *types.Array:
			walk(t.Elem())
		case *types.Map:
			walk(t.Elem())
		case *types.Struct:
			for f := range t.Fields() {
				walk(f.Type())
			}
		}
	}
	signature := func(sig *types.Signature) {
		if !takesMessage(sig) {
			return
		}
		for v := range sig.Params().Variables() {
			walk(v.Type())
		}
		for v := range sig.Results().Variables() {
			walk(v.Type())
		}
	}
	for _, name := range p.Scope().Names() {
		switch obj := p.Scope().Lookup(name).(type) {
		case *types.Func:
			signature(obj.Signature())
		case *types.TypeName:
			if named, ok := obj.Type().(*types.Named); ok {
				for m := range named.Methods() {
					if m.Name() == "Apply" && takesMessage(m.Signature()) {
						signature(m.Signature())
						walk(named.Underlying())
					}
				}
			}
		}
	}
	return slices.Sorted(maps.Keys(found))
}

func isStandard(path string) bool {
	first, _, _ := strings.Cut(path, "/")
	return !strings.Contains(first, ".")
}

// message returns T of a record.Message[T].
func message(t types.Type) (types.Type, bool) {
	n, ok := types.Unalias(t).(*types.Named)
	if !ok {
		return nil, false
	}
	obj := n.Origin().Obj()
	if obj.Pkg() == nil || obj.Pkg().Path() != recordPath || obj.Name() != messageName || n.TypeArgs().Len() != 1 {
		return nil, false
	}
	return n.TypeArgs().At(0), true
}

func takesMessage(sig *types.Signature) bool {
	for v := range sig.Params().Variables() {
		if isOrHoldsMessage(v.Type()) {
			return true
		}
	}
	return false
}

// isOrHoldsMessage sees through what people wrap a message in by mistake.
func isOrHoldsMessage(t types.Type) bool {
	if _, ok := message(t); ok {
		return true
	}
	switch t := types.Unalias(t).(type) {
	case *types.Pointer:
		return isOrHoldsMessage(t.Elem())
	case *types.Slice:
		return isOrHoldsMessage(t.Elem())
	}
	return false
}

// scanner collects functions, types and mistakes of one package.
type scanner struct {
	main *packages.Package
	dir  string

	types   map[string]plan.Type  // the table of the manifest
	byName  map[string]*structure // by canonical name
	structs []*structure          // a type stands after those it needs, as far as possible
	inline  map[*types.Struct]*structure
	enums   []*enum
	enumOf  map[*types.TypeName]*enum
	docs    map[token.Pos]string
	classes map[string]string // Python class -> what it stands for
	path    []*types.Named    // named types that are no structs, being scanned
	elems   map[string]bool   // see Package.elems

	registered []registration
	unions     []*union
	found      []foundUnion

	mistakes diag.List
	order    []token.Position
}

// wrong reports a mistake at pos.
func (s *scanner) wrong(pos token.Pos, what, format string, args ...any) {
	p := s.position(pos)
	text := fmt.Sprintf(format, args...)
	text, hint, _ := strings.Cut(text, "\nhint: ")
	d := diag.Diagnostic{Place: fmt.Sprintf("%s:%d: %s", p.Filename, p.Line, what), Message: text, Hint: hint}
	for _, old := range s.mistakes {
		if old == d {
			return // a type that several functions use
		}
	}
	s.mistakes = append(s.mistakes, d)
	s.order = append(s.order, p)
}

// position is pos with the file relative to the package.
func (s *scanner) position(pos token.Pos) token.Position {
	p := s.main.Fset.Position(pos)
	if rel, err := filepath.Rel(s.dir, p.Filename); err == nil && filepath.IsAbs(p.Filename) {
		p.Filename = rel
	}
	p.Filename = filepath.ToSlash(p.Filename)
	return p
}

func (s *scanner) sortedMistakes() diag.List {
	idx := make([]int, len(s.mistakes))
	for i := range idx {
		idx[i] = i
	}
	slices.SortStableFunc(idx, func(a, b int) int {
		x, y := s.order[a], s.order[b]
		if c := strings.Compare(x.Filename, y.Filename); c != 0 {
			return c
		}
		return x.Line - y.Line
	})
	out := make(diag.List, len(idx))
	for i, k := range idx {
		out[i] = s.mistakes[k]
	}
	return out
}

func (s *scanner) scanPackage(p *Package) {
	scope := s.main.Types.Scope()
	for _, name := range scope.Names() {
		switch obj := scope.Lookup(name).(type) {
		case *types.Func:
			if f := s.plainFunction(obj); f != nil {
				p.functions = append(p.functions, f)
			}
		case *types.TypeName:
			if f := s.structFunction(obj); f != nil {
				p.functions = append(p.functions, f)
			}
		}
	}
	for _, f := range p.functions {
		s.pythonName(f)
	}
	if len(p.functions) == 0 && len(s.mistakes) == 0 {
		s.mistakes = diag.List{{
			Place:   s.main.PkgPath,
			Message: "expected at least one exported step function, found none",
			Hint:    "func Transform(m levada.Message[In]) (Out, error)",
		}}
		s.order = []token.Position{{}}
	}
}

const shape = "func(levada.Message[In]) (Out, error) or func(levada.Message[In]) (levada.Message[Out], error)"

// plainFunction is obj as a step function; nil where it is none.
func (s *scanner) plainFunction(obj *types.Func) *function {
	sig := obj.Signature()
	if !takesMessage(sig) {
		return nil
	}
	what := "func " + obj.Name()
	problem := s.shapeProblem(sig)
	switch {
	case !obj.Exported() && problem != "":
		return nil // a helper
	case !obj.Exported():
		s.wrong(obj.Pos(), what, "expected an exported name, a step function is called from Python and YAML\nhint: call it %s", exportedName(obj.Name()))
		return nil
	case problem != "":
		s.wrong(obj.Pos(), what, "expected %s, %s", shape, problem)
		return nil
	}
	f := &function{name: obj.Name(), doc: s.docs[obj.Pos()]}
	return s.finish(f, obj.Pos(), what, sig)
}

// structFunction is obj as a step with settings; nil where it is none.
func (s *scanner) structFunction(obj *types.TypeName) *function {
	if obj.IsAlias() {
		return nil
	}
	named, ok := obj.Type().(*types.Named)
	if !ok {
		return nil
	}
	var apply, other *types.Func
	for m := range named.Methods() {
		switch {
		case !takesMessage(m.Signature()):
		case m.Name() == "Apply":
			apply = m
		case m.Exported() && s.shapeProblem(m.Signature()) == "":
			other = m
		}
	}
	what := "type " + obj.Name()
	if apply == nil {
		if other != nil && obj.Exported() {
			s.wrong(other.Pos(), fmt.Sprintf("method %s.%s", obj.Name(), other.Name()), "expected the name Apply, by which a step with settings is found\nhint: rename it, or unexport it where it is a helper")
		}
		return nil
	}
	problem := s.shapeProblem(apply.Signature())
	st, isStruct := named.Underlying().(*types.Struct)
	method := fmt.Sprintf("method %s.Apply", obj.Name())
	switch {
	case !obj.Exported():
		s.wrong(obj.Pos(), what, "expected an exported name, a step is made in Python and YAML\nhint: call it %s", exportedName(obj.Name()))
		return nil
	case named.TypeParams().Len() > 0:
		s.wrong(obj.Pos(), what, "expected a type without type parameters, a step has one input and one output")
		return nil
	case problem != "":
		s.wrong(apply.Pos(), method, "expected %s, %s", shape, problem)
		return nil
	case !isStruct:
		s.wrong(obj.Pos(), what, "expected a struct, whose fields are the settings of the step, got %s", s.show(named.Underlying()))
		return nil
	}
	f := &function{name: obj.Name(), doc: s.docs[obj.Pos()], isStruct: true}
	f.settings = s.settings(obj, st)
	return s.finish(f, obj.Pos(), method, apply.Signature())
}

// shapeProblem says what keeps a function with a message parameter from being a step;
// empty: nothing.
func (s *scanner) shapeProblem(sig *types.Signature) string {
	params, results := sig.Params(), sig.Results()
	switch {
	case sig.TypeParams().Len() > 0:
		return "got type parameters"
	case sig.Variadic():
		return "got a variadic parameter"
	case params.Len() != 1:
		return fmt.Sprintf("got %d parameters", params.Len())
	}
	if _, ok := message(params.At(0).Type()); !ok {
		return "got a parameter " + s.show(params.At(0).Type())
	}
	switch {
	case results.Len() == 0:
		return "got no result"
	case results.Len() != 2:
		return "got the results " + s.showTuple(results)
	case !types.Identical(results.At(1).Type(), types.Universe.Lookup("error").Type()):
		return "got the results " + s.showTuple(results)
	}
	return ""
}

// finish fills in what a right shape tells.
func (s *scanner) finish(f *function, pos token.Pos, what string, sig *types.Signature) *function {
	f.in, _ = message(sig.Params().At(0).Type())
	out := sig.Results().At(0).Type()
	f.out = out
	f.form = "Of"
	if inner, ok := message(out); ok {
		f.form, f.out, f.sig.Meta = "OfMessage", inner, true
	} else if elem, ok := sequence(out); ok {
		f.form, f.out, f.sig.Seq = "OfSeq", elem, true
	} else if slice, ok := types.Unalias(out).Underlying().(*types.Slice); ok && !isBytes(slice) {
		f.form = "OfSlice"
	}
	s.path = nil
	in, ok1 := s.scan(f.in, place{pos, what, "the payload of its message"})
	res, ok2 := s.scan(f.out, place{pos, what, "its result"})
	if !ok1 || !ok2 {
		return nil
	}
	p := s.position(pos)
	f.sig.Name = "go:" + s.main.PkgPath + "." + f.name
	f.sig.Python = f.name
	f.sig.Doc = f.doc
	f.sig.In, f.sig.Out = in, res
	for _, st := range f.settings {
		f.sig.Fields = append(f.sig.Fields, st.plan)
	}
	f.sig.Origin = plan.Origin{File: p.Filename, Line: p.Line}
	return f
}

// sequence returns V of an iter.Seq[V].
func sequence(t types.Type) (types.Type, bool) {
	n, ok := types.Unalias(t).(*types.Named)
	if !ok || n.Obj().Pkg() == nil || n.Obj().Pkg().Path() != "iter" || n.Obj().Name() != "Seq" {
		return nil, false
	}
	return n.TypeArgs().At(0), true
}

// settings are the fields of a step that is a struct.
func (s *scanner) settings(obj *types.TypeName, st *types.Struct) []field {
	what := "type " + obj.Name()
	g := s.structOf(obj.Pos(), what, types.TypeString(obj.Type(), s.qualify), st, true)
	out := make([]field, 0, len(g.fields))
	for _, f := range g.fields {
		pos := f.v.Pos()
		if !isIdentifier(f.plan.Name) || f.plan.Name == "self" {
			s.wrong(pos, what, "setting %s: expected a name that can be a keyword argument in Python, got %q\nhint: give it another name in its json tag", f.goName, f.plan.Name)
			continue
		}
		s.path = nil
		if _, opt := optOf(f.v.Type()); opt {
			s.wrong(pos, what, "setting %s: Opt is not supported in settings, which have a default\nhint: use a pointer", f.goName)
			continue
		}
		t, ok := s.scan(f.v.Type(), place{pos, what, "setting " + f.goName})
		if !ok {
			continue
		}
		if f.unit != "" || holdsDuration(t) {
			s.wrong(pos, what, "setting %s: a duration or a unit is not supported in settings\nhint: use a number of milliseconds", f.goName)
			continue
		}
		if s.holdsUnion(t, map[string]bool{}) {
			s.wrong(pos, what, "setting %s: a union is not supported in settings\nhint: use any", f.goName)
			continue
		}
		if f.konst != nil {
			s.wrong(pos, what, "setting %s: a const is not supported in settings, which are there to be set", f.goName)
			continue
		}
		if f.rules != "" {
			s.wrong(pos, what, "setting %s: rules are not supported in settings\nhint: check them where the step begins", f.goName)
			continue
		}
		f.plan.Type = t
		out = append(out, f)
	}
	if g.extra {
		s.wrong(obj.Pos(), what, "expected settings with names, a field with embed takes any")
	}
	return out
}

// holdsDuration says that a duration stands in t itself, where the settings' own reader
// would meet it.
func holdsDuration(t plan.Type) bool {
	return t.Kind == plan.TDuration || t.Elem != nil && holdsDuration(*t.Elem) || slices.ContainsFunc(t.Elems, holdsDuration)
}

// pythonName claims the name of the function in the Python package.
func (s *scanner) pythonName(f *function) {
	if pythonKeywords[f.name] {
		obj := s.main.Types.Scope().Lookup(f.name)
		s.wrong(obj.Pos(), "func "+f.name, "%s is a keyword of Python\nhint: give it another name", f.name)
	}
}

func (s *scanner) packageDoc() string {
	for _, f := range s.main.Syntax {
		if f.Doc != nil {
			return strings.TrimSpace(f.Doc.Text())
		}
	}
	return ""
}

// docs are the comments of all declarations and fields, by the position of the name.
func docs(pkgs []*packages.Package) map[token.Pos]string {
	out := map[token.Pos]string{}
	add := func(name *ast.Ident, groups ...*ast.CommentGroup) {
		for _, g := range groups {
			if text := strings.TrimSpace(g.Text()); text != "" {
				out[name.Pos()] = text
				return
			}
		}
	}
	for _, p := range pkgs {
		for _, file := range p.Syntax {
			ast.Inspect(file, func(n ast.Node) bool {
				switch n := n.(type) {
				case *ast.FuncDecl:
					add(n.Name, n.Doc)
					return false
				case *ast.GenDecl:
					for _, spec := range n.Specs {
						if t, ok := spec.(*ast.TypeSpec); ok {
							group := t.Doc
							if group == nil && len(n.Specs) == 1 {
								group = n.Doc
							}
							add(t.Name, group, t.Comment)
						}
					}
				case *ast.Field:
					for _, name := range n.Names {
						add(name, n.Doc, n.Comment)
					}
				}
				return true
			})
		}
	}
	return out
}

// encode is the manifest as levada.json and the extension hold it.
func (p *Package) encode() ([]byte, error) {
	b, err := json.Marshal(p.Manifest, json.Deterministic(true), jsontext.WithIndent("  "))
	if err != nil {
		return nil, fmt.Errorf("BUG: manifest of %s: %w", p.Manifest.Package, err)
	}
	return b, nil
}

func exportedName(name string) string { return strings.ToUpper(name[:1]) + name[1:] }

// qualify names types in messages as their author writes them.
func (s *scanner) qualify(p *types.Package) string {
	switch {
	case p == s.main.Types:
		return ""
	case p.Path() == recordPath:
		return "levada"
	}
	return p.Name()
}

func (s *scanner) showTuple(t *types.Tuple) string {
	parts := make([]string, t.Len())
	for i := range parts {
		parts[i] = s.show(t.At(i).Type())
	}
	return "(" + strings.Join(parts, ", ") + ")"
}
