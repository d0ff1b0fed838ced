package protobuf

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	"google.golang.org/protobuf/encoding/protowire"
	"google.golang.org/protobuf/reflect/protoreflect"

	plans "github.com/levada-io/levada/plan"
)

// node is a message of a schema, for values of one type.
type node struct {
	name   string
	fields []place // those of the type in its order, then the others
	kept   int     // fields that are read
	byNum  []uint16
	high   map[protowire.Number]int // of numbers beyond that table
	index  map[string]int
	order  []int // of fields, as they are written
	sorted bool  // which is the order of fields
	oneofs []oneof
	must   []int // required fields
	desc   protoreflect.MessageDescriptor

	members []int // the fields of the type, as a frame has them; -1: the schema has none
	flows   bool  // which is the order that they are written in
	moves   []int // of members, as they are written
}

// oneof are fields of which one is there at most, as the schema has them.
type oneof struct {
	name   string
	fields []int
}

// place is a field of a message.
type place struct {
	*value
	name   string
	list   bool
	dict   bool
	skip   bool // who reads has no such member
	told   bool // whether it is there is told
	lean   bool // empty text, bytes, lists and maps are left out
	bare   bool // zeros are left out, too
	pack   bool
	must   bool
	oneof  int            // -1: none
	outer  protowire.Type // of the field itself
	packs  bool           // many numbers may stand in one
	key    *value
	second *value // of a map, with the number that its values have in entries
	framed
}

// value is one value of a field.
type value struct {
	num   protowire.Number
	kind  protoreflect.Kind
	wire  protowire.Type
	utf8  bool // text is checked
	node  *node
	named string // for messages
	scalar
}

// mostNamed is how many fields of a message may be; a table of MessagePack has a head that
// says how many there are at most.
const mostNamed = 1<<16 - 1

type key struct {
	name protoreflect.FullName
	typ  string
}

type builder struct {
	types  map[string]plans.Type
	strict bool // all is looked at
	done   map[key]*node
	direct
}

// compile is the codec for values of one type.
func (c *Described) compile(t plans.Type, types map[string]plans.Type) (*translator, error) {
	b := builder{types: types, strict: c.set.Strict, done: map[key]*node{}, direct: direct{true, true, true}}
	n, err := b.node(c.desc, t)
	if err != nil {
		return nil, err
	}
	t, err = t.Resolve(types)
	return &translator{c, n, indexes(c.desc), b.direct, t.Nullable}, err
}

var anything = plans.Type{Kind: plans.TAny}

