//go:build cgo

package bridge

import (
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/levada-io/levada/internal/program"
	"github.com/levada-io/levada/record"
)

// What panics on the way into Python has no bytes, like what can not be written, and the
// elements around it keep theirs.
func TestPanicOfACarriage(t *testing.T) {
	o := &run{in: &program.Carriage{Bytes: func(record.Column) (func(buf []byte, i int) ([]byte, bool, error), error) {
		return func(buf []byte, i int) ([]byte, bool, error) {
			buf = fmt.Appendf(buf, "value %d", i)
			switch i {
			case 0, 3:
				panic("no bytes")
			case 4:
				return buf, true, errors.New("no value")
			}
			return buf, i != 2, nil
		}, nil
	}}}
	const n = 6
	payload, err := o.carried(make(record.Bytes, n))
	if err != nil {
		t.Fatal(err)
	}
	b, err := payload(nil)
	if err != nil {
		t.Fatal(err)
	}
	values, from := b[4+4*(n+1):], uint32(0)
	for i, want := range []string{"", "\x01\x07\x00\x00\x00value 1", "\x00", "", "", "\x01\x07\x00\x00\x00value 5"} {
		to := le.Uint32(b[4+4*(i+1):])
		if got := string(values[from:to]); got != want {
			t.Errorf("element %d: got %q, want %q", i, got, want)
		}
		from = to
	}
	if int(from) != len(values) {
		t.Errorf("%d bytes of %d are those of an element", from, len(values))
	}
	for i, want := range map[int]string{0: "panic in the encoder: no bytes", 3: "panic in the encoder: no bytes", 4: "no value"} {
		if err := o.Element(i); err == nil || err.Error() != want {
			t.Errorf("element %d: got %v, want %q", i, err, want)
		}
	}
	var p *program.PanicError
	if len(o.bad) != 3 || !errors.As(o.Element(3), &p) || !strings.Contains(p.Detail(), "TestPanicOfACarriage") {
		t.Errorf("got %v", o.bad)
	}
}
