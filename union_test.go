package levada_test

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/levada-io/levada"
)

// Figure is one of its variants.
type Figure interface{ isFigure() }

type Disc struct {
	Kind   string  `json:"kind" levada:"const=disc"`
	Radius float64 `json:"radius"`
}

type Box struct {
	Kind  string   `json:"kind" levada:"const=box"`
	Sides []int64  `json:"sides"`
	In    []Figure `json:"in,omitempty"`
}

func (Disc) isFigure() {}
func (Box) isFigure()  {}

var _ = levada.Union[Figure](Disc{}, Box{})

type Drawing struct {
	Name   string `json:"name"`
	Figure Figure `json:"figure"`
}

// A union goes through a pipeline, as a member and as the payload itself; what is none of
// its variants is a message that can not be read.
func TestUnionsRun(t *testing.T) {
	for _, c := range []struct {
		name, in, want string
		code           int
	}{
		{"variants", `{"name":"a","figure":{"radius":1,"kind":"disc"}}` + "\n" + `{"name":"b","figure":{"kind":"box","sides":[2],"in":[{"kind":"disc","radius":3}]}}` + "\n",
			`{"kind":"disc","radius":2}` + "\n" + `{"kind":"box","sides":[2,1],"in":[{"kind":"disc","radius":3}]}` + "\n", 0},
		{"no variant", `{"name":"a","figure":{"kind":"star"}}` + "\n", "", 65},
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
			config := write("deployment.yaml", fmt.Sprintf("streams:\n  in: {connector: file, path: %s}\n  out: {connector: file, path: %s}\n",
				write("in", c.in), filepath.Join(dir, "out")))
			p := levada.New("figures")
			p.Source("in", levada.Topic("in")).
				Parse("parse", levada.JSON[Drawing]()).
				Map("figure", func(m levada.Message[Drawing]) (Figure, error) { return m.Payload().Figure, nil }).
				Map("larger", func(m levada.Message[Figure]) (Figure, error) {
					switch f := m.Payload().(type) {
					case Disc:
						return Disc{Radius: 2 * f.Radius}, nil
					case Box:
						f.Sides = append(f.Sides, int64(len(f.In)))
						return f, nil
					}
					return nil, fmt.Errorf("got %T", m.Payload())
				}).
				Serialize("print", levada.JSON[Figure]()).
				Sink("out", levada.Topic("out"))
			if code := levada.Run(t.Context(), p, []string{"run", "--config", config, "--drain"}); code != c.code {
				t.Fatalf("exit code %d", code)
			}
			got, err := os.ReadFile(filepath.Join(dir, "out"))
			if text := string(got); strings.TrimSpace(text) != strings.TrimSpace(c.want) || err != nil && c.want != "" {
				t.Errorf("got %q, %v", got, err)
			}
		})
	}
}
