package avro

import (
	"encoding/binary"
	"encoding/json/v2"
	"fmt"
	"math"
	"reflect"
	"slices"
	"strconv"
	"time"

	library "github.com/twmb/avro"
	"pgregory.net/rapid"

	"github.com/levada-io/levada/plan"
)

// pairs draws a schema and a type whose values it may have. Most fit; what does not has no
// short way, or none for some of its values.
type pairs struct {
	*rapid.T
	types map[string]plan.Type
	open  []string // records that are not whole yet
	odd   bool     // with what has no short way at all
	count int
}

// yes is true once in n times.
func yes(t *rapid.T, n int) bool { return rapid.IntRange(0, n-1).Draw(t, "yes") == n-1 }

func (p *pairs) kinds(all ...plan.TypeKind) plan.Type {
	return plan.Type{Kind: rapid.SampledFrom(all).Draw(p.T, "kind")}
}

type object = map[string]any

func (p *pairs) draw(depth int) (schema any, typ plan.Type) {
	leaves := 14
	pick := rapid.IntRange(0, leaves+7).Draw(p.T, "place")
	if depth <= 0 {
		pick %= leaves
	}
	logical := func(kind, of string) any { return object{"type": kind, "logicalType": of} }
	timed := func(units ...string) plan.Type {
		if yes(p.T, 3) {
			return plan.Type{Kind: plan.TInt64}
		}
		return plan.Type{Kind: plan.TTime, Unit: rapid.SampledFrom(units).Draw(p.T, "unit")}
	}
	inText := []string{"", "", "unix", "unix_ms", "unix_us", "unix_ns", "unix_days"}
	switch pick {
	case 0:
		return "boolean", plan.Type{Kind: plan.TBool}
	case 1:
		return "int", p.kinds(plan.TInt32, plan.TInt64, plan.TInt8, plan.TInt16, plan.TUint8, plan.TUint16, plan.TUint32, plan.TUint64, plan.TFloat64, plan.TFloat32)
	case 2:
		return "long", p.kinds(plan.TInt64, plan.TInt64, plan.TInt32, plan.TUint32, plan.TUint64, plan.TFloat64, plan.TFloat32)
	case 3:
		return "float", p.kinds(plan.TFloat32, plan.TFloat64, plan.TInt64, plan.TUint64)
	case 4:
		return "double", p.kinds(plan.TFloat64, plan.TFloat32, plan.TInt64, plan.TUint64)
	case 5:
		return "bytes", plan.Type{Kind: plan.TBytes}
	case 6, 7:
		return "string", plan.Type{Kind: plan.TString}
	case 8:
		p.count++
		return object{"type": "enum", "name": "E" + strconv.Itoa(p.count), "symbols": []string{"A", "BB", "C"}}, plan.Type{Kind: plan.TString}
	case 9:
		p.count++
		return object{"type": "fixed", "name": "X" + strconv.Itoa(p.count), "size": rapid.IntRange(0, 4).Draw(p.T, "size")}, plan.Type{Kind: plan.TBytes}
	case 10:
		return logical("long", rapid.SampledFrom([]string{"timestamp-millis", "timestamp-micros", "local-timestamp-micros"}).Draw(p.T, "time")), timed(inText...)
	case 11:
		return logical("int", "date"), timed(inText...)
	case 12:
		of := plan.Type{Kind: plan.TDuration, Unit: rapid.SampledFrom([]string{"", "s", "us", "ns"}).Draw(p.T, "unit")}
		if yes(p.T, 2) {
			return logical("int", "time-millis"), of
		}
		return logical("long", "time-micros"), of
	case 13:
		if !p.odd || !yes(p.T, 3) {
			return "long", plan.Type{Kind: plan.TInt64}
		}
		switch rapid.IntRange(0, 4).Draw(p.T, "odd") {
		case 0:
			return "string", plan.Type{Kind: plan.TInt64}
		case 1:
			return "long", plan.Type{Kind: plan.TAny}
		case 2:
			return []any{"null", "string", "long"}, plan.Type{Kind: plan.TAny}
		case 3:
			return []any{"string", "long"}, plan.Type{Kind: plan.TString}
		}
		return "null", plan.Type{Kind: plan.TString, Nullable: true}
	case leaves, leaves + 1:
		s, t := p.draw(depth - 1)
		return object{"type": "array", "items": s}, plan.Type{Kind: plan.TList, Elem: &t}
	case leaves + 2, leaves + 3:
		s, t := p.draw(depth - 1)
		return object{"type": "map", "values": s}, plan.Type{Kind: plan.TMap, Elem: &t}
	case leaves + 4:
		s, t := p.draw(depth - 1)
		if _, several := s.([]any); several || s == "null" || t.Kind == plan.TAny {
			return s, t
		}
		t.Nullable = !yes(p.T, 3)
		if yes(p.T, 2) {
			return []any{s, "null"}, t
		}
		return []any{"null", s}, t
	case leaves + 5:
		if len(p.open) > 0 {
			name := rapid.SampledFrom(p.open).Draw(p.T, "again")
			again, one := []any{"null", name}, plan.Type{Kind: plan.TRef, Name: name}
			null := one
			null.Nullable = true
			switch rapid.IntRange(0, 2).Draw(p.T, "as") {
			case 0:
				return object{"type": "array", "items": name}, plan.Type{Kind: plan.TList, Elem: &one}
			case 1:
				return object{"type": "array", "items": again}, plan.Type{Kind: plan.TList, Elem: &null}
			}
			return again, null
		}
	}
	return p.record(depth)
}

