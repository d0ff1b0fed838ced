//go:build cgo

// Command testext is a native module for the tests in python/tests/native: the real
// bridge with Go functions of every shape, and with a main that runs one chunk through
// one operator instead of a pipeline.
package main

import (
	"context"
	"encoding/json/jsontext"
	"encoding/json/v2"
	"errors"
	"fmt"
	"iter"
	"os"
	"runtime"
	"sync"
	"time"

	"github.com/levada-io/levada/internal/bridge"
	"github.com/levada-io/levada/internal/frame"
	"github.com/levada-io/levada/internal/program"
	"github.com/levada-io/levada/record"
)

// Metric is the record of the ingest-metrics pipeline.
type Metric struct {
	OrgID         int64             `json:"org_id"`
	ProjectID     int64             `json:"project_id"`
	Name          string            `json:"name"`
	Tags          map[string]string `json:"tags"`
	Timestamp     int64             `json:"timestamp"`
	RetentionDays int64             `json:"retention_days"`
	Type          string            `json:"type"`
	Value         []float64         `json:"value"`
}

// Everything has a member of every kind.
type Everything struct {
	Bool   bool               `json:"bool"`
	I8     int8               `json:"i8"`
	I16    int16              `json:"i16"`
	I32    int32              `json:"i32"`
	I64    int64              `json:"i64"`
	U8     uint8              `json:"u8"`
	U16    uint16             `json:"u16"`
	U32    uint32             `json:"u32"`
	U64    uint64             `json:"u64"`
	F32    float32            `json:"f32"`
	F64    float64            `json:"f64"`
	Str    string             `json:"str"`
	Bytes  []byte             `json:"bytes"`
	Time   time.Time          `json:"time"`
	List   []int64            `json:"list"`
	Map    map[string]float64 `json:"map"`
	Ptr    *string            `json:"ptr"`
	Any    any                `json:"any"`
	Opt    string             `json:"opt,omitzero"`
	OptPtr *int64             `json:"opt_ptr,omitzero"`
	Inner  Inner              `json:"inner"`
	Inners []Inner            `json:"inners"`
	Wait   time.Duration      `json:"wait"`
	At     time.Time          `json:"at" levada:"unit=unix_ms"`
	Pair   [2]*Inner          `json:"pair"`
	State  record.Opt[string] `json:"state"`
	Kind   string             `json:"kind" levada:"const=every"`
	Old    *bool              `json:"old,omitempty" levada:"const=true"`
}

// Inner is recursive.
type Inner struct {
	Name string  `json:"name"`
	Next *Inner  `json:"next"`
	More []Inner `json:"more,omitzero"`
}

// Open keeps members that it does not name.
type Open struct {
	ID    int64          `json:"id"`
	Other map[string]any `json:",embed"`
}

// Shape is told by constants.
type Shape interface{ isShape() }

type Circle struct {
	Kind   string  `json:"kind" levada:"const=circle"`
	Radius float64 `json:"radius"`
}

type Group struct {
	Kind  string           `json:"kind" levada:"const=group"`
	Parts []Shape          `json:"parts"`
	Named map[string]Shape `json:"named,omitzero"`
}

// Scalar is told by kind and required members.
type Scalar interface{ isScalar() }

type (
	Flag  bool
	Count int64
	Words string
	Many  []float64
	Point struct {
		X int64  `json:"x"`
		Y *int64 `json:"y,omitzero"`
	}
	Name struct {
		First string `json:"first"`
	}
)

func (Circle) isShape() {}
func (Group) isShape()  {}

func (Flag) isScalar()  {}
func (Count) isScalar() {}
func (Words) isScalar() {}
func (Many) isScalar()  {}
func (Point) isScalar() {}
func (Name) isScalar()  {}

var (
	_ = record.Union[Shape](Circle{}, Group{})
	_ = record.Union[Scalar](Flag(false), Count(0), Words(""), Many(nil), Point{}, Name{})
)

