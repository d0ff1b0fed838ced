// Package yamldoc reads one YAML document strictly, with the place of everything in
// it, for pipelines and deployments alike. It owns what is refused whatever the
// document means: too large, too deep, more than one document, anchors, tags, keys
// twice. It does not know what the document means.
package yamldoc

import (
	"bytes"
	"cmp"
	"errors"
	"fmt"
	"io"
	"math"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"
	"unicode/utf8"

	"go.yaml.in/yaml/v4"
	"go.yaml.in/yaml/v4/plugin/loaderlimits"

	"github.com/levada-io/levada/internal/diag"
)

// Limits of a document: what a person writes stays far below them.
const (
	MaxBytes = 1 << 20
	MaxDepth = 64
)

// maxMistakes bounds what a hostile document prints.
const maxMistakes = 100

// File is one document and the mistakes found in it so far.
type File struct {
	Name  string // as messages show it
	Root  *Node
	lines []string
	found []mistake
	more  int // mistakes beyond maxMistakes
	// secret are the lines that messages do not show.
	secret map[int]bool
}

type mistake struct {
	line, column int // 0: the file as a whole
	diag.Diagnostic
}

// Node is a value of the document.
type Node struct {
	Kind   Kind
	Line   int // from 1
	Column int // from 1
	// Text is a scalar as it stands in the file, quotes resolved.
	Text string
	// Quoted says that a scalar is text whatever it looks like.
	Quoted bool
	// Reference is what stands in the file where Text comes from elsewhere; then the
	// reader decides whether it is text, a number or a boolean. Messages show it instead
	// of the text, which may be a secret.
	Reference string
	// Keys and Values are the entries of a map, in order; Values alone are the elements
	// of a list.
	Keys   []*Node
	Values []*Node
}

// Kind is what a Node is.
type Kind int

// The kinds of nodes.
const (
	Null Kind = iota + 1
	Bool
	Int
	Float
	Text
	List
	Map
)

var kindNames = map[Kind]string{Null: "nothing", Bool: "a boolean", Int: "an integer", Float: "a number", Text: "text", List: "a list", Map: "a map"}

// String is the kind as messages name it.
func (k Kind) String() string { return kindNames[k] }

// Parse reads the document. Messages do not show the lines that contain one of the
// secret words, in whatever case: "password".
//
// # Errors
//
// A diag.List. What is no single YAML document has one entry; anchors, tags and
// duplicate keys are listed all.
func Parse(name string, data []byte, secret ...string) (*File, error) {
	f := &File{Name: name, secret: map[int]bool{}}
	if len(data) > MaxBytes {
		f.whole("yaml-too-large", "expected at most 1 MiB, got %d bytes", len(data))
		return nil, f.Err()
	}
	data = bytes.TrimPrefix(data, []byte("\ufeff"))
	f.lines = strings.Split(string(bytes.ReplaceAll(data, []byte("\r\n"), []byte("\n"))), "\n")
	for i, line := range f.lines {
		for _, word := range secret {
			if strings.Contains(strings.ToLower(line), word) {
				f.secret[i+1] = true
			}
		}
	}
	if !utf8.Valid(data) {
		for i, line := range f.lines {
			if !utf8.ValidString(line) {
				f.at(i+1, firstInvalid(line), 1, "yaml-syntax", "", "expected UTF-8 text, got byte 0x%02x", line[firstInvalid(line)-1])
				return nil, f.Err()
			}
		}
	}
	l, err := yaml.NewLoader(bytes.NewReader(data), yaml.WithPlugin(loaderlimits.New(loaderlimits.DepthValue(MaxDepth))))
	if err != nil {
		return nil, fmt.Errorf("BUG: yaml loader: %w", err)
	}
	var doc, next yaml.Node
	if err := l.Load(&doc); err != nil {
		f.syntax(data, err)
		return nil, f.Err()
	}
	switch err := l.Load(&next); {
	case err == nil:
		f.at(next.Line, 1, 1, "yaml-documents", "write each document into a file of its own", "expected one document, got a second one")
	case !errors.Is(err, io.EOF):
		f.syntax(data, err)
	}
	f.Root = f.node(doc.Content[0])
	return f, f.Err()
}