// node compiles a message for values of a type. Whether they fit each other is compared
// elsewhere; here the type says which members there are, in which order, and which of them
// are left out where they are empty.
func (b *builder) node(d protoreflect.MessageDescriptor, t plans.Type) (*node, error) {
	k := key{d.FullName(), t.Key()}
	if n, ok := b.done[k]; ok {
		return n, nil
	}
	n := &node{name: string(d.Name()), index: map[string]int{}, desc: d}
	b.done[k] = n
	t, err := t.Resolve(b.types)
	if err != nil {
		return nil, err
	}
	if d.Fields().Len() > mostNamed {
		return nil, fmt.Errorf("%s: expected at most %d fields, got %d", d.FullName(), mostNamed, d.Fields().Len())
	}
	var ordered []protoreflect.FieldDescriptor
	of := map[protoreflect.FieldDescriptor]plans.Field{}
	if t.Kind == plans.TStruct {
		for _, f := range t.Fields {
			if fd := d.Fields().ByName(protoreflect.Name(f.Name)); fd != nil {
				ordered = append(ordered, fd)
				of[fd] = f
			}
		}
	}
	elem := anything
	if t.Kind == plans.TMap {
		elem = *t.Elem
	}
	for i := range d.Fields().Len() {
		if fd := d.Fields().Get(i); of[fd].Type.Kind == "" {
			ordered = append(ordered, fd)
		}
	}
	for i, fd := range ordered {
		member, named := of[fd]
		if !named {
			member.Type = elem
		}
		p := place{
			name: string(fd.Name()), list: fd.IsList(), dict: fd.IsMap(), told: fd.HasPresence(), pack: fd.IsPacked(),
			skip: t.Kind == plans.TStruct && !named && !t.Extra && !b.strict, must: fd.Cardinality() == protoreflect.Required, oneof: -1,
			lean: strings.Contains(member.Omit, "omitempty"),
		}
		p.bare = strings.Contains(member.Omit, "omitzero")
		if o := fd.ContainingOneof(); o != nil && !o.IsSynthetic() {
			p.oneof = o.Index()
		}
		resolved, err := member.Type.Resolve(b.types)
		if err != nil {
			return nil, err
		}
		if err := refused(fd); err != nil && !p.skip {
			return nil, err
		}
		inner, elem := member.Type, plans.Type{}
		if p.list || p.dict {
			inner = anything
			if resolved.Elem != nil {
				inner = *resolved.Elem
			}
			if elem, err = inner.Resolve(b.types); err != nil {
				return nil, err
			}
		}
		switch {
		case p.dict:
			p.key, err = b.single(fd.MapKey(), anything, p.skip)
			if err == nil {
				p.value, err = b.single(fd.MapValue(), inner, p.skip)
			}
		default:
			p.value, err = b.single(fd, inner, p.skip)
		}
		if err != nil {
			return nil, err
		}
		if p.dict {
			p.value.num = fd.Number()
			second := *p.value
			second.num = 2
			p.second = &second
		}
		if p.outer = p.wire; p.dict {
			p.outer = protowire.BytesType
		}
		p.packs = p.list && p.wire != protowire.BytesType && p.wire != protowire.StartGroupType
		if named {
			b.member(&p, member, resolved, elem)
		}
		n.fields = append(n.fields, p)
		n.index[p.name] = i
		if p.must {
			n.must = append(n.must, i)
		}
		if !p.skip {
			n.kept++
		}
		if fd.Number() < mostNumbers {
			n.byNum = append(n.byNum, make([]uint16, max(int(fd.Number())+1-len(n.byNum), 0))...)
			n.byNum[fd.Number()] = uint16(i + 1)
		} else {
			if n.high == nil {
				n.high = map[protowire.Number]int{}
			}
			n.high[fd.Number()] = i
		}
	}
	n.oneofs = make([]oneof, d.Oneofs().Len())
	for i := range n.oneofs {
		o := d.Oneofs().Get(i)
		n.oneofs[i].name = string(o.Name())
		for k := range o.Fields().Len() {
			n.oneofs[i].fields = append(n.oneofs[i].fields, n.index[string(o.Fields().Get(k).Name())])
		}
	}
	for i := range n.fields {
		n.order = append(n.order, i)
	}
	// As the library has it for generated structs: by number, and the members of oneofs
	// last, by oneof.
	last := func(i int) int {
		if o := n.fields[i].oneof; o >= 0 && !d.Oneofs().Get(o).IsSynthetic() {
			return o
		}
		return -1
	}
	slices.SortFunc(n.order, func(i, j int) int {
		return cmp.Or(cmp.Compare(last(i), last(j)), cmp.Compare(n.fields[i].num, n.fields[j].num))
	})
	n.sorted = slices.IsSorted(n.order)
	b.structure(n, t)
	n.moves = n.written()
	n.flows = slices.IsSorted(n.moves)
	b.streams = b.streams && (n.flows || n.byNumber())
	for i := range n.fields {
		p := &n.fields[i]
		p.rare = p.must || p.oneof >= 0 || !n.flows
		b.streams = b.streams && !(p.must && p.skip)
	}
	for at, i := range n.members {
		if i >= 0 {
			n.fields[i].at = at
		}
	}
	return n, nil
}

var wires = map[protoreflect.Kind]protowire.Type{
	protoreflect.Sfixed32Kind: protowire.Fixed32Type, protoreflect.Fixed32Kind: protowire.Fixed32Type, protoreflect.FloatKind: protowire.Fixed32Type,
	protoreflect.Sfixed64Kind: protowire.Fixed64Type, protoreflect.Fixed64Kind: protowire.Fixed64Type, protoreflect.DoubleKind: protowire.Fixed64Type,
	protoreflect.StringKind: protowire.BytesType, protoreflect.BytesKind: protowire.BytesType, protoreflect.MessageKind: protowire.BytesType,
	protoreflect.GroupKind: protowire.StartGroupType,
}

// single compiles one value of a field; of one that is passed over its own message is not
// looked into.
func (b *builder) single(fd protoreflect.FieldDescriptor, t plans.Type, skip bool) (*value, error) {
	s := &value{num: fd.Number(), kind: fd.Kind(), wire: wires[fd.Kind()], named: nameOf(fd)}
	if checked, ok := fd.(interface{ EnforceUTF8() bool }); ok && fd.Kind() == protoreflect.StringKind {
		s.utf8 = checked.EnforceUTF8()
	}
	if skip || fd.Message() == nil {
		return s, nil
	}
	t.Nullable = false
	var err error
	s.node, err = b.node(fd.Message(), t)
	return s, err
}

// nameOf is what a value is called in errors.
func nameOf(fd protoreflect.FieldDescriptor) string {
	k, ok := planKinds[fd.Kind()]
	if !ok {
		return string(fd.Message().Name())
	}
	return string(k)
}

// field finds a field by its number.
func (n *node) field(num protowire.Number) int {
	if int(num) < len(n.byNum) {
		return int(n.byNum[num]) - 1
	}
	if i, ok := n.high[num]; ok {
		return i
	}
	return -1
}
