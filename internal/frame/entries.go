package frame

import (
	"encoding/binary"
	"math/bits"
	"slices"
	"strings"
)

// Entry is one of a map from texts.
type Entry[V any] struct {
	Key   string
	Value V
}

// Sorted lists a map by key, bytewise. few is memory for a small one, on the caller's stack: it
// is sorted as it is read.
func Sorted[V any](m map[string]V, few *[8]Entry[V]) []Entry[V] {
	if len(m) > len(few) {
		return SortedMany(m, nil)
	}
	n := 0
	var words [len(few)]uint64
	for k, v := range m {
		i, w := n, word(k)
		for i > 0 && (w < words[(i-1)&7] || w == words[(i-1)&7] && k < few[(i-1)&7].Key) {
			few[i&7], words[i&7] = few[(i-1)&7], words[(i-1)&7]
			i--
		}
		few[i&7], words[i&7] = Entry[V]{k, v}, w
		n++
	}
	return few[:n]
}

// SortedMany is Sorted for any map; it appends to all, which is empty.
func SortedMany[V any](m map[string]V, all []Entry[V]) []Entry[V] {
	all = slices.Grow(all, len(m))
	for k, v := range m {
		all = append(all, Entry[V]{k, v})
	}
	SortEntries(all)
	return all
}

// SortEntries sorts by key, bytewise. Of those with one key any may come first.
func SortEntries[V any](s []Entry[V]) {
	if len(s) > 24 {
		slices.SortFunc(s, func(a, b Entry[V]) int { return strings.Compare(a.Key, b.Key) })
		return
	}
	if len(s) < 2 {
		return
	}
	// Keys of one map often begin alike: what comes behind that tells most of them apart
	// in one word.
	alike := len(s[0].Key)
	for i := 1; i < len(s); i++ {
		alike = common(s[0].Key[:alike], s[i].Key)
	}
	var words [24]uint64
	for i := range s {
		e, w, j := s[i], word(s[i].Key[alike:]), i
		for ; j > 0 && (w < words[j-1] || w == words[j-1] && e.Key < s[j-1].Key); j-- {
			s[j], words[j] = s[j-1], words[j-1]
		}
		s[j], words[j] = e, w
	}
}

// common is the length of the longest common beginning of a and b.
func common(a, b string) int {
	x, y := asBytes(a), asBytes(b)
	n, i := min(len(x), len(y)), 0
	for ; i+8 <= n; i += 8 {
		if d := le.Uint64(x[i:]) ^ le.Uint64(y[i:]); d != 0 {
			return i + bits.TrailingZeros64(d)/8
		}
	}
	for i < n && x[i] == y[i] {
		i++
	}
	return i
}

// word is the first eight bytes of s, zero filled, in the order of strings.
func word(s string) uint64 {
	b := asBytes(s)
	switch {
	case len(b) >= 8:
		return binary.BigEndian.Uint64(b)
	case len(b) >= 4:
		return uint64(binary.BigEndian.Uint32(b))<<32 | uint64(binary.BigEndian.Uint32(b[len(b)-4:]))<<(64-8*len(b))
	}
	v := uint64(0)
	for i, c := range b {
		v |= uint64(c) << (56 - 8*i)
	}
	return v
}
