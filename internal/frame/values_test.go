package frame

import (
	"encoding/json/jsontext"
	"math"
	"reflect"
	"time"
	"unsafe"

	"github.com/levada-io/levada/record"
)

// The types of the tests: one of every kind, and two real records.

type Scalars struct {
	Bool bool    `json:"bool"`
	I8   int8    `json:"i8"`
	I16  int16   `json:"i16"`
	I32  int32   `json:"i32"`
	I64  int64   `json:"i64"`
	Int  int     `json:"int"`
	U8   uint8   `json:"u8"`
	U16  uint16  `json:"u16"`
	U32  uint32  `json:"u32"`
	U64  uint64  `json:"u64"`
	Uint uint    `json:"uint"`
	F32  float32 `json:"f32"`
	F64  float64 `json:"f64"`
	Str  string  `json:"str"`
	Blob []byte  `json:"blob"`
	Time time.Time
}

type Color string

type Inner struct {
	X int    `json:"x"`
	Y string `json:"y,omitempty"`
}

type Base struct {
	ID     string `json:"id"`
	Hidden int    `json:"-"`
	secret int
}

type Nested struct {
	Base
	Color   Color             `json:"color"`
	Inner   Inner             `json:"inner"`
	List    []int32           `json:"list"`
	Words   []string          `json:"words"`
	Structs []Inner           `json:"structs"`
	Map     map[string]string `json:"map"`
	Ints    map[string]int64  `json:"ints"`
	Floats  map[string]float64
	Deep    map[string][]Inner `json:"deep"`
	Anon    struct {
		A bool `json:"a"`
	} `json:"anon"`
}

type Presence struct {
	Ptr      *int64         `json:"ptr"`
	OptPtr   *string        `json:"opt_ptr,omitempty"`
	Opt      string         `json:"opt,omitempty"`
	OptInt   int            `json:"opt_int,omitempty"` // never left out: 0 is not empty
	ZeroInt  int            `json:"zero_int,omitzero"`
	OptList  []int64        `json:"opt_list,omitempty"`
	ZeroList []int64        `json:"zero_list,omitzero"`
	OptMap   map[string]any `json:"opt_map,omitempty"`
	OptAny   any            `json:"opt_any,omitempty"`
	OptIn    *Inner         `json:"opt_in,omitempty"`
	ZeroIn   Inner          `json:"zero_in,omitzero"`
	ZeroTime time.Time      `json:"zero_time,omitzero"`
	OptBlob  []byte         `json:"opt_blob,omitempty"`
	Ptrs     []*Inner       `json:"ptrs"`
	PtrMap   map[string]*float64
	PtrList  *[]string `json:"ptr_list"`
}

type Tree struct {
	Name  string           `json:"name"`
	Left  *Tree            `json:"left,omitempty"`
	Kids  []Tree           `json:"kids,omitempty"`
	Index map[string]*Tree `json:"index,omitempty"`
}

type Open struct {
	Known string         `json:"known"`
	Rest  jsontext.Value `json:",embed"`
}

type OpenMap struct {
	Known string         `json:"known"`
	Rest  map[string]any `json:",embed"`
}

type Dynamic struct {
	Any  any            `json:"any"`
	List []any          `json:"list"`
	Map  map[string]any `json:"map"`
	Raw  jsontext.Value `json:"raw"`
}

// Metric is a record of the ingest-metrics topic, 250 bytes of JSON.
type Metric struct {
	OrgID         uint64            `json:"org_id"`
	ProjectID     uint64            `json:"project_id"`
	Name          string            `json:"name"`
	Tags          map[string]string `json:"tags"`
	Timestamp     int64             `json:"timestamp"`
	RetentionDays int               `json:"retention_days"`
	Type          string            `json:"type"`
	Value         float64           `json:"value"`
}

// Span is a record of the ingest-spans topic, 1.7 kB of JSON.
type Span struct {
	OrganizationID  uint64            `json:"organization_id"`
	ProjectID       uint64            `json:"project_id"`
	TraceID         string            `json:"trace_id"`
	SpanID          string            `json:"span_id"`
	ParentSpanID    *string           `json:"parent_span_id"`
	SegmentID       string            `json:"segment_id"`
	ProfileID       string            `json:"profile_id,omitempty"`
	IsSegment       bool              `json:"is_segment"`
	IsRemote        bool              `json:"is_remote"`
	StartTimestamp  float64           `json:"start_timestamp"`
	EndTimestamp    float64           `json:"end_timestamp"`
	DurationMS      uint32            `json:"duration_ms"`
	ExclusiveTimeMS float64           `json:"exclusive_time_ms"`
	RetentionDays   uint16            `json:"retention_days"`
	Received        float64           `json:"received"`
	Description     string            `json:"description"`
	Tags            map[string]string `json:"tags"`
	SentryTags      map[string]string `json:"sentry_tags"`
	Measurements    map[string]Number `json:"measurements"`
	Data            map[string]any    `json:"data"`
	Links           []Link            `json:"links,omitempty"`
}

