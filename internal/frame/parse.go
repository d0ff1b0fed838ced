package frame

import (
	"encoding/base64"
	"fmt"
	"hash/maphash"
	"math"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"
	"unicode/utf8"

	"github.com/levada-io/levada/plan"
)

// ParseJSON appends the frame of a JSON text. On an error dst comes back as it was.
//
// # Notes
//
// Members may come in any order and, if the layout keeps no others, with others between
// them; of several with one name the last counts. A null for a list, map or bytes that
// can not be null reads as an empty one, since Go programs write nil so; where the
// member is optional, as absent. Other nulls are errors, as are missing members. A byte
// that is no UTF-8, and half a surrogate pair, reads as U+FFFD. In an any, an integer
// that fits 64 bits stays one.
//
// # Errors
//
// An *Error with the path.
func (l *Layout) ParseJSON(dst, src []byte) ([]byte, error) {
	p := l.parsers.get()
	p.reset(src, dst)
	err := p.document(l.root)
	out := p.dst
	l.parsers.put(p)
	if err != nil {
		return dst, err
	}
	return out, nil
}

// parser reads one JSON text into one frame.
type parser struct {
	src   []byte
	pos   int
	dst   []byte // of who reads straight into values, room for what goes by way of a frame
	depth int
	ahead int // bytes that were looked at to tell variants apart

	strict bool // refuses what is only just right
	marked bool // unions say which variant they have, see AppendVariant
	lent   bool // src is the caller's: what is kept of it is copied
	exact  bool // numbers in any keep their digits, see tagDigits

	noDigits bool // beside exact: numbers that need them are refused

	// Stacks, one stretch per open object; and memory to put one in order.
	slots   []slot
	entries []span
	key     []byte
	scratch []byte
	strings []Entry[string]
	anys    []Entry[any]
	seed    maphash.Seed
	texts   boxes
}

// slot is where the value of a member stands in dst; from < 0: nowhere.
type slot struct{ from, to int }

// span is where an entry of a map stands in dst. A later one with the same key takes
// over the place of the first and brings its own value.
type span struct{ key, keyEnd, from, to int }

type pool struct{ p sync.Pool }

func (p *pool) get() *parser {
	if v, ok := p.p.Get().(*parser); ok {
		return v
	}
	return &parser{seed: maphash.MakeSeed()}
}

// reset prepares for another text.
func (p *parser) reset(src, dst []byte) {
	p.src, p.dst, p.pos, p.depth, p.ahead = src, dst, 0, 0, 0
	p.slots, p.entries = p.slots[:0], p.entries[:0]
}

// put takes a parser back whose dst is the caller's.
func (p *pool) put(v *parser) {
	v.dst = nil
	p.keep(v)
}

// keep takes a parser back with its dst. It writes no pointer that is what it was: a
// collector at work has to be told of each.
func (p *pool) keep(v *parser) {
	v.src, v.pos, v.depth, v.ahead = nil, 0, 0, 0
	v.dst, v.slots, v.entries = v.dst[:0], v.slots[:0], v.entries[:0]
	v.strict, v.lent, v.marked = false, false, false
	if len(v.strings)+len(v.anys) > 0 { // what an error has left
		clear(v.strings)
		clear(v.anys)
		v.strings, v.anys = v.strings[:0], v.anys[:0]
	}
	v.texts.again()
	if cap(v.scratch)+cap(v.key)+cap(v.dst) > 1<<20 {
		v.scratch, v.key, v.dst = nil, nil, nil
	}
	p.p.Put(v)
}

func (p *parser) document(root *node) error {
	begin := len(p.dst)
	if err := p.begin(); err != nil {
		return err
	}
	if err := p.value(root); err != nil {
		return err
	}
	if err := p.end(); err != nil {
		return err
	}
	if len(p.dst)-begin > math.MaxUint32 {
		return errorf("larger than 4 GiB")
	}
	return nil
}

func (p *parser) begin() error {
	p.space()
	switch {
	case p.pos < len(p.src):
		return nil
	case len(p.src) == 0:
		return errorf("expected a JSON value, got an empty message")
	}
	return errorf("expected a JSON value, got only white space")
}

func (p *parser) end() error {
	p.space()
	if p.pos < len(p.src) {
		return errorf("malformed JSON at byte %d: expected the end, got %s", p.pos, p.char())
	}
	return nil
}

// space passes over white space; mostly there is none.
func (p *parser) space() {
	if p.pos < len(p.src) && p.src[p.pos] > ' ' {
		return
	}
	p.spaces()
}

