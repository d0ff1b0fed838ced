package levada_test

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/levada-io/levada"
)

// Sku has a form of its own, and methods that fail as the text says.
type Sku struct{ text string }

func (s Sku) MarshalText() ([]byte, error) {
	if s.text == "unwritten" {
		panic("not written")
	}
	return []byte(s.text), nil
}

func (s *Sku) UnmarshalText(b []byte) error {
	switch string(b) {
	case "panic":
		panic("not read")
	case "wrong":
		return errors.New("no such article")
	}
	s.text = string(b)
	return nil
}

type Item struct {
	Sku  Sku             `json:"sku"`
	More map[string]*Sku `json:"more,omitempty"`
}

// lines is a codec of a user's own: a line is a sku.
type lines struct{}

func (lines) Decode(b []byte) (Item, error) {
	var i Item
	err := i.Sku.UnmarshalText(bytes.ToUpper(b))
	return i, err
}

func (lines) Encode(i Item) ([]byte, error) { return i.Sku.MarshalText() }

// A type with a form of its own goes through a pipeline in Go, with the codecs of every
// engine and with one of the user. What its methods say, and a panic in them, fails the
// message and not the run.
func TestOwnFormsRun(t *testing.T) {
	const in = `{"sku":"a"}
{"sku":"panic"}
{"sku":"wrong"}
{"sku":"unwritten"}
{"sku":"b","more":{"x":"c","y":null,"z":"wrong"}}
{"sku":"b","more":{"x":"c","y":null}}
`
	same := func(m levada.Message[Item]) (Item, error) { return m.Payload(), nil }
	for _, c := range []struct {
		name  string
		build func(s levada.Stream[[]byte]) levada.Stream[[]byte]
		in    string
		want  string
		dead  []string // causes
	}{
		{
			"json", func(s levada.Stream[[]byte]) levada.Stream[[]byte] {
				return s.Parse("parse", levada.JSON[Item]()).Map("same", same).Serialize("print", levada.JSON[Item]())
			}, in,
			`{"sku":"a"}` + "\n" + `{"sku":"b","more":{"x":"c","y":null}}` + "\n",
			[]string{"$.sku: panic in a method of levada_test.Sku: not read", `$.sku: expected levada_test.Sku, got \"wrong\": no such article`, "$.sku: panic in a method of levada_test.Sku: not written", `$.more.z: expected *levada_test.Sku, got \"wrong\": no such article`},
		},
		{
			"forced", func(s levada.Stream[[]byte]) levada.Stream[[]byte] {
				return s.Parse("parse", levada.JSON[Item]().Std()).Map("same", same).Serialize("print", levada.JSON[Item]().Std())
			}, in,
			`{"sku":"a"}` + "\n" + `{"sku":"b","more":{"x":"c","y":null}}` + "\n",
			[]string{"$: panic in a method of levada_test.Item, or of what is in it: not read", "$.sku: expected levada_test.Sku, got string: no such article", "$: panic in a method of levada_test.Item, or of what is in it: not written", "$.more.z: expected levada_test.Sku, got string: no such article"},
		},
		{
			"msgpack", func(s levada.Stream[[]byte]) levada.Stream[[]byte] {
				return s.Parse("parse", levada.JSON[Item]()).Serialize("pack", levada.Msgpack[Item]()).Parse("unpack", levada.Msgpack[Item]()).Serialize("print", levada.JSON[Item]())
			}, `{"sku":"b","more":{"x":"c","y":null}}` + "\n",
			`{"sku":"b","more":{"x":"c","y":null}}` + "\n", nil,
		},
		{
			"a codec of the user", func(s levada.Stream[[]byte]) levada.Stream[[]byte] {
				return s.Parse("parse", lines{}).Map("same", same).Serialize("print", lines{})
			}, "a\nb\n",
			"A\nB\n", nil,
		},
	} {
		t.Run(c.name, func(t *testing.T) {
			dir := t.TempDir()
			write := func(name, text string) string {
				path := filepath.Join(dir, name)
				if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
					t.Fatal(err)
				}
				return path
			}
			config := write("deployment.yaml", fmt.Sprintf("streams:\n  in: {connector: file, path: %s}\n  out: {connector: file, path: %s}\ndead_letter: {connector: file, path: %s}\n",
				write("in", c.in), filepath.Join(dir, "out"), filepath.Join(dir, "dead")))
			p := levada.New("items").OnError(levada.DeadLetter)
			c.build(p.Source("in", levada.Topic("in"))).Sink("out", levada.Topic("out"))
			if code := levada.Run(t.Context(), p, []string{"run", "--config", config, "--drain"}); code != 0 {
				t.Fatalf("exit code %d", code)
			}
			if got, err := os.ReadFile(filepath.Join(dir, "out")); err != nil || string(got) != c.want {
				t.Errorf("got %q, %v", got, err)
			}
			dead, err := os.ReadFile(filepath.Join(dir, "dead"))
			if err != nil {
				t.Fatal(err)
			}
			letters := strings.Split(strings.TrimSuffix(string(dead), "\n"), "\n")
			if len(dead) == 0 {
				letters = nil
			}
			if len(letters) != len(c.dead) {
				t.Fatalf("expected %d dead letters, got\n%s", len(c.dead), dead)
			}
			for i, want := range c.dead {
				var found bool
				for _, letter := range letters {
					found = found || strings.Contains(letter, want) && strings.Contains(letter, "levada-traceback") == strings.Contains(want, "panic")
				}
				if !found {
					t.Errorf("no dead letter %d with %s:\n%s", i, want, dead)
				}
			}
		})
	}
}
