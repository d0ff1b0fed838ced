package planner

import (
	"reflect"
	"testing"
	"time"
	"unsafe"

	"github.com/levada-io/levada/internal/frame"
	"github.com/levada-io/levada/plan"
)

// The tags of abi/frame.md, as frames have them, against every kind that a step can
// declare.
func TestResultsAreHeldAgainstTheirType(t *testing.T) {
	values := []any{
		nil, false, true, int64(-1), uint64(1 << 63), 1.5, "x", []byte("x"), []any{1}, map[string]any{"a": 1},
		time.Unix(1, 0).UTC(), time.Second,
	}
	enc, err := frame.NewEncoder(reflect.TypeFor[any]())
	if err != nil {
		t.Fatal(err)
	}
	b, err := enc.AppendColumn(nil, unsafe.Pointer(&values[0]), len(values), func(i int, err error) { t.Errorf("%d: %v", i, err) })
	if err != nil {
		t.Fatal(err)
	}
	col, err := frame.NewColumn(enc.Layout(), b)
	if err != nil {
		t.Fatal(err)
	}
	ints := "int int"
	fits := map[plan.TypeKind]string{
		plan.TBool: "bool bool", plan.TString: "str", plan.TBytes: "bytes", plan.TList: "list",
		plan.TMap: "dict", plan.TStruct: "dict", plan.TTime: "datetime", plan.TDuration: "timedelta", plan.TTuple: "list",
		plan.TInt8: ints, plan.TInt16: ints, plan.TInt32: ints, plan.TInt64: ints,
		plan.TUint8: ints, plan.TUint16: ints, plan.TUint32: ints, plan.TUint64: ints,
		plan.TFloat32: "int int float", plan.TFloat64: "int int float",
	}
	if len(fits) != len(tags) {
		t.Errorf("expected %d kinds, got %d", len(fits), len(tags))
	}
	for kind, want := range fits {
		for _, nullable := range []bool{false, true} {
			r := &result{want: tags[kind][0], tags: tags[kind][1], nullable: nullable}
			got := ""
			for i := range values {
				err := r.check(col.Value(i))
				switch {
				case err == nil && i == 0 && !nullable, err != nil && i == 0 && nullable:
					t.Errorf("%s, nullable %v: None: %v", kind, nullable, err)
				case err == nil && i > 0:
					got += " " + pythons[i]
				case err != nil:
					text := "returned value: expected `" + tags[kind][0] + "`, got `" + pythons[i] + "` - at `$`"
					if err.Error() != text {
						t.Errorf("%s: got %v, want %s", kind, err, text)
					}
				}
			}
			if got != " "+want {
				t.Errorf("%s: takes%s, want %s", kind, got, want)
			}
		}
	}
}
