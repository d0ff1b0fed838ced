// Package schema reads JSON Schemas, those of Avro and of protocol buffers as teams have them
// and writes Go types that Levada's codecs carry. It owns how references are followed, what a schema means as a
// type, and how types are named. It knows neither pipelines nor the network: a reference
// that leaves the folder of the schemas is refused.
package schema

import (
	"bytes"
	"encoding/json/jsontext"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net/url"
	"path"
	"slices"
	"strconv"
	"strings"
	"unicode"
)

// Limits of what is read: real repositories stay far below them.
const (
	MaxBytes = 8 << 20
	MaxDepth = 200
	MaxNodes = 500_000
	// MaxTypes and MaxNested are what references may make of that: a file of a few lines
	// can mean as many types as there are atoms.
	MaxTypes  = 200_000
	MaxNested = 1000
)

// node is one value of a schema file. Members keep their order: it is that of the fields.
type node struct {
	file, ptr string
	draft     int // 6, 7, 2019 or 2020
	kind      jsontext.Kind
	raw       jsontext.Value // of scalars
	text      string
	keys      []string
	vals      []*node
}

func (n *node) get(key string) *node {
	if n == nil || n.kind != '{' {
		return nil
	}
	if i := slices.Index(n.keys, key); i >= 0 {
		return n.vals[i]
	}
	return nil
}

func (n *node) has(keys ...string) bool {
	return slices.ContainsFunc(keys, func(k string) bool { return n.get(k) != nil })
}

func (n *node) place() string { return n.file + "#" + n.ptr }

func (n *node) errorf(format string, args ...any) error {
	return fmt.Errorf("%s: %w", n.place(), fmt.Errorf(format, args...))
}

// shown is a value as messages have it.
func (n *node) shown() string {
	switch n.kind {
	case '{':
		return "an object"
	case '[':
		if len(n.vals) == 0 {
			return "an empty array"
		}
		return "an array"
	}
	if len(n.raw) > 60 {
		return string(n.raw[:60]) + "..."
	}
	return string(n.raw)
}

// files reads each file of a folder once.
type files struct {
	fsys  fs.FS
	root  string // the folder that file:// names files of
	refs  bool   // there are files that go by the names of a registry
	roots map[string]*node
	nodes int
	notes []Note
}

// read is a file of schemas, of any kind.
func read(fsys fs.FS, name string) ([]byte, error) {
	file, err := fsys.Open(name)
	if err != nil {
		return nil, fmt.Errorf("%s: expected a schema, got none: %w", name, err)
	}
	defer file.Close()
	data, err := io.ReadAll(io.LimitReader(file, MaxBytes+1))
	if err != nil {
		return nil, fmt.Errorf("%s: expected a schema: %w", name, err)
	}
	if len(data) > MaxBytes {
		return nil, fmt.Errorf("%s: expected at most %d bytes, got more", name, MaxBytes)
	}
	return data, nil
}

func (f *files) load(name string) (*node, error) {
	if n := f.roots[name]; n != nil {
		return n, nil
	}
	data, err := read(f.fsys, name)
	if err != nil {
		return nil, err
	}
	root, err := f.parse(name, data)
	if err != nil {
		return nil, err
	}
	f.roots[name] = root
	return root, nil
}

// parse reads data, what the file name has.
func (f *files) parse(name string, data []byte) (*node, error) {
	if len(bytes.TrimSpace(data)) == 0 {
		return nil, fmt.Errorf("%s: expected a schema, got an empty file", name)
	}
	dec := jsontext.NewDecoder(bytes.NewReader(data), jsontext.AllowDuplicateNames(true))
	root, err := f.value(dec, name, "", 0)
	if bad, ok := errors.AsType[*jsontext.SyntacticError](err); ok {
		line, column := position(data, bad.ByteOffset)
		err = fmt.Errorf("%s#%s: expected JSON, at line %d, column %d: %w", name, bad.JSONPointer, line, column, bad.Err)
	}
	if err == nil {
		if _, more := dec.ReadToken(); !errors.Is(more, io.EOF) {
			err = fmt.Errorf("%s: expected one JSON value, got more behind it", name)
		}
	}
	if err != nil {
		return nil, err
	}
	draft := 2020
	if s := root.get("$schema"); s != nil {
		if draft = draftOf(s.text); draft == 0 {
			return nil, s.errorf("expected draft-06, draft-07, 2019-09 or 2020-12, got %s", s.shown())
		}
	}
	root.setDraft(draft)
	return root, nil
}

// position is where a byte stands, counted from 1.
func position(data []byte, at int64) (line, column int) {
	before := data[:min(max(at, 0), int64(len(data)))]
	return 1 + bytes.Count(before, []byte("\n")), len(before) - bytes.LastIndexByte(before, '\n')
}

func draftOf(uri string) int {
	for part, draft := range map[string]int{"draft-06/": 6, "draft-07/": 7, "draft/2019-09/": 2019, "draft/2020-12/": 2020} {
		if strings.Contains(uri, "json-schema.org/"+part) {
			return draft
		}
	}
	return 0
}

func (n *node) setDraft(d int) {
	n.draft = d
	for _, v := range n.vals {
		v.setDraft(d)
	}
}

