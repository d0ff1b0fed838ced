package plan

import (
	"strings"
	"unicode/utf8"
)

// The form of names. They become labels of metrics, headers of records and parts of
// group names, so they are narrower than any of these; wider is a change that breaks
// nobody, narrower is.
//
// The schema and the tests have them as patterns. Here functions decide: counted repetitions
// are large to compile, and every command and program would do so at its start.
const nameForm = "letters, digits, _ . and -, at most 100, not beginning with . or -"

// validName says that s has the nameForm.
func validName(s string) bool {
	for i := range len(s) {
		if c := s[i]; !letter(c) && !digit(c) && c != '_' && (i == 0 || c != '.' && c != '-') {
			return false
		}
	}
	return len(s) > 0 && len(s) <= 100
}

// validFunction says that s names a function: "go:<package>.<name>", "py:<module>:<name>"
// or "builtin:<codec>.<verb>".
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

// validBranch says that s is up to 100 characters without control characters: the name of
// a branch is often its key, and keys come from data.
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
