package frame

import (
	"reflect"
	"regexp"
	"strings"
	"testing"
	"unsafe"

	"github.com/levada-io/levada/plan"
	"github.com/levada-io/levada/record"
	"pgregory.net/rapid"
)

type ruled struct {
	Qty    int                `json:"qty" levada:"min=0,below=10"`
	I8     int8               `json:"i8,omitzero" levada:"above=-3"`
	I16    int16              `json:"i16,omitempty" levada:"min=-1,max=1"`
	I32    int32              `json:"i32,omitzero" levada:"enum=-1|5|7"`
	U8     uint8              `json:"u8,omitzero" levada:"above=2,below=5"`
	U16    uint16             `json:"u16,omitzero" levada:"max=9"`
	U32    uint32             `json:"u32,omitzero" levada:"min=3"`
	U64    uint64             `json:"u64,omitzero" levada:"max=18446744073709551614"`
	F32    float32            `json:"f32,omitzero" levada:"below=1.5"`
	F64    *float64           `json:"f64,omitzero" levada:"min=-0.5,max=1e+21"`
	Name   string             `json:"name,omitzero" levada:"minlen=2,maxlen=4"`
	Code   Color              `json:"code,omitzero" levada:"maxlen=9,pattern=^[a-z]{1,3},\\d+$"`
	Odd    string             `json:"odd,omitzero" levada:"pattern=(ab|ü)c"`
	Kind   string             `json:"kind,omitzero" levada:"enum=a|b\\|c|\\\\"`
	ID     record.Opt[string] `json:"id" levada:"format=uuid"`
	At     string             `json:"at,omitzero" levada:"format=date-time"`
	Bytes  []byte             `json:"bytes,omitempty" levada:"maxlen=2"`
	List   []string           `json:"list,omitzero" levada:"minlen=1,maxlen=2,pattern=^x"`
	Lists  [][]int            `json:"lists,omitempty" levada:"maxlen=2,min=0"`
	Map    map[string]string  `json:"map,omitzero" levada:"maxlen=2,enum=x|y"`
	Deep   map[string][]*int8 `json:"deep,omitzero" levada:"min=1"`
	Pair   [2]float64         `json:"pair,omitzero" levada:"min=1"`
	Words  []string           `json:"words,omitzero" levada:"maxlen=3,each.minlen=2,each.maxlen=3,pattern=^a"`
	Texts  map[string][]Color `json:"texts,omitzero" levada:"each.minlen=1,each.each.maxlen=2"`
	Ends   [2]*string         `json:"ends,omitzero" levada:"each.minlen=1"`
	Blobs  [][]byte           `json:"blobs,omitempty" levada:"each.maxlen=1"`
	Must   []int              `json:"must" levada:"maxlen=3"`
	Inside []struct {
		N *int64 `json:"n" levada:"min=1"`
	} `json:"inside,omitempty" levada:"maxlen=1"`
}

// plainOf is t without its levada tags.
func plainOf(t reflect.Type) reflect.Type {
	switch t.Kind() {
	case reflect.Slice:
		return reflect.SliceOf(plainOf(t.Elem()))
	case reflect.Struct:
		if isOpt(t) {
			return t
		}
		fields := reflect.VisibleFields(t)
		for i := range fields {
			fields[i].Type = plainOf(fields[i].Type)
			fields[i].Tag = reflect.StructTag(strings.Split(string(fields[i].Tag), " levada:")[0])
		}
		return reflect.StructOf(fields)
	}
	return t
}

