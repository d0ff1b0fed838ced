package planner

import (
	"context"
	"errors"
	"fmt"
	"reflect"
	"strings"
	"unsafe"

	"github.com/levada-io/levada/codec/prefix"
	"github.com/levada-io/levada/internal/frame"
	"github.com/levada-io/levada/internal/program"
	"github.com/levada-io/levada/plan"
	"github.com/levada-io/levada/record"
)

// parseOp is a parse whose result no Go step reads first: messages straight into frames.
type parseOp struct {
	step string
	wire frame.Wire
}

func (o *parseOp) Steps() []string { return []string{o.step} }

func (o *parseOp) Process(_ context.Context, c *record.Chunk) error {
	in, ok := c.Col.(record.Bytes)
	if !ok {
		return fmt.Errorf("BUG: step %q: expected raw bytes, got %T", o.step, c.Col)
	}
	var bad failed
	col, err := readEach(o.wire, in, bad.add(c, o.step))
	if err != nil {
		return fmt.Errorf("step %q: %w", o.step, err)
	}
	bad.keep(c, col)
	return nil
}

// readEach is Read of a wire where a panic at a message is what is wrong with that message.
// The wire reads all of them in one go; which one it was is looked for when it has happened.
func readEach(w frame.Wire, messages [][]byte, fail func(i int, err error)) (*frame.Column, error) {
	type failure struct {
		i   int
		err error
	}
	var found []failure // told when the column is there: a panic says nothing of what came before
	col, err := readGuarded(w, messages, func(i int, err error) { found = append(found, failure{i, err}) })
	if _, panicked := errors.AsType[*program.PanicError](err); panicked {
		return prefix.Read(messages, w.Read, func(m []byte) ([]byte, error) {
			_, err := readGuarded(w, [][]byte{m}, func(int, error) {})
			if _, panicked := errors.AsType[*program.PanicError](err); panicked {
				return nil, err
			}
			return m, nil
		}, fail)
	}
	for _, f := range found {
		fail(f.i, f.err)
	}
	return col, err
}

func readGuarded(w frame.Wire, messages [][]byte, fail func(i int, err error)) (col *frame.Column, err error) {
	whole := false
	defer func() {
		if !whole {
			col, err = nil, program.NewPanic("the decoder", recover())
		}
	}()
	col, err = w.Read(messages, fail)
	whole = true
	return col, err
}

// printOp is a serialize of what is no Go value of a known type: frames to messages.
type printOp struct {
	step   string
	result *result // nil: whatever comes
	wires  wires
	frames framer
}

func (o *printOp) Steps() []string { return []string{o.step} }

func (o *printOp) Process(_ context.Context, c *record.Chunk) error {
	var bad failed
	col, err := o.frames.column(c, o.step, &bad)
	if err != nil {
		return err
	}
	wire, err := o.wires.of(col.Layout())
	if err != nil {
		return fmt.Errorf("step %q: %w", o.step, err)
	}
	// What failed on the way into frames is out of c already.
	bad = failed{}
	fail := bad.add(c, o.step)
	buf := make([]byte, 0, col.Size()*2)
	ends := make([]int, 0, col.Len())
	program.Each("the encoder", col.Len(), func(i int) error {
		if o.result != nil {
			if err := o.result.check(col.Value(i)); err != nil {
				bad.add(c, o.result.step)(i, err)
				return nil
			}
		}
		next, err := wire.Append(buf, col.Value(i))
		if err != nil {
			return err
		}
		buf = next
		ends = append(ends, len(buf))
		return nil
	}, fail)
	out, from := make(record.Bytes, len(ends)), 0
	for i, to := range ends {
		out[i] = buf[from:to:to]
		from = to
	}
	bad.keep(c, out)
	return nil
}

// framing is a codec that needs no Go type: what it has for steps whose payloads are
// frames.
type framing interface {
	// Wire is the codec for values of one layout. It is asked once per layout.
	Wire(l *frame.Layout) (frame.Wire, error)
}

// wires are those of one codec, by the layouts that came; layouts are compared by
// address.
type wires struct {
	codec framing
	by    map[*frame.Layout]frame.Wire
}

