package schema_test

import (
	"fmt"
	"io/fs"
	"maps"
	"reflect"
	"slices"
	"strings"
	"testing"
	"testing/fstest"

	"github.com/levada-io/levada/internal/schema"
)

// folder is a folder of files: name, text, name, text.
func folder(files ...string) fstest.MapFS {
	out := fstest.MapFS{}
	for i := 0; i < len(files); i += 2 {
		out[files[i]] = &fstest.MapFile{Data: []byte(files[i+1])}
	}
	return out
}

func many(n int) string {
	var b strings.Builder
	for i := range n {
		fmt.Fprintf(&b, "message A%d{}\n", i)
	}
	return b.String()
}

const three = `syntax = "proto3"; `

// What is wrong with a .proto is told with file, line and column.
//
// Fault: malformed .proto -> refused: file, line and column, says: a.proto:1:28: syntax error: unexpected '='
// Fault: .proto that imports what is not there -> refused: at the import, says: a.proto:1:27: b.proto: expected a schema, got none
// Fault: .proto that imports what is not there -> refused: nothing outside of the folder is read, nor fetched, says: a.proto:1:27: https://x.org/b.proto: expected a file of this folder
// Fault: .proto that imports itself -> refused: by itself, or by way of others, says: a.proto:1:27: cycle found in imports: "a.proto" -> "a.proto"
// Fault: two types with one name -> refused: in protocol buffers, says: a.proto:1:46: symbol "A" already defined at b.proto:1:28
// Fault: two types with one name -> refused: in the Go package, of two packages of protocol buffers or of a message and another schema, says: expected one Go type or value Line in the package, got one of a.proto and one of b.proto
// Fault: unsupported edition of .proto -> refused: proto2, proto3 and 2023 are read, says: a.proto:1:11: edition
// Fault: huge schema file -> refused: a .proto, too, also one that is imported, says: b.proto: expected at most 8388608 bytes, got more
// Fault: huge schema file -> refused: a .proto whose descriptor Go does not read in one file, says: a.proto: expected a schema that one Go file can hold, got a larger one
// Fault: references that multiply -> refused: in a .proto, types beyond number, says: expected at most 200000 types in all, got more
// Fault: schema nested too deep -> refused: in a .proto, says: a.proto:1: expected at most 200 levels, got more
func TestWrongProtos(t *testing.T) {
	nested := three + strings.Repeat("message A {", 300) + strings.Repeat("}", 300)
	for _, c := range []struct {
		want  string
		files []string
	}{
		{"a.proto:1:28: syntax error: unexpected '='", []string{"a.proto", three + "message = {}"}},
		{"a.proto:2:1: syntax error", []string{"a.proto", "syntax = \"proto3\"\nmessage A {}"}},
		{"a.proto:1:29: syntax error: unexpected $end, expecting '{'", []string{"a.proto", three + "message A"}},
		{`a.proto:1:52: symbol "A.x" already defined at a.proto:1:39`, []string{"a.proto", three + "message A { string x = 1; int32 x = 2; }"}},
		{"a.proto:1:56: message A: fields x and y both have the same tag 1", []string{"a.proto", three + "message A { string x = 1; int32 y = 1; }"}},
		{"a.proto:1:32: field A.x: unknown type Line", []string{"a.proto", three + "message A { Line x = 1; }"}},
		{`a.proto:1:27: b.proto: expected a schema, got none`, []string{"a.proto", three + `import "b.proto"; message A {}`}},
		{`a.proto:1:27: ../b.proto: expected a file of this folder`, []string{"a.proto", three + `import "../b.proto"; message A {}`, "b.proto", three}},
		{`a.proto:1:27: ./b.proto: expected a file of this folder`, []string{"a.proto", three + `import "./b.proto"; message A {}`, "b.proto", three}},
		{`a.proto:1:27: https://x.org/b.proto: expected a file of this folder`, []string{"a.proto", three + `import "https://x.org/b.proto"; message A {}`}},
		{`.proto:1:27: cycle found in imports: "`, []string{"a.proto", three + `import "b.proto"; message A {}`, "b.proto", three + `import "a.proto";`}},
		{`a.proto:1:27: cycle found in imports: "a.proto" -> "a.proto"`, []string{"a.proto", three + `import "a.proto"; message A {}`}},
		{`a.proto:1:46: symbol "A" already defined at b.proto:1:28`, []string{"a.proto", three + `import "b.proto"; message A {}`, "b.proto", three + `message A {}`}},
		{"a.proto:1:11: edition", []string{"a.proto", `edition = "2099"; message A {}`}},
		{"a.proto:1:11: edition", []string{"a.proto", `edition = "2024"; message A {}`}},
		{"a.proto:1:10: syntax value must be", []string{"a.proto", `syntax = "proto4"; message A {}`}},
		{"a.proto: expected at most 8388608 bytes, got more", []string{"a.proto", strings.Repeat(" ", schema.MaxBytes+1)}},
		{"b.proto: expected at most 8388608 bytes, got more", []string{"a.proto", three + `import "b.proto"; message A {}`, "b.proto", strings.Repeat(" ", schema.MaxBytes+1)}},
		{"a.proto:1: expected at most 200 levels, got more", []string{"a.proto", nested}},
		{"a.proto:3: expected at most 200 levels, got more", []string{"a.proto", "/* {\n'{' */ // {\n" + nested}},
		{"a.proto: expected features.(pb.go).api_level = API_OPEN, got API_OPAQUE", []string{"a.proto", `edition = "2023"; import "google/protobuf/go_features.proto"; option features.(pb.go).api_level = API_OPAQUE; message A { string s = 1; }`}},
		{"a.proto: M: expected features.(pb.go).api_level = API_OPEN, got API_HYBRID", []string{"a.proto", `edition = "2023"; import "google/protobuf/go_features.proto"; message M { option features.(pb.go).api_level = API_HYBRID; string s = 1; }`}},
		{"a.proto: expected at most 200000 types in all, got more", []string{"a.proto", three + many(200_001)}},
		{"a.proto: expected a schema that one Go file can hold, got a larger one", []string{"a.proto", three + `option java_package = "` + strings.Repeat(`\n`, 100_001) + `"; message A {}`}},
		{"a=b.proto: expected a name without , = and ;", []string{"a=b.proto", three + "message A {}"}},
		{"a_b.pb.go: expected one schema for it, got a/b.proto and a_b.proto", []string{"a_b.proto", three + `import "a/b.proto"; message A {}`, "a/b.proto", three + "message B {}"}},
		{"expected one Go type or value Line in the package, got one of a.proto and one of b.proto\nhint: two folders", []string{"a.proto", three + `package a; import "b.proto"; message A { b.Line x = 1; } message Line {}`, "b.proto", three + "package b; message Line {}"}},
		{"expected one Go type or value A_B in the package", []string{"a.proto", three + `package a; import "b.proto"; message A { message B {} }`, "b.proto", three + "package b; message A_B {}"}},
	} {
		_, err := schema.Go(folder(c.files...), "p", []string{c.files[0]}, nil)
		if err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%.120s: expected %q, got %v", c.files, c.want, err)
		}
	}
}

