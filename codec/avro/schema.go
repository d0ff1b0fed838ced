package avro

import (
	"encoding/binary"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/levada-io/levada/plan"
	library "github.com/twmb/avro"
)

type kind uint8

const (
	kNull kind = iota
	kBool
	kInt
	kLong
	kFloat
	kDouble
	kBytes
	kString
	kRecord
	kEnum
	kArray
	kMap
	kUnion
	kFixed
	kMillis // a number that is a time
	kMicros
	kDays
	kLongMillis // a number that is a duration
	kLongMicros
	kRefused // a branch that the reader's schema has nothing for
	kOne     // a value, Elem, that is one variant of a union
)

var kinds = map[string]kind{
	"null": kNull, "boolean": kBool, "int": kInt, "long": kLong, "float": kFloat, "double": kDouble,
	"bytes": kBytes, "string": kString, "record": kRecord, "error": kRecord, "enum": kEnum, "array": kArray, "map": kMap,
	"union": kUnion, "fixed": kFixed,
}

// node is a place of the schema, for values of one type.
type node struct {
	kind     kind
	name     string // for messages
	fields   []field
	index    map[string]int // of fields and symbols
	elem     *node
	branches []*node
	null     int // the branch of null; -1: none
	only     int // the one branch beside null; -1: there are more
	symbols  []string
	size     int
	unit     string // in which the other side has a time; empty: as a time
	least    int    // bytes that a value has at least
	variant  int    // of kOne: which

	// What a node has that reads what another schema wrote:
	as       kind   // what the value becomes; that of the node otherwise
	filled   []byte // members, in MessagePack, that the writer's record has not
	fills    int    // how many
	defaults map[string]missing
	kept     int      // fields that are not skipped
	why      string   // of kRefused: what is wrong with a branch, said where a message has it
	wrote    []string // the writer's symbols
}

// missing is a member that the writer's record has not.
type missing struct {
	node *node
	text []byte // its message
}

type field struct {
	name string
	node *node
	skip bool // whoever reads has no such field
}

// Schema is one that messages or values have.
type Schema struct {
	root        *library.SchemaNode
	named       map[string]*library.SchemaNode
	canonical   []byte
	fingerprint []byte
}

// Parse reads a schema, a JSON text.
//
// # Errors
//
// A schema that is none, or that has a logical type whose values would not be what they
// mean: decimal.
func Parse(text string) (*Schema, error) {
	parsed, err := library.Parse(text)
	if err != nil {
		return nil, errors.New(words(err))
	}
	s := &Schema{root: parsed.Root(), named: map[string]*library.SchemaNode{}, canonical: parsed.Canonical()}
	hash := library.NewRabin()
	_, _ = hash.Write(s.canonical) // it never fails
	s.fingerprint = binary.LittleEndian.AppendUint64(nil, hash.Sum64())
	if err := s.collect(s.root, "", "$"); err != nil {
		return nil, err
	}
	return s, nil
}

// singleSize is how many bytes stand before a message in single-object encoding.
const singleSize = 10

func (s *Schema) single() []byte { return append([]byte{0xc3, 1}, s.fingerprint...) }

// words are what the library says, without its name.
func words(err error) string { return strings.TrimPrefix(err.Error(), "avro: ") }

func fullName(s *library.SchemaNode) string {
	if s.Namespace == "" || strings.Contains(s.Name, ".") {
		return s.Name
	}
	return s.Namespace + "." + s.Name
}

// collect finds the named types of a schema, and spells references to them out.
func (c *Schema) collect(s *library.SchemaNode, space, path string) error {
	if s.LogicalType == "decimal" {
		return fmt.Errorf("%s: decimal is not supported: no type of a step holds it, take string or long", path)
	}
	switch _, known := kinds[s.Type]; {
	case !known && c.named[s.Type] == nil && c.named[space+"."+s.Type] != nil:
		s.Type = space + "." + s.Type
	case known && s.Name != "" && (kinds[s.Type] == kRecord || kinds[s.Type] == kEnum || kinds[s.Type] == kFixed):
		name := fullName(s)
		c.named[name] = s
		space = name[:max(strings.LastIndexByte(name, '.'), 0)]
	}
	for i := range s.Fields {
		if err := c.collect(&s.Fields[i].Type, space, path+"."+s.Fields[i].Name); err != nil {
			return err
		}
	}
	for i := range s.Branches {
		if err := c.collect(&s.Branches[i], space, path); err != nil {
			return err
		}
	}
	for _, e := range []*library.SchemaNode{s.Items, s.Values} {
		if e != nil {
			if err := c.collect(e, space, path+"[]"); err != nil {
				return err
			}
		}
	}
	return nil
}

// resolve follows the name of a type.
func (c *Schema) resolve(s *library.SchemaNode) *library.SchemaNode {
	if named, ok := c.named[s.Type]; ok {
		return named
	}
	return s
}

