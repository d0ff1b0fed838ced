package frame

import (
	"encoding/binary"
	"encoding/json/jsontext"
	"fmt"
	"reflect"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/levada-io/levada/plan"
)

// kind is the kind of a layout node; the numbers are those of abi/frame.md.
type kind uint8

const (
	kBool kind = iota
	kInt8
	kInt16
	kInt32
	kInt64
	kUint8
	kUint16
	kUint32
	kUint64
	kFloat32
	kFloat64
	kString
	kBytes
	kTime
	kList
	kMap
	kStruct
	kAny
	kDuration
	kTuple
	kUnion

	// kConst is a member with one value only: on the wire that value, in a plan the kind of
	// it with a constant at the field.
	kConst
)

var kinds = [...]plan.TypeKind{
	kBool: plan.TBool, kInt8: plan.TInt8, kInt16: plan.TInt16, kInt32: plan.TInt32, kInt64: plan.TInt64,
	kUint8: plan.TUint8, kUint16: plan.TUint16, kUint32: plan.TUint32, kUint64: plan.TUint64,
	kFloat32: plan.TFloat32, kFloat64: plan.TFloat64, kString: plan.TString, kBytes: plan.TBytes,
	kTime: plan.TTime, kList: plan.TList, kMap: plan.TMap, kStruct: plan.TStruct, kAny: plan.TAny,
	kDuration: plan.TDuration, kTuple: plan.TTuple, kUnion: plan.TUnion,
}

func (k kind) String() string {
	if k == kConst {
		return "constant"
	}
	return string(kinds[k])
}

func (k kind) signed() bool   { return k >= kInt8 && k <= kInt64 }
func (k kind) unsigned() bool { return k >= kUint8 && k <= kUint64 }
func (k kind) integer() bool  { return k >= kInt8 && k <= kUint64 }
func (k kind) float() bool    { return k == kFloat32 || k == kFloat64 }

// Flags of a presence byte.
const (
	null    = 0
	present = 1
	absent  = 2
)

// Rules of a member that is left out of JSON.
const (
	omitEmpty = 1 << iota
	omitZero
)

// node is the layout of one value. Nodes are shared and form cycles; they do not change
// once compiled.
type node struct {
	kind     kind
	nullable bool
	extra    bool
	name     string  // of a struct, canonical
	unit     unit    // of a time or duration
	elem     *node   // of a list or map
	elems    []*node // of a tuple or union
	fields   []field
	byName   map[string]int
	required marks     // of the fields
	konst    *constant // of a constant
	min      int       // bytes of the smallest value, without its presence byte
}

type field struct {
	name     string
	quoted   string // "name": as JSON has it
	packed   string // the same in MessagePack
	node     *node
	optional bool
	omit     uint8
	rules    *rules // nil: none
	// zero is the JSON of the member where it is absent and its rule does not leave the
	// zero value out: Go knows no absence.
	zero string
}

// presence says that a presence byte stands in front of the member.
func (f *field) presence() bool { return f.optional || f.node.nullable }

// leavesZero says that the zero value is left out, whatever it is. Nobody may look at it
// before: it can contain itself.
func (f *field) leavesZero() bool { return f.omit&omitZero != 0 || f.omit == 0 && f.optional }

// least is the size of the smallest value with its presence byte.
func (n *node) least() int {
	if n.nullable {
		return 1
	}
	return n.min
}

// Layout is the structure that both sides of a border know before the first frame.
type Layout struct {
	root    *node
	parsers pool
	list    sync.Once
	lists   *Layout // of List
}

// Compile makes the layout of a type; references lead to types.
func Compile(t plan.Type, types map[string]plan.Type) (*Layout, error) {
	c := compiler{types: types, refs: map[ref]*node{}}
	root, err := c.node(t, 0)
	if err != nil {
		return nil, err
	}
	for _, n := range c.unions {
		if err := n.union(); err != nil {
			return nil, err
		}
	}
	if err := c.measure(); err != nil {
		return nil, err
	}
	for _, n := range c.all {
		for i := range n.fields {
			f := &n.fields[i]
			if f.omit != omitEmpty {
				continue
			}
			if z := f.node.zeroJSON(); !emptyText([]byte(z)) {
				f.zero = f.node.written(z)
			}
		}
	}
	return &Layout{root: root}, nil
}

// Any is the layout of a value without a declared type.
func Any() *Layout { return &Layout{root: &node{kind: kAny, min: 1}} }

// List is the layout of a list of values of l: what a batch step makes.
func (l *Layout) List() *Layout {
	l.list.Do(func() { l.lists = &Layout{root: &node{kind: kList, elem: l.root, min: 4}} })
	return l.lists
}

