package avro

import (
	"encoding/binary"
	"slices"
	"time"

	"github.com/levada-io/levada/plan"
)

// Values of plain types go from a message straight into a frame and back: records, lists,
// maps, scalars, and what may be null or absent. Which pairs of a schema and a type do is
// decided when both are compiled. A message or a frame with something odd in it, a mistake or
// a key that comes twice say, is left to the way by MessagePack, which knows all rules and
// says what is wrong: so there is one account of both, and the short way has no errors of its own.

// An inlet is a place of a writer's schema whose values become frames.
type inlet struct {
	op       op
	presence bool   // a presence byte stands in front
	null     []byte // what null is in a frame; nil: odd
	node     *node
	narrow   bool  // a float of 32 bits
	lo, hi   int64 // of an integer
	elem     *inlet
	branches []*inlet
	symbols  [][]byte // with their lengths; nil: odd
	steps    []inStep
	order    []piece // in which members stand in the frame; nil: as they come
}

// An outlet is a place of a schema that frames are written by.
type outlet struct {
	op       op
	nullable bool
	null     []byte // what null, and a member that is left out, is in a message; nil: odd
	branch   []byte // the number of the union's branch that other values are of
	node     *node
	simple   bool // text or an integer, in no union
	narrow   bool // a float of 32 bits
	unsigned bool
	elem     *outlet
	steps    []outStep
	order    []piece // in which fields stand in the message; nil: as they come
	after    []byte  // fields behind the last member
}

// op is how one place is read or written.
type op uint8

const (
	opOdd op = iota // always by way of MessagePack
	opNull
	opBool
	opWord // an integer
	opReal // a float that the other side has as an integer
	opFloat
	opDouble
	opText
	opBytes
	opFixed
	opSymbol
	opTime
	opUnion
	opRecord
	opList
	opMap
)

// inStep is a field of the writer's, or what stands in a frame where it has none.
type inStep struct {
	into *inlet
	skip *node
	fill []byte
}

// outStep is a member of the layout.
type outStep struct {
	to                           *outlet
	presence, nullable, optional bool

	omit      bool // there is a rule
	omitEmpty bool // and what is empty is left out by it
	omitZero  bool // or what is zero
	zero      bool // absent is a zero value that is written
	text      bool // empty is a length or count of 0
	at        bool // it is a time
	flag      bool // it is a bool
	real      bool // it is a float

	before []byte // fields in front of it that the layout does not have
}

// piece is a part of a record: the one that came as number at, or else fill.
type piece struct {
	at   int
	fill []byte
}

// director compiles inlets and outlets, for types as a layout has them: only structs have
// names. Recursion goes by the names of types on one side and by nodes on the other.
type director struct {
	none   bool
	types  map[string]plan.Type
	strict bool
	ins    map[direct]*inlet
	outs   map[direct]*outlet
}

type direct struct {
	node  *node
	name  string
	flags uint8
}

// newDirector returns the one for values of a type. Where it has a union somewhere there is no
// short way for any of it: messages with one are marked MessagePack, all others are not.
func newDirector(t plan.Type, types map[string]plan.Type, strict bool) *director {
	d := &director{types: types, strict: strict, ins: map[direct]*inlet{}, outs: map[direct]*outlet{}}
	d.none = hasUnion(t)
	for _, t := range types {
		d.none = d.none || hasUnion(t)
	}
	return d
}

func hasUnion(t plan.Type) bool {
	return t.Kind == plan.TUnion || t.Elem != nil && hasUnion(*t.Elem) || slices.ContainsFunc(t.Elems, hasUnion) ||
		slices.ContainsFunc(t.Fields, func(f plan.Field) bool { return hasUnion(f.Type) })
}

func flagsOf(all ...bool) (flags uint8) {
	for i, is := range all {
		if is {
			flags |= 1 << i
		}
	}
	return flags
}

const (
	isNull  = 0 // presence bytes
	isThere = 1
	isGone  = 2
)

var little = binary.LittleEndian

func varint(v int) []byte { return binary.AppendVarint(nil, int64(v)) }

// appendBlob appends text or bytes of a frame.
func appendBlob(dst, b []byte) []byte { return append(little.AppendUint32(dst, uint32(len(b))), b...) }