// A type of another kind of schema and a message have one package.
func TestMessageAndTypeOfOneName(t *testing.T) {
	fsys := folder("a.json", `{"title":"line","type":"object","properties":{"n":{"type":"integer"}}}`, "b.proto", three+"message Line {}")
	_, err := schema.Go(fsys, "p", []string{"a.json", "b.proto"}, nil)
	if want := "expected one Go type or value Line in the package, got one of a.json# and one of b.proto"; err == nil || !strings.Contains(err.Error(), want) {
		t.Errorf("expected %q, got %v", want, err)
	}
}

// The files of a package are built on every machine, whatever their schemas are called.
func TestFilesOfMessages(t *testing.T) {
	fsys, want := fs.FS(nil), map[string]string{
		"a/b/c.proto": "a_b_c.pb.go", "on_linux.proto": "on_linux_proto.pb.go", "at/windows.proto": "at_windows_proto.pb.go",
		"linux.proto": "linux.pb.go", "_x.proto": "x_x.pb.go", ".y.proto": "x.y.pb.go", "a_test.proto": "a_test.pb.go", "a_arm.v1.proto": "a_arm_proto.v1.pb.go",
		"with blank-and-dash.proto": "with blank-and-dash.pb.go",
	}
	files := fstest.MapFS{}
	for i, name := range slices.Sorted(maps.Keys(want)) {
		files[name] = &fstest.MapFile{Data: fmt.Appendf(nil, "%smessage M%d {}", three, i)}
	}
	fsys = files
	g, err := schema.Go(fsys, "p", slices.Collect(maps.Keys(want)), nil)
	if err != nil {
		t.Fatal(err)
	}
	for source, name := range want {
		if text := g.Messages[name]; !strings.Contains(string(text), "// source: "+source+"\n") {
			t.Errorf("%s: expected %s, got %v", source, name, slices.Sorted(maps.Keys(g.Messages)))
		}
	}
}

