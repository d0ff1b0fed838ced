package frame

import (
	"cmp"
	"encoding"
	"encoding/json/jsontext"
	"encoding/json/v2"
	"fmt"
	"reflect"
	"slices"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/levada-io/levada/plan"
	"github.com/levada-io/levada/record"
)

var (
	timeType     = reflect.TypeFor[time.Time]()
	durationType = reflect.TypeFor[time.Duration]()
	rawType      = reflect.TypeFor[jsontext.Value]()
	anyMapType   = reflect.TypeFor[map[string]any]()

	// ownWriters and ownReaders are the interfaces by which a type has a JSON form of its
	// own.
	ownWriters = []reflect.Type{
		reflect.TypeFor[json.Marshaler](), reflect.TypeFor[json.MarshalerTo](),
		reflect.TypeFor[encoding.TextMarshaler](), reflect.TypeFor[encoding.TextAppender](),
	}
	ownReaders = []reflect.Type{
		reflect.TypeFor[json.Unmarshaler](), reflect.TypeFor[json.UnmarshalerFrom](), reflect.TypeFor[encoding.TextUnmarshaler](),
	}
	zeroer = reflect.TypeFor[interface{ IsZero() bool }]()
)

// TypeOf derives the plan's type of a Go type, with the table of the structs that it
// refers to, by the rules of the package comment.
func TypeOf(t reflect.Type) (plan.Type, map[string]plan.Type, error) {
	s := scanner{types: map[string]plan.Type{}, named: map[string]reflect.Type{}}
	pt, err := s.scan(t)
	if err != nil {
		return plan.Type{}, nil, err
	}
	return pt, s.types, nil
}

// Of is the layout of a Go type.
func Of(t reflect.Type) (*Layout, error) {
	pt, types, err := TypeOf(t)
	if err != nil {
		return nil, err
	}
	return Compile(pt, types)
}

type scanner struct {
	types map[string]plan.Type
	named map[string]reflect.Type // by canonical name
	path  []reflect.Type          // named types that are no structs, being scanned
}

func (s *scanner) scan(t reflect.Type) (plan.Type, error) {
	k, err := goKind(t)
	if err != nil {
		return plan.Type{}, err
	}
	if t.Kind() == reflect.Pointer {
		if e := t.Elem(); e.Kind() == reflect.Pointer {
			return plan.Type{}, fmt.Errorf("%s: a pointer to a pointer is not supported", t)
		}
		elem, err := s.scan(t.Elem())
		if err != nil {
			return plan.Type{}, err
		}
		if own, err := ownForm(t.Elem()); own && err == nil && elem.Kind == plan.TAny {
			return elem, nil // null is nil
		}
		if elem.Kind == plan.TAny {
			return plan.Type{}, fmt.Errorf("%s: a pointer to %s is not supported, it can be null itself", t, t.Elem())
		}
		elem.Nullable = true
		return elem, nil
	}
	pt := plan.Type{Kind: kinds[k]}
	switch k {
	case kList, kMap:
		if t.Name() != "" {
			if slices.Contains(s.path, t) {
				return plan.Type{}, fmt.Errorf("%s: a type that contains itself must be a struct", t)
			}
			s.path = append(s.path, t)
			defer func() { s.path = s.path[:len(s.path)-1] }()
		}
		elem, err := s.scan(t.Elem())
		if err != nil {
			return plan.Type{}, err
		}
		pt.Elem = &elem
	case kUnion:
		if slices.Contains(s.path, t) {
			return plan.Type{}, fmt.Errorf("%s: a type that contains itself must be a struct", t)
		}
		s.path = append(s.path, t)
		defer func() { s.path = s.path[:len(s.path)-1] }()
		variants, err := record.Variants(t)
		if err != nil {
			return plan.Type{}, err
		}
		for _, v := range variants {
			elem, err := s.scan(v)
			if err != nil {
				return plan.Type{}, fmt.Errorf("%s: variant %w", t, err)
			}
			if elem.Kind == plan.TAny {
				return plan.Type{}, fmt.Errorf("%s: variant %s is not supported: it has a JSON or text form of its own, by which no message tells it apart", t, v)
			}
			pt.Elems = append(pt.Elems, elem)
		}
	case kTuple:
		elem, err := s.scan(t.Elem())
		if err != nil {
			return plan.Type{}, err
		}
		pt.Elems = slices.Repeat([]plan.Type{elem}, t.Len())
	case kStruct:
		if t.Name() == "" {
			return s.structType(t)
		}
		// The name of an instance has its arguments in it.
		name := "go:" + t.PkgPath() + "." + strings.ReplaceAll(t.Name(), "interface {}", "any")
		if other, ok := s.named[name]; ok {
			if other != t {
				return plan.Type{}, fmt.Errorf("%s: two types of this name, one of them declared in a function", t)
			}
			return plan.Type{Kind: plan.TRef, Name: name}, nil
		}
		s.named[name] = t
		path := s.path
		s.path = nil
		st, err := s.structType(t)
		s.path = path
		if err != nil {
			return plan.Type{}, err
		}
		s.types[name] = st
		return plan.Type{Kind: plan.TRef, Name: name}, nil
	}
	return pt, nil
}