// counted says that null is an empty value in a frame where it may not be null.
func counted(k plan.TypeKind) bool { return k == plan.TList || k == plan.TMap || k == plan.TBytes }

// inlet compiles a place; optional: it is a member that may be absent. nil: there is no short
// way.
func (d *director) inlet(n *node, named plan.Type, optional bool) *inlet {
	t, err := named.Resolve(d.types)
	if err != nil || d.none {
		return nil
	}
	k := direct{n, named.Name, flagsOf(t.Nullable, optional)}
	if named.Kind == plan.TRef {
		if in, ok := d.ins[k]; ok {
			if in.op == opOdd {
				return nil
			}
			return in
		}
	}
	in := &inlet{op: opRecord, node: n, presence: t.Nullable || optional, narrow: t.Kind == plan.TFloat32}
	if named.Kind == plan.TRef {
		d.ins[k] = in
	}
	switch {
	case t.Nullable:
		in.null = []byte{isNull}
	case counted(t.Kind) && optional:
		in.null = []byte{isGone}
	case counted(t.Kind):
		in.null = make([]byte, 4)
	}
	named.Nullable, t.Nullable = false, false
	if n.kind != kUnion && n.kind != kNull {
		in.op = d.into(in, n, t)
	} else if in.op = opNull; n.kind == kUnion {
		in.op = opOdd
		for _, b := range n.branches {
			one := &inlet{op: opNull}
			if b.kind != kNull {
				if one = d.inlet(b, named, false); one == nil {
					one = &inlet{}
				}
			}
			if one.op > opNull {
				in.op = opUnion
			}
			in.branches = append(in.branches, one)
		}
	}
	if in.op == opOdd {
		*in = inlet{} // who has it already, below, must not read half a record
		return nil
	}
	return in
}

var ranges = map[plan.TypeKind][2]int64{
	plan.TInt8: {-1 << 7, 1<<7 - 1}, plan.TInt16: {-1 << 15, 1<<15 - 1}, plan.TInt32: {-1 << 31, 1<<31 - 1}, plan.TInt64: {-1 << 63, 1<<63 - 1},
	plan.TUint8: {0, 1<<8 - 1}, plan.TUint16: {0, 1<<16 - 1}, plan.TUint32: {0, 1<<32 - 1}, plan.TUint64: {0, 1<<63 - 1},
}

func isFloat(k plan.TypeKind) bool { return k == plan.TFloat32 || k == plan.TFloat64 }

// into compiles what a value that is there becomes.
func (d *director) into(in *inlet, n *node, t plan.Type) op {
	as := n.as
	switch whole, ok := ranges[t.Kind]; n.kind {
	case kBool:
		if t.Kind == plan.TBool {
			return opBool
		}
	case kInt, kLong:
		in.lo, in.hi = whole[0], whole[1]
		if n.kind == kInt {
			in.lo, in.hi = max(in.lo, -1<<31), min(in.hi, 1<<31-1)
		}
		if ok && (as == kInt || as == kLong) {
			return opWord
		}
		if isFloat(t.Kind) {
			in.lo, in.hi = -1<<63, 1<<63-1
			if n.kind == kInt {
				in.lo, in.hi = -1<<31, 1<<31-1
			}
			return opReal
		}
	case kFloat:
		if isFloat(t.Kind) {
			return opFloat
		}
	case kDouble:
		if isFloat(t.Kind) {
			return opDouble
		}
	case kString, kBytes:
		if as == kString && t.Kind == plan.TString {
			return opText
		}
		if as == kBytes && t.Kind == plan.TBytes {
			return opBytes
		}
	case kFixed:
		if t.Kind == plan.TBytes {
			return opFixed
		}
	case kEnum:
		if t.Kind != plan.TString {
			return opOdd
		}
		for _, s := range n.symbols {
			if n.wrote != nil && s == "" {
				in.symbols = append(in.symbols, nil)
				continue
			}
			in.symbols = append(in.symbols, appendBlob(nil, []byte(s)))
		}
		return opSymbol
	case kMillis, kMicros, kDays, kLongMillis, kLongMicros:
		if n.timeOf(t) {
			return opTime
		}
	case kArray:
		if t.Kind == plan.TList {
			if in.elem = d.inlet(n.elem, *t.Elem, false); in.elem != nil {
				return opList
			}
		}
	case kMap:
		if t.Kind == plan.TMap {
			if in.elem = d.inlet(n.elem, *t.Elem, false); in.elem != nil {
				return opMap
			}
		}
	case kRecord:
		if t.Kind == plan.TStruct && !t.Extra && d.members(in, n, t) {
			return opRecord
		}
	}
	return opOdd
}