// TestRules holds texts against the rules by every way in and out.
func TestRules(t *testing.T) {
	for member, want := range map[string]string{
		``:                           ``,
		`"qty":9`:                    ``,
		`"qty":-1`:                   `$.qty: expected integer >= 0, got -1`,
		`"qty":10`:                   `$.qty: expected integer < 10, got 10`,
		`"i8":-2`:                    ``,
		`"i8":-3`:                    `$.i8: expected integer > -3, got -3`,
		`"i16":-1`:                   ``,
		`"i16":2`:                    `$.i16: expected integer <= 1, got 2`,
		`"i32":7`:                    ``,
		`"i32":6`:                    `$.i32: expected one of -1, 5, 7, got 6`,
		`"u8":3`:                     ``,
		`"u8":2`:                     `$.u8: expected integer > 2, got 2`,
		`"u8":5`:                     `$.u8: expected integer < 5, got 5`,
		`"u16":10`:                   `$.u16: expected integer <= 9, got 10`,
		`"u32":2`:                    `$.u32: expected integer >= 3, got 2`,
		`"u64":18446744073709551614`: ``,
		`"u64":18446744073709551615`: `$.u64: expected integer <= 18446744073709551614, got 18446744073709551615`,
		`"f32":1.25`:                 ``,
		`"f32":1.5`:                  `$.f32: expected number < 1.5, got 1.5`,
		`"f64":1e21`:                 ``,
		`"f64":-0.75`:                `$.f64: expected number >= -0.5, got -0.75`,
		`"f64":1e22`:                 `$.f64: expected number <= 1e+21, got 1e+22`,
		`"name":"äöüß"`:              ``,
		`"name":"ä"`:                 `$.name: expected a string of at least 2 characters, got 1`,
		`"name":"abcde"`:             `$.name: expected a string of at most 4 characters, got 5`,
		`"code":"abc,123"`:           ``,
		`"code":"abc,"`:              `$.code: expected a string that matches ^[a-z]{1,3},\d+$, got "abc,"`,
		`"code":"abc,1234567"`:       `$.code: expected a string of at most 9 characters, got 11`,
		`"odd":"--ücc"`:              ``,
		`"odd":"c"`:                  `$.odd: expected a string that matches (ab|ü)c, got "c"`,
		`"kind":"b|c"`:               ``,
		`"kind":"\\"`:                ``,
		`"kind":"c"`:                 `$.kind: expected one of "a", "b|c", "\\", got "c"`,
		`"id":"6cf173d5-87eb-4856-8A9b-2e12dcfbea52"`: ``,
		`"id":"6cf173d5-87eb-4856-8a9b-2e12dcfbea5g"`: `$.id: expected a string of format uuid, got "6cf173d5-87eb-4856-8a9b-2e12dcfbea5g"`,
		`"at":"2024-02-30T00:00:00Z"`:                 `$.at: expected a string of format date-time, got "2024-02-30T00:00:00Z"`,
		`"list":["x","xy"]`:                           ``,
		`"list":[]`:                                   `$.list: expected a list of at least 1 element, got 0`,
		`"list":["x","y","x"]`:                        `$.list: expected a list of at most 2 elements, got 3`,
		`"list":["x","y"]`:                            `$.list[1]: expected a string that matches ^x, got "y"`,
		`"lists":[[1],[2,-1,-2]]`:                     `$.lists[1][1]: expected integer >= 0, got -1`,
		`"lists":[[1],[1,2,3]]`:                       ``, // the length of the outer one
		`"lists":[[1],[],[]]`:                         `$.lists: expected a list of at most 2 elements, got 3`,
		`"map":{"a":"x","b":"y"}`:                     ``,
		`"map":{"b":"z","a":"w"}`:                     `$.map.a: expected one of "x", "y", got "w"`,
		`"map":{"a":"x","b":"y","c":"x"}`:             `$.map: expected a map of at most 2 entries, got 3`,
		`"deep":{"a":[null,1],"b":[]}`:                ``,
		`"deep":{"a":[null,1],"b":[2,0]}`:             `$.deep.b[1]: expected integer >= 1, got 0`,
		`"pair":[1,2]`:                                ``,
		`"pair":[1,0.5]`:                              `$.pair[1]: expected number >= 1, got 0.5`,
		`"words":["aä","abc"]`:                        ``,
		`"words":["ab","a"]`:                          `$.words[1]: expected a string of at least 2 characters, got 1`,
		`"words":["ab","abcd"]`:                       `$.words[1]: expected a string of at most 3 characters, got 4`,
		`"words":["ab","bc"]`:                         `$.words[1]: expected a string that matches ^a, got "bc"`,
		`"words":["ab","ab","ab","a"]`:                `$.words: expected a list of at most 3 elements, got 4`,
		`"texts":{"k":["ab",""],"l":["c"]}`:           ``,
		`"texts":{"k":["a"],"l":[]}`:                  `$.texts.l: expected a list of at least 1 element, got 0`,
		`"texts":{"k":["a","abc"]}`:                   `$.texts.k[1]: expected a string of at most 2 characters, got 3`,
		`"ends":["a",null]`:                           ``,
		`"ends":["a",""]`:                             `$.ends[1]: expected a string of at least 1 character, got 0`,
		`"must":[1,2,3,4]`:                            `$.must: expected a list of at most 3 elements, got 4`,
		`"inside":[{"n":null}]`:                       ``,
		`"inside":[{"n":0}]`:                          `$.inside[0].n: expected integer >= 1, got 0`,
		`"inside":[{"n":2},{"n":2}]`:                  `$.inside: expected a list of at most 1 element, got 2`,
	} {
		text := `{`
		for _, part := range []string{`"qty":1`, member, `"must":[]`} {
			if name, _, _ := strings.Cut(part, ":"); part == "" || part != member && strings.Contains(member, name) {
				continue
			}
			if text != "{" {
				text += ","
			}
			text += part
		}
		text += "}"
		typ := reflect.TypeFor[ruled]()
		holdRules(t, typ, text, want)
	}
	// Bytes are text in JSON and bytes in an any.
	holdRules(t, reflect.TypeFor[ruled](), `{"qty":1,"bytes":"AAE=","must":[]}`, "")
	holdRules(t, reflect.TypeFor[ruled](), `{"qty":1,"bytes":"AAEC","must":[]}`, "$.bytes: expected bytes of at most 2 bytes, got 3")
	holdRules(t, reflect.TypeFor[ruled](), `{"qty":1,"blobs":["AA=="],"must":[]}`, "")
	holdRules(t, reflect.TypeFor[ruled](), `{"qty":1,"blobs":["AA==","AAE="],"must":[]}`, "$.blobs[1]: expected bytes of at most 1 byte, got 2")
}

