package planner

import (
	"strings"
	"testing"
)

func TestSettingsOfCodecs(t *testing.T) {
	for name, has := range map[string]string{"json": "strict and std (true or false), prefix and id", "msgpack": "strict (true or false), prefix and id"} {
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
			_, err := planned(t, "source in\nparse p T\nserialize s\nsink out", map[string]string{"p": "builtin:" + name + ".decode " + settings})
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
