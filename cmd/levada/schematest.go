package main

import (
	"bytes"
	"encoding/json/v2"
	"errors"
	"fmt"
	"io/fs"
	"math/big"
	"net/url"
	"os"
	"os/exec"
	"path"
	"path/filepath"
	"reflect"
	"slices"
	"strconv"
	"strings"

	"github.com/santhosh-tekuri/jsonschema/v6"

	"github.com/levada-io/levada/codec/avro"
	"github.com/levada-io/levada/internal/schema"
)

type schemaTestCmd struct {
	locked `embed:""`
}

// Run compiles a program of the generated types beside them, for only there it may import
// a package of the team's, and has it decode and encode every example.
func (c *schemaTestCmd) Run(e *env) error {
	l, err := c.read()
	if err != nil {
		return err
	}
	fsys := os.DirFS(l.Source)
	g, err := l.Generate(fsys)
	if err != nil {
		return configError{err}
	}
	if err := current(&c.locked, l, g); err != nil {
		return err
	}
	examples, err := l.Examples(fsys)
	if err != nil {
		return configError{err}
	}
	if len(examples) == 0 {
		return configError{fmt.Errorf("%s: expected examples of its topics, got none", l.Source)}
	}
	results, err := roundTrip(l, g, examples)
	if err != nil {
		return err
	}
	good, rejected := 0, 0
	oracles := map[string]*jsonschema.Schema{}
	for i, x := range examples {
		isAvro := path.Ext(x.Schema) == ".avsc" // no schema of JSON: the types are the only judge
		if x.Message != "" {                    // nor here, and it is the program that compares
			if results[i].Err != "" {
				fmt.Fprintf(e.stdout, "%s: %s\n", x.File, results[i].Err)
				continue
			}
			good++
			continue
		}
		if oracles[x.Schema] == nil && !isAvro {
			compiler := jsonschema.NewCompiler()
			compiler.UseLoader(beside{fsys, path.Dir(x.Schema)})
			if oracles[x.Schema], err = compiler.Compile("file:///" + path.Base(x.Schema)); err != nil {
				return configError{fmt.Errorf("%s: expected a schema that the oracle knows: %w", x.Schema, err)}
			}
		}
		in, err := fs.ReadFile(fsys, x.File)
		if err != nil {
			return err
		}
		problem := results[i].Err
		before, err := jsonschema.UnmarshalJSON(bytes.NewReader(in))
		if err == nil && !isAvro {
			err = oracles[x.Schema].Validate(before)
		}
		if err != nil {
			rejected++
			taken := ""
			if problem == "" {
				taken = "; the types take it"
			}
			fmt.Fprintf(e.stdout, "%s: expected what %s allows%s: %v\n", x.File, x.Schema, taken, err)
			continue
		}
		if problem == "" {
			after, err := jsonschema.UnmarshalJSON(strings.NewReader(results[i].Out))
			if err != nil || !reflect.DeepEqual(byValue(before), byValue(after)) {
				problem = "came back as something else: " + results[i].Out
			}
		}
		if problem != "" {
			fmt.Fprintf(e.stdout, "%s: %s\n", x.File, problem)
			continue
		}
		good++
	}
	fmt.Fprintf(e.stdout, "examples=%d round_trip=%d rejected=%d\n", len(examples), good, rejected)
	if good < len(examples) {
		return dataError{fmt.Errorf("expected all examples to come back, got %d of %d", good, len(examples))}
	}
	return nil
}

type result struct{ Out, Err string }

func roundTrip(l *schema.Lock, g *schema.Generated, examples []schema.Example) ([]result, error) {
	folder := filepath.Dir(l.Output)
	list := exec.Command("go", "list", "-f", "{{.ImportPath}}", ".")
	list.Dir = folder
	pkg, err := list.Output()
	if err != nil {
		return nil, configError{fmt.Errorf("%s: expected a package of a Go module: %w", folder, cause(err))}
	}
	dir, err := os.MkdirTemp(folder, "schematest")
	if err != nil {
		return nil, err
	}
	defer os.RemoveAll(dir)
	var src, in bytes.Buffer
	fmt.Fprintf(&src, programHead, strings.TrimSpace(string(pkg)))
	messages := false
	for _, root := range slices.Compact(rootsOf(examples)) {
		fmt.Fprintf(&src, "\t%q: reflect.TypeFor[types.%s](),\n", root, g.Roots[root])
		messages = messages || strings.Contains(root, "#")
	}
	src.WriteString("}\n")
	if err := os.WriteFile(filepath.Join(dir, "main.go"), src.Bytes(), 0o644); err != nil {
		return nil, err
	}
	if messages { // by themselves: a module without them need not have the library
		if err := os.WriteFile(filepath.Join(dir, "messages.go"), []byte(programMessages), 0o644); err != nil {
			return nil, err
		}
	}
	if text, err := binary(l, examples); err != nil {
		return nil, err
	} else if text != "" { // by themselves, as messages are
		if err := os.WriteFile(filepath.Join(dir, "binary.go"), []byte(text), 0o644); err != nil {
			return nil, err
		}
	}
	source, err := filepath.Abs(l.Source)
	if err != nil {
		return nil, err
	}
	var todo [][2]string
	for _, x := range examples {
		todo = append(todo, [2]string{x.Root(), filepath.Join(source, x.File)})
	}
	if err := json.MarshalWrite(&in, todo); err != nil {
		return nil, err
	}
	run := exec.Command("go", "run", ".")
	run.Dir, run.Stdin = dir, &in
	out, err := run.Output()
	if err != nil {
		return nil, configError{fmt.Errorf("%s: expected types that compile: %w", l.Output, cause(err))}
	}
	var results []result
	if err := json.Unmarshal(out, &results); err != nil || len(results) != len(examples) {
		return nil, fmt.Errorf("BUG: %d results of %d examples: %w", len(results), len(examples), err)
	}
	return results, nil
}

