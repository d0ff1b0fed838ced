package frame

import (
	"encoding/base64"
	"fmt"
	"math"
	"reflect"
	"time"
	"unsafe"

	"github.com/levada-io/levada/record"
)

// dynField is a member of a Go struct as it is read from an any.
type dynField struct {
	name   string
	offset uintptr
	must   bool
	dec    *decType
	opt    bool
	state  uintptr
	pick   *pick // of a oneof
	holds  holds // nil: no rules
}

// dynamic compiles what reads any into a list, map or struct.
func (c *decCompiler) dynamic(d *decType, t reflect.Type) error {
	var err error
	switch k := d.want.kind; {
	case k.integer():
		d.setRange(k, kAny)
	case k == kList || k == kMap:
		d.elem, err = c.compile(anyNode, t.Elem(), d.want.elem)
	case k == kTuple:
		d.elem, err = c.compile(anyNode, t.Elem(), d.want.elems[0])
	case k == kUnion:
		variants, err := record.Variants(t)
		if err != nil {
			return err
		}
		for i, v := range variants {
			e, err := c.compile(anyNode, v, d.want.elems[i])
			if err != nil {
				return err
			}
			d.elems = append(d.elems, e)
		}
	case k == kStruct:
		var gs *goStruct
		if gs, err = structOf(t); err != nil {
			return err
		}
		if gs.extra != nil {
			d.extra = &decExtra{gs.extra.offset, gs.extra.typ == rawType}
		}
		d.members = make([]dynField, len(gs.fields))
		for i, gf := range gs.fields {
			wf := &d.want.fields[i]
			dec, err := c.compile(anyNode, gf.typ, wf.node)
			if err != nil {
				return err
			}
			d.members[i] = dynField{wf.name, gf.offset, !wf.optional, dec, gf.opt, gf.state, gf.pick, wf.inMemory(&gf)}
		}
	}
	return err
}

// dynamicValue reads an any into the Go value at p.
func (d *decType) dynamicValue(r *reader, p unsafe.Pointer) error {
	t, err := r.tag()
	if err != nil {
		return err
	}
	if t == tagNull {
		return d.null()
	}
	if d.ptr {
		q := reflect.New(d.rtype).UnsafePointer()
		*(*unsafe.Pointer)(p) = q
		p = q
	}
	switch k := d.want.kind; {
	case k == kUnion:
		return d.dynamicUnion(r, t, p)
	case k == kConst:
		r.off-- // the tag is read again
		return d.constant(r, p)
	case k == kBool && (t == tagTrue || t == tagFalse):
		*(*bool)(p) = t == tagTrue
		return nil
	case k == kString && t == tagString:
		v, err := r.blob()
		*(*string)(p) = asText(v)
		return err
	case k == kBytes && (t == tagBytes || t == tagString):
		v, err := r.blob()
		if err == nil && t == tagString { // as JSON has them
			word := v
			if v, err = base64.StdEncoding.AppendDecode(make([]byte, 0, len(word)), word); err != nil || base64.StdEncoding.EncodedLen(len(v)) != len(word) {
				return errorf("expected bytes, got a string that is no base64")
			}
		}
		*(*[]byte)(p) = v
		return err
	case k == kTime && t == tagString && !d.want.number():
		v, err := r.blob()
		if err != nil {
			return err
		}
		at, ok := parseTime(v)
		if !ok {
			return errorf("expected time, got string %q", shorten(v))
		}
		return storeTime(uint64(at.UnixMicro()), p)
	case t == tagInt || t == tagUint || t == tagFloat || t == tagTime || t == tagDuration:
		v, err := r.u64()
		if err != nil {
			return err
		}
		return d.dynamicNumber(t, v, p)
	case (k == kList || k == kTuple) && t == tagList, k == kMap && t == tagMap, k == kStruct && t == tagMap:
		if err := r.enter(); err != nil {
			return err
		}
		switch k {
		case kList:
			err = d.dynamicList(r, p)
		case kTuple:
			err = d.dynamicTuple(r, p)
		case kMap:
			err = d.dynamicMap(r, p)
		default:
			var seen marks
			if err = d.dynamicMembers(r, p, &seen); err == nil {
				err = d.complete(&seen)
			}
		}
		r.leave()
		return err
	}
	return errorf("expected %s, got %s", d.want.describe(), t)
}

func (d *decType) dynamicNumber(t tag, v uint64, p unsafe.Pointer) error {
	k := d.want.kind
	switch {
	case k == kTime && t == tagTime:
		return storeTime(v, p)
	case k == kDuration && t == tagDuration:
		var err error
		*(*time.Duration)(p), err = toDuration(int64(v))
		return err
	case t < tagTime && (k == kDuration || k == kTime && d.want.number()):
		us, ok := readTicks(t, v, d.want.unit)
		switch {
		case !ok:
			return errorf("expected a number of %s within 64 bits of microseconds", d.want.unitWords())
		case k == kTime:
			return storeTime(uint64(us), p)
		}
		var err error
		*(*time.Duration)(p), err = toDuration(us)
		return err
	case k.integer():
		switch t {
		case tagInt:
			return d.storeInt(int64(v), p)
		case tagUint:
			return d.storeUint(v, p)
		}
	case k.float():
		switch t {
		case tagInt:
			return d.storeFloat(float64(int64(v)), p)
		case tagUint:
			return d.storeFloat(float64(v), p)
		case tagFloat:
			return d.storeFloat(math.Float64frombits(v), p)
		}
	}
	got := t.String()
	if t == tagFloat {
		got = fmt.Sprintf("float %v", math.Float64frombits(v))
	}
	return errorf("expected %s, got %s", d.want.describe(), got)
}