func firstInvalid(line string) int {
	for i, r := range line {
		if r == utf8.RuneError && !strings.HasPrefix(line[i:], "\ufffd") {
			return i + 1
		}
	}
	return 1
}

// syntax reports what the YAML library refuses.
func (f *File) syntax(data []byte, err error) {
	if errors.Is(err, io.EOF) {
		f.whole("yaml-empty", "expected a document, got an empty file")
		return
	}
	le, ok := errors.AsType[*yaml.LoadError](err)
	if !ok {
		f.whole("yaml-syntax", "not valid YAML: %v", err)
		return
	}
	line, column := le.Mark.Line, le.Mark.Column
	switch text := f.line(line); {
	case strings.Contains(le.Message, "max depth"):
		f.at(max(line, 1), max(column, 1), 1, "yaml-depth", "", "expected at most %d levels of nesting, got more", MaxDepth)
	case tabAt(text, column):
		f.at(line, column, 1, "yaml-tab", "indent with spaces", "expected spaces for indentation, got a tab")
	default:
		msg := "not valid YAML: " + le.Message
		if c := le.ContextMark; c.Line > 0 && le.ContextMsg != "" && c != le.Mark {
			msg += fmt.Sprintf(", %s that begins at %d:%d", le.ContextMsg, c.Line, c.Column)
		}
		f.at(max(line, 1), max(column, 1), 1, "yaml-syntax", "", "%s", msg)
	}
}

// tabAt says whether there is a tab at the column, or in the indentation before it.
func tabAt(line string, column int) bool {
	i := strings.IndexByte(line, '\t')
	return i >= 0 && i < column && strings.TrimLeft(line[:i], " -") == ""
}

// node converts what the library has read. Depth is bounded by the loader.
func (f *File) node(y *yaml.Node) *Node {
	n := &Node{Line: y.Line, Column: y.Column, Text: y.Value}
	if y.Anchor != "" {
		f.Problem(n, "yaml-anchor", "write the value out", "anchors are not supported, got &%s", y.Anchor)
	}
	if y.Style&yaml.TaggedStyle != 0 {
		f.Problem(n, "yaml-tag", "", "tags are not supported, got %s", y.Tag)
	}
	switch y.Kind {
	case yaml.AliasNode:
		f.Problem(n, "yaml-anchor", "write the value out", "aliases are not supported, got *%s", y.Value)
		n.Kind = Null
	case yaml.SequenceNode:
		n.Kind = List
		for _, v := range y.Content {
			n.Values = append(n.Values, f.node(v))
		}
	case yaml.MappingNode:
		n.Kind = Map
		f.entries(n, y)
	default:
		n.Quoted = y.Style&(yaml.DoubleQuotedStyle|yaml.SingleQuotedStyle|yaml.LiteralStyle|yaml.FoldedStyle) != 0
		n.Kind = scalarKind(y.ShortTag(), n.Quoted)
	}
	return n
}

func (f *File) entries(n *Node, y *yaml.Node) {
	seen := make(map[string]int, len(y.Content)/2)
	for i := 0; i+1 < len(y.Content); i += 2 {
		k := f.node(y.Content[i])
		if k.Kind == List || k.Kind == Map {
			f.Problem(k, "yaml-key", "", "expected a key that is text, got %s", k.Kind)
			continue
		}
		if line, twice := seen[k.Text]; twice {
			f.Problem(k, "duplicate-key", "", "expected each key once, got %q again after line %d", k.Text, line)
			continue
		}
		seen[k.Text] = k.Line
		n.Keys = append(n.Keys, k)
		n.Values = append(n.Values, f.node(y.Content[i+1]))
	}
}

func scalarKind(tag string, quoted bool) Kind {
	if quoted {
		return Text
	}
	switch tag {
	case "!!null":
		return Null
	case "!!bool":
		return Bool
	case "!!int":
		return Int
	case "!!float":
		return Float
	}
	return Text // a date too
}

