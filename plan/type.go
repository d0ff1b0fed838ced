package plan

import (
	"encoding/json/jsontext"
	"encoding/json/v2"
	"fmt"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync"
	"unicode/utf8"
)

// TypeKind is the kind of a Type, and at the same time its form on the wire of a
// frame (abi/frame.md).
type TypeKind string

// The kinds of types.
const (
	TBool    TypeKind = "bool"
	TInt8    TypeKind = "int8"
	TInt16   TypeKind = "int16"
	TInt32   TypeKind = "int32"
	TInt64   TypeKind = "int64"
	TUint8   TypeKind = "uint8"
	TUint16  TypeKind = "uint16"
	TUint32  TypeKind = "uint32"
	TUint64  TypeKind = "uint64"
	TFloat32 TypeKind = "float32"
	TFloat64 TypeKind = "float64"
	TString  TypeKind = "string"
	TBytes   TypeKind = "bytes"
	TTime    TypeKind = "time" // microseconds since the epoch, UTC
	TList    TypeKind = "list" // of Elem
	TMap     TypeKind = "map"  // string -> Elem
	TStruct  TypeKind = "struct"
	TRef     TypeKind = "ref" // Name leads to a table of types
	TAny     TypeKind = "any"

	TDuration TypeKind = "duration" // microseconds
	TTuple    TypeKind = "tuple"    // of Elems, one value each
	TUnion    TypeKind = "union"    // one of Elems
)

// Type is the structure of a value, the same for every language.
type Type struct {
	Kind TypeKind `json:"kind"`
	// Name is the canonical name that a ref leads to: "go:<import path>.<Type>" or
	// "py:<module>:<Type>".
	Name string `json:"name,omitempty"`
	Elem *Type  `json:"elem,omitempty"`
	// Elems are the positions of a tuple, or the variants of a union.
	Elems []Type `json:"elems,omitempty"`
	// Unit is how text and numbers write a time or a duration; a frame always has
	// microseconds. A time: "" (RFC 3339), unix, unix_ms, unix_us, unix_ns, unix_days; a duration: ""
	// (milliseconds), s, us, ns.
	Unit     string  `json:"unit,omitempty"`
	Nullable bool    `json:"nullable,omitzero"` // Go: a pointer; Python: Optional
	Fields   []Field `json:"fields,omitempty"`  // of a struct, in order
	// Extra says that members which Fields do not name are kept, after the named ones.
	Extra bool `json:"extra,omitzero"`
}

// Field is a member of a struct.
type Field struct {
	Name string `json:"name"` // as in JSON and as Python key
	Type Type   `json:"type"`
	// Optional says that the member may be absent.
	Optional bool `json:"optional,omitzero"`
	// Omit says that the member is left out where its value is empty (omitempty)
	// or zero (omitzero), as the tag is named in Go.
	Omit string `json:"omit,omitempty"`
	// Const is the JSON text of the only value that the member has where it is neither
	// absent nor null: of a string, an integer or a bool.
	Const string `json:"const,omitempty"`
	// Rules are what the value keeps to beside its type, spelled as ParseRules reads them.
	Rules string `json:"rules,omitempty"`
}

var units = map[TypeKind][]string{
	TTime:     {"unix", "unix_ms", "unix_us", "unix_ns", "unix_days"},
	TDuration: {"s", "ms", "us", "ns"},
}

// ValidUnit says whether values of the kind can be written in the unit.
func ValidUnit(kind TypeKind, unit string) bool {
	return unit == "" || slices.Contains(units[kind], unit)
}