func (w *wires) of(l *frame.Layout) (frame.Wire, error) {
	if wire, ok := w.by[l]; ok {
		return wire, nil
	}
	wire, err := w.codec.Wire(l)
	if err != nil {
		return nil, err
	}
	if w.by == nil {
		w.by = map[*frame.Layout]frame.Wire{}
	}
	w.by[l] = wire
	return wire, nil
}

// result is what a Python step said that it returns. Its values come as frames of any,
// which take everything: a forgotten return would become a null that nobody asked for.
// Only the outermost value is held against it, which costs one byte's look; members are
// checked where a Go step reads them. Their rules are checked here, for no other step will.
type result struct {
	step     string
	want     string // in Python's words
	tags     string // those of abi/frame.md that fit
	nullable bool
	rules    *frame.AnyRules // nil: the type has none
}

// tags are the kinds of an any that fit a type, and what Python calls it.
var tags = map[plan.TypeKind][2]string{
	plan.TBool:     {"bool", "\x01\x02"},
	plan.TInt8:     {"int", "\x03\x04"},
	plan.TInt16:    {"int", "\x03\x04"},
	plan.TInt32:    {"int", "\x03\x04"},
	plan.TInt64:    {"int", "\x03\x04"},
	plan.TUint8:    {"int", "\x03\x04"},
	plan.TUint16:   {"int", "\x03\x04"},
	plan.TUint32:   {"int", "\x03\x04"},
	plan.TUint64:   {"int", "\x03\x04"},
	plan.TFloat32:  {"float", "\x03\x04\x05"},
	plan.TFloat64:  {"float", "\x03\x04\x05"},
	plan.TString:   {"str", "\x06"},
	plan.TBytes:    {"bytes", "\x07"},
	plan.TList:     {"list", "\x08"},
	plan.TMap:      {"dict", "\x09"},
	plan.TStruct:   {"dict", "\x09"},
	plan.TTime:     {"datetime", "\x0a"},
	plan.TDuration: {"timedelta", "\x0b"},
	plan.TTuple:    {"tuple", "\x08"},
}

// pythons are the names of the tags, from 0.
var pythons = [...]string{"None", "bool", "bool", "int", "int", "float", "str", "bytes", "list", "dict", "datetime", "timedelta"}

// check looks at a value of the layout any.
func (r *result) check(value []byte) error {
	if len(value) == 0 || int(value[0]) >= len(pythons) {
		return errors.New("BUG: returned value: no frame of any")
	}
	tag := value[0]
	if strings.IndexByte(r.tags, tag) >= 0 || tag == 0 && r.nullable {
		if r.rules == nil {
			return nil
		}
		return r.rules.Check(value)
	}
	return fmt.Errorf("returned value: expected `%s`, got `%s` - at `$`", r.want, pythons[tag])
}

// valuesOp changes a column into Go values of another type, by member names.
type valuesOp struct {
	step     string
	kit      program.Kit
	frames   framer
	decoders map[*frame.Layout]*frame.Decoder
}

func (o *valuesOp) Steps() []string { return []string{o.step} }

func (o *valuesOp) Process(_ context.Context, c *record.Chunk) error {
	if _, ok := o.kit.Base(c.Col); ok {
		return nil
	}
	var bad failed
	in, err := o.frames.column(c, o.step, &bad)
	if err != nil {
		return err
	}
	dec, err := o.decoder(in.Layout())
	if err != nil {
		return fmt.Errorf("step %q: %w", o.step, err)
	}
	out, base := o.kit.Make(in.Len())
	bad = failed{}
	dec.Column(in, base, bad.add(c, o.step))
	if bad.idx != nil {
		bad.keepOf(c, out)
		return nil
	}
	c.Col = out
	return nil
}

func (o *valuesOp) decoder(l *frame.Layout) (*frame.Decoder, error) {
	if d, ok := o.decoders[l]; ok {
		return d, nil
	}
	d, err := frame.NewDecoder(l, o.kit.Type())
	if err == nil {
		if o.decoders == nil {
			o.decoders = map[*frame.Layout]*frame.Decoder{}
		}
		o.decoders[l] = d
	}
	return d, err
}

// framer turns columns into frames, with one encoder for each type it has met: layouts
// are compared by address, so that a chunk must not bring a new one.
type framer struct {
	encoders map[reflect.Type]*frame.Encoder
}