// Which message of its file a topic has.
//
// Fault: message that is not known -> refused: the candidates are named, says: visits.proto: expected one message, or one that is called Visits, for topic visits, got A, B
func TestMessagesOfTopics(t *testing.T) {
	for _, c := range []struct {
		pattern  string
		files    []string
		messages string // or the error
	}{
		{"", []string{"visits.proto", three + "package x.y; message Whatever {}"}, "map[visits:x.y.Whatever]"},
		{"", []string{"page-visits.proto", three + "message Other {} message PageVisits {}"}, "map[page-visits:PageVisits]"},
		{"", []string{"visits.proto", three + "message A {} message B {}"}, "visits.proto: expected one message, or one that is called Visits, for topic visits, got A, B\nhint: topics/*.yaml names"},
		{"", []string{"visits.proto", three + "enum E { X = 0; }"}, "visits.proto: expected the message of topic visits, got a file without messages"},
		// A file that others import is a topic where it can be one.
		{"", []string{"visits.proto", three + `import "line.proto"; import "kinds.proto"; message A { Line l = 1; Kind k = 2; }`, "line.proto", three + "message Line {}", "kinds.proto", three + "enum Kind { X = 0; }"}, "map[line:Line visits:A]"},
		{"visits.proto", []string{"visits.proto", three + `import "line.proto"; message A { Line l = 1; }`, "line.proto", three + "message Line {}"}, "map[visits:A]"},
		{"*.proto", []string{"visits.proto", three + `import "kinds.proto"; message A { Kind k = 2; }`, "kinds.proto", three + "enum Kind { X = 0; }"}, "kinds.proto: expected the message of topic kinds, got a file without messages"},
		{"", []string{"topics/visits.yaml", "schemas: [{version: 1, type: protobuf, resource: v1/a.proto, message: B}]", "schemas/v1/a.proto", three + `import "v1/b.proto"; package x; message A {} message B { C c = 1; }`, "schemas/v1/b.proto", three + "package x; message C {}"}, "map[visits:x.B]"},
		{"", []string{"topics/visits.yaml", "schemas: [{version: 1, type: protobuf, resource: a.proto, message: x.B}]", "schemas/a.proto", three + "package x; message A {} message B {}"}, "map[visits:x.B]"},
		{"", []string{"topics/visits.yaml", "schemas: [{version: 1, type: protobuf, resource: a.proto, message: y.B}]", "schemas/a.proto", three + "package x; message A {} message B {}"}, "schemas/a.proto: expected the message y.B of topic visits, got A, B"},
		{"", []string{"topics/visits.yaml", "schemas: [{version: 2, type: protobuf, resource: a.proto}, {version: 1, type: protobuf, resource: a.proto, message: B}]", "schemas/a.proto", three + "message A {} message B {} message Visits {}"}, "map[visits:Visits]"},
		{"", []string{"topics/visits.yaml", "schemas: [{version: 1, type: protobuf, resource: ../a.proto}]", "a.proto", three + "message A {}"}, "expected a file below schemas/"},
		{"", []string{"topics/visits.yaml", "schemas: [{version: 1, type: protobuf, resource: a.proto}]"}, "schemas/a.proto: expected a schema, got none"},
		// Imports of schemas/ are relative to it, and errors name files as they stand.
		{"", []string{"topics/visits.yaml", "schemas: [{version: 1, type: protobuf, resource: a.proto}]", "schemas/a.proto", three + `import "schemas/b.proto"; message A {}`, "schemas/b.proto", three}, "schemas/a.proto:1:27: schemas/schemas/b.proto: expected a schema, got none: open schemas/schemas/b.proto: file does not exist\nhint: imports are relative to schemas/"},
		{"", []string{"a.proto", three + "message A {}", "a.json", "{}"}, "topic a: expected one schema, got a.json and a.proto"},
	} {
		l := &schema.Lock{Version: 1, Source: "repo", Package: "p", Output: "p/p.go", Pattern: c.pattern}
		err := l.Sync(folder(c.files...))
		if got := fmt.Sprint(l.Messages); err == nil && (got != c.messages || len(l.Topics) != len(l.Messages)) {
			t.Errorf("%s %s: expected %s, got %s", c.pattern, c.files, c.messages, got)
		}
		if err != nil && !strings.Contains(err.Error(), c.messages) {
			t.Errorf("%s %s: expected %q, got %v", c.pattern, c.files, c.messages, err)
		}
	}
}

