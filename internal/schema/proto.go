package schema

import (
	"bytes"
	"cmp"
	"fmt"
	"io/fs"
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
	files map[string]protoreflect.FileDescriptor
	// read are all files of the folder that were read, those that are only imported, too,
	// each behind the ones that it imports. The library's own are not among them.
	read []string
	uses map[string]bool // those that another one imports
	// wide are those, by the names they are imported by, whose comments are not looked
	// for, see maxLine.
	wide map[string]bool
}

// maxLine is how long the lines of a file may be that its comments go into the Go file:
// where they stand is counted from the begin of the line, each time.
const maxLine = 4096

// readProtos reads the files, of fsys, and what they import. Whoever writes Go of them wants
// what stands in them kept.
//
// # Errors
//
// The first mistake, in the order of files and lines.
func readProtos(fsys fs.FS, from *imports, files []string, kept bool) (*protos, error) {
	p := &protos{files: map[string]protoreflect.FileDescriptor{}, uses: map[string]bool{}, wide: map[string]bool{}}
	if len(files) == 0 {
		return p, nil
	}
	at := map[string]string{} // the files of names
	in := &protofile.Files{
		Open: func(name string) ([]byte, error) {
			if !fs.ValidPath(name) { // also of what is one file under two names
				return nil, fmt.Errorf("%s: expected a file of this folder by its plain name, got one that leaves it or has another name", name)
			}
			file, err := from.file(fsys, name)
			if err != nil {
				return nil, err
			}
			at[name] = file
			return read(fsys, file)
		},
		Shown:    func(name string) string { return cmp.Or(at[name], name) },
		Hint:     from.hint(),
		MaxDepth: MaxDepth,
	}
	var names []string
	for _, file := range files {
		name := from.name(file)
		if name == "" {
			return nil, fmt.Errorf("%s: expected a file of the modules that %s names (%s), got one that none of them has", file, from.says, from.told())
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
			p.uses[at[imported.Path()]] = true
			visit(imported)
		}
		if file := at[d.Path()]; file != "" {
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
			p.wide[d.Path()] = p.wide[d.Path()] || len(line) > maxLine
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

// message is the message of a topic whose schema is file: the one that is asked for by its
// name or full name, else the only one of the file, else the one that is called as the
// topic is. Of a subject of a registry it is the first one.
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
		if asked == firstMessage || asked == string(m.Name()) || asked == string(m.FullName()) || asked == "" && (all.Len() == 1 || string(m.Name()) == pascal(topic)) {
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

// firstMessage asks for the first message of a file, whatever it is called: messages of a
// topic say which one they are, and most say the first.
const firstMessage = "."

// messagesOf takes the messages of those topics whose schema is a file of protocol
// buffers. In a folder of plain files, one that others import is no topic where it has no
// message for it.
func messagesOf(fsys fs.FS, found *found, kept bool) (*protos, map[string]string, error) {
	p, err := readProtos(fsys, found.from, protosOf(found.topics), kept)
	if err != nil {
		return nil, nil, err
	}
	out := map[string]string{}
	for topic, file := range found.topics {
		if !isProto(file) {
			continue
		}
		m, err := p.message(topic, file, found.asked[topic])
		switch {
		case err == nil:
			out[topic] = string(m.FullName())
		case found.plain && p.uses[file]:
			delete(found.topics, topic)
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
