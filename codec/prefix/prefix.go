// Package prefix is what stands before a message and says by which schema it was written:
// the number that a registry gave the schema, as Confluent's serializers write it, or the
// fingerprint of Avro's single-object encoding. It asks no registry.
package prefix

import (
	"encoding/binary"
	"encoding/json/v2"
	"errors"
	"fmt"
	"math"
	"reflect"
	"slices"
	"strconv"
	"strings"

	"github.com/levada-io/levada/codec"
	"github.com/levada-io/levada/internal/frame"
)

// The prefixes, as pipelines name them.
const (
	Confluent    = "confluent"     // a zero byte, the schema's number in 4 bytes
	SingleObject = "single_object" // C3 01, the schema's fingerprint in 8 bytes
)

// Settings are those that a codec has for its prefix, beside its own.
type Settings struct {
	// Prefix names it; empty: there is none.
	Prefix string `json:"prefix"`
	// ID is the number of the schema where the deployment has no lock that knows it.
	ID int `json:"id"`
}

// Check says what is wrong with settings of a codec that has these prefixes.
func (s Settings) Check(known ...string) error {
	switch {
	case s.Prefix != "" && !slices.Contains(known, s.Prefix):
		return fmt.Errorf("prefix: expected %s, got %q", strings.Join(known, " or "), s.Prefix)
	case s.ID != 0 && s.Prefix != Confluent:
		return fmt.Errorf("id: expected prefix %s beside it, got %q", Confluent, s.Prefix)
	case s.ID < 0 || int64(s.ID) > math.MaxInt32:
		return fmt.Errorf("id: expected the number of a schema, 1 to %d, got %d", math.MaxInt32, s.ID)
	}
	return nil
}

// Options are the settings of a codec that needs no schema to read a message.
type Options struct {
	// Strict refuses what the codec otherwise lets pass.
	Strict bool `json:"strict"`
	Settings
}

// Read reads the settings of a step, a JSON object; what they do not name stays.
func (o *Options) Read(settings []byte) error {
	if err := json.Unmarshal(settings, o, json.RejectUnknownMembers(true)); err != nil {
		return fmt.Errorf("expected the settings strict (true or false), prefix and id: %w", err)
	}
	return o.Check(Confluent)
}

// Size is how many bytes stand before a message with the number of its schema.
const Size = 5

// Append appends the prefix with the number of a schema.
func Append(dst []byte, id int) []byte {
	return binary.BigEndian.AppendUint32(append(dst, 0), uint32(id))
}

// Split takes the prefix off.
//
// # Errors
//
// A message without one, or with another.
func Split(src []byte) (id int, rest []byte, err error) {
	switch {
	case len(src) < Size:
		return 0, nil, fmt.Errorf("$: expected the number of a schema in %d bytes before the message, got %d bytes", Size, len(src))
	case src[0] != 0:
		return 0, nil, fmt.Errorf("$: expected a zero byte and the number of a schema before the message, got 0x%02x: it was written without a registry, or with another prefix", src[0])
	}
	return int(binary.BigEndian.Uint32(src[1:])), src[Size:], nil
}

// IDs are the numbers that messages may have; none: any.
type IDs []int

// Take is Split of a message whose schema is one of them.
func (ids IDs) Take(src []byte) (id int, rest []byte, err error) {
	id, rest, err = Split(src)
	if err == nil && len(ids) > 0 && !slices.Contains(ids, id) {
		err = fmt.Errorf("$: expected a message of schema %s, got one of schema %d, which is not known here", ids, id)
	}
	return id, rest, err
}

func (ids IDs) String() string {
	const most = 8
	out := make([]string, 0, most)
	for i, id := range ids {
		if i == most {
			return strings.Join(out, ", ") + fmt.Sprintf(" or %d others", len(ids)-most)
		}
		out = append(out, strconv.Itoa(id))
	}
	if n := len(out); n > 1 {
		return strings.Join(out[:n-1], ", ") + " or " + out[n-1]
	}
	return strings.Join(out, "")
}

// Known are the numbers that messages of a stream may have, given what is set.
//
// # Errors
//
// A number that the stream's schemas do not have.
func (s Settings) Known(versions []codec.Version) (IDs, error) {
	var ids IDs
	for _, v := range versions {
		if !slices.Contains(ids, v.ID) {
			ids = append(ids, v.ID)
		}
	}
	switch {
	case s.ID == 0:
		return ids, nil
	case len(ids) > 0 && !slices.Contains(ids, s.ID):
		return nil, fmt.Errorf("id: expected one of the stream's schemas, %s, got %d", ids, s.ID)
	}
	return IDs{s.ID}, nil
}

// ErrNoID is what a serialize lacks that neither has a number nor a lock.
var ErrNoID = errors.New("expected the number of the schema (id), or a lock that has it, got neither")

// Written is the number that what is written to a stream has.
//
// # Errors
//
// Nobody said it; what Known says.
func (s Settings) Written(versions []codec.Version) (int, error) {
	if ids, err := s.Known(versions); err != nil || s.ID != 0 {
		return s.ID, err
	} else if len(ids) == 0 {
		return 0, ErrNoID
	}
	return versions[len(versions)-1].ID, nil
}

