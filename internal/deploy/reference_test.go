package deploy

import (
	"os"
	"path/filepath"
	"reflect"
	"regexp"
	"slices"
	"strings"
	"testing"
)

var (
	referenceRow = regexp.MustCompile("(?m)^\\| `([^`]+)` \\| ([^|]+) \\| ([^|]+) \\|")
	knownKeys    = regexp.MustCompile(`hint: known are (.+)`)
)

// keysOf are the paths below one that the reader knows: it tells them to whoever writes
// a key that there is not.
func keysOf(t *testing.T, path ...string) []string {
	t.Helper()
	text := strings.Repeat("{", len(path)+1) + "qqqqqqqqqqqq: 1" + strings.Repeat("}", len(path)+1)
	for i := len(path) - 1; i >= 0; i-- {
		at := strings.Repeat("{", i+1)
		text = at + path[i] + ": " + strings.TrimPrefix(text, at)
	}
	_, err := parse("d.yaml", []byte(text), environment(nil))
	if err == nil {
		t.Fatalf("%s: accepted", text)
	}
	m := knownKeys.FindStringSubmatch(err.Error())
	if m == nil {
		return nil // no map
	}
	var out []string
	for key := range strings.SplitSeq(m[1], ", ") {
		here := append(slices.Clone(path), key)
		below := keysOf(t, here...)
		if key == "streams" {
			below = keysOf(t, "streams", "NAME")
		}
		if len(below) == 0 || slices.Contains([]string{"kafka.tls", "kafka.sasl"}, strings.Join(here, ".")) {
			out = append(out, strings.Join(here, "."))
		}
		out = append(out, below...)
	}
	return out
}

// TestReference holds docs/reference/deployment.md against the reader: it has every key
// and no other, and what it calls the default is what there is without a word.
func TestReference(t *testing.T) {
	text, err := os.ReadFile(filepath.Join("..", "..", "docs", "reference", "deployment.md"))
	if err != nil {
		t.Fatal(err)
	}
	var documented []string
	for _, row := range referenceRow.FindAllStringSubmatch(string(text), -1) {
		path, kind, value := row[1], row[2], strings.Trim(row[3], "` ")
		documented = append(documented, path)
		if row[3] == "none" { // and not a value of that name
			continue
		}
		doc, want := value, Default()
		for _, key := range slices.Backward(strings.Split(path, ".")) {
			doc = "{" + key + ": " + doc + "}"
		}
		switch {
		case strings.HasPrefix(path, "dead_letter."):
			doc = strings.TrimSuffix(doc, "}}") + ", topic: x}}"
			want.DeadLetter = &DeadLetter{Connector: "kafka", Topic: "x", MaxConsecutive: defaultMaxConsecutive, MaxRatio: defaultMaxRatio}
		case strings.HasPrefix(path, "kafka.sasl."):
			doc = "{kafka: {tls: true, sasl: {username: u, password: '${env:P}', mechanism: " + value + "}}}"
			want.Kafka.TLS = &TLS{}
			want.Kafka.SASL = &SASL{Mechanism: mechanisms[0], Username: "u"}
		}
		got, err := parse("d.yaml", []byte(doc), environment(map[string]string{"P": "p"}))
		if err != nil {
			t.Errorf("%s: %v", path, err)
			continue
		}
		got.places = nil
		if got.Kafka.SASL != nil {
			got.Kafka.SASL.Password = nil // functions are not comparable
		}
		if !reflect.DeepEqual(got, want) {
			t.Errorf("%s: %s is not the default", path, value)
		}
		if strings.HasPrefix(kind, "`") && !strings.HasPrefix(kind, "`"+value+"`") {
			t.Errorf("%s: expected the default %s to stand first in %s", path, value, kind)
		}
	}
	want := keysOf(t)
	slices.Sort(want)
	got := slices.Sorted(slices.Values(documented))
	if !slices.Equal(got, want) {
		t.Errorf("documented are\n%s\nread are\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
	}
	example := regexp.MustCompile("(?s)```yaml\n(.*?)```").FindSubmatch(text)
	if _, err := parse("d.yaml", example[1], environment(map[string]string{"KAFKA_PASSWORD": "p"})); err != nil {
		t.Errorf("the example: %v", err)
	}
}

// Values that the reference lists are those that are accepted.
func TestReferenceListsChoices(t *testing.T) {
	text, err := os.ReadFile(filepath.Join("..", "..", "docs", "reference", "deployment.md"))
	if err != nil {
		t.Fatal(err)
	}
	choices := map[string][]string{
		"kafka.start": starts, "kafka.out_of_range": outOfRanges, "kafka.protocol": protocols, "kafka.partitioner": partitioners,
		"kafka.compression": compressions, "kafka.sasl.mechanism": mechanisms,
		"streams.NAME.connector": connectors, "dead_letter.connector": letterConnectors,
	}
	for _, row := range referenceRow.FindAllStringSubmatch(string(text), -1) {
		listed := regexp.MustCompile("`([^`]+)`").FindAllStringSubmatch(row[2], -1)
		var got []string
		for _, m := range listed {
			got = append(got, m[1])
		}
		if !slices.Equal(got, choices[row[1]]) {
			t.Errorf("%s: listed are %q, accepted %q", row[1], got, choices[row[1]])
		}
		delete(choices, row[1])
	}
	for path := range choices {
		t.Errorf("%s is not listed", path)
	}
}
