package frame

import (
	"encoding/json/jsontext"
	"math"
	"reflect"
	"time"
	"unsafe"
)

// Decoder reads frames of one layout into values of one Go type. It is compiled once
// per pair.
type Decoder struct {
	root *decType
	read *node
}

// NewDecoder compiles the decoder from a layout to a Go type. Members are found by
// name: those that the type lacks are passed over (or kept, where it keeps others),
// those that the layout lacks must be optional.
//
// # Errors
//
// The first place where the layout does not fit the type, with its path.
func NewDecoder(from *Layout, t reflect.Type) (*Decoder, error) {
	layout, err := Of(t)
	if err != nil {
		return nil, err
	}
	c := decCompiler{done: map[decKey]*decType{}}
	root, err := c.compile(from.root, t, layout.root)
	if err != nil {
		return nil, err
	}
	return &Decoder{root: root, read: from.root}, nil
}

// Value reads one frame, all of b, into the value at p, which must be the zero value.
// Strings and byte slices of the value alias b.
func (d *Decoder) Value(b []byte, p unsafe.Pointer) error {
	r := reader{b: b}
	if err := d.root.value(&r, p); err != nil {
		return err
	}
	return r.end()
}

// Column reads the elements of a column into the zero values that follow each other
// from base; there is room for c.Len(). An element that does not fit is reported to
// fail; what it is then is undefined. Strings and byte slices alias the column.
func (d *Decoder) Column(c *Column, base unsafe.Pointer, fail func(i int, err error)) {
	r := reader{}
	for i := range c.n {
		r.b, r.off, r.depth, r.ahead = c.Value(i), 0, 0, 0
		err := d.root.value(&r, unsafe.Add(base, uintptr(i)*d.root.width))
		if err == nil {
			err = r.end()
		}
		if err != nil {
			fail(i, err)
		}
	}
}

type decOp uint8

const (
	decBool decOp = iota
	dec64         // an integer or float64 as it is
	decInt        // with a range check
	decUint
	decIntFloat // an integer into a float
	decUintFloat
	decFloat32
	decString
	decBytes
	decTime
	decDuration
	decList
	decMapString
	decMapAny
	decMapInt64
	decMapFloat64
	decMap // of any other element, by reflection
	decStruct
	decTuple
	decAny     // any into any
	decRaw     // anything into JSON text
	decSpell   // anything else into any
	decDynamic // any into a type, see dynamic.go
	decPointer // of a field only
	decOpt     // of a field only
	decPick    // of a field only
	decUnion   // of elems
	decVariant // of elem, which is no union, into an interface
	decOneOf   // of elems, into a type that is no interface
	decOwn     // anything by its JSON into a form of its own, see ownForm
	decConst   // of elem, and held against the constant of one side
)

// decType reads values of one layout node into one Go type.
type decType struct {
	op       decOp
	ptr      bool // the Go value is a pointer
	nullable bool // the frame has a presence byte
	width    uintptr
	size     uintptr // of the value behind the pointer
	from     *node
	want     *node // the layout of the Go type
	rtype    reflect.Type
	elem     *decType
	elems    []*decType // of decTuple and decUnion, and of a union from any
	typed    typedMap   // of decMap, where its element is registered

	lo int64 // range of an integer
	hi uint64

	fields []decField
	extra  *decExtra

	// Of decDynamic into a struct: Go fields in the order of want.
	members []dynField
}

type decField struct {
	name     string
	presence bool
	optional bool
	must     bool // the target needs it
	offset   uintptr
	dec      *decType // nil: passed over
	op       decOp    // of dec; decPointer where that is one
	from     *node
	keep     bool // goes to the other members
	opt      bool // op is decOpt
	state    uintptr
	pick     *pick // op is decPick
	holds    holds // nil: no rules
	straight bool  // always there, and read as it is
}

type decExtra struct {
	offset uintptr
	raw    bool
}

type decKey struct {
	from *node
	t    reflect.Type
	want *node // it may say more than the type: a unit
}

type decCompiler struct {
	done map[decKey]*decType
}

func (c *decCompiler) compile(from *node, t reflect.Type, want *node) (*decType, error) {
	key := decKey{from, t, want}
	if d, ok := c.done[key]; ok {
		return d, nil
	}
	d := &decType{from: from, want: want, width: t.Size(), nullable: from.nullable}
	c.done[key] = d
	if isOwn(t, want) {
		d.op, d.rtype = decOwn, t
		return d, nil
	}
	if t.Kind() == reflect.Pointer {
		d.ptr = true
		t = t.Elem()
	}
	d.rtype, d.size = t, t.Size()
	return d, c.fill(d, t)
}

