// Package steps holds the Go steps of the corpus: what a team would write, and nothing
// else. The pipelines beside it name them from Python, Go and YAML.
package steps

import (
	"bytes"
	"encoding/hex"
	"encoding/json/jsontext"
	"errors"
	"fmt"
	"iter"
	"math/big"
	"net/netip"
	"strings"
	"time"

	"github.com/levada-io/levada"
	"github.com/levada-io/levada/plan/testdata/visitpb"
)

// Reading is one measurement of a sensor. It keeps the members that it does not name.
type Reading struct {
	ID    string         `json:"id"`
	Kind  string         `json:"kind"`
	Level int            `json:"level"`
	Value float64        `json:"value"`
	Tags  []string       `json:"tags,omitempty"`
	Rest  jsontext.Value `json:",embed"`
}

// Hot is a Reading that was found hot.
type Hot struct {
	ID   string  `json:"id"`
	Over float64 `json:"over"` // degrees above the limit
}

// Tag is one tag of a Reading.
type Tag struct {
	ID  string `json:"id"`
	Tag string `json:"tag"`
}

// Total sums up Readings.
type Total struct {
	IDs   []string `json:"ids"`
	Value float64  `json:"value"`
}

// Meta is what a message has beside its payload.
type Meta struct {
	ID        string            `json:"id"`
	Key       *string           `json:"key"`
	Headers   map[string]string `json:"headers"`
	Partition int32             `json:"partition"`
	Offset    int64             `json:"offset"`
}

const limit = 30

// IsHot keeps readings above 30 degrees.
func IsHot(m levada.Message[Reading]) (bool, error) {
	return m.Payload().Value > limit, nil
}

// ToHot says how hot a reading is.
func ToHot(m levada.Message[Reading]) (Hot, error) {
	r := m.Payload()
	return Hot{ID: r.ID, Over: r.Value - limit}, nil
}

// Double doubles the value and leaves everything else as it was.
func Double(m levada.Message[Reading]) (Reading, error) {
	r := m.Payload()
	r.Value *= 2
	return r, nil
}

// Tags are the tags of a reading.
func Tags(m levada.Message[Reading]) ([]Tag, error) {
	r := m.Payload()
	tags := make([]Tag, len(r.Tags))
	for i, t := range r.Tags {
		tags[i] = Tag{r.ID, t}
	}
	return tags, nil
}

// Letters are the tags of a reading letter by letter.
func Letters(m levada.Message[Reading]) (iter.Seq[Tag], error) {
	r := m.Payload()
	return func(yield func(Tag) bool) {
		for _, tag := range r.Tags {
			for _, letter := range tag {
				if !yield(Tag{r.ID, string(letter)}) {
					return
				}
			}
		}
	}, nil
}

// Kind is the kind of a reading, to route by.
func Kind(m levada.Message[Reading]) (string, error) {
	return m.Payload().Kind, nil
}

// Level is the level of a reading, to route by.
func Level(m levada.Message[Reading]) (int, error) {
	return m.Payload().Level, nil
}

// Sum sums a batch up.
func Sum(m levada.Message[[]Reading]) (Total, error) {
	out := Total{IDs: []string{}}
	for _, r := range m.Payload() {
		out.IDs = append(out.IDs, r.ID)
		out.Value += r.Value
	}
	return out, nil
}

// SumAll sums all readings of one list up.
func SumAll(m levada.Message[[]Reading]) (Total, error) { return Sum(m) }

// KeyByKind makes the kind the key, and says so in a header.
func KeyByKind(m levada.Message[Reading]) (levada.Message[Reading], error) {
	kind := m.Payload().Kind
	return m.WithKey([]byte(kind)).WithHeader("keyed-by", []byte("kind")), nil
}

// Describe tells what a message has beside its payload.
func Describe(m levada.Message[Reading]) (Meta, error) {
	out := Meta{ID: m.Payload().ID, Headers: map[string]string{}, Partition: m.Partition(), Offset: m.Offset()}
	if m.Key() != nil {
		key := string(m.Key())
		out.Key = &key
	}
	for _, h := range m.Headers() {
		out.Headers[h.Key] = string(h.Value)
	}
	return out, nil
}

