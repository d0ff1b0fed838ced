// Package frame turns values into the byte layout of abi/frame.md and back: Go values
// by their type, JSON text, and dynamic values. It owns layouts, the rules by which a
// Go type has one, and columns of frames held by Go. It knows neither Python nor the
// engine, and uses no cgo.
//
// # Paths of a value
//
//	Go value --Encoder--> frame --Decoder--> Go value
//	JSON text --ParseJSON--> frame --AppendJSON--> JSON text
//	JSON text --TextDecoder--> Go value
//
// All JSON that is written comes from a frame, and the TextDecoder, a short cut, is held
// by tests against the way through one. So a pipeline does not change its output when a
// step moves from Python to Go.
//
// # Layouts of Go types
//
// These rules are stated here once; the generator applies the same to source code.
//
//   - bool, the sized integers, int and uint (as 64 bits), float32, float64, string.
//   - []byte is bytes; a slice of a named byte type is a list of uint8.
//   - []T is a list, a map whose key is a string kind is a map. A nil one is an empty
//     one: what crosses a border does not tell them apart.
//   - *T is T or null, and any where T has a form of its own. A pointer to a pointer or to
//     any is refused.
//   - any (every interface without methods) and jsontext.Value are any.
//   - time.Time is a time. time.Duration is a duration: what is no whole number of
//     microseconds is rounded towards zero. A field's tag `levada:"unit=unix_ms"` says how
//     JSON writes it (see plan.Type.Unit), also for the elements of a list, map or array.
//   - [N]T is a tuple, N up to 8; an array of bytes is refused.
//   - An interface that record.Union has named the variants of is a union: of structs, and of
//     named scalars, slices and maps that JSON tells apart. nil is none of them: a *Shape or
//     an Opt can be null, a field with omitempty or omitzero absent.
//   - A named struct stands in the table of types as "go:<import path>.<Name>" and is
//     referred to; an anonymous one stands in place. A struct without members is
//     refused. Other named types count as what they are made of.
//   - A type with a JSON or text form of its own (MarshalJSON and UnmarshalJSON,
//     MarshalText and UnmarshalText, ...) is any: encoding/json/v2 reads and writes it,
//     see ownForm. One that has it in one direction only is refused, as are a variant of a
//     union with one, a struct that has it from what it embeds beside other members, and
//     the key of a map with one.
//   - Longer arrays, other interfaces with methods, channels, functions, complex numbers,
//     uintptr, and a named type that contains itself without a struct between are refused.
//
// Members of a struct:
//
//   - Exported fields, by the name in the json tag or else the Go name. `json:"-"` and
//     unexported fields are skipped; a json tag on an unexported field is an error.
//   - An embedded struct without a name in its tag lends its members. Of several members
//     with one name the shallowest counts; among equally shallow ones the only one that
//     is named by a tag; otherwise none. Two in one struct are an error. An embedded
//     pointer, and an embedded type that is no struct, is refused.
//   - record.Opt[T] is T or null, and may be absent, three states in all. It stands
//     in a field only.
//   - omitempty and omitzero make the member optional, and say when Go leaves it out:
//     where its JSON would be null, "", {} or [] (omitempty), where it is the zero value
//     (omitzero; a type with an IsZero method of its own is refused, but for time.Time and
//     types with a form of their own, which are asked).
//     As in json/v2, omitempty never finds a number, a bool, a time or a struct with a
//     required member empty. Absent in a frame, such a member is written as zero, as it
//     would be behind a Go step; who means that it may be missing uses omitzero.
//   - A tag `levada:"const=circle"` on a string, integer or bool, on a pointer to one or
//     an Opt of one, makes the member a constant: it is written whatever the field holds,
//     where it is written at all, and no other value is read. With omitempty an empty
//     string is absent. What stands behind the = is the value, to the end of the tag.
//   - A tag with rules, such as `levada:"min=0,max=10"`, says what values the member may
//     have, see plan.Rules. They are checked where text and MessagePack are read and
//     written, and where a frame becomes a Go value; a Go value becomes a frame as it is.
//   - A field with `json:",embed"` of type jsontext.Value or map[string]any keeps the
//     members that no field names. With embed on a struct, it lends its members.
//   - Every other option in a json tag is refused, inline, unknown, format, string and
//     case among them: what json/v2 ignores would lose data in silence.
//
// # Concurrency
//
// Layouts, Encoders and Decoders are immutable and shared freely.
package frame
