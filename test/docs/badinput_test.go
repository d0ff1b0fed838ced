package docs

import (
	"bytes"
	"encoding/binary"
	"encoding/json/jsontext"
	"fmt"
	"math"
	"reflect"
	"slices"
	"strings"
	"testing"
	"unicode"
	"unicode/utf8"

	"github.com/levada-io/levada/codec"
	"github.com/levada-io/levada/codec/avro"
	"github.com/levada-io/levada/codec/json"
	"github.com/levada-io/levada/codec/msgpack"
	"github.com/levada-io/levada/codec/protobuf"
	"github.com/levada-io/levada/internal/frame"
	"github.com/levada-io/levada/plan/testdata/visitpb"
)

// bad is a message that is wrong, or nearly so.
type bad struct {
	item    string
	message string
	shown   string // empty: the message as it is
	// want are what becomes of it, first of a lenient parse, then of a strict one: r it is
	// read, x it is refused. The page shows how; a new golden can not turn one into the other.
	want string
}

// reading is what the messages are read as, by a Go step and, as a frame, by one in Python.
type reading struct {
	ID    int64            `json:"id"`
	Count uint64           `json:"count,omitzero"`
	Score float64          `json:"score,omitzero"`
	Name  string           `json:"name,omitzero"`
	Tags  map[string]int64 `json:"tags,omitempty"`
	Free  any              `json:"free,omitempty"`
	Extra jsontext.Value   `json:",embed"`
}

// record is a reading of Avro, whose schema has all members that there are.
type record struct {
	ID    int64            `json:"id"`
	Score float64          `json:"score,omitzero"`
	Name  string           `json:"name,omitzero"`
	Kind  string           `json:"kind,omitzero"`
	Tags  map[string]int64 `json:"tags,omitempty"`
	List  []int64          `json:"list,omitempty"`
	Down  *record          `json:"down,omitempty"`
}

const recordSchema = `{"type": "record", "name": "R", "fields": [
	{"name": "id", "type": "long"}, {"name": "score", "type": "double"}, {"name": "name", "type": "string"},
	{"name": "kind", "type": {"type": "enum", "name": "K", "symbols": ["a", "b"]}},
	{"name": "tags", "type": {"type": "map", "values": "long"}}, {"name": "list", "type": {"type": "array", "items": "long"}},
	{"name": "down", "type": ["null", "R"]}]}`

// visit is one of protocol buffers, by a schema.
type visit struct {
	User   string           `json:"user"`
	Ms     int64            `json:"ms"`
	Tags   map[string]int64 `json:"tags,omitempty"`
	Card   *string          `json:"card,omitzero"`
	Cash   *int64           `json:"cash,omitzero"`
	Before *visit           `json:"before,omitzero"`
	Codes  []uint32         `json:"codes,omitempty"`
}

const visitSchema = `syntax = "proto2"; message Visit {
	required string user = 1; required sint64 ms = 2; map<int32, int64> tags = 3;
	oneof paid { string card = 4; int64 cash = 5; }
	optional Visit before = 6; repeated uint32 codes = 7;
}`

// hostile is a codec and the messages for it.
type hostile struct {
	name, about string
	codec       codec.Adjustable
	settings    string // beside strict
	typ         reflect.Type
	good        string
	// ends are the places where a message may end and be whole.
	ends  []int
	cases []bad
}

func deep(open, inner, shut string, n int) string {
	return strings.Repeat(open, n) + inner + strings.Repeat(shut, n)
}

func float(x float64) string {
	return string(binary.BigEndian.AppendUint64(nil, math.Float64bits(x)))
}

