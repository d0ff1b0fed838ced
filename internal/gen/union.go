package gen

import (
	"cmp"
	"go/ast"
	"go/token"
	"go/types"
	"slices"
	"strings"

	"golang.org/x/tools/go/packages"

	"github.com/levada-io/levada/plan"
)

// union is a sealed interface that crosses to Python as a Union of its variants.
type union struct {
	t        *types.Named
	class    string // name in types.py
	doc      string
	variants []types.Type
	written  bool // the package itself registers it
}

// registration is a call of levada.Union.
type registration struct {
	of       types.Type
	variants []types.Type
	pos      token.Pos
}

// registrations are the calls of levada.Union in the packages, wherever they stand.
func registrations(pkgs []*packages.Package) []registration {
	var out []registration
	for _, p := range pkgs {
		for _, file := range p.Syntax {
			ast.Inspect(file, func(n ast.Node) bool {
				call, ok := n.(*ast.CallExpr)
				if !ok {
					return true
				}
				fun := ast.Unparen(call.Fun)
				if index, ok := fun.(*ast.IndexExpr); ok {
					fun = index.X
				}
				name, ok := fun.(*ast.Ident)
				if sel, isSel := fun.(*ast.SelectorExpr); isSel {
					name, ok = sel.Sel, true
				}
				if !ok {
					return true
				}
				f, ok := p.TypesInfo.Uses[name].(*types.Func)
				if !ok || f.Name() != "Union" || f.Pkg() == nil || f.Pkg().Path() != modulePath && f.Pkg().Path() != recordPath {
					return true
				}
				args := p.TypesInfo.Instances[name].TypeArgs
				if args.Len() != 1 {
					return true
				}
				r := registration{of: types.Unalias(args.At(0)), pos: call.Pos()}
				for _, a := range call.Args {
					r.variants = append(r.variants, types.Unalias(p.TypesInfo.TypeOf(a)))
				}
				out = append(out, r)
				return true
			})
		}
	}
	return out
}

// isSealed says that only the package of an interface can add types that have its methods.
func isSealed(i *types.Interface) bool {
	for m := range i.Methods() {
		if !m.Exported() {
			return true
		}
	}
	return false
}

// implementers are the types of the interface's package that have its methods by value, or
// by pointer only, in the order of their declaration.
func (s *scanner) implementers(n *types.Named, pointer bool) []types.Type {
	i := n.Underlying().(*types.Interface)
	scope := n.Obj().Pkg().Scope()
	var found []*types.TypeName
	for _, name := range scope.Names() {
		obj, ok := scope.Lookup(name).(*types.TypeName)
		if !ok || obj.IsAlias() || types.IsInterface(obj.Type()) {
			continue
		}
		t, ok := obj.Type().(*types.Named)
		if !ok || t.TypeParams().Len() > 0 || types.Implements(t, i) == pointer {
			continue
		}
		if !pointer || types.Implements(types.NewPointer(t), i) {
			found = append(found, obj)
		}
	}
	// Files are read at the same time: positions of two of them are in any order.
	slices.SortFunc(found, func(a, b *types.TypeName) int {
		x, y := s.main.Fset.Position(a.Pos()), s.main.Fset.Position(b.Pos())
		return cmp.Or(strings.Compare(x.Filename, y.Filename), cmp.Compare(x.Offset, y.Offset))
	})
	out := make([]types.Type, len(found))
	for k, obj := range found {
		out[k] = obj.Type()
	}
	return out
}

const hintSealed = "\nhint: with an unexported method it is a union of the types that have it"

// union is the plan's type of an interface with methods.
func (s *scanner) union(t types.Type, i *types.Interface, at place) (plan.Type, bool) {
	n, ok := t.(*types.Named)
	if !ok || n.Obj().Pkg() == nil || !isSealed(i) {
		return s.unsupported(at, t, "an interface with methods is not supported%s", hintSealed)
	}
	if slices.ContainsFunc(s.path, func(o *types.Named) bool { return types.Identical(o, n) }) {
		return s.unsupported(at, t, "a type that contains itself must be a struct")
	}
	u, ok := s.unionOf(n, at)
	if !ok {
		return plan.Type{}, false
	}
	s.path = append(s.path, n)
	defer func() { s.path = s.path[:len(s.path)-1] }()
	out := plan.Type{Kind: plan.TUnion}
	for _, v := range u.variants {
		e, ok := s.scanAs(v, place{at.pos, at.what, at.part + ": variant " + s.show(v)}, "")
		if !ok {
			return plan.Type{}, false
		}
		if e.Kind == plan.TAny {
			return s.unsupported(at, t, "variant %s has a JSON or text form of its own, by which no message tells it apart", s.show(v))
		}
		out.Elems = append(out.Elems, e)
	}
	s.found = append(s.found, foundUnion{u, out, at})
	return out, true
}