func holdRules(t *testing.T, typ reflect.Type, text, want string) {
	t.Helper()
	l := mustOf(t, typ)
	_, err := l.ParseJSON(nil, []byte(text))
	said(t, "JSON into a frame", text, want, err)
	dec, err := NewTextDecoder(typ, false)
	if err != nil {
		t.Fatal(err)
	}
	said(t, "JSON into a struct", text, want, dec.Value([]byte(text), reflect.New(typ).UnsafePointer()))

	// What a type without rules reads is refused where it is read as the one with them,
	// and where it is written.
	plain := plainOf(typ)
	free := mustOf(t, plain)
	frame, err := free.ParseJSON(nil, []byte(text))
	if err != nil {
		t.Fatal(err)
	}
	into, err := NewDecoder(free, typ)
	if err != nil {
		t.Fatal(err)
	}
	said(t, "from a frame", text, want, into.Value(frame, reflect.New(typ).UnsafePointer()))
	_, err = l.AppendJSON(nil, frame)
	said(t, "a frame as JSON", text, want, err)
	_, err = l.AppendMsgpack(nil, frame)
	said(t, "a frame as msgpack", text, want, err)

	packed, err := free.AppendMsgpack(nil, frame)
	if err != nil {
		t.Fatal(err)
	}
	_, err = l.ParseMsgpack(nil, packed, false)
	said(t, "msgpack into a frame", text, want, err)
	compareUnpacked(t, typ, packed, false)

	dynamic, err := Any().ParseMsgpack(nil, packed, false)
	if err != nil {
		t.Fatal(err)
	}
	if into, err = NewDecoder(Any(), typ); err != nil {
		t.Fatal(err)
	}
	said(t, "out of an any", text, want, into.Value(dynamic, reflect.New(typ).UnsafePointer()))

	// The same memory, once with and once without rules.
	v := reflect.New(plain).UnsafePointer()
	if into, err = NewDecoder(free, plain); err != nil {
		t.Fatal(err)
	}
	if err := into.Value(frame, v); err != nil {
		t.Fatal(err)
	}
	enc, err := NewTextEncoder(typ)
	if err != nil {
		t.Fatal(err)
	}
	_, err = enc.Append(nil, v)
	said(t, "memory as JSON", text, want, err)
	pack, err := NewMsgpackEncoder(typ)
	if err != nil {
		t.Fatal(err)
	}
	_, err = pack.Append(nil, v)
	said(t, "memory as msgpack", text, want, err)
}