func hostiles() []hostile {
	const id = `{"id":1,`
	lens := func(n uint64, text string) string {
		return string(append(binary.AppendUvarint(binary.AppendUvarint(nil, n<<3|2), uint64(len(text))), text...))
	}
	number := func(n, v uint64) string {
		return string(binary.AppendUvarint(binary.AppendUvarint(nil, n<<3), v))
	}
	tree := ""
	for range 10_001 {
		tree = lens(2, tree)
		if len(tree) > 1<<20 { // the lengths of what is outside grow
			break
		}
	}
	little := func(x float64) string { return string(binary.LittleEndian.AppendUint64(nil, math.Float64bits(x))) }
	// One of Avro: id, score, name, kind, tags, list, down.
	avroOf := func(score, name, kind, tags, list, down string) string {
		return "\x02" + score + name + kind + tags + list + down
	}
	zero := little(0)
	list := []hostile{
		{
			name: "JSON", codec: json.New(), typ: reflect.TypeFor[reading](),
			good: `{"id":1,"count":2,"score":1.5,"name":"a","tags":{"k":1},"free":[true,null],"more":"x"}`,
			cases: []bad{
				{"nothing in it", "", "(empty)", "xx"},
				{"only white space", " \n", "", "xx"},
				{"cut short", id + `"name":"a`, "", "xx"},
				{"more behind it", `{"id":1} {}`, "", "xx"},
				{"byte order mark", "\ufeff{\"id\":1}", "", "xx"},
				{"another kind", `[1]`, "", "xx"},
				{"null as a whole", `null`, "", "xx"},
				{"a member is missing", `{"name":"a"}`, "", "xx"},
				{"a member is null", `{"id":null}`, "", "xx"},
				{"text for an integer", `{"id":"1"}`, "", "xx"},
				{"fraction for an integer", `{"id":1.0}`, "", "xx"},
				{"number with a zero in front", `{"id":01}`, "", "xx"},
				{"trailing comma", `{"id":1,}`, "", "xx"},
				{"comment", `{"id":1/* one */}`, "", "xx"},
				{"10,000 levels", id + `"free":` + deep("[", "", "]", 9_999) + `}`, "`free` of 9,999 arrays", "rr"},
				{"10,001 levels", id + `"free":` + deep("[", "", "]", 10_000) + `}`, "`free` of 10,000 arrays", "xx"},
				{"10,001 levels in an unknown member", id + `"more":` + deep(`{"a":`, "1", "}", 10_000) + `}`, "`more` of 10,000 objects", "xx"},
				{"a member twice", `{"id":1,"id":2}`, "", "rx"},
				{"an unknown member twice", `{"id":1,"more":1,"more":2}`, "", "rx"},
				{"a key of a map twice", id + `"tags":{"k":1,"k":2}}`, "", "rx"},
				{"a name twice within any", id + `"free":{"k":1,"k":2}}`, "", "rx"},
				{"2^53 + 1 as an integer", `{"id":9007199254740993}`, "", "rr"},
				{"2^53 + 1 as a float", id + `"score":9007199254740993}`, "", "rr"},
				{"2^53 + 1 as any, and unknown", id + `"free":9007199254740993,"more":9007199254740993}`, "", "rr"},
				{"2^63 as an int64", `{"id":9223372036854775808}`, "", "xx"},
				{"2^64 as a uint64", id + `"count":18446744073709551616}`, "", "xx"},
				{"-1 as a uint64", id + `"count":-1}`, "", "xx"},
				{"2^64 as any", id + `"free":18446744073709551616}`, "", "rr"},
				{"2^64 in an unknown member", id + `"more":18446744073709551616}`, "", "rr"},
				{"1e400", id + `"score":1e400}`, "", "xx"},
				{"1e400 as any", id + `"free":1e400}`, "", "xx"},
				{"1e400 in an unknown member", id + `"more":1e400}`, "", "rr"},
				{"digits beyond a float, as any", id + `"free":0.12345678901234567890}`, "", "rr"},
				{"digits beyond a float, unknown", id + `"more":0.12345678901234567890}`, "", "rr"},
				{"NaN", id + `"score":NaN}`, "", "xx"},
				{"Infinity", id + `"score":-Infinity}`, "", "xx"},
				{"negative zero", id + `"score":-0.0}`, "", "rr"},
				{"text that is no UTF-8", id + "\"name\":\"a\xff\"}", "", "rx"},
				{"a name that is no UTF-8", "{\"id\":1,\"m\xff\":1}", "", "rx"},
				{"unknown text that is no UTF-8", id + "\"more\":\"a\xff\"}", "", "rx"},
				{"half a surrogate pair", id + `"name":"\ud83d"}`, "", "rx"},
				{"half a pair in an unknown member", id + `"more":"\ud83d"}`, "", "rx"},
				{"a surrogate as bytes", id + "\"name\":\"\xed\xa0\x80\"}", "", "rx"},
				{"NUL escaped", id + `"name":"\u0000"}`, "", "rr"},
				{"control character", id + "\"name\":\"\x01\"}", "", "xx"},
			},
		},
		{
			name: "MessagePack", codec: msgpack.New(), typ: reflect.TypeFor[reading](),
			good: "\x85\xa2id\x01\xa4name\xa1a\xa4tags\x81\xa1k\x01\xa4free\x92\xc3\xc0\xa4more\xa1x",
			cases: []bad{
				{"nothing in it", "", "(empty)", "xx"},
				{"cut short", "\x82\xa2id\x01\xa4name\xa5a", "", "xx"},
				{"more behind it", "\x81\xa2id\x01\x01", "", "xx"},
				{"a byte that begins nothing", "\x81\xa2id\xc1", "", "xx"},
				{"an array of 2^32 - 1", "\x82\xa2id\x01\xa4free\xdd\xff\xff\xff\xff", "", "xx"},
				{"text of 2^32 - 1 bytes", "\x82\xa2id\x01\xa4name\xdb\xff\xff\xff\xff", "", "xx"},
				{"a map of 2^32 - 1", "\xdf\xff\xff\xff\xff", "", "xx"},
				{"another kind", "\x91\x01", "", "xx"},
				{"nil as a whole", "\xc0", "", "xx"},
				{"a member is missing", "\x80", "", "xx"},
				{"text for an integer", "\x81\xa2id\xa11", "", "xx"},
				{"a float for an integer", "\x81\xa2id\xcb" + float(1), "", "xx"},
				{"bin for text", "\x82\xa2id\x01\xa4name\xc4\x01a", "", "xx"},
				{"a number as key", "\x82\xa2id\x01\x01\x01", "", "xx"},
				{"an extension in any", "\x82\xa2id\x01\xa4free\xd4\x05\x00", "", "xx"},
				{"an extension in an unknown member", "\x82\xa2id\x01\xa4more\xd4\x05\x00", "", "xx"},
				{"10,000 levels", "\x82\xa2id\x01\xa4free" + deep("\x91", "\xc0", "", 9_999), "`free` of 9,999 arrays", "rr"},
				{"10,001 levels", "\x82\xa2id\x01\xa4free" + deep("\x91", "\xc0", "", 10_000), "`free` of 10,000 arrays", "xx"},
				{"a member twice", "\x82\xa2id\x01\xa2id\x02", "", "rx"},
				{"an unknown member twice", "\x83\xa2id\x01\xa4more\x01\xa4more\x02", "", "rx"},
				{"a key of a map twice", "\x82\xa2id\x01\xa4tags\x82\xa1k\x01\xa1k\x02", "", "rx"},
				{"2^63 as an int64", "\x81\xa2id\xcf\x80\x00\x00\x00\x00\x00\x00\x00", "", "xx"},
				{"-1 as a uint64", "\x82\xa2id\x01\xa5count\xff", "", "xx"},
				{"2^64 - 1 as any, and unknown", "\x83\xa2id\x01\xa4free\xcf" + strings.Repeat("\xff", 8) + "\xa4more\xcf" + strings.Repeat("\xff", 8), "", "rr"},
				{"NaN", "\x82\xa2id\x01\xa5score\xcb" + float(math.NaN()), "", "rr"},
				{"infinity", "\x82\xa2id\x01\xa5score\xcb" + float(math.Inf(1)), "", "rr"},
				{"NaN in an unknown member", "\x82\xa2id\x01\xa4more\xcb" + float(math.NaN()), "", "xx"},
				{"text that is no UTF-8", "\x82\xa2id\x01\xa4name\xa2a\xff", "", "rx"},
				{"unknown text that is no UTF-8", "\x82\xa2id\x01\xa4more\xa2a\xff", "", "rx"},
				{"a surrogate as bytes", "\x82\xa2id\x01\xa4name\xa3\xed\xa0\x80", "", "rx"},
				{"NUL", "\x82\xa2id\x01\xa4name\xa1\x00", "", "rr"},
			},
		},
		{
			name: "Protocol buffers", codec: protobuf.New(), typ: reflect.TypeFor[*visitpb.Visit](),
			good: lens(1, "u") + number(2, 2) + lens(4, lens(1, "s")+number(2, 1)) + lens(7, "n"),
			ends: []int{0, 3, 5, 12},
			cases: []bad{
				{"nothing in it", "", "(empty)", "rr"},
				{"cut short in a field", "\x0a\x05u", "", "xx"},
				{"a length of 2^32 - 1", "\x0a\xff\xff\xff\xff\x0f", "", "xx"},
				{"a number without an end", "\x10" + strings.Repeat("\xff", 11), "", "xx"},
				{"field number 0", "\x00\x01", "", "xx"},
				{"the end of a group that did not begin", "\x0c", "", "xx"},
				{"a wire type that there is not", "\x0f", "", "xx"},
				{"a known field of another wire type", number(1, 1), "", "rx"},
				{"an unknown field", lens(99, "x"), "", "rx"},
				{"a field twice", lens(1, "a") + lens(1, "b"), "", "rr"},
				{"a uint32 of 2^32 + 1", lens(4, number(2, 1<<32+1)), "", "rr"},
				{"an enum's number that it has not", number(3, 9), "", "rr"},
				{"NaN", lens(4, "\x19"+little(math.NaN())), "", "rr"},
				{"text that is no UTF-8", lens(1, "a\xff"), "", "xx"},
				{"a surrogate as bytes", lens(1, "\xed\xa0\x80"), "", "xx"},
			},
		},
		{
			name: "Avro", codec: avro.New(), settings: `"schema":` + quoted(recordSchema), typ: reflect.TypeFor[record](),
			good: avroOf(little(1.5), "\x02a", "\x00", "\x02\x02k\x02\x00", "\x02\x02\x00", "\x00"),
			cases: []bad{
				{"nothing in it", "", "(empty)", "xx"},
				{"cut short", "\x02" + zero + "\x0aa", "", "xx"},
				{"more behind it", avroOf(zero, "\x00", "\x00", "\x00", "\x00", "\x00") + "\x00", "", "xx"},
				{"a number without an end", strings.Repeat("\xff", 11), "", "xx"},
				{"a number beyond 64 bits", strings.Repeat("\xff", 9) + "\x7f", "", "xx"},
				{"a length below zero", avroOf(zero, "\x01", "", "", "", ""), "", "xx"},
				{"text of 2^31 bytes", avroOf(zero, "\x80\x80\x80\x80\x10", "", "", "", ""), "", "xx"},
				{"an array of 2^31", avroOf(zero, "\x00", "\x00", "\x00", "\x80\x80\x80\x80\x10", ""), "", "xx"},
				{"a symbol that the enum has not", avroOf(zero, "\x00", "\x04", "", "", ""), "", "xx"},
				{"a branch that the union has not", avroOf(zero, "\x00", "\x00", "\x00", "\x00", "\x04"), "", "xx"},
				{"10,001 levels", strings.Repeat(avroOf(zero, "\x00", "\x00", "\x00", "\x00", "\x02"), 10_000), "`down` of `down`, 10,000 times", "xx"},
				{"a key of a map twice", avroOf(zero, "\x00", "\x00", "\x04\x02k\x02\x02k\x04\x00", "\x00", "\x00"), "", "rx"},
				{"NaN", avroOf(little(math.NaN()), "\x00", "\x00", "\x00", "\x00", "\x00"), "", "rr"},
				{"text that is no UTF-8", avroOf(zero, "\x04a\xff", "\x00", "\x00", "\x00", "\x00"), "", "rx"},
				{"a surrogate as bytes", avroOf(zero, "\x06\xed\xa0\x80", "\x00", "\x00", "\x00", "\x00"), "", "rx"},
			},
		},
		{
			name: "Protocol buffers that contain themselves", codec: protobuf.New(), typ: reflect.TypeFor[*visitpb.Tree](), good: lens(1, "a"), ends: []int{0},
			cases: []bad{{"10,001 levels", tree, "`down` of `down`, 10,001 times", "xx"}},
		},
		{
			name: "Protocol buffers with a oneof", codec: protobuf.New(), typ: reflect.TypeFor[*visitpb.Bill](),
			good: lens(1, "u") + lens(2, "card"), ends: []int{0, 3},
			cases: []bad{
				{"two of its members", lens(2, "card") + number(3, 5), "", "rr"},
				{"a message of it in two parts", lens(4, lens(1, "s")) + lens(4, number(2, 1)), "", "rr"},
				{"a member of another wire type", number(2, 5), "", "rx"},
				{"a key of a map twice", lens(6, number(1, 7)+lens(2, "a")) + lens(6, number(1, 7)+lens(2, "b")), "", "rr"},
				{"an int32 of 2^32 + 1 as the key of a map", lens(6, number(1, 1<<32+1)+lens(2, "a")), "", "rr"},
			},
		},
		{
			name: "Protocol buffers by a schema", codec: protobuf.New(), settings: `"schema":` + quoted(visitSchema), typ: reflect.TypeFor[visit](),
			good: lens(1, "u") + number(2, 2) + lens(4, "card") + lens(7, "\x01\x02"), ends: []int{5, 11},
			cases: []bad{
				{"nothing in it", "", "(empty)", "xx"},
				{"a required field is missing", lens(1, "u"), "", "xx"},
				{"a required field of a message is missing", lens(1, "u") + number(2, 2) + lens(6, ""), "", "xx"},
				{"cut short in a field", "\x0a\x05u", "", "xx"},
				{"a length of 2^32 - 1", "\x0a\xff\xff\xff\xff\x0f", "", "xx"},
				{"a number without an end", "\x10" + strings.Repeat("\xff", 11), "", "xx"},
				{"a number without an end, packed", lens(1, "u") + number(2, 2) + lens(7, "\x01\xff"), "", "xx"},
				{"field number 0", "\x00\x01", "", "xx"},
				{"the end of a group that did not begin", "\x0c", "", "xx"},
				{"a known field of another wire type", lens(1, "u") + number(2, 2) + number(4, 1), "", "rx"},
				{"an unknown field", lens(1, "u") + number(2, 2) + lens(99, "x"), "", "rx"},
				{"a field twice", lens(1, "a") + lens(1, "b") + number(2, 2), "", "rr"},
				{"a message in two parts", lens(1, "u") + number(2, 2) + lens(6, lens(1, "v")) + lens(6, number(2, 4)), "", "rr"},
				{"two members of a oneof", lens(1, "u") + number(2, 2) + lens(4, "card") + number(5, 7), "", "rr"},
				{"a key of a map twice", lens(1, "u") + number(2, 2) + lens(3, number(1, 7)+number(2, 1)) + lens(3, number(1, 7)+number(2, 2)), "", "rr"},
				{"a uint32 of 2^32 + 1", lens(1, "u") + number(2, 2) + number(7, 1<<32+1), "", "rr"},
				{"text that is no UTF-8, in proto2", lens(1, "a\xff") + number(2, 2), "", "rr"},
			},
		},
		{
			name: "A number of a schema in front", codec: json.New(), settings: `"prefix":"confluent","id":7`, typ: reflect.TypeFor[reading](),
			good: "\x00\x00\x00\x00\x07{\"id\":1}",
			cases: []bad{
				{"none", `{"id":1}`, "", "xx"},
				{"cut short", "\x00\x00\x00", "", "xx"},
				{"nothing behind it", "\x00\x00\x00\x00\x07", "", "xx"},
				{"another number", "\x00\x00\x00\x00\x09{\"id\":1}", "", "xx"},
				{"another first byte", "\x01\x00\x00\x00\x07{\"id\":1}", "", "xx"},
			},
		},
		{
			name: "A fingerprint in front", codec: avro.New(), settings: `"prefix":"single_object","schema":` + quoted(`"long"`), typ: reflect.TypeFor[int64](),
			good: fingerprinted(`"long"`) + "\x02",
			cases: []bad{
				{"none", "\x02", "", "xx"},
				{"cut short", "\xc3\x01\x00", "", "xx"},
				{"of a schema that is not known", "\xc3\x01\x00\x01\x02\x03\x04\x05\x06\x07\x02", "", "xx"},
			},
		},
	}
	return list
}

