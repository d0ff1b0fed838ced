package frame

import (
	"fmt"
	"reflect"
	"slices"
	"strings"
	"unsafe"

	"github.com/tinylib/msgp/msgp"

	"github.com/levada-io/levada/plan"
	"github.com/levada-io/levada/record"
)

// What is called from the switches over kinds is not inlined there: the frames of the
// recursion must not grow for values that are no unions.

// A union is a byte that says which variant it is, and the value of that variant. Text,
// MessagePack and any have no such byte: there a value's kind tells the variant, and of
// objects the constants in it and then the required members.

// shape is what JSON knows of a value.
type shape uint8

const (
	noShape shape = iota
	boolShape
	numberShape
	textShape
	listShape
	objectShape
)

func (n *node) shape() shape {
	switch k := n.kind; {
	case k == kConst:
		return n.konst.base.shape()
	case k == kBool:
		return boolShape
	case k == kList || k == kTuple:
		return listShape
	case k == kStruct || k == kMap:
		return objectShape
	case k == kString || k == kBytes || k == kTime && !n.number():
		return textShape
	case k == kAny || k == kUnion:
		return noShape
	}
	return numberShape
}

func (s shape) String() string {
	return [...]string{"null", "bool", "number", "string", "array", "object"}[s]
}

// union checks that the variants of n can be told apart.
func (n *node) union() error {
	if len(n.elems) < 2 || len(n.elems) > 255 {
		return fmt.Errorf("type union: expected 2 to 255 variants, got %d", len(n.elems))
	}
	of := map[shape]*node{}
	for _, v := range n.elems {
		s := v.shape()
		if s == noShape || v.nullable {
			return fmt.Errorf("type union: expected variants that have a kind of their own and are not null, got %s", v.describe())
		}
		first, twice := of[s]
		if twice && !(v.kind == kStruct && first.kind == kStruct) {
			return fmt.Errorf("type union: expected variants that can be told apart, %s and %s are both a JSON %s", first.describe(), v.describe(), s)
		}
		of[s] = v
	}
	return nil
}

// choice finds the variant that a value is.
type choice struct {
	n      *node
	states [][]memberState // per variant that is a struct, of its fields
}

type memberState uint8

const (
	notThere memberState = iota
	isThere
	isConst // it is the constant
	notConst
)

// choose finds the variant for a value of a shape. members goes over the members of an
// object until it is told that it need not go on; is compares the value in hand.
func (n *node) choose(s shape, members func(visit func(name []byte, is func(*constant) bool) (more bool)) error) (int, error) {
	at, count := -1, 0
	for i, v := range n.elems {
		if v.shape() == s {
			at = i
			count++
		}
	}
	switch {
	case count == 0:
		return 0, errorf("expected %s, got %s", n.describe(), s)
	case count == 1:
		return at, nil
	}
	c := choice{n: n, states: make([][]memberState, len(n.elems))}
	for i, v := range n.elems {
		if v.shape() == s {
			c.states[i] = make([]memberState, len(v.fields))
		}
	}
	if err := members(c.visit); err != nil {
		return 0, err
	}
	return c.decide()
}

// visit notes a member. The rest need not be looked at where a constant tells already:
// where it is there for one variant, and all others have another one in its place.
func (c *choice) visit(name []byte, is func(*constant) bool) bool {
	hits, misses, others := 0, 0, 0
	for i, states := range c.states {
		if states == nil {
			continue
		}
		v := c.n.elems[i]
		at, ok := v.byName[string(name)]
		if !ok {
			others++
			continue
		}
		switch k := v.fields[at].node; {
		case k.kind != kConst:
			states[at] = isThere
			others++
		case is(k.konst):
			states[at] = isConst
			hits++
		default:
			states[at] = notConst
			misses++
		}
	}
	return hits != 1 || others > 0
}