// timeKind says which number of a schema is a time or a duration. All are numbers for a type
// that says so; some are times only for one that does: they are of no zone, or of no day.
func timeKind(s *library.SchemaNode, t plan.Type) (kind, bool) {
	k, ok := timeKinds[s.Type+" "+s.LogicalType]
	switch {
	case !ok:
		return 0, false
	case k == kLongMillis || k == kLongMicros:
		return k, t.Kind == plan.TDuration
	case k == kDays || strings.HasPrefix(s.LogicalType, "local-"):
		return k, t.Kind == plan.TTime
	}
	return k, !numeric[t.Kind]
}

var timeKinds = map[string]kind{
	"long timestamp-millis": kMillis, "long timestamp-micros": kMicros,
	"long local-timestamp-millis": kMillis, "long local-timestamp-micros": kMicros,
	"int date": kDays, "int time-millis": kLongMillis, "long time-micros": kLongMicros,
}

// isLong says that a kind is a duration.
func (k kind) isLong() bool { return k == kLongMillis || k == kLongMicros }

// micros are the microseconds of one of a number that is a time or a duration.
func (k kind) micros() int64 {
	switch k {
	case kMillis, kLongMillis:
		return 1000
	case kDays:
		return 24 * 3600 * 1_000_000
	}
	return 1
}

type key struct{ schema, from, typ string }

type builder struct {
	reader *Schema // of the values
	types  map[string]plan.Type
	done   map[key]*node
}

// node compiles a place of the schema for values of a type. Whether they fit each other
// is compared elsewhere; here the type says in which unit it has times.
func (b *builder) node(s *library.SchemaNode, t plan.Type) (*node, error) {
	s = b.reader.resolve(s)
	if v, ok := b.variant(s, t); ok {
		n, err := b.node(s, v.Type)
		if err != nil {
			return nil, err
		}
		return n.one(v.at), nil
	}
	k, named := key{schema: fullName(s), typ: t.Key()}, b.reader.named[fullName(s)] == s
	if n, ok := b.done[k]; ok && named {
		return n, nil
	}
	t, err := t.Resolve(b.types)
	if err != nil {
		return nil, err
	}
	kind, ok := kinds[s.Type]
	if !ok {
		return nil, fmt.Errorf("the schema: type %q is not known", s.Type)
	}
	n := &node{kind: kind, as: kind, name: s.Type, null: -1, only: -1, symbols: s.Symbols, size: s.Size, least: 1}
	if named {
		n.name = s.Name
		b.done[k] = n
	}
	if timed, ok := timeKind(s, t); ok {
		n.timed(timed, t)
	}
	elem := plan.Type{Kind: plan.TAny}
	if t.Elem != nil {
		elem = *t.Elem
	}
	switch n.kind {
	case kNull:
		n.least = 0
	case kFloat:
		n.least = 4
	case kDouble:
		n.least = 8
	case kFixed:
		n.least = n.size
	case kEnum:
		n.index = map[string]int{}
		for i, v := range s.Symbols {
			n.index[v] = i
		}
	case kArray:
		n.elem, err = b.node(s.Items, elem)
	case kMap:
		n.elem, err = b.node(s.Values, elem)
	case kUnion:
		err = b.union(n, s, t)
	case kRecord:
		err = b.record(n, s, t)
	}
	return n, err
}

type variant struct {
	plan.Type
	at int
}

// variant is what values of s are where t is a union; false: t is none, or s is one, too, or
// no variant is meant.
func (b *builder) variant(s *library.SchemaNode, t plan.Type) (variant, bool) {
	u, err := t.Resolve(b.types)
	if err != nil || u.Kind != plan.TUnion || s.Type == "union" {
		return variant{}, false
	}
	at := variantOf(s, u, b.types)
	if at < 0 {
		return variant{}, false
	}
	return variant{u.Elems[at], at}, true
}

// timed makes a number a time, in the unit that the type of the values has.
func (n *node) timed(k kind, t plan.Type) {
	n.kind, n.as, n.name = k, k, "time"
	switch {
	case k.isLong():
		if n.name, n.unit = "duration", t.Unit; n.unit == "" {
			n.unit = "ms"
		}
	case t.Kind == plan.TTime:
		n.unit = t.Unit
	}
}

func (b *builder) union(n *node, s *library.SchemaNode, t plan.Type) error {
	t.Nullable = false
	for i := range s.Branches {
		one, err := b.node(&s.Branches[i], t)
		if err != nil {
			return err
		}
		if one.kind == kNull {
			n.null = i
		}
		n.branches = append(n.branches, one)
	}
	if len(n.branches) == 1 && n.null < 0 || len(n.branches) == 2 && n.null >= 0 {
		n.only = len(n.branches) - 1 - max(n.null, 0)
	}
	return nil
}

