package schema

import (
	"bytes"
	"encoding/json/jsontext"
	"encoding/json/v2"
	"fmt"
	"io/fs"
	"net/url"
	"path"
	"slices"
	"strings"
)

// What a folder has beside the schemas of its topics. The names begin with a dot, so that
// no schema of a topic is looked for there.
const (
	// VersionsFolder is where the schemas of earlier versions are.
	VersionsFolder = ".versions"
	// ReferencesFolder is where the schemas are that others refer to by the name that a
	// registry has for them.
	ReferencesFolder = ".references"
	// ExamplesFolder has a folder of messages per topic.
	ExamplesFolder = ".examples"
	// SubjectsFile says which files are the subjects of a registry, as Subjects writes it.
	SubjectsFile = ".subjects"
)

// maxName bounds the name of a reference as that of a file.
const maxName = 200

// ReferenceFile is the file of a folder for what schemas of a registry refer to by name;
// "" where a file can not be called so. Types of Avro are named without an ending.
func ReferenceFile(name string, avro bool) string {
	plain := func(r rune) bool {
		return r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r >= '0' && r <= '9' || strings.ContainsRune("-_./", r)
	}
	if !fs.ValidPath(name) || strings.ContainsFunc(name, func(r rune) bool { return !plain(r) }) {
		name = url.QueryEscape(name)
	}
	if name == "" || strings.Trim(name, ".") == "" || len(name) > maxName {
		return ""
	}
	if avro && !isAvro(name) {
		name += ".avsc"
	}
	return ReferencesFolder + "/" + name
}

// Subjects is the text of SubjectsFile: the file of each topic.
func Subjects(topics map[string]string) ([]byte, error) {
	data, err := json.Marshal(subjects{topics}, json.Deterministic(true), jsontext.WithIndent("  "))
	return append(data, '\n'), err
}

type subjects struct {
	Topics map[string]string `json:"topics"`
}

// readSubjects are the topics of a folder that are subjects of a registry.
func readSubjects(fsys fs.FS) (map[string]string, error) {
	if _, err := fs.Stat(fsys, SubjectsFile); err != nil {
		return nil, nil
	}
	data, err := read(fsys, SubjectsFile)
	if err != nil {
		return nil, err
	}
	var s subjects
	if err := json.Unmarshal(data, &s, json.RejectUnknownMembers(true)); err != nil {
		return nil, fmt.Errorf("%s: expected the files of subjects: %w", SubjectsFile, err)
	}
	for topic, file := range s.Topics {
		if !fs.ValidPath(file) {
			return nil, fmt.Errorf("%s: topic %s: expected a file of this folder, got %q", SubjectsFile, topic, file)
		}
	}
	return s.Topics, nil
}

func newFiles(fsys fs.FS, root string) *files {
	_, err := fs.Stat(fsys, ReferencesFolder)
	return &files{fsys: fsys, root: root, refs: err == nil, roots: map[string]*node{}}
}

// reference is the file that n refers to by one of names, or by one beside its own $id; ""
// where a registry has given none of them.
func (f *files) reference(n *node, names ...string) string {
	if !f.refs {
		return ""
	}
	if id := f.roots[n.file].get("$id"); id != nil {
		base, err := url.Parse(id.text)
		if ref, bad := url.Parse(names[0]); err == nil && bad == nil && base.IsAbs() {
			names = append(names, base.ResolveReference(ref).String())
		}
	}
	for _, name := range names {
		if file := ReferenceFile(name, false); file != "" {
			if _, err := fs.Stat(f.fsys, file); err == nil {
				return file
			}
		}
	}
	return ""
}

// named are the files that may have the type full of Avro, which n names: those that a
// registry has given, and those beside.
func (f *files) named(n *node, full string) (out []string) {
	folders := []string{path.Dir(n.file)}
	if f.refs {
		folders = []string{ReferencesFolder, path.Dir(n.file)}
	}
	for _, folder := range slices.Compact(folders) {
		for _, name := range slices.Compact([]string{full, last(full)}) {
			out = append(out, path.Join(folder, name+".avsc"))
		}
	}
	return out
}

// Whole is a schema of Avro in one text: where it names a type of another one, which
// references have by its name, the definition stands. Messages are read by such a text.
func Whole(text string, references map[string]string) (string, error) {
	w := &whole{files: &files{roots: map[string]*node{}}, texts: references, defined: map[string]bool{}, open: map[string]bool{}}
	if err := w.add("the schema", text); err != nil {
		return "", err
	}
	return w.out.String(), nil
}

