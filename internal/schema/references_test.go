package schema_test

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"

	"github.com/levada-io/levada/codec/avro"
	"github.com/levada-io/levada/internal/schema"
)

// A schema of Avro in one text says what it said with references: each type is defined
// where it is named first, in the namespace that it had.
func TestWholeSchemas(t *testing.T) {
	for _, c := range []struct {
		text       string
		references map[string]string
		want       string
	}{
		{`"long"`, nil, `"long"`},
		{`"x.B"`, map[string]string{"x.B": `{"type":"enum","name":"x.B","symbols":["A"]}`}, `{"type":"enum","name":"x.B","symbols":["A"]}`},
		{`["null","B",{"type":"array","items":"B"}]`, map[string]string{"B": `{"type":"fixed","name":"B","size":2}`}, `["null",{"type":"fixed","name":"B","size":2},{"type":"array","items":"B"}]`},
		// By the name of a type without its namespace, and with an ending.
		{`{"type":"array","items":{"type":"x.B"}}`, map[string]string{"B.avsc": `{"type":"record","name":"B","namespace":"x","fields":[]}`}, `{"type":"array","items":{"type":"record","name":"B","namespace":"x","fields":[]}}`},
		// References name each other, and a type itself.
		{`{"type":"record","name":"A","namespace":"x","fields":[{"name":"b","type":"B"},{"name":"c","type":{"type":"map","values":"y.C"}}]}`,
			map[string]string{"x.B": `{"type":"record","name":"B","namespace":"x","fields":[{"name":"c","type":["null","y.C","B"]}]}`, "y.C": `{"type":"record","name":"C","namespace":"y","fields":[{"name":"a","type":["null","x.A"],"default":null}]}`},
			`{"type":"record","name":"A","namespace":"x","fields":[{"name":"b","type":{"type":"record","name":"B","namespace":"x","fields":[{"name":"c","type":["null",{"type":"record","name":"C","namespace":"y","fields":[{"name":"a","type":["null","x.A"],"default":null}]},"B"]}]}},{"name":"c","type":{"type":"map","values":"y.C"}}]}`},
		// What is no schema is left as it stands.
		{`{"type":"record","name":"A","fields":[{"name":"n","type":"long","default":9007199254740993},{"name":"s","type":"string","default":"B\u00e4"}],"type2":{"type":"B"}}`, nil,
			`{"type":"record","name":"A","fields":[{"name":"n","type":"long","default":9007199254740993},{"name":"s","type":"string","default":"B\u00e4"}],"type2":{"type":"B"}}`},
	} {
		got, err := schema.Whole(c.text, c.references)
		if err != nil || got != c.want {
			t.Errorf("%s: %v\nexpected %s\ngot      %s", c.text, err, c.want, got)
			continue
		}
		if _, err := avro.Parse(got); err != nil {
			t.Errorf("%s: the codec does not read it: %v", got, err)
		}
	}
	for _, c := range []struct {
		text       string
		references map[string]string
		want       string
	}{
		{`"B"`, map[string]string{"B": `"B"`}, `expected a type of Avro, one that is defined before it or in a reference with its name, got "B"`},
		{`"B"`, map[string]string{"B": `["C"]`, "C": `["B"]`}, `C#/0: expected a type of Avro`},
		{`"B"`, map[string]string{"B": `{`}, `B#: expected JSON, at line 1, column 2`},
		{`"B"`, map[string]string{"B": ""}, `B: expected a schema, got an empty file`},
	} {
		if got, err := schema.Whole(c.text, c.references); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: expected %q, got %s, %v", c.text, c.want, got, err)
		}
	}
}

// FuzzWhole: whatever a registry has for a schema is refused or becomes a text that stays as
// it is.
func FuzzWhole(f *testing.F) {
	f.Add(`{"type":"record","name":"A","fields":[{"name":"b","type":"x.B"}]}`, `{"type":"record","name":"x.B","fields":[{"name":"a","type":["null","A"]}]}`)
	f.Add(`["x.B",{"type":"array","items":"x.B"}]`, `{"type":"enum","name":"B","namespace":"x","symbols":["A"]}`)
	f.Fuzz(func(t *testing.T, text, reference string) {
		whole, err := schema.Whole(text, map[string]string{"x.B": reference})
		if err != nil {
			return
		}
		if again, err := schema.Whole(whole, nil); err != nil || again != whole {
			t.Errorf("%v\nexpected %s\ngot      %s", err, whole, again)
		}
	})
}