// WithUnit is the type with the unit for the times or durations in it, be they elements
// of lists, maps and tuples; a struct keeps what its own fields say.
func (t Type) WithUnit(unit string) (Type, error) {
	switch t.Kind {
	case TTime, TDuration:
		if unit == "" || !ValidUnit(t.Kind, unit) {
			return t, fmt.Errorf("unit %q: expected %s of a %s", unit, strings.Join(units[t.Kind], ", "), t.Kind)
		}
		if t.Unit = unit; unit == "ms" {
			t.Unit = "" // as it is anyway: two spellings would make two types
		}
		return t, nil
	case TList, TMap:
		elem, err := t.Elem.WithUnit(unit)
		t.Elem = &elem
		return t, err
	case TTuple:
		t.Elems = slices.Clone(t.Elems)
		for i := range t.Elems {
			elem, err := t.Elems[i].WithUnit(unit)
			if err != nil {
				return t, err
			}
			t.Elems[i] = elem
		}
		return t, nil
	}
	return t, fmt.Errorf("unit %q: expected a time or a duration, got %s", unit, t)
}

// WithConst is the field with the constant that text says, as a tag spells it: the text
// of a string without quotes, the digits of an integer, true or false.
//
// # Errors
//
// A type that has no constants, a text that is no value of the type, a rule that would
// always leave the constant out.
func (f Field) WithConst(text string) (Field, error) {
	f.Const = text
	if f.Type.Kind == TString {
		if !utf8.ValidString(text) {
			return f, fmt.Errorf("const %q: expected valid UTF-8", text)
		}
		quoted, err := jsontext.AppendQuote(nil, text)
		if err != nil {
			return f, fmt.Errorf("const %q: %w", text, err)
		}
		f.Const = string(quoted)
	}
	v, err := f.Constant()
	if err != nil {
		return f, err
	}
	zero := v == "" || v == false || v == int64(0) || v == uint64(0)
	if !f.Type.Nullable && (zero && strings.Contains(f.Omit, "omitzero") || v == "" && f.Omit != "") {
		return f, fmt.Errorf("const %s: expected a constant that %s does not always leave out", f.Const, f.Omit)
	}
	return f, nil
}

var signedBits = map[TypeKind]int{TInt8: 8, TInt16: 16, TInt32: 32, TInt64: 64}
var unsignedBits = map[TypeKind]int{TUint8: 8, TUint16: 16, TUint32: 32, TUint64: 64}

// Constant is the value of Const: a string, an int64, a uint64 or a bool, as the kind of
// the field's type says; the type must not be a ref.
//
// # Errors
//
// A type that has no constants, a text that is no value of the type.
func (f Field) Constant() (any, error) {
	switch k := f.Type.Kind; {
	case k == TString:
		var s string
		if err := json.Unmarshal([]byte(f.Const), &s); err == nil {
			return s, nil
		}
	case k == TBool:
		if f.Const == "true" || f.Const == "false" {
			return f.Const == "true", nil
		}
	case signedBits[k] > 0:
		if v, err := strconv.ParseInt(f.Const, 10, signedBits[k]); err == nil && strconv.FormatInt(v, 10) == f.Const {
			return v, nil
		}
	case unsignedBits[k] > 0:
		if v, err := strconv.ParseUint(f.Const, 10, unsignedBits[k]); err == nil && strconv.FormatUint(v, 10) == f.Const {
			return v, nil
		}
	default:
		return nil, fmt.Errorf("const %s: expected a string, an integer or a bool, got a member of type %s", f.Const, f.Type)
	}
	return nil, fmt.Errorf("const %s: expected a value of type %s", f.Const, f.Type.Kind)
}

var qualified = sync.OnceValue(func() *regexp.Regexp {
	return regexp.MustCompile(`[^\[\], ]*[.:/]([^\[\], .:/]+)`)
})

// String is the type as messages show it.
func (t Type) String() string {
	s := ""
	switch t.Kind {
	case TList:
		s = "list[" + elem(t) + "]"
	case TMap:
		s = "map[string, " + elem(t) + "]"
	case TTuple:
		s = "tuple[" + each(t.Elems, ", ", Type.String) + "]"
	case TUnion:
		s = each(t.Elems, " or ", Type.String)
	case TStruct:
		names := make([]string, len(t.Fields))
		for i, f := range t.Fields {
			names[i] = f.Name
		}
		s = "struct{" + strings.Join(names, ", ") + "}"
	case TRef:
		// Names of unnamed types have several in them: "list[go:example.com/steps.Metric]".
		s = qualified().ReplaceAllString(t.Name, "$1")
	default:
		s = string(t.Kind)
	}
	if t.Nullable {
		s += " or null"
	}
	return s
}

