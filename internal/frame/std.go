package frame

import (
	"encoding/json/jsontext"
	"encoding/json/v2"
	"errors"
	"fmt"
	"reflect"
	"strconv"
	"strings"
	"unsafe"
)

// stdOptions are those by which encoding/json/v2 reads and writes where it does.
func stdOptions(strict bool) json.Options {
	if strict {
		return strictOptions
	}
	return looseOptions
}

var looseOptions, strictOptions = joined(false), joined(true)

func joined(strict bool) json.Options {
	return json.JoinOptions(jsontext.AllowInvalidUTF8(!strict), jsontext.AllowDuplicateNames(!strict),
		json.Deterministic(true), json.FormatNilSliceAsNull(true), json.FormatNilMapAsNull(true))
}

// BindStd is BindJSON by encoding/json/v2 and nothing else.
//
// # Errors
//
// A type that has no layout, and one that says what json/v2 has no word for: names the
// member.
func BindStd(t reflect.Type, strict bool) (*Bound, error) {
	l, err := Of(t)
	if err != nil {
		return nil, err
	}
	if err := saidByStd(t, l.root, map[stdKey]bool{}); err != nil {
		return nil, fmt.Errorf("std: %s: %w", t, err)
	}
	c := &stdCodec{t, stdOptions(strict)}
	return &Bound{c, c}, nil
}

type stdKey struct {
	t reflect.Type
	n *node
}

// saidByStd is an error where values of t, whose layout is n, mean more than json/v2 knows.
func saidByStd(t reflect.Type, n *node, seen map[stdKey]bool) error {
	if isOwn(t, n) || seen[stdKey{t, n}] {
		return nil
	}
	seen[stdKey{t, n}] = true
	if t.Kind() == reflect.Pointer {
		t = t.Elem()
	}
	switch n.kind {
	case kDuration:
		return errorf("encoding/json/v2 has no form for %s", t)
	case kTime:
		if n.number() {
			return errorf("encoding/json/v2 knows no unit of a time")
		}
	case kUnion:
		return errorf("encoding/json/v2 can not read a union, %s", t)
	case kConst:
		return errorf("encoding/json/v2 knows no constant")
	case kList, kMap:
		if err := saidByStd(t.Elem(), n.elem, seen); err != nil {
			return inElements(err)
		}
	case kTuple:
		if err := saidByStd(t.Elem(), n.elems[0], seen); err != nil {
			return inElements(err)
		}
	case kStruct:
		gs, err := structOf(t)
		if err != nil {
			return err
		}
		for i := range gs.fields {
			gf, f := &gs.fields[i], &n.fields[i]
			switch {
			case f.rules != nil:
				err = errorf("encoding/json/v2 checks no rule")
			case gf.opt && !omitsZero(t, gf.index):
				err = errorf("encoding/json/v2 writes an absent Opt as null\nhint: omitzero in its json tag leaves it out")
			default:
				err = saidByStd(gf.typ, f.node, seen)
			}
			if err != nil {
				return inMember(err, f.name)
			}
		}
	}
	return nil
}

// omitsZero says that the tag of a field has omitzero: of an Opt, structOf keeps none.
func omitsZero(t reflect.Type, index []int) bool {
	_, options, _ := strings.Cut(t.FieldByIndex(index).Tag.Get("json"), ",")
	return strings.Contains(","+options+",", ",omitzero,")
}

type stdCodec struct {
	typ     reflect.Type
	options json.Options
}

// Value reads src into the zero value at p.
func (c *stdCodec) Value(src []byte, p unsafe.Pointer) (err error) {
	if len(src) == 0 {
		return errorf("expected a JSON value, got an empty message")
	}
	defer c.recover(&err)
	if err := json.Unmarshal(src, reflect.NewAt(c.typ, p).Interface(), c.options); err != nil {
		return stdError(err, "")
	}
	return nil
}

// recover makes a panic in a method of the user an error of the message, as it is in a
// function of theirs.
func (c *stdCodec) recover(err *error) {
	if v := recover(); v != nil {
		*err = panicked(fmt.Sprintf("%s, or of what is in it", c.typ), v)
	}
}

// Append appends the JSON of the value at p.
func (c *stdCodec) Append(dst []byte, p unsafe.Pointer) (out []byte, err error) {
	out = dst // what a panic leaves
	defer c.recover(&err)
	text, err := json.Marshal(reflect.NewAt(c.typ, p).Interface(), c.options)
	if err != nil {
		return dst, stdError(err, "JSON of ")
	}
	return append(dst, text...), nil
}

// stdError is an error of json/v2 with the path as all errors here have it, and what was
// expected and found in their order.
func stdError(err error, what string) error {
	if e, ok := errors.AsType[*json.SemanticError](err); ok {
		var text strings.Builder
		text.WriteString("expected " + what)
		if e.GoType != nil {
			text.WriteString(e.GoType.String())
		} else {
			text.WriteString("a value")
		}
		got := e.JSONKind.String()
		if len(e.JSONValue) > 0 {
			got = shorten(e.JSONValue)
		}
		switch {
		case e.JSONKind != 0 && e.Err != nil:
			fmt.Fprintf(&text, ", got %s: %v", got, e.Err)
		case e.JSONKind != 0:
			text.WriteString(", got " + got)
		case e.Err != nil:
			fmt.Fprintf(&text, ", got %v", e.Err)
		}
		return &Error{path: pointed(e.JSONPointer), text: text.String()}
	}
	if e, ok := errors.AsType[*jsontext.SyntacticError](err); ok {
		return &Error{path: pointed(e.JSONPointer), text: fmt.Sprintf("malformed JSON at byte %d: %v", e.ByteOffset, e.Err)}
	}
	return errorf("%v", err)
}

// pointed is the path that a JSON pointer says, innermost first. A number is the place in
// a list: a pointer does not tell it from a name.
func pointed(p jsontext.Pointer) []string {
	var path []string
	for token := range p.Tokens() {
		s := segment(token)
		if _, err := strconv.ParseUint(token, 10, 64); err == nil {
			s = "[" + token + "]"
		}
		path = append([]string{s}, path...)
	}
	if len(path) > maxPath {
		path = path[len(path)-maxPath:] // the outermost ones
	}
	return path
}