func (c *decCompiler) fill(d *decType, t reflect.Type) error {
	from, want := d.from, d.want
	misfit := func() error { return errorf("expected %s, got %s", want.describe(), from.describe()) }
	switch {
	case want.kind == kAny && t == rawType:
		d.op = decRaw
		return nil
	case want.kind == kAny:
		d.op = decSpell
		if from.kind == kAny {
			d.op = decAny
		}
		return nil
	case from.kind == kConst || want.kind == kConst:
		return c.constant(d, t)
	case from.kind == kAny:
		d.op = decDynamic
		return c.dynamic(d, t)
	case want.kind == kUnion && from.kind != kUnion:
		return c.variant(d, t)
	case from.kind == kUnion && want.kind != kUnion:
		return c.oneOf(d, t)
	}
	switch k := want.kind; {
	case k.integer():
		if !from.kind.integer() {
			return misfit()
		}
		d.setRange(k, from.kind)
	case k.float():
		switch {
		case from.kind.signed():
			d.op = decIntFloat
		case from.kind.unsigned():
			d.op = decUintFloat
		case from.kind.float():
			d.op = dec64
			if k == kFloat32 {
				d.op = decFloat32
			}
		default:
			return misfit()
		}
	case k == kMap && from.kind == kStruct && want.elem.kind == kAny && t.Elem().Kind() == reflect.Interface:
		d.op = decSpell // map[string]any of a struct
	case k != from.kind:
		return misfit()
	case k == kBool:
		d.op = decBool
	case k == kString:
		d.op = decString
	case k == kBytes:
		d.op = decBytes
	case k == kTime:
		d.op = decTime
	case k == kDuration:
		d.op = decDuration
	case k == kTuple:
		return c.tuple(d, t)
	case k == kUnion:
		return c.union(d, t)
	case k == kList:
		d.op = decList
		elem, err := c.compile(from.elem, t.Elem(), want.elem)
		if err != nil {
			return inElements(err)
		}
		d.elem = elem
	case k == kMap:
		d.op = decMap
		if !from.elem.nullable && from.elem.kind == want.elem.kind {
			switch {
			case want.elem.kind == kString && isMap[string](t):
				d.op = decMapString
			case want.elem.kind == kInt64 && isMap[int64](t):
				d.op = decMapInt64
			case want.elem.kind == kFloat64 && isMap[float64](t):
				d.op = decMapFloat64
			case want.elem.kind == kAny && isMap[any](t):
				d.op = decMapAny
			}
		}
		d.typed = typedMapOf(t)
		elem, err := c.compile(from.elem, t.Elem(), want.elem)
		if err != nil {
			return inElements(err)
		}
		d.elem = elem
	case k == kStruct:
		d.op = decStruct
		return c.structure(d, t)
	}
	return nil
}

// setRange chooses how an integer of kind from gets into one of kind k.
func (d *decType) setRange(k, from kind) {
	d.hi = maxOf[k]
	if k.signed() {
		d.lo = -int64(d.hi) - 1
	}
	switch {
	case from == kAny: // the tag tells
	case k == from && (k == kInt64 || k == kUint64):
		d.op = dec64
	case from.signed():
		d.op = decInt
	default:
		d.op = decUint
	}
}

func (c *decCompiler) structure(d *decType, t reflect.Type) error {
	gs, err := structOf(t)
	if err != nil {
		return err
	}
	if gs.extra != nil {
		d.extra = &decExtra{gs.extra.offset, gs.extra.typ == rawType}
	}
	d.fields = make([]decField, len(d.from.fields))
	for i := range d.from.fields {
		sf := &d.from.fields[i]
		f := &d.fields[i]
		*f = decField{name: sf.name, presence: sf.presence(), optional: sf.optional, from: sf.node}
		at, ok := d.want.byName[sf.name]
		if !ok {
			f.keep = d.extra != nil
			continue
		}
		f.must = !d.want.fields[at].optional
		f.offset = gs.fields[at].offset
		if f.dec, err = c.compile(sf.node, gs.fields[at].typ, d.want.fields[at].node); err != nil {
			return inMember(err, sf.name)
		}
		if f.op = f.dec.op; f.dec.ptr {
			f.op = decPointer
		}
		gf := &gs.fields[at]
		if gf.opt {
			f.op, f.opt, f.state = decOpt, true, gf.state
		}
		if gf.pick != nil {
			f.op, f.pick = decPick, gf.pick
		}
		f.holds = d.want.fields[at].inMemory(gf)
		f.straight = !f.presence && f.holds == nil
	}
	for i := range d.want.fields {
		f := &d.want.fields[i]
		if _, ok := d.from.byName[f.name]; !ok && !f.optional && !d.from.extra {
			return missing(f)
		}
	}
	if d.from.extra {
		// What the source does not name may still be there.
		return c.dynamic(d, t)
	}
	return nil
}

