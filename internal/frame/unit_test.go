package frame

import (
	"encoding/json/jsontext"
	"encoding/json/v2"
	"fmt"
	"math"
	"math/big"
	"reflect"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/levada-io/levada/plan"
)

// v2Options tell json/v2 of a duration, for which it has no form.
var v2Options = json.JoinOptions(plainOptions,
	json.WithMarshalers(json.MarshalToFunc(func(e *jsontext.Encoder, d time.Duration) error {
		return e.WriteValue(appendTicks(nil, d.Microseconds(), inMillis))
	})),
	json.WithUnmarshalers(json.UnmarshalFromFunc(func(dec *jsontext.Decoder, d *time.Duration) error {
		v, err := dec.ReadValue()
		if err != nil {
			return err
		}
		if v.Kind() != '0' {
			return fmt.Errorf("expected a number, got %s", v)
		}
		us, ok := ticksOf(v, inMillis)
		if !ok {
			return fmt.Errorf("expected a number of milliseconds, got %s", v)
		}
		*d, err = toDuration(us)
		return err
	})),
)

// TestTicks: a number in a unit is exactly the microseconds that it says, by the
// arithmetic of math/big.
func TestTicks(t *testing.T) {
	per := map[unit]*big.Rat{inSeconds: big.NewRat(1e6, 1), inMillis: big.NewRat(1e3, 1), inMicros: big.NewRat(1, 1), inNanos: big.NewRat(1, 1000)}
	rapid.Check(t, func(t *rapid.T) {
		u := rapid.SampledFrom([]unit{inSeconds, inMillis, inMicros, inNanos}).Draw(t, "unit")
		us := rapid.OneOf(rapid.Int64(), rapid.Int64Range(-2e6, 2e6), rapid.SampledFrom([]int64{0, 1, -1, math.MaxInt64, math.MinInt64 + 1})).Draw(t, "us")
		if us == math.MinInt64 {
			us++ // it has no magnitude in 63 bits
		}
		text := appendTicks(nil, us, u)
		value, ok := new(big.Rat).SetString(string(text))
		if !ok {
			t.Fatalf("%d: %q is no number", us, text)
		}
		if value.Mul(value, per[u]).Cmp(new(big.Rat).SetInt64(us)) != 0 {
			t.Fatalf("%d us are written %s", us, text)
		}
		if back, ok := ticksOf(text, u); !ok || back != us {
			t.Fatalf("%s: expected %d us, got %d, %t", text, us, back, ok)
		}
	})
}

// Days are whole: what comes behind midnight is cut, also before 1970, in every format.
func TestDays(t *testing.T) {
	const day = 86_400_000_000
	layout, err := Compile(plan.Type{Kind: plan.TTime, Unit: "unix_days"}, nil)
	if err != nil {
		t.Fatal(err)
	}
	for us, want := range map[int64]string{0: "0", 1: "0", day - 1: "0", day: "1", -1: "-1", -day: "-1", -day - 1: "-2", 20000*day + 7: "20000"} {
		frame := le.AppendUint64(nil, uint64(us))
		if text, err := layout.AppendJSON(nil, frame); err != nil || string(text) != want {
			t.Errorf("%d: expected %s, got %s, %v", us, want, text, err)
		}
		packed, err := layout.AppendMsgpack(nil, frame)
		if err != nil {
			t.Fatal(err)
		}
		back, err := layout.ParseMsgpack(nil, packed, false)
		if err != nil || int64(le.Uint64(back)) != days(us)*day {
			t.Errorf("%d: got % x back, %v", us, back, err)
		}
		if back, err = layout.ParseJSON(nil, []byte(want)); err != nil || int64(le.Uint64(back)) != days(us)*day {
			t.Errorf("%d: got % x back, %v", us, back, err)
		}
	}
}

func TestTicksOf(t *testing.T) {
	for _, c := range []struct {
		text string
		unit unit
		want int64
		ok   bool
	}{
		{"1.0000019", inSeconds, 1000001, true},
		{"-1.0000019", inSeconds, -1000001, true},
		{"2", inDays, 2 * 86_400_000_000, true},
		{"-1", inDays, -86_400_000_000, true},
		{"1.9", inDays, 86_400_000_000, true},
		{"106751991", inDays, 106751991 * 86_400_000_000, true},
		{"106751992", inDays, 0, false},
		{"1999", inNanos, 1, true},
		{"999", inNanos, 0, true},
		{"9223372036854775807999", inNanos, math.MaxInt64, true},
		{"9223372036854775808000", inNanos, 0, false},
		{"9223372036854.775807", inSeconds, math.MaxInt64, true},
		{"9223372036854.775808", inSeconds, 0, false},
		{"99999999999999999999999", inMicros, 0, false},
		{"1e3", inMillis, 0, false},
		{"1.5E1", inMillis, 0, false},
	} {
		if got, ok := ticksOf([]byte(c.text), c.unit); got != c.want || ok != c.ok {
			t.Errorf("%s: expected %d, %t, got %d, %t", c.text, c.want, c.ok, got, ok)
		}
	}
}

