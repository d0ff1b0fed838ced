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
		for settings, want := range map[string]string{
			`{"strict":true}`:  "",
			`{"strict":false}`: "",
			`{"strict":1}`:     `step "p" (t.py:2): codec ` + name + `: expected a setting strict that is true or false`,
			`{"strikt":true}`:  `step "p" (t.py:2): codec ` + name + `: expected a setting strict that is true or false`,
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
