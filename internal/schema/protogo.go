package schema

import (
	"bytes"
	"errors"
	"fmt"
	"go/ast"
	"go/build"
	"go/parser"
	"go/token"
	"io"
	"maps"
	"path"
	"slices"
	"strings"

	"github.com/bufbuild/protocompile/linker"
	"github.com/bufbuild/protocompile/sourceinfo"
	"google.golang.org/protobuf/cmd/protoc-gen-go/internal_gengo"
	"google.golang.org/protobuf/compiler/protogen"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protodesc"
	"google.golang.org/protobuf/reflect/protopath"
	"google.golang.org/protobuf/reflect/protorange"
	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/types/descriptorpb"
	"google.golang.org/protobuf/types/gofeaturespb"
	"google.golang.org/protobuf/types/pluginpb"
)

// nobody is the import path of the package while it is written. Files of one package do
// not import each other, so it stands nowhere.
const nobody = "levada.invalid/package"

// protoGo is what protoc-gen-go writes for the files that were read.
type protoGo struct {
	files map[string][]byte // by name
	from  map[string]string // their schemas
	roots map[string]string // the Go types of messages, by file, # and full name
}

func (p *protos) generate(pkg string) (*protoGo, error) {
	out := &protoGo{files: map[string][]byte{}, from: map[string]string{}, roots: map[string]string{}}
	if len(p.read) == 0 {
		return out, nil
	}
	gen, sources, err := p.plugin(pkg)
	if err != nil {
		return nil, err
	}
	for _, f := range gen.Files {
		source, ok := sources[f.Desc.Path()]
		if !ok {
			continue
		}
		if f.APILevel != gofeaturespb.GoFeatures_API_OPEN {
			return nil, fmt.Errorf("%s: expected features.(pb.go).api_level = API_OPEN, got %s: steps read the fields of structs", source, f.APILevel)
		}
		text, err := goFile(gen, f)
		if err != nil {
			return nil, fmt.Errorf("BUG: the Go types of %s are no Go: %w", source, err)
		}
		name := goFileName(f.Desc.Path(), text)
		if other, taken := out.from[name]; taken {
			return nil, fmt.Errorf("%s: expected one schema for it, got %s and %s", name, other, source)
		}
		out.from[name], out.files[name] = source, text
		for _, m := range f.Messages {
			if m.APILevel != gofeaturespb.GoFeatures_API_OPEN {
				return nil, fmt.Errorf("%s: %s: expected features.(pb.go).api_level = API_OPEN, got %s: steps read the fields of structs", source, m.Desc.Name(), m.APILevel)
			}
			out.roots[source+"#"+string(m.Desc.FullName())] = m.GoIdent.GoName
		}
	}
	return out, nil
}

// plugin is what protoc-gen-go is asked for, and the schemas by the names that it has for
// them.
func (p *protos) plugin(pkg string) (*protogen.Plugin, map[string]string, error) {
	req := &pluginpb.CodeGeneratorRequest{}
	params := []string{"paths=source_relative", "default_api_level=API_OPEN"}
	seen := map[string]bool{}
	var add func(d protoreflect.FileDescriptor)
	add = func(d protoreflect.FileDescriptor) {
		if seen[d.Path()] {
			return
		}
		seen[d.Path()] = true
		for i := range d.Imports().Len() {
			add(d.Imports().Get(i).FileDescriptor)
		}
		out := protodesc.ToFileDescriptorProto(d)
		if whole, ok := d.(linker.Result); ok {
			out = proto.CloneOf(whole.FileDescriptorProto())
			if tree := whole.AST(); tree != nil && !p.wide[d.Path()] {
				out.SourceCodeInfo = sourceinfo.GenerateSourceInfo(tree, nil)
			}
		}
		req.ProtoFile = append(req.ProtoFile, out)
	}
	sources := map[string]string{} // by name in the compiler
	for _, file := range p.read {
		d := p.files[file]
		add(d)
		sources[d.Path()] = file
		req.FileToGenerate = append(req.FileToGenerate, d.Path())
		params = append(params, fmt.Sprintf("M%s=%s;%s", d.Path(), nobody, pkg))
	}
	req.Parameter = proto.String(strings.Join(params, ","))
	for name := range sources {
		// It would be two parameters.
		if strings.ContainsAny(name, ",=;") {
			return nil, nil, fmt.Errorf("%s: expected a name without , = and ;", sources[name])
		}
	}
	gen, err := protogen.Options{}.New(req)
	if err != nil {
		return nil, nil, fmt.Errorf("expected schemas that Go can have: %w", err)
	}
	return gen, sources, nil
}