// fingerprinted is the prefix of the messages of a schema.
func fingerprinted(schema string) string {
	c, err := avro.New().With([]byte(`{"prefix":"single_object","schema":` + quoted(schema) + `}`))
	if err != nil {
		panic(err)
	}
	b, err := c.Bind(reflect.TypeFor[int64]())
	if err != nil {
		panic(err)
	}
	message, err := b.Append(nil, new(int64))
	if err != nil {
		panic(err)
	}
	return string(message[:len(message)-1])
}

func quoted(s string) string {
	b, _ := jsontext.AppendQuote(nil, s)
	return string(b)
}

// badInput is the page: messages as they are read now, and what tests say of the rest.
func badInput(t *testing.T, byRow map[string][]shown) []byte {
	t.Helper()
	var b bytes.Buffer
	b.WriteString(`# Bad input for types and codecs

Written by ` + "`make gen`" + `: the messages below are read when the page is, by a parse into a Go
type and by one into a frame for Python, and where only one result stands they agree; the
other tables are from comments in tests, as [faults](faults.md) are. What is refused is a
failed message, to which the policy of the parse applies: nothing is lost. Schemas that are
refused end ` + "`levada schema`" + `, and what is given ` + "`--schemas`" + `, with 78. In a message, ` + "`...`" + ` stands for
what differs.

## Messages

What stands in a table as JSON was read, and is shown as a serialize writes it. Every
message of the tests is cut at each of its bytes, too: what is left is refused, strict or
not.
`)
	b.Write(badMessages(t))
	tables(&b, inputs, byRow)
	return b.Bytes()
}

