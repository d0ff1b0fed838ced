package frame

import (
	"errors"
	"fmt"
	"reflect"
	"slices"
	"strings"
	"testing"
	"unsafe"
)

// mood has a form of its own, and is asked whether it is zero.
type mood string

func (m mood) MarshalText() ([]byte, error) { return []byte(m), nil }

func (m *mood) UnmarshalText(b []byte) error {
	*m = mood(b)
	return nil
}

func (m mood) IsZero() bool {
	if m == "bad" {
		panic("no mood")
	}
	return m == ""
}

type moody struct {
	Mood mood `json:"mood,omitzero"`
	N    int  `json:"n"`
}

// A method of the user that panics fails its value; the column has the others, whole.
func TestPanicInAColumn(t *testing.T) {
	enc, err := NewEncoder(reflect.TypeFor[moody]())
	if err != nil {
		t.Fatal(err)
	}
	dec, err := NewDecoder(enc.Layout(), reflect.TypeFor[moody]())
	if err != nil {
		t.Fatal(err)
	}
	for _, moods := range []string{"bad", "good", "bad good", "good bad", "good bad bad  good bad", "bad bad", ""} {
		var in, want []moody
		var wrong []int
		for i, m := range strings.Split(moods, " ") {
			in = append(in, moody{mood(m), i})
			if m == "bad" {
				wrong = append(wrong, i)
			} else {
				want = append(want, moody{mood(m), i})
			}
		}
		var failed []int
		b, err := enc.AppendColumn([]byte("before"), unsafe.Pointer(unsafe.SliceData(in)), len(in), func(i int, err error) {
			failed = append(failed, i)
			e, ok := errors.AsType[*Error](err)
			if want := "$: panic in a method of frame.moody, or of what is in it: no mood"; !ok || e.Error() != want || !strings.Contains(e.Detail(), "mood.IsZero") {
				t.Errorf("expected %q with its stack, got %v", want, err)
			}
		})
		if err != nil {
			t.Fatal(err)
		}
		col, err := NewColumn(enc.Layout(), b[len("before"):])
		if err != nil {
			t.Fatal(err)
		}
		got := make([]moody, col.Len())
		dec.Column(col, unsafe.Pointer(unsafe.SliceData(got)), func(i int, err error) { t.Errorf("%d: %v", i, err) })
		if fmt.Sprint(got) != fmt.Sprint(want) || !slices.Equal(failed, wrong) {
			t.Errorf("%q: got %v and failed %v, expected %v and %v", moods, got, failed, want, wrong)
		}
	}
}
