package planner

import (
	"errors"
	"fmt"
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/levada-io/levada/codec"
	"github.com/levada-io/levada/internal/frame"
	"github.com/levada-io/levada/internal/program"
	"github.com/levada-io/levada/plan"
	"github.com/levada-io/levada/record"
)

// jumpy is a codec of JSON that panics at some messages, whoever uses it.
type jumpy struct{ codec.Bound }

func (jumpy) Bind(t reflect.Type) (codec.Bound, error) {
	b, err := frame.BindJSON(t, false)
	return jumpy{b}, err
}

func (j jumpy) Decode(src []byte, dst any) error {
	jump("read", src)
	return j.Bound.Decode(src, dst)
}

func (j jumpy) Append(buf []byte, v any) ([]byte, error) {
	out, err := j.Bound.Append(buf, v)
	jump("write", out[len(buf):])
	return out, err
}

func (jumpy) Wire(l *frame.Layout) (frame.Wire, error) { return jumpyWire{l.JSON(false)}, nil }

type jumpyWire struct{ frame.Wire }

func (w jumpyWire) Read(messages [][]byte, fail func(i int, err error)) (*frame.Column, error) {
	col, err := w.Wire.Read(messages, fail)
	for _, m := range messages {
		jump("read", m)
	}
	return col, err
}

func (w jumpyWire) Append(dst, value []byte) ([]byte, error) {
	out, err := w.Wire.Append(dst, value)
	jump("write", out[len(dst):])
	return out, err
}

func jump(verb string, text []byte) {
	if strings.Contains(string(text), "no "+verb) {
		panic("can not " + verb)
	}
}

// A codec that panics at a message fails that message, at a parse and at a serialize, with
// Go values and with frames: the others go on in their order.
func TestPanicsOfCodecs(t *testing.T) {
	for name, text := range map[string]string{
		"Go values":        typedBeside,
		"frames":           "source in\nparse p\nserialize s\nsink out",
		"typed frames":     "source in\nparse p T\nserialize s\nsink out",
		"a filter ahead":   "source in\nparse p T\nfilter f go:x.Named\nserialize s\nsink out",
		"Go and then JSON": "source in\nparse p T\nmap m go:x.Transform\nserialize s\nsink out",
	} {
		pl, err := planned(t, text, nil, anything, func(_ *plan.Plan, cat *Catalog) { cat.Codecs["json"] = jumpy{} })
		st := stageOf(t, pl, err)
		for _, messages := range []string{"a", "no read", "no write", "a,no read,b,{,no write,no write,no read,c", "{,no read", "no write,no read,a"} {
			var in, want, wrong []string
			for i, m := range strings.Split(messages, ",") {
				text := fmt.Sprintf(`{"name":%q,"type":"c","value":1}`, m)
				switch m {
				case "{":
					text = m
					wrong = append(wrong, fmt.Sprintf("%d p malformed", i))
				case "no read":
					wrong = append(wrong, fmt.Sprintf("%d p panic in the decoder: can not read", i))
				case "no write":
					wrong = append(wrong, fmt.Sprintf("%d s panic in the encoder: can not write", i))
				default:
					want = append(want, m)
				}
				in = append(in, text)
			}
			c := through(t, st, in...)
			var got, failed []string
			for _, b := range c.Col.(record.Bytes) {
				_, after, _ := strings.Cut(string(b), `"name":"`)
				before, _, _ := strings.Cut(after, `"`)
				got = append(got, before)
			}
			// Failures of one step stand in their order, those of the parse first.
			slices.SortStableFunc(wrong, func(a, b string) int { return strings.Compare(a[2:3], b[2:3]) })
			for _, f := range c.Failed {
				why := f.Err.Error()
				if strings.Contains(why, "malformed") {
					why = "malformed"
				}
				failed = append(failed, fmt.Sprintf("%d %s %s", f.Source.Offset, f.Step, why))
				if p, ok := errors.AsType[*program.PanicError](f.Err); ok != (why != "malformed") || ok && !strings.Contains(p.Detail(), "planner.jump(") {
					t.Errorf("%s: expected the stack of the panic, got %v", name, f.Err)
				}
			}
			if !slices.Equal(got, want) || !slices.Equal(failed, wrong) {
				t.Errorf("%s: %q:\n got %q, failed %q\nwant %q, failed %q", name, messages, got, failed, want, wrong)
			}
		}
	}
}

// What comes back from Python by a word is read like that, too.
func TestPanicOnTheWayBack(t *testing.T) {
	b, err := jumpy{}.Bind(reflect.TypeFor[string]())
	if err != nil {
		t.Fatal(err)
	}
	wire, err := jumpy{}.Wire(frame.Any())
	if err != nil {
		t.Fatal(err)
	}
	in := incoming{step: "m", kit: program.KitOf[string](), bound: b, wire: wire}
	for name, read := range map[string]func(record.Bytes, func(int, error)) (record.Column, error){"values": in.values, "frames": in.frames} {
		var failed []string
		col, err := read(record.Bytes{[]byte(`"a"`), []byte(`"no read"`), []byte(`{`), []byte(`"b"`)}, func(i int, err error) {
			text := err.Error()
			if strings.Contains(text, "$") {
				text = "another kind"
			}
			failed = append(failed, fmt.Sprintf("%d %s", i, text))
		})
		if want := []string{"1 returned value: panic in the decoder: can not read", "2 another kind"}; err != nil || col.Len() != 2 || !slices.Equal(failed, want) {
			t.Errorf("%s: %v, failed %q, want %q", name, err, failed, want)
		}
	}
}