// timeOf says that the values are times, or durations, as the schema has them.
func (n *node) timeOf(t plan.Type) bool {
	if n.kind.isLong() {
		return t.Kind == plan.TDuration
	}
	return t.Kind == plan.TTime
}

// plain says that the member has nothing that other code looks after.
func plain(f *plan.Field) bool { return f.Const == "" && f.Rules == "" }

// members compiles the fields of a record.
func (d *director) members(in *inlet, n *node, t plan.Type) bool {
	at := map[string]int{} // of the layout
	for i := range t.Fields {
		if !plain(&t.Fields[i]) {
			return false
		}
		at[t.Fields[i].Name] = i
	}
	from := make([]int, len(t.Fields)) // number of the step, from 1
	count, last, inOrder := 0, -1, true
	var steps []inStep
	for i := range n.fields {
		f := &n.fields[i]
		to, ok := at[f.name]
		if f.skip || !ok {
			if !f.skip && d.strict {
				return false
			}
			steps = append(steps, inStep{skip: f.node})
			continue
		}
		m := &t.Fields[to]
		one := d.inlet(f.node, m.Type, m.Optional)
		if one == nil {
			return false
		}
		count++
		from[to] = count
		inOrder = inOrder && to > last
		last = to
		steps = append(steps, inStep{into: one})
	}
	fills := make([][]byte, len(t.Fields))
	for i := range t.Fields {
		f := &t.Fields[i]
		if from[i] > 0 {
			continue
		}
		if def, ok := n.defaults[f.Name]; ok {
			one := d.inlet(def.node, f.Type, f.Optional)
			if one == nil {
				return false
			}
			if fills[i], ok = new(framer).frame(nil, def.text, one); !ok {
				return false
			}
		} else if f.Optional {
			fills[i] = []byte{isGone}
		} else {
			return false
		}
	}
	if !inOrder {
		in.steps = steps
		for i := range t.Fields {
			in.order = append(in.order, piece{from[i] - 1, fills[i]})
		}
		return true
	}
	next := 0 // of the layout
	fill := func(to int) {
		for ; next < to; next++ {
			if fills[next] != nil {
				in.steps = append(in.steps, inStep{fill: fills[next]})
			}
		}
	}
	kept := 0
	for _, s := range steps {
		if s.into != nil {
			kept++
			fill(slices.Index(from, kept))
		}
		in.steps = append(in.steps, s)
	}
	fill(len(t.Fields))
	return true
}

// outlet compiles a place for values that are there or null. nil: there is no short way.
func (d *director) outlet(n *node, named plan.Type) *outlet {
	t, err := named.Resolve(d.types)
	if err != nil || d.none {
		return nil
	}
	k := direct{n, named.Name, flagsOf(t.Nullable)}
	if named.Kind == plan.TRef {
		if out, ok := d.outs[k]; ok {
			if out.op == opOdd {
				return nil
			}
			return out
		}
	}
	out := &outlet{op: opRecord, node: n, nullable: t.Nullable, narrow: t.Kind == plan.TFloat32}
	if named.Kind == plan.TRef {
		d.outs[k] = out
	}
	switch n.kind {
	case kUnion:
		if n.null >= 0 {
			out.null = varint(n.null)
		}
		if n.only >= 0 {
			out.branch, out.node = varint(n.only), n.branches[n.only]
			out.op = d.outOf(out, out.node, t)
		} else {
			out.op = opOdd
		}
	case kNull:
		out.op, out.null = opNull, []byte{}
	default:
		out.op = d.outOf(out, n, t)
	}
	out.simple = out.branch == nil && (out.op == opText || out.op == opWord)
	if out.op == opOdd {
		*out = outlet{}
		return nil
	}
	return out
}