type ref struct {
	name     string
	nullable bool
}

type compiler struct {
	types map[string]plan.Type
	refs  map[ref]*node
	all   []*node

	unions []*node // whose variants may not be whole yet
}

// node compiles one type. depth ends a chain of unnamed types, which a plan from
// outside may hold.
func (c *compiler) node(t plan.Type, depth int) (*node, error) {
	if depth > 1000 {
		return nil, fmt.Errorf("type nested deeper than 1000")
	}
	name := ""
	if t.Kind == plan.TRef {
		name = t.Name
		res, err := t.Resolve(c.types)
		if err != nil {
			return nil, err
		}
		t = res
		if n, ok := c.refs[ref{name, t.Nullable}]; ok {
			return n, nil
		}
	}
	k := slices.Index(kinds[:], t.Kind)
	if k < 0 {
		return nil, fmt.Errorf("unknown kind of type %q", t.Kind)
	}
	u, ok := unitOf(kind(k), t.Unit)
	if !ok {
		return nil, fmt.Errorf("type %s: unknown unit %q", t.Kind, t.Unit)
	}
	n := &node{kind: kind(k), nullable: t.Nullable, unit: u}
	if n.kind == kAny {
		n.nullable = false // any has a null of its own
	}
	c.all = append(c.all, n)
	if name != "" {
		c.refs[ref{name, t.Nullable}] = n
	}
	switch n.kind {
	case kList, kMap:
		if t.Elem == nil {
			return nil, fmt.Errorf("type %s without an element type", t.Kind)
		}
		elem, err := c.node(*t.Elem, depth+1)
		if err != nil {
			return nil, err
		}
		n.elem = elem
	case kTuple:
		if len(t.Elems) == 0 {
			return nil, fmt.Errorf("type %s without elements", t.Kind)
		}
		n.elems = make([]*node, len(t.Elems))
		for i, e := range t.Elems {
			if i > 0 && reflect.DeepEqual(e, t.Elems[i-1]) {
				n.elems[i] = n.elems[i-1]
				continue
			}
			elem, err := c.node(e, depth+1)
			if err != nil {
				return nil, err
			}
			n.elems[i] = elem
		}
	case kUnion:
		n.elems = make([]*node, len(t.Elems))
		for i, e := range t.Elems {
			elem, err := c.node(e, depth+1)
			if err != nil {
				return nil, err
			}
			n.elems[i] = elem
		}
		c.unions = append(c.unions, n)
	case kStruct:
		n.name, n.extra = name, t.Extra
		if len(t.Fields) == 0 && !t.Extra {
			return nil, fmt.Errorf("type %s without members", describe(name))
		}
		n.fields = make([]field, len(t.Fields))
		n.byName = make(map[string]int, len(t.Fields))
		for i, f := range t.Fields {
			child, err := c.node(f.Type, depth+1)
			if err != nil {
				return nil, fmt.Errorf("%s.%s: %w", describe(name), f.Name, err)
			}
			if _, dup := n.byName[f.Name]; dup {
				return nil, fmt.Errorf("type %s: member %q twice", describe(name), f.Name)
			}
			if f.Const != "" {
				if child, err = c.constant(child, f); err != nil {
					return nil, fmt.Errorf("%s.%s: %w", describe(name), f.Name, err)
				}
			}
			omit, err := omitRule(f.Omit)
			if err != nil {
				return nil, fmt.Errorf("%s.%s: %w", describe(name), f.Name, err)
			}
			q, err := jsontext.AppendQuote(nil, f.Name)
			if err != nil {
				return nil, fmt.Errorf("%s: member %q: %w", describe(name), f.Name, err)
			}
			n.byName[f.Name] = i
			if !f.Optional {
				n.required.set(i)
			}
			n.fields[i] = field{name: f.Name, quoted: string(q) + ":", packed: string(packName(nil, f.Name)), node: child, optional: f.Optional, omit: omit}
			if f.Rules != "" {
				if n.fields[i].rules, err = c.rules(child, f); err != nil {
					return nil, fmt.Errorf("%s.%s: %w", describe(name), f.Name, err)
				}
			}
		}
	}
	return n, nil
}

func describe(name string) string {
	if name == "" {
		return "struct"
	}
	return name
}

func omitRule(s string) (uint8, error) {
	switch s {
	case "":
		return 0, nil
	case "omitempty":
		return omitEmpty, nil
	case "omitzero":
		return omitZero, nil
	case "omitempty,omitzero":
		return omitEmpty | omitZero, nil
	}
	return 0, fmt.Errorf("unknown omit rule %q", s)
}

