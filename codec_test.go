package levada_test

import (
	"strings"
	"testing"

	"github.com/levada-io/levada"
)

func TestStrictCodecs(t *testing.T) {
	const twice = `{"a":1,"a":2}`
	lax, strict := levada.JSON[map[string]int](), levada.JSON[map[string]int]().Strict()
	if v, err := lax.Decode([]byte(twice)); err != nil || v["a"] != 2 {
		t.Errorf("JSON: got %v, %v", v, err)
	}
	if _, err := strict.Decode([]byte(twice)); err == nil || !strings.Contains(err.Error(), "$.a: member comes twice") {
		t.Errorf("strict JSON: got %v", err)
	}
	const packed = "\x82\xa1a\x01\xa1a\x02"
	if v, err := levada.Msgpack[map[string]int]().Decode([]byte(packed)); err != nil || v["a"] != 2 {
		t.Errorf("msgpack: got %v, %v", v, err)
	}
	if _, err := levada.Msgpack[map[string]int]().Strict().Decode([]byte(packed)); err == nil || !strings.Contains(err.Error(), "twice") {
		t.Errorf("strict msgpack: got %v", err)
	}
}

// Strictness is about reading, so that nobody may believe a serialize to be strict.
func TestStrictSerialize(t *testing.T) {
	p := levada.New("p")
	p.Source("in", levada.Topic("in")).
		Parse("parse", levada.Msgpack[string]().Strict()).
		Serialize("print", levada.JSON[string]().Strict()).
		Sink("out", levada.Topic("out"))
	if _, err := p.Plan(); err == nil || !strings.Contains(err.Error(), `a serialize takes no setting "strict"`) {
		t.Errorf("got %v", err)
	}
}
