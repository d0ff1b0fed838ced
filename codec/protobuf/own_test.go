package protobuf

import (
	"bytes"
	"fmt"
	"reflect"
	"strings"
	"testing"

	"google.golang.org/protobuf/encoding/protowire"
	"pgregory.net/rapid"

	"github.com/levada-io/levada/record"
)

// Structs of one's own for the message Kinds.
type (
	ownInner struct {
		Name  string            `json:"name"`
		Depth int               `json:"depth"`
		Notes []string          `json:"notes"`
		Marks map[string]string `json:"marks,omitempty"`
	}
	ownKinds struct {
		Truth      bool                `json:"truth"`
		I32        int32               `json:"i32"`
		I64        int64               `json:"i64,omitzero"`
		U32        uint64              `json:"u32"`
		U64        *uint64             `json:"u64,omitempty"`
		S32        int8                `json:"s32"`
		Text       string              `json:"text,omitempty"`
		Blob       []byte              `json:"blob,omitempty"`
		Shade      int32               `json:"shade"`
		Inner      *ownInner           `json:"inner,omitempty"`
		MaybeS32   *int32              `json:"maybe_s32,omitempty"`
		MaybeText  record.Opt[string]  `json:"maybe_text,omitzero"`
		MaybeInner *ownInner           `json:"maybe_inner,omitzero"`
		Truths     []bool              `json:"truths"`
		S64s       []int64             `json:"s64s,omitempty"`
		F32s       []uint32            `json:"f32s"`
		Texts      []string            `json:"texts"`
		Blobs      [][]byte            `json:"blobs"`
		Inners     []ownInner          `json:"inners"`
		Loose      []uint32            `json:"loose"`
		Strings    map[string]string   `json:"strings"`
		InnerOf    map[string]ownInner `json:"inner_of"`
		S64Of      map[string]int64    `json:"s64_of,omitempty"`
		OneText    *string             `json:"one_text,omitempty"`
		OneInner   *ownInner           `json:"one_inner,omitempty"`
	}
	ownMixed struct { // in no order
		Inners []*ownInner `json:"inners"`
		I64    int64       `json:"i64"`
		Truth  bool        `json:"truth"`
		Inner  *ownInner   `json:"inner,omitempty"`
	}
	ownFloats struct {
		Single   float32            `json:"single"`
		Twice    float64            `json:"twice,omitzero"`
		Doubles  []float64          `json:"doubles"`
		SingleOf map[string]float32 `json:"single_of"`
		Maybe    *float64           `json:"maybe_twice,omitempty"`
	}
)

// ownWays are a struct directly and by MessagePack.
type ownWays struct{ fast, other *translated }

func ownWaysOf(t testing.TB, c *Described, typ reflect.Type) ownWays {
	t.Helper()
	b, err := c.Bind(typ)
	if err != nil {
		t.Fatal(err)
	}
	w := ownWays{fast: b.(*translated)}
	if !w.fast.reads || !w.fast.writes {
		t.Fatalf("%s: reads %t, writes %t directly", typ, w.fast.reads, w.fast.writes)
	}
	other, slow := *w.fast, *w.fast.translator
	slow.direct = direct{}
	other.translator = &slow
	w.other = &other
	return w
}

func (w ownWays) agree(t interface{ Fatalf(string, ...any) }, typ reflect.Type, message []byte) {
	got, want := reflect.New(typ), reflect.New(typ)
	err, wrong := w.fast.Decode(message, got.Interface()), w.other.Decode(message, want.Interface())
	if fmt.Sprint(err) != fmt.Sprint(wrong) {
		t.Fatalf("%x as %s:\n got %v\nwant %v", message, typ, err, wrong)
	}
	if err != nil {
		return
	}
	// A float that is none is no number that DeepEqual takes for itself.
	if typ != reflect.TypeFor[ownFloats]() && !reflect.DeepEqual(got.Interface(), want.Interface()) {
		t.Fatalf("%x as %s:\n got %+v\nwant %+v", message, typ, got.Elem(), want.Elem())
	}
	w.write(t, want.Interface())
	again, err := w.fast.Append(nil, got.Interface())
	once, wrong := w.other.Append(nil, want.Interface())
	if err != nil || wrong != nil || !bytes.Equal(again, once) {
		t.Fatalf("%x as %s: read %x, %v and %x, %v", message, typ, again, err, once, wrong)
	}
}

