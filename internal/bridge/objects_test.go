//go:build cgo

package bridge

import (
	"slices"
	"sync"
	"testing"

	"github.com/levada-io/levada/internal/bridge/cpython"
	"github.com/levada-io/levada/record"
)

func column(w *waste, handles ...uintptr) *Objects { return newObjects(w, handles) }

func given(w *waste) []uintptr {
	h := w.take()
	slices.Sort(h)
	return h
}

func newWaste() *waste { return &waste{some: make(chan struct{}, 1)} }

func equal(t *testing.T, what string, got, want []uintptr) {
	t.Helper()
	if !slices.Equal(got, want) {
		t.Errorf("%s: got %v, want %v", what, got, want)
	}
}

func TestObjectsSelectGivesUpTheRest(t *testing.T) {
	w := newWaste()
	c := column(w, 16, 32, 48, 64)
	s := c.Select([]int32{3, 1}).(*Objects)
	equal(t, "given up", given(w), []uintptr{16, 48})
	equal(t, "words", s.words(nil), []uintptr{64, 32})
	c.Release() // empty: what a caller releases twice is released once
	equal(t, "given up", given(w), nil)
	s.Release()
	equal(t, "given up", given(w), []uintptr{32, 64})
}

func TestObjectsSelectRepeats(t *testing.T) {
	w := newWaste()
	s := column(w, 16, 32).Select([]int32{1, 1, 1}).(*Objects)
	if s.Len() != 3 {
		t.Fatalf("length %d", s.Len())
	}
	// Three elements are one object: a step that changes one must not change the others.
	for _, word := range s.words(nil) {
		if word != 32|cpython.WordShared {
			t.Errorf("word %#x", word)
		}
	}
	s.Release()
	equal(t, "given up", given(w), []uintptr{16, 32})
}

func TestObjectsClone(t *testing.T) {
	w := newWaste()
	c := column(w, 16, 32)
	d := c.Clone().(*Objects)
	equal(t, "shared", d.words(nil), []uintptr{16 | cpython.WordShared, 32 | cpython.WordShared})
	// A route: each branch takes its elements, and then nothing is shared.
	a := d.Select([]int32{0}).(*Objects)
	b := c.Select([]int32{1}).(*Objects)
	equal(t, "given up", given(w), nil)
	equal(t, "first branch", a.words(nil), []uintptr{16})
	equal(t, "second branch", b.words(nil), []uintptr{32})
	a.Release()
	b.Release()
	equal(t, "given up", given(w), []uintptr{16, 32})
}

func TestObjectsBatch(t *testing.T) {
	w := newWaste()
	a, b, c := column(w, 16, 32), column(w, 48), column(w, 64)
	ab := a.Batch([]record.Column{a, b}).(*Objects)
	equal(t, "one list", ab.words(nil), []uintptr{3<<3 | cpython.WordList, 16, 32, 48})
	cc := c.Batch([]record.Column{c}).(*Objects)
	// A batch of batches is a list of lists, and each element of it is found.
	nested := ab.Batch([]record.Column{ab, cc}).(*Objects)
	equal(t, "list of lists", nested.words(nil), []uintptr{
		2<<3 | cpython.WordList, 3<<3 | cpython.WordList, 16, 32, 48, 1<<3 | cpython.WordList, 64,
	})
	if nested.Len() != 1 || a.Len() != 0 || ab.Len() != 0 {
		t.Errorf("lengths %d %d %d", nested.Len(), a.Len(), ab.Len())
	}
	s := nested.Select([]int32{0}).(*Objects)
	equal(t, "selected", s.words(nil), []uintptr{
		2<<3 | cpython.WordList, 3<<3 | cpython.WordList, 16, 32, 48, 1<<3 | cpython.WordList, 64,
	})
	s.Release()
	equal(t, "given up", given(w), []uintptr{16, 32, 48, 64})
}

func TestObjectsAreReleasedOnce(t *testing.T) {
	w := newWaste()
	c := column(w, 16, 32, 48)
	var wg sync.WaitGroup
	for range 8 {
		d := c.Clone()
		wg.Go(func() { d.(record.Releaser).Release() })
	}
	c.Release()
	wg.Wait()
	equal(t, "given up", given(w), []uintptr{16, 32, 48})
	select {
	case <-w.some:
	default:
		t.Error("nobody was told")
	}
}

func TestMetaRoundTrip(t *testing.T) {
	for _, r := range []record.Record{
		{},
		{Key: []byte{}, Topic: "t", Partition: 7, Offset: 1 << 40},
		{Key: []byte("k"), Headers: []record.Header{{Key: "a", Value: []byte("1")}, {Key: "a"}, {Key: "", Value: []byte{}}}},
	} {
		b := appendMeta(nil, &r)
		in := cut{b: b}
		got := in.meta()
		if in.bad || len(in.b) != 0 || string(appendMeta(nil, &got)) != string(b) {
			t.Errorf("%+v came back as %+v", r, got)
		}
		if (got.Key == nil) != (r.Key == nil) {
			t.Errorf("key %v came back as %v", r.Key, got.Key)
		}
		for n := range b {
			in := cut{b: b[:n]}
			if in.meta(); !in.bad {
				t.Errorf("%d of %d bytes were accepted", n, len(b))
			}
		}
	}
}

func TestFailuresCutOff(t *testing.T) {
	b := le.AppendUint32(le.AppendUint32(le.AppendUint32(nil, 4), 1), 1)
	for _, s := range []string{"ValueError", "no", "Traceback ...\n"} {
		b = append(le.AppendUint32(b, uint32(len(s))), s...)
	}
	got, err := failures(b, 1)
	if err != nil || got[0].element != 4 || got[0].step != 1 || !got[0].err.Retry || got[0].err.Error() != "ValueError: no" || got[0].err.Detail() != "Traceback ..." {
		t.Fatalf("%+v, %v", got, err)
	}
	for n := range b {
		if _, err := failures(b[:n], 1); err == nil {
			t.Errorf("%d of %d bytes were accepted", n, len(b))
		}
	}
}
