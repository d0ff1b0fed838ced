package frame

import (
	"encoding/json/jsontext"
	"encoding/json/v2"
	"math/big"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/levada-io/levada/plan"
	"github.com/levada-io/levada/record"
)

type selfSlice []selfSlice

type zeroable int

func (zeroable) IsZero() bool { return false }

type withText struct{ N int }

func (withText) MarshalText() ([]byte, error) { return nil, nil }

type hiddenOnly struct{ a int }

type shallow struct {
	A int `json:"a"`
	B int
}

type deep struct {
	shallow
	C int `json:"c"`
}

type promoted struct {
	deep
	A string `json:"a"` // shallower than deep.shallow.A
}

type left struct{ X, Only int }
type right struct {
	X int
	Y int `json:"Only"` // named by a tag: it counts
}
type ambiguous struct {
	left
	right
	Z int
}

func TestTypeOf(t *testing.T) {
	type local struct {
		N int `json:"n"`
	}
	cases := []struct {
		name string
		typ  reflect.Type
		want string // JSON of the type, or the error
	}{
		{"a named struct stands in the table", reflect.TypeFor[Inner](), `{"kind":"ref","name":"go:github.com/levada-io/levada/internal/frame.Inner"}`},
		{"an anonymous one in place", reflect.TypeFor[struct{ A *int }](), `{"kind":"struct","fields":[{"name":"A","type":{"kind":"int64","nullable":true}}]}`},
		{"named types count as what they are", reflect.TypeFor[[]Color](), `{"kind":"list","elem":{"kind":"string"}}`},
		{"bytes", reflect.TypeFor[[]byte](), `{"kind":"bytes"}`},
		{"named bytes are numbers", reflect.TypeFor[[]zeroable](), `{"kind":"list","elem":{"kind":"int64"}}`},
		{"any", reflect.TypeFor[[]any](), `{"kind":"list","elem":{"kind":"any"}}`},
		{"raw JSON", rawType, `{"kind":"any"}`},
		{"time or null", reflect.TypeFor[*time.Time](), `{"kind":"time","nullable":true}`},
		{"a list or null", reflect.TypeFor[*[]string](), `{"kind":"list","elem":{"kind":"string"},"nullable":true}`},
		{"promotion", reflect.TypeFor[struct{ promoted }](), `{"kind":"struct","fields":[{"name":"B","type":{"kind":"int64"}},{"name":"c","type":{"kind":"int64"}},{"name":"a","type":{"kind":"string"}}]}`},
		{"two at one depth", reflect.TypeFor[struct{ ambiguous }](), `{"kind":"struct","fields":[{"name":"Only","type":{"kind":"int64"}},{"name":"Z","type":{"kind":"int64"}}]}`},
		{"omit rules", reflect.TypeFor[struct {
			A string `json:",omitempty"`
			B int    `json:"b,omitzero,omitempty"`
		}](), `{"kind":"struct","fields":[{"name":"A","type":{"kind":"string"},"optional":true,"omit":"omitempty"},{"name":"b","type":{"kind":"int64"},"optional":true,"omit":"omitempty,omitzero"}]}`},
		{"embed on a struct", reflect.TypeFor[struct {
			S shallow `json:",embed"`
		}](), `{"kind":"struct","fields":[{"name":"a","type":{"kind":"int64"}},{"name":"B","type":{"kind":"int64"}}]}`},
		{"other members", reflect.TypeFor[struct {
			Rest map[string]any `json:",embed"`
		}](), `{"kind":"struct","extra":true}`},

		{"duration", reflect.TypeFor[[]time.Duration](), `{"kind":"list","elem":{"kind":"duration"}}`},
		{"units", reflect.TypeFor[struct {
			A *time.Time                 `levada:"unit=unix_ms"`
			B map[string][]time.Duration `levada:"unit=s"`
			C time.Duration              `levada:"unit=ms"`
			D [2]time.Time               `levada:"unit=unix"`
		}](), `{"kind":"struct","fields":[{"name":"A","type":{"kind":"time","unit":"unix_ms","nullable":true}},{"name":"B","type":{"kind":"map","elem":{"kind":"list","elem":{"kind":"duration","unit":"s"}}}},{"name":"C","type":{"kind":"duration"}},{"name":"D","type":{"kind":"tuple","elems":[{"kind":"time","unit":"unix"},{"kind":"time","unit":"unix"}]}}]}`},
		{"tuple", reflect.TypeFor[[2]string](), `{"kind":"tuple","elems":[{"kind":"string"},{"kind":"string"}]}`},
		{"any said twice", reflect.TypeFor[struct {
			A any `levada:"any"`
		}](), `{"kind":"struct","fields":[{"name":"A","type":{"kind":"any"}}]}`},
		{"a form of its own", reflect.TypeFor[withText](), "frame.withText is not supported: it writes a JSON or text form of its own and reads none, it has neither UnmarshalJSON nor UnmarshalText"},
		{"a form of its own, by pointer", reflect.TypeFor[*big.Int](), `{"kind":"any"}`},
		{"three states", reflect.TypeFor[struct {
			A record.Opt[int]
			B record.Opt[[]time.Time] `json:"b,omitzero" levada:"unit=unix"`
		}](), `{"kind":"struct","fields":[{"name":"A","type":{"kind":"int64","nullable":true},"optional":true},{"name":"b","type":{"kind":"list","elem":{"kind":"time","unit":"unix"},"nullable":true},"optional":true}]}`},
		{"Opt in a list", reflect.TypeFor[[]record.Opt[int]](), "record.Opt[int] is not supported: Opt stands in a field of a struct only"},
		{"Opt of a pointer", reflect.TypeFor[struct{ A record.Opt[*int] }](), ".A: Opt of *int is not supported: it can be null itself"},
		{"Opt of any", reflect.TypeFor[struct{ A record.Opt[any] }](), ".A: Opt of interface {} is not supported: it can be null itself"},
		{"Opt of Opt", reflect.TypeFor[struct{ A record.Opt[record.Opt[int]] }](), "record.Opt[int] is not supported: Opt stands in a field of a struct only"},
		{"Opt with omitempty", reflect.TypeFor[struct {
			A record.Opt[int] `json:",omitempty"`
		}](), ".A: omitempty is not supported on Opt, which says itself whether it is there"},
		{"long array", reflect.TypeFor[[9]int](), "[9]int is not supported: an array has 1 to 8 elements; use a slice"},
		{"empty array", reflect.TypeFor[[0]int](), "[0]int is not supported: an array has 1 to 8 elements; use a slice"},
		{"array of bytes", reflect.TypeFor[[2]byte](), "[2]uint8 is not supported: use []byte"},
		{"unit of a number", reflect.TypeFor[struct {
			A int `levada:"unit=s"`
		}](), `.A: unit "s": expected a time or a duration, got int64`},
		{"unit of a duration on a time", reflect.TypeFor[struct {
			A time.Time `levada:"unit=ms"`
		}](), `.A: unit "ms": expected unix, unix_ms, unix_us, unix_ns, unix_days of a time`},
		{"any on a type", reflect.TypeFor[struct {
			A int `levada:"any"`
		}](), "levada tag any stands on a field of type any or jsontext.Value, got int"},
		{"unknown option", reflect.TypeFor[struct {
			A int `levada:"fast"`
		}](), `levada tag "fast" is not known: unit=..., const=..., any and rules such as min=0 are`},
		{"unit on what is embedded", reflect.TypeFor[struct {
			Inner `levada:"unit=s"`
		}](), ".Inner: a levada tag on an embedded field has no effect"},
		{"channel", reflect.TypeFor[chan int](), "chan int is not supported"},
		{"function", reflect.TypeFor[func()](), "func() is not supported"},
		{"complex", reflect.TypeFor[complex128](), "complex128 is not supported"},
		{"uintptr", reflect.TypeFor[uintptr](), "uintptr is not supported"},
		{"interface", reflect.TypeFor[error](), "error is not supported: an interface with methods; where it is sealed, levada.Union names its variants"},
		{"map key", reflect.TypeFor[map[int]string](), "map[int]string is not supported: keys of a map must be strings"},
		{"pointers", reflect.TypeFor[**int](), "**int: a pointer to a pointer is not supported"},
		{"pointer to any", reflect.TypeFor[*any](), "*interface {}: a pointer to interface {} is not supported, it can be null itself"},
		{"itself without a struct", reflect.TypeFor[selfSlice](), "frame.selfSlice: a type that contains itself must be a struct"},
		{"no members", reflect.TypeFor[hiddenOnly](), "frame.hiddenOnly has no exported fields"},
		{"embedded pointer", reflect.TypeFor[struct{ *Inner }](), "struct { *frame.Inner }.Inner: an embedded pointer is not supported: embed the struct itself"},
		{"embedded scalar", reflect.TypeFor[struct{ Color }](), "struct { frame.Color }.Color: embedded frame.Color is no struct; to keep other members use jsontext.Value or map[string]any"},
		{"embedded time", reflect.TypeFor[struct{ time.Time }](), `{"kind":"any"}`},
		{"inline", reflect.TypeFor[struct {
			R map[string]any `json:",inline"`
		}](), "tag option \"inline\" has no effect in encoding/json/v2 and would lose data: use embed"},
		{"unknown", reflect.TypeFor[struct {
			R map[string]any `json:",unknown"`
		}](), "tag option \"unknown\" has no effect in encoding/json/v2 and would lose data: use embed"},
		{"format", reflect.TypeFor[struct {
			T time.Time `json:"t,format:unix"`
		}](), `tag option "format:unix" is not supported: use omitempty, omitzero or embed`},
		{"string", reflect.TypeFor[struct {
			N int `json:",string"`
		}](), `tag option "string" is not supported: use omitempty, omitzero or embed`},
		{"embed beside another option", reflect.TypeFor[struct {
			R map[string]any `json:"r,embed"`
		}](), "no other option may stand beside embed"},
		{"two that keep the rest", reflect.TypeFor[struct {
			A map[string]any `json:",embed"`
			B jsontext.Value `json:",embed"`
		}](), "fields A and B both keep other members"},
		{"two of one name", reflect.StructOf([]reflect.StructField{ // vet would refuse the source
			{Name: "A", Type: reflect.TypeFor[int](), Tag: `json:"x"`},
			{Name: "B", Type: reflect.TypeFor[int](), Tag: `json:"x"`},
		}), `fields A and B both have the JSON name "x"`},
		{"own zero", reflect.TypeFor[struct {
			Z zeroable `json:",omitzero"`
		}](), "omitzero is not supported on frame.zeroable, which has an IsZero method of its own"},
		{"where it is", reflect.TypeFor[map[string][]struct{ In struct{ Bad chan int } }](), "struct { In struct { Bad chan int } }.In: struct { Bad chan int }.Bad: chan int is not supported"},
		{"declared in a function", reflect.TypeFor[local](), `{"kind":"ref","name":"go:github.com/levada-io/levada/internal/frame.local"}`},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			pt, types, err := TypeOf(c.typ)
			if err != nil {
				if !strings.HasSuffix(err.Error(), c.want) {
					t.Errorf("\n got %v\nwant %s", err, c.want)
				}
				return
			}
			b, err := json.Marshal(pt, json.Deterministic(true))
			if err != nil {
				t.Fatal(err)
			}
			// Members of plan.Type in another order are the same type.
			var got, want plan.Type
			if err := json.Unmarshal(b, &got); err != nil {
				t.Fatal(err)
			}
			if err := json.Unmarshal([]byte(c.want), &want); err != nil {
				t.Fatalf("no error; got %s, want %s", b, c.want)
			}
			if !reflect.DeepEqual(got, want) {
				t.Errorf("\n got %s\nwant %s", b, c.want)
			}
			l, err := Compile(pt, types)
			if err != nil {
				t.Fatal(err)
			}
			back, table := l.Type()
			m, err := Compile(back, table)
			if err != nil {
				t.Fatal(err)
			}
			if !l.Equal(m) || string(l.Append(nil)) != string(m.Append(nil)) {
				t.Error("the layout's own type has another layout")
			}
		})
	}
}