// outOf compiles how a value that is there is written.
func (d *director) outOf(out *outlet, n *node, t plan.Type) op {
	whole, integer := ranges[t.Kind]
	out.unsigned = integer && whole[0] == 0
	switch n.kind {
	case kBool:
		if t.Kind == plan.TBool {
			return opBool
		}
	case kInt, kLong:
		if integer {
			return opWord
		}
	case kFloat, kDouble:
		switch {
		case integer:
			return opReal
		case isFloat(t.Kind):
			return opFloat
		}
	case kString:
		if t.Kind == plan.TString {
			return opText
		}
	case kEnum:
		if t.Kind == plan.TString {
			return opSymbol
		}
	case kBytes:
		if t.Kind == plan.TBytes {
			return opBytes
		}
	case kFixed:
		if t.Kind == plan.TBytes {
			return opFixed
		}
	case kMillis, kMicros, kDays, kLongMillis, kLongMicros:
		if n.timeOf(t) {
			return opTime
		}
	case kArray:
		if t.Kind == plan.TList {
			if out.elem = d.outlet(n.elem, *t.Elem); out.elem != nil {
				return opList
			}
		}
	case kMap:
		if t.Kind == plan.TMap {
			if out.elem = d.outlet(n.elem, *t.Elem); out.elem != nil {
				return opMap
			}
		}
	case kRecord:
		if t.Kind == plan.TStruct && !t.Extra && d.fields(out, n, t) {
			return opRecord
		}
	}
	return opOdd
}

// fields compiles the members of a struct. Those that the schema does not have are refused
// at the start of a pipeline, so that they need no short way.
func (d *director) fields(out *outlet, n *node, t plan.Type) bool {
	from := make([]int, len(n.fields)) // number of the step, from 1
	last, inOrder := -1, true
	for i := range t.Fields {
		f := &t.Fields[i]
		to, ok := n.index[f.Name]
		if !ok || !plain(f) {
			return false
		}
		s, ok := d.step(n.fields[to].node, f)
		if !ok {
			return false
		}
		out.steps = append(out.steps, s)
		from[to] = i + 1
		inOrder = inOrder && to > last
		last = to
	}
	for i := range n.fields {
		var fill []byte
		if from[i] == 0 {
			switch f := n.fields[i].node; {
			case f.kind == kNull:
			case f.kind == kUnion && f.null >= 0:
				fill = varint(f.null)
			default:
				return false
			}
		}
		if !inOrder {
			out.order = append(out.order, piece{from[i] - 1, fill})
			continue
		}
		if out.after = append(out.after, fill...); from[i] > 0 {
			out.steps[from[i]-1].before, out.after = out.after, nil
		}
	}
	return true
}

// step compiles a member.
func (d *director) step(n *node, f *plan.Field) (outStep, bool) {
	t, err := f.Type.Resolve(d.types)
	if err != nil {
		return outStep{}, false
	}
	s := outStep{nullable: t.Nullable, optional: f.Optional, presence: t.Nullable || f.Optional, omit: f.Omit != ""}
	s.text = counted(t.Kind) || t.Kind == plan.TString
	s.at, s.flag, s.real = t.Kind == plan.TTime, t.Kind == plan.TBool, isFloat(t.Kind)
	empty, zero := f.Omit == "omitempty" || f.Omit == "omitempty,omitzero", f.Omit == "omitzero" || f.Omit == "omitempty,omitzero"
	s.zero = f.Omit == "omitempty" && !t.Nullable && !s.text
	s.omitEmpty = empty && s.text
	s.omitZero = zero && !t.Nullable && !counted(t.Kind)
	if t.Kind == plan.TStruct && (empty && !neverEmpty(t) || s.omitZero) {
		return outStep{}, false
	}
	bare := f.Type
	bare.Nullable = false // the presence byte is the member's
	s.to = d.outlet(n, bare)
	return s, s.to != nil
}

// neverEmpty says that a struct has a member that is always written.
func neverEmpty(t plan.Type) bool {
	return slices.ContainsFunc(t.Fields, func(f plan.Field) bool { return !f.Optional && f.Omit == "" })
}

var zeroTime = time.Time{}.UnixMicro()
