package protobuf

import (
	"bytes"
	"fmt"
	"math"
	"reflect"
	"strconv"
	"strings"
	"testing"
	"unsafe"

	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"
	"pgregory.net/rapid"

	"github.com/levada-io/levada/codec/protobuf/testdata/kindspb"
	"github.com/levada-io/levada/plan/testdata/visitpb"
)

func planFor(m proto.Message) *plan {
	return planOf(m.ProtoReflect().Descriptor(), reflect.TypeOf(m).Elem(), map[reflect.Type]*plan{})
}

// TestPlans says which types are read and written in memory.
func TestPlans(t *testing.T) {
	for _, m := range []proto.Message{&kindspb.Kinds{}, &kindspb.Inner{}, &visitpb.Visit{}, &visitpb.Hit{}, &visitpb.Either{}} {
		if planFor(m) == nil {
			t.Errorf("%T: left to the library", m)
		}
	}
	for _, m := range []proto.Message{&kindspb.Rare{}, &visitpb.Bill{}} {
		if planFor(m) != nil {
			t.Errorf("%T: not left to the library", m)
		}
	}
}

// draw fills a message with values of every kind.
func draw(t *rapid.T, m protoreflect.Message) { drawer{t, false}.message(m, 100) }

type drawer struct {
	t      *rapid.T
	finite bool // numbers that JSON has
}

// message fills in what is at most depth messages deep.
func (d drawer) message(m protoreflect.Message, depth int) {
	fields := m.Descriptor().Fields()
	for i := range fields.Len() {
		fd := fields.Get(i)
		switch {
		case depth == 0 && (fd.Message() != nil && !fd.IsMap() || fd.IsMap() && fd.MapValue().Message() != nil):
		case !rapid.Bool().Draw(d.t, "there"):
		case fd.IsMap():
			to := m.Mutable(fd).Map()
			for range rapid.IntRange(0, 10).Draw(d.t, "entries") {
				key := d.key(fd.MapKey())
				if fd.MapValue().Message() == nil {
					to.Set(key, d.scalar(fd.MapValue()))
				} else {
					d.message(to.Mutable(key).Message(), depth-1)
				}
			}
		case fd.IsList():
			to := m.Mutable(fd).List()
			for range rapid.IntRange(0, 3).Draw(d.t, "elements") {
				if fd.Message() == nil {
					to.Append(d.scalar(fd))
				} else {
					d.message(to.AppendMutable().Message(), depth-1)
				}
			}
		case fd.Message() != nil:
			d.message(m.Mutable(fd).Message(), depth-1)
		default:
			m.Set(fd, d.scalar(fd))
		}
	}
}

func (d drawer) key(fd protoreflect.FieldDescriptor) protoreflect.MapKey {
	if fd.Kind() == protoreflect.StringKind {
		return protoreflect.ValueOfString(rapid.StringN(0, 4, -1).Draw(d.t, "key")).MapKey()
	}
	return d.scalar(fd).MapKey()
}

func (d drawer) scalar(fd protoreflect.FieldDescriptor) protoreflect.Value {
	t := d.t
	switch fd.Kind() {
	case protoreflect.BoolKind:
		return protoreflect.ValueOfBool(rapid.Bool().Draw(t, "bool"))
	case protoreflect.EnumKind:
		return protoreflect.ValueOfEnum(protoreflect.EnumNumber(rapid.Int32().Draw(t, "enum")))
	case protoreflect.Int32Kind, protoreflect.Sint32Kind, protoreflect.Sfixed32Kind:
		return protoreflect.ValueOfInt32(rapid.Int32().Draw(t, "int32"))
	case protoreflect.Uint32Kind, protoreflect.Fixed32Kind:
		return protoreflect.ValueOfUint32(rapid.Uint32().Draw(t, "uint32"))
	case protoreflect.Int64Kind, protoreflect.Sint64Kind, protoreflect.Sfixed64Kind:
		return protoreflect.ValueOfInt64(rapid.Int64().Draw(t, "int64"))
	case protoreflect.Uint64Kind, protoreflect.Fixed64Kind:
		return protoreflect.ValueOfUint64(rapid.Uint64().Draw(t, "uint64"))
	case protoreflect.FloatKind:
		if d.finite {
			return protoreflect.ValueOfFloat32(rapid.Float32Range(-1e30, 1e30).Draw(t, "float"))
		}
		return protoreflect.ValueOfFloat32(rapid.SampledFrom([]float32{0, float32(math.Copysign(0, -1)), 1.5, float32(math.NaN()), float32(math.Inf(1))}).Draw(t, "float"))
	case protoreflect.DoubleKind:
		if d.finite {
			return protoreflect.ValueOfFloat64(rapid.Float64Range(-1e300, 1e300).Draw(t, "double"))
		}
		return protoreflect.ValueOfFloat64(rapid.SampledFrom([]float64{0, math.Copysign(0, -1), 1e300, math.NaN(), math.Inf(-1)}).Draw(t, "double"))
	case protoreflect.BytesKind:
		return protoreflect.ValueOfBytes(rapid.SliceOfN(rapid.Byte(), 0, 200).Draw(t, "bytes"))
	}
	return protoreflect.ValueOfString(rapid.SampledFrom([]string{"", "a", "é", string(make([]byte, 130))}).Draw(t, "text"))
}