func (b *builder) record(n *node, s *library.SchemaNode, t plan.Type) error {
	n.index = make(map[string]int, len(s.Fields))
	typeOf := memberTypes(t)
	n.least = 0
	for i := range s.Fields {
		f := &s.Fields[i]
		one, err := b.node(&f.Type, typeOf(f.Name))
		if err != nil {
			return err
		}
		n.index[f.Name] = i
		n.fields = append(n.fields, field{name: f.Name, node: one})
		n.least = min(n.least+one.least, 1<<20)
	}
	n.kept = len(n.fields)
	return nil
}

// Type is what the values of the schema are, with the table of its records. Where t, the
// type beside it, says that a number is a time, it is one. A field that may be null is
// optional for who writes.
func (c *Codec) Type(t plan.Type, table map[string]plan.Type) (plan.Type, map[string]plan.Type, error) {
	if c.Schema == nil {
		return plan.Type{}, nil, errNoSchema
	}
	y := typer{c.Schema, table, map[key]string{}, map[string]plan.Type{}}
	return y.of(c.root, t), y.types, nil
}

// typer makes types of a schema beside those of a table.
type typer struct {
	*Schema
	table map[string]plan.Type
	names map[key]string // of records
	types map[string]plan.Type
}

var planKinds = map[string]plan.TypeKind{
	"boolean": plan.TBool, "int": plan.TInt32, "long": plan.TInt64, "float": plan.TFloat32, "double": plan.TFloat64,
	"bytes": plan.TBytes, "fixed": plan.TBytes, "string": plan.TString, "enum": plan.TString,
}

func (y *typer) of(s *library.SchemaNode, t plan.Type) plan.Type {
	s = y.resolve(s)
	whole := t
	whole.Nullable = false
	k := key{schema: fullName(s), typ: whole.Key()}
	t, err := t.Resolve(y.table)
	if err != nil {
		t = plan.Type{Kind: plan.TAny} // which is told of where the table is read
	}
	if t.Kind == plan.TUnion && s.Type != "union" {
		if at := variantOf(s, t, y.table); at >= 0 {
			return y.of(s, t.Elems[at])
		}
	}
	if timed, ok := timeKind(s, t); ok {
		if timed.isLong() {
			return plan.Type{Kind: plan.TDuration, Unit: t.Unit}
		}
		return plan.Type{Kind: plan.TTime}
	}
	switch kinds[s.Type] {
	case kNull:
		return plan.Type{Kind: plan.TAny}
	case kArray, kMap:
		k, of := plan.TList, s.Items
		if s.Type == "map" {
			k, of = plan.TMap, s.Values
		}
		elem := plan.Type{Kind: plan.TAny}
		if t.Elem != nil {
			elem = *t.Elem
		}
		elem = y.of(of, elem)
		return plan.Type{Kind: k, Elem: &elem}
	case kUnion:
		var some []plan.Type
		for i := range s.Branches {
			if s.Branches[i].Type != "null" {
				some = append(some, y.of(&s.Branches[i], whole))
			}
		}
		if len(some) > 1 && t.Kind == plan.TUnion {
			return plan.Type{Kind: plan.TUnion, Elems: some, Nullable: len(s.Branches) > len(some)}
		}
		if len(some) != 1 {
			return plan.Type{Kind: plan.TAny}
		}
		if some[0].Kind != plan.TAny {
			some[0].Nullable = some[0].Nullable || len(s.Branches) > 1
		}
		return some[0]
	case kRecord:
		name, ok := y.names[k]
		if !ok {
			name = "avro:" + fullName(s)
			for n := 2; y.types[name].Kind != ""; n++ {
				name = fmt.Sprintf("avro:%s_%d", fullName(s), n)
			}
			y.names[k] = name
			typeOf := memberTypes(t)
			r := plan.Type{Kind: plan.TStruct}
			y.types[name] = r
			for i := range s.Fields {
				f := y.of(&s.Fields[i].Type, typeOf(s.Fields[i].Name))
				r.Fields = append(r.Fields, plan.Field{Name: s.Fields[i].Name, Type: f})
			}
			y.types[name] = r
		}
		return plan.Type{Kind: plan.TRef, Name: name}
	}
	return plan.Type{Kind: planKinds[s.Type]}
}

// Writable is Type for who writes: a field that may be null may be missing.
func (c *Codec) Writable(t plan.Type, table map[string]plan.Type) (plan.Type, map[string]plan.Type, error) {
	t, types, err := c.Type(t, table)
	for name, s := range types {
		s.Fields = slices.Clone(s.Fields)
		for i := range s.Fields {
			s.Fields[i].Optional = s.Fields[i].Type.Nullable || s.Fields[i].Type.Kind == plan.TAny
		}
		types[name] = s
	}
	return t, types, err
}
