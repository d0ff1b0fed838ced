package compile

import "github.com/levada-io/levada/record"

func F(m record.Message[string]) (string, error) {
	count := 1
	return m.Payload() + undefined, nil
}