func omitName(rule uint8) string {
	switch rule {
	case omitEmpty:
		return "omitempty"
	case omitZero:
		return "omitzero"
	case omitEmpty | omitZero:
		return "omitempty,omitzero"
	}
	return ""
}

// measure computes the smallest size of every node: what bounds the counts that a
// frame may claim. A struct that holds itself directly has no value at all.
func (c *compiler) measure() error {
	const open = -1
	var walk func(n *node) error
	walk = func(n *node) error {
		switch n.kind {
		case kBool, kAny, kUnion: // a variant may lead back to its union
			n.min = 1
		case kConst:
			n.min = len(n.konst.frame)
		case kString, kBytes, kList, kMap:
			n.min = 4
		case kStruct:
			if n.min == open {
				return fmt.Errorf("type %s contains itself without a list, map or null between", describe(n.name))
			}
			n.min = open
			size := 0
			if n.extra {
				size = 4
			}
			for i := range n.fields {
				f := &n.fields[i]
				if f.presence() {
					size++
					// What its zero value is has to be known, see zeroJSON.
					if f.omit == omitEmpty && !f.node.nullable && f.node.min <= 0 {
						if err := walk(f.node); err != nil {
							return err
						}
					}
					continue
				}
				if f.node.min <= 0 {
					if err := walk(f.node); err != nil {
						return err
					}
				}
				size += f.node.min
			}
			n.min = size
		case kTuple:
			if n.min == open {
				return fmt.Errorf("type %s contains itself without a list, map or null between", n.kind)
			}
			n.min = open
			size := 0
			for _, e := range n.elems {
				if e.nullable {
					size++
					continue
				}
				if e.min <= 0 {
					if err := walk(e); err != nil {
						return err
					}
				}
				size += e.min
			}
			n.min = size
		default:
			n.min = 8
		}
		return nil
	}
	for _, n := range c.all {
		if n.min <= 0 {
			if err := walk(n); err != nil {
				return err
			}
		}
	}
	return nil
}

// zeroJSON is the text of the zero value in Go.
func (n *node) zeroJSON() string {
	switch {
	case n.nullable || n.kind == kAny || n.kind == kUnion: // Go has nil, which no union is
		return "null"
	case n.kind == kConst:
		return n.konst.base.zeroJSON()
	case n.kind == kBool:
		return "false"
	case n.kind == kString || n.kind == kBytes:
		return `""`
	case n.kind == kTime && n.number():
		return string(appendTicks(nil, time.Time{}.UnixMicro(), n.unit))
	case n.kind == kTuple:
		parts := make([]string, len(n.elems))
		for i, e := range n.elems {
			parts[i] = e.zeroJSON()
		}
		return "[" + strings.Join(parts, ",") + "]"
	case n.kind == kTime:
		return `"0001-01-01T00:00:00Z"`
	case n.kind == kList:
		return "[]"
	case n.kind == kMap:
		return "{}"
	case n.kind != kStruct:
		return "0"
	}
	var members []string
	for i := range n.fields {
		f := &n.fields[i]
		if f.leavesZero() {
			continue
		}
		z := f.node.zeroJSON()
		if f.omit&omitEmpty != 0 && emptyText([]byte(z)) {
			continue
		}
		members = append(members, f.quoted+f.node.written(z))
	}
	return "{" + strings.Join(members, ",") + "}"
}

// Append appends the bytes form of abi/frame.md.
func (l *Layout) Append(b []byte) []byte {
	nodes, number := l.order()
	b = binary.LittleEndian.AppendUint32(b, uint32(len(nodes)))
	for _, n := range nodes {
		var flags byte
		if n.nullable {
			flags |= 1
		}
		if n.extra {
			flags |= 2
		}
		b = append(b, byte(n.kind), flags)
		switch n.kind {
		case kConst:
			b = append(append(b, byte(n.konst.base.kind)), n.konst.frame...)
		case kList, kMap:
			b = binary.LittleEndian.AppendUint32(b, number[n.elem])
		case kTuple, kUnion:
			b = binary.LittleEndian.AppendUint32(b, uint32(len(n.elems)))
			for _, e := range n.elems {
				b = binary.LittleEndian.AppendUint32(b, number[e])
			}
		case kStruct:
			b = appendString(b, n.name)
			b = binary.LittleEndian.AppendUint32(b, uint32(len(n.fields)))
			for _, f := range n.fields {
				b = appendString(b, f.name)
				b = binary.LittleEndian.AppendUint32(b, number[f.node])
				var flags byte
				if f.optional {
					flags |= 1
				}
				b = append(b, flags)
			}
		}
	}
	return b
}