func (p *parser) spaces() {
	i, src := p.pos, p.src
	for i < len(src) && (src[i] == ' ' || src[i] == '\n' || src[i] == '\t' || src[i] == '\r') {
		i++
	}
	p.pos = i
}

// peek is the next byte; 0 at the end, where no value begins either.
func (p *parser) peek() byte {
	if p.pos < len(p.src) {
		return p.src[p.pos]
	}
	return 0
}

func (p *parser) char() string {
	if p.pos >= len(p.src) {
		return "the end"
	}
	if c := p.src[p.pos]; c >= 0x80 {
		return fmt.Sprintf("byte 0x%02x", c)
	}
	return strconv.QuoteRune(rune(p.src[p.pos]))
}

func (p *parser) syntax(expected string) *Error {
	return errorf("malformed JSON at byte %d: expected %s, got %s", p.pos, expected, p.char())
}

// literal reads null, true or false.
func (p *parser) literal(s string) bool {
	if len(p.src)-p.pos >= len(s) && asText(p.src[p.pos:p.pos+len(s)]) == s {
		p.pos += len(s)
		return true
	}
	return false
}

// mismatch is the error of a value of another kind; it reads what is there, so that
// malformed text is told from a wrong kind.
func (p *parser) mismatch(expected string) error {
	got := ""
	switch c := p.peek(); {
	case c == '{':
		got = "object"
	case c == '[':
		got = "array"
	case c == '"':
		got = "string"
	case c == '-' || '0' <= c && c <= '9':
		from := p.pos
		if _, err := p.number(); err != nil {
			return err
		}
		got = "number"
		if n := p.pos - from; n <= 32 {
			got = string(p.src[from:p.pos])
		}
	case p.literal("null"):
		got = "null"
	case p.literal("true"), p.literal("false"):
		got = "bool"
	default:
		return p.syntax("a value")
	}
	return errorf("expected %s, got %s", expected, got)
}

// value reads a value with its presence byte.
func (p *parser) value(n *node) error {
	if n.nullable {
		if p.peek() == 'n' && p.literal("null") {
			p.dst = append(p.dst, null)
			return nil
		}
		p.dst = append(p.dst, present)
	}
	return p.bare(n)
}

func (p *parser) bare(n *node) error {
	switch n.kind {
	case kString:
		if p.peek() != '"' {
			return p.mismatch("string")
		}
		return p.text()
	case kInt64, kInt8, kInt16, kInt32, kUint64, kUint8, kUint16, kUint32:
		return p.integer(n.kind)
	case kFloat64, kFloat32:
		return p.float(n.kind)
	case kBool:
		switch {
		case p.literal("true"):
			p.dst = append(p.dst, 1)
		case p.literal("false"):
			p.dst = append(p.dst, 0)
		default:
			return p.mismatch("bool")
		}
		return nil
	case kStruct:
		if p.peek() != '{' {
			return p.mismatch("object")
		}
		return p.object(n)
	case kMap:
		if p.peek() != '{' {
			return p.emptyFor("object")
		}
		return p.dict(n.elem)
	case kList:
		if p.peek() != '[' {
			return p.emptyFor("array")
		}
		return p.list(n.elem)
	case kBytes:
		if p.peek() != '"' {
			return p.emptyFor("base64 string")
		}
		return p.base64()
	case kDuration:
		us, err := p.ticks(n)
		if err != nil {
			return err
		}
		p.dst = le.AppendUint64(p.dst, uint64(us))
		return nil
	case kTuple:
		return p.tuple(len(n.elems), func(i int) error { return p.value(n.elems[i]) })
	case kTime:
		if n.number() {
			us, err := p.ticks(n)
			if err != nil {
				return err
			}
			p.dst = le.AppendUint64(p.dst, uint64(us))
			return nil
		}
		if p.peek() != '"' {
			return p.mismatch("RFC 3339 time")
		}
		return p.time()
	}
	switch n.kind {
	case kConst:
		return p.constant(n)
	case kUnion:
		return p.union(n)
	}
	return p.any()
}

// emptyFor reads null as an empty list, map or bytes.
func (p *parser) emptyFor(expected string) error {
	if p.peek() == 'n' && p.literal("null") {
		p.dst = le.AppendUint32(p.dst, 0)
		return nil
	}
	return p.mismatch(expected)
}

func (p *parser) enter() error {
	if p.depth++; p.depth > maxDepth {
		return errDepth()
	}
	return nil
}

