package frame

// reader walks over the values of a frame. Every access is checked: the bytes come from
// another language.
type reader struct {
	b     []byte
	off   int
	depth int
	ahead int  // bytes that were looked at to tell variants apart
	exact bool // what is read comes from an exact parser

	texts boxes
}

func errShort() error { return errorf("frame: ends in the middle of a value") }

func (r *reader) u32() (int, error) {
	if len(r.b)-r.off < 4 {
		return 0, errShort()
	}
	v := le.Uint32(r.b[r.off:])
	r.off += 4
	return int(v), nil
}

func (r *reader) u64() (uint64, error) {
	var v uint64
	if !r.word(&v) {
		return 0, errShort()
	}
	return v, nil
}

// word reads eight bytes; false: they are not there. This and text are small enough to be
// inlined where records are read.
func (r *reader) word(v *uint64) bool {
	if len(r.b)-r.off < 8 {
		return false
	}
	*v = le.Uint64(r.b[r.off:])
	r.off += 8
	return true
}

// text reads a string, which aliases r.b; false: it is not there.
func (r *reader) text(s *string) bool {
	if len(r.b)-r.off < 4 {
		return false
	}
	from := r.off + 4
	to := from + int(le.Uint32(r.b[r.off:]))
	if to > len(r.b) {
		return false
	}
	*s = asText(r.b[from:to])
	r.off = to
	return true
}

func (r *reader) byte() (byte, error) {
	if r.off >= len(r.b) {
		return 0, errShort()
	}
	v := r.b[r.off]
	r.off++
	return v, nil
}

func (r *reader) bool() (bool, error) {
	v, err := r.byte()
	if v > 1 {
		return false, errorf("frame: %d as a bool", v)
	}
	return v == 1, err
}

// presence reads a presence byte.
func (r *reader) presence(nullable, optional bool) (byte, error) {
	v, err := r.byte()
	switch {
	case err != nil || v == present:
	case v == null && nullable:
	case v == absent && optional:
	default:
		return 0, errorf("frame: %d as a presence byte", v)
	}
	return v, err
}

func (r *reader) tag() (tag, error) {
	v, err := r.byte()
	if tag(v) > tagDuration && !(r.exact && tag(v) == tagDigits) {
		return 0, errorf("frame: %d as a tag of any", v)
	}
	return tag(v), err
}

// blob reads the bytes of a string or of bytes; they alias r.b.
func (r *reader) blob() ([]byte, error) {
	if len(r.b)-r.off < 4 {
		return nil, errShort()
	}
	n := int(le.Uint32(r.b[r.off:]))
	from := r.off + 4
	if n > len(r.b)-from {
		return nil, errShort()
	}
	r.off = from + n
	return r.b[from:r.off:r.off], nil
}

// count reads the number of elements of a list or map. A frame can not claim more than
// the bytes behind it may hold, so that nobody allocates for elements that never come.
func (r *reader) count(n *node) (int, error) {
	v, err := r.u32()
	if err != nil {
		return 0, err
	}
	least := n.elem.least()
	if n.kind == kMap {
		least += 4
	}
	if v > (len(r.b)-r.off)/max(least, 1) {
		return 0, errorf("frame: %d elements in %d bytes", v, len(r.b)-r.off)
	}
	return v, nil
}

func (r *reader) enter() error {
	if r.depth++; r.depth > maxDepth {
		return errDepth()
	}
	return nil
}

func (r *reader) leave() { r.depth-- }

// end checks that nothing is left over.
func (r *reader) end() error {
	if r.off != len(r.b) {
		return errorf("frame: value ends at byte %d of %d", r.off, len(r.b))
	}
	return nil
}

// skip passes over a value with its presence byte.
func (r *reader) skip(n *node) error {
	if n.nullable {
		state, err := r.presence(true, false)
		if err != nil || state == null {
			return err
		}
	}
	return r.skipBare(n)
}

func (r *reader) skipBare(n *node) error {
	switch n.kind {
	case kBool:
		_, err := r.bool()
		return err
	case kString, kBytes:
		_, err := r.blob()
		return err
	case kAny:
		return r.skipAny()
	case kConst:
		return r.constant(n)
	case kUnion:
		v, _, err := r.variant(n)
		if err != nil {
			return err
		}
		return r.skipBare(v)
	case kList, kMap, kTuple, kStruct:
		if err := r.enter(); err != nil {
			return err
		}
		err := r.skipInside(n)
		r.leave()
		return err
	}
	_, err := r.u64()
	return err
}

// skipInside passes over what a list, map, tuple or struct has.
func (r *reader) skipInside(n *node) error {
	switch n.kind {
	case kList, kMap:
		count, err := r.count(n)
		if err != nil {
			return err
		}
		for range count {
			if n.kind == kMap {
				if _, err := r.blob(); err != nil {
					return err
				}
			}
			if err := r.skip(n.elem); err != nil {
				return err
			}
		}
		return nil
	case kTuple:
		for _, e := range n.elems {
			if err := r.skip(e); err != nil {
				return err
			}
		}
		return nil
	}
	for i := range n.fields {
		f := &n.fields[i]
		if f.presence() {
			state, err := r.presence(f.node.nullable, f.optional)
			if err != nil {
				return err
			}
			if state != present {
				continue
			}
		}
		if err := r.skipBare(f.node); err != nil {
			return err
		}
	}
	if n.extra {
		r.depth-- // its entries stand in the struct itself
		err := r.skipBare(membersNode)
		r.depth++
		return err
	}
	return nil
}

func (r *reader) skipAny() error {
	t, err := r.tag()
	if err != nil {
		return err
	}
	switch t {
	case tagNull, tagFalse, tagTrue:
		return nil
	case tagString, tagBytes, tagDigits:
		_, err := r.blob()
		return err
	case tagList:
		return r.skipBare(listNode)
	case tagMap:
		return r.skipBare(membersNode)
	}
	_, err = r.u64()
	return err
}
