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

// A codec by itself reads and writes what the pipeline with it does.
func TestPrefixes(t *testing.T) {
	const schema, newer = `{"type":"map","values":"int"}`, `{"type":"map","values":"double"}`
	for name, c := range map[string]struct {
		encode func(map[string]int) ([]byte, error)
		decode func([]byte) (map[string]float64, error)
		head   string
	}{
		"json":    {levada.JSON[map[string]int]().Confluent(7).Encode, levada.JSON[map[string]float64]().Confluent(7).Decode, "\x00\x00\x00\x00\x07{"},
		"msgpack": {levada.Msgpack[map[string]int]().Confluent(7).Encode, levada.Msgpack[map[string]float64]().Confluent(7).Decode, "\x00\x00\x00\x00\x07\x81"},
		"avro":    {levada.Avro[map[string]int](schema).Confluent(7).Encode, levada.Avro[map[string]float64](newer).Writer(schema).Confluent(7).Decode, "\x00\x00\x00\x00\x07\x02"},
		"single":  {levada.Avro[map[string]int](schema).SingleObject().Encode, levada.Avro[map[string]float64](newer).Writer(schema).SingleObject().Decode, "\xc3\x01"},
	} {
		message, err := c.encode(map[string]int{"a": 3})
		if err != nil || !strings.HasPrefix(string(message), c.head) {
			t.Errorf("%s: %x, %v", name, message, err)
			continue
		}
		if back, err := c.decode(message); err != nil || back["a"] != 3 {
			t.Errorf("%s: %v, %v", name, back, err)
		}
		if _, err := c.decode(message[1:]); err == nil {
			t.Errorf("%s: half a prefix is read", name)
		}
	}
	if _, err := levada.Avro[int](`"int"`).Confluent(0).Encode(1); err == nil || !strings.Contains(err.Error(), "expected the number of the schema (id), or a lock that has it, got neither") {
		t.Errorf("got %v", err)
	}
	if _, err := levada.Avro[int](`"int"`).Confluent(-1).Encode(1); err == nil || !strings.Contains(err.Error(), "id: expected the number of a schema, 1 to 2147483647, got -1") {
		t.Errorf("got %v", err)
	}
}

// Std is json/v2 in both directions; what it can not say is told by the plan.
func TestStdCodec(t *testing.T) {
	type order struct {
		ID   int               `json:"id"`
		Tags []string          `json:"tags"`
		Rest map[string]string `json:"rest"`
	}
	c := levada.JSON[order]().Std()
	v, err := c.Decode([]byte(`{"id":7}`))
	if err != nil || v.ID != 7 {
		t.Errorf("got %+v, %v", v, err)
	}
	if out, err := c.Encode(v); err != nil || string(out) != `{"id":7,"tags":null,"rest":null}` {
		t.Errorf("got %s, %v", out, err)
	}
	const twice = `{"id":7,"id":8}`
	if v, err := c.Decode([]byte(twice)); err != nil || v.ID != 8 {
		t.Errorf("got %+v, %v", v, err)
	}
	if _, err := c.Strict().Decode([]byte(twice)); err == nil || !strings.HasPrefix(err.Error(), "$.id: malformed JSON at byte 8: duplicate object member name") {
		t.Errorf("strict: got %v", err)
	}
	message, err := c.Confluent(7).Encode(v)
	if err != nil || !strings.HasPrefix(string(message), "\x00\x00\x00\x00\x07{") {
		t.Errorf("with a number: %q, %v", message, err)
	}
	if back, err := c.Confluent(7).Decode(message); err != nil || back.ID != 7 {
		t.Errorf("with a number: %+v, %v", back, err)
	}
	if _, err := levada.JSON[levada.Opt[int]]().Std().Decode([]byte("1")); err == nil {
		t.Error("accepted a type that has no layout")
	}
	if _, err := levada.Msgpack[order]().Std().Decode(nil); err == nil || !strings.Contains(err.Error(), `expected the settings strict (true or false), prefix and id`) {
		t.Errorf("msgpack: got %v", err)
	}
}
