package runner

import (
	"encoding/json/jsontext"
	"encoding/json/v2"
	"fmt"
	"time"
	"unicode/utf8"

	"github.com/levada-io/levada/connector"
	"github.com/levada-io/levada/record"
)

// lines writes dead letters into a file: a file has values only, so that each line is the
// whole record as JSON.
type lines struct{ connector.Sink }

// text is bytes as JSON: a string, or where they are no UTF-8 {"base64": "..."}.
type text []byte

// MarshalJSONTo implements json.MarshalerTo.
func (t text) MarshalJSONTo(e *jsontext.Encoder) error {
	switch {
	case t == nil:
		return e.WriteToken(jsontext.Null)
	case utf8.Valid(t):
		return e.WriteToken(jsontext.String(string(t)))
	}
	return json.MarshalEncode(e, struct {
		Base64 []byte `json:"base64"`
	}{t})
}

// Write implements connector.Sink.
func (l lines) Write(recs []record.Record, done func(error)) {
	out := make([]record.Record, len(recs))
	for i, r := range recs {
		headers := make([][2]text, len(r.Headers))
		for k, h := range r.Headers {
			headers[k] = [2]text{text(h.Key), text(h.Value)}
		}
		line, err := json.Marshal(struct {
			Timestamp time.Time `json:"timestamp,omitzero"`
			Key       text      `json:"key,omitzero"`
			Headers   [][2]text `json:"headers"`
			Value     text      `json:"value"`
		}{r.Timestamp, r.Key, headers, r.Value})
		if err != nil {
			done(fmt.Errorf("BUG: a dead letter has no line: %w", err))
			return
		}
		out[i].Value = line
	}
	l.Sink.Write(out, done)
}