// Upper works on the bytes of a record.
func Upper(m levada.Message[[]byte]) ([]byte, error) {
	return bytes.ToUpper(m.Payload()), nil
}

// IsBrace keeps records that begin as a JSON object does.
func IsBrace(m levada.Message[[]byte]) (bool, error) {
	return bytes.HasPrefix(m.Payload(), []byte("{")), nil
}

// Unhex makes bytes of their hexadecimal digits, which fit into a file of lines.
func Unhex(m levada.Message[[]byte]) ([]byte, error) {
	return hex.AppendDecode(nil, m.Payload())
}

// Hex is the other way round.
func Hex(m levada.Message[[]byte]) ([]byte, error) {
	return hex.AppendEncode(nil, m.Payload()), nil
}

// Names are the names of the members of an object, whatever it is.
func Names(m levada.Message[map[string]any]) (int, error) {
	return len(m.Payload()), nil
}

// Above keeps readings above a limit, of some kinds only where these are given.
type Above struct {
	Limit float64  `json:"limit"`
	Kinds []string `json:"kinds"`
}

// Apply implements the step.
func (a Above) Apply(m levada.Message[Reading]) (bool, error) {
	r := m.Payload()
	if r.Value <= a.Limit {
		return false, nil
	}
	for _, k := range a.Kinds {
		if k == r.Kind {
			return true, nil
		}
	}
	return len(a.Kinds) == 0, nil
}

// Tagged adds a tag.
type Tagged struct {
	Tag   string
	Times int
}

// Apply implements the step.
func (t *Tagged) Apply(m levada.Message[Reading]) (Reading, error) {
	if t.Tag == "" {
		return Reading{}, errors.New("expected a tag, got none")
	}
	r := m.Payload()
	r.Tags = append([]string(nil), r.Tags...)
	for range max(t.Times, 1) {
		r.Tags = append(r.Tags, t.Tag)
	}
	return r, nil
}

// Positive refuses readings below zero.
func Positive(m levada.Message[Reading]) (Reading, error) {
	r := m.Payload()
	if r.Value < 0 {
		return Reading{}, fmt.Errorf("expected a value of at least 0, got %v", r.Value)
	}
	return r, nil
}

// Stubborn passes a reading on when it was asked for it often enough.
type Stubborn struct {
	Refuse int  `json:"refuse"` // calls before the one that answers
	Busy   bool `json:"busy"`   // says that another call may do

	asked map[string]int
}

// Apply implements the step.
func (s *Stubborn) Apply(m levada.Message[Reading]) (Reading, error) {
	r := m.Payload()
	if s.asked == nil {
		s.asked = map[string]int{}
	}
	if s.asked[r.ID]++; s.asked[r.ID] > s.Refuse {
		return r, nil
	}
	err := fmt.Errorf("asked %d times", s.asked[r.ID])
	if s.Busy {
		err = levada.Retry(err)
	}
	return Reading{}, err
}

// Unit is a scale of temperatures.
type Unit string

// The units.
const (
	Celsius    Unit = "C"
	Fahrenheit Unit = "F"
)

// Base lends its members to Everything.
type Base struct {
	Flag bool `json:"flag"`
	I8   int8 `json:"i8"`
}

// Node is a tree.
type Node struct {
	Name string `json:"name"`
	Down []Node `json:"down,omitempty"`
	Side *Node  `json:"side,omitempty"`
}

// Page is a part of a list.
type Page[T any] struct {
	Items []T      `json:"items"`
	Next  *Page[T] `json:"next,omitempty"`
}

// Figure is a disc, a box with figures in it, or the name of one.
type Figure interface{ isFigure() }

// Disc is told by its kind.
type Disc struct {
	Kind   string  `json:"kind" levada:"const=disc"`
	Radius float64 `json:"radius"`
}

// Box is told by its kind, too.
type Box struct {
	Kind  string   `json:"kind" levada:"const=box"`
	Inner []Figure `json:"inner"`
}

// Label is a text, which no other figure is.
type Label string

func (Disc) isFigure()  {}
func (Box) isFigure()   {}
func (Label) isFigure() {}

var _ = levada.Union[Figure](Disc{}, Box{}, Label(""))

