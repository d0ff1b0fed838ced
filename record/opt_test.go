package record_test

import (
	"encoding/json/v2"
	"testing"

	"github.com/levada-io/levada/record"
)

func TestOpt(t *testing.T) {
	type patch struct {
		Name record.Opt[string] `json:"name,omitzero"`
		Tags record.Opt[[]int]  `json:"tags,omitzero"`
	}
	for _, text := range []string{`{}`, `{"name":null}`, `{"name":""}`, `{"name":"x","tags":[1]}`, `{"tags":null}`} {
		var p patch
		if err := json.Unmarshal([]byte(text), &p); err != nil {
			t.Fatal(err)
		}
		if got, err := json.Marshal(p); err != nil || string(got) != text {
			t.Errorf("%s became %s, %v", text, got, err)
		}
	}
	var zero record.Opt[int]
	if v, ok := zero.Get(); v != 0 || ok || !zero.IsZero() || zero.IsNull() {
		t.Errorf("the zero Opt is not absent: %+v", zero)
	}
	if n := record.Null[int](); !n.IsNull() || n.IsZero() {
		t.Errorf("got %+v", n)
	}
	if v, ok := record.Some(3).Get(); v != 3 || !ok {
		t.Errorf("got %d, %t", v, ok)
	}
	if got, err := json.Marshal(zero); err != nil || string(got) != "null" {
		t.Errorf("got %s, %v", got, err)
	}
}