// value reads a value with its presence byte into p.
func (d *decType) value(r *reader, p unsafe.Pointer) error {
	if d.nullable {
		state, err := r.presence(true, false)
		if err != nil {
			return err
		}
		if state == null {
			return d.nullAt(p)
		}
	}
	return d.bare(r, p)
}

// null leaves the zero value where the Go type has a null.
func (d *decType) null() error {
	switch {
	case d.ptr || d.want.kind == kAny:
	case d.want.kind == kList || d.want.kind == kMap || d.want.kind == kBytes:
	default:
		return errorf("expected %s, got null", d.want.describe())
	}
	return nil
}

// bare reads a value without presence byte into p.
func (d *decType) bare(r *reader, p unsafe.Pointer) error {
	if d.op == decDynamic {
		return d.dynamicValue(r, p) // whether it is null shows only now
	}
	if d.ptr {
		q := reflect.New(d.rtype).UnsafePointer()
		*(*unsafe.Pointer)(p) = q
		p = q
	}
	switch d.op {
	case decBool:
		v, err := r.bool()
		*(*bool)(p) = v
		return err
	case dec64:
		v, err := r.u64()
		*(*uint64)(p) = v
		return err
	case decInt:
		v, err := r.u64()
		if err != nil {
			return err
		}
		return d.storeInt(int64(v), p)
	case decUint:
		v, err := r.u64()
		if err != nil {
			return err
		}
		return d.storeUint(v, p)
	case decIntFloat:
		v, err := r.u64()
		if err != nil {
			return err
		}
		return d.storeFloat(float64(int64(v)), p)
	case decUintFloat:
		v, err := r.u64()
		if err != nil {
			return err
		}
		return d.storeFloat(float64(v), p)
	case decFloat32:
		v, err := r.u64()
		if err != nil {
			return err
		}
		return d.storeFloat(math.Float64frombits(v), p)
	case decString:
		if !r.text((*string)(p)) {
			return errShort()
		}
		return nil
	case decBytes:
		v, err := r.blob()
		*(*[]byte)(p) = v
		return err
	case decTime:
		v, err := r.u64()
		if err != nil {
			return err
		}
		return storeTime(v, p)
	case decDuration:
		v, err := r.u64()
		if err != nil {
			return err
		}
		*(*time.Duration)(p), err = toDuration(int64(v))
		return err
	case decAny:
		return r.any((*any)(p))
	case decRaw:
		return d.raw(r, p)
	case decSpell:
		return d.spell(r, p)
	case decConst:
		return d.constant(r, p)
	case decUnion:
		return d.union(r, p)
	case decOwn:
		return d.own(r, p)
	case decVariant:
		return d.variant(r, p)
	case decOneOf:
		return d.oneOf(r, p)
	}
	if err := r.enter(); err != nil {
		return err
	}
	var err error
	switch d.op {
	case decStruct:
		err = d.structure(r, p)
	case decList:
		err = d.list(r, p)
	case decTuple:
		err = d.tuple(r, p)
	case decMapString:
		err = d.strings(r, p)
	case decMapInt64:
		err = fixedMap(r, d.from, p, func(v uint64) int64 { return int64(v) })
	case decMapFloat64:
		err = fixedMap(r, d.from, p, math.Float64frombits)
	case decMapAny:
		var m map[string]any
		m, err = r.anyMap()
		*(*map[string]any)(p) = m
	default:
		err = d.reflectMap(r, p)
	}
	r.leave()
	return err
}

func (d *decType) strings(r *reader, p unsafe.Pointer) error {
	n, err := r.count(d.from)
	if err != nil {
		return err
	}
	m := make(map[string]string, n)
	for range n {
		var key, v string
		if !r.text(&key) || !r.text(&v) {
			return errShort()
		}
		m[key] = v
	}
	*(*map[string]string)(p) = m
	return nil
}