func (p *pairs) record(depth int) (any, plan.Type) {
	p.count++
	name := "R" + strconv.Itoa(p.count)
	p.open = append(p.open, name)
	var fields []any
	t := plan.Type{Kind: plan.TStruct}
	for i := range rapid.IntRange(1, 6).Draw(p.T, "fields") {
		s, of := p.draw(depth - 1)
		f := plan.Field{Name: "f" + strconv.Itoa(i), Type: of}
		if yes(p.T, 3) {
			f.Optional = true
			f.Omit = rapid.SampledFrom([]string{"", "omitempty", "omitzero", "omitempty,omitzero"}).Draw(p.T, "omit")
		}
		if p.odd && yes(p.T, 40) && of.Kind == plan.TInt64 && !of.Nullable {
			f.Const = "1"
		} else if p.odd && yes(p.T, 40) && of.Kind == plan.TInt64 {
			f.Rules = "min=0"
		}
		if yes(p.T, 20) {
			s, f.Optional = []any{"null", "long"}, true // nobody has such a type, but null
		}
		switch rapid.IntRange(0, 19).Draw(p.T, "where") {
		case 0:
			t.Fields = append(t.Fields, f)
		case 1:
			fields = append(fields, object{"name": f.Name, "type": s})
		default:
			t.Fields = append(t.Fields, f)
			fields = append(fields, object{"name": f.Name, "type": s})
		}
	}
	if len(t.Fields) == 0 {
		t.Fields = []plan.Field{{Name: "only", Type: plan.Type{Kind: plan.TInt64}, Optional: true}}
	}
	if yes(p.T, 3) {
		t.Fields = rapid.Permutation(t.Fields).Draw(p.T, "order")
	}
	t.Extra = p.odd && yes(p.T, 40)
	p.open = p.open[:len(p.open)-1]
	p.types[name] = t
	if fields == nil {
		fields = []any{}
	}
	return object{"type": "record", "name": name, "fields": fields}, plan.Type{Kind: plan.TRef, Name: name}
}

