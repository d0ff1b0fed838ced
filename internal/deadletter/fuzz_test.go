package deadletter

import (
	"errors"
	"reflect"
	"strings"
	"testing"

	"github.com/levada-io/levada/record"
)

// pack and unpack carry headers through the fuzzer as one text: a line each, "name: value",
// a backslash in front of what would end a line.
func unpack(s string) []record.Header {
	var hs []record.Header
	for s != "" {
		var l string
		l, s = next(s)
		key, value, _ := strings.Cut(l, ": ")
		hs = append(hs, record.Header{Key: key, Value: []byte(value)})
	}
	return hs
}

func next(s string) (line, rest string) {
	var b strings.Builder
	for i := 0; i < len(s); i++ {
		switch {
		case s[i] == '\\' && i+1 < len(s):
			i++
			b.WriteByte(s[i])
		case s[i] == '\n':
			return b.String(), s[i+1:]
		default:
			b.WriteByte(s[i])
		}
	}
	return b.String(), ""
}

func pack(hs []record.Header) string {
	var b strings.Builder
	for _, h := range hs {
		b.WriteString(strings.NewReplacer("\\", "\\\\", "\n", "\\\n").Replace(h.Key+": "+string(h.Value)) + "\n")
	}
	return b.String()
}

// FuzzParse reads hostile headers. Nothing may panic; what is read keeps its meaning when
// it is written again.
func FuzzParse(f *testing.F) {
	l := example()
	f.Add([]byte("k"), []byte("v"), pack(l.Record().Headers))
	l.Traceback = "Traceback (most recent call last):\n  File \"p.py\", line 4\nValueError: x\n"
	l.Ranges = []Range{{"orders", 3, 9100, 9120}, {"a file.jsonl", 0, 1, 1}}
	f.Add([]byte{}, []byte{0xff}, pack(l.Record().Headers))
	f.Fuzz(func(t *testing.T, key, value []byte, text string) {
		r := record.Record{Key: key, Value: value, Headers: unpack(text)}
		got, err := Parse(r)
		if err != nil {
			if foreign := errors.Is(err, ErrForeign); !foreign && !strings.HasPrefix(err.Error(), "header levada-") {
				t.Fatalf("the error names no header: %v", err)
			}
			return
		}
		once, err := Parse(got.Record())
		if err != nil {
			t.Fatalf("what was read can not be written: %v", err)
		}
		twice, err := Parse(once.Record())
		if err != nil || !reflect.DeepEqual(once, twice) {
			t.Fatalf("expected\n%#v\ngot\n%#v, %v", once, twice, err)
		}
		if once.At() != got.At() || !reflect.DeepEqual(once.Ranges, got.Ranges) || once.Attempt != got.Attempt {
			t.Fatalf("expected\n%#v\ngot\n%#v", got, once)
		}
		replay := got.Replay()
		if p, ok := Replayed(&replay); !ok || p != got.At() {
			t.Fatalf("expected %v, got %v, %v", got.At(), p, ok)
		}
	})
}