// same reads a message by the codec and by the library.
func same[T any](t interface{ Fatalf(string, ...any) }, message []byte) {
	b, err := New().Bind(reflect.TypeFor[T]())
	if err != nil {
		t.Fatalf("%v", err)
	}
	var got, want T
	theirs, _ := any(&want).(proto.Message)
	mine, _ := any(&got).(proto.Message)
	src := bytes.Clone(message)
	wrong, err := unmarshal.Unmarshal(message, theirs), b.Decode(src, &got)
	if (wrong == nil) != (err == nil) {
		t.Fatalf("%x: got %v, the library %v", message, err, wrong)
	}
	clear(src) // nothing of it is kept
	if err == nil && !proto.Equal(mine, theirs) {
		t.Fatalf("%x:\n got %v\nwant %v", message, mine, theirs)
	}
	if err != nil {
		return
	}
	out, err := b.Append([]byte("before"), &got)
	again, wrong := marshal.Marshal(theirs)
	if wrong != nil || err != nil || string(out) != "before"+string(again) {
		t.Fatalf("got %q, %v\nwant before and %q, %v", out, err, again, wrong)
	}
}

// TestSameAsTheLibrary holds what is done in memory against the library: the same values
// of the same bytes, also of torn ones, and the same bytes.
func TestSameAsTheLibrary(t *testing.T) {
	p := planFor(&kindspb.Kinds{})
	rapid.Check(t, func(t *rapid.T) {
		m := &kindspb.Kinds{}
		draw(t, m.ProtoReflect())
		message, err := marshal.Marshal(m)
		if err != nil {
			t.Fatal(err)
		}
		if out, ok := p.append(nil, unsafe.Pointer(m)); !ok || !bytes.Equal(out, message) {
			t.Fatalf("got %x, %t\nwant %x", out, ok, message)
		}
		if !p.read(bytes.Clone(message), unsafe.Pointer(&kindspb.Kinds{})) {
			t.Fatalf("%x is left to the library", message)
		}
		more := &kindspb.Kinds{}
		draw(t, more.ProtoReflect())
		behind, err := marshal.Marshal(more)
		if err != nil {
			t.Fatal(err)
		}
		same[kindspb.Kinds](t, message)
		same[kindspb.Kinds](t, append(bytes.Clone(message), behind...)) // both in one
		same[kindspb.Inner](t, message)                                 // fields that it does not know, and other kinds
		same[visitpb.Visit](t, message)
		cut := bytes.Clone(message[:rapid.IntRange(0, len(message)).Draw(t, "cut")])
		same[kindspb.Kinds](t, cut)
		if len(cut) > 0 {
			cut[rapid.IntRange(0, len(cut)-1).Draw(t, "at")] = rapid.Byte().Draw(t, "byte")
			same[kindspb.Kinds](t, append(cut, message[len(cut):]...))
		}
	})
}