// TestDurationIsCut: what is no whole number of microseconds is rounded towards zero.
func TestDurationIsCut(t *testing.T) {
	enc, err := NewEncoder(durationType)
	if err != nil {
		t.Fatal(err)
	}
	for d, want := range map[time.Duration]string{1999: "0.001", -1999: "-0.001", 999: "0", -1: "0"} {
		b, err := enc.Append(nil, reflect.ValueOf(&d).UnsafePointer())
		if err != nil {
			t.Fatal(err)
		}
		if got, err := enc.Layout().AppendJSON(nil, b); err != nil || string(got) != want {
			t.Errorf("%d ns: expected %s, got %s, %v", d, want, got, err)
		}
	}
}

// TestWrongTicksAndTuples: both ways from text say the same, and where it is.
func TestWrongTicksAndTuples(t *testing.T) {
	type In struct {
		At   time.Time        `json:"at,omitzero" levada:"unit=unix"`
		Wait time.Duration    `json:"wait,omitzero" levada:"unit=s"`
		Pair [2]int8          `json:"pair,omitzero"`
		Span [2]time.Duration `json:"span,omitzero"`
	}
	for text, want := range map[string]string{
		`{"at":"2024-01-01T00:00:00Z"}`: `$.at: expected a number of seconds since 1970, got string`,
		`{"at":1e9}`:                    `$.at: expected a number of seconds since 1970, got 1e9`,
		`{"at":999999999999}`:           `$.at: expected a number of seconds since 1970, got 999999999999`,
		`{"wait":null}`:                 `$.wait: expected a number of seconds, got null`,
		`{"wait":99999999999999}`:       `$.wait: expected a number of seconds, got 99999999999999`,
		`{"pair":[]}`:                   `$.pair: expected 2 elements, got none`,
		`{"pair":[1]}`:                  `$.pair: expected 2 elements, got 1`,
		`{"pair":[1,2,3]}`:              `$.pair: expected 2 elements, got more`,
		`{"pair":[1,300]}`:              `$.pair[1]: expected int8, got 300`,
		`{"pair":{}}`:                   `$.pair: expected array, got object`,
		`{"pair":[1,2`:                  `$.pair[1]: malformed JSON at byte 12: expected ',' or ']', got the end`,
		`{"span":[1,true]}`:             `$.span[1]: expected a number of milliseconds, got bool`,
	} {
		var v In
		l, err := Of(reflect.TypeFor[In]())
		if err != nil {
			t.Fatal(err)
		}
		frame, err := l.ParseJSON(nil, []byte(text))
		if err == nil || err.Error() != want {
			t.Errorf("%s:\n got %v\nwant %s", text, err, want)
		}
		compareDirect(t, reflect.TypeOf(v), []byte(text), frame, err)

		// And by way of an any, where nothing was declared before.
		free, err := Any().ParseJSON(nil, []byte(text))
		if err != nil {
			continue
		}
		dec, err := NewDecoder(Any(), reflect.TypeFor[In]())
		if err != nil {
			t.Fatal(err)
		}
		path, _, _ := strings.Cut(want, ":")
		if err := dec.Value(free, reflect.ValueOf(&v).UnsafePointer()); (err == nil) != (text == `{"at":1e9}`) || err != nil && !strings.HasPrefix(err.Error(), path) {
			t.Errorf("%s: read from an any: %v", text, err)
		}
	}
	// A duration of Python may be longer than one of Go.
	dec, err := NewDecoder(mustOf(t, durationType), durationType)
	if err != nil {
		t.Fatal(err)
	}
	var d time.Duration
	if err := dec.Value(le.AppendUint64(nil, math.MaxInt64), reflect.ValueOf(&d).UnsafePointer()); err == nil || err.Error() != "$: expected a duration of at most 292 years, got 9223372036854 s" {
		t.Errorf("got %v", err)
	}
	if _, err := NewDecoder(mustOf(t, reflect.TypeFor[[3]int]()), reflect.TypeFor[[2]int]()); err == nil || err.Error() != "$: expected tuple of 2, got tuple of 3" {
		t.Errorf("got %v", err)
	}
}

func mustOf(t *testing.T, typ reflect.Type) *Layout {
	t.Helper()
	l, err := Of(typ)
	if err != nil {
		t.Fatal(err)
	}
	return l
}
