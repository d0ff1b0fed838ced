package frame

import "reflect"

var anyType = reflect.TypeFor[any]()
