package frame

import (
	"reflect"
	"strings"
	"unsafe"
)

// States of a record.Opt, as it has them in memory: the value first, the state behind it.
const (
	optAbsent = iota
	optNull
	optSome
)

// isOpt says that t is a record.Opt.
func isOpt(t reflect.Type) bool {
	return t.PkgPath() == "github.com/levada-io/levada/record" && strings.HasPrefix(t.Name(), "Opt[")
}

// optField turns a field of type record.Opt into one of what is in it.
func (f *goField) optField() {
	f.opt = true
	f.state = f.typ.Field(1).Offset
	f.typ = f.typ.Field(0).Type
	f.omit = 0 // it says itself when it is left out
}

func setOpt(p unsafe.Pointer, state uintptr, v uint8) { *(*uint8)(unsafe.Add(p, state)) = v }

// goOpt reads a member of three states.
func (p *parser) goOpt(f *memField, q unsafe.Pointer) error {
	if p.peek() == 'n' && p.literal("null") {
		setOpt(q, f.state, optNull)
		return nil
	}
	setOpt(q, f.state, optSome)
	return p.goValue(f.typ, q)
}

// bareOpt reads the any at r into a member, which may have three states.
func (f *dynField) bareOpt(r *reader, p unsafe.Pointer) error {
	if f.pick != nil {
		return f.pick.read(f.dec, r, p)
	}
	if !f.opt {
		return f.dec.bare(r, p)
	}
	if r.off < len(r.b) && tag(r.b[r.off]) == tagNull {
		r.off++
		setOpt(p, f.state, optNull)
		return nil
	}
	setOpt(p, f.state, optSome)
	return f.dec.bare(r, p)
}