// foundUnion is a union whose variants may not be whole when it is found.
type foundUnion struct {
	u    *union
	plan plan.Type
	at   place
}

// unionOf finds the variants of a sealed interface.
func (s *scanner) unionOf(n *types.Named, at place) (*union, bool) {
	for _, u := range s.unions {
		if types.Identical(u.t, n) {
			return u, true
		}
	}
	u := &union{t: n, class: className(n), doc: s.docs[n.Obj().Pos()]}
	for _, r := range s.registered {
		if !types.Identical(r.of, n) {
			continue
		}
		if u.written {
			s.wrong(r.pos, "levada.Union", "%s: expected its variants once, they are registered twice", s.show(n))
			return nil, false
		}
		u.variants, u.written = r.variants, true
	}
	const hint = "\nhint: register it beside its type, var _ = levada.Union[%s](...)"
	bare := types.TypeString(n, func(*types.Package) string { return "" }) // as its own package calls it
	if !u.written {
		u.variants = s.implementers(n, false)
		switch {
		case n.Obj().Pkg() != s.main.Types:
			s.unsupported(at, n, "expected its own package to say what its variants are"+hint, bare)
			return nil, false
		case n.TypeArgs().Len() > 0 || !n.Obj().Exported():
			s.unsupported(at, n, "expected an exported interface without type parameters, or its variants registered"+hint, bare)
			return nil, false
		}
	}
	if len(u.variants) < 2 || len(u.variants) > 255 {
		hint := ""
		if by := s.implementers(n, true); !u.written && len(by) > 0 {
			hint = "\nhint: " + s.show(by[0]) + " has them by pointer only, a variant has them by value"
		}
		s.unsupported(at, n, "expected 2 to 255 types with its methods, got %d%s", len(u.variants), hint)
		return nil, false
	}
	for k, v := range u.variants {
		named, ok := v.(*types.Named)
		switch {
		case !ok:
			s.unsupported(at, n, "expected a named type as variant of a union, got %s", s.show(v))
			return nil, false
		case slices.ContainsFunc(u.variants[:k], func(o types.Type) bool { return types.Identical(o, v) }):
			s.unsupported(at, n, "expected each variant of a union once, %s comes twice", s.show(v))
			return nil, false
		case !u.written && !named.Obj().Exported():
			s.unsupported(at, n, "expected exported variants, got %s"+hint, s.show(v), n.Obj().Name())
			return nil, false
		}
	}
	s.class(u.class, "go:"+n.Obj().Pkg().Path()+"."+u.class, n.Obj().Pos(), "type "+n.Obj().Name())
	s.unions = append(s.unions, u)
	return u, true
}

// checkUnions finds the unions whose variants no message would tell apart.
func (s *scanner) checkUnions() {
	for _, f := range s.found {
		if err := f.plan.CheckUnion(s.types); err != nil {
			s.unsupported(f.at, f.u.t, "%v", err)
		}
	}
}

// holdsUnion says that a union stands somewhere in t.
func (s *scanner) holdsUnion(t plan.Type, seen map[string]bool) bool {
	if t.Kind == plan.TRef {
		if seen[t.Name] {
			return false
		}
		seen[t.Name] = true
		t = s.types[t.Name]
	}
	in := func(e plan.Type) bool { return s.holdsUnion(e, seen) }
	return t.Kind == plan.TUnion || t.Elem != nil && in(*t.Elem) || slices.ContainsFunc(t.Elems, in) ||
		slices.ContainsFunc(t.Fields, func(f plan.Field) bool { return in(f.Type) })
}