// TestRulesOfZeros: what Go writes where a frame has nothing is held against the rules by
// both ways out.
func TestRulesOfZeros(t *testing.T) {
	type zeros struct {
		N int        `json:"n,omitempty" levada:"min=1"`
		P [2]float64 `json:"p,omitempty"`
	}
	type pairs struct {
		N int        `json:"n,omitempty"`
		P [2]float64 `json:"p,omitempty" levada:"above=0"`
	}
	for typ, want := range map[reflect.Type]string{
		reflect.TypeFor[zeros](): "$.n: expected integer >= 1, got 0",
		reflect.TypeFor[pairs](): "$.p[0]: expected number > 0, got 0",
	} {
		l := mustOf(t, typ)
		frame, err := l.ParseJSON(nil, []byte(`{}`)) // absent: nothing to hold
		if err != nil {
			t.Fatal(err)
		}
		_, err = l.AppendJSON(nil, frame)
		said(t, "a frame as JSON", "{}", want, err)
		_, err = l.AppendMsgpack(nil, frame)
		said(t, "a frame as msgpack", "{}", want, err)
		enc, err := NewTextEncoder(typ)
		if err != nil {
			t.Fatal(err)
		}
		_, err = enc.Append(nil, reflect.New(typ).UnsafePointer())
		said(t, "memory as JSON", "{}", want, err)
	}
}

// TestRulesInThePlan: the type leads back to the layout, and rules count in Equal.
func TestRulesInThePlan(t *testing.T) {
	l := mustOf(t, reflect.TypeFor[ruled]())
	pt, types := l.Type()
	again, err := Compile(pt, types)
	if err != nil {
		t.Fatal(err)
	}
	if !again.Equal(l) {
		t.Error("the layout of its type is another one")
	}
	free := mustOf(t, plainOf(reflect.TypeFor[ruled]()))
	if l.Equal(free) || free.Equal(l) {
		t.Error("rules do not count in Equal")
	}
	if got := types["go:github.com/levada-io/levada/internal/frame.ruled"].Fields[0].Rules; got == "" {
		t.Error("expected the rules of a field, got none")
	}
}

