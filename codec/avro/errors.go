package avro

import "fmt"

// failure is a mistake in a value; its path grows on the way out.
type failure struct {
	path string
	text string
}

func (f *failure) Error() string { return "$" + f.path + ": " + f.text }

func failed(format string, args ...any) error { return &failure{text: fmt.Sprintf(format, args...)} }

// in puts a step before the path; of a very long one the end is kept.
func in(err error, step string) error {
	if f, ok := err.(*failure); ok && len(f.path) < 300 {
		if f.path = step + f.path; len(f.path) >= 300 {
			f.path = "..." + f.path
		}
	}
	return err
}