// Grow doubles a disc, puts a label into a box, and names a label after itself.
func Grow(m levada.Message[Figure]) (Figure, error) {
	switch f := m.Payload().(type) {
	case Disc:
		return Disc{Radius: 2 * f.Radius}, nil
	case Box:
		return Box{Inner: append(f.Inner, Label("grown"))}, nil
	case Label:
		return f + "+" + f, nil
	}
	return nil, fmt.Errorf("expected a figure, got %T", m.Payload())
}

// Contact is a mail address or a telephone number, and a message may have both.
type Contact interface{ isContact() }

// ByMail keeps what else a message has: of both it is the first.
type ByMail struct {
	Mail  string         `json:"mail"`
	Extra jsontext.Value `json:",embed"`
}

// ByPhone keeps what else a message has.
type ByPhone struct {
	Phone string         `json:"phone"`
	Extra jsontext.Value `json:",embed"`
}

func (ByMail) isContact()  {}
func (ByPhone) isContact() {}

var _ = levada.Union[Contact](ByMail{}, ByPhone{})

// Prefer writes how somebody is reached first.
func Prefer(m levada.Message[Contact]) (Contact, error) {
	switch c := m.Payload().(type) {
	case ByMail:
		c.Mail = strings.ToLower(c.Mail)
		return c, nil
	case ByPhone:
		c.Phone = "+" + c.Phone
		return c, nil
	}
	return nil, fmt.Errorf("expected a contact, got %T", m.Payload())
}

// Everything has a member of every type that crosses the border.
type Everything struct {
	Base
	I16    int16              `json:"i16"`
	I32    int32              `json:"i32"`
	I64    int64              `json:"i64"`
	U8     uint8              `json:"u8"`
	U16    uint16             `json:"u16"`
	U32    uint32             `json:"u32"`
	U64    uint64             `json:"u64"`
	F32    float32            `json:"f32"`
	F64    float64            `json:"f64"`
	Text   string             `json:"text"`
	Bytes  []byte             `json:"bytes"`
	Time   time.Time          `json:"time"`
	Unit   Unit               `json:"unit"`
	List   []int32            `json:"list"`
	Lists  [][]string         `json:"lists"`
	Map    map[string]float64 `json:"map"`
	Node   Node               `json:"node"`
	Maybe  *int64             `json:"maybe"`
	Empty  string             `json:"empty,omitempty"`
	Zero   int                `json:"zero,omitzero"`
	Any    any                `json:"any"`
	Wait   time.Duration      `json:"wait"`
	Since  *time.Time         `json:"since" levada:"unit=unix_ms"`
	Pair   [2]float64         `json:"pair"`
	Three  levada.Opt[string] `json:"three"`
	Form   string             `json:"form" levada:"const=every"`
	Page   Page[Node]         `json:"page"`
	Shape  Figure             `json:"shape"`
	Shapes []Figure           `json:"shapes"`
	Named  map[string]Figure  `json:"named,omitempty"`
	Blank  *Figure            `json:"blank"`
	Addr   netip.Addr         `json:"addr,omitzero"`
	Sum    *big.Int           `json:"sum,omitempty"`
	Extra  levada.Extra       `json:",embed"`
}

// Touch changes a little of everything.
func Touch(m levada.Message[Everything]) (Everything, error) {
	e := m.Payload()
	e.Text = strings.ToUpper(e.Text)
	e.Form = "touched" // a constant stays what it is
	e.Time = e.Time.Add(time.Second)
	if e.Addr.IsValid() {
		e.Addr = e.Addr.Next()
	}
	e.Node.Down = append(e.Node.Down, Node{Name: fmt.Sprint(len(e.Node.Down))})
	e.Page.Items = append(e.Page.Items, Node{Name: "new"})
	e.Shapes = append(e.Shapes, e.Shape)
	return e, nil
}

// Slow keeps visits that took long. Generated messages are used by their pointers.
func Slow(m levada.Message[*visitpb.Visit]) (bool, error) { return m.Payload().GetMs() > 100, nil }

// Order is what a customer wants. Its rules are checked where it is read and written.
type Order struct {
	ID    string   `json:"id" levada:"pattern=^[a-z]{1,3}\\d+$"`
	State string   `json:"state" levada:"enum=new|paid"`
	Lines []Line   `json:"lines" levada:"minlen=1"`
	Marks []string `json:"marks,omitempty" levada:"maxlen=2,each.minlen=2"`
	Note  string   `json:"note,omitempty" levada:"maxlen=8"`
	Rate  float64  `json:"rate,omitzero" levada:"above=0,max=1"`
}

