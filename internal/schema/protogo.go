package schema

import (
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
	"google.golang.org/protobuf/reflect/protoreflect"
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
			return nil, fmt.Errorf("%s: expected a name without , = and ;", sources[name])
		}
	}
	gen, err := protogen.Options{}.New(req)
	if err != nil {
		return nil, fmt.Errorf("expected schemas that Go can have: %w", err)
	}
	for _, f := range gen.Files {
		source, ok := sources[f.Desc.Path()]
		if !ok {
			continue
		}
		if f.APILevel != gofeaturespb.GoFeatures_API_OPEN {
			return nil, fmt.Errorf("%s: expected features.(pb.go).api_level = API_OPEN, got %s: steps read the fields of structs", source, f.APILevel)
		}
		text, err := internal_gengo.GenerateFile(gen, f).Content()
		switch {
		case err != nil && strings.Contains(err.Error(), "exceeded max nesting depth"): // of the text that is its descriptor
			return nil, fmt.Errorf("%s: expected a schema that one Go file can hold, got a larger one", source)
		case err != nil:
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
