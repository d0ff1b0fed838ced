package planner

import (
	"fmt"
	"reflect"

	"github.com/levada-io/levada/codec"
)

// A type that crosses in its own way has these methods.
type (
	frameAppender interface {
		AppendFrame(b []byte) ([]byte, error)
	}
	frameReader interface {
		ReadFrame(b []byte) (rest []byte, err error)
	}
)

// custom is the codec of such types.
type custom struct{}

// Bind implements codec.Codec.
func (custom) Bind(t reflect.Type) (codec.Bound, error) {
	p := t
	if t.Kind() != reflect.Pointer {
		p = reflect.PointerTo(t)
	}
	for _, m := range []struct {
		name string
		typ  reflect.Type
	}{{"AppendFrame([]byte) ([]byte, error)", reflect.TypeFor[frameAppender]()}, {"ReadFrame([]byte) ([]byte, error)", reflect.TypeFor[frameReader]()}} {
		if !p.Implements(m.typ) {
			return nil, fmt.Errorf("expected a type with the method %s, got %s", m.name, t)
		}
	}
	if t.Kind() == reflect.Pointer {
		return customPointer{}, nil
	}
	return customValue{}, nil
}

type customValue struct{}

func (customValue) Decode(src []byte, dst any) error { return readAll(src, dst) }

func (customValue) Append(buf []byte, v any) ([]byte, error) {
	return v.(frameAppender).AppendFrame(buf)
}

type customPointer struct{}

func (customPointer) Decode(src []byte, dst any) error {
	p := reflect.ValueOf(dst).Elem()
	p.Set(reflect.New(p.Type().Elem()))
	return readAll(src, p.Interface())
}

func (customPointer) Append(buf []byte, v any) ([]byte, error) {
	p := reflect.ValueOf(v).Elem()
	if p.IsNil() {
		return buf, fmt.Errorf("expected a value, got a nil %s", p.Type())
	}
	return p.Interface().(frameAppender).AppendFrame(buf)
}

func readAll(src []byte, dst any) error {
	rest, err := dst.(frameReader).ReadFrame(src)
	if err == nil && len(rest) > 0 {
		err = fmt.Errorf("expected the end of the value, got %d bytes more", len(rest))
	}
	return err
}
