package protobuf

import (
	"encoding/binary"
	"errors"
	"fmt"
	"slices"

	"google.golang.org/protobuf/reflect/protoreflect"

	"github.com/levada-io/levada/codec/prefix"
)

// prefixed reads and writes messages behind the number of their schema and the place that
// their type has in it.
type prefixed struct {
	in      *bound
	indexes []int
	ids     prefix.IDs
	id      int
}

// Decode implements codec.Bound.
func (p *prefixed) Decode(src []byte, dst any) error {
	if src == nil {
		return p.in.Decode(src, dst) // which knows what to say of a tombstone
	}
	_, rest, err := p.ids.Take(src)
	if err != nil {
		return err
	}
	got, rest, err := splitIndexes(rest)
	if err != nil {
		return err
	}
	if !slices.Equal(got, p.indexes) {
		return fmt.Errorf("$: expected a message of type %s, %v in its schema, got one of type %v", p.in.desc.FullName(), p.indexes, got)
	}
	return p.in.Decode(rest, dst)
}

// Append implements codec.Bound.
func (p *prefixed) Append(buf []byte, v any) ([]byte, error) {
	if p.id == 0 {
		return buf, prefix.ErrNoID
	}
	out, err := p.in.Append(appendIndexes(prefix.Append(buf, p.id), p.indexes), v)
	if err != nil {
		return buf, err
	}
	return out, nil
}

// indexes is the place of a type among those of its file, one number a level.
func indexes(d protoreflect.MessageDescriptor) (out []int) {
	for at := protoreflect.Descriptor(d); at != nil; at = at.Parent() {
		if _, ok := at.(protoreflect.MessageDescriptor); !ok {
			break
		}
		out = append(out, at.Index())
	}
	slices.Reverse(out)
	return out
}

// maxNesting is how deep types may lie in each other in a schema; nobody comes near it.
const maxNesting = 100

// splitIndexes takes the place of a type off. The first type of a file, which is most of
// them, has a single zero.
func splitIndexes(src []byte) (out []int, rest []byte, err error) {
	number := func() (int64, error) {
		v, n := binary.Varint(src)
		if n <= 0 {
			return 0, errors.New("$: expected the place of the type in its schema before the message, got no number")
		}
		src = src[n:]
		return v, nil
	}
	count, err := number()
	switch {
	case err != nil:
		return nil, nil, err
	case count == 0:
		return []int{0}, src, nil
	case count < 0 || count > maxNesting:
		return nil, nil, fmt.Errorf("$: expected the place of the type in its schema before the message, got one of %d levels", count)
	}
	for range count {
		v, err := number()
		if err != nil {
			return nil, nil, err
		}
		out = append(out, int(v))
	}
	return out, src, nil
}

func appendIndexes(dst []byte, indexes []int) []byte {
	if len(indexes) == 1 && indexes[0] == 0 {
		return append(dst, 0)
	}
	dst = binary.AppendVarint(dst, int64(len(indexes)))
	for _, i := range indexes {
		dst = binary.AppendVarint(dst, int64(i))
	}
	return dst
}

// unknown says which field of a message its type does not know.
func unknown(m protoreflect.Message, path string) error {
	if b := m.GetUnknown(); len(b) > 0 {
		v, _ := binary.Uvarint(b)
		return fmt.Errorf("%s: expected fields of %s, got field %d, which it does not have", path, m.Descriptor().Name(), v>>3)
	}
	fields := m.Descriptor().Fields()
	for i := range fields.Len() {
		f := fields.Get(i)
		if f.Message() == nil || !m.Has(f) {
			continue
		}
		at := path + "." + string(f.Name())
		switch v := m.Get(f); {
		case f.IsMap():
			if f.MapValue().Message() == nil {
				continue
			}
			var first string
			var found error
			v.Map().Range(func(k protoreflect.MapKey, e protoreflect.Value) bool {
				// In the order of keys, so that one message has one error.
				if err := unknown(e.Message(), at+"."+k.String()); err != nil && (found == nil || k.String() < first) {
					first, found = k.String(), err
				}
				return true
			})
			if found != nil {
				return found
			}
		case f.IsList():
			for k := range v.List().Len() {
				if err := unknown(v.List().Get(k).Message(), fmt.Sprintf("%s[%d]", at, k)); err != nil {
					return err
				}
			}
		default:
			if err := unknown(v.Message(), at); err != nil {
				return err
			}
		}
	}
	return nil
}