// oddities are messages of Kinds that nobody writes.
var oddities = map[string]string{
	"nothing":                      "",
	"text that is no UTF-8":        "\x72\x01\xff",
	"a key that is none":           "\x92\x03\x05\x0a\x01\xff\x12\x00",
	"another wire type":            "\x08\x01\x70\x01",
	"an entry without its key":     "\x92\x03\x03\x12\x01a",
	"an entry without its value":   "\x92\x03\x03\x0a\x01a",
	"an entry the other way round": "\x92\x03\x06\x12\x01v\x0a\x01k",
	"an entry with more in it":     "\x92\x03\x09\x0a\x01k\x12\x01v\x1a\x01x",
	"an empty entry":               "\x92\x03\x00",
	"a group":                      "\xa3\x06\x08\x01\xa4\x06",
	"the end of a group":           "\x0c",
	"field 0":                      "\x00\x01",
	"a tag longer than need be, of another field": "\x9a\xa0\x00\x00",
	"a tag longer than need be":                   "\xf2\x00\x01a",
	"a field beyond all":                          "\xd0\xd3\xd0\xb40\x30",
	"a varint of eleven bytes":                    "\x18\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01",
	"32 bits of a longer one":                     "\x10\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01\x20\xff\xff\xff\xff\xff\x01\x30\x81\x80\x80\x80\x10",
	"a bool that is two":                          "\x08\x02",
	"packed and not":                              "\xf8\x01\x05\xfa\x01\x02\x01\x02\xb8\x02\x05\xba\x02\x02\x01\x02",
	"a list that ends in a number":                "\xfa\x01\x02\x01\xff",
	"a message in two parts":                      "\x8a\x01\x03\x0a\x01a\x8a\x01\x02\x10\x01",
	"a oneof twice":                               "\xb2\x04\x01a\xb8\x04\x05",
	"a oneof twice, the first":                    "\xb8\x04\x05\xb2\x04\x01a\x98\x01\x05\xd2\x05\x01a",
	"a oneof in two parts":                        "\xda\x04\x03\x0a\x01a\xda\x04\x02\x10\x01",
	"another part of a oneof":                     "\xda\x04\x03\x0a\x01a\xe2\x04\x02\x10\x01\xda\x04\x00",
	"empty members of a oneof":                    "\xca\x04\x00",
	"a zero in a oneof":                           "\xc0\x04\x00\x98\x01\x00",
	"a oneof of another wire type":                "\xb0\x04\x05",
	"text in a oneof that is none":                "\xb2\x04\x01\xff",
	"a oneof that is torn":                        "\xb2\x04\x05a",
	"a key twice":                                 "\x92\x03\x06\x0a\x01k\x12\x01a\x92\x03\x06\x0a\x01k\x12\x01b",
	"empty bytes that are there":                  "\xca\x01\x00\x7a\x00\xa2\x02\x00",
	"a length beyond the message":                 "\x72\x7f",
	"a signalling NaN in a map":                   "\xca\x03\x08\x0a\x01k\x15\x00\x55\x80\x7f",
	"a message of nothing, in maps":               "\x9a\x03\x05\x0a\x01k\x12\x00",
}

// TestLeftToTheLibrary: what is not to be expected is what the library makes of it.
func TestLeftToTheLibrary(t *testing.T) {
	for name, message := range oddities {
		t.Run(name, func(t *testing.T) { same[kindspb.Kinds](t, []byte(message)) })
	}
	b, err := New().Bind(reflect.TypeFor[kindspb.Kinds]())
	if err != nil {
		t.Fatal(err)
	}
	for name, m := range map[string]*kindspb.Kinds{
		"text":          {Text: "\xff"},
		"a key":         {Strings: map[string]string{"\xff": ""}},
		"a value":       {Strings: map[string]string{"": "\xff"}},
		"text in lists": {Inners: []*kindspb.Inner{{Notes: []string{"a", "\xff"}}}},
	} {
		if out, err := b.Append([]byte("before"), m); err == nil || string(out) != "before" {
			t.Errorf("%s that is no UTF-8: %q, %v", name, out, err)
		}
	}
	nan := math.Float32frombits(0x7f805500) // a signalling one
	for name, m := range map[string]*kindspb.Kinds{
		"in a map": {SingleOf: map[string]float32{"k": nan}},
		"beside":   {Single: nan},
	} {
		want, err := marshal.Marshal(m)
		if err != nil {
			t.Fatal(err)
		}
		if out, err := b.Append(nil, m); err != nil || !bytes.Equal(out, want) {
			t.Errorf("NaN %s: got %x, %v, want %x", name, out, err, want)
		}
	}
	// What holds no message where one should be.
	m := &kindspb.Kinds{Which: &kindspb.Kinds_OneInner{}, Turned: (*kindspb.Kinds_Late)(nil), Inners: []*kindspb.Inner{nil}, InnerOf: map[string]*kindspb.Inner{"k": nil}}
	want, err := marshal.Marshal(m)
	if err != nil {
		t.Fatal(err)
	}
	if out, err := b.Append(nil, m); err != nil || !bytes.Equal(out, want) {
		t.Errorf("got %x, %v, want %x", out, err, want)
	}
}