func (s *scanner) structType(t reflect.Type) (plan.Type, error) {
	gs, err := structOf(t)
	if err != nil {
		return plan.Type{}, err
	}
	pt := plan.Type{Kind: plan.TStruct, Extra: gs.extra != nil}
	for _, f := range gs.fields {
		ft, err := s.member(&f)
		if err != nil {
			return plan.Type{}, fmt.Errorf("%s.%s: %w", t, f.goName, err)
		}
		if f.unit != "" {
			if ft, err = ft.WithUnit(f.unit); err != nil {
				return plan.Type{}, fmt.Errorf("%s.%s: %w", t, f.goName, err)
			}
		}
		if f.opt {
			if ft.Nullable || ft.Kind == plan.TAny {
				return plan.Type{}, fmt.Errorf("%s.%s: Opt of %s is not supported: it can be null itself", t, f.goName, f.typ)
			}
			ft.Nullable = true
		}
		if f.pick != nil {
			ft.Nullable = true
		}
		pf := plan.Field{Name: f.name, Type: ft, Optional: f.omit != 0 || f.opt, Omit: omitName(f.omit)}
		if f.rules != "" {
			if pf, err = pf.WithRules(f.rules); err != nil {
				return plan.Type{}, fmt.Errorf("%s.%s: %w", t, f.goName, err)
			}
		}
		if f.konst != nil {
			if pf, err = pf.WithConst(*f.konst); err != nil {
				return plan.Type{}, fmt.Errorf("%s.%s: %w", t, f.goName, err)
			}
		}
		pt.Fields = append(pt.Fields, pf)
	}
	return pt, nil
}

// member is the type of a field.
func (s *scanner) member(f *goField) (plan.Type, error) {
	if !f.keyed {
		return s.scan(f.typ)
	}
	elem, err := s.scan(f.typ.Elem())
	return plan.Type{Kind: plan.TMap, Elem: &elem}, err
}

// goKind is the kind of a Go type; of a pointer, the kind of what it leads to.
func goKind(t reflect.Type) (kind, error) {
	switch t {
	case timeType:
		return kTime, nil
	case rawType:
		return kAny, nil
	case durationType:
		return kDuration, nil
	}
	if t.Kind() == reflect.Pointer {
		return goKind(t.Elem())
	}
	if isOpt(t) {
		return 0, fmt.Errorf("%s is not supported: Opt stands in a field of a struct only", t)
	}
	if own, err := ownForm(t); own || err != nil {
		return kAny, err
	}
	switch t.Kind() {
	case reflect.Bool:
		return kBool, nil
	case reflect.Int, reflect.Int64:
		return kInt64, nil
	case reflect.Int8:
		return kInt8, nil
	case reflect.Int16:
		return kInt16, nil
	case reflect.Int32:
		return kInt32, nil
	case reflect.Uint, reflect.Uint64:
		return kUint64, nil
	case reflect.Uint8:
		return kUint8, nil
	case reflect.Uint16:
		return kUint16, nil
	case reflect.Uint32:
		return kUint32, nil
	case reflect.Float32:
		return kFloat32, nil
	case reflect.Float64:
		return kFloat64, nil
	case reflect.String:
		return kString, nil
	case reflect.Slice:
		if e := t.Elem(); e.Kind() == reflect.Uint8 && e.PkgPath() == "" {
			return kBytes, nil
		}
		return kList, nil
	case reflect.Map:
		if t.Key().Kind() != reflect.String {
			return 0, fmt.Errorf("%s is not supported: keys of a map must be strings", t)
		}
		if hasOwnForm(t.Key()) {
			return 0, fmt.Errorf("%s is not supported: its key has a text form of its own", t)
		}
		return kMap, nil
	case reflect.Struct:
		return kStruct, nil
	case reflect.Interface:
		if t.NumMethod() == 0 {
			return kAny, nil
		}
		if variants, err := record.Variants(t); variants != nil || err != nil {
			return kUnion, err
		}
		return 0, fmt.Errorf("%s is not supported: an interface with methods; where it is sealed, levada.Union names its variants", t)
	case reflect.Array:
		return kTuple, tupleType(t)
	}
	return 0, fmt.Errorf("%s is not supported", t)
}

