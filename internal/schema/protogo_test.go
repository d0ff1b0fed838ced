package schema

import (
	"bytes"
	"testing"
	"testing/fstest"

	"google.golang.org/protobuf/cmd/protoc-gen-go/internal_gengo"
)

// What is written of a .proto is what protoc-gen-go writes, to the byte, whatever is in it.
func TestAsTheGeneratorWrites(t *testing.T) {
	for name, text := range map[string]string{
		"nothing":    `syntax = "proto3";`,
		"deprecated": `syntax = "proto3"; option deprecated = true; message A { string s = 1 [deprecated = true]; }`,
		"proto2":     "syntax = \"proto2\";\n// A.\nmessage A { optional string s = 1 [default = \"x\\n\\ty\"]; repeated int32 n = 10; extensions 100 to 200; }",
		"enums":      `syntax = "proto3"; enum E { X = 0; Y = 10; } message A { E e = 1; map<string, E> m = 2; oneof o { int32 a = 10; string b = 11; } }`,
		"source": `edition = "2023"; import "google/protobuf/descriptor.proto"; import "google/protobuf/timestamp.proto";
extend google.protobuf.MessageOptions { string kept = 50001; string dropped = 50002 [retention = RETENTION_SOURCE, targets = TARGET_TYPE_MESSAGE]; }
message A { option (kept) = "k"; option (dropped) = "d"; google.protobuf.Timestamp at = 1; extensions 5 to 10 [declaration = {number: 5, full_name: ".x", type: "string"}]; }`,
		"comment": "syntax = \"proto3\";\n// file_a_proto_rawDesc = \"\" +\n//\t\"b\\x12stands for another\"\n//\n// = \"\" +\nmessage A { string stands_for_another = 1; }",
		"service": `syntax = "proto3"; package a.b; message A {} service S { rpc Do(A) returns (stream A); }`,
	} {
		fsys := fstest.MapFS{"a.proto": {Data: []byte(text)}}
		made := func(how func(p *protos) ([]byte, error)) []byte {
			p, err := readProtos(fsys, oneModule("."), []string{"a.proto"}, true)
			if err != nil {
				t.Fatalf("%s: %v", name, err)
			}
			out, err := how(p)
			if err != nil {
				t.Fatalf("%s: %v", name, err)
			}
			return out
		}
		want := made(func(p *protos) ([]byte, error) {
			gen, _, err := p.plugin("p")
			if err != nil {
				return nil, err
			}
			return internal_gengo.GenerateFile(gen, gen.FilesByPath["a.proto"]).Content()
		})
		got := made(func(p *protos) ([]byte, error) {
			g, err := p.generate("p")
			if err != nil {
				return nil, err
			}
			return g.files["a.pb.go"], nil
		})
		if !bytes.Equal(got, want) {
			t.Errorf("%s: expected\n%s\ngot\n%s", name, want, got)
		}
	}
}
