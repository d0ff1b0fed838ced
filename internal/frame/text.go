package frame

import (
	"math/bits"
	"slices"
	"unicode/utf16"
	"unicode/utf8"
	"unsafe"
)

// asText is b as a string, for as long as b does not change.
func asText(b []byte) string { return unsafe.String(unsafe.SliceData(b), len(b)) }

// asBytes is s as bytes, which nobody may write to.
func asBytes(s string) []byte { return unsafe.Slice(unsafe.StringData(s), len(s)) }

const (
	each01 = 0x0101010101010101
	each80 = 0x8080808080808080
)

// special has bit 7 set in the byte of x, counted from the lowest, that is the first
// below 0x20, '"' or '\\'; bytes behind it may be marked wrongly.
func special(x uint64) uint64 {
	quote, slash := x^(each01*'"'), x^(each01*'\\')
	return ((x-each01*0x20)&^x | (quote-each01)&^quote | (slash-each01)&^slash) & each80
}

// plain is the number of leading bytes of b that stand in a JSON string as they are,
// and whether one of them is not ASCII.
func plain(b []byte) (n int, wide bool) {
	var high uint64
	for len(b)-n >= 8 {
		x := le.Uint64(b[n:])
		if m := special(x); m != 0 {
			k := bits.TrailingZeros64(m) &^ 7
			high |= x & (1<<k - 1)
			return n + k>>3, high&each80 != 0
		}
		high |= x
		n += 8
	}
	for n < len(b) {
		c := b[n]
		if c < 0x20 || c == '"' || c == '\\' {
			break
		}
		high |= uint64(c)
		n++
	}
	return n, high&each80 != 0
}

// closing is where the quote stands that ends the string whose first byte is src[i], if
// all between is ASCII and stands for itself; otherwise below zero: somebody has to look
// closer, as at what lies in the last bytes of src.
func closing(src []byte, i int) int {
	for len(src)-i >= 8 {
		x := le.Uint64(src[i:])
		// Bit 7 is set in bytes from 0x80 on, and in the first other one that special
		// would find: a borrow comes only from one that is marked.
		if m := (x | (x - each01*0x20) | (x ^ (each01 * '"') - each01) | (x ^ (each01 * '\\') - each01)) & each80; m != 0 {
			if i += bits.TrailingZeros64(m) >> 3; src[i] == '"' {
				return i
			}
			return -1
		}
		i += 8
	}
	return -1
}

// ValidText is utf8.Valid, quicker for what most texts are: short, and ASCII. The last word
// that is looked at overlaps the one before.
func ValidText(s []byte) bool {
	n := len(s)
	var high uint64
	switch {
	case n > 64:
		return utf8.Valid(s)
	case n >= 8:
		for i := 0; i < n-8; i += 8 {
			high |= le.Uint64(s[i:])
		}
		high |= le.Uint64(s[n-8:])
	case n >= 4:
		high = uint64(le.Uint32(s) | le.Uint32(s[n-4:]))
	default:
		for _, c := range s {
			high |= uint64(c)
		}
	}
	return high&each80 == 0 || utf8.Valid(s)
}

func validString(s string) bool { return ValidText(asBytes(s)) }

// appendQuoted appends s as a JSON string in the shortest form, as encoding/json/v2
// does; a byte that is no UTF-8 becomes U+FFFD.
func appendQuoted(dst, s []byte) []byte {
	if n, wide := plain(s); n == len(s) && (!wide || utf8.Valid(s)) {
		at := len(dst)
		if cap(dst)-at < n+2 {
			dst = slices.Grow(dst, n+2)
		}
		dst = dst[:at+n+2]
		dst[at] = '"'
		copy(dst[at+1:], s)
		dst[at+n+1] = '"'
		return dst
	}
	dst = append(dst, '"')
	from := 0
	for i := 0; i < len(s); {
		c := s[i]
		if c >= utf8.RuneSelf {
			r, size := utf8.DecodeRune(s[i:])
			if r == utf8.RuneError && size == 1 {
				dst = append(dst, s[from:i]...)
				dst = append(dst, "\ufffd"...)
				from = i + 1
			}
			i += size
			continue
		}
		if c >= ' ' && c != '"' && c != '\\' {
			i++
			continue
		}
		dst = append(dst, s[from:i]...)
		switch c {
		case '"', '\\':
			dst = append(dst, '\\', c)
		case '\b':
			dst = append(dst, `\b`...)
		case '\f':
			dst = append(dst, `\f`...)
		case '\n':
			dst = append(dst, `\n`...)
		case '\r':
			dst = append(dst, `\r`...)
		case '\t':
			dst = append(dst, `\t`...)
		default:
			const digits = "0123456789abcdef"
			dst = append(dst, '\\', 'u', '0', '0', digits[c>>4], digits[c&15])
		}
		i++
		from = i
	}
	dst = append(dst, s[from:]...)
	return append(dst, '"')
}

// appendUnquoted appends what a JSON string says; src begins behind the opening quote.
// It returns the bytes read, the closing quote included, or what is wrong.
//
// A byte that is no UTF-8 and half a surrogate pair become U+FFFD; strict, a problem.
func appendUnquoted(dst, src []byte, strict bool) (out []byte, n int, problem string) {
	from := 0
	for {
		k, wide := plain(src[n:])
		if wide && !utf8.Valid(src[n:n+k]) {
			if strict {
				return dst, n, "a string is no UTF-8"
			}
			for _, r := range string(src[n : n+k]) {
				dst = utf8.AppendRune(dst, r)
			}
			n += k
			from = n
		} else {
			n += k
		}
		if n >= len(src) {
			return dst, n, "unexpected end in a string"
		}
		dst = append(dst, src[from:n]...)
		switch c := src[n]; c {
		case '"':
			return dst, n + 1, ""
		case '\\':
			if n+1 >= len(src) {
				return dst, n, "unexpected end in a string"
			}
			n += 2
			switch e := src[n-1]; e {
			case '"', '\\', '/':
				dst = append(dst, e)
			case 'b':
				dst = append(dst, '\b')
			case 'f':
				dst = append(dst, '\f')
			case 'n':
				dst = append(dst, '\n')
			case 'r':
				dst = append(dst, '\r')
			case 't':
				dst = append(dst, '\t')
			case 'u':
				r, ok := hex4(src[n:])
				if !ok {
					return dst, n - 2, `invalid \u escape in a string`
				}
				n += 4
				if utf16.IsSurrogate(r) {
					pair := rune(utf8.RuneError)
					if len(src) >= n+6 && src[n] == '\\' && src[n+1] == 'u' {
						if low, ok := hex4(src[n+2:]); ok {
							pair = utf16.DecodeRune(r, low)
						}
					}
					switch {
					case pair != utf8.RuneError:
						n += 6
					case strict:
						return dst, n - 6, "half a surrogate pair in a string"
					}
					r = pair
				}
				dst = utf8.AppendRune(dst, r)
			default:
				return dst, n - 2, "invalid escape in a string"
			}
		default:
			return dst, n, "control character in a string"
		}
		from = n
	}
}

func hex4(b []byte) (rune, bool) {
	if len(b) < 4 {
		return 0, false
	}
	var r rune
	for _, c := range b[:4] {
		switch {
		case '0' <= c && c <= '9':
			c -= '0'
		case 'a' <= c && c <= 'f':
			c -= 'a' - 10
		case 'A' <= c && c <= 'F':
			c -= 'A' - 10
		default:
			return 0, false
		}
		r = r<<4 | rune(c)
	}
	return r, true
}