// text reads a string into dst, with its length.
func (p *parser) text() error {
	if end := closing(p.src, p.pos+1); end >= 0 {
		s := p.src[p.pos+1 : end]
		p.dst = append(le.AppendUint32(p.dst, uint32(len(s))), s...)
		p.pos = end + 1
		return nil
	}
	src := p.src[p.pos+1:]
	n, wide := plain(src)
	if n < len(src) && src[n] == '"' && (!wide || utf8.Valid(src[:n])) {
		dst := le.AppendUint32(p.dst, uint32(n))
		p.dst = append(dst, src[:n]...)
		p.pos += n + 2
		return nil
	}
	at := len(p.dst)
	dst, k, problem := appendUnquoted(append(p.dst, 0, 0, 0, 0), src, p.strict)
	p.dst = dst
	p.pos += 1 + k
	if problem != "" {
		return errorf("malformed JSON at byte %d: %s", p.pos, problem)
	}
	le.PutUint32(dst[at:], uint32(len(dst)-at-4))
	return nil
}

// name reads the name of a member and the colon. The bytes last until the next call.
func (p *parser) name() ([]byte, error) {
	if p.peek() != '"' {
		return nil, p.syntax("a member name")
	}
	if end := closing(p.src, p.pos+1); end >= 0 {
		key := p.src[p.pos+1 : end]
		p.pos = end + 1
		return key, p.colon()
	}
	src := p.src[p.pos+1:]
	n, wide := plain(src)
	key := src[:n]
	if n < len(src) && src[n] == '"' && (!wide || utf8.Valid(key)) {
		p.pos += n + 2
	} else {
		k, problem := 0, ""
		p.key, k, problem = appendUnquoted(p.key[:0], src, p.strict)
		p.pos += 1 + k
		if problem != "" {
			return nil, errorf("malformed JSON at byte %d: %s", p.pos, problem)
		}
		key = p.key
	}
	return key, p.colon()
}

func (p *parser) colon() error {
	if i := p.pos + 1; i < len(p.src) && p.src[i-1] == ':' && p.src[i] > ' ' {
		p.pos = i
		return nil
	}
	p.space()
	if p.peek() != ':' {
		return p.syntax("':'")
	}
	p.pos++
	p.space()
	return nil
}

// comma reads a comma with the next element right behind it, which is what mostly stands
// behind one. It is small enough to be inlined.
func (p *parser) comma() bool {
	i := p.pos + 1
	if i < len(p.src) && p.src[i-1] == ',' && p.src[i] > ' ' {
		p.pos = i
		return true
	}
	return false
}

// more reads what stands behind an element: true where another one follows.
func (p *parser) more(end byte) (bool, error) {
	if p.comma() {
		return true, nil
	}
	p.space()
	switch p.peek() {
	case ',':
		p.pos++
		p.space()
		return true, nil
	case end:
		p.pos++
		return false, nil
	}
	return false, p.syntax("',' or '" + string(end) + "'")
}

// number reads a number and tells whether it is written as an integer.
func (p *parser) number() (integer bool, err error) {
	if p.peek() == '-' {
		p.pos++
	}
	switch c := p.peek(); {
	case c == '0':
		p.pos++
	case '1' <= c && c <= '9':
		p.digits()
	default:
		return false, p.syntax("a digit")
	}
	integer = true
	if p.peek() == '.' {
		integer = false
		p.pos++
		if !p.digits() {
			return false, p.syntax("a digit")
		}
	}
	if c := p.peek(); c == 'e' || c == 'E' {
		integer = false
		p.pos++
		if c := p.peek(); c == '+' || c == '-' {
			p.pos++
		}
		if !p.digits() {
			return false, p.syntax("a digit")
		}
	}
	return integer, nil
}

func (p *parser) digits() bool {
	i, src := p.pos, p.src
	for i < len(src) && src[i]-'0' <= 9 {
		i++
	}
	some := i > p.pos
	p.pos = i
	return some
}

// magnitude reads the digits of an integer that stand in b; ok where they fit 64 bits.
func magnitude(b []byte) (v uint64, ok bool) {
	if len(b) > 20 {
		return 0, false
	}
	for i, c := range b {
		d := uint64(c - '0')
		if i == 19 && (v > math.MaxUint64/10 || v == math.MaxUint64/10 && d > math.MaxUint64%10) {
			return 0, false
		}
		v = v*10 + d
	}
	return v, true
}

func (p *parser) integer(k kind) error {
	v, err := p.integerValue(k)
	if err != nil {
		return err
	}
	p.dst = le.AppendUint64(p.dst, v)
	return nil
}