// ways are the two in which a message is read: into a Go value, and into a frame.
type ways struct {
	typ   reflect.Type
	bound codec.Bound
	print codec.Bound // JSON, to show what was read
	wire  frame.Wire  // nil: the codec needs a Go type
	back  *frame.Layout
}

func (h hostile) bind(t *testing.T, strict bool) *ways {
	t.Helper()
	settings := fmt.Sprintf(`{"strict":%t`, strict)
	if h.settings != "" {
		settings += "," + h.settings
	}
	c, err := h.codec.With([]byte(settings + "}"))
	if err == nil {
		if r, ok := c.(codec.Registered); ok {
			c, err = r.Registered(nil, false)
		}
	}
	if err != nil {
		t.Fatalf("%s: %v", h.name, err)
	}
	w := &ways{typ: h.typ}
	if w.bound, err = c.Bind(h.typ); err != nil {
		t.Fatalf("%s: %v", h.name, err)
	}
	if w.print, err = json.New().Bind(h.typ); err != nil {
		t.Fatalf("%s: %v", h.name, err)
	}
	if wired, ok := c.(interface {
		Wire(*frame.Layout) (frame.Wire, error)
	}); ok {
		if w.back, err = frame.Of(h.typ); err != nil {
			t.Fatalf("%s: %v", h.name, err)
		}
		if w.wire, err = wired.Wire(w.back); err != nil {
			t.Fatalf("%s: %v", h.name, err)
		}
	}
	return w
}