// goStruct is a Go struct as its members are written.
type goStruct struct {
	fields []goField
	extra  *goField
}

type goField struct {
	name   string
	goName string
	typ    reflect.Type
	offset uintptr
	omit   uint8
	unit   string  // of a levada tag
	konst  *string // of a levada tag
	rules  string  // of a levada tag

	opt   bool    // of three states; typ is what is in the record.Opt
	state uintptr // where it is, from the offset

	pick  *pick // of a oneof; offset and index are those of the oneof, typ is the member's
	keyed bool  // a map of protobuf whose keys are no text

	index  []int
	sub    int // place in the oneof
	tagged bool
}

// structOf lists the members of a struct type, those of embedded structs included, in
// the order in which they are written.
func structOf(t reflect.Type) (*goStruct, error) {
	type level struct {
		t      reflect.Type
		offset uintptr
		index  []int
		goName string
		again  bool // the same struct was embedded before: what it embeds itself is known
	}
	var all, extras []goField
	visited := map[reflect.Type]bool{t: true}
	for queue := []level{{t: t}}; len(queue) > 0; queue = queue[1:] {
		l := queue[0]
		names, extra := map[string]string{}, ""
		for i := range l.t.NumField() {
			sf := l.t.Field(i)
			tag, err := parseTag(sf)
			if err != nil {
				return nil, fmt.Errorf("%s.%s: %w", l.t, sf.Name, err)
			}
			if tag.skip {
				continue
			}
			f := goField{
				name: tag.name, goName: l.goName + sf.Name, typ: sf.Type, offset: l.offset + sf.Offset, omit: tag.omit, unit: tag.unit, konst: tag.konst, rules: tag.rules,
				index: append(slices.Clone(l.index), i), tagged: tag.named,
			}
			if sf.Anonymous && !tag.named {
				tag.embed = true
			}
			if _, ok := sf.Tag.Lookup("protobuf_oneof"); ok {
				members, err := oneofFields(l.t, sf)
				if err != nil {
					return nil, fmt.Errorf("%s.%s: %w", l.t, sf.Name, err)
				}
				for _, m := range members {
					if other, dup := names[m.name]; dup {
						return nil, fmt.Errorf("%s: fields %s and %s both have the JSON name %q", l.t, other, m.goName, m.name)
					}
					names[m.name] = m.goName
					m.goName, m.offset, m.index = l.goName+m.goName, f.offset, f.index
					all = append(all, m)
				}
				continue
			}
			if _, ok := sf.Tag.Lookup("protobuf_key"); ok && f.typ.Kind() == reflect.Map {
				f.keyed = mapKeys(f.typ.Key())
			}
			if !tag.embed {
				if !sf.IsExported() {
					// An unexported embedded struct with a name of its own: reflect could not
					// set it, but it is no part of any other package's face either.
					return nil, fmt.Errorf("%s.%s: an embedded type with a name in its tag must be exported", l.t, sf.Name)
				}
				if other, dup := names[f.name]; dup {
					return nil, fmt.Errorf("%s: fields %s and %s both have the JSON name %q", l.t, other, sf.Name, f.name)
				}
				names[f.name] = sf.Name
				if isOpt(f.typ) {
					if f.omit&omitEmpty != 0 {
						return nil, fmt.Errorf("%s.%s: omitempty is not supported on Opt, which says itself whether it is there", l.t, sf.Name)
					}
					f.optField()
				}
				if f.omit&omitZero != 0 && f.typ != timeType && (f.typ.Implements(zeroer) || reflect.PointerTo(f.typ).Implements(zeroer)) && f.typ != reflect.PointerTo(timeType) && !ownZero(f.typ) {
					return nil, fmt.Errorf("%s.%s: omitzero is not supported on %s, which has an IsZero method of its own", l.t, sf.Name, f.typ)
				}
				all = append(all, f)
				continue
			}
			switch {
			case f.unit != "" || f.konst != nil || f.rules != "":
				return nil, fmt.Errorf("%s.%s: a levada tag on an embedded field has no effect", l.t, sf.Name)
			case f.omit != 0 || tag.named:
				return nil, fmt.Errorf("%s.%s: no other option may stand beside embed", l.t, sf.Name)
			case sf.Type == rawType || sf.Type == anyMapType:
				if !sf.IsExported() {
					return nil, fmt.Errorf("%s.%s: the field that keeps other members must be exported", l.t, sf.Name)
				}
				if extra != "" {
					return nil, fmt.Errorf("%s: fields %s and %s both keep other members", l.t, extra, sf.Name)
				}
				extra = sf.Name
				extras = append(extras, f)
			case sf.Type.Kind() == reflect.Pointer:
				return nil, fmt.Errorf("%s.%s: an embedded pointer is not supported: embed the struct itself", l.t, sf.Name)
			case sf.Type.Kind() != reflect.Struct:
				return nil, fmt.Errorf("%s.%s: embedded %s is no struct; to keep other members use jsontext.Value or map[string]any", l.t, sf.Name, sf.Type)
			case hasOwnForm(sf.Type):
				return nil, fmt.Errorf("%s.%s: embedded %s has a JSON or text form of its own", l.t, sf.Name, sf.Type)
			case !l.again:
				queue = append(queue, level{sf.Type, f.offset, f.index, f.goName + ".", visited[sf.Type]})
				visited[sf.Type] = true
			}
		}
	}

	// Of the members with one name, keep the dominant one.
	slices.SortStableFunc(all, func(x, y goField) int {
		return cmp.Or(strings.Compare(x.name, y.name), cmp.Compare(len(x.index), len(y.index)), -compareBool(x.tagged, y.tagged))
	})
	out := &goStruct{}
	for len(all) > 0 {
		n := 1
		for n < len(all) && all[n].name == all[0].name {
			n++
		}
		if n == 1 || len(all[0].index) != len(all[1].index) || all[0].tagged != all[1].tagged {
			out.fields = append(out.fields, all[0])
		}
		all = all[n:]
	}
	slices.SortFunc(out.fields, func(x, y goField) int {
		return cmp.Or(slices.Compare(x.index, y.index), cmp.Compare(x.sub, y.sub))
	})
	if n := len(extras); n == 1 || n > 1 && len(extras[0].index) != len(extras[1].index) {
		out.extra = &extras[0]
	}
	if len(out.fields) == 0 && out.extra == nil {
		return nil, fmt.Errorf("%s has no exported fields", t)
	}
	return out, nil
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
	name  string
	named bool
	skip  bool
	embed bool
	omit  uint8
	unit  string  // of the levada tag
	konst *string // of the levada tag
	rules string  // of the levada tag
}

