package frame

import (
	"encoding/json/jsontext"
	"fmt"
	"math/big"
	"reflect"
	"strings"
	"testing"
	"unsafe"

	"pgregory.net/rapid"
)

// Kept has JSON in all the places where it may stand.
type Kept struct {
	Raw   jsontext.Value            `json:"raw,omitzero"`
	List  []jsontext.Value          `json:"list,omitempty"`
	Map   map[string]jsontext.Value `json:"map,omitempty"`
	Pair  *[2]jsontext.Value        `json:"pair,omitempty"`
	Down  *Kept                     `json:"down,omitempty"`
	Downs map[string]Kept           `json:"downs,omitempty"`
	Way   Way                       `json:"way,omitzero"`
	Extra jsontext.Value            `json:",embed"`
}

// Text that a step puts into an any keeps its digits, too.
func TestDigitsInAny(t *testing.T) {
	v := any(map[string]any{"a": []any{jsontext.Value(`[1e400,{"c":1,"b":0.10}]`)}})
	out, err := must2(NewTextEncoder(anyType)).Append(nil, unsafe.Pointer(&v))
	if want := `{"a":[[1e400,{"c":1,"b":0.1}]]}`; err != nil || string(out) != want {
		t.Errorf("got %s, %v, want %s", out, err, want)
	}
}

// TestDigitsSurvive: a number that neither an integer of 64 bits nor a double has is
// written with the digits that it came with, wherever a Go value keeps it as JSON.
func TestDigitsSurvive(t *testing.T) {
	for _, word := range []string{
		"18446744073709551616", "-9223372036854775809", "123456789012345678901234567890", "0.12345678901234567890123", "1e400", "-1E+400", "1e-999",
		"4.94065645841247e-324", "0.1000000000000000055511151231257827", "9007199254740993.0", "3" + strings.Repeat("0", 400),
	} {
		for _, text := range []string{
			`{"raw":%s}`, `{"raw":{"b":[%s],"a":1}}`, `{"list":[%s]}`, `{"pair":[1,%s]}`, `{"map":{"k":%s}}`, `{"down":{"raw":%s,"x":%[1]s}}`, `{"downs":{"k":{"raw":%s}}}`,
			`{"way":{"road":1,"x":%s}}`, `{"x":%s}`, `{"x":{"y":[%s,{"z":%[1]s}]},"w":1}`,
		} {
			text = fmt.Sprintf(text, word)
			var v Kept
			if err := must2(NewTextDecoder(reflect.TypeFor[Kept](), true)).Value([]byte(text), unsafe.Pointer(&v)); err != nil {
				t.Errorf("%s: %v", text, err)
				continue
			}
			out, err := must2(NewTextEncoder(reflect.TypeFor[Kept]())).Append(nil, unsafe.Pointer(&v))
			if want := strings.Replace(text, `{"b":[`+word+`],"a":1}`, `{"a":1,"b":[`+word+`]}`, 1); err != nil || string(out) != want {
				t.Errorf("%s came back as %s, %v", want, out, err)
			}
		}
	}
}

// Every other number is spelled as ever, and none changes its value.
func TestDigitsDrawn(t *testing.T) {
	dec, enc := must2(NewTextDecoder(reflect.TypeFor[Kept](), false)), must2(NewTextEncoder(reflect.TypeFor[Kept]()))
	rapid.Check(t, func(t *rapid.T) {
		word := rapid.StringMatching(`-?(0|[1-9][0-9]{0,22})(\.[0-9]{1,22})?([eE][+-]?[0-9]{1,3})?`).Draw(t, "word")
		var v Kept
		if err := dec.Value([]byte(`{"x":`+word+`}`), unsafe.Pointer(&v)); err != nil {
			t.Fatalf("%s: %v", word, err)
		}
		out, err := enc.Append(nil, unsafe.Pointer(&v))
		if err != nil {
			t.Fatalf("%s: %v", word, err)
		}
		back := strings.TrimSuffix(strings.TrimPrefix(string(out), `{"x":`), "}")
		was, _ := new(big.Rat).SetString(word)
		is, ok := new(big.Rat).SetString(back)
		if !ok || was.Cmp(is) != 0 {
			t.Fatalf("%s became %s", word, back)
		}
		frame, err := Any().ParseJSON(nil, []byte(word))
		if err != nil {
			return // beyond what a double has
		}
		shortest := must2(Any().AppendJSON(nil, frame))
		if is, _ := new(big.Rat).SetString(string(shortest)); is.Cmp(was) == 0 && back != string(shortest) {
			t.Fatalf("%s became %s, expected %s", word, back, shortest)
		}
	})
}

// No frame has such a number, whoever wrote it.
func TestDigitsAreInNoFrame(t *testing.T) {
	digits := appendBlob([]byte{byte(tagDigits)}, []byte("1e400"))
	if _, err := Any().AppendJSON(nil, digits); err == nil || !strings.Contains(err.Error(), "frame: 12 as a tag of any") {
		t.Errorf("got %v", err)
	}
	if _, err := ReadAny(digits); err == nil {
		t.Error("expected an error, got none")
	}
	v := Kept{Extra: jsontext.Value(`{"x":1e400}`)}
	if _, err := must2(NewEncoder(reflect.TypeFor[Kept]())).Append(nil, unsafe.Pointer(&v)); err == nil || err.Error() != "$.x: expected float64, got 1e400" {
		t.Errorf("got %v", err)
	}
}