func fixedMap[V any](r *reader, from *node, p unsafe.Pointer, of func(uint64) V) error {
	n, err := r.count(from)
	if err != nil {
		return err
	}
	m := make(map[string]V, n)
	for range n {
		var key string
		var v uint64
		if !r.text(&key) || !r.word(&v) {
			return errShort()
		}
		m[key] = of(v)
	}
	*(*map[string]V)(p) = m
	return nil
}

func (d *decType) structure(r *reader, p unsafe.Pointer) error {
	if d.from.extra {
		return d.openStructure(r, p)
	}
	for i := range d.fields {
		f := &d.fields[i]
		if f.straight {
			// Most members. What is not whole is told of below.
			q := unsafe.Add(p, f.offset)
			switch f.op {
			case dec64:
				if r.word((*uint64)(q)) {
					continue
				}
			case decString:
				if r.text((*string)(q)) {
					continue
				}
			case decAny:
				if r.off < len(r.b) && tag(r.b[r.off]) == tagString {
					s := r.texts.take()
					r.off++
					if r.text(s) {
						*(*any)(q) = boxed(s)
						continue
					}
					r.off--
				}
			}
		}
		switch {
		case !f.presence:
		case r.off < len(r.b) && r.b[r.off] == present:
			r.off++
		default:
			state, err := r.presence(f.from.nullable, f.optional)
			if err != nil {
				return inMember(err, f.name)
			}
			if state != present {
				if err := f.without(state, p); err != nil {
					return err
				}
				if state == null && f.keep {
					if err := d.keepNull(f.name, p); err != nil {
						return err
					}
				}
				continue
			}
		}
		if f.dec == nil {
			if err := d.other(r, f, p); err != nil {
				return inMember(err, f.name)
			}
			continue
		}
		q := unsafe.Add(p, f.offset)
		var err error
		switch f.op {
		case dec64:
			if !r.word((*uint64)(q)) {
				err = errShort()
			}
		case decString:
			if !r.text((*string)(q)) {
				err = errShort()
			}
		case decBool:
			if r.off < len(r.b) && r.b[r.off] <= 1 {
				*(*byte)(q) = r.b[r.off]
				r.off++
			} else {
				_, err = r.bool()
			}
		case decMapString:
			if r.depth < maxDepth {
				err = f.dec.strings(r, q)
			} else {
				err = errDepth()
			}
		case decAny:
			err = r.any((*any)(q))
		case decOpt:
			setOpt(q, f.state, optSome)
			err = f.dec.bare(r, q)
		case decPick:
			err = f.pick.read(f.dec, r, q)
		default:
			err = f.dec.bare(r, q)
		}
		if err == nil && f.holds != nil {
			err = f.holds(q)
		}
		if err != nil {
			return inMember(err, f.name)
		}
	}
	return nil
}

// without says whether a member of the struct at p may be null or absent.
func (f *decField) without(state byte, p unsafe.Pointer) error {
	if f.dec == nil {
		return nil
	}
	if state == absent {
		if f.must {
			return inMember(errorf("missing member (%s)", f.dec.want.describe()), f.name)
		}
		return nil
	}
	if f.opt {
		setOpt(unsafe.Add(p, f.offset), f.state, optNull)
		return nil
	}
	if f.pick != nil {
		return nil
	}
	err := f.dec.nullAt(unsafe.Add(p, f.offset))
	if err == nil && f.holds != nil {
		err = f.holds(unsafe.Add(p, f.offset)) // an empty list may be too short
	}
	return inMember(err, f.name)
}

// other passes over a member that the Go type does not name, or keeps it.
func (d *decType) other(r *reader, f *decField, p unsafe.Pointer) error {
	if !f.keep {
		return r.skipBare(f.from)
	}
	buf, err := r.spellBare(nil, f.from)
	if err != nil {
		return err
	}
	return d.keep(f.name, buf, p)
}

func (d *decType) keepNull(name string, p unsafe.Pointer) error {
	return d.keep(name, []byte{byte(tagNull)}, p)
}

// keep adds a member, value being an any, to those that no field names.
func (d *decType) keep(name string, value []byte, p unsafe.Pointer) error {
	q := unsafe.Add(p, d.extra.offset)
	if !d.extra.raw {
		v, err := ReadAny(value)
		if err != nil {
			return err
		}
		m := (*map[string]any)(q)
		if *m == nil {
			*m = map[string]any{}
		}
		(*m)[name] = v
		return nil
	}
	raw := (*jsontext.Value)(q)
	if len(*raw) == 0 {
		*raw = append(*raw, '{')
	} else {
		(*raw)[len(*raw)-1] = ','
	}
	b := append(appendQuoted(*raw, []byte(name)), ':')
	w := writer{reader: reader{b: value}}
	b, err := w.any(b)
	*raw = append(b, '}')
	return err
}