// older draws a schema that messages of s may have been written by, and gives s the defaults
// that it takes for them.
func older(t *rapid.T, s any) any {
	switch s := s.(type) {
	case string:
		switch {
		case s == "long" && yes(t, 3):
			return "int"
		case s == "double" && yes(t, 3):
			return rapid.SampledFrom([]any{"int", "long", "float"}).Draw(t, "narrower")
		case s == "string" && yes(t, 6):
			return "bytes"
		case s == "bytes" && yes(t, 6):
			return "string"
		}
	case []any:
		out := make([]any, len(s))
		for i := range s {
			out[i] = older(t, s[i])
		}
		if some := slices.Index(out, any("null")); len(out) == 2 && some >= 0 && yes(t, 6) {
			some = 1 - some
			if name, ok := out[some].(string); !ok || name[0] != 'R' { // it would hold itself
				return out[some]
			}
		}
		if yes(t, 3) {
			slices.Reverse(out)
		}
		return out
	case object:
		out := object{}
		for k, v := range s {
			out[k] = v
		}
		switch s["type"] {
		case "array":
			out["items"] = older(t, s["items"])
		case "map":
			out["values"] = older(t, s["values"])
		case "enum":
			if yes(t, 3) {
				out["symbols"] = []string{"C", "D", "A", "BB"}
			}
		case "record":
			var fields []any
			for _, f := range s["fields"].([]any) {
				f := f.(object)
				if v, ok := defaultOf(t, f["type"]); ok && yes(t, 4) {
					f["default"] = v
					continue
				}
				fields = append(fields, object{"name": f["name"], "type": older(t, f["type"])})
			}
			if yes(t, 4) {
				of := &pairs{T: t, types: map[string]plan.Type{}, count: 1000} // with names of their own
				passed, _ := of.draw(2)
				fields = append(fields, object{"name": "passed", "type": []any{"null", object{"type": "array", "items": passed}}})
			}
			if fields == nil {
				fields = []any{}
			}
			if yes(t, 3) && len(fields) > 0 {
				fields = rapid.Permutation(fields).Draw(t, "order")
			}
			out["fields"] = fields
		}
		if out["logicalType"] == "timestamp-micros" && yes(t, 3) {
			out["logicalType"] = "timestamp-millis"
		}
		return out
	}
	return s
}

func defaultOf(t *rapid.T, s any) (any, bool) {
	switch s := s.(type) {
	case string:
		v, ok := map[string]any{"boolean": true, "int": 7, "long": -7, "float": 1.5, "double": -1.5, "bytes": "b", "string": "text", "null": nil}[s]
		return v, ok
	case []any:
		return defaultOf(t, s[0])
	case object:
		switch s["type"] {
		case "array":
			if v, ok := defaultOf(t, s["items"]); ok && yes(t, 2) {
				return []any{v, v}, true
			}
			return []any{}, true
		case "map":
			return object{}, true
		case "enum":
			return "BB", true
		case "int", "long":
			return 3, true
		}
	}
	return nil, false
}

// message appends what one of a schema may be.
func message(t *rapid.T, dst []byte, c *Schema, s *library.SchemaNode, depth int) []byte {
	s = c.resolve(s)
	long := func(g *rapid.Generator[int64]) []byte { return binary.AppendVarint(dst, g.Draw(t, "number")) }
	text := func() []byte { return appendSized(nil, texts(t)) }
	switch kinds[s.Type] {
	case kBool:
		b := byte(rapid.IntRange(0, 1).Draw(t, "bool"))
		if yes(t, 100) {
			b = 2
		}
		return append(dst, b)
	case kInt:
		if yes(t, 3) {
			return long(rapid.Int64Range(0, 86_399_999))
		}
		if yes(t, 15) {
			return long(rapid.Int64())
		}
		return long(rapid.Int64Range(math.MinInt32, math.MaxInt32))
	case kLong:
		if s.LogicalType != "" && !yes(t, 10) {
			return long(rapid.OneOf(rapid.Int64Range(0, 86_399_999_999), rapid.Int64Range(-62_135_596_800_000, 253_402_300_799_999)))
		}
		return long(rapid.OneOf(rapid.Int64Range(-200, 200), rapid.Int64()))
	case kFloat:
		return little.AppendUint32(dst, rapid.OneOf(rapid.Uint32(), rapid.SampledFrom([]uint32{0, 1 << 31, 0x7f800001, 0x7fc00000, 0x7f800000})).Draw(t, "float"))
	case kDouble:
		return little.AppendUint64(dst, math.Float64bits(doubles(t)))
	case kBytes, kString:
		return append(dst, text()...)
	case kFixed:
		return append(dst, rapid.SliceOfN(rapid.Byte(), s.Size, s.Size).Draw(t, "fixed")...)
	case kEnum:
		i := rapid.IntRange(0, len(s.Symbols)-1).Draw(t, "symbol")
		if yes(t, 30) {
			i = len(s.Symbols)
		}
		return binary.AppendVarint(dst, int64(i))
	case kUnion:
		i := rapid.IntRange(0, len(s.Branches)-1).Draw(t, "branch")
		if null := slices.IndexFunc(s.Branches, func(b library.SchemaNode) bool { return b.Type == "null" }); depth <= 0 && null >= 0 {
			i = null
		}
		if yes(t, 100) {
			return binary.AppendVarint(dst, int64(len(s.Branches)))
		}
		return message(t, binary.AppendVarint(dst, int64(i)), c, &s.Branches[i], depth-1)
	case kRecord:
		for i := range s.Fields {
			dst = message(t, dst, c, &s.Fields[i].Type, depth-1)
		}
	case kArray, kMap:
		for range rapid.IntRange(0, 2).Draw(t, "blocks") {
			n := rapid.IntRange(1, 3).Draw(t, "elements")
			if depth <= 0 {
				break
			}
			if yes(t, 20) {
				n = rapid.IntRange(17, 40).Draw(t, "more")
			}
			var block []byte
			for i := range n {
				if s.Type == "map" {
					key := texts(t)
					if yes(t, 2) {
						key = strconv.AppendInt(key, int64(i), 10)
					}
					block = appendSized(block, key)
					block = message(t, block, c, s.Values, depth-2)
				} else {
					block = message(t, block, c, s.Items, depth-2)
				}
			}
			if yes(t, 4) {
				dst = binary.AppendVarint(binary.AppendVarint(dst, int64(-n)), int64(len(block)))
			} else {
				dst = binary.AppendVarint(dst, int64(n))
			}
			dst = append(dst, block...)
		}
		return append(dst, 0)
	}
	return dst
}

