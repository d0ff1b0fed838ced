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
	text string
}

// Error implements error: "$.tags[2]: expected int8, got 300".
func (e *Error) Error() string { return e.Path() + ": " + e.text }

// Path is where the value stands: "$" is the whole value.
func (e *Error) Path() string {
	var b strings.Builder
	b.WriteByte('$')
	for i := len(e.path) - 1; i >= 0; i-- {
		b.WriteString(e.path[i])
	}
	return b.String()
}

func errorf(format string, args ...any) *Error {
	return &Error{text: fmt.Sprintf(format, args...)}
}

// inMember says that err happened in a member or map entry of that name.
func inMember(err error, name string) error {
	if e, ok := errors.AsType[*Error](err); ok && len(e.path) < maxPath {
		e.path = append(e.path, segment(name))
	}
	return err
}

// inElement says that err happened in an element of a list.
func inElement(err error, i int) error {
	if e, ok := errors.AsType[*Error](err); ok && len(e.path) < maxPath {
		e.path = append(e.path, "["+strconv.Itoa(i)+"]")
	}
	return err
}

// inElements says that err happened in whatever element of a list or map.
func inElements(err error) error {
	if e, ok := errors.AsType[*Error](err); ok && len(e.path) < maxPath {
		e.path = append(e.path, "[]")
	}
	return err
}

// maxPath bounds the message about a value that is nested too deep. The outermost
// segments are the ones that fall away.
const maxPath = 64

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
