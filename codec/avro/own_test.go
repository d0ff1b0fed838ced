package avro_test

import (
	"bytes"
	"encoding/binary"
	"net/netip"
	"strings"
	"testing"
	"time"
)

// A value with a form of its own is what it writes as JSON: text where the schema has text.
func TestOwnForm(t *testing.T) {
	type host struct {
		Addr  netip.Addr   `json:"addr"`
		Maybe *netip.Addr  `json:"maybe"`
		Addrs []netip.Addr `json:"addrs"`
	}
	settings := map[string]any{"schema": recordOf(`{"name": "addr", "type": "string"}, {"name": "maybe", "type": ["null", "string"]}, {"name": "addrs", "type": {"type": "array", "items": "string"}}`)}
	some := netip.MustParseAddr("::1")
	for _, in := range []host{
		{Addr: netip.MustParseAddr("10.0.0.1"), Addrs: []netip.Addr{}},
		{some, &some, []netip.Addr{some, netip.MustParseAddr("10.0.0.2")}},
	} {
		message, err := bound[host](t, settings, true).Append(nil, &in)
		if err != nil {
			t.Fatal(err)
		}
		var out host
		if err := bound[host](t, settings, false).Decode(message, &out); err != nil {
			t.Fatal(err)
		}
		if out.Addr != in.Addr || (out.Maybe == nil) != (in.Maybe == nil) || out.Maybe != nil && *out.Maybe != *in.Maybe || len(out.Addrs) != len(in.Addrs) {
			t.Errorf("got %+v, want %+v", out, in)
		}
	}
	message := []byte("\x06abc\x00\x00")
	if err := bound[host](t, settings, false).Decode(message, &host{}); err == nil || !strings.HasPrefix(err.Error(), `$.addr: expected netip.Addr, got "abc": `) {
		t.Errorf("got %v", err)
	}
}

// One record of the schema may be two types without names, which differ in a unit only; also by
// way of MessagePack, which a rule asks for.
func TestTypesWithoutNamesThatDifferInAUnit(t *testing.T) {
	type pair struct {
		A struct {
			At time.Time `json:"at" levada:"unit=unix_ms"`
		} `json:"a"`
		B struct {
			At time.Time `json:"at" levada:"unit=unix"`
		} `json:"b"`
	}
	type ruled struct {
		pair
		N int64 `json:"n" levada:"min=0"`
	}
	settings := map[string]any{"schema": recordOf(`{"name": "a", "type": {"type": "record", "name": "X", "fields": [{"name": "at", "type": {"type": "long", "logicalType": "timestamp-millis"}}]}}, {"name": "b", "type": "X"}`)}
	var in pair
	in.A.At, in.B.At = time.Unix(1_700_000_000, 0).UTC(), time.Unix(1_800_000_000, 0).UTC()
	message, err := bound[pair](t, settings, true).Append(nil, &in)
	if err != nil {
		t.Fatal(err)
	}
	want := binary.AppendVarint(binary.AppendVarint(nil, in.A.At.UnixMilli()), in.B.At.UnixMilli())
	if !bytes.Equal(message, want) {
		t.Errorf("wrote %x, want %x", message, want)
	}
	var out pair
	if err := bound[pair](t, settings, false).Decode(want, &out); err != nil || out != in {
		t.Errorf("read %+v, %v, want %+v", out, err, in)
	}
	settings["schema"] = strings.Replace(settings["schema"].(string), `{"name": "b"`, `{"name": "n", "type": "long"}, {"name": "b"`, 1)
	var also ruled
	want = binary.AppendVarint(binary.AppendVarint(binary.AppendVarint(nil, in.A.At.UnixMilli()), 7), in.B.At.UnixMilli())
	if err := bound[ruled](t, settings, false).Decode(want, &also); err != nil || also != (ruled{in, 7}) {
		t.Errorf("read %+v, %v, want %+v and 7", also, err, in)
	}
	if message, err := bound[ruled](t, settings, true).Append(nil, &also); err != nil || !bytes.Equal(message, want) {
		t.Errorf("wrote %x, %v, want %x", message, err, want)
	}
}