// integerValue reads an integer; a negative one comes as two's complement.
func (p *parser) integerValue(k kind) (uint64, error) {
	// Up to 18 digits of a positive number fit every integer of 64 bits. Behind a zero
	// there is no other.
	if src, i := p.src, p.pos; i < len(src) && src[i]-'0' <= 9 {
		v := uint64(src[i] - '0')
		for i++; v > 0 && i < len(src) && src[i]-'0' <= 9; i++ {
			v = v*10 + uint64(src[i]-'0')
		}
		if i < len(src) && i-p.pos <= 18 && v <= maxOf[k] && (src[i] == ',' || src[i] == '}' || src[i] == ']') {
			p.pos = i
			return v, nil
		}
	}
	return p.anyInteger(k)
}

// anyInteger reads an integer whatever it looks like.
func (p *parser) anyInteger(k kind) (uint64, error) {
	from := p.pos
	c := p.peek()
	if c != '-' && c-'0' > 9 {
		return 0, p.mismatch("integer")
	}
	whole, err := p.number()
	if err != nil {
		return 0, err
	}
	word := p.src[from:p.pos]
	if !whole {
		return 0, errorf("expected integer, got %s", shorten(word))
	}
	if c != '-' {
		v, ok := magnitude(word)
		if !ok || v > maxOf[k] {
			return 0, errorf("expected %s, got %s", k, shorten(word))
		}
		return v, nil
	}
	v, ok := magnitude(word[1:])
	if !ok || k.unsigned() || v > maxOf[k]+1 {
		return 0, errorf("expected %s, got %s", k, shorten(word))
	}
	return -v, nil
}

// maxOf is the largest value of an integer kind; a signed one goes one further below.
var maxOf = [...]uint64{
	kInt8: math.MaxInt8, kInt16: math.MaxInt16, kInt32: math.MaxInt32, kInt64: math.MaxInt64,
	kUint8: math.MaxUint8, kUint16: math.MaxUint16, kUint32: math.MaxUint32, kUint64: math.MaxUint64,
}

func shorten(b []byte) string {
	if len(b) > 40 {
		return string(b[:40]) + "..."
	}
	return string(b)
}

func (p *parser) float(k kind) error {
	v, err := p.floatValue(k)
	if err != nil {
		return err
	}
	p.dst = le.AppendUint64(p.dst, math.Float64bits(v))
	return nil
}

func (p *parser) floatValue(k kind) (float64, error) {
	if k == kFloat64 {
		if v, ok := p.decimal(); ok {
			return v, nil
		}
	}
	from := p.pos
	if c := p.peek(); c != '-' && c-'0' > 9 {
		return 0, p.mismatch("number")
	}
	if _, err := p.number(); err != nil {
		return 0, err
	}
	word := p.src[from:p.pos]
	bits := 64
	if k == kFloat32 {
		bits = 32
	}
	v, err := strconv.ParseFloat(asText(word), bits)
	if err != nil {
		return 0, errorf("expected %s, got %s", k, shorten(word))
	}
	return v, nil
}

var powers = [...]float64{1e0, 1e1, 1e2, 1e3, 1e4, 1e5, 1e6, 1e7, 1e8, 1e9, 1e10, 1e11, 1e12, 1e13, 1e14, 1e15, 1e16, 1e17, 1e18, 1e19, 1e20, 1e21, 1e22}

// decimal reads a short number without exponent in one go: digits below 2^53 over a power
// of ten that a double holds give one correctly rounded division. Nothing is read where
// something else stands.
func (p *parser) decimal() (float64, bool) {
	src, i := p.src, p.pos
	minus := i < len(src) && src[i] == '-'
	if minus {
		i++
	}
	from, v := i, uint64(0)
	for i < len(src) && src[i]-'0' <= 9 {
		v = v*10 + uint64(src[i]-'0')
		i++
	}
	digits, behind := i-from, 0
	if digits == 0 || digits > 1 && src[from] == '0' {
		return 0, false
	}
	if i < len(src) && src[i] == '.' {
		i++
		point := i
		for i < len(src) && src[i]-'0' <= 9 {
			v = v*10 + uint64(src[i]-'0')
			i++
		}
		if behind = i - point; behind == 0 {
			return 0, false
		}
	}
	if digits+behind > 19 || v >= 1<<53 || i < len(src) && src[i]|0x20 == 'e' {
		return 0, false // more than 19 digits may have run over
	}
	f := float64(v)
	if behind > 0 {
		f /= powers[behind]
	}
	if minus {
		f = -f
	}
	p.pos = i
	return f, true
}

