package deploy

import (
	"os"
	"path/filepath"
	"reflect"
	"testing"
)

// What a variable or a file contains is a value, whatever it looks like: it is put in
// after the document was read, as a whole scalar, and is not looked at again.
//
// Fault: injection by a variable -> goes on: its text is the value, however much it looks like YAML or like a reference
func TestReferencesCanNotChangeTheDocument(t *testing.T) {
	dir := t.TempDir()
	for _, text := range []string{
		"g\nlanes: 64", "g\nstreams: {ingest: {topic: evil}}", "g, brokers: [evil:9092]", "a: b", "{a: b}", "[a, b]", "- a",
		"&anchor x", "*alias", "!!int 3", "# comment", "'quoted", `"quoted`, "| \n  block", "---", "...",
		"${env:OTHER}", "${file:/etc/passwd}", "x${env:OTHER}", "${", "true", "null", "0x10", "\t", " ",
	} {
		file := filepath.Join(dir, "value")
		if err := os.WriteFile(file, []byte(text+"\n"), 0o600); err != nil {
			t.Fatal(err)
		}
		for _, reference := range []string{"${env:GROUP}", "${file:" + file + "}"} {
			c, err := parse("d.yaml", []byte("kafka:\n  group: "+reference+"\n"), environment(map[string]string{"GROUP": text, "OTHER": "other"}))
			if err != nil {
				t.Errorf("%q by %s: %v", text, reference, err)
				continue
			}
			want := Default()
			want.Kafka.Group = text
			want.places = c.places
			if !reflect.DeepEqual(c, want) {
				t.Errorf("%q by %s: got\n%+v\nwant\n%+v", text, reference, c, want)
			}
		}
	}
}