// Unions has a union wherever one may stand.
type Unions struct {
	Shape Shape             `json:"shape"`
	List  []Scalar          `json:"list"`
	Map   map[string]Shape  `json:"map"`
	Pair  [2]Scalar         `json:"pair"`
	Null  *Scalar           `json:"null"`
	Three record.Opt[Shape] `json:"three"`
}

// Moody has a member that is asked whether it is zero, and can not always say.
type Moody struct {
	Mood Mood  `json:"mood,omitzero"`
	N    int64 `json:"n"`
}

// Mood has a form of its own.
type Mood string

func (m Mood) MarshalText() ([]byte, error)  { return []byte(m), nil }
func (m *Mood) UnmarshalText(b []byte) error { *m = Mood(b); return nil }

func (m Mood) IsZero() bool {
	if m == "bad" {
		var p *Metric
		return p.OrgID == 0
	}
	return m == ""
}

type settings struct {
	Limit int64 `json:"limit"`
}

func plain[T, U any](fn func(record.Message[T]) (U, error)) program.Make[T, U] {
	return func([]byte) (func(record.Message[T]) (U, error), error) { return fn, nil }
}

func same[T any](m record.Message[T]) (T, error) { return m.Payload(), nil }

var functions = map[string]*program.Function{}

func add(fs ...*program.Function) {
	for _, f := range fs {
		functions[f.Name] = f
	}
}

func register() {
	add(
		program.Of("go:test.Metric", plain(same[Metric])),
		program.Of("go:test.Everything", plain(same[Everything])),
		program.Of("go:test.Open", plain(same[Open])),
		program.Of("go:test.Shape", plain(same[Shape])),
		program.Of("go:test.Unions", plain(same[Unions])),
		program.Of("go:test.Moody", plain(same[Moody])),
		program.Of("go:test.Any", plain(same[any])),
		program.Of("go:test.Bytes", plain(same[[]byte])),
		program.Of("go:test.Span", plain(same[Span])),
		program.Of("go:test.Where", plain(func(m record.Message[any]) (string, error) {
			h, _ := m.Header("trace")
			return fmt.Sprintf("%s|%s|%s|%s[%d]@%d", m.Key(), h, m.Timestamp().UTC().Format(time.RFC3339Nano), m.Topic(), m.Partition(), m.Offset()), nil
		})),
		program.OfMessage("go:test.Rekey", plain(func(m record.Message[string]) (record.Message[int64], error) {
			return m.With(int64(len(m.Payload()))).WithKey([]byte(m.Payload())).WithHeader("by", []byte("go")), nil
		})),
		program.OfSlice("go:test.Twice", plain(func(m record.Message[int64]) ([]int64, error) {
			return []int64{m.Payload(), m.Payload()}, nil
		})),
		program.OfSeq("go:test.Count", plain(func(m record.Message[int64]) (iter.Seq[int64], error) {
			return func(yield func(int64) bool) {
				for i := range m.Payload() {
					if !yield(i) {
						return
					}
				}
			}, nil
		})),
		program.Of("go:test.Fail", plain(func(m record.Message[int64]) (int64, error) {
			if m.Payload() < 0 {
				return 0, errors.New("negative")
			}
			return m.Payload(), nil
		})),
		program.Of("go:test.Panic", plain(func(m record.Message[int64]) (int64, error) {
			var p *Metric
			return p.OrgID, nil
		})),
		program.Of("go:test.Sleep", plain(func(m record.Message[int64]) (int64, error) {
			time.Sleep(time.Duration(m.Payload()) * time.Millisecond)
			return m.Payload(), nil
		})),
		program.Of("go:test.Limited", func(raw []byte) (func(record.Message[int64]) (bool, error), error) {
			var s settings
			if raw != nil {
				if err := json.Unmarshal(raw, &s, json.RejectUnknownMembers(true)); err != nil {
					return nil, err
				}
			}
			return func(m record.Message[int64]) (bool, error) { return m.Payload() < s.Limit, nil }, nil
		}),
	)
}

