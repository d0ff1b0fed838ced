package planner

import (
	"encoding/json/jsontext"
	"strings"
	"testing"

	"github.com/levada-io/levada/codec"
	jsoncodec "github.com/levada-io/levada/codec/json"
	"github.com/levada-io/levada/codec/msgpack"
	"github.com/levada-io/levada/plan"
)

func TestSettingsOfCodecs(t *testing.T) {
	for name, c := range map[string]codec.Codec{"json": jsoncodec.New(), "msgpack": msgpack.New()} {
		has := map[string]string{"json": "strict and std (true or false), prefix and id", "msgpack": "strict (true or false), prefix and id"}[name]
		for settings, want := range map[string]string{
			`{"strict":true}`:                "",
			`{"strict":false}`:               "",
			`{"strict":1}`:                   `step "p" (t.py:2): codec ` + name + `: expected the settings ` + has + `: json: `,
			`{"prefix":"confluent","id":7}`:  "",
			`{"prefix":"confluence"}`:        `step "p" (t.py:2): codec ` + name + `: prefix: expected confluent, got "confluence"`,
			`{"id":7}`:                       `step "p" (t.py:2): codec ` + name + `: id: expected prefix confluent beside it, got ""`,
			`{"prefix":"confluent","id":-1}`: `step "p" (t.py:2): codec ` + name + `: id: expected the number of a schema, 1 to 2147483647, got -1`,
			`{"strikt":true}`:                `step "p" (t.py:2): codec ` + name + `: expected the settings ` + has + `: json: `,
			`{"std":false,"strict":true}`:    map[string]string{"msgpack": `step "p" (t.py:2): codec msgpack: expected the settings ` + has + `: json: `}[name],
			`{"std":1}`:                      `step "p" (t.py:2): codec ` + name + `: expected the settings ` + has + `: json: `,
		} {
			p := steps(t, "source in\nparse p T\nserialize s\nsink out")
			p.Steps[1].Function.Name, p.Steps[1].Function.Settings = "builtin:"+name+".decode", jsontext.Value(settings)
			cat := catalog()
			cat.Codecs["json"], cat.Codecs[name] = jsoncodec.New(), c
			p.Requires = plan.Requires(p)
			_, err := Plan(p, cat)
			if got := ""; err != nil {
				if got = err.Error(); want == "" || !strings.HasPrefix(got, want) {
					t.Errorf("%s %s: got %v", name, settings, err)
				}
			} else if want != "" {
				t.Errorf("%s %s: accepted", name, settings)
			}
		}
	}
}
