package settings

import (
	"encoding/json/jsontext"
	"time"

	"github.com/levada-io/levada/record"
)

type Threshold struct {
	Limit   float64         `json:"the limit"`
	From    int             `json:"from"`
	Channel chan int        `json:"channel"`
	Maybe   record.Opt[int] `json:"maybe"`
	Wait    time.Duration   `json:"wait"`
	Since   time.Time       `json:"since" levada:"unit=unix"`
	Fixed   string          `json:"fixed" levada:"const=x"`
	Bound   int             `json:"bound" levada:"min=1"`
	Rest    jsontext.Value  `json:",embed"`
}

func (t Threshold) Apply(m record.Message[string]) (bool, error) { return true, nil }
