package borrowed

import "github.com/levada-io/levada/record"

//levada:python
//levada:python Order
//levada:python Order shop
//levada:python Order shop:for
//levada:python Order shop..v1:Order
//levada:python Ordre shop:Order
//levada:python unseen shop:Order
//levada:pythonic is somebody else's

//levada:python Order shop.v1:Order
//levada:python Order shop.v1:Order
//levada:python Order shop.v2:Order

type Order struct {
	ID int `json:"id"`
}

type unseen struct{}

func Next(m record.Message[Order]) (Order, error) { return Order{}, nil }
