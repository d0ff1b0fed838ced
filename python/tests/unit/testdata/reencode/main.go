// Command reencode reads a plan or manifest and writes it again, so that tests of
// Python can hold what they write against what Go writes.
package main

import (
	"encoding/json/jsontext"
	"encoding/json/v2"
	"errors"
	"fmt"
	"io"
	"os"

	"github.com/levada-io/levada/plan"
)

func main() {
	if err := run(os.Args[1:]); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

// run answers every JSON string of standard input, a document of that kind, with one
// of standard output.
func run(args []string) error {
	if len(args) != 1 {
		return errors.New("expected plan, manifest or value")
	}
	in, out := jsontext.NewDecoder(os.Stdin), jsontext.NewEncoder(os.Stdout)
	for {
		var doc string
		if err := json.UnmarshalDecode(in, &doc); errors.Is(err, io.EOF) {
			return nil
		} else if err != nil {
			return err
		}
		again, err := reencode(args[0], []byte(doc))
		if err != nil {
			return fmt.Errorf("%w\n%s", err, doc)
		}
		if err := json.MarshalEncode(out, string(again)); err != nil {
			return err
		}
	}
}

func reencode(kind string, doc []byte) ([]byte, error) {
	switch kind {
	case "plan":
		p, err := plan.Decode(doc)
		if err != nil {
			return nil, err
		}
		for _, problem := range plan.Validate(p) {
			err = errors.Join(err, problem)
		}
		if err != nil {
			return nil, err
		}
		return p.Encode()
	case "manifest":
		var m plan.Manifest
		if err := json.Unmarshal(doc, &m, json.RejectUnknownMembers(true)); err != nil {
			return nil, err
		}
		b, err := json.Marshal(&m, json.Deterministic(true), jsontext.WithIndent("  "))
		return append(b, '\n'), err
	default:
		var v any
		if err := json.Unmarshal(doc, &v); err != nil {
			return nil, err
		}
		return json.Marshal(v, json.Deterministic(true))
	}
}
