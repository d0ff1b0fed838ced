package frame

import (
	"bytes"
	"encoding/json/jsontext"
	"encoding/json/v2"
	"flag"
	"os"
	"path/filepath"
	"reflect"
	"testing"

	"github.com/levada-io/levada/plan"
)

var update = flag.Bool("update", false, "write abi/testdata/frames")

const goldenDir = "../../abi/testdata/frames"

// description stands beside a golden frame, for readers in other languages.
type description struct {
	About string               `json:"about"`
	Type  plan.Type            `json:"type"`
	Types map[string]plan.Type `json:"types,omitempty"`
	JSON  []string             `json:"json"` // text of each element
}

func checkGolden(t *testing.T, name string, got []byte) {
	t.Helper()
	file := filepath.Join(goldenDir, name)
	if *update {
		if err := os.WriteFile(file, got, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(got, want) {
		t.Errorf("%s differs from what the code writes; -update if that is meant", name)
	}
}

func TestGolden(t *testing.T) {
	if *update {
		if err := os.MkdirAll(goldenDir, 0o755); err != nil {
			t.Fatal(err)
		}
	}
	for _, g := range goldens() {
		t.Run(g.name, func(t *testing.T) {
			enc, err := NewEncoder(g.typ)
			if err != nil {
				t.Fatal(err)
			}
			l := enc.Layout()
			n := reflect.ValueOf(g.values).Len()
			column, err := enc.AppendColumn(nil, base(g.values), n, func(i int, err error) { t.Errorf("element %d: %v", i, err) })
			if err != nil {
				t.Fatal(err)
			}
			checkGolden(t, g.name+".layout.bin", l.Append(nil))
			checkGolden(t, g.name+".column.bin", column)

			c, err := NewColumn(l, column)
			if err != nil {
				t.Fatal(err)
			}
			d := description{About: g.about, JSON: []string{}}
			d.Type, d.Types = l.Type()
			for i := range n {
				text, err := l.AppendJSON(nil, c.Value(i))
				if err != nil {
					t.Fatalf("element %d: %v", i, err)
				}
				d.JSON = append(d.JSON, string(text))
			}
			b, err := json.Marshal(d, json.Deterministic(true), jsontext.WithIndent(" "))
			if err != nil {
				t.Fatal(err)
			}
			checkGolden(t, g.name+".json", append(b, '\n'))

			// The bytes lead back to the values, and the values to the bytes.
			dec, err := NewDecoder(l, g.typ)
			if err != nil {
				t.Fatal(err)
			}
			back := reflect.MakeSlice(reflect.SliceOf(g.typ), n, n)
			dec.Column(c, back.UnsafePointer(), func(i int, err error) { t.Errorf("element %d: %v", i, err) })
			again, err := enc.AppendColumn(nil, back.UnsafePointer(), n, func(i int, err error) { t.Errorf("element %d: %v", i, err) })
			if err != nil {
				t.Fatal(err)
			}
			if !bytes.Equal(again, column) {
				t.Errorf("read and written again:\n got %q\nwant %q", again, column)
			}
		})
	}
}
