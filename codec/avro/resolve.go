package avro

import (
	"encoding/binary"
	"maps"
	"math"
	"slices"
	"strings"

	"github.com/tinylib/msgp/msgp"

	"github.com/levada-io/levada/plan"
	library "github.com/twmb/avro"
)

// resolver compiles how messages of one schema are read as values of another.
type resolver struct {
	*builder
	writer *Schema
	passed builder // for what the reader has no field for
	done   map[key]*node
}

// from compiles the schema of a writer for values of a type.
//
// # Errors
//
// What the writer's schema has and the reader's can not take, with its path.
func (b *builder) from(w *Schema, t plan.Type) (*node, error) {
	r := &resolver{
		builder: b, writer: w, done: map[key]*node{},
		passed: builder{reader: w, types: b.types, done: map[key]*node{}},
	}
	return r.node(w.root, b.reader.root, t)
}

func unreadable(ws, rs *library.SchemaNode) error {
	return failed("%s of the writer can not be read as %s", word(ws), word(rs))
}

// word is what a schema is called in messages.
func word(s *library.SchemaNode) string {
	if s.Name != "" && (kinds[s.Type] == kRecord || kinds[s.Type] == kEnum || kinds[s.Type] == kFixed) {
		return s.Type + " " + s.Name
	}
	return s.Type
}

func (r *resolver) node(ws, rs *library.SchemaNode, t plan.Type) (*node, error) {
	ws, rs = r.writer.resolve(ws), r.reader.resolve(rs)
	switch {
	case ws.Type == "union":
		return r.branches(ws, rs, t)
	case rs.Type == "union":
		return r.branch(ws, rs, t)
	}
	if v, ok := r.variant(rs, t); ok {
		n, err := r.node(ws, rs, v.Type)
		if err != nil {
			return nil, err
		}
		return n.one(v.at), nil
	}
	from, to := kinds[ws.Type], kinds[rs.Type]
	n := &node{kind: from, as: to, name: word(rs), null: -1, only: -1, symbols: ws.Symbols, size: ws.Size, least: 1}
	resolved, err := t.Resolve(r.types)
	if err != nil {
		return nil, err
	}
	if as, ok := timeKind(rs, resolved); ok && (from == to || from == kInt) {
		// The unit is that of who wrote; a number that says nothing has the reader's.
		if wrote, ok := timeKind(ws, resolved); ok && wrote.isLong() == as.isLong() {
			as = wrote
		}
		n.timed(as, resolved)
		return n, nil
	}
	elem := plan.Type{Kind: plan.TAny}
	if resolved.Elem != nil {
		elem = *resolved.Elem
	}
	switch {
	case from == kInt && (to == kLong || to == kFloat || to == kDouble), from == kLong && (to == kFloat || to == kDouble):
	case from == kFloat && to == kDouble:
		n.least = 4
	case from == kString && to == kBytes, from == kBytes && to == kString:
	case from != to:
		return nil, unreadable(ws, rs)
	case from == kNull:
		n.least = 0
	case from == kFloat:
		n.least = 4
	case from == kDouble:
		n.least = 8
	case from == kFixed:
		if !called(ws, rs) || ws.Size != rs.Size {
			return nil, unreadable(ws, rs)
		}
		n.least = n.size
	case from == kEnum:
		if !called(ws, rs) {
			return nil, unreadable(ws, rs)
		}
		n.wrote, n.symbols = ws.Symbols, slices.Clone(ws.Symbols)
		for i, s := range n.symbols {
			if !slices.Contains(rs.Symbols, s) {
				n.symbols[i] = rs.EnumDefault // empty: there is none, and no such symbol
			}
		}
	case from == kArray:
		if n.elem, err = r.node(ws.Items, rs.Items, elem); err != nil {
			return nil, in(err, "[]")
		}
	case from == kMap:
		if n.elem, err = r.node(ws.Values, rs.Values, elem); err != nil {
			return nil, in(err, "[]")
		}
	case from == kRecord:
		return r.record(n, ws, rs, t, resolved)
	}
	return n, nil
}

