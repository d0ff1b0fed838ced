// Package diag is the form in which every front end tells its user about a mistake:
// what is wrong, where it stands in his source, and what helps. It owns wording
// that all of them share and knows neither plans nor YAML.
package diag

import (
	"fmt"
	"strings"
	"unicode/utf8"
)

// Diagnostic is one mistake.
type Diagnostic struct {
	// Code names the kind of mistake, for documentation and tests. A code that was
	// released keeps its meaning.
	Code    string
	Place   string // `step "parse" (metrics.yaml:4)`, "deployment.yaml:3:5: kafka.group"
	Message string // expectation, fact, cause
	Excerpt Excerpt
	Hint    string // without "hint:"; may be empty
}

// Excerpt points into a line of the source. The zero Excerpt shows nothing.
type Excerpt struct {
	Line   int    // from 1; 0: none
	Column int    // from 1, in characters
	Width  int    // characters to underline; at least one is
	Text   string // the line
}

// maxExcerpt is how many characters of a line are shown: flow style may put a whole
// pipeline into one.
const maxExcerpt = 100

// String is the diagnostic as a person reads it: one line, the excerpt, the hint.
func (d Diagnostic) String() string {
	var b strings.Builder
	if d.Place != "" {
		b.WriteString(d.Place + ": ")
	}
	b.WriteString(d.Message)
	if d.Code != "" {
		fmt.Fprintf(&b, " [%s]", d.Code)
	}
	if d.Excerpt.Line > 0 {
		b.WriteString("\n" + d.Excerpt.String())
	}
	if d.Hint != "" {
		b.WriteString("\nhint: " + d.Hint)
	}
	return b.String()
}

// String is the line with its number, and a caret under the place.
func (e Excerpt) String() string {
	line := []rune(printable(e.Text))
	at := min(max(e.Column-1, 0), len(line))
	before, after := "", ""
	if from := at - maxExcerpt/2; len(line) > maxExcerpt && from > 0 {
		line, at, before = line[from:], at-from, "..."
	}
	if len(line) > maxExcerpt {
		line, after = line[:maxExcerpt], "..."
	}
	number := fmt.Sprintf("%5d", e.Line)
	mark := "^" + strings.Repeat("~", max(0, min(e.Width-1, len(line)-at-1)))
	return fmt.Sprintf("%s | %s%s%s\n%s | %s%s", number, before, string(line), after,
		strings.Repeat(" ", len(number)), strings.Repeat(" ", len(before)+at), mark)
}

// printable keeps what a source file contains from steering the terminal, one
// character for one.
func printable(s string) string {
	return strings.Map(func(r rune) rune {
		switch {
		case r == '\t':
			return ' '
		case r < ' ', r == 0x7f, r >= 0x80 && r < 0xa0, r == utf8.RuneError:
			return '?'
		}
		return r
	}, s)
}

// List is all mistakes of one source. As an error it shows every one of them.
type List []Diagnostic

func (l List) Error() string {
	s := make([]string, len(l))
	for i, d := range l {
		s[i] = d.String()
	}
	return strings.Join(s, "\n")
}

// Err is l as an error; nil where it is empty.
func (l List) Err() error {
	if len(l) == 0 {
		return nil
	}
	return l
}

// DidYouMean is a hint that names the candidate nearest to word; empty where none is
// near enough to be a slip.
func DidYouMean(word string, candidates []string) string {
	best, found := len(word)/3+1, ""
	for _, c := range candidates {
		if d := distance(strings.ToLower(word), strings.ToLower(c)); d <= best && (found == "" || d < best) {
			best, found = d, c
		}
	}
	if found == "" {
		return ""
	}
	return fmt.Sprintf("did you mean %q?", found)
}

// distance counts single edits between two words; exchanging neighbours is one.
func distance(a, b string) int {
	// Nobody is off by a whole line: a bound on what hostile input costs.
	const longest = 64
	if len(a) > longest || len(b) > longest {
		return max(len(a), len(b))
	}
	var before []int
	last := make([]int, len(b)+1)
	for j := range last {
		last[j] = j
	}
	for i := range len(a) {
		row := make([]int, len(b)+1)
		row[0] = i + 1
		for j := range len(b) {
			cost := 1
			if a[i] == b[j] {
				cost = 0
			}
			row[j+1] = min(last[j]+cost, last[j+1]+1, row[j]+1)
			if i > 0 && j > 0 && a[i] == b[j-1] && a[i-1] == b[j] {
				row[j+1] = min(row[j+1], before[j-1]+1)
			}
		}
		before, last = last, row
	}
	return last[len(b)]
}