func (p *parser) list(elem *node) error {
	if err := p.enter(); err != nil {
		return err
	}
	at, n := len(p.dst), 0
	p.dst = append(p.dst, 0, 0, 0, 0)
	p.pos++
	p.space()
	if p.peek() == ']' {
		p.pos++
		p.depth--
		return nil
	}
	for more := true; more; n++ {
		err := p.value(elem)
		if err == nil {
			more, err = p.more(']')
		}
		if err != nil {
			return inElement(err, n)
		}
	}
	le.PutUint32(p.dst[at:], uint32(n))
	p.depth--
	return nil
}

// object reads the members of a struct. As long as they come in the order of the layout
// they are written where they belong; from the first that does not, dst holds them as
// they come, and slots say where, until restore puts them in order.
func (p *parser) object(n *node) error {
	if err := p.enter(); err != nil {
		return err
	}
	begin, base, extra := len(p.dst), len(p.slots), len(p.entries)
	p.slots = slices.Grow(p.slots, len(n.fields))[:base+len(n.fields)]
	inOrder, next := true, 0
	var index keyIndex
	p.pos++
	p.space()
	more := true
	if p.peek() == '}' {
		p.pos++
		more = false
	}
	for more {
		i := -1
		var key []byte
		if next < len(n.fields) && strings.HasPrefix(asText(p.src[p.pos:]), n.fields[next].quoted) {
			i = next
			p.pos += len(n.fields[next].quoted)
			p.space()
		} else {
			var err error
			if key, err = p.name(); err != nil {
				return err
			}
			if at, ok := n.byName[string(key)]; ok {
				i = at
			}
		}
		switch {
		case i >= 0:
			if inOrder && i != next {
				inOrder = p.jump(n, base, next, i)
			}
			if p.strict && !inOrder && p.came(base+i, &n.fields[i]) {
				return inMember(errorf("member comes twice"), n.fields[i].name)
			}
			from := len(p.dst)
			err := p.member(&n.fields[i])
			if err == nil && n.fields[i].rules != nil {
				err = n.fields[i].check(p.dst[from:])
			}
			if err != nil {
				return inMember(err, n.fields[i].name)
			}
			p.slots[base+i] = slot{from, len(p.dst)}
			next = i + 1
		case n.extra:
			if inOrder {
				inOrder = false
				p.leaveOrder(base, next)
			}
			if err := p.entry(key, anyNode, extra, &index); err != nil {
				return err
			}
		default:
			if err := p.skip(); err != nil {
				return err // the member has no name that the author knows
			}
		}
		if !p.comma() {
			var err error
			if more, err = p.more('}'); err != nil {
				return err
			}
		}
	}
	if !inOrder {
		next = -1
	}
	return p.closeObject(n, begin, base, extra, next)
}

// jump is told of member i where next would have come in order. Where all between are
// optional they are absent, and i is in order; otherwise nothing is from here on.
func (p *parser) jump(n *node, base, next, i int) (inOrder bool) {
	for next < i && n.fields[next].optional {
		p.slots[base+next].from = len(p.dst)
		p.dst = append(p.dst, absent)
		next++
	}
	if i == next {
		return true
	}
	p.leaveOrder(base, next)
	return false
}

// closeObject ends an object all of whose members have been read; from next on there were none,
// or next is below zero and they came out of order.
func (p *parser) closeObject(n *node, begin, base, extra, next int) error {
	p.depth--
	if next < 0 {
		return p.restore(n, begin, base, extra)
	}
	for ; next < len(n.fields); next++ {
		f := &n.fields[next]
		if !f.optional {
			return missing(f)
		}
		p.dst = append(p.dst, absent)
	}
	if n.extra {
		p.dst = le.AppendUint32(p.dst, 0)
	}
	p.slots = p.slots[:base]
	return nil
}

func missing(f *field) error {
	return inMember(errorf("missing member (%s)", f.node.describe()), f.name)
}

// describe is the kind as messages show it.
func (n *node) describe() string {
	if n.kind == kStruct && n.name != "" {
		return plan.Type{Kind: plan.TRef, Name: n.name}.String()
	}
	if n.kind == kConst {
		return n.konst.text
	}
	if n.kind == kUnion {
		all := make([]int, len(n.elems))
		for i := range all {
			all[i] = i
		}
		return n.names(all, " or ")
	}
	if n.kind == kTuple {
		return fmt.Sprintf("tuple of %d", len(n.elems))
	}
	return n.kind.String()
}

