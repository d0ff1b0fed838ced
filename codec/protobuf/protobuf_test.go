package protobuf_test

import (
	"bytes"
	"encoding/binary"
	"encoding/json/v2"
	"errors"
	"math"
	"reflect"
	"runtime"
	"strings"
	"testing"

	"google.golang.org/protobuf/encoding/protowire"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/descriptorpb"
	"google.golang.org/protobuf/types/known/structpb"
	"google.golang.org/protobuf/types/known/timestamppb"
	"google.golang.org/protobuf/types/known/wrapperspb"
	"pgregory.net/rapid"

	"github.com/levada-io/levada/codec"
	"github.com/levada-io/levada/codec/protobuf"
	"github.com/levada-io/levada/internal/frame"
	"github.com/levada-io/levada/plan/testdata/visitpb"
)

func bind[T any](t testing.TB) codec.Bound {
	t.Helper()
	b, err := protobuf.New().Bind(reflect.TypeFor[T]())
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func visits(t *rapid.T) *visitpb.Visit {
	text := rapid.StringN(0, 20, -1)
	v := &visitpb.Visit{
		User: text.Draw(t, "user"), Ms: rapid.Int64().Draw(t, "ms"), Kind: visitpb.Kind(rapid.Int32().Draw(t, "kind")),
		Tags: rapid.MapOf(text, text).Draw(t, "tags"), Blob: rapid.SliceOf(rapid.Byte()).Draw(t, "blob"),
		Codes: rapid.SliceOf(rapid.Int32()).Draw(t, "codes"),
	}
	for range rapid.IntRange(0, 3).Draw(t, "parts") {
		v.Parts = append(v.Parts, &visitpb.Part{Sku: text.Draw(t, "sku"), Qty: rapid.Uint32().Draw(t, "qty"), Price: rapid.Float64Range(-1, 1).Draw(t, "price")})
	}
	if rapid.Bool().Draw(t, "more") {
		v.Note = proto.String(text.Draw(t, "note"))
		v.At = &timestamppb.Timestamp{Seconds: rapid.Int64().Draw(t, "at"), Nanos: 5}
	}
	if rapid.Bool().Draw(t, "newer") {
		v.ProtoReflect().SetUnknown(protowire.AppendVarint(protowire.AppendTag(nil, 99, protowire.VarintType), 7))
	}
	return v
}

// What comes out is what went in, whether values are structs or pointers, and what is
// written is what the library reads.
func TestThroughAndBack(t *testing.T) {
	byPointer, byValue := bind[*visitpb.Visit](t), bind[visitpb.Visit](t)
	rapid.Check(t, func(t *rapid.T) {
		in := visits(t)
		message, err := byPointer.Append([]byte("before"), &in)
		if err != nil {
			t.Fatal(err)
		}
		if again, err := byValue.Append([]byte("before"), in); err != nil || !bytes.Equal(again, message) {
			t.Fatalf("by value %x, %v\nby pointer %x", again, err, message)
		}
		message = message[len("before"):]
		theirs, one, two := &visitpb.Visit{}, (*visitpb.Visit)(nil), &visitpb.Visit{}
		for _, err := range []error{proto.Unmarshal(message, theirs), byPointer.Decode(message, &one), byValue.Decode(message, two)} {
			if err != nil {
				t.Fatal(err)
			}
		}
		for i := range message {
			message[i] = 0xff // what was decoded keeps nothing of it
		}
		for _, got := range []*visitpb.Visit{theirs, one, two} {
			if !proto.Equal(got, in) {
				t.Fatalf("\n got %v\nwant %v", got, in)
			}
		}
	})
}

func TestTypesOfTheLibrary(t *testing.T) {
	in, err := structpb.NewStruct(map[string]any{"a": []any{1.5, "x", nil, map[string]any{"b": true}}})
	if err != nil {
		t.Fatal(err)
	}
	for _, m := range []proto.Message{in, wrapperspb.String("x"), timestamppb.New(timestamppb.Now().AsTime())} {
		b, err := protobuf.New().Bind(reflect.TypeOf(m))
		if err != nil {
			t.Fatal(err)
		}
		v := reflect.New(reflect.TypeOf(m))
		v.Elem().Set(reflect.ValueOf(m))
		message, err := b.Append(nil, v.Interface())
		if err != nil {
			t.Fatal(err)
		}
		out := reflect.New(reflect.TypeOf(m))
		if err := b.Decode(message, out.Interface()); err != nil {
			t.Fatal(err)
		}
		if got, _ := out.Elem().Interface().(proto.Message); !proto.Equal(got, m) {
			t.Errorf("got %v, want %v", got, m)
		}
	}
}

func TestEmptyMessageIsOne(t *testing.T) {
	var v *visitpb.Visit
	if err := bind[*visitpb.Visit](t).Decode([]byte{}, &v); err != nil || v == nil {
		t.Errorf("%v, %v", v, err)
	}
}

func TestBind(t *testing.T) {
	type embeds struct{ proto.Message }
	for _, c := range []struct {
		typ  reflect.Type
		want string
	}{
		{reflect.TypeFor[map[string]int](), "map[string]int is no message of protobuf: expected a struct that protoc-gen-go generated from a .proto, or a pointer to one"},
		{reflect.TypeFor[**visitpb.Visit](), "**visitpb.Visit is no message of protobuf: expected a struct that protoc-gen-go generated from a .proto, or a pointer to one"},
		{reflect.TypeFor[visitpb.Kind](), "visitpb.Kind is no message of protobuf: expected a struct that protoc-gen-go generated from a .proto, or a pointer to one"},
		{reflect.TypeFor[embeds](), "protobuf_test.embeds is no message of protobuf: it has the methods of one, but no descriptor"},
	} {
		if _, err := protobuf.New().Bind(c.typ); err == nil || err.Error() != c.want {
			t.Errorf("got %v\nwant %s", err, c.want)
		}
	}
}

func field(num protowire.Number, inside ...byte) []byte {
	return protowire.AppendBytes(protowire.AppendTag(nil, num, protowire.BytesType), inside)
}

func nested(levels int) []byte {
	size, lengths := 0, make([]int, levels)
	for i := range lengths {
		lengths[i] = size
		size += 1 + protowire.SizeVarint(uint64(size))
	}
	var out []byte
	for i := levels - 1; i >= 0; i-- {
		out = binary.AppendUvarint(append(out, 2<<3|2), uint64(lengths[i]))
	}
	return out
}

func TestErrors(t *testing.T) {
	visit, tree, part := bind[*visitpb.Visit](t), bind[*visitpb.Tree](t), bind[*descriptorpb.UninterpretedOption](t)
	whole := field(4, field(1, 'a')...)
	for _, c := range []struct {
		b    codec.Bound
		src  []byte
		want string
	}{
		{visit, nil, "$: expected a message, got null (a tombstone)"},
		{visit, []byte{0}, "$: malformed protobuf at byte 0: expected a field"},
		{visit, append(bytes.Clone(whole), field(4, 0x10, 0xff)...), "$.parts[1].qty: malformed protobuf at byte 8: the number does not end"},
		{visit, append(bytes.Clone(whole), field(4, 0x19, 1, 2)...), "$.parts[1].price: malformed protobuf at byte 8: expected 8 bytes, got 2"},
		{visit, []byte{0x0a, 0x7f, 'x'}, "$.user: malformed protobuf at byte 1: expected 127 bytes, got 1"},
		{visit, []byte{0x0a, 0xff}, "$.user: malformed protobuf at byte 1: the length does not end"},
		{visit, field(5, field(1, 0xff)...), "$.tags[0].key: expected text, got bytes that are no UTF-8"},
		{visit, field(1, 0xff), "$.user: expected text, got bytes that are no UTF-8"},
		{visit, field(9, 1, 2, 0x80), "$.codes[2]: malformed protobuf at byte 4: the number does not end"},
		{visit, field(99, 1)[:3], "$.(field 99): malformed protobuf at byte 2: expected 1 bytes, got 0"},
		{visit, []byte{0x0c}, "$: malformed protobuf at byte 0: a group ends that did not begin"},
		{visit, []byte{99<<3&0x7f | 3 | 0x80, 6}, "$.(field 99): malformed protobuf at byte 2: the group does not end"},
		{visit, []byte{0x0f}, "$.user: malformed protobuf at byte 1: there is no wire type 7"},
		{visit, []byte{0x0d, 1}, "$.user: malformed protobuf at byte 1: expected 4 bytes, got 1"},
		{tree, nested(20_000), "$..." + strings.Repeat(".down[0]", 20) + ": more than 10000 levels of nesting"},
		{part, field(2), "$: required field google.protobuf.UninterpretedOption.NamePart.name_part not set"},
	} {
		var v *visitpb.Visit
		dst := any(&v)
		switch c.b {
		case tree:
			dst = new(*visitpb.Tree)
		case part:
			dst = new(*descriptorpb.UninterpretedOption)
		}
		if err := c.b.Decode(c.src, dst); err == nil || err.Error() != c.want {
			t.Errorf("%.40x:\n got %v\nwant %s", c.src, err, c.want)
		}
	}
	deep := new(*visitpb.Tree)
	if err := tree.Decode(nested(9_000), deep); err != nil {
		t.Errorf("9000 levels: %v", err)
	}
	for _, v := range []*visitpb.Visit{nil, {User: "\xff"}} {
		if out, err := visit.Append([]byte("before"), &v); err == nil || string(out) != "before" || !strings.HasPrefix(err.Error(), "$: ") {
			t.Errorf("%q, %v", out, err)
		}
	}
}

// Every message that ends too early is refused or, where a field has just ended, a
// shorter one.
func TestTruncated(t *testing.T) {
	b := bind[*visitpb.Visit](t)
	in := &visitpb.Visit{User: "ada", Ms: -3, Parts: []*visitpb.Part{{Sku: "s", Qty: 300, Price: 1}}, Tags: map[string]string{"k": "v"}, Codes: []int32{1, 300}, Note: proto.String("n")}
	message, err := b.Append(nil, &in)
	if err != nil {
		t.Fatal(err)
	}
	refused := 0
	for i := range message {
		var v *visitpb.Visit
		if err := b.Decode(message[:i], &v); err != nil {
			refused++
			if !strings.Contains(err.Error(), "malformed protobuf at byte ") {
				t.Errorf("%d bytes: %v", i, err)
			}
		}
	}
	if refused < len(message)/2 {
		t.Errorf("%d of %d were refused", refused, len(message))
	}
}

// quick has the methods that vtprotobuf generates.
type quick struct {
	visitpb.Hit
	read, written int
	fail          error
}

func (q *quick) UnmarshalVT(b []byte) error {
	q.read++
	return proto.Unmarshal(b, &q.Hit)
}

func (q *quick) SizeVT() int { return proto.Size(&q.Hit) }

func (q *quick) MarshalToSizedBufferVT(b []byte) (int, error) {
	q.written++
	out, err := proto.Marshal(&q.Hit)
	if err != nil || q.fail != nil {
		return 0, errors.Join(err, q.fail)
	}
	return copy(b[len(b)-len(out):], out), nil
}

// looped has them too, for a message that contains itself; mapped for one with a map.
type looped struct {
	visitpb.Tree
	read, written int
}

func (l *looped) UnmarshalVT([]byte) error { l.read++; return nil }
func (l *looped) SizeVT() int              { return proto.Size(&l.Tree) }
func (l *looped) MarshalToSizedBufferVT(b []byte) (int, error) {
	l.written++
	out, err := proto.Marshal(&l.Tree)
	return copy(b, out), err
}

type mapped struct {
	visitpb.Visit
	read, written int
}

func (m *mapped) UnmarshalVT([]byte) error { m.read++; return nil }
func (m *mapped) SizeVT() int              { return 0 }
func (m *mapped) MarshalToSizedBufferVT([]byte) (int, error) {
	m.written++
	return 0, nil
}

// The methods of a type are called where they do what the library does, and not where
// they bound no depth or write maps in any order.
func TestMethodsOfTheType(t *testing.T) {
	b := bind[quick](t)
	in := &quick{Hit: visitpb.Hit{User: "ada", Ms: 5}}
	message, err := b.Append([]byte("before"), in)
	if err != nil || in.written != 1 {
		t.Fatalf("%v, written %d times", err, in.written)
	}
	want, err := proto.Marshal(&in.Hit)
	if err != nil || string(message) != "before"+string(want) {
		t.Errorf("%x, want %x, %v", message, want, err)
	}
	out := &quick{}
	if err := b.Decode(want, out); err != nil || out.read != 1 || out.GetMs() != 5 {
		t.Errorf("%v, %+v", err, out)
	}
	if err := b.Decode([]byte{0x0a, 5}, &quick{}); err == nil || err.Error() != "$.user: malformed protobuf at byte 1: expected 5 bytes, got 0" {
		t.Errorf("got %v", err)
	}
	in.fail = errors.New("no")
	if out, err := b.Append([]byte("before"), in); err == nil || err.Error() != "$: no" || string(out) != "before" {
		t.Errorf("%q, %v", out, err)
	}

	l := &looped{Tree: visitpb.Tree{Name: "x"}}
	message, err = bind[looped](t).Append(nil, l)
	if err != nil || l.written != 1 {
		t.Errorf("written %d times, %v", l.written, err)
	}
	if err := bind[looped](t).Decode(message, l); err != nil || l.read != 0 || l.Name != "x" {
		t.Errorf("read %d times, %v, %v", l.read, err, l)
	}
	m := &mapped{}
	if _, err := bind[mapped](t).Append(nil, m); err != nil || m.written != 0 {
		t.Errorf("written %d times, %v", m.written, err)
	}
	if err := bind[mapped](t).Decode([]byte{}, m); err != nil || m.read != 1 {
		t.Errorf("read %d times, %v", m.read, err)
	}
}

// FuzzProtobuf reads hostile messages. Nothing may panic, the codec agrees with the
// library about what is a message, a refused one has a place, memory stays in proportion,
// and what was read is written and read the same.
//
// Fault: malformed protobuf -> goes on: the message is refused with the place and the path, memory stays in proportion to it
func FuzzProtobuf(f *testing.F) {
	visit, tree, option := bind[*visitpb.Visit](f), bind[*visitpb.Tree](f), bind[*descriptorpb.FileOptions](f)
	for _, s := range [][]byte{
		{}, {0}, {0x0a, 0xff, 0xff, 0xff, 0xff, 0x0f}, field(4, field(1, 'a')...), field(5, field(1, 0xff)...), field(9, 1, 2, 0x80), {0x0c}, {0x0b, 0x0c},
		bytes.Repeat([]byte{0x22, 0x00}, 50), nested(300), nested(10_100), bytes.Repeat([]byte{0x9b, 0x06}, 11_000), binary.AppendUvarint([]byte{0x10}, math.MaxUint64),
	} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, src []byte) {
		var before, after runtime.MemStats
		runtime.ReadMemStats(&before)
		through[*visitpb.Visit](t, visit, &visitpb.Visit{}, src)
		through[*visitpb.Tree](t, tree, &visitpb.Tree{}, src)
		through[*descriptorpb.FileOptions](t, option, &descriptorpb.FileOptions{}, src)
		runtime.ReadMemStats(&after)
		if used := after.TotalAlloc - before.TotalAlloc; used > 1<<20+uint64(len(src))*4096 {
			t.Errorf("%d bytes made it allocate %d", len(src), used)
		}
	})
}

