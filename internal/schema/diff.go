package schema

import (
	"cmp"
	"fmt"
	"io/fs"
	"maps"
	"slices"
	"strings"

	"google.golang.org/protobuf/reflect/protoreflect"

	"github.com/levada-io/levada/internal/typing"
	"github.com/levada-io/levada/plan"
)

// Types are what the topics of a folder of schemas have as messages, for comparison.
type Types struct {
	Topics map[string]plan.Type
	Table  typing.Table
	// evolving are the structs of Table where messages of another day are read: what has
	// a default may be absent then.
	evolving map[string]plan.Type
	texts    map[string]string                         // of each topic: all that its schema says
	count    int                                       // types that were made
	messages map[string]protoreflect.MessageDescriptor // of topics with protocol buffers
}

// ReadTypes reads the folder fsys, called name, as Sync of a lock with the pattern does.
// Types at places that are in locked keep their names.
func ReadTypes(fsys fs.FS, name, pattern string, locked map[string]string) (*Types, error) {
	found, err := scan(fsys, pattern)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", name, err)
	}
	if len(found.topics) == 0 {
		return nil, fmt.Errorf("%s: expected topics/*.yaml, *.json, *.avsc or *.proto, got none of them", name)
	}
	p, messages, err := messagesOf(fsys, found, false)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", name, err)
	}
	return readTypes(fsys, name, found.topics, messages, p, locked)
}

func readTypes(fsys fs.FS, name string, topics, messages map[string]string, p *protos, locked map[string]string) (*Types, error) {
	files := slices.Compact(slices.Sorted(maps.Values(topics)))
	l, err := newLowering(fsys, locked, rootOf(files))
	if err != nil {
		return nil, err
	}
	out := &Types{
		Topics: map[string]plan.Type{}, texts: map[string]string{},
		Table:    typing.Table{Types: map[string]plan.Type{}, Values: map[string][]string{}, Rules: map[string]plan.Rules{}},
		evolving: map[string]plan.Type{},
		messages: map[string]protoreflect.MessageDescriptor{},
	}
	types, texts := map[string]plan.Type{}, map[string]string{}
	for _, file := range files {
		if isProto(file) {
			continue
		}
		root, t, err := l.root(file)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", name, err)
		}
		types[file] = out.plan(t)
		if out.count > MaxTypes {
			return nil, fmt.Errorf("%s: %w", name, root.errorf("expected at most %d types in all, got more: references multiply them", MaxTypes))
		}
		var text strings.Builder
		what := schemaText
		if isAvro(file) {
			what = avroText
		}
		l.files.text(&text, root, what, map[*node]int{})
		texts[file] = text.String()
	}
	for topic, file := range topics {
		if isProto(file) {
			m, err := p.message(topic, file, messages[topic])
			if err != nil {
				return nil, fmt.Errorf("%s: %w", name, err)
			}
			out.messages[topic] = m
			out.Topics[topic], out.texts[topic] = out.message(m), messageText(m)
			continue
		}
		out.Topics[topic], out.texts[topic] = types[file], texts[file]
	}
	return out, nil
}

func (s *Types) overTime() typing.Table {
	types := maps.Clone(s.Table.Types)
	maps.Copy(types, s.evolving)
	return typing.Table{Types: types, Values: s.Table.Values, Rules: s.Table.Rules}
}

// plan is t as pipelines have types. What values keep to beside it has a name of its own,
// for rules stand at any place of a schema.
func (s *Types) plan(t *typ) plan.Type {
	p := s.bare(t)
	r := t.kept()
	if r.Empty() {
		return p
	}
	base := p
	base.Nullable = false
	name := fmt.Sprintf("%d.%s", len(s.Table.Rules), base)
	s.Table.Types[name], s.Table.Rules[name] = base, r
	return plan.Type{Kind: plan.TRef, Name: name, Nullable: p.Nullable}
}

