package plan

import (
	"strings"
	"unicode/utf8"
)

// The form of names. They become labels of metrics, headers of records and parts of
// group names, so they are narrower than any of these; wider is a change that breaks
// nobody, narrower is.
//
// The patterns say it for the schema and for the tests, functions decide it: counted
// repetitions are large to compile, and every command and program would do so at its start.
const (
	namePattern     = `^[A-Za-z0-9_][A-Za-z0-9_.-]{0,99}$`
	functionPattern = `^(go:[^:\s]+\.[^:\s]+|py:[^:\s]+:[^:\s]+|builtin:[a-z0-9_]+\.[a-z]+)$`
	branchPattern   = `^[^\x00-\x1f\x7f]{1,100}$`

	nameForm = "letters, digits, _ . and -, at most 100, not beginning with . or -"
)

// validName is namePattern.
func validName(s string) bool {
	for i := range len(s) {
		if c := s[i]; !letter(c) && !digit(c) && c != '_' && (i == 0 || c != '.' && c != '-') {
			return false
		}
	}
	return len(s) > 0 && len(s) <= 100
}

// validFunction is functionPattern.
func validFunction(s string) bool {
	language, name, _ := strings.Cut(s, ":")
	switch language {
	case "go":
		return word(name) && len(name) > 2 && strings.Contains(name[1:len(name)-1], ".")
	case "py":
		module, name, _ := strings.Cut(name, ":")
		return word(module) && word(name)
	case "builtin":
		codec, verb, _ := strings.Cut(name, ".")
		return codec != "" && strings.Trim(codec, "abcdefghijklmnopqrstuvwxyz0123456789_") == "" &&
			verb != "" && strings.Trim(verb, "abcdefghijklmnopqrstuvwxyz") == ""
	}
	return false
}

// validBranch is branchPattern: the name of a branch is often its key, and keys come from
// data.
func validBranch(s string) bool {
	for i := range len(s) {
		if s[i] < ' ' || s[i] == 0x7f {
			return false
		}
	}
	return s != "" && utf8.RuneCountInString(s) <= 100
}

// word says that s is something, without a colon or white space.
func word(s string) bool { return s != "" && !strings.ContainsAny(s, ": \t\n\f\r") }

func letter(c byte) bool { return c|0x20 >= 'a' && c|0x20 <= 'z' }

func digit(c byte) bool { return c >= '0' && c <= '9' }
