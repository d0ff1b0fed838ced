package frame

import (
	"bytes"
	"encoding/binary"
	"encoding/hex"
	"encoding/json/v2"
	"os"
	"reflect"
	"testing"

	"github.com/levada-io/levada/plan"
)

// TestHostileFrames reads what the fuzzer of the reader in C has found. What that one
// takes this one takes, as the same value: written again it is read the same. The other
// way round they may differ: Python has no year 0 and no text that is not UTF-8.
func TestHostileFrames(t *testing.T) {
	text, err := os.ReadFile("../../abi/testdata/hostile.jsonl")
	if err != nil {
		t.Fatal(err)
	}
	type reader struct {
		layout *Layout
		typ    reflect.Type
		dec    *Decoder
	}
	readers := map[string]reader{}
	for _, g := range goldens() {
		enc, err := NewEncoder(g.typ)
		if err != nil {
			t.Fatal(err)
		}
		dec, err := NewDecoder(enc.Layout(), g.typ)
		if err != nil {
			t.Fatal(err)
		}
		readers[g.name] = reader{enc.Layout(), g.typ, dec}
	}
	taken := 0
	for line := range bytes.Lines(text) {
		var in struct {
			Layout string `json:"layout"`
			Frame  string `json:"frame"`
			OK     bool   `json:"ok"`
		}
		if err := json.Unmarshal(line, &in); err != nil {
			t.Fatal(err)
		}
		b, err := hex.DecodeString(in.Frame)
		if err != nil {
			t.Fatal(err)
		}
		r, ok := readers[in.Layout]
		if !ok {
			t.Fatalf("no golden layout %q", in.Layout)
		}
		column := binary.LittleEndian.AppendUint32([]byte{1, 0, 0, 0, 0, 0, 0, 0}, uint32(len(b)))
		c, err := NewColumn(r.layout, append(column, b...))
		if err == nil {
			v := reflect.New(r.typ)
			if err = r.dec.Value(c.Value(0), v.UnsafePointer()); err == nil {
				_, err = r.layout.AppendJSON(nil, c.Value(0))
			}
		}
		if in.OK && err != nil {
			t.Errorf("%s %s: taken by the reader in C, refused here: %v", in.Layout, in.Frame, err)
		}
		if in.OK {
			taken++
		}
	}
	if taken == 0 {
		t.Error("no frame that the reader in C takes: the corpus shows nothing")
	}
}

// TestZerosThatContainThemselves: a member that may be absent ends a type that contains
// itself, also where its zero value would have to be known.
func TestZerosThatContainThemselves(t *testing.T) {
	self := plan.Type{Kind: plan.TRef, Name: "py:m:Tree"}
	for _, c := range []struct{ omit, want string }{
		{"", ""}, {"omitzero", ""}, {"omitempty,omitzero", ""},
		{"omitempty", "type py:m:Tree contains itself without a list, map or null between"},
	} {
		table := map[string]plan.Type{
			"py:m:Tree": {Kind: plan.TStruct, Fields: []plan.Field{{Name: "down", Type: self, Optional: true, Omit: c.omit}}},
			"py:m:Top":  {Kind: plan.TStruct, Fields: []plan.Field{{Name: "tree", Type: self, Optional: true, Omit: "omitempty"}}},
		}
		l, err := Compile(plan.Type{Kind: plan.TRef, Name: "py:m:Top"}, table)
		if (err == nil) != (c.want == "") || err != nil && err.Error() != c.want {
			t.Errorf("omit %q: got %v, want %q", c.omit, err, c.want)
		}
		if err != nil {
			continue
		}
		value, err := l.ParseMsgpack(nil, []byte{0x80}, false)
		if err != nil {
			t.Fatal(err)
		}
		if out, err := l.AppendMsgpack(nil, value); err != nil || string(out) != "\x80" {
			t.Errorf("omit %q: got %x, %v, want 80", c.omit, out, err)
		}
	}
}
