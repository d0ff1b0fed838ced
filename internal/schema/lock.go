package schema

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json/jsontext"
	"encoding/json/v2"
	"fmt"
	"io"
	"io/fs"
	"maps"
	"os"
	"path"
	"slices"
	"strings"

	"github.com/levada-io/levada/internal/yamldoc"
)

// Lock pins the schemas that code was generated from, and the names that the code has.
type Lock struct {
	Version int    `json:"version"`
	Source  string `json:"source"` // the folder, as it was added
	Package string `json:"package"`
	Output  string `json:"output"` // the Go file
	// Pattern says which files of the source are schemas of topics; empty: see Sync.
	Pattern string `json:"pattern,omitempty"`
	// Registry or Git is where the folder comes from; neither: it is the origin itself.
	Registry *Registry `json:"registry,omitempty"`
	Git      *Git      `json:"git,omitempty"`
	// Topics have the schema of each topic, a file below the source.
	Topics map[string]string `json:"topics"`
	// Messages have the full name of the message of each topic with protocol buffers.
	Messages map[string]string `json:"messages,omitempty"`
	// Files have the SHA-256 of every schema.
	Files map[string]string `json:"files"`
	// Names have the Go type of every place.
	Names map[string]string `json:"names"`
	// Written are the Go files beside Output, of which there is one for every schema of
	// protocol buffers that was read.
	Written []string `json:"written,omitempty"`
}

// Registry is a schema registry and what was taken from it.
type Registry struct {
	URL string `json:"url"`
	// Match are patterns of the subjects that are taken; none: all are.
	Match []string `json:"match,omitempty"`
	// Subjects have the version of each subject.
	Subjects map[string]int `json:"subjects"`
	// Versions have what the registry knows of each topic, oldest first: messages may be
	// behind the number of any of them.
	Versions map[string][]Version `json:"versions,omitempty"`
	// References have what the schemas refer to, by the name that they have for it.
	References map[string]Reference `json:"references,omitempty"`
}

// Reference is a version of a subject that schemas refer to.
type Reference struct {
	Subject string `json:"subject"`
	Version int    `json:"version"`
	File    string `json:"file"`
}

// Git is a repository and what was taken from it.
type Git struct {
	URL    string `json:"url"`
	Ref    string `json:"ref"`            // a branch, a tag or a commit; what sync takes anew
	Path   string `json:"path,omitempty"` // a folder of it; empty: all
	Commit string `json:"commit"`         // what the folder is a copy of
	// Files are those that were copied.
	Files []string `json:"files"`
}

// Version is one of the schemas that a topic had.
type Version struct {
	ID      int `json:"id"` // in the registry
	Version int `json:"version"`
	// File is the schema, where messages can not be read without it.
	File string `json:"file,omitempty"`
}

// ReadLock reads a lock file.
func ReadLock(file string) (*Lock, error) {
	data, err := os.ReadFile(file)
	if err != nil {
		return nil, err
	}
	l, err := ParseLock(data)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", file, err)
	}
	return l, nil
}

// ParseLock reads a lock file.
func ParseLock(data []byte) (*Lock, error) {
	l := &Lock{}
	if err := json.Unmarshal(data, l, json.RejectUnknownMembers(true)); err != nil {
		return nil, fmt.Errorf("expected a lock of schemas: %w", err)
	}
	if l.Version != 1 {
		return nil, fmt.Errorf("expected version 1, got %d", l.Version)
	}
	return l, nil
}

// Text is the lock as a file.
func (l *Lock) Text() ([]byte, error) {
	data, err := json.Marshal(l, json.Deterministic(true), jsontext.WithIndent("  "))
	return append(data, '\n'), err
}

// Sync takes the topics and hashes from the folder fsys. Names stay. Where the folder has
// topics/*.yaml the topics are those files' and their schemas stand in schemas/;
// otherwise every *.json, *.avsc and *.proto is the schema of a topic with the name of the
// file, or every file of the pattern.
func (l *Lock) Sync(fsys fs.FS) error {
	found, err := scan(fsys, l.Pattern)
	if err != nil {
		return err
	}
	if len(found.topics) == 0 && l.Pattern != "" {
		return fmt.Errorf("%s: expected schemas at %s, got none\nhint: ** stands for folders at any depth", l.Source, l.Pattern)
	}
	if len(found.topics) == 0 {
		return fmt.Errorf("%s: expected topics/*.yaml, *.json, *.avsc or *.proto, got none of them", l.Source)
	}
	p, messages, err := messagesOf(fsys, found, true)
	if err != nil {
		return err
	}
	l.Topics, l.Messages = found.topics, messages
	g, err := l.generate(fsys, p)
	if err != nil {
		return err
	}
	names := g.Files
	if l.Registry != nil {
		for _, versions := range l.Registry.Versions {
			for _, v := range versions {
				names = append(names, v.File)
			}
		}
		for _, r := range l.Registry.References {
			names = append(names, r.File)
		}
	}
	slices.Sort(names)
	names = slices.DeleteFunc(slices.Compact(names), func(name string) bool { return name == "" })
	l.Files, err = hashes(fsys, names)
	return err
}