// Bare is what a codec of messages with a prefix gives for messages without.
type Bare interface {
	Bare() codec.Codec
}

// wired is a codec that can do without a Go type.
type wired interface {
	codec.Codec
	Wire(l *frame.Layout) (frame.Wire, error)
}

// number is what is known of the numbers before messages.
type number struct {
	set Settings
	ids IDs // of what is read
	id  int // of what is written; 0: nobody said it
}

func (n number) registered(versions []codec.Version, writes bool) (number, error) {
	var err error
	if writes {
		n.id, err = n.set.Written(versions)
	} else {
		n.ids, err = n.set.Known(versions)
	}
	return n, err
}

func (n *number) bind(inner codec.Codec, t reflect.Type) (codec.Bound, error) {
	b, err := inner.Bind(t)
	if err != nil {
		return nil, err
	}
	return &bound{n, b}, nil
}

// Codec is another codec that needs no schema to read a message, behind the number of one.
// The number is compared with those that are known. It knows Go types only; Wired is one
// that does not need them.
type Codec struct {
	number
	inner codec.Codec
}

// Wired is a Codec of one that can do without a Go type.
type Wired struct {
	number
	inner wired
}

var (
	_ codec.Registered = (*Codec)(nil)
	_ codec.Registered = (*Wired)(nil)
	_ Bare             = (*Codec)(nil)
	_ Bare             = (*Wired)(nil)
)

// Before is the codec with the prefix that is set before its messages; with none, c itself.
func Before(c codec.Codec, s Settings) codec.Codec {
	if s.Prefix == "" {
		return c
	}
	if w, ok := c.(wired); ok {
		return &Wired{number{set: s}, w}
	}
	return &Codec{number{set: s}, c}
}

// Registered implements codec.Registered.
func (c *Codec) Registered(versions []codec.Version, writes bool) (codec.Codec, error) {
	n, err := c.registered(versions, writes)
	return &Codec{n, c.inner}, err
}

// Registered implements codec.Registered.
func (c *Wired) Registered(versions []codec.Version, writes bool) (codec.Codec, error) {
	n, err := c.registered(versions, writes)
	return &Wired{n, c.inner}, err
}

// Bare implements Bare.
func (c *Codec) Bare() codec.Codec { return c.inner }

// Bare implements Bare.
func (c *Wired) Bare() codec.Codec { return c.inner }

// Bind implements codec.Codec.
func (c *Codec) Bind(t reflect.Type) (codec.Bound, error) { return c.bind(c.inner, t) }

// Bind implements codec.Codec.
func (c *Wired) Bind(t reflect.Type) (codec.Bound, error) { return c.bind(c.inner, t) }

type bound struct {
	*number
	in codec.Bound
}

// Decode implements codec.Bound.
func (b *bound) Decode(src []byte, dst any) error {
	if src == nil {
		return b.in.Decode(src, dst) // which knows what to say of a tombstone
	}
	_, rest, err := b.ids.Take(src)
	if err != nil {
		return err
	}
	return b.in.Decode(rest, dst)
}

// Append implements codec.Bound.
func (b *bound) Append(buf []byte, v any) ([]byte, error) {
	if b.id == 0 {
		return buf, ErrNoID
	}
	out, err := b.in.Append(Append(buf, b.id), v)
	if err != nil {
		return buf, err
	}
	return out, nil
}

// Wire is the codec for steps that have no Go type.
func (c *Wired) Wire(l *frame.Layout) (frame.Wire, error) {
	w, err := c.inner.Wire(l)
	if err != nil {
		return nil, err
	}
	return &wire{&c.number, w}, nil
}

type wire struct {
	*number
	in frame.Wire
}

// Read implements frame.Wire.
func (w *wire) Read(messages [][]byte, fail func(i int, err error)) (*frame.Column, error) {
	return Read(messages, w.in.Read, func(m []byte) ([]byte, error) {
		if m == nil {
			return nil, nil
		}
		_, rest, err := w.ids.Take(m)
		return rest, err
	}, fail)
}

// Append implements frame.Wire.
func (w *wire) Append(dst, value []byte) ([]byte, error) {
	if w.id == 0 {
		return dst, ErrNoID
	}
	out, err := w.in.Append(Append(dst, w.id), value)
	if err != nil {
		return dst, err
	}
	return out, nil
}

// Read makes a column of what strip leaves of each message. Those that fail, there or in
// read, are told of in their order, with the place that they had.
func Read(messages [][]byte, read func([][]byte, func(int, error)) (*frame.Column, error), strip func([]byte) ([]byte, error), fail func(i int, err error)) (*frame.Column, error) {
	whole, at := make([][]byte, 0, len(messages)), make([]int, 0, len(messages))
	var bad []error // by message
	told := func(i int, err error) {
		if bad == nil {
			bad = make([]error, len(messages))
		}
		bad[i] = err
	}
	for i, m := range messages {
		rest, err := strip(m)
		if err != nil {
			told(i, err)
			continue
		}
		whole, at = append(whole, rest), append(at, i)
	}
	col, err := read(whole, func(k int, err error) { told(at[k], err) })
	if err != nil {
		return nil, err
	}
	for i, err := range bad {
		if err != nil {
			fail(i, err)
		}
	}
	return col, nil
}