func (c *choice) decide() (int, error) {
	// Variants without a wrong constant; of these, those with a right one where there are
	// any; of these, those whose required members are all there. Of several it is the
	// first, if that one keeps what it does not name: then nothing of the value is lost.
	var fit, tagged, whole []int
	for i, states := range c.states {
		if states == nil || slices.Contains(states, notConst) {
			continue
		}
		fit = append(fit, i)
		if slices.Contains(states, isConst) {
			tagged = append(tagged, i)
		}
	}
	if len(tagged) > 0 {
		fit = tagged
	}
	if len(fit) == 1 && len(tagged) == 1 {
		return fit[0], nil
	}
	for _, i := range fit {
		v := c.n.elems[i]
		missing := false
		for at := range v.fields {
			missing = missing || !v.fields[at].optional && c.states[i][at] == notThere
		}
		if !missing {
			whole = append(whole, i)
		}
	}
	switch len(whole) {
	case 1:
		return whole[0], nil
	case 0:
		return 0, errorf("expected %s, got an object with the constants and required members of none of them", c.n.describe())
	}
	if c.n.elems[whole[0]].extra {
		return whole[0], nil
	}
	return 0, errorf("expected %s, got an object that may be %s", c.n.describe(), c.n.names(whole, " and "))
}

func (n *node) names(of []int, between string) string {
	names := make([]string, len(of))
	for i, at := range of {
		names[i] = n.elems[at].describe()
	}
	return strings.Join(names, between)
}

// maxLooks bounds how often one part of a message is looked at to tell variants apart:
// unions in unions look at what is in them again.
const maxLooks = 64

// looked counts the bytes that were looked at ahead of reading them.
func (p *parser) looked(from int) error {
	if p.ahead += p.pos - from; p.ahead > maxLooks*len(p.src) {
		return errorf("unions nested too deep to be told apart\nhint: a constant that stands first tells at once")
	}
	return nil
}

