package schema

import (
	"bytes"
	"fmt"
	"io"
	"io/fs"
	"path"
	"slices"
	"strings"

	"google.golang.org/protobuf/reflect/protoreflect"

	"github.com/levada-io/levada/internal/protofile"
)

// schemasFolder is where topics/*.yaml have their schemas.
const schemasFolder = "schemas"

func isProto(file string) bool { return strings.HasSuffix(file, ".proto") }

// protos are the files of protocol buffers of one folder, read together: they import each
// other and share one set of names.
type protos struct {
	root  string // the folder within fsys that imports are relative to
	files map[string]protoreflect.FileDescriptor
	// read are all files of the folder that were read, those that are only imported, too,
	// each behind the ones that it imports. The library's own are not among them.
	read []string
	uses map[string]bool // those that another one imports
	// wide are those whose comments are not looked for, see maxLine.
	wide map[string]bool
}

// maxLine is how long the lines of a file may be that its comments go into the Go file:
// where they stand is counted from the begin of the line, each time.
const maxLine = 4096

// protoRoot is the folder that imports are relative to.
func protoRoot(fsys fs.FS, pattern string) string {
	if yamls, err := fs.Glob(fsys, "topics/*.yaml"); pattern == "" && err == nil && len(yamls) > 0 {
		return schemasFolder
	}
	return "."
}

// readProtos reads the files, of fsys, and what they import. Whoever writes Go of them wants
// what stands in them kept.
//
// # Errors
//
// The first mistake, in the order of files and lines.
func readProtos(fsys fs.FS, root string, files []string, kept bool) (*protos, error) {
	p := &protos{root: root, files: map[string]protoreflect.FileDescriptor{}, uses: map[string]bool{}, wide: map[string]bool{}}
	if len(files) == 0 {
		return p, nil
	}
	hint := "imports are relative to the folder of the schemas"
	if root != "." {
		hint = "imports are relative to " + root + "/"
	}
	in := &protofile.Files{
		Open:     func(name string) ([]byte, error) { return loadProto(fsys, root, name) },
		Shown:    func(name string) string { return path.Join(root, name) },
		Hint:     hint,
		MaxDepth: MaxDepth,
	}
	var names []string
	for _, file := range files {
		name := file
		if root != "." {
			name = strings.TrimPrefix(file, root+"/")
		}
		names = append(names, name)
	}
	slices.Sort(names)
	linked, err := in.Compile(kept, names...)
	if err != nil {
		return nil, err
	}
	var visit func(d protoreflect.FileDescriptor)
	seen := map[string]bool{}
	visit = func(d protoreflect.FileDescriptor) {
		if seen[d.Path()] {
			return
		}
		seen[d.Path()] = true
		for i := range d.Imports().Len() {
			imported := d.Imports().Get(i).FileDescriptor
			p.uses[path.Join(root, imported.Path())] = true
			visit(imported)
		}
		if file := path.Join(root, d.Path()); in.Text(d.Path()) != nil {
			p.files[file] = d
			p.read = append(p.read, file)
		}
	}
	for _, f := range linked {
		visit(f)
	}
	types := 0
	for _, file := range p.read {
		d := p.files[file]
		if types += count(d.Messages()) + d.Enums().Len(); types > MaxTypes {
			return nil, fmt.Errorf("%s: expected at most %d types in all, got more", file, MaxTypes)
		}
		for line := range bytes.Lines(in.Text(d.Path())) {
			p.wide[file] = p.wide[file] || len(line) > maxLine
		}
	}
	return p, nil
}

// count is how many types messages are, with those within them.
func count(ms protoreflect.MessageDescriptors) int {
	n := ms.Len()
	for i := range ms.Len() {
		n += count(ms.Get(i).Messages()) + ms.Get(i).Enums().Len()
	}
	return n
}

// loadProto has the text of a file by the name that it is imported by.
func loadProto(fsys fs.FS, root, name string) ([]byte, error) {
	file := path.Join(root, name)
	if !fs.ValidPath(name) { // also of what is one file under two names
		return nil, fmt.Errorf("%s: expected a file of this folder by its plain name, got one that leaves it or has another name", name)
	}
	f, err := fsys.Open(file)
	if err != nil {
		return nil, fmt.Errorf("%s: expected a schema, got none: %w", file, err)
	}
	defer f.Close()
	text, err := io.ReadAll(io.LimitReader(f, MaxBytes+1))
	if err != nil {
		return nil, fmt.Errorf("%s: expected a schema: %w", file, err)
	}
	if len(text) > MaxBytes {
		return nil, fmt.Errorf("%s: expected at most %d bytes, got more", file, MaxBytes)
	}
	return text, nil
}

// message is the message of a topic whose schema is file: the one that is asked for by its
// name or full name, else the only one of the file, else the one that is called as the
// topic is.
func (p *protos) message(topic, file, asked string) (protoreflect.MessageDescriptor, error) {
	d := p.files[file]
	if d == nil {
		return nil, fmt.Errorf("BUG: %s was not read", file)
	}
	var names []string
	all := d.Messages()
	for i := range all.Len() {
		m := all.Get(i)
		names = append(names, string(m.Name()))
		if asked == string(m.Name()) || asked == string(m.FullName()) || asked == "" && (all.Len() == 1 || string(m.Name()) == pascal(topic)) {
			return m, nil
		}
	}
	switch {
	case len(names) == 0:
		return nil, fmt.Errorf("%s: expected the message of topic %s, got a file without messages", file, topic)
	case asked != "":
		return nil, fmt.Errorf("%s: expected the message %s of topic %s, got %s", file, asked, topic, strings.Join(names, ", "))
	}
	return nil, fmt.Errorf("%s: expected one message, or one that is called %s, for topic %s, got %s\nhint: topics/*.yaml names the one with message; a pattern takes the files that are topics", file, pascal(topic), topic, strings.Join(names, ", "))
}

// messagesOf takes the messages of those topics whose schema is a file of protocol
// buffers; asked has the names that topics/*.yaml have for them. In a folder of plain
// files, one that others import is no topic where it has no message for it.
func messagesOf(fsys fs.FS, pattern string, topics, asked map[string]string, kept bool) (*protos, map[string]string, error) {
	root := protoRoot(fsys, pattern)
	p, err := readProtos(fsys, root, protosOf(topics), kept)
	if err != nil {
		return nil, nil, err
	}
	out := map[string]string{}
	for topic, file := range topics {
		if !isProto(file) {
			continue
		}
		m, err := p.message(topic, file, asked[topic])
		switch {
		case err == nil:
			out[topic] = string(m.FullName())
		case root == "." && pattern == "" && p.uses[file]:
			delete(topics, topic)
		default:
			return nil, nil, err
		}
	}
	return p, out, nil
}

// protosOf are the files of protocol buffers among those of topics.
func protosOf(topics map[string]string) (files []string) {
	for _, file := range topics {
		if isProto(file) && !slices.Contains(files, file) {
			files = append(files, file)
		}
	}
	slices.Sort(files)
	return files
}