// What a folder of a registry says of its subjects counts more than how files are called.
func TestSubjectsOfAFolder(t *testing.T) {
	fsys := folder(".subjects", `{"topics":{"a":"a.proto","b":".references/x/b.proto","c.schema":"c.schema.json"}}`,
		"a.proto", three+`import "x/b.proto"; message Z { B b = 1; } message A {}`, ".references/x/b.proto", three+"message B {}", ".references/d.json", "{}",
		"c.schema.json", `{"type":"string"}`, "own.json", `{"type":"string"}`)
	l := &schema.Lock{Version: 1, Source: "repo", Package: "p", Output: "p/p.go"}
	if err := l.Sync(fsys); err != nil {
		t.Fatal(err)
	}
	if got := fmt.Sprint(l.Topics, l.Messages); got != "map[a:a.proto b:.references/x/b.proto c.schema:c.schema.json own:own.json] map[a:Z b:B]" {
		t.Errorf("got %s", got)
	}
	if types, err := schema.ReadTypes(fsys, "repo", "", nil); err != nil || len(types.Topics) != 4 {
		t.Errorf("expected 4 topics, got %v", err)
	}
	for text, want := range map[string]string{
		`{"topics":{"a":"../a.proto"}}`: `.subjects: topic a: expected a file of this folder, got "../a.proto"`,
		`{"topics":{"g":"gone.proto"}}`: "gone.proto: expected a schema, got none",
		`{"topics":[]}`:                 ".subjects: expected the files of subjects: ",
		`{"other":{}}`:                  ".subjects: expected the files of subjects: ",
	} {
		fsys[".subjects"].Data = []byte(text)
		if err := l.Sync(fsys); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: expected %q, got %v", text, want, err)
		}
	}
}

const lineProto = three + "package shop; message Line { string article = 1; }"