// Get returns the value of a key of a map; nil where it has none.
func (n *Node) Get(key string) *Node {
	for i, k := range n.Keys {
		if k.Text == key {
			return n.Values[i]
		}
	}
	return nil
}

// Shown is the value as messages show it: 3, "x", a list.
func (n *Node) Shown() string {
	switch {
	case n.Kind == Null, n.Kind == List, n.Kind == Map:
		return n.Kind.String()
	case n.Reference != "":
		return "the value of " + n.Reference
	case n.Kind == Text:
		return fmt.Sprintf("%q", n.Text)
	}
	return n.Text
}

// Problem reports a mistake at n.
func (f *File) Problem(n *Node, code, hint, format string, args ...any) {
	f.at(n.Line, n.Column, f.width(n), code, hint, format, args...)
}

// Conceal keeps the lines of n out of messages.
func (f *File) Conceal(n *Node) {
	for line := n.Line; line <= n.Line+strings.Count(n.Text, "\n")+1; line++ {
		f.secret[line] = true
	}
}

// Err is all mistakes found so far, in the order of the file; nil if there are none.
func (f *File) Err() error {
	slices.SortStableFunc(f.found, func(a, b mistake) int {
		return cmp.Or(a.line-b.line, a.column-b.column)
	})
	out := make(diag.List, len(f.found))
	for i, m := range f.found {
		if f.secret[m.line] {
			m.Excerpt = diag.Excerpt{}
		}
		out[i] = m.Diagnostic
	}
	if f.more > 0 {
		out = append(out, diag.Diagnostic{Place: f.Name, Message: fmt.Sprintf("%d mistakes more", f.more)})
	}
	return out.Err()
}

func (f *File) whole(code, format string, args ...any) {
	f.found = append(f.found, mistake{0, 0, diag.Diagnostic{Code: code, Place: f.Name, Message: fmt.Sprintf(format, args...)}})
}

func (f *File) at(line, column, width int, code, hint, format string, args ...any) {
	if len(f.found) == maxMistakes {
		f.more++
		return
	}
	f.found = append(f.found, mistake{line, column, diag.Diagnostic{
		Code: code, Place: fmt.Sprintf("%s:%d:%d", f.Name, line, column), Message: fmt.Sprintf(format, args...),
		Excerpt: diag.Excerpt{Line: line, Column: column, Width: width, Text: f.line(line)}, Hint: hint,
	}})
}

func (f *File) line(n int) string {
	if n < 1 || n > len(f.lines) {
		return ""
	}
	return f.lines[n-1]
}

// width is how many characters of the line a scalar takes.
func (f *File) width(n *Node) int {
	if n.Kind == List || n.Kind == Map {
		return 1
	}
	if n.Reference != "" {
		return utf8.RuneCountInString(n.Reference)
	}
	w := utf8.RuneCountInString(n.Text)
	if n.Quoted {
		w += 2
	}
	return w
}

// Fields calls the function of every key of a map, in the order of the file, and
// reports keys that have none. place is where the map stands ("kafka.tls"); it is
// empty for the whole document.
func (f *File) Fields(n *Node, place string, fields map[string]func(*Node)) {
	if !f.Is(n, place, Map) {
		return
	}
	for i, k := range n.Keys {
		set, ok := fields[k.Text]
		if !ok {
			f.Unknown(k, place, keys(fields))
			continue
		}
		set(n.Values[i])
	}
}

// Unknown reports a key that is not one of the known.
func (f *File) Unknown(k *Node, place string, known []string) {
	slices.Sort(known)
	hint := diag.DidYouMean(k.Text, known)
	if hint == "" {
		hint = "known are " + strings.Join(known, ", ")
	}
	f.Problem(k, "unknown-key", hint, "%sunknown key %q", in(place), k.Text)
}

func keys(m map[string]func(*Node)) []string {
	out := make([]string, 0, len(m))
	for k := range m {
		out = append(out, k)
	}
	return out
}

// in is a place before a message.
func in(place string) string {
	if place == "" {
		return ""
	}
	return place + ": "
}

