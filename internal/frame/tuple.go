package frame

import (
	"fmt"
	"reflect"
	"unsafe"
)

// maxTuple is the longest array that crosses as a tuple: a longer one is a list that
// happens to have a fixed length.
const maxTuple = 8

// tuple reads an array of just n elements.
func (p *parser) tuple(n int, element func(i int) error) error {
	if p.peek() != '[' {
		return p.mismatch("array")
	}
	if err := p.enter(); err != nil {
		return err
	}
	p.pos++
	p.space()
	if p.peek() == ']' {
		return errorf("expected %d elements, got none", n)
	}
	for i := range n {
		err := element(i)
		more := false
		if err == nil {
			more, err = p.more(']')
		}
		switch {
		case err != nil:
			return inElement(err, i)
		case more && i == n-1:
			return errorf("expected %d elements, got more", n)
		case !more && i < n-1:
			return errorf("expected %d elements, got %d", n, i+1)
		}
	}
	p.depth--
	return nil
}

func (p *parser) goTuple(t *memType, q unsafe.Pointer) error {
	return p.tuple(t.rtype.Len(), func(i int) error {
		return p.goValue(t.elem, unsafe.Add(q, uintptr(i)*t.elem.width))
	})
}

func (e *memType) tuple(buf []byte, p unsafe.Pointer, depth int) ([]byte, error) {
	var err error
	for i := range e.rtype.Len() {
		if buf, err = e.elem.value(buf, unsafe.Add(p, uintptr(i)*e.elem.width), depth); err != nil {
			return buf, inElement(err, i)
		}
	}
	return buf, nil
}

func (w *writer) tuple(dst []byte, n *node) ([]byte, error) {
	dst = append(dst, '[')
	var err error
	for i, e := range n.elems {
		if i > 0 {
			dst = append(dst, ',')
		}
		if dst, err = w.value(dst, e); err != nil {
			return dst, inElement(err, i)
		}
	}
	return append(dst, ']'), nil
}

// tuple compiles what reads a tuple into an array.
func (c *decCompiler) tuple(d *decType, t reflect.Type) error {
	d.op = decTuple
	if len(d.from.elems) != len(d.want.elems) {
		return errorf("expected %s, got %s", d.want.describe(), d.from.describe())
	}
	d.elems = make([]*decType, len(d.from.elems))
	for i, from := range d.from.elems {
		e, err := c.compile(from, t.Elem(), d.want.elems[i])
		if err != nil {
			return inElement(err, i)
		}
		d.elems[i] = e
	}
	return nil
}

func (d *decType) tuple(r *reader, p unsafe.Pointer) error {
	for i, e := range d.elems {
		if err := e.value(r, unsafe.Add(p, uintptr(i)*e.width)); err != nil {
			return inElement(err, i)
		}
	}
	return nil
}

// dynamicTuple reads a list of any into an array.
func (d *decType) dynamicTuple(r *reader, p unsafe.Pointer) error {
	n, err := r.count(listNode)
	if err != nil {
		return err
	}
	if want := len(d.want.elems); n != want {
		return errorf("expected %d elements, got %d", want, n)
	}
	for i := range n {
		if err := d.elem.bare(r, unsafe.Add(p, uintptr(i)*d.elem.width)); err != nil {
			return inElement(err, i)
		}
	}
	return nil
}

// zeroTuple says that all positions are zero; see zero.
func (n *node) zeroTuple(b []byte) bool {
	r := reader{b: b}
	for _, e := range n.elems {
		if e.nullable {
			if state, err := r.presence(true, false); err != nil || state == present {
				return false
			}
			continue
		}
		from := r.off
		if r.skipBare(e) != nil || !e.zero(b[from:r.off]) {
			return false
		}
	}
	return true
}

func tupleType(t reflect.Type) error {
	switch e := t.Elem(); {
	case e.Kind() == reflect.Uint8 && e.PkgPath() == "":
		return fmt.Errorf("%s is not supported: use []byte", t)
	case t.Len() == 0 || t.Len() > maxTuple:
		return fmt.Errorf("%s is not supported: an array has 1 to %d elements; use a slice", t, maxTuple)
	}
	return nil
}