// goFile is the text of f. Its descriptor is a constant of as many lines as messages and
// fields make, added up, and who prints Go looks at all that is left of it at each line: so
// a short one stands there while the rest is printed.
func goFile(gen *protogen.Plugin, f *protogen.File) ([]byte, error) {
	whole, short := f.Proto, &descriptorpb.FileDescriptorProto{}
	short.Syntax = proto.String("stands for another")
	if whole.GetOptions().GetDeprecated() { // which the head of the file says
		short.Options = &descriptorpb.FileOptions{Deprecated: proto.Bool(true)}
	}
	f.Proto = short
	text, err := internal_gengo.GenerateFile(gen, f).Content()
	f.Proto = whole
	if err != nil {
		return nil, err
	}
	now, err := constant(short)
	if err != nil {
		return nil, err
	}
	then, err := constant(whole)
	if err != nil {
		return nil, err
	}
	before, after, ok := bytes.Cut(text, now)
	if !ok {
		return nil, errors.New("it has no descriptor")
	}
	return slices.Concat(before, then, after), nil
}

// constant is how protoc-gen-go writes the value of a descriptor. No comment can look like
// it: it has lines that begin with a quote.
func constant(d *descriptorpb.FileDescriptorProto) ([]byte, error) {
	raw, err := rawDescriptor(d)
	if err != nil {
		return nil, err
	}
	out := []byte(" = \"\"")
	for _, line := range bytes.SplitAfter(raw, []byte{'\n'}) {
		out = fmt.Appendf(out, " +\n\t%q", line)
	}
	return append(out, '\n'), nil
}

// rawDescriptor is what a program has of a file: neither where things stand in it nor
// options that are for who reads the source.
func rawDescriptor(whole *descriptorpb.FileDescriptorProto) ([]byte, error) {
	out := proto.CloneOf(whole)
	out.SourceCodeInfo = nil
	err := protorange.Range(out.ProtoReflect(), func(at protopath.Values) error {
		if m, ok := at.Index(-1).Value.Interface().(protoreflect.Message); ok {
			m.Range(func(fd protoreflect.FieldDescriptor, _ protoreflect.Value) bool {
				if o, ok := fd.Options().(*descriptorpb.FieldOptions); ok && o.GetRetention() == descriptorpb.FieldOptions_RETENTION_SOURCE {
					m.Clear(fd)
				}
				return true
			})
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	return proto.MarshalOptions{AllowPartial: true, Deterministic: true}.Marshal(out)
}

// goFileName is the file of the package for a schema. Folders are in the name; one that
// go build would leave out on some machines has a further word.
func goFileName(name string, text []byte) string {
	stem := strings.ReplaceAll(strings.TrimSuffix(name, path.Ext(name)), "/", "_")
	for strings.HasPrefix(stem, "_") || strings.HasPrefix(stem, ".") {
		stem = "x" + stem
	}
	anywhere := build.Context{
		Compiler: "gc",
		OpenFile: func(string) (io.ReadCloser, error) { return io.NopCloser(strings.NewReader(string(text))), nil },
	}
	if ok, err := anywhere.MatchFile(".", stem+".pb.go"); err != nil || !ok {
		stem = strings.TrimSuffix(strings.Replace(stem+".", ".", "_proto.", 1), ".")
	}
	return stem + ".pb.go"
}

// twice says which name two files of one package define, which Go has no place for:
// messages of two packages of protocol buffers, or one of them and a type of another kind
// of schema. from says where a name of a file is from.
func twice(files map[string][]byte, from func(name, ident string) string) error {
	defined := map[string]string{}
	for _, name := range slices.Sorted(maps.Keys(files)) {
		f, err := parser.ParseFile(token.NewFileSet(), name, files[name], parser.SkipObjectResolution)
		if err != nil && strings.Contains(err.Error(), "exceeded max nesting depth") { // of the text that is its descriptor
			return fmt.Errorf("%s: expected a schema that one Go file can hold, got a larger one", from(name, ""))
		}
		if err != nil {
			return fmt.Errorf("BUG: %s is no Go: %w", name, err)
		}
		for _, ident := range topLevel(f) {
			if other, ok := defined[ident]; ok && other != name && ident != "_" && ident != "init" {
				return fmt.Errorf("expected one Go type or value %s in the package, got one of %s and one of %s\nhint: two folders of schemas, with a lock and a package each", ident, from(other, ident), from(name, ident))
			}
			defined[ident] = name
		}
	}
	return nil
}

func topLevel(f *ast.File) (out []string) {
	for _, d := range f.Decls {
		switch d := d.(type) {
		case *ast.FuncDecl:
			if d.Recv == nil {
				out = append(out, d.Name.Name)
			}
		case *ast.GenDecl:
			for _, s := range d.Specs {
				switch s := s.(type) {
				case *ast.TypeSpec:
					out = append(out, s.Name.Name)
				case *ast.ValueSpec:
					for _, n := range s.Names {
						out = append(out, n.Name)
					}
				}
			}
		}
	}
	return out
}
