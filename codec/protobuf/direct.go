package protobuf

import (
	"math"
	"strings"

	"github.com/tinylib/msgp/msgp"
	"google.golang.org/protobuf/encoding/protowire"
	"google.golang.org/protobuf/reflect/protoreflect"

	plans "github.com/levada-io/levada/plan"
)

// Where a type has what the schema has, member for member, messages become frames and frames
// messages without MessagePack between: the direct way, of readframe.go and writeframe.go.
// Whether a type has it is decided once, for all of it. It stops at whatever is odd, an error
// above all, and the message is read or written by way of MessagePack from its beginning. So
// there is one definition of what is wrong, and of what an odd value means.

// Presence bytes of a frame.
const (
	null    = 0
	present = 1
	absent  = 2
)

// framed is how a frame has a member.
type framed struct {
	byte     bool // one says whether the value is there
	optional bool
	mayNull  bool
	elemByte bool // one stands before each element
	leaves   bool // what did not come is left out
	unwanted bool // what came is left out where it is empty or zero
	empty    bool // omitempty
	zero     bool // omitzero, of what has no null
	nulls    bool // null says that there is no value
	zeroed   bool // absence may stand for a zero that is written
	cost     int  // bytes in MessagePack of a zero, with its name

	at    int  // which member it is
	tag   byte // of the field, where it has one byte; else 0
	whole bool // an integer as it is, which is not written where it is zero
	plain bool // a number of 64 bits as it is, which is always there
	rare  bool // it is counted, or moves
}

// form is what a value is, on the wire and in a frame.
type form uint8

const (
	formWord  form = iota // 64 bits as they are
	formInt32             // with its sign
	formUint32
	formFloat
	formBool
	formText
	formBytes
	formMessage
)

var forms = map[protoreflect.Kind]form{
	protoreflect.BoolKind: formBool, protoreflect.StringKind: formText, protoreflect.BytesKind: formBytes,
	protoreflect.MessageKind: formMessage, protoreflect.GroupKind: formMessage, protoreflect.FloatKind: formFloat,
	protoreflect.Int32Kind: formInt32, protoreflect.Sint32Kind: formInt32, protoreflect.Sfixed32Kind: formInt32, protoreflect.EnumKind: formInt32,
	protoreflect.Uint32Kind: formUint32, protoreflect.Fixed32Kind: formUint32,
}

// scalar is how numbers of a frame go with those of a field.
type scalar struct {
	form   form
	signed bool // the frame's
	narrow bool // the frame's kind does not hold all of the field's
	single bool // the frame's kind is float32
	// Of the frame's kind, and of the field's.
	least, leastOf int64
	most, mostOf   uint64
}

type bounds struct {
	least int64
	most  uint64
}

var integers = map[plans.TypeKind]bounds{
	plans.TInt8: {math.MinInt8, math.MaxInt8}, plans.TInt16: {math.MinInt16, math.MaxInt16}, plans.TInt32: {math.MinInt32, math.MaxInt32}, plans.TInt64: {math.MinInt64, math.MaxInt64},
	plans.TUint8: {0, math.MaxUint8}, plans.TUint16: {0, math.MaxUint16}, plans.TUint32: {0, math.MaxUint32}, plans.TUint64: {0, math.MaxUint64},
}

// direct are the ways of a type that need no MessagePack; streams says that a message may be
// gone through once.
type direct struct{ reads, writes, streams bool }

func (d *direct) none() { *d = direct{} }

// structure looks at what a message is in a frame.
func (d *direct) structure(n *node, t plans.Type) {
	if t.Kind != plans.TStruct || t.Extra || len(n.oneofs) > 64 {
		d.none()
		return
	}
	known := 0
	for _, f := range t.Fields {
		i, ok := n.index[f.Name]
		switch {
		case ok:
			known++
		case f.Optional:
			i = -1
		default:
			d.none()
		}
		n.members = append(n.members, i)
	}
	for i := range n.fields[known:] {
		if !n.fields[known+i].skip {
			d.none() // it is looked into
		}
	}
}

// written are the members of a message, as places in its frame, in the order that they are
// written in.
func (n *node) written() []int {
	places := make([]int, len(n.fields)) // and one
	for at, i := range n.members {
		if i >= 0 {
			places[i] = at + 1
		}
	}
	var out []int
	for _, i := range n.order {
		if places[i] > 0 {
			out = append(out, places[i]-1)
		}
	}
	return out
}

