package frame

import "math"

// AnyRules holds frames of any against the rules of a layout: what a step in Python made
// of a type, and nobody in Go reads. Only rules are looked at. What a member is beside them
// is the business of who reads it, and which variant of a union is meant nothing says.
type AnyRules struct {
	layout *Layout
	ruled  map[*node]bool // of those with rules somewhere in them
}

// AnyRules are the rules of the layout; nil: it has none.
func (l *Layout) AnyRules() *AnyRules {
	a := &AnyRules{l, map[*node]bool{}}
	// A node that leads back to itself is ruled by what else is in it: as often as that
	// makes a difference.
	for changed := true; changed; {
		changed = a.find(l.root, map[*node]bool{})
	}
	if !a.ruled[l.root] {
		return nil
	}
	return a
}

// find notes nodes with rules in them, and says whether there is a new one.
func (a *AnyRules) find(n *node, seen map[*node]bool) (changed bool) {
	if n == nil || n.kind == kUnion || seen[n] {
		return false
	}
	seen[n] = true
	is := false
	inner := func(m *node) {
		changed = a.find(m, seen) || changed
		is = is || a.ruled[m]
	}
	inner(n.elem)
	for _, e := range n.elems {
		inner(e)
	}
	for i := range n.fields {
		inner(n.fields[i].node)
		is = is || n.fields[i].rules != nil
	}
	changed = changed || is && !a.ruled[n]
	if is {
		a.ruled[n] = true
	}
	return changed
}

// Check holds a frame of any against the rules.
//
// # Errors
//
// An *Error with the path of the first value that breaks one.
func (a *AnyRules) Check(value []byte) error {
	r := reader{b: value}
	return a.value(&r, a.layout.root, nil)
}

func (a *AnyRules) value(r *reader, n *node, ru *rules) error {
	if ru == nil && !a.ruled[n] {
		return r.skipAny()
	}
	from := r.off
	t, err := r.tag()
	if err != nil {
		return err
	}
	switch k := n.kind; {
	case t == tagMap && k == kStruct:
		return a.members(r, n)
	case t == tagMap && k == kMap:
		return a.entries(r, n, ru)
	case t == tagList && (k == kList || k == kTuple):
		return a.elements(r, n, ru)
	case ru == nil:
	case t == tagString && k == kString:
		b, err := r.blob()
		if err != nil {
			return err
		}
		return ru.str(asText(b))
	case t == tagBytes && k == kBytes:
		b, err := r.blob()
		if err != nil {
			return err
		}
		return ru.length(len(b), "bytes of", "byte")
	case t == tagInt || t == tagUint || t == tagFloat:
		return a.number(r, t, k, ru)
	}
	r.off = from
	return r.skipAny()
}

// number holds a number against bounds that are those of another kind, perhaps; one that
// the kind does not have is refused by nobody here.
func (a *AnyRules) number(r *reader, t tag, k kind, ru *rules) error {
	word, err := r.u64()
	if err != nil {
		return err
	}
	switch {
	case k.signed() && t == tagInt:
		return ru.int(int64(word))
	case k.unsigned() && (t == tagUint || t == tagInt && int64(word) >= 0):
		return ru.uint(word)
	case k.float() && t == tagFloat:
		return ru.float(math.Float64frombits(word))
	case k.float() && t == tagInt:
		return ru.float(float64(int64(word)))
	case k.float():
		return ru.float(float64(word))
	}
	return nil
}

func (a *AnyRules) members(r *reader, n *node) error {
	if err := r.enter(); err != nil {
		return err
	}
	count, err := r.count(membersNode)
	if err != nil {
		return err
	}
	for range count {
		key, err := r.blob()
		if err != nil {
			return err
		}
		i, ok := n.byName[asText(key)]
		if !ok {
			if err := r.skipAny(); err != nil {
				return err
			}
			continue
		}
		f := &n.fields[i]
		if err := a.value(r, f.node, f.rules); err != nil {
			return inMember(err, f.name)
		}
	}
	r.leave()
	return nil
}

func (a *AnyRules) entries(r *reader, n *node, ru *rules) error {
	if err := r.enter(); err != nil {
		return err
	}
	count, err := r.count(membersNode)
	if err != nil {
		return err
	}
	var elem *rules
	if ru != nil {
		if err := ru.length(count, "a map of", "entry"); err != nil {
			return err
		}
		elem = ru.elem
	}
	for range count {
		key, err := r.blob()
		if err != nil {
			return err
		}
		if err := a.value(r, n.elem, elem); err != nil {
			return inMember(err, string(key))
		}
	}
	r.leave()
	return nil
}

func (a *AnyRules) elements(r *reader, n *node, ru *rules) error {
	if err := r.enter(); err != nil {
		return err
	}
	count, err := r.count(listNode)
	if err != nil {
		return err
	}
	if ru != nil && n.kind == kList {
		if err := ru.length(count, "a list of", "element"); err != nil {
			return err
		}
	}
	for i := range count {
		of, elem := n.elem, (*rules)(nil)
		switch {
		case n.kind == kList && ru != nil:
			elem = ru.elem
		case n.kind == kTuple && i >= len(n.elems): // of another length, which is no rule
			of = anyNode
		case n.kind == kTuple:
			if of = n.elems[i]; ru != nil {
				elem = ru.each[i]
			}
		}
		if err := a.value(r, of, elem); err != nil {
			return inElement(err, i)
		}
	}
	r.leave()
	return nil
}
