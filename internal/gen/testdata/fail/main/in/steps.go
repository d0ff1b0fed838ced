package main

import "github.com/levada-io/levada/record"

func F(m record.Message[string]) (string, error) { return m.Payload(), nil }

func main() {}