// leaveOrder says where the first members stand that have come in order.
func (p *parser) leaveOrder(base, next int) {
	slots := p.slots[base:]
	for i := range slots {
		switch {
		case i+1 < next:
			slots[i].to = slots[i+1].from
		case i < next:
			slots[i].to = len(p.dst)
		default:
			slots[i].from = -1
		}
	}
}

// came says that a member out of order has a value already.
func (p *parser) came(at int, f *field) bool {
	from := p.slots[at].from
	return from >= 0 && !(f.optional && p.dst[from] == absent)
}

// restore writes the members of an object, which stand in dst as they came, in the
// order of the layout.
func (p *parser) restore(n *node, begin, base, extra int) error {
	s := p.scratch[:0]
	for i := range n.fields {
		switch at := p.slots[base+i]; {
		case at.from >= 0:
			s = append(s, p.dst[at.from:at.to]...)
		case n.fields[i].optional:
			s = append(s, absent)
		default:
			return missing(&n.fields[i])
		}
	}
	if n.extra {
		s = le.AppendUint32(s, uint32(len(p.entries)-extra))
		s = p.appendEntries(s, extra)
	}
	p.dst = append(p.dst[:begin], s...)
	p.scratch = s
	p.slots, p.entries = p.slots[:base], p.entries[:extra]
	return nil
}

func (p *parser) appendEntries(s []byte, base int) []byte {
	for _, e := range p.entries[base:] {
		s = append(s, p.dst[e.key:e.keyEnd]...)
		s = append(s, p.dst[e.from:e.to]...)
	}
	return s
}

// member reads the value of a member with its presence byte.
func (p *parser) member(f *field) error {
	if f.presence() {
		state := byte(present)
		if p.peek() == 'n' && f.node.kind != kAny {
			switch k := f.node.kind; {
			case f.node.nullable:
				state = null
			case k == kList || k == kMap || k == kBytes:
				state = absent
			}
			if state != present && !p.literal("null") {
				return p.syntax("a value")
			}
		}
		p.dst = append(p.dst, state)
		if state != present {
			return nil
		}
	}
	return p.bare(f.node)
}

// dict reads an object as a map.
func (p *parser) dict(elem *node) error {
	if err := p.enter(); err != nil {
		return err
	}
	at, base := len(p.dst), len(p.entries)
	p.dst = append(p.dst, 0, 0, 0, 0)
	p.pos++
	p.space()
	more := true
	if p.peek() == '}' {
		p.pos++
		more = false
	}
	count := 0
	var index keyIndex
	for ; more; count++ {
		key, err := p.name()
		if err != nil {
			return err
		}
		if err = p.entry(key, elem, base, &index); err != nil {
			return err
		}
		if more, err = p.more('}'); err != nil {
			return err
		}
	}
	if n := len(p.entries) - base; n < count { // a key came twice
		p.scratch = p.appendEntries(p.scratch[:0], base)
		p.dst = append(p.dst[:at+4], p.scratch...)
		count = n
	}
	le.PutUint32(p.dst[at:], uint32(count))
	p.entries = p.entries[:base]
	p.depth--
	return nil
}

// entry writes one entry of a map, whose entries so far are those from base.
func (p *parser) entry(key []byte, elem *node, base int, index *keyIndex) error {
	e := span{key: len(p.dst)}
	p.dst = le.AppendUint32(p.dst, uint32(len(key)))
	p.dst = append(p.dst, key...)
	e.keyEnd = len(p.dst)
	e.from = e.keyEnd
	if err := p.value(elem); err != nil {
		return inMember(err, string(p.dst[e.key+4:e.keyEnd]))
	}
	e.to = len(p.dst)
	return p.keepEntry(e, base, index)
}

// keepEntry makes e one of the entries from base; of several with one key the last counts.
func (p *parser) keepEntry(e span, base int, index *keyIndex) error {
	if old := p.find(e, base, index); old != nil {
		if p.strict {
			return inMember(errorf("member comes twice"), string(p.dst[e.key+4:e.keyEnd]))
		}
		old.from, old.to = e.from, e.to
		return nil
	}
	p.entries = append(p.entries, e)
	return nil
}

// keyIndex finds the entries of a large map; a small one is searched one by one.
type keyIndex struct {
	table []int32 // open addressing: entry + 1, counted from the map's first
}

const smallMap = 16

