package levada

import (
	"encoding/json/jsontext"
	"encoding/json/v2"
	"fmt"
	"net/url"
	"reflect"
	"runtime"
	"runtime/debug"
	"strings"

	"github.com/levada-io/levada/internal/program"
	"github.com/levada-io/levada/plan"
)

// call makes fn the function of a step.
func call[T, R any](p *Pipeline, n *node, st *settings, fn func(Message[T]) (R, error), of func(string, program.Make[T, R]) *program.Function) {
	if fn == nil {
		p.wrong(n, "bad-function", "", "expected a function, got nil")
		return
	}
	sym := symbolOf(fn)
	switch {
	case st.given:
		applyOf(p, n, st.step, sym, of)
	case sym.method == "Apply":
		p.wrong(n, "bad-function", "add levada.Settings with the same value",
			"the settings of %s are not known from its method alone", sym.typ)
	case sym.function == "":
		p.localFunction(n, sym.full, func(name string) *program.Function { return of(name, just(fn)) })
	default:
		n.Function = &plan.Function{Name: "go:" + sym.full}
		p.offer(of(n.Function.Name, just(fn)))
	}
}

// applyOf makes the method Apply of a settings struct the function of a step.
func applyOf[T, R any](p *Pipeline, n *node, step any, sym symbol, of func(string, program.Make[T, R]) *program.Function) {
	type applier = interface {
		Apply(Message[T]) (R, error)
	}
	t := reflect.TypeOf(step)
	for t != nil && t.Kind() == reflect.Pointer {
		t = t.Elem()
	}
	if t == nil || t.Kind() != reflect.Struct || t.Name() == "" {
		p.wrong(n, "bad-settings", "", "expected settings that are a struct with a name, got %T", step)
		return
	}
	name := typeName(t)
	if sym.method != "Apply" || sym.typ != name {
		p.wrong(n, "bad-settings", "", "expected the method Apply of %s beside its settings, got %s", name, sym.full)
		return
	}
	if _, ok := reflect.New(t).Interface().(applier); !ok {
		p.wrong(n, "bad-settings", "", "BUG: %s has no Apply(%s)", t, reflect.TypeFor[Message[T]]())
		return
	}
	text, err := settingsText(step)
	if err != nil {
		p.wrong(n, "bad-settings", "", "settings of %s: %v", name, err)
		return
	}
	n.Function = &plan.Function{Name: "go:" + name, Settings: text}
	// Steps of one struct share the function and differ in settings, so it is made
	// from these, as the generated registration does it.
	p.offer(of(n.Function.Name, func(text []byte) (func(Message[T]) (R, error), error) {
		v := reflect.New(t)
		if text != nil {
			if err := json.Unmarshal(text, v.Interface(), json.RejectUnknownMembers(true)); err != nil {
				return nil, err
			}
		}
		return v.Interface().(applier).Apply, nil
	}))
}

// settingsText is the JSON object of the fields that are set, keys sorted; nil where
// none is.
func settingsText(step any) (jsontext.Value, error) {
	b, err := json.Marshal(step, json.OmitZeroStructFields(true))
	if err != nil {
		return nil, err
	}
	v := jsontext.Value(b)
	if err := v.Format(jsontext.ReorderRawObjects(true)); err != nil {
		return nil, err
	}
	if string(v) == "{}" || string(v) == "null" {
		return nil, nil
	}
	return v, nil
}

// just makes a function that has no settings.
func just[T, R any](fn func(Message[T]) (R, error)) program.Make[T, R] {
	return func([]byte) (func(Message[T]) (R, error), error) { return fn, nil }
}

// localFunction makes a function that exists in this process only the function of a
// step. Two closures may come from one place in the source: each has a name of its
// own.
func (p *Pipeline) localFunction(n *node, name string, of func(name string) *program.Function) {
	name = "go:" + name
	p.local[name]++
	if i := p.local[name]; i > 1 {
		name = fmt.Sprintf("%s#%d", name, i)
	}
	n.Function = &plan.Function{Name: name, Local: true}
	p.offer(of(name))
}

// offer adds a function to what this process can run.
func (p *Pipeline) offer(f *program.Function) {
	if old, ok := p.functions[f.Name]; ok && old.Elem != nil {
		return // it can do what f does, and be used by a flat map
	}
	p.functions[f.Name] = f
}

// symbol is the name of a function as the linker knows it, taken apart.
type symbol struct {
	full     string // import path and name: "example.com/steps.Keep"
	function string // "Keep", of a function of a package; empty for all others
	typ      string // "example.com/steps.Threshold", of a method value
	method   string
}

func symbolOf(fn any) symbol {
	full := runtime.FuncForPC(reflect.ValueOf(fn).Pointer()).Name()
	slash := strings.LastIndexByte(full, '/') + 1
	pkg, name, ok := strings.Cut(full[slash:], ".")
	if !ok {
		return symbol{full: full}
	}
	// The linker escapes dots in the last part of an import path, and calls the main
	// package of every program "main".
	pkg = full[:slash] + pkg
	if plain, err := url.PathUnescape(pkg); err == nil {
		pkg = plain
	}
	pkg = importable(pkg)
	s := symbol{full: pkg + "." + name}
	if typ, method, ok := strings.Cut(name, "."); ok && strings.HasSuffix(method, "-fm") {
		typ = strings.TrimSuffix(strings.TrimPrefix(typ, "(*"), ")")
		s.typ, s.method = pkg+"."+typ, strings.TrimSuffix(method, "-fm")
		s.full = s.typ + "." + s.method
	} else if !strings.ContainsAny(name, ".[") {
		s.function = name
	}
	return s
}

// typeName is the import path and name of a type.
func typeName(t reflect.Type) string {
	for t.Kind() == reflect.Pointer {
		t = t.Elem()
	}
	return importable(t.PkgPath()) + "." + t.Name()
}

// importable is the import path of a package. The main package has one too, though
// the program knows it by another name.
func importable(pkg string) string {
	if pkg != "main" {
		return pkg
	}
	if b, ok := debug.ReadBuildInfo(); ok && b.Path != "" {
		return b.Path
	}
	return pkg
}
