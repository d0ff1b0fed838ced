package frame

import (
	"encoding/json/jsontext"
	"encoding/json/v2"
	"reflect"
	"runtime"
	"testing"
)

// everything holds one of each kind: what the fuzz targets read into.
type everything struct {
	Scalars  Scalars          `json:"scalars"`
	Nested   *Nested          `json:"nested"`
	Presence Presence         `json:"presence"`
	Tree     []Tree           `json:"tree"`
	Dynamic  Dynamic          `json:"dynamic"`
	Free     any              `json:"free"`
	Maps     map[string][]any `json:"maps,omitempty"`
	Open     Open             `json:"open"`
}

// FuzzFrame reads hostile bytes as a column. Nothing may panic, and no count may make a
// reader allocate much more than the bytes that came.
//
// Fault: hostile frame -> goes on: the reader in Go refuses it and allocates in proportion to its bytes
func FuzzFrame(f *testing.F) {
	typ := reflect.TypeFor[everything]()
	l, err := Of(typ)
	if err != nil {
		f.Fatal(err)
	}
	enc, err := NewEncoder(typ)
	if err != nil {
		f.Fatal(err)
	}
	own, err := NewDecoder(l, typ)
	if err != nil {
		f.Fatal(err)
	}
	free, err := NewDecoder(Any(), typ)
	if err != nil {
		f.Fatal(err)
	}
	narrow, err := NewDecoder(l, reflect.TypeFor[struct {
		Scalars struct {
			I64 int8    `json:"i64"`
			U64 uint16  `json:"u64"`
			F64 float32 `json:"f64"`
		} `json:"scalars"`
		Tree any            `json:"tree"`
		Rest map[string]any `json:",embed"`
	}]())
	if err != nil {
		f.Fatal(err)
	}
	for _, g := range goldens() {
		e, err := NewEncoder(g.typ)
		if err != nil {
			f.Fatal(err)
		}
		b, err := e.AppendColumn(nil, base(g.values), reflect.ValueOf(g.values).Len(), func(int, error) {})
		if err != nil {
			f.Fatal(err)
		}
		f.Add(b)
	}
	zero := everything{}
	b, err := enc.AppendColumn(nil, reflect.ValueOf(&zero).UnsafePointer(), 1, func(i int, err error) { f.Error(err) })
	if err != nil {
		f.Fatal(err)
	}
	f.Add(b)
	f.Fuzz(func(t *testing.T, b []byte) {
		var before, after runtime.MemStats
		runtime.ReadMemStats(&before)
		for _, c := range []struct {
			l    *Layout
			decs []*Decoder
		}{{l, []*Decoder{own, narrow}}, {Any(), []*Decoder{free}}} {
			col, err := NewColumn(c.l, b)
			if err != nil {
				continue
			}
			for i := range min(col.Len(), 100) {
				for _, d := range c.decs {
					v := reflect.New(d.root.rtype)
					_ = d.Value(col.Value(i), v.UnsafePointer())
				}
				if text, err := c.l.AppendJSON(nil, col.Value(i)); err == nil {
					if _, err := c.l.ParseJSON(nil, text); err != nil {
						t.Errorf("own text %q: %v", text, err)
					}
				}
			}
		}
		runtime.ReadMemStats(&after)
		if used := after.TotalAlloc - before.TotalAlloc; used > 1<<20+uint64(len(b))*2000 {
			t.Errorf("%d bytes of frame made the readers allocate %d", len(b), used)
		}
	})
}

// FuzzJSON holds the parser against json/v2, see compareText.
//
// Fault: any text as JSON -> goes on: it is read as encoding/json/v2 reads it, or refused where that refuses it
func FuzzJSON(f *testing.F) {
	f.Add([]byte(metricJSON))
	for _, g := range goldens() {
		for i := range reflect.ValueOf(g.values).Len() {
			b, err := json.Marshal(reflect.ValueOf(g.values).Index(i).Interface(), v2Options)
			if err != nil {
				f.Fatal(err)
			}
			f.Add(b)
		}
	}
	for _, s := range []string{`{"a":1,"a":2}`, `"\ud83d\ude00\ud83d"`, "\"\xff\xc3\"", `[-0,1e400]`, `{"name":"n","kids":[{"name":""}],"left":null}`, "\ufeff1", "1 2", `{"known":"","z":{"b":1,"a":-0.0}}`} {
		f.Add([]byte(s))
	}
	types := []reflect.Type{anyType, reflect.TypeFor[Metric](), reflect.TypeFor[Scalars](), reflect.TypeFor[Nested](), reflect.TypeFor[Tree](), reflect.TypeFor[map[string]any](), reflect.TypeFor[[]float32](), reflect.TypeFor[[]int8]()}
	f.Fuzz(func(t *testing.T, text []byte) {
		if !plainNumbers(text) {
			return
		}
		if v := jsontext.Value(text); !v.IsValid() && v.IsValid(v2Options) {
			// Twice the same name (json/v2 merges) or no UTF-8: only our two ways agree.
			for _, typ := range types {
				l, err := Of(typ)
				if err != nil {
					t.Fatal(err)
				}
				frame, err := l.ParseJSON(nil, text)
				compareDirect(t, typ, text, frame, err)
			}
			return
		}
		for _, typ := range types {
			compareText(t, typ, text)
		}
	})
}

// plainNumbers says that no run of digits goes beyond what a double holds exactly: an
// any keeps those integers, json/v2 does not. Times beyond microseconds go the same way.
func plainNumbers(text []byte) bool {
	run := 0
	for _, c := range text {
		if c-'0' > 9 {
			run = 0
			continue
		}
		if run++; run > 15 {
			return false
		}
	}
	return true
}
