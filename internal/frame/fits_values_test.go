package frame

import (
	"reflect"
	"regexp"
	"testing"

	"pgregory.net/rapid"

	"github.com/levada-io/levada/internal/typing"
)

var tooWide = regexp.MustCompile(`expected (u?int|float)[0-9]*, got -?[0-9]`)

// A value of a type that fits another, with no any between them, is read: only a number
// that the narrower type has no room for may still fail, which start-up can not see.
func TestValuesOfTypesThatFitAreRead(t *testing.T) {
	read := 0
	rapid.Check(t, func(t *rapid.T) {
		from := drawStruct(t, 2, false)
		to := from
		if fields := reflect.VisibleFields(from); len(fields) > 1 {
			// Fewer members, and one of another type: most pairs drawn blindly have nothing
			// to do with each other.
			i := rapid.IntRange(0, len(fields)-1).Draw(t, "without")
			fields = append(fields[:i], fields[i+1:]...)
			j := rapid.IntRange(0, len(fields)-1).Draw(t, "another")
			if rapid.Bool().Draw(t, "change") {
				fields[j].Type = drawType(t, 1)
			}
			to = reflect.StructOf(fields)
		}
		a, table, err := TypeOf(from)
		if err != nil {
			return
		}
		b, others, err := TypeOf(to)
		if err != nil {
			return
		}
		for name, typ := range others {
			table[name] = typ
		}
		if typing.FitsGo(a, b, table) != nil || typing.Unknown(a, b, table) != nil {
			return
		}
		enc, err := NewEncoder(from)
		if err != nil {
			t.Fatalf("%s: %v", from, err)
		}
		dec, err := NewDecoder(enc.Layout(), to)
		if err != nil {
			t.Fatalf("%s into %s: fits, but no decoder: %v", from, to, err)
		}
		v := reflect.New(from)
		fill(t, v.Elem(), 3)
		frame, err := enc.Append(nil, v.UnsafePointer())
		if err != nil {
			t.Fatalf("%s: %v", from, err)
		}
		read++
		err = dec.Value(frame, reflect.New(to).UnsafePointer())
		if err != nil && !tooWide.MatchString(err.Error()) {
			t.Fatalf("%s into %s: fits, but a value is not read: %v", from, to, err)
		}
	})
	if read < 20 {
		t.Errorf("expected 20 pairs that fit or more, got %d", read)
	}
}