// Imports are relative to the modules of a workspace of buf, and what a module excludes is
// not there.
//
// Fault: .proto that imports what is not there -> refused: of a dependency of buf, which is not fetched, says: nothing is fetched, and it may be of a dependency (buf.example.com/acme/shop)
// Fault: .proto that imports what is not there -> refused: excluded by buf, says: expected a file of the modules that buf.yaml names (proto), got none
// Fault: malformed file of buf -> refused: with its line, says: buf.yaml:2: path: expected a path below ., got "../proto"
func TestModulesOfBuf(t *testing.T) {
	order := three + `package shop; import "shop/line.proto"; message Order { Line line = 1; }`
	for _, c := range []struct {
		name  string
		files []string
		want  string // the files that are locked, or the error
	}{
		{"v1", []string{"buf.yaml", "version: v1\nlint: {use: [DEFAULT]}\n", "shop/order.proto", order, "shop/line.proto", lineProto}, "shop/line.proto shop/order.proto"},
		{"v1, excludes", []string{"buf.yaml", "version: v1\nbuild:\n  excludes: [old, shop/bad.proto]\n", "shop/order.proto", order, "shop/line.proto", lineProto, "old/x.proto", "no schema", "shop/bad.proto", "{"}, "shop/line.proto shop/order.proto"},
		{"v2 without modules", []string{"buf.yaml", "version: v2\n", "shop/order.proto", order, "shop/line.proto", lineProto}, "shop/line.proto shop/order.proto"},
		{"v2", []string{"buf.yaml", "version: v2\nmodules:\n- path: proto\n- path: vendor\n", "proto/shop/order.proto", order, "vendor/shop/line.proto", lineProto, "elsewhere.proto", "{"}, "proto/shop/order.proto vendor/shop/line.proto"},
		{"v2, includes and excludes", []string{"buf.yaml", "version: v2\nmodules:\n- path: proto\n  includes: [proto/shop]\n  excludes: [proto/shop/old]\n", "proto/shop/order.proto", order, "proto/shop/line.proto", lineProto, "proto/shop/old/a.proto", "{", "proto/b.proto", "{"}, "proto/shop/line.proto proto/shop/order.proto"},
		{"v2, one module within another", []string{"buf.yaml", "version: v2\nmodules:\n- path: .\n- path: vendor\n", "shop/order.proto", order, "vendor/shop/line.proto", lineProto}, "shop/order.proto vendor/shop/line.proto"},
		{"work", []string{"buf.work.yaml", "version: v1\ndirectories: [a, b]\n", "a/buf.yaml", "version: v1\nbuild: {excludes: [old]}\n", "a/shop/order.proto", order, "a/old/x.proto", "{", "b/shop/line.proto", lineProto, "c/x.proto", "{"}, "a/shop/order.proto b/shop/line.proto"},
		{"below topics", []string{"topics/orders.yaml", "schemas: [{version: 1, type: protobuf, resource: a/shop/order.proto}]", "schemas/buf.yaml", "version: v2\nmodules: [{path: a}, {path: b}]\n", "schemas/a/shop/order.proto", order, "schemas/b/shop/line.proto", lineProto, "schemas/b/other.proto", "{"}, "schemas/a/shop/order.proto schemas/b/shop/line.proto"},

		{"beside topics", []string{"topics/orders.yaml", "schemas: [{version: 1, type: protobuf, resource: a/shop/order.proto}]", "buf.yaml", "version: v2\nmodules: [{path: schemas/a}, {path: vendor}]\n", "schemas/a/shop/order.proto", order, "vendor/shop/line.proto", lineProto}, "schemas/a/shop/order.proto vendor/shop/line.proto"},

		{"a dependency", []string{"buf.yaml", "version: v2\nmodules: [{path: proto}]\ndeps: [buf.example.com/googleapis/googleapis, buf.example.com/acme/shop]\n", "proto/shop/order.proto", order},
			"proto/shop/order.proto:1:41: shop/line.proto: expected a file of the modules that buf.yaml names (proto), got none: file does not exist\nhint: nothing is fetched, and it may be of a dependency (buf.example.com/googleapis/googleapis, buf.example.com/acme/shop): buf export buf.example.com/googleapis/googleapis -o vendor, and vendor as one of the modules"},
		{"a dependency of v1", []string{"buf.work.yaml", "version: v1\ndirectories: [a]\n", "a/buf.yaml", "version: v1\ndeps: [buf.example.com/acme/shop]\n", "a/shop/order.proto", order}, "nothing is fetched, and it may be of a dependency (buf.example.com/acme/shop)"},
		{"excluded", []string{"buf.yaml", "version: v2\nmodules: [{path: proto, excludes: [proto/shop/line.proto]}]\n", "proto/shop/order.proto", order, "proto/shop/line.proto", lineProto},
			"proto/shop/order.proto:1:41: shop/line.proto: expected a file of the modules that buf.yaml names (proto), got none: file does not exist\nhint: imports are relative to the modules that buf.yaml names"},
		{"excluded topic", []string{"topics/orders.yaml", "schemas: [{version: 1, type: protobuf, resource: shop/line.proto}]", "schemas/buf.yaml", "version: v1\nbuild: {excludes: [shop]}\n", "schemas/shop/line.proto", lineProto}, "schemas/shop/line.proto: expected a file of the modules that schemas/buf.yaml names (schemas), got one that none of them has"},
		{"twice", []string{"buf.yaml", "version: v2\nmodules: [{path: a}, {path: b}]\n", "a/shop/order.proto", order, "a/shop/line.proto", lineProto, "b/shop/line.proto", lineProto}, "topic line: expected one schema, got a/shop/line.proto and b/shop/line.proto"},
		{"no folder", []string{"buf.yaml", "version: v2\nmodules: [{path: a}]\n", "order.proto", order}, "buf.yaml: expected a folder at a, a module, got none"},
		{"one folder twice", []string{"buf.yaml", "version: v2\nmodules: [{path: a}, {path: ./a/}]\n", "a/order.proto", order}, "buf.yaml: expected one module at a, got two"},
		{"out of the folder", []string{"buf.yaml", "version: v2\nmodules: [{path: ../proto}]\n", "a.proto", order}, `buf.yaml:2: path: expected a path below ., got "../proto"`},
		{"absolute", []string{"buf.yaml", "version: v1\nbuild: {excludes: [/etc]}\n", "a.proto", order}, `buf.yaml:2: excludes: expected a path below ., got "/etc"`},
		{"no version", []string{"buf.yaml", "modules: []\n", "a.proto", order}, "buf.yaml: expected a file of buf, with its version, got none"},
		{"another version", []string{"buf.yaml", "version: v1beta1\n", "a.proto", order}, "buf.yaml: expected version v1 or v2, got v1beta1"},
		{"a number", []string{"buf.yaml", "version: 2\n", "a.proto", order}, "expected text, got"},
		{"no list", []string{"buf.yaml", "version: v2\nmodules: {path: a}\n", "a.proto", order}, "expected a list, got"},
		{"an empty list", []string{"buf.yaml", "version: v2\nmodules: []\n", "a.proto", order}, "buf.yaml: expected modules, got an empty list"},
		{"no text", []string{"buf.yaml", "version: v2\nmodules: [{path: [a]}]\n", "a.proto", order}, "expected text, got"},
		{"wrong deps", []string{"buf.yaml", "version: v2\ndeps: [{a: b}]\n", "a.proto", order}, "expected text, got"},
		{"empty", []string{"buf.yaml", "", "a.proto", order}, "buf.yaml"},
		{"no YAML", []string{"buf.yaml", "version: [", "a.proto", order}, "buf.yaml"},
		{"many paths", []string{"buf.yaml", "version: v1\nbuild:\n  excludes:\n" + strings.Repeat("  - a\n", 1001), "a.proto", order}, "buf.yaml:4: excludes: expected at most 1000 paths, got 1001"},
		{"huge", []string{"buf.yaml", "version: v1\n" + strings.Repeat("#", 1<<20), "a.proto", order}, "buf.yaml: expected at most 1 MiB"},
		{"deep", []string{"buf.yaml", "version: v2\nmodules: " + strings.Repeat("[", 100), "a.proto", order}, "expected at most 64 levels of nesting"},
		{"work without folders", []string{"buf.work.yaml", "version: v1\n", "a.proto", order}, "buf.work.yaml: expected directories, a list, got none"},
		{"work of another version", []string{"buf.work.yaml", "version: v2\ndirectories: [a]\n", "a.proto", order}, "buf.work.yaml: expected version v1, got v2"},
	} {
		l := &schema.Lock{Version: 1, Source: "repo", Package: "p", Output: "p/p.go"}
		err := l.Sync(folder(c.files...))
		if got := strings.Join(slices.Sorted(maps.Keys(l.Files)), " "); err == nil && got != c.want {
			t.Errorf("%s: expected %s, got %s", c.name, c.want, got)
		}
		if err != nil && !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: expected %q, got %v", c.name, c.want, err)
		}
		if err == nil {
			if _, err := l.Generate(folder(c.files...)); err != nil {
				t.Errorf("%s: %v", c.name, err)
			}
		}
	}
	// A file of buf's that leads elsewhere does not go past the lock.
	files := folder("buf.yaml", "version: v2\nmodules: [{path: proto}, {path: a}]\n", "proto/shop/order.proto", order, "a/shop/line.proto", lineProto, "b/shop/line.proto", lineProto)
	l := &schema.Lock{Version: 1, Source: "repo", Package: "p", Output: "p/p.go"}
	if err := l.Sync(files); err != nil {
		t.Fatal(err)
	}
	files["buf.yaml"].Data = []byte("version: v2\nmodules: [{path: proto}, {path: b}]\n")
	if _, err := l.Read(files); err == nil || !strings.Contains(err.Error(), "shop/line.proto: expected") {
		t.Errorf("expected that it is not read, got %v", err)
	}
}

