package planner

import (
	"bytes"
	"encoding/json/jsontext"
	"encoding/json/v2"
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"
	"text/tabwriter"

	"github.com/levada-io/levada/plan"
)

// Explain writes what would run, a line each step in the order of the flow: kind,
// function, payload type, what runs together, where the GIL is taken, which step
// forces a decode, as what payloads cross where that is no frame, and what becomes of a
// failing message where it does not end the run.
func (pl *Planned) Explain(w io.Writer) error {
	fmt.Fprintf(w, "pipeline %s\n", pl.plan.Name)
	tw := tabwriter.NewWriter(w, 2, 8, 2, ' ', 0)
	chains, chain := 0, 0
	var walk func(n, up *node, depth int)
	walk = func(n, up *node, depth int) {
		indent := strings.Repeat("  ", depth)
		if n.Branch != "" {
			fmt.Fprintf(tw, "%s  branch %s\n", indent, branchName(up, n.Branch))
			indent += "  "
			depth++
		}
		how := ""
		switch n.lang {
		case golang, decode, encode:
			if up.lang != golang && up.lang != decode && up.lang != encode || n.Branch != "" {
				chains++
				chain = chains
			}
			how = fmt.Sprintf("Go chain %d, no GIL", chain)
			if n.lang == decode && n.codec != "raw" {
				next, _ := pl.reader(n)
				how += fmt.Sprintf("; decodes into %s for %q", pl.decodesInto(n), next.Name)
				for _, f := range pl.ahead(n) {
					how += fmt.Sprintf(", what %q leaves", f.Name)
				}
			}
			if t := pl.takes(n); t != "" {
				from := "of its own"
				if slices.ContainsFunc(pl.nodes, func(p *node) bool { return p.lang == decode && slices.Contains(pl.ahead(p), n) }) {
					from = "from the bytes"
				}
				how += fmt.Sprintf("; reads %s %s, the message passes as it is", t, from)
			}
		case python:
			how = fmt.Sprintf("crossing %d, takes the GIL once per chunk", n.crossing)
		}
		if n.word != "" && n.word != plan.CrossFrame {
			if how != "" {
				how += "; "
			}
			how += "payloads come as " + n.word
		}
		if text := policyText(n.policy); text != "" {
			if how != "" {
				how += "; "
			}
			how += text
		}
		row := []string{indent + "  " + n.Name, word(n), subject(n), n.out.String()}
		if how != "" {
			row = append(row, how)
		}
		fmt.Fprintln(tw, strings.Join(row, "\t"))
		for _, next := range n.next {
			walk(next, n, depth)
		}
	}
	walk(pl.root, nil, 0)
	if err := tw.Flush(); err != nil {
		return err
	}
	crossings := map[int]bool{}
	for _, n := range pl.nodes {
		if n.crossing > 0 {
			crossings[n.crossing] = true
		}
	}
	_, err := fmt.Fprintf(w, "crossings per chunk: %d\n", len(crossings))
	return err
}

// word is the kind as the author wrote it: a parse is a map in the plan.
func word(n *node) string {
	switch n.lang {
	case decode:
		return "parse"
	case encode:
		return "serialize"
	}
	return string(n.Kind)
}

func branchName(route *node, name string) string {
	for _, b := range route.Branches {
		switch {
		case b.Name != name:
		case b.Otherwise:
			return name + " (otherwise)"
		case b.Key != nil:
			return fmt.Sprintf("%s (%s)", name, b.Key)
		}
	}
	return name
}

// subject is what a step is about: its function, codec, stream or limit.
func subject(n *node) string {
	switch n.Kind {
	case plan.Source, plan.Sink:
		return fmt.Sprintf("%s %q", n.Connector, n.Stream)
	case plan.Batch:
		var parts []string
		if n.Limit.Count > 0 {
			parts = append(parts, fmt.Sprintf("%d messages", n.Limit.Count))
		}
		if n.Limit.Bytes > 0 {
			parts = append(parts, fmt.Sprintf("%d bytes", n.Limit.Bytes))
		}
		if n.Limit.AgeMS > 0 {
			parts = append(parts, fmt.Sprintf("%d ms", n.Limit.AgeMS))
		}
		return strings.Join(parts, " or ")
	case plan.Broadcast:
		return fmt.Sprintf("%d branches", len(n.Branches))
	}
	if n.Function.Settings != nil {
		return short(n.Function.Name) + " " + set(n)
	}
	return short(n.Function.Name)
}

// set are the settings of a step on one line. The text of a schema, which may have
// thousands, is its name there.
func set(n *node) string {
	settings := n.Function.Settings.Clone()
	if err := settings.Compact(); err != nil { // a plan with settings that are no JSON is refused
		return string(n.Function.Settings)
	}
	if n.impl == nil {
		return string(settings)
	}
	dec := jsontext.NewDecoder(bytes.NewReader(settings))
	var out bytes.Buffer
	enc := jsontext.NewEncoder(&out, jsontext.AllowDuplicateNames(true))
	for dec.PeekKind() != jsontext.KindInvalid {
		name := ""
		if kind, length := dec.StackIndex(dec.StackDepth()); dec.StackDepth() == 1 && kind == '{' && length%2 == 1 {
			name = string(dec.StackPointer())
		}
		if name == "/schema" || name == "/writer" || name == "/imports" {
			value, err := dec.ReadValue()
			if err == nil {
				err = enc.WriteValue(inShort(n, name, value))
			}
			if err != nil {
				return string(settings)
			}
			continue
		}
		t, err := dec.ReadToken()
		if err == nil {
			err = enc.WriteToken(t)
		}
		if err != nil {
			return string(settings)
		}
	}
	return strings.TrimSpace(out.String())
}

// described is a codec whose schema has several messages in it.
type described interface{ MessageName() string }

// inShort is a setting that has a schema, or several: their names.
func inShort(n *node, name string, value jsontext.Value) jsontext.Value {
	var short any
	var text string
	var imports map[string]string
	switch m, ok := n.impl.(described); {
	case name == "/imports" && json.Unmarshal(value, &imports) == nil:
		short = slices.Sorted(maps.Keys(imports))
	case json.Unmarshal(value, &text) != nil:
		return value
	case ok:
		short = m.MessageName()
	default:
		short = called(text)
	}
	out, err := json.Marshal(short)
	if err != nil {
		return value
	}
	return out
}

// called is the name of a schema, or its beginning where it has none.
func called(schema string) string {
	var named struct {
		Name      string `json:"name"`
		Namespace string `json:"namespace"`
	}
	if err := json.Unmarshal([]byte(schema), &named); err == nil && named.Name != "" {
		if named.Namespace != "" && !strings.Contains(named.Name, ".") {
			return named.Namespace + "." + named.Name
		}
		return named.Name
	}
	text := strings.Join(strings.Fields(schema), " ")
	if r := []rune(text); len(r) > 40 {
		return string(r[:40]) + "..."
	}
	return text
}