// column is the column of the chunk as frames; elements that have no frame were taken
// out of the chunk.
func (f *framer) column(c *record.Chunk, step string, bad *failed) (*frame.Column, error) {
	var values reflect.Value
	switch col := c.Col.(type) {
	case *frame.Column:
		return col, nil
	case record.Bytes:
		values = reflect.ValueOf([][]byte(col))
	case interface{ Slice() any }:
		values = reflect.ValueOf(col.Slice())
	default:
		return nil, fmt.Errorf("BUG: step %q: a column of %T has no frames", step, c.Col)
	}
	enc, ok := f.encoders[values.Type().Elem()]
	if !ok {
		var err error
		if enc, err = frame.NewEncoder(values.Type().Elem()); err != nil {
			return nil, fmt.Errorf("step %q: %w", step, err)
		}
		if f.encoders == nil {
			f.encoders = map[reflect.Type]*frame.Encoder{}
		}
		f.encoders[values.Type().Elem()] = enc
	}
	b, err := enc.AppendColumn(nil, unsafe.Pointer(values.Pointer()), values.Len(), bad.add(c, step))
	if err != nil {
		return nil, fmt.Errorf("step %q: %w", step, err)
	}
	out, err := frame.NewColumn(enc.Layout(), b)
	if err != nil {
		return nil, fmt.Errorf("BUG: step %q: %w", step, err)
	}
	bad.keep(c, out)
	return out, nil
}

// failed collects the elements that failed while a column is made of those that did
// not.
type failed struct{ idx []int32 }

func (f *failed) add(c *record.Chunk, step string) func(i int, err error) {
	return func(i int, err error) {
		c.Fail(i, step, err)
		f.idx = append(f.idx, int32(i))
	}
}

// good are the elements of n that did not fail.
func (f *failed) good(n int) []int32 {
	out := make([]int32, 0, n-len(f.idx))
	k := 0
	for i := range int32(n) {
		if k < len(f.idx) && f.idx[k] == i {
			k++
			continue
		}
		out = append(out, i)
	}
	return out
}

// keep makes col, which has only the good elements, the column of the chunk.
func (f *failed) keep(c *record.Chunk, col record.Column) {
	if f.idx == nil {
		c.Col = col
		return
	}
	c.Keep(f.good(c.Len()), col)
}

// keepOf makes the good elements of col the column of the chunk.
func (f *failed) keepOf(c *record.Chunk, col record.Column) {
	good := f.good(col.Len())
	c.Keep(good, col.Select(good))
}

// dumpOp makes messages of whatever column comes, for the dead letters of what has no bytes
// of its own.
type dumpOp struct {
	python program.Op // makes frames of Python objects; nil: there are none in this process
	print  printOp
}

func (o *dumpOp) Steps() []string { return o.print.Steps() }

func (o *dumpOp) Start(lane int) error {
	if s, ok := o.python.(program.Starter); ok {
		return s.Start(lane)
	}
	return nil
}

func (o *dumpOp) Stop() {
	if s, ok := o.python.(program.Starter); ok {
		s.Stop()
	}
}

func (o *dumpOp) Process(ctx context.Context, c *record.Chunk) error {
	if _, owned := c.Col.(record.Releaser); owned && o.python != nil {
		if err := o.python.Process(ctx, c); err != nil {
			return err
		}
	}
	return o.print.Process(ctx, c)
}

// pair runs one operator behind another for one step.
type pair struct{ first, second program.Op }

func (p *pair) Steps() []string { return p.second.Steps() }

func (p *pair) Start(lane int) error {
	if s, ok := p.first.(program.Starter); ok {
		return s.Start(lane)
	}
	return nil
}

func (p *pair) Stop() {
	if s, ok := p.first.(program.Starter); ok {
		s.Stop()
	}
}

// Progress implements program.Watched: both are the same step.
func (p *pair) Progress() program.Progress {
	var all program.Progress
	for _, op := range []program.Op{p.first, p.second} {
		if w, ok := op.(program.Watched); ok {
			g := w.Progress()
			all.Done += g.Done
			if g.Python {
				all.Python, all.Waiting, all.Thread = true, g.Waiting, g.Thread
			}
		}
	}
	return all
}

func (p *pair) Process(ctx context.Context, c *record.Chunk) error {
	if err := p.first.Process(ctx, c); err != nil {
		return err
	}
	return p.second.Process(ctx, c)
}