// Glimpse is what a step sees of a Reading that looks at its value only.
type Glimpse struct {
	Value float64 `json:"value"`
}

// IsWarm keeps what has a value above 10.
func IsWarm(m levada.Message[Glimpse]) (bool, error) {
	if m.Payload().Value == 13 {
		return false, errors.New("13 is no value")
	}
	return m.Payload().Value > 10, nil
}

// Place is what a step sees of a Reading that looks at its kind only.
type Place struct {
	Kind string `json:"kind"`
}

// KindOf is the kind of whatever has one, to route by.
func KindOf(m levada.Message[Place]) (string, error) { return m.Payload().Kind, nil }

// Line is one article of an order.
type Line struct {
	Article string   `json:"article"`
	Qty     int      `json:"qty" levada:"min=0"`
	Sizes   []string `json:"sizes,omitempty" levada:"enum=S|M|L"`
}

// TakeOne takes one piece off each line, also where none is left.
func TakeOne(m levada.Message[Order]) (Order, error) {
	o := m.Payload()
	lines := make([]Line, len(o.Lines))
	for i, l := range o.Lines {
		l.Qty--
		lines[i] = l
	}
	o.Lines = lines
	return o, nil
}

// Claim is what a step sees of an order that never came: another one than an Order.
type Claim struct {
	State string `json:"state" levada:"enum=lost|stolen"`
}

// IsClaim keeps what is worth a claim.
func IsClaim(m levada.Message[Claim]) (bool, error) { return m.Payload().State == "stolen", nil }

// Return is what a step sees of goods that go back, which are counted below zero.
type Return struct {
	Lines []Returned `json:"lines"`
}

// Returned is one article of a Return.
type Returned struct {
	Qty int `json:"qty" levada:"below=0"`
}

// IsReturn keeps what goes back.
func IsReturn(m levada.Message[Return]) (bool, error) { return len(m.Payload().Lines) > 0, nil }

// Anonymous leaves out who it was.
func Anonymous(m levada.Message[*visitpb.Visit]) (*visitpb.Visit, error) {
	v := m.Payload()
	v.User = ""
	return v, nil
}

// IsPaid keeps bills that say how they were paid.
func IsPaid(m levada.Message[*visitpb.Bill]) (bool, error) { return m.Payload().GetPaid() != nil, nil }

// InCash has what was taken by card paid in cash, by the number of its lines.
func InCash(m levada.Message[*visitpb.Bill]) (*visitpb.Bill, error) {
	v := m.Payload()
	if _, ok := v.GetPaid().(*visitpb.Bill_Card); ok && v.GetCard() == "" {
		v.Paid = &visitpb.Bill_Cash{Cash: int64(len(v.GetLines()))}
	}
	return v, nil
}

// Price is an amount of money that crosses in its own way: as text, "EUR 12.50".
type Price struct {
	Currency string `json:"currency"`
	Cents    int64  `json:"cents"`
}

// AppendFrame is what Python gets.
func (p Price) AppendFrame(b []byte) ([]byte, error) {
	if p.Cents < 0 {
		return b, fmt.Errorf("expected a price of 0 or more, got %d cents", p.Cents)
	}
	return fmt.Appendf(b, "%s %d.%02d", p.Currency, p.Cents/100, p.Cents%100), nil
}

// ReadFrame reads what Python returns.
func (p *Price) ReadFrame(b []byte) ([]byte, error) {
	var whole, cents int64
	if _, err := fmt.Sscanf(string(b), "%s %d.%d", &p.Currency, &whole, &cents); err != nil {
		return b, fmt.Errorf("expected a price such as EUR 12.50, got %q", b)
	}
	p.Cents = whole*100 + cents
	return nil, nil
}

// PriceOf asks one cent for each unit of the value.
func PriceOf(m levada.Message[Reading]) (Price, error) {
	return Price{"EUR", int64(m.Payload().Value)}, nil
}

// Rounded drops the cents.
func Rounded(m levada.Message[Price]) (Price, error) {
	p := m.Payload()
	p.Cents -= p.Cents % 100
	return p, nil
}
