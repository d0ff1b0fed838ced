package planner

import (
	"encoding/json/v2"
	"flag"
	"maps"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/levada-io/levada/plan"
)

var update = flag.Bool("update", false, "write testdata anew")

// TestWrongTypes holds testdata/wrong_types/*.txt: what Python says of its types and
// functions, a line each, then a pipeline in short form, a line of dashes, and what is
// said about it. What is planned stands in the plan's own table of types.
//
//	type Reading {"kind":"struct","fields":[{"name":"id","type":{"kind":"string"}}]}
//	def  to_hot  {"in":{"kind":"ref","name":"py:p:Reading"},"out":{"kind":"string"}}
//	schema in    {"kind":"struct","fields":[{"name":"id","type":{"kind":"int64"}}]}
func TestWrongTypes(t *testing.T) {
	files, err := filepath.Glob("testdata/wrong_types/*.txt")
	if err != nil {
		t.Fatal(err)
	}
	if len(files) < 40 {
		t.Errorf("expected 40 wrong pipelines or more, got %d", len(files))
	}
	for _, f := range files {
		t.Run(strings.TrimSuffix(filepath.Base(f), ".txt"), func(t *testing.T) {
			text, err := os.ReadFile(f)
			if err != nil {
				t.Fatal(err)
			}
			in, want, _ := strings.Cut(string(text), "----\n")
			cat := catalog()
			cat.Python = &fakePython{}
			cat.StrictTypes = strings.HasPrefix(filepath.Base(f), "strict_")
			types, planned := map[string]plan.Type{}, map[string]plan.Type{}
			var short []string
			for line := range strings.Lines(in) {
				words := strings.SplitN(strings.TrimSpace(line), " ", 3)
				if words[0] != "schema" && len(words) == 3 && !strings.Contains(words[1], ":") {
					words[1] = "py:p:" + words[1]
				}
				switch words[0] {
				case "type", "planned":
					typ := plan.Type{}
					if err := json.Unmarshal([]byte(words[2]), &typ); err != nil {
						t.Fatalf("%s: %v", line, err)
					}
					if words[0] == "type" {
						types[words[1]] = typ
					} else {
						planned[words[1]] = typ
					}
				case "def":
					sig := plan.FunctionSignature{}
					if err := json.Unmarshal([]byte(words[2]), &sig); err != nil {
						t.Fatalf("%s: %v", line, err)
					}
					sig.Name = words[1]
					cat.Signatures[sig.Name] = sig
				case "schema":
					st := Stream{Origin: words[1] + ".json"}
					if err := json.Unmarshal([]byte(words[2]), &st.Type); err != nil {
						t.Fatalf("%s: %v", line, err)
					}
					if cat.Streams == nil {
						cat.Streams = map[string]Stream{}
					}
					cat.Streams[words[1]] = st
				default:
					short = append(short, line)
				}
			}
			cat.Types = types
			p := steps(t, strings.Join(short, ""))
			maps.Copy(p.Types, planned)
			_, err = Plan(p, cat)
			if err == nil {
				t.Fatal("accepted")
			}
			got := "error: " + err.Error() + "\n"
			if *update {
				if err := os.WriteFile(f, []byte(in+"----\n"+got), 0o644); err != nil {
					t.Fatal(err)
				}
				return
			}
			if got != want {
				t.Errorf("got\n%s\nwant\n%s\nhint: if it is meant, go test ./internal/planner -update", got, want)
			}
		})
	}
}