func (f *files) value(dec *jsontext.Decoder, file, ptr string, depth int) (*node, error) {
	if f.nodes++; f.nodes > MaxNodes {
		return nil, fmt.Errorf("%s: expected at most %d values in all files, got more", file, MaxNodes)
	}
	if depth > MaxDepth {
		return nil, fmt.Errorf("%s: expected at most %d levels, got more", file, MaxDepth)
	}
	n := &node{file: file, ptr: ptr, kind: dec.PeekKind()}
	if n.kind != '{' && n.kind != '[' {
		v, err := dec.ReadValue()
		if err != nil {
			return nil, fmt.Errorf("%s#%s: expected JSON: %w", file, ptr, err)
		}
		n.raw = v.Clone()
		if n.kind == '"' {
			text, err := jsontext.AppendUnquote(nil, v)
			if err != nil {
				return nil, fmt.Errorf("%s#%s: expected JSON: %w", file, ptr, err)
			}
			n.text = string(text)
		}
		return n, nil
	}
	object := n.kind == '{'
	at := map[string]int{}
	if _, err := dec.ReadToken(); err != nil {
		return nil, fmt.Errorf("%s#%s: expected JSON: %w", file, ptr, err)
	}
	for {
		if k := dec.PeekKind(); k == '}' || k == ']' {
			break
		}
		key := strconv.Itoa(len(n.vals))
		if object {
			t, err := dec.ReadToken()
			if err != nil {
				return nil, fmt.Errorf("%s#%s: expected JSON: %w", file, ptr, err)
			}
			key = t.String()
		}
		v, err := f.value(dec, file, ptr+"/"+escape(key), depth+1)
		if err != nil {
			return nil, err
		}
		if i, twice := at[key]; object && twice {
			// As everywhere in Levada, but nobody means that in a schema.
			n.vals[i] = v
			f.notes = append(f.notes, Note{v.place(), "comes twice: the last one counts"})
			continue
		}
		if object {
			at[key] = len(n.vals)
			n.keys = append(n.keys, key)
		}
		n.vals = append(n.vals, v)
	}
	_, err := dec.ReadToken()
	if err != nil {
		return nil, fmt.Errorf("%s#%s: expected JSON: %w", file, ptr, err)
	}
	return n, nil
}

func escape(s string) string {
	return strings.ReplaceAll(strings.ReplaceAll(s, "~", "~0"), "/", "~1")
}

// target is what the $ref of n leads to, over as many further ones as there are.
func (f *files) target(n *node) (*node, error) {
	seen := map[*node]bool{}
	for {
		ref := n.get("$ref")
		// From 2019 on what stands beside a $ref counts; then the end of it is here.
		if ref == nil || n.draft >= 2019 && n.adds() {
			return n, nil
		}
		if seen[n] {
			return nil, n.errorf("expected a $ref that ends at a schema, got one that comes back to itself")
		}
		seen[n] = true
		next, err := f.follow(n, ref)
		if err != nil {
			return nil, err
		}
		n = next
	}
}

// adds says whether what stands beside the $ref of n makes another type of it. To say
// the type once more, or to close it, does not.
func (n *node) adds() bool {
	return n.has("required") || slices.ContainsFunc(shaping, func(key string) bool {
		v := n.get(key)
		return v != nil && key != "$ref" && key != "type" && v.kind != 't' && v.kind != 'f'
	})
}

// hasScheme says whether a reference begins as a URI does.
func hasScheme(ref string) bool {
	scheme, _, ok := strings.Cut(ref, ":")
	return ok && scheme != "" && !strings.Contains("+-.0123456789", scheme[:1]) &&
		!strings.ContainsFunc(scheme, func(r rune) bool {
			return !(r < 0x80 && (unicode.IsLetter(r) || unicode.IsDigit(r)) || strings.ContainsRune("+-.", r))
		})
}

func (f *files) follow(n, ref *node) (*node, error) {
	if ref.kind != '"' {
		return nil, ref.errorf("expected a string, got %s", ref.shown())
	}
	file, fragment, _ := strings.Cut(ref.text, "#")
	whole := file
	file, err := url.PathUnescape(file)
	if err != nil {
		return nil, ref.errorf("expected a file of this folder, got %q: %w", ref.text, err)
	}
	if id := f.roots[n.file].get("$id"); id != nil && file != "" && strings.TrimSuffix(id.text, "#") == whole {
		file = ""
	}
	switch {
	case file == "":
		file = n.file
	case f.reference(n, whole, file) != "":
		file = f.reference(n, whole, file)
	case strings.HasPrefix(file, "file://"):
		// The name stands where a URL has its host. It is one of the folder's files.
		file = path.Join(f.root, strings.TrimPrefix(file, "file://"))
	case hasScheme(file):
		return nil, ref.errorf("expected a file of this folder, got %q: schemas are not fetched", ref.text)
	default:
		file = path.Join(path.Dir(n.file), file)
	}
	if !fs.ValidPath(file) {
		return nil, ref.errorf("expected a file of this folder, got %q, which leaves it", ref.text)
	}
	at, err := f.load(file)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", ref.place(), err)
	}
	ptr, err := url.PathUnescape(fragment)
	if err != nil {
		return nil, ref.errorf("expected a JSON pointer, got %q: %w", fragment, err)
	}
	if ptr != "" && ptr[0] != '/' {
		return nil, ref.errorf("expected a JSON pointer behind #, got %q: anchors are not supported", ptr)
	}
	for i, part := range strings.Split(ptr, "/") {
		if i == 0 {
			continue
		}
		part = strings.ReplaceAll(strings.ReplaceAll(part, "~1", "/"), "~0", "~")
		next := at.get(part)
		if at.kind == '[' {
			if k, err := strconv.Atoi(part); err == nil && k >= 0 && k < len(at.vals) {
				next = at.vals[k]
			}
		}
		if next == nil {
			return nil, ref.errorf("expected a schema at %q, got nothing: %s has no %q", ref.text, at.place(), part)
		}
		at = next
	}
	return at, nil
}