func through[M proto.Message](t *testing.T, b codec.Bound, theirs M, src []byte) {
	if src == nil {
		src = []byte{}
	}
	var m M
	err := b.Decode(src, &m)
	if want := proto.Unmarshal(src, theirs); (err == nil) != (want == nil) {
		t.Fatalf("got %v, the library says %v", err, want)
	}
	if err != nil {
		if !strings.HasPrefix(err.Error(), "$") || len(err.Error()) > 2000 {
			t.Errorf("%.2000s", err)
		}
		return
	}
	if !proto.Equal(m, theirs) {
		// NaN is not equal to itself; as bytes it is.
		one, err1 := b.Append(nil, &m)
		two, err2 := b.Append(nil, &theirs)
		if err1 != nil || err2 != nil || !bytes.Equal(one, two) {
			t.Fatalf("%v is not %v", m, theirs)
		}
	}
	message, err := b.Append(nil, &m)
	if err != nil {
		t.Fatalf("%x: %v", src, err)
	}
	var again M
	if err := b.Decode(message, &again); err != nil {
		t.Fatalf("own message %x: %v", message, err)
	}
	if back, err := b.Append(nil, &again); err != nil || !bytes.Equal(back, message) {
		t.Errorf("%x became %x, then %x, %v", src, message, back, err)
	}
}