// Whatever is imported is locked, too, and what the library has is not looked for in the
// folder.
func TestLockOfProtos(t *testing.T) {
	fsys := folder(
		"visits.proto", three+`package x; import "deep/line.proto"; import "google/protobuf/timestamp.proto"; message Visit { Line l = 1; google.protobuf.Timestamp at = 2; }`,
		"deep/line.proto", three+`package x; import "deep/er/unit.proto"; message Line { Unit u = 1; }`,
		"deep/er/unit.proto", three+`package x; enum Unit { KG = 0; }`,
		"google/protobuf/timestamp.proto", "this is not read",
	)
	l := &schema.Lock{Version: 1, Source: "repo", Package: "p", Output: "p/p.go", Pattern: "visits.proto"}
	if err := l.Sync(fsys); err != nil {
		t.Fatal(err)
	}
	if got, want := slices.Sorted(maps.Keys(l.Files)), []string{"deep/er/unit.proto", "deep/line.proto", "visits.proto"}; !slices.Equal(got, want) {
		t.Errorf("expected %s, got %s", want, got)
	}
	g, err := l.Generate(fsys)
	if err != nil {
		t.Fatal(err)
	}
	if want := []string{"deep_er_unit.pb.go", "deep_line.pb.go", "visits.pb.go"}; !slices.Equal(l.Written, want) || len(g.Messages) != 3 {
		t.Errorf("expected %s, got %s and %d", want, l.Written, len(g.Messages))
	}
	text, err := l.Text()
	if err != nil {
		t.Fatal(err)
	}
	if back, err := schema.ParseLock(text); err != nil || !reflect.DeepEqual(back, l) {
		t.Errorf("%v: expected %+v, got %+v", err, l, back)
	}
	fsys["deep/er/unit.proto"].Data = append(fsys["deep/er/unit.proto"].Data, ' ')
	if _, err := l.Generate(fsys); err == nil || !strings.Contains(err.Error(), "deep/er/unit.proto: expected the schema that is locked") {
		t.Errorf("got %v", err)
	}
	l.Output = "p/deep_line.pb.go"
	fsys["deep/er/unit.proto"].Data = fsys["deep/er/unit.proto"].Data[:len(fsys["deep/er/unit.proto"].Data)-1]
	if _, err := l.Generate(fsys); err == nil || !strings.Contains(err.Error(), "p/deep_line.pb.go: expected a file of its own") {
		t.Errorf("got %v", err)
	}
}

// Comments are in the Go file, unless a line is so long that it takes its time to find them.
func TestCommentsOfMessages(t *testing.T) {
	const text = three + "\n// Visit is one of them.\nmessage Visit {\n  // Who it was.\n  string user = 1; // or nobody\n}\n"
	for _, c := range []struct {
		more string
		kept bool
	}{{"", true}, {"// " + strings.Repeat("x", 4000) + "\n", true}, {"// " + strings.Repeat("x", 5000) + "\n", false}} {
		g, err := schema.Go(folder("a.proto", text+c.more), "p", []string{"a.proto"}, nil)
		if err != nil {
			t.Fatal(err)
		}
		for _, want := range []string{"// Visit is one of them.\ntype Visit struct {", "// Who it was.\n\tUser ", " // or nobody\n"} {
			if got := string(g.Messages["a.pb.go"]); strings.Contains(got, want) != c.kept {
				t.Errorf("%d bytes more: expected %q: %v, got\n%s", len(c.more), want, c.kept, got)
			}
		}
	}
}

// Mistakes beyond number are not all looked at, and the first is still the first.
func TestManyMistakes(t *testing.T) {
	_, err := schema.Go(folder("a.proto", three+"message A {"+strings.Repeat(" B b = 1;", 5000)+"}"), "p", []string{"a.proto"}, nil)
	if err == nil || !strings.HasPrefix(err.Error(), "a.proto:1:47: message A: fields b and b both have the same tag 1") {
		t.Errorf("got %v", err)
	}
}

// Whatever a file says, it is read or refused; what is read is Go.
//
// Fault: any text as a .proto -> goes on: it is refused with a place or becomes Go
func FuzzProto(f *testing.F) {
	f.Add([]byte(three + `package x; import "google/protobuf/struct.proto"; message A { oneof o { string s = 1; A a = 2; } map<int32, E> m = 3; google.protobuf.Value v = 4; enum E { X = 0; } reserved 7; }`))
	f.Add([]byte(`syntax = "proto2"; message A { required group B = 1 { optional int32 x = 2 [default = 3]; } extensions 100 to max; } extend A { optional string e = 100; }`))
	f.Add([]byte(`edition = "2023"; message A { A a = 1 [features.message_encoding = DELIMITED]; string s = 2 [features.field_presence = LEGACY_REQUIRED]; }`))
	f.Add([]byte(three + `service S { rpc R(stream A) returns (A); } message A { option deprecated = true; string x = 1 [json_name = "y\u0000"]; }`))
	f.Fuzz(func(t *testing.T, text []byte) {
		_, err := schema.Go(fstest.MapFS{"s.proto": {Data: text}}, "p", []string{"s.proto"}, nil)
		if err != nil && strings.Contains(err.Error(), "BUG") {
			t.Errorf("%v (%s)", err, text)
		}
	})
}
