package program

import (
	"errors"
	"fmt"
	"iter"
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/levada-io/levada/record"
)

func chunk(values ...string) *record.Chunk {
	c := &record.Chunk{}
	col := record.Bytes{}
	for i, v := range values {
		c.Recs = append(c.Recs, record.Record{Value: []byte(v), Topic: "t", Offset: int64(100 + i)})
		col = append(col, []byte(v))
	}
	c.Col = col
	return c
}

func made[T, U any](fn func(record.Message[T]) (U, error)) Make[T, U] {
	return func([]byte) (func(record.Message[T]) (U, error), error) { return fn, nil }
}

// toInt parses "12"; "bad" is an error, "boom" panics, "nil" dereferences nil.
func toInt(m record.Message[[]byte]) (int, error) {
	switch s := string(m.Payload()); s {
	case "boom":
		panic("boom")
	case "nil":
		var p *int
		return *p, nil
	default:
		n := 0
		if _, err := fmt.Sscan(s, &n); err != nil {
			return 0, errors.New("no number")
		}
		return n, nil
	}
}

func bind(t *testing.T, f *Function) Bound {
	t.Helper()
	b, err := f.Bind(nil)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func offsets(c *record.Chunk) (out []int64) {
	for i := range c.Len() {
		out = append(out, c.Meta(i).Offset)
	}
	return out
}

func failures(c *record.Chunk) (out []string) {
	for _, f := range c.Failed {
		out = append(out, fmt.Sprintf("%d %s: %v", f.Source.Offset, f.Step, f.Err))
	}
	return out
}

func TestMapTakesFailuresOut(t *testing.T) {
	op := bind(t, Of("go:x.ToInt", made(toInt))).Map("m")
	c := chunk("1", "bad", "2", "boom", "nil", "3")
	if err := op.Process(t.Context(), c); err != nil {
		t.Fatal(err)
	}
	got, _ := slice[int](c.Col)
	if !slices.Equal(got, []int{1, 2, 3}) || !slices.Equal(offsets(c), []int64{100, 102, 105}) {
		t.Errorf("got %v at %v", got, offsets(c))
	}
	want := []string{
		"101 m: no number", "103 m: panic in x.ToInt: boom",
		"104 m: panic in x.ToInt: runtime error: invalid memory address or nil pointer dereference",
	}
	if !slices.Equal(failures(c), want) {
		t.Errorf("failures %q", failures(c))
	}
	var p *PanicError
	if !errors.As(c.Failed[1].Err, &p) || !strings.Contains(string(p.Stack), "toInt") {
		t.Errorf("a panic carries the stack of the function, got %v", c.Failed[1].Err)
	}
}

func TestMessageResultSetsMetadataOfItsElementOnly(t *testing.T) {
	op := bind(t, OfMessage("go:x.Key", made(func(m record.Message[[]byte]) (record.Message[string], error) {
		out := m.With(string(m.Payload()))
		if out.Payload() == "b" {
			out = out.WithKey([]byte("k")).WithHeader("h", []byte("v"))
		}
		return out, nil
	}))).Map("m")
	c := chunk("a", "b", "c")
	if err := op.Process(t.Context(), c); err != nil {
		t.Fatal(err)
	}
	if c.Meta(0) != c.Source(0) || c.Meta(2) != c.Source(2) {
		t.Error("an untouched element got metadata of its own")
	}
	if m := c.Meta(1); string(m.Key) != "k" || len(m.Headers) != 1 || m.Offset != 101 {
		t.Errorf("got %+v", m)
	}
	if c.Recs[1].Key != nil {
		t.Error("the source record was changed")
	}
}

func TestFilterAndFlatMapKeepLineage(t *testing.T) {
	c := chunk("1", "2", "boom", "3")
	keep := bind(t, Of("go:x.Odd", made(func(m record.Message[[]byte]) (bool, error) {
		n, err := toInt(m)
		return n%2 == 1, err
	})))
	op, err := keep.Filter("odd")
	if err != nil {
		t.Fatal(err)
	}
	if err := op.Process(t.Context(), c); err != nil {
		t.Fatal(err)
	}
	if !slices.Equal(offsets(c), []int64{100, 103}) || len(c.Failed) != 1 {
		t.Fatalf("offsets %v failures %v", offsets(c), failures(c))
	}
	spread := bind(t, OfSlice("go:x.Spread", made(func(m record.Message[[]byte]) ([]string, error) {
		n, err := toInt(m)
		return slices.Repeat([]string{string(m.Payload())}, n), err
	})))
	if op, err = spread.FlatMap("spread"); err != nil {
		t.Fatal(err)
	}
	if err := op.Process(t.Context(), c); err != nil {
		t.Fatal(err)
	}
	if !slices.Equal(offsets(c), []int64{100, 103, 103, 103}) {
		t.Errorf("offsets %v", offsets(c))
	}
}

func TestFlatMapIsAtomicPerMessage(t *testing.T) {
	f := OfSeq("go:x.Seq", made(func(m record.Message[[]byte]) (iter.Seq[string], error) {
		return func(yield func(string) bool) {
			yield("first of " + string(m.Payload()))
			if string(m.Payload()) == "b" {
				panic("half way")
			}
			yield("second of " + string(m.Payload()))
		}, nil
	}))
	op, err := bind(t, f).FlatMap("f")
	if err != nil {
		t.Fatal(err)
	}
	c := chunk("a", "b", "c")
	if err := op.Process(t.Context(), c); err != nil {
		t.Fatal(err)
	}
	got, _ := slice[string](c.Col)
	if want := []string{"first of a", "second of a", "first of c", "second of c"}; !slices.Equal(got, want) {
		t.Errorf("got %q", got)
	}
	if len(c.Failed) != 1 || c.Failed[0].Source.Offset != 101 {
		t.Errorf("failures %v", failures(c))
	}
}

func TestRouter(t *testing.T) {
	type alert string
	f := Of("go:x.Kind", made(func(m record.Message[[]byte]) (alert, error) { return alert(m.Payload()), nil }))
	r, err := bind(t, f).Router("r", [][]byte{[]byte(`"red"`), nil, []byte(`"green"`)}, 1)
	if err != nil {
		t.Fatal(err)
	}
	c := chunk("green", "blue", "red")
	got, err := r.Route(t.Context(), c)
	if err != nil || !slices.Equal(got, []int32{2, 1, 0}) {
		t.Errorf("got %v %v", got, err)
	}
	if r, err = bind(t, f).Router("r", [][]byte{[]byte(`"red"`)}, -1); err != nil {
		t.Fatal(err)
	}
	c = chunk("red", "blue", "red")
	got, err = r.Route(t.Context(), c)
	if err != nil || !slices.Equal(got, []int32{0, 0}) || c.Len() != 2 || len(c.Failed) != 1 {
		t.Errorf("got %v %v, %v", got, err, failures(c))
	}
	if _, err := bind(t, f).Router("r", [][]byte{[]byte(`7`)}, -1); err == nil || !strings.Contains(err.Error(), "case 7: expected program.alert") {
		t.Errorf("a key of another type: %v", err)
	}
}

func TestKindsThatDoNotFit(t *testing.T) {
	b := bind(t, Of("go:x.ToInt", made(toInt)))
	if _, err := b.Filter("f"); err == nil || err.Error() != "filter needs a function that returns bool, go:x.ToInt returns int" {
		t.Errorf("filter: %v", err)
	}
	if _, err := b.FlatMap("f"); err == nil || !strings.Contains(err.Error(), "slice or an iter.Seq") {
		t.Errorf("flat map: %v", err)
	}
}

func TestBatchOfTypedColumn(t *testing.T) {
	k := KitOf[int]()
	a, _ := k.Make(2)
	b, _ := k.Make(1)
	copy(a.(*Values[int]).V, []int{1, 2})
	b.(*Values[int]).V[0] = 3
	col := a.(record.Batcher).Batch([]record.Column{a, b})
	got, ok := slice[[]int](col)
	if !ok || !reflect.DeepEqual(got, [][]int{{1, 2, 3}}) {
		t.Errorf("got %v", got)
	}
	raw := record.Bytes{[]byte("x")}
	lists, ok := slice[[][]byte](raw.Batch([]record.Column{raw, raw}))
	if !ok || len(lists) != 1 || len(lists[0]) != 2 {
		t.Errorf("raw: got %q", lists)
	}
}

func TestEncodeOneBufferPerChunk(t *testing.T) {
	k := KitOf[string]()
	col, _ := k.Make(3)
	copy(col.(*Values[string]).V, []string{"a", "", "c"})
	c := chunk("1", "2", "3")
	c.Col = col
	op := k.EncodeOp("e", func(buf []byte, v any) ([]byte, error) {
		s := *v.(*string)
		if s == "" {
			return nil, errors.New("empty")
		}
		return append(append(buf, '<'), s...), nil
	})
	if err := op.Process(t.Context(), c); err != nil {
		t.Fatal(err)
	}
	if got := c.Col.(record.Bytes); len(got) != 2 || string(got[0]) != "<a" || string(got[1]) != "<c" || cap(got[0]) != 2 {
		t.Errorf("got %q", got)
	}
	if !slices.Equal(offsets(c), []int64{100, 102}) {
		t.Errorf("offsets %v", offsets(c))
	}
}

// A codec that panics at a message, or a method of the user that it calls, fails that
// message; the bytes of the others are theirs.
func TestPanicsOfCodecs(t *testing.T) {
	decode := func(src []byte, dst any) error {
		if string(src) == "boom" {
			*dst.(*string) = "half"
			panic("no such text")
		}
		*dst.(*string) = string(src)
		return nil
	}
	encode := func(buf []byte, v any) ([]byte, error) {
		buf = append(buf, *v.(*string)...)
		switch *v.(*string) {
		case "boom":
			panic("no such value")
		case "bad":
			return buf, errors.New("no text")
		}
		return buf, nil
	}
	for _, values := range [][]string{{"a", "boom", "bcd", "boom", "bad", "e"}, {"boom", "a"}, {"a", "boom"}, {"boom"}, {"bad", "boom", "bad", "a"}} {
		c := chunk(values...)
		if err := KitOf[string]().DecodeOp("p", decode).Process(t.Context(), c); err != nil {
			t.Fatal(err)
		}
		var want, wrong []string
		for i, v := range values {
			if v == "boom" {
				wrong = append(wrong, fmt.Sprintf("%d p: panic in the decoder: no such text", 100+i))
			} else {
				want = append(want, v)
			}
		}
		if got := c.Col.(*Values[string]).V; !slices.Equal(got, want) || !slices.Equal(failures(c), wrong) {
			t.Errorf("%q: decoded %q, failed %q", values, got, failures(c))
		}

		c = chunk(values...)
		c.Col = &Values[string]{V: slices.Clone(values)}
		if err := KitOf[string]().EncodeOp("s", encode).Process(t.Context(), c); err != nil {
			t.Fatal(err)
		}
		want, wrong = nil, nil
		for i, v := range values {
			switch v {
			case "boom":
				wrong = append(wrong, fmt.Sprintf("%d s: panic in the encoder: no such value", 100+i))
			case "bad":
				wrong = append(wrong, fmt.Sprintf("%d s: no text", 100+i))
			default:
				want = append(want, v)
			}
		}
		var got []string
		for _, b := range c.Col.(record.Bytes) {
			got = append(got, string(b))
		}
		if !slices.Equal(got, want) || !slices.Equal(failures(c), wrong) {
			t.Errorf("%q: encoded %q, failed %q", values, got, failures(c))
		}
		var p *PanicError
		if values[0] == "boom" && (!errors.As(c.Failed[0].Err, &p) || !strings.Contains(p.Detail(), "TestPanicsOfCodecs")) {
			t.Errorf("a panic carries the stack, got %v", c.Failed[0].Err)
		}
	}
}
