package protobuf

import (
	"encoding/binary"
	"math"
	"strings"
	"testing"

	"google.golang.org/protobuf/encoding/protowire"
	"google.golang.org/protobuf/reflect/protoreflect"

	"github.com/levada-io/levada/internal/frame"
	plans "github.com/levada-io/levada/plan"
)

// TestDirectMembers goes through every kind of member with every rule of leaving out, each with
// the values that rules look at, and holds both ways against each other.
func TestDirectMembers(t *testing.T) {
	c, err := Of(`syntax = "proto3";
message N { double x = 1; optional int32 y = 2; }
message M {
  int64 i64 = 1; optional int64 may_i64 = 2; sint32 s32 = 3; optional uint32 may_u32 = 4; uint64 u64 = 5; fixed32 f32 = 6;
  double twice = 7; optional double may_twice = 8; float once = 9; optional float may_once = 10; bool truth = 11; optional bool may_truth = 12;
  string text = 13; optional string may_text = 14; bytes blob = 15; optional bytes may_blob = 16; N n = 17;
  repeated int32 list = 18; map<string, int32> dict = 19;
}`, nil, "M")
	if err != nil {
		t.Fatal(err)
	}
	wholes := []plans.TypeKind{plans.TInt8, plans.TInt32, plans.TInt64, plans.TUint8, plans.TUint32, plans.TUint64}
	floats, small := []plans.TypeKind{plans.TFloat32, plans.TFloat64}, plans.Type{Kind: plans.TInt32}
	inner := plans.Type{Kind: plans.TStruct, Fields: []plans.Field{{Name: "x", Type: plans.Type{Kind: plans.TFloat64}}, {Name: "y", Type: small, Optional: true}}}
	of := map[string][]plans.TypeKind{
		"i64": wholes, "may_i64": wholes, "s32": wholes, "may_u32": wholes, "u64": wholes, "f32": wholes,
		"twice": floats, "may_twice": floats, "once": floats, "may_once": floats, "truth": {plans.TBool}, "may_truth": {plans.TBool},
		"text": {plans.TString}, "may_text": {plans.TString}, "blob": {plans.TBytes}, "may_blob": {plans.TBytes}, "n": {plans.TStruct}, "list": {plans.TList}, "dict": {plans.TMap},
	}
	words := func(all ...uint64) (out [][]byte) {
		for _, w := range all {
			out = append(out, binary.LittleEndian.AppendUint64(nil, w))
		}
		return out
	}
	integers := words(0, 1, 127, 128, 255, 256, 1<<31-1, 1<<31, 1<<32-1, 1<<32, 1<<63-1, 1<<63, 1<<64-1, 1<<64-128, 1<<64-129, 1<<64-1<<31, 1<<64-1<<31-1)
	reals := words(0, 1<<63, math.Float64bits(1.5), math.Float64bits(1e300), math.Float64bits(1e-300), math.Float64bits(math.Inf(1)), math.Float64bits(math.NaN()))
	texts := [][]byte{{0, 0, 0, 0}, {1, 0, 0, 0, 'a'}, {1, 0, 0, 0, 0xff}, {2, 0, 0, 0, 'a'}}
	values := map[plans.TypeKind][][]byte{plans.TBool: {{0}, {1}, {2}}, plans.TString: texts, plans.TBytes: texts}
	for _, x := range words(0, 1<<63, math.Float64bits(1.5)) {
		for _, y := range []string{"\x02", "\x01\x00\x00\x00\x00\x00\x00\x00\x00", "\x01\x05\x00\x00\x00\x00\x00\x00\x00", "\x00"} {
			values[plans.TStruct] = append(values[plans.TStruct], append(x[:8:8], y...))
		}
	}
	values[plans.TList] = [][]byte{{0, 0, 0, 0}, {1, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0}, {1, 0, 0, 0}}
	values[plans.TMap] = [][]byte{{0, 0, 0, 0}, {1, 0, 0, 0, 1, 0, 0, 0, 'k', 1, 0, 0, 0, 0, 0, 0, 0}, {1, 0, 0, 0, 1, 0, 0, 0}}
	ways := 0
	for name, kinds := range of {
		fd := c.desc.Fields().ByName(protoreflect.Name(name))
		messages := [][]byte{{}}
		tagged := protowire.AppendTag(nil, fd.Number(), wires[fd.Kind()])
		behind := func(b ...byte) { messages = append(messages, append(tagged[:len(tagged):len(tagged)], b...)) }
		switch {
		case fd.IsMap():
			tagged = protowire.AppendTag(nil, fd.Number(), protowire.BytesType)
			behind(0)
			behind(5, 0x0a, 1, 'k', 0x10, 1)
		case fd.Message() != nil:
			for _, b := range []string{"\x00", "\x02\x10\x00", "\x09\x09\x00\x00\x00\x00\x00\x00\x00\x80", "\x09\x09\x00\x00\x00\x00\x00\x00\xf8\x3f"} {
				behind([]byte(b)...)
			}
		case wires[fd.Kind()] == protowire.BytesType:
			behind(0)
			behind(1, 'a')
			behind(1, 0xff)
		default:
			for _, w := range [][][]byte{integers, reals} {
				for _, b := range w {
					v := binary.LittleEndian.Uint64(b)
					switch wires[fd.Kind()] {
					case protowire.Fixed32Type:
						behind(protowire.AppendFixed32(nil, uint32(v))...)
						behind(protowire.AppendFixed32(nil, math.Float32bits(float32(math.Float64frombits(v))))...)
					case protowire.Fixed64Type:
						behind(b...)
					default:
						behind(protowire.AppendVarint(nil, v)...)
					}
				}
			}
		}
		for _, kind := range kinds {
			for _, omit := range []string{"", "omitempty", "omitzero", "omitempty,omitzero"} {
				for state := range 4 {
					f := plans.Field{Name: name, Type: plans.Type{Kind: kind, Nullable: state&1 != 0}, Optional: state&2 != 0, Omit: omit}
					switch kind {
					case plans.TStruct:
						f.Type.Fields = inner.Fields
					case plans.TList, plans.TMap:
						f.Type.Elem = &small
					}
					typ := plans.Type{Kind: plans.TStruct, Fields: []plans.Field{f}}
					if _, err := frame.Compile(typ, nil); err != nil {
						t.Fatal(err)
					}
					b := bothOf(t, c, typ, nil)
					if b.fast.writes {
						ways++
					}
					for _, message := range messages {
						b.read(t, message)
					}
					all := values[kind]
					switch {
					case len(kinds) == len(wholes):
						all = integers
					case len(kinds) == len(floats):
						all = reals
					}
					for _, v := range all {
						b.write(t, v)
						for presence := range 4 {
							b.write(t, append([]byte{byte(presence)}, v...))
						}
					}
					for presence := range 4 {
						b.write(t, []byte{byte(presence)})
					}
				}
			}
		}
	}
	if ways < 700 {
		t.Errorf("%d types are written directly", ways)
	}
}

