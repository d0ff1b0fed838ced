package bad_types

import (
	"fmt"
	"net/netip"
	"time"

	"github.com/levada-io/levada/record"
)

type In struct {
	Channel      chan int            `json:"channel"`
	Function     func()              `json:"function"`
	Complex      complex128          `json:"complex"`
	Pointer      uintptr             `json:"pointer"`
	Array        [9]int              `json:"array"`
	Wait         time.Duration       `json:"wait" levada:"unit=weeks"`
	ByNumber     map[int]string      `json:"by_number"`
	Stringer     fmt.Stringer        `json:"stringer"`
	Address      Addressed           `json:"address"`
	ByAddress    map[netip.Addr]bool `json:"by_address"`
	Twice        **int               `json:"twice"`
	MaybeAny     *any                `json:"maybe_any"`
	Page         Page[int]           `json:"page"`
	Text         int                 `json:"text,string"`
	Formatted    time.Time           `json:"formatted,format:unix"`
	Rest         map[string]any      `json:",inline"`
	Same         string              `json:"same"`
	AsSame       string              `json:"same"`
	hidden       string              `json:"hidden"`
	Quoted       string              `json:"'quoted'"`
	Own          Own                 `json:"own"`
	Nothing      Nothing             `json:"nothing"`
	Nested       Nested              `json:"nested"`
	ZeroOfItsOwn Zeroer              `json:"zero_of_its_own,omitzero"`
	ID           [4]byte             `json:"id"`
	Count        int                 `json:"count" levada:"unit=s"`
	Opted        Own                 `json:"opted" levada:"any"`
	Fast         int                 `json:"fast" levada:"fast"`
	Twofold      record.Opt[*int]    `json:"twofold"`
	Opts         []record.Opt[int]   `json:"opts"`
	Emptied      record.Opt[int]     `json:"emptied,omitempty"`
	Shape        string              `json:"shape,omitempty" levada:"const="`
	Version      int8                `json:"version" levada:"const=two"`
	Ratio        float64             `json:"ratio" levada:"const=1.5"`
	Share        float64             `json:"share" levada:"min=1,max=0"`
	Pattern      string              `json:"pattern" levada:"pattern=("`
	Length       int                 `json:"length" levada:"minlen=1"`
	Bound        int                 `json:"bound" levada:"unit=s,min=1.5"`
	Read         Read                `json:"read"`
	Certain      record.Opt[Addr]    `json:"certain"`
	Ruled        Addr                `json:"ruled" levada:"minlen=1"`
	Fixed        *Addr               `json:"fixed" levada:"const=::1"`
	Deep         **Addr              `json:"deep"`
	*Embedded
	Many []Many `json:"many"`
}

type Page[T any] struct{ Items chan T }

type Own struct{ A int }

func (Own) MarshalJSON() ([]byte, error) { return nil, nil }

type Addressed struct {
	netip.Addr
	Port uint16
}

type Read struct{ A int }

func (*Read) UnmarshalText([]byte) error { return nil }

type Addr = netip.Addr

type Nothing struct{ a int }

type Nested struct {
	Deep []map[string]struct{ C chan int } `json:"deep"`
}

type Zeroer struct{ A int }

func (Zeroer) IsZero() bool { return true }

type Embedded struct{ B int }

type Many []Many

func F(m record.Message[In]) (In, error) { return m.Payload(), nil }

func Result(m record.Message[string]) (chan int, error) { return nil, nil }

func Payload(m record.Message[error]) (string, error) { return "", nil }

func InPlace(m record.Message[struct{ A int }]) (string, error) { return "", nil }