// Span is a wide nested record.
type Span struct {
	ID         string             `json:"id"`
	Trace      string             `json:"trace"`
	Parent     *string            `json:"parent"`
	Start      float64            `json:"start"`
	End        float64            `json:"end"`
	Project    int64              `json:"project"`
	Retention  int64              `json:"retention"`
	Sampled    bool               `json:"sampled"`
	Tags       map[string]string  `json:"tags"`
	Attributes map[string]Value   `json:"attributes"`
	Measures   map[string]float64 `json:"measures"`
	Links      []Link             `json:"links"`
}

// Value is an attribute of a Span.
type Value struct {
	Type  string `json:"type"`
	Value string `json:"value"`
}

// Link is a link of a Span.
type Link struct {
	Trace string `json:"trace"`
	Span  string `json:"span"`
}

func init() {
	register()
	bridge.Serve(bridge.Extension{
		Manifest:    `{"levada":"test","plan":1,"functions":[]}`,
		Fingerprint: "0123456789abcdef",
		Functions:   functions,
		Main:        run,
	})
}

func main() {}

// script is what a test asks for: chunks through operators.
type script struct {
	Type    string           `json:"type"` // of the payloads: bytes, any, or a Go type
	Values  []jsontext.Value `json:"values"`
	Keys    []*string        `json:"keys"`
	Ops     []opScript       `json:"ops"` // one after the other over one chunk
	Router  *routerScript    `json:"router"`
	Lanes   int              `json:"lanes"`  // 0 is 1; each runs the chunk
	Repeat  int              `json:"repeat"` // chunks per lane; 0 is 1
	Branch  bool             `json:"branch"` // the ops run over a clone, and over the original afterwards
	Batch   bool             `json:"batch"`  // the elements become one list in front of the last operator
	Timing  bool             `json:"timing"`
	Stop    bool             `json:"stop"`   // the context ends with the first stop signal
	Signal  bool             `json:"signal"` // wait for a stop signal, and do nothing else
	Restart int              `json:"restart"`
}

type opScript struct {
	Calls []callScript `json:"calls"`
	Form  string       `json:"form"` // raw, dynamic, objects, or a Go type
}

type callScript struct {
	Step, Kind, Function string
}

type routerScript struct {
	Function  string
	Cases     []jsontext.Value
	Otherwise int
}

type answer struct {
	Chunks []chunkAnswer `json:"chunks"`
	NS     float64       `json:"ns"` // per message and chunk, with timing
}

type chunkAnswer struct {
	Column   string           `json:"column"`
	Payloads []jsontext.Value `json:"payloads"`
	Origin   []int            `json:"origin"`
	Keys     []*string        `json:"keys"`
	Headers  [][][2]string    `json:"headers"`
	Failed   []failedAnswer   `json:"failed"`
	Branches []int32          `json:"branches,omitempty"`
	Error    string           `json:"error,omitempty"`
}

type failedAnswer struct {
	Offset                   int64
	Step                     string
	Type, Message, Traceback string
}

