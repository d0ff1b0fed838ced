package frame

import (
	"bytes"
	"fmt"
	"reflect"
	"slices"
	"strings"
	"testing"
	"unsafe"

	"pgregory.net/rapid"
)

// Two types with the same members: only the maps of one are registered.
type (
	registered struct {
		Text string      `json:"text"`
		Any  any         `json:"any"`
		More *registered `json:"more,omitempty"`
	}
	reflected struct {
		Text string     `json:"text"`
		Any  any        `json:"any"`
		More *reflected `json:"more,omitempty"`
	}
	key  string
	maps struct {
		Plain   map[string]registered  `json:"plain"`
		Pointer map[string]*registered `json:"pointer"`
		Named   map[key]registered     `json:"named"`
	}
	reflectedMaps struct {
		Plain   map[string]reflected  `json:"plain"`
		Pointer map[string]*reflected `json:"pointer"`
		Named   map[key]reflected     `json:"named"`
	}
)

// TestTypedMaps holds a map that is registered against one that goes by reflection: the
// same bytes, the same values, the same errors.
func TestTypedMaps(t *testing.T) {
	RegisterMap[registered]()
	RegisterMap[*registered]()
	enc, encReflected := encoder[maps](t), encoder[reflectedMaps](t)
	dec, decReflected := decoder[maps](t, enc.Layout()), decoder[reflectedMaps](t, encReflected.Layout())
	if enc.root.fields[0].typ.typed == nil || encReflected.root.fields[0].typ.typed != nil {
		t.Fatal("the one is not registered, or the other is")
	}
	rapid.Check(t, func(t *rapid.T) {
		keys := rapid.SliceOfNDistinct(rapid.OneOf(texts, rapid.StringMatching(`attribute\.(number\.)?[0-9]{0,3}`)), 0, 40, rapid.ID).Draw(t, "keys")
		var v maps
		var w reflectedMaps
		for i, k := range keys {
			if i == 0 {
				v = maps{map[string]registered{}, map[string]*registered{}, map[key]registered{}}
				w = reflectedMaps{map[string]reflected{}, map[string]*reflected{}, map[key]reflected{}}
			}
			inner := rapid.SampledFrom([]any{nil, true, int64(-1), uint64(1 << 63), 0.5, "text", []byte("b"), []any{"x", "y"}, map[string]any{"k": "v"}}).Draw(t, "any")
			v.Plain[k], w.Plain[k] = registered{Text: k, Any: inner}, reflected{Text: k, Any: inner}
			v.Named[key(k)], w.Named[key(k)] = registered{More: &registered{Text: k}}, reflected{More: &reflected{Text: k}}
			if v.Pointer[k], w.Pointer[k] = nil, nil; i%3 > 0 {
				v.Pointer[k], w.Pointer[k] = &registered{Any: k}, &reflected{Any: k}
			}
		}
		b, err := enc.Append(nil, unsafe.Pointer(&v))
		if err != nil {
			t.Fatal(err)
		}
		if b2, err := encReflected.Append(nil, unsafe.Pointer(&w)); err != nil || !bytes.Equal(b, b2) {
			t.Fatalf("registered %x\nreflected %x (%v)", b, b2, err)
		}
		cut := rapid.IntRange(0, len(b)).Draw(t, "cut")
		for _, b := range [][]byte{b, b[:cut]} {
			var got maps
			var other reflectedMaps
			err, err2 := dec.Value(b, unsafe.Pointer(&got)), decReflected.Value(b, unsafe.Pointer(&other))
			if fmt.Sprint(err) != fmt.Sprint(err2) {
				t.Fatalf("cut to %d of %d: registered %v, reflected %v", len(b), cut, err, err2)
			}
			if err != nil {
				continue
			}
			// Keys that were no UTF-8 are other ones now, and may stand elsewhere.
			again, _ := enc.Append(nil, unsafe.Pointer(&got))
			again2, _ := encReflected.Append(nil, unsafe.Pointer(&other))
			if !bytes.Equal(again, again2) || !sameMaps(got, other) {
				t.Fatalf("registered %+v\nreflected %+v", got, other)
			}
		}
		text, err := enc.Layout().AppendJSON(nil, b)
		if err != nil {
			t.Fatal(err)
		}
		packed, err := enc.Layout().AppendMsgpack(nil, b)
		if err != nil {
			t.Fatal(err)
		}
		wrote, err := msgpackEncoder[maps](t).Append(nil, unsafe.Pointer(&v))
		if err != nil || !bytes.Equal(wrote, packed) {
			t.Fatalf("straight from memory %x (%v)\nfrom the frame %x", wrote, err, packed)
		}
		if wrote, err := msgpackEncoder[reflectedMaps](t).Append(nil, unsafe.Pointer(&w)); err != nil || !bytes.Equal(wrote, packed) {
			t.Fatalf("by reflection %x (%v)\nregistered %x", wrote, err, packed)
		}
		// A name that comes twice, where there is one.
		twice := bytes.Replace(text, []byte("{\"plain\":{"), []byte("{\"plain\":{\"a\":{\"text\":\"1\",\"any\":2},\"a\":{\"text\":\"\",\"any\":null},"), 1)
		for _, src := range [][]byte{text, text[:min(cut, len(text))], twice} {
			sameText(t, src)
		}
		for _, src := range [][]byte{packed, packed[:min(cut, len(packed))]} {
			sameText(t, src)
		}
	})
}