// An import that two modules have is none: which one is meant depends on who builds.
func TestImportOfTwoModules(t *testing.T) {
	files := folder("buf.yaml", "version: v2\nmodules: [{path: a}, {path: b}, {path: c}]\n", "a/order.proto", three+`package shop; import "shop/line.proto"; message Order { Line line = 1; }`, "b/shop/line.proto", lineProto, "c/shop/line.proto", lineProto)
	l := &schema.Lock{Version: 1, Source: "repo", Package: "p", Output: "p/p.go", Pattern: "a/*.proto"}
	want := "a/order.proto:1:41: shop/line.proto: expected one file that is imported so, got b/shop/line.proto and c/shop/line.proto"
	if err := l.Sync(files); err == nil || !strings.Contains(err.Error(), want) {
		t.Errorf("expected %q, got %v", want, err)
	}
}

// Every import is held against every module: they are as many as make sense.
func TestManyModules(t *testing.T) {
	files, list := folder("a.proto", three), "version: v2\nmodules:\n"
	for i := range 1001 {
		list += fmt.Sprintf("- path: m%d\n", i)
		maps.Copy(files, folder(fmt.Sprintf("m%d/a%d.proto", i, i), three))
	}
	maps.Copy(files, folder("buf.yaml", list))
	l := &schema.Lock{Version: 1, Source: "repo", Package: "p", Output: "p/p.go"}
	if err := l.Sync(files); err == nil || !strings.Contains(err.Error(), "buf.yaml: expected at most 1000 modules in all, got more") {
		t.Errorf("got %v", err)
	}
}