func texts(t *rapid.T) []byte {
	if yes(t, 50) {
		return []byte(rapid.SampledFrom([]string{"a\xffb", "\xc3", "\xed\xa0\x80"}).Draw(t, "no text"))
	}
	return []byte(rapid.SampledFrom([]string{"", "a", "b", "BB", "A", "C", "D", "ü", "a long one, of more than thirty-two bytes", "世界"}).Draw(t, "text"))
}

func doubles(t *rapid.T) float64 {
	return rapid.OneOf(rapid.Float64(), rapid.SampledFrom([]float64{0, math.Copysign(0, -1), 1, math.MaxFloat32 * 2, math.Inf(1), math.NaN(), math.Float64frombits(0x7ff0000000000001)})).Draw(t, "double")
}

// mutated is b with something wrong, most of the times.
func mutated(t *rapid.T, b []byte) []byte {
	b = slices.Clone(b)
	switch rapid.IntRange(0, 3).Draw(t, "mutation") {
	case 0:
		return append(b, rapid.Byte().Draw(t, "more"))
	case 1:
		return b[:rapid.IntRange(0, len(b)).Draw(t, "end")]
	case 2:
		if len(b) > 0 {
			b[rapid.IntRange(0, len(b)-1).Draw(t, "at")] = rapid.Byte().Draw(t, "byte")
		}
	case 3:
		if len(b) > 0 {
			b[rapid.IntRange(0, len(b)-1).Draw(t, "at")] ^= 1 << rapid.IntRange(0, 7).Draw(t, "bit")
		}
	}
	return b
}