// bare is t without its rules.
func (s *Types) bare(t *typ) plan.Type {
	p := plan.Type{Kind: plan.TAny, Nullable: t.nullable}
	if s.count++; s.count > MaxTypes {
		return p // an error of who asked for all of them
	}
	switch t.kind {
	case boolKind:
		p.Kind = plan.TBool
	case int32Kind:
		p.Kind = plan.TInt32
	case float32Kind:
		p.Kind = plan.TFloat32
	case timeKind, durationKind:
		p.Kind, p.Unit = plan.TTime, t.unit
		if t.kind == durationKind {
			p.Kind = plan.TDuration
			p.Unit = strings.TrimSuffix(t.unit, "ms") // that is the one without a name
		}
	case intKind:
		p.Kind = plan.TInt64
	case uintKind:
		p.Kind = plan.TUint64
	case numberKind:
		p.Kind = plan.TFloat64
	case stringKind:
		p.Kind = plan.TString
	case bytesKind:
		p.Kind = plan.TBytes
	case listKind, mapKind:
		elem := s.plan(t.elem)
		p.Elem, p.Kind = &elem, plan.TList
		if t.kind == mapKind {
			p.Kind = plan.TMap
		}
	case tupleKind, unionKind:
		for _, e := range t.elems {
			p.Elems = append(p.Elems, s.plan(e))
		}
		p.Kind = plan.TTuple
		if t.kind == unionKind {
			p.Kind = plan.TUnion
		}
		if len(p.Elems) == 1 && t.kind == unionKind { // a shared type, with null
			p = p.Elems[0]
			p.Nullable = p.Nullable || t.nullable
		}
	case enumKind:
		p.Kind, p.Name = plan.TRef, t.name
		s.Table.Types[t.name] = plan.Type{Kind: plan.TString}
		if t.base == intKind {
			s.Table.Types[t.name] = plan.Type{Kind: plan.TInt64}
		}
		var values []string
		for _, v := range t.values {
			values = append(values, v.canonical())
		}
		s.Table.Values[t.name] = values
	case objectKind:
		p.Kind, p.Name = plan.TRef, t.name
		if _, known := s.Table.Types[t.name]; known {
			break
		}
		s.Table.Types[t.name] = plan.Type{} // a recursion ends here
		st := plan.Type{Kind: plan.TStruct, Extra: !t.closed}
		ev := st
		for _, f := range t.fields {
			m := plan.Field{Name: f.name, Type: s.plan(f.t), Optional: !f.required || f.fallback}
			ev.Fields = append(ev.Fields, m) // values are compared by name there
			m.Optional = !f.required
			if c := f.t.only(); c != nil {
				m.Const = c.canonical()
			}
			st.Fields = append(st.Fields, m)
		}
		s.Table.Types[t.name], s.evolving[t.name] = st, ev
	}
	return p
}

// kept are the rules of values of t, but for those of its elements: all that the schema
// says, also what no tag holds.
func (t *typ) kept() plan.Rules {
	r := plan.Rules{MaxLen: -1}
	if t.rules != nil {
		r = *t.rules
	}
	switch t.kind {
	case intKind, uintKind:
		// The ends of a type in Go are bounds as any other here.
		if t.min != nil && (t.kind == intKind || t.min.Sign() > 0) {
			r.Min = ceil(t.min).String()
		}
		if t.max != nil {
			r.Max = floor(t.max).String()
		}
	case stringKind:
		r.Pattern, r.Format = t.pattern, t.format
	}
	return r
}

// textOf says what is at a place of a schema.
type textOf int

const (
	schemaText textOf = iota
	namesText         // an object whose members are schemas by name
	dataText          // a value
	avroText          // a schema of Avro
	setText           // an array of values in any order
)

// text writes all that a schema says, wherever it is written: with what references lead
// to in their place, members in order, and no notes for people.
func (f *files) text(b *strings.Builder, n *node, what textOf, seen map[*node]int) {
	if n.kind != '{' && n.kind != '[' {
		b.WriteString(n.canonical())
		return
	}
	if at, ok := seen[n]; ok {
		fmt.Fprintf(b, "@%d", at)
		return
	}
	ref := n.get("$ref")
	if ref != nil && what == schemaText && (n.draft < 2019 || !n.typed()) {
		// It counts for nothing itself, so that a definition is what it was in its place.
		seen[n] = -1
		defer delete(seen, n)
		f.referred(b, n, ref, seen)
		return
	}
	seen[n] = len(seen)
	if n.kind == '[' {
		within := what
		if what == setText {
			within = dataText
		}
		var elems []string
		for _, v := range n.vals {
			var elem strings.Builder
			f.text(&elem, v, within, seen)
			elems = append(elems, elem.String())
		}
		if what == setText {
			slices.Sort(elems)
		}
		fmt.Fprintf(b, "[%s]", strings.Join(elems, ","))
		return
	}
	b.WriteByte('{')
	for _, key := range slices.Compact(slices.Sorted(slices.Values(n.keys))) {
		within := what
		switch what {
		case avroText:
			switch key {
			case "doc", "aliases", "default", "order", "name", "namespace":
				continue
			}
		case namesText:
			within = schemaText
		case setText:
			within = dataText
		case schemaText:
			switch key {
			case "$id", "$schema", "$comment", "definitions", "$defs", "title", "description", "default", "examples":
				continue
			case "properties", "patternProperties", "dependentSchemas":
				within = namesText
			case "enum", "required", "type":
				within = setText
			case "const":
				within = dataText
			}
		}
		fmt.Fprintf(b, "%q:", key)
		if key == "$ref" && what == schemaText {
			f.referred(b, n, ref, seen)
		} else {
			f.text(b, n.get(key), within, seen)
		}
		b.WriteByte(',')
	}
	b.WriteByte('}')
}