// run is the module's main: argv is a script as JSON and the file for the answer.
func run(m bridge.MainCall) int {
	var s script
	if err := json.Unmarshal([]byte(m.Argv[0]), &s, json.MatchCaseInsensitiveNames(true)); err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	if s.Signal {
		<-m.Stop
		return 0
	}
	ctx := context.Background()
	if s.Stop {
		c, cancel := context.WithCancel(ctx)
		defer cancel()
		go func() {
			<-m.Stop
			cancel()
		}()
		ctx = c
	}
	a := answer{}
	var mu sync.Mutex
	var wg sync.WaitGroup
	for range max(1, s.Restart) {
		// A lane that ended would leave its thread to the next one.
		var ready sync.WaitGroup
		ready.Add(max(1, s.Lanes))
		for lane := range max(1, s.Lanes) {
			wg.Add(1)
			go func() {
				defer wg.Done()
				runtime.LockOSThread()
				defer runtime.UnlockOSThread()
				ready.Done()
				ready.Wait()
				chunks, ns, err := s.lane(ctx, m.Python, lane)
				mu.Lock()
				defer mu.Unlock()
				if err != nil {
					chunks = append(chunks, chunkAnswer{Error: err.Error()})
				}
				a.Chunks = append(a.Chunks, chunks...)
				a.NS = ns
			}()
		}
		wg.Wait()
	}
	b, err := json.Marshal(a, json.Deterministic(true), jsontext.AllowInvalidUTF8(true))
	if err == nil {
		err = os.WriteFile(m.Argv[1], b, 0o600)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	return 0
}

type operator struct {
	op     program.Op
	router program.Router
}

func (s *script) lane(ctx context.Context, py *bridge.Python, lane int) (out []chunkAnswer, ns float64, err error) {
	var ops []operator
	for _, o := range s.Ops {
		op, err := py.Run(calls(o.Calls), form(o.Form))
		if err != nil {
			return nil, 0, err
		}
		ops = append(ops, operator{op: op})
	}
	if r := s.Router; r != nil {
		cases := make([][]byte, len(r.Cases))
		for i, c := range r.Cases {
			cases[i] = c
		}
		rt, err := py.Router(program.Call{Step: "route", Function: r.Function}, cases, r.Otherwise)
		if err != nil {
			return nil, 0, err
		}
		ops = append(ops, operator{router: rt})
	}
	for _, o := range ops {
		var st program.Starter
		if o.op != nil {
			st = o.op.(program.Starter)
		} else {
			st = o.router.(program.Starter)
		}
		if err := st.Start(lane); err != nil {
			return nil, 0, err
		}
		defer st.Stop()
	}
	repeat := max(1, s.Repeat)
	var spent time.Duration
	for k := range repeat {
		c, err := s.chunk()
		if err != nil {
			return nil, 0, err
		}
		chunks := []*record.Chunk{c}
		if s.Branch {
			if err := ops[0].op.Process(ctx, c); err != nil {
				return nil, 0, err
			}
			other := &record.Chunk{Recs: c.Recs, Col: c.Col.(record.Cloner).Clone()}
			chunks = []*record.Chunk{other, c}
		}
		for _, c := range chunks {
			began := time.Now()
			a, err := s.process(ctx, ops, c)
			spent += time.Since(began)
			if err != nil {
				return out, 0, err
			}
			if !s.Timing || k == repeat-1 {
				out = append(out, a)
			}
		}
	}
	return out, float64(spent.Nanoseconds()) / float64(repeat*max(1, len(s.Values))), nil
}

func (s *script) process(ctx context.Context, ops []operator, c *record.Chunk) (chunkAnswer, error) {
	var branches []int32
	for k, o := range ops {
		if s.Branch && k == 0 {
			continue
		}
		if s.Batch && k == len(ops)-1 {
			c = &record.Chunk{Recs: c.Recs[:1], Col: c.Col.(record.Batcher).Batch([]record.Column{c.Col})}
		}
		if o.op != nil {
			if err := o.op.Process(ctx, c); err != nil {
				return chunkAnswer{}, err
			}
			continue
		}
		to, err := o.router.Route(ctx, c)
		if err != nil {
			return chunkAnswer{}, err
		}
		branches = to
	}
	if s.Timing {
		release(c.Col)
		return chunkAnswer{}, nil
	}
	a, err := read(c)
	a.Branches = branches
	release(c.Col)
	return a, err
}

func release(col record.Column) {
	if r, ok := col.(record.Releaser); ok {
		r.Release()
	}
}

func calls(cs []callScript) (out []program.Call) {
	for _, c := range cs {
		kind := map[string]program.CallKind{"map": program.CallMap, "filter": program.CallFilter, "flat_map": program.CallFlatMap}[c.Kind]
		out = append(out, program.Call{Step: c.Step, Kind: kind, Function: c.Function})
	}
	return out
}

func form(name string) program.Form {
	switch name {
	case "raw":
		return program.Form{Kind: program.Raw}
	case "dynamic":
		return program.Form{Kind: program.Dynamic}
	case "objects":
		return program.Form{Kind: program.Objects}
	}
	return program.Form{Kind: program.GoValues, Kit: functions["go:test."+name].In}
}

// chunk makes the chunk that the script describes.
func (s *script) chunk() (*record.Chunk, error) {
	n := len(s.Values)
	c := &record.Chunk{Recs: make([]record.Record, n)}
	for i := range c.Recs {
		c.Recs[i] = record.Record{
			Topic: "in", Partition: 3, Offset: int64(i), Timestamp: time.UnixMicro(1_700_000_000_500_000).UTC(),
			Headers: []record.Header{{Key: "trace", Value: fmt.Appendf(nil, "t%d", i)}, {Key: "null"}},
		}
		if s.Keys != nil && s.Keys[i] != nil {
			c.Recs[i].Key = []byte(*s.Keys[i])
		}
	}
	switch s.Type {
	case "bytes":
		col := make(record.Bytes, n)
		for i, v := range s.Values {
			if err := json.Unmarshal(v, &col[i]); err != nil {
				return nil, err
			}
		}
		c.Col = col
		return c, nil
	case "any":
		b, err := column(frame.Any(), s.Values)
		if err != nil {
			return nil, err
		}
		c.Col, err = frame.NewColumn(frame.Any(), b)
		return c, err
	}
	kit := functions["go:test."+s.Type].In
	l, err := frame.Of(kit.Type())
	if err != nil {
		return nil, err
	}
	b, err := column(l, s.Values)
	if err != nil {
		return nil, err
	}
	frames, err := frame.NewColumn(l, b)
	if err != nil {
		return nil, err
	}
	d, err := frame.NewDecoder(l, kit.Type())
	if err != nil {
		return nil, err
	}
	col, base := kit.Make(n)
	d.Column(frames, base, func(_ int, e error) { err = e })
	c.Col = col
	return c, err
}

func column(l *frame.Layout, values []jsontext.Value) ([]byte, error) {
	var body []byte
	ends := []uint32{0}
	for _, v := range values {
		var err error
		if body, err = l.ParseJSON(body, v); err != nil {
			return nil, err
		}
		ends = append(ends, uint32(len(body)))
	}
	b := le(nil, uint32(len(values)))
	for _, e := range ends {
		b = le(b, e)
	}
	return append(b, body...), nil
}

func le(b []byte, v uint32) []byte { return append(b, byte(v), byte(v>>8), byte(v>>16), byte(v>>24)) }

// read describes a chunk.
func read(c *record.Chunk) (chunkAnswer, error) {
	a := chunkAnswer{Column: fmt.Sprintf("%T", c.Col), Payloads: []jsontext.Value{}, Failed: []failedAnswer{}}
	for _, f := range c.Failed {
		e := failedAnswer{Offset: f.Source.Offset, Step: f.Step, Message: f.Err.Error()}
		if p, ok := f.Err.(*bridge.PythonError); ok {
			e.Type, e.Traceback = p.Type, p.Traceback
		}
		a.Failed = append(a.Failed, e)
	}
	for i := range c.Len() {
		m := c.Meta(i)
		a.Origin = append(a.Origin, int(c.Source(i).Offset))
		var key *string
		if m.Key != nil {
			s := string(m.Key)
			key = &s
		}
		a.Keys = append(a.Keys, key)
		hs := [][2]string{}
		for _, h := range m.Headers {
			hs = append(hs, [2]string{h.Key, string(h.Value)})
		}
		a.Headers = append(a.Headers, hs)
	}
	switch col := c.Col.(type) {
	case record.Bytes:
		for _, b := range col {
			v, err := json.Marshal(b, json.FormatNilSliceAsNull(true))
			if err != nil {
				return a, err
			}
			a.Payloads = append(a.Payloads, v)
		}
	case *frame.Column:
		for i := range col.Len() {
			v, err := col.Layout().AppendJSON(nil, col.Value(i))
			if err != nil {
				return a, err
			}
			a.Payloads = append(a.Payloads, v)
		}
	case program.Typed:
		v, err := json.Marshal(col.Slice(), json.Deterministic(true))
		if err != nil {
			return a, err
		}
		if err := json.Unmarshal(v, &a.Payloads); err != nil {
			return a, err
		}
	}
	return a, nil
}
