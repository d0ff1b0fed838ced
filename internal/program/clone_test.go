package program

import (
	"reflect"
	"testing"
	"time"

	"github.com/levada-io/levada/record"
)

type inner struct {
	Tags map[string][]string
	When time.Time
}

type outer struct {
	inner
	In   *inner
	Any  any
	List []*inner
	N    int
}

func TestCloneSharesNothingThatCanBeChanged(t *testing.T) {
	in := func() *inner { return &inner{map[string][]string{"a": {"x"}}, time.Unix(1, 2)} }
	make := func() outer {
		return outer{*in(), in(), map[string]any{"l": []any{1, "s"}}, []*inner{in(), nil}, 7}
	}
	col := &Values[outer]{V: []outer{make()}}
	c := col.Clone().(*Values[outer])
	if !reflect.DeepEqual(c.V[0], make()) {
		t.Fatalf("got %+v", c.V[0])
	}
	c.V[0].Tags["a"][0] = "changed"
	c.V[0].In.Tags["a"][0] = "changed"
	c.V[0].Any.(map[string]any)["l"].([]any)[0] = "changed"
	c.V[0].List[0].Tags["a"][0] = "changed"
	c.V[0].N = 8
	if !reflect.DeepEqual(col.V[0], make()) {
		t.Errorf("the original changed: %+v", col.V[0])
	}
	flat := &Values[time.Time]{V: []time.Time{time.Unix(1, 0)}}
	if flat.Clone() != flat {
		t.Error("values that refer to nothing were copied")
	}
}

// What is in an Opt is each branch's own, too.
func TestCloneOfOpt(t *testing.T) {
	type payload struct{ L record.Opt[[]int] }
	v := &Values[payload]{V: []payload{{L: record.Some([]int{1})}, {L: record.Null[[]int]()}}}
	c, ok := v.Clone().(*Values[payload])
	if !ok || c == v {
		t.Fatal("expected a copy")
	}
	list, _ := c.V[0].L.Get()
	list[0] = 2
	if old, _ := v.V[0].L.Get(); old[0] != 1 || !c.V[1].L.IsNull() {
		t.Errorf("got %v of the first, %+v", old, c.V[1])
	}
}
