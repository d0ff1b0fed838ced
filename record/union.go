package record

import (
	"fmt"
	"reflect"
	"sync"
)

// Union says that values of the interface I are one of the variants, in this order. I is
// sealed, which is to say it has an unexported method, and each variant is a named type of
// a struct, or of a scalar, a slice or a map, by value. It stands at package level:
//
//	type Shape interface{ isShape() }
//
//	var _ = record.Union[Shape](Circle{}, Square{})
//
// Where a package of steps does not say it, the main that levada gen writes does, for the
// exported types that have the methods of I. What is wrong with it is told where a type with
// the interface in it is used.
func Union[I any](variants ...I) struct{} {
	u := union{}
	t := reflect.TypeFor[I]()
	for _, v := range variants {
		u.variants = append(u.variants, reflect.TypeOf(v))
	}
	u.err = u.check(t)
	if _, twice := unions.LoadOrStore(t, u); twice {
		u.err = fmt.Errorf("%s: expected its variants once, they are registered twice", t)
		unions.Store(t, u)
	}
	return struct{}{}
}

// Variants are the types that Union has named for the interface t; nil where there are
// none.
//
// # Errors
//
// What is wrong with the registration.
func Variants(t reflect.Type) ([]reflect.Type, error) {
	v, _ := unions.Load(t)
	u, _ := v.(union)
	return u.variants, u.err
}

var unions sync.Map // reflect.Type of the interface -> union

type union struct {
	variants []reflect.Type
	err      error
}

// maxVariants is how many variants the byte in front of a value can tell apart.
const maxVariants = 255

func (u *union) check(t reflect.Type) error {
	if t.Kind() != reflect.Interface || t.NumMethod() == 0 {
		return fmt.Errorf("%s: expected an interface with an unexported method for a union, got another type", t)
	}
	sealed := false
	for m := range t.Methods() {
		sealed = sealed || !m.IsExported()
	}
	if !sealed {
		return fmt.Errorf("%s: expected an interface with an unexported method for a union, others can add variants to this one", t)
	}
	if n := len(u.variants); n < 2 || n > maxVariants {
		return fmt.Errorf("%s: expected 2 to %d variants of a union, got %d", t, maxVariants, n)
	}
	seen := map[reflect.Type]bool{}
	for _, v := range u.variants {
		switch {
		case v == nil:
			return fmt.Errorf("%s: expected a value of each variant of a union, got nil", t)
		case v.Name() == "":
			return fmt.Errorf("%s: expected a named type as variant of a union, got %s", t, v)
		case seen[v]:
			return fmt.Errorf("%s: expected each variant of a union once, %s comes twice", t, v)
		}
		seen[v] = true
	}
	return nil
}