// binary is what has the values of a schema of Avro go through its messages, too; empty
// where there are none. Where the codec does not read the schema, one with decimals or with
// types of other files that no registry has a name for, they go through JSON alone.
func binary(l *schema.Lock, examples []schema.Example) (string, error) {
	known, references := "", map[string]string{}
	if l.Registry != nil {
		for name, r := range l.Registry.References {
			text, err := os.ReadFile(filepath.Join(l.Source, filepath.FromSlash(r.File)))
			if err != nil {
				return "", err
			}
			references[name] = string(text)
		}
	}
	for _, file := range slices.Compact(rootsOf(examples)) {
		if path.Ext(file) != ".avsc" {
			continue
		}
		text, err := os.ReadFile(filepath.Join(l.Source, filepath.FromSlash(file)))
		if err != nil {
			return "", err
		}
		whole, err := schema.Whole(string(text), references)
		if err != nil {
			whole = string(text)
		}
		if _, err := avro.Of(whole); err == nil {
			known += fmt.Sprintf("\t%q: %q,\n", file, whole)
		}
	}
	if known == "" {
		return "", nil
	}
	return programBinary + known + "}\n", nil
}

const programBinary = `package main

import (
	"reflect"

	"github.com/levada-io/levada/codec/avro"
)

func init() {
	binary = func(schema string, t reflect.Type, v any) (any, error) {
		text, ok := schemas[schema]
		if !ok {
			return v, nil
		}
		c, err := avro.Of(text)
		if err != nil {
			return nil, err
		}
		bound, err := c.Bind(t)
		if err != nil {
			return nil, err
		}
		message, err := bound.Append(nil, v)
		if err != nil {
			return nil, err
		}
		again := reflect.New(t).Interface()
		return again, bound.Decode(message, again)
	}
}

var schemas = map[string]string{
`

func rootsOf(examples []schema.Example) []string {
	var out []string
	for _, x := range examples {
		out = append(out, x.Root())
	}
	return out
}

// cause is what a command said of why it ended.
func cause(err error) error {
	if exit, ok := errors.AsType[*exec.ExitError](err); ok {
		return fmt.Errorf("%w: %s", err, bytes.TrimSpace(exit.Stderr))
	}
	return err
}

// beside loads file://NAME, where the name stands in the place of a host.
type beside struct {
	fsys   fs.FS
	folder string
}

func (b beside) Load(address string) (any, error) {
	name, ok := strings.CutPrefix(address, "file://")
	name = path.Join(b.folder, strings.Trim(name, "/"))
	if file := b.reference(strings.TrimPrefix(address, "file:///")); file != "" {
		name, ok = file, true
	}
	if !ok {
		return nil, fmt.Errorf("%s: expected a file of the folder: schemas are not fetched", address)
	}
	f, err := b.fsys.Open(name)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	doc, err := jsonschema.UnmarshalJSON(f)
	own := ""
	if root, ok := doc.(map[string]any); ok {
		own, _ = root["$id"].(string)
	}
	b.hostless(doc, strings.TrimSuffix(own, "#"))
	return doc, err
}

// named is where a reference leads whose name, or the one that it has beside own, is one of
// a registry.
func (b beside) named(ref, own string) (string, bool) {
	name, at, _ := strings.Cut(ref, "#")
	if name != "" && !strings.Contains(name, ":") && b.reference(name) != "" {
		return "file:///" + name + "#" + at, true
	}
	base, err := url.Parse(own)
	to, bad := url.Parse(name)
	if name == "" || err != nil || bad != nil || !base.IsAbs() {
		return "", false
	}
	name = base.ResolveReference(to).String()
	return name + "#" + at, b.reference(name) != ""
}

// reference is the file for what schemas of a registry refer to by name; "" where there is
// none.
func (b beside) reference(name string) string {
	file := schema.ReferenceFile(name, false)
	if _, err := fs.Stat(b.fsys, file); file == "" || err != nil {
		return ""
	}
	return file
}

