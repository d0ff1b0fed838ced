package diag

import (
	"strings"
	"testing"
)

func TestDiagnosticRendersPlaceExcerptAndHint(t *testing.T) {
	for _, c := range []struct {
		name string
		d    Diagnostic
		want string
	}{
		{"message only", Diagnostic{Message: "expected one source, got none"}, "expected one source, got none"},
		{
			"all parts",
			Diagnostic{
				Code: "unknown-key", Place: "p.yaml:2:5", Message: `unknown key "fitler"`,
				Excerpt: Excerpt{Line: 2, Column: 5, Width: 6, Text: "- x: {fitler: f}"}, Hint: `did you mean "filter"?`,
			},
			"p.yaml:2:5: unknown key \"fitler\" [unknown-key]\n    2 | - x: {fitler: f}\n      |     ^~~~~~\nhint: did you mean \"filter\"?",
		},
		{
			"tab and escape sequence do not reach the terminal",
			Diagnostic{Message: "m", Excerpt: Excerpt{Line: 1, Column: 2, Text: "\ta\x1b[31m"}},
			"m\n    1 |  a?[31m\n      |  ^",
		},
		{
			"caret behind the end of the line",
			Diagnostic{Message: "m", Excerpt: Excerpt{Line: 1, Column: 9, Width: 3, Text: "a:"}},
			"m\n    1 | a:\n      |   ^",
		},
	} {
		t.Run(c.name, func(t *testing.T) {
			if got := c.d.String(); got != c.want {
				t.Errorf("got\n%s\nwant\n%s", got, c.want)
			}
		})
	}
}

func TestExcerptCutsLongLinesAroundTheCaret(t *testing.T) {
	line := strings.Repeat("a", 500) + "X" + strings.Repeat("b", 500)
	lines := strings.Split(Excerpt{Line: 3, Column: 501, Width: 1, Text: line}.String(), "\n")
	if len(lines[0]) > maxExcerpt+20 {
		t.Errorf("line of %d characters", len(lines[0]))
	}
	if i := strings.IndexByte(lines[1], '^'); i < 0 || lines[0][i] != 'X' {
		t.Errorf("the caret does not point at the place:\n%s\n%s", lines[0], lines[1])
	}
}

func TestDidYouMean(t *testing.T) {
	keys := []string{"source", "filter", "flat_map", "map", "sink", "session_timeout"}
	for word, want := range map[string]string{
		"fitler":                       `did you mean "filter"?`,
		"flatmap":                      `did you mean "flat_map"?`,
		"Map":                          `did you mean "map"?`,
		"session.timeout":              `did you mean "session_timeout"?`,
		"window":                       "",
		"":                             "",
		strings.Repeat("source", 1000): "",
	} {
		if got := DidYouMean(word, keys); got != want {
			t.Errorf("%.20q: got %q, want %q", word, got, want)
		}
	}
}