// Generate writes the Go types of the locked schemas and keeps their names in the lock.
//
// # Errors
//
// A schema that is not the one of the lock; what Go says.
func (l *Lock) Generate(fsys fs.FS) (*Generated, error) {
	if err := l.verify(fsys); err != nil {
		return nil, err
	}
	p, err := l.protos(fsys, true)
	if err != nil {
		return nil, err
	}
	g, err := l.generate(fsys, p)
	if err != nil {
		return nil, err
	}
	if err := l.locks(g.Files); err != nil {
		return nil, err
	}
	if base := path.Base(l.Output); g.Messages[base] != nil {
		return nil, fmt.Errorf("%s: expected a file of its own for the other types, got the one of a schema of protocol buffers", l.Output)
	}
	l.Names, l.Written = g.Names, slices.Sorted(maps.Keys(g.Messages))
	return g, nil
}

// Read is ReadTypes of the locked schemas, and of no others that are in the folder.
//
// # Errors
//
// A schema that is not the one of the lock.
func (l *Lock) Read(fsys fs.FS) (*Types, error) {
	if err := l.verify(fsys); err != nil {
		return nil, err
	}
	p, err := l.protos(fsys, false)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", l.Source, err)
	}
	return readTypes(fsys, l.Source, l.Topics, l.Messages, p, l.Names)
}

// protos are the files of protocol buffers that are locked.
func (l *Lock) protos(fsys fs.FS, kept bool) (*protos, error) {
	from, err := importsOf(fsys, l.Pattern)
	if err != nil {
		return nil, err
	}
	p, err := readProtos(fsys, from, protosOf(l.Topics), kept)
	if err != nil {
		return nil, err
	}
	return p, l.locks(p.read)
}

// locks says which file that was read is not among those of the lock: where imports lead to
// may change while no schema does.
func (l *Lock) locks(files []string) error {
	for _, name := range files {
		if l.Files[name] == "" {
			return fmt.Errorf("%s: expected a schema that is locked, got one that is not\nhint: levada schema sync", name)
		}
	}
	return nil
}

// verify says which schema is not the one of the lock.
func (l *Lock) verify(fsys fs.FS) error {
	names := slices.Sorted(maps.Keys(l.Files))
	now, err := hashes(fsys, names)
	if err != nil {
		return err
	}
	for _, name := range names {
		if now[name] != l.Files[name] {
			return fmt.Errorf("%s: expected the schema that is locked (sha256 %.12s), got %.12s: it changed under the lock\nhint: levada schema sync", name, l.Files[name], now[name])
		}
	}
	return nil
}

func (l *Lock) generate(fsys fs.FS, p *protos) (*Generated, error) {
	files := slices.Sorted(maps.Values(l.Topics))
	return goTypes(fsys, l.Package, slices.Compact(files), p, l.Names, rootOf(files))
}

// rootOf is the folder that file:// names files of.
func rootOf(files []string) string {
	if len(files) > 0 && strings.HasPrefix(files[0], schemasFolder+"/") {
		return schemasFolder
	}
	return "."
}

func hashes(fsys fs.FS, files []string) (map[string]string, error) {
	out := map[string]string{}
	for _, name := range files {
		file, err := fsys.Open(name)
		if err != nil {
			return nil, fmt.Errorf("%s: expected a schema, got none: %w", name, err)
		}
		sum := sha256.New()
		// No more than what may be read of it: more has another sum, whatever it is.
		_, err = io.Copy(sum, io.LimitReader(file, MaxBytes+1))
		_ = file.Close()
		if err != nil {
			return nil, fmt.Errorf("%s: expected a schema: %w", name, err)
		}
		out[name] = hex.EncodeToString(sum.Sum(nil))
	}
	return out, nil
}

// PassedOver says which topics of the folder fsys have schemas of a type that is not read.
func PassedOver(fsys fs.FS) ([]Note, error) {
	yamls, err := fs.Glob(fsys, "topics/*.yaml")
	if err != nil {
		return nil, err
	}
	var out []Note
	for _, name := range yamls {
		file, what, _, err := resource(fsys, name)
		if err != nil {
			return nil, err
		}
		if file == "" {
			out = append(out, Note{name, fmt.Sprintf("its schema is of type %q and is passed over", what)})
		}
	}
	return out, nil
}

// found are the topics of a folder.
type found struct {
	topics map[string]string // their schemas
	asked  map[string]string // their messages, where somebody names them
	from   *imports
	plain  bool // every file is a topic
}

