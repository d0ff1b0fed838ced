package gen_test

import (
	"encoding/json/jsontext"
	"encoding/json/v2"
	"maps"
	"reflect"
	"slices"
	"testing"

	"github.com/levada-io/levada/internal/frame"
	"github.com/levada-io/levada/internal/gen"
	messages "github.com/levada-io/levada/internal/gen/testdata/messages/in"
	metrics "github.com/levada-io/levada/internal/gen/testdata/metrics/in"
	all "github.com/levada-io/levada/internal/gen/testdata/types/in"
	"github.com/levada-io/levada/internal/gen/testdata/types/in/geo"
	unions "github.com/levada-io/levada/internal/gen/testdata/unions/in"
	"github.com/levada-io/levada/plan"
	"github.com/levada-io/levada/plan/testdata/visitpb"
	"github.com/levada-io/levada/record"
)

// As the generated main registers them.
var (
	_ = record.Union[unions.Shape](unions.Square{}, unions.Circle{}, unions.Group{})
	_ = record.Union[unions.Times](unions.Text(""), unions.Moment{})
)

// The generator reads types from source, the frame reads them from the running
// program: a difference would be a layout that one side writes and the other can not
// read.
func TestAgreesWithFrame(t *testing.T) {
	for _, c := range []struct {
		dir   string
		types []reflect.Type
	}{
		{"messages", []reflect.Type{reflect.TypeFor[visitpb.Bill](), reflect.TypeFor[visitpb.Either](), reflect.TypeFor[messages.Wide]()}},
		{"metrics", []reflect.Type{reflect.TypeFor[metrics.IngestMetric](), reflect.TypeFor[metrics.Transformed]()}},
		{"types", []reflect.Type{
			reflect.TypeFor[all.Everything](), reflect.TypeFor[all.Node](), reflect.TypeFor[all.Document](),
			reflect.TypeFor[all.Left](), reflect.TypeFor[all.Right](), reflect.TypeFor[geo.Point](), reflect.TypeFor[all.Glimpse](), reflect.TypeFor[all.Borrowed](),
		}},
		{"unions", []reflect.Type{reflect.TypeFor[unions.Drawing]()}},
	} {
		t.Run(c.dir, func(t *testing.T) {
			p, err := gen.Scan("testdata/"+c.dir+"/in", gen.Options{})
			if err != nil {
				t.Fatal(err)
			}
			want := map[string]plan.Type{}
			for _, typ := range c.types {
				_, table, err := frame.TypeOf(typ)
				if err != nil {
					t.Fatal(err)
				}
				maps.Copy(want, table)
			}
			if got, want := slices.Sorted(maps.Keys(p.Manifest.Types)), slices.Sorted(maps.Keys(want)); !slices.Equal(got, want) {
				t.Fatalf("expected the types %v, got %v", want, got)
			}
			for name, w := range want {
				if got := p.Manifest.Types[name]; !reflect.DeepEqual(got, w) {
					t.Errorf("%s: the frame says\n%s\nthe generator says\n%s", name, text(t, w), text(t, got))
				}
			}
		})
	}
}

func TestAgreesWithFrameOnSignatures(t *testing.T) {
	for _, c := range []struct {
		dir, name string
		in, out   reflect.Type
	}{
		{"unions", "Scale", reflect.TypeFor[unions.Shape](), reflect.TypeFor[unions.Shape]()},
		{"unions", "Each", reflect.TypeFor[*unions.Shape](), reflect.TypeFor[unions.Scalar]()},
		{"types", "Nullable", reflect.TypeFor[*all.Node](), reflect.TypeFor[*all.Node]()},
		{"types", "Lists", reflect.TypeFor[[]all.Node](), reflect.TypeFor[map[string][]all.Level]()},
		{"types", "Anything", reflect.TypeFor[any](), reflect.TypeFor[any]()},
		{"types", "Bytes", reflect.TypeFor[[]byte](), reflect.TypeFor[[]byte]()},
	} {
		p, err := gen.Scan("testdata/"+c.dir+"/in", gen.Options{})
		if err != nil {
			t.Fatal(err)
		}
		f, ok := p.Manifest.Function("go:" + p.Manifest.Package + "." + c.name)
		if !ok {
			t.Fatalf("expected a function %s", c.name)
		}
		for _, side := range []struct {
			got  plan.Type
			want reflect.Type
		}{{f.In, c.in}, {f.Out, c.out}} {
			want, _, err := frame.TypeOf(side.want)
			if err != nil {
				t.Fatal(err)
			}
			if !reflect.DeepEqual(side.got, want) {
				t.Errorf("%s: the frame says\n%s\nthe generator says\n%s", c.name, text(t, want), text(t, side.got))
			}
		}
	}
}

func text(t *testing.T, v any) string {
	t.Helper()
	b, err := json.Marshal(v, json.Deterministic(true), jsontext.WithIndent("  "))
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}