func (d *decType) list(r *reader, p unsafe.Pointer) error {
	n, err := r.count(d.from)
	if err != nil {
		return err
	}
	e := d.elem
	if !e.nullable && !e.ptr {
		switch e.op {
		case decString:
			list := make([]string, n)
			for i := range list {
				if !r.text(&list[i]) {
					return inElement(errShort(), i)
				}
			}
			*(*[]string)(p) = list
			return nil
		case dec64:
			list := make([]uint64, n)
			for i := range list {
				if !r.word(&list[i]) {
					return inElement(errShort(), i)
				}
			}
			*(*[]uint64)(p) = list
			return nil
		}
	}
	h := newList(d.rtype, p, n)
	h.len = n
	r.texts.expect(n)
	for i := range n {
		if err := e.value(r, unsafe.Add(h.data, uintptr(i)*e.width)); err != nil {
			return inElement(err, i)
		}
	}
	return nil
}

func (d *decType) reflectMap(r *reader, p unsafe.Pointer) error {
	n, err := r.count(d.from)
	if err != nil {
		return err
	}
	if d.typed != nil {
		*r, err = d.typed.read(d, *r, n, p)
		return err
	}
	m := reflect.MakeMapWithSize(d.rtype, n)
	reflect.NewAt(d.rtype, p).Elem().Set(m)
	key, v := reflect.New(d.rtype.Key()).Elem(), reflect.New(d.rtype.Elem())
	for range n {
		k, err := r.blob()
		if err != nil {
			return err
		}
		v.Elem().SetZero() // the map has its copy of the last one
		if err := d.elem.value(r, v.UnsafePointer()); err != nil {
			return inMember(err, string(k))
		}
		if err := setKey(key, asText(k)); err != nil {
			return err
		}
		m.SetMapIndex(key, v.Elem())
	}
	return nil
}

// raw reads a value of any layout as JSON text.
func (d *decType) raw(r *reader, p unsafe.Pointer) error {
	w := writer{reader: *r}
	b, err := w.bare(nil, d.from)
	r.off = w.off
	*(*jsontext.Value)(p) = b
	return err
}

// spell reads a value of a declared layout into any or map[string]any.
func (d *decType) spell(r *reader, p unsafe.Pointer) error {
	// Written again as an any: slower than it could be, and rare, since a step that
	// takes any mostly stands behind one that gives any.
	buf, err := r.spellBare(make([]byte, 0, 2*(len(r.b)-r.off)), d.from)
	if err != nil {
		return err
	}
	v, err := ReadAny(buf)
	if err != nil {
		return err
	}
	if d.want.kind == kMap {
		*(*map[string]any)(p), _ = v.(map[string]any)
		return nil
	}
	*(*any)(p) = v
	return nil
}

func (d *decType) storeInt(v int64, p unsafe.Pointer) error {
	if v < d.lo || v > 0 && uint64(v) > d.hi {
		return errorf("expected %s, got %d", d.want.kind, v)
	}
	d.store(uint64(v), p)
	return nil
}

func (d *decType) storeUint(v uint64, p unsafe.Pointer) error {
	if v > d.hi {
		return errorf("expected %s, got %d", d.want.kind, v)
	}
	d.store(v, p)
	return nil
}

func (d *decType) store(v uint64, p unsafe.Pointer) {
	switch d.size {
	case 1:
		*(*uint8)(p) = uint8(v)
	case 2:
		*(*uint16)(p) = uint16(v)
	case 4:
		*(*uint32)(p) = uint32(v)
	default:
		*(*uint64)(p) = v
	}
}

func (d *decType) storeFloat(v float64, p unsafe.Pointer) error {
	if d.size == 8 {
		*(*float64)(p) = v
		return nil
	}
	f := float32(v)
	if math.IsInf(float64(f), 0) && !math.IsInf(v, 0) {
		return errorf("expected float32, got %v", v)
	}
	*(*float32)(p) = f
	return nil
}

func storeTime(micros uint64, p unsafe.Pointer) error {
	t := toTime(micros)
	if s := t.Unix(); s < minSecond || s > maxSecond {
		return errorf("expected a time in the years 0 to 9999, got year %d", t.Year())
	}
	*(*time.Time)(p) = t
	return nil
}