// TestDirectKeys writes maps of every kind of key, in any order, with keys that are none, and
// with texts about as long as one byte says.
func TestDirectKeys(t *testing.T) {
	keys := []string{
		"", "-", "0", "-0", "00", "01", "-1", "1", "+1", "9", "10", "1a", ":", "true", "false", "2147483647", "2147483648", "-2147483648", "-2147483649", "4294967295", "4294967296",
		"9223372036854775807", "9223372036854775808", "-9223372036854775808", "-9223372036854775809", "18446744073709551615", "18446744073709551616", "28446744073709551616", "100000000000000000000", "k\xff",
	}
	entry := func(b []byte, key, value string) []byte {
		for _, s := range []string{key, value} {
			b = append(binary.LittleEndian.AppendUint32(b, uint32(len(s))), s...)
		}
		return b
	}
	text := plans.Type{Kind: plans.TString}
	typ := plans.Type{Kind: plans.TStruct, Fields: []plans.Field{{Name: "of", Type: plans.Type{Kind: plans.TMap, Elem: &text}}}}
	for _, kind := range []string{"int32", "int64", "uint32", "uint64", "sint32", "sint64", "fixed32", "fixed64", "sfixed32", "sfixed64", "bool", "string"} {
		c, err := Of(`syntax = "proto3"; message M { map<`+kind+`, string> of = 1; }`, nil, "")
		if err != nil {
			t.Fatal(err)
		}
		b := bothOf(t, c, typ, nil)
		if !b.fast.writes {
			t.Fatalf("%s: keys are not written directly", kind)
		}
		for _, first := range keys {
			b.write(t, entry([]byte{1, 0, 0, 0}, first, "a"))
			for _, second := range keys {
				b.write(t, entry(entry([]byte{2, 0, 0, 0}, first, "a"), second, "b"))
			}
		}
		for size := range 140 {
			value := entry([]byte{1, 0, 0, 0}, "1", strings.Repeat("x", size))
			b.write(t, value)
			if _, written := b.directly(nil, value); written != (kind != "bool") {
				t.Errorf("%s: a text of %d bytes: written directly %t", kind, size, written)
			}
			b.write(t, entry([]byte{1, 0, 0, 0}, strings.Repeat("1", size), "x"))
		}
	}
}

// TestDirectNothing: a message or a group without members is left out where its JSON would be
// empty.
func TestDirectNothing(t *testing.T) {
	c, err := Of(`syntax = "proto2"; message N { optional int32 n = 1; } message M { optional group G = 1 { optional int32 n = 1; } optional N h = 2; }`, nil, "M")
	if err != nil {
		t.Fatal(err)
	}
	inner := []plans.Field{{Name: "n", Type: plans.Type{Kind: plans.TInt32}, Optional: true}}
	for _, name := range []string{"g", "h"} {
		for _, omit := range []string{"", "omitempty"} {
			b := bothOf(t, c, plans.Type{Kind: plans.TStruct, Fields: []plans.Field{{Name: name, Type: plans.Type{Kind: plans.TStruct, Fields: inner}, Optional: true, Omit: omit}}}, nil)
			for _, value := range []string{"\x02", "\x01\x02", "\x01\x01\x07\x00\x00\x00\x00\x00\x00\x00"} {
				b.write(t, []byte(value))
			}
		}
	}
}
