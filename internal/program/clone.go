package program

import (
	"reflect"
	"strings"

	"github.com/levada-io/levada/record"
)

// Clone implements record.Cloner: branches of a broadcast each get values of their own,
// since a function may change what a pointer, slice or map of its payload refers to.
// A type without any is shared: functions get copies of its values anyway.
func (v *Values[T]) Clone() record.Column {
	if !refers(reflect.TypeFor[T]()) {
		return v
	}
	out := make([]T, len(v.V))
	for i := range v.V {
		deepCopy(reflect.ValueOf(&out[i]).Elem(), reflect.ValueOf(&v.V[i]).Elem())
	}
	return &Values[T]{V: out, size: v.size}
}

// Clone implements record.Cloner.
func (l *lists[T]) Clone() record.Column {
	out := make([][]T, len(l.v))
	for i := range l.v {
		deepCopy(reflect.ValueOf(&out[i]).Elem(), reflect.ValueOf(&l.v[i]).Elem())
	}
	return &lists[T]{v: out, size: l.size}
}

// refers says that values of a type lead to memory that can be changed through them.
func refers(t reflect.Type) bool {
	switch t.Kind() {
	case reflect.Pointer, reflect.Slice, reflect.Map, reflect.Interface:
		return true
	case reflect.Array:
		return refers(t.Elem())
	case reflect.Struct:
		if isOpt(t) {
			return refers(t.Field(0).Type)
		}
		for i := range t.NumField() {
			f := t.Field(i)
			// Unexported fields are none of a payload's members; time.Time is made of such
			// and can not be changed.
			if (f.IsExported() || f.Anonymous) && refers(f.Type) {
				return true
			}
		}
	}
	return false
}

// deepCopy makes dst, a zero value, equal to src without sharing memory that can be
// changed.
func deepCopy(dst, src reflect.Value) {
	switch src.Kind() {
	case reflect.Pointer:
		if !src.IsNil() {
			dst.Set(reflect.New(src.Type().Elem()))
			deepCopy(dst.Elem(), src.Elem())
		}
	case reflect.Slice:
		if src.IsNil() {
			return
		}
		dst.Set(reflect.MakeSlice(src.Type(), src.Len(), src.Len()))
		if !refers(src.Type().Elem()) {
			reflect.Copy(dst, src)
			return
		}
		for i := range src.Len() {
			deepCopy(dst.Index(i), src.Index(i))
		}
	case reflect.Map:
		if src.IsNil() {
			return
		}
		dst.Set(reflect.MakeMapWithSize(src.Type(), src.Len()))
		for it := src.MapRange(); it.Next(); {
			v := reflect.New(src.Type().Elem()).Elem()
			deepCopy(v, it.Value())
			dst.SetMapIndex(it.Key(), v)
		}
	case reflect.Interface:
		if !src.IsNil() {
			v := reflect.New(src.Elem().Type()).Elem()
			deepCopy(v, src.Elem())
			dst.Set(v)
		}
	case reflect.Array:
		for i := range src.Len() {
			deepCopy(dst.Index(i), src.Index(i))
		}
	case reflect.Struct:
		dst.Set(src)
		if isOpt(src.Type()) {
			unshareOpt(dst)
			return
		}
		unshare(dst, src)
	default:
		dst.Set(src)
	}
}

// isOpt says that t is a record.Opt, whose value is its first field.
func isOpt(t reflect.Type) bool {
	return t.PkgPath() == "github.com/levada-io/levada/record" && strings.HasPrefix(t.Name(), "Opt[")
}

// unshareOpt copies what is in opt, a shallow copy of another. Its fields are its own
// affair, so they are reached by their address.
func unshareOpt(opt reflect.Value) {
	at := reflect.NewAt(opt.Type().Field(0).Type, opt.Addr().UnsafePointer()).Elem()
	old := reflect.New(at.Type()).Elem()
	old.Set(at)
	at.SetZero()
	deepCopy(at, old)
}

// unshare copies what the members of dst, a shallow copy of src, refer to.
func unshare(dst, src reflect.Value) {
	for i := range src.NumField() {
		f := src.Type().Field(i)
		switch {
		case f.Anonymous && f.Type.Kind() == reflect.Struct:
			// The struct itself may be unexported; its members are settable all the same.
			unshare(dst.Field(i), src.Field(i))
		case f.IsExported() && refers(f.Type):
			dst.Field(i).SetZero()
			deepCopy(dst.Field(i), src.Field(i))
		}
	}
}