func (w ownWays) write(t interface{ Fatalf(string, ...any) }, v any) {
	got, err := w.fast.Append([]byte("before"), v)
	want, wrong := w.other.Append([]byte("before"), v)
	if fmt.Sprint(err) != fmt.Sprint(wrong) || !bytes.Equal(got, want) {
		t.Fatalf("%+v:\n got %x, %v\nwant %x, %v", v, got, err, want, wrong)
	}
}

// TestOwnAsByMessagePack holds structs of one's own that go by their frames against those that
// go by MessagePack: the same values, messages and errors.
func TestOwnAsByMessagePack(t *testing.T) {
	c := schemaOf(t, "kindspb/kinds.proto", "Kinds")
	types := []reflect.Type{reflect.TypeFor[ownKinds](), reflect.TypeFor[ownMixed](), reflect.TypeFor[ownFloats]()}
	var all []ownWays
	for _, typ := range types {
		all = append(all, ownWaysOf(t, c, typ))
	}
	for _, message := range oddities {
		for i, w := range all {
			w.agree(t, types[i], []byte(message))
		}
	}
	rapid.Check(t, func(t *rapid.T) {
		message := spelled(t, c.desc, 2)
		for i, w := range all {
			w.agree(t, types[i], message)
		}
	})
	text, number := "a\xff", int32(-3)
	for _, v := range []*ownKinds{
		{}, {Strings: map[string]string{}, Truths: []bool{}, Blob: []byte{}}, {Inner: &ownInner{}, MaybeInner: &ownInner{}},
		{Strings: map[string]string{"b": "\xff", "a\xff": "x", "a\xfe": "y"}, Text: "\xff"}, {OneText: &text, OneInner: &ownInner{}},
		{MaybeS32: &number, MaybeText: record.Some("")}, {MaybeText: record.Null[string]()}, {U32: 1 << 40}, {Inner: &ownInner{Depth: 1 << 40}},
		{Texts: []string{"", "\xff", strings.Repeat("long", 40)}, Blobs: [][]byte{nil, {}}, Inners: []ownInner{{}, {Name: "n"}}, Loose: []uint32{0}},
	} {
		all[0].write(t, v)
	}
	for _, v := range []*ownMixed{{}, {Inners: []*ownInner{{}}, I64: 1, Truth: true, Inner: &ownInner{Name: "n"}}} {
		all[1].write(t, v)
	}
}

// TestOwnDoesNotAlias: what was read stays what it is when the message and the next one come.
func TestOwnDoesNotAlias(t *testing.T) {
	c := schemaOf(t, "kindspb/kinds.proto", "Kinds")
	b, err := c.Bind(reflect.TypeFor[ownKinds]())
	if err != nil {
		t.Fatal(err)
	}
	read := func(text string) (v ownKinds) {
		message := protowire.AppendString(protowire.AppendTag(nil, 14, protowire.BytesType), text)
		message = protowire.AppendString(protowire.AppendTag(message, 15, protowire.BytesType), text)
		if err := b.Decode(message, &v); err != nil {
			t.Fatal(err)
		}
		clear(message)
		return v
	}
	first, second := read("first"), read("other")
	if first.Text != "first" || string(first.Blob) != "first" || second.Text != "other" {
		t.Errorf("got %q, %q and %q", first.Text, first.Blob, second.Text)
	}
	first.Blob = append(first.Blob[:0], "FIRST and more"...)
	if first.Text != "first" || len(first.Truths) != 0 {
		t.Errorf("got %q", first.Text)
	}
}
