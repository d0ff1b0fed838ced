package main

import (
	"time"
	"unicode/utf8"

	"github.com/levada-io/levada/record"
)

// printedRecord is a record as consume --json prints it. A value that is no UTF-8 has
// its bytes in the member with _base64 in its name.
type printedRecord struct {
	Topic       string          `json:"topic"`
	Partition   int32           `json:"partition"`
	Offset      int64           `json:"offset"`
	Timestamp   *time.Time      `json:"timestamp,omitempty"`
	Key         *string         `json:"key,omitempty"`
	KeyBase64   []byte          `json:"key_base64,omitempty"`
	Headers     []printedHeader `json:"headers,omitempty"`
	Value       *string         `json:"value"`
	ValueBase64 []byte          `json:"value_base64,omitempty"`
}

type printedHeader struct {
	Key         string  `json:"key"`
	Value       *string `json:"value,omitempty"`
	ValueBase64 []byte  `json:"value_base64,omitempty"`
}

func printed(r *record.Record) printedRecord {
	p := printedRecord{Topic: r.Topic, Partition: r.Partition, Offset: r.Offset}
	if !r.Timestamp.IsZero() {
		t := r.Timestamp.UTC()
		p.Timestamp = &t
	}
	p.Key, p.KeyBase64 = text(r.Key)
	p.Value, p.ValueBase64 = text(r.Value)
	for _, h := range r.Headers {
		ph := printedHeader{Key: h.Key}
		ph.Value, ph.ValueBase64 = text(h.Value)
		p.Headers = append(p.Headers, ph)
	}
	return p
}

// text gives bytes as what can be printed; neither for null.
func text(b []byte) (*string, []byte) {
	switch {
	case b == nil:
		return nil, nil
	case utf8.Valid(b):
		s := string(b)
		return &s, nil
	}
	return nil, b
}