// scan finds the topics of a folder and their schemas.
func scan(fsys fs.FS, pattern string) (*found, error) {
	from, err := importsOf(fsys, pattern)
	if err != nil {
		return nil, err
	}
	out := &found{topics: map[string]string{}, asked: map[string]string{}, from: from}
	take := func(topic, name string) error {
		if other := out.topics[topic]; other != "" {
			return fmt.Errorf("topic %s: expected one schema, got %s and %s", topic, other, name)
		}
		out.topics[topic] = name
		return nil
	}
	takes := func(name string) (bool, error) {
		return strings.HasSuffix(name, ".json") || isAvro(name) || isProto(name), nil
	}
	subjects := map[string]bool{} // files that are those of a registry
	if pattern != "" {
		parts := strings.Split(pattern, "/")
		takes = func(name string) (bool, error) { return matches(parts, strings.Split(name, "/")) }
	} else {
		yamls, err := fs.Glob(fsys, "topics/*.yaml")
		if err != nil {
			return nil, err
		}
		for _, name := range yamls {
			file, _, message, err := resource(fsys, name)
			if err != nil {
				return nil, err
			}
			if file != "" {
				topic := strings.TrimSuffix(path.Base(name), ".yaml")
				out.topics[topic] = path.Join(schemasFolder, file)
				if message != "" {
					out.asked[topic] = message
				}
			}
		}
		if len(yamls) > 0 {
			return out, nil
		}
		out.plain = true
		listed, err := readSubjects(fsys)
		if err != nil {
			return nil, err
		}
		for topic, file := range listed {
			out.topics[topic], out.asked[topic], subjects[file] = file, firstMessage, true
		}
	}
	err = fs.WalkDir(fsys, ".", func(name string, d fs.DirEntry, err error) error {
		if err == nil && d.IsDir() && slices.Contains([]string{VersionsFolder, ReferencesFolder, ExamplesFolder}, name) {
			return fs.SkipDir
		}
		if err != nil || d.IsDir() || subjects[name] {
			return err
		}
		ok, err := takes(name)
		if err != nil || !ok || isProto(name) && from.owner(name) == nil {
			return err
		}
		return take(stem(name), name)
	})
	return out, err
}

// matches says whether a pattern has a file; ** are folders, as many as there are.
func matches(pattern, name []string) (bool, error) {
	switch {
	case len(pattern) == 0:
		return len(name) == 0, nil
	case pattern[0] == "**":
		for i := range len(name) {
			if ok, err := matches(pattern[1:], name[i:]); ok || err != nil {
				return ok, err
			}
		}
		return false, nil
	case len(name) == 0:
		return false, nil
	}
	ok, err := path.Match(pattern[0], name[0])
	if err != nil {
		return false, fmt.Errorf("pattern %s: %w", pattern[0], err)
	}
	if !ok {
		return false, nil
	}
	return matches(pattern[1:], name[1:])
}

// resource is the schema of a topic's highest version, of what type it is, and the message
// of it that is named; no file where the type is none of those that are read.
func resource(fsys fs.FS, name string) (file, kind, message string, err error) {
	data, err := fs.ReadFile(fsys, name)
	if err != nil {
		return "", "", "", err
	}
	doc, err := yamldoc.Parse(name, data)
	if err != nil {
		return "", "", "", err
	}
	list := doc.Root.Get("schemas")
	if list == nil || list.Kind != yamldoc.List || len(list.Values) == 0 {
		return "", "", "", fmt.Errorf("%s: expected schemas, a list, got none", name)
	}
	highest := int64(-1)
	for _, s := range list.Values {
		if !doc.Is(s, "schemas", yamldoc.Map) {
			return "", "", "", doc.Err()
		}
		version, what, res := s.Get("version"), s.Get("type"), s.Get("resource")
		if version == nil || what == nil || res == nil {
			return "", "", "", fmt.Errorf("%s:%d: expected version, type and resource, got a schema without one of them", name, s.Line)
		}
		n, ok := doc.Integer(version, "version", 0)
		if !ok {
			return "", "", "", doc.Err()
		}
		if n > highest {
			highest, file, kind, message = n, "", what.Text, ""
			switch what.Text {
			case "json", "msgpack":
				file = res.Text
			case "avro":
				if file = res.Text; !isAvro(file) {
					return "", "", "", fmt.Errorf("%s:%d: expected a schema of Avro, *.avsc, got %q", name, s.Line, file)
				}
			case "protobuf":
				// Others name a module of Python there.
				if m := s.Get("message"); isProto(res.Text) {
					if file = res.Text; m != nil {
						message = m.Text
					}
				}
			}
		}
	}
	if file != "" && !fs.ValidPath(file) {
		return "", "", "", fmt.Errorf("%s: expected a file below schemas/, got %q", name, file)
	}
	return file, kind, message, nil
}
