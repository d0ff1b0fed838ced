package frame

import (
	"encoding/json/jsontext"
	"encoding/json/v2"
	"errors"
	"fmt"
	"reflect"
	"runtime/debug"
	"slices"
	"unsafe"
)

// ownForm says that t has a JSON or text form of its own. Such a type is any where there
// is a plan, and json/v2 reads and writes it.
//
// # Errors
//
// A form in one direction only, which would be lost on the way back; and one that a
// struct has by what it embeds, beside other members: json/v2 would drop these in silence.
func ownForm(t reflect.Type) (bool, error) {
	if t.Kind() == reflect.Interface || t == timeType || t == rawType || isOpt(t) {
		return false, nil // these have kinds
	}
	writes, reads := hasOwn(t, ownWriters), hasOwn(t, ownReaders)
	switch {
	case !writes && !reads:
		return false, nil
	case !reads:
		return false, fmt.Errorf("%s is not supported: it writes a JSON or text form of its own and reads none, it has neither UnmarshalJSON nor UnmarshalText", t)
	case !writes:
		return false, fmt.Errorf("%s is not supported: it reads a JSON or text form of its own and writes none, it has neither MarshalJSON nor MarshalText", t)
	}
	if in := embedsForm(t); in != nil {
		return false, fmt.Errorf("%s is not supported: it embeds %s, which has a JSON or text form of its own, beside other members: embed no such type, give it a field", t, in)
	}
	return true, nil
}

func hasOwn(t reflect.Type, interfaces []reflect.Type) bool {
	p := reflect.PointerTo(t)
	return slices.ContainsFunc(interfaces, func(i reflect.Type) bool { return p.Implements(i) }) // p has the methods of t
}

func hasOwnForm(t reflect.Type) bool { return hasOwn(t, ownWriters) || hasOwn(t, ownReaders) }

// embedsForm is the type with a form of its own that a struct embeds beside members of
// its own; nil: there is none.
func embedsForm(t reflect.Type) reflect.Type {
	if t.Kind() != reflect.Struct {
		return nil
	}
	var found reflect.Type
	others := 0
	for f := range t.Fields() {
		in := f.Type
		if in.Kind() == reflect.Pointer {
			in = in.Elem()
		}
		switch {
		case f.Anonymous && in.Kind() != reflect.Interface && hasOwnForm(in) && found == nil:
			found = in
		case f.IsExported() && f.Tag.Get("json") != "-":
			others++
		}
	}
	if others == 0 {
		return nil
	}
	return found
}

// ownZero says that omitzero asks t, which has a form of its own or points to one.
func ownZero(t reflect.Type) bool {
	if t.Kind() == reflect.Pointer {
		t = t.Elem()
	}
	own, err := ownForm(t)
	return own && err == nil
}

// isOwn says that a type whose layout is any, or a pointer to one, has it for its form.
func isOwn(t reflect.Type, n *node) bool {
	return n.kind == kAny && t != rawType && t.Kind() != reflect.Interface
}

// ownJSON is the JSON of the value at p, which is of type t or, if t is a pointer, may be
// nil.
func ownJSON(t reflect.Type, p unsafe.Pointer) (text jsontext.Value, err error) {
	defer func() {
		if v := recover(); v != nil {
			err = panicked(t.String(), v)
		}
	}()
	text, err = json.Marshal(reflect.NewAt(t, p).Interface(), looseOptions)
	if err != nil {
		return nil, errorf("expected JSON of %s, got %v", t, cause(err))
	}
	return text, nil
}

// readOwn reads JSON into the zero value of type t at p.
func readOwn(t reflect.Type, text []byte, p unsafe.Pointer, strict bool) (err error) {
	defer func() {
		if v := recover(); v != nil {
			err = panicked(t.String(), v)
		}
	}()
	if err := json.Unmarshal(text, reflect.NewAt(t, p).Interface(), stdOptions(strict)); err != nil {
		return errorf("expected %s, got %s: %v", t, shorten(text), cause(err))
	}
	return nil
}

// panicked is what becomes of a panic in a method of the user: like one in a function of
// theirs, the message fails.
func panicked(of string, v any) error {
	return &Error{text: fmt.Sprintf("panic in a method of %s: %v", of, v), detail: string(debug.Stack())}
}

// cause is what the method said, without what json/v2 says around it: the path is told
// here. What happened further inside keeps its place.
func cause(err error) error {
	if e, ok := errors.AsType[*json.SemanticError](err); ok && e.Err != nil && e.JSONPointer == "" {
		return e.Err
	}
	return err
}

// own writes a value as an any. What no frame can say as it is must not become something
// else on the way: the type might not notice when it is read back.
func (e *memType) own(buf []byte, p unsafe.Pointer, depth int) ([]byte, error) {
	text, err := ownJSON(e.rtype, p)
	if err != nil {
		return buf, err
	}
	ps := e.anys.parsers.get()
	defer e.anys.parsers.put(ps)
	ps.reset(text, buf)
	ps.depth, ps.exact, ps.noDigits = depth, true, true
	err = ps.document(anyNode)
	ps.exact, ps.noDigits = false, false
	if err != nil {
		return buf, err
	}
	return ps.dst, nil
}

// printOwn writes the text as the type made it: its order, its digits.
func (e *memType) printOwn(dst []byte, p unsafe.Pointer) ([]byte, error) {
	text, err := ownJSON(e.rtype, p)
	if err != nil {
		return dst, err
	}
	return append(dst, text...), nil
}

// goOwn reads a value as it stands in the text.
func (p *parser) goOwn(t *memType, q unsafe.Pointer) error {
	from := p.pos
	if err := p.skip(); err != nil {
		return err
	}
	return readOwn(t.rtype, p.src[from:p.pos], q, p.strict)
}

// goOwn reads a value by what is its JSON.
func (u unpacker) goOwn(t *memType, q unsafe.Pointer) error {
	text := jsontext.Value("null")
	if !u.nil() {
		if err := u.goRaw(&text); err != nil {
			return err
		}
	}
	return readOwn(t.rtype, text, q, u.strict)
}

// own reads a value of any layout by what is its JSON.
func (d *decType) own(r *reader, p unsafe.Pointer) error {
	var text jsontext.Value
	if err := d.raw(r, unsafe.Pointer(&text)); err != nil {
		return err
	}
	return readOwn(d.rtype, text, p, false)
}

// nullAt is null for the value at p: a type with a form of its own may have one for it.
func (d *decType) nullAt(p unsafe.Pointer) error {
	if d.op == decOwn {
		return readOwn(d.rtype, []byte("null"), p, false)
	}
	return d.null()
}

// zeroOwn is zeroOf of a type that tells itself when it is zero, as json/v2 asks it; nil:
// t does not.
func zeroOwn(t reflect.Type) func(p unsafe.Pointer) bool {
	switch {
	case t.Kind() == reflect.Pointer && t.Implements(zeroer):
		return func(p unsafe.Pointer) bool {
			v := reflect.NewAt(t, p).Elem()
			return v.IsNil() || v.Interface().(interface{ IsZero() bool }).IsZero()
		}
	case reflect.PointerTo(t).Implements(zeroer):
		return func(p unsafe.Pointer) bool {
			return reflect.NewAt(t, p).Interface().(interface{ IsZero() bool }).IsZero()
		}
	}
	return nil
}