// hostless makes references those of files. file://NAME is file:///NAME: a reference in
// NAME to a file beside it would be looked for under a host otherwise. An $id, which own is
// that of the whole, says where a schema is published, and not where its files are now. A
// name that a registry has given is a file of its own, wherever it is referred to.
func (b beside) hostless(v any, own string) {
	switch v := v.(type) {
	case []any:
		for i := range v {
			b.hostless(v[i], own)
		}
	case map[string]any:
		if _, ok := v["$id"].(string); ok {
			delete(v, "$id")
		}
		for k := range v {
			if k == "const" || k == "enum" {
				continue
			}
			if ref, ok := v[k].(string); ok && k == "$ref" {
				if own != "" && (ref == own || strings.HasPrefix(ref, own+"#")) {
					v[k] = "#" + strings.TrimPrefix(ref[len(own):], "#")
				} else if to, ok := b.named(ref, own); ok {
					v[k] = to
				}
				if name, ok := strings.CutPrefix(ref, "file://"); ok {
					v[k] = "file:///" + strings.TrimPrefix(name, "/")
				}
			}
			b.hostless(v[k], own)
		}
	}
}

// byValue is a document whose numbers compare by value: 30.0 is 30.
func byValue(v any) any {
	switch v := v.(type) {
	case []any:
		for i := range v {
			v[i] = byValue(v[i])
		}
	case map[string]any:
		for k := range v {
			v[k] = byValue(v[k])
		}
	case interface{ String() string }:
		text := v.String()
		if strings.ContainsAny(text, "eE") {
			// An exponent of nine digits would become as many; a float has at most 308.
			if x, err := strconv.ParseFloat(text, 64); err == nil {
				return new(big.Rat).SetFloat64(x).RatString()
			}
		} else if len(text) < 400 {
			if r, ok := new(big.Rat).SetString(text); ok {
				return r.RatString()
			}
		}
	}
	return v
}

const programHead = `// Command main decodes and encodes the examples of a repository of schemas.
package main

import (
	"encoding/json/v2"
	"os"
	"reflect"
	"strings"

	codec "github.com/levada-io/levada/codec/json"

	types %q
)

type result struct{ Out, Err string }

func main() {
	var todo [][2]string
	if err := json.UnmarshalRead(os.Stdin, &todo); err != nil {
		panic(err)
	}
	results := make([]result, len(todo))
	for i, x := range todo {
		way := again
		if strings.Contains(x[0], "#") {
			way = message
		}
		out, err := way(x[0], roots[x[0]], x[1])
		results[i].Out = string(out)
		if err != nil {
			results[i] = result{Err: err.Error()}
		}
	}
	if err := json.MarshalWrite(os.Stdout, results); err != nil {
		panic(err)
	}
}

// message is again for protocol buffers, where there are any.
var message func(schema string, t reflect.Type, file string) ([]byte, error)

// binary has a value go through a message of Avro, where there are schemas of it.
var binary func(schema string, t reflect.Type, v any) (any, error)

func again(schema string, t reflect.Type, file string) ([]byte, error) {
	text, err := os.ReadFile(file)
	if err != nil {
		return nil, err
	}
	bound, err := codec.New().Bind(t)
	if err != nil {
		return nil, err
	}
	v := reflect.New(t).Interface()
	if err := bound.Decode(text, v); err != nil {
		return nil, err
	}
	if binary != nil {
		if v, err = binary(schema, t, v); err != nil {
			return nil, err
		}
	}
	return bound.Append(nil, v)
}

var roots = map[string]reflect.Type{
`

const programMessages = `package main

import (
	"errors"
	"os"
	"reflect"
	"strings"

	"google.golang.org/protobuf/encoding/protojson"
	"google.golang.org/protobuf/proto"

	"github.com/levada-io/levada/codec/protobuf"
)

func init() {
	message = func(_ string, t reflect.Type, file string) ([]byte, error) {
		text, err := os.ReadFile(file)
		if err != nil {
			return nil, err
		}
		codec, err := protobuf.New().With([]byte("{\"strict\":true}"))
		if err != nil {
			return nil, err
		}
		bound, err := codec.Bind(t)
		if err != nil {
			return nil, err
		}
		before, after := reflect.New(t).Interface().(proto.Message), reflect.New(t).Interface().(proto.Message)
		if strings.HasSuffix(file, ".json") {
			err = protojson.Unmarshal(text, before)
		} else {
			err = bound.Decode(text, before)
		}
		if err != nil {
			// Blanks in its messages are of two kinds, so that nobody relies on them.
			return nil, errors.New(strings.ReplaceAll(err.Error(), "\u00a0", " "))
		}
		out, err := bound.Append(nil, before)
		if err != nil {
			return nil, err
		}
		if err := bound.Decode(out, after); err != nil {
			return nil, err
		}
		if !proto.Equal(before, after) {
			return nil, errors.New("came back as something else: " + protojson.Format(after))
		}
		return nil, nil
	}
}
`