// find is the entry from base on that has the key of e. If there is none, the caller
// appends e.
func (p *parser) find(e span, base int, index *keyIndex) *span {
	key, entries := p.dst[e.key:e.keyEnd], p.entries[base:]
	same := func(o *span) bool {
		return o.keyEnd-o.key == len(key) && asText(p.dst[o.key:o.keyEnd]) == asText(key)
	}
	if len(entries) < smallMap {
		for i := range entries {
			if same(&entries[i]) {
				return &entries[i]
			}
		}
		return nil
	}
	if 2*len(entries) >= len(index.table) {
		index.table = make([]int32, 8*len(entries))
		for i, o := range entries {
			*index.slot(p, p.dst[o.key:o.keyEnd], func(int32) bool { return false }) = int32(i) + 1
		}
	}
	at := index.slot(p, key, func(i int32) bool { return same(&entries[i]) })
	if *at != 0 {
		return &entries[*at-1]
	}
	*at = int32(len(entries)) + 1
	return nil
}

// slot is the place of key in the table: the one that holds it, or a free one.
func (x *keyIndex) slot(p *parser, key []byte, same func(int32) bool) *int32 {
	for h := maphash.Bytes(p.seed, key); ; h++ {
		at := &x.table[h%uint64(len(x.table))]
		if *at == 0 || same(*at-1) {
			return at
		}
	}
}

func (p *parser) base64() error {
	at := len(p.dst)
	if err := p.text(); err != nil {
		return err
	}
	word := p.dst[at+4:]
	// Decoding in place: three bytes never overtake the four that they come from.
	n, err := base64.StdEncoding.Decode(word, word)
	if err != nil || base64.StdEncoding.EncodedLen(n) != len(word) {
		return errorf("expected base64 string, got a string that is none")
	}
	le.PutUint32(p.dst[at:], uint32(n))
	p.dst = p.dst[:at+4+n]
	return nil
}

func (p *parser) time() error {
	at := len(p.dst)
	if err := p.text(); err != nil {
		return err
	}
	t, ok := parseTime(p.dst[at+4:])
	if !ok {
		return errorf("expected RFC 3339 time, got %s", strconv.Quote(shorten(p.dst[at+4:])))
	}
	p.dst = le.AppendUint64(p.dst[:at], uint64(t.UnixMicro()))
	return nil
}

// parseTime reads RFC 3339 as strictly as it is written: package time lets through what
// the standard does not.
func parseTime(b []byte) (time.Time, bool) {
	var t time.Time
	if t.UnmarshalText(b) != nil || b[len("2006-01-02T")+1] == ':' || b[len("2006-01-02T15:04:05")] == ',' {
		return t, false
	}
	if n := len(b); b[n-1] != 'Z' {
		hour, err := strconv.ParseUint(string(b[n-5:n-3]), 10, 8)
		minute, err2 := strconv.ParseUint(string(b[n-2:]), 10, 8)
		if err != nil || err2 != nil || hour >= 24 || minute >= 60 {
			return t, false
		}
	}
	s := t.Unix()
	return t, s >= minSecond && s <= maxSecond
}

var anyNode = &node{kind: kAny, min: 1}

func (p *parser) any() error {
	switch c := p.peek(); {
	case c == '"':
		p.dst = append(p.dst, byte(tagString))
		return p.text()
	case c == '{':
		p.dst = append(p.dst, byte(tagMap))
		return p.dict(anyNode)
	case c == '[':
		p.dst = append(p.dst, byte(tagList))
		return p.list(anyNode)
	case p.literal("null"):
		p.dst = append(p.dst, byte(tagNull))
		return nil
	case p.literal("true"):
		p.dst = append(p.dst, byte(tagTrue))
		return nil
	case p.literal("false"):
		p.dst = append(p.dst, byte(tagFalse))
		return nil
	case c != '-' && c-'0' > 9:
		return p.syntax("a value")
	}
	if p.exact {
		return p.digitsOrNumber()
	}
	t, v, err := p.anyNumber()
	if err != nil {
		return err
	}
	p.dst = le.AppendUint64(append(p.dst, byte(t)), v)
	return nil
}

// digitsOrNumber reads a number that is to be written again: where neither an integer nor
// a double has the same value, it is its digits.
func (p *parser) digitsOrNumber() error {
	from := p.pos
	if _, err := p.number(); err != nil {
		return err
	}
	end := p.pos
	word := p.src[from:end]
	p.pos = from
	t, v, err := p.anyNumber()
	lost := err != nil || t == tagFloat && !sameValue(word, math.Float64frombits(v))
	switch p.pos = end; {
	case lost && p.noDigits:
		return errorf("expected a number of 64 bits, got %s, which has more digits", shorten(word))
	case lost:
		p.dst = appendBlob(append(p.dst, byte(tagDigits)), word)
		return nil
	}
	p.dst = le.AppendUint64(append(p.dst, byte(t)), v)
	return nil
}