func (d *decType) dynamicList(r *reader, p unsafe.Pointer) error {
	n, err := r.count(listNode)
	if err != nil {
		return err
	}
	h := newList(d.rtype, p, n)
	h.len = n
	for i := range n {
		if err := d.elem.bare(r, unsafe.Add(h.data, uintptr(i)*d.elem.width)); err != nil {
			return inElement(err, i)
		}
	}
	return nil
}

func (d *decType) dynamicMap(r *reader, p unsafe.Pointer) error {
	n, err := r.count(membersNode)
	if err != nil {
		return err
	}
	m := reflect.MakeMapWithSize(d.rtype, n)
	reflect.NewAt(d.rtype, p).Elem().Set(m)
	key := reflect.New(d.rtype.Key()).Elem()
	for range n {
		k, err := r.blob()
		if err != nil {
			return err
		}
		v := reflect.New(d.rtype.Elem())
		if err := d.elem.bare(r, v.UnsafePointer()); err != nil {
			return inMember(err, string(k))
		}
		if err := setKey(key, asText(k)); err != nil {
			return err
		}
		m.SetMapIndex(key, v.Elem())
	}
	return nil
}

// marks are the members that have come.
type marks struct {
	few  [4]uint64
	more map[int]bool
}

func (m *marks) set(i int) {
	if i < 256 {
		m.few[i>>6] |= 1 << (i & 63)
		return
	}
	if m.more == nil {
		m.more = map[int]bool{}
	}
	m.more[i] = true
}

func (m *marks) has(i int) bool {
	if i < 256 {
		return m.few[i>>6]&(1<<(i&63)) != 0
	}
	return m.more[i]
}

// all says that every mark of others is here, as far as it takes no looking for.
func (m *marks) all(others *marks) bool {
	return others.few[0]&^m.few[0]|others.few[1]&^m.few[1]|others.few[2]&^m.few[2]|others.few[3]&^m.few[3] == 0 && others.more == nil
}

// complete is the error of a required member that has not come.
func (d *decType) complete(seen *marks) error {
	for i := range d.members {
		if d.members[i].must && !seen.has(i) {
			return missing(&d.want.fields[i])
		}
	}
	return nil
}

// dynamicMembers reads the entries of a map of any into the struct at p.
func (d *decType) dynamicMembers(r *reader, p unsafe.Pointer, seen *marks) error {
	n, err := r.count(membersNode)
	if err != nil {
		return err
	}
	next := 0
	for range n {
		key, err := r.blob()
		if err != nil {
			return err
		}
		i := next
		if i >= len(d.members) || d.members[i].name != asText(key) {
			var ok bool
			if i, ok = d.want.byName[asText(key)]; !ok {
				from := r.off
				if err := r.skipAny(); err != nil {
					return inMember(err, string(key))
				}
				if d.extra != nil {
					if err := d.keep(asText(key), r.b[from:r.off], p); err != nil {
						return inMember(err, string(key))
					}
				}
				continue
			}
		}
		f := &d.members[i]
		err = f.bareOpt(r, unsafe.Add(p, f.offset))
		if err == nil && f.holds != nil {
			err = f.holds(unsafe.Add(p, f.offset))
		}
		if err != nil {
			return inMember(err, f.name)
		}
		seen.set(i)
		next = i + 1
	}
	return nil
}

// openStructure reads a struct whose frame has more members than its layout names:
// some of them may be fields of the Go type.
func (d *decType) openStructure(r *reader, p unsafe.Pointer) error {
	var seen marks
	for i := range d.fields {
		f := &d.fields[i]
		state := byte(present)
		var err error
		if f.presence {
			if state, err = r.presence(f.from.nullable, f.optional); err != nil {
				return inMember(err, f.name)
			}
		}
		switch {
		case f.opt && state == null:
			setOpt(unsafe.Add(p, f.offset), f.state, optNull)
		case f.opt && state == present:
			setOpt(unsafe.Add(p, f.offset), f.state, optSome)
			err = f.dec.bare(r, unsafe.Add(p, f.offset))
		case f.pick != nil && state == present:
			err = f.pick.read(f.dec, r, unsafe.Add(p, f.offset))
		case f.pick != nil: // null says that it is not the one
		case f.dec != nil && state == present:
			err = f.dec.bare(r, unsafe.Add(p, f.offset))
		case f.dec != nil && state == null:
			err = f.dec.nullAt(unsafe.Add(p, f.offset))
		case f.dec == nil && state == present:
			err = d.other(r, f, p)
		case f.dec == nil && state == null && f.keep:
			err = d.keepNull(f.name, p)
		}
		if err == nil && f.holds != nil && state != absent {
			err = f.holds(unsafe.Add(p, f.offset))
		}
		if err != nil {
			return inMember(err, f.name)
		}
		if f.dec != nil && state != absent {
			seen.set(d.want.byName[f.name])
		}
	}
	if err := d.dynamicMembers(r, p, &seen); err != nil {
		return err
	}
	return d.complete(&seen)
}