// TestLargeMaps: maps of any size have the bytes of the library, whatever their keys begin
// with.
func TestLargeMaps(t *testing.T) {
	p := planFor(&kindspb.Kinds{})
	rapid.Check(t, func(t *rapid.T) {
		begin := rapid.SampledFrom([]string{"", "http.request.header.", "\x00", "é"}).Draw(t, "begin")
		m := &kindspb.Kinds{Strings: map[string]string{}, InnerOf: map[string]*kindspb.Inner{}, TruthOf: map[string]bool{}}
		for range rapid.IntRange(0, 60).Draw(t, "entries") {
			key := begin + strings.Repeat("\x00", rapid.IntRange(0, 2).Draw(t, "zeros")) + rapid.StringN(0, 12, -1).Draw(t, "key")
			m.Strings[key], m.InnerOf[key], m.TruthOf[key] = key, &kindspb.Inner{Name: key}, len(key)%2 == 0
		}
		if rapid.IntRange(0, 20).Draw(t, "many") == 0 {
			for i := range 1100 {
				m.InnerOf[strconv.Itoa(i)] = &kindspb.Inner{Depth: int32(i)}
			}
		}
		want, err := marshal.Marshal(m)
		if err != nil {
			t.Fatal(err)
		}
		if got, ok := p.append(nil, unsafe.Pointer(m)); !ok || !bytes.Equal(got, want) {
			t.Fatalf("got %x, %t\nwant %x", got, ok, want)
		}
		same[kindspb.Kinds](t, want)
	})
}

func FuzzMemory(f *testing.F) {
	m := &kindspb.Kinds{
		I32: -1, Text: "text", MaybeBlob: []byte{}, Truths: []bool{true}, Inners: []*kindspb.Inner{{Name: "n", Marks: map[string]string{"k": "v"}}},
		Which: &kindspb.Kinds_OneInner{OneInner: &kindspb.Inner{Name: "n"}}, Turned: &kindspb.Kinds_Early{Early: -5},
		InnerOf: map[string]*kindspb.Inner{"k": {Depth: -2}}, S64Of: map[string]int64{"a": -1, "b": 2}, Loose: []uint32{1, 2},
	}
	message, err := marshal.Marshal(m)
	if err != nil {
		f.Fatal(err)
	}
	f.Add(message)
	f.Fuzz(func(t *testing.T, message []byte) { same[kindspb.Kinds](t, message) })
}

// kept is a message on the heap, as those that are read are.
var kept *kindspb.Kinds

// BenchmarkMaps are the maps that cost most: a message of others, and one of texts.
func BenchmarkMaps(b *testing.B) {
	m := &kindspb.Kinds{InnerOf: map[string]*kindspb.Inner{}, Strings: map[string]string{}, S64Of: map[string]int64{}}
	for i := range 17 {
		key := fmt.Sprintf("http.attribute.%d", i*7)
		m.InnerOf[key], m.Strings[key], m.S64Of[key] = &kindspb.Inner{Name: "n", Depth: 5}, "value", int64(i)
	}
	for _, c := range []struct {
		name string
		m    *kindspb.Kinds
	}{{"messages", &kindspb.Kinds{InnerOf: m.InnerOf}}, {"texts", &kindspb.Kinds{Strings: m.Strings}}, {"numbers", &kindspb.Kinds{S64Of: m.S64Of}}} {
		p := planFor(c.m)
		message, ok := p.append(nil, unsafe.Pointer(c.m))
		if !ok {
			b.Fatal("left to the library")
		}
		b.Run(c.name+"/read", func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				kept = &kindspb.Kinds{}
				if !p.read(message, unsafe.Pointer(kept)) {
					b.Fatal("left to the library")
				}
			}
		})
		b.Run(c.name+"/write", func(b *testing.B) {
			b.ReportAllocs()
			buf := make([]byte, 0, 2*len(message))
			for b.Loop() {
				if _, ok := p.append(buf, unsafe.Pointer(c.m)); !ok {
					b.Fatal("left to the library")
				}
			}
		})
	}
}