// value reads a message into a Go value.
func (w *ways) value(message string) (said string, err error) {
	v := reflect.New(w.typ).Interface()
	if err := w.bound.Decode([]byte(message), v); err != nil {
		return "", err
	}
	text, err := w.print.Append(nil, v)
	return printed(text, err), nil
}

// frame reads a message into a frame.
func (w *ways) frame(message string) (said string, err error) {
	c, fatal := w.wire.Read([][]byte{[]byte(message)}, func(_ int, e error) { err = e })
	switch {
	case fatal != nil:
		return "", fmt.Errorf("BUG: %w", fatal)
	case err != nil:
		return "", err
	}
	text, err := w.back.AppendJSON(nil, c.Value(0))
	return printed(text, err), nil
}

func printed(text []byte, err error) string {
	switch {
	case err != nil:
		return "a value that JSON has not: `" + err.Error() + "`"
	case len(text) > 100:
		return "read"
	}
	return "`" + string(text) + "`"
}

// visible is a message as the page shows it.
func visible(message string) string {
	if !utf8.ValidString(message) || strings.ContainsFunc(message, func(r rune) bool { return !unicode.IsGraphic(r) }) {
		var b strings.Builder
		for i := 0; i < len(message); {
			r, n := utf8.DecodeRuneInString(message[i:])
			if r == utf8.RuneError && n == 1 || !unicode.IsGraphic(r) && r < 0x80 {
				fmt.Fprintf(&b, `\x%02x`, message[i])
				i++
				continue
			}
			if !unicode.IsGraphic(r) {
				fmt.Fprintf(&b, `\u%04x`, r)
			} else {
				b.WriteString(message[i : i+n])
			}
			i += n
		}
		message = b.String()
	}
	return "`" + message + "`"
}