// Is reports where n is of another kind.
func (f *File) Is(n *Node, place string, want Kind) bool {
	if n.Kind == want {
		return true
	}
	hint := ""
	if want == Text && n.Reference == "" && (n.Kind == Bool || n.Kind == Int || n.Kind == Float) {
		hint = fmt.Sprintf("write it in quotes: %q", n.Text)
	}
	f.Problem(n, "wrong-type", hint, "%sexpected %s, got %s", in(place), want, n.Shown())
	return false
}

// String reads text that is not empty.
func (f *File) String(n *Node, place string) (string, bool) {
	if !f.Is(n, place, Text) {
		return "", false
	}
	if n.Text == "" {
		f.Problem(n, "wrong-value", "", "%sexpected text, got an empty one", in(place))
		return "", false
	}
	return n.Text, true
}

// Integer reads an integer of at least low.
func (f *File) Integer(n *Node, place string, low int64) (int64, bool) {
	if n.Reference == "" && !f.Is(n, place, Int) {
		return 0, false
	}
	v, err := strconv.ParseInt(n.Text, 10, 64)
	switch {
	case err != nil:
		f.Problem(n, "wrong-value", "", "%sexpected a decimal integer, got %s", in(place), n.Shown())
		return 0, false
	case v < low:
		f.Problem(n, "wrong-value", "", "%sexpected at least %d, got %s", in(place), low, n.Shown())
		return 0, false
	}
	return v, true
}

// Number reads a finite number: 0.25, 1.
func (f *File) Number(n *Node, place string) (float64, bool) {
	if n.Reference == "" && n.Kind != Int && !f.Is(n, place, Float) {
		return 0, false
	}
	v, err := strconv.ParseFloat(n.Text, 64)
	if n.Kind == List || n.Kind == Map || err != nil || math.IsNaN(v) || math.IsInf(v, 0) {
		f.Problem(n, "wrong-value", "", "%sexpected a decimal number, got %s", in(place), n.Shown())
		return 0, false
	}
	return v, true
}

// Boolean reads true or false.
func (f *File) Boolean(n *Node, place string) (bool, bool) {
	if n.Reference != "" && (n.Text == "true" || n.Text == "false") {
		return n.Text == "true", true
	}
	if !f.Is(n, place, Bool) {
		return false, false
	}
	return strings.EqualFold(n.Text, "true"), true
}

// Duration reads a duration above zero: "10s".
func (f *File) Duration(n *Node, place string) (time.Duration, bool) {
	d, err := time.ParseDuration(n.Text)
	if n.Kind == List || n.Kind == Map || err != nil || d <= 0 {
		f.Problem(n, "wrong-value", "", "%sexpected a duration such as 10s, 5m or 1h30m, got %s", in(place), n.Shown())
		return 0, false
	}
	return d, true
}

var sizeForm = sync.OnceValue(func() *regexp.Regexp { return regexp.MustCompile(`^([0-9]+) ?([A-Za-z]*)$`) })

// Size reads a number of bytes: "64MiB".
func (f *File) Size(n *Node, place string) (int64, bool) {
	m := sizeForm().FindStringSubmatch(n.Text)
	if n.Kind == List || n.Kind == Map || m == nil {
		f.Problem(n, "wrong-value", "", "%sexpected a size such as 64MiB, got %s", in(place), n.Shown())
		return 0, false
	}
	shift := map[string]uint{"": 0, "B": 0, "KiB": 10, "MiB": 20, "GiB": 30}
	by, ok := shift[m[2]]
	if !ok {
		hint := ""
		if n.Reference == "" {
			hint = diag.DidYouMean(n.Text, []string{m[1] + "KiB", m[1] + "MiB", m[1] + "GiB"})
		}
		f.Problem(n, "wrong-value", hint, "%sexpected a size in B, KiB, MiB or GiB, got %s", in(place), n.Shown())
		return 0, false
	}
	v, err := strconv.ParseInt(m[1], 10, 64)
	if err != nil || v > math.MaxInt64>>by {
		f.Problem(n, "wrong-value", "", "%sexpected a size that memory can have, got %s", in(place), n.Shown())
		return 0, false
	}
	return v << by, true
}
