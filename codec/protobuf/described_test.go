package protobuf

import (
	"bytes"
	"cmp"
	"errors"
	"os"
	"reflect"
	"strings"
	"testing"
	"unicode/utf8"

	"google.golang.org/protobuf/encoding/protowire"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/types/dynamicpb"
	"pgregory.net/rapid"

	"github.com/levada-io/levada/codec/protobuf/testdata/kindspb"
	"github.com/levada-io/levada/internal/frame"
	plans "github.com/levada-io/levada/plan"
)

func schemaOf(t testing.TB, file, message string) *Described {
	t.Helper()
	c, err := Of(schemaText(t, file), nil, message)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// ways are the codec for values of no known type, and of the type that the schema says.
type ways struct {
	*Described
	any, typed frame.Wire
}

func waysOf(t testing.TB, c *Described) *ways {
	t.Helper()
	typ, types, err := c.Type(plans.Type{Kind: plans.TAny}, nil)
	if err != nil {
		t.Fatal(err)
	}
	l, err := frame.Compile(typ, types)
	if err != nil {
		t.Fatal(err)
	}
	w := &ways{Described: c}
	if w.any, err = c.Wire(frame.Any()); err != nil {
		t.Fatal(err)
	}
	if w.typed, err = c.Wire(l); err != nil {
		t.Fatal(err)
	}
	return w
}

// frameOf is the frame of a message.
func frameOf(w frame.Wire, message []byte) ([]byte, error) {
	var bad error
	col, err := w.Read([][]byte{message}, func(_ int, err error) { bad = err })
	if err != nil || bad != nil {
		return nil, cmp.Or(err, bad)
	}
	return col.Value(0), nil
}

// tidy drops what a value has not: fields that nobody knows, and bytes in texts of proto2 that
// are no UTF-8.
func tidy(m protoreflect.Message) {
	m.SetUnknown(nil)
	text := func(v protoreflect.Value) protoreflect.Value {
		if s, ok := v.Interface().(string); ok && !utf8.ValidString(s) {
			return protoreflect.ValueOfString(string([]rune(s)))
		}
		return v
	}
	m.Range(func(fd protoreflect.FieldDescriptor, v protoreflect.Value) bool {
		switch {
		case fd.IsMap():
			type entry struct {
				k protoreflect.MapKey
				v protoreflect.Value
			}
			var all []entry
			v.Map().Range(func(k protoreflect.MapKey, e protoreflect.Value) bool {
				if fd.MapValue().Message() != nil {
					tidy(e.Message())
				}
				all = append(all, entry{k, e})
				return true
			})
			for _, e := range all {
				v.Map().Clear(e.k)
				v.Map().Set(text(e.k.Value()).MapKey(), text(e.v))
			}
		case fd.IsList():
			for i := range v.List().Len() {
				if fd.Message() != nil {
					tidy(v.List().Get(i).Message())
				} else {
					v.List().Set(i, text(v.List().Get(i)))
				}
			}
		case fd.Message() != nil:
			tidy(v.Message())
		default:
			m.Set(fd, text(v))
		}
		return true
	})
}

var errPanic = errors.New("it panics")

// library reads a message. Of an entry of a map that has its key, and again of another wire
// type, it panics.
func library(message []byte, m proto.Message) (err error) {
	defer func() {
		if recover() != nil {
			err = errPanic
		}
	}()
	return unmarshal.Unmarshal(message, m)
}

// agree reads a message by the codec and by the library.
func (w *ways) agree(t interface{ Fatalf(string, ...any) }, message []byte) {
	want := dynamicpb.NewMessage(w.desc)
	wrong := library(message, want)
	var first []byte
	for name, way := range map[string]frame.Wire{"any": w.any, "typed": w.typed} {
		v, err := frameOf(way, bytes.Clone(message))
		if wrong == errPanic {
			continue
		}
		if (err == nil) != (wrong == nil) {
			t.Fatalf("%s: %x: got %v, the library %v", name, message, err, wrong)
		}
		if err != nil {
			if !strings.HasPrefix(err.Error(), "$") {
				t.Fatalf("%s: %x: an error without a path: %v", name, message, err)
			}
			continue
		}
		out, err := way.Append([]byte("before"), v)
		if err != nil {
			t.Fatalf("%s: %x: %v", name, message, err)
		}
		out = out[len("before"):]
		got := dynamicpb.NewMessage(w.desc)
		if err := unmarshal.Unmarshal(out, got); err != nil {
			t.Fatalf("%s: %x: wrote %x: %v", name, message, out, err)
		}
		tidy(want)
		if !proto.Equal(got, want) {
			t.Fatalf("%s: %x:\n got %v\nwant %v", name, message, got, want)
		}
		if first != nil && !bytes.Equal(first, out) {
			t.Fatalf("%x: %s wrote %x, the other way %x", message, name, out, first)
		}
		first = out
	}
}

// TestDescribedAsTheLibrary holds messages of a schema against the library: the same values of
// the same bytes, also of torn ones, and the bytes that generated structs have.
func TestDescribedAsTheLibrary(t *testing.T) {
	kinds, odd := waysOf(t, schemaOf(t, "kindspb/kinds.proto", "Kinds")), waysOf(t, schemaOf(t, "odd.proto", ""))
	rapid.Check(t, func(t *rapid.T) {
		m := &kindspb.Kinds{}
		draw(t, m.ProtoReflect())
		message, err := marshal.Marshal(m)
		if err != nil {
			t.Fatal(err)
		}
		for name, way := range map[string]frame.Wire{"any": kinds.any, "typed": kinds.typed} {
			v, err := frameOf(way, message)
			if err != nil {
				t.Fatalf("%s: %x: %v", name, message, err)
			}
			if out, err := way.Append(nil, v); err != nil || !bytes.Equal(out, message) {
				t.Fatalf("%s: got %x, %v\nwant %x", name, out, err, message)
			}
		}
		more := &kindspb.Kinds{}
		draw(t, more.ProtoReflect())
		behind, err := marshal.Marshal(more)
		if err != nil {
			t.Fatal(err)
		}
		mixed(t, kinds, message, behind)
		a, b := dynamicpb.NewMessage(odd.desc), dynamicpb.NewMessage(odd.desc)
		grow(t, a, 3)
		grow(t, b, 3)
		loose := proto.MarshalOptions{AllowPartial: true, Deterministic: true}
		message, err = loose.Marshal(a)
		if err != nil {
			t.Fatal(err)
		}
		if behind, err = loose.Marshal(b); err != nil {
			t.Fatal(err)
		}
		mixed(t, odd, message, behind)
	})
}

// mixed agrees on a message, on two in one, and on what is left of one.
func mixed(t *rapid.T, w *ways, message, behind []byte) {
	w.agree(t, message)
	w.agree(t, append(bytes.Clone(message), behind...))
	cut := bytes.Clone(message[:rapid.IntRange(0, len(message)).Draw(t, "cut")])
	w.agree(t, cut)
	if len(cut) > 0 {
		cut[rapid.IntRange(0, len(cut)-1).Draw(t, "at")] = rapid.Byte().Draw(t, "byte")
		w.agree(t, append(cut, message[len(cut):]...))
	}
}

// grow fills a message that can contain itself.
func grow(t *rapid.T, m protoreflect.Message, depth int) {
	fields := m.Descriptor().Fields()
	for i := range fields.Len() {
		fd := fields.Get(i)
		of := fd.Message()
		if fd.IsMap() {
			of = fd.MapValue().Message()
		}
		if fd.Cardinality() != protoreflect.Required && rapid.IntRange(0, 2).Draw(t, "there") > 0 || of != nil && depth == 0 {
			continue
		}
		switch {
		case fd.IsMap():
			to := m.Mutable(fd).Map()
			key := drawer{t, false}.key(fd.MapKey())
			if of == nil {
				to.Set(key, drawer{t, false}.scalar(fd.MapValue()))
			} else {
				grow(t, to.Mutable(key).Message(), depth-1)
			}
		case fd.IsList():
			to := m.Mutable(fd).List()
			for range rapid.IntRange(0, 2).Draw(t, "elements") {
				if of == nil {
					to.Append(drawer{t, false}.scalar(fd))
				} else {
					grow(t, to.AppendMutable().Message(), depth-1)
				}
			}
		case of != nil:
			grow(t, m.Mutable(fd).Message(), depth-1)
		default:
			m.Set(fd, drawer{t, false}.scalar(fd))
		}
	}
}

// TestDescribedOdd: what nobody writes is what the library makes of it.
func TestDescribedOdd(t *testing.T) {
	kinds, odd := waysOf(t, schemaOf(t, "kindspb/kinds.proto", "Kinds")), waysOf(t, schemaOf(t, "odd.proto", ""))
	for name, message := range oddities {
		t.Run(name, func(t *testing.T) { kinds.agree(t, []byte(message)) })
	}
	const id = "\x08\x01"
	for name, message := range map[string]string{
		"a required field":                     id,
		"none":                                 "",
		"none in a message":                    id + "\x22\x00",
		"none in a list":                       id + "\x2a\x00",
		"none in a map":                        id + "\x32\x00",
		"none in a group":                      id + "\x3b\x3c",
		"a group":                              id + "\x3b\x0a\x01x\x3c",
		"a group in parts":                     id + "\x3b\x0a\x01x\x3c\x3b\x12\x02\x08\x02\x3c",
		"groups":                               id + "\x43\x0a\x01x\x44\x43\x44",
		"a group that does not end":            id + "\x43\x0a\x01x",
		"another group's end":                  id + "\x43\x0a\x01x\x3c",
		"text that is no UTF-8":                id + "\x62\x01\xff\x43\x0a\x01\xff\x44",
		"a oneof":                              id + "\x62\x01a",
		"a torn message, another":              id + "\x4a\x02\x08\x80\x50\x01",
		"a part, a torn one, another":          id + "\x4a\x02\x08\x01\x4a\x02\x08\x80\x50\x01",
		"a message without its field, another": id + "\x4a\x00\x50\x01",
		"a field beyond all, another":          id + "\x4a\x06\xd0\xd3\xd0\xb40\x30\x50\x01",
		"a oneof twice":                        id + "\x62\x01a\x62\x01b",
		"another member":                       id + "\x62\x01a\x50\x01",
		"a message, another, a message":        id + "\x4a\x04\x08\x01\x10\x02\x50\x01\x4a\x02\x08\x03",
		"a message in parts":                   id + "\x4a\x02\x10\x02\x4a\x02\x08\x03",
		"a message in parts, in a map":         id + "\x32\x0b\x0a\x01k\x12\x02\x10\x02\x12\x02\x08\x03",
		"parts within parts":                   id + "\x22\x04\x22\x02\x10\x01\x22\x06\x08\x01\x22\x02\x08\x01",
		"an enum that has no name":             id + "\x50\x63\x6a\x02\x01\x63\x72\x03\x0a\x00\x12",
		"a value without one, in a map":        id + "\x72\x04\x0a\x00\x10\x63",
		"an extension":                         id + "\xa0\x06\x01",
		"zeros that are there":                 "\x08\x00\x10\x00\x62\x00",
	} {
		t.Run("odd/"+name, func(t *testing.T) { odd.agree(t, []byte(message)) })
	}
}

// TestDescribedDepth: nesting ends, and what is made to take long does not.
func TestDescribedDepth(t *testing.T) {
	odd := waysOf(t, schemaOf(t, "odd.proto", ""))
	nested := func(levels int, by func([]byte) []byte) []byte {
		b := []byte{8, 1}
		for range levels {
			b = append(by(b), 8, 1)
		}
		return b
	}
	inner := func(b []byte) []byte { return protowire.AppendBytes([]byte{0x22}, b) }
	group := func(b []byte) []byte {
		return append(protowire.AppendBytes([]byte{0x3b, 0x0a, 0, 0x12}, b), 0x3c)
	}
	parts := func(b []byte) []byte { return append(protowire.AppendBytes([]byte{0x22}, b), 0x22, 0) }
	for _, c := range []struct {
		name   string
		levels int
		by     func([]byte) []byte
		want   string
	}{
		{"messages", 4000, inner, ""},
		{"too many messages", 10_000, inner, "more than 10000 levels of nesting"},
		{"groups", 90, group, ""},
		{"too many groups", 110, group, "more than 100 groups in each other"},
		{"parts", 4000, parts, ""},
	} {
		_, err := frameOf(odd.any, nested(c.levels, c.by))
		switch {
		case c.want == "" && err != nil:
			t.Errorf("%s: %v", c.name, err)
		case c.want != "" && (err == nil || !strings.Contains(err.Error(), c.want)):
			t.Errorf("%s: got %v, want %s", c.name, err, c.want)
		}
	}
	// Each of these is two bytes, and some forty members.
	c, err := Of(`syntax = "proto3"; import "kinds.proto"; message Many { repeated levada.test.Kinds all = 1; }`, map[string]string{"kinds.proto": schemaText(t, "kindspb/kinds.proto")}, "")
	if err != nil {
		t.Fatal(err)
	}
	const want = "expected at most 67108864 bytes of members that it does not have"
	if _, err := frameOf(waysOf(t, c).any, bytes.Repeat([]byte{0x0a, 0}, 400_000)); err == nil || !strings.Contains(err.Error(), want) {
		t.Errorf("got %v, want %s", err, want)
	}
}

func schemaText(t testing.TB, file string) string {
	t.Helper()
	b, err := os.ReadFile("testdata/" + file)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

func FuzzDescribed(f *testing.F) {
	kinds, odd := waysOf(f, schemaOf(f, "kindspb/kinds.proto", "Kinds")), waysOf(f, schemaOf(f, "odd.proto", ""))
	for _, message := range oddities {
		f.Add(false, []byte(message))
		f.Add(true, []byte("\x08\x01"+message))
	}
	f.Fuzz(func(t *testing.T, which bool, message []byte) {
		if which {
			odd.agree(t, message)
			return
		}
		kinds.agree(t, message)
	})
}

// One message of the schema may be two types without names, which differ in what they leave
// out only.
func TestTypesWithoutNamesThatDifferInWhatTheyLeaveOut(t *testing.T) {
	type pair struct {
		A struct {
			S string `json:"s,omitempty"`
		} `json:"a"`
		B struct {
			S string `json:"s"`
		} `json:"b"`
	}
	c, err := Of(`syntax = "proto3"; message M { message X { string s = 1; } X a = 1; X b = 2; }`, nil, "M")
	if err != nil {
		t.Fatal(err)
	}
	typ, types, err := frame.TypeOf(reflect.TypeFor[pair]())
	if err != nil {
		t.Fatal(err)
	}
	l, err := frame.Compile(typ, types)
	if err != nil {
		t.Fatal(err)
	}
	w, err := c.Wire(l)
	if err != nil {
		t.Fatal(err)
	}
	value, err := frameOf(w, []byte{0x0a, 0, 0x12, 0})
	if err != nil {
		t.Fatal(err)
	}
	if got, err := l.AppendJSON(nil, value); err != nil || string(got) != `{"a":{},"b":{"s":""}}` {
		t.Errorf("got %s, %v", got, err)
	}
}