// Text is the type with whole names: the name of a type in Plan.Types that has no name
// of its own, such as "list[go:example.com/steps.Metric]", the same in every language.
func (t Type) Text() string {
	s := string(t.Kind)
	switch t.Kind {
	case TList:
		s = "list[" + t.Elem.Text() + "]"
	case TMap:
		s = "map[string, " + t.Elem.Text() + "]"
	case TTuple:
		s = "tuple[" + each(t.Elems, ", ", Type.Text) + "]"
	case TUnion:
		s = "union[" + each(t.Elems, ", ", Type.Text) + "]"
	case TRef:
		s = t.Name
	case TStruct:
		members := make([]string, len(t.Fields))
		for i, f := range t.Fields {
			members[i] = f.Name + " " + f.Type.Text()
		}
		s = "struct{" + strings.Join(members, ", ") + "}"
	}
	if t.Nullable {
		s += " or null"
	}
	return s
}

// Key is a text that only types have in common that say the same: unlike Text it has units,
// rules, and what is left out.
func (t Type) Key() string {
	b, err := json.Marshal(t)
	if err != nil {
		panic("BUG: type " + t.Text() + ": " + err.Error())
	}
	return string(b)
}

func each(list []Type, between string, text func(Type) string) string {
	parts := make([]string, len(list))
	for i, t := range list {
		parts[i] = text(t)
	}
	return strings.Join(parts, between)
}

func elem(t Type) string {
	if t.Elem == nil {
		return "any"
	}
	return t.Elem.String()
}

// Resolve follows references through the table.
func (t Type) Resolve(types map[string]Type) (Type, error) {
	nullable := t.Nullable
	for n := 0; t.Kind == TRef; n++ {
		next, ok := types[t.Name]
		if !ok || n > len(types) {
			return Type{}, fmt.Errorf("type %q: not in the table of types", t.Name)
		}
		t = next
	}
	t.Nullable = t.Nullable || nullable
	return t, nil
}

// CheckUnion says whether a message tells which variant of the union t it has: by its kind
// in JSON, and structs by what is in them. References lead to types.
//
// # Errors
//
// Too few or too many variants, one that may be null or anything, two of one kind.
func (t Type) CheckUnion(types map[string]Type) error {
	if len(t.Elems) < 2 || len(t.Elems) > 255 {
		return fmt.Errorf("expected 2 to 255 variants, got %d", len(t.Elems))
	}
	type seen struct {
		name string
		kind TypeKind
	}
	of := map[string]seen{}
	for _, e := range t.Elems {
		r, err := e.Resolve(types)
		if err != nil {
			return err
		}
		form := r.form()
		if form == "" || r.Nullable {
			return fmt.Errorf("expected variants that have a kind of their own and are not null, got %s", e)
		}
		first, twice := of[form]
		if twice && !(first.kind == TStruct && r.Kind == TStruct) {
			return fmt.Errorf("expected variants that can be told apart, %s and %s are both a JSON %s", first.name, e, form)
		}
		of[form] = seen{e.String(), r.Kind}
	}
	return nil
}

// form is what JSON writes values of t as; empty where it may be anything.
func (t Type) form() string {
	switch t.Kind {
	case TBool:
		return "bool"
	case TList, TTuple:
		return "array"
	case TStruct, TMap:
		return "object"
	case TString, TBytes:
		return "string"
	case TTime:
		if t.Unit == "" {
			return "string"
		}
	case TAny, TUnion, TRef:
		return ""
	}
	return "number"
}
