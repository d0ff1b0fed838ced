package names

import (
	"github.com/levada-io/levada/internal/gen/testdata/fail/names/in/other"
	"github.com/levada-io/levada/record"
)

type Tag struct {
	Key string `json:"key"`
}

type TypedDict struct {
	A int `json:"a"`
}

type list struct {
	A int `json:"a"`
}

type In struct {
	Tag   Tag       `json:"tag"`
	Other other.Tag `json:"other"`
	Dict  TypedDict `json:"dict"`
	List  list      `json:"list"`
}

func None(m record.Message[In]) (In, error) { return m.Payload(), nil }
