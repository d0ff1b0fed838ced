package yamldoc

import (
	"fmt"
	"strings"
	"testing"
)

// Every document that is refused before anything is known of its meaning, with the
// whole message.
//
// Fault: wrong YAML -> goes on: each refusal with place, excerpt and hint
func TestRefused(t *testing.T) {
	for _, c := range []struct{ name, in, want string }{
		{"empty", "", "f.yaml: expected a document, got an empty file [yaml-empty]"},
		{"comment only", "# nothing\n", "f.yaml: expected a document, got an empty file [yaml-empty]"},
		{"tab", "a:\n\t- x\n", "f.yaml:2:1: expected spaces for indentation, got a tab [yaml-tab]\n    2 |  - x\n      | ^\nhint: indent with spaces"},
		{"tab behind spaces", "a:\n  \tb: 1\n  c: 2\n", "f.yaml:2:3: expected spaces for indentation, got a tab [yaml-tab]\n    2 |    b: 1\n      |   ^\nhint: indent with spaces"},
		{"two documents", "a: 1\n---\nb: 2\n", "f.yaml:2:1: expected one document, got a second one [yaml-documents]\n    2 | ---\n      | ^\nhint: write each document into a file of its own"},
		{"alias", "a: &x 1\nb: *x\n", "f.yaml:1:4: anchors are not supported, got &x [yaml-anchor]\n    1 | a: &x 1\n      |    ^\nhint: write the value out\n" +
			"f.yaml:2:4: aliases are not supported, got *x [yaml-anchor]\n    2 | b: *x\n      |    ^\nhint: write the value out"},
		{"tag", "a: !!binary eA==\n", "f.yaml:1:4: tags are not supported, got !!binary [yaml-tag]\n    1 | a: !!binary eA==\n      |    ^~~~"},
		{"twice", "a: 1\nb: 2\na: 3\n", "f.yaml:3:1: expected each key once, got \"a\" again after line 1 [duplicate-key]\n    3 | a: 3\n      | ^"},
		{"key is a list", "[a]: 1\n", "f.yaml:1:1: expected a key that is text, got a list [yaml-key]\n    1 | [a]: 1\n      | ^"},
		{"flow not closed", "a: [1, 2\nb: 3\n", "f.yaml:2:2: not valid YAML: did not find expected ',' or ']', while parsing a flow sequence that begins at 1:4 [yaml-syntax]\n    2 | b: 3\n      |  ^"},
		{"not UTF-8", "a: 1\nb: \xff\n", "f.yaml:2:4: expected UTF-8 text, got byte 0xff [yaml-syntax]\n    2 | b: ?\n      |    ^"},
		{"too large", "a: " + strings.Repeat("x", MaxBytes), "f.yaml: expected at most 1 MiB, got 1048579 bytes [yaml-too-large]"},
		{"too deep", strings.Repeat("[", 65) + strings.Repeat("]", 65), "f.yaml:1:65: expected at most 64 levels of nesting, got more [yaml-depth]"},
	} {
		t.Run(c.name, func(t *testing.T) {
			_, err := Parse("f.yaml", []byte(c.in))
			got := fmt.Sprint(err)
			if c.name == "too deep" {
				got, _, _ = strings.Cut(got, "\n")
			}
			if got != c.want {
				t.Errorf("got\n%s\nwant\n%s", got, c.want)
			}
		})
	}
}

// An alias bomb is refused without being unfolded, which would never end.
//
// Fault: alias bomb in YAML -> goes on: refused without being unfolded, says: yaml-anchor
func TestAliasBomb(t *testing.T) {
	var b strings.Builder
	b.WriteString("a0: &a0 [x, x, x, x, x, x, x, x, x]\n")
	for i := 1; i < 30; i++ {
		fmt.Fprintf(&b, "a%d: &a%d [%s]\n", i, i, strings.TrimSuffix(strings.Repeat(fmt.Sprintf("*a%d, ", i-1), 9), ", "))
	}
	_, err := Parse("f.yaml", []byte(b.String()))
	if err == nil || !strings.Contains(err.Error(), "[yaml-anchor]") || !strings.HasSuffix(err.Error(), "\nf.yaml: 191 mistakes more") {
		t.Fatalf("got %v", err)
	}
}

func TestNodesKnowKindAndPlace(t *testing.T) {
	f, err := Parse("f.yaml", []byte("\ufeffa: text\r\nb: [1, 2.5, true, null, \"3\", 2026-01-01]\r\n"))
	if err != nil {
		t.Fatal(err)
	}
	b := f.Root.Get("b")
	if b.Line != 2 || b.Column != 4 || b.Kind != List {
		t.Errorf("b: %+v", b)
	}
	want := []Kind{Int, Float, Bool, Null, Text, Text}
	for i, v := range b.Values {
		if v.Kind != want[i] {
			t.Errorf("b[%d]: got %s, want %s", i, v.Kind, want[i])
		}
	}
	if f.Root.Get("a").Text != "text" || f.Root.Get("c") != nil {
		t.Error("Get finds what is there and nothing else")
	}
}

func TestFieldsReportEveryMistakeInTheOrderOfTheFile(t *testing.T) {
	f, err := Parse("f.yaml", []byte("nmae: x\nname: 3\nsize: 0\nlist: {}\nzzz: 1\n"))
	if err != nil {
		t.Fatal(err)
	}
	f.Fields(f.Root, "", map[string]func(*Node){
		"list": func(n *Node) { f.Is(n, "list", List) },
		"name": func(n *Node) { f.String(n, "name") },
		"size": func(n *Node) { f.Integer(n, "size", 1) },
	})
	want := `f.yaml:1:1: unknown key "nmae" [unknown-key]
    1 | nmae: x
      | ^~~~
hint: did you mean "name"?
f.yaml:2:7: name: expected text, got 3 [wrong-type]
    2 | name: 3
      |       ^
hint: write it in quotes: "3"
f.yaml:3:7: size: expected at least 1, got 0 [wrong-value]
    3 | size: 0
      |       ^
f.yaml:4:7: list: expected a list, got a map [wrong-type]
    4 | list: {}
      |       ^
f.yaml:5:1: unknown key "zzz" [unknown-key]
    5 | zzz: 1
      | ^~~
hint: known are list, name, size`
	if got := fmt.Sprint(f.Err()); got != want {
		t.Errorf("got\n%s\nwant\n%s", got, want)
	}
}

func FuzzParse(f *testing.F) {
	for _, s := range []string{"a: 1", "[a, {b: c}]", "a: &x 1\nb: *x", "\t", "? [a]\n: b", "a: |\n  x\n", "---\n...\n"} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		file, err := Parse("f.yaml", data)
		if (file == nil || file.Root == nil) && err == nil {
			t.Error("neither a document nor an error")
		}
	})
}