func TestSameNameTwice(t *testing.T) {
	one := func() reflect.Type {
		type same struct{ A int }
		return reflect.TypeFor[same]()
	}()
	two := func() reflect.Type {
		type same struct{ B int }
		return reflect.TypeFor[same]()
	}()
	_, _, err := TypeOf(reflect.StructOf([]reflect.StructField{{Name: "A", Type: one}, {Name: "B", Type: two}}))
	if err == nil || !strings.Contains(err.Error(), "two types of this name") {
		t.Errorf("got %v", err)
	}
}

func TestCompileErrors(t *testing.T) {
	str := plan.Type{Kind: plan.TString}
	rec := map[string]plan.Type{
		"py:m:Node": {Kind: plan.TStruct, Fields: []plan.Field{{Name: "next", Type: plan.Type{Kind: plan.TRef, Name: "py:m:Node"}}}},
		"py:m:Loop": {Kind: plan.TRef, Name: "py:m:Loop"},
	}
	for _, c := range []struct {
		name string
		typ  plan.Type
		want string
	}{
		{"kind", plan.Type{Kind: "int128"}, `unknown kind of type "int128"`},
		{"element", plan.Type{Kind: plan.TList}, "type list without an element type"},
		{"reference", plan.Type{Kind: plan.TRef, Name: "py:m:X"}, `type "py:m:X": not in the table of types`},
		{"references in a circle", plan.Type{Kind: plan.TRef, Name: "py:m:Loop"}, `type "py:m:Loop": not in the table of types`},
		{"itself", plan.Type{Kind: plan.TRef, Name: "py:m:Node"}, "type py:m:Node contains itself without a list, map or null between"},
		{"member twice", plan.Type{Kind: plan.TStruct, Fields: []plan.Field{{Name: "a", Type: str}, {Name: "a", Type: str}}}, `type struct: member "a" twice`},
		{"no members", plan.Type{Kind: plan.TStruct}, "type struct without members"},
		{"rule", plan.Type{Kind: plan.TStruct, Fields: []plan.Field{{Name: "a", Type: str, Omit: "never"}}}, `struct.a: unknown omit rule "never"`},
		{"tuple", plan.Type{Kind: plan.TTuple}, "type tuple without elements"},
		{"unit", plan.Type{Kind: plan.TTime, Unit: "s"}, `type time: unknown unit "s"`},
		{"unit of text", plan.Type{Kind: plan.TString, Unit: "s"}, `type string: unknown unit "s"`},
	} {
		if _, err := Compile(c.typ, rec); err == nil || err.Error() != c.want {
			t.Errorf("%s:\n got %v\nwant %s", c.name, err, c.want)
		}
	}
}

func TestEqual(t *testing.T) {
	type inner struct {
		X int    `json:"x"`
		Y string `json:"y,omitempty"`
	}
	type tree struct {
		Name  string           `json:"name"`
		Left  *Tree            `json:"left,omitempty"`
		Kids  []Tree           `json:"kids,omitempty"`
		Index map[string]*Tree `json:"index,omitempty"`
	}
	layout := func(t0 reflect.Type) *Layout {
		l, err := Of(t0)
		if err != nil {
			t.Fatal(err)
		}
		return l
	}
	if !layout(reflect.TypeFor[inner]()).Equal(layout(reflect.TypeFor[Inner]())) {
		t.Error("names of types count")
	}
	if !layout(reflect.TypeFor[tree]()).Equal(layout(reflect.TypeFor[Tree]())) {
		t.Error("a recursive type unrolled once is another")
	}
	for _, other := range []reflect.Type{reflect.TypeFor[*Inner](), reflect.TypeFor[struct{ X int }](), reflect.TypeFor[struct {
		X int    `json:"x"`
		Y string `json:"y"`
	}]()} {
		if layout(reflect.TypeFor[Inner]()).Equal(layout(other)) {
			t.Errorf("%s counts as equal", other)
		}
	}
}