func parseTag(sf reflect.StructField) (fieldTag, error) {
	raw, ok := sf.Tag.Lookup("json")
	if raw == "-" {
		return fieldTag{skip: true}, nil
	}
	if !sf.IsExported() && !sf.Anonymous {
		if ok {
			return fieldTag{}, fmt.Errorf("a json tag on an unexported field has no effect")
		}
		return fieldTag{skip: true}, nil
	}
	tag := fieldTag{name: sf.Name}
	if text, ok := sf.Tag.Lookup("levada"); ok {
		if err := tag.own(text, sf.Type); err != nil {
			return fieldTag{}, err
		}
	}
	name, options, more := strings.Cut(raw, ",")
	if name != "" {
		if strings.ContainsAny(name, "\\'\"`") || !utf8.ValidString(name) {
			return fieldTag{}, fmt.Errorf("json name %q is not supported: no quotes, no backslash, valid UTF-8", name)
		}
		tag.name, tag.named = name, true
	}
	for more {
		var option string
		option, options, more = strings.Cut(options, ",")
		switch option {
		case "omitempty":
			tag.omit |= omitEmpty
		case "omitzero":
			tag.omit |= omitZero
		case "embed":
			tag.embed = true
		case "inline", "unknown":
			return fieldTag{}, fmt.Errorf("tag option %q has no effect in encoding/json/v2 and would lose data: use embed", option)
		default:
			return fieldTag{}, fmt.Errorf("tag option %q is not supported: use omitempty, omitzero or embed", option)
		}
	}
	if _, ok := sf.Tag.Lookup("protobuf"); ok && tag.omit == omitEmpty && tellsPresence(sf.Type) {
		tag.omit = omitZero
	}
	return tag, nil
}

// tellsPresence says that a field of a generated message knows an empty value from none.
// Its tag says omitempty all the same, since what it is written for has no such difference.
func tellsPresence(t reflect.Type) bool {
	return t.Kind() == reflect.Pointer || t.Kind() == reflect.Slice && t.Elem().Kind() == reflect.Uint8
}

// own reads a tag of the platform's own.
func (tag *fieldTag) own(text string, t reflect.Type) error {
	// A constant may have any character in it, so nothing stands behind it.
	if value, ok := strings.CutPrefix(text, "const="); ok {
		tag.konst = &value
		return nil
	}
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
			return nil
		case option == "any" && (t == rawType || t.Kind() == reflect.Interface && t.NumMethod() == 0):
		case option == "any":
			return fmt.Errorf("levada tag any stands on a field of type any or jsontext.Value, got %s", t)
		default:
			return fmt.Errorf("levada tag %q is not known: unit=..., const=..., any and rules such as min=0 are", option)
		}
	}
	return nil
}
