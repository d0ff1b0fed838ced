package planner

import (
	"encoding/json/v2"
	"flag"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/levada-io/levada/plan"
)

var update = flag.Bool("update", false, "write testdata anew")

// TestWrongTypes holds testdata/wrong_types/*.txt: what Python says of its types and
// functions, a line each, then a pipeline in short form, a line of dashes, and what is
// said about it.
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
			types := map[string]plan.Type{}
			var short []string
			for line := range strings.Lines(in) {
				words := strings.SplitN(strings.TrimSpace(line), " ", 3)
				switch words[0] {
				case "type":
					typ := plan.Type{}
					if err := json.Unmarshal([]byte(words[2]), &typ); err != nil {
						t.Fatalf("%s: %v", line, err)
					}
					types["py:p:"+words[1]] = typ
				case "def":
					sig := plan.FunctionSignature{}
					if err := json.Unmarshal([]byte(words[2]), &sig); err != nil {
						t.Fatalf("%s: %v", line, err)
					}
					sig.Name = "py:p:" + words[1]
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
			_, err = Plan(steps(t, strings.Join(short, "")), cat)
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
