// Package message_steps has messages of protobuf with members that exclude each other.
package message_steps

import (
	"github.com/levada-io/levada/plan/testdata/visitpb"
	"github.com/levada-io/levada/record"
)

// Pay says how.
func Pay(m record.Message[*visitpb.Bill]) (*visitpb.Either, error) {
	return &visitpb.Either{Which: &visitpb.Either_Text{Text: m.Payload().GetCard()}}, nil
}

// Wide has a message in it, and one name of its own.
type Wide struct {
	visitpb.Bill
	Cash string `json:"cash"`
}

// Widen gives it.
func Widen(m record.Message[*visitpb.Bill]) (Wide, error) {
	return Wide{Cash: m.Payload().GetUser()}, nil
}
