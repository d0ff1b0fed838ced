package frame

import (
	"reflect"
	"strings"
	"testing"
	"unsafe"
)

type ruledLeaf struct {
	Qty   int                 `json:"qty" levada:"min=0"`
	Small uint8               `json:"small" levada:"max=9"`
	Rate  *float64            `json:"rate" levada:"above=0,max=1"`
	Code  string              `json:"code" levada:"pattern=^a"`
	Raw   []byte              `json:"raw" levada:"maxlen=2"`
	List  []string            `json:"list" levada:"maxlen=2,enum=x|y"`
	Map   map[string]int      `json:"map" levada:"minlen=1,max=5"`
	Pair  [2]int              `json:"pair" levada:"min=1"`
	Deep  [][]int             `json:"deep" levada:"max=3"`
	Free  string              `json:"free"`
	More  []*ruledLeaf        `json:"more"`
	Named map[string]*unruled `json:"named"`
}

type unruled struct {
	A string
}

// What of a value without a type breaks a rule is told with its path; what is of another
// kind than the type says, and what the type does not name, is not looked at.
func TestAnyRules(t *testing.T) {
	layout, err := Of(reflect.TypeFor[ruledLeaf]())
	if err != nil {
		t.Fatal(err)
	}
	rules := layout.AnyRules()
	anys, err := NewEncoder(reflect.TypeFor[any]())
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		text, want string
	}{
		{`{"qty":0,"small":9,"rate":1,"code":"ab","list":["x","y"],"map":{"a":5},"pair":[1,1],"deep":[[3]],"free":"","more":[],"named":{"a":{"A":""}}}`, ""},
		{`{"qty":-1}`, "$.qty: expected integer >= 0, got -1"},
		{`{"small":10}`, "$.small: expected integer <= 9, got 10"},
		{`{"small":-1}`, ""},
		{`{"small":"10"}`, ""},
		{`{"rate":null}`, ""},
		{`{"rate":0}`, "$.rate: expected number > 0, got 0"},
		{`{"rate":1.5}`, "$.rate: expected number <= 1, got 1.5"},
		{`{"rate":18446744073709551615}`, "$.rate: expected number <= 1, got 1.8446744073709552e+19"},
		{`{"code":"ba"}`, `$.code: expected a string that matches ^a, got "ba"`},
		{`{"list":["x","y","x"]}`, "$.list: expected a list of at most 2 elements, got 3"},
		{`{"list":["x","z"]}`, `$.list[1]: expected one of "x", "y", got "z"`},
		{`{"map":{}}`, "$.map: expected a map of at least 1 entry, got 0"},
		{`{"map":{"a":1,"b":6}}`, "$.map.b: expected integer <= 5, got 6"},
		{`{"pair":[1,0]}`, "$.pair[1]: expected integer >= 1, got 0"},
		{`{"pair":[1,1,0]}`, ""},
		{`{"deep":[[1],[2,4]]}`, "$.deep[1][1]: expected integer <= 3, got 4"},
		{`{"deep":7,"other":{"qty":-1}}`, ""},
		{`{"more":[{"qty":1},null,{"more":[{"qty":-7}]}]}`, "$.more[2].more[0].qty: expected integer >= 0, got -7"},
		{`"text"`, ""},
	} {
		var v any
		dec, err := NewTextDecoder(reflect.TypeFor[any](), false)
		if err != nil {
			t.Fatal(err)
		}
		if err := dec.Value([]byte(c.text), unsafe.Pointer(&v)); err != nil {
			t.Fatal(err)
		}
		b, err := anys.Append(nil, unsafe.Pointer(&v))
		if err != nil {
			t.Fatal(err)
		}
		got := ""
		if err := rules.Check(b); err != nil {
			got = err.Error()
		}
		if got != c.want {
			t.Errorf("%s: expected %q, got %q", c.text, c.want, got)
		}
		for i := range b { // what is cut off is an error or a value, never a panic
			if err := rules.Check(b[:i]); err == nil && i == 0 {
				t.Errorf("%s: nothing keeps to the rules", c.text)
			}
		}
	}
	var raw any = []byte("abc")
	var m any = map[string]any{"raw": raw}
	b, err := anys.Append(nil, unsafe.Pointer(&m))
	if err != nil {
		t.Fatal(err)
	}
	if err := rules.Check(b); err == nil || !strings.HasPrefix(err.Error(), "$.raw: expected bytes of at most 2 bytes") {
		t.Errorf("got %v", err)
	}
}

// Who has no rules pays nothing: there is nothing to check.
func TestNoAnyRules(t *testing.T) {
	for _, typ := range []reflect.Type{reflect.TypeFor[unruled](), reflect.TypeFor[any](), reflect.TypeFor[[]int]()} {
		layout, err := Of(typ)
		if err != nil {
			t.Fatal(err)
		}
		if layout.AnyRules() != nil {
			t.Errorf("%s has rules", typ)
		}
	}
}