// order lists the nodes: each in front of those that it is the first to refer to.
func (l *Layout) order() ([]*node, map[*node]uint32) {
	var nodes []*node
	number := map[*node]uint32{}
	var walk func(n *node)
	walk = func(n *node) {
		if _, ok := number[n]; ok {
			return
		}
		number[n] = uint32(len(nodes))
		nodes = append(nodes, n)
		if n.elem != nil {
			walk(n.elem)
		}
		for _, e := range n.elems {
			walk(e)
		}
		for i := range n.fields {
			walk(n.fields[i].node)
		}
	}
	walk(l.root)
	return nodes, number
}

func appendString(b []byte, s string) []byte {
	b = binary.LittleEndian.AppendUint32(b, uint32(len(s)))
	return append(b, s...)
}

// Type is the plan's form of the layout: the type, and the table that it refers to.
func (l *Layout) Type() (plan.Type, map[string]plan.Type) {
	types := map[string]plan.Type{}
	return l.root.planType(types), types
}

func (n *node) planType(types map[string]plan.Type) plan.Type {
	t := plan.Type{Kind: n.planKind(), Nullable: n.nullable, Unit: n.unitName()}
	switch n.kind {
	case kTuple, kUnion:
		for _, e := range n.elems {
			t.Elems = append(t.Elems, e.planType(types))
		}
	case kList, kMap:
		elem := n.elem.planType(types)
		t.Elem = &elem
	case kStruct:
		if n.name != "" {
			t = plan.Type{Kind: plan.TRef, Name: n.name, Nullable: n.nullable}
			if _, ok := types[n.name]; ok {
				return t
			}
			types[n.name] = plan.Type{} // ends the recursion
			types[n.name] = n.structType(types)
			return t
		}
		t = n.structType(types)
		t.Nullable = n.nullable
	}
	return t
}

func (n *node) structType(types map[string]plan.Type) plan.Type {
	t := plan.Type{Kind: plan.TStruct, Extra: n.extra, Fields: make([]plan.Field, len(n.fields))}
	for i, f := range n.fields {
		t.Fields[i] = plan.Field{Name: f.name, Type: f.node.planType(types), Optional: f.optional, Omit: omitName(f.omit)}
		if f.node.kind == kConst {
			t.Fields[i].Const = f.node.konst.text
		}
		if f.rules != nil {
			t.Fields[i].Rules = f.rules.text
		}
	}
	return t
}

// String is the type as messages show it.
func (l *Layout) String() string {
	t, _ := l.Type()
	return t.String()
}

// Equal says that values of both layouts have the same bytes and the same JSON. Names
// of types do not count.
func (l *Layout) Equal(m *Layout) bool { return sameNode(l.root, m.root, map[[2]*node]bool{}) }

// Within says that text of m is text of l too, read the same: l is a struct with less than
// the members of m.
func (l *Layout) Within(m *Layout) bool {
	return l.root.kind == kStruct && !l.Equal(m) && within(l.root, m.root, map[[2]*node]bool{})
}

func within(a, b *node, seen map[[2]*node]bool) bool {
	if a.kind != kStruct || b.kind != kStruct || a.extra || a.nullable != b.nullable {
		return a.kind != kStruct && sameNode(a, b, map[[2]*node]bool{})
	}
	if seen[[2]*node{a, b}] {
		return true
	}
	seen[[2]*node{a, b}] = true
	for i := range a.fields {
		f := &a.fields[i]
		at, ok := b.byName[f.name]
		if !ok || b.fields[at].optional && !f.optional || !within(f.node, b.fields[at].node, seen) {
			return false
		}
	}
	return len(a.fields) > 0
}

func sameNode(a, b *node, seen map[[2]*node]bool) bool {
	if a == b || seen[[2]*node{a, b}] {
		return true
	}
	if a.kind != b.kind || a.nullable != b.nullable || a.extra != b.extra || a.unit != b.unit || len(a.fields) != len(b.fields) || len(a.elems) != len(b.elems) {
		return false
	}
	seen[[2]*node{a, b}] = true
	if a.konst != nil && (a.konst.base.kind != b.konst.base.kind || a.konst.text != b.konst.text) {
		return false
	}
	if a.elem != nil && !sameNode(a.elem, b.elem, seen) {
		return false
	}
	for i := range a.elems {
		if !sameNode(a.elems[i], b.elems[i], seen) {
			return false
		}
	}
	for i := range a.fields {
		f, g := &a.fields[i], &b.fields[i]
		if (f.rules == nil) != (g.rules == nil) || f.rules != nil && f.rules.text != g.rules.text {
			return false // what one lets pass the other may refuse
		}
		if f.name != g.name || f.optional != g.optional || f.omit != g.omit || !sameNode(f.node, g.node, seen) {
			return false
		}
	}
	return true
}
