package gen

import "strings"

// borrowed is a class of a team's own Python that stands for a Go type.
type borrowed struct{ module, class string }

func (b borrowed) String() string { return b.module + ":" + b.class }

// borrowMark begins the line of a Go file that says which Python class stands for a type:
//
//	//levada:python IngestMetric schema_types.ingest_metrics_v1:IngestMetric
//
// It names the type, since that of a generated file has no line of its own to write it at.
const borrowMark = "//levada:python"

// borrow reads these lines: class in types.py -> module and class to import. Behind the
// reading of all types: a name that none has is a mistake.
func (s *scanner) borrow() map[string]borrowed {
	found := map[string]borrowed{}
	for _, file := range s.main.Syntax {
		for _, group := range file.Comments {
			for _, line := range group.List {
				rest, ok := strings.CutPrefix(line.Text, borrowMark)
				if !ok || rest != "" && rest[0] != ' ' && rest[0] != '\t' {
					continue
				}
				words := strings.Fields(rest)
				if len(words) != 2 {
					s.wrong(line.Pos(), borrowMark[2:], "expected a type and its class in Python, as in %s Metric package.module:Metric, got %q", borrowMark, strings.TrimSpace(rest))
					continue
				}
				name, from := words[0], words[1]
				module, class, _ := strings.Cut(from, ":")
				switch {
				case !isModule(module) || !isIdentifier(class):
					s.wrong(line.Pos(), borrowMark[2:], "%s: expected a class as module:Class, got %q", name, from)
				case s.classes[name] == "":
					s.wrong(line.Pos(), borrowMark[2:], "expected a type that steps take or give, %s is none", name)
				case found[name] != borrowed{} && found[name] != borrowed{module, class}:
					s.wrong(line.Pos(), borrowMark[2:], "%s: expected one class, got %s and %s", name, found[name], from)
				default:
					found[name] = borrowed{module, class}
				}
			}
		}
	}
	return found
}

func isModule(name string) bool {
	for part := range strings.SplitSeq(name, ".") {
		if !isIdentifier(part) {
			return false
		}
	}
	return true
}
