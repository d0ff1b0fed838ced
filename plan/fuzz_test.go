package plan

import (
	"bytes"
	"os"
	"path/filepath"
	"testing"
)

// FuzzDecode: whatever stands in a plan file, it is refused or it is a plan that means
// the same after it was written again.
func FuzzDecode(f *testing.F) {
	files, err := filepath.Glob("testdata/corpus/*/plan.json")
	if err != nil || len(files) == 0 {
		f.Fatalf("no plans to begin with: %v", err)
	}
	for _, file := range files {
		b, err := os.ReadFile(file)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(b)
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		p, err := Decode(data)
		if err != nil {
			return
		}
		for _, problem := range Validate(p) {
			if problem.Error() == "" {
				t.Error("a problem without a word")
			}
		}
		b, err := p.Encode()
		if err != nil {
			t.Fatalf("read, and can not be written: %v", err)
		}
		q, err := Decode(b)
		if err != nil {
			t.Fatalf("written, and can not be read: %v\n%s", err, b)
		}
		again, err := q.Encode()
		if err != nil {
			t.Fatal(err)
		}
		if !bytes.Equal(b, again) {
			t.Errorf("written twice:\n%s\n%s", b, again)
		}
		one, err := p.Hash()
		if err != nil {
			t.Fatal(err)
		}
		if two, err := q.Hash(); err != nil || one != two {
			t.Errorf("hash %s, then %s, %v", one, two, err)
		}
	})
}
