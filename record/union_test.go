package record

import (
	"reflect"
	"strings"
	"testing"
)

type sealed interface{ isSealed() }
type other interface{ isOther() }
type open interface{ IsOpen() }
type a struct{ A int }
type b string
type (
	one     interface{ isOne() }
	pointed interface{ isPointed() }
	same    interface{ isSame() }
	nothing interface{ isNothing() }
)

func (a) isSealed()   {}
func (b) isSealed()   {}
func (a) isOther()    {}
func (b) isOther()    {}
func (a) isOne()      {}
func (*a) isPointed() {}
func (b) isPointed()  {}
func (a) isSame()     {}
func (a) isNothing()  {}
func (a) IsOpen()     {}
func (b) IsOpen()     {}

func TestUnion(t *testing.T) {
	_ = Union[sealed](a{}, b(""))
	got, err := Variants(reflect.TypeFor[sealed]())
	if want := []reflect.Type{reflect.TypeFor[a](), reflect.TypeFor[b]()}; err != nil || !reflect.DeepEqual(got, want) {
		t.Errorf("expected %v, got %v, %v", want, got, err)
	}
	if got, err := Variants(reflect.TypeFor[error]()); got != nil || err != nil {
		t.Errorf("nobody registered error, got %v, %v", got, err)
	}
}

// What is wrong is told to who uses the type: nobody sees a panic before main.
func TestWrongUnions(t *testing.T) {
	_ = Union[open](a{}, b(""))
	_ = Union[one](a{})
	_ = Union[pointed](&a{}, b(""))
	_ = Union[same](a{}, a{})
	_ = Union[nothing](a{}, nil)
	_ = Union[other](a{}, b(""))
	_ = Union[other](a{}, b(""))
	_ = Union[int](1, 2)
	for typ, want := range map[reflect.Type]string{
		reflect.TypeFor[open]():    "others can add variants to this one",
		reflect.TypeFor[one]():     "expected 2 to 255 variants of a union, got 1",
		reflect.TypeFor[pointed](): "expected a named type as variant of a union, got *record.a",
		reflect.TypeFor[same]():    "record.a comes twice",
		reflect.TypeFor[nothing](): "expected a value of each variant of a union, got nil",
		reflect.TypeFor[other]():   "expected its variants once, they are registered twice",
		reflect.TypeFor[int]():     "expected an interface with an unexported method",
	} {
		if _, err := Variants(typ); err == nil || !strings.Contains(err.Error(), want) || !strings.HasPrefix(err.Error(), typ.String()+": ") {
			t.Errorf("%s: expected %s, got %v", typ, want, err)
		}
	}
}