// TestRuleTags: a wrong tag is an error that says what was expected.
func TestRuleTags(t *testing.T) {
	field := func(typ any, tag string) reflect.Type {
		return reflect.StructOf([]reflect.StructField{{Name: "A", Type: reflect.TypeOf(typ), Tag: reflect.StructTag(tag)}})
	}
	for _, c := range []struct {
		typ       any
		tag, want string
	}{
		{1, `levada:"min=1.5"`, `rules "min=1.5": expected a value of type int64, got 1.5`},
		{int8(1), `levada:"max=128"`, `rules "max=128": expected a value of type int8, got 128`},
		{uint8(1), `levada:"enum=-1"`, `rules "enum=-1": expected a value of type uint8, got -1`},
		{1, `levada:"min=2,max=1"`, `rules "min=2,max=1": no number is in between`},
		{1, `levada:"min=2,below=2"`, `rules "min=2,below=2": no number is in between`},
		{1.5, `levada:"above=x"`, `bound x: expected a number`},
		{1.5, `levada:"enum=1"`, `rules "enum=1": expected a text or an integer for an enum, got a member of type float64`},
		{"", `levada:"min=1"`, `rules "min=1": expected a number for a bound, got a member of type string`},
		{1, `levada:"pattern=a"`, `rules "pattern=a": expected a text for a pattern or format, got a member of type int64`},
		{1, `levada:"minlen=1"`, `rules "minlen=1": expected a text, a list or a map for a length, got a member of type int64`},
		{"", `levada:"minlen=x"`, `rule minlen: expected a length, got "x"`},
		{"", `levada:"minlen=2,maxlen=1"`, `rules "minlen=2,maxlen=1": no length is in between`},
		{"", `levada:"minlen=1,minlen=1"`, `rule minlen: comes twice`},
		{1, `levada:"min=1,above=1"`, `rules "min=1,above=1": expected one lower and one upper bound`},
		{"", `levada:"format=phone"`, `rule format: expected one of date, date-time, ipv4, ipv6, uri, uuid, got "phone"`},
		{"", `levada:"pattern=("`, "rule pattern: error parsing regexp: missing closing ): `(`"},
		{"", `levada:"enum=a|a"`, `rule enum: "a" comes twice`},
		{"", `levada:"enum=\\n"`, `rule enum: expected a bar or a backslash behind a backslash`},
		{"", `levada:"minlen=1,fast"`, `rule "fast": expected min, max, above, below, minlen, maxlen, format, pattern or enum, = and a value`},
		{true, `levada:"enum=true"`, `rules "enum=true": expected a text or an integer for an enum, got a member of type bool`},
		{"", `levada:"each.minlen=1"`, `rules "each.minlen=1": expected a list, a map or an array for the length of its elements, got a member of type string`},
		{[]string{}, `levada:"each.each.minlen=1"`, `rules "each.minlen=1": expected a list, a map or an array for the length of its elements, got a member of type string`},
		{[]int{}, `levada:"each.minlen=1"`, `rules "minlen=1": expected a text, a list or a map for a length, got a member of type int64`},
		{[2]string{}, `levada:"minlen=1"`, `rules "minlen=1": expected a text, a list or a map for a length, got a member of type tuple[string, string]`},
		{[]string{}, `levada:"each.minlen=2,each.maxlen=1"`, `rules "each.minlen=2,each.maxlen=1": no length is in between`},
		{[]string{}, `levada:"each.minlen=1,each.minlen=1"`, `rule each.minlen: comes twice`},
		{[]string{}, `levada:"each.minlen=-1"`, `rule each.minlen: expected a length, got "-1"`},
		{[]string{}, `levada:"minlen=1,each.pattern=a"`, `rule each.pattern: not known, expected min, max, above, below, minlen, maxlen, format, pattern or enum`},
		{[]string{}, `levada:"each.pattern=a"`, `levada tag "each.pattern=a" is not known: unit=..., const=..., any and rules such as min=0 are`},
		{[]string{}, `levada:"` + strings.Repeat("each.", 17) + `minlen=1"`, `levada tag "` + strings.Repeat("each.", 17) + `minlen=1" is not known: unit=..., const=..., any and rules such as min=0 are`},
		{[]bool{}, `levada:"min=1"`, `rules "min=1": expected a number for a bound, got a member of type bool`},
	} {
		_, err := Of(field(c.typ, c.tag))
		if err == nil || !strings.HasSuffix(err.Error(), ".A: "+c.want) {
			t.Errorf("%s:\nexpected %s\ngot      %v", c.tag, c.want, err)
		}
	}
	for _, f := range []plan.Field{
		{Type: plan.Type{Kind: plan.TString}, Rules: "maxlen=2,minlen=1"},
		{Type: plan.Type{Kind: plan.TList, Elem: &plan.Type{Kind: plan.TString}}, Rules: "each.minlen=1,minlen=1"},
		{Type: plan.Type{Kind: plan.TList, Elem: &plan.Type{Kind: plan.TString}}, Rules: "each.minlen=0"},
		{Type: plan.Type{Kind: plan.TString}, Rules: "nothing"},
		{Type: plan.Type{Kind: plan.TString}, Rules: "minlen=1", Const: `"a"`},
		{Type: plan.Type{Kind: plan.TAny}, Rules: "minlen=1"},
	} {
		f.Name = "a"
		if _, err := Compile(plan.Type{Kind: plan.TStruct, Fields: []plan.Field{f}}, nil); err == nil || !strings.HasPrefix(err.Error(), "struct.a: rule") {
			t.Errorf("%+v: %v", f, err)
		}
	}
}

