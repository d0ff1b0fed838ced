package msgpack_test

import (
	"encoding/hex"
	"encoding/json/jsontext"
	"reflect"
	"testing"
	"time"

	"github.com/levada-io/levada/codec"
	"github.com/levada-io/levada/codec/json"
	"github.com/levada-io/levada/codec/msgpack"
	"pgregory.net/rapid"
)

type part struct {
	SKU   string  `json:"sku"`
	Qty   uint16  `json:"qty"`
	Price float64 `json:"price,omitzero"`
}

type order struct {
	ID      int64             `json:"id"`
	Small   int8              `json:"small"`
	Large   uint64            `json:"large"`
	Ratio   float32           `json:"ratio"`
	Name    string            `json:"name"`
	Note    *string           `json:"note"`
	Paid    bool              `json:"paid,omitempty"`
	Placed  time.Time         `json:"placed"`
	Sent    *time.Time        `json:"sent,omitempty"`
	Blob    []byte            `json:"blob"`
	Parts   []part            `json:"parts"`
	Gift    *part             `json:"gift,omitempty"`
	Tags    map[string]string `json:"tags,omitempty"`
	Weights map[string][]int  `json:"weights"`
	Free    any               `json:"free"`
	Rest    jsontext.Value    `json:",embed"`
}

func bind[T any](t testing.TB, c codec.Codec) codec.Bound {
	t.Helper()
	b, err := c.Bind(reflect.TypeFor[T]())
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func orders(t *rapid.T) order {
	text := rapid.StringN(0, 20, -1)
	of := func() part {
		return part{text.Draw(t, "sku"), rapid.Uint16().Draw(t, "qty"), rapid.Float64Range(-1e300, 1e300).Draw(t, "price")}
	}
	at := func() time.Time {
		return time.UnixMicro(rapid.Int64Range(-62_167_219_200_000_000, 253_402_300_799_999_999).Draw(t, "time")).UTC()
	}
	o := order{
		ID: rapid.Int64().Draw(t, "id"), Small: rapid.Int8().Draw(t, "small"), Large: rapid.Uint64().Draw(t, "large"),
		Ratio: rapid.Float32Range(-3e38, 3e38).Draw(t, "ratio"), Name: text.Draw(t, "name"), Paid: rapid.Bool().Draw(t, "paid"),
		Placed: at(), Blob: rapid.SliceOf(rapid.Byte()).Draw(t, "blob"), Tags: rapid.MapOf(text, text).Draw(t, "tags"),
		Weights: rapid.MapOf(text, rapid.SliceOf(rapid.Int())).Draw(t, "weights"),
		Free:    []any{rapid.Int64().Draw(t, "free"), text.Draw(t, "free"), nil, map[string]any{"k": rapid.Bool().Draw(t, "free")}},
		Rest:    jsontext.Value(`{"other":[1,2.5,{"deep":null}]}`),
	}
	for range rapid.IntRange(0, 3).Draw(t, "parts") {
		o.Parts = append(o.Parts, of())
	}
	if rapid.Bool().Draw(t, "gift") {
		p, s, n := of(), at(), text.Draw(t, "note")
		o.Gift, o.Sent, o.Note = &p, &s, &n
	}
	return o
}

// What MessagePack carries is what JSON carries: the same Go value comes out of both.
func TestSameValueAsJSON(t *testing.T) {
	packed, text := bind[order](t, msgpack.New()), bind[order](t, json.New())
	through := func(t *rapid.T, b codec.Bound, in order) (out order) {
		message, err := b.Append([]byte("before"), &in)
		if err != nil {
			t.Fatal(err)
		}
		if err := b.Decode(message[len("before"):], &out); err != nil {
			t.Fatalf("%v\n%x", err, message)
		}
		for i := range message {
			message[i] = 0xc1 // what was decoded keeps nothing of it
		}
		return out
	}
	rapid.Check(t, func(t *rapid.T) {
		in := orders(t)
		got, want := through(t, packed, in), through(t, text, in)
		if !reflect.DeepEqual(got, want) {
			t.Fatalf("\n got %+v\nwant %+v", got, want)
		}
	})
}

func TestErrors(t *testing.T) {
	b := bind[order](t, msgpack.New())
	var o order
	message, err := hex.DecodeString("81a57061727473" + "9281a3736b75a161" + "82a3736b75a162a3717479cd0100")
	if err != nil {
		t.Fatal(err)
	}
	if err, want := b.Decode(message, &o), "$.parts[0].qty: missing member (uint16)"; err == nil || err.Error() != want {
		t.Errorf("got %v, want %s", err, want)
	}
	o = order{Free: func() {}}
	if out, err := b.Append([]byte("before"), &o); err == nil || string(out) != "before" {
		t.Errorf("%q, %v", out, err)
	}
	if _, err := msgpack.New().Bind(reflect.TypeFor[chan int]()); err == nil {
		t.Error("a channel is bound")
	}
	strict := bind[map[string]int](t, &msgpack.Codec{Strict: true})
	var m map[string]int
	if err, want := strict.Decode([]byte("\x82\xa1a\x01\xa1a\x02"), &m), "$.a: member comes twice"; err == nil || err.Error() != want {
		t.Errorf("got %v, want %s", err, want)
	}
}
