package avro_test

import (
	"net/netip"
	"strings"
	"testing"
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