type Number struct {
	Value float64 `json:"value"`
	Unit  string  `json:"unit,omitempty"`
}

type Link struct {
	TraceID    string            `json:"trace_id"`
	SpanID     string            `json:"span_id"`
	Sampled    bool              `json:"sampled"`
	Attributes map[string]string `json:"attributes"`
}

const metricJSON = `{"org_id":1,"project_id":3,"name":"c:sessions/session@none","tags":{"sdk":"raven-node/2.6.3","environment":"production","release":"sentry-test@1.0.0","session.status":"init"},"timestamp":1677512412,"retention_days":90,"type":"c","value":1}`

func aMetric() Metric {
	return Metric{
		OrgID: 1, ProjectID: 3, Name: "c:sessions/session@none",
		Tags:      map[string]string{"sdk": "raven-node/2.6.3", "environment": "production", "release": "sentry-test@1.0.0", "session.status": "init"},
		Timestamp: 1677512412, RetentionDays: 90, Type: "c", Value: 1,
	}
}

func aSpan() Span {
	parent := "8873a98879faf06d"
	return Span{
		OrganizationID: 69, ProjectID: 1, TraceID: "d099bf9ad5a143cf8f83a98081d0ed3b", SpanID: "95acbf6d30a66717",
		ParentSpanID: &parent, SegmentID: "8873a98879faf06d", ProfileID: "dbae2b82559649a1a34a2878134a007b",
		IsRemote: true, StartTimestamp: 1715868485.371, EndTimestamp: 1715868486.370551, DurationMS: 999,
		ExclusiveTimeMS: 999.551, RetentionDays: 90, Received: 1715868486.5,
		Description: "POST https://sentry.example.com/api/0/relays/projectconfigs/?version=3",
		Tags: map[string]string{
			"http.status_code": "200", "relay_endpoint_version": "3", "relay_id": "88888888-4444-4444-8444-cccccccccccc",
			"relay_no_cache": "False", "relay_protocol_version": "3", "relay_use_post_or_schedule": "True",
			"relay_use_post_or_schedule_rejected": "version", "spans_over_limit": "False", "server_name": "blah.example.com",
		},
		SentryTags: map[string]string{
			"category": "http", "normalized_description": "POST https://*.example.com", "domain": "*.example.com",
			"environment": "canary", "group": "c37fb19ce07d8a4b", "http.method": "POST", "op": "http.client",
			"platform": "python", "release": "backend@24.7.0.dev0+c45b49caed1e5fcbf70097ab3f434b487c359b6b",
			"sdk.name": "sentry.python.django", "sdk.version": "2.7.0", "status": "ok", "status_code": "200",
			"system": "python", "transaction": "/api/0/relays/projectconfigs/", "transaction.method": "POST",
			"transaction.op": "http.server", "user": "ip:70.113.39.48",
		},
		Measurements: map[string]Number{"num_of_spans": {Value: 50}, "client_sample_rate": {Value: 0.1}, "fcp": {Value: 812.5, Unit: "millisecond"}},
		Data:         map[string]any{"thread.id": "8522009600", "thread.name": "uWSGIWorker1Core0", "sentry.sdk.name": "sentry.python.django", "n": int64(17), "f": 0.5, "list": []any{int64(1), "two", nil, true}},
		Links:        []Link{{TraceID: "d099bf9ad5a143cf8f83a98081d0ed3b", SpanID: "8873a98879faf06d", Sampled: true, Attributes: map[string]string{"sentry.link.type": "parent"}}},
	}
}

// Three has members of three states.
type Three struct {
	Int    record.Opt[int64]     `json:"int,omitzero"`
	Text   record.Opt[string]    `json:"text,omitzero"`
	List   record.Opt[[]int8]    `json:"list,omitzero"`
	Inner  record.Opt[Inner]     `json:"inner,omitzero"`
	At     record.Opt[time.Time] `json:"at,omitzero"`
	Pair   record.Opt[[2]bool]   `json:"pair,omitzero"`
	Always bool                  `json:"always"`
}

// ThreeMore has no other members.
type ThreeMore struct {
	Small record.Opt[uint8]              `json:"small,omitzero"`
	Map   record.Opt[map[string]float64] `json:"map,omitzero"`
}

