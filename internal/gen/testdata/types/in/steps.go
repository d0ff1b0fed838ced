// Package all_types has one step over every type that crosses.
//
// It says so in "two" paragraphs, with a \ in them.
package all_types

import (
	"encoding/json/jsontext"
	"iter"
	"math/big"
	"net/netip"
	"time"

	"github.com/levada-io/levada/internal/gen/testdata/types/in/geo"
	"github.com/levada-io/levada/record"
)

// Everything has a member of every kind.
type Everything struct {
	Base
	extra
	Named geo.Point `json:"named"`

	Bool    bool    `json:"bool"`
	Int     int     `json:"int"`
	I8      int8    `json:"i8"`
	I16     int16   `json:"i16"`
	I32     int32   `json:"i32"`
	I64     int64   `json:"i64"`
	Uint    uint    `json:"uint"`
	U8      uint8   `json:"u8"`
	U16     uint16  `json:"u16"`
	U32     uint32  `json:"u32"`
	U64     uint64  `json:"u64"`
	F32     float32 `json:"f32"`
	F64     float64 `json:"f64"`
	String  string  `json:"text"`
	Bytes   []byte  `json:"bytes_"`
	Small   []Tiny  `json:"small"`
	Any     any     `json:"any"`
	Raw     jsontext.Value
	Time    time.Time  `json:"time"`
	MaybeAt *time.Time `json:"maybe_at"`

	List     []string            `json:"list_"`
	Lists    [][]int64           `json:"lists"`
	Map      map[string]float64  `json:"map"`
	ByLevel  map[Level]geo.Point `json:"by_level"`
	Pointer  *int64              `json:"pointer"`
	Pointers []*string           `json:"pointers"`

	Empty    string          `json:"empty,omitempty"`
	Zero     *Node           `json:"zero,omitzero"`
	Both     []string        `json:"both,omitempty,omitzero"`
	ZeroTime time.Time       `json:"zero_time,omitzero"`
	Level    Level           `json:"level"`
	Code     Code            `json:"code,omitempty"`
	Plain    plain           `json:"plain"`
	Alias    Alias           `json:"alias"`
	Place    struct{ X int } `json:"place"`
	Places   []struct {
		Name string `json:"name"`
	} `json:"places"`

	Skipped  chan int `json:"-"`
	private  chan int
	Tree     *Node     `json:"tree"`
	Document *Document `json:"document"`
	Left     Left      `json:"left"`

	Wait    time.Duration  `json:"wait"`
	Timeout *time.Duration `json:"timeout" levada:"unit=s"`
	Updated time.Time      `json:"updated,omitzero" levada:"unit=unix_ms"`
	Pair    [2]int64       `json:"pair"`
	Corners [2]*geo.Point  `json:"corners"`
	Windows [][2]time.Time `json:"windows" levada:"unit=unix"`
	Free    any            `json:"free" levada:"any"`

	Kind   string           `json:"kind" levada:"const=every, \"thing\""`
	V      int16            `json:"v,omitempty" levada:"const=-2"`
	Old    *bool            `json:"old" levada:"const=false"`
	Urgent Level            `json:"urgent" levada:"const=high"`
	Topic  record.Opt[Code] `json:"topic" levada:"const=7"`

	// Share of the whole.
	Share  float64          `json:"share" levada:"min=0,below=1"`
	Labels []string         `json:"labels,omitempty" levada:"maxlen=3,pattern=^[a-z]{1,8}, \\d$"`
	Trace  record.Opt[Code] `json:"trace" levada:"enum=7|8"`

	Page   Page[Node]                       `json:"page"`
	Pages  map[string]Page[geo.Point]       `json:"pages"`
	Both2  Pair[string, *Page[int64]]       `json:"both2"`
	Bytes2 Pair[[]byte, map[string][]Level] `json:"bytes2"`
	Free2  Pair[any, uint8]                 `json:"free2"`

	Note   record.Opt[string]          `json:"note,omitzero"`
	Where  record.Opt[geo.Point]       `json:"where"`
	Nodes  record.Opt[map[string]Node] `json:"nodes,omitzero"`
	Expiry record.Opt[time.Duration]   `json:"expiry" levada:"unit=s"`

	Address   netip.Addr            `json:"address"`
	Maybe     *netip.Addr           `json:"maybe,omitzero"`
	Addresses []*netip.Addr         `json:"addresses"`
	Sums      map[string]big.Int    `json:"sums"`
	Stamp     Stamp                 `json:"stamp,omitzero"`
	Stamps    [2]Stamp              `json:"stamps"`
	Sized     map[string]Sized      `json:"sized,omitempty"`
	Sum       Pair[*big.Int, Sized] `json:"sum"`
}