// framed appends what a frame of a type may be.
func framed(t *rapid.T, dst []byte, types map[string]plan.Type, named plan.Type, member, optional bool, depth int) []byte {
	typ, err := named.Resolve(types)
	if err != nil {
		t.Fatal(err)
	}
	if typ.Kind != plan.TAny && typ.Nullable || optional {
		states := []byte{isThere, isThere}
		if typ.Nullable && typ.Kind != plan.TAny {
			states = append(states, isNull)
		}
		if optional {
			states = append(states, isGone)
		}
		state := rapid.SampledFrom(states).Draw(t, "state")
		if depth <= 0 && len(states) > 2 {
			state = states[2]
		}
		if dst = append(dst, state); state != isThere {
			return dst
		}
	}
	word := func(v int64) []byte { return little.AppendUint64(dst, uint64(v)) }
	switch typ.Kind {
	case plan.TBool:
		return append(dst, byte(rapid.IntRange(0, 1).Draw(t, "bool")))
	case plan.TFloat32, plan.TFloat64:
		return word(int64(math.Float64bits(doubles(t))))
	case plan.TTime:
		if yes(t, 20) {
			return word(rapid.Int64().Draw(t, "no time"))
		}
		return word(rapid.OneOf(rapid.Int64Range(0, 1<<51), rapid.SampledFrom([]int64{zeroTime, 0, -1, 1000, 86400e6, -62_167_219_200_000_000, 253_402_300_799_999_999})).Draw(t, "time"))
	case plan.TDuration:
		return word(rapid.OneOf(rapid.Int64Range(0, 86400e6), rapid.Int64()).Draw(t, "duration"))
	case plan.TString, plan.TBytes:
		return appendBlob(dst, texts(t))
	case plan.TAny:
		return append(append(dst, 3), word(4)[len(dst):]...)
	case plan.TList, plan.TMap:
		n := rapid.IntRange(0, 4).Draw(t, "elements")
		if depth <= 0 {
			n = 0
		}
		dst = little.AppendUint32(dst, uint32(n))
		for range n {
			if typ.Kind == plan.TMap {
				dst = appendBlob(dst, texts(t))
			}
			dst = framed(t, dst, types, *typ.Elem, false, false, depth-2)
		}
		return dst
	case plan.TStruct:
		for i := range typ.Fields {
			dst = framed(t, dst, types, typ.Fields[i].Type, true, typ.Fields[i].Optional, depth-1)
		}
		if typ.Extra {
			dst = little.AppendUint32(dst, 0)
		}
		return dst
	}
	return word(rapid.OneOf(rapid.Int64Range(-2, 200), rapid.Int64()).Draw(t, "integer"))
}

// goTypes makes Go types of those of a plan.
type goTypes struct {
	types map[string]plan.Type
	open  map[string]bool
}

var goKinds = map[plan.TypeKind]reflect.Type{
	plan.TBool: reflect.TypeFor[bool](), plan.TInt8: reflect.TypeFor[int8](), plan.TInt16: reflect.TypeFor[int16](), plan.TInt32: reflect.TypeFor[int32](), plan.TInt64: reflect.TypeFor[int64](),
	plan.TUint8: reflect.TypeFor[uint8](), plan.TUint16: reflect.TypeFor[uint16](), plan.TUint32: reflect.TypeFor[uint32](), plan.TUint64: reflect.TypeFor[uint64](),
	plan.TFloat32: reflect.TypeFor[float32](), plan.TFloat64: reflect.TypeFor[float64](), plan.TString: reflect.TypeFor[string](), plan.TBytes: reflect.TypeFor[[]byte](),
	plan.TTime: reflect.TypeFor[time.Time](), plan.TDuration: reflect.TypeFor[time.Duration](), plan.TAny: reflect.TypeFor[any](),
}

// of is the Go type; false: there is none without a name.
func (g *goTypes) of(named plan.Type) (reflect.Type, bool) {
	if named.Kind == plan.TRef {
		if g.open[named.Name] {
			return nil, false
		}
		g.open[named.Name] = true
		defer delete(g.open, named.Name)
	}
	t, err := named.Resolve(g.types)
	if err != nil {
		return nil, false
	}
	out := goKinds[t.Kind]
	switch t.Kind {
	case plan.TList, plan.TMap:
		elem, ok := g.of(*t.Elem)
		if !ok {
			return nil, false
		}
		if out = reflect.MapOf(reflect.TypeFor[string](), elem); t.Kind == plan.TList {
			out = reflect.SliceOf(elem)
		}
	case plan.TStruct:
		var fields []reflect.StructField
		for _, f := range t.Fields {
			of, ok := g.of(f.Type)
			if !ok {
				return nil, false
			}
			bare, err := f.Type.Resolve(g.types)
			if err != nil {
				return nil, false
			}
			rule := f.Omit
			if f.Optional && rule == "" {
				rule = "omitzero"
			}
			if bare.Kind == plan.TStruct {
				rule = "" // a zero value with an empty list in it: Go's own rules differ
			}
			if rule != "" {
				rule = "," + rule
			}
			tag := fmt.Sprintf(`json:"%s%s"`, f.Name, rule)
			if f.Type.Unit != "" {
				tag += ` levada:"unit=` + f.Type.Unit + `"`
			}
			fields = append(fields, reflect.StructField{Name: "F" + f.Name, Type: of, Tag: reflect.StructTag(tag)})
		}
		out = reflect.StructOf(fields)
	}
	if t.Nullable && t.Kind != plan.TAny {
		out = reflect.PointerTo(out)
	}
	return out, true
}