// Ticks has a time and a duration in every unit.
type Ticks struct {
	Text    time.Time                `json:"text"`
	Unix    time.Time                `json:"unix" levada:"unit=unix"`
	Millis  *time.Time               `json:"millis" levada:"unit=unix_ms"`
	Micros  time.Time                `json:"micros,omitzero" levada:"unit=unix_us"`
	Nanos   []time.Time              `json:"nanos" levada:"unit=unix_ns"`
	Wait    time.Duration            `json:"wait"`
	Seconds time.Duration            `json:"seconds,omitzero" levada:"unit=s"`
	Few     *time.Duration           `json:"few" levada:"unit=us"`
	Fine    time.Duration            `json:"fine" levada:"unit=ns"`
	Waits   map[string]time.Duration `json:"waits"`
	Span    [2]time.Duration         `json:"span" levada:"unit=s"`
}

type Tuples struct {
	Pair   [2]int64       `json:"pair"`
	Named  [3]Inner       `json:"named"`
	Maybe  [2]*string     `json:"maybe"`
	Zero   [2]float64     `json:"zero,omitzero"`
	Ptr    *[1]bool       `json:"ptr"`
	Nested [][2][2]uint16 `json:"nested,omitempty"`
}

func ptr[T any](v T) *T { return &v }

type golden struct {
	name   string
	about  string
	typ    reflect.Type
	values any // a slice
}

func aCase[T any](name, about string, values ...T) golden {
	return golden{name, about, reflect.TypeFor[T](), values}
}

