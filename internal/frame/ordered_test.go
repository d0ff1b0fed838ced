package frame

import (
	"strings"
	"testing"

	"github.com/levada-io/levada/plan"
)

// Maps out of order that lie in each other are written once each. Were each written again where
// the one around it is out of order, this test would not end.
func TestMapsOutOfOrderInEachOther(t *testing.T) {
	const depth = 300
	before := strings.Repeat(`{"b":`, depth) + "1" + strings.Repeat(`,"a":2}`, depth)
	after := strings.Repeat(`{"a":2,"b":`, depth) + "1" + strings.Repeat(`}`, depth)
	of := plan.Type{Kind: plan.TMap, Elem: &plan.Type{Kind: plan.TAny}}
	for _, typ := range []plan.Type{of, {Kind: plan.TMap, Elem: &of}, {Kind: plan.TMap, Elem: &plan.Type{Kind: plan.TRef, Name: "M"}}} {
		text, want := before, after
		var types map[string]plan.Type
		if elem := typ.Elem; elem.Kind == plan.TMap {
			text, want = `{"y":`+before+`,"x":{}}`, `{"x":{},"y":`+after+`}`
		} else if elem.Kind == plan.TRef {
			types = map[string]plan.Type{"M": {Kind: plan.TStruct, Fields: []plan.Field{{Name: "m", Type: typ}}}}
			text = strings.Repeat(`{"b":{"m":`, depth) + "{}" + strings.Repeat(`},"a":{"m":{}}}`, depth)
			want = strings.Repeat(`{"a":{"m":{}},"b":{"m":`, depth) + "{}" + strings.Repeat(`}}`, depth)
		}
		l, err := Compile(typ, types)
		if err != nil {
			t.Fatal(err)
		}
		value, err := l.ParseJSON(nil, []byte(text))
		if err != nil {
			t.Fatal(err)
		}
		got, err := l.AppendJSON(nil, value)
		if err != nil || string(got) != want {
			t.Errorf("%s: %.80s, %v", l, got, err)
		}
		// MessagePack has the same order, so that it reads as a frame whose text needs no sorting.
		packed, err := l.AppendMsgpack(nil, value)
		if err != nil {
			t.Fatal(err)
		}
		again, err := l.ParseMsgpack(nil, packed, true)
		if err != nil {
			t.Fatal(err)
		}
		sorted, err := l.ParseJSON(nil, []byte(want))
		if err != nil || string(again) != string(sorted) {
			t.Errorf("%s: MessagePack of it is in another order, %v", l, err)
		}
	}
}