// TestRunsAreTheirPatterns: the short cut for patterns says what package regexp says.
func TestRunsAreTheirPatterns(t *testing.T) {
	for pattern, short := range map[string]bool{
		`^[0-9a-f]{32}$`: true, `^[a-z]+$`: true, `^[a-z]*-[0-9]?$`: true, `^a{2,3}b$`: true, `^ab+c$`: true, `^\d{1,3}(a)$`: true,
		`^[a-z]*a$`: false, `^[a-z]?[0-9]?[a-z]$`: false, `[a-z]+`: false, `^ä+$`: false, `^[^a]+$`: false, `^(?i)ab$`: false, `^a|b$`: false, `^$`: false, `^a$`: true,
		`(?m)^a$`: false, `^[a-z]{0,3}[0-9]{0,2}-$`: true,
	} {
		match := runsOf(pattern)
		if (match != nil) != short {
			t.Errorf("%s: a short cut is %t, expected %t", pattern, match != nil, short)
			continue
		}
		if match == nil {
			continue
		}
		re := regexp.MustCompile(pattern)
		rapid.Check(t, func(t *rapid.T) {
			s := rapid.OneOf(rapid.StringMatching(pattern), rapid.StringMatching(`[ab0-9f\n-]{0,34}`), rapid.String()).Draw(t, "s")
			if match(s) != re.MatchString(s) {
				t.Fatalf("%s: %q is %t", pattern, s, match(s))
			}
		})
	}
}

// TestRulesCostNoMemory where they hold.
func TestRulesCostNoMemory(t *testing.T) {
	type some struct {
		N    int     `json:"n" levada:"min=0,max=9"`
		F    float64 `json:"f" levada:"above=0"`
		Name string  `json:"name" levada:"maxlen=9,pattern=^[a-z]+$"`
		ID   string  `json:"id" levada:"format=uuid"`
	}
	text := []byte(`{"n":1,"f":1.5,"name":"abc","id":"6cf173d5-87eb-4856-8a9b-2e12dcfbea52"}`)
	dec, err := NewTextDecoder(reflect.TypeFor[some](), false)
	if err != nil {
		t.Fatal(err)
	}
	enc, err := NewTextEncoder(reflect.TypeFor[some]())
	if err != nil {
		t.Fatal(err)
	}
	var v some
	buf := make([]byte, 0, 1000)
	allocs := testing.AllocsPerRun(100, func() {
		v = some{}
		if dec.Value(text, unsafe.Pointer(&v)) != nil {
			t.Fatal("refused")
		}
		if _, err := enc.Append(buf, unsafe.Pointer(&v)); err != nil {
			t.Fatal(err)
		}
	})
	if poolsKeep && allocs > 1 { // the copy that the strings share
		t.Errorf("%v allocations", allocs)
	}
}