// called says that two named types have the same name, or that the reader's once had it.
func called(ws, rs *library.SchemaNode) bool {
	last := func(name string) string { return name[strings.LastIndexByte(name, '.')+1:] }
	if last(ws.Name) == last(rs.Name) {
		return true
	}
	return slices.ContainsFunc(rs.Aliases, func(a string) bool {
		return a == fullName(ws) || !strings.Contains(a, ".") && a == last(ws.Name)
	})
}

// branches compiles a union of the writer. A branch that can not be read fails where a
// message has it, unless none can.
func (r *resolver) branches(ws, rs *library.SchemaNode, t plan.Type) (*node, error) {
	t.Nullable = false
	n := &node{kind: kUnion, as: kUnion, name: "union", null: -1, only: -1, least: 1}
	var first error
	refused := 0
	for i := range ws.Branches {
		one, err := r.node(&ws.Branches[i], rs, t)
		if err != nil {
			if _, ok := err.(*failure); !ok {
				return nil, err
			}
			refused++
			if first == nil {
				first = err
			}
			one = &node{kind: kRefused, why: wrong(err)}
		}
		n.branches = append(n.branches, one)
	}
	if refused == len(n.branches) {
		return nil, first
	}
	return n, nil
}

// wrong is a mistake as part of another one, whose path is said already.
func wrong(err error) string { return strings.TrimPrefix(err.Error(), "$: ") }

// branch finds the branch of the reader's union for what is none at the writer: one of the
// same kind and name, then the first that can be read at all.
func (r *resolver) branch(ws, rs *library.SchemaNode, t plan.Type) (*node, error) {
	t.Nullable = false
	for i := range rs.Branches {
		if b := r.reader.resolve(&rs.Branches[i]); b.Type == ws.Type && (b.Name == "" || called(ws, b)) {
			return r.node(ws, b, t)
		}
	}
	for i := range rs.Branches {
		n, err := r.node(ws, &rs.Branches[i], t)
		if _, ok := err.(*failure); !ok {
			return n, err
		}
	}
	return nil, unreadable(ws, rs)
}

func (r *resolver) record(n *node, ws, rs *library.SchemaNode, t, resolved plan.Type) (*node, error) {
	if !called(ws, rs) {
		return nil, unreadable(ws, rs)
	}
	k := key{schema: fullName(rs), from: fullName(ws), typ: t.Key()}
	if done, ok := r.done[k]; ok {
		if done.kind == kRefused {
			return nil, failed("%s", done.why)
		}
		return done, nil
	}
	r.done[k] = n
	if err := r.fields(n, ws, rs, resolved); err != nil {
		// Who has it already, below, must not read half a record.
		*n = node{kind: kRefused, why: wrong(err)}
		return nil, err
	}
	return n, nil
}

func (r *resolver) fields(n *node, ws, rs *library.SchemaNode, t plan.Type) error {
	typeOf := memberTypes(t)
	into := map[int]*library.SchemaField{} // of the writer's fields
	var lacking []*library.SchemaField
	for i := range rs.Fields {
		f := &rs.Fields[i]
		at := -1
		for _, name := range append([]string{f.Name}, f.Aliases...) {
			at = slices.IndexFunc(ws.Fields, func(w library.SchemaField) bool { return w.Name == name })
			if at >= 0 && into[at] == nil {
				break
			}
			at = -1
		}
		if at < 0 {
			lacking = append(lacking, f)
		} else {
			into[at] = f
		}
	}
	n.least = 0
	for i := range ws.Fields {
		w := &ws.Fields[i]
		f := into[i]
		one := field{name: w.Name, skip: f == nil}
		var err error
		if f == nil {
			one.node, err = r.passed.node(&w.Type, plan.Type{Kind: plan.TAny})
		} else {
			one.name = f.Name
			one.node, err = r.node(&w.Type, &f.Type, typeOf(f.Name))
			n.kept++
		}
		if err != nil {
			return in(err, "."+one.name)
		}
		n.fields = append(n.fields, one)
		n.least = min(n.least+one.node.least, 1<<20)
	}
	for _, f := range lacking {
		if !f.HasDefault {
			return in(failed("the writer has no such field, and the reader's schema no default"), "."+f.Name)
		}
		text, err := r.reader.appendDefault(nil, &f.Type, f.Default)
		if err != nil {
			return in(err, "."+f.Name)
		}
		to, err := r.builder.node(&f.Type, typeOf(f.Name))
		if err != nil {
			return err
		}
		if n.defaults == nil {
			n.defaults = map[string]missing{}
		}
		n.defaults[f.Name] = missing{to, text}
		if n.filled, err = read(msgp.AppendString(n.filled, f.Name), text, to); err != nil {
			return in(err, "."+f.Name)
		}
		n.fills++
	}
	return nil
}

