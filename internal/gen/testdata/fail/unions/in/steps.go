package bad_unions

import (
	"github.com/levada-io/levada/internal/gen/testdata/fail/unions/in/other"
	"github.com/levada-io/levada/record"
)

type (
	Open       interface{ Area() float64 }
	Alone      interface{ isAlone() }
	Pointed    interface{ isPointed() }
	Numbers    interface{ isNumber() }
	Objects    interface{ isObject() }
	hidden     interface{ isHidden() }
	Hiding     interface{ isHiding() }
	Twice      interface{ isTwice() }
	Same       interface{ isSame() }
	Unnamed    interface{ isUnnamed() }
	Endless    interface{ isEndless() }
	Wrong      interface{ isWrong() }
	Box[T any] interface{ isBox(T) }
	Formed     interface{ isFormed() }
)

type (
	Circle    struct{ Radius float64 }
	Int       int
	Float     float64
	Any       map[string]any
	secret    struct{ Text string }
	Text      string
	List      []Endless
	Chan      chan int
	Of[T any] struct{ Value T }
	Own       struct{ A int }
)

func (Circle) Area() float64 { return 0 }
func (Circle) isAlone()      {}
func (*Circle) isPointed()   {}
func (*Any) isPointed()      {}
func (Int) isNumber()        {}
func (Float) isNumber()      {}
func (Circle) isObject()     {}
func (Any) isObject()        {}
func (Circle) isHidden()     {}
func (Text) isHidden()       {}
func (secret) isHiding()     {}
func (Text) isHiding()       {}
func (Circle) isTwice()      {}
func (Text) isTwice()        {}
func (Circle) isSame()       {}
func (*secret) isUnnamed()   {}
func (Text) isUnnamed()      {}
func (Text) isEndless()      {}
func (List) isEndless()      {}
func (Text) isWrong()        {}
func (Chan) isWrong()        {}
func (Of[T]) isBox(T)        {}
func (Own) isFormed()        {}
func (Text) isFormed()       {}

func (Own) MarshalText() ([]byte, error) { return nil, nil }
func (*Own) UnmarshalText([]byte) error  { return nil }

var (
	_ = record.Union[Twice](Circle{}, Text(""))
	_ = record.Union[Twice](Circle{}, Text(""))
	_ = record.Union[Same](Circle{}, Circle{})
	_ = record.Union[Unnamed](&secret{}, Text(""))
)

type In struct {
	Open    Open         `json:"open"`
	Alone   Alone        `json:"alone"`
	Pointed Pointed      `json:"pointed"`
	Numbers Numbers      `json:"numbers"`
	Objects Objects      `json:"objects"`
	Hidden  hidden       `json:"hidden"`
	Hiding  Hiding       `json:"hiding"`
	Twice   Twice        `json:"twice"`
	Same    Same         `json:"same"`
	Unnamed Unnamed      `json:"unnamed"`
	Endless Endless      `json:"endless"`
	Wrong   Wrong        `json:"wrong"`
	Box     Box[int]     `json:"box"`
	Formed  Formed       `json:"formed"`
	Animal  other.Animal `json:"animal"`
}

func F(m record.Message[In]) (In, error) { return m.Payload(), nil }

type Fine interface{ isFine() }

func (Circle) isFine() {}
func (Text) isFine()   {}

type Settings struct {
	Fine  Fine `json:"fine"`
	Inner struct {
		Fine []Fine `json:"fine"`
	} `json:"inner"`
}

func (s *Settings) Apply(m record.Message[int]) (int, error) { return 0, nil }