type whole struct {
	files   *files
	texts   map[string]string // by the name of a reference
	defined map[string]bool   // full names
	open    map[string]bool   // references on the way down
	out     bytes.Buffer
}

// add writes a schema, which messages call place.
func (w *whole) add(place, text string) error {
	n, err := w.files.parse(place, []byte(text))
	if err != nil {
		return err
	}
	return w.schema(n, "")
}

// schema writes n, a schema within the namespace space.
func (w *whole) schema(n *node, space string) error {
	switch n.kind {
	case '"':
		full := fullName(n.text, space)
		if w.known(n, full) {
			w.value(n)
			return nil
		}
		return w.named(n, full)
	case '{':
		if what := n.get("type"); what != nil && what.kind == '"' {
			switch name := n.get("name"); what.text {
			case "record", "error", "enum", "fixed":
				if name == nil {
					break // an error of who reads it
				}
				if in := n.get("namespace"); in != nil {
					space = in.text
				}
				full := fullName(name.text, space)
				w.defined[full] = true
				space = strings.TrimSuffix(full[:strings.LastIndexByte(full, '.')+1], ".")
				return w.members(n, func(key string, v *node) error {
					if key != "fields" || v.kind != '[' {
						w.value(v)
						return nil
					}
					return w.list(v, func(f *node) error { return w.typed(f, space) })
				})
			case "array", "map":
				return w.members(n, func(key string, v *node) error {
					if key == "items" || key == "values" {
						return w.schema(v, space)
					}
					w.value(v)
					return nil
				})
			default:
				// The definition stands for the whole: only a name could be in its place.
				if full := fullName(what.text, space); !w.known(what, full) {
					return w.named(what, full)
				}
			}
		}
		return w.typed(n, space)
	case '[':
		return w.list(n, func(v *node) error { return w.schema(v, space) })
	}
	w.value(n)
	return nil
}

// known says whether n, which names the type full, may stand as it is.
func (w *whole) known(n *node, full string) bool {
	_, primitive := primitives[n.text]
	return primitive || w.defined[full] || w.defined[n.text]
}

// typed writes n, whose type is a schema.
func (w *whole) typed(n *node, space string) error {
	if n.kind != '{' {
		w.value(n)
		return nil
	}
	return w.members(n, func(key string, v *node) error {
		if key == "type" {
			return w.schema(v, space)
		}
		w.value(v)
		return nil
	})
}

// named writes the type full, which n names.
func (w *whole) named(n *node, full string) error {
	for _, name := range []string{full, last(full), full + ".avsc", last(full) + ".avsc"} {
		text, ok := w.texts[name]
		if !ok || w.open[name] {
			continue
		}
		w.open[name] = true
		err := w.add(name, text)
		delete(w.open, name)
		if err != nil {
			return err
		}
		if !w.defined[full] {
			return n.errorf("expected a reference %s that defines it, got one that does not", name)
		}
		return nil
	}
	return n.errorf("expected a type of Avro, one that is defined before it or in a reference with its name, got %s", n.shown())
}

func (w *whole) members(n *node, each func(key string, v *node) error) error {
	w.out.WriteByte('{')
	for i, key := range n.keys {
		if i > 0 {
			w.out.WriteByte(',')
		}
		w.quoted(key)
		w.out.WriteByte(':')
		if err := each(key, n.vals[i]); err != nil {
			return err
		}
	}
	w.out.WriteByte('}')
	return nil
}

func (w *whole) list(n *node, each func(v *node) error) error {
	w.out.WriteByte('[')
	for i, v := range n.vals {
		if i > 0 {
			w.out.WriteByte(',')
		}
		if err := each(v); err != nil {
			return err
		}
	}
	w.out.WriteByte(']')
	return nil
}

// value writes what is no schema as it stands.
func (w *whole) value(n *node) {
	switch n.kind {
	case '{':
		_ = w.members(n, func(_ string, v *node) error { w.value(v); return nil })
	case '[':
		_ = w.list(n, func(v *node) error { w.value(v); return nil })
	default:
		w.out.Write(n.raw)
	}
}

func (w *whole) quoted(s string) {
	text, _ := jsontext.AppendQuote(nil, s) // it was read as JSON: it is UTF-8
	w.out.Write(text)
}
