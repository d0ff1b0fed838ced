package planner

import (
	"encoding/json/v2"
	"errors"
	"fmt"
	"reflect"
	"unsafe"

	"github.com/levada-io/levada/codec"
	"github.com/levada-io/levada/internal/frame"
	"github.com/levada-io/levada/internal/program"
	"github.com/levada-io/levada/plan"
	"github.com/levada-io/levada/record"
)

// told is what Python is told of a side of a step, see program.Carriage.Python.
type told struct {
	Word  string               `json:"word"`
	Type  *plan.Type           `json:"type,omitempty"` // none: any
	Types map[string]plan.Type `json:"types,omitempty"`
}

func (t told) text() (string, error) {
	if t.Word == plan.CrossCustom {
		return "", nil
	}
	b, err := json.Marshal(t, json.Deterministic(true))
	return string(b), err
}

// into is how payloads of a form come to a Python step.
func (l *lowering) into(n *node, f form) (*program.Carriage, error) {
	c, err := l.carrier(n.word)
	if err != nil {
		return nil, n.problem("bad-crossing", "", "crossing is %q: %v", n.word, err)
	}
	t := told{Word: n.word}
	if n.word != plan.CrossProtobuf {
		switch f.kind {
		case raw:
			t.Type = &plan.Type{Kind: plan.TBytes, Nullable: true}
		case values:
			own, types, err := frame.TypeOf(f.typ)
			if err != nil {
				return nil, n.problem("bad-type", "", "%v", err)
			}
			t.Type, t.Types = &own, types
		case frames:
			t.Type, t.Types = &n.prev.out, l.types
		}
	}
	text, err := t.text()
	if err != nil {
		return nil, err
	}
	out := &outgoing{codec: c, null: nulls[n.word], bound: map[reflect.Type]codec.Bound{}}
	out.wires.codec, _ = c.(framing)
	return &program.Carriage{Python: text, Bytes: out.column}, nil
}

// outOf completes the form in which results leave Python by the word in front of n.
func (l *lowering) outOf(n *node, pf *program.Form) error {
	if !n.wrapped() {
		return nil
	}
	c, err := l.carrier(n.word)
	if err != nil {
		return n.problem("bad-crossing", "", "crossing is %q: %v", n.word, err)
	}
	t := told{Word: n.word}
	in := &incoming{step: n.Name}
	k := pf.Kit
	switch {
	case pf.Kind == program.Dynamic:
		framed, ok := c.(framing)
		if !ok {
			return n.problem("bad-crossing", "", "crossing is %q: expected a step in Go behind step %q, got a serialize of %s", n.word, n.giver.Name, n.codec)
		}
		if in.wire, err = framed.Wire(frame.Any()); err != nil {
			return err
		}
	case pf.Kind == program.Raw && n.asBytes() && (n.fn == nil || n.lang != golang):
		// A sink or a serialize of raw: what comes back is what it takes.
	case pf.Kind == program.Raw:
		k = program.KitOf[[]byte]()
		fallthrough
	default:
		if in.bound, err = c.Bind(k.Type()); err != nil {
			return n.problem("bad-crossing", "", "crossing is %q: %v", n.word, err)
		}
		in.kit = k
		if n.word != plan.CrossProtobuf {
			own, types, err := frame.TypeOf(k.Type())
			if err != nil {
				return n.problem("bad-type", "", "%v", err)
			}
			t.Type, t.Types = &own, types
		}
	}
	text, err := t.text()
	if err != nil {
		return err
	}
	pf.Out = &program.Carriage{Python: text}
	switch {
	case in.wire != nil:
		pf.Out.Values = in.frames
	case in.kit != nil:
		pf.Out.Values = in.values
	}
	return nil
}

// comeBack takes objects out of Python where no function does.
func (l *lowering) comeBack(n *node, pf program.Form) (program.Op, error) {
	if n.lang != python {
		if err := l.outOf(n, &pf); err != nil {
			return nil, err
		}
	}
	return l.cat.Python.Run([]program.Call{{Step: n.Name}}, pf)
}

// nulls are the messages of a null; none: nothing is one.
var nulls = map[string]string{plan.CrossJSON: "null", plan.CrossMsgpack: "\xc0"}

// outgoing makes the payloads of columns into bytes of a codec.
type outgoing struct {
	codec codec.Codec
	null  string
	bound map[reflect.Type]codec.Bound
	wires wires
}

func (o *outgoing) column(c record.Column) (func(buf []byte, i int) ([]byte, bool, error), error) {
	switch col := c.(type) {
	case *frame.Column:
		if o.wires.codec == nil {
			return nil, fmt.Errorf("BUG: %T has no frames", o.codec)
		}
		wire, err := o.wires.of(col.Layout())
		if err != nil {
			return nil, err
		}
		return func(buf []byte, i int) ([]byte, bool, error) {
			buf, err := wire.Append(buf, col.Value(i))
			return buf, err == nil, err
		}, nil
	case record.Bytes:
		b, err := o.of(reflect.TypeFor[[]byte]())
		if err != nil {
			return nil, err
		}
		return func(buf []byte, i int) ([]byte, bool, error) {
			if col[i] == nil {
				return append(buf, o.null...), o.null != "", nil
			}
			buf, err := b.Append(buf, &col[i])
			return buf, err == nil, err
		}, nil
	case program.Typed:
		v := reflect.ValueOf(col.Slice())
		b, err := o.of(v.Type().Elem())
		if err != nil {
			return nil, err
		}
		return func(buf []byte, i int) ([]byte, bool, error) {
			buf, err := b.Append(buf, v.Index(i).Addr().Interface())
			return buf, err == nil, err
		}, nil
	}
	return nil, fmt.Errorf("BUG: a column of %T has no bytes", c)
}

func (o *outgoing) of(t reflect.Type) (codec.Bound, error) {
	if b, ok := o.bound[t]; ok {
		return b, nil
	}
	b, err := o.codec.Bind(t)
	if err == nil {
		o.bound[t] = b
	}
	return b, err
}

// incoming makes bytes of a codec into a column.
type incoming struct {
	step  string
	kit   program.Kit
	bound codec.Bound
	wire  frame.Wire
}

var errNull = errors.New("returned value: expected bytes, got null")

func (in *incoming) frames(b record.Bytes, fail func(i int, err error)) (record.Column, error) {
	return readEach(in.wire, b, func(i int, err error) { fail(i, ofResult(err)) })
}

func (in *incoming) values(b record.Bytes, fail func(i int, err error)) (record.Column, error) {
	t := in.kit.Type()
	col, base := in.kit.Make(len(b))
	good := make([]int32, 0, len(b))
	program.Each("the decoder", len(b), func(i int) error {
		if b[i] == nil {
			return errNull
		}
		dst := reflect.NewAt(t, unsafe.Add(base, uintptr(i)*t.Size())).Interface()
		if err := in.bound.Decode(b[i], dst); err != nil {
			return err
		}
		good = append(good, int32(i))
		return nil
	}, func(i int, err error) {
		if err != errNull {
			err = ofResult(err)
		}
		fail(i, err)
	})
	if len(good) < len(b) {
		return col.Select(good), nil
	}
	return col, nil
}

func ofResult(err error) error { return fmt.Errorf("returned value: %w", err) }