// goldens are the values of abi/testdata/frames.
func goldens() []golden {
	leap := time.Date(2024, 2, 29, 23, 59, 59, 999999000, time.UTC)
	tree := &Tree{Name: "leaf"}
	return []golden{
		aCase("bool", "the two", false, true),
		aCase[int8]("int8", "the limits", 0, 1, -1, math.MaxInt8, math.MinInt8),
		aCase[int16]("int16", "the limits", 0, math.MaxInt16, math.MinInt16),
		aCase[int32]("int32", "the limits", 0, math.MaxInt32, math.MinInt32),
		aCase[int64]("int64", "the limits, and beyond what a double holds", 0, -1, 1<<53+1, math.MaxInt64, math.MinInt64),
		aCase[uint8]("uint8", "the limits", 0, math.MaxUint8),
		aCase[uint16]("uint16", "the limits", 0, math.MaxUint16),
		aCase[uint32]("uint32", "the limits", 0, math.MaxUint32),
		aCase[uint64]("uint64", "the limits, and 2^63", 0, 1<<63-1, 1<<63, math.MaxUint64),
		aCase[float32]("float32", "prints as 32 bits", 0, 0.1, -1.5, 16777216, 1e10, math.MaxFloat32, math.SmallestNonzeroFloat32),
		aCase[float64]("float64", "shortest digits, exponents from 1e21 and below 1e-6", 0, math.Copysign(0, -1), 0.1, 1e20, 1e21, 1e-6, 1e-7, 1<<53, math.Pi, math.MaxFloat64, math.SmallestNonzeroFloat64),
		aCase("string", "ASCII, wide, quotes and control characters, NUL", "", "plain", "grüße 🐕 世界", "\"\\/\b\f\n\r\t\x00\x1f\x7f", "28 bytes, the cache's limit..", "</script>\u2028\u2029"),
		aCase("constants", "whatever the fields hold", Constants{}, Constants{Kind: "x", Ptr: ptr("x"), OptPtr: ptr(int64(1)), Opt: "x", Zero: true, Three: record.Some("x")}, Constants{Three: record.Null[string]()}),
		aCase("bytes", "base64 in JSON", []byte{}, []byte{0}, []byte("any bytes \xff\x00"), []byte{1, 2}),
		aCase("time", "microseconds, the first and the last year", time.Unix(0, 0).UTC(), leap, time.Time{}, time.Date(0, 1, 1, 0, 0, 0, 0, time.UTC), time.Date(9999, 12, 31, 23, 59, 59, 999999000, time.UTC), time.Date(1969, 12, 31, 23, 59, 59, 500000000, time.UTC)),
		aCase("list", "of int64", []int64{}, []int64{1, 2, 3}),
		aCase("map", "sorted by key", map[string]string{}, map[string]string{"b": "2", "a": "1", "": "", "ä": "3"}),
		aCase("nullable", "a pointer at the root", nil, ptr("x"), ptr("")),
		aCase("any", "every tag, nested", any(nil), any(true), any(int64(-7)), any(uint64(math.MaxUint64)), any(0.5), any("text"), any([]byte("blob")), any(leap), any(-1500*time.Microsecond),
			any([]any{int64(1), []any{}, map[string]any{}, nil}), any(map[string]any{"b": int64(1), "a": map[string]any{"z": "y"}})),
		aCase("scalars", "one field of every kind", Scalars{}, Scalars{true, 1, -2, 3, -4, 5, 6, 7, 8, 9, 10, 0.1, 0.1, "s", []byte("b"), leap}),
		aCase("nested", "structs, lists and maps in each other, an embedded and an anonymous struct", Nested{}, Nested{
			Base: Base{ID: "id"}, Color: "red", Inner: Inner{1, "y"}, List: []int32{1, -2}, Words: []string{"", "w"}, Structs: []Inner{{X: 2}, {3, "z"}},
			Map: map[string]string{"k": "v", "a": "b"}, Ints: map[string]int64{"n": -1}, Floats: map[string]float64{"f": 2.5},
			Deep: map[string][]Inner{"d": {{X: 4}}, "c": {}}, Anon: struct {
				A bool `json:"a"`
			}{true},
		}),
		aCase("presence", "null, absent, and what Go leaves out", Presence{}, Presence{
			Ptr: ptr(int64(5)), OptPtr: ptr("p"), Opt: "o", OptInt: 1, ZeroInt: 2, OptList: []int64{1}, ZeroList: []int64{}, OptMap: map[string]any{"k": nil},
			OptAny: "a", OptIn: &Inner{X: 1}, ZeroIn: Inner{Y: "y"}, ZeroTime: leap, OptBlob: []byte("b"), Ptrs: []*Inner{nil, {X: 1}}, PtrMap: map[string]*float64{"a": nil, "b": ptr(1.5)}, PtrList: &[]string{"s"},
		}, Presence{OptPtr: ptr(""), OptAny: []any{}, Ptrs: []*Inner{}}),
		aCase("tree", "a recursive type", Tree{Name: "root", Left: tree, Kids: []Tree{{Name: "a"}, {Name: "b", Left: tree}}, Index: map[string]*Tree{"none": nil, "self": tree}}, Tree{}),
		aCase("open", "members that no field names, in their order", Open{Known: "k"}, Open{"k", jsontext.Value(`{"z":1,"a":[true,null,{"y":1.5,"x":"s"}]}`)}),
		aCase("dynamic", "any in a struct: maps are sorted in JSON", Dynamic{}, Dynamic{map[string]any{"b": int64(1), "a": int64(2)}, []any{"x"}, map[string]any{"k": 1.5}, jsontext.Value(`{"n":18446744073709551615}`)}),
		aCase("duration", "milliseconds in JSON, with digits behind the point where they are not whole", time.Duration(0), time.Millisecond, -time.Second, 1500*time.Microsecond, -time.Microsecond, time.Duration(math.MaxInt64)/1e6*1e6),
		aCase("tuple", "just as many elements as the layout says", [3]int64{1, -2, 3}, [3]int64{}),
		aCase("tuples", "tuples in structs, lists and each other", Tuples{}, Tuples{
			Pair: [2]int64{1, math.MaxInt64}, Named: [3]Inner{{X: 1}, {Y: "y"}, {}}, Maybe: [2]*string{ptr("m"), nil}, Zero: [2]float64{0, 0.5}, Ptr: &[1]bool{true}, Nested: [][2][2]uint16{{{1, 2}, {3, 4}}},
		}),
		aCase("ticks", "times and durations in every unit", Ticks{Unix: time.Unix(0, 0), Millis: ptr(leap), Nanos: []time.Time{}}, Ticks{
			Text: leap, Unix: leap, Millis: ptr(time.UnixMilli(-1).UTC()), Micros: leap, Nanos: []time.Time{leap, time.Unix(0, 0).UTC()}, Wait: 20 * time.Second, Seconds: 90 * time.Minute,
			Few: ptr(time.Microsecond), Fine: 7 * time.Microsecond, Waits: map[string]time.Duration{"b": 1, "a": time.Hour}, Span: [2]time.Duration{time.Second, 2500 * time.Millisecond},
		}),
		aCase("three", "members that are absent, null or there", Three{}, Three{
			record.Null[int64](), record.Null[string](), record.Null[[]int8](), record.Null[Inner](), record.Null[time.Time](), record.Null[[2]bool](), true,
		}, Three{
			record.Some(int64(0)), record.Some(""), record.Some([]int8{}), record.Some(Inner{}), record.Some(leap), record.Some([2]bool{}), true,
		}),
		aCase[Shape]("shape", "a union at the root, told by constants", Circle{Radius: 1}, Square{Note: ptr("n")}, Group{Parts: []Shape{Circle{}}}),
		aCase[Scalar]("scalar", "a union at the root, told by kind and required members", Flag(true), Count(-1), Words(""), Many{1}, Point{X: 1}, Name{First: "f"}),
		aCase("unions", "variants told by kind, constants and required members", someUnions()...),
		aCase("metric", "a record of ingest-metrics", aMetric(), aMetric()),
		aCase("span", "a record of ingest-spans", aSpan()),
		aCase[Metric]("empty", "a column without elements"),
	}
}

func base(values any) unsafe.Pointer { return reflect.ValueOf(values).UnsafePointer() }