// badMessages reads all of them and writes the tables.
func badMessages(t *testing.T) []byte {
	var b bytes.Buffer
	for _, h := range hostiles() {
		fmt.Fprintf(&b, "\n### %s\n\n", h.name)
		b.WriteString("| what is wrong | message | lenient | strict |\n|---|---|---|---|\n")
		both := []*ways{h.bind(t, false), h.bind(t, true)}
		for _, c := range h.cases {
			shown := c.shown
			if shown == "" {
				shown = visible(c.message)
			}
			fmt.Fprintf(&b, "| %s | %s |", cell(c.item), cell(shown))
			lenient, strict := both[0].says(t, h.name, c, c.want[0]), both[1].says(t, h.name, c, c.want[1])
			if strict == lenient {
				strict = "the same"
			}
			fmt.Fprintf(&b, " %s | %s |\n", cell(lenient), cell(strict))
		}
		h.cutEverywhere(t, both)
		if len(h.ends) == 0 {
			continue
		}
		fmt.Fprintf(&b, "\nA message that ends where one of its fields does is a message, here as everywhere with protocol buffers.\n")
	}
	return b.Bytes()
}

// says reads a message both ways, holds that they agree, and is what became of it.
func (w *ways) says(t *testing.T, name string, c bad, want byte) string {
	t.Helper()
	said, err := w.value(c.message)
	if (err == nil) != (want == 'r') {
		t.Errorf("%s: %s: %.200q: expected %c, got %.300q, %v", name, c.item, c.message, want, said, err)
	}
	if err != nil {
		said = w.refused(t, name, c, err)
	}
	if w.wire == nil {
		return said
	}
	other, err := w.frame(c.message)
	if err != nil {
		other = w.refused(t, name, c, err)
	}
	if other != said {
		return "in Go " + said + ", in Python " + other
	}
	return said
}