// Stamp has the form of the time that it is.
type Stamp struct{ time.Time }

// Sized is a text that has a form of its own, and no constants in Python for that.
type Sized string

// Large is one of them.
const Large Sized = "large"

// MarshalText implements encoding.TextMarshaler.
func (s Sized) MarshalText() ([]byte, error) { return []byte(s), nil }

// UnmarshalText implements encoding.TextUnmarshaler.
func (s *Sized) UnmarshalText(b []byte) error { *s = Sized(b); return nil }

// Page is a part of a list.
type Page[T any] struct {
	Items []T      `json:"items"`
	Next  *Page[T] `json:"next"`
}

// Pair has two of anything.
type Pair[A, B any] struct {
	First  A `json:"first"`
	Second B `json:"second"`
}

// Base lends its members.
type Base struct {
	ID     string `json:"id"`
	Hidden string `json:"bool"` // the member of Everything counts
}

type extra struct {
	Lent int32 `json:"lent"`
}

// Node is a tree.
type Node struct {
	Value    float64          `json:"value"`
	Children []Node           `json:"children"`
	Index    map[string]*Node `json:"index"`
	Next     *Node            `json:"next,omitempty"`
}

// Left and Right refer to each other.
type Left struct {
	Right *Right `json:"right"`
}

// Right is the other one.
type Right struct {
	Left *Left `json:"left"`
}

// Document keeps what it does not name.
type Document struct {
	From   string         `json:"from"` // a keyword
	Status *string        `json:"session.status,omitempty"`
	Self   *Document      `json:"self"`
	List   []int8         `json:"list"` // would hide list
	Rest   jsontext.Value `json:",embed"`
}

// Level is how urgent it is.
type Level string

// The levels.
const (
	High Level = "high"
	Low  Level = "low"
	Top        = High
)

// Code is a number with names.
type Code int32

const (
	OK      Code = 0
	Missing Code = 404
)

type (
	plain string
	// Tiny is a byte of its own.
	Tiny uint8
	// Alias is another name.
	Alias = geo.Point
)

// Whole takes and returns everything.
func Whole(m record.Message[Everything]) (Everything, error) { return m.Payload(), nil }

// Nullable takes null for an answer.
func Nullable(m record.Message[*Node]) (*Node, error) { return m.Payload(), nil }

// Lists takes what a batch gathers.
func Lists(m record.Message[[]Node]) (map[string][]Level, error) { return nil, nil }

// Anything takes anything.
func Anything(m record.Message[any]) (any, error) { return m.Payload(), nil }

// Bytes takes raw bytes, and sets the message.
func Bytes(m record.Message[[]byte]) (record.Message[[]byte], error) { return m, nil }

// Points yields one by one.
func Points(m record.Message[geo.Point]) (iter.Seq[geo.Point], error) { return nil, nil }

// When reads a time.
func When(m record.Message[time.Time]) (time.Time, error) { return m.Payload(), nil }

// Settings has every setting.
type Settings struct {
	Limit   float64           `json:"limit"`
	Count   uint16            `json:"count"`
	On      bool              `json:"on"`
	Text    string            `json:"text"`
	Level   Level             `json:"level"`
	Names   []string          `json:"names"`
	Where   geo.Point         `json:"where"`
	Labels  map[string]string `json:"labels"`
	Maximum *int64            `json:"maximum"`
	Since   time.Time         `json:"since"`
	Salt    []byte            `json:"salt"`
	cache   map[string]int
}

// Apply implements the step.
func (s *Settings) Apply(m record.Message[Everything]) (bool, error) { return s.cache != nil, nil }

// helper is no step: it takes more than a message.
func helper(m record.Message[Everything], n int) (bool, error) { return n > 0, nil }

// Glimpse is a part of what others make: it is only read.
type Glimpse struct {
	Parts  []GlimpsePart         `json:"parts"`
	Labels map[string]string     `json:"labels,omitempty"`
	Next   *Glimpse              `json:"next"`
	Places map[string]*geo.Point `json:"places"`
	Pair   [2]GlimpsePart        `json:"pair"`
}

// GlimpsePart is only read, too; geo.Point, which other steps give, is not.
type GlimpsePart struct {
	Name string `json:"name"`
}

// IsLarge only looks.
func IsLarge(m record.Message[Glimpse]) (bool, error) { return len(m.Payload().Parts) > 10, nil }

// The class of another team stands for it:
//levada:python Borrowed union_steps.types:Point

// Borrowed has a class in Python already.
type Borrowed struct {
	Lat  float64 `json:"lat"`
	Long float64 `json:"long"`
}

// Move gives one.
func Move(m record.Message[Borrowed]) (*Borrowed, error) { return new(m.Payload()), nil }
