package frame

import (
	"errors"
	"fmt"
	"strconv"
	"strings"
)

// Error is a value that does not fit, with the path to it.
type Error struct {
	path []string // innermost first
	cut  bool     // segments are missing in front of the last one
	text string

	above  bool // it is of the struct: the member it was met in is no part of the path
	detail string
}

// Error implements error: "$.tags[2]: expected int8, got 300".
func (e *Error) Error() string { return e.Path() + ": " + e.text }

// Detail is the stack of a panic in a method of a user's type; otherwise nothing.
func (e *Error) Detail() string { return e.detail }

// Path is where the value stands: "$" is the whole value.
func (e *Error) Path() string {
	var b strings.Builder
	b.WriteByte('$')
	path := e.path
	if e.cut {
		// Where it begins and where it ends tells more than what is between.
		b.WriteString(path[maxPath-1] + "[...]")
		path = path[:maxCut]
	}
	for i := len(path) - 1; i >= 0; i-- {
		b.WriteString(path[i])
	}
	return b.String()
}

// in puts a segment in front of the path of err.
func in(err error, segment func() string) error {
	e, ok := errors.AsType[*Error](err)
	switch {
	case !ok:
	case e.above:
		e.above = false
	case len(e.path) < maxPath:
		e.path = append(e.path, segment())
	default:
		e.path[maxPath-1], e.cut = segment(), true
	}
	return err
}

func errorf(format string, args ...any) *Error {
	return &Error{text: fmt.Sprintf(format, args...)}
}

// inMember says that err happened in a member or map entry of that name.
func inMember(err error, name string) error {
	return in(err, func() string { return segment(name) })
}

// inElement says that err happened in an element of a list.
func inElement(err error, i int) error {
	return in(err, func() string { return "[" + strconv.Itoa(i) + "]" })
}

// inElements says that err happened in whatever element of a list or map.
func inElements(err error) error {
	return in(err, func() string { return "[]" })
}

// A path of more than maxPath segments shows its first one and the last maxCut.
const (
	maxPath = 64
	maxCut  = 8
)

func segment(name string) string {
	for i, c := range name {
		if c == '_' || 'a' <= c && c <= 'z' || 'A' <= c && c <= 'Z' || i > 0 && '0' <= c && c <= '9' {
			continue
		}
		return "[" + strconv.Quote(name) + "]"
	}
	if name == "" {
		return `[""]`
	}
	return "." + name
}

// maxDepth is how deep lists, maps and structs may be nested, the root counted; the
// same limit as encoding/json/v2 has.
const maxDepth = 10_000

func errDepth() error { return errorf("nested deeper than %d", maxDepth) }
