package frame

import (
	"reflect"
	"strconv"
	"unsafe"

	"github.com/tinylib/msgp/msgp"

	"github.com/levada-io/levada/plan"
)

// constant is the only value of a member. Its node is one of the kind kConst, and base
// the one of the values that are held against it: so no other kind pays for constants.
type constant struct {
	base   *node
	frame  []byte // without a presence byte
	text   string // JSON
	packed []byte // MessagePack
}

// constant is the node of a member with a constant; of is that of its type.
func (c *compiler) constant(of *node, f plan.Field) (*node, error) {
	f.Type = plan.Type{Kind: of.planKind(), Nullable: of.nullable}
	v, err := f.Constant()
	if err != nil {
		return nil, err
	}
	k := &constant{base: of}
	if of.nullable {
		k.base = &node{kind: of.kind}
		c.all = append(c.all, k.base)
	}
	switch v := v.(type) {
	case string:
		k.frame = appendText(nil, v)
		k.text, k.packed = string(appendQuoted(nil, []byte(v))), packString(nil, v)
	case bool:
		k.frame = []byte{0}
		if v {
			k.frame[0] = 1
		}
		k.text, k.packed = strconv.FormatBool(v), msgp.AppendBool(nil, v)
	case int64:
		k.frame = le.AppendUint64(nil, uint64(v))
		k.text, k.packed = strconv.FormatInt(v, 10), packInt(nil, v)
	case uint64:
		k.frame = le.AppendUint64(nil, v)
		k.text, k.packed = strconv.FormatUint(v, 10), msgp.AppendUint64(nil, v)
	}
	n := &node{kind: kConst, nullable: of.nullable, konst: k}
	c.all = append(c.all, n)
	return n, nil
}

// planKind is the kind as a plan names it; of a constant, that of its values.
func (n *node) planKind() plan.TypeKind {
	if n.kind == kConst {
		n = n.konst.base
	}
	return kinds[n.kind]
}

// check holds the frame of a value against the constant.
func (k *constant) check(value []byte) error {
	if string(value) == string(k.frame) {
		return nil
	}
	return errorf("expected %s, got %s", k.text, k.base.show(value))
}

// show is the value of a frame of a scalar as messages show it.
func (n *node) show(value []byte) string {
	switch k := n.kind; {
	case k == kString:
		return strconv.Quote(shorten(value[4:]))
	case k == kBool:
		return strconv.FormatBool(value[0] == 1)
	case k.unsigned():
		return strconv.FormatUint(le.Uint64(value), 10)
	}
	return strconv.FormatInt(int64(le.Uint64(value)), 10)
}

// constant reads a constant.
func (r *reader) constant(n *node) error {
	from := r.off
	if err := r.skipBare(n.konst.base); err != nil {
		return err
	}
	return n.konst.check(r.b[from:r.off])
}

// constant reads a constant into dst.
func (p *parser) constant(n *node) error {
	at := len(p.dst)
	if err := p.bare(n.konst.base); err != nil {
		return err
	}
	return n.konst.check(p.dst[at:])
}

func (u unpacker) constant(n *node) error {
	at := len(u.dst)
	if err := u.bare(n.konst.base); err != nil {
		return err
	}
	return n.konst.check(u.dst[at:])
}

// checkConst holds the value in memory against the constant.
func (t *memType) checkConst(p unsafe.Pointer) error { return t.node.konst.in(p, t.elem.op) }

// in holds the value at p, which lies in memory as op says, against the constant.
func (k *constant) in(p unsafe.Pointer, op memOp) error {
	var v uint64
	switch op {
	case memString:
		s := *(*string)(p)
		if s == asText(k.frame[4:]) {
			return nil
		}
		return errorf("expected %s, got %s", k.text, strconv.Quote(shorten([]byte(s))))
	case memBool:
		if *(*uint8)(p) == k.frame[0] {
			return nil
		}
		return errorf("expected %s, got %t", k.text, *(*bool)(p))
	case memInt8:
		v = uint64(*(*int8)(p))
	case memInt16:
		v = uint64(*(*int16)(p))
	case memInt32:
		v = uint64(*(*int32)(p))
	case memUint8:
		v = uint64(*(*uint8)(p))
	case memUint16:
		v = uint64(*(*uint16)(p))
	case memUint32:
		v = uint64(*(*uint32)(p))
	default:
		v = *(*uint64)(p)
	}
	if v == le.Uint64(k.frame) {
		return nil
	}
	return k.check(le.AppendUint64(nil, v))
}

// constant compiles what reads a value where one of the two sides has a constant.
func (c *decCompiler) constant(d *decType, t reflect.Type) error {
	d.op = decConst
	from, want := d.from, d.want
	if from.kind == kAny {
		d.op = decDynamic
	}
	if from.kind == kConst && want.kind == kConst && string(from.konst.frame) != string(want.konst.frame) {
		return errorf("expected %s, got %s", want.describe(), from.describe())
	}
	if from.kind == kConst {
		from = from.konst.base
	}
	if want.kind == kConst {
		want = want.konst.base
	}
	if from.nullable {
		bare := *from // the presence byte is behind us
		bare.nullable = false
		from = &bare
	}
	if want.nullable {
		bare := *want
		bare.nullable = false
		want = &bare
	}
	var err error
	d.elem, err = c.compile(from, t, want)
	return err
}

func (d *decType) constant(r *reader, p unsafe.Pointer) error {
	from := r.off
	if err := d.elem.bare(r, p); err != nil {
		return err
	}
	if d.from.kind == kConst {
		if err := d.from.konst.check(r.b[from:r.off]); err != nil {
			return err
		}
	}
	if d.want.kind == kConst {
		return d.want.konst.in(p, memOpOf(d.want.konst.base.kind))
	}
	return nil
}

// memOpOf is how a scalar lies in memory.
func memOpOf(k kind) memOp {
	if k == kString {
		return memString
	}
	return memOp(k) // the same order
}

// written is the text of a member where Go has its zero value, which is zero.
func (n *node) written(zero string) string {
	if n.kind == kConst && !n.nullable {
		return n.konst.text
	}
	return zero
}