// canonical is a scalar in the one spelling that it has: 1.0 is 1.
func (n *node) canonical() string {
	raw := n.raw.Clone()
	if n.kind == '0' && !strings.ContainsAny(string(raw), ".eE") {
		return string(raw) // all digits of an integer count
	}
	if err := raw.Canonicalize(); err != nil {
		return string(n.raw)
	}
	return string(raw)
}

// referred is the text of what ref leads to. Where types do not look it may lead nowhere.
func (f *files) referred(b *strings.Builder, n, ref *node, seen map[*node]int) {
	to, err := f.follow(n, ref)
	if err != nil {
		to = ref
	}
	f.text(b, to, schemaText, seen)
}

// Change is what became of the schema of a topic.
type Change struct {
	Topic string
	// Before and After are the types; nil where there is no such topic.
	Before, After *plan.Type
	Changes       typing.Changes
	// Beyond says that the schema has changed where neither types nor rules look: in what
	// stays JSON, or in a word that they do not have.
	Beyond bool
}

// Diff says, per topic, what became of the schemas.
func Diff(old, now *Types) []Change {
	var out []Change
	topics := maps.Clone(old.Topics)
	maps.Copy(topics, now.Topics)
	for topic := range topics {
		c := Change{Topic: topic}
		if t, ok := old.Topics[topic]; ok {
			c.Before = &t
		}
		if t, ok := now.Topics[topic]; ok {
			c.After = &t
		}
		was, is := old.messages[topic], now.messages[topic]
		switch {
		case c.Before == nil || c.After == nil:
		case was != nil && is != nil:
			c.Changes = diffMessages(was, is)
			c.Beyond = c.Changes == nil && old.texts[topic] != now.texts[topic]
		case was != nil:
			c.Changes = typing.Changes{{Path: "$", Text: "was a message of protocol buffers, has a schema of another kind"}}
		case is != nil:
			c.Changes = typing.Changes{{Path: "$", Text: "had a schema of another kind, is a message of protocol buffers"}}
		default:
			c.Changes = typing.CompareTables(*c.Before, *c.After, old.overTime(), now.overTime())
			c.Beyond = c.Changes == nil && old.texts[topic] != now.texts[topic]
		}
		out = append(out, c)
	}
	slices.SortFunc(out, func(a, b Change) int { return cmp.Compare(a.Topic, b.Topic) })
	return out
}

// Breaks says where somebody who reads a topic as the type reader could read what the
// old schema allows, and can not what the new one does.
//
// Whoever reads a message of protocol buffers has the old one: it is told which changes
// old readers mind, whatever its members are called.
func Breaks(reader plan.Type, table map[string]plan.Type, topic string, old, now *Types) typing.Changes {
	if was, is := old.messages[topic], now.messages[topic]; was != nil && is != nil {
		return slices.DeleteFunc(diffMessages(was, is), func(c typing.Change) bool { return c.Forward })
	}
	minds := func(s *Types) typing.Changes {
		t, ok := s.Topics[topic]
		if !ok {
			return nil
		}
		cs := typing.CompareTables(reader, t, typing.Table{Types: table}, s.Table)
		return slices.DeleteFunc(cs, func(c typing.Change) bool { return c.Forward })
	}
	// Where it did not fit before, the new schema has broken nothing.
	was := minds(old)
	return slices.DeleteFunc(minds(now), func(c typing.Change) bool {
		return slices.ContainsFunc(was, func(w typing.Change) bool { return w.Path == c.Path })
	})
}