// sameValue says that f, the double nearest to the number word, is printed with the digits
// of word, whatever their spelling.
func sameValue(word []byte, f float64) bool {
	var one, two [40]byte
	digits, exponent, ok := significant(one[:0], word)
	if !ok {
		return false
	}
	if len(digits) == 0 || len(digits) <= 15 && math.Abs(f) >= 0x1p-1022 {
		return true // a double has as many, where it is not so small that it has less
	}
	printed, at, _ := significant(two[:0], strconv.AppendFloat(make([]byte, 0, 32), f, 'e', -1, 64))
	return at == exponent && string(printed) == string(digits)
}

// significant are the digits of a number without zeros at either end, and the power of ten
// of the first. Not ok: there are more than a double ever has, or than are counted.
func significant(buf, word []byte) (digits []byte, exponent int, ok bool) {
	point, seen := 0, false // digits in front of the point, less zeros behind it
	zeros := 0              // at the end, so far
	i := 0
	for ; i < len(word); i++ {
		c := word[i]
		switch {
		case c == '-' || c == '+':
			continue
		case c == '.':
			seen = true
			continue
		case c == 'e' || c == 'E':
			e, err := strconv.Atoi(string(word[i+1:]))
			if err != nil || e > 1<<20 || e < -1<<20 {
				return nil, 0, len(buf) == 0 // of zero it does not matter
			}
			return buf, point + e - 1, true
		case c == '0' && len(buf) == 0:
			if seen {
				point--
			}
			continue
		}
		if !seen {
			point++
		}
		if c == '0' {
			zeros++
			continue
		}
		for ; zeros > 0; zeros-- {
			buf = append(buf, '0')
		}
		if buf = append(buf, c); len(buf) > 20 {
			return nil, 0, false
		}
	}
	return buf, point - 1, true
}

// anyNumber reads a number: an integer where it is written as one and fits, otherwise
// the bits of a double.
func (p *parser) anyNumber() (tag, uint64, error) {
	from := p.pos
	whole, err := p.number()
	if err != nil {
		return 0, 0, err
	}
	word := p.src[from:p.pos]
	if whole {
		if word[0] != '-' {
			if v, ok := magnitude(word); ok && v <= math.MaxInt64 {
				return tagInt, v, nil
			} else if ok {
				return tagUint, v, nil
			}
		} else if v, ok := magnitude(word[1:]); ok && v-1 <= math.MaxInt64 { // -0 is a double
			return tagInt, -v, nil
		}
	}
	end := p.pos
	p.pos = from
	v, ok := p.decimal()
	p.pos = end
	if !ok {
		if v, err = strconv.ParseFloat(asText(word), 64); err != nil {
			return 0, 0, errorf("expected float64, got %s", shorten(word))
		}
	}
	return tagFloat, math.Float64bits(v), nil
}

// skip reads a value that no member names; it must be well-formed all the same.
func (p *parser) skip() error {
	switch c := p.peek(); {
	case c == '"':
		return p.skipText()
	case c == '{' || c == '[':
		if err := p.enter(); err != nil {
			return err
		}
		end := c + 2 // the closing bracket in ASCII
		p.pos++
		p.space()
		if p.peek() == end {
			p.pos++
			p.depth--
			return nil
		}
		for more := true; more; {
			if c == '{' {
				if p.peek() != '"' {
					return p.syntax("a member name")
				}
				if err := p.skipText(); err != nil {
					return err
				}
				if err := p.colon(); err != nil {
					return err
				}
			}
			err := p.skip()
			if err == nil && !p.comma() {
				more, err = p.more(end)
			}
			if err != nil {
				return err
			}
		}
		p.depth--
		return nil
	case p.literal("null"), p.literal("true"), p.literal("false"):
		return nil
	case c == '-' || c-'0' <= 9:
		_, err := p.number()
		return err
	}
	return p.syntax("a value")
}

func (p *parser) skipText() error {
	if end := closing(p.src, p.pos+1); end >= 0 {
		p.pos = end + 1
		return nil
	}
	src := p.src[p.pos+1:]
	if n, wide := plain(src); n < len(src) && src[n] == '"' && (!wide || !p.strict) {
		p.pos += n + 2
		return nil
	}
	k, problem := 0, ""
	p.key, k, problem = appendUnquoted(p.key[:0], src, p.strict)
	p.pos += 1 + k
	if problem != "" {
		return errorf("malformed JSON at byte %d: %s", p.pos, problem)
	}
	return nil
}