// filled gives v some value.
func filled(t *rapid.T, v reflect.Value) {
	switch v.Kind() {
	case reflect.Pointer:
		if yes(t, 3) {
			v.SetZero()
			return
		}
		v.Set(reflect.New(v.Type().Elem()))
		filled(t, v.Elem())
	case reflect.Slice:
		switch n := rapid.IntRange(-1, 3).Draw(t, "elements"); {
		case n < 0:
		case v.Type() == reflect.TypeFor[[]byte]():
			v.SetBytes(texts(t))
		default:
			v.Set(reflect.MakeSlice(v.Type(), n, n))
			for i := range n {
				filled(t, v.Index(i))
			}
		}
	case reflect.Map:
		n := rapid.IntRange(-1, 3).Draw(t, "entries")
		if n < 0 {
			return
		}
		v.Set(reflect.MakeMap(v.Type()))
		for range n {
			e := reflect.New(v.Type().Elem()).Elem()
			filled(t, e)
			v.SetMapIndex(reflect.ValueOf(string(texts(t))), e)
		}
	case reflect.Struct:
		if v.Type() == reflect.TypeFor[time.Time]() {
			if !yes(t, 4) {
				v.Set(reflect.ValueOf(time.UnixMicro(rapid.Int64Range(-1<<50, 1<<51).Draw(t, "time"))))
			}
			return
		}
		for i := range v.NumField() {
			filled(t, v.Field(i))
		}
	case reflect.Bool:
		v.SetBool(rapid.Bool().Draw(t, "bool"))
	case reflect.String:
		v.SetString(string(texts(t)))
	case reflect.Float32, reflect.Float64:
		v.SetFloat(doubles(t))
	case reflect.Uint8, reflect.Uint16, reflect.Uint32, reflect.Uint64:
		v.SetUint(rapid.OneOf(rapid.Uint64Range(0, 3), rapid.Uint64()).Draw(t, "integer"))
	case reflect.Interface:
		v.Set(reflect.ValueOf(rapid.SampledFrom([]any{"text", int64(3), true}).Draw(t, "any")))
	default:
		v.SetInt(rapid.OneOf(rapid.Int64Range(-2, 100), rapid.Int64Range(0, 86_399_999_999_999), rapid.Int64()).Draw(t, "integer"))
	}
}

// identical says that both are the same, NaN too.
func identical(a, b reflect.Value) bool {
	switch a.Kind() {
	case reflect.Float32, reflect.Float64:
		return math.Float64bits(a.Float()) == math.Float64bits(b.Float())
	case reflect.Pointer:
		return a.IsNil() == b.IsNil() && (a.IsNil() || identical(a.Elem(), b.Elem()))
	case reflect.Slice:
		if a.IsNil() != b.IsNil() || a.Len() != b.Len() {
			return false
		}
		for i := range a.Len() {
			if !identical(a.Index(i), b.Index(i)) {
				return false
			}
		}
		return true
	case reflect.Map:
		if a.IsNil() != b.IsNil() || a.Len() != b.Len() {
			return false
		}
		for _, k := range a.MapKeys() {
			if e := b.MapIndex(k); !e.IsValid() || !identical(a.MapIndex(k), e) {
				return false
			}
		}
		return true
	case reflect.Struct:
		if a.Type() == reflect.TypeFor[time.Time]() {
			break
		}
		for i := range a.NumField() {
			if !identical(a.Field(i), b.Field(i)) {
				return false
			}
		}
		return true
	}
	return reflect.DeepEqual(a.Interface(), b.Interface())
}

func textOf(schema any) string {
	b, err := json.Marshal(schema, json.Deterministic(true))
	if err != nil {
		panic(err)
	}
	return string(b)
}