// refused holds what every refusal has: the place, and an end.
func (w *ways) refused(t *testing.T, name string, c bad, err error) string {
	t.Helper()
	text := err.Error()
	if !strings.HasPrefix(text, "$") || strings.Contains(text, "BUG") || len(text) > 1000 {
		t.Errorf("%s: %s: expected a path and what is wrong, got %.1200q", name, c.item, text)
	}
	text, _, _ = strings.Cut(text, "\n") // a hint stands on lines of its own
	if path, what, ok := strings.Cut(text, ": "); ok && len(path) > 60 {
		text = path[:20] + "..." + path[len(path)-20:] + ": " + what
	}
	return "`" + text + "`"
}

// cutEverywhere cuts a good message at every byte: what is left is refused, both ways and
// strict or not, but where it is whole by itself.
func (h hostile) cutEverywhere(t *testing.T, both []*ways) {
	t.Helper()
	for _, w := range both {
		if _, err := w.value(h.good); err != nil {
			t.Errorf("%s: %q: %v", h.name, h.good, err)
		}
		for i := range len(h.good) {
			whole := slices.Contains(h.ends, i)
			if _, err := w.value(h.good[:i]); (err == nil) != whole {
				t.Errorf("%s: %q: %v", h.name, h.good[:i], err)
			}
			if w.wire == nil {
				continue
			}
			if _, err := w.frame(h.good[:i]); (err == nil) != whole {
				t.Errorf("%s: %q as a frame: %v", h.name, h.good[:i], err)
			}
		}
	}
}
