package docs

import (
	"bytes"
	"flag"
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

var update = flag.Bool("update", false, "write the generated pages of docs/reference anew")

// rows are the faults that Levada is held against, in the order of the table. A test
// says in its own comment which of them it shows:
//
//	// Fault: ROW -> exit 65: what happens, says: the message
//	// Fault: ROW -> goes on: what happens
//	// Fault: ROW -> refused: what happens, says: the message
//
// The last is for tests of packages that know of no exit code.
//
// In a script and in Python it is the same behind a #; in Python, where lines are short,
// it goes on behind a # and three spaces. What a message says must stand in the test, with
// "..." for what differs from run to run.
var rows = []group{
	{"The process", []string{
		"killed with SIGKILL", "SIGTERM", "a second signal", "SIGSTOP beyond the session", "out of memory",
		"one of several processes fails", "one of several processes is killed", "fork after import", "two extensions in one process",
	}},
	{"Brokers", []string{
		"broker killed and started again", "broker absent at start", "broker away beyond the budget", "leaders move", "coordinator moves",
		"broker frozen", "fetch that brings nothing", "client that does not return", "latency", "half-open connection", "dropped connection", "every error code on every request", "not a Kafka at the address",
		"a client that is no Kafka client, at the embedded broker",
	}},
	{"Groups and topics", []string{
		"partition revoked with records in flight", "partition lost", "group that never shares out", "rebalances one after the other", "instance id used twice",
		"a static member starts again", "a group of another client", "members with other protocols", "partitions added", "topic missing", "topic deleted", "offset out of range", "log cut behind the position",
		"aborted transactions",
	}},
	{"Sinks", []string{
		"slow sink, ten times the load", "sink that takes nothing", "sink down for good", "slow branch", "write refused for good", "output record too large", "disk full",
	}},
	{"Messages that fail", []string{
		"poison at decode", "poison in a map", "poison in a filter", "poison in a flat_map", "poison in a route", "poison in one branch of a broadcast",
		"poison behind a batch", "poison at encode", "poison at the sink", "poison under skip", "poison under dead_letter", "poison under retry", "poison under retry, other partitions",
		"poison beyond the limits",
		"killed before a dead letter is stored", "dead-letter topic down", "dead-letter topic missing", "dead letter too large",
		"Python exception", "wrong type from Python", "endless loop in Python", "endless loop in Go", "interpreter kept by another thread", "Go error", "Go panic", "panic in a goroutine of a step",
	}},
	{"Bytes", []string{
		"100 MB record", "decompression bomb", "corrupt batch", "null value", "null key", "empty value", "duplicate headers", "no timestamp",
		"invalid UTF-8", "NUL in text", "lone surrogates", "NaN", "2^63", "deep nesting", "late and out-of-order events", "schema change in mid-stream",
		"hostile frame", "malformed msgpack", "malformed protobuf", "malformed avro",
		"schema number that is not known", "message with another prefix", "foreign record among dead letters",
	}},
	{"Access", []string{
		"wrong password", "expired token", "missing ACL", "SASL without TLS", "TLS certificate expired", "TLS certificate for another host", "TLS certificate rotated",
	}},
	{"Files of the user", []string{
		"wrong YAML", "alias bomb in YAML", "200 kB of nested YAML", "wrong deployment", "dead letters with nowhere to go",
		"dead letters among input or results", "policy where nothing can fail", "retry where nothing changes", "contradictory policies", "unknown policy", "a crossing by a word that can not be", "injection by a variable", "secret in a message",
		"pipeline that does not import", "wrong pipeline", "wrong setting of a Go step",
		"schema changed under its lock", "schema number that nobody says", "schema that is not the stream's", "schema registry down", "schema repository down",
	}},
}

// group is a part of a page.
type group struct {
	group string
	names []string
}

// inputs are the rows of docs/reference/bad-input.md that tests show as they show faults;
// its messages are in badinput_test.go.
var inputs = []group{
	{"Schema files", []string{
		"schema that refers to itself alone", "reference to a file that is missing", "reference to a definition that is missing", "reference to the network", "reference out of the folder", "reference by anchor",
		"malformed schema", "empty schema file", "keyword of the wrong kind", "unsupported draft", "huge schema file", "schema nested too deep", "references that multiply", "any text as a schema",
		"malformed schema of Avro", "schema of Avro that names what is not there",
		"malformed .proto", ".proto that imports what is not there", ".proto that imports itself", "unsupported edition of .proto", "message that is not known", "any text as a .proto",
		"malformed file of buf",
		"two types with one name", "two schemas of one topic", "wrong topic file",
	}},
	{"Locks and examples", []string{
		"schema changed under its lock", "locked schema that is gone", "malformed lock", "lock of another version", "a name in the lock that is none",
		"examples that do not match", "malformed example", "example with a member twice", "example with half a surrogate pair", "example beyond what its type holds", "examples that are not there", "examples outside of the folder",
	}},
	{"Registries", []string{
		"schema registry down", "registry that is none", "registry with an error of its own", "registry with a schema that can not be read", "registry with more than can be held", "schema repository down",
		"reference of a registry that is missing", "references of a registry in a cycle", "references of a registry without end", "reference of a registry to another kind of schema",
		"two references with one name", "reference to an earlier version of a topic",
		"schema number that is not known", "message with another prefix", "schema number that nobody says", "schema that is not the stream's",
	}},
	{"Whatever else comes", []string{"hostile frame", "malformed msgpack", "malformed protobuf", "malformed avro", "several members of a oneof", "key of a map of protobuf that is no such number or bool", "any text as JSON", "null value", "deep nesting"}},
}

// codes are the words that tests of packages have for what internal/runner makes an exit
// code of.
var codes = map[string][]string{
	"65": {"DataGap", "MessageError", "LimitError", "RecordError"}, "69": {"Unreachable"}, "70": {"StalledError"},
	"75": {"Fenced", "ErrAborted"}, "77": {"Unauthorized"}, "78": {"Misconfig"},
	"0": nil, "2": nil, "64": nil, "74": {"Storage"},
}

// shown is one annotation.
type shown struct{ row, exit, what, message, test, file string }

var (
	annotation = regexp.MustCompile(`^(?://|#) Fault: (.*)$`)
	spelled    = regexp.MustCompile(`^(.+?) -> (?:exit (\d+)|(refused)|goes on): (.+?)(?:, says: (.+))?$`)
	further    = regexp.MustCompile(`^\s*#   \S`)
	pythonTest = regexp.MustCompile(`^\s*def (test_\w+)`)
)

func TestFaults(t *testing.T) {
	top, err := filepath.Abs("../..")
	if err != nil {
		t.Fatal(err)
	}
	known := map[string]bool{}
	for _, page := range [][]group{rows, inputs} {
		here := map[string]bool{}
		for _, g := range page {
			for _, name := range g.names {
				if here[name] {
					t.Errorf("row %q stands twice", name)
				}
				here[name], known[name] = true, true
			}
		}
	}
	byRow := map[string][]shown{}
	for _, s := range collect(t, top) {
		if !known[s.row] {
			t.Errorf("%s: %s: there is no row %q in test/docs/faults_test.go", s.file, s.test, s.row)
		}
		byRow[s.row] = append(byRow[s.row], s)
	}
	golden(t, filepath.Join(top, "docs", "reference", "faults.md"), render(byRow))
	golden(t, filepath.Join(top, "docs", "reference", "bad-input.md"), badInput(t, byRow))
}

// golden holds a generated page, or writes it.
func golden(t *testing.T, path string, page []byte) {
	t.Helper()
	if *update {
		if err := os.WriteFile(path, page, 0o644); err != nil {
			t.Fatal(err)
		}
		return
	}
	if have, err := os.ReadFile(path); err != nil || !bytes.Equal(have, page) {
		t.Errorf("%s is not what the tests say: %v\nhint: make gen", filepath.Base(path), err)
	}
}

// collect reads the annotations of all tests.
func collect(t *testing.T, top string) []shown {
	t.Helper()
	var all []shown
	err := filepath.WalkDir(top, func(path string, d os.DirEntry, err error) error {
		if err != nil {
			return err
		}
		name := d.Name()
		if d.IsDir() && path != top && (name == "build" || name == "bench" || name[0] == '.') && filepath.Dir(path) == top {
			return filepath.SkipDir
		}
		var find func([]byte) ([]shown, error)
		switch {
		case d.IsDir():
			return nil
		case strings.HasSuffix(name, "_test.go"):
			find = inGo
		case strings.HasPrefix(path, filepath.Join(top, "test", "kill")) && strings.HasSuffix(name, ".go"):
			find = inHarness
		case strings.HasSuffix(name, ".txtar"):
			find = inScript
		case strings.HasSuffix(name, ".py") && strings.Contains(path, "/tests/"):
			find = inPython
		default:
			return nil
		}
		text, err := os.ReadFile(path)
		if err != nil || !bytes.Contains(text, []byte(" Fault: ")) {
			return err
		}
		found, err := find(text)
		if err != nil {
			return err
		}
		file, err := filepath.Rel(top, path)
		if err != nil {
			return err
		}
		plain := strings.ReplaceAll(string(text), `\`, "")
		plain = annotations.ReplaceAllString(plain, "")
		for _, s := range found {
			s.file = file
			if err := s.parse(plain); err != nil {
				t.Errorf("%s: %s: %v", file, s.test, err)
				continue
			}
			all = append(all, s)
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	if len(all) == 0 {
		t.Fatal("no test says which fault it shows")
	}
	return all
}

var annotations = regexp.MustCompile(`(?m)^\s*(?://|#) Fault: .*$(?:\n\s*#   .*$)*`)

// parse splits an annotation and holds it against the text of its file.
func (s *shown) parse(file string) error {
	m := spelled.FindStringSubmatch(s.row)
	if m == nil {
		return fmt.Errorf("expected `Fault: row -> exit N: what happens, says: message`, got %q", s.row)
	}
	s.row, s.exit, s.what, s.message = m[1], m[2], m[4], m[5]
	if s.test == "" {
		return fmt.Errorf("row %q: expected the annotation in front of a test or inside one", s.row)
	}
	if s.exit != "" {
		words, ok := codes[s.exit]
		if !ok {
			return fmt.Errorf("row %q: there is no exit code %s", s.row, s.exit)
		}
		if !slices.ContainsFunc(append([]string{s.exit}, words...), func(w string) bool {
			return regexp.MustCompile(`\b` + w + `\b`).MatchString(file)
		}) {
			return fmt.Errorf("row %q: nothing in the file is about exit code %s", s.row, s.exit)
		}
	}
	if m[3] != "" {
		s.exit = m[3]
	}
	for _, part := range strings.Split(s.message, "...") {
		if part = strings.TrimSpace(part); !strings.Contains(file, part) {
			return fmt.Errorf("row %q: the file does not say %q", s.row, part)
		}
	}
	return nil
}

// inHarness finds annotations in the program that takes real members away.
func inHarness(text []byte) ([]shown, error) {
	var found []shown
	for line := range strings.Lines(string(text)) {
		if m := annotation.FindStringSubmatch(strings.TrimSpace(line)); m != nil {
			found = append(found, shown{row: m[1], test: "make kill"})
		}
	}
	return found, nil
}

// inGo finds annotations in the comments of test functions and in their bodies.
func inGo(text []byte) ([]shown, error) {
	set := token.NewFileSet()
	f, err := parser.ParseFile(set, "", text, parser.ParseComments)
	if err != nil {
		return nil, err
	}
	owner := func(at token.Pos) string {
		for _, d := range f.Decls {
			fn, ok := d.(*ast.FuncDecl)
			if !ok || !strings.HasPrefix(strings.ToLower(fn.Name.Name), "test") && !strings.HasPrefix(fn.Name.Name, "Fuzz") {
				continue
			}
			from := fn.Pos()
			if fn.Doc != nil {
				from = fn.Doc.Pos()
			}
			if from <= at && at < fn.End() {
				return fn.Name.Name
			}
		}
		return ""
	}
	var found []shown
	for _, group := range f.Comments {
		for _, c := range group.List {
			if m := annotation.FindStringSubmatch(c.Text); m != nil {
				found = append(found, shown{row: m[1], test: owner(c.Pos())})
			}
		}
	}
	return found, nil
}

// inScript finds annotations in the commands of a script; the script is the test.
func inScript(text []byte) ([]shown, error) {
	script, _, _ := strings.Cut(string(text), "\n-- ")
	var found []shown
	for line := range strings.Lines(script) {
		if m := annotation.FindStringSubmatch(strings.TrimSpace(line)); m != nil {
			found = append(found, shown{row: m[1], test: "script"})
		}
	}
	return found, nil
}

// inPython finds annotations inside of test functions and on the lines in front of them.
func inPython(text []byte) ([]shown, error) {
	var found []shown
	test, open := "", 0 // the last test, and annotations that wait for the next one
	going := false      // the line before was an annotation, or went on with one
	for line := range strings.Lines(string(text)) {
		switch m := annotation.FindStringSubmatch(strings.TrimSpace(line)); {
		case going && further.MatchString(line):
			found[len(found)-1].row += " " + strings.TrimLeft(strings.TrimSpace(line), "# ")
			continue // and going
		case m != nil && line[0] == ' ' && test != "":
			found = append(found, shown{row: m[1], test: test})
		case m != nil:
			found = append(found, shown{row: m[1]})
			open++
		default:
			if m := pythonTest.FindStringSubmatch(line); m != nil {
				test = m[1]
				for i := range open {
					found[len(found)-1-i].test = test
				}
				open = 0
			}
		}
		going = annotation.MatchString(strings.TrimSpace(line))
	}
	return found, nil
}

func render(byRow map[string][]shown) []byte {
	var b bytes.Buffer
	b.WriteString(`# Faults

What happens to a pipeline when something goes wrong, and the test that shows it. The page
is written from comments in those tests (` + "`make gen`" + `), and a test holds it against them.
Where no exit code stands, the pipeline goes on. In a message, ` + "`...`" + ` stands for what differs
from run to run.
`)
	tables(&b, rows, byRow)
	return b.Bytes()
}

// tables writes the rows of groups, and at the end those that no test shows.
func tables(b *bytes.Buffer, groups []group, byRow map[string][]shown) {
	var without []string
	for _, g := range groups {
		fmt.Fprintf(b, "\n## %s\n\n| fault | what happens | exit | it says | shown by |\n|---|---|---|---|---|\n", g.group)
		for _, name := range g.names {
			cases := byRow[name]
			if len(cases) == 0 {
				without = append(without, name)
			}
			for i, s := range cases {
				if i > 0 && s.file == cases[i-1].file && s.test == cases[i-1].test && s.what == cases[i-1].what {
					continue
				}
				message := ""
				if s.message != "" {
					message = "`" + cell(s.message) + "`"
				}
				test := "`" + s.test + "` in "
				if s.test == "script" {
					test = ""
				}
				fmt.Fprintf(b, "| %s | %s | %s | %s | %s`%s` |\n", cell(name), cell(s.what), s.exit, message, test, s.file)
			}
		}
	}
	b.WriteString("\n## Not covered yet\n\n")
	if len(without) == 0 {
		b.WriteString("Nothing of the above is without a test.\n")
	}
	for _, name := range without {
		fmt.Fprintf(b, "- %s\n", name)
	}
}

func cell(s string) string { return strings.ReplaceAll(s, "|", `\|`) }

func TestAnnotations(t *testing.T) {
	const file = `exits 65 x; says "step \"parse\" (a.py:4): expected 1"`
	for _, c := range []struct{ in, want string }{
		{"a row -> exit 65: it ends, says: step ...: expected 1", "<nil>"},
		{"a row -> goes on: it waits", "<nil>"},
		{"a row -> refused: it is not taken, says: expected 1", "<nil>"},
		{"a row -> refused: it is not taken, says: expected 2", `the file does not say "expected 2"`},
		{"a row", "expected `Fault: row -> exit N: what happens, says: message`"},
		{"a row -> exit 66: it ends", "there is no exit code 66"},
		{"a row -> exit 77: it ends", "nothing in the file is about exit code 77"},
		{"a row -> exit 65: it ends, says: expected 2", `the file does not say "expected 2"`},
	} {
		s := shown{row: c.in, test: "TestX"}
		if got := fmt.Sprint(s.parse(strings.ReplaceAll(file, `\`, ""))); !strings.Contains(got, c.want) {
			t.Errorf("%s: got %s, want %s", c.in, got, c.want)
		}
	}
	s := shown{row: "a row -> goes on: it waits"}
	if err := s.parse(file); err == nil || !strings.Contains(err.Error(), "in front of a test") {
		t.Errorf("outside of a test: %v", err)
	}
	goes, err := inGo([]byte("package p\n// Fault: outside -> goes on: x\n\n// Fault: a -> goes on: x\nfunc TestA() {\n\t// Fault: b -> goes on: x\n}\n"))
	if want := []shown{{row: "outside -> goes on: x"}, {row: "a -> goes on: x", test: "TestA"}, {row: "b -> goes on: x", test: "TestA"}}; err != nil || !slices.Equal(goes, want) {
		t.Errorf("Go: %v, %v, want %v", goes, err, want)
	}
	py, err := inPython([]byte("# Fault: a -> goes on: x\n#   and y\ndef test_a():\n    # Fault: b -> goes on: x\n    # no more\n    pass\n"))
	if want := []shown{{row: "a -> goes on: x and y", test: "test_a"}, {row: "b -> goes on: x", test: "test_a"}}; err != nil || !slices.Equal(py, want) {
		t.Errorf("Python: %v, %v, want %v", py, err, want)
	}
}