// appendDefault appends the message of a default. One that comes back to itself is
// refused where the schema is parsed.
func (c *Schema) appendDefault(dst []byte, s *library.SchemaNode, v any) ([]byte, error) {
	s = c.resolve(s)
	no := failed("a default of %s that is no such value: %v", word(s), v)
	var err error
	switch kinds[s.Type] {
	case kNull:
		if v == nil {
			return dst, nil
		}
	case kBool:
		if b, ok := v.(bool); ok && b {
			return append(dst, 1), nil
		} else if ok {
			return append(dst, 0), nil
		}
	case kInt:
		if i, ok := v.(int32); ok {
			return binary.AppendVarint(dst, int64(i)), nil
		}
	case kLong:
		if i, ok := v.(int64); ok {
			return binary.AppendVarint(dst, i), nil
		}
	case kFloat:
		if f, ok := v.(float32); ok {
			return binary.LittleEndian.AppendUint32(dst, math.Float32bits(f)), nil
		}
	case kDouble:
		if f, ok := v.(float64); ok {
			return binary.LittleEndian.AppendUint64(dst, math.Float64bits(f)), nil
		}
	case kString:
		if text, ok := v.(string); ok {
			return append(binary.AppendVarint(dst, int64(len(text))), text...), nil
		}
	case kBytes:
		if b, ok := v.([]byte); ok {
			return append(binary.AppendVarint(dst, int64(len(b))), b...), nil
		}
	case kFixed:
		if b, ok := v.([]byte); ok && len(b) == s.Size {
			return append(dst, b...), nil
		}
	case kEnum:
		if symbol, ok := v.(string); ok && slices.Contains(s.Symbols, symbol) {
			return binary.AppendVarint(dst, int64(slices.Index(s.Symbols, symbol))), nil
		}
	case kArray:
		list, ok := v.([]any)
		if !ok {
			return dst, no
		}
		if len(list) > 0 {
			dst = binary.AppendVarint(dst, int64(len(list)))
		}
		for _, e := range list {
			if dst, err = c.appendDefault(dst, s.Items, e); err != nil {
				return dst, err
			}
		}
		return append(dst, 0), nil
	case kMap:
		m, ok := v.(map[string]any)
		if !ok {
			return dst, no
		}
		if len(m) > 0 {
			dst = binary.AppendVarint(dst, int64(len(m)))
		}
		for _, name := range slices.Sorted(maps.Keys(m)) {
			dst = append(binary.AppendVarint(dst, int64(len(name))), name...)
			if dst, err = c.appendDefault(dst, s.Values, m[name]); err != nil {
				return dst, err
			}
		}
		return append(dst, 0), nil
	case kRecord:
		m, ok := v.(map[string]any)
		if !ok {
			return dst, no
		}
		for i := range s.Fields {
			f := &s.Fields[i]
			e, ok := m[f.Name]
			if !ok {
				if !f.HasDefault {
					return dst, in(failed("a default without this field, which has none itself"), "."+f.Name)
				}
				e = f.Default
			}
			if dst, err = c.appendDefault(dst, &f.Type, e); err != nil {
				return dst, in(err, "."+f.Name)
			}
		}
		return dst, nil
	case kUnion:
		for i := range s.Branches {
			if out, err := c.appendDefault(binary.AppendVarint(dst[:len(dst):len(dst)], int64(i)), &s.Branches[i], v); err == nil {
				return out, nil
			}
		}
	}
	return dst, no
}

// memberTypes are the types that members have, by name.
func memberTypes(t plan.Type) func(name string) plan.Type {
	return func(name string) plan.Type {
		for _, f := range t.Fields {
			if f.Name == name {
				return f.Type
			}
		}
		if t.Kind == plan.TMap {
			return *t.Elem
		}
		return plan.Type{Kind: plan.TAny}
	}
}