// Struct and Value say themselves what their JSON is, and so a message with them may stand
// beside steps in Python and in JSON.
func TestFreeTypesOfTheLibraryInJSON(t *testing.T) {
	type message struct {
		Free  *structpb.Struct `json:"free,omitempty" protobuf:"bytes,1,opt,name=free,proto3"`
		Value *structpb.Value  `json:"value,omitempty" protobuf:"bytes,2,opt,name=value,proto3"`
	}
	b, err := frame.BindJSON(reflect.TypeFor[message](), false)
	if err != nil {
		t.Fatal(err)
	}
	for _, text := range []string{`{"free":{"a":[1.5,"x",null,{"b":true}]},"value":"x"}`, `{"free":{}}`, `{}`, `{"value":[7]}`} {
		var m message
		if err := b.Decode([]byte(text), &m); err != nil {
			t.Errorf("%s: %v", text, err)
			continue
		}
		out, err := b.Append(nil, &m)
		var got, want any
		if err == nil {
			err = errors.Join(json.Unmarshal(out, &got), json.Unmarshal([]byte(text), &want))
		}
		if err != nil || !reflect.DeepEqual(got, want) {
			t.Errorf("%s became %s, %v", text, out, err)
		}
	}
	if err := b.Decode([]byte(`{"free":7}`), new(message)); err == nil || !strings.HasPrefix(err.Error(), "$.free: expected *structpb.Struct, got 7: ") {
		t.Errorf("got %v", err)
	}
}