// variant tells the variant of the value in front, and reads nothing.
func (p *parser) variant(n *node) (int, error) {
	s := noShape
	switch c := p.peek(); {
	case c == '{':
		s = objectShape
	case c == '[':
		s = listShape
	case c == '"':
		s = textShape
	case c == 't' || c == 'f':
		s = boolShape
	case c == '-' || c-'0' <= 9:
		s = numberShape
	case !p.literal("null"):
		return 0, p.syntax("a value")
	}
	from, depth, begin := p.pos, p.depth, len(p.dst)
	at, err := n.choose(s, func(visit func([]byte, func(*constant) bool) bool) error {
		if err := p.enter(); err != nil {
			return err
		}
		p.pos++
		p.space()
		for more := p.peek() != '}'; more; {
			key, err := p.name()
			if err != nil {
				return err
			}
			value := p.pos
			on := visit(key, func(k *constant) bool {
				err := p.bare(k.base)
				is := err == nil && string(p.dst[begin:]) == string(k.frame)
				p.dst, p.pos, p.depth = p.dst[:begin], value, depth+1
				return is
			})
			if !on {
				return nil
			}
			if err := p.skip(); err != nil {
				return err
			}
			if more, err = p.more('}'); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		return 0, err
	}
	if err := p.looked(from); err != nil {
		return 0, err
	}
	p.pos, p.depth = from, depth
	return at, nil
}

func (p *parser) union(n *node) error {
	at, err := p.variant(n)
	if err != nil {
		return err
	}
	p.dst = append(p.dst, byte(at))
	return p.bare(n.elems[at])
}

//go:noinline
func (p *parser) goUnion(t *memType, q unsafe.Pointer) error {
	at, err := p.variant(t.node)
	if err != nil {
		return err
	}
	return t.variants[at].into(t, q, func(r unsafe.Pointer) error { return p.goBare(t.variants[at], r) })
}

func (u unpacker) variant(n *node) (int, error) {
	if u.marked {
		if at, ok := u.mark(); ok && at < len(n.elems) {
			return at, nil
		}
	}
	t, err := u.next()
	if err != nil {
		return 0, err
	}
	s := noShape
	switch t {
	case msgp.MapType:
		s = objectShape
	case msgp.ArrayType:
		s = listShape
	case msgp.BoolType:
		s = boolShape
	case msgp.StrType, msgp.BinType:
		s = textShape
	case msgp.IntType, msgp.UintType, msgp.Float32Type, msgp.Float64Type:
		s = numberShape
	case msgp.ExtensionType: // a time, which JSON has as text
		s = textShape
	}
	from, depth, begin := u.pos, u.depth, len(u.dst)
	at, err := n.choose(s, func(visit func([]byte, func(*constant) bool) bool) error {
		if err := u.enter(); err != nil {
			return err
		}
		count, err := u.head(true)
		if err != nil {
			return err
		}
		for range count {
			key, err := u.name()
			if err != nil {
				return err
			}
			value := u.pos
			on := visit(key, func(k *constant) bool {
				err := u.bare(k.base)
				is := err == nil && string(u.dst[begin:]) == string(k.frame)
				u.dst, u.pos, u.depth = u.dst[:begin], value, depth+1
				return is
			})
			if !on {
				return nil
			}
			if err := u.skip(); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		return 0, err
	}
	if err := u.looked(from); err != nil {
		return 0, err
	}
	u.pos, u.depth = from, depth
	return at, nil
}

func (u unpacker) union(n *node) error {
	at, err := u.variant(n)
	if err != nil {
		return err
	}
	u.dst = append(u.dst, byte(at))
	return u.bare(n.elems[at])
}

//go:noinline
func (u unpacker) goUnion(t *memType, q unsafe.Pointer) error {
	at, err := u.variant(t.node)
	if err != nil {
		return err
	}
	return t.variants[at].into(t, q, func(r unsafe.Pointer) error { return u.goBare(t.variants[at], r) })
}

// A codec whose messages say by themselves which variant they have, and that goes by way of
// MessagePack, passes that on: in front of the value stands an extension of one byte, the
// number of the variant. Messages from elsewhere are never read like that.
const markHead, markType = 0xd4, 'U'

// AppendVariant appends what stands in front of a variant in MarkedMsgpack.
func AppendVariant(dst []byte, at int) []byte { return append(dst, markHead, markType, byte(at)) }

// CutVariant takes it off; false: there is none.
func CutVariant(src []byte) (at int, rest []byte, ok bool) {
	if len(src) < 3 || src[0] != markHead || src[1] != markType {
		return 0, src, false
	}
	return int(src[2]), src[3:], true
}

// mark passes over what stands in front of a variant.
func (u unpacker) mark() (int, bool) {
	at, _, ok := CutVariant(u.src[u.pos:])
	if ok {
		u.pos += 3
	}
	return at, ok
}

// mark makes t, and all that is in it, say which variant its unions have.
func (t *memType) mark() {
	if t == nil || t.marked {
		return
	}
	t.marked = true
	t.elem.mark()
	for i := range t.fields {
		t.fields[i].typ.mark()
	}
	for _, v := range t.variants {
		v.mark()
	}
}

// into reads a variant and puts it into the interface at q, which is of type of.
func (t *memType) into(of *memType, q unsafe.Pointer, read func(r unsafe.Pointer) error) error {
	v := reflect.New(t.rtype)
	if err := read(v.UnsafePointer()); err != nil {
		return err
	}
	reflect.NewAt(of.rtype, q).Elem().Set(v.Elem())
	return nil
}

// variant is what the interface at p holds: its number, and a copy that has an address.
func (t *memType) variant(p unsafe.Pointer) (int, unsafe.Pointer, error) {
	v := reflect.NewAt(t.rtype, p).Elem().Elem()
	if !v.IsValid() {
		return 0, nil, errorf("expected %s, got nil", t.node.describe())
	}
	at := slices.IndexFunc(t.variants, func(m *memType) bool { return m.rtype == v.Type() })
	if at < 0 {
		return 0, nil, errorf("expected %s, got %s, which is not registered", t.node.describe(), v.Type())
	}
	c := reflect.New(v.Type())
	c.Elem().Set(v)
	return at, c.UnsafePointer(), nil
}

//go:noinline
func (t *memType) rare(buf []byte, p unsafe.Pointer, depth int) ([]byte, error) {
	switch t.op {
	case memConst:
		return append(buf, t.node.konst.frame...), nil
	case memOwn:
		return t.own(buf, p, depth)
	}
	return t.union(buf, p, depth)
}

//go:noinline
func (t *memType) printRare(dst []byte, p unsafe.Pointer, depth int, sort bool) ([]byte, error) {
	switch t.op {
	case memConst:
		return append(dst, t.node.konst.text...), nil
	case memOwn:
		return t.printOwn(dst, p)
	}
	return t.printUnion(dst, p, depth, sort)
}

func (t *memType) union(buf []byte, p unsafe.Pointer, depth int) ([]byte, error) {
	at, q, err := t.variant(p)
	if err != nil {
		return buf, err
	}
	return t.variants[at].bare(append(buf, byte(at)), q, depth)
}

func (t *memType) printUnion(dst []byte, p unsafe.Pointer, depth int, sort bool) ([]byte, error) {
	at, q, err := t.variant(p)
	if err != nil {
		return dst, err
	}
	return t.variants[at].printBare(dst, q, depth, sort)
}

//go:noinline
func (t *memType) packUnion(dst []byte, p unsafe.Pointer, depth int, sort bool) ([]byte, error) {
	at, q, err := t.variant(p)
	if err != nil {
		return dst, err
	}
	if t.marked {
		dst = AppendVariant(dst, at)
	}
	return t.variants[at].pack(dst, q, depth, sort)
}

// variant reads the byte in front of a union.
func (r *reader) variant(n *node) (*node, int, error) {
	at, err := r.byte()
	if err != nil {
		return nil, 0, err
	}
	if int(at) >= len(n.elems) {
		return nil, 0, errorf("frame: %d as a variant of %d", at, len(n.elems))
	}
	return n.elems[at], int(at), nil
}

// union compiles what reads a union into an interface: each variant into the one of its
// name, or else into the first that takes it.
func (c *decCompiler) union(d *decType, t reflect.Type) error {
	d.op = decUnion
	variants, err := record.Variants(t)
	if err != nil {
		return err
	}
	for _, from := range d.from.elems {
		found := c.first(d, from, variants)
		if found == nil {
			return errorf("expected %s, got %s", d.want.describe(), from.describe())
		}
		d.elems = append(d.elems, found)
	}
	return nil
}

// first compiles from into the variant that is meant, or else into the first that takes it;
// nil: none does. A struct that keeps what it does not name would be taken by almost any.
func (c *decCompiler) first(d *decType, from *node, variants []reflect.Type) *decType {
	order := make([]int, 0, 4*len(variants))
	for _, meant := range []func(want *node) bool{
		func(want *node) bool { return want == from || want.name != "" && want.name == from.name },
		func(want *node) bool { return want.name != "" && shortName(want.name) == shortName(from.name) },
		func(want *node) bool { return from.hasAll(want) },
		func(*node) bool { return true },
	} {
		for i, want := range d.want.elems {
			if meant(want) {
				order = append(order, i)
			}
		}
	}
	for _, i := range order {
		done := make(map[decKey]*decType, len(c.done))
		for k, v := range c.done {
			done[k] = v
		}
		e, err := c.compile(from, variants[i], d.want.elems[i])
		if err == nil {
			return e
		}
		c.done = done
	}
	return nil
}

// shortName is a name without its package or module.
func shortName(name string) string { return plan.Type{Kind: plan.TRef, Name: name}.String() }

// hasAll says that n names every required member of want.
func (n *node) hasAll(want *node) bool {
	for i := range want.fields {
		if _, ok := n.byName[want.fields[i].name]; !ok && !want.fields[i].optional {
			return false
		}
	}
	return true
}

// variant compiles what reads a value that is no union into an interface.
func (c *decCompiler) variant(d *decType, t reflect.Type) error {
	d.op = decVariant
	variants, err := record.Variants(t)
	if err != nil {
		return err
	}
	if d.elem = c.first(d, d.from, variants); d.elem == nil {
		return errorf("expected %s, got %s", d.want.describe(), d.from.describe())
	}
	return nil
}

// oneOf compiles what reads a union into a type that takes each of its variants: a struct
// that has less members than they, say.
func (c *decCompiler) oneOf(d *decType, t reflect.Type) error {
	d.op = decOneOf
	for _, from := range d.from.elems {
		e, err := c.compile(from, t, d.want)
		if err != nil {
			return err
		}
		d.elems = append(d.elems, e)
	}
	return nil
}

//go:noinline
func (d *decType) variant(r *reader, p unsafe.Pointer) error {
	v := reflect.New(d.elem.rtype)
	if err := d.elem.bare(r, v.UnsafePointer()); err != nil { // the presence byte is read
		return err
	}
	reflect.NewAt(d.rtype, p).Elem().Set(v.Elem())
	return nil
}

//go:noinline
func (d *decType) oneOf(r *reader, p unsafe.Pointer) error {
	_, at, err := r.variant(d.from)
	if err != nil {
		return err
	}
	return d.elems[at].bare(r, p)
}

//go:noinline
func (d *decType) union(r *reader, p unsafe.Pointer) error {
	_, at, err := r.variant(d.from)
	if err != nil {
		return err
	}
	return d.elems[at].into(d, r, p)
}

// into reads a variant and puts it into the interface at p, which is of type of.
func (d *decType) into(of *decType, r *reader, p unsafe.Pointer) error {
	v := reflect.New(d.rtype)
	if err := d.value(r, v.UnsafePointer()); err != nil {
		return err
	}
	reflect.NewAt(of.rtype, p).Elem().Set(v.Elem())
	return nil
}

// dynamicUnion reads an any; the tag is read.
func (d *decType) dynamicUnion(r *reader, t tag, p unsafe.Pointer) error {
	s := noShape
	switch t {
	case tagFalse, tagTrue:
		s = boolShape
	case tagInt, tagUint, tagFloat, tagDuration:
		s = numberShape
	case tagString, tagBytes, tagTime:
		s = textShape
	case tagList:
		s = listShape
	case tagMap:
		s = objectShape
	}
	// A copy looks ahead: were it the reader itself, all readers would be on the heap.
	look := *r
	at, err := d.want.choose(s, func(visit func([]byte, func(*constant) bool) bool) error {
		n, err := look.count(membersNode)
		if err != nil {
			return err
		}
		if err := look.enter(); err != nil {
			return err
		}
		for range n {
			key, err := look.blob()
			if err != nil {
				return err
			}
			value := look.off
			if err := look.skipAny(); err != nil {
				return err
			}
			if !visit(key, func(k *constant) bool { return k.isAny(look.b[value:look.off]) }) {
				return nil
			}
		}
		return nil
	})
	if err != nil {
		return err
	}
	if r.ahead += look.off - r.off; r.ahead > maxLooks*len(r.b) {
		return errorf("unions nested too deep to be told apart\nhint: a constant that stands first tells at once")
	}
	r.off-- // the tag is read again
	return d.elems[at].into(d, r, p)
}

// isAny says that an any is the constant.
func (k *constant) isAny(value []byte) bool {
	t, rest := tag(value[0]), value[1:]
	switch b := k.base.kind; {
	case b == kBool:
		return t == tagTrue && k.frame[0] == 1 || t == tagFalse && k.frame[0] == 0
	case b == kString:
		return t == tagString && string(rest) == string(k.frame)
	case b.signed():
		return t == tagInt && string(rest) == string(k.frame)
	}
	// Up to the largest int64 it has the tag of one.
	return (t == tagUint || t == tagInt && le.Uint64(k.frame) < 1<<63) && string(rest) == string(k.frame)
}