func msgpackEncoder[T any](t *rapid.T) *MsgpackEncoder {
	e, err := NewMsgpackEncoder(reflect.TypeFor[T]())
	if err != nil {
		t.Fatal(err)
	}
	return e
}

// sameText reads a text, or a message of MessagePack, by maps that are registered and by
// those that are not.
func sameText(t *rapid.T, src []byte) {
	for _, strict := range []bool{false, true} {
		for _, packed := range []bool{false, true} {
			var a maps
			var b reflectedMaps
			read := func(typ reflect.Type, p unsafe.Pointer) error {
				if packed {
					d, err := NewMsgpackDecoder(typ, strict)
					if err != nil {
						t.Fatal(err)
					}
					return d.Value(src, p)
				}
				d, err := NewTextDecoder(typ, strict)
				if err != nil {
					t.Fatal(err)
				}
				return d.Value(src, p)
			}
			err, err2 := read(reflect.TypeFor[maps](), unsafe.Pointer(&a)), read(reflect.TypeFor[reflectedMaps](), unsafe.Pointer(&b))
			if spell := func(err error) string { return strings.ReplaceAll(fmt.Sprint(err), "registered", "reflected") }; spell(err) != spell(err2) {
				t.Fatalf("%q, strict %t: registered %v, reflected %v", src, strict, err, err2)
			}
			if err == nil && !sameMaps(a, b) {
				t.Fatalf("%q, strict %t: registered %+v\nreflected %+v", src, strict, a, b)
			}
		}
	}
}

func sameMaps(a maps, b reflectedMaps) bool {
	spell := func(v any) string { return strings.ReplaceAll(fmt.Sprintf("%#v", v), "registered", "reflected") }
	for k, v := range a.Pointer {
		if w, ok := b.Pointer[k]; !ok || (v == nil) != (w == nil) || v != nil && spell(*v) != spell(*w) {
			return false
		}
	}
	for k, v := range a.Named {
		if w, ok := b.Named[k]; !ok || v.More == nil || w.More == nil || v.More.Text != w.More.Text {
			return false
		}
	}
	for k, v := range a.Plain {
		if !reflect.DeepEqual(v.Any, b.Plain[k].Any) || v.Text != b.Plain[k].Text {
			return false
		}
	}
	return len(a.Pointer) == len(b.Pointer) && len(a.Named) == len(b.Named) && len(a.Plain) == len(b.Plain)
}

// TestSortedEntries holds the order of keys against that of strings, where they begin
// alike, where one is the beginning of another, and where a zero byte is all that tells.
func TestSortedEntries(t *testing.T) {
	near := rapid.StringMatching(`(attribute\.)?(number\.)?[ab\x00]{0,9}`)
	rapid.Check(t, func(t *rapid.T) {
		keys := rapid.SliceOfNDistinct(rapid.OneOf(texts, near), 0, 50, rapid.ID).Draw(t, "keys")
		m := map[string]int{}
		var list []Entry[int]
		for i, k := range keys {
			m[k] = i
			list = append(list, Entry[int]{k, i})
		}
		want := slices.Sorted(slices.Values(keys))
		SortEntries(list)
		var few [8]Entry[int]
		for name, got := range map[string][]Entry[int]{"sortEntries": list, "sorted": Sorted(m, &few)} {
			if len(got) != len(want) {
				t.Fatalf("%s: %d of %d", name, len(got), len(want))
			}
			for i, e := range got {
				if e.Key != want[i] || e.Value != m[e.Key] {
					t.Fatalf("%s: %q at %d, expected %q", name, e.Key, i, want[i])
				}
			}
		}
	})
}