// byNumber says that the members come in the order of their numbers, as many libraries write
// them, those of oneofs too.
func (n *node) byNumber() bool {
	last := protowire.Number(0)
	for _, i := range n.members {
		if i < 0 {
			continue
		}
		if n.fields[i].num < last {
			return false
		}
		last = n.fields[i].num
	}
	return true
}

// member looks at a member, whose type is resolved, and so is elem.
func (d *direct) member(p *place, f plans.Field, t, elem plans.Type) {
	p.framed = framed{
		byte: f.Optional || t.Nullable, optional: f.Optional, mayNull: t.Nullable, elemByte: elem.Nullable,
		leaves:   p.told || p.bare || p.lean && p.maybeEmpty(),
		unwanted: !p.told && (p.lean || p.bare),
		empty:    strings.Contains(f.Omit, "omitempty"),
		zero:     p.bare && !t.Nullable,
		nulls:    f.Omit != "" || p.told || p.list || p.dict,
		zeroed:   f.Omit == "omitempty" && p.told && !t.Nullable && !p.maybeEmpty(),
	}
	if !p.told {
		p.cost = len(p.appendZero(msgp.AppendString(nil, p.name)))
	}
	of := t
	switch {
	case p.dict && t.Kind == plans.TMap, p.list && t.Kind == plans.TList:
		of = elem
	case p.dict || p.list:
		d.none()
	case p.zero && p.node != nil:
		d.writes = false // whether a message is zero is told from all of it
	}
	if p.dict {
		p.key.form = forms[p.key.kind]
		p.key.leastOf, p.key.mostOf = limits(p.key.kind)
	}
	if f.Const != "" || f.Rules != "" || t.Unit != "" || elem.Unit != "" {
		d.none()
	}
	p.scalar = scalar{form: forms[p.kind]}
	fits := false
	switch p.form {
	case formBool:
		fits = of.Kind == plans.TBool
	case formText:
		fits = of.Kind == plans.TString
	case formBytes:
		fits = of.Kind == plans.TBytes
	case formMessage:
		fits = of.Kind == plans.TStruct
	default:
		in, integer := integers[of.Kind]
		p.least, p.most, p.signed, p.single = in.least, in.most, in.least < 0, of.Kind == plans.TFloat32
		switch p.kind {
		case protoreflect.FloatKind:
			fits = p.single || of.Kind == plans.TFloat64
		case protoreflect.DoubleKind:
			fits, p.narrow = p.single || of.Kind == plans.TFloat64, p.single
			if p.single && p.unwanted {
				d.reads = false // what is nearly zero becomes one, and is not left out
			}
		default:
			p.leastOf, p.mostOf = limits(p.kind)
			fits, p.narrow = integer, p.leastOf < p.least || p.mostOf > p.most
		}
	}
	if !fits {
		d.none()
	}
	if p.dict {
		p.second.scalar = p.scalar
	}
	if tag := protowire.EncodeTag(p.num, p.outer); tag < 0x80 {
		p.tag = byte(tag)
	}
	p.plain = p.form == formWord && !p.narrow && !p.byte && !p.unwanted && !p.list && !p.dict
	in := integers[of.Kind]
	p.whole = p.tag != 0 && !p.told && !p.list && !p.dict &&
		(p.kind == protoreflect.Int64Kind && in.least < 0 || p.kind == protoreflect.Uint64Kind && in.least == 0)
}

// real says that a value is a float.
func (s *value) real() bool {
	return s.kind == protoreflect.FloatKind || s.kind == protoreflect.DoubleKind
}

// word is a number of the wire as a frame has it; false: the frame's kind does not hold it.
func (s *value) word(v uint64) (uint64, bool) {
	switch s.form {
	case formInt32:
		v = uint64(int64(int32(v)))
	case formUint32:
		v = uint64(uint32(v))
	case formFloat:
		return math.Float64bits(float64(math.Float32frombits(uint32(v)))), true
	}
	if !s.narrow {
		return v, true
	}
	if s.single {
		wide := math.Float64frombits(v)
		f := float64(float32(wide))
		return math.Float64bits(f), !math.IsInf(f, 0) || math.IsInf(wide, 0)
	}
	if s.leastOf < 0 && int64(v) < 0 {
		return v, int64(v) >= s.least
	}
	return v, v <= s.most
}

// appendTag appends a tag; most have one byte.
func appendTag(dst []byte, num protowire.Number, t protowire.Type) []byte {
	if tag := protowire.EncodeTag(num, t); tag < 0x80 {
		return append(dst, byte(tag))
	}
	return protowire.AppendTag(dst, num, t)
}
